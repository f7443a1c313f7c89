"""The losses against numbers worked out by hand, and against torch's own."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from striate.learning import Recipe, loss_of

half_squared_error, multiclass_hinge = (loss_of(Recipe(loss=name)) for name in ("mse", "hinge"))


def cross_entropy(scores, targets, smoothing=0.0):
    return loss_of(Recipe(label_smoothing=smoothing))(scores, targets).item()


def test_cross_entropy_by_hand():
    # scores ln 1, ln 2, ln 5 are the probabilities 1/8, 2/8, 5/8
    scores = torch.tensor([[0.0, math.log(2), math.log(5)]])
    assert cross_entropy(scores, torch.tensor([2])) == pytest.approx(-math.log(5 / 8))
    assert cross_entropy(scores.repeat(2, 1), torch.tensor([0, 1])) == pytest.approx((math.log(8) + math.log(4)) / 2)


def test_cross_entropy_with_smoothing_by_hand():
    # a third of 0.3 goes to every class: targets 0.1, 0.1, 0.8
    scores = torch.tensor([[0.0, math.log(2), math.log(5)]])
    wanted = -(0.1 * math.log(1 / 8) + 0.1 * math.log(2 / 8) + 0.8 * math.log(5 / 8))
    assert cross_entropy(scores, torch.tensor([2]), 0.3) == pytest.approx(wanted)


def test_half_squared_error_by_hand():
    # probabilities 0.75, 0.25 against 1, 0: ((0.25)^2 + (0.25)^2) / 2
    scores = torch.tensor([[math.log(3), 0.0]])
    assert half_squared_error(scores, torch.tensor([0])).item() == pytest.approx(0.0625)
    assert half_squared_error(scores, torch.tensor([1])).item() == pytest.approx(0.5625)
    assert half_squared_error(scores.repeat(2, 1), torch.tensor([0, 1])).item() == pytest.approx(0.3125)


def test_hinge_of_the_three_images_of_cs231n():
    # Stanford CS231n 2016, lecture 3: cat, car and frog; losses 2.9, 0 and 12.9, mean 5.27
    scores = torch.tensor([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]])
    each = [multiclass_hinge(scores[i : i + 1], torch.tensor([i])).item() for i in range(3)]
    assert each == pytest.approx([2.9, 0.0, 12.9], abs=1e-5)
    assert multiclass_hinge(scores, torch.tensor([0, 1, 2])).item() == pytest.approx(15.8 / 3, abs=1e-5)


batches = st.integers(1, 6).flatmap(
    lambda n: st.integers(2, 7).flatmap(
        lambda k: st.tuples(
            st.lists(st.lists(st.floats(-20, 20, width=32), min_size=k, max_size=k), min_size=n, max_size=n).map(
                lambda rows: torch.tensor(rows, dtype=torch.float64)
            ),
            st.lists(st.integers(0, k - 1), min_size=n, max_size=n).map(torch.tensor),
        )
    )
)


@given(batches)
def test_the_losses_are_torchs(batch):
    scores, targets = batch
    k = scores.shape[1]
    assert cross_entropy(scores, targets, 0.2) == pytest.approx(
        nn.CrossEntropyLoss(label_smoothing=0.2)(scores, targets).item()
    )
    wrong = F.one_hot(targets, k) - F.softmax(scores, 1)
    assert half_squared_error(scores, targets).item() == pytest.approx(
        0.5 * wrong.pow(2).sum().item() / len(targets), abs=1e-12
    )
    # torch's divides by the number of classes as well
    torchs = nn.MultiMarginLoss()(scores, targets).item() * k
    assert multiclass_hinge(scores, targets).item() == pytest.approx(torchs, abs=1e-9)


@given(batches, st.floats(-5, 5))
def test_no_loss_minds_a_constant_on_all_scores(batch, shift):
    scores, targets = batch
    for loss in (half_squared_error, multiclass_hinge, loss_of(Recipe(label_smoothing=0))):
        assert loss(scores + shift, targets).item() == pytest.approx(loss(scores, targets).item(), abs=1e-6)
