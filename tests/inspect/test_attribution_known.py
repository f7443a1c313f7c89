"""Attribution against known answers: Captum's own tiny net, and identities in double precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from bounds import scores_bound
from strategies import examples
from striate.analysis import Axis, infer, receptive
from striate.errors import SeeError
from striate.inspect.attribution import (
    METHODS,
    ablation_cam,
    deconvnet,
    grad_cam,
    grad_cam_pp,
    gradient,
    gradient_x_input,
    guided_backprop,
    hires_cam,
    integrated_gradients,
    layer_cam,
    occlusion,
    smoothgrad,
)
from striate.net import build
from striate.spec import lower, parse


class OneConv(nn.Module):
    """The net of Captum's tests, BasicModel_ConvNet_One_Conv: its weights, its layers."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.conv1, self.relu1 = nn.Conv2d(1, 2, 3), nn.ReLU(inplace=inplace)
        self.fc1, self.relu2 = nn.Linear(8, 4), nn.ReLU(inplace=inplace)
        with torch.no_grad():
            self.conv1.weight.fill_(1)
            self.conv1.bias.copy_(torch.tensor([-50.0, -75.0]))
            self.fc1.weight.copy_(torch.tensor([1.0] * 5 + [-1.0] * 3).expand(4, 8))
            self.fc1.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu2(self.fc1(self.relu1(self.conv1(x)).flatten(1)))


class OneConvFunctional(OneConv):
    """The same by calls: of a function, of a method that works in place, of clamp."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way

    def forward(self, x: Tensor) -> Tensor:
        relu = {
            "F.relu": F.relu, "in place": lambda v: F.relu(v, inplace=True), "torch.relu": torch.relu,
            "method": lambda v: v.relu(), "relu_": lambda v: v.relu_(), "clamp": lambda v: v.clamp(min=0),
            "clamp by place": lambda v: torch.clamp(v, 0), "clamp_": lambda v: v.clamp_(min=0.0),
            "clamp_min": lambda v: torch.clamp_min(v, 0), "capped": lambda v: v.clamp(0, 1e9),
        }[self.way]  # fmt: skip
        return relu(self.fc1(relu(self.conv1(x)).flatten(1)))


WAYS = (
    "F.relu",
    "in place",
    "torch.relu",
    "method",
    "relu_",
    "clamp",
    "clamp by place",
    "clamp_",
    "clamp_min",
    "capped",
)
RAMP = torch.arange(16.0).view(1, 1, 4, 4)
GUIDED = [[0, 1, 1, 1], [1, 3, 3, 2], [1, 3, 3, 2], [1, 2, 2, 1]]
DECONVNET = [[2, 3, 3, 1], [3, 5, 5, 2], [3, 5, 5, 2], [1, 2, 2, 1]]


@pytest.fixture(params=["modules", "modules in place", *WAYS])
def one_conv(request: pytest.FixtureRequest) -> nn.Module:
    plain = request.param.startswith("modules")
    return OneConv("place" in request.param) if plain else OneConvFunctional(request.param)


def test_guided_backprop_and_deconvnet_of_captums_net(one_conv: nn.Module) -> None:
    assert guided_backprop(one_conv, RAMP, 0).values.tolist() == [GUIDED]
    assert deconvnet(one_conv, RAMP, 0).values.tolist() == [DECONVNET]


def test_grad_cam_of_captums_net(one_conv: nn.Module) -> None:
    found = grad_cam(one_conv, RAMP, 0, layer="conv1")
    assert found.values.tolist() == [[11.25, 13.5], [20.25, 22.5]]
    assert (found.score, found.rectified, found.layer) == (54, False, "conv1")


@pytest.mark.parametrize("inplace", [False, True])
def test_cams_of_captums_net_after_its_relu(inplace: bool) -> None:
    net = OneConv(inplace)
    assert grad_cam(net, RAMP, 0, layer="relu1").values.tolist() == [[0, 4], [28, 32.5]]
    # at conv1 the slope of what the ReLU closes is 0: [[0, 4], [25, 25]], with the sum of the logit
    found = hires_cam(net, RAMP, 0, layer="conv1")
    assert found.values.tolist() == [[0, 4], [25, 25]]
    assert found.values.sum() == found.score == 54


def test_grad_cam_of_the_input_of_captums_net() -> None:
    """At the layer's *input*, without the final ReLU, 0.5625 x."""
    x = RAMP.clone()
    x[0, 0, 1, 1] = -4
    net = OneConv()
    net.relu2 = nn.Identity()
    found = grad_cam(nn.Sequential(nn.Identity(), net), x, 0, layer="0")
    assert np.array_equal(found.values, 0.5625 * x[0, 0].numpy())
    assert "-2.25" in str(found.values)  # the sign is kept
    assert grad_cam(nn.Sequential(nn.Identity(), net), x, 0, layer="0", relu=True).values.min() == 0


