"""What may be wrong with masks: unreadable, of another size than their image, with values that are no class."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from striate.datasets.dataset import Part
from striate.datasets.doctor.case import Case, names
from striate.datasets.doctor.diagnosis import FAULT, NOTE, WARNING, Problem
from striate.datasets.sources.looking import count, some
from striate.errors import DataError
from striate.model.contract import IGNORE
from striate.model.image import decode_mask

SMOOTHED = 16  # strange values: above it the edges were smoothed, or the mask saved as JPEG
RARE = 0.001  # of the pixels
_QUICK = 16  # masks of a part that the quick part reads


@dataclass(frozen=True)
class Mask:
    """What one mask holds; *fault* alone where it cannot be read."""

    fault: str = ""
    size: tuple[int, int] = (0, 0)
    pixels: dict[int, int] = field(default_factory=dict)  # how many, by value


def _masks(case: Case) -> Iterator[Problem]:
    """All that is found in one pass over the masks."""
    if case.data.task != "segmentation":
        return
    files = isinstance(case.data.train.targets, tuple)
    known = dict(zip(case.data.mask_values, case.data.classes, strict=True)) if files else None
    classes = known or dict(enumerate(case.data.classes))
    strange: dict[str, set[int]] = {}
    for name, part in case.data.parts.items():
        which = range(0, len(part), max(1, len(part) // _QUICK) if case.quick else 1)
        seen = dict(zip(which, _look(part, which), strict=True))
        strange |= {_mask_name(part, i): mask.pixels.keys() - classes.keys() - {IGNORE} for i, mask in seen.items()}
        yield from _unreadable(part, seen)
        yield from _uneven(case, name, seen)
        if not case.quick:
            yield from _classes(name, part, seen, classes)
    yield from _strange({name: values for name, values in strange.items() if values})


def _look(part: Part, which: range) -> Iterator[Mask]:
    if isinstance(part.targets, np.ndarray):
        yield from (_of(part.targets[i]) for i in which)
        return
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        yield from pool.map(_of_file, [Path(part.targets[i]) for i in which])


def _of_file(path: Path) -> Mask:
    try:
        return _of(decode_mask(path))
    except DataError as error:
        return Mask(fault=str(error).removeprefix(f"{path}: "))


def _of(values: np.ndarray) -> Mask:
    found, n = np.unique(values, return_counts=True)
    return Mask(size=(values.shape[0], values.shape[1]), pixels=dict(zip(found.tolist(), n.tolist(), strict=True)))


def _mask_name(part: Part, i: int) -> str:
    return str(part.targets[i]) if isinstance(part.targets, tuple) else part.names[i]


def _unreadable(part: Part, seen: dict[int, Mask]) -> Iterator[Problem]:
    broken = [i for i, mask in seen.items() if mask.fault]
    if broken:
        message = f"{count(len(broken), 'mask')} cannot be read; the first: {seen[broken[0]].fault.partition('; ')[0]}"
        files = tuple(_mask_name(part, i) for i in broken)
        yield Problem("mask-unreadable", FAULT, message, "copy them again, or remove them with their images", files)


def _uneven(case: Case, name: str, seen: dict[int, Mask]) -> Iterator[Problem]:
    if name not in case.looks:
        return
    part, looks = case.data.parts[name], case.looks[name]
    wrong = [i for i, mask in seen.items() if mask.pixels and looks.good[i] and mask.size != tuple(looks.size[i])]
    if wrong:
        (h, w), (height, width) = seen[wrong[0]].size, looks.size[wrong[0]]
        message = f"{count(len(wrong), 'mask')} not of the image's size; the first {w}x{h}, its image {width}x{height}"
        files = tuple(_mask_name(part, i) for i in wrong)
        yield Problem("mask-size", FAULT, message, "draw the mask on the image as it is, upright", files)


def _strange(strange: dict[str, set[int]]) -> Iterator[Problem]:
    """Values that are no class, by mask. One of them is meant to be ignored, mostly; several are a mistake."""
    values = sorted(set().union(*strange.values()))
    files = tuple(strange)
    if len(values) > SMOOTHED:
        message = f"{count(len(files), 'mask')} with {len(values)} values that are no class: smoothed edges, or JPEG"
        fix = "save masks as PNG, and scale them by the nearest pixel, never smoothly"
        yield Problem("anti-aliased-mask", FAULT, message, fix, files)
    elif len(values) > 1:
        message = f"{count(len(files), 'mask')} with values that are no class: {some(values)}; they are ignored"
        yield Problem("mask-values", WARNING, message, "name them in classes.txt, or correct the masks", files)
    elif values:
        message = f"{count(len(files), 'mask')} with the value {values[0]}, which is no class and is ignored"
        yield Problem("ignored-value", NOTE, message, "nothing if that is meant", n=len(files))


def _classes(name: str, part: Part, seen: dict[int, Mask], classes: dict[int, str]) -> Iterator[Problem]:
    """Classes that no mask of the part holds, or hardly; masks of nothing but one class."""
    pixels = {value: sum(mask.pixels.get(value, 0) for mask in seen.values()) for value in classes}
    total = sum(pixels.values())
    never = [classes[value] for value, n in pixels.items() if not n]
    if never:
        message = f"no mask of {name} holds {some(map(repr, never))}"
        fix = "add images with them, or leave the classes out"
        yield Problem("class-never-in-masks", FAULT if name == "train" else WARNING, message, fix, n=len(never))
    rare = [classes[value] for value, n in pixels.items() if 0 < n < RARE * total]
    if rare:
        message = f"less than {RARE:.1%} of the pixels of {name} are {some(map(repr, rare))}"
        yield Problem("rare-class", NOTE, message, "look at each class's figures, not at the mean alone", n=len(rare))
    flat = np.array([len(mask.pixels.keys() & classes.keys()) == 1 for mask in seen.values()])
    if flat.any():
        message = f"{count(int(flat.sum()), 'mask')} of {name} with one class alone"
        yield Problem("one-class-mask", NOTE, message, "nothing if that is so in the images", names(part, flat))


CHECKS = (_masks,)
