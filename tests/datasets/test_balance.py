import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from striate.datasets.statistics import MAX_WEIGHT, class_weights, even_choice, original_items
from striate.errors import RecipeError

labels = hnp.arrays(np.int64, st.integers(1, 80), elements=st.integers(0, 5))


@given(labels)
def test_class_weights_make_classes_count_alike(targets):
    weights = class_weights(targets, 6)
    present = np.unique(targets)
    assert weights.dtype == np.float32
    assert weights[targets].mean() == pytest.approx(1, rel=1e-5)
    sums = [weights[targets[targets == c]].sum() for c in present]
    assert sums == pytest.approx([len(targets) / len(present)] * len(present), rel=1e-5)
    assert (np.delete(weights, present) == 1).all()


def test_known_class_weights():
    # scikit-learn 1.5: compute_class_weight("balanced", classes=[0, 1, 2], y=[0] * 6 + [1] * 3 + [2])
    assert class_weights(np.array([0] * 6 + [1] * 3 + [2]), 3) == pytest.approx([0.5555556, 1.1111111, 3.3333333])
    # as often as a yes is rarer than a no, within bounds; the last label has no yes at all
    yes = np.array([[1, 1, 0, 0]] * 5 + [[0, 1, 0, 0]] * 14 + [[0, 1, 1, 0]], np.uint8)
    assert class_weights(yes, 4) == pytest.approx([3, 1 / MAX_WEIGHT, MAX_WEIGHT, 1])


def test_known_pixel_weights():
    masks = np.zeros((2, 2, 4), np.uint8)
    masks[0, 0] = 1  # 4 of the 8 pixels of the one image that holds it
    masks[1, 0, 0] = 255  # counts for nothing
    masks[1, 1, 0] = 2  # 1 of 7
    # frequencies: 10 of 15, 1 of 2, 1 of 7; their median is 1/2
    raw = np.array([0.5 * 15 / 10, 1, 3.5])
    mean = (raw * [10, 4, 1]).sum() / 15
    assert class_weights(masks, 4) == pytest.approx([*(raw / mean), 1])


def test_a_class_of_few_pixels_does_not_run_away():
    masks = np.zeros((1, 100, 100), np.uint8)
    masks[0, 0, 0], masks[0, 1:40] = 1, 2
    weights = class_weights(masks, 3)
    assert weights[1] == pytest.approx(MAX_WEIGHT * weights[2], rel=0.3)  # not 4,000 times


def test_numbers_have_no_class_weights():
    with pytest.raises(RecipeError, match="balance: regression has no classes to weight; use balance=none"):
        class_weights(np.zeros((3, 2), np.float32), 2)


@given(labels, st.integers(0, 2**32), st.integers(0, 40))
def test_an_epoch_holds_every_class_as_often_as_the_others(targets, seed, epoch):
    numbers = even_choice(targets, seed, epoch)
    assert len(numbers) == len(targets)
    assert len(np.unique(numbers)) == len(numbers)
    counts = np.bincount(targets[original_items(numbers)], minlength=6)[np.unique(targets)]
    assert counts.max() - counts.min() <= 1
    assert np.array_equal(even_choice(targets, seed, epoch), numbers)


@given(labels, st.integers(0, 2**32), st.integers(1, 12))
def test_over_the_epochs_every_item_of_a_class_is_seen_as_often(targets, seed, epochs):
    seen = np.zeros(len(targets), int)
    for epoch in range(epochs):
        np.add.at(seen, original_items(even_choice(targets, seed, epoch)), 1)
    assert seen.sum() == epochs * len(targets)
    for class_ in np.unique(targets):
        of_class = seen[targets == class_]
        assert of_class.max() - of_class.min() <= 1
    totals = [seen[targets == c].sum() for c in np.unique(targets)]
    assert max(totals) - min(totals) <= 1


def test_the_seed_and_the_epoch_decide_the_choice():
    targets = np.array([0] * 30 + [1] * 10)
    choices = {tuple(even_choice(targets, seed, epoch)) for seed in range(3) for epoch in range(3)}
    assert len(choices) == 9


def test_these_choices_are_for_ever():
    assert original_items(even_choice(np.array([0, 0, 0, 0, 1, 1]), 1, 2)).tolist() == [2, 4, 0, 5, 3, 5]
