"""What may remove a fault, the likeliest first: for every kind of fault the fixes to try, and their words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from fractions import Fraction
from itertools import islice, product
from math import gcd, isqrt, prod

from striate.analysis.changes import Change, Fix, insert, read_input, remove, set_fields, set_input
from striate.analysis.receptive import receptive
from striate.analysis.shapes import LARGEST
from striate.analysis.sizes import Sizes
from striate.analysis.windows import windows
from striate.errors import shape_text
from striate.spec.graph import Graph, Node
from striate.spec.op import Shape, fits_rank, per_axis, sizes
from striate.spec.ops import (
    RBF,
    AdaptiveAvgPool,
    AvgPool,
    Concat,
    Conv,
    ConvTranspose,
    Crop,
    Embedding,
    Flatten,
    Join,
    Linear,
    MaxPool,
    Multiply,
    Op,
    Opaque,
    PadChannels,
    SumPool,
    TableConv,
    Upsample,
)
from striate.spec.text import op_text

Shapes = dict[str, Shape]


def possible_fixes(graph: Graph, shapes: Shapes, layer: str) -> Iterator[Fix]:
    """Changes that may help *layer* of *graph*, whose layers give *shapes*; none is tried yet.

    >>> from striate.analysis import infer
    >>> from striate.spec import parse
    >>> net = parse("input 1x28x28; conv 6 5; conv 8 3 groups=4")
    >>> next(possible_fixes(net, infer(net)[0], "conv2")).text
    'groups=2 fits'
    """
    node = graph.by_name[layer]
    op, shape = node.op, shapes[node.inputs[0]]
    if max(shapes[layer]) >= LARGEST:
        return
    if layer not in graph.read:
        yield Fix(f"remove it, or read it: <- {layer}", (remove(layer),))
        return
    if isinstance(op, Join | Opaque) and len(node.inputs) > 1:
        yield from _of_joins(graph, shapes, node)
        return
    if isinstance(op, Linear | RBF) and len(shape) > 1:
        yield Fix(f"put flatten before it ({prod(shape):,} features)", (insert(node.inputs[0], layer, Flatten()),))
    elif isinstance(op, Embedding):
        text = "make it the first layer, with the sequence length as the input (input 50)"
        yield Fix(text, (read_input(layer), set_input((50,))))
    elif len(shape) == 1:
        yield from _of_flat(graph, shapes, node)
    elif not fits_rank(op, len(shape) - 1):
        yield from _of_axes(graph, node, shape)
    else:
        yield from _of_fields(graph, node, shape)
        yield from _of_sizes(graph, shape)
        yield from _of_windows(node, shape)


def _of_flat(graph: Graph, shapes: Shapes, node: Node) -> Iterator[Fix]:
    """For a layer on maps that gets flat features."""
    n = shapes[node.inputs[0]][0]
    if node.inputs == ("input",):
        table = node.op.table if isinstance(node.op, TableConv) else ()
        least = 1 + max((n for row in table for n in row), default=0)
        for channels in (1, 3):
            side = isqrt(n // channels)
            if channels * side * side == n:
                yield _input("give the input its sizes, such as {}", (channels, side, side))
        yield _input("give the input its channels: {}", (least, n))
        yield _input("give the input its sizes: {}", (least, n, n))
        yield _input("give the input its sizes: {}", (least, n, n, n))
        return
    before = graph.by_name[node.inputs[0]]
    while not isinstance(before.op, Flatten):
        if isinstance(before.op, Linear | RBF | Join | Opaque) or before.inputs == ("input",):
            yield Fix(f"remove it: {node.inputs[0]} gives no feature map", (remove(node.name),))
            return
        before = graph.by_name[before.inputs[0]]
    readers = [each.name for each in graph.nodes if node.name in each.inputs]
    moved = tuple(insert(node.name, reader, Flatten()) for reader in readers)
    yield Fix(f"move it before {before.name}", (remove(before.name), *moved))
    yield Fix(f"remove it: {before.name} gives no feature map", (remove(node.name),))


def _of_axes(graph: Graph, node: Node, shape: Shape) -> Iterator[Fix]:
    """For sizes with another number of values than there are axes."""
    assert graph.input is not None
    op, rank = node.op, len(shape) - 1
    wrong = {name: value for name, value in sizes(op) if isinstance(value, tuple) and len(value) != rank}
    given = max(len(value) for value in wrong.values())
    channels = _input("write the input with its channels: {}", (1, *graph.input))
    forgotten = given == len(graph.input) < 4
    if forgotten and rank == 1:  # 28x28 for a greyscale image
        yield channels
    new = {name: (value[0],) * rank if rank > 1 else value[0] for name, value in wrong.items()}
    text = " ".join(f"{name}={shape_text(v) if isinstance(v, tuple) else v}" for name, v in new.items())
    yield Fix(text, (set_fields(node.name, **new),))
    if forgotten:
        yield channels


def _of_fields(graph: Graph, node: Node, shape: Shape) -> Iterator[Fix]:
    """For single numbers that do not go with the input's channels, or cut everything away."""
    match node.op:
        case Conv() | ConvTranspose() as op if shape[0] % op.groups:
            groups = gcd(gcd(shape[0], op.out), op.groups)
            yield Fix(f"groups={groups} fits", (set_fields(node.name, groups=groups),))
        case TableConv() as op:
            needed = 1 + max(n for row in op.table for n in row)
            if needed > shape[0]:
                yield from _wider(graph, node, needed)
                rows = tuple(tuple(sorted({n % shape[0] for n in row})) for row in op.table)
                text = op_text(replace(op, table=rows)).split()[1]
                yield Fix(
                    f"rows of the {shape[0]} inputs that there are, such as {text}",
                    (set_fields(node.name, table=rows),),
                )
        case PadChannels(out=out) if shape[0] > out:
            yield Fix(f"padchannels {shape[0]} or more", (set_fields(node.name, out=shape[0]),))
        case ConvTranspose() as op:
            rank = len(shape) - 1
            fields = (op.kernel, op.stride, op.output_padding, op.dilation)
            each = zip(shape[1:], *(per_axis(value, rank) for value in fields), strict=True)
            room = min(((n - 1) * s + d * (k - 1) + extra) // 2 for n, k, s, extra, d in each)
            yield Fix(f"padding={room} or less", (set_fields(node.name, padding=room),))
        case _:
            return


def _wider(graph: Graph, node: Node, channels: int) -> Iterator[Fix]:
    """More channels in what *node* reads."""
    assert graph.input is not None
    name = node.inputs[0]
    while name != "input" and "out" not in {f.name for f in fields(graph.by_name[name].op)}:
        name = graph.by_name[name].inputs[0]
    if name == "input":
        yield _input("write the input with as many channels: {}", (channels, *graph.input[1:]))
    else:
        yield Fix(f"{channels} outputs in {name}", (set_fields(name, out=channels),))


def _of_sizes(graph: Graph, shape: Shape) -> Iterator[Fix]:
    """The smallest input, where it is larger than the one given; else the next ones that fit."""
    assert graph.input is not None
    legal = Sizes(graph)
    smallest = legal.smallest
    if smallest and any(a < s for a, s in zip(graph.input, smallest, strict=True)):
        reduced = f" (the layers before it reduce {shape_text(graph.input)} to {shape_text(shape)})"
        if len(shape) != len(graph.input) or shape == graph.input:  # the first layer, or behind an embedding
            reduced = ""
        enough = tuple(max(a, s) for a, s in zip(graph.input, smallest, strict=True))
        for size in dict.fromkeys((enough, smallest)):
            text = f"use an input of at least {shape_text(smallest)}{reduced}"
            yield Fix(text, (set_input(size),))
    yield from _near(graph, legal)


def _near(graph: Graph, legal: Sizes) -> Iterator[Fix]:
    """Inputs next to the given one; not tiny ones, where everything is one pixel and so fits."""
    assert graph.input is not None
    given = graph.input
    near = [s for s in legal.near if s and all(2 * n >= m for n, m in zip(s, given, strict=True))]
    for sizes_ in [near, *([size] for size in near)] if len(near) > 1 else [near] * bool(near):
        listed = " or ".join(map(shape_text, sizes_))
        yield Fix(
            f"inputs of {listed} fit" if len(sizes_) > 1 else f"an input of {listed} fits", (set_input(sizes_[0]),)
        )


def _of_windows(node: Node, shape: Shape) -> Iterator[Fix]:
    """For a window larger than its input: less dilation, a smaller kernel, more padding."""
    op = node.op
    if isinstance(op, Crop):
        margin = (min(shape[1:]) - 1) // 2
        yield Fix(f"crop {margin} fits", (set_fields(node.name, margin=margin),))
    if not isinstance(op, Conv | TableConv | MaxPool | AvgPool | SumPool):
        return
    wins = windows(op, len(shape) - 1)
    if isinstance(op, Conv | MaxPool) and max(w.dilation for w in wins) > 1:
        yield Fix("dilation=1 fits", (set_fields(node.name, dilation=1),))
    room = min(n + 2 * w.padding for w, n in zip(wins, shape[1:], strict=True))
    dilation = max(w.dilation for w in wins)
    kernel = (room - 1) // dilation + 1
    stride = {"stride": kernel} if op.stride == op.kernel else {}
    for size in dict.fromkeys((kernel, min(kernel, min(shape[1:])))):
        yield Fix(f"kernel={size} fits", (set_fields(node.name, kernel=size, **stride),))
        yield Fix(f"kernel={size} padding=0 fits", (set_fields(node.name, kernel=size, padding=0, **stride),))
    missing = max((w.span - n + 1) // 2 for w, n in zip(wins, shape[1:], strict=True))
    yield Fix(f"padding={missing} fits", (set_fields(node.name, padding=missing),))


def _input(text: str, shape: Shape) -> Fix:
    return Fix(text.format(f"input {shape_text(shape)}"), (set_input(shape),))


# -------------------------------------------------------------------------------------------------- joins
def _of_joins(graph: Graph, shapes: Shapes, node: Node) -> Iterator[Fix]:
    """For inputs that differ in axes, sizes, channels or strides."""
    inputs = {name: shapes[name] for name in node.inputs}
    if len({len(shape) for shape in inputs.values()}) > 1:
        yield from _flattened(node, inputs)
        return
    if isinstance(node.op, Multiply):
        longest = tuple(map(max, zip(*inputs.values(), strict=True)))
        inputs = {
            name: tuple(m if n == 1 else n for n, m in zip(s, longest, strict=True)) for name, s in inputs.items()
        }
    channels = not isinstance(node.op, Concat)
    if len({shape[1:] for shape in inputs.values()}) > 1:
        yield from _resized(graph, shapes, node, inputs, channels)
        yield from _near(graph, Sizes(graph))
        yield from _padded(graph, inputs)
        yield from _cut(node, inputs)
    elif channels and len(set(inputs.values())) > 1:
        yield from _widened(graph, node, inputs)
    yield from _restrided(graph, node)
    if len({shape[1:] for shape in inputs.values()}) > 1:
        yield from _pooled(graph, node, inputs, channels)
    yield Fix("give its branches the same total stride, or remove it", (remove(node.name),))


def _flattened(node: Node, inputs: dict[str, Shape]) -> Iterator[Fix]:
    maps = [name for name, shape in inputs.items() if len(shape) > 1]
    flat = tuple(insert(name, node.name, Flatten()) for name in maps)
    yield Fix(f"put flatten after {' and '.join(maps)}", flat)
    features = next((shape[0] for shape in inputs.values() if len(shape) == 1), None)
    if features is None:  # maps of different numbers of axes: flat, their features are the next question
        return
    projected = tuple(insert(name, node.name, Flatten(), Linear(features)) for name in maps)
    yield Fix(f"put flatten and linear {features} after {' and '.join(maps)}", projected)


def _target(graph: Graph, inputs: dict[str, Shape]) -> str:
    """The input that the others are to be like: the first one, but for a shortcut around another."""
    first, *others = inputs
    return next((name for name in others if first in graph.needed(name)), first)


def _widened(graph: Graph, node: Node, inputs: dict[str, Shape]) -> Iterator[Fix]:
    """A 1x1 convolution (a linear layer on flat features) for every input of other channels."""
    target = next(iter(inputs)) if isinstance(node.op, Multiply) else _target(graph, inputs)  # a gate is what differs
    out = inputs[target][0]
    odd = [name for name, shape in inputs.items() if shape[0] != out]
    op: Op = Conv(out, 1) if len(inputs[target]) > 1 else Linear(out)
    what = f"{'conv' if len(inputs[target]) > 1 else 'linear'} {out}{' 1' * (len(inputs[target]) > 1)}"
    text = f"give them the same channels, for example by {what} on {' and on '.join(odd)}"
    yield Fix(text, tuple(insert(name, node.name, op) for name in odd))


def _resized(graph: Graph, shapes: Shapes, node: Node, inputs: dict[str, Shape], channels: bool) -> Iterator[Fix]:
    """Where a stride made one branch a whole number of times smaller: a strided projection, or upsampling."""
    smallest = min(inputs, key=lambda name: inputs[name][1:])
    target = inputs[smallest]
    larger = {name: shape for name, shape in inputs.items() if shape[1:] != target[1:]}
    axes = receptive(graph, shapes)[0]
    projections = {}
    for name, shape in larger.items():
        pairs = zip(axes[name], axes[smallest], strict=False)
        ratios = tuple(_whole_ratio(a.stride, b.stride) for a, b in pairs)
        ratios = ratios if len(ratios) == len(target) - 1 else (None,) * (len(target) - 1)
        projections[name] = _projection(target[0] if channels else shape[0], shape, target, ratios)
    grown = tuple(n // m for n, m in zip(next(iter(larger.values()))[1:], target[1:], strict=True))
    whole = all(shape[1:] == tuple(m * g for m, g in zip(target[1:], grown, strict=True)) for shape in larger.values())
    up = Fix("", ())
    if whole and len({shape[1:] for shape in inputs.values()}) == 2:
        scale = grown[0] if len(set(grown)) == 1 else grown
        small = [name for name, shape in inputs.items() if shape[1:] == target[1:]]
        text = f"upsample {scale if isinstance(scale, int) else shape_text(scale)} on {' and on '.join(small)}"
        up = Fix(text, tuple(insert(name, node.name, Upsample(scale)) for name in small))
    decoder = isinstance(node.op, Concat) and bool(set(larger) & graph.needed(smallest))
    if up.changes and decoder:
        yield up
    if all(projections.values()):
        found = {name: each for name, each in projections.items() if each}
        listed = " and ".join(f"{text} on {name}" for name, (text, _) in found.items())
        yield Fix(f"a projection: {listed}", tuple(insert(name, node.name, op) for name, (_, op) in found.items()))
    if up.changes and not decoder:
        yield up


def _whole_ratio(a: Fraction | None, b: Fraction | None) -> int | None:
    """*b* / *a* where that is a whole number."""
    return int(b / a) if a and b and (b / a).denominator == 1 else None


def _projection(out: int, large: Shape, small: Shape, ratios: tuple[int | None, ...]) -> tuple[str, Conv] | None:
    """The convolution to *out* channels, 1x1 if that fits, that takes maps of *large* to those of *small*.

    Args:
        out: Its channels.
        large: The shape that it gets.
        small: The shape that it is to give.
        ratios: For each axis its stride, where the branches' strides over the input say it.
    """
    kernels, strides = [], []
    for n, m, ratio in zip(large[1:], small[1:], ratios, strict=True):
        tried = [ratio] if ratio else range(1, 33)
        fits = next(((k, s) for s in tried for k in range(1, s + 1) if n >= k and (n - k) // s + 1 == m), None)
        if fits is None or (m == 1 and n > 2 and not ratio):  # any stride that is large enough leaves one pixel
            return None
        kernels.append(fits[0])
        strides.append(fits[1])
    kernel, stride = (v[0] if len(set(v)) == 1 else tuple(v) for v in (kernels, strides))
    texts = [shape_text(v) if isinstance(v, tuple) else str(v) for v in (kernel, stride)]
    return f"conv {out} {texts[0]} stride={texts[1]}", Conv(out, kernel, stride=stride)


def _padded(graph: Graph, inputs: dict[str, Shape]) -> Iterator[Fix]:
    """More padding in a branch that lost its border."""
    largest = tuple(map(max, zip(*(shape[1:] for shape in inputs.values()), strict=True)))
    options: list[list[tuple[str, Change]]] = []
    for name, shape in inputs.items():
        missing = {n - m for n, m in zip(largest, shape[1:], strict=True)}
        if missing == {0}:
            continue
        some = []
        for each in islice(graph.back(name), 6):
            op = each.op
            if isinstance(op, Conv | TableConv | MaxPool | AvgPool | SumPool) and fits_rank(op, len(largest)):
                now = per_axis(op.padding, len(largest))
                most = max(missing)
                padding = {-(-most // 2), most // 2, most, *((k - 1) // 2 for k in per_axis(op.kernel, len(largest)))}
                for more in sorted(padding - {0}):
                    wider = max(now) + more
                    some.append((f"padding={wider} on {each.name}", set_fields(each.name, padding=wider)))
        options.append(some)
    if options and all(options):
        for choice in product(*options):
            yield Fix(" and ".join(text for text, _ in choice), tuple(change for _, change in choice))


def _cut(node: Node, inputs: dict[str, Shape]) -> Iterator[Fix]:
    """The same border cut from larger inputs, as U-Net does."""
    smallest = tuple(map(min, zip(*(shape[1:] for shape in inputs.values()), strict=True)))
    listed, changes = list[str](), list[Change]()
    for name, shape in inputs.items():
        more = {n - m for n, m in zip(shape[1:], smallest, strict=True)}
        if more != {0}:
            if len(more) > 1 or more.pop() % 2:
                return
            margin = (shape[1] - smallest[0]) // 2
            listed.append(f"crop {margin} on {name}")
            changes.append(insert(name, node.name, Crop(margin)))
    yield Fix(" and ".join(listed), tuple(changes))


def _pooled(graph: Graph, node: Node, inputs: dict[str, Shape], channels: bool) -> Iterator[Fix]:
    """Where nothing else fits: every input pooled to the size of the smallest sides."""
    smallest = tuple(map(min, zip(*(shape[1:] for shape in inputs.values()), strict=True)))
    out = inputs[_target(graph, inputs)][0]
    listed, changes = list[str](), list[Change]()
    for name, shape in inputs.items():
        ops: list[Op] = [AdaptiveAvgPool(smallest)] if shape[1:] != smallest else []
        ops += [Conv(out, 1)] if channels and shape[0] != out else []
        if ops:
            texts = [
                f"adaptiveavgpool {shape_text(smallest)}" if isinstance(op, AdaptiveAvgPool) else f"conv {out} 1"
                for op in ops
            ]
            listed.append(f"{' and '.join(texts)} on {name}")
            changes.append(insert(name, node.name, *ops))
    yield Fix(", ".join(listed), tuple(changes))


def _restrided(graph: Graph, node: Node) -> Iterator[Fix]:
    """Another stride and padding in one layer of a branch."""
    for name in node.inputs:
        for each in islice(graph.back(name), 4):
            op = each.op
            if not isinstance(op, Conv | MaxPool | AvgPool | SumPool):
                continue
            kernel = op.kernel if isinstance(op.kernel, int) else max(op.kernel)
            for stride, padding in product((1, 2, 3, 4), range(kernel // 2 + 1)):
                if (stride, padding) != (op.stride, op.padding):
                    text = f"stride={stride} padding={padding} on {each.name}"
                    yield Fix(text, (set_fields(each.name, stride=stride, padding=padding),))
