"""One image from an array that somebody gives."""

from __future__ import annotations

import numpy as np
from PIL import Image

from striate.errors import DataError


def from_array(array: np.ndarray) -> Image.Image:
    """One image from an array: ``(H, W)`` or ``(H, W, 1, 3 or 4)``, uint8 or floating point in 0..1.

    Raises:
        DataError: Another shape, type or range; the text says which and how to change it.

    >>> from_array(np.array([[0.0, 1.0]])).getpixel((1, 0))
    255
    """
    array = np.asarray(array)
    _check_shape(array)
    if np.issubdtype(array.dtype, np.floating):
        array = _bytes_from_floats(array)
    elif array.dtype != np.uint8:
        raise DataError(f"the array holds {array.dtype}, wanted uint8 or floats in 0..1; use array.astype('uint8')")
    return Image.fromarray(np.ascontiguousarray(array.squeeze(2) if array.shape[2:] == (1,) else array))


def _check_shape(array: np.ndarray) -> None:
    shape = array.shape
    if 0 not in shape and (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))):
        return
    if 0 in shape:
        way_out = "it is empty"
    elif len(shape) == 3 and shape[0] in (1, 3, 4):
        way_out = "the channels come last: use array.transpose(1, 2, 0)"
    else:
        way_out = "give one image"
    raise DataError(f"the array's shape is {shape}, wanted (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); {way_out}")


def _bytes_from_floats(array: np.ndarray) -> np.ndarray:
    if not np.isfinite(array).all():
        raise DataError("the array holds NaN or infinity, wanted floats in 0..1")
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 1:
        way_out = "divide by 255" if low >= 0 and high <= 255 else "scale it before"
        raise DataError(f"the array's floats go from {low:g} to {high:g}, wanted 0 to 1; {way_out}")
    return np.rint(array * 255).astype(np.uint8)
