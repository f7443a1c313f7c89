"""A block diagram on a page: its pieces flow down in as many columns as make the page's shape."""

from __future__ import annotations

from math import log

from striate.drawing.boxes import box_of
from striate.drawing.cells import Cell
from striate.drawing.downwards import column, stack
from striate.drawing.scene import Line, Part, Shape, moved
from striate.drawing.tree import Item, Series, Side

GUTTER = 34.0
PAGE = 0.8  # width by height
WIDEST, MOST = 1060.0, 6


def columns(cells: list[Cell], items: Series) -> Part:
    """The diagram, its left top corner at (0, 0)."""
    parts = [box_of(cells[0], False), *(column(piece) for piece in _pieces(items))]
    pages = [_page(_split(parts, n)) for n in range(1, min(MOST, len(parts)) + 1)]
    fitting = [page for page in pages if page.length <= WIDEST] or pages[:1]
    return min(fitting, key=lambda page: abs(log(page.length / page.after / PAGE)))


def _pieces(items: Series) -> list[Series]:
    """What stays in one column: an item, with the side heads that go off before it."""
    pieces: list[list[Item]] = [[]]
    for item in items:
        if pieces[-1] and not isinstance(pieces[-1][-1], Side):
            pieces.append([])
        pieces[-1].append(item)
    return [tuple(piece) for piece in pieces]


def _split(parts: list[Part], count: int) -> list[list[Part]]:
    """The *parts* in order in at most *count* columns, the highest as low as can be."""
    low, high = max(part.length for part in parts), sum(part.length + 20 for part in parts)
    while high - low > 2:
        middle = (low + high) / 2
        low, high = (low, middle) if len(_filled(parts, middle)) <= count else (middle, high)
    return _filled(parts, high)


def _filled(parts: list[Part], height: float) -> list[list[Part]]:
    found: list[list[Part]] = []
    room = -1.0
    for part in parts:
        if part.length > room:
            found, room = [*found, []], height
        found[-1].append(part)
        room -= part.length + 20
    return found


def _page(stacks: list[list[Part]]) -> Part:
    """Columns side by side; the flow goes from the foot of one to the head of the next."""
    shapes: list[Shape] = []
    top = 14.0 if len(stacks) > 1 else 0.0
    right, end = 0.0, None
    height = 0.0
    for parts in stacks:
        part = stack(parts)
        x = right + part.before
        if end:
            x += GUTTER
            turn = right + GUTTER / 2
            way = (end, (end[0], end[1] + 10), (turn, end[1] + 10), (turn, 2.0), (x, 2.0), (x, top))
            shapes.append(Line(way, arrow=True))
        shapes += moved(part.shapes, x, top)
        end, right = (x, top + part.length), x + part.after
        height = max(height, top + part.length)
    return Part(right, 0, height + (12 if len(stacks) > 1 else 0), tuple(shapes))
