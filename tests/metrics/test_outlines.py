"""Outlines and objects of masks: scipy's labels and distances; known shapes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from strategies import examples
from striate.metrics.outlines import boundary_f1, count_objects, grown, outlines

seeds = st.integers(0, 2**20)


@examples(60)
@given(seeds, st.integers(1, 30), st.integers(1, 30), st.integers(1, 4))
def test_objects_are_scipys(seed, h, w, k):
    rng = np.random.default_rng(seed)
    mask = rng.integers(0, k, (h, w)).astype(np.uint8)
    mask[rng.random((h, w)) < 0.1] = 255
    wanted = [ndimage.label(mask == i, np.ones((3, 3)))[1] for i in range(k)]
    assert count_objects(mask, k).tolist() == wanted


def test_a_spiral_is_one_object():
    mask = np.zeros((41, 41), np.uint8)
    y, x, (dy, dx) = 0, 0, (0, 1)
    for length in [40, 40, *[n for n in range(38, 0, -2) for _ in range(2)]]:
        for _ in range(length):
            mask[y, x] = 1
            y, x = y + dy, x + dx
        dy, dx = dx, -dy
    assert count_objects(mask, 2)[1] == ndimage.label(mask, np.ones((3, 3)))[1] == 1


@examples(40)
@given(seeds, st.integers(1, 25), st.integers(1, 25), st.sampled_from([1, 1.5, 2, 2.25, 3.7, 40]))
def test_growing_is_the_distance_of_scipy(seed, h, w, radius):
    points = np.random.default_rng(seed).random((h, w)) < 0.05
    found = grown(points.astype(np.uint64) << np.uint64(63), radius) > 0
    if points.any():
        np.testing.assert_array_equal(found, ndimage.distance_transform_edt(~points) <= radius)
    else:
        assert not found.any()


@examples(40)
@given(seeds, st.integers(2, 25), st.integers(2, 25))
def test_boundary_f1_is_that_of_distances(seed, h, w):
    rng = np.random.default_rng(seed)
    labels, predicted = (ndimage.zoom(rng.integers(0, 3, (4, 4)), (h / 4, w / 4), order=0) for _ in range(2))
    known = np.ones(labels.shape, bool)
    found = boundary_f1(predicted, labels, 3)
    for i in range(3):
        if not (predicted == i).any() and not (labels == i).any():
            assert np.isnan(found[i])
            continue
        a, b = (outlines(mask, known) & (mask == i) for mask in (predicted, labels))
        if a.any() and b.any():
            radius = max(1, 0.0075 * np.hypot(*labels.shape))
            near = [(ndimage.distance_transform_edt(~q) <= radius)[p].mean() for p, q in ((a, b), (b, a))]
            assert found[i] == pytest.approx(2 * near[0] * near[1] / max(1e-9, sum(near)))
    np.testing.assert_allclose(boundary_f1(labels, predicted, 3), found)  # neither of the two is first
    same = boundary_f1(labels, labels, 3)
    assert (same[~np.isnan(same)] == 1).all()


def test_an_outline_that_is_off_by_more_is_missed():
    square = np.zeros((100, 100), np.uint8)
    square[30:60, 30:60] = 1
    near, far = (boundary_f1(np.roll(square, by, 1), square, 2)[1] for by in (1, 4))
    assert near == 1
    assert 0.4 < far < 0.6  # two of the four sides are still met


def test_more_classes_than_a_word_has_bits():
    labels = np.repeat(np.arange(200), 4)[None].repeat(8, 0)
    assert (boundary_f1(labels, labels, 200) == 1).all()
    moved = boundary_f1(np.roll(labels, 20, 1), labels, 200)
    assert moved.max() == 0


def test_what_is_ignored_has_no_outline():
    labels = np.zeros((10, 10), np.uint8)
    labels[:, 5:] = 255
    predicted = np.zeros((10, 10), np.uint8)
    predicted[:, 6:] = 1
    found = boundary_f1(predicted, labels, 2)
    assert found[0] == 1
    assert np.isnan(found[1])
    only = np.ones((4, 4), np.uint8)
    assert boundary_f1(only, np.zeros((4, 4), np.uint8), 2).tolist() == [0, 0]
    assert np.isnan(boundary_f1(np.full((2, 2), 255), np.zeros((2, 2), np.uint8), 2)).all()
