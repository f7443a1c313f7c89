"""IDX files, the format of MNIST, EMNIST and QMNIST: big-endian sizes, then the bytes; gzipped or not."""

from __future__ import annotations

import gzip
import io
import math
import re
import struct
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from striate.datasets.dataset import DataSet, Part
from striate.errors import DataError, listed
from striate.files import read_regular
from striate.tasks import CLASSIFICATION

UNPACKED, RATIO = 1 << 30, 100  # bytes that any packed file may unpack to, or how many times its own size
_FILE = re.compile(
    r"(?:(?P<set>[\w-]+)[-_.])?(?P<split>train|t10k|test)[-_.](?P<kind>images|labels)[-_.]idx[123][-_.](?:ubyte|int)(\.gz)?",
    re.IGNORECASE,
)
# 0, 0, the type of the values (8: unsigned byte; 12: int32), the number of axes
_MAGIC = {"images": 0x0803, "labels": 0x0801}
_QMNIST = 0x0C02  # its labels: a row of eight numbers each, the first of which is the class
_TURNED = "emnist"  # a set whose images are stored with rows and columns exchanged


def is_idx(path: Path) -> bool:
    """Whether *path* is a folder with a file named as the files of MNIST are (``train-images-idx3-ubyte.gz``).

    Or such a file, which stands for its set: ``emnist-letters-train-images-idx3-ubyte.gz``.
    """
    return bool(_find(path) if path.is_dir() else _FILE.fullmatch(path.name))


def open_idx(folder: Path) -> DataSet:
    """The IDX files ``train-images``, ``train-labels`` and, where they are, ``t10k-`` or ``test-`` of *folder*.

    Names may begin with that of a set (``emnist-letters-``, ``qmnist-``); of several sets in a folder one of its files
    says which. Each may be in a folder of its name. Images of EMNIST, which are stored lying on their side, are turned.

    The classes are the numbers among the training labels (``"0"`` to ``"9"`` for MNIST), in their order.

    Raises:
        DataError: A file is missing, is not what its name says, is cut short or too long; images and labels
            differ in number; fewer than two classes; a test label that training never saw.
    """
    named = "" if folder.is_dir() else _set_of(folder)
    folder = folder if folder.is_dir() else folder.parent
    sets = _find(folder)
    if len(sets) > 1 and named not in sets:
        first = min(path.name for path in sets[min(sets)].values())
        raise DataError(
            f"{folder}: files of several sets ({listed(sorted(sets))}); name a file of one, such as {folder / first}"
        )
    which = named if named in sets else next(iter(sets))
    files = sets[which]
    turned = which.lower().startswith(_TURNED) or (not which and _TURNED in folder.resolve().name.lower())
    if not any(split == "train" for split, _ in files):
        raise DataError(f"{folder}: there are test files, but no train-images-idx3-ubyte and its labels")
    pairs = {split: _pair(folder, files, split) for split in ("train", "test") if any(split == s for s, _ in files)}
    _, labels = pairs["train"]
    classes = np.unique(labels)
    if len(classes) < 2:
        raise DataError(f"{files['train', 'labels']}: every label is {classes[0]}; learning needs two classes or more")
    splits = {}
    for split, (pixels, targets) in pairs.items():
        _check_known(files[split, "labels"], targets, classes)
        splits[split] = (
            np.ascontiguousarray(pixels.swapaxes(1, 2)) if turned else pixels,
            np.searchsorted(classes, targets),
            files[split, "images"].name,
        )
    return labelled_images(
        which or folder.resolve().name,
        tuple(map(str, classes)),
        splits,
        why="from IDX labels",
        notes=("EMNIST's images are stored lying on their side; they are turned upright",) if turned else (),
    )


def labelled_images(
    name: str, classes: tuple[str, ...], splits: Mapping[str, tuple[np.ndarray, np.ndarray, str]], **about: Any
) -> DataSet:
    """The data set of images ``(N, H, W)`` or ``(N, H, W, 3)``, their labels, and what its items are called, by split;
    and what else is known *about* it.
    """
    parts = {
        split: Part(images, labels.astype(np.int64), tuple(f"{called} {i}" for i in range(len(images))))
        for split, (images, labels, called) in splits.items()
    }
    height, width, *channels = parts["train"].arrays.shape[1:]
    shape = (*(channels or [1]), height, width)
    return DataSet.of(name, CLASSIFICATION, classes, "RGB" if channels else "L", shape, parts, **about)


def _find(folder: Path) -> dict[str, dict[tuple[str, str], Path]]:
    """By set ``{("train" or "test", "images" or "labels"): file}``; of a file and its gzip, the plain one."""
    found: dict[str, dict[tuple[str, str], Path]] = {}
    for path in sorted(folder.iterdir(), reverse=True):  # a plain file comes after its .gz, and replaces it
        if not (match := _FILE.fullmatch(path.name)):
            continue
        if path.is_dir():  # as Kaggle packs them: a folder of the file's name around it
            inner = [file for file in sorted(path.iterdir()) if file.is_file() and _FILE.fullmatch(file.name)]
            if len(inner) != 1:
                continue
            path = inner[0]
        split, kind = match["split"].lower(), match["kind"].lower()
        found.setdefault(match["set"] or "", {})["train" if split == "train" else "test", kind] = path
    return found


