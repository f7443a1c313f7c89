"""What may be wrong with images: as files (unreadable, misnamed, turned, odd modes), as pixels (tiny, flat, dark)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from striate.datasets.doctor.diagnosis import FAULT, NOTE, WARNING, Case, DataProblem, item_names
from striate.datasets.doctor.look import Look, Looks
from striate.errors import DataError, counted
from striate.model.image import header

SMALLEST = 8  # pixels
LONGEST = 4.0  # times the other side
FLAT = 2  # levels of 255 between the darkest and the brightest
DARK, BRIGHT = 32, 223  # nothing above, nothing below
_SUFFIXES = {
    "PNG": {".png"}, "JPEG": {".jpg", ".jpeg", ".jpe"}, "MPO": {".jpg", ".jpeg", ".jpe"}, "BMP": {".bmp"},
    "GIF": {".gif"}, "TIFF": {".tif", ".tiff"}, "WEBP": {".webp"}, "PPM": {".ppm", ".pgm", ".pbm", ".pnm"},
}  # fmt: skip
_SAMPLE = 100  # files of a split whose headers the quick checks read
_PLAIN = {"1", "L", "RGB", "RGBA"}
_READ_AS = {
    "CMYK": "print colours are converted to RGB by a plain formula, without the colour profile",
    "YCbCr": "it is converted to RGB",
    "LAB": "it is converted to RGB",
    "HSV": "it is converted to RGB",
    "P": "palette numbers become their colours",
    "PA": "palette numbers become their colours",
    "LA": "grey with transparency",
    "I;16": "16 bits become 8",
    "I;16B": "16 bits become 8",
    "I": "16 bits become 8",
}


def _unreadable(case: Case) -> Iterator[DataProblem]:
    """A problem for each reason; empty files apart."""
    reasons = defaultdict(list)
    for name, look in _files(case):
        if look.fault:
            reasons[look.fault].append(name)
    for reason, files in reasons.items():
        what, _, way_out = reason.partition("; ")
        kind = "empty-file" if "is empty" in what else "unreadable"
        fix = f"{way_out or 'copy it again or remove it'} (training skips such files)"
        yield DataProblem(kind, FAULT, f"{_cannot(len(files))} be read: {what}", fix, tuple(files))


def _cannot(n: int) -> str:
    return f"{counted(n, 'file')} cannot"


def _quickly(case: Case) -> Iterator[DataProblem]:
    """What the quick checks say of files: the empty ones, and of an even sample those that are no images."""
    for name, part in case.data.parts.items():
        if not case.quick or not part.files:
            continue
        paths, empty = part.files, case.unreadable[name]
        if empty.any():
            message = f"{_cannot(int(empty.sum()))} be read: the file is empty (0 bytes)"
            yield DataProblem("empty-file", FAULT, message, "copy it again or remove it", item_names(part, empty))
        broken = {}
        for i in range(0, len(part), max(1, len(part) // _SAMPLE)):
            try:
                header(paths[i])
            except DataError as error:
                if not empty[i]:
                    broken[i] = str(error).removeprefix(f"{paths[i]}: ")
        if broken:
            what, _, fix = next(iter(broken.values())).partition("; ")
            message = f"{_cannot(len(broken))} be read, of a sample: {what}"
            fix = fix or "copy it again or remove it"
            yield DataProblem("unreadable", FAULT, message, fix, item_names(part, broken))


def _misnamed(case: Case) -> Iterator[DataProblem]:
    def wrong(name: str, look: Look) -> bool:
        return look.kind in _SUFFIXES and Path(name).suffix.lower() not in _SUFFIXES[look.kind]

    if files := _files_where(case, wrong):
        kinds = sorted({look.kind for name, look in _files(case) if name in set(files)})
        message = f"{counted(len(files), 'file')} of another format than the name says ({', '.join(kinds)})"
        fix = "nothing for striate, which reads by content; rename them for other programs"
        yield DataProblem("wrong-suffix", NOTE, message, fix, files)


def _turned(case: Case) -> Iterator[DataProblem]:
    if files := _files_where(case, lambda _, look: look.turned):
        message = f"{counted(len(files), 'image')} stored turned or mirrored, with an EXIF orientation"
        fix = "nothing: striate turns them upright; other programs may not"
        yield DataProblem("exif-rotated", NOTE, message, fix, files)


def _odd_modes(case: Case) -> Iterator[DataProblem]:
    """A problem for each mode that is changed when read."""
    modes = defaultdict(list)
    for name, look in _files(case):
        if not look.fault and look.mode not in _PLAIN:
            modes[look.mode].append(name)
    for mode, files in modes.items():
        lossy = mode == "CMYK"
        how = _READ_AS.get(mode, "it is converted to 8 bits")
        message = f"{counted(len(files), 'image')} of mode {mode}: {how}"
        fix = "convert them to RGB with their colour profile" if lossy else "nothing, unless you want it otherwise"
        yield DataProblem("odd-mode", WARNING if lossy else NOTE, message, fix, tuple(files))


def mixed_modes(case: Case) -> Iterator[DataProblem]:
    """Grey files among coloured ones, by their mode; or the reverse."""
    grey: list[str] = []
    colour: list[str] = []
    for name, look in _files(case):
        if not look.fault:
            (grey if look.mode[0] in "1LI" and look.mode != "LAB" else colour).append(name)
    if grey and colour:
        fewer, what = min((grey, "grey"), (colour, "in colour"), key=lambda group: len(group[0]))
        message = f"grey and colour images mixed: {len(fewer):,} of {len(grey) + len(colour):,} are {what}"
        fix = "nothing if all classes have both; else a network may learn the colour mode instead of the class"
        yield DataProblem("mixed-modes", WARNING, message, fix, tuple(fewer))


def _transparent(case: Case) -> Iterator[DataProblem]:
    files = _files_where(case, lambda _, look: look.transparent)
    if files and case.data.mode != "RGBA":
        message = f"{counted(len(files), 'image')} with transparent pixels, which become black"
        fix = "put a background of your own behind them if not black"
        yield DataProblem("transparent", WARNING, message, fix, files)


def _animated(case: Case) -> Iterator[DataProblem]:
    if files := _files_where(case, lambda _, look: look.frames > 1):
        message = f"{counted(len(files), 'file')} with several frames or pages, of which only the first is used"
        yield DataProblem("animated", NOTE, message, "save the frames that you want as files of their own", files)


def _few_bits(case: Case) -> Iterator[DataProblem]:
    """16-bit images that use the lower of their bits only, as 12-bit sensors write: black when scaled to 8."""
    if files := _files_where(case, lambda _, look: look.mode.startswith("I") and 0 < look.highest < 2**13):
        highest = max(look.highest for _, look in _files(case) if look.highest < 2**13)
        limit = f"{highest:,} of 65,535"
        message = f"{counted(len(files), 'image')} of 16 bits with no value above {limit}: nearly black in 8 bits"
        bits = highest.bit_length()
        fix = f"add --range 0:{2**bits - 1}, or multiply their values by {2 ** (16 - bits)} and save them again"
        yield DataProblem("few-bits", WARNING, message, fix, files)


def tiny_images(case: Case) -> Iterator[DataProblem]:
    """Images with a side of less than 8 pixels, or than an eighth of what is usual here."""
    sides = [looks.size.min(axis=1)[looks.good] for _, looks in case.files()]
    if not sum(map(len, sides)):
        return
    least = max(SMALLEST, float(np.median(np.concatenate(sides))) / 8)
    if files := _images_where(case, lambda looks: looks.size.min(axis=1) < least, files=True):
        message = f"{counted(len(files), 'image')} with a side below {least:.0f} pixels: icons, or thumbnails?"
        yield DataProblem("tiny", WARNING, message, "replace or remove them; enlarging adds nothing", files)


def long_images(case: Case) -> Iterator[DataProblem]:
    """Long images among others; where more than half are long, it is their nature."""
    files = _images_where(case, lambda looks: looks.size.max(1) > LONGEST * looks.size.min(1).clip(1), files=True)
    if files and len(files) <= sum(int(looks.good.sum()) for _, looks in case.files()) / 2:
        message = f"{counted(len(files), 'image')} more than {LONGEST:g} times as long as wide: resizing distorts them"
        fix = "cut them into pieces, or train with --resize fit"
        yield DataProblem("extreme-aspect", WARNING, message, fix, files)


def _mixed_sizes(case: Case) -> Iterator[DataProblem]:
    sizes = np.concatenate([np.empty((0, 2), int), *(looks.size[looks.good] for _, looks in case.files())])
    area = sizes.prod(axis=1)
    if len(area) and area.max() > 100 * area.min():
        small, large = (sizes[i] for i in (area.argmin(), area.argmax()))
        message = f"sizes from {small[1]}x{small[0]} to {large[1]}x{large[0]} pixels (width x height)"
        yield DataProblem("mixed-sizes", NOTE, message, "nothing: all are resized to one size; --input chooses it")


def _one_colour(case: Case) -> Iterator[DataProblem]:
    if files := _images_where(case, lambda looks: looks.spread <= FLAT):
        message = f"{counted(len(files), 'image')} of a single colour: nothing can be learned from them"
        fix = "remove them; was something lost when they were exported?"
        yield DataProblem("one-colour", WARNING, message, fix, files)


def _too_dark_or_bright(case: Case) -> Iterator[DataProblem]:
    dark = _images_where(case, lambda looks: (looks.high < DARK) & (looks.spread > FLAT))
    bright = _images_where(case, lambda looks: (looks.low > BRIGHT) & (looks.spread > FLAT))
    for kind, files, what in (
        ("very-dark", dark, f"black: nothing in them is brighter than {DARK} of 255"),
        ("very-bright", bright, f"white: nothing in them is darker than {BRIGHT} of 255"),
    ):
        if files:
            message = f"{counted(len(files), 'image')} nearly {what}"
            yield DataProblem(kind, WARNING, message, "export them again with their full range of brightness", files)


def _files(case: Case) -> Iterator[tuple[str, Look]]:
    for part, looks in case.files():
        yield from zip(part.names, looks.files, strict=True)


def _files_where(case: Case, condition: Callable[[str, Look], bool]) -> tuple[str, ...]:
    """The names of the readable files for which *condition* holds."""
    return tuple(name for name, look in _files(case) if not look.fault and condition(name, look))


def _images_where(case: Case, condition: Callable[[Looks], np.ndarray], *, files: bool = False) -> tuple[str, ...]:
    """The names of the images for which *condition* holds: of all, or of *files* alone."""
    looks = [(case.data.parts[name], looks) for name, looks in case.looks.items() if looks.files or not files]
    return tuple(name for part, one in looks for name in item_names(part, condition(one) & one.good))


CHECKS = (
    _unreadable, _quickly, _misnamed, _turned, _odd_modes, mixed_modes, _transparent, _animated, _few_bits, tiny_images,
    long_images, _mixed_sizes, _one_colour, _too_dark_or_bright,
)  # fmt: skip
