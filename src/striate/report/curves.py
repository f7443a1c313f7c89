"""The course of a training as inline SVG, drawn small enough to be read on a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite

from striate.report.axis import Axis, accuracy_axis, linear, loss_axis
from striate.report.markup import Html, el, join

Row = Mapping[str, float | None]
Point = tuple[float, float]

WIDTH, HEIGHT = 460, 250
LEFT, RIGHT, TOP, BOTTOM = 58, 18, 10, 42  # the room around the plot
DOTS = 40  # epochs up to which each is marked by a dot as well


@dataclass(frozen=True)
class Curve:
    """A column of the history and what the legend calls it; its class in page.css holds the colour."""

    column: str
    label: str
    class_: str


LOSS = (Curve("train/loss", "training", "train"), Curve("val/loss", "validation", "val"))
# what each task is judged by, by its column; all but the error are shares, the higher the better
FIGURES = {
    "val/accuracy": "Accuracy",
    "val/mean_average_precision": "Mean average precision",
    "val/mean_iou": "Mean IoU",
    "val/mae": "Mean absolute error",
}
ERROR = "val/mae"


def curves(history: Sequence[Row], best: int | None) -> Html:
    """The charts that *history* has values for: loss, and the validation's figure.

    Args:
        history: A row an epoch, with ``epoch``, ``train/loss``, ``val/loss``, and ``val/accuracy`` (or what
            stands for it in the other tasks: see ``FIGURES``); a value that is None, NaN or infinite leaves a gap.
        best: The epoch to mark.

    >>> "<svg" in curves([{"epoch": 1, "train/loss": 0.5}], best=1)
    True
    """
    charts = [_chart("Loss", history, LOSS, loss_axis, best, lambda v: f"{v:.6g}")]
    for column, title in FIGURES.items():
        error = column == ERROR
        charts.append(
            _chart(
                title,
                history,
                (Curve(column, "validation", "val"),),
                loss_axis if error else accuracy_axis,
                best,
                (lambda v: f"{v:.4g}") if error else (lambda v: f"{100 * v:.6g} %"),
            )
        )
    return el("div", *charts, class_="charts")


def best_epoch(history: Sequence[Row]) -> int | None:
    """The epoch with the highest figure of the validation, the lowest validation loss among equals, the earliest; where
    the figure is an error, the loss alone decides.

    >>> best_epoch([{"epoch": 1, "val/accuracy": 0.5}, {"epoch": 2, "val/accuracy": 0.6}])
    2
    """
    column = next((c for c in FIGURES if c != ERROR and any(c in row for row in history)), "")
    columns = (_values(history, c) for c in (column, "val/loss"))
    ranks = [
        (0.0 if figure is None else -figure, inf if loss is None else loss, int(epoch))
        for epoch, figure, loss in zip(_known(history, "epoch"), *columns, strict=True)
        if figure is not None or loss is not None
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
    wanted: Sequence[Curve],
    fit: Callable[[Sequence[float]], Axis],
    best: int | None,
    write: Callable[[float], str],
) -> Html | None:
    drawn = [c for c in wanted if _known(history, c.column)]
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


def _line(curve: Curve, history: Sequence[Row], place: Callable[..., Point], write: Callable[[float], str]) -> Html:
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


def _grid(x_axis: Axis, y_axis: Axis, place: Callable[..., Point], write: Callable[[float], str]) -> Iterator[Html]:
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


def _legend(drawn: Sequence[Curve], best: int | None) -> Iterator[Html]:
    for curve in drawn:
        yield el("span", el("i", class_=f"key {curve.class_}"), curve.label)
    if best is not None:
        yield el("span", el("i", class_="key best"), f"best epoch ({best})")


def _words(title: str, drawn: Sequence[Curve], history: Sequence[Row], write: Callable[[float], str]) -> str:
    """The chart for who cannot see it: where each curve starts and ends."""
    ends = []
    for curve in drawn:
        known = _known(history, curve.column)
        ends.append(f"{curve.label} from {write(known[0])} to {write(known[-1])}")
    return f"{title} over {len(history):,} epochs: {join('; '.join(ends))}"
