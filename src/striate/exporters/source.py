"""A network as a stand-alone PyTorch file, as a person would write it."""

from __future__ import annotations

import re
from textwrap import fill

from striate.analysis import analyse, infer
from striate.errors import ShapeError, SpecError, shape_text
from striate.exporters import answers
from striate.exporters.classes import Writer
from striate.exporters.code import HELPERS, wrapped
from striate.exporters.groups import groups_of
from striate.model.contract import Contract
from striate.spec import Embedding, Graph, Opaque, Shape, Softmax

MARK = "Written by striate export --to source"
IMPORTS = {  # by what of each stands in the text, in the order of a formatter
    "import sys": "sys.",
    "from collections import OrderedDict": "OrderedDict(",
    "from contextlib import suppress": "suppress(",
    "from pathlib import Path": "Path(",
    "": "",
    "import numpy as np": "np.",
    "import torch": "torch.",
    "from PIL import Image, ImageOps": "Image.",
    "from safetensors.torch import load_file": "load_file(",
    "from torch import Tensor, nn": "",
    "from torch.nn import functional as F": "F.",
}


def source(
    graph: Graph, name: str = "net", origin: str = "", contract: Contract | None = None, weights: str = ""
) -> tuple[str, str]:
    """A Python file with one class for *graph*, and the class's name.

    Args:
        graph: With its input.
        name: What the class is called after.
        origin: Where the net comes from, for the file's first lines.
        contract: Of a trained model: the file prepares images by it, and answers.
        weights: The name of the model's file beside it.

    Raises:
        SpecError: No input size is given, or the net was read from code and has parts that are not known.
        ShapeError: The layers do not fit together.

    >>> from striate.spec import parse
    >>> text, name = source(parse("input 1x8x8; conv 4 3; relu"), "my-net")
    >>> print(name, *(line for line in text.splitlines() if "self" in line), sep="\\n")
    MyNet
        def __init__(self) -> None:
            self.conv1 = nn.Conv2d(1, 4, 3)  # 4x6x6
            self.relu1 = nn.ReLU()  # 4x6x6
        def forward(self, x: Tensor) -> Tensor:
            return self.relu1(self.conv1(x))
    """
    if graph.input is None:
        raise SpecError("no input size given; give one, such as --input 1x28x28")
    unknown = next((node.op for node in graph.nodes if isinstance(node.op, Opaque)), None)
    if unknown:
        what = f"{unknown.kind} was read from code and its inside is not known"
        raise SpecError(f"{what}: it cannot be written as source")
    shapes, problems = infer(graph)
    if problems:
        raise ShapeError("the net does not fit together:\n" + "\n".join(f"  {p}" for p in problems))
    softmax = isinstance(graph.nodes[-1].op, Softmax) and graph.nodes[-1].inputs != ("input",)
    root = groups_of(graph, shapes, frozenset([graph.output] if softmax else []))
    writer = Writer(root, name, _about(graph, shapes[graph.output]), graph.taps)
    classes = writer.classes()
    called = writer.names[writer.main]
    helpers = [text for key, text in HELPERS.items() if any(re.search(rf"\b{key}\(", text) for text in classes)]
    parts = [*helpers, *("\n".join(text for line in c.splitlines() for text in wrapped(line)) for c in classes)]
    top = ""
    if contract:
        parts.append(answers.functions(contract, called, softmax))
        top = answers.constants(contract, weights) + "\n" * 3
    body = top + "\n\n\n".join(parts) + "\n"
    head = [*_opening(called, origin, graph), "", *_imports(body), *[""] * (1 if contract else 2)]
    return "\n".join([*head, body]), called


def _opening(name: str, origin: str, graph: Graph) -> list[str]:
    assert graph.input is not None
    first = f"{name} in PyTorch{f': {origin}' if origin else ''}; input {shape_text(graph.input)}."
    about = f"{MARK}; it needs no striate. The weights go by the same names in both."
    safe = (fill(first, 112) + "\n\n" + about).replace("\\", "/").replace('"', "'")
    return [*f'"""{safe}'.splitlines(), '"""']


def _about(graph: Graph, output: Shape) -> str:
    assert graph.input is not None
    report = analyse(graph)
    kind = "Word numbers" if any(isinstance(node.op, Embedding) for node in graph.nodes) else "float32"
    given, result = (", ".join(map(str, shape)) for shape in (graph.input, output))
    text = f"{kind} (N, {given}) to (N, {result}).\n\n"
    text += f"{report.parameters:,} parameters; {report.macs:,} multiply-accumulates for one input.\n"
    if graph.taps:
        text += f"With side heads, which forward leaves out: {', '.join(graph.taps)}.\n"
    return text


def _imports(body: str) -> list[str]:
    """The imports that *body* needs, the standard library's first."""
    code = re.sub(r'""".*?"""|"[^"\n]*"', "", body, flags=re.S)
    wanted = [line for line, use in IMPORTS.items() if not use or re.search(rf"(?<![\w.]){re.escape(use)}", code)]
    return wanted[wanted[0] == "" :]
