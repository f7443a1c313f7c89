"""What a task has to be able to compute, and what several tasks share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from striate.errors import DataError
from striate.tasks.task import Task

Loss = Callable[[Tensor, Tensor], Tensor]  # scores before any softmax or sigmoid, and targets, to the batch's mean loss


@dataclass(frozen=True)
class Tally:
    """The metric of an epoch, batch by batch.

    Args:
        count: ``(scores, targets)`` of a batch to float64 numbers.
        value: From all of them, put together by *join*, to the metric.
        join: Puts the numbers of a batch to those before.
    """

    count: Callable[[Tensor, Tensor], Tensor]
    value: Callable[[Tensor], float]
    join: Callable[[Tensor, Tensor], Tensor] = torch.add


class Scoring(ABC):
    """What one task computes; its description is :attr:`task`."""

    task: ClassVar[Task]

    @abstractmethod
    def loss(self, name: str, weights: Tensor | None = None, label_smoothing: float = 0.0) -> Loss:
        """The loss *name*, one of the task's.

        Args:
            name: Of ``task.losses``.
            weights: float ``(K,)``, how much an item (a pixel, a label's presence) of each class counts, where *name*
                is one of ``task.weighted_losses``. A mean is then the weighted one.
            label_smoothing: The share of a target that is spread over all classes, where the loss knows it.
        """

    def checked(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """A batch as the losses take it; DataError where the network's output or the targets are others."""
        if not isinstance(scores, Tensor):
            raise DataError(f"the network's output is a {type(scores).__name__}; expected one tensor of scores")
        return self._checked(scores, targets)

    @abstractmethod
    def _checked(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]: ...

    @abstractmethod
    def tally(self, units: Tensor | None = None) -> Tally:
        """The task's metric; *units*, float ``(V,)``, are what 1 of each standardised value is in the source's."""


def check_range(y: Tensor, outputs: int) -> None:
    """DataError where a class number in *y* has no output."""
    if len(y) and (int(y.min()) < 0 or int(y.max()) >= outputs):
        raise DataError(
            f"the targets reach from {int(y.min())} to {int(y.max())}, the network has {outputs} outputs "
            f"(0 to {outputs - 1}); change its last layer or the labels"
        )


def shape_of_targets(y: Tensor) -> str:
    """A tensor in an error's text: ``"float32 of shape (2, 3)"``."""
    return f"{str(y.dtype).removeprefix('torch.')} of shape {tuple(y.shape)}"


def checked_columns(scores: Tensor, y: Tensor, outputs: str) -> tuple[Tensor, Tensor]:
    """Scores and targets ``(N, K)``, one column for each of the *outputs* ("labels"); of one, both may be ``(N,)``."""
    scores, y = (t[:, None] if t.ndim == 1 else t for t in (scores, y))
    if y.ndim != 2 or scores.shape != y.shape:
        raise DataError(
            f"the network's output is {tuple(scores.shape)}, the targets are {shape_of_targets(y)}; expected both "
            f"(N, {outputs}): end it with flatten and linear {y.shape[1] if y.ndim == 2 else outputs.upper()}"
        )
    return scores, y.to(scores.dtype)
