"""What the columns of a table are, by their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from striate.datasets.sources.answers import LABELS
from striate.datasets.sources.looking import SPLITS, is_image, some
from striate.datasets.sources.rows import Table
from striate.errors import DataError, nearest

FILES = (
    "file", "files", "path", "filepath", "file_path", "filename", "file_name", "image", "images", "image_path", "img",
)  # fmt: skip
TEXTS = ("text", "texts", "sentence", "sentences", "review", "reviews", "comment")
_SPLIT = ("split", "subset")
_NUMBERING = ("", "id", "index", "unnamed: 0")  # what programs write before the first column
KNOWN = (*FILES, *TEXTS, *LABELS, *_SPLIT)


@dataclass(frozen=True)
class Columns:
    """The columns of a table, in small letters; *split*, that of the part, is "" where there is none."""

    source: str
    answers: tuple[str, ...]
    split: str
    unused: tuple[str, ...]

    @property
    def is_text(self) -> bool:
        return self.source in TEXTS


def columns_of(table: Table) -> Columns:
    """What the columns of *table* are.

    Raises:
        DataError: No column of files or texts, or several; nothing to be answered; two names of one meaning.
    """
    source, label, split = input_of(table), _one_of(table, LABELS), _one_of(table, _SPLIT)
    others = tuple(name for name in table.columns if name not in (source, label, split))
    if label:
        return Columns(source, (label,), split, tuple(filter(None, others)))
    values = tuple(name for name in others if name not in _NUMBERING)
    if not values:
        raise DataError(
            f"{table.path}: line {table.header}: nothing to be answered beside {source!r}; add a column called label "
            "(classes), or columns of numbers"
        )
    return Columns(source, values, split, tuple(name for name in others if name and name not in values))


def input_of(table: Table) -> str:
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
        f"{some(map(repr, table.titles))}{meant}; begin the table with one, such as file,label or text,label"
    )


def check_same(train: Table, other: Table, columns: Columns) -> None:
    """Raises a DataError where *other* lacks a column that *train* has and that is needed."""
    for name in (columns.source, *columns.answers):
        if name not in other.columns:
            raise DataError(
                f"{other.path}: no column {name!r}, which {train.path.name} has{nearest(name, other.columns)}"
            )


def parts_of(table: Table, column: str) -> dict[str, Table]:
    """The parts of a table that the cells of *column* name.

    Raises:
        DataError: A cell names none; no row is to be learned from.
    """
    strange = [
        (line, f"{cell!r} in the column {column!r} is no part")
        for line, cell in zip(table.lines, table.cells(column), strict=True)
        if cell.lower() not in SPLITS
    ]
    if strange:
        table.refuse(strange, "it is one of train, val, test")
    of = [SPLITS[cell.lower()] for cell in table.cells(column)]
    if "train" not in of:
        raise DataError(f"{table.path}: no row has train in the column {column!r}; there is nothing to learn from")
    parts = [part for part in ("train", "val", "test") if part in of]
    return {part: table.take(i for i, name in enumerate(of) if name == part) for part in parts}


def positions(columns: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """The pairs of *columns* that are an x and a y.

    >>> positions(["age", "x", "y", "nose_y", "nose_x", "tail_x"])
    ((1, 2), (4, 3))
    """
    at = {name: i for i, name in enumerate(columns)}
    xs = [name for name in columns if name == "x" or name.endswith("_x")]
    return tuple((at[x], at[x[:-1] + "y"]) for x in xs if x[:-1] + "y" in at)


def _one_of(table: Table, names: Sequence[str]) -> str:
    """The only column that is called one of *names*; "" where none is."""
    found = [name for name in table.columns if name in names]
    if len(found) > 1:
        raise DataError(
            f"{table.path}: line {table.header}: the columns {some(map(repr, found))} mean the same thing; rename all "
            "but one"
        )
    return found[0] if found else ""
