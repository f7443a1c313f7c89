"""Archives as data: a ``.zip`` or ``.tar``, packed or not, and images in a table: unpacked once into the cache."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import os
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from striate.datasets.sources.idx import RATIO, UNPACKED
from striate.datasets.store.cache import cache_root, publish_entry, unfinished_entry
from striate.datasets.store.room import cache_limit, hold_lock, make_room, remove_entry, size_text
from striate.errors import DataError, counted, listed
from striate.fetching import Fetching
from striate.model.opening import is_hidden

_TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_MOST_FILES = 5_000_000
_LARGE = 1 << 25  # bytes of an archive of which it is told how far it is
_NESTED = 8  # archives in an archive that are unpacked too
_ENDS = 1 << 16  # bytes at each end of a file by which it is known again
_DAMAGE = (
    OSError, EOFError, ValueError, RuntimeError, NotImplementedError,
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError,
)  # fmt: skip
_OPENERS: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
_IMAGES, _NOTES = "images", "notes"
_ROW = "/row"
_LINK = "symbolic link"
_SUFFIXES = {
    b"\xff\xd8\xff": ".jpg",
    b"GIF8": ".gif",
    b"II*": ".tif",
    b"MM\0*": ".tif",
    b"RIFF": ".webp",
    b"BM": ".bmp",
}
_given: dict[str, str] = {}  # by the folder in the cache: what is unpacked in it
_held: dict[Path, int] = {}  # the locks of what this process has opened: nobody removes it


class _BeyondRoomError(DataError):
    """More comes out of an archive than may."""


def is_archive(path: Path | str) -> bool:
    """Whether *path* is a file that is called as archives are that can be unpacked.

    >>> is_archive("photos.zip")  # which is not there
    False
    """
    return str(path).lower().endswith((".zip", *_TARS)) and os.path.isfile(path)


def unpacked(path: Path, progress: Fetching | None = None) -> Path:
    """The folder that the archive is unpacked in, once: as long as the file is the same, it is found again.

    Archives in it are unpacked too. Links out of it, devices and hidden files are left out.

    Args:
        path: The archive.
        progress: Called with its path, the bytes unpacked so far and about how many there will be, if it is large.

    Raises:
        DataError: It is damaged or encrypted, has a name that leads out of the folder, or more in it than the cache or
            the disk may take or its own size lets expect; or nothing is kept (``STRIATE_CACHE=off``).
    """
    name = _stem(path)

    def write(folder: Path) -> int:
        size = path.stat().st_size
        room = min(max(UNPACKED, RATIO * size), _room(folder.parent, 2 * size))
        notes: list[str] = []
        spent = _unpack(path, folder / name, room, path.name, notes, progress if size >= _LARGE else None)
        (folder / _NOTES).write_text(json.dumps(notes))
        return spent

    folder = _kept([path], name, write) / name
    _given[str(folder)] = str(path)
    return folder


def unpacked_notes(folder: Path) -> tuple[str, ...]:
    """What was left out of a *folder* that is :func:`unpacked`."""
    with suppress(OSError, ValueError):
        return (*json.loads((folder.parent / _NOTES).read_text()),)
    return ()


def written_images(paths: Sequence[Path], column: str, contents: Sequence[bytes | None]) -> list[str]:
    """The files that the images in a *column* of a table, in one file or in parts, are written into, once; "" where
    there is none.

    Raises:
        DataError: As :func:`unpacked`.
    """
    names = [f"{i:07}{_suffix(content)}" if content else "" for i, content in enumerate(contents)]

    def write(folder: Path) -> int:
        size = sum(map(len, filter(None, contents)))
        if size > (room := _room(folder.parent, size)):
            raise DataError(
                f"{paths[0]}: the images in {column!r} take {size_text(size)}, more than the {size_text(room)} that "
                "the disk or the cache (STRIATE_CACHE_LIMIT) has for them; write them into files, and their names into "
                "the column"
            )
        (folder / _IMAGES).mkdir()
        for name, content in zip(names, contents, strict=True):
            if content:
                (folder / _IMAGES / name).write_bytes(content)
        return size

    place = _kept(paths, f"{paths[0].stem}-{re.sub('[^0-9A-Za-z]+', '_', column)}", write, column) / _IMAGES
    _given[str(place)] = str(paths[0] if len(paths) == 1 else paths[0].parent) + _ROW
    return [str(place / name) if name else "" for name in names]


def as_given(text: str) -> str:
    """*text* with the files in the cache, of what this process opened, called by what they are from:
    ``photos.zip/cat/1.png``, ``images.parquet/row 5``.
    """
    for folder, given in reversed(_given.items()):
        if folder in text:
            if given.endswith(_ROW):
                text = re.sub(rf"(?<={re.escape(folder)})[/\\]0*(\d+)\.\w+", r" \1", text)
            text = text.replace(folder, given)
    return text


def _kept(paths: Sequence[Path], name: str, write: Callable[[Path], int], of: str = "") -> Path:
    """The folder of the cache that *write*, which says how many bytes it took, filled from files: *of* what in them."""
    root = cache_root()
    if root is None:
        raise DataError(
            f"{paths[0]}: what is packed in it goes into the cache, and STRIATE_CACHE=off keeps none; unpack it, and "
            "name the folder"
        )
    try:
        entry = root.parent / "unpacked" / f"{name}-{_key(paths, of)}"
        if entry not in _held:
            if not _is_whole(entry):  # somebody removed files
                remove_entry(entry)
            if (lock := hold_lock(entry)) is None:
                with unfinished_entry(entry) as folder:
                    size = write(folder)
                    (folder / "size").write_text(f"{size} {_count(folder)}")
                    publish_entry(folder, entry)
                lock = hold_lock(entry)
            _held.update({entry: lock} if lock is not None else {})
            os.utime(entry / "lock")
    except DataError:
        raise
    except _DAMAGE as error:
        raise DataError(f"{paths[0]}: {_damage(paths[0], error)}; copy or download it again") from None
    return entry


def _damage(path: Path, error: BaseException) -> str:
    cut = "cut short or damaged: " if isinstance(error, EOFError | tarfile.TarError) else ""
    why = ": it is a web page, not the archive" if _is_page(path) else f" ({cut}{error})"
    return f"it cannot be unpacked{why}"


def _is_page(path: Path) -> bool:
    """Whether a file is HTML, as a server sends it that wants somebody to sign in first."""
    with path.open("rb") as file:
        return re.match(rb"\W*(html|head|!?doctype html)\b", file.read(200), re.IGNORECASE) is not None


def _is_whole(entry: Path) -> bool:
    with suppress(OSError, ValueError):
        return (entry / "size").read_text().split()[1:] == [str(_count(entry))]
    return False


def _count(entry: Path) -> int:
    return sum(len(names) for root, _, names in os.walk(entry) if root != str(entry))


def _suffix(content: bytes) -> str:
    return next((suffix for begin, suffix in _SUFFIXES.items() if content.startswith(begin)), ".png")


def _stem(path: Path) -> str:
    ending = next(end for end in (".zip", *sorted(_TARS, key=len, reverse=True)) if path.name.lower().endswith(end))
    return path.name[: -len(ending)] or "archive"


def _key(paths: Sequence[Path], of: str) -> str:
    """What tells files from others of their names, without reading all of them."""
    key = hashlib.blake2b(of.encode(), digest_size=8)
    for path in paths:
        found = path.stat()
        with path.open("rb") as file:
            ends = file.read(_ENDS)
            file.seek(max(0, found.st_size - _ENDS))
            ends += file.read(_ENDS)
        key.update(f"{found.st_size} {found.st_mtime_ns} ".encode() + ends)
    return key.hexdigest()


def _room(root: Path, wanted: int) -> int:
    """How many bytes may be written; the least recently used entries make room for those that are *wanted*."""
    return min(cache_limit() - make_room(root, wanted), shutil.disk_usage(root).free)


def _unpack(
    path: Path, folder: Path, room: int, name: str, notes: list[str], progress: Fetching | None = None, depth: int = 0
) -> int:
    """Unpacks into *folder*; the bytes that came out, at most *room*. What is left out goes into the *notes*."""
    folder.mkdir()
    spent, left, packed = 0, Counter[str](), path.stat().st_size
    for n, size in enumerate((_from_zip if path.suffix.lower() == ".zip" else _from_tar)(path, folder, left)):
        if progress:
            progress(str(path), spent, max(spent, packed))
        spent += size
        if spent > room or n >= _MOST_FILES:
            raise _BeyondRoomError(
                f"{path}: more than {size_text(room)} or {_MOST_FILES:,} files come out of its "
                f"{size_text(packed)}, beyond what the disk, the cache (STRIATE_CACHE_LIMIT) or an "
                "archive of that size lets expect; if that is right, unpack it, and name the folder"
            )
    if left:
        notes.append(f"{name}: left out: {', '.join(counted(n, kind) for kind, n in left.items())}")
    inner = [file for file in sorted(folder.rglob("*")) if is_archive(file)]
    if inner and (depth or len(inner) > _NESTED):
        notes.append(f"{name}: {counted(len(inner), 'archive')} in it not unpacked: {listed(f.name for f in inner)}")
        return spent
    for file in inner:
        inside, place = file.relative_to(folder).as_posix(), file.with_name(_stem(file))
        if place.exists():
            notes.append(f"{name}: {inside}: not unpacked, as {place.name}/ is beside it")
            continue
        try:
            spent += _unpack(file, place, room - spent, f"{name}: {inside}", notes, depth=depth + 1)
            file.unlink()
        except (DataError, *_DAMAGE) as error:  # it stays packed, and the rest is used
            why = str(error).removeprefix(f"{file}: ") if isinstance(error, DataError) else _damage(file, error)
            if isinstance(error, _BeyondRoomError):
                raise DataError(f"{path}: {inside}: {why}") from None
            if getattr(error, "errno", None):  # not the archive's fault, such as a disk that is full
                raise
            notes.append(f"{name}: {inside}: {why}")
            shutil.rmtree(place, ignore_errors=True)
    return spent


def _from_zip(path: Path, folder: Path, left: Counter[str]) -> Iterator[int]:
    """Unpacks file by file: before each, its size."""
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            info.filename = info.filename.replace("\\", "/")  # as some programs of Windows write it
            _check_name(path, info.filename)
            if info.is_dir() or any(map(is_hidden, PurePosixPath(info.filename).parts)):
                continue
            if info.flag_bits & 1:
                raise DataError(f"{path}: it is encrypted; unpack it with its password, and name the folder")
            if stat.S_ISLNK(info.external_attr >> 16):
                left[_LINK] += 1
                continue
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


def _from_tar(path: Path, folder: Path, left: Counter[str]) -> Iterator[int]:
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
                    left.update([] if member.isdir() else [_LINK if member.issym() else "special file"])
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
