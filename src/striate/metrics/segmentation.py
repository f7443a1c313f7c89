"""The figures of a model that answers for every pixel, counted image by image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.errors import DataError
from striate.metrics.classification import WORST, confused
from striate.metrics.text import ROWS, columns, percent, plain
from striate.tasks.task import IGNORE

RESAMPLES = 1000  # of the images, for the interval


@dataclass(frozen=True)
class AreaScore:
    """One class: ``pixels`` have it as their truth; a ratio with nothing below the line is None."""

    name: str
    pixels: int
    iou: float | None  # intersection over union of truth and answer
    dice: float | None  # twice the intersection over the sum of the two; the F1 of the pixels
    precision: float | None
    recall: float | None


@dataclass(frozen=True)
class BadMask:
    """One image, and the mean IoU of the classes in its truth or answer."""

    index: int
    name: str
    mean_iou: float


@dataclass(frozen=True, eq=False)
class SegmentationScores:
    """What :func:`score_segmentation` found.

    Args:
        classes: Names, in the order of the network's outputs.
        n: Images measured.
        pixels: Pixels measured: all whose truth is not 255.
        mean_iou: The mean of the classes' intersection over union, each over all images together; a class that
            neither truth nor answer has is left out (Everingham et al. 2010, section 4.1.3).
        mean_iou_interval: 95 % of it when the images are drawn anew 1,000 times (Efron 1979, the bootstrap).
        mean_dice: The mean of the classes' dice likewise.
        pixel_accuracy: Share of the pixels answered right.
        per_class: One :class:`AreaScore` a class.
        confusion: ``(K, K)`` pixels; rows are the truth, columns the answer.
        worst: The images with the lowest mean IoU, the lowest first; 24 at most.
    """

    classes: tuple[str, ...]
    n: int
    pixels: int
    mean_iou: float
    mean_iou_interval: tuple[float, float]
    mean_dice: float
    pixel_accuracy: float
    per_class: tuple[AreaScore, ...]
    confusion: NDArray[np.int64]
    worst: tuple[BadMask, ...]

    @property
    def commonest(self) -> AreaScore:
        """The class with the most pixels."""
        return max(self.per_class, key=lambda c: c.pixels)

    def confused(self, limit: int = 10) -> list[tuple[str, str, int]]:
        """Which classes are most often taken for which, ``(truth, answer, pixels)``, most pixels first."""
        return confused(self.confusion, self.classes, limit)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, ready for JSON."""
        own = ("n", "pixels", "mean_iou", "mean_dice", "pixel_accuracy")
        return {
            **{name: getattr(self, name) for name in own},
            "mean_iou_interval": list(self.mean_iou_interval),
            "per_class": [asdict(c) for c in self.per_class],
            "confusion": self.confusion.tolist(),
            "worst": [asdict(m) for m in self.worst],
        }

    def __str__(self) -> str:
        low, high = self.mean_iou_interval
        common = self.commonest
        head = [
            f"mean IoU        {percent(self.mean_iou)}  ({self.n:,} images; 95 % interval {percent(low)} to "
            f"{percent(high)})",
            f"mean dice       {percent(self.mean_dice)}",
            f"pixel accuracy  {percent(self.pixel_accuracy)}  (of {self.pixels:,} pixels)",
            f"for scale       always answering {plain(common.name)!r} would be right for "
            f"{percent(common.pixels / self.pixels)} of the pixels",
        ]
        shown = (
            sorted(self.per_class, key=lambda c: c.iou or 0.0)[:ROWS] if len(self.classes) > ROWS else self.per_class
        )
        rows = [
            (
                plain(c.name),
                percent(c.pixels / self.pixels),
                *map(percent, (c.iou, c.dice, c.precision, c.recall)),
            )
            for c in shown
        ]
        table = columns([("class", "of pixels", "IoU", "dice", "precision", "recall"), *rows])
        more = [f"(the {len(shown)} weakest of {len(self.classes):,} classes, by IoU)"]
        worst = [f"  {plain(m.name)}: {percent(m.mean_iou)}" for m in self.worst[:5]]
        return "\n".join([*head, "", *table, *more[: len(self.classes) > ROWS], "", "worst images (mean IoU)", *worst])


