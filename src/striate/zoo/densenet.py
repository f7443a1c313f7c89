"""The densely connected networks: Huang, Liu, van der Maaten, Weinberger 2016, "Densely connected convolutional
networks"; the BC variant, with bottlenecks and compression by half.
"""

from __future__ import annotations

from striate.spec import AdaptiveAvgPool, AvgPool, BatchNorm, Cat, Conv, Flatten, Linear, MaxPool, ReLU, Seq, Spec

NORM, RELU = BatchNorm(), ReLU()

# Table 1: the layers of the four blocks, the growth rate k, and the channels of the first convolution (2k)
TABLE_1 = {
    121: ((6, 12, 24, 16), 32, 64),
    161: ((6, 12, 36, 24), 48, 96),
    169: ((6, 12, 32, 32), 32, 64),
    201: ((6, 12, 48, 32), 32, 64),
}


def _dense_layer(growth: int) -> Cat:
    """BN, ReLU, 1x1 to 4k; BN, ReLU, 3x3 to k; the result joins all that came before (equation 2)."""
    return Cat(
        skip=Seq(),
        new=Seq(
            bn1=NORM, relu1=RELU, conv1=Conv(4 * growth, 1, bias=False),
            bn2=NORM, relu2=RELU, conv2=Conv(growth, 3, padding=1, bias=False),
        ),
    )  # fmt: skip


def _blocks(depths: tuple[int, ...], growth: int, channels: int) -> dict[str, Spec]:
    """The dense blocks, with a transition that halves channels and sizes behind all but the last."""
    parts: dict[str, Spec] = {}
    for i, depth in enumerate(depths, start=1):
        parts[f"dense{i}"] = Seq(**{f"layer{j}": _dense_layer(growth) for j in range(1, depth + 1)})
        channels += depth * growth
        if i < len(depths):
            channels //= 2
            parts[f"transition{i}"] = Seq(bn=NORM, relu=RELU, conv=Conv(channels, 1, bias=False), pool=AvgPool(2))
    return parts


def densenet(depth: int, classes: int = 1000) -> Seq:
    """DenseNet-BC of *depth* 121, 161, 169 or 201 for ImageNet: table 1."""
    depths, growth, stem = TABLE_1[depth]
    return Seq(
        conv1=Conv(stem, 7, stride=2, padding=3, bias=False), bn1=NORM, relu1=RELU,
        pool1=MaxPool(3, stride=2, padding=1),
        **_blocks(depths, growth, stem),
        bn=NORM, relu=RELU, avg=AdaptiveAvgPool(1), flat=Flatten(), fc=Linear(classes),
    )  # fmt: skip


def densenet_bc100(classes: int = 10) -> Seq:
    """DenseNet-BC with L=100 and k=12 for CIFAR: section 3 and table 2 (0.8 million parameters)."""
    growth, per_block = 12, (100 - 4) // 6
    return Seq(
        conv1=Conv(2 * growth, 3, padding=1, bias=False),
        **_blocks((per_block,) * 3, growth, 2 * growth),
        bn=NORM, relu=RELU, avg=AdaptiveAvgPool(1), flat=Flatten(), fc=Linear(classes),
    )  # fmt: skip
