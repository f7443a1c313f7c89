"""Whether a network is a U: ways down to smaller maps and up again, with skips across."""

from __future__ import annotations

from math import log2

from striate.drawing.cells import Cell
from striate.drawing.tree import Fork, Series, cells_in

Levels = dict[int, int]
MOST = 46  # cells; a larger network is a block diagram


def suits(cells: list[Cell], items: Series, levels: Levels | None) -> bool:
    """Whether all is sound, and goes two sizes down at least and up again."""
    if not levels or len(cells) > MOST or max(levels.values()) < 2 or any(cell.faults for cell in cells):
        return False
    return is_u(items, levels) and any(isinstance(item, Fork) for item in items)


def levels_of(cells: list[Cell]) -> Levels | None:
    """How often each cell's maps have been halved; None where that cannot be said of all."""
    levels = {0: 0}
    for cell in cells[1:]:
        strides = set(cell.layers[0].stride or ()) | set(cell.layers[-1].stride or ())
        if len(strides) != 1 or len(cell.shape or ()) < 2 or not log2(stride := strides.pop()).is_integer():
            return None
        levels[cell.index] = int(log2(stride))
    return levels


def is_u(items: Series, levels: Levels) -> bool:
    """Whether all forks are a skip beside a way down and up again, and that at least two sizes deep."""
    forks = [item for item in items if isinstance(item, Fork)]
    rest = [item for item in items if not isinstance(item, Fork | Cell)]
    return not rest and all(_is_arch(fork, levels) for fork in forks)


def _is_arch(fork: Fork, levels: Levels) -> bool:
    if len(fork.branches) != 2:
        return False
    level = levels[fork.join.index]
    skip, deep = skip_and_deep(fork, levels)
    flat = all(isinstance(item, Cell) and levels[item.index] == level for item in skip)
    last = deep[-1] if deep else None
    lowest = max((levels[cell.index] for cell in cells_in(deep)), default=level)
    rises = isinstance(last, Cell) and last.kind == "up" and levels[last.index] == level
    return flat and rises and lowest > level and is_u(deep[:-1], levels)


def leading(deep: Series, levels: Levels, level: int) -> int:
    """How many cells of the way down lie in its first row still."""
    same = (isinstance(item, Cell) and levels[item.index] == level for item in deep)
    return next(i for i, stays in enumerate(same) if not stays)


def skip_and_deep(fork: Fork, levels: Levels) -> tuple[Series, Series]:
    one, two = fork.branches
    depths = [max((levels[cell.index] for cell in cells_in(branch)), default=-9) for branch in (one, two)]
    return (one, two) if depths[0] <= depths[1] else (two, one)
