"""The rows of a table, each with the line that it begins in: text of any usual encoding, a spreadsheet, Parquet."""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice, takewhile
from pathlib import Path
from typing import Any, NoReturn

from striate.datasets.dataset import SPLIT_NAMES, SPLITS, Broken
from striate.datasets.sources.packages import PACKAGES, package_rows
from striate.datasets.sources.records import RECORDS, plain_path, records_text, table_bytes
from striate.errors import DataError, counted, listed, listed_quoted
from striate.model.opening import is_image

FILES = (
    "file", "files", "path", "filepath", "file_path", "filename", "file_name", "image", "images", "image_path", "img",
    "image_name", "image_id", "image_file", "imagename", "imageid", "img_path", "img_name", "img_id", "fname", "photo",
    "picture", "id_code", "datei", "bild", "fichier",
)  # fmt: skip
TEXTS = (
    "text", "texts", "sentence", "sentences", "review", "reviews", "comment", "comment_text", "tweet", "tweets",
    "message", "content", "description", "question", "question_text", "phrase", "document",
)  # fmt: skip
HEADINGS = ("title", "headline", "subject", "summary")  # of a text: joined with it
LABELS = ("label", "labels", "class", "classes", "category", "categories", "target", "targets", "tag", "tags")
OTHER_LABELS = (
    "classid", "class_id", "class id", "class index", "class_name", "classname", "label_id", "labelid", "label_name",
    "sentiment", "species", "breed", "variety", "emotion", "diagnosis", "dx", "polarity", "category_id", "genus",
    "category_name", "ground_truth", "ground truth", "klasse", "classe", "clase", "kategorie", "finding labels",
    "finding_labels", "attribute_ids", "dx_type", "is_spam", "quality_class", "outcome",
)  # fmt: skip
SPLIT = ("split", "subset", "usage", "partition", "set", "fold")
SPLIT_CELLS = SPLIT_NAMES | {"publictest": "val", "privatetest": "test"}  # the cells of such a column
NUMBERING = (
    "",
    "id",
    "index",
    "idx",
    "no",
    "nr",
    "#",
    "uuid",
    "unnamed: 0",
)  # what programs write before the rest
KNOWN = {*FILES, *TEXTS, *HEADINGS, *LABELS, *OTHER_LABELS, *SPLIT, "id", "pixels"}
_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar", " ": "blank"}
_LINE_END = re.compile("\r\n|\r|\n")
_SAMPLE = 50  # rows from which separator and header are told
_ABOVE = 6  # rows among which the header is looked for
_HEAD = 4000  # bytes from which an encoding is told
_LARGEST = 1 << 30  # characters of a cell: Python's own limit refuses a long text
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
        notes: What was noticed while reading it and may surprise.
        headed: Whether it has a header; else the titles are ``column 1``, ``column 2``, ...
        in_memory: Whether it has rows and no lines: a DataFrame, a list, records of JSON.
    """

    path: Path
    titles: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    lines: Sequence[int]
    header: int = 1
    comma: bool = False
    notes: tuple[str, ...] = ()
    headed: bool = True
    in_memory: bool = False

    def place(self, line: int) -> str:
        """What a line is called in messages and names."""
        return row_text(line, self.in_memory)

    @property
    def heading(self) -> str:
        """What the header is called in messages."""
        return f"{self.path}: {self.place(self.header)}"

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The titles in small letters."""
        return tuple(title.lower() for title in self.titles)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: i for i, name in reversed([*enumerate(self.columns)])}

    def cells(self, column: str) -> list[str]:
        at = self._places[column]
        return [row[at] for row in self.rows]

    def title(self, column: str) -> str:
        """*column* as the header writes it."""
        return self.titles[self._places[column]]

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
            if cell.lower() not in SPLIT_CELLS
        ]
        if unknown:
            self.refuse(unknown, "it is one of train, val, test")
        of = [SPLIT_CELLS[cell] for cell in cells]
        if "train" not in of:
            raise DataError(f"{self.path}: no row has train in the column {column!r}; there is nothing to learn from")
        return {s: self.take(i for i, name in enumerate(of) if name == s) for s in SPLITS if s in of}

    def refuse(self, faults: Sequence[Fault], way_out: str) -> NoReturn:
        """Raises a DataError with the first fault and the lines of the others."""
        refuse_rows(self.path, faults, way_out, self.in_memory)

    def without(self, faults: Sequence[Fault], way_out: str) -> tuple[CsvTable, tuple[Broken, ...]]:
        """The rows that have none of the *faults*, which are few; and the others, as :func:`skipped_rows`."""
        wrong = dict(faults)
        skipped = skipped_rows(self.path, len(self.rows), faults, way_out, self.in_memory)
        return self.take(i for i, line in enumerate(self.lines) if line not in wrong) if wrong else self, skipped


