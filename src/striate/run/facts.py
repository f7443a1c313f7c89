"""What a report says of a run besides its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from striate._version import __version__
from striate.datasets.augment import Augment
from striate.errors import shape_text
from striate.learning import loss_name

if TYPE_CHECKING:
    from striate.run.running import Run


def facts(run: Run) -> list[tuple[str, str]]:
    """What a report says of a run besides its figures."""
    recipe, contract = run.recipe, run.model.contract
    counts = {name: f"{len(arrays):,}" for name, arrays in run.parts.items()}
    broken = sum(len(arrays.broken) for arrays in run.parts.values())
    sides = shape_text(contract.input)
    input = f"{contract.input[0]} words" if contract.mode == "text" else sides
    found = [
        ("network", f"{run.net}, {run.table.parameters:,} parameters"),
        ("data", f"{run.data}: {counts['train']} training, {counts['val']} validation, {counts['test']} test"),
        ("input", f"{input}, {contract.resize}" if contract.mode not in ("text", "values") else input),
        ("recipe", f"{recipe.epochs} epochs of {recipe.optimizer}, batch size {recipe.batch_size}, lr {recipe.lr:g}"),
        ("loss", loss_name(recipe, run.task)),
        ("augmentation", str(run.augment) if run.augment != Augment() else ""),
        ("balance", BALANCES[recipe.balance]),
        ("part of the data", f"{recipe.fraction:.3g} of the training part" if recipe.fraction != 1 else ""),
        ("seed", str(recipe.seed)),
        ("time", f"{run.seconds:.1f} s on {run.device.type}, {_threads()}"),
        ("versions", f"striate {__version__}, torch {torch.__version__}"),
        ("began with", run.begun_from),
        ("left out", f"{broken:,} items that cannot be read" if broken else ""),
    ]
    return [(label, value) for label, value in found if value]


def _threads() -> str:
    n = torch.get_num_threads()
    return f"{n} thread{'s' * (n != 1)}"


BALANCES = {
    "none": "",
    "weights": "rare classes count for more in the loss",
    "sampling": "rare classes come as often as the others in training",
}
