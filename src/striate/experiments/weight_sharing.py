"""``weight-sharing``: the gradient of a kernel is the sum of the gradients at all its places."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.experiments.drawn import ink_image, kernel_mosaic
from striate.experiments.fitting import built, digits_tensors, fit_tensors, share_right
from striate.experiments.outcome import Experiment, Gallery, Outcome, ResultTable, Say, columns
from striate.plotting import ColourScale, Panel, value_panel
from striate.report.lines import ChartLine, LineChart

ONE = "input 1x8x8; conv 1 3; tanh; flatten; linear 10"  # one kernel, whose every place is shown
NET = "input 1x14x14; conv 24 5; relu; adaptivemaxpool 1; flatten; linear 10"  # trained on digits anywhere in an image
ITEMS = (80, 160, 320, 640, 1280)  # of training, eight to 128 of each digit
DIGIT, CANVAS = 8, 14  # pixels along a side
ALEXNET = (55, 96, 11, 3)  # its first layer: places along a side, kernels, their side, channels


class LocallyConnected(nn.Module):
    """A convolution whose places have kernels of their own: ``(N, C, H, W)`` to ``(N, K, H', W')``, without padding.

    ``weight`` is ``(K, C * k * k, places)`` and ``bias`` ``(K, places)``; at first all places have those of *conv*.

    >>> layer = LocallyConnected(nn.Conv2d(1, 2, 3), (8, 8))
    >>> layer(torch.zeros(4, 1, 8, 8)).shape, layer.weight.shape
    (torch.Size([4, 2, 6, 6]), torch.Size([2, 9, 36]))
    """

    def __init__(self, conv: nn.Conv2d, size: tuple[int, int]) -> None:
        super().__init__()
        assert conv.bias is not None
        self.kernel = (conv.kernel_size[0], conv.kernel_size[1])
        self.size = (size[0] - self.kernel[0] + 1, size[1] - self.kernel[1] + 1)
        places = self.size[0] * self.size[1]
        self.weight = nn.Parameter(conv.weight.detach().flatten(1)[:, :, None].repeat(1, 1, places))
        self.bias = nn.Parameter(conv.bias.detach()[:, None].repeat(1, places))

    def forward(self, x: Tensor) -> Tensor:
        windows = functional.unfold(x, self.kernel)  # (N, C * k * k, places)
        y = torch.einsum("ncp,kcp->nkp", windows, self.weight) + self.bias
        return y.reshape(len(x), -1, *self.size)


def unshared(net: nn.Module, size: tuple[int, int]) -> nn.Module:
    """A copy of *net* in which the convolution ``conv1`` has a kernel at each place, all of them its own kernel.

    >>> net = built(ONE)
    >>> type(unshared(net, (8, 8)).conv1).__name__
    'LocallyConnected'
    """
    other = copy.deepcopy(net)
    conv = other.get_submodule("conv1")
    assert isinstance(conv, nn.Conv2d)
    other._modules["conv1"] = LocallyConnected(conv, size)
    return other


def kernel_gradients(net: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of the cross-entropy of *net*, which has one kernel ``conv1``: that of the kernel ``(k, k)``, and
    those of each place's ``(H', W', k, k)`` when the places have a kernel each.
    """
    other = unshared(net, (x.shape[2], x.shape[3]))
    found = []
    for module in (net, other):
        weight = _weight(module)
        (gradient,) = torch.autograd.grad(functional.cross_entropy(module(x), y), weight)
        found.append(gradient)
    return found[0][0, 0], _by_place(found[1])


def weight_sharing(seed: int, say: Say) -> Outcome:
    """The experiment; see ``EXPERIMENT``."""
    x, y = (part.double() if part.is_floating_point() else part for part in digits_tensors("train"))
    seven = int(torch.nonzero(y == 7)[seed % int((y == 7).sum())])
    x, y = x[seven : seven + 1], y[seven : seven + 1]
    shared, own = kernel_gradients(built(ONE, seed).double(), x, y)
    total = own.sum(dim=(0, 1))
    difference = float((shared - total).abs().max())
    accuracy, conv, local = _trained(seed, say)
    side, kernels, k, channels = ALEXNET
    one = kernels * (k * k * channels + 1)
    places = (CANVAS - 4) ** 2
    few, many = (sum(p.numel() for p in net.get_submodule("conv1").parameters()) for net in (conv, local))
    parts = (
        _number_for_number(shared, total),
        _where_from(x[0, 0], own, shared),
        ResultTable(
            "What sharing saves",
            columns("layer | places:, | parameters, shared:, | parameters, a kernel for each place:,"),
            (
                ("conv 24 5 on images of 1x14x14", places, few, many),
                ("conv 96 11 of AlexNet on 3x227x227", side * side, one, side * side * one),
            ),
        ),
        _curves(accuracy),
        _after_training(conv, local),
    )
    result = (
        f"The gradient of the shared kernel is the sum of the gradients at its {own.shape[0] * own.shape[1]} places: "
        f"the largest difference is {difference:.16f}. Sharing takes {few} parameters instead of {many:,} here, and "
        f"{one:,} instead of {side * side * one:,} in the first layer of AlexNet. Of digits anywhere in an image the "
        f"convolution has {accuracy[0, 0]:.1%} right after {ITEMS[0]} training items and {accuracy[-1, 0]:.1%} after "
        f"{ITEMS[-1]:,}; with a kernel for each place it is {accuracy[0, 1]:.1%} and {accuracy[-1, 1]:.1%}."
    )
    data = {"difference": difference, "gradient": shared.numpy(), "gradients": own.numpy(), "items": np.array(ITEMS)}
    networks = {"accuracy": accuracy, "conv": conv, "local": local}
    return Outcome(
        result,
        difference < 1e-12 and many == places * few and accuracy[-1, 0] > accuracy[-1, 1],
        parts,
        data | networks,
    )


