"""The shape of every layer's output, and every fault: going on past each with the shape that its fix gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from math import gcd, prod
from typing import assert_never

from striate.analysis.windows import Windowed, axis_rules, windows
from striate.errors import shape_text
from striate.spec import ops
from striate.spec.graph import Graph, Node
from striate.spec.op import Pointwise, Shape, sizes, word

Say = Callable[[str, str], None]
LARGEST = 2**31 - 1  # values along an axis, as torch counts them


@dataclass(frozen=True)
class Problem:
    """A fault: the layer it lies in, what is wrong there in numbers, and the fix."""

    layer: str
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.layer}: {self.message}; {self.fix}"


def infer(graph: Graph) -> tuple[dict[str, Shape], list[Problem]]:
    """Every node's output shape without the batch (``"input"`` too), and every fault.

    The graph must say its input. After a fault the shape is the one that a fix would give, so that one fault does
    not hide or invent another. The fixes here are general; :func:`striate.analysis.repair.repair` finds exact ones.

    >>> from striate.spec import parse
    >>> shapes, problems = infer(parse("input 1x28x28; conv 6 5; linear 10"))
    >>> shapes["conv1"], str(problems[0])  # doctest: +ELLIPSIS
    ((6, 24, 24), 'linear1: needs a flat input, got the feature map 6x24x24 of conv1; put flatten before ...')
    """
    assert graph.input is not None
    shapes = {"input": graph.input}
    problems: list[Problem] = []
    too_large = False
    for node in graph.nodes:

        def say(message: str, fix: str, layer: str = node.name) -> None:
            problems.append(Problem(layer, message, fix))

        shapes[node.name] = shape = _output(node, [shapes[name] for name in node.inputs], say)
        if max(shape) > LARGEST:
            what = f"its output {shape_text(shape)} has an axis of more than {LARGEST:,} values"
            if not too_large:  # what comes after it is as large because of it
                say(what, "use smaller numbers")
            too_large = True
            shapes[node.name] = tuple(min(n, LARGEST) for n in shape)
    problems += _unread(graph)
    return shapes, problems


def _output(node: Node, inputs: list[Shape], say: Say) -> Shape:
    """The rule of every op; *say* takes the faults."""
    shape, op = inputs[0], node.op
    match op:
        case Pointwise():
            return shape
        case ops.Add():
            return _added(node, inputs, say)
        case ops.Concat():
            return _joined(node, inputs, say)
        case ops.Flatten():
            return (prod(shape),)
        case ops.Multiply():
            return _multiplied(node, inputs, say)
        case ops.Linear(out=out) | ops.RBF(out=out):
            if len(shape) > 1:
                what = f"needs a flat input, got the feature map {shape_text(shape)} of {node.inputs[0]}"
                say(what, f"put flatten before it ({prod(shape):,} features)")
            return (out,)
        case ops.Embedding(out=out):
            if node.inputs != ("input",) or len(shape) > 1:
                what = f"needs the word indices of a sentence, got {shape_text(shape)} of {node.inputs[0]}"
                say(what, "make it the first layer, with the sequence length as the input (input 50)")
            return (out, shape[-1])
        case ops.Conv() | ops.ConvTranspose():
            return _spatial(node, op, op.out, shape, say)
        case ops.TableConv():
            largest = max(n for row in op.table for n in row)
            if largest >= shape[0]:
                what = f"its table names input {largest}, but {node.inputs[0]} has {shape[0]} (0 to {shape[0] - 1})"
                say(what, "use existing inputs, or widen the layer before")
            return _spatial(node, op, op.out, shape, say)
        case ops.PadChannels(out=out):
            if shape[0] > out:
                say(f"cannot pad {shape[0]} channels to {out}", f"padchannels {shape[0]} or more")
            return (max(out, shape[0]), *shape[1:])
        case ops.Opaque():
            return op.output
        case ops.MaxPool() | ops.AvgPool() | ops.SumPool() | ops.AdaptiveAvgPool() | ops.AdaptiveMaxPool():
            return _spatial(node, op, shape[0], shape, say)
        case ops.LRN() | ops.Upsample() | ops.Crop():
            return _spatial(node, op, shape[0], shape, say)
        case _:
            assert_never(op)


def _spatial(node: Node, op: ops.Op, out: int, shape: Shape, say: Say) -> Shape:
    """What all layers on maps share: they need axes, and sizes with one number for each."""
    rank = len(shape) - 1
    if rank == 0:
        first = node.inputs == ("input",)
        fix = "give the input its sizes, as in 1x28x28" if first else "put it before the layer that flattens"
        say(f"{word(op)} needs a map, got {shape[0]:,} flat features of {node.inputs[0]}", fix)
        return (out,)
    for field, value in sizes(op):
        if isinstance(value, tuple) and len(value) != rank:
            what = (
                f"{field} {shape_text(value)} has {len(value)} numbers, its input {shape_text(shape)} has {rank} axes"
            )
            each = f"{field}={'x'.join([str(value[0])] * rank)}, or " if rank > 1 else ""
            grey = (
                f"; for a greyscale image write the input 1x{shape_text(shape)}"
                if rank == 1 and len(value) == 2
                else ""
            )
            say(what, f"{each}{field}={value[0]}{grey}")
            return (out, *shape[1:])
    if isinstance(op, ops.Conv | ops.ConvTranspose) and shape[0] % op.groups:
        fit = gcd(shape[0], op.out)
        say(f"{shape[0]} input channels do not divide into {op.groups} groups", f"groups={gcd(fit, op.groups)} fits")
    return (out, *_extents(node, op, shape, say))


def _extents(node: Node, op: ops.Op, shape: Shape, say: Say) -> tuple[int, ...]:
    rank = len(shape) - 1
    each = zip(axis_rules(op, rank), shape[1:], strict=True)
    result = tuple(reduce(lambda n, rule: rule.output(n), rules, size) for rules, size in each)
    if min(result) < 1 and isinstance(op, ops.ConvTranspose):
        say(f"its padding {op.padding} cuts away all of its output", "use a smaller padding")
    elif min(result) < 1 and isinstance(op, Windowed):
        wins = windows(op, rank)
        size = shape_text(tuple(w.span for w in wins))
        padded = f" padded by {shape_text(tuple(w.padding for w in wins))}" if any(w.padding for w in wins) else ""
        say(
            f"a {size} window does not fit its {shape_text(shape[1:])} input{padded} (after {node.inputs[0]})",
            "use a smaller kernel, a smaller stride before it, or padding",
        )
    return tuple(max(1, n) for n in result)


def _added(node: Node, inputs: list[Shape], say: Say) -> Shape:
    if len(set(inputs)) > 1:
        say(f"cannot add {_listed(node, inputs)}", _join_fix(inputs))
    return inputs[0]


def _multiplied(node: Node, inputs: list[Shape], say: Say) -> Shape:
    """Every axis has one length, or 1, which serves all places."""
    ranks = {len(shape) for shape in inputs}
    result = tuple(max(sizes) for sizes in zip(*inputs, strict=False))
    fit = len(ranks) == 1 and all(n in (1, m) for shape in inputs for n, m in zip(shape, result, strict=True))
    if not fit:
        say(f"cannot multiply {_listed(node, inputs)}", _join_fix(inputs))
    return result if len(ranks) == 1 else inputs[0]


def _joined(node: Node, inputs: list[Shape], say: Say) -> Shape:
    if len({shape[1:] for shape in inputs}) > 1:
        say(f"cannot concatenate {_listed(node, inputs)}", _join_fix(inputs))
    return (sum(shape[0] for shape in inputs), *inputs[0][1:])


def _listed(node: Node, inputs: list[Shape]) -> str:
    return " and ".join(f"{shape_text(shape)} of {name}" for name, shape in zip(node.inputs, inputs, strict=True))


def _join_fix(inputs: list[Shape]) -> str:
    if len({len(shape) for shape in inputs}) > 1:
        return "flatten both first, or neither"
    if len({shape[1:] for shape in inputs}) > 1:
        return "give every branch the same stride and a padding that keeps its size"
    return "give them the same channels"


def _unread(graph: Graph) -> list[Problem]:
    """Layers whose result goes nowhere."""
    read = graph.read
    return [
        Problem(node.name, "its output is unused: no later layer reads it", f"remove it, or read it: <- {node.name}")
        for node in graph.nodes
        if node.name not in read
    ]
