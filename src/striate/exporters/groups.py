"""The graph as the modules of a file: groups of layers that can be one module each, and which of them are alike."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field, fields

from striate.spec import Activation, Graph, Join, Node, Shape
from striate.spec.op import torch_call

TAKEN = frozenset(("append", "extend", "insert", "pop"))  # what nn.Sequential calls its own


@dataclass(eq=False)
class Member:
    """What a group has under one name: a layer, a join, or a group.

    *inputs* are the members it reads, by index; -1, -2, ... are the group's own inputs, the first, the second, ...
    """

    name: str  # within its group
    part: Node | ModuleGroup
    inputs: tuple[int, ...]
    given: Shape  # the shape of its (first) input
    output: Shape

    @property
    def is_join(self) -> bool:
        return isinstance(self.part, Node) and isinstance(self.part.op, Join)

    @property
    def key(self) -> tuple[object, ...]:
        """What members have alike that differ in numbers alone, in what lies inside them, or in the activation."""
        if isinstance(self.part, ModuleGroup):
            return ("group",)
        op = self.part.op
        if isinstance(op, Join) or (isinstance(op, Activation) and not fields(op)):
            return ("join", type(op)) if self.is_join else ("activation",)
        call = torch_call(op, self.given)
        return ("layer", call.cls, tuple(a.name for a in call.arguments))


@dataclass(eq=False)
class ModuleGroup:
    """Layers that are one module: contiguous, and only the result is read from outside."""

    path: str
    parent: ModuleGroup | None
    reads: tuple[str, ...]  # what it reads from outside
    shapes: tuple[Shape, ...]  # of these
    output: str
    members: dict[str, Member] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)  # of each layer that gives a member's result: the member

    @property
    def all(self) -> list[Member]:
        """Its members in order."""
        return list(self.members.values())

    @property
    def inner(self) -> list[ModuleGroup]:
        """The groups among its members."""
        return [member.part for member in self.all if isinstance(member.part, ModuleGroup)]

    @property
    def result(self) -> int:
        """The member whose value is the group's."""
        return self.ends[self.output]

    @property
    def is_chain(self) -> bool:
        """Whether it is its members one after the other."""
        straight = all(m.inputs == (i - 1,) and not m.is_join for i, m in enumerate(self.all))
        return straight and len(self.reads) == 1 and not any("." in name or name in TAKEN for name in self.members)

    @property
    def structure(self) -> Structure:
        """What groups have alike that differ in their members' numbers alone."""
        return len(self.reads), tuple((m.name, m.key, m.inputs) for m in self.all), self.result

    def __iter__(self) -> Iterator[ModuleGroup]:
        """Itself, and every group in it."""
        yield self
        for inner in self.inner:
            yield from inner


Structure = tuple[int, tuple[tuple[str, tuple[object, ...], tuple[int, ...]], ...], int]


def groups_of(graph: Graph, shapes: dict[str, Shape], loose: frozenset[str] = frozenset()) -> ModuleGroup:
    """The group that is the whole of *graph*; the layers in *loose* stand in it directly, in no group of their own."""
    whole = _whole(graph, loose)

    def fill(group: ModuleGroup, nodes: Sequence[Node]) -> ModuleGroup:
        depth = group.path.count(".") + 2 if group.path else 1
        while nodes:
            names = nodes[0].name.split(".")
            paths = (".".join(names[:k]) for k in range(depth, len(names)))
            path = next((path for path in paths if path in whole), "")
            inside = [node for node in nodes if node.name.startswith(path + ".")] if path else nodes[:1]
            own, nodes = {node.name for node in inside}, nodes[len(inside) :]
            reads = tuple(dict.fromkeys(name for node in inside for name in node.inputs if name not in own))
            part: Node | ModuleGroup = inside[0]
            if path:
                part = fill(ModuleGroup(path, group, reads, tuple(shapes[r] for r in reads), whole[path]), inside)
            end = whole[path] if path else inside[0].name
            reads = reads if path else inside[0].inputs
            name = (path or end).removeprefix(group.path + "." if group.path else "")
            inputs = tuple(group.ends[r] if r in group.ends else -1 - group.reads.index(r) for r in reads)
            group.ends[end] = len(group.members)
            group.members[name] = Member(name, part, inputs, shapes[reads[0]], shapes[end])
        return group

    return fill(ModuleGroup("", None, ("input",), (shapes["input"],), graph.output), graph.nodes)


def _whole(graph: Graph, loose: frozenset[str]) -> dict[str, str]:
    """The groups of names that can be one module, each with the layer that gives its result."""
    spans: dict[str, list[int]] = {}
    readers: dict[str, set[str]] = {name: {"."} for name in (graph.output, *graph.taps)}
    for i, node in enumerate(graph.nodes):
        for k, letter in enumerate(node.name):
            if letter == ".":
                spans.setdefault(node.name[:k], []).append(i)
        for name in node.inputs:
            readers.setdefault(name, set()).add(node.name)
    found = {}
    for path, span in spans.items():
        names = {graph.nodes[i].name for i in span}
        ends = [name for name in names if readers.get(name, set()) - names]
        if len(ends) == 1 and span[-1] - span[0] + 1 == len(span) and not names & loose:
            found[path] = ends[0]
    return found


