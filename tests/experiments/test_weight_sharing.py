"""The law of the shared kernel: its gradient is the sum of those of all places."""

import pytest
import torch
from torch import nn

import striate
from striate.experiments.fitting import built
from striate.experiments.weight_sharing import LocallyConnected, kernel_gradients, unshared


@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_is_the_sum_over_places(seed):
    torch.manual_seed(seed)
    x, y = torch.randn(4, 1, 7, 7, dtype=torch.float64), torch.tensor([0, 2, 1, 1])
    net = built("input 1x7x7; conv 1 3; tanh; flatten; linear 3", seed).double()
    shared, own = kernel_gradients(net, x, y)
    assert own.shape == (5, 5, 3, 3)
    torch.testing.assert_close(own.sum(dim=(0, 1)), shared, rtol=0, atol=1e-14)
    # and each place's own gradient is what a difference quotient gives
    other = unshared(net, (7, 7))
    weight, loss = other.conv1.weight, nn.functional.cross_entropy
    with torch.no_grad():
        before = loss(other(x), y)
        weight[0, 4, 13] += 1e-6  # row 2, column 2 of the kernel at place (2, 3)
        quotient = (loss(other(x), y) - before) / 1e-6
    assert float(quotient) == pytest.approx(float(own[2, 3, 1, 1]), abs=1e-6)


def test_a_locally_connected_layer_begins_as_its_convolution():
    conv, x = nn.Conv2d(2, 3, (3, 2)), torch.randn(2, 2, 5, 6)
    layer = LocallyConnected(conv, (5, 6))
    torch.testing.assert_close(layer(x), conv(x))
    assert sum(p.numel() for p in layer.parameters()) == 15 * sum(p.numel() for p in conv.parameters())


def test_the_first_layer_of_alexnet_is_as_published():
    from striate.experiments.weight_sharing import ALEXNET

    side, kernels, k, channels = ALEXNET
    layer = striate.check("alexnet").layers[0]
    assert layer.output == (kernels, side, side)
    assert layer.parameters == kernels * (k * k * channels + 1) == 34_944
    assert side * side * layer.parameters == 105_705_600  # CS231n


@pytest.mark.slow
def test_the_claim_holds():
    found = striate.experiment("weight-sharing", seed=1)
    assert found.holds
    assert found.data["difference"] < 1e-12
    accuracy = found.data["accuracy"]
    assert accuracy[0, 0] > accuracy[0, 1] + 0.3  # few items: sharing makes the most of them
    assert accuracy[-1, 0] > max(0.8, accuracy[-1, 1] + 0.1)
