"""The classes of a file: ``__init__`` with the layers under their own names, what repeats once, and ``forward``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import MISSING
from functools import partial
from itertools import pairwise
from textwrap import indent
from typing import NamedTuple

from striate.errors import shape_text
from striate.exporters.arguments import REQUIRED, Arguments, Column
from striate.exporters.code import WIDTH, Code, becomes, call, class_names, is_plain, noted
from striate.exporters.forward import forward
from striate.exporters.groups import Member, ModuleGroup, Pattern, classes_of, column, patterns
from striate.spec import Node, Shape
from striate.spec.op import torch_call

Path = tuple[str, ...]
Condition = Callable[[], str]  # the code that says whether a member is there
Members = Sequence[Member | None]  # of each group of the class in hand; None where one lacks it
NUMBER = re.compile(r"(?<![\w.-])\d+(?![\w.])")


class _Item(NamedTuple):
    """What a chain has under a name: its code, and what is noted behind it."""

    name: str
    code: str
    note: str


class Writer:
    """Writes the classes of the groups in *root*, whose own class is called after *name*, with *about* below it."""

    def __init__(self, root: ModuleGroup, name: str, about: str, taps: tuple[str, ...]) -> None:
        self.about, self.taps, self.patterns = about, taps, patterns(root)
        self.main = self.patterns[root]
        self.names = class_names(self.main, classes_of(root, self.patterns), name)
        self.arguments: dict[Pattern, Arguments] = {}
        self.written: list[str] = []

    def classes(self) -> list[str]:
        """The text of each class, in order; the net's own is the last."""
        self.define(self.main)
        return self.written

    def define(self, pattern: Pattern) -> Arguments:
        """Writes the class of *pattern*, and before it those that it uses; gives its arguments."""
        if pattern not in self.arguments:
            arguments = Arguments(pattern.groups, self.literal, pattern.groups.index(pattern.model))
            self.layers(pattern, arguments, {})
            for p in arguments.parameters:  # what came later may have made an argument needless: a second look
                p.uses.clear()
            self.layers(pattern, arguments, {})
            arguments.parameters = [p for p in arguments.parameters if p.uses]
            conditions = self.conditions(pattern, arguments)
            arguments.settle([group.all[group.result].output[0] for group in pattern.groups])
            self.arguments[pattern] = arguments
            self.written.append(self.class_text(pattern, arguments, self.layers(pattern, arguments, conditions)))
        return self.arguments[pattern]

    def class_text(self, pattern: Pattern, arguments: Arguments, layers: list[str]) -> str:
        text = [f'"""{self.about if pattern is self.main else _about(pattern)}"""', ""]
        if layers:
            declared = call("def __init__", ["self", *(p.declared() for p in arguments.parameters)])
            text += [f"{declared} -> None:", indent("\n".join(["super().__init__()", *layers]), "    "), ""]
        text += forward(pattern.model, self.taps if pattern is self.main else ())
        return f"class {self.names[pattern]}(nn.Module):\n" + indent("\n".join(text), "    ")

    # ------------------------------------------------------------------------------------------------- its layers
    def layers(self, pattern: Pattern, arguments: Arguments, conditions: dict[str, Condition]) -> list[str]:
        """The lines of ``__init__`` that make the layers."""
        text: list[str] = []
        for name in [member.name for member in pattern.model.all if not member.is_join]:
            for k in [k for k, letter in enumerate(name) if letter == "."]:  # names around it without a forward
                space = becomes(name[:k], "nn.Module()")
                text += [space] * (space not in text)
            members = column(pattern.groups, name)
            code, note = self.code(members, arguments, (name,)), _note(members, arguments)
            text += _placed(name, code, note, conditions[name]() if name in conditions else "")
        return text

    def code(self, members: Members, arguments: Arguments, path: Path) -> str:
        """What makes the module of *members*, one for each group, in terms of *arguments*."""
        if any(member and isinstance(member.part, Node) for member in members):
            return self.layer(members, arguments, path)
        return self.group([m.part if m and isinstance(m.part, ModuleGroup) else None for m in members], arguments, path)

    def literal(self, group: ModuleGroup) -> str:
        return self.group([group], Arguments([group], self.literal), (group.path,))

    def layer(self, members: Members, arguments: Arguments, path: Path) -> str:
        calls = [torch_call(m.part.op, m.given) if m and isinstance(m.part, Node) else None for m in members]
        first = next(c for c in calls if c)
        if not first.arguments and len({c.cls for c in calls if c}) > 1:
            return f"{arguments.code([c and Code(c.cls) for c in calls], 'act', path)}()"
        items = []
        for i, argument in enumerate(first.arguments):
            given = [c.arguments[i] if c else None for c in calls]
            if not argument.named or any(a and (a.default is MISSING or a.value != a.default) for a in given):
                code = arguments.code([a and a.value for a in given], argument.name, path)
                items.append(f"{argument.name}={code}" if argument.named else code)
        return call(first.cls, items)

    def group(self, groups: Sequence[ModuleGroup | None], arguments: Arguments, path: Path) -> str:
        there = {self.patterns[group] for group in groups if group}
        if len(there) > 1:  # of several patterns: made outside
            return arguments.code(groups, path[-1], path)
        (pattern,) = there
        if pattern in self.names:
            return self.made(pattern, groups, arguments, path)
        items = []
        for name in pattern.model.members:
            members = column(groups, name)
            items.append(_Item(name, self.code(members, arguments, (*path, name)), _note(members, arguments)))
        if [item.name for item in items] == [str(i) for i in range(len(items))]:
            return _chained("nn.Sequential", items)
        return _chained("chain", _looped(items, at_least=3 if len(groups) == 1 else len(items) + 1))

    def made(self, pattern: Pattern, groups: Sequence[ModuleGroup | None], arguments: Arguments, path: Path) -> str:
        """A call of the pattern's class."""
        at = {group: i for i, group in enumerate(pattern.groups)}
        items = []
        for p in self.define(pattern).parameters:
            values = [None if group is None else p.column[at[group]] for group in groups]
            if all(value is None or (p.default is not REQUIRED and value == p.default) for value in values):
                continue
            said = () if p.name == p.base or p.name in ("out", "width") else (p.name.removesuffix(f"_{p.base}"),)
            code = arguments.code(values, p.base, (*path, *said), p.default)
            items.append(code if p.default is REQUIRED else f"{p.name}={code}")
        return call(self.names[pattern], items)

    # -------------------------------------------------------------------------------------- what some groups lack
    def conditions(self, pattern: Pattern, arguments: Arguments) -> dict[str, Condition]:
        """For each member that some groups lack, what says that it is there: channels that change, or an argument."""
        found: dict[str, Condition] = {}
        for name in filter(pattern.is_optional, pattern.model.members):
            members = column(pattern.groups, name)
            present = [member is not None for member in members]
            before = [_given(pattern.model, name, group)[0] for group in pattern.groups]
            behind = [m.output[0] if m else n for m, n in zip(members, before, strict=True)]
            changes = [a != b for a, b in zip(before, behind, strict=True)] == present
            if changes and all(len(set(c)) == 1 or arguments.find(c, "channels", (name,)) for c in (before, behind)):
                found[name] = partial(_differ, arguments, before, behind, name)
                continue
            flag = next((p for p in arguments.parameters if p.uses == {name} and p.says(present)), None)
            if flag:
                flag.is_flag()
            flag = flag or arguments.add(f"with_{name}", (name,), present)
            found[name] = partial(getattr, flag, "name")
        return found


