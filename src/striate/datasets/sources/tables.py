"""CSV and TSV tables: a row for each image file or text, and its targets."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from striate.datasets.dataset import SPLIT_NAMES, DataSet, Inputs, Part
from striate.datasets.sources.columns import ColumnChoice, TableColumns, base_name, input_columns, is_group
from striate.datasets.sources.folders import similar_names, typical
from striate.datasets.sources.numeric_tables import numeric_columns, open_numeric
from striate.datasets.sources.rows import (
    LABELS,
    CsvTable,
    TableText,
    is_whole,
    parse_number,
    read_table,
)
from striate.datasets.sources.targets import amounts_note, class_order
from striate.errors import DataError, closest, counted, listed, listed_quoted
from striate.files import check_regular
from striate.model.opening import folder_contents, is_hidden, is_image
from striate.model.words import words_of
from striate.tasks import CLASSIFICATION, MULTILABEL, REGRESSION, Task

SUFFIXES = (".csv", ".tsv", ".xlsx", ".parquet")
_LISTS = (".txt", ".lst", ".data", ".tab", "")  # of files that may be tables, by what is in them
_NO_TABLE = re.compile(r"submission|readme|licen[cs]e|class_?dict", re.IGNORECASE)
_FEW = 12  # different numbers: more are amounts
_LONG = 16  # cells separated by blanks: fewer may be a sentence
_SHORTEST = 5  # words: the widest kernel of Kim's text networks
_FIT = 99  # of a hundred training texts fit whole
_SEPARATORS = {"|": "[|;]", ";": "[|;]", ",": ",", " ": r"\s+"}  # of several labels in one cell
_PLURAL = ("labels", "classes", "categories", "targets", "tags", "attribute_ids", "genres", "genre", "emotions")
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
        suffix = folder.suffix.lower()
        return {"train": folder} if suffix in SUFFIXES or (suffix in _LISTS and _is_list(folder)) else {}
    folders, files = folder_contents(folder)
    files = [path for path in files if not _NO_TABLE.search(path.stem)]
    tables = [path for path in files if path.suffix.lower() in SUFFIXES]
    tables = tables or [path for path in files if path.suffix.lower() in _LISTS and _is_list(path)]
    found: dict[str, Path] = {}
    for path in tables:
        split = _split_of(path)
        if split in found:
            exact = [p for p in (found[split], path) if p.stem.lower() in SPLIT_NAMES]
            if len(exact) != 1:
                raise DataError(f"{folder}: both {found[split].name} and {path.name} are the {split} split; keep one")
            found[split] = exact[0]
        elif split:
            found[split] = path
    if "train" in found and (found["train"].stem.lower() in SPLIT_NAMES or not folders or _describes(found["train"])):
        return found
    if folders:
        tables = [path for path in tables if _describes(path)]
    if len(tables) == 1:
        return {"train": tables[0]}
    if tables:
        raise DataError(
            f"{folder}: several tables ({listed(path.name for path in tables)}), none called train{tables[0].suffix}; "
            "rename one or name the file"
        )
    return {}


def _split_of(path: Path) -> str:
    """The split that a table is of by its name: ``train``, ``train_v2``, ``mnist_test``; "" where it names none."""
    words = re.split(r"[^a-z]+", path.stem.lower())
    found = {SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES}
    return found.pop() if len(found) == 1 else ""


def _is_list(path: Path) -> bool:
    """Whether a text file is a table: ``path class`` in each line, or columns."""
    try:
        check_regular(path)
        with path.open("rb") as stream:  # most files that are no table are told by their first bytes
            head = stream.read(2000)
        if b"\0" in head and head[:2] not in (b"\xff\xfe", b"\xfe\xff"):
            return False
        text = TableText.open(path)
        rows = text.head()
        if text.delimiter == " " and not any(map(is_image, rows[0])):
            words = [cell for cell in rows[-1] if parse_number(cell) is None]
            return text.regular and len(rows[0]) > _LONG and len(words) < 2
        return text.regular
    except (DataError, OSError):
        return False


def open_tables(path: Path, task: Task | None = None, choice: ColumnChoice | None = None) -> DataSet:
    """The data set of the table *path*, or of ``train.csv`` in it and, where they are, ``val.csv`` and ``test.csv``.

    The header names a column of image files, relative to the table's folder (``file``, ``path``, ``image``, ...), or
    of texts (``text``, ``sentence``, ...), and the targets: a column of labels (``label``, ``class``, ...), in which
    ``|`` or ``;`` separates several; or else columns of numbers, under any names. Numbers called ``x`` and ``y``, or
    ``NAME_x`` and ``NAME_y``, are positions in an image. The column ``split`` names each row's split, or any column
    whose cells are all names of splits. See :class:`~.columns.TableColumns` for tables that name nothing of this. Rows
    of numbers alone (``label,pixel0,pixel1,...``) are images or signals: :func:`~.numeric_tables.open_numeric`.

    Args:
        path: A table, or a folder for which :func:`is_tables` holds.
        task: What a single column is to be taken for; None: what it looks like.
        choice: The columns that somebody names.

    Raises:
        DataError: As :func:`~.rows.read_table` and :func:`table_targets`; no such column, a file that does not exist,
            no words at all.
    """
    return tables_data_set(_tables(path), task, choice)


def tables_data_set(
    files: Mapping[str, Path | TableText], task: Task | None = None, choice: ColumnChoice | None = None
) -> DataSet:
    """As :func:`open_tables`, of the tables of each split, which are files or in memory."""
    choice = choice or ColumnChoice()
    if numbers := numeric_columns(files["train"], choice):
        return open_numeric(files, numbers, task)
    tables = {split: read_table(file) for split, file in files.items()}
    whole, notes = tables["train"], [note for table in tables.values() for note in table.notes]
    finder = FileFinder(whole.path.parent)
    columns = TableColumns.of(whole, choice, finder.has)
    if "test" in tables and columns.lacking_in(tables["test"]):
        notes.append(f"{tables.pop('test').path.name} skipped: no labels (use it with striate predict)")
    for table in tables.values():
        columns.check_in(table, whole)
    if len(tables) == 1 and columns.split:
        tables = whole.split_by(columns.split)
    chosen = natural = task_of(tables["train"], columns.targets, columns.labels)
    if task is not None and not task.per_pixel and (len(columns.targets) == 1 or chosen != REGRESSION):
        chosen = task
    classes, targets = table_targets(tables, columns.targets, chosen)
    inputs, names, (mode, shape), about_inputs = _inputs(tables, columns, finder)
    groups = {split: tuple(table.cells(columns.group)) if columns.group else () for split, table in tables.items()}
    parts = {split: Part(inputs[split], targets[split], names[split], groups[split]) for split in tables}
    return DataSet(
        table_name(whole.path),
        chosen,
        classes,
        mode,
        shape,
        parts["train"],
        parts.get("val"),
        parts.get("test"),
        why=f"{_why(whole, columns)}{', as requested' if chosen != natural else ''}",
        positions=_position_pairs(columns.targets) if chosen.has_positions and not columns.is_text else (),
        notes=(*about_inputs, *notes, *_notes(columns, chosen, classes, targets["train"], whole)),
    )


def _inputs(
    tables: dict[str, CsvTable], columns: TableColumns, finder: FileFinder
) -> tuple[dict[str, Inputs], dict[str, tuple[str, ...]], tuple[str, tuple[int, ...]], tuple[str, ...]]:
    """By split the inputs and their names; the mode and the typical shape of an item; notes."""
    path = tables["train"].path
    if columns.is_text:
        texts: dict[str, Inputs] = {split: _texts(table, columns.source) for split, table in tables.items()}
        names = {split: tuple(f"{t.path.name} {t.place(line)}" for line in t.lines) for split, t in tables.items()}
        words, note = words_seen(path, [str(text) for text in texts["train"]])
        joined = (f"a text is the columns {listed_quoted(columns.source)}",) if len(columns.source) > 1 else ()
        return texts, names, ("text", (words,)), (note, *joined)
    files = {split: finder.files(table, columns.source[0], split) for split, table in tables.items()}
    mode, shape, notes = typical(path, files["train"])
    if finder.elsewhere:
        notes += (f"the files of {columns.source[0]!r} are in {listed(sorted(finder.elsewhere))}",)
    return {**files}, {split: tuple(map(str, paths)) for split, paths in files.items()}, (mode, shape), notes


def _texts(table: CsvTable, columns: Sequence[str]) -> tuple[str, ...]:
    cells = [table.cells(column) for column in columns]
    return tuple(" ".join(filter(None, row)) for row in zip(*cells, strict=True))


def rows_alone(
    file: Path | TableText, choice: ColumnChoice
) -> tuple[tuple[Path, ...] | tuple[str, ...], tuple[str, ...]]:
    """The files or texts of a table, without regard to its labels, and their names.

    Raises:
        DataError: It cannot be read, has no such column, or a file is not there.
    """
    table = read_table(file)
    finder = FileFinder(table.path.parent)
    columns, is_text = input_columns(table, choice, finder.has)
    if is_text:
        return _texts(table, columns), tuple(f"{table.path.name} {table.place(line)}" for line in table.lines)
    files = finder.files(table, columns[0], "test")
    return files, tuple(map(str, files))


def table_name(path: Path) -> str:
    """The data set's name: the table's; its folder's where that says only which split it is."""
    return path.resolve().parent.name if path.stem.lower() in SPLIT_NAMES else path.stem


