"""The kinds of shapes: of each the signed distance to its outline, its area, and whether turning it changes it.

Every outline lies about (0, 0), which is its centre of gravity, and reaches just to the unit circle; u goes right and
v down, as in an image. Only operations that IEEE 754 rounds exactly (no sine, no BLAS) meet the pixels, so these are
the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]
_DIGITS = 12  # constants are rounded: mathematical libraries differ in the last digit of a sine
COSINES = np.array([round(math.cos(math.radians(degrees)), _DIGITS) for degrees in range(360)])
SINES = np.roll(COSINES, 90)


@dataclass(frozen=True)
class ShapeKind:
    """One kind of shape.

    Args:
        distance: Of float arrays u, v: how far a point is from the outline, below 0 inside; exact near the outline.
        area: What the outline encloses.
        turns: Whether a turned one looks different.
    """

    distance: Distance
    area: float
    turns: bool = True


def _polygon(points: Sequence[tuple[float, float]]) -> ShapeKind:
    """A polygon of any corners in their order, moved and scaled to where it belongs."""
    edges = list(zip(points, [*points[1:], points[0]], strict=True))
    crosses = [ax * by - bx * ay for (ax, ay), (bx, by) in edges]
    area = sum(crosses) / 2
    middle = [
        sum((a[i] + b[i]) * cross for (a, b), cross in zip(edges, crosses, strict=True)) / area / 6 for i in (0, 1)
    ]
    reach = max(math.dist(point, middle) for point in points)
    corners = [tuple(round((p[i] - middle[i]) / reach, _DIGITS) for i in (0, 1)) for p in points]
    sides = list(zip(corners, [*corners[1:], corners[0]], strict=True))

    def distance(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        square, inside = np.full_like(u, np.inf), np.zeros(u.shape, bool)
        for (ax, ay), (bx, by) in sides:
            ex, ey = bx - ax, by - ay
            du, dv = u - ax, v - ay
            along = np.clip((du * ex + dv * ey) / (ex * ex + ey * ey), 0, 1)
            across_u, across_v = du - along * ex, dv - along * ey
            square = np.minimum(square, across_u * across_u + across_v * across_v)
            # a ray to the right crosses the sides once more than twice where it begins inside
            inside ^= ((v < ay) != (v < by)) & ((du * ey < dv * ex) == (ey > 0))
        return np.asarray(np.where(inside, -1, 1).astype(u.dtype) * np.sqrt(square))

    return ShapeKind(distance, abs(area) / reach**2)


def _regular(n: int, inner: float = 1) -> ShapeKind:
    """A regular polygon of *n* corners; with *inner* below 1 a star of *n* points, whose notches are that far out."""
    radii = [1.0] * n if inner == 1 else [1, inner] * n
    turn = 2 * math.pi / len(radii)
    return _polygon([(r * math.sin(i * turn), -r * math.cos(i * turn)) for i, r in enumerate(radii)])


def _circle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(u * u + v * v) - 1)


def _ring(hole: float) -> ShapeKind:
    return ShapeKind(
        lambda u, v: np.abs(_circle(u, v) + (1 - hole) / 2) - (1 - hole) / 2, math.pi * (1 - hole**2), turns=False
    )


def _ellipse(short: float) -> ShapeKind:
    def distance(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        w = v / short
        slope = np.sqrt(u * u + w * w / short**2)  # half the gradient of u^2 + w^2
        return np.asarray((u * u + w * w - 1) / (2 * np.maximum(slope, 1e-6)))

    return ShapeKind(distance, math.pi * short)


def _heart() -> ShapeKind:
    """A square on its corner with a half-disc on each of its upper sides (sides and diameters 1, before scaling)."""
    area = 1 + math.pi / 4
    up = (math.pi / 8 + 1 / 6) / math.sqrt(2) / area  # of the centre of gravity above the square's centre
    side = math.sqrt(1 / 8)  # from the square's centre to the middle of a side, right and up
    reach = max(2 * side + up, math.hypot(side, side - up) + 0.5)
    a, b, c, d = (round(x / reach, _DIGITS) for x in (side, up - side, 0.5, 2 * side))
    low = round(up / reach, _DIGITS)

    def distance(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        u = np.abs(u)
        disc = np.sqrt((u - a) * (u - a) + (v - b) * (v - b)) - c
        square = (u + np.abs(v - low) - d) * round(math.sqrt(0.5), _DIGITS)
        return np.asarray(np.minimum(disc, square))

    return ShapeKind(distance, area / reach**2)


def _cross(arm: float) -> ShapeKind:
    corner = [(arm, -1), (1, -arm)], [(1, arm), (arm, 1)], [(-arm, 1), (-1, arm)], [(-1, -arm), (-arm, -1)]
    inner = [(arm, -arm), (arm, arm), (-arm, arm), (-arm, -arm)]
    return _polygon([p for (a, b), notch in zip(corner, inner, strict=True) for p in (a, notch, b)])


KINDS: dict[str, ShapeKind] = {
    "circle": ShapeKind(_circle, math.pi, turns=False),
    "square": _regular(4),
    "triangle": _regular(3),
    "star": _regular(5, 0.42),
    "cross": _cross(0.32),
    "ring": _ring(0.55),
    "ellipse": _ellipse(0.5),
    "heart": _heart(),
    "arrow": _polygon([(0, -1), (0.8, -0.1), (0.3, -0.1), (0.3, 1), (-0.3, 1), (-0.3, -0.1), (-0.8, -0.1)]),
    "pentagon": _regular(5),
    "hexagon": _regular(6),
}
