"""What the values in mask files mean: which are classes, and which are ignored."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from striate.datasets.dataset import DataSet
from striate.datasets.mask_recipe import MaskFile, MaskRecipe, read_mask
from striate.errors import DataError, listed, listed_quoted
from striate.files import read_regular_text
from striate.model.contract import IGNORE
from striate.model.image import header

NAMES = "classes.txt"
NAME_FILES = (NAMES, "class_dict.csv", "labelmap.txt", "label_colors.txt")
UNEVEN = "not of its image's size"  # the reason for what is skipped
IGNORED = {"unlabelled", "unlabeled", "unlabel", "void", "ignore", "ignored", "don't care", "dont care"}
BINARY = ("background", "foreground")  # the classes of masks of 0 and 1, or 0 and 255, that nothing names
_LOSSY = {".jpg", ".jpeg", ".jpe", ".webp"}
_FEW = 16  # values: above it a mask from a lossy file has been blurred
_GREY = 0x010101  # white saved in colour is 255 times this
_COLOUR = re.compile(r"(.*[^\s,:;])[\s,:;]+(?:#([0-9a-fA-F]{6})|(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3}))")


@dataclass(frozen=True)
class MaskLook:
    """What is in one mask; *fault* alone where it cannot be read."""

    fault: str = ""
    size: tuple[int, ...] = (0, 0)  # height, width
    grey: bool = False  # values above 255 are of 16 bits, not colours
    pixels: dict[int, int] = field(default_factory=dict)  # how many, by value


def look_at_masks(masks: Iterable[MaskFile | np.ndarray]) -> list[MaskLook]:
    """A look at each of the *masks*: files are read in threads."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(_look, masks))


def _look(mask: MaskFile | np.ndarray) -> MaskLook:
    try:
        values = mask if isinstance(mask, np.ndarray) else read_mask(mask)
    except DataError as error:
        return MaskLook(fault=str(error).removeprefix(f"{mask}: "))
    if values.size and values.min() >= 0 and values.max() < 65_536:  # counting is faster than sorting
        counts = np.bincount(values.ravel())
        found = np.flatnonzero(counts)
        counts = counts[found]
    else:
        found, counts = np.unique(values, return_counts=True)
    grey = bool(len(found)) and found[-1] > 255 and _is_grey(mask)
    return MaskLook(size=values.shape, grey=grey, pixels=dict(zip(found.tolist(), counts.tolist(), strict=True)))


def _is_grey(mask: MaskFile | np.ndarray) -> bool:
    path = mask.files[0] if isinstance(mask, MaskRecipe) else mask
    try:
        return isinstance(path, Path) and path.suffix != ".json" and header(path)[0] == "L"
    except DataError:
        return False


class SmoothedMasksError(DataError):
    """Masks of two classes whose edges were smoothed: their fault has a name of its own."""

    problem = "anti-aliased-mask"


@dataclass(frozen=True)
class SplitMasks:
    """What the masks of a split contain: the values of those of their image's size; of the others, how they differ."""

    values: tuple[int, ...]
    uneven: dict[MaskFile, str]
    grey: bool = False


def split_masks(pairs: Sequence[tuple[Path, MaskFile]]) -> SplitMasks:
    """What is in the masks of the *pairs* (image, mask), all read, against the sizes of their images.

    A file that cannot be read is passed over here: it is named when the data set is read.

    Raises:
        DataError: None of the masks can be read; or values that nobody means for classes: more than 254 of them,
            or many in files of a format that blurs.
    """
    looks = look_at_masks(mask for _, mask in pairs)
    good = [(image, mask, look) for (image, mask), look in zip(pairs, looks, strict=True) if not look.fault]
    if not good:
        raise DataError(f"none of the {len(looks)} masks can be read; the first: {pairs[0][1]}: {looks[0].fault}")
    differences = {mask: unevenness(look.size, image) for image, mask, look in good}
    even = {mask: sorted(look.pixels) for _, mask, look in good if not differences[mask]}
    values = sorted(set().union(*even.values()))
    if even:
        _check_smoothed(even, {mask: look for _, mask, look in good})
        _check_values(values, even)
    uneven = {mask: why for mask, why in differences.items() if why}
    return SplitMasks(tuple(values), uneven, any(look.grey for _, _, look in good))


