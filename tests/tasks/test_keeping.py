"""Which epoch's weights become the model."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import examples
from striate.tasks import CLASSIFICATION, REGRESSION
from striate.tasks.keeping import standings

SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def of(values, items=100, keep="best", metric=CLASSIFICATION.metric):
    return list(standings(metric, [(value, 1 - value) for value in values], items, keep))


def last_kept(values, **more):
    return max(i for i, standing in enumerate(of(values, **more)) if standing.kept)


def test_a_lucky_epoch_in_the_middle_is_not_kept():
    """As seen of 72 validation images: a chance peak early, and a better network at the end of the schedule."""
    course = [0.6, 0.7, 0.92, 0.75, 0.8, 0.85, 0.88, 0.89, 0.9]
    assert max(range(9), key=lambda i: course[i]) == 2
    assert last_kept(course, items=72) == 8


def test_where_the_network_becomes_worse_by_more_than_chance_an_earlier_epoch_is_kept():
    course = [0.6, 0.8, 0.9, 0.9, 0.9, 0.8, 0.7, 0.65]
    assert last_kept(course, items=500) == 4
    assert last_kept(course, items=2) == 7  # of 2 items all that is chance


def test_by_hand():
    # means 0.5, 0.7, 0.8; one standard error of 0.8 over 100 items is 0.04
    assert [s.best for s in of([0.5, 0.9, 1.0])] == pytest.approx([0.5, 0.7, 0.8])
    assert of([0.8, 0.8, 0.8, 0.8, 0.8, 0.69])[-1].kept  # the mean is 0.763
    assert not of([0.8, 0.8, 0.8, 0.8, 0.8, 0.67])[-1].kept  # 0.757


@given(SHARES)
@examples(50)
def test_what_holds_of_every_course(values):
    found = of(values)
    assert len(found) == len(values)
    assert found[0].kept
    assert all(s.kept for s in found if s.stale == 0)  # what is better than all before is kept
    assert [s.best for s in found] == sorted(s.best for s in found)
    assert all(s.kept for s in of(values, keep="last"))
    for i in range(1, len(values)):  # what comes later does not change what was said
        assert of(values[:i]) == found[:i]


def test_of_an_error_the_mean_loss_decides_and_there_is_no_margin():
    losses = [1.0, 0.5, 0.4, 0.3, 0.35, 0.31, 0.5]
    found = list(standings(REGRESSION.metric, [(9.9, loss) for loss in losses], 10_000))
    means = [math.fsum(losses[max(0, i - 2) : i + 1]) / min(3, i + 1) for i in range(7)]
    assert [s.best for s in found] == pytest.approx([-min(means[: i + 1]) for i in range(7)])
    assert max(i for i, s in enumerate(found) if s.kept) == 5
    assert [s.stale for s in found] == [0, 0, 0, 0, 0, 0, 1]


def test_what_is_worse_than_the_beginning_is_not_kept():
    # one standard error of 0.9 over 100 items is 0.03
    found = [
        s.kept
        for s in standings(CLASSIFICATION.metric, [(v, 1) for v in (0.5, 0.86, 0.875, 0.95)], 100, "last", (0.9, 1))
    ]
    assert found == [False, False, True, True]
    assert [s.kept for s in standings(REGRESSION.metric, [(9, loss) for loss in (2, 1, 0.9)], 100, "last", (9, 1))] == [
        False,
        True,
        True,
    ]
