"""The short way through Pillow for the commonest of files: a small JPEG with nothing in it but its pixels."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from PIL import Image

LARGEST = 1 << 17  # bytes of a file, and pixels: above it the decoder takes the time, not the way to it
_PIXELS = b"\xff\xda"
_FRAMES = (b"\xff\xc0", b"\xff\xc2")  # baseline and progressive
_TABLES = (b"\xff\xdb", b"\xff\xc4", b"\xff\xdd")  # the decoder's own matter
_MODES = {1: "L", 3: "RGB"}


def plain_jpeg(path: Path | str, factor: Callable[[tuple[int, int]], int]) -> Image.Image | None:
    """The pixels of a small JPEG without metadata (JFIF, grey or colour, 8 bits, whole); None for any other file.

    Bit for bit what ``PIL.Image.open`` gives, whose own parser takes half of the time that an image of 32x32 needs.
    Whatever is unusual, missing or broken is None: the long way knows what to do, and what to say. So is an image
    that is to be decoded at reduced size: *factor*, of its (width, height), is not 1.
    """
    try:
        data = _content(path)
        found = _mode_and_size(data) if data else None
        if found is None or factor(found[1]) != 1:
            return None
        return Image.frombytes(*found, data, "jpeg", found[0], "")
    except Exception:  # damage: as many kinds of it as Pillow has exceptions
        return None


def _content(path: Path | str) -> bytes | None:
    """All of a file, if it is an ordinary and small one."""
    file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))  # a pipe: no waiting
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
            return None
        return os.read(file, LARGEST)
    finally:
        os.close(file)


def _mode_and_size(data: bytes) -> tuple[str, tuple[int, int]] | None:
    """From the frame header, if nothing but a JFIF header, that and tables stand before the pixels."""
    if data[:4] != b"\xff\xd8\xff\xe0" or data[6:11] != b"JFIF\0":
        return None
    at, found = 4 + int.from_bytes(data[4:6]), None
    while (marker := data[at : at + 2]) != _PIXELS:
        if marker in _FRAMES and found is None and data[at + 4] == 8 and data[at + 9] in _MODES:
            height, width = int.from_bytes(data[at + 5 : at + 7]), int.from_bytes(data[at + 7 : at + 9])
            found = _MODES[data[at + 9]], (width, height)
        elif marker not in _TABLES:
            return None
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return found if found and 0 < found[1][0] * found[1][1] <= LARGEST else None