def refuse_rows(path: Path, faults: Sequence[Fault], way_out: str, in_memory: bool) -> NoReturn:
    """Raises a DataError with the first of the *faults* of the table *path*, and the lines of the others."""
    (line, what), *more = faults
    kind, place = row_text(line, in_memory).split()[0], row_text(line, in_memory)
    others = listed(row_text(line, in_memory).split()[-1] for line, _ in more)
    lines = f" (so in {counted(len(more), f'more {kind}')}: {others})" if more else ""
    raise DataError(f"{path}: {place}: {what}{lines}; {way_out}")


def skipped_rows(path: Path, rows: int, faults: Sequence[Fault], way_out: str, in_memory: bool) -> tuple[Broken, ...]:
    """What is left out of a table of so many *rows*: by name, with the reason.

    Raises:
        DataError: It is half of them or more, so that it is no slip: the folder or the column is another one, say.
    """
    if faults and 2 * len(faults) >= rows:
        refuse_rows(path, faults, way_out, in_memory)
    return tuple((f"{path.name} {row_text(line, in_memory)}", why) for line, why in faults)


def row_text(line: int, in_memory: bool = False) -> str:
    """What a line of a table is called: as such, or in memory as a row, from 0.

    >>> row_text(2), row_text(2, in_memory=True), row_text(1, in_memory=True)
    ('line 2', 'row 0', 'header')
    """
    return f"line {line}" if not in_memory else f"row {line - 2}" if line > 1 else "header"


def read_table(path: Path | TableText) -> CsvTable:
    """The table in a file, or in a text that was read: a header, or none, then rows.

    Text may be UTF-8, with or without a byte-order mark, UTF-16, or else cp1252 (which is noted). Cells are separated
    by comma, semicolon, tab, a vertical bar or blanks (see :class:`TableText`); quoted ones may contain separators and
    line ends. Empty rows are skipped. Without a header the columns are called ``column 1``, ``column 2``, ... A
    spreadsheet (``.xlsx``) or ``.parquet`` is read where its package is installed; of JSON the records
    (:func:`~.records.records_text`).

    Raises:
        DataError: The file cannot be read, is empty or no text; a name is in the header twice; a row has too
            few or too many cells; a quotation mark is not closed; there are no rows; a package is missing.
    """
    if isinstance(path, Path) and path.suffix.lower() in PACKAGES:
        return _checked(_of_package(path), "cell")
    text = TableText.open(path)
    path = text.path
    rows, lines, notes = _rows(path, text)
    if not rows:
        raise _empty(path)
    headed = text.headed
    if headed:
        table = CsvTable(
            path, tuple(rows[0]), rows[1:], lines[1:], lines[0], text.delimiter != ",", notes, in_memory=text.in_memory
        )
    else:
        titles = tuple(f"column {i + 1}" for i in range(len(rows[0])))
        note = f"{path.name} has no header: its columns are called {listed_quoted(titles, 3)}"
        table = CsvTable(path, titles, rows, lines, lines[0], text.delimiter != ",", (*notes, note), False)
    return _checked(table, _DELIMITERS[text.delimiter])


def _checked(table: CsvTable, delimiter: str) -> CsvTable:
    path = table.path
    twice = sorted(name for name, n in Counter(table.columns).items() if name and n > 1)
    if twice:
        raise DataError(f"{table.heading}: the header names {listed_quoted(twice)} twice; rename one")
    uneven = [
        (line, f"{counted(len(row), 'cell')}, but the header has {len(table.titles)}")
        for row, line in zip(table.rows, table.lines, strict=True)
        if len(row) != len(table.titles)
    ]
    if uneven:
        table.refuse(uneven, f"put a cell that contains a {delimiter} into quotation marks")
    if not table.rows:
        raise DataError(f"{path}: a header and no rows; add some")
    return table


