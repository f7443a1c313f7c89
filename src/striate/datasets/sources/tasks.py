"""A data set taken for another task than it looks like."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from striate.datasets.dataset import DataSet, Part
from striate.datasets.sources.answers import in_order
from striate.datasets.sources.rows import number
from striate.errors import DataError, RecipeError
from striate.model.contract import IMAGES
from striate.tasks import task_named


def check_task(task: str | None) -> None:
    """Raises a RecipeError where *task* is none."""
    if task is not None:
        task_named(task)


def as_task(dataset: DataSet, task: str | None) -> DataSet:
    """*dataset* with its targets taken for *task*; as it is where that is None or its own.

    Class names that are numbers may be taken for numbers to be predicted, and whole numbers for classes; one class for
    one label of several, and labels for a class where every item has exactly one.

    Raises:
        DataError: The targets cannot be taken so.
    """
    check_task(task)
    if task is None or task == dataset.task:
        return dataset
    change = _CHANGES.get((dataset.task, task))
    if change is None:
        raise DataError(f"{dataset.name}: its task is {dataset.task} ({dataset.why}); it cannot be taken for {task}")
    classes, targets = change(dataset)
    parts = {name: Part(part.inputs, targets[name], part.names) for name, part in dataset.parts.items()}
    return replace(dataset, task=task, classes=classes, positions=(), why=f"{dataset.why}, as asked for", **parts)


def as_channels(dataset: DataSet, channels: int | None) -> DataSet:
    """*dataset* with its images read in *channels*: 1 (grey), 3 (RGB) or 4 (RGBA); None: as they are.

    Raises:
        RecipeError: Another number.
        DataError: Items that are no images.
    """
    if channels is None or dataset.input[:1] == (channels,):
        return dataset
    modes = {1: "L", 3: "RGB", 4: "RGBA"}
    if channels not in modes:
        raise RecipeError(f"channels is {channels!r}, wanted 1 (grey), 3 (RGB) or 4 (RGBA)")
    if dataset.mode not in IMAGES:
        raise DataError(f"{dataset.name}: its items are {_items(dataset)}, so it comes as it is; leave channels out")
    return replace(dataset, mode=modes[channels], input=(channels, *dataset.input[1:]))


def _items(dataset: DataSet) -> str:
    return {"text": "texts", "values": "values"}.get(dataset.mode, f"arrays of {dataset.input[0]} channels")


Changed = tuple[tuple[str, ...], dict[str, np.ndarray]]


def _classes_to_numbers(dataset: DataSet) -> Changed:
    values = [number(name) for name in dataset.classes]
    strange = [
        name for name, value in zip(dataset.classes, values, strict=True) if value is None or not np.isfinite(value)
    ]
    if strange:
        raise DataError(f"{dataset.name}: the class {strange[0]!r} is no number, so its task cannot be regression")
    return ("value",), {n: np.array(values, np.float32)[p.targets][:, None] for n, p in dataset.parts.items()}


def _numbers_to_classes(dataset: DataSet) -> Changed:
    targets = {name: np.asarray(part.targets) for name, part in dataset.parts.items()}
    if any(values.shape[1] != 1 or (values != np.floor(values)).any() for values in targets.values()):
        raise DataError(f"{dataset.name}: its targets are not one whole number each, so they are no classes")
    present = np.unique(targets["train"])
    strange = sorted({int(v) for values in targets.values() for v in np.unique(values)} - set(map(int, present)))
    if strange or len(present) < 2:
        fault = f"only one class, {present[0]:g}" if len(present) < 2 else f"classes that training lacks: {strange[:5]}"
        raise DataError(f"{dataset.name}: {fault}; it cannot be taken for classification")
    return in_order(str(int(v)) for v in present), {n: np.searchsorted(present, v[:, 0]) for n, v in targets.items()}


def _classes_to_labels(dataset: DataSet) -> Changed:
    rows = np.eye(len(dataset.classes), dtype=np.uint8)
    return dataset.classes, {name: rows[part.targets] for name, part in dataset.parts.items()}


def _labels_to_classes(dataset: DataSet) -> Changed:
    targets = {name: np.asarray(part.targets) for name, part in dataset.parts.items()}
    for name, values in targets.items():
        several = np.flatnonzero(values.sum(axis=1) != 1)
        if len(several):
            item = dataset.parts[name].name(int(several[0]))
            raise DataError(f"{item}: it has {values[several[0]].sum()} labels, so the task cannot be classification")
    return dataset.classes, {name: values.argmax(axis=1) for name, values in targets.items()}


def _numbers_to_labels(dataset: DataSet) -> Changed:
    targets = {name: np.asarray(part.targets) for name, part in dataset.parts.items()}
    if not all(np.isin(values, (0, 1)).all() for values in targets.values()):
        raise DataError(f"{dataset.name}: its targets are not all 0 or 1, so its task cannot be multilabel")
    return dataset.classes, {name: values.astype(np.uint8) for name, values in targets.items()}


def _labels_to_numbers(dataset: DataSet) -> Changed:
    return dataset.classes, {n: np.asarray(p.targets, np.float32) for n, p in dataset.parts.items()}


_CHANGES = {
    ("classification", "regression"): _classes_to_numbers,
    ("regression", "classification"): _numbers_to_classes,
    ("classification", "multilabel"): _classes_to_labels,
    ("multilabel", "classification"): _labels_to_classes,
    ("regression", "multilabel"): _numbers_to_labels,
    ("multilabel", "regression"): _labels_to_numbers,
}
