"""Foreign names at the border: what torchvision calls the weights of our nets, and how it prepares images for them.

A rule is ``(ours, theirs)``. It matches the beginning of one of our names up to a dot, and what follows is kept:
``("conv{s+1}.block{b+1}.sum.body", "layer{s}.{b}")`` makes ``conv2.block1.sum.body.bn1.weight`` of
``layer1.0.bn1.weight``. ``{s}`` is a number (or a row such as 3a) and ``{s+1}`` the next; ``[.body]`` may be missing.
The first rule that matches counts. ``tests/net/test_weights.py`` compares the expansions with torchvision's lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from striate.spec import Shape

FIELD = re.compile(r"\{(\w+)(?:\+(\d+))?\}")


class Rule(NamedTuple):
    """One line of a table. *form* is how the numbers lie there: as here, ``linear`` (a 1x1 convolution as the matrix
    that it is) or ``column`` (one number a channel as a map of 1x1).
    """

    ours: str
    theirs: str
    form: str = "same"


@dataclass(frozen=True)
class Table:
    """What torchvision calls a net of ours, name by name, and the preparation that its weights were trained for."""

    theirs: str  # torchvision.models.THEIRS
    rules: tuple[Rule, ...]
    aliases: tuple[Rule, ...] = ()  # (today's name, the name in old files), both theirs
    sides: bool = False  # files may contain side heads; the net may be made without
    scale_to: int = 256
    interpolation: str = "bilinear"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


def translate(name: str, rules: tuple[Rule, ...]) -> tuple[str, str] | None:
    """*name* by the first of *rules* that matches, and the rule's form; None where none does.

    >>> translate("conv2.block1.sum.body.bn1.weight", RESNET)
    ('layer1.0.bn1.weight', 'same')
    """
    for rule in rules:
        if match := _pattern(rule.ours).match(name):
            return _filled(rule.theirs, _values(rule.ours, match)) + name[match.end() :], rule.form
    return None


@cache
def _pattern(text: str) -> re.Pattern[str]:
    """The regular expression of a rule's left side."""
    parts = re.split(r"(\{.*?\}|\[.*?\])", text)
    pattern = ""
    for part in parts:
        if part.startswith("{"):
            pattern += r"([0-9]+)" if "+" in part else r"([0-9]+[a-z]?)"
        elif part.startswith("["):
            pattern += f"(?:{re.escape(part[1:-1])})?"
        else:
            pattern += re.escape(part)
    return re.compile(pattern + r"(?=\.|$)")


def _values(text: str, match: re.Match[str]) -> dict[str, str]:
    fields = FIELD.findall(text)
    return {name: _shifted(match[i], -int(plus or 0)) for i, (name, plus) in enumerate(fields, start=1)}


def _filled(text: str, values: dict[str, str]) -> str:
    return FIELD.sub(lambda field: _shifted(values[field[1]], int(field[2] or 0)), text)


def _shifted(value: str, by: int) -> str:
    return str(int(value) + by) if by else value


def their_shape(shape: Shape, form: str) -> Shape:
    """How a tensor of our *shape* lies in their file."""
    return shape[:2] if form == "linear" else (*shape, 1, 1) if form == "column" else shape


# ------------------------------------------------------------------------------------------------------ the tables
def _rules(*pairs: tuple[str, str] | tuple[str, str, str]) -> tuple[Rule, ...]:
    return tuple(Rule(*pair) for pair in pairs)


def _conv_bn(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    """torchvision's Conv2dNormActivation: a Sequential of the convolution and its norm."""
    yield f"{ours}.conv", f"{theirs}.0"
    yield f"{ours}.bn", f"{theirs}.1"


ALEXNET = _rules(
    *((f"conv{i}", f"features.{at}") for i, at in enumerate((0, 3, 6, 8, 10), start=1)),
    *((f"fc{i}", f"classifier.{at}") for i, at in ((6, 1), (7, 4), (8, 6))),
)


def _vgg(stages: tuple[int, ...], norm: bool) -> tuple[Rule, ...]:
    """features.N counts every layer: convolution, norm and ReLU, and the pooling that ends a stage."""
    pairs, place = [], 0
    for stage, count in enumerate(stages, start=1):
        for i in range(1, count + 1):
            pairs.append((f"conv{stage}_{i}", f"features.{place}"))
            pairs += [(f"bn{stage}_{i}", f"features.{place + 1}")] * norm
            place += 2 + norm
        place += 1
    return _rules(*pairs, ("fc6", "classifier.0"), ("fc7", "classifier.3"), ("fc8", "classifier.6"))


VGG = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}  # convolutions a stage

