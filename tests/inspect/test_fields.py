"""Measured receptive fields against the geometry's, and the pieces of images that excite a channel."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import striate
from strategies import examples
from striate.analysis import analyse
from striate.errors import SeeError
from striate.inspect import Target, crop_box, measured_field, top_patches


def box_of(report, layer, y, x):
    """The theoretical box of a unit, by the report's start, stride and field."""
    row = next(row for row in report.as_dict()["layers"] if row["name"] == layer)
    top, left = (start + stride * at for start, stride, at in zip(row["start"], row["stride"], (y, x), strict=True))
    return (top, left, *row["receptive_field"])


@examples(25)
@given(st.integers(1, 3), st.integers(1, 2), st.integers(0, 1), st.integers(1, 3), st.data())
def test_with_positive_weights_and_average_pooling_the_field_is_the_box(kernel, stride, padding, second, data):
    """Identity B9: nothing cancels and nothing is dead, so every pixel of the box counts."""
    stride = min(stride, kernel)  # between the windows of a larger one lie pixels that nothing sees
    text = f"input 2x24x22; conv 3 {kernel} stride={stride} padding={padding}; relu; avgpool 2; conv 2 {second}"
    net = striate.build(striate.parse(text))
    with torch.no_grad():
        for p in net.parameters():
            p.abs_().add_(0.01)
    height, width = net(torch.rand(1, 2, 24, 22)).shape[2:]
    y, x = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    top, left, tall, wide = box_of(analyse(striate.parse(text)), "conv2", y, x)
    inside = (max(0, top), max(0, left), min(24, top + tall) - max(0, top), min(22, left + wide) - max(0, left))
    assert measured_field(net, [torch.rand(2, 2, 24, 22)], Target("conv2", (1, y, x))).support == inside


@pytest.mark.parametrize("name", ["lenet5", "resnet20", "nin"])
def test_in_a_net_of_the_zoo_it_lies_inside_the_box(name):
    graph = striate.lower(striate.zoo.ZOO[name].make(), striate.zoo.ZOO[name].input)
    net, report = striate.build(graph), analyse(graph)
    layer = [row["name"] for row in report.as_dict()["layers"] if row["op"].startswith("conv")][-2]
    y = x = 3
    box = box_of(report, layer, y, x)
    found = measured_field(net, [torch.randn(4, *graph.input)], Target(layer, (0, y, x)), box)
    top, left, height, width = found.support
    assert height > 0
    assert box[0] <= top
    assert box[1] <= left
    assert top + height <= box[0] + box[2]
    assert left + width <= box[1] + box[3]
    assert found.side() <= max(box[2:]) + 1
    assert json.loads(json.dumps(found.as_dict()))["n"] == 4
    assert dataclasses.replace(found, image=np.zeros((32, 32), np.uint8)).picture().image.width > 400


def test_the_radius_of_a_known_field():
    net = nn.Sequential(nn.Conv2d(1, 1, 5))
    with torch.no_grad():
        net[0].weight.fill_(1)
    found = measured_field(net, [torch.randn(1, 1, 9, 9)], Target("0", (0, 2, 2)))
    assert found.side(1.0) == 5
    assert found.side(9 / 25) == 3


def test_a_unit_is_asked_for_and_images():
    net = nn.Sequential(nn.Conv2d(1, 1, 3))
    with pytest.raises(SeeError, match="0:0: expected one unit"):
        measured_field(net, [], Target("0", (0,)))
    with pytest.raises(SeeError, match="no images"):
        measured_field(net, [], Target("0", (0, 1, 1)))


@examples(30)
@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 9), st.integers(0, 99))
def test_peaks_are_what_sorting_everything_gives(n, batch, top, seed):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(1, 3, 2), nn.ReLU(inplace=True))
    x = torch.randn(n, 1, 5, 4)
    output = net[0](x).detach()
    found = top_patches(net, x.split(batch), "0", [2, 0], top)
    for mine, channel in zip(found, (2, 0), strict=True):
        best = output[:, channel].flatten(1).max(1).values
        assert [p.value for p in mine] == pytest.approx(sorted(best.tolist(), reverse=True)[:top], abs=1e-6)
        assert all(
            output[p.index, channel, p.position[0], p.position[1]].item() == pytest.approx(p.value, abs=1e-6)
            for p in mine
        )


def test_peaks_mistakes():
    net = nn.Sequential(nn.Conv2d(1, 3, 2))
    with pytest.raises(SeeError, match="0 has the channels 0 to 2; got 3"):
        top_patches(net, [torch.zeros(1, 1, 4, 4)], "0", [3])
    with pytest.raises(SeeError, match="no images"):
        top_patches(net, [], "0", [0])


@given(st.integers(-6, 6), st.integers(-6, 6), st.integers(1, 9), st.integers(1, 9))
def test_a_crop_shows_the_image_where_there_is_one(top, left, height, width):
    image = np.arange(20, dtype=np.uint8).reshape(4, 5)
    padded = np.pad(image, 20, constant_values=128)
    wanted = padded[20 + top : 20 + top + height, 20 + left : 20 + left + width]
    assert np.array_equal(crop_box(image, (top, left, height, width)), wanted)