def _differ(arguments: Arguments, before: Column, behind: Column, name: str) -> str:
    return " != ".join(arguments.code(channels, "channels", (name,)) for channels in (before, behind))


def _given(model: ModuleGroup, name: str, group: ModuleGroup) -> Shape:
    """The shape of what comes to the member called *name*, also where *group* lacks it."""
    if name in group.members:
        return group.members[name].given
    source = model.members[name].inputs[0]
    if source < 0:
        return group.shapes[-1 - source]
    before = model.all[source].name
    return group.members[before].output if before in group.members else _given(model, before, group)


def _placed(path: str, code: str, note: str, condition: str) -> list[str]:
    """The lines that put *code* in its place; with a *condition*, nothing where it does not hold."""
    if not condition:
        return [noted(becomes(path, code), note)]
    either = noted(becomes(path, f"{code} if {condition} else nn.Identity()"), note)
    if "\n" not in either and len(either) + 8 <= WIDTH:
        return [either]
    there = indent(noted(becomes(path, code), note), "    ")
    return [becomes(path, "nn.Identity()"), f"if {condition}:", there]


def _about(pattern: Pattern) -> str:
    model, others = pattern.model, len(pattern.groups) - 1
    more = f" and {others} like it; the sizes are those of {model.path}" if others else ""
    return f"{model.path}{more}: {shape_text(model.shapes[0])} -> {shape_text(model.all[model.result].output)}."