GOOGLENET = _rules(
    ("inception{row}.branch1", "inception{row}.branch1"),
    ("inception{row}.branch3.reduce", "inception{row}.branch2.0"),
    ("inception{row}.branch3.conv", "inception{row}.branch2.1"),
    ("inception{row}.branch5.reduce", "inception{row}.branch3.0"),
    ("inception{row}.branch5.conv", "inception{row}.branch3.1"),
    ("inception{row}.pool.proj", "inception{row}.branch4.1"),
    ("side4a", "aux1"),
    ("side4d", "aux2"),
    ("conv{n}", "conv{n}"),
    ("fc", "fc"),
)

RESNET = _rules(
    ("conv{s+1}.block{b+1}.sum.body", "layer{s}.{b}"),
    ("conv{s+1}.block{b+1}.sum.skip.conv", "layer{s}.{b}.downsample.0"),
    ("conv{s+1}.block{b+1}.sum.skip.bn", "layer{s}.{b}.downsample.1"),
    ("conv1", "conv1"),
    ("bn1", "bn1"),
    ("fc", "fc"),
)

DENSENET = _rules(
    ("dense{i}.layer{j}.new.bn{k}", "features.denseblock{i}.denselayer{j}.norm{k}"),
    ("dense{i}.layer{j}.new.conv{k}", "features.denseblock{i}.denselayer{j}.conv{k}"),
    ("transition{i}.bn", "features.transition{i}.norm"),
    ("transition{i}.conv", "features.transition{i}.conv"),
    ("conv1", "features.conv0"),
    ("bn1", "features.norm0"),
    ("bn", "features.norm5"),
    ("fc", "classifier"),
)
DENSENET_OLD = _rules(  # a dot after norm and conv: files from before PyTorch 0.4, which torchvision still offers
    ("features.denseblock{i}.denselayer{j}.norm{k}", "features.denseblock{i}.denselayer{j}.norm.{k}"),
    ("features.denseblock{i}.denselayer{j}.conv{k}", "features.denseblock{i}.denselayer{j}.conv.{k}"),
)

MOBILENET_V2 = _rules(
    *_conv_bn("stem", "features.0"),
    *_conv_bn("block1.depthwise", "features.1.conv.0"),
    ("block1.project.conv", "features.1.conv.1"),
    ("block1.project.bn", "features.1.conv.2"),
    *_conv_bn("block{n}[.body].expand", "features.{n}.conv.0"),
    *_conv_bn("block{n}[.body].depthwise", "features.{n}.conv.1"),
    ("block{n}[.body].project.conv", "features.{n}.conv.2"),
    ("block{n}[.body].project.bn", "features.{n}.conv.3"),
    *_conv_bn("last", "features.18"),
    ("fc", "classifier.1"),
)


def _inverted(ours: str, theirs: str, expand: bool, gate: bool) -> Iterator[tuple[str, str]]:
    """torchvision's inverted residual of the later nets: what a block has of these, numbered."""
    parts = ["expand"] * expand + ["depthwise"] + ["se"] * gate + ["project"]
    for i, part in enumerate(parts):
        if part == "se":
            yield f"{ours}[.body].se.gate", f"{theirs}.block.{i}"
        else:
            yield from _conv_bn(f"{ours}[.body].{part}", f"{theirs}.block.{i}")


GATED = {4, 5, 6, 11, 12, 13, 14, 15}  # the blocks of MobileNetV3-Large with squeeze and excitation
MOBILENET_V3_LARGE = _rules(
    *_conv_bn("stem", "features.0"),
    *(pair for n in range(1, 16) for pair in _inverted(f"block{n}", f"features.{n}", n > 1, n in GATED)),
    *_conv_bn("last", "features.16"),
    ("fc1", "classifier.0"),
    ("fc2", "classifier.3"),
)

B0_PLACES = [(stage, i) for stage, count in enumerate((1, 2, 2, 3, 3, 4, 1), start=1) for i in range(count)]
EFFICIENTNET_B0 = _rules(
    *_conv_bn("stem", "features.0"),
    *(
        pair
        for n, (stage, i) in enumerate(B0_PLACES, start=1)
        for pair in _inverted(f"block{n}", f"features.{stage}.{i}", n > 1, True)
    ),
    *_conv_bn("last", "features.8"),
    ("fc", "classifier.1"),
)


