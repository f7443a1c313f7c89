"""A chart of several lines over one axis: accuracy against a shift, against parameters, against training items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from striate.report.charts import ChartAxis, Plot, Point, linear, logarithmic
from striate.report.markup import Html, el

LINES = 6  # that page.css has a colour, a dash and a marker for


@dataclass(frozen=True)
class ChartLine:
    """One line of a :class:`LineChart`: its name in the legend and its points ``(x, y)`` in the order of x; a value of
    y that is NaN leaves a gap. With *dots* its points are not joined. *bars* are the ends of each point's interval.
    """

    name: str
    points: tuple[Point, ...]
    dots: bool = False
    bars: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class LineChart:
    """Up to six lines in one chart.

    Args:
        title: Of its section on a page; of the chart, for who cannot see it.
        x: What the x axis is.
        lines: What is drawn.
        note: A paragraph below that says what to see in it.
        y: How a number of the y axis is written, as Python's ``format`` takes it; ``"%"`` ends those of shares, whose
            axis begins at 0.
        log: The x axis in equal ratios; all x are above 0 then.
        ratios: The y axis in equal ratios; all y are above 0 then.
        zero: Whether the y axis begins at 0.
        mark: An x with a dashed line, and what is there.
    """

    title: str
    x: str
    lines: tuple[ChartLine, ...]
    note: str = ""
    y: str = ".4g"
    log: bool = False
    zero: bool = True
    mark: tuple[float, str] | None = None
    ratios: bool = False

    def __post_init__(self) -> None:
        assert 0 < len(self.lines) <= LINES, len(self.lines)


def line_chart(chart: LineChart) -> Html:
    """*chart* as a figure with its legend, without its title, for a page in the style of the reports.

    >>> chart = LineChart("accuracy", "pixels", (ChartLine("conv", ((0, 1.0), (4, 0.9))),), y=".0%")
    >>> line_chart(chart).count("<polyline")
    1
    """
    points = [p for line in chart.lines for p in line.points if isfinite(p[1])]
    xs, ys = (
        [x for x, _ in points],
        [y for _, y in points] + [y for line in chart.lines for of in line.bars for y in of],
    )
    up = _up(ys, chart.ratios, chart.zero)
    plot = Plot(_across(xs, chart.log), up, lambda value: format(value, chart.y), width=560, height=290, bottom=46)
    marked = []
    if chart.mark:
        x, y = plot.at(chart.mark[0], (plot.y.ticks[0] + plot.y.ticks[-1]) / 2)
        marked = [plot.upright(chart.mark[0]), el("text", chart.mark[1], x=x - 6, y=y, text_anchor="end")]
    ends = "; ".join(f"{line.name}: {_told(line.points, chart.y)}" for line in chart.lines)
    svg = plot.draw(
        chart.x,
        *marked,
        *(_drawn(line, plot, f"line{i}") for i, line in enumerate(chart.lines)),
        label=f"{chart.title} over {chart.x}. {ends}",
    )
    legend = (el("span", _key(i), line.name) for i, line in enumerate(chart.lines))
    return el("figure", el("figcaption", *legend), svg, class_="chart lines")


def _across(values: Sequence[float], log: bool) -> ChartAxis:
    """The x axis; in equal ratios it has a tick for each of a few values."""
    known = sorted(set(values))
    if log and 1 < len(known) <= 8:
        return ChartAxis(tuple(known), log=True)
    whole = all(x == round(x) for x in known)
    return logarithmic(known[0], known[-1]) if log else linear(known[0], known[-1], max_ticks=8, whole=whole)


def _up(values: Sequence[float], ratios: bool, zero: bool) -> ChartAxis:
    low, high = min(values), max(values)
    return logarithmic(low, high) if ratios else linear(min(0.0, low) if zero else low, high)


def _told(points: Sequence[Point], spec: str) -> str:
    """The first and the last value, for who cannot see the chart."""
    return " to ".join(format(y, spec) for _, y in (points[0], points[-1]))


def _key(i: int) -> Html:
    """A piece of the line with its marker, for the legend."""
    inside = (el("line", x1=0, x2=26, y1=6, y2=6), el("path", d=_marker(i, 13, 6)))
    return el("svg", *inside, viewBox="0 0 26 12", class_=f"line line{i}", aria_hidden="true")


def _drawn(line: ChartLine, plot: Plot, class_: str) -> Html:
    runs: list[list[Point]] = [[]]
    for x, y in line.points:
        if isfinite(y):
            runs[-1].append(plot.at(x, y))
        else:
            runs.append([])
    number = int(class_[-1])
    drawn = (
        [] if line.dots else [el("polyline", points=" ".join(f"{x:g},{y:g}" for x, y in run)) for run in runs if run]
    )
    markers = [el("path", d=_marker(number, x, y)) for run in runs for x, y in run]
    bars = [
        el("line", x1=plot.at(x, low)[0], x2=plot.at(x, low)[0], y1=plot.at(x, low)[1], y2=plot.at(x, high)[1])
        for (x, _), (low, high) in zip(line.points, line.bars, strict=False)
    ]
    return el("g", *drawn, *bars, *markers, class_=f"line {class_}")


def _marker(number: int, x: float, y: float) -> str:
    """A disc, a square, a triangle, a diamond, a cross, a triangle on its tip: told apart without colours."""
    r = 3.4
    return (
        f"M{x:g} {y:g}"
        + (
            f"m-{r} 0a{r} {r} 0 1 0 {2 * r} 0a{r} {r} 0 1 0 -{2 * r} 0z",
            "m-3 -3h6v6h-6z",
            "m0 -4l4 7h-8z",
            "m0 -4.5l4 4.5l-4 4.5l-4 -4.5z",
            "m-3.5 -1h2.5v-2.5h2v2.5h2.5v2h-2.5v2.5h-2v-2.5h-2.5z",
            "m0 4l4 -7h-8z",
        )[number]
    )
