"""Which inputs a module takes as it is: sizes may be written down anywhere in it, so what the graph says is tried."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from itertools import islice, takewhile
from math import prod
from typing import TYPE_CHECKING, Any

from torch import nn

from striate.analysis import LegalInputs, Report, analyse, infer
from striate.analysis.sizes import Sizes
from striate.errors import Error
from striate.net.read_run import gets_through, materialised
from striate.spec import Flatten, Graph, Linear, Opaque, Shape
from striate.spec.ops import Pool

if TYPE_CHECKING:
    from striate.net.read import Reading

TRIED = 300  # parts up to which other inputs are tried, too
TRACED = 1500  # parts traced in a search
REACH = 512  # how far a size is looked for whose features are as many as a layer has

Try = Callable[[Shape], "Report | None"]
Through = Callable[[Iterable[Shape]], dict[Shape, bool]]


def legal_inputs(module: nn.Module, reading: Reading, report: Report) -> LegalInputs:
    """The legal inputs of *module*, each tried: those of its graph, where its code does not depend on the size; else
    those that a search finds.
    """
    legal, input = report.legal_inputs, report.input
    asked: bool | None = legal.asked and not reading.problems
    if not reading.problems and not report.dropped and not _known(reading.graph):
        asked = None
    if reading.fault or not reading.traced or len(reading.graph.nodes) > TRIED:
        return LegalInputs(asked, None, None, None, None)
    from striate.net.read import read_all

    seen: dict[Shape, Report | None] = {}
    module, _ = materialised(module, (input, *_others(reading.graph, input, input)))

    def tried(shape: Shape) -> Report | None:
        """The report for *shape*, where the module takes it as it is."""
        if shape not in seen:
            try:
                found = read_all(module, (shape, *_others(reading.graph, input, shape)))
            except Error:
                found = None
            right = found is not None and found.traced and not found.slips and not found.fault
            seen[shape] = analyse(found.graph) if right and found is not None else None
        return seen[shape]

    def inputs(shape: Shape) -> tuple[Shape, ...]:
        return (shape, *_others(reading.graph, input, shape))

    def as_is(shapes: Iterable[Shape]) -> dict[Shape, bool]:
        """Of each shape whether the module takes it."""
        given = {shape: inputs(shape) for shape in shapes}
        found = gets_through(module, given.values()) if given else {}
        return {shape: found[each] for shape, each in given.items()}

    def through(shapes: Iterable[Shape]) -> dict[Shape, bool]:
        """The same, or where it has faults whether it takes them with the same fixes."""
        if not reading.slips or reading.features or reading.fits:
            return as_is(shapes)
        return {shape: _same_fixes(read_all, module, inputs(shape), reading) for shape in shapes}

    up, near = _moved(input, 1), (legal.below, legal.above, legal.smallest)
    smaller = _moved(legal.smallest, -1) if legal.smallest and max(legal.smallest[1:], default=1) > 1 else None
    far = _further(legal.above or legal.below or input, legal.step)
    taken = through(dict.fromkeys(shape for shape in (up, *near, smaller, far) if shape))
    fits = taken[up]
    if fits and (_by_size(report) or not Sizes(reading.graph).fits(up)):
        other = tried(up)
        if other is not None and _signature(other) != _signature(report):
            return _searched(tried, as_is, through, report, asked, len(reading.graph.nodes))
    if reading.features or not all(taken[shape] for shape in (up, *near, far) if shape):
        found = _of_features(as_is, reading, report)
        if found is not None:
            return replace(found, asked=asked)
    below, above, smallest = (shape if shape and taken[shape] else None for shape in near)
    if reading.fits and not (below or above or smallest):
        return _searched(tried, as_is, through, report, asked, len(reading.graph.nodes))
    if smaller and taken[smaller]:
        smallest = None  # it takes smaller ones, by code that depends on the size
    elif legal.smallest and not smallest and (below or above):
        least = min((below or above or input)[1:] or input)
        larger = [_moved(legal.smallest, d) for d in range(1, min(least, TRACED // len(reading.graph.nodes)))]
        smallest = next((shape for some in _chunks(larger) for shape, fit in through(some).items() if fit), None)
    even = far is not None and taken[far] and all(taken[shape] for shape in near[:2] if shape)
    return LegalInputs(asked, below, above, smallest, legal.step if even else None)


def _same_fixes(read_all: Callable[..., Reading], module: nn.Module, inputs: tuple[Shape, ...], own: Reading) -> bool:
    """Whether the module, with the fixes of its faults, takes other *inputs*: there it has no other faults."""
    try:
        found = read_all(module, inputs)
    except Error:
        return False
    fixes = [{(p.layer, p.fix) for p in each.slips} for each in (found, own)]
    return fixes[0] <= fixes[1] and not found.fault


def _further(input: Shape, step: tuple[int, ...] | None) -> Shape | None:
    """Some steps above: about twice as large."""
    if step is None:
        return None
    own = input[len(input) - len(step) :]
    return (*input[: len(input) - len(step)], *(n + s * max(1, n // s) for n, s in zip(own, step, strict=True)))


def _others(graph: Graph, input: Shape, shape: Shape) -> list[Shape]:
    """Further inputs, of the same places as the first."""
    others = [node.op.output for node in graph.nodes if isinstance(node.op, Opaque) and node.op.kind == "input"]
    return [(other[0], *shape[1:]) if other[1:] == input[1:] else other for other in others]


def _at(graph: Graph, shape: Shape) -> Graph:
    """The graph for another *shape* of its input, and of further inputs of the same places."""
    assert graph.input is not None
    own = graph.input[1:]
    nodes = tuple(
        replace(n, op=replace(n.op, output=(n.op.output[0], *shape[1:])))
        if isinstance(n.op, Opaque) and n.op.kind == "input" and n.op.output[1:] == own
        else n
        for n in graph.nodes
    )
    return replace(graph, nodes=nodes).with_input(shape)


def _known(graph: Graph) -> bool:
    """Whether it is known what strides drop, all the way to where places end."""
    sizes = Sizes(graph)
    return not sizes.extents or bool(sizes.axes)


def _by_size(report: Report) -> bool:
    """Whether a pooling is as large as the map: its size may have been computed."""
    before = {"input": report.input} | {layer.name: layer.output for layer in report.layers}
    return any(
        isinstance(layer.spec, Pool) and set(layer.output[1:]) == {1} and max(before[layer.inputs[0]][1:]) > 1
        for layer in report.layers
    )


def _moved(shape: Shape, by: int) -> Shape:
    first = 0 if len(shape) == 1 else 1
    return (*shape[:first], *(max(1, n + by) for n in shape[first:]))


def _signature(report: Report) -> list[Any]:
    """The ops, whatever sizes came out."""
    ops = [layer.spec for layer in report.layers]
    return [(op.kind, op.reach, op.windows) if isinstance(op, Opaque) else op for op in ops]


def _searched(
    tried: Try, as_is: Through, through: Through, report: Report, asked: bool | None, parts: int
) -> LegalInputs:
    """Of code that depends on the size: its neighbours, one by one, and the smallest."""
    input, budget = report.input, max(8, TRACED // parts)

    def whole(shape: Shape) -> bool:
        found = tried(shape)
        return found is not None and not found.dropped

    def alone(axis: int, by: int) -> int | None:
        """The next size along one axis, as the others are."""
        for d in range(1, min(34, budget // 8)):
            n = input[axis] + by * d
            found = tried((*input[:axis], n, *input[axis + 1 :])) if n > 0 else None
            if found is not None and all(drop.axis != axis - 1 for drop in found.dropped):
                return n
        return None

    def next_to(by: int) -> Shape | None:
        shapes = (_moved(input, by * d) for d in range(1, min(34, budget // 4)))
        tries = [s for s in shapes if s != input]
        found = next((s for some in _chunks(tries) for s, runs in as_is(some).items() if runs and whole(s)), None)
        if found is not None or len(set(input[1:])) < 2:
            return found
        each = [alone(axis, by) for axis in range(1, len(input))]
        known = [n for n in each if n is not None]
        shape = (input[0], *known)
        return shape if len(known) == len(each) and whole(shape) else None

    above, below = next_to(1), next_to(-1)
    least = min((above or input)[1:] or input)
    smaller = [_squared(input, n) for n in range(1, min(least, 2 * budget) + 1)]
    smallest = next((s for some in _chunks(smaller) for s, fit in through(some).items() if fit), None)
    step = None
    if below and above:
        up, down = above[-1] - input[-1], input[-1] - below[-1]
        even = up == down if asked is not False else True
        step = ((up if asked is not False else up + down),) * max(1, len(input) - 1) if even else None
    return LegalInputs(asked, below, above, smallest, step)


def _chunks(shapes: list[Shape]) -> Iterator[list[Shape]]:
    """A few at a time: the first that fits is likely among them, and what is common to all of them takes time."""
    yield shapes[:2]
    yield from (shapes[i : i + 8] for i in range(2, len(shapes), 8))


def _squared(input: Shape, n: int) -> Shape:
    return (n,) if len(input) == 1 else (input[0], *[n] * (len(input) - 1))


def _of_features(as_is: Through, reading: Reading, report: Report) -> LegalInputs | None:
    """Where linear layers have so many features: the sizes that give as many; None where it is not that."""
    graph, input = reading.graph, report.input
    if any(isinstance(n.op, Opaque) and len(n.op.output) > 1 and n.op.kind != "input" for n in graph.nodes):
        return None
    shapes, own = infer(graph)[0], dict(reading.features)
    flat = {node.name for node in graph.nodes if isinstance(node.op, Flatten)}
    need: dict[str, int] = {}
    for node in graph.nodes:
        if isinstance(node.op, Linear):
            need[node.name] = own.get(node.name, shapes[node.inputs[0]][0])
        elif node.inputs[0] in flat and len(shapes[node.name]) == 1:
            flat.add(node.name)
    if not need or len(input) == 1:
        return None

    sources = {node.name: node.inputs[0] for node in graph.nodes}

    @cache
    def more(shape: Shape) -> int:
        """Whether *shape* gives more features than are needed, as many (0), or fewer (as where it does not fit)."""
        found, problems = infer(_at(graph, shape))
        over = [prod(found[sources[name]]) - n for name, n in need.items()]
        return -1 if problems else max(over) or min(over)

    def fitting(shapes: Iterable[Shape], by: int) -> list[Shape]:
        """The few of *shapes*, which become larger or smaller (*by*), that fit: up to where there is too much of it."""
        return list(islice((s for s in takewhile(lambda s: more(s) * by <= 0, shapes) if more(s) == 0), 12))

    def next_to(by: int) -> list[Shape]:
        least, most = min(input[1:]), max(input[1:])
        moved = (_moved(input, by * d) for d in range(1, REACH if by > 0 else least))
        squares = (_squared(input, n) for n in (range(most, REACH) if by > 0 else range(least, 0, -1)))
        return fitting(moved, by) + (fitting(squares, by) if least < most else [])

    def first(shapes: list[Shape], dropping: bool = False) -> Shape | None:
        some = [s for s in shapes if dropping or not analyse(_at(graph, s)).dropped]
        taken = as_is(some[:4])
        return next((s for s in some[:4] if taken[s]), None)

    smaller = fitting((_moved(input, d) for d in range(1 - min(input[1:]), REACH)), 1)
    if len(set(input[1:])) > 1:
        smaller = sorted(smaller + fitting((_squared(input, n) for n in range(1, max(input[1:]) + REACH)), 1), key=prod)
    return LegalInputs(None, first(next_to(-1)), first(next_to(1)), first(smaller, True), None)
