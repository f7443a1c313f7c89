"""A row of bytes for each item of a part: from the cache, or decoded now, in memory or in a file that is mapped."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import time_ns

import numpy as np

from striate.datasets.store import cache
from striate.datasets.store.cache import Column, Entry
from striate.datasets.store.cache_room import PART, limit, make_room, remove
from striate.datasets.store.memory import written
from striate.datasets.store.stamps import Stamps
from striate.datasets.store.workers import CRASHED, for_each
from striate.errors import DataError
from striate.model.opening import may_pass

# Fewer files, and of fewer bytes, are decoded sooner than it is worth a place on the disk.
MANY_FILES, LARGE_FILES = 1000, 16 * 10**6
STEP = 1 << 24  # bytes moved at a time


@dataclass(frozen=True)
class Rows:
    """Of each column the rows of the items that could be read, in their order; and why the others could not."""

    columns: Mapping[str, np.ndarray]
    broken: Mapping[int, str]


@dataclass(frozen=True)
class Reading:
    """What is to be read, and whom to tell.

    Args:
        files: Of each item the files that its row depends on: one sequence, or two with the masks.
        columns: What is made of them.
        rule: Names everything else that decides a row; also a folder.
        memory: Bytes that the rows may take in memory.
        found: Told of each item that cannot be read, and why, as soon as that is known; may raise.
        progress: Told (items done, items in all) while files are decoded, ten times a second at most.
        say: Told in a line where the rows cannot lie where they should.
    """

    files: Sequence[Sequence[Path]]
    columns: Sequence[Column]
    rule: str
    memory: int
    found: Callable[[int, str], None]
    progress: Callable[[int, int], None]
    say: Callable[[str], None]

    def __len__(self) -> int:
        return len(self.files[0])

    @property
    def size(self) -> int:
        """Bytes of all rows."""
        return len(self) * sum(column.row_bytes for column in self.columns)

    @property
    def fits(self) -> bool:
        return self.size <= self.memory


def rows_of(reading: Reading) -> Rows:
    """Every item's rows, each file decoded once in its life if the disk allows.

    The rows of many or large files are kept on the disk and found there the next time, also those of single files
    among others. Rows that do not fit in memory are mapped from there; all others lie in memory.

    Raises:
        DataError: They fit nowhere.
    """
    started = time_ns()
    stamps = Stamps.of(reading.files)
    if reading.fits and len(reading) < MANY_FILES and stamps.size < LARGE_FILES:
        return _in_memory(reading)
    root = cache.place()
    if root is None:
        if not reading.fits:
            reading.say(_too_large(reading, "the cache is off"))
        return _in_memory(reading)
    entry = root / reading.rule / stamps.key
    with cache.opened(entry, reading.columns) as kept:
        if kept:
            return _loaded(kept, reading)
    if reading.fits and reading.size > limit():
        return _in_memory(reading)
    try:
        return _on_disk(reading, stamps, entry, started)
    except OSError as error:
        reading.say(f"the cache in {root} cannot be written ({error.strerror}): what is decoded stays in memory")
        return _in_memory(reading)


def _too_large(reading: Reading, why: str) -> str:
    return f"{written(reading.size)} of decoded files do not fit in {written(reading.memory)} of memory, but {why}"


def _loaded(entry: Entry, reading: Reading) -> Rows:
    for i, why in entry.broken.items():
        reading.found(i, why)
    columns = {c.name: entry.column(c, in_memory=reading.fits) for c in reading.columns}
    return Rows(columns, entry.broken)


def _in_memory(reading: Reading) -> Rows:
    try:  # shared, so that helper processes can write there
        memory = {c.name: mmap.mmap(-1, max(1, len(reading) * c.row_bytes)) for c in reading.columns}
    except (OSError, MemoryError):
        why = _too_large(reading, "there is no other place")
        raise DataError(f"{why}; free some, or make the input smaller") from None
    rows = {
        c.name: np.frombuffer(
            memory[c.name], c.dtype, len(reading) * c.row_bytes // np.dtype(c.dtype).itemsize
        ).reshape(len(reading), *c.shape)
        for c in reading.columns
    }
    broken = _decode(reading, rows, np.arange(len(reading)), {})
    good = _close_up(rows, broken, len(reading))
    return Rows({name: values[:good] for name, values in rows.items()}, broken)


def _on_disk(reading: Reading, stamps: Stamps, place: Path, started: int) -> Rows:
    """Decodes into a new entry; one with a name, if it may be believed later."""
    root = place.parent.parent
    make_room(root, reading.size)
    if place.exists():  # damaged, or it would have been found
        remove(place)
    with cache.unfinished(place) as folder:
        broken = _filled(reading, stamps, folder)
        cache.finish(folder, reading.columns, stamps, len(reading) - len(broken), broken)
        lasting = not any(why == CRASHED or may_pass(why) for why in broken.values())
        if lasting and stamps.settled(started) and reading.size <= limit():
            folder = cache.publish(folder, place)
        with cache.opened(folder, reading.columns) as entry:
            assert entry is not None
            columns = {c.name: entry.column(c, in_memory=reading.fits) for c in reading.columns}
            return Rows(columns, broken)


def _filled(reading: Reading, stamps: Stamps, folder: Path) -> dict[int, str]:
    """Writes every row into new files in *folder*, those of broken items left out, which are returned."""
    rows = {c.name: cache.allocated(folder, c, len(reading)) for c in reading.columns}
    waiting, broken = np.ones(len(reading), bool), dict[int, str]()
    for other in _others(folder.parent):
        with cache.opened(other, reading.columns) as entry:
            if entry:
                broken |= _taken(reading, stamps, entry, rows, waiting)
    broken = _decode(reading, rows, np.flatnonzero(waiting), broken)
    _close_up(rows, broken, len(reading))
    for values in rows.values():
        values.flush()
    return broken


def _others(rule: Path) -> Iterator[Path]:
    yield from (folder for folder in rule.iterdir() if folder.suffix != PART)


def _taken(
    reading: Reading, stamps: Stamps, entry: Entry, rows: Mapping[str, np.ndarray], waiting: np.ndarray
) -> dict[int, str]:
    """Takes over from another entry what it has of the same files; its broken ones are returned."""
    theirs, row_of = entry.items()
    _, mine, found = np.intersect1d(stamps.items, theirs, return_indices=True)
    fresh = waiting[mine]
    mine, found = mine[fresh], found[fresh]
    waiting[mine] = False
    bad = row_of[found] < 0
    broken = {int(i): entry.broken[int(k)] for i, k in zip(mine[bad], found[bad], strict=True)}
    for i, why in broken.items():
        reading.found(i, why)
    for column in reading.columns:
        _copy(entry.column(column, in_memory=False), row_of[found[~bad]], rows[column.name], mine[~bad])
    return broken


def _decode(
    reading: Reading, rows: Mapping[str, np.ndarray], waiting: np.ndarray, broken: Mapping[int, str]
) -> dict[int, str]:
    """Fills the *waiting* rows from their files; why any item is broken, by number, those known before included."""
    failed = dict(broken)
    pairs = [(column.make, rows[column.name]) for column in reading.columns]

    def work(i: int) -> None:
        for make, values in pairs:
            values[i] = make(i)

    def found(i: int, why: str) -> None:
        reading.found(i, why)
        failed[i] = why

    before = len(reading) - len(waiting)
    for_each(waiting.tolist(), work, found=found, progress=lambda n: reading.progress(before + n, len(reading)))
    return dict(sorted(failed.items()))


def _close_up(rows: Mapping[str, np.ndarray], broken: Mapping[int, str], n: int) -> int:
    """Moves the rows of items that are not broken to the front, in their order; their number."""
    good = np.delete(np.arange(n), list(broken))
    moved = np.flatnonzero(good != np.arange(len(good)))
    for values in rows.values():
        _copy(values, good[moved], values, moved)
    return len(good)


def _copy(source: np.ndarray, rows: np.ndarray, target: np.ndarray, places: np.ndarray) -> None:
    """``target[places] = source[rows]``, a few megabytes at a time."""
    step = max(1, STEP // max(1, source[:1].nbytes))
    for at in range(0, len(rows), step):
        target[places[at : at + step]] = source[rows[at : at + step]]
