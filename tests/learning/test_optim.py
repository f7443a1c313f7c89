"""The optimizers against torch's own; the schedules at known steps."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from striate.errors import RecipeError
from striate.learning import SCHEDULES, Recipe, optimizer_of, rate_at, training

DATA = [(torch.randn(8, 5, generator=torch.Generator().manual_seed(i)), torch.arange(8) % 3) for i in range(5)]
CONSTANT = {"schedule": "constant", "warmup": 0.0, "label_smoothing": 0.0}


def net(bias=True):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7, bias=bias), nn.BatchNorm1d(7), nn.Tanh(), nn.Linear(7, 3))


def groups(module, decay):
    weights = [p for p in module.parameters() if p.ndim > 1]
    rest = [p for p in module.parameters() if p.ndim == 1]
    return [{"params": weights, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}]


TORCHS = {
    "sgd": lambda g: torch.optim.SGD(g, lr=0.05),
    "momentum": lambda g: torch.optim.SGD(g, lr=0.05, momentum=0.8),
    "nesterov": lambda g: torch.optim.SGD(g, lr=0.05, momentum=0.8, nesterov=True),
    "adam": lambda g: torch.optim.Adam(g, lr=0.05),
    "adamw": lambda g: torch.optim.AdamW(g, lr=0.05),
}


def after_torch(module, optimizer, clip=0.0, l1=0.0):
    """The loop as torch's tutorials write it."""
    module.train()
    for x, y in DATA:
        optimizer.zero_grad()
        loss = F.cross_entropy(module(x), y)
        if l1:
            loss = loss + l1 * sum(p.abs().sum() for p in module.parameters() if p.ndim > 1)
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(module.parameters(), clip)
        optimizer.step()
    return list(module.parameters())


def after_ours(module, **settings):
    for _ in training(module, DATA, Recipe(epochs=1, lr=0.05, **CONSTANT, **settings)):
        pass
    return list(module.parameters())


@pytest.mark.parametrize("name", TORCHS)
def test_each_moves_the_weights_as_torchs_own(name):
    module = net(bias=False)  # whose gradient is rounding alone before a batch normalisation, which Adam makes large
    twin = copy.deepcopy(module)
    ours = after_ours(module, optimizer=name, momentum=0.8, weight_decay=0.1)
    torchs = after_torch(twin, TORCHS[name](groups(twin, 0.1)))
    assert all(torch.allclose(a, b, rtol=1e-5, atol=1e-6) for a, b in zip(ours, torchs, strict=True))


@pytest.mark.parametrize(("settings", "loop"), [({"clip": 0.01}, {"clip": 0.01}), ({"l1": 0.1}, {"l1": 0.1})])
def test_clip_and_l1_as_torch_would(settings, loop):
    module = net()
    twin, free = copy.deepcopy(module), copy.deepcopy(module)
    ours = after_ours(module, optimizer="sgd", weight_decay=0.0, **settings)
    torchs = after_torch(twin, TORCHS["sgd"](groups(twin, 0.0)), **loop)
    without = after_ours(free, optimizer="sgd", weight_decay=0.0)
    assert all(torch.allclose(a, b, atol=1e-7) for a, b in zip(ours, torchs, strict=True))
    assert not all(torch.allclose(a, b, atol=1e-4) for a, b in zip(ours, without, strict=True))


def test_biases_and_norms_have_no_weight_decay():
    module = net()
    optimizer = optimizer_of(module, Recipe(weight_decay=0.3))
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    named = {name: decays[id(p)] for name, p in module.named_parameters()}
    assert {name for name, decay in named.items() if decay == 0.3} == {"0.weight", "3.weight"}
    assert {name for name, decay in named.items() if decay == 0} == {"0.bias", "1.weight", "1.bias", "3.bias"}


def test_what_is_frozen_stays():
    module = net()
    module[0].requires_grad_(False)
    before = module[0].weight.clone()
    after_ours(module)
    assert torch.equal(module[0].weight, before)


def test_nothing_to_train_is_said():
    with pytest.raises(RecipeError, match="no weights to train"):
        optimizer_of(nn.Flatten(), Recipe())


def rates(schedule, total=8, **settings):
    recipe = Recipe(lr=1.0, schedule=schedule, **({"warmup": 0.0} | settings))
    return [rate_at(recipe, step, total) for step in range(total)]


def test_the_schedules_at_known_steps():
    assert rates("constant") == [1] * 8
    assert rates("linear") == [1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]
    assert rates("step", 20) == [1] * 10 + [0.1] * 5 + [0.01] * 5
    cosine = rates("cosine")
    assert [cosine[0], cosine[4]] == pytest.approx([1, 0.5])
    assert cosine[2] == pytest.approx((1 + 0.5**0.5) / 2)


def test_warm_up_rises_to_the_full_rate_and_the_schedule_begins_there():
    assert rates("constant", warmup=0.5) == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]
    assert rates("linear", warmup=0.5) == [0.25, 0.5, 0.75, 1, 1, 0.75, 0.5, 0.25]
    assert rates("linear", warmup=1.0) == [n / 8 for n in range(1, 9)]


@given(st.sampled_from(SCHEDULES), st.floats(0, 1), st.integers(1, 300), st.floats(1e-6, 10))
def test_up_then_down_and_never_above_lr_nor_at_zero(schedule, warmup, total, lr):
    recipe = Recipe(lr=lr, schedule=schedule, warmup=warmup)
    values = [rate_at(recipe, step, total) for step in range(total)]
    warm = round(warmup * total)
    assert all(0 < value <= lr * (1 + 1e-12) for value in values)
    assert values[:warm] == sorted(values[:warm])
    assert values[warm:] == sorted(values[warm:], reverse=True)
    assert max(values) == pytest.approx(lr)


def test_the_rate_decays_from_the_last_layer_to_the_first():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(4, 2))
    optimizer = optimizer_of(module, Recipe(lr=1.0, layer_decay=0.5))
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    by_layer = [{rates[id(p)] for p in module[i].parameters()} for i in (0, 1, 2, 4)]
    assert by_layer == [{0.25}, {0.25}, {0.5}, {1.0}]  # the norm is of the layer that it follows
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.0, 0.01}


def test_the_decayed_rates_follow_the_schedule():
    module = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))
    before = copy.deepcopy(module)
    for _ in training(module, DATA[:1], Recipe(epochs=1, lr=0.1, optimizer="sgd", layer_decay=0.5, **CONSTANT)):
        pass
    loss = F.cross_entropy(before(DATA[0][0]), DATA[0][1])
    loss.backward()
    for layer, rate in ((0, 0.05), (2, 0.1)):
        step = before[layer].bias - rate * before[layer].bias.grad
        assert torch.allclose(module[layer].bias, step, atol=1e-6)
