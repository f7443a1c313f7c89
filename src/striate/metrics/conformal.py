"""When a classifier should answer "unknown", and which classes an item may have: thresholds with a promise.

The promises hold for whatever network, with no assumption but one: that the items to come are like those of the
calibration items (exchangeable with them), which the network was not trained on. They are made at 95% confidence: of
100 choices on other calibration items of the kind, 95 keep them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from striate.errors import DataError, listed
from striate.metrics.calibration import log_softmax
from striate.metrics.shared import percent

Floats = NDArray[np.float64]

RISK = 0.05  # that a promise is not kept: 95% confidence
STARTS, STEP = (0.25, 0.5, 0.75, 1.0), 0.025  # shares of the items that are answered by the thresholds tested
WORTH = 0.5  # an error that is promised above this is worth nothing
LEVELS = (0.8, 0.9, 0.95, 0.98, 0.99)  # coverages of prediction sets that a model keeps
RARE = 0.01  # of ordinary items that are taken for out of distribution


@dataclass(frozen=True)
class Rejection:
    """What a classifier that answers "unknown" below a probability did.

    Args:
        threshold: Of the probability.
        answered: Items with an answer.
        coverage: Their share of all.
        wrong: Of the answers.
        error: Their share of the answers; None where there is no answer.
    """

    threshold: float
    answered: int
    coverage: float
    wrong: int
    error: float | None


def rejection(confidence: Floats, right: NDArray[np.bool_], threshold: float) -> Rejection:
    """What *threshold* does to items: *confidence* ``(N,)`` of their predictions, and whether these are *right*.

    >>> rejection(np.array([0.9, 0.6, 0.4]), np.array([True, False, False]), 0.5)
    Rejection(threshold=0.5, answered=2, coverage=0.6666666666666666, wrong=1, error=0.5)
    """
    kept = confidence >= threshold
    n, wrong = int(kept.sum()), int((kept & ~right).sum())
    return Rejection(threshold, n, n / max(1, len(kept)), wrong, wrong / n if n else None)


def at_most(k: int, n: int, p: float) -> float:
    """P(a binomial count of n with probability p is k or less).

    >>> at_most(0, 2, 0.5)
    0.25
    """
    if k >= n or p <= 0:
        return 1.0
    return 0.0 if k < 0 or p >= 1 else float(_up_to(k, n, p)[-1])


def _up_to(k: int, n: int, p: float) -> Floats:
    """``(k + 1,)``: P(a binomial count is 0, 1, ... k, or less), of a p inside 0..1."""
    i = np.arange(1, k + 1)
    ways = np.concatenate([[0.0], np.cumsum(np.log((n - i + 1) / i))])
    terms = ways + np.arange(k + 1) * (log(p) - np.log1p(-p)) + n * np.log1p(-p)
    return np.asarray(np.minimum(1.0, np.cumsum(np.exp(terms))))


def largest_share(k: int, n: int, risk: float) -> float:
    """The upper end of the exact interval (Clopper and Pearson 1934): a larger share gives *k* of *n* or fewer with a
    probability below *risk*.

    >>> round(largest_share(0, 299, 0.05), 4)
    0.01
    """
    if k >= n:
        return 1.0
    low, high = k / n, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if at_most(k, n, middle) > risk else (low, middle)
    return high


def threshold_for_error(confidence: Floats, right: NDArray[np.bool_], accept_error: float) -> float:
    """The smallest probability from which on at most *accept_error* of the answers are wrong, at 95% confidence.

    Thresholds are tested one after the other, from strict to lax: does the exact binomial test reject that the error of
    what they answer is larger? Four such rows begin where 25%, 50%, 75% and all of the items are answered, each with a
    quarter of the risk, and go on by 2.5% until a test fails: risk control by testing in a fixed sequence (A.
    Angelopoulos and others, "Learn then test", Annals of Applied Statistics 19, 2025). It implies what "Conformal risk
    control" (ICLR 2024) promises, which is of all items, answered or not, and on average. Each threshold is an item's
    probability, and that item is left out of its test; equal ones count together.

    Args:
        confidence: ``(N,)``, the predictions' probabilities, on calibration items.
        right: ``(N,)``, whether they are right.
        accept_error: Above 0 and below 1.

    Raises:
        DataError: No threshold can promise it with so few items; an error that can be promised is said.

    >>> round(threshold_for_error(np.linspace(0.5, 1, 1000), np.linspace(0.5, 1, 1000) > 0.6, 0.01), 2)
    0.6
    """
    order = np.argsort(-confidence, kind="stable")
    sure, wrong = confidence[order], np.cumsum(~right[order])
    n, risk = len(sure), RISK / len(STARTS)
    found, best = 0, 1.0  # items answered; the least error that some test would not reject
    for start in STARTS:
        for share in (*np.arange(start, 1, STEP).tolist(), 1.0):
            k = n if share == 1 else int(np.searchsorted(-sure, -sure[max(0, int(share * n) - 1)], "right"))
            tested, errors = n if k == n else k - 1, int(wrong[k - 1])  # no item chose the threshold of all
            best = min(best, largest_share(min(errors, tested), tested, risk)) if tested else best
            if not tested or at_most(errors, tested, accept_error) > risk:
                break
            found = max(found, k)
    if found:
        return 0.0 if found == n else float(sure[found - 1])
    least = int(np.ceil(log(risk) / np.log1p(-accept_error)))
    why = f"at least {least:,} without a mistake are needed" if n < least else "too many of the surest are wrong"
    least_error = percent(np.ceil(best * 1000) / 1000)
    way = f"they can promise {least_error}: give that, or {MORE}"
    if best > WORTH:
        way = f"the least that they can promise is {least_error}; {MORE}"
    raise DataError(
        f"{n:,} validation items cannot promise an error of at most {percent(accept_error, 1000)}: {why}; {way}"
    )


def threshold_for_coverage(confidence: Floats, coverage: float) -> float:
    """The probability that the share *coverage* of the items has, or more; for items to come on average, at least.

    >>> threshold_for_coverage(np.array([0.1, 0.2, 0.3, 0.4]), 0.75)
    0.1
    """
    n = len(confidence)
    k = int(np.ceil((n + 1) * coverage - 1e-9))
    return 0.0 if k > n else float(np.sort(confidence)[n - k])


def set_thresholds(own: Floats, levels: Sequence[float] = LEVELS) -> tuple[tuple[float, float], ...]:
    """For each of the *levels* that can be promised the probability from which on a class is in an item's set.

    The set of all classes with at least this probability, and the most probable one, contains the right class for that
    share of the items to come, at 95% confidence: split conformal prediction (M. Sadinle, J. Lei and L. Wasserman, JASA
    114 (2019)) with the tolerance region of V. Vovk, "Conditional validity of inductive conformal predictors" (2012).

    Args:
        own: ``(N,)``, of calibration items the probability of the right class.
        levels: Shares of the items.

    Returns:
        ``(level, probability)`` of each; too high a level for so few items is left out.

    >>> set_thresholds(np.linspace(0, 1, 201), (0.8, 0.999))
    ((0.8, 0.15),)
    """
    found, ordered, n = [], np.sort(own), len(own)
    for level in levels:
        allowed = int((_up_to(int(n * (1 - level)), n, 1 - level) <= RISK).sum())  # items that may be missed, and one
        if n and allowed:
            found.append((level, float(ordered[allowed - 1])))
    return tuple(found)


def items_needed(level: float) -> int:
    """How many calibration items prediction sets of that *level* need: so many that hardly all are in their sets if
    the sets contain the right class less often.

    >>> [items_needed(level) for level in LEVELS]
    [14, 29, 59, 149, 299]
    """
    return int(np.ceil(log(RISK) / log(level)))


MORE = "train with more of them (striate train DATA --validation-fraction 0.2, or a larger val/)"


def why_no_sets(coverage: float, known: Sequence[float]) -> str:
    """What to say where prediction sets of *coverage* are asked of a model that has those of the *known* levels.

    >>> why_no_sets(0.99, [0.8, 0.9])[:77]
    'sets is 0.99; this model has sets of 80%, 90% (29 to 58 validation items); se'
    """
    if coverage > LEVELS[-1]:
        return f"sets is {coverage:.3g}; the highest coverage that a model keeps sets of is {LEVELS[-1]:.0%}; use that"
    wanted = next(level for level in LEVELS if level >= coverage - 1e-9)
    if known:
        above = items_needed(next(level for level in LEVELS if level > known[-1])) - 1
        levels = listed(f"{level:.0%}" for level in known)
        has = f"sets of {levels} ({items_needed(known[-1])} to {above} validation items)"
    else:
        has = f"no sets (fewer than {items_needed(LEVELS[0])} validation items)"
    return f"sets is {coverage:.3g}; this model has {has}; sets of {wanted:.0%} need {items_needed(wanted)}: {MORE}"


def prediction_set(p: Floats, least: float) -> list[int]:
    """The classes of *least* or more among the probabilities *p* ``(K,)``, and the most probable one, from it down.

    >>> prediction_set(np.array([0.1, 0.3, 0.6]), 0.2)
    [2, 1]
    """
    order = np.argsort(-p, kind="stable")
    return [*map(int, order[: max(1, int((p >= least).sum()))])]


def energy(scores: Floats) -> Floats:
    """``log sum exp`` of an item's scores ``(N, K)``: low far from what a network was trained on (W. Liu et al.,
    "Energy-based out-of-distribution detection", NeurIPS 2020, whose energy is its negative).

    >>> energy(np.zeros((1, 1)))
    array([0.])
    """
    return np.asarray(np.asarray(scores, np.float64).max(axis=1) - log_softmax(scores).max(axis=1))


def lowest_energy(scores: Floats) -> tuple[float, ...]:
    """The energy that one ordinary item in a hundred falls below, ``(1,)``; empty of fewer than 99 items.

    >>> lowest_energy(np.arange(99.0)[:, None])
    (0.0,)
    """
    k = int((len(scores) + 1) * RARE)
    return (float(np.sort(energy(scores))[k - 1]),) if k else ()


def more_than_chance(low: int, n: int) -> bool:
    """Whether *low* of *n* items below the energy of one in a hundred are more than ordinary items would have.

    >>> more_than_chance(1, 1), more_than_chance(1, 100)
    (True, False)
    """
    return low > 0 and 1 - at_most(low - 1, n, RARE) < RISK
