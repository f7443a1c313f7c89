"""The few layers that torch does not have, as a generated file defines them: only those that it uses."""

from __future__ import annotations

CHAIN = '''
def chain(**layers: nn.Module) -> nn.Sequential:
    """Layers one after the other, under their names."""
    return nn.Sequential(OrderedDict(layers))
'''

SUM_POOL = '''
class SumPool1d(nn.Module):
    """The sum of each window."""

    def __init__(self, kernel: int, stride: int | None = None, padding: int = 0, ceil_mode: bool = False) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d((1, kernel), (1, stride or kernel), (0, padding), ceil_mode, divisor_override=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(x.unsqueeze(-2)).squeeze(-2)
'''

WORD_VECTORS = '''
class WordVectors(nn.Embedding):
    """Word numbers (N, L) to vectors (N, C, L), as a convolution reads them."""

    def forward(self, words: Tensor) -> Tensor:
        return super().forward(words).transpose(1, 2)
'''

TABLED = '''
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
        self.stride, self.padding = stride, padding
        self.weight = nn.Parameter(torch.empty(len(self.sources), 1, *kernel))
        self.bias = nn.Parameter(torch.zeros(len(table))) if bias else None
        nn.init.kaiming_uniform_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        conv = (F.conv1d, F.conv2d, F.conv3d)[x.ndim - 3]
        pairs = conv(x[:, self.sources], self.weight, None, self.stride, self.padding, groups=len(self.sources))
        outputs = 1 + max(self.targets)
        y = pairs.new_zeros(pairs.shape[0], outputs, *pairs.shape[2:])
        y = y.index_add(1, torch.tensor(self.targets, device=x.device), pairs)
        return y if self.bias is None else y + self.bias.view(-1, *[1] * (x.ndim - 2))
'''

CODES = '''
class FixedCodes(nn.Module):
    """Minus the squared distance to a fixed code of +1 and -1 for each output; the codes are not trained."""

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        signs = torch.randint(2, (outputs, features), generator=torch.Generator().manual_seed(1998), device="cpu")
        self.register_buffer("codes", signs.float() * 2 - 1)

    def forward(self, x: Tensor) -> Tensor:
        return 2 * F.linear(x, self.codes) - x.square().sum(1, keepdim=True) - self.codes.square().sum(1)
'''

SCALE = '''
class ChannelScale(nn.Module):
    """A trained factor, and perhaps a shift, for each channel."""

    def __init__(self, channels: int, value: float = 1.0, bias: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), value))
        self.bias = nn.Parameter(torch.zeros(channels)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        shape = (-1, *[1] * (x.ndim - 2))
        x = x * self.weight.view(shape)
        return x if self.bias is None else x + self.bias.view(shape)
'''

NORM = '''
class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of (N, C, ...), place by place."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)
'''

TANH = '''
class ScaledTanh(nn.Module):
    """amplitude * tanh(slope * x)."""

    def __init__(self, amplitude: float = 1.7159, slope: float = 2 / 3) -> None:
        super().__init__()
        self.amplitude, self.slope = amplitude, slope

    def forward(self, x: Tensor) -> Tensor:
        return self.amplitude * torch.tanh(self.slope * x)
'''

DEPTH = '''
class StochasticDepth(nn.Module):
    """In training, zeroes whole samples with probability p and scales the others by 1 / (1 - p)."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        kept = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= self.p
        return x * kept / (1 - self.p)
'''

CROP = '''
class Crop(nn.Module):
    """Cuts a margin off both ends of every axis."""

    def __init__(self, margin: int | tuple[int, ...]) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, x: Tensor) -> Tensor:
        margins = self.margin if isinstance(self.margin, tuple) else (self.margin,) * (x.ndim - 2)
        for axis, margin in enumerate(margins, start=2):
            x = x.narrow(axis, margin, x.shape[axis] - 2 * margin)
        return x
'''

PAD = '''
class PadChannels(nn.Module):
    """Zeros behind the channels until they are so many."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        zeros = x.new_zeros(x.shape[0], self.channels - x.shape[1], *x.shape[2:])
        return torch.cat([x, zeros], dim=1)
'''

HELPERS = {
    "chain": CHAIN, "SumPool1d": SUM_POOL, "WordVectors": WORD_VECTORS, "TabledConvolution": TABLED,
    "FixedCodes": CODES, "ChannelScale": SCALE, "ChannelNorm": NORM, "ScaledTanh": TANH, "StochasticDepth": DEPTH,
    "Crop": CROP, "PadChannels": PAD,
}  # fmt: skip