def _convnext_stage(stage: int) -> Iterator[tuple[str, str] | tuple[str, str, str]]:
    ours, theirs = f"stage{stage}.block{{b+1}}.body", f"features.{2 * stage - 1}.{{b}}"
    yield f"{ours}.depthwise", f"{theirs}.block.0"
    yield f"{ours}.norm", f"{theirs}.block.2"
    yield f"{ours}.fc1", f"{theirs}.block.3", "linear"
    yield f"{ours}.fc2", f"{theirs}.block.5", "linear"
    yield f"{ours}.scale.weight", f"{theirs}.layer_scale", "column"
    if stage > 1:
        yield f"down{stage}.norm", f"features.{2 * stage - 2}.0"
        yield f"down{stage}.conv", f"features.{2 * stage - 2}.1"


CONVNEXT = _rules(
    ("stem.conv", "features.0.0"),
    ("stem.norm", "features.0.1"),
    *(pair for stage in (1, 2, 3, 4) for pair in _convnext_stage(stage)),
    ("norm", "classifier.0"),
    ("head", "classifier.2"),
)

HALVES = (0.5, 0.5, 0.5)  # torchvision's googlenet takes the usual mean and std and undoes them (transform_input)

TABLES: dict[str, Table] = {
    "alexnet_owt": Table("alexnet", ALEXNET),
    **{f"vgg{d}": Table(f"vgg{d}", _vgg(stages, False)) for d, stages in VGG.items()},
    **{f"vgg{d}_bn": Table(f"vgg{d}_bn", _vgg(stages, True)) for d, stages in VGG.items()},
    "googlenet_torchvision": Table("googlenet", GOOGLENET, sides=True, mean=HALVES, std=HALVES),
    **{f"resnet{d}": Table(f"resnet{d}", RESNET) for d in (18, 34, 50, 101, 152)},
    "resnext50": Table("resnext50_32x4d", RESNET),
    **{f"densenet{d}": Table(f"densenet{d}", DENSENET, aliases=DENSENET_OLD) for d in (121, 161, 169, 201)},
    "mobilenet_v2": Table("mobilenet_v2", MOBILENET_V2),
    "mobilenet_v3_large": Table("mobilenet_v3_large", MOBILENET_V3_LARGE),
    "efficientnet_b0": Table("efficientnet_b0", EFFICIENTNET_B0, interpolation="bicubic"),
    "convnext_tiny": Table("convnext_tiny", CONVNEXT, scale_to=236),
}

# torchvision's official files (IMAGENET1K_V1); what stands before .pth is how the SHA-256 of the file begins
OFFICIAL_FILES: dict[str, str] = {
    "alexnet_owt": "alexnet-owt-7be5be79.pth",
    "vgg11": "vgg11-8a719046.pth",
    "vgg11_bn": "vgg11_bn-6002323d.pth",
    "vgg13": "vgg13-19584684.pth",
    "vgg13_bn": "vgg13_bn-abd245e5.pth",
    "vgg16": "vgg16-397923af.pth",
    "vgg16_bn": "vgg16_bn-6c64b313.pth",
    "vgg19": "vgg19-dcbb9e9d.pth",
    "vgg19_bn": "vgg19_bn-c79401a0.pth",
    "googlenet_torchvision": "googlenet-1378be20.pth",
    "resnet18": "resnet18-f37072fd.pth",
    "resnet34": "resnet34-b627a593.pth",
    "resnet50": "resnet50-0676ba61.pth",
    "resnet101": "resnet101-63fe2227.pth",
    "resnet152": "resnet152-394f9c45.pth",
    "resnext50": "resnext50_32x4d-7cdf4587.pth",
    "densenet121": "densenet121-a639ec97.pth",
    "densenet161": "densenet161-8d451a50.pth",
    "densenet169": "densenet169-b2777c0a.pth",
    "densenet201": "densenet201-c1103571.pth",
    "mobilenet_v2": "mobilenet_v2-b0353104.pth",
    "mobilenet_v3_large": "mobilenet_v3_large-8738ca79.pth",
    "efficientnet_b0": "efficientnet_b0_rwightman-7f5810bc.pth",
    "convnext_tiny": "convnext_tiny-983f1562.pth",
}
