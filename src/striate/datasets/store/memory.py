"""How much memory one part of a data set may take, and sizes as people write them."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from striate.errors import RecipeError

_UNITS = {"": 1, "b": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_UNKNOWN = 2 * 10**9  # where the system does not say


def memory_limit() -> int:
    """Bytes that a part may take before it is mapped from a file: ``STRIATE_MEMORY``, else half of what is free.

    Free is what the system has available and its limits (of the process, of the container) allow.
    """
    return size_from("STRIATE_MEMORY", available() // 2)


def size_from(variable: str, otherwise: int) -> int:
    """The bytes that an environment variable says, or *otherwise* where it is not set; RecipeError as :func:`size`."""
    text = os.environ.get(variable)
    return size(text, variable) if text else otherwise


def size(text: str, where: str) -> int:
    """Bytes from such as ``"500MB"``, ``"1.5 GB"``, ``"64MiB"`` or ``"1000"``.

    Raises:
        RecipeError: It is nothing of the kind; *where* says where it stands.

    >>> size("1.5 GB", "--memory"), size("2KiB", "--memory")
    (1500000000, 2048)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([bkmgt]?)(i?)b?\s*", text.lower())
    if not match:
        raise RecipeError(f"{where} is {text!r}, expected a size such as 500MB or 2GB")
    number, unit, binary = match.groups()
    factor = 1024 ** "bkmgt".index(unit or "b") if binary else _UNITS[unit]
    return int(float(number) * factor)


def written(n: int) -> str:
    """*n* bytes as people write them.

    >>> written(1_540_000_000), written(12)
    ('1.5 GB', '12 bytes')
    """
    for unit in ("t", "g", "m", "k"):
        if n >= _UNITS[unit]:
            return f"{n / _UNITS[unit]:.1f} {unit.upper()}B"
    return f"{n} bytes"


def available() -> int:
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
