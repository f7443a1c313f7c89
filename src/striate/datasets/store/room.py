"""How much room there is: memory for a split, disk for the cache, and what of the cache goes first."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from time import time, time_ns

from striate.errors import RecipeError

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed anyway
    fcntl = None  # type: ignore[assignment]  # there is no stub for a module that is missing

CACHE_LIMIT = 20 * 10**9  # bytes that all entries may take, unless STRIATE_CACHE_LIMIT says otherwise
PART = ".part"  # the suffix of a folder that is no entry
_NEW = 60  # seconds: so young, a folder without a lock may be about to get one
_UNITS = {"": 1, "b": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_UNKNOWN = 2 * 10**9  # bytes of memory, where the system does not say


def memory_limit() -> int:
    """Bytes that a split may take before it is mapped from a file: ``STRIATE_MEMORY``, else half of what is free.

    Free is what the system has available and its limits (of the process, of the container) allow.
    """
    return _size_of("STRIATE_MEMORY", available_memory() // 2)


def _size_of(variable: str, otherwise: int) -> int:
    """The bytes in an environment variable, or *otherwise* where it is not set; RecipeError as :func:`parse_size`."""
    text = os.environ.get(variable)
    return parse_size(text, variable) if text else otherwise


def parse_size(text: str, where: str) -> int:
    """Bytes from such as ``"500MB"``, ``"1.5 GB"``, ``"64MiB"`` or ``"1000"``.

    Raises:
        RecipeError: It is not a size; *where* says where it is written.

    >>> parse_size("1.5 GB", "--memory"), parse_size("2KiB", "--memory")
    (1500000000, 2048)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([bkmgt]?)(i?)b?\s*", text.lower())
    if not match:
        raise RecipeError(f"{where} is {text!r}, expected a size such as 500MB or 2GB")
    number, unit, binary = match.groups()
    factor = 1024 ** "bkmgt".index(unit or "b") if binary else _UNITS[unit]
    return int(float(number) * factor)


def size_text(n: int) -> str:
    """*n* bytes as people write them.

    >>> size_text(1_540_000_000), size_text(12)
    ('1.5 GB', '12 bytes')
    """
    for unit in ("t", "g", "m", "k"):
        if n >= _UNITS[unit]:
            return f"{n / _UNITS[unit]:.1f} {unit.upper()}B"
    return f"{n} bytes"


def available_memory() -> int:
    """Bytes that this process could still take."""
    return min([*_of_the_system(), *_of_the_container(), *_of_the_process()], default=_UNKNOWN)


def _of_the_system() -> list[int]:
    with suppress(OSError):  # Linux, which knows what it could give up
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return [1024 * int(line.split()[1])]
    with suppress(AttributeError, ValueError, OSError):
        return [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    return []


def _of_the_container() -> list[int]:
    limits = []
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # absent, or "max"
            limits.append(int(Path(file).read_text()))
    return limits


def _of_the_process() -> list[int]:
    try:
        import resource
    except ImportError:  # Windows
        return []
    limits = (resource.getrlimit(which)[0] for which in (resource.RLIMIT_DATA, resource.RLIMIT_AS))
    return [limit for limit in limits if limit != resource.RLIM_INFINITY]


def cache_limit() -> int:
    """Bytes that all entries together may take."""
    return _size_of("STRIATE_CACHE_LIMIT", CACHE_LIMIT)


def hold_lock(folder: Path, *, alone: bool = False) -> int | None:
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


def make_room(root: Path, needed: int) -> int:
    """Removes what dead processes left, and the least recently used entries until *needed* bytes are within the limit.

    What is in use stays. Entries are in *root*, or in folders in it; the result is the bytes that they take then.
    """
    entries = []
    for folder in [folder for one in _folders(root) for folder in ([one] if _is_entry(one) else _folders(one))]:
        with suppress(OSError):
            if folder.suffix == PART:
                _remove_leftover(folder)
            else:
                entries.append(((folder / "lock").stat().st_mtime_ns, _size(folder), folder))
    taken = sum(size for _, size, _ in entries)
    for _, size, folder in sorted(entries):
        if taken + needed <= cache_limit():
            break
        if remove_entry(folder):
            taken -= size
    return taken


def _is_entry(folder: Path) -> bool:
    return folder.suffix == PART or (folder / "lock").exists()


def _size(entry: Path) -> int:
    """The bytes that an entry takes; one of many files has written them into ``size``."""
    with suppress(OSError, ValueError, IndexError):
        return int((entry / "size").read_text().split()[0])
    return sum(file.stat().st_size for file in entry.iterdir())


def _folders(folder: Path) -> list[Path]:
    with suppress(OSError):
        return [path for path in folder.iterdir() if path.is_dir()]
    return []


def _remove_leftover(folder: Path) -> None:
    if (folder / "lock").exists():
        remove_entry(folder)
    elif folder.stat().st_mtime < time() - _NEW:
        shutil.rmtree(folder, ignore_errors=True)


def remove_entry(folder: Path) -> bool:
    """Removes an entry, or what is left of one, unless it is in use; whether it did."""
    lock = hold_lock(folder, alone=True)
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
