"""Colours for numbers: even steps to the eye, and zero always neutral.

Both maps are straight lines (in lightness and hue) through OKLCh, the polar form of OKLab (B. Ottosson, "A perceptual
color space for image processing", 2020), whose distances are near to seen ones.
"""

from __future__ import annotations

from functools import cache

import numpy as np

STEPS = 513  # of a map; odd, so that its middle is a step of its own

# Shares of red, green and blue in a grey value, and both sums to 1: of ITU-R BT.601, which Pillow's and most decoders'
# grey is (as in its convert("L")), and of BT.709, whose sum is the luminance of sRGB where its values are linear
LUMA_601 = (0.299, 0.587, 0.114)
LUMINANCE_709 = (0.2126, 0.7152, 0.0722)

# OKLab to the cube roots of the eye's three cones, and their cubes to linear sRGB (Ottosson 2020)
_TO_CONES = np.array(
    [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]]
)
_TO_SRGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def diverging(values: np.ndarray, limit: float) -> np.ndarray:
    """uint8 ``(..., 3)``: blue for ``-limit``, near white for 0, red for ``+limit``; beyond, the ends; NaN is grey.

    >>> diverging(np.array([-1.0, 0.0, 1.0]), 1.0).tolist()
    [[3, 77, 168], [247, 247, 247], [151, 28, 20]]
    """
    return _looked_up(_diverging(), values / (2 * limit) + 0.5 if limit else np.full(np.shape(values), 0.5))


def sequential(values: np.ndarray, limit: float) -> np.ndarray:
    """uint8 ``(..., 3)``: near white for 0 through yellow, orange and violet to dark for ``limit``; NaN is grey.

    >>> sequential(np.array([0.0, 1.0]), 1.0).shape
    (2, 3)
    """
    return _looked_up(_sequential(), values / limit if limit else np.zeros(np.shape(values)))


def contrasts_with_dark(colour: np.ndarray) -> bool:
    """Whether dark text on *colour*, bytes ``(3,)``, is read better than white.

    >>> contrasts_with_dark(np.array([250, 240, 90])), contrasts_with_dark(np.array([20, 40, 90]))
    (True, False)
    """
    return bool(np.dot(colour, LUMINANCE_709) >= 140)


def _looked_up(table: np.ndarray, share: np.ndarray) -> np.ndarray:
    place = np.rint(np.clip(np.nan_to_num(share), 0, 1) * (STEPS - 1)).astype(int)
    colours: np.ndarray = table[place]
    colours[np.isnan(share)] = 128
    return colours


@cache
def _diverging() -> np.ndarray:
    t = np.linspace(-1, 1, STEPS)
    side = np.abs(t)
    hue = np.where(t < 0, 258.0, 29.0)
    return _srgb(0.976 - (0.976 - 0.44) * side, 0.16 * side, hue)


@cache
def _sequential() -> np.ndarray:
    t = np.linspace(0, 1, STEPS)
    return _srgb(0.976 - 0.79 * t, 0.155 * np.sin(np.pi * t) ** 0.9, 105 - 175 * t)


def _srgb(lightness: np.ndarray, chroma: np.ndarray, hue: np.ndarray) -> np.ndarray:
    """OKLCh (hue in degrees) to uint8 sRGB; what the screen cannot show loses chroma, not lightness."""
    for _ in range(40):
        linear = _linear(lightness, chroma, hue)
        outside = (linear < -1e-4).any(1) | (linear > 1 + 1e-4).any(1)
        if not outside.any():
            break
        chroma = np.where(outside, chroma * 0.95, chroma)
    linear = _linear(lightness, chroma, hue).clip(0, 1)
    gamma = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    bytes_: np.ndarray = np.rint(gamma * 255).astype(np.uint8)
    return bytes_


def _linear(lightness: np.ndarray, chroma: np.ndarray, hue: np.ndarray) -> np.ndarray:
    angle = np.deg2rad(hue)
    lab = np.stack([lightness, chroma * np.cos(angle), chroma * np.sin(angle)], axis=-1)
    linear: np.ndarray = ((lab @ _TO_CONES.T) ** 3) @ _TO_SRGB.T
    return linear
