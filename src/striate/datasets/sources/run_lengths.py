"""Masks as run lengths in the cells of a table, as Kaggle has them: ``ImageId,EncodedPixels``, ``id,rle_mask``.

A cell is ``start length start length ...``: pixels are counted down the columns, from 1. An image may have several
rows, each an object; an empty cell says that there is none. A class may be in a column of its own, or behind the
image's name (``Image_Label``: ``0002cc93b.jpg_1``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from striate.datasets.dataset import Broken, DataSet
from striate.datasets.sources.columns import ColumnChoice, TableColumns, is_called_file, split_column
from striate.datasets.sources.objects import AnnotatedImage, ImageObject, annotated_data_set, header_size
from striate.datasets.sources.objects_readers import UNNAMED
from striate.datasets.sources.rows import KNOWN, LABELS, OTHER_LABELS, CsvTable
from striate.datasets.sources.tables_files import FileFinder
from striate.errors import DataError, nearest
from striate.tasks import Task

_CALLED = re.compile(r"encoded_?pixels|(.*_)?rles?(_.*)?|masks?|segmentation|annotation", re.IGNORECASE)
_RUNS = re.compile(r"\d+ \d+( \d+ \d+)*")
_NUMBERS = re.compile(r"\d+( \d+)*")
_EXPECTED = "'start length start length ...', pixels counted down the columns from 1, none twice"
_NONE = {"", "-1", "nan", "NaN"}  # cells that say that there is no object
_SAMPLE = 200  # cells that are looked at
_SURE = 5  # blanks in a cell, and such cells: by fewer no column is taken for run lengths that is not called so
_JOINED = re.compile(r"(.+\.\w+)_([^_]+)|(.+)_([^_.]+)")  # the name of an image and a class
_NAMES = ("image", "class", "runs", "group")


@dataclass(frozen=True)
class RunColumns:
    """The columns of the images and the run lengths; that of the class, "" where there is none; whether the class is
    joined to the image's name.
    """

    image: str
    runs: str
    label: str = ""
    joined: bool = False

    @classmethod
    def of(cls, table: CsvTable, choice: ColumnChoice | None = None) -> RunColumns | None:
        """Those of *table*; None where it has no run lengths."""
        choice = choice or ColumnChoice()
        head = replace(table, rows=table.rows[:_SAMPLE])  # all of each column would take long
        called = [name for name in table.columns if _CALLED.fullmatch(name) and _are_runs(table, name)]
        runs = next((name for name in called or table.columns if called or _are_sure_runs(head, name)), None)
        if runs is None:
            return None
        others = [name for name in table.columns if name and name != runs]
        for option, title in (("file", choice.file), ("label", choice.label)):
            if title and title.lower() not in others:
                raise DataError(f"{table.path}: no column {title!r} for --{option}{nearest(title.lower(), others)}")
        image = (choice.file or "").lower() or next((name for name in others if is_called_file(name)), "")
        joined = "" if image else next((name for name in others if re.fullmatch("image.*_(label|class.*)", name)), "")
        label = (choice.label or "").lower() or next((n for n in others if n in (*LABELS, *OTHER_LABELS)), "")
        return cls(image or joined, runs, label, bool(joined)) if image or joined else None

    @property
    def needed(self) -> TableColumns:
        """The same, to ask whether another table has them."""
        targets = (self.runs, *filter(None, [self.label]))
        return TableColumns((self.image,), False, targets, labels=False, split="", group="", unused=())


def _are_runs(table: CsvTable, column: str) -> bool:
    """Whether most cells are pairs of numbers."""
    cells = [cell for cell in table.cells(column) if cell not in _NONE][:_SAMPLE]
    return 2 * sum(map(bool, map(_RUNS.fullmatch, cells))) > len(cells)


def _are_sure_runs(table: CsvTable, column: str) -> bool:
    """Whether most cells of a column that says nothing by its name are several pairs, none of which overlap."""
    cells = [] if column in KNOWN else [cell for cell in table.cells(column) if cell not in _NONE]
    sure = [cell for cell in cells if cell.count(" ") >= _SURE and not _fault(cell)]
    return len(sure) >= _SURE and 2 * len(sure) > len(cells)


def run_lengths_data_set(
    tables: dict[str, CsvTable],
    columns: RunColumns,
    finders: Mapping[Path, FileFinder],
    task: Task | None,
    choice: ColumnChoice,
) -> DataSet:
    """The data set of tables of run lengths, by split: masks; with another *task*, the classes of the objects.

    Raises:
        DataError: Half of the images or more are not there; half of the cells or more are no run lengths of their
            image.
    """
    whole = tables["train"]
    if choice.group:
        raise DataError(
            f"{whole.path}: --group is not read with masks of run lengths; omit it, or write masks as files"
        )
    if not whole.path.is_file():
        raise DataError(f"{whole.path}: run lengths are read from a file; save the table as .csv beside the images")
    notes = [note for table in tables.values() for note in table.notes]
    if "test" in tables and columns.needed.lacking_in(tables["test"]):
        notes.append(f"{tables.pop('test').path.name} skipped: no labels (use it with striate predict)")
    for table in tables.values():
        columns.needed.check_in(table, whole)
    if len(tables) == 1 and (split := split_column(whole, (columns.image, columns.runs, columns.label))):
        tables = whole.split_by(split)
    splits, skipped = {}, tuple[Broken, ...]()
    for split, table in tables.items():
        plain = _plain(table, columns)
        plain, files, missing = finders[table.path.parent].files(plain, _NAMES[0], split)
        skipped += missing
        splits[split], wrong = _annotated(plain, files)
        skipped += wrong
    what = f"the run lengths in the column {whole.title(columns.runs)!r}, counted down the columns from 1"
    data = annotated_data_set(
        whole.path.parent,
        splits,
        what,
        task=task,
        notes=notes,
        skipped=skipped,
        used=[table.path.name for table in tables.values()],
    )
    return replace(data, why=data.why.replace("from the outlines in the", "from the"))


def _plain(table: CsvTable, columns: RunColumns) -> CsvTable:
    """The table with the columns image, class and runs alone."""
    images, runs = table.cells(columns.image), table.cells(columns.runs)
    labels = table.cells(columns.label) if columns.label else [""] * len(runs)
    if columns.joined:
        found = [_JOINED.fullmatch(cell) for cell in images]
        images = [(match[1] or match[3]) if match else cell for cell, match in zip(images, found, strict=True)]
        labels = [(match[2] or match[4]) if match else "" for match in found]
    return replace(table, titles=_NAMES[:3], rows=[*zip(images, labels, runs, strict=True)])


def _annotated(table: CsvTable, files: Sequence[Path]) -> tuple[list[AnnotatedImage], tuple[Broken, ...]]:
    """The images with their objects; the rows that are no run lengths. An image with such a row is left out."""
    sizes = {path: header_size(path) for path in dict.fromkeys(files)}
    faults = []
    objects: dict[Path, list[ImageObject]] = {path: [] for path in sizes}
    for (image, label, cell), line, path in zip(table.rows, table.lines, files, strict=True):
        if cell in _NONE:
            continue
        if fault := _fault(cell, sizes[path]):
            faults.append((line, f"{image}: {fault}"))
            objects.pop(path, None)
        elif path in objects:
            objects[path].append(ImageObject(label or UNNAMED, runs=_alternating(cell)))
    _, skipped = table.without(faults, f"expected {_EXPECTED}")
    return [AnnotatedImage(path, table.path, found, sizes[path]) for path, found in objects.items()], skipped


def _fault(cell: str, size: tuple[int, int] = (1, 1)) -> str:
    """What is wrong with run lengths, "" if nothing, in an image of that height and width; 1x1 if it is not known.

    >>> _fault("1 2 4"), _fault("2 3 7 1", (3, 4)), _fault("12 2", (3, 4))
    ('odd count, start/length pairs expected', '', 'it leads beyond the 4x3 pixels (was the image resized since?)')
    """
    if not _NUMBERS.fullmatch(cell):
        return f"{cell[:40]!r} is no run lengths"
    if not _RUNS.fullmatch(cell):
        return "odd count, start/length pairs expected"
    runs = _pairs(cell)
    if runs[0][0] < 1 or any(start + length > after for (start, length), (after, _) in pairwise(runs)):
        return f"{cell[:40]!r} is no run lengths"
    if sum(runs[-1]) - 1 > size[0] * size[1] > 1:
        return f"it leads beyond the {size[1]}x{size[0]} pixels (was the image resized since?)"
    return ""


def _pairs(cell: str) -> list[tuple[int, int]]:
    numbers = [*map(int, cell.split())]
    return sorted(zip(numbers[::2], numbers[1::2], strict=True))


def _alternating(cell: str) -> tuple[int, ...]:
    """``start length start length ...`` as the lengths outside and inside by turns.

    >>> _alternating("2 3 7 1")
    (1, 3, 2, 1)
    """
    runs = _pairs(cell)
    ends = [1, *(start + length for start, length in runs)]
    return tuple(n for end, (start, length) in zip(ends, runs, strict=False) for n in (start - end, length))
