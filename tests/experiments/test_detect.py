"""``detect``: overlaps, suppression and precision by hand; sliding is cutting window by window; boxes are tight."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import examples
from striate.experiments import EXPERIMENTS
from striate.experiments.detect import (
    FAR,
    KINDS_FOUND,
    NETWORK,
    SCENE,
    BoxInScene,
    best_boxes,
    box_overlap,
    boxes_at_places,
    class_probabilities,
    drawn_scenes,
    label_places,
    score_boxes,
    slide,
    training_windows,
    window_by_window,
)
from striate.experiments.fitting import built

BOXES = st.builds(
    lambda k, y, x, h, w, s: BoxInScene(k, y, x, y + h, x + w, s),
    st.integers(0, 4),
    *(st.integers(0, 20) for _ in range(2)),
    *(st.integers(1, 12) for _ in range(2)),
    st.floats(0, 1),
)


@examples(100)
@given(BOXES, BOXES)
def test_overlap_is_counted_in_pixels(a, b):
    masks = []
    for box in (a, b):
        mask = np.zeros((40, 40), bool)
        mask[int(box.top) : int(box.bottom), int(box.left) : int(box.right)] = True
        masks.append(mask)
    wanted = (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()
    assert box_overlap(a, b) == pytest.approx(wanted)
    assert box_overlap(a, b) == box_overlap(b, a)
    assert box_overlap(a, a) == 1


@examples(50)
@given(st.lists(BOXES, max_size=12))
def test_suppression_keeps_the_surest_and_none_that_overlap(boxes):
    kept = best_boxes(boxes, 0.3)
    assert max((box.score for box in kept), default=None) == max((box.score for box in boxes), default=None)
    for i, a in enumerate(kept):
        assert all(box_overlap(a, b) <= 0.3 for b in kept[:i])
    for box in boxes:  # what is gone overlaps a surer one
        assert box in kept or any(box_overlap(box, k) > 0.3 and k.score >= box.score for k in kept)
    assert best_boxes(kept, 0.3) == kept


def test_labels_cover_no_other_label():
    """Boxes that touch, one in a corner and one at the top."""
    boxes = [BoxInScene(0, 0, 0, 12, 12), BoxInScene(1, 2, 6, 14, 18), BoxInScene(2, 14, 7, 30, 20)]
    places = label_places(boxes, [(90.0, 25.0)] * 3, 6, (240, 240))
    labels = [BoxInScene(0, y, x, y + 25, x + 90) for x, y in places]
    assert all(box_overlap(a, b) == 0 for i, a in enumerate(labels) for b in labels[:i])
    assert all(a.left >= 0 and a.right <= 240 and a.top >= 0 and a.bottom <= 240 for a in labels)
    assert label_places([BoxInScene(0, 10, 10, 20, 20)], [(30.0, 25.0)], 6, (240, 240)) == [(60, 35)]


def test_a_box_without_area_overlaps_nothing():
    empty = BoxInScene(0, 5, 5, 5, 5)
    assert box_overlap(empty, empty) == 0
    assert box_overlap(empty, BoxInScene(0, 0, 0, 9, 9)) == 0


def test_average_precision_by_hand():
    """Two true boxes of a class; found: right, wrong, right. Precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1: the area is
    1/2 * 1 + 1/2 * 2/3."""
    truth = [[BoxInScene(0, 0, 0, 10, 10), BoxInScene(0, 50, 50, 60, 60)]]
    found = [[
        BoxInScene(0, 0, 0, 10, 10, 0.9), BoxInScene(0, 20, 20, 30, 30, 0.8), BoxInScene(0, 50, 50, 60, 59, 0.7)
    ]]  # fmt: skip
    scores = score_boxes(found, truth)
    assert scores.right.tolist() == [True, False, True]
    assert scores.average_precision(0) == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert scores.average_precision(1) == 0
    assert scores.at(0.75) == (0.5, 0.5)
    assert scores.at(0.0, 0) == pytest.approx((2 / 3, 1.0))


def test_a_box_of_another_class_or_a_second_one_is_wrong():
    truth = [[BoxInScene(2, 0, 0, 10, 10)], []]
    found = [
        [BoxInScene(1, 0, 0, 10, 10, 0.9), BoxInScene(2, 0, 0, 10, 10, 0.8), BoxInScene(2, 0, 0, 10, 9, 0.7)],
        [BoxInScene(2, 0, 0, 10, 10, 0.6)],
    ]
    assert score_boxes(found, truth).right.tolist() == [False, True, False, False]


def test_the_truth_is_perfect_and_nothing_is_nothing():
    truth = [scene.boxes for scene in drawn_scenes(8, 0, "test")]
    perfect = score_boxes(truth, truth, 0.99)
    assert perfect.at(0.5) == (1.0, 1.0)
    assert perfect.mean_average_precision == pytest.approx(1)
    nothing = score_boxes([[] for _ in truth], truth)
    assert nothing.mean_average_precision == 0
    assert nothing.at(0.5) == (0.0, 0.0)


def test_the_true_boxes_hold_their_shapes():
    """Shapes are lighter than the ground: the mean brightness in a box is above that around it."""
    for scene in drawn_scenes(4, 1):
        grey = scene.image.mean(2)
        outside = np.ones(grey.shape, bool)
        for box in scene.boxes:
            outside[int(box.top) : int(box.bottom), int(box.left) : int(box.right)] = False
        for box in scene.boxes:
            inside = grey[int(box.top) : int(box.bottom), int(box.left) : int(box.right)]
            assert inside.mean() > grey[outside].mean() + 10
            assert 8 <= box.bottom - box.top <= 30


def test_windows_have_the_class_of_what_is_in_their_middle():
    x, classes, boxes = training_windows(drawn_scenes(6, 0), np.random.default_rng(0))
    assert x.shape[1:] == (32, 32, 3)
    near = np.abs(boxes[:, :2]).max(1) * 16
    assert (near[classes > 0] <= FAR).all()
    assert (near[classes == 0] > FAR).all()
    assert 0.3 < (classes > 0).mean() < 0.7


def test_sliding_is_cutting_window_by_window():
    module, image = built(NETWORK, 1), drawn_scenes(1, 2)[0].image
    found = slide(module, image)
    assert found.shape == (len(KINDS_FOUND) + 5, 29, 29)
    np.testing.assert_allclose(found, window_by_window(module, image), atol=1e-4)


def test_a_place_becomes_its_box():
    out = np.zeros((len(KINDS_FOUND) + 5, 29, 29))
    out[0] = 20  # ground everywhere
    out[0, 10, 5], out[4, 10, 5] = 0, 20  # but a star at row 10, column 5: pixel 40, 20
    out[-4:, 10, 5] = (0.25, -0.125, 1.0, 0.5)  # 4 pixels lower, 2 to the left, 16 high, 8 wide
    (box,) = boxes_at_places(out)
    assert (box.kind, box.top, box.left, box.bottom, box.right) == (3, 36, 14, 52, 22)
    assert box.score == pytest.approx(1, abs=1e-6)
    (fixed,) = boxes_at_places(out, fixed=20)
    assert (fixed.top, fixed.left, fixed.bottom, fixed.right) == (30, 10, 50, 30)
    np.testing.assert_allclose(class_probabilities(out).sum(0), 1)
    assert SCENE // 4 + 1 == 29


@pytest.mark.slow
def test_the_whole_experiment():
    found = EXPERIMENTS["detect"].run(0)
    assert found.holds
    scores = found.data["scores"]["boxes as the network gives them"]
    assert scores[0.5].mean_average_precision > 0.9
    assert found.data["scores"]["boxes of one size"][0.75].mean_average_precision < 0.3
    assert "Slid at once" in found.result
