"""``backprop``: the gradients by hand have two witnesses, differences and autograd; they vanish where they should."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import correlate2d

from striate.experiments import EXPERIMENTS
from striate.experiments.backprop import (
    TARGET,
    autograd_gradients,
    backward_by_hand,
    forward_by_hand,
    gradient_sizes,
    initial_weights,
    many_pictures,
    one_update,
    step_five,
    total_error,
    updated_weights,
    updates_until,
)
from striate.experiments.drawn import SMALL_PICTURES, small_picture, varied


def test_the_error_is_the_tutorials():
    """½ (0.04 + 0.16 + 0.81 + 0.09), for the outputs of the boat's example."""
    assert total_error(np.array([0.2, 0.4, 0.1, 0.3])) == pytest.approx(0.55)
    assert total_error(TARGET) == 0


def test_forward_is_what_scipy_and_the_definition_give():
    image, weights = small_picture("boat"), initial_weights(3)
    found = forward_by_hand(image, weights)
    for kernel, conv, pool in zip(weights["kernel"], found["conv"], found["pool"], strict=True):
        np.testing.assert_allclose(conv, correlate2d(image, kernel, mode="valid"), atol=1e-12)
        blocks = [[np.maximum(conv, 0)[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max() for j in range(3)] for i in range(3)]
        np.testing.assert_array_equal(pool, blocks)
    assert found["probability"].sum() == pytest.approx(1)


@pytest.mark.parametrize("seed", range(4))
def test_gradients_by_hand_are_autograds_and_the_differences(seed):
    image, weights = varied(small_picture("boat"), 1, np.random.default_rng(seed))[0], initial_weights(seed)
    gradients = backward_by_hand(forward_by_hand(image, weights), weights)
    for name, found in autograd_gradients(image, weights).items():
        np.testing.assert_allclose(gradients[name], found, atol=1e-12)
    rng = np.random.default_rng(seed)
    for name, value in weights.items():
        at = tuple(int(rng.integers(n)) for n in value.shape)
        errors = []
        for step in (1e-6, -1e-6):
            moved = {k: v.copy() for k, v in weights.items()}
            moved[name][at] += step
            errors.append(total_error(forward_by_hand(image, moved)["probability"]))
        assert (errors[0] - errors[1]) / 2e-6 == pytest.approx(gradients[name][at], abs=1e-7)


@pytest.mark.parametrize("seed", range(6))
def test_a_small_update_lowers_the_error_as_much_as_the_gradients_say(seed):
    update = one_update(seed, rate=1e-4)
    squares = sum(float((update.autograd[name] ** 2).sum()) for name in update.weights)
    before, after = update.errors
    assert before - after == pytest.approx(1e-4 * squares, rel=0.02)
    assert update.disagreement < 1e-12


def test_an_update_against_a_wrong_gradient_is_noticed():
    update = one_update()
    wrong = {**update.gradients, "bias": update.gradients["bias"] + 1e-3}
    assert update.disagreement < 1e-12 < 1e-4 < replace(update, gradients=wrong).disagreement


def test_an_update_is_the_rate_times_the_gradient():
    assert updated_weights({"bias": np.ones(1)}, {"bias": np.ones(1)}, 0.5)["bias"].tolist() == [0.5]


def test_updates_are_counted():
    assert updates_until(0.0) == 0
    n = updates_until(0.7)
    assert 1 < n < 200
    assert updates_until(0.7, most=n - 1) == n


def test_pictures_are_four_different_ones_of_all_classes():
    assert all(small_picture(name).shape == (8, 8) for name in SMALL_PICTURES)
    x, y = many_pictures(40, 0)
    assert np.bincount(y).tolist() == [10, 10, 10, 10]
    assert len({image.tobytes() for image in x}) == 40


def test_step_five_learns():
    course = step_five(epochs=6)
    assert len(course) == 7
    assert course[-1][0] < course[0][0] / 2
    assert course[-1][1] > 0.8


@pytest.mark.parametrize(
    ("activation", "normalised", "low", "high"),
    [("sigmoid", False, 0, 1e-4), ("sigmoid", True, 0.1, 10), ("tanh", False, 0.1, 10), ("relu", False, 0.1, 10)],
)
def test_gradients_vanish_in_sigmoids_alone(activation, normalised, low, high):
    found = gradient_sizes(activation, normalised, steps=0)
    assert len(found.sizes) == 12
    assert low <= found.ratio <= high


@pytest.mark.slow
def test_the_whole_experiment():
    found = EXPERIMENTS["backprop"].run(0)
    assert found.holds
    assert found.result.startswith("All 96 gradients computed by hand equal PyTorch's to within ")
    accuracy = {g.name: g.accuracy for g in found.data["gradients"]}
    assert accuracy["sigmoid"] < 0.2
    assert min(accuracy["relu"], accuracy["sigmoid, batch norm"]) > 0.9
    assert found.data["course"][-1, 1] > 0.9
