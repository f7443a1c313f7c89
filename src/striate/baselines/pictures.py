"""Images as features made by hand: a histogram of the colours, mean colours, and histograms of oriented gradients."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

LARGEST = 64  # pixels a side: larger images are made smaller first
ANGLES = 9  # of gradients without a sign, 20 degrees each
CELLS = 8  # a side, about
GRID = 8  # mean colours a side
LEVELS = 4  # of each of three colours in their common histogram
GREYS = 16  # of each channel in its own
AT_ONCE = 2**22  # values of images that are worked on at a time


def picture_features(images: NDArray[np.uint8]) -> Tensor:
    """float32 ``(N, D)`` of uint8 images ``(N, C, H, W)``; each of the three groups has about the length 1.

    >>> picture_features(np.zeros((2, 3, 32, 32), np.uint8)).shape
    torch.Size([2, 832])
    """
    step = max(1, AT_ONCE // max(1, int(np.prod(images.shape[1:]))))
    return torch.cat([_features(images[i : i + step]) for i in range(0, len(images), step)])


def _features(images: NDArray[np.uint8]) -> Tensor:
    x = shrunk(torch.tensor(images).float() / 255, LARGEST)
    small = F.adaptive_avg_pool2d(x, (min(GRID, x.shape[2]), min(GRID, x.shape[3]))).flatten(1)
    return torch.cat([colour_histogram(x).sqrt(), (small - 0.5) * (2 / small.shape[1] ** 0.5), hog(x)], 1)


def shrunk(x: Tensor, largest: int) -> Tensor:
    """Images ``(N, C, H, W)`` of at most *largest* pixels a side, by the mean over areas."""
    h, w = x.shape[2:]
    scale = largest / max(h, w)
    return x if scale >= 1 else F.adaptive_avg_pool2d(x, (max(1, round(h * scale)), max(1, round(w * scale))))


def colour_histogram(x: Tensor) -> Tensor:
    """The shares of the pixels in each bin, ``(N, bins)``: of three channels the 4 x 4 x 4 colours, of others 16 levels
    of each channel.

    >>> colour_histogram(torch.tensor([0.0, 0.99]).reshape(1, 1, 1, 2))[0, [0, 15]].tolist()
    [0.5, 0.5]
    """
    n, channels = x.shape[:2]
    if channels == 3:
        level = (x * LEVELS).long().clamp(0, LEVELS - 1)
        bins, size = (level[:, 0] * LEVELS + level[:, 1]) * LEVELS + level[:, 2], LEVELS**3
    else:
        level = (x * GREYS).long().clamp(0, GREYS - 1)
        bins, size = level + GREYS * torch.arange(channels)[None, :, None, None], GREYS * channels
    bins = bins.reshape(n, -1)
    counts = torch.bincount((bins + size * torch.arange(n)[:, None]).flatten(), minlength=n * size)
    return counts.reshape(n, size).float() / bins.shape[1]


def hog(x: Tensor) -> Tensor:
    """Histograms of oriented gradients ``(N, cells * 9)`` of images ``(N, C, H, W)``: in each cell the lengths of the
    gradients by direction, between two directions shared out, over the lengths of the cells around it (N. Dalal, B.
    Triggs, "Histograms of oriented gradients for human detection", CVPR 2005; each cell once, not once per block).

    >>> bars = torch.tensor([0.0, 1.0]).repeat(8).repeat_interleave(2).reshape(1, 1, 1, 32).expand(1, 1, 32, 32)
    >>> hog(bars).reshape(9, -1).sum(1).argmax().item()  # upright edges: the gradient lies across
    0
    """
    cell = max(2, round(max(x.shape[2:]) / CELLS))
    across = F.pad(x, (1, 1, 0, 0), mode="replicate").diff(n=1, dim=3)
    down = F.pad(x, (0, 0, 1, 1), mode="replicate").diff(n=1, dim=2)
    gx, gy = across[..., :-1] + across[..., 1:], down[:, :, :-1] + down[:, :, 1:]
    length = torch.hypot(gx, gy)
    if x.shape[1] > 1:  # the channel that changes most
        length, channel = length.max(1, keepdim=True)
        gx, gy = gx.gather(1, channel), gy.gather(1, channel)
    angle = torch.atan2(gy, gx) * (ANGLES / torch.pi) % ANGLES
    low = angle.floor().clamp(max=ANGLES - 1)
    part = angle - low
    low = low.long()
    n, _, h, w = x.shape
    parts = x.new_zeros(n, ANGLES, h, w)
    parts.scatter_(1, low, length * (1 - part))
    parts.scatter_add_(1, (low + 1) % ANGLES, length * part)
    cells = F.avg_pool2d(parts, cell, ceil_mode=True)
    around = F.avg_pool2d(cells.square().sum(1, keepdim=True), 3, 1, padding=1, count_include_pad=False)
    found = cells / (around + 1e-4).sqrt()
    scaled: Tensor = found.flatten(1) / (found.shape[2] * found.shape[3]) ** 0.5
    return scaled
