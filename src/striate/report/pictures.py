"""Pictures inside the page."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.errors import DataError

LARGEST = 192  # pixels a side: twice what the page shows, for screens with fine pixels


def data_url(pixels: NDArray[Any], *, nearest: bool = False) -> str:
    """*pixels* as a PNG in a ``data:`` address; larger pictures are made smaller, none larger.

    Args:
        pixels: uint8, ``(H, W)``, ``(H, W, 1 or 3)`` or ``(1 or 3, H, W)``.
        nearest: Made smaller without mixing colours, which mean something in a mask.

    Raises:
        DataError: Another type or shape.

    >>> data_url(np.zeros((8, 8), np.uint8))[:22]
    'data:image/png;base64,'
    """
    image = Image.fromarray(as_shown(np.asarray(pixels)))
    image.thumbnail((LARGEST, LARGEST), Image.Resampling.NEAREST if nearest else Image.Resampling.BICUBIC)
    file = BytesIO()
    image.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + b64encode(file.getvalue()).decode("ascii")


def as_shown(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """*pixels* as ``(H, W)`` or ``(H, W, 3)``."""
    shape = pixels.shape
    if pixels.dtype == np.uint8 and pixels.size:
        if len(shape) == 2:
            return pixels
        if len(shape) == 3 and shape[2] in (1, 3):
            return pixels[:, :, 0] if shape[2] == 1 else np.ascontiguousarray(pixels)
        if len(shape) == 3 and shape[0] in (1, 3):
            return pixels[0] if shape[0] == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))
    raise DataError(
        f"a picture for the report is {pixels.dtype} of shape {list(shape)}, wanted uint8 of "
        "[H, W], [H, W, 1 or 3] or [1 or 3, H, W]"
    )
