"""``striate.find_lr``: the learning rate that suits a network and its data, by a sweep."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from striate.datasets import Data
from striate.datasets.dataset import Reading
from striate.datasets.open import Fetching
from striate.errors import RecipeError
from striate.files import write_safely
from striate.learning import NamedRecipe, RateSweep, Recipe, sweep_rates
from striate.learning.distributed import launched
from striate.loading import Given
from striate.report.charts import rate_chart
from striate.run.folder import Say, to_stderr
from striate.run.making import prepare
from striate.run.options import given_recipe, sorted_settings


def find_lr(
    net: Given | None,
    data: Data = None,
    *,
    out: str | Path | None = None,
    recipe: Recipe | NamedRecipe | str | None = None,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 100,
    say: Say = to_stderr,
    reading: Reading | None = None,
    fetching: Fetching | None = None,
    **settings: Any,
) -> RateSweep:
    """Sweeps the learning rate of *net* on the training split of *data*, and suggests one; trains and keeps nothing.

    Args:
        net: As for :func:`~striate.run.api.train`.
        data: Likewise.
        out: The file for a plot of the losses over the rates: ``"lr.svg"``.
        recipe: Its optimizer, batch size and loss are what the rate is for.
        low: The first rate.
        high: The last, unless the loss has diverged before.
        steps: Of the sweep, each with a batch of its own.
        say: Told what is noted, in a line each.
        reading: Progress callback (items, total).
        fetching: Progress callback (file, bytes, total) of a download.
        **settings: As for :func:`~striate.run.api.train`.

    Returns:
        The sweep: ``.suggestion``, ``.steepest``, ``.lowest``; ``.rates``, ``.losses``, ``.smoothed``.

    Raises:
        Error: As :func:`~striate.run.api.train` does; RecipeError also where the loss falls at no rate.

    >>> sweep = find_lr("flatten; linear 10", "digits", say=lambda text: None)
    >>> 0.001 < sweep.suggestion < 1
    True
    """
    of_recipe, of_run = sorted_settings(settings)
    if launched():
        raise RecipeError("the rates are swept in one process; start --find-lr without torchrun")
    with TemporaryDirectory() as folder:
        of_run["out"] = Path(folder) / "run"
        run = prepare(
            data, net, given_recipe(recipe), settings=of_recipe, say=say, reading=reading, fetching=fetching, **of_run
        )
        sweep = sweep_rates(
            run.model.module,
            run.batches("train", train=True),
            run.recipe,
            task=run.task,
            weights=run.class_weights(),
            low=low,
            high=high,
            steps=steps,
        )
        assert run.lock
        run.lock.release()
    chosen = sweep.suggestion
    if out is not None:
        write_safely(Path(out), rate_chart(sweep.rates, sweep.losses, sweep.smoothed, chosen))
    return sweep