def _why(table: CsvTable, columns: TableColumns) -> str:
    s = "" if len(columns.targets) == 1 else "s"
    return f"from the column{s} {listed_quoted(map(table.title, columns.targets))} of {table.path.name}"


def _notes(
    columns: TableColumns, task: Task, classes: Sequence[str], targets: np.ndarray, table: CsvTable
) -> tuple[str, ...]:
    notes = () if task.continuous else similar_names(classes)
    if len(columns.targets) > 1 and not task.continuous:
        one = "has exactly one 1, so it is taken for one class each; else: --task multilabel"
        several = "is of 0 and 1, so each column is a label; if they are amounts: --task regression"
        notes += (f"every row of {listed_quoted(columns.targets)} {one if task.exclusive else several}",)
    elif task.several and (separator := _separator(table, columns.targets[0])) in (",", " "):
        notes += (f"the labels of a cell are separated by {'commas' if separator == ',' else 'blanks'}",)
    notes += amounts_note(classes, columns.targets[0]) if task.exclusive and len(columns.targets) == 1 else ()
    if task.continuous and len(columns.targets) == 1 and _are_few(targets):
        notes += (
            f"{table.title(columns.targets[0])!r} has few different numbers; if they are classes: "
            "--task classification",
        )
    if not columns.group and (groups := [name for name in columns.unused if is_group(table, name)]):
        notes += (f"to keep the rows of one {table.title(groups[0])!r} in one split: --group {groups[0]}",)
    unused = listed_quoted(map(table.title, columns.unused))
    return notes + ((f"columns not used: {unused}",) if columns.unused else ())