def _weight(net: nn.Module) -> Tensor:
    """Of the first layer; ``(K, C, k, k)`` or ``(K, C * k * k, places)``."""
    return dict(net.get_submodule("conv1").named_parameters())["weight"]


def _by_place(weight: Tensor) -> Tensor:
    """The first kernel at each place, ``(H', W', k, k)``, from ``(K, k * k, places)``."""
    k, side = (round(n**0.5) for n in weight.shape[1:])
    return weight[0].T.reshape(side, side, k, k)


def _trained(seed: int, say: Say) -> tuple[np.ndarray, nn.Module, nn.Module]:
    """Test accuracy ``(numbers of items, 2)`` of the convolution and of the locally connected layer; both networks."""
    rng = np.random.default_rng(seed)
    (x, y), (test_x, test_y) = ((_anywhere(x, rng), y) for x, y in map(digits_tensors, ("train", "test")))
    order = torch.from_numpy(rng.permutation(len(y)))
    found = np.zeros((len(ITEMS), 2))
    for i, n in enumerate(ITEMS):
        conv = built(NET, seed)
        local = unshared(conv, (CANVAS, CANVAS))
        for j, net in enumerate((conv, local)):
            epochs = max(15, 16_000 // n)
            fit_tensors(net, x[order[:n]], y[order[:n]], seed=seed, epochs=epochs, lr=5e-3, batch_size=32)
            found[i, j] = share_right(net, test_x, test_y)
        say(f"{n:,} training items: convolution {found[i, 0]:.1%}, a kernel for each place {found[i, 1]:.1%}")
    return found, conv, local


def _anywhere(digits: Tensor, rng: np.random.Generator) -> Tensor:
    """Each digit ``(1, 8, 8)`` somewhere on an empty image ``(1, 14, 14)``."""
    canvas = torch.zeros(len(digits), 1, CANVAS, CANVAS)
    corners = rng.integers(0, CANVAS - DIGIT + 1, (len(digits), 2))
    for image, digit, (row, column) in zip(canvas, digits, corners, strict=True):
        image[:, row : row + DIGIT, column : column + DIGIT] = digit
    return canvas


def _number_for_number(shared: Tensor, total: Tensor) -> ResultTable:
    rows = tuple(
        (f"row {r + 1}, column {c + 1}", float(shared[r, c]), float(total[r, c]), float((shared - total)[r, c]))
        for r in range(3)
        for c in range(3)
    )
    return ResultTable(
        "The gradient of each weight, number for number",
        columns("weight | of the shared kernel:.9f | sum over 36 places:.9f | difference:.1e"),
        rows,
        "Computed twice: by backpropagation through the convolution; and through 36 kernels of one place each, whose "
        "gradients are then added up. What differs is rounding in the last digit of 64-bit numbers.",
    )


def _where_from(digit: Tensor, own: Tensor, shared: Tensor) -> Gallery:
    places = kernel_mosaic(own.numpy(), ColourScale.of(own.numpy()))
    return Gallery(
        "Where the gradient comes from",
        (
            Panel(ink_image(digit), "the digit", "8x8 pixels", side=192, frame=True),
            Panel(places, "the gradient at each place", "6x6 places, each with 3x3 weights", side=276),
            value_panel(shared.numpy(), title="their sum", note="the one gradient that updates the kernel", side=192),
        ),
        "Red: more of this weight raises the loss; blue: it lowers the loss. A place where there is no ink has no "
        "gradient. Where strokes run alike the places agree, and the one kernel learns from all of them.",
    )


def _curves(accuracy: np.ndarray) -> LineChart:
    names = ("convolution: one kernel for all places", "a kernel for each place")
    return LineChart(
        "Accuracy on 360 test digits, each anywhere in an image of 14x14 pixels",
        "training items",
        tuple(
            ChartLine(name, tuple(zip(map(float, ITEMS), accuracy[:, j].tolist(), strict=True)))
            for j, name in enumerate(names)
        ),
        "The same initial weights, the same items in the same order: the networks differ in nothing but whether the "
        "places of the first layer share their kernel. What one place learns of a stroke is of use at all others; "
        "without sharing each has to see it for itself.",
        y=".0%",
        log=True,
    )


def _after_training(conv: nn.Module, local: nn.Module) -> Gallery:
    learned, kernel = _by_place(_weight(local).detach()).numpy(), _weight(conv).detach()[0, 0].numpy()
    scale = ColourScale.of(learned, kernel)
    return Gallery(
        "The first of 24 kernels after training",
        (
            Panel(kernel_mosaic(learned, scale), "a kernel for each place", "10x10 places", side=354),
            value_panel(kernel, scale, title="the shared kernel", note="the same at every place", side=192),
        ),
        "All began alike. Without sharing, each place has learned from the strokes that pass it alone, and has come to "
        "a kernel of its own.",
        scale=scale,
    )


EXPERIMENT = Experiment(
    "weight-sharing",
    "Weight sharing: one kernel learns from every place",
    "All places of a feature map share one kernel: in backpropagation each place computes a gradient, the gradients "
    "are added up, and one set of weights is updated. This takes far fewer parameters than a kernel for each place.",
    "CS231n, Convolutional Neural Networks, on parameter sharing",
    "A small network with one 3x3 kernel looks at one real digit of 8x8 pixels, and PyTorch computes the gradient of "
    "the loss. Then the same network is built with 36 kernels, one for each place, all with the same weights: its "
    "output is the same, and each kernel gets a gradient of its own. The 36 gradients are added up and compared with "
    "the first. After that both kinds of network are trained on 80 to 1,280 digits, each somewhere in an image of "
    "14x14.",
    weight_sharing,
)
