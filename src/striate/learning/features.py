"""What a network makes of items before it decides, and predictions from that which have not seen an item's label."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate.learning.head import minimise
from striate.learning.modules import Scorer, evaluating, hooked, leading_tensor
from striate.learning.optim import loss_of
from striate.learning.recipe import Recipe
from striate.tasks import Task
from striate.tasks.scoring import scoring_of

SIDE, MOST = 2, 1024  # places by which maps are described, and the numbers that this may come to; else one place
FOLDS = 5
# Times half the sum of the squared weights. Strong: a weak one fits the labels that the network has memorised.
PENALTY = 0.1
PASSES = 60


@dataclass(frozen=True, eq=False)
class ItemFeatures:
    """Features of N items.

    Args:
        head: float32 ``(N, D)``, what goes into the last layer with weights; of maps the mean over their places.
        maps: float32 ``(N, M)``, the last maps of more than one place before it, as means over 2x2 parts of them (or
            over all); *head* where there are none. They have memorised less of the training items.
    """

    head: Tensor
    maps: Tensor


@torch.no_grad()
def item_features(module: nn.Module, inputs: Iterable[Tensor]) -> ItemFeatures:
    """The features of all *inputs*, batches as *module* takes them, in evaluation mode.

    >>> net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    >>> found = item_features(net, [torch.zeros(4, 1, 8, 8)])
    >>> found.head.shape, found.maps.shape
    (torch.Size([4, 3]), torch.Size([4, 12]))
    """
    head: list[Tensor] = []
    maps: list[Tensor] = []
    seen: dict[str, Tensor] = {}  # of one batch

    def into(part: nn.Module, args: tuple[Tensor, ...]) -> None:
        if any(True for _ in part.parameters(recurse=False)) and args:
            x = leading_tensor(args)
            seen["head"] = x.flatten(2).mean(2).float() if x.ndim > 2 else x.float()
            seen["head maps"] = _described(x) if _has_places(x) else seen.get("maps", seen["head"])

    def out_of(part: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(output, Tensor) and _has_places(output):
            seen["maps"] = _described(output)

    leaves = [part for part in module.modules() if not any(True for _ in part.children())]
    hooks = [part.register_forward_pre_hook(into) for part in leaves]
    hooks += [part.register_forward_hook(out_of) for part in leaves]
    with hooked(hooks), evaluating(module):
        for x in inputs:
            seen.clear()
            module(x)
            plain = x.flatten(1).float()  # where no part with weights was called with what it reads
            head.append(seen.get("head", plain).cpu())
            maps.append(seen.get("head maps", plain).cpu())
    return ItemFeatures(torch.cat(head), torch.cat(maps))


def _has_places(x: Tensor) -> bool:
    return x.ndim == 4 and prod(x.shape[2:]) > 1


def _described(x: Tensor) -> Tensor:
    side = SIDE if SIDE * SIDE * x.shape[1] <= MOST else 1
    return F.adaptive_avg_pool2d(x.float(), side).flatten(1)


def cross_validated_scores(
    features: Tensor, targets: Tensor, outputs: int, *, task: Task, groups: Tensor | None = None
) -> Tensor:
    """float32 ``(N, outputs)``: for each item the scores of a linear model of the *features* that has not seen it.

    In five folds, each with the classes as they are, a linear model (logistic regression in classification) is fitted
    to the other four by L-BFGS.

    Args:
        features: float ``(N, D)``.
        targets: As the task has them; numbers standardised.
        outputs: How many there are.
        task: Its loss is minimised.
        groups: int ``(N,)``: items of one group are in the same fold.

    >>> x = torch.cat([torch.randn(40, 3) + 4, torch.randn(40, 3) - 4])
    >>> y = torch.arange(80) // 40
    >>> (cross_validated_scores(x, y, 2, task=scoring_of("classification").task).argmax(1) == y).all()
    tensor(True)
    """
    scoring, loss = scoring_of(task), loss_of(Recipe(label_smoothing=0.0), task)
    x = (features - features.mean(0)) / features.std(0).clamp(min=1e-6)
    fold, scores = _folds(targets, groups), torch.zeros(len(x), outputs)
    for k in range(FOLDS):
        tail = nn.Linear(x.shape[1], outputs)
        for weights in tail.parameters():
            nn.init.zeros_(weights)
        others = fold != k
        if others.all() or not others.any():
            continue
        minimise(tail, Scorer(tail, task), scoring, loss, (x[others], targets[others]), PENALTY, PASSES)
        with torch.no_grad():
            scores[~others] = tail(x[~others])
    return scores


def _folds(targets: Tensor, groups: Tensor | None) -> Tensor:
    """int64 ``(N,)``, the fold of each item: of those with one target (or of the groups) at random and evenly."""
    random = torch.randperm(len(targets), generator=torch.Generator().manual_seed(0))
    if groups is not None:
        number = torch.unique(groups, return_inverse=True)[1]
        return torch.randperm(int(number.max()) + 1, generator=torch.Generator().manual_seed(0))[number] % FOLDS
    by = targets if targets.ndim == 1 and not targets.is_floating_point() else torch.zeros(len(targets))
    order = random[torch.argsort(by[random], stable=True)]
    fold = torch.empty(len(targets), dtype=torch.int64)
    fold[order] = torch.arange(len(targets)) % FOLDS
    return fold
