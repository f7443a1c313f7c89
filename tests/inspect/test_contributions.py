"""A unit down to the pixels: gradient times input and the rest are the number, and what is said of them is so."""

import numpy as np
import pytest
import torch
from torch import nn

from striate.errors import SeeError
from striate.inspect import pixel_contributions


def net(bias):
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, bias=bias), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 3, 3, bias=bias), nn.ReLU(inplace=True)
    ).double()


@pytest.fixture
def x():
    return torch.randn(1, 2, 10, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_without_biases_the_pixels_are_all_of_it(x):
    found = pixel_contributions(net(bias=False), x, "3:1:0:1")
    assert found.rest == pytest.approx(0, abs=1e-12)
    assert found.value == pytest.approx(found.total)


def test_the_rest_is_what_the_biases_give(x):
    """The same unit with the biases as an input of their own: its gradient by them, times them, is the rest."""
    module = net(bias=True)
    found = pixel_contributions(module, x, "3:1:0:1")
    module.zero_grad()
    torch.nn.Sequential(*module[:4])(x)[0, 1, 0, 1].backward()
    by_biases = sum((p * p.grad).sum().item() for p in (module[0].bias, module[3].bias))
    assert found.rest == pytest.approx(by_biases)
    assert abs(by_biases) > 1e-3


def test_as_long_as_nothing_switches_the_numbers_foretell_the_unit(x):
    module = net(bias=True)
    found = pixel_contributions(module, x, "3:0:1:1")
    step = 1e-7 * torch.randn(x.shape, dtype=torch.float64)
    moved = torch.nn.Sequential(*module[:4])(x + step)[0, 0, 1, 1].item()
    assert moved - found.value == pytest.approx(float((found.gradient * step[0].numpy()).sum()), rel=1e-5)


def test_only_what_has_a_gradient_is_listed(x):
    found = pixel_contributions(net(bias=True), x, "3:1:0:0")
    about = found.as_dict()
    assert {tuple(row["position"][1:]) for row in about["inputs"]} <= {(i, j) for i in range(8) for j in range(8)}
    added = [abs(row["contribution"]) for row in about["inputs"]]
    assert added == sorted(added, reverse=True)
    assert sum(row["contribution"] for row in about["inputs"]) == pytest.approx(found.total)
    assert f"{len(added):,} of the input's 200 values" in str(found)
    assert np.asarray(found.picture().image).shape[2] == 3


def test_no_such_unit(x):
    with pytest.raises(SeeError, match="no layer named 'conv'"):
        pixel_contributions(net(bias=True), x, "conv:0:1:1")
    with pytest.raises(SeeError, match="3x2x2"):
        pixel_contributions(net(bias=True), x, "3:0:9:9")
