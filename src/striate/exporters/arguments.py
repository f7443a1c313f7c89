"""The arguments of a class: from the numbers of its units to as few names as say them all.

A column holds one value for each unit of the class, None where a unit lacks the step. A column is a literal where all
values are one; else the name of an argument with the same values, or a term of one (``4 * width``,
``kernel // 2``); else it becomes an argument.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from keyword import iskeyword
from typing import Any

from striate.exporters.layout import Code, value_code
from striate.exporters.tree import Unit
from striate.exporters.words import REQUIRED, Word

Column = list[Any]
WIDTHS = ("channels", "features", "out", "groups", "width", "words")
DEFAULTED = ("stride", "padding", "dilation", "groups", "bias", "p", "eps", "momentum", "ceil_mode", "output_padding")
ORDER = ("width", "words", "kernel")  # of arguments without a default; then the others
NOTHING = Word("None")
NOT_NAMES = {"self", "torch", "nn", "chain", "x"}


@dataclass(eq=False)
class Parameter:
    """One argument: what it is called after (*base*, in the steps *path*), and its value in each unit."""

    base: str
    path: tuple[str, ...]
    column: Column
    uses: set[str] = field(default_factory=set)  # the steps that it occurs in
    usual: Any = REQUIRED  # the default of the argument that it becomes further in
    name: str = ""
    default: Any = REQUIRED

    @property
    def family(self) -> str:
        return family(self.base)

    def says(self, present: list[bool]) -> bool:
        """Whether it is not 0 or False for just the units that are *present*."""
        return [bool(value) for value in self.column] == present and not isinstance(self.column[0], Unit)

    def is_flag(self) -> None:
        """It says whether a step is there: 0 or None where a unit lacks that."""
        values = {type(v) for v in self.column if v is not None}
        nothing = 0 if values == {int} else 0.0 if values == {float} else NOTHING
        self.usual = self.default = nothing
        self.column = [nothing if value is None else value for value in self.column]

    def annotation(self) -> str:
        values = [v for v in [*self.column, self.default] if v not in (None, REQUIRED, NOTHING)]
        some = values[0]
        if isinstance(some, Unit | Word):
            kind = "nn.Module" if isinstance(some, Unit) else "type[nn.Module]"
        elif any(isinstance(v, tuple) for v in values):
            kind = "int | tuple[int, ...]" if not isinstance(some, tuple) or not _nested(some) else "tuple"
        else:
            kind = "float" if any(isinstance(v, float) for v in values) else type(some).__name__
        return f"{kind} | None" if self.default == NOTHING else kind

    def declared(self) -> str:
        ending = "" if self.default is REQUIRED else f" = {literal_text(self.default)}"
        return f"{self.name}: {self.annotation()}{ending}"


def _nested(value: tuple[Any, ...]) -> bool:
    return any(isinstance(v, tuple) for v in value)


def family(base: str) -> str:
    """Arguments of one family may stand for each other: all counts of channels, or all strides."""
    return "width" if base in WIDTHS else base


def literal_text(value: object) -> str:
    code = value_code(value)
    assert isinstance(code, str) or not isinstance(value, str)
    return code if isinstance(code, str) else repr(value)


class Arguments:
    """The arguments of the class of *units*; *literal* writes a unit that is given from outside. The sizes in
    comments are those of the unit *example*.
    """

    def __init__(self, units: list[Unit], literal: Callable[[Unit], Code], example: int = 0) -> None:
        self.count, self.example = len(units), example
        self.literal = literal
        self.parameters = [Parameter("channels", (), [unit.given[0] for unit in units])]

    def code(self, column: Column, base: str, path: tuple[str, ...], usual: Any = REQUIRED) -> Code:
        """What stands in the class for *column*; *usual* is its default further in."""
        values = [v for v in column if v is not None]
        if all(v == values[0] for v in values) and not (isinstance(values[0], Unit) and self.count > 1):
            return self.literal(values[0]) if isinstance(values[0], Unit) else value_code(values[0])
        found = self.find(column, base, path)
        if found is None:
            self.parameters.append(Parameter(base, path, list(column), {path[0]}, usual))
            found = "?"
        return found

    def find(self, column: Column, base: str, path: tuple[str, ...]) -> str | None:
        """A name or term of the arguments so far that gives *column*."""
        same = [p for p in self.parameters if p.family == family(base)]
        for p in same:
            if _agree(p.column, column):
                p.column = [b if a is None else a for a, b in zip(p.column, column, strict=True)]
                p.uses.add(path[0])
                return p.name or "?"
        pairs = {"width": same, "padding": [p for p in self.parameters if p.family == "kernel"]}.get(family(base), [])
        for p in pairs:
            term = _term(p.column, column, halves=base == "padding")
            if term:
                p.uses.add(path[0])
                return term.format(p.name or "?")
        return None

    def settle(self, outputs: Column) -> None:
        """Gives every argument its name, and a default where one value is the rule."""
        outs = [p for p in self.parameters if p.base in ("out", "channels") and p.path]
        inner = [p for p in outs if not _agree(p.column, outputs) or None in p.column]
        bases = Counter(p.base for p in self.parameters)
        taken = set(NOT_NAMES)
        for p in self.parameters:
            if p in outs:
                name = "out" if p not in inner else "width" if len(inner) == 1 else "_".join(_short(p.path))
            else:
                name = p.base if bases[p.base] == 1 else "_".join((*_short(p.path), p.base))
            name = "".join(c if c.isalnum() else "_" for c in name)
            while name in taken or iskeyword(name) or not name.isidentifier():
                name = f"{'n' if name[:1].isdigit() else ''}{name}_"
            taken.add(name)
            p.name = name
            if p.default is REQUIRED:
                p.default = _default(p)
        self.parameters.sort(key=_place)


def _place(p: Parameter) -> tuple[bool, int]:
    return p.default is not REQUIRED, ORDER.index(p.family) if p.family in ORDER else len(ORDER)


def _default(p: Parameter) -> Any:
    """The value that is the rule; REQUIRED where none is."""
    value, times = Counter(v for v in p.column if v is not None).most_common(1)[0]
    if p.usual is not REQUIRED and p.usual in p.column:
        return p.usual
    if isinstance(value, Unit):
        return NOTHING if None in p.column else REQUIRED
    rule = p.base in DEFAULTED and 2 * times >= len(p.column)
    return value if None in p.column or rule or isinstance(value, bool) else REQUIRED


def _short(path: tuple[str, ...]) -> tuple[str, ...]:
    """The path without its last steps that say nothing."""
    while len(path) > 1 and path[-1].rstrip("0123456789") in ("conv", "fc", "body"):
        path = path[:-1]
    return tuple(part for part in path if part != "body") or path


def _agree(one: Column, other: Column) -> bool:
    """Whether they are equal wherever both have a value, in one place at least."""
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]
    return bool(pairs) and all(a == b for a, b in pairs)


def _term(known: Column, column: Column, *, halves: bool) -> str | None:
    """A term of the argument *known* that gives *column* everywhere."""
    pairs = [(a, b) for a, b in zip(known, column, strict=True) if b is not None]
    if any(type(a) is not int or type(b) is not int for a, b in pairs):
        return None
    if halves:
        return "{} // 2" if all(a // 2 == b for a, b in pairs) else None
    (a, b), some = pairs[0], len(set(pairs)) > 2
    if a and b % a == 0 and all(y == x * (b // a) for x, y in pairs):
        return f"{b // a} * {{}}"
    if b and a % b == 0 and all(x == y * (a // b) for x, y in pairs):
        return f"{{}} // {a // b}"
    if some and all(y - x == b - a for x, y in pairs):
        return f"{{}} {'+' if b > a else '-'} {abs(b - a)}"
    return None
