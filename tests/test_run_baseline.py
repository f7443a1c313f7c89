"""A run says whether its network is better than a plain model of the same splits."""

import json
from dataclasses import replace
from html import unescape

import numpy as np
import pytest

import striate
from striate.model.contract import Contract
from striate.run import prepare
from striate.run.baseline import BaselineResult, advice_beside, baseline_of

FOUND = BaselineResult("classification", "HOG", 90, 100, 50, 0.9, 0.7, (-0.3, -0.1), "worse", 0.1)


def run_of(tmp_path, data, **settings):
    run = prepare(data, settings.pop("net", None), out=tmp_path / "run", settings=settings, say=lambda text: None)
    for _ in run.events():
        pass
    return run.finish()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("shapes:classification,n=60,test=40,size=24", "colour histogram + HOG + linear classifier"),
        ("shapes:multilabel,n=60,test=40,size=24", "colour histogram + HOG + linear classifier"),
        ("shapes:regression,n=60,test=40,size=24", "colour histogram + HOG + linear regression"),
        ("shapes:segmentation,n=60,test=40,size=24", "logistic regression of single pixels"),
    ],
)
def test_every_task_has_its_baseline(tmp_path, data, name):
    result = run_of(tmp_path, data, epochs=1)
    found = result.run.beside
    assert (found.name, found.n) == (name, 40)
    metric = result.run.task.metric
    assert found.network == pytest.approx(getattr(result.test, metric.name))
    assert found.line() in result.lines()
    assert found.line().removeprefix("baseline ") in unescape((tmp_path / "run" / "report.html").read_text())
    assert json.loads(json.dumps(result.as_dict()))["baseline"] == found.as_dict()
    assert baseline_of(str(tmp_path / "run")) == baseline_of(str(tmp_path / "run" / "model.safetensors")) == found


def test_a_network_that_is_worse_is_warned_of_and_says_what_to_try(tmp_path):
    result = run_of(tmp_path, "digits", net="flatten; linear 10", epochs=1, fraction=0.3, lr=1e-5)
    assert result.run.beside.verdict == "worse"
    (warning,) = (text for text in result.warnings() if "plain model" in text)
    assert warning.startswith("no better than a plain model: colour histogram + HOG + linear classifier has accuracy 9")
    assert warning.endswith(
        'use more --epochs, --augment "standard flip=no", --tune 5m or more data, or stay with the plain model'
    )


def test_values_and_texts(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 1, 8)).astype(np.float32)
    result = run_of(tmp_path, (x, (x[:, 0, 0] > 0).astype(int)), net="flatten; linear 2", epochs=1)
    assert result.run.beside.name == "logistic regression"
    assert result.run.beside.value > 0.8
    (tmp_path / "t.csv").write_text(
        "text,label\n" + "".join(f"film {i} is {w},{w}\n" for i in range(60) for w in ("good", "bad"))
    )
    result = run_of(tmp_path / "texts", tmp_path / "t.csv", epochs=1)
    assert (result.run.beside.name, result.run.beside.value) == ("tf-idf + logistic regression", 1)


def test_it_can_be_left_out(tmp_path):
    run = prepare("digits", out=tmp_path / "run", settings={"epochs": 1}, baseline=False, say=lambda text: None)
    for _ in run.events():
        pass
    result = run.finish()
    assert result.run.beside is None
    assert result.as_dict()["baseline"] is None
    assert len(result.lines()) == 2
    assert baseline_of(str(tmp_path / "run")) is None


def test_the_words():
    assert FOUND.line() == (
        "baseline accuracy 90.00% (HOG, fitted on 90 of 100 items); the network is worse by 20.00 points (95% interval "
        "10.00 to 30.00)"
    )
    assert FOUND.warning("do it") == (
        "no better than a plain model: HOG has accuracy 90.00% on 50 test items, the network 70.00%; do it"
    )
    some = replace(FOUND, test_items=1200)
    assert "(HOG, fitted on 90 of 100 items, measured on 50 of 1,200 test items); the" in some.line()
    assert "has accuracy 90.00% on 50 of 1,200 test items, the" in some.warning("do it")
    few = BaselineResult.from_dict(FOUND.as_dict() | {"n": 20})
    assert few.warning("do it") == ""
    level = BaselineResult.from_dict(FOUND.as_dict() | {"verdict": "not distinguishable", "network": 0.92})
    assert level.line().endswith("; the network's 92.00% is not distinguishable from it with 50 items")
    assert level.warning("do it") == ""
    error = BaselineResult("regression", "linear regression", 9, 9, 50, 2.0, 3.0, (0.5, 1.5), "worse", 0.1)
    assert error.line().endswith("; the network is worse by 1 (95% interval 0.5 to 1.5)")
    assert error.warning("do it")


