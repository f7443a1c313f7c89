"""The progress of a download: a bar on a terminal, one plain line a file elsewhere."""

from __future__ import annotations

import sys
from typing import Any, Self

from striate.cli.common import say


class Fetching:
    """A context manager; ``show`` is what :func:`striate.datasets.open_data` takes as its ``progress``."""

    def __init__(self) -> None:
        self.bar: Any = None
        self.name = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar:
            self.bar.stop()

    def show(self, name: str, done: int, total: int) -> None:
        """Of the file *name*, *done* of *total* bytes are there."""
        if name != self.name:
            self._begin(name, total)
        if self.bar:
            self.bar.update(self.task, completed=done, total=max(done, total))

    def _begin(self, name: str, total: int) -> None:
        self.name = name
        if not sys.stderr.isatty():
            say(f"fetching {name} ({total / 1e6:.1f} MB)")
            return
        if not self.bar:
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("fetching {task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
            self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self.bar.start()
            self.task = self.bar.add_task(name)
        self.bar.reset(self.task, description=name, total=total)
