"""A change of the loop that is meant to change nothing leaves the first losses as they are (see golden/losses.json).

To write them anew, after a change that is meant to: ``python tests/learn/test_golden.py``.
"""

import json
import platform
from pathlib import Path

import pytest
import torch

from striate.learning import Recipe, Step
from striate.run import prepare

GOLDEN = Path(__file__).parents[1] / "golden" / "losses.json"
RECIPE = Recipe(  # said in full, so that better defaults do not matter here
    epochs=20, batch=32, lr=2e-3, schedule="cosine", warmup=0.1, optimiser="adamw", momentum=0.9, weight_decay=0.01,
    l1=0.0, label_smoothing=0.0, loss="crossentropy", clip=0.0, seed=0,
)  # fmt: skip


def machine():
    return {
        "torch": torch.__version__,
        "cpu": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
        "threads": torch.get_num_threads(),
    }


def first_losses(folder, recipe=RECIPE):
    run = prepare("digits", "lenet5", recipe, init="glorot", out=folder)
    losses = []
    for event in run.events():
        assert isinstance(event, Step)
        losses.append(event.loss)
        if len(losses) == 10:
            return losses
    raise AssertionError("an epoch of less than ten steps")


def test_the_first_ten_losses_of_lenet5_on_the_digits(tmp_path):
    golden = json.loads(GOLDEN.read_text())
    losses = first_losses(tmp_path / "run")
    assert losses == pytest.approx(golden["losses"], rel=1e-4)
    if machine() == golden["machine"]:
        assert losses == golden["losses"]


def test_the_seed_decides_them(tmp_path):
    from dataclasses import replace

    golden = json.loads(GOLDEN.read_text())["losses"]
    assert first_losses(tmp_path / "run", replace(RECIPE, seed=1)) != pytest.approx(golden, rel=1e-2)


if __name__ == "__main__":
    import tempfile

    torch.set_num_threads(1)
    losses = first_losses(Path(tempfile.mkdtemp()) / "run")
    GOLDEN.write_text(json.dumps({"machine": machine(), "losses": losses}, indent=2) + "\n")
