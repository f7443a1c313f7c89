"""A run's network beside a plain model of the same splits: what the result, the report and ``evaluate`` say of it."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from striate.baselines import fit_baseline
from striate.errors import DataError
from striate.files import read_json
from striate.metrics import Scores
from striate.metrics.shared import as_plain
from striate.model.contract import Contract
from striate.model.header import code_and_path
from striate.model.model import Model
from striate.run.choosing import sided_class
from striate.run.folder import PROGRESS
from striate.run.measuring import Held, item_groups, measure, measure_scores
from striate.tasks import Metric, task_named
from striate.tasks.scoring import scoring_of

TESTED = 2_000  # items of the test split at most; of masks:
IMAGES = 50
LARGE = 96  # pixels a side, for which pretrained weights are good
LEAST = 30  # items: of fewer nobody is warned


@dataclass(frozen=True)
class BaselineResult:
    """A plain model, and the network less it on the same items of the test split.

    Args:
        task: The name of the task, whose metric is compared.
        name: What it is: ``"tf-idf + logistic regression"``.
        fitted: Items of the training split that it was fitted on.
        of: Items that there were.
        n: Items of the test split that both were measured on.
        value: The task's metric of the baseline.
        network: The network's, on the same items.
        interval: 95% interval of network less baseline.
        verdict: Of the network: ``"better"``, ``"worse"`` or ``"not distinguishable"``.
        seconds: That it took in all.
        balance: Of the recipe: where it balances the classes, the balanced metric is compared.
        test_items: Items of the test split that there were.
    """

    task: str
    name: str
    fitted: int
    of: int
    n: int
    value: float
    network: float
    interval: tuple[float, float]
    verdict: str
    seconds: float
    balance: str = "none"
    test_items: int = 0

    @property
    def metric(self) -> Metric:
        """What is compared."""
        return task_named(self.task).judged_by(self.balance).metric

    def line(self) -> str:
        """In a line, for people.

        >>> found = BaselineResult("classification", "HOG", 90, 90, 50, 0.7, 0.9, (0.1, 0.3), "better", 0.1)
        >>> print(found.line())
        baseline accuracy 70.00% (HOG); the network is better by 20.00 points (95% interval 10.00 to 30.00)
        """
        metric = self.metric
        some = f", fitted on {self.fitted:,} of {self.of:,} items" if self.fitted < self.of else ""
        some += f", measured on {self._measured}" if self.n < self.test_items else ""
        said = f"'s {metric.number(self.network)} is not distinguishable from it with {self.n:,} items"
        if self.verdict in ("better", "worse"):
            ends = (abs(self.network - self.value), *sorted(map(abs, self.interval)))
            change, low, high = (metric.change(end).lstrip("+") for end in ends)
            low, high = (end.removesuffix(" points") for end in (low, high))
            said = f" is {self.verdict} by {change} (95% interval {low} to {high})"
        return f"baseline {metric.words} {metric.number(self.value)} ({self.name}{some}); the network{said}"

    @property
    def _measured(self) -> str:
        of = f" of {self.test_items:,}" if self.n < self.test_items else ""
        return f"{self.n:,}{of} test items"

    def warning(self, advice: str) -> str:
        """What to say where the network is no better; "" where it is, or where the items are too few to say."""
        metric = self.metric
        behind = self.network < self.value if metric.higher_is_better else self.network > self.value
        perfect = metric.share and self.network == 1
        if self.n < LEAST or self.verdict == "better" or perfect or not (behind or self.network == self.value):
            return ""
        return (
            f"no better than a plain model: {self.name} has {metric.words} {metric.number(self.value)} on "
            f"{self._measured}, the network {metric.number(self.network)}; {advice}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return as_plain(self)

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> BaselineResult:
        """What :meth:`as_dict` said."""
        return cls(**found | {"interval": (float(found["interval"][0]), float(found["interval"][1]))})


def beside_baseline(
    best: Model, train: Held, test: Held, scores: Scores, *, seed: int = 0, more: int = 1, balance: str = "none"
) -> BaselineResult | None:
    """Fits a plain model on *train*, and compares the network, whose metrics on *test* are *scores*, with it.

    It takes a second or two at most on one processor: of more than 2,000 items (20,000 texts, 50 masks), or of *more*
    times as many, some are chosen at random. None where there is no plain model for such items.
    """
    begun, contract, task = time.perf_counter(), best.contract, best.contract.task
    targets = train.arrays.targets
    if task.standardised:
        targets = (np.asarray(targets, np.float64) - contract.target_mean) / contract.target_std
    most, there = IMAGES if task.per_pixel else TESTED, len(test.arrays)
    if there > most:
        test = test.take(np.sort(np.random.default_rng(seed).choice(there, most, replace=False)))
        scores = measure(best, test)
    plain = fit_baseline(
        train.arrays.inputs, targets, task=task, outputs=len(contract.classes), mode=contract.mode, seed=seed, more=more
    )
    if plain is None:
        return None
    try:
        found = measure_scores(plain.scores, contract, test, batch_size=256)
    except DataError:  # its scores are no numbers
        return None
    paired = scoring_of(task).compare(found, scores, item_groups([test]), task.judged_by(balance).metric)
    return BaselineResult(
        task.name,
        plain.name,
        plain.items,
        plain.of,
        paired.n,
        paired.first,
        paired.second,
        paired.interval,
        paired.verdict,
        time.perf_counter() - begun,
        balance,
        there,
    )


def baseline_of(model: str) -> BaselineResult | None:
    """What the run that *model* (its file, or its folder) is of was measured beside; None where that is not known."""
    path = Path(code_and_path(model)[1])
    folder = path if path.is_dir() else path.parent
    with suppress(OSError, ValueError, LookupError, TypeError):
        return BaselineResult.from_dict(read_json(folder / PROGRESS)["baseline"])
    return None


def advice_beside(contract: Contract, augment: str, *, overfits: bool) -> str:
    """What to try where a plain model is as good as a network that was trained with *augment*; of one that *overfits*
    no more of what makes it do so.
    """
    steps = [] if overfits else ["more --epochs"]
    if contract.mode not in ("text", "values"):
        if augment == "none":
            steps += ['--augment "standard flip=no"' if sided_class(contract.classes) else "--augment standard"]
        if min(contract.input[1:]) >= LARGE:
            steps += ["pretrained weights (--weights mobilenet_v2)"]
    return f"use {', '.join([*steps, '--tune 5m'])} or more data, or stay with the plain model"
