"""What earlier versions wrote is read: model files score as they did, stopped runs resume as they would have gone on.

``stored/v0.1`` has of each kind of data a model file, the folder of a run that was stopped inside its second epoch,
and a JSON file with what that version computed after it: the scores of the first test items, the losses of the steps
that were left. On the machine that wrote them today's are equal bit for bit; on another, whose kernels add in another
order, they agree within the bounds below.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from striate.learning import Epoch, Step
from striate.model.model import load
from striate.run import parts_for, prepare

STORED = Path(__file__).parent / "stored" / "v0.1"
KINDS = {
    "classes": "digits",
    "labels": "shapes:multilabel,n=60,test=20,size=24",
    "values": "shapes:regression,n=60,test=20,size=24",
    "masks": "shapes:segmentation,n=24,test=8,size=24",
    "texts": "texts.csv",
    "signals": "signals.npz",
    "volumes": "volumes.npz",
}
LOSSES = 1e-4  # relative, after at most 64 steps of rounding in another order


@pytest.fixture
def folder(tmp_path, monkeypatch):
    shutil.copytree(STORED, tmp_path / "stored")
    monkeypatch.chdir(tmp_path / "stored")
    return tmp_path / "stored"


def items(kind):
    model = load(f"{kind}.safetensors")
    (held,) = parts_for(model, KINDS[kind])
    return model, held


@pytest.mark.parametrize("kind", KINDS)
def test_a_stored_model_scores_as_it_did(kind, folder):
    stored = json.loads((folder / f"{kind}.json").read_text())
    model, held = items(kind)
    scores = model.scores(held.arrays.inputs[:4]).reshape(4, -1)[:, :12]
    # every sum of n products has n roundings, each of at most 2^-24 of a partial sum
    roundings = sum(weight[0].numel() for weight in model.module.parameters() if weight.ndim > 1)
    assert abs(scores - stored["scores"]).max() <= roundings * 2**-24 * max(1, abs(scores).max())
    assert json.loads(model.contract.to_json()) == json.loads(stored["contract"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_stored_model_predicts(kind, folder):
    model, held = items(kind)
    source = np.asarray(held.source.inputs)[:2]
    answers = model.predict([str(text) for text in source] if kind == "texts" else list(source))
    assert len(answers) == 2
    first = answers[0].as_dict()
    named = {
        "labels": lambda: [each["class"] for each in first["probabilities"]],
        "values": lambda: list(first["values"]),
        "masks": lambda: [*model.contract.classes] if first["size"] == [24, 24] else [],
    }.get(kind, lambda: sorted(each["class"] for each in first["top"]))()
    assert named == list(model.contract.classes)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stored_run_resumes_to_its_end(kind, folder):
    stored = json.loads((folder / f"{kind}.json").read_text())
    run = prepare(KINDS[kind], out=kind, resume=True)
    assert (run.state.epoch, run.state.step) == (1, 2)
    events = list(run.events())
    assert [event.loss for event in events if isinstance(event, Step)] == pytest.approx(stored["losses"], rel=LOSSES)
    assert [event.epoch for event in events if isinstance(event, Epoch)] == [2, 3]
    result = run.finish()
    assert (folder / kind / "report.html").is_file()
    for now, then in zip(run.history, stored["history"], strict=True):
        assert list(now) == list(then)
        assert now["train/loss"] == pytest.approx(then["train/loss"], rel=LOSSES)
    assert result.as_dict()["test"].keys() >= stored["result"]["test"].keys()


@pytest.mark.parametrize("kind", KINDS)
def test_the_bound_on_the_losses_can_fail(kind, folder):
    """A learning rate that is a tenth higher is told apart."""
    from dataclasses import replace

    stored = json.loads((folder / f"{kind}.json").read_text())
    run = prepare(KINDS[kind], out=kind, resume=True)
    run.recipe = replace(run.recipe, lr=run.recipe.lr * 1.1)
    losses = [event.loss for event in run.events() if isinstance(event, Step)]
    assert losses != pytest.approx(stored["losses"], rel=LOSSES)
