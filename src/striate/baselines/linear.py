"""Linear models: logistic regression of one class or of several labels, and linear regression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

STEPS = 100  # of L-BFGS at most


@dataclass(frozen=True)
class Bags:
    """Features most of which are 0, as the rows of a sparse matrix: words and their weights.

    Args:
        ids: int64, the features of all items, one item after the other.
        weights: float32, the value of each.
        starts: int64 ``(N,)``, where each item begins.
        size: How many features there are.
    """

    ids: Tensor
    weights: Tensor
    starts: Tensor
    size: int

    def __len__(self) -> int:
        return len(self.starts)


Features = Tensor | Bags


@dataclass(frozen=True)
class LinearModel:
    """``x W + b``: *weight* ``(D, K)``, *bias* ``(K,)``."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Features) -> Tensor:
        return product(x, self.weight) + self.bias


def product(x: Features, weight: Tensor) -> Tensor:
    """``(N, K)``: features ``(N, D)`` times *weight* ``(D, K)``.

    >>> bags = Bags(torch.tensor([0, 2]), torch.tensor([1.0, 2.0]), torch.tensor([0, 1]), 3)
    >>> product(bags, torch.tensor([[1.0], [5.0], [3.0]])).tolist()
    [[1.0], [6.0]]
    """
    if isinstance(x, Tensor):
        return x @ weight
    return F.embedding_bag(x.ids, weight, x.starts, mode="sum", per_sample_weights=x.weights)


def logistic_regression(x: Features, targets: Tensor, outputs: int, c: float = 1.0) -> LinearModel:
    """The model that makes ``1/2 sum W^2 + c sum of the losses`` least: scikit-learn's ``LogisticRegression(C=c)``.

    Args:
        x: ``(N, D)``.
        targets: int64 ``(N,)``, one of *outputs* classes: the loss is the cross-entropy. Or float32 ``(N, outputs)``, 0
            or 1 for each label: it is each label's own.
        outputs: How many classes or labels.
        c: How little the weights are held back.

    >>> x = torch.tensor([[-1.0], [-2.0], [1.0], [3.0]])
    >>> logistic_regression(x, torch.tensor([0, 0, 1, 1]), 2)(x).argmax(1).tolist()
    [0, 0, 1, 1]
    """
    if targets.is_floating_point():
        return _least(
            x, outputs, c, lambda scores: F.binary_cross_entropy_with_logits(scores, targets, reduction="sum")
        )
    return _least(x, outputs, c, lambda scores: F.cross_entropy(scores, targets, reduction="sum"))


def _least(x: Features, outputs: int, c: float, loss: Callable[[Tensor], Tensor]) -> LinearModel:
    """L-BFGS on a convex loss, from zeros: no chance is in it."""
    n, d = (len(x), x.size if isinstance(x, Bags) else x.shape[1])
    weight, bias = (torch.zeros(shape, requires_grad=True) for shape in ((d, outputs), (outputs,)))
    steps = torch.optim.LBFGS(
        [weight, bias], max_iter=STEPS, tolerance_grad=1e-5, tolerance_change=1e-7, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        steps.zero_grad()
        total = loss(product(x, weight) + bias) / n + weight.square().sum() / (2 * c * n)
        total.backward()  # type: ignore[no-untyped-call]
        return total

    with torch.enable_grad():
        steps.step(closure)  # type: ignore[no-untyped-call]
    return LinearModel(weight.detach(), bias.detach())


def linear_regression(x: Features, targets: Tensor, penalty: float = 1.0) -> LinearModel:
    """The model that makes ``sum (y - t)^2 + penalty sum W^2`` least: scikit-learn's ``Ridge(alpha=penalty)``.

    Args:
        x: ``(N, D)``.
        targets: float32 ``(N, V)``.
        penalty: 0 is the ordinary least squares, where there are more items than features.

    >>> found = linear_regression(torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[1.0], [3.0], [5.0]]), penalty=0)
    >>> round(float(found.weight), 3), round(float(found.bias), 3)
    (2.0, 1.0)
    """
    if isinstance(x, Bags):  # as logistic regression's, with half the squares for the loss
        least = lambda scores: 0.5 * (scores - targets).square().sum()  # noqa: E731
        return _least(x, targets.shape[1], 1 / penalty, least)
    x, y = x.double(), targets.double()
    middle, level = x.mean(0), y.mean(0)
    x, y = x - middle, y - level
    n, d = x.shape
    if d <= n:
        weight = torch.linalg.lstsq(_ridge(x.T @ x, penalty), x.T @ y).solution
    else:  # the same by as many unknowns as there are items
        weight = x.T @ torch.linalg.lstsq(_ridge(x @ x.T, penalty), y).solution
    return LinearModel(weight.float(), (level - middle @ weight).float())


def _ridge(square: Tensor, penalty: float) -> Tensor:
    return square + penalty * torch.eye(len(square), dtype=square.dtype)
