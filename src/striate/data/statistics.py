"""What the training part's values are like, by channel: the mean and deviation that the contract keeps."""

from __future__ import annotations

import numpy as np


def channel_statistics(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """``(mean, std)`` of each channel of uint8 ``(N, C, H, W)``, scaled to 0..1; std is 1/255 at least.

    From counts of the 256 values, so the result is exact and the same in any order of the images; the floor
    keeps a data set of one flat colour from being divided by zero.

    >>> channel_statistics(np.array([0, 255], np.uint8).reshape(2, 1, 1, 1))
    ((0.5,), (0.5,))
    """
    counts = np.zeros((images.shape[1], 256), np.int64)
    for chunk in (images[i : i + 1024] for i in range(0, len(images), 1024)):  # bincount widens to 8 bytes
        for channel, count in enumerate(counts):
            count += np.bincount(chunk[:, channel].ravel(), minlength=256)
    values = np.arange(256) / 255
    weights = counts / counts.sum(axis=1, keepdims=True)
    mean = weights @ values
    variance = (weights * (values - mean[:, None]) ** 2).sum(axis=1)
    return tuple(mean.tolist()), tuple(np.maximum(np.sqrt(variance), 1 / 255).tolist())
