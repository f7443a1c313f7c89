"""Splitting a data set in two, the same way everywhere and for ever."""

from __future__ import annotations

import hashlib
import math

import numpy as np

from striate.errors import DataError


def stratified(targets: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """``(rest, part)``: the indices of all items, *part* holding *fraction* of every class, both sorted.

    Each class gives its exact share to within one item; a class of two items or more keeps at least one on
    each side, and a single item stays in *rest*. Which items of a class go is decided by the SHA-256 of the
    seed and the item's index: by no random number generator, so by no version or platform either.

    Args:
        targets: int ``(N,)``, the class of each item.
        fraction: Between 0 and 1, both excluded.
        seed: Another seed, another part.

    Raises:
        DataError: The fraction is not between 0 and 1.

    >>> rest, part = stratified(np.array([0, 0, 0, 0, 1, 1, 1, 1]), 0.25, seed=0)
    >>> part
    array([0, 4])
    """
    if not 0 < fraction < 1:
        raise DataError(f"the fraction to split off is {fraction}, wanted a number between 0 and 1, such as 0.1")
    members = [np.flatnonzero(targets == c) for c in np.unique(targets)]
    shares = _shares([len(items) for items in members], fraction)
    chosen = [i for items, n in zip(members, shares, strict=True) for i in _by_hash(items, seed)[:n]]
    is_part = np.zeros(len(targets), bool)
    is_part[chosen] = True
    return np.flatnonzero(~is_part), np.flatnonzero(is_part)


def _shares(counts: list[int], fraction: float) -> list[int]:
    """How many of each class go, by largest remainder, so that the total is the fraction, rounded up.

    >>> _shares([10, 10, 10], 0.25), _shares([1, 2, 100], 0.01)
    ([3, 3, 2], [0, 1, 1])
    """
    exact = [n * fraction for n in counts]
    shares = [math.floor(e) for e in exact]
    left = math.ceil(sum(exact) - 1e-9) - sum(shares)  # without the 1e-9, 30 * 0.1 would round up to 4
    by_remainder = sorted(range(len(counts)), key=lambda c: shares[c] - exact[c])
    for c in by_remainder[:left]:
        shares[c] += 1
    return [min(max(share, 1), n - 1) if n > 1 else 0 for share, n in zip(shares, counts, strict=True)]


def _by_hash(items: np.ndarray, seed: int) -> list[int]:
    return sorted(items.tolist(), key=lambda i: hashlib.sha256(f"{seed}/{i}".encode()).digest())
