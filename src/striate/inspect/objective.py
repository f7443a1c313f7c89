"""A target as a function to climb: what it is for each item of a batch, differentiable."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor, nn

from striate.inspect.capture import capture, find_layer
from striate.inspect.target import Target, select
from striate.learning import Scorer

Objective = Callable[[Tensor], Tensor]  # (N, ...) to (N,)


def objective(module: nn.Module, target: Target) -> Objective:
    """The function from a batch to the target's number for each item; of a whole channel the mean over its places.

    A target without an index is the whole layer's energy: half the mean of its squares. The output is taken before
    any softmax.

    Raises:
        SeeError: No such layer; when called, no such channel or place.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3))
    >>> objective(net, Target("0", (1, 0, 0)))(torch.ones(4, 1, 3, 3)).shape
    torch.Size([4])
    """
    name = target.layer.partition("#")[0]
    if not name:
        scores_of = Scorer(module)
        return lambda x: _at(scores_of(x), target)
    find_layer(module, name)

    def value(x: Tensor) -> Tensor:
        with capture(module, name) as seen:
            module(x)
        return _at(seen.tensor(target.layer), target)

    return value


def _at(output: Tensor, target: Target) -> Tensor:
    if not target.index:
        return 0.5 * output.flatten(1).square().mean(1)
    places = prod(output.shape[1 + len(target.index) :])
    return select(output, target) / places


def gradient_of(value: Objective, x: Tensor) -> Tensor:
    """``d value / d x`` for each item of *x*, without touching the gradients of the weights."""
    with torch.enable_grad():
        x = x.detach().clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(value(x).sum(), x)
    return gradient
