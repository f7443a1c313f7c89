"""GoogLeNet: Szegedy et al. 2014, "Going deeper with convolutions"; and what torchvision calls so."""

from __future__ import annotations

from striate.spec import (
    LRN,
    AdaptiveAvgPool,
    AvgPool,
    BatchNorm,
    Cat,
    Conv,
    Dropout,
    Flatten,
    Linear,
    MaxPool,
    ReLU,
    Seq,
    Side,
    Spec,
)

# Table 1: #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj
TABLE_1 = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
ROWS = ("3a", "3b", "pool3", "4a", "4b", "4c", "4d", "4e", "pool4", "5a", "5b")


def _conv(out: int, kernel: int, stride: int = 1, norm: bool = False) -> Seq:
    """A convolution that keeps the size (but for its stride), and ReLU; with *norm* as torchvision has it."""
    padding = kernel // 2
    if norm:
        conv = Conv(out, kernel, stride=stride, padding=padding, bias=False)
        return Seq(conv=conv, bn=BatchNorm(eps=1e-3), relu=ReLU())
    return Seq(conv=Conv(out, kernel, stride=stride, padding=padding), relu=ReLU())


def _inception(n1: int, r3: int, n3: int, r5: int, n5: int, proj: int, *, norm: bool = False) -> Cat:
    """The inception module: figure 2b. With *norm*, torchvision's, whose 5x5 is a 3x3."""
    return Cat(
        branch1=_conv(n1, 1, norm=norm),
        branch3=Seq(reduce=_conv(r3, 1, norm=norm), conv=_conv(n3, 3, norm=norm)),
        branch5=Seq(reduce=_conv(r5, 1, norm=norm), conv=_conv(n5, 3 if norm else 5, norm=norm)),
        pool=Seq(pool=MaxPool(3, stride=1, padding=1, ceil=norm), proj=_conv(proj, 1, norm=norm)),
    )


def _rows(norm: bool, pool4: MaxPool, sides: dict[str, dict[str, Spec]]) -> dict[str, Spec]:
    """Table 1 from inception 3a on, with the side heads where they branch off."""
    rows: dict[str, Spec] = {}
    for row in ROWS:
        if row.startswith("pool"):
            rows[row] = pool4 if row == "pool4" else MaxPool(3, stride=2, ceil=True)
            continue
        rows[f"inception{row}"] = _inception(*TABLE_1[row], norm=norm)
        if row in sides:
            rows[f"side{row}"] = Side(**sides[row])
    return rows


def _head(classes: int, pool: Spec, norm: bool = False) -> dict[str, Spec]:
    """A side head: section 5. A pooling, 128 1x1 convolutions, 1,024 units, dropout of 70%."""
    return {
        "pool": pool, "conv": _conv(128, 1, norm=norm), "flat": Flatten(), "fc1": Linear(1024), "relu": ReLU(),
        "drop": Dropout(0.7), "fc2": Linear(classes),
    }  # fmt: skip


def googlenet(classes: int = 1000) -> Seq:
    """The paper's network: table 1, with its two side heads on inception 4a and 4d as taps, which are asked for by
    name (``side4a.fc2``, ``side4d.fc2``). No batch normalisation; 5x5 convolutions; local response normalisation.
    """
    head = _head(classes, AvgPool(5, stride=3))
    return Seq(
        conv1=_conv(64, 7, stride=2), pool1=MaxPool(3, stride=2, ceil=True), norm1=LRN(),
        conv2_reduce=_conv(64, 1), conv2=_conv(192, 3), norm2=LRN(), pool2=MaxPool(3, stride=2, ceil=True),
        **_rows(False, MaxPool(3, stride=2, ceil=True), {"4a": head, "4d": head}),
        avg=AdaptiveAvgPool(1), flat=Flatten(), drop=Dropout(0.4), fc=Linear(classes),
    )  # fmt: skip


def googlenet_torchvision(classes: int = 1000, sides: bool = False) -> Seq:
    """What torchvision calls googlenet: batch normalisation, 3x3 in place of 5x5, pool4 of 2x2. 6,624,904
    parameters, 13,004,888 with the side heads (*sides*).
    """
    head = _head(classes, AdaptiveAvgPool(4), norm=True)
    return Seq(
        conv1=_conv(64, 7, stride=2, norm=True), pool1=MaxPool(3, stride=2, ceil=True),
        conv2=_conv(64, 1, norm=True), conv3=_conv(192, 3, norm=True), pool2=MaxPool(3, stride=2, ceil=True),
        **_rows(True, MaxPool(2, ceil=True), {"4a": head, "4d": head} if sides else {}),
        avg=AdaptiveAvgPool(1), flat=Flatten(), drop=Dropout(0.2), fc=Linear(classes),
    )  # fmt: skip
