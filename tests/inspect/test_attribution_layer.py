"""The layer that a class activation map is of, and where its cells lie."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

import striate
from net import torchvision_style
from net.awkward import AWKWARD
from striate.analysis import infer, receptive
from striate.errors import SeeError
from striate.inspect.attribution import cam_layer, grad_cam, resize_to_input
from striate.tasks import SEGMENTATION, TASKS
from striate.zoo import ZOO

# net -> input, the layer whose map is weighed, its places
OURS = {
    "lenet5": ((1, 32, 32), "tanh3", "10x10"),  # c5 has one place left, s4 is a pooling
    "harley": ((1, 32, 40), "relu2", "10x14"),
    "nin": ((3, 32, 32), "block3.relu2", "8x8"),
    "resnet20": ((3, 32, 24), "stage3.block3.relu", "8x6"),
    "densenet_bc100": ((3, 32, 32), "relu", "8x8"),
    "voxnet": ((1, 32, 32, 32), "relu2", "12x12x12"),
}
BIG = {
    "alexnet": ((3, 227, 227), "relu5", "13x13"),
    "vgg11": ((3, 64, 64), "relu5_2", "4x4"),
    "resnet18": ((3, 224, 160), "conv5.block2.relu", "7x5"),
    "googlenet": ((3, 96, 96), "inception5b.concat", "3x3"),
    "mobilenet_v2": ((3, 96, 96), "last.act", "3x3"),
    "convnext_tiny": ((3, 64, 64), "stage4.block3.add", "2x2"),
}
# as torchvision writes them: in place, by calls, joins in forward, groups
THEIRS = {
    "vgg11_bn": ("features.27", "4x3"),
    "resnet18": ("layer4.1", "2x2"),
    "densenet121": ("features.relu5", "2x1"),
    "googlenet_torchvision": ("inception5b", "2x2"),
    "mobilenet_v2": ("features.18.2", "2x2"),
    "efficientnet_b0": ("features.8.2", "2x2"),
    "convnext_tiny": ("features.7.2", "2x1"),
}


@pytest.mark.parametrize("name", [*OURS, *(pytest.param(name, marks=pytest.mark.slow) for name in BIG)])
def test_of_a_net_of_the_zoo_it_is_the_end_of_the_last_stage(name: str) -> None:
    shape, layer, places = (OURS | BIG)[name]
    entry = ZOO[name]
    found = cam_layer(striate.build(entry.make(), shape), torch.randn(1, *shape), task=TASKS[entry.task])
    assert found.name == layer
    assert found.why == f"layer {layer}: the last spatial layer ({places}) before the head"


@pytest.mark.slow
@pytest.mark.parametrize("name", THEIRS)
def test_of_torchvisions_nets_it_is_too(name: str) -> None:
    layer, places = THEIRS[name]
    net, x = torchvision_style.made(name), torch.randn(1, 3, 64, 48)
    found = cam_layer(net, x)
    assert (found.name, f"({places}) before the head" in found.why) == (layer, True), found.why
    assert grad_cam(net, x).values.shape == tuple(map(int, places.split("x")))


def test_of_a_net_with_an_answer_a_pixel_it_is_before_the_answers() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1), nn.Upsample(scale_factor=2))
    found = cam_layer(net, torch.randn(1, 1, 6, 5), task=SEGMENTATION)
    assert found.name == "1"
    assert found.why.endswith("(6x5) before the output layer")


AWKWARDLY = {
    "functional": "conv2",
    "reused": "block.0#2",
    "u-net": "up1.3",
    "attention": "conv",
    "tokens": "patches",
    "channels last": "conv",
    "volumes": "norm",
    "sentences": "convs.1",
    "two heads": "body",  # the other head is no part of the score
}


@pytest.mark.parametrize("name", AWKWARDLY)
def test_of_somebodys_module(name: str) -> None:
    made, shape = AWKWARD[name]
    net, x = made(), torch.randint(50, (1, *shape)) if len(shape) == 1 else torch.randn(1, *shape)
    found = cam_layer(net, x)
    assert found.name == AWKWARDLY[name]
    assert ("other paths bypass it" in found.why) == (name == "sentences")
    assert grad_cam(net, x, 0).layer == found.name


def test_a_join_in_forward_is_seen_to_go_round() -> None:
    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.conv, self.fc = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.stem(x)
            return self.fc(F.relu(x + self.conv(x)).mean((2, 3)))

    assert "other paths bypass it" in cam_layer(Joined(), torch.randn(1, 1, 8, 8)).why


class Overwritten(nn.Module):
    """Its last map is changed in place by ``forward``, after the layer that made it."""

    def __init__(self, inplace: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head, self.inplace = nn.Conv2d(1, 4, 3), nn.Linear(4, 2), inplace

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        x = x.mul_(3).relu_() if self.inplace else (x * 3).relu()
        return self.head(x.mean((2, 3)))


def test_a_map_that_is_overwritten_afterwards_is_the_one_that_the_layer_gave() -> None:
    x = torch.randn(1, 1, 8, 6)
    found, wanted = (grad_cam(Overwritten(inplace), x, 0) for inplace in (True, False))
    assert found.layer == "conv"
    assert np.array_equal(found.values, wanted.values)
    assert found.values.any()
    assert np.array_equal(found.values, grad_cam(Overwritten(True), x, 0, layer="conv").values)


def test_of_a_unit_it_is_before_the_units_own_layer() -> None:
    net, x = striate.build(ZOO["resnet20"].make(), (3, 32, 32)), torch.randn(1, 3, 32, 32)
    unit = "stage2.block2.sum.body.conv1:3:4:5"
    found = cam_layer(net, x, unit)
    assert found.name == "stage2.block1.relu"
    assert found.why.endswith("before the unit's own layer, stage2.block2.sum.body.conv1")
    assert grad_cam(net, x, unit).layer == found.name
    relus = nn.Sequential(
        nn.Conv2d(1, 2, 3), relu := nn.ReLU(), nn.Conv2d(2, 2, 3), relu, nn.Flatten(), nn.Linear(8, 2)
    )
    assert cam_layer(relus, torch.randn(1, 1, 6, 6), "1#2:0:1:1").name == "2"
    with pytest.raises(SeeError, match="no layer before the unit's own layer, 0 has more than one position"):
        cam_layer(relus, torch.randn(1, 1, 6, 6), "0:0:1:1")


def test_no_layer_is_an_error_with_the_way_out() -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.ReLU(), nn.Linear(4, 2))
    with pytest.raises(SeeError, match=r"has no convolution.*gradient, integrated_gradients, occlusion"):
        cam_layer(flat, torch.randn(1, 1, 4, 4))
    with pytest.raises(SeeError, match="has no convolution"):
        grad_cam(flat, torch.randn(1, 1, 4, 4))
    single = nn.Sequential(nn.Conv2d(1, 3, 4), nn.Flatten(), nn.Linear(3, 2))
    with pytest.raises(SeeError, match=r"no layer before the head has more than one position.*larger input"):
        cam_layer(single, torch.randn(1, 1, 4, 4))
    words = nn.Sequential(nn.Embedding(9, 5), nn.Flatten(), nn.Linear(20, 2))
    with pytest.raises(SeeError, match="has no convolution"):
        cam_layer(words, torch.tensor([[1, 2, 3, 4]]))


# --- where cells lie -------------------------------------------------------------------------------------------------


@given(
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    st.tuples(st.integers(6, 40), st.integers(6, 40)),
    st.integers(0, 99),
)
def test_without_a_grid_it_is_a_resize_with_half_pixels(
    cells: tuple[int, int], size: tuple[int, int], seed: int
) -> None:
    values = np.random.default_rng(seed).normal(size=cells)
    wanted = F.interpolate(torch.tensor(values)[None, None], size, mode="bilinear", align_corners=False)[0, 0]
    assert np.allclose(resize_to_input(values, size), wanted.numpy(), atol=1e-12)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 9), st.integers(1, 9), st.floats(-9, 9), st.floats(-9, 9))
def test_each_cell_has_its_own_value_at_its_centre(h: int, w: int, sy: int, sx: int, y: float, x: float) -> None:
    values = np.arange(1.0, h * w + 1).reshape(h, w)
    size = (60, 60)
    for interpolation in ("linear", "nearest"):
        out = resize_to_input(values, size, (round(y), round(x), sy, sx), interpolation=interpolation)
        for (i, j), value in np.ndenumerate(values):
            at = (round(y) + i * sy, round(x) + j * sx)
            if min(at) >= 0 and at[0] < 60 and at[1] < 60:
                assert out[at] == pytest.approx(value)
        assert values.min() <= out.min() <= out.max() <= values.max()
    assert resize_to_input(values, size, (y, x, sy, sx)).shape == size


def test_torchvisions_resnet_is_16_pixels_from_where_a_resize_puts_it() -> None:
    """seeing.md, pitfall 5: the cells of layer4 at 224x224 lie at 32 j, those of VGG-16's pool5 at 15.5 + 32 j."""
    values = np.zeros((7, 7))
    values[3, 3] = 1
    true, resized = resize_to_input(values, (224, 224), (0, 0, 32, 32)), resize_to_input(values, (224, 224))
    assert np.argwhere(true == 1).tolist() == [[96, 96]]
    assert np.argwhere(resized == resized.max()).mean(0).tolist() == [111.5, 111.5]
    vgg = resize_to_input(values, (224, 224), (15.5, 15.5, 32, 32))
    assert np.allclose(vgg, resized)


