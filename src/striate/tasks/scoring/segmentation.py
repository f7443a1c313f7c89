"""Segmentation: a class for every pixel. Scores ``(N, K, H, W)``, targets int64 ``(N, H, W)``; 255 has no class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from striate.errors import DataError
from striate.metrics.segmentation import BadMask, SegmentationScores, mean_iou, score_segmentation
from striate.metrics.shared import percent
from striate.report import ItemView, Sections
from striate.report.figures import share_histogram
from striate.report.markup import Html, class_rows, el, html_table, item_caption, note, num, ratio, section
from striate.report.pictures import NOTHING, class_colours, coloured_mask, data_url, item_figure
from striate.report.tables import LARGEST, confusion_table
from striate.tasks.answers import OutputContext, classes_of_pixels
from striate.tasks.scoring.base import Finding, Findings, Loss, Scoring, Tally, check_range, shape_of_targets
from striate.tasks.scoring.figures import segmentation_figures
from striate.tasks.task import IGNORE, SEGMENTATION

SHOWN = 12  # images on the page; each is three pictures


class SegmentationScoring(Scoring[SegmentationScores]):
    """One class for each pixel."""

    task = SEGMENTATION

    def loss(self, name: str, weights: Tensor | None = None, label_smoothing: float = 0.0) -> Loss:
        if name == "dice":
            return soft_dice
        if name == "crossentropy":
            return lambda scores, targets: pixel_cross_entropy(scores, targets, weights)
        return lambda scores, targets: pixel_cross_entropy(scores, targets) + soft_dice(scores, targets)

    def _checked(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        y = targets
        if y.ndim != 3 or y.is_floating_point():
            raise DataError(
                f"the targets are {shape_of_targets(y)}; expected whole numbers ({len(scores)}, H, W), each pixel's "
                f"class, or {IGNORE} where there is none"
            )
        if scores.ndim != 4 or (len(scores), *scores.shape[2:]) != tuple(y.shape):
            n, h, w = y.shape
            raise DataError(
                f"the network's output is {tuple(scores.shape)} for masks of {tuple(y.shape)}; expected ({n}, classes, "
                f"{h}, {w}): scores for every pixel"
            )
        y = y.long()
        known = y[y != IGNORE]
        if known.numel():
            check_range(known, scores.shape[1])
        return scores, y

    def tally(self, units: Tensor | None = None) -> Tally:
        return Tally(_confusion, lambda counts: mean_iou(counts.numpy()))

    def measure(self, batches: Iterable[tuple[np.ndarray, np.ndarray]], context: OutputContext) -> SegmentationScores:
        """The targets may be of the images' own sizes, any for each: predictions are brought to them as for a file."""
        masks = (
            ([context.upright(m, t.shape[::-1]) for m, t in zip(found, targets, strict=True)], targets)
            for found, targets in ((classes_of_pixels(scores, 1), targets) for scores, targets in batches)
        )
        return score_segmentation(masks, context.classes, context.names)

    def sections(self, scores: SegmentationScores, shown: Mapping[int, ItemView]) -> Sections:
        (low, high), common = scores.mean_iou_interval, scores.commonest
        return Sections(
            percent(scores.mean_iou),
            f"mean IoU of {len(scores.classes)} classes, {scores.n:,} images",
            f" 95% interval: {percent(low)} to {percent(high)}. {percent(scores.pixel_accuracy)} of the pixels are "
            f"right; always predicting “{common.name}” would give {percent(common.pixels / scores.pixels)}.",
            _worst_images(scores, shown),
            _classes(scores),
            segmentation_figures(scores),
        )

    def findings(self, scores: SegmentationScores) -> Findings:
        """The images with the lowest mean IoU; the confusion matrix of the pixels."""
        worst = tuple(Finding(m.index, Path(m.name).name, f"mean IoU {percent(m.mean_iou)}") for m in scores.worst)
        return Findings("Images with the lowest mean IoU", worst, scores.confusion, "pixels")

    def mark(self, view: ItemView, scores: np.ndarray, target: Any, context: OutputContext) -> ItemView:
        return replace(view, target=np.asarray(target), predicted=classes_of_pixels(scores, 0))


def _confusion(scores: Tensor, targets: Tensor) -> Tensor:
    """The confusion matrix of the pixels: rows are the labels, columns the predictions."""
    k, known = scores.shape[1], targets != IGNORE
    pairs = targets[known] * k + scores.argmax(1)[known]
    return torch.bincount(pairs, minlength=k * k).reshape(k, k).double().cpu()


