"""What is asked about: a class, a class at a pixel, a predicted number, or one unit of any layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

from torch import Tensor

from striate.errors import SeeError, nearest, shape_text


@dataclass(frozen=True)
class Target:
    """One number of a layer, or of the output where *layer* is empty.

    Args:
        layer: Its name; ``"relu#2"`` for the second call of a layer that is called more often.
        index: ``(channel,)``, which is summed over the places if there are any, or ``(channel, *place)``; of a layer
            also ``()``, all of it.

    >>> str(Target("", (3,))), str(Target("", (3, 10, 20))), str(Target("conv2", (5, 0, 1)))
    ('output 3', 'output 3 at 10:20', 'conv2:5:0:1')
    """

    layer: str
    index: tuple[int, ...] = ()

    def __str__(self) -> str:
        if self.layer:
            return ":".join((self.layer, *map(str, self.index)))
        place = ":".join(map(str, self.index[1:]))
        return f"output {self.index[0]}{f' at {place}' if place else ''}"


Asked: TypeAlias = int | str | tuple[int, ...] | Target | None


def named_target(text: str, classes: Sequence[str], layers: Sequence[str] = ()) -> Target | None:
    """What somebody typed: a class's name or its number, one of *layers*, or a unit as :func:`as_target` takes it;
    ``""`` is None.

    Raises:
        SeeError: It is none of these; the nearest class is offered.

    >>> named_target("dog", ["cat", "dog"]), str(named_target("conv2:5", ["cat", "dog"]))
    (Target(layer='', index=(1,)), 'conv2:5')
    """
    if text in classes:
        return Target("", (list(classes).index(text),))
    if text and ":" not in text and not text.isdecimal():
        raise SeeError(
            f"there is no class {text!r}{nearest(text, classes)}; a unit is layer:channel or layer:channel:y:x"
        )
    return as_target(text) if text else None


def as_target(asked: Asked) -> Target | None:
    """What *asked* means. A number or ``(class, y, x)`` is of the output, ``"conv2:5"`` and ``"conv2:5:3:4"`` of a
    layer, ``":3:10:20"`` of the output again; None stays None: the class with the highest score.

    Raises:
        SeeError: It is none of these.

    >>> as_target(7), as_target("conv2:5:3:4")
    (Target(layer='', index=(7,)), Target(layer='conv2', index=(5, 3, 4)))
    """
    match asked:
        case None | Target():
            return asked
        case int():
            return Target("", (asked,))
        case tuple() if asked and all(isinstance(i, int) for i in asked):
            return Target("", asked)
        case str():
            layer, *index = asked.split(":") if ":" in asked else ("", asked)
            if index and all(i.isdecimal() for i in index):
                return Target(layer, tuple(map(int, index)))
    raise SeeError(
        f"target {asked!r}: wanted a class (3), a class at a pixel ((3, 10, 20)), or a unit as layer:channel or "
        f"layer:channel:y:x"
    )


def best(scores: Tensor, task: str) -> Target:
    """The class of highest score (of highest sum over the places) in *scores* ``(1, K, *places)``.

    Raises:
        SeeError: The output is several numbers and not classes, so that the highest means nothing.
    """
    if task == "regression" and scores.shape[1] > 1:
        raise SeeError(f"the network predicts {scores.shape[1]} numbers: say which, 0 to {scores.shape[1] - 1}")
    return Target("", (int(scores[0].flatten(1).sum(1).argmax() if scores.ndim > 2 else scores[0].argmax()),))


def select(values: Tensor, target: Target) -> Tensor:
    """The number that *target* means for each item of *values* ``(N, K, *places)``, as ``(N,)``.

    Raises:
        SeeError: There is no such channel or place.
    """
    shape, index = tuple(values.shape[1:]), target.index
    if len(index) not in (1, len(shape)) or any(not 0 <= i < n for i, n in zip(index, shape, strict=False)):
        of = f"the layer {target.layer}" if target.layer else "the output"
        sizes = shape_text(shape) or "no channels"
        ways = f"channel 0 to {shape[0] - 1}" if shape else "another layer"
        place = " and perhaps a place, all of its numbers" if prod(shape[1:]) > 1 else ""
        raise SeeError(f"target {target}: {of} is {sizes}; take {ways}{place}")
    found = values[(slice(None), *index)]
    return found.flatten(1).sum(1) if found.ndim > 1 else found
