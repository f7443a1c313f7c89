"""``export_source``: the file, written when it has been compared and not before."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from striate.errors import SpecError
from striate.exporters.compare import ExportError, Mismatch, compare_model, compare_net
from striate.exporters.source import MARK, source
from striate.files import write_safely
from striate.model.model import Model, load
from striate.spec import Graph, Shape, Spec, lower


@dataclass(frozen=True)
class Exported:
    """What was written, and how far its answers are from the module's: 0, or it would not be there."""

    path: Path
    files: tuple[Path, ...]
    max_difference: float
    label_flips: int

    def as_dict(self) -> dict[str, object]:
        """As ``striate export --json`` prints it."""
        return asdict(self) | {"path": str(self.path), "files": [str(file) for file in self.files]}


def export_source(
    net: Spec | Graph | str | Path,
    path: str | Path,
    *,
    input: Shape | None = None,
    name: str = "net",
    origin: str = "",
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
    model, graph = None, None
    if isinstance(net, str | Path):
        model = load(net)
        graph = model.graph
        assert graph is not None
    apart = isinstance(net, str | Path) and not (weights.exists() and weights.samefile(net))
    _check_free(path, [path, weights] if apart else [path])
    if graph is None:
        assert not isinstance(net, str | Path)
        graph = lower(net, input)
    text, called = source(graph, name, origin, model.contract if model else None, weights.name)
    found = _compared(path, text, called, graph, model, Path(str(net)))
    if apart:
        write_safely(weights, Path(str(net)).read_bytes())
    write_safely(path, text)
    return Exported(path, (path, weights) if model else (path,), *found)


def _compared(path: Path, text: str, name: str, graph: Graph, model: Model | None, weights: Path) -> Mismatch:
    """What a comparison of the file's text finds; ExportError unless nothing."""
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / "trial.py"
        trial.write_text(text, encoding="utf-8")
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


def _check_free(path: Path, files: list[Path]) -> None:
    """SpecError where somebody else's file would be lost."""
    if path.suffix != ".py":
        raise SpecError(f"{path}: the source of a net is a Python file; give a name that ends in .py")
    if not path.parent.is_dir():
        raise SpecError(f"{path}: there is no folder {path.parent}; make it first")
    ours = path.is_file() and MARK in path.read_text(encoding="utf-8", errors="replace")[:2000]
    for file in files:
        if file.exists() and not ours:
            raise SpecError(f"{file}: already exists, and was not written by this command; give another name with -o")
