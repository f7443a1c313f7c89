"""What a data set is: the one value that everything later takes, whatever the source was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from striate.tasks import Task, task_named

Broken = tuple[str, str]  # the name of an item that could not be read, and why
Inputs = np.ndarray | tuple[Path, ...] | tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Part:
    """One part (training, validation or test) of a data set, its files not read yet.

    Args:
        inputs: N images as uint8 ``(N, H, W)`` or ``(N, H, W, C)``; values as float32 ``(N, C, ...)``; N image
            files; or N texts.
        targets: What is to be answered for each, by the data set's task. classification: int64 ``(N,)``, an index
            into the classes. multilabel: uint8 ``(N, K)``, 0 or 1. regression: float32 ``(N, V)``, in the source's
            own units. segmentation: uint8 ``(N, H, W)`` of class numbers, 255 where no class is asked for; or N
            mask files, whose values the data set's ``mask_values`` explain.
        names: What to call each item in a message or a report: its path, or such as ``"digits test 12"``.
    """

    inputs: Inputs
    targets: np.ndarray | tuple[Path, ...]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        assert len(self.inputs) == len(self.targets) == len(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def name(self, i: int) -> str:
        return self.names[i]

    def take(self, indices: Sequence[int] | np.ndarray) -> Part:
        """The part that holds only the items at *indices*, in their order, under their old names."""
        indices = np.asarray(indices, np.int64)
        inputs, targets = (
            values[indices] if isinstance(values, np.ndarray) else tuple(values[i] for i in indices)
            for values in (self.inputs, self.targets)
        )
        return Part(inputs, targets, tuple(self.names[i] for i in indices))


@dataclass(frozen=True, eq=False)
class DataSet:
    """A data set, its files not read yet.

    Args:
        name: Short, for a title or a folder: ``"digits"``.
        task: A :class:`~striate.tasks.Task`, or its name.
        classes: The class names, of which a target is an index, in every part; in regression the values' names.
        mode: How an item is read, as in :class:`striate.model.contract.Contract`.
        input: What is typical of an item as it comes: ``(C, H, W)``, ``(C, ...)`` of values, ``(L,)`` of a text.
        train: What a network learns from.
        val: What chooses between networks; None where the source has no such part.
        test: What is looked at once, at the end, and chooses nothing; None likewise.
        why: How the task was worked out, in a few words: ``"from class folders"``.
        positions: In regression: the pairs of values that are an x and a y, in pixels of the upright image.
        mask_values: In segmentation from mask files: each class's value there (0xRRGGBB of coloured ones).
        notes: What was met on the way and may surprise, a line each: a hidden folder passed over, say.
    """

    name: str
    task: Task
    classes: tuple[str, ...]
    mode: str
    input: tuple[int, ...]
    train: Part
    val: Part | None = None
    test: Part | None = None
    why: str = ""
    positions: tuple[tuple[int, int], ...] = ()
    mask_values: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "task", task_named(self.task))

    @property
    def parts(self) -> dict[str, Part]:
        """The parts that there are, by name."""
        parts = {"train": self.train, "val": self.val, "test": self.test}
        return {name: part for name, part in parts.items() if part is not None}

    def with_parts(self, **parts: Part) -> DataSet:
        """The same data set with other parts."""
        return replace(self, **parts)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Arrays:
    """A part that has been read: what the contract makes of it, in memory or mapped from the cache's file.

    Args:
        inputs: Images: uint8 ``(N, C, H, W)``; values: float32 ``(N, C, ...)``; texts: int64 ``(N, L)`` word numbers.
        targets: As in the part, read: masks are uint8 ``(N, H, W)`` of class numbers in the contract's size, and
            positions are shares (0 to 1) of the input's sides.
        names: As in the part.
        broken: ``(name, reason)`` of the items that could not be read and were left out.
    """

    inputs: np.ndarray
    targets: np.ndarray
    names: tuple[str, ...]
    broken: tuple[Broken, ...] = ()

    def __len__(self) -> int:
        return len(self.names)
