"""Image files that would cost far more than their pixels are due, refused by their headers: before anything decodes.

Pillow's and the codecs' own limits are on what an image claims to be; these are on what it makes a decoder do. Each is
far above what cameras, scanners and paint programs write. What is damaged is none of this module's business: it is left
to the decoder, which says so.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from contextlib import suppress
from math import prod
from typing import BinaryIO

from PIL import Image

from striate.errors import DataError

_MEMORY = 400_000_000  # bytes that a decoder may need beyond the pixels
_METADATA = 1 << 26  # bytes of all texts, profiles and other metadata in a file
_WEBP_PIXELS = 1 << 25  # its decoder needs 16 bytes for each
_WHOLE_BYTES = 1 << 28  # of a file that must be read whole: WebP, progressive JPEG
_SCANS = 100  # of a progressive JPEG; encoders write about ten
_SCANNED = 1 << 31  # pixels, times the scans beyond the first 16
_SEGMENTS = 20_000  # of a JPEG's header
_JUNK = 1 << 16  # bytes between them
_CHUNKS = 10_000  # of a PNG, and one more for each 500 bytes of its file
_COMMENTS, _BLOCKS = 4_000, 100_000  # of a GIF, of at most 255 bytes each
_SLOW = 1 << 23  # values that Pillow decodes one by one: of plain PNM, of an unusual range, of BMP by run lengths
_PNM_HEADER = 1 << 16

_SIZES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8)  # bytes of a value of each of TIFF's types
_NO_NUMBERS = (1, 2, 6, 7)  # those of texts and profiles
_IFD_NUMBERS = 1 << 23  # bytes of numbers in a TIFF's directory, such as where each strip begins


def check_cost(stream: BinaryIO, size: int) -> None:
    """Refuses the image file of *size* bytes in *stream*, which is left at its beginning, if it is too costly.

    Raises:
        DataError: What there is too much of, the limit, and the fix. DecompressionBombError: Too many pixels.
    """
    start = stream.read(32)
    for magic, check in _CHECKS:
        if re.match(magic, start, re.DOTALL):
            with suppress(struct.error, IndexError, OverflowError):  # cut short: the decoder says so
                check(stream, size, start)
    stream.seek(0)


def many_scans(data: bytes) -> bool:
    """Whether there may be more scans in the JPEG *data* than :func:`check_cost` allows."""
    return data.count(b"\xff\xda") > _SCANS


def overlapping_tags(data: bytes, size: int | None = None) -> bool:
    """Whether the tags of a TIFF, or of EXIF metadata, claim more than there is: each of 65,535 the whole file, say.

    >>> overlapping_tags(b"II*\\0\\x08\\0\\0\\0\\1\\0" + struct.pack("<HHII", 270, 2, 1 << 30, 0))
    True
    """
    data = data.removeprefix(b"Exif\0\0")
    try:
        tags = _directory(lambda at, n: data[at : at + n])
    except struct.error:
        return False
    return _claimed(tags) > (len(data) if size is None else size) + _JUNK


def _refuse(came: str, limit: str, way_out: str = "save it again as a plain PNG or JPEG") -> None:
    raise DataError(f"too costly to open safely ({came}, expected at most {limit}); {way_out}")


def _check_pixels(width: int, height: int, most: int | None = None, why: str = "") -> None:
    if Image.MAX_IMAGE_PIXELS and width * height > Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError(f"{width}x{height} pixels")
    if most is not None and width * height > most:
        _refuse(f"{width}x{height} pixels {why}", f"{most:,}")


# ------------------------------------------------------------------------------------------------------------- PNG
def _png(stream: BinaryIO, size: int, start: bytes) -> None:
    _check_pixels(*struct.unpack(">II", start[16:24]))
    most = _CHUNKS + size // 500
    if size <= 12 * _CHUNKS:  # of 12 bytes at least
        return
    stream.seek(8)
    metadata = count = 0
    while len(head := stream.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        count += 1
        metadata += length if name != b"IDAT" else 0
        if count > most:
            _refuse(f"more than {most:,} chunks in {size:,} bytes", f"{most:,}")
        if metadata > _METADATA:
            _refuse(f"more than {_METADATA:,} bytes of metadata", f"{_METADATA:,}")
        stream.seek(length + 4, 1)  # 4: the checksum


# ------------------------------------------------------------------------------------------------------------ JPEG
_MARKER = re.compile(rb"\xff([^\x00\xff])")
_NEXT = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # what may stand in the data of a scan is not among these


def _jpeg(stream: BinaryIO, size: int, start: bytes) -> None:
    stream.seek(2)
    header = total = 0
    width = height = 0
    parts: list[tuple[int, int]] = []
    progressive, exif = False, b""
    for _ in range(_SEGMENTS):
        marker = _next_marker(stream)
        if marker is None or marker == 0xD9:
            return
        if marker == 1 or 0xD0 <= marker <= 0xD8:
            continue
        (length,) = struct.unpack(">H", stream.read(2))
        body = stream.read(max(0, length - 2))
        total += length
        if marker == 0xE1 and body.startswith(b"Exif\0\0"):
            exif += body if not exif else body[6:]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", body[1:5])
            parts = [(body[7 + 3 * i] >> 4, body[7 + 3 * i] & 15) for i in range(body[5])]
            progressive = marker in (0xC2, 0xCA)
            _check_pixels(width, height)
        if total > _METADATA:
            _refuse(f"more than {_METADATA:,} bytes of metadata", f"{_METADATA:,}")
        if marker == 0xDA:
            header = body[0]
            break
    else:
        _refuse(f"more than {_SEGMENTS:,} segments before the pixels", f"{_SEGMENTS:,}")
    if overlapping_tags(exif):
        _refuse("EXIF tags that claim more than there is", f"{len(exif):,} bytes", "remove its metadata")
    if parts and (progressive or header < len(parts)):
        across, down = (max(1, *(part[i] for part in parts)) for i in (0, 1))
        needed = sum(2 * width * height * h * v for h, v in parts) // (across * down)
        if needed > _MEMORY:
            _refuse(f"progressive, {width}x{height}: {needed:,} bytes to decode", f"{_MEMORY:,}")
        if size > _WHOLE_BYTES:
            _refuse(f"{size:,} bytes of progressive JPEG", f"{_WHOLE_BYTES:,}")
        _check_scans(stream.read(), width * height)


def _next_marker(stream: BinaryIO) -> int | None:
    """The marker that comes next; None at the end. What stands before it is skipped, as decoders do."""
    two = stream.read(2)
    if len(two) == 2 and two[0] == 0xFF and two[1] not in (0, 0xFF):
        return two[1]
    at = stream.tell() - len(two)
    stream.seek(at)
    found = _MARKER.search(junk := stream.read(_JUNK))
    if found is None:
        if len(junk) == _JUNK:
            _refuse(f"more than {_JUNK:,} bytes between two of its parts", f"{_JUNK:,}")
        return None
    stream.seek(at + found.end())
    return found[1][0]


def _check_scans(data: bytes, pixels: int) -> None:
    """Counts the scans in what follows a JPEG's header: roughly, and only where that gives many, one by one."""
    allowed = min(_SCANS, 16 + _SCANNED // max(1, pixels))
    if data.count(b"\xff\xda") < allowed:
        return
    count, at = 1, 0
    while (found := _NEXT.search(data, at)) and data[found.end() - 1] != 0xD9:
        marker, at = data[found.end() - 1], found.end()
        count += marker == 0xDA
        if count > allowed:
            _refuse(f"more than {allowed} scans", f"{allowed}")
        at += int.from_bytes(data[at : at + 2], "big") if marker not in (1, 0xD8) else 0


# ------------------------------------------------------------------------------------------------------------ TIFF
def _tiff(stream: BinaryIO, size: int, start: bytes) -> None:
    def read(at: int, n: int) -> bytes:
        stream.seek(at)
        return stream.read(n)

    tags = _directory(read)
    if _claimed(tags) > size + _JUNK:
        _refuse(f"tags that claim {_claimed(tags):,} bytes", f"the file's {size:,}")
    numbers = sum(_SIZES[kind] * count for kind, count, _ in tags.values() if kind not in _NO_NUMBERS)
    if numbers > _IFD_NUMBERS or _claimed(tags) > _METADATA:
        _refuse(f"a directory of {_claimed(tags):,} bytes", f"{_IFD_NUMBERS:,} of numbers and {_METADATA:,} in all")
    order = "<" if start[:2] == b"II" else ">"

    def number(tag: int, default: int) -> int:
        kind, count, data = tags.get(tag, (0, 0, b""))
        code = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(kind)
        if code is None or not count:
            return default
        if _SIZES[kind] * count > len(data):
            data = read(struct.unpack(order + ("I" if len(data) == 4 else "Q"), data)[0], _SIZES[kind])
        return int(struct.unpack_from(order + code, data)[0])

    width, height = number(256, 0), number(257, 0)
    _check_pixels(width, height)
    if number(259, 1) == 1:  # not compressed: read straight into the image
        return
    across, down = (number(322, 0), number(323, 0)) if 322 in tags else (width, min(number(278, height), height))
    needed = prod((across, down, number(277, 1), number(258, 1))) // 8
    if needed > _MEMORY:
        _refuse(f"a strip or tile of {across}x{down} pixels: {needed:,} bytes to decode", f"{_MEMORY:,}")


def _directory(read: Callable[[int, int], bytes]) -> dict[int, tuple[int, int, bytes]]:
    """The type, the number of values, and the values or their place, of each tag in a TIFF's first directory."""
    start = read(0, 16)
    order = {b"II": "<", b"MM": ">"}.get(start[:2])
    if order is None:
        return {}
    big = struct.unpack(order + "H", start[2:4])[0] == 43
    counts, entries, each, place = ("Q", "HHQ", 20, start[8:16]) if big else ("H", "HHI", 12, start[4:8])
    (at,) = struct.unpack(order + ("Q" if big else "I"), place)
    wide = struct.calcsize(order + counts)
    (n,) = struct.unpack(order + counts, read(at, wide))
    data = read(at + wide, min(n, 65_535) * each)
    tags = {}
    for i in range(0, len(data) - each + 1, each):
        tag, kind, count = struct.unpack_from(order + entries, data, i)
        if kind < len(_SIZES):
            tags[tag] = (kind, count, data[i + (12 if big else 8) : i + each])
    return tags


def _claimed(tags: dict[int, tuple[int, int, bytes]]) -> int:
    return sum(_SIZES[kind] * count for kind, count, _ in tags.values())


# ------------------------------------------------------------------------------------------------------ the others
def _webp(stream: BinaryIO, size: int, start: bytes) -> None:
    kind = start[12:16]
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(start[i : i + 3], "little") for i in (24, 27))
    elif kind == b"VP8L":
        bits = int.from_bytes(start[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (n & 0x3FFF for n in struct.unpack("<HH", start[26:30]))
    _check_pixels(width, height, _WEBP_PIXELS, "of WebP")
    if size > _WHOLE_BYTES:
        _refuse(f"{size:,} bytes of WebP", f"{_WHOLE_BYTES:,}")


def _gif(stream: BinaryIO, size: int, start: bytes) -> None:
    _check_pixels(*struct.unpack("<HH", start[6:10]))
    stream.seek(13 + (3 << (start[10] & 7) + 1 if start[10] & 0x80 else 0))
    comments = blocks = 0
    while (kind := stream.read(1)) == b"!":
        label = stream.read(1)
        while length := (stream.read(1) or b"\0")[0]:
            stream.seek(length, 1)
            blocks += 1
            comments += label == b"\xfe"
            if comments > _COMMENTS or blocks > _BLOCKS:
                _refuse(f"{comments:,} parts of comments, {blocks:,} in all", f"{_COMMENTS:,} and {_BLOCKS:,}")
        blocks += 1
        comments += label == b"\xfe"
    if kind == b",":
        left, top, width, height = struct.unpack("<HHHH", stream.read(8))
        _check_pixels(left + width, top + height)


def _bmp(stream: BinaryIO, size: int, start: bytes) -> None:
    if start[14] == 12:
        _check_pixels(*struct.unpack("<HH", start[18:22]))
        return
    width, height = struct.unpack("<ii", start[18:26])
    by_runs = start[30:32] in (b"\1\0", b"\2\0")
    _check_pixels(abs(width), abs(height), _SLOW if by_runs else None, "by run lengths")
    if by_runs and size > 2 * _SLOW:
        _refuse(f"{size:,} bytes of run lengths", f"{2 * _SLOW:,}")


_SPACE = rb"(?:\s|#[^\r\n]*[\r\n])+"
_PNM = re.compile(rb"P([1-6])" + _SPACE + rb"(\d{1,10})" + _SPACE + rb"(\d{1,10})(?:" + _SPACE + rb"(\d{1,10}))?")


def _pnm(stream: BinaryIO, size: int, start: bytes) -> None:
    stream.seek(0)
    found = _PNM.match(data := stream.read(_PNM_HEADER))
    if not found:
        if len(data) == _PNM_HEADER:
            _refuse(f"a header of more than {_PNM_HEADER:,} bytes", f"{_PNM_HEADER:,}")
        return
    kind, width, height, high = (int(n or 0) for n in found.groups())
    _check_pixels(width, height)
    values = width * height * (3 if kind in (3, 6) else 1)
    slow = kind in (1, 2, 3) or (kind in (5, 6) and high not in (255, 65535)) or (kind, high) == (6, 65535)
    if slow and (values > _SLOW or (kind < 4 and size > 8 * _SLOW)):
        _refuse(f"{values:,} values as text or of an unusual range", f"{_SLOW:,}")


_CHECKS: tuple[tuple[bytes, Callable[[BinaryIO, int, bytes], None]], ...] = (
    (rb"\x89PNG", _png), (rb"\xff\xd8", _jpeg), (rb"(II|MM)", _tiff), (rb"RIFF....WEBP", _webp), (rb"GIF8", _gif),
    (rb"BM", _bmp), (rb"P[1-6]\s", _pnm),
)  # fmt: skip
