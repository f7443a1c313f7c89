"""Images that stand out among those beside them: blurred, nearly empty, of an odd size, grey among coloured ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from striate.datasets.doctor.diagnosis import NOTE, WARNING, Case, Check, DataProblem
from striate.datasets.doctor.images import FLAT, long_images, mixed_modes, tiny_images
from striate.datasets.doctor.look import Looks
from striate.errors import counted

LEAST = 20  # images: among fewer, none can be said to stand out
BLURRED = 5.0  # robust standard deviations below the median sharpness
BLURRED_FACTOR = 3.5  # and so many times less of it than the median
EMPTY, NEAR = 0.99, 3  # of the places of an image, within so many levels of its median: nearly nothing is on it
BY_NATURE = 0.5  # where more than this fraction are so, it is what these images are
ODD_AREA, ODD_ASPECT = 16.0, 2.0  # times the median
RARE = 0.05  # of the images, at most: more of an odd size are a kind of their own
MINORITY = 0.1  # of the images, at most, are grey (or coloured) among others
COLOURED = 3.0  # levels between the channels of a place: more is colour


def _images(case: Case, measure: Callable[[Looks], np.ndarray], *, of_files: bool = False) -> np.ndarray:
    """The *measure* of every image of all splits that can be read; NaN of the others."""
    if of_files and not all(looks.files for looks in case.looks.values()):
        return np.empty(0)
    found = [np.where(looks.good, measure(looks).astype(float), np.nan) for looks in case.looks.values()]
    return np.concatenate(found or [np.empty(0)])


def _names(case: Case, which: np.ndarray) -> tuple[str, ...]:
    names = [name for split in case.looks for name in case.data.parts[split].names]
    return tuple(names[i] for i in np.flatnonzero(which))


def _told(case: Case, *checks: Check) -> np.ndarray:
    """Which images other checks name already."""
    named = {name for check in checks for problem in check(case) for name in problem.files}
    return np.array([name in named for split in case.looks for name in case.data.parts[split].names], bool)


def _blurred(case: Case) -> Iterator[DataProblem]:
    sharp = _images(case, lambda looks: np.where(looks.spread > FLAT, looks.sharpness, np.nan))
    known = sharp[np.isfinite(sharp)]
    if len(known) < LEAST:
        return
    middle = np.median(known)
    spread = 1.4826 * np.median(np.abs(known - middle))
    blurred = sharp < middle - max(BLURRED * spread, np.log(BLURRED_FACTOR))
    if blurred.any():
        message = (
            f"{counted(int(blurred.sum()), 'image')} blurred: {BLURRED_FACTOR:g} times less fine detail than in most, "
            "or less, for their coarse detail"
        )
        fix = "look at them: out of focus, moved, or enlarged from a small image? replace or remove them"
        yield DataProblem("blurred", WARNING, message, fix, _names(case, blurred))


def _nearly_empty(case: Case) -> Iterator[DataProblem]:
    empty = _images(case, lambda looks: (looks.spread > FLAT) & _little_on(looks.thumb)) == 1
    if empty.any() and empty.mean() <= BY_NATURE:
        message = f"{counted(int(empty.sum()), 'almost empty image')}: 99% of each is of one brightness"
        fix = "look at them, and remove those that do not show their label"
        yield DataProblem("low-information", WARNING, message, fix, _names(case, empty))


def _little_on(thumbs: np.ndarray) -> np.ndarray:
    """Whether nearly all places of a thumbnail have one brightness; first looked at in every eighth place."""
    found = np.zeros(len(thumbs), bool)
    flat = thumbs.reshape(len(thumbs), -1)
    ordered = np.sort(flat[:, ::8], axis=1)
    odd = int((1 - EMPTY) * flat.shape[1])  # so many places may be of another one, all of them among these
    some = np.flatnonzero(ordered[:, -1 - odd] - ordered[:, odd] <= 2 * NEAR)
    away = np.abs(flat[some].astype(np.int16) - np.median(flat[some], axis=1, keepdims=True))
    found[some] = (away <= NEAR).mean(axis=1) >= EMPTY
    return found


def _odd_sizes(case: Case) -> Iterator[DataProblem]:
    """Files of another area or another shape than nearly all others."""
    for what, measure, limit in (
        ("area", lambda looks: looks.size.prod(axis=1), ODD_AREA),
        ("ratio of width to height", lambda looks: looks.size[:, 1] / np.maximum(looks.size[:, 0], 1), ODD_ASPECT),
    ):
        log = np.log(_images(case, measure, of_files=True))
        if np.isfinite(log).sum() < LEAST:
            continue
        odd = (np.abs(log - np.nanmedian(log)) > np.log(limit)) & ~_told(case, tiny_images, long_images)
        if odd.any() and odd.mean() <= RARE:
            message = f"{counted(int(odd.sum()), 'image')} whose {what} is over {limit:g} times that of most, or below"
            fix = "look at them: thumbnails, screenshots, panoramas, or turned? replace or remove what does not belong"
            yield DataProblem("odd-size", NOTE, message, fix, _names(case, odd))


def _odd_colours(case: Case) -> Iterator[DataProblem]:
    """Grey images among coloured ones, whatever their mode, and the reverse."""
    if case.data.mode not in ("RGB", "RGBA", "L"):
        return
    coloured = _images(case, lambda looks: np.ptp(looks.colour, axis=3).max(axis=(1, 2)) > COLOURED)
    n, told = int(np.isfinite(coloured).sum()), _told(case, mixed_modes)
    for value, what, others in ((0, "grey", "in colour"), (1, "in colour", "grey")):
        few = (coloured == value) & ~told
        if n >= LEAST and 0 < few.sum() <= MINORITY * n:
            message = f"{counted(int(few.sum()), 'image')} {what}, where {n - int(few.sum()):,} are {others}"
            fix = "nothing if all classes have both; else convert them, or train with --channels 1"
            yield DataProblem("odd-colour", NOTE, message, fix, _names(case, few))


CHECKS = (_blurred, _nearly_empty, _odd_sizes, _odd_colours)
