"""Which input sizes a network takes: a small program per axis, run for as many sizes as one likes.

Along one axis a network is a handful of windows; layers that keep the size, and repeats of the same layer on
the same size, fall together. So trying hundreds of sizes costs less than one pass over the whole graph.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import pairwise
from math import lcm

from striate.analysis.windows import Adaptive, AxisRule, Window, axis_rules
from striate.spec import ops
from striate.spec.graph import Graph
from striate.spec.op import Pointwise, Shape, fits_rank, sizes

MAX_SIZE = 4096  # how far the search for a size goes


@dataclass(frozen=True)
class _Broadcast:
    """The join of several values: all the same, or 1, which serves all positions of the others."""

    sources: tuple[int, ...]


Step = tuple[AxisRule | _Broadcast, int]  # what is done, and to which value


@dataclass(frozen=True)
class _Program:
    """One axis of a network: value 0 is the input's size, each step makes the next; *equal* values must agree."""

    steps: tuple[Step, ...]
    equal: frozenset[tuple[int, int]]

    def legal(self, size: int) -> bool:
        """Whether an input of *size* fits, and no stride drops anything of it."""
        values = self._values(size)
        if values is None or not self._aligned(values):
            return False
        return not any(isinstance(what, Window) and what.unread(values[source]) for what, source in self.steps)

    def fits(self, size: int) -> bool:
        """Whether an input of *size* fits, whatever strides drop of it."""
        values = self._values(size)
        return values is not None and self._aligned(values)

    def _values(self, size: int) -> list[int] | None:
        """All values for an input of *size*; None as soon as one does not fit."""
        values = [size]
        for number, (what, source) in enumerate(self.steps, start=1):
            n = values[source]
            if isinstance(what, _Broadcast):
                lengths = {values[s] for s in what.sources}
                out = max(lengths) if len(lengths - {1}) <= 1 else 0
            else:
                out = what.output(n)
            if out < 1:
                return None
            values.append(out)
            if any(values[other] != out for other in self._joined.get(number, ())):
                return None
        return values

    @cached_property
    def _joined(self) -> dict[int, list[int]]:
        """For every value the earlier ones that must be the same."""
        found: dict[int, list[int]] = {}
        for pair in self.equal:
            found.setdefault(max(pair), []).append(min(pair))
        return found

    def _aligned(self, values: list[int]) -> bool:
        """Whether the branches of every join move over the input at one stride (see ``receptive``)."""
        if not self.pairs:
            return True
        strides = self._fixed_strides or self._strides(values)
        pairs = ((values[a], values[b], strides[a], strides[b]) for a, b in self.pairs)
        return all(1 in (n, m) or not a or not b or a == b for n, m, a, b in pairs)

    @cached_property
    def pairs(self) -> frozenset[tuple[int, int]]:
        """The values that meet in joins."""
        joins = [what.sources for what, _ in self.steps if isinstance(what, _Broadcast)]
        return self.equal | {(first, other) for first, *others in joins for other in others}

    @cached_property
    def _fixed_strides(self) -> list[Fraction | None] | None:
        """The strides, where they are the same for every size of the input: adaptive pooling and gates vary them."""
        varying = any(isinstance(what, Adaptive | _Broadcast) and what != Adaptive(1) for what, _ in self.steps)
        return None if varying else self._strides([1] * (len(self.steps) + 1))

    def _strides(self, values: list[int]) -> list[Fraction | None]:
        """Of every value, in pixels of the input; None where uneven."""
        strides: list[Fraction | None] = [Fraction(1)]
        for what, source in self.steps:
            stride, n = strides[source], values[source]
            if isinstance(what, _Broadcast):
                known = [strides[s] for s in what.sources]
                gated = None in known or len({values[s] for s in what.sources}) > 1
                strides.append(None if gated else known[0])
                continue
            factor = what.step(n)
            strides.append(stride and factor and stride * factor)
        return strides

    @property
    def stride(self) -> int:
        """A period of the sizes: what fits, and what is dropped, repeats after this many (short of the borders)."""
        strides = [1]
        for what, source in self.steps:
            if isinstance(what, _Broadcast):
                strides.append(lcm(*(strides[s] for s in what.sources)))
            else:
                strides.append(strides[source] * (what.stride if isinstance(what, Window) else 1))
        return lcm(*strides)


