"""Fetching files once, and believing them only by their checksums, wherever they came from."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from striate.datasets.sources.download import FAULTS, download, reason
from striate.errors import DataError
from striate.files import cache_folder

Progress = Callable[[str, int, int], None]  # what is being fetched; its bytes done, and in all
ATTEMPTS = 2  # at each address
_CHUNK = 1 << 16


@dataclass(frozen=True)
class File:
    """A file to fetch, as its publishers describe it.

    Args:
        name: Its name, in the folder and at the end of each address.
        size: In bytes, as served.
        sha256: Of its bytes.
        unpacked_md5: Of a gzip file's content, where that is published too: then the same content, unpacked or
            packed by somebody else, is as good.
    """

    name: str
    size: int
    sha256: str
    unpacked_md5: str = ""


def fetched(
    name: str, files: Sequence[File], mirrors: Sequence[str], progress: Progress | None = None
) -> dict[str, Path]:
    """Where each of *files* lies, by its name: in the folder of *name*, fetched into it where they are not there yet.

    Every file is checked every time. What was put there by hand is taken like what was fetched.

    Args:
        name: Of the data set and of its folder, in ``data-sets`` of :func:`striate.files.cache_folder`.
        files: What is wanted.
        mirrors: Addresses to put a file's name behind, tried in their order.
        progress: Told how much of a file is there.

    Raises:
        DataError: Something could not be fetched, was not what it should be, or could not be written; the text says
            where to put the files by hand.
    """
    folder = cache_folder() / "data-sets" / name
    found: dict[str, Path] = {}
    try:
        for file in files:
            found[file.name] = _there(folder, file) or _fetch(folder, file, mirrors, progress)
    except DataError as error:
        missing = [file for file in files if file.name not in found and not _there(folder, file)]
        raise DataError(f"{name}: {error}{_by_hand(folder, missing)}") from None
    except OSError as error:
        raise DataError(
            f"{name}: {error.filename or folder}: cannot be written ({error.strerror or error}); make room, or set "
            f"STRIATE_CACHE to a folder of yours"
        ) from None
    return found


def _there(folder: Path, file: File) -> Path | None:
    """The file in *folder*, packed or unpacked, if it is the right one."""
    for path in (folder / file.name, folder / file.name.removesuffix(".gz")):
        if path.is_file() and not _fault(path, file):
            return path
    return None


def _fault(path: Path, file: File) -> str:
    """Why *path* is not the file that it should be; nothing where it is."""
    try:
        with path.open("rb") as stream:
            got = hashlib.file_digest(stream, "sha256").hexdigest()
        if got == file.sha256 or (file.unpacked_md5 and _unpacked_md5(path) == file.unpacked_md5):
            return ""
    except PermissionError:
        return "no permission to read it"
    return f"its SHA-256 is {got}, wanted {file.sha256}"


def _unpacked_md5(path: Path) -> str:
    """The MD5 of a file's bytes, or of what is in it where it is a gzip file."""
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with gzip.open(path) if packed else path.open("rb") as stream:
            while data := stream.read(_CHUNK):
                digest.update(data)
    except (OSError, EOFError, zlib.error):
        return ""
    return digest.hexdigest()


def _fetch(folder: Path, file: File, mirrors: Sequence[str], progress: Progress | None) -> Path:
    """Fetches one file from the first address that has it."""
    folder.mkdir(parents=True, exist_ok=True)
    faults: dict[str, str] = {}

    def told(done: int, whole: int | None) -> None:
        if progress:
            progress(file.name, done, whole or file.size)

    for address in [mirror + file.name for mirror in mirrors for _ in range(ATTEMPTS)]:
        with _part(folder, file) as part:
            try:
                download(address, part, 2 * file.size, told)
            except FAULTS as error:
                faults[address] = reason(error)
                continue
            if fault := _fault(part, file):
                faults[address] = f"what came is not the right file: {fault}"
                part.unlink()
                continue
            part.replace(folder / file.name)
            return folder / file.name
    raise DataError("; ".join(f"{address}: {fault}" for address, fault in faults.items()))


@contextmanager
def _part(folder: Path, file: File) -> Iterator[Path]:
    """A file to write into that no other process writes to, beginning with what an earlier one left unfinished."""
    waiting, mine = folder / f"{file.name}.part", folder / f"{file.name}.{os.getpid()}.part"
    with suppress(FileNotFoundError):
        waiting.replace(mine)
    try:
        yield mine
    finally:
        with suppress(FileNotFoundError):
            mine.replace(waiting)


def _by_hand(folder: Path, files: Sequence[File]) -> str:
    """The way out of a failed download."""
    lines = [f"\nTry again, or put {'these files' if len(files) > 1 else 'this file'} into {folder}{os.sep}"]
    for file in files:
        lines.append(f"  {file.name}  {file.size:,} bytes, SHA-256 {file.sha256}")
        if (there := folder / file.name).is_file():
            lines.append(f"    the one there is another: {_fault(there, file)}")
    return "\n".join(lines)
