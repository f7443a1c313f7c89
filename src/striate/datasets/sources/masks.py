"""Images and masks: a folder ``images/`` and a folder ``masks/`` of the same names, flat or for each part."""

from __future__ import annotations

from pathlib import Path

from striate.datasets.dataset import DataSet, Part
from striate.datasets.sources.folders import contents, images_under
from striate.datasets.sources.looking import SPLITS, count, passed_over, some, typical
from striate.datasets.sources.values import NAMES, Looked, explained, look
from striate.errors import DataError

IMAGES = ("images", "image", "imgs")
MASKS = ("masks", "mask", "labels", "annotations")
_ENDINGS = ("_mask", "_masks", "_label", "_labels", "_gt", "_seg", "_L")  # of a mask's stem, after its image's
_LAYOUT = "lay them out as images/NAME.jpg and masks/NAME.png"

Places = dict[str, tuple[Path, Path]]  # by part: the folder of images and the folder of masks
Pairs = list[tuple[Path, Path]]  # an image and its mask


def is_masks(folder: Path) -> bool:
    """Whether *folder*, or any of its parts, holds a folder called ``images`` and one called ``masks``."""
    return bool(_places(folder))


def open_masks(folder: Path) -> DataSet:
    """The images below *folder* and, for each, the mask of its name: which class every pixel is of.

    ``images/`` and ``masks/`` lie in *folder*, or in its ``train/``, ``val/`` and ``test/``, or hold those. Images and
    masks are paired by their paths without suffix (a mask's may end in ``_mask``); what has no partner is left out and
    noted. What the classes are is said at :func:`~striate.datasets.sources.values.explained`.

    Raises:
        DataError: No pair at all, two masks of one name, no mask of its image's size, none that can be read; or the
            values are no classes.
    """
    places = _places(folder)
    if "train" not in places:
        raise DataError(f"{folder}: there is {_slashed(places)} with images and masks, but no train/ to learn from")
    pairs, looked, notes = {}, {}, []
    for part, (images, masks) in places.items():
        found, unpaired = _pairs(images, masks)
        looked[part] = look(found)
        pairs[part], uneven = _of_one_size(masks, found, looked[part])
        notes += [f"{part}: {note}" for note in (*unpaired, *uneven)]
    mode, shape, about_images = typical(folder, [image for image, _ in pairs["train"]])
    meaning = explained(folder, {part: one.values for part, one in looked.items()})
    parts = {part: _part(found) for part, found in pairs.items()}
    return DataSet(
        folder.resolve().name,
        "segmentation",
        meaning.classes,
        mode,
        shape,
        **parts,
        why=f"from {places['train'][0].name}/ and {places['train'][1].name}/",
        mask_values=meaning.mask_values,
        notes=(*about_images, *meaning.notes, *notes, *passed_over(folder, NAMES)),
    )


def _places(folder: Path) -> Places:
    """Where the images and masks of each part lie; nothing where the layout is another one."""
    inside = {path.name.lower(): path for path in contents(folder)[0]}
    if pair := _pair(inside):
        below = [{SPLITS.get(path.name.lower(), ""): path for path in contents(side)[0]} for side in pair]
        split = {part: (below[0][part], below[1][part]) for part in ("train", "val", "test") if _in_both(part, below)}
        return split if "train" in split else {"train": pair}
    places: Places = {}
    for name, path in inside.items():
        if name not in SPLITS or not (pair := _pair({inner.name.lower(): inner for inner in contents(path)[0]})):
            continue
        if SPLITS[name] in places:
            raise DataError(f"{folder}: two folders look like the {SPLITS[name]} part; keep one")
        places[SPLITS[name]] = pair
    return places


def _in_both(part: str, below: list[dict[str, Path]]) -> bool:
    return all(part in side for side in below)


def _pair(folders: dict[str, Path]) -> tuple[Path, Path] | None:
    image, mask = (next((folders[name] for name in names if name in folders), None) for names in (IMAGES, MASKS))
    return (image, mask) if image and mask else None


def _pairs(images: Path, masks: Path) -> tuple[Pairs, list[str]]:
    """The images that have a mask, with it; and notes about those that have none, and about masks without image."""
    photos, drawn = images_under(images), images_under(masks)
    if not drawn:
        boxes = any(path.suffix == ".txt" for path in contents(masks)[1])
        why = " (text files of boxes, as for object detection, are no masks)" if boxes else ""
        raise DataError(f"{masks}: no images in it{why}; a mask is an image whose pixels are class numbers")
    stems = {_stem(path, images) for path in photos}
    by_stem: dict[str, Path] = {}
    for path in drawn:
        stem = _partner(_stem(path, masks), stems)
        if stem in by_stem:
            raise DataError(f"{masks}: both {by_stem[stem].name} and {path.name} are the mask of {stem!r}; keep one")
        by_stem[stem] = path
    found = [(path, by_stem[stem]) for path in photos if (stem := _stem(path, images)) in by_stem]
    alone = [path.name for path in photos if _stem(path, images) not in by_stem]
    over = [path.name for stem, path in by_stem.items() if stem not in stems]
    if not found:
        ours, theirs = (some(sorted(names), 3) or "nothing" for names in (alone, over))
        raise DataError(
            f"{images.parent}: no mask in {masks.name}/ has the name of an image in {images.name}/ ({theirs}; {ours}); "
            f"{_LAYOUT}"
        )
    notes = [f"{count(len(alone), 'image')} without a mask left out: {some(alone)}"] if alone else []
    return found, notes + ([f"{count(len(over), 'mask')} without an image left out: {some(over)}"] if over else [])


def _stem(path: Path, folder: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


def _partner(stem: str, stems: set[str]) -> str:
    """The image's stem that the mask of *stem* belongs to; *stem* itself where there is none."""
    cut = (stem.removesuffix(ending) for ending in _ENDINGS)
    return stem if stem in stems else next((short for short in cut if short in stems), stem)


def _of_one_size(folder: Path, pairs: Pairs, looked: Looked) -> tuple[Pairs, list[str]]:
    """The pairs whose mask has its image's size, and a note about the others."""
    if not looked.uneven:
        return pairs, []
    first = next(iter(looked.uneven))
    what = f"{first.name}: {looked.uneven[first]}"
    if len(looked.uneven) == len(pairs):
        raise DataError(
            f"{folder}: no mask has the size of its image ({count(len(pairs), 'pair')}; {what}); draw it on the image"
        )
    left = [(image, mask) for image, mask in pairs if mask not in looked.uneven]
    return left, [f"{count(len(looked.uneven), 'mask')} not of the image's size left out, the first {what}"]


def _part(pairs: Pairs) -> Part:
    images, masks = zip(*pairs, strict=True)
    return Part(tuple(images), tuple(masks), tuple(map(str, images)))


def _slashed(parts: Places) -> str:
    return " and ".join(f"{part}/" for part in parts)
