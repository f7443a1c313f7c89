"""``striate evaluate A B DATA``: two models on the same items, for every task."""

import json

import numpy as np
import pytest
import torch

import striate
from striate import compare, train
from striate.errors import DataError, RecipeError
from striate.model.model import Model

TINY = "flatten; linear 10"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """One run that has learned little, and one that has learned more."""
    here = tmp_path_factory.mktemp("pairs")
    for name, epochs in (("little", 1), ("more", 3)):
        train(TINY, "digits", epochs=epochs, lr=0.005, batch_size=64, out=here / name, quiet=True)
    return here


def test_the_words_are_model_model_data_in_any_number(models, cli):
    little, more = models / "little", models / "more"
    three = cli("evaluate", little, more, "digits", "--json")
    two = cli("evaluate", little, more, "--json")
    keyed = cli("evaluate", f"model={little}", f"other={more}", "data=digits", "--json")
    assert three.code == two.code == keyed.code == 0
    found = json.loads(three.out)
    assert found == json.loads(two.out) == json.loads(keyed.out)
    assert {"difference", "interval", "p", "flips", "verdict"} <= found.keys()
    assert (found["n"], found["verdict"], found["metric"]) == (360, "better", "accuracy")
    a, b = (striate.evaluate(folder, "digits") for folder in (little, more))
    assert (found["first"], found["second"]) == pytest.approx((a.accuracy, b.accuracy))
    assert found["flips"] == {"better": int((a.errors > b.errors).sum()), "worse": int((a.errors < b.errors).sum())}
    one = cli("evaluate", little, "digits", "--json")
    assert json.loads(one.out)["accuracy"] == a.accuracy
    assert json.loads(cli("evaluate", f"model={little}", "data=digits", "--json").out)["accuracy"] == a.accuracy


def test_the_text_says_the_difference_and_the_verdict(models, cli):
    said = cli("evaluate", models / "more", models / "little", "digits").out
    assert said.startswith(f"{models / 'more'} and {models / 'little'} on the test split of digits\n")
    assert f"{models / 'little'} is worse than {models / 'more'}, by " in said
    assert "McNemar's exact test" in said


def test_a_model_beside_itself(models):
    found = compare(models / "more", models / "more")
    assert found.verdict == "not distinguishable"
    assert "right and wrong on the same 360 images" in found.sentence
    assert (found.paired.better, found.paired.worse, found.paired.p, found.paired.needed) == (0, 0, 1.0, None)


def test_of_runs_of_other_splits_the_items_are_compared_that_neither_was_trained_on(models, tmp_path):
    said = []
    x, y = (getattr(striate.open_data("digits").train, name)[:400] for name in ("inputs", "targets"))
    for seed in (1, 2):
        train(TINY, (x, y), epochs=1, seed=seed, out=tmp_path / str(seed), quiet=True)
    found = compare(tmp_path / "1", tmp_path / "2", (x, y), split="val", say=said.append)
    with open(tmp_path / "1/split.csv") as one, open(tmp_path / "2/split.csv") as two:
        val = [{line.split(",")[1] for line in file if line.startswith("val,")} for file in (one, two)]
    both = val[0] & val[1]
    assert 0 < len(both) < len(val[0])
    assert found.paired.n == len(both)
    assert said == [
        f"note: {len(both)} items are in the val split of both models, of {len(val[0])} and {len(val[1])}; these are "
        f"compared"
    ]


def test_nothing_that_both_have_is_an_error(models, monkeypatch):
    from striate.run import pairing

    def of_its_own(model, data, split, **how):
        (held,) = parts_for(model, data, split, **how)
        return [held.take(np.arange(5) + (0 if "little" in str(model.path) else 10))]

    parts_for = pairing.parts_for
    monkeypatch.setattr(pairing, "parts_for", of_its_own)
    with pytest.raises(DataError, match="no item is in the test split of both runs"):
        compare(models / "little", models / "more", "digits")


def test_models_for_different_tasks_are_not_compared(models, tmp_path):
    x = np.random.default_rng(0).random((60, 16)).astype(np.float32)
    train("flatten; linear 1", (x, x.sum(1)), epochs=1, out=tmp_path / "sum", quiet=True)
    with pytest.raises(RecipeError, match=r"is for classification, .*sum for regression: compare models"):
        compare(models / "more", tmp_path / "sum", "digits")


def test_without_data_one_of_the_models_has_to_say_which(models):
    model = striate.load(models / "more")
    model.path = None
    with pytest.raises(RecipeError, match="give the data to compare them on"):
        compare(model, model)
    assert compare(model, models / "more").verdict == "not distinguishable"


def bright_pixels():
    """Images of 4x4, with a label for each of three pixels that is bright."""
    x = np.random.default_rng(0).integers(0, 256, (300, 4, 4), np.uint8)
    return x, (x[:, 0, :3] > 127).astype(np.uint8)


TASKS = {  # and what makes the network worse
    "multilabel": (bright_pixels(), "flatten; linear 3", lambda scores: -scores),
    "regression": ("shapes:regression,n=60,test=40", "flatten; linear 3", lambda scores: scores + 30),
    "segmentation": ("shapes:segmentation,n=40,test=10", "conv 9 3 padding=1", lambda scores: -scores),
}


class Changed(torch.nn.Module):
    """A module whose scores are changed."""

    def __init__(self, module, change):
        super().__init__()
        self.module, self.change = module, change

    def forward(self, x):
        return self.change(self.module(x))


@pytest.mark.parametrize("task", [pytest.param(t, marks=pytest.mark.slow if t == "regression" else ()) for t in TASKS])
def test_every_task(task, tmp_path):
    """Beside itself, and beside one that knows less."""
    data, net, change = TASKS[task]
    model = train(net, data, epochs=10, batch_size=16, lr=0.03, out=tmp_path / "run", quiet=True)
    alike = compare(model, model, data)
    assert alike.verdict == "not distinguishable"
    assert alike.paired.metric.name == model.contract.task.metric.name
    worse = compare(model, Model(Changed(model.module, change), model.contract), data)
    assert worse.verdict == "worse"
    assert (worse.paired.difference > 0) == (task == "regression")
    assert worse.paired.test == "paired bootstrap"
    assert worse.paired.worse > worse.paired.better
    assert worse.paired.first == pytest.approx(getattr(striate.evaluate(model, data), worse.paired.metric.name))
    assert "the second model is worse than" in str(worse)
    assert json.dumps(worse.as_dict(), allow_nan=False)


def test_a_table_of_every_item_is_of_one_model(models, cli):
    answer = cli("evaluate", models / "more", models / "little", "digits", "-o", models / "items.csv")
    assert answer.code == 2
    assert "--out is for one model" in answer.err
