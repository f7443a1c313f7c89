"""The static check of a network: nothing is run, every layer is worked out, every fault is listed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

from striate.analysis import cost
from striate.analysis.advice import advice
from striate.analysis.receptive import Axis, receptive
from striate.analysis.repair import Repair, faults, repair
from striate.analysis.shapes import LARGEST, Problem, infer
from striate.analysis.sizes import Sizes
from striate.analysis.windows import windows
from striate.errors import SpecError
from striate.spec.compose import Spec, lower
from striate.spec.graph import Graph
from striate.spec.op import Shape, fits_rank
from striate.spec.ops import Add, Conv, Multiply, Op, Opaque, Pool, TableConv
from striate.spec.text import format, op_text, parse, read_shape


@dataclass(frozen=True)
class Layer:
    """One row of the table; sizes are per axis, ``memory`` in bytes of the float32 output of one input.

    ``receptive_field``, ``stride`` and ``start`` are what one unit sees of the net's input, how far the next
    unit's view lies, and where the first one's begins (below 0: in the padding). None: not known, or no such thing.
    ``macs`` is None in a part of somebody's module whose inside is not known. ``op`` is text; ``spec`` is the op
    itself, and not in the JSON.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    output: Shape
    parameters: int
    macs: int | None
    receptive_field: tuple[int, ...] | None
    stride: tuple[int | float, ...] | None
    start: tuple[int, ...] | None
    memory: int
    spec: Op


@dataclass(frozen=True)
class Dropped:
    """Rows or columns at the far end of a layer's input that its stride never reaches. Axis 0 is the first size.

    They are *count* of the last *within*: fewer than these where stride and dilation are both above 1.
    """

    layer: str
    axis: int
    count: int
    within: int


@dataclass(frozen=True)
class LegalInputs:
    """Input shapes that fit with nothing dropped, next *below* and *above* the one asked, *step* apart.

    *smallest* fits, whether or not a stride drops something of it. *asked* says whether the one asked is legal; None:
    it runs, and nothing is known of what its strides drop.
    """

    asked: bool | None
    below: Shape | None
    above: Shape | None
    smallest: Shape | None
    step: tuple[int, ...] | None


