"""The report of a run: one HTML file that holds everything it shows and runs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from numpy.typing import NDArray

from striate.metrics.classification import Scores
from striate.metrics.multilabel import MultilabelScores
from striate.metrics.regression import RegressionScores
from striate.metrics.segmentation import SegmentationScores
from striate.report import page_classes, page_labels, page_masks, page_values, tables
from striate.report.curves import Row, best_epoch, curves
from striate.report.markup import Html, el, join
from striate.report.shown import Shown

AnyScores = Scores | MultilabelScores | RegressionScores | SegmentationScores

# Even if a name slipped through unescaped, the browser would run and fetch nothing.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

PARTS = {
    "test": "Measured on the test part, which took no part in training and chose nothing.",
    "val": "Measured on the validation part, which also chose the best epoch: on new data expect a little less.",
    "train": "Measured on the very items it was trained on: this says nothing about new data.",
}


def report(
    *,
    title: str,
    facts: Sequence[tuple[str, str]],
    layers: Sequence[tables.Layer],
    history: Sequence[Row],
    scores: AnyScores,
    images: Mapping[int, NDArray[Any] | Shown],
    split: str = "test",
    best: int | None = None,
) -> str:
    """A page to keep and hand on: how good, how it was trained, where it errs, what it is made of.

    Args:
        title: The headline.
        facts: ``(label, value)`` pairs: network, data, seed, seconds.
        layers: The rows of ``striate check --json``; what is None is written as unknown. May be empty.
        history: A row an epoch, by the column names of ``metrics.csv``. May be empty.
        scores: What :func:`striate.report.score` found, or its like for the other tasks.
        images: The items of ``scores.worst`` by index: :class:`Shown`, or a picture alone, uint8 ``(H, W)``,
            ``(H, W, 3)`` or ``(3, H, W)``.
        split: The part of the data that *scores* were measured on: ``"test"``, ``"val"``, ``"train"``, or
            what else to call it.
        best: The epoch whose weights were kept; else the one that was best in validation.

    Raises:
        DataError: A picture that is not uint8 of those shapes.

    >>> from striate.metrics import score
    >>> scores = score([[-0.1, -2.4]], [0], ["cat", "dog"])
    >>> page = report(title="Pets", facts=[], layers=[], history=[], scores=scores, images={})
    >>> page.startswith("<!doctype html>") and "100.0 %" in page
    True
    """
    shown = {i: item if isinstance(item, Shown) else Shown(picture=item) for i, item in images.items()}
    body = join(
        _headline(title, facts, scores, split),
        _training(history, best_epoch(history) if best is None else best),
        _page(scores).worst(scores, shown),
        _page(scores).answers(scores),
        _network(layers),
        el("footer", "Written by striate. This file holds everything it shows; nothing is fetched."),
    )
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", title),
        el("style", Html(files("striate.report").joinpath("page.css").read_text("utf-8"))),
    )
    return f"<!doctype html>\n{el('html', head, el('body', el('main', body)), lang='en')}\n"


def _headline(title: str, facts: Sequence[tuple[str, str]], scores: AnyScores, split: str) -> Html:
    figure, small, beside = _page(scores).headline(scores)
    return el(
        "header",
        el("h1", title),
        el(
            "div",
            el("p", figure, el("small", small), class_="figure"),
            el("p", PARTS.get(split, f"Measured on {split}."), beside),
            class_="answer",
        ),
        el("dl", *(el("div", el("dt", label), el("dd", value)) for label, value in facts)),
    )


def _page(scores: AnyScores) -> Any:
    """The module that writes of *scores*: it has ``headline``, ``worst`` and ``answers``."""
    match scores:
        case MultilabelScores():
            return page_labels
        case RegressionScores():
            return page_values
        case SegmentationScores():
            return page_masks
        case _:
            return page_classes


def _training(history: Sequence[Row], best: int | None) -> Html | None:
    if not history:
        return None
    every = el("details", el("summary", "Every epoch in numbers"), tables.epochs(history))
    return el("section", el("h2", "Training"), curves(history, best), every)


def _network(layers: Sequence[tables.Layer]) -> Html | None:
    if not layers:
        return None
    return el(
        "section",
        el("h2", "Network"),
        tables.network(layers),
        el(
            "p",
            "Output: channels × height × width. Sees: the receptive field, height × width of the input that one "
            "output value depends on. MACs: multiply–accumulate operations for one input. Memory: of the output.",
            class_="note",
        ),
    )
