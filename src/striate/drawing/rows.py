"""Plates in rows: one after the other, branches one below the other, skips as arcs above, side heads below."""

from __future__ import annotations

from dataclasses import dataclass, field

from striate.drawing.cells import Cell
from striate.drawing.links import arrow_to, link
from striate.drawing.plates import GAP, NODE, Scale, element, glyph, join_part, scale_of
from striate.drawing.scene import Box, Line, Part, Shape, moved
from striate.drawing.tree import Fork, Item, Series, Side

TURN = 26.0  # the width in which the lines of forks and joins turn
BETWEEN = 14.0  # from one branch to the next
ARC = 14.0  # from one skip to the next


@dataclass
class _Row:
    """What has been put in a row so far; *last* is the map at its end that a kernel's window can be drawn on."""

    scale: Scale
    half: float
    x: float = 0.0
    before: float = 0.0
    after: float = 0.0
    shapes: list[Shape] = field(default_factory=list)
    last: tuple[Box, Cell] | None = None

    def put(self, part: Part, dy: float = 0.0) -> None:
        self.shapes += moved(part.shapes, self.x, dy)
        self.before, self.after = max(self.before, part.before - dy), max(self.after, part.after + dy)
        self.x += part.length

    @property
    def end(self) -> float:
        """Where the flow goes on."""
        return self.last[0].bounds[2] + 2 if self.last else self.x

    @property
    def part(self) -> Part:
        return Part(self.x, self.before, self.after, tuple(self.shapes))


def rows(cells: list[Cell], items: Series, limit: float) -> list[Part]:
    """All *items* behind the input, in rows that are at most *limit* long where that is possible."""
    scale = scale_of(cells)
    pieces = _pieces((cells[0], *items))
    lengths = [row(piece, scale).length for piece in pieces]
    count = -(-sum(lengths) // limit)
    if count == 1:
        return [row((cells[0], *items), scale)]
    shares = _shared(lengths, sum(lengths) / count)
    lines = [tuple(item for piece in pieces[a:b] for item in piece) for a, b in shares]
    return [row(line, scale, tail=i < len(lines) - 1) for i, line in enumerate(lines)]


def _pieces(items: Series) -> list[Series]:
    """What stays in one row: an item, with the side heads that go off before it."""
    pieces: list[list[Item]] = [[]]
    for item in items:
        if pieces[-1] and not isinstance(pieces[-1][-1], Side):
            pieces.append([])
        pieces[-1].append(item)
    return [tuple(piece) for piece in pieces]


def _shared(lengths: list[float], share: float) -> list[tuple[int, int]]:
    """From where to where each row goes, when each gets its *share* of the length."""
    ends, total = [0], 0.0
    for i, length in enumerate(lengths):
        if total + length / 2 > share * len(ends) and i > ends[-1]:
            ends.append(i)
        total += length
    return list(zip(ends, [*ends[1:], len(lengths)], strict=True))


def row(items: Series, scale: Scale, *, tail: bool = False, half: float | None = None) -> Part:
    """The *items* from left to right; with *tail*, the flow goes on to the end of the part."""
    if half is None:
        half = max((glyph(item, scale).height / 2 for item in items if isinstance(item, Cell)), default=0)
    now = _Row(scale, half)
    sides: list[Side] = []
    for item in items:
        if isinstance(item, Side):
            sides.append(item)
        elif sides:
            _beside(now, sides, item)
            sides = []
        else:
            _put(now, item)
    if sides:
        _beside(now, sides, None)
    if tail and now.end < now.x:
        now.shapes.append(Line(((now.end, 0), (now.x, 0))))
    return now.part


def _put(now: _Row, item: Item) -> None:
    match item:
        case Cell():
            part, box = element(item, now.scale, now.half, GAP if item.index else 4)
            placed, x = box.moved(now.x, 0), now.x
            now.put(part)
            if now.last:
                now.shapes += link(*now.last, placed, item)
            elif item.index:
                now.shapes += arrow_to(x, placed)
            now.last = placed, item
        case Fork():
            _fork(now, item)
        case _:
            raise AssertionError(f"{type(item).__name__} is drawn as a block diagram")


def _fork(now: _Row, fork: Fork) -> None:
    """The branches, lines to and from them, the skips above, and the join."""
    begin, left = now.end, now.x
    branches = [row(branch, now.scale, tail=True) for branch in fork.branches if branch]
    length = max((part.length for part in branches), default=20)
    join = join_part(fork.join)
    bend, right = left + TURN / 2, left + TURN + length + TURN / 2
    node, half = right + TURN / 2 + join.length / 2, join.shapes[0].bounds[2] - join.length / 2
    for part, y in _stacked(branches):
        now.shapes.append(_way((begin, 0), bend, (left + TURN, y)))
        now.x = left + TURN
        now.put(part, y)
        now.shapes.append(_way((left + TURN + part.length, y), right, (node - half, 0), arrow=True))
    if not branches:
        now.shapes.append(Line(((begin, 0), (node - half, 0)), arrow=True))
    for _ in range(len(fork.branches) - max(1, len(branches))):
        now.before = max(now.before, 12) + ARC
        top = -now.before + 6
        now.shapes.append(Line(((begin, 0), (bend, 0), (bend, top), (node, top), (node, -NODE)), "skip", arrow=True))
    now.x = right + TURN / 2
    now.put(join)
    now.last = None
    now.shapes.append(Line(((node + half, 0), (now.x, 0))))


def _stacked(branches: list[Part]) -> list[tuple[Part, float]]:
    """The branches with the heights of their flow: one goes straight on, several lie around the middle."""
    total = sum(part.before + part.after for part in branches) + BETWEEN * (len(branches) - 1)
    top = -total / 2
    if len(branches) == 1:
        return [(branches[0], 0.0)]
    placed = []
    for part in branches:
        placed.append((part, top + part.before))
        top += part.before + part.after + BETWEEN
    return placed


def _way(start: tuple[float, float], bend: float, end: tuple[float, float], arrow: bool = False) -> Line:
    return Line((start, (bend, start[1]), (bend, end[1]), end) if start[1] != end[1] else (start, end), arrow=arrow)


def _beside(now: _Row, sides: list[Side], item: Item | None) -> None:
    """*item* (or nothing), and below it the side heads that go off before it."""
    begin, left = now.end, now.x
    now.last = None
    below = 0.0
    if item is not None:
        main = row((item,), now.scale, tail=True, half=now.half if isinstance(item, Cell) else None)
        now.shapes.append(Line(((begin, 0), (left + TURN, 0))))
        now.x = left + TURN
        now.put(main)
        below = main.after
    furthest = now.x
    for side in sides:
        part = row(side.branch, now.scale)
        y = below + BETWEEN + part.before
        now.shapes.append(_way((begin, 0), left + TURN / 2, (left + TURN, y)))
        now.x = left + TURN
        now.put(part, y)
        below, furthest = y + part.after, max(furthest, now.x)
    now.x = furthest
    if item is not None:
        now.shapes.append(Line(((left + TURN + main.length, 0), (furthest, 0))))


def below(lines: list[Part]) -> Part:
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
