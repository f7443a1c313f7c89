"""The two halves of a training step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from striate.errors import DataError, RecipeError
from striate.learning.distributed import Parallel, World
from striate.learning.modules import Scorer, leading_tensor
from striate.learning.recipe import Recipe
from striate.learning.speed import Speed, scores_in
from striate.tasks.scoring import Scoring


class Stepper:
    """The two halves of a step: gradients of a batch, and the update of the weights.

    Where the loss is computed on another device, it is not waited for at every step: whether it is still a number is
    looked at a few times per second.
    """

    EVERY = 0.25  # seconds between two looks

    def __init__(
        self,
        module: nn.Module,
        recipe: Recipe,
        scoring: Scoring[Any] | None,
        loss: Callable[[Any, Any], Tensor],
        optimizer: torch.optim.Optimizer,
        speed: Speed,
        world: World,
    ) -> None:
        self.world = world
        self.recipe, self.scoring, self.loss, self.optimizer, self.speed = recipe, scoring, loss, optimizer, speed
        called = torch.compile(module) if speed.compiled else module
        scores_of = Scorer(cast(nn.Module, called), scoring.task if scoring else None)
        self.scores_of = Parallel(scores_of, module, world)
        self.weights = [p for group in optimizer.param_groups for p in group["params"]]
        self.matrices = [p for p in self.weights if p.ndim > 1]
        self.unread: Tensor | None = None  # the last loss that was not looked at
        self.looked = time.perf_counter()
        self.items = 0  # of the batches whose gradients are summed
        self.compiled = False  # a batch went through
        optimizer.zero_grad(set_to_none=True)  # what somebody computed before is not of this training

    def gradients(self, x: Any, y: Any) -> tuple[Tensor | float, Any]:
        """Adds the gradients of a batch; gives its mean loss, and its targets: those of all processes."""
        count = len(leading_tensor(x))
        try:
            scores = scores_in(self.speed, self.scores_of, x)
        except ValueError as error:
            if count == 1:  # batch normalisation of flat features has no spread to divide by
                raise RecipeError(
                    f"a batch of one item cannot be trained on ({error}); use batch_size=2 or more"
                ) from None
            raise
        except Exception as error:
            if self.speed.compiled and not self.compiled:
                why = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
                raise RecipeError(f"torch.compile cannot compile this network here ({why}); use compile=no") from error
            raise
        self.compiled = True
        scores, y = self.world.gathered(scores, y)
        count = len(leading_tensor(y)) if self.world.size > 1 else count
        data_loss = self.loss(*self.scoring.checked(scores, y)) if self.scoring else _scalar(self.loss(scores, y))
        loss = data_loss * self.world.size if self.world.size > 1 else data_loss  # their gradients are averaged
        if self.recipe.l1:
            loss = loss + self.recipe.l1 * torch.stack([p.abs().sum() for p in self.matrices]).sum()
        value: Tensor | float = data_loss.detach()
        if _at_hand(data_loss):
            value = float(value)
            self._check(value, leading_tensor(x))
        else:
            self.unread = data_loss.detach()
            if time.perf_counter() - self.looked > self.EVERY:
                self.read()
        self.items += count
        if self.recipe.accumulate > 1:  # the mean over all the items of the step
            loss = loss * count
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no types for it
        return value, y

    def update(self, lr: float) -> None:
        """A step of the optimizer, with the mean of the gradients since the last."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group.get("lr_factor", 1.0)
        if self.recipe.accumulate > 1:
            torch._foreach_div_([p.grad for p in self.weights if p.grad is not None], self.items)
        if self.recipe.clip:
            nn.utils.clip_grad_norm_(self.weights, self.recipe.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.items = 0

    def read(self) -> None:
        """Looks at the last loss that was not looked at yet."""
        if self.unread is not None:
            self._check(float(self.unread), None)
            self.unread, self.looked = None, time.perf_counter()

    def _check(self, value: float, x: Tensor | None) -> None:
        if x is not None and not math.isfinite(value) and x.is_floating_point() and not x.isfinite().all():
            raise DataError("the inputs of a batch contain NaN or infinity; remove or replace them")
        check_loss(value, self.recipe)


def _scalar(loss: object) -> Tensor:
    """A person's loss; RecipeError where it is not one number with a gradient."""
    if isinstance(loss, Tensor) and loss.numel() == 1 and loss.requires_grad:
        return loss.reshape(())
    came = f"a tensor of shape {(*loss.shape,)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
    why = " without a gradient" if isinstance(loss, Tensor) and not loss.requires_grad else ""
    raise RecipeError(
        f"the loss gives {came}{why}; expected one number, computed by torch from the outputs, such as a mean"
    )


def _at_hand(loss: Tensor) -> bool:
    """Whether reading *loss* waits for nothing."""
    return loss.device.type == "cpu"


def check_loss(value: float, recipe: Recipe) -> None:
    if not math.isfinite(value):
        raise RecipeError(
            f"the loss is {value}: training has diverged; use a smaller learning rate than lr={recipe.lr:g}, "
            f"for example lr={recipe.lr / 10 if recipe.lr <= 1 else 0.01:g}, or limit the gradient with clip=1"
        )