def test_integrated_gradients_of_captums_net() -> None:
    """[derived] The sum from a zero baseline is the logit, 54. The path has kinks: many steps."""
    found = integrated_gradients(OneConv().double(), RAMP.double(), 0, steps=200, batch=100)
    assert found.values.sum() == pytest.approx(54, rel=1e-2)
    assert found.error == pytest.approx(found.values.sum() - 54)


# --- identities, in double precision ---------------------------------------------------------------------------------


def random_net(text: str, seed: int = 0) -> nn.Module:
    return build(lower(parse(text)), seed=seed).double()


def image(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(1, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


SMOOTH = "input 2x9x7; conv 5 3; tanh; avgpool 2; flatten; linear 8; sigmoid; linear 3"


@examples(20)
@given(seed=st.integers(0, 99), target=st.integers(0, 2), base=st.floats(-1, 1))
def test_integrated_gradients_are_complete(seed: int, target: int, base: float) -> None:
    net, x = random_net(SMOOTH, seed), image(2, 9, 7, seed=seed)
    found = integrated_gradients(net, x, target, baseline=base, steps=40)
    rise = (net(x) - net(torch.full_like(x, base)))[0, target].item()
    assert found.values.sum() == pytest.approx(rise, abs=1e-8)
    assert abs(found.error) < 1e-8


def test_of_a_linear_net_every_method_is_weight_times_difference() -> None:
    net, x = random_net("input 2x5x4; flatten; linear 3"), image(2, 5, 4)
    weight = next(net.parameters())[1].detach().view(2, 5, 4).numpy()
    base = image(2, 5, 4, seed=1)
    assert np.allclose(gradient(net, x, 1).values, weight, atol=1e-12)
    assert np.allclose(smoothgrad(net, x, 1).values, weight, atol=1e-12)
    assert np.allclose(gradient_x_input(net, x, 1).values, weight * x[0].numpy(), atol=1e-12)
    found = integrated_gradients(net, x, 1, baseline=base, steps=1)
    assert np.allclose(found.values, weight * (x - base)[0].numpy(), atol=1e-12)
    drops = occlusion(net, x, 1, window=1, stride=1, fill=base)
    assert np.allclose(drops.values, (weight * (x - base)[0].numpy()).sum(0), atol=1e-8)


@examples(40)
@given(window=st.tuples(st.integers(1, 5), st.integers(1, 4)), data=st.data())
def test_occlusion_of_a_linear_net_is_the_windows_sum(window: tuple[int, int], data: st.DataObject) -> None:
    stride = tuple(data.draw(st.integers(1, n)) for n in window)
    net, x = random_net("input 2x5x4; flatten; linear 3"), image(2, 5, 4)
    part = (next(net.parameters())[2].detach().view(2, 5, 4) * (x[0] - 0.25)).sum(0)
    found = occlusion(net, x, 2, window=window, stride=stride, fill=0.25, batch=3)
    for (i, j), drop in np.ndenumerate(found.values):
        y, left = i * stride[0], j * stride[1]
        assert drop == pytest.approx(part[y : y + window[0], left : left + window[1]].sum().item(), abs=1e-8)
    ends = [(n - 1) * s + w for n, s, w in zip(found.values.shape, stride, window, strict=True)]
    assert min(ends[0] - 5, ends[1] - 4) >= 0  # to the edge


def test_occlusion_of_what_a_net_ignores_is_zero() -> None:
    """To within what a score alone and the same in a batch may differ by."""

    class Left(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = random_net("input 1x6x4; conv 3 3; relu; flatten; linear 2")

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x[..., :4])

    net, x = Left(), image(1, 6, 9)
    found = np.abs(occlusion(net, x, 0, window=(2, 1), stride=(2, 1)).values)
    bound = scores_bound(net.net, x[..., :4])
    assert found[:, 4:].max() <= bound
    assert found[:, :4].min() > bound


def test_cam_of_global_pooling_and_one_linear_layer_is_cam() -> None:
    net, x = (
        random_net("input 2x9x7; conv 5 3; relu; conv 4 3; relu; adaptiveavgpool 1; flatten; linear 3"),
        image(2, 9, 7),
    )
    found = grad_cam(net, x, 1)
    maps = net.taps(x, found.layer)[found.layer][0]
    weight = list(net.parameters())[-2][1]
    cam = torch.einsum("k,kyx->yx", weight, maps).detach().numpy()  # Zhou et al. 2016, equation 2
    assert np.allclose(found.values * found.values.size, cam, atol=1e-10)


def test_grad_cam_pp_of_captums_net_by_hand() -> None:
    """At relu1 the maps are [0, 4, 31, 40] (sum 75) and [0, 0, 6, 15] (sum 21), the slopes [1, 1, 1, 1] and
    [1, -1, -1, -1]. So ``a`` is 1 / (2 + 75) and, where the slope is positive, 1 / (2 + 21); the weights are their
    sums over the cells of positive slope, 4 / 77 and 1 / 23.
    """
    found = grad_cam_pp(OneConv().double(), RAMP.double(), 0, layer="relu1").values
    first, second = np.array([[0, 4], [31, 40]]), np.array([[0, 0], [6, 15]])
    assert np.allclose(found, 4 / 77 * first + 1 / 23 * second, rtol=1e-12)


def test_grad_cam_pp_of_slopes_that_are_not_one_by_hand() -> None:
    """One map [1, 2, 3, 4] and the slopes [1/2, 0, -1, 2]: of ``g`` the ``a`` is 1 / (2 + 10 g), so 1/7 and 1/22."""
    net = nn.Sequential(nn.Identity(), nn.Flatten(), nn.Linear(4, 1, bias=False)).double()
    with torch.no_grad():
        net[2].weight.copy_(torch.tensor([[0.5, 0.0, -1.0, 2.0]]))
    maps = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]], dtype=torch.float64)
    found = grad_cam_pp(net, maps, 0, layer="0").values
    assert np.allclose(found, (0.5 / 7 + 2 / 22) * maps[0, 0].numpy(), rtol=1e-12)


