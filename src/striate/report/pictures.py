"""The items on the page: images, masks in colours, texts, signals, and what is drawn over them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from colorsys import hls_to_rgb
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.errors import DataError
from striate.report.markup import Html, el

_LARGEST = 192  # pixels a side: twice what the page shows, for screens with fine pixels


def data_url(pixels: NDArray[Any], *, nearest: bool = False) -> str:
    """*pixels* as a PNG in a ``data:`` address; larger images are made smaller, none larger.

    Args:
        pixels: uint8, ``(H, W)``, ``(H, W, 1 or 3)`` or ``(1 or 3, H, W)``.
        nearest: Made smaller without mixing colours, which mean something in a mask.

    Raises:
        DataError: Another type or shape.

    >>> data_url(np.zeros((8, 8), np.uint8))[:22]
    'data:image/png;base64,'
    """
    image = Image.fromarray(_as_shown(np.asarray(pixels)))
    image.thumbnail((_LARGEST, _LARGEST), Image.Resampling.NEAREST if nearest else Image.Resampling.BICUBIC)
    return png_url(image)


def png_url(image: Image.Image) -> str:
    """*image* as a PNG in a ``data:`` address."""
    file = BytesIO()
    image.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + b64encode(file.getvalue()).decode("ascii")


def _as_shown(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """*pixels* as ``(H, W)`` or ``(H, W, 3)``."""
    shape = pixels.shape
    if pixels.dtype == np.uint8 and pixels.size:
        if len(shape) == 2:
            return pixels
        if len(shape) == 3 and shape[2] in (1, 3):
            return pixels[:, :, 0] if shape[2] == 1 else np.ascontiguousarray(pixels)
        if len(shape) == 3 and shape[0] in (1, 3):
            return pixels[0] if shape[0] == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))
    raise DataError(
        f"an image for the report is {pixels.dtype} of shape {list(shape)}, expected uint8 of "
        "[H, W], [H, W, 1 or 3] or [1 or 3, H, W]"
    )


Point = tuple[float, float]
_TEXT = 600  # letters of a text that are shown


@dataclass(frozen=True, eq=False)
class ItemView:
    """What a page shows of one item.

    Args:
        image: uint8, as :func:`data_url` takes it.
        text: A sentence, where the item is one.
        signal: Numbers to be drawn as curves, float ``(C, L)``.
        target: The mask of labels, class numbers ``(H, W)``.
        predicted: The model's mask.
        target_points: Positions ``(x, y)`` as shares of the image's sides.
        predicted_points: The model's.
    """

    image: NDArray[Any] | None = None
    text: str | None = None
    signal: NDArray[Any] | None = None
    target: NDArray[np.uint8] | None = None
    predicted: NDArray[np.uint8] | None = None
    target_points: tuple[Point, ...] = ()
    predicted_points: tuple[Point, ...] = ()


def item_figure(shown: ItemView | None, alt: str) -> Html:
    """The item itself: an image with its points, a text, curves, or a box that says that there is none."""
    match shown:
        case ItemView(text=str(text)):
            return el("blockquote", text if len(text) <= _TEXT else text[:_TEXT] + " …")
        case ItemView(signal=np.ndarray() as signal):
            return _curves(signal, alt)
        case ItemView(image=np.ndarray() as pixels):
            image = el("img", src=data_url(pixels), alt=alt)
            return el("div", image, _points(shown), class_="pointed") if shown.target_points else image
        case _:
            return el("div", "no image", class_="absent")


def _points(shown: ItemView) -> Html:
    """An upright cross where the target is, a slanting one where the prediction is."""
    assert shown.image is not None
    height, width = _as_shown(np.asarray(shown.image)).shape[:2]
    arm = max(height, width) / 16
    parts = []
    for kind, points, (a, b) in (
        ("target", shown.target_points, (arm, 0)),
        ("predicted", shown.predicted_points, (0.7 * arm,) * 2),
    ):
        for x, y in points:
            path = f"M{x * width - a:.2f} {y * height - b:.2f}l{2 * a:.2f} {2 * b:.2f}"
            path += f"M{x * width + b:.2f} {y * height - a:.2f}l{-2 * b:.2f} {2 * a:.2f}"
            parts += [el("path", d=path, class_="halo"), el("path", d=path, class_=kind)]
    return el("svg", *parts, viewBox=f"0 0 {width} {height}", aria_hidden="true")


def _curves(signal: NDArray[Any], alt: str) -> Html:
    """The channels of a signal, one over the other in one box."""
    low, high = float(signal.min()), float(signal.max())
    step = max(1, signal.shape[1] // 300)
    lines = []
    for channel in signal[:4, ::step]:
        ys = 57 - 54 * (channel.astype(float) - low) / ((high - low) or 1)
        xs = np.linspace(2, 94, len(ys))
        lines.append(el("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))))
    return el("svg", *lines, viewBox="0 0 96 60", role="img", aria_label=alt, class_="signal")


def items_grid(shown: Mapping[int, ItemView], *figures: Html) -> Html:
    """A grid of items; texts get wider columns than images."""
    texts = any(item.text is not None for item in shown.values())
    return el("div", *figures, class_="mistakes texts" if texts else "mistakes")


Colour = tuple[int, int, int]
# Okabe and Ito 2008, without black; then the muted scheme of Tol 2021 where it adds to it
BASE: tuple[Colour, ...] = (
    (0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (213, 94, 0), (240, 228, 66),
    (136, 34, 85), (153, 153, 51), (51, 34, 136), (221, 204, 119), (17, 119, 51), (170, 68, 153), (170, 170, 170),
)  # fmt: skip
NOTHING: Colour = (0, 0, 0)  # where there is no class


def class_colours(n: int) -> tuple[Colour, ...]:
    """*n* colours, none of them twice and none black; from the fifteenth on made by turning hue and lightness.

    >>> len(set(class_colours(254)))
    254
    """
    more = []
    for i in range(n - len(BASE)):
        red, green, blue = hls_to_rgb(i * 0.6180339887 % 1, (0.35, 0.55, 0.75)[i % 3], 0.6)
        more.append((round(255 * red), round(255 * green), round(255 * blue)))
    return (*BASE, *more)[:n]


def coloured_mask(mask: NDArray[np.uint8], classes: int) -> NDArray[np.uint8]:
    """A mask of class numbers ``(H, W)`` as an image ``(H, W, 3)``; 255 is black."""
    table = np.zeros((256, 3), np.uint8)
    table[:classes] = class_colours(classes)
    return table[mask]
