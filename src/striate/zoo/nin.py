"""Networks without fully connected layers: Network in Network, and the all-convolutional net."""

from __future__ import annotations

from striate.spec import AdaptiveAvgPool, AvgPool, Conv, Dropout, Flatten, MaxPool, ReLU, Seq


def _mlpconv(kernel: int, *widths: int) -> dict[str, Conv | ReLU]:
    """A convolution and two of 1x1: a small network slid over the image (figure 1b)."""
    first, *rest = widths
    layers: dict[str, Conv | ReLU] = {"conv": Conv(first, kernel, padding=kernel // 2), "relu": ReLU()}
    for i, width in enumerate(rest, start=1):
        layers |= {f"cccp{i}": Conv(width, 1), f"relu{i}": ReLU()}
    return layers


def nin(classes: int = 10) -> Seq:
    """Network in Network: Lin, Chen, Yan 2013. What 1x1 convolutions are for: a small fully connected network at
    every place of the map. Global average pooling takes the place of fully connected layers. The sizes are those of
    the authors' published configuration for CIFAR-10 (the paper names the layers, not their widths).
    """
    return Seq(
        block1=Seq(**_mlpconv(5, 192, 160, 96)), pool1=MaxPool(3, stride=2, ceil=True), drop1=Dropout(),
        block2=Seq(**_mlpconv(5, 192, 192, 192)), pool2=AvgPool(3, stride=2, ceil=True), drop2=Dropout(),
        block3=Seq(**_mlpconv(3, 192, 192, classes)), avg=AdaptiveAvgPool(1), flat=Flatten(),
    )  # fmt: skip


def allconv(classes: int = 10) -> Seq:
    """All-CNN-C: Springenberg, Dosovitskiy, Brox, Riedmiller 2014, "Striving for simplicity", tables 1 and 2. Pooling
    is a convolution of stride 2, and what would be a fully connected layer is a convolution of 1x1: so the
    network takes an image of any size. The last 3x3 convolution is without padding, so that of 32x32 pixels 6x6
    positions are averaged, as table 1 says.
    """
    layers: dict[str, Conv | ReLU | Dropout] = {"drop0": Dropout(0.2)}
    rows = [(96, 3, 1), (96, 3, 1), (96, 3, 2), (192, 3, 1), (192, 3, 1), (192, 3, 2), (192, 3, 1), (192, 1, 1)]
    for i, (out, kernel, stride) in enumerate(rows, start=1):
        layers |= {f"conv{i}": Conv(out, kernel, stride=stride, padding=kernel // 2 * (i < 7)), f"relu{i}": ReLU()}
        if stride == 2:
            layers[f"drop{i}"] = Dropout()
    return Seq(**layers, conv9=Conv(classes, 1), relu9=ReLU(), avg=AdaptiveAvgPool(1), flat=Flatten())
