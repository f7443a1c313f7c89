"""Labels that look wrong: items whose out-of-sample prediction contradicts their label with confidence.

Out-of-sample: predicted by a model that did not learn from the item, as by cross-validation; a model has memorised
what it was trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.errors import DataError

WRONG = 0.1  # of the probability of the label and of the best other class together: a label that has less is wrong
AMBIGUOUS = 1 / 3  # the probability that the second class has at least
FAR = 6.0  # robust standard deviations of a number from its prediction
LOW = 4.0  # robust standard deviations of an image's IoU below the median


@dataclass(frozen=True)
class Suspect:
    """An item whose label looks wrong, or could be either of two.

    Args:
        index: Of the item.
        given: Its label: a class, ``"no dog"``, ``"age 31"``.
        suggested: What the model would call it, likewise.
        quality: How well the label fits, 0 (it does not) to 1.
    """

    index: int
    given: str
    suggested: str
    quality: float


@dataclass(frozen=True, eq=False)
class LabelErrors:
    """What was found in the labels of N items.

    Args:
        quality: float64 ``(N,)``, how well each item's label fits, 0 to 1: sorted by it, wrong labels come first.
        wrong: The items whose labels look wrong, the least fitting first.
        ambiguous: Those that could be of two classes, and whose label is one of the two.
        labels_of_each: How many labels of an item are judged, each by itself and a suspect of its own.
    """

    quality: NDArray[np.float64]
    wrong: tuple[Suspect, ...]
    ambiguous: tuple[Suspect, ...] = ()
    labels_of_each: int = 1

    @property
    def n(self) -> int:
        """How many labels were judged."""
        return len(self.quality) * self.labels_of_each


def label_errors(probabilities: ArrayLike, labels: ArrayLike, classes: Sequence[str]) -> LabelErrors:
    """The wrong labels among N items with one class each, by their cross-validated probabilities (the first step of C.
    Northcutt, L. Jiang and I. Chuang, Confident learning: estimating uncertainty in dataset labels, JAIR 70, 2021).

    Items are ranked by their label's probability beside that of the best other class, which sorts as the difference of
    the two logits does; a label is wrong where the other class is nine times as probable, also if both were equally
    frequent (else a model that knows nothing would call every label of a rare class wrong). On planted errors both are
    about as good as the ranks and the filters of cleanlab, or better (``bench/labels.py``).

    Args:
        probabilities: ``(N, K)``, out of sample.
        labels: ``(N,)`` class numbers.
        classes: K names.

    Raises:
        DataError: Shapes that do not fit.

    >>> label_errors([[0.9, 0.1], [0.2, 0.8], [0.05, 0.95]], [0, 1, 0], ["cat", "dog"]).wrong
    (Suspect(index=2, given='cat', suggested='dog', quality=0.05...),)
    """
    p, y = np.asarray(probabilities, np.float64), np.asarray(labels)
    if p.ndim != 2 or y.shape != (len(p),) or p.shape[1] != len(classes):
        raise DataError(f"probabilities {list(p.shape)} and labels {list(y.shape)} of {len(classes)} classes")
    if not len(p) or len(classes) < 2:
        return LabelErrors(np.ones(len(p)), ())
    each = np.arange(len(p))
    own = p[each, y]
    others = p.copy()
    others[each, y] = -1
    best = others.argmax(axis=1)
    shares = np.maximum(np.bincount(y, minlength=len(classes)) / len(y), 1 / (len(y) + 1))
    quality = _part(own, others[each, best])
    wrong = (quality < WRONG) & (_part(own / shares[y], others[each, best] / shares[best]) < WRONG)
    second = np.sort(p, axis=1)[:, -2]
    ambiguous = ~wrong & (second >= AMBIGUOUS) & (own >= second)
    unfit, doubtful = (
        tuple(
            Suspect(i, classes[y[i]], classes[best[i]], float(quality[i]))
            for i in np.flatnonzero(which)[np.argsort(quality[which], kind="stable")].tolist()
        )
        for which in (wrong, ambiguous)
    )
    return LabelErrors(quality, unfit, doubtful)


def _part(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(one / np.maximum(one + other, 1e-300))


def several_label_errors(probabilities: ArrayLike, labels: ArrayLike, classes: Sequence[str]) -> LabelErrors:
    """The wrong labels where an item has any number of them: each label by itself, as having it or not.

    Args:
        probabilities: ``(N, K)``, of each label by itself, out of sample.
        labels: ``(N, K)``, 0 or 1.
        classes: K names.

    >>> p = [[0.9], [0.8], [0.1], [0.2], [0.95]]
    >>> several_label_errors(p, [[1], [1], [0], [0], [0]], ["dog"]).wrong
    (Suspect(index=4, given='no dog', suggested='dog', quality=0.05...),)
    """
    p, y = np.asarray(probabilities, np.float64), np.asarray(labels)
    each = [
        label_errors(np.stack([1 - p[:, k], p[:, k]], axis=1), (y[:, k] > 0).astype(int), (f"no {name}", name))
        for k, name in enumerate(classes)
    ]
    quality = np.min([found.quality for found in each], axis=0) if each else np.ones(len(p))
    wrong, ambiguous = (
        tuple(sorted((s for found in each for s in getattr(found, name)), key=lambda s: s.quality))
        for name in ("wrong", "ambiguous")
    )
    return LabelErrors(quality, wrong, ambiguous, len(each))


def number_errors(predictions: ArrayLike, targets: ArrayLike, classes: Sequence[str]) -> LabelErrors:
    """The wrong numbers: those further from their out-of-sample prediction than six standard deviations of a residual,
    by the median absolute deviation, which the wrong ones do not widen.

    Args:
        predictions: ``(N, V)``, out of sample.
        targets: ``(N, V)``.
        classes: V names of the values.

    >>> predicted = np.array([[1.1], [2.0], [2.9], [4.2], [5.0]])
    >>> number_errors(predicted, [[1], [2], [3], [4], [50]], ["age"]).wrong
    (Suspect(index=4, given='age 50', suggested='age 5', quality=0.0...),)
    """
    predicted, true = np.asarray(predictions, np.float64), np.asarray(targets, np.float64)
    residual = true - predicted
    z = abs(robust_z(residual)) if residual.size else residual
    quality = 1 / (1 + z.max(axis=1, initial=0) / FAR)
    wrong = tuple(
        Suspect(i, f"{classes[v]} {true[i, v]:.4g}", f"{classes[v]} {predicted[i, v]:.4g}", float(quality[i]))
        for i in np.argsort(quality, kind="stable").tolist()
        if z[i].max(initial=0) > FAR and (v := int(z[i].argmax())) >= 0
    )
    return LabelErrors(quality, wrong)


def mask_errors(ious: ArrayLike) -> LabelErrors:
    """The masks that look wrong: images whose mean IoU is more than four robust standard deviations below the median.

    Args:
        ious: ``(N,)``, of the model's mask and the given one; NaN where nothing is labelled.

    >>> [suspect.index for suspect in mask_errors([0.8, 0.82, 0.79, 0.1, 0.81]).wrong]
    [3]
    """
    iou = np.asarray(ious, np.float64)
    known = np.isfinite(iou)
    z = np.zeros(len(iou))
    if known.any():
        z[known] = robust_z(iou[known])
    quality = np.where(known, iou, 1.0)
    order = [i for i in np.argsort(quality, kind="stable").tolist() if z[i] < -LOW]
    return LabelErrors(quality, tuple(Suspect(i, "its mask", f"mean IoU {iou[i]:.0%}", float(iou[i])) for i in order))


def robust_z(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many standard deviations values are from their median, along the first axis. The standard deviation is 1.4826
    times the median absolute deviation, as that of a normal distribution is; where most are equal, z is 0.

    >>> robust_z(np.array([1.0, 2.0, 3.0, 100.0])).round(1)
    array([-1. , -0.3,  0.3, 65.8])
    """
    away = values - np.median(values, axis=0)
    spread = 1.4826 * np.median(abs(away), axis=0)
    return np.asarray(np.divide(away, spread, out=np.zeros_like(away), where=np.broadcast_to(spread > 0, away.shape)))
