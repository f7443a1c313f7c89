"""The page: title, what is drawn, legend, margins; its size is that of what stands on it."""

from __future__ import annotations

import re

from striate.analysis.report import Report, analyse
from striate.drawing.boxes import Boxes
from striate.drawing.cells import LEGEND, Cell, cells, map_size
from striate.drawing.flow import Canvas
from striate.drawing.plates import Plates
from striate.drawing.scene import LARGE, SMALL, Box, Drawing, Element, Text, moved, svg, text_width, wrap_text
from striate.drawing.tree import fold, is_tangled, tree
from striate.drawing.ushape import is_u_shaped, legend, u_shape
from striate.spec.compose import Spec
from striate.spec.graph import Graph

MAX_PLATES = 26  # maps; a network that has more is a block diagram
MARGIN, MIN_WIDTH = 20.0, 340.0
PLATES = "Heights: the square root of a map's side, to scale. Plates: 1 + log2 of the channels."
U = "Heights: the square root of a map's side, to scale. Widths: log2 of the channels. Dashed: what a skip adds."
GLOSSARY = {  # what is explained where it occurs
    r"\bbn\b": "bn: batch normalisation.",
    r" /\d": "/2: stride 2.",
    r"^× \d": "× 3: repeated three times.",
    r"@": "64@56x56: 64 feature maps of 56x56.",
}


def draw_svg(net: Report | Graph | Spec | str, title: str = "network") -> str:
    """*net*, which says its input size, as the text of one self-contained SVG.

    Raises:
        SpecError: The text is not a net, or it has no input size.

    >>> draw_svg("input 1x28x28; conv 6 5; relu; flatten; linear 10")[:4]
    '<svg'
    """
    return svg(lay_out(net, title))


def lay_out(net: Report | Graph | Spec | str, title: str = "network") -> Drawing:
    """What :func:`draw_svg` draws, as plain values: every box, text and line with its coordinates, in pixels.

    >>> [text.text for text in lay_out("input 1x28x28; c1: conv 6 5; relu").only(Text) if text.bold]
    ['network', 'input', 'c1']
    """
    report = net if isinstance(net, Report) else analyse(net)
    found = cells(report)
    items = tree(found)
    largest = max((n for cell in found for n in cell.shape[1:]), default=1) or 1
    if is_u_shaped(found, items):
        return _page(report, found, title, u_shape(found, items, largest), legend(found), U)
    kinds = {cell.kind for cell in found}
    entries = [(kind, words) for kind, words in LEGEND.items() if kind in kinds]
    if len(found) <= MAX_PLATES and not is_tangled(items):
        return _page(report, found, title, Plates(largest).canvas((found[0], *items)), entries, PLATES)
    return _page(report, found, title, Boxes().canvas((found[0], *fold(items))), entries, "")


def _page(
    report: Report, cells: list[Cell], title: str, canvas: Canvas, entries: list[tuple[str, str]], note: str
) -> Drawing:
    """The *canvas* below the title, with *entries* of the legend and a *note* below."""
    body, wide, high = canvas
    width, y = max(wide, MIN_WIDTH), LARGE + 2
    elements: list[Element] = [Text(0, LARGE, line, LARGE, "start", bold=True)
                               for line in wrap_text(title, width, LARGE, True)[:1]]  # fmt: skip
    y = _lines(elements, _summary(report), width, y) + 16
    elements += moved(body, (width - wide) / 2, y)
    y = _legend(elements, entries, width, y + high + 18)
    words = [element.text for element in body if isinstance(element, Text)]
    terms = [meaning for sign, meaning in GLOSSARY.items() if any(re.search(sign, word) for word in words)]
    y = _lines(elements, " ".join([*terms, note]), width, y)
    size = round(width + 2 * MARGIN), round(y + 2 * MARGIN)
    return Drawing(*size, title, _description(report, cells), moved(elements, MARGIN, MARGIN))


def _lines(elements: list[Element], text: str, width: float, y: float) -> float:
    """Adds the lines of *text* from *y* on; where they end."""
    for line in wrap_text(text, width):
        y += 14
        elements.append(Text(0, y, line, SMALL, "start", tone="soft"))
    return y


def _legend(elements: list[Element], entries: list[tuple[str, str]], width: float, y: float) -> float:
    x = 0.0
    for kind, words in entries:
        if x > 0 and x + 18 + text_width(words) > width:
            x, y = 0.0, y + 18
        text = Text(x + 18, y + 9, words, SMALL, "start", tone="soft")
        elements += [Box(x, y, 12, 11, kind, "swatch"), text]
        x = text.bounds[2] + 16
    return y + 12 * bool(entries)


def _summary(report: Report) -> str:
    macs = f"{'at least ' * report.partial}{report.macs:,} MACs"
    parts = [f"input {map_size(report.input)}", f"{report.parameters:,} parameters", macs]
    if report.problems:
        parts.append(f"{len(report.problems)} problem{'s' if len(report.problems) > 1 else ''}")
    return " · ".join(parts)


def _description(report: Report, cells: list[Cell]) -> str:
    """For who cannot see the drawing."""
    steps = [f"{', '.join(cell.words())} to {cell.size}" for cell in cells[1:]]
    shown = steps if len(steps) <= 12 else [*steps[:6], f"{len(steps) - 9} more", *steps[-3:]]
    return f"A network of {len(report.layers)} layers: {_summary(report)}. In order: {'; '.join(shown)}."
