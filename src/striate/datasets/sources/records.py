"""JSON and JSON Lines as tables: a record for each item, as programs and the Hugging Face hub write them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from striate.errors import DataError
from striate.files import read_regular
from striate.model.opening import is_image

RECORDS = (".jsonl", ".ndjson", ".json")
_WANTED = 'expected records, such as {"file": "1.jpg", "label": "cat"}, in a list or one in each line'


def records_text(path: Path) -> str:
    """The records of a file as a CSV text, a column for each key; of a list the parts are joined by ``|``.

    Records are a JSON object in each line, a list of objects, or an object of lists of one length, by column. An object
    whose keys are image files says the label of each.

    Raises:
        DataError: It cannot be read, is no JSON, or has no records.
    """
    try:
        said = read_regular(path).decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: it cannot be read ({error.strerror}); check its name and permissions") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: it is not UTF-8, as JSON is; save it as UTF-8") from None
    rows = _rows(path, said)
    titles = [*dict.fromkeys(key for row in rows for key in row)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(titles)
    writer.writerows([_cell(row.get(title)) for title in titles] for row in rows)
    return text.getvalue()


def _rows(path: Path, said: str) -> list[dict[str, Any]]:
    if path.suffix.lower() == ".json":
        try:
            whole = json.loads(said)
        except (ValueError, RecursionError):
            whole = None  # many programs write lines into a file of that name
        if whole is not None:
            if rows := _in_one(whole):
                return rows
            raise DataError(f"{path}: it is JSON, but no table; {_WANTED}")
    rows = []
    for n, line in enumerate(said.splitlines(), 1):
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


def _in_one(whole: object) -> list[dict[str, Any]]:
    """The records of one JSON value; nothing where it is of something else."""
    if isinstance(whole, Sequence) and whole and all(isinstance(row, dict) for row in whole):
        return [*whole]
    if not isinstance(whole, Mapping) or not whole:
        return []
    if all(map(is_image, whole)) and not any(isinstance(value, Mapping) for value in whole.values()):
        return [{"file": key, "label": value} for key, value in whole.items()]
    columns = [*whole.values()]
    if all(isinstance(column, list) for column in columns) and len({*map(len, columns)}) == 1:
        return [dict(zip(whole, row, strict=True)) for row in zip(*columns, strict=True)]
    return []


def _cell(value: object) -> str:
    if isinstance(value, list) and not any(isinstance(part, list | dict) for part in value):
        return "|".join(map(str, value))
    return "" if value is None else json.dumps(value) if isinstance(value, list | dict) else str(value)
