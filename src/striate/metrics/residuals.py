"""What predicted numbers are worth beyond their mean error: their order, and whether they are right on average."""

from __future__ import annotations

from dataclasses import dataclass
from math import atanh, sqrt, tanh
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from striate.metrics.resampling import Interval, drawings, middle, resamples_of

Floats = NDArray[np.float64]
GROUPS = 10  # of items by their prediction


@dataclass(frozen=True)
class QuantileGroup:
    """The items whose predictions lie between two quantiles: calibrated, where ``target`` is ``prediction``.

    Args:
        n: Items.
        prediction: The mean of their predictions.
        target: The mean of their targets.
        error: The standard error of ``target - prediction``; None of one item.
    """

    n: int
    prediction: float
    target: float
    error: float | None


def quantile_groups(predictions: Floats, targets: Floats, groups: int = GROUPS) -> tuple[QuantileGroup, ...]:
    """Calibration by quantiles: items in the order of their predictions ``(N,)``, in so many groups of equal size.

    Equal predictions may come into two groups; of fewer items than groups each is one.

    >>> [(g.prediction, g.target) for g in quantile_groups(np.array([1.0, 2, 3, 4]), np.array([1.0, 1, 5, 5]), 2)]
    [(1.5, 1.0), (3.5, 5.0)]
    """
    order = np.argsort(predictions, kind="stable")
    parts = np.array_split(order, min(groups, len(order)))
    return tuple(
        QuantileGroup(
            len(part),
            float(predictions[part].mean()),
            float(targets[part].mean()),
            float((targets - predictions)[part].std(ddof=1)) / sqrt(len(part)) if len(part) > 1 else None,
        )
        for part in parts
    )


def spearman(x: Floats, y: Floats) -> float | None:
    """Spearman's rank correlation: Pearson's of the ranks, equal values at their mean rank. None where one of the two
    never varies.

    >>> spearman(np.array([1.0, 2, 3, 4]), np.array([1.0, 4, 9, 16]))
    1.0
    """
    a, b = (ranks(values) - (len(values) + 1) / 2 for values in (x, y))
    below = sqrt(float(a @ a) * float(b @ b))
    return min(1.0, max(-1.0, float(a @ b) / below)) if below else None


def ranks(values: Floats) -> Floats:
    """From 1; equal values have the mean of theirs.

    >>> ranks(np.array([10.0, 30, 10, 20]))
    array([1.5, 4. , 1.5, 3. ])
    """
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean: Floats = (last - (counts - 1) / 2)[which]
    return mean


def spearman_interval(r: float, n: int, level: float = 0.95) -> Interval:
    """``tanh(atanh r +- z sqrt((1 + r^2 / 2) / (n - 3)))``: D. G. Bonett, T. A. Wright, "Sample size requirements for
    estimating Pearson, Kendall and Spearman correlations", Psychometrika 65 (2000). Of 3 items and fewer: anything.

    >>> "{:.3f} {:.3f}".format(*spearman_interval(0.5, 30))
    '0.148 0.740'
    """
    if n <= 3 or abs(r) == 1:
        return (-1.0, 1.0) if n <= 3 else (r, r)
    half = NormalDist().inv_cdf((1 + level) / 2) * sqrt((1 + r * r / 2) / (n - 3))
    return tanh(atanh(r) - half), tanh(atanh(r) + half)


def r2_intervals(predictions: Floats, targets: Floats) -> tuple[Interval | None, ...]:
    """95% interval of the coefficient of determination of each value, both ``(N, V)``: a bootstrap over the items
    (Efron 1979), of all values on the same drawings. None where the targets never vary.

    >>> y = np.arange(50.0)[:, None]
    >>> r2_intervals(y, y), r2_intervals(y, 0 * y)
    (((1.0, 1.0),), (None,))
    """
    n, true = len(targets), targets - targets.mean(axis=0)
    squares, whole = true**2, (true**2).sum(axis=0)
    found = []
    for times in drawings(n, resamples_of(n)):
        spread = times @ squares - (times @ true) ** 2 / n
        there = spread > 1e-12 * whole  # the same item n times has no variance to be explained
        ratio = times @ (targets - predictions) ** 2 / np.where(there, spread, 1)
        found.append(np.where(there, 1 - ratio, np.nan))
    ends = map(middle, np.concatenate(found).T)
    return tuple(None if np.isnan(low) else (low, high) for low, high in ends)
