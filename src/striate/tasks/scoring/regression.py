"""Regression: numbers to be predicted, which the network learns standardised. Scores and targets ``(N, V)``."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from striate.tasks.scoring.base import Loss, Scoring, Tally, checked_columns
from striate.tasks.task import REGRESSION

LOSSES: dict[str, Loss] = {
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "huber": F.huber_loss,
}  # Huber 1964, a line from one std of the target on


class RegressionScoring(Scoring):
    task = REGRESSION

    def loss(self, name: str, weights: Tensor | None = None, label_smoothing: float = 0.0) -> Loss:
        return LOSSES[name]

    def _checked(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return checked_columns(scores, targets, self.task.outputs)

    def tally(self, units: Tensor | None = None) -> Tally:
        of = torch.ones(()) if units is None else torch.as_tensor(units).double().cpu()
        return Tally(_errors, lambda counts: float((counts[:-1] * of).mean() / counts[-1]))


def _errors(scores: Tensor, targets: Tensor) -> Tensor:
    """Per value: the sum of the absolute errors; and last the number of items."""
    sums = (scores - targets).abs().double().sum(0).cpu()
    return torch.cat([sums, sums.new_tensor([len(targets)])])