def _program(graph: Graph, axis: int, rank: int) -> _Program | None:
    """The program of one axis; None where a layer has another number of axes, which is a fault of its own."""
    steps: dict[Step, int] = {}
    equal: set[tuple[int, int]] = set()
    value: dict[str, int | None] = {"input": 0}  # None: the axis is gone (flat features)

    def step(what: AxisRule | _Broadcast, source: int) -> int:
        return steps.setdefault((what, source), len(steps) + 1)

    for node in graph.nodes:
        op, source = node.op, next((value[name] for name in node.inputs if value[name] is not None), None)
        if source is None or isinstance(op, ops.Flatten | ops.Linear | ops.RBF):
            value[node.name] = None
            continue
        if isinstance(op, Pointwise):
            value[node.name] = source
            continue
        if not fits_rank(op, rank):
            return None
        match op:
            case ops.Opaque(reach="unknown"):
                return None
            case ops.Multiply() | ops.Opaque(reach="place" | "map"):
                sources = {s for s in (value[name] for name in node.inputs) if s is not None}
                source = step(_Broadcast(tuple(sorted(sources))), source) if len(sources) > 1 else source
            case ops.Add() | ops.Concat():
                others = {value[name] for name in node.inputs} - {source}
                equal |= {(source, other) for other in others if other is not None}
            case _:
                rules = axis_rules(op, rank)
                if len(rules) != rank:
                    return None
                for rule in rules[axis]:
                    source = source if isinstance(rule, Window) and rule.keeps_size else step(rule, source)
        value[node.name] = source
    return _Program(tuple(steps), frozenset(equal))


@dataclass(frozen=True)
class _AxisSizes:
    """What is known of one axis; *legal* sizes fit and no stride drops anything of them.

    ``smallest`` fits, whatever strides drop of it; ``step`` is how far apart the legal sizes lie from the
    asked one on. None: none was found, or the steps are uneven.
    """

    legal: bool
    below: int | None
    above: int | None
    smallest: int | None
    step: int | None


@lru_cache(maxsize=256)
def _search(program: _Program, size: int) -> _AxisSizes:
    """The sizes next to *size* along one axis (most nets are square, so one search serves two axes)."""
    smallest = _smallest(program)
    if smallest is None:
        return _AxisSizes(False, None, None, None, None)
    periods = 2 * program.stride
    upwards = (n for n in range(max(size, smallest - 1) + 1, max(size, smallest) + min(periods, MAX_SIZE) + 1))
    above = [n for n in upwards if program.legal(n)]
    downwards = range(size - 1, max(smallest, size - MAX_SIZE) - 1, -1)
    below = next((n for n in downwards if program.legal(n)), None)
    legal = program.legal(size)
    gaps = {b - a for a, b in pairwise([size, *above] if legal else above)}
    step = gaps.pop() if len(gaps) == 1 and periods <= MAX_SIZE else None
    return _AxisSizes(legal, below, above[0] if above else None, smallest, step)


def _smallest(program: _Program) -> int | None:
    if program.pairs:  # joins fit some sizes and not others
        return next((n for n in range(1, MAX_SIZE) if program.fits(n)), None)
    enough = next((2**i for i in range(31) if program.fits(2**i)), None)
    return enough and bisect_left(range(enough), True, lo=1, key=program.fits)


class Sizes:
    """The input sizes that fit a graph, looked for once and only when somebody asks."""

    def __init__(self, graph: Graph) -> None:
        assert graph.input is not None
        self.graph = graph
        self.input = graph.input
        self.extents = self.input if isinstance(graph.nodes[0].op, ops.Embedding) else self.input[1:]

    @cached_property
    def axes(self) -> tuple[_AxisSizes, ...]:
        """One entry an axis of the graph's input; none where there are no axes, a layer does not fit their number, or
        what a layer does to them is not known.
        """
        ops = {node.op for node in self.graph.nodes}
        square = not any(isinstance(value, tuple) for op in ops for _, value in sizes(op))
        found, steps = [], None
        for axis, size in enumerate(self.extents):
            steps = steps if steps and square else _program(self.graph, axis, len(self.extents))
            if steps is None:
                return ()
            found.append(_search(steps, size))
        return tuple(found)

    @cached_property
    def smallest(self) -> Shape | None:
        """The smallest input that fits, whatever strides drop of it; None where none is found."""
        return self._filled([axis.smallest for axis in self.axes])

    @cached_property
    def near(self) -> tuple[Shape | None, Shape | None]:
        """The legal inputs next below and next above the graph's own."""
        return self._filled([axis.below for axis in self.axes]), self._filled([axis.above for axis in self.axes])

    @property
    def steps(self) -> tuple[int, ...] | None:
        """How far apart the legal sizes lie, for each axis; None where unevenly."""
        steps = [axis.step for axis in self.axes if axis.step is not None]
        return tuple(steps) if steps and len(steps) == len(self.axes) else None

    @property
    def legal(self) -> bool:
        """Whether everything fits the graph's own input and no stride drops anything of it."""
        return len(self.axes) == len(self.extents) and all(axis.legal for axis in self.axes)

    def fits(self, input: Shape) -> bool:
        """Whether another *input* fits, whatever strides drop of it; False too where that is not known."""
        own = input if len(self.extents) == len(input) else input[len(input) - len(self.extents) :]
        programs = [_program(self.graph, axis, len(own)) for axis in range(len(own))]
        return all(p is not None and p.fits(n) for p, n in zip(programs, own, strict=True))

    def _filled(self, extents: list[int | None]) -> Shape | None:
        """The graph's input with other sizes."""
        found = [n for n in extents if n is not None]
        if not found or len(found) < len(extents):
            return None
        return (*self.input[: len(self.input) - len(found)], *found)
