"""``export_source``: the file, written when it answers bit for bit as striate's own module does, and not before."""

from __future__ import annotations

import sys
import tempfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from striate.analysis import analyse, infer
from striate.exporters.exported import Exported, ExportError, check_free
from striate.exporters.source import MARK, answers_images, source
from striate.files import write_safely
from striate.model.model import Model, load
from striate.model.prepare import fit, normalise
from striate.net.build import Net, assemble
from striate.spec import RBF, Embedding, Graph, Linear, Shape, Spec, lower


def export_source(
    net: Spec | Graph | str | Path, path: str | Path, *, input: Shape | None = None, name: str = "net", origin: str = ""
) -> Exported:
    """Writes *net* as a stand-alone PyTorch file to *path*.

    The file is run with the same weights first, and its outputs must equal the built module's bit for bit.

    Args:
        net: A spec, a graph, or a model file; for that the weights are written beside, and the file prepares
            images and predicts as the model does.
        path: ``my_net.py``.
        input: The shape of one input, where the net does not say it.
        name: What the class is called after: ``lenet5`` becomes ``LeNet5``.
        origin: Where the net comes from, for the file's first line.

    Raises:
        SpecError, ShapeError, ModelError: It is no network, or the file would replace another.
        ExportError: The file does not answer as the module does; nothing is written.

    >>> from striate.spec import parse
    >>> folder = Path(tempfile.mkdtemp())
    >>> done = export_source(parse("input 1x8x8; conv 4 3; relu"), folder / "tiny.py")
    >>> done.max_difference, "nn.Conv2d(1, 4, 3)" in done.path.read_text()
    (0.0, True)
    """
    path, weights = Path(path), Path(path).with_suffix(".safetensors")
    if isinstance(net, str | Path):
        model, given = load(net), Path(net)
        graph = model.graph
        assert graph is not None
        files = [path] if weights.exists() and weights.samefile(given) else [path, weights]
    else:
        model, given, graph, files = None, path, lower(net, input), [path]
    check_free(files, ".py", lambda file: MARK in file.read_text(encoding="utf-8", errors="replace")[:2000])
    text, called = source(graph, name, origin, model.contract if model else None, weights.name)
    found = _compared(path, text, called, graph, model, given)
    if weights in files:
        write_safely(weights, given.read_bytes())
    write_safely(path, text)
    predicts = model is not None and answers_images(model.contract)
    return Exported(path, (path, weights) if model else (path,), *found, predicts)


def _compared(path: Path, text: str, name: str, graph: Graph, model: Model | None, weights: Path) -> Mismatch:
    """What a comparison of the file's text finds; ExportError unless nothing."""
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / "trial.py"
        trial.write_text(text, encoding="utf-8", errors="backslashreplace")
        try:
            found = compare_net(trial, name, graph)
            if model is not None:
                found = found.joined(compare_model(trial, weights, model))
        except Exception as error:  # whatever happens in a file that we wrote ourselves is a fault of ours
            kind = "" if isinstance(error, ExportError) else f"{type(error).__name__}: "
            raise ExportError(_refusal(path, f"{kind}{str(error)[:500]}")) from error
    if found != Mismatch():
        raise ExportError(_refusal(path, f"its outputs differ by up to {found.max_difference:g}"))
    return found


def _refusal(path: Path, why: str) -> str:
    return (
        f"{path}: not written: as a file the net does not answer as it does here ({why}). "
        f"This is a fault of striate, not of the net; please report it with the net's text"
    )


AFFORDABLE = 3e8  # multiply-accumulates of a pass for a comparison
IMAGES = (  # mode, width, height
    ("L", 40, 30), ("RGB", 64, 48), ("RGBA", 33, 57), ("P", 20, 20), ("I;16", 31, 45), ("1", 9, 200), ("LA", 5, 5),
)  # fmt: skip


class Mismatch(NamedTuple):
    """The largest difference of two outputs, and how many of the predicted classes changed."""

    max_difference: float = 0.0
    label_flips: int = 0

    def joined(self, other: Mismatch) -> Mismatch:
        """Of both comparisons."""
        flips = self.label_flips + other.label_flips
        return Mismatch(max(self.max_difference, other.max_difference), flips)


