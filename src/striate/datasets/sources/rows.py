"""The rows of a CSV or TSV file, each with the line that it begins in, and what its columns are by their names."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

from striate.datasets.dataset import SPLIT_NAMES, SPLITS
from striate.errors import DataError, counted, listed, listed_quoted, nearest
from striate.model.opening import is_image

FILES = (
    "file", "files", "path", "filepath", "file_path", "filename", "file_name", "image", "images", "image_path", "img",
)  # fmt: skip
TEXTS = ("text", "texts", "sentence", "sentences", "review", "reviews", "comment")
LABELS = ("label", "labels", "class", "classes", "category", "categories", "target", "targets", "tag", "tags")
_SPLIT = ("split", "subset")
_NUMBERING = ("", "id", "index", "unnamed: 0")  # what programs write before the first column
_KNOWN = {*FILES, *TEXTS, *LABELS, *_SPLIT}
_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
Fault = tuple[int, str]  # a line and what is wrong with it


@dataclass(frozen=True, eq=False)
class CsvTable:
    """A table, or some of its rows.

    Args:
        path: The file.
        titles: The header's cells, without spaces around them.
        rows: The cells of each row, as many as there are titles, without spaces around them.
        lines: The line of the file (from 1) that each row begins in.
        header: The header's line.
        comma: Whether numbers may be written with a decimal comma: where cells are separated by something else.
    """

    path: Path
    titles: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    lines: Sequence[int]
    header: int = 1
    comma: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The titles in small letters."""
        return tuple(title.lower() for title in self.titles)

    def cells(self, column: str) -> list[str]:
        at = self.columns.index(column)
        return [row[at] for row in self.rows]

    def take(self, indices: Iterable[int]) -> CsvTable:
        """The table with the rows alone that have these numbers, from 0."""
        indices = list(indices)
        return replace(self, rows=[self.rows[i] for i in indices], lines=[self.lines[i] for i in indices])

    def split_by(self, column: str) -> dict[str, CsvTable]:
        """The splits of the table, by name, as the cells of *column* say.

        Raises:
            DataError: A cell names none; no row is in the training split.
        """
        cells = [cell.lower() for cell in self.cells(column)]
        unknown = [
            (line, f"{cell!r} in the column {column!r} names no split")
            for line, cell in zip(self.lines, self.cells(column), strict=True)
            if cell.lower() not in SPLIT_NAMES
        ]
        if unknown:
            self.refuse(unknown, "it is one of train, val, test")
        of = [SPLIT_NAMES[cell] for cell in cells]
        if "train" not in of:
            raise DataError(f"{self.path}: no row has train in the column {column!r}; there is nothing to learn from")
        return {s: self.take(i for i, name in enumerate(of) if name == s) for s in SPLITS if s in of}

    def refuse(self, faults: Sequence[Fault], way_out: str) -> NoReturn:
        """Raises a DataError with the first fault and the lines of the others."""
        (line, what), *more = faults
        lines = f" (so in {counted(len(more), 'more line')}: {listed(line for line, _ in more)})" if more else ""
        raise DataError(f"{self.path}: line {line}: {what}{lines}; {way_out}")


def read_table(path: Path) -> CsvTable:
    """The table in a file: UTF-8 with or without a byte-order mark, a header, then rows.

    Cells are separated by comma, semicolon or tab, whichever gives the header most of the known names, then the
    most cells; quoted ones may contain separators and line ends. Empty rows are skipped.

    Raises:
        DataError: The file cannot be read, is empty or not valid UTF-8; a name is in the header twice; a row has too
            few or too many cells; a quotation mark is not closed; there are no rows.
    """
    text = _text(path)
    first = next(line for line in text.splitlines() if line.strip())

    def merit(delimiter: str) -> tuple[int, int]:
        names = [cell.strip().lower() for cell in next(csv.reader([first], delimiter=delimiter))]
        return len(_KNOWN.intersection(names)), len(names)

    delimiter = max(_DELIMITERS, key=merit)
    rows, lines = _rows(path, text, delimiter)
    table = CsvTable(path, tuple(rows[0]), rows[1:], lines[1:], lines[0], comma=delimiter != ",")
    twice = sorted({name for name in table.columns if name and table.columns.count(name) > 1})
    if twice:
        raise DataError(f"{path}: line {lines[0]}: the header names {listed_quoted(twice)} twice; rename one")
    uneven = [
        (line, f"{counted(len(row), 'cell')}, but the header has {len(table.titles)}")
        for row, line in zip(table.rows, table.lines, strict=True)
        if len(row) != len(table.titles)
    ]
    if uneven:
        table.refuse(uneven, f"put a cell that contains a {_DELIMITERS[delimiter]} into quotation marks")
    if not table.rows:
        raise DataError(f"{path}: a header and no rows; add some")
    return table


