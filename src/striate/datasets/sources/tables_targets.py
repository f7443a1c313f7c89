"""The targets in the columns of a table: which task they are of, and as numbers; classes, labels or values."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from striate.datasets.dataset import Broken
from striate.datasets.sources.rows import LABELS, CsvTable, is_whole, parse_number
from striate.datasets.sources.targets import class_order
from striate.errors import DataError, closest, listed, listed_quoted
from striate.files import read_json
from striate.model.opening import folder_contents
from striate.tasks import CLASSIFICATION, MULTILABEL, REGRESSION, Task

_SEPARATORS = {"|": "[|;]", ";": "[|;]", ",": ",", " ": r"\s+"}  # of several labels in one cell
_PLURAL = ("labels", "classes", "categories", "targets", "tags", "attribute_ids", "genres", "genre", "emotions")
_NO_LABEL = {"", "NaN", "nan"}  # cells that say that there is none
_NO_NUMBER = {"", "nan", "-nan", "na", "n/a", "#n/a", "null", "none"}
_LARGEST = float(np.finfo(np.float32).max)
_FEW, _SMALL = 8, 1 << 20  # JSON files beside a table that are looked into, and their bytes, at most
Targets = tuple[tuple[str, ...], dict[str, np.ndarray]]  # the classes and, by split, the targets


def task_of(table: CsvTable, columns: Sequence[str], labels: bool) -> Task:
    """The task of a training table whose targets are in *columns*: one column of *labels*, or columns of numbers.

    Labels are several in a cell where any cell contains ``|`` or ``;``, or where a column such as ``tags`` has cells
    of several words; they are a regression's values where most are numbers and any is not whole; else they are
    classes. Several columns of 0 and 1 are classes where every row has exactly one 1, else labels.
    """
    if not labels:
        return _of_flags(table, columns) or REGRESSION
    cells = [cell for cell in table.cells(columns[0]) if not _is_no_number(cell)]
    numbers = [n for cell in cells if (n := parse_number(cell, comma=table.comma)) is not None]
    if 2 * len(numbers) > len(cells) and any(n == n and abs(n) < np.inf and not is_whole(n) for n in numbers):
        return REGRESSION
    return MULTILABEL if label_separator(table, columns[0]) else CLASSIFICATION


def _of_flags(table: CsvTable, columns: Sequence[str]) -> Task | None:
    """What several columns of 0 and 1 are; None where they are no such columns."""
    if len(columns) < 2 or position_pairs(columns):
        return None
    rows = [row for row in zip(*map(table.cells, columns), strict=True) if not any(map(_is_no_number, row))]
    if not rows or not {cell for row in rows for cell in row} <= {"0", "1", "0.0", "1.0"}:
        return None
    ones = [sum(cell[0] == "1" for cell in row) for row in rows]
    return CLASSIFICATION if {*ones} == {1} else MULTILABEL


def label_separator(table: CsvTable, column: str) -> str:
    """What separates several labels in the cells of a *column*; "" where there is one in each.

    Blanks and commas do so only in a column that is called so, and only where parts come again in other cells; commas
    also where every part is the whole of another cell.
    """
    cells = {*table.cells(column)}
    for separator in ("|", ";"):
        if any(separator in cell for cell in cells):
            return separator
    plural = column in _PLURAL or column.split()[-1:] == ["labels"]
    for separator in (",", " ") if plural else ():
        several = [_pieces(cell, separator) for cell in cells]
        if len({piece for row in several for piece in row}) < sum(map(len, several)) and max(map(len, several)) > 1:
            return separator
    return "," if _are_joined(cells) else ""


def _are_joined(cells: set[str]) -> bool:
    """Whether some cells are others joined by commas: ``anger,joy`` beside ``anger`` and ``joy``."""
    joined = [pieces for cell in cells if len(pieces := _pieces(cell, ",")) > 1]
    return bool(joined) and all({*pieces} <= cells for pieces in joined)


def _pieces(cell: str, separator: str) -> list[str]:
    """The labels in a cell; of a list as Python writes it (``['a', 'b']``) too."""
    found = (piece.strip(" '\"") for piece in re.split(_SEPARATORS[separator], cell.strip("[](){} ")))
    return [piece for piece in found if piece]


def table_targets(tables: dict[str, CsvTable], columns: Sequence[str], task: Task) -> Targets:
    """``(classes, {split: targets})`` of the *tables* by split; the classes are those of ``tables["train"]``.

    Raises:
        DataError: An empty label, a cell that is not a finite number, too few classes, one that training lacks.
    """
    if task.continuous or len(columns) > 1:
        titles = tuple(map(tables["train"].title, columns))
        values = {split: _numbers(table, columns) for split, table in tables.items()}
        return titles, values if task.continuous else {split: _flags(v, task) for split, v in values.items()}
    separator = label_separator(tables["train"], columns[0]) or "|"
    labels = {split: _labels(table, columns[0], task, separator) for split, table in tables.items()}
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


def classes_named(path: Path, classes: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Class numbers of the table *path* by the names that a JSON beside it has for them all, ``{"0": "cat", ...}``; and
    a note that says so.
    """
    if not path.is_file() or not all(map(str.isdecimal, classes)):
        return classes, ()
    beside = [file for file in folder_contents(path.parent)[1] if file.suffix.lower() == ".json"]
    for file in beside if len(beside) <= _FEW else ():
        with suppress(OSError, ValueError):
            said = read_json(file, _SMALL)
            found = said if isinstance(said, dict) else {}
            names = tuple(found[number] for number in classes if isinstance(found.get(number), str))
            if len({*names}) == len(classes):
                return names, (f"the classes are called as in {file.name}",)
    return classes, ()