def _set_of(path: Path) -> str:
    match = _FILE.fullmatch(path.name)
    return (match["set"] or "") if match else ""


def _pair(folder: Path, files: dict[tuple[str, str], Path], split: str) -> tuple[np.ndarray, np.ndarray]:
    """The images and labels of a split, equally many."""
    for kind, other in (("images", "labels"), ("labels", "images")):
        if (split, kind) not in files:
            there = files[split, other].name
            missing = there.replace(other, kind).replace(*(("idx1", "idx3") if kind == "images" else ("idx3", "idx1")))
            raise DataError(f"{folder}: there is {there}, but its {kind} are missing; put {missing} beside it")
    images, labels = (read_idx(files[split, kind], kind) for kind in ("images", "labels"))
    if len(images) != len(labels):
        raise DataError(
            f"{folder}: {files[split, 'images'].name} has {len(images)} images, but {files[split, 'labels'].name} "
            f"has {len(labels)} labels; they must belong together"
        )
    return images, labels


def _check_known(path: Path, labels: np.ndarray, known: np.ndarray) -> None:
    unknown = np.flatnonzero(~np.isin(labels, known))
    if len(unknown):
        raise DataError(
            f"{path}: item {unknown[0]} has the label {labels[unknown[0]]}, but the training labels are "
            f"{', '.join(map(str, known))}"
        )


def read_idx(path: Path, kind: str) -> np.ndarray:
    """The array in an IDX file: uint8 ``(N, H, W)`` for *kind* ``"images"``, ``(N,)`` for ``"labels"``.

    Raises:
        DataError: The file cannot be read, is not of that kind, or has more or fewer bytes than its header says.
    """
    data = _content(path)
    axes = _MAGIC[kind] & 0xFF
    start = 4 + 4 * axes
    if len(data) < start:
        raise DataError(f"{path}: truncated: {len(data)} bytes are not even its header; copy or download it again")
    magic = int.from_bytes(data[:4], "big")
    if kind == "labels" and magic == _QMNIST:
        return _first_column(path, data)
    if magic != _MAGIC[kind]:
        swapped = " (that is the number of the other kind)" if magic in _MAGIC.values() else ""
        raise DataError(
            f"{path}: its magic number is {magic}{swapped}, expected {_MAGIC[kind]} for {kind}; "
            "is it the right file, whole and unchanged?"
        )
    shape = struct.unpack(f">{axes}I", data[4:start])
    sizes = " x ".join(map(str, shape))
    if 0 in shape:
        raise DataError(f"{path}: it contains no {kind} (its header says {sizes})")
    if len(data) - start != math.prod(shape):
        fault = "truncated" if len(data) - start < math.prod(shape) else "too long"
        raise DataError(
            f"{path}: {fault}: its header says {sizes} = {math.prod(shape)} bytes, but {len(data) - start} "
            "follow; copy or download it again"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _first_column(path: Path, data: bytes) -> np.ndarray:
    """The classes in QMNIST's labels, int32 ``(N, 8)``."""
    rows, columns = struct.unpack(">2I", data[4:12]) if len(data) >= 12 else (0, 0)
    if not rows or not columns or len(data) != 12 + 4 * rows * columns:
        raise DataError(
            f"{path}: its header says {rows} x {columns} labels, but {len(data)} bytes are there; copy it again"
        )
    return np.frombuffer(data, ">i4", offset=12).reshape(rows, columns)[:, 0].astype(np.int64)


def _content(path: Path) -> bytes:
    """The bytes of the file; of a gzip file no more than the sizes in its header promise, and one."""
    try:
        data = read_regular(path, sys.maxsize)
        # By its first bytes and not by its name: browsers unpack a download, or do not, as they please.
        if data[:2] != b"\x1f\x8b":
            return data
        most = max(UNPACKED, RATIO * len(data))
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            start = stream.read(4)
            start += stream.read(4 * start[3] if len(start) == 4 else 0)
            sizes = (int.from_bytes(start[i : i + 4], "big") for i in range(4, len(start), 4))
            promised = math.prod(sizes) * (4 if start[2:3] == b"\x0c" else 1)
            if promised > most:
                raise DataError(
                    f"{path}: it would unpack to {promised:,} bytes, expected at most {most:,} of a gzip file of "
                    f"{len(data):,}; if that is right, unpack it (gunzip)"
                )
            return start + stream.read(promised + 1)
    except PermissionError:
        raise DataError(f"{path}: no permission to read it; change the file's permissions") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: it cannot be read ({error}); copy or download it again") from None
