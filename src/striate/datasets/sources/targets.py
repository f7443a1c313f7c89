"""Arrays as targets: which task they are of; and targets taken for another task than they look like."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from striate.datasets.dataset import DataSet
from striate.datasets.sources.mask_values import binary_names
from striate.datasets.sources.rows import is_whole, parse_number
from striate.errors import DataError, RecipeError, TaskError, listed
from striate.model.contract import IGNORE, IMAGES, OF_CHANNELS
from striate.tasks import CLASSIFICATION, MULTILABEL, REGRESSION, SEGMENTATION, TASKS, Task

_MANY = 20  # whole numbers that are classes: above it somebody may have meant amounts
Keyed = dict[str, tuple[str, np.ndarray]]  # by split: the key of its targets in the file, and they
Converted = tuple[tuple[str, ...], dict[str, np.ndarray]]  # the classes and, by split, the targets


def class_order(names: Iterable[str]) -> tuple[str, ...]:
    """Class names in their order: alphabetical; by their size where all are whole numbers.

    >>> class_order(["10", "9", "0"]), class_order(["10", "9", "cat"])
    (('0', '9', '10'), ('10', '9', 'cat'))
    """
    names = sorted(names)
    return tuple(sorted(names, key=int) if all(re.fullmatch(r"-?[0-9]{1,18}", name) for name in names) else names)


def amounts_note(classes: Sequence[str], column: str) -> tuple[str, ...]:
    """A note where the *classes* are so many whole numbers that they may be amounts."""
    if len(classes) <= _MANY or not all((n := parse_number(name)) is not None and is_whole(n) for name in classes):
        return ()
    return (f"{len(classes)} whole numbers in {column!r} are taken as classes; if they are amounts: --task regression",)


@dataclass(frozen=True, eq=False)
class ArrayTargets:
    """The task, the class names, the targets by split, and notes."""

    task: Task
    classes: tuple[str, ...]
    targets: dict[str, np.ndarray]
    notes: tuple[str, ...] = ()


def array_targets(
    path: Path, arrays: Keyed, names: tuple[str, ...], spatial: dict[str, tuple[int, ...]], task: Task | None = None
) -> ArrayTargets:
    """What the targets are, by their type and shape in the training split.

    Whole numbers or texts ``(N,)`` or ``(N, 1)`` are classes; floating point ``(N,)`` or ``(N, V)`` are a regression's
    values; a matrix ``(N, K)`` of 0 and 1 is one class (where every row has exactly one 1) or several labels;
    whole numbers ``(N, H, W)`` of the images' size are masks of class numbers, in which 255 is ignored.

    Args:
        path: The file, for messages.
        arrays: By split.
        names: The class names where the file gives them: targets are their numbers then; or ``()``.
        spatial: By split, the images' height and width; ``()`` where inputs are no images.
        task: Regression takes whole numbers ``(N,)`` for a regression's values, too.

    Raises:
        DataError: None of these; too few classes; a class that training lacks, or that has no name.
    """
    key, train = arrays["train"]
    squeezed = {split: (k, a[..., 0] if a.ndim > 1 and a.shape[-1] == 1 else a) for split, (k, a) in arrays.items()}
    train = squeezed["train"][1]
    for k, array in squeezed.values():
        if array.ndim != train.ndim or (array.dtype.kind in "US") != (train.dtype.kind in "US"):
            raise DataError(f"{path}: {k} is {array.dtype} {array.shape}, but {key} {train.dtype} {train.shape}")
    if train.ndim == 1:
        values = train.dtype.kind == "f" or (task is not None and task.continuous and train.dtype.kind in "iu")
        return _values(path, squeezed, names) if values else _classes(path, squeezed, names)
    if train.ndim == 2:
        return _matrix(path, squeezed, names)
    fits = all(a.shape[1:] == spatial[split] for split, (_, a) in squeezed.items())
    if train.ndim == 3 and train.dtype.kind in "biu" and fits:
        return _masks(path, squeezed, names)
    raise DataError(
        f"{path}: {key} is {train.dtype} {train.shape}; expected (N,) or (N, K), or of images whole numbers (N, H, W) "
        "of their size"
    )


def _classes(path: Path, arrays: Keyed, names: tuple[str, ...]) -> ArrayTargets:
    present = np.unique(arrays["train"][1])
    if names and present.dtype.kind not in "US":
        present = np.arange(len(names))
    if len(present) < 2:
        there = f"every target is {present[0]}" if not names else f"there is one class name, {names[0]!r}"
        raise DataError(f"{path}: {there}; learning needs two classes or more")
    targets = {}
    for split, (key, array) in arrays.items():
        unknown = np.flatnonzero(~np.isin(array, present))
        if len(unknown):
            values = listed(np.unique(array[unknown]).tolist())
            known = f"classes names {len(names)}" if names else f"the training split has {listed(present.tolist(), 20)}"
            amounts = "" if names or array.dtype.kind in "US" else ", or use --task regression if they are amounts"
            raise DataError(
                f"{path}: {key} contains {values} (first in item {unknown[0]}), but {known}; correct it{amounts}"
            )
        targets[split] = np.searchsorted(present, array).astype(np.int64)
    classes = names if names and len(names) == len(present) else tuple(map(value_text, present))
    notes = () if names else amounts_note(classes, arrays["train"][0])
    return ArrayTargets(CLASSIFICATION, classes, targets, notes)


def value_text(value: object) -> str:
    """A value of an array as the name of a class; bytes are UTF-8.

    >>> value_text(b"cat"), value_text(3)
    ('cat', '3')
    """
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _values(path: Path, arrays: Keyed, names: tuple[str, ...]) -> ArrayTargets:
    """Regression: of one value, or of several."""
    key, train = arrays["train"]
    width = train.shape[1] if train.ndim == 2 else 1
    for k, array in arrays.values():
        if array.shape[1:] != train.shape[1:]:
            raise DataError(f"{path}: {k} has {array.shape[1:]} numbers per item, {key} has {train.shape[1:]}")
    with np.errstate(over="ignore"):
        targets = {split: a.reshape(len(a), width).astype(np.float32) for split, (_, a) in arrays.items()}
    if not all(np.isfinite(values).all() for values in targets.values()):
        raise DataError(f"{path}: the targets contain numbers beyond 3.4e38, the maximum of 32 bits; scale them")
    classes = names if len(names) == width else ("y",) if width == 1 else tuple(f"y{i}" for i in range(width))
    whole = width == 1 and train.dtype.kind == "f" and (train == np.floor(train)).all()
    note = f"{key} contains whole numbers, stored as {train.dtype}; if they are classes: --task classification"
    return ArrayTargets(REGRESSION, classes, targets, (note,) if whole else ())


def _matrix(path: Path, arrays: Keyed, names: tuple[str, ...]) -> ArrayTargets:
    key, train = arrays["train"]
    if not all(((a == 0) | (a == 1)).all() for _, a in arrays.values()):
        return _values(path, arrays, names)
    for k, array in arrays.values():
        if array.shape[1] != train.shape[1]:
            raise DataError(f"{path}: {k} has {array.shape[1]} columns, {key} has {train.shape[1]}")
    if names and len(names) != train.shape[1]:
        raise DataError(f"{path}: {len(names)} class names, but {key} has {train.shape[1]} columns")
    classes = names or tuple(map(str, range(train.shape[1])))
    if all((array.sum(axis=1) == 1).all() for _, array in arrays.values()):
        targets = {split: array.argmax(axis=1).astype(np.int64) for split, (_, array) in arrays.items()}
        note = f"every row of {key} has exactly one 1, so it is taken for one class each; else: --task multilabel"
        return ArrayTargets(CLASSIFICATION, classes, targets, (note,))
    targets = {split: array.astype(np.uint8) for split, (_, array) in arrays.items()}
    return ArrayTargets(MULTILABEL, classes, targets)


def _masks(path: Path, arrays: Keyed, names: tuple[str, ...]) -> ArrayTargets:
    key, train = arrays["train"]
    values = np.unique(train)
    known = values if values.tolist() == [0, IGNORE] else values[values != IGNORE]  # a mask of black and white
    if names and known.tolist() != [0, IGNORE]:
        known = np.arange(len(names))
    if not 2 <= len(known) < IGNORE or (names and len(names) != len(known)):
        titled = f" for {len(names)} names" if names else ""
        raise DataError(
            f"{path}: {key} contains {len(known)} class(es){titled}, expected 2 to {IGNORE - 1}, numbered from 0"
        )
    targets, unknown = {}, set()
    for split, (_, array) in arrays.items():
        at = np.searchsorted(known, array).clip(max=len(known) - 1)
        found = known[at] == array
        unknown.update(np.unique(array[~found]).tolist())
        targets[split] = np.where(found, at, IGNORE).astype(np.uint8)
    if names and unknown - {IGNORE}:
        raise DataError(
            f"{path}: {key} contains {listed(sorted(unknown - {IGNORE}))}, but there are {len(names)} class names"
        )
    note = f"pixels of {listed(sorted(unknown))} are ignored"
    classes = names or binary_names(known.tolist()) or tuple(map(str, known))
    return ArrayTargets(SEGMENTATION, classes, targets, (note,) if unknown else ())


def as_task(dataset: DataSet, task: Task | None) -> DataSet:
    """*dataset* with its targets taken for *task*; as it is where that is None or its own.

    Class names that are numbers may be taken for a regression's values, and whole numbers for classes; one class for
    one label of several, and labels for a class where every item has exactly one.

    Raises:
        DataError: The targets cannot be taken so.

    >>> from striate.datasets import open_data
    >>> as_task(open_data("digits"), REGRESSION).train.targets[:2].tolist()
    [[0.0], [1.0]]
    """
    if task is None or task == dataset.task:
        return dataset
    why = f"{dataset.why}, as requested"
    kind = TASKS.get(task.targets_as, task)
    if kind == dataset.task:
        return replace(dataset, task=task, why=why)
    convert = _CONVERSIONS.get((dataset.task, kind))
    if convert is None:
        raise TaskError(
            f"{dataset.name}: its targets are for {dataset.task} ({dataset.why}), not for {task}; omit --task"
            + (f", or use shapes:{task}" if dataset.name == "shapes" else "")
        )
    classes, targets = convert(dataset, {name: part.labels for name, part in dataset.parts.items()})
    parts = {name: replace(part, targets=targets[name]) for name, part in dataset.parts.items()}
    return replace(dataset.with_parts(**parts), task=task, classes=classes, positions=(), why=why)


def as_channels(dataset: DataSet, channels: int | None) -> DataSet:
    """*dataset* with its images read in *channels*: 1 (grey), 3 (RGB) or 4 (RGBA); None: as they are.

    Raises:
        RecipeError: Another number.
        DataError: Items that are no images.

    >>> from striate.datasets import open_data
    >>> as_channels(open_data("digits"), 3).input
    (3, 8, 8)
    """
    if channels is None or dataset.input[:1] == (channels,):
        return dataset
    if channels not in OF_CHANNELS:
        raise RecipeError(f"channels is {channels!r}, expected 1 (grey), 3 (RGB) or 4 (RGBA)")
    if dataset.mode not in IMAGES:
        items = {"text": "texts", "values": "values"}.get(dataset.mode, f"arrays of {dataset.input[0]} channels")
        raise DataError(f"{dataset.name}: its items are {items}, so their channels are fixed; omit channels")
    return replace(dataset, mode=OF_CHANNELS[channels], input=(channels, *dataset.input[1:]))


Labels = dict[str, np.ndarray]  # the targets by split


def _classes_to_values(data: DataSet, labels: Labels) -> Converted:
    values = [parse_number(name) for name in data.classes]
    bad = [name for name, v in zip(data.classes, values, strict=True) if v is None or not np.isfinite(v)]
    if bad:
        raise TaskError(
            f"{data.name}: the class {bad[0]!r} is not a number, so its task cannot be regression; use --task "
            f"classification"
        )
    return ("value",), {split: np.array(values, np.float32)[array][:, None] for split, array in labels.items()}


def _values_to_classes(data: DataSet, labels: Labels) -> Converted:
    if any(values.shape[1] != 1 or (values != np.floor(values)).any() for values in labels.values()):
        raise DataError(f"{data.name}: its targets are not one whole number each, so they are not classes")
    present = np.unique(labels["train"])
    unknown = sorted({int(v) for values in labels.values() for v in np.unique(values)} - set(map(int, present)))
    if unknown or len(present) < 2:
        fault = f"only one class, {present[0]:g}" if len(present) < 2 else f"classes that training lacks: {unknown[:5]}"
        raise DataError(f"{data.name}: {fault}; it cannot be taken for classification")
    targets = {split: np.searchsorted(present, values[:, 0]) for split, values in labels.items()}
    return class_order(str(int(v)) for v in present), targets


def _classes_to_labels(data: DataSet, labels: Labels) -> Converted:
    rows = np.eye(len(data.classes), dtype=np.uint8)
    return data.classes, {split: rows[array] for split, array in labels.items()}


def _labels_to_classes(data: DataSet, labels: Labels) -> Converted:
    for split, array in labels.items():
        several = np.flatnonzero(array.sum(axis=1) != 1)
        if len(several):
            item, n = data.parts[split].names[several[0]], array[several[0]].sum()
            raise DataError(f"{item}: it has {n} labels, so the task cannot be classification")
    return data.classes, {split: array.argmax(axis=1) for split, array in labels.items()}


def _values_to_labels(data: DataSet, labels: Labels) -> Converted:
    if not all(np.isin(values, (0, 1)).all() for values in labels.values()):
        raise DataError(f"{data.name}: its targets are not all 0 or 1, so its task cannot be multilabel")
    return data.classes, {split: values.astype(np.uint8) for split, values in labels.items()}


def _labels_to_values(data: DataSet, labels: Labels) -> Converted:
    return data.classes, {split: array.astype(np.float32) for split, array in labels.items()}


_CONVERSIONS = {
    (CLASSIFICATION, REGRESSION): _classes_to_values,
    (REGRESSION, CLASSIFICATION): _values_to_classes,
    (CLASSIFICATION, MULTILABEL): _classes_to_labels,
    (MULTILABEL, CLASSIFICATION): _labels_to_classes,
    (REGRESSION, MULTILABEL): _values_to_labels,
    (MULTILABEL, REGRESSION): _labels_to_values,
}
