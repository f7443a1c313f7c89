"""How large the cache may grow, what goes first, and that nothing goes that is in use."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from time import time, time_ns

from striate.datasets.store.memory import size_from

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed anyway
    fcntl = None  # type: ignore[assignment]

LIMIT = 20 * 10**9  # bytes that all entries may take, unless STRIATE_CACHE_LIMIT says otherwise
PART = ".part"  # how a folder that is no entry ends
_NEW = 60  # seconds: so young, a folder without a lock may be about to get one


def limit() -> int:
    """Bytes that all entries together may take."""
    return size_from("STRIATE_CACHE_LIMIT", LIMIT)


def hold(folder: Path, *, alone: bool = False) -> int | None:
    """The open lock of *folder*; None where there is none, or where another process's lock keeps us from it."""
    try:
        lock = os.open(folder / "lock", os.O_RDONLY)
    except OSError:
        return None
    if fcntl is None:
        return lock
    try:
        fcntl.flock(lock, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError as error:  # in use; or a file system without locks, where nothing is ever removed
        if alone or isinstance(error, BlockingIOError):
            os.close(lock)
            return None
    return lock


def make_room(root: Path, needed: int) -> None:
    """Removes what dead processes left, and the least recently used entries until *needed* bytes are within the limit.

    What is in use stays.
    """
    entries = []
    for folder in [folder for rule in _folders(root) for folder in _folders(rule)]:
        with suppress(OSError):
            if folder.suffix == PART:
                _remove_leftover(folder)
            else:
                size = sum(file.stat().st_size for file in folder.iterdir())
                entries.append(((folder / "lock").stat().st_mtime_ns, size, folder))
    needed += sum(size for _, size, _ in entries)
    for _, size, folder in sorted(entries):
        if needed <= limit():
            break
        if remove(folder):
            needed -= size


def _folders(folder: Path) -> list[Path]:
    with suppress(OSError):
        return [path for path in folder.iterdir() if path.is_dir()]
    return []


def _remove_leftover(folder: Path) -> None:
    if (folder / "lock").exists():
        remove(folder)
    elif folder.stat().st_mtime < time() - _NEW:
        shutil.rmtree(folder, ignore_errors=True)


def remove(folder: Path) -> bool:
    """Removes an entry, or what is left of one, unless it is in use; whether it did."""
    lock = hold(folder, alone=True)
    if lock is None:
        return False
    try:  # first its name, so that nobody meets half of it
        gone = folder.rename(folder.with_name(f"{folder.name}.{os.getpid()}.{time_ns()}{PART}"))
    except OSError:
        return False
    finally:
        os.close(lock)
    shutil.rmtree(gone, ignore_errors=True)
    return True
