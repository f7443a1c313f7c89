"""Experiment trackers that follow a run: TensorBoard's files, and any module with ``init``, ``log`` and ``finish``."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from striate.errors import RecipeError, nearest
from striate.learning import Epoch, Step
from striate.run.folder import Say, say_nothing

KNOWN = ("wandb", "trackio")
NEEDED = ("init", "log", "finish")


class Tracker(Protocol):
    """What wandb, trackio and others have, as modules."""

    def init(self, *, project: str, name: str, config: dict[str, Any]) -> Any:
        """A run begins."""

    def log(self, values: dict[str, float], *, step: int) -> Any:
        """The values of a step."""

    def finish(self) -> Any:
        """The run ends."""


class TensorBoard:
    """TensorBoard's event files, in a run's *folder*; ``tensorboard --logdir runs`` shows them. No TensorFlow."""

    def __init__(self) -> None:
        if importlib.util.find_spec("tensorboard") is None:
            raise RecipeError("log tensorboard needs the package tensorboard; pip install 'striate[tensorboard]'")
        self.folder = Path()
        self.writer: Any = None

    def init(self, *, project: str, name: str, config: dict[str, Any]) -> None:
        """Opens a file; the settings are shown as text."""
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(self.folder))
        rows = (f"| {key} | {value} |" for key, value in config.items())
        self.writer.add_text("settings", "\n".join(["| setting | value |", "|---|---|", *rows]))

    def log(self, values: dict[str, float], *, step: int) -> None:
        """A point of each curve."""
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def finish(self) -> None:
        """Closes the file."""
        self.writer.close()


@dataclass
class Trackers:
    """Those of one run. One that fails is left out from then on, and said: no training ends for it."""

    trackers: list[Tracker] = field(default_factory=list)
    say: Say = say_nothing
    begun: bool = False

    @classmethod
    def of(cls, log: object, say: Say = say_nothing) -> Trackers:
        """The trackers that a person gave: ``"tensorboard"``, the name of an installed module, such as ``"wandb"``, an
        object with ``init``, ``log`` and ``finish``, or several of these.

        Raises:
            RecipeError: A module that is not installed, or something that is no tracker.

        >>> Trackers.of(None).trackers
        []
        """
        several = log if isinstance(log, Sequence) and not isinstance(log, str) else [] if log is None else [log]
        return cls([_tracker(one) for one in several], say)

    def follow(self, events: Iterator[Step | Epoch], folder: Path, config: Mapping[str, Any]) -> Iterator[Step | Epoch]:
        """The *events* of a run, each epoch of which is logged. Where they end early, the trackers finish."""
        if self.trackers and not self.begun:
            self.begun = True
            for tracker in self.trackers:
                if isinstance(tracker, TensorBoard):
                    tracker.folder = folder
            self._each("init", project="striate", name=folder.resolve().name, config=dict(config))
        try:
            for event in events:
                if isinstance(event, Epoch):
                    self.log(event.row(), event.epoch)
                yield event
        except BaseException:  # the loop was left, a signal, an error: what is logged so far is kept
            self.finish()
            raise

    def log(self, values: Mapping[str, float | None], step: int) -> None:
        """Logs what has a value."""
        if self.begun:
            self._each("log", {name: value for name, value in values.items() if value is not None}, step=step)

    def finish(self) -> None:
        """Once; further calls do nothing."""
        if self.begun:
            self._each("finish")
        self.begun = False

    def _each(self, method: str, /, *values: Any, **more: Any) -> None:
        for tracker in [*self.trackers]:
            try:
                getattr(tracker, method)(*values, **more)
            except Exception as error:  # somebody else's code, over a network
                self.trackers.remove(tracker)
                name = getattr(tracker, "__name__", type(tracker).__name__)
                self.say(f"note: the tracker {name} failed and is left out: {type(error).__name__}: {error}")


def _tracker(one: object) -> Any:
    if one == "tensorboard":
        return TensorBoard()
    found = one
    if isinstance(one, str):
        if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", one):
            raise RecipeError(f"log {one!r}: expected tensorboard or the name of a module, such as wandb or trackio")
        try:
            found = importlib.import_module(one)
        except ImportError as error:
            how = f"; pip install {one}" if one in KNOWN else nearest(one, ["tensorboard", *KNOWN])
            raise RecipeError(f"log {one}: cannot be imported ({error}){how}") from None
    missing = [name for name in NEEDED if not callable(getattr(found, name, None))]
    if missing:
        what = one if isinstance(one, str) else f"the {type(one).__name__}"
        raise RecipeError(f"log {what}: is no tracker, which has init, log and finish; it has no {', '.join(missing)}")
    return found
