"""Splitting a data set in two, the same way everywhere and for ever."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from striate.datasets.content import same_content
from striate.datasets.dataset import Inputs, Part
from striate.errors import DataError

BINS = 10  # of a number that is to be predicted: its range is spread evenly over both sides


def split_off(part: Part, fraction: float, seed: int) -> tuple[Part, Part]:
    """``(rest, taken)``: *fraction* of every class of *part*, chosen by the *seed*; copies of an item stay together.

    Several labels are split by their combinations, numbers by tenths of their range, masks evenly.

    Raises:
        DataError: The fraction is not between 0 and 1.
    """
    rest, taken = stratified(
        strata(part.targets), fraction, seed, same_content(part.inputs), names=_lasting_names(part.inputs)
    )
    return part.take(rest), part.take(taken)


def _lasting_names(inputs: Inputs) -> Sequence[object] | None:
    """What an item is called whatever else is added beside it: of a file its folder and name, a text itself.

    So a few more photos move none of the others to another part.
    """
    if isinstance(inputs, np.ndarray):
        return None
    return ["/".join(item.parts[-2:]) if isinstance(item, Path) else item for item in inputs]


def strata(targets: np.ndarray | tuple[object, ...]) -> np.ndarray:
    """int64 ``(N,)``: the group whose share each item counts for.

    >>> strata(np.array([[0.0], [1.0], [2.0], [3.0]], np.float32)), strata(np.array([[0, 1], [1, 1], [0, 1]], np.uint8))
    (array([0, 0, 1, 1]), array([0, 2, 0]))
    """
    if not isinstance(targets, np.ndarray) or targets.ndim == 3:
        return np.zeros(len(targets), np.int64)
    if targets.ndim == 1:
        return targets
    if targets.dtype.kind == "f":  # by the rank of the first value
        order = np.argsort(np.argsort(targets[:, 0], kind="stable"), kind="stable")
        return order * min(BINS, max(1, len(order) // 2)) // max(1, len(order))  # two items a bin at least
    combinations = {row.tobytes(): None for row in targets}
    numbers = {row: i for i, row in enumerate(combinations)}
    counts = np.bincount([numbers[row.tobytes()] for row in targets], minlength=len(numbers))
    # combinations that occur once cannot be shared out one by one: they make a group of their own
    rare = {row for row, i in numbers.items() if counts[i] == 1}
    return np.array([len(numbers) if row.tobytes() in rare else numbers[row.tobytes()] for row in targets], np.int64)


def stratified(
    targets: np.ndarray,
    fraction: float,
    seed: int,
    groups: np.ndarray | None = None,
    *,
    names: Sequence[object] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """``(rest, part)``: the indices of all items, *part* holding *fraction* of every class, both sorted.

    Each class gives its exact share to within one item; a class of two items or more keeps at least one on
    each side, and a single item stays in *rest*. Which items of a class go is decided by the SHA-256 of the
    seed and the item's name (or index): by no random number generator, so by no version or platform either.

    Args:
        targets: int ``(N,)``, the class of each item.
        fraction: Between 0 and 1, both excluded.
        seed: Another seed, another part.
        groups: int ``(N,)``, for each item the number of the first that it must stay with (itself, mostly). A group
            goes where its first item goes, and counts as one item of that one's class.
        names: Of each item, for its hash; its index, if not given.

    Raises:
        DataError: The fraction is not between 0 and 1.

    >>> rest, part = stratified(np.array([0, 0, 0, 0, 1, 1, 1, 1]), 0.25, seed=0)
    >>> part
    array([0, 4])
    >>> stratified(np.array([0, 0, 0, 0]), 0.25, seed=0, groups=np.array([0, 1, 2, 0]))[1]
    array([0, 3])
    """
    if not 0 < fraction < 1:
        raise DataError(f"the fraction to split off is {fraction}, wanted a number between 0 and 1, such as 0.1")
    groups = np.arange(len(targets)) if groups is None else groups
    alone = groups == np.arange(len(targets))
    members = [np.flatnonzero((targets == c) & alone) for c in np.unique(targets)]
    shares = _shares([len(items) for items in members], fraction)
    names = range(len(targets)) if names is None else names
    chosen = [i for items, n in zip(members, shares, strict=True) for i in _by_hash(items, seed, names)[:n]]
    is_part = np.zeros(len(targets), bool)
    is_part[chosen] = True
    is_part = is_part[groups]
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


def _by_hash(items: np.ndarray, seed: int, names: Sequence[object]) -> list[int]:
    def digest(i: int) -> bytes:
        return hashlib.sha256(f"{seed}/{names[i]}".encode(errors="surrogatepass")).digest()

    return sorted(items.tolist(), key=digest)
