"""How the scores are found that a loss is taken from: before any softmax or sigmoid that the net ends in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

SOFTMAX = (
    F.softmax, F.log_softmax, torch.softmax, torch.log_softmax, Tensor.softmax, Tensor.log_softmax,
    torch.special.softmax, torch.special.log_softmax,
)  # fmt: skip
SIGMOID = (F.sigmoid, torch.sigmoid, Tensor.sigmoid, torch.special.expit)
# what turns scores into probabilities; in regression nothing does, and a sigmoid at the end is meant
UNDONE = {"classification": SOFTMAX, "multilabel": SIGMOID, "regression": (), "segmentation": SOFTMAX}
SHAPES = (
    torch.flatten, torch.reshape, torch.squeeze, torch.clone, Tensor.flatten, Tensor.reshape, Tensor.view,
    Tensor.squeeze, Tensor.clone, Tensor.contiguous, Tensor.to, Tensor.float,
)  # fmt: skip


class Scorer:
    """Calls a module and gives the scores before its softmax, so that a net that ends in one trains right.

    Taking cross-entropy of probabilities is the commonest silent mistake: it trains, badly. If the module's
    output is what a softmax (or its logarithm) gave, as a layer or as a call in its ``forward``, the scores are
    what went in there. For several labels it is the sigmoid that is undone, for numbers to be predicted nothing.

    >>> net = nn.Sequential(nn.Linear(3, 2), nn.Softmax(dim=1))
    >>> scores = Scorer(net)(torch.ones(1, 3))
    >>> torch.equal(scores, net[0](torch.ones(1, 3)))
    True
    """

    def __init__(self, module: nn.Module, task: str = "classification") -> None:
        self.module = module
        self.task = task

    def __call__(self, x: Tensor) -> Tensor:
        with _Endings(UNDONE[self.task]) as seen:
            output = self.module(x)
        found = next((scores for scores, probabilities in reversed(seen.pairs) if probabilities is output), None)
        if found is not None or self.task != "classification" or not _are_probabilities(output):
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


class _Endings(TorchFunctionMode):
    """While it is entered, notes what went into each of *functions* and what came out; also reshaped, as by a
    flatten.
    """

    def __init__(self, functions: tuple[Callable[..., Any], ...]) -> None:
        super().__init__()
        self.functions = functions
        self.pairs: list[tuple[Tensor, Tensor]] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        if func in self.functions:
            self.pairs.append((args[0] if args else kwargs["input"], output))
        elif func in SHAPES and args:
            of = next((scores for scores, probabilities in self.pairs if probabilities is args[0]), None)
            if of is not None:
                self.pairs.append((func(of, *args[1:], **kwargs), output))
        return output
