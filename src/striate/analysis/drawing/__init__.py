"""A network as a picture: plates as in the papers, the U of encoders and decoders, or a block diagram."""

from __future__ import annotations

from striate.analysis.drawing.cells import Cell, cells
from striate.analysis.drawing.page import kinds_in, sheet
from striate.analysis.drawing.rows import rows
from striate.analysis.drawing.scene import Line, Part, Picture, Shape, moved
from striate.analysis.drawing.svg import svg
from striate.analysis.drawing.tree import Series, tree
from striate.analysis.report import Report, check
from striate.spec.compose import Spec
from striate.spec.graph import Graph

__all__ = ["Picture", "draw", "picture"]

ROW = 980.0  # pixels: the longest row of plates


def draw(net: Report | Graph | Spec | str, title: str = "network") -> str:
    """*net* as the text of one self-contained SVG.

    >>> draw("input 1x28x28; conv 6 5; relu; flatten; linear 10")[:4]
    '<svg'
    """
    return svg(picture(net, title))


def picture(net: Report | Graph | Spec | str, title: str = "network") -> Picture:
    report = net if isinstance(net, Report) else check(net)
    found = cells(report)
    return _plates(report, found, tree(found), title)


def _plates(report: Report, found: list[Cell], items: Series, title: str) -> Picture:
    lines = rows(found, items, ROW)
    body = _below(lines)
    note = "Heights: the square root of a map's side, times a factor for this net. Plates: 1 + log2 of the channels."
    return sheet(report, found, title, body, kinds_in(found), note)


def _below(lines: list[Part]) -> Part:
    """Rows below each other; lines lead from the end of one to the beginning of the next."""
    left = 12.0 if len(lines) > 1 else 0.0
    shapes: list[Shape] = []
    y, end = 0.0, (0.0, 0.0)
    width = max(line.length for line in lines) + 2 * left
    for i, line in enumerate(lines):
        flow = y + line.before + (20 if i else 0)
        if i:
            turn = (end[0] + left, y + 6)
            shapes.append(Line((end, (turn[0], end[1]), turn, (2, turn[1]), (2, flow), (left, flow))))
        shapes += moved(line.shapes, left, flow)
        y, end = flow + line.after, (left + line.length, flow)
    return Part(width, 0, y, tuple(shapes))
