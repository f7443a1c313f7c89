"""Tables whose rows are the items: ``label,pixel0,pixel1,...`` as images, ``label,t0,t1,...`` as signals."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from striate.datasets.dataset import SPLITS, Broken, DataSet, Part
from striate.datasets.sources.columns import ColumnChoice
from striate.datasets.sources.records import table_name
from striate.datasets.sources.rows import (
    LABELS,
    NUMBERING,
    OTHER_LABELS,
    SPLIT_CELLS,
    Fault,
    TableText,
    parse_number,
    refuse_rows,
    row_text,
    skipped_rows,
)
from striate.datasets.sources.targets import class_order
from striate.errors import DataError, nearest
from striate.tasks import CLASSIFICATION, REGRESSION, Task

_LEAST = 16  # columns of numbers: fewer are the targets of something, more are an item
_SMALLEST = 64  # pixels of an image whose columns are not called pixels
_CELL = "pixels"  # the column in whose cells an image's numbers are separated by blanks
_PIXEL = re.compile(r"(pixel|pix|px|p)[ _.]?\d+|\d+x\d+", re.IGNORECASE)
_WAY_OUT = "fill it in or remove the row"
_MOST = 0.5  # of the rows: a column with more different values is none of classes


@dataclass(frozen=True)
class NumericColumns:
    """Which columns of a table an item is, and which say what of it.

    Args:
        values: The columns of an item; the only one where a cell contains them all.
        label: The column of targets; None where there is none.
        split: The column of splits, likewise.
        packed: Whether all numbers are in one cell.
        pixels: Whether the header calls them pixels.
        titles: All titles; ``column 1``, ... where there is no header.
        headed: Whether there is one.
    """

    values: tuple[int, ...]
    label: int | None
    split: int | None
    packed: bool
    pixels: bool
    titles: tuple[str, ...]
    headed: bool


def numeric_columns(path: Path | TableText, choice: ColumnChoice | None = None) -> NumericColumns | None:
    """What the columns of a table of numbers are, by its first rows; None where it is another table.

    Raises:
        DataError: It cannot be read, or has no column of the name that was given.
    """
    choice = choice or ColumnChoice()
    if (isinstance(path, Path) and path.suffix.lower() in (".xlsx", ".parquet")) or choice.file or choice.text:
        return None
    text = TableText.open(path)
    path = text.path
    head = text.head()
    titles = [t.strip() for t in head[0]] if text.headed else [f"column {i + 1}" for i in range(len(head[0]))]
    rows = [row for row in head[text.headed :] if len(row) == len(titles)]
    names = [title.lower() for title in titles]
    if not rows:
        return None
    columns = [*zip(*rows, strict=True)]
    numeric = [  # one that is missing is skipped later
        any(column) and all(not c or parse_number(c, comma=text.delimiter != ",") is not None for c in column)
        for column in columns
    ]
    packed = _CELL in names and all(len(cell.split()) >= _LEAST for cell in columns[names.index(_CELL)])
    if not packed and (sum(numeric) < _LEAST or (any(not n for n in numeric) and _others(numeric, names, columns))):
        return None
    split = next(
        (i for i, c in enumerate(columns) if not numeric[i] and {s.lower() for s in c} <= {*SPLIT_CELLS}), None
    )
    label = _label(path, names, columns, numeric, choice, packed)
    chosen = {label, split}
    values: tuple[int, ...]
    if packed:
        values = (names.index(_CELL),)
    else:
        values = tuple(i for i, n in enumerate(numeric) if n and i not in chosen and names[i] not in NUMBERING)
    pixels = packed or sum(bool(_PIXEL.fullmatch(titles[i])) for i in values) > len(values) / 2
    if not packed and not pixels and text.headed and label is None and len(values) < _LEAST:
        return None
    return NumericColumns(values, label, split, packed, pixels, tuple(titles), text.headed)


def _others(numeric: Sequence[bool], names: Sequence[str], columns: Sequence[Sequence[str]]) -> bool:
    """Whether there are columns that are neither numbers nor one of labels and one of splits: files, texts."""
    words = [i for i, n in enumerate(numeric) if not n]
    if len(words) > 2:
        return True
    return not all(
        names[i] in (*LABELS, *OTHER_LABELS)
        or {cell.lower() for cell in columns[i]} <= {*SPLIT_CELLS}
        or (
            len({*columns[i]}) <= max(2, _MOST * len(columns[i]))
            and not any(" " in cell or "." in cell for cell in columns[i])
        )
        for i in words
    )


def _label(
    path: Path,
    names: Sequence[str],
    columns: Sequence[Sequence[str]],
    numeric: Sequence[bool],
    choice: ColumnChoice,
    packed: bool,
) -> int | None:
    """The column of targets: the one that was named, else by its name, else the first or last if it looks so."""
    if choice.label:
        if choice.label.strip().lower() not in names:
            raise DataError(f"{path}: no column {choice.label!r} for --label{nearest(choice.label, names[:50])}")
        return names.index(choice.label.strip().lower())
    for known in (LABELS, OTHER_LABELS):
        if found := [i for i, name in enumerate(names) if name in known]:
            return found[0]
    for i in () if packed else (0, len(names) - 1):
        cells = columns[i]
        whole = not numeric[i] or all((n := parse_number(c)) is not None and n == math.floor(n) for c in cells if c)
        if whole and not _PIXEL.fullmatch(names[i]) and 2 <= len({*cells}) <= max(2, _MOST * len(cells)):
            return i
    return None


def open_numeric(files: Mapping[str, Path | TableText], columns: NumericColumns, task: Task | None = None) -> DataSet:
    """The images or signals in tables of numbers.

    Whole numbers from 0 to 255 whose columns are called pixels, or which are as many as a square image of 8x8 or
    more has, are grey images (of three times as many, colour: the channels last); else a row is a signal of one
    channel.

    Args:
        files: The table of each split.
        columns: Of the training table.
        task: As in :func:`~.tables.open_tables`.

    Raises:
        DataError: A cell is no finite number; a row has too few or too many cells; there are no labels.
    """
    path, in_memory = _path(files["train"]), isinstance(files["train"], TableText)
    if columns.label is None:
        raise DataError(
            f"{path}: rows of {len(columns.values)} numbers, and no column of labels; call it label, or name it with "
            "--label COLUMN"
        )
    title, notes, skipped = columns.titles[columns.label], list[str](), tuple[Broken, ...]()
    read: dict[str, tuple[np.ndarray, list[str], list[int]]] = {}
    for split, file in files.items():
        there = columns if split == "train" else _same_columns(file, columns)
        if there is None:
            notes.append(f"{_path(file).name} skipped: no labels (use it with striate predict)")
            continue
        values, labels, splits, lines, faults = _numbers(file, there)
        skipped += skipped_rows(_path(file), len(lines) + len(faults), faults, _WAY_OUT, isinstance(file, TableText))
        if len(files) > 1 or columns.split is None:
            splits = [split] * len(values)
        for name in {*splits}:
            rows = [i for i, s in enumerate(splits) if s == name]
            read[name] = values[rows], [labels[i] for i in rows], [lines[i] for i in rows]
    if "train" not in read:
        raise DataError(f"{path}: no row is in the training split; there is nothing to learn from")
    everything = [values for values, _, _ in read.values()]
    side = image_sides(columns, everything)
    if not columns.headed:
        notes.append(f"{path.name} has no header: its columns are called 'column 1', 'column 2', ...")
    names = class_order(set(read["train"][1]))
    numbers = [parse_number(name) for name in names]
    amounts = (task is not None and task.continuous) or any(n is not None and n != math.floor(n) for n in numbers)
    if amounts and any(n is None for n in numbers):
        raise DataError(f"{path}: {title!r} contains words, so the task cannot be regression")
    if not amounts:
        names, read = _tidied(names, read)
        if len(names) < 2:
            raise DataError(f"{path}: every label in {title!r} is {names[0]!r}; learning needs two classes or more")
    place = {name: i for i, name in enumerate(names)}
    parts = {}
    for split in (s for s in SPLITS if s in read):
        values, labels, lines = read[split]
        unknown = [(line, label) for line, label in zip(lines, labels, strict=True) if label not in place]
        if unknown and not amounts:
            line, label = unknown[0]
            where = f"{_path(files.get(split, path))}: {row_text(line, in_memory)}"
            raise DataError(f"{where}: the class {label!r}, which the training split lacks")
        targets = (
            np.array([[float(label)] for label in labels], np.float32)
            if amounts
            else np.array([place[label] for label in labels], np.int64)
        )
        items = values.astype(np.uint8).reshape(len(values), *side) if side else values[:, None]
        came = _path(files.get(split, path)).name
        parts[split] = Part(items, targets, tuple(f"{came} {row_text(line, in_memory)}" for line in lines))
    shape = tuple(parts["train"].arrays.shape[1:])
    mode = ("RGB" if len(shape) == 3 else "L") if side else "values"
    what = "an image" if side else "a signal"
    size = "x".join(map(str, shape if side else shape[1:]))
    notes.append(f"a row of {path.name} is {what} of {size}")
    return DataSet.of(
        table_name(path),
        REGRESSION if amounts else CLASSIFICATION,
        (title,) if amounts else names,
        mode,
        (1, *shape) if side and len(shape) == 2 else (shape[-1], *shape[:2]) if side else shape,
        parts,
        why=f"from the column {title.lower()!r} of {path.name}",
        notes=tuple(notes),
        skipped=skipped,
    )


def numeric_items(file: Path | TableText, columns: NumericColumns, numbers: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """The rows of a table without regard to its labels: values ``(N, L)`` and what each row is called.

    Args:
        file: The table.
        columns: Of it.
        numbers: How many an item has: where one is missing, what was taken for the label is one of them.

    Raises:
        DataError: As :func:`open_numeric`.
    """
    if columns.label is not None and not columns.packed and len(columns.values) == numbers - 1:
        columns = replace(columns, values=tuple(sorted((*columns.values, columns.label))), label=None)
    values, _, _, lines, faults = _numbers(file, replace(columns, label=None))
    if faults:
        refuse_rows(_path(file), faults, _WAY_OUT, isinstance(file, TableText))
    return values, tuple(f"{_path(file).name} {row_text(line, isinstance(file, TableText))}" for line in lines)


def _path(file: Path | TableText) -> Path:
    return file.path if isinstance(file, TableText) else file


def _same_columns(path: Path | TableText, like: NumericColumns) -> NumericColumns | None:
    """The columns of another split's table; None where it has no labels."""
    text = TableText.open(path)
    titles = [title.strip().lower() for title in text.head()[0]]
    if not like.headed:
        return like if len(titles) == len(like.titles) else None
    wanted = [like.titles[i].lower() for i in (*like.values, like.label or 0)]
    if wanted[-1] not in titles:
        return None
    at = {title: i for i, title in enumerate(titles)}
    if missing := [title for title in wanted if title not in at]:
        raise DataError(f"{text.path}: no column {missing[0]!r}, which the training table has")
    columns = [at[title] for title in wanted]
    return NumericColumns(
        tuple(columns[:-1]), columns[-1], None, like.packed, like.pixels, tuple(text.head()[0]), text.headed
    )


