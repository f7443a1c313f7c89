"""NumPy's ``.npz`` archives: the inputs and targets of one or several splits as arrays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from zipfile import ZipFile

import numpy as np

from striate.datasets.dataset import SPLIT_NAMES, SPLITS, DataSet, Part
from striate.datasets.sources.idx import RATIO, UNPACKED
from striate.datasets.sources.targets import array_targets, value_text
from striate.errors import DataError, listed
from striate.files import check_regular
from striate.model.contract import OF_CHANNELS
from striate.model.foreign import readable
from striate.tasks import Task

_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")  # of a zip archive, and of an empty one
_INPUTS = {"x", "images", "image", "imgs", "img", "data", "inputs", "input", "features"}
_TARGETS = {"y", "labels", "label", "targets", "target"}
_CLASSES = ("classes", "class_names")
_EXPECTED = (
    "expected x and y; or x_train, y_train, x_test, y_test (Keras); or train_images, train_labels, ... (MedMNIST)"
)
_MOST_CHANNELS = 16  # a longer axis is a side of a volume
_AXES = {2: "(N, L)", 3: "(N, H, W)", 4: "(N, H, W, C) or (N, C, H, W)", 5: "(N, D, H, W, C) or (N, C, D, H, W)"}

Sides = dict[str, tuple[str, str]]  # by split: the keys of its inputs and of its targets


def is_npz(path: Path) -> bool:
    """Whether *path* is a file of that name."""
    return path.suffix.lower() == ".npz" and path.is_file()


def open_npz(path: Path, task: Task | None = None) -> DataSet:
    """The data set in the arrays ``x`` and ``y`` of an archive, or in those of its splits.

    Bytes are images, other numbers are values (see :func:`array_inputs`); for the targets see
    :func:`~.targets.array_targets`. An array ``classes`` may give the class names. Nothing is ever unpickled.

    Raises:
        DataError: The file is no archive, or damaged; arrays are missing, empty, of objects, of different lengths, not
            finite; a target that training lacks.
    """
    arrays = archive_arrays(path)
    if not any(map(_role, arrays)) and [*arrays] == ["arr_0", "arr_1"]:  # numpy.savez(file, x, y)
        arrays = {"x": arrays["arr_0"], "y": arrays["arr_1"]}
    elif [*arrays] == ["arr_0"]:
        only = arrays["arr_0"]
        raise DataError(
            f"{path}: it contains one array, {only.dtype} {only.shape}, and no targets; put the other half beside it "
            "(as in NAME-train-imgs.npz and NAME-train-labels.npz) and name the folder, or save both in one file with "
            "numpy.savez(file, x=..., y=...)"
        )
    return arrays_data_set(path, path.stem, arrays, task)


def inputs_alone(path: Path, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The inputs among *arrays* by split, whether there are targets or not: what there is to predict for.

    Raises:
        DataError: None of them is called so, and there are several.
    """
    found: dict[str, np.ndarray] = {}
    for key, array in arrays.items():
        if (role := _role(key)) and role[1] == "inputs":
            found[role[0]] = array
    if not found and (len(arrays) == 1 or [*arrays] == ["arr_0", "arr_1"]):
        found = {"train": next(iter(arrays.values()))}
    if not found:
        there = listed(f"{key} {array.shape}" for key, array in arrays.items()) or "no array"
        raise DataError(f"{path}: it contains {there}; expected the inputs as x")
    return {split: found[split] for split in SPLITS if split in found}


def arrays_data_set(path: Path, name: str, arrays: Mapping[str, np.ndarray], task: Task | None = None) -> DataSet:
    """The data set in *arrays* whose names say what they are (``x``, ``y_train``, ``test_images``, ...).

    Args:
        path: Where they are from, for messages.
        name: Of the data set.
        arrays: By name.
        task: As in :func:`open_npz`.

    Raises:
        DataError: As :func:`open_npz`.
    """
    sides = _sides(path, arrays)
    for x, y in sides.values():
        _check_pair(path, x, arrays[x], y, arrays[y])
    inputs: dict[str, ArrayInputs] = {}
    for split, (key, _) in sides.items():
        inputs[split] = array_inputs(f"{path}: {key}", arrays[key], inputs.get("train"))
    names = next((tuple(map(value_text, arrays[key].ravel().tolist())) for key in _CLASSES if key in arrays), ())
    spatial = {split: one.inputs.shape[1:3] if one.mode != "values" else () for split, one in inputs.items()}
    meaning = array_targets(path, {split: (y, arrays[y]) for split, (_, y) in sides.items()}, names, spatial, task)
    train, (_, y) = inputs["train"], sides["train"]
    requested = task is not None and task.continuous and task == meaning.task and arrays[y].dtype.kind in "iu"
    parts = {
        split: Part(one.inputs, meaning.targets[split], tuple(f"{name} {split} {i}" for i in range(len(one.inputs))))
        for split, one in inputs.items()
    }
    return DataSet.of(
        name,
        meaning.task,
        meaning.classes,
        train.mode,
        train.shape,
        parts,
        why=f"from {y} of {path.resolve().name}{', as requested' if requested else ''}",
        mask_values=tuple(range(len(meaning.classes))) if meaning.task.per_pixel else (),
        notes=(train.note, *meaning.notes),
    )


