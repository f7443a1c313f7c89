"""ConvNeXt: Liu et al. 2022, "A ConvNet for the 2020s"."""

from __future__ import annotations

from striate.spec import GELU, AdaptiveAvgPool, Conv, Flatten, LayerNorm, Linear, Scale, Seq, Spec, StochasticDepth, Sum

DEPTHS, WIDTHS = (3, 3, 9, 3), (96, 192, 384, 768)  # section 3 and table 9, ConvNeXt-T
NORM = LayerNorm(eps=1e-6)


def _block(width: int, depth: float) -> Sum:
    """7x7 depthwise, layer norm, 1x1 to 4 x width, GELU, 1x1 back, a trained scale: figure 4. The fully connected
    layers on channels are written as the 1x1 convolutions that they are.
    """
    body: dict[str, Spec] = {
        "depthwise": Conv(width, 7, padding=3, groups=width), "norm": NORM,
        "fc1": Conv(4 * width, 1), "act": GELU(),
        "fc2": Conv(width, 1), "scale": Scale(1e-6),
    }  # fmt: skip
    if depth:
        body["depth"] = StochasticDepth(depth)
    return Sum(body=Seq(**body), skip=Seq())


def convnext_tiny(classes: int = 1000) -> Seq:
    """ConvNeXt-T: 28,589,128 parameters; stochastic depth rising to 0.1."""
    stages: dict[str, Spec] = {}
    done, total = 0, sum(DEPTHS)
    for i, (depth, width) in enumerate(zip(DEPTHS, WIDTHS, strict=True), start=1):
        if i > 1:
            stages[f"down{i}"] = Seq(norm=NORM, conv=Conv(width, 2, stride=2))
        blocks = {f"block{j + 1}": _block(width, 0.1 * (done + j) / (total - 1)) for j in range(depth)}
        stages[f"stage{i}"] = Seq(**blocks)
        done += depth
    return Seq(
        stem=Seq(conv=Conv(WIDTHS[0], 4, stride=4), norm=NORM),
        **stages,
        avg=AdaptiveAvgPool(1), norm=NORM, flat=Flatten(), head=Linear(classes),
    )  # fmt: skip
