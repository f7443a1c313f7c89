"""What is promised of "unknown" and of prediction sets is kept on other items, as often as is said."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp
from scipy.stats import beta, binom

from striate.errors import DataError
from striate.metrics.conformal import (
    Rejection,
    at_most,
    energy,
    largest_share,
    lowest_energy,
    more_than_chance,
    prediction_set,
    rejection,
    set_thresholds,
    threshold_for_coverage,
    threshold_for_error,
)


@given(st.integers(0, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0, 1))
def test_the_binomial_test_is_scipys(case: tuple[int, int], p: float) -> None:
    k, n = case
    assert at_most(k, n, p) == pytest.approx(binom.cdf(k, n, p), abs=1e-9)
    expected = 1.0 if k == n else beta.ppf(0.95, k + 1, n - k)
    assert largest_share(k, n, 0.05) == pytest.approx(expected, abs=1e-9)


def test_below_the_threshold_nothing_is_answered() -> None:
    confidence, right = np.array([0.9, 0.6, 0.4]), np.array([True, False, False])
    assert rejection(confidence, right, 0.5) == Rejection(0.5, 2, 2 / 3, 1, 0.5)
    assert rejection(confidence, right, 0.95) == Rejection(0.95, 0, 0.0, 0, None)
    assert rejection(np.zeros(0), np.zeros(0, bool), 0.5) == Rejection(0.5, 0, 0.0, 0, None)


def kind(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Overconfident predictions: the probability and whether it was right, which is so less often than it says."""
    confidence = rng.beta(4, 1, n)
    return confidence, rng.uniform(size=n) < confidence**1.5


@pytest.mark.parametrize("accept_error", [0.12, pytest.param(0.15, marks=pytest.mark.slow)])
def test_the_promised_error_is_kept_in_95_of_100_choices(accept_error: float) -> None:
    rng = np.random.default_rng(0)
    later = kind(rng, 50_000)
    kept, answered = 0, []
    for _ in range(200):
        try:
            found = rejection(*later, threshold_for_error(*kind(rng, 1_000), accept_error))
        except DataError:
            found = rejection(*later, 2.0)
        kept += found.error is None or found.error <= accept_error
        answered.append(found.coverage)
    assert kept >= 190
    assert np.mean(answered) > 0.5 * rejection(*later, accept_error**0 - accept_error).coverage  # not bought dearly


def test_where_nearly_all_are_right_all_are_answered() -> None:
    assert threshold_for_error(np.linspace(0.5, 1, 800), np.ones(800, bool), 0.01) == 0


@given(st.integers(0, 10**6), st.sampled_from([50, 300]))
def test_equal_probabilities_are_answered_together(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    confidence = rng.choice([0.5, 0.9, 1.0], n)
    right = rng.uniform(size=n) < confidence
    try:
        found = rejection(confidence, right, threshold_for_error(confidence, right, 0.2))
    except DataError:
        return
    assert found.error is not None
    assert found.error <= 0.2
    assert found.answered in [(confidence >= c).sum() for c in (0.5, 0.9, 1.0)]


def test_too_few_items_say_what_they_can_promise() -> None:
    few = np.linspace(0.5, 1, 144), np.ones(144, bool)
    with pytest.raises(DataError) as caught:
        threshold_for_error(*few, 0.01)
    assert str(caught.value) == (
        "144 validation items cannot promise an error of at most 1.0%: at least 437 without a mistake are needed; they "
        "can promise 3.0%: give that, or train with more of them (striate train DATA --validation-fraction 0.2, or a "
        "larger val/)"
    )
    assert threshold_for_error(*few, 0.03) == 0
    with pytest.raises(DataError, match="too many of the surest are wrong"):
        threshold_for_error(np.linspace(0.5, 1, 700), np.arange(700) % 5 > 0, 0.01)


@pytest.mark.parametrize("coverage", [0.5, 0.9, 0.95])
def test_the_share_answered_is_the_one_asked_for(coverage: float) -> None:
    rng = np.random.default_rng(1)
    shares = [
        (rng.uniform(size=500) >= threshold_for_coverage(rng.uniform(size=200), coverage)).mean() for _ in range(300)
    ]
    assert np.mean(shares) == pytest.approx(coverage, abs=0.01)
    assert threshold_for_coverage(np.array([0.5, 0.6]), 0.99) == 0


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_sets_contain_the_right_class_as_often_as_is_said_in_95_of_100_choices(level: float) -> None:
    rng = np.random.default_rng(2)
    covered = []
    for _ in range(400):
        ((_, least),) = set_thresholds(rng.uniform(size=500), (level,))
        covered.append(1 - least)  # of uniform probabilities of the right class
    assert np.mean(np.array(covered) >= level) >= 0.94
    assert np.mean(covered) < level + 0.05


def test_a_level_that_few_items_cannot_promise_is_left_out() -> None:
    assert [level for level, _ in set_thresholds(np.linspace(0, 1, 60))] == [0.8, 0.9, 0.95]
    assert set_thresholds(np.zeros(13)) == ()
    assert set_thresholds(np.zeros(0)) == ()


@given(st.lists(st.integers(0, 20), min_size=1, max_size=8), st.floats(0, 1))
def test_a_set_has_the_most_probable_class_and_all_above(weights: list[int], least: float) -> None:
    p = np.array(weights) / max(1, sum(weights))
    found = prediction_set(p, least)
    assert found[0] == p.argmax()
    assert set(found) == {p.argmax(), *np.flatnonzero(p >= least)}
    assert list(p[found]) == sorted(p[found], reverse=True)


@given(st.integers(0, 10**6))
def test_energy_is_scipys(seed: int) -> None:
    scores = 100 * np.random.default_rng(seed).normal(size=(5, 3))
    assert energy(scores) == pytest.approx(logsumexp(scores, axis=1))


def test_one_ordinary_item_in_a_hundred_is_below_the_energy_that_is_kept() -> None:
    rng = np.random.default_rng(0)
    shares = [(rng.normal(size=(4000, 1)) < lowest_energy(rng.normal(size=(400, 1)))[0]).mean() for _ in range(100)]
    assert np.mean(shares) == pytest.approx(0.01, abs=0.003)
    assert lowest_energy(np.zeros((98, 2))) == ()


def test_as_many_as_chance_explains_are_not_called_rare() -> None:
    assert more_than_chance(1, 1)
    assert more_than_chance(4, 100)
    assert not more_than_chance(3, 100)
    assert not more_than_chance(0, 5)
