"""Deletion and insertion: how the score goes when the places of a map are taken away, or given back, in its order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from striate.errors import SeeError
from striate.inspect.attribution.gradients import like
from striate.inspect.attribution.placing import placed
from striate.inspect.attribution.probe import Probe, chunks, probing
from striate.inspect.attribution.result import Attribution

BLUR = 5.0  # pixels, the deviation that RISE takes for images of 224


@dataclass(frozen=True)
class Curve:
    """The score against the share of places that were changed.

    Args:
        kind: ``deletion`` or ``insertion``.
        shares: From 0 to 1.
        scores: At each share: the probability where the task has one, else the score.
        area: Under the curve, by trapezoids; of deletion small is good, of insertion large.
        random_area: The same for the places in random order, the mean over some orders.
        good: Whether the map's order beats the random ones.
        verdict: That in words.
    """

    kind: str
    shares: tuple[float, ...]
    scores: tuple[float, ...]
    area: float
    random_area: float
    good: bool
    verdict: str


def deletion(
    module: nn.Module,
    x: Tensor,
    found: Attribution,
    *,
    grid: Sequence[float] | None = None,
    steps: int = 20,
    fill: float | Tensor = 0.0,
    orders: int = 3,
    seed: int = 0,
    batch: int = 16,
    task: str = "classification",
) -> Curve:
    """The most important places are covered first: Petsiuk, Das, Saenko 2018 (RISE), section 4.1. The sooner the
    score falls, the better the map says what it rests on.

    What is covered is no photograph any more, so a score can fall because the picture is strange: the random orders
    beside it say how much.

    Args:
        module: Any module; it comes back as it was.
        x: The input that *found* is of.
        found: Its values by place, highest first; those of a layer or a window are placed on the input first.
        grid: Where cells of a layer lie, as in :func:`~striate.inspect.attribution.placed`; None: the one in *found*.
        steps: In how many equal parts the places are covered.
        fill: What they are covered with.
        orders: How many random orders it is compared with.
        seed: Of the random orders.
        batch: How many copies run at once.
        task: As in :func:`~striate.inspect.attribution.gradient`.

    Raises:
        SeeError: The input has no places, or *found* does not fit it.

    >>> from striate.inspect.attribution import gradient_x_input
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    >>> x = torch.rand(1, 1, 4, 4)
    >>> curve = deletion(net, x, gradient_x_input(net, x, 0), steps=4)
    >>> len(curve.scores), curve.good
    (5, True)
    """
    with probing(module, x, found.target, task) as probe, torch.no_grad():
        cover = like(fill, probe.leaf)
        return _curve("deletion", probe, found, grid, probe.leaf, cover, steps, orders, seed, batch)


def insertion(
    module: nn.Module,
    x: Tensor,
    found: Attribution,
    *,
    grid: Sequence[float] | None = None,
    steps: int = 20,
    start: float | Tensor | None = None,
    orders: int = 3,
    seed: int = 0,
    batch: int = 16,
    task: str = "classification",
) -> Curve:
    """The most important places come back first: Petsiuk et al. 2018, section 4.1. The sooner the score rises, the
    better.

    Args:
        start: What it begins with: a number, a tensor, or None for the blurred input, of words zeros.

    Takes and gives else what :func:`deletion` does.

    >>> from striate.inspect.attribution import gradient_x_input
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    >>> x = torch.rand(1, 1, 4, 4)
    >>> insertion(net, x, gradient_x_input(net, x, 0), steps=4, start=0.0).shares
    (0.0, 0.25, 0.5, 0.75, 1.0)
    """
    with probing(module, x, found.target, task) as probe, torch.no_grad():
        blurs = start is None and probe.is_image
        begin = blurred(probe.leaf) if blurs else like(0.0 if start is None else start, probe.leaf)
        return _curve("insertion", probe, found, grid, begin, probe.leaf, steps, orders, seed, batch)


def blurred(x: Tensor, sigma: float = BLUR) -> Tensor:
    """*x* ``(N, C, *places)`` under a Gaussian of deviation *sigma* along every axis, weights renormalised at edges."""
    for axis in range(2, x.ndim):
        at = torch.arange(x.shape[axis], dtype=x.dtype, device=x.device)
        weights = (-((at[:, None] - at) ** 2) / (2 * sigma**2)).exp()
        x = (x.movedim(axis, -1) @ (weights / weights.sum(1, keepdim=True)).T).movedim(-1, axis)
    return x


def _curve(
    kind: str, probe: Probe, found: Attribution, grid: Sequence[float] | None, begin: Tensor, end: Tensor, steps: int,
    orders: int, seed: int, batch: int,
) -> Curve:  # fmt: skip
    places = tuple(probe.leaf.shape[2:] if probe.is_image else probe.leaf.shape[1:-1])
    if not places:
        raise SeeError("the input has no places to take away; the curves are for images, volumes, series and words")
    if steps < 1 or orders < 1:
        raise SeeError(f"got {steps} steps and {orders} random orders; both are 1 or more")
    important = placed(found.by_place(), places, grid or found.grid).ravel()
    generator = np.random.default_rng(seed)
    ranked = [np.argsort(-important, kind="stable"), *(generator.permutation(important.size) for _ in range(orders))]
    shares = np.linspace(0, 1, steps + 1)
    counts = np.round(shares * important.size).astype(int)
    scores = np.array([_scores(probe, order, counts, places, begin, end, batch) for order in ranked])
    areas = ((scores[:, 1:] + scores[:, :-1]) / 2 * np.diff(shares)).sum(1)
    area, chance = float(areas[0]), float(areas[1:].mean())
    good = area < chance if kind == "deletion" else area > chance
    verdict = (
        f"{kind}: area {area:.3g}, {chance:.3g} in random order: the map "
        f"{'finds what the score rests on better than chance' if good else 'does no better than chance'}"
    )
    return Curve(kind, tuple(shares.tolist()), tuple(scores[0].tolist()), area, chance, good, verdict)


def _scores(
    probe: Probe, order: np.ndarray, counts: np.ndarray, places: tuple[int, ...], begin: Tensor, end: Tensor, batch: int
) -> list[float]:
    """What the network says when the first *counts* places of *order* are as in *end* and the rest as in *begin*."""
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    at = torch.from_numpy(rank).to(begin.device).view(1, 1, *places)
    at = at if probe.is_image else at.movedim(1, -1)
    found: list[float] = []
    for part in chunks(probe, len(counts), batch):
        limits = torch.from_numpy(counts[part.start : part.stop]).to(begin.device).view(-1, *[1] * (begin.ndim - 1))
        found += probe.chances(torch.where(at < limits, end, begin)).tolist()
    return found
