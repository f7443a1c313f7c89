"""Classification: one class for each item. Scores ``(N, K)``, targets int64 ``(N,)`` or class shares ``(N, K)``."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from striate.errors import DataError, RecipeError
from striate.tasks.scoring.base import Loss, Scoring, Tally, check_range, shape_of_targets
from striate.tasks.task import CLASSIFICATION


class ClassificationScoring(Scoring):
    task = CLASSIFICATION

    def loss(self, name: str, weights: Tensor | None = None, label_smoothing: float = 0.0) -> Loss:
        if name == "mse":
            return _weighted(half_squared_errors, weights)
        if name == "hinge":
            return _weighted(multiclass_hinges, weights)
        if weights is None:
            return lambda scores, targets: F.cross_entropy(scores, targets, label_smoothing=label_smoothing)
        return _weighted(lambda s, t: F.cross_entropy(s, t, label_smoothing=label_smoothing, reduction="none"), weights)

    def _checked(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        y = targets
        shares = y.is_floating_point() and y.ndim == 2
        if not shares and (y.ndim != 1 or y.is_floating_point()):
            raise DataError(
                f"the targets are {shape_of_targets(y)}; expected whole numbers ({len(scores)},), the number of each "
                f"item's class"
            )
        if scores.ndim != 2 or len(scores) != len(y) or (shares and scores.shape != y.shape):
            expected = tuple(y.shape) if shares else f"({len(y)}, classes)"
            raise DataError(
                f"the network's output is {tuple(scores.shape)} for {len(y)} items; expected {expected}: "
                f"end it with flatten and linear CLASSES"
            )
        if shares:
            return scores, y.to(scores.dtype)
        check_range(y, scores.shape[1])
        return scores, y.long()

    def tally(self, units: Tensor | None = None) -> Tally:
        return Tally(_right, lambda counts: float(counts[0] / counts[1]))


def _right(scores: Tensor, targets: Tensor) -> Tensor:
    labels = targets.argmax(1) if targets.is_floating_point() else targets
    return torch.tensor([(scores.argmax(1) == labels).sum(), len(labels)], dtype=torch.float64)


def _weighted(each: Loss, weights: Tensor | None) -> Loss:
    """The mean of what *each* gives for the items, every item counting as its class (or its mixture of them) does."""
    if weights is None:
        return lambda scores, targets: each(scores, targets).mean()

    def loss(scores: Tensor, targets: Tensor) -> Tensor:
        of = weights.to(scores)
        counts = targets.to(of) @ of if targets.is_floating_point() else of[targets]
        return (each(scores, targets) * counts).sum() / counts.sum()

    return loss


def half_squared_errors(scores: Tensor, targets: Tensor) -> Tensor:
    """``1/2 sum (target - probability)^2`` over the classes, for each item: the tutorials' total error.

    >>> half_squared_errors(torch.zeros(1, 2), torch.tensor([0]))
    tensor([0.2500])
    """
    expected = targets if targets.is_floating_point() else F.one_hot(targets, scores.shape[1])
    return 0.5 * (expected.to(scores.dtype) - scores.softmax(1)).square().sum(1)


def multiclass_hinges(scores: Tensor, targets: Tensor) -> Tensor:
    """``sum over j != y of max(0, s_j - s_y + 1)``, for each item: the SVM classifier (Weston and Watkins 1999).

    Raises:
        RecipeError: The targets are shares of the classes, for which it is not defined.

    >>> multiclass_hinges(torch.tensor([[3.2, 5.1, -1.7]]), torch.tensor([0]))
    tensor([2.9000])
    """
    if targets.is_floating_point():
        raise RecipeError(
            "recipe: the loss hinge needs one class per item, not a mixture (mixup, cutmix); use crossentropy"
        )
    margins = (scores - scores.gather(1, targets[:, None]) + 1).clamp(min=0)
    return margins.sum(1) - 1  # the right class itself gives the 1
