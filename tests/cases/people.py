"""Modules as people write them, of many kinds: each clean, and with a usual slip and its fix."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F


class DoubleConv(nn.Sequential):
    def __init__(self, i, o, pad=1):
        super().__init__(
            nn.Conv2d(i, o, 3, padding=pad, bias=False),
            nn.BatchNorm2d(o),
            nn.ReLU(True),
            nn.Conv2d(o, o, 3, padding=pad, bias=False),
            nn.BatchNorm2d(o),
            nn.ReLU(True),
        )


class UNet(nn.Module):  # milesial
    def __init__(self, ch=3, classes=2, pad=1, fit="pad", bilinear=False, wide=None):
        super().__init__()
        self.fit = fit
        self.inc, self.d1, self.d2 = DoubleConv(ch, 8, pad), DoubleConv(8, 16, pad), DoubleConv(16, 32, pad)
        if bilinear:
            self.u1 = nn.Sequential(
                nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), nn.Conv2d(32, 16, 1)
            )
            self.u2 = nn.Sequential(
                nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), nn.Conv2d(16, 8, 1)
            )
        else:
            self.u1, self.u2 = nn.ConvTranspose2d(32, 16, 2, 2), nn.ConvTranspose2d(16, 8, 2, 2)
        self.c1, self.c2 = DoubleConv(wide or 32, 16, pad), DoubleConv(16, 8, pad)
        self.outc = nn.Conv2d(8, classes, 1)

    def join(self, a, u):
        dy, dx = a.size()[2] - u.size()[2], a.size()[3] - u.size()[3]
        if self.fit == "pad":
            u = F.pad(u, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        elif self.fit == "crop":
            a = a[:, :, dy // 2 : dy // 2 + u.shape[2], dx // 2 : dx // 2 + u.shape[3]]
        elif self.fit == "interp":
            u = F.interpolate(u, size=a.shape[2:], mode="bilinear", align_corners=False)
        return torch.cat([a, u], 1)

    def forward(self, x):
        a = self.inc(x)
        b = self.d1(F.max_pool2d(a, 2))
        c = self.d2(F.max_pool2d(b, 2))
        y = self.c1(self.join(b, self.u1(c)))
        y = self.c2(self.join(a, self.u2(y)))
        return self.outc(y)


class FPN(nn.Module):
    def __init__(self, slip=False):
        super().__init__()
        self.c1 = nn.Conv2d(3, 8, 3, 2, 1)
        self.c2 = nn.Conv2d(8, 16, 3, 2, 1)
        self.c3 = nn.Conv2d(16, 32, 3, 2, 1)
        self.l1, self.l2, self.l3 = nn.Conv2d(8, 12, 1), nn.Conv2d(16, 12, 1), nn.Conv2d(16 if slip else 32, 12, 1)
        self.s = nn.ModuleList(nn.Conv2d(12, 12, 3, padding=1) for _ in range(3))

    def forward(self, x):
        a = F.relu(self.c1(x))
        b = F.relu(self.c2(a))
        c = F.relu(self.c3(b))
        p3 = self.l3(c)
        p2 = self.l2(b) + F.interpolate(p3, scale_factor=2, mode="nearest")
        p1 = self.l1(a) + F.interpolate(p2, scale_factor=2, mode="nearest")
        return [s(p) for s, p in zip(self.s, (p1, p2, p3), strict=True)]


class MHABlock(nn.Module):
    def __init__(self, d=32, heads=4, bf=True, need=True, n=16):
        super().__init__()
        self.e = nn.Conv2d(3, d, 8, 8)
        self.pos = nn.Parameter(torch.zeros(1, n, d))
        self.n1, self.n2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.a = nn.MultiheadAttention(d, heads, batch_first=bf)
        self.m = nn.Sequential(nn.Linear(d, 2 * d), nn.GELU(), nn.Linear(2 * d, d))
        self.h = nn.Linear(d, 5)
        self.need = need

    def forward(self, x):
        x = self.e(x).flatten(2).transpose(1, 2) + self.pos
        y = self.n1(x)
        x = x + self.a(y, y, y, need_weights=self.need)[0]
        x = x + self.m(self.n2(x))
        return self.h(x.mean(1))


class HandAttention(nn.Module):
    def __init__(self, d=32, heads=4, words=12):
        super().__init__()
        self.e = nn.Linear(words, d)
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(d, d) for _ in range(4))
        self.h = nn.Linear(d, 3)

    def forward(self, x):
        x = self.e(x)
        b, t, d = x.shape
        q, k, v = (f(x).view(b, t, self.heads, d // self.heads).transpose(1, 2) for f in (self.q, self.k, self.v))
        a = (q @ k.transpose(-2, -1)) / math.sqrt(d // self.heads)
        y = (a.softmax(-1) @ v).transpose(1, 2).contiguous().view(b, t, d)
        return self.h(self.o(y)[:, 0])


class Siamese(nn.Module):
    def __init__(self, f=2304):
        super().__init__()
        self.cnn = nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.fc = nn.Sequential(nn.Linear(f, 32), nn.ReLU(), nn.Linear(32, 8))
        self.out = nn.Linear(8, 1)

    def one(self, x):
        x = self.cnn(x)
        x = x.view(x.size()[0], -1)
        return self.fc(x)

    def forward(self, a, b):
        return torch.sigmoid(self.out(torch.abs(self.one(a) - self.one(b))))


class CRNN(nn.Module):
    def __init__(self, h=16, feats=32, first=False, wide=32, all_of_it=False):
        super().__init__()
        self.first, self.all_of_it = first, all_of_it
        self.cnn = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d((2, 2)),
            nn.AdaptiveAvgPool2d((1, None)),
        )
        self.rnn = nn.LSTM(feats, h, bidirectional=True, batch_first=not first)
        self.fc = nn.Linear(wide, 11)

    def forward(self, x):
        x = self.cnn(x).squeeze(2).permute((2, 0, 1) if self.first else (0, 2, 1))
        y = self.rnn(x)
        y = self.fc(y if self.all_of_it else y[0])
        return y.transpose(0, 1) if self.first else y


class CNNLSTM(nn.Module):  # video (N,T,C,H,W)
    def __init__(self, f=1600):
        super().__init__()
        self.c = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
        self.r = nn.LSTM(f, 20, batch_first=True)
        self.f = nn.Linear(20, 4)

    def forward(self, x):
        b, t, c, h, w = x.size()
        y = self.c(x.view(b * t, c, h, w)).view(b, t, -1)
        y, (hn, _) = self.r(y)
        return self.f(hn[-1])


class TextGRU(nn.Module):
    def __init__(self):
        super().__init__()
        self.e, self.r, self.f = nn.Embedding(100, 16), nn.GRU(16, 24, batch_first=True), nn.Linear(24, 2)

    def forward(self, x):
        _, h = self.r(self.e(x))
        return self.f(h[-1])


class TextLSTM(nn.Module):
    def __init__(self, words=12, features=24):
        super().__init__()
        self.e, self.r, self.f = (
            nn.Embedding(100, 16),
            nn.LSTM(words, 24, batch_first=True, num_layers=2, bidirectional=True),
            nn.Linear(features, 2),
        )

    def forward(self, x):
        y, _ = self.r(self.e(x))
        return self.f(y[:, -1])


class VAE(nn.Module):
    def __init__(self, z=8, slip=False, pixels=784):
        super().__init__()
        self.e1, self.mu, self.lv = nn.Linear(pixels, 64), nn.Linear(64, z), nn.Linear(64, z)
        self.d1, self.d2 = nn.Linear(z * 2 if slip else z, 64), nn.Linear(64, 784)

    def forward(self, x):
        h = F.relu(self.e1(x.view(-1, self.e1.in_features)))
        mu, lv = self.mu(h), self.lv(h)
        std = torch.exp(0.5 * lv)
        z = mu + torch.randn_like(std) * std
        return torch.sigmoid(self.d2(F.relu(self.d1(z)))), mu, lv


class ConvAE(nn.Module):
    def __init__(self, pad=0):
        super().__init__()
        self.enc = nn.Sequential(
            nn.Conv2d(1, 16, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 7, padding=pad),
        )
        self.dec = nn.Sequential(
            nn.ConvTranspose2d(64, 32, 7),
            nn.ReLU(),
            nn.ConvTranspose2d(32, 16, 3, 2, 1, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(16, 1, 3, 2, 1, 1),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return self.dec(self.enc(x))


def dcgan_g(nz=100, ngf=16, nc=3):
    return nn.Sequential(
        nn.ConvTranspose2d(nz, ngf * 4, 4, 1, 0, bias=False),
        nn.BatchNorm2d(ngf * 4),
        nn.ReLU(True),
        nn.ConvTranspose2d(ngf * 4, ngf * 2, 4, 2, 1, bias=False),
        nn.BatchNorm2d(ngf * 2),
        nn.ReLU(True),
        nn.ConvTranspose2d(ngf * 2, nc, 4, 2, 1, bias=False),
        nn.Tanh(),
    )


class DCGAND(nn.Module):
    def __init__(self, last=4):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(3, 16, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2, True),
            nn.Conv2d(16, 32, 4, 2, 1, bias=False),
            nn.BatchNorm2d(32),
            nn.LeakyReLU(0.2, True),
            nn.Conv2d(32, 1, last, 1, 0, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return self.main(x).view(-1, 1).squeeze(1)


class ESPCN(nn.Module):
    def __init__(self, r=3, out=None):
        super().__init__()
        self.a, self.b, self.c = (
            nn.Conv2d(1, 16, 5, padding=2),
            nn.Conv2d(16, 8, 3, padding=1),
            nn.Conv2d(8, out or r * r, 3, padding=1),
        )
        self.s = nn.PixelShuffle(r)

    def forward(self, x):
        return self.s(self.c(torch.tanh(self.b(torch.tanh(self.a(x))))))


class SE(nn.Module):
    def __init__(self, c, r=4, view=True):
        super().__init__()
        self.f = nn.Sequential(
            nn.Linear(c, c // r, bias=False), nn.ReLU(True), nn.Linear(c // r, c, bias=False), nn.Sigmoid()
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.v = view

    def forward(self, x):
        b, c, _, _ = x.size()
        y = self.f(self.pool(x).view(b, c))
        return x * (y.view(b, c, 1, 1).expand_as(x) if self.v else y)


class SENet(nn.Module):
    def __init__(self, **k):
        super().__init__()
        self.c, self.se, self.c2, self.f = (
            nn.Conv2d(3, 16, 3, padding=1),
            SE(16, **k),
            nn.Conv2d(16, 16, 3, stride=2),
            nn.Linear(16, 4),
        )

    def forward(self, x):
        return self.f(F.adaptive_avg_pool2d(self.c2(self.se(self.c(x))), 1).flatten(1))


class Chomp(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.n = n

    def forward(self, x):
        return x[:, :, : -self.n].contiguous()


class TCN(nn.Module):
    def __init__(self, chomp=True, fit=False):
        super().__init__()
        self.fit = fit

        def block(i, o, d):
            return nn.Sequential(
                nn.utils.parametrizations.weight_norm(nn.Conv1d(i, o, 3, padding=2 * d, dilation=d)),
                *([Chomp(2 * d)] if chomp else []),
                nn.ReLU(),
                nn.Dropout(0.1),
            )

        self.b1, self.b2, self.b3 = block(4, 8, 1), block(8, 8, 2), block(8, 8, 4)
        self.f = nn.Linear(8, 3)

    def forward(self, x):
        y = self.b1(x)
        for b, cut in ((self.b2, 4), (self.b3, 8)):
            y = y + (F.pad(b(y), [0, -cut]) if self.fit else b(y))
        return self.f(y[:, :, -1])


class C3D(nn.Module):
    def __init__(self, f=None):
        super().__init__()
        self.c = nn.Sequential(
            nn.Conv3d(3, 8, 3, padding=1),
            nn.BatchNorm3d(8),
            nn.ReLU(),
            nn.MaxPool3d((1, 2, 2)),
            nn.Conv3d(8, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool3d(2),
        )
        self.f = nn.Linear(f or 16 * 4 * 7 * 7, 10)

    def forward(self, x):
        return self.f(self.c(x).reshape(x.size(0), -1))


class DSConv(nn.Module):
    def __init__(self, g=8):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.dw = nn.Conv2d(8, 8, 3, 1, 1, groups=g)
        self.pw = nn.Conv2d(8, 16, 1)
        self.f = nn.Linear(16, 2)

    def forward(self, x):
        return self.f(self.pw(self.dw(self.stem(x))).mean([2, 3]))


class Dense(nn.Module):
    def __init__(self, listed=nn.ModuleList, tr=None):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.ls = listed(
            [
                nn.Sequential(nn.BatchNorm2d(8 + 4 * i), nn.ReLU(), nn.Conv2d(8 + 4 * i, 4, 3, padding=1))
                for i in range(3)
            ]
        )
        self.f = nn.Linear(tr or 20, 2)

    def forward(self, x):
        fs = [self.stem(x)]
        for layer in self.ls:
            fs.append(layer(torch.cat(fs, 1)))
        return self.f(torch.cat(fs, 1).mean((2, 3)))


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Conv2d(3, 8, 3, padding=1)
        self.r = nn.Conv2d(8, 8, 3, padding=1)
        self.f = nn.Linear(8, 2)

    def forward(self, x):
        x = self.e(x)
        for _ in range(4):
            x = F.relu(self.r(x)) + x
        return self.f(x.mean((2, 3)))


class MBConv(nn.Module):
    def __init__(self, i, o, t, s, k=3):
        super().__init__()
        h = i * t
        self.use = s == 1 and i == o
        self.b = nn.Sequential(
            nn.Conv2d(i, h, 1, bias=False),
            nn.BatchNorm2d(h),
            nn.SiLU(),
            nn.Conv2d(h, h, k, s, k // 2, groups=h, bias=False),
            nn.BatchNorm2d(h),
            nn.SiLU(),
            SE(h),
            nn.Conv2d(h, o, 1, bias=False),
            nn.BatchNorm2d(o),
        )

    def forward(self, x):
        return x + self.b(x) if self.use else self.b(x)


class EffNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.SiLU())
        self.blocks = nn.Sequential(
            MBConv(16, 16, 1, 1), MBConv(16, 24, 4, 2), MBConv(24, 24, 4, 1), MBConv(24, 40, 4, 2, 5)
        )
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(40, 6))

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)))


# ---- what depends on the machine, the batch or the call
class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 8, 3)
        self.f = nn.Linear(8, 2)

    def forward(self, x):
        return self.f(self.c(x).mean((2, 3)))


class FixedDevice(Small):
    def forward(self, x):
        return super().forward(x.to("cuda"))


class CudaCall(Small):
    def forward(self, x):
        return super().forward(x.cuda())


class NoiseDevice(Small):
    def forward(self, x):
        return super().forward(x + torch.randn(x.shape, device="cuda"))


class StateCuda(nn.Module):
    def __init__(self, cuda=True):
        super().__init__()
        self.cuda_too = cuda
        self.r, self.f = nn.LSTM(9, 12, batch_first=True), nn.Linear(12, 4)

    def forward(self, x):
        h0 = torch.zeros(1, x.size(0), 12)
        h0 = h0.cuda() if self.cuda_too else h0
        y, _ = self.r(x, (h0, torch.zeros(1, x.size(0), 12)))
        return self.f(y[:, -1])


class FixedBatchHidden(nn.Module):
    def __init__(self, bs=32):
        super().__init__()
        self.r, self.f = nn.LSTM(9, 12, batch_first=True), nn.Linear(12, 4)
        self.hidden = bs and (torch.zeros(1, bs, 12), torch.zeros(1, bs, 12))

    def forward(self, x):
        n = torch.zeros(1, x.size(0), 12)
        y, _ = self.r(x, self.hidden or (n, n))
        return self.f(y[:, -1])


class FixedBatchExpand(nn.Module):
    def __init__(self, tokens=16, expand=False):
        super().__init__()
        self.expand = expand
        self.c = nn.Conv2d(3, 8, 4, 4)
        self.cls = nn.Parameter(torch.zeros(tokens, 1, 8))
        self.f = nn.Linear(8, 2)

    def forward(self, x):
        x = self.c(x).flatten(2).transpose(1, 2)
        t = self.cls[:1].expand(x.size(0), -1, -1) if self.expand else self.cls
        x = torch.cat([t, x], 1)
        return self.f(x[:, 0])


class ParamInForward(nn.Module):
    def __init__(self, late=True):
        super().__init__()
        self.w = None if late else nn.Parameter(torch.randn(2, 8))
        self.c = nn.Conv2d(3, 8, 3)

    def forward(self, x):
        x = self.c(x)
        return F.linear(x.mean((2, 3)), nn.Parameter(torch.randn(2, 8)) if self.w is None else self.w)


class LayerInForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 8, 3)

    def forward(self, x):
        x = self.c(x).flatten(1)
        return nn.Linear(x.shape[1], 10)(x)


class LayerInForward2(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Conv2d(3, 8, 3)
        self.fc = None

    def forward(self, x):
        x = self.c(x).flatten(1)
        if self.fc is None:
            self.fc = nn.Linear(x.shape[1], 10)
        return self.fc(x)


class Interp(nn.Module):
    def __init__(self, **k):
        super().__init__()
        self.c, self.d = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 2, 3, padding=1)
        self.k = k

    def forward(self, x):
        return self.d(F.interpolate(self.c(x), **self.k))


class Viewed(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.f, self.up, self.channels = nn.Linear(20, 64 * 49), nn.ConvTranspose2d(64, 3, 4, 2, 1), channels

    def forward(self, z):
        return torch.tanh(self.up(self.f(z).view(-1, self.channels, 7, 7)))


class Block(nn.Module):
    def __init__(self, stride):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.short, self.f = nn.Sequential(nn.Conv2d(3, 8, 1, stride), nn.BatchNorm2d(8)), nn.Linear(8, 2)

    def forward(self, x):
        y = self.b(F.relu(self.a(x)))
        y += self.short(x)
        return self.f(F.relu(y).mean((2, 3)))


class Moved(nn.Module):
    def forward(self, x):
        return x.movedim(3, 1)


class Padded(nn.Module):
    """Padding by a function, in any mode."""

    def __init__(self, mode):
        super().__init__()
        self.c, self.d, self.f = (
            nn.Conv2d(3, 8, 3, padding=1, padding_mode=mode),
            nn.Conv2d(8, 4, 3, 2),
            nn.Linear(4, 2),
        )

    def forward(self, x):
        return self.f(F.relu(self.d(F.relu(self.c(F.pad(x, (2, 2, 2, 2), mode="circular"))))).mean((2, 3)))


def padding_layers():
    return nn.Sequential(
        nn.ReflectionPad2d(3), nn.Conv2d(3, 8, 7), nn.ReLU(), nn.ReplicationPad2d(1), nn.Conv2d(8, 8, 3), nn.ReLU(),
        nn.ZeroPad2d((1, 2, 1, 2)), nn.Conv2d(8, 4, 4),
    )  # fmt: skip


P = partial
CLEAN = {  # name: (module, its input)
    "u-net": (UNet, (3, 32, 32)),
    "u-net that pads to the skip": (UNet, (3, 21, 26)),
    "u-net without padding, that crops": (P(UNet, pad=0, fit="crop"), (3, 44, 44)),
    "u-net that resizes to the skip": (P(UNet, fit="interp"), (3, 20, 20)),
    "u-net by interpolation": (P(UNet, bilinear=True), (3, 16, 16)),
    "feature pyramid": (FPN, (3, 32, 32)),
    "vision transformer": (MHABlock, (3, 32, 32)),
    "vision transformer without weights": (P(MHABlock, need=False), (3, 32, 32)),
    "attention by hand": (HandAttention, (10, 12)),
    "siamese": (P(Siamese, 576), ((1, 32, 32), (1, 32, 32))),
    "text lines": (CRNN, (1, 16, 40)),
    "video": (P(CNNLSTM, 784), (5, 3, 16, 16)),
    "words": (TextGRU, (20,)),
    "variational autoencoder": (VAE, (1, 28, 28)),
    "autoencoder": (ConvAE, (1, 28, 28)),
    "generator": (dcgan_g, (100, 1, 1)),
    "discriminator": (DCGAND, (3, 16, 16)),
    "super-resolution": (ESPCN, (1, 16, 16)),
    "squeeze and excitation": (SENet, (3, 15, 15)),
    "causal": (TCN, (4, 50)),
    "volumes": (P(C3D, 16 * 2 * 3 * 3), (3, 4, 12, 12)),
    "depthwise": (DSConv, (3, 32, 32)),
    "dense": (Dense, (3, 16, 16)),
    "shared weights": (Shared, (3, 12, 12)),
    "mobile": (EffNet, (3, 32, 32)),
    "circular": (P(Padded, "circular"), (3, 13, 13)),
    "reflected": (P(Padded, "reflect"), (3, 13, 13)),
    "layers that pad": (padding_layers, (3, 13, 13)),
    "half as large": (P(Interp, scale_factor=0.5), (3, 12, 12)),
    "one and a half": (P(Interp, scale_factor=1.5, mode="bilinear"), (3, 12, 12)),
}
SLIPPED = {  # name: (module, its input, the fixes, the module as they say)
    "u-net, grey images": (UNet, (1, 32, 32), ["Conv2d(1, 8, ...)"], P(UNet, ch=1)),
    "u-net, channels of the skip forgotten": (P(UNet, wide=16), (3, 32, 32), ["Conv2d(32, 16, ...)"], UNet),
    "u-net, odd": (
        P(UNet, fit=None), (3, 21, 26),
        ["F.pad(x, [0, 1, 0, 0]) on the second tensor (16x10x12); or an input of 3x20x24 or 3x24x28, which fits",
         "F.pad(x, [0, 0, 0, 1]) on the second tensor (8x20x26); or an input of 3x20x24 or 3x24x28, which fits"],
        UNet,
    ),
    "u-net without padding or crops": (
        P(UNet, pad=0, fit=None), (3, 44, 44),
        ["F.pad(x, [-4, -4, -4, -4]) on the first tensor (16x16x16)",
         "F.pad(x, [-16, -16, -16, -16]) on the first tensor (8x40x40)"],
        P(UNet, pad=0, fit="crop"),
    ),
    "feature pyramid, a lateral of other channels": (P(FPN, True), (3, 32, 32), ["Conv2d(32, 12, ...)"], FPN),
    "vision transformer, the sequence first": (P(MHABlock, bf=False), (3, 32, 32), ["batch_first=True"], MHABlock),
    "vision transformer, other patches": (
        MHABlock, (3, 40, 40), ["1x25x32 in place of 1x16x32; or an input of 3x32x32, which fits"], P(MHABlock, n=25),
    ),
    "attention, heads that do not divide": (
        P(HandAttention, 30, 4), (10, 12), ["3 heads, or features that 4 divides"], P(HandAttention, 30, 3),
    ),
    "attention, other words": (HandAttention, (10, 13), ["Linear(13, 32)"], P(HandAttention, words=13)),
    "siamese, features": (
        Siamese, ((1, 32, 32), (1, 32, 32)), ["Linear(576, 32)"], P(Siamese, 576),
    ),
    "text lines, features": (P(CRNN, feats=64), (1, 16, 40), ["LSTM(32, 16)"], CRNN),
    "video, features": (CNNLSTM, (5, 3, 16, 16), ["LSTM(784, 20)"], P(CNNLSTM, 784)),
    "text lines, the sequence first": (
        P(CRNN, feats=64, first=True), (1, 16, 40), ["LSTM(32, 16)"], P(CRNN, first=True),
    ),
    "text lines, one direction": (P(CRNN, wide=16, first=True), (1, 16, 40), ["Linear(32, 11)"], P(CRNN, first=True)),
    "text lines, all that the layer gives": (P(CRNN, all_of_it=True), (1, 16, 40), ["x, _ = ... before it"], CRNN),
    "words, features and both directions": (
        TextLSTM, (20,), ["LSTM(16, 24)", "Linear(48, 2)"], P(TextLSTM, 16, 48),
    ),
    "variational autoencoder, the code": (P(VAE, slip=True), (1, 28, 28), ["Linear(8, 64)"], VAE),
    "variational autoencoder, other images": (
        VAE, (1, 32, 32), ["x.view(x.size(0), -1)", "Linear(1024, 64)"], P(VAE, pixels=1024),
    ),
    "autoencoder, small images": (
        ConvAE, (1, 24, 24), ["padding=1; or an input of 1x25x25, which fits"], P(ConvAE, 1),
    ),
    "generator, a flat code": (
        dcgan_g, (100,), ["x.view(-1, 100, 1, 1) before it"],
        lambda: nn.Sequential(nn.Unflatten(1, (100, 1, 1)), dcgan_g()),
    ),
    "generator, a map forgotten": (
        lambda: nn.Sequential(nn.Linear(20, 6272), nn.ReLU(), nn.ConvTranspose2d(128, 1, 4, 2, 1)), (20,),
        ["x.view(-1, 128, 7, 7) before it"],
        lambda: nn.Sequential(
            nn.Linear(20, 6272), nn.ReLU(), nn.Unflatten(1, (128, 7, 7)), nn.ConvTranspose2d(128, 1, 4, 2, 1)
        ),
    ),
    "generator, half of the channels": (
        P(Viewed, 32), (20,), ["x.view(-1, 64, 7, 7)"], P(Viewed, 64),
    ),
    "a shortcut without its stride": (P(Block, 1), (3, 16, 16), ["stride=2 in short.0"], P(Block, 2)),
    "the channels last": (Small, (9, 9, 3), ["--input 3x9x9"], lambda: nn.Sequential(Moved(), Small())),
    "super-resolution, channels": (P(ESPCN, out=8), (1, 16, 16), ["9 channels before it, in place of 8"], ESPCN),
    "squeeze and excitation, axes": (P(SENet, view=False), (3, 15, 15), ["x[:, :, None, None] for the 16"], SENet),
    "causal, nothing cut off": (
        P(TCN, False), (4, 50),
        ["F.pad(x, [0, -4]) on the second tensor (8x56)", "F.pad(x, [0, -8]) on the second tensor (8x60)"],
        P(TCN, False, True),
    ),
    "volumes, features": (C3D, (3, 4, 12, 12), ["Linear(288, 10)"], P(C3D, 288)),
    "dense, a plain list": (P(Dense, list), (3, 16, 16), ["self.ls = nn.ModuleList([...])"], Dense),
    "dense, the head": (P(Dense, tr=16), (3, 16, 16), ["Linear(20, 2)"], Dense),
    "moved to a device": (FixedDevice, (3, 9, 9), [".to(next(self.parameters()).device)"], Small),
    "moved by cuda()": (CudaCall, (3, 9, 9), [".to(next(self.parameters()).device)"], Small),
    "noise on a device": (NoiseDevice, (3, 9, 9), ["device=x.device"], Small),
    "states on a device": (StateCuda, (7, 9), [".to(x.device)"], P(StateCuda, False)),
    "states of a batch": (FixedBatchHidden, (7, 9), ["x.size(0) in place of 32"], P(FixedBatchHidden, None)),
    "tokens of a batch": (
        FixedBatchExpand, (3, 16, 16), ["t[:1].expand(x.size(0), -1, -1) for it"], P(FixedBatchExpand, 16, True),
    ),
    "a token without a batch": (
        P(FixedBatchExpand, 1), (3, 16, 16), ["t.expand(x.size(0), -1, -1) for it"], P(FixedBatchExpand, 1, True),
    ),
    "weights made in forward": (
        ParamInForward, (3, 9, 9), ["make nn.Parameter of 2x8 in __init__"], P(ParamInForward, False),
    ),
    "a layer made in forward": (
        LayerInForward, (3, 9, 9), ["make nn.Linear(in_features=392, out_features=10, bias=True) in __init__"],
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(392, 10)),
    ),
    "a layer made in the first forward": (
        LayerInForward2, (3, 9, 9), ["make nn.Linear(in_features=392, out_features=10, bias=True) in __init__"],
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(392, 10)),
    ),
}  # fmt: skip
