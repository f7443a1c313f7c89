"""Changes of a graph: a fix in words, and what it means for the layers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from striate.errors import SpecError
from striate.spec.graph import Graph, Node
from striate.spec.op import Shape
from striate.spec.ops import Op


@dataclass(frozen=True)
class SetInput:
    """Another input for the whole net."""

    shape: Shape


@dataclass(frozen=True)
class SetFields:
    """Other values of some fields of a layer's op."""

    layer: str
    values: tuple[tuple[str, object], ...]


@dataclass(frozen=True)
class Insert:
    """Ops between a layer (or the input) and one that reads it."""

    source: str
    reader: str
    ops: tuple[Op, ...]


@dataclass(frozen=True)
class Read:
    """A layer reads the net's input in place of what it read."""

    layer: str


@dataclass(frozen=True)
class Remove:
    """A layer less; who read it reads what it read."""

    layer: str


Change = SetInput | SetFields | Insert | Read | Remove


@dataclass(frozen=True)
class Fix:
    """What to write, in words, and the changes of the graph that it means."""

    text: str
    changes: tuple[Change, ...]


def apply_changes(graph: Graph, changes: tuple[Change, ...]) -> Graph:
    """*graph* with the *changes*; SpecError where one cannot be made."""
    for change in changes:
        graph = _changed(graph, change)
    return graph


def _changed(graph: Graph, change: Change) -> Graph:
    match change:
        case SetInput(shape):
            return graph.with_input(shape)
        case SetFields(layer, values):
            new = dict(values)
            nodes = (replace(n, op=replace(n.op, **new)) if n.name == layer else n for n in graph.nodes)  # type: ignore[arg-type]
            return replace(graph, nodes=tuple(nodes))
        case Read(layer):
            reading = (replace(n, inputs=("input",)) if n.name == layer else n for n in graph.nodes)
            graph = replace(graph, nodes=tuple(reading))
            return graph.only(graph.output, *graph.taps)
        case Remove(layer):
            return _removed(graph, layer)
        case Insert(source, reader, ops):
            return _inserted(graph, source, reader, ops)


def _removed(graph: Graph, layer: str) -> Graph:
    gone = graph.by_name[layer]
    if len(graph.nodes) == 1:
        raise SpecError(f"{layer} is the only layer")
    nodes = [
        replace(n, inputs=tuple(gone.inputs[0] if name == layer else name for name in n.inputs))
        for n in graph.nodes
        if n.name != layer
    ]
    graph = replace(graph, nodes=tuple(nodes), taps=tuple(t for t in graph.taps if t != layer))
    return graph.only(graph.output, *graph.taps)


def _inserted(graph: Graph, source: str, reader: str, ops: tuple[Op, ...]) -> Graph:
    taken = {node.name for node in graph.nodes}
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.name == reader:
            before = source
            for op in ops:
                stem = f"{reader}_{op.stem}"
                name = next(n for n in (stem, *(f"{stem}{i}" for i in range(2, 99))) if n not in taken)
                taken.add(name)
                nodes.append(Node(name, op, (before,)))
                before = name
            node = replace(node, inputs=tuple(before if name == source else name for name in node.inputs))
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes))
