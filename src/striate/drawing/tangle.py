"""Cells whose ways cross: below each other, with lines at the right for what does not come from just above."""

from __future__ import annotations

from collections.abc import Callable

from striate.drawing.cells import Cell
from striate.drawing.scene import Line, Part, Shape, moved
from striate.drawing.tree import Tangle

GAP, LANE = 16.0, 9.0


def tangle(item: Tangle, box_of: Callable[[Cell, bool], Part]) -> Part:
    """The cells of *item* in order; every line at the right has a lane of its own where others pass."""
    parts = [box_of(cell, False) for cell in item.cells]
    tops = [GAP]
    for part in parts:
        tops.append(tops[-1] + part.length + GAP)
    place = {cell.index: i for i, cell in enumerate(item.cells)} | {item.entry: -1}
    shapes: list[Shape] = [s for part, y in zip(parts, tops, strict=False) for s in moved(part.shapes, 0, y)]
    edges: list[tuple[int, int, int]] = []
    for i, cell in enumerate(item.cells):
        for number, source in enumerate(cell.inputs):
            if place[source] == i - 1 and (i - 1, i, 0) not in edges:
                edges.append((i - 1, i, 0))
                above = 0.0 if i == 0 else tops[i - 1] + parts[i - 1].length
                shapes.append(Line(((0, above), (0, tops[i])), arrow=True))
            else:
                edges.append((place[source], i, 1 + number))
    right = max(part.after for part in parts) + 12
    lanes = _lanes([(min(a, b), max(a, b)) for a, b, number in edges if number])
    for (a, b, number), lane in zip([edge for edge in edges if edge[2]], lanes, strict=True):
        x = right + LANE * lane
        end = (parts[b].after, tops[b] + 4 + number * (parts[b].length - 8) / (2 + len(item.cells[b].inputs)))
        start = (0.0, 3.0) if a < 0 else (parts[a].after, tops[a] + parts[a].length - 5)
        shapes.append(Line((start, (x, start[1]), (x, end[1]), end), "skip", arrow=True))
    after = right + LANE * (max(lanes, default=-1) + 1)
    return Part(tops[-1] - GAP, max(part.before for part in parts), after, tuple(shapes))


def _lanes(spans: list[tuple[int, int]]) -> list[int]:
    """For each span the first lane that is free all along it."""
    taken: list[list[tuple[int, int]]] = []
    found = []
    for a, b in spans:
        lane = next((i for i, lane in enumerate(taken) if all(b < c or d < a for c, d in lane)), len(taken))
        taken += [[]] * (lane == len(taken))
        taken[lane] = [*taken[lane], (a, b)]
        found.append(lane)
    return found
