"""Two models on the same items: the tests against SciPy and their definitions, and verdicts whose truth is known."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats
from sklearn.metrics import average_precision_score

from striate.errors import DataError, RecipeError
from striate.metrics import (
    paired_bootstrap,
    score_classification,
    score_multilabel,
    score_regression,
    score_segmentation,
)
from striate.metrics.multilabel import PrecisionRanking
from striate.metrics.paired import compare_right, group_interval, mcnemar, tango_interval
from striate.metrics.repeated import spread_of, student_t
from striate.metrics.resampling import drawings
from striate.tasks import CLASSIFICATION, MULTILABEL, REGRESSION, SEGMENTATION, Metric

ACCURACY = CLASSIFICATION.metric
counts = st.integers(0, 400)


@given(counts, counts)
def test_mcnemar_is_the_binomial_test(better, worse):
    expected = stats.binomtest(min(better, worse), better + worse).pvalue if better + worse else 1.0
    assert mcnemar(better, worse) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_of_many_items():
    assert mcnemar(50_400, 49_600) == pytest.approx(stats.binomtest(49_600, 100_000).pvalue, rel=1e-7)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 200))
def test_tangos_interval_is_where_its_score_is_196(better, worse, others):
    """The nuisance parameter by SciPy's search for the highest likelihood, not by the paper's formula."""
    n = better + worse + others
    if not n:
        return

    def score(delta):
        def unlikely(share):  # of worse, where better is share + delta
            p = np.clip([share + delta, share, 1 - 2 * share - delta], 1e-15, 1)
            return -np.dot([better, worse, others], np.log(p))

        low, high = max(0.0, -delta), (1 - delta) / 2
        share = optimize.minimize_scalar(unlikely, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
        return (better - worse - n * delta) / np.sqrt(n * (2 * share + delta * (1 - delta)))

    low, high = tango_interval(better, worse, n)
    assert low <= (better - worse) / n <= high
    if low > -0.999:
        assert score(low) == pytest.approx(1.95996, rel=2e-3)
    if high < 0.999:
        assert score(high) == pytest.approx(-1.95996, rel=2e-3)


def test_where_no_item_changed_the_interval_is_as_wide_as_so_few_items_allow():
    z2 = stats.norm.ppf(0.975) ** 2
    assert tango_interval(0, 0, 44) == pytest.approx((-z2 / (44 + z2), z2 / (44 + z2)))


@given(counts, counts, counts)
def test_the_interval_contains_0_just_where_nobody_can_tell(better, worse, others):
    n = better + worse + others
    if n:
        first = np.r_[np.zeros(better, bool), np.ones(worse + others, bool)]
        second = np.r_[np.ones(better, bool), np.zeros(worse, bool), np.ones(others, bool)]
        found = compare_right(first, second, ACCURACY)
        assert (found.interval[0] <= 0 <= found.interval[1]) == (found.verdict == "not distinguishable")
        assert (found.better, found.worse) == (better, worse)
        assert found.difference == pytest.approx((better - worse) / n)
        assert found.interval[0] <= found.difference + 1e-12
        assert found.difference - 1e-12 <= found.interval[1]


def answers(rng, n, both, better, worse):
    """Whether each of *n* items is right, by two models, with these probabilities."""
    kind = rng.choice(4, n, p=[both, better, worse, 1 - both - better - worse])
    return (kind == 0) | (kind == 2), (kind == 0) | (kind == 1)


def test_the_items_that_would_be_needed_find_the_difference_in_four_of_five_studies():
    rng = np.random.default_rng(0)
    first, second = (np.r_[np.ones(a, bool), np.zeros(1000 - a, bool)] for a in (900, 900))
    second = second.copy()
    second[:20], second[900:950] = False, True  # 50 better, 20 worse of 1,000
    needed = compare_right(first[::4], second[::4], ACCURACY).needed
    found = [compare_right(*answers(rng, needed, 0.88, 0.05, 0.02), ACCURACY).verdict for _ in range(300)]
    assert 0.7 < found.count("better") / 300 < 0.9


def test_the_same_model_another_seed_and_a_better_one_of_100_resamplings():
    """Itself, one that is right as often on other items, and one that is right 6 points more often."""
    rng = np.random.default_rng(1)
    right = {"itself": 0, "another seed": 0, "better": 0, "worse": 0}
    for _ in range(100):
        one, other = answers(rng, 400, 0.88, 0.03, 0.03)
        right["itself"] += compare_right(one, one, ACCURACY).verdict == "not distinguishable"
        right["another seed"] += compare_right(one, other, ACCURACY).verdict == "not distinguishable"
        worse, better = answers(rng, 400, 0.84, 0.1, 0.02)
        right["better"] += compare_right(worse, better, ACCURACY).verdict == "better"
        right["worse"] += compare_right(better, worse, ACCURACY).verdict == "worse"
    assert all(times >= 95 for times in right.values()), right


def regression(rng, n, noise):
    shared = rng.normal(size=(n, 1))
    return [score_regression(shared + s * rng.normal(size=(n, 1)), np.zeros((n, 1)), ["age"]) for s in noise]


@cache
def segmented(noise, seed):
    """250 images, some of whose pixels are wrong."""
    rng, other = np.random.default_rng(0), np.random.default_rng(seed)
    masks = rng.integers(0, 3, (250, 4, 8))
    predicted = np.where(other.random(masks.shape) < noise, other.integers(0, 3, masks.shape), masks)
    return score_segmentation([(predicted, masks)], ["a", "b", "c"])


def segmentation(rng, n, noise):
    chosen = rng.choice(250, n, replace=False)
    found = [segmented(s, i) for i, s in enumerate(noise, 1)]
    return [replace(f, n=n, ious=f.ious[chosen], areas=f.areas[chosen], mean_iou=np.nan) for f in found]


def multilabel(rng, n, noise):
    true = rng.random((n, 3)) < 0.4
    return [score_multilabel(2 * true - 1 + s * rng.normal(size=(n, 3)), true.astype(int), list("abc")) for s in noise]


TASKS = [
    pytest.param(regression, REGRESSION.metric, (0.5, 0.5), (2.0, 0.3), id="regression"),
    pytest.param(segmentation, SEGMENTATION.metric, (0.3, 0.3), (0.4, 0.25), id="segmentation"),
    pytest.param(multilabel, MULTILABEL.metric, (1.0, 1.0), (2.5, 0.8), id="multilabel"),
]


@pytest.mark.parametrize(("draw", "metric", "same", "apart"), TASKS)
def test_the_bootstrap_says_the_right_thing(draw, metric, same, apart):
    """Of 100 drawings of 40 items: itself always; a better one in 95; of two that are alike a difference is seen by
    chance in 5 of 100, which in 100 tries is 9 or fewer with a probability of 97%.
    """
    rng = np.random.default_rng(2)
    right = {"itself": 0, "alike": 0, "better": 0}
    for _ in range(100):
        one, other = draw(rng, 40, same)
        worse, better = draw(rng, 40, apart)
        right["itself"] += paired_bootstrap(one, one, metric, resamples=200).verdict == "not distinguishable"
        right["alike"] += paired_bootstrap(one, other, metric, resamples=200).verdict == "not distinguishable"
        right["better"] += paired_bootstrap(worse, better, metric, resamples=200).verdict == "better"
    assert right["itself"] == 100
    assert right["alike"] >= 91
    assert right["better"] >= 95


@pytest.mark.parametrize(("draw", "metric", "same", "apart"), TASKS)
def test_drawn_once_each_the_metric_is_the_metric(draw, metric, same, apart):
    scores, _ = draw(np.random.default_rng(3), 30, same)
    whole = np.ones((1, 30))
    if draw is not segmentation:  # whose sample is taken from counts
        assert scores.resampled(whole)[0] == pytest.approx(getattr(scores, metric.name))
    assert metric.name in scores.resamplings
    assert len(scores.errors) == 30


@pytest.mark.parametrize("draw", [regression, segmentation, multilabel])
def test_an_item_that_counts_twice_is_an_item_that_is_there_twice(draw):
    """Against the metric of the drawn items, measured anew."""
    rng = np.random.default_rng(4)
    scores, _ = draw(rng, 12, (0.7, 0.7))
    times = rng.multinomial(12, np.full(12, 1 / 12), 5).astype(float)
    for row, value in zip(times, scores.resampled(times), strict=True):
        drawn = np.repeat(np.arange(12), row.astype(int))
        if draw is regression:
            again = score_regression(scores.predictions[drawn], scores.targets[drawn], ["age"]).mae
        elif draw is multilabel:
            again = score_multilabel(scores.logits[drawn], scores.targets[drawn].astype(int), list("abc"))
            again = again.mean_average_precision
        else:
            both, union = scores.areas[drawn].sum(0)
            again = np.mean(both / union)
        assert value == pytest.approx(again)


@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_average_precision_of_drawn_items_is_scikit_learns(seed, n):
    rng = np.random.default_rng(seed)
    scores, true = rng.integers(0, 6, n).astype(float), rng.random(n) < rng.choice([0.1, 0.5, 1])
    times = rng.integers(0, 3, (3, n)).astype(np.float32)
    for row, value in zip(times, PrecisionRanking.of(scores, true).resampled(times.T), strict=True):
        drawn = np.repeat(np.arange(n), row.astype(int))
        if true[drawn].any():
            assert value == pytest.approx(average_precision_score(true[drawn], scores[drawn]))
            assert value == pytest.approx(average_precision_score(true, scores, sample_weight=row))
        else:
            assert np.isnan(value)


def test_the_mean_average_precision_of_every_resampling_is_scikit_learns():
    """Of several labels at once, one of which no item has."""
    rng = np.random.default_rng(3)
    logits, true = rng.normal(size=(50, 4)).round(1), rng.random((50, 4)) < [0.1, 0.5, 0.9, 0]
    scores = score_multilabel(logits, true.astype(int), list("abcd"))
    times = next(drawings(50, 20))
    for row, value in zip(times, scores.resampled(times), strict=True):
        there = [k for k in range(4) if true[row > 0, k].any()]
        each = [average_precision_score(true[:, k], logits[:, k], sample_weight=row) for k in there]
        assert value == pytest.approx(np.mean(each))


def test_accuracy_of_drawn_items():
    scores = score_classification(np.log([[0.9, 0.1], [0.6, 0.4]]), [0, 1], ["cat", "dog"])
    np.testing.assert_allclose(scores.resampled(np.array([[1.0, 1], [3, 1], [0, 2]])), [0.5, 0.75, 0])


def test_degenerate_items():
    one = compare_right([True], [False], ACCURACY)
    assert (one.p, one.verdict) == (1.0, "not distinguishable")
    scores = score_regression([[1.0]], [[1.0]], ["age"])
    assert paired_bootstrap(scores, scores, REGRESSION.metric).verdict == "not distinguishable"
    far = score_regression([[5.0]], [[1.0]], ["age"])
    assert paired_bootstrap(scores, far, REGRESSION.metric).verdict == "not distinguishable"  # one item says nothing
    with pytest.raises(DataError, match="0 and 0 items: two models are compared on the same items"):
        compare_right([], [], ACCURACY)
    with pytest.raises(DataError, match="2 and 1 items"):
        compare_right([True, True], [False], ACCURACY)


def test_the_bootstrap_is_the_same_every_time():
    once, again = (np.concatenate([*drawings(9, 50)]) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert (once.sum(1) == 9).all()


def test_whole_groups_are_drawn():
    groups = "aabbbc"
    for times in drawings(6, 20, groups=groups):
        assert (times[:, 0] == times[:, 1]).all()
        assert (times[:, 2:5] == times[:, 2:3]).all()
        assert (times[:, [0, 2, 5]].sum(1) == 3).all()


def speakers(rng, n, each):
    """Two models that are equally good on the whole, each better with some speakers: 8 items of each have one fate."""
    fate = rng.random((2, n)) < 0.8
    sure = [np.log(np.where(right[:, None], [0.9, 0.1], [0.1, 0.9])) for right in np.repeat(fate, each, axis=1)]
    return [score_classification(log_p, np.zeros(n * each, int), ["a", "b"]) for log_p in sure]


def test_items_of_a_group_are_not_independent():
    """Of models that are alike McNemar's test, which takes items for independent, finds many that are not."""
    rng, groups = np.random.default_rng(5), np.repeat(np.arange(20), 8).astype(str).tolist()
    alone = drawn = inside = 0
    for _ in range(60):
        one, other = speakers(rng, 20, 8)
        alone += compare_right(one.errors == 0, other.errors == 0, ACCURACY).verdict != "not distinguishable"
        found = paired_bootstrap(one, other, ACCURACY, groups=groups, resamples=200)
        drawn += found.verdict != "not distinguishable"
        low, high = group_interval(one, one.accuracy, groups)
        inside += low <= 0.8 <= high
    assert found.test == "paired bootstrap of 20 groups"
    assert alone > 20
    assert drawn <= 8
    assert inside >= 50


