"""Segmentation: a class for every pixel. Scores ``(N, K, H, W)``, targets int64 ``(N, H, W)``; 255 has no class."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from striate.errors import DataError
from striate.metrics.segmentation import mean_iou
from striate.tasks.scoring.base import Loss, Scoring, Tally, check_range, shape_of_targets
from striate.tasks.task import IGNORE, SEGMENTATION


class SegmentationScoring(Scoring):
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


def _confusion(scores: Tensor, targets: Tensor) -> Tensor:
    """The confusion matrix of the pixels: rows are the labels, columns the predictions."""
    k, known = scores.shape[1], targets != IGNORE
    pairs = targets[known] * k + scores.argmax(1)[known]
    return torch.bincount(pairs, minlength=k * k).view(k, k).double().cpu()


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
