"""One torch module for each op: the rank and the input's channels are known, so nothing is lazy."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import assert_never

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate.errors import SpecError
from striate.spec import (
    GELU,
    LRN,
    RBF,
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    ConvTranspose,
    Crop,
    Dropout,
    Embedding,
    Flatten,
    HardSigmoid,
    HardSwish,
    LayerNorm,
    LeakyReLU,
    Linear,
    MaxPool,
    Multiply,
    Op,
    Opaque,
    PadChannels,
    ReLU,
    ReLU6,
    Scale,
    ScaledTanh,
    Shape,
    Sigmoid,
    SiLU,
    Softmax,
    StochasticDepth,
    SumPool,
    TableConv,
    Tanh,
    Upsample,
)

Table = tuple[tuple[int, ...], ...]
Fill = Callable[[Tensor, int, int], None]  # fills a weight, given its fan in and fan out

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


class Multiplication(nn.Module):
    """The element-wise product of its inputs, with broadcasting."""

    def forward(self, *inputs: Tensor) -> Tensor:
        product = inputs[0]
        for x in inputs[1:]:
            product = product * x
        return product


class Concatenation(nn.Module):
    """Its inputs one behind the other along the channels."""

    def forward(self, *inputs: Tensor) -> Tensor:
        return torch.cat(inputs, dim=1)


class TabledConvolution(nn.Module):
    """Convolution in which each output reads only some inputs: one kernel for each pair that the table names."""

    def __init__(
        self, table: Table, kernel: tuple[int, ...], stride: tuple[int, ...], padding: tuple[int, ...], bias: bool
    ):
        super().__init__()
        self.sources = [n for row in table for n in row]
        self.targets = [out for out, row in enumerate(table) for _ in row]
        self.stride, self.padding, self.table = stride, padding, table
        self.weight = nn.Parameter(torch.empty(len(self.sources), 1, *kernel))
        self.bias = nn.Parameter(torch.empty(len(table))) if bias else None

    def first_values(self, fill: Fill) -> None:
        start = 0
        for row in self.table:
            stop, area = start + len(row), prod(self.weight.shape[2:])
            fill(self.weight[start:stop], len(row) * area, len(self.table) * area)
            start = stop
        if self.bias is not None:
            self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        conv = (F.conv1d, F.conv2d, F.conv3d)[len(self.stride) - 1]
        pairs = conv(x[:, self.sources], self.weight, None, self.stride, self.padding, groups=len(self.sources))
        out = pairs.new_zeros(pairs.shape[0], len(self.table), *pairs.shape[2:])
        out = out.index_add(1, torch.tensor(self.targets, device=x.device), pairs)
        return out if self.bias is None else out + self.bias.view(-1, *[1] * len(self.stride))


class FixedCodes(nn.Module):
    """Minus the squared distance to each of *out* fixed codes of +1 and -1; a buffer, not trained."""

    codes: Tensor

    def __init__(self, features: int, out: int) -> None:
        super().__init__()
        self.register_buffer("codes", torch.empty(out, features))

    def first_values(self, fill: Fill) -> None:
        generator = torch.Generator().manual_seed(1998)
        signs = torch.randint(2, self.codes.shape, generator=generator) * 2 - 1
        self.codes.copy_(signs)

    def forward(self, x: Tensor) -> Tensor:
        return 2 * F.linear(x, self.codes) - x.square().sum(1, keepdim=True) - self.codes.square().sum(1)


class ChannelScale(nn.Module):
    """A trained factor, and perhaps a shift, for each channel."""

    def __init__(self, channels: int, value: float, bias: bool) -> None:
        super().__init__()
        self.value = value
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels)) if bias else None

    def first_values(self, fill: Fill) -> None:
        self.weight.fill_(self.value)
        if self.bias is not None:
            self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        shape = (-1, *[1] * (x.ndim - 2))
        x = x * self.weight.view(shape)
        return x if self.bias is None else x + self.bias.view(shape)


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of ``(N, C, ...)``, place by place."""

    def first_values(self, fill: Fill) -> None:
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.movedim(1, -1)).movedim(-1, 1)


class ScaledTanhUnit(nn.Module):
    """``amplitude * tanh(slope * x)``."""

    def __init__(self, amplitude: float, slope: float) -> None:
        super().__init__()
        self.amplitude, self.slope = amplitude, slope

    def forward(self, x: Tensor) -> Tensor:
        return self.amplitude * torch.tanh(self.slope * x)

    def extra_repr(self) -> str:
        return f"amplitude={self.amplitude}, slope={self.slope}"


class SampleDrop(nn.Module):
    """In training, zeroes whole samples with probability *p* and scales the others by ``1 / (1 - p)``."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        kept = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= self.p
        return x * kept / (1 - self.p)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Cropping(nn.Module):
    """Cuts a margin off both ends of every axis."""

    def __init__(self, margins: tuple[int, ...]) -> None:
        super().__init__()
        self.margins = margins

    def forward(self, x: Tensor) -> Tensor:
        for axis, margin in enumerate(self.margins, start=2):
            x = x.narrow(axis, margin, x.shape[axis] - 2 * margin)
        return x

    def extra_repr(self) -> str:
        return f"margins={self.margins}"


class ChannelPadding(nn.Module):
    """Zeros behind the channels until they are *out*."""

    def __init__(self, out: int) -> None:
        super().__init__()
        self.out = out

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, x.new_zeros(x.shape[0], self.out - x.shape[1], *x.shape[2:])], dim=1)

    def extra_repr(self) -> str:
        return f"out={self.out}"


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
        case Multiply():
            return Multiplication()
        case Concat():
            return Concatenation()
        case TableConv():
            return TabledConvolution(op.table, *each(op.kernel, op.stride, op.padding), bias=op.bias)
        case RBF():
            return FixedCodes(prod(input), op.out)
        case Scale():
            return ChannelScale(channels, op.value, op.bias)
        case LayerNorm():
            return ChannelNorm(channels, eps=op.eps)
        case ReLU6():
            return nn.ReLU6()
        case HardSigmoid():
            return nn.Hardsigmoid()
        case HardSwish():
            return nn.Hardswish()
        case ScaledTanh():
            return ScaledTanhUnit(op.amplitude, op.slope)
        case StochasticDepth():
            return SampleDrop(op.p)
        case Crop():
            return Cropping(_tuple(op.margin, rank))
        case PadChannels():
            return ChannelPadding(op.out)
        case Opaque():
            raise SpecError(f"{op.kind} was read from code and its inside is not known: it cannot be built")
        case _:
            assert_never(op)
