"""Writes the two generated pages, docs/api.md and docs/verbs.md: ``python docs/scripts/reference.py``.

What they say stands in the docstrings and in the help of the command line; tests/test_docs.py compares, and the site
takes what this gives, so that neither page can be out of date.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
import typing
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import striate
from striate.cli.common import EARLIER
from striate.spec.ops import Base

DOCS = Path(__file__).resolve().parents[1]
WIDTH = 100
SECTION = re.compile(r"^(Args|Arguments|Attributes|Returns|Yields|Raises|Example|Examples|Note|Source):$")
ITEM = re.compile(r"^([\w*., ]+?)(?: \([^)]*\))?: (.*)$", re.S)
GENERATED = "<!-- Written by docs/scripts/reference.py. Change the {} instead. -->\n"
GROUPS = {
    "Functions": "What a verb of the [command line](verbs.md) does is a function of the same name.",
    "Values": "What the functions take and give.",
    "Networks": "How [a network is written down](notation.md) in Python.",
    "Layers": "One class a word of [the notation](notation.md), with the same fields.",
    "Errors": "Each is a `ValueError` whose text says what is wrong, where, and the fix.",
}


def pages() -> dict[str, str]:
    """The text of every generated page, by its name."""
    return {"api": api(), "verbs": verbs()}


def write_all() -> None:
    for name, text in pages().items():
        (DOCS / f"{name}.md").write_text(text, encoding="utf-8")


# The Python reference.


def api() -> str:
    """The reference of every name of ``striate``, and a table of what its packages have beyond them."""
    grouped: dict[str, list[str]] = {title: [] for title in GROUPS}
    for name in striate.__all__:
        value = getattr(striate, name)
        if isinstance(value, dict):
            keys = ", ".join(f"`{key}`" for key in value)
            grouped["Networks"].append(f"### {name}\n\nA dict with {len(value)} names: {keys}.\n")
        elif not isinstance(value, ModuleType):
            grouped[_group(value)].append(entry(name, value))
    parts = [
        GENERATED.format("docstrings"),
        "# Python reference\n",
        "Everything here is imported from `striate`: `from striate import train`. A name is loaded when it is first\n"
        "used, so that describing and checking a network never loads torch.\n",
    ]
    for title, about in GROUPS.items():
        parts += [f"## {title}\n", f"{about}\n", *grouped[title]]
    return "\n".join([*parts, "## Packages\n", *_packages()])


def _group(value: Any) -> str:
    if not inspect.isclass(value):
        return "Networks" if value.__module__.startswith("striate.spec") else "Functions"
    if issubclass(value, Exception):
        return "Errors"
    if issubclass(value, Base):
        return "Layers"
    return "Networks" if value.__module__.startswith("striate.spec") else "Values"


def entry(name: str, value: Any, level: int = 3) -> str:
    """The Markdown of one class or function: heading, signature, docstring, and the methods that have one."""
    lines = [f"{'#' * level} {name}\n"]
    if not (inspect.isclass(value) and issubclass(value, Exception)):
        lines.append(f"```py\n{signature(name, value)}\n```\n")
    lines.append(markdown(inspect.getdoc(value) or ""))
    if inspect.isclass(value) and not issubclass(value, Exception):
        for method, function in vars(value).items():
            plain = getattr(function, "__func__", function)
            documented = isinstance(plain, property) or inspect.isfunction(plain)
            if documented and not method.startswith("_") and inspect.getdoc(plain):
                lines.append(entry(f"{name}.{method}", plain, level + 1))
    return "\n".join(lines)


def signature(name: str, value: Any) -> str:
    """``name(arg: type = default) -> type``, an argument a line where one line is too long."""
    if isinstance(value, property) or not callable(value):
        return name
    try:
        signed = inspect.signature(value)
    except (TypeError, ValueError):
        return name
    words, star = [], False
    for p in signed.parameters.values():
        if p.name == "self":
            continue
        if p.kind is p.KEYWORD_ONLY and not star:
            words.append("*")
        star = star or p.kind in (p.KEYWORD_ONLY, p.VAR_POSITIONAL)
        mark = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        kind = "" if p.annotation is p.empty else f": {_type(p.annotation)}"
        default = "" if p.default is p.empty else f"{' = ' if kind else '='}{_default(p.default)}"
        words.append(f"{mark}{p.name}{kind}{default}")
    given = "" if signed.return_annotation is signed.empty else _type(signed.return_annotation)
    end = f") -> {given}" if given and not inspect.isclass(value) else ")"
    line = f"{name}({', '.join(words)}{end}"
    return line if len(line) <= WIDTH else f"{name}(\n" + "".join(f"    {word},\n" for word in words) + end


def _type(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return text.strip("'\"")


def _default(value: Any) -> str:
    return "..." if callable(value) else repr(value)  # the address of a function is another each time


def markdown(docstring: str) -> str:
    """A docstring with Google's sections as Markdown.

    >>> print(markdown("Adds ``a``.\\n\\nArgs:\\n    a: A number,\\n        or two.\\n\\n>>> 1 + 1\\n2"))
    Adds `a`.
    <BLANKLINE>
    Args:
    <BLANKLINE>
    - `a`: A number, or two.
    <BLANKLINE>
    ```pycon
    >>> 1 + 1
    2
    ```
    <BLANKLINE>
    """
    return "\n".join(f"{block}\n" for block in _blocks(docstring.splitlines()))


def _blocks(lines: list[str]) -> Iterator[str]:
    rest = list(lines)
    while rest:
        if not rest[0].strip():
            rest.pop(0)
        elif rest[0].lstrip().startswith(">>>"):
            yield "```pycon\n" + textwrap.dedent("\n".join(_taken(rest, lambda line: bool(line.strip())))) + "\n```"
        elif SECTION.match(rest[0]):
            title = rest.pop(0)
            body = textwrap.dedent("\n".join(_taken(rest, lambda line: not line.strip() or line.startswith(" "))))
            yield title
            yield from _section(title, body)
        else:
            text = textwrap.dedent("\n".join(_taken(rest, _is_prose)))
            yield _inline(text)


def _is_prose(line: str) -> bool:
    return bool(line.strip()) and not SECTION.match(line) and not line.lstrip().startswith(">>>")


def _taken(rest: list[str], more: Any) -> list[str]:
    """The lines from the front of *rest* for which *more* holds, at least one, taken out of it."""
    taken = [rest.pop(0)]
    while rest and more(rest[0]):
        taken.append(rest.pop(0))
    return taken


def _section(title: str, body: str) -> Iterator[str]:
    """An item a line that is not indented further, with the lines that belong to it."""
    items = re.split(r"\n(?=\S)", body.strip())
    if title in ("Args:", "Arguments:", "Attributes:", "Raises:"):
        joined = [" ".join(line.strip() for line in item.splitlines()) for item in items]
        yield "\n".join(f"- {_item(item)}" for item in joined)
    else:
        yield from _blocks(body.splitlines())


def _item(text: str) -> str:
    found = ITEM.match(text)
    return f"`{found[1]}`: {_inline(found[2])}" if found else _inline(text)


def _inline(text: str) -> str:
    """Without Sphinx's roles, links to what stands on the page, and Markdown's single backticks."""

    def role(found: re.Match[str]) -> str:
        name = found[1].lstrip("~").split(".")[-1]
        return f"[`{name}`](#{name.lower()})" if name in striate.__all__ else f"`{found[1].lstrip('~')}`"

    return re.sub(r":\w+:`([^`]+)`", role, text).replace("``", "`")


def _packages() -> Iterator[str]:
    """The names that packages offer beyond those of ``striate`` itself, each with the first line of its docstring."""
    yield "What the packages offer beyond these names; each has its docstring: `help(striate.inspect.maps)`.\n"
    for found in sorted(pkgutil.walk_packages(striate.__path__, "striate."), key=lambda m: m.name):
        if not found.ispkg or found.name == "striate.cli":
            continue
        package = importlib.import_module(found.name)
        names = [n for n in getattr(package, "__all__", ()) if n not in striate.__all__]
        values = [(n, getattr(package, n)) for n in names]
        ours = [(n, v) for n, v in values if inspect.isroutine(v) or inspect.isclass(v)]
        rows = [f"| `{n}` | {_first(doc)} |" for n, v in ours if (doc := inspect.getdoc(v))]
        if rows:
            yield "\n".join(
                [f"### {found.name}\n", _first(package.__doc__ or "") + "\n", "| name | |", "|---|---|", *rows, ""]
            )


def _first(docstring: str) -> str:
    """The first sentence of a docstring, on one line of a table."""
    first = re.split(r"\n\s*\n", docstring.strip())[0]
    return _inline(" ".join(first.split())).replace("|", r"\|")


# The command line.


def verbs() -> str:
    """The reference of all verbs, from the same place as ``striate VERB --help``."""
    from typer.main import get_command

    from striate.cli.main import app

    group: Any = get_command(app)
    commands = {name: command for name, command in group.commands.items() if not command.hidden}
    parts = [
        GENERATED.format("help of the command line"),
        "# Command reference\n",
        "`striate VERB --help` says the same. stdout carries the result, stderr progress and advice; `--json` prints\n"
        "one JSON document instead. `--debug` shows the traceback of an error. Exit codes: 0 success; 1 errors\n"
        "were found in a network or in data; 2 usage; 3 the data cannot be read; 4 the model cannot be read;\n"
        "130 stopped by Ctrl-C.\n",
        "| verb | |\n|---|---|",
    ]
    parts += [
        f"| [`{name}`](#{name}) | {_first(_help(command)).split('. ')[0].rstrip('.') + '.'} |"
        for name, command in commands.items()
    ]
    return "\n".join([*parts, "", *(verb(name, command) for name, command in commands.items())])


def _help(command: Any) -> str:
    return str(command.help or "").split("\f")[0].strip()


def verb(name: str, command: Any) -> str:
    """One verb: what it does, its arguments, and its options under the headings of its help."""
    shown = [p for p in command.params if not getattr(p, "hidden", False) and p.name != "help"]
    arguments = [p for p in shown if p.param_type_name == "argument"]
    usage = " ".join(["striate", name, "[OPTIONS]", *(_argument(p) for p in arguments)])
    hints = typing.get_type_hints(inspect.unwrap(command.callback))
    lines = [f"## {name}\n", f"{_help(command)}\n", f"```text\n{usage}\n```\n"]
    if arguments:
        lines += ["| argument | |", "|---|---|", *(f"| `{_plain(p)}` | {_cell(p.help)} |" for p in arguments), ""]
    panels: dict[str, list[str]] = {}
    for p in shown:
        if p.param_type_name == "option":
            panels.setdefault(getattr(p, "rich_help_panel", None) or "Options", []).append(_option(p, hints[p.name]))
    for title in sorted(panels, key=lambda title: title == "Options"):
        lines += [f"| {title if title != 'Options' else 'option'} | |", "|---|---|", *panels[title], ""]
    if command.epilog:
        lines += [f"```text\n{command.epilog.strip()}\n```\n"]
    return "\n".join(lines)


def _plain(p: Any) -> str:
    return str(p.metavar or p.name.upper())


def _argument(p: Any) -> str:
    text = _plain(p) + ("..." if p.nargs == -1 else "")
    return text if p.required else f"[{text}]"


def _option(p: Any, kind: Any) -> str:
    """A row of the table: the names that ``--help`` shows, what it says, and the other names that are taken."""
    names = [*p.opts, *p.secondary_opts]
    first = [*[n for n in names if n.startswith("--")][:1], *[n for n in names if len(n) == 2]]
    others = ", ".join(f"`{name}`" for name in names if name not in first and name not in EARLIER)
    also = f" Also {others}." if others else ""
    number = {int: "N", float: "FLOAT"}
    word = next((number[k] for k in number if k in _members(kind)), first[0].lstrip("-").replace("-", "_").upper())
    value = "" if p.is_flag else f" {p.metavar or word}"
    shown = p.default if p.default and getattr(p, "show_default", True) else None
    default = "" if shown is None else f" [default: {'on' if shown is True else shown}]"
    return f"| `{', '.join(first)}{value}` | {_cell(p.help)}{default}{also} |"


def _members(kind: Any) -> tuple[Any, ...]:
    """The types of a union, or the type."""
    return typing.get_args(kind) or (kind,)


def _cell(text: str | None) -> str:
    """A help text in a table, its options and values as code."""
    plain = " ".join((text or "").split()).replace("|", r"\|")
    return re.sub(r"(?<![\w`-])--[a-z][a-z-]*", r"`\g<0>`", plain)


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv):
        print(__doc__)
        sys.exit()
    write_all()
