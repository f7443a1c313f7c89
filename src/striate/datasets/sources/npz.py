"""NumPy's ``.npz`` archives: the inputs and targets of one or several parts as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from striate.datasets.dataset import DataSet, Part
from striate.datasets.sources.axes import Taken, taken
from striate.datasets.sources.kinds import answered
from striate.datasets.sources.looking import SPLITS, some
from striate.errors import DataError

_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")  # of a zip archive, and of one that holds nothing
_INPUTS = {"x", "images", "image", "data", "inputs"}
_TARGETS = {"y", "labels", "label", "targets", "target"}
_CLASSES = ("classes", "class_names")
_WANTED = "wanted x and y; or x_train, y_train, x_test, y_test (Keras); or train_images, train_labels, ... (MedMNIST)"

Sides = dict[str, tuple[str, str]]  # by part: the keys of its inputs and of its targets


def open_npz(path: Path, task: str | None = None) -> DataSet:
    """The data set in the arrays ``x`` and ``y`` of an archive, or in those of its parts.

    Bytes are images, other numbers are values (see :func:`~.axes.taken`); what the targets are is said at
    :func:`~.kinds.answered`. An array ``classes`` may give the class names. Nothing is ever unpickled.

    Raises:
        DataError: The file is no archive, or damaged; arrays are missing, empty, of objects, of different lengths, not
            finite; a target that training lacks.
    """
    arrays = _arrays(path)
    sides = _sides(path, arrays)
    for x, y in sides.values():
        _check_pair(path, x, arrays[x], y, arrays[y])
    inputs: dict[str, Taken] = {}
    for part, (key, _) in sides.items():
        inputs[part] = taken(f"{path}: {key}", arrays[key], inputs.get("train"))
    names = next((tuple(map(str, arrays[key].ravel())) for key in _CLASSES if key in arrays), ())
    spatial = {part: inputs[part].inputs.shape[1:3] if inputs[part].mode != "values" else () for part in sides}
    meaning = answered(path, {part: (key, arrays[key]) for part, (_, key) in sides.items()}, names, spatial, task)
    train = inputs["train"]
    asked = meaning.task == "regression" and arrays[sides["train"][1]].dtype.kind in "iu" and task == meaning.task
    parts = {
        part: Part(
            inputs[part].inputs, meaning.targets[part], tuple(f"{path.stem} {part} {i}" for i in range(len(arrays[x])))
        )
        for part, (x, _) in sides.items()
    }
    return DataSet(
        path.stem,
        meaning.task,
        meaning.classes,
        train.mode,
        train.shape,
        **parts,
        why=f"from {sides['train'][1]} of {path.name}{', as asked for' if asked else ''}",
        mask_values=tuple(range(len(meaning.classes))) if meaning.task == "segmentation" else (),
        notes=(train.note, *meaning.notes),
    )


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of the archive, read."""
    try:
        with path.open("rb") as stream:
            if stream.read(4) not in _MAGIC:
                raise DataError(f"{path}: this is no .npz archive; write one with numpy.savez(file, x=..., y=...)")
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as archive:
                return {key: _array(path, archive, key) for key in archive.files}
    except DataError:
        raise
    except Exception as error:  # NumPy and zipfile meet damage with a dozen kinds
        reason = str(error) or type(error).__name__
        raise DataError(f"{path}: damaged, cut short or not readable ({reason}); copy or write it again") from None


def _array(path: Path, archive: Mapping[str, np.ndarray], key: str) -> np.ndarray:
    try:
        array = archive[key]
    except ValueError as error:
        if "pickle" not in str(error):
            raise
        raise DataError(
            f"{path}: {key} holds Python objects, which may run code when they are read; make it one array of numbers "
            "(numpy.stack) and save again"
        ) from None
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path}: {key} is no array; write the file with numpy.savez")
    return array


def _sides(path: Path, arrays: Mapping[str, np.ndarray]) -> Sides:
    """The keys of each part's inputs and targets."""
    found: dict[tuple[str, str], str] = {}
    for key in arrays:
        if (role := _role(key)) is None:
            continue
        if role in found:
            raise DataError(f"{path}: both {found[role]} and {key} are the {role[1]} of the {role[0]} part; keep one")
        found[role] = key
    there = some(f"{key} {array.shape}" for key, array in arrays.items()) or "no array"
    parts = [part for part in ("train", "val", "test") if (part, "inputs") in found or (part, "targets") in found]
    if "train" not in parts:
        raise DataError(f"{path}: it holds {there}; {_WANTED}")
    for part in parts:
        for side, other in (("inputs", "targets"), ("targets", "inputs")):
            if (part, side) not in found:
                raise DataError(f"{path}: {found[part, other]} has no {side} beside it: it holds {there}; {_WANTED}")
    return {part: (found[part, "inputs"], found[part, "targets"]) for part in parts}


def _role(key: str) -> tuple[str, str] | None:
    """``(part, "inputs" or "targets")`` of an array by its name; None of one that is neither.

    >>> _role("x"), _role("y_test"), _role("train_images"), _role("weights")
    (('train', 'inputs'), ('test', 'targets'), ('train', 'inputs'), None)
    """
    words = key.lower().split("_")
    parts = [SPLITS[word] for word in words if word in SPLITS]
    sides = ["inputs" if word in _INPUTS else "targets" for word in words if word in _INPUTS | _TARGETS]
    return (parts[0] if parts else "train", sides[0]) if len(sides) == 1 and len(parts) == len(words) - 1 < 2 else None


def _check_pair(path: Path, x: str, inputs: np.ndarray, y: str, targets: np.ndarray) -> None:
    for key, array in ((x, inputs), (y, targets)):
        if array.ndim == 0 or array.size == 0:
            raise DataError(f"{path}: {key} has the shape {array.shape}: it holds no item")
        if array.dtype.kind not in "biuf" + ("US" if key == y else ""):
            raise DataError(f"{path}: {key} holds {array.dtype}, wanted numbers; texts belong into a table (.csv)")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            places = np.argwhere(~np.isfinite(array))
            n, first = len(places), places[0, 0]
            raise DataError(
                f"{path}: {key} holds {n} NaN or infinite number(s), first in item {first}; remove or replace them"
            )
    if len(inputs) != len(targets):
        raise DataError(f"{path}: {x} has {len(inputs)} items, but {y} has {len(targets)}; they must belong together")
