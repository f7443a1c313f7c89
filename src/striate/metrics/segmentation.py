"""The metrics of a model that predicts a class for every pixel, counted image by image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from striate.errors import DataError, printable
from striate.metrics.classification import confused_pairs, wilson
from striate.metrics.outlines import boundary_f1, count_objects
from striate.metrics.resampling import Interval, drawings, middle
from striate.metrics.shared import (
    WORST,
    ItemError,
    Resampling,
    as_plain,
    bootstrap_interval,
    class_table,
    item_name,
    percent,
)
from striate.tasks.task import IGNORE

BACKGROUND = "background"  # the class of what is no object, where masks have one
RESAMPLES = 1000  # of the images, for the intervals


@dataclass(frozen=True)
class AreaScore:
    """One class: ``pixels`` are labelled so; a ratio with nothing below the line is None."""

    name: str
    pixels: int
    iou: float | None  # intersection over union of labels and predictions
    dice: float | None  # twice the intersection over the sum of the two; the F1 of the pixels
    precision: float | None
    recall: float | None
    boundary_f1: float | None = None  # the mean over the images that have the class in labels or predictions
    boundary_f1_interval: Interval | None = None  # a bootstrap over these images
    objects: int = 0  # connected areas, in the labels of all images
    predicted_objects: int = 0
    count_error: float | None = None  # mean of |predicted - labelled| objects over these images
    count_right: float | None = None  # share of these images with as many as labelled
    count_right_interval: Interval | None = None  # Wilson's


@dataclass(frozen=True)
class BadMask:
    """One image, and the mean IoU of the classes in its labels or predictions."""

    index: int
    name: str
    mean_iou: float


@dataclass(frozen=True, eq=False)
class SegmentationScores:
    """What :func:`score_segmentation` found.

    Args:
        classes: Names, in the order of the network's outputs.
        n: Images measured.
        pixels: Pixels measured, of the images as they came: all whose label is not 255 and that the network sees.
        mean_iou: The mean of the classes' intersection over union, each over all images together; a class that
            neither labels nor predictions have is left out (Everingham et al. 2010, section 4.1.3).
        mean_iou_interval: 95% of it when the images are resampled 1,000 times (Efron 1979, the bootstrap).
        mean_dice: The mean of the classes' dice likewise.
        pixel_accuracy: Share of the pixels predicted right.
        per_class: One :class:`AreaScore` a class.
        confusion: ``(K, K)`` pixels; rows are the labels, columns the predictions.
        worst: The images with the lowest mean IoU, the lowest first; 24 at most.
        boundary_f1: The mean over the images of how well the outlines of their classes are met
            (:func:`~striate.metrics.outlines.boundary_f1`); None where no image has an outline.
        boundary_f1_interval: Its 95% interval, a bootstrap over the images.
        quantiles: The mean IoU of the worst image, of those at a tenth, a half and nine tenths, of the best.
        ious: float64 ``(N,)``, of each image the mean IoU of the classes in its labels or predictions; NaN of one
            without any labelled pixel.
        areas: int64 ``(N, 2, K)``, of each image the pixels in the intersection and in the union of each class.
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
    ious: NDArray[np.float64]
    boundary_f1: float | None
    boundary_f1_interval: Interval | None
    quantiles: tuple[float, ...]
    areas: NDArray[np.int64]

    @property
    def commonest(self) -> AreaScore:
        """The class with the most pixels."""
        return max(self.per_class, key=lambda c: c.pixels)

    def confused(self, limit: int = 10) -> list[tuple[str, str, int]]:
        """Which classes are most often taken for which, ``(label, prediction, pixels)``, most pixels first."""
        return confused_pairs(self.confusion, self.classes, limit)

    error: ClassVar[ItemError] = ItemError("1 - mean IoU")

    @property
    def errors(self) -> NDArray[np.float64]:
        """float64 ``(N,)``, 1 less the mean IoU of each image."""
        return 1 - self.ious

    def resampled(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """float64 ``(R,)``, the mean IoU when image i counts ``times[:, i]`` times; *times* is ``(R, N)``."""
        both, union = (times @ self.areas[:, i].astype(np.float64) for i in (0, 1))
        return _mean_iou(both, union)

    @property
    def resamplings(self) -> Mapping[str, Resampling]:
        """Of each metric that can be resampled, by name, the function that does it."""
        return {"mean_iou": self.resampled}

    def item_columns(self) -> dict[str, list[Any]]:
        """``mean_iou``; None where no pixel is labelled."""
        return {"mean_iou": [None if np.isnan(iou) else iou for iou in self.ious.tolist()]}

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return as_plain(self, "classes", "ious", "areas")

    def headline(self, items: str = "items") -> str:
        low, high = self.mean_iou_interval
        pixels = f"pixel accuracy {self.pixel_accuracy:.1%}"
        if len(self.classes) == 2 and BACKGROUND in self.classes:  # what most tools show alone
            (object,) = (c for c in self.per_class if c.name != BACKGROUND)
            pixels = f"IoU of {printable(object.name)} {percent(object.iou)}; {pixels}"
        return f"mean IoU {self.mean_iou:.2%} (95% interval {low:.1%} to {high:.1%}; {pixels})"

    def _more(self) -> list[str]:
        """The outlines, and the spread of the images."""
        worst, tenth, half = map(percent, self.quantiles[:3])
        images = f"half have a mean IoU of {half} or less, a tenth {tenth} or less, the worst {worst}"
        if self.boundary_f1 is None or self.boundary_f1_interval is None:
            return [f"images          {images}"]
        between = bootstrap_interval(self.boundary_f1_interval)
        return [f"boundary F1     {percent(self.boundary_f1)}  (of the outlines{between})", f"images          {images}"]

    def __str__(self) -> str:
        low, high = self.mean_iou_interval
        common = self.commonest
        rows = [
            (
                printable(c.name),
                percent(c.pixels / self.pixels),
                *map(percent, (c.iou, c.dice, c.precision, c.recall, c.boundary_f1)),
                f"{c.predicted_objects:,} of {c.objects:,}",
            )
            for c in self.per_class
        ]
        head = ("class", "of pixels", "IoU", "dice", "precision", "recall", "boundary", "objects")
        return "\n".join(
            [
                f"mean IoU        {percent(self.mean_iou)}  ({self.n:,} images; 95% interval {percent(low)} to "
                f"{percent(high)})",
                f"mean dice       {percent(self.mean_dice)}",
                f"pixel accuracy  {percent(self.pixel_accuracy)}  (of {self.pixels:,} pixels)",
                *self._more(),
                f"majority        always predicting {printable(common.name)!r} would be right for "
                f"{percent(common.pixels / self.pixels)} of the pixels",
                "",
                *class_table(head, rows, [c.iou or 0.0 for c in self.per_class], "IoU"),
                "",
                "worst images (mean IoU)",
                *(f"  {printable(m.name)}: {percent(m.mean_iou)}" for m in self.worst[:5]),
            ]
        )


def score_segmentation(
    masks: Iterable[tuple[Sequence[NDArray[Any]] | NDArray[Any], Sequence[NDArray[Any]] | NDArray[Any]]],
    classes: Sequence[str],
    names: Sequence[str] | None = None,
) -> SegmentationScores:
    """Measure predicted masks against the true ones, batch by batch: nothing but counts is kept.

    Args:
        masks: ``(predictions, targets)`` of a batch of images, both N masks of class numbers ``(H, W)``; where one of
            the two is 255 (no class, or beyond a crop) nothing is counted.
        classes: K names.
        names: A name for each image; else ``"item 17"``.

    Raises:
        DataError: Nothing to measure, shapes that do not fit, or a number that is no class.

    >>> predictions, targets = np.array([[[0, 1, 1]]]), np.array([[[0, 1, 255]]])
    >>> score_segmentation([(predictions, targets)], ["road", "car"]).mean_iou
    1.0
    """
    k = len(classes)
    confusion, parts = np.zeros((k, k), np.int64), []
    met, counted = [], []  # outlines (K,) and objects (2, K) of each image
    for predictions, targets in masks:
        for predicted, labels in zip(predictions, targets, strict=True):
            counts = _counts(predicted, labels, k)
            confusion += counts
            both = counts.diagonal()
            parts.append(np.stack([both, counts.sum(0) + counts.sum(1) - both]))
            known = (labels != IGNORE) & (predicted != IGNORE)
            met.append(boundary_f1(predicted, labels, k, IGNORE))
            counted.append([count_objects(np.where(known, mask, IGNORE), k, IGNORE) for mask in (labels, predicted)])
    if not confusion.sum():
        raise DataError("there is nothing to measure: no image has a pixel with a class")
    if names is not None and len(names) != len(parts):
        raise DataError(f"{len(parts)} masks, but {len(names)} names: give one name per image, or none")
    shares = np.array(parts)  # (N, 2, K): intersections and unions of each image
    objects, there = np.array(counted), ~np.isnan(met)
    of_images = np.where(there.any(1), np.where(there, met, 0).sum(1) / np.maximum(there.sum(1), 1), np.nan)
    outlines = np.column_stack([met, of_images])  # (N, K + 1): the last is the mean of an image's classes
    interval, of_outlines = _bootstrap(shares, outlines)
    per_class = tuple(
        _area(name, i, confusion, outlines[:, i], of_outlines[i], objects[:, :, i]) for i, name in enumerate(classes)
    )
    boundary = _mean(of_images)
    each = _mean_iou(shares[:, 0], shares[:, 1])
    order = [i for i in np.argsort(each, kind="stable").tolist() if not np.isnan(each[i])][:WORST]
    return SegmentationScores(
        classes=tuple(classes),
        n=len(parts),
        pixels=int(confusion.sum()),
        mean_iou=mean_iou(confusion),
        mean_iou_interval=interval,
        mean_dice=float(np.mean([c.dice for c in per_class if c.dice is not None])),
        pixel_accuracy=float(confusion.trace() / confusion.sum()),
        per_class=per_class,
        confusion=confusion,
        worst=tuple(BadMask(i, item_name(i, names), float(each[i])) for i in order),
        ious=each,
        boundary_f1=boundary,
        boundary_f1_interval=None if boundary is None else of_outlines[-1],
        quantiles=tuple(np.nanquantile(each, (0, 0.1, 0.5, 0.9, 1)).tolist()),
        areas=shares,
    )


def _counts(predicted: NDArray[Any], labels: NDArray[Any], k: int) -> NDArray[np.int64]:
    """int64 ``(K, K)``: the pixels of one image, labels by predictions."""
    if predicted.shape != labels.shape:
        raise DataError(f"a prediction of {list(predicted.shape)} pixels for a mask of {list(labels.shape)}")
    known = (labels != IGNORE) & (predicted != IGNORE)
    pairs = labels[known].astype(np.int64) * k + predicted[known]
    largest = max(labels[known].max(initial=0), predicted[known].max(initial=0))
    if largest >= k:
        raise DataError(f"a mask contains the number {largest}, of {k} classes")
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


def _bootstrap(shares: NDArray[np.int64], outlines: NDArray[np.float64]) -> tuple[Interval, list[Interval]]:
    """The middle 95% of the mean IoUs of N images drawn with replacement from *shares* ``(N, 2, K)``, and of the means
    of each column of *outlines* ``(N, M)``, NaN where an image has none.
    """
    there, known = ~np.isnan(outlines), np.nan_to_num(outlines)
    ious, means = [], []
    for times in drawings(len(shares), RESAMPLES):
        both, union = (times @ shares[:, i].astype(np.float64) for i in (0, 1))
        ious.append(_mean_iou(both, union))
        of = times @ there
        means.append(np.where(of > 0, times @ known / np.maximum(of, 1), np.nan))
    return middle(np.concatenate(ious)), [middle(column) for column in np.concatenate(means).T]


def _mean(values: NDArray[np.float64]) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _area(
    name: str,
    i: int,
    confusion: NDArray[np.int64],
    outlines: NDArray[np.float64],
    interval: Interval,
    objects: NDArray[np.int64],
) -> AreaScore:
    """*outlines* ``(N,)`` of each image, the interval of their mean, *objects* ``(N, 2)`` in labels and predictions."""
    both, n, found = (int(v) for v in (confusion[i, i], confusion[i].sum(), confusion[:, i].sum()))
    boundary, off = _mean(outlines), abs(objects[:, 1] - objects[:, 0])[objects.any(1)]
    return AreaScore(
        name,
        n,
        both / (n + found - both) if n + found else None,
        2 * both / (n + found) if n + found else None,
        both / found if found else None,
        both / n if n else None,
        boundary,
        None if boundary is None else interval,
        int(objects[:, 0].sum()),
        int(objects[:, 1].sum()),
        float(off.mean()) if len(off) else None,
        float((off == 0).mean()) if len(off) else None,
        wilson(int((off == 0).sum()), len(off)) if len(off) else None,
    )
