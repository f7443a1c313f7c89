import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.data import stratified
from striate.errors import DataError

targets = st.lists(st.integers(0, 5), min_size=1, max_size=80).map(np.array)
fractions = st.floats(0.01, 0.99)
seeds = st.integers(0, 2**32)


@given(targets, fractions, seeds)
def test_every_item_is_on_exactly_one_side_and_both_are_sorted(targets, fraction, seed):
    rest, part = stratified(targets, fraction, seed)
    assert sorted([*rest, *part]) == list(range(len(targets)))
    assert list(rest) == sorted(rest)
    assert list(part) == sorted(part)


@given(targets, fractions, seeds)
def test_each_class_gives_its_share_to_within_one_item(targets, fraction, seed):
    rest, part = stratified(targets, fraction, seed)
    for c, n in zip(*np.unique(targets, return_counts=True), strict=True):
        given_away = np.sum(targets[part] == c)
        assert abs(given_away - fraction * n) <= 1 + 1e-9
        if n >= 2:
            assert given_away >= 1
            assert np.sum(targets[rest] == c) >= 1
        else:
            assert given_away == 0


@given(targets, fractions, seeds)
def test_the_seed_alone_decides(targets, fraction, seed):
    first, second = stratified(targets, fraction, seed), stratified(targets.copy(), fraction, seed)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_these_indices_hold_on_every_platform_and_for_ever():
    targets = np.arange(40) % 4
    assert stratified(targets, 0.2, seed=0)[1].tolist() == [10, 16, 25, 28, 29, 31, 38, 39]
    assert stratified(targets, 0.2, seed=1)[1].tolist() == [0, 1, 3, 11, 18, 20, 37, 38]


def test_the_total_is_the_fraction_rounded_up():
    assert [len(side) for side in stratified(np.zeros(1797, int), 0.2, seed=0)] == [1437, 360]
    assert [len(side) for side in stratified(np.arange(30) % 3, 0.1, seed=0)] == [27, 3]


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 20, float("nan")])
def test_a_fraction_outside_0_to_1(fraction):
    message = f"the fraction to split off is {fraction}, wanted a number between 0 and 1, such as 0.1"
    with pytest.raises(DataError) as caught:
        stratified(np.zeros(4, int), fraction, 0)
    assert str(caught.value) == message
