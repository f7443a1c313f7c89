"""``pooling``: maximum, mean, or a stride."""

from __future__ import annotations

from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.experiments.fitting import built, fit_each, scores_of, shape_tensors
from striate.experiments.outcome import Experiment, Gallery, Outcome, ResultTable, Say
from striate.loading.network import check
from striate.plotting import ColourScale, Panel

SIZE, ITEMS, TEST = 24, 1600, 1000  # pixels along a side; drawn shapes to train on, and to test on
REPEATS, EPOCHS, TIMED = 2, 10, 64  # networks of each kind; passes over the shapes; images whose time is taken
MAX, MEAN, CONV, STRIDE, NONE = (
    "max pooling 2x2",
    "average pooling 2x2",
    "a convolution of stride 2 instead",
    "stride 2 in the convolutions, no pooling",
    "nothing is made smaller",
)


def pooled_net(reduce: str, stride: int = 1) -> str:
    """Three convolutions of 3x3, each followed by *reduce* (in which ``{channels}`` stands for its channels).

    >>> pooled_net("maxpool 2").split("; ")[1:4]
    ['conv 16 3 padding=1 stride=1', 'relu', 'maxpool 2']
    """
    layers = []
    for channels in (16, 32, 64):
        layers += [f"conv {channels} 3 padding=1 stride={stride}", "relu"]
        layers += [reduce.format(channels=channels)] if reduce else []
    return "; ".join([f"input 1x{SIZE}x{SIZE}", *layers, "flatten", "linear 8"])


NETS = {
    MAX: pooled_net("maxpool 2"),
    MEAN: pooled_net("avgpool 2"),
    CONV: pooled_net("conv {channels} 3 padding=1 stride=2; relu"),
    STRIDE: pooled_net("", stride=2),
    NONE: pooled_net(""),
}


def shifted(x: Tensor) -> Tensor:
    """Images ``(N, C, H, W)`` moved by a pixel to the right; the first column is repeated.

    >>> shifted(torch.tensor([[[[1.0, 2.0, 3.0]]]])).tolist()
    [[[[1.0, 1.0, 2.0]]]]
    """
    return functional.pad(x, (1, 0, 0, 0), mode="replicate")[..., :-1]


def pooling(seed: int, say: Say) -> Outcome:
    """The experiment; see ``EXPERIMENT``."""
    (x, y), (test_x, test_y) = shape_tensors(seed, n=ITEMS, test=TEST, size=SIZE)
    trained: dict[str, list[nn.Module]] = {}
    right: dict[str, list[float]] = {}
    same: dict[str, float] = {}
    texts = {name: text for name, text in NETS.items() if name != NONE}
    for name, nets in fit_each(texts, x, y, seed=seed, repeats=REPEATS, epochs=EPOCHS, lr=3e-3):
        trained[name] = nets
        answers = [scores_of(net, test_x).argmax(dim=1) for net in nets]
        moved = [scores_of(net, shifted(test_x)).argmax(dim=1) for net in nets]
        right[name] = [float((a == test_y).double().mean()) for a in answers]
        same[name] = float(np.mean([float((a == b).double().mean()) for a, b in zip(answers, moved, strict=True)]))
        say(f"{name}: {np.mean(right[name]):.1%} of {TEST:,} test images right")
    firsts = {name: nets[0] for name, nets in trained.items()} | {NONE: built(NETS[NONE], seed)}
    seconds = _seconds(firsts, test_x[:TIMED])
    mean = {name: float(np.mean(values)) for name, values in right.items()}
    reports = {name: check(text) for name, text in NETS.items()}
    rows = tuple(
        (name, mean.get(name), same.get(name), reports[name].parameters, reports[name].macs, 1000 * seconds[name])
        for name in NETS
    )
    parts = (
        ResultTable(
            f"{TEST:,} test images, means of {REPEATS} networks",
            (
                ("what makes the maps smaller", ""),
                ("accuracy", ".1%"),
                ("same answer after a shift of a pixel", ".1%"),
                ("parameters", ","),
                ("MACs", ","),
                (f"ms for {TIMED} images", ".1f"),
            ),
            rows,
            "MACs: multiply-accumulate operations for one image. The last network is not trained: it shows what the "
            "others save. Its maps are never made smaller, so that its fully connected layer is 64 times as large.",
        ),
        _maps(trained[MAX][0], test_x, test_y),
    )
    better, replaced = mean[MAX] > mean[MEAN], mean[CONV] > mean[MAX] - 0.02
    verdict = "" if better == replaced else "The claim holds in part."
    result = (
        f"Max pooling has {mean[MAX]:.1%} right, average pooling {mean[MEAN]:.1%}. A convolution of stride 2 in "
        f"place of each pooling layer has {mean[CONV]:.1%}, with "
        f"{_ratio(reports[CONV].parameters, reports[MAX].parameters)} times the parameters and "
        f"{_ratio(reports[CONV].macs, reports[MAX].macs)} times the MACs. Leaving the pooling out and giving its "
        f"stride to the convolutions that are there takes {_ratio(reports[STRIDE].macs, reports[MAX].macs)} times "
        f"the MACs, and has {mean[STRIDE]:.1%} right."
    )
    data = {"accuracy": right, "same": same, "networks": trained, "seconds": seconds}
    return Outcome(result, better and replaced, parts, data, verdict=verdict)


