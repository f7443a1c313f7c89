"""Shortcuts: whether the class can be told from what is no content, such as the file's size, its format or its border.

A network takes what is easiest (R. Geirhos et al., Shortcut learning in deep neural networks, Nature Machine
Intelligence 2020). Each feature alone is probed: its values in bins, the most likely class of each bin by the other
four fifths of the items, right or not in this fifth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from striate.datasets.counter import uniforms
from striate.datasets.doctor.diagnosis import WARNING, Case, DataProblem
from striate.datasets.doctor.look import Looks
from striate.datasets.doctor.quality import COLOURED
from striate.datasets.doctor.similarity import SIDE
from striate.errors import listed
from striate.sampling import evenly

FOLDS, BINS = 5, 16
ITEMS_A_BIN = 5  # of each class, on the average
LEAST, LEAST_OF_CLASS = 24, 5  # items; with fewer nothing is said
MOST = 10_000  # items that are probed, evenly over the split
WIDER = 1.4  # than a binomial is chance in five folds, which depend on each other: measured on 20,000 sets of noise
SURE = 3.4  # standard deviations of chance
OF_FILES, OF_CONTENT = 0.25, 0.6  # of the way from chance to all right, from which on it is a shortcut
_RING = 2  # cells of a thumbnail


@dataclass(frozen=True)
class FeatureProbe:
    """How well classes are told from one feature: the mean recall of the classes, its 95% interval, and chance.

    Args:
        accuracy: The mean recall, cross-validated.
        interval: Where it lies, with 95% probability.
        chance: One over the number of classes.
        z: How many standard deviations of chance it is above chance.
    """

    accuracy: float
    interval: tuple[float, float]
    chance: float
    z: float

    @property
    def skill(self) -> float:
        """0 at chance, 1 where all are right."""
        return (self.accuracy - self.chance) / (1 - self.chance)


def probe(values: np.ndarray, labels: np.ndarray) -> FeatureProbe:
    """How well the *labels* can be told from one feature's *values*, by a histogram classifier in five folds.

    Args:
        values: Numbers ``(N,)``, of which the order counts, or any texts.
        labels: int ``(N,)``, 0 to K - 1, of each at least one.

    >>> labels = np.arange(100) % 2
    >>> probe(labels * 7.0, labels).accuracy
    1.0
    """
    k = int(labels.max()) + 1
    bins = _binned(values, k)
    n_bins, each = int(bins.max()) + 1, np.bincount(labels, minlength=k)
    order = np.lexsort((uniforms(0, 0, np.arange(len(labels)), 1)[:, 0], labels))
    fold = np.empty(len(labels), np.int64)
    fold[order] = np.arange(len(labels)) % FOLDS  # each class evenly over the folds
    cells = (fold * n_bins + bins) * k + labels
    held = np.bincount(cells, minlength=FOLDS * n_bins * k).reshape(FOLDS, n_bins, k)
    seen = held.sum(axis=0) - held
    likely = (seen / np.maximum(seen.sum(axis=1, keepdims=True), 1)).argmax(axis=2)  # (FOLDS, bins)
    taken = np.arange(k) == likely[..., None]
    recall = (held * taken).sum(axis=(0, 1)) / each
    often = (held.sum(axis=2, keepdims=True) * taken).sum(axis=(0, 1)) / len(labels)  # how often each is predicted
    accuracy, chance = float(recall.mean()), 1 / k
    std = WIDER * float(np.sqrt((often * (1 - often) / each).sum())) / k
    n = len(labels) + 4  # two right and two wrong more: A. Agresti and B. Coull, The American Statistician 52 (1998)
    middle = (accuracy * len(labels) + 2) / n
    half = 1.96 * (middle * (1 - middle) / n) ** 0.5
    interval = max(0.0, middle - half), min(1.0, middle + half)
    return FeatureProbe(accuracy, interval, chance, (accuracy - chance) / std if std > 0 else 0.0)


def _binned(values: np.ndarray, k: int) -> np.ndarray:
    """The bin of each value: of many different numbers the quantile; else each value is one, rare ones together."""
    most = max(2, min(BINS, len(values) // (ITEMS_A_BIN * k)))
    different, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    if len(different) <= most:
        return np.asarray(which)
    if different.dtype.kind in "fiub":
        edges = np.unique(np.quantile(values, np.arange(1, most) / most, method="lower"))
        return np.searchsorted(edges, values, side="left")
    place = np.empty(len(different), np.int64)
    place[np.argsort(-counts, kind="stable")] = np.arange(len(different))
    return place.clip(max=2 * BINS)[which]


def _features(looks: Looks, which: np.ndarray, mode: str) -> Iterator[tuple[str, np.ndarray, float]]:
    """Each feature's name, its values of the items *which*, and from which skill on it is a shortcut."""
    if looks.files:
        files, size = [looks.files[i] for i in which.tolist()], looks.size[which]
        yield "the file format", np.array([look.kind for look in files]), OF_FILES
        yield "the camera", np.array([look.camera for look in files]), OF_FILES
        yield "the resolution", size.prod(axis=1), OF_FILES
        yield "the aspect ratio", size[:, 1] / np.maximum(size[:, 0], 1), OF_FILES
        yield "the file size", np.array([look.file_size for look in files]), OF_CONTENT
    thumbs, colour = looks.thumb[which], looks.colour[which]
    ring = np.ones((SIDE, SIDE), bool)
    ring[_RING:-_RING, _RING:-_RING] = False
    yield "the border", looks.border[which], OF_CONTENT
    yield "the brightness of the border", thumbs[:, ring].mean(axis=1), OF_CONTENT
    yield "the mean brightness", thumbs.mean(axis=(1, 2)), OF_CONTENT
    if mode != "L":
        high, low = colour.max(axis=3), colour.min(axis=3)
        yield "whether it is grey", (high - low).max(axis=(1, 2)) <= COLOURED, OF_FILES
        yield "the saturation", ((high - low) / np.maximum(high, 1)).mean(axis=(1, 2)), OF_CONTENT


