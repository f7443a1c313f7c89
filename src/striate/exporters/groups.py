"""The graph as the modules of a file: groups of layers that can be one module each, and which of them are alike."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from itertools import groupby
from typing import NamedTuple

from striate.spec import Activation, Graph, Join, Node, Shape
from striate.spec.op import torch_call

TAKEN = frozenset(("append", "extend", "insert", "pop"))  # what nn.Sequential calls its own


@dataclass(eq=False)
class Member:
    """What a group has under one name: a layer, a join, or a group.

    *inputs* are the members it reads, by index; -1, -2, ... are the group's own inputs, the first, the second, ...
    """

    name: str  # within its group
    part: Node | Group
    inputs: tuple[int, ...]
    given: Shape  # the shape of its (first) input
    output: Shape
    end: str  # the layer that gives its result


@dataclass(eq=False)
class Group:
    """Layers that are one module: contiguous, and only the result is read from outside."""

    path: str
    parent: Group | None
    reads: tuple[str, ...]  # what it reads from outside
    shapes: tuple[Shape, ...]  # of these
    output: str
    members: dict[str, Member] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)  # of each layer that gives a member's result: the member

    @property
    def name(self) -> str:
        """Within its parent."""
        return self.path.removeprefix(f"{self.parent.path}." if self.parent else "")

    @property
    def result(self) -> Member:
        """The member whose value is the group's."""
        return list(self.members.values())[self.ends[self.output]]

    @property
    def inner(self) -> list[Group]:
        """The groups among its members."""
        return [member.part for member in self.members.values() if isinstance(member.part, Group)]

    @property
    def is_chain(self) -> bool:
        """Whether it is its members one after the other."""
        members = list(self.members.values())
        straight = all(m.inputs == (i - 1,) and not is_join(m) for i, m in enumerate(members))
        return straight and len(self.reads) == 1 and all("." not in m.name and m.name not in TAKEN for m in members)


def is_join(member: Member) -> bool:
    return isinstance(member.part, Node) and isinstance(member.part.op, Join)


def groups_of(graph: Graph, shapes: dict[str, Shape], loose: frozenset[str] = frozenset()) -> Group:
    """The group that is the whole of *graph*; the layers in *loose* stand in it directly, in no group of their own."""
    whole = _whole(graph, loose)

    def fill(group: Group, nodes: Sequence[Node]) -> Group:
        depth = group.path.count(".") + 2 if group.path else 1
        while nodes:
            names = nodes[0].name.split(".")
            paths = (".".join(names[:k]) for k in range(depth, len(names)))
            path = next((path for path in paths if path in whole), "")
            inside = [node for node in nodes if node.name.startswith(path + ".")] if path else nodes[:1]
            own, nodes = {node.name for node in inside}, nodes[len(inside) :]
            reads = tuple(dict.fromkeys(name for node in inside for name in node.inputs if name not in own))
            part: Node | Group = inside[0]
            if path:
                part = fill(Group(path, group, reads, tuple(shapes[r] for r in reads), whole[path]), inside)
            end = whole[path] if path else inside[0].name
            reads = reads if path else inside[0].inputs
            name = (path or end).removeprefix(group.path + "." if group.path else "")
            inputs = tuple(group.ends[r] if r in group.ends else -1 - group.reads.index(r) for r in reads)
            group.ends[end] = len(group.members)
            group.members[name] = Member(name, part, inputs, shapes[reads[0]], shapes[end], end)
        return group

    return fill(Group("", None, ("input",), (shapes["input"],), graph.output), graph.nodes)


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
class Slot(NamedTuple):
    """A member of a pattern: its name, what it is (but for numbers), and what it reads."""

    name: str
    key: tuple[object, ...]
    inputs: tuple[int, ...]

    @property
    def is_join(self) -> bool:
        return self.key[0] == "join"


class Structure(NamedTuple):
    """What two groups have alike that differ in numbers alone."""

    inputs: int
    slots: tuple[Slot, ...]
    result: int


@dataclass(eq=False)
class Pattern:
    """Groups of one structure: they may differ in numbers, in activations, in what lies inside their groups, and some
    may lack members.
    """

    structure: Structure
    groups: list[Group] = field(default_factory=list)

    @property
    def slots(self) -> tuple[Slot, ...]:
        return self.structure.slots

    @property
    def is_chain(self) -> bool:
        return all(group.is_chain for group in self.groups)

    @property
    def example(self) -> int:
        """The first group that lacks the least."""
        return max(range(len(self.groups)), key=lambda i: (len(self.groups[i].members), -i))

    def is_optional(self, slot: Slot) -> bool:
        """Whether some of its groups lack *slot*."""
        return None in column(self.groups, slot.name)


def column(groups: Sequence[Group | None], name: str) -> list[Member | None]:
    """The member called *name* of each of *groups*; None where one lacks it."""
    return [group.members.get(name) if group else None for group in groups]