# ----------------------------------------------------------------------------------------------------- what is alike
@dataclass(eq=False)
class Pattern:
    """Groups of one structure: they may differ in numbers, in activations, in what lies inside their groups, and some
    may lack members that the *model*, the first that lacks none, has.
    """

    groups: list[ModuleGroup]

    @property
    def model(self) -> ModuleGroup:
        return max(self.groups, key=lambda group: len(group.members))

    @property
    def is_chain(self) -> bool:
        return all(group.is_chain for group in self.groups)

    def is_optional(self, name: str) -> bool:
        """Whether some of its groups lack the member called *name*."""
        return any(name not in group.members for group in self.groups)


def column(groups: Sequence[ModuleGroup | None], name: str) -> list[Member | None]:
    """The member called *name* of each of *groups*; None where one lacks it."""
    return [group.members.get(name) if group else None for group in groups]


def patterns(root: ModuleGroup) -> dict[ModuleGroup, Pattern]:
    """The pattern of every group in *root*."""
    everything = list(root)
    alike: dict[object, Pattern] = {}
    for group in everything:
        alike.setdefault((group is root, group.structure), Pattern([])).groups.append(group)
    found: list[Pattern] = []
    for pattern in sorted(alike.values(), key=lambda p: -len(p.model.members)):
        larger = (p for p in found if root not in [*p.groups, *pattern.groups] and _is_part(pattern, p))
        if whole := next(larger, None):
            whole.groups = sorted(whole.groups + pattern.groups, key=everything.index)
        else:
            found.append(pattern)
    return {group: pattern for pattern in found for group in pattern.groups}


def _is_part(small: Pattern, large: Pattern) -> bool:
    """Whether *small* is *large* without some of its members, and neither lies in the other."""
    paths = [[f"{group.path}." for group in pattern.groups] for pattern in (small, large)]
    if any(a.startswith(b) or b.startswith(a) for a in paths[0] for b in paths[1]):
        return False
    return _without(large.model, small.model.members) == small.model.structure


def _without(group: ModuleGroup, names: Container[str]) -> Structure | None:
    """The structure of *group* with the members called *names* alone: who reads another reads what that reads. None
    where one of these has several inputs, or is one of several groups of a name and a number (3 and 6 blocks are not
    alike).
    """
    numbered = [stem_of(m.name) for m in group.all if isinstance(m.part, ModuleGroup)]
    at = {-1 - i: -1 - i for i in range(len(group.reads))}
    kept: list[tuple[str, tuple[object, ...], tuple[int, ...]]] = []
    for i, m in enumerate(group.all):
        inputs = tuple(at[j] for j in m.inputs)
        if m.name in names:
            at[i] = len(kept)
            kept.append((m.name, m.key, inputs))
        elif m.is_join or len(inputs) > 1 or (isinstance(m.part, ModuleGroup) and numbered.count(stem_of(m.name)) > 1):
            return None
        else:
            at[i] = inputs[0]
    return len(group.reads), tuple(kept), at[group.result]


def stem_of(name: str) -> str:
    """A name without its number."""
    return re.sub(r"\d+$", "", name)


def classes_of(root: ModuleGroup, of: dict[ModuleGroup, Pattern]) -> list[Pattern]:
    """The patterns that become classes; the others, straight chains all, are written where they stand, which is where
    that takes fewer lines.
    """
    chosen = list(dict.fromkeys(of[group] for group in root))
    for pattern in tuple(chosen):
        if not pattern.is_chain or root in pattern.groups or any(map(pattern.is_optional, pattern.model.members)):
            continue
        places = len({_place(group, of, chosen) for group in pattern.groups})
        # numbered blocks fold into a loop; the head of a class and its forward take about seven lines
        length = len({stem_of(m.name) if isinstance(m.part, ModuleGroup) else m.name for m in pattern.model.all})
        if (places - 1) * (length + 1) <= 7:
            chosen.remove(pattern)
    return chosen


def _place(group: ModuleGroup, of: dict[ModuleGroup, Pattern], chosen: list[Pattern]) -> tuple[object, ...]:
    """Where in the file *group* is written: groups of one place are written at once."""
    if group.parent is None:
        return ()
    around, name = of[group.parent], group.path.removeprefix(f"{group.parent.path}.")
    beside = {of[m.part] for m in column(around.groups, name) if m and isinstance(m.part, ModuleGroup)}
    if len(beside) > 1:
        return (group,)  # it is given from outside
    return (around if around in chosen else _place(group.parent, of, chosen), name)
