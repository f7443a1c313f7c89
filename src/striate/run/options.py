"""What a run is besides its recipe, and the names by which people know its settings."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import UnionType
from typing import Any

from striate.datasets.options import DATA_OPTIONS, DataOptions
from striate.errors import RecipeError, nearest
from striate.learning import NamedRecipe, Recipe, named_recipe
from striate.loading import Given
from striate.spec import Shape

# names that other tools have for a setting; the command line takes them too
ALIASES = {
    "batch": "batch_size",
    "imgsz": "input",
    "input_size": "input",
    "learning_rate": "lr",
    "lr0": "lr",
    "opt": "optimizer",
    "optimiser": "optimizer",
    "pretrained": "weights",
    "range": "value_range",
    "val_fraction": "validation_fraction",
    "validation_split": "validation_fraction",
}


@dataclass(frozen=True, kw_only=True)
class RunOptions(DataOptions):
    """What a run starts from, how it reads its items, and where it goes; and how its data are to be understood.

    Args:
        out: The run's folder; ``runs/DATA-NET`` with the next free number, if not given.
        init: Weight initialisation: ``auto``, ``lecun``, ``glorot``, ``he``, ``lenet``, ``alexnet``; ``whiten``: the
            first convolution's filters from the training images; ``naive_bayes``: word vectors from the training
            texts. With *weights* it is the new head's: ``auto`` always.
        weights: A model file, a run's folder or a ``Model`` to fine-tune: its weights, with a new head for new
            classes, its preparation of inputs, and its network where none is given. Or the name of a network whose
            official ImageNet weights torchvision has, such as ``"mobilenet_v2"``: fetched once, unless
            ``STRIATE_WEIGHTS`` names the file or its folder.
        freeze: A layer, or a group of them: all layers up to and including this one are frozen.
        resume: Resume the run in *out*, or the newest of this data (and network).
        device: ``"cpu"``, ``"cuda"``, or ``"auto"``: a GPU if there is one.
        resize: How images get the network's size: ``"stretch"`` (if not given), ``"fit"`` or ``"crop"``.
        input: The network's input, ``(C, H, W)``, ``"3x224x224"``, or the side of square images; its own or one that
            fits the data, if not given.
        strict: Stop at an item that cannot be read, or has no file, target or mask, instead of skipping and naming it.
        keep_epochs: Keep the model of every epoch in the folder's ``epochs/``, to animate how its kernels change.
        page: Write the network's live page beside the report: ``page.html``, as :func:`striate.view` makes it.
        baseline: Fit a plain model on the training split too, and say whether the network is better.
        log: Experiment trackers: ``"tensorboard"``, the name of an installed module such as ``"wandb"``, an object with
            ``init``, ``log`` and ``finish``, or a list of these.
        tune: ``"60s"``, ``"5m"``: for how long the learning rate and the weight decay are searched for on validation
            before the run; not at all, if not given.
    """

    out: str | Path | None = None
    init: str = "auto"
    weights: Given | None = None
    freeze: str | None = None
    resume: bool = False
    device: str = "auto"
    resize: str | None = None
    input: Shape | str | int | None = None
    strict: bool = False
    keep_epochs: bool = False
    page: bool = False
    baseline: bool = True
    log: object = None
    tune: str | float | None = None

    @property
    def of_data(self) -> dict[str, Any]:
        """How the data are to be understood, as :func:`~striate.datasets.open_data` takes it."""
        return {name: getattr(self, name) for name in DATA_OPTIONS}

    def __post_init__(self) -> None:  # each stays as it was given: recipe.json says it
        for names, kind, what in KINDS:
            for name in names.split():
                value = getattr(self, name)
                if value is not None and not isinstance(value, kind):
                    raise RecipeError(f"{name} must be {what}, got {value!r}")
        if self.tune is not None:
            seconds_of(self.tune)


def seconds_of(text: str | float) -> float:
    """A duration that a person gives: ``"60s"``, ``"5m"``, ``"1h"``, or a number of seconds.

    Raises:
        RecipeError: It is none, or not above 0.

    >>> seconds_of("5m"), seconds_of("90"), seconds_of(2.5)
    (300.0, 90.0, 2.5)
    """
    found = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(s|sec|m|min|h)?\s*", str(text))
    seconds = float(found[1]) * {"m": 60, "h": 3600}.get((found[2] or "s")[0], 1) if found else 0.0
    if not 0 < seconds < math.inf:
        raise RecipeError(f"tune is {text!r}, expected a time such as 60s or 5m")
    return seconds


def given_recipe(recipe: object) -> Recipe | NamedRecipe | None:
    """The recipe that a person gave: itself, or the one of that name or ``recipe.json``.

    Raises:
        RecipeError: It is none.

    >>> given_recipe("svm").recipe.loss, given_recipe(None)
    ('hinge', None)
    """
    if isinstance(recipe, str):
        return named_recipe(recipe)
    if not isinstance(recipe, Recipe | NamedRecipe | None):
        raise RecipeError(f"recipe must be a Recipe, the name of one or a recipe.json, got {recipe!r}")
    return recipe


KINDS: tuple[tuple[str, type | UnionType, str], ...] = (
    ("init freeze device resize task classes_from label file text group fold", str, "a word"),
    ("out", str | Path, "a folder"),
    ("channels mask_threshold", int, "a number"),
    ("resume strict keep_epochs page baseline", bool, "True or False"),
)


def sorted_settings(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings among *given* that are the recipe's, and those that are :class:`RunOptions`, by their own names.

    Raises:
        RecipeError: There is no such setting (the nearest is offered), or one is there under two names.

    >>> sorted_settings({"epochs": 3, "learning_rate": 0.1, "freeze": "c3"})
    ({'epochs': 3, 'lr': 0.1}, {'freeze': 'c3'})
    """
    of_recipe, of_run = ([field.name for field in fields(kind)] for kind in (Recipe, RunOptions))
    settings: dict[str, Any] = {}
    for name, value in given.items():
        known = ALIASES.get(name, name)
        if known not in (*of_recipe, *of_run):
            raise RecipeError(f"no setting {name!r}{nearest(name, [*of_recipe, *of_run, *ALIASES])}")
        if known in settings:
            raise RecipeError(f"{known} is given twice, as {name!r} too; omit one")
        settings[known] = value
    return {n: v for n, v in settings.items() if n in of_recipe}, {n: v for n, v in settings.items() if n in of_run}
