"""What a recipe's words mean in torch: the optimizer, the learning rate at each step, the loss."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor, nn

from striate.errors import RecipeError
from striate.learning.recipe import Recipe
from striate.tasks import CLASSIFICATION, Task, task_named
from striate.tasks.scoring import Loss, scoring_of

FUSED = ("cpu", "cuda")  # devices whose optimizers update all weights in one call


def optimizer_of(module: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """SGD, momentum, Nesterov (Sutskever et al. 2013), Adam (Kingma and Ba 2014) or AdamW (Loshchilov and Hutter
    2017); weight decay on weights only, for on a bias or a norm's scale it only shrinks what the net may say.

    Raises:
        RecipeError: There is nothing to train.

    >>> [group["weight_decay"] for group in optimizer_of(nn.Linear(3, 2), Recipe()).param_groups]
    [0.01, 0.0]
    """
    trained = [p for p in module.parameters() if p.requires_grad]
    if not trained:
        raise RecipeError("the network has no weights to train; add a layer that has some, such as linear")
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    fused = all(p.device.type in FUSED and p.dtype is torch.float32 for p in trained)  # one call for all weights
    match recipe.optimizer:
        case "adam":
            return light(torch.optim.Adam)(groups, lr=recipe.lr, fused=fused)
        case "adamw":
            return light(torch.optim.AdamW)(groups, lr=recipe.lr, fused=fused)
        case "sgd":
            return light(torch.optim.SGD)(groups, lr=recipe.lr, fused=fused)
        case name:
            more = {"momentum": recipe.momentum, "nesterov": name == "nesterov"}
            return light(torch.optim.SGD)(groups, lr=recipe.lr, **more, fused=fused)


@cache
def light(kind: type[torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
    """The optimizer class *kind* without the wrappers around its methods, each of which loads ``torch.compile`` (half a
    second) only to tell it that the method is not to be compiled.

    >>> light(torch.optim.SGD)([nn.Parameter(torch.zeros(1))], lr=0.1).step.__name__
    'step'
    """
    names = ("add_param_group", "zero_grad", "state_dict", "load_state_dict", "step")
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in names}
    methods["step"] = torch.no_grad()(methods["step"])
    return type(kind.__name__, (kind,), methods)


def rate_at(recipe: Recipe, step: int, total: int) -> float:
    """The learning rate of step *step* (from 0) of *total*.

    >>> [round(rate_at(Recipe(lr=1, warmup=0.2), step, 10), 2) for step in range(10)]
    [0.5, 1.0, 1.0, 0.96, 0.85, 0.69, 0.5, 0.31, 0.15, 0.04]
    """
    warm = round(recipe.warmup * total)
    if step < warm:
        return recipe.lr * (step + 1) / warm
    done = (step - warm) / max(1, total - warm)
    match recipe.schedule:
        case "cosine":
            return recipe.lr * (1 + math.cos(math.pi * done)) / 2
        case "linear":
            return recipe.lr * (1 - done)
        case "step":
            return recipe.lr * (1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01)
        case _:
            return recipe.lr


def loss_name(recipe: Recipe, task: Task | str = CLASSIFICATION) -> str:
    """The loss that *recipe* means for *task*; RecipeError where it is none of that task's.

    >>> loss_name(Recipe(), "classification"), loss_name(Recipe(), "multilabel"), loss_name(Recipe(), "regression")
    ('crossentropy', 'bce', 'mse')
    >>> loss_name(Recipe(), "segmentation"), loss_name(Recipe(balance="weights"), "segmentation")
    ('crossentropy+dice', 'crossentropy')
    """
    task = task_named(task)
    if recipe.loss == "auto":
        return task.default_loss(recipe.balance)
    if recipe.loss not in task.losses:
        raise RecipeError(f"recipe: the loss {recipe.loss} is not for {task}; use auto or {' or '.join(task.losses)}")
    return recipe.loss


def loss_of(recipe: Recipe, task: Task | str = CLASSIFICATION, weights: Tensor | None = None) -> Loss:
    """The function ``(scores, targets) -> mean loss`` that *recipe* means for *task*.

    Args:
        recipe: Its ``loss``; and ``label_smoothing``, in classification by cross-entropy alone.
        task: Says the shapes of scores and targets: see :mod:`striate.tasks.scoring`.
        weights: float ``(K,)``, how much an item (a pixel, a label's presence) of each class counts; all the same
            where None.

    Raises:
        RecipeError: The loss is another task's, or cannot be weighted.

    >>> loss_of(Recipe(loss="l1"), "regression")(torch.zeros(1, 2), torch.tensor([[1.0, 3.0]]))
    tensor(2.)
    """
    task = task_named(task)
    name = loss_name(recipe if weights is None else replace(recipe, balance="weights"), task)
    if weights is not None and name not in task.weighted_losses:
        raise RecipeError(
            f"recipe: balance weights the classes, which the loss {name} of {task} does not support; omit it"
        )
    return scoring_of(task).loss(name, weights, recipe.label_smoothing)
