"""JSON and JSON Lines as tables: a record for each item, as programs and the Hugging Face hub write them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from striate.datasets.dataset import SPLIT_NAMES
from striate.datasets.sources.idx import RATIO, UNPACKED
from striate.errors import DataError
from striate.files import csv_text, read_regular
from striate.model.opening import is_image

CONTENT = "(bytes)"  # stands for the content of a file
RECORDS = (".jsonl", ".ndjson", ".json")
_GZIP = b"\x1f\x8b"  # how a packed file begins
_WANTED = 'expected records, such as {"file": "1.jpg", "label": "cat"}, in a list or one in each line'


def plain_path(path: Path) -> Path:
    """*path* without the ``.gz`` of a table that is packed.

    >>> plain_path(Path("a.csv.gz")).name, plain_path(Path("a.gz")).name
    ('a.csv', 'a.gz')
    """
    inner = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return inner if inner.suffix else path


def table_name(path: Path) -> str:
    """The data set's name: the table's; its folder's where that says only which split it is."""
    stem = re.sub(r"-\d{5}-of-\d{5}$", "", plain_path(path).stem)  # a part of a Parquet table
    return path.resolve().parent.name if stem.lower() in SPLIT_NAMES else stem


def table_bytes(path: Path) -> bytes:
    """The content of a table's file, unpacked where it is a gzip file.

    Raises:
        OSError: It cannot be read. DataError: It is damaged, or would unpack to far more than its size lets expect.
    """
    data = read_regular(path)
    if data[:2] != _GZIP:
        return data
    most = max(UNPACKED, RATIO * len(data))
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            text = stream.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: it cannot be unpacked ({error}); copy or download it again") from None
    if len(text) > most:
        raise DataError(f"{path}: more than {most:,} bytes come out of its {len(data):,}; if that is right, unpack it")
    return text


def records_text(path: Path) -> str:
    """The records of a file as a CSV text, a column for each key; of a list the parts are joined by ``|``.

    Records are a JSON object in each line, a list of objects, or an object of lists of one length, by column. An object
    whose keys are all called as images, or are files beside it, says the label of each; another of values that are
    neither lists nor objects is one record.

    Raises:
        DataError: It cannot be read, is no JSON, or has no records.
    """
    try:
        said = table_bytes(path).decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: it cannot be read ({error.strerror}); check its name and permissions") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: it is not UTF-8, as JSON is; save it as UTF-8") from None
    rows = _rows(path, said)
    titles = [*dict.fromkeys(key for row in rows for key in row)]
    cells = ([cell_text(row.get(title)) for title in titles] for row in rows)
    return csv_text([titles, *cells], csv.QUOTE_ALL)  # else a lone "\r" would end a row


def _rows(path: Path, said: str) -> list[dict[str, Any]]:
    if plain_path(path).suffix.lower() == ".json":
        try:
            whole = json.loads(said)
        except (ValueError, RecursionError):
            whole = None  # many programs write lines into a file of that name
        if whole is not None:
            if rows := _in_one(whole, path.parent):
                return rows
            raise DataError(f"{path}: it is JSON, but no table; {_WANTED}")
    rows = []
    for n, line in enumerate(said.split("\n"), 1):  # a text may contain other ends of lines
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: line {n}: it is no JSON ({error}); {_WANTED}") from None
        if not isinstance(row, dict):
            raise DataError(f"{path}: line {n}: {line.strip()[:40]!r} is no record; {_WANTED}")
        rows.append(row)
    if not rows:
        raise DataError(f"{path}: there is no record in it; {_WANTED}")
    return rows


def _in_one(whole: object, folder: Path) -> list[dict[str, Any]]:
    """The records of one JSON value; nothing where it is of something else."""
    if isinstance(whole, Sequence) and whole and all(isinstance(row, dict) for row in whole):
        return [*whole]
    if not isinstance(whole, Mapping) or not whole:
        return []
    named = all(map(is_image, whole)) or all((folder / key).is_file() for key in whole)
    if named and not any(isinstance(value, Mapping) for value in whole.values()):
        return [{"file": key, "label": value} for key, value in whole.items()]
    columns = [*whole.values()]
    if not any(isinstance(value, list | dict) for value in columns):
        return [{**whole}]
    if all(isinstance(column, list) for column in columns) and len({*map(len, columns)}) == 1:
        return [dict(zip(whole, row, strict=True)) for row in zip(*columns, strict=True)]
    return []


def cell_text(value: object) -> str:
    """A value of JSON, Parquet or a spreadsheet as the cell of a table; of a list the parts, joined by ``|``.

    >>> [cell_text(value) for value in (1.0, 0.5, float("nan"), None, " a ", ["a", 2.0])]
    ['1', '0.5', '', '', 'a', 'a|2']
    """
    if isinstance(value, bytes) or (isinstance(value, dict) and isinstance(value.get("bytes"), bytes)):
        return CONTENT
    if isinstance(value, list) and not any(isinstance(part, list | dict) for part in value):
        return "|".join(map(cell_text, value))
    if isinstance(value, list | dict):
        return json.dumps(value, default=str)
    if value is None or value != value:
        return ""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()
