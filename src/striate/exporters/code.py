"""Code as text: literals, calls and names, lines as a formatter would break them, layers that torch does not have."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count
from keyword import iskeyword
from textwrap import indent

from torch import nn

from striate.exporters.groups import Pattern, column
from striate.net import layers
from striate.spec import Add, Node

WIDTH = 120
CHAIN = '''
def chain(**layers: nn.Module) -> nn.Sequential:
    """Layers one after the other, under their names."""
    return nn.Sequential(OrderedDict(layers))
'''
HELPERS = {"chain": CHAIN.strip()} | {  # as a file defines those that it uses: striate's own, as they stand
    name: inspect.getsource(cls).strip()
    for name, cls in vars(layers).items()
    if isinstance(cls, type) and issubclass(cls, nn.Module) and cls.__module__ == layers.__name__
}


class Code(str):
    """Text that stands for itself, such as the name of a class; other text is a string."""


NOTHING = Code("None")


def literal(value: object) -> str:
    """*value* as it is written in Python.

    >>> literal((1, 2)), literal(1e-6), literal("it's"), literal(Code("nn.ReLU"))
    ('(1, 2)', '1e-6', '"it\\'s"', 'nn.ReLU')
    """
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' * (len(value) == 1)})"
    if isinstance(value, Code):
        return value
    return quoted(value) if isinstance(value, str) else repr(value).replace("e-0", "e-")


def quoted(text: str) -> str:
    """*text* as a literal, in double quotes unless it has some.

    >>> print(quoted("it's"), quoted('6" gun'))
    "it's" '6" gun'
    """
    written = json.dumps(text, ensure_ascii=False)
    return "'" + written[1:-1].replace('\\"', '"') + "'" if '"' in text and "'" not in text else written


def call(func: str, items: Sequence[str], notes: Sequence[str] = ()) -> str:
    """``func(a, b)``; an item a line where one has several lines, or where something is noted behind each."""
    if not notes and not any("\n" in item for item in items):
        return f"{func}({', '.join(items)})"
    body = [noted(f"{item},", note) for item, note in zip(items, notes or [""] * len(items), strict=True)]
    return f"{func}(\n{indent(chr(10).join(body), '    ')}\n)"


def noted(code: str, note: str) -> str:
    """*code* with a comment, unless its own lines have some."""
    return f"{code}  # {note}" if note and "  # " not in code else code


def is_plain(name: str) -> bool:
    """Whether *name* can be written as ``self.name``."""
    return name.isidentifier() and not iskeyword(name) and not (name.startswith("__") and not name.endswith("__"))


def own(names: Sequence[str]) -> str:
    """How a module's part is reached: ``self.a.b``.

    >>> own(["conv1"]), own(["blocks", "0"])
    ('self.conv1', 'self.blocks.get_submodule("0")')
    """
    return "self" + "".join(f".{name}" if is_plain(name) else f'.get_submodule("{name}")' for name in names)


def becomes(path: str, code: str) -> str:
    """The statement that makes *code* the part at *path* of ``self``."""
    *outer, name = path.split(".")
    return f"{own(outer)}.{name} = {code}" if is_plain(name) else call(f"{own(outer)}.add_module", [quoted(name), code])


def wrapped(line: str) -> list[str]:
    """*line*, broken at its last brackets where it is too long: a part a line.

    >>> wrapped("    x = f(" + "a" * 70 + ", " + "b" * 70 + ")")[0::3]
    ['    x = f(', '    )']
    """
    if len(line) <= WIDTH:
        return [line]
    code, mark, note = line.partition("  # ")
    outer = [(i, c) for i, c, depth in _outside_strings(code) if depth == 0]
    opened = [i for i, c in outer if c in "([{"]
    room = code[: len(code) - len(code.lstrip())]
    if len(code) <= WIDTH or not opened:
        return [f"{room}# {note}", code] if note else [line]
    start, stop = opened[-1], max(i for i, c in outer if c in ")]}")
    inside, parts = code[start + 1 : stop], []
    commas = [i for i, c, depth in _outside_strings(inside) if c == "," and depth == 0]
    loop = next((i for i, c, depth in _outside_strings(inside) if depth == 0 and inside.startswith(" for ", i)), None)
    if loop is not None and not commas:
        parts = [inside[:loop], inside[loop + 1 :]]
    else:
        parts = [inside[a:b].strip() + "," for a, b in zip([0, *(i + 1 for i in commas)], [*commas, None], strict=True)]
    broken = [text for part in parts if part != "," for text in wrapped(f"{room}    {part}")]
    return [code[: start + 1], *broken, room + code[stop:] + mark + note]


def _outside_strings(code: str) -> Iterator[tuple[int, str, int]]:
    """Each character that is in no string, its place, and how many brackets are open around it."""
    depth, quote = 0, ""
    for i, c in enumerate(code):
        if quote:
            quote = "" if c == quote and code[i - 1] != "\\" else quote
        elif c in "\"'":
            quote = c
        else:
            depth -= c in ")]}"
            yield i, c, depth
            depth += c in "([{"


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
