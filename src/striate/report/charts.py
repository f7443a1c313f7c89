"""Charts as inline SVG, small enough to be read on a phone: the course of a training, predictions over targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil, floor, inf, isfinite, log10

import numpy as np
from numpy.typing import NDArray

from striate.report.markup import Child, Html, el
from striate.sampling import evenly
from striate.tasks import Metric

Row = Mapping[str, float | None]
Point = tuple[float, float]

DOTS = 40  # epochs up to which each is marked by a dot as well
FEW, MOST = 200, 2_000  # items up to which a scatter's dots are larger; dots that it draws at most, evenly chosen


@dataclass(frozen=True)
class _Curve:
    """A column of the history and its name in the legend; its class in page.css has the colour."""

    column: str
    label: str
    class_: str


LOSS = (_Curve("train/loss", "training", "train"), _Curve("val/loss", "validation", "val"))


def curves(history: Sequence[Row], metric: Metric, best: int | None) -> Html:
    """The charts that *history* has values for: the losses, and the metric of the validation split.

    Args:
        history: A row per epoch, with ``epoch``, ``train/loss``, ``val/loss`` and the metric's column; a value that is
            None, NaN or infinite leaves a gap.
        metric: The task's.
        best: The epoch to mark; 0, before the first, is not.

    >>> from striate.tasks import CLASSIFICATION
    >>> "<svg" in curves([{"epoch": 1, "train/loss": 0.5}], CLASSIFICATION.metric, best=1)
    True
    """
    best = best or None
    fit, write = (_share_axis, lambda v: f"{100 * v:.6g}%") if metric.share else (loss_axis, "{:.4g}".format)
    return el(
        "div",
        _chart("Loss", history, LOSS, loss_axis, best, "{:.6g}".format),
        _chart(metric.title, history, (_Curve(metric.column, "validation", "val"),), fit, best, write),
        class_="charts",
    )


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


def scatter(name: str, target: NDArray[np.float64], predicted: NDArray[np.float64]) -> Html:
    """A square chart of one value, both ``(N,)``: on the diagonal the prediction is the target.

    >>> scatter("age", np.array([1.0, 2.0]), np.array([1.5, 2.0])).count("<circle")
    2
    """
    both = np.concatenate([target, predicted])
    axis = linear(float(both.min()), float(both.max()), max_ticks=5)
    plot = Plot.square(axis, axis, "{:g}".format, right=12)
    chosen = evenly(len(target), MOST)
    points = [plot.at(x, y) for x, y in zip(target[chosen], predicted[chosen], strict=True)]
    svg = plot.draw(
        "target",
        plot.diagonal(),
        el("g", *(el("circle", cx=x, cy=y, r=2.5 if len(chosen) > FEW else 4) for x, y in points), class_="dots"),
        plot.up("predicted"),
        label=f"{name}: predictions over targets, {len(target):,} items",
    )
    some = f" ({MOST:,} of {len(target):,} items)" if len(target) > MOST else ""
    return square_figure(name, svg, some)


@dataclass(frozen=True)
class ReliabilityBin:
    """Predictions of about one probability: how many, their mean probability, the share right and its interval."""

    n: int
    confidence: float
    accuracy: float
    interval: tuple[float, float]


def reliability_diagram(curves: Mapping[str, Sequence[ReliabilityBin]]) -> Html:
    """A square chart of how often predictions are right over their probability: on the diagonal they are believable.

    Args:
        curves: Bins by name, such as ``"before"``; two names at most, the last is what counts. A dot's area stands for
            its share of the items, its line for the interval.

    >>> reliability_diagram({"now": [ReliabilityBin(30, 0.6, 0.5, (0.33, 0.67))]}).count("<circle")
    1
    """
    axis = linear(0, 1, max_ticks=5)
    plot = Plot.square(axis, axis, "{:g}".format, right=14, top=14)
    drawn, said = [], []
    styles = dict(zip([*curves][::-1], ("val", "train"), strict=False))
    for name, bins in curves.items():
        items = sum(b.n for b in bins)
        for b in bins:
            (x, y), (_, low), (_, high) = (plot.at(b.confidence, v) for v in (b.accuracy, *b.interval))
            radius = round(2.5 + 8 * (b.n / items) ** 0.5, 1)
            what = el("title", f"{name}: {b.n:,} items, probability {b.confidence:.1%}, right {b.accuracy:.1%}")
            bar = el("polyline", points=f"{x:g},{low:g} {x:g},{high:g}")
            drawn.append(el("g", bar, el("circle", what, cx=x, cy=y, r=radius), class_=f"curve dot {styles[name]}"))
        said.append(f"{name}: " + ", ".join(f"{b.accuracy:.0%} right at {b.confidence:.0%}" for b in bins))
    svg = plot.draw(
        "probability of the prediction",
        plot.diagonal(),
        *drawn,
        plot.up("share right"),
        label=f"How often predictions are right over their probability; {'; '.join(said)}",
    )
    legend = [el("span", el("i", class_=f"key {styles[name]}"), name) for name in curves]
    return square_figure("Reliability", svg, *legend)


# what page.css says of a chart, for one that stands alone
ALONE = """svg { background: #fff; font-family: system-ui, sans-serif; }
text { font-size: 12px; fill: #5c6873; } .grid { stroke: #dde2e7; }
.curve polyline { fill: none; stroke: #0072b2; stroke-width: 2; stroke-linejoin: round; }
.curve circle { fill: #d55e00; fill-opacity: .4; } line.best { stroke: #5c6873; stroke-dasharray: 4 4; }"""


def rate_chart(rates: Sequence[float], losses: Sequence[float], smoothed: Sequence[float], chosen: float) -> str:
    """A sweep of the learning rate as the text of an SVG file: dots are the batches' losses, the line is *smoothed*.

    Args:
        rates: In ascending order, above 0.
        losses: One a rate; the highest may be cut off, so that the valley is seen.
        smoothed: Likewise.
        chosen: The rate to mark.

    >>> rate_chart([0.1, 1.0], [2.0, 1.0], [1.9, 1.1], 0.5)[:4]
    '<svg'
    """
    high = min(max(losses), 1.25 * max(smoothed[0], *losses[: max(1, len(losses) // 4)]))
    shown = [(r, v) for r, v in zip(rates, losses, strict=True) if v <= high]
    line = [(r, v) for r, v in zip(rates, smoothed, strict=True) if v <= high]
    low = min(v for _, v in (*shown, *line))
    plot = Plot(_decades(rates[0], rates[-1]), linear(max(0.0, low - 0.1 * (high - low)), high), "{:.4g}".format)
    x, y = plot.at(chosen, plot.y.ticks[-1])
    return plot.draw(
        "learning rate",
        el("style", Html(ALONE)),
        plot.upright(chosen),
        el("text", f"lr {chosen:g}", x=x - 6, y=y + 12, text_anchor="end"),
        el("g", *(el("circle", cx=x, cy=y, r=2.5) for x, y in (plot.at(*p) for p in shown)), class_="curve"),
        el("g", el("polyline", points=" ".join("{:g},{:g}".format(*plot.at(*p)) for p in line)), class_="curve"),
        el("text", "loss", x=12, y=125, text_anchor="middle", transform="rotate(-90 12 125)"),
        label=f"Loss over the learning rate, from {rates[0]:g} to {rates[-1]:g}; suggested: {chosen:g}",
        xmlns="http://www.w3.org/2000/svg",
    )


def _decades(low: float, high: float) -> ChartAxis:
    """The powers of ten that take in *low* to *high*."""
    first, last = floor(log10(low) + 1e-9), ceil(log10(high) - 1e-9)
    return ChartAxis(tuple(float(f"1e{d}") for d in range(first, max(last, first + 1) + 1)), log=True)


@dataclass(frozen=True)
class Plot:
    """The area of a chart, with a grid and numbers along its two axes."""

    x: ChartAxis
    y: ChartAxis
    write: Callable[[float], str]  # a number along the y axis
    width: int = 460
    height: int = 250
    left: int = 58
    right: int = 18
    top: int = 10
    bottom: int = 42

    @classmethod
    def square(cls, x: ChartAxis, y: ChartAxis, write: Callable[[float], str], **margins: int) -> Plot:
        """One as high as it is wide, such as of predictions over targets."""
        return cls(x, y, write, 340, 340, **{"left": 62, "right": 20, "top": 12, "bottom": 44} | margins)

    def at(self, x: float, y: float) -> Point:
        """Where a point lies, in pixels."""
        right, low = self.width - self.right, self.height - self.bottom
        across, up = self.x.at(x) * (right - self.left), self.y.at(y) * (low - self.top)
        return round(self.left + across, 1), round(low - up, 1)

    def upright(self, x: float) -> Html:
        """A dashed line at *x*."""
        at = self.at(x, self.y.ticks[0])[0]
        return el("line", x1=at, x2=at, y1=self.top, y2=self.height - self.bottom, class_="best")

    def diagonal(self) -> Html:
        """A dashed line on which both axes say the same."""
        (x1, y1), (x2, y2) = (self.at(self.x.ticks[i], self.y.ticks[i]) for i in (0, -1))
        return el("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="best")

    def up(self, text: str) -> Html:
        """The title of the y axis."""
        middle = (self.height - self.bottom) / 2
        return el("text", text, x=12, y=middle, text_anchor="middle", transform=f"rotate(-90 12 {middle:g})")

    def draw(self, title: str, *inside: Html | None, label: str, xmlns: str | None = None) -> Html:
        """The chart with what is *inside*; *title* is the x axis's, *label* for who cannot see it."""
        middle = (self.left + self.width - self.right) / 2
        return el(
            "svg",
            *self._grid(),
            el("text", title, x=middle, y=self.height - 5, text_anchor="middle"),
            *inside,
            xmlns=xmlns,
            viewBox=f"0 0 {self.width} {self.height}",
            role="img",
            aria_label=label,
        )

    def _grid(self) -> Iterator[Html]:
        for tick in self.y.ticks:
            y = self.at(self.x.ticks[0], tick)[1]
            yield el("line", x1=self.left, x2=self.width - self.right, y1=y, y2=y, class_="grid")
            yield el("text", self.write(tick), x=self.left - 7, y=y + 4, text_anchor="end")
        for tick in self.x.ticks:
            x, y = self.at(tick, self.y.ticks[0])
            yield el("line", x1=x, x2=x, y1=y, y2=y + 5, class_="grid")
            yield el("text", f"{tick:g}", x=x, y=y + 18, text_anchor="middle")


def square_figure(title: str, svg: Html, *more: Child) -> Html:
    """A square chart under its title, and *more* beside that, such as a legend."""
    return el("figure", el("figcaption", el("b", title), *more), svg, class_="chart square")


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
    epochs = _known(history, "epoch")
    plot = Plot(
        linear(min(epochs), max(epochs), whole=True), fit([v for c in drawn for v in _known(history, c.column)]), write
    )
    ends = [(c.label, write(known[0]), write(known[-1])) for c in drawn if (known := _known(history, c.column))]
    svg = plot.draw(
        "epoch",
        None if best is None else plot.upright(best),
        *(_line(c, history, plot) for c in drawn),
        label=f"{title} over {len(history):,} epochs: {'; '.join(f'{c} from {a} to {b}' for c, a, b in ends)}",
    )
    legend = [el("span", el("i", class_=f"key {c.class_}"), c.label) for c in drawn]
    if best is not None:
        legend.append(el("span", el("i", class_="key best"), f"kept epoch ({best})"))
    name = el("b", f"{title}, log scale" if plot.y.log else title)
    return el("figure", el("figcaption", name, *legend), svg, class_="chart")


def _line(curve: _Curve, history: Sequence[Row], plot: Plot) -> Html:
    """The stretches of a curve without a gap, each a line, with a dot per epoch where these are few."""
    pairs = list(zip(_known(history, "epoch"), _values(history, curve.column), strict=True))
    parts: list[Html] = []
    for there, stretch in groupby(pairs, key=lambda pair: pair[1] is not None):
        run = [(epoch, value, plot.at(epoch, value)) for epoch, value in stretch if value is not None]
        if there and len(run) > 1:
            parts.append(el("polyline", points=" ".join(f"{x:g},{y:g}" for _, _, (x, y) in run)))
        if len(run) == 1 or len(history) <= DOTS:
            parts += [
                el("circle", el("title", f"epoch {e:g}, {curve.label}: {plot.write(v)}"), cx=x, cy=y, r=3)
                for e, v, (x, y) in run
            ]
    return el("g", *parts, class_=f"curve {curve.class_}")


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
    """From 0; by ratios where the values span more than 20 times, or the last values would lie on the bottom line."""
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
