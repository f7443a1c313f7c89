"""The optimiser of a recipe, and the learning rate at each step."""

from __future__ import annotations

import math

import torch
from torch import nn

from striate.errors import RecipeError
from striate.learning.recipe import Recipe


def optimiser_of(module: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """SGD, momentum, Nesterov (Sutskever et al. 2013), Adam (Kingma and Ba 2014) or AdamW (Loshchilov and Hutter
    2017); weight decay on weights only, for on a bias or a norm's scale it only shrinks what the net may say.

    Raises:
        RecipeError: There is nothing to train.
    """
    trained = [p for p in module.parameters() if p.requires_grad]
    if not trained:
        raise RecipeError("the network has no weights to train; add a layer that has some, such as linear")
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    match recipe.optimiser:
        case "adam":
            return torch.optim.Adam(groups, lr=recipe.lr)
        case "adamw":
            return torch.optim.AdamW(groups, lr=recipe.lr)
        case "sgd":
            return torch.optim.SGD(groups, lr=recipe.lr)
        case name:
            return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=name == "nesterov")


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
