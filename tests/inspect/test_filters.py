"""Learned kernels as pictures."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from striate.errors import SeeError
from striate.inspect import kernels_of
from striate.inspect.filters import filters_animation


def net(inputs=3):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(inputs, 8, 5), nn.ReLU(), nn.Conv2d(8, 100, 3), nn.Flatten(), nn.Linear(4, 2))


def test_the_first_convolution_if_none_is_named():
    found = kernels_of(net())
    assert (found.layer, found.first, found.weights.shape) == ("0", True, (8, 3, 5, 5))
    np.testing.assert_array_equal(found.weights, net()[0].weight.detach().double().numpy())
    assert not kernels_of(net(), "2").first
    assert json.loads(json.dumps(found.as_dict()))["shape"] == [8, 3, 5, 5]


@pytest.mark.parametrize(("inputs", "layer", "channel"), [(3, "0", None), (1, "0", None), (3, "2", None), (3, "2", 99)])
def test_pictures(inputs, layer, channel):
    picture = kernels_of(net(inputs), layer, channel).picture()
    assert picture.image.width > 300
    assert layer in picture.alt


def test_in_colour_grey_is_zero_and_all_share_one_scale():
    module = net()
    with torch.no_grad():
        module[0].weight.zero_()
        module[0].weight[0, 0] = 2.0  # red
        module[0].weight[1, 2] = -1.0  # what takes blue away
    colours = {colour for _, colour in kernels_of(module).picture().image.getcolors(1 << 24)}
    assert {(255, 128, 128), (128, 128, 64), (128, 128, 128)} <= colours


@pytest.mark.parametrize(
    ("part", "shape"),
    [
        (nn.Conv1d(3, 4, 5), (4, 3, 1, 5)),
        (nn.Conv3d(2, 4, (2, 3, 5)), (4, 4, 3, 5)),
        (nn.ConvTranspose2d(3, 4, 2), (4, 3, 2, 2)),
        (nn.Conv2d(4, 4, 3, groups=4), (4, 1, 3, 3)),
    ],
)
def test_kernels_of_any_rank(part, shape):
    found = kernels_of(nn.Sequential(part))
    assert found.weights.shape == shape
    assert found.picture().image.height > 50


def test_the_animation_has_a_frame_for_every_moment():
    moments = [(f"epoch {i}", kernels_of(net(), "0")) for i in range(3)]
    with Image.open(io.BytesIO(filters_animation(moments))) as gif:
        frames = gif.n_frames
    assert frames in (1, 3)  # alike frames are joined by the format


def test_mistakes():
    for module, layer, message in (
        (nn.Linear(2, 2), None, "has no convolution"),
        (net(), "4", "4 is a Linear, not a convolution; convolutions: 0, 2"),
        (net(), "9", r"no convolution named '9'; it is one of 0, 2"),
    ):
        with pytest.raises(SeeError, match=message):
            kernels_of(module, layer)
    with pytest.raises(SeeError, match="kernels 0 to 7; got 8"):
        kernels_of(net(), channel=8)
    with pytest.raises(SeeError, match="no stored moments"):
        filters_animation([])
