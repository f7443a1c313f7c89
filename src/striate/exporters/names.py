"""Names for classes, as people write them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain, count
from keyword import iskeyword

from striate.exporters.code import HELPERS
from striate.exporters.groups import Pattern, column
from striate.spec import Add, Node

FAMILIES = {
    "lenet": "LeNet", "alexnet": "AlexNet", "zfnet": "ZFNet", "nin": "NiN", "allconv": "AllConv",
    "googlenet": "GoogLeNet", "vgg": "VGG", "resnet": "ResNet", "resnext": "ResNeXt", "densenet": "DenseNet",
    "mobilenet": "MobileNet", "efficientnet": "EfficientNet", "convnext": "ConvNeXt", "textcnn": "TextCNN",
    "voxnet": "VoxNet", "unet": "UNet", "fcn": "FCN", "owt": "OWT", "bn": "BN", "bc": "BC", "cnn": "CNN",
    "se": "SqueezeExcitation",
}  # fmt: skip
TAKEN = {"Tensor", "Path", "Image", "ImageOps", "OrderedDict", "F", *HELPERS}
VAGUE = {"sum", "add", "cat", "concat", "body", "skip", "join", "below", "block", "conv", "layers"}
SHORT = {"BatchNorm": "BN", "LayerNorm": "Norm", "ConvTranspose": "Up"}


def class_name(name: str) -> str:
    """A class's name from a file's, a net's or a group's.

    >>> class_name("lenet5"), class_name("resnet50"), class_name("my-net"), class_name("mobilenet_v3_large")
    ('LeNet5', 'ResNet50', 'MyNet', 'MobileNetV3Large')
    """
    camel = ""
    for word in re.findall(r"[A-Z]?[a-z]+\d*|[A-Z]+(?![a-z])\d*|\d+", name):
        stem = word.rstrip("0123456789")
        piece = FAMILIES.get(stem.lower(), stem[:1].upper() + stem[1:]) + word[len(stem) :]
        camel += f"_{piece}" if camel[-1:].isdigit() and piece[:1].isdigit() else piece
    camel = camel if camel[:1].isalpha() else f"Net{camel}"
    return f"{camel}Net" if camel in TAKEN or iskeyword(camel) else camel


def class_names(main: Pattern, classes: Iterable[Pattern], name: str) -> dict[Pattern, str]:
    """What the classes are called; *main*, the net's own, as *name* says."""
    found = {main: class_name(name)}
    others = [pattern for pattern in classes if pattern is not main]
    for pattern in sorted(others, key=lambda p: (not p.is_chain, p.groups[0].path.count("."), p.groups[0].path)):
        choices = _choices(pattern)
        numbered = (f"{choices[0]}{number}" for number in count(2))
        found[pattern] = next(choice for choice in chain(choices, numbered) if choice not in found.values())
    return found


def _choices(pattern: Pattern) -> list[str]:
    """Names that would suit, the best first."""
    path = min((group.path for group in pattern.groups), key=lambda path: path.count("."))
    stems = dict.fromkeys(_stem(path) for path in [path, *(group.path for group in pattern.groups)])
    telling = [class_name(stem) for stem in stems if stem.lower() not in VAGUE]
    last, around = class_name(_stem(path)), class_name(_stem(path.rpartition(".")[0]) or "Inner")
    members = pattern.model.all
    joins = [member for member in members if member.is_join]
    if not joins:
        stage = "Stage" * all(m.key == ("group",) and m.name[-1:].isdigit() for m in members)
        return [name for name in (_layers(pattern), *telling, stage, last, around + last) if name]
    adds = any(member.key == ("join", Add) for member in joins)
    skips = adds and (any(-1 in member.inputs for member in joins) or len(pattern.groups) > 2)
    return [*telling[: len(stems) == 1], *[last] * (last == "Block"), *["Residual"] * skips, last, around + last]


def _stem(path: str) -> str:
    """The last name of a path, without its number: inception3a is an inception."""
    last = path.rpartition(".")[2]
    return re.sub(r"_*\d+[a-z]?$", "", last) or last


def _layers(pattern: Pattern) -> str:
    """The name of a few layers in a row: ConvBNReLU; empty for more than that."""
    if len(pattern.model.members) > 6 or not pattern.is_chain:
        return ""
    words = []
    for member in pattern.model.all:
        alike = column(pattern.groups, member.name)
        ops = {type(m.part.op).__name__ for m in alike if m and isinstance(m.part, Node)}
        if not ops:
            return ""
        words.append("Act" if len(ops) > 1 and member.key == ("activation",) else SHORT.get(min(ops), min(ops)))
    times = next((n for n in (3, 2) if words == words[: len(words) // n] * n), 1)
    once = words[: len(words) // times]
    return {1: "", 2: "Double", 3: "Triple"}[times] + "".join(once) if len(once) <= 3 else ""
