"""The split of a run as a file: written, compared to resume, and taken up again to measure on its own splits."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import repeat
from pathlib import Path

import numpy as np

from striate.datasets import BUILT_IN, DataSet, Part, open_data
from striate.datasets.dataset import SPLITS
from striate.datasets.options import DATA_OPTIONS
from striate.datasets.split import joined_parts
from striate.errors import DataError, ModelError, RecipeError, counted
from striate.files import csv_text, read_regular, write_safely
from striate.run.folder import EPOCHS, SPLIT, Say, read_about

SPLIT_COLUMNS = ("part", "item", "class")


def write_split(folder: Path, dataset: DataSet) -> None:
    """Writes ``split.csv``: every item's split, name, and class (several labels, or numbers, separated by ``;``)."""
    write_safely(folder / SPLIT, _split_text(dataset))


def check_split(folder: Path, dataset: DataSet, say: Say) -> None:
    """Refuses to resume where the items are not those of the run until now, in the same splits, with the same targets.

    Raises:
        RecipeError: Saying how many are gone, new, in another split, or have another target, and the first of them.
    """
    path = folder / SPLIT
    if not path.is_file():  # of a run before there was such a file
        say(f"note: {path} is not there, so nothing says whether the split is the same")
        return
    before, now = _by_name(_written_rows(path)), _by_name(_csv_rows(_split_text(dataset)))
    differences = [
        (what, items)
        for what, items in (
            ("gone", [name for name in before if name not in now]),
            ("new", [name for name in now if name not in before]),
            ("in another split", [name for name, row in now.items() if before.get(name, row)[0] != row[0]]),
            ("with another target", [name for name, row in now.items() if before.get(name, row)[1] != row[1]]),
        )
        if items
    ]
    if differences:
        details = "; ".join(f"{len(items):,} {what}, the first {items[0]}" for what, items in differences)
        raise RecipeError(
            f"{folder}: was trained on other items ({details}); resume with the same, or omit "
            f"--resume to start a new run"
        )


def _by_name(rows: Iterable[dict[str, str]]) -> dict[str, tuple[str, str]]:
    """The split and the target of each item; of several of one name, those of each in their order."""
    found: dict[str, tuple[str, str]] = {}
    for row in rows:
        before = found.get(row["item"], ("", ""))
        found[row["item"]] = f"{before[0]} {row['part']}".strip(), f"{before[1]} {row['class']}".strip()
    return found


def _written_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a ``split.csv``; RecipeError where it is damaged."""
    with suppress(csv.Error):
        rows = [*_csv_rows(read_regular(path).decode("utf-8", errors="replace"))]
        if all(row.keys() == {*SPLIT_COLUMNS} and row["part"] in SPLITS and row["class"] is not None for row in rows):
            return rows
    raise RecipeError(f"{path}: is damaged; put it back, or train anew")


def _csv_rows(text: str) -> Iterator[dict[str, str]]:
    yield from csv.DictReader(io.StringIO(text.replace("\r\n", "\n").replace("\r", "\\r")))


def _split_text(dataset: DataSet) -> str:
    return csv_text(_split_rows(dataset)).encode(errors="backslashreplace").decode()


def _split_rows(dataset: DataSet) -> Iterator[Sequence[str]]:
    yield SPLIT_COLUMNS
    for part, items in dataset.parts.items():
        names = items.names
        if "\r" in "".join(names):  # which would end the row for a reader
            names = tuple(name.replace("\r", "\\r") for name in names)
        yield from zip(repeat(part), names, _targets(items, dataset), strict=False)


def _targets(part: Part, dataset: DataSet) -> list[str]:
    if not isinstance(part.targets, np.ndarray):
        return [""] * len(part)
    if part.targets.ndim == 1:  # a few classes, and many items of each
        said = {i: ";".join(dataset.task.target_texts(i, dataset.classes)) for i in np.unique(part.targets).tolist()}
        return [said[i] for i in part.targets.tolist()]
    return [";".join(dataset.task.target_texts(target, dataset.classes)) for target in part.targets]


def run_of(model: Path | None) -> Path | None:
    """The folder of the run that wrote the file *model*; None where none did that says its splits."""
    folder = None if model is None else model.parent.parent if model.parent.name == EPOCHS else model.parent
    return folder if folder is not None and (folder / SPLIT).is_file() else None


def items_of_run(folder: Path, split: str = "test") -> list[tuple[str, str]]:
    """Of each item of a run's *split* its name, which is its path where it is a file, and its target in words."""
    return [(row["item"], row["class"]) for row in _written_rows(folder / SPLIT) if row["part"] == split]


