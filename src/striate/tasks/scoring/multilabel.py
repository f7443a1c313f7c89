"""Multilabel: any number of labels for each item. Scores (log-odds) and targets both ``(N, K)``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from striate.errors import DataError
from striate.metrics.calibration import fit_temperature
from striate.metrics.curves import average_precision, threshold_curves
from striate.metrics.multilabel import LabelMistake, MultilabelScores, score_multilabel
from striate.metrics.shared import decimal, percent
from striate.report import ItemView, Sections
from striate.report.figures import LINES, threshold_charts
from striate.report.markup import Html, class_rows, el, html_table, item_caption, note, num, ratio, section
from striate.report.pictures import item_figure, items_grid
from striate.tasks.answers import OutputContext
from striate.tasks.scoring.base import Finding, Findings, Loss, Scoring, Tally, checked_columns, together
from striate.tasks.scoring.figures import multilabel_figures
from striate.tasks.task import MULTILABEL


class MultilabelScoring(Scoring[MultilabelScores]):
    """Any number of labels for each item."""

    task = MULTILABEL

    def loss(self, name: str, weights: Tensor | None = None, label_smoothing: float = 0.0) -> Loss:
        return lambda scores, targets: F.binary_cross_entropy_with_logits(scores, targets, pos_weight=weights)

    def _checked(self, scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        scores, y = checked_columns(scores, targets, self.task.outputs)
        if (y < 0).any() or (y > 1).any():
            raise DataError(
                f"the targets reach from {float(y.min()):g} to {float(y.max()):g}; expected 1 for each label that an "
                f"item has, else 0"
            )
        return scores, y

    def tally(self, units: Tensor | None = None) -> Tally:
        return Tally(_kept, _mean_average_precision, lambda before, batch: torch.cat([before, batch], 1))

    def measure(self, batches: Iterable[tuple[np.ndarray, np.ndarray]], context: OutputContext) -> MultilabelScores:
        scores, targets = together(batches, len(context.classes))
        return score_multilabel(scores / context.temperature, targets, context.classes, context.names)

    def sureness(self, scores: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
        if not len(scores) or not np.isfinite(scores).all():
            return {}
        pairs = np.stack([np.zeros(scores.size), scores.astype(np.float64).ravel()], axis=1)  # of no and of yes
        return {"temperature": fit_temperature(pairs, targets.astype(np.int64).ravel())}

    def findings(self, scores: MultilabelScores) -> Findings:
        """The items that are not all right, the highest loss first."""
        return Findings(
            "Mistakes with the highest loss: labels \u2192 prediction",
            tuple(
                Finding(m.index, f"{_labels_of(m.truth)} \u2192 {_labels_of(m.predicted)}", f"loss {m.loss:.2f}")
                for m in scores.worst
            ),
        )

    def sections(self, scores: MultilabelScores, shown: Mapping[int, ItemView]) -> Sections:
        n, (low, high) = scores.n, scores.subset_accuracy_interval
        return Sections(
            percent(scores.mean_average_precision),
            f"mean average precision of {len(scores.classes)} labels",
            f" Macro F1, the mean of the labels' F1: {percent(scores.macro_f1)}. Every label is right for "
            f"{scores.right:,} of {n:,} items, {percent(scores.subset_accuracy, n)} (95% interval {percent(low, n)} "
            f"to {percent(high, n)}).",
            _mistakes(scores, shown),
            _labels(scores),
            multilabel_figures(scores),
        )


def _kept(scores: Tensor, targets: Tensor) -> Tensor:
    """``(2, N, K)``: the scores, and which labels the items have."""
    return torch.stack([scores, targets]).double().cpu()


def _mean_average_precision(items: Tensor) -> float:
    """The mean of the labels' average precision; labels that no item has are left out. Unlike F1 it needs no
    threshold, so that an epoch is not called the best for a few scores that chanced to be above a half.
    """
    scores, targets = items.numpy()
    known = [average_precision(s, t > 0.5) for s, t in zip(scores.T, targets.T, strict=True) if (t > 0.5).any()]
    return float(np.mean(known)) if known else 0.0


# ------------------------------------------------------------------------------------------------------ the report
def _mistakes(scores: MultilabelScores, shown: Mapping[int, ItemView]) -> Html:
    """The items with the highest loss among those that are not all right."""
    if not scores.worst:
        line = el("p", f"None: every label of all {scores.n:,} items is right. Harder data would tell more.")
        return section("Mistakes", line)
    wrong, count = scores.n - scores.right, len(scores.worst)
    some = f"The {count} of {wrong:,} items" if wrong > count else f"All {wrong:,} items"
    return section(
        "Mistakes",
        el("p", f"{some} with the highest loss: the labels that were missed, and those predicted wrongly."),
        items_grid(shown, *(_mistake(m, shown.get(m.index)) for m in scores.worst)),
    )


def _labels_of(names: Sequence[str]) -> str:
    return ", ".join(names) or "no label"


def _mistake(mistake: LabelMistake, item: ItemView | None) -> Html:
    missed = ", ".join(name for name in mistake.truth if name not in mistake.predicted)
    wrong = ", ".join(name for name in mistake.predicted if name not in mistake.truth)
    right = ", ".join(name for name in mistake.truth if name in mistake.predicted)
    return el(
        "figure",
        item_figure(item, _labels_of(mistake.truth)),
        el(
            "figcaption",
            el("span", "missed ", el("b", missed)) if missed else None,
            el("span", "wrong ", el("b", wrong)) if wrong else None,
            el("span", f"right {right}") if right else None,
            item_caption(mistake.name),
        ),
    )


def _curves(scores: MultilabelScores) -> Html | None:
    weakest = sorted(
        range(len(scores.classes)), key=lambda i: 2.0 if (auc := scores.per_class[i].auc) is None else auc
    )[:LINES]
    columns = ((i, scores.logits[:, i], scores.targets[:, i]) for i in weakest)
    return threshold_charts(
        [(scores.classes[i], threshold_curves(z, true)) for i, z, true in columns],
        of=len(scores.classes),
        what="labels",
    )


def _labels(scores: MultilabelScores) -> Html:
    rows = class_rows(
        (
            c.name,
            (num(f"{c.n:,}"), *map(ratio, (c.precision, c.recall, c.f1, c.average_precision)), num(decimal(c.auc))),
        )
        for c in scores.per_class
    )
    head = ["label", "items", "precision", "recall", "F1", "average precision", "AUC"]
    return section(
        "Labels",
        html_table(head, rows, high=len(rows) > 20),
        _curves(scores),
        note(
            f"A label is predicted from a probability of a half on. Over all labels together: precision "
            f"{percent(scores.micro_precision)}, recall {percent(scores.micro_recall)}, F1 {percent(scores.micro_f1)}. "
            f"Average precision: the area under precision over recall at all thresholds; guessing gives the share of "
            f"the items that have the label. A dash: there was nothing to take the share of. Loss {scores.loss:.4f} "
            f"nats per label."
        ),
    )
