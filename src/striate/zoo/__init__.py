"""The named networks: papers as data, a file per family. A new family is a file and its rows in ``ZOO``.

>>> from striate import check
>>> check(ZOO["resnet50"].make(), ZOO["resnet50"].input).parameters
25557032
>>> check(ZOO["lenet5"].make(classes=26), "1x32x32").layers[-1].output
(26,)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from striate.spec import Seq, Shape
from striate.zoo.alexnet import alexnet, alexnet_owt, zfnet
from striate.zoo.beyond_images import text_small, textcnn, voxnet
from striate.zoo.convnext import convnext_tiny
from striate.zoo.densenet import densenet, densenet_bc100
from striate.zoo.digits import grey_large, grey_medium, grey_small
from striate.zoo.googlenet import googlenet, googlenet_torchvision
from striate.zoo.lenet import boat4, harley, lenet5, lenet5_1998
from striate.zoo.mobile import efficientnet_b0, mobilenet_v2, mobilenet_v3_large
from striate.zoo.nin import allconv, nin
from striate.zoo.resnet import cifar_resnet, resnet, resnet18_cifar, resnext50
from striate.zoo.segmentation import fcn8, fcn32, unet, unet_2015, unet_medium, unet_small
from striate.zoo.speed import airbench94, rgb_small
from striate.zoo.vgg import vgg, vgg_regressor, vgg_small, vgg_small_regressor

IMAGENET: Shape = (3, 224, 224)
CIFAR: Shape = (3, 32, 32)


@dataclass(frozen=True)
class Entry:
    """A named network: how to make it (``make(classes=...)``), where it comes from, and the input it was made for."""

    make: Callable[..., Seq]
    paper: str
    year: int
    input: Shape
    task: str = "classification"  # or regression, segmentation
    any_size: bool = False  # takes images of their own size, up to its input; else they are resized to it


ZOO: dict[str, Entry] = {
    "lenet5": Entry(lenet5, "LeCun et al., as taught today", 1998, (1, 32, 32)),
    "lenet5_1998": Entry(lenet5_1998, "LeCun et al.", 1998, (1, 32, 32)),
    "harley": Entry(harley, "Harley", 2015, (1, 32, 32)),
    "grey_small": Entry(grey_small, "after LeCun et al., Ioffe and Szegedy", 2015, (1, 28, 28)),
    "grey_medium": Entry(grey_medium, "after LeCun et al., Ioffe and Szegedy", 2015, (1, 28, 28)),
    "grey_large": Entry(grey_large, "after LeCun et al., Ioffe and Szegedy", 2015, (1, 28, 28)),
    "boat4": Entry(boat4, "Karn", 2016, CIFAR),
    "alexnet": Entry(alexnet, "Krizhevsky et al.", 2012, (3, 227, 227)),
    "alexnet_owt": Entry(alexnet_owt, "Krizhevsky, one tower", 2014, IMAGENET),
    "zfnet": Entry(zfnet, "Zeiler and Fergus", 2013, IMAGENET),
    "nin": Entry(nin, "Lin et al.", 2013, CIFAR),
    "allconv": Entry(allconv, "Springenberg et al.", 2014, CIFAR),
    "googlenet": Entry(googlenet, "Szegedy et al.", 2014, IMAGENET),
    "googlenet_torchvision": Entry(googlenet_torchvision, "Szegedy et al., torchvision's", 2014, IMAGENET),
    **{
        f"vgg{depth}{'_bn' if norm else ''}": Entry(
            partial(vgg, depth, norm=norm), "Simonyan and Zisserman", 2014, IMAGENET
        )
        for depth in (11, 13, 16, 19)
        for norm in (False, True)
    },
    "vgg_small": Entry(vgg_small, "after Simonyan and Zisserman", 2014, (3, 64, 64), any_size=True),
    "vgg_small_regressor": Entry(
        vgg_small_regressor, "after Simonyan and Zisserman", 2014, (3, 64, 64), "regression", any_size=True
    ),
    "vgg_regressor": Entry(vgg_regressor, "after Simonyan and Zisserman", 2014, IMAGENET, "regression"),
    **{f"resnet{d}": Entry(partial(resnet, d), "He et al.", 2015, IMAGENET) for d in (18, 34, 50, 101, 152)},
    **{
        f"resnet{d}": Entry(partial(cifar_resnet, d), "He et al., for CIFAR", 2015, CIFAR)
        for d in (20, 32, 44, 56, 110)
    },
    "resnet18_cifar": Entry(resnet18_cifar, "He et al., for 32x32", 2015, CIFAR),
    "resnext50": Entry(resnext50, "Xie et al., 32x4d", 2016, IMAGENET),
    **{f"densenet{d}": Entry(partial(densenet, d), "Huang et al.", 2016, IMAGENET) for d in (121, 161, 169, 201)},
    "densenet_bc100": Entry(densenet_bc100, "Huang et al., k=12, for CIFAR", 2016, CIFAR),
    "mobilenet_v2": Entry(mobilenet_v2, "Sandler et al.", 2018, IMAGENET),
    "mobilenet_v3_large": Entry(mobilenet_v3_large, "Howard et al.", 2019, IMAGENET),
    "efficientnet_b0": Entry(efficientnet_b0, "Tan and Le", 2019, IMAGENET),
    "convnext_tiny": Entry(convnext_tiny, "Liu et al.", 2022, IMAGENET),
    "airbench94": Entry(airbench94, "Jordan", 2024, CIFAR),
    "rgb_small": Entry(rgb_small, "after Jordan", 2024, CIFAR),
    "textcnn": Entry(textcnn, "Kim", 2014, (59,)),
    "text_small": Entry(text_small, "after Iyyer et al.", 2015, (59,)),
    "voxnet": Entry(voxnet, "Maturana and Scherer", 2015, (1, 32, 32, 32)),
    "unet": Entry(unet, "Ronneberger et al., padded", 2015, (1, 512, 512), "segmentation"),
    "unet_small": Entry(unet_small, "after Ronneberger et al.", 2015, (3, 256, 256), "segmentation"),
    "unet_medium": Entry(unet_medium, "after Ronneberger et al.", 2015, (3, 256, 256), "segmentation"),
    "unet_2015": Entry(unet_2015, "Ronneberger et al.", 2015, (1, 572, 572), "segmentation"),
    "fcn32": Entry(fcn32, "Long et al.", 2014, IMAGENET, "segmentation"),
    "fcn8": Entry(fcn8, "Long et al.", 2014, IMAGENET, "segmentation"),
}

__all__ = ["ZOO", "Entry"]
