"""``striate doctor``: everything wrong with a data set, before a run."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer

from striate.cli.common import Data, Json, print_json, say


def doctor(
    data: Data,
    quick: Annotated[bool, typer.Option("--quick", help="Decode no image: what training looks at by itself.")] = False,
    task: Annotated[
        str | None, typer.Option(metavar="TASK", help="classification, multilabel, regression or segmentation.")
    ] = None,
    json: Json = False,
) -> None:
    """Look for everything wrong with a data set. Names the files, says the fix of each; exit code 1 with faults."""
    from striate.datasets.doctor import doctor as examine

    diagnosis = examine(data, quick=quick, task=task, progress=_Told())
    print_json(diagnosis.as_dict()) if json else print(diagnosis)
    if diagnosis.faults:
        raise typer.Exit(1)


class _Told:
    """Says every few seconds how far it is; nothing where that is soon over."""

    def __init__(self, every: float = 5.0) -> None:
        self.every, self.last, self.line = every, time.monotonic(), sys.stderr.isatty()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self.last > (0.2 if self.line else self.every):
            self.last = now
            if self.line:
                print(f"\rlooking at images: {done:,} of {total:,}", end="", file=sys.stderr, flush=True)
            else:
                say(f"looking at images: {done:,} of {total:,}")
        if self.line and done == total:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
