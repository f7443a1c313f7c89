"""A file of annotated objects beside each image: YOLO's texts of boxes or polygons, Pascal VOC's XML.

``images/train/1.jpg`` and ``labels/train/1.txt``, ``train/images/1.jpg`` and ``train/labels/1.txt``,
``JPEGImages/1.jpg`` and ``Annotations/1.xml``, or both in one folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path
from xml.etree import ElementTree

from striate.datasets.dataset import SPLIT_NAMES, SPLITS, DataSet
from striate.datasets.mask_recipe import MaskRecipe, OutlinedObject
from striate.datasets.options import DataOptions
from striate.datasets.sources.folders_splits import split_role
from striate.datasets.sources.mask_values import split_masks
from striate.datasets.sources.masks import Pairs, mask_data
from striate.datasets.sources.masks_pairs import IMAGE_WORDS, MASK_WORDS
from striate.datasets.sources.masks_places import has_mask_files, image_sets
from striate.datasets.sources.objects import objects_data_set
from striate.errors import DataError, counted, listed
from striate.files import read_regular_text
from striate.model.image import header
from striate.model.opening import each_image_under, folder_contents, images_under, is_hidden

_SIDES = IMAGE_WORDS | MASK_WORDS | {"annotations", "xmls", "xml", "bbox", "bboxes", "boxes", "yolo", "voc"}
_LOOKED = 8  # files that are read to see what they are
_LARGEST = 1 << 22  # bytes of a file about one image
_NAMES = ("classes.txt", "obj.names", "_darknet.labels", "labels.txt", "predefined_classes.txt")


@dataclass(frozen=True)
class ImageObject:
    """One object of an image: its class, by name or number, and its outline as shares of the sides, if there is one."""

    label: str
    outline: tuple[float, ...] = ()


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
        DataError: No image has such a file, one is damaged, a number has no name, there is no training split; masks
            are wanted, but there are boxes only.
    """
    task = options.task if options else None
    suffix, read, what = _format(folder) or (".txt", _yolo, "YOLO's texts")
    found, alone = _matched(folder, suffix)
    if "train" not in found:
        raise DataError(f"{folder}: there are objects of {' and '.join(found) or 'no image'}, but none of train")
    objects = {split: [(image, read(file)) for image, file in pairs] for split, pairs in found.items()}
    every = {one.label for of in objects.values() for _, row in of for one in row}
    called = _names_of(folder, every)
    classes = (*sorted(every, key=_by_number),)
    names = {n: called.get(label, label) for n, label in enumerate(classes)}
    notes = [f"{counted(len(alone), 'image')} without a {suffix} file skipped: {listed(alone, 3)}"] if alone else []
    outlined = any(one.outline for of in objects.values() for _, row in of for one in row)
    if outlined and (task is None or task.per_pixel):
        drawn: dict[str, Pairs] = {
            split: [
                (image, _mask(image, file, row, classes))
                for (image, row), (_, file) in zip(of, found[split], strict=True)
            ]
            for split, of in objects.items()
        }
        looked = {split: split_masks(pairs) for split, pairs in drawn.items()}
        values = {0: "background"} | {n + 1: name for n, name in names.items()}
        used = ["data.yaml", *_NAMES, *(file.name for of in found.values() for _, file in of)]
        return mask_data(folder, drawn, looked, f"from the outlines in {what}", notes, values, used)
    if task is not None and task.per_pixel:
        raise DataError(f"{folder}: {what} have boxes only, and masks need outlines; use --task multilabel")
    labels = {
        split: [(image, [classes.index(one.label) for one in row]) for image, row in of]
        for split, of in objects.items()
    }
    return objects_data_set(folder, labels, names, task, f"from the objects in {what}", notes)


# ------------------------------------------------------------------------------------------------ where they are
Reader = Callable[[Path], Sequence[ImageObject]]


def _format(folder: Path) -> tuple[str, Reader, str] | None:
    """The suffix of the files of objects, what reads one, and what to call them; None where there are none."""
    beside = [name for names in _names_below(folder) for name in names]
    for suffix, read, what in ((".txt", _yolo, "YOLO's texts"), (".xml", _voc, "Pascal VOC's XML")):
        some = [Path(name) for name in beside if name.lower().endswith(suffix)]
        some = [*islice((path for path in some if not _is_list(path)), _LOOKED)]
        if 2 * sum(_is_of(path, read) for path in some) > len(some):
            files = _by_key(folder, suffix)
            if any(_key(image, folder) in files for image in each_image_under(folder)):
                return suffix, read, what
    return None


def _is_of(path: Path, read: Reader) -> bool:
    try:
        return bool(read(path))
    except DataError:
        return False


