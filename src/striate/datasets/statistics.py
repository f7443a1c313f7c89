"""What the training part's values are like, by channel: the mean and deviation that the contract keeps."""

from __future__ import annotations

import numpy as np

STEP = 1 << 22  # values looked at together: what is mapped from a file is never in memory as a whole


def channel_statistics(inputs: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """``(mean, std)`` of each channel: of uint8 ``(N, C, ...)`` scaled to 0..1, of floats ``(N, C, ...)`` as they are.

    Of bytes from counts of the 256 values, so the result is exact and the same in any order of the images; std is
    1/255 at least, which keeps a data set of one flat colour from being divided by zero. The std of values that are
    all the same is 1.

    >>> channel_statistics(np.array([0, 255], np.uint8).reshape(2, 1, 1, 1))
    ((0.5,), (0.5,))
    """
    return _of_bytes(inputs) if inputs.dtype == np.uint8 else _of_values(inputs)


def _of_bytes(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    counts = np.zeros((images.shape[1], 256), np.int64)
    for chunk in _chunks(images):  # bincount widens to 8 bytes
        for channel, count in enumerate(counts):
            count += np.bincount(chunk[:, channel].ravel(), minlength=256)
    values = np.arange(256) / 255
    weights = counts / counts.sum(axis=1, keepdims=True)
    mean = weights @ values
    variance = (weights * (values - mean[:, None]) ** 2).sum(axis=1)
    return tuple(mean.tolist()), tuple(np.maximum(np.sqrt(variance), 1 / 255).tolist())


def _of_values(values: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """In two passes: the deviations from the mean are summed, not the squares, which would cancel."""
    axes = (0, *range(2, values.ndim))
    each = values.size / values.shape[1]
    mean = sum(chunk.sum(axes, np.float64) for chunk in _chunks(values)) / each
    middle = mean.reshape(-1, *[1] * (values.ndim - 2))
    variance = sum(((chunk - middle) ** 2).sum(axes) for chunk in _chunks(values)) / each
    std = np.sqrt(variance)
    return tuple(mean.tolist()), tuple(np.where(std > 0, std, 1.0).tolist())


def _chunks(inputs: np.ndarray) -> list[np.ndarray]:
    step = max(1, STEP // max(1, inputs[:1].size))
    return [inputs[i : i + step] for i in range(0, len(inputs), step)]
