"""Options for reading data, where looking at it is not enough: one value for every verb that opens data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from striate.datasets.folds import parsed_fold
from striate.datasets.sources.columns import ColumnChoice
from striate.datasets.sources.folders_names import is_group_pattern
from striate.errors import RecipeError, nearest
from striate.tasks import Task, task_named


def parsed_range(value: str | Sequence[float]) -> tuple[float, float]:
    """``"0:4095"``, or two numbers, as the lowest and the highest value.

    Raises:
        RecipeError: It is something else, or not in order.

    >>> parsed_range("0:4095"), parsed_range((-1000, 3000))
    ((0.0, 4095.0), (-1000.0, 3000.0))
    """
    try:
        low, high = map(float, value.split(":") if isinstance(value, str) else value)
    except (TypeError, ValueError):
        low = high = 0.0
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise RecipeError(f"--range is {value!r}, expected LOW:HIGH, the values of black and white, such as 0:4095")
    return low, high


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """How data are to be understood; None, of each: as they show it themselves.

    Args:
        task: What to take the targets for: a :class:`~striate.tasks.Task`, or its name.
        channels: 1, 3 or 4: images are read as grey, RGB or RGBA.
        classes_from: ``"name:PATTERN"``: an image's class is in its file name; ``"parent"``: it is the name of the
            folder that the image is in. :mod:`striate.datasets.sources.folders_names` says what a PATTERN is.
        mask_threshold: Masks become two classes: values below it, and it and above.
        value_range: Of images of more than 8 bits: ``"0:4095"``, the values that become black and white.
        label: Of a table: the column of the targets, by its title; several, separated by commas.
        file: Of a table: the column of the image files.
        text: Of a table: the column of the texts; several, separated by commas, are joined.
        group: Of a table: a column (patient, video, burst) whose rows of one value always go to the same split. Of
            image files: ``"name:{group}_#"``, where it is in their names, or ``"parent"``, their own folder.
        fold: ``"2/5"``: the second of five folds of the training and validation items is the test split.

    Raises:
        RecipeError: There is no such task, or a value is of the wrong type.

    >>> DataOptions(task="segmentation").task, DataOptions().given()
    (<task segmentation>, {})
    """

    task: Task | None = None
    channels: int | None = None
    classes_from: str | None = None
    mask_threshold: int | None = None
    value_range: str | Sequence[float] | None = None
    label: str | None = None
    file: str | None = None
    text: str | None = None
    group: str | None = None
    fold: str | None = None

    def __post_init__(self) -> None:
        if self.task is not None:
            object.__setattr__(self, "task", task_named(self.task))
        if self.fold is not None:
            parsed_fold(self.fold)
        if self.classes_from is not None and not isinstance(self.classes_from, str):
            raise RecipeError(f"classes_from must be a text such as 'name:{{class}}_*', got {self.classes_from!r}")
        threshold = self.mask_threshold
        if threshold is not None and (type(threshold) is not int or not 0 < threshold < 65_536):
            raise RecipeError(f"mask_threshold must be a whole number from 1 to 65535, such as 128, got {threshold!r}")
        if self.value_range is not None:
            object.__setattr__(self, "value_range", self.scale)

    @property
    def scale(self) -> tuple[float, float] | None:
        """The values of black and white, where they were said."""
        return None if self.value_range is None else parsed_range(self.value_range)

    @property
    def columns(self) -> ColumnChoice:
        """The columns of a table that were named."""
        group = None if is_group_pattern(self.group) else self.group
        return ColumnChoice(label=self.label, file=self.file, text=self.text, group=group)

    def given(self) -> dict[str, Any]:
        """What was said, by name.

        >>> DataOptions(channels=1).given()
        {'channels': 1}
        """
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) is not None}


DATA_OPTIONS = tuple(field.name for field in fields(DataOptions))


def check_options(given: Iterable[str], verb: str) -> None:
    """RecipeError where one of the names *given* to *verb* is no option of data.

    >>> check_options(["label", "text"], "evaluate")
    """
    for name in given:
        if name not in DATA_OPTIONS:
            raise RecipeError(f"{verb} has no option {name!r}{nearest(name, DATA_OPTIONS)}")
