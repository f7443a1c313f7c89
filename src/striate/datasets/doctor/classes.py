"""What may be wrong with the labels of a classification: missing, rare, uneven, oddly numbered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from striate.datasets.doctor.diagnosis import FAULT, NOTE, WARNING, Case, DataProblem, item_names
from striate.errors import DataError, counted, listed, listed_quoted
from striate.model.image import header

FEW = 10  # items of a class in training
UNEVEN = 10  # times as many as of the rarest class
SMALL_TEST = 100  # items: an accuracy of 90% is then known to within 6 points (Wilson, 95%)


def class_counts(case: Case) -> dict[str, dict[str, object]]:
    """Per split: ``{"items": n, "classes": {name: n}}``; the classes where items have one or several.

    Items that cannot be read are none of them: ``{"unreadable": n, "unreadable_classes": {name: n}}``, where there are.
    """
    found: dict[str, dict[str, object]] = {}
    for name, part in case.data.parts.items():
        lost = case.unreadable[name]
        found[name] = {"items": len(part) - int(lost.sum())}
        if lost.any():
            found[name]["unreadable"] = int(lost.sum())
        if _per_item(case):
            found[name]["classes"] = dict(zip(case.data.classes, _per_class(case, name).tolist(), strict=True))
        if _per_item(case) and lost.any():
            n = _per_class(case, name, lost)
            found[name]["unreadable_classes"] = {case.data.classes[k]: int(n[k]) for k in np.flatnonzero(n)}
    return found


def _per_item(case: Case) -> bool:
    """Whether each item has one class or several."""
    return case.data.task.exclusive or case.data.task.several


def _per_class(case: Case, split: str, which: np.ndarray | None = None) -> np.ndarray:
    """How many items of each class are in a split: of those that can be read, or of *which*."""
    which = ~case.unreadable[split] if which is None else which
    labels, n = case.data.parts[split].labels[which], len(case.data.classes)
    if case.data.task.several:
        return np.asarray((labels == 1).sum(axis=0))
    return np.bincount(labels[(labels >= 0) & (labels < n)], minlength=n)


def _lost_classes(case: Case) -> dict[str, list[tuple[str, int]]]:
    """The classes of which no file can be read, in any split, with the split and the number of each.

    The quick checks open the files of a class until one has a header that can be read.
    """
    if not all(part.files for part in case.data.parts.values()):
        return {}
    found = {}
    for number, name in enumerate(case.data.classes):
        items = []
        for split, part in case.data.parts.items():
            of_class = part.labels[:, number] == 1 if case.data.task.several else part.labels == number
            items += [(split, i) for i in np.flatnonzero(of_class).tolist()]
        if items and all(_why_unreadable(case, split, i) for split, i in items):
            found[name] = items
    return found


def _why_unreadable(case: Case, split: str, i: int) -> str:
    """Why a file cannot be read; "" where it can."""
    fault, path = "", case.data.parts[split].files[i]
    if split in case.looks:
        fault = case.looks[split].files[i].fault
    else:
        try:
            header(path)
        except DataError as error:
            fault = str(error).removeprefix(f"{path}: ")
    return fault.partition("; ")[0]


def _missing(case: Case) -> Iterator[DataProblem]:
    """Classes of which no file can be read; others without an item in a split."""
    if not _per_item(case):
        return
    lost = _lost_classes(case)
    for name, items in lost.items():
        names = tuple(case.data.parts[split].names[i] for split, i in items)
        why = _why_unreadable(case, *items[0])
        message = f"no image of the class {name!r} can be read: {counted(len(names), 'file')}, of the first: {why}"
        fix = "copy them again from their source, or remove the class"
        yield DataProblem("class-unreadable", FAULT, message, fix, names)
    for split in case.data.parts:
        lacking = [name for name in _classes_where(case, _per_class(case, split) == 0) if name not in lost]
        if lacking:
            message = f"{counted(len(lacking), 'class')} without an item in {split}: {listed_quoted(lacking)}"
            train = split == "train"
            fix = "add items of them, or omit the classes" if train else f"move some items of them to {split}"
            yield DataProblem("class-missing", FAULT if train else WARNING, message, fix, n=len(lacking))


def _few(case: Case) -> Iterator[DataProblem]:
    if not _per_item(case):
        return
    n = _per_class(case, "train")
    single = _classes_where(case, n == 1)
    if single:
        message = f"only one training item of {listed_quoted(single)}"
        fix = "add items, merge the class with another, or omit it"
        yield DataProblem("one-item-class", WARNING, message, fix, n=len(single))
    rare = _classes_where(case, (n > 1) & (n < FEW))
    if rare:
        message = f"fewer than {FEW} training items of {listed_quoted(rare)}"
        fix = "add items; until then the metrics of these classes mean little"
        yield DataProblem("few-items", WARNING, message, fix, n=len(rare))


def _uneven(case: Case) -> Iterator[DataProblem]:
    if not case.data.task.exclusive:
        return
    n = _per_class(case, "train")
    high, low = int(n.argmax()), int(np.where(n > 0, n, n.max()).argmin())
    if n[low] and n[high] >= UNEVEN * n[low]:
        classes = case.data.classes
        message = (
            f"{classes[high]!r} has {n[high] / n[low]:.0f} times the items of {classes[low]!r} "
            f"({n[high]:,} and {n[low]:,}): always predicting the former looks good"
        )
        fix = "train with --balance, which weights or samples the classes evenly, and check each class's metrics"
        yield DataProblem("imbalance", WARNING, message, fix, n=2)


def _label_range(case: Case) -> Iterator[DataProblem]:
    """Targets that are no class at all; and number names with gaps, as after a wrong export."""
    data, exclusive = case.data, case.data.task.exclusive
    for part in data.parts.values() if _per_item(case) else ():
        labels = part.labels
        beyond = len(data.classes) if exclusive else 2
        wrong = np.asarray(np.reshape((labels < 0) | (labels >= beyond), (len(part), -1)).any(axis=1))
        if wrong.any():
            values = listed(np.unique(labels[wrong]).tolist())
            allowed = f"0 to {len(data.classes) - 1}" if exclusive else "0 or 1"
            message = f"{counted(int(wrong.sum()), 'label')} outside {allowed}: {values}"
            fix = "number the classes from 0, without gaps"
            yield DataProblem("label-range", FAULT, message, fix, item_names(part, wrong))
    if exclusive and all(name.isdecimal() for name in data.classes):
        numbers = sorted({int(name) for name in data.classes})
        gaps = sorted(set(range(numbers[0], numbers[-1] + 1)) - set(numbers)) if numbers[-1] < 10_000 else []
        if gaps:
            message = (
                f"the labels go from {numbers[0]} to {numbers[-1]}, but {listed_quoted(map(str, gaps))} never occurs"
            )
            fix = "is a class missing from the training split?"
            yield DataProblem("label-gaps", WARNING, message, fix, n=len(gaps))


def _similar_names(case: Case) -> Iterator[DataProblem]:
    """Classes whose names differ only in case, spaces, hyphens and underscores."""
    groups = defaultdict(list)
    for name in case.data.classes:
        groups["".join(char for char in name.casefold() if char not in " -_")].append(name)
    for group in groups.values():
        if len(group) > 1:
            message = f"class names that differ only in case or spaces: {listed_quoted(group)}"
            yield DataProblem("similar-names", WARNING, message, "merge them if they mean the same", n=len(group))


def _constant_labels(case: Case) -> Iterator[DataProblem]:
    """Of several labels, those that every item has; and items that have none."""
    if not case.data.task.several:
        return
    always = _classes_where(case, _per_class(case, "train") == len(case.data.train))
    if always:
        message = f"every training item has {listed_quoted(always)}: there is nothing to learn"
        fix = "omit the label, or add items without it"
        yield DataProblem("constant-label", WARNING, message, fix, n=len(always))
    for part in case.data.parts.values():
        bare = part.labels.sum(axis=1) == 0
        if bare.any():
            message = f"{counted(int(bare.sum()), 'item')} without any label"
            fix = "no action needed if that is intended; else label them"
            yield DataProblem("no-label", NOTE, message, fix, item_names(part, bare))


def _small_test(case: Case) -> Iterator[DataProblem]:
    test = case.data.test
    n = 0 if test is None else len(test) - int(case.unreadable["test"].sum())
    if 0 < n < SMALL_TEST:
        z, p = 1.96, 0.9
        half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5  # Wilson 1927
        points = f"{100 * half:.0f} percentage points"
        message = f"small test split ({counted(n, 'item')}): the 95% interval of an accuracy of 90% is +-{points}"
        fix = "collect more test items, or read the metrics with their intervals"
        yield DataProblem("small-test", NOTE, message, fix, n=n)


def _classes_where(case: Case, which: np.ndarray) -> list[str]:
    return [case.data.classes[i] for i in np.flatnonzero(which)]


CHECKS = (_missing, _few, _uneven, _label_range, _similar_names, _constant_labels, _small_test)