def pixel_cross_entropy(scores: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy, the mean over all pixels of the batch whose target is not 255; 0 where there are none.

    >>> pixel_cross_entropy(torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 255]]])).item()  # doctest: +ELLIPSIS
    0.693...
    """
    weights = None if weights is None else weights.to(scores)
    total = F.cross_entropy(scores, targets, weight=weights, ignore_index=IGNORE, reduction="sum")
    known = targets[targets != IGNORE]
    return total / (max(1, known.numel()) if weights is None else weights[known].sum().clamp(min=1e-12))


def soft_dice(scores: Tensor, targets: Tensor) -> Tensor:
    """``1 - 2 sum pg / (sum p^2 + sum g^2)`` of each class that some pixel of the batch has, the mean over these
    classes: Milletari, Navab, Ahmadi 2016, "V-Net", section 3. Pixels whose target is 255 do not count.

    >>> soft_dice(torch.tensor([[[[9.0]], [[-9.0]]]]), torch.tensor([[[0]]])).item() < 1e-6
    True
    """
    known = targets != IGNORE
    p = scores.softmax(1).movedim(1, -1)[known]
    g = F.one_hot(targets[known], scores.shape[1]).to(p.dtype)
    there = g.sum(0) > 0
    dice = 2 * (p * g).sum(0) / (p.square().sum(0) + g.sum(0)).clamp(min=1e-12)
    return ((1 - dice) * there).sum() / there.sum().clamp(min=1)


# ------------------------------------------------------------------------------------------------------ the report
def _worst_images(scores: SegmentationScores, shown: Mapping[int, ItemView]) -> Html:
    some = scores.worst[:SHOWN]
    return section(
        "Worst images",
        el("p", f"The {len(some)} with the lowest mean IoU: the image, the labels, the prediction."),
        _legend(scores.classes, [item for m in some if (item := shown.get(m.index))]),
        el("div", *(_triple(m, shown.get(m.index), len(scores.classes)) for m in some), class_="triples"),
    )


def _legend(classes: Sequence[str], items: Sequence[ItemView]) -> Html:
    """The colours of the classes that are to be seen."""
    masks = [mask for item in items for mask in (item.target, item.predicted) if mask is not None]
    seen = np.unique(np.concatenate([np.unique(mask) for mask in masks])).tolist() if masks else []
    rgb = class_colours(len(classes))
    entries = [(classes[i], rgb[i]) for i in seen if i != IGNORE]
    if IGNORE in seen:
        entries.append(("ignored", NOTHING))
    return el(
        "p", *(el("span", el("i", style=f"background:rgb{colour}"), name) for name, colour in entries), class_="legend"
    )


def _triple(bad: BadMask, item: ItemView | None, classes: int) -> Html:
    images = [item_figure(item, bad.name)]
    if item and item.target is not None and item.predicted is not None:
        for what, mask in (("labels", item.target), ("prediction", item.predicted)):
            url = data_url(coloured_mask(mask, classes), nearest=True)
            images.append(el("img", src=url, alt=f"{what} of {bad.name}"))
    return el(
        "figure",
        el("div", *images, class_="triple"),
        el("figcaption", el("b", percent(bad.mean_iou)), " ", item_caption(bad.name)),
    )


def _classes(scores: SegmentationScores) -> Html:
    many = len(scores.classes) > LARGEST
    rows = class_rows(
        (
            c.name,
            (
                num(percent(c.pixels / scores.pixels)),
                *map(ratio, (c.iou, c.dice, c.precision, c.recall, c.boundary_f1)),
                num(f"{c.predicted_objects:,} of {c.objects:,}"),
                ratio(c.count_right),
            ),
        )
        for c in scores.per_class
    )
    table = html_table(
        ["class", "of pixels", "IoU", "dice", "precision", "recall", "boundary F1", "objects", "number right"], rows
    )
    return section(
        "Classes",
        el(
            "div",
            share_histogram("Images by their mean IoU", scores.ious[~np.isnan(scores.ious)], "mean IoU"),
            class_="charts one",
        ),
        el("div", el("h3", "Per class"), table),
        el("h3", "Most often confused" if many else "Confusion matrix: percent of the pixels of each true class"),
        confusion_table(scores, shares=True),
        note(
            "IoU: the pixels that labels and predictions share, over those that either has. Dice: twice the shared, "
            "over the sum of both. Counted over all images together. Boundary F1: how much of the outlines is met. "
            "Objects: connected areas that are predicted, of how many in the labels; number right: the share of the "
            "images that "
            "have as many as labelled. A dash: there was nothing to take the share of; a "
            "class that neither labels nor predictions have is left out of the means."
        ),
    )
