"""Charts as inline SVG, small enough to be read on a phone: the course of a training, predictions over targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, inf, isfinite, log10

import numpy as np
from numpy.typing import NDArray

from striate.report.markup import Html, el, join
from striate.tasks import Metric

Row = Mapping[str, float | None]
Point = tuple[float, float]

WIDTH, HEIGHT = 460, 250
LEFT, RIGHT, TOP, BOTTOM = 58, 18, 10, 42  # the room around the plot
DOTS = 40  # epochs up to which each is marked by a dot as well


@dataclass(frozen=True)
class _Curve:
    """A column of the history and what the legend calls it; its class in page.css holds the colour."""

    column: str
    label: str
    class_: str


LOSS = (_Curve("train/loss", "training", "train"), _Curve("val/loss", "validation", "val"))


def curves(history: Sequence[Row], metric: Metric, best: int | None) -> Html:
    """The charts that *history* has values for: the losses, and the metric of the validation split.

    Args:
        history: A row an epoch, with ``epoch``, ``train/loss``, ``val/loss`` and the metric's column; a value that is
            None, NaN or infinite leaves a gap.
        metric: The task's.
        best: The epoch to mark.

    >>> from striate.tasks import CLASSIFICATION
    >>> "<svg" in curves([{"epoch": 1, "train/loss": 0.5}], CLASSIFICATION.metric, best=1)
    True
    """
    fit, write = (_share_axis, _percent) if metric.share else (loss_axis, _short)
    return el(
        "div",
        _chart("Loss", history, LOSS, loss_axis, best, lambda v: f"{v:.6g}"),
        _chart(metric.title, history, (_Curve(metric.column, "validation", "val"),), fit, best, write),
        class_="charts",
    )


def _percent(value: float) -> str:
    return f"{100 * value:.6g} %"


def _short(value: float) -> str:
    return f"{value:.4g}"


def best_epoch(history: Sequence[Row], metric: Metric) -> int | None:
    """The epoch with the highest *metric* of the validation split, the lowest validation loss among equals, the
    earliest; where the metric is an error, the loss alone decides.

    >>> from striate.tasks import CLASSIFICATION
    >>> best_epoch([{"epoch": 1, "val/accuracy": 0.5}, {"epoch": 2, "val/accuracy": 0.6}], CLASSIFICATION.metric)
    2
    """
    columns = (_values(history, c) for c in (metric.column if metric.higher_is_better else "", "val/loss"))
    ranks = [
        (0.0 if value is None else -value, inf if loss is None else loss, int(epoch))
        for epoch, value, loss in zip(_known(history, "epoch"), *columns, strict=True)
        if value is not None or loss is not None
    ]
    return min(ranks)[2] if ranks else None


def _values(history: Sequence[Row], column: str) -> list[float | None]:
    """One value a row; None where there is none that can be drawn."""
    return [v if v is not None and isfinite(v) else None for v in (row.get(column) for row in history)]


def _known(history: Sequence[Row], column: str) -> list[float]:
    return [v for v in _values(history, column) if v is not None]


def _chart(
    title: str,
    history: Sequence[Row],
    asked: Sequence[_Curve],
    fit: Callable[[Sequence[float]], ChartAxis],
    best: int | None,
    write: Callable[[float], str],
) -> Html | None:
    drawn = [c for c in asked if _known(history, c.column)]
    if not drawn:
        return None
    y_axis = fit([v for c in drawn for v in _known(history, c.column)])
    epochs = _known(history, "epoch")
    x_axis = linear(min(epochs), max(epochs), whole=True)

    def place(epoch: float, value: float) -> Point:
        return (
            round(LEFT + (WIDTH - LEFT - RIGHT) * x_axis.at(epoch), 1),
            round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * y_axis.at(value), 1),
        )

    lines = [_line(c, history, place, write) for c in drawn]
    marker = None if best is None else _upright(place(best, y_axis.ticks[0])[0])
    svg = el(
        "svg",
        *_grid(x_axis, y_axis, place, write),
        marker,
        *lines,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=_words(title, drawn, history, write),
    )
    name = el("b", f"{title}, log scale" if y_axis.log else title)
    return el("figure", el("figcaption", name, *_legend(drawn, best)), svg, class_="chart")


def _line(curve: _Curve, history: Sequence[Row], place: Callable[..., Point], write: Callable[[float], str]) -> Html:
    parts: list[Html] = []
    for run in _runs(history, curve.column):
        points = [place(epoch, value) for epoch, value in run]
        if len(points) > 1:
            parts.append(el("polyline", points=" ".join(f"{x:g},{y:g}" for x, y in points)))
        if len(points) == 1 or len(history) <= DOTS:
            parts += [
                el("circle", el("title", f"epoch {e:g}, {curve.label}: {write(v)}"), cx=x, cy=y, r=3)
                for (e, v), (x, y) in zip(run, points, strict=True)
            ]
    return el("g", *parts, class_=f"curve {curve.class_}")


def _runs(history: Sequence[Row], column: str) -> Iterator[list[Point]]:
    """The stretches of *column* without a gap, as ``(epoch, value)``."""
    run: list[Point] = []
    for epoch, value in zip(_known(history, "epoch"), _values(history, column), strict=True):
        if value is not None:
            run.append((epoch, value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _grid(
    x_axis: ChartAxis, y_axis: ChartAxis, place: Callable[..., Point], write: Callable[[float], str]
) -> Iterator[Html]:
    for tick in y_axis.ticks:
        _, y = place(x_axis.ticks[0], tick)
        yield el("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid")
        yield el("text", write(tick), x=LEFT - 7, y=y + 4, text_anchor="end")
    for tick in x_axis.ticks:
        x, y = place(tick, y_axis.ticks[0])
        yield el("line", x1=x, x2=x, y1=y, y2=y + 5, class_="grid")
        yield el("text", f"{tick:g}", x=x, y=y + 18, text_anchor="middle")
    yield el("text", "epoch", x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 5, text_anchor="middle")


def _upright(x: float) -> Html:
    return el("line", x1=x, x2=x, y1=TOP, y2=HEIGHT - BOTTOM, class_="best")


def _legend(drawn: Sequence[_Curve], best: int | None) -> Iterator[Html]:
    for curve in drawn:
        yield el("span", el("i", class_=f"key {curve.class_}"), curve.label)
    if best is not None:
        yield el("span", el("i", class_="key best"), f"best epoch ({best})")


def _words(title: str, drawn: Sequence[_Curve], history: Sequence[Row], write: Callable[[float], str]) -> str:
    """The chart for who cannot see it: where each curve starts and ends."""
    ends = []
    for curve in drawn:
        known = _known(history, curve.column)
        ends.append(f"{curve.label} from {write(known[0])} to {write(known[-1])}")
    return f"{title} over {len(history):,} epochs: {join('; '.join(ends))}"


_SIZE, _LEFT, _BOTTOM, _RIM = 340, 62, 44, 12
_FEW = 200  # items up to which the dots are larger, or they would be hard to see
_DOTS = 2_000  # dots of a chart; of more, evenly chosen ones


def scatter(name: str, target: NDArray[np.float64], predicted: NDArray[np.float64]) -> Html:
    """A square chart of one value, both ``(N,)``: on the diagonal the prediction is the target.

    >>> scatter("age", np.array([1.0, 2.0]), np.array([1.5, 2.0])).count("<circle")
    2
    """
    both = np.concatenate([target, predicted])
    axis = linear(float(both.min()), float(both.max()), max_ticks=5)

    def across(value: float) -> float:
        return round(_LEFT + (_SIZE - _LEFT - _RIM) * axis.at(value), 1)

    def up(value: float) -> float:
        return round(_SIZE - _BOTTOM - (_SIZE - _BOTTOM - _RIM) * axis.at(value), 1)

    low, high = axis.ticks[0], axis.ticks[-1]
    grid = []
    for tick in axis.ticks:
        grid += [
            el("line", x1=_LEFT, x2=_SIZE - _RIM, y1=up(tick), y2=up(tick), class_="grid"),
            el("text", f"{tick:g}", x=_LEFT - 7, y=up(tick) + 4, text_anchor="end"),
            el("line", x1=across(tick), x2=across(tick), y1=_SIZE - _BOTTOM, y2=_SIZE - _BOTTOM + 5, class_="grid"),
            el("text", f"{tick:g}", x=across(tick), y=_SIZE - _BOTTOM + 18, text_anchor="middle"),
        ]
    chosen = np.linspace(0, len(target) - 1, min(len(target), _DOTS)).astype(int)
    dots = [
        el("circle", cx=across(t), cy=up(a), r=2.5 if len(chosen) > _FEW else 4)
        for t, a in zip(target[chosen], predicted[chosen], strict=True)
    ]
    middle = (_LEFT + _SIZE - _RIM) / 2
    svg = el(
        "svg",
        *grid,
        el("line", x1=across(low), y1=up(low), x2=across(high), y2=up(high), class_="best"),
        el("g", *dots, class_="dots"),
        el("text", "target", x=middle, y=_SIZE - 6, text_anchor="middle"),
        el(
            "text",
            "predicted",
            x=12,
            y=(_SIZE - _BOTTOM) / 2,
            text_anchor="middle",
            transform=f"rotate(-90 12 {(_SIZE - _BOTTOM) / 2:g})",
        ),
        viewBox=f"0 0 {_SIZE} {_SIZE}",
        role="img",
        aria_label=f"{name}: predictions over targets, {len(target):,} items",
    )
    some = f" ({_DOTS:,} of {len(target):,} items)" if len(target) > _DOTS else ""
    return el("figure", el("figcaption", el("b", name), some), svg, class_="chart square")


@dataclass(frozen=True)
class ChartAxis:
    """A range from ``ticks[0]`` to ``ticks[-1]``, in equal steps or, with ``log``, in equal ratios."""

    ticks: tuple[float, ...]
    log: bool = False

    def at(self, value: float) -> float:
        """Where *value* lies, from 0 at the low end to 1 at the high one."""
        scale: Callable[[float], float] = log10 if self.log else float
        low, high = scale(self.ticks[0]), scale(self.ticks[-1])
        return (scale(value) - low) / (high - low)


def linear(low: float, high: float, *, max_ticks: int = 6, whole: bool = False) -> ChartAxis:
    """Steps of 1, 2 or 5 times a power of ten that take in *low* to *high*; *whole* for counts.

    >>> linear(0, 2.3).ticks
    (0.0, 0.5, 1.0, 1.5, 2.0, 2.5)
    """
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        low, high = (low - 1, low) if whole else (low - abs(low) * 0.05, low + (abs(low) * 0.05 or 1))
    step = _step((high - low) / max_ticks)
    step = max(step, 1.0) if whole else step
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return ChartAxis(tuple(float(f"{i * step:.12g}") for i in range(first, last + 1)))  # 0.3, not 3 * 0.1


def logarithmic(low: float, high: float, *, max_ticks: int = 7) -> ChartAxis:
    """1, 2 and 5 times the powers of ten (the powers alone, where those are many); *low* is above 0.

    >>> logarithmic(0.03, 2.3).ticks
    (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
    """
    decades = range(floor(log10(low)), ceil(log10(high)) + 1)
    fine = [float(f"{m}e{d}") for d in decades for m in (1, 2, 5)]
    kept = [v for v in fine if max(v for v in fine if v <= low) <= v <= min(v for v in fine if v >= high)]
    if len(kept) > max_ticks + 1:
        every = ceil((len(decades) - 1) / max_ticks)
        kept = [float(f"1e{d}") for d in range(decades[0], decades[-1] + every, every)]
    return ChartAxis(tuple(kept), log=True)


def loss_axis(values: Sequence[float]) -> ChartAxis:
    """From 0; by ratios where the values span more than 20 times, or the end would lie on the bottom line."""
    low, high = min(values), max(values)
    if low > 0 and high / low > 20:
        return logarithmic(low, high)
    return linear(min(0.0, low), high)


def _share_axis(values: Sequence[float]) -> ChartAxis:
    """Around the values and not from 0, as the last points of a percent matter; 5 points high at least."""
    low, high = min(values), max(values)
    return linear(max(0.0, min(low, high - 0.05)), high)


def _step(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below *least*."""
    power = 10.0 ** floor(log10(least))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= least * (1 - 1e-9))
