"""``dense-as-conv``: a fully connected layer is a convolution; slid over a larger image it says where digits are."""

from __future__ import annotations

from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.experiments.drawn import ink_image
from striate.experiments.fitting import built, digits_tensors, fit_tensors, scores_of, share_right
from striate.experiments.outcome import Experiment, Gallery, Outcome, ResultTable, Say, columns
from striate.loading.network import check
from striate.plotting import ColourScale, Panel

WINDOW, NOTHING = 8, 10  # pixels along a side; the class of windows without a digit in their middle
NEAR, FAR = 1, 3  # pixels off a digit: up to which a window shows it, and from which it shows none
FEATURES = "conv 16 3; relu; conv 32 3; relu"
DENSE = f"input 1x8x8; {FEATURES}; flatten; linear 64; relu; linear 11"
CONVOLUTIONAL = f"{FEATURES}; conv 64 4; relu; conv 11 1"
SCENE, DIGITS, GAP = (48, 72), 8, 3  # its size; how many digits are in it; pixels between two at least
SCENES = 20


def as_convolutions(net: nn.Module, size: tuple[int, int] = (WINDOW, WINDOW)) -> nn.Module:
    """*net*, of the text ``DENSE``, with its fully connected layers as convolutions, for images of *size*.

    The weights are the same numbers in the same order: ``linear 64`` over 32x4x4 values is ``conv 64 4``, and
    ``linear 11`` over 64 values ``conv 11 1``.

    >>> as_convolutions(built(DENSE), (20, 30))(torch.zeros(1, 1, 20, 30)).shape
    torch.Size([1, 11, 13, 23])
    """
    other = built(f"input 1x{size[0]}x{size[1]}; {CONVOLUTIONAL}").to(next(net.parameters()).dtype)
    with torch.no_grad():
        for new, old in zip(other.parameters(), net.parameters(), strict=True):
            new.copy_(old.view_as(new))
    return other


def draw_scene(digits: Tensor, rng: np.random.Generator) -> tuple[Tensor, list[tuple[int, int]]]:
    """*digits* ``(N, 1, 8, 8)`` on an image ``(48, 72)``, none nearer than three pixels to another; and their corners.

    >>> scene, corners = draw_scene(torch.ones(3, 1, 8, 8), np.random.default_rng(0))
    >>> int(scene.sum()), len(corners)
    (192, 3)
    """
    canvas, corners = torch.zeros(SCENE), list[tuple[int, int]]()
    while len(corners) < len(digits):
        row, column = (int(rng.integers(2, side - WINDOW - 1)) for side in SCENE)
        if all(max(abs(row - r), abs(column - c)) >= WINDOW + GAP for r, c in corners):
            canvas[row : row + WINDOW, column : column + WINDOW] = digits[len(corners), 0]
            corners.append((row, column))
    return canvas, corners


