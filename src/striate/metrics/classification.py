"""The metrics of a classifier on held-out data, each with what it takes to believe it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from statistics import NormalDist
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.errors import DataError, printable
from striate.metrics.averages import Averages, averages
from striate.metrics.calibration import brier_score, calibration
from striate.metrics.conformal import Rejection
from striate.metrics.costs import CostScores, cost_matrix, score_costs
from striate.metrics.curves import auc_interval, threshold_curves
from striate.metrics.resampling import Interval
from striate.metrics.shared import (
    WORST,
    ItemError,
    Resampling,
    as_plain,
    bootstrap_interval,
    check_items,
    class_table,
    decimal,
    item_name,
    percent,
    probability_columns,
    share_interval,
)

TOP = 5  # guesses of the top-5 accuracy
MANY = 10  # classes: of more, it is printed


@dataclass(frozen=True)
class ClassScore:
    """One class, or one of several labels: ``n`` items have it; a ratio with nothing below the line is None.

    The intervals of precision and recall are :func:`wilson`'s, that of the area under the ROC curve (this class
    against all others) is :func:`~striate.metrics.curves.auc_interval`.
    """

    name: str
    n: int
    precision: float | None
    recall: float | None
    f1: float | None
    precision_interval: Interval | None = None
    recall_interval: Interval | None = None
    auc: float | None = None
    auc_interval: Interval | None = None
    average_precision: float | None = None


@dataclass(frozen=True)
class Mistake:
    """One wrong prediction, with the probability that the model gave it."""

    index: int
    name: str
    truth: str
    predicted: str
    probability: float


@dataclass(frozen=True, eq=False)
class ClassificationScores:
    """What :func:`score_classification` found.

    Args:
        classes: Names, in the order of the network's outputs.
        n: Items measured.
        accuracy: Share predicted right, 0..1.
        accuracy_interval: 95% interval of the accuracy (:func:`wilson`).
        loss: Mean cross-entropy, in nats.
        per_class: One :class:`ClassScore` a class.
        confusion: ``(K, K)`` counts; rows are the labels, columns the predictions.
        calibration: See :func:`~striate.metrics.calibration.calibration`; ``brier`` is the Brier score; where the
            scores were divided by a ``temperature``, what it was ``before``.
        worst: The mistakes with the highest probability, the highest first; 24 at most.
        targets: int64 ``(N,)``, the label of each item.
        predictions: int64 ``(N,)``, its most probable class.
        probabilities: float64 ``(N,)``, the probability of that.
        losses: float64 ``(N,)``, the cross-entropy of each item, in nats.
        averages: Balanced accuracy, kappa, macro and weighted means, with intervals.
        top5: Share of the items whose label is among the 5 most probable classes; None of 5 classes and fewer.
        top5_interval: Its 95% interval (:func:`wilson`).
        auc: The mean of the classes' areas under the ROC curve, of those that it is defined for.
        log_probabilities: float64 ``(N, K)``, as they were given.
        rejection: Of a model that answers "unknown" below a probability: how often it answers, and how often wrongly.
    """

    classes: tuple[str, ...]
    n: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    loss: float
    per_class: tuple[ClassScore, ...]
    confusion: NDArray[np.int64]
    calibration: dict[str, Any]
    worst: tuple[Mistake, ...]
    targets: NDArray[np.int64]
    predictions: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    losses: NDArray[np.float64]
    averages: Averages
    top5: float | None
    top5_interval: Interval | None
    auc: float | None
    log_probabilities: NDArray[np.float64]
    rejection: Rejection | None = None

    @property
    def right(self) -> int:
        """How many items were predicted right."""
        return int(self.confusion.trace())

    @property
    def balanced_accuracy(self) -> float:
        """The mean recall of the classes that have items (Brodersen et al. 2010)."""
        return self.averages.balanced_accuracy

    @property
    def commonest(self) -> ClassScore:
        """The class with the most items: predicting it always is right ``n / self.n`` of the time."""
        return max(self.per_class, key=lambda c: c.n)

    def confused(self, limit: int = 10) -> list[tuple[str, str, int]]:
        """The most frequent mistakes as ``(label, prediction, times)``, most frequent first."""
        return confused_pairs(self.confusion, self.classes, limit)

    error: ClassVar[ItemError] = ItemError("error rate")

    @property
    def errors(self) -> NDArray[np.float64]:
        """float64 ``(N,)``: 1 where the prediction is wrong, else 0."""
        return np.asarray(self.predictions != self.targets, np.float64)

    def resampled(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """float64 ``(R,)``, the accuracy when item i counts ``times[:, i]`` times; *times* is ``(R, N)``."""
        return np.asarray(1 - times @ self.errors / times.sum(1))

    def _resampled_balanced(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Likewise the balanced accuracy: the mean recall of the classes of which an item counts."""
        of = np.eye(len(self.classes))[self.targets]
        right, items = times @ (of * (self.errors == 0)[:, None]), times @ of
        there = items > 0
        return np.asarray((np.where(there, right / np.maximum(items, 1), 0)).sum(1) / there.sum(1))

    def costs(self, costs: str | ArrayLike) -> CostScores:
        """What the predictions cost: by ``"sick:well=10"`` (:func:`~striate.metrics.costs.cost_matrix`) or a matrix."""
        matrix = cost_matrix(costs, self.classes) if isinstance(costs, str) else costs
        return score_costs(self.log_probabilities, self.targets, matrix, self.classes)

    @property
    def resamplings(self) -> Mapping[str, Resampling]:
        """Of each metric that can be resampled, by name, the function that does it."""
        return {"accuracy": self.resampled, "balanced_accuracy": self._resampled_balanced}

    def item_columns(self) -> dict[str, list[Any]]:
        """``label``, ``prediction``, ``right``, ``probability``, ``loss``; and ``p(NAME)`` of each class."""
        names = np.array(self.classes, object)
        return {
            "label": names[self.targets].tolist(),
            "prediction": names[self.predictions].tolist(),
            "right": (self.errors == 0).astype(int).tolist(),
            "probability": self.probabilities.tolist(),
            "loss": self.losses.tolist(),
            **probability_columns(self.classes, np.exp(self.log_probabilities)),
        }

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON, without every single prediction."""
        return as_plain(self, "classes", "targets", "predictions", "probabilities", "losses", "log_probabilities")

    def headline(self, items: str = "items") -> str:
        low, high = self.accuracy_interval
        count = f"{self.right} of {self.n} {items}"
        return f"accuracy {self.accuracy:.2%} ({count}; 95% interval {low:.1%} to {high:.1%})"

    def _calibration_error(self) -> str:
        """With what it was before, and what it would be of a perfect model."""
        found = self.calibration
        before = (
            f"{percent(found['before']['expected_calibration_error'])} before temperature {found['temperature']:.2f}; "
            if "before" in found
            else ""
        )
        chance = f"{percent(found['by_chance'])} by chance alone"
        return f"{percent(found['expected_calibration_error'])} ({before}{chance})"

    def _answered(self) -> list[str]:
        """How often a model that may say "unknown" answers."""
        found = self.rejection
        if found is None:
            return []
        share = f"answered     {percent(found.coverage, self.n)}  ({found.answered:,} of {self.n:,}; "
        if not found.answered:
            return [f"{share}no probability reaches {found.threshold:.3g})"]
        error = f"{percent(found.error, found.answered)} of the answers are wrong"
        wrong = f"{error}, 95% interval {share_interval(wilson(found.wrong, found.answered))}"
        return [f'{share}{wrong}; below a probability of {found.threshold:.3g} it answers "unknown")']

    def __str__(self) -> str:
        n, (low, high), common = self.n, self.accuracy_interval, self.commonest
        rows = [
            (printable(c.name), f"{c.n:,}", *map(percent, (c.precision, c.recall, c.f1)), decimal(c.auc))
            for c in self.per_class
        ]
        mean, top = self.averages, []
        if self.top5 is not None and self.top5_interval is not None and len(self.classes) > MANY:
            top = [f"top-5        {percent(self.top5, n)}  (95% interval {share_interval(self.top5_interval, n)})"]
        weakness = [np.inf if not c.n else -1.0 if c.f1 is None else c.f1 for c in self.per_class]
        pairs = [
            f"  {printable(label)} -> {printable(predicted)}: {times:,} time{'s' if times > 1 else ''}"
            for label, predicted, times in self.confused()
        ]
        return "\n".join(
            [
                f"accuracy     {percent(self.accuracy, n)}  ({self.right:,} of {n:,}; "
                f"95% interval {percent(low, n)} to {percent(high, n)})",
                *top,
                f"balanced     {percent(mean.balanced_accuracy)}  (mean recall of the classes"
                f"{bootstrap_interval(mean.balanced_accuracy_interval)})",
                f"macro F1     {percent(mean.macro_f1)}  (weighted by items {percent(mean.weighted_f1)}"
                f"{bootstrap_interval(mean.macro_f1_interval)})",
                f"kappa        {decimal(mean.kappa)}  (agreement beyond chance)",
                f"AUC          {decimal(self.auc)}  (mean of the classes, each against the others)",
                f"loss         {self.loss:.4f}  (cross-entropy, nats)",
                f"confidence   {percent(self.calibration['mean_confidence'])} on average, "
                f"calibration error (ECE) {self._calibration_error()}",
                *self._answered(),
                f"majority     {percent(common.n / n, n)}  (always {printable(common.name)!r})",
                "",
                *class_table(("class", "items", "precision", "recall", "F1", "AUC"), rows, weakness, "F1"),
                "",
                *(["most often confused (label -> prediction)", *pairs] if pairs else ["no mistakes"]),
            ]
        )


def score_classification(
    log_probabilities: ArrayLike, targets: ArrayLike, classes: Sequence[str], names: Sequence[str] | None = None
) -> ClassificationScores:
    """Measure a classifier's predictions against the labels.

    Args:
        log_probabilities: ``(N, K)``, the log-softmax of the network's outputs. On a tie the first class wins.
        targets: ``(N,)`` whole numbers, 0..K-1.
        classes: K names.
        names: N names for the items, to list mistakes under (file names, say); else ``"item 17"``.

    Raises:
        DataError: Nothing to measure, shapes that do not fit, a target that is no class, NaN among the
            outputs, or rows that are not the logarithms of probabilities.

    >>> print(score_classification(np.log([[0.9, 0.1], [0.6, 0.4]]), [0, 1], ["cat", "dog"]).accuracy)
    0.5
    """
    log_p = np.asarray(log_probabilities, dtype=np.float64)
    labels = np.asarray(targets)
    _check(log_p, labels, len(classes), names)
    n, k = log_p.shape
    labels = labels.astype(np.int64)  # often uint8, in which labels * k would wrap around
    predicted = log_p.argmax(axis=1)
    confidence = np.exp(log_p.max(axis=1))
    confusion = np.bincount(labels * k + predicted, minlength=k * k).reshape(k, k)
    right = int(confusion.trace())
    losses = -log_p[np.arange(n), labels]

    scores = (
        class_score(name, log_p[:, i], labels == i, int(confusion[i, i]), int(confusion[:, i].sum()))
        for i, name in enumerate(classes)
    )
    per_class = tuple(replace(one, f1=None) if None in (one.precision, one.recall) else one for one in scores)
    areas = [c.auc for c in per_class if c.auc is not None]
    top = int((_rank(log_p, labels) < TOP).sum()) if k > TOP else None

    wrong = np.flatnonzero(predicted != labels)
    surest = wrong[np.argsort(-confidence[wrong], kind="stable")][:WORST].tolist()
    return ClassificationScores(
        classes=tuple(classes),
        n=n,
        accuracy=right / n,
        accuracy_interval=wilson(right, n),
        loss=float(losses.mean()),
        per_class=per_class,
        confusion=confusion,
        calibration=calibration(confidence, predicted == labels) | {"brier": brier_score(log_p, labels)},
        worst=tuple(
            Mistake(i, item_name(i, names), classes[labels[i]], classes[predicted[i]], float(confidence[i]))
            for i in surest
        ),
        targets=labels,
        predictions=predicted,
        probabilities=confidence,
        losses=losses,
        averages=averages(confusion),
        top5=None if top is None else top / n,
        top5_interval=None if top is None else wilson(top, n),
        auc=sum(areas) / len(areas) if areas else None,
        log_probabilities=log_p,
    )


def _rank(log_p: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many classes come before the label in the order of a prediction; on a tie the first class is first."""
    of_label = np.take_along_axis(log_p, labels[:, None], 1)
    earlier = np.arange(log_p.shape[1]) < labels[:, None]
    return np.asarray(((log_p > of_label) | ((log_p == of_label) & earlier)).sum(1))


