"""Networks that answer for every pixel: U-Net and the fully convolutional networks."""

from __future__ import annotations

from striate.spec import BatchNorm, Cat, Conv, ConvTranspose, Crop, Dropout, MaxPool, ReLU, Seq, Spec, Sum
from striate.zoo.vgg import features

WIDTHS = (64, 128, 256, 512, 1024)  # figure 1 of the U-Net's paper


def _double(width: int, padding: int, norm: bool = False) -> Seq:
    layers: dict[str, Spec] = {}
    for i in (1, 2):
        layers[f"conv{i}"] = Conv(width, 3, padding=padding, bias=not norm)
        if norm:
            layers[f"bn{i}"] = BatchNorm()
        layers[f"relu{i}"] = ReLU()
    return Seq(**layers)


def _u(level: int, padding: int, crops: tuple[int, ...], widths: tuple[int, ...] = WIDTHS, norm: bool = False) -> Seq:
    """The U from *level* down and up again."""
    width = widths[level]
    if level == len(widths) - 1:
        return _double(width, padding, norm)
    skip = Crop(crops[level]) if crops else Seq()
    inner = _u(level + 1, padding, crops, widths, norm)
    below = Seq(pool=MaxPool(2), inner=inner, up=ConvTranspose(width, 2, stride=2))
    return Seq(down=_double(width, padding, norm), join=Cat(skip=skip, below=below), out=_double(width, padding, norm))


def unet(classes: int = 2) -> Seq:
    """U-Net as it is used today: the network of Ronneberger et al. 2015 with padded convolutions, so that the answer
    has the image's size. Sizes that 16 does not divide do not fit: the joins would differ by a row.
    """
    return Seq(u=_u(0, 1, ()), head=Conv(classes, 1))


def unet_small(classes: int = 2) -> Seq:
    """A U-Net for an ordinary processor, after Ronneberger et al. 2015: padded, four levels of 16 to 128 channels, and
    batch normalisation (Ioffe and Szegedy 2015) behind every 3x3 convolution, without which it hardly learns in the
    few hundred steps of a small training run. Sizes that 8 does not divide do not fit.
    """
    return Seq(u=_u(0, 1, (), (16, 32, 64, 128), norm=True), head=Conv(classes, 1))


def unet_medium(classes: int = 2) -> Seq:
    """A U-Net for photos on an ordinary processor, after Ronneberger et al. 2015: as ``unet_small``, of 32 to 256
    channels on half the size, between a convolution with stride 2 and a transposed one, so that it sees twice as far
    at less cost. Sizes that 16 does not divide do not fit.
    """
    return Seq(
        stem=Conv(32, 3, stride=2, padding=1, bias=False), bn=BatchNorm(), relu=ReLU(),
        u=_u(0, 1, (), (32, 64, 128, 256), norm=True),
        head=ConvTranspose(classes, 2, stride=2),
    )  # fmt: skip


def unet_2015(classes: int = 2) -> Seq:
    """U-Net: Ronneberger, Fischer, Brox 2015, "U-Net: convolutional networks for biomedical image segmentation",
    figure 1. Nothing is padded: 572x572 pixels in, 388x388 out, and the skips are cropped.
    """
    return Seq(u=_u(0, 0, (88, 40, 16, 4)), head=Conv(classes, 1))


def _head(classes: int) -> dict[str, Spec]:
    """VGG's fully connected layers as convolutions: section 3.1."""
    return {
        "fc6": Conv(4096, 7, padding=3), "relu6": ReLU(), "drop6": Dropout(),
        "fc7": Conv(4096, 1), "relu7": ReLU(), "drop7": Dropout(),
        "score": Conv(classes, 1),
    }  # fmt: skip


def fcn32(classes: int = 21) -> Seq:
    """FCN-32s: Long, Shelhamer, Darrell 2014, "Fully convolutional networks for semantic segmentation", on VGG-16.
    One enlargement by 32. fc6 is padded to keep the size, where the paper pads the image by 100 and crops.
    """
    return Seq(**features(16), **_head(classes), up=ConvTranspose(classes, 64, stride=32, padding=16, bias=False))


def fcn8(classes: int = 21) -> Seq:
    """FCN-8s: the same paper, figure 3: the scores of pool4 and pool3 join on the way up. 32 must divide the sides."""
    parts = list(features(16).items())
    at = {name: i + 1 for i, (name, _) in enumerate(parts)}
    to_pool3 = dict(parts[: at["pool3"]])
    to_pool4 = dict(parts[at["pool3"] : at["pool4"]])
    to_pool5 = dict(parts[at["pool4"] :])
    up2 = ConvTranspose(classes, 4, stride=2, padding=1, bias=False)
    fine = Sum(
        pool4=Conv(classes, 1),
        deep=Seq(**to_pool5, **_head(classes), up=up2),
    )
    finer = Sum(pool3=Conv(classes, 1), deep=Seq(**to_pool4, join=fine, up=up2))
    return Seq(**to_pool3, join=finer, up=ConvTranspose(classes, 16, stride=8, padding=4, bias=False))
