"""Awkward modules: what people write, and what a reader of networks trips over. Each is made without arguments."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint


class Functional(nn.Module):
    """Everything that has no numbers to learn is a function, in three spellings."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(torch.relu(self.conv2(x)), (2, 2))
        x = x.view(x.size(0), -1)
        x = self.fc1(x).relu()
        x = F.dropout(x, 0.3, training=self.training)
        return F.softmax(self.fc2(x), dim=1)


class InPlace(nn.Module):
    """``relu_``, ``inplace=True``, ``+=`` and ``*=``."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.b = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.a(x))
        y = self.b(x)
        y += x
        y.relu_()
        y *= 0.5
        return F.relu(y, True)


class Reused(nn.Module):
    """One convolution and one block, each run twice: the weights are shared."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.block = nn.Sequential(nn.Conv2d(4, 4, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.block(self.conv(self.block(self.conv(x))))


class SqueezeExcite(nn.Module):
    """A gate made with linear layers, and back to 1x1 maps by ``view``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, stride=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.gate = nn.Sequential(nn.Linear(16, 4), nn.ReLU(), nn.Linear(4, 16), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        b, c, _, _ = x.size()
        y = self.pool(x).view(b, c)
        y = self.gate(y).view(b, c, 1, 1)
        return x * y.expand_as(x)


class SqueezeExciteConv(nn.Module):
    """The same with 1x1 convolutions, as torchvision and timm have it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, stride=2)
        self.fc1, self.fc2 = nn.Conv2d(16, 4, 1), nn.Conv2d(4, 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        scale = F.adaptive_avg_pool2d(x, 1)
        return F.hardsigmoid(self.fc2(F.silu(self.fc1(scale)))) * x


class UNet(nn.Module):
    """Up by ``F.interpolate``, to a size that is read off the skip."""

    def __init__(self, mode: str = "bilinear") -> None:
        super().__init__()
        self.mode = mode
        self.down1, self.down2 = self.double(3, 8), self.double(8, 16)
        self.pool = nn.MaxPool2d(2)
        self.middle = self.double(16, 32)
        self.up2, self.up1 = self.double(48, 16), self.double(24, 8)
        self.head = nn.Conv2d(8, 2, 1)

    @staticmethod
    def double(a: int, b: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), nn.Conv2d(b, b, 3, padding=1), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        a = self.down1(x)
        b = self.down2(self.pool(a))
        c = self.middle(self.pool(b))
        c = F.interpolate(c, size=b.shape[2:], mode=self.mode)
        b = self.up2(torch.cat([b, c], dim=1))
        b = F.interpolate(b, scale_factor=2, mode=self.mode)
        return self.head(self.up1(torch.cat((a, b), 1)))


class HeldWeights(nn.Module):
    """A convolution, a linear layer and a factor whose numbers the module itself holds."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(8, 3, 3, 3))
        self.matrix = nn.Parameter(torch.randn(5, 8))
        self.factor = nn.Parameter(torch.ones(1, 8, 1, 1))
        self.register_buffer("mean", torch.zeros(3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(x - self.mean, self.kernel, stride=2, padding=1)
        x = (x * self.factor).mean([2, 3])
        return F.linear(x, self.matrix)


class Means(nn.Module):
    """Global pooling in four spellings."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        a = x.mean([2, 3])
        b = x.mean((-2, -1), keepdim=True).flatten(1)
        c = F.avg_pool2d(x, x.shape[2:])[:, :, 0, 0]
        d = torch.mean(x, dim=(2, 3))
        return torch.cat([a, b, c, d, x.amax((2, 3)), F.adaptive_avg_pool2d(x, 1).squeeze(-1).squeeze(-1)], -1)


class Depthwise(nn.Module):
    """Groups, dilation, a depthwise and a transposed convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            OrderedDict(
                first=nn.Conv2d(3, 12, 3, padding="same"),
                depth=nn.Conv2d(12, 12, 3, padding=2, dilation=2, groups=12, bias=False),
                point=nn.Conv2d(12, 24, 1, groups=3),
                act=nn.Hardswish(),
                up=nn.ConvTranspose2d(24, 6, (4, 2), stride=2, padding=(1, 0)),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Padded(nn.Module):
    """Zeros as a layer, as a function, and only on one side."""

    def __init__(self) -> None:
        super().__init__()
        self.pad = nn.ZeroPad2d(2)
        self.a = nn.Conv2d(3, 4, 5)
        self.b = nn.Conv2d(4, 4, 3)
        self.c = nn.Conv2d(4, 4, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(self.pad(x))
        x = self.b(F.pad(x, (1, 1, 1, 1)))
        return self.c(F.pad(x, (0, 1, 0, 1)))


class Reflected(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect")
        self.b = nn.Conv2d(4, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(x))


class ChannelsLast(nn.Module):
    """ConvNeXt's way: channels to the end, layer norm and linear layers there, a trained factor, and back."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.LayerNorm(8)
        self.fc1, self.act, self.fc2 = nn.Linear(8, 32), nn.GELU(), nn.Linear(32, 8)
        self.scale = nn.Parameter(torch.full((8,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        y = self.fc2(self.act(self.fc1(self.norm(x.permute(0, 2, 3, 1))))) * self.scale
        return x + y.permute(0, 3, 1, 2)


class Normed(nn.Module):
    """Norms over groups and over whole maps, and one without trained numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.group = nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8)
        self.b, self.plain = nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8, affine=False)
        self.act = nn.PReLU(8)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.plain(self.b(self.group(self.a(x)))))


class ByBatch(nn.Module):
    """Instance norm, and batch norm without kept statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4, affine=True)
        self.batch = nn.BatchNorm2d(4, track_running_stats=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.batch(self.norm(self.conv(x)))


class Attends(nn.Module):
    """A transformer's attention on the places of a map."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 4, stride=4)
        self.attn = nn.MultiheadAttention(16, 4, batch_first=True)
        self.fc = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).flatten(2).transpose(1, 2)
        x = x + self.attn(x, x, x)[0]
        return self.fc(x.mean(1))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 8)
        self.lstm = nn.LSTM(8, 12, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        out, (hidden, _) = self.lstm(self.words(x))
        return self.fc(torch.cat([hidden[0], hidden[1]], 1) + out[:, -1])


class Sentences(nn.Module):
    """Kim's text CNN by hand: word vectors, transposed for the convolutions, the largest value of each."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 8)
        self.convs = nn.ModuleList(nn.Conv1d(8, 5, w) for w in (2, 3))
        self.fc = nn.Linear(10, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.words(x).transpose(1, 2)
        return self.fc(torch.cat([F.adaptive_max_pool1d(F.relu(c(x)), 1).squeeze(2) for c in self.convs], 1))


class ByShape(nn.Module):
    """Loops, branches and asserts on shapes; ``isinstance``; a list that forward fills."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleDict({"one": nn.Conv2d(3, 4, 3, padding=1), "two": nn.Conv2d(4, 4, 3, padding=1)})
        self.seen: list[Tensor] = []
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        assert isinstance(x, Tensor)
        assert x.ndim == 4, "a batch of images"
        self.calls += 1
        for conv in self.convs.values():
            x = conv(x)
            self.seen.append(x)
            if x.shape[-1] > 8:
                x = F.max_pool2d(x, 2)
        *_, h, w = x.shape
        return x if h * w > 10_000 else x.flatten(start_dim=1)


class ManyOutputs(nn.Module):
    """A dict of outputs, one of them a feature that the others read."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.a, self.b = nn.Conv2d(4, 2, 1), nn.Conv2d(4, 5, 1)

    def forward(self, x: Tensor) -> dict[str, object]:
        x = self.body(x)
        return {"features": x, "heads": [self.a(x), (self.b(x),)], "n": 3}


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1), nn.Conv2d(4, 5, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.body(x)
        return self.a(x), self.b(x)


@dataclass
class Result:
    logits: Tensor
    features: Tensor


class Structured(TwoHeads):
    """A dataclass of outputs, as libraries of models have it."""

    def forward(self, x: Tensor) -> Result:  # type: ignore[override]
        a, b = super().forward(x)
        return Result(a, b)


class Shuffled(nn.Module):
    """ShuffleNet: halves by ``chunk``, channels shuffled through a fifth axis."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.branch = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.stem(x).chunk(2, dim=1)
        x = torch.cat((a, self.branch(b)), dim=1)
        n, c, h, w = x.shape
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


class Unused(nn.Module):
    """A head that this forward does not run, one whose result it drops, and identities."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.skip = nn.Conv2d(3, 4, 3), nn.Identity()
        self.aux, self.lost = nn.Linear(4, 10), nn.Conv2d(4, 7, 1)
        self.drop = nn.Dropout2d(0.1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.skip(self.conv(x)).contiguous().clone()
        self.lost(x)
        return self.drop(x) if not self.training else self.aux(x)


class OwnConv(nn.Conv2d):
    """Weights that are standardised first (Qiao et al. 2019): a subclass with a forward of its own."""

    def forward(self, input: Tensor) -> Tensor:
        w = self.weight
        w = (w - w.mean((1, 2, 3), keepdim=True)) / (w.std((1, 2, 3), keepdim=True) + 1e-5)
        return F.conv2d(input, w, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Standardised(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = OwnConv(3, 8, 3, padding=1)
        self.normed = nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 8, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.normed(self.conv(x))


class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: object, grad: Tensor) -> Tensor:
        return grad * 2


class Hidden(nn.Module):
    """A function of its own that torch cannot see into."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(Double.apply(self.a(x)))


class Written(nn.Module):
    """Results written into places of a fresh tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = x.new_zeros(x.shape[0], 8, *x.shape[2:])
        y[:, :4] = self.a(x)
        y[:, 4:] = self.b(x)
        return y


class Cropped(nn.Module):
    """The slices of U-Net's skips and of ResNet's option A."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        y = y + x[:, :1, 1:-1, 1:-1]
        z = F.pad(y[:, :, ::2, ::2], (0, 0, 0, 0, 0, 4))
        return z[..., 2:-2, 2:-2]


class Volumes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv3d(1, 4, 3, padding=1), nn.BatchNorm3d(4)
        self.pool, self.fc = nn.MaxPool3d(2), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(F.leaky_relu(self.norm(self.conv(x)), 0.2)).mean(dim=(2, 3, 4)))


class Scripted(nn.Module):
    """A block that was compiled."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.block = torch.jit.trace(nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU()), torch.zeros(1, 4, 5, 5))

    def forward(self, x: Tensor) -> Tensor:
        return self.block(self.conv(x))


class Gated(nn.Module):
    """Swish by hand, a gated linear unit over channels, spatial attention over one map."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.attn = nn.Conv2d(3, 8, 3), nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        x = x * torch.sigmoid(x)
        x = F.glu(x, dim=1)
        both = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        return torch.mul(x, self.attn(both).sigmoid()) - 1


class Pyramid(nn.Module):
    """A feature pyramid: lists of maps, joined from the top down."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(nn.Conv2d(a, 8, 3, 2, 1) for a in (3, 8, 8))
        self.side = nn.ModuleList(nn.Conv2d(8, 4, 1) for _ in range(3))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        maps = []
        for conv in self.down:
            maps.append(x := conv(x))
        maps = [conv(y) for conv, y in zip(self.side, maps, strict=True)]
        for i in (1, 0):
            maps[i] = maps[i] + F.interpolate(maps[i + 1], size=maps[i].shape[-2:])
        return {f"p{i}": y for i, y in enumerate(maps)}


class Tokens(nn.Module):
    """A vision transformer in small: patches, a class token, places, torch's encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 4, stride=4)
        self.token, self.places = nn.Parameter(torch.zeros(1, 1, 16)), nn.Parameter(torch.zeros(1, 17, 16))
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), 2)
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.places
        return self.head(self.encoder(x)[:, 0])


class Compiled(nn.Module):
    """A block of TorchScript, which takes no hooks, and one whose activations are worked out twice."""

    def __init__(self) -> None:
        super().__init__()
        self.block = torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))
        self.twice = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return checkpoint(self.twice, self.block(x), use_reentrant=False)


AWKWARD: dict[str, tuple[type[nn.Module], tuple[int, ...]]] = {
    "functional": (Functional, (3, 32, 32)),
    "in place": (InPlace, (3, 9, 9)),
    "reused": (Reused, (4, 8, 8)),
    "squeeze and excitation, linear": (SqueezeExcite, (3, 33, 33)),
    "squeeze and excitation, convolutions": (SqueezeExciteConv, (3, 33, 33)),
    "u-net": (UNet, (3, 32, 32)),
    "held weights": (HeldWeights, (3, 16, 16)),
    "means": (Means, (3, 10, 10)),
    "depthwise": (Depthwise, (3, 16, 16)),
    "padded": (Padded, (3, 16, 16)),
    "reflected": (Reflected, (3, 16, 16)),
    "channels last": (ChannelsLast, (3, 12, 10)),
    "norms": (Normed, (3, 12, 12)),
    "by batch": (ByBatch, (3, 12, 12)),
    "attention": (Attends, (3, 16, 16)),
    "recurrent": (Recurrent, (11,)),
    "sentences": (Sentences, (11,)),
    "by shape": (ByShape, (3, 16, 16)),
    "many outputs": (ManyOutputs, (3, 8, 8)),
    "two heads": (TwoHeads, (3, 8, 8)),
    "structured": (Structured, (3, 8, 8)),
    "shuffled": (Shuffled, (3, 16, 16)),
    "unused": (Unused, (3, 8, 8)),
    "standardised": (Standardised, (3, 8, 8)),
    "hidden": (Hidden, (3, 12, 12)),
    "written": (Written, (3, 8, 8)),
    "cropped": (Cropped, (3, 21, 21)),
    "volumes": (Volumes, (1, 8, 8, 8)),
    "scripted": (Scripted, (3, 8, 8)),
    "gated": (Gated, (3, 16, 16)),
    "pyramid": (Pyramid, (3, 32, 32)),
    "tokens": (Tokens, (3, 16, 16)),
    "compiled": (Compiled, (3, 8, 8)),
}
