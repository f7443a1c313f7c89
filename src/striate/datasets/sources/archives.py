"""Archives as data: a ``.zip`` or ``.tar``, packed or not, and images in a table: unpacked once into the cache."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from striate.datasets.sources.idx import RATIO, UNPACKED
from striate.datasets.store.cache import cache_root, publish_entry, unfinished_entry
from striate.datasets.store.room import cache_limit, hold_lock, remove_entry, size_text
from striate.errors import DataError
from striate.model.opening import is_hidden

_TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_MOST_FILES = 5_000_000
_NESTED = 8  # archives in an archive that are unpacked too
_ENDS = 1 << 16  # bytes at each end of a file by which it is known again
_DAMAGE = (
    OSError, EOFError, ValueError, RuntimeError, NotImplementedError,
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError,
)  # fmt: skip
_OPENERS: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
_IMAGES = "images"
_SUFFIXES = {
    b"\xff\xd8\xff": ".jpg",
    b"GIF8": ".gif",
    b"II*": ".tif",
    b"MM\0*": ".tif",
    b"RIFF": ".webp",
    b"BM": ".bmp",
}
_held: dict[Path, int] = {}  # the locks of what this process has opened: nobody removes it


def is_archive(path: Path | str) -> bool:
    """Whether *path* is a file that is called as archives are that can be unpacked.

    >>> is_archive("photos.zip")  # which is not there
    False
    """
    return str(path).lower().endswith((".zip", *_TARS)) and os.path.isfile(path)


def unpacked(path: Path) -> Path:
    """The folder that the archive is unpacked in, once: as long as the file is the same, it is found again.

    Archives in it are unpacked too. Links out of it, devices and hidden files are left out.

    Raises:
        DataError: It is damaged or encrypted, has a name that leads out of the folder, or more in it than the cache or
            the disk may take or its own size lets expect; or nothing is kept (``STRIATE_CACHE=off``).
    """
    name = _stem(path)
    return _kept(path, name, lambda folder: _unpack(path, folder / name, _room(path, folder.parent))) / name


def written_images(path: Path, column: str, contents: Sequence[bytes | None]) -> list[str]:
    """The files that the images in a *column* of the table *path* are written into, once; "" where there is none.

    Raises:
        DataError: As :func:`unpacked`.
    """
    names = [f"{i:07}{_suffix(content)}" if content else "" for i, content in enumerate(contents)]

    def write(folder: Path) -> int:
        (folder / _IMAGES).mkdir()
        for name, content in zip(names, contents, strict=True):
            if content:
                (folder / _IMAGES / name).write_bytes(content)
        return sum(map(len, filter(None, contents)))

    place = _kept(path, f"{path.stem}-{re.sub('[^0-9A-Za-z]+', '_', column)}", write) / _IMAGES
    return [str(place / name) if name else "" for name in names]


def _kept(path: Path, name: str, write: Callable[[Path], int]) -> Path:
    """The folder of the cache that *write*, which says how many bytes it took, filled from a file."""
    root = cache_root()
    if root is None:
        raise DataError(
            f"{path}: what is packed in it goes into the cache, and STRIATE_CACHE=off keeps none; unpack it, and name "
            "the folder"
        )
    try:
        entry = root.parent / "unpacked" / f"{name}-{_key(path)}"
        if entry not in _held:
            if (lock := hold_lock(entry)) is None:
                with unfinished_entry(entry) as folder:
                    (folder / "size").write_text(str(write(folder)))
                    publish_entry(folder, entry)
                lock = hold_lock(entry)
            _held.update({entry: lock} if lock is not None else {})
            os.utime(entry / "lock")
    except DataError:
        raise
    except _DAMAGE as error:
        cut = "cut short or damaged: " if isinstance(error, EOFError | tarfile.TarError) else ""
        why = ": it is a web page, not the archive" if _is_page(path) else f" ({cut}{error})"
        raise DataError(f"{path}: it cannot be unpacked{why}; copy or download it again") from None
    return entry


def _is_page(path: Path) -> bool:
    """Whether a file is HTML, as a server sends it that wants somebody to sign in first."""
    with path.open("rb") as file:
        return re.match(rb"\W*(html|head|!?doctype html)\b", file.read(200), re.IGNORECASE) is not None


def _suffix(content: bytes) -> str:
    return next((suffix for begin, suffix in _SUFFIXES.items() if content.startswith(begin)), ".png")


def _stem(path: Path) -> str:
    ending = next(end for end in (".zip", *sorted(_TARS, key=len, reverse=True)) if path.name.lower().endswith(end))
    return path.name[: -len(ending)] or "archive"


def _key(path: Path) -> str:
    """What tells an archive from another of its name, without reading all of it."""
    found = path.stat()
    with path.open("rb") as file:
        ends = file.read(_ENDS)
        file.seek(max(0, found.st_size - _ENDS))
        ends += file.read(_ENDS)
    return hashlib.blake2b(f"{found.st_size} {found.st_mtime_ns} ".encode() + ends, digest_size=8).hexdigest()


def _room(path: Path, root: Path) -> int:
    """How many bytes may come out of an archive; the least recently used ones make room for it."""
    root.mkdir(parents=True, exist_ok=True)
    wanted, kept = path.stat().st_size, []
    for entry in root.iterdir():
        with suppress(OSError, ValueError):
            kept.append(((entry / "lock").stat().st_mtime_ns, int((entry / "size").read_text()), entry))
    taken = sum(size for _, size, _ in kept)
    for _, size, entry in sorted(kept):
        if taken + 2 * wanted > cache_limit() and remove_entry(entry):
            taken -= size
    return min(max(UNPACKED, RATIO * wanted), cache_limit() - taken, shutil.disk_usage(root).free)


def _unpack(path: Path, folder: Path, room: int, depth: int = 0) -> int:
    """Unpacks into *folder*; the bytes that came out, at most *room*."""
    folder.mkdir()
    spent = 0
    for n, size in enumerate(_from_zip(path, folder) if path.suffix.lower() == ".zip" else _from_tar(path, folder)):
        spent += size
        if spent > room or n >= _MOST_FILES:
            raise DataError(
                f"{path}: more than {size_text(room)} or {_MOST_FILES:,} files come out of its "
                f"{size_text(path.stat().st_size)}, beyond what the disk, the cache (STRIATE_CACHE_LIMIT) or an "
                "archive of that size lets expect; if that is right, unpack it, and name the folder"
            )
    inner = [file for file in sorted(folder.rglob("*")) if is_archive(file)]
    for file in inner if depth == 0 and len(inner) <= _NESTED else ():
        if not (place := file.with_name(_stem(file))).exists():
            spent += _unpack(file, place, room - spent, 1)
            file.unlink()
    return spent


def _from_zip(path: Path, folder: Path) -> Iterator[int]:
    """Unpacks file by file: before each, its size."""
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            info.filename = info.filename.replace("\\", "/")  # as some programs of Windows write it
            _check_name(path, info.filename)
            if info.is_dir() or any(map(is_hidden, PurePosixPath(info.filename).parts)):
                continue
            if info.flag_bits & 1:
                raise DataError(f"{path}: it is encrypted; unpack it with its password, and name the folder")
            yield info.file_size
            archive.extract(info, folder)


class _Header(tarfile.TarInfo):
    """A file's header: a damaged one, where Python's own reader ends as at the end of the archive, is refused."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if any(buf):
                raise tarfile.ReadError(str(error)) from None
            raise  # the end


