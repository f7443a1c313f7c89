"""Code as text: literals and calls, lines as a formatter would break them, and the layers that torch does not have."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Sequence
from keyword import iskeyword
from textwrap import indent

from torch import nn

from striate.net import layers

WIDTH = 120
CHAIN = '''
def chain(**layers: nn.Module) -> nn.Sequential:
    """Layers one after the other, under their names."""
    return nn.Sequential(OrderedDict(layers))
'''
HELPERS = {"chain": CHAIN.strip()} | {  # as a file defines those that it uses: striate's own, as they stand
    name: inspect.getsource(cls).strip()
    for name, cls in vars(layers).items()
    if isinstance(cls, type) and issubclass(cls, nn.Module) and cls.__module__ == layers.__name__
}


class Code(str):
    """Text that stands for itself, such as the name of a class; other text is a string."""


NOTHING = Code("None")


def literal(value: object) -> str:
    """*value* as it is written in Python.

    >>> literal((1, 2)), literal(1e-6), literal("it's"), literal(Code("nn.ReLU"))
    ('(1, 2)', '1e-6', '"it\\'s"', 'nn.ReLU')
    """
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' * (len(value) == 1)})"
    if isinstance(value, Code):
        return value
    return quoted(value) if isinstance(value, str) else repr(value).replace("e-0", "e-")


def quoted(text: str) -> str:
    """*text* as a literal, in double quotes unless it has some.

    >>> print(quoted("it's"), quoted('6" gun'))
    "it's" '6" gun'
    """
    written = json.dumps(text, ensure_ascii=False)
    return "'" + written[1:-1].replace('\\"', '"') + "'" if '"' in text and "'" not in text else written


def call(func: str, items: Sequence[str], notes: Sequence[str] = ()) -> str:
    """``func(a, b)``; an item a line where one has several lines, or where something is noted behind each."""
    if not notes and not any("\n" in item for item in items):
        return f"{func}({', '.join(items)})"
    body = [noted(f"{item},", note) for item, note in zip(items, notes or [""] * len(items), strict=True)]
    return f"{func}(\n{indent(chr(10).join(body), '    ')}\n)"


def noted(code: str, note: str) -> str:
    """*code* with a comment, unless its own lines have some."""
    return f"{code}  # {note}" if note and "  # " not in code else code


def is_plain(name: str) -> bool:
    """Whether *name* can be written as ``self.name``."""
    return name.isidentifier() and not iskeyword(name) and not (name.startswith("__") and not name.endswith("__"))


def own(names: Sequence[str]) -> str:
    """How a module's part is reached: ``self.a.b``.

    >>> own(["conv1"]), own(["blocks", "0"])
    ('self.conv1', 'self.blocks.get_submodule("0")')
    """
    return "self" + "".join(f".{name}" if is_plain(name) else f'.get_submodule("{name}")' for name in names)


def becomes(path: str, code: str) -> str:
    """The statement that makes *code* the part at *path* of ``self``."""
    *outer, name = path.split(".")
    return f"{own(outer)}.{name} = {code}" if is_plain(name) else call(f"{own(outer)}.add_module", [quoted(name), code])


def wrapped(line: str) -> list[str]:
    """*line*, broken at its last brackets where it is too long: a part a line.

    >>> wrapped("    x = f(" + "a" * 70 + ", " + "b" * 70 + ")")[0::3]
    ['    x = f(', '    )']
    """
    if len(line) <= WIDTH:
        return [line]
    code, mark, note = line.partition("  # ")
    outer = [(i, c) for i, c, depth in _outside_strings(code) if depth == 0]
    opened = [i for i, c in outer if c in "([{"]
    room = code[: len(code) - len(code.lstrip())]
    if len(code) <= WIDTH or not opened:
        return [f"{room}# {note}", code] if note else [line]
    start, stop = opened[-1], max(i for i, c in outer if c in ")]}")
    inside, parts = code[start + 1 : stop], []
    commas = [i for i, c, depth in _outside_strings(inside) if c == "," and depth == 0]
    loop = next((i for i, c, depth in _outside_strings(inside) if depth == 0 and inside.startswith(" for ", i)), None)
    if loop is not None and not commas:
        parts = [inside[:loop], inside[loop + 1 :]]
    else:
        parts = [inside[a:b].strip() + "," for a, b in zip([0, *(i + 1 for i in commas)], [*commas, None], strict=True)]
    broken = [text for part in parts if part != "," for text in wrapped(f"{room}    {part}")]
    return [code[: start + 1], *broken, room + code[stop:] + mark + note]


def _outside_strings(code: str) -> Iterator[tuple[int, str, int]]:
    """Each character that is in no string, its place, and how many brackets are open around it."""
    depth, quote = 0, ""
    for i, c in enumerate(code):
        if quote:
            quote = "" if c == quote and code[i - 1] != "\\" else quote
        elif c in "\"'":
            quote = c
        else:
            depth -= c in ")]}"
            yield i, c, depth
            depth += c in "([{"
