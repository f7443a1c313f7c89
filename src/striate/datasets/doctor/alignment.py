"""Laying one thumbnail upon another: how alike two images are when the one is a part of the other."""

from __future__ import annotations

import numpy as np

STEPS = 6
FARTHEST = 2.5  # pixels of a thumbnail of 32 by which an edge may move
_AROUND = 4  # the detail of a pixel is what differs from the mean of so many pixels on every side


def detail(thumbs: np.ndarray) -> np.ndarray:
    """float32 ``(N, S, S)``: thumbnails, softened a little, without their coarse light and shade."""
    side = thumbs.shape[1]
    soft = _means(side, (1, 2, 1))
    coarse = _means(side, (1,) * (2 * _AROUND + 1)) @ soft
    thumbs = thumbs.astype(np.float32)
    return np.asarray(soft @ thumbs @ soft.T - coarse @ thumbs @ coarse.T, np.float32)


def _means(side: int, weights: tuple[int, ...]) -> np.ndarray:
    """``(side, side)``: what replaces each pixel of a row by the weighted mean of those around, the edges repeated."""
    matrix = np.zeros((side, side), np.float32)
    for pixel in range(side):
        for step, weight in enumerate(weights, -(len(weights) // 2)):
            matrix[pixel, min(max(pixel + step, 0), side - 1)] += weight / sum(weights)
    return matrix


def unit(detail: np.ndarray) -> np.ndarray:
    """float32 ``(N, S * S)``: mean 0 and length 1, so that a product of two is their correlation."""
    flat = detail.reshape(len(detail), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)


def aligned_likeness(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """float32 ``(P,)``: the best correlation of each pair's detail, the first moved and scaled a little.

    Gauss and Newton's method on two scales and two shifts (B. Lucas, T. Kanade, An iterative image registration
    technique with an application to stereo vision, IJCAI 1981), all pairs at once.

    Args:
        first: uint8 ``(P, S, S)``.
        second: Likewise.
    """
    source, goal = detail(first), unit(detail(second))
    n, side = len(first), first.shape[1]
    v, u = (grid.ravel() for grid in np.mgrid[:side, :side].astype(np.float32))
    x, y = (2 * u - side + 1) / side, (2 * v - side + 1) / side  # -1 to 1 over the image
    slope_y, slope_x = np.gradient(source, axis=(1, 2))
    moves = np.zeros((n, 4), np.float32)  # of the right and the lower edge, and of the whole: right, down
    best = np.full(n, -1, np.float32)
    for _ in range(STEPS):
        across = u + moves[:, :1] * x + moves[:, 2:3]
        down = v + moves[:, 1:2] * y + moves[:, 3:]
        seen, along_x, along_y = _sampled((source, slope_x, slope_y), across, down)
        seen = seen - seen.mean(axis=1, keepdims=True)
        length = np.maximum(np.linalg.norm(seen, axis=1, keepdims=True), 1e-6)
        seen /= length
        best = np.maximum(best, np.einsum("ij,ij->i", seen, goal))
        jacobian = np.stack([along_x * x, along_y * y, along_x, along_y], axis=-1) / length[..., None]
        turned = jacobian.transpose(0, 2, 1)
        hessian = turned @ jacobian + 1e-4 * np.eye(4, dtype=np.float32)
        step = np.linalg.solve(hessian, turned @ (goal - seen)[..., None])[..., 0]
        moves = (moves + step).clip(-FARTHEST, FARTHEST)
    return best


def _sampled(images: tuple[np.ndarray, ...], x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Each stack ``(P, S, S)`` at the places *x*, *y* ``(P, S * S)``, between pixels bilinearly."""
    side = images[0].shape[1]
    x, y = (places.clip(0, side - 1.001) for places in (x, y))
    column, row = x.astype(np.intp), y.astype(np.intp)
    right, below = x - column, y - row
    at = row * side + column
    shares = ((0, (1 - right) * (1 - below)), (1, right * (1 - below)), (side, (1 - right) * below))
    corners = (*shares, (side + 1, right * below))
    flat = [image.reshape(len(image), -1) for image in images]
    return [sum(np.take_along_axis(image, at + step, 1) * share for step, share in corners) for image in flat]
