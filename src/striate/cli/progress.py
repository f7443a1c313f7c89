"""How far something slow has come: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

from striate.cli.common import say
from striate.errors import printable

if TYPE_CHECKING:
    from striate.learning import Epoch, Recipe, Step

PAUSE = 5.0  # seconds between two lines where there is no bar


class _Bar:
    """A context manager with a bar on stderr, from :meth:`begin` on and only if that is a terminal."""

    def __init__(self) -> None:
        self.bar: Any = None
        self.task: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar:
            self.bar.stop()

    def begin(self, text: str, column: str, total: float | None = None, **fields: str) -> None:
        """Shows the bar; *column* is one of rich's by name, or a format, to its right."""
        if self.bar or not sys.stderr.isatty():
            return
        from rich import progress
        from rich.console import Console

        more = getattr(progress, column)() if column.isidentifier() else progress.TextColumn(column)
        columns = (
            progress.TextColumn("{task.description}"),
            progress.BarColumn(bar_width=None),  # what the numbers leave
            more,
            progress.TimeRemainingColumn(),
        )
        self.bar = progress.Progress(*columns, console=Console(stderr=True), transient=True, expand=True)
        self.task = self.bar.add_task(text, total=total, **fields)
        self.bar.start()

    def say(self, text: str) -> None:
        """A line of its own, above the bar."""
        if self.bar:
            self.bar.console.print(printable(text, lines=True), highlight=False, markup=False)
        else:
            say(text)


class TrainingProgress(_Bar):
    """``show`` takes the events of training in their order: a line for each epoch, and a bar of its steps with the
    loss, the last validation's metric, the items per second and the time that is left.
    """

    EVERY = 0.1  # seconds between two looks at a step: reading its loss may wait for a GPU

    def __init__(self, recipe: Recipe, what: str = "images") -> None:
        super().__init__()
        self.epochs, self.step_items, self.what = recipe.epochs, recipe.batch_size * recipe.accumulate, what
        self.shown = self.begun = monotonic()
        self.epoch = self.first = 0  # the one in hand, and the number of the step that it begins after
        self.metric = ""

    def __enter__(self) -> Self:
        self.begin("starting", "{task.fields[numbers]}", numbers="")
        return self

    def show(self, event: Step | Epoch) -> None:
        from striate.learning import Epoch
        from striate.run.pace import items_rate

        if isinstance(event, Epoch):
            if event.val_metric is not None:
                self.metric = f"val {event.task.metric.text(event.val_metric)}"
            self.say(event.line(self.epochs))
        elif self.bar:
            now = monotonic()
            if event.epoch != self.epoch:
                self.epoch, self.first, self.begun = event.epoch, event.step, now
            elif now - self.shown < self.EVERY and event.step < event.steps:
                return
            self.shown = now
            rate = items_rate((event.step - self.first) * self.step_items, now - self.begun, self.what)
            self.bar.update(
                self.task,
                total=self.epochs * event.steps,
                completed=(event.epoch - 1) * event.steps + event.step,
                description=f"epoch {event.epoch}/{self.epochs}",
                numbers="  ".join(word for word in (f"loss {event.loss:.4f}", self.metric, rate) if word),
            )


class DownloadProgress(_Bar):
    """``show`` is what :func:`striate.datasets.open_data` takes as its ``progress``: a line or a bar for each file; one
    that is there is an archive that is unpacked.
    """

    def __init__(self) -> None:
        super().__init__()
        self.name = ""

    def show(self, name: str, done: int, total: int) -> None:
        """Of the file *name*, *done* of *total* bytes are there."""
        if name != self.name:
            self.name = name
            what = f"{'unpacking' if os.path.exists(name) else 'downloading'} {name}"
            self.begin(what, "DownloadColumn", total)
            if self.bar:
                self.bar.reset(self.task, description=what, total=total)
            else:
                say(f"{what} ({total / 1e6:.1f} MB)")
        if self.bar:
            self.bar.update(self.task, completed=done, total=max(done, total))


class ReadingProgress(_Bar):
    """``show`` is told how many items of a split are read: elsewhere than on a terminal, a line every few seconds.
    ``download`` is told what comes over the network before that.
    """

    def __init__(self, what: str = "reading", every: float = PAUSE) -> None:
        super().__init__()
        self.what, self.every = what, every
        self.download = DownloadProgress()
        self.done = 0
        self.said = monotonic()

    @property
    def told(self) -> dict[str, Any]:
        """What functions that read data take: where they say something, and how far they are."""
        return {"say": self.say, **self.read}

    @property
    def read(self) -> dict[str, Any]:
        """Of these, how far they are."""
        return {"reading": self.show, "fetching": self.download.show}

    def __exit__(self, *error: object) -> None:
        self.download.__exit__()
        super().__exit__()

    def show(self, done: int, total: int) -> None:
        if not self.bar:
            self.download.__exit__()  # one bar at a time
            self.begin(self.what, "MofNCompleteColumn", total)
        if self.bar:
            if done < self.done:  # another split
                self.bar.reset(self.task, total=total)
            self.done = done
            self.bar.update(self.task, completed=done, total=total)
        elif monotonic() - self.said > self.every:
            self.said = monotonic()
            say(f"{self.what}: {done:,} of {total:,}")


class CountProgress(_Bar):
    """``show`` is told how many are done of a number that is not known: elsewhere than on a terminal, a line now and
    then.
    """

    def __init__(self, what: str, every: float = 6 * PAUSE) -> None:
        super().__init__()
        self.what, self.every = what, every
        self.said = monotonic()

    def show(self, done: int) -> None:
        self.begin(self.what, "{task.completed:,.0f}")
        if self.bar:
            self.bar.update(self.task, completed=done)
        elif monotonic() - self.said > self.every:
            self.said = monotonic()
            say(f"{self.what}: {done:,}")


class StepProgress(_Bar):
    """``show`` is told how many optimisation steps are done, and the score; it shows a bar alone."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what

    def show(self, done: int, total: int, score: float) -> None:
        self.begin(self.what, "{task.fields[score]}", total, score="")
        if self.bar:
            self.bar.update(self.task, completed=done, total=total, score=f"score {score:.4g}")
