"""AlexNet and ZF Net, the networks of 2012 and 2013 that made the field."""

from __future__ import annotations

from striate.spec import LRN, AdaptiveAvgPool, Conv, Dropout, Flatten, Linear, MaxPool, ReLU, Seq

PAPER_LRN = LRN(5, alpha=5e-4, beta=0.75, k=2.0)  # torch divides alpha by the size, the paper's 1e-4 is not divided


def _classifier(classes: int) -> dict[str, Linear | ReLU | Dropout | Flatten]:
    """Two hidden layers of 4,096 with dropout: Krizhevsky 2012, section 3.5 and 4.2."""
    return {
        "flat": Flatten(),
        "fc6": Linear(4096), "relu6": ReLU(), "drop6": Dropout(),
        "fc7": Linear(4096), "relu7": ReLU(), "drop7": Dropout(),
        "fc8": Linear(classes),
    }  # fmt: skip


def alexnet(classes: int = 1000) -> Seq:
    """AlexNet: Krizhevsky, Sutskever, Hinton 2012, "ImageNet classification with deep convolutional neural
    networks", figure 2. The two GPUs are groups of 2. The input is 227x227: the 224 of the text does not fit the
    55x55 of the figure. 60,965,224 parameters.
    """
    return Seq(
        conv1=Conv(96, 11, stride=4), relu1=ReLU(), norm1=PAPER_LRN, pool1=MaxPool(3, stride=2),
        conv2=Conv(256, 5, padding=2, groups=2), relu2=ReLU(), norm2=PAPER_LRN, pool2=MaxPool(3, stride=2),
        conv3=Conv(384, 3, padding=1), relu3=ReLU(),
        conv4=Conv(384, 3, padding=1, groups=2), relu4=ReLU(),
        conv5=Conv(256, 3, padding=1, groups=2), relu5=ReLU(), pool5=MaxPool(3, stride=2),
        **_classifier(classes),
    )  # fmt: skip


def alexnet_owt(classes: int = 1000) -> Seq:
    """The one-tower AlexNet: Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks", as
    torchvision has it under the name ``alexnet``. 61,100,840 parameters.
    """
    return Seq(
        conv1=Conv(64, 11, stride=4, padding=2), relu1=ReLU(), pool1=MaxPool(3, stride=2),
        conv2=Conv(192, 5, padding=2), relu2=ReLU(), pool2=MaxPool(3, stride=2),
        conv3=Conv(384, 3, padding=1), relu3=ReLU(),
        conv4=Conv(256, 3, padding=1), relu4=ReLU(),
        conv5=Conv(256, 3, padding=1), relu5=ReLU(), pool5=MaxPool(3, stride=2),
        avg=AdaptiveAvgPool(6), flat=Flatten(),
        drop6=Dropout(), fc6=Linear(4096), relu6=ReLU(),
        drop7=Dropout(), fc7=Linear(4096), relu7=ReLU(),
        fc8=Linear(classes),
    )  # fmt: skip


def zfnet(classes: int = 1000) -> Seq:
    """ZF Net: Zeiler and Fergus 2013, "Visualizing and understanding convolutional networks", figure 3. Its maps of
    110, 55, 26, 13, 13, 13 and 6 fix the padding and the rounding that the text leaves out.
    """
    return Seq(
        conv1=Conv(96, 7, stride=2, padding=1), relu1=ReLU(), pool1=MaxPool(3, stride=2, ceil=True), norm1=PAPER_LRN,
        conv2=Conv(256, 5, stride=2), relu2=ReLU(), pool2=MaxPool(3, stride=2, ceil=True), norm2=PAPER_LRN,
        conv3=Conv(384, 3, padding=1), relu3=ReLU(),
        conv4=Conv(384, 3, padding=1), relu4=ReLU(),
        conv5=Conv(256, 3, padding=1), relu5=ReLU(), pool5=MaxPool(3, stride=2),
        **_classifier(classes),
    )  # fmt: skip
