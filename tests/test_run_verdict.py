"""What is said of training, validation and test side by side."""

import json

import numpy as np
import pytest

from striate import train
from striate.report.markup import breakable
from striate.run.verdict import Verdict
from striate.tasks import CLASSIFICATION, REGRESSION, SEGMENTATION

RISING, FALLING = (0.9, 0.5, 0.6, 0.9), (0.9, 0.5, 0.45, 0.44)


def verdict(train, val, test=None, losses=FALLING, items=(500, 500, 500), metric=CLASSIFICATION.metric):
    return Verdict(metric, train, val, val if test is None else test, items, losses, "images")


def test_training_and_validation_stand_beside_the_test():
    assert verdict(0.995, 0.98).line() == "training accuracy 99.50%, validation 98.00%"
    assert verdict(0.5, 0.4, metric=SEGMENTATION.metric).line() == "training mean IoU 50.00%, validation 40.00%"
    assert verdict(0.512, 1.25, metric=REGRESSION.metric).line() == "training mae 0.512, validation 1.25"
    assert verdict(0.995, 0.98).warnings() == []


def test_overfitting_is_said_with_the_loss_that_rose_and_what_helps():
    (said,) = verdict(0.99, 0.9, losses=RISING).warnings()
    assert said == (
        "overfits: accuracy 99.00% on the training split, 90.00% on validation (500 images), and the validation loss "
        "rose from 0.5 (epoch 2) to 0.9; use --augment standard, a larger --weight-decay, fewer --epochs, or more data"
    )
    assert verdict(0.99, 0.9).warnings() == []  # a difference that every network has
    (wide,) = verdict(0.99, 0.8).warnings()
    assert wide.startswith("overfits: accuracy 99.00% on the training split, 80.00% on validation (500 images); use")


@pytest.mark.parametrize(
    ("train", "val", "items"),
    [(0.96, 0.92, 5000), (0.99, 0.9, 40), (0.8, 0.9, 500)],
    ids=["too little", "too few items to tell", "better on validation"],
)
def test_what_is_no_overfitting(train, val, items):
    assert verdict(train, val, losses=RISING, items=(items,) * 3).warnings() == []


def test_errors_that_are_no_shares_are_compared_by_their_ratio():
    assert verdict(1.0, 1.4, losses=RISING, metric=REGRESSION.metric).warnings() == []
    (said,) = verdict(1.0, 1.6, losses=RISING, metric=REGRESSION.metric).warnings()
    assert said.startswith(
        "overfits: mae 1 on the training split, 1.6 on validation (500 images), and the validation loss rose"
    )
    (apart,) = verdict(1.0, 1.0, 1.6, metric=REGRESSION.metric).warnings()
    assert apart.startswith("validation 1 (500 images) and test 1.6 (500) are further apart than chance explains")
    assert verdict(1.0, 1.0, 1.6, items=(9, 9, 9), metric=REGRESSION.metric).warnings() == []


def test_a_validation_split_that_does_not_speak_for_the_test_is_said():
    (said,) = verdict(0.97, 0.96, 0.84).warnings()
    assert said == (
        "validation 96.00% (500 images) and test 84.00% (500) are further apart than chance explains: the images of "
        "the two splits differ in kind; look at both with striate doctor, and keep what belongs together in one split "
        "(--group)"
    )
    assert verdict(0.97, 0.96, 0.93).warnings() == []
    assert verdict(0.97, 0.96, 0.84, items=(500, 30, 30)).warnings() == []


def test_chance_alone_is_seldom_called_a_difference():
    """Of 2,000 pairs of splits of the same kind, fewer than 1 in 100 are said to differ."""
    draw = np.random.default_rng(0)
    for share in (0.5, 0.9, 0.99):
        val, test = draw.binomial(100, share, 2000) / 100, draw.binomial(300, share, 2000) / 300
        said = [verdict(v, v, t, items=(100, 100, 300)).disagreement() for v, t in zip(val, test, strict=True)]
        assert sum(map(bool, said)) < 20


def test_few_items_are_learned_by_heart_and_that_is_said(in_folder, capsys):
    settings = {"epochs": 30, "lr": 0.01, "batch_size": 32, "fraction": 0.05}
    train("flatten; linear 100; relu; linear 10", "digits", **settings, out="run")
    said = capsys.readouterr().err
    assert "warning: overfits: accuracy 100.00% on the training split, " in said
    assert "use --augment standard, a larger --weight-decay than 0.01, fewer --epochs, or more data" in said
    assert "training accuracy 100.00%, validation " in said
    page = (in_folder / "run" / "report.html").read_text()
    warnings = [line.removeprefix("warning: ") for line in said.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 2  # no better than a plain model, too
    for text in warnings:  # what the terminal shows the report shows
        assert f"<dt>warning</dt><dd>{breakable(text)}</dd>" in page


def test_the_document_has_the_three_values_and_the_warnings(in_folder, cli):
    answer = cli(
        "train", "digits", "--net", "flatten; linear 10", "--epochs", "1", "--out", "run", "--json", "--no-baseline"
    )
    document = json.loads(answer.out)
    assert 0 < document["train"]["accuracy"] <= 1
    assert document["warnings"] == []
    assert "training accuracy" not in answer.out


@pytest.mark.slow
def test_a_test_of_new_speakers_is_remarked_on(tmp_path, cli):
    """Each speaker has words of their own for yes and no: of new speakers nothing is known."""
    rng, rows = np.random.default_rng(0), ["text,label,speaker,split"]
    for speaker in range(10):
        for yes in rng.integers(0, 2, 24).tolist():
            text = f"word{speaker}{'ab'[yes ^ speaker % 2]} {rng.integers(10**6)}"
            rows.append(f"{text},{yes},s{speaker},{'test' if speaker > 6 else 'train'}")
    (tmp_path / "t.csv").write_text("\n".join(rows))
    how = ("--net", "textcnn", "-e", 6, "--label", "label", "--text", "text")
    answer = cli("train", tmp_path / "t.csv", *how, "-o", tmp_path / "run", "--json")
    assert answer.code == 0, answer.err
    said = [text for text in json.loads(answer.out)["warnings"] if "further apart" in text]
    assert said[0].endswith(
        "are further apart than chance explains: test is of 3 new values of speaker, validation of those that training "
        "has; with --group speaker validation, too, is of new ones, and chooses for that"
    )
    again = cli("train", tmp_path / "t.csv", *how, "--group", "speaker", "-o", tmp_path / "grouped", "--json")
    assert not [text for text in json.loads(again.out)["warnings"] if "new values" in text]
    note = cli("evaluate", tmp_path / "grouped", tmp_path / "t.csv", "--group", "speaker", "--label", "label").err
    assert "note: the 72 items are of 3 groups; for new groups the 95% interval of the accuracy is " in note
