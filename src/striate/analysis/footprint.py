"""Which pixels every unit of every layer reads, one by one, along one axis: for nets whose fields are no plain spans.

A span with a stride says all of most networks. Behind a crop it does not, since a padding there reads nothing where
the crop cut pixels away; nor where windows have gaps (a dilation) or leave the last pixels out (a stride), since no
window may read the outermost pixels of the input, and a later padding does not either.
"""

from __future__ import annotations

from functools import lru_cache, reduce
from itertools import chain
from operator import or_

from striate.analysis.windows import AxisRule, Transposed, Window, axis_rules
from striate.spec import ops
from striate.spec.graph import Graph, Node
from striate.spec.op import Shape, fits_rank

Pixels = list[int]  # of every unit a bit mask: bit p is set where it reads pixel p
LONGEST = 8192  # units along an axis that are followed one by one


def irregular(graph: Graph, rank: int) -> bool:
    """Whether a span with a stride may not say exactly what some unit of *graph* sees."""
    assert graph.input is not None
    if max(graph.input[-rank:]) > LONGEST:
        return False
    cropped = gaps = padded = False
    for op in {node.op: None for node in graph.nodes if fits_rank(node.op, rank)}:
        for rule in chain(*axis_rules(op, rank)):
            match rule:
                case Window() as w:
                    gaps |= w.dilation > 1 or w.stride > 1
                    padded |= w.padding > 0 or w.more > 0 or w.ceil or (w.stride > 1 and w.dilation > 1)
                    cropped |= w.padding < 0 or w.padding + w.more < 0
                case Transposed():
                    padded = True
                case _:
                    pass
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
        if not found.isdisjoint(node.inputs) and _reads_all(node.op, shapes[node.inputs[0]][1:], rank):
            found.add(node.name)
    return found


@lru_cache(maxsize=1024)
def _reads_all(op: ops.Op, extents: tuple[int, ...], rank: int) -> bool:
    """Whether no unit before it stays unread, as far as that is quick to say."""
    if isinstance(op, ops.Opaque) and op.reach not in ("place", "map", "window"):
        return False
    rules = axis_rules(op, rank) if fits_rank(op, rank) else ()
    if not any(rules):
        return bool(rules)
    return len(rules) == len(extents) == rank and all(map(_cover, rules, extents))


def _cover(rules: tuple[AxisRule, ...], size: int) -> bool:
    for rule in rules:
        match rule:
            case Window() as w if w.padding < 0 or w.padding + w.more < 0:
                return False
            case Window(stride=1) as w if w.output(size) < w.dilation:
                return False
            case Window() as w if w.stride > 1 and (w.dilation > 1 or w.stride > w.kernel or w.unread(size)):
                return False
            case Transposed() as t if t.dilation > 1 or t.padding >= t.kernel:
                return False
            case _:
                size = rule.output(size)
    return True


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
    sides = shapes[node.inputs[0]][1:]  # none, where what is flat gets its axes back
    if not n or (len(source) == 1 and len(sides) == rank and sides[axis] > 1):  # one for all positions of a whole map
        return source
    rules = axis_rules(op, rank)
    for rule in rules[axis] if len(rules) == rank else ():
        units, before = max(1, rule.output(len(source))), source
        if units > LONGEST:
            return None
        reads = rule.reads(units, len(before))
        source = [reduce(or_, (before[i] for i in each if 0 <= i < len(before)), 0) for each in reads]
    return source if len(source) == n else None
