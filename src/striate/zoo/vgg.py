"""The VGG nets: Simonyan and Zisserman 2014, "Very deep convolutional networks for large-scale image recognition"."""

from __future__ import annotations

from striate.spec import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    BatchNorm,
    Conv,
    Dropout,
    Flatten,
    Linear,
    MaxPool,
    ReLU,
    Seq,
    Spec,
)

# Table 1: the columns A, B, D, E; a number is a 3x3 convolution of so many channels, M a 2x2 max pooling.
TABLE_1 = {
    11: "64 M 128 M 256 256 M 512 512 M 512 512 M",
    13: "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M",
    16: "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
    19: "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
}


def features(depth: int, norm: bool = False) -> dict[str, Spec]:
    """The convolutions and poolings of a column, named as in the paper's successors: conv3_2 is stage 3's second."""
    layers: dict[str, Spec] = {}
    stage, index = 1, 1
    for word in TABLE_1[depth].split():
        if word == "M":
            layers[f"pool{stage}"] = MaxPool(2)
            stage, index = stage + 1, 1
            continue
        layers[f"conv{stage}_{index}"] = Conv(int(word), 3, padding=1)
        if norm:
            layers[f"bn{stage}_{index}"] = BatchNorm()
        layers[f"relu{stage}_{index}"] = ReLU()
        index += 1
    return layers


def vgg(depth: int, classes: int = 1000, norm: bool = False) -> Seq:
    """VGG of *depth* 11, 13, 16 or 19; *norm* puts batch normalisation behind every convolution, as torchvision's
    ``_bn`` variants do. The adaptive pooling is torchvision's and changes nothing at 224x224.
    """
    return Seq(
        **features(depth, norm), avg=AdaptiveAvgPool(7), flat=Flatten(),
        fc6=Linear(4096), relu6=ReLU(), drop6=Dropout(),
        fc7=Linear(4096), relu7=ReLU(), drop7=Dropout(),
        fc8=Linear(classes),
    )  # fmt: skip


def vgg_regressor(outputs: int = 1) -> Seq:
    """VGG-11's convolutions with batch normalisation, global average pooling and *outputs* numbers out."""
    return Seq(**features(11, norm=True), avg=AdaptiveAvgPool(1), flat=Flatten(), out=Linear(outputs))


def _small(last: Spec) -> dict[str, Spec]:
    """Four stages of one 3x3 convolution, each twice as wide and half as large as the one before it, with batch
    normalisation (Ioffe and Szegedy 2015); *last* brings the maps of any size to one.
    """
    layers: dict[str, Spec] = {}
    for stage, width in enumerate((16, 32, 64, 128), start=1):
        layers[f"conv{stage}"] = Conv(width, 3, padding=1, bias=False)
        layers[f"bn{stage}"] = BatchNorm()
        layers[f"relu{stage}"] = ReLU()
        layers[f"pool{stage}"] = MaxPool(2) if stage < 4 else last
    return layers | {"flat": Flatten()}


def vgg_small(classes: int = 10) -> Seq:
    """A small net after Simonyan and Zisserman 2014, for an ordinary processor and images of any size from 8: four
    normalised stages, then the largest value of each map, so that a thing is found wherever it is.
    """
    return Seq(**_small(AdaptiveMaxPool(1)), out=Linear(classes))


def vgg_small_regressor(outputs: int = 1) -> Seq:
    """The same for numbers, which may be positions: the means of 4x4 parts of the last maps, then two linear layers."""
    return Seq(**_small(AdaptiveAvgPool(4)), fc5=Linear(128), relu5=ReLU(), out=Linear(outputs))