def _note(members: Members, arguments: Arguments) -> str:
    """What the comment behind a member says: the size of its output in the example."""
    return shape_text(next(member.output for member in (members[arguments.example], *members) if member))


# --------------------------------------------------------------------------------------------------------- chains
def _chained(func: str, items: list[_Item]) -> str:
    if len(items) == 1:
        return call(func, [items[0].code])
    return call(func, [item.code for item in items], [item.note for item in items])


def _keyword(item: _Item) -> str:
    """An argument of ``chain``; a name that Python does not take for one stands in a dict."""
    return f"{item.name}={item.code}" if is_plain(item.name) else f'**{{"{item.name}": {item.code}}}'


def _looped(items: list[_Item], at_least: int) -> list[_Item]:
    """The arguments of ``chain``: runs of numbered calls whose numbers stay, or grow by a step, as one loop each."""
    result: list[_Item] = []
    while items:
        stop = 1
        while stop < len(items) and _loop(items[: stop + 1]):
            stop += 1
        loop = _loop(items[:stop]) if stop >= at_least else None
        run = [_Item("", loop, items[stop - 1].note)] if loop else [i._replace(code=_keyword(i)) for i in items[:stop]]
        result, items = result + run, items[stop:]
    return result


def _loop(items: list[_Item]) -> str | None:
    """*items* as one loop, where their texts are equal but for numbers that grow by steps."""
    matches = [match for item in items if (match := re.fullmatch(r"(.*?)(\d+)", item.name))]
    texts = {NUMBER.sub("#", item.code) for item in items}
    if len(matches) < len(items) or len(texts) > 1 or not items[0].code[0].isupper() or "\n" in items[0].code:
        return None
    first, stem = int(matches[0][2]), matches[0][1]
    if [item.name for item in items] != [f"{stem}{first + i}" for i in range(len(items))]:
        return None
    columns = zip(*(map(int, NUMBER.findall(item.code)) for item in items), strict=True)
    terms = [_progress(column) for column in columns]
    if None in terms:
        return None
    start = 0 if any(" * i" in str(term) for term in terms) else first
    number = f"i + {first - start}" if first > start else "i"
    rest = iter(terms)
    code = NUMBER.sub(lambda _: str(next(rest)), items[0].code)
    over = f"{start}, {start + len(items)}" if start else str(len(items))
    return f'**{{f"{stem}{{{number}}}": {code} for i in range({over})}}'


def _progress(numbers: tuple[int, ...]) -> str | None:
    """A term in ``i`` (from 0) that gives *numbers*, or the one number that they all are."""
    steps = {b - a for a, b in pairwise(numbers)} or {0}
    if len(steps) > 1 or min(steps) < 0:
        return None
    return f"{numbers[0]} + {min(steps)} * i" if min(steps) else str(numbers[0])
