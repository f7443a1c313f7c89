"""The LeNet family: LeCun, Bottou, Bengio, Haffner 1998, "Gradient-based learning applied to document recognition"."""

from __future__ import annotations

from striate.spec import (
    RBF,
    AvgPool,
    Conv,
    Flatten,
    Linear,
    MaxPool,
    ReLU,
    Scale,
    ScaledTanh,
    Seq,
    Softmax,
    SumPool,
    TableConv,
    Tanh,
)


def lenet5(classes: int = 10) -> Seq:
    """LeNet-5 as it is taught today: figure 2 of the paper, with all of C3 connected, plain average pooling,
    and a linear output layer in place of the radial basis functions. 61,706 parameters at 1x32x32.
    """
    return Seq(
        c1=Conv(6, 5), tanh1=Tanh(), s2=AvgPool(2),
        c3=Conv(16, 5), tanh3=Tanh(), s4=AvgPool(2),
        c5=Conv(120, 5), tanh5=Tanh(), flat=Flatten(),
        f6=Linear(84), tanh6=Tanh(),
        out=Linear(classes),
    )  # fmt: skip


def harley(classes: int = 10) -> Seq:
    """The network of Harley 2015, "An interactive node-link visualization of convolutional neural networks",
    which many tutorials show: 32x32 pixels, 6 and 16 filters of 5x5 with 2x2 max pooling, then 120, 100 and 10 units.
    """
    return Seq(
        conv1=Conv(6, 5), relu1=ReLU(), pool1=MaxPool(2),
        conv2=Conv(16, 5), relu2=ReLU(), pool2=MaxPool(2), flat=Flatten(),
        fc1=Linear(120), relu3=ReLU(),
        fc2=Linear(100), relu4=ReLU(),
        out=Linear(classes),
    )  # fmt: skip


def boat4(classes: int = 4) -> Seq:
    """The four-class network (dog, cat, boat, bird) by which Karn 2016, "An intuitive explanation of convolutional
    neural networks", tells what training does: twice convolution, ReLU and pooling, then fully connected
    layers and a softmax. The tutorial leaves the numbers open; these are LeNet-5's, on a small colour image.
    """
    return Seq(
        conv1=Conv(6, 5), relu1=ReLU(), pool1=MaxPool(2),
        conv2=Conv(16, 5), relu2=ReLU(), pool2=MaxPool(2), flat=Flatten(),
        fc1=Linear(84), relu3=ReLU(),
        fc2=Linear(classes), softmax=Softmax(),
    )  # fmt: skip


# Table I of the paper: the maps of S2 that each map of C3 reads
C3_TABLE = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)  # fmt: skip


def lenet5_1998(classes: int = 10) -> Seq:
    """LeNet-5 as in the paper: figure 2 and section II-B. C3 reads by the connection table; subsampling sums four
    values, times a trained coefficient, plus a trained bias, through the squashing function; the output is minus
    the squared distance to fixed codes. 60,000 trainable parameters.

    The paper's codes are pictures of the characters; ours are the random +1 and -1 that it names as the alternative.
    """
    return Seq(
        c1=Conv(6, 5), squash1=ScaledTanh(),
        s2=Seq(sum=SumPool(2), scale=Scale(0.25, bias=True), squash=ScaledTanh()),
        c3=TableConv(C3_TABLE, 5), squash3=ScaledTanh(),
        s4=Seq(sum=SumPool(2), scale=Scale(0.25, bias=True), squash=ScaledTanh()),
        c5=Conv(120, 5), squash5=ScaledTanh(), flat=Flatten(),
        f6=Linear(84), squash6=ScaledTanh(),
        out=RBF(classes),
    )  # fmt: skip
