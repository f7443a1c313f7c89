"""From a split to arrays that the contract has prepared: every item read once, the files among them from the cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, features

from striate.datasets.dataset import Arrays, Part, Reading
from striate.datasets.mask_recipe import MaskFile, MaskRecipe, read_mask
from striate.datasets.store.cache import Column
from striate.datasets.store.decoded import DecodedRows, DecodeJob, decoded_rows
from striate.datasets.store.room import memory_limit
from striate.errors import DataError, RecipeError, nearest, shape_text
from striate.model.contract import IMAGES, Contract
from striate.model.image import header
from striate.model.placing import point_map
from striate.model.prepare import fit_array, fit_mask, prepared
from striate.model.words import numbers_of

VERSION = 1  # of what the code makes of a file: one more with every change of a pixel, and no old cache is believed
ON_BROKEN = ("skip", "stop")


def read_part(
    part: Part,
    contract: Contract,
    *,
    memory: int | None = None,
    on_broken: str = "skip",
    progress: Reading | None = None,
    say: Callable[[str], None] | None = None,
) -> Arrays:
    """*part* as the contract prepares it; files that cannot be read are skipped and named.

    Files are decoded in parallel, bit for bit the same whatever the number of cores, in the split's order. What took
    a while is kept on the disk, in ``arrays`` in :func:`striate.files.cache_folder`, where it is found the next time
    unless a file, the contract or Pillow changed. ``STRIATE_CACHE=off`` keeps nothing; ``STRIATE_CACHE_LIMIT``
    (20GB) is its maximum size, beyond which the least recently used goes.

    Args:
        part: The split to read.
        contract: How; it also says what class numbers, positions and masks mean.
        memory: Bytes that the decoded files may take; more are mapped from the cache's file, read-only. If not
            given ``STRIATE_MEMORY`` (such as ``500MB``), else half of what is free.
        on_broken: ``"skip"``, or ``"stop"`` at the first file that cannot be read.
        progress: Called with (items done, items in all) while files are decoded, at most ten times per second.
        say: Called with a line if the cache cannot be used where it should.

    Raises:
        DataError: The contract is for other items; none can be read; one cannot, and *on_broken* is ``"stop"``.

    >>> contract = Contract(("cat", "dog"), (1, 2, 2), "L", (0.5,), (0.25,))
    >>> read_part(Part(np.zeros((3, 4, 4), np.uint8), np.array([0, 1, 1]), tuple("abc")), contract).inputs.shape
    (3, 1, 2, 2)
    """
    if on_broken not in ON_BROKEN:
        raise RecipeError(f"on_broken is {on_broken!r}{nearest(str(on_broken), ON_BROKEN)}")
    _check_kind(part, contract)

    def found(i: int, why: str) -> None:
        if on_broken == "stop":
            raise DataError(f'{part.names[i]}: {why}; or omit --strict (on_broken="skip") to skip it')

    rows = DecodedRows({}, {})
    if columns := _columns(part, contract):
        files = [part.files for c in columns if c.name == "inputs"]
        files += _mask_sources(part.mask_files)
        limit = memory_limit() if memory is None else memory
        rule = _rule(contract, columns, part.mask_files)
        rows = decoded_rows(DecodeJob(files, columns, rule, limit, found, progress or _quiet, say or _quiet))
    left = part
    if rows.broken:
        if len(rows.broken) == len(part):
            first = min(rows.broken)
            raise DataError(
                f"none of the {len(part)} images can be read; the first is {part.names[first]}: {rows.broken[first]}"
            )
        left = part.take(np.delete(np.arange(len(part)), list(rows.broken)))
    inputs = rows.columns["inputs"] if "inputs" in rows.columns else _inputs(left, contract)
    targets = rows.columns["targets"] if "targets" in rows.columns else _targets(left, contract, rows.columns)
    return Arrays(inputs, targets, left.names, tuple((part.names[i], why) for i, why in rows.broken.items()))


def _quiet(*_: object) -> None:
    pass


def _check_kind(part: Part, contract: Contract) -> None:
    if not len(part):
        return
    if isinstance(part.inputs, np.ndarray):
        got = "images" if part.inputs.dtype == np.uint8 else "values"
    else:
        got = "texts" if part.texts else "images"
    expected = {"text": "texts", "values": "values"}.get(contract.mode, "images")
    if got != expected:
        raise DataError(f"{part.names[0]}: the data are {got}, but the model takes {expected}; give it those")


def _columns(part: Part, contract: Contract) -> list[Column]:
    """What is made of the split's files: the inputs, the sizes of images with positions in them, the masks."""
    columns = []
    images, masks = part.files, part.mask_files
    if contract.mode in IMAGES and isinstance(part.inputs, tuple):
        columns.append(Column("inputs", contract.input, "u1", lambda i: _of(images[i], prepared, contract)))
        if contract.positions:
            columns.append(Column("sizes", (2,), "<i4", lambda i: _of(images[i], _size)))
    if isinstance(part.targets, tuple):
        columns.append(Column("targets", contract.input[1:], "u1", lambda i: _of(masks[i], _mask, contract)))
    return columns


