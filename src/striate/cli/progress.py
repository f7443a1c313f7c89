"""The progress of a training run: a bar on a terminal, one plain line an epoch elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Self

from striate.cli.common import say

if TYPE_CHECKING:
    from striate.learn import Epoch, Step


class Progress:
    """A context manager; ``show`` takes the events of the loop in their order."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.bar: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[loss]}"))
            self.bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
            self.task = self.bar.add_task("starting", total=None, loss="")
            self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar:
            self.bar.stop()

    def show(self, event: Step | Epoch) -> None:
        if hasattr(event, "train_loss"):
            line = event.line(self.epochs)
            self.bar.console.print(line, highlight=False) if self.bar else say(line)
        elif self.bar:
            done = (event.epoch - 1) * event.steps + event.step
            text = f"epoch {event.epoch}/{self.epochs}"
            self.bar.update(
                self.task,
                total=self.epochs * event.steps,
                completed=done,
                description=text,
                loss=f"loss {event.loss:.4f}",
            )
