"""The losses of every task, each from the scores before any softmax or sigmoid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor
from torch.nn import functional as F

from striate.errors import RecipeError
from striate.learning.recipe import Recipe

Loss = Callable[[Tensor, Tensor], Tensor]
IGNORE = 255  # in a mask: a pixel that no class is asked for
# what each task can be trained by; the first is what "auto" takes
LOSSES_OF = {
    "classification": ("crossentropy", "mse", "hinge"),
    "multilabel": ("bce",),
    "regression": ("mse", "l1", "huber"),
    "segmentation": ("crossentropy+dice", "crossentropy", "dice"),
}


def loss_name(recipe: Recipe, task: str = "classification") -> str:
    """The loss that *recipe* means for *task*; RecipeError where it is none of that task's.

    >>> loss_name(Recipe(), "classification"), loss_name(Recipe(), "multilabel"), loss_name(Recipe(), "regression")
    ('crossentropy', 'bce', 'mse')
    >>> loss_name(Recipe(), "segmentation"), loss_name(Recipe(balance="weights"), "segmentation")
    ('crossentropy+dice', 'crossentropy')
    """
    choices = LOSSES_OF[task]
    if recipe.loss == "auto":  # dice weighs the classes alike already, and by no weights of anybody's
        return "crossentropy" if task == "segmentation" and recipe.balance == "weights" else choices[0]
    if recipe.loss not in choices:
        raise RecipeError(f"recipe: the loss {recipe.loss} is not for {task}; take auto or {' or '.join(choices)}")
    return recipe.loss


def loss_of(recipe: Recipe, task: str = "classification", weights: Tensor | None = None) -> Loss:
    """The function ``(scores, targets) -> mean loss`` that *recipe* means for *task*.

    Args:
        recipe: Its ``loss``; and ``label_smoothing``, in classification by cross-entropy alone.
        task: Says the shapes. classification: scores ``(N, K)``, targets int64 ``(N,)`` or shares of the classes,
            float ``(N, K)``. multilabel: both ``(N, K)``. regression: both ``(N, V)``. segmentation: scores
            ``(N, K, H, W)``, targets int64 ``(N, H, W)``, of which 255 does not count.
        weights: float ``(K,)``, how much an item (a pixel, a label's presence) of each class counts; alike where
            None. A mean is then the weighted one.

    Raises:
        RecipeError: The loss is another task's, or cannot be weighted.
    """
    name = loss_name(recipe if weights is None else replace(recipe, balance="weights"), task)
    if weights is not None and (task == "regression" or "dice" in name):
        raise RecipeError(
            f"recipe: balance weights the classes, which the loss {name} of {task} does not know; leave it out"
        )
    match task, name:
        case "classification", "mse":
            return _weighted(half_squared_errors, weights)
        case "classification", "hinge":
            return _weighted(multiclass_hinges, weights)
        case "classification", _:
            smoothing = recipe.label_smoothing
            if weights is None:
                return lambda scores, targets: F.cross_entropy(scores, targets, label_smoothing=smoothing)
            return _weighted(lambda s, t: F.cross_entropy(s, t, label_smoothing=smoothing, reduction="none"), weights)
        case "multilabel", _:
            return lambda scores, targets: F.binary_cross_entropy_with_logits(scores, targets, pos_weight=weights)
        case "regression", "l1":
            return F.l1_loss
        case "regression", "huber":  # Huber 1964, from a square to a line at one deviation of the target
            return F.huber_loss
        case "regression", _:
            return F.mse_loss
        case _, "dice":
            return soft_dice
        case _, "crossentropy+dice":
            return lambda scores, targets: pixel_cross_entropy(scores, targets) + soft_dice(scores, targets)
        case _:
            return lambda scores, targets: pixel_cross_entropy(scores, targets, weights)


def _weighted(each: Loss, weights: Tensor | None) -> Loss:
    """The mean of what *each* gives for the items, every item counting as its class (or its mixture of them) does."""
    if weights is None:
        return lambda scores, targets: each(scores, targets).mean()

    def loss(scores: Tensor, targets: Tensor) -> Tensor:
        of = weights.to(scores)
        counts = targets.to(of) @ of if targets.is_floating_point() else of[targets]
        return (each(scores, targets) * counts).sum() / counts.sum()

    return loss


def half_squared_errors(scores: Tensor, targets: Tensor) -> Tensor:
    """``1/2 sum (target - probability)^2`` over the classes, for each item: the tutorials' total error.

    >>> import torch
    >>> half_squared_errors(torch.zeros(1, 2), torch.tensor([0]))
    tensor([0.2500])
    """
    wanted = targets if targets.is_floating_point() else F.one_hot(targets, scores.shape[1])
    return 0.5 * (wanted.to(scores.dtype) - scores.softmax(1)).square().sum(1)


def multiclass_hinges(scores: Tensor, targets: Tensor) -> Tensor:
    """``sum over j != y of max(0, s_j - s_y + 1)``, for each item: the SVM classifier (Weston and Watkins 1999).

    Raises:
        RecipeError: The targets are shares of the classes, for which it is not defined.

    >>> import torch
    >>> multiclass_hinges(torch.tensor([[3.2, 5.1, -1.7]]), torch.tensor([0]))
    tensor([2.9000])
    """
    if targets.is_floating_point():
        raise RecipeError(
            "recipe: the loss hinge needs one class an item, not a mixture (mixup, cutmix); take crossentropy"
        )
    margins = (scores - scores.gather(1, targets[:, None]) + 1).clamp(min=0)
    return margins.sum(1) - 1  # the right class itself gives the 1


def pixel_cross_entropy(scores: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy, the mean over all pixels of the batch whose target is not 255; 0 where there are none.

    >>> import torch
    >>> pixel_cross_entropy(torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 255]]])).item()  # doctest: +ELLIPSIS
    0.693...
    """
    weights = None if weights is None else weights.to(scores)
    total = F.cross_entropy(scores, targets, weight=weights, ignore_index=IGNORE, reduction="sum")
    asked = targets[targets != IGNORE]
    return total / (max(1, asked.numel()) if weights is None else weights[asked].sum().clamp(min=1e-12))


def soft_dice(scores: Tensor, targets: Tensor) -> Tensor:
    """``1 - 2 sum pg / (sum p^2 + sum g^2)`` of each class that some pixel of the batch has, the mean over these
    classes: Milletari, Navab, Ahmadi 2016, "V-Net", section 3. Pixels whose target is 255 do not count.

    >>> import torch
    >>> soft_dice(torch.tensor([[[[9.0]], [[-9.0]]]]), torch.tensor([[[0]]])).item() < 1e-6
    True
    """
    asked = targets != IGNORE
    p = scores.softmax(1).movedim(1, -1)[asked]
    g = F.one_hot(targets[asked], scores.shape[1]).to(p.dtype)
    there = g.sum(0) > 0
    dice = 2 * (p * g).sum(0) / (p.square().sum(0) + g.sum(0)).clamp(min=1e-12)
    return ((1 - dice) * there).sum() / there.sum().clamp(min=1)
