"""Splitting a data set in two, the same way everywhere and for ever, copies of an item on one side."""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from striate.datasets.dataset import Part
from striate.errors import DataError
from striate.files import check_regular

BINS = 10  # of a regression's value: its range is spread evenly over both sides


def split_off(part: Part, fraction: float, seed: int) -> tuple[Part, Part]:
    """``(rest, taken)``: *fraction* of every class of *part*, chosen by the *seed*; copies of an item stay together.

    Several labels are split by their combinations, numbers by tenths of their range, masks evenly.

    Raises:
        DataError: The fraction is not between 0 and 1.

    >>> images = np.arange(8, dtype=np.uint8).reshape(8, 1, 1)
    >>> [part.names for part in split_off(Part(images, np.arange(8) % 2, tuple("abcdefgh")), 0.25, seed=0)]
    [('a', 'b', 'c', 'd', 'f', 'g'), ('e', 'h')]
    """
    together = kept_together(part)
    rest, taken = stratified(strata(part.targets), fraction, seed, together, names=lasting_names(part))
    return part.take(rest), part.take(taken)


def kept_together(part: Part) -> np.ndarray:
    """int64 ``(N,)``: for each item the number of the first that it must stay with: a copy, or one of its group.

    >>> kept_together(Part(("a", "b", "a", "c"), np.zeros(4, int), ("1", "2", "3", "4"), ("x", "y", "y", "z")))
    array([0, 0, 0, 3])
    """
    first = same_content(part)
    if not part.groups:
        return first
    at: dict[str, int] = {}

    def root(i: int) -> int:
        while first[i] != i:
            first[i] = first[first[i]]
            i = int(first[i])
        return i

    for i, group in enumerate(part.groups):
        one, other = root(i), root(at.setdefault(group, i))
        first[max(one, other)] = min(one, other)
    return np.array([root(i) for i in range(len(first))], np.int64)


def same_content(part: Part) -> np.ndarray:
    """int64 ``(N,)``: for each item the number of the first that has the same content; its own where none does.

    >>> same_content(Part(("A  film .", "another film", "a film ."), np.zeros(3, int), ("1", "2", "3")))
    array([0, 1, 0])
    """
    first: dict[object, int] = {}
    keys = content_keys({"": part})[""]
    same = [first.setdefault(part.inputs[i] if key is None else key, i) for i, key in enumerate(keys)]
    return np.array(same, np.int64)


def content_keys(parts: Mapping[str, Part], max_files: float = math.inf) -> dict[str, list[Hashable]]:
    """For each item of the splits what its content is known by: equal for equal content; None where nobody knows.

    Of files only those of one size are read (none where these are more than *max_files*); a file that cannot be read,
    or is empty, is like no other. Texts are compared without regard to case and spaces.
    """
    sizes = {name: [_size(path) for path in part.files] for name, part in parts.items()}
    shared = {size for size, n in Counter(size for of in sizes.values() for size in of).items() if n > 1 and size}
    if sum(size in shared for of in sizes.values() for size in of) > max_files:
        shared = set()
    keys: dict[str, list[Hashable]] = {}
    for name, part in parts.items():
        if part.files:
            keys[name] = [
                _file_digest(path) if size in shared else None
                for path, size in zip(part.files, sizes[name], strict=True)
            ]
        elif not isinstance(part.inputs, np.ndarray):
            keys[name] = [" ".join(text.lower().split()) for text in part.texts]
    return keys | _array_keys(
        {name: part.arrays for name, part in parts.items() if isinstance(part.inputs, np.ndarray)}
    )


def _array_keys(arrays: Mapping[str, np.ndarray]) -> dict[str, list[Hashable]]:
    """Each item's sum, which hardly ever is another's too; where it is, the digest, which decides."""
    sums = {name: item_sums(values) for name, values in arrays.items()}
    found, counts = np.unique(np.concatenate([*sums.values(), np.zeros(0, np.uint64)]), return_counts=True)
    shared = found[counts > 1]
    keys: dict[str, list[Hashable]] = {}
    for name, values in arrays.items():
        keys[name] = sums[name].tolist()
        for i in np.flatnonzero(np.isin(sums[name], shared)).tolist():
            keys[name][i] = digest(np.ascontiguousarray(values[i]).data)
    return keys