def parse_number(text: str, *, comma: bool = False) -> float | None:
    """The number that *text* is, finite or not; None where it is none.

    >>> [parse_number(text) for text in ("2.5", "2,5", "1_000", "nan")], parse_number("2,5", comma=True)
    ([2.5, None, None, nan], 2.5)
    """
    if comma and "." not in text:
        text = text.replace(",", ".")
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def is_whole(value: float) -> bool:
    return math.isfinite(value) and value == int(value)


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: it cannot be read ({error.strerror}); check its name and permissions") from None
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(f"{path}: the text is UTF-16; save it as UTF-8 (a spreadsheet calls it 'CSV UTF-8')")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}: line {line}: not valid UTF-8 (the byte {data[error.start]:#04x}); save it as UTF-8 (a "
            "spreadsheet calls it 'CSV UTF-8')"
        ) from None
    if not text.strip():
        raise DataError(f"{path}: the table is empty; begin it with a header such as file,label")
    return text


def _rows(path: Path, text: str, delimiter: str) -> tuple[list[list[str]], list[int]]:
    """The rows that are not empty, and the lines that they begin in."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    rows, ends = [], [0]
    try:
        for row in reader:
            rows.append([cell.strip() for cell in row])
            ends.append(reader.line_num)
    except csv.Error as error:
        raise DataError(
            f"{path}: line {ends[-1] + 1}: its quotation marks do not match ({error}); write one inside a quoted cell "
            "twice, and close the cell"
        ) from None
    full = [(row, end + 1) for row, (end, _) in zip(rows, pairwise(ends), strict=True) if any(row)]
    return [row for row, _ in full], [line for _, line in full]


@dataclass(frozen=True)
class TableColumns:
    """The columns of a table, in small letters: of the inputs, the targets, the split ("" where there is none)."""

    source: str
    targets: tuple[str, ...]
    split: str
    unused: tuple[str, ...]

    @property
    def is_text(self) -> bool:
        return self.source in TEXTS

    @classmethod
    def of(cls, table: CsvTable) -> TableColumns:
        """What the columns of *table* are.

        Raises:
            DataError: No column of files or texts, or several; no targets; two names of one meaning.
        """
        source, label, split = input_column(table), _one_of(table, LABELS), _one_of(table, _SPLIT)
        others = tuple(name for name in table.columns if name not in (source, label, split))
        if label:
            return cls(source, (label,), split, tuple(filter(None, others)))
        values = tuple(name for name in others if name not in _NUMBERING)
        if not values:
            raise DataError(
                f"{table.path}: line {table.header}: no column of targets beside {source!r}; add one called label "
                "(classes), or columns of numbers"
            )
        return cls(source, values, split, tuple(name for name in others if name and name not in values))

    def check_in(self, other: CsvTable, train: CsvTable) -> None:
        """Raises a DataError where *other* lacks a column that *train* has and that is needed."""
        for name in (self.source, *self.targets):
            if name not in other.columns:
                raise DataError(
                    f"{other.path}: no column {name!r}, which {train.path.name} has{nearest(name, other.columns)}"
                )


def input_column(table: CsvTable) -> str:
    """The column of files or texts."""
    file, text = _one_of(table, FILES), _one_of(table, TEXTS)
    if file and text:
        raise DataError(
            f"{table.path}: line {table.header}: both {file!r} and {text!r} could be the input; rename one of them"
        )
    if file or text:
        return file or text
    if images := [name for name in table.columns if not is_image(name) and all(map(is_image, table.cells(name)))]:
        return images[0]  # under whatever name, in whatever language
    near = {name: get_close_matches(name, (*FILES, *TEXTS), 1) for name in table.columns}
    meant = "".join(f"; by {name!r}, did you mean {close[0]!r}?" for name, close in near.items() if close)
    raise DataError(
        f"{table.path}: line {table.header}: no header that names a column of files or texts, but "
        f"{listed_quoted(table.titles)}{meant}; begin the table with one, such as file,label or text,label"
    )


def _one_of(table: CsvTable, names: Sequence[str]) -> str:
    """The only column that is called one of *names*; "" where none is."""
    found = [name for name in table.columns if name in names]
    if len(found) > 1:
        raise DataError(
            f"{table.path}: line {table.header}: the columns {listed_quoted(found)} mean the same thing; rename all "
            "but one"
        )
    return found[0] if found else ""
