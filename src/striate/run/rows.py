"""The rows of predictions in a file that is written as they come, and gone on with after an interruption.

Beside an unfinished ``a.csv`` lies ``a.csv.unfinished``: what was asked, and how far the file is known to be whole, on
the disk itself. It is written anew every few batches: a killed process costs some batches, and no row comes twice. At
the end it is renamed to ``a.csv.settings.json``, so that a finished table can be compared too. While a process writes,
``a.csv.lock`` lies there as well.

:func:`write_items` writes what was measured of each item.
"""

from __future__ import annotations

import io
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import IO, Any, Self

from striate.errors import DataError, RecipeError, listed
from striate.files import FINISHED, UNFINISHED, FileLock, csv_text, finite, read_json, write_safely
from striate.metrics import Scores
from striate.metrics.shared import ITEM
from striate.model.sources import Item
from striate.tasks.answers import Answer

SUFFIXES = (".csv", ".jsonl", ".parquet")
OWN = ("file", "text", "error")  # columns of every table, before and behind those of the task
ROWS = 1000  # at least, between two notes of how far the file is


class RowFile:
    """A context manager: the file is complete where it ends without an error, else it can be gone on with.

    Args:
        path: Ends in one of ``SUFFIXES``. ``.csv`` and ``.parquet`` have a row of columns for each item; a line of
            ``.jsonl`` is what ``predict --json`` says of it.
        example: An ``answer.row()``: the columns and their types.
        asked: What decides the rows besides the items: the model, the threshold and so on.
        batch_size: A whole number of batches is gone on with, so that each is computed as it would have been.
        resume: Go on with what lies there.
        top: Of the classes, that many.
        texts: Whether the items are texts.

    Raises:
        RecipeError: It was begun with something else; or is unfinished, and *resume* is not asked for; or another
            process is writing it.
    """

    def __init__(
        self,
        path: Path,
        example: dict[str, Any],
        asked: dict[str, Any],
        *,
        batch_size: int,
        resume: bool = False,
        top: int = 3,
        texts: bool = False,
    ) -> None:
        self.path, self.asked, self.top = path, asked, top
        self.columns = {"file": ""} | ({"text": ""} if texts else {}) | _named(example) | {"error": ""}
        self.note, self.settings = note_of(path), note_of(path, FINISHED)
        self.kind = path.suffix.lower()
        whole = self.kind == SUFFIXES[2]  # a Parquet file that is cut short is none
        self.lines = path.with_name(path.name + ".rows") if whole else path
        self.every = -(-ROWS // batch_size) * batch_size
        self.rows, self.failed, self.names = 0, 0, 0
        if whole and find_spec("pyarrow") is None:
            raise RecipeError(f"{path}: needs the package pyarrow: pip install pyarrow; or write .csv or .jsonl")
        if path.is_dir():
            raise RecipeError(f"{path} is a folder; name a file")
        try:
            self.lock = FileLock(path.with_name(path.name + ".lock"))
        except BlockingIOError:
            raise RecipeError(f"{path}: another process is writing it; wait for it, or name another file") from None
        except OSError as error:
            raise RecipeError(f"{path} cannot be written ({error.strerror or error}); name another file") from None
        try:
            self.done = self._begun(resume)
            self.stream = self._opened()
        except BaseException:
            self.lock.release()
            raise

    def _opened(self) -> IO[bytes]:
        """The file, and the note of it."""
        if not self.done:
            self._note(0)
        try:
            stream: IO[bytes] = self.lines.open("ab" if self.done else "wb")
        except OSError:
            if not self.done:
                self.note.unlink()
            raise
        if not self.done:
            self.settings.unlink(missing_ok=True)  # of the table before
        if self.done:
            stream.truncate(self.done["bytes"])
            stream.seek(0, io.SEEK_END)
            self.rows, self.failed = self.done["rows"], self.done["failed"]
        if self.kind == SUFFIXES[0] and not stream.tell():
            stream.write(_csv([*self.columns]))
        return stream

    def _begun(self, resume: bool) -> dict[str, Any]:
        """How far it is; empty for a new file."""
        if not self.note.exists():
            return {}
        if not resume:
            raise RecipeError(f"{self.path} is unfinished; go on with --resume, or remove {self.note.name}")
        known = _known(self.path, self.note, self.asked)
        if (self.lines.stat().st_size if self.lines.exists() else 0) < known["bytes"]:
            raise RecipeError(f"{self.path} is shorter than it was; remove {self.note.name}, and predict anew")
        return known

    def remaining(self, items: Iterator[Item | DataError]) -> Iterator[Item | DataError]:
        """The *items* that have no row yet.

        Raises:
            RecipeError: Those that have are others now.
        """
        names = 0
        for item in islice(items, self.rows):
            names = _name_added(names, item)
        if self.done and names != self.done["names"]:
            raise RecipeError(
                f"{self.path}: of the first {self.rows:,} items some are others than when it was begun; predict anew, "
                f"to another file"
            )
        self.names = names
        return items

    def add(self, item: Item | DataError, answer: Answer | DataError) -> None:
        """A row: the *answer* for the *item*, or the reason why there is none."""
        file, text = (None, None) if isinstance(item, DataError) else (item.file, item.text)
        if isinstance(answer, DataError):
            self.failed += 1
            why = str(answer).removeprefix(f"{file}: ")
            found: dict[str, Any] = {"file": file} | ({"text": text} if text is not None else {}) | {"error": why}
            cells: dict[str, Any] = {"error": why}
        else:
            found = answer.as_dict()
            cells = _named(answer.row(self.top))
        cells |= {"file": file, "text": text}
        row = [cells.get(name) for name in self.columns]
        if self.kind == SUFFIXES[0]:
            self.stream.write(_csv([*map(_cell, row)]))
        else:
            self.stream.write(_json_line(found if self.kind == SUFFIXES[1] else row))
        self.rows += 1
        self.names = _name_added(self.names, item)
        if self.rows % self.every == 0:
            self._flush()
            self._note(self.stream.tell())

    def _flush(self) -> None:
        """To the disk itself: a note of rows that a power cut took would be worth nothing."""
        self.stream.flush()
        os.fsync(self.stream.fileno())

    def _note(self, size: int, table: int | None = None) -> None:
        about = {"asked": self.asked, "rows": self.rows, "bytes": size, "names": self.names, "failed": self.failed}
        write_safely(self.note, json.dumps(about | {"table": table}))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        try:
            with self.stream:
                self._flush()
            if kind is None:
                if self.lines != self.path:
                    _write_parquet(self.lines, self.path, self.columns)
                self._note(self.lines.stat().st_size, self.path.stat().st_size)
                self.note.replace(self.settings)  # first: by that name the table is finished, else it is gone on with
                if self.lines != self.path:
                    self.lines.unlink()
        finally:
            self.lock.release()


def note_of(path: Path, ending: str = UNFINISHED) -> Path:
    """The file beside an unfinished *path* that says how far it is; with ``FINISHED``, how a finished one was made.

    >>> note_of(Path("out/a.csv")).name, note_of(Path("a.csv"), FINISHED).name
    ('a.csv.unfinished', 'a.csv.settings.json')
    """
    return path.with_name(path.name + ending)


def finished_rows(path: Path, asked: dict[str, Any], items: Iterator[Item | DataError]) -> tuple[int, int] | None:
    """The number of rows of the finished table at *path*, and of those without a prediction; None where nothing beside
    it says how it was made.

    Raises:
        RecipeError: It was made with something else than *asked*, or of other *items*.
    """
    note = note_of(path, FINISHED)
    if not note.exists():
        return None
    known, names, count = _known(path, note, asked), 0, 0
    if path.stat().st_size != known["table"]:
        raise RecipeError(f"{path}: was changed since it was written; remove {note.name} to keep it, or predict anew")
    for item in items:
        names, count = _name_added(names, item), count + 1
    if (count, names) != (known["rows"], known["names"]):
        raise RecipeError(
            f"{path}: was made of other items ({known['rows']:,}, now {count:,}); predict anew, to another file"
        )
    return known["rows"], known["failed"]


def _known(path: Path, note: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """What the *note* of the table *path* says, if that was begun with the same as what is *asked* now."""
    try:
        done: dict[str, Any] = read_json(note)
        known = {name: done[name] for name in ("asked", "rows", "bytes", "names", "failed")}
        known["table"] = done.get("table")  # bytes, once it is finished
        before = known["asked"].get
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise RecipeError(f"{note}: cannot be read; remove it, and predict anew") from None
    others = [f"{name} {before(name)!r}, now {v!r}" for name, v in asked.items() if before(name) != v]
    if others:
        raise RecipeError(f"{path} was begun with {listed(others)}; ask for the same, or name another file")
    return known


def _named(row: dict[str, Any]) -> dict[str, Any]:
    """*row*, where a class is called like a column of every table with another name."""
    return {f"{name}_" if name in OWN else name: value for name, value in row.items()}


def _name_added(names: int, item: Item | DataError) -> int:
    """A checksum of the names of items, one after the other."""
    said = str(item) if isinstance(item, DataError) else f"{item.file}\0{item.text}"
    return zlib.crc32(said.encode(errors="surrogateescape"), names)


def _csv(cells: Sequence[Any]) -> bytes:
    return csv_text([cells]).encode(errors="backslashreplace")


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else value


def _json_line(value: Any) -> bytes:
    return json.dumps(finite(value), ensure_ascii=False).encode(errors="backslashreplace") + b"\n"


def _write_parquet(lines: Path, path: Path, columns: dict[str, Any]) -> None:
    """From JSON lines, some thousand at a time."""
    pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    types = {float: pyarrow.float64(), bool: pyarrow.bool_()}
    schema = pyarrow.schema([(name, types.get(type(v), pyarrow.string())) for name, v in columns.items()])
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as sink:
            with lines.open("rb") as stream, parquet.ParquetWriter(sink, schema) as writer:
                while rows := [map(_utf8, json.loads(line)) for line in islice(stream, 10 * ROWS)]:
                    arrays = [pyarrow.array(c, t) for c, t in zip(zip(*rows, strict=True), schema.types, strict=True)]
                    writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
            sink.flush()
            os.fsync(sink.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _utf8(cell: Any) -> Any:
    """A name that is no UTF-8 may cost a character, not the table."""
    return cell.encode(errors="backslashreplace").decode() if isinstance(cell, str) else cell


def write_items(path: Path, names: Sequence[str], scores: Scores) -> None:
    """Writes a CSV with the column ``item`` and those of the task's :meth:`~striate.metrics.Scores.item_columns`.

    Args:
        path: The file.
        names: What each item is called: its path, where it is a file.
        scores: What was measured, of the same items.

    >>> from striate.metrics import score_regression
    >>> from tempfile import mkdtemp
    >>> file = Path(mkdtemp()) / "ages.csv"
    >>> write_items(file, ["a.png"], score_regression([[31.5]], [[30.0]], ["age"]))
    >>> print(file.read_text())
    item,age,predicted age,error
    a.png,30,31.5,1.5
    <BLANKLINE>
    """
    columns = {ITEM: list(names)} | scores.item_columns()
    write_safely(path, csv_text([columns, *(map(_cell, row) for row in zip(*columns.values(), strict=True))]))
