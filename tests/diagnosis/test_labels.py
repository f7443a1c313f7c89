"""Planted label errors come first, as in the reference's own ranking, and the degenerate inputs have an answer."""

import numpy as np
import pytest
from scipy.stats import median_abs_deviation

from striate.diagnosis import label_errors, mask_errors, number_errors, several_label_errors
from striate.diagnosis.labels import WRONG, robust_z
from striate.errors import DataError

NAMES = ("cat", "dog", "hen")


def planted(seed, n=1500, k=3, share=0.05):
    """Probabilities of a good model, the true classes, and labels of which a share is wrong."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, k, n)
    logits = rng.normal(0, 1, (n, k)) + 4 * np.eye(k)[true]
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    wrong = rng.random(n) < share
    return p, true, np.where(wrong, (true + rng.integers(1, k, n)) % k, true), wrong


@pytest.mark.parametrize("seed", range(5))
def test_planted_errors_come_first_with_the_right_suggestion(seed):
    p, true, labels, wrong = planted(seed)
    found = label_errors(p, labels, NAMES)
    first = np.argsort(found.quality, kind="stable")[: len(p) // 10]
    assert wrong[first].sum() >= 0.95 * wrong.sum()
    named = np.array([suspect.index for suspect in found.wrong])
    assert wrong[named].mean() > 0.7
    assert wrong[named].sum() > 0.7 * wrong.sum()
    for suspect in found.wrong:
        assert suspect.given == NAMES[labels[suspect.index]] != suspect.suggested
        assert suspect.suggested == NAMES[true[suspect.index]] or not wrong[suspect.index] or suspect.quality > 0.001
    qualities = [suspect.quality for suspect in found.wrong]
    assert qualities == sorted(qualities)
    assert max(qualities) < WRONG


@pytest.mark.parametrize("seed", range(3))
def test_the_ranks_are_those_of_the_logits_margin(seed):
    """An independent witness: by hand from the logarithms."""
    p, _, labels, _ = planted(seed, n=200)
    logs = np.log(p)
    margins = [logs[i, y] - max(logs[i, j] for j in range(3) if j != y) for i, y in enumerate(labels)]
    assert np.argsort(label_errors(p, labels, NAMES).quality).tolist() == np.argsort(margins).tolist()


def test_an_item_between_two_classes_is_ambiguous_and_not_wrong():
    p = np.array([[0.5, 0.48, 0.02], [0.48, 0.5, 0.02], [0.96, 0.02, 0.02]])
    found = label_errors(p, [0, 0, 0], NAMES)
    assert not found.wrong
    assert [(s.index, s.given, s.suggested) for s in found.ambiguous] == [(1, "cat", "dog"), (0, "cat", "dog")]


@pytest.mark.parametrize(
    ("p", "labels", "classes"),
    [
        (np.zeros((0, 3)), np.zeros(0, int), NAMES),
        (np.ones((4, 1)), np.zeros(4, int), ("cat",)),
        ([[0, 0, 1]], [2], NAMES),
    ],
)
def test_nothing_one_class_and_one_item(p, labels, classes):
    found = label_errors(p, labels, classes)
    assert not found.wrong
    assert (found.quality == 1).all()


def test_a_class_without_items_and_probabilities_of_0():
    found = label_errors([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]], [0, 0], NAMES)
    assert [(s.index, s.suggested, s.quality) for s in found.wrong] == [(0, "hen", 0.0)]


def test_shapes_that_do_not_fit_are_said():
    with pytest.raises(DataError, match=r"probabilities \[2, 3\] and labels \[3\] of 3 classes"):
        label_errors(np.ones((2, 3)) / 3, [0, 1, 2], NAMES)


def test_a_model_that_knows_nothing_calls_no_rare_label_wrong():
    """It gives every item the shares of the classes."""
    labels = np.r_[np.zeros(960, int), np.ones(40, int)]
    p = np.tile([0.96, 0.04], (1000, 1))
    assert not label_errors(p, labels, ("common", "rare")).wrong
    p[labels == 1] = 0.3, 0.7
    p[980] = 0.999, 0.001
    assert [s.index for s in label_errors(p, labels, ("common", "rare")).wrong] == [980]


def test_of_several_labels_each_is_judged_by_itself():
    rng = np.random.default_rng(0)
    true = rng.random((400, 3)) < 0.4
    p = 1 / (1 + np.exp(-rng.normal(np.where(true, 4, -4), 0.8)))
    labels = true.copy()
    labels[7, 1] ^= True
    labels[91, 2] ^= True
    found = several_label_errors(p, labels.astype(np.uint8), NAMES)
    assert {7, 91} <= {s.index for s in found.wrong[:4]}
    first = next(s for s in found.wrong if s.index == 7)
    assert {first.given, first.suggested} == {"dog", "no dog"}
    assert found.quality[[7, 91]].max() < WRONG
    assert found.n == 400 * 3  # labels, as the suspects are
    both = (true ^ np.array([[True, True, False]])).astype(np.uint8)[:1]
    assert [s.index for s in several_label_errors(p[:1], both, NAMES).wrong] == [0, 0]


def test_numbers_far_from_their_prediction_are_wrong_and_noise_is_not():
    rng = np.random.default_rng(1)
    predicted = rng.normal(40, 10, (500, 2))
    targets = predicted + rng.normal(0, (1, 3), (500, 2))
    assert not number_errors(predicted, targets, ("age", "size")).wrong
    targets[3, 0] += 20
    targets[60, 1] *= 10
    found = number_errors(predicted, targets, ("age", "size"))
    assert [s.index for s in found.wrong] == [60, 3]
    assert [s.given.split()[0] for s in found.wrong] == ["size", "age"]
    assert np.argsort(found.quality)[:2].tolist() == [60, 3]
    assert not number_errors(np.zeros((0, 2)), np.zeros((0, 2)), ("age", "size")).wrong
    assert not number_errors(np.ones((9, 1)), np.ones((9, 1)), ("age",)).wrong


def test_masks_are_judged_by_the_image():
    rng = np.random.default_rng(2)
    ious = rng.normal(0.8, 0.03, 100).clip(0, 1)
    ious[[5, 50]] = 0.1, 0.2
    ious[7] = np.nan
    assert [s.index for s in mask_errors(ious).wrong] == [5, 50]
    assert not mask_errors([np.nan]).wrong
    assert not mask_errors([]).wrong


def test_the_robust_standard_deviation_is_scipys():
    values = np.random.default_rng(0).normal(5, 3, 200)
    z = (values - np.median(values)) / median_abs_deviation(values, scale=1 / 1.4826)
    assert robust_z(values) == pytest.approx(z)
