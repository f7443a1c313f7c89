"""The slips that a graph shows: each is found where it is, and nets without it are left alone."""

from __future__ import annotations

import pytest

from striate.analysis import analyse
from striate.zoo import ZOO

SLIPS = {
    "linear after linear": (
        "flatten; linear 32; linear 10",
        "linear2: no activation after linear1, so the two are equivalent to one linear layer; put relu after linear1",
    ),
    "linear, dropout, linear": (
        "flatten; a: linear 32; dropout; b: linear 10",
        "b: no activation after a, so the two are equivalent to one linear layer; put relu after a",
    ),
    "conv after conv": (
        "conv 8 3; conv 8 3; relu",
        "conv2: no activation after conv1, so the two are equivalent to one linear layer; put relu after conv1",
    ),
    "conv, average, linear": (
        "conv 8 3; avgpool 2; flatten; linear 4",
        "linear1: no activation after conv1, so the two are equivalent to one linear layer; put relu after conv1",
    ),
    "a bias before batch norm": (
        "conv 8 3; batchnorm; relu",
        "batchnorm1: it subtracts the mean, so the bias of conv1 has no effect; bias=no on conv1 saves 8 parameters",
    ),
    "dropout before batch norm": (
        "conv 8 3 bias=no; relu; dropout; conv 8 3 bias=no; batchnorm; relu",
        "batchnorm1: dropout1 before it changes the variance in training only, so at inference its statistics are off; "
        "move dropout1 after the last batchnorm",
    ),
    "softmax at the end": (
        "flatten; linear 3; softmax",
        "softmax1: its output is probabilities, but a cross-entropy loss expects logits; omit it in your own "
        "training loop; striate's handles it",
    ),
    "a small field": (
        "conv 8 3; relu; adaptiveavgpool 1; flatten; linear 3",
        "pool1: receptive field 3x3, image 20x20: no unit sees the whole image before global pooling; fine for "
        "textures; for shapes use more layers, larger kernels or strides",
    ),
    "batch norm on one value": (
        "conv 8 20 bias=no; batchnorm; relu; flatten; linear 3",
        "batchnorm1: one value per channel and image, so a batch of one has no variance; use a batch size of 2 or more",
    ),
}
FINE = {
    "a bottleneck is a choice": "conv 16 1; relu; conv 4 1; conv 16 1; relu",
    "depthwise, then 1x1": "conv 8 1; relu; conv 8 3 groups=8 padding=1; conv 16 1; relu",
    "no bias before batch norm": "conv 8 3 bias=no; batchnorm; relu; conv 8 3",
    "dropout behind the norms": "conv 8 3 bias=no; batchnorm; relu; flatten; dropout; linear 3",
    "a softmax inside": "conv 8 3; softmax; conv 8 3; relu",
    "fully connected sees all": "conv 8 3; relu; maxpool 2; flatten; linear 3",
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_named_with_its_way_out(slip: str) -> None:
    net, message = SLIPS[slip]
    report = analyse(net, (3, 20, 20))
    assert not report.problems
    assert message in [str(w) for w in report.warnings]
    assert f"warning: {message}" in str(report)
    layer, rest = message.split(": ", 1)
    assert any(w["layer"] == layer and rest.startswith(w["message"]) for w in report.as_dict()["warnings"])


@pytest.mark.parametrize(
    ("input", "said"),
    [
        ((28, 28, 1), "conv1: it reads 28 channels of 28x1 pixels: sizes are channels x height x width; for an image "
         "of 28x28 pixels the input is 1x28x28"),
        ((224, 320, 3), "conv1: it reads 224 channels of 320x3 pixels: sizes are channels x height x width; for an "
         "image of 224x320 pixels the input is 3x224x320"),
        ((64, 28, 28), ""),
        ((3, 28, 4), ""),
        ((16, 1, 1), ""),
    ],
)  # fmt: skip
def test_an_input_with_its_channels_last_is_named(input: tuple[int, ...], said: str) -> None:
    warnings = [str(w) for w in analyse("conv 8 1; relu", input).warnings if "channels x height" in str(w)]
    assert warnings == [said] * bool(said)


@pytest.mark.parametrize("net", FINE.values(), ids=FINE)
def test_what_is_no_slip_is_left_alone(net: str) -> None:
    assert analyse(net, (3, 20, 20)).warnings == ()


def test_the_networks_of_the_papers() -> None:
    """What their authors meant is not called a slip, but for what is known of them."""
    warned = {name for name, entry in ZOO.items() if analyse(entry.make(), entry.input).warnings}
    known = {
        "boat4",  # ends in softmax, as its tutorial does
        "nin", "allconv",  # see 27 of 32 pixels
        "vgg_small",  # sees 38 of 64 pixels
        "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn", "vgg_regressor",  # torchvision's biases before batch norm
    }  # fmt: skip
    assert warned == known


def test_the_same_warning_of_several_layers_is_one_line() -> None:
    text = str(
        analyse("conv 8 20 bias=no; batchnorm; relu; conv 8 1 bias=no; batchnorm; flatten; linear 3", (3, 20, 20))
    )
    lines = [line for line in text.splitlines() if "variance" in line]
    assert lines == [
        "warning: 2 layers (batchnorm1, batchnorm2): one value per channel and image, so a batch of one has no "
        "variance; use a batch size of 2 or more"
    ]
