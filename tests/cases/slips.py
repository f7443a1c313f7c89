"""Small networks as tutorials have them, each with a slip: the module, its input, the fixes, the mended module."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    """Layers by name, and a forward."""

    def __init__(self, forward, **layers):
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.run = forward

    def forward(self, *x):
        return self.run(self, *x)


def tutorial(flat="x.view(-1, 400)", first=(3, 6, 5), second=(6, 16, 5), f1=(400, 120), f2=(120, 84), f3=(84, 10)):
    """The 60-minute tutorial's net."""
    flats = {
        "x.view(-1, 400)": lambda x: x.view(-1, 400),
        "x.view(x.size(0), -1)": lambda x: x.view(x.size(0), -1),
        "none": lambda x: x,
    }

    def run(m, x):
        x = F.max_pool2d(F.relu(m.c1(x)), 2)
        x = flats[flat](F.max_pool2d(F.relu(m.c2(x)), 2))
        return m.f3(F.relu(m.f2(F.relu(m.f1(x)))))

    layers = {"c1": nn.Conv2d(*first), "c2": nn.Conv2d(*second)}
    return Net(run, **layers, f1=nn.Linear(*f1), f2=nn.Linear(*f2), f3=nn.Linear(*f3))


def chain(*layers):
    return nn.Sequential(*layers)


def residual(project=None):
    def run(m, x):
        x = F.relu(m.stem(x))
        short = m.project(x) if m.project else x
        return m.head((m.b(F.relu(m.a(x))) + short).mean((2, 3)))

    return Net(
        run, stem=nn.Conv2d(3, 16, 3, padding=1), a=nn.Conv2d(16, 32, 3, stride=2, padding=1),
        b=nn.Conv2d(32, 32, 3, padding=1), head=nn.Linear(32, 5), project=project,
    )  # fmt: skip


def unet(pad=1, fit=None, wide=16):
    def run(m, x):
        a = F.relu(m.down(x))
        u = m.up(F.relu(m.middle(F.max_pool2d(a, 2))))
        a, u = fit(a, u) if fit else (a, u)
        return m.out(torch.cat([a, u], 1))

    return Net(
        run, down=nn.Conv2d(1, 8, 3, padding=pad), middle=nn.Conv2d(8, 16, 3, padding=pad),
        up=nn.ConvTranspose2d(16, 8, 2, 2), out=nn.Conv2d(wide, 2, 1),
    )  # fmt: skip


def gated(view=False):
    def run(m, x):
        x = m.c(x)
        g = torch.sigmoid(m.g(x.mean((2, 3))))
        return x * (g[:, :, None, None] if view else g)

    return Net(run, c=nn.Conv2d(3, 12, 3), g=nn.Linear(12, 12))


def recurrent(first=True, state=None, last=lambda y: y[:, -1]):
    def run(m, x):
        more = () if state is None else (torch.zeros(1, state or x.size(0), 12),)
        y, _ = m.rnn(x.squeeze(1), *more)
        return m.f(last(y))

    return Net(run, rnn=nn.GRU(9, 12, batch_first=first), f=nn.Linear(12, 4))


def siamese(dim=0):
    return Net(lambda m, a, b: m.f(torch.cat([m.c(a).mean((2, 3)), m.c(b).mean((2, 3))], dim)),
               c=nn.Conv2d(3, 8, 3), f=nn.Linear(16, 2))  # fmt: skip


def generator(view=(128, 7, 7), out=6272):
    def run(m, z):
        return torch.tanh(m.up2(F.relu(m.up1(m.f(z).view(-1, *view)))))

    return Net(
        run, f=nn.Linear(20, out), up1=nn.ConvTranspose2d(128, 64, 4, 2, 1), up2=nn.ConvTranspose2d(64, 1, 4, 2, 1)
    )


def ends(last, wrap=lambda x: x):
    return Net(lambda m, x: wrap(m.f(m.c(x).mean((2, 3)))), c=nn.Conv2d(3, 8, 3), f=last)


