"""A small network as the papers draw it: maps as stacks of plates from left to right, with kernel windows between.

The heights of plates grow with the square root of the maps' sides, so that small maps can be seen beside large
ones; there are 1 + log2(channels) plates in a stack.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2, sqrt

from striate.drawing.cells import Cell
from striate.drawing.scene import SMALL, STEP, Box, Part, Text, lines_of, width_of
from striate.drawing.words import SYMBOLS, word_of

TALL, LOW = 108.0, 8.0  # pixels of the tallest plate, and of the lowest
GAP = 42.0  # between maps, where the kernel's lines go
LINE = 13.0  # from one line of text to the next
CAPTION, MESSAGE = 96.0, 190.0  # the widest lines of captions, and of messages about faults
NODE = 9.0  # the radius of a join


@dataclass(frozen=True)
class Scale:
    """From numbers to pixels: *largest* is the side of the net's largest map."""

    largest: int

    def side(self, n: int) -> float:
        return max(LOW, TALL * sqrt(n / self.largest))


def scale_of(cells: list[Cell]) -> Scale:
    """The scale on which the largest map is ``TALL``."""
    return Scale(max((n for cell in cells for n in (cell.shape or ())[1:]), default=1) or 1)


def glyph(cell: Cell, scale: Scale) -> Box:
    """The picture of a cell's output, with its top left corner at (0, 0)."""
    shape = cell.shape or ()
    about = (cell.kind, cell.tip, bool(cell.faults))
    count = 1 + round(log2(max(1, shape[0]))) if shape else 1
    if cell.kind == "norm" and cell.index:
        return _box(2 * NODE - 4, 2 * NODE - 4, "node", about)
    if len(shape) <= 1:
        return _box(11, 14 + 9 * log2(max(1, *shape, 1)), "bar", about)
    sides = [scale.side(n) for n in shape[1:]]
    if len(sides) == 1:
        return _box(9, sides[0], "plates", about, count)
    if len(sides) == 2:
        return _box(sides[1], sides[0], "plates", about, count)
    return _box(sides[2] * 0.7, sides[1] * 0.7, "cubes", about, min(4, count), sides[0] * 0.25)


def _box(width: float, height: float, look: str, about: tuple[str, str, bool], count: int = 1, depth: float = 0) -> Box:
    kind, tip, fault = about
    more = (count - 1) * STEP + depth
    return Box(0, 0, width + more, height + more, kind, look, tip, fault, count, depth)


def element(cell: Cell, scale: Scale, half: float, gap: float) -> tuple[Part, Box]:
    """One map with its words: name and size above, what makes it below."""
    box = glyph(cell, scale)
    above = [cell.name, cell.size]
    head = max(width_of(above[0], SMALL, bold=True), width_of(above[1], SMALL))
    below = lines_of(", ".join(cell.words()), _caption_width(cell))
    message = [line for fault in cell.faults for line in lines_of(fault, MESSAGE)]
    foot = max((width_of(line, SMALL) for line in below + message), default=0)
    width = max(gap + box.width, head, foot) + 10
    x = max(gap, (width + gap - 10 - box.width) / 2)
    box = box.moved(x, -box.height / 2)
    middle = x + box.width / 2
    centre = min(max(middle, head / 2 + 5), width - head / 2 - 5)
    under = min(max(x - gap / 2 + 6, foot / 2 + 5), width - foot / 2 - 5)
    texts = [Text(centre, -half - 8 - LINE, above[0], SMALL, bold=True), Text(centre, -half - 8, above[1], SMALL)]
    texts += [Text(under, half + 18 + i * LINE, line, SMALL, tone="soft") for i, line in enumerate(below)]
    first = half + 18 + len(below) * LINE
    texts += [Text(under, first + i * LINE, line, SMALL, tone="fault") for i, line in enumerate(message)]
    deep = first + len(message) * LINE - LINE + 4
    return Part(width, half + 8 + 2 * LINE, deep, (box, *texts)), box


def _caption_width(cell: Cell) -> float:
    """Wide enough for its longest word, within reason."""
    words = " ".join(cell.words()).split()
    return max([CAPTION, *(min(MESSAGE, width_of(word + ",", SMALL)) for word in words)])


def join_part(cell: Cell) -> Part:
    """The small node of a join, its words below."""
    assert cell.main
    word = word_of(cell.main)
    symbol = SYMBOLS.get(word, cell.words()[0])
    words = [word if len(symbol) == 1 else "", cell.size, *lines_of(", ".join(cell.words()[1:]), CAPTION)]
    message = [line for fault in cell.faults for line in lines_of(fault, MESSAGE)]
    lines = [(line, "soft") for line in words if line] + [(line, "fault") for line in message]
    own = width_of(symbol, SMALL) + 12 if len(symbol) > 1 else 2 * NODE
    width = max([own, *(width_of(line, SMALL) for line, _ in lines)]) + 12
    box = Box(width / 2 - own / 2, -NODE, own, 2 * NODE, cell.kind, "node", cell.tip, bool(cell.faults))
    texts = [Text(width / 2, 3.5, symbol, SMALL if len(symbol) > 1 else 14)]
    texts += [Text(width / 2, NODE + 14 + i * LINE, line, SMALL, tone=tone) for i, (line, tone) in enumerate(lines)]
    return Part(width, NODE + 4, NODE + 8 + len(lines) * LINE, (box, *texts))
