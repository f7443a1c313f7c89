"""What may be wrong with images as pictures: tiny, long, of one colour, too dark."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from striate.datasets.doctor.case import Case, looked_at, names
from striate.datasets.doctor.diagnosis import NOTE, WARNING, Problem
from striate.datasets.doctor.look import Looks
from striate.datasets.sources.looking import count

SMALLEST = 8  # pixels
LONGEST = 4.0  # times the other side
FLAT = 2  # levels of 255 between the darkest and the brightest
DARK, BRIGHT = 32, 223  # nothing above, nothing below


def _tiny(case: Case) -> Iterator[Problem]:
    """Images with a side of less than 8 pixels, or than an eighth of what is usual here."""
    sides = [looks.size.min(axis=1)[looks.good] for _, looks in looked_at(case)]
    if not sides or not sum(map(len, sides)):
        return
    least = max(SMALLEST, float(np.median(np.concatenate(sides))) / 8)
    files = _files(case, lambda looks: looks.size.min(axis=1) < least)
    if files:
        message = f"{count(len(files), 'image')} with a side below {least:.0f} pixels: icons, or thumbnails of others?"
        yield Problem("tiny", WARNING, message, "replace or remove them; enlarging adds nothing", files)


def _extreme_aspect(case: Case) -> Iterator[Problem]:
    """Long images among others; where more than half are long, it is their nature."""
    files = _files(case, lambda looks: _aspect(looks) > LONGEST)
    if files and len(files) <= sum(int(looks.good.sum()) for _, looks in looked_at(case)) / 2:
        message = f"{count(len(files), 'image')} more than {LONGEST:g} times as long as wide: stretching distorts them"
        yield Problem("extreme-aspect", WARNING, message, "cut them into pieces, or train with --resize fit", files)


def _aspect(looks: Looks) -> np.ndarray:
    return np.asarray(looks.size.max(axis=1) / np.maximum(looks.size.min(axis=1), 1))


def _mixed_sizes(case: Case) -> Iterator[Problem]:
    sizes = [looks.size[looks.good] for _, looks in looked_at(case)]
    if not sizes or not sum(map(len, sizes)):
        return
    all_sizes = np.concatenate(sizes)
    area = all_sizes.prod(axis=1)
    if area.max() > 100 * area.min():
        small, large = (all_sizes[i] for i in (area.argmin(), area.argmax()))
        message = f"sizes from {small[1]}x{small[0]} to {large[1]}x{large[0]} pixels (width x height)"
        yield Problem("mixed-sizes", NOTE, message, "nothing: all are scaled to one size; --input chooses it")


def _one_colour(case: Case) -> Iterator[Problem]:
    files = _every(case, lambda looks: looks.spread <= FLAT)
    if files:
        message = f"{count(len(files), 'image')} of one colour all over: nothing can be learned from them"
        yield Problem("one-colour", WARNING, message, "remove them; was something lost when they were exported?", files)


def _too_dark(case: Case) -> Iterator[Problem]:
    files = _every(case, lambda looks: (looks.high < DARK) & (looks.spread > FLAT))
    if files:
        message = f"{count(len(files), 'image')} nearly black: nothing in them is brighter than {DARK} of 255"
        yield Problem("very-dark", WARNING, message, "export them again with their full range of brightness", files)


def _too_bright(case: Case) -> Iterator[Problem]:
    files = _every(case, lambda looks: (looks.low > BRIGHT) & (looks.spread > FLAT))
    if files:
        message = f"{count(len(files), 'image')} nearly white: nothing in them is darker than {BRIGHT} of 255"
        yield Problem("very-bright", WARNING, message, "export them again with their full range of brightness", files)


def _every(case: Case, condition: Callable[[Looks], np.ndarray]) -> tuple[str, ...]:
    """The names of the images, files or not, for which *condition* holds."""
    found = [names(case.data.parts[name], condition(looks) & looks.good) for name, looks in case.looks.items()]
    return tuple(name for part in found for name in part)


def _files(case: Case, condition: Callable[[Looks], np.ndarray]) -> tuple[str, ...]:
    found = [names(part, condition(looks) & looks.good) for part, looks in looked_at(case)]
    return tuple(name for part in found for name in part)


CHECKS = (_tiny, _extreme_aspect, _mixed_sizes, _one_colour, _too_dark, _too_bright)
