"""One number taken apart: its window, weights and sum are those of the network, for any setting of a layer."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import striate
from strategies import ACTIVATIONS, examples
from striate.errors import SeeError
from striate.inspect import layer_calls, unit_arithmetic
from striate.net.layers import layer
from striate.spec import ScaledTanh


def draw_place(data, module, x, layer):
    output = next(call.output for call in layer_calls(module, x) if call.name == layer)
    return ":".join(str(data.draw(st.integers(0, n - 1))) for n in output.shape[1:])


@examples(60)
@given(st.data())
def test_the_sum_of_a_convolution_is_the_networks_number(data):
    axes = data.draw(st.integers(1, 3))
    groups = data.draw(st.sampled_from([1, 2]))
    conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
    kernel, stride, dilation = (data.draw(st.integers(1, 3)) for _ in range(3))
    padding, bias = data.draw(st.integers(0, 3)), data.draw(st.booleans())
    torch.manual_seed(data.draw(st.integers(0, 99)))
    net = nn.Sequential(conv(4, 6, kernel, stride, padding, dilation, groups, bias), nn.ReLU(inplace=True))
    x = torch.randn(1, 4, *[7] * axes)
    found = unit_arithmetic(net, x, f"0:{draw_place(data, net, x, '0')}")
    assert found.exact
    assert found.inputs.shape == (4 // groups, *[kernel] * axes)
    assert found.value == pytest.approx(found.products.sum() + (found.bias or 0), abs=1e-5)
    assert [t.layer for t in found.following] == ["1"]
    assert found.following[0].value == max(0, found.value)


@examples(40)
@given(st.data())
def test_the_window_is_where_the_corner_says(data):
    kernel, stride, padding, dilation = (data.draw(st.integers(1, 3)) for _ in range(4))
    net = nn.Sequential(nn.Conv2d(3, 2, kernel, stride, padding, dilation))
    x = torch.randn(1, 3, 9, 8)
    found = unit_arithmetic(net, x, f"0:{draw_place(data, net, x, '0')}")
    _, top, left = found.corner
    for c, i, j in np.ndindex(found.inputs.shape):
        y, z = top + i * dilation, left + j * dilation
        inside = 0 <= y < 9 and 0 <= z < 8
        assert found.inputs[c, i, j] == (float(x[0, c, y, z]) if inside else 0)


@examples(40)
@given(st.data())
def test_pools(data):
    kernel, stride = data.draw(st.integers(2, 3)), data.draw(st.integers(1, 3))
    kind = data.draw(st.sampled_from([nn.MaxPool2d, nn.AvgPool2d]))
    net = nn.Sequential(kind(kernel, stride, padding=data.draw(st.integers(0, 1))))
    x = torch.randn(1, 2, 8, 7)
    found = unit_arithmetic(net, x, f"0:{draw_place(data, net, x, '0')}")
    assert found.exact
    assert found.weights is None
    assert np.isnan(found.inputs).any() <= (kind is nn.MaxPool2d)


def test_linear_and_what_follows():
    net = striate.build(striate.parse("input 1x8x8; conv 4 3; batchnorm; dropout; tanh; maxpool 2; flatten; linear 3"))
    net.train()
    x = torch.randn(1, 1, 8, 8)
    found = unit_arithmetic(net, x, "conv1:2:3:4")
    assert [t.layer for t in found.following] == ["batchnorm1", "dropout1", "tanh1"]
    assert found.following[-1].value == pytest.approx(np.tanh(found.value / np.sqrt(1 + 1e-5)), abs=1e-6)
    assert "(x - 0) / sqrt(1 + 1e-05) x 1 + 0" in found.following[0].formula
    assert net.training  # left as it was
    last = unit_arithmetic(net, x, "linear1:2")
    with striate.learning.evaluating(net):
        assert last.value == net(x)[0, 2].item()
    assert last.inputs.shape == (36,)
    assert last.exact


def test_the_bound_is_no_blank_cheque():
    net = nn.Sequential(nn.Linear(100, 1))
    found = unit_arithmetic(net, torch.randn(1, 100), "0:0")
    assert 0 < found.bound < 1e-4
    assert not type(found)(**{**vars(found), "value": found.value + 1e-3}).exact


def test_a_layer_that_is_called_twice_has_two_units():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3, padding=1)

        def forward(self, x):
            return self.conv(torch.relu(self.conv(x)))

    net, x = Twice(), torch.randn(1, 1, 5, 5)
    assert [call.name for call in layer_calls(net, x)] == ["conv#1", "conv#2"]
    first, second = unit_arithmetic(net, x, "conv#1:0:2:2"), unit_arithmetic(net, x, "conv#2:0:2:2")
    assert first.value != second.value
    assert second.exact
    assert first.following == ()  # a call of torch.relu is no layer


def test_text_and_json():
    net = nn.Sequential(nn.MaxPool2d(2, padding=1))
    found = unit_arithmetic(net, torch.randn(1, 1, 4, 4), "0:0:0:0")
    about = json.loads(json.dumps(found.as_dict()))
    assert about["inputs"][0][0][0] is None  # padding, which no maximum is
    assert about["exact"] is True
    conv = nn.Conv2d(1, 1, 2)
    conv.weight.data = torch.tensor([[[[1.0, -2.0], [3.0, 0.5]]]])
    conv.bias.data = torch.tensor([4.0])
    found = unit_arithmetic(nn.Sequential(conv), torch.arange(9.0).reshape(1, 1, 3, 3), "0:0:1:1")  # of 4, 5, 7, 8
    assert found.value == pytest.approx(23, rel=1e-6)
    exact = type(found)(**{**vars(found), "value": 23.0})  # kernels may round otherwise
    assert str(exact).splitlines() == [
        "0:0:1:1 = 23   (Conv2d)",
        "window 1x2x2 of the layer's input, from (0, 1, 1): 4 inputs",
        "the largest products",
        "       (0, 1, 0)          7 x         3 =        21",
        "       (0, 0, 1)          5 x        -2 =       -10",
        "       (0, 0, 0)          4 x         1 =         4",
        "       (0, 1, 1)          8 x       0.5 =         4",
        "sum of the products                 19",
        "bias                                 4",
        "total                               23   in double precision",
        "network (float32)                   23   difference 0 (tolerance 1.5e-05)",
    ]
    far = type(found)(**{**vars(found), "value": 24.0})
    assert "   difference 1 (MORE than the tolerance " in str(far)


def test_sizes_may_be_lists():
    net = nn.Sequential(nn.MaxPool2d([3, 2], stride=[2, 1], padding=[1, 0]))
    found = unit_arithmetic(net, torch.randn(1, 2, 7, 7), "0:1:2:3")
    assert (found.exact, found.inputs.shape, found.corner) == (True, (1, 3, 2), (1, 3, 3))


class SkipInPlace(nn.Module):
    """The block of a residual net as torchvision writes it: ``out += identity``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn, self.relu = nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(inplace=True)

    def forward(self, x):
        out = self.bn(self.conv(x))
        out += x
        return self.relu(out)


