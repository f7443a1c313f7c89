"""Every published number of the zoo's networks, each row with its source. Parameters and fields are exact, MACs in
thousands of millions to three decimals.
"""

from __future__ import annotations

import pytest

from striate.analysis import analyse
from striate.spec import Side, lower
from striate.zoo import ZOO, googlenet

TORCHVISION = "torchvision's table of models, at 3x224x224 with 1,000 classes"
RFR = "google-research/receptive_field and Araujo et al. 2019; for torchvision's place of the stride"

# name, parameters, GMACs, source
COSTS = [
    ("alexnet_owt", 61_100_840, 0.714, TORCHVISION),
    ("vgg11", 132_863_336, 7.609, TORCHVISION),
    ("vgg13", 133_047_848, 11.308, TORCHVISION),
    ("vgg16", 138_357_544, 15.470, TORCHVISION),
    ("vgg19", 143_667_240, 19.632, TORCHVISION),
    ("vgg11_bn", 132_868_840, 7.609, TORCHVISION),
    ("vgg13_bn", 133_053_736, 11.308, TORCHVISION),
    ("vgg16_bn", 138_365_992, 15.470, TORCHVISION),
    ("vgg19_bn", 143_678_248, 19.632, TORCHVISION),
    ("googlenet_torchvision", 6_624_904, 1.498, TORCHVISION),
    ("resnet18", 11_689_512, 1.814, TORCHVISION),
    ("resnet18_cifar", 11_173_962, None, "K. Liu's ResNet-18 for CIFAR-10, the common PyTorch version"),
    ("resnet34", 21_797_672, 3.664, TORCHVISION),
    ("resnet50", 25_557_032, 4.089, TORCHVISION),
    ("resnet101", 44_549_160, 7.801, TORCHVISION),
    ("resnet152", 60_192_808, 11.514, TORCHVISION),
    ("resnext50", 25_028_904, 4.230, TORCHVISION),
    ("densenet121", 7_978_856, 2.834, TORCHVISION),
    ("densenet161", 28_681_000, 7.728, TORCHVISION),
    ("densenet169", 14_149_480, 3.360, TORCHVISION),
    ("densenet201", 20_013_928, 4.291, TORCHVISION),
    ("mobilenet_v2", 3_504_872, 0.301, TORCHVISION),
    ("mobilenet_v3_large", 5_483_032, 0.217, TORCHVISION),
    ("efficientnet_b0", 5_288_548, 0.386, TORCHVISION),
    ("convnext_tiny", 28_589_128, 4.456, TORCHVISION),
    ("alexnet", 60_965_224, None, "Krizhevsky et al. 2012, figure 2, at 227x227"),
    ("lenet5", 61_706, 0.000_416_520, "LeNet-5 as it is usually taught, at 1x32x32"),
    ("lenet5_1998", 60_000, None, "LeCun et al. 1998, section II-B: 60,000 trainable parameters"),
    ("nin", 966_986, None, "the authors' published Caffe model for CIFAR-10"),
    ("allconv", 1_369_738, None, "Springenberg et al. 2014, results on CIFAR-10: about 1.4 million"),
    ("densenet_bc100", 769_162, None, "Huang et al. 2016, table 2: 0.8 million"),
    ("airbench94", 1_972_792, None, "Jordan 2024, section 3.1: 1.97 million"),
    ("voxnet", 921_736, None, "Maturana and Scherer 2015, section III-C: about 920,000"),
    ("unet", 31_030_658, None, "Ronneberger et al. 2015: counted from figure 1, for one channel and two classes"),
]

# name, field, stride, source
FIELDS = [
    ("alexnet_owt", 195, 32, RFR),
    ("vgg16", 212, 32, RFR),
    ("resnet18", 435, 32, RFR),
    ("resnet34", 899, 32, RFR),
    ("resnet50", 427, 32, RFR),
    ("resnet101", 971, 32, RFR),
    ("resnet152", 1451, 32, RFR),
    ("lenet5", 32, 4, "LeCun et al. 1998, figure 2: C5 sees all of the 32x32 input"),
]


