"""Calibration: by hand, against scikit-learn and SciPy, and on scores whose right temperature is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax as of_scipy
from scipy.stats import binom
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss

from striate.metrics.calibration import (
    _mean_deviation,
    brier_score,
    calibration,
    compare_methods,
    error_by_chance,
    fit_isotonic,
    fit_temperature,
    fit_vector,
    log_softmax,
)

seeds = st.integers(0, 10**6)


def drawn(seed: int, n: int, k: int, temperature: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and labels of which ``softmax(scores / temperature)`` are the probabilities."""
    rng = np.random.default_rng(seed)
    scores = 3 * rng.normal(size=(n, k))
    noise = rng.gumbel(size=(n, k))
    return scores, (scores / temperature + noise).argmax(axis=1)


def test_calibration_by_hand() -> None:
    # Bins of 1/15: 0.61 and 0.65 share (0.6, 0.667], 2/3 ends it, 0.95 and 1.0 share (0.933, 1].
    found = calibration(np.array([0.61, 0.65, 0.95, 1.0]), np.array([True, False, True, True]))
    by_hand = (2 * abs(1 / 2 - 0.63) + 2 * abs(1 - 0.975)) / 4
    assert found["expected_calibration_error"] == pytest.approx(by_hand)
    assert found["mean_confidence"] == pytest.approx(0.8025)
    assert found["bins"] == 15
    assert found["reliability"] == [{"n": 4, "confidence": pytest.approx(0.8025), "accuracy": 0.75}]


def test_bins_of_few_items_are_joined_in_the_diagram() -> None:
    confidence = np.repeat([0.3, 0.5, 0.9, 1.0], [3, 8, 20, 4])
    bins = calibration(confidence, np.arange(35) % 2 > 0)["reliability"]
    assert [b["n"] for b in bins] == [11, 20, 4]
    assert bins[0]["confidence"] == pytest.approx((3 * 0.3 + 8 * 0.5) / 11)


def test_a_bin_is_closed_above() -> None:
    # 0.2 is the end of the third bin; with 0.19 beside it, and not 0.21, the two average out.
    found = calibration(np.array([0.19, 3 / 15]), np.array([False, True]))
    assert found["expected_calibration_error"] == pytest.approx(abs(0.5 - 0.195))


@given(st.integers(1, 300), st.floats(1e-9, 1))
def test_the_mean_deviation_is_that_of_the_binomial_distribution(n: int, p: float) -> None:
    counts = np.arange(n + 1)
    assert _mean_deviation(n, p) == pytest.approx((abs(counts - n * p) * binom.pmf(counts, n, p)).sum(), abs=1e-9)


def test_a_perfect_model_has_the_error_that_is_said_to_be_chance() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.beta(5, 1, 400)
    errors = [
        calibration(confidence, rng.uniform(size=400) < confidence)["expected_calibration_error"] for _ in range(200)
    ]
    assert error_by_chance(confidence) == pytest.approx(np.mean(errors), rel=0.05)


@given(seeds, st.integers(1, 60))
def test_brier_is_twice_scikit_learns_of_two_classes(seed: int, n: int) -> None:
    scores, labels = drawn(seed, n, 2)
    log_p = log_softmax(scores)
    assert log_p == pytest.approx(of_scipy(scores, axis=1))
    assert brier_score(log_p, labels) == pytest.approx(
        2 * brier_score_loss(labels, np.exp(log_p[:, 1]), labels=[0, 1], scale_by_half=True)
    )


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_temperature_that_made_the_labels_is_found(temperature: float) -> None:
    scores, labels = drawn(1, 20_000, 5, temperature)
    assert fit_temperature(scores, labels) == pytest.approx(temperature, rel=0.03)


@given(seeds, st.integers(1, 200), st.integers(2, 6), st.floats(0.01, 100))
def test_it_is_the_minimum_that_scipy_finds(seed: int, n: int, k: int, scale: float) -> None:
    scores, labels = drawn(seed, n, k)
    scores = scores * scale

    def loss(u: float) -> float:
        return -of_scipy(scores * np.exp(u), axis=1)[np.arange(n), labels].sum() + u * u / 2

    found = fit_temperature(scores, labels)
    assert 0.02 <= found <= 50
    best = minimize_scalar(loss, bounds=(-np.log(50), -np.log(0.02)), method="bounded", options={"xatol": 1e-9})
    assert loss(-np.log(found)) <= best.fun + 1e-5 * abs(best.fun) + 1e-6


def test_few_items_that_are_all_right_leave_it_within_bounds() -> None:
    assert 0.3 < fit_temperature(np.array([[3.0, 0.0]] * 8), np.zeros(8, int)) < 1
    assert fit_temperature(np.array([[3.0, 0.0]] * 8), np.ones(8, int)) > 1
    assert fit_temperature(np.zeros((0, 3)), np.zeros(0, int)) == 1
    assert fit_temperature(np.array([[np.nan, 0.0]]), np.zeros(1, int)) == 1
    assert fit_temperature(np.zeros((4, 2)), np.zeros(4, int)) == 1  # which no temperature changes


def test_vector_scaling_comes_near_the_minimum_that_scipy_finds() -> None:
    scores, labels = drawn(3, 500, 4, 2.0)

    def loss(v: np.ndarray) -> float:
        a, b = v[:4], v[4:]
        own = -of_scipy(a * scores + b, axis=1)[np.arange(500), labels].sum()
        return float(own + ((a - 1) ** 2).sum() / 2 + (b * b).sum() / 2)

    best = minimize(loss, np.r_[np.ones(4), np.zeros(4)])
    assert loss(np.concatenate(fit_vector(scores, labels))) < best.fun * 1.002


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9]), st.booleans()), min_size=1, max_size=40))
def test_isotonic_regression_is_scikit_learns(items: list[tuple[float, bool]]) -> None:
    confidence, right = np.array([c for c, _ in items]), np.array([r for _, r in items])
    x, y = fit_isotonic(confidence, right)
    assert y == pytest.approx(IsotonicRegression().fit(confidence, right).predict(x))


def test_the_methods_are_compared_on_items_that_they_were_not_fitted_on() -> None:
    scores, labels = drawn(0, 2_000, 4, 3.0)
    errors = compare_methods(scores, labels)
    assert list(errors) == ["none", "temperature", "vector", "isotonic"]
    assert errors["temperature"] < errors["none"] - 0.01
    assert compare_methods(scores[:24], labels[:24]) == {}
    assert compare_methods(np.zeros((30, 3000)), np.zeros(30, int)) == {}
