"""The losses, each from the scores before any softmax; and how those scores are found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from striate.learn.recipe import Recipe

Loss = Callable[[Tensor, Tensor], Tensor]


def half_squared_error(scores: Tensor, targets: Tensor) -> Tensor:
    """``1/2 sum (target - probability)^2`` over the classes, the mean over the batch: the tutorials' total error.

    >>> half_squared_error(torch.zeros(1, 2), torch.tensor([0])).item()
    0.25
    """
    wanted = F.one_hot(targets, scores.shape[1]).to(scores.dtype)
    return 0.5 * (wanted - scores.softmax(1)).square().sum(1).mean()


def multiclass_hinge(scores: Tensor, targets: Tensor) -> Tensor:
    """``sum over j != y of max(0, s_j - s_y + 1)``, the mean over the batch: the SVM classifier
    (Weston and Watkins 1999).

    >>> multiclass_hinge(torch.tensor([[3.2, 5.1, -1.7]]), torch.tensor([0])).item()  # doctest: +ELLIPSIS
    2.8999...
    """
    margins = (scores - scores.gather(1, targets[:, None]) + 1).clamp(min=0)
    return (margins.sum(1) - 1).mean()  # the right class itself gives the 1


def loss_of(recipe: Recipe) -> Loss:
    """The function ``(scores (N, K), targets (N,)) -> mean loss`` that *recipe* names."""
    match recipe.loss:
        case "mse":
            return half_squared_error
        case "hinge":
            return multiclass_hinge
        case _:
            return lambda scores, targets: F.cross_entropy(scores, targets, label_smoothing=recipe.label_smoothing)


class Scorer:
    """Calls a module and gives the scores before its softmax, so that a net that ends in one trains right.

    Taking cross-entropy of probabilities is the commonest silent mistake: it trains, badly. If the module's
    output is what a softmax (or its logarithm) gave, as a layer or as a call in its ``forward``, the scores are
    what went in there.

    >>> net = nn.Sequential(nn.Linear(3, 2), nn.Softmax(dim=1))
    >>> scores = Scorer(net)(torch.ones(1, 3))
    >>> torch.equal(scores, net[0](torch.ones(1, 3)))
    True
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __call__(self, x: Tensor) -> Tensor:
        with _Softmaxes() as seen:
            output = self.module(x)
        found = next((scores for scores, probabilities in reversed(seen.pairs) if probabilities is output), None)
        if found is not None or not _are_probabilities(output):
            return output if found is None else found
        return output.clamp_min(
            torch.finfo(output.dtype).tiny
        ).log()  # of a compiled module, say: the same but for a sum


def _are_probabilities(output: Tensor) -> bool:
    """Whether every row is one, whoever made them."""
    if not isinstance(output, Tensor) or output.ndim != 2 or output.shape[1] < 2 or not output.is_floating_point():
        return False
    with torch.no_grad():
        return bool((output >= 0).all() and ((output.sum(1) - 1).abs() < 1e-4).all())


class _Softmaxes(TorchFunctionMode):
    """While it is entered, notes what went into every softmax and what came out; also reshaped, as by a flatten."""

    FUNCTIONS = (
        F.softmax, F.log_softmax, torch.softmax, torch.log_softmax, Tensor.softmax, Tensor.log_softmax,
        torch.special.softmax, torch.special.log_softmax,
    )  # fmt: skip
    SHAPES = (
        torch.flatten, torch.reshape, torch.squeeze, torch.clone, Tensor.flatten, Tensor.reshape, Tensor.view,
        Tensor.squeeze, Tensor.clone, Tensor.contiguous, Tensor.to, Tensor.float,
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.pairs: list[tuple[Tensor, Tensor]] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        if func in self.FUNCTIONS:
            self.pairs.append((args[0] if args else kwargs["input"], output))
        elif func in self.SHAPES and args:
            of = next((scores for scores, probabilities in self.pairs if probabilities is args[0]), None)
            if of is not None:
                self.pairs.append((func(of, *args[1:], **kwargs), output))
        return output
