"""The arguments of a class: from the numbers of its groups to as few names as say them all.

A column has one value for each group of the class, None where a group lacks the member. A column is a literal where all
values are one; else the name of an argument with the same values, or a term of one (``4 * width``,
``kernel // 2``); else it becomes an argument.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from keyword import iskeyword
from typing import Any

from striate.exporters.code import NOTHING, Code, literal
from striate.exporters.groups import ModuleGroup

Column = Sequence[Any]
REQUIRED = object()  # the default of an argument without one
WIDTHS = ("channels", "features", "out", "groups", "width", "words")
DEFAULTED = ("stride", "padding", "dilation", "groups", "bias", "p", "eps", "momentum", "ceil_mode", "output_padding")
ORDER = ("width", "words", "kernel")  # of arguments without a default; then the others
NOT_NAMES = ("self", "torch", "nn", "chain", "x")


@dataclass(eq=False)
class Parameter:
    """One argument: what it is called after (*base*, in the members *path*), and its value in each group."""

    base: str
    path: tuple[str, ...]
    column: list[Any]
    usual: Any = REQUIRED  # the default of the argument that it becomes further in
    uses: set[str] = field(default_factory=set)  # the members that it occurs in
    name: str = "?"
    default: Any = REQUIRED

    def says(self, present: list[bool]) -> bool:
        """Whether it is not 0 or False for just the groups that are *present*."""
        return [bool(value) for value in self.column] == present and not isinstance(self.column[0], ModuleGroup)

    def is_flag(self) -> None:
        """It says whether a member is there: 0 or None where a group lacks that."""
        kinds = {type(v) for v in self.column if v is not None}
        nothing = 0 if kinds == {int} else 0.0 if kinds == {float} else NOTHING
        self.usual = self.default = nothing
        self.column = [nothing if value is None else value for value in self.column]

    def annotation(self) -> str:
        values = [v for v in [*self.column, self.default] if v not in (None, REQUIRED, NOTHING)]
        if isinstance(values[0], ModuleGroup | Code):
            kind = "nn.Module" if isinstance(values[0], ModuleGroup) else "type[nn.Module]"
        elif any(isinstance(v, tuple) for v in values):
            nested = isinstance(values[0], tuple) and any(isinstance(v, tuple) for v in values[0])
            kind = "tuple" if nested else "int | tuple[int, ...]"
        else:
            kind = "float" if any(isinstance(v, float) for v in values) else type(values[0]).__name__
        return f"{kind} | None" if self.default == NOTHING else kind

    def declared(self) -> str:
        """As it stands in the head of ``__init__``."""
        return f"{self.name}: {self.annotation()}" + ("" if self.default is REQUIRED else f" = {literal(self.default)}")


def _family(base: str) -> str:
    """Arguments of one family may stand for each other: all counts of channels, or all strides."""
    return "width" if base in WIDTHS else base


class Arguments:
    """The arguments of the class of *groups*; *write* gives the code of a group that is given from outside. The sizes
    in comments are those of the group *example*.
    """

    def __init__(self, groups: Sequence[ModuleGroup], write: Callable[[ModuleGroup], str], example: int = 0) -> None:
        self.count, self.example, self.write = len(groups), example, write
        self.parameters = [Parameter("channels", (), [group.shapes[0][0] for group in groups])]

    def add(self, base: str, path: tuple[str, ...], column: Column, usual: Any = REQUIRED) -> Parameter:
        """A new argument."""
        self.parameters.append(Parameter(base, path, list(column), usual, {path[0]}))
        return self.parameters[-1]

    def code(self, column: Column, base: str, path: tuple[str, ...], usual: Any = REQUIRED) -> str:
        """What stands in the class for *column*; *usual* is its default further in."""
        values = [v for v in column if v is not None]
        if all(v == values[0] for v in values) and not (isinstance(values[0], ModuleGroup) and self.count > 1):
            return self.write(values[0]) if isinstance(values[0], ModuleGroup) else literal(values[0])
        return self.find(column, base, path) or self.add(base, path, column, usual).name

    def find(self, column: Column, base: str, path: tuple[str, ...]) -> str | None:
        """A name or term of the arguments so far that gives *column*; a number where that is all."""
        same = [p for p in self.parameters if _family(p.base) == _family(base)]
        for p in same:
            if _agree(p.column, column):
                p.column = [b if a is None else a for a, b in zip(p.column, column, strict=True)]
                p.uses.add(path[0])
                return p.name
        kernels = [p for p in self.parameters if p.base == "kernel"]
        for p in {"width": same, "padding": kernels}.get(_family(base), []):
            if term := _term(p.column, column, p.name, halves=base == "padding"):
                p.uses.add(path[0])
                return term
        return None

    def settle(self, outputs: Column) -> None:
        """Gives every argument its name, and a default where one value is the rule."""
        outs = [p for p in self.parameters if p.base in ("out", "channels") and p.path]
        inner = [p for p in outs if not _agree(p.column, outputs) or None in p.column]
        bases = Counter(p.base for p in self.parameters)
        taken = set(NOT_NAMES)
        for p in self.parameters:
            if p in outs:
                name = "out" if p not in inner else "width" if len(inner) == 1 else "_".join(_telling(p.path))
            else:
                name = p.base if bases[p.base] == 1 else "_".join((*_telling(p.path), p.base))
            name = "".join(c if c.isalnum() else "_" for c in name)
            while name in taken or iskeyword(name) or not name.isidentifier():
                name = f"{'n' if name[:1].isdigit() else ''}{name}_"
            taken.add(name)
            p.name = name
            p.default = _default(p) if p.default is REQUIRED else p.default
        rank = {base: i for i, base in enumerate(ORDER)}
        self.parameters.sort(key=lambda p: (p.default is not REQUIRED, rank.get(_family(p.base), len(ORDER))))


def _default(p: Parameter) -> Any:
    """The value that is the rule; REQUIRED where none is."""
    value, times = Counter(v for v in p.column if v is not None).most_common(1)[0]
    if p.usual is not REQUIRED and p.usual in p.column:
        return p.usual
    if isinstance(value, ModuleGroup):
        return NOTHING if None in p.column else REQUIRED
    rule = p.base in DEFAULTED and 2 * times >= len(p.column)
    return value if None in p.column or rule or isinstance(value, bool) else REQUIRED


def _telling(path: tuple[str, ...]) -> tuple[str, ...]:
    """The path without its last names that say nothing."""
    while len(path) > 1 and path[-1].rstrip("0123456789") in ("conv", "fc", "body"):
        path = path[:-1]
    return tuple(part for part in path if part != "body") or path


def _agree(one: Column, other: Column) -> bool:
    """Whether they are equal wherever both have a value, in one place at least."""
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]
    return bool(pairs) and all(a == b for a, b in pairs)


def _term(known: Column, column: Column, name: str, *, halves: bool) -> str | None:
    """A term of the argument *known*, called *name*, that gives *column* everywhere."""
    pairs = [(a, b) for a, b in zip(known, column, strict=True) if b is not None]
    if any(type(a) is not int or type(b) is not int for a, b in pairs):
        return None
    if halves:
        return f"{name} // 2" if all(a // 2 == b for a, b in pairs) else None
    (a, b), some = pairs[0], len(set(pairs)) > 2
    if a and b % a == 0 and all(y == x * (b // a) for x, y in pairs):
        return f"{b // a} * {name}"
    if b and a % b == 0 and all(x == y * (a // b) for x, y in pairs):
        return f"{name} // {a // b}"
    if some and all(y - x == b - a for x, y in pairs):
        return f"{name} {'+' if b > a else '-'} {abs(b - a)}"
    return None
