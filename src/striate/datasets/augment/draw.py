"""The numbers by which each image is changed, drawn by (seed, epoch, index) and nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from striate.datasets.augment.settings import Augment
from striate.datasets.counter import uniforms

_CHANGES, _COINS, _MIXING, _WORDS = 0, 1, 2, 3  # streams of random numbers


@dataclass(frozen=True, eq=False)
class DrawnChanges:
    """How N images of one size are changed.

    Positions are measured in pixels from the image's left upper corner: the first pixel's middle is at (0.5, 0.5).

    Args:
        shift: int64 ``(N, 2)``, to the right and down.
        flip: bool ``(N, 2)``, left to right and upside down.
        linear: float64 ``(N, 2, 2)``, what the flips, the rotation and the scale do to an (x, y) from the middle.
        factors: float64 ``(N, 3)``, of brightness, contrast and colour.
        cutout: int64 ``(N, 2)``, x and y of the covered square's first pixel; it may reach beyond the image.
    """

    shift: np.ndarray
    flip: np.ndarray
    linear: np.ndarray
    factors: np.ndarray
    cutout: np.ndarray


def draw_changes(augment: Augment, size: tuple[int, int], *, seed: int, epoch: int, index: np.ndarray) -> DrawnChanges:
    """The changes to the images of the numbers *index*, ``(N,)``, which are *size* (height, width) large.

    >>> draws = draw_changes(Augment(shift=2), (8, 8), seed=0, epoch=0, index=np.arange(3))
    >>> draws.shift.tolist(), draws.flip.shape
    ([[-1, 2], [0, 2], [-1, -2]], (3, 2))
    """
    height, width = size
    u = uniforms(seed, epoch, index, 9, stream=_CHANGES)
    either = 2 * u - 1  # -1 to 1
    reach = np.array([length_in_pixels(augment.shift, width), length_in_pixels(augment.shift, height)])
    shift = np.floor(u[:, :2] * (2 * reach + 1)).astype(np.int64) - reach
    flip = np.stack(
        [_flips(how, seed, epoch, index, axis) for axis, how in enumerate((augment.flip, augment.vflip))], axis=1
    )
    largest = np.array([augment.brightness, augment.contrast, augment.colour])
    square = length_in_pixels(augment.cutout, min(size))
    middle = np.floor(u[:, 7:9] * (width, height)).astype(np.int64)
    return DrawnChanges(
        shift,
        flip,
        _linear(either[:, 2] * math.radians(augment.rotate), either[:, 3] * math.log1p(augment.scale), flip),
        1 + either[:, 4:7] * largest,
        middle - square // 2,
    )


def draw_words(augment: Augment, length: int, *, seed: int, epoch: int, index: np.ndarray) -> np.ndarray:
    """bool ``(N, length)``: the places of each text whose word is replaced by the unknown word.

    >>> draw_words(Augment(words=0.5), 4, seed=0, epoch=0, index=np.arange(2)).shape
    (2, 4)
    """
    return uniforms(seed, epoch, index, length, stream=_WORDS) < augment.words


def _flips(how: str, seed: int, epoch: int, index: np.ndarray, axis: int) -> np.ndarray:
    """bool ``(N,)``. An alternating image's coin is tossed once: in the epochs to come it is turned over and over
    (K. Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024, arXiv 2404.00498).
    """
    if how == "no":
        return np.zeros(len(index), bool)
    alternates = how == "alternate"
    coin = uniforms(seed, 0 if alternates else epoch, index, 2, stream=_COINS)[:, axis] < 0.5
    return coin ^ (alternates and epoch % 2 == 1)


def _linear(angle: np.ndarray, log_scale: np.ndarray, flip: np.ndarray) -> np.ndarray:
    # math, not numpy: its vector code may round the last bit differently from one array length to another
    turns = [(math.cos(a), math.sin(a), math.exp(s)) for a, s in zip(angle.tolist(), log_scale.tolist(), strict=True)]
    cos, sin, scale = np.array(turns).reshape(-1, 3).T
    sign = np.where(flip, -1.0, 1.0)
    rows = np.stack([cos, sin, -sin, cos], axis=1).reshape(-1, 2, 2)
    return np.asarray(scale[:, None, None] * rows * sign[:, None, :])


def length_in_pixels(length: float, side: int) -> int:
    """A length of the settings in pixels: a fraction of the side below 1, but then at least one pixel.

    >>> [length_in_pixels(*pair) for pair in ((0, 32), (0.125, 32), (0.05, 8), (4, 32))]
    [0, 4, 1, 4]
    """
    return int(length) if length >= 1 or not length else max(1, int(length * side + 0.5))


@dataclass(frozen=True, eq=False)
class Mixing:
    """How M of N images are mixed with others.

    Args:
        at: int64 ``(M,)``, which of the N.
        partner: int64 ``(M,)``, the position, among all items, of the image to mix with.
        share: float64 ``(M,)``, how much of the mixture is the image's own.
        box: int64 ``(M, 4)``: left, top, right, bottom of the rectangle that comes from the partner; all 0 where the
            images are blended.
    """

    at: np.ndarray
    partner: np.ndarray
    share: np.ndarray
    box: np.ndarray


def draw_mixing(
    augment: Augment, size: tuple[int, int], *, items: int, seed: int, epoch: int, index: np.ndarray
) -> Mixing:
    """With what, and how, the images of the numbers *index* are mixed.

    The share is uniform (a Beta distribution with alpha 1): mixup, Zhang et al. 2018 (arXiv 1710.09412);
    cutmix, Yun et al. 2019 (arXiv 1905.04899). Theirs is one share per batch and a partner out of the
    batch; here each image has its own share and a partner out of all *items*.
    """
    height, width = size
    kind, partner, share, x, y = uniforms(seed, epoch, index, 5, stream=_MIXING).T
    cuts = (kind >= augment.mixup) & (kind < augment.mixup + augment.cutmix)
    # a rectangle like the image, of the partner's share of its area, cut off where it reaches beyond
    half = np.sqrt(1 - share) / 2
    left, right = _ends(x * width, half * width, width)
    top, bottom = _ends(y * height, half * height, height)
    box = np.where(cuts[:, None], np.stack([left, top, right, bottom], axis=1), 0)
    area = (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])
    share = np.where(cuts, 1 - area / (height * width), share)
    at = np.flatnonzero(kind < augment.mixup + augment.cutmix)
    return Mixing(at, np.floor(partner[at] * items).astype(np.int64), share[at], box[at])


def _ends(middle: np.ndarray, half: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    first, last = np.rint(middle - half).astype(np.int64), np.rint(middle + half).astype(np.int64)
    return first.clip(0, side), last.clip(0, side)
