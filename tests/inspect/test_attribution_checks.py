"""The checks of a map: they pass what should pass and fail what is known to fail, and say so."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from torch import Tensor, nn
from torch.nn import functional as F

from striate.datasets import open_data
from striate.errors import SeeError
from striate.inspect.attribution import (
    Attribution,
    Target,
    completeness,
    deconvnet,
    deletion,
    grad_cam,
    gradient,
    gradient_x_input,
    guided_backprop,
    insertion,
    integrated_gradients,
    occlusion,
    randomisation_test,
    rank_correlation,
)
from striate.inspect.attribution.checks import blurred


@pytest.fixture(scope="module")
def digits() -> tuple[nn.Module, Tensor]:
    """A net of three convolutions that has learned the digits (some), and images."""
    data = open_data("digits").train
    x = torch.tensor(np.asarray(data.inputs), dtype=torch.float32)[:, None] / 255 - 0.3
    y = torch.tensor(np.asarray(data.targets))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 32), nn.ReLU(), nn.Linear(32, 10),
        )  # fmt: skip
        optimizer = torch.optim.Adam(net.parameters(), 3e-3)
        for _ in range(60):
            batch = torch.randint(len(x), (64,))
            optimizer.zero_grad()
            F.cross_entropy(net(x[batch]), y[batch]).backward()
            optimizer.step()
    assert (net(x).argmax(1) == y).float().mean() > 0.8
    return net, x[50:200:25]


def test_randomisation_finds_out_guided_backprop_and_the_deconvnet(digits: tuple[nn.Module, Tensor]) -> None:
    """Adebayo et al. 2018, Sixt et al. 2020: both stay much as they are; gradient and Grad-CAM do not."""
    net, images = digits
    found = {
        method.__name__: [randomisation_test(net, x[None], method) for x in images]
        for method in (gradient, grad_cam, guided_backprop, deconvnet)
    }
    half = {name: np.mean([one.correlations[2] for one in each]) for name, each in found.items()}
    assert half["guided_backprop"] > 0.6
    assert half["deconvnet"] > 0.4
    assert max(abs(half["gradient"]), abs(half["grad_cam"])) < 0.2
    assert not any(one.passed for one in found["guided_backprop"])
    assert all(one.passed for name in ("gradient", "grad_cam") for one in found[name])
    assert found["guided_backprop"][0].verdict.startswith(
        "with the upper half of the layers randomised the map hardly changes"
    )
    assert [stage for (stage,) in found["gradient"][0].stages] == ["10", "8", "5", "2", "0"]


def test_randomisation_leaves_the_network_alone(digits: tuple[nn.Module, Tensor]) -> None:
    net, x = digits[0], digits[1][:1]
    before = [p.clone() for p in net.parameters()]
    randomisation_test(net, x, gradient)
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


def test_what_is_known_to_fail_says_so(digits: tuple[nn.Module, Tensor]) -> None:
    net, x = digits[0], digits[1][:1]
    for method in (guided_backprop, deconvnet):
        assert method(net, x).fails_randomisation
        assert "fails the randomisation test (Adebayo et al. 2018, Sixt et al. 2020)" in method(net, x).note
    assert "randomisation" not in gradient(net, x).note


def test_randomisation_takes_layers_in_groups_and_can_be_repeated(digits: tuple[nn.Module, Tensor]) -> None:
    net, x = digits[0], digits[1][:1]
    found = randomisation_test(net, x, occlusion, stages=2, repeats=1, window=2)
    assert found.stages == (("10", "8", "5"), ("2", "0"))
    assert found == randomisation_test(net, x, occlusion, stages=2, repeats=1, window=2)
    assert found != randomisation_test(net, x, occlusion, stages=2, repeats=1, window=2, seed=1)


def test_randomisation_of_what_cannot_change() -> None:
    with pytest.raises(SeeError, match="no weights to randomise"):
        randomisation_test(nn.Flatten(), torch.rand(1, 1, 3, 3), gradient)
    still = nn.Sequential(nn.Flatten(), nn.Linear(9, 2))
    found = randomisation_test(still, torch.zeros(1, 1, 3, 3), gradient_x_input)
    assert math.isnan(found.correlations[0])
    assert found.verdict.startswith("undecided: ")
    with pytest.raises(SeeError, match="0 stages"):
        randomisation_test(still, torch.zeros(1, 1, 3, 3), gradient, stages=0)


def test_completeness_says_which_is(digits: tuple[nn.Module, Tensor]) -> None:
    net, x = digits[0], digits[1][:1]
    found = completeness(net, x, integrated_gradients(net, x, 3))
    assert found.passed
    assert found.verdict.endswith(": complete")
    wanted = (net(x) - net(torch.zeros_like(x)))[0, 3].item()
    assert found.expected == pytest.approx(wanted, abs=1e-5)
    other = completeness(net, x, gradient(net, x, 3))
    assert not other.passed
    assert "the method does not promise it" in other.verdict
    assert other.error == pytest.approx(other.total - wanted, abs=1e-4)


@given(
    st.lists(st.integers(-3, 3), min_size=3, max_size=30).filter(lambda v: len(set(v)) > 1),
    st.randoms(use_true_random=False),
)
def test_rank_correlation_is_scipys(values: list[int], random: object) -> None:
    other = random.sample(values, len(values))
    assert rank_correlation(np.array(values), np.array(other)) == pytest.approx(spearmanr(values, other).statistic)


def test_rank_correlation_of_a_constant_is_no_number() -> None:
    assert math.isnan(rank_correlation(np.ones(4), np.arange(4.0)))


class Sum(nn.Module):
    """The score of class 0 is the sum of the pixels with these weights."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.weights).sum((1, 2, 3))[:, None]


