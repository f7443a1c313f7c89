"""torchvision's networks once more, as nested modules with torchvision's names: the second witness of the key tables.

Written from what its state dicts are known to hold, not from its code and not from our zoo; forward passes are plain.
``NETS`` holds the published sizes.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


def seq(*parts: nn.Module) -> nn.Sequential:
    return nn.Sequential(*parts)


class Plain(nn.Module):
    """features, avgpool to *size*, flatten, classifier."""

    def __init__(self, features, size, classifier):
        super().__init__()
        self.features, self.avgpool, self.classifier = features, nn.AdaptiveAvgPool2d(size), classifier

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


def alexnet(classes=1000):
    r, pool = nn.ReLU, lambda: nn.MaxPool2d(3, 2)
    features = seq(
        nn.Conv2d(3, 64, 11, 4, 2), r(), pool(), nn.Conv2d(64, 192, 5, padding=2), r(), pool(),
        nn.Conv2d(192, 384, 3, padding=1), r(), nn.Conv2d(384, 256, 3, padding=1), r(),
        nn.Conv2d(256, 256, 3, padding=1), r(), pool(),
    )  # fmt: skip
    d = nn.Dropout
    fc = seq(d(), nn.Linear(9216, 4096), r(), d(), nn.Linear(4096, 4096), r(), nn.Linear(4096, classes))
    return Plain(features, 6, fc)


VGG = {  # channels; 0 is a pooling
    11: [64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0],
    13: [64, 64, 0, 128, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0],
    16: [64, 64, 0, 128, 128, 0, *[256] * 3, 0, *[512] * 3, 0, *[512] * 3, 0],
    19: [64, 64, 0, 128, 128, 0, *[256] * 4, 0, *[512] * 4, 0, *[512] * 4, 0],
}


def vgg(depth, norm=False, classes=1000):
    layers, given = [], 3
    for width in VGG[depth]:
        if not width:
            layers.append(nn.MaxPool2d(2))
            continue
        layers.append(nn.Conv2d(given, width, 3, padding=1))
        layers += [nn.BatchNorm2d(width)] * norm + [nn.ReLU()]
        given = width
    fc = [nn.Linear(25088, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout()]
    return Plain(seq(*layers), 7, seq(*fc, nn.Linear(4096, classes)))


# ---------------------------------------------------------------------------------------------------------- resnet
class Residual(nn.Module):
    """conv1, bn1, conv2, bn2, perhaps conv3, bn3, perhaps downsample."""

    def __init__(self, convs, given, out, stride):
        super().__init__()
        self.count = len(convs)
        for i, conv in enumerate(convs, start=1):
            self.add_module(f"conv{i}", conv)
            self.add_module(f"bn{i}", nn.BatchNorm2d(conv.out_channels))
        if stride > 1 or given != out:
            self.downsample = seq(nn.Conv2d(given, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = x
        for i in range(1, self.count + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            y = y if i == self.count else F.relu(y)
        return F.relu(y + (self.downsample(x) if hasattr(self, "downsample") else x))


class ResNet(nn.Module):
    def __init__(self, counts, wide, groups=1, base=64, classes=1000):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        given = 64
        for stage, count in enumerate(counts):
            blocks, width = [], 64 * 2**stage
            for i in range(count):
                stride = 2 if stage and not i else 1
                inner, out = (width * base // 64 * groups, 4 * width) if wide else (width, width)
                middle = nn.Conv2d(inner if wide else given, inner, 3, stride, 1, groups=groups, bias=False)
                if wide:
                    ends = nn.Conv2d(given, inner, 1, bias=False), nn.Conv2d(inner, out, 1, bias=False)
                    convs = [ends[0], middle, ends[1]]
                else:
                    convs = [middle, nn.Conv2d(inner, out, 3, 1, 1, bias=False)]
                blocks.append(Residual(convs, given, out, stride))
                given = out
            self.add_module(f"layer{stage + 1}", seq(*blocks))
        self.fc = nn.Linear(given, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


# -------------------------------------------------------------------------------------------------------- densenet
class DenseLayer(nn.Module):
    def __init__(self, given, growth):
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(given), nn.Conv2d(given, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x):
        return torch.cat([x, self.conv2(F.relu(self.norm2(self.conv1(F.relu(self.norm1(x))))))], 1)


def densenet(depths, growth, width, classes=1000):
    features = nn.Sequential()
    features.conv0, features.norm0 = nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width)
    features.relu0, features.pool0 = nn.ReLU(), nn.MaxPool2d(3, 2, 1)
    for i, depth in enumerate(depths, start=1):
        block = nn.Sequential()
        for j in range(depth):
            block.add_module(f"denselayer{j + 1}", DenseLayer(width + j * growth, growth))
        features.add_module(f"denseblock{i}", block)
        width += depth * growth
        if i < 4:
            step = nn.Sequential()
            step.norm, step.relu = nn.BatchNorm2d(width), nn.ReLU()
            step.conv, step.pool = nn.Conv2d(width, width // 2, 1, bias=False), nn.AvgPool2d(2)
            features.add_module(f"transition{i}", step)
            width //= 2
    features.norm5, features.relu5 = nn.BatchNorm2d(width), nn.ReLU()
    return Plain(features, 1, nn.Linear(width, classes))


# ------------------------------------------------------------------------------------------------------- googlenet
class Basic(nn.Module):
    def __init__(self, given, out, kernel, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(given, out, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(out, eps=0.001)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


class Inception(nn.Module):
    def __init__(self, given, a, b, bb, c, cc, d):
        super().__init__()
        self.branch1 = Basic(given, a, 1)
        self.branch2 = seq(Basic(given, b, 1), Basic(b, bb, 3))
        self.branch3 = seq(Basic(given, c, 1), Basic(c, cc, 3))
        self.branch4 = seq(nn.MaxPool2d(3, 1, 1, ceil_mode=True), Basic(given, d, 1))

    def forward(self, x):
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class Aux(nn.Module):
    def __init__(self, given, classes):
        super().__init__()
        self.conv, self.fc1, self.fc2 = Basic(given, 128, 1), nn.Linear(2048, 1024), nn.Linear(1024, classes)


class GoogLeNet(nn.Module):
    def __init__(self, aux=True, classes=1000):
        super().__init__()
        self.conv1, self.conv2, self.conv3 = Basic(3, 64, 7, 2), Basic(64, 64, 1), Basic(64, 192, 3)
        self.inception3a = Inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = Inception(256, 128, 128, 192, 32, 96, 64)
        self.inception4a = Inception(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = Inception(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = Inception(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = Inception(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = Inception(528, 256, 160, 320, 32, 128, 128)
        self.inception5a = Inception(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = Inception(832, 384, 192, 384, 48, 128, 128)
        if aux:
            self.aux1, self.aux2 = Aux(512, classes), Aux(528, classes)
        self.fc = nn.Linear(1024, classes)

    def forward(self, x):
        def pool(x, k):
            return F.max_pool2d(x, k, 2, ceil_mode=True)

        x = pool(self.conv3(self.conv2(pool(self.conv1(x), 3))), 3)
        x = pool(self.inception3b(self.inception3a(x)), 3)
        for letter in "abcde":
            x = getattr(self, f"inception4{letter}")(x)
        x = self.inception5b(self.inception5a(pool(x, 2)))
        return self.fc(x.mean((2, 3)))


# ---------------------------------------------------------------------------------------------------------- mobile
def conv_norm(given, out, kernel=1, stride=1, groups=1, act=None, **norm):
    conv = nn.Conv2d(given, out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return seq(conv, nn.BatchNorm2d(out, **norm), *([act()] if act else []))


class Around(nn.Module):
    """A body under the name *name*, around which a skip leads where sizes allow."""

    def __init__(self, name, body, skip):
        super().__init__()
        self.add_module(name, body)
        self.name, self.skip = name, skip

    def forward(self, x):
        y = getattr(self, self.name)(x)
        return x + y if self.skip else y


class Squeeze(nn.Module):
    def __init__(self, width, inner, act, gate):
        super().__init__()
        self.fc1, self.fc2, self.act, self.gate = nn.Conv2d(width, inner, 1), nn.Conv2d(inner, width, 1), act, gate

    def forward(self, x):
        return x * self.gate(self.fc2(self.act(self.fc1(x.mean((2, 3), keepdim=True)))))


def mobilenet_v2(classes=1000):
    blocks, given = [conv_norm(3, 32, 3, 2, act=nn.ReLU6)], 32
    rows = [(1, 16, 1), *[(6, 24, 2), (6, 24, 1)], (6, 32, 2), *[(6, 32, 1)] * 2, (6, 64, 2), *[(6, 64, 1)] * 3]
    rows += [(6, 96, 1)] * 3 + [(6, 160, 2)] + [(6, 160, 1)] * 2 + [(6, 320, 1)]
    for times, out, stride in rows:
        inner = times * given
        first = [conv_norm(given, inner, act=nn.ReLU6)] if times > 1 else []
        deep = conv_norm(inner, inner, 3, stride, inner, act=nn.ReLU6)
        body = seq(*first, deep, nn.Conv2d(inner, out, 1, bias=False), nn.BatchNorm2d(out))
        blocks.append(Around("conv", body, stride == 1 and given == out))
        given = out
    blocks.append(conv_norm(320, 1280, act=nn.ReLU6))
    return Plain(seq(*blocks), 1, seq(nn.Dropout(0.2), nn.Linear(1280, classes)))


V3 = """3 16 16 - R 1; 3 64 24 - R 2; 3 72 24 - R 1; 5 72 40 24 R 2; 5 120 40 32 R 1; 5 120 40 32 R 1; 3 240 80 - H 2;
3 200 80 - H 1; 3 184 80 - H 1; 3 184 80 - H 1; 3 480 112 120 H 1; 3 672 112 168 H 1; 5 672 160 168 H 2;
5 960 160 240 H 1; 5 960 160 240 H 1"""


def mobilenet_v3_large(classes=1000):
    norm = {"eps": 0.001, "momentum": 0.01}
    blocks, given = [conv_norm(3, 16, 3, 2, act=nn.Hardswish, **norm)], 16
    for row in V3.split(";"):
        kernel, inner, out, gate, act, stride = row.split()
        inner, out, stride, kernel = int(inner), int(out), int(stride), int(kernel)
        kind = nn.ReLU if act == "R" else nn.Hardswish
        body = [conv_norm(given, inner, act=kind, **norm)] if inner != given else []
        body.append(conv_norm(inner, inner, kernel, stride, inner, kind, **norm))
        body += [Squeeze(inner, int(gate), nn.ReLU(), nn.Hardsigmoid())] if gate != "-" else []
        body.append(conv_norm(inner, out, **norm))
        blocks.append(Around("block", seq(*body), stride == 1 and given == out))
        given = out
    blocks.append(conv_norm(160, 960, act=nn.Hardswish, **norm))
    head = seq(nn.Linear(960, 1280), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(1280, classes))
    return Plain(seq(*blocks), 1, head)


def efficientnet_b0(classes=1000):
    stages, given = [conv_norm(3, 32, 3, 2, act=nn.SiLU)], 32
    rows = [(1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3)]
    for times, kernel, stride, out, count in [*rows, (6, 5, 1, 112, 3), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1)]:
        stage = []
        for i in range(count):
            inner, step = times * given, 1 if i else stride
            body = [conv_norm(given, inner, act=nn.SiLU)] if times > 1 else []
            body += [conv_norm(inner, inner, kernel, step, inner, nn.SiLU)]
            body += [Squeeze(inner, given // 4, nn.SiLU(), nn.Sigmoid()), conv_norm(inner, out)]
            stage.append(Around("block", seq(*body), step == 1 and given == out))
            given = out
        stages.append(seq(*stage))
    stages.append(conv_norm(320, 1280, act=nn.SiLU))
    return Plain(seq(*stages), 1, seq(nn.Dropout(0.2), nn.Linear(1280, classes)))


# -------------------------------------------------------------------------------------------------------- convnext
class Norm2d(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Permute(nn.Module):
    def __init__(self, *order):
        super().__init__()
        self.order = order

    def forward(self, x):
        return x.permute(self.order)


class ConvNeXtBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layer_scale = nn.Parameter(torch.full((width, 1, 1), 1e-6))
        self.block = seq(
            nn.Conv2d(width, width, 7, padding=3, groups=width), Permute(0, 2, 3, 1), nn.LayerNorm(width, eps=1e-6),
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), Permute(0, 3, 1, 2),
        )  # fmt: skip

    def forward(self, x):
        return x + self.layer_scale * self.block(x)


def convnext_tiny(classes=1000):
    widths = (96, 192, 384, 768)
    features = [seq(nn.Conv2d(3, 96, 4, 4), Norm2d(96, eps=1e-6))]
    for i, count in enumerate((3, 3, 9, 3)):
        if i:
            features.append(seq(Norm2d(widths[i - 1], eps=1e-6), nn.Conv2d(widths[i - 1], widths[i], 2, 2)))
        features.append(seq(*(ConvNeXtBlock(widths[i]) for _ in range(count))))

    class ConvNeXt(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = seq(*features)
            self.classifier = seq(Norm2d(768, eps=1e-6), nn.Flatten(), nn.Linear(768, classes))

        def forward(self, x):
            return self.classifier(self.features(x).mean((2, 3), keepdim=True))

    return ConvNeXt()


# Our name: how to make it, its published parameters (torchvision's documentation, num_params of the weights; GoogLeNet
# with both side heads), and the tensors of its state dict: 2 a convolution with bias, 1 without, 5 a batch norm, ...
NETS = {
    "alexnet_owt": (alexnet, 61_100_840, 16),
    "vgg11": (lambda: vgg(11), 132_863_336, 22),
    "vgg13": (lambda: vgg(13), 133_047_848, 26),
    "vgg16": (lambda: vgg(16), 138_357_544, 32),
    "vgg19": (lambda: vgg(19), 143_667_240, 38),
    "vgg11_bn": (lambda: vgg(11, True), 132_868_840, 62),
    "vgg13_bn": (lambda: vgg(13, True), 133_053_736, 76),
    "vgg16_bn": (lambda: vgg(16, True), 138_365_992, 97),
    "vgg19_bn": (lambda: vgg(19, True), 143_678_248, 118),
    "googlenet_torchvision": (GoogLeNet, 13_004_888, 344 + 20),
    "resnet18": (lambda: ResNet((2, 2, 2, 2), False), 11_689_512, 122),
    "resnet34": (lambda: ResNet((3, 4, 6, 3), False), 21_797_672, 218),
    "resnet50": (lambda: ResNet((3, 4, 6, 3), True), 25_557_032, 320),
    "resnet101": (lambda: ResNet((3, 4, 23, 3), True), 44_549_160, 626),
    "resnet152": (lambda: ResNet((3, 8, 36, 3), True), 60_192_808, 932),
    "resnext50": (lambda: ResNet((3, 4, 6, 3), True, 32, 4), 25_028_904, 320),
    "densenet121": (lambda: densenet((6, 12, 24, 16), 32, 64), 7_978_856, 727),
    "densenet161": (lambda: densenet((6, 12, 36, 24), 48, 96), 28_681_000, 967),
    "densenet169": (lambda: densenet((6, 12, 32, 32), 32, 64), 14_149_480, 1_015),
    "densenet201": (lambda: densenet((6, 12, 48, 32), 32, 64), 20_013_928, 1_207),
    "mobilenet_v2": (mobilenet_v2, 3_504_872, 314),
    "mobilenet_v3_large": (mobilenet_v3_large, 5_483_032, 312),
    "efficientnet_b0": (efficientnet_b0, 5_288_548, 360),
    "convnext_tiny": (convnext_tiny, 28_589_128, 182),
}


def made(name, seed=0, device="cpu"):
    """The net called *name* in our words, in evaluation mode, its weights and statistics drawn from *seed*."""
    with torch.device("meta"):
        net = NETS[name][0]()
    net.eval()
    if device == "meta":
        return net
    net.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, value in net.state_dict().items():
            if key.endswith("num_batches_tracked"):
                value.fill_(7)
            elif key.endswith(("running_var", "layer_scale")) or (value.ndim == 1 and key.endswith("weight")):
                value.uniform_(0.5, 1.5, generator=generator)
            else:
                spread = (2 / value[0].numel()) ** 0.5 if value.ndim > 1 else 0.1
                value.normal_(0, spread, generator=generator)
    return net