def archive_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of the archive: those that are used, or may be, are read; of the others, the type and the shape."""
    with readable(path):
        check_regular(path)
        with path.open("rb") as stream:
            if stream.read(4) not in _MAGIC:
                raise DataError(f"{path}: not an .npz archive; write one with numpy.savez(file, x=..., y=...)")
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as archive:
                used = [key for key in archive.files if _role(key) or key in _CLASSES]
                used = used if any(map(_role, used)) else archive.files
                packed = cast(ZipFile, archive.zip)
                _check_unpacked(path, packed, used)
                found = {key: _array(path, archive, key) if key in used else _outline(packed, key) for key in archive}
                return {key: array for key, array in found.items() if array is not None}


def _outline(archive: ZipFile, key: str) -> np.ndarray | None:
    """An array of the type and shape in a member's header, of one number only: nothing is unpacked."""
    try:
        with archive.open(f"{key}.npy") as member:
            version = np.lib.format.read_magic(member)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(member)
            return np.broadcast_to(np.zeros((), dtype), shape)
    except (KeyError, ValueError):
        return None


def _check_unpacked(path: Path, archive: ZipFile, keys: list[str]) -> None:
    """Refuses a small file of arrays that would fill the memory, by the archive's directory."""
    sizes = {member.filename: member.file_size for member in archive.infolist()}
    unpacked = sum(sizes.get(f"{key}.npy", sizes.get(key, 0)) for key in keys)
    most = max(UNPACKED, RATIO * path.stat().st_size)
    if unpacked > most:
        raise DataError(
            f"{path}: {listed(keys)} unpack to {unpacked:,} bytes, expected at most {most:,} of a file of its size; "
            f"if they are right, write them with numpy.savez, not compressed"
        )


def _array(path: Path, archive: Mapping[str, np.ndarray], key: str) -> np.ndarray:
    with readable(path, key):
        array = archive[key]
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path}: {key} is not an array; write the file with numpy.savez")
    return array


def _sides(path: Path, arrays: Mapping[str, np.ndarray]) -> Sides:
    """The keys of each split's inputs and targets."""
    found: dict[tuple[str, str], str] = {}
    for key in arrays:
        if (role := _role(key)) is None:
            continue
        if role in found:
            raise DataError(f"{path}: both {found[role]} and {key} are the {role[1]} of the {role[0]} split; keep one")
        found[role] = key
    there = listed(f"{key} {array.shape}" for key, array in arrays.items()) or "no array"
    splits = [split for split in SPLITS if (split, "inputs") in found or (split, "targets") in found]
    if "train" not in splits:
        raise DataError(f"{path}: it contains {there}; {_EXPECTED}")
    for split in splits:
        for side, other in (("inputs", "targets"), ("targets", "inputs")):
            if (split, side) not in found:
                raise DataError(
                    f"{path}: {found[split, other]} has no {side} beside it: it contains {there}; {_EXPECTED}"
                )
    return {split: (found[split, "inputs"], found[split, "targets"]) for split in splits}


def _role(key: str) -> tuple[str, str] | None:
    """``(split, "inputs" or "targets")`` of an array by its name; None of one that is neither.

    >>> _role("x"), _role("y_test"), _role("train_images"), _role("weights")
    (('train', 'inputs'), ('test', 'targets'), ('train', 'inputs'), None)
    """
    words = re.split(r"[_ .-]+", key.lower())
    splits = [SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES]
    sides = ["inputs" if word in _INPUTS else "targets" for word in words if word in _INPUTS | _TARGETS]
    alone = len(sides) == 1 and len(splits) == len(words) - 1 < 2
    return (splits[0] if splits else "train", sides[0]) if alone else None


