"""One file from one address: gone on with where it was cut off, and given up where nothing comes."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from striate._version import __version__

TIMEOUT = 30.0  # seconds without a byte, and the span in which an address must not be slower than SLOWEST
SLOWEST = 1_000  # bytes a second
FAULTS = (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError)  # of the network
_CHUNK = 1 << 16


def download(address: str, part: Path, most: int, progress: Callable[[int, int | None], None]) -> None:
    """Brings *part* to the length that the server says; a partial one is gone on with where the server can.

    Args:
        address: http or https; redirects are followed, and the environment's proxies taken.
        part: Where to write.
        most: Bytes; a server that sends more is not listened to.
        progress: Told the bytes that are there, and that there will be if the server says so.

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
        if whole is not None and whole > most:
            raise ConnectionError(f"it would send {whole:,} bytes, more than {most:,}")
        with part.open("ab" if done else "wb") as stream:
            for data in _pieces(answer):
                done += stream.write(data)
                if done > most:
                    raise ConnectionError(f"it sends more than {most:,} bytes")
                progress(done, whole)
    if whole is not None and done < whole:
        raise ConnectionError(f"it ended after {done:,} of {whole:,} bytes")


def _answer(address: str, done: int) -> Any:
    headers = {"User-Agent": f"striate/{__version__}", "Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    try:
        return urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if done and error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _answer(address, 0)
        raise


def _pieces(answer: Any) -> Iterator[bytes]:
    """What comes, as it comes; an address that is slower than ``SLOWEST`` is given up."""
    start, bytes_ = time.monotonic(), 0
    while data := _piece(answer):
        yield data
        bytes_ += len(data)
        if (seconds := time.monotonic() - start) > TIMEOUT:
            if bytes_ < SLOWEST * seconds:
                raise ConnectionError(f"only {bytes_:,} bytes came in {seconds:.0f} s")
            start, bytes_ = time.monotonic(), 0


def _piece(answer: Any) -> bytes:
    try:
        return answer.read1(_CHUNK)
    except TimeoutError:
        raise
    except OSError as error:  # of the network, and so none of the disk
        raise ConnectionError(f"the connection broke ({error.strerror or error})") from None


def reason(error: Exception) -> str:
    """One of ``FAULTS`` in words."""
    match error:
        case urllib.error.HTTPError():
            return f"the server says {error.code} {error.reason}"
        case urllib.error.URLError():
            return f"cannot be reached ({getattr(error.reason, 'strerror', None) or error.reason})"
        case TimeoutError():
            return f"nothing came for {TIMEOUT:g} s"
        case _:
            return str(error) or type(error).__name__
