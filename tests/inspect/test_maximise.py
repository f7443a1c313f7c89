"""Activation maximisation against answers that are known, and against the best that data has to offer."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import striate
from striate.errors import SeeError
from striate.inspect import Ascent, Target, deep_dream, maximise, named_target
from striate.inspect.target import objective


def linear_filter(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(2, 1, 6, bias=False))


def test_the_input_that_maximises_one_linear_filter_is_the_filter():
    """max w.x - |x|^2 / 2 has its only maximum at x = w (identity B10); the pixels 0..1 are moved to -1..1."""
    net = linear_filter()
    found = maximise(
        net, Target("0", (0, 0, 0)), (2, 6, 6), Ascent(600, 0.05, "pixels", jitter=0, energy=1.0),
        normalise=((0.5,), (0.5,)),
    )  # fmt: skip
    x = (found.image - 0.5) / 0.5
    np.testing.assert_allclose(x, net[0].weight[0].detach().numpy(), atol=2e-3)


@pytest.mark.parametrize("basis", ["frequencies", "pixels"])
def test_the_score_rises_and_the_image_is_one(basis):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 2, 3), nn.Flatten(), nn.Linear(2 * 144, 5)
    )
    for target in (Target("", (3,)), Target("2", (1,)), Target("2", (1, 4, 5)), Target("2")):
        found = maximise(net, target, (3, 16, 16), Ascent(steps=40, basis=basis))
        assert np.mean(found.scores[-10:]) > np.mean(found.scores[:10])
        assert found.image.shape == (3, 16, 16)
        assert 0 <= found.image.min() <= found.image.max() <= 1


def test_it_beats_the_best_image_of_a_data_set():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Conv2d(4, 3, 3))
    x = torch.rand(200, 1, 12, 12)
    target = Target("2", (1,))
    best = objective(net, target)(x).max().item()
    assert maximise(net, target, (1, 12, 12), Ascent(steps=120)).scores[-1] > best


def test_the_seed_decides():
    net = linear_filter()
    one, same, other = (maximise(net, Target("0", (0,)), (2, 9, 9), Ascent(steps=5, seed=s)) for s in (1, 1, 2))
    assert np.array_equal(one.image, same.image)
    assert not np.array_equal(one.image, other.image)


def test_a_class_is_maximised_before_the_softmax():
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.Softmax(dim=1))
    x = torch.randn(2, 1, 4, 4)
    assert torch.allclose(objective(net, Target("", (1,)))(x), net[1](net[0](x))[:, 1])


@pytest.mark.parametrize(("variation", "blur"), [(1.0, 0.0), (0.0, 0.8)])
def test_variation_and_blur_make_it_smoother(variation, blur):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 1, 5))

    def roughness(**settings):
        image = maximise(net, Target("0", (0,)), (1, 20, 20), Ascent(60, basis="pixels", jitter=0, **settings)).image
        return np.abs(np.diff(image, axis=2)).mean()

    assert roughness(variation=variation, blur=blur) < 0.9 * roughness()


def test_a_dream_begins_with_the_image_and_raises_the_layers_energy():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
    image = np.random.default_rng(0).random((3, 40, 50)).astype(np.float32)
    found = deep_dream(net, Target("0"), image, octaves=2, steps=4, jitter=0)
    assert found.image.shape == image.shape
    last = found.scores[-4:]
    assert last == tuple(sorted(last))
    assert 0.01 < np.abs(found.image - image).mean() < 0.3


def test_the_network_is_left_as_it_was_and_progress_is_told():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    told = []
    maximise(net, Target("1", (0,)), (1, 8, 8), Ascent(steps=3), progress=lambda *a: told.append(a[:2]))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert net.training
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in net.modules())


def test_json_and_picture():
    found = maximise(linear_filter(), Target("0", (0,)), (2, 8, 8), Ascent(steps=3))
    assert json.loads(json.dumps(found.as_dict()))["target"] == "0:0"
    assert found.picture().image.width > 640  # two channels are no colours: one beside the other


def dead():
    net = nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU())
    with torch.no_grad():
        net[0].bias.fill_(-99)
    return net


MISTAKES = {
    "dead": (
        lambda: maximise(dead(), Target("1", (0,)), (1, 8, 8)),
        "its gradient is zero at the start, so it cannot be maximised",
    ),
    "basis": (lambda: Ascent(basis="pixel"), "did you mean 'pixels'"),
    "rate": (lambda: Ascent(lr=float("nan")), "all finite"),
    "steps": (lambda: Ascent(steps=0), "steps and lr must be above 0"),
    "layer": (lambda: maximise(linear_filter(), Target("1"), (2, 8, 8)), "no layer named '1'"),
    "place": (
        lambda: maximise(linear_filter(), Target("0", (7,)), (2, 8, 8)),
        r"0:7 is outside 0 \(1x3x3\): channel 0-0, y 0-2, x 0-2",
    ),
    "class": (
        lambda: maximise(striate.build(striate.parse("input 1x8x8; flatten; linear 3")), Target("", (3,)), (1, 8, 8)),
        "no output 3: the model has 3 outputs, 0 to 2",
    ),
    "target": (lambda: named_target("conv:x", ("cat",)), "expected a class"),
    "class name": (lambda: named_target("cta", ("cat",)), "no class named 'cta'; did you mean 'cat'"),
    "dream": (
        lambda: deep_dream(nn.Sequential(nn.Flatten(), nn.Linear(100, 2)), Target("1"), np.zeros((1, 10, 10))),
        "does not take an image of 4x4",
    ),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_is_one_clear_message(kind):
    call, message = MISTAKES[kind]
    with pytest.raises(SeeError, match=message):
        call()
