"""The metrics against scikit-learn, published tables and sums done by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support

from striate.errors import DataError, printable
from striate.metrics import ClassificationScores, score_classification
from striate.metrics.classification import WORST, wilson
from striate.metrics.shared import percent


def random_answers(seed: int, n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, k)) * 2
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)), rng.integers(0, k, n)


def sure(answers: Sequence[int], k: int, probability: float = 0.9) -> np.ndarray:
    """Log-probabilities that give each of *answers* the same probability."""
    p = np.full((len(answers), k), (1 - probability) / (k - 1))
    p[np.arange(len(answers)), answers] = probability
    return np.log(p)


def names_of(k: int) -> list[str]:
    return [f"c{i}" for i in range(k)]


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(2, 9))
def test_scikit_learn_agrees(seed: int, n: int, k: int) -> None:
    log_p, truth = random_answers(seed, n, k)
    ours = score_classification(log_p, truth, names_of(k))
    labels, answer = range(k), log_p.argmax(axis=1)
    precision, recall, f1, support = precision_recall_fscore_support(truth, answer, labels=labels, zero_division=np.nan)
    assert ours.accuracy == pytest.approx((truth == answer).mean())
    assert ours.loss == pytest.approx(log_loss(truth, np.exp(log_p), labels=labels))
    np.testing.assert_array_equal(ours.confusion, confusion_matrix(truth, answer, labels=labels))
    for i, c in enumerate(ours.per_class):
        assert c.n == support[i]
        assert c.precision == (None if np.isnan(precision[i]) else pytest.approx(precision[i]))
        assert c.recall == (None if np.isnan(recall[i]) else pytest.approx(recall[i]))
        if c.f1 is not None:
            assert c.f1 == pytest.approx(f1[i])


def test_a_ratio_of_nothing_is_none_and_not_zero() -> None:
    never_answered, absent, usual = score_classification(sure([1, 2, 2], 3), [0, 2, 2], ["a", "b", "c"]).per_class
    assert (never_answered.precision, never_answered.recall, never_answered.f1) == (None, 0, None)
    assert (absent.n, absent.precision, absent.recall, absent.f1) == (0, 0, None, None)
    assert (usual.precision, usual.recall, usual.f1) == (1, 1, 1)


def test_always_answered_wrong_is_an_f1_of_zero() -> None:
    assert [c.f1 for c in score_classification(sure([1, 0], 2), [0, 1], ["a", "b"]).per_class] == [0, 0]


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        # R. G. Newcombe, "Two-sided confidence intervals for the single proportion: comparison of seven
        # methods", Statistics in Medicine 17 (1998), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        # At the ends the formula is n / (n + z²), with z = 1.95996.
        (10, 10, 0.7225, 1.0),
        (0, 10, 0.0, 0.2775),
    ],
)
def test_wilson(right: int, n: int, low: float, high: float) -> None:
    assert wilson(right, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_accuracy_and_stays_inside_0_to_1(case: tuple[int, int]) -> None:
    right, n = case
    low, high = wilson(right, n)
    assert 0 <= low <= right / n <= high <= 1


def test_the_worst_are_the_surest_and_ties_keep_their_order() -> None:
    log_p = np.concatenate([sure([1, 1], 2, 0.7), sure([1], 2, 0.99), sure([0], 2, 0.999)])
    worst = score_classification(log_p, [0, 0, 0, 0], ["cat", "dog"], ["a.png", "b.png", "c.png", "d.png"]).worst
    assert [m.name for m in worst] == ["c.png", "a.png", "b.png"]
    assert (worst[0].index, worst[0].truth, worst[0].predicted) == (2, "cat", "dog")
    assert worst[0].probability == pytest.approx(0.99)


def test_there_are_24_worst_at_most() -> None:
    assert len(score_classification(sure([1] * 100, 2), [0] * 100, ["a", "b"]).worst) == WORST == 24


def test_labels_of_one_byte_do_not_wrap_around() -> None:
    truth = np.arange(200, dtype=np.uint8)
    assert score_classification(sure(range(200), 200), truth, names_of(200)).accuracy == 1


def test_as_dict_is_json_with_the_keys_of_the_interface() -> None:
    found = json.loads(
        json.dumps(score_classification(*random_answers(0, 30, 3), names_of(3)).as_dict(), allow_nan=False)
    )
    assert list(found) == [
        *("n", "accuracy", "accuracy_interval", "loss", "per_class", "confusion", "calibration", "worst"),
        *("averages", "top5", "top5_interval", "auc", "rejection"),
    ]
    assert list(found["per_class"][0]) == [
        *("name", "n", "precision", "recall", "f1"),
        *("precision_interval", "recall_interval", "auc", "auc_interval", "average_precision"),
    ]
    assert list(found["worst"][0]) == ["index", "name", "truth", "predicted", "probability"]


def test_an_impossible_truth_is_an_infinite_loss_and_null_in_json() -> None:
    found = score_classification([[0.0, -np.inf]], [1], ["a", "b"])
    assert found.loss == np.inf
    assert found.as_dict()["loss"] is None


@pytest.mark.parametrize(
    ("log_p", "targets", "names", "message"),
    [
        (np.zeros((0, 2)), np.zeros(0, int), None, "there are no items to measure"),
        (np.zeros(3), [0, 0, 0], None, r"shape \[3\], expected \[N, 2\]"),
        (sure([0], 3), [0], None, r"shape \[1, 3\], expected \[N, 2\]"),
        (sure([0, 1], 2), [0], None, r"2 predictions, but targets of shape \[1\]"),
        (sure([0], 2), [0.0], None, "targets are float64, expected whole numbers"),
        (sure([0, 1], 2), [0, 2], None, r"1 of 2 targets are outside 0 to 1, the first is 2 \(item 1\)"),
        (sure([0, 1], 2), [-1, 0], None, "the first is -1"),
        (sure([0, 1], 2), [0, 1], ["a.png"], "2 predictions, but 1 names"),
        ([[np.nan, 0], [0, -np.inf]], [0, 1], None, "NaN for 1 of 2 items: it has diverged; lower the learning rate"),
        ([[5.0, 2.0]], [0], None, r"not logarithms of probabilities \(these sum to 155.8, expected 1\)"),
        ([[np.inf, 2.0]], [0], None, "not logarithms of probabilities"),
    ],
)
def test_what_cannot_be_measured_says_why(
    log_p: np.ndarray, targets: list[int], names: list[str] | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        score_classification(log_p, targets, ["cat", "dog"], names)


def four_classes() -> ClassificationScores:
    return score_classification(
        sure([1, 1, 2, 0, 0, 0, 2], 4), [0, 0, 1, 0, 0, 0, 2], ["cat", "狗", "a\x1b[2Jb", "none"]
    )


def test_the_text() -> None:
    assert str(four_classes()).splitlines() == [
        "accuracy     57.1%  (4 of 7; 95% interval 25.0% to 84.2%)",
        "balanced     53.3%  (mean recall of the classes; 95% bootstrap interval 16.7% to 91.7%)",
        "macro F1     47.2%  (weighted by items 63.1%; 95% bootstrap interval 16.7% to 63.6%)",
        "kappa        0.300  (agreement beyond chance)",
        "AUC          0.683  (mean of the classes, each against the others)",
        "loss         1.5179  (cross-entropy, nats)",
        "confidence   90.0% on average, calibration error (ECE) 32.9% (9.6% by chance alone)",
        "majority     71.4%  (always 'cat')",
        "",
        "class   items  precision  recall     F1    AUC",
        "cat         5     100.0%   60.0%  75.0%  0.800",
        "狗          1       0.0%    0.0%   0.0%  0.333",
        "a?[2Jb      1      50.0%  100.0%  66.7%  0.917",
        "none        0          -       -      -      -",
        "",
        "most often confused (label -> prediction)",
        "  cat -> 狗: 2 times",
        "  狗 -> a?[2Jb: 1 time",
    ]


def test_of_many_classes_the_text_lists_the_weakest() -> None:
    answers = list(range(40))
    answers[33] = 0
    text = str(score_classification(sure(answers, 40), range(40), names_of(40)))
    assert "(the 30 weakest of 40 classes, by F1)" in text
    lines = text.splitlines()
    assert next(after for line, after in pairwise(lines) if line.startswith("class ")).startswith("c33 ")


def test_no_mistakes_is_said() -> None:
    assert str(score_classification(sure([0, 1], 2), [0, 1], ["a", "b"])).endswith("no mistakes")


@given(st.integers(2, 10**6))
def test_one_mistake_is_never_rounded_away(n: int) -> None:
    assert not percent((n - 1) / n, n).startswith("100")


def test_a_name_that_is_not_utf8_can_be_printed() -> None:
    printable("caf\udce9").encode()