def _flags(values: np.ndarray, task: Task) -> np.ndarray:
    """Columns of 0 and 1 as the targets of a *task*."""
    if not np.isin(values, (0, 1)).all():
        raise DataError(f"the columns of targets contain more than 0 and 1, so the task cannot be {task}")
    if task.exclusive and (values.sum(axis=1) != 1).any():
        row = int(np.flatnonzero(values.sum(axis=1) != 1)[0])
        raise DataError(f"row {row + 1} has {int(values[row].sum())} labels, so the task cannot be {task}")
    return values.argmax(axis=1).astype(np.int64) if task.exclusive else values.astype(np.uint8)


def complete_rows(table: CsvTable, columns: Sequence[str], task: Task) -> tuple[CsvTable, tuple[Broken, ...]]:
    """The rows that have a target in all *columns*, and the others, which are skipped; of several labels in a cell it
    may have none.

    Raises:
        DataError: Most rows have none.
    """
    if task.several and len(columns) == 1:
        return table, ()
    is_none: Callable[[str], bool]
    if task.continuous or len(columns) > 1:
        what, way_out, is_none = "the number", _about_numbers(columns), _is_no_number
    else:
        what, way_out, is_none = "the label", "fill it in or remove the row", _NO_LABEL.__contains__
    found = {
        line: f"{what} in the column {column!r} is {repr(cell) if cell else 'empty'}"
        for column in reversed(columns)
        for line, cell in zip(table.lines, table.cells(column), strict=True)
        if is_none(cell)
    }
    return table.without(sorted(found.items()), way_out)


def _is_no_number(cell: str) -> bool:
    """Whether a cell says that there is no number, as spreadsheets and programs write it."""
    return cell.lower() in _NO_NUMBER


def _about_numbers(columns: Sequence[str]) -> str:
    """The way out where something in the *columns* is no number."""
    if {*columns} & {*LABELS}:
        return "correct or remove it; if these are classes, use --task classification"
    near = [name for name in columns if name not in LABELS and closest(name, LABELS)]
    meant = f"if {near[0]!r} contains classes, call it label" if near else "a column of classes is called label"
    meant += f", or {'name it' if near else 'is named'} with --label {near[0] if near else 'COLUMN'}"
    return f"correct or remove it; without a column of classes, numbers are regression targets; {meant}"


def _numbers(table: CsvTable, columns: Sequence[str]) -> np.ndarray:
    """float32 ``(N, V)``."""
    values, faults = np.empty((len(table.rows), len(columns)), np.float32), []
    for v, column in enumerate(columns):
        for i, cell in enumerate(table.cells(column)):
            value = parse_number(cell, comma=table.comma)
            if value is None or not abs(value) <= _LARGEST:  # a NaN is not less either
                what = "is not a finite 32-bit number" if value is not None else "is not a number"
                faults.append((table.lines[i], f"{cell!r} in the column {column!r} {what}"))
            else:
                values[i, v] = value
    if faults:
        table.refuse(sorted(faults), _about_numbers(columns))
    if len(values) > 1 and (values == values[0]).all():
        raise DataError(f"{table.path}: every value of {listed_quoted(columns)} is the same; nothing can be learned")
    return values


def _labels(table: CsvTable, column: str, task: Task, separator: str) -> list[tuple[str, ...]]:
    cells = table.cells(column)
    if task.several:
        return [tuple(_pieces(cell, separator)) for cell in cells]
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


def position_pairs(columns: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """The pairs of *columns* that are an x and a y.

    >>> position_pairs(["age", "x", "y", "nose_y", "nose_x", "tail_x"])
    ((1, 2), (4, 3))
    """
    at = {name: i for i, name in enumerate(columns)}
    xs = [name for name in columns if name == "x" or name.endswith("_x")]
    return tuple((at[x], at[x[:-1] + "y"]) for x in xs if x[:-1] + "y" in at)