def test_of_two_groups_there_is_no_interval():
    scores = score_regression([[1.0], [2.0]], [[1.0], [1.0]], ["age"])
    assert group_interval(scores, scores.mae, "ab") is None


def test_the_verdict_in_words():
    first = np.arange(400) < 300
    found = compare_right(first, np.arange(400) < 320, ACCURACY)
    assert found.sentence("a", "b", "images") == (
        "b is better than a, by 5.00 points (95% interval 3.26 to 7.60; p = 1.9e-06)"
    )
    assert (
        compare_right(np.arange(400) < 320, first, ACCURACY).sentence("a", "b").startswith("b is worse than a, by 5.00")
    )
    near = compare_right(first, np.arange(400) < 303, ACCURACY)
    assert near.sentence() == (
        "not distinguishable with these 400 items; to show a difference of 0.75 points, about 1,100 would be needed"
    )
    assert compare_right(first, first, ACCURACY).sentence("a", "a", "images") == (
        "not distinguishable: a and a are right and wrong on the same 400 images"
    )
    assert json.dumps(near.as_dict(), allow_nan=False)


# ------------------------------------------------------------------------------------------------- several runs
@given(st.floats(0.001, 0.999), st.integers(1, 3000))
def test_students_t_is_scipys(p, freedom):
    assert student_t(p, freedom) == pytest.approx(stats.t.ppf(p, freedom), rel=1e-5, abs=1e-9)


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=20))
def test_the_mean_of_runs_and_its_interval_are_scipys(values):
    found = spread_of(values)
    assert (found.mean, found.std) == pytest.approx((np.mean(values), np.std(values, ddof=1)), abs=1e-9)
    low, high = (
        stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values)) if found.std else 2 * (found.mean,)
    )
    assert found.interval == pytest.approx((low, high), abs=1e-6)


