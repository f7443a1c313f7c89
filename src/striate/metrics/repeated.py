"""Several runs of the same training: their mean, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import atan, cos, fsum, inf, pi, sin, sqrt
from statistics import NormalDist
from typing import Any

from striate.errors import RecipeError
from striate.metrics.shared import as_plain


@dataclass(frozen=True)
class Spread:
    """A metric of several runs.

    Args:
        values: Of each run.
        mean: Of them.
        std: Of them, with n - 1 below the line; None of a single one.
        interval: 95% interval of the mean; None of a single one.
    """

    values: tuple[float, ...]
    mean: float
    std: float | None
    interval: tuple[float, float] | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return as_plain(self)


def spread_of(values: Sequence[float], *, folds: bool = False, level: float = 0.95) -> Spread:
    """The mean of *values* with its interval by Student's t.

    Args:
        values: A metric of several runs.
        folds: Whether each run was tested on another fold of the same items. Their trainings share most of the items,
            so their mean is less sure than that of independent runs: the variance is multiplied by 1/k + 1/(k - 1)
            instead of 1/k (C. Nadeau and Y. Bengio 2003, "Inference for the Generalization Error").
        level: Of the interval.

    Raises:
        RecipeError: There is no value.

    >>> found = spread_of([0.96, 0.97, 0.98])
    >>> round(found.mean, 3), round(found.std, 3), [round(end, 4) for end in found.interval]
    (0.97, 0.01, [0.9452, 0.9948])
    """
    n = len(values)
    if not n:
        raise RecipeError("there are no runs to take the mean of")
    mean = fsum(values) / n
    if n == 1:
        return Spread(tuple(values), mean, None, None)
    std = sqrt(fsum((value - mean) ** 2 for value in values) / (n - 1))
    half = student_t((1 + level) / 2, n - 1) * std * sqrt(1 / n + (1 / (n - 1) if folds else 0))
    return Spread(tuple(values), mean, std, (mean - half, mean + half))


@lru_cache
def student_t(p: float, freedom: int) -> float:
    """The value that Student's t of so many degrees of *freedom* is below with probability *p*, 0 < p < 1.

    >>> round(student_t(0.975, 4), 4)
    2.7764
    """
    if p == 0.5:
        return 0.0
    if p < 0.5:
        return -student_t(1 - p, freedom)
    low, high = 0.0, 1.0
    while _student(high, freedom) < p and high < inf:
        low, high = high, 2 * high
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _student(middle, freedom) < p else (low, middle)
    return high


def _student(t: float, freedom: int) -> float:
    """The probability of being below *t*, above 0 (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4)."""
    if freedom > MANY:  # by the normal distribution, 26.7.8
        return NormalDist().cdf(t * (1 - 1 / (4 * freedom)) / sqrt(1 + t * t / (2 * freedom)))
    angle = atan(t / sqrt(freedom))
    odd, total = freedom % 2, 0.0
    term = cos(angle) if odd else 1.0
    for i in range(1 + odd, freedom, 2):
        total += term
        term *= i / (i + 1) * cos(angle) ** 2
    return 0.5 + ((angle + sin(angle) * total) / pi if odd else sin(angle) * total / 2)


MANY = 2000  # degrees of freedom
