"""Whether a map can be believed: the tests that the literature has for it, as numbers and as words."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from striate.errors import SeeError
from striate.inspect.attribution.gradients import like
from striate.inspect.attribution.probe import probing
from striate.inspect.attribution.result import Attribution
from striate.inspect.capture import takes_hooks
from striate.inspect.target import Asked

Method = Callable[..., Attribution]  # (module, x, target) -> Attribution
STILL = 0.5  # a rank correlation above it: the map is still much the same


@dataclass(frozen=True)
class Randomised:
    """What became of a map when layers were made random, from the top on.

    Args:
        stages: The names of the layers that became random at each stage, besides those before.
        correlations: The rank correlation of the map at each stage with the true one, sign and all; nan where one
            of the two is the same everywhere.
        absolute: The same of the absolute values.
        passes: Whether the map depends on what the upper half of the layers learned.
        verdict: That in words.
    """

    stages: tuple[tuple[str, ...], ...]
    correlations: tuple[float, ...]
    absolute: tuple[float, ...]
    passes: bool
    verdict: str


def randomised(
    module: nn.Module,
    x: Tensor,
    method: Method,
    target: Asked = None,
    *,
    stages: int = 8,
    repeats: int = 3,
    seed: int = 0,
    **options: Any,
) -> Randomised:
    """Cascading randomisation: Adebayo et al. 2018, "Sanity checks for saliency maps", section 3.

    The weights of a copy of *module* are made random layer by layer from the one called last on, each drawn from a
    normal distribution of the same root mean square, and the map is made anew each time. A map that stays the same
    does not show what the layers learned. Take it as a test that can fail, not to rank methods by: it favours noisy
    maps, and random layers keep much of what comes from below (Binder et al. 2022).

    Args:
        module: Any module; it stays as it is.
        method: Such as :func:`~striate.inspect.attribution.gradient`; it is called as ``method(module, x, target,
            **options)``.
        target: As the method takes it; None is the class that the true network prefers.
        stages: At most so many maps are made: the layers are made random in as many groups.
        repeats: Of how many random networks the correlations are the mean: in a map of few cells chance is large.
        seed: Of the random weights.

    Raises:
        SeeError: The network has no weights, or *method* does not apply to it.

    >>> from striate.inspect.attribution import gradient
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
    >>> found = randomised(net, torch.rand(1, 1, 6, 6), gradient)
    >>> found.stages
    (('3',), ('0',))
    """
    true = method(module, x, target, **options)
    names = _weighted(module, x)
    if not names:
        raise SeeError("the network has no weights to make random")
    if stages < 1 or repeats < 1:
        raise SeeError(f"got {stages} stages and {repeats} repeats; both are 1 or more")
    groups = [tuple(group) for group in np.array_split(np.array(names, object), min(stages, len(names)))]
    generator = torch.Generator().manual_seed(seed)
    runs = []
    for _ in range(repeats):
        copy, maps = deepcopy(getattr(module, "_orig_mod", module)), []
        for group in groups:
            for name in group:
                _make_random(copy.get_submodule(name), generator)
            maps.append(method(copy, x, true.target, **options).values)
        runs.append(maps)
    signed = _means([[rank_correlation(true.values, found) for found in maps] for maps in runs])
    absolute = _means([[rank_correlation(np.abs(true.values), np.abs(found)) for found in maps] for maps in runs])
    half = signed[(len(groups) - 1) // 2]
    passes = not half > STILL
    upper = "the upper half of the layers" if len(groups) > 1 else "the layers"
    if np.isnan(half):
        verdict = f"cannot be said: with {upper} random, a map is the same everywhere"
    elif passes:
        verdict = f"passes: with {upper} random the map is another (rank correlation {half:.2f})"
    else:
        verdict = f"fails: with {upper} random the map is still much the same (rank correlation {half:.2f})"
    return Randomised(tuple(groups), signed, absolute, passes, verdict)


@dataclass(frozen=True)
class Completeness:
    """Whether the values sum to what they explain: ``total`` is their sum, ``wanted`` score minus baseline's score."""

    total: float
    wanted: float
    complete: bool
    verdict: str

    @property
    def error(self) -> float:
        return self.total - self.wanted


def completeness(
    module: nn.Module,
    x: Tensor,
    found: Attribution,
    *,
    baseline: float | Tensor = 0.0,
    tolerance: float = 0.05,
    task: str = "classification",
) -> Completeness:
    """Whether *found* sums to ``score(x) - score(baseline)``: Sundararajan et al. 2017, proposition 1.

    Integrated gradients does, but for the steps of the path; of the other methods none need do.

    Args:
        found: An attribution of this module and input.
        tolerance: The error that is let pass, as a share of what is wanted.

    >>> from striate.inspect.attribution import integrated_gradients
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> x = torch.rand(1, 1, 2, 2)
    >>> completeness(net, x, integrated_gradients(net, x, 0)).complete
    True
    """
    with probing(module, x, found.target, task) as probe, torch.no_grad():
        wanted = float(probe.scores(probe.leaf)) - float(probe.scores(like(baseline, probe.leaf)))
    total = float(found.values.astype(np.float64).sum())
    complete = abs(total - wanted) <= tolerance * max(abs(wanted), 1e-12)
    says = "complete" if complete else "not complete: more steps, or the method does not promise it"
    verdict = f"the values sum to {total:.4g}; the score rose by {wanted:.4g} from the baseline: {says}"
    return Completeness(total, wanted, complete, verdict)


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's: the correlation of the ranks, of which equal values share the mean; nan where all are equal.

    >>> rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([1.0, 4.0, 5.0]))
    1.0
    """
    a, b = (_ranks(values) - (values.size - 1) / 2 for values in (one, other))
    spread = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return round(float((a * b).sum()) / spread, 12) if spread else float("nan")


def _means(runs: list[list[float]]) -> tuple[float, ...]:
    """The mean over the runs, stage by stage, of what is a number."""
    stages = ([value for value in stage if value == value] for stage in zip(*runs, strict=True))
    return tuple(sum(known) / len(known) if known else float("nan") for known in stages)


def _ranks(values: np.ndarray) -> np.ndarray:
    _, place, counts = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts + 1) / 2)[place.ravel()]


def _weighted(module: nn.Module, x: Tensor) -> list[str]:
    """The layers with weights of their own that *x* comes through, the one called last first."""
    calls: list[str] = []

    def note(name: str) -> Any:
        return lambda *_: calls.append(name)

    with probing(module, x, None, "classification") as probe, torch.no_grad():
        own = [(name, part) for name, part in probe.module.named_modules() if list(part.parameters(recurse=False))]
        hooks = [part.register_forward_hook(note(name)) for name, part in own if takes_hooks(part)]
        try:
            probe.run(probe.leaf)
        finally:
            for hook in hooks:
                hook.remove()
    return list(dict.fromkeys(reversed(calls)))


@torch.no_grad()
def _make_random(layer: nn.Module, generator: torch.Generator) -> None:
    for parameter in layer.parameters(recurse=False):
        size = parameter.detach().cpu().double().square().mean().sqrt()
        parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * size)
