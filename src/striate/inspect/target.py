"""What a method looks at: a class, a class at a pixel, a predicted number, or one unit of any layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

import torch
from torch import Tensor, nn

from striate.errors import SeeError, counted, nearest, shape_text
from striate.inspect.capture import capture, find_layer
from striate.learning import Scorer
from striate.tasks import Task

Objective = Callable[[Tensor], Tensor]  # (N, ...) to (N,)


@dataclass(frozen=True)
class Target:
    """One number of a layer, or of the network's output where *layer* is empty.

    Args:
        layer: Its name; ``"relu#2"`` for the second call of a layer that is called more often.
        index: ``(channel,)``, which is summed over its positions if there are any, or ``(channel, *position)``; of a
            layer also ``()``, all of it.

    >>> str(Target("", (3,))), str(Target("", (3, 10, 20))), str(Target("conv2", (5, 0, 1)))
    ('output 3', 'output 3 at 10:20', 'conv2:5:0:1')
    """

    layer: str
    index: tuple[int, ...] = ()

    def __str__(self) -> str:
        if self.layer:
            return ":".join((self.layer, *map(str, self.index)))
        position = ":".join(map(str, self.index[1:]))
        return f"output {self.index[0]}{f' at {position}' if position else ''}"


TargetLike: TypeAlias = int | str | tuple[int, ...] | Target | None


def named_target(text: str, classes: Sequence[str]) -> Target | None:
    """The target that *text* names: a class by its name or number, or a unit as :func:`as_target` takes it; None
    for ``""``.

    Raises:
        SeeError: It is none of these; the nearest class is suggested.

    >>> named_target("dog", ["cat", "dog"]), str(named_target("conv2:5", ["cat", "dog"]))
    (Target(layer='', index=(1,)), 'conv2:5')
    """
    if text in classes:
        return Target("", (list(classes).index(text),))
    if text and ":" not in text and not text.isdecimal():
        raise SeeError(f"no class named {text!r}{nearest(text, classes)}; a unit is layer:channel or layer:channel:y:x")
    return as_target(text) if text else None


def as_target(target: TargetLike) -> Target | None:
    """*target* as a :class:`Target`.

    A number or ``(class, y, x)`` is of the output, ``"conv2:5"`` and ``"conv2:5:3:4"`` of a layer, ``":3:10:20"`` of
    the output again; None stays None: the predicted class.

    Raises:
        SeeError: It is none of these.

    >>> as_target(7), as_target("conv2:5:3:4")
    (Target(layer='', index=(7,)), Target(layer='conv2', index=(5, 3, 4)))
    """
    match target:
        case None | Target():
            return target
        case int():
            return Target("", (target,))
        case tuple() if target and all(isinstance(i, int) for i in target):
            return Target("", target)
        case str():
            layer, *index = target.split(":") if ":" in target else ("", target)
            if index and all(i.isdecimal() for i in index):
                return Target(layer, tuple(map(int, index)))
    raise SeeError(
        f"target {target!r}: expected a class (3), a class at a pixel ((3, 10, 20)), or a unit as layer:channel or "
        f"layer:channel:y:x"
    )


def predicted_target(scores: Tensor, task: Task) -> Target:
    """The class of highest score (of highest sum over the positions) in *scores* ``(1, K, *positions)``.

    Raises:
        SeeError: The output is several numbers and not classes, so that the highest means nothing.
    """
    if task.continuous and scores.shape[1] > 1:
        raise SeeError(f"the network predicts {scores.shape[1]} numbers: name one, 0 to {scores.shape[1] - 1}")
    return Target("", (int(scores[0].flatten(1).sum(1).argmax() if scores.ndim > 2 else scores[0].argmax()),))


def target_score(values: Tensor, target: Target) -> Tensor:
    """The number that *target* means for each item of *values* ``(N, K, *positions)``, as ``(N,)``.

    Raises:
        SeeError: There is no such channel or position.
    """
    shape, index = tuple(values.shape[1:]), target.index
    if len(index) not in (1, len(shape)) or any(not 0 <= i < n for i, n in zip(index, shape, strict=False)):
        if not target.layer and len(shape) == 1:
            raise SeeError(
                f"no output {target.index[0]}: the model has {counted(shape[0], 'output')}, 0 to {shape[0] - 1}"
            )
        raise SeeError(outside(str(target), target.layer or "the output", shape))
    at: tuple[slice | int, ...] = (slice(None), *index)
    found = values[at]
    return found.flatten(1).sum(1) if found.ndim > 1 else found


def outside(unit: str, layer: str, shape: tuple[int, ...]) -> str:
    """The message about a *unit* that the output of *layer*, ``(C, *positions)``, does not have.

    >>> outside("c3:3:50:5", "c3", (16, 10, 10))
    'c3:3:50:5 is outside c3 (16x10x10): channel 0-15, y 0-9, x 0-9'
    """
    axes = ("channel", *{1: (), 2: ("x",), 3: ("y", "x")}.get(len(shape), ("z", "y", "x")[-len(shape) + 1 :]))
    ranges = ", ".join(f"{axis} 0-{n - 1}" for axis, n in zip(axes, shape, strict=False))
    return f"{unit} is outside {layer} ({shape_text(shape) or 'one number'}): {ranges or 'use another layer'}"


def objective(module: nn.Module, target: Target) -> Objective:
    """The function from a batch to the target's number for each item; of a whole channel the mean over its positions.

    A target without an index is the whole layer's energy: half the mean of its squares. The output is taken before
    any softmax.

    Raises:
        SeeError: No such layer; when called, no such channel or position.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3))
    >>> objective(net, Target("0", (1, 0, 0)))(torch.ones(4, 1, 3, 3)).shape
    torch.Size([4])
    """
    name = target.layer.partition("#")[0]
    if not name:
        scores_of = Scorer(module)
        return lambda x: _mean_score(scores_of(x), target)
    find_layer(module, name)

    def value(x: Tensor) -> Tensor:
        with capture(module, name) as seen:
            module(x)
        return _mean_score(seen.tensor(target.layer), target)

    return value


def _mean_score(output: Tensor, target: Target) -> Tensor:
    if not target.index:
        return 0.5 * output.flatten(1).square().mean(1)
    return target_score(output, target) / prod(output.shape[1 + len(target.index) :])


def input_gradient(value: Objective, x: Tensor) -> Tensor:
    """``d value / d x`` for each item of *x*, without touching the gradients of the weights."""
    with torch.enable_grad():
        x = x.detach().clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(value(x).sum(), x)
    return gradient