def _ratio(a: int | None, b: int | None) -> str:
    assert a
    assert b
    return f"{a / b:.2g}"


def _seconds(nets: dict[str, nn.Module], x: Tensor) -> dict[str, float]:
    """How long each network takes for *x*: the best of twenty, taken in turns."""
    best = dict.fromkeys(nets, float("inf"))
    for _ in range(20):
        for name, net in nets.items():
            begun = perf_counter()
            scores_of(net, x)
            best[name] = min(best[name], perf_counter() - begun)
    return best


def _maps(net: nn.Module, x: Tensor, y: Tensor) -> Gallery:
    """A feature map of the first convolution, and what each way makes of it."""
    star = x[int(torch.nonzero(y == 3)[0])][None]
    with torch.no_grad():
        maps = functional.relu(net.get_submodule("conv1")(star))
    chosen = maps[:, int(maps.std(dim=(2, 3)).argmax())][:, None]
    scale = ColourScale(float(chosen.max()), False)
    shown = (
        ("a feature map", f"{SIZE}x{SIZE}", chosen),
        ("max pooling", "the largest of four", functional.max_pool2d(chosen, 2)),
        ("average pooling", "the mean of four", functional.avg_pool2d(chosen, 2)),
        ("stride 2", "one of four, the others are never computed", chosen[:, :, ::2, ::2]),
    )
    image = star[0, 0].numpy()
    grey = (255 * (image - image.min()) / np.ptp(image)).astype(np.uint8)
    panels = [Panel(np.repeat(grey[..., None], 3, axis=2), "a test image", "star", side=168, frame=True)]
    panels += [Panel(scale.colours(m[0, 0].numpy()), title, note, side=168, frame=True) for title, note, m in shown]
    return Gallery(
        "What becomes of a feature map",
        tuple(panels),
        "After the ReLU of the first convolution. The maximum keeps an edge wherever in its window it lies; the mean "
        "makes it weaker; a stride keeps it or loses it, as it happens to lie.",
        scale=scale,
    )


EXPERIMENT = Experiment(
    "pooling",
    "Pooling: maximum, mean or stride",
    "Max pooling works better in practice than average pooling; and pooling can be left out if convolutions with a "
    "larger stride make the maps smaller.",
    "CS231n, Convolutional Neural Networks, on pooling; Springenberg et al. 2014, Striving for Simplicity",
    f"Networks of three convolutions learn eight kinds of drawn shapes, {ITEMS:,} grey images of {SIZE}x{SIZE} "
    "pixels with noise and textures. They differ in what halves the sides of the maps after each convolution. The "
    "test images are also moved by one pixel: how often does the answer stay the same?",
    pooling,
)
