"""Tables that other packages read: the cells of spreadsheets and Parquet files; images in them go into the cache."""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from striate.datasets.sources.archives import written_images
from striate.datasets.sources.idx import RATIO, UNPACKED
from striate.datasets.sources.records import cell_text
from striate.errors import DataError, listed
from striate.model.foreign import needed_package, readable
from striate.model.opening import begins_as_image

PACKAGES = {".xlsx": ("openpyxl", "openpyxl"), ".parquet": ("pyarrow.parquet", "pyarrow")}
_CELLS = 1_000_000  # of a Parquet file, whatever its size; beyond it one for each bit
_SHARD = re.compile(r"-([0-9]{5})-of-([0-9]{5})")  # of a Parquet file


def package_rows(path: Path) -> tuple[list[tuple[list[str], int]], tuple[str, ...]]:
    """The rows of the first sheet of a spreadsheet, or of a Parquet file, cells as text, each with its number; and
    notes.

    Raises:
        DataError: It is damaged, or would fill the memory; its package is not installed.
    """
    notes: tuple[str, ...] = ()
    with readable(path):
        module = needed_package(path.suffix, *PACKAGES[path.suffix.lower()], "save it as .csv", path)
        if path.suffix.lower() == ".xlsx":
            with path.open("rb") as stream:
                book = module.load_workbook(stream, read_only=True, data_only=True)
                sheet, rows = _sheet(book)
            if (n := len(book.sheetnames)) > 1:
                which = "the first" if sheet == book.sheetnames[0] else "the first that is a table"
                notes = (f"{path.name} has {n} sheets; {which} is read: {sheet!r}",)
        else:
            shards = parquet_shards(path)
            for shard in shards:
                _check_parquet(shard, module.ParquetFile(shard).metadata)
            table = module.read_table(shards)
            notes = (f"{path.name} is read with the other {len(shards) - 1} of its parts",) if shards[1:] else ()
            notes += _missing_parts(path, shards)
            called = _class_names(table.schema.metadata or {})
            columns = [
                _parquet_column(shards, name, table.column(name).to_pylist(), called) for name in table.column_names
            ]
            rows = [list(table.column_names), *map(list, zip(*columns, strict=True))]
    return [
        ([cell_text(c) for c in row], i + 1) for i, row in enumerate(rows) if any(c is not None for c in row)
    ], notes


def parquet_shards(path: Path) -> list[Path]:
    """The parts of a table that is kept in several, ``train-00000-of-00002.parquet``, in their order; else *path*."""
    match = _SHARD.search(path.name)
    if match is None:
        return [path]
    others = path.parent.glob(f"{glob.escape(path.name[: match.start()])}-*-of-{match[2]}*{path.suffix}")
    return sorted(other for other in others if _SHARD.search(other.name)) or [path]


def _missing_parts(path: Path, shards: Sequence[Path]) -> tuple[str, ...]:
    """A note where the names of the parts say that there are more."""
    found = [match for shard in shards if (match := _SHARD.search(shard.name))]
    there = {int(match[1]) for match in found}
    missing = [f"{n:05}" for n in range(int(found[0][2])) if n not in there] if found else []
    return (f"{path.name}: of {int(found[0][2])} parts, not there: {listed(missing)}",) if missing else ()


def _class_names(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """The names of classes by column, as the data sets of Hugging Face write them into a Parquet file."""
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return {name: [*map(str, one["names"])] for name, one in features.items() if one.get("_type") == "ClassLabel"}
    return {}


def _parquet_column(files: Sequence[Path], name: str, values: list[Any], called: Mapping[str, list[str]]) -> list[Any]:
    """The cells of a column: classes by their names; of images themselves the files that they are written into."""
    if names := called.get(name):
        return [names[v] if isinstance(v, int) and 0 <= v < len(names) else None for v in values]
    contents = [v.get("bytes") if isinstance(v, dict) else v for v in values]
    first = next((content for content in contents if content is not None), None)
    if not isinstance(first, bytes) or not begins_as_image(first[:16]):
        paths = [
            v.get("path") if isinstance(v, dict) and {*v} == {"bytes", "path"} and not v["bytes"] else v for v in values
        ]
        return paths if first is None else values
    return [*written_images(files, name, [content if isinstance(content, bytes) else None for content in contents])]


def _sheet(book: Any) -> tuple[str, list[list[object]]]:
    """The title and the rows of the first sheet that has more than one row; of none such, of the first."""
    read: list[tuple[str, list[list[object]]]] = []
    for sheet in book.worksheets:
        read.append((sheet.title, [list(row) for row in sheet.iter_rows(values_only=True)]))
        if sum(any(cell is not None for cell in row) for row in read[-1][1]) > 1:
            return read[-1]
    return read[0]


def _check_parquet(path: Path, about: Any) -> None:
    """Refuses a small file that would fill the memory, by what it says of itself."""
    size = path.stat().st_size
    unpacked = sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups))
    cells = about.num_rows * about.num_columns
    if unpacked > max(UNPACKED, RATIO * size) or cells > max(_CELLS, 8 * size):
        raise DataError(
            f"{path}: {cells:,} cells of {unpacked:,} bytes, expected fewer in a file of {size:,}; if they are right, "
            "save it as .csv"
        )
