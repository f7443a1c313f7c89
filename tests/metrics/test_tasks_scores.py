"""The metrics of several labels, numbers and masks: against scikit-learn, by hand, and in words."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from strategies import examples
from striate.errors import DataError
from striate.metrics import score_multilabel, score_regression, score_segmentation
from striate.report.pictures import NOTHING, class_colours, coloured_mask

seeds = st.integers(0, 2**20)


# --------------------------------------------------------------------------------------------------- labels
@examples(25)
@given(seeds, st.integers(1, 60), st.integers(1, 6))
def test_labels_are_scikit_learns(seed, n, k):
    rng = np.random.default_rng(seed)
    logits = np.round(rng.normal(size=(n, k)), 1)  # with equal scores
    truth = (rng.random((n, k)) < 0.4).astype(np.uint8)
    ours = score_multilabel(logits, truth, [f"label {i}" for i in range(k)])
    said = logits >= 0
    assert ours.subset_accuracy == pytest.approx((said == truth).all(1).mean())
    p = 1 / (1 + np.exp(-logits))
    assert ours.loss == pytest.approx(-(truth * np.log(p) + (1 - truth) * np.log(1 - p)).mean())
    for i, label in enumerate(ours.per_class):
        pair = truth[:, i], said[:, i]
        theirs = [f(*pair, zero_division=np.nan) for f in (metrics.precision_score, metrics.recall_score)]
        for mine, wanted in zip((label.precision, label.recall), theirs, strict=True):
            assert (mine is None and np.isnan(wanted)) or mine == pytest.approx(wanted)
        wanted = metrics.f1_score(*pair, zero_division=np.nan)
        assert (label.f1 is None and np.isnan(wanted)) or label.f1 == pytest.approx(wanted)
        if truth[:, i].any():
            wanted = metrics.average_precision_score(truth[:, i], logits[:, i])
            assert label.average_precision == pytest.approx(wanted)
        else:
            assert label.average_precision is None
    if said.any() or truth.any():
        wanted = metrics.f1_score(truth.ravel(), said.ravel(), zero_division=np.nan)
        assert ours.micro_f1 == pytest.approx(wanted)
        known = [label.f1 for label in ours.per_class if label.f1 is not None]
        assert ours.macro_f1 == pytest.approx(np.mean(known))


def test_the_worst_labels_and_the_words():
    logits, truth = [[3.0, -3.0], [5.0, -1.0], [-1.0, 2.0]], [[1, 0], [0, 1], [1, 1]]
    scores = score_multilabel(logits, truth, ["cat", "dog"], ["a.png", "b.png", "c.png"])
    assert [(m.name, m.truth, m.predicted) for m in scores.worst] == [
        ("b.png", ("dog",), ("cat",)), ("c.png", ("cat", "dog"), ("dog",)),
    ]  # fmt: skip
    text = str(scores)
    assert "all labels right  33.3%  (1 of 3; 95% interval" in text
    assert "dog    2     100.0%" in text
    assert json.loads(json.dumps(scores.as_dict()))["per_class"][0]["name"] == "cat"


# ---------------------------------------------------------------------------------------------------------- numbers
@examples(25)
@given(seeds, st.integers(2, 50), st.integers(1, 4))
def test_numbers_are_scikit_learns(seed, n, v):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n, v)) * [10.0**i for i in range(v)]
    said = truth + rng.normal(size=(n, v))
    ours = score_regression(said, truth, [f"v{i}" for i in range(v)])
    assert ours.mae == pytest.approx(metrics.mean_absolute_error(truth, said))
    assert ours.rmse == pytest.approx(metrics.mean_squared_error(truth, said) ** 0.5)
    assert ours.r2 == pytest.approx(metrics.r2_score(truth, said))
    for i, value in enumerate(ours.per_class):
        assert value.mae == pytest.approx(metrics.mean_absolute_error(truth[:, i], said[:, i]))
        assert value.r2 == pytest.approx(metrics.r2_score(truth[:, i], said[:, i]))
        assert value.bias == pytest.approx((said - truth)[:, i].mean())


def test_the_interval_of_the_error_by_hand():
    """Errors 1, 2 and 4: mean 7/3, sample variance 7/3, so 7/3 +- 1.96 sqrt(7/9)."""
    low, high = score_regression([[1.0], [2.0], [4.0]], np.zeros((3, 1)), ["v"]).mae_interval
    half = 1.959964 * (7 / 9) ** 0.5
    assert (low, high) == pytest.approx((7 / 3 - half, 7 / 3 + half), rel=1e-6)


def test_the_interval_covers_the_error_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    true_error = np.sqrt(2 / np.pi)  # the mean of |N(0, 1)|
    inside = 0
    for _ in range(200):
        low, high = score_regression(rng.normal(size=(100, 1)), np.zeros((100, 1)), ["v"]).mae_interval
        inside += low <= true_error <= high
    assert 0.90 <= inside / 200 <= 0.99


def test_positions_the_baseline_and_the_words():
    truth, said = [[3.0, 4.0, 7.0], [0.0, 0.0, 7.0]], [[0.0, 0.0, 7.0], [0.0, 0.0, 8.0]]
    scores = score_regression(said, truth, ["x", "y", "age"], ["a", "b"], baseline=[1.5, 2.0, 7.0], positions=((0, 1),))
    assert scores.distance == pytest.approx(2.5)
    assert scores.baseline_mae == pytest.approx((1.5 + 2 + 1.5 + 2) / 6)
    assert scores.per_class[2].r2 is None  # the truth never varies
    assert [m.name for m in scores.worst] == ["a", "b"]
    text = str(scores)
    assert "always predicting it would give 1.167" in text
    assert "distance             2.5 pixels on average" in text
    assert "  a: 3, 4, 7 -> 0, 0, 7" in text
    assert json.loads(json.dumps(scores.as_dict()))["per_class"][2]["r2"] is None


# ------------------------------------------------------------------------------------------------------------ masks
@examples(25)
@given(seeds, st.integers(1, 5), st.integers(2, 6))
def test_masks_are_scikit_learns_whatever_the_batches(seed, n, k):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, k, (n, 5, 7)).astype(np.uint8)
    said = np.where(rng.random(truth.shape) < 0.5, truth, rng.integers(0, k, truth.shape)).astype(np.uint8)
    truth[rng.random(truth.shape) < 0.2] = 255
    truth[0, 0, 0] = 0
    names = [f"class {i}" for i in range(k)]
    ours = score_segmentation([(said, truth)], names)
    parts = score_segmentation(((said[i : i + 2], truth[i : i + 2]) for i in range(0, n, 2)), names)
    assert parts.as_dict() == ours.as_dict()
    t, s = truth[truth != 255], said[truth != 255]
    assert ours.pixels == len(t)
    assert ours.pixel_accuracy == pytest.approx((t == s).mean())
    assert (ours.confusion == metrics.confusion_matrix(t, s, labels=range(k))).all()
    assert ours.mean_iou == pytest.approx(metrics.jaccard_score(t, s, average="macro"))
    assert ours.mean_dice == pytest.approx(metrics.f1_score(t, s, average="macro"))
    low, high = ours.mean_iou_interval
    assert 0 <= low <= high <= 1


def test_how_far_off_an_item_is_is_measured_by_what_its_values_range_over():
    truth = np.array([[0.0, 0.0], [1000.0, 1.0], [2000.0, 0.0], [3000.0, 1.0]])
    off = np.array([[0, 0], [0, 0.9], [100, 0], [0, 0]])
    scores = score_regression(truth + off, truth, ["price", "share"], list("abcd"))
    assert [m.name for m in scores.worst[:2]] == ["b", "c"]


def test_every_ratio_of_a_class_by_hand():
    """Of the truth 0 0 0 1 and the answer 0 1 1 1: one pixel of 0 is right of three, one of 1 of the three answered."""
    scores = score_segmentation([(np.array([[[0, 1, 1, 1]]]), np.array([[[0, 0, 0, 1]]]))], ["sky", "sea"])
    sky, sea = scores.per_class
    assert (sky.pixels, sky.iou, sky.dice, sky.precision, sky.recall) == pytest.approx((3, 1 / 3, 1 / 2, 1, 1 / 3))
    assert (sea.pixels, sea.iou, sea.dice, sea.precision, sea.recall) == pytest.approx((1, 1 / 3, 1 / 2, 1 / 3, 1))
    assert scores.mean_iou == pytest.approx(1 / 3)


def test_precision_and_recall_of_pixels():
    scores = score_segmentation([(np.array([[[0, 1, 1]]]), np.array([[[0, 0, 1]]]))], ["sky", "sea"])
    assert [(c.precision, c.recall) for c in scores.per_class] == [(1, 0.5), (0.5, 1)]


def test_the_interval_of_the_mean_iou_is_the_bootstraps():
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 2, (60, 1, 5))
    answers = np.where(rng.random(truth.shape) < 0.7, truth, 1 - truth)
    low, high = score_segmentation([(answers, truth)], ["a", "b"]).mean_iou_interval
    drawn = rng.integers(0, 60, (20_000, 60))
    both = np.stack([((answers == c) & (truth == c)).sum((1, 2))[drawn].sum(1) for c in (0, 1)])
    either = np.stack([((answers == c) | (truth == c)).sum((1, 2))[drawn].sum(1) for c in (0, 1)])
    wanted = np.percentile((both / either).mean(0), (2.5, 97.5))
    assert (low, high) == pytest.approx(tuple(wanted), abs=0.04 * (wanted[1] - wanted[0]))


def test_the_worst_images_the_words_and_an_image_of_nothing():
    truth = np.array([[[0, 0]], [[0, 1]], [[255, 255]]], np.uint8)
    said = np.array([[[0, 0]], [[1, 1]], [[1, 0]]], np.uint8)
    scores = score_segmentation([(said, truth)], ["road", "car"], ["a", "b", "c"])
    assert [(m.name, m.mean_iou) for m in scores.worst] == [("b", 0.25), ("a", 1.0)]
    assert "always predicting 'road' would be right for 75.0% of the pixels" in str(scores)
    assert json.loads(json.dumps(scores.as_dict())).keys() >= {"mean_iou", "per_class", "confusion"}


# ----------------------------------------------------------------------------------------------------- what is refused
@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: score_regression(np.zeros((0, 1)), np.zeros((0, 1)), ["v"]), "there are no items to measure"),
        (lambda: score_regression([[1.0]], [[1.0, 2.0]], ["v"]), "1 predictions, but targets of shape [1, 2]"),
        (lambda: score_regression([[1.0, 2.0]], [[1.0]], ["v"]), "outputs have shape [1, 2], expected [N, 1]"),
        (lambda: score_regression([[np.nan]], [[1.0]], ["v"]), "the network's outputs are NaN for 1 of 1 items"),
        (lambda: score_regression([[1.0]], [[np.inf]], ["v"]), "the targets of 1 of 1 items are not numbers"),
        (lambda: score_regression([[1.0]], [[1.0]], ["v"], ["a", "b"]), "1 predictions, but 2 names"),
        (lambda: score_multilabel([[1.0]], [[2]], ["v"]), "the targets of several labels must be 0 or 1, got 2"),
        (lambda: score_segmentation([], ["a", "b"]), "there is nothing to measure"),
        (
            lambda: score_segmentation([(np.zeros((1, 2, 2)), np.zeros((1, 3, 2)))], ["a"]),
            "a prediction of [2, 2] pixels",
        ),
        (lambda: score_segmentation([(np.full((1, 1, 1), 0), np.full((1, 1, 1), 9))], ["a"]), "contains the number 9"),
    ],
)
def test_what_cannot_be_measured_is_named(call, text):
    with pytest.raises(DataError) as caught:
        call()
    assert text in str(caught.value)


# ---------------------------------------------------------------------------------------------------------- colours
def test_colours_are_different_and_none_is_that_of_nothing():
    every = class_colours(254)
    assert len(set(every)) == 254
    assert NOTHING not in every
    assert class_colours(3) == every[:3]
    mask = np.array([[0, 2, 255]], np.uint8)
    assert coloured_mask(mask, 3).tolist() == [[list(every[0]), list(every[2]), list(NOTHING)]]


# ------------------------------------------------------------------------------------------------- further figures
def test_the_further_figures_of_labels_are_scikit_learns():
    rng = np.random.default_rng(3)
    truth = (rng.random((80, 3)) < [0.5, 0.1, 0.0]).astype(np.uint8)
    logits = np.round(rng.normal(size=(80, 3)) + truth, 1)
    ours = score_multilabel(logits, truth, ["a", "b", "c"])
    areas = [metrics.roc_auc_score(truth[:, i], logits[:, i]) for i in (0, 1)]
    assert [c.auc for c in ours.per_class] == [*map(pytest.approx, areas), None]
    assert ours.auc == pytest.approx(np.mean(areas))
    low, high = ours.per_class[1].auc_interval
    assert low < areas[1] < high
    assert ours.per_class[2].recall_interval is None
    for name in ("mean_average_precision", "macro_f1"):
        low, high = getattr(ours, f"{name}_interval")
        assert low < getattr(ours, name) < high
        assert ours.as_dict()[f"{name}_interval"] == [low, high]
        assert f"95% bootstrap interval {low:.1%} to {high:.1%}" in str(ours)
    assert score_multilabel([[1.0]], [[0]], ["a"]).mean_average_precision_interval is None
    assert f"AUC               {np.mean(areas):.3f}  (the mean of the labels' areas under the ROC curve)" in str(ours)


def test_the_further_figures_of_numbers():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(100, 1))
    scores = score_regression(truth**3 + 5, truth, ["v"])
    (value,) = scores.per_class
    assert scores.spearman == value.spearman == 1
    assert value.r2_interval[0] <= value.r2 <= value.r2_interval[1]
    assert len(value.groups) == 10
    assert "rank correlation     1  (Spearman; 1: all items in the right order)" in str(scores)
    same = score_regression(np.ones((3, 1)), np.ones((3, 1)), ["v"])
    assert (same.spearman, same.per_class[0].spearman_interval, same.per_class[0].r2_interval) == (None, None, None)
    assert len(json.dumps(scores.as_dict()["per_class"][0]["groups"])) > 100


def test_the_further_figures_of_masks():
    labels = np.zeros((2, 20, 20), np.uint8)
    labels[0, 2:8, 2:8] = labels[0, 12:18, 12:18] = 1
    predicted = labels.copy()
    predicted[0, 12:18, 12:18] = 0
    scores = score_segmentation([(predicted, labels)], ["ground", "thing"])
    ground, thing = scores.per_class
    assert (thing.objects, thing.predicted_objects, thing.count_error, thing.count_right) == (2, 1, 1, 0)
    assert (ground.objects, ground.predicted_objects, ground.count_right) == (2, 2, 1)
    assert thing.boundary_f1 == pytest.approx(2 / 3)  # all of one outline of two
    assert scores.boundary_f1 == pytest.approx((np.mean([2 / 3, 2 / 3]) + 1) / 2)
    assert scores.quantiles[0] == scores.worst[0].mean_iou < scores.quantiles[-1] == 1
    text = str(scores)
    assert "1 of 2" in text
    assert "or less, the worst" in text
    json.dumps(scores.as_dict(), allow_nan=False)


def test_values_that_are_called_as_another_column_keep_their_targets():
    values = ["error", "item", "x", "predicted x", "target error"]
    predicted, true = np.arange(10.0).reshape(2, 5), np.arange(10.0, 20).reshape(2, 5)
    columns = score_regression(predicted, true, values).item_columns()
    assert "item" not in columns  # which is the item's name
    assert len(columns) == 2 * len(values) + 1
    titles = ["target target error", "target item", "x", "target predicted x", "target error"]
    for i, (name, title) in enumerate(zip(values, titles, strict=True)):
        assert columns[title] == true[:, i].tolist()
        assert columns[f"predicted {name}"] == predicted[:, i].tolist()
    assert columns["error"] == [10.0, 10.0]


def test_of_a_background_and_a_foreground_the_line_has_the_foregrounds_iou():
    """2 of 3 pixels of the foreground's union, 1 of 2 of the background's."""
    masks = [(np.array([[[0, 1, 1, 1]]]), np.array([[[0, 0, 1, 1]]]))]
    said = score_segmentation(masks, ["background", "foreground"]).headline()
    assert said.startswith("mean IoU 58.33% (95% interval ")
    assert said.endswith("IoU of foreground 66.7%; pixel accuracy 75.0%)")
    assert "IoU of" not in score_segmentation(masks, ["sky", "sea"]).headline()
