"""What fits and is still a mistake more often than not: beginners' slips that the graph alone shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice

from striate.analysis.receptive import Axis
from striate.analysis.shapes import Problem
from striate.errors import shape_text
from striate.spec import ops
from striate.spec.graph import Graph, Node
from striate.spec.op import Shape

# What keeps two linear layers one linear layer when it stands between them
LINEAR = (ops.BatchNorm, ops.Dropout, ops.Flatten, ops.Scale, ops.AvgPool, ops.SumPool, ops.PadChannels)


def advice(graph: Graph, shapes: dict[str, Shape], axes: dict[str, tuple[Axis, ...]]) -> list[Problem]:
    """The warnings about *graph*, in the order of its layers; none of them is a fault.

    >>> from striate.analysis import infer, receptive
    >>> from striate.spec import parse
    >>> net = parse("input 64; linear 32; linear 10")
    >>> str(advice(net, *(f := infer(net)[0], receptive(net, f)[0]))[0])
    'linear2: no activation after linear1, so the two are equivalent to one linear layer; put relu after linear1'
    """
    reads = Counter(name for node in graph.nodes for name in node.inputs)
    readers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    found: list[Problem] = []
    for node in graph.nodes:
        if isinstance(node.op, ops.Conv) and node.inputs == ("input",):
            found += _channels_first(node, graph.input)
        match node.op:
            case ops.Linear() | ops.Conv():
                if not _attends(node, readers):
                    found += _straight(node, graph, shapes, reads)
            case ops.BatchNorm():
                found += _around_norm(node, graph, shapes)
            case ops.Softmax() if node.name == graph.output:
                what = "its output is probabilities, but a cross-entropy loss expects logits"
                found.append(Problem(node.name, what, "omit it in your own training loop; striate's handles it"))
            case ops.AdaptiveAvgPool() | ops.AdaptiveMaxPool() if reads[node.inputs[0]] == 1:  # else a gate's, as in SE
                found += _small_field(node, shapes, axes)
            case _:
                pass
    return found


def _channels_first(node: Node, input: Shape | None) -> Iterator[Problem]:
    """An image's size as Keras writes it, with the channels last."""
    if input is not None and len(input) == 3 and input[-1] in (1, 3, 4) and min(input[:-1]) > 4:
        what = f"it reads {input[0]} channels of {input[1]}x{input[2]} pixels: sizes are channels x height x width"
        yield Problem(
            node.name,
            what,
            f"for an image of {input[0]}x{input[1]} pixels the input is {input[2]}x{input[0]}x{input[1]}",
        )


ATTENTION = ("bmm", "matmul", "rmatmul", "baddbmm", "einsum", "scaled_dot_product_attention", "MultiheadAttention")


def _attends(node: Node, readers: dict[str, list[Node]]) -> bool:
    """Whether *node* is a projection of an attention (queries, keys, values): these are linear on purpose."""
    open_, steps = readers.get(node.name, [])[:], 0
    while open_ and steps < 24:  # through the reshaping before the products
        reader, steps = open_.pop(), steps + 1
        if isinstance(reader.op, ops.Opaque):
            if reader.op.kind in ATTENTION:
                return True
            if not reader.op.parameters:
                open_ += readers.get(reader.name, [])
    return False


def _straight(node: Node, graph: Graph, shapes: dict[str, Shape], reads: Counter[str]) -> Iterator[Problem]:
    """Two linear layers with no activation between. A narrow middle is a choice (low rank), and so is a depthwise
    convolution beside one of 1x1; what others read too is a sum of its own (a shortcut, a pyramid).
    """
    assert isinstance(node.op, ops.Linear | ops.Conv)
    if isinstance(node.op, ops.Conv) and node.op.groups > 1:
        return
    for before in islice(graph.back(node.name), 1, None):
        if reads[before.name] > 1:
            return
        if isinstance(before.op, LINEAR):
            continue
        if isinstance(before.op, ops.Linear | ops.Conv) and not (
            isinstance(before.op, ops.Conv) and before.op.groups > 1
        ):
            given, middle = shapes[before.inputs[0]][0], before.op.out
            if middle >= min(given, node.op.out):
                what = f"no activation after {before.name}, so the two are equivalent to one linear layer"
                yield Problem(node.name, what, f"put relu after {before.name}")
        return


def _around_norm(node: Node, graph: Graph, shapes: dict[str, Shape]) -> Iterator[Problem]:
    before = list(graph.back(node.name))[1:]
    if (
        before
        and isinstance(before[0].op, ops.Conv | ops.ConvTranspose | ops.TableConv | ops.Linear)
        and before[0].op.bias
    ):
        what = f"it subtracts the mean, so the bias of {before[0].name} has no effect"
        yield Problem(node.name, what, f"bias=no on {before[0].name} saves {before[0].op.out:,} parameters")
    dropout = next((b for b in before if isinstance(b.op, ops.Dropout)), None)
    if dropout:
        what = f"{dropout.name} before it changes the variance in training only, so at inference its statistics are off"
        yield Problem(node.name, what, f"move {dropout.name} after the last batchnorm")
    if all(n == 1 for n in shapes[node.name][1:]) and not any(isinstance(b.op, ops.Embedding) for b in before):
        what = "one value per channel and image, so a batch of one has no variance"
        yield Problem(node.name, what, "use a batch size of 2 or more")


def _small_field(node: Node, shapes: dict[str, Shape], axes: dict[str, tuple[Axis, ...]]) -> Iterator[Problem]:
    """Global pooling over units that each see a part of the image."""
    source = node.inputs[0]
    extents, pixels = shapes[source][1:], shapes["input"][1:]
    if set(shapes[node.name][1:]) != {1} or len(pixels) != len(extents) or set(extents) == {1}:
        return
    fields = tuple(axis.size for axis in axes[source])
    if any(f < n for f, n in zip(fields, pixels, strict=False)):
        sizes = f"receptive field {shape_text(fields)}, image {shape_text(pixels)}"
        what = f"{sizes}: no unit sees the whole image before global pooling"
        yield Problem(node.name, what, "fine for textures; for shapes use more layers, larger kernels or strides")
