"""What is looked at or maximised: a score, a channel, or one unit, as one number of a module's answer to an item."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from striate.errors import SeeError
from striate.learn import Scorer
from striate.see.capture import capture, find_layer

Objective = Callable[[Tensor], Tensor]  # (N, ...) to (N,)


@dataclass(frozen=True)
class Target:
    """``Target(3)``: the score of output 3, before any softmax; ``Target(layer, (channel,))``: the mean of a channel;
    with ``(channel, y, x)`` one unit; with ``()`` the whole layer's energy, half the mean of its squares.
    """

    layer: str
    place: tuple[int, ...] = ()

    def __str__(self) -> str:
        return ":".join([self.layer, *map(str, self.place)]) if self.layer else f"class {self.place[0]}"


def parse_target(text: str | int, classes: tuple[str, ...] = ()) -> Target:
    """A class (its name, or its number), else ``LAYER``, ``LAYER:CHANNEL`` or ``LAYER:CHANNEL:Y:X``.

    Raises:
        SeeError: Places that are no whole numbers.

    >>> str(parse_target("conv2:5")), str(parse_target("cat", ("cat", "dog"))), str(parse_target(1))
    ('conv2:5', 'class 0', 'class 1')
    """
    if isinstance(text, int):
        return Target("", (text,))
    if text in classes:
        return Target("", (classes.index(text),))
    layer, *numbers = text.split(":")
    if not numbers and text.isdigit():
        return Target("", (int(text),))
    try:
        return Target(layer, tuple(int(n) for n in numbers))
    except ValueError:
        raise SeeError(f"{text!r}: wanted a class, LAYER, LAYER:CHANNEL or LAYER:CHANNEL:Y:X") from None


def objective(module: nn.Module, target: Target) -> Objective:
    """The function from a batch to the target's number for each item, differentiable.

    Raises:
        SeeError: No such layer; when called, no such place.
    """
    if not target.layer:
        scores_of = Scorer(module)
        return lambda x: _at(scores_of(x), target)
    find_layer(module, target.layer.partition("#")[0])

    def value(x: Tensor) -> Tensor:
        with capture(module, target.layer.partition("#")[0]) as seen:
            module(x)
        return _at(seen.tensor(target.layer), target)

    return value


def _at(output: Tensor, target: Target) -> Tensor:
    shape = output.shape[1:]
    if not target.place:
        return 0.5 * output.flatten(1).square().mean(1)
    if len(target.place) not in (1, len(shape)) or not all(
        0 <= p < n for p, n in zip(target.place, shape, strict=False)
    ):
        what = target.layer or "the network"
        raise SeeError(f"{what} puts out {'x'.join(map(str, shape))}; there is no {target} in it")
    picked = output[(slice(None), *target.place)]
    return picked.flatten(1).mean(1) if picked.ndim > 1 else picked


def needs_gradient(x: Tensor) -> Tensor:
    """A copy of *x* that gradients come back to."""
    return x.detach().clone().requires_grad_(True)


def gradient_of(value: Objective, x: Tensor) -> Tensor:
    """``d value / d x`` for each item of *x*, without touching the gradients of the weights."""
    with torch.enable_grad():
        x = needs_gradient(x)
        (gradient,) = torch.autograd.grad(value(x).sum(), x)
    return gradient
