"""The code that makes a step: a layer, a class of the file, or a chain where it stands."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from striate.errors import shape_text
from striate.exporters.arguments import Arguments
from striate.exporters.fold import Kind
from striate.exporters.layout import Call, Code, Item, Loop, plain
from striate.exporters.tree import Step, Unit
from striate.exporters.words import REQUIRED, Word, made
from striate.spec import Node

Steps = list[Step | None]  # of each unit of the class in hand; None where one lacks it
Path = tuple[str, ...]


def noted(steps: Steps, arguments: Arguments) -> str:
    """What the comment behind a step says: the size of its output in the example."""
    return shape_text(next(step.output for step in (steps[arguments.example], *steps) if step))


class Parts:
    """Writes steps. *classes* are the kinds with a class, called *names*; *define* gives its arguments."""

    def __init__(self, kinds: dict[Unit, Kind], names: dict[Kind, str], define: Callable[[Kind], Arguments]) -> None:
        self.kinds, self.names, self.define = kinds, names, define

    def code(self, steps: Steps, arguments: Arguments, path: Path) -> Code:
        """What makes the module of *steps*, one step for each unit, in terms of *arguments*."""
        first = next(step for step in steps if step)
        if isinstance(first.part, Node):
            return self.layer(steps, arguments, path)
        units = [step.part if step and isinstance(step.part, Unit) else None for step in steps]
        return self.unit(units, arguments, path)

    def literal(self, unit: Unit) -> Code:
        return self.unit([unit], Arguments([unit], self.literal), (unit.path,))

    def layer(self, steps: Steps, arguments: Arguments, path: Path) -> Code:
        layers = [made(step.part.op, step.given) if step and isinstance(step.part, Node) else None for step in steps]
        first = next(layer for layer in layers if layer)
        if first.act:
            cls = arguments.code([layer and Word(layer.cls) for layer in layers], "act", path)
            return f"{cls}()"
        items = []
        for i, arg in enumerate(first.args):
            of = [layer.args[i] if layer else None for layer in layers]
            if all(a is None or a.omitted for a in of):
                continue
            code = arguments.code([a and a.value for a in of], arg.field, path)
            items.append(Item("" if arg.default is REQUIRED else f"{arg.field}=", code))
        return Call(first.cls, tuple(items))

    def unit(self, units: list[Unit | None], arguments: Arguments, path: Path) -> Code:
        there = {self.kinds[unit] for unit in units if unit}
        if len(there) > 1:  # of several kinds: made outside
            return arguments.code(list(units), path[-1], path)
        (kind,) = there
        if kind in self.names:
            return self.made(kind, units, arguments, path)
        items = self.chained(kind, units, arguments, path)
        if [item.key for item in items] == [f"{i}=" for i in range(len(items))]:
            return Call("nn.Sequential", tuple(Item("", i.code, i.comment) for i in items), tall=len(items) > 1)
        return Call("chain", tuple(map(_keyword, items)), tall=len(items) > 1)

    def made(self, kind: Kind, units: list[Unit | None], arguments: Arguments, path: Path) -> Code:
        """A call of the kind's class."""
        at = {unit: i for i, unit in enumerate(kind.units)}
        items = []
        for p in self.define(kind).parameters:
            column = [None if unit is None else p.column[at[unit]] for unit in units]
            if all(value is None or (p.default is not REQUIRED and value == p.default) for value in column):
                continue
            code = arguments.code(column, p.base, (*path, *_said(p.name, p.base)), p.default)
            items.append(Item("" if p.default is REQUIRED else f"{p.name}=", code))
        return Call(self.names[kind], tuple(items))

    def chained(self, kind: Kind, units: list[Unit | None], arguments: Arguments, path: Path) -> list[Item]:
        """The steps of a chain, as keyword arguments; numbered ones of one class in a loop."""
        items = []
        for i, slot in enumerate(kind.slots):
            steps = kind.steps(i, units)
            code = self.code(steps, arguments, (*path, slot.name))
            items.append(Item(f"{slot.name}=", code, noted(steps, arguments)))
        return _looped(items) if len(units) == 1 else items


def _keyword(item: Item) -> Item:
    """An argument of ``chain``; a name that Python does not take for one stands in a dict."""
    name = item.key.removesuffix("=")
    return item if not name or plain(name) else Item("", Loop(name, item.code), item.comment)


def _said(name: str, base: str) -> Path:
    """What an argument's name adds to the path of its step."""
    return () if name == base or name in ("out", "width") else (name.removesuffix(f"_{base}"),)


def _looped(items: list[Item]) -> list[Item]:
    """Runs of three or more numbered calls whose arguments stay, or grow by a step, as one loop each."""
    result: list[Item] = []
    start = 0
    while start < len(items):
        stop = start + 1
        while stop < len(items) and _loop(items[start : stop + 1]):
            stop += 1
        loop = _loop(items[start:stop]) if stop - start > 2 else None
        result += [Item("", loop, items[stop - 1].comment)] if loop else items[start:stop]
        start = stop
    return result


def _loop(items: list[Item]) -> Loop | None:
    """*items* as one loop, where they can be."""
    names = [re.fullmatch(r"(.*?)(\d+)=", item.key) for item in items]
    calls = [item.code for item in items if isinstance(item.code, Call)]
    if not all(names) or len(calls) < len(items) or not calls[0].func[0].isupper():
        return None
    numbers = [int(match[2]) for match in names if match]
    stems = {(match[1], c.func, tuple(i.key for i in c.items)) for match, c in zip(names, calls, strict=True) if match}
    if len(stems) > 1 or numbers != list(range(numbers[0], numbers[0] + len(items))):
        return None
    columns = [[c.items[i].code for c in calls] for i in range(len(calls[0].items))]
    terms = [_progress(column) for column in columns]
    if None in terms:
        return None
    grows = any(set(column) != {column[0]} for column in columns)
    first = 0 if grows else numbers[0]
    shift = numbers[0] - first
    name = f"{next(iter(stems))[0]}{{i + {shift}}}" if shift else f"{next(iter(stems))[0]}{{i}}"
    code = Call(calls[0].func, tuple(Item(i.key, t) for i, t in zip(calls[0].items, terms, strict=True) if t))
    over = f"range({first}, {first + len(items)})" if first else f"range({len(items)})"
    return Loop(name, code, f"i in {over}")


def _progress(column: list[Any]) -> Code | None:
    """A term in ``i`` (from 0) that gives the codes of *column*, or the one code that they all are."""
    if all(code == column[0] for code in column):
        some: Code = column[0]
        return some
    if not all(isinstance(code, str) and code.isdigit() for code in column):
        return None
    numbers = [int(code) for code in column]
    step = numbers[1] - numbers[0]
    if any(b - a != step for a, b in pairwise(numbers)) or step < 0:
        return None
    return f"{numbers[0]} + {step} * i"
