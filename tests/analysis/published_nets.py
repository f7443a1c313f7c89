"""Networks of papers that the zoo does not hold yet, for the tests that know their figures."""

from __future__ import annotations

from striate.spec import AdaptiveAvgPool, BatchNorm, Conv, Flatten, Linear, MaxPool, ReLU, Seq, Spec, Sum


def resnet(blocks: tuple[int, ...], *, bottleneck: bool = True, strides_last: bool = False, head: bool = False) -> Seq:
    """He et al. 2015, table 1. The stride of a stage is in its first block (torchvision's choice) or its last
    (TF-Slim's, and none in the last stage; its SAME pooling pads an even input behind only)."""
    wide = 4 if bottleneck else 1
    parts: list[Spec] = [Conv(64, 7, stride=2, padding=3, bias=False), BatchNorm(), ReLU()]
    parts += [MaxPool(3, 2, padding=0 if strides_last else 1, ceil=strides_last)]
    channels = 64
    for stage, count in enumerate(blocks):
        width = 64 * 2**stage
        for i in range(count):
            strided = (i == count - 1 and stage < 3) if strides_last else (i == 0 and stage > 0)
            parts += [_block(channels, width, width * wide, 2 if strided else 1), ReLU()]
            channels = width * wide
    return Seq(*parts, *([AdaptiveAvgPool(1), Flatten(), Linear(1000)] if head else []))


def _block(channels: int, width: int, out: int, stride: int) -> Sum:
    def conv(n: int, k: int, s: int = 1) -> tuple[Spec, ...]:
        return Conv(n, k, stride=s, padding=k // 2, bias=False), BatchNorm()

    if width == out:
        body = Seq(*conv(width, 3, stride), ReLU(), *conv(out, 3))
    else:
        body = Seq(*conv(width, 1), ReLU(), *conv(width, 3, stride), ReLU(), *conv(out, 1))
    return Sum(body, Seq() if stride == 1 and channels == out else Seq(*conv(out, 1, stride)))
