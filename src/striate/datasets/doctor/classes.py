"""What may be wrong with the answers of a classification: missing, rare, uneven, oddly numbered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from striate.datasets.doctor.case import Case, names
from striate.datasets.doctor.diagnosis import FAULT, NOTE, WARNING, Problem
from striate.datasets.sources.looking import count, some

FEW = 10  # items of a class in training
UNEVEN = 10  # times as many as of the rarest class
SMALL_TEST = 100  # items: an accuracy of 90 % is then known to within 6 points (Wilson, 95 %)


def counts(case: Case) -> dict[str, dict[str, object]]:
    """Per part: ``{"items": n, "classes": {name: n}}``; the classes where items have one or several."""
    found: dict[str, dict[str, object]] = {}
    for name, part in case.data.parts.items():
        found[name] = {"items": len(part)}
        if case.data.task in ("classification", "multilabel"):
            per_class = _per_class(case, name)
            found[name]["classes"] = dict(zip(case.data.classes, per_class.tolist(), strict=True))
    return found


def _per_class(case: Case, part: str) -> np.ndarray:
    targets, n = np.asarray(case.data.parts[part].targets), len(case.data.classes)
    if case.data.task == "multilabel":
        return np.asarray((targets == 1).sum(axis=0))
    return np.bincount(targets[(targets >= 0) & (targets < n)], minlength=n)


def _missing(case: Case) -> Iterator[Problem]:
    """Classes without an item in a part."""
    if case.data.task not in ("classification", "multilabel"):
        return
    for name in case.data.parts:
        lacking = _classes_where(case, _per_class(case, name) == 0)
        if not lacking:
            continue
        learned = name == "train"
        message = (
            f"{count(len(lacking), 'class').replace('classs', 'classes')} without an item in {name}: {_list(lacking)}"
        )
        fix = "add items of them, or leave the classes out" if learned else f"put some items of them into {name}"
        yield Problem("class-missing", FAULT if learned else WARNING, message, fix, n=len(lacking))


def _few(case: Case) -> Iterator[Problem]:
    if case.data.task not in ("classification", "multilabel"):
        return
    n = _per_class(case, "train")
    single = _classes_where(case, n == 1)
    if single:
        message = f"only one item to learn from in {_list(single)}"
        fix = "add items, join the class with another, or leave it out"
        yield Problem("one-item-class", WARNING, message, fix, n=len(single))
    rare = _classes_where(case, (n > 1) & (n < FEW))
    if rare:
        message = f"fewer than {FEW} items to learn from in {_list(rare)}"
        fix = "add items; until then believe no figure of these classes"
        yield Problem("few-items", WARNING, message, fix, n=len(rare))


def _uneven(case: Case) -> Iterator[Problem]:
    if case.data.task != "classification":
        return
    n = _per_class(case, "train")
    most, least = int(n.argmax()), int(np.where(n > 0, n, n.max()).argmin())
    if n[least] and n[most] >= UNEVEN * n[least]:
        classes = case.data.classes
        message = (
            f"{classes[most]!r} has {n[most] / n[least]:.0f} times the items of {classes[least]!r} "
            f"({n[most]:,} and {n[least]:,}): answering always the former looks good"
        )
        fix = "train with --balance, which weighs or draws the classes evenly, and look at each class's figures"
        yield Problem("imbalance", WARNING, message, fix, n=2)


def _label_range(case: Case) -> Iterator[Problem]:
    """Targets that are no class at all; and number names with gaps, as after a wrong export."""
    data = case.data
    for part in data.parts.values() if data.task in ("classification", "multilabel") else ():
        targets = np.asarray(part.targets)
        if data.task == "classification":
            wrong = (targets < 0) | (targets >= len(data.classes))
        else:
            wrong = (targets > 1).any(axis=1)
        if wrong.any():
            values = some(np.unique(targets[wrong]).tolist())
            wanted = f"0 to {len(data.classes) - 1}" if data.task == "classification" else "0 or 1"
            message = f"{count(int(wrong.sum()), 'label')} outside {wanted}: {values}"
            yield Problem("label-range", FAULT, message, "number the classes from 0, without gaps", names(part, wrong))
    if data.task == "classification" and all(name.isdecimal() for name in data.classes):
        numbers = sorted({int(name) for name in data.classes})
        gaps = sorted(set(range(numbers[0], numbers[-1] + 1)) - set(numbers)) if numbers[-1] < 10_000 else []
        if gaps:
            message = f"the labels go from {numbers[0]} to {numbers[-1]}, but {_list(map(str, gaps))} never occurs"
            yield Problem("label-gaps", WARNING, message, "is a class missing from the training part?", n=len(gaps))


def _similar_names(case: Case) -> Iterator[Problem]:
    """Classes whose names differ only in case, spaces, hyphens and underscores."""
    groups = defaultdict(list)
    for name in case.data.classes:
        groups["".join(char for char in name.casefold() if char not in " -_")].append(name)
    for group in groups.values():
        if len(group) > 1:
            message = f"class names that differ only in case or spaces: {_list(group)}"
            yield Problem("similar-names", WARNING, message, "join them if they mean the same", n=len(group))


def _constant_labels(case: Case) -> Iterator[Problem]:
    """Of several labels, those that every item has; and items that have none."""
    if case.data.task != "multilabel":
        return
    always = _classes_where(case, _per_class(case, "train") == len(case.data.train))
    if always:
        message = f"every training item has {_list(always)}: there is nothing to learn"
        yield Problem("constant-label", WARNING, message, "leave the label out, or add items without it", n=len(always))
    for part in case.data.parts.values():
        bare = np.asarray(part.targets).sum(axis=1) == 0
        if bare.any():
            message = f"{count(int(bare.sum()), 'item')} without any label"
            yield Problem("no-label", NOTE, message, "nothing if that is meant; else label them", names(part, bare))


def _small_test(case: Case) -> Iterator[Problem]:
    test = case.data.test
    if test is not None and len(test) < SMALL_TEST:
        n, z, p = len(test), 1.96, 0.9
        half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5  # Wilson 1927
        message = f"the test part has {count(n, 'item')}: 90 % there would mean 90 % give or take {100 * half:.0f}"
        yield Problem("small-test", NOTE, message, "add items to the test part, or doubt its figures", n=n)


def _classes_where(case: Case, which: np.ndarray) -> list[str]:
    return [case.data.classes[i] for i in np.flatnonzero(which)]


def _list(classes: object) -> str:
    return some(map(repr, classes))  # type: ignore[call-overload]


CHECKS = (_missing, _few, _uneven, _label_range, _similar_names, _constant_labels, _small_test)
