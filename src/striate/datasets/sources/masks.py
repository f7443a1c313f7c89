"""Images and masks: two folders of the same names, whatever they are called, or both in one; flat or for each split."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from striate.datasets.dataset import SPLITS, DataSet, Part
from striate.datasets.mask_recipe import MaskFile, MaskRecipe
from striate.datasets.options import DataOptions
from striate.datasets.sources.folders import skipped, typical
from striate.datasets.sources.folders_splits import split_role
from striate.datasets.sources.mask_values import NAME_FILES, SplitMasks, mask_meaning, split_masks
from striate.datasets.sources.masks_pairs import (
    IMAGE_WORDS,
    MASK_WORDS,
    MAYBE,
    NO,
    YES,
    Matched,
    are_masks,
    are_photos,
    masks_beside,
    matched,
    name_words,
    one_encoding,
    parted,
    stem_from,
)
from striate.errors import DataError, counted, listed
from striate.files import read_regular_text
from striate.model.opening import each_image_under, folder_contents, images_under, is_image
from striate.tasks import SEGMENTATION

_IMAGES = ("images", "image", "imgs", "jpegimages")
_MASKS = ("masks", "mask", "labels", "annotations", "segmentationclass")
_LAYOUT = "arrange them as images/NAME.jpg and masks/NAME.png"
_LOOKED = 5  # folders that are looked into to see whether each is an item
_MANY = 12  # folders beside each other: above it nobody looks for two that belong together

Pairs = list[tuple[Path, MaskFile]]  # an image and its mask


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
        return _named_pair(folder) is not None  # which is nothing else
    if _places(folder, task is not None):
        return True
    if task is None and _masked_classes(folder):
        where = f"striate data {shlex.quote(str(folder))} --task"
        raise DataError(
            f"{folder}: the class folders contain images and their masks; say what is to be learned: {where} "
            f"classification (the folders), or {where} segmentation (the masks)"
        )
    return False


def open_masks(folder: Path, options: DataOptions | None = None) -> DataSet:
    """The images below *folder* and, for each, its mask: which class every pixel is of.

    ``images/`` and ``masks/`` (or any two folders, or one, with such content) are in *folder*, or in its splits, or
    contain those. Images and masks are paired by their names (:func:`~striate.datasets.sources.masks_pairs.matched`);
    what has no partner is skipped and noted. Several masks of an image are put together. What the classes are: see
    :func:`~striate.datasets.sources.mask_values.mask_meaning`.

    Raises:
        DataError: No pair at all, two masks of one name, no mask of its image's size, none that can be read; or the
            values are no classes.
    """
    options = options or DataOptions()
    places = _places(folder, options.task is not None)
    if "train" not in places:
        there = " and ".join(f"{split}/" for split in places)
        raise DataError(f"{folder}: there is {there} with images and masks, but no train/ to learn from")
    pairs, looked, notes = {}, {}, _without_masks(folder, places)
    names: dict[int, str] = {}
    for split, sides in places.items():
        found, unpaired, names = _pairs(sides, options.mask_threshold, names)
        looked[split] = split_masks(found)
        pairs[split], uneven = _of_one_size(sides[1].folder, found, looked[split])
        notes += [f"{split}: {note}" for note in (*unpaired, *uneven)]
    images, masks = places["train"]
    if images.folder == masks.folder:
        why = f"from images and masks in {images.folder.name}/"
    else:
        same = images.folder.name == masks.folder.name
        first, second = (str(s.folder.relative_to(folder)) if same else s.folder.name for s in (images, masks))
        why = f"from {first}/ and {second}/"
    return mask_data(folder, pairs, looked, why, notes, names)


def _without_masks(folder: Path, places: dict[str, MaskSides]) -> list[str]:
    """Notes, a line each: folders that are called as splits are, and whose images have no masks."""
    used = {path for sides in places.values() for side in sides for path in (side.folder, *side.folder.parents)}
    left = [path for path in folder_contents(folder)[0] if split_role(path.name) and path not in used]
    left = [pair[0].folder if (pair := _named_pair(path)) else path for path in left]
    return [
        f"{path.relative_to(folder)}/ has {counted(n, 'image')} and no masks: not trained or measured on; predict them "
        f"with striate predict MODEL {shlex.quote(str(path))}"
        for path in left
        if (n := len(images_under(path)))
    ]


def mask_data(
    folder: Path,
    pairs: dict[str, Pairs],
    looked: dict[str, SplitMasks],
    why: str,
    notes: Iterable[str],
    names: dict[int, str] | None = None,
    used: Sequence[str] = (),
) -> DataSet:
    """The data set of the *pairs* of each split; *names*, where they are known, of the values in the masks.

    Raises:
        DataError: The values are no classes, or no image can be read.
    """
    mode, shape, about_images = typical(folder, [image for image, _ in pairs["train"]])
    meaning = mask_meaning(
        folder,
        {split: one.values for split, one in looked.items()},
        names,
        grey=any(one.grey for one in looked.values()),
    )
    parts = {split: _part(found) for split, found in pairs.items()}
    return DataSet(
        folder.resolve().name,
        SEGMENTATION,
        meaning.classes,
        mode,
        shape,
        parts["train"],
        parts.get("val"),
        parts.get("test"),
        why=why,
        mask_values=meaning.mask_values,
        notes=(*about_images, *meaning.notes, *notes, *skipped(folder, *NAME_FILES, *used)),
    )


def without_partner(folder: Path) -> tuple[list[Path], list[tuple[Path, Path]]]:
    """The files without a partner where there are images and masks below *folder*, and all pairs of one mask each."""
    alone: list[Path] = []
    pairs = []
    for images, masks in _places(folder, True).values():
        if not masks.files:  # texts of outlines, for one
            continue
        photos = dict(images.stems)
        found = matched(list(photos), masks.stems)
        alone += [path for stem, path in photos.items() if stem not in found.of] if not images.listed else []
        alone += found.over if not masks.listed else []
        pairs += [(photos[stem], of[0][1]) for stem, of in found.of.items() if len(of) == 1]
    return alone, pairs


# ------------------------------------------------------------------------------------------------ where they are
def has_mask_files(folder: Path) -> bool:
    """Whether *folder*, or a split in it, has folders that are called images and masks, with images in both."""
    places = (folder, *(path for path in folder_contents(folder)[0] if split_role(path.name)))
    return any(any(each_image_under(pair[1].folder)) for path in places if (pair := _named_pair(path)))


def _named_pair(folder: Path) -> MaskSides | None:
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


def _places(folder: Path, forced: bool) -> dict[str, MaskSides]:
    """The images and masks of each split; empty where the layout is another one."""
    folders, files = folder_contents(folder)
    if pair := _named_pair(folder):
        return _split_inside(folder, pair)
    places: dict[str, MaskSides] = {}
    roles: dict[str, list[Path]] = {}
    for path in folders:
        if (role := split_role(path.name)) in SPLITS:
            roles.setdefault(role, []).append(path)
    for role, paths in roles.items():
        inside = [pair for path in paths if (pair := _named_pair(path))]
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
    pairs = (_named_pair(path) for path in folders[:_LOOKED])
    if len(folders) < 2 or not all(pair and len(pair[0].files) == 1 and pair[1].files for pair in pairs):
        return None
    images, masks = list[Path](), list[Path]()
    for path in folders:
        if pair := _named_pair(path):
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
            if _belong(folder, pair, forced) == YES:
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
            certain = _belong(images.parent, pair, forced)
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


def _belong(folder: Path, pair: MaskSides, forced: bool) -> int:
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


# ------------------------------------------------------------------------------------------------ pairs
def _pairs(sides: MaskSides, threshold: int | None, names: dict[int, str]) -> tuple[Pairs, list[str], dict[int, str]]:
    """The images that have a mask, with it; notes about those that have none, and about masks without image; and what
    the values are called, where masks of several classes are put together (*names*: those so far).
    """
    images, masks = sides
    photos, drawn = images.stems, masks.stems
    if not drawn:
        boxes = any(path.suffix == ".txt" for path in folder_contents(masks.folder)[1])
        why = " (text files of boxes, as for object detection, are no masks)" if boxes else ""
        raise DataError(f"{masks.folder}: no images in it{why}; a mask is an image whose pixels are class numbers")
    found = matched([stem for stem, _ in photos], drawn)
    recipes, names = _joined(masks.folder, found, threshold, names, masks.by_item)
    pairs: Pairs = [(path, recipes[stem]) for stem, path in photos if stem in recipes]
    alone = [path.name for stem, path in photos if stem not in recipes]
    over = [path.name for path in found.over]
    if not pairs:
        ours, theirs = (listed(sorted(of), 3) or "nothing" for of in (alone, over))
        raise DataError(
            f"{images.folder.parent}: no mask in {masks.folder.name}/ has the name of an image in "
            f"{images.folder.name}/ ({theirs}; {ours}); {_LAYOUT}"
        )
    notes = [f"{counted(len(alone), 'image')} without a mask skipped: {listed(alone)}"] if alone else []
    notes += [f"{counted(len(over), 'mask')} without an image skipped: {listed(sorted(over))}"] if over else []
    if several := sum(isinstance(mask, MaskRecipe) and len(mask.files) > 1 for _, mask in pairs):
        how = "each a class by its name" if names else "put together into one"
        notes.append(f"{counted(several, 'image')} with several masks, {how}")
    return pairs, notes, names


def _joined(
    folder: Path, found: Matched, threshold: int | None, names: dict[int, str], by_item: bool
) -> tuple[dict[str, MaskFile], dict[int, str]]:
    """The mask of each stem, and what the values are called where each file of an image is a class."""
    several = [of for of in found.of.values() if len(of) > 1]
    for stem, of in found.of.items():
        whole = [path for rest, path in of if not rest]
        if len(of) > 1 and whole and not by_item:
            other = next(path for _, path in of if path != whole[0])
            first, second = sorted((whole[0].name, other.name))
            raise DataError(f"{folder}: both {first} and {second} are the mask of {stem!r}; keep one")
    words = {path: _class_word(path.stem if by_item else rest) for of in found.of.values() for rest, path in of}
    distinct = sorted({*names.values(), *words.values()} - {"background"})
    by_class = bool(several) and "" not in distinct and 1 < len(distinct) <= len(words) / 2
    by_class = by_class and all(len({words[path] for _, path in of}) == len(of) for of in several)
    value = {word: i + 1 for i, word in enumerate(distinct)}
    made: dict[str, MaskFile] = {}
    for stem, of in found.of.items():
        files = tuple(path for _, path in of)
        if by_class:
            made[stem] = MaskRecipe(files, tuple(value[words[path]] for path in files), threshold)
        else:
            made[stem] = files[0] if len(files) == 1 and threshold is None else MaskRecipe(files, (), threshold)
    return made, {0: "background"} | {i: word for word, i in value.items()} if by_class else {}


def _class_word(rest: str) -> str:
    """What the name of one of several masks says besides the image's name and that it is a mask.

    >>> _class_word("_cat_mask"), _class_word("_01_seg"), _class_word("lungs ")
    ('cat', '', 'lungs')
    """
    return " ".join(word for word in re.findall(r"[^\W\d_]+", rest.lower()) if word not in MASK_WORDS)


def _of_one_size(folder: Path, pairs: Pairs, looked: SplitMasks) -> tuple[Pairs, list[str]]:
    """The pairs whose mask has its image's size, and a note about the others."""
    if not looked.uneven:
        return pairs, []
    first = next(iter(looked.uneven))
    what = f"{first.name}: {looked.uneven[first]}"
    if len(looked.uneven) == len(pairs):
        raise DataError(
            f"{folder}: no mask has the size of its image ({counted(len(pairs), 'pair')}; {what}); draw it on the image"
        )
    left = [(image, mask) for image, mask in pairs if mask not in looked.uneven]
    return left, [f"{counted(len(looked.uneven), 'mask')} not of the image's size skipped, the first {what}"]


def _part(pairs: Pairs) -> Part:
    images, masks = zip(*pairs, strict=True)
    return Part(tuple(images), tuple(masks), tuple(map(str, images)))
