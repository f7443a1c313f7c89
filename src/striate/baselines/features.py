"""Features made by hand: of images, of single pixels of masks, of texts (tf-idf of words and pairs)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from striate.baselines.linear import Bags, LinearModel, logistic_regression

LARGEST = 64  # pixels a side: larger images are made smaller first
ANGLES = 9  # of gradients without a sign, 20 degrees each
CELLS = 8  # a side, about
GRID = 8  # mean colours a side
LEVELS = 4  # of each of three colours in their common histogram
GREYS = 16  # of each channel in its own
AT_ONCE = 2**22  # values of images that are worked on at a time


def picture_features(images: NDArray[np.uint8]) -> Tensor:
    """float32 ``(N, D)`` of uint8 images ``(N, C, H, W)``; each of the three groups has about the length 1.

    >>> picture_features(np.zeros((2, 3, 32, 32), np.uint8)).shape
    torch.Size([2, 832])
    """
    step = max(1, AT_ONCE // max(1, int(np.prod(images.shape[1:]))))
    return torch.cat([_features(images[i : i + step]) for i in range(0, len(images), step)])


def _features(images: NDArray[np.uint8]) -> Tensor:
    x = shrunk(torch.tensor(images).float() / 255, LARGEST)
    small = F.adaptive_avg_pool2d(x, (min(GRID, x.shape[2]), min(GRID, x.shape[3]))).flatten(1)
    return torch.cat([colour_histogram(x).sqrt(), (small - 0.5) * (2 / small.shape[1] ** 0.5), hog(x)], 1)


def shrunk(x: Tensor, largest: int) -> Tensor:
    """Images ``(N, C, H, W)`` of at most *largest* pixels a side, by the mean over areas."""
    h, w = x.shape[2:]
    scale = largest / max(h, w)
    return x if scale >= 1 else F.adaptive_avg_pool2d(x, (max(1, round(h * scale)), max(1, round(w * scale))))


def colour_histogram(x: Tensor) -> Tensor:
    """The shares of the pixels in each bin, ``(N, bins)``: of three channels the 4 x 4 x 4 colours, of others 16 levels
    of each channel.

    >>> colour_histogram(torch.tensor([0.0, 0.99]).reshape(1, 1, 1, 2))[0, [0, 15]].tolist()
    [0.5, 0.5]
    """
    n, channels = x.shape[:2]
    if channels == 3:
        level = (x * LEVELS).long().clamp(0, LEVELS - 1)
        bins, size = (level[:, 0] * LEVELS + level[:, 1]) * LEVELS + level[:, 2], LEVELS**3
    else:
        level = (x * GREYS).long().clamp(0, GREYS - 1)
        bins, size = level + GREYS * torch.arange(channels)[None, :, None, None], GREYS * channels
    bins = bins.reshape(n, -1)
    counts = torch.bincount((bins + size * torch.arange(n)[:, None]).flatten(), minlength=n * size)
    return counts.reshape(n, size).float() / bins.shape[1]


def hog(x: Tensor) -> Tensor:
    """Histograms of oriented gradients ``(N, cells * 9)`` of images ``(N, C, H, W)``: in each cell the lengths of the
    gradients by direction, between two directions shared out, over the lengths of the cells around it (N. Dalal, B.
    Triggs, "Histograms of oriented gradients for human detection", CVPR 2005; each cell once, not once per block).

    >>> bars = torch.tensor([0.0, 1.0]).repeat(8).repeat_interleave(2).reshape(1, 1, 1, 32).expand(1, 1, 32, 32)
    >>> hog(bars).reshape(9, -1).sum(1).argmax().item()  # upright edges: the gradient lies across
    0
    """
    cell = max(2, round(max(x.shape[2:]) / CELLS))
    across = F.pad(x, (1, 1, 0, 0), mode="replicate").diff(n=1, dim=3)
    down = F.pad(x, (0, 0, 1, 1), mode="replicate").diff(n=1, dim=2)
    gx, gy = across[..., :-1] + across[..., 1:], down[:, :, :-1] + down[:, :, 1:]
    length = torch.hypot(gx, gy)
    if x.shape[1] > 1:  # the channel that changes most
        length, channel = length.max(1, keepdim=True)
        gx, gy = gx.gather(1, channel), gy.gather(1, channel)
    angle = torch.atan2(gy, gx) * (ANGLES / torch.pi) % ANGLES
    low = angle.floor().clamp(max=ANGLES - 1)
    part = angle - low
    low = low.long()
    n, _, h, w = x.shape
    parts = x.new_zeros(n, ANGLES, h, w)
    parts.scatter_(1, low, length * (1 - part))
    parts.scatter_add_(1, (low + 1) % ANGLES, length * part)
    cells = F.avg_pool2d(parts, cell, ceil_mode=True)
    around = F.avg_pool2d(cells.square().sum(1, keepdim=True), 3, 1, padding=1, count_include_pad=False)
    found = cells / (around + 1e-4).sqrt()
    scaled: Tensor = found.flatten(1) / (found.shape[2] * found.shape[3]) ** 0.5
    return scaled


PIXELS = 10_000  # that it is fitted on
STEPS = 40  # of L-BFGS
NONE = 255  # a pixel without a class
WINDOWS = (3, 9, 25)  # pixels a side, of the means around a pixel


def pixel_features(images: NDArray[np.uint8]) -> Tensor:
    """float32 ``(N, D, H, W)``: of each pixel its colour, the mean and the spread around it, and where it lies.

    >>> pixel_features(np.zeros((1, 3, 8, 8), np.uint8)).shape
    torch.Size([1, 22, 8, 8])
    """
    x = torch.tensor(images).float() / 255 - 0.5
    n, _, h, w = x.shape
    grey = x.mean(1, keepdim=True)
    around = [x, x.square()]
    for side in WINDOWS:
        mean = _mean(x, side)
        around += [mean, (_mean(grey.square(), side) - _mean(grey, side).square()).clamp(min=0).sqrt()]
    up = torch.linspace(-1, 1, h)[:, None].expand(n, 1, h, w)
    across = torch.linspace(-1, 1, w).expand(n, 1, h, w)
    return torch.cat([*around, up, across, up.square(), across.square()], 1)


def _mean(x: Tensor, side: int) -> Tensor:
    """Over a square around each pixel, as far as it lies in the image: row means of column means."""
    half = side // 2
    rows = F.avg_pool2d(x, (side, 1), 1, (half, 0), count_include_pad=False)
    return F.avg_pool2d(rows, (1, side), 1, (0, half), count_include_pad=False)


def fit_pixels(images: NDArray[np.uint8], masks: NDArray[np.uint8], classes: int, seed: int = 0) -> LinearModel:
    """A logistic regression on pixels chosen at random from *images* ``(N, C, H, W)`` and *masks* ``(N, H, W)``, as
    many of each image; of pixels without a class (255) none.

    >>> images = np.zeros((1, 1, 4, 4), np.uint8)
    >>> images[0, 0, :, 2:] = 255
    >>> model = fit_pixels(images, images[:, 0] // 255, 2)
    >>> pixel_scores(model, images).argmax(1)[0].tolist()[0]
    [0, 0, 1, 1]
    """
    rng, each = np.random.default_rng(seed), max(1, PIXELS // len(images))
    rows, labels = [], []
    for image, mask in zip(images, masks, strict=True):
        known = np.flatnonzero(mask.ravel() != NONE)
        chosen = known if len(known) <= each else rng.choice(known, each, replace=False)
        rows.append(pixel_features(image[None])[0].flatten(1).T[torch.from_numpy(chosen)])
        labels.append(mask.ravel()[chosen])
    return logistic_regression(torch.cat(rows), torch.from_numpy(np.concatenate(labels)).long(), classes, steps=STEPS)


def pixel_scores(model: LinearModel, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """float32 ``(N, K, H, W)``: the scores of every pixel of *images* ``(N, C, H, W)``, of one after the other: their
    features take 22 numbers a pixel.
    """
    kernel = model.weight.T[:, :, None, None]
    scores = np.empty((len(images), len(kernel), *images.shape[2:]), np.float32)
    for image, into in zip(images, scores, strict=True):
        into[:] = F.conv2d(pixel_features(image[None]), kernel, model.bias)[0].numpy()
    return scores


WORDS = 2  # the number of the first word; below are the padding and the unknown word
COMMON = 2  # texts that a pair of words is in, at least

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TfIdf:
    """``tf (ln((1 + n) / (1 + df)) + 1)``, each text scaled to length 1: scikit-learn's ``TfidfVectorizer``.

    Args:
        terms: int64, rising: the words and pairs that were seen, as numbers.
        idf: float64, how much each counts.
        base: One more than the largest word that was seen; what the first word of a pair is multiplied by.
    """

    terms: Integers
    idf: NDArray[np.float64]
    base: int

    @classmethod
    def of(cls, texts: Integers) -> TfIdf:
        """The terms of *texts*, int64 ``(N, L)`` word numbers with 0 behind the end: all words, and the pairs of
        neighbours that two texts or more have.

        >>> TfIdf.of(np.array([[2, 3, 0], [2, 3, 4]])).terms.tolist()
        [2, 3, 4, 13]
        """
        base = int(texts.max(initial=0)) + 1
        _, terms = _terms(texts, base)
        found, texts_with = np.unique(terms, return_counts=True)
        kept = (found < base) | (texts_with >= COMMON)
        return cls(found[kept], np.log((1 + len(texts)) / (1 + texts_with[kept])) + 1, base)

    def bags(self, texts: Integers) -> Bags:
        """*texts* as features.

        >>> TfIdf.of(np.array([[2, 3, 0], [2, 3, 4]])).bags(np.array([[4, 0, 0]])).ids.tolist()
        [2]
        """
        rows, terms, times = _terms(texts, self.base, counted=True)
        at = np.searchsorted(self.terms, terms).clip(max=max(0, len(self.terms) - 1))
        known = self.terms[at] == terms if len(self.terms) else np.zeros(len(terms), bool)
        rows, at = rows[known], at[known]
        weights = times[known] * self.idf[at]
        lengths = np.sqrt(np.bincount(rows, weights**2, minlength=len(texts)))
        starts = np.searchsorted(rows, np.arange(len(texts)))
        return Bags(
            torch.from_numpy(at),
            torch.from_numpy((weights / np.maximum(lengths[rows], 1e-12)).astype(np.float32)),
            torch.from_numpy(starts),
            len(self.terms),
        )


def _terms(texts: Integers, base: int, *, counted: bool = False) -> tuple[Integers, ...]:
    """Of each text its different terms: the rows (rising) and the terms, and how often each is there. Words from *base*
    on were never seen, and are in no pair.
    """
    words = (texts >= WORDS) & (texts < base)
    pairs = words[:, :-1] & words[:, 1:]
    rows = np.concatenate([np.nonzero(words)[0], np.nonzero(pairs)[0]])
    terms = np.concatenate([texts[words], (texts[:, :-1] * base + texts[:, 1:])[pairs]])
    both = rows * (base * base + base) + terms
    found, times = np.unique(both, return_counts=True)
    rows, terms = np.divmod(found, base * base + base)
    return (rows, terms, times) if counted else (rows, terms)
