"""The named networks: papers as data, one family a file. A new family is a file and its lines in ``ZOO``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from striate.spec import Seq, Shape
from striate.zoo.lenet import boat4, harley, lenet5


@dataclass(frozen=True)
class Entry:
    """A named network: how to make it for a number of classes, where it comes from, and the input it was made for."""

    make: Callable[..., Seq]
    paper: str
    year: int
    input: Shape


ZOO: dict[str, Entry] = {
    "lenet5": Entry(lenet5, "LeCun et al., as taught today", 1998, (1, 32, 32)),
    "harley": Entry(harley, "Harley", 2015, (1, 32, 32)),
    "boat4": Entry(boat4, "Karn", 2016, (3, 32, 32)),
}

__all__ = ["ZOO", "Entry", "boat4", "harley", "lenet5"]
