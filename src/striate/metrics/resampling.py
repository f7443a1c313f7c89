"""The bootstrap (Efron 1979): items drawn again with replacement, and the middle 95% of what is found of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2000  # of the items, where two models are compared
AT_ONCE = 4_000_000  # numbers of a table of resamplings: how often each item counts
CELLS = 2_000_000  # numbers drawn in all for the interval of one figure
SHARES = (2.5, 97.5)  # percent, the ends of the middle 95%

Interval = tuple[float, float]


def resamples_of(cells: int, most: int = CELLS) -> int:
    """How many times *cells* numbers are drawn for an interval: 1,000 times, of very many fewer, at least 100.

    >>> resamples_of(50), resamples_of(10_000), resamples_of(10**9)
    (1000, 200, 100)
    """
    return max(100, min(1000, most // cells))


def drawings(
    n: int, resamples: int = RESAMPLES, seed: int = 0, groups: Sequence[str] = ()
) -> Iterator[NDArray[np.float64]]:
    """Tables ``(R, N)`` of how often each of *n* items counts when as many are drawn with replacement, or whole
    *groups*; as many rows in all as *resamples*.

    >>> [float(times.sum()) for times in drawings(5, 1)]
    [5.0]
    >>> next(drawings(4, 1, groups="aabb")).tolist()
    [[1.0, 1.0, 1.0, 1.0]]
    """
    names, of = np.unique([*groups], return_inverse=True) if len(groups) else (np.arange(n), np.arange(n))
    for times in counts_drawn(np.ones(len(names)), resamples, seed, max(1, AT_ONCE // n)):
        yield times[:, of] if len(groups) else times


def counts_drawn(
    counts: ArrayLike, resamples: int, seed: int = 0, rows: int | None = None
) -> Iterator[NDArray[np.float64]]:
    """Tables ``(R, cells)`` of *counts* ``(cells,)``, of items that are alike in each cell, when as many items are
    drawn with replacement; of so many *rows* at most, all in one if not given.

    >>> [float(drawn.sum()) for drawn in counts_drawn([2, 3], 1)]
    [5.0]
    """
    each = np.asarray(counts, np.float64)
    n, rng = round(float(each.sum())), np.random.default_rng(seed)
    for begin in range(0, resamples, rows or resamples):
        yield rng.multinomial(n, each / n, min(rows or resamples, resamples - begin)).astype(np.float64)


def middle(values: ArrayLike, value: float | None = None) -> Interval:
    """The middle 95% of resampled *values*, NaN left out; what was found itself, *value*, lies in it, whatever the
    rounding.

    >>> middle(np.arange(101.0)), middle([], 3.0)
    ((2.5, 97.5), (3.0, 3.0))
    """
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    ends = np.percentile(known, SHARES).tolist() if len(known) else [np.nan if value is None else value] * 2
    low, high = ends
    return (low, high) if value is None else (min(low, value), max(high, value))
