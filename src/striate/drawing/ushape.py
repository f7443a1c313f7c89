"""Encoders and decoders as the U of Ronneberger et al. 2015: a row for each size of maps, skips straight across.

Plates are seen from their side: as high as the square root of the map's side says, the wider the more channels.
"""

from __future__ import annotations

from collections import Counter
from math import log2

from striate.drawing.cells import LEGEND, Cell, caption
from striate.drawing.flow import Canvas
from striate.drawing.plates import Plates
from striate.drawing.scene import LINE, Box, Element, Line, Text, text_block, text_width
from striate.drawing.tree import Fork, Series, cells_in
from striate.errors import shape_text

Levels = dict[int, int]  # of each cell: how often its maps have been halved
MAX_CELLS = 46  # a larger network is a block diagram
TALLER = 0.8  # of the heights of stacks
GAP, TURN = 13.0, 12.0
LANE = 10.0  # above a row, for the skips that pass over plates


def is_u_shaped(cells: list[Cell], items: Series) -> bool:
    """Whether all is sound, and goes two sizes down at least and up again."""
    levels = _levels(cells)
    if len(cells) > MAX_CELLS or max(levels.values(), default=0) < 2 or any(cell.faults for cell in cells):
        return False
    return any(isinstance(item, Fork) for item in items) and all(_is_arch(item, levels) for item in items)


def legend(cells: list[Cell]) -> list[tuple[str, str]]:
    """The kinds with what most of each do."""
    common = _common_words(cells)
    return [(kind, f"{words}: {common[kind]}") for kind, words in LEGEND.items() if kind in common]


def u_shape(cells: list[Cell], items: Series, largest: int) -> Canvas:
    """The U; *largest* is the side of the largest map."""
    drawing = _U(cells, largest)
    drawing.put(cells[0])
    drawing.series(items)
    return tuple(drawing.elements), max(drawing.right.values()), drawing.height


def _levels(cells: list[Cell]) -> Levels:
    """Nothing where that cannot be said of all: a sentence has no maps."""
    levels = {0: 0} if len(cells[0].shape) > 1 else {}
    for cell in cells[1:] if levels else ():
        strides = set(cell.layers[0].stride or ()) | set(cell.layers[-1].stride or ())
        if len(strides) != 1 or len(cell.shape) < 2 or not log2(stride := strides.pop()).is_integer():
            return {}
        levels[cell.index] = int(log2(stride))
    return levels


def _is_arch(item: object, levels: Levels) -> bool:
    """Whether *item* is a cell, or a skip beside a way down and up again, all in one row but for these."""
    if not isinstance(item, Fork) or len(item.branches) != 2:
        return isinstance(item, Cell)
    level = levels[item.join.index]
    skip, deep = _skip_and_deep(item, levels)
    last = deep[-1] if deep else None
    return (
        all(isinstance(inner, Cell) and levels[inner.index] == level for inner in skip)
        and (isinstance(last, Cell) and last.kind == "up" and levels[last.index] == level)
        and _deepest(deep, levels) > level
        and all(_is_arch(inner, levels) for inner in deep[:-1])
    )


def _skip_and_deep(fork: Fork, levels: Levels) -> tuple[Series, Series]:
    one, two = fork.branches
    return (one, two) if _deepest(one, levels) <= _deepest(two, levels) else (two, one)


def _deepest(items: Series, levels: Levels) -> int:
    return max((levels[cell.index] for cell in cells_in(items)), default=-1)


def _common_words(cells: list[Cell]) -> dict[str, str]:
    """For each kind what most of its cells do: the legend says it, and the others say what they do instead."""
    counts: dict[str, Counter[str]] = {}
    for cell in cells:
        if cell.main and cell.kind != "join":
            counts.setdefault(cell.kind, Counter())[", ".join(cell.words())] += 1
    return {kind: count.most_common(1)[0][0] for kind, count in counts.items()}


