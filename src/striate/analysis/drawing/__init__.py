"""A network as a picture: plates as in the papers, the U of encoders and decoders, or a block diagram."""

from __future__ import annotations

from striate.analysis.drawing.blocks import blocks
from striate.analysis.drawing.cells import Cell, cells
from striate.analysis.drawing.columns import columns
from striate.analysis.drawing.page import kinds_in, sheet
from striate.analysis.drawing.rows import rows
from striate.analysis.drawing.scene import Line, Part, Picture, Shape, moved
from striate.analysis.drawing.svg import svg
from striate.analysis.drawing.tree import Fork, Series, Side, Tangle, tree
from striate.analysis.drawing.ushape import MOST as LARGEST
from striate.analysis.drawing.ushape import is_u, legend, levels_of, u_shape
from striate.analysis.report import Report, check
from striate.spec.compose import Spec
from striate.spec.graph import Graph

__all__ = ["Picture", "draw", "picture"]

MOST = 26  # maps that are drawn as plates; what has more is a block diagram
BLOCKS = "bn: batch normalisation. /2: a step of 2. × 3: the same three times over. 64@56x56: 64 maps of 56x56."
U = "Heights: the square root of a map's side, times a factor. Widths: log2 of the channels, which stand above."
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
    items = tree(found)
    levels = levels_of(found)
    if levels and max(levels.values()) > 1 and not report.problems and len(found) <= LARGEST and is_u(items, levels):
        if any(isinstance(item, Fork) for item in items):
            return sheet(report, found, title, u_shape(found, items, levels), legend(found), U)
    if len(found) <= MOST and not _tangled(items):
        return _plates(report, found, items, title)
    return sheet(report, found, title, columns(found, blocks(items)), kinds_in(found), BLOCKS)


def _plates(report: Report, found: list[Cell], items: Series, title: str) -> Picture:
    lines = rows(found, items, ROW)
    body = _below(lines)
    note = "Heights: the square root of a map's side, times a factor for this net. Plates: 1 + log2 of the channels."
    return sheet(report, found, title, body, kinds_in(found), note)


def _tangled(items: Series) -> bool:
    inside = (
        item.branches if isinstance(item, Fork) else (item.branch,) for item in items if isinstance(item, Fork | Side)
    )
    return any(isinstance(item, Tangle) for item in items) or any(_tangled(b) for branches in inside for b in branches)


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