def confused_pairs(confusion: NDArray[np.int64], classes: Sequence[str], limit: int) -> list[tuple[str, str, int]]:
    """The largest counts off the diagonal as ``(label, prediction, times)``, the largest first."""
    wrong = confusion - np.diag(np.diag(confusion))
    order = np.argsort(-wrong, axis=None, kind="stable")[:limit]
    pairs = [divmod(int(cell), len(classes)) for cell in order]
    return [(classes[i], classes[j], int(wrong[i, j])) for i, j in pairs if wrong[i, j]]


def wilson(right: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The score interval of a proportion: honest for few items and near 0 or 1, where p ± 1.96 s is not.

    ``(p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)``: E. B. Wilson, "Probable inference, the law of
    succession, and statistical inference", J. Am. Stat. Assoc. 22 (1927), 209-212.

    >>> "{:.4f} {:.4f}".format(*wilson(10, 10))
    '0.7225 1.0000'
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    p = right / n
    middle = p + z * z / (2 * n)
    half = z * sqrt(p * (1 - p) / n + (z / (2 * n)) ** 2)
    scale = 1 + z * z / n
    # At 0 of n and n of n an end is p itself; rounding must not push it past.
    return min(p, max(0.0, (middle - half) / scale)), max(p, min(1.0, (middle + half) / scale))


def class_score(
    name: str, scores: NDArray[np.float64], true: NDArray[np.bool_], right: int, predicted: int
) -> ClassScore:
    """One class by the *scores* ``(N,)`` for it, which items have it, *true* ``(N,)``, how many were *predicted* to
    have it, and how many of these are *right*.
    """
    curves = threshold_curves(scores, true)
    n, auc = curves.positives, curves.auc
    return ClassScore(
        name,
        n,
        share(right, predicted),
        share(right, n),
        share(2 * right, n + predicted),
        wilson(right, predicted) if predicted else None,
        wilson(right, n) if n else None,
        auc,
        None if auc is None else auc_interval(auc, n, curves.negatives),
        curves.average_precision,
    )


def share(part: float, whole: float) -> float | None:
    """*part* of the *whole*; None where that is 0."""
    return float(part / whole) if whole else None


def _check(log_p: NDArray[np.float64], labels: NDArray[Any], k: int, names: Sequence[str] | None) -> None:
    if log_p.ndim != 2 or log_p.shape[1] != k:
        raise DataError(
            f"the network's outputs have shape {list(log_p.shape)}, expected [N, {k}]: a row per item, "
            f"a number for each of the {k} classes"
        )
    n = len(log_p)
    if labels.shape != (n,):
        raise DataError(
            f"{n} predictions, but targets of shape {list(labels.shape)}: expected one target per item, [{n}]"
        )
    check_items(n, names, int(np.isnan(log_p).any(axis=1).sum()))
    if labels.dtype.kind not in "iu":
        raise DataError(f"targets are {labels.dtype}, expected whole numbers: each item's class, 0 to {k - 1}")
    outside = np.flatnonzero((labels < 0) | (labels >= k))
    if len(outside):
        i = outside[0]
        raise DataError(
            f"{len(outside)} of {n} targets are outside 0 to {k - 1}, the first is {labels[i]} (item {i}): "
            f"the network has {k} classes; number the labels from 0"
        )
    # a forgotten softmax gives a plausible accuracy and a meaningless loss, so it is an error
    with np.errstate(over="ignore"):
        total = np.exp(log_p).sum(axis=1)
    off = np.flatnonzero(~(abs(total - 1) < 0.02))  # wide enough for half precision over 1,000 classes
    if len(off):
        raise DataError(
            f"item {off[0]}: the outputs are not logarithms of probabilities (these sum to {total[off[0]]:.4g}, "
            "expected 1); take the log-softmax of the network's outputs first"
        )
