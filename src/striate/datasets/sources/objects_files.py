"""A file of annotated objects beside each image: YOLO's texts of boxes or polygons, Pascal VOC's XML, LabelMe's JSON.

``images/train/1.jpg`` and ``labels/train/1.txt``, ``train/images/1.jpg`` and ``train/labels/1.txt``,
``JPEGImages/1.jpg`` and ``Annotations/1.xml``, or both in one folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice, takewhile
from pathlib import Path

from striate.datasets.dataset import SPLIT_NAMES, SPLITS, Broken, DataSet
from striate.datasets.options import DataOptions
from striate.datasets.sources.folders_splits import split_role
from striate.datasets.sources.masks_pairs import IMAGE_WORDS, MASK_WORDS
from striate.datasets.sources.masks_places import has_mask_files, image_sets, listed_missing
from striate.datasets.sources.objects import AnnotatedImage, annotated_data_set, check_few, split_of
from striate.datasets.sources.objects_readers import OfOne, file_text, read_labelme, read_voc, read_yolo
from striate.errors import DataError, counted, listed
from striate.model.opening import each_image_under, folder_contents, images_under, is_hidden

_SIDES = IMAGE_WORDS | MASK_WORDS | {"annotations", "xmls", "xml", "bbox", "bboxes", "boxes", "yolo", "voc", "json"}
_LOOKED = 8  # files that are read to see what they are
_NAMES = ("classes.txt", "obj.names", "_darknet.labels", "labels.txt", "predefined_classes.txt")
_FORMATS: tuple[tuple[str, OfOne, str], ...] = (
    (".txt", read_yolo, "YOLO's texts"),
    (".xml", read_voc, "Pascal VOC's XML"),
    (".json", read_labelme, "LabelMe's JSON"),
)
_SUFFIXES = tuple(suffix for suffix, *_ in _FORMATS)


def is_object_files(folder: Path, options: DataOptions | None = None) -> bool:
    """Whether *folder* has a file of objects for its images, and no mask files that say more."""
    options = options or DataOptions()
    if not folder.is_dir() or options.classes_from or _format(folder) is None:
        return False
    return (options.task is not None and not options.task.per_pixel) or not has_mask_files(folder)


def open_object_files(folder: Path, options: DataOptions | None = None) -> DataSet:
    """The images below *folder* with the classes of their objects; with masks, where objects have outlines.

    Each image has the class of its objects, or several labels, where any image has objects of several classes. An
    empty file says that there is no object. Splits are named by folders, or by the lists in ``ImageSets/Main/``.

    Raises:
        DataError: No image has such a file, half of them or more are damaged, a number has no name, there is no
            training split; masks are wanted, but there are boxes only.
    """
    suffix, read, what = _format(folder) or _FORMATS[0]
    found, alone, skipped = _matched(folder, suffix, read)
    if not found and skipped:
        names = listed((Path(name).stem for name, _ in skipped), 3)
        raise DataError(
            f"{folder}: {counted(len(skipped), 'file')} of {what}, none of their images (called {names}, as the files "
            "are); put the images beside them, or into images/"
        )
    notes = [f"{counted(len(alone), 'image')} without a {suffix} file skipped: {listed(alone, 3)}"] if alone else []
    splits, damaged = _read_all(folder, found, read)
    return annotated_data_set(
        folder,
        splits,
        what,
        task=options.task if options else None,
        called=_names_of(folder, {one.label for of in splits.values() for row in of for one in row.objects}),
        notes=notes,
        skipped=[*skipped, *damaged],
        used=["data.yaml", *_NAMES, *(file.name for of in found.values() for _, file in of)],
    )


def _read_all(
    folder: Path, found: Mapping[str, Sequence[tuple[Path, Path]]], read: OfOne
) -> tuple[dict[str, list[AnnotatedImage]], list[Broken]]:
    """What the files say of their images, by split; and the damaged files, which are skipped with their images.

    Raises:
        DataError: Half of the files or more are damaged.
    """
    splits: dict[str, list[AnnotatedImage]] = {}
    damaged: list[Broken] = []
    for split, pairs in found.items():
        for image, file in pairs:
            try:
                splits.setdefault(split, []).append(AnnotatedImage(image, file, *read(file)))
            except DataError as error:
                damaged.append((str(file), str(error).removeprefix(f"{file}: ")))
    check_few(folder, damaged, sum(map(len, found.values())), "file")
    return splits, damaged


# ------------------------------------------------------------------------------------------------ where they are
def _format(folder: Path) -> tuple[str, OfOne, str] | None:
    """The suffix of the files of objects, what reads one, and what to call them; None where there are none."""
    beside = [name for names in _names_below(folder) for name in names]
    for suffix, read, what in _FORMATS:
        some = [Path(name) for name in beside if name.lower().endswith(suffix)]
        some = [*islice((path for path in some if not _is_list(path)), _LOOKED)]
        if some and 2 * sum(_is_of(path, read) for path in some) >= len(some):
            files = _by_key(folder, suffix)
            images = [*islice(each_image_under(folder), 1)]
            if not images and suffix != ".txt":  # numbers may be anything; of XML and JSON the images are missing
                return suffix, read, what
            if any(_key(image, folder) in files for image in each_image_under(folder)):
                return suffix, read, what
    return None


def _is_of(path: Path, read: OfOne) -> bool:
    try:
        return bool(read(path).objects)
    except DataError:
        return False


def _names_below(folder: Path | str, depth: int = 3) -> Iterator[list[str]]:
    """The texts, XML and JSON in a folder, and in those in it that are called as sides or splits are, sorted."""
    with suppress(OSError), os.scandir(folder) as entries:
        found = sorted((e.name, e.path) for e in entries if not is_hidden(e.name) and _may_be(e.name))
        yield [path for name, path in found if name.lower().endswith(_SUFFIXES)]
        for name, path in found if depth else ():
            if name.lower() in _SIDES or split_role(name):
                yield from _names_below(path, depth - 1)


def _may_be(name: str) -> bool:
    """Quickly: not an image's file."""
    return "." not in name or name.lower().endswith(_SUFFIXES) or name.lower() in _SIDES