@dataclass(frozen=True)
class TableText:
    """A table's text, and what its first rows say about it.

    Args:
        path: The file.
        text: All of it, decoded.
        delimiter: Whichever gives the header most of the known names, then all first rows equally many cells, then
            most cells.
        headed: Whether the first row is a header: it names a known column, or is unlike the rows below it.
        notes: What was noticed.
        in_memory: Whether it has rows and no lines: a DataFrame, a list, records of JSON.
    """

    path: Path
    text: str
    delimiter: str
    headed: bool
    notes: tuple[str, ...]
    in_memory: bool = False

    @classmethod
    def open(cls, path: Path | TableText) -> TableText:
        """Reads a file and looks at its first rows; what was read is as it is.

        Raises:
            DataError: As :func:`read_table`.
        """
        if isinstance(path, TableText):
            return path
        suffix = plain_path(path).suffix.lower()
        if suffix in RECORDS:
            return cls(path, records_text(path), ",", True, (), in_memory=True)
        text, notes = table_text(path)
        text, above = _without_title(path, text)
        notes += above
        delimiters = [d for d in _DELIMITERS if d != " " or suffix not in (".csv", ".tsv")]
        heads = {delimiter: _head(text, delimiter) for delimiter in delimiters}

        def merit(delimiter: str) -> tuple[int, bool, bool, int]:
            head = heads[delimiter]
            names = {cell.lower() for cell in head[0]}
            regular = len(head[0]) > 1 and len({*map(len, head)}) == 1
            rare = delimiter != " " and (delimiter == "\t" or len(head) > 1)  # a text contains no tabs, but blanks
            return len(KNOWN & names - {""}), regular and rare, regular and delimiter == "\t", len(head[0])

        delimiter = max(delimiters, key=merit)
        return cls(path, text, delimiter, _is_headed(heads[delimiter]), notes)

    @property
    def regular(self) -> bool:
        """Whether the first rows have equally many cells, two or more."""
        head = _head(self.text, self.delimiter)
        return len(head[0]) > 1 and len({*map(len, head)}) == 1

    def rows(self) -> Iterator[list[str]]:
        """All rows that are not empty, the header too, one by one."""
        for row in csv.reader(_lines(self.text), delimiter=self.delimiter, skipinitialspace=True):
            if any(row):
                yield row

    def head(self) -> list[list[str]]:
        """The first rows, the header too."""
        return _head(self.text, self.delimiter)


def _without_title(path: Path, text: str) -> tuple[str, tuple[str, ...]]:
    """*text* with empty lines in the place of what stands above the header, and a note about it."""
    lines = text[:_HEAD].splitlines(keepends=True)[:_ABOVE]
    whole = [line.strip("\n\r") for line in takewhile(lambda line: line.count('"') % 2 == 0, lines)]
    for delimiter in _DELIMITERS:
        if delimiter != " " and (n := _rows_above([next(csv.reader([s], delimiter=delimiter), []) for s in whole])):
            rest = text[sum(map(len, lines[:n])) :]
            return "\n" * n + rest, _about_title(path, [line.strip() for line in lines[:n]])
    return text, ()


def _rows_above(rows: Sequence[Sequence[str]]) -> int:
    """How many rows stand above a header: rows of a cell or none above one known column, any above two.

    >>> _rows_above([["Pets of 2024", ""], ["file", "label"]]), _rows_above([["text"], ["a, label"]])
    (1, 0)
    >>> _rows_above([["Pets", "spring of 2024"], ["file", "label"]]), _rows_above([["a", "b"], ["text", "c"]])
    (1, 0)
    """
    full = [[cell.strip(' "').lower() for cell in row if cell.strip(' "')] for row in rows[:_ABOVE]]
    known = [len(KNOWN & {*row}) for row in full]
    first = next((i for i, row in enumerate(full) if len(row) > 1), 0)
    header = next((i for i, n in enumerate(known) if n), 0)
    return header if header == first or (header > first and known[header] > 1) else 0


def _about_title(path: Path, lines: Sequence[str]) -> tuple[str, ...]:
    said = " ".join(lines).strip(' ,;\t|"')
    return (f"{path.name}: {said[:40]!r} above the header is skipped",) if said else ()


def _head(text: str, delimiter: str) -> list[list[str]]:
    csv.field_size_limit(_LARGEST)
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):  # quotation marks that do not match may mean nothing
        reader = csv.reader(_lines(text), delimiter=delimiter, skipinitialspace=True, strict=True, quoting=quoting)
        rows = ([cell.strip() for cell in row] for row in islice(reader, 100 * _SAMPLE))
        with suppress(csv.Error):
            return [*islice((row for row in rows if any(row)), _SAMPLE)] or [[""]]
    return [[""]]


