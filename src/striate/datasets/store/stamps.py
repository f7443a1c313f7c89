"""Whether files are those that were read before, without a look inside."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

ITEM = "S16"  # numpy's name of a digest of 16 bytes


@dataclass(frozen=True)
class Stamps:
    """What the files of a part are: a digest for each item, one of all, their bytes, and their latest time in ns."""

    items: np.ndarray
    key: str
    size: int
    newest: int

    @classmethod
    def of(cls, files: Sequence[Sequence[Path]]) -> Stamps:
        """Of every item's files; those that are not there have a stamp too, so that one which appears is noticed."""
        items, total, newest = [], 0, 0
        for paths in zip(*files, strict=True):
            item, size, latest = stamp(paths)
            items.append(item)
            total, newest = total + size, max(newest, latest)
        return cls(np.array(items, ITEM), hashlib.blake2b(b"".join(items), digest_size=16).hexdigest(), total, newest)

    def settled(self, now: int) -> bool:
        """Whether a file that changes after *now* (in ns) is sure to get another stamp.

        What is read after that is what the stamp stands for, or the stamp is never met again: the time of the file,
        other than that of its content, cannot be set back.
        """
        # Clocks of files tick every 10 ms at worst, those of old file systems every second or two.
        tick = 2 * 10**9 if self.newest % 10**9 == 0 else 2 * 10**7
        return self.newest + tick < now


def stamp(paths: Sequence[Path]) -> tuple[bytes, int, int]:
    """A digest of the files' paths (links followed), sizes and times (of content and file), their bytes, and their
    latest time.
    """
    text, size, newest = "", 0, 0
    for path in map(os.fspath, paths):
        folder, _, name = path.rpartition(os.sep)
        try:
            found = os.stat(path)
            times = found.st_mtime_ns, found.st_ctime_ns
            size, newest = size + found.st_size, max(newest, *times)
            place = os.path.realpath(path) if os.path.islink(path) else f"{_real(folder)}/{name}"
            text += f"{place}\0{found.st_size} {times}\0"
        except (OSError, ValueError):
            text += f"{path}\0"
    return hashlib.blake2b(os.fsencode(text), digest_size=16).digest(), size, newest


_real = lru_cache(1 << 16)(os.path.realpath)
