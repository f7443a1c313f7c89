"""What is in each image: which shapes, where, how large, how turned, in which colours. No pixels yet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from striate.datasets.counter import uniforms
from striate.datasets.shapes.outlines import KINDS

STREAMS = {"train": 0x5A00, "test": 0x5A80}  # of random numbers: the scene; the texture and the noise have the next
TEXTURES = ("plain", "gradient", "clouds", "stripes", "checks")
TRIES = 24  # places tried for a shape that must not touch those before it
_GAP = 1.5  # pixels between two shapes
_MARGIN = 1.0  # pixels between a shape and the image's edge
_OWN, _EACH = 16, 6 + 2 * TRIES  # numbers that an image uses, and each of its shapes
_LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Plan:
    """All that decides how an image of a given number and part looks.

    Args:
        height: Of the images, in pixels.
        width: Likewise.
        channels: 1 (grey) or 3.
        kinds: Names from ``KINDS``.
        most: The largest number of shapes in an image; with 1, the kinds come in turns.
        plain: Backgrounds of one colour, without noise.
        seed: Another seed, other images.
    """

    height: int
    width: int
    channels: int
    kinds: tuple[str, ...]
    most: int
    plain: bool
    seed: int

    @property
    def sizes(self) -> tuple[float, float]:
        """The smallest and the largest size of a shape, in pixels: so that *most* of them find room."""
        largest = 0.9 * min(self.height, self.width) / self.most**0.5
        return 0.5 * largest, largest


@dataclass(frozen=True)
class Scene:
    """What is in N images of at most M shapes.

    Args:
        index: int64 ``(N,)``: which images of the part these are.
        stream: Of random numbers, the part's.
        kind: int64 ``(N, M)``, an index into the plan's kinds; -1 where there is no shape.
        x: float64 ``(N, M)``: the centre, in pixels from the image's left edge.
        y: Likewise, from its upper edge.
        size: float64 ``(N, M)``: the diameter in pixels of the circle around the shape.
        angle: int64 ``(N, M)``: whole degrees, clockwise.
        colour: float64 ``(N, M, C)``, 0 to 255.
        ground: float64 ``(N, C)``: the background's colour.
        texture: int64 ``(N,)``, an index into ``TEXTURES``.
        strength: float64 ``(N, 2)``: of the texture and of the noise, in levels of 255.
    """

    index: np.ndarray
    stream: int
    kind: np.ndarray
    x: np.ndarray
    y: np.ndarray
    size: np.ndarray
    angle: np.ndarray
    colour: np.ndarray
    ground: np.ndarray
    texture: np.ndarray
    strength: np.ndarray


def arranged(plan: Plan, part: str, indices: np.ndarray) -> Scene:
    """What is in the images *indices* of *part* (``"train"`` or ``"test"``).

    A shape is always lighter than its background: a small network of the LeNet-5 kind cannot learn both ways round.
    """
    n, most = len(indices), plan.most
    chance = uniforms(plan.seed, 0, indices, _OWN + most * _EACH, stream=STREAMS[part])
    own, each = chance[:, :_OWN], chance[:, _OWN:].reshape(n, most, _EACH)
    smallest, largest = plan.sizes
    size = smallest + (largest - smallest) * each[..., 0]
    x, y, placed = _placed(plan, size, each[..., 6:])
    kind = _whole(each[..., 1], len(plan.kinds))
    if most == 1:
        kind = (np.asarray(indices, np.int64) % len(plan.kinds))[:, None]
    there = placed & (np.arange(most) < 1 + _whole(own[:, :1], most))
    angle = np.where([KINDS[name].turns for name in plan.kinds], 360, 1)[kind]
    dark = 20 + 90 * own[:, 1]
    light = dark[:, None] + 85 + 55 * each[..., 3]
    return Scene(
        index=np.asarray(indices, np.int64),
        stream=STREAMS[part],
        kind=np.where(there, kind, -1),
        x=x,
        y=y,
        size=size,
        angle=_whole(each[..., 2], angle),
        colour=_coloured(light, each[..., 4], 0.5 + 0.5 * each[..., 5], plan.channels),
        ground=_coloured(dark, own[:, 2], 0.7 * own[:, 3], plan.channels),
        texture=np.zeros(n, np.int64) if plan.plain else _whole(own[:, 4], len(TEXTURES)),
        strength=np.zeros((n, 2)) if plan.plain else np.array([6, 2]) + np.array([10, 8]) * own[:, 5:7],
    )


def _whole(uniform: np.ndarray, n: int | np.ndarray) -> np.ndarray:
    """int64: 0 to *n* - 1."""
    return (uniform * n).astype(np.int64)


def _placed(plan: Plan, size: np.ndarray, chance: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x and y ``(N, M)``, each the first of its tries that touches no shape before it; and whether there was one."""
    free = np.array([plan.width, plan.height]) - size[..., None] - 2 * _MARGIN  # (N, M, 2)
    tries = (size[..., None] / 2 + _MARGIN)[:, :, None] + chance.reshape(*size.shape, TRIES, 2) * free[:, :, None]
    at, placed = np.zeros((*size.shape, 2)), np.zeros(size.shape, bool)
    for m in range(size.shape[1]):
        apart = tries[:, m, :, None] - at[:, None, :m]  # (N, TRIES, shapes before, 2)
        least = (size[:, m, None] + size[:, :m]) / 2 + _GAP
        clear = (apart[..., 0] ** 2 + apart[..., 1] ** 2 > least[:, None] ** 2) | ~placed[:, None, :m]
        fits = clear.all(axis=2)
        placed[:, m] = fits.any(axis=1)
        at[:, m] = tries[np.arange(len(size)), m, fits.argmax(axis=1)]
    return at[..., 0], at[..., 1], placed


def _coloured(light: np.ndarray, hue: np.ndarray, vivid: np.ndarray, channels: int) -> np.ndarray:
    """``(..., channels)``: a colour of that *hue* (0 to 1) and lightness; *vivid* is the share of the most possible."""
    if channels == 1:
        return light[..., None]
    six = (6 * hue)[..., None] - np.array([3, 2, 4])
    pure = np.clip(np.abs(six) * [1, -1, -1] + [-1, 2, 2], 0, 1)
    away = pure - (pure * _LUMA)[..., :1] - (pure * _LUMA)[..., 1:2] - (pure * _LUMA)[..., 2:]  # of lightness 0
    light = np.asarray(light)[..., None]
    room = np.where(away > 0, 255 - light, light) / np.maximum(np.abs(away), 1e-9)
    return light + away * vivid[..., None] * np.minimum(room.min(axis=-1, keepdims=True), 255)
