"""What each task is judged by while it is trained: counts that add up over the batches, and the figure they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.learning.losses import IGNORE


@dataclass(frozen=True)
class Figure:
    """How good answers are, in one number.

    Args:
        name: Its column in ``metrics.csv``, behind ``val/``.
        count: ``(scores, targets)`` of a batch to float64 numbers.
        value: From all of them, put together by *join*, to the figure.
        write: The figure for people, with its name.
        join: Puts the numbers of one batch to those before.
        decides: Whether a higher figure makes an epoch better; else the validation loss does.
    """

    name: str
    count: Callable[[Tensor, Tensor], Tensor]
    value: Callable[[Tensor], float]
    write: Callable[[float], str]
    join: Callable[[Tensor, Tensor], Tensor] = torch.add
    decides: bool = True


def _right(scores: Tensor, targets: Tensor) -> Tensor:
    truth = targets.argmax(1) if targets.is_floating_point() else targets
    return torch.tensor([(scores.argmax(1) == truth).sum(), len(truth)], dtype=torch.float64)


def _labels(scores: Tensor, targets: Tensor) -> Tensor:
    """``(2, N, K)``: the scores, and what is true."""
    return torch.stack([scores, targets]).double().cpu()


def _mean_average_precision(items: Tensor) -> float:
    """The mean of the labels' average precision ``sum (recall_i - recall_{i-1}) precision_i``, down from the highest
    score, equal scores together; labels that no item has left out. Unlike F1 it needs no threshold, so that an epoch
    is not called the best for a few scores that chanced to be above a half.
    """
    found = [_average_precision(scores, true > 0.5) for scores, true in zip(*items.mT, strict=True)]
    known = [value for value in found if value is not None]
    return sum(known) / len(known) if known else 0.0


def _average_precision(scores: Tensor, true: Tensor) -> float | None:
    if not true.any():
        return None
    ordered, order = scores.sort(descending=True)
    hits = true[order].double().cumsum(0)
    last = torch.cat([ordered.diff() != 0, torch.tensor([True])]).nonzero()[:, 0]
    gained = hits[last].diff(prepend=torch.zeros(1, dtype=torch.float64))
    return float((gained * hits[last] / (last + 1)).sum() / hits[-1])


def _off(scores: Tensor, targets: Tensor) -> Tensor:
    """Per value: the sum of the absolute errors; and last the number of items."""
    sums = (scores - targets).abs().double().sum(0).cpu()
    return torch.cat([sums, sums.new_tensor([len(targets)])])


def _pixels(scores: Tensor, targets: Tensor) -> Tensor:
    """The confusion matrix of the pixels: truth by answer."""
    k, asked = scores.shape[1], targets != IGNORE
    pairs = targets[asked] * k + scores.argmax(1)[asked]
    return torch.bincount(pairs, minlength=k * k).view(k, k).double().cpu()


def _mean_iou(confusion: Tensor) -> float:
    """The mean of the classes' intersection over union (Everingham et al. 2010, "The Pascal visual object classes
    challenge", section 4.1.3); a class that neither truth nor answer has is left out.
    """
    both = confusion.diag()
    union = confusion.sum(0) + confusion.sum(1) - both
    return float((both / union)[union > 0].mean()) if (union > 0).any() else 0.0


def figure_of(task: str, units: Tensor | None = None) -> Figure:
    """The figure of *task*; *units*, float ``(V,)``, are what 1 of each standardised value is in the source's."""
    match task:
        case "classification":
            return Figure("accuracy", _right, lambda c: float(c[0] / c[1]), lambda v: f"accuracy {v:.2%}")
        case "multilabel":
            return Figure(
                "mean_average_precision", _labels, _mean_average_precision, lambda v: f"mean AP {v:.2%}",
                join=lambda before, batch: torch.cat([before, batch], 1),
            )  # fmt: skip
        case "segmentation":
            return Figure("mean_iou", _pixels, _mean_iou, lambda v: f"mean IoU {v:.2%}")
        case _:
            of = torch.ones(()) if units is None else torch.as_tensor(units).double().cpu()

            def mean_error(counts: Tensor) -> float:
                return float((counts[:-1] * of).mean() / counts[-1])

            return Figure("mae", _off, mean_error, lambda v: f"mae {v:.4g}", decides=False)
