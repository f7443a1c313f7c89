"""What a data set is, in words and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.datasets.dataset import DataSet, Part
from striate.errors import align_columns, shape_text, shortened
from striate.model.contract import IMAGES

MANY = 30  # classes: of more, the most and the least frequent are shown
UNEVEN = 3.0  # times as many items in one class as in another: then balancing is worth a word
STATISTICS = ("min", "mean", "std", "max")
_SPLITS = {"train": "training", "val": "validation", "test": "test"}
_MODES = {
    "L": "grey",
    "RGB": "colour",
    "RGBA": "colour with transparency",
    "channels": "bytes of several channels",
    "values": "floating point",
}


@dataclass(frozen=True, eq=False)
class DataDescription:
    """What :func:`describe` found. ``str()`` is a text for people, :meth:`as_dict` the same for programs.

    Args:
        dataset: The data set.
        counts: Per split, how many items each class has (of several labels, each label); None where there are no
            classes, or where they are in files that would all have to be read.
        statistics: In regression, per split, the minimum, mean, standard deviation and maximum of each value,
            float64 ``(V, 4)``.
    """

    dataset: DataSet
    counts: dict[str, np.ndarray] | None
    statistics: dict[str, np.ndarray] | None

    def as_dict(self) -> dict[str, Any]:
        data = self.dataset
        values = None
        if self.statistics is not None:
            values = {split: _named(table.tolist(), data.classes) for split, table in self.statistics.items()}
        return {
            "name": data.name,
            "task": data.task.name,
            "why": data.why,
            "classes": list(data.classes),
            "mode": data.mode,
            "input": list(data.input),
            "items": {name: len(part) for name, part in data.parts.items()},
            "counts": self.counts and {name: counts.tolist() for name, counts in self.counts.items()},
            "values": values,
            "positions": [list(pair) for pair in data.positions],
            "mask_values": list(data.mask_values),
            "notes": [*data.notes, *self.advice],
            "skipped": [{"name": name, "reason": why} for name, why in data.skipped],
        }

    @property
    def advice(self) -> tuple[str, ...]:
        """A line where the classes are uneven."""
        task = self.dataset.task
        if self.counts is None or not (task.exclusive or task.several):
            return ()
        train = self.counts["train"]
        high, low = int(train.argmax()), int(np.where(train > 0, train, train.max()).argmin())
        times = train[high] / max(1, train[low])
        if times < UNEVEN:
            return ()
        names, how = self.dataset.classes, " or ".join(name for name in task.balances if name != "none")
        return (f"{names[high]} is {times:.1f} times as frequent as {names[low]}: train with --balance {how}",)

    def __str__(self) -> str:
        data = self.dataset
        kinds = {"text": "texts", "values": "values"}
        size = shape_text(data.input)
        item = f"up to {size} words" if data.mode == "text" else f"{size}, {_MODES[data.mode]}"
        typically = "typically " if data.mode in IMAGES and data.train.files else ""  # the sizes of files may differ
        lines = [
            f"{data.name}: {_task(data)}{f' ({data.why})' if data.why else ''}",
            f"{kinds.get(data.mode, 'images')}: {typically}{item}",
            "",
            *self._table(),
        ]
        notes = [*data.notes, *data.about_skipped, *self.advice]
        return "\n".join([*lines, *([""] if notes else []), *(f"note: {note}" for note in notes)])

    def _table(self) -> list[str]:
        parts, names = self.dataset.parts, self.dataset.classes
        rows = [
            [" " * len("classes"), *(_SPLITS[name] for name in parts)],
            ["items", *(f"{len(part):,}" for part in parts.values())],
        ]
        if self.statistics:
            for k, name in enumerate(names):
                tables = (table[k] for table in self.statistics.values())
                cells = [
                    ", ".join(f"{what} {value:.4g}" for what, value in zip(STATISTICS, row, strict=True))
                    for row in tables
                ]
                rows.append([shortened(name, 40), *cells])
        elif self.counts:
            listed = _chosen(self.counts["train"])
            for k in listed:
                rows.append([shortened(names[k], 40), *(f"{int(counts[k]):,}" for counts in self.counts.values())])
            if len(listed) < len(names):
                rows.insert(2 + len(listed) // 2, [f"... {len(names) - len(listed)} more", *[""] * len(parts)])
        else:
            return [*align_columns(rows), f"classes  {', '.join(names)}"]
        return align_columns(rows)


def describe(dataset: DataSet) -> DataDescription:
    """Counts what is in *dataset*; reads no files.

    >>> from striate.datasets import open_data
    >>> print(str(describe(open_data("digits"))).splitlines()[0])
    digits: classification into 10 classes (built in)
    """
    parts = dataset.parts
    if dataset.task.continuous:
        return DataDescription(dataset, None, {name: _statistics(part) for name, part in parts.items()})
    if any(part.mask_files for part in parts.values()):
        return DataDescription(dataset, None, None)
    return DataDescription(dataset, {name: _counts(part, len(dataset.classes)) for name, part in parts.items()}, None)


def _named(table: list[list[float]], names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    return {name: dict(zip(STATISTICS, row, strict=True)) for name, row in zip(names, table, strict=True)}


def _statistics(part: Part) -> np.ndarray:
    values = part.labels.astype(np.float64)
    if not len(values):
        return np.zeros((values.shape[1], len(STATISTICS)))
    return np.stack([getattr(values, name)(axis=0) for name in STATISTICS], axis=1)


def _counts(part: Part, k: int) -> np.ndarray:
    """int64 ``(k,)``: items of a class; images that a class is in, where the targets are masks."""
    labels = part.labels
    if labels.ndim == 1:
        return np.bincount(labels, minlength=k)
    if labels.ndim == 2:
        return np.asarray(labels.sum(axis=0, dtype=np.int64))
    present = np.zeros(k, np.int64)
    for mask in labels:
        present += np.bincount(mask.ravel(), minlength=256)[:k] > 0
    return present


def _task(data: DataSet) -> str:
    n = len(data.positions)
    where = f", {'a position' if n == 1 else f'{n} positions'} among them" if n else ""
    return data.task.describe(len(data.classes)) + where


def _chosen(counts: np.ndarray) -> list[int]:
    """All classes; of many, the most frequent and then the least frequent ones."""
    if len(counts) <= MANY:
        return list(range(len(counts)))
    order: list[int] = np.argsort(-counts, kind="stable").tolist()
    return [*order[: MANY // 2], *order[-MANY // 2 :]]
