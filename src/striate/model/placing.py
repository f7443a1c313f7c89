"""Where an image comes to lie in the contract's input: worked out from its size alone, here and nowhere else.

Images, masks, positions, and files decoded at reduced size all go by :func:`window`.
"""

from __future__ import annotations

from typing import NamedTuple

from striate.model.contract import Contract

LONGEST = 8  # times the shorter side: what is longer is cut before it is scaled
_FINER = 2  # than the input: what a file decoded at reduced size still is, so that the last resize decides alone
Size = tuple[int, int]  # width, height


def placed(size: Size, contract: Contract) -> tuple[float, float, float, float]:
    """Where the points of an upright image of *size* (width, height) come to lie in the contract's input.

    ``(scale_x, scale_y, left, top)``: the point (x, y), in pixels, (0, 0) being the top left corner of the top left
    pixel, comes to lie at ``(x * scale_x + left, y * scale_y + top)``, in the input's pixels counted alike. It may
    come to lie outside, where the image is cropped.

    >>> contract = Contract(("cat", "dog"), (1, 20, 40), "L", (0.5,), (0.5,), resize="fit")
    >>> placed((100, 100), contract)  # the image becomes 20x20, in the middle of 40x20
    (0.2, 0.2, 10.0, 0.0)
    """
    (left, top, right, bottom), (width, height), at = window(size, contract)
    scale_x, scale_y = width / (right - left), height / (bottom - top)
    return scale_x, scale_y, at[0] - left * scale_x, at[1] - top * scale_y


class Window(NamedTuple):
    """What of an image is seen, the size that it gets, and where its left top corner lies in the input."""

    box: tuple[float, float, float, float]
    size: Size
    at: tuple[int, int]


def window(size: Size, contract: Contract) -> Window:
    """By the contract's rule, for an upright image of *size*."""
    (width, height), (_, room_height, room_width) = size, contract.input
    room, whole = (room_width, room_height), (0, 0, width, height)
    if contract.scale_to is not None:
        left, top, right, bottom = box = _without_far_ends(size)
        scaled = _shorter_side((right - left, bottom - top), contract.scale_to)
        left, top = _middle(scaled, room)
        return Window(box, scaled, (-left, -top))
    if contract.resize == "stretch":
        return Window(whole, room, (0, 0))
    if contract.resize == "crop":
        ratio = room_width / room_height
        seen: tuple[float, float] = size
        if width / height != ratio:  # or else rounding could lead out of the image
            seen = (ratio * height, height) if width / height > ratio else (width, width / ratio)
        x, y = (width - seen[0]) * 0.5, (height - seen[1]) * 0.5
        return Window((x, y, x + seen[0], y + seen[1]), room, (0, 0))
    scale = min(room_width / width, room_height / height)
    inside = max(1, round(width * scale)), max(1, round(height * scale))
    return Window(whole, inside, ((room_width - inside[0]) // 2, (room_height - inside[1]) // 2))


def _shorter_side(size: Size, wanted: int) -> Size:
    """*size* in proportion with its shorter side *wanted* (the longer side rounded down, as torchvision)."""
    other = int(wanted * max(size) / min(size))
    return (wanted, other) if size[0] <= size[1] else (other, wanted)


def _without_far_ends(size: Size) -> tuple[int, int, int, int]:
    """All of an image, or of a strip its middle: the rest is never seen, and enlarging it costs memory."""
    most = LONGEST * min(size)
    width, height = min(size[0], most), min(size[1], most)
    left, top = _middle(size, (width, height))
    return left, top, left + width, top + height


def _middle(size: Size, part: Size) -> tuple[int, int]:
    """Left and top of the middle *part*; of margins that cannot be alike the even one is first (as torchvision)."""
    return round((size[0] - part[0]) / 2), round((size[1] - part[1]) / 2)


def reduction(size: Size, contract: Contract) -> int:
    """How many times smaller a file with an image of *size* may be decoded: 1, 2, 4 or 8."""
    _, room_height, room_width = contract.input
    if size[0] < 2 * _FINER * room_width and size[1] < 2 * _FINER * room_height:
        return 1  # as below, and fast for small files
    if contract.interpolation == "nearest" or max(size) > LONGEST * min(size):
        return 1  # "nearest" means pixels as they are; a strip is cut at whole pixels
    finest = max(placed(size, contract)[:2])
    return next(n for n in (8, 4, 2, 1) if n == 1 or n * _FINER * finest <= 1)
