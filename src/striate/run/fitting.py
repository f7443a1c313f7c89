"""Training as a library's estimators have it: on all that is given, quietly, without a folder or a test split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from striate.datasets import DataSet
from striate.learning import using_threads
from striate.loading import Given
from striate.model.model import Model
from striate.run.folder import Say, say_nothing
from striate.run.making import prepare
from striate.run.options import given_recipe, sorted_settings
from striate.run.sureness import fit_look, fit_sureness


def trained_model(
    dataset: DataSet, net: Given | None, settings: Mapping[str, Any], say: Say = say_nothing
) -> tuple[Model, str]:
    """The model that :func:`~striate.run.api.train` trains, on the splits of *dataset* as they are.

    Args:
        dataset: With a validation split, which chooses the epoch and fits the temperature, or without: then the epoch
            of the lowest training loss is kept. A test split is not looked at.
        net: As for ``train``.
        settings: As for ``train``; a folder is written where ``out`` is among them.
        say: Callback for messages, one string each.

    Returns:
        The model, and what to warn of: "" or that training diverged.

    Raises:
        Error: As ``train``.
    """
    settings = dict(settings)
    recipe = given_recipe(settings.pop("recipe", None))
    of_recipe, of_run = sorted_settings(settings)
    run = prepare(dataset, net, recipe, settings=of_recipe, say=say, as_split=True, **of_run)
    try:
        say(run.summary)
        run.train(say)
        best = run.best()
        with using_threads(run.speed.threads):
            fit_look(best, run.held["train"])
            if "val" in run.held:
                fit_sureness(best, run.held["val"])
        if not run.in_memory:
            best.save(run.folder / "model.safetensors")
            say(f"the run is in {run.folder}")
    finally:
        run.trackers.finish()
        if run.lock:
            run.lock.release()
    return best, run.divergence
