"""Colours for the classes of a mask that can be told apart with any colour vision."""

from __future__ import annotations

from colorsys import hls_to_rgb

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]
# Okabe and Ito 2008, without black; then the muted scheme of Tol 2021 where it adds to it
BASE: tuple[Colour, ...] = (
    (0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (213, 94, 0), (240, 228, 66),
    (136, 34, 85), (153, 153, 51), (51, 34, 136), (221, 204, 119), (17, 119, 51), (170, 68, 153), (170, 170, 170),
)  # fmt: skip
NOTHING: Colour = (0, 0, 0)  # where no class is asked for, or none was seen


def colours(n: int) -> tuple[Colour, ...]:
    """*n* colours, none of them twice and none black; from the fifteenth on made by turning hue and lightness.

    >>> len(set(colours(254)))
    254
    """
    more = []
    for i in range(n - len(BASE)):
        red, green, blue = hls_to_rgb(i * 0.6180339887 % 1, (0.35, 0.55, 0.75)[i % 3], 0.6)
        more.append((round(255 * red), round(255 * green), round(255 * blue)))
    return (*BASE, *more)[:n]


def painted(mask: NDArray[np.uint8], classes: int) -> NDArray[np.uint8]:
    """A mask of class numbers ``(H, W)`` as a picture ``(H, W, 3)``; 255 is black."""
    table = np.zeros((256, 3), np.uint8)
    table[:classes] = colours(classes)
    return table[mask]
