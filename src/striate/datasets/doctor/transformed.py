"""Copies that were mirrored, turned by right angles, or cropped: those that augmentation and editing leave behind.

Mirrored and turned: every thumbnail is put into one of its eight positions by its own content (its right half darker
than its left, its lower half than its upper, and the difference between left and right the larger), so that copies in
any position become near-duplicates. Cropped: the hash of parts of each thumbnail (the middle, the corners, the edges,
in three sizes) is compared with those of all whole ones.

Neither is looked for where items are similar by nature, nor among so few that this cannot be known.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from striate.datasets.doctor.similarity import (
    BY_NATURE,
    CHANCE,
    COPY,
    FEW_BITS,
    LEAST,
    MAX_BITS,
    SIDE,
    SIMILAR,
    WORTH_ALIGNING,
    SimilarPair,
    best_similarity,
    hashes,
    near_duplicates,
    usable_thumbs,
)

SIZES = (0.75, 0.6, 0.87)  # of the sides of what was cropped
COMPARED = 120_000_000  # hashes that are compared with each other at most
MANY = 10  # pairs for each item that may be copies: where there are more, items are similar by nature
_BITS = (FEW_BITS + MAX_BITS) // 2  # that the hash of a part may differ from that of the image
_CHUNK = 256


def turned_duplicates(thumbs: np.ndarray, colours: np.ndarray, bar: float) -> list[SimilarPair]:
    """The pairs of which one is the other mirrored, or turned by 90, 180 or 270 degrees, or both.

    Args:
        thumbs: uint8 ``(N, SIDE, SIDE)``, grey.
        colours: ``(N, CELLS, CELLS, 3)``, the mean red, green and blue of each place.
        bar: The similarity of copies. Where it is that of what is similar by nature, nothing is looked for: a digit is
            like another one mirrored.

    >>> from striate.datasets.doctor.similarity import CELLS
    >>> thumbs = np.random.default_rng(0).integers(0, 256, (50, SIDE, SIDE), np.uint8)
    >>> thumbs[5] = np.rot90(thumbs[2])
    >>> [(pair.first, pair.second) for pair in turned_duplicates(thumbs, np.zeros((50, CELLS, CELLS, 3)), COPY)]
    [(2, 5)]
    """
    if bar > COPY or len(thumbs) < LEAST:
        return []
    thumbs, colours, position = _in_one_position(thumbs, colours)
    near = near_duplicates(thumbs, colours, WORTH_ALIGNING)
    near = [pair for pair in near if position[pair.first] != position[pair.second]]
    if len(near) > MANY * len(thumbs):
        return []
    pairs = np.array([(pair.first, pair.second) for pair in near], np.int64).reshape(-1, 2)
    return _copies(pairs, best_similarity(thumbs, thumbs, pairs), len(thumbs), bar)


def _copies(pairs: np.ndarray, similarity: np.ndarray, n: int, bar: float) -> list[SimilarPair]:
    """The *pairs* above the *bar*; none where more of the *n* items are similar to others but no copies."""
    similar = pairs[(similarity > SIMILAR[0]) & (similarity < SIMILAR[1])]
    if len(np.unique(similar)) > max(CHANCE, BY_NATURE * n):
        return []
    found = similarity >= bar
    copies = zip(pairs[found].tolist(), similarity[found].tolist(), strict=True)
    return [SimilarPair(first, second, alike) for (first, second), alike in copies]


def _in_one_position(thumbs: np.ndarray, colours: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The images in the position that their own content says, and the number of the one that they were in."""
    thumbs, colours = thumbs.copy(), colours.copy()
    position = np.zeros(len(thumbs), np.int64)
    ramp = np.cos(np.pi * (2 * np.arange(SIDE) + 1) / (2 * SIDE)).astype(np.float32)
    across, down = (thumbs.sum(axis=axis, dtype=np.int64) @ ramp for axis in (1, 2))
    decisions = ((across < 0, np.s_[:, :, ::-1]), (down < 0, np.s_[:, ::-1]), (np.abs(down) > np.abs(across), None))
    for bit, (which, flip) in enumerate(decisions):
        for images in (thumbs, colours):
            images[which] = images[which].swapaxes(1, 2) if flip is None else images[which][flip]
        position += which.astype(np.int64) << bit
    return thumbs, colours, position


def cropped_duplicates(thumbs: np.ndarray, bar: float) -> list[SimilarPair]:
    """The pairs of which the second is a part of the first: from its middle, a corner, an edge, or between two edges.

    The part's sides are about 0.6, 0.75 or 0.87 of the whole's, or one of them is as long. As many of these 45 kinds of
    part are tried as ``COMPARED`` allows: all up to 1,600 images, from the middle alone up to 6,300, none above 10,900.

    Args:
        thumbs: uint8 ``(N, SIDE, SIDE)``, grey.
        bar: As in :func:`turned_duplicates`.

    >>> cropped_duplicates(np.random.default_rng(0).integers(0, 256, (50, SIDE, SIDE), np.uint8), COPY)
    []
    """
    usable = usable_thumbs(thumbs)
    thumbs = thumbs[usable]
    if bar > COPY or len(thumbs) < LEAST:
        return []
    codes = hashes(thumbs)
    found: dict[tuple[int, int], float] = {}
    for rows, columns in list(_parts())[: COMPARED // len(thumbs) ** 2]:
        parts = np.rint(_between(*rows) @ thumbs.astype(np.float32) @ _between(*columns).T).astype(np.uint8)
        some = usable_thumbs(parts)
        near = _near(hashes(parts[some]), codes)
        pairs = np.stack([some[near[:, 0]], near[:, 1]], axis=1)
        pairs = pairs[pairs[:, 0] != pairs[:, 1]]
        if len(found) + len(pairs) > MANY * len(thumbs):
            return []
        similarity = best_similarity(parts, thumbs, pairs)
        for (first, second), alike in zip(usable[pairs].tolist(), similarity.tolist(), strict=True):
            found[first, second] = max(alike, found.get((first, second), 0))
    pairs = np.array(list(found), np.int64).reshape(-1, 2)
    return _copies(pairs, np.array(list(found.values()), np.float32), len(thumbs), bar)


def _parts() -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    """The rows and the columns of each part, as fractions of the sides: those from the middle first."""
    middle, other = [], []
    for size in SIZES:
        spans = [((1 - size) * at, (1 - size) * at + size) for at in (0.5, 0.0, 1.0)]
        first, *others = [*product(spans, spans), *product([(0.0, 1.0)], spans), *product(spans, [(0.0, 1.0)])]
        middle.append(first)
        other.append(others)
    yield from middle
    for kinds in zip(*other, strict=True):
        yield from kinds


def _between(low: float, high: float) -> np.ndarray:
    """float32 ``(SIDE, SIDE)``: what takes SIDE places from *low* to *high* of a side, between pixels linearly."""
    at = ((low + (np.arange(SIDE) + 0.5) / SIDE * (high - low)) * SIDE - 0.5).clip(0, SIDE - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(at[:, None] - np.arange(SIDE))), np.float32)


def _near(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """int64 ``(P, 2)``: the pairs of hashes that differ in few bits."""
    found = [np.empty((0, 2), np.int64)]
    for at in range(0, len(one), _CHUNK):
        first, second = np.nonzero(np.bitwise_count(one[at : at + _CHUNK, None] ^ other) <= _BITS)
        found.append(np.stack([first + at, second], axis=1))
    return np.concatenate(found)
