"""Encoders and decoders as the U of Ronneberger et al. 2015: a row for each size of maps, skips straight across.

Plates are seen from their side: as high as the square root of the map's side says, the wider the more channels.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import log2

from striate.drawing.cells import Cell
from striate.drawing.levels import Levels, leading, skip_and_deep
from striate.drawing.plates import Scale, scale_of
from striate.drawing.scene import SMALL, Box, Line, Part, Shape, Text, width_of
from striate.drawing.tree import Fork, Series
from striate.drawing.words import LEGEND, caption
from striate.errors import shape_text

TALLER = 0.8  # of the scale of stacks
GAP, TURN, LINE = 13.0, 12.0, 13.0
LANE = 10.0  # above a row, for the skips that pass over plates


@dataclass
class _U:
    """The picture as it grows from left to right; *right* says for each level up to where it is taken."""

    levels: Levels
    scale: Scale
    heights: dict[int, float]  # the middle of each level
    tops: dict[int, float]  # the lane above each
    common: dict[str, str]
    right: dict[int, float] = field(default_factory=dict)
    shapes: list[Shape] = field(default_factory=list)
    last: Box | None = None
    level: int = 0

    def free(self, levels: range, x: float) -> None:
        for level in levels:
            self.right[level] = max(self.right.get(level, 0.0), x)


def u_shape(cells: list[Cell], items: Series, levels: Levels) -> Part:
    """The U, its left top corner at (0, 0)."""
    scale = scale_of(cells)
    half = dict.fromkeys(levels.values(), 0.0)
    for cell in cells:
        half[levels[cell.index]] = max(half[levels[cell.index]], _plate(cell, scale).height / 2)
    heights, tops, y = dict[int, float](), dict[int, float](), 0.0
    for level in sorted(half):
        tops[level] = y + LANE / 2
        heights[level] = y + LANE + 3 * LINE + 6 + half[level]
        y = heights[level] + half[level] + 4
    now = _U(levels, scale, heights, tops, common_words(cells))
    _put(now, cells[0], arrow=False)
    _series(now, items)
    return Part(max(now.right.values()), 0, y, tuple(now.shapes))


def common_words(cells: list[Cell]) -> dict[str, str]:
    """For each kind what most of its cells do: the legend says it, and the others say what they do instead."""
    counts: dict[str, Counter[str]] = {}
    for cell in cells:
        if cell.main and cell.kind != "join":
            counts.setdefault(cell.kind, Counter())[", ".join(cell.words())] += 1
    return {kind: count.most_common(1)[0][0] for kind, count in counts.items()}


def legend(cells: list[Cell]) -> list[tuple[str, str]]:
    """The kinds with what most of each do."""
    common = common_words(cells)
    return [(kind, f"{words}: {common[kind]}") for kind, words in LEGEND.items() if kind in common]


def _series(now: _U, items: Series) -> None:
    for item in items:
        match item:
            case Cell():
                _put(now, item)
            case Fork():
                _arch(now, item)
            case _:
                raise AssertionError("not a U")


def _arch(now: _U, fork: Fork) -> None:
    """The way down and up, with the skip before it; the skip passes above what stays in the row."""
    skip, deep = skip_and_deep(fork, now.levels)
    level, source, up = now.levels[fork.join.index], now.last, deep[-1]
    assert source is not None
    assert isinstance(up, Cell)
    stay = leading(deep, now.levels, level)
    out = now.right[level] + GAP / 2
    _series(now, deep[:stay])
    lowering, width = now.last, source.width
    now.last = _over(now, source, out, level) if stay else source
    _series(now, skip)
    across = now.last
    width = across.width if skip else width
    now.last, now.level = lowering, level
    _series(now, deep[stay:-1])
    _put(now, up, fork.join, across, width)


def _over(now: _U, source: Box, out: float, level: int) -> Box:
    """A line from *source* above its row; the point where it has come down again, as a box without a size."""
    y, into = now.heights[level], now.right[level] + GAP
    top = now.tops[level]
    way = ((source.bounds[2] + 2, y), (out, y), (out, top), (into, top), (into, y), (into + 4, y))
    now.shapes.append(Line(way, "skip"))
    now.free(range(level, level + 1), into + 4)
    return Box(into + 2, y, 0, 0, "join", "point")


def _plate(cell: Cell, scale: Scale) -> Box:
    shape = cell.shape or (1, 1)
    width = 5 + 2.2 * log2(max(1, shape[0]))
    return Box(0, 0, width, TALLER * scale.side(shape[1]), cell.kind, "plate", cell.tip)


def _put(
    now: _U, cell: Cell, join: Cell | None = None, across: Box | None = None, ghost: float = 0.0, *, arrow: bool = True
) -> None:
    """*cell* behind the last one; with *join*, what comes *across* stands at its left as an empty plate."""
    level = now.levels[cell.index]
    box = _plate(cell, now.scale)
    words = _words(now, cell, join, level)
    wide = max(ghost + box.width, *(width_of(word, SMALL, bold) for word, _, bold in words))
    lead = (wide - ghost - box.width) / 2  # from the left end of the words to the plate
    y, between = now.heights[level], range(min(level, now.level), max(level, now.level) + 1)
    left = max((now.right.get(i, -GAP) for i in between), default=0) + (GAP if not join else 26)
    x = left + lead + ghost
    if now.last and level > now.level:
        x = max(now.right.get(level, 0) + GAP, now.last.x + now.last.width / 2 + TURN) + lead
    elif now.last and level < now.level:
        x = max(x, now.last.bounds[2] + TURN - box.width / 2, left + lead + ghost)
    placed = box.moved(x, y - box.height / 2)
    if now.last and arrow:
        now.shapes.append(_way(now, placed, level))
    if join and across:
        empty = Box(x - ghost, placed.y, ghost, box.height, "join", "ghost", join.tip)
        now.shapes += [Line(((across.bounds[2] + 2, y), (empty.x - 1, y)), "skip", arrow=True), empty]
    middle = (placed.x - ghost + placed.bounds[2]) / 2
    now.shapes.append(placed)
    now.shapes += [
        Text(middle, placed.y - 5 - LINE * i, word, SMALL, bold=bold, tone=tone)
        for i, (word, tone, bold) in enumerate(reversed(words))
    ]
    now.free(between, x + box.width / 2 if level != now.level else 0)
    now.free(range(level, level + 1), max(placed.bounds[2], middle + wide / 2))
    now.last, now.level = placed, level


def _way(now: _U, to: Box, level: int) -> Line:
    """From the last plate to the next: along the row, down and then right, or right and then up."""
    assert now.last
    source, y, target = now.last, now.heights[now.level], now.heights[level]
    if level > now.level:
        x = source.x + source.width / 2
        return Line(((x, source.bounds[3] + 1), (x, target), (to.x - 1, target)), arrow=True)
    if level < now.level:
        x = to.x + to.width / 2
        return Line(((source.bounds[2] + 1, y), (x, y), (x, to.bounds[3] + 1)), arrow=True)
    return Line(((source.bounds[2] + 2, y), (to.x - 1, y)), arrow=True)


def _words(now: _U, cell: Cell, join: Cell | None, level: int) -> list[tuple[str, str, bool]]:
    """From the top: the size of the maps where a row begins, what is not in the legend, the channels."""
    words = []
    shape = (join or cell).shape or ()
    if now.last is None or level != now.level:
        words.append((shape_text(shape[1:]), "soft", False))
    if join:
        words.append((", ".join(join.words()), "soft", False))
    common = now.common.get(cell.kind, "").split(", ")
    if cell.main and caption(cell.main) not in common:
        words.append((caption(cell.main), "soft", False))
    return [*words, (str(shape[0]), "ink", True)]
