"""What an export gives: the files, how far their answers are from the network's; and what it may need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from striate.errors import Error, SpecError
from striate.tasks import Metric


class ExportError(Error):
    """What was written does not answer as the module that it was written from, or could not be written at all."""


def check_free(files: Sequence[Path], ending: str, is_own: Callable[[Path], bool]) -> None:
    """SpecError where the first of *files* does not end in *ending*, or another's file would be lost: one that is
    there, and the first is not, or *is_own* does not know it.
    """
    path = files[0]
    if path.suffix != ending:
        raise SpecError(f"{path}: give a name that ends in {ending}")
    if not path.parent.is_dir():
        raise SpecError(f"{path}: there is no folder {path.parent}; make it first")
    ours = path.is_file() and is_own(path)
    for file in files:
        if file.exists() and not (ours and file.is_file()):
            raise SpecError(f"{file}: already exists, and was not written by this command; give another name with -o")


@dataclass(frozen=True)
class FileComparison:
    """An exported file beside the model that it was written from, on the same prepared items.

    Args:
        on: Which items: ``"the test split of digits"``, ``"generated inputs"``.
        items: How many.
        outputs: How many predictions were compared: the items, or their labels, or their pixels.
        max_difference: The largest of two probabilities; of values, in standard deviations of the targets.
        scores_difference: The largest of two scores, as a share of the largest score.
        label_flips: Predictions that are another class, or another side of a label's threshold.
        ties: Changed predictions of classes whose probabilities are equal to 0.00001: either is right.
        where: The items with a flip, the worst first; without one, that with the largest difference. Ten at most.
        batch_sizes: In which the items went through the exported file.
    """

    on: str
    items: int
    outputs: int
    max_difference: float
    scores_difference: float
    label_flips: int
    ties: int
    where: tuple[str, ...]
    batch_sizes: tuple[int, ...]


@dataclass(frozen=True)
class Reduction:
    """What a smaller file costs and gains beside the one in float32, both measured, on the same items.

    Args:
        kind: ``"int8"`` or ``"half"``.
        metric: What was measured of both.
        before: It, in float32.
        after: It, of the smaller file.
        loss: How much worse that is: of shares the difference, of errors the share by which they are larger.
        speed: How many times as fast it is, on this machine, items in batches of 16.
        size: How many times as small.
        bytes: Of the smaller file.
    """

    kind: str
    metric: Metric
    before: float
    after: float
    loss: float
    speed: float
    size: float
    bytes: int

    def line(self) -> str:
        """In a line, for people."""
        before, after = map(self.metric.number, (self.before, self.after))
        return (
            f"{self.kind}: {self.metric.words} {after} (float32: {before}); {self.speed:.1f} times as fast, "
            f"{self.size:.1f} times as small ({self.bytes / 1e6:,.2f} MB)"
        )

    def as_dict(self) -> dict[str, object]:
        """The metric by its name."""
        return asdict(self) | {"metric": self.metric.name}


@dataclass(frozen=True)
class Exported:
    """What was written, and how far its answers are from the module's: within the tolerance, or it would not be there.

    Args:
        path: The file.
        files: All that was written.
        max_difference: The largest of outputs (of source) or probabilities.
        label_flips: Predictions that changed.
        predicts: Of source: the file prepares images and says their class too.
        to: The format.
        opset: Of ONNX: the version of the operators.
        comparison: What was compared; None of source.
        reduction: Of a smaller file, what it costs and gains.
        snippet: Code that uses the file, where it was asked for.
    """

    path: Path
    files: tuple[Path, ...]
    max_difference: float
    label_flips: int
    predicts: bool = False
    to: str = "source"
    opset: int | None = None
    comparison: FileComparison | None = None
    reduction: Reduction | None = None
    snippet: str = ""

    def as_dict(self) -> dict[str, object]:
        """As ``striate export --json`` prints it."""
        values = asdict(self) | {"path": str(self.path), "files": [str(file) for file in self.files]}
        if self.reduction is not None:
            values["reduction"] = self.reduction.as_dict()
        if self.comparison is None:
            return {name: value for name, value in values.items() if name in SOURCE}
        return {name: value for name, value in values.items() if name != "predicts" and value not in (None, "")}


SOURCE = ("path", "files", "max_difference", "label_flips", "predicts", "to")


def needed(package: str, extra: str) -> Any:
    """The *package*, imported; ExportError with the command that installs it, where it is not there: it is of *extra*.

    >>> needed("json", "export").dumps([1])
    '[1]'
    """
    if find_spec(package) is None:
        raise ExportError(f"it needs the package {package}: pip install 'striate[{extra}]'")
    return import_module(package)