def _structure(group: Group) -> Structure:
    slots = tuple(Slot(m.name, _key(m), m.inputs) for m in group.members.values())
    return Structure(len(group.reads), slots, group.ends[group.output])


def _key(member: Member) -> tuple[object, ...]:
    if isinstance(member.part, Group):
        return ("group",)
    op = member.part.op
    if isinstance(op, Join):
        return ("join", type(op))
    if isinstance(op, Activation) and not fields(op):
        return ("act",)  # where groups differ in nothing else, its class is an argument
    call = torch_call(op, member.given)
    return ("layer", call.cls, tuple(a.name for a in call.arguments))


def patterns(root: Group) -> dict[Group, Pattern]:
    """The pattern of every group in *root*."""
    everything = list(_all(root))
    alike: dict[tuple[bool, Structure], Pattern] = {}
    for group in everything:
        structure = _structure(group)
        alike.setdefault((group is root, structure), Pattern(structure)).groups.append(group)
    found: list[Pattern] = []
    for pattern in sorted(alike.values(), key=lambda p: -len(p.slots)):
        larger = (p for p in found if root not in [*p.groups, *pattern.groups] and _is_part(pattern, p))
        if whole := next(larger, None):
            whole.groups += pattern.groups
        else:
            found.append(pattern)
    order = {group: i for i, group in enumerate(everything)}
    for pattern in found:
        pattern.groups.sort(key=order.__getitem__)
    return {group: pattern for pattern in found for group in pattern.groups}


def _all(group: Group) -> Iterator[Group]:
    yield group
    for inner in group.inner:
        yield from _all(inner)


def _is_part(small: Pattern, large: Pattern) -> bool:
    """Whether *small* is *large* without some of its members, and neither lies in the other."""
    names = {slot.name for slot in small.slots}
    paths = [[f"{group.path}." for group in pattern.groups] for pattern in (small, large)]
    apart = not any(a.startswith(b) or b.startswith(a) for a in paths[0] for b in paths[1])
    return apart and len(names) < len(large.slots) and _without(large.structure, names) == small.structure


def _without(whole: Structure, names: set[str]) -> Structure | None:
    """*whole* with the slots called *names* alone: who reads another reads what that reads. None where one of these
    has several inputs, or is one of several groups of a name and a number (3 and 6 blocks are not alike).
    """
    numbered = [stem_of(slot.name) for slot in whole.slots if slot.key == ("group",)]
    at: dict[int, int] = {-1 - i: -1 - i for i in range(whole.inputs)}
    kept: list[Slot] = []
    for i, slot in enumerate(whole.slots):
        inputs = tuple(at[j] for j in slot.inputs)
        if slot.name in names:
            at[i] = len(kept)
            kept.append(slot._replace(inputs=inputs))
        elif len(inputs) > 1 or slot.is_join or (slot.key == ("group",) and numbered.count(stem_of(slot.name)) > 1):
            return None
        else:
            at[i] = inputs[0]
    return Structure(whole.inputs, tuple(kept), at[whole.result])


def stem_of(name: str) -> str:
    """A name without its number."""
    return re.sub(r"\d+$", "", name)


def classes_of(root: Group, of: dict[Group, Pattern]) -> list[Pattern]:
    """The patterns that become classes; the others, straight chains all, are written where they stand, which is where
    that takes fewer lines.
    """
    chosen = list(dict.fromkeys(of.values()))
    for pattern in sorted(chosen, key=lambda p: -max(map(_height, p.groups))):
        if not pattern.is_chain or root in pattern.groups or any(map(pattern.is_optional, pattern.slots)):
            continue
        places = len({_place(group, of, chosen) for group in pattern.groups})
        length = _length(pattern.groups[0], of, chosen)
        if places * (length + 2) <= length + 8 + places:
            chosen.remove(pattern)
    return chosen


def _height(group: Group) -> int:
    return 1 + max(map(_height, group.inner), default=0)


def _place(group: Group, of: dict[Group, Pattern], chosen: list[Pattern]) -> tuple[object, ...]:
    """Where in the file *group* is written: groups of one place are written at once."""
    if group.parent is None:
        return ()
    around = of[group.parent]
    beside = {of[m.part] for m in column(around.groups, group.name) if m and isinstance(m.part, Group)}
    if len(beside) > 1:
        return (group,)  # it is given from outside
    return (around if around in chosen else _place(group.parent, of, chosen), group.name)


def _length(group: Group, of: dict[Group, Pattern], chosen: list[Pattern]) -> int:
    """About how many lines its layers take; numbered groups of one class fold to two."""

    def key(member: Member) -> object:
        folds = isinstance(member.part, Group) and of[member.part] in chosen
        return (stem_of(member.name), of[member.part]) if folds else member  # type: ignore[index]  # a group, as said

    lines = 0
    for _, run in groupby(group.members.values(), key=key):
        some = list(run)
        written_here = isinstance(some[0].part, Group) and of[some[0].part] not in chosen
        lines += 2 + _length(some[0].part, of, chosen) if written_here else min(2, len(some))  # type: ignore[arg-type]
    return lines
