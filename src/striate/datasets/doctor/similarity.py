"""Images that are copies though their bytes differ: scaled, compressed again, brightened, cropped a little.

Each image becomes a grey thumbnail, the thumbnail a hash of 64 bits: the signs of its lowest cosine coefficients
against their median (the "pHash" of C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions,
2010, 3.2.1). Pairs whose hashes differ in few bits are candidates. Among many items they are found by two of the
eight bytes of their hashes, which are equal (always where 6 bits or less differ, by the pigeonhole principle):
sorting by each pair of bytes brings them within a dozen places of each other, unless more items share both bytes (the
sorted neighbourhood of M. Hernández and S. Stolfo, The merge/purge problem for large databases, SIGMOD 1995).

Candidates of the same colours are compared by the correlation of the detail in their thumbnails, the coarse light and
shade taken away; where it is middling, after the one has been aligned with the other by Gauss and Newton's method.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from striate.sampling import evenly

SIDE = 32  # pixels of a thumbnail
MAX_BITS = 14  # that two hashes may differ in; an image less a twentieth of one side differs in 8 to 14
FEW_BITS = 6  # where items have many neighbours
SMALL = 4096  # items: up to so many are compared each with each
WINDOW = 12  # neighbours in sorted order that an item is compared with
COPY, COPY_OF_SIMPLE = 0.9, 0.997  # the similarity of copies: of photographs; of what is similar by nature
SIMILAR = (0.5, 0.8)  # the similarity of images that are similar, but no copies
WORTH_ALIGNING = 0.2  # the similarity from which on a pair may turn out to be copies when aligned
BY_NATURE = 0.05  # where more than this fraction of the items is similar to another, they are so by nature
CHANCE = 3  # so many similar items say nothing
SAMPLE, LEAST = 2048, 40  # items that this is measured on, at most and at least
FAINT = 8  # levels between the darkest and the brightest of a thumbnail that says enough to compare
CELLS = 4  # an image's colours are the means of so many times so many places
COLOUR = 12.0  # levels by which the colours of copies may differ, on the average, their brightness made equal
_MOST_ALIGNED = 50_000
_CHUNK = 8192
ALIGN_STEPS = 6
_FARTHEST = 2.5  # pixels of a thumbnail by which an edge may move
_AROUND = 4  # the detail of a pixel is what differs from the mean of so many pixels on every side


@dataclass(frozen=True, eq=False)
class SimilarPair:
    """Two items by number, and how similar they are (1: the same)."""

    first: int
    second: int
    similarity: float


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

    That is ``MAX_BITS``, or ``FEW_BITS`` where the items have many neighbours each, as digits have.
    """
    n = len(codes)
    if n <= SMALL:
        return _all_pairs(codes)
    octets = codes.view(np.uint8).reshape(-1, 8).astype(np.uint64)
    found: list[np.ndarray] = []
    bits = MAX_BITS
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
        near = i + 1 + np.flatnonzero(np.bitwise_count(codes[i + 1 :] ^ codes[i]) <= MAX_BITS)
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


def near_duplicates(thumbs: np.ndarray, colours: np.ndarray, bar: float | None = None) -> list[SimilarPair]:
    """The pairs of items that are copies of each other, at any distance in the data set.

    What counts as a copy depends on the data. Of photographs, few are similar at all: less than a hundredth of
    CIFAR-10's has another of similarity 0.5 to 0.8 among 2,048, and what is above 0.9 is the same photograph. Of
    digits, drawings and the frames of a video, an eighth to nearly all have; the most similar of MNIST's 70,000 reach
    0.9955 (of the built-in shapes, 0.9966 among 12,000), while a digit compressed as JPEG of quality 75 keeps 0.998.

    Args:
        thumbs: uint8 ``(N, SIDE, SIDE)``, grey.
        colours: ``(N, CELLS, CELLS, 3)``, the mean red, green and blue of each place.
        bar: The similarity of copies; if not given, by the data, as :func:`copy_bar` has it.
    """
    usable = usable_thumbs(thumbs)
    if len(usable) < 2:  # one colour is like every other
        return []
    thumbs, colours = thumbs[usable], colours[usable]
    pairs = candidates(hashes(thumbs))
    pairs = pairs[_same_colour(colours, pairs)]
    bar = copy_bar(thumbs, colours) if bar is None else bar
    if bar == COPY_OF_SIMPLE:  # there are many candidates: what differs at a glance is dropped
        pairs = pairs[_correlation(_unit(shrink(thumbs, 8)), pairs) > 0.95]
    similarity = detail_similarity(thumbs, pairs)
    again = np.flatnonzero((similarity < bar) & (similarity > WORTH_ALIGNING))
    if bar == COPY and len(again) <= _MOST_ALIGNED:
        similarity[again] = best_similarity(thumbs, thumbs, pairs[again])
    found = np.flatnonzero(similarity >= bar)
    copies = zip(usable[pairs[found]].tolist(), similarity[found].tolist(), strict=True)
    return [SimilarPair(first, second, alike) for (first, second), alike in copies]


