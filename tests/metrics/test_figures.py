"""Averages, curves and costs of a classifier: scikit-learn's on random inputs, the degenerate ones too; by hand."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from strategies import examples
from striate.errors import DataError, RecipeError
from striate.metrics import score_classification
from striate.metrics.averages import averages
from striate.metrics.costs import cost_matrix, score_costs
from striate.metrics.curves import auc_interval, threshold_curves

seeds = st.integers(0, 2**20)


def close(ours, theirs):
    return (ours is None and np.isnan(theirs)) or ours == pytest.approx(theirs)


@examples(60)
@given(
    seeds, st.integers(1, 40), st.integers(2, 6), st.sampled_from(["random", "one label", "one prediction", "equal"])
)
def test_averages_are_scikit_learns(seed, n, k, kind):
    rng = np.random.default_rng(seed)
    truth, said = rng.integers(0, k, (2, n))
    if kind in ("one label", "equal"):
        truth[:] = truth[0]
    if kind in ("one prediction", "equal"):
        said[:] = said[0]
    ours = averages(metrics.confusion_matrix(truth, said, labels=range(k)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert ours.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(truth, said))
        assert close(ours.kappa, metrics.cohen_kappa_score(truth, said))
        for mean in ("macro", "weighted"):
            theirs = metrics.precision_recall_fscore_support(truth, said, average=mean, zero_division=0)
            for name, wanted in zip(("precision", "recall", "f1"), theirs, strict=False):
                assert getattr(ours, f"{mean}_{name}") == pytest.approx(wanted)
    for name in ("balanced_accuracy", "macro_f1", "weighted_f1"):
        low, high = getattr(ours, f"{name}_interval")
        assert 0 <= low <= getattr(ours, name) <= high <= 1


def test_the_bootstrap_interval_of_the_averages_covers_what_is_true():
    """Of 200 samples from a known distribution, some 95% have the true balanced accuracy in their interval."""
    rng, truth = np.random.default_rng(1), np.array([[40, 10, 0], [5, 20, 5], [2, 0, 18]]) / 100
    wanted = (truth.diagonal() / truth.sum(1)).mean()
    hits = 0
    for _ in range(200):
        found = averages(rng.multinomial(300, truth.ravel()).reshape(3, 3))
        hits += found.balanced_accuracy_interval[0] <= wanted <= found.balanced_accuracy_interval[1]
    assert 180 <= hits <= 199


@examples(60)
@given(seeds, st.integers(1, 60), st.sampled_from([0.0, 0.1, 0.5, 1.0]), st.sampled_from([0, 1, 8]))
def test_curves_are_scikit_learns(seed, n, share, digits):
    rng = np.random.default_rng(seed)
    true = rng.random(n) < share
    scores = np.round(rng.normal(size=n) + true, digits)  # with 0 digits most are equal
    curves = threshold_curves(scores, true)
    if 0 < true.sum() < n:
        assert curves.auc == pytest.approx(metrics.roc_auc_score(true, scores))
        theirs = metrics.roc_curve(true, scores, drop_intermediate=False)
        for ours, wanted in zip(curves.roc, theirs, strict=False):
            np.testing.assert_allclose(ours, wanted)
        np.testing.assert_array_equal(curves.thresholds, theirs[2][1:])
    else:
        assert curves.auc is None
    if true.any():
        assert curves.average_precision == pytest.approx(metrics.average_precision_score(true, scores))
        precision, recall, _ = metrics.precision_recall_curve(true, scores)
        for ours, wanted in zip(curves.precision_recall, (precision, recall), strict=True):
            np.testing.assert_allclose(ours[::-1], wanted[:-1])
    else:
        assert curves.average_precision is None


@pytest.mark.parametrize("auc", [0.0, 0.5, 0.8, 1.0])
def test_the_interval_of_an_area_takes_it_in_and_stays_inside(auc):
    low, high = auc_interval(auc, 10, 40)
    assert 0 <= low <= auc <= high <= 1
    assert high - low > 0.05
    wide = auc_interval(auc, 5, 20)
    assert wide[1] - wide[0] > high - low
    assert auc_interval(1 - auc, 10, 40) == pytest.approx((1 - high, 1 - low), abs=1e-6)


def test_the_interval_of_an_area_covers_what_is_true():
    """Normal scores a standard deviation apart: the area is Phi(1 / sqrt 2) = 0.7602."""
    rng, hits = np.random.default_rng(0), 0
    for _ in range(300):
        scores = np.r_[rng.normal(1, 1, 25), rng.normal(0, 1, 50)]
        low, high = auc_interval(threshold_curves(scores, np.arange(75) < 25).auc, 25, 50)
        hits += low <= 0.7602 <= high
    assert 276 <= hits <= 296  # 92% to 98.7%


@examples(40)
@given(seeds, st.integers(1, 50), st.integers(3, 9))
def test_the_figures_of_a_classifier_are_scikit_learns(seed, n, k):
    rng = np.random.default_rng(seed)
    log_p = np.log(rng.dirichlet(np.ones(k), n))
    truth = rng.integers(0, k, n)
    ours = score_classification(log_p, truth, [f"c{i}" for i in range(k)])
    if k > 5:
        assert ours.top5 == pytest.approx(metrics.top_k_accuracy_score(truth, np.exp(log_p), k=5, labels=range(k)))
        assert ours.top5_interval[0] <= ours.top5 <= ours.top5_interval[1]
    else:
        assert ours.top5 is None
    areas = []
    for i, c in enumerate(ours.per_class):
        if 0 < c.n < n:
            areas.append(metrics.roc_auc_score(truth == i, log_p[:, i]))
            assert c.auc == pytest.approx(areas[-1])
            assert c.average_precision == pytest.approx(metrics.average_precision_score(truth == i, log_p[:, i]))
        else:
            assert c.auc is None
    assert ours.auc == (pytest.approx(np.mean(areas)) if areas else None)


def test_equal_probabilities_are_ranked_by_the_first_class():
    even = np.log(np.full((10, 10), 0.1))
    assert score_classification(even, np.arange(10), [f"c{i}" for i in range(10)]).top5 == 0.5


def test_the_words_of_the_figures():
    truth = np.arange(24) % 12
    log_p = np.log(np.full((24, 12), 0.01) + 0.88 * np.eye(12)[truth])
    text = str(score_classification(log_p, truth, [f"c{i}" for i in range(12)]))
    for line in (
        "top-5        100.0%  (95% interval 86.2% to 100.0%)",
        "balanced     100.0%  (mean recall of the classes)",
        "macro F1     100.0%  (weighted by items 100.0%)",
        "kappa        1.000  (agreement beyond chance)",
        "AUC          1.000  (mean of the classes, each against the others)",
    ):
        assert line in text
    one = str(score_classification([[0.0, -np.inf]], [0], ["a", "b"]))
    assert "kappa        -  " in one
    assert "AUC          -  " in one


# ------------------------------------------------------------------------------------------------------------ costs
def test_costs_by_hand():
    """A sick person called well costs 10: 'sick' from a probability of 1/11 on."""
    p = np.array([[0.95, 0.05], [0.8, 0.2], [0.6, 0.4], [0.1, 0.9]])
    costs = cost_matrix("sick:well=10", ["well", "sick"])
    found = score_costs(np.log(p), np.array([0, 0, 1, 1]), costs, ["well", "sick"])
    assert found.threshold == pytest.approx(1 / 11)
    assert (found.usual, found.least, found.saved, found.changed) == (2.5, 0.25, 2.25, 2)
    assert found.always == ("sick", 0.5)
    assert found.usual_interval[0] <= 2.5 <= found.usual_interval[1]
    assert str(found).splitlines()[-1].startswith("threshold    'sick' from a probability of 0.09091 on")
    assert found.as_dict()["threshold"] == pytest.approx(1 / 11)


@examples(40)
@given(seeds, st.integers(2, 5))
def test_no_decision_costs_less_than_the_best_by_calibrated_probabilities(seed, k):
    """Where the labels are drawn from the probabilities themselves, with all outcomes in their exact shares."""
    rng = np.random.default_rng(seed)
    p, costs = rng.dirichlet(np.ones(k), 30), rng.random((k, k))
    expected = p @ costs
    found = score_costs(np.log(p), expected.argmin(1), costs, [f"c{i}" for i in range(k)])
    chosen = (np.exp(np.log(p)) @ costs).argmin(1)
    assert found.changed == (p.argmax(1) != chosen).sum()
    assert (expected[np.arange(30), chosen] <= expected[np.arange(30), p.argmax(1)] + 1e-12).all()
    even = score_costs(np.log(p), p.argmax(1), 1 - np.eye(k), [f"c{i}" for i in range(k)])
    assert (even.changed, even.usual, even.saved) == (0, 0, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sick=3", r"cost is 'sick=3', expected LABEL:PREDICTION=NUMBER, such as 'well:sick=10'"),
        ("sick:well=-1", "expected LABEL:PREDICTION=NUMBER"),
        ("sick:well=dear", "expected LABEL:PREDICTION=NUMBER"),
        ("sik:well=2", "there is no class 'sik'; did you mean 'sick'"),
    ],
)
def test_costs_that_say_something_else(text, message):
    with pytest.raises(RecipeError, match=message):
        cost_matrix(text, ["well", "sick"])


def test_costs_of_another_shape():
    with pytest.raises(DataError, match=r"the costs are \[1, 2\]; expected \[2, 2\]"):
        score_costs(np.zeros((1, 2)), np.array([0]), [[0.0, 1.0]], ["a", "b"])