def _names_below(folder: Path | str, depth: int = 3) -> Iterator[list[str]]:
    """The texts and XML in a folder, and in those in it that are called as sides or splits are, sorted."""
    with suppress(OSError), os.scandir(folder) as entries:
        found = sorted((e.name, e.path) for e in entries if not is_hidden(e.name) and _may_be(e.name))
        yield [path for name, path in found if name.lower().endswith((".txt", ".xml"))]
        for name, path in found if depth else ():
            if name.lower() in _SIDES or split_role(name):
                yield from _names_below(path, depth - 1)


def _may_be(name: str) -> bool:
    """Quickly: not an image's file."""
    return "." not in name or name.lower().endswith((".txt", ".xml")) or name.lower() in _SIDES


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


def _matched(folder: Path, suffix: str) -> tuple[dict[str, list[tuple[Path, Path]]], list[str]]:
    """Each image and its file, by split; and the names of the images that have none."""
    files = _by_key(folder, suffix)
    lists = image_sets(folder, "main")
    found: dict[str, list[tuple[Path, Path]]] = {}
    alone = []
    for image in images_under(folder):
        key = _key(image, folder)
        file = files.get(key)
        if file is None:
            alone.append(image.name)
            continue
        roles = [role for part in image.relative_to(folder).parts[:-1] if (role := split_role(part)) in SPLITS]
        named = [split for split, stems in lists.items() if image.stem in stems]
        if roles or named or "train" not in lists:
            found.setdefault([*roles, *named, "train"][0], []).append((image, file))
    order = [split for split in SPLITS if split in found]
    return {split: found[split] for split in order}, alone


# ------------------------------------------------------------------------------------------------ what is in them
def _text(path: Path) -> str:
    try:
        return read_regular_text(path, "utf-8-sig", "replace", _LARGEST)
    except OSError as error:
        raise DataError(f"{path}: it cannot be read ({error.strerror})") from None


def _yolo(path: Path) -> list[ImageObject]:
    """``number x y width height`` in each line, or ``number x y x y x y ...``, all as shares of the image's sides."""
    found = []
    for n, line in enumerate(_text(path).splitlines(), 1):
        label, *words = line.split() or [""]
        if not label:
            continue
        try:
            values = tuple(map(float, words))
        except ValueError:
            values = ()
        if not label.isdecimal() or len(values) < 4 or not all(-0.5 <= value <= 1.5 for value in values):
            raise DataError(
                f"{path}: line {n}: {line[:40]!r}; expected a class number, then x, y, width and height (or the points "
                "of an outline) as shares of the image's sides"
            )
        outline = values if len(values) >= 6 and len(values) % 2 == 0 else ()
        found.append(ImageObject(str(int(label)), outline))
    return found


def _voc(path: Path) -> list[ImageObject]:
    """``<object><name>cat</name>...</object>`` for each object."""
    try:
        tree = ElementTree.fromstring(_text(path))
    except ElementTree.ParseError as error:
        raise DataError(f"{path}: not XML that can be read ({error}); export it again") from None
    if tree.tag != "annotation":
        raise DataError(f"{path}: its first element is <{tree.tag}>, expected <annotation>")
    names = [" ".join((one.findtext("name") or "").split()) for one in tree.iter("object")]
    return [ImageObject(name) for name in names if name]


def _mask(image: Path, file: Path, objects: Sequence[ImageObject], classes: tuple[str, ...]) -> MaskRecipe:
    """Outlines as a mask: of the class with number *n*, pixels are n + 1; large objects first, as the others may lie
    on them."""
    height, width = header(image)[1]
    shapes = []
    for one in sorted(objects, key=lambda one: -_area(one.outline)):
        points = tuple(v * side for v, side in zip(one.outline, (width, height) * (len(one.outline) // 2), strict=True))
        shapes.append(OutlinedObject(classes.index(one.label) + 1, polygons=(points,)))
    return MaskRecipe((file, image), size=(height, width), shapes=tuple(shapes), numbered=classes)


def _area(points: Sequence[float]) -> float:
    """Of a polygon ``x, y, x, y, ...``.

    >>> _area((0, 0, 2, 0, 2, 1, 0, 1))
    2.0
    """
    xs, ys = points[::2], points[1::2]
    return abs(sum(xs[i - 1] * ys[i] - xs[i] * ys[i - 1] for i in range(len(xs)))) / 2


def _by_number(label: str) -> tuple[int, str]:
    return (int(label), "") if label.isdecimal() else (0, label)


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
            names = _yaml_names(_text(path))
        elif path.name.lower() in _NAMES or path.suffix.lower() == ".names":
            names = [line.strip() for line in _text(path).rstrip().splitlines()]
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
