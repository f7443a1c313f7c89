"""The rows of a CSV or TSV file, each with the line that it begins in."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

from striate.datasets.sources.looking import count, some
from striate.errors import DataError

_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
Fault = tuple[int, str]  # a line and what is wrong with it


@dataclass(frozen=True, eq=False)
class Table:
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

    def take(self, indices: Iterable[int]) -> Table:
        """The table with the rows alone that have these numbers, from 0."""
        indices = list(indices)
        return replace(self, rows=[self.rows[i] for i in indices], lines=[self.lines[i] for i in indices])

    def refuse(self, faults: Sequence[Fault], way_out: str) -> NoReturn:
        """Raises a DataError with the first fault and the lines of the others."""
        (line, what), *more = faults
        lines = f" (so in {count(len(more), 'more line')}: {some(line for line, _ in more)})" if more else ""
        raise DataError(f"{self.path}: line {line}: {what}{lines}; {way_out}")


def read_table(path: Path, known: Iterable[str]) -> Table:
    """The table in a file: UTF-8 with or without a mark at its beginning, a header, then rows.

    Cells are separated by comma, semicolon or tab, whichever gives the header most of the *known* names, then the
    most cells; they may be quoted, and then hold separators and line ends. Empty rows are passed over.

    Raises:
        DataError: The file cannot be read, is empty or no UTF-8; a name stands twice in the header; a row has too few
            or too many cells; a quotation mark is not closed; there are no rows.
    """
    text = _text(path)
    first = next(line for line in text.splitlines() if line.strip())
    known = set(known)

    def merit(delimiter: str) -> tuple[int, int]:
        names = [cell.strip().lower() for cell in next(csv.reader([first], delimiter=delimiter))]
        return len(known.intersection(names)), len(names)

    delimiter = max(_DELIMITERS, key=merit)
    rows, lines = _rows(path, text, delimiter)
    table = Table(path, tuple(rows[0]), rows[1:], lines[1:], lines[0], comma=delimiter != ",")
    twice = sorted({name for name in table.columns if name and table.columns.count(name) > 1})
    if twice:
        raise DataError(f"{path}: line {lines[0]}: the header names {some(map(repr, twice))} twice; rename one")
    uneven = [
        (line, f"{count(len(row), 'cell')}, but the header has {len(table.titles)}")
        for row, line in zip(table.rows, table.lines, strict=True)
        if len(row) != len(table.titles)
    ]
    if uneven:
        table.refuse(uneven, f"put a cell that holds a {_DELIMITERS[delimiter]} into quotation marks")
    if not table.rows:
        raise DataError(f"{path}: a header and no rows; add some")
    return table


def number(text: str, *, comma: bool = False) -> float | None:
    """The number that *text* is, finite or not; None where it is none.

    >>> number("2.5"), number("2,5"), number("2,5", comma=True), number("1_000"), number("nan")
    (2.5, None, 2.5, None, nan)
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
            f"{path}: line {line}: not UTF-8 (the byte {data[error.start]:#04x}); save it as UTF-8 (a spreadsheet "
            "calls it 'CSV UTF-8')"
        ) from None
    if not text.strip():
        raise DataError(f"{path}: the table is empty; begin it with a header such as file,label")
    return text


def _rows(path: Path, text: str, delimiter: str) -> tuple[list[list[str]], list[int]]:
    """The rows that hold anything, and the lines that they begin in."""
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
