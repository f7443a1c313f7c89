"""Nets for small grey images of which there are many (MNIST and its kin), made for speed on an ordinary processor."""

from __future__ import annotations

from striate.spec import BatchNorm, Conv, Flatten, Linear, MaxPool, ReLU, Seq


def grey_small(classes: int = 10, width: int = 16) -> Seq:
    """LeNet-5's plan with what came after it: rectifiers, batch normalisation (Ioffe and Szegedy 2015), and a first
    convolution that makes the maps half as large at once (Springenberg et al. 2014, "Striving for simplicity"), so
    that no later layer works on many pixels. 33,770 parameters at 1x28x28.
    """
    return Seq(
        conv1=Conv(width, 4, stride=2, padding=1, bias=False), bn1=BatchNorm(), relu1=ReLU(),
        conv2=Conv(2 * width, 3, bias=False), pool2=MaxPool(2), bn2=BatchNorm(), relu2=ReLU(),
        conv3=Conv(4 * width, 3, bias=False), bn3=BatchNorm(), relu3=ReLU(), flat=Flatten(),
        out=Linear(classes),
    )  # fmt: skip


def grey_medium(classes: int = 10) -> Seq:
    """``grey_small`` with maps half as many again in each layer, for more than one epoch: 67,930 parameters."""
    return grey_small(classes, width=24)


def grey_large(classes: int = 10) -> Seq:
    """A layer more, wider, and each on maps of the same size, for ten epochs and more: 217,482 parameters."""
    return Seq(
        conv1=Conv(32, 4, stride=2, padding=1, bias=False), bn1=BatchNorm(), relu1=ReLU(),
        conv2=Conv(64, 3, padding=1, bias=False), bn2=BatchNorm(), relu2=ReLU(), pool2=MaxPool(2),
        conv3=Conv(96, 3, padding=1, bias=False), bn3=BatchNorm(), relu3=ReLU(),
        conv4=Conv(128, 3, bias=False), bn4=BatchNorm(), relu4=ReLU(), flat=Flatten(),
        out=Linear(classes),
    )  # fmt: skip
