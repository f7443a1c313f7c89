"""Attribution by occlusion: how far the score falls when a window of the input is covered."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from striate.errors import SeeError, shape_text
from striate.inspect.attribution.probe import probing
from striate.inspect.attribution.result import Attribution
from striate.inspect.target import TargetLike
from striate.tasks import CLASSIFICATION, Task

Sizes = int | Sequence[int] | None


def occlusion(
    module: nn.Module,
    x: Tensor,
    target: TargetLike = None,
    *,
    window: Sizes = None,
    stride: Sizes = None,
    fill: float | Tensor = 0.0,
    batch: int = 32,
    task: Task | str = CLASSIFICATION,
) -> Attribution:
    """The score minus the score with a window covered, at each position: Zeiler and Fergus 2013, section 4.2.

    It needs no gradient and works on any network whose input has positions. Above zero: what is there contributes to
    the target.

    Args:
        x: One input with its batch axis, ``(1, C, *positions)``; or words ``(1, L)``, whose vectors are covered.
        window: Its size along every axis, or one number; None for an eighth of the input, at least 1. All channels
            are covered.
        stride: From one position to the next; None for half of the window. Windows begin at 0 and the last one ends
            at the edge or beyond it, where it is cut off, so that everything is covered at least once.
        fill: What it is covered with: a number, or a tensor that broadcasts to the input, such as a mean colour
            ``(C, 1, 1)``. 0 is the mean colour where the input was normalised, and black where not.
        batch: How many covered copies run at once.

    The other arguments are those of :func:`~striate.inspect.attribution.gradient`.

    Returns:
        Values ``(*positions)`` and the ``grid`` of the windows' centres.

    Raises:
        SeeError: The input has no positions, or the window, stride or fill does not fit it.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    >>> x = torch.rand(1, 1, 2, 2)
    >>> found = occlusion(net, x, 0, window=1, stride=1)
    >>> torch.allclose(torch.tensor(found.values), (net[1].weight[0] * x.ravel()).view(2, 2), atol=1e-6)
    True
    """
    with probing(module, x, target, task) as probe, torch.no_grad():
        leaf = probe.leaf if probe.is_image else probe.leaf.movedim(-1, 1)
        positions = tuple(leaf.shape[2:])
        if not positions:
            raise SeeError(
                f"the input {tuple(x.shape)} has no positions to cover; use gradient or integrated_gradients"
            )
        sizes = _sizes("window", window, positions, [max(1, n // 8) for n in positions])
        steps = _sizes("stride", stride, positions, [max(1, n // 2) for n in sizes])
        if any(size > n for size, n in zip(sizes, positions, strict=True)):
            raise SeeError(f"window {sizes}: it is larger than the input {positions}")
        if any(step > size for step, size in zip(steps, sizes, strict=True)):
            raise SeeError(f"stride {steps}: larger than the window {sizes}, so that some positions are never covered")
        counts = [-(-(n - size) // step) + 1 for n, size, step in zip(positions, sizes, steps, strict=True)]
        corners = list(product(*(range(0, n * step, step) for n, step in zip(counts, steps, strict=True))))
        cover = probe.like(fill, leaf)
        score = probe.scores(probe.leaf)
        drops = []
        for part in probe.chunks(len(corners), batch):
            covered = leaf.repeat(len(part), *[1] * (leaf.ndim - 1))
            for row, corner in zip(covered, corners[part.start : part.stop], strict=True):
                where: tuple[Any, ...] = (..., *(slice(at, at + size) for at, size in zip(corner, sizes, strict=True)))
                row[where] = cover[0][where]
            drops.append(score - probe.scores(covered if probe.is_image else covered.movedim(1, -1)))
        values = torch.cat(drops).view(counts)
        grid = (*((size - 1) / 2 for size in sizes), *map(float, steps))
        by = f"filled with {fill:g}" if not isinstance(fill, Tensor) else "filled as given"
        note = f"windows of {shape_text(sizes)}, stride {shape_text(steps)}, {by}"
        return probe.result("occlusion", values, score, note, grid=grid)


def _sizes(what: str, given: Sizes, positions: tuple[int, ...], default: list[int]) -> tuple[int, ...]:
    found = tuple(default) if given is None else (given,) * len(positions) if isinstance(given, int) else tuple(given)
    if len(found) != len(positions) or any(n < 1 for n in found):
        raise SeeError(f"{what} {given}: expected a number of 1 or more, or one for each axis of {positions}")
    return found