def unevenness(shape: tuple[int, ...], image: Path) -> str:
    """How the size of a mask, or of what its outlines were drawn on, differs from that of its *image*, upright; ""
    where it does not, or cannot be known.
    """
    try:
        _, size = header(image)
    except DataError:
        return ""
    if tuple(shape) == size:
        return ""
    turned = " (it seems drawn on the image before its EXIF turned it)" if tuple(shape) == size[::-1] else ""
    return f"{shape[1]}x{shape[0]} pixels, its image {size[1]}x{size[0]}{turned}"


def _check_smoothed(even: dict[MaskFile, list[int]], looks: dict[MaskFile, MaskLook]) -> None:
    """SmoothedMasksError where two values are nearly all, and many others only lie between them, at the edges."""
    pixels: Counter[int] = Counter()
    for mask in even:
        pixels.update(looks[mask].pixels)
    if len(pixels) < 6:
        return
    if all(value % _GREY == 0 for value in pixels) and max(pixels) > 255:
        pixels = Counter({value // _GREY: n for value, n in pixels.items()})
    low, high = sorted(value for value, _ in pixels.most_common(2))
    others = {value: n for value, n in pixels.items() if value not in (low, high)}
    share = sum(others.values()) / pixels.total()
    spread = len({4 * (value - low) // max(1, high - low) for value in others if low < value < high})
    if share > 0.4 or max(pixels) > 65_535 or high - low < 32 or (spread < 3 and len(others) < 12):
        return
    some = [mask for mask in even if len(looks[mask].pixels) > 2]
    if np.median([_flat_share(mask, low, high) for mask in some[:: max(1, len(some) // 6)]]) > 0.2:
        return  # regions of their own
    threshold = (low + high + 1) // 2
    first = some[0]
    lossy = " (JPEG and WebP do that, too)" if first.suffix.lower() in _LOSSY else ""
    alone = f"{first.name} alone {len(looks[first].pixels)}"
    raise SmoothedMasksError(
        f"{first.parent}: the masks have smoothed edges: {len(pixels)} different values, {1 - share:.0%} of the pixels "
        f"{low} or {high}, the others between them at the edges ({alone}){lossy}; "
        f"add --mask-threshold {threshold}, which makes two classes of them, or save masks as PNG, one number for each "
        "class, and resize them by the nearest pixel"
    )


def _flat_share(mask: MaskFile, low: int, high: int) -> float:
    """The share of pixels of other values than two that are as all their neighbours: 0 at edges."""
    values = read_mask(mask)
    if values.max(initial=0) > 65_535:
        values = values // _GREY
    inner = values[1:-1, 1:-1]
    flat = np.ones(inner.shape, bool)
    for dy in range(3):
        for dx in range(3):
            flat &= values[dy : dy + inner.shape[0], dx : dx + inner.shape[1]] == inner
    other = (inner != low) & (inner != high)
    return float(flat[other].mean()) if other.any() else 0.0


def _check_values(values: Sequence[int], found: dict[MaskFile, list[int]]) -> None:
    most = max(found, key=lambda mask: len(found[mask]))
    strange = [value for value in values if not 0 <= value < 2**24]
    if strange:
        raise DataError(
            f"{most.parent}: the masks contain {listed(strange)}, expected 0 to {2**24 - 1:,}; renumber the classes"
        )
    lossy = most.suffix.lower() in _LOSSY and len(values) > _FEW
    if len(values) < IGNORE and not lossy:
        return
    why = "; JPEG and WebP blur the numbers" if lossy else ", as a photo or a mask with smoothed edges has"
    raise DataError(
        f"{most.parent}: the masks contain {len(values)} different values ({most.name} alone {len(found[most])}){why}; "
        "save masks as PNG, one number or colour for each class, and resize them by the nearest pixel"
    )


@dataclass(frozen=True)
class MaskMeaning:
    """The class names, each class's value in a mask file, and notes."""

    classes: tuple[str, ...]
    mask_values: tuple[int, ...]
    notes: tuple[str, ...]


def mask_meaning(
    folder: Path, values: dict[str, Sequence[int]], names: dict[int, str] | None = None, *, grey: bool = False
) -> MaskMeaning:
    """The meaning of the *values* that the masks of each split contain.

    With *names* these are the classes; values above 255 that are *grey* are no colours. With a ``classes.txt`` (or
    another of ``NAME_FILES``) in *folder*, one name per line: the first is value 0, the next 1, ...; or each name has a
    colour after it (``sky 128 128 128``, ``sky #808080``); or, where there are as many names as grey values, they are
    named in their order (0 and 255, say). A name such as ``unlabelled`` or ``void`` is no class: its pixels are
    ignored, as are those of 255; any other value beyond the names is an error. Without: each value of the training
    masks is a class, except for 255 beside small numbers, which is ignored, as Pascal VOC does. What is only in
    ``val`` or ``test`` is then ignored too, and noted. A class is called as its value; 0 and 1, or 0 and 255, if
    these are all, ``background`` and ``foreground``. Grey saved in colour (``0x010101`` times a number) counts as
    grey.

    Raises:
        DataError: As said; fewer than two classes; a fault in ``classes.txt``.
    """
    everywhere = sorted({value for split in values.values() for value in split})
    scale = _GREY if max(everywhere) > 255 and all(value % _GREY == 0 for value in everywhere) else 1
    everywhere, train = ([value // scale for value in found] for found in (everywhere, values["train"]))
    if names:
        found = {name: value for value, name in names.items() if value in everywhere}
        return _meaning(folder, found, everywhere, (), 1)
    named = next((path for name in NAME_FILES if (path := folder / name).is_file()), None)
    classes, notes = _by_names(named, train, everywhere) if named else _by_themselves(train, everywhere, grey)
    return _meaning(folder, classes, everywhere, notes, scale)


def _meaning(
    folder: Path, classes: dict[str, int], everywhere: Sequence[int], notes: Sequence[str], scale: int
) -> MaskMeaning:
    if len(classes) < 2:
        only = f"value {everywhere[0]}" if len(everywhere) == 1 else f"class {next(iter(classes), '')!r}"
        raise DataError(f"{folder}: the masks contain only the {only}; learning needs two classes or more")
    return MaskMeaning(tuple(classes), tuple(value * scale for value in classes.values()), tuple(notes))


def _by_names(path: Path, train: Sequence[int], everywhere: Sequence[int]) -> tuple[dict[str, int], list[str]]:
    """The classes and their values, as ``classes.txt`` names them; and notes."""
    names = _named(path, everywhere)
    _check_named(path, names, everywhere)
    classes = {name: value for name, value in names.items() if name.lower() not in IGNORED}
    absent = [name for name, value in classes.items() if value not in train]
    ignored = [name for name in names if name not in classes]
    notes = [f"no training mask contains {listed_quoted(absent)}"] if absent else []
    notes += [f"pixels of {listed_quoted(ignored)} are ignored"] if ignored else []
    if IGNORE in everywhere and IGNORE not in names.values():
        notes.append(f"pixels of value {IGNORE} are ignored")
    return classes, notes


def _by_themselves(
    train: Sequence[int], everywhere: Sequence[int], grey: bool = False
) -> tuple[dict[str, int], list[str]]:
    """The classes, each called as its value, or as ``BINARY``; and notes."""
    kept = _without_ignored(train)
    notes = [f"pixels of value {IGNORE} are ignored"] if len(kept) < len(train) else []
    beside = [0] if grey else everywhere
    unseen = [_as_text(value, beside) for value in everywhere if value not in train and value != IGNORE]
    notes += [f"pixels of {listed(unseen)}, which no training mask contains, are ignored"] if unseen else []
    names = binary_names(kept) or [_as_text(value, beside) for value in kept]
    return dict(zip(names, kept, strict=True)), notes


def binary_names(values: Sequence[int]) -> tuple[str, ...]:
    """What the classes of black and white masks are called where nothing names them; none of other *values*.

    >>> binary_names([0, 255]), binary_names([0, 1]), binary_names([0, 1, 2])
    (('background', 'foreground'), ('background', 'foreground'), ())
    """
    return BINARY if [*values] in ([0, 1], [0, IGNORE]) else ()


def with_earlier_names(dataset: DataSet, classes: Sequence[str]) -> DataSet:
    """*dataset*, the two classes of its masks called as their values (``"0"``, ``"255"``), if a model has such
    *classes*: one of an earlier version, or of masks with more values.
    """
    if dataset.classes != BINARY or {*BINARY} <= {*classes}:
        return dataset
    names = (("0", "1"),) * (dataset.mask_values == (0, 1)) + (("0", "255"),)
    return next((replace(dataset, classes=pair) for pair in names if {*pair} <= {*classes}), dataset)


def _without_ignored(values: Sequence[int]) -> list[int]:
    """*values* without a 255 that stands beside two or more small numbers.

    >>> _without_ignored([0, 1, 2, 255]), _without_ignored([0, 255]), _without_ignored([0, 128, 255])
    ([0, 1, 2], [0, 255], [0, 128, 255])
    """
    others = [value for value in values if value != IGNORE]
    return others if len(others) > 1 and max(others) < 2 * len(others) else list(values)


def _as_text(value: int, values: Sequence[int]) -> str:
    """A class's name after its value: a number; where there are colours, one."""
    return f"#{value:06x}" if max(values) > 255 else str(value)


def _named(path: Path, values: Sequence[int]) -> dict[str, int]:
    """The names in a ``classes.txt``, and the value of each."""
    try:
        lines = read_regular_text(path, "utf-8-sig").rstrip().splitlines()
    except (OSError, UnicodeDecodeError):
        raise DataError(f"{path}: it cannot be read as UTF-8 text; write one class name per line") from None
    names = _as_lines(path, [line.strip() for line in lines])
    coloured = [match for name in names if (match := _COLOUR.fullmatch(name))]
    if coloured and len(coloured) == len(names):
        names, numbers = [match[1] for match in coloured], [_number(match) for match in coloured]
        if max(values) <= 255 and all(number % _GREY == 0 for number in numbers):  # greys, and the masks are grey
            numbers = [number // _GREY for number in numbers]
    else:
        beyond = [value for value in values if value >= len(names) and (value != IGNORE or len(values) == 2)]
        in_order = beyond and len(values) == len(names) and max(values) <= 255  # black and white, or shades of grey
        numbers = list(values) if in_order else list(range(len(names)))
    for i, name in enumerate(names):
        if not name or name in names[:i] or numbers[i] in numbers[:i] or numbers[i] >= 2**24:
            fault = f"{name!r} is there already, or its colour" if name else "it is empty"
            raise DataError(f"{path}: line {i + 1}: {fault}; write one name per line, each once")
    return dict(zip(names, numbers, strict=True))


def _as_lines(path: Path, lines: list[str]) -> list[str]:
    """The lines of another file that names colours, as a ``classes.txt`` has them."""
    if path.name == NAMES:
        return lines
    lines = [line for line in lines if line and not line.startswith("#")]
    if path.suffix == ".csv" and lines and not re.search(r"\d+\s*[,;]\s*\d+\s*[,;]\s*\d+", lines[0]):
        lines = lines[1:]  # name,r,g,b
    found = []
    for line in lines:
        if match := re.fullmatch(r"(\d{1,3})[\s,;]+(\d{1,3})[\s,;]+(\d{1,3})[\s,;]+(.+)", line):  # colour first
            line = f"{match[4].strip()} {match[1]} {match[2]} {match[3]}"
        elif match := re.fullmatch(r"([^:,;]+)[:,;]\s*(\d{1,3})[,;]\s*(\d{1,3})[,;]\s*(\d{1,3})[:,;\s]*", line):
            line = f"{match[1].strip()} {match[2]} {match[3]} {match[4]}"
        found.append(line)
    return found


def _number(match: re.Match[str]) -> int:
    red, green, blue = (int(value) if value else 0 for value in match.groups()[2:])
    return int(match[2], 16) if match[2] else (red << 16) + (green << 8) + blue


def _check_named(path: Path, names: dict[str, int], values: Sequence[int]) -> None:
    strange = [value for value in values if value not in names.values() and value != IGNORE]
    if strange:
        colours = max(values) > 255
        way_out = (
            "write each name's colour after it (sky 128 128 128)" if colours else "add their names or correct the masks"
        )
        also = listed(_as_text(value, values) for value in strange)
        raise DataError(f"{path}: {len(names)} names, but the masks also contain {also}; {way_out}")
