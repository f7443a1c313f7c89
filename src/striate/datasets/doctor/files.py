"""What may be wrong with image files as files: unreadable, misnamed, turned, in modes that lose something."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from striate.datasets.doctor.case import Case, are_files, looked_at, names
from striate.datasets.doctor.diagnosis import FAULT, NOTE, WARNING, Problem
from striate.datasets.doctor.look import Look
from striate.datasets.sources.looking import count
from striate.errors import DataError
from striate.model.image import header

_SUFFIXES = {
    "PNG": {".png"}, "JPEG": {".jpg", ".jpeg", ".jpe"}, "MPO": {".jpg", ".jpeg", ".jpe"}, "BMP": {".bmp"},
    "GIF": {".gif"}, "TIFF": {".tif", ".tiff"}, "WEBP": {".webp"}, "PPM": {".ppm", ".pgm", ".pbm", ".pnm"},
}  # fmt: skip
_SAMPLE = 100  # files of a part whose headers the quick part reads
_PLAIN = {"1", "L", "RGB", "RGBA"}
_READ_AS = {
    "CMYK": "print colours are turned into RGB by a plain formula, without the colour profile",
    "YCbCr": "it is turned into RGB",
    "LAB": "it is turned into RGB",
    "HSV": "it is turned into RGB",
    "P": "palette numbers become their colours",
    "PA": "palette numbers become their colours",
    "LA": "grey with transparency",
    "I;16": "16 bits become 8",
    "I;16B": "16 bits become 8",
    "I": "16 bits become 8",
}


def _unreadable(case: Case) -> Iterator[Problem]:
    """A problem for each reason; empty files apart."""
    reasons = defaultdict(list)
    for name, look in _files(case):
        if look.fault:
            reasons[look.fault].append(name)
    for reason, files in reasons.items():
        what, _, way_out = reason.partition("; ")
        kind = "empty-file" if "is empty" in what else "unreadable"
        fix = f"{way_out or 'copy it again or remove it'} (training leaves such files out)"
        yield Problem(kind, FAULT, f"{_cannot(len(files))} be read: {what}", fix, tuple(files))


def _cannot(n: int) -> str:
    return f"{count(n, 'file')} cannot"


def _quickly(case: Case) -> Iterator[Problem]:
    """What the quick part says of files: the empty ones, and of an even sample those that are no images."""
    if not case.quick:
        return
    for part in filter(are_files, case.data.parts.values()):
        paths = [Path(path) for path in part.inputs]
        empty = np.array([path.is_file() and not path.stat().st_size for path in paths])
        if empty.any():
            message = f"{_cannot(int(empty.sum()))} be read: the file is empty (0 bytes)"
            yield Problem("empty-file", FAULT, message, "copy it again or remove it", names(part, empty))
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
            yield Problem("unreadable", FAULT, message, fix or "copy it again or remove it", names(part, broken))


def _misnamed(case: Case) -> Iterator[Problem]:
    def wrong(name: str, look: Look) -> bool:
        return look.kind in _SUFFIXES and Path(name).suffix.lower() not in _SUFFIXES[look.kind]

    if files := _which(case, wrong):
        kinds = sorted({look.kind for name, look in _files(case) if name in set(files)})
        message = f"{count(len(files), 'file')} of another format than the name says ({', '.join(kinds)})"
        fix = "nothing for striate, which reads by content; rename them for other programs"
        yield Problem("wrong-suffix", NOTE, message, fix, files)


def _turned(case: Case) -> Iterator[Problem]:
    if files := _which(case, lambda _, look: look.turned):
        message = f"{count(len(files), 'image')} stored turned or mirrored, with an EXIF orientation"
        fix = "nothing: striate turns them upright; other programs may not"
        yield Problem("exif-rotated", NOTE, message, fix, files)


def _odd_modes(case: Case) -> Iterator[Problem]:
    """A problem for each mode that is changed when read."""
    modes = defaultdict(list)
    for name, look in _files(case):
        if not look.fault and look.mode not in _PLAIN:
            modes[look.mode].append(name)
    for mode, files in modes.items():
        lossy = mode == "CMYK"
        how = _READ_AS.get(mode, "it is turned into 8 bits")
        message = f"{count(len(files), 'image')} of mode {mode}: {how}"
        fix = "convert them to RGB with their colour profile" if lossy else "nothing, unless you want it otherwise"
        yield Problem("odd-mode", WARNING if lossy else NOTE, message, fix, tuple(files))


def _mixed_modes(case: Case) -> Iterator[Problem]:
    grey: list[str] = []
    colour: list[str] = []
    for name, look in _files(case):
        if not look.fault:
            (grey if look.mode[0] in "1LI" and look.mode != "LAB" else colour).append(name)
    if grey and colour:
        fewer, what = min((grey, "grey"), (colour, "in colour"), key=lambda group: len(group[0]))
        message = f"grey and colour images mixed: {len(fewer):,} of {len(grey) + len(colour):,} are {what}"
        fix = "nothing if all classes have both; else a network may learn the colour mode instead of the class"
        yield Problem("mixed-modes", WARNING, message, fix, tuple(fewer))


def _transparent(case: Case) -> Iterator[Problem]:
    files = _which(case, lambda _, look: look.transparent)
    if files and case.data.mode != "RGBA":
        message = f"{count(len(files), 'image')} with transparent pixels, which become black"
        yield Problem("transparent", WARNING, message, "put a background of your own behind them if not black", files)


def _animated(case: Case) -> Iterator[Problem]:
    if files := _which(case, lambda _, look: look.frames > 1):
        message = f"{count(len(files), 'file')} with several frames or pages, of which only the first is used"
        yield Problem("animated", NOTE, message, "save the frames that you want as files of their own", files)


def _few_bits(case: Case) -> Iterator[Problem]:
    """16-bit images that use the lower of their bits only, as 12-bit sensors write: black when scaled to 8."""
    if files := _which(case, lambda _, look: look.mode.startswith("I") and 0 < look.highest < 2**13):
        highest = max(look.highest for _, look in _files(case) if look.highest < 2**13)
        message = (
            f"{count(len(files), 'image')} of 16 bits with no value above {highest:,} of 65,535: nearly black as 8 bits"
        )
        fix = f"multiply their values by {2 ** (16 - highest.bit_length())} and save them again"
        yield Problem("few-bits", WARNING, message, fix, files)


def _files(case: Case) -> Iterator[tuple[str, Look]]:
    for part, looks in looked_at(case):
        yield from zip(part.names, looks.files, strict=True)


def _which(case: Case, condition: Callable[[str, Look], bool]) -> tuple[str, ...]:
    return tuple(name for name, look in _files(case) if not look.fault and condition(name, look))


CHECKS = (_unreadable, _quickly, _misnamed, _turned, _odd_modes, _mixed_modes, _transparent, _animated, _few_bits)
