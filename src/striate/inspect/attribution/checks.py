"""Sanity checks of a saliency map: randomisation, completeness, deletion and insertion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from striate.errors import SeeError
from striate.inspect.attribution.probe import Probe, probing
from striate.inspect.attribution.result import Attribution, resize_to_input
from striate.inspect.capture import takes_hooks
from striate.inspect.target import TargetLike
from striate.learning.modules import hooked
from striate.metrics.residuals import spearman
from striate.tasks import CLASSIFICATION, Task
from striate.threads import one_at_a_time

SIMILAR = 0.5  # a rank correlation above it: the map has hardly changed
BLUR = 5.0  # pixels, the std that RISE takes for images of 224


@dataclass(frozen=True)
class SanityCheck:
    """What a check found.

    Args:
        name: Of the check.
        passed: Whether the map passed it.
        verdict: The result in words, with its numbers.
    """

    name: str
    passed: bool
    verdict: str


@dataclass(frozen=True)
class RandomisationTest(SanityCheck):
    """How a map changed when the layers were randomised, from the top on.

    Args:
        stages: The names of the layers that were randomised at each stage, besides those before.
        correlations: The rank correlation of the map at each stage with the true one, with sign; nan where one of
            the two is constant.
        absolute: The same of the absolute values.
    """

    stages: tuple[tuple[str, ...], ...]
    correlations: tuple[float, ...]
    absolute: tuple[float, ...]


def randomisation_test(
    module: nn.Module,
    x: Tensor,
    method: Callable[..., Attribution],
    target: TargetLike = None,
    *,
    stages: int = 8,
    repeats: int = 3,
    seed: int = 0,
    **options: Any,
) -> RandomisationTest:
    """Cascading randomisation: Adebayo et al. 2018, "Sanity checks for saliency maps", section 3.

    The weights of a copy of *module* are randomised layer by layer from the one called last on, each drawn from a
    normal distribution of the same root mean square, and the map is computed again each time. A map that stays the
    same does not show what the layers learned. Take it as a test that can fail, not to rank methods by: it favours
    noisy maps, and random layers keep much of what comes from below (Binder et al. 2022).

    Args:
        module: Any module; it stays as it is.
        method: Such as :func:`~striate.inspect.attribution.gradient`; it is called as ``method(module, x, target,
            **options)``.
        target: As the method takes it; None is the class that the true network predicts.
        stages: Maximum number of maps: the layers are randomised in that many groups.
        repeats: Of how many random networks the correlations are the mean: in a map of few cells chance is large.
        seed: The random seed of the weights.

    Raises:
        SeeError: The network has no weights, or *method* does not apply to it.

    >>> from striate.inspect.attribution import gradient
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
    >>> found = randomisation_test(net, torch.rand(1, 1, 6, 6), gradient)
    >>> found.stages
    (('3',), ('0',))
    """
    true = method(module, x, target, **options)
    names = _weighted(module, x)
    if not names:
        raise SeeError("the network has no weights to randomise")
    if stages < 1 or repeats < 1:
        raise SeeError(f"got {stages} stages and {repeats} repeats; both are 1 or more")
    groups = [tuple(group) for group in np.array_split(np.array(names, object), min(stages, len(names)))]
    generator = torch.Generator().manual_seed(seed)
    runs = []
    for _ in range(repeats):
        with one_at_a_time(module):  # not with another thread's hooks
            copy, maps = deepcopy(getattr(module, "_orig_mod", module)), []
        for group in groups:
            for name in group:
                _make_random(copy.get_submodule(name), generator)
            maps.append(method(copy, x, true.target, **options).values)
        runs.append(maps)
    signed = _means([[rank_correlation(true.values, found) for found in maps] for maps in runs])
    absolute = _means([[rank_correlation(np.abs(true.values), np.abs(found)) for found in maps] for maps in runs])
    half = signed[(len(groups) - 1) // 2]
    passed = not half > SIMILAR
    upper = f"with {'the upper half of the layers' if len(groups) > 1 else 'the layers'} randomised"
    if np.isnan(half):
        verdict = f"undecided: {upper} a map is constant"
    else:
        verdict = f"{upper} the map {'changes' if passed else 'hardly changes'} (rank correlation {half:.2f})"
    return RandomisationTest("randomisation", passed, verdict, tuple(groups), signed, absolute)


@dataclass(frozen=True)
class Completeness(SanityCheck):
    """Whether the values sum to what they explain: *total* is their sum, *expected* score minus baseline's score."""

    total: float
    expected: float

    @property
    def error(self) -> float:
        """``total - expected``."""
        return self.total - self.expected


