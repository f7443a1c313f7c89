"""How to train: one flat value, stored whole with every run and varied by ``dataclasses.replace``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any

from striate.errors import RecipeError, did_you_mean, listed, nearest
from striate.files import near_path, read_json
from striate.tasks.task import TASKS

OPTIMIZERS = ("sgd", "momentum", "nesterov", "adam", "adamw", "muon")
SCHEDULES = ("constant", "step", "cosine", "linear")
LOSSES = ("auto", *dict.fromkeys(loss for task in TASKS.values() for loss in task.losses))
BALANCE = ("none", "weights", "sampling")
PRECISIONS = ("auto", "float32", "bf16")
MEMORY_FORMATS = ("auto", "contiguous", "channels_last")
COMPILE = ("no", "yes")
KEEP = ("best", "last")
NORM_STATISTICS = ("batch", "fixed")
TTA = ("none", "flip", "shift", "flip+shift")


@dataclass(frozen=True)
class Recipe:
    """The settings of a training run. Dropout is not here: it is a layer of the net.

    Raises:
        RecipeError: A value outside its range, naming the field, what came and what is expected; no such setting.

    >>> from dataclasses import replace
    >>> replace(Recipe(), epochs=3, lr=0.01).epochs
    3
    >>> Recipe(learning_rate=0.1, optimiser="sgd").lr
    0.1
    """

    epochs: int = 20  # passes over the training split
    batch_size: int = 32  # items per optimizer step
    lr: float = 2e-3  # the maximum learning rate
    schedule: str = "cosine"  # constant; step: /10 after 1/2 and 3/4 of the steps; cosine or linear to 0
    warmup: float = 0.1  # the share of all steps in which the rate rises from 0 to lr
    optimizer: str = "adamw"  # sgd, momentum, nesterov, adam, adamw, muon
    momentum: float = 0.9  # of momentum, nesterov and muon
    weight_decay: float = 0.01  # L2 of the weights (decoupled in adamw); biases and norms have none
    l1: float = 0.0  # times the sum of the weights' absolute values is added to the loss
    label_smoothing: float = 0.05  # this much of the target spread over all classes; with crossentropy of classes only
    # auto: the task's default. classification: crossentropy; mse: 1/2 sum (target - probability)^2; hinge: the SVM's.
    # multilabel: bce. regression: mse, l1, huber. segmentation: crossentropy+dice, crossentropy, dice.
    loss: str = "auto"
    clip: float = 0.0  # maximum norm of the gradient; 0: no limit
    seed: int = 0  # random seed below 2**32: of the order of the items, dropout, and the initial weights
    augment: str = "none"  # of the training images: none, light, standard, strong, ...
    balance: str = "none"  # weights: rare classes count for more; sampling: they come more often
    fraction: float = 1.0  # of the training split, evenly over the classes, that is trained on
    validation_fraction: float = 0.1  # of the training split, set aside where the data have no validation split
    norm_bias_lr: float = 1.0  # times lr is the learning rate of the biases of normalisation layers
    layer_decay: float = 1.0  # times the learning rate from each layer to the one before it, the last has lr
    head_epochs: int = 0  # of fine-tuning: passes over features computed once, in which the new head is trained first
    # of batch normalisation in training: batch, the statistics of each batch; fixed, those that the weights came with
    norm_statistics: str = "batch"
    accumulate: int = 1  # batches whose gradients are averaged for one step
    ema: float = 0.0  # decay of the exponential moving average of the weights, which is the model; 0: no average
    keep: str = "best"  # which epoch's weights become the model: best on validation, or last
    patience: int = 0  # stop after so many epochs without improvement on validation; 0: never
    start_size: float = 1.0  # fraction of the input's sides in the first epochs; grows to 1 (progressive resizing)
    tta: str = "none"  # test-time augmentation: none, flip, shift, flip+shift: the mean over mirrored, shifted images
    precision: str = "auto"  # float32; bf16: bfloat16 autocast, weights stay float32; auto: the faster, measured
    memory_format: str = "auto"  # contiguous (NCHW), channels_last (NHWC); auto: the faster, measured
    threads: int = 0  # of the processor; 0: as many as are faster, measured
    compile: str = "no"  # torch.compile: no or yes; it takes a minute before the first step

    def __post_init__(self) -> None:
        for name, choices in (
            ("schedule", SCHEDULES),
            ("optimizer", OPTIMIZERS),
            ("loss", LOSSES),
            ("balance", BALANCE),
            ("precision", PRECISIONS),
            ("memory_format", MEMORY_FORMATS),
            ("compile", COMPILE),
            ("keep", KEEP),
            ("norm_statistics", NORM_STATISTICS),
            ("tta", TTA),
        ):
            value = getattr(self, name)
            if value not in choices:
                raise RecipeError(f"recipe: {name} is {value!r}{nearest(str(value), choices)}")
        for name, least in WHOLE:
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise RecipeError(f"recipe: {name} must be a whole number of at least {least}, got {value!r}")
            if value > MOST and name != "seed":
                raise RecipeError(f"recipe: {name} must be at most {MOST:,}, got a number of {len(str(value))} digits")
        if self.seed >= 2**32:
            raise RecipeError(f"recipe: seed must be below 2**32, got {self.seed}")
        for name, low, high in RANGES:
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            positive = name in POSITIVE
            below = name in BELOW and value == high
            if not number or not low <= value <= high or value == math.inf or (positive and not value) or below:
                finite = "finite " * (high == math.inf)
                most = f" and {'below' if name in BELOW else 'at most'} {high:g}" * (not finite)
                bounds = f"{'above' if positive else 'of at least'} {low:g}{most}"
                raise RecipeError(f"recipe: {name} must be a {finite}number {bounds}, got {value!r}")
        if not isinstance(self.augment, str) or not self.augment:
            raise RecipeError(f"recipe: augment must be a word such as none or standard, got {self.augment!r}")
        if self.optimizer == "nesterov" and self.momentum == 0:
            raise RecipeError("recipe: momentum must be above 0 for nesterov, got 0; use optimizer=sgd for none")

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def sides_at(self, sides: Sequence[int], epoch: int) -> tuple[int, ...]:
        """The sides, in pixels, of images whose own are *sides*, in the *epoch* (from 0): from ``start_size`` of them,
        in steps of 4 pixels, to the whole after 3/4 of the epochs (progressive resizing: Howard 2018, for DAWNBench).

        >>> [Recipe(epochs=9, start_size=0.5).sides_at((32, 24), epoch) for epoch in (0, 3, 6)]
        [(16, 12), (24, 16), (32, 24)]
        """
        done = min(1.0, epoch / max(1.0, 0.75 * (self.epochs - 1)))
        share = self.start_size + (1 - self.start_size) * done
        return tuple(side if share == 1 else min(side, max(4, 4 * round(side * share / 4))) for side in sides)

    def unused(self, given: Iterable[str], loss: str) -> list[str]:
        """What of the settings *given* has no effect with this optimizer and this *loss*, a line each.

        >>> Recipe(optimizer="adam", momentum=0.5).unused(["momentum", "lr"], "mse")
        ['momentum is not used by adam']
        """
        without = {
            "momentum": self.optimizer not in ("momentum", "nesterov", "muon"),
            "label_smoothing": loss != "crossentropy",
        }
        users = {"momentum": self.optimizer, "label_smoothing": f"the loss {loss}"}
        return [f"{name} is not used by {users[name]}" for name in given if without.get(name)]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """The recipe of these settings: what ``as_dict`` gave, some of it, or what a version before wrote.

        Raises:
            RecipeError: A name that is not a setting, or a value outside its range.

        >>> Recipe.from_dict({"batch": 16, "optimiser": "sgd"}) == Recipe(batch_size=16, optimizer="sgd")
        True
        """
        return cls(**current_names(values))


# what earlier versions wrote, and what others call it
ALIASES = {"batch": "batch_size", "optimiser": "optimizer", "learning_rate": "lr"}
LOSS_ALIASES = {"mae": "l1", "ce": "crossentropy", "cross-entropy": "crossentropy", "cross_entropy": "crossentropy"}


def current_names(values: dict[str, Any]) -> dict[str, Any]:
    """*values* with today's names of the settings; of a setting that is there twice, the later value.

    >>> current_names({"batch_size": 32, "epochs": 3, "batch": 8})
    {'batch_size': 8, 'epochs': 3}
    """
    values = {ALIASES.get(name, name): value for name, value in values.items()}
    if (loss := values.get("loss")) in LOSS_ALIASES:
        values["loss"] = LOSS_ALIASES[loss]
    return values


def _by_known_names(make: Callable[..., None]) -> Callable[..., None]:
    """``Recipe.__init__`` that takes a setting under the names of other tools too, and knows the nearest of others."""

    @wraps(make)
    def init(self: Recipe, *values: Any, **settings: Any) -> None:
        known = [f.name for f in fields(Recipe)]
        current = current_names(settings)
        for name in current:
            if name not in known:
                raise RecipeError(f"recipe: no setting named {name!r}{nearest(name, known)}")
        if len(current) < len(settings):
            raise RecipeError(f"recipe: a setting is given under two names, among {listed(settings, 20)}; omit one")
        make(self, *values, **current)

    return init


Recipe.__init__ = _by_known_names(Recipe.__init__)  # type: ignore[method-assign]

RANGES = (
    ("lr", 0, math.inf), ("warmup", 0, 1), ("momentum", 0, 1), ("weight_decay", 0, math.inf), ("l1", 0, math.inf),
    ("label_smoothing", 0, 1), ("clip", 0, math.inf), ("fraction", 0, 1), ("validation_fraction", 0, 1),
    ("norm_bias_lr", 0, math.inf), ("layer_decay", 0, 1), ("ema", 0, 1), ("start_size", 0, 1),
)  # fmt: skip
POSITIVE = ("lr", "fraction", "validation_fraction", "layer_decay", "start_size")  # not 0 either
BELOW = ("ema", "validation_fraction")  # not 1 either
MOST = 10**10  # of all whole numbers but the seed
WHOLE = (
    ("epochs", 1), ("batch_size", 1), ("seed", 0), ("head_epochs", 0), ("accumulate", 1), ("patience", 0),
    ("threads", 0),
)  # fmt: skip


def read_recipe(path: Path) -> Recipe:
    """The recipe in the file at *path*; RecipeError, naming the file, where it contains none."""
    try:
        values = read_json(path)
        if not isinstance(values, dict):
            raise RecipeError(f"expected an object with the settings, got {type(values).__name__}")
        return Recipe.from_dict({name: value for name, value in values.items() if name not in ABOUT})
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from None
    except FileNotFoundError:
        raise RecipeError(f"{path}: file not found{did_you_mean(near_path(path))}") from None
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror or error})") from None
    except ValueError as error:
        raise RecipeError(f"{path}: is not JSON ({error})") from None


# what a run's recipe.json says besides the settings
ABOUT = (
    "data source speed tune task name classes images content net code init weights freeze contract "
    "channels resize classes_from mask_threshold value_range label file text group fold"
).split()
