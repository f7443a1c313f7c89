"""What has been decoded, kept on disk for the next run: an entry is whole or it is not there.

    CACHE/arrays/RULE/KEY/inputs.bin   a row of bytes for each item that could be read, one after the other
                          items.bin    what each item's files were (16 bytes: path, size, times)
                          index.json   the number of rows, the items that could not be read, and the checksums
                          lock         held while an entry is in use

RULE stands for everything besides the files that decides a row, KEY for the files (it is the digest of items.bin). An
entry is written to a folder beside its place, flushed to the disk and then renamed; a process that dies before leaves
a folder that nobody believes, and that the next writer removes. The first line of the index is the CRC-32 of the rest,
which says whose entry it is and has the CRC-32 of each column: whatever the disk, or a person, did to an entry, it is
known before a row of it is used.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
import weakref
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from striate.datasets.store.room import PART, hold_lock
from striate.files import cache_folder

ITEM = "S16"  # numpy's name of a digest of 16 bytes


class DamagedEntryError(Exception):
    """An entry of the cache that is not what was written: where, and in what."""


@dataclass(frozen=True)
class Column:
    """One array that is made of each item: of item *i*, ``make(i)``, an array of *shape* and *dtype*.

    *make* raises DataError where the item cannot be read.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    make: Callable[[int], np.ndarray]

    @property
    def row_bytes(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Stamps:
    """What the files of a split are, without a look inside.

    A digest for each item, one of all, their bytes, and their latest time in ns.
    """

    items: np.ndarray
    key: str
    size: int
    newest: int

    @classmethod
    def of(cls, files: Sequence[Sequence[Path]]) -> Stamps:
        """Of every item's files; those that are not there have a stamp too, so that one which appears is noticed."""
        items, total, newest = [], 0, 0
        for paths in zip(*files, strict=True):
            item, size, latest = _stamp(paths)
            items.append(item)
            total, newest = total + size, max(newest, latest)
        return cls(np.array(items, ITEM), _digest(b"".join(items)), total, newest)

    def settled(self, now: int) -> bool:
        """Whether a file that changes after *now* (in ns) is sure to get another stamp.

        What is read after that is what the stamp stands for, or the stamp is never met again: the time of the file,
        other than that of its content, cannot be set back.
        """
        # Clocks of files tick every 10 ms at worst, those of old file systems every second or two.
        tick = 2 * 10**9 if self.newest % 10**9 == 0 else 2 * 10**7
        return self.newest + tick < now


def _stamp(paths: Sequence[Path]) -> tuple[bytes, int, int]:
    """A digest of the files' paths (links followed), sizes and times (of content and file), their bytes, and their
    latest time.
    """
    text, size, newest = "", 0, 0
    for path in map(os.fspath, paths):
        folder, _, name = path.rpartition(os.sep)
        try:
            found = os.stat(path)
            times = found.st_mtime_ns, found.st_ctime_ns
            size, newest = size + found.st_size, max(newest, *times)
            place = os.path.realpath(path) if os.path.islink(path) else f"{_real(folder)}/{name}"
            text += f"{place}\0{found.st_size} {times}\0"
        except (OSError, ValueError):
            text += f"{path}\0"
    return hashlib.blake2b(os.fsencode(text), digest_size=16).digest(), size, newest


_real = lru_cache(1 << 16)(os.path.realpath)


@dataclass(frozen=True)
class CacheEntry:
    """An entry, held open: *rows* items that could be read, in their order, and why the *broken* ones could not; of
    each column the checksum of its file.
    """

    folder: Path
    rows: int
    broken: dict[int, str]
    checksums: dict[str, int]
    lock: int

    def column(self, column: Column, *, in_memory: bool) -> np.ndarray:
        """The rows of *column*: in memory if requested and if there is room, else mapped (read-only).

        Raises:
            DamagedEntryError: They are not those that were written.
        """
        file, shape = _file(self.folder, column), (self.rows, *column.shape)
        array = None
        with _damage(file):
            with suppress(MemoryError):
                if in_memory or not self.rows:  # nothing cannot be mapped
                    array = np.fromfile(file, column.dtype).reshape(shape)
            if array is None:
                array = np.memmap(file, column.dtype, "r", shape=shape)
                weakref.finalize(array._mmap, os.close, os.dup(self.lock))  # type: ignore[attr-defined]  # the only owner of the map
            if zlib.crc32(array.reshape(-1).view(np.uint8).data) != self.checksums[column.name]:
                raise ValueError
        return array

    def items(self) -> tuple[np.ndarray, np.ndarray]:
        """The digests of all items, and for each the number of its row; -1 for the broken ones.

        Raises:
            DamagedEntryError: They are not those that were written.
        """
        with _damage(file := self.folder / "items.bin"):
            stamps = np.fromfile(file, ITEM)
            if _digest(stamps.tobytes()) != _key(self.folder):
                raise ValueError
        good = np.ones(len(stamps), bool)
        good[list(self.broken)] = False
        return stamps, np.where(good, np.cumsum(good) - 1, -1)


@contextmanager
def _damage(file: Path) -> Iterator[None]:
    """Whatever a *file* of an entry cannot be read for, as the one error that says so."""
    try:
        yield
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        unread = isinstance(error, OSError) and error.strerror
        raise DamagedEntryError(f"{file}: {f'cannot be read ({unread})' if unread else 'is damaged'}") from None


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _key(folder: Path) -> str:
    """The key of the entry in *folder*, be it finished or not."""
    return folder.name.partition(".")[0]


def cache_root() -> Path | None:
    """Where the entries are kept; None where the cache is off (``STRIATE_CACHE=off``) or there is no home for it."""
    if os.environ.get("STRIATE_CACHE", "").lower() == "off":
        return None
    with suppress(RuntimeError):
        return cache_folder() / "arrays"
    return None


@contextmanager
def open_entry(folder: Path, columns: Sequence[Column]) -> Iterator[CacheEntry | None]:
    """The entry in *folder*, held as long as the context or an array that is mapped from it lasts; None if there is
    none.

    Use keeps an entry from being the next to be removed.

    Raises:
        DamagedEntryError: It is not whole, of another version, or another's; or it may not be read.
    """
    lock = hold_lock(folder)
    try:
        if lock is None and folder.exists():
            raise DamagedEntryError(f"{folder}: cannot be opened")
        yield None if lock is None else _whole_entry(folder, columns, lock)
    finally:
        if lock is not None:
            os.close(lock)


def _whole_entry(folder: Path, columns: Sequence[Column], lock: int) -> CacheEntry:
    with _damage(path := folder / "index.json"):
        checksum, text = path.read_bytes().split(b"\n", 1)
        if checksum != b"%08x" % zlib.crc32(text) or (index := json.loads(text))["entry"] != _name(folder):
            raise ValueError
        broken = {int(i): str(why) for i, why in index["broken"]}
        entry = CacheEntry(folder, int(index["rows"]), broken, dict(index["checksums"]), lock)
        n = entry.rows + len(broken)
        if not all(0 <= i < n for i in broken):
            raise ValueError
    sizes = [(folder / "items.bin", n * np.dtype(ITEM).itemsize)]
    sizes += [(_file(folder, column), entry.rows * column.row_bytes) for column in columns]
    for file, size in sizes:
        with _damage(file):
            if file.stat().st_size != size:
                raise ValueError
    with suppress(OSError):  # a cache that may only be read
        os.utime(folder / "lock")
    return entry


def _name(folder: Path) -> str:
    """What an index calls the entry that it belongs to."""
    return f"{folder.parent.name}/{_key(folder)}"


def _file(folder: Path, column: Column) -> Path:
    return folder / f"{column.name}.bin"


@contextmanager
def unfinished_entry(beside: Path) -> Iterator[Path]:
    """A new, held folder that becomes an entry by :func:`publish_entry`, and is removed if it does not."""
    beside.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{beside.name}.", suffix=PART, dir=beside.parent))
    lock = None
    try:
        (folder / "lock").touch()
        lock = hold_lock(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def allocated(folder: Path, column: Column, n: int) -> np.memmap:
    """*n* rows of *column* in a new file in *folder*, mapped to be written; OSError where the disk has no room.

    The room is taken now: a mapped file that the disk cannot hold would end the process later.
    """
    with open(_file(folder, column), "xb") as file:
        _take_room(file.fileno(), n * column.row_bytes)
    return np.memmap(_file(folder, column), column.dtype, "r+", shape=(n, *column.shape))


def _take_room(file: int, size: int) -> None:
    try:
        os.posix_fallocate(file, 0, size)
    except (AttributeError, OSError) as error:  # a system, or a file system, that knows no such thing
        if isinstance(error, OSError) and error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise
        zeros = bytes(1 << 20)
        while size > 0:
            size -= os.write(file, zeros[:size])


def finish_entry(folder: Path, columns: Sequence[Column], stamps: Stamps, rows: int, broken: dict[int, str]) -> None:
    """Makes the folder that holds *columns* an entry, cut to its *rows*, and all of it safe on the disk."""
    for column in columns:
        os.truncate(_file(folder, column), rows * column.row_bytes)
    (folder / "items.bin").write_bytes(stamps.items.tobytes())
    checksums = {column.name: _checksum(_file(folder, column)) for column in columns}
    index = {"entry": _name(folder), "rows": rows, "broken": list(broken.items()), "checksums": checksums}
    text = json.dumps(index).encode()
    (folder / "index.json").write_bytes(b"%08x\n" % zlib.crc32(text) + text)
    for file in folder.iterdir():
        _flush(file)
    _flush(folder)


def _checksum(file: Path) -> int:
    found = 0
    with file.open("rb") as stream:
        while data := stream.read(1 << 20):
            found = zlib.crc32(data, found)
    return found


def _flush(path: Path) -> None:
    if path.is_dir() and not hasattr(os, "O_DIRECTORY"):  # Windows
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def publish_entry(folder: Path, entry: Path) -> Path:
    """Where the finished entry in *folder* is from now on: at *entry*, or where it was if another came first."""
    with suppress(OSError):
        folder.rename(entry)
        _flush(entry.parent)
        return entry
    return folder
