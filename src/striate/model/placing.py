"""Where an image lies in the contract's input, and the way back: from its size alone.

Images, masks, positions, and files decoded at reduced size all go by :func:`placement`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from striate.model.contract import IGNORE, Contract

LONGEST = 8  # times the shorter side: what is longer is cut before it is scaled
_FINER = 2  # than the input: what a file decoded at reduced size still is, so that the last resize decides alone
Size = tuple[int, int]  # width, height


def point_map(size: Size, contract: Contract) -> tuple[float, float, float, float]:
    """Where the points of an upright image of *size* (width, height) lie in the contract's input.

    ``(scale_x, scale_y, left, top)``: the point (x, y), in pixels, (0, 0) being the top left corner of the top left
    pixel, lies at ``(x * scale_x + left, y * scale_y + top)``, in the input's pixels. It may
    lie outside, where the image is cropped.

    >>> contract = Contract(("cat", "dog"), (1, 20, 40), "L", (0.5,), (0.5,), resize="fit")
    >>> point_map((100, 100), contract)  # the image becomes 20x20, in the middle of 40x20
    (0.2, 0.2, 10.0, 0.0)
    """
    (left, top, right, bottom), (width, height), at = placement(size, contract)
    scale_x, scale_y = width / (right - left), height / (bottom - top)
    return scale_x, scale_y, at[0] - left * scale_x, at[1] - top * scale_y


class _Placement(NamedTuple):
    """What of an image is seen, the size that it gets, and where its left top corner lies in the input."""

    box: tuple[float, float, float, float]
    size: Size
    at: tuple[int, int]


def placement(size: Size, contract: Contract) -> _Placement:
    """By the contract's rule, for an upright image of *size*."""
    (width, height), (_, room_height, room_width) = size, contract.input
    room, whole = (room_width, room_height), (0, 0, width, height)
    if contract.scale_to is not None:
        left, top, right, bottom = box = _without_far_ends(size)
        scaled = _shorter_side((right - left, bottom - top), contract.scale_to)
        left, top = _middle(scaled, room)
        return _Placement(box, scaled, (-left, -top))
    if contract.resize == "stretch":
        return _Placement(whole, room, (0, 0))
    if contract.resize == "crop":
        ratio = room_width / room_height
        seen: tuple[float, float] = size
        if width / height != ratio:  # or else rounding could lead out of the image
            seen = (ratio * height, height) if width / height > ratio else (width, width / ratio)
        x, y = (width - seen[0]) * 0.5, (height - seen[1]) * 0.5
        return _Placement((x, y, x + seen[0], y + seen[1]), room, (0, 0))
    scale = min(room_width / width, room_height / height)
    inside = max(1, round(width * scale)), max(1, round(height * scale))
    return _Placement(whole, inside, ((room_width - inside[0]) // 2, (room_height - inside[1]) // 2))


def _shorter_side(size: Size, shorter: int) -> Size:
    """*size* in proportion with its shorter side *shorter* (the longer side rounded down, as torchvision)."""
    other = int(shorter * max(size) / min(size))
    return (shorter, other) if size[0] <= size[1] else (other, shorter)


def _without_far_ends(size: Size) -> tuple[int, int, int, int]:
    """All of an image, or of a strip its middle: the rest is never seen, and enlarging it costs memory."""
    most = LONGEST * min(size)
    width, height = min(size[0], most), min(size[1], most)
    left, top = _middle(size, (width, height))
    return left, top, left + width, top + height


def _middle(size: Size, part: Size) -> tuple[int, int]:
    """Left and top of the middle *part*; of margins that differ by one the even one is first (as torchvision)."""
    return round((size[0] - part[0]) / 2), round((size[1] - part[1]) / 2)


def reduction(size: Size, contract: Contract) -> int:
    """How many times smaller a file with an image of *size* may be decoded: 1, 2, 4 or 8."""
    _, room_height, room_width = contract.input
    if size[0] < 2 * _FINER * room_width and size[1] < 2 * _FINER * room_height:
        return 1  # as below, and fast for small files
    if contract.interpolation == "nearest" or max(size) > LONGEST * min(size):
        return 1  # "nearest" means pixels as they are; a strip is cut at whole pixels
    finest = max(point_map(size, contract)[:2])
    return next(n for n in (8, 4, 2, 1) if n == 1 or n * _FINER * finest <= 1)


def in_pixels(values: np.ndarray, contract: Contract, sizes: np.ndarray | None = None) -> np.ndarray:
    """*values* ``(N, V)`` with the positions, shares of the input's sides, as pixels of the images as they came: of
    *sizes*, int ``(N, 2)`` (width, height), or of the network's input.
    """
    if not contract.positions:
        return values
    values = values.copy()
    _, height, width = contract.input
    for row, size in zip(values, [(width, height)] * len(values) if sizes is None else sizes, strict=True):
        scale_x, scale_y, left, top = point_map((int(size[0]), int(size[1])), contract)
        for x, y in contract.positions:
            row[x], row[y] = (row[x] * width - left) / scale_x, (row[y] * height - top) / scale_y
    return values


def upright_mask(mask: np.ndarray, contract: Contract, size: tuple[int, int] | None) -> np.ndarray:
    """A mask ``(h, w)`` of the network's input as one of the image of *size* (width, height), by the nearest pixel; 255
    where the contract does not look.

    >>> contract = Contract(("a", "b"), (1, 2, 2), "L", (0.5,), (0.5,), resize="crop")
    >>> upright_mask(np.array([[0, 1], [1, 0]], np.uint8), contract, (4, 2))
    array([[255,   0,   1, 255],
           [255,   1,   0, 255]], dtype=uint8)
    """
    if size is None:
        return mask
    scale_x, scale_y, left, top = point_map(size, contract)
    (height, width), (w, h) = mask.shape, size
    xs = np.floor((np.arange(w) + 0.5) * scale_x + left).astype(int)
    ys = np.floor((np.arange(h) + 0.5) * scale_y + top).astype(int)
    seen = ((ys >= 0) & (ys < height))[:, None] & ((xs >= 0) & (xs < width))
    return np.where(seen, mask[np.ix_(ys.clip(0, height - 1), xs.clip(0, width - 1))], IGNORE).astype(np.uint8)
