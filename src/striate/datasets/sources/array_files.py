"""Arrays in several files: ``X.npy`` and ``y.npy``, ``.npz`` pairs, HDF5; a ``.npy`` or NIfTI for each item in class
folders.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from striate.datasets.dataset import SPLIT_NAMES, SPLITS, Broken, DataSet, Part
from striate.datasets.sources.idx import RATIO, UNPACKED
from striate.datasets.sources.npz import archive_arrays, array_inputs, arrays_data_set, open_npz
from striate.errors import DataError, listed, listed_quoted
from striate.files import check_regular
from striate.model.foreign import needed_package, readable
from striate.model.opening import folder_contents
from striate.tasks import CLASSIFICATION, Task

_HDF5 = (".h5", ".hdf5", ".hdf")
NIFTI = (".nii", ".nii.gz")
ARRAY_SUFFIXES = (".npy", ".npz", *_HDF5)
_ITEM_SUFFIXES = (".npy", *NIFTI)
_SIDES = {
    **dict.fromkeys(("x", "images", "image", "imgs", "img", "data", "inputs", "input", "features"), "x"),
    **dict.fromkeys(("y", "labels", "label", "targets", "target"), "y"),
    **dict.fromkeys(("classes", "class_names"), "classes"),
}


def is_array_files(path: Path) -> bool:
    """Whether *path* is a ``.npy`` or HDF5 file, or a folder of such files or ``.npz``, flat or in class folders."""
    if not path.is_dir():
        return path.suffix.lower() in (".npy", *_HDF5)
    return bool(_flat(path) or _class_folders(path))


def open_array_files(path: Path, task: Task | None = None) -> DataSet:
    """The data set in ``X.npy`` and ``y.npy`` (or ``x_train.npy``, ``train_labels.npy``, ...), in the only archive of a
    folder, in pairs of ``.npz`` or HDF5 files of one array each, or in class folders of ``.npy`` files.

    Args:
        path: The folder, or one of its ``.npy`` or HDF5 files.
        task: As in :func:`~.npz.open_npz`.

    Raises:
        DataError: Several archives, a half without the other, items of different shapes, a damaged file, objects; as
            :func:`~.npz.open_npz`.
    """
    if not path.is_dir():
        found = loaded_arrays(path)
        if len(found) > 1:
            return arrays_data_set(path, path.stem, _named(found), task)
        beside = [file for file in _flat(path.parent) if file.suffix == path.suffix]
        if not _role(path.stem) or len(beside) < 2:
            shape = "".join(f", {array.dtype} {array.shape}" for array in found.values())
            raise DataError(f"{path}: it is one array{shape}; put the targets beside it, as in X.npy and y.npy")
        return _paired(path.parent, beside, task)
    if files := _flat(path):
        archives = [file for file in files if file.suffix.lower() != ".npy"]
        if len(archives) == 1 and len(files) == 1:
            only = archives[0]
            return open_npz(only, task) if only.suffix.lower() == ".npz" else open_array_files(only, task)
        if len(archives) > 1 and not _is_paired(archives):
            names = listed(file.name for file in archives)
            raise DataError(f"{path}: several archives ({names}); name the one to open, such as {archives[0]}")
        return _paired(path, files, task)
    return _of_items(path)


def _flat(folder: Path) -> list[Path]:
    """The array files of a folder that contains nothing else but texts (readme, names)."""
    folders, files = folder_contents(folder)
    found = [path for path in files if path.suffix.lower() in ARRAY_SUFFIXES]
    others = {path.suffix.lower() for path in files} - {*ARRAY_SUFFIXES, ".txt", ".md", ".json", ".sha256", ".md5", ""}
    return found if found and not others and not folders else []


def _role(name: str) -> str:
    """``x_train`` and so on, of a name that says it: ``kmnist-train-imgs``, ``train_set_y``; "" of another one."""
    words = re.split(r"[^a-z0-9]+", name.lower())
    sides = [_SIDES[word] for word in words if word in _SIDES]
    splits = [SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES]
    if "classes" in sides and not splits:
        return "classes"
    return f"{sides[-1]}_{splits[0] if splits else 'train'}" if sides else ""


def _is_paired(files: Sequence[Path]) -> bool:
    roles = [_role(file.stem) for file in files]
    return all(roles) and len({*roles}) == len(roles) and any(role.startswith("y") for role in roles)


def _paired(folder: Path, files: Sequence[Path], task: Task | None) -> DataSet:
    """Files of one array each, which their names explain."""
    arrays: dict[str, np.ndarray] = {}
    for file in files:
        role = _role(file.stem)
        if not role:
            continue
        if role in arrays:
            raise DataError(f"{folder}: two files are {role}, one of them {file.name}; keep one")
        found = loaded_arrays(file)
        if len(found) != 1:
            raise DataError(f"{file}: it contains {listed(found)}; name the file itself to open it")
        (arrays[role],) = found.values()
    if not {"x_train", "y_train"} <= arrays.keys():
        raise DataError(f"{folder}: {listed(f.name for f in files)}; expected two arrays such as X.npy and y.npy")
    return arrays_data_set(folder, folder.resolve().name, arrays, task)


def _named(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays of an HDF5 file under names that are understood: ``train_set_x`` is ``x_train``."""
    return {_role(key) or key: array for key, array in arrays.items()}