def test_the_curves_of_a_sum_are_known() -> None:
    """Weights 4, 3, 2, 1 of ones: deleting the best first leaves 10, 6, 3, 1, 0; adding it gives 0, 4, 7, 9, 10."""
    net, x = Sum(torch.tensor([[1.0, 4.0], [2.0, 3.0]])), torch.ones(1, 1, 2, 2)
    found = gradient_x_input(net, x)
    gone = deletion(net, x, found, steps=4, batch=2)
    assert gone.scores == (10, 6, 3, 1, 0)
    assert gone.shares == (0, 0.25, 0.5, 0.75, 1)
    assert gone.area == pytest.approx((10 / 2 + 6 + 3 + 1) / 4)
    back = insertion(net, x, found, steps=4, start=0.0)
    assert back.scores == (0, 4, 7, 9, 10)
    assert gone.passed
    assert back.passed
    assert gone.verdict.startswith("AUC 3.75 (random 4.75)")


def test_the_wrong_way_round_does_no_better_than_chance() -> None:
    net, x = Sum(torch.rand(4, 4) + 0.1), torch.ones(1, 1, 4, 4)
    right = occlusion(net, x, window=1, stride=1)
    wrong = Attribution("wrong", -right.values, right.target, right.score, grid=right.grid)
    assert deletion(net, x, right).area < deletion(net, x, wrong).area
    assert not deletion(net, x, wrong).passed
    assert "no better than chance" in insertion(net, x, wrong, start=0.0).verdict


def test_curves_ask_the_probability_where_there_is_one(digits: tuple[nn.Module, Tensor]) -> None:
    net, x = digits[0], digits[1][:1]
    found = integrated_gradients(net, x)
    gone, back = deletion(net, x, found), insertion(net, x, found)
    assert gone.scores[0] == back.scores[-1] == pytest.approx(net(x).softmax(1).max().item(), abs=1e-6)
    assert all(0 <= score <= 1 for score in gone.scores + back.scores)
    assert gone.passed
    unit = gradient(net, x, "2:3:4:4")
    assert deletion(net, x, unit, steps=2).scores[0] == pytest.approx(unit.score)


def test_curves_place_the_cells_of_a_layer() -> None:
    """Of a map whose one bright cell lies at the right by its grid, and in the middle as a resize has it."""
    weights = torch.zeros(1, 9)
    weights[0, 8] = 1
    net, x = Sum(weights), torch.ones(1, 1, 1, 9)
    cells = Attribution("cam", np.array([[0.0, 1.0]]), Target("", (0,)), 1.0, layer="some")
    assert deletion(net, x, cells, steps=9, grid=(0, 0, 1, 8)).scores[:2] == (1, 0)
    with pytest.raises(SeeError, match="grid"):
        deletion(net, x, cells, grid=(0, 1))


def test_curves_need_places() -> None:
    net, x = nn.Linear(4, 2), torch.rand(1, 4)
    with pytest.raises(SeeError, match="no positions to cover"):
        deletion(net, x, gradient(net, x))
    square = torch.rand(1, 1, 2, 2)
    with pytest.raises(SeeError, match="0 steps"):
        deletion(Sum(torch.ones(2, 2)), square, gradient(Sum(torch.ones(2, 2)), square), steps=0)


def test_a_blur_keeps_a_constant_and_smooths() -> None:
    assert torch.allclose(blurred(torch.full((1, 2, 7, 5), 3.0)), torch.tensor(3.0))
    noise = torch.randn(1, 1, 40, 40)
    assert blurred(noise).std() < 0.2 * noise.std()
    assert blurred(torch.rand(1, 1, 6)).shape == (1, 1, 6)
