"""Code on lines, as a formatter would lay it out: on one line where it fits, else an argument a line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from keyword import iskeyword

WIDTH = 120


@dataclass(frozen=True)
class Item:
    """One argument: its keyword (or none), its code, and what is said behind it."""

    key: str
    code: Code
    comment: str = ""


@dataclass(frozen=True)
class Call:
    """``func(...)``, or with *func* ``(`` or ``[`` a tuple or list; *tall*: always an argument a line."""

    func: str
    items: tuple[Item, ...]
    tall: bool = False

    @property
    def ends(self) -> tuple[str, str]:
        return {"(": ("(", ")"), "[": ("[", "]")}.get(self.func, (f"{self.func}(", ")"))


@dataclass(frozen=True)
class Loop:
    """``**{f"block{i}": code for i in range(...)}`` as an argument; without *over*, ``**{"1a": code}``."""

    name: str
    code: Code
    over: str = ""

    @property
    def key(self) -> str:
        return f'{"f" * bool(self.over)}"{self.name}": '


Code = str | Call | Loop


def call(func: str, *items: Code, **named: Code) -> Call:
    return Call(func, tuple(Item("", i) for i in items) + tuple(Item(f"{k}=", v) for k, v in named.items()))


def value_code(value: object) -> Code:
    """A literal; long tuples may be broken.

    >>> flat(value_code((1, 2)))
    '(1, 2)'
    """
    if isinstance(value, tuple) and len(value) > 1:
        return Call("(", tuple(Item("", value_code(v)) for v in value))
    return string(value) if isinstance(value, str) else repr(value).replace("e-0", "e-")


def string(text: str) -> str:
    """*text* as a literal, in double quotes unless it has some.

    >>> print(string("it's"), string('6" gun'))
    "it's" '6" gun'
    """
    written = json.dumps(text, ensure_ascii=False)
    return "'" + written[1:-1].replace('\\"', '"') + "'" if '"' in text and "'" not in text else written


def flat(code: Code) -> str:
    match code:
        case str():
            return code
        case Loop():
            return f"**{{{code.key}{flat(code.code)}{f' for {code.over}' if code.over else ''}}}"
        case Call():
            before, after = code.ends
            return before + ", ".join(i.key + flat(i.code) for i in code.items) + after


def has_notes(code: Code) -> bool:
    """Whether something is said behind a part of *code*, which then cannot be on one line."""
    return _tall(code)


def _tall(code: Code) -> bool:
    if isinstance(code, Loop):
        return _tall(code.code)
    return isinstance(code, Call) and (code.tall or any(_tall(i.code) for i in code.items))


def lines(prefix: str, code: Code, suffix: str = "", indent: int = 8, comment: str = "") -> list[str]:
    """``prefix code suffix`` at *indent*, with *comment* behind it, or above where there is no room."""
    room = " " * indent
    note = f"  # {comment}" if comment else ""
    text = f"{room}{prefix}{flat(code)}{suffix}"
    if (not _tall(code) and len(text) <= WIDTH) or isinstance(code, str):
        if len(text + note) <= WIDTH or not comment:
            return [text + note]
        return [f"{room}# {comment}", text]
    if isinstance(code, Loop):
        body = lines(code.key, code.code, "" if code.over else ",", indent + 4)
        over = [f"{room}    for {code.over}"] if code.over else []
        return [f"{room}{prefix}**{{", *body, *over, f"{room}}}{suffix}{note}"]
    before, after = code.ends
    body = [line for i in code.items for line in lines(i.key, i.code, ",", indent + 4, i.comment)]
    said = any(item.comment for item in code.items)  # the last of a chain gives what the chain gives
    return [f"{room}{prefix}{before}", *body, f"{room}{after}{suffix}{'' if said else note}"]


def plain(name: str) -> bool:
    """Whether *name* can be written as ``self.name``."""
    return name.isidentifier() and not iskeyword(name) and not (name.startswith("__") and not name.endswith("__"))


def own(names: Sequence[str]) -> str:
    """How a module's part is reached: ``self.a.b``.

    >>> own(["conv1"]), own(["blocks", "0"])
    ('self.conv1', 'self.blocks.get_submodule("0")')
    """
    text = "self"
    for name in names:
        text += f".{name}" if plain(name) else f'.get_submodule("{name}")'
    return text


def becomes(outer: Sequence[str], name: str, code: Code) -> tuple[str, Code]:
    """The statement that makes *code* the part *name* of ``self.outer``: what stands before, and the code."""
    if plain(name):
        return f"{own(outer)}.{name} = ", code
    return "", call(f"{own(outer)}.add_module", string(name), code)