def loaded_arrays(file: Path) -> dict[str, np.ndarray]:
    """The arrays in a file, by name; nothing is ever unpickled.

    Raises:
        DataError: It is damaged, of objects, or its package is not installed.
    """
    try:
        check_regular(file)
    except OSError as error:
        raise DataError(f"{file}: {error.strerror}") from None
    if file.name.lower().endswith(NIFTI):
        return {file.stem: nifti_volume(file)}
    with readable(file):
        if file.suffix.lower() in _HDF5:
            h5py = needed_package(file.suffix, "h5py", "h5py", "save it as .npz", file)
            found: dict[str, np.ndarray] = {}
            with h5py.File(file, "r") as archive:
                archive.visititems(lambda key, item: found.update({key: item} if hasattr(item, "shape") else {}))
                size, most = sum(item.nbytes for item in found.values()), max(UNPACKED, RATIO * file.stat().st_size)
                if size > most:
                    raise DataError(
                        f"{file}: {size:,} bytes of arrays, expected at most {most:,} of a file of its size"
                    )
                return {key: item[()] for key, item in found.items()}
        loaded = np.load(file, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {file.stem: loaded}
        loaded.close()
        return archive_arrays(file)


def nifti_volume(file: Path) -> np.ndarray:
    """The values of a NIfTI file, as its header scales them: float32 ``(C, X, Y, Z)``, X to the right, Y to the front
    and Z up (RAS+), a point in time a channel.

    Raises:
        DataError: It is damaged or too large, or nibabel is not installed.
    """
    with readable(file):
        nibabel = needed_package(NIFTI[0], "nibabel", "nibabel", "save each volume as .npy", file)
        image = nibabel.load(file)
        size, most = 4 * int(np.prod(image.shape, dtype=np.int64)), max(UNPACKED, RATIO * file.stat().st_size)
        if size > most:
            raise DataError(f"{file}: a volume of {size:,} bytes, expected at most {most:,} of a file of its size")
        values = np.asarray(nibabel.as_closest_canonical(image).dataobj, np.float32)
    return values[None] if values.ndim < 4 else np.moveaxis(values.reshape(*values.shape[:3], -1), 3, 0)


def _class_folders(folder: Path) -> dict[str, Path]:
    """The folder of each split, in whose folders is a file for each item; ``{"train": folder}`` without splits."""
    folders, _ = folder_contents(folder)
    named = {SPLIT_NAMES[path.name.lower()]: path for path in folders if path.name.lower() in SPLIT_NAMES}
    places = named if "train" in named else {"train": folder}
    return places if all(_are_items(path) for path in places.values()) else {}


def _are_items(folder: Path) -> bool:
    classes = folder_contents(folder)[0]
    inside = [folder_contents(path) for path in classes]
    return (
        len(classes) > 1
        and all(files and not inner for inner, files in inside)
        and all(path.name.lower().endswith(_ITEM_SUFFIXES) for _, files in inside for path in files)
    )


def _of_items(folder: Path) -> DataSet:
    """A ``.npy`` or NIfTI file for each item, in class folders; those that cannot be read are skipped."""
    places = _class_folders(folder)
    classes = tuple(path.name for path in folder_contents(places["train"])[0])
    like, parts, notes, skipped = None, {}, [], list[Broken]()
    for split in (name for name in SPLITS if name in places):
        files = [(file, path.name) for path in folder_contents(places[split])[0] for file in folder_contents(path)[1]]
        if strange := sorted({name for _, name in files} - {*classes}):
            raise DataError(
                f"{places[split]}: classes that the training split lacks: {listed_quoted(strange)}; remove them"
            )
        files, items, broken = _readable(files)
        skipped += broken
        odd = [(file, item) for (file, _), item in zip(files, items, strict=True) if _kind(item) != _kind(items[0])]
        if odd:
            (file, item), first = odd[0], items[0]
            raise DataError(
                f"{file}: it is {item.dtype} {item.shape}, others are {first.dtype} {first.shape}; save all items in "
                "one type and shape: pad or cut them"
            )
        inputs = array_inputs(str(places[split]), np.stack(items), like)
        notes.append(inputs.note) if like is None else None
        like = like or inputs
        targets = np.array([classes.index(name) for _, name in files], np.int64)
        parts[split] = Part(inputs.inputs, targets, tuple(str(file) for file, _ in files))
    assert like is not None
    return DataSet.of(
        folder.resolve().name,
        CLASSIFICATION,
        classes,
        like.mode,
        like.shape,
        parts,
        why=f"from class folders of {_suffix(parts['train'].names[0])} files",
        notes=tuple(notes),
        skipped=tuple(skipped),
    )


def _suffix(name: str) -> str:
    return next((suffix for suffix in reversed(_ITEM_SUFFIXES) if name.lower().endswith(suffix)), "")


def _readable(
    files: Sequence[tuple[Path, str]],
) -> tuple[list[tuple[Path, str]], list[np.ndarray], list[Broken]]:
    """The files that can be read, with their arrays, and the others, by name with the reason.

    Raises:
        DataError: The first reason, where half of them or more cannot.
    """
    kept, items, broken = [], [], list[Broken]()
    for file, name in files:
        try:
            items.append(next(iter(loaded_arrays(file).values())))
            kept.append((file, name))
        except DataError as error:
            broken.append((str(file), str(error).removeprefix(f"{file}: ")))
            if 2 * len(broken) >= len(files):
                raise
    return kept, items, broken


def _kind(array: np.ndarray) -> tuple[tuple[int, ...], str]:
    return array.shape, array.dtype.kind