def usable_thumbs(thumbs: np.ndarray) -> np.ndarray:
    """int ``(M,)``: which thumbnails are of more than one colour, which is like every other.

    >>> usable_thumbs(np.stack([np.full((SIDE, SIDE), 7, np.uint8), np.arange(SIDE**2).reshape(SIDE, SIDE) % 100]))
    array([1])
    """
    flat = thumbs.reshape(len(thumbs), SIDE * SIDE)
    return np.flatnonzero(flat.max(axis=1, initial=0) - flat.min(axis=1, initial=255) > FAINT)


def copy_bar(thumbs: np.ndarray, colours: np.ndarray) -> float:
    """The similarity from which on a pair is one of copies.

    Among few items few are similar, whatever they are: a tenth of the items, a tenth of the fraction. There, what
    counts is what stays similar, but becomes no copy, when the one is aligned with the other: of 500 photographs of
    CIFAR-10 up to 4 do, of 240 of the built-in shapes about 10.

    >>> copy_bar(np.zeros((9, SIDE, SIDE), np.uint8), np.zeros((9, CELLS, CELLS, 3)))
    0.9
    """
    if len(thumbs) < LEAST:
        return COPY
    sample = evenly(len(thumbs), SAMPLE)
    thumbs, colours = thumbs[sample], colours[sample]
    pairs = _all_pairs(hashes(thumbs))
    pairs = pairs[_same_colour(colours, pairs)]
    similarity = detail_similarity(thumbs, pairs)
    similar = pairs[(similarity > SIMILAR[0]) & (similarity < SIMILAR[1])]
    n = len(thumbs)
    if len(np.unique(similar)) > BY_NATURE * n:
        return COPY_OF_SIMPLE
    some = pairs[(similarity > WORTH_ALIGNING) & (similarity < COPY)][:SAMPLE]
    aligned = best_similarity(thumbs, thumbs, some)
    still = some[(aligned > SIMILAR[0]) & (aligned < COPY)]
    return COPY_OF_SIMPLE if len(np.unique(still)) > max(CHANCE, BY_NATURE * n * n / SAMPLE) else COPY


