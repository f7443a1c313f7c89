"""Annotated objects, whatever format they are written in: the class, the labels or the mask of each image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from striate.datasets.dataset import SPLITS, Broken, DataSet, Part
from striate.datasets.mask_recipe import MaskRecipe, OutlinedObject
from striate.datasets.sources.folders import typical
from striate.datasets.sources.folders_splits import split_role
from striate.datasets.sources.mask_values import UNEVEN, split_masks, unevenness
from striate.datasets.sources.masks import Pairs, mask_data
from striate.errors import DataError, TaskError, counted, listed
from striate.model.image import header
from striate.tasks import CLASSIFICATION, MULTILABEL, Task

_FARTHEST = 1e6  # pixels: a corner beyond is damage


@dataclass(frozen=True)
class ImageObject:
    """One object of an image.

    Args:
        label: Its class, by name or number.
        polygons: Its outlines, ``x, y, x, y, ...`` in pixels.
        runs: Or lengths of runs down the columns of the image, the first outside it.
        box: The corners of its box, which is drawn where other objects have outlines.
        shares: Whether the outlines are shares of the image's sides.
    """

    label: str
    polygons: tuple[tuple[float, ...], ...] = ()
    runs: tuple[int, ...] = ()
    box: tuple[float, ...] = ()
    shares: bool = False

    @property
    def is_outlined(self) -> bool:
        return bool(self.runs) or any(len(points) >= 6 for points in self.polygons)

    @property
    def drawn(self) -> tuple[tuple[float, ...], ...]:
        """The polygons that are drawn of it."""
        return self.polygons if self.is_outlined else (self.box,)

    @property
    def area(self) -> float:
        return float(sum(self.runs[1::2]) or sum(map(_area, self.drawn)))


class AnnotatedImage(NamedTuple):
    """An image, the file that tells of its objects, these, and the height and width that the file says it has."""

    image: Path
    file: Path
    objects: Sequence[ImageObject]
    size: tuple[int, int] | None = None


Annotated = Mapping[str, Sequence[AnnotatedImage]]  # by split


def annotated_data_set(
    folder: Path,
    splits: Annotated,
    what: str,
    *,
    task: Task | None = None,
    called: Mapping[str, str] | None = None,
    notes: Iterable[str] = (),
    skipped: Iterable[Broken] = (),
    used: Sequence[str] = (),
) -> DataSet:
    """The data set of annotated images: with masks where any object has an outline, else of the class or the labels of
    each image.

    Args:
        folder: Where they are.
        splits: By split.
        what: The annotations, in words: ``"COCO annotations"``.
        task: What to take them for; with another than segmentation, outlines are not used. None: what they look like.
        called: The names of labels that are numbers.
        notes: Those so far.
        skipped: What is annotated or listed and is not there, or damaged.
        used: Names of files that are no images and no clutter either.

    Raises:
        DataError: There is nothing to train on; masks are wanted and there are boxes only, or a class each, and an
            image has several; half of the outlines or more do not fit their images.
    """
    if "train" not in splits:
        raise DataError(f"{folder}: there are objects of {' and '.join(splits) or 'no image'}, but none of train")
    labels = {one.label for of in splits.values() for row in of for one in row.objects}
    classes = (*sorted(labels, key=lambda label: (int(label), "") if label.isdecimal() else (0, label)),)
    names = {n: (called or {}).get(label, label) for n, label in enumerate(classes)}
    outlined = any(one.is_outlined for of in splits.values() for row in of for one in row.objects)
    if outlined and (task is None or task.per_pixel):
        splits, unfit = _fitting(folder, splits)
        skipped = [*skipped, *unfit]
        pairs: dict[str, Pairs] = {s: [(row.image, _mask(row, classes)) for row in of] for s, of in splits.items()}
        looked = {split: split_masks(found) for split, found in pairs.items()}
        values = {0: "background"} | {n + 1: name for n, name in names.items()}
        every = (one for of in splits.values() for row in of for one in row.objects)
        bare = Counter(values[classes.index(one.label) + 1] for one in every if not (one.is_outlined or one.box))
        if bare:
            which = listed(f"{n:,} of {name!r}" for name, n in sorted(bare.items()))
            notes = (*notes, f"objects with neither outline nor box are not in the masks: {which}")
        data = mask_data(folder, pairs, looked, f"from the outlines in {what}", notes, values, used)
        return replace(data, skipped=tuple(skipped))
    if task is not None and task.per_pixel:
        raise TaskError(f"{folder}: {what} have boxes only, and masks need outlines; use --task multilabel")
    numbers = {label: n for n, label in enumerate(classes)}
    found = {
        split: [(row.image, [numbers[one.label] for one in row.objects]) for row in of] for split, of in splits.items()
    }
    data = _labelled(folder, found, names, task, f"from the objects in {what}", [*notes])
    return replace(data, skipped=tuple(skipped))


def split_of(image: Path, folder: Path) -> str:
    """The split that the folders of an image below *folder* say; "" where they say none."""
    roles = (split_role(part) for part in image.relative_to(folder).parts[:-1])
    return next((role for role in roles if role in SPLITS), "")


def _labelled(
    folder: Path,
    splits: Mapping[str, Sequence[tuple[Path, Sequence[int]]]],
    names: dict[int, str],
    task: Task | None,
    why: str,
    notes: list[str],
) -> DataSet:
    """The images of each split with the numbers of their objects' classes: of a class each where none has several."""
    single = all(len({*of}) <= 1 for found in splits.values() for _, of in found)
    task = task or (CLASSIFICATION if single else MULTILABEL)
    if task.exclusive and not single:
        raise TaskError(f"{folder}: an image has objects of several classes; use --task multilabel")
    parts = {}
    for split, found in splits.items():
        kept = [(path, of) for path, of in found if of or not task.exclusive]
        if len(kept) < len(found):
            notes.append(f"{split}: {counted(len(found) - len(kept), 'image')} without an object skipped")
        if not kept:
            raise DataError(f"{folder}: no image of {split} has an object; remove it, or add --task multilabel")
        targets = np.zeros((len(kept), len(names)), np.uint8)
        for row, (_, of) in zip(targets, kept, strict=True):
            row[[*of]] = 1
        paths = tuple(path for path, _ in kept)
        made: np.ndarray = targets.argmax(1).astype(np.int64) if task.exclusive else targets
        parts[split] = Part(paths, made, tuple(map(str, paths)))
    mode, shape, about = typical(folder, parts["train"].files)
    return DataSet.of(
        folder.resolve().name, task, (*names.values(),), mode, shape, parts, why=why, notes=(*about, *notes)
    )


