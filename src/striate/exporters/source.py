"""A network as a stand-alone PyTorch file, as a person would write it. Of a trained model it has, besides the net, how
an image is prepared and how a prediction is made.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from textwrap import fill, indent

from striate.analysis import analyse, infer
from striate.errors import ShapeError, SpecError, shape_text
from striate.exporters.classes import Writer
from striate.exporters.code import HELPERS, WIDTH, quoted, wrapped
from striate.exporters.groups import groups_of
from striate.exporters.snippets import placing
from striate.model.contract import IMAGES, SURENESS, Contract
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
        contract: Of a trained model: the file prepares images by it and answers, where it is one of images that have a
            class each; else it has the weights and says what they take.
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
        raise ShapeError("the layers' shapes do not match:\n" + "\n".join(f"  {p}" for p in problems))
    softmax = isinstance(graph.nodes[-1].op, Softmax) and graph.nodes[-1].inputs != ("input",)
    root = groups_of(graph, shapes, frozenset([graph.output] if softmax else []))
    writer = Writer(root, name, _about(graph, shapes[graph.output]), graph.taps)
    classes = writer.classes()
    called = writer.names[writer.main]
    helpers = [text for key, text in HELPERS.items() if any(re.search(rf"\b{key}\(", text) for text in classes)]
    parts = [*helpers, *("\n".join(text for line in c.splitlines() for text in wrapped(line)) for c in classes)]
    top = ""
    if contract:
        parts.append(_functions(contract, called, softmax))
        top = _constants(contract, weights) + "\n" * 3
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


FIELDS = fields(Contract)
KNOWN = {"classes", "input", "mode", "mean", "std", "resize", "interpolation", "task", "scale_to", *SURENESS}

PREPARE = '''
def prepare(image: Image.Image) -> Tensor:
    """The network's input (1, {channels}, {height}, {width}) from any image: upright, on black where transparent."""
    with suppress(Exception):  # damaged metadata says nothing against the pixels
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits a pixel
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(f"pixels from {{values.min()}} to {{values.max()}}; save the image with 8 or 16 bits")
        image = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("pixels in floating point have no known range; save the image with 8 or 16 bits")
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image.convert("RGBA"))
{resized}
    pixels = torch.from_numpy(np.array(image)).view({height}, {width}, {channels})
    x = pixels.permute(2, 0, 1).unsqueeze(0).float().contiguous()
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (MEAN, STD))
    return x.div_(255).sub_(mean).div_(std)
'''

LOAD = '''
def load(path: str | Path = WEIGHTS) -> {name}:
    """The trained network, ready to answer{inputs}."""
    net = {name}()
    net.load_state_dict(load_file(path))
    return net.eval()
'''
INPUTS = {  # what a network takes whose file does not prepare items, by the contract's mode
    "text": "the word numbers of texts, by the vocabulary in the weights' metadata",
    "values": "(values - MEAN) / STD",
    "channels": "(bytes / 255 - MEAN) / STD, resized",
}

ANSWER = '''
@torch.no_grad()
def answer(net: {name}, image: Image.Image) -> list[tuple[str, float]]:
    """Every class with its probability, the likeliest first."""
    scores = net{scores}(prepare(image))[0].double().numpy(){over}
    scores -= scores.max()
    probabilities = np.exp(scores - np.log(np.exp(scores).sum()))
    return [(CLASSES[i], float(probabilities[i])) for i in np.argsort(-probabilities, kind="stable")]


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(f"usage: python {{sys.argv[0]}} IMAGE ...")
    trained = load()
    for file in sys.argv[1:]:
        try:
            with Image.open(file) as opened:
                best = answer(trained, opened)[:3]
        except OSError as error:  # missing, a folder, no image, cut short
            sys.exit(f"{{file}}: cannot be read as an image ({{error}})")
        listed = ", ".join(f"{{name}} {{p:.1%}}" for name, p in best)
        print(f"{{file}}: {listed}")
'''
KNOWN_OR_NOT = "{listed if best[0][1] >= THRESHOLD else f'unknown ({listed})'}"


def _constants(contract: Contract, weights: str) -> str:
    """The names at the top of the file."""
    names = [quoted(name).replace(" ", "\0") for name in contract.classes]
    text = f"CLASSES = ({', '.join(names)}{',' * (len(names) == 1)})"
    if len(text) > WIDTH:
        rows = fill(
            ", ".join([*names, ""]), WIDTH, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False
        )
        text = f"CLASSES = (\n{rows}\n)  # fmt: skip"
    of = "the values" if contract.mode == "values" else "pixels from 0 to 1"
    if contract.mean:
        text += f"\nMEAN, STD = {contract.mean!r}, {contract.std!r}  # of {of}, for each channel"
    if contract.target_mean:
        text += f"\nTARGET_MEAN, TARGET_STD = {contract.target_mean!r}, {contract.target_std!r}"
        text += "  # a value is its output times the std, plus the mean"
    if contract.temperature != 1:
        text += f"\nTEMPERATURE = {contract.temperature!r}  # of the probabilities, fitted on validation"
    if contract.threshold is not None:
        text += f"\nTHRESHOLD = {contract.threshold!r}  # of the probability: below it the class is unknown"
    return text.replace("\0", " ") + f"\nWEIGHTS = Path(__file__).with_name({quoted(weights)})"


def answers_images(contract: Contract) -> bool:
    """Whether a source file can prepare an image by *contract*, and say the classes that it may be of."""
    plain = (f.name in KNOWN or (f.default is not MISSING and getattr(contract, f.name) == f.default) for f in FIELDS)
    return contract.task.exclusive and contract.mode in IMAGES and all(plain)


def _functions(contract: Contract, name: str, ends_in_softmax: bool) -> str:
    """``load``; and of images with a class each ``prepare``, ``answer``, and what runs from the command line."""
    if not answers_images(contract):
        inputs = INPUTS.get(contract.mode, "(pixels / 255 - MEAN) / STD, resized")
        return LOAD.format(name=name, inputs=f", given {inputs}").strip("\n")
    channels, height, width = contract.input
    resized = indent(f'image = image.convert("{contract.mode}")\n{placing(contract)}', "    ")
    prepare = PREPARE.format(channels=channels, height=height, width=width, resized=resized)
    load = LOAD.format(name=name, inputs="")
    answer = ANSWER.format(
        name=name,
        scores=".scores" if ends_in_softmax else "",
        over=" / TEMPERATURE" if contract.temperature != 1 else "",
        listed="{listed}" if contract.threshold is None else KNOWN_OR_NOT,
    )
    return "\n\n\n".join(part.strip("\n") for part in (prepare, load, answer))
