"""A file of annotated objects for many images: COCO's JSON, CVAT's XML, the JSON or CSV of the VGG Image Annotator.

``train/_annotations.coco.json`` beside its images (Roboflow), ``annotations/instances_train2017.json`` beside
``train2017/``, ``annotations.xml`` beside ``images/``, or any such file beside images; or that file itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from striate.datasets.dataset import SPLITS, Broken, DataSet
from striate.datasets.options import DataOptions
from striate.datasets.sources.folders_splits import split_role
from striate.datasets.sources.masks_pairs import IMAGE_WORDS
from striate.datasets.sources.objects import AnnotatedImage, annotated_data_set, check_few, split_of
from striate.datasets.sources.objects_readers import ObjectList, OfMany, read_coco, read_cvat, read_via
from striate.errors import DataError, counted, listed
from striate.files import check_regular
from striate.model.opening import folder_contents, images_under

_LARGEST = 1 << 30  # bytes of a file
_LOOKED = 1 << 16  # bytes at each end that are searched for the words of a format
_FEW = 12  # files of a suffix in a folder: more are of an image each
_ABSENT = "the image is not there"
_PLACES = ("annotations", "annotation")
_FORMATS: tuple[tuple[str, str, int, tuple[bytes, ...], OfMany], ...] = (  # so many of the words are in each
    ("COCO annotations", ".json", 2, (b'"images"', b'"annotations"', b'"categories"'), read_coco),
    ("VIA's annotations", ".json", 3, (b'"filename"', b'"regions"', b'"file_attributes"'), read_via),
    ("VIA's annotations", ".csv", 2, (b"region_shape_attributes", b"region_attributes"), read_via),
    ("CVAT's annotations", ".xml", 2, (b"<annotations", b"<image "), read_cvat),
)


def is_object_lists(path: Path, options: DataOptions | None = None) -> bool:
    """Whether *path*, a split in it or its ``annotations/`` has a file of objects for many images, or is one."""
    return not (options and options.classes_from) and bool(_found(path)[1])


def open_object_lists(path: Path, options: DataOptions | None = None) -> DataSet:
    """The images that the files list: with masks where objects have outlines; else with the class or the labels of
    their objects. With another task than segmentation, outlines are not used.

    Raises:
        DataError: A file is not what it looks like, or lists no image that is there.
    """
    what, files = _found(path)
    folder = path if path.is_dir() else path.parent.parent if path.parent.name.lower() in _PLACES else path.parent
    splits: dict[str, list[AnnotatedImage]] = {}
    skipped: list[Broken] = []
    called: dict[str, str] = {}
    for split, (file, read) in files.items():
        said = read(file)
        called |= said.called
        found, missing = _there(folder, file, said, split)
        skipped += missing
        for role, rows in found.items():
            splits.setdefault(role, []).extend(rows)
    return annotated_data_set(
        folder,
        {split: splits[split] for split in SPLITS if split in splits},
        what,
        task=options.task if options else None,
        called=called,
        skipped=skipped,
        used=[file.name for file, _ in files.values()],
    )


def _found(path: Path) -> tuple[str, dict[str, tuple[Path, OfMany]]]:
    """What the files are, and the file of each split with what reads it; of several formats those of the first."""
    if path.is_file():
        looks = _format(path)
        return (looks[0], {"": (path, looks[1])}) if looks else ("", {})
    if not path.is_dir():
        return "", {}
    folders = folder_contents(path)[0]
    places = [path, *(one for one in folders if split_role(one.name) or one.name.lower() in _PLACES)]
    found: dict[str, dict[str, tuple[Path, OfMany]]] = {}
    for place in places:
        files = folder_contents(place)[1]
        many = Counter(file.suffix.lower() for file in files)
        for file in files:
            if many[file.suffix.lower()] > _FEW or (looks := _format(file)) is None:
                continue
            split = split_role(file.stem.replace("_annotations.coco", "")) or (place != path and split_role(place.name))
            of = found.setdefault(looks[0], {})
            if (split or "") in (*SPLITS, "") and ("instances" in file.name or (split or "") not in of):
                of[split or ""] = file, looks[1]
    for what in dict.fromkeys(name for name, *_ in _FORMATS):
        if what in found:
            of = found[what]
            return what, {split: of[split] for split in of if split or "train" not in of}
    return "", {}


def _format(path: Path) -> tuple[str, OfMany] | None:
    suffix = path.suffix.lower()
    if not any(suffix == one[1] for one in _FORMATS):
        return None
    try:
        check_regular(path)
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            text = file.read(_LOOKED)
            file.seek(max(0, size - _LOOKED))
            text += file.read(_LOOKED)
    except OSError:
        return None
    for what, ending, least, words, read in _FORMATS:
        if suffix == ending and size <= _LARGEST and sum(word in text for word in words) >= least:
            return what, read
    return None


def _there(
    folder: Path, file: Path, said: ObjectList, split: str
) -> tuple[dict[str, list[AnnotatedImage]], list[Broken]]:
    """The images that a file of a *split* tells of, by split, and those that are not there or cannot be read.

    Raises:
        DataError: None is there, or half of those that are there cannot be used; or a name may mean several images.
    """
    there: dict[str, list[Path]] = {}
    for image in _images(folder, file, split):
        there.setdefault(image.name, []).append(image)
    found: dict[str, list[AnnotatedImage]] = {}
    missing: list[Broken] = []
    for one in said.images:
        if one.fault:
            missing.append((f"{file.name}: {one.name}", one.fault))
            continue
        name = PurePosixPath(one.name.replace("\\", "/")).as_posix()
        same = there.get(name.rpartition("/")[2], [])
        if not same:
            missing.append((f"{file.name}: {one.name}", _ABSENT))
            continue
        own = split_role(one.split) if split_role(one.split) in SPLITS else ""
        same = _likeliest(same, name, (file.parent, folder), split or own)
        if len(same) > 1:
            where = listed(path.relative_to(folder).as_posix() for path in same)
            raise DataError(f"{file}: {one.name!r} is ambiguous: found as {where}; write its folder before its name")
        role = split or own or split_of(same[0], folder) or "train"
        found.setdefault(role, []).append(AnnotatedImage(same[0], file, one.objects, one.size))
    absent = [name.removeprefix(f"{file.name}: ") for name, why in missing if why == _ABSENT]
    if len(absent) == len(said.images):
        raise DataError(
            f"{file}: none of the {counted(len(said.images), 'image')} that it lists are in {folder} or below it (not "
            f"{listed(absent, 3)}); put them there, under these names"
        )
    damaged = [one for one in missing if one[1] != _ABSENT]  # a part of a large set is often all that somebody has
    check_few(file, damaged, len(said.images) - len(absent), "image")
    return found, missing


def _likeliest(images: list[Path], name: str, places: tuple[Path, Path], split: str) -> list[Path]:
    """Of images of one name those whose whole path is meant, else of the *split*, else in a folder for images."""
    folder = places[1]
    wanted: tuple[Callable[[Path], bool], ...] = (
        lambda path: path in [place / name for place in places],
        lambda path: path.as_posix().endswith("/" + name),
        lambda path: split_of(path, folder) == split or not split,
        lambda path: any(part.lower() in IMAGE_WORDS for part in path.relative_to(folder).parts[:-1]),
    )
    for is_meant in wanted:
        images = [path for path in images if is_meant(path)] or images
    return images


def _images(folder: Path, file: Path, split: str) -> list[Path]:
    """The images that a file may mean: those beside it, else of the split's own folder, else all."""
    beside = images_under(file.parent) if file.parent != folder else []
    own = [path for path in folder_contents(folder)[0] if split and split_role(path.name) == split]
    return beside or [image for place in own for image in images_under(place)] or images_under(folder)
