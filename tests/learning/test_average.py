"""Averaged weights, accumulated gradients, and images that grow: each against a few lines of torch."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from strategies import examples
from striate.learning import Epoch, Recipe, State, Step, training, validate
from striate.learning.average import WeightAverage


def net(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3))


def data(n=4, size=8):
    made = torch.Generator().manual_seed(0)
    return [(torch.randn(size, 5, generator=made), torch.arange(size) % 3) for _ in range(n)]


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=30), st.floats(0.0, 0.999))
@examples(50)
def test_the_average_by_hand(values, decay):
    module = nn.Linear(1, 1, bias=False)
    average = WeightAverage(module, decay)
    expected = module.weight.item()
    for t, value in enumerate(values):
        module.weight.data.fill_(value)
        average.update()
        d = min(decay, (1 + t) / (10 + t))
        expected = d * expected + (1 - d) * value
    with average.applied():
        assert module.weight.item() == pytest.approx(expected, abs=1e-4)
    assert module.weight.item() == pytest.approx(values[-1], abs=1e-5)


def test_validation_sees_the_averaged_weights_and_statistics_and_training_does_not():
    recipe = Recipe(epochs=3, lr=0.05, ema=0.8)
    plain, averaged = net(), net()
    list(training(plain, data(), Recipe(epochs=3, lr=0.05)))
    state = State.new(averaged, recipe)
    events = list(training(averaged, data(), recipe, state=state, val=data(2)))
    assert all(
        torch.equal(a, b) for a, b in zip(plain.state_dict().values(), averaged.state_dict().values(), strict=True)
    )
    own = validate(averaged, data(2))
    with state.averaged():
        assert averaged[1].running_mean.ne(plain[1].running_mean).all()
        assert averaged[1].num_batches_tracked == 12
        smoothed = copy.deepcopy(averaged)
    last = [e for e in events if isinstance(e, Epoch)][-1]
    loss = nn.functional.cross_entropy(
        smoothed.eval()(torch.cat([x for x, _ in data(2)])), torch.cat([y for _, y in data(2)]), label_smoothing=0.05
    )
    assert last.val_loss == pytest.approx(loss.item(), rel=1e-5)
    assert own[0] != pytest.approx(last.val_loss, rel=1e-3)


@pytest.mark.parametrize("size", [8, 5])
def test_two_halves_of_a_batch_accumulated_are_the_batch(size):
    module = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3))
    twin = copy.deepcopy(module)
    whole = data(3, size)
    halves = [part for x, y in whole for part in ((x[:3], y[:3]), (x[3:], y[3:]))]
    settings_ = {"epochs": 2, "schedule": "constant", "warmup": 0, "clip": 0.5, "optimizer": "nesterov", "lr": 0.1}
    steps = [e for e in training(module, whole, Recipe(**settings_)) if isinstance(e, Step)]
    accumulated = [e for e in training(twin, halves, Recipe(**settings_, accumulate=2)) if isinstance(e, Step)]
    assert [(e.epoch, e.step, e.steps) for e in accumulated] == [(e.epoch, e.step, e.steps) for e in steps]
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(module.parameters(), twin.parameters(), strict=True))


def test_what_is_left_at_the_end_of_an_epoch_is_a_step_of_its_own():
    events = list(training(net(), data(5), Recipe(epochs=2, accumulate=2)))
    steps = [(e.epoch, e.step, e.steps) for e in events if isinstance(e, Step)]
    assert steps == [(epoch, step, 3) for epoch in (1, 2) for step in (1, 2, 3)]


def test_images_grow_to_their_size():
    seen = []

    class Seen(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = nn.Linear(3, 2)

        def forward(self, x):
            seen.append(tuple(x.shape[2:]))
            return self.last(x.mean((2, 3)))

    batches = [(torch.rand(4, 3, 32, 24), torch.tensor([0, 1, 0, 1]))]
    list(training(Seen(), batches, Recipe(epochs=9, start_size=0.5), val=batches))
    trained, validated = seen[::2], seen[1::2]
    assert trained == [(16, 12), (20, 16), (20, 16), (24, 16), (28, 20), (28, 24), (32, 24), (32, 24), (32, 24)]
    assert set(validated) == {(32, 24)}


def test_a_weight_with_two_names_is_swapped_once():
    tied = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    tied[1].weight = tied[0].weight
    tied[0].weight.data.fill_(0.0)
    average = WeightAverage(tied, 0.5)
    tied[0].weight.data.fill_(10.0)
    average.update()
    with average.applied():
        assert tied[1].weight.tolist() == [[9.0, 9.0]] * 2
    assert tied[0].weight.tolist() == [[10.0, 10.0]] * 2
