"""Images and masks: a folder ``images/`` and a folder ``masks/`` of the same names, flat or for each split."""

from __future__ import annotations

from pathlib import Path

from striate.datasets.dataset import SPLIT_NAMES, SPLITS, DataSet, Part
from striate.datasets.sources.folders import skipped, typical
from striate.datasets.sources.mask_values import NAMES, SplitMasks, mask_meaning, split_masks
from striate.errors import DataError, counted, listed
from striate.model.opening import folder_contents, images_under
from striate.tasks import SEGMENTATION

_IMAGES = ("images", "image", "imgs")
_MASKS = ("masks", "mask", "labels", "annotations")
_ENDINGS = ("_mask", "_masks", "_label", "_labels", "_gt", "_seg", "_L")  # of a mask's stem, after its image's
_LAYOUT = "arrange them as images/NAME.jpg and masks/NAME.png"

Folders = tuple[Path, Path]  # of images and of masks
Pairs = list[tuple[Path, Path]]  # an image and its mask


def is_masks(folder: Path) -> bool:
    """Whether *folder*, or any of its splits, has a folder called ``images`` and one called ``masks``."""
    return folder.is_dir() and bool(_places(folder))


def open_masks(folder: Path) -> DataSet:
    """The images below *folder* and, for each, the mask of its name: which class every pixel is of.

    ``images/`` and ``masks/`` are in *folder*, or in its ``train/``, ``val/`` and ``test/``, or contain those. Images
    and masks are paired by their paths without suffix (a mask's may end in ``_mask``); what has no partner is skipped
    and noted. What the classes are: see :func:`~striate.datasets.sources.mask_values.mask_meaning`.

    Raises:
        DataError: No pair at all, two masks of one name, no mask of its image's size, none that can be read; or the
            values are no classes.
    """
    places = _places(folder)
    if "train" not in places:
        there = " and ".join(f"{split}/" for split in places)
        raise DataError(f"{folder}: there is {there} with images and masks, but no train/ to learn from")
    pairs, looked, notes = {}, {}, []
    for split, (images, masks) in places.items():
        found, unpaired = _pairs(images, masks)
        looked[split] = split_masks(found)
        pairs[split], uneven = _of_one_size(masks, found, looked[split])
        notes += [f"{split}: {note}" for note in (*unpaired, *uneven)]
    mode, shape, about_images = typical(folder, [image for image, _ in pairs["train"]])
    meaning = mask_meaning(folder, {split: one.values for split, one in looked.items()})
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
        why=f"from {places['train'][0].name}/ and {places['train'][1].name}/",
        mask_values=meaning.mask_values,
        notes=(*about_images, *meaning.notes, *notes, *skipped(folder, NAMES)),
    )


def image_and_mask_folders(folder: Path) -> Folders | None:
    """The folders of images and of masks that are directly in *folder*; None where it lacks either."""
    inside = {path.name.lower(): path for path in folder_contents(folder)[0]}
    images, masks = (next((inside[n] for n in names if n in inside), None) for names in (_IMAGES, _MASKS))
    return (images, masks) if images and masks else None


def _places(folder: Path) -> dict[str, Folders]:
    """The images and masks of each split; empty where the layout is another one."""
    if pair := image_and_mask_folders(folder):
        below = [{SPLIT_NAMES.get(path.name.lower(), ""): path for path in folder_contents(side)[0]} for side in pair]
        split = {name: (below[0][name], below[1][name]) for name in SPLITS if all(name in side for side in below)}
        return split if "train" in split else {"train": pair}
    places: dict[str, Folders] = {}
    for path in folder_contents(folder)[0]:
        name = SPLIT_NAMES.get(path.name.lower())
        if name is None or not (pair := image_and_mask_folders(path)):
            continue
        if name in places:
            raise DataError(f"{folder}: two folders look like the {name} split; keep one")
        places[name] = pair
    return places


def by_stem(images: Path, masks: Path) -> tuple[list[tuple[str, Path]], list[tuple[str, Path]]]:
    """The images, each behind its path without suffix, and the masks, each behind that of its image, or its own."""
    photos = [(_stem(path, images), path) for path in images_under(images)]
    stems = {stem for stem, _ in photos}
    return photos, [(_partner(_stem(path, masks), stems), path) for path in images_under(masks)]


def _pairs(images: Path, masks: Path) -> tuple[Pairs, list[str]]:
    """The images that have a mask, with it; and notes about those that have none, and about masks without image."""
    photos, drawn = by_stem(images, masks)
    if not drawn:
        boxes = any(path.suffix == ".txt" for path in folder_contents(masks)[1])
        why = " (text files of boxes, as for object detection, are no masks)" if boxes else ""
        raise DataError(f"{masks}: no images in it{why}; a mask is an image whose pixels are class numbers")
    mask_of: dict[str, Path] = {}
    for stem, path in drawn:
        if stem in mask_of:
            raise DataError(f"{masks}: both {mask_of[stem].name} and {path.name} are the mask of {stem!r}; keep one")
        mask_of[stem] = path
    found = [(path, mask_of[stem]) for stem, path in photos if stem in mask_of]
    alone = [path.name for stem, path in photos if stem not in mask_of]
    over = [mask_of[stem].name for stem in mask_of.keys() - {stem for stem, _ in photos}]
    if not found:
        ours, theirs = (listed(sorted(names), 3) or "nothing" for names in (alone, over))
        raise DataError(
            f"{images.parent}: no mask in {masks.name}/ has the name of an image in {images.name}/ ({theirs}; {ours}); "
            f"{_LAYOUT}"
        )
    notes = [f"{counted(len(alone), 'image')} without a mask skipped: {listed(alone)}"] if alone else []
    return found, notes + (
        [f"{counted(len(over), 'mask')} without an image skipped: {listed(sorted(over))}"] if over else []
    )


def _stem(path: Path, folder: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


def _partner(stem: str, stems: set[str]) -> str:
    """The image's stem that the mask of *stem* belongs to; *stem* itself where there is none."""
    cut = (stem.removesuffix(ending) for ending in _ENDINGS)
    return stem if stem in stems else next((short for short in cut if short in stems), stem)


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