D = torch.float32
# name: (the module, its input, the fixes in order, the module as the fixes say)
SLIPS = {
    "tutorial, larger images": (
        tutorial, (3, 64, 64), ["x.view(x.size(0), -1)", "Linear(2704, 120)"],
        lambda: tutorial("x.view(x.size(0), -1)", f1=(2704, 120)),
    ),
    "tutorial, grey images": (
        tutorial, (1, 32, 32), ["Conv2d(1, 6, ...)"], lambda: tutorial(first=(1, 6, 5)),
    ),
    "tutorial, every slip at once": (
        lambda: tutorial(second=(8, 16, 5), f2=(100, 84), f3=(80, 10)), (1, 28, 28),
        ["Conv2d(1, 6, ...)", "Conv2d(6, 16, ...)", "x.view(x.size(0), -1)", "Linear(256, 120)", "Linear(120, 84)",
         "Linear(84, 10)"],
        lambda: tutorial("x.view(x.size(0), -1)", first=(1, 6, 5), f1=(256, 120)),
    ),
    "flatten forgotten": (
        lambda: tutorial("none"), (3, 32, 32), ["flatten before it: x.flatten(1)"],
        lambda: tutorial("x.view(x.size(0), -1)"),
    ),
    "flatten forgotten behind global pooling": (
        lambda: chain(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Linear(8, 3)), (3, 9, 9),
        ["flatten before it: x.flatten(1)"],
        lambda: chain(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)),
    ),
    "batch norm of other channels": (
        lambda: chain(nn.Conv2d(3, 32, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 8, 3)), (3, 9, 9),
        ["BatchNorm2d(32)", "Conv2d(32, 8, ...)"],
        lambda: chain(nn.Conv2d(3, 32, 3), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 8, 3)),
    ),
    "batch norm of other axes": (
        lambda: chain(nn.Conv2d(3, 8, 3), nn.BatchNorm1d(8)), (3, 9, 9), ["BatchNorm2d(8)"],
        lambda: chain(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)),
    ),
    "batch norm of maps behind flatten": (
        lambda: chain(nn.Flatten(), nn.Linear(27, 8), nn.BatchNorm2d(8)), (3, 3, 3), ["BatchNorm1d(8)"],
        lambda: chain(nn.Flatten(), nn.Linear(27, 8), nn.BatchNorm1d(8)),
    ),
    "group norm": (
        lambda: chain(nn.Conv2d(3, 12, 3), nn.GroupNorm(8, 16)), (3, 9, 9), ["GroupNorm(4, 12)"],
        lambda: chain(nn.Conv2d(3, 12, 3), nn.GroupNorm(4, 12)),
    ),
    "layer norm of a map": (
        lambda: chain(nn.Conv2d(3, 12, 3), nn.LayerNorm(12)), (3, 9, 9), ["GroupNorm(1, 12)"],
        lambda: chain(nn.Conv2d(3, 12, 3), nn.GroupNorm(1, 12)),
    ),
    "parametric relu": (
        lambda: chain(nn.Conv2d(3, 12, 3), nn.PReLU(8)), (3, 9, 9), ["PReLU(12)"],
        lambda: chain(nn.Conv2d(3, 12, 3), nn.PReLU(12)),
    ),
    "depthwise of other channels": (
        lambda: chain(nn.Conv2d(3, 12, 1), nn.Conv2d(8, 8, 3, groups=8)), (3, 9, 9), ["Conv2d(12, 12, ..., groups=12)"],
        lambda: chain(nn.Conv2d(3, 12, 1), nn.Conv2d(12, 12, 3, groups=12)),
    ),
    "up-convolution of other channels": (
        lambda: chain(nn.Conv2d(3, 12, 1), nn.ConvTranspose2d(16, 4, 2, 2)), (3, 9, 9), ["ConvTranspose2d(12, 4, ...)"],
        lambda: chain(nn.Conv2d(3, 12, 1), nn.ConvTranspose2d(12, 4, 2, 2)),
    ),
    "the shortcut has other channels": (
        residual, (3, 16, 16), ["nn.Conv2d(16, 32, 1, stride=2) on the shortcut (16x16x16)"],
        lambda: residual(nn.Conv2d(16, 32, 1, stride=2)),
    ),
    "u-net on odd sizes": (
        unet, (1, 17, 18),
        ["F.pad(x, [0, 0, 0, 1]) on the second tensor (8x16x18); or an input of 1x16x16 or 1x18x20, which fits"],
        lambda: unet(fit=lambda a, u: (a, F.pad(u, [0, 0, 0, 1]))),
    ),
    "u-net without padding": (
        lambda: unet(0), (1, 18, 18), ["F.pad(x, [-2, -2, -2, -2]) on the first tensor (8x16x16)"],
        lambda: unet(0, fit=lambda a, u: (F.pad(a, [-2, -2, -2, -2]), u)),
    ),
    "u-net that forgets the skip's channels": (
        lambda: unet(wide=8), (1, 16, 16), ["Conv2d(16, 2, ...)"], unet,
    ),
    "a gate without its axes": (
        gated, (3, 9, 9), ["x[:, :, None, None] for the 12"], lambda: gated(True),
    ),
    "recurrent, the batch second": (
        lambda: recurrent(False), (1, 7, 9), ["batch_first=True"], recurrent,
    ),
    "recurrent, a state for 32": (
        lambda: recurrent(state=32), (1, 7, 9), ["x.size(0) in place of 32"], lambda: recurrent(state=0),
    ),
    "recurrent, the last of the batch": (
        lambda: recurrent(last=lambda y: y[-1]), (1, 7, 9), ["x[:, -1]"], recurrent,
    ),
    "siamese, joined along the batch": (
        siamese, ((3, 9, 9), (3, 9, 9)), ["torch.cat([...], dim=1)"], lambda: siamese(1),
    ),
    "generator, another view": (
        lambda: generator((128, 8, 8)), (20,), ["x.view(-1, 128, 7, 7)"], generator,
    ),
    "softmax over the batch": (
        lambda: ends(nn.Linear(8, 4), lambda x: F.softmax(x, dim=0)), (3, 9, 9), ["dim=1"],
        lambda: ends(nn.Linear(8, 4), lambda x: F.softmax(x, dim=1)),
    ),
    "a layer of softmax over the batch": (
        lambda: ends(chain(nn.Linear(8, 4), nn.LogSoftmax(0))), (3, 9, 9), ["dim=1"],
        lambda: ends(chain(nn.Linear(8, 4), nn.LogSoftmax(1))),
    ),
    "mean over the batch": (
        lambda: Net(lambda m, x: m.f(m.c(x).mean()), c=nn.Conv2d(3, 8, 3), f=nn.Linear(8, 4)), (3, 9, 9),
        ["x.mean((2, 3))"],
        lambda: Net(lambda m, x: m.f(m.c(x).mean((2, 3))), c=nn.Conv2d(3, 8, 3), f=nn.Linear(8, 4)),
    ),
    "a kernel larger than what is left": (
        lambda: chain(nn.Conv2d(3, 8, 3), nn.MaxPool2d(2), nn.Conv2d(8, 8, 5)), (3, 9, 9),
        ["padding=1; or an input of 3x12x12, which fits"],
        lambda: chain(nn.Conv2d(3, 8, 3), nn.MaxPool2d(2), nn.Conv2d(8, 8, 5, padding=1)),
    ),
    "pooled once too often": (
        lambda: chain(nn.Conv2d(3, 8, 3), nn.MaxPool2d(4), nn.MaxPool2d(4)), (3, 9, 9),
        ["remove it; or an input of 3x18x18, which fits"],
        lambda: chain(nn.Conv2d(3, 8, 3), nn.MaxPool2d(4)),
    ),
    "an autoencoder's middle": (
        lambda: chain(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(16, 784)),
        (1, 28, 28), ["Linear(12, 784)"],
        lambda: chain(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 784)),
    ),
    "super-resolution, channels for the shuffle": (
        lambda: chain(nn.Conv2d(3, 12, 3), nn.PixelShuffle(2), nn.Conv2d(4, 3, 3)), (3, 9, 9), ["Conv2d(3, 3, ...)"],
        lambda: chain(nn.Conv2d(3, 12, 3), nn.PixelShuffle(2), nn.Conv2d(3, 3, 3)),
    ),
    "signals": (
        lambda: chain(nn.Conv1d(1, 8, 5), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(9, 3)), (1, 50), ["Linear(184, 3)"],
        lambda: chain(nn.Conv1d(1, 8, 5), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(184, 3)),
    ),
    "volumes": (
        lambda: chain(nn.Conv3d(1, 8, 3), nn.BatchNorm3d(4), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 2)),
        (1, 6, 6, 6), ["BatchNorm3d(8)", "Linear(8, 2)"],
        lambda: chain(nn.Conv3d(1, 8, 3), nn.BatchNorm3d(8), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(8, 2)),
    ),
}  # fmt: skip