def _is_list(path: Path) -> bool:
    """Whether a text names classes, or the images of a split, or tells about the data."""
    name = path.name.lower()
    return name in _NAMES or path.stem.lower() in SPLIT_NAMES or name.startswith(("readme", "license"))


def _key(path: Path, folder: Path) -> tuple[str, ...]:
    """What an image and its file have in common: their path without the names of the sides, and without suffix."""
    *inner, _ = path.relative_to(folder).parts
    return (*(part for part in inner if part.lower() not in _SIDES), path.stem)


def _by_key(folder: Path, suffix: str) -> dict[tuple[str, ...], Path]:
    """The files of objects below *folder*."""
    files: dict[tuple[str, ...], Path] = {}
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not is_hidden(name)]
        paths = (Path(root, name) for name in names if name.lower().endswith(suffix) and not is_hidden(name))
        files |= {_key(path, folder): path for path in paths if not _is_list(path)}
    return files


def _matched(
    folder: Path, suffix: str, read: OfOne
) -> tuple[dict[str, list[tuple[Path, Path]]], list[str], list[Broken]]:
    """Each image and its file, by split; the names of the images that have none; the files and names in lists that have
    no image.
    """
    files = _by_key(folder, suffix)
    lists = image_sets(folder, "main")
    found: dict[str, list[tuple[Path, Path]]] = {}
    alone, images = [], images_under(folder)
    over = files.keys() - {_key(image, folder) for image in images}
    skipped = [(str(files[key]), "no image of that name") for key in sorted(over) if _is_of(files[key], read)]
    for image in images:
        file = files.get(_key(image, folder))
        if file is None:
            alone.append(image.name)
            continue
        role = split_of(image, folder) or next((split for split, stems in lists.items() if image.stem in stems), "")
        if role or "train" not in lists:
            found.setdefault(role or "train", []).append((image, file))
    missing = listed_missing(folder, "main", images)
    return {split: found[split] for split in SPLITS if split in found}, alone, [*skipped, *missing]


# ------------------------------------------------------------------------------------------------ names


def _names_of(folder: Path, labels: set[str]) -> dict[str, str]:
    """The name of each class number, from ``data.yaml``, ``classes.txt`` or ``NAME.names``; none where there is none.

    Raises:
        DataError: A number has no name there.
    """
    if not all(label.isdecimal() for label in labels):
        return {}
    inner, files = folder_contents(folder)
    files += [
        file
        for path in inner
        if path.name.lower() in _SIDES or split_role(path.name)
        for file in folder_contents(path)[1]
    ]
    for path in files:
        names = []
        if path.suffix.lower() in (".yaml", ".yml"):
            names = _yaml_names(file_text(path))
        elif path.name.lower() in _NAMES or path.suffix.lower() == ".names":
            names = [line.strip() for line in file_text(path).rstrip().splitlines()]
        if names:
            if beyond := sorted(int(label) for label in labels if int(label) >= len(names)):
                raise DataError(
                    f"{path}: {counted(len(names), 'name')}, but objects are of {listed(beyond)}; add theirs"
                )
            return {str(i): name for i, name in enumerate(names) if name}
    return {}


def _yaml_names(text: str) -> list[str]:
    r"""The list ``names`` of a ``data.yaml``: in brackets, or a line each.

    >>> _yaml_names("nc: 2\nnames: ['cat', 'big dog']"), _yaml_names("names:\n  0: cat\n  1: dog\npath: x")
    (['cat', 'big dog'], ['cat', 'dog'])
    """
    match = re.search(r"^names\s*:[ \t]*", text, re.MULTILINE)
    if match is None:
        return []
    rest = text[match.end() :]
    if rest.startswith(("[", "{")):
        inside = re.split(r"[\]}]", rest[1:], maxsplit=1)[0]
        cells = re.findall(r"'[^']*'|\"[^\"]*\"|[^,'\"]+", inside)
    else:
        lines = (line.partition(" #")[0] for line in rest.splitlines()[1:])
        cells = [*takewhile(lambda line: line[:1] in (" ", "\t", "-"), lines)]
    named = (re.sub(r"^\s*(?:-\s+|\d+\s*:\s*)?", "", cell).strip().strip("'\"").strip() for cell in cells)
    return [name for name in named if name]
