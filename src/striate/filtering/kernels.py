"""Named kernels: what the tutorials slide over a photo, each with its numbers and what it is for."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.errors import SeeError, nearest

LARGEST = 101  # the side of a kernel


@dataclass(frozen=True, eq=False)
class Kernel:
    """One or two arrays ``(h, w)`` and what they do. Two (horizontal and vertical) are combined to their length,
    ``sqrt(x^2 + y^2)``.
    """

    name: str
    weights: tuple[np.ndarray, ...]
    purpose: str

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return {"name": self.name, "purpose": self.purpose, "weights": [w.tolist() for w in self.weights]}

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)``, of the larger."""
        height, width = np.max([w.shape[:2] for w in self.weights], axis=0)
        return int(height), int(width)


def _fixed(text: str, scale: float = 1) -> Callable[[int | None], np.ndarray]:
    return lambda size: _numbers(text) * scale


def _identity(size: int | None) -> np.ndarray:
    weights = np.zeros((size or 3,) * 2)
    weights[(size or 3) // 2, (size or 3) // 2] = 1
    return weights


def _box(size: int | None) -> np.ndarray:
    n = size or 3
    return np.full((n, n), 1 / n**2)


def _grid(n: int) -> tuple[np.ndarray, np.ndarray]:
    """x to the right and y downwards, from the middle."""
    y, x = np.mgrid[:n, :n] - (n - 1) / 2
    return x, y


def _gaussian(size: int | None) -> np.ndarray:
    """``exp(-(x^2 + y^2) / 2 sigma^2)``, summing to 1; sigma a fifth of the side, so that the rim is small."""
    n = size or 5
    x, y = _grid(n)
    weights = np.exp(-(x**2 + y**2) / (2 * (n / 5) ** 2))
    return np.asarray(weights / weights.sum())


def _unsharp(size: int | None) -> np.ndarray:
    """The image plus what a blur takes away from it."""
    n = size or 5
    return np.asarray(2 * _identity(n) - _gaussian(n))


def _log(size: int | None) -> np.ndarray:
    """The Laplacian of a Gaussian (Marr and Hildreth 1980), sigma a seventh of the side, moved to sum to 0."""
    n = size or 9
    x, y = _grid(n)
    s2 = (n / 7) ** 2
    r2 = x**2 + y**2
    weights = (r2 - 2 * s2) / s2**2 * np.exp(-r2 / (2 * s2))
    return np.asarray(weights - weights.mean())


def _gabor(angle: int | None) -> np.ndarray:
    """A wave under a Gaussian (Daugman 1985), 15x15, wavelength 6: responds to edges and stripes that run along *angle*
    degrees, counted from the horizontal and anticlockwise. Moved to sum to 0, its absolute values to 1.
    """
    x, y = _grid(15)
    theta = math.radians(90 if angle is None else angle)
    across = x * math.sin(theta) + y * math.cos(theta)
    weights = np.exp(-(x**2 + y**2) / (2 * 3.0**2)) * np.cos(2 * math.pi * across / 6)
    weights -= weights.mean()
    return np.asarray(weights / np.abs(weights).sum())


def _numbers(text: str) -> np.ndarray:
    return np.array([[float(cell) for cell in row.split()] for row in text.split(";")])


SOBEL = "-1 0 1; -2 0 2; -1 0 1"
PREWITT = "-1 0 1; -1 0 1; -1 0 1"
SCHARR = "-3 0 3; -10 0 10; -3 0 3"

# name -> (makes its one array from the number after the name, and what it is for)
NAMED: dict[str, tuple[Callable[[int | None], np.ndarray], str]] = {
    "identity": (_identity, "changes nothing: the one weight in the middle is 1"),
    "box": (_box, "blurs: the mean of the window (box-5: 5x5)"),
    "gaussian": (_gaussian, "blurs without the box's corners (gaussian-7: 7x7, sigma 1.4)"),
    "sharpen": (_fixed("0 -1 0; -1 5 -1; 0 -1 0"), "the image minus its Laplacian: edges get steeper"),
    "unsharp": (_unsharp, "sharpens by what a Gaussian blur takes away (unsharp-7: 7x7)"),
    "emboss": (_fixed("-2 -1 0; -1 1 1; 0 1 2"), "light from the top left: a relief"),
    "sobel-x": (_fixed(SOBEL), "vertical edges: how fast the image gets brighter to the right (Sobel 1968)"),
    "sobel-y": (lambda size: _numbers(SOBEL).T, "horizontal edges: how fast it gets brighter downwards"),
    "prewitt-x": (_fixed(PREWITT), "vertical edges, without the weight on the middle row (Prewitt 1970)"),
    "prewitt-y": (lambda size: _numbers(PREWITT).T, "horizontal edges, without the weight on the middle column"),
    "scharr-x": (_fixed(SCHARR), "vertical edges, more even in all directions (Scharr 2000)"),
    "scharr-y": (lambda size: _numbers(SCHARR).T, "horizontal edges, more even in all directions"),
    "roberts-x": (_fixed("1 0; 0 -1"), "edges along one diagonal (Roberts 1963)"),
    "roberts-y": (_fixed("0 1; -1 0"), "edges along the other diagonal"),
    "laplacian": (_fixed("0 1 0; 1 -4 1; 0 1 0"), "edges in every direction: the second derivative, 4 neighbours"),
    "laplacian-8": (_fixed("1 1 1; 1 -8 1; 1 1 1"), "the same with 8 neighbours"),
    "log": (_log, "Laplacian of a Gaussian: edges and blobs of one size (log-13: 13x13)"),
    "gabor": (_gabor, "stripes at an angle, as cells of the visual cortex respond to them (gabor-45)"),
}
# name -> the two that are combined to their length
COMBINED = {name: (f"{name}-x", f"{name}-y") for name in ("sobel", "prewitt", "scharr", "roberts")}
SIZED = ("identity", "box", "gaussian", "unsharp", "log")  # a number behind these is the side


def find_kernel(text: str) -> Kernel:
    """The kernel that *text* names or spells out: ``sobel-x``, ``gaussian-7``, ``"0 -1 0; -1 5 -1; 0 -1 0"``.

    Raises:
        SeeError: No kernel has that name, a size is no odd number, or the rows differ in length.

    >>> find_kernel("sobel-x").weights[0].tolist()
    [[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]
    >>> find_kernel("1 0; 0 -1").shape
    (2, 2)
    """
    text = text.strip()
    if not re.search(r"[A-Za-z]{2}", text):
        return Kernel("typed", (typed_numbers(text, "kernel"),), "your own numbers")
    name = text.lower().replace("_", "-").replace(" ", "-")
    if name in COMBINED:
        pair = tuple(NAMED[one][0](None) for one in COMBINED[name])
        return Kernel(name, pair, "edges in every direction: the gradient magnitude, sqrt(x^2 + y^2)")
    if name in NAMED:
        make, purpose = NAMED[name]
        return Kernel(name, (make(None),), purpose)
    base, _, number = name.rpartition("-")
    if base in (*SIZED, "gabor") and re.fullmatch(r"\d{1,3}", number):
        make, purpose = NAMED[base]
        if base in SIZED and (int(number) % 2 == 0 or not 1 <= int(number) <= LARGEST):
            raise SeeError(f"kernel {text!r}: the size must be odd, 1 to {LARGEST}, so that it has a middle pixel")
        return Kernel(name, (make(int(number)),), purpose)
    near = nearest(name, [*NAMED, *COMBINED])
    raise SeeError(
        f"no kernel named {text!r}{near}{' Or' if near.endswith('?') else '; or'} type the numbers, rows separated by "
        '";": "0 -1 0; -1 5 -1; 0 -1 0"'
    )


def typed_numbers(text: str, what: str) -> np.ndarray:
    """``(h, w)``; with ``|`` between the channels ``(h, w, C)``; *what* they are (a kernel) is for messages.

    Raises:
        SeeError: They are no numbers, or their rows or channels differ in size.

    >>> typed_numbers("1/2 0; 0 1", "kernel").tolist()
    [[0.5, 0.0], [0.0, 1.0]]
    """
    text = text.replace("\N{MINUS SIGN}", "-")  # as web pages have it
    planes = [_plane(part, text, what) for part in text.split("|")]
    if len({plane.shape for plane in planes}) > 1:
        raise SeeError(f"{what} {text!r}: its channels have the shapes {[p.shape for p in planes]}; they must be equal")
    return planes[0] if len(planes) == 1 else np.stack(planes, axis=-1)


def _plane(part: str, text: str, what: str) -> np.ndarray:
    rows = [row.replace(",", " ").split() for row in part.strip("; ").split(";")]
    try:
        numbers = [[_number(cell) for cell in row] for row in rows]
    except (ValueError, ZeroDivisionError):
        example = '"1 0 -1; 2 0 -2; 1 0 -1"'
        raise SeeError(f"{what} {text!r}: expected numbers, rows separated by ';', such as {example}") from None
    lengths = [len(row) for row in numbers]
    if len({*lengths}) != 1 or 0 in lengths:
        found = ", ".join(map(str, lengths))
        raise SeeError(f"{what} {text!r}: rows of different lengths ({found} numbers); every row needs equally many")
    weights = np.array(numbers)
    most = LARGEST if what == "kernel" else 10 * LARGEST
    if max(weights.shape) > most or not np.isfinite(weights).all():
        raise SeeError(f"{what} {text!r}: expected finite numbers, {most} a side at most")
    return weights


def _number(cell: str) -> float:
    above, slash, below = cell.partition("/")  # 1/9 is how a blur is written
    return float(above) / float(below) if slash else float(above)
