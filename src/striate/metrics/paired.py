"""Is the second model better than the first, on the same items? Exact for shares of right answers, a bootstrap for the
other metrics; and how many items would be needed where the answer is that nobody can tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.errors import DataError, nearest
from striate.metrics.repeated import student_t
from striate.metrics.resampling import RESAMPLES, drawings, middle
from striate.metrics.shared import Scores, as_plain
from striate.tasks.task import Metric

LEVEL, POWER = 0.95, 0.8  # of the interval; of a study that would find the difference that was seen
FEWEST = 3  # groups of which an interval says something
EXACT, BOOTSTRAP = "McNemar's exact test", "paired bootstrap"


@dataclass(frozen=True)
class PairedDifference:
    """The second model less the first, on the same items.

    Args:
        metric: What is compared.
        n: Items.
        first: The metric of the first model.
        second: Of the second.
        interval: 95% interval of the difference.
        p: How often chance alone makes a difference as large, if there is none.
        better: Items that the second model answers better.
        worse: Items that it answers worse.
        needed: Items at which a difference as large as this would be found in four of five studies; None where none
            was seen.
        test: How *p* was computed.
    """

    metric: Metric
    n: int
    first: float
    second: float
    interval: tuple[float, float]
    p: float
    better: int
    worse: int
    needed: int | None
    test: str

    @property
    def difference(self) -> float:
        """Of the metric: second less first."""
        return self.second - self.first

    @property
    def verdict(self) -> str:
        """Of the second model: ``"better"``, ``"worse"`` or ``"not distinguishable"``."""
        if self.p >= 1 - LEVEL:
            return "not distinguishable"
        return "better" if (self.difference > 0) == self.metric.higher_is_better else "worse"

    def sentence(self, first: str = "the first", second: str = "the second", items: str = "items") -> str:
        """The verdict in words, with the models' names."""
        change = self.metric.change(abs(self.difference)).lstrip("+")
        if self.verdict != "not distinguishable":
            low, high = sorted(abs(end) for end in self.interval)
            ends = " to ".join(self.metric.change(end).strip("+ points") for end in (low, high))
            return f"{second} is {self.verdict} than {first}, by {change} (95% interval {ends}; p = {self.p:.2g})"
        if not self.better and not self.worse:
            return f"not distinguishable: {first} and {second} are right and wrong on the same {self.n:,} {items}"
        more = f"; to show a difference of {change}, about {self.needed:,} would be needed" if self.needed else ""
        return f"not distinguishable with these {self.n:,} {items}{more}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        flips = {"better": self.better, "worse": self.worse}
        about = {"metric": self.metric.name, "difference": self.difference, "flips": flips, "verdict": self.verdict}
        return about | as_plain(self, "metric", "better", "worse")


def compare_right(first: NDArray[np.bool_], second: NDArray[np.bool_], metric: Metric) -> PairedDifference:
    """Two models by which of the same items each has right, both ``(N,)``: McNemar's exact test.

    The interval is Tango's (:func:`tango_interval`), extended to 0 in the few cases in which the exact test, which is
    the stricter one, finds no difference.

    >>> from striate.tasks import CLASSIFICATION
    >>> first = np.arange(100) < 80
    >>> compare_right(first, first, CLASSIFICATION.metric).verdict
    'not distinguishable'
    >>> compare_right(first, np.arange(100) < 90, CLASSIFICATION.metric).verdict
    'better'
    """
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    n = _paired(len(first), len(second))
    better, worse = int((second & ~first).sum()), int((first & ~second).sum())
    p = mcnemar(better, worse)
    apart, changed = (better - worse) / n, (better + worse) / n
    z, power = NormalDist().inv_cdf((1 + LEVEL) / 2), NormalDist().inv_cdf(POWER)
    # R. J. Connor 1987, "Sample size for testing differences in proportions for the paired-sample design", equation 2
    needed = ((z * sqrt(changed) + power * sqrt(changed - apart**2)) / apart) ** 2 if apart else 0.0
    return PairedDifference(
        metric,
        n,
        float(first.mean()),
        float(second.mean()),
        _with_zero(tango_interval(better, worse, n), p),
        p,
        better,
        worse,
        _rounded(max(needed, 0.0)),
        EXACT,
    )


def mcnemar(better: int, worse: int) -> float:
    """The two-sided p of *better* against *worse* of the items that only one of two models has right, each way as
    likely if the models are equally good: Q. McNemar 1947, with the binomial distribution itself.

    >>> round(mcnemar(0, 6), 5), mcnemar(5, 5)
    (0.03125, 1.0)
    """
    n, fewer = better + worse, min(better, worse)
    steps = np.arange(1, fewer + 1)
    logs = np.cumsum(np.concatenate([[-n * np.log(2)], np.log((n - steps + 1) / steps)]))  # of n over 0, 1, ... fewer
    return min(1.0, float(2 * np.exp(logs).sum()))