def _are_few(values: np.ndarray) -> bool:
    """Whether numbers are whole, few and come again and again, as classes do."""
    different = np.unique(values)
    return (
        len(different) <= _FEW and 4 * len(different) <= len(values) and bool((different == np.floor(different)).all())
    )


def _describes(path: Path) -> bool:
    """Whether a table's header names a column of files or texts."""
    try:
        if numeric_columns(path):
            return True
        table = read_table(path)
        (source, *_), is_text = input_columns(table, found=FileFinder(path.parent).has)
        return is_text or bool(source)
    except DataError:
        return False


class FileFinder:
    """Finds the files that the cells of a table name, relative to its folder or anywhere below it.

    Args:
        folder: The table's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.elsewhere: set[str] = set()  # the folders, where files were found that the cells did not name
        self._index: dict[str, list[str]] | None = None

    def has(self, cell: str) -> bool:
        """Whether *cell* names an image file, with or without its folder and suffix."""
        return bool(cell) and ((is_image(cell) and bool(self._direct(cell))) or bool(self._below(cell)))

    def files(self, table: CsvTable, column: str, split: str) -> tuple[Path, ...]:
        """The files of a *column*.

        Raises:
            DataError: Some are not there, or may be several.
        """
        paths, missing, several = [], [], []
        for line, cell in zip(table.lines, table.cells(column), strict=True):
            if not cell:
                missing.append((line, f"the {column!r} is empty"))
                continue
            if direct := self._direct(cell):
                paths.append(Path(direct))
                continue
            found = [] if _is_foreign(cell) else self._preferred(self._below(cell), split)
            if len(found) == 1:
                paths.append(Path(found[0]))
                self.elsewhere.add(os.path.relpath(os.path.dirname(found[0]), self.folder) + "/")
            elif found:
                several.append(
                    (line, f"{cell!r} is ambiguous: found as {listed(os.path.relpath(p, self.folder) for p in found)}")
                )
            else:
                missing.append((line, f"no file {cell!r} in {self.folder}"))
        if missing:
            table.refuse(missing, self._way_out(table, column))
        if several:
            table.refuse(several, "write paths relative to the table's folder")
        return tuple(paths)

    def _direct(self, cell: str) -> str:
        for name in dict.fromkeys((cell, cell.replace("\\", "/"))):  # a table that was written on Windows
            path = os.path.join(self.folder, name)
            if os.path.isfile(path):
                return path
        return ""

    def _below(self, cell: str) -> list[str]:
        """The images anywhere below the folder of that name, with or without suffix."""
        if self._index is None:
            self._index = {}
            for root, folders, names in os.walk(self.folder):
                folders[:] = sorted(name for name in folders if not is_hidden(name))
                for name in sorted(names):
                    if is_image(name):
                        for key in {name, os.path.splitext(name)[0]}:
                            self._index.setdefault(key, []).append(os.path.join(root, name))
        found = self._index.get(base_name(cell), [])
        inner = os.path.dirname(cell.replace("\\", "/"))
        return [path for path in found if os.path.dirname(path).endswith(inner)] if inner else found

    def _preferred(self, found: list[str], split: str) -> list[str]:
        """Of several, those below a folder that is named after the *split*."""

        def is_of(path: str) -> bool:
            words = re.split(r"[^a-z]+", os.path.relpath(path, self.folder).lower())
            return split in {SPLIT_NAMES.get(word) for word in words}

        return ([path for path in found if is_of(path)] or found) if len(found) > 1 else found

    def _way_out(self, table: CsvTable, column: str) -> str:
        cells = [cell for cell in table.cells(column) if cell]
        cell = next((cell for cell in cells if _is_foreign(cell)), "")
        if cell:
            there = self._below(base_name(cell))
            where = os.path.relpath(there[0], self.folder).replace(os.sep, "/") if there else ""
            if where:
                here = [n for n in range(len(cell)) if where.endswith(cell.replace("\\", "/")[n:])]
                shared = len(cell) - here[0]
                return (
                    f"these are paths of another machine, and {base_name(cell)} is here as {where}: "
                    f"remove {cell[: len(cell) - shared]!r} from all paths"
                )
            return "these are paths of another machine: write them relative to the table's folder"
        bare = not any(map(is_image, cells))
        suffix = " and have their suffix (.jpg)" if bare else ""
        return f"paths are relative to the table's folder{suffix}; correct them or remove the rows"


def _is_foreign(cell: str) -> bool:
    """Whether a cell is the whole path of a file on some machine."""
    return cell.startswith(("/", "\\", "~")) or re.match(r"[A-Za-z]:[\\/]|[a-z]+://", cell) is not None


def words_seen(path: Path, texts: Sequence[str]) -> tuple[int, str]:
    """How many words of a text the network sees, and a note that says it."""
    lengths = np.array([len(words_of(text)) for text in texts])
    if not lengths.any():
        raise DataError(f"{path}: there is no word in any of the {len(texts)} training texts; write some")
    words = max(_SHORTEST, math.ceil(np.percentile(lengths, _FIT)))
    longer = int((lengths > words).sum())
    cut = f"; {longer:,} of {counted(len(texts), 'training text')} are longer and are cut" if longer else ""
    return words, f"texts are padded or cut to {counted(words, 'word')} (longest: {lengths.max()}){cut}"


def task_of(table: CsvTable, columns: Sequence[str], labels: bool) -> Task:
    """The task of a training table whose targets are in *columns*: one column of *labels*, or columns of numbers.

    Labels are several in a cell where any cell contains ``|`` or ``;``, or where a column such as ``tags`` has cells
    of several words; they are a regression's values where most are numbers and any is not whole; else they are
    classes. Several columns of 0 and 1 are classes where every row has exactly one 1, else labels.
    """
    if not labels:
        return _of_flags(table, columns) or REGRESSION
    cells = table.cells(columns[0])
    numbers = [n for cell in cells if (n := parse_number(cell, comma=table.comma)) is not None]
    if 2 * len(numbers) > len(cells) and any(n == n and abs(n) < np.inf and not is_whole(n) for n in numbers):
        return REGRESSION
    return MULTILABEL if _separator(table, columns[0]) else CLASSIFICATION


def _of_flags(table: CsvTable, columns: Sequence[str]) -> Task | None:
    """What several columns of 0 and 1 are; None where they are no such columns."""
    if len(columns) < 2 or _position_pairs(columns):
        return None
    cells = [table.cells(column) for column in columns]
    if any(not {*column} <= {"0", "1", "0.0", "1.0"} for column in cells):
        return None
    ones = [sum(cell[0] == "1" for cell in row) for row in zip(*cells, strict=True)]
    return CLASSIFICATION if {*ones} == {1} else MULTILABEL


def _separator(table: CsvTable, column: str) -> str:
    """What separates several labels in the cells of a *column*; "" where there is one in each.

    Blanks and commas do so only in a column that is called so, and only where parts come again in other cells.
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
    return ""


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
    separator = _separator(tables["train"], columns[0]) or "|"
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


