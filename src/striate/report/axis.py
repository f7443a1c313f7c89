"""The axes of a chart: a range, and the round numbers to write along it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10


@dataclass(frozen=True)
class Axis:
    """A range from ``ticks[0]`` to ``ticks[-1]``, in equal steps or, with ``log``, in equal ratios."""

    ticks: tuple[float, ...]
    log: bool = False

    def at(self, value: float) -> float:
        """Where *value* lies, from 0 at the low end to 1 at the high one."""
        scale: Callable[[float], float] = log10 if self.log else float
        low, high = scale(self.ticks[0]), scale(self.ticks[-1])
        return (scale(value) - low) / (high - low)


def linear(low: float, high: float, *, most: int = 6, whole: bool = False) -> Axis:
    """Steps of 1, 2 or 5 times a power of ten that take in *low* to *high*; *whole* for counts.

    >>> linear(0, 2.3).ticks
    (0.0, 0.5, 1.0, 1.5, 2.0, 2.5)
    """
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        low, high = (low - 1, low) if whole else (low - abs(low) * 0.05, low + (abs(low) * 0.05 or 1))
    step = _step((high - low) / most)
    step = max(step, 1.0) if whole else step
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return Axis(tuple(float(f"{i * step:.12g}") for i in range(first, last + 1)))  # 0.3, not 3 * 0.1


def logarithmic(low: float, high: float, *, most: int = 7) -> Axis:
    """1, 2 and 5 times the powers of ten (the powers alone, where those are many); *low* is above 0.

    >>> logarithmic(0.03, 2.3).ticks
    (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
    """
    decades = range(floor(log10(low)), ceil(log10(high)) + 1)
    fine = [float(f"{m}e{d}") for d in decades for m in (1, 2, 5)]
    kept = [v for v in fine if max(v for v in fine if v <= low) <= v <= min(v for v in fine if v >= high)]
    if len(kept) > most + 1:
        every = ceil((len(decades) - 1) / most)
        kept = [float(f"1e{d}") for d in range(decades[0], decades[-1] + every, every)]
    return Axis(tuple(kept), log=True)


def loss_axis(values: Sequence[float]) -> Axis:
    """From 0; by ratios where the values span more than 20 times, or the end would lie on the bottom line."""
    low, high = min(values), max(values)
    if low > 0 and high / low > 20:
        return logarithmic(low, high)
    return linear(min(0.0, low), high)


def accuracy_axis(values: Sequence[float]) -> Axis:
    """Around the values and not from 0, as the last points of a percent matter; 5 points high at least."""
    low, high = min(values), max(values)
    return linear(max(0.0, min(low, high - 0.05)), high)


def _step(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below *least*."""
    power = 10.0 ** floor(log10(least))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= least * (1 - 1e-9))
