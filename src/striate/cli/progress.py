"""The progress of a training run: bars on a terminal, one plain line an epoch elsewhere."""

from __future__ import annotations

import sys
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

from striate.cli.common import say
from striate.cli.fetching import Fetching

if TYPE_CHECKING:
    from striate.learning import Epoch, Step


PAUSE = 5.0  # seconds between two lines where there is no bar


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


class Reading:
    """A context manager; ``show`` is told how many items of a part are read: a bar on a terminal, elsewhere a line
    every few seconds. ``fetching`` is told what comes over the network before that.
    """

    def __init__(self) -> None:
        self.fetching = Fetching()
        self.bar: Any = None
        self.task: Any = None
        self.done = 0
        self.said = monotonic()

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("reading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
        return self

    def __exit__(self, *error: object) -> None:
        self.fetching.__exit__()
        if self.bar and self.task is not None:
            self.bar.stop()

    def say(self, text: str) -> None:
        """A line of advice, above the bar."""
        if self.bar and self.task is not None:
            self.bar.console.print(text, highlight=False, markup=False)
        else:
            say(text)

    def show(self, done: int, total: int) -> None:
        if not self.bar:
            if monotonic() - self.said > PAUSE:
                self.said = monotonic()
                say(f"reading: {done:,} of {total:,}")
            return
        if self.task is None:
            self.fetching.__exit__()  # one bar at a time
            self.task = self.bar.add_task("", total=total)
            self.bar.start()
        elif done < self.done:  # another part
            self.bar.reset(self.task, total=total)
        self.done = done
        self.bar.update(self.task, completed=done, total=total)


class Bar:
    """A context manager; ``step`` is told how far something slow has come, and its score: a bar on a terminal, else
    nothing.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self.bar: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn(self.what), BarColumn(), TextColumn("{task.fields[score]}"), TimeRemainingColumn())
            self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self.task = self.bar.add_task("", total=None, score="")
            self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar:
            self.bar.stop()

    def step(self, done: int, total: int, score: float) -> None:
        if self.bar:
            self.bar.update(self.task, completed=done, total=total, score=f"score {score:.4g}")
