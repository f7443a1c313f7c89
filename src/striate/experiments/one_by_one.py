"""``one-by-one``: what a kernel of one pixel is good for."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.experiments.fitting import fit_each, shape_tensors, share_right
from striate.experiments.outcome import Experiment, Outcome, ResultTable, Say, columns
from striate.loading.network import check
from striate.report.lines import ChartLine, LineChart

SIZE, ITEMS, TEST = 24, 1600, 1000  # pixels along a side; drawn shapes to train on, and to test on
REPEATS, EPOCHS = 2, 10
BEGIN = f"input 1x{SIZE}x{SIZE}; conv 16 3 padding=1; relu; maxpool 2"
SECOND, END = "conv 64 3 padding=1; relu; maxpool 2", "relu; maxpool 2; flatten; linear 8"
PLAIN, NARROW, SQUEEZED, LAST, ALL = (
    "3x3, 64 channels",
    "3x3, 32 channels",
    "1x1 to 16 channels before the last 3x3",
    "1x1 in place of the last 3x3",
    "1x1 everywhere",
)
NETS = {
    PLAIN: f"{BEGIN}; {SECOND}; conv 64 3 padding=1; {END}",
    SQUEEZED: f"{BEGIN}; {SECOND}; conv 16 1; relu; conv 64 3 padding=1; {END}",
    NARROW: f"{BEGIN}; conv 32 3 padding=1; relu; maxpool 2; conv 32 3 padding=1; {END}",
    LAST: f"{BEGIN}; {SECOND}; conv 64 1; {END}",
    ALL: f"input 1x{SIZE}x{SIZE}; conv 16 1; relu; maxpool 2; conv 64 1; relu; maxpool 2; conv 64 1; {END}",
}


def pixel_by_pixel(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """What a fully connected layer with the weights of the 1x1 convolution *conv* gives for the channels of each pixel
    of *x* ``(N, C, H, W)``: ``(N, K, H, W)``.

    >>> conv, x = nn.Conv2d(3, 2, 1), torch.ones(1, 3, 4, 5)
    >>> torch.allclose(pixel_by_pixel(conv, x), conv(x))
    True
    """
    pixels = x.permute(0, 2, 3, 1)  # (N, H, W, C)
    return functional.linear(pixels, conv.weight[:, :, 0, 0], conv.bias).permute(0, 3, 1, 2)


def one_by_one(seed: int, say: Say) -> Outcome:
    """The experiment; see ``EXPERIMENT``."""
    (x, y), (test_x, test_y) = shape_tensors(seed, n=ITEMS, test=TEST, size=SIZE)
    accuracy: dict[str, list[float]] = {}
    trained: dict[str, list[nn.Module]] = {}
    for name, nets in fit_each(NETS, x, y, seed=seed, repeats=REPEATS, epochs=EPOCHS, lr=3e-3):
        trained[name], accuracy[name] = nets, [share_right(net, test_x, test_y) for net in nets]
        say(f"{name}: {np.mean(accuracy[name]):.1%} of {TEST:,} test images right")
    mean = {name: float(np.mean(values)) for name, values in accuracy.items()}
    size = {name: (check(text).parameters or 0, check(text).macs or 0) for name, text in NETS.items()}
    difference = _difference(trained[SQUEEZED][0], test_x)
    parts = (
        ResultTable(
            f"{TEST:,} test images, means of {REPEATS} networks",
            columns(
                "the last two convolutions | accuracy:.1% | parameters:, | MACs:, | "
                "points above chance for 1,000 parameters:.1f"
            ),
            tuple((name, mean[name], *size[name], 100_000 * (mean[name] - 1 / 8) / size[name][0]) for name in NETS),
            "Chance is 12.5%. MACs: multiply-accumulate operations for one image.",
        ),
        LineChart(
            "Accuracy against parameters",
            "parameters",
            tuple(ChartLine(name, ((float(size[name][0]), mean[name]),), dots=True) for name in NETS),
            "Up is better, left is smaller. A 1x1 convolution sees no neighbours: it can only mix what the kernels "
            "before it have found. In front of a 3x3 it makes that one cheap; alone it is nearly blind.",
            y=".0%",
        ),
        ResultTable(
            "A 1x1 convolution is one fully connected layer for all pixels",
            columns(" | pixels:, | channels in:, | channels out:, | largest difference:.1e"),
            (("conv 16 1 against linear 16 on the channels of each pixel", 36 * TEST, 64, 16, difference),),
        ),
    )
    fewer, apart = size[SQUEEZED][0] / size[PLAIN][0], mean[PLAIN] - mean[SQUEEZED]
    holds = apart < 0.05 and mean[SQUEEZED] > max(mean[NARROW], mean[LAST]) and mean[ALL] < mean[LAST]
    verdict = "" if apart < 0.02 else f"The claim holds in part: the saving costs {100 * apart:.1f} points here."
    result = (
        f"With a 1x1 convolution to 16 channels before its last 3x3, the network has {fewer:.0%} of the parameters "
        f"and {size[SQUEEZED][1] / size[PLAIN][1]:.0%} of the MACs, and {mean[SQUEEZED]:.1%} right instead of "
        f"{mean[PLAIN]:.1%}. Half the channels everywhere would give {mean[NARROW]:.1%}, a 1x1 in place of the last "
        f"3x3 {mean[LAST]:.1%}, and 1x1 convolutions alone, which see single pixels, {mean[ALL]:.1%}."
    )
    data = {"accuracy": accuracy, "networks": trained, "difference": difference}
    return Outcome(result, holds, parts, data, verdict=verdict if holds else "")


def _difference(net: nn.Module, x: Tensor) -> float:
    """The largest difference between the 1x1 convolution of *net* and a fully connected layer on each pixel."""
    with torch.no_grad():
        for name, layer in net.named_children():
            if name == "conv3":
                assert isinstance(layer, nn.Conv2d)
                return float((layer(x) - pixel_by_pixel(layer, x)).abs().max())
            x = layer(x)
    raise AssertionError


EXPERIMENT = Experiment(
    "one-by-one",
    "1x1 convolutions: mixing channels, saving weights",
    "A 1x1 convolution is a fully connected layer over the channels of every single pixel. In front of a larger "
    "kernel it reduces the channels, which saves parameters and computation and costs hardly any accuracy.",
    "Lin et al. 2013, Network in Network; Szegedy et al. 2014, GoogLeNet; CS231n, Convolutional Neural Networks",
    f"Five networks of three stages learn eight kinds of drawn shapes, {ITEMS:,} grey images of {SIZE}x{SIZE} pixels "
    "with noise and textures. They differ in their last two convolutions; in the last network every kernel has one "
    "pixel.",
    one_by_one,
)
