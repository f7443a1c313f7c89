"""CSV and TSV tables: a row for each image file or text, and its targets."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from striate.datasets.dataset import SPLIT_NAMES, DataSet, Inputs, Part
from striate.datasets.sources.folders import similar_names, typical
from striate.datasets.sources.rows import (
    LABELS,
    CsvTable,
    TableColumns,
    input_column,
    is_whole,
    parse_number,
    read_table,
)
from striate.datasets.sources.targets import amounts_note, class_order
from striate.errors import DataError, counted, listed, listed_quoted
from striate.model.opening import folder_contents, is_image
from striate.model.words import words_of
from striate.tasks import CLASSIFICATION, MULTILABEL, REGRESSION, Task

SUFFIXES = (".csv", ".tsv")
_SHORTEST = 5  # words: the widest kernel of Kim's text networks
_FIT = 99  # of a hundred training texts fit whole
_SEPARATOR = re.compile(r"[|;]")  # of several labels in one cell
_LARGEST = float(np.finfo(np.float32).max)
Targets = tuple[tuple[str, ...], dict[str, np.ndarray]]  # the classes and, by split, the targets


def is_tables(path: Path) -> bool:
    """Whether *path* is a table, or a folder of tables that describes what is in it; DataError as :func:`_tables`."""
    return bool(_tables(path))


def _tables(folder: Path) -> dict[str, Path]:
    """The tables of *folder* by split: ``train.csv`` and its ``val.csv`` and ``test.csv``, or the only table.

    A table itself is its own training split. Nothing where there are other things in *folder* that its only table, by
    its header, does not describe.

    Raises:
        DataError: Two tables for one split; several tables, none called train, and nothing else.
    """
    if not folder.is_dir():
        return {"train": folder} if folder.suffix.lower() in SUFFIXES else {}
    folders, files = folder_contents(folder)
    tables = [path for path in files if path.suffix.lower() in SUFFIXES]
    found: dict[str, Path] = {}
    for path in tables:
        split = SPLIT_NAMES.get(path.stem.lower())
        if split in found:
            raise DataError(f"{folder}: both {found[split].name} and {path.name} are the {split} split; keep one")
        if split:
            found[split] = path
    if "train" in found:
        return found
    if len(tables) == 1:
        return {"train": tables[0]} if not folders or _describes(tables[0]) else {}
    if tables and not folders:
        raise DataError(
            f"{folder}: several tables ({listed(path.name for path in tables)}), none called train{tables[0].suffix}; "
            "rename one or name the file"
        )
    return {}


def open_tables(path: Path, task: Task | None = None) -> DataSet:
    """The data set of the table *path*, or of ``train.csv`` in it and, where they are, ``val.csv`` and ``test.csv``.

    The header names a column of image files, relative to the table's folder (``file``, ``path``, ``image``, ...), or
    of texts (``text``, ``sentence``, ...), and the targets: a column of labels (``label``, ``class``, ...), in which
    ``|`` or ``;`` separates several; or else columns of numbers, under any names. Numbers called ``x`` and ``y``, or
    ``NAME_x`` and ``NAME_y``, are positions in an image. The column ``split`` names each row's split.

    Args:
        path: A table, or a folder for which :func:`is_tables` holds.
        task: What a single column is to be taken for; None: what it looks like.

    Raises:
        DataError: As :func:`~.rows.read_table` and :func:`table_targets`; no such column, a file that does not exist,
            no words at all.
    """
    tables = {split: read_table(file) for split, file in _tables(path).items()}
    whole = tables["train"]
    columns = TableColumns.of(whole)
    for table in tables.values():
        columns.check_in(table, whole)
    if len(tables) == 1 and columns.split:
        tables = whole.split_by(columns.split)
    chosen = natural = task_of(tables["train"], columns.targets)
    if task is not None and not task.per_pixel and len(columns.targets) == 1:
        chosen = task
    classes, targets = table_targets(tables, columns.targets, chosen)
    inputs, names, (mode, shape), notes = _inputs(tables, columns)
    parts = {split: Part(inputs[split], targets[split], names[split]) for split in tables}
    return DataSet(
        _name(whole.path),
        chosen,
        classes,
        mode,
        shape,
        parts["train"],
        parts.get("val"),
        parts.get("test"),
        why=f"{_why(whole, columns)}{', as requested' if chosen != natural else ''}",
        positions=_position_pairs(columns.targets) if chosen.has_positions and not columns.is_text else (),
        notes=(*notes, *_notes(columns, chosen, classes, targets["train"])),
    )


def _inputs(
    tables: dict[str, CsvTable], columns: TableColumns
) -> tuple[dict[str, Inputs], dict[str, tuple[str, ...]], tuple[str, tuple[int, ...]], tuple[str, ...]]:
    """By split the inputs and their names; the mode and the typical shape of an item; notes."""
    path = tables["train"].path
    if columns.is_text:
        texts: dict[str, Inputs] = {split: tuple(table.cells(columns.source)) for split, table in tables.items()}
        names = {split: tuple(f"{t.path.name} line {line}" for line in t.lines) for split, t in tables.items()}
        words, note = _length(path, tables["train"].cells(columns.source))
        return texts, names, ("text", (words,)), (note,)
    files = {split: _files(table, columns.source) for split, table in tables.items()}
    mode, shape, notes = typical(path, files["train"])
    return {**files}, {split: tuple(map(str, paths)) for split, paths in files.items()}, (mode, shape), notes


def _name(path: Path) -> str:
    """The data set's name: the table's; its folder's where that says only which split it is."""
    return path.resolve().parent.name if path.stem.lower() in SPLIT_NAMES else path.stem