def test_what_to_try_suits_the_items():
    text = Contract(("a", "b"), (20,), "text", (), (), vocabulary=("film",))
    tuned = "--tune 5m or more data, or stay with the plain model"
    assert advice_beside(text, "none", overfits=False) == f"use more --epochs, {tuned}"
    assert advice_beside(text, "none", overfits=True) == f"use {tuned}"  # more epochs would make that worse
    photos = Contract(("cat", "dog"), (3, 128, 128), "RGB", (0.5,) * 3, (0.25,) * 3)
    said = advice_beside(photos, "none", overfits=False)
    assert "--augment standard" in said
    assert "pretrained weights (--weights mobilenet_v2)" in said
    assert "--augment" not in advice_beside(photos, "shift=2", overfits=False)  # there is some already


def test_nobody_is_warned_of_a_network_that_makes_no_mistake():
    found = BaselineResult("classification", "HOG", 90, 90, 50, 1.0, 1.0, (0.0, 0.0), "not distinguishable", 0.1)
    assert found.warning("use more data") == ""
    assert "no better than a plain model" in replace(found, value=0.9, network=0.9).warning("use more data")


def test_of_a_large_test_split_some_items_are_compared(tmp_path, monkeypatch):
    monkeypatch.setattr("striate.run.baseline.TESTED", 50)
    result = run_of(tmp_path, "digits", epochs=1)
    assert result.run.beside.n == 50
    assert "measured on 50 of 360 test items" in result.run.beside.line()
    assert result.test.n == 360


def test_evaluate_shows_the_baseline_of_the_run(tmp_path, cli):
    found = run_of(tmp_path, "digits", epochs=1, net="flatten; linear 10").run.beside
    assert cli("evaluate", tmp_path / "run").out.endswith(f"\n\nof the run: {found.line()}\n")
    assert json.loads(cli("evaluate", tmp_path / "run", "--json").out)["baseline"] == found.as_dict()
    assert "baseline accuracy" not in cli("evaluate", tmp_path / "run", "--split", "val").out


def test_python_says_it_too(tmp_path, capsys):
    striate.train("flatten; linear 10", "digits", epochs=1, out=tmp_path / "run")
    assert "baseline accuracy" in capsys.readouterr().err


def test_balanced_training_is_compared_by_the_balanced_metric(tmp_path):
    """Of rare classes: the plain model answers with the common one, which its accuracy rewards."""
    x = np.random.default_rng(0).normal(size=(400, 16)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] > 2.2).astype(int)  # one in twenty
    result = run_of(tmp_path, (x, y), net="flatten; linear 16; relu; linear 2", epochs=3, balance="weights")
    found = result.run.beside
    assert found.metric.name == "balanced_accuracy"
    assert found.network == pytest.approx(result.test.balanced_accuracy)
    assert "balanced accuracy" in found.line()
    assert BaselineResult.from_dict(found.as_dict()) == found


def test_of_groups_whole_groups_are_drawn(tmp_path, monkeypatch):
    import striate.run.baseline as module

    seen = []
    scoring = module.scoring_of("classification")
    real = scoring.compare

    def watched(first, second, groups=(), metric=None):
        seen.append(groups)
        return real(first, second, groups, metric)

    monkeypatch.setattr(type(scoring), "compare", lambda self, *args: watched(*args))
    rng = np.random.default_rng(0)
    lines = [f"{'good' if i % 2 else 'bad'} film {rng.integers(99)} {i},{'np'[i % 2]},{i // 10}" for i in range(120)]
    (tmp_path / "t.csv").write_text("text,label,speaker\n" + "\n".join(lines) + "\n")
    run = prepare(tmp_path / "t.csv", out=tmp_path / "run", settings={"epochs": 1}, group="speaker")
    list(run.events())
    run.finish()
    assert len({*seen[0]}) == len({*run.held["test"].source.groups}) > 1
