"""A run taken up where its state says."""

from __future__ import annotations

from dataclasses import replace

from striate.errors import ModelError, RecipeError, counted
from striate.files import read_json
from striate.learning import load_progress, load_state, rate_at
from striate.run.baseline import BaselineResult
from striate.run.folder import PROGRESS, STATE, Say, columns_of
from striate.run.running import Run


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
