"""Nets made to be trained fast: Page 2018, "How to train your ResNet" (myrtle.ai, for DAWNBench), hlb-CIFAR10 (Balsam
2023), and airbench (Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU", arXiv 2404.00498).
"""

from __future__ import annotations

from striate.spec import GELU, AdaptiveMaxPool, BatchNorm, Conv, Flatten, Linear, MaxPool, Seq, Spec


def airbench94(classes: int = 10, widths: tuple[int, int, int] = (64, 256, 256)) -> Seq:
    """The network of section 3.1 and the listing of Jordan 2024: 24 filters of 2x2 pixels, which ``init="whiten"``
    computes from the training images and leaves as they are; three groups of two convolutions, of *widths* channels,
    the first of each pooled before it is normalised; the largest value of each map.

    Two things are not his: the scales of the normalisations are trained, and the scores are not divided by 9.
    """
    groups: dict[str, Spec] = {}
    for group, width in enumerate(widths, start=1):
        groups[f"conv{group}_1"] = Conv(width, 3, padding=1, bias=False)
        groups[f"pool{group}"] = MaxPool(2)
        groups[f"bn{group}_1"] = BatchNorm(momentum=0.4)
        groups[f"gelu{group}_1"] = GELU()
        groups[f"conv{group}_2"] = Conv(width, 3, padding=1, bias=False)
        groups[f"bn{group}_2"] = BatchNorm(momentum=0.4)
        groups[f"gelu{group}_2"] = GELU()
    return Seq(
        whiten=Conv(24, 2), gelu0=GELU(), **groups, pool=AdaptiveMaxPool(1), flat=Flatten(),
        head=Linear(classes, bias=False),
    )  # fmt: skip


def rgb_small(classes: int = 10) -> Seq:
    """``airbench94`` with fewer maps, for small colour photos on an ordinary processor: a quarter of its work, 498,104
    parameters for ten classes.
    """
    return airbench94(classes, widths=(32, 128, 128))
