"""A task that striate does not have, added through ``striate.tasks`` alone: trained, evaluated, predicted, reported.

Ordinal regression (Frank and Hall 2001, "A simple approach to ordinal classification"): the classes have an order, and
the network's K outputs are as many yes-or-no questions, "is it at least class k?". What is told is the class and how
far off one is on average.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import striate
from striate.datasets import open_data
from striate.metrics.shared import ItemError
from striate.model.model import load
from striate.report import Sections
from striate.report.markup import el
from striate.run import measure, parts_for, prepare
from striate.tasks import TASKS, Metric, Task
from striate.tasks.answers import ANSWERS
from striate.tasks.scoring import SCORING, Scoring, Tally
from striate.tasks.scoring.base import together

ORDINAL = Task(
    "ordinal",
    targets="int64 (N,), the number of each item's class",
    output="grade",
    outputs="grades",
    description="ordinal regression into {}",
    metric=Metric("steps_off", "Steps off", share=False, higher_is_better=False),
    losses=("at-least",),
    exclusive=True,
    activation="sigmoid",
    targets_as="classification",
    min_classes=2,
    nets=("classification",),
    default_net_reason="the classes have an order",
)


@dataclass(frozen=True)
class Grade:
    grade: str
    file: str | None = None
    text: str | None = None

    def as_dict(self):
        return {"file": self.file, "grade": self.grade}

    def line(self, top=3):
        return self.grade


@dataclass(frozen=True)
class OrdinalScores:
    n: int
    steps_off: float
    worst: tuple = ()
    each: tuple = ()
    error = ItemError("grades off", share=False)

    @property
    def errors(self):
        return np.array(self.each, float)

    def resampled(self, times):
        return times @ self.errors / times.sum(1)

    @property
    def resamplings(self):
        return {"steps_off": self.resampled}

    def item_columns(self):
        return {"steps_off": list(self.each)}

    def as_dict(self):
        return asdict(self)

    def headline(self, items="items"):
        return f"off by {self.steps_off:.2f} grades ({self.n} {items})"

    def __str__(self):
        return f"steps off  {self.steps_off:.2f}"


def at_least(targets, k):
    return (targets[:, None] >= torch.arange(k)).float()


def grades(scores, axis=-1):
    return np.maximum((scores > 0).sum(axis) - 1, 0)


def grade_of(scores, context):
    return Grade(context.classes[int(grades(scores))], context.file, context.text)


class OrdinalScoring(Scoring[OrdinalScores]):
    task = ORDINAL

    def loss(self, name, weights=None, label_smoothing=0.0):
        return lambda s, y: F.binary_cross_entropy_with_logits(s, at_least(y, s.shape[1]))

    def _checked(self, scores, targets):
        return scores, targets.long()

    def tally(self, units=None):
        def count(scores, targets):
            off = abs(torch.from_numpy(grades(scores.numpy())) - targets).sum()
            return torch.tensor([off, len(targets)], dtype=torch.float64)

        return Tally(count, lambda counts: float(counts[0] / counts[1]))

    def measure(self, batches: Iterable, context):
        scores, targets = together(batches, len(context.classes))
        off = abs(grades(scores) - targets)
        return OrdinalScores(len(targets), float(off.mean()), each=tuple(off.tolist()))

    def sections(self, scores, shown: Mapping):
        return Sections(f"{scores.steps_off:.2f}", "grades off on average", "", el("section"), el("section"))


@pytest.fixture
def ordinal(monkeypatch, tmp_path):
    monkeypatch.setitem(TASKS, "ordinal", ORDINAL)
    monkeypatch.setitem(ANSWERS, "ordinal", grade_of)
    monkeypatch.setitem(SCORING, "ordinal", OrdinalScoring())
    monkeypatch.chdir(tmp_path)


def test_a_new_task_is_trained_evaluated_and_predicted(ordinal, tmp_path):
    net = "conv 8 3; relu; maxpool 2; flatten; linear 10"
    run = prepare("digits", net, settings={"epochs": 6, "lr": 0.01}, out="run", task="ordinal")
    list(run.events())
    result = run.finish()
    assert result.headline().startswith("test off by ")
    assert result.test.steps_off < 1.5  # guessing is off by 3.3
    assert (tmp_path / "run" / "metrics.csv").read_text().startswith("epoch,train/loss,val/loss,val/steps_off,lr,sec")
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["task"] == "ordinal"
    assert "grades off on average" in (tmp_path / "run" / "report.html").read_text()

    model = load("run/model.safetensors")  # by its name in the file
    assert model.contract.task is ORDINAL
    assert measure(model, *parts_for(model, "digits")) == result.test
    assert str(striate.evaluate("run", "digits", out="items.csv", say=print)).startswith("steps off  ")
    assert (tmp_path / "items.csv").read_text().startswith("item,steps_off\ndigits test 0,")
    assert striate.compare("run", "run", "digits").paired.first == result.test.steps_off
    images = open_data("digits").test.inputs[:5]
    scores = model.scores(parts_for(model, "digits")[0].arrays.inputs[:5])
    assert [answer.grade for answer in model.predict(list(images))] == [str(g) for g in grades(scores)]

    list(prepare("digits", settings={"epochs": 7}, out="run", resume=True).events())


def test_it_is_refused_what_is_another_tasks(ordinal):
    with pytest.raises(ValueError, match="the loss hinge is not for ordinal; use auto, at-least"):
        prepare("digits", "flatten; linear 10", settings={"loss": "hinge"}, task="ordinal")
    with pytest.raises(ValueError, match="the 10 grades of digits; end the network with: flatten; linear 10"):
        prepare("digits", "flatten; linear 9", task="ordinal")


def test_without_it_a_model_file_says_what_is_missing(ordinal, monkeypatch):
    run = prepare("digits", "flatten; linear 10", settings={"epochs": 1}, out="run", task="ordinal")
    list(run.events())
    monkeypatch.delitem(TASKS, "ordinal")
    with pytest.raises(ValueError, match="contract: task is 'ordinal'; it is one of classification, multilabel"):
        load("run/model.safetensors")
