"""Writing files so that a reader never meets half of one, whatever happens in between; and where what can be made
again is kept.
"""

from __future__ import annotations

import errno
import io
import json
import math
import os
import stat
import zlib
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import IO, Any, ClassVar

from striate.errors import closest

# endings of what lies beside a table of predictions: how far it is, and how a finished one was made
PREDICTED_NOTES = UNFINISHED, FINISHED = ".unfinished", ".settings.json"
MOST = 1 << 30  # bytes of a file that is read at once


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


def check_regular(path: Path | str) -> None:
    """An OSError that says so unless *path* is a file or a folder: a pipe would wait for ever, ``/dev/zero`` never end.

    >>> check_regular(os.devnull)
    Traceback (most recent call last):
    OSError: [Errno 22] a pipe or a device, expected a regular file; save what it gives as one: '/dev/null'
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(
            errno.EINVAL, "a pipe or a device, expected a regular file; save what it gives as one", os.fspath(path)
        )


def read_regular(path: Path | str, most: int = MOST) -> bytes:
    """The content of a file that a person named, or that lies where they said.

    Raises:
        OSError: It cannot be read; it is a pipe or a device, or has more than *most* bytes.

    >>> len(read_regular(__file__)) > 1000
    True
    """
    check_regular(path)
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size > most:
            raise OSError(errno.EFBIG, f"larger than {most:,} bytes", os.fspath(path))
        return file.read()


def read_regular_text(path: Path | str, encoding: str = "utf-8", errors: str = "strict", most: int = MOST) -> str:
    """As :func:`read_regular`, decoded; every line ends in ``\\n``.

    Raises:
        OSError: As there. UnicodeDecodeError: It is no such text.
    """
    return read_regular(path, most).decode(encoding, errors).replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: Path | str, most: int = MOST) -> Any:
    """What the JSON in a file says.

    Raises:
        OSError: As :func:`read_regular`. ValueError: It is no JSON, or lists in lists without end.
    """
    try:
        return json.loads(read_regular(path, most))
    except RecursionError:
        raise ValueError("its lists are nested too deeply") from None


def csv_text(rows: Iterable[Iterable[Any]], quoting: int = 0) -> str:
    """*rows* as a table in CSV, by one of :mod:`csv`'s ways of *quoting*.

    >>> csv_text([["item", "loss"], ["a, b", None]])
    'item,loss\\n"a, b",\\n'
    """
    import csv  # which most who come here have no use for

    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    return text.getvalue()


LOOKED_AT = 1000  # names in a folder, among which a misspelt one is looked for


def near_path(path: Path | str) -> str:
    """What a *path* that is not there may have meant: the most like it that is, one part of it being misspelt; else "".

    >>> Path(near_path(Path(__file__).parent / "eror.py")).name
    'errors.py'
    """
    wanted = Path(path)
    with suppress(OSError, ValueError, StopIteration):  # a name longer than any can be, a folder that may not be read
        if wanted.exists():
            return ""
        there = next(folder for folder in wanted.parents if folder.is_dir())
        name, *rest = wanted.relative_to(there).parts
        with os.scandir(there) as entries:
            names = [e.name for e in islice(entries, LOOKED_AT) if not e.name.startswith(".") and e.name != name]
        if near := closest(name, sorted(names)):
            found = there.joinpath(near, *rest)
            return str(found if found.exists() else there / near)
    return ""


def finite(value: Any) -> Any:
    """*value* as JSON can say it: NaN and infinity in it are None.

    >>> finite({"a": [1.5, float("nan")]})
    {'a': [1.5, None]}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    return [finite(inner) for inner in value] if isinstance(value, list | tuple) else value


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
    short = zlib.crc32(os.fsencode(path.name))  # the name itself may have all of the 255 bytes that there are
    beside = path.with_name(f".{short:08x}.{os.getpid()}.part")
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


class FolderLock:
    """A folder that is this process's own until ``release`` or its end, however that comes.

    The operating system holds the lock, on the file ``state/lock`` in the folder, so that a killed process blocks
    nobody. In one process a later lock of the same folder takes over: the earlier one is no longer ``held``.
    """

    _ours: ClassVar[dict[str, FolderLock]] = {}

    def __init__(self, folder: Path) -> None:
        """Raises BlockingIOError where another process has the folder, and OSError where it cannot be locked."""
        self.key = str(folder.resolve())
        earlier = self._ours.pop(self.key, None)
        self.file: IO[bytes] | None = earlier.file if earlier else None
        self.earlier = earlier
        if earlier:
            earlier.file = None
        if self.file is None:
            (folder / LOCK).parent.mkdir(exist_ok=True)
            if (folder / LOCK).exists():  # to open a pipe would wait for ever
                check_regular(folder / LOCK)
            self.file = (folder / LOCK).open("ab")
            try:
                _lock(self.file)
            except OSError:
                self.file.close()
                raise
        self._ours[self.key] = self
        for left in (*folder.glob(".*.part"), *folder.glob("*/.*.part")):  # of processes that were killed
            with suppress(OSError):
                if not _is_running(left.name.split(".")[-2]):
                    left.unlink()

    @property
    def held(self) -> bool:
        return self.file is not None

    def give_back(self) -> None:
        """To whoever in this process had the folder before this lock; else as :meth:`release`."""
        file, earlier = self.file, self.earlier
        if file is None or earlier is None:
            self.release()
        else:
            self.file, earlier.file = None, file
            self._ours[self.key] = earlier

    def release(self) -> None:
        if self.file:
            self.file.close()
            self.file = None
            self._ours.pop(self.key, None)


LOCK = "state/lock"


class FileLock:
    """A file that lies there, locked, until ``release`` or the end of this process, however that comes.

    >>> import tempfile
    >>> lock = FileLock(Path(tempfile.mkdtemp()) / "a.lock")
    >>> lock.path.exists(), lock.release(), lock.path.exists()
    (True, None, False)
    """

    def __init__(self, path: Path) -> None:
        """Raises BlockingIOError where it is locked already, and OSError where it cannot be."""
        self.path = path
        while True:
            self.file = path.open("ab")
            try:
                _lock(self.file)
                if os.name == "nt" or os.path.samestat(os.fstat(self.file.fileno()), path.stat()):
                    return
            except FileNotFoundError:  # removed by whoever had it, between opening and locking
                pass
            except BaseException:
                self.file.close()
                raise
            self.file.close()

    def release(self) -> None:
        """Removes it, while it is still locked where the system allows that."""
        if os.name == "nt":
            self.file.close()
        with suppress(OSError):
            self.path.unlink()
        self.file.close()


def _is_running(process: str) -> bool:
    """Whether there is a process of this number; where that cannot be asked, there is none."""
    if os.name == "nt" or not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True


def _lock(file: IO[bytes]) -> None:
    """BlockingIOError where another process has *file* locked."""
    if os.name == "nt":
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        except OSError as error:
            raise BlockingIOError(*error.args) from None
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
