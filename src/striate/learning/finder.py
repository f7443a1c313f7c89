"""The learning-rate range test: a sweep of the rate from far too small to far too large, and what it suggests.

L. N. Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017 (arXiv 1506.01186), section 3.3.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from striate.errors import DataError, RecipeError
from striate.learning.modules import Scorer, fixed_norms, restored_weights
from striate.learning.optim import loss_of, optimizer_of
from striate.learning.recipe import Recipe
from striate.tasks import CLASSIFICATION, Task, task_named
from striate.tasks.scoring import scoring_of

BLOWN = 4.0  # times its minimum: a loss above it has diverged, and the sweep ends
LEAST = 10  # steps without which a sweep has no shape
WIDTH = 0.03  # of the sweep's steps: the std of the window by which losses are smoothed


@dataclass(frozen=True)
class RateSweep:
    """The losses over the learning rates of a sweep, each of one batch before its step.

    >>> sweep = RateSweep((1e-3, 1e-2, 1e-1, 1.0), (2.0, 1.9, 1.0, 5.0))
    >>> sweep.lowest, round(sweep.suggestion, 3)
    (0.1, 0.033)
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]

    @cached_property
    def smoothed(self) -> tuple[float, ...]:
        """The losses without the noise of single batches: a Gaussian window over the steps, which shifts nothing."""
        losses = np.array(self.losses)
        at = np.arange(len(losses))
        window = np.exp(-0.5 * ((at[:, None] - at) / max(0.1, WIDTH * len(losses))) ** 2)
        return tuple((window @ losses / window.sum(1)).tolist())

    @property
    def steepest(self) -> float:
        """The rate at which the smoothed loss falls fastest, over the logarithm of the rate."""
        return self.rates[int(np.argmin(np.gradient(np.array(self.smoothed), np.log(self.rates))))]

    @property
    def lowest(self) -> float:
        """The rate at which the smoothed loss is lowest."""
        return self.rates[int(np.argmin(self.smoothed))]

    @property
    def suggestion(self) -> float:
        """The maximum rate to train with, to two digits: a third of the one at which the loss is lowest.

        It is below where the loss grows again, as Smith has it. With warm-up and a cosine to 0, of the rates 2e-4,
        1e-3, 2e-3, 5e-3, 0.02, 0.05 and 0.1 the best on validation after 4 epochs were (suggested): lenet5 on digits
        5e-3 (3e-3), a small net 0.02 to 0.05 (0.011), with momentum 0.05 (0.06), shapes 2e-3 (4e-3), its regression
        1e-3 (1.3e-3); a tenth of the lowest, or the steepest, is too small for most of them.

        Raises:
            RecipeError: The loss fell nowhere, so that the sweep says nothing.
        """
        if min(self.smoothed) > 0.99 * self.smoothed[0]:
            raise RecipeError(
                f"the loss fell at no learning rate between {self.rates[0]:g} and {self.rates[-1]:g}: it was "
                f"{self.smoothed[0]:.4g} at first and {min(self.smoothed):.4g} at best; sweep more steps, or look at "
                f"the data and the network"
            )
        return float(f"{self.lowest / 3:.1e}")

    def as_dict(self) -> dict[str, Any]:
        """As ``striate train --find-lr --json`` prints it."""
        names = ("suggestion", "lowest", "steepest", "rates", "losses", "smoothed")
        return {name: getattr(self, name) for name in names}


def sweep_rates(
    module: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    recipe: Recipe | None = None,
    *,
    task: Task | str = CLASSIFICATION,
    weights: Tensor | None = None,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 100,
) -> RateSweep:
    """Trains *module* for some steps at rates that grow from *low* to *high* in equal ratios, and puts everything
    back: weights, statistics, gradients, torch's generator.

    Args:
        module: As for :func:`~striate.learning.training`.
        batches: ``(inputs, targets)``, gone through again where there are fewer than *steps*.
        recipe: Its optimizer, weight decay and loss; its rate and schedule are not used.
        task: What the targets are.
        weights: float ``(classes,)``, how much each class counts in the loss.
        low: The first rate.
        high: The last rate, unless the loss has diverged before.
        steps: Of the sweep.

    Raises:
        RecipeError: The rates or steps are no sweep, or the loss diverges at once. DataError: There are no batches.

    >>> x = torch.ones(4, 1)
    >>> net = nn.Linear(1, 1, bias=False)
    >>> sweep = sweep_rates(net, [(x, 0 * x)], Recipe(optimizer="sgd", weight_decay=0), task="regression")
    >>> 0.001 < sweep.suggestion < 1  # above 1 gradient descent on w**2 diverges
    True
    """
    recipe, task = recipe or Recipe(), task_named(task)
    if not 0 < low < high < math.inf or steps < LEAST:
        raise RecipeError(
            f"a sweep goes from a rate above 0 to a larger one in at least {LEAST} steps, got {low:g} to {high:g} in "
            f"{steps}"
        )
    scoring, scores_of, loss_function = scoring_of(task), Scorer(module, task), loss_of(recipe, task, weights)
    rates = np.geomspace(low, high, steps).tolist()
    losses: list[float] = []
    with restored_weights(module):
        optimizer = optimizer_of(module, recipe)
        torch.manual_seed(recipe.seed)
        module.train()
        for norm in fixed_norms(module, recipe.norm_statistics == "fixed"):
            norm.eval()
        for rate, (x, y) in zip(rates, _again(batches), strict=False):
            for group in optimizer.param_groups:
                group["lr"] = rate * group.get("lr_factor", 1.0)
            loss = loss_function(*scoring.checked(scores_of(x), y))
            value = float(loss.detach())
            if not math.isfinite(value) or (len(losses) >= LEAST and value > BLOWN * min(losses)):
                break
            losses.append(value)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no types for it
            optimizer.step()
    if len(losses) < LEAST:
        raise RecipeError(
            f"the loss is no number any more after {len(losses)} steps, at a learning rate of "
            f"{rates[len(losses)]:.2g}; sweep from a smaller one than {low:g}"
        )
    return RateSweep(tuple(rates[: len(losses)]), tuple(losses))


def _again(batches: Iterable[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches, over and over."""
    while True:
        batch = None
        for batch in batches:
            yield batch
        if batch is None:
            raise DataError("there is nothing to train on: the batches are empty")
