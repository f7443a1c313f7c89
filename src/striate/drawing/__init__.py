"""A network as a picture: plates as in the papers, the U of encoders and decoders, or a block diagram."""

from __future__ import annotations

from striate.analysis.report import Report, check
from striate.drawing.blocks import blocks
from striate.drawing.cells import cells
from striate.drawing.columns import columns
from striate.drawing.levels import levels_of, suits
from striate.drawing.page import kinds_in, sheet
from striate.drawing.rows import below, rows
from striate.drawing.scene import Picture
from striate.drawing.svg import svg
from striate.drawing.tree import tangled, tree
from striate.drawing.ushape import legend, u_shape
from striate.spec.compose import Spec
from striate.spec.graph import Graph

__all__ = ["Picture", "draw", "picture"]

MOST = 26  # maps that are drawn as plates; what has more is a block diagram
ROW = 980.0  # pixels: the longest row of plates
PLATES = "Heights: the square root of a map's side, times a factor for this net. Plates: 1 + log2 of the channels."
U = "Heights: the square root of a map's side, times a factor. Widths: log2 of the channels. Dashed: what a skip adds."


def draw(net: Report | Graph | Spec | str, title: str = "network") -> str:
    """*net*, which says its input, as the text of one self-contained SVG.

    >>> draw("input 1x28x28; conv 6 5; relu; flatten; linear 10")[:4]
    '<svg'
    """
    return svg(picture(net, title))


def picture(net: Report | Graph | Spec | str, title: str = "network") -> Picture:
    """What ``draw`` draws, as plain values: every box, text and line with its coordinates.

    >>> [text.text for text in picture("input 1x28x28; c1: conv 6 5; relu").texts if text.bold]
    ['network', 'input', 'c1']
    """
    report = net if isinstance(net, Report) else check(net)
    found = cells(report)
    items = tree(found)
    levels = levels_of(found)
    if levels and suits(found, items, levels):
        return sheet(report, found, title, u_shape(found, items, levels), legend(found), U)
    if len(found) <= MOST and not tangled(items):
        return sheet(report, found, title, below(rows(found, items, ROW)), kinds_in(found), PLATES)
    return sheet(report, found, title, columns(found, blocks(items)), kinds_in(found), "")
