"""Small networks for phones, and those searched from them: MobileNetV2, MobileNetV3, EfficientNet."""

from __future__ import annotations

from striate.spec import (
    AdaptiveAvgPool,
    BatchNorm,
    Conv,
    Dropout,
    Flatten,
    HardSigmoid,
    HardSwish,
    Linear,
    Op,
    Product,
    ReLU,
    ReLU6,
    Seq,
    Sigmoid,
    SiLU,
    Spec,
    StochasticDepth,
    Sum,
)


def _divisible(value: float, by: int = 8) -> int:
    """*value* rounded to a multiple of *by*, never by more than a tenth down: the authors' rule for channels."""
    rounded = max(by, int(value + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * value else rounded


def _conv(out: int, kernel: int, act: Op | None, norm: BatchNorm, stride: int = 1, groups: int = 1) -> Seq:
    conv = Conv(out, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False)
    return Seq(conv=conv, bn=norm, act=act) if act else Seq(conv=conv, bn=norm)


def _squeeze(channels: int, inner: int, act: Op, gate: Op) -> Product:
    """Squeeze and excitation: Hu et al. 2017, "Squeeze-and-excitation networks", figure 2. The map is multiplied,
    channel by channel, by what a small network makes of its means.
    """
    return Product(
        map=Seq(),
        gate=Seq(pool=AdaptiveAvgPool(1), fc1=Conv(inner, 1), act=act, fc2=Conv(channels, 1), gate=gate),
    )


def _inverted(
    given: int,
    inner: int,
    out: int,
    kernel: int,
    stride: int,
    act: Op,
    norm: BatchNorm,
    se: Product | None = None,
    depth: float = 0.0,
) -> Spec:
    """An inverted residual: 1x1 to *inner* channels, one filter per channel, 1x1 to *out* without an activation."""
    parts: dict[str, Spec] = {}
    if inner != given:
        parts["expand"] = _conv(inner, 1, act, norm)
    parts["depthwise"] = _conv(inner, kernel, act, norm, stride, groups=inner)
    if se:
        parts["se"] = se
    parts["project"] = _conv(out, 1, None, norm)
    if stride > 1 or given != out:
        return Seq(**parts)
    if depth:
        parts["depth"] = StochasticDepth(depth)
    return Sum(body=Seq(**parts), skip=Seq())


# Table 2 of the MobileNetV2 paper: expansion t, channels c, repeats n, stride s
V2_TABLE_2 = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip


def mobilenet_v2(classes: int = 1000) -> Seq:
    """MobileNetV2: Sandler et al. 2018, "MobileNetV2: inverted residuals and linear bottlenecks", table 2."""
    act, norm = ReLU6(), BatchNorm()
    blocks: dict[str, Spec] = {}
    given = 32
    for t, c, n, s in V2_TABLE_2:
        for i in range(n):
            blocks[f"block{len(blocks) + 1}"] = _inverted(given, t * given, c, 3, s if i == 0 else 1, act, norm)
            given = c
    return Seq(
        stem=_conv(32, 3, act, norm, stride=2),
        **blocks,
        last=_conv(1280, 1, act, norm),
        avg=AdaptiveAvgPool(1), flat=Flatten(), drop=Dropout(0.2), fc=Linear(classes),
    )  # fmt: skip


# Table 1 of the MobileNetV3 paper: kernel, expansion size, out, SE, hard swish, stride
V3_TABLE_1 = (
    (3, 16, 16, False, False, 1), (3, 64, 24, False, False, 2), (3, 72, 24, False, False, 1),
    (5, 72, 40, True, False, 2), (5, 120, 40, True, False, 1), (5, 120, 40, True, False, 1),
    (3, 240, 80, False, True, 2), (3, 200, 80, False, True, 1), (3, 184, 80, False, True, 1),
    (3, 184, 80, False, True, 1), (3, 480, 112, True, True, 1), (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2), (5, 960, 160, True, True, 1), (5, 960, 160, True, True, 1),
)  # fmt: skip


def mobilenet_v3_large(classes: int = 1000) -> Seq:
    """MobileNetV3-Large: Howard et al. 2019, "Searching for MobileNetV3", table 1, as torchvision has it."""
    norm = BatchNorm(eps=1e-3, momentum=0.01)
    blocks: dict[str, Spec] = {}
    given = 16
    for kernel, inner, out, se, hard, stride in V3_TABLE_1:
        act = HardSwish() if hard else ReLU()
        gate = _squeeze(inner, _divisible(inner / 4), ReLU(), HardSigmoid()) if se else None
        blocks[f"block{len(blocks) + 1}"] = _inverted(given, inner, out, kernel, stride, act, norm, gate)
        given = out
    return Seq(
        stem=_conv(16, 3, HardSwish(), norm, stride=2),
        **blocks,
        last=_conv(960, 1, HardSwish(), norm), avg=AdaptiveAvgPool(1), flat=Flatten(),
        fc1=Linear(1280), act=HardSwish(), drop=Dropout(0.2), fc2=Linear(classes),
    )  # fmt: skip


# Table 1 of the EfficientNet paper: expansion, kernel, stride, channels, layers
B0_TABLE_1 = (
    (1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)  # fmt: skip


def efficientnet_b0(classes: int = 1000) -> Seq:
    """EfficientNet-B0: Tan and Le 2019, "EfficientNet: rethinking model scaling", table 1; stochastic depth rising
    to 0.2 as in the authors' code.
    """
    act, norm = SiLU(), BatchNorm()
    total = sum(row[4] for row in B0_TABLE_1)
    blocks: dict[str, Spec] = {}
    given = 32
    for t, kernel, stride, c, n in B0_TABLE_1:
        for i in range(n):
            inner = t * given
            gate = _squeeze(inner, max(1, given // 4), SiLU(), Sigmoid())
            depth = 0.2 * len(blocks) / total
            step = stride if i == 0 else 1
            block = _inverted(given, inner, c, kernel, step, act, norm, gate, depth)
            blocks[f"block{len(blocks) + 1}"] = block
            given = c
    return Seq(
        stem=_conv(32, 3, act, norm, stride=2),
        **blocks,
        last=_conv(1280, 1, act, norm),
        avg=AdaptiveAvgPool(1), flat=Flatten(), drop=Dropout(0.2), fc=Linear(classes),
    )  # fmt: skip
