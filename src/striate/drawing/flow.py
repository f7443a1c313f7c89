"""Where the pieces of a drawing go: one after the other, forks and joins, side heads, rows or columns.

One set of rules for both directions. Places are ``(u, v)``: *u* along the flow, *v* across it; ``Plates`` flow to the
right (u is x), ``Boxes`` down (u is y).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import fsum
from typing import ClassVar, Self

from striate.drawing.cells import Cell
from striate.drawing.scene import Element, Elements, Line, Point, moved
from striate.drawing.tree import Fork, Item, Series, SideHead, cells_in
from striate.spec.ops import Concat

GAP, LEAD = 16.0, 14.0  # between a branch and what follows; before an item with side heads, and before a row
MAX_LINES = 6  # rows or columns
ROUNDING = 1e-6  # pixels: sums of lengths in another order

Canvas = tuple[Elements, float, float]  # elements whose left top corner is (0, 0), their width and height


@dataclass(frozen=True)
class Piece:
    """A piece of a drawing, as seen from where the flow enters it, the point (0, 0).

    It is *length* long and reaches *before* and *after* (to lower and to higher v). Its first and last outlines are
    *enter* behind its beginning and *tail* before its end. *forks*: it begins with lines of its own. *first* and
    *last* are the maps at its ends, where a kernel's window can be drawn upon these.
    """

    length: float
    before: float
    after: float
    elements: Elements = ()
    enter: float = 0.0
    tail: float = 0.0
    forks: bool = False
    first: Cell | None = None
    last: Cell | None = None

    @property
    def leave(self) -> float:
        return self.length - self.tail

    def reach(self, side: int) -> float:
        """How far it reaches to higher v, or, for the *side* -1, to lower."""
        return self.after if side > 0 else self.before


class Flow(ABC):
    """How the pieces of one kind of drawing are made, and how they are put together."""

    down: ClassVar[bool]
    turn: ClassVar[float]  # the length in which the lines of a fork turn
    step: ClassVar[float]  # from one piece to the next
    gap: ClassVar[float]  # between rows or columns
    side: ClassVar[int]  # where the shorter of two branches goes: 1 (higher v) or -1
    max_width: ClassVar[float]

    @abstractmethod
    def item(self, item: Item, brief: bool) -> Piece:
        """*brief*: with neither name nor size, where a frame around it says both."""

    @abstractmethod
    def node(self, join: Cell) -> Piece:
        """A round join, the first of its elements, in the middle of the flow."""

    @abstractmethod
    def bar(self, join: Cell, low: float, high: float, brief: bool) -> Piece:
        """A join as a bar across the flow, from *low* to *high*."""

    @abstractmethod
    def head(self, side: SideHead) -> Piece: ...

    @abstractmethod
    def cost(self, width: float, height: float) -> float:
        """What makes one of several sizes of the drawing the best: the least."""

    def link(self, one: Piece, other: Piece) -> Elements:
        """What leads from *one* to the *other*: a line, both being where they belong."""
        return (self.line((one.leave, 0), (other.enter, 0), arrow=not other.forks),)

    def for_row(self, items: Series) -> Self:
        """The same, for *items* that stand in one row."""
        return self

    # ---------------------------------------------------------------------------------------------- places
    def line(self, *places: Point, arrow: bool = False) -> Line:
        return Line(tuple((v, u) for u, v in places) if self.down else places, arrow)

    def shifted(self, elements: Iterable[Element], u: float, v: float = 0.0) -> Elements:
        return moved(elements, v, u) if self.down else moved(elements, u, v)

    # ------------------------------------------------------------------------------------------ put together
    def series(self, items: Series, brief: bool = False) -> Piece:
        """The *items* one after the other."""
        if not items:
            return Piece(0, 0, 0)
        flow = self.for_row(items)
        pieces = [flow._unit(unit, brief) for unit in _units(items)]
        elements: list[Element] = []
        last = pieces[0]
        for i, piece in enumerate(pieces):
            u = last.length + self.step if i else 0.0
            placed = replace(piece, length=u + piece.length, enter=u + piece.enter)
            elements += flow.shifted(piece.elements, u)
            elements += flow.link(last, placed) if i else ()
            last = placed
        before, after = max(piece.before for piece in pieces), max(piece.after for piece in pieces)
        return replace(last, before=before, after=after, elements=tuple(elements),
                       enter=pieces[0].enter, forks=pieces[0].forks, first=pieces[0].first)  # fmt: skip

    def _unit(self, unit: Series, brief: bool) -> Piece:
        """An item, and beside it the side heads that go off before it."""
        *heads, item = unit
        if isinstance(item, SideHead):
            heads, piece = [*heads, item], Piece(0, 0, 0)
        else:
            piece = self.item(item, brief)
        if not heads:
            return piece
        length, after = piece.length, piece.after
        elements = self._branch(piece, LEAD)
        for side in heads:
            assert isinstance(side, SideHead)
            head = self.head(side)
            v = after + GAP + head.before
            elements += self._branch(head, LEAD, v)
            length, after = max(length, head.length), v + head.after
        return Piece(LEAD + length, piece.before, after, tuple(elements), tail=length - piece.leave, forks=True)

    def _branch(self, piece: Piece, u: float, v: float = 0.0) -> list[Element]:
        """The *piece*, beginning at ``(u, v)``, and the line that leads to it from ``(0, 0)``."""
        bend, end = self.turn - LEAD, (u + piece.enter, v)
        way = ((0.0, 0.0), (bend, 0.0), (bend, v), end) if abs(v) > 0.5 else ((0.0, v), end)
        arrow = bool(piece.elements) and not piece.forks
        return [self.line(*way, arrow=arrow), *self.shifted(piece.elements, u, v)]

    def fork(self, fork: Fork, brief: bool) -> Piece:
        """The branches of *fork* and its join: a bar where more comes together than a round join can show."""
        join = fork.join
        wide = len(fork.branches) != 2 or (isinstance(join.op, Concat) and all(fork.branches))
        return (self._wide_fork if wide or join.kind != "join" or join.faults else self._narrow_fork)(fork, brief)

    def _narrow_fork(self, fork: Fork, brief: bool) -> Piece:
        """Two branches: the longer one straight on, the other one (or nothing: a skip) at its side."""
        branches = sorted(fork.branches, key=lambda branch: -len(list(cells_in(branch))))
        main, other = (self.series(branch, brief) for branch in branches)
        join, side, longest = self.node(fork.join), self.side, max(main.length, other.length)
        end, begin = self.turn + longest + GAP, self.turn + (longest - other.length) / 2
        left, top, right, bottom = join.elements[0].bounds
        centre, edge = ((top + bottom) / 2, right) if self.down else ((left + right) / 2, bottom)
        v = max(main.reach(side) + GAP + other.reach(-side), edge + LEAD)
        back = ((begin + other.leave, side * v), (end + centre, side * v), (end + centre, side * edge))
        elements = (
            *self._branch(main, self.turn),
            self.line((self.turn + main.leave, 0), (end + join.enter, 0), arrow=True),
            *self._branch(other, begin, side * v),
            self.line(*back, arrow=True),
            *self.shifted(join.elements, end),
        )
        near = max(main.reach(-side), join.reach(-side))
        far = max(v + max(other.reach(side), 4), join.reach(side))
        before, after = (near, far) if side > 0 else (far, near)
        return Piece(end + join.length, before, after, elements, tail=join.tail, forks=True)

    def _wide_fork(self, fork: Fork, brief: bool) -> Piece:
        """Branches side by side, joined by a bar across all of them."""
        branches = [self.series(branch, brief) if branch else Piece(0, 5, 5) for branch in fork.branches]
        longest = max(piece.length for piece in branches)
        half = (fsum(piece.before + piece.after + 12 for piece in branches) - 12) / 2
        places, v = list[float](), -half
        for piece in branches:
            places.append(v + piece.before)
            v += piece.before + piece.after + 12
        low, high = min(places[0], 0.0) - 12, max(places[-1], 0.0) + 12  # what follows leaves it at v = 0
        bar, end = self.bar(fork.join, low, high, brief), self.turn + longest + GAP
        elements: list[Element] = []
        for piece, v in zip(branches, places, strict=True):
            u = self.turn + (longest - piece.length) / 2
            elements += self._branch(piece, u, v)
            elements.append(self.line((u + piece.leave, v), (end + bar.enter, v), arrow=True))
        elements += self.shifted(bar.elements, end)
        before, after = max(half, bar.before), max(half, bar.after)
        return Piece(end + bar.length, before, after, tuple(elements), tail=bar.tail, forks=True)

    # ---------------------------------------------------------------------------------------- rows, columns
    def canvas(self, items: Series) -> Canvas:
        """All *items*, in as many rows or columns as suit the page."""
        units = _units(items)
        pieces = [self._unit(unit, False) for unit in units]
        cuts = [_cut([piece.length + self.step for piece in pieces], n) for n in range(1, MAX_LINES + 1)]
        best = min(cuts, key=lambda ends: self._cost([pieces[a:b] for a, b in ends]))
        many = len(best) > 1
        elements: list[Element] = []
        v, length, lead, end = 0.0, 0.0, LEAD * many, list[Point]()
        for a, b in best:
            line = self.series(tuple(item for unit in units[a:b] for item in unit))
            flow = v + self.gap * bool(end) + line.before
            if end:  # from the last line to the beginning of this one
                turn = v + self.gap / 2
                way = (*end, (end[1][0], turn), (2.0, turn), (2.0, flow), (lead + line.enter, flow))
                elements.append(self.line(*way, arrow=not line.forks))
            elements += self.shifted(line.elements, lead, flow)
            end = [(lead + line.leave, flow), (lead + line.length + 10, flow)]
            v, length = flow + line.after, max(length, lead + line.length)
        width, height = (v, length + 12 * many) if self.down else (length + 12 * many, v)
        return tuple(elements), width, height

    def _cost(self, lines: list[list[Piece]]) -> tuple[float, float]:
        along = max(fsum(piece.length + self.step for piece in line) for line in lines)
        across = fsum(max(p.before for p in line) + max(p.after for p in line) + self.gap for line in lines)
        width, height = (across, along) if self.down else (along, across)
        return max(0.0, width - self.max_width), self.cost(width, height)


def _units(items: Series) -> list[Series]:
    """What stays together: an item, with the side heads that go off before it."""
    units, heads = list[Series](), tuple[Item, ...]()
    for item in items:
        heads = (*heads, item)
        if not isinstance(item, SideHead):
            units, heads = [*units, heads], ()
    return [*units, heads] if heads else units


def _cut(lengths: list[float], count: int) -> list[tuple[int, int]]:
    """From where to where each of at most *count* lines goes, the longest as short as can be."""
    low, high = max(lengths), fsum(lengths)
    while high - low > 2:
        middle = (low + high) / 2
        low, high = (low, middle) if len(_filled(lengths, middle)) <= count else (middle, high)
    return _filled(lengths, high)


def _filled(lengths: list[float], limit: float) -> list[tuple[int, int]]:
    """The same, for lines that are *limit* long at most."""
    ends, total = [0], 0.0
    for i, length in enumerate(lengths):
        if total + length > limit + ROUNDING and i:
            ends, total = [*ends, i], 0.0
        total += length
    return list(zip(ends, [*ends[1:], len(lengths)], strict=True))