class _U:
    """The drawing as it grows from left to right; *right* says for each level up to where it is taken."""

    def __init__(self, cells: list[Cell], largest: int) -> None:
        self.levels = _levels(cells)
        self.plates = Plates(largest)
        self.common = _common_words(cells)
        self.right: dict[int, float] = {}
        self.elements: list[Element] = []
        self.last: Box | None = None
        self.level, self.height = 0, 0.0
        half = dict.fromkeys(self.levels.values(), 0.0)
        for cell in cells:
            level = self.levels[cell.index]
            half[level] = max(half[level], self.plate(cell).height / 2)
        self.middles, self.lanes = dict[int, float](), dict[int, float]()  # of each row, and where skips pass above
        for level in sorted(half):
            self.lanes[level] = self.height + LANE / 2
            self.middles[level] = self.height + LANE + 3 * LINE + 6 + half[level]
            self.height = self.middles[level] + half[level] + 4

    def plate(self, cell: Cell) -> Box:
        width = 5 + 2.2 * log2(max(1, cell.shape[0]))
        return Box(0, 0, width, TALLER * self.plates.height(cell.shape[1]), cell.kind, "plate", cell.tip)

    def series(self, items: Series) -> None:
        for item in items:
            if isinstance(item, Fork):
                self.arch(item)
            elif isinstance(item, Cell):
                self.put(item)

    def arch(self, fork: Fork) -> None:
        """The way down and up, with the skip before it; the skip passes above what stays in the row."""
        skip, deep = _skip_and_deep(fork, self.levels)
        level, source, up = self.levels[fork.join.index], self.last, deep[-1]
        assert source
        assert isinstance(up, Cell)
        stays = [isinstance(item, Cell) and self.levels[item.index] == level for item in deep].index(False)
        out = self.right[level] + GAP / 2
        self.series(deep[:stays])
        lowering, width = self.last, source.width
        self.last = self.over(source, out, level) if stays else source
        self.series(skip)
        across, self.last, self.level = self.last, lowering, level
        self.series(deep[stays:-1])
        self.put(up, fork.join, across, across.width if skip else width)

    def over(self, source: Box, out: float, level: int) -> Box:
        """A line from *source* above its row; the point where it has come down again, as a box without a size."""
        y, top, into = self.middles[level], self.lanes[level], self.right[level] + GAP
        way = ((source.bounds[2] + 2, y), (out, y), (out, top), (into, top), (into, y), (into + 4, y))
        self.elements.append(Line(way))
        self.right[level] = into + 4
        return Box(into + 2, y, 0, 0, "join", "point")

    def put(self, cell: Cell, join: Cell | None = None, across: Box | None = None, ghost: float = 0.0) -> None:
        """*cell* behind the last one; with *join*, what comes *across* stands at its left as an empty plate."""
        level, last, box = self.levels[cell.index], self.last, self.plate(cell)
        words = self.words(cell, join, level)
        wide = max([ghost + box.width, text_width(str((join or cell).shape[0]), bold=True), *map(text_width, words)])
        lead = (wide - ghost - box.width) / 2  # from the left end of the words to the plate
        y, between = self.middles[level], range(min(level, self.level), max(level, self.level) + 1)
        left = max(self.right.get(i, -GAP) for i in between) + (26 if join else GAP)
        x = left + lead + ghost
        if last and level > self.level:
            x = max(self.right.get(level, 0) + GAP, last.x + last.width / 2 + TURN) + lead
        elif last and level < self.level:
            x = max(x, last.bounds[2] + TURN - box.width / 2)
        box = box.moved(x, y - box.height / 2)
        if last:
            self.elements.append(self.path(last, box, level))
        if join and across:
            empty = Box(x - ghost, box.y, ghost, box.height, "join", "ghost", join.tip)
            self.elements += [Line(((across.bounds[2] + 2, y), (empty.x - 1, y)), arrow=True), empty]
        middle = (x - ghost + box.bounds[2]) / 2
        top = box.y - 5 - LINE * len(words)
        self.elements += [box, *text_block(middle, top, [(word, "soft") for word in words])]
        self.elements.append(Text(middle, box.y - 5, str((join or cell).shape[0]), bold=True))
        for i in between:
            self.right[i] = max(self.right.get(i, 0), x + box.width / 2 if level != self.level else 0)
        self.right[level] = max(self.right[level], box.bounds[2], middle + wide / 2)
        self.last, self.level = box, level

    def path(self, source: Box, to: Box, level: int) -> Line:
        """From the last plate to the next: along the row, down and then right, or right and then up."""
        y, target = self.middles[self.level], self.middles[level]
        if level > self.level:
            x = source.x + source.width / 2
            return Line(((x, source.bounds[3] + 1), (x, target), (to.x - 1, target)), arrow=True)
        if level < self.level:
            x = to.x + to.width / 2
            return Line(((source.bounds[2] + 1, y), (x, y), (x, to.bounds[3] + 1)), arrow=True)
        return Line(((source.bounds[2] + 2, y), (to.x - 1, y)), arrow=True)

    def words(self, cell: Cell, join: Cell | None, level: int) -> list[str]:
        """From the top: the size of the maps where a row begins, and what is not in the legend."""
        words = []
        if self.last is None or level != self.level:
            words.append(shape_text((join or cell).shape[1:]))
        if join:
            words.append(", ".join(join.words()))
        if cell.main and caption(cell.main) not in self.common.get(cell.kind, "").split(", "):
            words.append(caption(cell.main))
        return words
