"""A run that is resumed: what its folder says of it, and the run taken up where its state says."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from striate.datasets import DataSet
from striate.datasets.options import DATA_OPTIONS
from striate.errors import ModelError, RecipeError, SpecError, counted
from striate.files import FolderLock, read_json
from striate.learning import Recipe, World, load_progress, load_state, rate_at
from striate.loading import Network, open_network
from striate.loading.official import official_net
from striate.model.contract import Contract
from striate.run.baseline import BaselineResult
from striate.run.folder import EPOCHS, PAGE, PROGRESS, STATE, Say, columns_of, find_run, lock_folder, read_about
from striate.run.options import RunOptions
from striate.run.running import Run
from striate.spec import parse
from striate.tasks import CLASSIFICATION

# in recipe.json where given; the task is there in any case
KEPT = (*(name for name in DATA_OPTIONS if name != "task"), "resize", "weights", "freeze")


@dataclass(frozen=True)
class EarlierRun:
    """A run to resume: its folder, and what ``recipe.json`` says of it."""

    folder: Path
    lock: FolderLock | None
    about: dict[str, Any]

    @classmethod
    def find(
        cls, out: str | Path | None, data: str, network: Network | None, undo: ExitStack, world: World
    ) -> EarlierRun:
        folder = find_run(out, data, network.name if network else None)
        lock = lock_folder(folder) if world.first else None  # before anything is read: another may be writing
        if lock:
            undo.callback(lock.give_back)
        return cls(folder, lock, {"task": CLASSIFICATION.name} | Recipe().as_dict() | read_about(folder))

    @property
    def name(self) -> str:
        return str(self.about["name"])

    @property
    def task(self) -> str:
        return str(self.about["task"])

    @property
    def network(self) -> Network:
        """Its network, from the text alone: no file says what code to run."""
        if not self.about["net"]:
            code = self.about.get("code")
            raise SpecError(
                f"{self.folder}: was trained from {code}, whose code no file brings along; add --net {code}"
            )
        return open_network(parse(str(self.about["net"])))

    @property
    def contract(self) -> Contract | None:
        """The contract that it began with, where that was not measured."""
        if "contract" not in self.about:
            return None
        try:
            return Contract.from_json(json.dumps(self.about["contract"]))
        except ModelError as error:
            raise ModelError(f"{self.folder}/recipe.json: {error}; omit --resume to start a new run") from None

    def filled(self, choice: RunOptions) -> RunOptions:
        """*choice*, with the run's own where it says nothing."""
        same: dict[str, Any] = {name: getattr(choice, name) or self.about.get(name) for name in KEPT}
        net = official_net(choice.weights)
        if net and net == official_net(self.about.get("weights")):  # their name, and their file
            same["weights"] = self.about["weights"]
        kept = choice.keep_epochs or (self.folder / EPOCHS).is_dir()
        page = choice.page or (self.folder / PAGE).is_file()  # which would be of the run as it was
        return replace(choice, **same, init=str(self.about["init"]), keep_epochs=kept, page=page)

    def other_data(self, choice: RunOptions, dataset: DataSet) -> bool:
        """Whether the data are to be opened once more, as they were for the run."""
        other_task = choice.task is None and self.task != dataset.task
        return other_task or choice.channels not in (None, dataset.input[0])


def restore(run: Run, batch: int, epochs: int, say: Say) -> None:
    """Puts the run where its state says; *batch* is the size of the batches until now, *epochs* how many there were
    to be. Writes nothing.
    """
    run.state = load_state(run.folder / STATE, run.model.module, run.recipe)
    run.finished = finished = _read_progress(run)
    state = run.state
    if state.step and batch != run.recipe.batch_size:  # the place in the epoch is counted in batches
        raise RecipeError(
            f"{run.folder}: stopped inside an epoch of batches of {batch}, got {run.recipe.batch_size}; resume with "
            f"--batch-size {batch}, or omit --resume to start a new run"
        )
    if finished and state.epoch >= run.recipe.epochs:
        raise RecipeError(
            f"{run.folder} ({run.net}): complete after {counted(state.epoch, 'epoch')}; continue with, for example, "
            f"--epochs {state.epoch + 10}"
        )
    if finished and (stopped := run.stopped_early):
        raise RecipeError(f"{run.folder} ({run.net}): {stopped}; continue with --patience 0")
    at = f", {state.step} steps into epoch {state.epoch + 1}" if state.step else ""
    say(f"resuming {run.folder}: {state.epoch} of {run.recipe.epochs} epochs done{at}")
    if epochs != run.recipe.epochs and run.recipe.schedule != "constant":
        before, now = (
            rate_at(recipe, max(0, 1000 * state.epoch - 1), 1000 * recipe.epochs)
            for recipe in (replace(run.recipe, epochs=epochs), run.recipe)
        )
        say(
            f"learning rate: the {run.recipe.schedule} schedule now spans {run.recipe.epochs} epochs, not {epochs}: "
            f"here it is {now:.2g}, where it was {before:.2g}"
        )


def _read_progress(run: Run) -> bool:
    """Takes up the run's history; says whether all its epochs of then are done and measured."""
    path = run.folder / PROGRESS
    try:
        progress = load_progress(run.folder / STATE)
        try:
            written = read_json(path)
            if progress is None or written["history"] == progress["history"]:
                progress = written  # which says whether the run was measured since
        except (OSError, ValueError, LookupError, TypeError):
            if progress is None:  # in the state of an earlier version
                raise
        run.history = [
            {name: row.get(name) if name.startswith("val/") else row[name] for name in columns_of(run.task)}
            for row in progress["history"]
        ]
        run.best_epoch, run.seconds = progress["best_epoch"], float(progress["seconds"])
        run.test = progress.get("test")
        if progress.get("baseline"):
            run.beside = BaselineResult.from_dict(progress["baseline"])
        if not run.state.course and run.history:  # a state of an earlier version
            metric = run.task.metric.column
            run.state.course = tuple(
                (row[metric], float(row["val/loss"] or row["train/loss"] or 0)) for row in run.history
            )
        return bool(progress["finished"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise ModelError(f"{path}: cannot be read ({error!r}); omit --resume to start a new run") from None
