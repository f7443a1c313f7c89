"""Images that are copies though their bytes differ: scaled, compressed again, brightened, cropped a little.

Each image becomes a grey thumbnail, the thumbnail a hash of 64 bits: the signs of its lowest cosine coefficients
against their median (the "pHash" of C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions,
2010, 3.2.1). Pairs whose hashes differ in few bits are candidates. Among many items they are found by two of the eight
bytes of their hashes, which are equal (always where 6 bits or less differ, by the pigeonhole principle): sorting by
each pair of bytes brings them near each other (the sorted neighbourhood of M. Hernández and S. Stolfo, The merge/purge
problem for large databases, SIGMOD 1995).

Candidates of the same colours are compared by the correlation of the detail in their thumbnails, the coarse light and
shade taken away; where it is middling, after the one has been laid upon the other by Gauss and Newton's method.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from striate.datasets.doctor.alignment import aligned_likeness, detail, unit

SIDE = 32  # pixels of a thumbnail
MOST_BITS = 14  # that two hashes may differ in; an image less a twentieth of one side differs in 8 to 14
FEW_BITS = 6  # where items have many neighbours
SMALL = 4096  # items: so many are compared each with each
WINDOW = 12  # neighbours in sorted order that an item is compared with
COPY, COPY_OF_SIMPLE = 0.9, 0.997  # the likeness of copies: of photographs; of what is alike by nature
ALIKE = (0.5, 0.8)  # the likeness of images that are alike, but no copies
WORTH_LAYING = 0.2  # the likeness from which on a pair may turn out to be copies when laid upon each other
BY_NATURE = 0.05  # where more than this share of the items is alike to another, they are so by nature
CHANCE = 3  # so many alike items say nothing
SAMPLE, LEAST = 2048, 40  # items that this is measured on, at most and at least
FAINT = 8  # levels between the darkest and the brightest of a thumbnail that says enough to compare
CELLS = 4  # an image's colours are the means of so many times so many places
COLOUR = 12.0  # levels by which the colours of copies may differ, on the average, their brightness made equal
_MOST_ALIGNED = 50_000
_CHUNK = 8192


@dataclass(frozen=True, eq=False)
class Pair:
    """Two items by number, and how alike they are (1: the same)."""

    first: int
    second: int
    likeness: float


def shrink(images: np.ndarray, side: int = SIDE) -> np.ndarray:
    """uint8 ``(N, side, side)``: grey images ``(N, H, W)`` scaled by averaging areas.

    >>> shrink(np.full((1, 48, 40), 7, np.uint8)).mean().item()
    7.0
    """
    rows, columns = _areas(images.shape[1], side), _areas(images.shape[2], side)
    small = np.empty((len(images), side, side), np.uint8)
    for at in range(0, len(images), _CHUNK):
        small[at : at + _CHUNK] = np.rint(rows @ images[at : at + _CHUNK].astype(np.float32) @ columns.T)
    return small


def _areas(n: int, side: int) -> np.ndarray:
    """``(side, n)``: the share that each of *n* pixels has in each of *side* equal stretches."""
    edges = np.linspace(0, n, side + 1)
    pixels = np.arange(n)
    cover = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (cover.clip(min=0) * side / n).astype(np.float32)


def hashes(thumbs: np.ndarray) -> np.ndarray:
    """uint64 ``(N,)`` of thumbnails ``(N, SIDE, SIDE)``: 64 signs of cosine coefficients.

    >>> thumb = np.random.default_rng(0).integers(0, 100, (1, 32, 32), np.uint8)
    >>> (hashes(thumb) == hashes(thumb * 2 + 9)).item()
    True
    """
    i, k = np.arange(SIDE), np.arange(9)
    cosines = np.cos(np.pi * (2 * i + 1) * k[:, None] / (2 * SIDE)).astype(np.float32)
    bits = np.empty((len(thumbs), 64), bool)
    for at in range(0, len(thumbs), _CHUNK):
        coefficients = cosines @ thumbs[at : at + _CHUNK].astype(np.float32) @ cosines.T
        low = coefficients.reshape(-1, 81)[:, 1:65]  # the first is the mean brightness
        bits[at : at + _CHUNK] = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(np.uint64)[:, 0]


def candidates(codes: np.ndarray) -> np.ndarray:
    """int64 ``(P, 2)``: pairs of items whose hashes differ in few bits, the smaller number first.

    That is ``MOST_BITS``, or ``FEW_BITS`` where the items have many neighbours each, as digits have.
    """
    n = len(codes)
    if n <= SMALL:
        return _all_pairs(codes)
    octets = codes.view(np.uint8).reshape(-1, 8).astype(np.uint64)
    found: list[np.ndarray] = []
    bits = MOST_BITS
    for a in range(8):
        for b in range(a):
            first, second = _neighbours(codes, octets[:, a] << np.uint64(8) | octets[:, b], bits)
            found.append(np.minimum(first, second) * n + np.maximum(first, second))
            if len(first) > n // 2:
                bits = FEW_BITS
    keys = np.sort(np.concatenate(found))
    return np.stack(np.divmod(keys[np.diff(keys, prepend=-1) > 0], n), axis=1)


def _all_pairs(codes: np.ndarray) -> np.ndarray:
    """Few items: each with each."""
    found = [np.empty((0, 2), np.int64)]
    for i in range(len(codes) - 1):
        near = i + 1 + np.flatnonzero(np.bitwise_count(codes[i + 1 :] ^ codes[i]) <= MOST_BITS)
        found.append(np.stack([np.full(len(near), i), near], axis=1))
    return np.concatenate(found)


def _neighbours(codes: np.ndarray, key: np.ndarray, bits: int) -> np.ndarray:
    """``(2, P)``: items of one *key* that stand near each other when sorted by it and then by their hash."""
    order = np.lexsort((codes, key))
    key, codes = key[order], codes[order]
    found = [np.empty((2, 0), np.int64)]
    for step in range(1, min(WINDOW, len(codes) - 1) + 1):
        same = np.flatnonzero(key[step:] == key[:-step])
        if not len(same):
            break
        near = same[np.bitwise_count(codes[same] ^ codes[same + step]) <= bits]
        found.append(np.stack([order[near], order[near + step]]))
    return np.concatenate(found, axis=1)


def near_duplicates(thumbs: np.ndarray, colours: np.ndarray) -> list[Pair]:
    """The pairs of items that are copies of each other, at any distance in the data set.

    What counts as a copy depends on the data. Of photographs, few are alike at all: less than a hundredth of
    CIFAR-10's has another of likeness 0.5 to 0.8 among 2,048, and what is above 0.9 is the same photograph. Of
    digits, drawings and the frames of a film, an eighth to nearly all have; the most alike of MNIST's 70,000 reach
    0.9955 (of the built-in shapes, 0.9966 among 12,000), while a digit compressed as JPEG of quality 75 keeps 0.998.

    Args:
        thumbs: uint8 ``(N, SIDE, SIDE)``, grey.
        colours: ``(N, CELLS, CELLS, 3)``, the mean red, green and blue of each place.
    """
    flat = thumbs.reshape(len(thumbs), SIDE * SIDE)
    usable = np.flatnonzero(flat.max(axis=1, initial=0) - flat.min(axis=1, initial=255) > FAINT)
    if len(usable) < 2:  # one colour is like every other
        return []
    thumbs, colours = thumbs[usable], colours[usable]
    pairs = candidates(hashes(thumbs))
    pairs = pairs[_same_colour(colours, pairs)]
    bar = _bar(thumbs, colours)
    if bar == COPY_OF_SIMPLE:  # there are many candidates: what differs at a glance is left out
        pairs = pairs[_correlation(unit(shrink(thumbs, 8)), pairs) > 0.95]
    likeness = compare(thumbs, pairs)
    again = np.flatnonzero((likeness < bar) & (likeness > WORTH_LAYING))
    if bar == COPY and len(again) <= _MOST_ALIGNED:
        likeness[again] = _laid(thumbs, pairs[again])
    return [Pair(*usable[pairs[i]].tolist(), float(likeness[i])) for i in np.flatnonzero(likeness >= bar)]


def _bar(thumbs: np.ndarray, colours: np.ndarray) -> float:
    """The likeness from which on a pair is one of copies.

    Among few items few are alike, whatever they are: a tenth of the items, a tenth of the share. There, what counts is
    what stays alike, but becomes no copy, when the one is laid upon the other: of 500 photographs of CIFAR-10 up to 4
    do, of 240 of the built-in shapes about 10.
    """
    sample = np.unique(np.linspace(0, len(thumbs) - 1, min(len(thumbs), SAMPLE)).astype(np.int64))
    thumbs, colours = thumbs[sample], colours[sample]
    pairs = _all_pairs(hashes(thumbs))
    pairs = pairs[_same_colour(colours, pairs)]
    likeness = compare(thumbs, pairs)
    alike = pairs[(likeness > ALIKE[0]) & (likeness < ALIKE[1])]
    n = len(thumbs)
    if n < LEAST:
        return COPY
    if len(np.unique(alike)) > BY_NATURE * n:
        return COPY_OF_SIMPLE
    some = pairs[(likeness > WORTH_LAYING) & (likeness < COPY)][:SAMPLE]
    laid = _laid(thumbs, some)
    still = some[(laid > ALIKE[0]) & (laid < COPY)]
    return COPY_OF_SIMPLE if len(np.unique(still)) > max(CHANCE, BY_NATURE * n * n / SAMPLE) else COPY


def _laid(thumbs: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """float32 ``(P,)``: the likeness of each pair when the one is laid upon the other as well as it can be."""
    likeness = np.empty(len(pairs), np.float32)
    for at in range(0, len(pairs), 256):
        first, second = pairs[at : at + 256].T
        likeness[at : at + 256] = aligned_likeness(thumbs[first], thumbs[second])
    return likeness


def _same_colour(colours: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    tint = (colours - colours.mean(axis=3, keepdims=True)).reshape(len(colours), -1)
    same = np.ones(len(pairs), bool)
    for at in range(0, len(pairs) if tint.any() else 0, _CHUNK):
        first, second = pairs[at : at + _CHUNK].T
        same[at : at + _CHUNK] = np.abs(tint[first] - tint[second]).mean(axis=1) <= COLOUR
    return same


def compare(thumbs: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """float32 ``(P,)``: the correlation of the detail in each pair's thumbnails, as they lie."""
    used, numbers = np.unique(pairs, return_inverse=True)
    units = np.empty((len(used), SIDE * SIDE), np.float32)
    for at in range(0, len(used), _CHUNK):
        units[at : at + _CHUNK] = unit(detail(thumbs[used[at : at + _CHUNK]]))
    return _correlation(units, numbers.reshape(pairs.shape))


def _correlation(units: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    likeness = np.empty(len(pairs), np.float32)
    for at in range(0, len(pairs), _CHUNK):
        first, second = pairs[at : at + _CHUNK].T
        likeness[at : at + _CHUNK] = np.einsum("ij,ij->i", units[first], units[second])
    return likeness