def _check_pair(path: Path, x: str, inputs: np.ndarray, y: str, targets: np.ndarray) -> None:
    for key, array in ((x, inputs), (y, targets)):
        if array.ndim == 0 or array.size == 0:
            raise DataError(f"{path}: {key} has the shape {array.shape}: it contains no items")
        if array.dtype.kind not in "biuf" + ("US" if key == y else ""):
            raise DataError(f"{path}: {key} contains {array.dtype}, expected numbers; texts belong into a table (.csv)")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            places = np.argwhere(~np.isfinite(array))
            n, first = len(places), places[0, 0]
            raise DataError(
                f"{path}: {key} contains {n} NaN or infinite number(s), first in item {first}; remove or replace them"
            )
    if len(inputs) != len(targets):
        raise DataError(f"{path}: {x} has {len(inputs)} items, but {y} has {len(targets)}; they must belong together")


@dataclass(frozen=True, eq=False)
class ArrayInputs:
    """Inputs as a split has them, the mode, one item's ``(C, ...)``, and how the axes were understood, in words."""

    inputs: np.ndarray
    mode: str
    shape: tuple[int, ...]
    note: str
    axis: int  # of the channels, in the array as it came; 0 where there are none


def array_inputs(where: str, array: np.ndarray, like: ArrayInputs | None = None, *, table: bool = False) -> ArrayInputs:
    """*array* as images or values, by its type and its axes.

    Bytes ``(N, H, W)`` are grey images, ``(N, H, W, C)`` or ``(N, C, H, W)`` images of C channels: the smaller of the
    two ends. Everything else becomes values, float32 ``(N, C, ...)``: ``(N, L)`` and ``(N, A, B)`` are of one channel;
    of four axes or more the smaller end is the channels. Where no end is below 17 and unlike the other, four axes are
    volumes of one channel, ``(N, D, H, W)``.

    Args:
        where: What the array is called in a message.
        array: Numbers, finite.
        like: The training split, whose axes and, of values, sides this one must share.
        table: ``(N, F)`` is a table of F columns whose order means nothing: an item is ``(F,)``, each a channel.

    Raises:
        DataError: Too few or too many axes, or others than the training split's.
    """
    if array.ndim not in _AXES:
        raise DataError(f"{where} has the shape {array.shape}, expected 2 to 5 axes, such as {_AXES[4]}")
    axis = like.axis if like else _channel_axis(array.shape)
    image = array.dtype == np.uint8 and (array.ndim == 3 or (array.ndim == 4 and axis != 0))
    if like and (like.mode != "values") != image:
        raise DataError(f"{where} is {array.dtype} {array.shape}, unlike the training split; save both the same way")
    if axis >= array.ndim:
        raise DataError(f"{where} has the shape {array.shape}, the items of the training split have more axes")
    table = table and array.ndim == 2
    first = np.moveaxis(array, axis, 1) if axis else array if table else array[:, None]
    shape = first.shape[1:]
    channels = (
        f"a column is a channel ({shape[0]})"
        if table
        else f"axis {axis} is taken for the channels ({shape[0]})"
        if axis
        else "there is one channel"
    )
    what = "images" if image else "volumes" if first.ndim == 5 else "values"
    note = f"{array.dtype} {array.shape}: {what}; {channels}, so an item is {'x'.join(map(str, shape))}"
    if axis and array.ndim == 4 and shape[0] > max(OF_CHANNELS):
        note += f"; if they are volumes, save each as 1x{'x'.join(map(str, array.shape[1:]))}"
    if like and (like.shape[:1] != shape[:1] if image else like.shape != shape):
        raise DataError(f"{where}: an item is {shape}, in the training split {like.shape}; save both the same way")
    if image:
        inputs = np.ascontiguousarray(np.moveaxis(first, 1, -1) if axis else array)
        return ArrayInputs(inputs, OF_CHANNELS.get(shape[0], "channels"), shape, note, axis)
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(first, np.float32)
    if not np.isfinite(values).all():
        raise DataError(f"{where} contains numbers beyond 3.4e38, the maximum of 32 bits; scale it")
    return ArrayInputs(values, "values", shape, note, axis)


def _channel_axis(shape: tuple[int, ...]) -> int:
    """The axis that is the channels; 0 where none is.

    >>> [_channel_axis(s) for s in ((9, 32, 32), (9, 32, 32, 3), (9, 13, 64, 64), (9, 28, 28, 28), (9, 2, 8, 8, 8))]
    [0, 3, 1, 0, 1]
    """
    if len(shape) < 4:
        return 0
    first, last = shape[1], shape[-1]
    small = min(first, last)
    if len(shape) == 4 and (small > _MOST_CHANNELS or (first == last and small > max(OF_CHANNELS))):
        return 0
    return 1 if first < last else len(shape) - 1
