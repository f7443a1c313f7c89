"""COCO's JSON: the class, the labels or the mask of each image, in one file for each split.

``train/_annotations.coco.json`` beside its images (Roboflow), ``annotations/instances_train2017.json`` beside
``train2017/``, or any ``.json`` with ``images``, ``annotations`` and ``categories`` beside images.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from striate.datasets.dataset import SPLITS, DataSet
from striate.datasets.mask_recipe import MaskRecipe, OutlinedObject
from striate.datasets.options import DataOptions
from striate.datasets.sources.folders_splits import split_role
from striate.datasets.sources.mask_values import split_masks
from striate.datasets.sources.masks import Pairs, mask_data
from striate.datasets.sources.objects import objects_data_set
from striate.errors import DataError, counted, listed
from striate.files import check_regular, read_json
from striate.model.opening import folder_contents, images_under
from striate.tasks import SEGMENTATION

_OUTLINE = SEGMENTATION.name  # the key of an object's outline
_LARGEST = 1 << 30  # bytes of a file
_LOOKED = 1 << 16  # bytes at each end that are searched for the names of COCO's lists


def is_coco(folder: Path) -> bool:
    """Whether *folder*, a split in it or its ``annotations/`` has annotations as COCO writes them."""
    return folder.is_dir() and bool(_files(folder))


def open_coco(folder: Path, options: DataOptions | None = None) -> DataSet:
    """The images that COCO's files below *folder* list: with masks where objects have outlines; else with the class or
    the labels of their objects. With another task than segmentation, outlines are not used.

    Raises:
        DataError: A file is no such JSON, or lists no image that is there.
    """
    task = options.task if options else None
    read = {split: _CocoSplit(path, folder) for split, path in _files(folder).items()}
    if "train" not in read:
        raise DataError(f"{folder}: there are COCO annotations of {' and '.join(read)}, but none of train")
    names = {i: name for one in read.values() for i, name in one.categories.items() if i in one.used}
    notes = [note for split, one in read.items() for note in one.notes(split)]
    numbers = {i: n for n, i in enumerate(sorted(names))}
    if any(one.has_outlines for one in read.values()) and (task is None or task.per_pixel):
        pairs = {split: one.masks(numbers) for split, one in read.items()}
        looked = {split: split_masks(found) for split, found in pairs.items()}
        called = {0: "background"} | {numbers[i] + 1: name for i, name in names.items()}
        used = [one.path.name for one in read.values()]
        return mask_data(folder, pairs, looked, "from the outlines in COCO annotations", notes, called, used)
    labels = {
        split: [(one.found[image["id"]], one.labels(image)) for image in one.images] for split, one in read.items()
    }
    return objects_data_set(folder, labels, names, task, "from the objects in COCO annotations", notes)


def _files(folder: Path) -> dict[str, Path]:
    """The file of each split."""
    folders, _ = folder_contents(folder)
    places = [folder, *(path for path in folders if split_role(path.name) or path.name.lower() == "annotations")]
    found: dict[str, Path] = {}
    for place in places:
        for path in folder_contents(place)[1]:
            if path.suffix.lower() == ".json" and _looks_like_coco(path):
                split = (
                    split_role(path.stem.replace("_annotations.coco", ""))
                    or (place != folder and split_role(place.name))
                    or "train"
                )
                if split in SPLITS and ("instances" in path.name or split not in found):
                    found[split] = path
    return found


def _looks_like_coco(path: Path) -> bool:
    try:
        check_regular(path)
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            text = file.read(_LOOKED)
            file.seek(max(0, size - _LOOKED))
            text += file.read(_LOOKED)
    except OSError:
        return False
    return size <= _LARGEST and sum(word in text for word in (b'"images"', b'"annotations"', b'"categories"')) >= 2


class _CocoSplit:
    """What one file says, of the images that are there."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path = path
        try:
            content = read_json(path, _LARGEST)
            self.categories = {int(c["id"]): str(c["name"]) for c in content["categories"]}
            listed_images = [{"id": i["id"], "file_name": str(i["file_name"])} | i for i in content["images"]]
            self.objects: dict[Any, list[dict[str, Any]]] = {}
            for one in content["annotations"]:
                self.objects.setdefault(one["image_id"], []).append({"category_id": int(one["category_id"])} | one)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DataError(
                f"{path}: not COCO annotations ({type(error).__name__}: {error}); export them again"
            ) from None
        there = _by_name(folder, path)
        self.found = {
            image["id"]: file
            for image in listed_images
            if (file := there.get(str(image["file_name"]).replace("\\", "/").rpartition("/")[2]))
        }
        self.images = [image for image in listed_images if image["id"] in self.found]
        self.missing = [str(image["file_name"]) for image in listed_images if image["id"] not in self.found]
        if not self.images:
            raise DataError(f"{path}: none of the {counted(len(listed_images), 'image')} that it lists is there")
        self.used = {one["category_id"] for of in self.objects.values() for one in of} & self.categories.keys()

    @property
    def has_outlines(self) -> bool:
        return any(one.get(_OUTLINE) for of in self.objects.values() for one in of)

    def notes(self, split: str) -> list[str]:
        n = len(self.missing)
        return [f"{split}: {counted(n, 'image')} of {self.path.name} not there: {listed(self.missing, 3)}"] if n else []

    def labels(self, image: dict[str, Any]) -> list[int]:
        """The categories of an image's objects."""
        return sorted({one["category_id"] for one in self.objects.get(image["id"], [])} & self.used)

    def masks(self, numbers: dict[int, int]) -> Pairs:
        """Each image and its mask: of the category with number *n*, pixels are n + 1."""
        classes = (*numbers,)
        return [(self.found[image["id"]], self._mask(image, numbers, classes)) for image in self.images]

    def _mask(self, image: dict[str, Any], numbers: dict[int, int], classes: tuple[int, ...]) -> MaskRecipe:
        try:
            size = int(image["height"]), int(image["width"])
            objects = sorted(self.objects.get(image["id"], []), key=lambda one: -float(one.get("area") or 0))
            shapes = tuple(
                shape for one in objects if one["category_id"] in numbers for shape in _shapes(one, numbers, size)
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{self.path}: the outlines of {image['file_name']} cannot be read ({error!r})") from None
        if not 0 < size[0] * size[1] < 1 << 28:
            raise DataError(f"{self.path}: {image['file_name']} is said to be of {size[1]}x{size[0]} pixels")
        return MaskRecipe((self.path, self.found[image["id"]]), size=size, shapes=shapes, numbered=classes)


def _by_name(folder: Path, path: Path) -> dict[str, Path]:
    """The images that a file may mean, by name: those beside it, else of the split's own folder, else all."""
    beside = images_under(path.parent) if path.parent != folder else []
    split = split_role(path.stem)
    own = [p for p in folder_contents(folder)[0] if split and split_role(p.name) == split]
    images = beside or [image for place in own for image in images_under(place)] or images_under(folder)
    return {image.name: image for image in images}


def _shapes(one: dict[str, Any], numbers: dict[int, int], size: tuple[int, int]) -> Iterator[OutlinedObject]:
    """What an object's ``segmentation`` says: polygons, or lengths of runs, perhaps packed into a text."""
    value, outline = numbers[one["category_id"]] + 1, one.get(_OUTLINE)
    if isinstance(outline, dict):
        counts = outline["counts"]
        runs = tuple(_unpacked(counts) if isinstance(counts, str) else map(int, counts))
        if sum(runs) != size[0] * size[1] or min(runs) < 0:
            raise ValueError("the lengths of runs do not add up to the image")
        yield OutlinedObject(value, runs=runs)
    elif outline:
        yield OutlinedObject(value, polygons=tuple(tuple(map(float, polygon)) for polygon in outline))


def _unpacked(text: str) -> list[int]:
    """Lengths of runs from COCO's text: five bits a character, each but the first two less the last but one.

    >>> _unpacked("123")
    [1, 2, 3]
    """
    runs: list[int] = []
    value = bits = 0
    for character in text:
        code = ord(character) - 48
        value |= (code & 31) << bits
        bits += 5
        if not code & 32:
            value -= (1 << bits) if code & 16 else 0
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = bits = 0
    return runs
