"""Layers that are one matrix multiplication: a convolution whose kernel covers its input (a fully connected layer as a
convolution), and averages over windows that do not overlap. Computed so they give the same numbers up to rounding, and
small ones are several times as fast: the kernels for convolution and pooling are made for many channels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CONVOLUTIONS, AVERAGES = (nn.Conv1d, nn.Conv2d, nn.Conv3d), (nn.AvgPool2d,)
LARGEST = 2**17  # elements of the matrix that averages: a larger one multiplies too many zeros


def multiplies(part: Any, x: Tensor) -> bool:
    """Whether *part* is one matrix multiplication for *x*, a batch.

    >>> [multiplies(nn.Conv2d(16, 120, 5), torch.zeros(1, 16, size, size)) for size in (5, 6)]
    [True, False]
    """
    if type(part) in CONVOLUTIONS:
        plain = set(part.padding) == {0} and set(part.dilation) == {1} and part.groups == 1
        return bool(plain and tuple(x.shape[2:]) == tuple(part.kernel_size))
    if type(part) in AVERAGES and x.ndim == 4:
        height, width = _pair(part.kernel_size)
        area, columns = height * width, x.shape[3]
        apart = _pair(part.stride) == (height, width) and _pair(part.padding) == (0, 0) and not part.divisor_override
        # 1 / 9 has no 8 bits, and no whole number is 1 / 4
        exact = x.dtype is torch.float32 or (x.is_floating_point() and area & (area - 1) == 0)
        small = height * columns * (columns // width) * _inner(x) ** 2 <= LARGEST
        return apart and exact and small and not (x.shape[2] % height or columns % width)
    return False


def multiplied(part: Any, forward: Callable[..., Tensor], *inputs: Tensor, **named: Any) -> Tensor:
    """What *forward* of *part* gives, by a matrix multiplication where it is one.

    >>> part, x = nn.AvgPool2d(2), torch.randn(2, 3, 4, 6)
    >>> bool(torch.allclose(multiplied(part, part.forward, x), part(x), atol=1e-6))
    True
    """
    if named or len(inputs) != 1 or not multiplies(part, x := inputs[0]):
        return forward(*inputs, **named)
    return _convolution(part, x) if isinstance(part, CONVOLUTIONS) else _average(part, x)


def _convolution(part: Any, x: Tensor) -> Tensor:
    channels_last = x.ndim == 4 and part.weight.is_contiguous(memory_format=torch.channels_last)
    order = (0, 2, 3, 1) if channels_last else tuple(range(x.ndim))  # as they lie in memory: nothing is copied
    flat = F.linear(x.permute(order).flatten(1), part.weight.permute(order).flatten(1), part.bias)
    return flat[(..., *[None] * (x.ndim - 2))]


def _average(part: Any, x: Tensor) -> Tensor:
    (height, width), (items, channels, rows, columns), inner = _pair(part.kernel_size), x.shape, _inner(x)
    matrix = _averaging(height, width, columns, inner, x.dtype, x.device)
    order, back = ((0, 2, 3, 1), (0, 3, 1, 2)) if inner > 1 else ((0, 1, 2, 3), (0, 1, 2, 3))
    groups = channels // inner * (rows // height)  # not -1, which means nothing where there are no items
    with torch.autocast(x.device.type, enabled=False):  # in the precision of what comes in, as averages are
        found = F.linear(x.permute(order).reshape(items, groups, height * columns * inner), matrix)
    shape = (items, channels, rows // height, columns // width)
    return found.view([shape[axis] for axis in order]).permute(back)


def _inner(x: Tensor) -> int:
    """The channels of *x* where they are next to each other in memory, else 1."""
    return x.shape[1] if not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last) else 1


@lru_cache(64)
@torch.inference_mode(False)  # else what is kept could not be trained with
def _averaging(height: int, width: int, columns: int, inner: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """From *height* rows of *columns* pixels of *inner* channels to one row of their averages."""
    row = torch.eye(columns // width).repeat_interleave(width, 1).repeat(1, height) / (height * width)
    return torch.kron(row, torch.eye(inner)).to(device, dtype)


def _pair(size: int | tuple[int, ...]) -> tuple[int, ...]:
    """*size* of rows and of columns; torch takes one number for both, in brackets too."""
    return (size, size) if isinstance(size, int) else (*size, *size)[:2]
