"""From the files of a part to arrays that the contract has prepared."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from striate.data.dataset import Arrays, Part
from striate.errors import DataError
from striate.model.contract import Contract
from striate.model.prepare import decode, fit, fit_array


def read(part: Part, contract: Contract, progress: Callable[[int, int], None] | None = None) -> Arrays:
    """The pixels of *part*, made ready by the contract; files that cannot be read are left out and named.

    Args:
        part: What to read; its targets are indices into the contract's classes.
        contract: Says the size, the channels and the way of resizing.
        progress: Called with (images done, images in all) after each file.

    Raises:
        DataError: None of the images, or none of those of some class, can be read.
    """
    if isinstance(part.inputs, np.ndarray):
        return Arrays(fit_array(part.inputs, contract), part.targets, part.names)
    images = np.empty((len(part), *contract.input), np.uint8)
    broken: dict[int, str] = {}
    for i, result in enumerate(_decoded(part.inputs, contract)):
        if isinstance(result, str):
            broken[i] = result
        else:
            images[i] = result
        if progress:
            progress(i + 1, len(part))
    if not broken:
        return Arrays(images, part.targets, part.names)
    _check_classes_left(part, contract.classes, broken)
    good = np.array([i not in broken for i in range(len(part))])
    names = tuple(name for name, kept in zip(part.names, good, strict=True) if kept)
    return Arrays(images[good], part.targets[good], names, tuple((part.names[i], why) for i, why in broken.items()))


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