def _flags(values: np.ndarray, task: Task) -> np.ndarray:
    """Columns of 0 and 1 as the targets of a *task*."""
    if not np.isin(values, (0, 1)).all():
        raise DataError(f"the columns of targets contain more than 0 and 1, so the task cannot be {task}")
    if task.exclusive and (values.sum(axis=1) != 1).any():
        row = int(np.flatnonzero(values.sum(axis=1) != 1)[0])
        raise DataError(f"row {row + 1} has {int(values[row].sum())} labels, so the task cannot be {task}")
    return values.argmax(axis=1).astype(np.int64) if task.exclusive else values.astype(np.uint8)


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
        near = [name for name in columns if name not in LABELS and closest(name, LABELS)]
        meant = f"if {near[0]!r} contains classes, call it label" if near else "a column of classes is called label"
        meant += f", or {'name it' if near else 'is named'} with --label {near[0] if near else 'COLUMN'}"
        table.refuse(
            sorted(faults),
            f"correct or remove it; without a column of classes, numbers are regression targets; {meant}",
        )
    if len(values) > 1 and (values == values[0]).all():
        raise DataError(f"{table.path}: every value of {listed_quoted(columns)} is the same; nothing can be learned")
    return values


def _labels(table: CsvTable, column: str, task: Task, separator: str) -> list[tuple[str, ...]]:
    cells = table.cells(column)
    if task.several:
        return [tuple(_pieces(cell, separator)) for cell in cells]
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
