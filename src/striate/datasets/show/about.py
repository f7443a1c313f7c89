"""What a data set is, in words and figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.datasets.dataset import DataSet, Part
from striate.errors import shape_text
from striate.model.contract import IMAGES

MANY = 30  # classes: of more, the most and the least frequent are shown
UNEVEN = 3.0  # times as many items in one class as in another: then balancing is worth a word
_PARTS = {"train": "training", "val": "validation", "test": "test"}


@dataclass(frozen=True, eq=False)
class About:
    """What :func:`about` found. ``str()`` is a text for people, :meth:`as_dict` the same for programs.

    Args:
        dataset: The data set.
        counts: By part, how many items each class has (of several labels, each label); None where there are no
            classes, or where they are in files that would all have to be read.
        ranges: In regression, by part, the least, mean and greatest of each value, float64 ``(V, 3)``.
    """

    dataset: DataSet
    counts: dict[str, np.ndarray] | None
    ranges: dict[str, np.ndarray] | None

    def as_dict(self) -> dict[str, Any]:
        data = self.dataset
        return {
            "name": data.name,
            "task": data.task.name,
            "why": data.why,
            "classes": list(data.classes),
            "mode": data.mode,
            "input": list(data.input),
            "items": {name: len(part) for name, part in data.parts.items()},
            "counts": self.counts and {name: counts.tolist() for name, counts in self.counts.items()},
            "ranges": self.ranges and {name: values.tolist() for name, values in self.ranges.items()},
            "positions": [list(pair) for pair in data.positions],
            "mask_values": list(data.mask_values),
            "notes": [*data.notes, *self.advice],
        }

    @property
    def advice(self) -> tuple[str, ...]:
        """A line where the classes are uneven."""
        if self.counts is None or self.dataset.task not in ("classification", "multilabel"):
            return ()
        train = self.counts["train"]
        most, least = int(train.argmax()), int(np.where(train > 0, train, train.max()).argmin())
        times = train[most] / max(1, train[least])
        if times < UNEVEN:
            return ()
        names = self.dataset.classes
        how = "weights or sampling" if self.dataset.task == "classification" else "weights"
        return (f"{names[most]} is {times:.1f} times as frequent as {names[least]}: train with --balance {how}",)

    def __str__(self) -> str:
        data = self.dataset
        kinds = {"text": "texts", "values": "values"}
        size = shape_text(data.input)
        item = f"up to {size} words" if data.mode == "text" else f"{size}, {_MODES[data.mode]}"
        lines = [
            f"{data.name}: {_task(data)}{f' ({data.why})' if data.why else ''}",
            f"{kinds.get(data.mode, 'images')}: {_typical(data)}{item}",
            "",
            *self._table(),
        ]
        notes = [*data.notes, *self.advice]
        return "\n".join([*lines, *([""] if notes else []), *(f"note: {note}" for note in notes)])

    def _table(self) -> list[str]:
        parts = self.dataset.parts
        rows = [["", *(_PARTS[name] for name in parts)], ["items", *(f"{len(part):,}" for part in parts.values())]]
        names = self.dataset.classes
        if self.ranges:
            for k, name in enumerate(names):
                cells = (f"{low:.4g} to {high:.4g}, mean {mean:.4g}" for low, mean, high in self._of(k))
                rows.append([_cut(name), *cells])
        elif self.counts:
            shown = _chosen(self.counts["train"])
            for k in shown:
                rows.append([_cut(names[k]), *(f"{int(counts[k]):,}" for counts in self.counts.values())])
            if len(shown) < len(names):
                rows.insert(2 + len(shown) // 2, [f"... {len(names) - len(shown)} more", *[""] * len(parts)])
        else:
            rows.append(["classes", ", ".join(names)])
        return _aligned(rows)

    def _of(self, k: int) -> list[tuple[float, float, float]]:
        assert self.ranges
        return [tuple(values[k].tolist()) for values in self.ranges.values()]


_MODES = {
    "L": "grey",
    "RGB": "colour",
    "RGBA": "colour with transparency",
    "channels": "bytes of several channels",
    "values": "floating point",
}


def about(dataset: DataSet) -> About:
    """Counts what *dataset* holds; reads no files.

    >>> from striate.datasets import open_data
    >>> print(str(about(open_data("digits"))).splitlines()[0])
    digits: classification into 10 classes (built in)
    """
    parts = dataset.parts
    if dataset.task == "regression":
        return About(dataset, None, {name: _ranges(part) for name, part in parts.items()})
    if any(not isinstance(part.targets, np.ndarray) for part in parts.values()):
        return About(dataset, None, None)
    return About(dataset, {name: _counts(part, len(dataset.classes)) for name, part in parts.items()}, None)


def _ranges(part: Part) -> np.ndarray:
    values = np.asarray(part.targets, np.float64)
    if not len(values):
        return np.zeros((values.shape[1], 3))
    return np.stack([values.min(axis=0), values.mean(axis=0), values.max(axis=0)], axis=1)


def _counts(part: Part, k: int) -> np.ndarray:
    """int64 ``(k,)``: items of a class; images that a class is in, where the targets are masks."""
    targets = np.asarray(part.targets)
    if targets.ndim == 1:
        return np.bincount(targets, minlength=k)
    if targets.ndim == 2:
        return np.asarray(targets.sum(axis=0, dtype=np.int64))
    present = np.zeros(k, np.int64)
    for mask in targets:
        present += np.bincount(mask.ravel(), minlength=256)[:k] > 0
    return present


def _task(data: DataSet) -> str:
    n = len(data.classes)
    if data.task == "regression":
        where = f", {'a position' if len(data.positions) == 1 else f'{len(data.positions)} positions'} among them"
        return f"regression of {n} value{'s' * (n > 1)}{where if data.positions else ''}"
    words = {"classification": "classification into", "segmentation": "segmentation into", "multilabel": "multilabel,"}
    return f"{words[data.task]} {n} classes"


def _typical(data: DataSet) -> str:
    """ "typically" where the items are files, whose sizes may differ."""
    return "typically " if data.mode in IMAGES and not isinstance(data.train.inputs, np.ndarray) else ""


def _chosen(counts: np.ndarray) -> list[int]:
    """All classes; of many, the most frequent and then the least frequent ones."""
    if len(counts) <= MANY:
        return list(range(len(counts)))
    order = np.argsort(-counts, kind="stable").tolist()
    return [*order[: MANY // 2], *order[-MANY // 2 :]]


def _cut(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:37]}..."


def _aligned(rows: list[list[str]]) -> list[str]:
    """Names to the left, figures to the right, of two columns or more."""
    table = [row for row in rows if len(row) == len(rows[0])]
    widths = [max(len(row[i]) for row in table) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=False)]
        lines.append("  ".join([row[0].ljust(max(widths[0], 7)), *(cells if row in table else row[1:])]).rstrip())
    return lines
