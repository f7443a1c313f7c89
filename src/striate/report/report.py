"""The report of a run: one HTML file that contains everything it shows and runs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from striate.report.charts import Row, best_epoch, curves
from striate.report.markup import Html, breakable, el, html_document, join, note, section
from striate.report.tables import Layer, epochs_table, network_table
from striate.tasks import Metric

SPLITS = {
    "test": "Measured on the test split, which took no part in training and chose nothing.",
    "val": "Measured on the validation split, which also chose the best epoch: on new data expect a little less.",
    "train": "Measured on the very items it was trained on: this says nothing about new data.",
}


@dataclass(frozen=True)
class Sections:
    """What a page says of a task's scores; each task makes its own (:mod:`striate.tasks.scoring`).

    Args:
        value: The headline's number: ``"97.5%"``.
        what: What it is, below it.
        beside: What it has to be seen beside: its interval, a baseline.
        worst: The section with the worst items.
        details: The section with every class, label or value.
        figures: The section of every figure with its interval and what it means.
    """

    value: str
    what: str
    beside: str
    worst: Html
    details: Html
    figures: Html | None = None


def report(
    *,
    title: str,
    facts: Sequence[tuple[str, str]],
    layers: Sequence[Layer],
    history: Sequence[Row],
    metric: Metric,
    sections: Sections,
    split: str = "test",
    best: int | None = None,
    page: str | None = None,
    more: Sequence[Html] = (),
) -> str:
    """A page to keep and hand on: how good, how it was trained, where it errs, what it is made of.

    Args:
        title: The headline.
        facts: ``(label, value)`` pairs: network, data, seed, seconds.
        layers: The rows of ``striate check --json``; what is None is written as unknown. May be empty.
        history: A row per epoch, by the column names of ``metrics.csv``. May be empty.
        metric: The task's, whose course is drawn.
        sections: What the task says of its scores.
        split: What was measured: ``"test"``, ``"val"``, ``"train"``, or what else to call it.
        best: The epoch whose weights were kept; else the one that was best in validation.
        page: The file beside this one with the network's live page, where there is one.
        more: Further sections, behind the worst items.

    >>> from striate.tasks import CLASSIFICATION
    >>> sections = Sections("97.5%", "39 of 40 right", "", el("section"), el("section"))
    >>> page = report(
    ...     title="Pets", facts=[], layers=[], history=[], metric=CLASSIFICATION.metric, sections=sections
    ... )
    >>> page.startswith("<!doctype html>") and "97.5%" in page
    True
    """
    body = join(
        _headline(title, facts, sections, split, page),
        sections.figures,
        _training(history, metric, best_epoch(history, metric) if best is None else best),
        sections.worst,
        *more,
        sections.details,
        _network(layers),
        el("footer", "Written by striate. This file contains everything it shows; nothing is fetched."),
    )
    return html_document(title, body)


def _headline(title: str, facts: Sequence[tuple[str, str]], sections: Sections, split: str, page: str | None) -> Html:
    return el(
        "header",
        el("h1", breakable(title)),
        el(
            "div",
            el("p", sections.value, el("small", sections.what), class_="metric"),
            el("p", SPLITS.get(split, f"Measured on {split}."), sections.beside),
            class_="result",
        ),
        el("p", el("a", "Live page: change the input, watch every layer, open any unit", href=page)) if page else None,
        el("dl", *(el("div", el("dt", label), el("dd", breakable(value))) for label, value in facts)),
    )


def _training(history: Sequence[Row], metric: Metric, best: int | None) -> Html | None:
    if not history:
        return None
    every = el("details", el("summary", "Every epoch in numbers"), epochs_table(history))
    return section("Training", curves(history, metric, best), every)


def _network(layers: Sequence[Layer]) -> Html | None:
    if not layers:
        return None
    return section(
        "Network",
        network_table(layers),
        note(
            "Output: channels × height × width. Receptive field: height × width of the input that one output value "
            "depends on. MACs: multiply–accumulate operations for one input. Memory: of the output."
        ),
    )
