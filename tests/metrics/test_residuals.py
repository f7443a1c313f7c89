"""Spearman's correlation, calibration by quantiles, the interval of r2: scipy's, scikit-learn's, by simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import r2_score

from strategies import examples
from striate.metrics.resampling import drawings
from striate.metrics.residuals import quantile_groups, r2_intervals, ranks, spearman, spearman_interval

seeds = st.integers(0, 2**20)


@examples(60)
@given(seeds, st.integers(1, 40), st.sampled_from([0, 1, 8]))
def test_spearman_is_scipys(seed, n, digits):
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=n), digits)
    y = np.round(x + rng.normal(size=n), digits)
    np.testing.assert_allclose(ranks(x), stats.rankdata(x))
    found = spearman(x, y)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert found is None
    else:
        assert found == pytest.approx(stats.spearmanr(x, y).statistic)
        low, high = spearman_interval(found, n)
        assert -1 <= low <= found + 1e-9
        assert found - 1e-9 <= high <= 1


def test_the_interval_of_spearman_covers_what_is_true():
    """Of normal values with Pearson's 0.6, Spearman's is 6/pi asin(0.3) = 0.5823."""
    rng, hits = np.random.default_rng(0), 0
    for _ in range(300):
        x = rng.normal(size=40)
        low, high = spearman_interval(spearman(x, 0.6 * x + 0.8 * rng.normal(size=40)), 40)
        hits += low <= 0.5823 <= high
    assert 273 <= hits <= 297


@examples(30)
@given(seeds, st.integers(1, 100))
def test_quantile_groups_take_every_item_once(seed, n):
    rng = np.random.default_rng(seed)
    predictions, targets = rng.normal(size=(2, n))
    groups = quantile_groups(predictions, targets)
    assert sum(g.n for g in groups) == n
    assert len(groups) == min(10, n)
    assert sum(g.n * g.target for g in groups) / n == pytest.approx(targets.mean())
    assert [g.prediction for g in groups] == sorted(g.prediction for g in groups)


def test_quantile_groups_are_scikit_learns():
    rng = np.random.default_rng(1)
    p = rng.random(1000)
    y = (rng.random(1000) < p).astype(float)
    true, predicted = calibration_curve(y, p, n_bins=10, strategy="quantile")
    groups = quantile_groups(p, y)
    np.testing.assert_allclose([g.target for g in groups], true, atol=0.011)  # an item at an edge may go either way
    np.testing.assert_allclose([g.prediction for g in groups], predicted, atol=0.002)


def test_the_interval_of_r2_covers_what_is_true():
    """Predictions that miss by noise of a third of the targets' variance: r2 is 2/3."""
    rng, hits = np.random.default_rng(0), 0
    for _ in range(100):
        y = rng.normal(size=150) * 3**0.5
        ((low, high),) = r2_intervals((y + rng.normal(size=150))[:, None], y[:, None])
        hits += low <= 2 / 3 <= high
    assert 88 <= hits <= 99
    for n in (1, 3):
        assert r2_intervals(np.zeros((n, 2)), np.ones((n, 2))) == (None, None)


def test_the_intervals_of_r2_of_several_values_are_those_of_each():
    """On the same drawings, written out item by item, with scikit-learn's r2 of each."""
    rng = np.random.default_rng(1)
    y = rng.normal(size=(40, 3)) * [1, 10, 0] + [0, 5, 2]
    predicted = y + rng.normal(size=y.shape)
    found = r2_intervals(predicted, y)
    assert found[2] is None
    items = [np.repeat(np.arange(40), row.astype(int)) for times in drawings(40, 1000) for row in times]
    for value in (0, 1):
        each = [r2_score(y[drawn, value], predicted[drawn, value]) for drawn in items]
        np.testing.assert_allclose(found[value], np.percentile(each, (2.5, 97.5)))
        assert r2_intervals(predicted[:, [value]], y[:, [value]])[0] == pytest.approx(found[value])
