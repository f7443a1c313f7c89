"""A score against a yes or no at every threshold: ROC and precision-recall curves, the areas under them."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ThresholdCurves:
    """Both curves of one class against the others, from the highest threshold down; equal scores are one threshold.

    Args:
        thresholds: float64 ``(T,)``, falling: what scores this or more is called positive.
        hits: float64 ``(T,)``, positives found until there.
        alarms: Likewise, negatives that were called positive.
        positives: Of all items.
        negatives: Likewise.
    """

    thresholds: Floats
    hits: Floats
    alarms: Floats
    positives: int
    negatives: int

    @property
    def roc(self) -> tuple[Floats, Floats]:
        """The share of the negatives that are called positive, and of the positives that are found; from (0, 0)."""
        return np.r_[0.0, self.alarms] / self.negatives, np.r_[0.0, self.hits] / self.positives

    @property
    def precision_recall(self) -> tuple[Floats, Floats]:
        """Of what is called positive the share that is, and of the positives the share found."""
        return self.hits / (self.hits + self.alarms), self.hits / self.positives

    @property
    def auc(self) -> float | None:
        """The area under the ROC curve: how often a positive scores more than a negative, ties half (Hanley and McNeil
        1982); None where there are none of either.
        """
        if not self.positives or not self.negatives:
            return None
        alarms, hits = self.roc
        return float((np.diff(alarms) * (hits[1:] + hits[:-1])).sum() / 2)

    @property
    def average_precision(self) -> float | None:
        """``sum (recall_i - recall_{i-1}) precision_i``, without any interpolation; None without positives."""
        if not self.positives:
            return None
        precision, recall = self.precision_recall
        return float((np.diff(recall, prepend=0) * precision).sum())


def threshold_curves(scores: Floats, true: NDArray[np.bool_]) -> ThresholdCurves:
    """The curves of *scores* ``(N,)`` against *true* ``(N,)``, N at least 1.

    >>> curves = threshold_curves(np.array([3.0, 2.0, 1.0]), np.array([True, False, True]))
    >>> curves.auc, round(curves.average_precision, 3)
    (0.5, 0.833)
    """
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    hits = np.cumsum(true[order], dtype=np.float64)
    last = np.flatnonzero(np.r_[ordered[1:] != ordered[:-1], True])  # the end of each run of equal scores
    return ThresholdCurves(ordered[last], hits[last], last + 1 - hits[last], int(hits[-1]), len(scores) - int(hits[-1]))


def average_precision(scores: Floats, true: NDArray[np.bool_]) -> float:
    """The area under precision over recall of *scores* ``(N,)`` against *true* ``(N,)``, of which some are.

    >>> average_precision(np.array([3.0, 2.0, 1.0]), np.array([True, False, True]))  # doctest: +ELLIPSIS
    0.833...
    """
    return threshold_curves(scores, true).average_precision or 0.0


def auc_interval(auc: float, positives: int, negatives: int, level: float = 0.95) -> tuple[float, float]:
    """The score interval of an area under the ROC curve: what Wilson's is of a share, honest at 1 too.

    The areas t with ``|auc - t| <= z s(t)``, of Hanley and McNeil's variance with equal numbers in its exponents,
    ``s(t)^2 = t (1-t) (1 + (m-1) ((1-t)/(2-t) + t/(1+t))) / (p n)``, m the mean of p and n: R. G. Newcombe,
    "Confidence intervals for an effect size measure based on the Mann-Whitney statistic", Statistics in Medicine 25
    (2006), part 2, method 5.

    >>> "{:.3f} {:.3f}".format(*auc_interval(1.0, 20, 20))
    '0.899 1.000'
    """
    z, m = NormalDist().inv_cdf((1 + level) / 2), (positives + negatives) / 2

    def far(t: float) -> bool:
        variance = t * (1 - t) * (1 + (m - 1) * ((1 - t) / (2 - t) + t / (1 + t))) / (positives * negatives)
        return abs(auc - t) > z * sqrt(variance)

    def end(outside: float) -> float:
        inside = auc
        for _ in range(50):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if far(middle) else (middle, outside)
        return inside

    return (end(0.0) if auc > 0 else 0.0), (end(1.0) if auc < 1 else 1.0)
