"""CSV and TSV tables: a row for each image file or text, and its targets."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from striate.datasets.dataset import SPLIT_NAMES, SPLITS, Broken, DataSet, Inputs, Part
from striate.datasets.sources.columns import (
    ColumnChoice,
    TableColumns,
    are_files,
    input_columns,
    is_called_file,
    is_group,
)
from striate.datasets.sources.folders import similar_names, typical
from striate.datasets.sources.folders_splits import split_role
from striate.datasets.sources.numeric_tables import numeric_columns, open_numeric
from striate.datasets.sources.packages import parquet_shards
from striate.datasets.sources.records import RECORDS, plain_path, table_name
from striate.datasets.sources.rows import CsvTable, TableText, parse_number, read_table
from striate.datasets.sources.run_lengths import RunColumns, run_lengths_data_set
from striate.datasets.sources.tables_files import FileFinder
from striate.datasets.sources.tables_targets import (
    classes_named,
    complete_rows,
    label_separator,
    position_pairs,
    table_targets,
    task_of,
)
from striate.datasets.sources.targets import amounts_note
from striate.errors import DataError, counted, listed, listed_quoted
from striate.files import PREDICTED_NOTES, check_regular
from striate.model.opening import each_image_under, folder_contents, is_image
from striate.model.words import words_of
from striate.tasks import REGRESSION, Task

SUFFIXES = (".csv", ".tsv", ".xlsx", ".parquet", ".jsonl", ".ndjson")
NAMED = (*SUFFIXES, ".json")  # of a file that somebody names: in a folder JSON may be anything
_LISTS = (".txt", ".lst", ".data", ".tab", ".json", "")  # of files that may be tables, by what is in them
_NO_TABLE = re.compile(r"submission|readme|licen[cs]e|class_?dict", re.IGNORECASE)
_OF_LABELS = {"metadata", "labels", *SPLIT_NAMES}  # what JSON beside class folders is called that describes them
_PREDICTED = (".csv", ".jsonl", ".parquet")  # what predictions are written as
_OBJECT = re.compile(r"^(x_?min|x1|left|bbox|box|xmax|encoded_?pixels|rle.*|.*_rle|segmentation|polygon)$")
_FEW = 12  # different numbers: more are amounts
_LINE = 1 << 16  # bytes of a table's first rows
_LONG = 16  # cells separated by blanks: fewer may be a sentence
_SHORTEST = 5  # words: the widest kernel of Kim's text networks
_FIT = 99  # of a hundred training texts fit whole


def is_tables(path: Path) -> bool:
    """Whether *path* is a table, or a folder of tables that describes what is in it; DataError as :func:`_tables`."""
    return bool(_tables(path))


def _tables(folder: Path) -> dict[str, Path]:
    """The tables of *folder* by split: ``train.csv`` and its ``val.csv`` and ``test.csv``, or the only table.

    A table itself is its own training split. Nothing where there are other things in *folder* that its only table, by
    its header, does not describe. Beside class folders of images a column of numbers describes nothing, and JSON only
    where most of its files exist. What predictions are written to is no table of labels.

    Raises:
        DataError: Two tables for one split; several tables, none called train, and nothing else.
    """
    if not folder.is_dir():
        suffix = plain_path(folder).suffix.lower()
        whole = suffix in NAMED or (suffix in _LISTS and _is_list(folder))
        return {"train": folder} if whole else {}
    folders, files = folder_contents(folder)
    files = [path for path in files if not _NO_TABLE.search(path.stem) and not _is_predicted(path)]
    tables = [path for path in files if plain_path(path).suffix.lower() in SUFFIXES]
    tables = [path for path in tables if parquet_shards(path)[0] == path]
    if not tables:
        many = sum(path.suffix.lower() == ".json" for path in files) > _FEW  # they are of an image each
        lists = [path for path in files if path.suffix.lower() in _LISTS and not (many and path.suffix)]
        tables = [path for path in lists if _is_list(path)]
    classes = bool(tables) and _are_classes(folders)
    if classes:
        tables = [path for path in tables if plain_path(path).stem.lower() in SPLIT_NAMES or _describes(path, classes)]
    found: dict[str, Path] = {}
    for path in tables:
        split = _split_of(path)
        if split in found:
            exact = [p for p in (found[split], path) if plain_path(p).stem.lower() in SPLIT_NAMES]
            if len(exact) != 1:
                raise DataError(f"{folder}: both {found[split].name} and {path.name} are the {split} split; keep one")
            found[split] = exact[0]
        elif split:
            found[split] = path
    if "train" in found:
        train = found["train"]
        if plain_path(train).stem.lower() in SPLIT_NAMES or not folders or _describes(train, classes):
            return found
    if folders:
        tables = [path for path in tables if _describes(path, classes)]
    if len(tables) == 1:
        return {"train": tables[0]}
    if tables:
        raise DataError(
            f"{folder}: several tables ({listed(path.name for path in tables)}), none called train{tables[0].suffix}; "
            "rename one or name the file"
        )
    return _in_splits(folders)


def _in_splits(folders: Sequence[Path]) -> dict[str, Path]:
    """The only table in each split's folder that describes what is in it: ``train/metadata.csv``."""
    found: dict[str, Path] = {}
    for folder in folders:
        role = split_role(folder.name)
        if role in SPLITS and role not in found:
            inner, files = folder_contents(folder)
            tables = [path for path in files if plain_path(path).suffix.lower() in SUFFIXES and not _is_predicted(path)]
            tables = [path for path in tables if _describes(path)]
            if len(inner) < 2 and len(tables) == 1:
                found[role] = tables[0]
    return found if "train" in found else {}