def _why(table: CsvTable, columns: TableColumns) -> str:
    s = "" if len(columns.targets) == 1 else "s"
    return f"from the column{s} {listed_quoted(columns.targets)} of {table.path.name}"


def _notes(columns: TableColumns, task: Task, classes: Sequence[str], targets: np.ndarray) -> tuple[str, ...]:
    notes = _flags_note(columns.targets, targets) if task.continuous else similar_names(classes)
    notes += amounts_note(classes, columns.targets[0]) if task.exclusive else ()
    return notes + ((f"columns not used: {listed_quoted(columns.unused)}",) if columns.unused else ())


def _describes(path: Path) -> bool:
    """Whether a table's header names a column of files or texts."""
    try:
        return bool(input_column(read_table(path)))
    except DataError:
        return False


def _files(table: CsvTable, column: str) -> tuple[Path, ...]:
    folder = table.path.parent
    paths, missing = [], []
    for line, cell in zip(table.lines, table.cells(column), strict=True):
        path = os.path.join(folder, cell)
        if not os.path.isfile(path):
            path = os.path.join(folder, cell.replace("\\", "/"))  # a table that was written on Windows
        if not cell or not os.path.isfile(path):
            missing.append((line, f"no file {cell!r} in {folder}" if cell else f"the {column!r} is empty"))
        paths.append(Path(path))
    if missing:
        bare = not any(is_image(cell) for cell in table.cells(column))
        suffix = " and have their suffix (.jpg)" if bare else ""
        table.refuse(missing, f"paths are relative to the table's folder{suffix}; correct them or remove the rows")
    return tuple(paths)


def _length(path: Path, texts: Sequence[str]) -> tuple[int, str]:
    """How many words of a text the network sees, and a note that says it."""
    lengths = np.array([len(words_of(text)) for text in texts])
    if not lengths.any():
        raise DataError(f"{path}: there is no word in any of the {len(texts)} training texts; write some")
    words = max(_SHORTEST, math.ceil(np.percentile(lengths, _FIT)))
    longer = int((lengths > words).sum())
    cut = f"; {longer:,} of {counted(len(texts), 'training text')} are longer and are cut" if longer else ""
    return words, f"a text is {words} words long (the longest has {lengths.max()}){cut}"


def task_of(table: CsvTable, columns: Sequence[str]) -> Task:
    """The task of a training table whose targets are in *columns*: one column of labels, or columns of numbers.

    Labels are several in a cell where any cell contains ``|`` or ``;``; they are a regression's values where most
    are numbers and any is not whole; else they are classes.
    """
    if columns[0] not in LABELS:
        return REGRESSION
    cells = table.cells(columns[0])
    numbers = [n for cell in cells if (n := parse_number(cell, comma=table.comma)) is not None]
    if 2 * len(numbers) > len(cells) and any(n == n and abs(n) < np.inf and not is_whole(n) for n in numbers):
        return REGRESSION
    return MULTILABEL if any(map(_SEPARATOR.search, cells)) else CLASSIFICATION


