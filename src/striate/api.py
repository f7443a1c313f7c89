"""The main job as one Python call."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from striate.learn import Epoch, Recipe
from striate.model.model import Model
from striate.run import prepare
from striate.spec import Graph, Spec


def train(
    net: str | Path | Spec | Graph | None,
    data: str | Path,
    *,
    recipe: Recipe | None = None,
    out: str | Path | None = None,
    init: str = "auto",
    weights: str | Path | None = None,
    freeze: str | None = None,
    resume: bool = False,
    device: str = "auto",
    quiet: bool = False,
    **settings: Any,
) -> Model:
    """Trains *net* on *data* and gives the best model by validation; everything lies in its run's folder.

    Args:
        net: A spec, a graph, or what the command line takes; None for that of *weights*, or one that suits the data.
        data: A built-in name (``"digits"``) or a path.
        recipe: The settings.
        out: The run's folder; ``runs/DATA-NET`` with the next free number, if not given.
        init: How the weights begin: ``auto``, ``lecun``, ``glorot``, ``he``, ``lenet``, ``alexnet``.
        weights: A model file to begin with; with ``net=None`` its net, with a new head for new classes.
        freeze: A layer; everything down to it stays as it is.
        resume: Go on with an interrupted run.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
        quiet: Print nothing.
        **settings: Single settings of the recipe: ``epochs=10, lr=0.01``.

    Raises:
        Error: Of the kind that fits (``DataError``, ``SpecError``, ``ShapeError``, ``RecipeError``), with the way out.
    """
    say = (lambda text: None) if quiet else (lambda text: print(text, file=sys.stderr))
    run = prepare(
        data, net, recipe, settings=settings, out=out, init=init, weights=weights, freeze=freeze, resume=resume,
        device=device, say=say,
    )  # fmt: skip
    size = "x".join(map(str, run.model.contract.input))
    say(f"{run.net} on {run.data}: input {size}, {run.table.parameters:,} parameters")
    for event in run.events():
        if isinstance(event, Epoch):
            say(event.line(run.recipe.epochs))
    result = run.finish()
    say(f"test accuracy {result.test.accuracy:.2%} of {result.test.n} images; everything is in {run.folder}")
    return result.model
