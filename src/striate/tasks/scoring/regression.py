"""Regression: numbers to be predicted, which the network learns standardised. Scores and targets ``(N, V)``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from striate.metrics.regression import Miss, RegressionScores, score_regression
from striate.report import ItemView, Sections
from striate.report.charts import scatter
from striate.report.figures import quantile_chart, residual_chart
from striate.report.markup import Html, class_rows, el, html_table, item_caption, note, num, section
from striate.report.pictures import item_figure, items_grid
from striate.tasks.answers import OutputContext
from striate.tasks.scoring.base import Finding, Findings, Loss, Scoring, Tally, checked_columns, together
from striate.tasks.scoring.figures import regression_figures
from striate.tasks.task import REGRESSION

LOSSES: dict[str, Loss] = {
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "huber": F.huber_loss,
}  # Huber 1964, a line from one std of the target on
CHARTS = 12  # values that get a chart of their own
FEW = 4  # values that get three
NUMBERS = 4  # values of an item that are written out


class RegressionScoring(Scoring[RegressionScores]):
    """Numbers, standardised."""

    task = REGRESSION

    def loss(self, name: str, weights: Tensor | None = None, label_smoothing: float = 0.0) -> Loss:
        return LOSSES[name]

    def _checked(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return checked_columns(scores, targets, self.task.outputs)

    def tally(self, units: Tensor | None = None) -> Tally:
        of = torch.ones(()) if units is None else torch.as_tensor(units).double().cpu()
        return Tally(_errors, lambda counts: float((counts[:-1] * of).mean() / counts[-1]))

    def measure(self, batches: Iterable[tuple[np.ndarray, np.ndarray]], context: OutputContext) -> RegressionScores:
        scores, targets = together(batches, len(context.classes))
        return score_regression(
            context.in_pixels(context.unstandardise(scores)),
            context.in_pixels(np.asarray(targets, np.float64)),
            context.classes,
            context.names,
            baseline=context.in_pixels(context.unstandardise(np.zeros_like(scores))),
            positions=context.positions,
        )

    def sections(self, scores: RegressionScores, shown: Mapping[int, ItemView]) -> Sections:
        low, high = scores.mae_interval
        beside = f" 95% interval: {low:.4g} to {high:.4g}."
        if scores.baseline_mae is not None:
            beside += f" Always predicting the training split's mean would give {scores.baseline_mae:.4g}."
        if scores.distance is not None:
            beside += f" Positions are {scores.distance:.4g} pixels off on average."
        what = f"mean absolute error, over {scores.n:,} items"
        return Sections(
            f"{scores.mae:.4g}",
            what,
            beside,
            _largest_errors(scores, shown),
            _values(scores),
            regression_figures(scores),
        )

    def findings(self, scores: RegressionScores) -> Findings:
        """The items furthest off."""
        return Findings(
            "Largest errors: target \u2192 prediction",
            tuple(
                Finding(m.index, _each(scores, m, "{:.3g} \u2192 {:.3g}"), f"off by {_each(scores, m, '{2:.3g}')}")
                for m in scores.worst
            ),
        )

    def mark(self, view: ItemView, scores: np.ndarray, target: Any, context: OutputContext) -> ItemView:
        if not context.positions:
            return view
        predicted = context.unstandardise(scores[None])[0]
        return replace(
            view,
            target_points=tuple((float(target[x]), float(target[y])) for x, y in context.positions),
            predicted_points=tuple((float(predicted[x]), float(predicted[y])) for x, y in context.positions),
        )


def _each(scores: RegressionScores, miss: Miss, form: str) -> str:
    """The first few values of an item, by *form* of target, prediction and their distance; of several with its name."""
    names = [f"{name} " if len(scores.classes) > 1 else "" for name in scores.classes]
    each = list(zip(names, miss.truth, miss.predicted, strict=True))[:NUMBERS]
    return ", ".join(name + form.format(true, found, abs(found - true)) for name, true, found in each)


def _errors(scores: Tensor, targets: Tensor) -> Tensor:
    """Per value: the sum of the absolute errors; and last the number of items."""
    sums = (scores - targets).abs().double().sum(0).cpu()
    return torch.cat([sums, sums.new_tensor([len(targets)])])


# ------------------------------------------------------------------------------------------------------ the report
def _largest_errors(scores: RegressionScores, shown: Mapping[int, ItemView]) -> Html:
    points = any(item.target_points for item in shown.values())
    marks = "; in the image + is the target and × the prediction" if points else ""
    return section(
        "Largest errors",
        el("p", f"The {len(scores.worst)} items with the largest errors: target → prediction{marks}."),
        items_grid(shown, *(_miss(scores.classes, m, shown.get(m.index)) for m in scores.worst)),
    )


def _miss(names: Sequence[str], miss: Miss, item: ItemView | None) -> Html:
    pairs = zip(names, miss.truth, miss.predicted, strict=True)
    single = len(names) == 1
    lines = [
        el("b" if single else "span", None if single else f"{name} ", f"{true:.3g} → {predicted:.3g}")
        for name, true, predicted in list(pairs)[:NUMBERS]
    ]
    return el("figure", item_figure(item, miss.name), el("figcaption", *lines, item_caption(miss.name)))


def _values(scores: RegressionScores) -> Html:
    rows = class_rows(
        (c.name, [num("–" if v is None else f"{v:.4g}") for v in (c.mae, c.rmse, c.r2, c.bias, c.spearman)])
        for c in scores.per_class
    )
    head = ["value", "mean absolute error", "root mean square error", "r²", "bias", "rank correlation"]
    charts = []
    for i, c in enumerate(scores.per_class[:CHARTS]):
        charts.append(scatter(c.name, scores.targets[:, i], scores.predictions[:, i]))
        if len(scores.classes) <= FEW:
            charts.append(residual_chart(c.name, scores.predictions[:, i], scores.targets[:, i]))
            charts.append(quantile_chart(c.name, c.groups))
    return section(
        "Values",
        el("div", *charts, class_="charts squares"),
        html_table(head, rows, high=len(rows) > 20),
        note(
            "On the dashed line the prediction is the target. r²: the share of the variance that is predicted; 0 is "
            "what always predicting the mean of these items would give. Bias: the mean of prediction − target. "
            "Residuals: a band around the dashed line without a slope is good; a funnel means that large values are "
            "less certain. "
            "Calibration by quantiles: ten groups of items by their prediction, with 95% of each mean; on the dashed "
            "line they are right on average. A dash: the targets never vary."
        ),
    )
