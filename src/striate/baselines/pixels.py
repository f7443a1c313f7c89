"""A classifier of single pixels by their colour and what is around them: the baseline of masks."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from striate.baselines.linear import LinearModel, logistic_regression

PIXELS = 10_000  # that it is fitted on
STEPS = 40  # of L-BFGS
NONE = 255  # a pixel without a class
WINDOWS = (3, 9, 25)  # pixels a side, of the means around a pixel


def pixel_features(images: NDArray[np.uint8]) -> Tensor:
    """float32 ``(N, D, H, W)``: of each pixel its colour, the mean and the spread around it, and where it lies.

    >>> pixel_features(np.zeros((1, 3, 8, 8), np.uint8)).shape
    torch.Size([1, 22, 8, 8])
    """
    x = torch.tensor(images).float() / 255 - 0.5
    n, _, h, w = x.shape
    grey = x.mean(1, keepdim=True)
    around = [x, x.square()]
    for side in WINDOWS:
        mean = _mean(x, side)
        around += [mean, (_mean(grey.square(), side) - _mean(grey, side).square()).clamp(min=0).sqrt()]
    up = torch.linspace(-1, 1, h)[:, None].expand(n, 1, h, w)
    across = torch.linspace(-1, 1, w).expand(n, 1, h, w)
    return torch.cat([*around, up, across, up.square(), across.square()], 1)


def _mean(x: Tensor, side: int) -> Tensor:
    """Over a square around each pixel, as far as it lies in the image: row means of column means."""
    half = side // 2
    rows = F.avg_pool2d(x, (side, 1), 1, (half, 0), count_include_pad=False)
    return F.avg_pool2d(rows, (1, side), 1, (0, half), count_include_pad=False)


def fit_pixels(images: NDArray[np.uint8], masks: NDArray[np.uint8], classes: int, seed: int = 0) -> LinearModel:
    """A logistic regression on pixels chosen at random from *images* ``(N, C, H, W)`` and *masks* ``(N, H, W)``, as
    many of each image; of pixels without a class (255) none.

    >>> images = np.zeros((1, 1, 4, 4), np.uint8)
    >>> images[0, 0, :, 2:] = 255
    >>> model = fit_pixels(images, images[:, 0] // 255, 2)
    >>> pixel_scores(model, images).argmax(1)[0].tolist()[0]
    [0, 0, 1, 1]
    """
    rng, each = np.random.default_rng(seed), max(1, PIXELS // len(images))
    rows, labels = [], []
    for image, mask in zip(images, masks, strict=True):
        known = np.flatnonzero(mask.ravel() != NONE)
        chosen = known if len(known) <= each else rng.choice(known, each, replace=False)
        rows.append(pixel_features(image[None])[0].flatten(1).T[torch.from_numpy(chosen)])
        labels.append(mask.ravel()[chosen])
    return logistic_regression(torch.cat(rows), torch.from_numpy(np.concatenate(labels)).long(), classes, steps=STEPS)


def pixel_scores(model: LinearModel, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """float32 ``(N, K, H, W)``: the scores of every pixel of *images* ``(N, C, H, W)``, of one after the other: their
    features take 22 numbers a pixel.
    """
    kernel = model.weight.T[:, :, None, None]
    scores = np.empty((len(images), len(kernel), *images.shape[2:]), np.float32)
    for image, into in zip(images, scores, strict=True):
        into[:] = F.conv2d(pixel_features(image[None]), kernel, model.bias)[0].numpy()
    return scores