def test_ablation_cam_of_captums_net_by_hand() -> None:
    """At relu1 the score is 75 - 21 = 54, of the first map alone 75, of the second alone -21, which the last ReLU makes
    0: the drops are 54 and -21, and without that ReLU 75 and -21.
    """
    first, second = np.array([[0, 4], [31, 40]]), np.array([[0, 0], [6, 15]])
    net = OneConv()
    assert ablation_cam(net, RAMP, 0, layer="relu1").values.tolist() == (54 * first - 21 * second).tolist()
    net.relu2 = nn.Identity()
    found = ablation_cam(net, RAMP, 0, layer="relu1", batch=1)
    assert found.values.tolist() == (75 * first - 21 * second).tolist()
    assert (found.score, found.layer) == (54, "relu1")
    assert ablation_cam(net, RAMP, 0, layer="relu1", relu=True).values.min() == 0


def test_ablation_cam_of_global_pooling_and_one_linear_layer_weighs_by_what_each_map_adds() -> None:
    net, x = random_net("input 2x9x7; conv 5 3; relu; adaptiveavgpool 1; flatten; linear 3"), image(2, 9, 7)
    found = ablation_cam(net, x, 1)
    maps = net.taps(x, found.layer)[found.layer][0].detach()
    added = list(net.parameters())[-2][1].detach() * maps.mean((1, 2))
    assert np.allclose(found.values, (added[:, None, None] * maps).sum(0).numpy(), atol=1e-12)


def test_ablation_cam_needs_no_gradient() -> None:
    class Detached(OneConv):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).detach()

    wanted = ablation_cam(OneConv(), RAMP, 0, layer="relu1").values
    assert np.array_equal(ablation_cam(Detached(), RAMP, 0, layer="relu1").values, wanted)
    with pytest.raises(SeeError, match="detaches"):
        grad_cam(Detached(), RAMP, 0, layer="relu1")


def test_hires_cam_before_one_linear_layer_sums_to_the_score() -> None:
    net, x = random_net("input 2x9x7; conv 5 3; relu; conv 4 3; tanh; flatten; linear 3"), image(2, 9, 7)
    for target in range(3):
        found = hires_cam(net, x, target)
        assert found.values.sum() + list(net.parameters())[-1][target].item() == pytest.approx(found.score, abs=1e-10)


def test_layer_cam_of_a_layer_that_only_speaks_for_the_target_is_hires_cam() -> None:
    net, x = random_net("input 2x9x7; conv 5 3; relu; flatten; linear 3"), image(2, 9, 7)
    with torch.no_grad():
        list(net.parameters())[-2].abs_()
    assert np.allclose(layer_cam(net, x, 0).values, hires_cam(net, x, 0).values, atol=1e-12)


