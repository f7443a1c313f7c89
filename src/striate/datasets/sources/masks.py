"""Images and masks as a data set: paired by their names, several masks of an image put together."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from striate.datasets.dataset import Broken, DataSet, Part
from striate.datasets.mask_recipe import MaskFile, MaskRecipe
from striate.datasets.options import DataOptions
from striate.datasets.sources.folders import skipped, typical
from striate.datasets.sources.folders_splits import split_role
from striate.datasets.sources.mask_values import NAME_FILES, UNEVEN, SplitMasks, mask_meaning, split_masks
from striate.datasets.sources.masks_pairs import MASK_WORDS, Matched, matched
from striate.datasets.sources.masks_places import MaskSides, listed_missing, mask_places, named_pair
from striate.errors import DataError, counted, listed
from striate.model.opening import folder_contents, images_under
from striate.tasks import SEGMENTATION

NO_MASK, NO_IMAGE = "no mask of that name", "no image of that name"  # reasons for what is skipped
_LAYOUT = "arrange them as images/NAME.jpg and masks/NAME.png"
Pairs = list[tuple[Path, MaskFile]]  # an image and its mask


def open_masks(folder: Path, options: DataOptions | None = None) -> DataSet:
    """The images below *folder* and, for each, its mask: which class every pixel is of.

    ``images/`` and ``masks/`` (or any two folders, or one, with such content) are in *folder*, or in its splits, or
    contain those. Images and masks are paired by their names (:func:`~striate.datasets.sources.masks_pairs.matched`);
    what has no partner is skipped. Several masks of an image are put together. What the classes are: see
    :func:`~striate.datasets.sources.mask_values.mask_meaning`.

    Raises:
        DataError: No pair at all, two masks of one name, no mask of its image's size, none that can be read; or the
            values are no classes.
    """
    options = options or DataOptions()
    places = mask_places(folder, options.task is not None)
    if "train" not in places:
        there = " and ".join(f"{split}/" for split in places)
        raise DataError(f"{folder}: there is {there} with images and masks, but no train/ to learn from")
    pairs, looked, notes = {}, {}, _without_masks(folder, places)
    skipped: list[Broken] = []
    names: dict[int, str] = {}
    for split, sides in places.items():
        found, unpaired, names, several = _pairs(sides, options.mask_threshold, names)
        looked[split] = split_masks(found)
        pairs[split], uneven = _of_one_size(sides[1].folder, found, looked[split])
        notes += [f"{split}: {note}" for note in several]
        skipped += [*unpaired, *uneven]
    images, masks = places["train"]
    if images.folder == masks.folder:
        why = f"from images and masks in {images.folder.name}/"
    else:
        same = images.folder.name == masks.folder.name
        first, second = (str(s.folder.relative_to(folder)) if same else s.folder.name for s in (images, masks))
        why = f"from {first}/ and {second}/"
    by_lists = images.listed is not None and not images.by_item
    missing = listed_missing(folder, SEGMENTATION.name, images_under(images.folder)) if by_lists else ()
    return replace(mask_data(folder, pairs, looked, why, notes, names), skipped=(*skipped, *missing))


def _without_masks(folder: Path, places: dict[str, MaskSides]) -> list[str]:
    """Notes, a line each: folders that are called as splits are, and whose images have no masks."""
    used = {path for sides in places.values() for side in sides for path in (side.folder, *side.folder.parents)}
    left = [path for path in folder_contents(folder)[0] if split_role(path.name) and path not in used]
    left = [pair[0].folder if (pair := named_pair(path)) else path for path in left]
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
    return DataSet.of(
        folder.resolve().name,
        SEGMENTATION,
        meaning.classes,
        mode,
        shape,
        parts,
        why=why,
        mask_values=meaning.mask_values,
        notes=(*about_images, *meaning.notes, *notes, *skipped(folder, (*NAME_FILES, *used))),
    )


# ------------------------------------------------------------------------------------------------ pairs
def _pairs(
    sides: MaskSides, threshold: int | None, names: dict[int, str]
) -> tuple[Pairs, list[Broken], dict[int, str], list[str]]:
    """The images that have a mask, with it; those that have none, and masks without image; what the values are called,
    where masks of several classes are put together (*names*: those so far), and a note about these.
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
    alone = [path for stem, path in photos if stem not in recipes]
    if not pairs:
        ours, theirs = (listed(sorted(path.name for path in of), 3) or "nothing" for of in (alone, found.over))
        raise DataError(
            f"{images.folder.parent}: no mask in {masks.folder.name}/ has the name of an image in "
            f"{images.folder.name}/ ({theirs}; {ours}); {_LAYOUT}"
        )
    skipped = [(str(path), NO_MASK) for path in alone] + [(str(path), NO_IMAGE) for path in sorted(found.over)]
    notes = []
    if several := sum(isinstance(mask, MaskRecipe) and len(mask.files) > 1 for _, mask in pairs):
        how = "each a class by its name" if names else "put together into one"
        notes.append(f"{counted(several, 'image')} with several masks, {how}")
    return pairs, skipped, names, notes


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
    classes = (*distinct,)
    for stem, of in found.of.items():
        files = tuple(path for _, path in of)
        if by_class:
            values = tuple(value[words[path]] for path in files)
            made[stem] = MaskRecipe(files, values, threshold, numbered=classes)
        else:
            made[stem] = files[0] if len(files) == 1 and threshold is None else MaskRecipe(files, (), threshold)
    return made, {0: "background"} | {i: word for word, i in value.items()} if by_class else {}


def _class_word(rest: str) -> str:
    """What the name of one of several masks says besides the image's name and that it is a mask.

    >>> _class_word("_cat_mask"), _class_word("_01_seg"), _class_word("lungs ")
    ('cat', '', 'lungs')
    """
    return " ".join(word for word in re.findall(r"[^\W\d_]+", rest.lower()) if word not in MASK_WORDS)


def _of_one_size(folder: Path, pairs: Pairs, looked: SplitMasks) -> tuple[Pairs, list[Broken]]:
    """The pairs whose mask has its image's size, and the other masks."""
    uneven = looked.uneven
    if uneven and len(uneven) == len(pairs):
        first = next(iter(uneven))
        raise DataError(
            f"{folder}: no mask has the size of its image ({counted(len(pairs), 'pair')}; {first.name}: "
            f"{uneven[first]}); draw it on the image"
        )
    left = [(image, mask) for image, mask in pairs if mask not in uneven]
    return left, [(str(mask), f"{UNEVEN}: {why}") for mask, why in uneven.items()]


def _part(pairs: Pairs) -> Part:
    images, masks = zip(*pairs, strict=True)
    return Part(tuple(images), tuple(masks), tuple(map(str, images)))
