"""Changes of a graph: a fix in words, and what it means for the layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce

from striate.errors import SpecError
from striate.spec.graph import Graph, Node
from striate.spec.op import Shape
from striate.spec.ops import Op

Change = Callable[[Graph], Graph]


@dataclass(frozen=True)
class Fix:
    """What to write, in words, and the changes of the graph that it means."""

    text: str
    changes: tuple[Change, ...]


def apply_changes(graph: Graph, changes: tuple[Change, ...]) -> Graph:
    """*graph* with the *changes*; SpecError where one cannot be made."""
    return reduce(lambda changed, change: change(changed), changes, graph)


def set_input(shape: Shape) -> Change:
    """Another input for the whole net."""
    return lambda graph: graph.with_input(shape)


def set_fields(layer: str, **values: object) -> Change:
    """Other values of some fields of a layer's op."""

    def change(graph: Graph) -> Graph:
        nodes = (replace(n, op=replace(n.op, **values)) if n.name == layer else n for n in graph.nodes)  # type: ignore[arg-type]
        return replace(graph, nodes=tuple(nodes))

    return change


def read_input(layer: str) -> Change:
    """A layer reads the net's input in place of what it read."""

    def change(graph: Graph) -> Graph:
        reading = tuple(replace(n, inputs=("input",)) if n.name == layer else n for n in graph.nodes)
        return replace(graph, nodes=reading).only(graph.output, *graph.taps)

    return change


def remove(layer: str) -> Change:
    """A layer less; who read it reads what it read."""

    def change(graph: Graph) -> Graph:
        before = graph.by_name[layer].inputs[0]
        if len(graph.nodes) == 1:
            raise SpecError(f"{layer} is the only layer")
        nodes = tuple(
            replace(n, inputs=tuple(before if name == layer else name for name in n.inputs))
            for n in graph.nodes
            if n.name != layer
        )
        graph = replace(graph, nodes=nodes, taps=tuple(t for t in graph.taps if t != layer))
        return graph.only(graph.output, *graph.taps)

    return change


def insert(source: str, reader: str, *ops: Op) -> Change:
    """Ops between a layer (or the input) and one that reads it."""

    def change(graph: Graph) -> Graph:
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

    return change
