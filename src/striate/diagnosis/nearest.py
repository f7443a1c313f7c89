"""The items that are most like others, by what a network makes of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

AT_ONCE = 256  # queries


def nearest_items(queries: ArrayLike, items: ArrayLike, k: int = 4) -> NDArray[np.int64]:
    """int64 ``(Q, k)``: of each query the *k* nearest items, the nearest first; fewer where there are not so many.

    By cosine similarity, each feature less its mean over the items and divided by its std.

    Args:
        queries: ``(Q, D)`` features.
        items: ``(N, D)`` features.
        k: How many.

    >>> nearest_items([[1.0, 0.1]], [[0.0, 1.0], [1.0, 0.0], [-1.0, 0.0]], 2)
    array([[1, 0]])
    """
    known = np.asarray(items, np.float32)
    mean, std = known.mean(axis=0), np.maximum(known.std(axis=0), 1e-6)
    unit = _unit((known - mean) / std)
    asked = _unit((np.asarray(queries, np.float32) - mean) / std)
    found = [np.zeros((0, min(k, len(unit))), np.int64)]
    for at in range(0, len(asked), AT_ONCE):
        found.append(np.argsort(-(asked[at : at + AT_ONCE] @ unit.T), axis=1, kind="stable")[:, :k])
    return np.concatenate(found)


def _unit(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12))
