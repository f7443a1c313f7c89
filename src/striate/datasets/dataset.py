"""What a data set is: the one value that everything later takes, whatever the source was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from striate.datasets.mask_recipe import MaskFile
from striate.errors import counted, listed
from striate.tasks import Task, task_named

Broken = tuple[str, str]  # the name of an item that could not be read, and why
Inputs = np.ndarray | tuple[Path, ...] | tuple[str, ...]
SPLITS = ("train", "val", "test")
Reading = Callable[[int, int], None]  # called with (items done, items in all)
SPLIT_NAMES = {  # of folders, files and cells
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Part:
    """One split (training, validation or test) of a data set, its files not read yet.

    Args:
        inputs: N images as uint8 ``(N, H, W)`` or ``(N, H, W, C)``; values as float32 ``(N, C, ...)``; N image
            files; or N texts.
        targets: The target of each, by the data set's task. classification: int64 ``(N,)``, an index into the
            classes. multilabel: uint8 ``(N, K)``, 0 or 1. regression: float32 ``(N, V)``, in the source's own units.
            segmentation: uint8 ``(N, H, W)`` of class numbers, 255 where pixels are ignored; or N mask files, whose
            values the data set's ``mask_values`` explain.
        names: What to call each item in a message or a report: its path, or such as ``"digits test 12"``.
        groups: Of each item the patient, video or burst that it is from, which is never split; or ``()``.
        columns: Of a table, the cells of the columns that are neither input nor target, by title.

    >>> split = Part(("a film .", "a play ."), np.array([1, 0]), ("line 2", "line 3"))
    >>> len(split), split.take([1]).names
    (2, ('line 3',))
    """

    inputs: Inputs
    targets: np.ndarray | tuple[MaskFile, ...]
    names: tuple[str, ...]
    groups: tuple[str, ...] = ()
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert len(self.inputs) == len(self.targets) == len(self.names)
        assert len(self.groups) in (0, len(self.names))
        assert all(len(cells) == len(self.names) for cells in self.columns.values())

    def __len__(self) -> int:
        return len(self.names)

    @property
    def files(self) -> tuple[Path, ...]:
        """The image files, where the items are such; else empty."""
        return cast("tuple[Path, ...]", self.inputs) if self._holds(Path) else ()

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts, where the items are such; else empty."""
        return cast("tuple[str, ...]", self.inputs) if self._holds(str) else ()

    def _holds(self, kind: type) -> bool:
        return isinstance(self.inputs, tuple) and bool(self.inputs) and isinstance(self.inputs[0], kind)

    @property
    def arrays(self) -> np.ndarray:
        """The inputs, where they are arrays and no files or texts."""
        assert isinstance(self.inputs, np.ndarray)
        return self.inputs

    @property
    def mask_files(self) -> tuple[MaskFile, ...]:
        """The mask files, where the targets are such; else empty."""
        return self.targets if isinstance(self.targets, tuple) else ()

    @property
    def labels(self) -> np.ndarray:
        """The targets, where they are an array and no mask files."""
        assert isinstance(self.targets, np.ndarray)
        return self.targets

    def take(self, indices: Sequence[int] | np.ndarray) -> Part:
        """The items at *indices* alone, in their order, under their old names."""
        indices = np.asarray(indices, np.int64)
        inputs, targets = (
            values[indices] if isinstance(values, np.ndarray) else tuple(values[i] for i in indices)
            for values in (self.inputs, self.targets)
        )
        groups = tuple(self.groups[i] for i in indices) if self.groups else ()
        columns = {title: tuple(cells[i] for i in indices) for title, cells in self.columns.items()}
        return Part(inputs, targets, tuple(self.names[i] for i in indices), groups, columns)


@dataclass(frozen=True, eq=False)
class DataSet:
    """A data set, its files not read yet.

    Args:
        name: Short, for a title or a folder: ``"digits"``.
        task: A :class:`~striate.tasks.Task`, or its name.
        classes: The class names, of which a target is an index, in every split; in regression the values' names.
        mode: How an item is read, as in :class:`striate.model.contract.Contract`.
        input: The typical shape of an item as it comes: ``(C, H, W)``, ``(C, ...)`` of values, ``(L,)`` of a text.
        train: The training split.
        val: The validation split, which chooses between networks; None where the source has none.
        test: The test split, which is evaluated once, at the end, and chooses nothing; None likewise.
        why: How the task was inferred, in a few words: ``"from class folders"``.
        positions: In regression: the pairs of values that are an x and a y, in pixels of the upright image.
        mask_values: In segmentation from mask files: each class's value there (0xRRGGBB of coloured ones).
        value_range: Of images of more than 8 bits: the lowest and the highest value; ``()``: 0 and 65,535.
        notes: What was noticed while opening it and may surprise, a line each: a hidden folder that was skipped, say.
        skipped: ``(name, reason)`` of what has no file or no target, and so is no item: rows of a table, mostly.

    >>> train = Part(("a good film", "a bad film"), np.array([1, 0]), ("line 2", "line 3"))
    >>> data = DataSet("films", "classification", ("bad", "good"), "text", (3,), train)
    >>> data.task, list(data.parts)
    (<task classification>, ['train'])
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
    value_range: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    skipped: tuple[Broken, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "task", task_named(self.task))

    @classmethod
    def of(
        cls,
        name: str,
        task: Task,
        classes: tuple[str, ...],
        mode: str,
        input: tuple[int, ...],
        parts: Mapping[str, Part],
        **about: Any,
    ) -> DataSet:
        """The data set of *parts* by split, train among them."""
        return cls(name, task, classes, mode, input, parts["train"], parts.get("val"), parts.get("test"), **about)

    @property
    def parts(self) -> dict[str, Part]:
        """The splits that there are, by name."""
        parts = {name: getattr(self, name) for name in SPLITS}
        return {name: part for name, part in parts.items() if part is not None}

    @property
    def about_skipped(self) -> tuple[str, ...]:
        """A line that names the first of what was skipped, where anything was."""
        some = listed((f"{name} ({why})" for name, why in self.skipped), 3)
        return (f"{counted(len(self.skipped), 'item')} skipped: {some}",) if self.skipped else ()

    def with_parts(self, *, train: Part | None = None, val: Part | None = None, test: Part | None = None) -> DataSet:
        """The same data set with these splits in the place of its own."""
        parts = self.parts | {n: p for n, p in zip(SPLITS, (train, val, test), strict=True) if p is not None}
        return replace(self, train=parts["train"], val=parts.get("val"), test=parts.get("test"))


@dataclass(frozen=True, eq=False)
class Arrays:
    """A split that has been read: what the contract makes of it, in memory or mapped from the cache's file.

    Args:
        inputs: Images: uint8 ``(N, C, H, W)``; values: float32 ``(N, C, ...)``; texts: int64 ``(N, L)`` word numbers.
        targets: As in the split, read: masks are uint8 ``(N, H, W)`` of class numbers in the contract's size, and
            positions are fractions (0 to 1) of the input's sides.
        names: As in the split.
        broken: ``(name, reason)`` of the items that could not be read and were skipped.
    """

    inputs: np.ndarray
    targets: np.ndarray
    names: tuple[str, ...]
    broken: tuple[Broken, ...] = ()

    def __len__(self) -> int:
        return len(self.names)
