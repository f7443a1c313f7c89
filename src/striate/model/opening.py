"""Image files: which there are in a folder, and one opened; or, in words, why it cannot be and what to do."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

# Registered here, with preinit's PNG, JPEG, BMP, GIF and PPM, so that opening a file never makes Pillow load
# its forty other decoders, and never from several threads at once.
from PIL import Image, ImageFile, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin  # noqa: F401

from striate.errors import DataError
from striate.model.foreign import DICOM, open_dicom, open_other_tiff
from striate.model.limits import check_cost, many_scans

Encoded = Path | str | bytes  # an image file by its name, or its content
Image.preinit()
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
SUFFIXES = {
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".pjp", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".webp",
    ".ppm", ".pgm", ".pbm", ".pnm", ".dcm",
}  # fmt: skip
_OTHERS = {  # suffixes that are never looked behind: data sets have as many such files as images
    ".txt", ".xml", ".json", ".csv", ".tsv", ".npy", ".npz", ".mat", ".md", ".html", ".htm", ".pdf", ".py", ".pt",
    ".pth", ".zip", ".gz", ".tar", ".db", ".ini", ".log", ".wav", ".mp3", ".mp4", ".avi", ".mov", ".heic", ".heif",
    ".nii", ".yaml", ".yml", ".h5", ".hdf5", ".pkl", ".parquet", ".xlsx", ".svg", ".part", ".docx",
}  # fmt: skip
_HEIC = (b"heic", b"heix", b"heim", b"hevc", b"mif1", b"msf1", b"avif")  # what such files name themselves
_MAGIC = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*")  # how the files begin
_DEEP = 100  # folders in each other
_CLUTTER = {"thumbs.db", "desktop.ini", "icon\r"}
_TEXTS = (b"iTXt", b"tEXt", b"zTXt")  # chunks of a PNG, and the names of those that hold metadata
_SYSTEM, _MEMORY = "cannot be opened", "there is not enough memory to read it"  # reasons that are not in the file
_METADATA = (b"Raw profile type exif", b"XML:com.adobe.xmp")


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden, or clutter, by its name: ``.git``, ``__MACOSX``, ``Thumbs.db``."""
    return name.startswith((".", "__")) or name.lower() in _CLUTTER


def is_image(path: Path | str) -> bool:
    """Whether a file is an image by its suffix; where that says nothing, by how the file begins."""
    suffix = os.path.splitext(path)[1].lower()
    return suffix in SUFFIXES or (suffix not in _OTHERS and _file_begins_as_image(path))


def _file_begins_as_image(path: Path | str) -> bool:
    try:
        file = os.open(
            path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        )  # a pipe: no waiting
    except (OSError, ValueError):
        return False
    try:
        head = os.read(file, 16) if stat.S_ISREG(os.fstat(file).st_mode) else b""
    except OSError:
        return False
    finally:
        os.close(file)
    return begins_as_image(head)


