"""What may be wrong with masks: unreadable, of another size than their image, with values that are no class."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from striate.datasets.dataset import Part
from striate.datasets.doctor.diagnosis import FAULT, NOTE, WARNING, Case, DataProblem, item_names
from striate.datasets.sources.mask_values import MaskLook, look_at_masks
from striate.errors import counted, listed, listed_quoted
from striate.model.contract import IGNORE

SMOOTHED = 16  # unknown values: above it the edges were smoothed, or the mask saved as JPEG
RARE = 0.001  # of the pixels
_QUICK = 16  # masks of a split that the quick checks read


def _masks(case: Case) -> Iterator[DataProblem]:
    """All that is found in one pass over the masks."""
    data = case.data
    if not data.task.per_pixel:
        return
    classes = dict(
        zip(data.mask_values, data.classes, strict=True) if data.train.mask_files else enumerate(data.classes)
    )
    unknown: dict[str, set[int]] = {}
    for name, part in data.parts.items():
        which = range(0, len(part), max(1, len(part) // _QUICK) if case.quick else 1)
        seen = dict(zip(which, look_at_masks(part.targets[i] for i in which), strict=True))
        unknown |= {_mask_name(part, i): mask.pixels.keys() - classes.keys() - {IGNORE} for i, mask in seen.items()}
        yield from _unreadable(part, seen)
        yield from _uneven(case, name, seen)
        if not case.quick:
            yield from _classes(name, part, seen, classes)
    yield from _unknown({name: values for name, values in unknown.items() if values})


def _mask_name(part: Part, i: int) -> str:
    return str(part.mask_files[i]) if part.mask_files else part.names[i]


def _unreadable(part: Part, seen: dict[int, MaskLook]) -> Iterator[DataProblem]:
    broken = [i for i, mask in seen.items() if mask.fault]
    if broken:
        message = (
            f"{counted(len(broken), 'mask')} cannot be read; the first: {seen[broken[0]].fault.partition('; ')[0]}"
        )
        files = tuple(_mask_name(part, i) for i in broken)
        yield DataProblem("mask-unreadable", FAULT, message, "copy them again, or remove them with their images", files)


def _uneven(case: Case, name: str, seen: dict[int, MaskLook]) -> Iterator[DataProblem]:
    if name not in case.looks:
        return
    part, looks = case.data.parts[name], case.looks[name]
    wrong = [i for i, mask in seen.items() if mask.pixels and looks.good[i] and mask.size != tuple(looks.size[i])]
    if wrong:
        (h, w), (height, width) = seen[wrong[0]].size, looks.size[wrong[0]]
        message = (
            f"{counted(len(wrong), 'mask')} not of the image's size; the first {w}x{h}, its image {width}x{height}"
        )
        files = tuple(_mask_name(part, i) for i in wrong)
        yield DataProblem("mask-size", FAULT, message, "draw the mask on the image as it is, upright", files)


def _unknown(unknown: dict[str, set[int]]) -> Iterator[DataProblem]:
    """Values that are no class, by mask. One of them is meant to be ignored, mostly; several are a mistake."""
    values = sorted(set().union(*unknown.values()))
    files = tuple(unknown)
    if len(values) > SMOOTHED:
        message = f"{counted(len(files), 'mask')} with {len(values)} values that are no class: smoothed edges, or JPEG"
        fix = "save masks as PNG, and resize them by the nearest pixel, never smoothly"
        yield DataProblem("anti-aliased-mask", FAULT, message, fix, files)
    elif len(values) > 1:
        message = f"{counted(len(files), 'mask')} with values that are no class: {listed(values)}; they are ignored"
        yield DataProblem("mask-values", WARNING, message, "name them in classes.txt, or correct the masks", files)
    elif values:
        message = f"{counted(len(files), 'mask')} with the value {values[0]}, which is no class and is ignored"
        yield DataProblem("ignored-value", NOTE, message, "no action needed if that is intended", n=len(files))


def _classes(name: str, part: Part, seen: dict[int, MaskLook], classes: dict[int, str]) -> Iterator[DataProblem]:
    """Classes that are in no mask of the split, or hardly; masks of nothing but one class."""
    pixels = {value: sum(mask.pixels.get(value, 0) for mask in seen.values()) for value in classes}
    total = sum(pixels.values())
    never = [classes[value] for value, n in pixels.items() if not n]
    if never:
        message = f"no mask of {name} contains {listed_quoted(never)}"
        severity, fix = FAULT if name == "train" else WARNING, "add images with them, or omit the classes"
        yield DataProblem("class-never-in-masks", severity, message, fix, n=len(never))
    rare = [classes[value] for value, n in pixels.items() if 0 < n < RARE * total]
    if rare:
        message = f"less than {RARE:.1%} of the pixels of {name} are {listed_quoted(rare)}"
        yield DataProblem("rare-class", NOTE, message, "check each class's metrics, not the mean alone", n=len(rare))
    flat = np.array([len(mask.pixels.keys() & classes.keys()) == 1 for mask in seen.values()])
    if flat.any():
        message = f"{counted(int(flat.sum()), 'mask')} of {name} with only one class"
        yield DataProblem(
            "one-class-mask", NOTE, message, "nothing if that is so in the images", item_names(part, flat)
        )


CHECKS = (_masks,)