def dense_as_conv(seed: int, say: Say) -> Outcome:
    """The experiment; see ``EXPERIMENT``."""
    dense = _trained(seed, say)
    x, y = digits_tensors("test")
    conv, sliding = as_convolutions(dense), as_convolutions(dense, SCENE)
    scores = scores_of(dense, x)
    difference = float((scores - scores_of(conv, x)[:, :, 0, 0]).abs().max())
    accuracy = share_right(dense, x, y)
    say(f"{accuracy:.1%} of the single test digits are right; now {SCENES} scenes of {DIGITS}")
    rng = np.random.default_rng(seed)
    scenes = [_scene(x, y, sliding, rng) for _ in range(SCENES)]
    scene, labels, corners, probabilities = scenes[0]
    slid, alone, seconds = _both_ways(dense, sliding, scene)
    found, named, empty, false = np.sum([_counted(p, labels, corners) for _, labels, corners, p in scenes], axis=0)
    macs = check(DENSE).macs, check(f"input 1x{SCENE[0]}x{SCENE[1]}; {CONVOLUTIONAL}").macs
    windows = slid.shape[1] * slid.shape[2]
    parts = (
        ResultTable(
            "The same numbers",
            columns(" | compared:, | largest difference of a score:.1e | largest score:.1f"),
            (
                ("360 test digits: fully connected against convolution", len(y), difference, float(scores.abs().max())),
                (
                    "a scene: window by window against slid",
                    windows,
                    float((slid - alone).abs().max()),
                    float(slid.abs().max()),
                ),
            ),
        ),
        _heat(scene, labels, probabilities),
        ResultTable(
            f"A scene of {SCENE[0]}x{SCENE[1]} pixels, all {windows:,} windows",
            columns(" | MACs:, | seconds:.4f"),
            (
                ("window by window", windows * macs[0] if macs[0] else None, seconds[0]),
                ("slid as convolutions, in one pass", macs[1], seconds[1]),
            ),
            "Neighbouring windows share nearly all of their pixels. In one pass the two convolutions are computed "
            "once for all of them; what were the fully connected layers is computed at each window in either way.",
        ),
        ResultTable(
            f"{SCENES} scenes with {DIGITS} test digits each",
            columns(" | windows:, | share:.1%"),
            (
                ("windows on a digit: a digit is seen", int(found), found / (SCENES * DIGITS)),
                ("windows on a digit: the right one", int(named), named / (SCENES * DIGITS)),
                (f"windows off every digit by {FAR} pixels or more: a digit is seen", int(false), false / empty),
            ),
        ),
    )
    holds = difference < 1e-4 and float((slid - alone).abs().max()) < 1e-4
    result = (
        f"With the same weights both networks give the same scores (the largest difference is {difference:.6f}, "
        f"rounding of 32-bit numbers) and have {accuracy:.1%} of 360 test digits right. Slid over a scene, one pass "
        f"gives the scores of all {windows:,} windows, equal to computing each alone, in {seconds[1] * 1000:.1f} ms "
        f"instead of {seconds[0] * 1000:.1f}. In {SCENES} scenes it sees {found} of {SCENES * DIGITS} digits where "
        f"they are, and names {named} of them rightly."
    )
    data = {"dense": dense, "convolutional": sliding, "scene": scene.numpy(), "corners": corners, "labels": labels}
    return Outcome(result, holds, parts, {**data, "probabilities": probabilities.numpy(), "difference": difference})


def _trained(seed: int, say: Say) -> nn.Module:
    """The network with fully connected layers, which knows ten digits and windows that no digit is in the middle of."""
    x, y = digits_tensors("train")
    rng = np.random.default_rng(seed)
    canvas = torch.zeros(len(y), 1, 3 * WINDOW, 3 * WINDOW)
    canvas[:, :, WINDOW : 2 * WINDOW, WINDOW : 2 * WINDOW] = x
    near = torch.from_numpy(rng.integers(-NEAR, NEAR + 1, (len(y), 2)))
    far = torch.from_numpy(rng.integers(-WINDOW, WINDOW + 1, (4 * len(y), 2)))
    far = far[far.abs().amax(dim=1) >= FAR]
    other = torch.from_numpy(rng.integers(0, len(y), len(far)))
    inputs = torch.cat([x, _cut(canvas, near), _cut(canvas[other], far)])
    targets = torch.cat([y, y, torch.full((len(far),), NOTHING)])
    net = built(DENSE, seed)
    epochs = fit_tensors(net, inputs, targets, seed=seed, epochs=10, lr=3e-3)
    say(f"trained on {len(targets):,} windows, loss {epochs[-1].train_loss:.3f}")
    return net


def _cut(canvas: Tensor, offsets: Tensor) -> Tensor:
    """A window of each image of *canvas*, as far from its middle as *offsets* ``(N, 2)`` say, down and right."""
    windows = canvas.unfold(2, WINDOW, 1).unfold(3, WINDOW, 1)[:, 0]  # (N, rows, columns, 8, 8)
    return windows[torch.arange(len(canvas)), WINDOW + offsets[:, 0], WINDOW + offsets[:, 1]][:, None]


Scene = tuple[Tensor, list[int], list[tuple[int, int]], Tensor]


def _scene(x: Tensor, y: Tensor, sliding: nn.Module, rng: np.random.Generator) -> Scene:
    """A scene of test digits: its pixels, labels, corners, and the probabilities ``(11, rows, columns)`` of windows."""
    chosen = torch.from_numpy(rng.permutation(len(y))[:DIGITS])
    pixels, corners = draw_scene(x[chosen], rng)
    return pixels, y[chosen].tolist(), corners, scores_of(sliding, pixels[None, None])[0].softmax(dim=0)


