"""What the figures of every task begin with: that answers and truth are tables that belong together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.errors import DataError


def check_table(
    answers: ArrayLike, targets: ArrayLike, columns: Sequence[str], names: Sequence[str] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """*answers* and *targets*, both float64 ``(N, columns)``; DataError where they are not, or hold NaN."""
    said, truth = np.asarray(answers, np.float64), np.asarray(targets, np.float64)
    k = len(columns)
    if said.ndim != 2 or said.shape[1] != k:
        raise DataError(f"the network's answers have shape {list(said.shape)}, wanted [N, {k}]: a row an item")
    n = len(said)
    if truth.shape != (n, k):
        raise DataError(f"{n} answers, but targets of shape {list(truth.shape)}: wanted one row an item, [{n}, {k}]")
    if n == 0:
        raise DataError("there are no items to measure: the part of the data that was asked for is empty")
    if names is not None and len(names) != n:
        raise DataError(f"{n} answers, but {len(names)} names: give one name an item, or none")
    broken = int(np.isnan(said).any(axis=1).sum())
    if broken:
        raise DataError(f"the network answers NaN for {broken} of {n} items: it has diverged; lower the learning rate")
    if not np.isfinite(truth).all():
        raise DataError(f"the targets of {int((~np.isfinite(truth)).any(axis=1).sum())} of {n} items are no numbers")
    return said, truth
