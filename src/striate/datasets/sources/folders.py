"""Class folders: one folder of images for each class, flat or under ``train/``, ``val/`` and ``test/``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from striate.datasets.dataset import DataSet, Part
from striate.datasets.sources.looking import SPLITS, SUFFIXES, alike, count, is_hidden, is_image, passed_over, typical
from striate.errors import DataError

_LAYOUT = "lay the images out as FOLDER/CLASS/IMAGE, one folder for each class"

Classes = dict[str, list[Path]]  # the images of each class folder, both sorted


def open_folders(folder: Path) -> DataSet:
    """The images under *folder*, whose class is the name of the folder they lie in.

    The classes are the folders of ``train/`` (or of *folder* itself, where it is flat) in alphabetical order,
    and that one numbering holds for ``val/`` and ``test/`` too. Hidden folders are none; the notes say what was
    passed over.

    Raises:
        DataError: No class folders, fewer than two, an empty one, one in ``val/`` or ``test/`` that
            ``train/`` lacks, no permission; or no file among those looked at is an image.
    """
    splits = _splits(folder)
    train = _classes(splits["train"])
    _check_train(splits["train"], train)
    parts = {name: _held_out(path, train) for name, path in splits.items() if name != "train"}
    part = _part(train, tuple(train))
    mode, shape, notes = typical(folder, part.inputs)
    notes += (*alike(train), *_outside(folder, splits), *passed_over(folder))
    name = folder.resolve().name
    return DataSet(
        name, "classification", tuple(train), mode, shape, part, **parts, why="from class folders", notes=notes
    )


def contents(folder: Path) -> tuple[list[Path], list[Path]]:
    """``(folders, files)`` in *folder*, without hidden ones, sorted; DataError where it may not be read."""
    try:
        with os.scandir(folder) as entries:
            found = sorted((e.name, e.is_dir()) for e in entries if not is_hidden(e.name))
    except PermissionError:
        raise DataError(f"{folder}: no permission to read this folder; change its permissions") from None
    except OSError as error:
        raise DataError(f"{folder}: this folder cannot be read ({error.strerror})") from None
    return [folder / name for name, is_dir in found if is_dir], [folder / name for name, is_dir in found if not is_dir]


def _splits(folder: Path) -> dict[str, Path]:
    """Where each part lies: ``{"train": folder}`` alone where the layout is flat.

    One folder ``train/`` of images beside others (``bus/``, ``car/``) is a class of trains, not a part.
    """
    folders, _ = contents(folder)
    named = [path for path in folders if path.name.lower() in SPLITS]
    bare = [path for path in named if not contents(path)[0]]
    if not named or (bare == named and len(named) < len(folders)):
        return {"train": folder}
    if bare:
        raise DataError(f"{folder}: no class folders in {_slashed(bare)}; lay the images out as train/CLASS/IMAGE")
    found: dict[str, Path] = {}
    for path in named:
        part = SPLITS[path.name.lower()]
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
    """The image files anywhere below *folder*, by their suffix; links to folders are followed, but in no circle."""
    return _images_under(folder, set())


def _images_under(folder: Path, seen: set[tuple[int, int]]) -> list[Path]:
    folders, files = contents(folder)
    here = os.stat(folder)
    seen.add((here.st_dev, here.st_ino))
    found = [path for path in files if is_image(path)]
    for inner in folders:
        there = os.stat(inner)
        if (there.st_dev, there.st_ino) not in seen:
            found += _images_under(inner, seen)
    return found


def _check_train(folder: Path, classes: Classes) -> None:
    if not any(classes.values()):
        direct = sum(is_image(path) for path in contents(folder)[1])
        if direct:
            raise DataError(f"{folder}: {direct} images lie in it directly, so they have no class; {_LAYOUT}")
        there = "".join(f"; {note}" for note in passed_over(folder))
        raise DataError(f"{folder}: no images in it ({', '.join(sorted(SUFFIXES))}){there}; {_LAYOUT}")
    if len(classes) == 1:
        raise DataError(f"{folder}: only one class folder, {next(iter(classes))!r}; learning needs two or more")
    empty = [name for name, images in classes.items() if not images]
    if empty:
        there = "".join(f"; in {name}: {note}" for name in empty for note in passed_over(folder / name))
        raise DataError(f"{folder}: no images in the class folder(s) {_quoted(empty)}{there}; fill or remove them")


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


def _outside(folder: Path, splits: dict[str, Path]) -> list[str]:
    """Notes, a line each: images that lie where no class is."""
    notes = []
    for path in dict.fromkeys([folder, *splits.values()]):
        if n := sum(map(is_image, contents(path)[1])):
            notes.append(f"{count(n, 'image')} directly in {path.name}/ passed over, for want of a class")
    if splits["train"] != folder and (beside := [p for p in contents(folder)[0] if p not in splits.values()]):
        notes.append(f"{_slashed(beside)} beside the parts passed over")
    return notes
