"""The metrics of a model that gives any number of labels to an item."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.errors import DataError, printable
from striate.metrics.classification import ClassScore, class_score, share, wilson
from striate.metrics.resampling import Interval, drawings, middle, resamples_of
from striate.metrics.shared import (
    WORST,
    ItemError,
    Resampling,
    as_plain,
    bootstrap_interval,
    check_table,
    class_table,
    decimal,
    item_name,
    percent,
    probability_columns,
)


@dataclass(frozen=True)
class LabelMistake:
    """An item whose labels were not all right, and its loss: the mean binary cross-entropy of its labels, in nats."""

    index: int
    name: str
    truth: tuple[str, ...]
    predicted: tuple[str, ...]
    loss: float


@dataclass(frozen=True, eq=False)
class MultilabelScores:
    """What :func:`score_multilabel` found.

    Args:
        classes: The labels' names, in the order of the network's outputs.
        n: Items measured.
        subset_accuracy: Share of the items of which every label is right, 0..1.
        subset_accuracy_interval: Its 95% interval (:func:`~striate.metrics.classification.wilson`).
        loss: Mean binary cross-entropy over items and labels, in nats.
        macro_f1: The mean of the labels' F1; of those that targets or predictions have.
        micro_precision: Of all the labels that were predicted, the share that is right; None where none was.
        micro_recall: Of all the labels that items have, the share that was predicted; None where none is.
        micro_f1: The harmonic mean of the two.
        mean_average_precision: The mean of the labels' average precision; of those that some item has.
        per_class: One :class:`~striate.metrics.classification.ClassScore` a label.
        worst: The items that are not all right with the highest loss, the highest first; 24 at most.
        logits: float64 ``(N, K)``, the log-odds of each label.
        targets: bool ``(N, K)``, which labels each item has.
        auc: The mean of the labels' areas under the ROC curve, of those that it is defined for.
    """

    classes: tuple[str, ...]
    n: int
    subset_accuracy: float
    subset_accuracy_interval: tuple[float, float]
    loss: float
    macro_f1: float
    micro_precision: float | None
    micro_recall: float | None
    micro_f1: float | None
    mean_average_precision: float | None
    per_class: tuple[ClassScore, ...]
    worst: tuple[LabelMistake, ...]
    logits: NDArray[np.float64]
    targets: NDArray[np.bool_]
    auc: float | None

    @property
    def right(self) -> int:
        """How many items have every label right."""
        return round(self.subset_accuracy * self.n)

    error: ClassVar[ItemError] = ItemError("labels wrong")

    @property
    def errors(self) -> NDArray[np.float64]:
        """float64 ``(N,)``, the share of an item's labels that are wrong."""
        return np.asarray(((self.logits >= 0) != self.targets).mean(1))

    def resampled(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """float64 ``(R,)``, the mean AP when item i counts ``times[:, i]`` times; *times* is ``(R, N)``."""
        counts = np.ascontiguousarray(times.T, np.float32)
        each = np.stack([label.resampled(counts) for label in self._rankings])
        there = ~np.isnan(each)
        return np.asarray(np.where(there, each, 0).sum(0) / np.maximum(there.sum(0), 1))

    @cached_property
    def _rankings(self) -> tuple[PrecisionRanking, ...]:
        """Of each label, its items in order, sorted once for all resamplings."""
        return tuple(PrecisionRanking.of(z, true) for z, true in zip(self.logits.T, self.targets.T, strict=True))

    @cached_property
    def mean_average_precision_interval(self) -> Interval | None:
        """95% interval of the mean AP, a bootstrap over the items (Efron 1979); None where no item has any label."""
        return None if self.mean_average_precision is None else self._interval(self.resampled)

    @cached_property
    def macro_f1_interval(self) -> Interval:
        """Likewise of the macro F1."""
        said, right = self.logits >= 0, (self.logits >= 0) & self.targets

        def macro(times: NDArray[np.float64]) -> NDArray[np.float64]:
            below = times @ (said.astype(np.float64) + self.targets)
            there = below > 0
            return np.asarray((2 * (times @ right) / np.maximum(below, 1)).sum(1) / np.maximum(there.sum(1), 1))

        return self._interval(macro)

    def _interval(self, metric: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Interval:
        draws = drawings(self.n, resamples_of(self.logits.size))
        return middle(np.concatenate([metric(times) for times in draws]))

    @property
    def resamplings(self) -> Mapping[str, Resampling]:
        """Of each metric that can be resampled, by name, the function that does it."""
        return {"mean_average_precision": self.resampled}

    def item_columns(self) -> dict[str, list[Any]]:
        """``labels`` and ``prediction``, separated by ``;``, ``right``, and every label's probability, ``p(NAME)``."""
        return {
            "labels": [";".join(_present(row, self.classes)) for row in self.targets],
            "prediction": [";".join(_present(row, self.classes)) for row in self.logits >= 0],
            "right": (self.errors == 0).astype(int).tolist(),
            **probability_columns(self.classes, 1 / (1 + np.exp(-self.logits.clip(-700, 700)))),
        }

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON, without every single prediction."""
        found = as_plain(self, "logits", "targets")
        for name in ("macro_f1_interval", "mean_average_precision_interval"):
            interval = getattr(self, name)
            found[name] = None if interval is None else list(interval)
        return found

    def headline(self, items: str = "items") -> str:
        count = f"macro F1 {self.macro_f1:.2%}; every label right: {self.right} of {self.n} {items}"
        return f"mean average precision {self.mean_average_precision or 0.0:.2%} ({count})"

    def __str__(self) -> str:
        low, high = self.subset_accuracy_interval
        rows = [
            (
                printable(c.name),
                f"{c.n:,}",
                *map(percent, (c.precision, c.recall, c.f1, c.average_precision)),
                decimal(c.auc),
            )
            for c in self.per_class
        ]
        weakness = [c.f1 or 0.0 for c in self.per_class]
        between = self.mean_average_precision_interval
        mean_ap = bootstrap_interval(between) if between else ""
        return "\n".join(
            [
                f"mean AP           {percent(self.mean_average_precision)}  (mean of the labels' AP{mean_ap})",
                f"AUC               {decimal(self.auc)}  (the mean of the labels' areas under the ROC curve)",
                f"macro F1          {percent(self.macro_f1)}  (the mean of the labels' F1"
                f"{bootstrap_interval(self.macro_f1_interval)})",
                f"micro F1          {percent(self.micro_f1)}  (precision {percent(self.micro_precision)}, "
                f"recall {percent(self.micro_recall)} over all labels)",
                f"all labels right  {percent(self.subset_accuracy, self.n)}  ({self.right:,} of {self.n:,}; "
                f"95% interval {percent(low, self.n)} to {percent(high, self.n)})",
                f"loss              {self.loss:.4f}  (binary cross-entropy, nats)",
                "",
                *class_table(("label", "n", "precision", "recall", "F1", "AP", "AUC"), rows, weakness, "F1"),
            ]
        )


def score_multilabel(
    logits: ArrayLike, targets: ArrayLike, classes: Sequence[str], names: Sequence[str] | None = None
) -> MultilabelScores:
    """Measure the predicted labels of every item against its own.

    Args:
        logits: ``(N, K)``, each label's log-odds; a label is predicted from a probability of a half on.
        targets: ``(N, K)``, 0 or 1.
        classes: K names.
        names: N names for the items; else ``"item 17"``.

    Raises:
        DataError: Nothing to measure, shapes that do not fit, targets other than 0 and 1, or NaN.

    >>> score_multilabel([[2, -3], [1, 4]], [[1, 0], [0, 1]], ["cat", "dog"]).subset_accuracy
    0.5
    """
    z, present = check_table(logits, targets, classes, names)
    if not np.isin(present, (0, 1)).all():
        raise DataError(f"the targets of several labels must be 0 or 1, got {present[~np.isin(present, (0, 1))][0]:g}")
    predicted, true = z >= 0, present > 0
    right, positives, n = (predicted & true).sum(0), predicted.sum(0), true.sum(0)
    losses = (np.logaddexp(0, z) - z * present).mean(1)
    every = (predicted == true).all(1)
    wrong = np.flatnonzero(~every)
    per_class = tuple(
        class_score(name, z[:, i], true[:, i], int(right[i]), int(positives[i])) for i, name in enumerate(classes)
    )

    return MultilabelScores(
        classes=tuple(classes),
        n=len(z),
        subset_accuracy=float(every.mean()),
        subset_accuracy_interval=wilson(int(every.sum()), len(z)),
        loss=float(losses.mean()),
        macro_f1=_mean([c.f1 for c in per_class]) or 0.0,
        micro_precision=share(right.sum(), positives.sum()),
        micro_recall=share(right.sum(), n.sum()),
        micro_f1=share(2 * right.sum(), positives.sum() + n.sum()),
        mean_average_precision=_mean([c.average_precision for c in per_class]),
        per_class=per_class,
        worst=tuple(
            LabelMistake(
                i, item_name(i, names), _present(true[i], classes), _present(predicted[i], classes), float(losses[i])
            )
            for i in wrong[np.argsort(-losses[wrong], kind="stable")][:WORST].tolist()
        ),
        logits=z,
        targets=true,
        auc=_mean([c.auc for c in per_class]),
    )


def _present(row: NDArray[np.bool_], classes: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name, there in zip(classes, row, strict=True) if there)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else None


@dataclass(frozen=True, eq=False)
class PrecisionRanking:
    """The items of one label by falling score, from which the average precision of any resampling is two sums.

    Args:
        items: int ``(M,)``, in order, up to the last of a score that a positive item has.
        starts: int ``(T,)``, where in *items* begins what a threshold adds: those scores that a positive item has.
        positives: int ``(P,)``, the positive items in that order.
        begins: int ``(T,)``, likewise in *positives*.
    """

    items: NDArray[np.int64]
    starts: NDArray[np.int64]
    positives: NDArray[np.int64]
    begins: NDArray[np.int64]

    @classmethod
    def of(cls, scores: NDArray[np.float64], true: NDArray[np.bool_]) -> PrecisionRanking:
        """Of *scores* ``(N,)`` against *true* ``(N,)``."""
        order = np.argsort(-scores, kind="stable")
        ordered, hit = scores[order], np.flatnonzero(true[order])
        begins = np.flatnonzero(np.diff(ordered[hit], prepend=np.inf))  # the first positive of each equal score
        ends = np.searchsorted(-ordered, -ordered[hit[begins]], "right")  # where its run of equal scores is over
        last = int(ends[-1]) if len(ends) else 0
        return cls(order[:last], np.r_[0, ends[:-1]][: len(ends)], order[hit], begins)

    def resampled(self, counts: NDArray[np.float32]) -> NDArray[np.float64]:
        """float64 ``(R,)``: the average precision when item i counts ``counts[i]`` times; *counts* is ``(N, R)``. NaN:
        nothing is positive.

        >>> ranking = PrecisionRanking.of(np.array([3.0, 2.0, 1.0]), np.array([True, False, True]))
        >>> ranking.resampled(np.array([[1.0], [0.0], [2.0]], np.float32))
        array([1.])
        """
        if not len(self.starts):
            return np.full(counts.shape[1], np.nan)
        hits = np.add.reduceat(counts[self.positives], self.begins, axis=0).astype(np.float64)
        called = np.add.reduceat(counts[self.items], self.starts, axis=0).astype(np.float64).cumsum(axis=0)
        with np.errstate(invalid="ignore"):
            found = (hits * hits.cumsum(axis=0) / np.maximum(called, 1)).sum(axis=0) / hits.sum(axis=0)
        return np.asarray(found)
