"""The graph as the modules of a file: the groups of names that can be one module each, nested."""

from __future__ import annotations

from dataclasses import dataclass, field

from striate.spec import Graph, Join, Node, Shape

TAKEN = frozenset(("append", "extend", "insert", "pop"))  # what nn.Sequential calls its own


@dataclass(eq=False)
class Step:
    """What a unit does at one place: a layer, a join, or a unit of its own.

    *inputs* are the steps it reads, by index; -1, -2, ... are the unit's own inputs, the first, the second, ...
    """

    name: str  # within its unit
    part: Node | Unit
    inputs: tuple[int, ...]
    given: Shape  # the shape of its (first) input
    output: Shape

    @property
    def end(self) -> str:
        """The layer that gives its result."""
        return self.part.name if isinstance(self.part, Node) else self.part.output

    @property
    def is_join(self) -> bool:
        return isinstance(self.part, Node) and isinstance(self.part.op, Join)


@dataclass(eq=False)
class Unit:
    """A group of layers that is one module: contiguous, and only its result is read from outside."""

    path: str
    inputs: tuple[str, ...]  # what it reads from outside
    output: str
    shapes: tuple[Shape, ...]  # of what it reads
    steps: list[Step] = field(default_factory=list)
    named: dict[str, Step] = field(default_factory=dict)  # the same, by name
    ends: dict[str, int] = field(default_factory=dict)  # of each layer that gives a step's result: the step

    @property
    def given(self) -> Shape:
        return self.shapes[0]

    @property
    def result(self) -> int:
        """The step whose value is the unit's."""
        return self.ends[self.output]

    @property
    def is_chain(self) -> bool:
        """Whether it is its steps one after the other."""
        straight = all(step.inputs == (i - 1,) for i, step in enumerate(self.steps))
        named = all("." not in step.name and step.name not in TAKEN for step in self.steps)
        return straight and named and len(self.inputs) == 1 and not any(step.is_join for step in self.steps)


def units(graph: Graph, shapes: dict[str, Shape], loose: frozenset[str] = frozenset()) -> Unit:
    """The unit that is the whole of *graph*; the layers in *loose* stand in it directly, in no unit of their own."""
    whole = _whole_groups(graph, loose)

    def parent(name: str) -> str:
        """The innermost group around *name* that is a unit."""
        while name:
            name = name.rpartition(".")[0]
            if name in whole:
                break
        return name

    root = Unit("", ("input",), graph.output, (shapes["input"],))
    made = {"": root}
    inside: dict[str, list[Node]] = {}
    for node in graph.nodes:
        group = parent(node.name)
        while group:
            inside.setdefault(group, []).append(node)
            group = parent(group)

    def enter(group: str) -> Unit:
        if group not in made:
            outer = enter(parent(group))
            nodes = inside[group]
            own = {node.name for node in nodes}
            reads = tuple(dict.fromkeys(name for node in nodes for name in node.inputs if name not in own))
            made[group] = unit = Unit(group, reads, whole[group], tuple(shapes[r] for r in reads))
            _add(outer, unit, reads, shapes)
        return made[group]

    for node in graph.nodes:
        unit = enter(parent(node.name))
        _add(unit, node, node.inputs, shapes)
    return root


def _add(unit: Unit, part: Node | Unit, reads: tuple[str, ...], shapes: dict[str, Shape]) -> None:
    path, end = (part.name, part.name) if isinstance(part, Node) else (part.path, part.output)
    name = path.removeprefix(unit.path + ".") if unit.path else path
    inputs = tuple(unit.ends[r] if r in unit.ends else -1 - unit.inputs.index(r) for r in reads)
    unit.ends[end] = len(unit.steps)
    unit.named[name] = Step(name, part, inputs, shapes[reads[0]], shapes[end])
    unit.steps.append(unit.named[name])


def _whole_groups(graph: Graph, loose: frozenset[str]) -> dict[str, str]:
    """The groups of names that can be one module, each with the layer that gives its result."""
    spans: dict[str, list[int]] = {}
    for i, node in enumerate(graph.nodes):
        parts = node.name.split(".")
        for k in range(1, len(parts)):
            spans.setdefault(".".join(parts[:k]), []).append(i)
    readers: dict[str, set[str]] = {name: {"."} for name in (graph.output, *graph.taps)}
    for node in graph.nodes:
        for name in node.inputs:
            readers.setdefault(name, set()).add(node.name)
    found = {}
    for group, span in spans.items():
        names = {graph.nodes[i].name for i in span}
        ends = [name for name in names if readers.get(name, set()) - names]
        if len(ends) == 1 and span == list(range(span[0], span[-1] + 1)) and not names & loose:
            found[group] = ends[0]
    return found
