"""How sure a model is: what of its contract is fitted on validation, and the threshold that a person asks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from striate.errors import RecipeError
from striate.metrics import Scores
from striate.metrics.calibration import compare_methods, log_softmax
from striate.metrics.classification import wilson
from striate.metrics.conformal import threshold_for_coverage, threshold_for_error
from striate.metrics.shared import percent, share_of
from striate.model.contract import IMAGES
from striate.model.header import read_header
from striate.model.image import header
from striate.model.model import Model
from striate.model.ordinary import ordinary_look
from striate.run.measuring import Held
from striate.sampling import evenly
from striate.tasks.scoring import scoring_of

MOST = 2_000  # items that it is fitted on: more change nothing that could be seen
METHODS = {"none": "none", "temperature": "temperature", "vector": "vector scaling", "isotonic": "isotonic regression"}


@dataclass(frozen=True)
class Sureness:
    """What was fitted on validation after training, in words for the report: the temperature, on how many items, and
    the cross-validated error of the methods that were compared.
    """

    temperature: float = 1.0
    items: int = 0
    methods: dict[str, float] = field(default_factory=dict)

    def line(self) -> str:
        """Empty where nothing was fitted."""
        if not self.items:
            return ""
        text = f"temperature {self.temperature:.2f}, fitted on {self.items:,} validation items"
        if not self.methods:
            return text
        errors = ", ".join(f"{METHODS[name]} {error:.4f}" for name, error in self.methods.items())
        best = min(self.methods, key=lambda name: self.methods[name])
        why = "" if best == "temperature" else f" ({METHODS[best]} is lower)"
        return (
            f"{text}; squared error of the probabilities in 5-fold cross-validation: {errors}{why}; the temperature is "
            f"used, which changes no prediction"
        )


def scored(model: Model, *held: Held, most: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The scores ``(N, K)`` of *model* for the items of some splits, one after the other, and their targets; of more
    than *most* in a split an even choice.
    """
    pairs = [pair for part in held for pair in _batches(model, part, most)]
    scores, targets = zip(*pairs, strict=True)
    return np.concatenate(scores), np.concatenate(targets)


def _batches(model: Model, held: Held, most: int | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    arrays, size = held.arrays, model.at_a_time(256)
    chosen = evenly(len(arrays), most or len(arrays))
    for start in range(0, len(chosen), size):
        some = chosen[start : start + size]
        yield model.scores(arrays.inputs[some]), np.asarray(arrays.targets[some])


def fit_look(model: Model, train: Held) -> None:
    """Puts into the contract of *model* what the training items look like, and how small their images are."""
    inputs, some = train.source.inputs, evenly(len(train.arrays), 200)
    sides: list[int] = []
    if model.contract.mode in IMAGES and isinstance(inputs, np.ndarray):
        sides = [min(inputs.shape[1:3])]
    elif model.contract.mode in IMAGES:
        sides = [min(header(Path(inputs[train.kept[i]]))[1]) for i in some]
    model.contract = replace(
        model.contract, look=ordinary_look(train.arrays.inputs, model.contract), smallest=min(sides, default=None)
    )


def fit_sureness(model: Model, val: Held) -> Sureness:
    """Puts into the contract of *model* what its task fits on validation: the temperature, and what prediction sets and
    the look at items out of distribution need. A threshold that it had is gone.
    """
    task = model.contract.task
    if not task.activation or task.per_pixel or not len(val.arrays):
        return Sureness()
    scores, targets = scored(model, val, most=MOST)
    fitted = scoring_of(task).sureness(scores, targets)
    model.contract = replace(model.contract, threshold=None, **fitted)
    methods = compare_methods(scores, targets) if task.exclusive else {}
    return Sureness(model.contract.temperature, len(scores), methods)


def choose_threshold(
    model: Model, val: Held, *, accept_error: float | None = None, coverage: float | None = None
) -> str:
    """Puts the threshold into the contract of *model* below which it answers "unknown", and what else is fitted on
    validation; says in words what it promises.

    Args:
        model: With one class per item.
        val: Items that it was not trained on.
        accept_error: The share of the answers that may be wrong.
        coverage: Or the share of the items that is answered.

    Raises:
        RecipeError: For such a task there is no such threshold. DataError: Too few items to promise it.
    """
    task = model.contract.task
    if not task.exclusive:
        raise RecipeError(
            f"thresholds for 'unknown' are for models with one class per item, this one is for {task}; omit them"
        )
    fit_sureness(model, val)
    scores, targets = scored(model, val)
    log_p = log_softmax(scores, model.contract.temperature)
    confidence, right = np.exp(log_p.max(axis=1)), log_p.argmax(axis=1) == targets
    if accept_error is not None:
        found = threshold_for_error(confidence, right, accept_error)
        promise = (
            f"of the items that it answers at most {percent(accept_error, 1000)} are wrong, at 95% confidence (risk "
            f"control by exact binomial tests)"
        )
    else:
        assert coverage is not None
        found = threshold_for_coverage(confidence, coverage)
        promise = f"it answers {percent(coverage, 1000)} of the items on average, the others are unknown"
    model.contract = replace(model.contract, threshold=found)
    return (
        f"threshold {found:.4g}, chosen on {len(scores):,} validation items: {promise}, as long as the items to come "
        f"are like those"
    )


AFTER_CHOICE = (
    "note: validation chose the epoch, the temperature and any threshold, so figures on it are a little too good; "
    "those on test are not"
)


def set_threshold(
    found: Model, given: object, val: Held, accept_error: float | str | None, coverage: float | str | None
) -> str:
    """As :func:`choose_threshold`, and keeps it: in the file that the model is of, or in the *given* ``Model``.

    Raises:
        RecipeError: Both are asked for, or the model is evaluated by another test-time augmentation than its own.
    """
    if accept_error is not None and coverage is not None:
        raise RecipeError("accept_error and coverage each choose the threshold; give one of them")
    wanted = {"accept_error": accept_error, "coverage": coverage}
    shares = {name: share_of(value, name) for name, value in wanted.items() if value is not None}
    if isinstance(given, Model):
        if given.contract.tta != found.contract.tta:
            raise RecipeError(f"tta {found.contract.tta}: a threshold is for the model's own tta; omit it")
        said = choose_threshold(found, val, **shares)
        given.contract = found.contract
        return said
    assert found.path is not None
    if read_header(found.path).contract.tta != found.contract.tta:
        raise RecipeError(f"tta {found.contract.tta}: a threshold is for the model's own tta; omit it")
    said = choose_threshold(found, val, **shares)
    found.save(found.path)
    return f"{said}; written to {found.path}"


def promise_broken(scores: Scores, accept_error: float | str) -> str:
    """What to say where the answers are wrong more often than was promised, and by more than chance; else ""."""
    found = getattr(scores, "rejection", None)
    if (
        found is None
        or not found.answered
        or wilson(found.wrong, found.answered)[0] <= share_of(accept_error, "accept_error")
    ):
        return ""
    return (
        f"warning: {percent(found.error, found.answered)} of the answers are wrong, more than was promised: these "
        f"items are not like those of validation; look at both with striate doctor"
    )