def _numbers(
    file: Path | TableText, columns: NumericColumns
) -> tuple[np.ndarray, list[str], list[str], list[int], list[Fault]]:
    """float32 ``(N, L)``, and of each row the label, the split and the line; and the rows that lack a number or it."""
    text = TableText.open(file)
    path = text.path
    values, labels, splits, lines, faults = [], [], [], [], list[Fault]()
    at, comma = columns.values, text.delimiter != ","
    contiguous = at == tuple(range(at[0], at[0] + len(at)))
    try:
        for line, row in enumerate(text.rows(), 1):
            if line == 1 and text.headed:
                continue
            if len(row) != len(columns.titles):
                raise DataError(f"{path}: row {line}: {len(row)} cells, but the first row has {len(columns.titles)}")
            packed = row[at[0]].split() if columns.packed else None
            cells = packed or (row[at[0] : at[0] + len(at)] if contiguous else [row[i] for i in at])
            label = None if columns.label is None else row[columns.label].strip()
            if not label and label is not None:
                faults.append((line, "the label is empty"))
                continue
            numbers = _floats(f"{path}: {row_text(line, text.in_memory)}", cells, comma)
            if numbers is None:
                faults.append((line, "a number is missing"))
                continue
            values.append(numbers)
            labels.append(label or "")
            splits.append(SPLIT_CELLS.get(row[columns.split].strip().lower(), "") if columns.split is not None else "")
            lines.append(line)
    except csv.Error as error:
        raise DataError(f"{path}: row {len(lines) + 1}: {error}; correct or remove it") from None
    if faults and not values:
        refuse_rows(path, faults, _WAY_OUT, text.in_memory)
    if not values:
        raise DataError(f"{path}: a header and no rows; add some")
    lengths = {len(row) for row in values}
    if len(lengths) > 1:
        short, long = min(lengths), max(lengths)
        raise DataError(f"{path}: the rows have between {short} and {long} numbers; all items must have the same size")
    return np.stack(values), labels, splits, lines, faults


