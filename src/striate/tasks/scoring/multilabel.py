"""Multilabel: any number of labels for each item. Scores (log-odds) and targets both ``(N, K)``."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from striate.metrics.multilabel import average_precision
from striate.tasks.scoring.base import Loss, Scoring, Tally, checked_columns
from striate.tasks.task import MULTILABEL


class MultilabelScoring(Scoring):
    task = MULTILABEL

    def loss(self, name: str, weights: Tensor | None = None, label_smoothing: float = 0.0) -> Loss:
        return lambda scores, targets: F.binary_cross_entropy_with_logits(scores, targets, pos_weight=weights)

    def _checked(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return checked_columns(scores, targets, self.task.outputs)

    def tally(self, units: Tensor | None = None) -> Tally:
        return Tally(_kept, _mean_average_precision, lambda before, batch: torch.cat([before, batch], 1))


def _kept(scores: Tensor, targets: Tensor) -> Tensor:
    """``(2, N, K)``: the scores, and which labels the items have."""
    return torch.stack([scores, targets]).double().cpu()


def _mean_average_precision(items: Tensor) -> float:
    """The mean of the labels' average precision; labels that no item has are left out. Unlike F1 it needs no
    threshold, so that an epoch is not called the best for a few scores that chanced to be above a half.
    """
    scores, targets = items.numpy()
    known = [average_precision(s, t > 0.5) for s, t in zip(scores.T, targets.T, strict=True) if (t > 0.5).any()]
    return float(np.mean(known)) if known else 0.0
