"""The main job as one Python call."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from striate.errors import shape_text
from striate.learning import Epoch, Recipe
from striate.loading import Given
from striate.model.model import Model
from striate.run import prepare
from striate.spec import Shape


def train(
    net: Given | None,
    data: str | Path,
    *,
    recipe: Recipe | None = None,
    out: str | Path | None = None,
    init: str = "auto",
    weights: str | Path | None = None,
    freeze: str | None = None,
    resume: bool = False,
    device: str = "auto",
    task: str | None = None,
    channels: int | None = None,
    resize: str | None = None,
    input: Shape | None = None,
    strict: bool = False,
    keep_epochs: bool = False,
    quiet: bool = False,
    **settings: Any,
) -> Model:
    """Trains *net* on *data* and gives the best model by validation; everything lies in its run's folder.

    Args:
        net: A spec, a graph, or what the command line takes; None for that of *weights*, or one that suits the data.
        data: A built-in name (``"digits"``) or a path; what kind of data it is decides the task.
        recipe: The settings.
        out: The run's folder; ``runs/DATA-NET`` with the next free number, if not given.
        init: How the weights begin: ``auto``, ``lecun``, ``glorot``, ``he``, ``lenet``, ``alexnet``.
        weights: A model file to begin with; with ``net=None`` its net, with a new head for new classes.
        freeze: A layer; everything down to it stays as it is.
        resume: Go on with an interrupted run.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
        task: What is to be answered, where the data leave it open: ``"classification"``, ``"multilabel"``,
            ``"regression"`` or ``"segmentation"``.
        channels: What images are read as: 1 (grey), 3 (colour), 4 (with alpha); as they are, if not given.
        resize: How images get the net's size: ``"stretch"``, ``"fit"`` or ``"crop"``.
        input: The net's input, ``(C, H, W)``; its own or one that suits the data, if not given.
        strict: Stop at an item that cannot be read, instead of leaving it out and naming it.
        keep_epochs: Keep the model of every epoch in the folder's ``epochs/``, to film how its kernels change.
        quiet: Print nothing.
        **settings: Single settings of the recipe: ``epochs=10, lr=0.01, augment="standard", fraction=0.1``.

    Raises:
        Error: Of the kind that fits (``DataError``, ``SpecError``, ``ShapeError``, ``RecipeError``), with the way out.
    """
    say = (lambda text: None) if quiet else (lambda text: print(text, file=sys.stderr))
    run = prepare(
        data, net, recipe, settings=settings, out=out, init=init, weights=weights, freeze=freeze, resume=resume,
        device=device, task=task, channels=channels, resize=resize, input=input, strict=strict,
        keep_epochs=keep_epochs, say=say,
    )  # fmt: skip
    size = shape_text(run.model.contract.input)
    say(f"{run.net} on {run.data}: input {size}, {run.table.parameters:,} parameters")
    for event in run.events():
        if isinstance(event, Epoch):
            say(event.line(run.recipe.epochs))
    result = run.finish()
    say(f"{result.headline()}; everything is in {run.folder}")
    return result.model
