"""Class folders: one folder of images for each class, flat or under ``train/``, ``val/`` and ``test/``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from striate.datasets.dataset import DataSet, Part
from striate.datasets.sources.looking import SPLIT_NAMES, count, similar_names, skipped, typical
from striate.errors import DataError
from striate.model.opening import SUFFIXES, folder_contents, images_under, is_image
from striate.tasks import CLASSIFICATION

FROM_FOLDERS = "from class folders"
_LAYOUT = "arrange the images as FOLDER/CLASS/IMAGE, one folder for each class"

Classes = dict[str, list[Path]]  # the images of each class folder, both sorted


def open_folders(folder: Path) -> DataSet:
    """The images under *folder*, whose class is the name of the folder they are in.

    The classes are the folders of ``train/`` (or of *folder* itself, where it is flat) in alphabetical order,
    and that one numbering holds for ``val/`` and ``test/`` too. Hidden folders are none; the notes say what was
    skipped.

    Raises:
        DataError: No class folders, fewer than two, an empty one, one in ``val/`` or ``test/`` that
            ``train/`` lacks, no permission; or no file of the sample is an image.
    """
    splits = _splits(folder)
    train = classes_in(splits["train"])
    _check_train(splits["train"], train)
    held_out = {name: classes_in(path) for name, path in splits.items() if name != "train"}
    for name, classes in held_out.items():
        _check_held_out(splits[name], classes, train)
    mode, shape, notes = typical(folder, [path for images in train.values() for path in images])
    notes += (*similar_names(train), *_outside(folder, splits), *skipped(folder))
    return of_classes(folder, {"train": train, **held_out}, mode, shape, notes)


def of_classes(
    folder: Path,
    splits: dict[str, Classes],
    mode: str = "RGB",
    shape: tuple[int, int, int] = (3, 1, 1),
    notes: tuple[str, ...] = (),
) -> DataSet:
    """The data set of the class folders of each split, its classes those of ``splits["train"]``."""
    numbers = {name: i for i, name in enumerate(splits["train"])}
    parts = {}
    for split, classes in splits.items():
        images = tuple(path for paths in classes.values() for path in paths)
        targets = np.repeat([numbers[name] for name in classes], [len(paths) for paths in classes.values()])
        parts[split] = Part(images, targets.astype(np.int64), tuple(map(str, images)))
    return DataSet(
        folder.resolve().name,
        CLASSIFICATION,
        tuple(numbers),
        mode,
        shape,
        parts["train"],
        parts.get("val"),
        parts.get("test"),
        why=FROM_FOLDERS,
        notes=notes,
    )


def _splits(folder: Path) -> dict[str, Path]:
    """The folder of each split: ``{"train": folder}`` alone where the layout is flat.

    One folder ``train/`` of images beside others (``bus/``, ``car/``) is a class of trains, not a split.
    """
    folders, _ = folder_contents(folder)
    named = [path for path in folders if path.name.lower() in SPLIT_NAMES]
    bare = [path for path in named if not folder_contents(path)[0]]
    if not named or (bare == named and len(named) < len(folders)):
        return {"train": folder}
    if bare:
        raise DataError(f"{folder}: no class folders in {_slashed(bare)}; arrange the images as train/CLASS/IMAGE")
    found: dict[str, Path] = {}
    for path in named:
        split = SPLIT_NAMES[path.name.lower()]
        if split in found:
            raise DataError(f"{folder}: both {_slashed([found[split], path])} look like the {split} split; keep one")
        found[split] = path
    if "train" not in found:
        raise DataError(f"{folder}: there is {_slashed(named)}, but no train/ beside it to learn from")
    return found


def _slashed(folders: Iterable[Path]) -> str:
    return " and ".join(f"{path.name}/" for path in folders)


def classes_in(folder: Path) -> Classes:
    """The images of every class folder in *folder*."""
    return {path.name: images_under(path) for path in folder_contents(folder)[0]}


def _check_train(folder: Path, classes: Classes) -> None:
    if not any(classes.values()):
        direct = sum(map(is_image, folder_contents(folder)[1]))
        if direct:
            raise DataError(f"{folder}: {count(direct, 'image')} directly in it, which have no class; {_LAYOUT}")
        there = "".join(f"; {note}" for note in skipped(folder))
        raise DataError(f"{folder}: no images in it ({', '.join(sorted(SUFFIXES))}){there}; {_LAYOUT}")
    if len(classes) == 1:
        raise DataError(f"{folder}: only one class folder, {next(iter(classes))!r}; learning needs two or more")
    empty = [name for name, images in classes.items() if not images]
    if empty:
        there = "".join(f"; in {name}: {note}" for name in empty for note in skipped(folder / name))
        raise DataError(f"{folder}: no images in the class folder(s) {_quoted(empty)}{there}; fill or remove them")


def _check_held_out(folder: Path, classes: Classes, train: Classes) -> None:
    """Of a val or test split a class may be missing, none may be new."""
    unknown = [name for name in classes if name not in train]
    if unknown:
        raise DataError(
            f"{folder}: class folder(s) that the training split lacks: {_quoted(unknown)}; rename or remove them "
            f"(it has {_quoted(train)})"
        )
    if not any(classes.values()):
        raise DataError(f"{folder}: no images in its class folders; fill or remove it")


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))


def _outside(folder: Path, splits: dict[str, Path]) -> list[str]:
    """Notes, a line each: images that lie where no class is."""
    notes = []
    for path in dict.fromkeys([folder, *splits.values()]):
        if n := sum(map(is_image, folder_contents(path)[1])):
            notes.append(f"{count(n, 'image')} directly in {path.name}/ skipped, because they have no class")
    if splits["train"] != folder and (beside := [p for p in folder_contents(folder)[0] if p not in splits.values()]):
        notes.append(f"{_slashed(beside)} beside the splits skipped")
    return notes