def test_without_a_relu_deconvnet_and_guided_backprop_are_the_gradient() -> None:
    net, x = random_net("input 2x9x8; conv 5 3; tanh; maxpool 2; conv 4 2; flatten; linear 3"), image(2, 9, 8)
    for method in (deconvnet, guided_backprop):
        found = method(net, x, 2)
        assert np.array_equal(found.values, gradient(net, x, 2).values)
        assert "the network has no ReLU here: this is the plain gradient" in found.note
        assert "Tanh (1)" in found.note
        assert not found.fails_randomisation


def test_deconvnet_unpools_by_the_switches() -> None:
    """Zeiler and Fergus 2013, section 2.1: what comes back goes to where the maximum was."""
    x = image(3, 8, 6)
    pooled, switches = F.max_pool2d(x, 2, return_indices=True)
    back = torch.zeros_like(pooled)
    back[0, 1, 2, 1] = 1
    found = deconvnet(nn.Sequential(nn.MaxPool2d(2), nn.Flatten(1)), x, int(back.flatten().argmax()))
    assert np.array_equal(found.values, F.max_unpool2d(back, switches, 2)[0].numpy())


def test_a_shift_of_the_input_folded_into_the_first_bias_changes_no_gradient() -> None:
    """Kindermans et al. 2017: what is invariant, and that what takes a reference point need not be."""
    net, x = random_net("input 1x7x7; conv 4 3; relu; flatten; linear 3"), image(1, 7, 7)
    moved = random_net("input 1x7x7; conv 4 3; relu; flatten; linear 3")
    with torch.no_grad():
        moved.conv1.bias -= 2 * moved.conv1.weight.sum((1, 2, 3))
    for method in (gradient, guided_backprop, deconvnet, hires_cam, grad_cam):
        assert np.allclose(method(net, x, 0).values, method(moved, x + 2, 0).values, atol=1e-10)
    assert not np.allclose(gradient_x_input(net, x, 0).values, gradient_x_input(moved, x + 2, 0).values)


@pytest.mark.parametrize(
    "text",
    [
        "input 2x19x17; conv 3 3 stride=2; avgpool 2 stride=1; conv 2 2; avgpool 3 stride=2",
        "input 1x12x12; conv 2 3 padding=1; avgpool 3; conv 1 2",  # 8x8 pixels: the example that tutorials get wrong
        "input 2x16x21; conv 3 3 padding=1 dilation=2; conv 3 3x5 stride=2; avgpool 2",
    ],
)
def test_of_positive_weights_the_gradient_of_a_unit_fills_its_receptive_field(text: str) -> None:
    graph = lower(parse(text))
    net = build(graph).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.abs_().add_(0.1)
    x = image(*graph.input).abs() + 1
    fields = receptive(graph, infer(graph)[0])[0][graph.nodes[-1].name]
    height, width = net(x).shape[2:]
    for y, left in ((0, 0), (height - 1, width - 1), (height // 2, width // 2)):
        found = gradient(net, x, f"{graph.nodes[-1].name}:0:{y}:{left}").values
        seen = np.zeros(found.shape[1:], bool)
        seen[span(fields[0], y), span(fields[1], left)] = True
        assert np.array_equal(found.any(0), seen)


def test_in_any_net_the_gradient_of_a_unit_lies_inside_its_receptive_field() -> None:
    graph = lower(parse("input 2x19x17; conv 3 3 stride=2 padding=1; relu; maxpool 2; conv 4 3 padding=1; relu"))
    net, x = build(graph).double(), image(2, 19, 17)
    for node in graph.nodes:
        fields = receptive(graph, infer(graph)[0])[0][node.name]
        channels, height, width = net.taps(x, node.name)[node.name].shape[1:]
        for y, left in ((0, 0), (height - 1, width // 2), (height // 3, width - 1)):
            for channel in range(channels):
                found = gradient(net, x, f"{node.name}:{channel}:{y}:{left}").values
                found[:, span(fields[0], y), span(fields[1], left)] = 0
                assert not found.any()


def span(axis: Axis, i: int) -> slice:
    """What unit *i* sees, without the padding."""
    first, last = axis.at(i)
    return slice(max(0, first), last + 1)


def test_every_method_is_known_here() -> None:
    """Its name is the function's, so that ``--method`` takes what Python imports."""
    import striate.inspect.attribution as attribution

    assert all(getattr(attribution, name) is method.function for name, method in METHODS.items())
    assert len({method.title for method in METHODS.values()}) == len(METHODS)