def _are_classes(folders: Sequence[Path]) -> bool:
    """Whether several *folders*, or several in a split's folder among them, have images: they may be classes."""
    places = [[folder for folder in folders if not split_role(folder.name)]]
    places += [folder_contents(folder)[0] for folder in folders if split_role(folder.name)]
    return any(sum(any(each_image_under(folder)) for folder in place) > 1 for place in places)


def _is_predicted(path: Path) -> bool:
    """Whether ``predict`` wrote a table: by the note beside it, or by its first rows."""
    if path.suffix.lower() not in _PREDICTED:
        return False
    if any(path.with_name(path.name + ending).exists() for ending in PREDICTED_NOTES):
        return True
    try:
        check_regular(path)
        with path.open("rb") as stream:
            first, second = (stream.readline(_LINE).decode() for _ in range(2))
        if path.suffix.lower() == ".jsonl":
            row = json.loads(first)
            return "file" in row and any("{" in json.dumps(row.get(key)) for key in ("top", "probabilities", "values"))
        titles, cells = next(csv.reader([first])), next(csv.reader([second]), None) or [""]
    except (ValueError, OSError, csv.Error, StopIteration, TypeError, AttributeError):
        return False
    return len(titles) > 2 and (titles[0], titles[-1]) == ("file", "error") and parse_number(cells[-1]) is None


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
        if text.in_memory and len(rows) < 3:
            return False  # one object: settings, or what somebody says of the data
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
    files = _tables(path)
    dataset = tables_data_set(files, task, choice)
    inside = path.is_dir() and files["train"].parent != path
    return replace(dataset, name=path.resolve().name) if inside else dataset


