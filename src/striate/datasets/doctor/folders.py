"""What is in the folder and is no item: hidden folders, other formats, empty classes, masks without an image."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from striate.datasets.dataset import DataSet
from striate.datasets.doctor.diagnosis import FAULT, NOTE, WARNING, Case, DataProblem
from striate.datasets.open import is_class_folders, seen_through
from striate.datasets.sources.folders import FROM_FOLDERS, classes_in, folds_in, hidden_images, odd_in_folds, of_classes
from striate.datasets.sources.folders_names import PARENT
from striate.datasets.sources.folders_splits import find_splits, split_role
from striate.datasets.sources.mask_values import UNEVEN
from striate.datasets.sources.masks import NO_IMAGE, NO_MASK
from striate.errors import DataError, counted, listed, listed_quoted
from striate.model.opening import each_image_under, folder_contents, is_hidden

_UNREAD = {
    ".heic", ".heif", ".avif", ".jxl", ".jp2", ".svg", ".psd", ".dng", ".cr2", ".nef", ".arw", ".tga", ".exr", ".dcm",
}  # fmt: skip
_ALONE = (NO_MASK, NO_IMAGE)
_MOST_PARTS = 20  # more classes than that are no splits


def _hidden(case: Case) -> Iterator[DataProblem]:
    """Hidden folders with images in them (``.ipynb_checkpoints``): skipped, never a class."""
    if case.root and (found := tuple(str(path) for images in hidden_images(case.root).values() for path in images)):
        message = f"{counted(len(found), 'image')} in hidden folders, which are skipped"
        yield DataProblem("hidden-folder", NOTE, message, "nothing, or remove the folders", found)


def _not_read(case: Case) -> Iterator[DataProblem]:
    """Images in formats that are not read, and so are missing from the data set."""
    if case.root is None:
        return
    found = []
    for root, folders, files in os.walk(case.root):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        found += [str(Path(root, file)) for file in sorted(files) if Path(file).suffix.lower() in _UNREAD]
    if found:
        kinds = listed(sorted({Path(file).suffix.lower() for file in found}))
        message = f"{counted(len(found), 'image')} in an unsupported format ({kinds}), skipped"
        yield DataProblem("unread-format", WARNING, message, "convert them to JPEG or PNG", tuple(found))


def _class_folders(case: Case) -> Iterator[DataProblem]:
    """Class folders without images; those of another split that training lacks."""
    if case.root is None or case.data.why != FROM_FOLDERS:
        return
    splits = _splits(case.root) if case.salvaged else dict(_opened_splits(case.data))
    if folds := folds_in(splits["train"]):
        for path, message in odd_in_folds(folds).items():
            yield DataProblem("class-unknown", WARNING, message, "rename the folder if it is misspelt", (str(path),))
        return
    classes = {split: folder_contents(folder)[0] for split, folder in splits.items()}
    empty = tuple(str(path) for folders in classes.values() for path in folders if not any(each_image_under(path)))
    if empty:
        message = f"{counted(len(empty), 'class folder')} without images"
        yield DataProblem("empty-class", FAULT, message, "fill or remove the folder", empty)
    train = {path.name for path in classes["train"]}
    for split, folders in classes.items():
        if unknown := tuple(str(path) for path in folders if path.name not in train):
            message = f"{counted(len(unknown), 'class folder')} in {split} that the training split lacks"
            fix = f"rename or remove them (training has {listed_quoted(sorted(train))})"
            yield DataProblem("class-unknown", FAULT, message, fix, unknown)


def _partners(case: Case) -> Iterator[DataProblem]:
    """Images without a mask, masks without an image, and pairs of different sizes, in folders of both."""
    alone = [name for name, why in case.data.skipped if why in _ALONE]
    uneven = [name for name, why in case.data.skipped if why.startswith(UNEVEN)]
    if alone:
        message = f"{counted(len(alone), 'file')} without a partner: an image and its mask must have the same name"
        yield DataProblem("mismatched-stems", FAULT, message, "rename, complete or remove them", tuple(alone))
    if uneven:
        message = f"{counted(len(uneven), 'mask')} not of the image's size, skipped"
        yield DataProblem("mask-size", FAULT, message, "draw the mask on the image as it is, upright", tuple(uneven))


def _opening_notes(case: Case) -> Iterator[DataProblem]:
    """What was noted when the data was opened, but for what the checks say better."""
    said = (
        "hidden folders",
        "capitals or spaces",
        "transparent",
        "are ignored",
        "every class folder contains",
        "/ alone",
    )
    for note in case.data.notes:
        if case.root is None or not any(words in note for words in said):
            yield DataProblem("opened", NOTE, note, "no action needed if that is intended", n=1)


def _incomplete(case: Case) -> Iterator[DataProblem]:
    """What is listed, and has no file or no target."""
    if skipped := [(name, why) for name, why in case.data.skipped if not why.startswith((*_ALONE, UNEVEN))]:
        names, reasons = zip(*skipped, strict=True)
        message = f"{counted(len(skipped), 'item')} without a readable file or a target"
        fix = "complete or remove them (training skips them)"
        yield DataProblem("incomplete", FAULT, message, fix, names, notes=reasons)


def class_folders_under(root: Path) -> DataSet | None:
    """The class folders under *root* as far as they go, when opening them failed; None where it is of another kind, or
    without any image in one.
    """
    if not is_class_folders(root):
        return None
    found = {split: classes_in(folder) for split, folder in _splits(root).items()}
    if not any(found["train"].values()):
        return None
    names = sorted({name for of in found.values() for name, images in of.items() if images})
    found = {split: {name: of.get(name, []) for name in names} for split, of in found.items() if any(of.values())}
    return of_classes(root, found)


def _parts_as_classes(case: Case) -> Iterator[DataProblem]:
    """Classes that are called as splits are, or that contain folders of the same names, which may be the classes."""
    if not case.data.task.exclusive or len(case.data.classes) > _MOST_PARTS:
        return
    inner: dict[str, set[str]] = {name: set() for name in case.data.classes}
    for part in case.data.parts.values():
        for file, label in zip(part.files, part.labels.tolist(), strict=False):
            if 0 <= label < len(case.data.classes):
                inner[case.data.classes[label]].add(file.parent.name)
    roles = {name: role for name in inner if (role := split_role(name))}
    some = [inner[name] - {name} for name in (roles if len(roles) > 1 else inner)]
    shared = sorted(set.intersection(*some)) if some else []
    if len({re.sub("[0-9]+", "", name) for name in shared}) < 2:  # subject1, subject2, ... are no classes
        shared = []
    command = f"--classes-from {PARENT}, which takes {listed_quoted(shared)} for the classes"
    if len(set(roles.values())) > 1:
        message = f"the classes {listed_quoted(roles)} are called as splits are: are these the splits?"
        fix = (
            f"if they are splits: {command}"
            if shared
            else "if they are splits, arrange the images as train/CLASS/IMAGE"
        )
        yield DataProblem("parts-as-classes", FAULT, message, fix, n=len(roles))
    elif shared:
        message = f"every class contains the folders {listed_quoted(shared)}: are these the classes?"
        yield DataProblem("parts-as-classes", WARNING, message, f"if they are: {command}", n=len(inner))


def _opened_splits(data: DataSet) -> Iterator[tuple[str, Path]]:
    """The folder that the class folders of each split are in; of a split that was set aside from another, none."""
    seen: set[Path] = set()
    for name, part in data.parts.items():
        classes = np.unique(part.labels)
        if len(classes) > 1:
            folder = Path(os.path.commonpath(part.files))
        else:  # the folder of the only class is in it
            file, only = part.files[0], data.classes[int(classes[0])]
            folder = next((parent.parent for parent in file.parents if parent.name == only), file.parent)
        if folder not in seen:
            yield name, folder
        seen.add(folder)


def _splits(root: Path) -> dict[str, Path]:
    """The folder of each split; the folder of the data itself where that cannot be said."""
    place = seen_through(root)
    try:
        found = find_splits(place)
    except DataError:
        return {"train": place}
    return {"train": place} if found.flat else found.splits


CHECKS = (_hidden, _not_read, _class_folders, _parts_as_classes, _partners, _incomplete, _opening_notes)
