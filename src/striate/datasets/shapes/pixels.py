"""From a scene to pixels: a background, the shapes on it with soft edges, noise over all; and the mask."""

from __future__ import annotations

import numpy as np

from striate.datasets.counter import philox, uniforms
from striate.datasets.shapes.outlines import COSINES, KINDS, SINES
from striate.datasets.shapes.scene import TEXTURES, Plan, Scene

_CELLS = 4  # of the clouds, along each side
_TEXTURE, _NOISE = 1, 2  # added to the part's stream of random numbers


def painted(plan: Plan, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """The images, uint8 ``(N, H, W, 3)`` or grey ``(N, H, W)``, and their masks, uint8 ``(N, H, W)``.

    A mask holds 0 where there is background, and 1 + the number of the kind where a pixel's middle is in a shape.
    """
    # half pixels: the middle of the first one
    x, y = np.meshgrid(np.arange(plan.width) + 0.5, np.arange(plan.height) + 0.5)
    x, y = x.astype(np.float32), y.astype(np.float32)
    canvas = scene.ground.astype(np.float32)[:, None, None] + _background(plan, scene, x, y)[..., None]
    masks = np.zeros(canvas.shape[:3], np.uint8)
    for m in range(plan.most):
        for number in np.unique(scene.kind[:, m][scene.kind[:, m] >= 0]):
            there = np.flatnonzero(scene.kind[:, m] == number)
            distance = _distances(plan.kinds[number], scene, there, m, x, y)
            cover = np.clip(0.5 - distance, 0, 1)[..., None]
            below = canvas[there]
            canvas[there] = below + cover * (scene.colour[there, m].astype(np.float32)[:, None, None] - below)
            masks[there] = np.where(distance < 0, np.uint8(number + 1), masks[there])
    canvas += _noise(plan, scene, canvas.shape)
    images = np.floor(np.clip(canvas, 0, 255) + np.float32(0.5)).astype(np.uint8)
    return (images[..., 0] if plan.channels == 1 else images), masks


def _distances(name: str, scene: Scene, there: np.ndarray, m: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """float32 ``(N, H, W)``, in pixels: how far each pixel's middle is from the *m*-th shape of the images *there*."""

    def single(values: np.ndarray) -> np.ndarray:
        return values[there, m].astype(np.float32)[:, None, None]

    radius, across, down = single(scene.size) / 2, x - single(scene.x), y - single(scene.y)
    cos, sin = single(COSINES[scene.angle]) / radius, single(SINES[scene.angle]) / radius
    return KINDS[name].distance(across * cos + down * sin, down * cos - across * sin) * radius


def _background(plan: Plan, scene: Scene, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """float32 ``(N, H, W)``: the texture of each image, in levels of 255 about 0."""
    texture = np.zeros((len(scene.index), *x.shape), np.float32)
    for number, name in enumerate(TEXTURES[1:], 1):
        there = np.flatnonzero(scene.texture == number)
        chance = uniforms(plan.seed, 0, scene.index[there], (_CELLS + 1) ** 2, stream=scene.stream + _TEXTURE)
        values = _clouds(chance, x, y) if name == "clouds" else _waves(chance, name, x, y)
        texture[there] = values * scene.strength[there, 0].astype(np.float32)[:, None, None]
    return texture


def _waves(chance: np.ndarray, name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A gradient, stripes or checks of any direction and width: -1 to 1."""
    angle = (360 * chance[:, 0]).astype(np.int64)
    longest = max(x.shape)
    period = 4 * longest if name == "gradient" else longest * (0.15 + 0.3 * chance[:, 1])
    cos, sin = ((table[angle] / period).astype(np.float32)[:, None, None] for table in (COSINES, SINES))
    start = (chance[:, 2] if name != "gradient" else 0.25 + 0 * chance[:, 2]).astype(np.float32)[:, None, None]
    middle_x, middle_y = x - x.shape[1] / 2, y - x.shape[0] / 2
    waves = _triangle(middle_x * cos + middle_y * sin + start)
    if name == "gradient":
        return waves * 2
    sharp = np.clip(4 * waves, -1, 1)
    return sharp * np.clip(4 * _triangle(middle_y * cos - middle_x * sin + start), -1, 1) if name == "checks" else sharp


def _triangle(phase: np.ndarray) -> np.ndarray:
    """A wave of period 1 between -1 and 1, 0 at 0.25: what a sine would be, of exact operations."""
    return 1 - 4 * np.abs(phase - np.floor(phase) - np.float32(0.5))


def _clouds(chance: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Random values on a coarse grid, smooth in between: -1 to 1."""
    grid = chance.astype(np.float32).reshape(-1, _CELLS + 1, _CELLS + 1) * 2 - 1
    (i, down), (j, across) = (_cells(axis) for axis in (y[:, 0], x[0]))
    down, across = down[:, None], across[None]
    rows = grid[:, i] + (grid[:, i + 1] - grid[:, i]) * down  # (N, H, cells + 1)
    return rows[:, :, j] + (rows[:, :, j + 1] - rows[:, :, j]) * across


def _cells(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each pixel along an axis: its cell, and how far into it, smoothed."""
    place = at * (_CELLS / len(at))
    cell = place.astype(np.int64)
    share = place - cell.astype(np.float32)
    return cell, share * share * (3 - 2 * share)


def _noise(plan: Plan, scene: Scene, shape: tuple[int, ...]) -> np.ndarray:
    """float32 ``(N, H, W, C)``, in levels of 255; its standard deviation is the scene's."""
    n, height, width, channels = shape
    counter = np.zeros((n, -(-height * width // 4), 4), np.uint64)  # four words a block, a word a pixel
    counter[..., 0] = np.arange(counter.shape[1], dtype=np.uint64)
    counter[..., 1] = scene.index.astype(np.uint64)[:, None]
    counter[..., 3] = scene.stream + _NOISE  # where `uniforms` has an epoch, so these are none of its numbers
    words = philox(counter, plan.seed).reshape(n, -1)[:, : height * width].reshape(n, height, width, 1)
    # ten bits for each channel, five for each term of a sum: a triangular distribution
    fives = (words >> (np.arange(2 * channels, dtype=np.uint64) * np.uint64(5))) & np.uint64(31)
    sums = (fives[..., 0::2] + fives[..., 1::2]).astype(np.float32) - np.float32(31)
    return sums * (scene.strength[:, 1].astype(np.float32) / np.float32(13))[:, None, None, None]
