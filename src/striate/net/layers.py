"""One torch module for each op: the rank and the input's channels are known, so nothing is lazy.

Most ops are a class of torch. What torch lacks is here, each class in terms of torch alone: the source export writes
them into its files as they stand.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate.errors import SpecError
from striate.spec import Op, Opaque, Shape
from striate.spec.op import per_axis, sizes, torch_call


def layer(op: Op, input: Shape) -> nn.Module:
    """The torch module of *op* for an input of shape *input* (without the batch).

    Raises:
        SpecError: The op was read from code and its inside is not known.

    >>> from striate.spec import Conv
    >>> layer(Conv(6, 5), (1, 28, 28))
    Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1))
    """
    if isinstance(op, Opaque):
        raise SpecError(f"{op.kind} was read from code and its inside is not known: it cannot be built")
    call = torch_call(op, input)
    of_torch, each = call.cls.startswith("nn."), dict(sizes(op))
    values = [per_axis(a.value, len(input) - 1) if of_torch and a.field in each else a.value for a in call.arguments]
    pairs = list(zip(call.arguments, values, strict=True))
    cls = getattr(nn, call.cls[3:]) if of_torch else globals()[call.cls]
    module: nn.Module = cls(*(v for a, v in pairs if not a.named), **{a.name: v for a, v in pairs if a.named})
    if not of_torch:
        vars(module)["op"] = op
    return module


def op_of(module: nn.Module) -> Op | None:
    """The op that a layer of this file was made from; None for every other module."""
    return vars(module).get("op") if type(module).__module__ == __name__ else None


# -------------------------------------------------------------------------------------------------------- the joins
class Addition(nn.Module):
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


# ------------------------------------------------------------------------------------------------ what torch lacks
class SumPool1d(nn.Module):
    """The sum of each window: torch's 1-D averages take no divisor, those over a map of one row do."""

    def __init__(self, kernel: int, stride: int | None = None, padding: int = 0, ceil_mode: bool = False) -> None:
        super().__init__()
        self.kernel, self.stride, self.padding, self.ceil_mode = kernel, stride or kernel, padding, ceil_mode

    def forward(self, x: Tensor) -> Tensor:
        sizes = (1, self.kernel), (1, self.stride), (0, self.padding)
        return F.avg_pool2d(x.unsqueeze(-2), *sizes, self.ceil_mode, divisor_override=1).squeeze(-2)


class ChannelsFirstEmbedding(nn.Embedding):
    """Word numbers (N, L) to vectors (N, C, L), as a convolution reads them."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input).transpose(1, 2)


class TabledConvolution(nn.Module):
    """Convolution whose outputs each read only the inputs that the table names: one kernel for each pair."""

    def __init__(
        self,
        table: tuple[tuple[int, ...], ...],
        kernel: tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.sources = [source for row in table for source in row]
        self.targets = [target for target, row in enumerate(table) for _ in row]
        self.table, self.stride, self.padding = table, stride, padding
        self.weight = nn.Parameter(torch.empty(len(self.sources), 1, *kernel))
        self.bias = nn.Parameter(torch.zeros(len(table))) if bias else None
        nn.init.kaiming_uniform_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        conv = (F.conv1d, F.conv2d, F.conv3d)[x.ndim - 3]
        pairs = conv(x[:, self.sources], self.weight, None, self.stride, self.padding, groups=len(self.sources))
        y = pairs.new_zeros(pairs.shape[0], len(self.table), *pairs.shape[2:])
        y = y.index_add(1, torch.tensor(self.targets, device=x.device), pairs)
        return y if self.bias is None else y + self.bias.view(-1, *[1] * (x.ndim - 2))


class FixedCodes(nn.Module):
    """Minus the squared distance to a fixed code of +1 and -1 for each output; the codes are not trained."""

    codes: Tensor

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("codes", torch.empty(outputs, features))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        signs = torch.randint(2, self.codes.shape, generator=torch.Generator().manual_seed(1998), device="cpu")
        self.codes.copy_(signs * 2 - 1)

    def forward(self, x: Tensor) -> Tensor:
        return 2 * F.linear(x, self.codes) - x.square().sum(1, keepdim=True) - self.codes.square().sum(1)


class ChannelScale(nn.Module):
    """A trained factor, and perhaps a shift, for each channel."""

    def __init__(self, channels: int, value: float = 1.0, bias: bool = False) -> None:
        super().__init__()
        self.value = value
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.constant_(self.weight, self.value)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        shape = (-1, *[1] * (x.ndim - 2))
        x = x * self.weight.view(shape)
        return x if self.bias is None else x + self.bias.view(shape)


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of (N, C, ...), position by position."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__(channels, eps)

    def forward(self, input: Tensor) -> Tensor:
        output = super().forward(input.movedim(1, -1))
        if output.shape[-1] == 1:  # moved, one channel has strides with which torch 2.13's conv3d reads beyond it
            return output.reshape(input.shape)
        return output.movedim(-1, 1)


class ScaledTanhUnit(nn.Module):
    """amplitude * tanh(slope * x)."""

    def __init__(self, amplitude: float = 1.7159, slope: float = 2 / 3) -> None:
        super().__init__()
        self.amplitude, self.slope = amplitude, slope

    def forward(self, x: Tensor) -> Tensor:
        return self.amplitude * torch.tanh(self.slope * x)

    def extra_repr(self) -> str:
        return f"amplitude={self.amplitude}, slope={self.slope}"


class SampleDrop(nn.Module):
    """In training, zeroes whole samples with probability p and scales the others by 1 / (1 - p)."""

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

    def __init__(self, margin: int | tuple[int, ...]) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, x: Tensor) -> Tensor:
        margins = self.margin if isinstance(self.margin, tuple) else (self.margin,) * (x.ndim - 2)
        for axis, margin in enumerate(margins, start=2):
            x = x.narrow(axis, margin, x.shape[axis] - 2 * margin)
        return x

    def extra_repr(self) -> str:
        return f"margin={self.margin}"


class ChannelPadding(nn.Module):
    """Zeros behind the channels until they are so many."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, x.new_zeros(x.shape[0], self.channels - x.shape[1], *x.shape[2:])], dim=1)

    def extra_repr(self) -> str:
        return f"channels={self.channels}"
