"""The parts of the page that tell of a model that predicts numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from striate.metrics.regression import Miss, RegressionScores
from striate.report.markup import Html, el
from striate.report.page_classes import kind
from striate.report.scatter import scatter
from striate.report.shown import Shown, view
from striate.report.tables import num, table

CHARTS = 12  # values that get a chart of their own
NUMBERS = 4  # values of an item that are written out


def headline(scores: RegressionScores) -> tuple[str, str, str]:
    low, high = scores.mae_interval
    beside = f" 95 % interval: {low:.4g} to {high:.4g}."
    if scores.baseline_mae is not None:
        beside += f" Always answering the training part's mean would give {scores.baseline_mae:.4g}."
    if scores.distance is not None:
        beside += f" Positions are {scores.distance:.4g} pixels away on average."
    return f"{scores.mae:.4g}", f"mean absolute error, over {scores.n:,} items", beside


def worst(scores: RegressionScores, shown: Mapping[int, Shown]) -> Html:
    """The items furthest off."""
    points = any(item.true_points for item in shown.values())
    said = "truth → answer" + ("; in the picture + is the true place and × the answer" if points else "")
    return el(
        "section",
        el("h2", "Furthest off"),
        el("p", f"The {len(scores.worst)} items with the largest errors: {said}."),
        el("div", *(_miss(scores.classes, m, shown.get(m.index)) for m in scores.worst), class_=kind(shown)),
    )


def _miss(names: Sequence[str], miss: Miss, shown: Shown | None) -> Html:
    lines = [
        el(
            "b" if len(names) == 1 else "span",
            *([] if len(names) == 1 else [f"{name} "]),
            f"{truth:.3g} → {answer:.3g}",
        )
        for name, truth, answer in zip(names, miss.truth, miss.predicted, strict=True)
    ][:NUMBERS]
    return el("figure", view(shown, miss.name), el("figcaption", *lines, el("small", miss.name)))


def answers(scores: RegressionScores) -> Html:
    rows = [
        el(
            "tr",
            el("th", c.name, scope="row"),
            *(num("–" if v is None else f"{v:.4g}") for v in (c.mae, c.rmse, c.r2, c.bias)),
        )
        for c in scores.per_class
    ]
    charts = [
        scatter(name, scores.targets[:, i], scores.answers[:, i]) for i, name in enumerate(scores.classes[:CHARTS])
    ]
    return el(
        "section",
        el("h2", "Values"),
        el("div", *charts, class_="charts squares"),
        table(["value", "mean absolute error", "root mean square error", "r²", "bias"], rows, high=len(rows) > 20),
        el(
            "p",
            "On the dashed line the answer is the truth. r²: the share of the variance that is predicted; 0 is what "
            "always answering the mean of these items would give. Bias: the mean of answer − truth. A dash: the truth "
            "never varies.",
            class_="note",
        ),
    )