def import_file(path: Path) -> ModuleType:
    """The Python file at *path* as a module, which nobody else sees."""
    spec = spec_from_file_location(f"_exported_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


@torch.no_grad()
def compare_net(path: Path, name: str, graph: Graph) -> Mismatch:
    """The class *name* in the file at *path* against the module of *graph*, with the same random weights."""
    with torch.device("meta"):
        theirs: Any = getattr(import_file(path), name)()
    x, ours = trial(graph)
    theirs.load_state_dict(ours.state_dict(), strict=True, assign=True)
    theirs.eval()
    found = difference(ours(x), theirs(x))
    mine, others = (ours.taps(x), theirs.taps(x)) if graph.taps else ({}, {})
    if mine.keys() != others.keys():
        raise ExportError(f"the side heads are {', '.join(others)}, expected {', '.join(mine)}")
    for key, value in mine.items():
        found = found.joined(difference(value, others[key]))
    return found


@torch.no_grad()
def compare_model(path: Path, weights: Path, model: Model) -> Mismatch:
    """``load`` of the file at *path* against *model*; where they are there ``prepare`` and ``answer`` too, on images of
    many kinds.
    """
    theirs: Any = import_file(path)
    net, found, rng = theirs.load(weights), Mismatch(), np.random.default_rng(0)
    if not answers_images(model.contract):
        assert model.graph is not None
        x, _ = trial(model.graph)
        return difference(model.module(x), net(x))
    for mode, width, height in IMAGES:
        image = _image(mode, width, height, rng)
        x = normalise(fit(image, model.contract)[None], model.contract)
        found = found.joined(difference(x, theirs.prepare(image))).joined(difference(model.module(x), net(x)))
        (mine,), answer = model.predict(image), theirs.answer(net, image)
        gap = max(abs(p - q) for (_, p), (_, q) in zip(mine.top, answer, strict=True))
        found = found.joined(Mismatch(gap, int([name for name, _ in mine.top] != [name for name, _ in answer])))
    return found


def difference(ours: Tensor, theirs: Tensor) -> Mismatch:
    """Bit for bit: what is not is a difference, be it of a zero's sign."""
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        raise ExportError(f"it gives {theirs.dtype} {tuple(theirs.shape)}, expected {ours.dtype} {tuple(ours.shape)}")
    if ours.numpy().tobytes() == theirs.numpy().tobytes():
        return Mismatch()
    gap = (ours - theirs).abs().nan_to_num(float("inf")).max().item()
    flips = int((ours.argmax(1) != theirs.argmax(1)).sum()) if ours.ndim > 1 else 0
    return Mismatch(max(gap, sys.float_info.min), flips)


def trial(graph: Graph, seed: int = 0) -> tuple[Tensor, Net]:
    """Two random inputs, and the module of *graph* with random weights, ready to answer."""
    generator = torch.Generator().manual_seed(seed)
    module = assemble(graph)
    weights = {key: _random(key, value, generator) for key, value in module.state_dict().items()}
    module.load_state_dict(weights, assign=True)
    words = next((node.op.words for node in graph.nodes if isinstance(node.op, Embedding)), 0)
    shape = (2, *small_input(graph))
    x = torch.randint(words, shape, generator=generator) if words else torch.randn(shape, generator=generator)
    return x, module.eval()


def small_input(graph: Graph) -> Shape:
    """The graph's input, or a smaller one that the same weights take, where a pass would take long."""
    assert graph.input is not None
    shape, features = graph.input, _features(graph)
    while analyse(lower(graph, shape)).macs > AFFORDABLE and len(shape) > 1:
        smaller = (shape[0], *(n // 2 for n in shape[1:]))
        if min(smaller) < 1 or _features(lower(graph, smaller)) != features:
            smallest = analyse(lower(graph, shape)).legal_inputs.smallest
            return smallest if smallest and _features(lower(graph, smallest)) == features else shape
        shape = smaller
    return shape


def _features(graph: Graph) -> list[Shape] | None:
    """What the layers on flat features read; None where the net does not fit its input."""
    shapes, problems = infer(graph)
    flat = [shapes[node.inputs[0]] for node in graph.nodes if isinstance(node.op, Linear | RBF)]
    return None if problems else flat


def _random(name: str, like: Tensor, generator: torch.Generator) -> Tensor:
    """A weight of such a size that values neither vanish nor explode on their way."""
    value = torch.empty(like.shape, dtype=like.dtype)
    if not like.is_floating_point():
        return value.zero_()
    bound = (6 / max(1, value[0].numel())) ** 0.5 if value.ndim > 1 else 0.2
    low, high = (-bound, bound) if value.ndim > 1 or name.endswith(("bias", "mean")) else (0.7, 1.3)
    return value.uniform_(low, high, generator=generator)


def _image(mode: str, width: int, height: int, rng: np.random.Generator) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 65536, (height, width), dtype=np.uint16))
    image = Image.fromarray(rng.integers(0, 256, (height, width, 4), dtype=np.uint8))
    return image if mode == "RGBA" else image.convert("RGB" if mode != "LA" else mode).convert(mode)
