"""Arrays as targets: what task they are of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from striate.datasets.sources.answers import of_numbers
from striate.datasets.sources.looking import some
from striate.errors import DataError
from striate.model.contract import IGNORE

Keyed = dict[str, tuple[str, np.ndarray]]  # by part: what its targets are called, and they


@dataclass(frozen=True, eq=False)
class Answered:
    """The task, the class names, the targets by part, and notes."""

    task: str
    classes: tuple[str, ...]
    targets: dict[str, np.ndarray]
    notes: tuple[str, ...] = ()


def answered(
    path: Path, arrays: Keyed, names: tuple[str, ...], spatial: dict[str, tuple[int, ...]], task: str | None = None
) -> Answered:
    """What the targets are, by their type and shape in the training part.

    Whole numbers or texts ``(N,)`` or ``(N, 1)`` are classes; floating point ``(N,)`` or ``(N, V)`` are numbers to be
    predicted; a matrix ``(N, K)`` of 0 and 1 is one class (where every row holds exactly one 1) or several labels;
    whole numbers ``(N, H, W)`` of the images' size are masks of class numbers, in which 255 is ignored.

    Args:
        path: The file, for messages.
        arrays: By part.
        names: The class names where the file gives them: targets are their numbers then; or ``()``.
        spatial: By part, the images' height and width; ``()`` where inputs are no images.
        task: ``"regression"`` takes whole numbers ``(N,)`` for numbers to be predicted, too.

    Raises:
        DataError: None of these; too few classes; a class that training lacks, or that has no name.
    """
    key, train = arrays["train"]
    squeezed = {part: (k, a[..., 0] if a.ndim > 1 and a.shape[-1] == 1 else a) for part, (k, a) in arrays.items()}
    train = squeezed["train"][1]
    for k, array in squeezed.values():
        if array.ndim != train.ndim or (array.dtype.kind in "US") != (train.dtype.kind in "US"):
            raise DataError(f"{path}: {k} is {array.dtype} {array.shape}, but {key} {train.dtype} {train.shape}")
    if train.ndim == 1:
        numbers = train.dtype.kind == "f" or (task == "regression" and train.dtype.kind in "iu")
        return _numbers(path, squeezed, names) if numbers else _classes(path, squeezed, names)
    if train.ndim == 2:
        return _matrix(path, squeezed, names)
    fits = all(a.shape[1:] == spatial[part] for part, (_, a) in squeezed.items())
    if train.ndim == 3 and train.dtype.kind in "biu" and fits:
        return _masks(path, squeezed, names)
    raise DataError(
        f"{path}: {key} is {train.dtype} {train.shape}; wanted (N,) or (N, K), or of images whole numbers (N, H, W) of "
        "their size"
    )


def _classes(path: Path, arrays: Keyed, names: tuple[str, ...]) -> Answered:
    present = np.unique(arrays["train"][1])
    if names and present.dtype.kind not in "US":
        present = np.arange(len(names))
    if len(present) < 2:
        there = f"every target is {present[0]}" if not names else f"there is one class name, {names[0]!r}"
        raise DataError(f"{path}: {there}; learning needs two classes or more")
    targets = {}
    for part, (key, array) in arrays.items():
        strange = np.flatnonzero(~np.isin(array, present))
        if len(strange):
            values = some(np.unique(array[strange]).tolist())
            known = f"classes names {len(names)}" if names else f"the training part has {some(present.tolist(), 20)}"
            amounts = "" if names or array.dtype.kind in "US" else ", or take the task regression if they are amounts"
            raise DataError(
                f"{path}: {key} holds {values} (first in item {strange[0]}), but {known}; correct it{amounts}"
            )
        targets[part] = np.searchsorted(present, array).astype(np.int64)
    classes = names if names and len(names) == len(present) else tuple(map(_text, present))
    return Answered("classification", classes, targets, () if names else of_numbers(classes, arrays["train"][0]))


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _numbers(path: Path, arrays: Keyed, names: tuple[str, ...]) -> Answered:
    """Regression: of one number, or of several."""
    key, train = arrays["train"]
    width = train.shape[1] if train.ndim == 2 else 1
    for k, array in arrays.values():
        if array.shape[1:] != train.shape[1:]:
            raise DataError(f"{path}: {k} has {array.shape[1:]} numbers an item, {key} has {train.shape[1:]}")
    with np.errstate(over="ignore"):
        targets = {part: a.reshape(len(a), width).astype(np.float32) for part, (_, a) in arrays.items()}
    if not all(np.isfinite(values).all() for values in targets.values()):
        raise DataError(f"{path}: the targets hold numbers beyond 3.4e38, the most of 32 bits; scale them")
    classes = names if len(names) == width else ("y",) if width == 1 else tuple(f"y{i}" for i in range(width))
    whole = width == 1 and train.dtype.kind == "f" and (train == np.floor(train)).all()
    note = f"{key} holds whole numbers, stored as {train.dtype}; if they are classes: task classification"
    return Answered("regression", classes, targets, (note,) if whole else ())


def _matrix(path: Path, arrays: Keyed, names: tuple[str, ...]) -> Answered:
    key, train = arrays["train"]
    if not all(((a == 0) | (a == 1)).all() for _, a in arrays.values()):
        return _numbers(path, arrays, names)
    for k, array in arrays.values():
        if array.shape[1] != train.shape[1]:
            raise DataError(f"{path}: {k} has {array.shape[1]} columns, {key} has {train.shape[1]}")
    if names and len(names) != train.shape[1]:
        raise DataError(f"{path}: {len(names)} class names, but {key} has {train.shape[1]} columns")
    classes = names or tuple(map(str, range(train.shape[1])))
    if all((array.sum(axis=1) == 1).all() for _, array in arrays.values()):
        targets = {part: array.argmax(axis=1).astype(np.int64) for part, (_, array) in arrays.items()}
        note = f"every row of {key} holds one 1, so it is taken for one class each; else: task multilabel"
        return Answered("classification", classes, targets, (note,))
    return Answered("multilabel", classes, {part: array.astype(np.uint8) for part, (_, array) in arrays.items()})


def _masks(path: Path, arrays: Keyed, names: tuple[str, ...]) -> Answered:
    key, train = arrays["train"]
    values = np.unique(train)
    known = values if values.tolist() == [0, IGNORE] else values[values != IGNORE]  # a mask of black and white
    if names and known.tolist() != [0, IGNORE]:
        known = np.arange(len(names))
    if not 2 <= len(known) < IGNORE or (names and len(names) != len(known)):
        titled = f" for {len(names)} names" if names else ""
        raise DataError(
            f"{path}: {key} holds {len(known)} class(es){titled}, wanted 2 to {IGNORE - 1}, numbered from 0"
        )
    targets, strange = {}, set()
    for part, (_, array) in arrays.items():
        at = np.searchsorted(known, array).clip(max=len(known) - 1)
        found = known[at] == array
        strange.update(np.unique(array[~found]).tolist())
        targets[part] = np.where(found, at, IGNORE).astype(np.uint8)
    if names and strange - {IGNORE}:
        raise DataError(
            f"{path}: {key} holds {some(sorted(strange - {IGNORE}))}, but there are {len(names)} class names"
        )
    note = f"pixels of {some(sorted(strange))} are ignored"
    return Answered("segmentation", names or tuple(map(str, known)), targets, (note,) if strange else ())
