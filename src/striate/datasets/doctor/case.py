"""What every check takes: the data set, and what was seen of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from striate.datasets.dataset import DataSet, Part
from striate.datasets.doctor.diagnosis import Problem
from striate.datasets.doctor.look import Looks


@dataclass(frozen=True, eq=False)
class Case:
    """A data set under examination.

    Args:
        data: What was opened.
        looks: Per part, where its items are images and all were looked at; empty in the quick part.
        quick: Only what takes a moment.
        root: The folder that it was opened from; None for built-in data, a file, or a data set given as such.
        where: What was opened, if it is a path.
    """

    data: DataSet
    looks: dict[str, Looks] = field(default_factory=dict)
    quick: bool = False
    root: Path | None = None
    where: str = ""


Check = Callable[[Case], Iterable[Problem]]


def names(part: Part, which: np.ndarray | Iterable[int]) -> tuple[str, ...]:
    """The names of the items of *part* at the indices *which*, or where it is True."""
    chosen = np.flatnonzero(which) if isinstance(which, np.ndarray) and which.dtype == bool else which
    return tuple(part.names[int(i)] for i in chosen)


def looked_at(case: Case) -> Iterator[tuple[Part, Looks]]:
    """The parts whose items are image files, with their looks."""
    for name, looks in case.looks.items():
        if looks.files:
            yield case.data.parts[name], looks


def are_files(part: Part) -> bool:
    """Whether the items of *part* are image files."""
    return isinstance(part.inputs, tuple) and isinstance(part.inputs[0], Path)


def are_texts(part: Part) -> bool:
    """Whether the items of *part* are texts."""
    return isinstance(part.inputs, tuple) and not isinstance(part.inputs[0], Path)
