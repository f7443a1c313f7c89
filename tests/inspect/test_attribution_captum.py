"""The same maps as Captum, raw and before any resizing, in double precision: nets of the zoo, somebody's own."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache, partial

import captum.attr as captum
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import striate
from striate.inspect.attribution import (
    deconvnet,
    grad_cam,
    gradient,
    gradient_x_input,
    guided_backprop,
    hires_cam,
    integrated_gradients,
    occlusion,
    smoothgrad,
)
from striate.zoo import ZOO


class Own(nn.Module):
    """Somebody's module: a join in ``forward``, and ReLUs as modules in place or as calls."""

    def __init__(self, calls: bool) -> None:
        super().__init__()
        self.calls = calls
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1, bias=False)
        self.norm, self.pool, self.head = nn.BatchNorm2d(6), nn.MaxPool2d(3, 2), nn.Linear(6 * 5 * 3, 4)
        self.relu1, self.relu2 = nn.ReLU(inplace=True), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv1(x)) if self.calls else self.relu1(self.conv1(x))
        y = self.norm(self.conv2(x)) + x
        y = y.clamp_(min=0) if self.calls else self.relu2(y)
        return self.head(self.pool(y).flatten(1))


def somebodys(calls: bool) -> nn.Module:
    torch.manual_seed(0)
    net = Own(calls)
    net.norm.running_mean += 0.1
    return net.double().eval()


# net -> input, a layer for CAM
NETS = {
    "harley": ((1, 32, 32), "relu2"),
    "resnet20": ((3, 24, 32), "stage3.block3.relu"),
    "googlenet": ((3, 96, 79), "inception5b.concat"),
    "densenet_bc100": ((3, 32, 24), "relu"),
    "own, in place": ((1, 12, 8), "relu2"),
    "own, by calls": ((1, 12, 8), "norm"),
}


BIG = ("googlenet", "densenet_bc100")
EACH = [pytest.param(net, marks=pytest.mark.slow) if net in BIG else net for net in NETS]


@cache
def case(name: str) -> tuple[nn.Module, nn.Module, Tensor, str]:
    """The net, the net as Captum needs it (ReLUs as modules), an input, a layer."""
    shape, layer = NETS[name]
    x = torch.randn(1, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    if name.startswith("own"):
        return somebodys(calls="calls" in name), somebodys(calls=False), x, layer
    net = striate.build(ZOO[name].make(), shape).double().eval()
    return net, net, x, layer


def same(found: np.ndarray, wanted: Tensor, tolerance: float = 1e-8) -> None:
    expected = wanted.detach().numpy().reshape(found.shape)
    assert np.abs(expected).max() > 0
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


def theirs(attribute: Callable[..., object], x: Tensor, **options: object) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that hooks are set, and that the input requires gradients now
        return attribute(x.clone(), target=2, **options)


METHODS = {
    "gradient": (gradient, partial(captum.Saliency), {"abs": False}),
    "gradient_x_input": (gradient_x_input, captum.InputXGradient, {}),
    "guided_backprop": (guided_backprop, captum.GuidedBackprop, {}),
    "deconvnet": (deconvnet, captum.Deconvolution, {}),
    "integrated_gradients": (
        partial(integrated_gradients, steps=6, batch=4, baseline=0.3),
        captum.IntegratedGradients,
        {"n_steps": 6, "baselines": 0.3, "method": "gausslegendre", "internal_batch_size": 3},
    ),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("net", EACH)
def test_what_asks_about_the_input_is_captums(net: str, method: str) -> None:
    ours, as_modules, x, _ = case(net)
    function, other, options = METHODS[method]
    same(function(ours, x, 2).values, theirs(other(as_modules).attribute, x, **options))


@pytest.mark.parametrize("net", EACH)
def test_cams_are_captums(net: str) -> None:
    ours, as_modules, x, layer = case(net)
    part = as_modules.get_submodule(layer)
    same(grad_cam(ours, x, 2, layer=layer).values, theirs(captum.LayerGradCam(as_modules, part).attribute, x))
    times = theirs(captum.LayerGradientXActivation(as_modules, part).attribute, x)
    same(hires_cam(ours, x, 2, layer=layer).values, times.sum(1))
    wanted = theirs(captum.LayerGradCam(as_modules, part).attribute, x, relu_attributions=True)
    found = grad_cam(ours, x, 2, layer=layer, relu=True)
    assert found.rectified
    assert np.allclose(found.values, wanted[0, 0].detach(), atol=1e-8)


@pytest.mark.parametrize("net", ["harley", "resnet20", "own, by calls"])
@pytest.mark.parametrize(("window", "stride"), [((8, 8), (8, 8)), ((9, 8), (5, 7))])
def test_occlusion_is_captums(net: str, window: tuple[int, int], stride: tuple[int, int]) -> None:
    """Captum gives each pixel the mean of the windows over it."""
    ours, as_modules, x, _ = case(net)
    found = occlusion(ours, x, 2, window=window, stride=stride, fill=0.2, batch=7).values
    total, times = np.zeros(x.shape[2:]), np.zeros(x.shape[2:])
    for (i, j), drop in np.ndenumerate(found):
        under = (slice(i * stride[0], i * stride[0] + window[0]), slice(j * stride[1], j * stride[1] + window[1]))
        total[under] += drop
        times[under] += 1
    channels = x.shape[1]
    options = {"sliding_window_shapes": (channels, *window), "strides": (channels, *stride), "baselines": 0.2}
    wanted = theirs(captum.Occlusion(as_modules).attribute, x, **options)
    same(np.repeat((total / times)[None], channels, 0), wanted[0], 1e-6)  # Captum's is float32


@pytest.mark.parametrize("net", ["harley", "resnet20", "own, in place"])
def test_smoothgrad_of_the_same_noise_is_captums(net: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, as_modules, x, _ = case(net)
    sigma = 0.15 * float(x.max() - x.min())
    generator = torch.Generator().manual_seed(3)
    noise = sigma * torch.stack([torch.randn(x.shape[1:], generator=generator) for _ in range(4)]).to(x)
    monkeypatch.setattr(torch, "normal", lambda mean, std: mean + noise)
    tunnel = captum.NoiseTunnel(captum.Saliency(as_modules))
    wanted = theirs(tunnel.attribute, x, nt_samples=4, stdevs=sigma, abs=False, nt_type="smoothgrad")
    same(smoothgrad(ours, x, 2, samples=4, noise=0.15, seed=3, batch=3).values, wanted)


def test_a_unit_is_captums_neuron() -> None:
    net, _, x, _ = case("resnet20")
    layer = "stage2.block1.relu"
    maps = net.taps(x, layer)[layer][0]
    unit = tuple(int(i) for i in np.unravel_index(int(maps.argmax()), maps.shape))  # one that is not dead
    name = ":".join(map(str, (layer, *unit)))
    wanted = captum.NeuronGradient(net, net.get_submodule(layer)).attribute(x.clone().requires_grad_(), unit)
    same(gradient(net, x, name).values, wanted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = captum.NeuronDeconvolution(net, net.get_submodule(layer)).attribute(x.clone(), unit)
    same(deconvnet(net, x, name).values, other)
