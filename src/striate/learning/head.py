"""The head of a network that is fine-tuned, trained alone first: on features that are computed once, in seconds."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from striate.learning.modules import Scorer, evaluating, hooked
from striate.learning.optim import light, loss_of
from striate.learning.recipe import Recipe
from striate.learning.speed import Speed, scores_in
from striate.tasks import Task
from striate.tasks.scoring import Loss, Scoring, scoring_of

MOST = 1 << 30  # bytes of features: of more, as of maps of many pixels, the head begins with random weights
PENALTIES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003)  # times half the sum of the squared weights is added to the mean loss
Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class HeadFit:
    """What came of :func:`fit_head`.

    Args:
        items: Of the training split.
        penalty: The one of ``PENALTIES`` whose validation loss is the lowest.
        val_loss: That loss.
        val_metric: The task's metric there.
    """

    items: int
    penalty: float
    val_loss: float
    val_metric: float


def fit_head(
    module: nn.Module,
    head: Sequence[str],
    batches: Iterable[Batch],
    val: Iterable[Batch],
    recipe: Recipe,
    *,
    task: Task,
    weights: Tensor | None = None,
    units: Tensor | None = None,
    speed: Speed | None = None,
) -> HeadFit | None:
    """Trains the layers *head* at the end of *module* in place, on what comes out of the layers before them; None, and
    nothing is changed, where that is too large to be kept.

    The features of every item are computed once, in evaluation mode. Then a head with few weights is a convex problem,
    for which L-BFGS (Liu and Nocedal 1989) needs some passes: at most ``recipe.head_epochs`` for each of a few weight
    penalties, of which validation chooses. This is the logistic (or ridge) regression on frozen features.

    Args:
        module: The network.
        head: The names of its last layers, each of which takes what the one before gives.
        batches: ``(inputs, targets)`` to learn from, as they are, without augmentation.
        val: Batches that choose the penalty.
        recipe: Its loss and ``head_epochs``.
        task: What the targets are.
        weights: float ``(classes,)``, how much each class counts in the loss.
        units: As for :func:`~striate.learning.training`.
        speed: How the features are computed.

    >>> _ = torch.manual_seed(0)
    >>> x = torch.randn(64, 3)
    >>> net, data = nn.Sequential(nn.Identity(), nn.Linear(3, 2)), [(x, (x[:, 0] > 0).long())]
    >>> from striate.tasks import CLASSIFICATION
    >>> fit_head(net, ["1"], data, data, Recipe(head_epochs=20), task=CLASSIFICATION).val_metric
    1.0
    """
    speed, scoring = speed or Speed(), scoring_of(task)
    train = _features(module, head[0], batches, speed)
    held = _features(module, head[0], val, speed) if train else None
    if not train or not held:
        return None
    tail = nn.Sequential(*(module.get_submodule(name) for name in head))
    loss, best, state = loss_of(recipe, task, weights), None, None
    with evaluating(tail):
        scores_of = Scorer(tail, task)
        for penalty in PENALTIES:
            minimise(tail, scores_of, scoring, loss, train, penalty, recipe.head_epochs)
            with torch.no_grad():
                scores, targets = scoring.checked(scores_of(held[0]), held[1])
                tally = scoring.tally(units)
                fit = HeadFit(
                    len(train[1]), penalty, float(loss(scores, targets)), tally.value(tally.count(scores, targets))
                )
            if best and not fit.val_loss < best.val_loss:
                break
            best, state = fit, copy.deepcopy(tail.state_dict())
    assert best
    assert state
    tail.load_state_dict(state)
    return best


def minimise(
    tail: nn.Module, scores_of: Scorer, scoring: Scoring[Any], loss: Loss, data: Batch, penalty: float, passes: int
) -> None:
    """Fits *tail*, in place, to the ``(inputs, targets)`` of *data* by L-BFGS, in *passes* at most: the mean loss and
    *penalty* times half the sum of the squared weights are minimised.

    >>> tail, task = nn.Linear(1, 2), scoring_of("classification").task
    >>> data = torch.tensor([[-1.0], [1.0]]), torch.tensor([0, 1])
    >>> minimise(tail, Scorer(tail, task), scoring_of(task), nn.functional.cross_entropy, data, 0.01, 20)
    >>> tail(data[0]).argmax(1)
    tensor([0, 1])
    """
    x, y = data
    weights = [p for p in tail.parameters() if p.requires_grad]
    optimizer = light(torch.optim.LBFGS)(weights, max_iter=passes, max_eval=passes, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss(*scoring.checked(scores_of(x), y))
        value = value + penalty / 2 * torch.stack([p.square().sum() for p in weights if p.ndim > 1]).sum()
        value.backward()  # type: ignore[no-untyped-call]  # torch has no types for it
        return value

    optimizer.step(cast(Any, closure))


@torch.no_grad()
def _features(module: nn.Module, head: str, batches: Iterable[Batch], speed: Speed) -> Batch | None:
    """What goes into the submodule *head*, float32, and the targets, of all items; None where it is too much."""
    found: list[Tensor] = []
    targets: list[Tensor] = []

    def catch(part: nn.Module, args: tuple[Tensor, ...]) -> None:
        found.append(args[0].float())

    with hooked([module.get_submodule(head).register_forward_pre_hook(catch)]), evaluating(module):
        for x, y in batches:
            scores_in(speed, module, x)
            targets.append(y)
            if sum(part.nbytes for part in found) > MOST:
                return None
    return torch.cat(found), torch.cat(targets)
