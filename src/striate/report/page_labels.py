"""The parts of the page that tell of a model of several labels an item."""

from __future__ import annotations

from collections.abc import Mapping

from striate.metrics.multilabel import LabelMistake, MultilabelScores
from striate.metrics.text import percent
from striate.report.markup import Html, el
from striate.report.page_classes import kind
from striate.report.shown import Shown, view
from striate.report.tables import num, ratio, table


def headline(scores: MultilabelScores) -> tuple[str, str, str]:
    n, (low, high) = scores.n, scores.subset_accuracy_interval
    return (
        percent(scores.mean_average_precision),
        f"mean average precision of {len(scores.classes)} labels",
        f" Macro F1, the mean of the labels' F1: {percent(scores.macro_f1)}. Every label is right for {scores.right:,} "
        f"of {n:,} items, {percent(scores.subset_accuracy, n)} (interval {percent(low, n)} to {percent(high, n)}).",
    )


def worst(scores: MultilabelScores, shown: Mapping[int, Shown]) -> Html:
    """The items with the highest loss among those that are not all right."""
    if not scores.worst:
        line = el("p", f"None: every label of all {scores.n:,} was right. Harder data would tell more.")
        return el("section", el("h2", "Mistakes"), line)
    wrong, count = scores.n - scores.right, len(scores.worst)
    some = (
        f"The {count} of {wrong:,} with the highest loss" if wrong > count else f"All {wrong:,}, the highest loss first"
    )
    return el(
        "section",
        el("h2", "Mistakes"),
        el("p", f"{some}: what was missed, and what was said and is not so."),
        el("div", *(_mistake(m, shown.get(m.index)) for m in scores.worst), class_=kind(shown)),
    )


def _mistake(mistake: LabelMistake, shown: Shown | None) -> Html:
    missed = ", ".join(name for name in mistake.truth if name not in mistake.predicted)
    extra = ", ".join(name for name in mistake.predicted if name not in mistake.truth)
    right = ", ".join(name for name in mistake.truth if name in mistake.predicted)
    return el(
        "figure",
        view(shown, ", ".join(mistake.truth) or "no label"),
        el(
            "figcaption",
            el("span", "missed ", el("b", missed)) if missed else None,
            el("span", "not so ", el("b", extra)) if extra else None,
            el("span", f"right {right}") if right else None,
            el("small", mistake.name),
        ),
    )


def answers(scores: MultilabelScores) -> Html:
    rows = [
        el(
            "tr",
            el("th", c.name, scope="row"),
            num(f"{c.n:,}"),
            *map(ratio, (c.precision, c.recall, c.f1, c.average_precision)),
        )
        for c in scores.per_class
    ]
    head = ["label", "items", "precision", "recall", "F1", "average precision"]
    return el(
        "section",
        el("h2", "Labels"),
        table(head, rows, high=len(rows) > 20),
        el(
            "p",
            f"A label is answered from a probability of a half on. Over all labels together: precision "
            f"{percent(scores.micro_precision)}, recall {percent(scores.micro_recall)}, F1 {percent(scores.micro_f1)}. "
            f"Average precision: the area under precision over recall at all thresholds; answering by chance gives the "
            f"share of the items that have the label. A dash: there was nothing to take the share of. Loss "
            f"{scores.loss:.4f} nats a label.",
            class_="note",
        ),
    )
