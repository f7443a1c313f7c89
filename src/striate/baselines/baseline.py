"""The baseline that suits some items: which features, which linear model, and how many items it is fitted on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from striate.baselines.features import TfIdf, fit_pixels, picture_features, pixel_scores
from striate.baselines.linear import (
    Bags,
    Features,
    LinearModel,
    linear_classifier,
    linear_regression,
    logistic_regression,
)
from striate.tasks import Task

# the largest number of items: with these each kind takes a second or two at most on one processor
ITEMS, TEXTS, MASKS = 2_000, 20_000, 50
VALUES = 1_024  # of an item; a longer signal is made shorter by means
AT_ONCE = 256  # items whose features are in memory at a time

Array = NDArray[Any]


@dataclass(frozen=True)
class Baseline:
    """A plain model that was fitted on a training split.

    Args:
        name: What it is: ``"tf-idf + logistic regression"``.
        items: The items that it was fitted on, chosen at random.
        of: The items that there were.
        scores: Prepared inputs to scores, as the network's: ``(N, K)``, of masks ``(N, K, H, W)``.
    """

    name: str
    items: int
    of: int
    scores: Callable[[Array], NDArray[np.float32]]


def fit_baseline(
    inputs: Array, targets: Array, *, task: Task, outputs: int, mode: str, seed: int = 0, more: int = 1
) -> Baseline | None:
    """A plain model of the same inputs and targets as the network's.

    Texts: tf-idf and a linear model. Images: a histogram of the colours, mean colours, HOG and a linear model. Values:
    a linear model. Masks: a classifier of the pixels. The linear model is linear regression of numbers, logistic
    regression of classes and labels, of images least squares. None where there is nothing plain: no items, masks of
    no images, values that are no numbers.

    Args:
        inputs: As the network takes them before they are normalised: word numbers, bytes, values.
        targets: As the loss takes them, numbers standardised.
        task: What is predicted.
        outputs: How many classes, labels or values.
        mode: How an item is read, as the contract says it.
        seed: Chooses the items.
        more: How many times as many items at most.

    >>> from striate.tasks import CLASSIFICATION
    >>> x, y = np.array([[2, 3], [2, 4], [5, 6], [5, 7]]), np.array([0, 0, 1, 1])
    >>> found = fit_baseline(x, y, task=CLASSIFICATION, outputs=2, mode="text")
    >>> found.name, found.scores(x).argmax(1).tolist()
    ('tf-idf + logistic regression', [0, 0, 1, 1])
    """
    of = len(inputs)
    if not of or (task.per_pixel and (mode == "values" or inputs.ndim != 4)):
        return None
    most = MASKS if task.per_pixel else TEXTS if mode == "text" else ITEMS
    most *= more
    chosen = np.arange(of) if of <= most else np.sort(np.random.default_rng(seed).choice(of, most, replace=False))
    labels = np.asarray(targets[chosen])
    if task.per_pixel:
        pixels = fit_pixels(inputs[chosen], labels, outputs, seed)
        return Baseline("logistic regression of single pixels", len(chosen), of, lambda x: pixel_scores(pixels, x))
    kind, features = _features(inputs, chosen, mode)
    x = features(inputs[chosen]) if mode == "text" else torch.cat(_parts(features, inputs, chosen))
    if isinstance(x, Tensor) and not x.isfinite().all():
        return None
    model, fitted = _fitted(x, torch.from_numpy(labels), task, outputs, mode)

    def scores(some: Array) -> NDArray[np.float32]:
        """In parts, so that no more features are in memory than have to be."""
        each = [fitted(part).numpy() for part in _parts(features, some, np.arange(len(some)))]
        return np.concatenate(each) if each else np.zeros((0, outputs), np.float32)

    return Baseline(kind + model, len(chosen), of, scores)


def _parts(features: Callable[[Array], Any], inputs: Array, chosen: NDArray[np.int64]) -> list[Any]:
    return [features(inputs[chosen[i : i + AT_ONCE]]) for i in range(0, len(chosen), AT_ONCE)]


def _features(inputs: Array, chosen: NDArray[np.int64], mode: str) -> tuple[str, Callable[[Array], Features]]:
    """What the features are called, and how they are made of items."""
    if mode == "text":
        return "tf-idf + ", TfIdf.of(inputs[chosen]).bags
    if mode == "values":
        values = torch.cat(_parts(_flat, inputs, chosen))
        middle, spread = values.mean(0), values.std(0, correction=0).clamp(min=1e-6)
        return "", lambda x: (_flat(x) - middle) / spread
    return "colour histogram + HOG + ", picture_features


def _flat(x: Array) -> Tensor:
    """Values ``(N, ...)`` as float32 ``(N, D)``, D some 1,024 at most: of more, the means of neighbours."""
    values = torch.from_numpy(np.ascontiguousarray(x)).float()
    if x.ndim < 3:
        return values.flatten(1)
    values = values.flatten(2)
    length = max(1, VALUES // values.shape[1])
    return (F.adaptive_avg_pool1d(values, length) if values.shape[2] > length else values).flatten(1)


def _fitted(x: Features, targets: Tensor, task: Task, outputs: int, mode: str) -> tuple[str, LinearModel]:
    """Of images, which have many features, least squares: a tenth of the time."""
    if task.continuous:
        return "linear regression", linear_regression(x, targets.float())
    labels = targets.float() if task.several else targets.long()
    if isinstance(x, Bags) or mode == "values":
        return "logistic regression", logistic_regression(x, labels, outputs)
    return "linear classifier", linear_classifier(x, labels, outputs)
