"""Images that the experiments share."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from striate.plotting import ColourScale

LINE = 190  # the grey between two kernels


def ink_image(values: Tensor) -> np.ndarray:
    """uint8 ``(H, W, 3)`` of ink ``(H, W)`` from 0 to 1, dark on light.

    >>> import torch
    >>> ink_image(torch.tensor([[0.0, 1.0]])).tolist()
    [[[255, 255, 255], [0, 0, 0]]]
    """
    grey = (255 * (1 - values.detach().double().clamp(0, 1).numpy()) + 0.5).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def kernel_mosaic(kernels: np.ndarray, scale: ColourScale) -> np.ndarray:
    """Kernels ``(rows, columns, k, k)`` beside each other in the colours of *scale*, uint8 ``(H, W, 3)``.

    >>> kernel_mosaic(np.ones((2, 3, 2, 2)), ColourScale(1.0, True)).shape
    (5, 8, 3)
    """
    rows, columns, k, _ = kernels.shape
    canvas = np.full((rows, columns, k + 1, k + 1, 3), LINE, np.uint8)
    canvas[:, :, :k, :k] = scale.colours(kernels)
    return canvas.transpose(0, 2, 1, 3, 4).reshape(rows * (k + 1), columns * (k + 1), 3)[:-1, :-1]
