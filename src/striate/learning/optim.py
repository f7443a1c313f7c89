"""What a recipe's words mean in torch: the optimizer, the learning rate at each step, the loss."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from striate.errors import RecipeError, listed
from striate.learning.recipe import Recipe
from striate.tasks import CLASSIFICATION, Task, task_named
from striate.tasks.scoring import Loss, scoring_of

ADAMW_SHARE = 0.1  # with Muon: how much of its learning rate AdamW has, for what is not turned
NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)
FUSED = ("cpu", "cuda")  # devices whose optimizers update all weights in one call


def optimizer_of(module: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """SGD, momentum, Nesterov (Sutskever et al. 2013), Adam (Kingma and Ba 2014), AdamW (Loshchilov and Hutter 2017)
    or :class:`Muon`; weight decay on weights only, for on a bias or a norm's scale it only shrinks what the net may
    say. The learning rate of a group of parameters is its ``lr_factor`` times that of the step.

    Raises:
        RecipeError: There is nothing to train.

    >>> [group["weight_decay"] for group in optimizer_of(nn.Linear(3, 2), Recipe()).param_groups]
    [0.01, 0.0]
    >>> optimizer = optimizer_of(nn.BatchNorm1d(3), Recipe(lr=0.01, norm_bias_lr=64))
    >>> [group["lr"] for group in optimizer.param_groups]
    [0.01, 0.64]
    """
    groups = _groups(module, recipe)
    trained = [p for group in groups for p in group["params"]]
    if not trained:
        raise RecipeError("the network has no weights to train; add a layer that has some, such as linear")
    fused = all(p.device.type in FUSED and p.dtype is torch.float32 for p in trained)  # one call for all weights
    match recipe.optimizer:
        case "adam":
            return light(torch.optim.Adam)(groups, lr=recipe.lr, fused=fused)
        case "adamw":
            return light(torch.optim.AdamW)(groups, lr=recipe.lr, fused=fused)
        case "muon":
            return light(Muon)(groups, lr=recipe.lr, momentum=recipe.momentum, fused=fused)
        case "sgd":
            return light(torch.optim.SGD)(groups, lr=recipe.lr, fused=fused)
        case name:
            more = {"momentum": recipe.momentum, "nesterov": name == "nesterov"}
            return light(torch.optim.SGD)(groups, lr=recipe.lr, **more, fused=fused)


def _groups(module: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """The trained parameters in the groups that are treated alike; none is empty."""
    weights = [p for p in module.parameters() if p.ndim > 1]
    inner = {id(p) for p in weights[1:-1]} if recipe.optimizer == "muon" else set()
    norms = {id(part.bias) for part in module.modules() if isinstance(part, NORMS) and part.bias is not None}
    apart = norms if recipe.norm_bias_lr != 1 else set()
    rest = ADAMW_SHARE if recipe.optimizer == "muon" else 1.0
    trained = [p for p in module.parameters() if p.requires_grad]
    kinds: list[tuple[list[nn.Parameter], float, dict[str, Any]]] = [
        ([p for p in trained if id(p) in inner], 1.0, {"orthogonal": True, "weight_decay": 0.0}),
        ([p for p in trained if p.ndim > 1 and id(p) not in inner], rest, {"weight_decay": recipe.weight_decay}),
        ([p for p in trained if p.ndim <= 1 and id(p) not in apart], rest, {"weight_decay": 0.0}),
        ([p for p in trained if id(p) in apart], rest * recipe.norm_bias_lr, {"weight_decay": 0.0}),
    ]
    depth = _depth_factors(module, recipe.layer_decay)
    groups = []
    for some, factor, settings in kinds:
        alike: dict[float, list[nn.Parameter]] = {}
        for p in some:
            alike.setdefault(factor * depth.get(id(p), 1.0), []).append(p)
        groups += [{"params": own, "lr": recipe.lr * f, "lr_factor": f, **settings} for f, own in alike.items()]
    return groups


def _depth_factors(module: nn.Module, decay: float) -> dict[int, float]:
    """What the learning rate of each parameter, by its id, is multiplied with: 1 in the last layer that has weights,
    times *decay* from each to the one before it (Howard and Ruder 2018; Clark et al. 2020). The scale and the bias of a
    norm are of the layer that it follows.
    """
    if decay == 1:
        return {}
    layers: list[list[nn.Parameter]] = [[]]
    for part in module.modules():
        own = list(part.parameters(recurse=False))
        if layers[-1] and any(p.ndim > 1 for p in own):
            layers.append([])
        layers[-1] += own
    return {id(p): decay**depth for depth, layer in enumerate(reversed(layers)) for p in layer}


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


class Muon(torch.optim.AdamW):
    """Muon (K. Jordan et al. 2024, kellerjordan.github.io/posts/muon) for the groups marked ``orthogonal``: weights
    of any shape, as a matrix of outputs by everything else. Nesterov momentum, the update made orthogonal, and the
    weight kept at a norm of one for each output, as its author does in airbench (such a layer is followed by a
    normalisation). AdamW for the other groups: biases, norms, the first and the last layer.

    Args:
        groups: Of parameters, as every optimizer of torch takes them.
        lr: Of orthogonal updates, 0.1 to 0.3; other groups have their own ``lr``.
        momentum: Of the orthogonal updates.
        fused: AdamW in one call for all weights.

    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 16, 3), nn.Conv2d(16, 4, 3))
    >>> optimizer = optimizer_of(net, Recipe(optimizer="muon", lr=0.2))
    >>> net(torch.ones(1, 3, 9, 9)).sum().backward()
    >>> optimizer.step()
    >>> round(net[1].weight.norm().item())  # 16 outputs, each of norm 1: 4, and what the update added
    4
    """

    def __init__(self, groups: Any, lr: float = 0.2, momentum: float = 0.6, *, fused: bool = False) -> None:
        super().__init__(groups, lr=lr, fused=fused)
        for group in self.param_groups:
            if group.setdefault("orthogonal", False):
                group["momentum"] = momentum

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One update of every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        gradients = {}
        for group in self.param_groups:
            for weight in group["params"] if group["orthogonal"] else ():
                if (gradient := weight.grad) is not None:
                    self._turn(weight, gradient, group["lr"], group["momentum"])
                    gradients[weight], weight.grad = gradient, None  # AdamW passes over it
        inspect.unwrap(torch.optim.AdamW.step)(self)  # the wrappers load torch.compile
        for weight, gradient in gradients.items():
            weight.grad = gradient
        return loss

    def _turn(self, weight: Tensor, gradient: Tensor, lr: float, momentum: float) -> None:
        state, outputs = self.state[weight], len(weight)
        if not state:
            state["step"], state["momentum_buffer"] = torch.zeros(()), torch.zeros_like(weight)
        state["step"] += 1
        memory = state["momentum_buffer"].mul_(momentum).add_(gradient)
        update = orthogonalised(gradient.add(memory, alpha=momentum).reshape(outputs, -1))
        weight.mul_(math.sqrt(outputs) / weight.norm().clamp_min(1e-7)).sub_(lr * update.view(weight.shape))


def orthogonalised(matrix: Tensor, steps: int = 5) -> Tensor:
    """About the orthogonal matrix nearest to *matrix*, ``(M, N)``: its singular values become 0.7 to 1.2, its singular
    vectors stay. Newton-Schulz iteration with the quintic of Muon (Jordan et al. 2024), on the smaller of the two Gram
    matrices: the powers are of ``min(M, N)`` squared, the large matrix is multiplied twice whatever the *steps*.

    >>> turned = orthogonalised(torch.tensor([[3.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    >>> bool(((turned.diagonal() - 1).abs() < 0.3).all()), float(turned[0, 1])
    (True, 0.0)
    """
    if len(matrix) > matrix.shape[1]:
        return orthogonalised(matrix.T, steps).T
    a, b, c = 3.4445, -4.7750, 2.0315
    x: Tensor = matrix / matrix.norm().clamp_min(1e-7)
    gram = x @ x.T
    one = torch.eye(len(x), dtype=x.dtype, device=x.device)
    whole: Tensor = one
    for _ in range(steps):
        factor = torch.addmm(b * gram + a * one, gram, gram, alpha=c)
        gram, whole = factor @ gram @ factor, factor @ whole
    return whole @ x


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
        raise RecipeError(f"recipe: the loss {recipe.loss} is not for {task}; use {listed(['auto', *task.losses], 99)}")
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