def _from_tar(path: Path, folder: Path) -> Iterator[int]:
    """Unpacks file by file: before each, its size. Reads to the end of what is packed, where its checksum is.

    Raises:
        OSError, EOFError, tarfile.TarError, lzma.LZMAError, zlib.error: It is cut short or damaged.
    """
    with path.open("rb") as file:
        head = file.read(8)
    opener = next((opener for begin, opener in _OPENERS.items() if head.startswith(begin)), None)
    with (opener or open)(path, "rb") as stream:
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Header) as archive:
            for member in archive:
                _check_name(path, member.name)
                if any(map(is_hidden, PurePosixPath(member.name).parts)) or not (member.isreg() or member.islnk()):
                    yield 0
                    continue
                yield member.size
                archive.extract(member, folder, filter="data")
            read = archive.fileobj.tell() if archive.fileobj else 0
            if opener is None and read == archive.offset:  # no block of zeros, which ends an archive
                raise tarfile.ReadError("its end is missing")
        while rest := stream.read(1 << 20):
            yield len(rest)


def _check_name(path: Path, name: str) -> None:
    inside, windows = PurePosixPath(name), PureWindowsPath(name)
    if inside.is_absolute() or windows.drive or ".." in (*inside.parts, *windows.parts):
        raise DataError(f"{path}: the file {name!r} in it leads out of the folder; do not trust this archive")
