"""What several verbs share: their common options, and output."""

from __future__ import annotations

import json
import shlex
import sys
from typing import Annotated, Any

import typer

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


def print_json(document: Any) -> None:
    plain = "utf" not in (sys.stdout.encoding or "").lower()
    print(json.dumps(document, ensure_ascii=plain))


def command(*words: object) -> str:
    """A command line to copy: what has spaces in it is quoted."""
    return shlex.join(map(str, words))


def say(text: str) -> None:
    """Progress and advice go to stderr, so that stdout carries the result alone."""
    print(text, file=sys.stderr, flush=True)
