"""Convolution over volumes: Maturana and Scherer 2015, "VoxNet"."""

from __future__ import annotations

from striate.spec import Conv, Dropout, Flatten, LeakyReLU, Linear, MaxPool, ReLU, Seq


def voxnet(classes: int = 40) -> Seq:
    """VoxNet: section III-C, for 32x32x32 voxels: C(32, 5, 2), C(32, 3, 1), P(2), FC(128), FC(K)."""
    return Seq(
        conv1=Conv(32, 5, stride=2),
        relu1=LeakyReLU(0.1),
        drop1=Dropout(0.2),
        conv2=Conv(32, 3),
        relu2=LeakyReLU(0.1),
        pool2=MaxPool(2),
        drop2=Dropout(0.3),
        flat=Flatten(),
        fc1=Linear(128),
        relu3=ReLU(),
        drop3=Dropout(0.4),
        fc2=Linear(classes),
    )
