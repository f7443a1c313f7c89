"""Writing files so that a reader never meets half of one, whatever happens in between; and where what can be made
again is kept.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def cache_folder() -> Path:
    """Where striate keeps what it can fetch or make again; it may be deleted, and need not be there yet.

    ``STRIATE_CACHE`` where that is set; else ``striate`` in ``XDG_CACHE_HOME`` (on Windows in ``LOCALAPPDATA``), else
    in ``~/.cache``.
    """
    chosen = os.environ.get("STRIATE_CACHE", "")
    if chosen and chosen.lower() != "off":  # off: nothing that can be made again is kept (data/cache.py)
        return Path(chosen).expanduser().absolute()
    shared = Path(os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME", "")).expanduser()
    # the XDG specification: a path that is not absolute is to be ignored
    return (shared if shared.is_absolute() else Path.home() / ".cache") / "striate"


def write_safely(path: Path, content: bytes | str) -> None:
    """Writes *content* to *path*: to a neighbour first, flushed to the disk, then renamed over it.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "a.txt"
    >>> write_safely(target, "whole")
    >>> target.read_text(), len(list(target.parent.iterdir()))
    ('whole', 1)
    """
    # names of files that are no UTF-8 come along in reports; they may cost a character, not the report
    data = content.encode(errors="backslashreplace") if isinstance(content, str) else content
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:  # with the name that the person knows
        raise type(error)(error.errno, error.strerror, str(path)) from None
    finally:
        with suppress(OSError):
            beside.unlink()
    if hasattr(os, "O_DIRECTORY"):  # the rename itself, on systems whose folders can be flushed
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
