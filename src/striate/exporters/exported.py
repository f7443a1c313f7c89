"""What an export gives: the files, and how far their answers are from the network's."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from striate.errors import Error


class ExportError(Error):
    """What was written does not answer as the module that it was written from, or could not be written at all."""


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
        where: The items with a flip, the worst first; without one, that with the largest difference. Ten at most.
        batch_sizes: In which the items went through the exported file.
    """

    on: str
    items: int
    outputs: int
    max_difference: float
    scores_difference: float
    label_flips: int
    where: tuple[str, ...]
    batch_sizes: tuple[int, ...]


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
    snippet: str = ""

    def as_dict(self) -> dict[str, object]:
        """As ``striate export --json`` prints it."""
        values = asdict(self) | {"path": str(self.path), "files": [str(file) for file in self.files]}
        if self.comparison is None:
            return {name: value for name, value in values.items() if name in SOURCE}
        return {name: value for name, value in values.items() if name != "predicts" and value not in (None, "")}


SOURCE = ("path", "files", "max_difference", "label_flips", "predicts", "to")
