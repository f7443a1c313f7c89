"""What is to be answered, from a table's cells: the task, the classes and the targets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

import numpy as np

from striate.datasets.sources.looking import some
from striate.datasets.sources.rows import Table, is_whole, number
from striate.errors import DataError

LABELS = ("label", "labels", "class", "classes", "category", "categories", "target", "targets", "tag", "tags")
_SEPARATOR = re.compile(r"[|;]")  # of several labels in one cell
_MANY = 20  # whole numbers that are classes: above it somebody may have meant amounts
_LARGEST = float(np.finfo(np.float32).max)
Answers = tuple[tuple[str, ...], dict[str, np.ndarray]]  # the classes and, by part, the targets


def task_of(table: Table, columns: Sequence[str]) -> str:
    """The task of a training table whose answers are in *columns*: one column of labels, or columns of numbers.

    Labels are several in a cell where any cell holds ``|`` or ``;``; they are numbers to be predicted where most are
    numbers and any is not whole; else they are classes.
    """
    if columns[0] not in LABELS:
        return "regression"
    cells = table.cells(columns[0])
    numbers = [n for cell in cells if (n := number(cell, comma=table.comma)) is not None]
    if 2 * len(numbers) > len(cells) and any(n == n and abs(n) < np.inf and not is_whole(n) for n in numbers):
        return "regression"
    return "multilabel" if any(map(_SEPARATOR.search, cells)) else "classification"


def answers(tables: dict[str, Table], columns: Sequence[str], task: str) -> Answers:
    """``(classes, {part: targets})`` of the *tables* by part; the classes are those of ``tables["train"]``.

    Raises:
        DataError: An empty label, a cell that is no finite number, too few classes, one that training lacks.
    """
    if task == "regression":
        train = tables["train"]
        titles = tuple(train.titles[train.columns.index(column)] for column in columns)
        return titles, {part: _numbers(table, columns) for part, table in tables.items()}
    labels = {part: _labels(table, columns[0], task) for part, table in tables.items()}
    classes = in_order({name for row in labels["train"] for name in row})
    if len(classes) < (1 if task == "multilabel" else 2):
        there = f"every label in the column {columns[0]!r} is {classes[0]!r}" if classes else "no row has a label"
        raise DataError(f"{tables['train'].path}: {there}; learning needs two classes or more")
    for part, table in tables.items():
        _check_known(table, labels[part], classes)
    place = {name: i for i, name in enumerate(classes)}
    if task == "classification":
        return classes, {part: np.array([place[row[0]] for row in rows], np.int64) for part, rows in labels.items()}
    return classes, {part: _several(rows, place) for part, rows in labels.items()}


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Class names in their order: alphabetical; by their size where all are whole numbers.

    >>> in_order(["10", "9", "0"]), in_order(["10", "9", "cat"])
    (('0', '9', '10'), ('10', '9', 'cat'))
    """
    names = sorted(names)
    return tuple(sorted(names, key=int) if all(re.fullmatch(r"-?[0-9]{1,18}", name) for name in names) else names)


def of_numbers(classes: Sequence[str], column: str) -> tuple[str, ...]:
    """A note where the *classes* are so many whole numbers that they may be amounts."""
    if len(classes) <= _MANY or not all((n := number(name)) is not None and is_whole(n) for name in classes):
        return ()
    return (f"{len(classes)} whole numbers in {column!r} are taken as classes; if they are amounts: task regression",)


def of_flags(columns: Sequence[str], targets: np.ndarray) -> tuple[str, ...]:
    """A note where several columns of numbers hold 0 and 1 alone."""
    if len(columns) == 1 or not np.isin(targets, (0, 1)).all():
        return ()
    return ("all values are 0 or 1; if each column is a label that an item has or has not: task multilabel",)


def _numbers(table: Table, columns: Sequence[str]) -> np.ndarray:
    """float32 ``(N, V)``."""
    values, faults = np.empty((len(table.rows), len(columns)), np.float32), []
    for v, column in enumerate(columns):
        for i, cell in enumerate(table.cells(column)):
            value = number(cell, comma=table.comma)
            if value is None or not abs(value) <= _LARGEST:  # a NaN is not less either
                what = "is no finite number of 32 bits" if value is not None else "is no number" if cell else "is empty"
                faults.append((table.lines[i], f"{cell!r} in the column {column!r} {what}"))
            else:
                values[i, v] = value
    if faults:
        near = [name for name in columns if name not in LABELS and get_close_matches(name, LABELS, 1, 0.75)]
        meant = f"if {near[0]!r} holds classes, call it label" if near else "a column of classes is called label"
        table.refuse(sorted(faults), f"correct or remove it; {meant}")
    if len(values) > 1 and (values == values[0]).all():
        raise DataError(f"{table.path}: every value of {some(map(repr, columns))} is the same; nothing can be learned")
    return values


def _labels(table: Table, column: str, task: str) -> list[tuple[str, ...]]:
    cells = table.cells(column)
    if task == "multilabel":
        return [tuple(name for part in _SEPARATOR.split(cell) if (name := part.strip())) for cell in cells]
    empty = [
        (table.lines[i], f"the label in the column {column!r} is empty") for i, cell in enumerate(cells) if not cell
    ]
    if empty:
        table.refuse(empty, "fill it in or remove the row")
    return [(cell,) for cell in cells]


def _check_known(table: Table, labels: list[tuple[str, ...]], classes: Sequence[str]) -> None:
    known = set(classes)
    strange = {name: table.lines[i] for i, row in reversed([*enumerate(labels)]) for name in row if name not in known}
    if strange:
        lines = some(f"{name!r} (line {strange[name]})" for name in sorted(strange))
        raise DataError(
            f"{table.path}: class(es) that the training part lacks: {lines}; rename or remove them (it has "
            f"{some(map(repr, classes), 20)})"
        )


def _several(labels: list[tuple[str, ...]], place: dict[str, int]) -> np.ndarray:
    """uint8 ``(N, K)``, 0 or 1."""
    targets = np.zeros((len(labels), len(place)), np.uint8)
    for target, row in zip(targets, labels, strict=True):
        target[[place[name] for name in row]] = 1
    return targets
