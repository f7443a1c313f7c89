"""A finished run: what it is worth, in a line and as a document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from striate.metrics import MultilabelScores, RegressionScores, Scores
from striate.model.model import Model
from striate.report import AnyScores

if TYPE_CHECKING:
    from striate.run.running import Run


@dataclass(frozen=True)
class Result:
    """A finished run: the best model and what it is worth on the test part."""

    run: Run
    model: Model
    test: AnyScores

    def headline(self) -> str:
        """What the model is worth, in a line."""
        test = self.test
        match test:
            case Scores():
                (low, high), count = test.accuracy_interval, f"{test.right} of {test.n} {self.items}"
                return f"test accuracy {test.accuracy:.2%} ({count}; 95 % interval {low:.1%} to {high:.1%})"
            case MultilabelScores():
                count = f"macro F1 {test.macro_f1:.2%}; every label right: {test.right} of {test.n} {self.items}"
                return f"test mean average precision {test.mean_average_precision or 0.0:.2%} ({count})"
            case RegressionScores():
                (low, high) = test.mae_interval
                r2 = "" if test.r2 is None else f", r2 {test.r2:.3f}"
                beside = f"the training mean would give {test.baseline_mae:.4g}{r2}"
                return f"test mean absolute error {test.mae:.4g} (95 % interval {low:.4g} to {high:.4g}; {beside})"
            case _:
                (low, high) = test.mean_iou_interval
                pixels = f"{test.pixel_accuracy:.1%} of the pixels right"
                return f"test mean IoU {test.mean_iou:.2%} (95 % interval {low:.1%} to {high:.1%}; {pixels})"

    @property
    def items(self) -> str:
        """What the data are made of, in a word."""
        mode = self.model.contract.mode
        return {"text": "texts", "values": "items"}.get(mode, "images")

    def as_dict(self) -> dict[str, Any]:
        """As ``striate train --json`` prints it."""
        run = self.run
        return {
            "model": str(run.folder / "model.safetensors"),
            "run": str(run.folder),
            "task": run.task.name,
            "epochs": len(run.history),
            "best_epoch": run.best_epoch,
            "seconds": run.seconds,
            "parameters": run.table.parameters,
            "train": {"n": len(run.parts["train"]), "loss": run.history[-1]["train/loss"]},
            "val": {"n": len(run.parts["val"]), **_val(run)},
            "test": {key: value for key, value in self.test.as_dict().items() if key not in LONG},
        }


LONG = ("worst", "confusion")  # what of the figures is left to ``striate evaluate``


def _val(run: Run) -> dict[str, float | None]:
    row = next((row for row in run.history if row["epoch"] == run.best_epoch), run.history[-1])
    metric = run.task.metric
    return {metric.name: row[metric.column], "loss": row["val/loss"]}
