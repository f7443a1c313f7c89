"""Random networks for property tests: ops with any fields, graphs that may not fit, and nets that do.

A net that fits is grown: a part is drawn, tried by the static check, and left out where it does not fit.
Branches are drawn with one common stride and with paddings that keep their sizes in step, so that they join.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import MISSING, fields
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from striate.analysis import infer, receptive
from striate.errors import SpecError
from striate.spec import (
    LRN,
    OPS,
    RBF,
    Activation,
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AvgPool,
    BatchNorm,
    Cat,
    Conv,
    ConvTranspose,
    Crop,
    Dropout,
    Embedding,
    Flatten,
    Graph,
    Join,
    LayerNorm,
    Linear,
    MaxPool,
    Node,
    Op,
    PadChannels,
    Product,
    ReLU,
    Scale,
    Seq,
    Shape,
    Side,
    Sigmoid,
    Softmax,
    Spec,
    StochasticDepth,
    Sum,
    SumPool,
    TableConv,
    Upsample,
    lower,
)

ALL = os.environ.get("STRIATE_TEST_EXAMPLES") == "all"  # .ci/run


def examples(n: int, **more: Any) -> settings:
    """*n* random examples, of which the fast tests alone try a third, others every time."""
    return settings(max_examples=n if ALL else -(-n // 3), deadline=None, **more)


LARGEST = {1: 200, 2: 48, 3: 20}  # of an axis, by the number of axes: what a test can afford
ACTIVATIONS = [op for op in OPS.values() if issubclass(op, Activation)]
POINTWISE = (*ACTIVATIONS, Softmax, Dropout, BatchNorm, LRN, Scale, LayerNorm)

ranks = st.sampled_from([1, 2, 2, 3])


def each_axis(rank: int, least: int, most: int) -> SearchStrategy[int | tuple[int, ...]]:
    """One number for every axis, or a tuple of one an axis."""
    one = st.integers(least, most)
    return one if rank == 1 else one | st.tuples(*[one] * rank)


# ------------------------------------------------------------------------------- ops and graphs of any kind
@st.composite
def any_ops(draw: DrawFn, choices: Iterable[type[Op]] = tuple(OPS.values()), rank: int | None = None) -> Op:
    """Any op with any legal fields, whether or not it fits anything."""
    cls = draw(st.sampled_from(list(choices)))
    rank = rank or draw(st.integers(1, 3))
    values: dict[str, object] = {}
    for f in fields(cls):
        if f.default is not MISSING and draw(st.booleans()):
            continue
        match f.type:
            case "bool":
                values[f.name] = draw(st.booleans())
            case "str":
                values[f.name] = draw(st.sampled_from(["nearest", "linear"]))
            case "float":
                values[f.name] = draw(st.floats(1e-9, 0.999) | st.just(0.5) | st.integers(1, 1))
            case "int":
                values[f.name] = draw(st.integers(1, 12))
            case "Table":
                row = st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True).map(tuple)
                values[f.name] = tuple(draw(st.lists(row, min_size=1, max_size=4)))
            case _:
                values[f.name] = draw(each_axis(rank, 0 if "padding" in f.name else 1, 5))
    for name, bounded in (("padding", 0), ("output_padding", 0), ("groups", 1), ("p", 0.5), ("momentum", 0.5)):
        try:
            return cls(**values)
        except SpecError:  # a field out of step with the others: set it to what always fits
            if name in values:
                values[name] = bounded
    return cls(**values)


names = st.from_regex(r"[a-z][a-z0-9]{2,5}[0-9](\.[a-z]{2}[0-9]){0,2}", fullmatch=True)


@st.composite
def any_graphs(draw: DrawFn) -> Graph:
    """Well-formed graphs (names, order), whose layers need not fit together at all."""
    rank = draw(st.integers(0, 3))
    input = draw(st.none() | st.tuples(*[st.integers(1, 12)] * (rank + 1)))
    nodes: list[Node] = []
    for _ in range(draw(st.integers(1, 7))):
        op = draw(any_ops())
        given = f"{op.stem}{sum(node.op.stem == op.stem for node in nodes) + 1}"
        known = ["input", *(node.name for node in nodes)]
        many = isinstance(op, Join)
        reads = draw(st.lists(st.sampled_from(known), min_size=2, max_size=3)) if many else [known[-1]]
        if not many and draw(st.integers(0, 3)) == 0:
            reads = [draw(st.sampled_from(known))]
        for name in (draw(st.just(given) | names), given, f"{given}again{len(nodes)}"):
            try:
                Graph(input, (*nodes, node := Node(name, op, tuple(reads))))
            except SpecError:  # the name is taken, or is that of a group
                continue
            nodes.append(node)
            break
    return Graph(input, tuple(nodes))


# ------------------------------------------------------------------------------------------- nets that fit
@st.composite
def _windows(draw: DrawFn, shape: Shape, rank: int) -> Op:
    """A convolution or pooling with strides, paddings, dilations and groups."""
    kernel = draw(each_axis(rank, 1, 4))
    stride = draw(each_axis(rank, 1, 3))
    padding = draw(st.just(0) | each_axis(rank, 0, 2))
    dilation = draw(st.just(1) | each_axis(rank, 1, 3))
    ceil = draw(st.booleans())
    match draw(st.integers(0, 6)):
        case 6:
            row = st.lists(st.integers(0, shape[0] - 1), min_size=1, max_size=3, unique=True).map(tuple)
            table = tuple(draw(st.lists(row, min_size=1, max_size=4)))
            return TableConv(table, kernel, stride, padding, draw(st.booleans()))
        case 0:
            return MaxPool(kernel, stride, padding, dilation, ceil)
        case 1:
            return AvgPool(kernel, stride, padding, ceil, draw(st.booleans()))
        case 2:
            return SumPool(kernel, stride, padding, ceil)
        case 3:
            groups = draw(st.sampled_from(_divisors(shape[0])))
            out = groups * draw(st.integers(1, 2))
            extra = draw(st.just(0) | each_axis(rank, 0, 1))
            return ConvTranspose(out, kernel, stride, padding, extra, dilation, groups, draw(st.booleans()))
        case _:
            groups = draw(st.sampled_from(_divisors(shape[0])))
            out = groups * draw(st.integers(1, 3))
            return Conv(out, kernel, stride, padding, dilation, groups, draw(st.booleans()))


@st.composite
def _others(draw: DrawFn, rank: int, adaptive: bool) -> Op:
    kind = draw(st.integers(0, 9 if adaptive else 8))
    if kind == 6:
        return Crop(draw(each_axis(rank, 0, 2)))
    if kind == 7:
        return PadChannels(draw(st.integers(1, 8)))
    if kind == 8:
        return StochasticDepth(0.5)
    if kind == 9:
        kind = 5
    if kind == 0:
        return Upsample(draw(each_axis(rank, 1, 3)), draw(st.sampled_from(["nearest", "linear"])))
    if kind == 5 and adaptive:
        return draw(st.sampled_from([AdaptiveAvgPool, AdaptiveMaxPool]))(draw(each_axis(rank, 1, 5)))
    op = draw(st.sampled_from(POINTWISE))
    return draw(any_ops([op])) if op in ACTIVATIONS else op()


@st.composite
def _branches(draw: DrawFn, shape: Shape, rank: int, depth: int) -> Spec:
    """Sum or Cat of two or three branches of one total stride whose sizes agree for every input."""
    gate = draw(st.integers(0, 5))
    if gate == 0:  # squeeze and excitation
        return Product(Seq(), Seq(AdaptiveAvgPool(1), Conv(shape[0], 1), Sigmoid()))
    if gate == 1:
        return Seq(Side(AdaptiveAvgPool(1), Flatten(), Linear(2)), ReLU())
    stride = draw(each_axis(rank, 1, 2))
    adds = draw(st.booleans())
    out = draw(st.sampled_from([shape[0], 2, 3]))

    def same(channels: int, stride: int | tuple[int, ...]) -> Op:
        """A convolution whose size depends on its stride alone."""
        k, d = draw(st.sampled_from([1, 3, 3, 5])), draw(st.integers(1, 2))
        return Conv(channels, k, stride, padding=(k - 1) * d // 2, dilation=d)

    def branch() -> Spec:
        if not adds and stride == 1 and draw(st.integers(0, 3)) == 0:  # down and up again: fits even sizes
            return Seq(MaxPool(2), draw(st.sampled_from([Upsample(2), ConvTranspose(2, 2, stride=2)])))
        if not adds and draw(st.booleans()):  # a pooling branch keeps the channels
            pool = draw(st.sampled_from([MaxPool, AvgPool, SumPool]))
            return Seq(pool(3, stride, 1))
        parts: list[Spec] = [same(out, stride)]
        for _ in range(draw(st.integers(0, 2))):
            if depth > 0 and draw(st.integers(0, 2)) == 0:
                parts.append(Sum(Seq(same(out, 1), ReLU()), Seq()))
            else:
                parts.append(draw(st.sampled_from([same(out, 1), ReLU(), BatchNorm()])))
        return Seq(*parts)

    parts = [branch() for _ in range(draw(st.integers(1, 2)))]
    identity = stride in (1, (1,) * rank) and (out == shape[0] or not adds)
    parts.append(Seq() if identity and draw(st.booleans()) else branch())
    return (Sum if adds else Cat)(*parts)


def _divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def fits(spec: Spec, input: Shape, largest: int) -> bool:
    """Whether *spec* has no fault and stays small enough to run."""
    graph = lower(spec, input)
    shapes, problems = infer(graph)
    return (
        not problems
        and not receptive(graph, shapes)[1]
        and all(max(shape) <= largest * 6 and shape[0] <= 24 for shape in shapes.values() if len(shape) > 1)
        and max(max(shape[1:], default=1) for shape in shapes.values()) <= largest
    )


@st.composite
def nets(
    draw: DrawFn, *, rank: int | None = None, heads: bool = True, adaptive: bool = True, embeddings: bool = True
) -> tuple[Seq, Shape]:
    """A spec and an input that it fits.

    Args:
        rank: The number of axes; None draws it.
        heads: Some end in flatten and linear layers.
        adaptive: Some have adaptive pooling.
        embeddings: Some of the 1-D ones begin with an embedding.
    """
    rank = rank or draw(ranks)
    most = {1: 24, 2: 14, 3: 8}[rank]
    extents = tuple(draw(st.lists(st.integers(4, most), min_size=rank, max_size=rank)))
    parts: list[Spec] = []
    input: Shape = (draw(st.integers(1, 4)), *extents)
    if rank == 1 and embeddings and draw(st.booleans()):
        parts, input = [Embedding(draw(st.integers(1, 9)), draw(st.integers(1, 4)))], extents
    shape = input
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(st.integers(0, 9))
        if kind < 5:
            part: Spec | None = _try(draw, _windows(shape, rank))
        elif kind < 8:
            part = _try(draw, _others(rank, adaptive))
        else:
            part = draw(_branches(shape if len(shape) > 1 else (2, *shape), rank, draw(st.integers(0, 1))))
        if part is not None and fits(Seq(*parts, part), input, LARGEST[rank]):
            parts.append(part)
            graph = lower(Seq(*parts), input)
            shape = infer(graph)[0][graph.output]
    if heads and draw(st.integers(0, 3)) == 0:
        parts += [Flatten(), Linear(draw(st.integers(1, 5)), draw(st.booleans()))]
        parts += draw(st.sampled_from([[], [ReLU(), Linear(3)], [BatchNorm()], [Softmax()], [RBF(2)]]))
    return Seq(*(parts or [ReLU()])), input


def _try(draw: DrawFn, ops: SearchStrategy[Op]) -> Op | None:
    try:
        return draw(ops)
    except SpecError:  # padding beyond half of a pooling window, and the like
        return None
