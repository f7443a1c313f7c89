"""Layers that torch has no class for: what is particular about each."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from striate.net.layers import ChannelNorm


@pytest.mark.parametrize("channels", [1, 2])
def test_channels_are_normalised_as_by_torch_and_one_channel_lies_in_plain_order(channels):
    """In the order that moving its axis gives, torch 2.13's conv3d reads beyond one channel."""
    x, norm = torch.randn(2, channels, 4, 5, 4), ChannelNorm(channels)
    nn.init.normal_(norm.weight)
    expected = F.layer_norm(x.movedim(1, -1), (channels,), norm.weight, norm.bias, 1e-6).movedim(-1, 1)
    assert torch.equal(norm(x), expected)
    assert (norm(x).stride() == x.stride()) == (channels == 1)