def tango_interval(better: int, worse: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """The score interval of ``(better - worse) / n``, honest for few items and where no item changed: T. Tango 1998,
    "Equivalence test and confidence interval for the difference in proportions for the paired-sample design".

    >>> low, high = tango_interval(0, 0, 100)
    >>> round(low, 4), round(high, 4)
    (-0.037, 0.037)
    """
    z = NormalDist().inv_cdf((1 + level) / 2)

    def score(delta: float) -> float:
        """The difference less *delta*, over its standard error if *delta* is the true one."""
        b = (2 * n - better + worse) * delta - better - worse
        c = -worse * delta * (1 - delta)
        share = (sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)  # of the worse, the likeliest
        return (better - worse - n * delta) / sqrt(max(1e-300, n * (2 * share + delta * (1 - delta))))

    def end(outside: float, sought: float) -> float:
        inside = (better - worse) / n
        for _ in range(60):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if abs(score(middle)) < abs(sought) else (inside, middle)
        return inside

    return end(-1.0, z), end(1.0, -z)


def paired_bootstrap(
    first: Scores,
    second: Scores,
    metric: Metric,
    *,
    groups: Sequence[str] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PairedDifference:
    """Two models by any metric: the items are drawn again with replacement, the same ones for both (B. Efron 1979).

    With *groups*, the group of each item, whole groups are drawn: the items of one speaker are not independent.

    The percentiles are expanded as Student's t is, which few items need (T. Hesterberg 2015, "What Teachers Should Know
    About the Bootstrap", section 5.2).

    >>> from striate.metrics import score_regression
    >>> from striate.tasks import REGRESSION
    >>> true, noise = np.zeros((50, 1)), np.random.default_rng(0).normal(size=(50, 1))
    >>> near, far = (score_regression(k * noise, true, ["age"]) for k in (1, 2))
    >>> paired_bootstrap(far, near, REGRESSION.metric).verdict
    'better'
    """
    n, whole = _paired(first.n, second.n), np.ones((1, first.n))
    values = [float(resampled_metric(scores, whole, metric)[0]) for scores in (first, second)]
    apart = values[1] - values[0]
    found = np.concatenate(
        [
            resampled_metric(second, times, metric) - resampled_metric(first, times, metric)
            for times in drawings(n, resamples, seed, groups)
        ]
    )
    error = float(np.std(found))
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    units = len({*groups}) if groups else n
    spread = expanded(found, apart, units)
    tails = min(int((spread <= 0).sum()), int((spread >= 0).sum()))
    p = min(1.0, 2 * (1 + tails) / (1 + len(spread))) if units > 1 else 1.0
    needed = n * ((z + NormalDist().inv_cdf(POWER)) * error / apart) ** 2 if apart else 0.0
    return PairedDifference(
        metric,
        n,
        values[0],
        values[1],
        _with_zero(middle(spread), p),
        p,
        int((second.errors < first.errors).sum()),
        int((second.errors > first.errors).sum()),
        _rounded(needed),
        f"{BOOTSTRAP} of {units:,} groups" if groups else BOOTSTRAP,
    )


def resampled_metric(scores: Scores, times: NDArray[np.float64], metric: Metric) -> NDArray[np.float64]:
    """float64 ``(R,)``, *metric* when item i counts ``times[:, i]`` times: one that *scores* can resample.

    Raises:
        DataError: It is none of these.
    """
    known = scores.resamplings
    if metric.name not in known:
        raise DataError(f"{metric.name} cannot be compared by resampling{nearest(metric.name, known)}")
    return known[metric.name](times)


def expanded(drawn: NDArray[np.float64], value: float, units: int) -> NDArray[np.float64]:
    """*drawn* values, further away from the measured *value* by as much as Student's t is wider than the normal
    distribution for so many *units*.

    >>> expanded(np.array([1.0, 3.0]), 2.0, 5).round(2).tolist()
    [0.42, 3.58]
    """
    if units < 2:
        return drawn
    wider = student_t((1 + LEVEL) / 2, units - 1) / NormalDist().inv_cdf((1 + LEVEL) / 2) * sqrt(units / (units - 1))
    return value + wider * (drawn - value)


def group_interval(scores: Scores, value: float, groups: Sequence[str]) -> tuple[float, float] | None:
    """95% interval of the task's metric, which is *value*, if whole groups were drawn again; None of fewer than three.

    >>> from striate.metrics import score_regression
    >>> scores = score_regression([[1.0], [1.0], [4.0], [4.0], [2.0], [2.0]], np.zeros((6, 1)), ["age"])
    >>> low, high = group_interval(scores, scores.mae, "aabbcc")
    >>> low < 1 < 4 < high
    True
    """
    units = len({*groups})
    if units < FEWEST:
        return None
    drawn = np.concatenate([scores.resampled(times) for times in drawings(len(groups), groups=groups)])
    return middle(expanded(drawn, value, units))


def _paired(first: int, second: int) -> int:
    if first != second or not first:
        raise DataError(f"{first} and {second} items: two models are compared on the same items, one or more")
    return first


def _with_zero(interval: tuple[float, float], p: float) -> tuple[float, float]:
    low, high = interval
    return (min(low, 0.0), max(high, 0.0)) if p >= 1 - LEVEL else interval


def _rounded(needed: float) -> int | None:
    """Two digits of a number of items, upwards; None of 0."""
    if not needed or not isfinite(needed):
        return None
    step = 10.0 ** max(0, floor(log10(needed)) - 1)
    return int(ceil(needed / step) * step)