def tables_data_set(
    files: Mapping[str, Path | TableText], task: Task | None = None, choice: ColumnChoice | None = None
) -> DataSet:
    """As :func:`open_tables`, of the tables of each split, which are files or in memory."""
    choice = choice or ColumnChoice()
    if numbers := numeric_columns(files["train"], choice):
        return open_numeric(files, numbers, task)
    tables = {split: read_table(file) for split, file in files.items()}
    whole, notes = tables["train"], [note for table in tables.values() for note in table.notes]
    finders = {place: FileFinder(place) for place in dict.fromkeys(table.path.parent for table in tables.values())}
    if runs := RunColumns.of(whole, choice):
        return replace(run_lengths_data_set(tables, runs, finders, task, choice), name=table_name(whole.path))
    columns = TableColumns.of(whole, choice, finders[whole.path.parent].has)
    if "test" in tables and columns.lacking_in(tables["test"]):
        notes.append(f"{tables.pop('test').path.name} skipped: no labels (use it with striate predict)")
    for table in tables.values():
        columns.check_in(table, whole)
    if len(tables) == 1 and columns.split:
        tables = whole.split_by(columns.split)
    chosen = natural = task_of(tables["train"], columns.targets, columns.labels)
    if task is not None and not task.per_pixel and (len(columns.targets) == 1 or chosen != REGRESSION):
        chosen = task
    tables, files_of, skipped = _complete(tables, columns, chosen, finders)
    classes, targets = table_targets(tables, columns.targets, chosen)
    classes, about_classes = classes_named(whole.path, classes) if not chosen.continuous else (classes, ())
    inputs, names, (mode, shape), about_inputs = _inputs(tables, files_of, columns, finders)
    groups = {split: tuple(table.cells(columns.group)) if columns.group else () for split, table in tables.items()}
    others = {
        split: {table.title(name): tuple(table.cells(name)) for name in columns.unused if name in table.columns}
        for split, table in tables.items()
    }
    parts = {split: Part(inputs[split], targets[split], names[split], groups[split], others[split]) for split in tables}
    return DataSet.of(
        table_name(whole.path),
        chosen,
        classes,
        mode,
        shape,
        parts,
        why=f"{_why(whole, columns)}{', as requested' if chosen != natural else ''}",
        positions=position_pairs(columns.targets) if chosen.has_positions and not columns.is_text else (),
        notes=(*about_inputs, *about_classes, *notes, *_notes(columns, chosen, classes, targets["train"], whole)),
        skipped=skipped,
    )


def _complete(
    tables: dict[str, CsvTable], columns: TableColumns, task: Task, finders: Mapping[Path, FileFinder]
) -> tuple[dict[str, CsvTable], dict[str, tuple[Path, ...]], tuple[Broken, ...]]:
    """By split the rows that have a target and whose file is there, and the files; and the rows that are skipped."""
    rows: dict[str, CsvTable] = {}
    files: dict[str, tuple[Path, ...]] = {}
    skipped: tuple[Broken, ...] = ()
    for split, table in tables.items():
        rows[split], without = complete_rows(table, columns.targets, task)
        skipped += without
        if not columns.is_text:
            finder = finders[table.path.parent]
            rows[split], files[split], without = finder.files(rows[split], columns.source[0], split)
            skipped += without
    return rows, files, skipped


def _inputs(
    tables: dict[str, CsvTable],
    files: dict[str, tuple[Path, ...]],
    columns: TableColumns,
    finders: Mapping[Path, FileFinder],
) -> tuple[dict[str, Inputs], dict[str, tuple[str, ...]], tuple[str, tuple[int, ...]], tuple[str, ...]]:
    """By split the inputs and their names; the mode and the typical shape of an item; notes."""
    path = tables["train"].path
    if columns.is_text:
        texts: dict[str, Inputs] = {split: _texts(table, columns.source) for split, table in tables.items()}
        names = {split: tuple(f"{t.path.name} {t.place(line)}" for line in t.lines) for split, t in tables.items()}
        words, note = words_seen(path, [str(text) for text in texts["train"]])
        joined = (f"a text is the columns {listed_quoted(columns.source)}",) if len(columns.source) > 1 else ()
        return texts, names, ("text", (words,)), (note, *joined)
    mode, shape, notes = typical(path, files["train"])
    if elsewhere := {place for finder in finders.values() for place in finder.elsewhere}:
        notes += (f"the files of {columns.source[0]!r} are in {listed(sorted(elsewhere))}",)
    if padded := next((pair for finder in finders.values() for pair in finder.padded.items()), None):
        notes += (f"{columns.source[0]!r} is matched by number: {padded[0]} is {padded[1]}",)
    return {**files}, {split: tuple(map(str, paths)) for split, paths in files.items()}, (mode, shape), notes


def _texts(table: CsvTable, columns: Sequence[str]) -> tuple[str, ...]:
    cells = [table.cells(column) for column in columns]
    return tuple(" ".join(filter(None, row)) for row in zip(*cells, strict=True))