def score_segmentation(
    masks: Iterable[tuple[NDArray[Any], NDArray[Any]]], classes: Sequence[str], names: Sequence[str] | None = None
) -> SegmentationScores:
    """Measure masks against the true ones, batch by batch: nothing but counts is kept.

    Args:
        masks: ``(answers, targets)`` of a batch of images, both class numbers ``(N, H, W)``; a target of 255 is not
            counted.
        classes: K names.
        names: A name for each image; else ``"item 17"``.

    Raises:
        DataError: Nothing to measure, shapes that do not fit, or a number that is no class.

    >>> answers, truth = np.array([[[0, 1, 1]]]), np.array([[[0, 1, 255]]])
    >>> score_segmentation([(answers, truth)], ["road", "car"]).mean_iou
    1.0
    """
    k = len(classes)
    confusion, parts = np.zeros((k, k), np.int64), []
    for answers, targets in masks:
        for answer, truth in zip(np.asarray(answers), np.asarray(targets), strict=True):
            counts = _counts(answer, truth, k)
            confusion += counts
            both = counts.diagonal()
            parts.append(np.stack([both, counts.sum(0) + counts.sum(1) - both]))
    if not confusion.sum():
        raise DataError("there is nothing to measure: no image has a pixel that a class is asked for")
    if names is not None and len(names) != len(parts):
        raise DataError(f"{len(parts)} masks, but {len(names)} names: give one name an image, or none")
    shares = np.array(parts)  # (N, 2, K): intersections and unions of each image
    per_class = tuple(_area(name, i, confusion) for i, name in enumerate(classes))
    each = _mean_iou(shares[:, 0], shares[:, 1])
    order = [i for i in np.argsort(each, kind="stable").tolist() if not np.isnan(each[i])][:WORST]
    return SegmentationScores(
        classes=tuple(classes),
        n=len(parts),
        pixels=int(confusion.sum()),
        mean_iou=mean_iou(confusion),
        mean_iou_interval=_bootstrap(shares),
        mean_dice=float(np.mean([c.dice for c in per_class if c.dice is not None])),
        pixel_accuracy=float(confusion.trace() / confusion.sum()),
        per_class=per_class,
        confusion=confusion,
        worst=tuple(BadMask(i, names[i] if names else f"item {i}", float(each[i])) for i in order),
    )


def _counts(answer: NDArray[Any], truth: NDArray[Any], k: int) -> NDArray[np.int64]:
    """int64 ``(K, K)``: the pixels of one image, truth by answer."""
    if answer.shape != truth.shape:
        raise DataError(f"an answer of {list(answer.shape)} pixels for a mask of {list(truth.shape)}")
    asked = truth != IGNORE
    pairs = truth[asked].astype(np.int64) * k + answer[asked]
    if pairs.size and (truth[asked].max() >= k or answer[asked].max() >= k):
        raise DataError(f"a mask holds the number {max(truth[asked].max(), answer[asked].max())}, of {k} classes")
    return np.bincount(pairs, minlength=k * k).reshape(k, k)


def mean_iou(confusion: NDArray[Any]) -> float:
    """The mean of the classes' intersection over union (Everingham et al. 2010, "The Pascal visual object classes
    challenge", section 4.1.3) from their confusion matrix ``(K, K)``; a class that neither labels nor predictions
    have is left out. 0 where there is no pixel.

    >>> mean_iou(np.array([[2, 1, 0], [0, 1, 0], [0, 0, 0]]))  # doctest: +ELLIPSIS
    0.583...
    """
    both = confusion.diagonal()
    return float(np.nan_to_num(_mean_iou(both, confusion.sum(0) + confusion.sum(1) - both)))


def _mean_iou(both: NDArray[Any], union: NDArray[Any]) -> NDArray[np.float64]:
    """The mean over the last axis of both / union, of those that there are; NaN where there are none."""
    there = union > 0
    iou = np.where(there, both / np.where(there, union, 1), 0).sum(-1)
    n = there.sum(-1)
    return np.where(n > 0, iou / np.maximum(n, 1), np.nan)


def _bootstrap(shares: NDArray[np.int64]) -> tuple[float, float]:
    """The middle 95 % of the mean IoUs of images drawn anew, as many as there are; *shares* are ``(N, 2, K)``."""
    rng, n = np.random.default_rng(0), len(shares)
    found = []
    for _ in range(RESAMPLES // 100):  # in parts, of which each takes 800 bytes an image
        times = rng.multinomial(n, np.full(n, 1 / n), 100).astype(np.float64)
        both, union = (times @ shares[:, i].astype(np.float64) for i in (0, 1))
        found.append(_mean_iou(both, union))
    low, high = np.nanpercentile(found, (2.5, 97.5))
    return float(low), float(high)


def _area(name: str, i: int, confusion: NDArray[np.int64]) -> AreaScore:
    both, n, said = (int(v) for v in (confusion[i, i], confusion[i].sum(), confusion[:, i].sum()))
    return AreaScore(
        name,
        n,
        both / (n + said - both) if n + said else None,
        2 * both / (n + said) if n + said else None,
        both / said if said else None,
        both / n if n else None,
    )
