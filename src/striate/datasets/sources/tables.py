"""CSV and TSV tables: a row for each image file or text, and what is to be answered for it."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from striate.datasets.dataset import DataSet, Inputs, Part
from striate.datasets.sources.answers import answers, of_flags, of_numbers, task_of
from striate.datasets.sources.columns import KNOWN, Columns, check_same, columns_of, input_of, parts_of, positions
from striate.datasets.sources.folders import contents
from striate.datasets.sources.looking import SPLITS, alike, count, is_image, some, typical
from striate.datasets.sources.rows import Table, read_table
from striate.errors import DataError
from striate.model.words import words_of

SUFFIXES = (".csv", ".tsv")
_SHORTEST = 5  # words: the widest kernel of Kim's text networks
_MOST = 99  # of a hundred training texts fit whole


def find_tables(folder: Path) -> dict[str, Path]:
    """The tables of *folder* by part: ``train.csv`` and its ``val.csv`` and ``test.csv``, or the only table.

    Nothing where there are other things in *folder* that its only table, by its header, does not describe.

    Raises:
        DataError: Two tables for one part; several tables, none called train, and nothing else.
    """
    folders, files = contents(folder)
    tables = [path for path in files if path.suffix.lower() in SUFFIXES]
    parts: dict[str, Path] = {}
    for path in tables:
        part = SPLITS.get(path.stem.lower())
        if part in parts:
            raise DataError(f"{folder}: both {parts[part].name} and {path.name} are the {part} part; keep one")
        if part:
            parts[part] = path
    if "train" in parts:
        return parts
    if len(tables) == 1:
        return {"train": tables[0]} if not folders or _describes(tables[0]) else {}
    if tables and not folders:
        raise DataError(
            f"{folder}: several tables ({some(path.name for path in tables)}), none called train{tables[0].suffix}; "
            "rename one or name the file"
        )
    return {}


def open_tables(files: dict[str, Path], task: str | None = None) -> DataSet:
    """The data set of the table ``files["train"]`` and, where they are, of ``"val"`` and ``"test"``.

    The header names a column of image files, relative to the table's folder (``file``, ``path``, ``image``, ...), or
    of texts (``text``, ``sentence``, ...), and what is to be answered: a column of labels (``label``, ``class``,
    ...), in which ``|`` or ``;`` separates several; or else columns of numbers, under any names. Numbers called ``x``
    and ``y``, or ``NAME_x`` and ``NAME_y``, are positions in an image. The column ``split`` says each row's part.

    Args:
        files: The tables by part.
        task: What a single column is to be taken for; None: what it looks like.

    Raises:
        DataError: As :func:`~.rows.read_table` and :func:`~.answers.answers`; no such column,
            a file that is not there, no words at all.
    """
    tables = {part: read_table(path, KNOWN) for part, path in files.items()}
    whole = tables["train"]
    columns = columns_of(whole)
    for table in tables.values():
        check_same(whole, table, columns)
    if len(files) == 1 and columns.split:
        tables = parts_of(whole, columns.split)
    chosen = natural = task_of(tables["train"], columns.answers)
    if task in ("classification", "multilabel", "regression") and len(columns.answers) == 1:
        chosen = task
    classes, targets = answers(tables, columns.answers, chosen)
    inputs, names, shape, notes = _inputs(tables, columns)
    return DataSet(
        _name(whole.path),
        chosen,
        classes,
        *shape,
        **{part: Part(inputs[part], targets[part], names[part]) for part in tables},
        why=f"{_why(whole, columns)}{', as asked for' if chosen != natural else ''}",
        positions=positions(columns.answers) if chosen == "regression" and not columns.is_text else (),
        notes=(*notes, *_notes(columns, chosen, classes, targets["train"])),
    )


Read = tuple[dict[str, Inputs], dict[str, tuple[str, ...]], tuple[str, tuple[int, ...]], tuple[str, ...]]


def _inputs(tables: dict[str, Table], columns: Columns) -> Read:
    """By part the inputs and their names; the mode and what is typical of an item; notes."""
    path = tables["train"].path
    if columns.is_text:
        texts = {part: tuple(table.cells(columns.source)) for part, table in tables.items()}
        names = {part: tuple(f"{t.path.name} line {line}" for line in t.lines) for part, t in tables.items()}
        words, note = _length(path, texts["train"])
        return texts, names, ("text", (words,)), (note,)
    files = {part: _files(table, columns.source) for part, table in tables.items()}
    mode, shape, notes = typical(path, files["train"])
    return files, {part: tuple(map(str, paths)) for part, paths in files.items()}, (mode, shape), notes


def _name(path: Path) -> str:
    """The data set's name: the table's; its folder's where that says only which part it is."""
    return path.resolve().parent.name if path.stem.lower() in SPLITS else path.stem


def _why(table: Table, columns: Columns) -> str:
    s = "" if len(columns.answers) == 1 else "s"
    return f"from the column{s} {some(map(repr, columns.answers))} of {table.path.name}"


def _notes(columns: Columns, task: str, classes: Sequence[str], targets: np.ndarray) -> tuple[str, ...]:
    notes = of_flags(columns.answers, targets) if task == "regression" else alike(classes)
    notes += of_numbers(classes, columns.answers[0]) if task == "classification" else ()
    return notes + ((f"columns not used: {some(map(repr, columns.unused))}",) if columns.unused else ())


def _describes(path: Path) -> bool:
    """Whether a table's header names a column of files or texts."""
    try:
        return bool(input_of(read_table(path, KNOWN)))
    except DataError:
        return False


def _files(table: Table, column: str) -> tuple[Path, ...]:
    folder = table.path.parent
    paths, missing = [], []
    for line, cell in zip(table.lines, table.cells(column), strict=True):
        path = os.path.join(folder, cell)
        if not os.path.isfile(path):
            path = os.path.join(folder, cell.replace("\\", "/"))  # a table that was written on Windows
        if not cell or not os.path.isfile(path):
            missing.append((line, f"there is no file {cell!r} in {folder}" if cell else f"the {column!r} is empty"))
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
    words = max(_SHORTEST, math.ceil(np.percentile(lengths, _MOST)))
    longer = int((lengths > words).sum())
    cut = f"; {longer:,} of {count(len(texts), 'training text')} are longer and are cut" if longer else ""
    return words, f"a text is {words} words long (the longest has {lengths.max()}){cut}"
