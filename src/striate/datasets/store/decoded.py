"""A row of bytes for each item of a split: from the cache, or decoded now, in memory or in a file that is mapped."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import time_ns
from typing import TypeVar

import numpy as np

from striate.datasets.store import cache
from striate.datasets.store.cache import CacheEntry, Column, DamagedEntryError, Stamps
from striate.datasets.store.room import PART, cache_limit, make_room, remove_entry, size_text
from striate.datasets.store.workers import CRASHED, for_each
from striate.errors import DataError
from striate.model.opening import may_pass

# Fewer files, and of fewer bytes, are decoded sooner than it is worth a place on the disk.
MANY_FILES, LARGE_FILES = 1000, 16 * 10**6
STEP = 1 << 24  # bytes moved at a time
Used = TypeVar("Used")


@dataclass(frozen=True)
class DecodedRows:
    """Of each column the rows of the items that could be read, in their order; and why the others could not."""

    columns: Mapping[str, np.ndarray]
    broken: Mapping[int, str]


@dataclass(frozen=True)
class DecodeJob:
    """What to read, and whom to tell.

    Args:
        files: Of each item the files that its row depends on: one sequence, or two with the masks.
        columns: What is made of them.
        rule: Names everything else that decides a row; also a folder.
        memory: Bytes that the rows may take in memory.
        found: Called with each item that cannot be read, and why, as soon as that is known; may raise.
        progress: Called with (items done, items in all) while files are decoded, at most ten times per second.
        say: Called with a line where the rows cannot be kept where they should.
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


def decoded_rows(job: DecodeJob) -> DecodedRows:
    """Every item's rows, each file decoded only once ever if the disk allows.

    The rows of many or large files are kept on the disk and found there the next time, even if only some of the files
    are the same. Rows that do not fit in memory are mapped from there; all others are kept in memory.

    Raises:
        DataError: They fit nowhere.
    """
    started = time_ns()
    stamps = Stamps.of(job.files)
    if job.fits and len(job) < MANY_FILES and stamps.size < LARGE_FILES:
        return _in_memory(job)
    root = cache.cache_root()
    if root is None:
        if not job.fits:
            job.say(_too_large(job, "the cache is off"))
        return _in_memory(job)
    entry = root / job.rule / stamps.key
    kept = _used(job, entry, lambda kept: _loaded(kept, job))
    if kept is not None:
        return kept
    if job.fits and job.size > cache_limit():
        return _in_memory(job)
    try:
        return _on_disk(job, stamps, entry, started)
    except (OSError, DamagedEntryError) as error:
        why = getattr(error, "strerror", None) or error
        job.say(f"the cache in {root} cannot be written ({why}): what is decoded stays in memory")
        return _in_memory(job)


def _used(job: DecodeJob, folder: Path, use: Callable[[CacheEntry], Used]) -> Used | None:
    """What *use* makes of the entry in *folder*; None where there is none, or a damaged one: that is said and goes."""
    try:
        with cache.open_entry(folder, job.columns) as entry:
            return use(entry) if entry else None
    except DamagedEntryError as error:
        job.say(f"cache not used: {error}; its items are decoded again")
    remove_entry(folder)  # now that nothing of it is mapped any more
    return None


def _too_large(job: DecodeJob, why: str) -> str:
    return f"{size_text(job.size)} of decoded files do not fit into {size_text(job.memory)} of memory, but {why}"


def _loaded(entry: CacheEntry, job: DecodeJob) -> DecodedRows:
    columns = {c.name: entry.column(c, in_memory=job.fits) for c in job.columns}
    for i, why in entry.broken.items():
        job.found(i, why)
    return DecodedRows(columns, entry.broken)


