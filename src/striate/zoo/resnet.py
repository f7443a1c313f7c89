"""The residual networks: He, Zhang, Ren, Sun 2015, "Deep residual learning for image recognition"; ResNeXt."""

from __future__ import annotations

from collections.abc import Callable

from striate.spec import AdaptiveAvgPool, BatchNorm, Conv, Flatten, Linear, MaxPool, PadChannels, ReLU, Seq, Spec, Sum

IDENTITY, NORM, RELU = Seq(), BatchNorm(), ReLU()
Block = Callable[[int, int, bool], Spec]

# Table 1: how many blocks in each of the stages conv2_x to conv5_x
TABLE_1 = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def _basic(width: int, stride: int, project: bool) -> Seq:
    """Two 3x3 convolutions around a skip: figure 5, left."""
    return Seq(
        sum=Sum(
            body=Seq(
                conv1=Conv(width, 3, stride=stride, padding=1, bias=False), bn1=NORM, relu1=RELU,
                conv2=Conv(width, 3, padding=1, bias=False), bn2=NORM,
            ),
            skip=_projection(width, stride) if project else IDENTITY,
        ),
        relu=RELU,
    )  # fmt: skip


def _bottleneck(width: int, stride: int, project: bool, groups: int = 1, inner: int | None = None) -> Seq:
    """1x1, 3x3, 1x1 around a skip: figure 5, right. The stride is in the 3x3, as torchvision has it; the paper has it
    in the first 1x1. With *groups*, ResNeXt's block of *inner* channels.
    """
    inner = inner or width
    return Seq(
        sum=Sum(
            body=Seq(
                conv1=Conv(inner, 1, bias=False), bn1=NORM, relu1=RELU,
                conv2=Conv(inner, 3, stride=stride, padding=1, groups=groups, bias=False), bn2=NORM, relu2=RELU,
                conv3=Conv(4 * width, 1, bias=False), bn3=NORM,
            ),
            skip=_projection(4 * width, stride) if project else IDENTITY,
        ),
        relu=RELU,
    )  # fmt: skip


def _projection(width: int, stride: int) -> Seq:
    """The 1x1 convolution of a skip that changes size or channels: the paper's option B."""
    return Seq(conv=Conv(width, 1, stride=stride, bias=False), bn=NORM)


def _imagenet(depth: int, block: Block, classes: int, stem: dict[str, Spec] | None = None) -> Seq:
    stages: dict[str, Spec] = {}
    for stage, (blocks, width) in enumerate(zip(TABLE_1[depth], (64, 128, 256, 512), strict=True), start=2):
        first = stage == 2
        widens = block is not _basic  # a bottleneck gives 4 x width, so even stage 2 needs a projection
        stages[f"conv{stage}"] = Seq(
            *(block(width, 1 if i or first else 2, i == 0 and (widens or not first)) for i in range(blocks))
        )
    stem = stem or {
        "conv1": Conv(64, 7, stride=2, padding=3, bias=False), "bn1": NORM, "relu1": RELU,
        "pool1": MaxPool(3, stride=2, padding=1),
    }  # fmt: skip
    return Seq(
        **stem,
        **stages,
        avg=AdaptiveAvgPool(1), flat=Flatten(), fc=Linear(classes),
    )  # fmt: skip


def resnet(depth: int, classes: int = 1000) -> Seq:
    """ResNet of *depth* 18, 34, 50, 101 or 152 for ImageNet: table 1, with torchvision's place of the stride."""
    return _imagenet(depth, _basic if depth < 50 else _bottleneck, classes)


def resnet18_cifar(classes: int = 10) -> Seq:
    """ResNet-18 for images of 32x32, as most reports on CIFAR mean it: its first convolution is 3x3 without a stride,
    and there is no pooling behind it (K. Liu's PyTorch version).
    """
    return _imagenet(18, _basic, classes, {"conv1": Conv(64, 3, padding=1, bias=False), "bn1": NORM, "relu1": RELU})


def resnext50(classes: int = 1000) -> Seq:
    """ResNeXt-50 32x4d: Xie et al. 2016, "Aggregated residual transformations for deep neural networks", table 1."""
    return _imagenet(50, lambda w, stride, project: _bottleneck(w, stride, project, groups=32, inner=2 * w), classes)


def cifar_resnet(depth: int, classes: int = 10) -> Seq:
    """ResNet of *depth* 6n + 2 (20, 32, 44, 56, 110) for CIFAR: section 4.2. Its skips have no weights: where a stage
    narrows, the map is subsampled and the new channels are zeros (option A).
    """
    n = (depth - 2) // 6
    stages: dict[str, Spec] = {}
    for stage, width in enumerate((16, 32, 64), start=1):
        stages[f"stage{stage}"] = Seq(*(_cifar_block(width, stage > 1 and i == 0) for i in range(n)))
    return Seq(
        conv1=Conv(16, 3, padding=1, bias=False), bn1=NORM, relu1=RELU,
        **stages,
        avg=AdaptiveAvgPool(1), flat=Flatten(), fc=Linear(classes),
    )  # fmt: skip


def _cifar_block(width: int, narrows: bool) -> Spec:
    if not narrows:
        return _basic(width, 1, False)
    skip = Seq(subsample=MaxPool(1, stride=2), pad=PadChannels(width))
    body = _basic(width, 2, False)
    (_, inner), (_, relu) = body.children
    assert isinstance(inner, Sum)
    return Seq(sum=Sum(body=dict(inner.children)["body"], skip=skip), relu=relu)
