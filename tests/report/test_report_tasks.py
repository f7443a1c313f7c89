"""The page of several labels, numbers and masks: what it holds, whole HTML, nothing but what may be there."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from report.test_report import LAYERS, Page
from strategies import examples
from striate.metrics import score_multilabel, score_regression, score_segmentation
from striate.report import ItemView, report
from striate.report.charts import MOST, best_epoch, curves, scatter
from striate.report.pictures import item_figure
from striate.tasks import TASKS
from striate.tasks.scoring import SCORING

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (3, 10, 12), dtype=np.uint8)


def labels(names=("cat", "dog", "<b>")):
    logits, truth = RNG.normal(size=(40, len(names))), RNG.integers(0, 2, (40, len(names)))
    return score_multilabel(logits, truth, names, [f"{i}.png" for i in range(40)])


def numbers(names=("x", "y", "<b>"), n=40, **more):
    truth = RNG.normal(size=(n, len(names)))
    said = truth + RNG.normal(size=truth.shape)
    return score_regression(said, truth, names, [f"{i}.png" for i in range(n)], **more)


def masks(k=3, n=20):
    truth = RNG.integers(0, k, (n, 6, 8)).astype(np.uint8)
    truth[:, 0] = 255
    said = RNG.integers(0, k, truth.shape).astype(np.uint8)
    names = ["road", "car", "<b>", *(f"class {i}" for i in range(3, k))][:k]
    return score_segmentation([(said, truth)], names, [f"{i}.png" for i in range(n)])


def page_of(task, scores, images=None):
    metric = TASKS[task].metric
    history = [
        {"epoch": e, "train/loss": 2 / e, "val/loss": 2 / e, metric.column: 0.5 / e, "lr": 0.01, "seconds": 0.3}
        for e in (1, 2)
    ]
    if images is None:
        images = {m.index: ItemView(PICTURE) for m in scores.worst}
    sections = SCORING[task].sections(scores, images)
    return report(title="t", facts=[("seed", "0")], layers=LAYERS, history=history, metric=metric, sections=sections)


def test_labels():
    scores = labels()
    page = Page(page_of("multilabel", scores))
    assert page.tags.count("img") == len(scores.worst)
    for said in ("Labels", "average precision", "Mean average precision", "conv1", "<b>"):
        assert said in page.texts
    assert "macro f1" in page.text.lower()
    mistake = scores.worst[0]
    assert mistake.name in page.texts


def test_numbers_with_their_charts_and_crosses():
    scores = numbers(baseline=[0.0, 0.0, 0.0], positions=((0, 1),))
    shown = {
        m.index: ItemView(PICTURE, target_points=((0.5, 0.25),), predicted_points=((0.6, 0.3),)) for m in scores.worst
    }
    page = Page(page_of("regression", scores, shown))
    assert page.tags.count("img") == len(scores.worst)
    assert page.tags.count("circle") >= 3 * scores.n
    assert page.tags.count("path") == 4 * len(scores.worst)  # two crosses, each with a halo
    assert "Always predicting the training split's mean would give" in page.text
    assert f"Positions are {scores.distance:.4g} pixels off on average" in page.text
    assert "+ is the target and × the prediction" in page.text


def test_a_single_number_has_no_name_before_it():
    scores = numbers(("age",), n=5)
    page = Page(page_of("regression", scores))
    miss = scores.worst[0]
    assert f"{miss.truth[0]:.3g} → {miss.predicted[0]:.3g}" in page.texts


def test_masks_side_by_side_with_a_legend_of_what_is_seen():
    scores = masks()
    truth, answer = np.array([[0, 255]], np.uint8), np.array([[2, 2]], np.uint8)
    shown = {m.index: ItemView(PICTURE, target=truth, predicted=answer) for m in scores.worst}
    page = Page(page_of("segmentation", scores, shown))
    assert page.tags.count("img") == 3 * 12  # image, truth and answer of the twelve worst
    legend = re.search(r'<p class="legend">.*?</p>', page_of("segmentation", scores, shown))[0]
    assert re.findall(r"</i>([^<]*)", legend) == ["road", "&lt;b&gt;", "ignored"]
    assert "mean IoU of 3 classes, 20 images" in page.texts
    assert 'class="matrix"' in page_of("segmentation", scores, shown)
    assert 'class="matrix"' not in page_of("segmentation", masks(41), {})


def test_texts_and_signals():
    scores = labels()
    long = "word " * 500
    shown = {m.index: ItemView(text=long if i else "<script>") for i, m in enumerate(scores.worst)}
    html = page_of("multilabel", scores, shown)
    page = Page(html)
    assert "<script>" in page.texts
    assert "<script>" not in html
    assert {len(text) for text in page.texts if text.startswith("word")} == {602}  # cut, and said so
    assert "mistakes texts" in html
    signal = item_figure(ItemView(signal=np.sin(np.arange(2000.0)).reshape(2, 1000)), "a wave")
    assert signal.count("<polyline") == 2
    assert "nan" not in item_figure(ItemView(signal=np.zeros((1, 1))), "flat")
    assert "no image" in item_figure(None, "")


@examples(25)
@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=30))
def test_a_scatter_stays_inside_its_box(pairs):
    truth, answers = np.array(pairs).T
    svg = scatter("v", truth, answers)
    places = [float(v) for v in re.findall(r' c[xy]="([^"]*)"', svg)]
    assert len(places) == 2 * len(pairs)
    assert all(0 <= v <= 340 for v in places)


def test_few_dots_are_larger():
    assert scatter("v", np.arange(16.0), np.arange(16.0)).count('r="4"') == 16
    assert scatter("v", np.arange(900.0), np.arange(900.0)).count('r="2.5"') == 900


def test_of_very_many_dots_some_are_drawn():
    many = np.arange(10_000.0)
    svg = scatter("v", many, many)
    assert svg.count("<circle") == MOST
    assert "(2,000 of 10,000 items)" in svg


@pytest.mark.parametrize("task", TASKS)
def test_every_tasks_metric_is_drawn_and_finds_the_best_epoch(task):
    metric = TASKS[task].metric
    history = [
        {"epoch": 1, "train/loss": 1.0, "val/loss": 0.5, metric.column: 0.5},
        {"epoch": 2, "train/loss": 0.5, "val/loss": 0.6, metric.column: 0.6},
    ]
    best = 1 if task == "regression" else 2  # of an error where the loss is lowest
    assert best_epoch(history, metric) == best
    assert f"<b>{metric.title}</b>" in curves(history, metric, best)
