"""Class folders: one folder of images for each class, flat or under ``train/``, ``val/`` and ``test/``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from statistics import median_low

import numpy as np

from striate.data.dataset import DataSet, Part
from striate.errors import DataError
from striate.model.contract import MODES
from striate.model.image import header

SUFFIXES = {".png", ".jpg", ".jpeg", ".jpe", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm"}
_SPLITS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_SAMPLE = 200  # files whose headers are read to learn the typical size
_LAYOUT = "lay the images out as FOLDER/CLASS/IMAGE, one folder for each class"

Classes = dict[str, list[Path]]  # the images of each class folder, both sorted


def open_folders(folder: Path) -> DataSet:
    """The images under *folder*, whose class is the name of the folder they lie in.

    The classes are the folders of ``train/`` (or of *folder* itself, where it is flat) in alphabetical order,
    and that one numbering holds for ``val/`` and ``test/`` too. Hidden folders are none.

    Raises:
        DataError: No class folders, fewer than two, an empty one, one in ``val/`` or ``test/`` that
            ``train/`` lacks, no permission; or no file among those looked at is an image.
    """
    splits = _splits(folder)
    train = _classes(splits["train"])
    _check_train(splits["train"], train)
    parts = {name: _held_out(path, train) for name, path in splits.items() if name != "train"}
    mode, size = _typical(folder, [path for paths in train.values() for path in paths])
    name = folder.resolve().name
    part = _part(train, tuple(train))
    return DataSet(
        name, "classification", tuple(train), mode, (MODES[mode] or 0, *size), part, **parts, why="from class folders"
    )


def contents(folder: Path) -> tuple[list[Path], list[Path]]:
    """``(folders, files)`` in *folder*, without hidden ones, sorted; DataError where it may not be read."""
    try:
        with os.scandir(folder) as entries:
            found = sorted((e.name, e.is_dir()) for e in entries if not _is_hidden(e.name))
    except PermissionError:
        raise DataError(f"{folder}: no permission to read this folder; change its permissions") from None
    return [folder / name for name, is_dir in found if is_dir], [folder / name for name, is_dir in found if not is_dir]


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "__"))  # .ipynb_checkpoints, .DS_Store, ._photo.jpg, __MACOSX, __pycache__


def _splits(folder: Path) -> dict[str, Path]:
    """Where each part lies: ``{"train": folder}`` alone where the layout is flat.

    One folder ``train/`` of images beside others (``bus/``, ``car/``) is a class of trains, not a part.
    """
    folders, _ = contents(folder)
    named = [path for path in folders if path.name.lower() in _SPLITS]
    bare = [path for path in named if not contents(path)[0]]
    if not named or (bare == named and len(named) < len(folders)):
        return {"train": folder}
    if bare:
        raise DataError(f"{folder}: no class folders in {_slashed(bare)}; lay the images out as train/CLASS/IMAGE")
    found: dict[str, Path] = {}
    for path in named:
        part = _SPLITS[path.name.lower()]
        if part in found:
            raise DataError(f"{folder}: both {_slashed([found[part], path])} look like the {part} part; keep one")
        found[part] = path
    if "train" not in found:
        raise DataError(f"{folder}: there is {_slashed(named)}, but no train/ beside it to learn from")
    return found


def _slashed(folders: Iterable[Path]) -> str:
    return " and ".join(f"{path.name}/" for path in folders)


def _classes(folder: Path) -> Classes:
    return {path.name: images_under(path) for path in contents(folder)[0]}


def images_under(folder: Path) -> list[Path]:
    """The image files anywhere below *folder*, by their suffix."""
    folders, files = contents(folder)
    found = [path for path in files if path.suffix.lower() in SUFFIXES]
    for inner in folders:
        if not inner.is_symlink():  # which could lead in a circle
            found += images_under(inner)
    return found


def _check_train(folder: Path, classes: Classes) -> None:
    if not any(classes.values()):
        direct = sum(path.suffix.lower() in SUFFIXES for path in contents(folder)[1])
        if direct:
            raise DataError(f"{folder}: {direct} images lie in it directly, so they have no class; {_LAYOUT}")
        raise DataError(f"{folder}: no images in it ({', '.join(sorted(SUFFIXES))}); {_LAYOUT}")
    if len(classes) == 1:
        raise DataError(f"{folder}: only one class folder, {next(iter(classes))!r}; learning needs two or more")
    empty = [name for name, images in classes.items() if not images]
    if empty:
        raise DataError(f"{folder}: no images in the class folder(s) {_quoted(empty)}; fill or remove them")


def _held_out(folder: Path, train: Classes) -> Part:
    """The val or test part, its classes numbered as in *train*; a class may be missing, none may be new."""
    classes = _classes(folder)
    strange = [name for name in classes if name not in train]
    if strange:
        raise DataError(
            f"{folder}: class folder(s) that the training part lacks: {_quoted(strange)}; rename or remove them "
            f"(it has {_quoted(train)})"
        )
    if not any(classes.values()):
        raise DataError(f"{folder}: no images in its class folders; fill or remove it")
    return _part(classes, tuple(train))


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))


def _part(classes: Classes, order: tuple[str, ...]) -> Part:
    images = tuple(path for paths in classes.values() for path in paths)
    targets = np.repeat([order.index(name) for name in classes], [len(paths) for paths in classes.values()])
    return Part(images, targets.astype(np.int64), tuple(map(str, images)))


def _typical(folder: Path, images: list[Path]) -> tuple[str, tuple[int, int]]:
    """The mode and the median height and width of the images, by the headers of an even sample."""
    headers, faults = [], []
    for path in images[:: max(1, len(images) // _SAMPLE)]:
        try:
            headers.append(header(path))
        except DataError as error:
            faults.append(error)
    if not headers:
        raise DataError(f"{folder}: none of the {len(faults)} images looked at can be read; the first: {faults[0]}")
    mode = "L" if all(mode == "L" for mode, _ in headers) else "RGB"
    heights, widths = zip(*(size for _, size in headers), strict=True)
    return mode, (median_low(heights), median_low(widths))
