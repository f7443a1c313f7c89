"""Truth against answer, a dot an item: where a model that predicts numbers errs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from striate.report.axis import linear
from striate.report.markup import Html, el

SIZE, LEFT, BOTTOM, RIM = 340, 62, 44, 12
FEW = 200  # up to which dots are larger, or they would be hard to see
MOST = 2_000  # dots of a chart; of more, evenly chosen ones


def scatter(name: str, truth: NDArray[np.float64], answers: NDArray[np.float64]) -> Html:
    """A square chart of one value, both ``(N,)``: on the diagonal the answer is the truth.

    >>> scatter("age", np.array([1.0, 2.0]), np.array([1.5, 2.0])).count("<circle")
    2
    """
    both = np.concatenate([truth, answers])
    axis = linear(float(both.min()), float(both.max()), most=5)

    def across(value: float) -> float:
        return round(LEFT + (SIZE - LEFT - RIM) * axis.at(value), 1)

    def up(value: float) -> float:
        return round(SIZE - BOTTOM - (SIZE - BOTTOM - RIM) * axis.at(value), 1)

    low, high = axis.ticks[0], axis.ticks[-1]
    grid = []
    for tick in axis.ticks:
        grid += [
            el("line", x1=LEFT, x2=SIZE - RIM, y1=up(tick), y2=up(tick), class_="grid"),
            el("text", f"{tick:g}", x=LEFT - 7, y=up(tick) + 4, text_anchor="end"),
            el("line", x1=across(tick), x2=across(tick), y1=SIZE - BOTTOM, y2=SIZE - BOTTOM + 5, class_="grid"),
            el("text", f"{tick:g}", x=across(tick), y=SIZE - BOTTOM + 18, text_anchor="middle"),
        ]
    chosen = np.linspace(0, len(truth) - 1, min(len(truth), MOST)).astype(int)
    dots = [
        el("circle", cx=across(t), cy=up(a), r=2.5 if len(chosen) > FEW else 4)
        for t, a in zip(truth[chosen], answers[chosen], strict=True)
    ]
    middle = (LEFT + SIZE - RIM) / 2
    svg = el(
        "svg",
        *grid,
        el("line", x1=across(low), y1=up(low), x2=across(high), y2=up(high), class_="best"),
        el("g", *dots, class_="dots"),
        el("text", "truth", x=middle, y=SIZE - 6, text_anchor="middle"),
        el(
            "text",
            "answer",
            x=12,
            y=(SIZE - BOTTOM) / 2,
            text_anchor="middle",
            transform=f"rotate(-90 12 {(SIZE - BOTTOM) / 2:g})",
        ),
        viewBox=f"0 0 {SIZE} {SIZE}",
        role="img",
        aria_label=f"{name}: answer against truth, {len(truth):,} items",
    )
    some = f" ({MOST:,} of {len(truth):,} items)" if len(truth) > MOST else ""
    return el("figure", el("figcaption", el("b", name), some), svg, class_="chart square")