def test_what_follows_ends_where_something_is_added_in_place():
    net, x = SkipInPlace(), torch.randn(1, 2, 4, 4)
    assert [t.layer for t in unit_arithmetic(net, x, "conv:0:1:1").following] == ["bn"]
    assert [call.after for call in layer_calls(net.eval(), x)] == [(-1,), (0,), (-1,)]


MISTAKES = {
    "nolayer:0": "no layer named 'nolayer'",
    "0:0:1": r"0:0:1: expected 0:CHANNEL:Y:X \(2x3x3\): channel 0-1, y 0-2, x 0-2$",
    "0:0:9:0": r"0:0:9:0 is outside 0 \(2x3x3\): channel 0-1, y 0-2, x 0-2$",
    "0:0:-1:0": "0:0:-1:0 is outside 0",
    "0": "0: expected 0:CHANNEL:Y:X",
    "0:a:b:c": "expected LAYER:CHANNEL:Y:X, with whole numbers, such as 0:0:2:3",
    "1:0:0:0": "1 is a ReLU: its outputs are not sums of products",
    "2:0:0:0": "pooling with ceil_mode",
    "3:0:0:0": "only zero padding",
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_clear_message(name):
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AvgPool2d(2, ceil_mode=True), nn.Conv2d(2, 1, 1, padding_mode="reflect")
    )
    with pytest.raises(SeeError, match=MISTAKES[name]):
        unit_arithmetic(net, torch.randn(1, 1, 5, 5), name)
    with pytest.raises(SeeError, match="a batch of 2"):
        unit_arithmetic(net, torch.randn(2, 1, 5, 5), name)


@pytest.mark.parametrize("op", [op for op in ACTIVATIONS if op is not ScaledTanh])
def test_every_activation_of_torch_is_shown_behind_it(op):
    act = layer(op(), (1,))
    net, x = nn.Sequential(nn.Conv2d(1, 2, 3), act, nn.Softmax(1)), torch.randn(1, 1, 5, 5)
    found = unit_arithmetic(net, x, "0:1:2:2")
    (step,) = found.following
    assert "x" in step.formula
    assert step.value == pytest.approx(float(act(torch.tensor(found.value))), abs=1e-5)
