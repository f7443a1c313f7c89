"""A small network as the papers draw it: maps as stacks of plates from left to right, with kernel windows between.

The heights of plates grow with the square root of the maps' sides, so that small maps can be seen beside large
ones; there are 1 + log2(channels) plates in a stack.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log2, sqrt
from typing import Self

from striate.drawing.cells import Cell
from striate.drawing.flow import Flow, Piece
from striate.drawing.scene import LINE, STEP, Box, Elements, Line, Point, Text, text_block, text_width, wrap_text
from striate.drawing.tree import Fork, Item, Series, SideHead

MAX_PLATE, MIN_PLATE = 108.0, 8.0  # pixels of the tallest plate, and of the lowest
GAP = 42.0  # between maps, where the kernel's lines go
CAPTION, MESSAGE = 96.0, 190.0  # the widest lines of captions, and of messages about faults
NODE, BAR = 9.0, 10.0  # the radius of a join, and the width of one that is a bar
HIGH, LOW, MIDDLE = (0.66, 0.36), (0.3, 0.66), (0.5, 0.5)  # where windows and units lie on a plate
MARK = 4.0  # pixels of the mark of one unit, and of the smallest window


@dataclass(frozen=True)
class Plates(Flow):
    """*largest* is the side of the net's largest map; *half*, half the height of the tallest map in a row."""

    largest: int
    half: float = 0.0

    down, side = False, -1
    turn, step, gap = 26.0, 0.0, 20.0
    max_width = 1000.0

    def cost(self, width: float, height: float) -> float:
        return height

    def for_row(self, items: Series) -> Self:
        heights = [self.glyph(item).height for item in items if isinstance(item, Cell)]
        return replace(self, half=max(heights, default=0.0) / 2)

    def item(self, item: Item, brief: bool) -> Piece:
        match item:
            case Cell():
                return self._map(item)
            case Fork():
                return self.fork(item, brief)
            case _:
                raise AssertionError(f"{type(item).__name__} is drawn as a block diagram")

    def head(self, side: SideHead) -> Piece:
        return self.series(side.branch)

    def height(self, side: int) -> float:
        """Pixels of a map's *side*."""
        return max(MIN_PLATE, MAX_PLATE * sqrt(side / self.largest))

    def glyph(self, cell: Cell) -> Box:
        """The picture of a cell's output, with its top left corner at (0, 0)."""
        shape = cell.shape
        count, depth = 1 + round(log2(max(1, *shape[:1], 1))), 0.0
        sides = [self.height(n) for n in shape[1:]]
        match sides:
            case _ if cell.kind == "norm":
                look, count, width, height = "node", 1, 2 * NODE - 4, 2 * NODE - 4
            case []:
                look, count, width, height = "bar", 1, 11.0, 14 + 9 * log2(max(1, *shape, 1))
            case [length]:
                look, width, height = "plates", 9.0, length
            case [height, width]:
                look = "plates"
            case [far, high, wide, *_]:
                look, count, width, height, depth = "cubes", min(4, count), wide * 0.7, high * 0.7, far * 0.25
        more = (count - 1) * STEP + depth
        return Box(0, 0, width + more, height + more, cell.kind, look, cell.tip, bool(cell.faults), count, depth)

    def _map(self, cell: Cell) -> Piece:
        """One map with its words: name and size above, what makes it below."""
        box, half, gap = self.glyph(cell), self.half, GAP if cell.index else 4
        head = max(text_width(cell.name, bold=True), text_width(cell.size))
        longest = max((text_width(word + ",") for word in " ".join(cell.words()).split()), default=0)
        caption = wrap_text(", ".join(cell.words()), max(CAPTION, min(MESSAGE, longest)))
        below = [(line, "soft") for line in caption] + cell.messages(MESSAGE)
        foot = max((text_width(line) for line, _ in below), default=0)
        width = max(gap + box.width, head, foot) + 10
        x = max(gap, (width + gap - 10 - box.width) / 2)
        box = box.moved(x, -box.height / 2)
        centre = min(max(x + box.width / 2, head / 2 + 5), width - head / 2 - 5)
        under = min(max(x - gap / 2 + 6, foot / 2 + 5), width - foot / 2 - 5)
        texts = [Text(centre, -half - 8 - LINE, cell.name, bold=True), Text(centre, -half - 8, cell.size)]
        texts += text_block(under, half + 18, below)
        before, after = half + 8 + 2 * LINE, half + 22 + (len(below) - 1) * LINE
        return Piece(width, before, after, (box, *texts), x, width - x - box.width, first=cell, last=cell)

    def node(self, join: Cell) -> Piece:
        word = join.symbol
        width = 2 * NODE if len(word) == 1 else text_width(word) + 12
        symbol = Text(0, 3.5, word, 14) if len(word) == 1 else Text(0, 3.5, word)
        return self._join(join, Box(-width / 2, -NODE, width, 2 * NODE, "join", "node", join.tip), symbol)

    def bar(self, join: Cell, low: float, high: float, brief: bool) -> Piece:
        return self._join(join, Box(-BAR / 2, low, BAR, high - low, join.kind, "box", join.tip, bool(join.faults)))

    def _join(self, join: Cell, box: Box, *symbol: Text) -> Piece:
        """The join, its words below."""
        words = join.words()[1:] if symbol and len(symbol[0].text) > 1 else join.words()
        lines = [(line, "soft") for line in [*wrap_text(", ".join(words), CAPTION), join.size]] + join.messages(MESSAGE)
        width = max([box.width, *(text_width(line) for line, _ in lines)]) + 12
        low, high = box.bounds[1], box.bounds[3]
        texts = (*symbol, *text_block(0, high + 14, lines))
        elements = self.shifted((box, *texts), width / 2)
        side = (width - box.width) / 2
        return Piece(width, 4 - low, high + 8 + len(lines) * LINE, elements, side, side)

    # ------------------------------------------------------------------------------ what leads from map to map
    def link(self, one: Piece, other: Piece) -> Elements:
        """The kernel's window with its lines to one unit, or an arrow."""
        given, cell = one.last, other.first
        if not given or not cell:
            return super().link(one, other)
        source, target = self.glyph(given), self.glyph(cell)
        source = source.moved(one.leave - source.width, -source.height / 2)
        target = target.moved(other.enter, -target.height / 2)
        if not cell.main or not given.shape or "node" in (target.look, source.look) or cell.kind == "other":
            return (self.line((one.leave + 2, 0), (other.enter - 1, 0), arrow=True),)
        kernel, kind = cell.kernel, cell.kind
        if kind == "up" and kernel and len(cell.shape) == len(kernel) + 1:
            window, unit = _window(target, cell.shape, kernel, LOW, kind), _unit(source, HIGH, kind)
            return (*_cone(unit, window, opens=True), window, unit)
        unit = _unit(target, LOW if len(cell.shape) > 1 else MIDDLE, kind)
        if kernel and len(given.shape) == len(kernel) + 1:
            window = _window(source, given.shape, kernel, HIGH, kind)
            return (*_cone(unit, window), window, unit)
        left, top, right, bottom = source.front
        return (*_cone(unit, Box(left, top, right - left, bottom - top, kind, "mark")), unit)


