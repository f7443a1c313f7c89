"""Which items are the same, byte for byte, whatever they are called."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import numpy as np

from striate.datasets.dataset import Inputs


def same_content(inputs: Inputs) -> np.ndarray:
    """int64 ``(N,)``: for each item the number of the first that has the same content; its own where none does.

    Of files only those of one size are read; a file that cannot be read is like no other. Texts are compared
    without regard to case and spaces.

    >>> same_content(("A  film .", "another film", "a film ."))
    array([0, 1, 0])
    """
    if isinstance(inputs, np.ndarray):
        keys: list[Hashable] = [_digest(np.ascontiguousarray(item).data) for item in inputs]
    elif inputs and isinstance(inputs[0], Path):
        keys = _of_files([Path(path) for path in inputs])
    else:
        keys = [" ".join(str(text).lower().split()) for text in inputs]
    first: dict[Hashable, int] = {}
    return np.array([first.setdefault(key, i) for i, key in enumerate(keys)], np.int64)


def _of_files(paths: list[Path]) -> list[Hashable]:
    sizes = [_or_none(lambda path=path: os.stat(path).st_size) for path in paths]
    shared = {size for size, n in Counter(sizes).items() if n > 1 and size}
    keys: list[Hashable] = []
    for path, size in zip(paths, sizes, strict=True):
        content = _or_none(lambda path=path: _digest(path.read_bytes())) if size in shared else None
        keys.append(path if content is None else content)
    return keys


def _digest(data: bytes | memoryview) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _or_none(get: Callable[[], Any]) -> Any:
    try:
        return get()
    except OSError:
        return None
