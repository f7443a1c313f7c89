"""What is in folders: a first look at image files and what is beside them; and class folders as a data set.

Class folders are one folder of images for each class, flat or under ``train/``, ``val/`` and ``test/``.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from statistics import median_low

import numpy as np

from striate.datasets.dataset import SPLITS, DataSet, Part
from striate.datasets.sources.folders_names import PARENT, by_class, offer
from striate.datasets.sources.folders_splits import SplitFolders, find_splits, shared_names_note, slashed, split_role
from striate.datasets.sources.masks_pairs import masks_beside
from striate.errors import DataError, closest, counted, did_you_mean, listed
from striate.model.image import alpha_is_used, header
from striate.model.opening import folder_contents, images_under, is_hidden, is_image, open_image
from striate.tasks import CLASSIFICATION

FROM_FOLDERS = "from class folders"
_LAYOUT = "arrange the images as FOLDER/CLASS/IMAGE, one folder for each class"

_OTHER_KINDS = {  # what is in a folder without images, and the way out
    (".wav", ".mp3", ".flac", ".ogg", ".csv", ".tsv", ".edf", ".mat", ".nii", ".nii.gz", ".nrrd", ".mha", ".pt"): (
        "of signals, series and volumes save each item as an array, CLASS/ITEM.npy (numpy.save), channels first "
        "(2x16000, 1x64x64x64), padded or cut to one shape"
    ),
    (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"): "unpack what is packed, and name the folder that it makes",
}
Classes = dict[str, list[Path]]  # the images of each class folder, both sorted
_LABEL_FILES = (".txt", ".npy", ".json", ".xml", ".mat", ".csv")  # which may say the labels, in a way that is not read
_FOLD = re.compile(r"(k[-_ ]?)?folds?[-_ ]?[0-9]+", re.IGNORECASE)
_KEPT = 4  # folds: fewer are put together
_FEW_CLASSES = 1000  # folders beside each other: above it nobody looks for classes there
_SAMPLE = 200  # files whose headers are read to learn the typical size
_DECODED = 16  # files with an alpha channel that are decoded to see whether it is used

Typical = tuple[str, tuple[int, int, int], tuple[str, ...]]


def open_folders(folder: Path, classes_from: str | None = None) -> DataSet:
    """The images under *folder*, whose class is the name of the folder they are in.

    The classes are the folders of the training split (or of *folder* itself, where it is flat) in alphabetical order,
    numbers in them by their size, and that one numbering holds for the other splits too. Hidden folders are none; the
    notes say what was skipped. With *classes_from* an image's class is in its file name, or its own folder's.

    Raises:
        DataError: No class folders, fewer than two, an empty one, one in ``val/`` or ``test/`` that
            ``train/`` lacks, no permission; or no file of the sample is an image.
    """
    found = find_splits(folder)
    if classes_from:
        return _from_names(folder, found, classes_from)
    splits = found.splits
    if splits == {"train": folder} and (inner := _splits_in_classes(folder)):
        return inner
    if found.flat:
        images = images_under(splits.get("train", folder))
        there = f"no class folders in {slashed(sorted(splits.values()))}{offer(folder, images)}"
        raise DataError(f"{folder}: {there}; arrange the images as train/CLASS/IMAGE")
    train = classes_in(splits["train"])
    copy = _copy_inside(splits["train"], train)
    train.pop(copy, None)
    _check_train(splits["train"], train)
    held_out = {name: classes_in(path) for name, path in splits.items() if name != "train"}
    for name, classes in held_out.items():
        _check_held_out(splits[name], classes, train)
    mode, shape, notes = typical(folder, [path for images in train.values() for path in images])
    folds = folds_in(splits["train"])
    drawn = {mask for of in (train, *held_out.values()) for name in of for mask in _without_masks(of, name)}
    notes += (f"{counted(len(drawn), 'mask')} beside their images skipped",) if drawn else ()
    notes += (f"{copy}/ contains a copy of the class folders beside it: skipped",) if copy else ()
    notes = (*found.notes, *found.unlabelled_notes, *notes, *similar_names(train), *_outside(folder, found))
    notes += (*(() if folds else shared_names_note(splits["train"], list(train))), *skipped(folder))
    dataset = of_classes(folder, {"train": train, **held_out}, mode, shape, notes)
    if not folds:
        return dataset
    groups = tuple(next(p for p in folds if p in image.parents).name for image in dataset.train.files)
    notes = (*odd_in_folds(folds).values(), *notes)
    note = f"{slashed(folds)} are folds of the same classes"
    if len(folds) < _KEPT:  # one would be too much to validate on
        return replace(dataset, notes=(f"{note}, which are put together", *notes))
    note += ": the images of a fold always go to the same split"
    return replace(dataset, train=replace(dataset.train, groups=groups), notes=(note, *notes))


def _splits_in_classes(folder: Path) -> DataSet | None:
    """The data set of class folders that contain the split folders (``cat/train/``, ``cat/test/``); None of others."""
    places = {path.name: folder_contents(path) for path in folder_contents(folder)[0]}
    roles = {name: {split_role(path.name): path for path in inner} for name, (inner, _) in places.items()}
    kept = [role for role in SPLITS if all(role in of for of in roles.values())]
    if len(places) < 2 or len(kept) < 2 or "train" not in kept:
        return None
    if any({*of} != {*kept} or len(of) < len(places[name][0]) for name, of in roles.items()):
        return None
    names = sorted(roles, key=natural_order)
    splits = {role: {name: images_under(roles[name][role]) for name in names} for role in kept}
    _check_train(folder, splits["train"])
    mode, shape, notes = typical(folder, [path for images in splits["train"].values() for path in images])
    notes += (f"the splits are in the class folders: {names[0]}/{roles[names[0]]['train'].name}/ and so on",)
    return of_classes(folder, splits, mode, shape, (*notes, *similar_names(names), *skipped(folder)))


def _copy_inside(folder: Path, classes: Classes) -> str:
    """The folder among the *classes* that contains the others once more, as unpacking twice leaves it; "" if none."""
    others = classes.keys() - {folder.name}
    if folder.name not in classes or len(others) < 2:
        return ""
    return folder.name if {path.name for path in folder_contents(folder / folder.name)[0]} == others else ""


def _without_masks(classes: Classes, name: str) -> list[Path]:
    """Takes the masks that lie beside their images, by their names, out of a class; returns them."""
    masks = masks_beside(classes[name])
    if masks:
        left = set(masks)
        classes[name] = [path for path in classes[name] if path not in left]
    return masks


def _from_names(folder: Path, found: SplitFolders, classes_from: str) -> DataSet:
    """The images under *folder* by the class in their names, in the splits that are *found*."""
    splits: dict[str, Classes] = {}
    notes = list(found.notes)
    unlabelled = list(found.unlabelled)
    for split, place in found.splits.items():
        classes, rest = by_class(images_under(place), classes_from)
        if split != "train" and not classes:
            unlabelled.append(place)
            continue
        splits[split] = dict(sorted(classes.items(), key=lambda item: natural_order(item[0])))
        if rest and classes:
            names = listed((path.name for path in rest), 3)
            notes.append(f"{split}: {counted(len(rest), 'image')} skipped, whose names do not fit: {names}")
    train = splits.get("train", {})
    images = [path for paths in train.values() for path in paths]
    if len(train) < 2:
        paths = images_under(found.splits["train"])
        there = f"only the class {next(iter(train))!r}" if train else "no class"
        such = listed((path.name for path in paths), 3) or "no images"
        raise DataError(
            f"{folder}: --classes-from {classes_from!r} finds {there} in the names ({such})"
            f"{offer(folder, paths)}; # is a number in it, * is anything"
        )
    for split, classes in splits.items():
        if split != "train":
            _check_held_out(found.splits[split], classes, train)
    mode, shape, about = typical(folder, images)
    lines = SplitFolders({}, tuple(unlabelled)).unlabelled_notes
    return replace(
        of_classes(folder, splits, mode, shape, (*notes, *lines, *about, *similar_names(train), *skipped(folder))),
        why="from the folder of each image" if classes_from == PARENT else f"from file names, {classes_from}",
    )


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
    return DataSet.of(
        folder.resolve().name, CLASSIFICATION, tuple(numbers), mode, shape, parts, why=FROM_FOLDERS, notes=notes
    )


def classes_in(folder: Path) -> Classes:
    """The images of every class folder in *folder*, or in the folds in it, in natural order."""
    folders = [path for place in folds_in(folder) or [folder] for path in folder_contents(place)[0]]
    found: Classes = {}
    for path in sorted(folders, key=lambda path: natural_order(path.name)):
        found.setdefault(path.name, []).extend(images_under(path))
    return found


def folds_in(folder: Path) -> list[Path]:
    """The folders of *folder*, where they are ``fold1/``, ``fold2/``, ... and each has most of its class folders in
    common with others; else none.
    """
    folders = folder_contents(folder)[0]
    if len(folders) < 2 or not all(_FOLD.fullmatch(path.name) for path in folders):
        return []
    names = [{inner.name for inner in folder_contents(path)[0]} for path in folders]
    counts = Counter(name for of in names for name in of)
    shared = {name for name, n in counts.items() if n > 1}
    return folders if len(counts) > 1 and all(of and 2 * len(of & shared) >= len(of) for of in names) else []


def odd_in_folds(folds: Sequence[Path]) -> dict[Path, str]:
    """The class folders that at most half of the *folds* have, with what is to be said of each."""
    of: dict[str, list[Path]] = {}
    for path in (inner for fold in folds for inner in folder_contents(fold)[0]):
        of.setdefault(path.name, []).append(path)
    odd = {name: paths for name, paths in of.items() if 2 * len(paths) <= len(folds)}
    return {
        paths[0]: f"the class {name!r} is in {slashed(path.parent for path in paths)} alone"
        f"{did_you_mean(closest(name, of.keys() - {name}))}"
        for name, paths in odd.items()
    }


def natural_order(name: str) -> tuple[list[str | int], str]:
    """What to sort names by, so that numbers in them are in the order of their size.

    >>> sorted(["10", "2", "1", "class 11", "class 9"], key=natural_order)
    ['1', '2', '10', 'class 9', 'class 11']
    """
    pieces: list[str | int] = [*re.split("([0-9]+)", name)]
    pieces[1::2] = [int(number) for number in pieces[1::2]]
    return pieces, name


def _check_train(folder: Path, classes: Classes) -> None:
    if not any(classes.values()):
        direct = sum(map(is_image, folder_contents(folder)[1]))
        if direct:
            images = [path for path in folder_contents(folder)[1] if is_image(path)]
            there = f"{counted(direct, 'image')} directly in it, which have no class{offer(folder, images)}"
            there += _parent_of_classes(folder)
            raise DataError(f"{folder}: {there}; {'or ' * (';' in there)}{_LAYOUT}")
        there = "".join(f"; {note}" for note in skipped(folder))
        way = next((way for kinds, way in _OTHER_KINDS.items() if _contains(folder, kinds)), _LAYOUT)
        raise DataError(f"{folder}: no images in it (.jpg, .png, ...){there}; {way}")
    if len(classes) == 1:
        ((name, images),) = classes.items()
        beside = [path.name for path in folder_contents(folder)[1] if path.suffix.lower() in _LABEL_FILES]
        lists = (
            f"; {listed(beside, 3)} beside it does not say which file has which class: a table with the header "
            "file,label does"
        )
        raise DataError(
            f"{folder}: only one class folder, {name!r}{offer(folder, images)}; learning needs two or more classes"
            f"{lists if beside else ''}"
        )
    empty = [name for name, images in classes.items() if not images]
    if empty:
        there = "".join(f"; in {name}: {note}" for name in empty for note in skipped(folder / name))
        raise DataError(f"{folder}: no images in the class folder(s) {_quoted(empty)}{there}; fill or remove them")


def _contains(folder: Path, suffixes: Sequence[str]) -> bool:
    return any(name.lower().endswith((*suffixes,)) for _, _, names in os.walk(folder) for name in names)


def _parent_of_classes(folder: Path) -> str:
    """A hint where *folder* is one of several class folders itself."""
    parent = folder.resolve().parent
    with suppress(DataError):
        beside, files = folder_contents(parent)
        looks = 1 < len(beside) <= _FEW_CLASSES and not any(map(is_image, files))
        if looks and all(any(map(is_image, folder_contents(path)[1][:_SAMPLE])) for path in beside):
            return f"; if it is one class of several, did you mean {os.path.relpath(parent)!r}?"
    return ""


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


def _outside(folder: Path, found: SplitFolders) -> list[str]:
    """Notes, a line each: images outside the class folders."""
    notes = []
    for path in dict.fromkeys([folder, *found.splits.values()]):
        if n := sum(map(is_image, folder_contents(path)[1])):
            notes.append(f"{counted(n, 'image')} directly in {path.name}/ skipped, because they have no class")
    inner = {path.name for path in folder_contents(found.splits["train"])[0]}
    same = [path for path in found.beside if len(inner & {one.name for one in folder_contents(path)[0]}) > 1]
    if same and "test" not in found.splits:
        return [*notes, f"{slashed(found.beside)} beside the splits skipped; to test on {same[0].name}/, call it test/"]
    return notes + ([f"{slashed(found.beside)} beside the splits skipped"] if found.beside else [])


def typical(where: Path, images: Sequence[Path]) -> Typical:
    """``(mode, (channels, height, width), notes)`` of the *images*, by an even sample of them.

    ``"RGBA"`` where more than half have pixels that are not opaque (an alpha channel that is full everywhere says
    nothing); else ``"L"`` (grey) where all are grey; else ``"RGB"``. The sides are the medians of the upright images.

    Raises:
        DataError: None of the sample can be read; it names *where* and the first file.
    """
    headers: dict[Path, tuple[str, tuple[int, int]]] = {}
    faults = []
    for path in images[:: max(1, len(images) // _SAMPLE)]:
        try:
            headers[path] = header(path)
        except DataError as error:
            faults.append(error)
    if not headers:
        raise DataError(f"{where}: none of a sample of {len(faults)} images can be read; the first: {faults[0]}")
    with_alpha = [path for path, (mode, _) in headers.items() if mode == "RGBA"]
    looked = [one for path in with_alpha[:: max(1, len(with_alpha) // _DECODED)][:_DECODED] if (one := _alpha(path))]
    clear = len(with_alpha) * sum(used for used, _ in looked) / (len(looked) or 1) / len(headers)
    grey = all(grey for _, grey in looked) and all(mode != "RGB" for mode, _ in headers.values())
    mode, channels = ("RGBA", 4) if clear > 0.5 else ("L", 1) if grey else ("RGB", 3)
    shown = "alpha is the fourth channel" if clear > 0.5 else "they become black"
    share = f"about {clear:.0%}" if clear >= 0.01 else "less than 1%"
    notes = (f"{share} of the images have transparent pixels; {shown}",) if clear else ()
    heights, widths = zip(*(size for _, size in headers.values()), strict=True)
    return mode, (channels, median_low(heights), median_low(widths)), notes


def _alpha(path: Path) -> tuple[bool, bool] | None:
    """Whether any pixel of the file lets anything through, and whether it is grey; None of one that is damaged."""
    try:
        with open_image(path) as image:
            grey = image.mode in ("1", "L", "LA", "I") or image.mode.startswith("I;16")
        return alpha_is_used(path), grey
    except DataError:  # it is named when it is read for good
        return None


def hidden_images(folder: Path) -> dict[str, list[Path]]:
    """The images in each hidden folder below *folder* (``.ipynb_checkpoints``), by its path from there."""
    found: dict[str, list[Path]] = {}
    for root, folders, _ in os.walk(folder):
        for name in filter(is_hidden, folders):
            inner = os.path.join(root, name)
            if images := [
                Path(below, file)
                for below, _, files in os.walk(inner)
                for file in files
                if is_image(os.path.join(below, file))
            ]:
                found[os.path.relpath(inner, folder)] = images
        folders[:] = sorted(name for name in folders if not is_hidden(name))
    return found


def skipped(folder: Path, used: Collection[str] = ()) -> tuple[str, ...]:
    """Notes, a line each: the hidden folders below *folder* that contain images, and the files that are none by name.

    Files called one of *used* are no such files.
    """
    hidden, used = hidden_images(folder), {*used}
    others: Counter[str] = Counter()
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not is_hidden(name)]
        beside = [
            name
            for name in files
            if name not in used and not is_hidden(name) and not is_image(os.path.join(root, name))
        ]
        others.update(os.path.splitext(name)[1].lower() or name for name in beside)
    notes = []
    if hidden:
        n, which = sum(map(len, hidden.values())), listed(f"{name}/" for name in sorted(hidden))
        notes.append(f"{counted(n, 'image')} in hidden folders skipped: {which}")
    if others:
        ranked = sorted(others.items(), key=lambda item: (-item[1], item[0]))
        which = listed(suffix for suffix, _ in ranked)
        n = sum(others.values())
        notes.append(f"skipped {counted(n, 'file')} that {'is no image' if n == 1 else 'are no images'} ({which})")
    return tuple(notes)


def similar_names(names: Iterable[str]) -> tuple[str, ...]:
    """Notes, a line each: class names that differ only in capitals or in spaces around them.

    >>> similar_names(["cat", "Cat ", "dog"])
    ("the classes 'cat', 'Cat ' differ only in capitals or spaces; give them one name if they are one class",)
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(" ".join(name.casefold().split()), []).append(name)
    return tuple(
        f"the classes {', '.join(map(repr, group))} differ only in capitals or spaces; give them one name if they "
        "are one class"
        for group in groups.values()
        if len(group) > 1
    )