def _is_headed(head: list[list[str]]) -> bool:
    first, rest = head[0], [row for row in head[1:] if len(row) == len(head[0])]
    if not rest or any(name.lower() in KNOWN and name for name in first):
        return not any(map(is_image, first)) or not rest
    for i, cell in enumerate(first):
        below = [row[i] for row in rest]
        if is_image(cell) and any(map(is_image, below)):
            return False
        if parse_number(cell) is not None and sum(parse_number(c) is not None for c in below) > len(below) / 2:
            return False
        if cell and cell in below and len({*below}) <= max(2, len(below) // 2):
            return False
    return True


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


def table_text(path: Path) -> tuple[str, tuple[str, ...]]:
    """The text in a file, and a note where it is not UTF-8.

    Raises:
        DataError: It cannot be read, is empty, or is no text.
    """
    try:
        data = table_bytes(path)
    except OSError as error:
        raise DataError(f"{path}: it cannot be read ({error.strerror}); check its name and permissions") from None
    encoding = _encoding(data)
    note = {
        "utf-16": "it is UTF-16",
        "utf-16-le": "it is UTF-16",
        "utf-16-be": "it is UTF-16",
        "cp1252": "it is not UTF-8; it is read as cp1252 (Windows). Check the accents, or save it as UTF-8",
    }
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}: line {line}: the byte {data[error.start]:#04x} is valid neither in UTF-8 nor in cp1252; save it "
            "as UTF-8 (a spreadsheet calls it 'CSV UTF-8')"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{path}: line {line}: it contains NUL bytes, so it is damaged or no text; save it as UTF-8")
    if not text.strip():
        raise _empty(path)
    return text, (f"{path.name}: {note[encoding]}",) if encoding in note else ()


def _empty(path: Path) -> DataError:
    return DataError(f"{path}: the table is empty; begin it with a header such as file,label")


def _encoding(data: bytes) -> str:
    """What *data* is most probably encoded in."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    head = data[:_HEAD]
    if b"\0" in head and len(data) % 2 == 0:  # UTF-16 without a mark: of the two the one with more of ASCII in it
        texts = {encoding: head.decode(encoding, "ignore") for encoding in ("utf-16-le", "utf-16-be")}
        plain = {encoding: sum(" " <= c <= "~" or c in "\t\r\n" for c in text) for encoding, text in texts.items()}
        best = max(plain, key=lambda encoding: plain[encoding])
        if "\0" not in texts[best] and 10 * plain[best] > len(texts[best]):
            return best
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def _rows(path: Path, text: TableText) -> tuple[list[list[str]], list[int], tuple[str, ...]]:
    """The rows that are not empty, the lines that they begin in, and notes."""
    try:
        return *_parsed(text, csv.QUOTE_MINIMAL), text.notes
    except csv.Error as error:
        line, fault = error.args
        rows, lines = _parsed(text, csv.QUOTE_NONE)
        if len({*map(len, rows)}) == 1:  # no cell is split by a separator in it: the marks mean nothing
            note = f"the quotation marks of {path.name} do not match (line {line}); they are read as characters"
            return rows, lines, (*text.notes, note)
        raise DataError(
            f"{path}: line {line}: its quotation marks do not match ({fault}); write one inside a quoted cell twice, "
            "and close the cell"
        ) from None


def _parsed(text: TableText, quoting: Any) -> tuple[list[list[str]], list[int]]:
    csv.field_size_limit(_LARGEST)
    reader = csv.reader(
        _lines(text.text), delimiter=text.delimiter, skipinitialspace=True, strict=True, quoting=quoting
    )
    rows, lines, end = [], [], 0
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                rows.append(cells)
                lines.append(end + 1)
            end = end + 1 if text.in_memory else reader.line_num
    except csv.Error as error:
        raise csv.Error(end + 1, str(error)) from None
    return rows, lines


def _lines(text: str) -> Iterator[str]:
    """The lines of *text*, with their ends: one by one, where ``io.StringIO`` copies all of it, four bytes a letter."""
    at = 0
    for found in _LINE_END.finditer(text):
        yield text[at : found.end()]
        at = found.end()
    if at < len(text):
        yield text[at:]


def _of_package(path: Path) -> CsvTable:
    full, notes = package_rows(path)
    if not full:
        raise _empty(path)
    above = _rows_above([row for row, _ in full])
    notes += _about_title(path, [" ".join(row) for row, _ in full[:above]])
    (titles, header), *below = full[above:]
    return CsvTable(path, tuple(titles), [row for row, _ in below], [line for _, line in below], header, notes=notes)
