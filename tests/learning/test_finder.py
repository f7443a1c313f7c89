"""The sweep of the learning rate: on a quadratic, whose right rates are known, and what it leaves behind."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from strategies import examples
from striate.errors import DataError, RecipeError
from striate.learning import RateSweep, Recipe, sweep_rates

PLAIN = Recipe(optimizer="sgd", weight_decay=0)


def line(scale):
    """A weight w with the loss (scale w)^2, whose curvature is 2 scale^2: gradient descent diverges above 1/scale^2."""
    x = torch.full((4, 1), scale)
    net = nn.Linear(1, 1, bias=False)
    nn.init.ones_(net.weight)
    return net, [(x, torch.zeros(4, 1))]


@examples(15)
@given(st.floats(-1.5, 1.5))
def test_on_a_quadratic_the_rate_is_stable_and_not_far_below_where_it_diverges(exponent):
    scale = 10**exponent
    net, batches = line(scale)
    sweep = sweep_rates(net, batches, PLAIN, task="regression", low=1e-7, high=1e5, steps=200)
    assert 1 / 100 < sweep.suggestion * scale**2 < 1
    assert 1 / 100 < sweep.steepest * scale**2 < 1
    assert sweep.rates[-1] * scale**2 > 1  # it went on until the loss grew
    assert sweep.suggestion == float(f"{sweep.lowest / 3:.1e}")


def test_the_losses_are_those_of_gradient_descent_at_these_rates():
    net, batches = line(1.0)
    sweep = sweep_rates(net, batches, PLAIN, task="regression", low=1e-3, high=0.1, steps=20)
    w, losses = 1.0, []
    for rate in sweep.rates:
        losses.append(w * w)
        w -= rate * 2 * w
    assert sweep.losses == pytest.approx(losses, rel=1e-5)
    assert sweep.rates == pytest.approx([1e-3 * 100 ** (i / 19) for i in range(20)])


def test_everything_is_as_it_was():
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 2))
    net[1].eval()
    x, y = torch.randn(8, 3), torch.randint(0, 2, (8,))
    net(x).sum().backward()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    gradients = [p.grad.clone() for p in net.parameters()]
    rng = torch.get_rng_state()
    for batches in ([(x, y)], [(x, y), (x, y + 7)]):  # the second fails in the middle: no such class
        with pytest.raises(DataError) if len(batches) > 1 else pytest.MonkeyPatch.context():
            sweep_rates(net, batches)
        assert all(torch.equal(net.state_dict()[name], value) for name, value in before.items())
        assert all(torch.equal(p.grad, g) for p, g in zip(net.parameters(), gradients, strict=True))
        assert torch.equal(torch.get_rng_state(), rng)
        assert (net.training, net[1].training) == (True, False)


def test_smoothing_shifts_nothing_and_keeps_a_line():
    rates = tuple(10.0**i for i in range(50))
    flat = RateSweep(rates, (2.0,) * 50)
    assert flat.smoothed == pytest.approx(flat.losses)
    bump = RateSweep(rates, tuple(1.0 + (i == 25) for i in range(50)))
    assert max(range(50), key=bump.smoothed.__getitem__) == 25


@pytest.mark.parametrize("sweep", [{"low": 0.0}, {"low": 1.0, "high": 0.1}, {"high": math.inf}, {"steps": 3}])
def test_what_is_no_sweep(sweep):
    net, batches = line(1.0)
    with pytest.raises(RecipeError, match="a sweep goes from a rate above 0 to a larger one in at least 10 steps"):
        sweep_rates(net, batches, PLAIN, task="regression", **sweep)


def test_where_the_loss_falls_nowhere_nothing_is_suggested():
    with pytest.raises(RecipeError, match=r"the loss fell at no learning rate between 0\.1 and 1: it was 1 at first"):
        _ = RateSweep((0.1, 1.0), (1.0, 2.0)).suggestion
    net, batches = line(1e15)
    with pytest.raises(RecipeError, match=r"after 1 steps, at a learning rate of .*; sweep from a smaller one than 1e"):
        sweep_rates(net, batches, PLAIN, task="regression", low=1e9, high=1e12)
    with pytest.raises(DataError, match="the batches are empty"):
        sweep_rates(nn.Linear(1, 1), [])
