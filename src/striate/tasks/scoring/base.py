"""What a task has to be able to compute, and what several tasks share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from striate.errors import DataError, counted
from striate.metrics import PairedDifference, Scores, paired_bootstrap
from striate.report import ItemView, Sections
from striate.tasks.answers import OutputContext
from striate.tasks.task import Metric, Task

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


@dataclass(frozen=True)
class Finding:
    """One item to look at: its index in the split, *what* was taken for what, and *how* wrong that is."""

    index: int
    what: str
    how: str


@dataclass(frozen=True, eq=False)
class Findings:
    """What the live page shows of the scores of a split.

    Args:
        title: Over the worst items: ``"Worst mistakes"``.
        worst: The worst first.
        confusion: int ``(K, K)``, rows are the labels, columns the predictions; None where there is none.
        counted: What it counts: ``"items"``, ``"pixels"``.
        cells: For ``(label, prediction)`` items of that, the most confident first, 24 at most; empty of pixels.
    """

    title: str = ""
    worst: tuple[Finding, ...] = ()
    confusion: np.ndarray | None = None
    counted: str = "items"
    cells: Mapping[tuple[int, int], Sequence[Finding]] = field(default_factory=dict)


Measured = TypeVar("Measured", bound=Scores)


class Scoring(ABC, Generic[Measured]):
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
        if not isinstance(targets, Tensor) or targets.is_complex():
            came = shape_of_targets(targets) if isinstance(targets, Tensor) else f"of the type {type(targets).__name__}"
            raise DataError(f"the targets are {came}; expected a tensor: {self.task.targets}")
        if targets.is_floating_point() and not (finite := targets.isfinite()).all():
            first = int((~finite).nonzero()[0, 0]) if targets.ndim else 0
            raise DataError(
                f"{int((~finite).sum())} target(s) of a batch are NaN or infinite, the first of its item {first}; "
                f"remove or replace them"
            )
        least = self.task.min_classes
        outputs = scores.shape[1] if scores.ndim > 1 else 1
        if outputs < least:
            other = (
                ""
                if self.task.per_pixel
                else "; for one number or one yes or no, use the task regression or multilabel"
            )
            raise DataError(
                f"the network has {counted(outputs, 'output')}, but {self.task} needs {least} or more, one for each "
                f"class{other}"
            )
        return self._checked(scores, targets)

    @abstractmethod
    def _checked(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]: ...

    @abstractmethod
    def tally(self, units: Tensor | None = None) -> Tally:
        """The task's metric; *units*, float ``(V,)``, are what 1 of each standardised value is in the source's."""

    def tally_of(self, metric: Metric, units: Tensor | None = None) -> Tally:
        """The tally of *metric*, the task's or its balanced one."""
        return self.tally(units)

    @abstractmethod
    def measure(self, batches: Iterable[tuple[np.ndarray, np.ndarray]], context: OutputContext) -> Measured:
        """The metrics of a split from its ``(scores, targets)``, batch by batch."""

    def compare(
        self, first: Measured, second: Measured, groups: Sequence[str] = (), metric: Metric | None = None
    ) -> PairedDifference:
        """Whether the *second* model is better, where both were measured on the same items in the same order; *groups*
        are those of the items, where they have some. By *metric*, one of the task's: its own, if not given.
        """
        return paired_bootstrap(first, second, metric or self.task.metric, groups=groups)

    @abstractmethod
    def sections(self, scores: Measured, shown: Mapping[int, ItemView]) -> Sections:
        """What the report says of *scores*; *shown* are the items of ``scores.worst``, by index."""

    def sureness(self, scores: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
        """Fields of the contract that say how sure a model is, fitted on items that it was not trained on; none, unless
        the task says more.
        """
        return {}

    def findings(self, scores: Measured) -> Findings:
        """What the live page shows of *scores*: nothing, unless the task says more."""
        return Findings()

    def mark(self, view: ItemView, scores: np.ndarray, target: Any, context: OutputContext) -> ItemView:
        """*view* of an item with its target and its prediction drawn in, where these can be drawn."""
        return view


def together(batches: Iterable[tuple[np.ndarray, np.ndarray]], outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """All scores and all targets, both ``(N, ...)``."""
    pairs = [(np.zeros((0, outputs), np.float32), None), *batches]
    targets = [t for _, t in pairs if t is not None]
    return np.concatenate([s for s, _ in pairs]), np.concatenate(targets) if targets else np.zeros(0, np.int64)


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