def completeness(
    module: nn.Module,
    x: Tensor,
    found: Attribution,
    *,
    baseline: float | Tensor = 0.0,
    tolerance: float = 0.05,
    task: Task | str = CLASSIFICATION,
) -> Completeness:
    """Whether *found* sums to ``score(x) - score(baseline)``: Sundararajan et al. 2017, proposition 1.

    Integrated gradients does, up to the steps of the path; other methods need not.

    Args:
        module: Any module; it is left as it was.
        x: The input that *found* is of.
        found: An attribution of this module and input.
        baseline: A number, or a tensor that fits the input.
        tolerance: The error that is allowed, as a share of the expected sum.
        task: As in :func:`~striate.inspect.attribution.gradient`.

    >>> from striate.inspect.attribution import integrated_gradients
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> x = torch.rand(1, 1, 2, 2)
    >>> completeness(net, x, integrated_gradients(net, x, 0)).passed
    True
    """
    with probing(module, x, found.target, task) as probe, torch.no_grad():
        expected = float(probe.scores(probe.leaf)) - float(probe.scores(probe.like(baseline)))
    total = float(found.values.astype(np.float64).sum())
    passed = abs(total - expected) <= tolerance * max(abs(expected), 1e-12)
    outcome = "complete" if passed else "not complete: more steps are needed, or the method does not promise it"
    verdict = f"the values sum to {total:.4g}; the score rose by {expected:.4g} from the baseline: {outcome}"
    return Completeness("completeness", passed, verdict, total, expected)


@dataclass(frozen=True)
class PerturbationCurve(SanityCheck):
    """The score against the share of pixels that were changed; *name* is ``deletion`` or ``insertion``.

    Args:
        shares: From 0 to 1.
        scores: At each share: the probability where the task has one, else the score.
        area: Under the curve, by trapezoids; for deletion small is good, for insertion large.
        random_area: The same with the pixels in random order, the mean over some orders.
    """

    shares: tuple[float, ...]
    scores: tuple[float, ...]
    area: float
    random_area: float


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
    task: Task | str = CLASSIFICATION,
) -> PerturbationCurve:
    """The most important pixels are covered first: Petsiuk, Das, Saenko 2018 (RISE), section 4.1. The sooner the
    score falls, the better the map shows what it depends on.

    A covered image is unlike the training images, so a score can fall for that reason alone: the random orders beside
    it say how much.

    Args:
        module: Any module; it is left as it was.
        x: The input that *found* is of.
        found: Its values by position, highest first; those of a layer or a window are resized to the input first.
        grid: Where cells of a layer lie, as in :func:`~striate.inspect.attribution.resize_to_input`; None: the one
            in *found*.
        steps: In how many equal parts the pixels are covered.
        fill: What they are covered with.
        orders: How many random orders it is compared with.
        seed: The random seed of these orders.
        batch: How many copies run at once.
        task: As in :func:`~striate.inspect.attribution.gradient`.

    Raises:
        SeeError: The input has no positions, or *found* does not fit it.

    >>> from striate.inspect.attribution import gradient_x_input
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    >>> x = torch.rand(1, 1, 4, 4)
    >>> curve = deletion(net, x, gradient_x_input(net, x, 0), steps=4)
    >>> len(curve.scores), curve.passed
    (5, True)
    """
    with probing(module, x, found.target, task) as probe, torch.no_grad():
        order = _Orders(probe, found, grid, steps, orders, seed)
        return order.curve("deletion", probe.leaf, probe.like(fill), batch)


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
    task: Task | str = CLASSIFICATION,
) -> PerturbationCurve:
    """The most important pixels come back first: Petsiuk et al. 2018, section 4.1. The sooner the score rises, the
    better.

    Args:
        start: What it begins with: a number, a tensor, or None for the blurred input, of words zeros.

    Otherwise takes and gives what :func:`deletion` does.

    >>> from striate.inspect.attribution import gradient_x_input
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    >>> x = torch.rand(1, 1, 4, 4)
    >>> insertion(net, x, gradient_x_input(net, x, 0), steps=4, start=0.0).shares
    (0.0, 0.25, 0.5, 0.75, 1.0)
    """
    with probing(module, x, found.target, task) as probe, torch.no_grad():
        blurs = start is None and probe.is_image
        begin = blurred(probe.leaf) if blurs else probe.like(0.0 if start is None else start)
        return _Orders(probe, found, grid, steps, orders, seed).curve("insertion", begin, probe.leaf, batch)


