"""Cross-validation: the items in k folds, each of which is the test split of one training."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from striate.datasets.dataset import DataSet
from striate.datasets.split import by_hash, joined_parts, kept_together, lasting_names, strata
from striate.errors import DataError, RecipeError, counted


def parsed_fold(text: str) -> tuple[int, int]:
    """``"2/5"``, the second of five folds, as numbers.

    Raises:
        RecipeError: It is something else.

    >>> parsed_fold("2/5")
    (2, 5)
    """
    found = re.fullmatch(r"(\d+)/(\d+)", str(text))
    number, folds = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= folds or folds < 2:
        raise RecipeError(f"fold is {text!r}, expected K/N, such as 2/5 for the second of five folds")
    return number, folds


def in_fold(dataset: DataSet, fold: str) -> DataSet:
    """*dataset* with one fold of its training and validation items as the test split, the others as the training split.

    A test split of its own takes no part: it stays for the model that is chosen in the end.

    Args:
        dataset: As its source gives it.
        fold: ``"2/5"``: the second of five.

    Raises:
        DataError: There are too few items, or groups of them, for so many folds.

    >>> from striate.datasets import open_data
    >>> data = in_fold(open_data("digits"), "2/5")
    >>> len(data.train), len(data.test), data.notes
    (1149, 288, ('fold 2 of 5; its own test split of 360 items is left out',))
    """
    number, folds = parsed_fold(fold)
    items = joined_parts([part for part in (dataset.train, dataset.val) if part is not None])
    together = kept_together(items)
    if len({*together.tolist()}) < folds:
        what = "group" if items.groups else "distinct item"
        found = counted(len({*together.tolist()}), what)
        raise DataError(f"{dataset.name}: {found} cannot be shared out to {folds} folds; use fewer folds")
    of = fold_numbers(strata(items.targets), folds, together, lasting_names(items))
    own = dataset.test
    left_out = f"; its own test split of {counted(len(own), 'item')} is left out" if own else ""
    groups = f"; none of {counted(len(set(items.groups)), 'group')} is in two folds" if items.groups else ""
    return replace(
        dataset,
        train=items.take(np.flatnonzero(of != number - 1)),
        val=None,
        test=items.take(np.flatnonzero(of == number - 1)),
        notes=(*dataset.notes, f"fold {number} of {folds}{groups}{left_out}"),
    )


def fold_numbers(
    targets: np.ndarray, folds: int, groups: np.ndarray | None = None, names: Sequence[object] | None = None
) -> np.ndarray:
    """int64 ``(N,)``: the fold of each item, 0 to *folds* - 1; every class is shared out evenly.

    Groups go first, the largest before the others, each to the fold that has least of its classes; then the single
    items of each class even that out. Without groups each fold has of a class the same number of items, to within one.
    No random number generator decides, so no version or platform does either.

    Args:
        targets: int ``(N,)``, the class of each item.
        folds: How many.
        groups: int ``(N,)``, for each item the number of the first that it must stay with (itself, mostly).
        names: Of each item, for its hash; its index, if not given.

    >>> fold_numbers(np.array([0, 0, 0, 1, 1, 1]), 3).tolist()
    [0, 2, 1, 2, 0, 1]
    >>> fold_numbers(np.array([0, 0, 0, 1, 1, 1]), 2, groups=np.array([0, 0, 2, 3, 3, 2])).tolist()
    [0, 0, 1, 0, 0, 1]
    """
    n = len(targets)
    groups = np.arange(n) if groups is None else groups
    names = range(n) if names is None else names
    _, kinds = np.unique(targets, return_inverse=True)
    per_kind = np.bincount(kinds)
    there = np.zeros((folds, len(per_kind)))  # items of each class in each fold
    sizes = np.zeros(folds)
    of = np.zeros(n, np.int64)
    counts = np.bincount(groups, minlength=n)
    order = by_hash(np.flatnonzero(counts > 0), 0, names)
    for first in sorted((i for i in order if counts[i] > 1), key=lambda i: -counts[i]):
        members = np.flatnonzero(groups == first)
        own = np.bincount(kinds[members], minlength=len(per_kind))
        chosen = np.lexsort((sizes, (there * (own / per_kind)).sum(1)))[0]
        of[members] = chosen
        there[chosen] += own
        sizes[chosen] += len(members)
    total = sizes.tolist()
    for kind in range(len(per_kind)):
        here = there[:, kind].tolist()
        for i in order:
            if kinds[i] == kind and counts[i] == 1:
                chosen = min(range(folds), key=lambda f: (here[f], total[f]))
                of[i] = chosen
                here[chosen] += 1
                total[chosen] += 1
    return of