def data_of_run(folder: Path) -> DataSet:
    """The data of a run, opened as the run was told, in its splits; a path from where one is, else from above the run.

    Raises:
        DataError: They are not where they were, are others, or were arrays in memory. ModelError: The run does not name
            them.
    """
    about = read_about(folder)
    if "source" not in about and about["data"] not in BUILT_IN and not Path(str(about["data"])).exists():
        raise DataError(f"{folder}: was trained on data in memory, which no file has; give the data")
    told = {name: about.get(name) for name in DATA_OPTIONS}
    source, wrong = about.get("source", about["data"]), None
    above = [place / source for place in folder.resolve().parents] if isinstance(source, str) else []
    for place in [source, *(place for place in above if os.path.exists(place))]:
        try:
            opened = open_data(place, **told)
        except DataError as error:
            wrong = wrong or error
            continue
        if (dataset := in_the_runs_splits(opened, folder / "model.safetensors", lambda text: None)) is not opened:
            return dataset
        wrong = wrong or DataError(f"{source}: has not the items that the run had; put them back, or give --data")
    assert wrong is not None
    raise wrong


def in_the_runs_splits(dataset: DataSet, model: Path | None, say: Say) -> DataSet:
    """*dataset* in the splits that the run had which wrote the file *model*: exactly its items. As it is, where no run
    wrote it, or the data are others: an item of the run is not there, or has another target.
    """
    folder = run_of(model)
    if folder is None:
        return dataset
    rows = _items(_written_rows(folder / SPLIT), bool(dataset.train.files))
    there: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
    counts: Counter[str] = Counter()
    for part, key in _items([*_csv_rows(_split_text(dataset))], bool(dataset.train.files)):
        there[key].append((part, counts[part]))
        counts[part] += 1
    found: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    needed = Counter(key for _, key in rows)
    missing = [key for key, n in needed.items() if n > len(there.get(key, ()))]
    if missing:
        if len(missing) < len(needed):
            (name, target), some = missing[0], f"{len(missing):,} of its {len(needed):,} items"
            say(
                f"note: not what {folder} was trained on: {some} are not here or have another target, the first {name} "
                f"({target}); the splits are those of {dataset.name}"
            )
        return dataset
    for split, key in rows:
        part, index = there[key].pop(0)
        found[split][part].append(index)
    new = sum(map(len, there.values()))
    with suppress(ModelError):  # without its recipe a run's splits are as good
        if new and read_about(folder).get("fraction", 1) == 1:  # else they are what it left out of its training split
            say(f"note: {counted(new, 'item')} of {dataset.name} in no split of {folder}; --split all has them")
    parts = {
        split: joined_parts([dataset.parts[part].take(indices) for part, indices in of.items()])
        for split, of in found.items()
    }
    return dataset.with_parts(**parts)


def _items(rows: Sequence[dict[str, str]], files: bool) -> list[tuple[str, tuple[str, str]]]:
    """Of each item of a ``split.csv`` the split; and the name, of a file below what all have in common, and target."""
    names = [row["item"] for row in rows]
    if files and names:
        names = [os.path.abspath(name) for name in names]
        root = os.path.commonpath([os.path.dirname(name) for name in names])
        names = [os.path.relpath(name, root) for name in names]
    return [(row["part"], (name, row["class"])) for row, name in zip(rows, names, strict=True)]
