"""Draws docs/pictures/scene.jpg: the photo of the examples, made by the project itself.

python docs/scripts/scene.py [FILE]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT, FINE = 320, 240, 4  # pixels; drawn FINE times as large, so that edges are smooth


def scene(seed: int = 0) -> Image.Image:
    """A house on a meadow before hills, under a sky with clouds; RGB, 320x240."""
    rng = np.random.default_rng(seed)
    w, h = WIDTH * FINE, HEIGHT * FINE
    y, x = np.mgrid[:h, :w] / FINE
    sky = np.stack([110 + 0.45 * y, 160 + 0.3 * y, 225 - 0.05 * y], -1)
    clouds = np.clip(_noise(rng, h, w, (10, 5)) - 0.52, 0, 1)[..., None] * 4 * np.clip(1 - y / 110, 0, 1)[..., None]
    ground = np.stack([96 + 0.12 * y, 132 + 0.06 * y, 52 + 0 * y], -1) * (
        0.85 + 0.3 * _noise(rng, h, w, (60, 40))[..., None]
    )
    picture = sky * (1 - clouds.clip(0, 0.9)) + 250 * clouds.clip(0, 0.9)
    far = 112 + 10 * np.sin(x / 31) + 6 * np.sin(x / 13 + 2)
    near = 140 + 7 * np.sin(x / 57 + 1)
    picture = np.where((y > far)[..., None], np.array([96, 128, 132]) + 10 * np.sin(x / 9)[..., None], picture)
    picture = np.where((y > near)[..., None], ground, picture)
    image = Image.fromarray(picture.clip(0, 255).astype(np.uint8))
    _house(ImageDraw.Draw(image))
    _tree(image, rng)
    small = image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    grain = rng.normal(0, 3.0, (HEIGHT, WIDTH, 1))
    return Image.fromarray((np.asarray(small) + grain).clip(0, 255).astype(np.uint8))


def _noise(rng: np.random.Generator, height: int, width: int, cells: tuple[int, int]) -> np.ndarray:
    """Smooth noise in 0..1: a few octaves of random grids, enlarged."""
    total = np.zeros((height, width))
    for octave in range(4):
        grid = rng.random((cells[1] * 2**octave, cells[0] * 2**octave)).astype(np.float32)
        enlarged = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(enlarged) / 2**octave
    return (total - total.min()) / (total.max() - total.min())


def _house(draw: ImageDraw.ImageDraw) -> None:
    def points(*pairs: tuple[float, float]) -> list[tuple[float, float]]:
        return [(a * FINE, b * FINE) for a, b in pairs]

    draw.polygon(points((96, 206), (240, 198), (262, 214), (110, 222)), fill=(58, 82, 34))  # its shadow
    draw.polygon(points((104, 118), (172, 118), (172, 206), (104, 206)), fill=(226, 208, 176))
    draw.polygon(points((172, 118), (222, 112), (222, 196), (172, 206)), fill=(178, 158, 128))
    draw.polygon(points((96, 122), (138, 76), (180, 122)), fill=(226, 208, 176))
    draw.polygon(points((138, 72), (196, 68), (230, 114), (180, 124)), fill=(150, 62, 48))
    draw.polygon(points((92, 124), (138, 72), (142, 76), (99, 127)), fill=(120, 46, 36))
    draw.polygon(points((206, 56), (216, 55), (216, 96), (206, 82)), fill=(130, 78, 64))
    draw.rectangle(points((127, 166), (147, 206)), fill=(92, 58, 40))
    draw.ellipse(points((142, 184), (145, 187)), fill=(226, 190, 90))
    for left, top in ((110, 136), (152, 136), (152, 172)):
        draw.rectangle(points((left, top), (left + 14, top + 18)), fill=(240, 238, 230))
        draw.rectangle(points((left + 1.5, top + 1.5), (left + 12.5, top + 16.5)), fill=(66, 92, 120))
        draw.line(points((left + 7, top), (left + 7, top + 18)), fill=(240, 238, 230), width=FINE)
        draw.line(points((left, top + 9), (left + 14, top + 9)), fill=(240, 238, 230), width=FINE)
    for i in range(9):  # a fence
        x = 8 + 10 * i
        draw.rectangle(points((x, 188), (x + 4, 212)), fill=(238, 236, 226))
    draw.rectangle(points((4, 194), (96, 197)), fill=(238, 236, 226))


def _tree(image: Image.Image, rng: np.random.Generator) -> None:
    draw = ImageDraw.Draw(image)
    draw.polygon([(a * FINE, b * FINE) for a, b in ((262, 214), (268, 140), (276, 140), (284, 214))], fill=(88, 62, 42))
    for _ in range(420):
        r, angle = 44 * np.sqrt(rng.random()), rng.random() * 2 * np.pi
        cx, cy = 271 + r * np.cos(angle), 106 + 0.95 * r * np.sin(angle)
        size, light = 2 + 5 * rng.random(), 0.65 + 0.5 * rng.random() - 0.006 * (cy - 70)
        colour = tuple(int(v * light) for v in (74, 118, 46))
        draw.ellipse([(cx - size) * FINE, (cy - size) * FINE, (cx + size) * FINE, (cy + size) * FINE], fill=colour)
    image.paste(image.filter(ImageFilter.GaussianBlur(1)))


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv):
        print(__doc__)
        sys.exit()
    target = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "pictures" / "scene.jpg")
    scene().save(target, quality=90)
    print(f"written {target}")
