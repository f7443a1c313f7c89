"""How sure a model is: what training fits on validation is kept in the file, and all that answers goes by it."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import striate
from striate.datasets import open_data
from striate.errors import DataError, RecipeError
from striate.metrics.calibration import fit_temperature, log_softmax
from striate.model.contract import Contract
from striate.model.model import Model, load
from striate.net import build
from striate.run import parts_for, prepare
from striate.run.predicting import predict
from striate.run.sureness import AFTER_CHOICE, Sureness, scored
from striate.spec import parse
from unfitted import unfitted

NET = "conv 16 3; relu; maxpool 2; flatten; linear 10"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on digits, whose labels were smoothed: its probabilities come out too small."""
    folder = tmp_path_factory.mktemp("sure") / "run"
    made = prepare("digits", NET, out=folder, settings={"epochs": 12, "batch_size": 32, "label_smoothing": 0.1})
    for _ in made.events():
        pass
    return made, made.finish()


@pytest.fixture
def model(run, tmp_path):
    """Its model file, in the folder of a run of one's own."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for name in ("model.safetensors", "split.csv", "recipe.json"):
        (folder / name).write_bytes((run[0].folder / name).read_bytes())
    return folder / "model.safetensors"


# ---------------------------------------------------------------------------------------------------- the temperature
def test_training_ends_calibrated_and_changes_no_label(run):
    _, result = run
    found = result.test.calibration
    assert found["temperature"] < 0.8
    assert found["expected_calibration_error"] < 0.5 * found["before"]["expected_calibration_error"]
    plain = Model(result.model.module, unfitted(result.model.contract))
    assert plain.contract.temperature == 1
    test = open_data("digits").test.inputs
    mine, before = result.model.predict(test), plain.predict(test)
    assert [p.class_ for p in mine] == [p.class_ for p in before]
    assert [[name for name, _ in p.top] for p in mine] == [[name for name, _ in p.top] for p in before]


def test_it_is_fitted_on_validation_and_kept_in_the_file(run):
    made, result = run
    kept = load(made.folder)
    assert kept.contract == result.model.contract
    val = parts_for(kept, "digits", "val")[0]
    scores, labels = scored(kept, val)
    assert kept.contract.temperature == fit_temperature(scores, labels)
    assert len(labels) == made.sureness.items == 144


def test_all_that_answers_has_the_same_probabilities(run, tmp_path):
    made, result = run
    item = open_data("digits").test.inputs[3]
    (prediction,) = striate.load(made.folder).predict(item)
    scores, _ = scored(result.model, made.held["test"])
    expected = np.exp(log_softmax(scores / result.model.contract.temperature))[3]
    assert dict(prediction.top) == pytest.approx(dict(zip("0123456789", expected, strict=True)), rel=1e-4)
    assert result.test.probabilities[3] == pytest.approx(prediction.probability, rel=1e-4)
    x = made.held["test"].arrays.inputs[3:4]
    assert np.exp(result.model.log_probabilities(x))[0] == pytest.approx(expected, rel=1e-4)
    exported = striate.export(made.folder, out=tmp_path / "net.py")
    assert (exported.max_difference, exported.label_flips) == (0, 0)
    assert f"TEMPERATURE = {result.model.contract.temperature!r}" in (tmp_path / "net.py").read_text()
    assert f'"temperature": {result.model.contract.temperature!r}' in json.dumps(_scene(made.folder)["output"])


def _scene(folder):
    from striate.inspect.models.inspected import inspected
    from striate.page.scene import NetworkScene

    return NetworkScene.of(inspected(folder)).about


def test_the_report_says_what_was_fitted_and_compared(run):
    text = (run[0].folder / "report.html").read_text()
    for words in (
        "fitted on 144 validation items",
        "vector scaling",
        "isotonic regression",
        "which changes no predict",
    ):
        assert words in text
    assert Sureness().line() == ""
    assert Sureness(1.25, 9).line() == "temperature 1.25, fitted on 9 validation items"


def test_several_labels_have_a_temperature_too(in_folder):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (300, 6, 6), dtype=np.uint8)
    y = np.stack([x[:, :3].mean((1, 2)) > 127, x[:, 3:].mean((1, 2)) > 127], 1).astype(np.uint8)
    found = striate.train("flatten; linear 2", (x, y), task="multilabel", epochs=30, quiet=True)
    assert found.contract.temperature != 1
    assert (found.contract.sets, found.contract.energy) == ((), ())
    scores = found.scores(x[:1, None])[0].astype(float)
    expected = 1 / (1 + np.exp(-scores / found.contract.temperature))
    assert [p for _, p in found.predict(x[0])[0].probabilities] == pytest.approx(expected.tolist())


def test_other_weights_begin_without_it(run, in_folder):
    fine = striate.train(None, "digits", weights=run[0].folder, epochs=1, fraction=0.05, out="fine", quiet=True)
    begun = prepare("digits", None, weights=run[0].folder, out="again", settings={"epochs": 1})
    assert begun.model.contract == unfitted(begun.model.contract)
    assert fine.contract.temperature != run[1].model.contract.temperature


# ------------------------------------------------------------------------------------------------------------ unknown
def test_a_threshold_is_chosen_on_validation_and_kept_in_the_file(model):
    said = []
    scores = striate.evaluate(model, accept_error="10%", say=said.append)
    (line,) = said
    kept = load(model).contract
    assert line == (
        f"threshold {kept.threshold:.4g}, chosen on 144 validation items: of the items that it answers at most 10.0% "
        f"are wrong, at 95% confidence (risk control by exact binomial tests), as long as the items to come are like "
        f"those; written to {model}"
    )
    found = scores.rejection
    assert found.threshold == kept.threshold
    assert found.error <= 0.1
    assert scores.as_dict()["rejection"]["answered"] == found.answered
    assert f"{found.answered:,} of 360" in str(scores)
    assert 'it answers "unknown")' in str(scores)
    again = striate.evaluate(model)
    assert again.rejection == found  # of the file alone
    assert again.accuracy == scores.accuracy


def test_a_share_of_the_items_is_answered(model):
    scores = striate.evaluate(model, coverage=0.8, say=lambda text: None)
    assert 0.7 < scores.rejection.coverage < 0.9


def test_below_the_threshold_the_class_is_unknown(model, cli, in_folder):
    striate.evaluate(model, coverage=0.8, say=lambda text: None)
    found, items = load(model), open_data("digits").test.inputs
    answers = found.predict(items)
    unknown = [p for p in answers if not p.known]
    assert 20 < len(unknown) < 120
    assert all((p.class_ == "unknown") == (p.probability < found.contract.threshold) == (not p.known) for p in answers)
    first = unknown[0]
    assert first.as_dict()["class"] == "unknown"
    assert first.as_dict()["known"] is False
    assert "known" not in next(p for p in answers if p.known).as_dict()
    assert first.line(1) == f"unknown ({first.top[0][0]} {first.top[0][1]:.1%})"
    assert all(p.known for p in found.predict(items, threshold=0))
    assert not any(p.known for p in found.predict(items[:5], threshold=1))
    index = answers.index(first)
    Image.fromarray((items[index] * (255 // max(1, int(items.max())))).astype(np.uint8)).save("one.png")
    assert "one.png: " in cli("predict", model, "one.png").out


def test_the_exported_file_says_unknown_too(model, cli, tmp_path):
    found = load(model)
    found.contract = replace(found.contract, threshold=1.0)
    found.save(tmp_path / "strict.safetensors")
    exported = striate.export(tmp_path / "strict.safetensors", out=tmp_path / "strict.py")
    assert exported.label_flips == 0
    text = (tmp_path / "strict.py").read_text()
    assert "THRESHOLD = 1.0" in text
    assert "unknown ({listed})" in text


def test_the_model_in_memory_keeps_its_threshold(model):
    found = load(model)
    before = model.read_bytes()
    striate.evaluate(found, "digits", coverage=0.9, say=lambda text: None)
    assert found.contract.threshold is not None
    assert model.read_bytes() == before


def test_what_cannot_be_promised_changes_nothing(model, cli):
    before = model.read_bytes()
    with pytest.raises(DataError, match=r"144 validation items cannot promise an error of at most 0\.1%"):
        striate.evaluate(model, accept_error=0.001, say=lambda text: None)
    assert model.read_bytes() == before
    assert cli("evaluate", model, "--accept-error", "0.1%").code == 3
    for options, message in (
        ({"accept_error": "5%", "coverage": "90%"}, "accept_error and coverage each choose the threshold; give one"),
        ({"accept_error": 5}, "accept_error must be a share between 0 and 1, such as 5% or 0.05; got 5"),
        ({"coverage": "all"}, "coverage must be a share between 0 and 1, such as 5% or 0.05; got 'all'"),
        ({"coverage": 0.9, "tta": "flip"}, "tta flip: a threshold is for the model's own tta; omit it"),
    ):
        with pytest.raises(RecipeError) as caught:
            striate.evaluate(model, say=lambda text: None, **options)
        assert str(caught.value).startswith(message)


def test_a_broken_promise_is_said(model):
    said = []
    data = open_data("digits")
    wrong = replace(data.test, targets=(data.test.targets + 1) % 10)
    data = data.with_parts(train=data.train, val=data.test, test=wrong)
    found = load(model)
    striate.evaluate(Model(found.module, found.contract), data, accept_error="10%", say=said.append)
    assert "of the answers are wrong, more than was promised: these items are not like those of validation" in said[-1]


def test_figures_of_validation_are_said_to_be_chosen_on_it(model):
    said = []
    striate.evaluate(model, split="val", say=said.append)
    assert said == [AFTER_CHOICE]


def test_only_classes_can_be_unknown(in_folder):
    x = np.random.default_rng(0).integers(0, 256, (60, 4, 4), dtype=np.uint8)
    found = striate.train("flatten; linear 1", (x, x.mean((1, 2))), epochs=1, quiet=True)
    with pytest.raises(
        RecipeError, match="thresholds for 'unknown' are for models with one class per item, this one is for regression"
    ):
        striate.evaluate(found, (x, x.mean((1, 2))), coverage=0.9, split="test")
    with pytest.raises(RecipeError, match="sets are for models with one class per item, this one is for regression"):
        found.predict(x[0], sets=0.9)


# ------------------------------------------------------------------------------------------------------ prediction sets
def test_sets_contain_the_label_as_often_as_is_promised(run, cli):
    made, _ = run
    items, labels = open_data("digits").test.inputs, open_data("digits").test.targets
    for level in (0.8, 0.9, 0.95):
        answers = predict(made.folder, items, sets=level, say=lambda text: None)
        assert np.mean([str(label) in p.set for p, label in zip(answers, labels, strict=True)]) >= level - 0.02
        assert all(p.set[0] == p.top[0][0] and [*p.set] == [name for name, _ in p.top][: len(p.set)] for p in answers)
    p = predict(made.folder, items[0], sets="90%", say=lambda text: None)[0]
    assert p.as_dict()["set"] == [*p.set]
    assert p.line(1).startswith(f"{{{', '.join(p.set)}}}  ")
    assert predict(made.folder, items[0], say=lambda text: None)[0].set is None
    with pytest.raises(RecipeError) as caught:
        predict(made.folder, items[0], sets="99%")
    assert str(caught.value).startswith(
        "sets is 0.99; this model has sets of 80%, 90%, 95% (59 to 148 validation items)"
    )


# ------------------------------------------------------------------------------------------------ out of distribution
TWO = Contract(("left", "right"), (1, 2, 2), "L", (0.0,), (1.0,), energy=(0.5,))


def constant(*scores):
    """A model that gives the same scores, times the item's mean, for every item."""
    module = build(parse("input 1x2x2; flatten; linear 2 bias=no"))
    with torch.no_grad():
        next(module.parameters()).copy_(torch.tensor(scores)[:, None].expand(2, 4) / 4)
    return Model(module, TWO)


def test_items_whose_scores_are_too_low_are_warned_of():
    model = constant(1.0, -5.0)
    dark, bright = np.zeros((2, 2), np.uint8), np.full((2, 2), 255, np.uint8)
    said = []
    answers = predict(model, [bright, dark], say=said.append)
    assert [p.out_of_distribution for p in answers] == [False, False]  # log 2 and log(e + e^-5) are above 0.5
    assert said == []
    model.contract = replace(TWO, energy=(0.9,))
    answers = predict(model, [bright, dark], say=said.append)
    assert [p.out_of_distribution for p in answers] == [False, True]
    assert answers[1].as_dict()["out_of_distribution"] is True
    assert "out_of_distribution" not in answers[0].as_dict()
    assert said == [
        "warning: 1 of 2 items may be out of distribution, of a kind that the model was not trained on: their scores "
        "are as low as those of 1 ordinary item in 100 (energy score): item 1"
    ]
