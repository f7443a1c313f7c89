"""A change of the loop that is meant to change nothing leaves the first losses as they are (golden/losses.json).

Processors and thread counts round differently, and each step carries the differences on, so no bits are compared: the
first loss is held to 1e-5 of itself, the tenth to 1e-3. Another seed changes them by a hundredth and more.
To write them anew, after a change that is meant to: ``python tests/learning/test_golden.py``.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from striate.learning import Recipe, Step
from striate.run import prepare

GOLDEN = Path(__file__).parents[1] / "golden" / "losses.json"
TEXTS = Path(__file__).parents[1] / "stored" / "v0.1" / "texts.csv"
RECIPE = Recipe(  # in full, so that better defaults do not matter here
    epochs=20, batch_size=32, lr=2e-3, schedule="cosine", warmup=0.1, optimizer="adamw", momentum=0.9,
    weight_decay=0.01, l1=0.0, label_smoothing=0.0, loss="auto", clip=0.0, seed=0,
    precision="float32", memory_format="contiguous",
)  # fmt: skip
NETS = {  # net -> data, batch size
    "lenet5": ("digits", 32),
    "vgg_small": ("shapes:n=400,test=20,size=32", 32),
    "unet_small": ("shapes:segmentation,n=160,test=8,size=32", 8),
    "textcnn": (str(TEXTS), 4),
}
BOUNDS = [1e-5 * 100 ** (i / 9) for i in range(10)]  # relative


def first_losses(net, folder, **changes):
    data, batch_size = NETS[net]
    recipe = replace(RECIPE, batch_size=batch_size, **changes)
    losses = []
    for event in prepare(data, net, recipe, init="glorot", out=folder).events():
        losses += [event.loss] if isinstance(event, Step) else []
        if len(losses) == 10:
            break
    return losses


def within(losses, golden):
    return [abs(a - b) <= bound * abs(b) for a, b, bound in zip(losses, golden, BOUNDS, strict=True)]


@pytest.mark.parametrize("net", NETS)
def test_the_first_ten_losses(net, tmp_path):
    golden = json.loads(GOLDEN.read_text())[net]
    losses = first_losses(net, tmp_path / "run")
    assert all(within(losses, golden)), [abs(a / b - 1) for a, b in zip(losses, golden, strict=True)]


@pytest.mark.parametrize("changes", [{"seed": 1}, {"lr": 2.1e-3}, {"optimizer": "adam"}])
def test_what_the_bounds_can_tell_apart(changes, tmp_path):
    golden = json.loads(GOLDEN.read_text())["lenet5"]
    assert not all(within(first_losses("lenet5", tmp_path / "run", **changes), golden))


if __name__ == "__main__":
    import tempfile

    torch.set_num_threads(1)
    found = {net: first_losses(net, Path(tempfile.mkdtemp()) / "run") for net in NETS}
    GOLDEN.write_text(json.dumps(found, indent=2) + "\n")
