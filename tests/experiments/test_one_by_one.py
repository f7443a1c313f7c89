"""A convolution of one pixel is a fully connected layer over the channels, the same for every pixel."""

import pytest
import torch
from torch import nn

import striate
from striate.experiments.one_by_one import ALL, LAST, NARROW, NETS, PLAIN, SQUEEZED, pixel_by_pixel


@pytest.mark.parametrize("seed", range(3))
def test_it_is_a_fully_connected_layer_on_every_pixel(seed):
    torch.manual_seed(seed)
    conv, x = nn.Conv2d(5, 3, 1).double(), torch.randn(2, 5, 4, 6, dtype=torch.float64)
    torch.testing.assert_close(conv(x), pixel_by_pixel(conv, x), rtol=0, atol=1e-14)
    order = torch.randperm(24)  # so that where a pixel lies does not matter to it
    mixed = x.flatten(2)[..., order].unflatten(2, (4, 6))
    torch.testing.assert_close(conv(mixed).flatten(2), conv(x).flatten(2)[..., order])


def test_squeezing_saves_half_of_the_weights():
    plain, squeezed = (striate.check(NETS[name]) for name in (PLAIN, SQUEEZED))
    assert (plain.parameters, squeezed.parameters) == (50_984, 24_376)
    saved = (64 * 64 * 9 + 64) - (64 * 16 + 16 + 16 * 64 * 9 + 64)
    assert plain.parameters - squeezed.parameters == saved
    assert squeezed.macs < 0.7 * plain.macs


@pytest.mark.slow
def test_the_claim_holds():
    found = striate.experiment("one-by-one", seed=1)
    assert found.data["difference"] < 1e-4
    mean = {name: sum(values) / len(values) for name, values in found.data["accuracy"].items()}
    assert found.holds
    assert mean[PLAIN] > mean[SQUEEZED] > mean[NARROW] > mean[LAST] > mean[ALL]
