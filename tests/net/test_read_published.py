"""Networks in the style of torchvision, written here, with their published numbers; and read as they are found."""

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

import striate
from striate import zoo


class BasicBlock(nn.Module):
    def __init__(self, inside: int, out: int, stride: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(inside, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample = None
        if stride > 1 or inside != out:
            self.downsample = nn.Sequential(nn.Conv2d(inside, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class ResNet18(nn.Module):
    def __init__(self, classes: int = 1000):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1, self.relu = nn.BatchNorm2d(64), nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        for i, (a, b) in enumerate([(64, 64), (64, 128), (128, 256), (256, 512)], 1):
            self.add_module(f"layer{i}", nn.Sequential(BasicBlock(a, b, 1 + (i > 1)), BasicBlock(b, b)))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d((1, 1)), nn.Linear(512, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class DenseLayer(nn.Module):
    """Takes a list of maps, or one; drops by a function; as densely connected code has it."""

    def __init__(self, inside: int, growth: int, size: int, drop: float):
        super().__init__()
        self.norm1, self.relu1 = nn.BatchNorm2d(inside), nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(inside, size * growth, 1, bias=False)
        self.norm2, self.relu2 = nn.BatchNorm2d(size * growth), nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(size * growth, growth, 3, padding=1, bias=False)
        self.drop = float(drop)

    def forward(self, maps: list[Tensor] | Tensor) -> Tensor:
        given = [maps] if isinstance(maps, Tensor) else maps
        new = self.conv2(self.relu2(self.norm2(self.conv1(self.relu1(self.norm1(torch.cat(given, 1)))))))
        return F.dropout(new, p=self.drop, training=self.training) if self.drop > 0 else new


class DenseBlock(nn.ModuleDict):
    def __init__(self, layers: int, inside: int, growth: int):
        super().__init__()
        for i in range(layers):
            self.add_module(f"denselayer{i + 1}", DenseLayer(inside + i * growth, growth, 4, 0))

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for _, layer in self.items():
            maps.append(layer(maps))
        return torch.cat(maps, 1)


class DenseNet121(nn.Module):
    def __init__(self, classes: int = 1000):
        super().__init__()
        parts: OrderedDict[str, nn.Module] = OrderedDict(
            conv0=nn.Conv2d(3, 64, 7, 2, 3, bias=False), norm0=nn.BatchNorm2d(64), relu0=nn.ReLU(inplace=True)
        )
        parts["pool0"] = nn.MaxPool2d(3, 2, 1)
        width = 64
        for i, layers in enumerate((6, 12, 24, 16), 1):
            parts[f"denseblock{i}"] = DenseBlock(layers, width, 32)
            width += layers * 32
            if i < 4:
                half = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(inplace=True))
                half.append(nn.Conv2d(width, width // 2, 1, bias=False)).append(nn.AvgPool2d(2, 2))
                parts[f"transition{i}"] = half
                width //= 2
        parts["norm5"] = nn.BatchNorm2d(width)
        self.features, self.classifier = nn.Sequential(parts), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.features(x), inplace=True)
        return self.classifier(torch.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1))


PUBLISHED = {  # torchvision's model pages: parameters, GMACs; receptive field: Araujo et al. 2019, table 1
    "resnet18": (ResNet18, 11_689_512, 1.814, (435, 435)),
    "densenet121": (DenseNet121, 7_978_856, 2.834, (2071, 2071)),
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n == "densenet121" else ()) for n in PUBLISHED]
)
def test_the_published_numbers(name):
    make, parameters, gmacs, field = PUBLISHED[name]
    with torch.device("meta"):
        module = make()
    report = striate.check(module, (3, 224, 224))
    assert (report.parameters, round(report.macs / 1e9, 3)) == (parameters, gmacs)
    assert not report.partial
    assert not report.problems
    assert report.notes == ()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module.eval()(torch.zeros(1, 3, 224, 224, device="meta"))
    assert report.macs == counter.get_total_flops() / 2
    own = striate.check(zoo.ZOO[name].make(), (3, 224, 224))
    assert report.receptive_field == own.receptive_field == field
    assert not [layer for layer in report.layers if layer.op.startswith("opaque")]
    assert sorted(layer.op for layer in report.layers if layer.macs) == sorted(
        layer.op for layer in own.layers if layer.macs
    )


def test_the_names_are_the_modules():
    with torch.device("meta"):
        graph = striate.read(ResNet18(), (3, 224, 224))
    names = [node.name for node in graph.nodes]
    assert names[4:12] == [f"layer1.0.{n}" for n in "conv1 bn1 relu conv2 bn2 add1 relu_2".split()] + ["layer1.1.conv1"]
    assert names[-3:] == ["avgpool", "flatten1", "fc"]
    parsed = striate.parse(striate.format(graph))
    assert parsed == graph


def test_the_legal_inputs_of_a_module_are_tried():
    with torch.device("meta"):
        legal = striate.check(ResNet18(), (3, 224, 224)).legal_inputs
    own = striate.check(zoo.ZOO["resnet18"].make(), (3, 224, 224)).legal_inputs
    assert (legal.below, legal.above) == (own.below, own.above)
