"""``--tune 60s``: the learning rate and the weight decay by a short search on the validation split.

Plain cross-entropy with these two tuned is the strongest published baseline for small data: L. Brigato et al., "Tune It
or Don't Use It: Benchmarking Data-Efficient Image Classification" (2021, arXiv 2108.13122). The search is successive
halving (K. Jamieson and A. Talwalkar 2016, arXiv 1502.07943): many short tries, the best third of them again and three
times as long, and so on. The points are those of the R2 sequence (M. Roberts 2018), evenly spread however few they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from striate.errors import RecipeError, align_columns
from striate.learning import Recipe, State, Step, loss_of, training, validate
from striate.learning.modules import restored_weights
from striate.run.folder import Say
from striate.run.running import Run
from striate.tasks import Task
from striate.tasks.scoring import scoring_of

RATES, DECAYS = 10.0, 100.0  # the recipe's own, divided and multiplied by up to this much
NO_DECAY = 0.01  # the middle of the weight decays where the recipe has none
THIRD = 3  # a try in so many goes on to the next round
LEAST = 20  # optimizer steps of a try
SHOWN = 12  # tries that the table has at most
MOST = 81  # tries of the first round


@dataclass(frozen=True)
class Try:
    """One short training.

    Args:
        lr: Its maximum learning rate.
        weight_decay: Its weight decay.
        steps: Optimizer steps.
        metric: The task's, on the validation split; None where it diverged.
        loss: On the validation split.
    """

    lr: float
    weight_decay: float
    steps: int
    metric: float | None
    loss: float | None


def search_points(recipe: Recipe) -> Iterator[Recipe]:
    """*recipe* itself, and then others, their rate and weight decay evenly spread over the logarithms; always the same
    for a seed.

    >>> [f"{one.lr:.2g} {one.weight_decay:.2g}" for one, _ in zip(search_points(Recipe()), range(4))]
    ['0.002 0.01', '0.0012 0.23', '0.00039 0.0043', '0.013 0.83']
    """
    yield recipe
    plastic = 1.3247179572447460  # the R2 sequence: steps of 1/p and 1/p^2 modulo 1
    offset = np.random.default_rng(recipe.seed).random(2)
    middle = recipe.weight_decay or NO_DECAY
    for i in range(1, 10**6):
        a, b = 2 * ((offset + i * np.array([1 / plastic, 1 / plastic**2])) % 1) - 1
        yield replace(recipe, lr=float(f"{recipe.lr * RATES**a:.2g}"), weight_decay=float(f"{middle * DECAYS**b:.2g}"))


@dataclass
class _Some:
    """The first batches of each epoch, where a try is shorter than one."""

    batches: Any
    count: int

    def __len__(self) -> int:
        return self.count

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        self.batches.set_epoch(epoch, start)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return (batch for batch, _ in zip(self.batches, range(self.count), strict=False))


class _Search:
    """The tries of a *run*, which stays as it is."""

    def __init__(self, run: Run, deadline: float, clock: Callable[[], float]) -> None:
        self.run, self.deadline, self.clock = run, deadline, clock
        self.epoch = len(run.batches("train", train=True))  # in batches
        self.full = self.epoch * run.recipe.epochs

    def attempt(self, recipe: Recipe, batches: int, seed: int) -> Try | None:
        """Trains for so many *batches* and validates; None where the time is over before."""
        run, module = self.run, self.run.model.module
        epochs = max(1, round(batches / self.epoch))
        recipe = replace(recipe, epochs=epochs, seed=(recipe.seed + seed) % 2**32)
        of_run, run.recipe = run.recipe, recipe
        given = run.batches("train", train=True)
        run.recipe = of_run
        weights, steps = run.class_weights(), min(batches, self.epoch)
        state = State.new(module, recipe)
        how: dict[str, Any] = {"state": state, "task": run.task, "weights": weights, "speed": run.speed}
        metric = loss = None
        with restored_weights(module):
            try:
                for event in training(module, _Some(given, steps), recipe, **how):
                    if isinstance(event, Step) and self.clock() > self.deadline:
                        return None
                with state.averaged():
                    function = loss_of(recipe, run.task, weights)
                    tally = scoring_of(run.task).tally_of(run.task.metric, run.units())
                    loss, metric = validate(module, run.batches("val"), function, run.task, tally, run.speed)
                if not (math.isfinite(loss) and math.isfinite(metric)):
                    metric = loss = None
            except RecipeError:  # it diverged
                metric = loss = None
        return Try(recipe.lr, recipe.weight_decay, epochs * steps, metric, loss)


def tune(run: Run, seconds: float, say: Say, clock: Callable[[], float] = perf_counter) -> list[Try]:
    """Searches for the learning rate and weight decay of *run* for so many *seconds*, and gives the run the best: its
    recipe and its optimizer. Weights stay as they are, the test split is not looked at.

    Args:
        run: Prepared, and not trained yet.
        seconds: For the whole search.
        say: Told the tries as a table, and what was chosen.
        clock: Gives the seconds.

    Returns:
        All tries, those of the same round together, in the order in which they were made.

    Raises:
        RecipeError: The time is too short for a few tries, or there are several processes, whose clocks differ.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        raise RecipeError("tune works in one process; tune there, and give the others the lr and weight_decay it finds")
    begun = clock()
    search = _Search(run, begun + seconds, clock)
    probe = min(LEAST, search.epoch)
    search.attempt(run.recipe, probe, 0)  # warms up
    warm = clock()
    search.attempt(run.recipe, probe, 0)
    cost = max(1e-9, (clock() - warm) / probe)  # of a batch, with its part of the validation
    first, batches = _plan(0.95 * (begun + seconds - clock()) / cost, min(LEAST, search.full), search.full)
    if not first:
        enough = (clock() - begun) + THIRD * probe * cost / 0.95
        raise RecipeError(
            f"tune={seconds:g}s is too short: {THIRD} tries of {min(LEAST, search.full)} steps need {enough:.0f} s"
        )
    rounds: list[list[tuple[Recipe, Try]]] = []
    contenders = [one for one, _ in zip(search_points(run.recipe), range(first), strict=False)]
    scores: dict[Recipe, list[Try]] = {one: [] for one in contenders}
    while True:
        found: list[tuple[Recipe, Try]] = []
        for one in contenders:
            tried = search.attempt(one, batches, len(rounds))
            if tried is None:
                break
            found.append((one, tried))
        if found and (len(found) == len(contenders) or not rounds):  # a later round counts where it is whole
            rounds.append(found)
            for one, tried in found:
                scores[one].append(tried)
        if len(found) < max(THIRD + 1, len(contenders)):  # the last round, or the time is over
            break
        ranked = sorted(contenders, key=lambda one: _rank(scores[one], run.task))
        contenders = ranked[: len(ranked) // THIRD]
        batches = min(THIRD * batches, search.full)
    tries = [tried for found in rounds for _, tried in found]
    best = min((one for one, _ in rounds[-1]), key=lambda one: _rank(scores[one], run.task)) if rounds else run.recipe
    for line in _table(tries, run.task):
        say(line)
    say(
        f"tuned on validation: lr {best.lr:g}, weight decay {best.weight_decay:g}, of {len(scores)} tried in "
        f"{clock() - begun:.0f} s; the recipe has {run.recipe.lr:g} and {run.recipe.weight_decay:g}"
    )
    run.recipe = best
    run.state = State.new(run.model.module, best)
    return tries


def _plan(batches: float, least: int, full: int) -> tuple[int, int]:
    """How many tries there are in the first round, and of how many batches each, where *batches* can be trained in all:
    as many tries as leave the first round the *least* batches, and the last one five times as many or the *full* run.

    >>> _plan(100_000, 20, 900), _plan(2000, 20, 900), _plan(100, 20, 900), _plan(50, 20, 900)
    ((81, 308), (27, 24), (3, 33), (0, 0))
    """
    for first in (MOST, MOST // 3, MOST // 9, MOST // 27):
        rounds = round(math.log(first, THIRD))
        each = min(int(batches / rounds / first), full)
        if each >= least and (first == THIRD or each * THIRD ** (rounds - 1) >= min(full, 5 * least)):
            return first, each
    return 0, 0


def _rank(tries: list[Try], task: Task) -> tuple[float, float]:
    """The better, the lower: the mean over the longest of the tries."""
    longest = [one for one in tries if one.steps == max(t.steps for t in tries)]
    found = [(one.metric, one.loss) for one in longest if one.metric is not None and one.loss is not None]
    if len(found) < len(longest) or not found:
        return math.inf, math.inf
    metric, loss = np.mean(found, 0).tolist()
    return (-metric, loss) if task.metric.higher_is_better else (loss, metric)


def _table(tries: list[Try], task: Task) -> list[str]:
    """The best tries of each length, the longest and the best first."""
    ranked = sorted(tries, key=lambda one: (-one.steps, *_rank([one], task)))[:SHOWN]
    rows = [(f"{one.lr:g}", f"{one.weight_decay:g}", str(one.steps), *_values(one, task)) for one in ranked]
    return align_columns([("lr", "weight decay", "steps", "val metric", "val loss"), *rows], left=0)


def _values(one: Try, task: Task) -> tuple[str, str]:
    return ("diverged", "") if one.metric is None else (task.metric.text(one.metric), f"{one.loss:.4f}")