def blurred(x: Tensor, sigma: float = BLUR) -> Tensor:
    """*x* ``(N, C, *positions)`` under a Gaussian of std *sigma* along every axis, weights renormalised at edges."""
    for axis in range(2, x.ndim):
        at = torch.arange(x.shape[axis], dtype=x.dtype, device=x.device)
        weights = (-((at[:, None] - at) ** 2) / (2 * sigma**2)).exp()
        x = (x.movedim(axis, -1) @ (weights / weights.sum(1, keepdim=True)).T).movedim(-1, axis)
    return x


class _Orders:
    """The positions of an input by their importance in a map, and in random orders."""

    def __init__(
        self, probe: Probe, found: Attribution, grid: Sequence[float] | None, steps: int, orders: int, seed: int
    ) -> None:
        self.probe = probe
        self.sides = tuple(probe.leaf.shape[2:] if probe.is_image else probe.leaf.shape[1:-1])
        if not self.sides:
            raise SeeError("the input has no positions to cover; deletion and insertion need images, series or words")
        if steps < 1 or orders < 1:
            raise SeeError(f"got {steps} steps and {orders} random orders; both are 1 or more")
        important = resize_to_input(found.by_position(), self.sides, grid or found.grid).ravel()
        random = np.random.default_rng(seed)
        self.ranked = [
            np.argsort(-important, kind="stable"),
            *(random.permutation(important.size) for _ in range(orders)),
        ]
        self.shares = np.linspace(0, 1, steps + 1)
        self.counts = np.round(self.shares * important.size).astype(int)

    def curve(self, name: str, begin: Tensor, end: Tensor, batch: int) -> PerturbationCurve:
        scores = np.array([self._scores(order, begin, end, batch) for order in self.ranked])
        areas = ((scores[:, 1:] + scores[:, :-1]) / 2 * np.diff(self.shares)).sum(1)
        area, chance = float(areas[0]), float(areas[1:].mean())
        passed = area < chance if name == "deletion" else area > chance
        outcome = "better than chance" if passed else "no better than chance"
        verdict = f"AUC {area:.3g} (random {chance:.3g}): the map ranks pixels {outcome}"
        shares = tuple(self.shares.tolist())
        return PerturbationCurve(name, passed, verdict, shares, tuple(scores[0].tolist()), area, chance)

    def _scores(self, order: np.ndarray, begin: Tensor, end: Tensor, batch: int) -> list[float]:
        """The score when the first *counts* positions of *order* are as in *end* and the rest as in *begin*."""
        rank = np.empty_like(order)
        rank[order] = np.arange(order.size)
        at = torch.from_numpy(rank).to(begin.device).view(1, 1, *self.sides)
        at = at if self.probe.is_image else at.movedim(1, -1)
        found: list[float] = []
        for part in self.probe.chunks(len(self.counts), batch):
            limits = torch.from_numpy(self.counts[part.start : part.stop]).to(begin.device)
            mixed = torch.where(at < limits.view(-1, *[1] * (begin.ndim - 1)), end, begin)
            found += self.probe.probabilities(mixed).tolist()
        return found


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's: the correlation of the ranks, where equal values share the mean rank; nan where all are equal.

    >>> rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([1.0, 4.0, 5.0]))
    1.0
    """
    found = spearman(one.ravel(), other.ravel())
    return float("nan") if found is None else round(found, 12)


def _means(runs: list[list[float]]) -> tuple[float, ...]:
    """The mean over the runs, stage by stage, of what is a number."""
    stages = ([value for value in stage if value == value] for stage in zip(*runs, strict=True))
    return tuple(sum(known) / len(known) if known else float("nan") for known in stages)


def _weighted(module: nn.Module, x: Tensor) -> list[str]:
    """The layers with weights of their own that *x* passes, the one called last first."""
    calls: list[str] = []

    def record(name: str) -> Any:
        return lambda *_: calls.append(name)

    with probing(module, x, None, CLASSIFICATION) as probe, torch.no_grad():
        own = [(name, part) for name, part in probe.module.named_modules() if list(part.parameters(recurse=False))]
        with hooked([part.register_forward_hook(record(name)) for name, part in own if takes_hooks(part)]):
            probe.run(probe.leaf)
    return list(dict.fromkeys(reversed(calls)))


@torch.no_grad()
def _make_random(layer: nn.Module, generator: torch.Generator) -> None:
    for parameter in layer.parameters(recurse=False):
        size = parameter.detach().cpu().double().square().mean().sqrt()
        parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * size)
