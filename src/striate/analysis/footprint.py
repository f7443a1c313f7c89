"""Which pixels every unit of every layer reads, one by one, along one axis: for nets whose fields are no plain spans.

A span with a stride says all of most networks. Behind a crop it does not, since a padding there reads nothing where
the crop cut pixels away; nor where windows have gaps (a dilation) or leave the last pixels out (a stride), since no
window may read the outermost pixels of the input, and a later padding does not either.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache, reduce
from operator import or_

from striate.analysis.windows import Window, opaque_windows, resized_reads, windows
from striate.spec import ops
from striate.spec.graph import Graph, Node
from striate.spec.op import Shape, fits_rank, per_axis

Pixels = list[int]  # of every unit a bit mask: bit p is set where it reads pixel p
LONGEST = 8192  # units along an axis that are followed one by one


def irregular(graph: Graph, rank: int) -> bool:
    """Whether a span with a stride may not say exactly what some unit of *graph* sees."""
    assert graph.input is not None
    if max(graph.input[-rank:]) > LONGEST:
        return False
    cropped = gaps = padded = False
    for op in {node.op: None for node in graph.nodes}:
        if isinstance(op, ops.Crop):
            cropped = True
        elif isinstance(op, ops.Conv | ops.TableConv | ops.Pool) and fits_rank(op, rank):
            for w in windows(op, rank):
                gaps |= w.dilation > 1 or w.stride > 1
                padded |= w.padding > 0 or w.ceil or (w.stride > 1 and w.dilation > 1)
        elif isinstance(op, ops.ConvTranspose):
            padded = True
        elif isinstance(op, ops.Opaque):
            for w, _ in opaque_windows(op) if op.reach == "window" else ():
                gaps |= w.dilation > 1 or w.stride > 1
                padded |= w.padding > 0 or w.more > 0
                cropped |= w.padding < 0 or w.padding + w.more < 0
    return padded and (cropped or gaps)


def complete(graph: Graph, shapes: dict[str, Shape], rank: int) -> set[str]:
    """Layers whose units together read every pixel for certain, which is quick to say; of others nothing is said.

    >>> from striate.analysis import infer
    >>> from striate.spec import parse
    >>> net = parse("input 1x9; a: conv 1 1 stride=2; b: conv 1 3 stride=2 padding=1 <- input; add <- a, b")
    >>> sorted(complete(net, infer(net)[0], 1))
    ['add1', 'b', 'input']
    """
    found = {"input"}
    for node in graph.nodes:
        op = node.op
        if not found.isdisjoint(node.inputs) and (
            type(op) not in MOVING or _reads_all(op, shapes[node.inputs[0]][1:], rank)
        ):
            found.add(node.name)
    return found


# What may leave units unread
MOVING = {
    ops.Crop, ops.Conv, ops.TableConv, ops.MaxPool, ops.AvgPool, ops.SumPool, ops.ConvTranspose, ops.Opaque,
}  # fmt: skip


def _reads_all(op: ops.Op, extents: tuple[int, ...], rank: int) -> bool:
    """Whether no unit before it stays unread, as far as that is quick to say."""
    if isinstance(op, ops.Opaque) and op.reach != "window":
        return op.reach in ("place", "map")
    if len(extents) != rank or not fits_rank(op, rank):
        return False
    match op:
        case ops.Conv() | ops.TableConv() | ops.MaxPool() | ops.AvgPool() | ops.SumPool():
            return all(map(_covers, windows(op, rank), extents))
        case ops.ConvTranspose():
            each = zip(per_axis(op.padding, rank), per_axis(op.kernel, rank), strict=True)
            return op.dilation == 1 and all(p < k for p, k in each)
        case ops.Opaque():
            return len(op.windows) == rank and all(
                _covers(w, n * factor) for (w, factor), n in zip(opaque_windows(op), extents, strict=True)
            )
        case _:
            return False


@lru_cache(maxsize=1024)
def _covers(w: Window, size: int) -> bool:
    if w.padding < 0 or w.padding + w.more < 0:
        return False
    if w.stride == 1:
        return w.output(size) >= w.dilation
    return w.dilation == 1 and w.stride <= w.kernel and not w.unread(size)


def footprints(graph: Graph, shapes: dict[str, Shape], axis: int, rank: int) -> dict[str, Pixels]:
    """What the units of every layer read along *axis* of *rank*; layers where that is not known are left out.

    >>> from striate.analysis import infer
    >>> from striate.spec import parse
    >>> net = parse("input 1x9; crop 2; conv 1 3 padding=1")
    >>> [f"{mask:b}"[::-1] for mask in footprints(net, infer(net)[0], 0, 1)["conv1"]]
    ['0011', '00111', '000111', '0000111', '0000011']
    """
    extent = shapes["input"][-rank:][axis]
    known: dict[str, Pixels] = {"input": [1 << p for p in range(extent)]}
    for node in graph.nodes:
        inputs = [known.get(name) for name in node.inputs]
        found = None if None in inputs else _read(node, [p for p in inputs if p is not None], shapes, axis, rank)
        if found:
            known[node.name] = found
    return known


def _read(node: Node, inputs: list[Pixels], shapes: dict[str, Shape], axis: int, rank: int) -> Pixels | None:
    op, source = node.op, inputs[0]
    extents = shapes[node.name][1:]
    if isinstance(op, ops.Linear | ops.RBF) or (isinstance(op, ops.Opaque) and op.reach == "map"):
        return [reduce(or_, source)]
    if isinstance(op, ops.Embedding):
        return source
    if not fits_rank(op, rank) or (isinstance(op, ops.Opaque) and op.reach == "unknown"):
        return None
    n = extents[axis] if len(extents) == rank else 0
    if len(inputs) > 1:
        longest = max(map(len, inputs))
        if any(len(each) not in (1, longest) for each in inputs):
            return None
        return [reduce(or_, (each[i] if len(each) > 1 else each[0] for each in inputs)) for i in range(longest)]
    if not n:
        return source
    if n > LONGEST:
        return None
    reads = _reads(op, len(source), n, axis, rank)
    if reads is None:
        return source if len(source) == n else None
    return [reduce(or_, (source[i] for i in indices if 0 <= i < len(source)), 0) for indices in reads]


def _reads(op: ops.Op, size: int, out: int, axis: int, rank: int) -> Iterable[Iterable[int]] | None:
    """For each of *out* units the units before it that it reads; None: its own."""

    def of(value: int | tuple[int, ...]) -> int:
        return per_axis(value, rank)[axis]

    match op:
        case ops.Crop():
            return ((i + of(op.margin),) for i in range(out))
        case ops.Conv() | ops.TableConv() | ops.MaxPool() | ops.AvgPool() | ops.SumPool():
            w: Window = windows(op, rank)[axis]
            return (range(i * w.stride - w.padding, i * w.stride - w.padding + w.span, w.dilation) for i in range(out))
        case ops.ConvTranspose():
            stride, padding, taps = of(op.stride), of(op.padding), [j * of(op.dilation) for j in range(of(op.kernel))]
            return (
                [(i + padding - tap) // stride for tap in taps if (i + padding - tap) % stride == 0] for i in range(out)
            )
        case ops.Upsample():
            scale = of(op.scale)
            if op.mode == "nearest":
                return ((i // scale,) for i in range(out))
            between = ((2 * i + 1 - scale, 2 * scale) for i in range(out))
            last = size - 1
            return ((min(max(p // q, 0), last), min(max(-(-p // q), 0), last)) for p, q in between)
        case ops.AdaptiveAvgPool() | ops.AdaptiveMaxPool():
            return (range(i * size // out, -(-(i + 1) * size // out)) for i in range(out))
        case ops.Opaque(reach="resize") if len(op.windows) == rank:
            return resized_reads(op.windows[axis], size, out)
        case ops.Opaque(reach="window") if len(op.windows) == rank:
            w, factor = opaque_windows(op)[axis]
            starts = (i * w.stride - w.padding for i in range(out))
            return ([j // factor for j in range(at, at + w.span, w.dilation)] for at in starts)
        case _:
            return None