# ------------------------------------------------------------------------------------------------ masks
def _fitting(folder: Path, splits: Annotated) -> tuple[Annotated, list[Broken]]:
    """The images whose outlines fit them, and the others."""
    kept: dict[str, list[AnnotatedImage]] = {}
    unfit = []
    for split, rows in splits.items():
        for row in rows:
            if fault := _misfit(row):
                unfit.append((f"{row.file.name}: {row.image.name}", fault))
            else:
                kept.setdefault(split, []).append(row)
    check_few(folder, unfit, sum(map(len, splits.values())), "image")
    if "train" not in kept:
        raise DataError(f"{folder}: no image of train can be used; {unfit[0][0]}: {unfit[0][1]}")
    return kept, unfit


def _misfit(row: AnnotatedImage) -> str:
    """Why the outlines cannot be those of the image; "" where they can."""
    if any(not abs(v) <= _FARTHEST for one in row.objects for points in one.drawn for v in points):
        return "an outline leads far beyond the image; correct it"
    uneven = unevenness(row.size, row.image) if row.size else ""
    return f"{UNEVEN}: annotated as {uneven}; annotate the image as it is" if uneven else ""


def check_few(where: Path, unusable: Sequence[Broken], n: int, what: str) -> None:
    """DataError where half of *n* items or more are unusable, so that it is no slip."""
    if unusable and 2 * len(unusable) >= n:
        some = listed((f"{name} ({why})" for name, why in unusable), 3)
        raise DataError(f"{where}: {len(unusable):,} of {counted(n, what)} cannot be used: {some}")


def _mask(row: AnnotatedImage, classes: tuple[str, ...]) -> MaskRecipe:
    """Outlines as a mask: of the class with number *n*, pixels are n + 1; large objects first, as the others may lie
    on them.
    """
    size = row.size or header_size(row.image)
    place = {label: n + 1 for n, label in enumerate(classes)}
    shapes = []
    for one in sorted(row.objects, key=lambda one: -one.area):
        sides = (size[1], size[0]) if one.shares else (1, 1)
        polygons = tuple(
            tuple(v * side for v, side in zip(points, sides * (len(points) // 2), strict=False)) for points in one.drawn
        )
        shapes.append(OutlinedObject(place[one.label], polygons, one.runs))
    return MaskRecipe((row.file, row.image), size=size, shapes=tuple(shapes), numbered=classes)


def header_size(image: Path) -> tuple[int, int]:
    """Height and width; of an image that cannot be read a pixel: it is named, and left out, when all are read."""
    try:
        height, width = header(image)[1]
    except DataError:
        return 1, 1
    return height, width


def _area(points: Sequence[float]) -> float:
    """Of a polygon ``x, y, x, y, ...``.

    >>> _area((0, 0, 2, 0, 2, 1, 0, 1))
    2.0
    """
    xs, ys = points[::2], points[1::2]
    return abs(sum(xs[i - 1] * y - x * ys[i - 1] for i, (x, y) in enumerate(zip(xs, ys, strict=False)))) / 2
