"""Annotated objects, whatever format they are written in: the class or the labels of each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from striate.datasets.dataset import DataSet, Part
from striate.datasets.sources.folders import typical
from striate.errors import DataError, counted
from striate.tasks import CLASSIFICATION, MULTILABEL, Task

Labelled = Sequence[tuple[Path, Sequence[int]]]  # images, and the numbers of the classes of their objects


def objects_data_set(
    folder: Path, splits: Mapping[str, Labelled], names: dict[int, str], task: Task | None, why: str, notes: list[str]
) -> DataSet:
    """The data set of the images of each split: of a class each where none has objects of several, else of labels.

    Args:
        folder: Where they are.
        splits: By split.
        names: Of the classes, by their number.
        task: What to take them for; None: what they look like.
        why: Where the targets are from.
        notes: Those so far; an image without an object is noted, where it cannot have a class.

    Raises:
        DataError: A class each is wanted, but an image has several, or none has an object.
    """
    numbers = {i: n for n, i in enumerate(sorted(names))}
    single = all(len({*of}) <= 1 for found in splits.values() for _, of in found)
    task = task or (CLASSIFICATION if single else MULTILABEL)
    if task.exclusive and not single:
        raise DataError(f"{folder}: an image has objects of several classes; use --task multilabel")
    parts = {}
    for split, found in splits.items():
        kept = [(path, of) for path, of in found if of or not task.exclusive]
        if len(kept) < len(found):
            notes.append(f"{split}: {counted(len(found) - len(kept), 'image')} without an object skipped")
        if not kept:
            raise DataError(f"{folder}: no image of {split} has an object; remove it, or add --task multilabel")
        targets = np.zeros((len(kept), len(numbers)), np.uint8)
        for row, (_, of) in zip(targets, kept, strict=True):
            row[[numbers[label] for label in of]] = 1
        paths = tuple(path for path, _ in kept)
        made: np.ndarray = targets.argmax(1).astype(np.int64) if task.exclusive else targets
        parts[split] = Part(paths, made, tuple(map(str, paths)))
    mode, shape, about = typical(folder, parts["train"].files)
    return DataSet(
        folder.resolve().name,
        task,
        tuple(names[i] for i in sorted(names)),
        mode,
        shape,
        parts["train"],
        parts.get("val"),
        parts.get("test"),
        why=why,
        notes=(*about, *notes),
    )
