"""``export_source``: the file, written when it has been compared and not before."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from striate.errors import SpecError
from striate.exporters.compare import ExportError, Found, compare_model, compare_net
from striate.exporters.source import MARK, source
from striate.files import write_safely
from striate.model.model import Model, load
from striate.spec import Graph, Shape, Spec, lower

__all__ = ["ExportError", "Exported", "export_source"]


@dataclass(frozen=True)
class Exported:
    """What was written, and how far its answers are from the module's: 0, or it would not be there."""

    path: Path
    files: tuple[Path, ...]
    max_difference: float
    label_flips: int

    def as_dict(self) -> dict[str, object]:
        """As ``striate export --json`` prints it."""
        files = [str(file) for file in self.files]
        return {
            "path": str(self.path),
            "files": files,
            "max_difference": self.max_difference,
            "label_flips": self.label_flips,
        }


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
            images and answers as the model does.
        path: ``my_net.py``.
        input: The shape of one input, where the net does not say it.
        name: What the class is called after: ``lenet5`` becomes ``LeNet5``.
        origin: Where the net comes from, for the file's first line.

    Raises:
        SpecError, ShapeError, ModelError: The net is none, or the file is in the way of another.
        ExportError: The file does not answer as the module does; nothing is written.
    """
    path = Path(path)
    weights = path.with_suffix(".safetensors")
    model = load(net) if isinstance(net, str | Path) else None
    beside = [weights] if model is not None and not _same(Path(str(net)), weights) else []
    _check_free(path, beside)
    graph = lower(net, input) if not isinstance(net, str | Path) else _graph_of(model)
    contract = model.contract if model else None
    text, called = source(graph, name, origin, contract, weights.name)
    found = _compared(path, text, called, graph, model, Path(str(net)))
    for file in beside:
        write_safely(file, Path(str(net)).read_bytes())
    write_safely(path, text)
    files = (path, weights) if model else (path,)
    return Exported(path, files, found.max_difference, found.label_flips)


def _graph_of(model: Model | None) -> Graph:
    assert model is not None
    assert model.graph is not None
    return model.graph


def _compared(path: Path, text: str, name: str, graph: Graph, model: Model | None, weights: Path) -> Found:
    """What a comparison of the file's text finds; ExportError unless nothing."""
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / "trial.py"
        trial.write_text(text, encoding="utf-8")
        try:
            found = compare_net(trial, name, graph)
            if model is not None:
                found += compare_model(trial, weights, model)
        except ExportError as error:
            raise ExportError(_refusal(path, str(error))) from error
        except Exception as error:  # whatever happens in a file that we wrote ourselves is a fault of ours
            raise ExportError(_refusal(path, f"{type(error).__name__}: {str(error)[:500]}")) from error
    if found.max_difference or found.label_flips:
        raise ExportError(_refusal(path, f"its outputs differ by up to {found.max_difference:g}"))
    return found


def _refusal(path: Path, why: str) -> str:
    return (
        f"{path}: not written: as a file the net does not answer as it does here ({why}). "
        f"This is a fault of striate, not of the net; please report it with the net's text"
    )


def _check_free(path: Path, beside: list[Path]) -> None:
    """SpecError where somebody else's file would be lost."""
    if path.suffix != ".py":
        raise SpecError(f"{path}: the source of a net is a Python file; give a name that ends in .py")
    if not path.parent.is_dir():
        raise SpecError(f"{path}: there is no folder {path.parent}; make it first")
    ours = path.is_file() and MARK in path.read_text(encoding="utf-8", errors="replace")[:2000]
    for file in [path, *beside]:
        if file.exists() and not ours:
            raise SpecError(f"{file}: is there already, and not by this command; give another name with -o")


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)