def test_the_grid_is_what_the_receptive_field_says() -> None:
    """One bright pixel, positive weights: the maximum of the resized map is that pixel, in a net whose cells a
    plain resize puts elsewhere.
    """
    net = striate.build(
        striate.parse("input 1x33x33; conv 4 5 stride=2; conv 4 3 stride=2; adaptiveavgpool 1; flatten; linear 2")
    )
    with torch.no_grad():
        for p in net.parameters():
            p.abs_().add_(0.1)
    axis = receptive(net.graph, infer(net.graph)[0])[0]["conv2"][0]
    start, stride = axis.start + (axis.size - 1) / 2, float(axis.stride)
    x = torch.zeros(1, 1, 33, 33)
    x[..., 12, 20] = 1
    with torch.no_grad():
        cells = net.taps(x, "conv2")["conv2"][0].sum(0).numpy()
    found = resize_to_input(cells - cells.min(), (33, 33), (start, start, stride, stride))
    weight = found / found.sum()
    middle = [(weight.sum(1 - i) * np.arange(33)).sum() for i in (0, 1)]
    assert np.abs(np.array(middle) - (12, 20)).max() < 2


def test_nearest_cuts_half_way() -> None:
    out = resize_to_input(np.array([1.0, 2.0, 3.0]), (9,), (1, 3), interpolation="nearest")
    assert out.tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_any_number_of_axes_and_kinds_of_number() -> None:
    assert resize_to_input(np.ones((2, 3, 4), np.float32), (5, 6, 7)).dtype == np.float32
    assert resize_to_input(np.array([1, 3]), (4,)).tolist() == [1, 1.5, 2.5, 3]


def test_what_does_not_fit_is_an_error() -> None:
    for values, size, grid, said in (
        (np.ones((2, 2)), (4,), None, "does not fit an input of size"),
        (np.ones((0, 2)), (4, 4), None, "a map of 0x2 cells"),
        (np.ones((2, 2)), (4, 4), (0, 0, 1), r"expected 2 start\(s\) and then 2 stride\(s\)"),
        (np.ones((2, 2)), (4, 4), (0, 0, 1, 0), "above 0"),
    ):
        with pytest.raises(SeeError, match=said):
            resize_to_input(values, size, grid)
    with pytest.raises(SeeError, match="cubic"):
        resize_to_input(np.ones((2, 2)), (4, 4), interpolation="cubic")