def rows_alone(
    file: Path | TableText, choice: ColumnChoice
) -> tuple[tuple[Path, ...] | tuple[str, ...], tuple[str, ...]]:
    """The files or texts of a table, without regard to its labels, and their names.

    Raises:
        DataError: It cannot be read, has no such column, or none of the files is there.
    """
    table = read_table(file)
    finder = FileFinder(table.path.parent)
    columns, is_text = input_columns(table, choice, finder.has)
    if is_text:
        return _texts(table, columns), tuple(f"{table.path.name} {table.place(line)}" for line in table.lines)
    found, missing = finder.cells(table, columns[0], "test")
    if len(missing) == len(found):
        finder.files(table, columns[0], "test")  # says why
    files = [path or table.path.parent / cell for path, cell in zip(found, table.cells(columns[0]), strict=True)]
    lines = (f"{table.path.name} {table.place(line)}" for line in table.lines)
    named = zip(files, table.cells(columns[0]), lines, strict=True)
    return tuple(files), tuple(str(path) if cell else line for path, cell, line in named)


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
    elif task.several and (separator := label_separator(table, columns.targets[0])) in (",", " "):
        by = "commas" if separator == "," else "blanks"
        notes += (f"the labels of a cell are separated by {by}; if each cell is one class: --task classification",)
    notes += amounts_note(classes, columns.targets[0]) if task.exclusive and len(columns.targets) == 1 else ()
    if task.continuous and len(columns.targets) == 1 and _are_few(targets):
        notes += (
            f"{table.title(columns.targets[0])!r} has few different numbers; if they are classes: "
            "--task classification",
        )
    if not columns.group and (groups := [name for name in columns.unused if is_group(table, name)]):
        notes += (f"to keep the rows of one {table.title(groups[0])!r} in one split: --group {groups[0]}",)
    if not columns.is_text and (repeated := len(table.rows) - len({*table.cells(columns.source[0])})):
        notes += (_several_rows(table, columns, repeated),)
    unused = listed_quoted(map(table.title, columns.unused))
    return notes + ((f"columns not used: {unused}",) if columns.unused else ())


def _several_rows(table: CsvTable, columns: TableColumns, repeated: int) -> str:
    """What is to be known of images that stand in several rows."""
    source = table.cells(columns.source[0])
    unlike = len({*zip(source, *map(table.cells, columns.targets), strict=True)}) - len({*source})
    note = f"{counted(repeated, 'row')} name an image again" + (f", {unlike:,} with another target" if unlike else "")
    objects = [name for name in columns.unused if _OBJECT.search(name)]
    if not objects:
        return f"{note}; each row is an item"
    return (
        f"{note}: its objects, whose places ({table.title(objects[0])!r}) are not read; write one row for each image, "
        "with all its labels (cat|dog), or masks as images"
    )


def _are_few(values: np.ndarray) -> bool:
    """Whether numbers are whole, few and come again and again, as classes do."""
    different = np.unique(values)
    return (
        len(different) <= _FEW and 4 * len(different) <= len(values) and bool((different == np.floor(different)).all())
    )


def _describes(path: Path, classes: bool = False) -> bool:
    """Whether a table's header names a column of files or texts; and beside class folders, more than that."""
    finder = FileFinder(path.parent)
    try:
        if not classes and numeric_columns(path):
            return True
        table = read_table(path)
        if RunColumns.of(table):
            return True
        if not classes:
            input_columns(table, found=finder.has)
            return True
        (source, *_), is_text = input_columns(table, found=lambda cell, _: finder.has(cell))
        if path.suffix.lower() in RECORDS and path.stem.lower() not in _OF_LABELS:
            return not is_text and are_files(table, source, lambda cell, _: finder.has(cell))
        return is_text or is_called_file(source) or not all(map(str.isdecimal, table.cells(source)))
    except DataError:
        return False


def words_seen(path: Path, texts: Sequence[str]) -> tuple[int, str]:
    """How many words of a text the network sees, and a note that says it."""
    lengths = np.array([len(words_of(text)) for text in texts])
    if not lengths.any():
        raise DataError(f"{path}: there is no word in any of the {len(texts)} training texts; write some")
    words = max(_SHORTEST, math.ceil(np.percentile(lengths, _FIT)))
    longer = int((lengths > words).sum())
    cut = f"; {longer:,} of {counted(len(texts), 'training text')} are longer and are cut" if longer else ""
    return words, f"texts are padded or cut to {counted(words, 'word')} (longest: {lengths.max()}){cut}"
