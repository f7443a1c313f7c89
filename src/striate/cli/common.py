"""What several verbs share: their common options, and output."""

from __future__ import annotations

import json
import math
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="A model file, such as runs/digits-lenet5/model.safetensors.")
]
Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="digits, shapes, mnist, fashion-mnist or cifar10; class folders, images/ and masks/, IDX files, a .csv, "
        ".tsv or .npz.",
    ),
]


def writes(*endings: str) -> Callable[[Path | None], Path | None]:
    """The callback of an option that says where a file of one of *endings* goes: refused before any work is done."""

    def checked(path: Path | None) -> Path | None:
        if path and path.suffix.lower() not in endings:
            raise typer.BadParameter(f"{path}: it is written as {' or '.join(endings)}; take one of these names")
        if path and not path.parent.is_dir():
            raise typer.BadParameter(f"{path}: there is no folder {path.parent}; make it first")
        return path

    return checked


class Grouped(typer.core.TyperCommand):
    """A verb whose options stand in ``--help`` under the headings of their ``rich_help_panel``."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        headings: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            usual = "Arguments" if parameter.param_type_name == "argument" else "Options"
            if record := parameter.get_help_record(ctx):
                headings.setdefault(getattr(parameter, "rich_help_panel", None) or usual, []).append(record)
        for heading, records in headings.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def print_json(document: Any) -> None:
    """The document on one line; what is no number (NaN) or has no end is null, as JSON has no word for it."""
    plain = "utf" not in (sys.stdout.encoding or "").lower()
    print(json.dumps(_finite(document), ensure_ascii=plain, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value


def command(*words: object) -> str:
    """A command line to copy: what has spaces in it is quoted."""
    return shlex.join(map(str, words))


def say(text: str) -> None:
    """Progress and advice go to stderr, so that stdout carries the result alone."""
    print(text, file=sys.stderr, flush=True)
