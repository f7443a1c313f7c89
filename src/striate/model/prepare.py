"""How an image becomes the network's input: the one code that training, evaluation and prediction share.

The way is always the same: :func:`decode` a file (or :func:`from_array`), :func:`fit` it to the contract's
size as bytes, and :func:`normalise` the bytes just before they meet the network.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageOps

from striate.model.contract import Contract
from striate.model.image import canonical, decode, from_array

__all__ = ["decode", "fit", "fit_array", "from_array", "normalise"]

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


def _resize(image: Image.Image, contract: Contract) -> Image.Image:
    """*image* in the contract's height and width, by its rule."""
    _, height, width = contract.input
    method = _RESAMPLING[contract.interpolation]
    if contract.scale_to is not None:
        return _middle(_shorter_side(image, contract.scale_to, method), width, height)
    if image.size == (width, height):
        return image
    if contract.resize == "stretch":
        return image.resize((width, height), method)
    if contract.resize == "crop":
        return ImageOps.fit(image, (width, height), method)
    scale = min(width / image.width, height / image.height)
    inside = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    canvas = Image.new(image.mode, (width, height))  # black
    canvas.paste(image.resize(inside, method), ((width - inside[0]) // 2, (height - inside[1]) // 2))
    return canvas


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


def normalise(pixels: np.ndarray | torch.Tensor, contract: Contract) -> torch.Tensor:
    """Bytes ``(N, C, H, W)`` as the network takes them: float32 ``(x / 255 - mean) / std``, on x's device.

    >>> contract = Contract(("cat", "dog"), (1, 1, 1), "L", (0.5,), (0.25,))
    >>> normalise(np.full((1, 1, 1, 1), 255, np.uint8), contract).item()
    2.0
    """
    if isinstance(pixels, np.ndarray):
        pixels = torch.from_numpy(np.require(pixels, requirements=["C", "W"]))  # torch wants it writable
    assert pixels.dtype == torch.uint8, pixels.dtype
    x = pixels.float()
    mean, std = (x.new_tensor(values).view(-1, 1, 1) for values in (contract.mean, contract.std))
    return x.div_(255).sub_(mean).div_(std)
