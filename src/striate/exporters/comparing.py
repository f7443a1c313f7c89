"""An exported file beside the model before it is kept: the same items through both, and what a smaller one is worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

import numpy as np

from striate.errors import counted, listed
from striate.exporters.exported import ExportError, FileComparison, Reduction
from striate.model.contract import Contract
from striate.model.model import Model
from striate.model.predictor import meaning
from striate.tasks import Metric

Runner = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # prepared items to probabilities (values) and scores
BATCHES = (7, 1)
ALONE = 70  # items that also go through the exported file one at a time
TOLERANCE = 1e-4  # of probabilities; of values, in standard deviations of the targets
TIE = 1e-5  # probabilities that differ by less are equal: which is larger is the rounding's matter
SCORES_TOLERANCE = 1e-3  # of scores, as a share of the largest


class Running(Protocol):
    """An exported file in its own runtime."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the file says of itself: ``contract``, ``striate``."""

    def __call__(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Prepared items to probabilities (values) and scores."""


def compare_file(
    model: Model,
    theirs: Runner,
    inputs: np.ndarray,
    names: Sequence[str],
    on: str,
    batch_sizes: tuple[int, ...] = BATCHES,
) -> FileComparison:
    """What *theirs* gives for the prepared *inputs* ``(N, *contract.input)``, beside what *model* gives.

    All go through it in batches of 7, the first 70 also one at a time; *batch_sizes* ``(1,)`` is said of a file that
    takes one item, whatever it is given.
    """
    seen = _Differences(model.contract)
    for start in range(0, len(inputs), BATCHES[0]):
        batch = inputs[start : start + BATCHES[0]]
        scores = model.scores(batch)
        seen.add(start, scores, *theirs(batch))
        if start < ALONE and len(batch_sizes) > 1:
            alone = [theirs(item[None]) for item in batch]
            seen.add(start, scores, *(np.concatenate(outputs) for outputs in zip(*alone, strict=True)))
    flipped = [i for i, _ in sorted(seen.flipped.items(), key=lambda item: -item[1])]
    return FileComparison(
        on=on,
        items=len(inputs),
        outputs=seen.outputs,
        max_difference=seen.largest,
        scores_difference=seen.scores_gap / max(seen.scores_largest, 1e-12),
        label_flips=sum(seen.flipped.values()),
        ties=sum(seen.tied.values()),
        where=tuple(names[i] for i in (flipped or [seen.worst])[:10]),
        batch_sizes=batch_sizes,
    )


class _Differences:
    """What was seen of the differences so far."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.outputs = self.worst = 0
        self.largest = self.scores_gap = self.scores_largest = 0.0
        self.flipped: dict[int, int] = {}  # by the item's number: how many of its predictions changed
        self.tied: dict[int, int] = {}  # likewise, of predictions that could be either

    def add(self, start: int, ours: np.ndarray, probabilities: np.ndarray, scores: np.ndarray) -> None:
        for name, output in (("scores", scores), ("first output", probabilities)):
            if output.shape != ours.shape:
                raise ExportError(f"its {name} are {output.shape}, expected {ours.shape}")
        expected, std = meaning(ours, self.contract), np.array(self.contract.target_std or (1.0,))
        gaps = _gaps(expected / std, probabilities / std)
        if gaps.max() > self.largest:
            self.largest, self.worst = float(gaps.max()), start + int(gaps.argmax())
        self.scores_gap = max(self.scores_gap, float(_gaps(ours, scores).max()))
        self.scores_largest = max(self.scores_largest, float(np.abs(ours).max()))
        before, now = (decided(p, self.contract) for p in (expected, probabilities))
        self.outputs = (start + len(ours)) * (before.size // len(ours))
        changed = before != now
        if not changed.any():
            return
        equal = _margins(expected, before, now) < TIE
        for i, item in enumerate(zip(changed & ~equal, changed & equal, strict=True), start):
            flips, ties = (int(part.sum()) for part in item)
            if flips:
                self.flipped[i] = max(flips, self.flipped.get(i, 0))
            if ties:
                self.tied[i] = max(ties, self.tied.get(i, 0))


def _gaps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The largest difference in each item; a value that is no number is infinitely far."""
    gaps = np.abs(np.asarray(one, np.float64) - other).reshape(len(one), -1).max(1)
    return np.asarray(np.nan_to_num(gaps, nan=np.inf))


def decided(probabilities: np.ndarray, contract: Contract) -> np.ndarray:
    """The class of each item or pixel, or whether each label is there; nothing of values."""
    if not contract.task.has_classes:
        return np.zeros((len(probabilities), 0), np.int64)
    if contract.task.several:
        return np.asarray(probabilities >= 0.5)
    return np.asarray(probabilities.argmax(1))


def _margins(probabilities: np.ndarray, before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """By how much the predicted class (axis 1) is more probable than the other one; a label, than its threshold."""
    if before.dtype == bool:
        return np.asarray(np.abs(probabilities - 0.5))
    of_each = (np.take_along_axis(probabilities, numbers[:, None], 1)[:, 0] for numbers in (before, now))
    return np.asarray(next(of_each) - next(of_each))


def check_same(found: FileComparison) -> None:
    """ExportError where the file does not answer as the model does."""
    if found.max_difference <= TOLERANCE and found.scores_difference <= SCORES_TOLERANCE:
        return
    flips = f", {counted(found.label_flips, 'label')} flipped" if found.label_flips else ""
    raise ExportError(
        f"it does not answer as the model does: on {found.on} ({counted(found.items, 'item')}) probabilities differ by "
        f"up to {found.max_difference:.2g} (tolerance {TOLERANCE:g}), scores by {found.scores_difference:.2g} of the "
        f"largest (tolerance {SCORES_TOLERANCE:g}){flips}; the worst: {listed(found.where, 3)}"
    )


def times_as_fast(one: Runner, other: Runner, inputs: np.ndarray, rounds: int = 15) -> float:
    """How many times as fast as *one* the *other* is: the median of rounds in which both take the same batch of 16."""
    batch = np.ascontiguousarray(np.resize(inputs, (16, *inputs.shape[1:])))
    seconds = []
    for _ in range(rounds):
        times = []
        for runner in (one, other):
            start = perf_counter()
            runner(batch)
            times.append(perf_counter() - start)
        seconds.append(times[0] / times[1])
    return float(np.median(seconds))


def generated(contract: Contract, items: int = 32) -> np.ndarray:
    """Inputs in the contract's range, where no data are at hand: noise, coarse and fine, and all that is constant.

    >>> contract = Contract(("dark", "bright"), (1, 2, 2), "L", (0.5,), (0.5,))
    >>> generated(contract, 4).shape, generated(contract, 4).dtype
    ((4, 1, 2, 2), dtype('uint8'))
    """
    rng, shape = np.random.default_rng(0), (items, *contract.input)
    if contract.mode == "text":
        words = rng.integers(0, len(contract.vocabulary) + 2, shape)
        lengths = rng.integers(1, contract.input[0] + 1, items)
        return np.where(np.arange(contract.input[0]) < lengths[:, None], words, 0).astype(np.int64)
    fine = rng.random(shape)
    coarse = rng.random((*shape[:2], *(-(-side // 8) for side in shape[2:])))
    for axis in range(2, len(shape)):
        coarse = coarse.repeat(8, axis).take(range(shape[axis]), axis)
    fine[1::2] = coarse[1::2]
    if contract.mode == "values":
        per_channel = (1, -1, *[1] * (len(shape) - 2))
        mean, std = (np.reshape(v, per_channel) for v in (contract.mean, contract.std))
        return (mean + std * (4 * fine - 2)).astype(np.float32)
    pixels = (255 * fine).round().astype(np.uint8)
    pixels[0], pixels[1:2] = 0, 255
    return pixels


@dataclass(frozen=True, eq=False)
class Smaller:
    """A smaller file in place of the one in float32, and when it is refused.

    Args:
        kind: ``"int8"`` or ``"half"``.
        calibration: Prepared items, from whose values the ranges of int8 are taken.
        metric: The task's metric.
        measured: A file in its runtime to its metric.
        min_gain: How many times as fast (int8) or as small (half) it has to be.
        max_loss: How much worse the metric may be: of shares the difference, of errors the share.
    """

    kind: str
    calibration: np.ndarray
    metric: Metric
    measured: Callable[[Running], float]
    min_gain: float = 1.2
    max_loss: float = 0.01

    def judged(self, before: Running, after: Running, sizes: tuple[int, int], inputs: np.ndarray) -> Reduction:
        """What it costs and gains; ExportError where that is too much and too little."""
        metrics = self.measured(before), self.measured(after)
        loss = metrics[0] - metrics[1] if self.metric.higher_is_better else metrics[1] - metrics[0]
        if not self.metric.share:
            loss /= max(abs(metrics[0]), 1e-12)
        speed, size = times_as_fast(before, after, inputs), sizes[0] / sizes[1]
        found = Reduction(self.kind, self.metric, *metrics, loss, speed, size, sizes[1])
        gain, word = (speed, "fast") if self.kind == "int8" else (size, "small")
        why = []
        if loss > self.max_loss:
            now, was = self.metric.number(metrics[1]), self.metric.number(metrics[0])
            why.append(f"its {self.metric.words} is {now}, in float32 {was} (--max-loss {self.max_loss:g})")
        if gain < self.min_gain:
            why.append(f"it is {gain:.2f} times as {word} (--min-gain {self.min_gain:g})")
        if why:
            raise ExportError(f"{self.kind} is not worth it: {' and '.join(why)}; omit it, or allow it by that option")
        return found
