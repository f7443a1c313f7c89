"""Where images and masks are in a folder: in two folders, in one, or in one for each item; flat or for each split."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from striate.datasets.dataset import SPLITS, Broken
from striate.datasets.options import DataOptions
from striate.datasets.sources.folders_splits import split_role
from striate.datasets.sources.masks_pairs import (
    IMAGE_WORDS,
    MASK_WORDS,
    MAYBE,
    NO,
    YES,
    are_masks,
    are_photos,
    masks_beside,
    matched,
    name_words,
    one_encoding,
    parted,
    stem_from,
)
from striate.errors import DataError, listed
from striate.files import read_regular_text
from striate.model.opening import each_image_under, folder_contents, images_under, is_image
from striate.tasks import SEGMENTATION

_IMAGES = ("images", "image", "imgs", "jpegimages")
_MASKS = ("masks", "mask", "labels", "annotations", "segmentationclass")
_LOOKED = 5  # folders that are looked into to see whether each is an item
_MANY = 12  # folders beside each other: above it nobody looks for two that belong together


@dataclass(frozen=True)
class MaskSide:
    """The images, or the masks, of a split: the files below a folder, all or those listed; *by_item*: each image and
    its masks are in a folder of their own, whose name is the image's.
    """

    folder: Path
    listed: tuple[Path, ...] | None = None
    by_item: bool = False

    @property
    def files(self) -> Sequence[Path]:
        return images_under(self.folder) if self.listed is None else self.listed

    @property
    def stems(self) -> list[tuple[str, Path]]:
        if self.by_item:
            return [(path.relative_to(self.folder).parts[0], path) for path in self.files]
        return one_encoding([(stem_from(path, self.folder), path) for path in self.files])


MaskSides = tuple[MaskSide, MaskSide]  # images and masks


def is_masks(folder: Path, options: DataOptions | None = None) -> bool:
    """Whether *folder*, or any of its splits, has images and their masks.

    Raises:
        DataError: It can be read as that and as classes too; the text has the command for each.
    """
    task = options.task if options else None
    if not folder.is_dir() or (options and options.classes_from):
        return False
    if task is not None and not task.per_pixel:
        return named_pair(folder) is not None  # which is nothing else
    if mask_places(folder, task is not None):
        return True
    if task is None and _masked_classes(folder):
        where = f"striate data {shlex.quote(str(folder))} --task"
        raise DataError(
            f"{folder}: the class folders contain images and their masks; say what is to be learned: {where} "
            f"classification (the folders), or {where} segmentation (the masks)"
        )
    return False


def has_mask_files(folder: Path) -> bool:
    """Whether *folder*, or a split in it, has folders that are called images and masks, with images in both."""
    places = (folder, *(path for path in folder_contents(folder)[0] if split_role(path.name)))
    return any(any(each_image_under(pair[1].folder)) for path in places if (pair := named_pair(path)))


def named_pair(folder: Path) -> MaskSides | None:
    """The folders directly in *folder* that are called images and masks; None where it lacks either."""
    inside = {path.name.lower(): path for path in folder_contents(folder)[0]}
    images = next((inside[name] for name in _IMAGES if name in inside), None)
    called = [inside[name] for name in _MASKS if name in inside]
    if not images or not called:
        return None
    masks = next((path for path in called if any(each_image_under(path))), called[0])  # not the boxes beside them
    masks = next((path for path in sorted(inside.values()) if "manual" in name_words(path.name)), masks)  # DRIVE
    below = folder_contents(images)[0]
    if below and not any(split_role(path.name) for path in below) and not any(each_image_under(masks)):
        return None  # class folders, beside boxes or lists
    return MaskSide(images), MaskSide(masks)


def mask_places(folder: Path, forced: bool) -> dict[str, MaskSides]:
    """The images and masks of each split; empty where the layout is another one."""
    folders, files = folder_contents(folder)
    if pair := named_pair(folder):
        return _split_inside(folder, pair)
    places: dict[str, MaskSides] = {}
    roles: dict[str, list[Path]] = {}
    for path in folders:
        if (role := split_role(path.name)) in SPLITS:
            roles.setdefault(role, []).append(path)
    for role, paths in roles.items():
        inside = [pair for path in paths if (pair := named_pair(path))]
        if len(inside) > 1:
            raise DataError(f"{folder}: two folders look like the {role} split; keep one")
        if inside:
            places[role] = inside[0]
    if "train" in places and _is_manual(places["train"]):  # what others have beside it is the field of view
        places = {role: pair for role, pair in places.items() if _is_manual(pair)}
    if places:
        return places
    for role, paths in roles.items():
        found = _pair_among(paths, forced) if len(paths) > 1 else _within(paths[0], forced)
        if found:
            places[role] = found
    if "train" in places:
        return places
    if not any(map(is_image, files)):
        _check_one_set(folder, folders)
    if len(folders) == 1 and not any(map(is_image, files)):
        return {} if folder_contents(folders[0])[0] else _flat(_within(folders[0], forced))
    found = _within(folder, forced)
    if found is None and forced:
        return _flat(_masked_classes(folder))
    return _split_inside(folder, found) if found else {}


def _check_one_set(folder: Path, folders: Sequence[Path]) -> None:
    """DataError where each of the *folders* is a set of images and masks, called otherwise than in the others."""
    inside = {path: folder_contents(path)[0] for path in folders} if 1 < len(folders) <= _MANY else {}
    names = [one.name.lower() for inner in inside.values() for one in inner]
    if not names or any(len(inner) < 2 for inner in inside.values()) or len({*names}) < len(names):
        return
    if all(map(_is_pair, inside.values())):
        called = listed(f"{path.name}/" for path in folders)
        raise DataError(
            f"{folder}: {len(folders)} sets of images and masks ({called}); name one of them, such as "
            f"{str(folders[0])!r}"
        )


def _is_pair(folders: Sequence[Path]) -> bool:
    try:
        return _pair_among(folders, False) is not None
    except DataError:  # it may be one
        return False


def _masked_classes(folder: Path) -> MaskSides | None:
    """All images and all masks in class folders that contain both; None where the first one does not."""
    folders = [path for path in folder_contents(folder)[0] if not split_role(path.name)]
    if len(folders) < 2 or not any(masks_beside(images_under(path)) for path in folders[:2]):
        return None
    images, masks = list[Path](), list[Path]()
    for path in folders:
        files = images_under(path)
        drawn = masks_beside(files)
        masks += drawn
        images += [file for file in files if file not in set(drawn)]
    return MaskSide(folder, tuple(images)), MaskSide(folder, tuple(masks))


def _flat(pair: MaskSides | None) -> dict[str, MaskSides]:
    return {"train": pair} if pair else {}


def _is_manual(pair: MaskSides) -> bool:
    """Whether masks are called ``1st_manual/``, as DRIVE's are, whose ``mask/`` is the field of view."""
    return "manual" in name_words(pair[1].folder.name)


