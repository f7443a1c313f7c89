"""Feature maps, and the survey of a network's units, against sums made by hand."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import striate
from striate.errors import SeeError
from striate.inspect import feature_maps, measure_activity


@pytest.fixture
def net():
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(4 * 36, 3))


def test_the_maps_are_the_layers_output_in_front_of_what_works_in_place(net):
    x = torch.randn(1, 1, 8, 8)
    np.testing.assert_allclose(feature_maps(net, x, "0").values, net[0](x)[0].detach().numpy(), rtol=1e-6)
    assert (feature_maps(net, x, "0").values < 0).any()
    assert (feature_maps(net, x, "1").values >= 0).all()
    assert feature_maps(net, x, "3").values.shape == (3, 1, 1)


def test_the_strongest_come_first(net):
    found = feature_maps(net, torch.randn(1, 1, 8, 8), "1")
    means = np.abs(found.values).mean(axis=(1, 2))
    assert (np.diff(means[found.strongest]) <= 0).all()
    assert json.loads(json.dumps(found.as_dict()))["shape"] == [4, 6, 6]


def test_texts_and_volumes_have_maps_too():
    text = nn.Sequential(nn.Embedding(9, 5), nn.Flatten())
    assert feature_maps(text, torch.zeros(1, 7, dtype=torch.long), "0").values.shape == (7, 1, 5)
    volume = nn.Sequential(nn.Conv3d(1, 2, 3))
    assert feature_maps(volume, torch.zeros(1, 1, 5, 6, 7), "0").values.shape == (2 * 3, 4, 5)


@pytest.mark.parametrize("layer", ["0", "1", "3"])
@pytest.mark.parametrize("order", ["strength", "channel"])
def test_pictures(net, layer, order):
    assert feature_maps(net, torch.randn(1, 1, 8, 8), layer, order).picture().image.width > 200


def test_the_survey_is_what_the_outputs_say(net):
    with torch.no_grad():
        net[0].bias[2] = -99.0  # a unit that no input wakes
    batches = [torch.randn(5, 1, 8, 8), torch.randn(3, 1, 8, 8)]
    found = measure_activity(net, batches)
    output = torch.cat([net[0](x) for x in batches]).detach().double()
    conv, relu = found.layers[:2]
    assert found.n == 8
    assert conv.mean == pytest.approx(output.mean().item())
    assert conv.std == pytest.approx(output.std(unbiased=False).item())
    assert (conv.min, conv.max) == (output.min().item(), output.max().item())
    assert relu.zero_fraction == pytest.approx((output <= 0).double().mean().item())
    assert relu.dead_units == (2,)
    assert conv.dead_units == ()
    assert "1 of 4: 2" in str(found)
    assert json.loads(json.dumps(found.as_dict()))["layers"][1]["dead"] == 1


def test_zeros_and_dead_units_are_counted_before_and_after_an_activation():
    """By hand: channel 0 of the convolution is the input, channel 1 its negative less 3, channel 2 always zero. What is
    below zero is no zero before the ReLU, and one number everywhere is dead wherever it is.
    """
    net = nn.Sequential(nn.Conv2d(1, 3, 1), nn.ReLU())
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([1.0, -1.0, 0.0]).view(3, 1, 1, 1))
        net[0].bias.copy_(torch.tensor([0.0, -3.0, 0.0]))
    x = torch.tensor([-2.0, -1.0, 0.0, 2.0]).view(1, 1, 2, 2)
    conv, relu = measure_activity(net, [x]).layers
    assert (conv.zero_fraction, conv.dead_units) == (5 / 12, (2,))  # one zero of channel 0, and all of channel 2
    assert (relu.zero_fraction, relu.dead_units) == (11 / 12, (1, 2))
    assert [feature_maps(net, x, layer).facts()["zero_fraction"] for layer in "01"] == [5 / 12, 11 / 12]


def test_nothing_is_left_behind(net):
    net.train()
    measure_activity(net, [torch.randn(2, 1, 8, 8)])
    assert net.training
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in net.modules())
    with pytest.raises(RuntimeError):
        measure_activity(net, [torch.randn(2, 3, 8, 8)])
    assert net.training
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in net.modules())


class Spare(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.spare = nn.Conv2d(1, 2, 3), nn.Conv2d(1, 2, 3)

    def forward(self, x):
        return self.used(x)


def test_mistakes(net):
    with pytest.raises(SeeError, match="no layer named 'conv1'; it is one of 0, 1, 2"):
        feature_maps(net, torch.randn(1, 1, 8, 8), "conv1")
    spare = Spare()
    with pytest.raises(SeeError, match="the layer 'spare' is not used in forward; it is one of used"):
        feature_maps(spare, torch.randn(1, 1, 8, 8), "spare")
    with pytest.raises(SeeError, match="order is 'size'"):
        feature_maps(net, torch.randn(1, 1, 8, 8), "0", "size")
    with pytest.raises(SeeError, match="there are no items"):
        measure_activity(net, [])


@pytest.mark.parametrize("name", ["lenet5", "resnet20", "nin", "densenet_bc100"])
def test_every_layer_of_a_net_of_the_zoo_is_seen(name):
    graph = striate.lower(striate.zoo.ZOO[name].make(), striate.zoo.ZOO[name].input)
    net = striate.build(graph)
    found = measure_activity(net, [torch.randn(2, *graph.input)])
    assert {layer.layer for layer in found.layers} >= {
        node.name for node in graph.nodes if type(node.op).__name__ in ("Conv", "Linear", "ReLU", "BatchNorm")
    }