def item_sums(values: np.ndarray) -> np.ndarray:
    """uint64 ``(N,)``: of each item of ``(N, ...)`` the sum of its bytes, by eights, times fixed odd numbers.

    >>> item_sums(np.zeros((2, 3), np.uint8)), len({*item_sums(np.eye(20, dtype=np.uint8)).tolist()})
    (array([0, 0], dtype=uint64), 20)
    """
    sums = [np.zeros(0, np.uint64)]
    for start in range(0, len(values), 4096):  # those of a file are not all in memory at once
        some = values[start : start + 4096]
        rows = np.ascontiguousarray(some).reshape(len(some), -1).view(np.uint8)
        eights = rows.shape[1] // 8 * 8
        words = np.arange(1, eights // 8 + 9, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) | np.uint64(1)
        tail = rows[:, eights:].astype(np.uint64)
        sums.append(rows[:, :eights].view(np.uint64) @ words[:-8] + tail @ words[-8 : len(words) - 8 + tail.shape[1]])
    return np.concatenate(sums)


def digest(data: bytes | memoryview) -> bytes:
    """16 bytes that stand for *data*."""
    return hashlib.blake2b(data, digest_size=16).digest()


def file_digest(path: Path) -> bytes:
    """16 bytes that stand for the content of a file, however large; OSError where it cannot be read."""
    check_regular(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()


def _size(path: Path) -> int:
    with suppress(OSError):
        return os.stat(path).st_size
    return 0


def _file_digest(path: Path) -> bytes | None:
    with suppress(OSError):
        return file_digest(path)
    return None


def joined_parts(parts: Sequence[Part]) -> Part:
    """The items of several splits one after the other.

    >>> one = Part(("a",), np.array([0]), ("1",))
    >>> joined_parts([one, Part(("b",), np.array([1]), ("2",))]).names
    ('1', '2')
    """

    def chain(values: Sequence[Any]) -> Any:
        return np.concatenate(values) if isinstance(values[0], np.ndarray) else tuple(v for of in values for v in of)

    if len(parts) == 1:
        return parts[0]
    inputs, targets, names, groups = (
        chain([getattr(part, name) for part in parts]) for name in ("inputs", "targets", "names", "groups")
    )
    titles = [title for title in parts[0].columns if all(title in part.columns for part in parts)]
    return Part(inputs, targets, names, groups, {t: chain([part.columns[t] for part in parts]) for t in titles})


def lasting_names(part: Part) -> Sequence[object] | None:
    """What an item is called whatever else is added beside it: of a file its folder and name, a text itself.

    So a few more photos move none of the others to another split. None: there is no such name.

    >>> lasting_names(Part((Path("photos/cat/1.png"),), np.array([0]), ("photos/cat/1.png",)))
    ['cat/1.png']
    """
    return ["/".join(file.parts[-2:]) for file in part.files] or part.texts or None


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
    """``(rest, taken)``: the indices of all items, *fraction* of every class in *taken*, both sorted.

    Each class gives its exact share to within one item; a class of two items or more keeps at least one on
    each side, and a single item stays in *rest*. Which items of a class go is decided by the SHA-256 of the
    seed and the item's name (or index): by no random number generator, so by no version or platform either.

    Args:
        targets: int ``(N,)``, the class of each item.
        fraction: Between 0 and 1, both excluded.
        seed: Another seed, another choice.
        groups: int ``(N,)``, for each item the number of the first that it must stay with (itself, mostly). A group
            goes where its first item goes, and counts as one item of that one's class.
        names: Of each item, for its hash; its index, if not given.

    Raises:
        DataError: The fraction is not between 0 and 1.

    >>> rest, taken = stratified(np.array([0, 0, 0, 0, 1, 1, 1, 1]), 0.25, seed=0)
    >>> taken
    array([0, 4])
    >>> stratified(np.array([0, 0, 0, 0]), 0.25, seed=0, groups=np.array([0, 1, 2, 0]))[1]
    array([0, 3])
    """
    if not 0 < fraction < 1:
        raise DataError(f"the fraction to split off is {fraction}, expected a number between 0 and 1, such as 0.1")
    groups = np.arange(len(targets)) if groups is None else groups
    alone = groups == np.arange(len(targets))
    members = [np.flatnonzero((targets == c) & alone) for c in np.unique(targets)]
    shares = _shares([len(items) for items in members], fraction)
    names = range(len(targets)) if names is None else names
    chosen = [i for items, n in zip(members, shares, strict=True) for i in by_hash(items, seed, names)[:n]]
    taken = np.zeros(len(targets), bool)
    taken[chosen] = True
    taken = taken[groups]
    return np.flatnonzero(~taken), np.flatnonzero(taken)


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


def by_hash(items: np.ndarray, seed: int, names: Sequence[object]) -> list[int]:
    """*items*, which are indices, in the order of the SHA-256 of the seed and the name of each.

    >>> by_hash(np.arange(4), 0, "abcd")
    [2, 1, 3, 0]
    """

    def sha256(i: int) -> bytes:
        return hashlib.sha256(f"{seed}/{names[i]}".encode(errors="surrogatepass")).digest()

    return sorted(items.tolist(), key=sha256)
