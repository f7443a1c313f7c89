"""A smaller file in place of the one in float32: what it costs and gains, and when it is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from striate.exporters.comparing import Running, times_as_fast
from striate.exporters.exported import ExportError, Reduction
from striate.tasks import Metric


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
