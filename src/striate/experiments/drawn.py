"""What the experiments draw: small pictures, faces, scenes of two objects; ink and kernels as images."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from striate.datasets.shapes import KINDS
from striate.plotting import ColourScale

SHADES = {".": 0.0, "o": 0.5, "#": 1.0}
SMALL_PICTURES = {
    "dog": """
        ........
        .....##.
        #....#o#
        #....###
        .#####..
        .#####..
        .#...#..
        .#...#..""",
    "cat": """
        ........
        .#...#..
        .##.##..
        .#####..
        .#o#o#..
        .#####..
        ..###...
        ........""",
    "boat": """
        ...#....
        ...##...
        ...###..
        ...####.
        ...#....
        ########
        .######.
        ..oooo..""",
    "bird": """
        ........
        ....##..
        #..##o##
        ##.####.
        .#####..
        ..###...
        ...#....
        ..##....""",
}


def small_picture(name: str) -> np.ndarray:
    """One of the four ``SMALL_PICTURES`` as float64 ``(8, 8)``: 0 is the ground, 1 the animal or the boat.

    >>> small_picture("boat")[5].tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    return np.array([[SHADES[mark] for mark in row] for row in SMALL_PICTURES[name].split()])


def varied(picture: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """*n* copies of *picture* ``(H, W)``: moved by up to a pixel, lighter or darker, with noise; ``(n, H, W)``.

    >>> varied(small_picture("cat"), 3, np.random.default_rng(0)).shape
    (3, 8, 8)
    """
    height, width = picture.shape
    wide = np.pad(picture, 1)
    moves = rng.integers(0, 3, (n, 2))
    moved = np.stack([wide[y : y + height, x : x + width] for y, x in moves])
    return np.asarray(moved * rng.uniform(0.6, 1.0, (n, 1, 1)) + rng.normal(0, 0.1, moved.shape))


# ---------------------------------------------------------------------------------------- faces
MOUTHS, BROWS = ("smile", "frown"), ("apart", "together")
MOODS = {"friendly": (0, 0), "mischievous": (0, 1), "sad": (1, 0), "angry": (1, 1)}  # mouth and brows
FACE_PARTS = ("head", "brows", "eyes", "nose", "mouth")


def draw_faces(
    moods: np.ndarray, rng: np.random.Generator, side: int = 40, without: str = ""
) -> tuple[np.ndarray, np.ndarray]:
    """Grey faces, uint8 ``(N, side, side)``, one for each number of *moods* (an index into ``MOODS``), and where their
    parts lie: float ``(N, 5, 2)``, the (y, x) in pixels of the middle of each of ``FACE_PARTS``.

    No part alone says the mood: it takes the mouth and the brows together. *without* leaves one part out; drawn by a
    generator in the same state, everything else of the faces is the same.

    >>> images, places = draw_faces(np.array([0, 3]), np.random.default_rng(0))
    >>> images.shape, places.shape
    ((2, 40, 40), (2, 5, 2))
    """
    n = len(moods)
    mouth, brows = np.array(list(MOODS.values()))[moods].T
    chance = rng.uniform(-1, 1, (n, 12))
    noise = rng.normal(0, 6, (n, side, side))
    c = chance[..., None, None]
    y, x = (np.indices((side, side)) + 0.5)[:, None]
    s = side / 40 * (1 + 0.12 * c[:, 0])
    u, v = (x - side / 2 - 3 * c[:, 1]) / s, (y - side / 2 - 3 * c[:, 2]) / s  # in pixels of a face of its own size
    light, ink = 200 + 35 * c[:, 3], 60 + 40 * c[:, 4]
    canvas = np.broadcast_to(90 + 40 * c[:, 5], u.shape).copy()

    def paint(part: str, distance: np.ndarray, shade: np.ndarray) -> None:
        if part != without:
            canvas[:] += np.clip(0.5 - distance * s, 0, 1) * (shade - canvas)

    tall, wide = 15.5 + c[:, 6], 13 + 1.2 * c[:, 7]
    paint("head", (np.hypot(u / wide, v / tall) - 1) * wide, light)
    apart = 5.2 + 0.5 * c[:, 8]
    up = -3.0 + 0.7 * c[:, 9]
    a = np.abs(u) - apart
    paint("eyes", np.hypot(a, v - up) - 1.7, ink)
    slope = np.where(brows == 0, 0.45, -0.45)[:, None, None]  # apart: the inner ends are up, as one who is sad has them
    brow = np.abs(v - (up - 4.6) - slope * a) / np.hypot(1, slope)
    paint("brows", np.maximum(brow - 0.8, np.abs(a) - 2.8), ink)
    paint("nose", np.maximum(np.abs(u) - 0.8, np.abs(v - up - 4) - 2.4), ink + 50)
    low = 8.0 + 0.8 * c[:, 10]
    bend = np.where(mouth == 0, -1, 1)[:, None, None] * (0.075 + 0.015 * c[:, 11])
    line = np.abs(v - low - bend * (u**2 - 16)) / np.hypot(1, 2 * bend * u)
    paint("mouth", np.maximum(line - 0.9, np.abs(u) - 5), ink)
    middle = np.stack([np.zeros((5, n)), np.zeros((5, n))], -1)
    flat = {name: np.squeeze(value) for name, value in (("up", up), ("low", low))}
    middle[1, :, 0], middle[2, :, 0] = flat["up"] - 4.6, flat["up"]
    middle[3, :, 0], middle[4, :, 0] = flat["up"] + 4, flat["low"]
    centre = side / 2 + 3 * chance[:, [2, 1]]
    places = centre[:, None] + np.moveaxis(middle, 0, 1) * (side / 40 * (1 + 0.12 * chance[:, 0]))[:, None, None]
    return np.rint(np.clip(canvas + noise, 0, 255)).astype(np.uint8), places


# ---------------------------------------------------------------------------------------- scenes of two objects
HUES = {
    "red": (215, 45, 45), "green": (60, 165, 80), "blue": (50, 100, 225), "yellow": (240, 205, 50),
    "white": (240, 240, 240), "pink": (240, 130, 200),
}  # fmt: skip
OBJECTS = ("star", "ring", "square", "triangle", "heart")


def draw_object(canvas: np.ndarray, kind: str, hue: str, y: float, x: float, size: float, angle: float = 0.0) -> None:
    """Paints a shape of *size* pixels (the diameter of the circle around it) at (y, x) into *canvas* ``(H, W, 3)``.

    >>> canvas = np.zeros((16, 16, 3))
    >>> draw_object(canvas, "square", "red", 8, 8, 10)
    >>> canvas[8, 8].tolist()
    [215.0, 45.0, 45.0]
    """
    rows, columns = np.indices(canvas.shape[:2]) + 0.5
    down, across = (rows - y) / (size / 2), (columns - x) / (size / 2)
    cos, sin = np.cos(angle), np.sin(angle)
    distance = KINDS[kind].distance(across * cos + down * sin, down * cos - across * sin) * size / 2
    cover = np.clip(0.5 - distance, 0, 1)[..., None]
    canvas += cover * (np.array(HUES[hue], float) - canvas)


LINE = 190  # the grey between two kernels


def ink_image(values: Tensor) -> np.ndarray:
    """uint8 ``(H, W, 3)`` of ink ``(H, W)`` from 0 to 1, dark on light.

    >>> import torch
    >>> ink_image(torch.tensor([[0.0, 1.0]])).tolist()
    [[[255, 255, 255], [0, 0, 0]]]
    """
    grey = (255 * (1 - values.detach().double().clamp(0, 1).numpy()) + 0.5).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def kernel_mosaic(kernels: np.ndarray, scale: ColourScale) -> np.ndarray:
    """Kernels ``(rows, columns, k, k)`` beside each other in the colours of *scale*, uint8 ``(H, W, 3)``.

    >>> kernel_mosaic(np.ones((2, 3, 2, 2)), ColourScale(1.0, True)).shape
    (5, 8, 3)
    """
    rows, columns, k, _ = kernels.shape
    canvas = np.full((rows, columns, k + 1, k + 1, 3), LINE, np.uint8)
    canvas[:, :, :k, :k] = scale.colours(kernels)
    return canvas.transpose(0, 2, 1, 3, 4).reshape(rows * (k + 1), columns * (k + 1), 3)[:-1, :-1]
