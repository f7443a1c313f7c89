"""One torch module for each op: the rank and the input's channels are known, so nothing is lazy."""

from __future__ import annotations

from math import prod
from typing import assert_never

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate.spec import (
    GELU,
    LRN,
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    ConvTranspose,
    Dropout,
    Embedding,
    Flatten,
    LeakyReLU,
    Linear,
    MaxPool,
    Op,
    ReLU,
    Shape,
    Sigmoid,
    SiLU,
    Softmax,
    SumPool,
    Tanh,
    Upsample,
)

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
CONV_TRANSPOSE = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
MAX_POOL = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
AVG_POOL = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
ADAPTIVE_AVG = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}
ADAPTIVE_MAX = {1: nn.AdaptiveMaxPool1d, 2: nn.AdaptiveMaxPool2d, 3: nn.AdaptiveMaxPool3d}
BATCH_NORM = {0: nn.BatchNorm1d, 1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
LINEAR_MODE = {1: "linear", 2: "bilinear", 3: "trilinear"}


class SumPooling(nn.Module):
    """The sum of each window, in 1-D, 2-D and 3-D (torch has averages only)."""

    def __init__(self, kernel: tuple[int, ...], stride: tuple[int, ...], padding: tuple[int, ...], ceil: bool) -> None:
        super().__init__()
        self.kernel, self.stride, self.padding, self.ceil = kernel, stride, padding, ceil

    def forward(self, x: Tensor) -> Tensor:
        if len(self.kernel) == 1:  # torch's 1-D averages take no divisor: a map of one row does
            sizes = ((1, *self.kernel), (1, *self.stride), (0, *self.padding))
            return F.avg_pool2d(x.unsqueeze(-2), *sizes, ceil_mode=self.ceil, divisor_override=1).squeeze(-2)
        pool = F.avg_pool2d if len(self.kernel) == 2 else F.avg_pool3d
        return pool(x, self.kernel, self.stride, self.padding, ceil_mode=self.ceil, divisor_override=1)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel}, stride={self.stride}, padding={self.padding}, ceil_mode={self.ceil}"


class ChannelsFirstEmbedding(nn.Embedding):
    """Word numbers ``(N, L)`` to vectors ``(N, out, L)``, as a convolution reads them."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input).transpose(1, 2)


class Sum(nn.Module):
    """The element-wise sum of its inputs."""

    def forward(self, *inputs: Tensor) -> Tensor:
        total = inputs[0]
        for x in inputs[1:]:
            total = total + x
        return total


class Concatenation(nn.Module):
    """Its inputs one behind the other along the channels."""

    def forward(self, *inputs: Tensor) -> Tensor:
        return torch.cat(inputs, dim=1)


def _tuple(value: object, rank: int) -> tuple[int, ...]:
    return (value,) * rank if isinstance(value, int) else tuple(value)  # type: ignore[arg-type]


def layer(op: Op, input: Shape) -> nn.Module:
    """The torch module of *op* for an input of shape *input* (without the batch).

    >>> from striate.spec import Conv
    >>> layer(Conv(6, 5), (1, 28, 28))
    Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1))
    """
    channels, rank = input[0], len(input) - 1

    def each(*values: object) -> list[tuple[int, ...]]:
        return [_tuple(v, rank) for v in values]

    match op:
        case Conv():
            sizes = each(op.kernel, op.stride, op.padding, op.dilation)
            return CONV[rank](channels, op.out, *sizes, groups=op.groups, bias=op.bias)
        case ConvTranspose():
            kernel, stride, padding, extra, dilation = each(
                op.kernel, op.stride, op.padding, op.output_padding, op.dilation
            )
            return CONV_TRANSPOSE[rank](channels, op.out, kernel, stride, padding, extra, op.groups, op.bias, dilation)
        case MaxPool():
            return MAX_POOL[rank](*each(op.kernel, op.stride, op.padding, op.dilation), ceil_mode=op.ceil)
        case AvgPool():
            sizes = each(op.kernel, op.stride, op.padding)
            return AVG_POOL[rank](*sizes, ceil_mode=op.ceil, count_include_pad=op.count_padding)
        case SumPool():
            return SumPooling(*each(op.kernel, op.stride, op.padding), ceil=op.ceil)
        case AdaptiveAvgPool():
            return ADAPTIVE_AVG[rank](op.out)
        case AdaptiveMaxPool():
            return ADAPTIVE_MAX[rank](op.out)
        case Linear():
            return nn.Linear(prod(input), op.out, bias=op.bias)
        case Embedding():
            return ChannelsFirstEmbedding(op.words, op.out)
        case BatchNorm():
            return BATCH_NORM[rank](channels, eps=op.eps, momentum=op.momentum)
        case LRN():
            return nn.LocalResponseNorm(op.size, op.alpha, op.beta, op.k)
        case Upsample():
            factor = tuple(float(s) for s in _tuple(op.scale, rank))
            return nn.Upsample(scale_factor=factor, mode=LINEAR_MODE[rank] if op.mode == "linear" else op.mode)
        case ReLU():
            return nn.ReLU()
        case Tanh():
            return nn.Tanh()
        case Sigmoid():
            return nn.Sigmoid()
        case GELU():
            return nn.GELU()
        case SiLU():
            return nn.SiLU()
        case LeakyReLU():
            return nn.LeakyReLU(op.slope)
        case Softmax():
            return nn.Softmax(dim=1)
        case Dropout():
            return nn.Dropout(op.p)
        case Flatten():
            return nn.Flatten()
        case Add():
            return Sum()
        case Concat():
            return Concatenation()
        case _:
            assert_never(op)