def best_similarity(one: np.ndarray, other: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """float32 ``(P,)``: the similarity of each pair, one of it aligned with the other as well as it can be.

    >>> thumbs = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE), np.uint8)
    >>> best_similarity(thumbs, thumbs, np.array([[0, 0], [0, 1]])).round(1).tolist()[0]
    1.0
    """
    similarity = np.empty(len(pairs), np.float32)
    for at in range(0, len(pairs), 256):
        first, second = pairs[at : at + 256].T
        similarity[at : at + 256] = aligned_similarity(one[first], other[second])
    return similarity


def _same_colour(colours: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    tint = (colours - colours.mean(axis=3, keepdims=True)).reshape(len(colours), -1)
    same = np.ones(len(pairs), bool)
    for at in range(0, len(pairs) if tint.any() else 0, _CHUNK):
        first, second = pairs[at : at + _CHUNK].T
        same[at : at + _CHUNK] = np.abs(tint[first] - tint[second]).mean(axis=1) <= COLOUR
    return same


def detail_similarity(thumbs: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """float32 ``(P,)``: the correlation of the detail in each pair's thumbnails, as they lie."""
    used, numbers = np.unique(pairs, return_inverse=True)
    units = np.empty((len(used), SIDE * SIDE), np.float32)
    for at in range(0, len(used), _CHUNK):
        units[at : at + _CHUNK] = _unit(_detail(thumbs[used[at : at + _CHUNK]]))
    return _correlation(units, numbers.reshape(pairs.shape))


def _correlation(units: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    similarity = np.empty(len(pairs), np.float32)
    for at in range(0, len(pairs), _CHUNK):
        first, second = pairs[at : at + _CHUNK].T
        similarity[at : at + _CHUNK] = np.einsum("ij,ij->i", units[first], units[second])
    return similarity


def _detail(thumbs: np.ndarray) -> np.ndarray:
    """float32 ``(N, S, S)``: thumbnails, softened a little, without their coarse light and shade."""
    side = thumbs.shape[1]
    soft = _means(side, (1, 2, 1))
    coarse = _means(side, (1,) * (2 * _AROUND + 1)) @ soft
    thumbs = thumbs.astype(np.float32)
    return np.asarray(soft @ thumbs @ soft.T - coarse @ thumbs @ coarse.T, np.float32)


def _means(side: int, weights: tuple[int, ...]) -> np.ndarray:
    """``(side, side)``: what replaces each pixel of a row by the weighted mean of those around, the edges repeated."""
    matrix = np.zeros((side, side), np.float32)
    for pixel in range(side):
        for step, weight in enumerate(weights, -(len(weights) // 2)):
            matrix[pixel, min(max(pixel + step, 0), side - 1)] += weight / sum(weights)
    return matrix


def _unit(detail: np.ndarray) -> np.ndarray:
    """float32 ``(N, S * S)``: mean 0 and length 1, so that a product of two is their correlation."""
    flat = detail.reshape(len(detail), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6))


def aligned_similarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """float32 ``(P,)``: the best correlation of each pair's detail, the first moved and scaled a little.

    Gauss and Newton's method on two scales and two shifts (B. Lucas, T. Kanade, An iterative image registration
    technique with an application to stereo vision, IJCAI 1981), all pairs at once.

    Args:
        first: uint8 ``(P, S, S)``.
        second: Likewise.
    """
    source, goal = _detail(first), _unit(_detail(second))
    n, side = len(first), first.shape[1]
    v, u = (grid.ravel() for grid in np.mgrid[:side, :side].astype(np.float32))
    x, y = (2 * u - side + 1) / side, (2 * v - side + 1) / side  # -1 to 1 over the image
    slope_y, slope_x = np.gradient(source, axis=(1, 2))
    moves = np.zeros((n, 4), np.float32)  # of the right and the lower edge, and of the whole: right, down
    best = np.full(n, -1, np.float32)
    for _ in range(ALIGN_STEPS):
        across = u + moves[:, :1] * x + moves[:, 2:3]
        down = v + moves[:, 1:2] * y + moves[:, 3:]
        seen, along_x, along_y = _sampled((source, slope_x, slope_y), across, down)
        seen = seen - seen.mean(axis=1, keepdims=True)
        length = np.maximum(np.linalg.norm(seen, axis=1, keepdims=True), 1e-6)
        seen /= length
        best = np.maximum(best, np.einsum("ij,ij->i", seen, goal))
        jacobian = np.stack([along_x * x, along_y * y, along_x, along_y], axis=-1) / length[..., None]
        turned = jacobian.transpose(0, 2, 1)
        hessian = turned @ jacobian + 1e-4 * np.eye(4, dtype=np.float32)
        step = np.linalg.solve(hessian, turned @ (goal - seen)[..., None])[..., 0]
        moves = (moves + step).clip(-_FARTHEST, _FARTHEST)
    return best


def _sampled(images: tuple[np.ndarray, ...], x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Each stack ``(P, S, S)`` at the places *x*, *y* ``(P, S * S)``, between pixels bilinearly."""
    side = images[0].shape[1]
    x, y = (places.clip(0, side - 1.001) for places in (x, y))
    column, row = x.astype(np.intp), y.astype(np.intp)
    right, below = x - column, y - row
    at = row * side + column
    shares = ((0, (1 - right) * (1 - below)), (1, right * (1 - below)), (side, (1 - right) * below))
    corners = (*shares, (side + 1, right * below))
    flat = [image.reshape(len(image), -1) for image in images]
    return [sum(np.take_along_axis(image, at + step, 1) * share for step, share in corners) for image in flat]