def _counted(probabilities: Tensor, labels: list[int], corners: list[tuple[int, int]]) -> tuple[int, int, int, int]:
    """Windows on digits at which one is seen, and the right one; windows off all digits, and those with one seen."""
    answers = probabilities.argmax(dim=0)
    at = [int(answers[corner]) for corner in corners]
    off = torch.ones_like(answers, dtype=torch.bool)
    for row, column in corners:
        off[max(0, row - FAR + 1) : row + FAR, max(0, column - FAR + 1) : column + FAR] = False
    seen = sum(a != NOTHING for a in at), sum(a == label for a, label in zip(at, labels, strict=True))
    return *seen, int(off.sum()), int((answers[off] != NOTHING).sum())


def _both_ways(dense: nn.Module, sliding: nn.Module, scene: Tensor) -> tuple[Tensor, Tensor, tuple[float, float]]:
    """The scores ``(11, rows, columns)`` of a scene in one pass and window by window, and the seconds of the latter,
    then of the former; each the best of three.
    """
    windows = scene.unfold(0, WINDOW, 1).unfold(1, WINDOW, 1)
    rows, columns = windows.shape[:2]
    inputs = windows.reshape(-1, 1, WINDOW, WINDOW)
    seconds = [float("inf"), float("inf")]
    for _ in range(3):
        begun = perf_counter()
        alone = scores_of(dense, inputs)
        middle = perf_counter()
        slid = scores_of(sliding, scene[None, None])[0]
        seconds = [min(seconds[0], middle - begun), min(seconds[1], perf_counter() - middle)]
    return slid, alone.T.reshape(-1, rows, columns), (seconds[0], seconds[1])


def _heat(scene: Tensor, labels: list[int], probabilities: Tensor) -> Gallery:
    """The scene with what was found, where a digit is, and where the first one's class is."""
    there = 1 - probabilities[NOTHING]
    smooth = functional.avg_pool2d(there[None], 2 * NEAR + 1, 1, NEAR)[0]
    peaks = (functional.max_pool2d(smooth[None], WINDOW - 1, 1, WINDOW // 2 - 1)[0] == smooth) & (smooth > 0.5)
    boxes = [(float(r), float(c), float(WINDOW), float(WINDOW)) for r, c in torch.nonzero(peaks).tolist()]
    named = ", ".join(str(int(probabilities[:NOTHING, int(r), int(c)].argmax())) for r, c, _, _ in boxes)
    scale, label = ColourScale(1.0, False), labels[0]
    return Gallery(
        "Where the digits are",
        (
            Panel(
                ink_image(scene),
                "the scene",
                f"boxes: the peaks of the map beside; read as {named}",
                marks=tuple(boxes),
                side=360,
                frame=True,
            ),
            Panel(
                scale.colours(_centred(there)),
                "probability of a digit",
                "at the middle of its window",
                side=360,
                frame=True,
            ),
            Panel(
                scale.colours(_centred(probabilities[label])),
                f"probability of a {label}",
                "the same pass, one of 11 maps",
                side=360,
                frame=True,
            ),
        ),
        "Nobody told the network where to look: the map of each class is one feature map of the last convolution.",
        scale=scale,
    )


def _centred(values: Tensor) -> np.ndarray:
    """A map of windows laid on the scene, each value at the middle of its window."""
    half = WINDOW // 2
    return functional.pad(values, (half, WINDOW - 1 - half) * 2).numpy()


EXPERIMENT = Experiment(
    "dense-as-conv",
    "A fully connected layer is a convolution",
    "Every fully connected layer can be written as a convolution with the same weights, whose kernel is as large as "
    "its input; the network can then be slid over a larger image in a single pass.",
    "CS231n, Convolutional Neural Networks, on converting FC layers to CONV layers; Sermanet et al. 2013, OverFeat",
    "A network of two convolutions and two fully connected layers learns windows of 8x8 pixels: the ten digits, and "
    "an eleventh class for windows with no digit in the middle. Its fully connected layers are then written as "
    f"convolutions, the numbers of their weights unchanged, and the network is given scenes of {SCENE[0]}x{SCENE[1]} "
    f"pixels with {DIGITS} test digits.",
    dense_as_conv,
)
