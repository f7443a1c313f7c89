"""Names for classes, as people write them."""

from __future__ import annotations

import re
from keyword import iskeyword

from striate.exporters.fold import Kind
from striate.exporters.helpers import HELPERS
from striate.exporters.tree import Unit
from striate.exporters.words import made
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
WORDS = {"BatchNorm": "BN", "LayerNorm": "Norm", "ConvTranspose": "Up"}


def class_name(name: str) -> str:
    """A class's name from a file's, a net's or a group's.

    >>> class_name("lenet5"), class_name("resnet50"), class_name("my-net"), class_name("mobilenet_v3_large")
    ('LeNet5', 'ResNet50', 'MyNet', 'MobileNetV3Large')
    """
    words = re.findall(r"[A-Z]?[a-z]+\d*|[A-Z]+(?![a-z])\d*|\d+", name)
    camel = ""
    for word in words:
        stem, number = re.fullmatch(r"(.*?)(\d*)", word).groups()  # type: ignore[union-attr]
        piece = FAMILIES.get(stem.lower(), stem[:1].upper() + stem[1:]) + number
        camel += f"_{piece}" if camel[-1:].isdigit() and piece[:1].isdigit() else piece
    camel = camel if camel[:1].isalpha() else f"Net{camel}"
    return f"{camel}Net" if camel in TAKEN or iskeyword(camel) else camel


def class_names(main: Kind, classes: set[Kind], name: str) -> dict[Kind, str]:
    """What the classes are called; *main*, the net's own, as *name* says."""
    found = {main: class_name(name)}
    order = sorted(classes - {main}, key=lambda k: (not k.is_chain, _depth(k.units[0]), k.units[0].path))
    for kind in order:
        choices = _choices(kind)
        free = [choice for choice in choices if choice not in found.values()]
        number = 2
        while not free:
            free = [c for c in [f"{choices[0]}{number}"] if c not in found.values()]
            number += 1
        found[kind] = free[0]
    return found


def _depth(unit: Unit) -> int:
    return unit.path.count(".")


def _choices(kind: Kind) -> list[str]:
    """Names that would suit, the best first."""
    unit = min(kind.units, key=_depth)
    stems = dict.fromkeys([_stem(unit.path), *(_stem(unit.path) for unit in kind.units)])
    telling = [class_name(stem) for stem in stems if stem.lower() not in VAGUE]
    last, around = class_name(_stem(unit.path)), class_name(_stem(unit.path.rpartition(".")[0]) or "Inner")
    if not kind.joins:
        stage = "Stage" * all(slot.key[0] == "unit" and slot.name[-1:].isdigit() for slot in kind.slots)
        return [name for name in (_layers(kind), *telling, stage, last, around + last) if name]
    skips = Add in kind.joins and (any(-1 in s.inputs for s in kind.slots if s.key[0] == "join") or len(kind.units) > 2)
    first = telling[: len(stems) == 1] + [last] * (last == "Block") + ["Residual"] * skips
    return [*first, last, around + last]


def _stem(path: str) -> str:
    """The last name of a path, without its number: inception3a is an inception."""
    last = path.rpartition(".")[2]
    return re.sub(r"_*\d+[a-z]?$", "", last) or last


def _layers(kind: Kind) -> str:
    """The name of a few layers in a row: ConvBNReLU; empty for more than that."""
    if len(kind.slots) > 6 or not kind.is_chain:
        return ""
    words = []
    for i in range(len(kind.slots)):
        steps = [step for step in kind.steps(i, list(kind.units)) if step]
        if not all(isinstance(step.part, Node) for step in steps):
            return ""
        ops = {type(step.part.op).__name__ for step in steps if isinstance(step.part, Node)}
        act = isinstance(steps[0].part, Node) and made(steps[0].part.op, steps[0].given).act
        word = ops.pop()
        words.append("Act" if ops and act else WORDS.get(word, word))
    times = next((n for n in (3, 2) if words == words[: len(words) // n] * n), 1)
    once = words[: len(words) // times]
    return {1: "", 2: "Double", 3: "Triple"}[times] + "".join(once) if len(once) <= 3 else ""