def _in_memory(job: DecodeJob) -> DecodedRows:
    try:  # shared, so that worker processes can write there
        memory = {c.name: mmap.mmap(-1, max(1, len(job) * c.row_bytes)) for c in job.columns}
    except (OSError, MemoryError):
        why = _too_large(job, "there is no other place")
        raise DataError(f"{why}; free some, or make the input smaller") from None
    rows = {
        c.name: np.frombuffer(memory[c.name], c.dtype, len(job) * c.row_bytes // np.dtype(c.dtype).itemsize).reshape(
            len(job), *c.shape
        )
        for c in job.columns
    }
    broken = _decode(job, rows, np.arange(len(job)), {})
    good = _close_up(rows, broken, len(job))
    return DecodedRows({name: values[:good] for name, values in rows.items()}, broken)


def _on_disk(job: DecodeJob, stamps: Stamps, place: Path, started: int) -> DecodedRows:
    """Decodes into a new entry; one with a name, if it may be believed later."""
    root = place.parent.parent
    make_room(root, job.size)
    with cache.unfinished_entry(place) as folder:
        broken = _filled(job, stamps, folder, place)
        cache.finish_entry(folder, job.columns, stamps, len(job) - len(broken), broken)
        lasting = not any(why == CRASHED or may_pass(why) for why in broken.values())
        if lasting and stamps.settled(started) and job.size <= cache_limit():
            folder = cache.publish_entry(folder, place)
        with cache.open_entry(folder, job.columns) as entry:
            assert entry is not None
            columns = {c.name: entry.column(c, in_memory=job.fits) for c in job.columns}
            return DecodedRows(columns, broken)


def _filled(job: DecodeJob, stamps: Stamps, folder: Path, place: Path) -> dict[int, str]:
    """Writes every row into new files in *folder*, without those of broken items, which are returned. What there is at
    *place* has been tried before.
    """
    rows = {c.name: cache.allocated(folder, c, len(job)) for c in job.columns}
    waiting, broken = np.ones(len(job), bool), dict[int, str]()
    for other in _others(place):
        broken |= _used(job, other, lambda entry: _taken(job, stamps, entry, rows, waiting)) or {}
    broken = _decode(job, rows, np.flatnonzero(waiting), broken)
    _close_up(rows, broken, len(job))
    for values in rows.values():
        values.flush()
    return broken


def _others(place: Path) -> Iterator[Path]:
    yield from (folder for folder in place.parent.iterdir() if folder.suffix != PART and folder != place)


def _taken(
    job: DecodeJob, stamps: Stamps, entry: CacheEntry, rows: Mapping[str, np.ndarray], waiting: np.ndarray
) -> dict[int, str]:
    """Takes over from another entry what it has of the same files; its broken ones are returned."""
    theirs, row_of = entry.items()
    _, mine, found = np.intersect1d(stamps.items, theirs, return_indices=True)
    fresh = waiting[mine]
    mine, found = mine[fresh], found[fresh]
    if not len(mine):
        return {}
    columns = [entry.column(column, in_memory=False) for column in job.columns]
    waiting[mine] = False
    bad = row_of[found] < 0
    broken = {int(i): entry.broken[int(k)] for i, k in zip(mine[bad], found[bad], strict=True)}
    for i, why in broken.items():
        job.found(i, why)
    for column, values in zip(job.columns, columns, strict=True):
        _copy(values, row_of[found[~bad]], rows[column.name], mine[~bad])
    return broken


def _decode(
    job: DecodeJob, rows: Mapping[str, np.ndarray], waiting: np.ndarray, broken: Mapping[int, str]
) -> dict[int, str]:
    """Fills the *waiting* rows from their files; why any item is broken, by number, those known before included."""
    failed = dict(broken)
    pairs = [(column.make, rows[column.name]) for column in job.columns]

    def work(i: int) -> None:
        for make, values in pairs:
            values[i] = make(i)

    def found(i: int, why: str) -> None:
        job.found(i, why)
        failed[i] = why

    before = len(job) - len(waiting)
    for_each(waiting.tolist(), work, found=found, progress=lambda n: job.progress(before + n, len(job)))
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