def _of(path: MaskFile, make: Callable[..., np.ndarray], *more: Contract) -> np.ndarray:
    """What *make* makes of a file; its DataError without the path, which the split has a name for."""
    try:
        return make(path, *more)
    except DataError as error:
        kind = "its mask " if make is _mask else ""
        raise DataError(kind + str(error).removeprefix("" if kind else f"{path}: ")) from None


def _mask(path: MaskFile, contract: Contract) -> np.ndarray:
    return fit_mask(read_mask(path), contract)


def _mask_sources(masks: Sequence[MaskFile]) -> list[tuple[Path, ...]]:
    """The files that each mask depends on: as many sequences as the one of most has."""
    of = [mask.files if isinstance(mask, MaskRecipe) else (mask,) for mask in masks]
    return [tuple(files[min(i, len(files) - 1)] for files in of) for i in range(max(map(len, of), default=0))]


def _size(path: Path) -> np.ndarray:
    """Width and height, upright."""
    return np.array(header(path)[1][::-1], np.int32)


def _rule(contract: Contract, columns: Sequence[Column], masks: Sequence[MaskFile]) -> str:
    """A name for everything, besides the files, that decides what they become."""
    decides = (
        VERSION,
        [PIL.__version__, features.version_codec("jpg"), Image.MAX_IMAGE_PIXELS],
        [contract.input, contract.mode, contract.resize, contract.interpolation, contract.scale_to],
        contract.mask_values,
        [(column.name, column.dtype) for column in columns],
    )
    recipes = sorted(map(repr, {mask.how for mask in masks if isinstance(mask, MaskRecipe)}))
    text = json.dumps(decides) + json.dumps(recipes) * bool(recipes)
    text += json.dumps(contract.value_range) * bool(contract.value_range)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _inputs(part: Part, contract: Contract) -> np.ndarray:
    """Inputs that are no files."""
    if contract.mode == "text":
        return numbers_of(part.texts, contract.vocabulary, contract.input[0])
    if contract.mode != "values":
        return fit_array(part.arrays, contract)
    if part.arrays.shape[1:] != contract.input:
        got, expected = map(shape_text, (part.arrays.shape[1:], contract.input))
        raise DataError(f"{part.names[0]}: the values have the shape {got}, the model takes {expected}")
    return part.arrays


def _targets(part: Part, contract: Contract, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Targets that are no files, as the contract means them."""
    same_size = part.labels.shape[1:] == contract.input[1:] and contract.scale_to is None
    if contract.task.per_pixel and not same_size:
        numbers = replace(contract, mask_values=tuple(range(len(contract.classes))))
        fitted = np.empty((len(part), *contract.input[1:]), np.uint8)
        for row, mask in zip(fitted, part.labels, strict=True):
            row[:] = fit_mask(mask, numbers)
        return fitted
    if not contract.positions or not len(part):
        return part.labels
    sizes = columns.get("sizes")
    if sizes is None:
        sizes = np.array([part.arrays.shape[2:0:-1]] * len(part))
    return _as_fractions(part.labels, sizes, contract)


def _as_fractions(targets: np.ndarray, sizes: np.ndarray, contract: Contract) -> np.ndarray:
    """Positions in images of *sizes* (width, height) as fractions, 0 to 1, of the contract's input."""
    each, which = np.unique(sizes, axis=0, return_inverse=True)
    ways = np.array([point_map((int(width), int(height)), contract) for width, height in each])[which.ravel()]
    fractions = targets.astype(np.float32)
    for pair in contract.positions:
        for axis, value in enumerate(pair):
            fractions[:, value] = (targets[:, value] * ways[:, axis] + ways[:, 2 + axis]) / contract.input[2 - axis]
    return fractions