def test_folds_share_their_training_items_so_their_mean_is_less_sure():
    values = [0.9, 0.92, 0.94, 0.91, 0.93]
    alone, folds = spread_of(values).interval, spread_of(values, folds=True).interval
    ratio = (folds[1] - folds[0]) / (alone[1] - alone[0])
    assert ratio == pytest.approx(np.sqrt((1 / 5 + 1 / 4) / (1 / 5)))


def test_of_one_run_there_is_no_interval():
    assert spread_of([0.5]).as_dict() == {"values": [0.5], "mean": 0.5, "std": None, "interval": None}
    with pytest.raises(RecipeError, match="there are no runs"):
        spread_of([])


def test_the_balanced_accuracy_of_drawn_items_is_scikit_learns():
    from sklearn.metrics import balanced_accuracy_score

    from striate.metrics.paired import resampled_metric

    rng = np.random.default_rng(0)
    truth, said = rng.integers(0, 3, 60), rng.integers(0, 3, 60)
    scores = score_classification(np.log(np.full((60, 3), 0.05) + 0.85 * np.eye(3)[said]), truth, ["a", "b", "c"])
    times = np.concatenate([next(drawings(60, 20)), np.eye(60)[:3]])  # of one item alone there is one class
    found = resampled_metric(scores, times, CLASSIFICATION.balanced_metric)
    for counts, value in zip(times.astype(int), found, strict=True):
        some = np.repeat(np.arange(60), counts)
        theirs = np.mean([np.mean(said[some][truth[some] == c] == c) for c in {*truth[some].tolist()}])
        assert value == pytest.approx(theirs)
        if len({*truth[some].tolist()}) == 3:
            assert value == pytest.approx(balanced_accuracy_score(truth[some], said[some]))


def test_a_metric_that_cannot_be_resampled_is_named():
    """No other metric is taken in its place."""
    scores = score_classification(np.log(np.eye(3) * 0.7 + 0.1), np.arange(3), ["a", "b", "c"])
    with pytest.raises(
        DataError, match="macro_f1 cannot be compared by resampling; it is one of accuracy, balanced_acc"
    ):
        paired_bootstrap(scores, scores, Metric("macro_f1", "Macro F1"))
    with pytest.raises(DataError, match="accuraci cannot be compared by resampling; did you mean 'accuracy'"):
        paired_bootstrap(scores, scores, Metric("accuraci", "Accuracy"))
    with pytest.raises(DataError, match="mae cannot be compared"):
        paired_bootstrap(scores, scores, REGRESSION.metric)
