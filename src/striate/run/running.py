"""A training run: its events, the files that they keep up to date, and its end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from striate import __version__
from striate.analysis import Report
from striate.data import Arrays, Batches
from striate.errors import ModelError, RecipeError
from striate.evaluate import Scores, report
from striate.files import write_safely
from striate.learn import Epoch, Recipe, State, Step, load_state, save_state, training
from striate.model.model import Model
from striate.run.folder import COLUMNS, PROGRESS, STATE, Say, to_csv
from striate.run.measuring import measure


@dataclass
class Run:
    """A run made ready: everything is read and built, nothing is trained. ``events`` trains, ``finish`` measures."""

    folder: Path
    data: str
    net: str
    recipe: Recipe
    table: Report
    parts: dict[str, Arrays]
    model: Model
    state: State
    device: torch.device
    history: list[dict[str, float | None]] = field(default_factory=list)
    best_epoch: int | None = None
    seconds: float = 0.0
    finished: bool = False  # measured and reported, after all of its epochs
    begun_from: str = ""  # a model file whose weights it began with, and what of them is frozen

    def events(self) -> Iterator[Step | Epoch]:
        """Trains, and keeps the folder's files up to date: the best model, the curves, the state."""
        begun = time.perf_counter()
        train = self._batches("train", shuffle=True)
        for event in training(self.model.module, train, self.recipe, val=self._batches("val"), state=self.state):
            if isinstance(event, Epoch):
                self.history.append(event.row())
                if event.best:
                    self.best_epoch = event.epoch
                    self.model.save(self.folder / "model.safetensors")
                self.save_state()
            self.seconds += time.perf_counter() - begun
            yield event
            begun = time.perf_counter()

    def save_state(self) -> None:
        """Writes what ``--resume`` needs; called after every epoch, and by whoever stops in between."""
        (self.folder / "state").mkdir(exist_ok=True)
        save_state(self.state, self.folder / STATE)
        self._save_progress()
        write_safely(self.folder / "metrics.csv", to_csv(self.history))

    def finish(self) -> Result:
        """Measures the best model on the test part, for the first and only time, and writes the report."""
        from striate.model.model import load

        best = load(self.folder / "model.safetensors")
        best.module.to(self.device)
        scores = measure(best, self.parts["test"])
        write_safely(self.folder / "report.html", self._report(scores))
        self.finished = True
        self._save_progress()
        return Result(self, best, scores)

    def _save_progress(self) -> None:
        names = ("history", "best_epoch", "seconds", "finished")
        write_safely(self.folder / PROGRESS, json.dumps({name: getattr(self, name) for name in names}))

    def _batches(self, part: str, shuffle: bool = False) -> Batches:
        batch = self.recipe.batch if shuffle else 256
        contract, seed = self.model.contract, self.recipe.seed
        return Batches(self.parts[part], contract, batch=batch, seed=seed, shuffle=shuffle, device=self.device)

    def _report(self, scores: Scores) -> str:
        counts = {name: f"{len(pixels):,}" for name, pixels in self.parts.items()}
        recipe = self.recipe
        facts = [
            ("network", f"{self.net}, {self.table.parameters:,} parameters"),
            ("data", f"{self.data}: {counts['train']} training, {counts['val']} validation, {counts['test']} test"),
            ("input", f"{'x'.join(map(str, self.model.contract.input))}, {self.model.contract.resize}"),
            ("recipe", f"{recipe.epochs} epochs of {recipe.optimiser}, batch {recipe.batch}, lr {recipe.lr:g}"),
            ("loss", recipe.loss),
            ("seed", str(recipe.seed)),
            ("time", f"{self.seconds:.1f} s on {self.device.type}, {torch.get_num_threads()} threads"),
            ("versions", f"striate {__version__}, torch {torch.__version__}"),
        ]
        if self.begun_from:
            facts.append(("began with", self.begun_from))
        broken = sum(len(pixels.broken) for pixels in self.parts.values())
        if broken:
            facts.append(("left out", f"{broken:,} images that cannot be read"))
        images = {mistake.index: self.parts["test"].inputs[mistake.index] for mistake in scores.worst}
        return report(
            title=f"{self.net} on {self.data}",
            facts=facts,
            layers=self.table.as_dict()["layers"],
            history=self.history,
            scores=scores,
            images=images,
            best=self.best_epoch,
        )


@dataclass(frozen=True)
class Result:
    """A finished run: the best model and what it is worth on the test part."""

    run: Run
    model: Model
    test: Scores

    def as_dict(self) -> dict[str, Any]:
        """As ``striate train --json`` prints it."""
        run = self.run
        return {
            "model": str(run.folder / "model.safetensors"),
            "run": str(run.folder),
            "epochs": len(run.history),
            "best_epoch": run.best_epoch,
            "seconds": run.seconds,
            "parameters": run.table.parameters,
            "train": {"n": len(run.parts["train"]), "loss": run.history[-1]["train/loss"]},
            "val": {"n": len(run.parts["val"]), **_val(run)},
            "test": {key: value for key, value in self.test.as_dict().items() if key not in ("worst", "confusion")},
        }


def _val(run: Run) -> dict[str, float | None]:
    row = next((row for row in run.history if row["epoch"] == run.best_epoch), run.history[-1])
    return {"accuracy": row["val/accuracy"], "loss": row["val/loss"]}


def restore(run: Run, batch: int, say: Say) -> None:
    """Puts the run where its state says; *batch* is the size of the batches until now."""
    run.state = load_state(run.folder / STATE, run.model.module, run.recipe)
    finished = _read_progress(run)
    state = run.state
    if state.step and batch != run.recipe.batch:  # the place in the epoch is counted in batches
        raise RecipeError(
            f"{run.folder}: stopped inside an epoch of batches of {batch}, got {run.recipe.batch}; go on with "
            f"--batch {batch}, or begin a new run without --resume"
        )
    if finished and state.epoch >= run.recipe.epochs:
        raise RecipeError(
            f"{run.folder}: all {state.epoch} epochs are done; give more, such as --epochs {state.epoch + 10}"
        )
    at = f", {state.step} steps into epoch {state.epoch + 1}" if state.step else ""
    say(f"going on with {run.folder}: {state.epoch} of {run.recipe.epochs} epochs done{at}")


def _read_progress(run: Run) -> bool:
    """Takes up the run's history; says whether all its epochs of then are done and measured."""
    path = run.folder / PROGRESS
    try:
        progress = json.loads(path.read_text(encoding="utf-8"))
        run.history = [{name: row[name] for name in COLUMNS} for row in progress["history"]]
        run.best_epoch, run.seconds = progress["best_epoch"], float(progress["seconds"])
        return bool(progress["finished"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ModelError(f"{path}: cannot be read ({error!r}); leave --resume out to begin anew") from None