def _shortcuts(case: Case) -> Iterator[DataProblem]:
    """Features of the training split that tell the class, or one of several labels."""
    looks, task = case.looks.get("train"), case.data.task
    if looks is None or not (task.exclusive or task.several) or len(case.data.classes) < 2:
        return
    labels = case.data.train.labels
    questions = {"": labels} if task.exclusive else dict(zip(case.data.classes, labels.T, strict=True))
    for name, target in questions.items():
        found = _followed(looks, np.asarray(target, np.int64), case.data.mode)
        if not found:
            continue
        (first, best), *others = found
        low, high = best.interval
        also = f"; so do {listed(feature for feature, _ in others)}" if others else ""
        what = f"whether it is {name!r}" if name else "the class"
        message = (
            f"{first} tells {what}: {best.accuracy:.0%} right by it alone (95% interval {low:.0%} to {high:.0%}), "
            f"{best.chance:.0%} by chance{also}"
        )
        fix = (
            "nothing if that is what the classes mean; else make the images of all classes alike in it: a network may "
        )
        fix += "learn this in the place of the content"
        yield DataProblem("shortcut", WARNING, message, fix, n=len(found))


def _followed(looks: Looks, labels: np.ndarray, mode: str) -> list[tuple[str, FeatureProbe]]:
    """The features that tell the *labels*, the best first."""
    which = np.flatnonzero(looks.good & (labels >= 0))
    which = which[evenly(len(which), MOST)]
    enough = np.flatnonzero(np.bincount(labels[which]) >= LEAST_OF_CLASS)
    which = which[np.isin(labels[which], enough)]
    if len(enough) < 2 or len(which) < LEAST:
        return []
    numbers = np.searchsorted(enough, labels[which])
    found = []
    for name, values, limit in _features(looks, which, mode):
        result = probe(values, numbers)
        if result.skill >= limit and result.z >= SURE:
            found.append((name, result))
    return sorted(found, key=lambda one: -one[1].accuracy)


CHECKS = (_shortcuts,)
