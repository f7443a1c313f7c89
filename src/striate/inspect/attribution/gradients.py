"""Attribution by the gradient of the score: itself, times the input, along a path, and averaged over noise."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from striate.inspect.attribution.probe import probing
from striate.inspect.attribution.result import Attribution
from striate.inspect.target import TargetLike
from striate.tasks import CLASSIFICATION, Task


def gradient(
    module: nn.Module, x: Tensor, target: TargetLike = None, *, task: Task | str = CLASSIFICATION
) -> Attribution:
    """The gradient of the score by the input: Simonyan, Vedaldi, Zisserman 2013, section 3, before its maximum over
    the channels (``by_position("max")`` takes that).

    Args:
        module: Any module; it is left as it was, whatever happens.
        x: One input with its batch axis: ``(1, C, H, W)``, ``(1, C, D, H, W)``, ``(1, features)``; or word numbers
            ``(1, L)``, for which the gradient is taken by the vectors that the embedding gives.
        target: A class, ``(class, y, x)``, or a unit ``"layer:channel:y:x"``; None for the predicted class.
        task: What the network does; it says which softmax or sigmoid at the end is left out of the score.

    Returns:
        Values ``(C, H, W)``, of words ``(vector, L)``, with their sign.

    Raises:
        SeeError: There is no such target, or the score has no gradient by the input.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False), nn.Softmax(dim=1))
    >>> found = gradient(net, torch.ones(1, 1, 2, 2), 1)
    >>> bool(np.allclose(found.values.ravel(), net[1].weight[1].detach()))  # of the score, not of its softmax
    True
    """
    with probing(module, x, target, task) as probe:
        slopes, scores = probe.gradients(probe.leaf)
        return probe.of_input("gradient", slopes[0], scores)


def gradient_x_input(
    module: nn.Module, x: Tensor, target: TargetLike = None, *, task: Task | str = CLASSIFICATION
) -> Attribution:
    """The gradient times the input, value by value: Shrikumar et al. 2016, "Not just a black box", section 2.

    Takes and gives what :func:`gradient` does. Where a net of ReLUs has no biases the values sum to the score.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3, bias=False))
    >>> found = gradient_x_input(net, torch.rand(1, 1, 4, 4))
    >>> bool(abs(found.values.sum() - found.score) < 1e-5)
    True
    """
    with probing(module, x, target, task) as probe:
        slopes, scores = probe.gradients(probe.leaf)
        return probe.of_input("gradient_x_input", slopes[0] * probe.leaf[0], scores)


def integrated_gradients(
    module: nn.Module,
    x: Tensor,
    target: TargetLike = None,
    *,
    baseline: float | Tensor = 0.0,
    steps: int = 50,
    batch: int = 10,
    task: Task | str = CLASSIFICATION,
) -> Attribution:
    """``(x - x') * integral of the gradient from x' to x``: Sundararajan, Taly, Yan 2017, equation 1.

    The integral is taken by Gauss-Legendre quadrature with *steps* points (the paper's equation 3 is a Riemann sum),
    which is exact for a linear net with one. The values sum to ``score - score of the baseline`` but for ``error``,
    which need not fall evenly with *steps* where ReLUs make the path piecewise.

    Args:
        baseline: Where the path begins; the result depends on it. A number, or a tensor that fits the input (of
            words: their vectors). 0 is the mean colour where the input was normalised, and black where not.
        steps: Points on the path.
        batch: How many of them run at once.

    Takes and gives else what :func:`gradient` does; the result's ``error`` is the completeness error.

    Raises:
        SeeError: The baseline does not fit, besides what :func:`gradient` raises.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> found = integrated_gradients(net, torch.rand(1, 1, 2, 2), 0, baseline=0.5, steps=1)
    >>> abs(found.error) < 1e-6
    True
    """
    with probing(module, x, target, task) as probe:
        start = probe.like(baseline)
        way = probe.leaf - start
        with torch.no_grad():
            score = probe.scores(probe.leaf)
            lowest = probe.scores(start)
        places, weights = np.polynomial.legendre.leggauss(steps) if steps > 0 else (np.zeros(0), np.zeros(0))
        total = torch.zeros_like(way)
        for part in probe.chunks(steps, batch):
            at, weight = (
                torch.as_tensor(values[part.start : part.stop] / 2 + shift).to(way).view(-1, *[1] * (way.ndim - 1))
                for values, shift in ((places, 0.5), (weights, 0.0))
            )
            total += (probe.gradients(start + at * way)[0] * weight).sum(0, keepdim=True)
        values = (way * total)[0]
        error = float(values.cpu().double().sum()) - (float(score) - float(lowest))
        origin = f"from a baseline of {baseline:g}" if not isinstance(baseline, Tensor) else "from the baseline given"
        note = f"{origin} (score {float(lowest):.4g}) in {steps} steps; completeness error: {error:.2g}"
        return probe.of_input("integrated_gradients", values, score, note, error=error)


def smoothgrad(
    module: nn.Module,
    x: Tensor,
    target: TargetLike = None,
    *,
    samples: int = 25,
    noise: float = 0.15,
    seed: int = 0,
    batch: int = 5,
    task: Task | str = CLASSIFICATION,
) -> Attribution:
    """The mean of the gradients at noisy copies of the input: Smilkov et al. 2017, section 3.

    Args:
        samples: How many copies.
        noise: The noise's standard deviation, as a share of the input's range; the paper takes 0.1 to 0.2.
        seed: The random seed of the noise, which does not depend on *batch*.
        batch: How many copies run at once.

    Takes and gives else what :func:`gradient` does.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> x = torch.rand(1, 1, 2, 2)
    >>> bool(np.allclose(smoothgrad(net, x, 0).values, gradient(net, x, 0).values))  # of a linear net: the same
    True
    """
    with probing(module, x, target, task) as probe:
        with torch.no_grad():
            score = probe.scores(probe.leaf)
        leaf = probe.leaf
        sigma = noise * float(leaf.max() - leaf.min())
        generator = torch.Generator().manual_seed(seed)
        total = torch.zeros_like(leaf)
        for part in probe.chunks(samples, batch):
            # each sample is drawn alone and as float32: the noise is the same in any batch, on any device
            drawn = torch.stack([torch.randn(leaf.shape[1:], generator=generator) for _ in part])
            total += probe.gradients(leaf + sigma * drawn.to(leaf))[0].sum(0, keepdim=True)
        share = f"{noise:.0%} of the input's range"
        note = f"mean of {samples} gradients, noise of std {sigma:.3g} ({share}), seed {seed}"
        return probe.of_input("smoothgrad", total[0] / samples, score, note)
