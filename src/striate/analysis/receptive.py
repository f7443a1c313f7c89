"""Receptive fields, exact on branches: for every layer the input pixels that one of its units can see.

Along one axis the units of a layer see spans of the input that repeat: after *period* units the spans have
moved *advance* pixels on. Without upsampling the period is 1, and ``(size, stride, start)`` says it all
(Araujo et al. 2019, "Computing receptive fields of convolutional neural networks"). Transposed convolution
and upsampling have longer periods; on branches a unit sees the union of what its inputs see.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache, reduce
from itertools import chain
from math import gcd, lcm
from operator import or_

from striate.analysis.footprint import complete, footprints, irregular
from striate.analysis.shapes import Problem
from striate.analysis.windows import Adaptive, AxisRule, axis_rules
from striate.spec import ops
from striate.spec.graph import Graph, Node
from striate.spec.op import Shape, fits_rank, sizes, word

LISTED = 16384  # units along an axis, or a period of them, that are listed
Span = tuple[int, int] | None  # first and last pixel, both seen; None: the unit sees nothing


@dataclass(frozen=True)
class Axis:
    """What the units of a layer see along one axis of the input.

    Args:
        spans: Of the first units, one period of them. Arrays before 0 are padding.
        advance: Arrays from one period to the next.
        units: None, or the number of units where they end: outside them there is nothing.
        whole: The layer has no position of its own any more: each unit sees all that any unit did.
        pace: Of units listed one by one: how far apart the fields of inner units lie, where that is known.
    """

    spans: tuple[Span, ...] = ((0, 0),)
    advance: int = 1
    units: int | None = None
    whole: bool = False
    pace: Fraction | None = None

    def at(self, index: int) -> Span:
        """What unit *index* sees (which may lie outside the layer, in its padding)."""
        if self.units is not None and not 0 <= index < self.units:
            return None
        period, phase = divmod(index, len(self.spans))
        span = self.spans[phase]
        return span and (span[0] + period * self.advance, span[1] + period * self.advance)

    @property
    def size(self) -> int:
        """Arrays from the first to the last seen; the most that any unit has."""
        return max((span[1] - span[0] + 1 for span in self.spans if span), default=0)

    @property
    def stride(self) -> Fraction | None:
        """Arrays from one unit's field to the next one's; None where that varies or there is no next one."""
        if self.whole or self.units is not None:
            return self.pace
        return Fraction(self.advance, len(self.spans))

    @property
    def start(self) -> int | None:
        """The first pixel that the first unit sees; below 0 it lies in the padding."""
        return self.spans[0][0] if self.spans[0] else None


def receptive(graph: Graph, shapes: dict[str, Shape]) -> tuple[dict[str, tuple[Axis, ...]], list[Problem]]:
    """The axes of every node, and the joins whose branches move over the input at different strides.

    A node without axes has flat features of a flat input, or lies at or behind a part that nobody knows.

    >>> from striate.analysis import infer
    >>> from striate.spec import parse
    >>> net = parse("input 1x12x12; conv 1 3 padding=1; maxpool 3; conv 1 2")
    >>> axis = receptive(net, infer(net)[0])[0]["conv2"][0]
    >>> axis.size, axis.stride, axis.start
    (8, Fraction(3, 1), -1)
    """
    known: dict[str, tuple[Axis, ...]] = {"input": (Axis(),) * (len(shapes["input"]) - 1)}
    problems: list[Problem] = []
    for node in graph.nodes:
        try:
            known[node.name] = _axes_of(node, known, shapes, problems)
        except _TooManyError:
            known[node.name] = ()
    rank = len(known["input"])
    if rank and irregular(graph, rank) and not _all_seen(known, graph, shapes, rank):
        square = len(set(shapes["input"][-rank:])) == 1 and not any(
            isinstance(v, tuple) for n in graph.nodes for _, v in sizes(n.op)
        )
        read = None
        for axis in range(rank):
            read = read if read and square else footprints(graph, shapes, axis, rank)
            _correct(known, read, axis, graph)
    return known, problems


def _all_seen(known: dict[str, tuple[Axis, ...]], graph: Graph, shapes: dict[str, Shape], rank: int) -> bool:
    """Whether all that is to be corrected are layers that see a whole map, and every pixel in it: then it is done."""
    if any(isinstance(node.op, ops.Crop) for node in graph.nodes):
        return False
    whole = [name for name, axes in known.items() if len(axes) == rank and any(axis.whole for axis in axes)]
    if not complete(graph, shapes, rank).issuperset(whole):
        return False
    pixels = shapes["input"][-rank:]
    for name in whole:
        each = zip(known[name], pixels, strict=True)
        known[name] = tuple(replace(axis, spans=((0, n - 1),)) if axis.whole else axis for axis, n in each)
    return True


def _axes_of(
    node: Node, known: dict[str, tuple[Axis, ...]], shapes: dict[str, Shape], problems: list[Problem]
) -> tuple[Axis, ...]:
    inputs = [known[name] for name in node.inputs]
    if isinstance(node.op, ops.Opaque):
        return _through(node, node.op, inputs, shapes, problems)
    if isinstance(node.op, ops.Join):
        return _joined(node, inputs, shapes, problems)
    return _seen(node.op, inputs[0], shapes[node.inputs[0]], shapes["input"])


class _TooManyError(Exception):
    """The units of a layer are too many to be listed one by one: what they see is not worked out."""


def _listable(units: int, reads: int = 1) -> range:
    """All of *units*, where these, and what each of them *reads*, are not too many."""
    if units > LISTED or units * reads > 64 * LISTED:
        raise _TooManyError
    return range(units)


def _correct(known: dict[str, tuple[Axis, ...]], read: dict[str, list[int]], axis: int, graph: Graph) -> None:
    """Puts the pixels that units really *read* along *axis* in place of spans: of what sees a whole map, and behind a
    crop, where the padding of a later layer reads nothing.
    """
    cropped = {"input": False}
    for node in graph.nodes:
        cropped[node.name] = isinstance(node.op, ops.Crop) or any(cropped[name] for name in node.inputs)
        axes, masks = known[node.name], read.get(node.name)
        if masks is None or axis >= len(axes):
            continue
        now = axes[axis]
        if now.whole:
            new = replace(now, spans=(_ends(reduce(or_, masks)),))
        elif cropped[node.name]:
            new = Axis(tuple(map(_ends, masks)), 0, len(masks), pace=now.stride)
        else:
            continue
        known[node.name] = (*axes[:axis], new, *axes[axis + 1 :])


def _ends(mask: int) -> Span:
    """The first and the last bit that is set."""
    return ((mask & -mask).bit_length() - 1, mask.bit_length() - 1) if mask else None


def _seen(op: ops.Op, axes: tuple[Axis, ...], shape: Shape, input: Shape) -> tuple[Axis, ...]:
    """The rule of every op with one input of *shape*, whose units see *axes*."""
    extents = shape[1:]
    if not axes and not isinstance(op, ops.Embedding):
        return ()
    if extents and len(extents) != len(axes) and not isinstance(op, ops.Embedding):
        known = all(axis.whole for axis in axes)
        return axes if known else ()  # axes that an opaque part has made: nobody knows which is which
    if not isinstance(op, ops.Linear | ops.RBF | ops.Embedding) and not (extents and fits_rank(op, len(extents))):
        return axes  # flat features, or a fault that the shapes report
    pixels = input[-len(axes) :]
    match op:
        case ops.Embedding():
            return (Axis(),)
        case ops.Flatten():
            return tuple(_listed(axis, n) for axis, n in zip(axes, extents, strict=True))
        case ops.Linear() | ops.RBF():
            flat = extents or tuple(axis.units or 1 for axis in axes)
            return tuple(_whole(axis, n, px) for axis, n, px in zip(axes, flat, pixels, strict=False))
        case _:
            return tuple(map(_along, axes, axis_rules(op, len(extents)), extents, pixels))


def _union(spans: Iterable[Span]) -> Span:
    seen = [span for span in spans if span]
    return (min(lo for lo, _ in seen), max(hi for _, hi in seen)) if seen else None


def _listed(axis: Axis, units: int) -> Axis:
    """The same, ending after *units*."""
    return axis if axis.whole else Axis(axis.spans[:units], axis.advance, units)


def _whole(axis: Axis, units: int, pixels: int) -> Axis:
    """A unit that reads all *units* of the axis sees all that they see, of the *pixels* that there are."""
    if axis.whole:
        return axis
    period = len(axis.spans)  # the first and the last period reach as far as all of them
    ends = range(units) if units <= 2 * period else (*range(period), *range(units - period, units))
    span = _union(axis.at(i) for i in ends)
    return Axis((span and (max(0, span[0]), min(pixels - 1, span[1])),), 0, whole=True)


def _along(axis: Axis, rules: tuple[AxisRule, ...], size: int, pixels: int) -> Axis:
    """What the units behind *rules* see, over *size* units that see *axis*, of the *pixels* that there are."""
    for rule in rules:
        axis, size = _moved(axis, rule, size, pixels), rule.output(size)
    return axis


@lru_cache(maxsize=1024)  # both axes of a square net, and every repeat of a block
def _moved(axis: Axis, rule: AxisRule, size: int, pixels: int) -> Axis:
    if axis.whole or rule == Adaptive(1):
        return _whole(axis, size, pixels)
    step, (first, *_) = rule.step(size), rule.reads(1, size)
    if axis.units is not None or step is None:  # listed one by one, up to the ends
        size = size if axis.units is None else axis.units
        reads = rule.reads(len(_listable(max(1, rule.output(size)), len(first))), size)
        return Axis(tuple(_union(map(axis.at, each)) for each in reads), 0, max(1, rule.output(size)))
    period = len(axis.spans)
    repeat = period * step.denominator // gcd(period * step.denominator, step.numerator)
    reads = rule.reads(len(_listable(repeat, len(first) if period > 1 else 2)), size)
    if period == 1:
        reads = ((each[0], each[-1]) if each else () for each in reads)  # the ends suffice
    return Axis(tuple(_union(map(axis.at, each)) for each in reads), int(axis.advance * step * repeat / period))


def _joined(
    node: Node, inputs: list[tuple[Axis, ...]], shapes: dict[str, Shape], problems: list[Problem]
) -> tuple[Axis, ...]:
    extents = shapes[node.name][1:]
    if not extents:
        return tuple(_flat(axes, node.op) for axes in zip(*inputs, strict=False))
    result = []
    lengths = zip(*(shapes[name][1:] for name in node.inputs), strict=False)
    each = zip(zip(*inputs, strict=False), lengths, extents, shapes["input"][-len(extents) :], strict=False)
    for axes, own, n, pixels in each:
        if isinstance(node.op, ops.Multiply) and n > 1:  # a map of one place serves all places of the others
            axes = tuple(_whole(axis, 1, pixels) if m == 1 else axis for axis, m in zip(axes, own, strict=True))
        strides = [axis.stride for axis in axes]
        if n > 1 and len({s for s in strides if s is not None}) > 1:
            listed = " and ".join(f"{s} pixels ({name})" for s, name in zip(strides, node.inputs, strict=True))
            what = f"{word(node.op)} joins branches with different total strides: {listed}"
            problems.append(Problem(node.name, what, "give every branch the same total stride"))
            return inputs[0]
        result.append(_side_by_side(axes, n, pixels))
    return tuple(result)


@lru_cache(maxsize=1024)
def _side_by_side(axes: tuple[Axis, ...], units: int, pixels: int) -> Axis:
    """Each unit sees what the units of its place see together."""
    wholes = [axis for axis in axes if axis.whole]
    if wholes:
        everything = _union(_whole(axis, units, pixels).spans[0] for axis in axes)
        if everything == _union(axis.spans[0] for axis in wholes):
            return Axis((everything,), 0, whole=True)  # as behind a gate of squeeze and excitation
    if any(axis.whole or axis.units is not None for axis in axes):
        each = (axis.spans[0] if axis.whole else None for axis in axes)
        everywhere = _union(each)
        local = [axis for axis in axes if not axis.whole]
        return Axis(tuple(_union([everywhere, *(a.at(i) for a in local)]) for i in _listable(units)), 0, units)
    period = lcm(*(len(axis.spans) for axis in axes))
    advance = axes[0].advance * period // len(axes[0].spans)
    return Axis(tuple(_union(axis.at(i) for axis in axes) for i in _listable(period)), advance)


def _through(
    node: Node, op: ops.Opaque, inputs: list[tuple[Axis, ...]], shapes: dict[str, Shape], problems: list[Problem]
) -> tuple[Axis, ...]:
    """What is known behind a part of unknown inside: what its *reach* says, where the places are still the same."""
    axes, source = inputs[0], shapes[node.inputs[0]]
    if axes and all(each == axes for each in inputs) and all(axis.whole for axis in axes):
        return axes  # whatever it reads of them, it sees what each of them does
    if op.reach == "unknown" or not all(inputs):
        return ()
    if len(inputs) > 1:
        same = op.reach == "place" and len({len(shapes[name]) for name in (*node.inputs, node.name)}) == 1
        return _joined(node, inputs, shapes, problems) if same else ()
    if op.reach == "map" and len(source) == len(axes) + 1:
        each = zip(axes, source[1:], shapes["input"][-len(axes) :], strict=True)
        return tuple(_whole(axis, n, pixels) for axis, n, pixels in each)
    if op.reach in ("window", "resize"):
        if not len(op.windows) == len(axes) == len(source) - 1:
            return ()
        return tuple(map(_along, axes, axis_rules(op, len(axes)), source[1:], shapes["input"][-len(axes) :]))
    if len(source) > len(axes) and len(op.output) > len(axes):
        kept = op.output[-len(axes) :] == source[-len(axes) :]
    else:
        kept = op.output == source
    return axes if kept and op.reach == "place" else ()


def _flat(axes: tuple[Axis, ...], op: ops.Op) -> Axis:
    """Flat features side by side (concat), or summed one by one (add)."""
    spans = [tuple(axis.at(i) for i in _listable(axis.units or 1)) for axis in axes]
    if all(axis.whole for axis in axes) or (not isinstance(op, ops.Concat) and len({len(each) for each in spans}) > 1):
        return Axis((_union(span for each in spans for span in each),), 0, whole=True)
    together = tuple(chain(*spans)) if isinstance(op, ops.Concat) else tuple(map(_union, zip(*spans, strict=True)))
    return Axis(together, 0, len(together))
