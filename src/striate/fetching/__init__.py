"""Fetching files once: resumed where a download was cut off, and believed only by their checksums.

Wherever a file came from, a mirror or somebody's own hands, its published SHA-256 decides: the whole of it, or the
beginning that is in the names of PyTorch's files of weights.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path

from striate._version import __version__
from striate.errors import DataError
from striate.files import cache_folder

Fetching = Callable[[str, int, int], None]  # what is being fetched; its bytes done, and in all
ATTEMPTS = 2  # at each address
TIMEOUT = 30.0  # seconds without a byte, and the span in which an address must not be slower than SLOWEST
SLOWEST = 1_000  # bytes per second
FAULTS = (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError)  # of the network
LARGEST = 2 << 30  # bytes of a file whose size is not published
_CHUNK = 1 << 16


@dataclass(frozen=True)
class RemoteFile:
    """A file to fetch, as its publishers describe it.

    Args:
        name: Its name, in the folder and at the end of each address.
        size: In bytes, as served; 0 where that is not published.
        sha256: Of its bytes; or the beginning of that.
        unpacked_md5: Of a gzip file's content, where that is published too: then the same content, unpacked or
            packed by somebody else, is as good.
    """

    name: str
    size: int
    sha256: str
    unpacked_md5: str = ""


def fetched(
    name: str,
    files: Sequence[RemoteFile],
    mirrors: Sequence[str],
    progress: Fetching | None = None,
    *,
    folder: str = "",
) -> dict[str, Path]:
    """The path of each of *files*, by its name: in its folder of the cache, downloaded into it where it is missing.

    Every file is checked every time. What was put there by hand is taken like what was fetched.

    Args:
        name: Of the data set, or whatever the files are of, for messages.
        files: What is needed.
        mirrors: Addresses to put a file's name behind, tried in their order.
        progress: Called with a file's name, its bytes so far and its bytes in all (0: not known).
        folder: Where they are, in :func:`striate.files.cache_folder`; ``data-sets/NAME``, if not given.

    Raises:
        DataError: Something could not be fetched, was not what it should be, or could not be written; the text says
            where to put the files by hand.
    """
    place = cache_folder() / (folder or f"data-sets/{name}")
    found: dict[str, Path] = {}
    try:
        for file in files:
            found[file.name] = _there(place, file) or _fetch(place, file, mirrors, progress)
    except DataError as error:
        missing = [file for file in files if file.name not in found and not _there(place, file)]
        raise DataError(f"{name}: {error}{_by_hand(place, missing)}") from None
    except OSError as error:
        raise DataError(
            f"{name}: {error.filename or place}: cannot be written ({error.strerror or error}); make room, or set "
            f"STRIATE_CACHE to a folder of yours"
        ) from None
    return found


def _there(folder: Path, file: RemoteFile) -> Path | None:
    """The file in *folder*, packed or unpacked, if it is the right one."""
    for path in (folder / file.name, folder / file.name.removesuffix(".gz")):
        if path.is_file() and not checksum_fault(path, file):
            return path
    return None


def checksum_fault(path: Path, file: RemoteFile) -> str:
    """Why *path* is not the file that it should be; nothing where it is.

    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp()) / "empty"
    >>> path.touch()
    >>> checksum_fault(path, RemoteFile("empty", 0, "e3b0c442"))
    ''
    >>> checksum_fault(path, RemoteFile("empty", 0, "0000"))[-14:]
    'expected 0000…'
    """
    try:
        with path.open("rb") as stream:
            got = hashlib.file_digest(stream, "sha256").hexdigest()
        if got.startswith(file.sha256) or (file.unpacked_md5 and _unpacked_md5(path) == file.unpacked_md5):
            return ""
    except PermissionError:
        return "no permission to read it"
    return f"its SHA-256 is {got}, expected {_sha256_text(file)}"


def _sha256_text(file: RemoteFile) -> str:
    return file.sha256 + "…" * (len(file.sha256) < 64)


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


def _fetch(folder: Path, file: RemoteFile, mirrors: Sequence[str], progress: Fetching | None) -> Path:
    """Fetches one file from the first address that has it."""
    folder.mkdir(parents=True, exist_ok=True)
    faults: dict[str, str] = {}

    def told(done: int, whole: int | None) -> None:
        if progress:
            progress(file.name, done, whole or file.size)

    for address in [mirror + file.name for mirror in mirrors for _ in range(ATTEMPTS)]:
        with _part(folder, file) as part:
            try:
                download(address, part, 2 * file.size or LARGEST, told)
            except FAULTS as error:
                faults[address] = network_reason(error)
                continue
            if fault := checksum_fault(part, file):
                faults[address] = f"the downloaded file is not the right one: {fault}"
                part.unlink()
                continue
            part.replace(folder / file.name)
            return folder / file.name
    raise DataError("; ".join(f"{address}: {fault}" for address, fault in faults.items()))


@contextmanager
def _part(folder: Path, file: RemoteFile) -> Iterator[Path]:
    """A file to write into that no other process writes to, beginning with what an earlier one left unfinished."""
    waiting, mine = folder / f"{file.name}.part", folder / f"{file.name}.{os.getpid()}.part"
    with suppress(FileNotFoundError):
        waiting.replace(mine)
    try:
        yield mine
    finally:
        with suppress(FileNotFoundError):
            mine.replace(waiting)


def _by_hand(folder: Path, files: Sequence[RemoteFile]) -> str:
    """What to do about a failed download."""
    lines = [f"\nTry again, or put {'these files' if len(files) > 1 else 'this file'} into {folder}{os.sep}"]
    for file in files:
        size = f"{file.size:,} bytes, " if file.size else ""
        lines.append(f"  {file.name}  {size}SHA-256 {_sha256_text(file)}")
        if (there := folder / file.name).is_file():
            lines.append(f"    the file that is there is a different one: {checksum_fault(there, file)}")
    return "\n".join(lines)


def download(address: str, part: Path, limit: int, progress: Callable[[int, int | None], None]) -> None:
    """Brings *part* to the length that the server says; a partial one is resumed where the server can.

    Args:
        address: http or https; redirects are followed, and the environment's proxies used.
        part: Where to write.
        limit: Bytes; a server that sends more is given up.
        progress: Called with the bytes that are there, and that there will be if the server says so.

    Raises:
        URLError, HTTPException, TimeoutError, ConnectionError: It did not come whole (``FAULTS``).
        OSError: It could not be written.
    """
    done = part.stat().st_size if part.exists() else 0
    with _answer(address, done) as answer:
        if done and answer.status != http.client.PARTIAL_CONTENT:
            done = 0
        length = answer.headers.get("Content-Length", "")
        whole = done + int(length) if length.isdecimal() else None
        if whole is not None and whole > limit:
            raise ConnectionError(f"it would send {whole:,} bytes, more than {limit:,}")
        with part.open("ab" if done else "wb") as stream:
            for data in _pieces(answer):
                done += stream.write(data)
                if done > limit:
                    raise ConnectionError(f"it sends more than {limit:,} bytes")
                progress(done, whole)
    if whole is not None and done < whole:
        raise ConnectionError(f"the download ended after {done:,} of {whole:,} bytes")


def _answer(address: str, done: int) -> HTTPResponse:
    headers = {"User-Agent": f"striate/{__version__}", "Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    try:
        answer: HTTPResponse = urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=TIMEOUT)
        return answer
    except urllib.error.HTTPError as error:
        if done and error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _answer(address, 0)
        raise


def _pieces(answer: HTTPResponse) -> Iterator[bytes]:
    """What comes, as it comes; an address that is slower than ``SLOWEST`` is given up."""
    start, bytes_ = time.monotonic(), 0
    while data := _piece(answer):
        yield data
        bytes_ += len(data)
        if (seconds := time.monotonic() - start) > TIMEOUT:
            if bytes_ < SLOWEST * seconds:
                raise ConnectionError(f"only {bytes_:,} bytes arrived in {seconds:.0f} s")
            start, bytes_ = time.monotonic(), 0


def _piece(answer: HTTPResponse) -> bytes:
    try:
        return answer.read1(_CHUNK)
    except TimeoutError:
        raise
    except OSError as error:  # of the network, and so none of the disk
        raise ConnectionError(f"the connection broke ({error.strerror or error})") from None


def network_reason(error: Exception) -> str:
    """One of ``FAULTS`` in words."""
    match error:
        case urllib.error.HTTPError():
            return f"the server says {error.code} {error.reason}"
        case urllib.error.URLError():
            return f"cannot be reached ({getattr(error.reason, 'strerror', None) or error.reason})"
        case TimeoutError():
            return f"no data for {TIMEOUT:g} s"
        case _:
            return str(error) or type(error).__name__
