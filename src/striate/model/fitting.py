"""An image in the contract's size, as bytes: the half of the preparation that needs no torch, so that helper
processes which decode files start fast.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

from striate.model.contract import IGNORE, Contract
from striate.model.image import canonical

_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
LONGEST = 8  # times the shorter side: what is longer is cut before it is scaled


def fit(image: Image.Image, contract: Contract) -> np.ndarray:
    """*image* (any Pillow image) as the contract's bytes: uint8 ``(C, H, W)``.

    >>> contract = Contract(("cat", "dog"), (1, 2, 4), "L", (0.5,), (0.5,), resize="fit")
    >>> fit(Image.new("L", (6, 6), 9), contract)
    array([[[0, 9, 9, 0],
            [0, 9, 9, 0]]], dtype=uint8)
    """
    return _channels_first(_resize(canonical(image, contract.mode), contract))


def fit_array(images: np.ndarray, contract: Contract) -> np.ndarray:
    """A stack of images, uint8 ``(N, H, W)`` or ``(N, H, W, C)``, as the contract's bytes ``(N, C, H, W)``.

    Bit for bit what :func:`fit` gives for each. Where nothing has to change it is a view, not a copy.
    """
    assert images.dtype == np.uint8, images.dtype
    if images.ndim == 3:
        images = images[..., None]
    if images.shape[1:] == (*contract.input[1:], contract.input[0]) and contract.scale_to is None:
        return np.moveaxis(images, 3, 1)
    fitted = np.empty((len(images), *contract.input), np.uint8)
    for i, pixels in enumerate(images.squeeze(3) if images.shape[3] == 1 else images):
        image = Image.fromarray(pixels)
        image = image if image.mode == contract.mode else canonical(image, contract.mode)
        fitted[i] = _channels_first(_resize(image, contract))
    return fitted


def _channels_first(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _resize(
    image: Image.Image, contract: Contract, method: Image.Resampling | None = None, fill: int = 0
) -> Image.Image:
    """*image* in the contract's height and width, by its rule; *fill* (black) is what ``"fit"`` leaves around it."""
    _, height, width = contract.input
    method = _RESAMPLING[contract.interpolation] if method is None else method
    if contract.scale_to is not None:
        return _middle(_shorter_side(image, contract.scale_to, method), width, height)
    if image.size == (width, height):
        return image
    if contract.resize == "stretch":
        return image.resize((width, height), method)
    if contract.resize == "crop":
        return ImageOps.fit(image, (width, height), method)
    inside, (left, top) = _inside(image.size, (width, height))
    canvas = Image.new(image.mode, (width, height), fill)
    canvas.paste(image.resize(inside, method), (left, top))
    return canvas


def _inside(size: tuple[int, int], room: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """The size that an image of *size* has inside *room*, in proportion, and its left and top edge; all (x, y)."""
    scale = min(room[0] / size[0], room[1] / size[1])
    inside = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    return inside, ((room[0] - inside[0]) // 2, (room[1] - inside[1]) // 2)


def fit_mask(mask: np.ndarray, contract: Contract) -> np.ndarray:
    """A mask of raw values ``(H, W)`` as class numbers in the contract's size: uint8 ``(H, W)``.

    It goes the way of its image, by the nearest pixel; values that are no class's, and what ``"fit"`` leaves around
    the image, are 255.
    """
    order = np.argsort(contract.mask_values)
    values = np.array(contract.mask_values)[order]
    at = np.searchsorted(values, mask).clip(max=len(values) - 1)
    numbers = np.where(values[at] == mask, order[at], IGNORE).astype(np.uint8)
    return np.asarray(_resize(Image.fromarray(numbers), contract, Image.Resampling.NEAREST, IGNORE))


def _shorter_side(image: Image.Image, size: int, method: Image.Resampling) -> Image.Image:
    """*image* with its shorter side of *size* pixels, in proportion (the longer side rounded down, as torchvision)."""
    short, long = min(image.size), max(image.size)
    if long > LONGEST * short:  # a strip: what lies far from its middle is never seen, and enlarging it costs memory
        image = _middle(image, min(image.width, LONGEST * short), min(image.height, LONGEST * short))
        long = LONGEST * short
    other = int(size * long / short)
    return image.resize((size, other) if image.width <= image.height else (other, size), method)


def _middle(image: Image.Image, width: int, height: int) -> Image.Image:
    """The middle of *image*; where the margins cannot be alike, the even one is first (torchvision's rounding)."""
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    return image.crop((left, top, left + width, top + height))