def begins_as_image(head: bytes) -> bool:
    """Whether a file that begins with these bytes, 16 or more, is an image.

    >>> begins_as_image(b"GIF89a and more"), begins_as_image(b"RIFF1234WAVEfmt ")
    (True, False)
    """
    if head[:2] == b"BM":  # two letters: the header's four zero bytes too
        return head[6:10] == b"\0\0\0\0"
    if head[:1] == b"P":
        return head[1:2] in b"123456" and head[2:3].isspace()
    return head.startswith(_MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def folder_contents(folder: Path) -> tuple[list[Path], list[Path]]:
    """``(folders, files)`` in *folder*, without hidden ones, sorted; DataError where it cannot be read."""
    folders, files = _names_in(folder)
    return [folder / name for name in folders], [folder / name for name in files]


def _names_in(folder: Path) -> tuple[list[str], list[str]]:
    folders: list[str] = []
    files: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not is_hidden(entry.name):
                    (folders if _is_folder(entry) else files).append(entry.name)
    except PermissionError:
        raise DataError(f"{folder}: no permission to read this folder; change its permissions") from None
    except OSError as error:
        raise DataError(f"{folder}: this folder cannot be read ({error.strerror})") from None
    return sorted(folders), sorted(files)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with suppress(OSError):  # a ring of links: a file that cannot be read
        return entry.is_dir()
    return False


def images_under(folder: Path) -> list[Path]:
    """The image files anywhere below *folder*; links to folders are followed, but in no circle and
    to no folder that *folder* lies in.

    Raises:
        DataError: A folder cannot be read, or lies too deep.
    """
    return [*each_image_under(folder)]


def each_image_under(folder: Path) -> Iterator[Path]:
    """As :func:`images_under`, one by one: who wants a few looks no further."""
    above = set[tuple[int, int]]()  # a link to one of these leads to the folders beside, which are other classes
    with suppress(OSError):
        above |= {(there.st_dev, there.st_ino) for there in map(os.stat, folder.resolve().parents)}
    return _images_under(folder, above, _DEEP)


def _images_under(folder: Path, seen: set[tuple[int, int]], deep: int) -> Iterator[Path]:
    if not deep:
        raise DataError(f"{folder}: more than {_DEEP} folders deep; move its images up")
    folders, files = _names_in(folder)
    here = os.stat(folder)
    seen.add((here.st_dev, here.st_ino))
    yield from (path for name in files if is_image(path := folder / name))
    for inner in folders:
        there = os.stat(folder / inner)
        if (there.st_dev, there.st_ino) not in seen:
            yield from _images_under(folder / inner, seen, deep - 1)


@contextmanager
def open_image(source: Encoded) -> Iterator[Image.Image]:
    """The image file *source*, or that with the content *source*, open; whatever goes wrong inside is a DataError,
    which names the file.
    """
    try:
        if isinstance(source, bytes):
            with _opened(io.BytesIO(source), len(source), source) as image:
                yield image
            return
        status = os.stat(source)
        if not stat.S_ISREG(status.st_mode):  # nothing else is opened: a pipe would wait for ever
            folder = stat.S_ISDIR(status.st_mode)
            raise DataError("this is a folder; name the image files in it" if folder else "this is not a regular file")
        if os.path.splitext(source)[1].lower() == DICOM and status.st_size:
            yield open_dicom(source)
            return
        with open(source, "rb") as stream, _opened(stream, status.st_size, source) as image:
            yield image
    except Exception as error:
        # Pillow's decoders meet damage with a dozen kinds of exception (OSError, SyntaxError, struct.error,
        # IndexError, ...). One broken file must never end a run, so each of them becomes the file's reason.
        named = "" if isinstance(source, bytes) else f"{source}: "
        raise DataError(named + _reason(error)) from None


def _opened(stream: BinaryIO, size: int, source: Encoded) -> Image.Image:
    if not size:
        raise DataError("the file is empty (0 bytes); copy it again or remove it")
    check_cost(stream, size)
    try:
        image: Image.Image = Image.open(stream, formats=FORMATS)
    except UnidentifiedImageError:
        stream.seek(4)
        if stream.read(4) == b"ftyp" and stream.read(4) in _HEIC:
            raise DataError("this is HEIC or AVIF, as phones write it, which is not read; convert it to JPEG") from None
        other = None if isinstance(source, bytes) else open_other_tiff(source)
        if other is None:
            raise
        image = other
    _check_area(image)
    return image


def has_metadata_behind(image: Image.Image) -> bool:
    """Whether an open PNG, its pixels not read yet, has EXIF or XMP behind them, where Pillow looks only after them."""
    if image.format != "PNG" or not isinstance(image, ImageFile.ImageFile) or image.fp is None:
        return False
    place = image.fp.tell()
    image.fp.seek(8)
    behind = found = False
    while not found and len(head := image.fp.read(8)) == 8:
        length, name = int.from_bytes(head[:4], "big"), head[4:]
        start = image.fp.read(min(length, len(_METADATA[0])) if name in _TEXTS else 0)
        found = behind and (name == b"eXIf" or start.startswith(_METADATA))
        behind |= name == b"IDAT"
        image.fp.seek(length - len(start) + 4, os.SEEK_CUR)  # 4: the checksum
    image.fp.seek(place)
    return found


def may_pass(reason: str) -> bool:
    """Whether a file that could not be read for *reason* may be readable the next time, as it is."""
    return _SYSTEM in reason or _MEMORY in reason


def _check_area(image: Image.Image) -> None:
    """Pillow only warns of a picture above its limit (and raises above twice that); here it is an error."""
    if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError(f"{image.width}x{image.height} pixels")


def _reason(error: Exception) -> str:
    """What is wrong with a file, and the fix, in words."""
    match error:
        case DataError():
            return str(error)
        case FileNotFoundError() | NotADirectoryError():
            return "file not found; expected an image file"
        case PermissionError():
            return "no permission to read it; change the file's permissions"
        case UnidentifiedImageError():
            return "not an image that can be read (PNG, JPEG, BMP, GIF, TIFF, WebP, PPM); convert or remove it"
        case Image.DecompressionBombError() | Image.DecompressionBombWarning():
            return f"too large to open safely ({error}); make it smaller than {Image.MAX_IMAGE_PIXELS} pixels"
        case ValueError() if "MAX_TEXT_" in str(error):  # PNG: texts and colour profiles are packed
            return "the texts or the colour profile in it are too large to unpack safely; save it again without them"
        case MemoryError():
            return f"{_MEMORY}; close other programs or make the image smaller"
        case OSError(strerror=str(reason)):  # the system's, not Pillow's
            return f"{_SYSTEM} ({reason})"
        case _:
            return (
                f"the image is damaged or cut short ({str(error) or type(error).__name__}); copy it again or remove it"
            )


def pixels_in(data: bytes) -> int:
    """How many pixels an image file of this content has, by its header alone.

    Raises:
        DataError: It is no image that can be read.
    """
    with suppress(IndexError):
        if (found := _mode_and_size(data)) is not None:
            return found[1][0] * found[1][1]
    with open_image(data) as image:
        return image.width * image.height


# ------------------------------------------------------------------------------------------------- small JPEGs
_SMALL_JPEG = 1 << 17  # bytes of a file, and pixels: above it the decoder takes the time, not the way to it
_PIXELS = b"\xff\xda"
_FRAMES = (b"\xff\xc0", b"\xff\xc2")  # baseline and progressive
_TABLES = (b"\xff\xdb", b"\xff\xc4", b"\xff\xdd")  # the decoder's own matter
_MODES = {1: "L", 3: "RGB"}


def plain_jpeg(path: Encoded, factor: Callable[[tuple[int, int]], int]) -> Image.Image | None:
    """The pixels of a small JPEG without metadata (JFIF, grey or colour, 8 bits, whole); None for any other file.

    Bit for bit what ``PIL.Image.open`` gives, whose own parser takes half of the time that an image of 32x32 needs.
    Whatever is unusual, missing or broken is None: the long way knows what to do, and what to say. So is an image
    that is to be decoded at reduced size: *factor*, of its (width, height), is not 1.
    """
    try:
        data = _content(path)
        found = _mode_and_size(data) if data else None
        if data is None or found is None or factor(found[1]) != 1 or many_scans(data):
            return None
        return Image.frombytes(*found, data, "jpeg", found[0], "")
    except Exception:  # damage: as many kinds of it as Pillow has exceptions
        return None


def _content(path: Encoded) -> bytes | None:
    """All of a file, if it is an ordinary and small one."""
    if isinstance(path, bytes):
        return path if len(path) <= _SMALL_JPEG else None
    file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))  # a pipe: no waiting
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _SMALL_JPEG:
            return None
        return os.read(file, _SMALL_JPEG)
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
    return found if found and 0 < found[1][0] * found[1][1] <= _SMALL_JPEG else None
