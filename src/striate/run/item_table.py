"""``evaluate -o items.csv``: a row for every item, with its label, what was predicted and how probable that was."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from striate.files import write_safely
from striate.metrics import Scores
from striate.metrics.shared import ITEM


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
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(map(_cells, zip(*columns.values(), strict=True)))
    write_safely(path, text.getvalue())


def _cells(row: Sequence[Any]) -> list[Any]:
    return [f"{value:.6g}" if isinstance(value, float) else "" if value is None else value for value in row]
