"""How an item becomes the network's input: the one code that training, evaluation and prediction share.

Of an image the way is always the same. A file: :func:`prepared`, the contract's bytes. A Pillow image: :func:`fit`;
an array: :func:`~striate.model.image.from_array` and :func:`fit`, or many at once, :func:`fit_array`; of a mask,
:func:`fit_mask`. Then :func:`normalise` the bytes just before they meet the network. Nothing but that last step needs
torch, so that helper processes which decode files start fast.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from striate.errors import DataError
from striate.model.contract import IGNORE, IMAGES, Contract
from striate.model.image import Decoded, canonical, decode_reduced
from striate.model.opening import Encoded
from striate.model.placing import placement, reduction

if TYPE_CHECKING:
    import torch

_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


def prepared(path: Encoded, contract: Contract) -> np.ndarray:
    """The image file at *path*, or of that content, as the contract's bytes: uint8 ``(C, H, W)``. The one way in for
    files.

    A JPEG much larger than the contract's input is decoded at 1/2, 1/4 or 1/8 of its size, the smallest that still
    has twice the pixels that the input needs along both sides; where it lies does not change by that. All else is
    bit for bit ``fit(decode(path, contract.mode), contract)``. Safe in threads and forked processes.

    Raises:
        DataError: As :func:`striate.model.image.decode`; or the contract takes no image files.
    """
    try:
        _check_takes_images(contract)
    except DataError as error:
        raise DataError(str(error) if isinstance(path, bytes) else f"{path}: {error}") from None
    decoded = decode_reduced(path, contract.mode, partial(reduction, contract=contract), contract.value_range)
    return _channels_first(_resize(decoded, contract))


def fit(image: Image.Image, contract: Contract) -> np.ndarray:
    """*image* (any Pillow image) as the contract's bytes: uint8 ``(C, H, W)``.

    Raises:
        DataError: The image has no fixed range; or the contract takes no images.

    >>> contract = Contract(("cat", "dog"), (1, 2, 4), "L", (0.5,), (0.5,), resize="fit")
    >>> fit(Image.new("L", (6, 6), 9), contract)
    array([[[0, 9, 9, 0],
            [0, 9, 9, 0]]], dtype=uint8)
    """
    _check_takes_images(contract)
    return _channels_first(_resize(Decoded.whole(canonical(image, contract.mode, contract.value_range)), contract))


def fit_array(images: np.ndarray, contract: Contract) -> np.ndarray:
    """A stack of images, uint8 ``(N, H, W)`` or ``(N, H, W, C)``, as the contract's bytes ``(N, C, H, W)``.

    Bit for bit what :func:`fit` gives for each. In the mode ``"channels"`` each channel is resized by itself. Where
    nothing has to change it is a view, not a copy.

    Raises:
        DataError: In the mode ``"channels"``: another number of channels than the contract's.
    """
    assert images.dtype == np.uint8, images.dtype
    if images.ndim == 3:
        images = images[..., None]
    channels, *sides = contract.input
    if contract.mode == "channels" and images.shape[3] != channels:
        raise DataError(f"the images have {images.shape[3]} channel(s), the model takes {channels}")
    if images.shape[1:] == (*sides, channels) and contract.scale_to is None:
        return np.moveaxis(images, 3, 1)
    fitted = np.empty((len(images), *contract.input), np.uint8)
    for i, pixels in enumerate(images.squeeze(3) if images.shape[3] == 1 else images):
        if contract.mode == "channels":
            planes = np.moveaxis(np.atleast_3d(pixels), 2, 0)
            fitted[i] = [np.asarray(_resize(Decoded.whole(Image.fromarray(plane)), contract)) for plane in planes]
            continue
        image = Image.fromarray(pixels)
        image = image if image.mode == contract.mode else canonical(image, contract.mode)
        fitted[i] = _channels_first(_resize(Decoded.whole(image), contract))
    return fitted


def class_numbers(mask: np.ndarray, contract: Contract) -> np.ndarray:
    """A mask of raw values ``(H, W)`` as class numbers in its own size, uint8; values that are no class's are 255."""
    order = np.argsort(contract.mask_values)
    values = np.array(contract.mask_values)[order]
    at = np.searchsorted(values, mask).clip(max=len(values) - 1)
    return np.where(values[at] == mask, order[at], IGNORE).astype(np.uint8)


def fit_mask(mask: np.ndarray, contract: Contract) -> np.ndarray:
    """A mask of raw values ``(H, W)`` as class numbers in the contract's size: uint8 ``(H, W)``.

    It goes the way of an image of its size, by the nearest pixel; values that are no class's, and what ``"fit"``
    leaves around the image, are 255.
    """
    numbers = class_numbers(mask, contract)
    method = Image.Resampling.NEAREST
    return np.asarray(_resize(Decoded.whole(Image.fromarray(numbers)), contract, method=method, fill=IGNORE))


def _resize(
    decoded: Decoded, contract: Contract, *, method: Image.Resampling | None = None, fill: int = 0
) -> Image.Image:
    """An image in the contract's height and width, by its rule; *fill* (black) is what ``"fit"`` leaves around it."""
    image, size, there = decoded
    room = contract.input[2], contract.input[1]
    if image.size == size == room and contract.scale_to is None:  # as all below would leave it, and sooner
        return image
    method = _RESAMPLING[contract.interpolation] if method is None else method
    box, inside, at = placement(size, contract)
    if contract.scale_to is not None and box != (0, 0, *size):
        image, box = image.crop(box), (0, 0, box[2] - box[0], box[3] - box[1])
    if there != (0, 0, *size):  # decoded at reduced size
        (left, top, right, bottom), (width, height) = there, size
        x, y = (right - left) / width, (bottom - top) / height
        box = (left + box[0] * x, top + box[1] * y, left + box[2] * x, top + box[3] * y)
    if image.size != inside or box != (0, 0, *inside):
        image = image.resize(inside, method, box)
    if inside == room and at == (0, 0):
        return image
    canvas = Image.new(image.mode, room, fill)
    canvas.paste(image, at)
    return canvas


def _channels_first(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _check_takes_images(contract: Contract) -> None:
    if contract.mode not in IMAGES:
        what = "texts" if contract.mode == "text" else f"arrays of {contract.input[0]} channel(s)"
        raise DataError(f"the model takes {what} (mode {contract.mode}), not images; give it those")


def normalise(inputs: np.ndarray | torch.Tensor, contract: Contract) -> torch.Tensor:
    """A batch as the network takes it, on its device.

    Bytes ``(N, C, H, W)``: float32 ``(x / 255 - mean) / std``. Values ``(N, C, ...)``: float32
    ``(x - mean) / std``. Texts ``(N, L)``: their word numbers as they are, int64.

    >>> contract = Contract(("cat", "dog"), (1, 1, 1), "L", (0.5,), (0.25,))
    >>> normalise(np.full((1, 1, 1, 1), 255, np.uint8), contract).item()
    2.0
    """
    import torch

    if isinstance(inputs, np.ndarray):
        inputs = torch.from_numpy(np.require(inputs, requirements=["C", "W"]))  # torch wants it writable
    if contract.mode == "text":
        return inputs.long()
    bytes_ = contract.mode != "values"
    assert inputs.dtype == (torch.uint8 if bytes_ else torch.float32), inputs.dtype
    x = inputs.float() if bytes_ else inputs.clone()
    mean, std = (x.new_tensor(v).view(-1, *[1] * (x.ndim - 2)) for v in (contract.mean, contract.std))
    return (x.div_(255) if bytes_ else x).sub_(mean).div_(std)
