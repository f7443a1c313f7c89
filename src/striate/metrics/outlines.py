"""What areas alone do not say of masks: whether the outlines are right, and how many objects there are."""

from __future__ import annotations

from math import hypot, isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[Any]
Bools = NDArray[np.bool_]
Bits = NDArray[np.uint64]
BITS = 64
TOLERANCE = 0.0075  # of the image's diagonal: how far an outline may be off


def boundary_f1(predicted: Mask, labels: Mask, classes: int, ignore: int = 255) -> NDArray[np.float64]:
    """float64 ``(K,)``: of each class how well its outline is met, NaN where neither mask has it.

    The F1 of two shares: of the predicted outline what lies within 0.75% of the diagonal (one pixel at least) of the
    labelled one, and the other way round: G. Csurka et al., "What is a good evaluation measure for semantic
    segmentation?", BMVC 2013. A class that one of the two masks lacks has 0.

    Args:
        predicted: ``(H, W)`` class numbers.
        labels: Likewise; where one of the two is *ignore* there are no outlines.
        classes: K.
        ignore: No class.

    >>> square = np.zeros((20, 20), np.uint8)
    >>> square[5:15, 5:15] = 1
    >>> boundary_f1(np.roll(square, 1, 1), square, 2)
    array([1., 1.])
    """
    radius = max(1.0, TOLERANCE * hypot(*labels.shape))
    known = (labels != ignore) & (predicted != ignore)
    masks = [np.asarray(mask, np.int64) for mask in (predicted, labels)]
    edges = [outlines(mask, known) for mask in masks]
    there = [np.bincount(mask[known], minlength=classes) > 0 for mask in masks]
    total, hits = np.zeros((2, 2, classes))
    for first in range(0, classes, BITS):
        bits = [_bits(np.where(edge, mask, -1) - first) for mask, edge in zip(masks, edges, strict=True)]
        for i in (0, 1):
            of = masks[i][edges[i]]
            mine = (bits[i] & grown(bits[1 - i], radius))[edges[i]] > 0
            hits[i] += np.bincount(of[mine], minlength=classes)
            total[i] += np.bincount(of, minlength=classes) * (first == 0)
    precision, recall = hits / np.maximum(total, 1)
    found: NDArray[np.float64] = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    found[there[0] & there[1] & ~total.any(0)] = 1.0  # it fills both
    found[~(there[0] | there[1])] = np.nan
    return found


def outlines(mask: Mask, known: Bools) -> Bools:
    """The pixels with a neighbour (of four) of another class, both of them *known*; the image's edge is no outline.

    >>> outlines(np.array([[1, 1, 0]]), np.ones((1, 3), bool)).tolist()
    [[False, True, True]]
    """
    edge = np.zeros(mask.shape, bool)
    for here, there in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        apart = (mask[here] != mask[there]) & known[here] & known[there]
        edge[here] |= apart
        edge[there] |= apart
    return edge


def _bits(classes: NDArray[np.int64]) -> Bits:
    """Class c as the c-th bit, where c is 0 to 63; so one step serves all classes."""
    there = (classes >= 0) & (classes < BITS)
    return np.where(there, np.uint64(1) << np.where(there, classes, 0).astype(np.uint64), np.uint64(0))


def grown(points: Bits, radius: float) -> Bits:
    """Of each pixel the bits of all pixels ``(H, W)`` within *radius*: along the rows, then across them.

    >>> int((grown(np.eye(5, dtype=np.uint64) * (np.arange(5) == 2).astype(np.uint64), 1) > 0).sum())
    5
    """
    h, w = points.shape
    rows = [points]  # of which the i-th has what lies within i columns
    for by in range(1, min(int(radius), w - 1) + 1):
        wider = rows[-1].copy()
        wider[:, by:] |= points[:, :-by]
        wider[:, :-by] |= points[:, by:]
        rows.append(wider)
    found = rows[-1].copy()
    for down in range(1, min(int(radius), h - 1) + 1):
        near = rows[min(isqrt(int(radius * radius - down * down)), len(rows) - 1)]
        found[down:] |= near[:-down]
        found[:-down] |= near[down:]
    return found


def count_objects(mask: Mask, classes: int, ignore: int = 255) -> NDArray[np.int64]:
    """int64 ``(K,)``: how many connected areas each class has in a mask ``(H, W)``; pixels that touch at a corner
    belong together.

    >>> count_objects(np.array([[1, 0, 1], [1, 0, 0], [0, 1, 0]]), 2).tolist()
    [1, 2]
    """
    if not mask.size:
        return np.zeros(classes, np.int64)
    begins = np.ones(mask.shape, bool)  # runs of one class along the rows
    begins[:, 1:] = mask[:, 1:] != mask[:, :-1]
    run = begins.ravel().cumsum().reshape(mask.shape) - 1
    edges = [
        np.stack([run[:-1, a][same], run[1:, b][same]], 1)
        for a, b in ((slice(None), slice(None)), (slice(1, None), slice(-1)), (slice(-1), slice(1, None)))
        for same in [mask[:-1, a] == mask[1:, b]]
    ]
    root = _roots(int(run[-1, -1]) + 1, np.concatenate([_once(pairs) for pairs in edges]))
    of = mask.ravel()[begins.ravel()][root == np.arange(len(root))]
    return np.bincount(of[of != ignore], minlength=classes)[:classes]


def _once(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """*pairs* ``(E, 2)`` without those that are as the one before: two runs touch at many pixels."""
    first = np.ones(len(pairs), bool)
    first[1:] = (pairs[1:] != pairs[:-1]).any(1)
    return pairs[first]


def _roots(n: int, edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """The smallest of the nodes 0..n-1 that each hangs together with by *edges* ``(E, 2)``."""
    root = np.arange(n)
    while len(edges):
        ends = root[edges]
        low, high = ends.min(1), ends.max(1)
        apart = low < high
        if not apart.any():
            break
        edges = edges[apart]
        np.minimum.at(root, high[apart], low[apart])
        while (root[root] != root).any():
            root = root[root]
    return root