def _items(folder: Path) -> MaskSides | None:
    """Where each item is a folder with one image in ``images/`` and its masks in ``masks/``; else None."""
    folders = folder_contents(folder)[0]
    pairs = (named_pair(path) for path in folders[:_LOOKED])
    if len(folders) < 2 or not all(pair and len(pair[0].files) == 1 and pair[1].files for pair in pairs):
        return None
    images, masks = list[Path](), list[Path]()
    for path in folders:
        if pair := named_pair(path):
            images += pair[0].files
            masks += pair[1].files
    return MaskSide(folder, tuple(images), by_item=True), MaskSide(folder, tuple(masks), by_item=True)


def _within(folder: Path, forced: bool) -> MaskSides | None:
    """The images and masks in *folder*: in two of its folders, together in it, or in a folder for each item."""
    folders, files = folder_contents(folder)
    if items := _items(folder):
        return items
    images = tuple(path for path in files if is_image(path))
    if len(images) >= 2 and (found := parted(images)):
        for first, second in (found, found[::-1]):
            pair = MaskSide(folder, tuple(first)), MaskSide(folder, tuple(second))
            if _belong(pair, forced) == YES:
                return pair
    return _pair_among(folders, forced) if 2 <= len(folders) <= _MANY else None


def _pair_among(folders: Sequence[Path], forced: bool) -> MaskSides | None:
    """The two of the *folders* that are images and their masks by names and content; None where no two are.

    Raises:
        DataError: Two may be, or be two classes: both commands.
    """
    words = {path: name_words(path.name) for path in folders}
    masks_first = sorted(folders, key=lambda path: (not words[path] & MASK_WORDS, bool(words[path] & IMAGE_WORDS)))
    for masks in masks_first:
        if are_photos(each_image_under(masks)):
            continue
        for images in folders:
            if images == masks or not _share_stems(images, masks):
                continue
            pair = MaskSide(images), MaskSide(masks)
            certain = _belong(pair, forced)
            if certain == YES:
                return pair
            if certain == MAYBE and len(folders) == 2:
                where = f"striate data {shlex.quote(str(images.parent))} --task"
                raise DataError(
                    f"{images.parent}: {images.name}/ and {masks.name}/ may be two classes, or images and their masks "
                    f"(the same names, few values in {masks.name}/); say which: {where} classification, or {where} "
                    "segmentation"
                )
    return None