@dataclass(frozen=True)
class Report:
    """All that is known of a network without running it; ``print`` shows the table.

    *notes* are what a reader of the figures should know of how they came about; *partial* says that some layers'
    multiply-accumulates are not known, so that ``macs`` and ``flops`` are at least that.
    """

    net: str
    input: Shape
    layers: tuple[Layer, ...]
    parameters: int
    macs: int
    receptive_field: tuple[int, ...] | None
    memory: int
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    dropped: tuple[Dropped, ...]
    legal_inputs: LegalInputs
    notes: tuple[str, ...] = ()
    partial: bool = False

    @property
    def flops(self) -> int:
        """Floating-point operations for one input: 2 x MACs."""
        return 2 * self.macs

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON has it: tuples become lists."""
        layers = [{key: value for key, value in vars(layer).items() if key != "spec"} for layer in self.layers]
        document = asdict(replace(self, layers=())) | {"layers": layers, "flops": self.flops}
        plain: dict[str, Any] = json.loads(json.dumps(document))
        return plain

    def to_json(self) -> str:
        return json.dumps(self.as_dict(), ensure_ascii=False)

    def __str__(self) -> str:
        from striate.analysis.table import report_table

        return report_table(self)


def analyse(net: Spec | Graph | str, input: Shape | str | None = None) -> Report:
    """Works out every layer of *net* for one *input*, and lists every fault with its fix; raises nothing for faults.

    Args:
        net: A graph, a spec (``Seq`` ...), or the text form.
        input: ``(C, H, W)`` or ``"3x224x224"``; not needed where the net says its own.

    Raises:
        SpecError: The text is not a net, or no input size was given.

    >>> report = analyse("conv 6 5; relu; maxpool 2; flatten; linear 10", input=(1, 28, 28))
    >>> report.parameters, report.macs, report.layers[2].receptive_field
    (8806, 95040, (6, 6))
    """
    if isinstance(input, str):
        input = read_shape(input)
    graph = lower(parse(net) if isinstance(net, str) else net, input)
    if graph.input is None:
        raise SpecError("no input size given; give one, such as --input 1x28x28, or begin the text with: input 1x28x28")
    shapes, problems = infer(graph)
    axes, joins = receptive(graph, shapes)
    found = repair(graph) if problems or joins else Repair((), (), graph, True)
    fixed = infer(found.graph)[0] if found.problems else shapes
    if found.problems and found.graph.input == graph.input:  # what comes after a fault is as its fix would have it
        shapes |= {name: fixed[name] for name in shapes.keys() & fixed.keys()}
        axes |= {name: each for name, each in receptive(found.graph, fixed)[0].items() if name in axes}
    counted = dict(graph.counted)
    layers = tuple(_layer(graph, i, shapes, axes, counted) for i in range(len(graph.nodes)))
    fit = Sizes(found.graph.with_input(graph.input))  # of the net with its fixes
    legal = (
        _legal(found.graph, fixed, fit, not found.problems)
        if found.complete
        else LegalInputs(False, None, None, None, None)
    )
    return Report(
        net=format(graph),
        input=graph.input,
        layers=layers,
        parameters=sum(layer.parameters for layer in layers),
        macs=sum(layer.macs or 0 for layer in layers),
        receptive_field=_last_map(layers, axes),
        memory=sum(layer.memory for layer in layers),
        problems=found.problems,
        warnings=tuple(advice(graph, shapes, axes)),
        dropped=tuple(_dropped(graph, shapes)),
        legal_inputs=legal,
        notes=_side_heads(graph, layers),
        partial=any(layer.macs is None for layer in layers),
    )


def _side_heads(graph: Graph, layers: tuple[Layer, ...]) -> tuple[str, ...]:
    """What the side heads cost, which are in the table and not run by ``net(x)``."""
    if not graph.taps:
        return ()
    needed = graph.needed(graph.output)
    main = [layer for layer in layers if layer.name in needed]
    parameters, macs = sum(layer.parameters for layer in main), sum(layer.macs or 0 for layer in main)
    heads = ", ".join(graph.taps)
    return (f"without the side heads ({heads}), which net(x) does not run: {parameters:,} parameters, {macs:,} MACs",)


def _legal(graph: Graph, shapes: dict[str, Shape], fit: Sizes, without_fault: bool) -> LegalInputs:
    """The legal inputs of *graph*, whose layers give *shapes*. Where flat features are joined, sizes decide whether
    they are as many: then each is tried, and nothing is said of steps.
    """
    below, above = fit.near
    asked = without_fault and fit.legal
    if not any(isinstance(node.op, Add | Multiply) and len(shapes[node.name]) == 1 for node in graph.nodes):
        return LegalInputs(asked, below, above, fit.smallest, fit.steps)
    tried = [n if n and not faults(graph.with_input(n))[1] else None for n in (below, above, fit.smallest)]
    return LegalInputs(asked, tried[0], tried[1], tried[2], None)


def _last_map(layers: tuple[Layer, ...], axes: dict[str, tuple[Axis, ...]]) -> tuple[int, ...] | None:
    """The receptive field of the last layer that still is a map; None where that is not known."""
    for layer in reversed(layers):
        seen = axes[layer.name]
        if max(layer.output[1:], default=1) > 1 or (seen and not seen[0].whole):
            return layer.receptive_field
    return None


def _layer(
    graph: Graph, index: int, shapes: dict[str, Shape], axes: dict[str, tuple[Axis, ...]], counted: dict[str, int]
) -> Layer:
    node = graph.nodes[index]
    source, output = shapes[node.inputs[0]], shapes[node.name]
    field, stride, start = _field(axes[node.name])
    return Layer(
        name=node.name,
        op=f"opaque {node.op.kind}" if isinstance(node.op, Opaque) else op_text(node.op),
        inputs=node.inputs,
        output=output,
        parameters=counted[node.name] if node.name in counted else cost.parameters(node.op, source),
        macs=cost.macs(node.op, source, output),
        receptive_field=field,
        stride=stride,
        start=start,
        memory=cost.memory(output),
        spec=node.op,
    )


@lru_cache(maxsize=1024)
def _field(seen: tuple[Axis, ...]) -> tuple[Shape | None, tuple[int | float, ...] | None, tuple[int, ...] | None]:
    """The size, stride and start of what a layer's units see; None for each that is not known on every axis."""
    strides = tuple(_number(axis.stride) for axis in seen if axis.stride is not None and axis.stride <= LARGEST)
    starts = tuple(axis.start for axis in seen if axis.start is not None)
    field = tuple(axis.size for axis in seen)
    return (
        field or None,
        strides if len(strides) == len(seen) > 0 else None,
        starts if len(starts) == len(seen) > 0 else None,
    )


def _number(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else float(value)


def _dropped(graph: Graph, shapes: dict[str, Shape]) -> list[Dropped]:
    found = []
    for node in graph.nodes:
        extents = shapes[node.inputs[0]][1:]
        strided = isinstance(node.op, Conv | TableConv | Pool) and node.op.stride != 1  # others drop nothing
        if strided and extents and fits_rank(node.op, len(extents)):
            for axis, (w, n) in enumerate(zip(windows(node.op, len(extents)), extents, strict=True)):
                if w.output(n) > 0 and (unread := w.unread(n)):
                    first = min(positions[0] for positions in unread)
                    found.append(Dropped(node.name, axis, sum(map(len, unread)), n - first))
    return found