def _window(box: Box, shape: tuple[int, ...], kernel: tuple[int, ...], place: Point, kind: str) -> Box:
    """The kernel's window upon the front plate of *box*, its centre at *place* (parts of the plate)."""
    left, top, right, bottom = box.front
    parts = [k / max(1, n) for k, n in zip(kernel, shape[1:], strict=True)]
    high, wide = (parts[-2], parts[-1]) if len(parts) > 1 else (parts[0], 1.0)  # a sequence has a length alone
    width, height = _within(right - left, wide), _within(bottom - top, high)
    x = min(max(left + place[0] * (right - left) - width / 2, left), right - width)
    y = min(max(top + place[1] * (bottom - top) - height / 2, top), bottom - height)
    return Box(x, y, width, height, kind, "mark")


def _within(side: float, share: float) -> float:
    return min(side, max(MARK, side * share))


def _unit(box: Box, place: Point, kind: str) -> Box:
    left, top, right, bottom = box.front
    side = min(MARK, right - left, bottom - top)
    x, y = left + place[0] * (right - left), top + place[1] * (bottom - top)
    return Box(x - side / 2, y - side / 2, side, side, kind, "mark")


def _cone(unit: Box, window: Box, *, opens: bool = False) -> Elements:
    """The lines from the corners of the window that look towards the unit."""
    x = window.x if opens else window.x + window.width
    tip = (unit.x + unit.width * opens, unit.y + unit.height / 2)
    ends = ((x, window.y), (x, window.y + window.height))
    return tuple(Line((end, tip), kind=unit.kind) for end in ends)
