"""Data that are in memory: arrays, tensors, lists of texts or of files, and DataFrames, as one split or several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from striate.datasets.dataset import SPLIT_NAMES, SPLITS, DataSet
from striate.datasets.options import DataOptions
from striate.datasets.sources.npz import arrays_data_set
from striate.datasets.sources.rows import TableText
from striate.datasets.sources.tables import tables_data_set
from striate.errors import DataError, listed_quoted
from striate.files import csv_text
from striate.model.opening import is_image
from striate.model.sources import array_of
from striate.tasks import REGRESSION

LEAST = 16  # numbers of a signal: fewer are the columns of a table
IN_MEMORY = "(X, y), ((X, y), (X_val, y_val)), a dict of such pairs by split, a DataFrame or a DataSet"


def open_in_memory(source: object, options: DataOptions) -> DataSet:
    """The data set that somebody has in memory; a DataFrame is the table that its ``to_csv`` writes.

    Args:
        source: ``(X, y)``; several pairs, of which the second is the validation split and a third the test split; a
            dict of pairs or DataFrames by split, or of arrays under the names that an ``.npz`` has; a DataFrame. X is
            an array or a tensor as :func:`~.npz.array_inputs` takes it, or a list of texts or of image files; y as
            :func:`~.targets.array_targets` takes it: whole numbers and texts are classes, floats are values.
        options: Columns are those of a DataFrame.

    Raises:
        DataError: None of these; a split twice, or no training split; columns of numbers without an order.

    >>> x, y = np.zeros((6, 28, 28), np.uint8), ["cat", "dog"] * 3
    >>> data = open_in_memory({"train": (x, y), "test": (x, y)}, DataOptions())
    >>> data.classes, data.input, list(data.parts)
    (('cat', 'dog'), (1, 28, 28), ['train', 'test'])
    """
    arrays = _keyed(source)
    splits = {} if arrays else _splits(source)
    frames = {split: value for split, value in splits.items() if is_frame(value)}
    words = {split: value[0] for split, value in splits.items() if split not in frames and words_in(value[0])}
    if options.columns.given and not frames:
        raise DataError(f"--{next(iter(options.columns.given))} names a column of a table; these are arrays: omit it")
    if len(frames) not in (0, len(splits)) or len(words) not in (0, len(splits)):
        raise DataError("the splits are of different kinds; give DataFrames, arrays, or texts or files for all of them")
    if frames:
        return tables_data_set({s: frame_text(frame) for s, frame in frames.items()}, options.task, options.columns)
    if words:
        values = all(array_of(y).dtype.kind == "f" for _, y in splits.values())
        files = {split: _words_text(x, y) for split, (x, y) in splits.items()}
        return tables_data_set(files, options.task or (REGRESSION if values else None))
    for split, (x, y) in splits.items():
        of = f"_{split}" if len(splits) > 1 else ""
        arrays |= {f"X{of}": array_of(x, f"X{of}"), f"y{of}": array_of(y, f"y{of}")}
    _check_ordered(arrays)
    return arrays_data_set(Path("arrays"), "arrays", arrays, options.task)


def is_frame(value: object) -> bool:
    """Whether *value* is a pandas DataFrame; pandas is not imported for it."""
    return type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "columns")


def frame_text(frame: Any) -> TableText:
    """A DataFrame as a table, of which a named index is a column."""
    text = frame.to_csv(index=frame.index.name is not None, lineterminator="\n")
    return TableText(Path("DataFrame"), text, ",", True, (), in_memory=True)


def words_in(value: object) -> list[str]:
    """The texts or paths that *value* is a sequence of; nothing where it is of something else."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable) or hasattr(value, "detach"):
        return []
    if isinstance(value, np.ndarray) and (value.ndim != 1 or value.dtype.kind not in "UO"):
        return []
    if is_frame(value):
        return []
    items = [*value]
    return [str(item) for item in items] if all(isinstance(item, str | PathLike) for item in items) else []


def _keyed(source: object) -> dict[str, np.ndarray]:
    """The arrays of a dict that names them as an ``.npz`` does; nothing of another one."""
    if not isinstance(source, Mapping) or not source or any(_split(key) for key in source):
        return {}
    if not all(isinstance(key, str) for key in source):
        raise DataError(f"the keys are {listed_quoted(source)}; expected train, val, test")
    return {key: array_of(value, key) for key, value in source.items()}


def _split(key: object) -> str:
    return SPLIT_NAMES.get(str(key).lower(), "")


def _splits(source: object) -> dict[str, Any]:
    """By split a DataFrame or a pair."""
    if is_frame(source):
        return {"train": source}
    if isinstance(source, Mapping) and source:
        if strange := [key for key in source if not _split(key)]:
            raise DataError(f"the key {strange[0]!r} names no split; expected train, val, test")
        named = {_split(key): value for key, value in source.items()}
        if len(named) < len(source):
            raise DataError(f"the keys {listed_quoted(source)} name one split twice")
        if "train" not in named:
            raise DataError(f"the keys are {listed_quoted(source)}; there is no training split (train)")
        return {split: _pair(named[split], f"the {split} split") for split in SPLITS if split in named}
    if isinstance(source, Sequence) and len(source) in (2, 3) and all(isinstance(p, tuple) for p in source):
        return {split: _pair(pair, f"the {split} split") for split, pair in zip(SPLITS, source, strict=False)}
    return {"train": _pair(source, "data")}


def _pair(value: object, what: str) -> Any:
    if is_frame(value) or (isinstance(value, tuple | list) and len(value) == 2):
        return value
    kind = "an array without its labels" if hasattr(value, "shape") else f"a {type(value).__name__}"
    came = f"{len(value)} things" if isinstance(value, tuple | list) else kind
    raise DataError(f"got {came} for {what}; expected a built-in name, a path, {IN_MEMORY}")


def _words_text(x: object, y: object) -> TableText:
    """Texts or image files and their targets, as a table."""
    words, targets = words_in(x), array_of(y, "y")
    targets = targets[:, 0] if targets.ndim == 2 and targets.shape[1] == 1 else targets
    if targets.ndim not in (1, 2) or len(targets) != len(words):
        raise DataError(
            f"X has {len(words)} items, but y is {targets.dtype} {targets.shape}; they must belong together"
        )
    kind = "file" if all(map(is_image, words)) else "text"
    titles = ["label"] if targets.ndim == 1 else [f"y{i}" for i in range(targets.shape[1])]
    rows = ([word, *row] for word, row in zip(words, targets.reshape(len(words), -1).tolist(), strict=True))
    return TableText(Path(f"{kind}s"), csv_text([[kind, *titles], *rows]), ",", True, (), in_memory=True)


def _check_ordered(arrays: Mapping[str, np.ndarray]) -> None:
    """DataError where a row is a few numbers that have no order, as measurements in a table."""
    for key, array in arrays.items():
        if key.lower().startswith("x") and array.ndim == 2 and array.shape[1] < LEAST:
            raise DataError(
                f"{key} has the shape {array.shape}: a table of {array.shape[1]} columns, whose order means nothing to "
                f"a convolution; expected images (N, H, W) or (N, H, W, C), or signals (N, L) of {LEAST} numbers up; "
                f"for a table there are striate.Classifier and striate.Regressor"
            )
