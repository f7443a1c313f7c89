"""Looking at a module without changing it: the mean loss and the task's figure over batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from striate.errors import DataError
from striate.learning.figures import Figure, figure_of
from striate.learning.losses import Loss, loss_of
from striate.learning.recipe import Recipe
from striate.learning.scorer import Scorer
from striate.learning.targets import checked

Batch = tuple[Tensor, Tensor]


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """*module* in evaluation mode, and then every part of it in the mode that it was in."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


@torch.no_grad()
def validate(
    module: nn.Module,
    batches: Iterable[Batch],
    loss: Loss | None = None,
    task: str = "classification",
    figure: Figure | None = None,
) -> tuple[float, float]:
    """The mean *loss* and the task's *figure* (the accuracy, say) of *module* over *batches*; its mode is left as it
    was. Of a batch nothing is kept but what the figure needs: counts, or several labels' scores.

    In training the loss is the one that is trained, so that the two curves can be laid on each other.
    """
    loss, figure, scores_of = (
        loss or loss_of(Recipe(label_smoothing=0), task),
        figure or figure_of(task),
        Scorer(module, task),
    )
    total, items, counts = 0.0, 0, None
    with evaluating(module):
        for x, y in batches:
            scores, targets = checked(scores_of(x), y, task)
            total += float(loss(scores, targets)) * len(y)
            some = figure.count(scores, targets)
            counts = some if counts is None else figure.join(counts, some)
            items += len(y)
    if counts is None:
        raise DataError("there is nothing to validate on: the batches are empty")
    return total / items, figure.value(counts)
