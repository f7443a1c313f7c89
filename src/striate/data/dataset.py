"""What a data set is: parts of images with their classes, before and after the pixels are read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from striate.errors import DataError
from striate.model.contract import Contract
from striate.model.prepare import decode, fit, fit_array

Broken = tuple[str, str]  # the name of an image that could not be read, and why


@dataclass(frozen=True, eq=False)
class Part:
    """One part (training, validation or test) of a data set, its files not read yet.

    Args:
        images: uint8 ``(N, H, W)`` or ``(N, H, W, C)``, or the N files.
        targets: int64 ``(N,)``, each an index into the data set's classes.
        names: What to call each image in a message or a report: its path, or such as ``"digits test 12"``.
    """

    images: np.ndarray | tuple[Path, ...]
    targets: np.ndarray
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        assert len(self.images) == len(self.targets) == len(self.names)

    def __len__(self) -> int:
        return len(self.targets)

    def name(self, i: int) -> str:
        return self.names[i]

    def take(self, indices: Sequence[int] | np.ndarray) -> Part:
        """The part that holds only the items at *indices*, in their order, under their old names."""
        indices = np.asarray(indices, np.int64)
        images = self.images
        taken = images[indices] if isinstance(images, np.ndarray) else tuple(images[i] for i in indices)
        return Part(taken, self.targets[indices], tuple(self.names[i] for i in indices))


@dataclass(frozen=True, eq=False)
class DataSet:
    """A data set for classification, its files not read yet.

    Args:
        name: Short, for a title or a folder: ``"digits"``.
        classes: The class names; a target is an index into them, in every part.
        mode: ``"L"`` where the images are grey, else ``"RGB"``.
        size: ``(height, width)`` that is typical of the images as they come.
        train: What a network learns from.
        val: What chooses between networks; None where the source has no such part.
        test: What is looked at once, at the end, and chooses nothing; None likewise.
    """

    name: str
    classes: tuple[str, ...]
    mode: str
    size: tuple[int, int]
    train: Part
    val: Part | None = None
    test: Part | None = None


@dataclass(frozen=True, eq=False)
class Pixels:
    """A part that has been read: the contract's bytes, in memory.

    Args:
        images: uint8 ``(N, C, H, W)``.
        targets: int64 ``(N,)``.
        names: As in the part.
        broken: ``(name, reason)`` of the files that could not be read and were left out.
    """

    images: np.ndarray
    targets: np.ndarray
    names: tuple[str, ...]
    broken: tuple[Broken, ...] = ()

    def __len__(self) -> int:
        return len(self.targets)


def read(part: Part, contract: Contract, progress: Callable[[int, int], None] | None = None) -> Pixels:
    """The pixels of *part*, made ready by the contract; files that cannot be read are left out and named.

    Args:
        part: What to read; its targets are indices into the contract's classes.
        contract: Says the size, the channels and the way of resizing.
        progress: Called with (images done, images in all) after each file.

    Raises:
        DataError: None of the images, or none of those of some class, can be read.
    """
    if isinstance(part.images, np.ndarray):
        return Pixels(fit_array(part.images, contract), part.targets, part.names)
    images = np.empty((len(part), *contract.input), np.uint8)
    broken: dict[int, str] = {}
    for i, result in enumerate(_decoded(part.images, contract)):
        if isinstance(result, str):
            broken[i] = result
        else:
            images[i] = result
        if progress:
            progress(i + 1, len(part))
    if not broken:
        return Pixels(images, part.targets, part.names)
    _check_classes_left(part, contract.classes, broken)
    good = np.array([i not in broken for i in range(len(part))])
    names = tuple(name for name, kept in zip(part.names, good, strict=True) if kept)
    return Pixels(images[good], part.targets[good], names, tuple((part.names[i], why) for i, why in broken.items()))


def _decoded(paths: Iterable[Path], contract: Contract) -> Iterator[np.ndarray | str]:
    """Each file's pixels ``(C, H, W)``, or why there are none; in order, decoded in threads."""

    def one(path: Path) -> np.ndarray | str:
        try:
            return fit(decode(path, contract.mode), contract)
        except DataError as error:
            return str(error).removeprefix(f"{path}: ")

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        yield from pool.map(one, paths)


def _check_classes_left(part: Part, classes: Sequence[str], broken: dict[int, str]) -> None:
    first = next(iter(broken))
    if len(broken) == len(part):
        raise DataError(
            f"none of the {len(part)} images can be read; the first is {part.names[first]}: {broken[first]}"
        )
    lost = np.bincount(part.targets[list(broken)], minlength=len(classes))
    for target, n in enumerate(np.bincount(part.targets, minlength=len(classes))):
        if n and n == lost[target]:
            first = next(i for i in broken if part.targets[i] == target)
            raise DataError(
                f"none of the {n} images of class {classes[target]!r} can be read; the first is "
                f"{part.names[first]}: {broken[first]}"
            )


def channel_statistics(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """``(mean, std)`` of each channel of uint8 ``(N, C, H, W)``, scaled to 0..1; std is 1/255 at least.

    From counts of the 256 values, so the result is exact and the same in any order of the images; the floor
    keeps a data set of one flat colour from being divided by zero.

    >>> channel_statistics(np.array([0, 255], np.uint8).reshape(2, 1, 1, 1))
    ((0.5,), (0.5,))
    """
    counts = np.zeros((images.shape[1], 256), np.int64)
    for chunk in (images[i : i + 1024] for i in range(0, len(images), 1024)):  # bincount widens to 8 bytes
        for channel, count in enumerate(counts):
            count += np.bincount(chunk[:, channel].ravel(), minlength=256)
    values = np.arange(256) / 255
    weights = counts / counts.sum(axis=1, keepdims=True)
    mean = weights @ values
    variance = (weights * (values - mean[:, None]) ** 2).sum(axis=1)
    return tuple(mean.tolist()), tuple(np.maximum(np.sqrt(variance), 1 / 255).tolist())
