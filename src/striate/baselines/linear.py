"""Linear models: logistic regression of one class or of several labels, and linear regression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

STEPS, MEMORY = 100, 10  # of L-BFGS at most; the steps that it remembers
SMALL = 1e-5  # a gradient that is as good as none


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


def logistic_regression(x: Features, targets: Tensor, outputs: int, c: float = 1.0, steps: int = STEPS) -> LinearModel:
    """The model that makes ``1/2 sum W^2 + c sum of the losses`` least: scikit-learn's ``LogisticRegression(C=c)``.

    Args:
        x: ``(N, D)``.
        targets: int64 ``(N,)``, one of *outputs* classes: the loss is the cross-entropy. Or float32 ``(N, outputs)``, 0
            or 1 for each label: it is each label's own.
        outputs: How many classes or labels.
        c: How little the weights are held back.
        steps: Of the search, at most.

    >>> x = torch.tensor([[-1.0], [-2.0], [1.0], [3.0]])
    >>> logistic_regression(x, torch.tensor([0, 0, 1, 1]), 2)(x).argmax(1).tolist()
    [0, 0, 1, 1]
    """
    loss = F.binary_cross_entropy_with_logits if targets.is_floating_point() else F.cross_entropy
    return _least(x, outputs, c, lambda scores: loss(scores, targets, reduction="sum"), steps)


def _least(x: Features, outputs: int, c: float, loss: Callable[[Tensor], Tensor], steps: int = STEPS) -> LinearModel:
    """The least of a convex loss, from zeros: no chance is in it."""
    n, d = (len(x), x.size if isinstance(x, Bags) else x.shape[1])

    def total(w: Tensor) -> tuple[float, Tensor]:
        w = w.detach().requires_grad_()
        weight, bias = w[:-outputs].view(d, outputs), w[-outputs:]
        with torch.enable_grad():
            value = loss(product(x, weight) + bias) / n + weight.square().sum() / (2 * c * n)
            (gradient,) = torch.autograd.grad(value, w)
        return float(value.detach()), gradient

    found = lbfgs(total, torch.zeros((d + 1) * outputs), steps)
    return LinearModel(found[:-outputs].view(d, outputs), found[-outputs:])


def lbfgs(function: Callable[[Tensor], tuple[float, Tensor]], start: Tensor, steps: int = STEPS) -> Tensor:
    """Where a smooth convex *function*, given as its value and gradient, is least: limited-memory BFGS (J. Nocedal,
    S. Wright, "Numerical optimization", 2006, algorithm 7.5) that halves a step until it pays. Unlike ``torch.optim``'s
    it loads no compiler.

    >>> lbfgs(lambda x: (float((x - 3).square().sum()), 2 * (x - 3)), torch.zeros(2)).tolist()
    [3.0, 3.0]
    """
    x, (value, gradient) = start, function(start)
    pairs: list[tuple[Tensor, Tensor, float]] = []  # step, change of the gradient, 1 / their product
    for _ in range(steps):
        if float(gradient.abs().max()) < SMALL:
            break
        direction = _direction(gradient, pairs)
        slope, rate = float(direction @ gradient), 1.0 if pairs else min(1.0, 1 / float(gradient.abs().sum()))
        for _ in range(20):
            after, steeper = function(x + rate * direction)
            if after <= value + 1e-4 * rate * slope:
                break
            rate /= 2
        else:
            break
        step, change = rate * direction, steeper - gradient
        if (curve := float(step @ change)) > 1e-12:
            pairs = [*pairs[-(MEMORY - 1) :], (step, change, 1 / curve)]
        x, value, gradient = x + step, after, steeper
    return x


def _direction(gradient: Tensor, pairs: list[tuple[Tensor, Tensor, float]]) -> Tensor:
    """The gradient times the inverse of the curvature, as far as *pairs* know it, downhill: algorithm 7.4."""
    q, shares = gradient.clone(), []
    for step, change, over in reversed(pairs):
        shares.append(over * float(step @ q))
        q -= shares[-1] * change
    if pairs:
        step, change, over = pairs[-1]
        q *= 1 / (over * float(change @ change))
    for (step, change, over), share in zip(pairs, reversed(shares), strict=True):
        q += (share - over * float(change @ q)) * step
    return -q


def linear_classifier(x: Tensor, targets: Tensor, outputs: int, penalty: float = 1.0) -> LinearModel:
    """Least squares of 1 for the class or label of an item and 0 for the others, in one step: the predictions of
    scikit-learn's ``RidgeClassifier(alpha=penalty)``. A label counts from a half on, which is made 0.

    Args:
        x: ``(N, D)``.
        targets: int64 ``(N,)`` of *outputs* classes; or float32 ``(N, outputs)``, 0 or 1 for each label.
        outputs: How many classes or labels.
        penalty: How much the weights are held back.

    >>> model = linear_classifier(torch.tensor([[0.0], [1.0], [9.0]]), torch.tensor([0, 0, 1]), 2)
    >>> model(torch.tensor([[8.0], [2.0]])).argmax(1).tolist()
    [1, 0]
    """
    labels = targets.is_floating_point()
    found = linear_regression(x, targets if labels else F.one_hot(targets, outputs).float(), penalty)
    return LinearModel(found.weight, found.bias - 0.5)


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
