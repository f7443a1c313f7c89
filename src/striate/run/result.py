"""A finished run: what it is worth, in a line, as a document, and what its report shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from striate._version import __version__
from striate.analysis import format_bytes
from striate.datasets.augment import Augment
from striate.errors import counted, shape_text
from striate.learning import loss_name
from striate.metrics import Scores
from striate.model.contract import Contract
from striate.model.model import Model
from striate.model.predictor import output_context
from striate.report import ItemView
from striate.run.baseline import advice_beside
from striate.run.measuring import Held
from striate.run.pace import items_rate, peak_memory
from striate.tasks.scoring import scoring_of

if TYPE_CHECKING:
    from striate.run.running import Run

LONG = ("worst", "confusion")  # what of the metrics is left to ``striate evaluate``
BALANCES = {
    "none": "",
    "weights": "rare classes count for more in the loss",
    "sampling": "rare classes come as often as the others in training",
}


def made_of(contract: Contract) -> str:
    """What the items of a model are, in a word."""
    return {"text": "texts", "values": "items"}.get(contract.mode, "images")


@dataclass(frozen=True)
class Result:
    """A finished run: the best model and what it is worth on the test split."""

    run: Run
    model: Model
    test: Scores

    def headline(self) -> str:
        """What the model is worth, in a line."""
        return f"test {self.test.headline(made_of(self.model.contract))}"

    def lines(self) -> list[str]:
        """The headline, and beside it training and validation, and a plain model."""
        run = self.run
        beside = [run.beside.line()] if run.beside else []
        return [self.headline(), *([run.verdict.line()] if run.verdict else []), *beside]

    def effort(self) -> str:
        """What the training took, in a line, and which epoch was kept."""
        run = self.run
        rate = items_rate(run.pace.items, run.pace.seconds, made_of(self.model.contract))
        memory = peak_memory(run.device)
        return "; ".join(
            [
                f"trained {counted(len(run.history), 'epoch')} in {run.seconds:.1f} s" + f", {rate}" * bool(rate),
                run.chosen_by,
                *([] if memory is None else [f"peak memory {format_bytes(memory)}"]),
            ]
        )

    def warnings(self) -> list[str]:
        """What is wrong with the run, a line each."""
        return [*_wrong(self.run), *filter(None, [self.run.pace.note()])]

    def as_dict(self) -> dict[str, Any]:
        """As ``striate train --json`` prints it."""
        run = self.run
        known = {run.verdict.metric.name: run.verdict.train} if run.verdict else {}
        return {
            "model": str(run.folder / "model.safetensors"),
            "run": str(run.folder),
            **({"page": str(run.page_file) if run.page_file else None} if run.page else {}),
            "task": run.task.name,
            "epochs": len(run.history),
            "best_epoch": run.best_epoch,
            "seconds": run.seconds,
            "items_per_second": run.pace.items_per_second,
            "waiting": run.pace.waiting_share,
            "peak_memory": peak_memory(run.device),
            "parameters": run.table.parameters,
            "train": {"n": len(run.parts["train"]), "loss": run.history[-1]["train/loss"], **known},
            "val": {"n": len(run.parts["val"]), **_val(run)},
            "test": {key: value for key, value in self.test.as_dict().items() if key not in LONG},
            "baseline": run.beside.as_dict() if run.beside else None,
            "warnings": self.warnings(),
        }


def _wrong(run: Run) -> list[str]:
    """What is wrong with the model of a run, a line each."""
    beside, verdict = run.beside, run.verdict
    overfits = bool(verdict and verdict.overfitting())
    advice = advice_beside(run.model.contract, str(run.augment), overfits=overfits)
    no_better = beside.warning(advice) if beside else ""
    return [text for text in (run.divergence, *(verdict.warnings() if verdict else ()), no_better) if text]


def _val(run: Run) -> dict[str, float | None]:
    row = run.kept_row or run.history[-1]
    metric = run.task.metric
    return {metric.name: row[metric.column], "loss": row["val/loss"]}


def facts(run: Run) -> list[tuple[str, str]]:
    """What a report says of a run besides its metrics."""
    recipe, contract = run.recipe, run.model.contract
    counts = {name: f"{len(arrays):,}" for name, arrays in run.parts.items()}
    broken = sum(len(arrays.broken) for arrays in run.parts.values())
    skipped = [f"{broken:,} that cannot be read"] * bool(broken)
    skipped += [f"{run.skipped:,} without a file or a target"] * bool(run.skipped)
    sides = shape_text(contract.input)
    fewer = f"{len(run.history)} of " * (len(run.history) < recipe.epochs)  # it stopped early
    epochs = fewer + counted(recipe.epochs, "epoch")
    input = f"{contract.input[0]} words" if contract.mode == "text" else sides
    found = [
        ("network", f"{run.net}, {run.table.parameters:,} parameters"),
        ("data", f"{run.data}: {counts['train']} training, {counts['val']} validation, {counts['test']} test"),
        ("input", f"{input}, {contract.resize}" if contract.mode not in ("text", "values") else input),
        ("recipe", f"{epochs} of {recipe.optimizer}, batch size {recipe.batch_size}, lr {recipe.lr:g}"),
        ("loss", loss_name(recipe, run.task)),
        ("augmentation", str(run.augment) if run.augment != Augment() else ""),
        ("balance", BALANCES[recipe.balance]),
        ("share of the data", f"{recipe.fraction:.3g} of the training split" if recipe.fraction != 1 else ""),
        ("random seed", str(recipe.seed)),
        ("time", f"{run.seconds:.1f} s on {run.device.type}, {run.speed}"),
        ("versions", f"striate {__version__}, torch {torch.__version__}"),
        ("fine-tuned from", run.begun_from),
        ("training and validation", run.verdict.line() if run.verdict else ""),
        ("baseline", run.beside.line().partition(" ")[2] if run.beside else ""),
        ("calibration", run.sureness.line()),
        ("skipped", f"{counted(broken + run.skipped, 'item')}: {', '.join(skipped)}" if skipped else ""),
    ]
    warnings = [("warning", text) for text in _wrong(run)]
    return [*warnings, *((label, value) for label, value in found if value)]


def worst_items(model: Model, held: Held, scores: Scores) -> dict[int, ItemView]:
    """What to show of ``scores.worst``, by index: as the network sees it, with target and prediction drawn in."""
    views = {item.index: item_view(model, held, item.index) for item in scores.worst}
    return {i: view for i, view in views.items() if view is not None}


def item_view(model: Model, held: Held, i: int) -> ItemView | None:
    """Item *i* of *held* as the network sees it, with target and prediction drawn in; None of a row of numbers."""
    contract = model.contract
    if contract.mode == "text":
        return ItemView(text=str(held.source.inputs[held.kept[i]]))
    pixels = np.asarray(held.arrays.inputs[i])
    if contract.mode == "values" and (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[1] == 1)):
        return ItemView(signal=pixels.reshape(len(pixels), -1))
    if contract.mode == "values" and pixels.ndim <= 2:
        return None
    view = ItemView(_image_of(pixels, contract))
    if not (contract.task.per_pixel or contract.positions):
        return view
    scores, context = model.scores(pixels[None])[0], output_context(contract)
    return scoring_of(contract.task).mark(view, scores, held.arrays.targets[i], context)


def _image_of(pixels: np.ndarray, contract: Contract) -> np.ndarray:
    """One input as an image, uint8 ``(H, W)`` or ``(3, H, W)``.

    Of more than three channels (or two) the first three (the first); of values the range from the min to the max; of a
    volume the middle slice.
    """
    if contract.mode == "values":
        pixels = pixels[:, pixels.shape[1] // 2] if pixels.ndim == 4 else pixels
        low, high = float(pixels.min()), float(pixels.max())
        pixels = np.rint((pixels - low) * (255 / ((high - low) or 1))).astype(np.uint8)
    return np.ascontiguousarray(pixels[:3] if len(pixels) >= 3 else pixels[0])
