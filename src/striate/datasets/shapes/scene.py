"""What is in each image (which shapes, where, how large, how turned, in which colours), and its pixels and mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from striate.datasets.counter import philox, uniforms
from striate.datasets.shapes.outlines import COSINES, KINDS, SINES
from striate.plotting.colours import LUMA_601

STREAMS = {"train": 0x5A00, "test": 0x5A80}  # of random numbers: the scene; the texture and the noise have the next
TEXTURES = ("plain", "gradient", "clouds", "stripes", "checks")
TRIES = 24  # places tried for a shape that must not touch those before it
_GAP = 1.5  # pixels between two shapes
_MARGIN = 1.0  # pixels between a shape and the image's edge
_OWN, _EACH = 16, 6 + 2 * TRIES  # numbers that an image uses, and each of its shapes
_LUMA = np.array(LUMA_601)
_CELLS = 4  # of the clouds, along each side
_TEXTURE, _NOISE = 1, 2  # added to the split's stream of random numbers


@dataclass(frozen=True)
class ScenePlan:
    """All that decides how an image of a given number and split looks.

    Args:
        height: Of the images, in pixels.
        width: Likewise.
        channels: 1 (grey) or 3.
        kinds: Names from ``KINDS``.
        max_shapes: The largest number of shapes in an image; with 1, the kinds come in turns.
        plain: Backgrounds of one colour, without noise.
        seed: Another seed, other images.
    """

    height: int
    width: int
    channels: int
    kinds: tuple[str, ...]
    max_shapes: int
    plain: bool
    seed: int

    @property
    def sizes(self) -> tuple[float, float]:
        """The smallest and the largest size of a shape, in pixels: so that *max_shapes* of them find room."""
        largest = 0.9 * min(self.height, self.width) / self.max_shapes**0.5
        return 0.5 * largest, largest


@dataclass(frozen=True)
class Scene:
    """What is in N images of at most M shapes.

    Args:
        index: int64 ``(N,)``: which images of the split these are.
        stream: Of random numbers, the split's.
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


def arrange_scene(plan: ScenePlan, split: str, indices: np.ndarray) -> Scene:
    """What is in the images *indices* of *split* (``"train"`` or ``"test"``).

    A shape is always lighter than its background: a small network of the LeNet-5 kind cannot learn both ways round.
    """
    n, most = len(indices), plan.max_shapes
    chance = uniforms(plan.seed, 0, indices, _OWN + most * _EACH, stream=STREAMS[split])
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
        stream=STREAMS[split],
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


def _placed(plan: ScenePlan, size: np.ndarray, chance: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
    return np.asarray(light + away * vivid[..., None] * np.minimum(room.min(axis=-1, keepdims=True), 255))


def render_scene(plan: ScenePlan, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """The images, uint8 ``(N, H, W, 3)`` or grey ``(N, H, W)``, and their masks, uint8 ``(N, H, W)``.

    A mask is 0 where there is background, and 1 + the number of the kind where a pixel's middle is in a shape.
    """
    # half pixels: the middle of the first one
    x, y = np.meshgrid(np.arange(plan.width) + 0.5, np.arange(plan.height) + 0.5)
    x, y = x.astype(np.float32), y.astype(np.float32)
    canvas = scene.ground.astype(np.float32)[:, None, None] + _background(plan, scene, x, y)[..., None]
    masks = np.zeros(canvas.shape[:3], np.uint8)
    for m in range(plan.max_shapes):
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
        return np.asarray(values[there, m], np.float32)[:, None, None]

    radius, across, down = single(scene.size) / 2, x - single(scene.x), y - single(scene.y)
    cos, sin = single(COSINES[scene.angle]) / radius, single(SINES[scene.angle]) / radius
    return np.asarray(KINDS[name].distance(across * cos + down * sin, down * cos - across * sin) * radius)


def _background(plan: ScenePlan, scene: Scene, x: np.ndarray, y: np.ndarray) -> np.ndarray:
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
    across = np.clip(4 * _triangle(middle_y * cos - middle_x * sin + start), -1, 1) if name == "checks" else 1
    return np.asarray(sharp * across)


def _triangle(phase: np.ndarray) -> np.ndarray:
    """A wave of period 1 between -1 and 1, 0 at 0.25: what a sine would be, of exact operations."""
    return np.asarray(1 - 4 * np.abs(phase - np.floor(phase) - np.float32(0.5)))


def _clouds(chance: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Random values on a coarse grid, smooth in between: -1 to 1."""
    grid = chance.astype(np.float32).reshape(-1, _CELLS + 1, _CELLS + 1) * 2 - 1
    (i, down), (j, across) = (_cells(axis) for axis in (y[:, 0], x[0]))
    down, across = down[:, None], across[None]
    rows = grid[:, i] + (grid[:, i + 1] - grid[:, i]) * down  # (N, H, cells + 1)
    return np.asarray(rows[:, :, j] + (rows[:, :, j + 1] - rows[:, :, j]) * across)


def _cells(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each pixel along an axis: its cell, and how far into it, smoothed."""
    place = at * (_CELLS / len(at))
    cell = place.astype(np.int64)
    share = place - cell.astype(np.float32)
    return cell, share * share * (3 - 2 * share)


def _noise(plan: ScenePlan, scene: Scene, shape: tuple[int, ...]) -> np.ndarray:
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
    return np.asarray(sums * (scene.strength[:, 1].astype(np.float32) / np.float32(13))[:, None, None, None])
