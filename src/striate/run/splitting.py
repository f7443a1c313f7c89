"""The split of a run, as a file: which item was in which part."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from striate.datasets import DataSet, Part
from striate.errors import RecipeError
from striate.files import write_safely
from striate.run.folder import SPLIT, Say

COLUMNS = ("part", "item", "class")


def write_split(folder: Path, dataset: DataSet) -> None:
    """Writes ``split.csv``: every item's part, name, and class (several labels, or numbers, apart by ``;``)."""
    write_safely(folder / SPLIT, _text(dataset))


def check_split(folder: Path, dataset: DataSet, say: Say) -> None:
    """Refuses to go on where the items are not those of the run until now, in the same parts, with the same answers.

    Raises:
        RecipeError: Saying how many are gone, new, in another part, or have another answer, and the first of them.
    """
    path = folder / SPLIT
    if not path.is_file():  # of a run before there was such a file
        say(f"note: {path} is not there, so nothing says whether the split is the same")
        return
    before, now = (_rows(text) for text in (path.read_text(encoding="utf-8", errors="replace"), _text(dataset)))
    differences = [
        (what, items)
        for what, items in (
            ("gone", [name for name in before if name not in now]),
            ("new", [name for name in now if name not in before]),
            ("in another part", [name for name, row in now.items() if before.get(name, row)[0] != row[0]]),
            ("with another answer", [name for name, row in now.items() if before.get(name, row)[1] != row[1]]),
        )
        if items
    ]
    if differences:
        told = "; ".join(f"{len(items):,} {what}, the first {items[0]}" for what, items in differences)
        raise RecipeError(
            f"{folder}: was trained with other items ({told}); resume with the same, or omit "
            f"--resume to start a new run"
        )


def _rows(text: str) -> dict[str, tuple[str, str]]:
    """The part and the answer of each item; of several of one name, those of each in their order."""
    rows: dict[str, tuple[str, str]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        before = rows.get(row["item"], ("", ""))
        rows[row["item"]] = f"{before[0]} {row['part']}".strip(), f"{before[1]} {row['class']}".strip()
    return rows


def _text(dataset: DataSet) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for part, items in dataset.parts.items():
        answers = _answers(items, dataset)
        writer.writerows((part, name, answer) for name, answer in zip(items.names, answers, strict=True))
    return text.getvalue().encode(errors="backslashreplace").decode()


def _answers(part: Part, dataset: DataSet) -> list[str]:
    targets, classes = part.targets, dataset.classes
    if dataset.task == "segmentation" or not isinstance(targets, np.ndarray):
        return [""] * len(part)
    if dataset.task == "classification":
        return [classes[i] for i in targets]
    if dataset.task == "multilabel":
        return [";".join(classes[i] for i in np.flatnonzero(row)) for row in targets]
    return [";".join(f"{value:.9g}" for value in row) for row in targets]
