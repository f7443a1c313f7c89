"""The figures of a classifier on held-out data, each with what it takes to believe it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.errors import DataError
from striate.metrics.calibration import calibration
from striate.metrics.text import summary

WORST = 24  # mistakes kept: as many as a page of pictures can hold and a person will look at


@dataclass(frozen=True)
class ClassScore:
    """One class: ``n`` items have it as their truth; a ratio with nothing below the line is None."""

    name: str
    n: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True)
class Mistake:
    """One wrong answer: ``probability`` is what the model gave the class that it answered."""

    index: int
    name: str
    truth: str
    predicted: str
    probability: float


@dataclass(frozen=True, eq=False)
class Scores:
    """What :func:`score` found.

    Args:
        classes: Names, in the order of the network's outputs.
        n: Items measured.
        accuracy: Share answered right, 0..1.
        accuracy_interval: 95 % interval of the accuracy (:func:`wilson`).
        loss: Mean cross-entropy, in nats.
        per_class: One :class:`ClassScore` a class.
        confusion: ``(K, K)`` counts; rows are the truth, columns the answer.
        calibration: See :func:`striate.metrics.calibration.calibration`.
        worst: The mistakes that the model was surest of, surest first; 24 at most.
    """

    classes: tuple[str, ...]
    n: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    loss: float
    per_class: tuple[ClassScore, ...]
    confusion: NDArray[np.int64]
    calibration: dict[str, float]
    worst: tuple[Mistake, ...]

    @property
    def right(self) -> int:
        """How many items were answered right."""
        return int(self.confusion.trace())

    @property
    def commonest(self) -> ClassScore:
        """The class with the most items: answering it always is right ``n / self.n`` of the time."""
        return max(self.per_class, key=lambda c: c.n)

    def confused(self, limit: int = 10) -> list[tuple[str, str, int]]:
        """The most frequent mistakes as ``(truth, answer, times)``, most frequent first."""
        return confused(self.confusion, self.classes, limit)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, ready for JSON; an infinite loss, which JSON has no word for, is None."""
        return {
            "n": self.n,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "loss": self.loss if np.isfinite(self.loss) else None,
            "per_class": [asdict(c) for c in self.per_class],
            "confusion": self.confusion.tolist(),
            "calibration": dict(self.calibration),
            "worst": [asdict(m) for m in self.worst],
        }

    def __str__(self) -> str:
        return summary(self)


def score(
    log_probabilities: ArrayLike, targets: ArrayLike, classes: Sequence[str], names: Sequence[str] | None = None
) -> Scores:
    """Measure a classifier's answers against the truth.

    Args:
        log_probabilities: ``(N, K)``, the log-softmax of the network's outputs. On a tie the first class wins.
        targets: ``(N,)`` whole numbers, 0..K-1.
        classes: K names.
        names: N names for the items, to list mistakes under (file names, say); else ``"item 17"``.

    Raises:
        DataError: Nothing to measure, shapes that do not fit, a target that is no class, NaN among the
            answers, or rows that are not the logarithms of probabilities.

    >>> print(score(np.log([[0.9, 0.1], [0.6, 0.4]]), [0, 1], ["cat", "dog"]).accuracy)
    0.5
    """
    log_p = np.asarray(log_probabilities, dtype=np.float64)
    truth = np.asarray(targets)
    _check(log_p, truth, len(classes), names)
    n, k = log_p.shape
    truth = truth.astype(np.int64)  # labels are often uint8, in which truth * k would wrap around
    answer = log_p.argmax(axis=1)
    confidence = np.exp(log_p.max(axis=1))
    confusion = np.bincount(truth * k + answer, minlength=k * k).reshape(k, k)
    right = int(confusion.trace())

    wrong = np.flatnonzero(answer != truth)
    surest = wrong[np.argsort(-confidence[wrong], kind="stable")][:WORST].tolist()
    return Scores(
        classes=tuple(classes),
        n=n,
        accuracy=right / n,
        accuracy_interval=wilson(right, n),
        loss=float(-log_p[np.arange(n), truth].mean()),
        per_class=tuple(_class_score(name, i, confusion) for i, name in enumerate(classes)),
        confusion=confusion,
        calibration=calibration(confidence, answer == truth),
        worst=tuple(
            Mistake(i, names[i] if names else f"item {i}", classes[truth[i]], classes[answer[i]], float(confidence[i]))
            for i in surest
        ),
    )


def confused(confusion: NDArray[np.int64], classes: Sequence[str], limit: int) -> list[tuple[str, str, int]]:
    """The largest counts off the diagonal as ``(truth, answer, times)``, the largest first."""
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


def _class_score(name: str, i: int, confusion: NDArray[np.int64]) -> ClassScore:
    hits, n, predicted = (int(v) for v in (confusion[i, i], confusion[i].sum(), confusion[:, i].sum()))
    precision = hits / predicted if predicted else None
    recall = hits / n if n else None
    f1 = 2 * hits / (n + predicted) if n and predicted else None
    return ClassScore(name, n, precision, recall, f1)


def _check(log_p: NDArray[np.float64], truth: NDArray[Any], k: int, names: Sequence[str] | None) -> None:
    if log_p.ndim != 2 or log_p.shape[1] != k:
        raise DataError(
            f"the network's answers have shape {list(log_p.shape)}, wanted [N, {k}]: a row an item, "
            f"a number for each of the {k} classes"
        )
    n = len(log_p)
    if truth.shape != (n,):
        raise DataError(f"{n} answers, but targets of shape {list(truth.shape)}: wanted one target an item, [{n}]")
    if n == 0:
        raise DataError("there are no items to measure: the part of the data that was asked for is empty")
    if truth.dtype.kind not in "iu":
        raise DataError(f"targets are {truth.dtype}, wanted whole numbers: each item's class, 0 to {k - 1}")
    if names is not None and len(names) != n:
        raise DataError(f"{n} answers, but {len(names)} names: give one name an item, or none")
    outside = np.flatnonzero((truth < 0) | (truth >= k))
    if len(outside):
        i = outside[0]
        raise DataError(
            f"{len(outside)} of {n} targets are outside 0 to {k - 1}, the first is {truth[i]} (item {i}): "
            f"the network has {k} classes; number the labels from 0"
        )
    broken = int(np.isnan(log_p).any(axis=1).sum())
    if broken:
        raise DataError(f"the network answers NaN for {broken} of {n} items: it has diverged; lower the learning rate")
    _check_sums(log_p)


def _check_sums(log_p: NDArray[np.float64]) -> None:
    """Forgotten softmax gives a plausible accuracy and a meaningless loss, so it is an error."""
    with np.errstate(over="ignore"):
        total = np.exp(log_p).sum(axis=1)
    off = np.flatnonzero(~(abs(total - 1) < 0.02))  # wide enough for half precision over 1,000 classes
    if len(off):
        raise DataError(
            f"item {off[0]}: the answers are not logarithms of probabilities (these sum to {total[off[0]]:.4g}, "
            "wanted 1); take the log-softmax of the network's outputs first"
        )