@pytest.mark.parametrize(("name", "parameters", "gmacs", "source"), COSTS)
def test_parameters_and_macs(name: str, parameters: int, gmacs: float | None, source: str) -> None:
    report = analyse(ZOO[name].make(), ZOO[name].input)
    assert report.parameters == parameters, source
    if gmacs is not None:
        assert round(report.macs / 1e9, 3 if gmacs > 0.01 else 9) == gmacs, source


@pytest.mark.parametrize(("name", "field", "stride", "source"), FIELDS)
def test_receptive_field_of_the_last_map(name: str, field: int, stride: int, source: str) -> None:
    report = analyse(ZOO[name].make(), ZOO[name].input)
    assert report.receptive_field == (field, field), source
    strides = [layer.stride for layer in report.layers if layer.receptive_field == (field, field)]
    assert (stride, stride) in strides, source


def test_the_map_sizes_of_zf_net() -> None:
    """Zeiler and Fergus 2013, figure 3: 110, 55, 26, 13, 13, 13 and 6."""
    report = analyse(ZOO["zfnet"].make(), ZOO["zfnet"].input)
    sizes = {layer.name: layer.output[1] for layer in report.layers if len(layer.output) == 3}
    assert [sizes[n] for n in ("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5")] == [
        110, 55, 26, 13, 13, 13, 13, 6,
    ]  # fmt: skip


def test_the_sizes_of_googlenet() -> None:
    """Szegedy et al. 2014, table 1, column "output size"; section 5: a side head pools to 4x4x512 and 4x4x528."""
    report = analyse(googlenet(), (3, 224, 224))
    shape = {layer.name: layer.output for layer in report.layers}
    assert shape["conv1.relu"] == (64, 112, 112)
    assert shape["conv2.relu"] == (192, 56, 56)
    outputs = {"3a": 256, "3b": 480, "4a": 512, "4b": 512, "4c": 512, "4d": 528, "4e": 832, "5a": 832, "5b": 1024}
    sizes = {"3": 28, "4": 14, "5": 7}
    for row, channels in outputs.items():
        assert shape[f"inception{row}.concat"] == (channels, sizes[row[0]], sizes[row[0]])
    assert shape["side4a.pool"] == (512, 4, 4)
    assert shape["side4d.pool"] == (528, 4, 4)
    assert report.parameters == 13_378_280  # 6,998,552 of the published Caffe model, and two heads
    heads = sum(layer.parameters for layer in report.layers if layer.name.startswith("side"))
    assert report.parameters - heads == 6_998_552


def test_the_side_heads_of_torchvisions_googlenet() -> None:
    spec = ZOO["googlenet_torchvision"].make(sides=True)
    assert analyse(spec, (3, 224, 224)).parameters == 13_004_888, TORCHVISION
    assert lower(spec).taps == ("side4a.fc2", "side4d.fc2")
    assert sum(isinstance(part, Side) for _, part in spec.children) == 2


@pytest.mark.parametrize(
    ("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.73)], ids=lambda v: str(v)
)
def test_the_cifar_resnets(depth: int, millions: float) -> None:
    """He et al. 2015, table 6 (110 layers: 1.7 million there)."""
    assert round(analyse(ZOO[f"resnet{depth}"].make(), (3, 32, 32)).parameters / 1e6, 2) == millions


def test_the_connections_of_lenet5_1998() -> None:
    """LeCun et al. 1998, section II-B: 156, 12, 1,516, 32, 48,120 and 10,164; 151,600 connections in C3."""
    report = analyse(ZOO["lenet5_1998"].make(), (1, 32, 32))
    counts = {layer.name: layer.parameters for layer in report.layers if layer.parameters}
    assert counts == {"c1": 156, "s2.scale": 12, "c3": 1_516, "s4.scale": 32, "c5": 48_120, "f6": 10_164}
    c3 = next(layer for layer in report.layers if layer.name == "c3")
    assert c3.macs + 16 * 10 * 10 == 151_600  # the paper counts a bias as a connection


def test_unet_2015_loses_its_border() -> None:
    """Ronneberger et al. 2015, figure 1: 572x572 in, 388x388 out, 28x28 at the bottom."""
    report = analyse(ZOO["unet_2015"].make(), (1, 572, 572))
    assert report.layers[-1].output == (2, 388, 388)
    assert min(layer.output[1] for layer in report.layers) == 28
