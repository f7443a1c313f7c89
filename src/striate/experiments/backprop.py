"""``backprop``: one update of a network with every number shown, and the size of the gradients from layer to layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from striate.errors import counted
from striate.experiments.drawn import SMALL_PICTURES, ink_image, small_picture, varied
from striate.experiments.fitting import built, digits_tensors
from striate.experiments.outcome import Cell, Experiment, Gallery, Outcome, ResultTable, Say, columns
from striate.plotting import ColourScale, Panel, value_panel
from striate.report.lines import ChartLine, LineChart

CLASSES = tuple(SMALL_PICTURES)  # dog, cat, boat, bird
TARGET = np.array([0.0, 0.0, 1.0, 0.0])  # the boat
KERNELS = 2
Arrays = dict[str, np.ndarray]


# ------------------------------------------------------------------------ by hand: numpy alone, one image, steps 1 to 4
def initial_weights(seed: int) -> Arrays:
    """Step 1: all weights random: two kernels 3x3, and four classes x 18 inputs; biases 0.

    Kernels are drawn again until each of them finds something in the boat: behind a ReLU that is 0 everywhere, all
    gradients are 0, and there is nothing to see.

    >>> {name: value.shape for name, value in initial_weights(0).items()}
    {'kernel': (2, 3, 3), 'kernel_bias': (2,), 'weight': (4, 18), 'bias': (4,)}
    """
    rng = np.random.default_rng(seed)
    windows = np.lib.stride_tricks.sliding_window_view(small_picture("boat"), (3, 3))
    while True:
        kernel = rng.normal(0, 0.5, (KERNELS, 3, 3)).round(2)
        share = [((windows * k).sum((2, 3)) > 0).mean() for k in kernel]
        if min(share) > 0.25 and max(share) < 0.75:
            break
    return {
        "kernel": kernel,
        "kernel_bias": np.zeros(KERNELS),
        "weight": rng.normal(0, 0.3, (len(CLASSES), 9 * KERNELS)).round(2),
        "bias": np.zeros(len(CLASSES)),
    }


def forward_by_hand(image: np.ndarray, weights: Mapping[str, np.ndarray]) -> Arrays:
    """Step 2: what every layer makes of *image* ``(8, 8)``: convolution, ReLU, 2x2 max pooling, scores, softmax.

    >>> found = forward_by_hand(small_picture("boat"), initial_weights(0))
    >>> found["conv"].shape, found["pool"].shape, float(found["probability"].sum().round(9))
    ((2, 6, 6), (2, 3, 3), 1.0)
    """
    windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3))
    conv = np.stack(
        [(windows * k).sum((2, 3)) + b for k, b in zip(weights["kernel"], weights["kernel_bias"], strict=True)]
    )
    relu = np.maximum(conv, 0)
    pool = relu.reshape(KERNELS, 3, 2, 3, 2).max((2, 4))
    score = weights["weight"] @ pool.ravel() + weights["bias"]
    e = np.exp(score - score.max())
    return {"image": image, "conv": conv, "relu": relu, "pool": pool, "score": score, "probability": e / e.sum()}


def total_error(probability: np.ndarray, target: np.ndarray = TARGET) -> float:
    """Step 3: the sum over the classes of 1/2 (target - output)^2.

    >>> total_error(np.array([0.2, 0.4, 0.1, 0.3]))
    0.55
    """
    return float(round(float((0.5 * (target - probability) ** 2).sum()), 15))


def backward_by_hand(found: Arrays, weights: Mapping[str, np.ndarray], target: np.ndarray = TARGET) -> Arrays:
    """Step 4: how the total error changes with every number of *found* and every weight, from the last layer back.

    >>> weights = initial_weights(0)
    >>> gradients = backward_by_hand(forward_by_hand(small_picture("boat"), weights), weights)
    >>> gradients["kernel"].shape, gradients["weight"].shape
    ((2, 3, 3), (4, 18))
    """
    p = found["probability"]
    by_p = p - target  # of 1/2 (target - p)^2
    by_score = p * (by_p - (by_p * p).sum())  # softmax: each score moves all four probabilities
    by_pool = (weights["weight"].T @ by_score).reshape(found["pool"].shape)
    # pooling hands the gradient to the place where the maximum was (the first, where several are equal); ReLU lets it
    # through where it let the number through
    cells = found["relu"].reshape(KERNELS, 3, 2, 3, 2).transpose(0, 1, 3, 2, 4).reshape(KERNELS, 3, 3, 4)
    first = np.eye(4)[cells.argmax(-1)] * by_pool[..., None]
    by_relu = first.reshape(KERNELS, 3, 3, 2, 2).transpose(0, 1, 3, 2, 4).reshape(found["relu"].shape)
    by_conv = by_relu * (found["conv"] > 0)
    # a kernel's weight is used at every place: its gradient is the sum over the places
    windows = np.lib.stride_tricks.sliding_window_view(found["image"], (3, 3))
    return {
        "probability": by_p,
        "score": by_score,
        "pool": by_pool,
        "relu": by_relu,
        "conv": by_conv,
        "kernel": np.stack([(windows * gradient[..., None, None]).sum((0, 1)) for gradient in by_conv]),
        "kernel_bias": by_conv.sum((1, 2)),
        "weight": np.outer(by_score, found["pool"].ravel()),
        "bias": by_score,
    }


def updated_weights(weights: Mapping[str, np.ndarray], gradients: Mapping[str, np.ndarray], rate: float) -> Arrays:
    """Gradient descent: every weight minus *rate* times its gradient.

    >>> updated_weights({"bias": np.array([1.0])}, {"bias": np.array([0.5])}, 0.1)["bias"].tolist()
    [0.95]
    """
    return {name: value - rate * gradients[name] for name, value in weights.items()}


def autograd_gradients(image: np.ndarray, weights: Mapping[str, np.ndarray], target: np.ndarray = TARGET) -> Arrays:
    """The same gradients of the weights by PyTorch's autograd, which shares no code with the above.

    >>> sorted(autograd_gradients(small_picture("boat"), initial_weights(0)))
    ['bias', 'kernel', 'kernel_bias', 'weight']
    """
    w = {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in weights.items()}
    x = torch.from_numpy(image)[None, None]
    pooled = F.max_pool2d(F.conv2d(x, w["kernel"][:, None], w["kernel_bias"]).relu(), 2)
    p = F.linear(pooled.flatten(1), w["weight"], w["bias"]).softmax(1)[0]
    torch.autograd.backward((0.5 * (torch.from_numpy(target) - p) ** 2).sum())
    return {name: value.grad.numpy() for name, value in w.items() if value.grad is not None}


@dataclass(frozen=True, eq=False)
class OneUpdate:
    """Steps 1 to 4 on the boat: the weights and all that follows from them, before and after one update."""

    weights: Arrays
    before: Arrays
    gradients: Arrays
    autograd: Arrays
    rate: float
    after: Arrays

    @property
    def disagreement(self) -> float:
        """The largest difference between a gradient by hand and by autograd."""
        return max(float(np.abs(self.gradients[name] - self.autograd[name]).max()) for name in self.autograd)

    @property
    def errors(self) -> tuple[float, float]:
        """The total error before and after."""
        return total_error(self.before["probability"]), total_error(self.after["probability"])


def one_update(seed: int = 0, rate: float = 0.1) -> OneUpdate:
    """Steps 1 to 4 for the boat, once.

    >>> one_update().disagreement < 1e-12
    True
    """
    image, weights = small_picture("boat"), initial_weights(seed)
    before = forward_by_hand(image, weights)
    gradients = backward_by_hand(before, weights)
    after = forward_by_hand(image, updated_weights(weights, gradients, rate))
    return OneUpdate(weights, before, gradients, autograd_gradients(image, weights), rate, after)


def updates_until(wanted: float, seed: int = 0, rate: float = 0.1, most: int = 100_000) -> int:
    """How many updates on the boat alone it takes until its probability is *wanted*; *most* + 1 if more.

    >>> updates_until(0.0)
    0
    """
    image, weights = small_picture("boat"), initial_weights(seed)
    for n in range(most + 1):
        found = forward_by_hand(image, weights)
        if found["probability"][2] >= wanted:
            return n
        weights = updated_weights(weights, backward_by_hand(found, weights), rate)
    return most + 1


# ------------------------------------------------------------------------------------------- step 5: all the images
def many_pictures(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """*n* varied pictures ``(n, 8, 8)``, the four classes in turns, and their classes ``(n,)``.

    >>> many_pictures(8, 0)[1].tolist()
    [0, 1, 2, 3, 0, 1, 2, 3]
    """
    rng = np.random.default_rng(seed)
    each = [varied(small_picture(name), -(-n // 4), rng) for name in CLASSES]
    return np.stack(each, 1).reshape(-1, 8, 8)[:n], np.arange(n) % 4


def step_five(seed: int = 0, rate: float = 0.1, epochs: int = 30, n: int = 200) -> list[tuple[float, float]]:
    """Step 5: steps 2 to 4 for every picture of a training set, again and again: of each epoch (0: before the first)
    the mean total error and the accuracy on pictures that were not trained on.

    >>> len(step_five(epochs=1, n=8))
    2
    """
    weights = initial_weights(seed)
    (x, y), (x_test, y_test) = many_pictures(n, 2 * seed + 1), many_pictures(n, 2 * seed + 2)
    targets, rng = np.eye(len(CLASSES)), np.random.default_rng(seed)
    course = []
    for epoch in range(epochs + 1):
        answers = np.stack([forward_by_hand(image, weights)["probability"] for image in x_test])
        error = float((0.5 * (targets[y_test] - answers) ** 2).sum(1).mean())
        course.append((error, float((answers.argmax(1) == y_test).mean())))
        for i in rng.permutation(n) if epoch < epochs else ():
            found = forward_by_hand(x[i], weights)
            weights = updated_weights(weights, backward_by_hand(found, weights, targets[y[i]]), rate)
    return course


# --------------------------------------------------------------------------------- the size of the gradients by layer
DEPTH, WIDTH = 12, 12
ACTIVATIONS = ("sigmoid", "tanh", "relu")


@dataclass(frozen=True)
class GradientSizes:
    """Of a deep network: the RMS of the gradient of the loss by the weights of each convolution, from the first (next
    to the input) to the last, before training; and the accuracy on the training images after some steps.
    """

    activation: str
    normalised: bool
    sizes: tuple[float, ...]
    accuracy: float

    @property
    def name(self) -> str:
        return f"{self.activation}{', batch norm' * self.normalised}"

    @property
    def ratio(self) -> float:
        """The first layer's gradient over the last one's: far below 1 where it vanishes towards the input."""
        return self.sizes[0] / self.sizes[-1]


def deep_network(activation: str, normalised: bool, seed: int) -> nn.Module:
    """A plain stack of ``DEPTH`` convolutions 3x3 for 1x8x8 images, with the initial weights that suit *activation*.

    >>> sum(isinstance(part, nn.Conv2d) for part in deep_network("tanh", True, 0).modules())
    12
    """
    layer = f"conv {WIDTH} 3 padding=1; {'batchnorm; ' * normalised}{activation}; "
    return built(f"input 1x8x8; {layer * DEPTH}flatten; linear 10", seed)


def gradient_sizes(activation: str, normalised: bool, seed: int = 0, steps: int = 120) -> GradientSizes:
    """The gradients' sizes in :func:`deep_network` on 256 handwritten digits, and what *steps* of SGD make of it.

    >>> found = gradient_sizes("sigmoid", False, steps=0)
    >>> len(found.sizes), found.ratio < 1e-3
    (12, True)
    """
    x, y = digits_tensors("train")
    x = (x - x.mean()) / x.std()
    module = deep_network(activation, normalised, seed)
    convs = [part for part in module.modules() if isinstance(part, nn.Conv2d)]
    torch.autograd.backward(F.cross_entropy(module(x[:256]), y[:256]))
    sizes = tuple(float(conv.weight.grad.square().mean().sqrt()) for conv in convs if conv.weight.grad is not None)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        some = torch.randint(len(x), (64,), generator=generator)
        optimizer.zero_grad()
        torch.autograd.backward(F.cross_entropy(module(x[some]), y[some]))
        optimizer.step()
    module.eval()
    with torch.no_grad():
        accuracy = float((module(x).argmax(1) == y).float().mean())
    return GradientSizes(activation, normalised, sizes, accuracy)


# ------------------------------------------------------------------------------------------------- the experiment
RATE = 0.1
WANTED = 0.7  # the boat's probability after the update in the tutorial


def backprop(seed: int, say: Say) -> Outcome:
    """The experiment: steps 1 to 5 for the boat, then the size of the gradients in deep networks."""
    update = one_update(seed, RATE)
    needed = updates_until(WANTED, seed, RATE)
    course = step_five(seed, RATE)
    say("steps 1 to 5 done; gradients in deep networks")
    deep = [gradient_sizes(activation, normed, seed) for activation in ACTIVATIONS for normed in (False, True)]
    by_hand = update.disagreement < 1e-9 and update.errors[1] < update.errors[0]
    ratio = {found.name: found.ratio for found in deep}
    vanishes = ratio["sigmoid"] < 1e-2 and all(r > 0.1 for name, r in ratio.items() if name != "sigmoid")
    (before, after), p = update.errors, [update.before["probability"][2], update.after["probability"][2]]
    result = (
        f"All {sum(v.size for v in update.weights.values())} gradients computed by hand equal PyTorch's to within "
        f"{update.disagreement:.0e}. One update takes the total error from {before:.4f} to {after:.4f} and the boat "
        f"from {p[0]:.3f} to {p[1]:.3f}; to bring it to {WANTED:g}, as tutorials draw it after one update, takes "
        f"{counted(needed, 'update')} at a learning rate of {RATE:g}. After step 5 the network has "
        f"{course[-1][1]:.0%} of new pictures right. In {DEPTH} layers of sigmoids the gradient of the first layer "
        f"is {ratio['sigmoid']:.0e} times that of the last; with ReLU it is {ratio['relu']:.2g} times, with sigmoids "
        f"and batch normalisation {ratio['sigmoid, batch norm']:.2g} times."
    )
    parts = (*_steps_shown(update, needed), *_course_shown(course), *_deep_shown(deep))
    data = {"update": update, "course": np.array(course), "gradients": deep}
    return Outcome(result, by_hand and vanishes, parts, data)


def _numbers(values: np.ndarray, title: str, note: str = "", side: int = 0) -> Panel:
    """*values* in red and blue, each panel on its own scale, with the numbers written in."""
    scale = ColourScale(float(np.nanmax(np.abs(values))), True)
    return value_panel(values, scale, title=title, note=note, side=side or 36 * max(values.shape))


def _both(row: np.ndarray) -> np.ndarray:
    """The 18 weights of a class as the two maps that they belong to, side by side."""
    first, second = row.reshape(KERNELS, 3, 3)
    return np.concatenate([first, np.full((3, 1), np.nan), second], 1)


def _steps_shown(update: OneUpdate, needed: int) -> tuple[ResultTable | Gallery, ...]:
    weights, p = update.weights, update.before["probability"]
    return (
        Gallery(
            "Step 1: all weights begin random",
            (
                *(_numbers(k, f"kernel {i + 1}", side=120) for i, k in enumerate(weights["kernel"])),
                *_of_classes(weights, "weights of {}", "for map 1 and map 2"),
            ),
            "Two kernels of 3x3, and for each class a weight for each of the 2 x 3x3 numbers that come in; the "
            "biases are 0.",
        ),
        Gallery(
            "Step 2: the boat goes through the network",
            (
                value_panel(update.before["image"], title="the boat", note="8x8 pixels", side=288),
                *_of_maps(update.before, {"conv": "convolution", "relu": "ReLU", "pool": "2x2 max pooling"}),
            ),
            "Each convolution is 6x6 sums of nine products; ReLU makes 0 of what is negative; pooling keeps the "
            "largest of each 2x2. The 18 numbers of pooling, times the weights of each class, are its score in the "
            "table below.",
        ),
        _error_shown(update),
        Gallery(
            "Step 4: backwards through the network",
            (
                *_of_maps(update.gradients, {"pool": "gradient by pooling", "conv": "gradient by convolution"}),
                *(
                    _numbers(k, f"gradient by kernel {i + 1}", "the sum over its 36 places", 120)
                    for i, k in enumerate(update.gradients["kernel"])
                ),
                *_of_classes(update.gradients, "gradient by the weights of {}"),
            ),
            "Each layer hands its gradients to the one before. Pooling hands each to the place where the maximum was, "
            "ReLU stops those where it made a 0. Red: the error rises with the number; blue: it falls.",
        ),
        _number_for_number(update),
        ResultTable(
            "The same boat again",
            columns("class | target:g | output before:.4f | after one update:.4f"),
            tuple(
                (name, TARGET[i], float(p[i]), float(update.after["probability"][i])) for i, name in enumerate(CLASSES)
            ),
            f"Nearer to the target, by a little: {needed} such updates bring the boat to {WANTED:g}.",
        ),
    )


def _of_maps(arrays: Arrays, layers: Mapping[str, str]) -> list[Panel]:
    """The maps of some layers, which have these titles."""
    return [_numbers(arrays[layer][k], f"{title} {k + 1}") for layer, title in layers.items() for k in range(KERNELS)]


def _of_classes(arrays: Arrays, title: str, note: str = "") -> list[Panel]:
    rows = zip(CLASSES, arrays["weight"], strict=True)
    return [_numbers(_both(row), title.format(name), note, 250) for name, row in rows]


def _error_shown(update: OneUpdate) -> ResultTable:
    p, gradients = update.before["probability"], update.gradients
    errors = 0.5 * (TARGET - p) ** 2
    numbers = (update.before["score"], p, TARGET, errors, gradients["probability"], gradients["score"])
    rows: list[tuple[Cell, ...]] = [(name, *(float(of[i]) for of in numbers)) for i, name in enumerate(CLASSES)]
    rows.append(("sum", None, float(p.sum()), TARGET.sum(), update.errors[0], None, None))
    return ResultTable(
        "Step 3: the total error",
        columns(
            "class | score:.4f | output:.4f | target:g | \u00bd (target \u2212 output)\u00b2:.4f | "
            "gradient by the output:.4f | gradient by the score:.4f"
        ),
        tuple(rows),
        "The outputs are the softmax of the scores. The target vector has a 1 at the boat. A gradient is how "
        "much the total error rises for each unit that a number rises: that of an output is output \u2212 "
        "target; that of a score is output x (its gradient \u2212 the sum of gradient x output), since every "
        "score moves all four outputs.",
    )


def _number_for_number(update: OneUpdate) -> ResultTable:
    each: list[tuple[str, str, tuple[int, ...]]] = [
        (f"kernel {k + 1} ({r + 1}, {c + 1})", "kernel", (k, r, c)) for k, r, c in np.ndindex(KERNELS, 3, 3)
    ]
    each += [(f"bias of kernel {k + 1}", "kernel_bias", (k,)) for k in range(KERNELS)]
    each += [(f"bias of {name}", "bias", (i,)) for i, name in enumerate(CLASSES)]
    after = updated_weights(update.weights, update.gradients, update.rate)
    sources = (update.weights, update.gradients, update.autograd, after)
    return ResultTable(
        "Step 4, number for number",
        columns("weight (row, column) | before:.4f | gradient by hand:.8f | gradient by PyTorch:.8f | after:.4f"),
        tuple((label, *(float(source[name][at]) for source in sources)) for label, name, at in each),
        f"After is before \u2212 {update.rate:g} x gradient. The 72 weights of the classes, drawn above, are "
        f"updated alike, and compared too: the largest difference of all is {update.disagreement:.0e}.",
    )


def _course_shown(course: list[tuple[float, float]]) -> tuple[ResultTable | LineChart | Gallery, ...]:
    rng = np.random.default_rng(0)
    shown = [
        Panel(ink_image(torch.from_numpy(image)), name if i == 0 else "varied", side=80)
        for name in CLASSES
        for i, image in enumerate((small_picture(name), *varied(small_picture(name), 3, rng)))
    ]
    return (
        Gallery(
            "Step 5: all the pictures",
            tuple(shown),
            "Steps 2 to 4 for 200 pictures, 30 times over: the four, moved, lighter or darker, with noise.",
        ),
        LineChart(
            "Step 5: on 200 pictures that it was not trained on",
            "epochs",
            (
                ChartLine("accuracy", tuple((float(i), accuracy) for i, (_, accuracy) in enumerate(course))),
                ChartLine("mean total error", tuple((float(i), error) for i, (error, _) in enumerate(course))),
            ),
            y=".1f",
        ),
    )


def _deep_shown(deep: list[GradientSizes]) -> tuple[ResultTable | LineChart, ...]:
    return (
        LineChart(
            f"The size of the gradients in {DEPTH} layers",
            "layer, from the input on",
            tuple(ChartLine(found.name, tuple((float(i), v) for i, v in enumerate(found.sizes, 1))) for found in deep),
            "The root mean square of the gradient by the weights of each convolution before training, for 256 "
            "digits; each line on the scale is ten or a hundred times the one below. Each layer of sigmoids hands on "
            "less than a quarter.",
            y=".0e",
            ratios=True,
        ),
        ResultTable(
            "Does it vanish towards the input?",
            columns("activation | first layer:.1e | last layer:.1e | first / last:.2g | accuracy after 120 steps:.1%"),
            tuple((found.name, found.sizes[0], found.sizes[-1], found.ratio, found.accuracy) for found in deep),
            "Accuracy on the training digits after 120 steps of plain SGD with momentum, the same learning rate for "
            "all.",
        ),
    )


EXPERIMENT = Experiment(
    "backprop",
    "Backpropagation: one update with every number, and the vanishing gradient",
    "Backpropagation computes how the total error changes with each weight; the weights are moved against that, and "
    "the same image then gives an output nearer to its target. In a deep network of sigmoids the gradient vanishes "
    "towards the input; ReLU and batch normalisation keep it.",
    "Karn 2016, An Intuitive Explanation of Convolutional Neural Networks, steps 1 to 5; Hochreiter 1991",
    "A small drawn boat goes through a network of two kernels and four classes (dog, cat, boat, bird; target 0, 0, "
    "1, 0). Every number of the forward pass, of the backward pass and of the update is computed by hand and "
    "compared with PyTorch's autograd. Step 5 repeats this for 200 pictures. Then stacks of 12 convolutions are "
    "built with three activations, with and without batch normalisation, and the gradients of their layers are "
    "measured on real digits.",
    backprop,
)
