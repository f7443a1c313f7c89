"""Capturing what goes on inside a module: what it notes is what was there, and nothing of it stays behind."""

from __future__ import annotations

import gc
import warnings
import weakref
from collections import namedtuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from striate.errors import SeeError
from striate.inspect import capture


def hooks(module: nn.Module) -> int:
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules())


class Twice(nn.Module):
    """One ReLU, in place, used twice; and one linear layer under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.relu = nn.Linear(3, 3), nn.ReLU(inplace=True)
        self.again = self.first

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.again(self.relu(self.first(x))))


def test_an_in_place_layer_changes_nothing_that_was_noted() -> None:
    net, x = nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True), nn.Linear(4, 2)), torch.randn(5, 3)
    with capture(net) as seen:
        output = net(x)
    before = net[0](x).detach()
    assert (before < 0).any()
    assert np.array_equal(seen["0"], before)
    assert np.array_equal(seen.input("1"), before)
    assert np.array_equal(seen["1"], before.relu())
    assert np.array_equal(seen["2"], output.detach())


def test_what_a_network_gives_is_the_same_inside() -> None:
    net, x = Twice(), torch.randn(2, 3)
    plain = net(x)
    with capture(net, gradients=True):
        inside = net(x)
    assert torch.equal(plain, inside)


def test_a_layer_that_is_called_twice_has_numbers() -> None:
    net, x = Twice(), torch.randn(2, 3)
    with capture(net, "relu", "first") as seen:
        output = net(x)
    assert seen.calls("relu") == 2
    assert np.array_equal(seen["relu#2"], output.detach())
    assert "relu#2" in seen
    assert "relu#3" not in seen
    assert "relu#x" not in seen
    assert "relu#\u00b2" not in seen  # a digit to Python, and no number
    with pytest.raises(SeeError, match="called 2 time"):
        seen["relu#\u00b2"]
    with pytest.raises(SeeError, match="relu: called 2 times; use relu#1 to relu#2"):
        seen["relu"]
    with pytest.raises(SeeError, match=r"relu#3: the layer was called 2 time\(s\)"):
        seen["relu#3"]


def test_a_layer_with_two_names_has_both() -> None:
    net = Twice()
    with capture(net, "again") as seen:
        net(torch.randn(2, 3))
    assert seen.calls("again") == 2


def test_gradients_are_autograds_also_of_frozen_layers() -> None:
    net, x = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)), torch.randn(2, 3)
    net.requires_grad_(False)
    with capture(net, "0", "1", gradients=True) as seen:
        net(x).sum().backward()
    weight = net[2].weight[0]
    assert np.allclose(seen.gradient("1"), weight.expand(2, 4))
    assert np.allclose(seen.gradient("0"), weight * (1 - torch.tensor(seen["1"]) ** 2), atol=1e-6)
    assert all(p.grad is None for p in net.parameters())


def test_a_layer_that_passes_its_input_on_leaves_it_alone() -> None:
    net, x = nn.Sequential(nn.Identity(), nn.Linear(3, 2)), torch.randn(2, 3)
    with capture(net, gradients=True) as seen:
        net(x).sum().backward()
    assert not x.requires_grad
    assert x.grad is None
    assert np.allclose(seen.gradient("0"), net[1].weight.sum(0).expand(2, 3).detach())


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_works_without_gradients_and_says_that_there_are_none(context: type) -> None:
    net = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    with context(), capture(net, gradients=True) as seen:
        net(torch.randn(1, 3))
    assert seen["1"].min() >= 0
    with pytest.raises(SeeError, match="0: no gradient reached it"):
        seen.gradient("0")


def test_outputs_of_several_tensors_keep_their_kind() -> None:
    Pair = namedtuple("Pair", "a b")

    class Part(nn.Module):
        def __init__(self, kind: object) -> None:
            super().__init__()
            self.kind = kind

        def forward(self, x: Tensor) -> object:
            return {"pair": Pair(x, 2), "tuple": (x, 2), "list": [x, 2], "dict": {"a": x}, "none": None}[self.kind]

    x = torch.ones(2, 2)
    for kind in ("pair", "tuple", "list", "dict", "none"):
        net = nn.Sequential(Part(kind))
        with capture(net) as seen:
            output = net(x)
        assert type(output) is type(Part(kind)(x))
        assert ("0" in seen) == (kind in ("pair", "tuple", "list"))
    with capture(nn.LSTM(2, 3)) as seen:
        pass


def test_nothing_stays_behind() -> None:
    net = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    with capture(net) as seen:
        assert hooks(net) == 4
        net(torch.randn(1, 3))
        noted = weakref.ref(seen.tensor("0"))
    assert hooks(net) == 0
    del seen
    gc.collect()
    assert noted() is None


def test_nothing_stays_behind_after_an_error() -> None:
    net = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    with pytest.raises(RuntimeError), capture(net):
        net(torch.randn(1, 4))
    assert hooks(net) == 0
    with pytest.raises(SeeError), capture(net, "0", "nothing"):
        pass
    assert hooks(net) == 0


def test_errors_offer_the_nearest_name() -> None:
    net = nn.ModuleDict({"conv1": nn.Conv2d(1, 2, 3), "relu": nn.ReLU()})
    with pytest.raises(SeeError, match=r"no layer named 'cnov1'; did you mean 'conv1'\?"), capture(net, "cnov1"):
        pass
    with pytest.raises(SeeError, match="no layer named ''"), capture(net, ""):
        pass
    with capture(net, "conv1") as seen:
        pass
    with pytest.raises(SeeError, match="conv1: the network was not run inside the capture"):
        seen["conv1"]
    with pytest.raises(SeeError, match="the layer 'relu' was not captured; it is one of conv1"):
        seen["relu"]


def test_a_compiled_part_is_passed_over_and_said() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TorchScript is old
        net = nn.Sequential(nn.Conv2d(1, 2, 3), torch.jit.script(nn.ReLU()))
    with capture(net) as seen:
        net(torch.randn(1, 1, 4, 4))
    assert "0" in seen
    assert "1" not in seen
    with pytest.raises(SeeError, match="1: compiled by TorchScript"), capture(net, "1"):
        pass
    assert hooks(net) == 0