def table_targets(tables: dict[str, CsvTable], columns: Sequence[str], task: Task) -> Targets:
    """``(classes, {split: targets})`` of the *tables* by split; the classes are those of ``tables["train"]``.

    Raises:
        DataError: An empty label, a cell that is not a finite number, too few classes, one that training lacks.
    """
    if task.continuous:
        train = tables["train"]
        titles = tuple(train.titles[train.columns.index(column)] for column in columns)
        return titles, {split: _numbers(table, columns) for split, table in tables.items()}
    labels = {split: _labels(table, columns[0], task) for split, table in tables.items()}
    classes = class_order({name for row in labels["train"] for name in row})
    if len(classes) < task.min_classes:
        there = f"every label in the column {columns[0]!r} is {classes[0]!r}" if classes else "no row has a label"
        raise DataError(f"{tables['train'].path}: {there}; learning needs two classes or more")
    for split, table in tables.items():
        _check_known(table, labels[split], classes)
    place = {name: i for i, name in enumerate(classes)}
    if task.exclusive:
        return classes, {split: np.array([place[row[0]] for row in rows], np.int64) for split, rows in labels.items()}
    return classes, {split: _several(rows, place) for split, rows in labels.items()}


def _flags_note(columns: Sequence[str], targets: np.ndarray) -> tuple[str, ...]:
    """A note where several columns of numbers are 0 and 1 alone."""
    if len(columns) == 1 or not np.isin(targets, (0, 1)).all():
        return ()
    return ("all values are 0 or 1; if each column is a label that an item has or has not: task multilabel",)


def _numbers(table: CsvTable, columns: Sequence[str]) -> np.ndarray:
    """float32 ``(N, V)``."""
    values, faults = np.empty((len(table.rows), len(columns)), np.float32), []
    for v, column in enumerate(columns):
        for i, cell in enumerate(table.cells(column)):
            value = parse_number(cell, comma=table.comma)
            if value is None or not abs(value) <= _LARGEST:  # a NaN is not less either
                what = (
                    "is not a finite 32-bit number" if value is not None else "is not a number" if cell else "is empty"
                )
                faults.append((table.lines[i], f"{cell!r} in the column {column!r} {what}"))
            else:
                values[i, v] = value
    if faults:
        near = [name for name in columns if name not in LABELS and get_close_matches(name, LABELS, 1, 0.75)]
        meant = f"if {near[0]!r} contains classes, call it label" if near else "a column of classes is called label"
        table.refuse(sorted(faults), f"correct or remove it; {meant}")
    if len(values) > 1 and (values == values[0]).all():
        raise DataError(f"{table.path}: every value of {listed_quoted(columns)} is the same; nothing can be learned")
    return values


def _labels(table: CsvTable, column: str, task: Task) -> list[tuple[str, ...]]:
    cells = table.cells(column)
    if task.several:
        return [tuple(name for piece in _SEPARATOR.split(cell) if (name := piece.strip())) for cell in cells]
    empty = [
        (table.lines[i], f"the label in the column {column!r} is empty") for i, cell in enumerate(cells) if not cell
    ]
    if empty:
        table.refuse(empty, "fill it in or remove the row")
    return [(cell,) for cell in cells]


def _check_known(table: CsvTable, labels: list[tuple[str, ...]], classes: Sequence[str]) -> None:
    known = set(classes)
    strange = {name: table.lines[i] for i, row in reversed([*enumerate(labels)]) for name in row if name not in known}
    if strange:
        lines = listed(f"{name!r} (line {strange[name]})" for name in sorted(strange))
        raise DataError(
            f"{table.path}: class(es) that the training split lacks: {lines}; rename or remove them (it has "
            f"{listed_quoted(classes, 20)})"
        )


def _several(labels: list[tuple[str, ...]], place: dict[str, int]) -> np.ndarray:
    """uint8 ``(N, K)``, 0 or 1."""
    targets = np.zeros((len(labels), len(place)), np.uint8)
    for target, row in zip(targets, labels, strict=True):
        target[[place[name] for name in row]] = 1
    return targets


def _position_pairs(columns: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """The pairs of *columns* that are an x and a y.

    >>> _position_pairs(["age", "x", "y", "nose_y", "nose_x", "tail_x"])
    ((1, 2), (4, 3))
    """
    at = {name: i for i, name in enumerate(columns)}
    xs = [name for name in columns if name == "x" or name.endswith("_x")]
    return tuple((at[x], at[x[:-1] + "y"]) for x in xs if x[:-1] + "y" in at)