def _floats(where: str, cells: Sequence[str], comma: bool) -> np.ndarray | None:
    """float32 ``(L,)``; None where one is missing: empty, or NaN."""
    try:
        row = np.array(cells, np.float32)
    except ValueError:
        if not all(map(str.strip, cells)):
            return None
        found = [parse_number(cell, comma=comma) for cell in cells]
        bad = next((cell for cell, n in zip(cells, found, strict=True) if n is None), "")
        if None in found:
            raise DataError(f"{where}: {bad!r} is not a number; correct it or remove the row") from None
        row = np.array(found, np.float32)
    if np.isnan(row).any():
        return None
    if not np.isfinite(row).all():
        raise DataError(f"{where}: a number is not finite; correct it or remove the row")
    return row


def image_sides(columns: NumericColumns, values: Sequence[np.ndarray]) -> tuple[int, ...]:
    """Height, width and, of colours, channels of the images that the rows are; ``()`` of signals."""
    n = values[0].shape[1]
    if any(other.shape[1] != n for other in values):
        raise DataError(f"the splits have rows of {sorted({v.shape[1] for v in values})} numbers; all must be as long")
    whole = all(((v >= 0) & (v <= 255) & (v == np.floor(v))).all() for v in values)
    grey, colour = math.isqrt(n), math.isqrt(n // 3)
    if not whole or not (columns.pixels or (n >= _SMALLEST and max(v.max() for v in values) > 1)):
        return ()
    if grey * grey == n:
        return grey, grey
    return (colour, colour, 3) if 3 * colour * colour == n and columns.pixels else ()


def _tidied(
    names: tuple[str, ...], read: dict[str, tuple[np.ndarray, list[str], list[int]]]
) -> tuple[tuple[str, ...], dict[str, tuple[np.ndarray, list[str], list[int]]]]:
    """Classes that are whole numbers written with a point (``1.0000000e+00``) as whole numbers."""
    numbers = {name: parse_number(name) for name in names}
    if all(name.lstrip("-").isdigit() for name in names) or any(n is None for n in numbers.values()):
        return names, read

    def tidy(label: str) -> str:
        number = parse_number(label)
        return label if number is None or number != math.floor(number) else str(int(number))

    tidied = {split: (values, [*map(tidy, labels)], lines) for split, (values, labels, lines) in read.items()}
    return class_order({*map(tidy, names)}), tidied
