"""The figures of a report, each with its interval and a sentence on what it means and what to do next; their charts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.metrics.curves import ThresholdCurves
from striate.metrics.residuals import QuantileGroup
from striate.report.charts import Plot, linear, square_figure
from striate.report.markup import Html, el, section
from striate.sampling import evenly

LINES = 6  # of a chart of curves
POINTS = 150  # of one of them
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ReportFigure:
    """One figure as people read it.

    Args:
        name: ``"accuracy"``.
        value: ``"96.4%"``.
        interval: ``"93.9% to 97.9%"``; "" where there is none.
        how: How the interval was computed: ``"Wilson"``, ``"bootstrap"``.
        meaning: What it says, in a sentence.
        step: What to do next, in a sentence; "" where nothing follows from it.
    """

    name: str
    value: str
    interval: str
    how: str
    meaning: str
    step: str = ""


def figures_section(*figures: ReportFigure | None) -> Html:
    """The section of the figures that there are.

    >>> "96.4%" in figures_section(ReportFigure("accuracy", "96.4%", "93.9% to 97.9%", "Wilson", "The share."), None)
    True
    """
    return section("What the figures say", el("dl", *(_figure(f) for f in figures if f), class_="figures"))


def _figure(figure: ReportFigure) -> Html:
    between = el("small", f"{figure.interval} ", el("i", f"({figure.how})")) if figure.interval else None
    return el(
        "div",
        el("dt", figure.name),
        el("dd", el("b", figure.value), between),
        el("dd", figure.meaning, el("strong", f" {figure.step}") if figure.step else None),
    )


def threshold_charts(named: Sequence[tuple[str, ThresholdCurves]], of: int = 0, what: str = "classes") -> Html | None:
    """The ROC and the precision-recall curves of at most six classes, *of* so many the weakest; None where no class has
    items of its own and others.

    >>> from striate.metrics.curves import threshold_curves
    >>> curves = threshold_curves(np.array([3.0, 2.0, 1.0]), np.array([True, False, True]))
    >>> threshold_charts([("cat", curves)]).count("<polyline")
    2
    """
    chosen = [(c.auc, name, c) for name, c in named if c.auc is not None][:LINES]
    if not chosen:
        return None
    roc = [(f"{name} {_area(auc)}", *c.roc) for auc, name, c in chosen]
    precision = [(f"{name} {_area(c.average_precision or 0.0)}", *c.precision_recall[::-1]) for _, name, c in chosen]
    some = f" of the {len(chosen)} weakest of {of} {what}" if of > len(chosen) else ""
    return el(
        "div",
        _lines(f"ROC{some}, area", roc, "other items taken for the class", "items of the class found", diagonal=True),
        _lines(f"Precision over recall{some}, area", precision, "recall", "precision"),
        class_="charts squares",
    )


def _area(value: float) -> str:
    return f"{min(value, 0.999) if value < 1 else 1:.3f}"


def _lines(
    title: str, lines: Sequence[tuple[str, Floats, Floats]], across: str, up: str, *, diagonal: bool = False
) -> Html:
    """A square chart of shares over shares."""
    axis = linear(0, 100, max_ticks=5)
    plot = Plot.square(axis, axis, "{:g}".format, left=52)
    drawn = []
    for number, (name, x, y) in enumerate(lines):
        points = " ".join("{:g},{:g}".format(*plot.at(100 * a, 100 * b)) for a, b in _thinned(x, y))
        drawn.append(el("g", el("polyline", el("title", name), points=points), class_=f"curve line{number}"))
    svg = plot.draw(
        f"{across}, %",
        plot.diagonal() if diagonal else None,
        *drawn,
        plot.up(f"{up}, %"),
        label=f"{title}: {'; '.join(name for name, *_ in lines)}",
    )
    legend = [el("span", el("i", class_=f"key line{i}"), name) for i, (name, *_) in enumerate(lines)]
    return square_figure(title, svg, *legend)


def _thinned(x: Floats, y: Floats) -> list[tuple[float, float]]:
    """As many points as can be seen: those at which the curve has gone on by a step, and both ends."""
    way = np.cumsum(np.abs(np.diff(x, prepend=x[0])) + np.abs(np.diff(y, prepend=y[0])))
    step = np.floor(way * (POINTS / (way[-1] or 1)))
    kept = np.flatnonzero(np.r_[True, np.diff(step) > 0])
    return [(float(x[i]), float(y[i])) for i in np.union1d(kept, [len(x) - 1])]


def residual_chart(name: str, predicted: Floats, target: Floats, most: int = 2000) -> Html:
    """A square chart of prediction - target over the prediction, both ``(N,)``.

    >>> residual_chart("age", np.array([1.0, 2.0]), np.array([1.5, 2.0])).count("<circle")
    2
    """
    chosen = evenly(len(target), most)
    x, y = predicted[chosen], (predicted - target)[chosen]
    across, up = (linear(float(v.min()), float(v.max()), max_ticks=5) for v in (x, np.r_[y, 0.0]))
    plot = Plot.square(across, up, "{:.4g}".format)
    zero = plot.at(across.ticks[0], 0.0)[1]
    dots = [el("circle", cx=a, cy=b, r=2.5 if len(chosen) > 200 else 4) for a, b in map(plot.at, x, y)]
    svg = plot.draw(
        "predicted",
        el("line", x1=plot.left, x2=plot.width - plot.right, y1=zero, y2=zero, class_="best"),
        el("g", *dots, class_="dots"),
        plot.up("predicted - target"),
        label=f"{name}: residuals over predictions, {len(target):,} items",
    )
    return square_figure(f"{name}: residuals", svg)


def quantile_chart(name: str, groups: Sequence[QuantileGroup]) -> Html:
    """A square chart of the mean target over the mean prediction of groups of items, with 95% of each mean.

    >>> quantile_chart("age", [QuantileGroup(5, 1.0, 1.2, 0.1), QuantileGroup(5, 2.0, 2.0, None)]).count("<circle")
    2
    """
    halves = [1.96 * (g.error or 0.0) for g in groups]
    ends = [v for g, half in zip(groups, halves, strict=True) for v in (g.prediction, g.target - half, g.target + half)]
    axis = linear(min(ends), max(ends), max_ticks=5)
    plot = Plot.square(axis, axis, "{:.4g}".format)
    marks = []
    for group, half in zip(groups, halves, strict=True):
        x, y = plot.at(group.prediction, group.target)
        low, high = (plot.at(group.prediction, group.target + end)[1] for end in (-half, half))
        said = f"{group.n:,} items: predicted {group.prediction:.4g}, target {group.target:.4g}"
        marks += [
            el("polyline", points=f"{x:g},{low:g} {x:g},{high:g}"),
            el("circle", el("title", said), cx=x, cy=y, r=4),
        ]
    svg = plot.draw(
        "mean prediction of the group",
        plot.diagonal(),
        el("g", *marks, class_="curve val"),
        plot.up("mean target"),
        label=f"{name}: mean target over mean prediction of {len(groups)} groups of items",
    )
    return square_figure(f"{name}: calibration by quantiles", svg)


def share_histogram(title: str, shares: Floats, across: str, bins: int = 20) -> Html:
    """How many items have each share, 0 to 1.

    >>> share_histogram("IoU", np.array([0.1, 0.9, 0.92]), "mean IoU").count("<rect")
    2
    """
    counts, _ = np.histogram(shares, bins, (0, 1))
    x, y = linear(0, 1, max_ticks=5), linear(0, float(counts.max()), max_ticks=5, whole=True)
    plot = Plot(x, y, "{:g}".format)
    bars = []
    for i in np.flatnonzero(counts).tolist():
        left, top = plot.at(i / bins, float(counts[i]))
        right, bottom = plot.at((i + 1) / bins, 0.0)
        said = f"{i / bins:.0%} to {(i + 1) / bins:.0%}: {counts[i]:,} images"
        bars.append(
            el("rect", el("title", said), x=left + 1, y=top, width=right - left - 2, height=round(bottom - top, 1))
        )
    svg = plot.draw(across, el("g", *bars, class_="bars"), label=f"{title}: {len(shares):,} images over {across}")
    return el("figure", el("figcaption", el("b", title)), svg, class_="chart")
