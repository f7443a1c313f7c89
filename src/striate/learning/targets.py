"""What a batch must be for each task, said in words before torch says it in its own."""

from __future__ import annotations

from torch import Tensor

from striate.errors import DataError
from striate.learning.losses import IGNORE


def checked(scores: Tensor, targets: Tensor, task: str) -> tuple[Tensor, Tensor]:
    """*scores* and *targets* as the losses of *task* take them.

    Raises:
        DataError: The network does not answer so, or the targets are others.
    """
    if not isinstance(scores, Tensor):
        raise DataError(f"the network answers a {type(scores).__name__}; wanted one tensor of scores (N, classes)")
    match task:
        case "classification":
            return scores, _classes(scores, targets)
        case "segmentation":
            return scores, _masks(scores, targets)
        case _:
            return _columns(scores, targets, task)


def _classes(scores: Tensor, y: Tensor) -> Tensor:
    shares = y.is_floating_point() and y.ndim == 2
    if not shares and (y.ndim != 1 or y.is_floating_point()):
        raise DataError(
            f"the targets are {_described(y)}; wanted whole numbers ({len(scores)},), the number of each item's class"
        )
    if scores.ndim != 2 or len(scores) != len(y) or (shares and scores.shape != y.shape):
        wanted = tuple(y.shape) if shares else f"({len(y)}, classes)"
        raise DataError(
            f"the network answers {tuple(scores.shape)} for {len(y)} items; wanted {wanted}: "
            f"end it with flatten and linear CLASSES"
        )
    if shares:
        return y.to(scores.dtype)
    _check_range(y, scores.shape[1])
    return y.long()


def _masks(scores: Tensor, y: Tensor) -> Tensor:
    if y.ndim != 3 or y.is_floating_point():
        raise DataError(
            f"the targets are {_described(y)}; wanted whole numbers ({len(scores)}, H, W), each pixel's class, or "
            f"{IGNORE} where there is none"
        )
    if scores.ndim != 4 or (len(scores), *scores.shape[2:]) != tuple(y.shape):
        n, h, w = y.shape
        raise DataError(
            f"the network answers {tuple(scores.shape)} for masks of {tuple(y.shape)}; wanted ({n}, classes, {h}, "
            f"{w}): an answer for every pixel"
        )
    y = y.long()
    asked = y[y != IGNORE]
    if asked.numel():
        _check_range(asked, scores.shape[1])
    return y


def _columns(scores: Tensor, y: Tensor, task: str) -> tuple[Tensor, Tensor]:
    """Of one value, both may come as ``(N,)``."""
    scores, y = (t[:, None] if t.ndim == 1 else t for t in (scores, y))
    if y.ndim != 2 or scores.shape != y.shape:
        what = "values" if task == "regression" else "labels"
        raise DataError(
            f"the network answers {tuple(scores.shape)}, the targets are {_described(y)}; wanted both (N, {what}): end "
            f"it with flatten and linear {y.shape[1] if y.ndim == 2 else what.upper()}"
        )
    return scores, y.to(scores.dtype)


def _check_range(y: Tensor, outputs: int) -> None:
    if len(y) and (int(y.min()) < 0 or int(y.max()) >= outputs):
        raise DataError(
            f"the targets reach from {int(y.min())} to {int(y.max())}, the network has {outputs} outputs "
            f"(0 to {outputs - 1}); change its last layer or the labels"
        )


def _described(y: Tensor) -> str:
    return f"{str(y.dtype).removeprefix('torch.')} of shape {tuple(y.shape)}"