@lru_cache(maxsize=64)
def _stems_under(folder: Path, _: int) -> frozenset[str]:
    return frozenset(path.stem for path in images_under(folder))


def _share_stems(images: Path, masks: Path) -> bool:
    """Quickly: whether both have images, and not in ten times as many or as few."""
    first, second = (_stems_under(path, path.stat().st_mtime_ns) for path in (images, masks))
    return bool(first and second) and len(first) <= 20 * len(second) and len(second) <= 100 * len(first)


def _belong(pair: MaskSides, forced: bool) -> int:
    images, masks = pair
    photos = dict(images.stems)
    drawn = masks.stems
    found = matched(list(photos), drawn)
    if not found.n or 10 * found.n < 8 * len(drawn):
        return NO
    hinted = forced or bool(name_words(masks.folder.name) & MASK_WORDS)
    hinted |= masks.folder == images.folder and any(name_words(path.stem) & MASK_WORDS for _, path in drawn[:3])
    return are_masks([(photos[stem], of[0][1]) for stem, of in found.of.items()], hinted=hinted)


def _split_inside(folder: Path, pair: MaskSides) -> dict[str, MaskSides]:
    """The splits that both sides have as folders, or that lists (``ImageSets/``) name; else all is for training."""
    images, masks = pair
    below = [{split_role(path.name): path for path in folder_contents(side.folder)[0]} for side in pair]
    both = {
        name: (MaskSide(below[0][name]), MaskSide(below[1][name])) for name in SPLITS if all(name in b for b in below)
    }
    if "train" in both and images.folder != masks.folder:
        return both
    lists = image_sets(folder, SEGMENTATION.name)
    if "train" not in lists:
        return {"train": pair}
    found = {}
    for split, stems in lists.items():
        photos = tuple(path for path in images.files if path.stem in stems)
        if photos:
            drawn = tuple(path for path in masks.files if path.stem in stems)
            found[split] = MaskSide(images.folder, photos), MaskSide(masks.folder, drawn)
    return found if "train" in found else {"train": pair}


def listed_missing(folder: Path, kind: str, images: Iterable[Path]) -> tuple[Broken, ...]:
    """What the lists of :func:`image_sets` name, and none of the *images* is called so."""
    stems = {image.stem for image in images}
    return tuple(
        (f"{split} in ImageSets/: {stem}", "no image of that name")
        for split, names in image_sets(folder, kind).items()
        for stem in sorted(names - stems)
    )


def image_sets(folder: Path, kind: str) -> dict[str, set[str]]:
    """The stems that the lists of Pascal VOC in ``ImageSets/KIND/``, or in ``ImageSets/``, name for each split."""
    inside = {path.name.lower(): path for path in folder_contents(folder)[0]}
    if "imagesets" not in inside:
        return {}
    sets = {path.name.lower(): path for path in folder_contents(inside["imagesets"])[0]}
    place = sets.get(kind, inside["imagesets"])
    found = {}
    for path in folder_contents(place)[1]:
        split = split_role(path.stem)
        if path.suffix == ".txt" and split in SPLITS and path.stem.lower() != "trainval":
            lines = read_regular_text(path, errors="replace").splitlines()
            found[split] = {Path(line.split()[0]).stem for line in lines if line.split()}
    return found
