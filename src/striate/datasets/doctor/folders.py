"""What lies in the folder and is no item: hidden folders, other formats, empty classes, masks without an image."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from striate.datasets.dataset import DataSet, Part
from striate.datasets.doctor.case import Case
from striate.datasets.doctor.diagnosis import FAULT, NOTE, WARNING, Problem
from striate.datasets.sources.folders import contents, images_under
from striate.datasets.sources.looking import SPLITS, count, is_hidden, is_image, some
from striate.datasets.sources.masks import IMAGES, MASKS
from striate.errors import DataError
from striate.model.image import header

_UNREAD = {
    ".heic", ".heif", ".avif", ".jxl", ".jp2", ".svg", ".psd", ".dng", ".cr2", ".nef", ".arw", ".tga", ".exr", ".dcm",
}  # fmt: skip
Splits = dict[str, Path]  # the folder of each part


def hidden(case: Case) -> Iterator[Problem]:
    """Hidden folders with images in them (``.ipynb_checkpoints``): passed over, never a class."""
    if case.root is None:
        return
    found = []
    for root, folders, _ in os.walk(case.root):
        for name in filter(is_hidden, folders):
            inner = Path(root, name)
            found += [str(Path(below, file)) for below, _, files in os.walk(inner) for file in files if is_image(file)]
        folders[:] = sorted(name for name in folders if not is_hidden(name))
    if found:
        message = f"{count(len(found), 'image')} in hidden folders, which are passed over"
        yield Problem("hidden-folder", NOTE, message, "nothing, or remove the folders", tuple(found))


def not_read(case: Case) -> Iterator[Problem]:
    """Pictures in formats that are not read, and so are missing from the data set."""
    if case.root is None:
        return
    found = []
    for root, folders, files in os.walk(case.root):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        found += [str(Path(root, file)) for file in sorted(files) if Path(file).suffix.lower() in _UNREAD]
    if found:
        kinds = some(sorted({Path(file).suffix.lower() for file in found}))
        message = f"{count(len(found), 'picture')} in a format that is not read ({kinds}), left out"
        yield Problem("unread-format", WARNING, message, "convert them to JPEG or PNG", tuple(found))


def class_folders(case: Case) -> Iterator[Problem]:
    """Class folders without images; those of another part that training lacks."""
    if case.root is None or case.data.why != BY_FOLDERS:
        return
    splits = _splits(case.root)
    train = {path.name for path in contents(splits.get("train", case.root))[0]}
    empty = [path for folder in splits.values() for path in contents(folder)[0] if not images_under(path)]
    if empty:
        message = f"{count(len(empty), 'class folder')} without images"
        yield Problem("empty-class", FAULT, message, "fill or remove the folder", tuple(map(str, empty)))
    for name, folder in splits.items():
        strange = [path for path in contents(folder)[0] if path.name not in train]
        if strange and name != "train":
            message = f"{count(len(strange), 'class folder')} in {name} that the training part lacks"
            fix = f"rename or remove them (training has {some(map(repr, sorted(train)))})"
            yield Problem("class-unknown", FAULT, message, fix, tuple(map(str, strange)))


def partners(case: Case) -> Iterator[Problem]:
    """Images without a mask, masks without an image, and pairs of different sizes, in folders of both."""
    if case.root is None or case.data.task != "segmentation":
        return
    alone, uneven = [], []
    for images, masks in _mask_folders(case.root):
        photos = {_stem(path, images): path for path in images_under(images)}
        drawn = {_stem(path, masks): path for path in images_under(masks)}
        drawn = {_cut(stem, photos): path for stem, path in drawn.items()}
        alone += [str(path) for stem, path in photos.items() if stem not in drawn]
        alone += [str(path) for stem, path in drawn.items() if stem not in photos]
        pairs = [(photos[stem], drawn[stem]) for stem in photos if stem in drawn]
        uneven += [str(mask) for image, mask in pairs if _differ(image, mask)]
    if alone:
        message = f"{count(len(alone), 'file')} without a partner: an image and its mask must have the same name"
        yield Problem("mismatched-stems", FAULT, message, "rename, complete or remove them", tuple(alone))
    if uneven:
        message = f"{count(len(uneven), 'mask')} not of the image's size, left out"
        yield Problem("mask-size", FAULT, message, "draw the mask on the image as it is, upright", tuple(uneven))


def _mask_folders(root: Path) -> Iterator[tuple[Path, Path]]:
    for folder in (root, *contents(root)[0]):
        inside = {path.name.lower(): path for path in contents(folder)[0]}
        sides = [next((inside[name] for name in kinds if name in inside), None) for kinds in (IMAGES, MASKS)]
        if sides[0] and sides[1]:
            yield sides[0], sides[1]


def _stem(path: Path, folder: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


def _cut(stem: str, images: dict[str, Path]) -> str:
    """The mask's stem without such an ending as ``_mask``, where that is an image's."""
    shorter = stem.rpartition("_")[0]
    return shorter if stem not in images and shorter in images else stem


def _differ(image: Path, mask: Path) -> bool:
    try:
        return header(image)[1] != header(mask)[1]
    except DataError:  # named as unreadable
        return False


def opened(case: Case) -> Iterator[Problem]:
    """What opening the data noted, but for what the checks say better."""
    said = (
        "hidden folders",
        "capitals or spaces",
        "without a mask",
        "without an image",
        "image's size",
        "transparent",
        "are ignored",
    )
    for note in case.data.notes:
        if case.root is None or not any(words in note for words in said):
            yield Problem("opened", NOTE, note, "nothing if that is meant", n=1)


BY_FOLDERS = "from class folders"


def by_folders(root: Path) -> DataSet | None:
    """The class folders under *root* as far as they go, when opening them failed; None without any image in one."""
    splits = _splits(root)
    found = {name: {path.name: images_under(path) for path in contents(folder)[0]} for name, folder in splits.items()}
    if "train" not in found or not any(found["train"].values()):
        return None
    classes = tuple(sorted({name for of in found.values() for name, images in of.items() if images}))
    parts = {}
    for name, of in found.items():
        items = [(path, classes.index(label)) for label, images in of.items() for path in images]
        if items:
            paths, targets = zip(*items, strict=True)
            parts[name] = Part(tuple(paths), np.array(targets, np.int64), tuple(map(str, paths)))
    return DataSet(root.resolve().name, "classification", classes, "RGB", (3, 1, 1), **parts, why=BY_FOLDERS)


def _splits(root: Path) -> Splits:
    """Where each part lies; the root itself where it has no ``train/`` with folders in it."""
    found = {SPLITS[path.name.lower()]: path for path in contents(root)[0] if path.name.lower() in SPLITS}
    return found if "train" in found and contents(found["train"])[0] else {"train": root}


CHECKS = (hidden, not_read, class_folders, partners, opened)
