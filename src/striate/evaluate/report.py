"""The report of a run: one HTML file that holds everything it shows and runs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from numpy.typing import NDArray

from striate.evaluate import tables
from striate.evaluate.curves import Row, best_epoch, curves
from striate.evaluate.markup import Html, el, join
from striate.evaluate.metrics import Mistake, Scores
from striate.evaluate.pictures import data_url
from striate.evaluate.text import percent

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
    scores: Scores,
    images: Mapping[int, NDArray[Any]],
    split: str = "test",
    best: int | None = None,
) -> str:
    """A page to keep and hand on: how good, how it was trained, where it errs, what it is made of.

    Args:
        title: The headline.
        facts: ``(label, value)`` pairs: network, data, seed, seconds.
        layers: The rows of ``striate check --json``; what is None is written as unknown. May be empty.
        history: A row an epoch, by the column names of ``metrics.csv``. May be empty.
        scores: What :func:`striate.evaluate.score` found.
        images: The pictures of ``scores.worst`` by index, uint8 ``(H, W)``, ``(H, W, 3)`` or ``(3, H, W)``.
        split: The part of the data that *scores* were measured on: ``"test"``, ``"val"``, ``"train"``, or
            what else to call it.
        best: The epoch whose weights were kept; else the one with the highest validation accuracy.

    Raises:
        DataError: A picture that is not uint8 of those shapes.

    >>> from striate.evaluate import score
    >>> scores = score([[-0.1, -2.4]], [0], ["cat", "dog"])
    >>> page = report(title="Pets", facts=[], layers=[], history=[], scores=scores, images={})
    >>> page.startswith("<!doctype html>") and "100.0 %" in page
    True
    """
    body = join(
        _headline(title, facts, scores, split),
        _training(history, best_epoch(history) if best is None else best),
        _mistakes(scores, images),
        _answers(scores),
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
        el("style", Html(files("striate.evaluate").joinpath("page.css").read_text("utf-8"))),
    )
    return f"<!doctype html>\n{el('html', head, el('body', el('main', body)), lang='en')}\n"


def _headline(title: str, facts: Sequence[tuple[str, str]], scores: Scores, split: str) -> Html:
    n, (low, high) = scores.n, scores.accuracy_interval
    common = scores.commonest
    return el(
        "header",
        el("h1", title),
        el(
            "div",
            el("p", percent(scores.accuracy, n), el("small", f"{scores.right:,} of {n:,} right"), class_="figure"),
            el(
                "p",
                PARTS.get(split, f"Measured on {split}."),
                f" 95 % interval: {percent(low, n)} to {percent(high, n)}. ",
                f"Always answering “{common.name}” would give {percent(common.n / n)}.",
            ),
            class_="answer",
        ),
        el("dl", *(el("div", el("dt", label), el("dd", value)) for label, value in facts)),
    )


def _training(history: Sequence[Row], best: int | None) -> Html | None:
    if not history:
        return None
    every = el("details", el("summary", "Every epoch in numbers"), tables.epochs(history))
    return el("section", el("h2", "Training"), curves(history, best), every)


def _mistakes(scores: Scores, images: Mapping[int, NDArray[Any]]) -> Html:
    if not scores.worst:
        line = el("p", f"None: all {scores.n:,} were answered right. Harder data would tell more.")
        return el("section", el("h2", "Mistakes"), line)
    wrong = scores.n - scores.right
    shown = len(scores.worst)
    some = f"The {shown} of {wrong:,} that it was surest of" if wrong > shown else f"All {wrong:,}, the surest first"
    return el(
        "section",
        el("h2", "Mistakes"),
        el("p", f"{some}: truth → answer, and the probability it gave its answer."),
        el("div", *(_mistake(m, images.get(m.index)) for m in scores.worst), class_="mistakes"),
    )


def _mistake(mistake: Mistake, pixels: NDArray[Any] | None) -> Html:
    if pixels is None:
        picture = el("div", "no picture", class_="absent")
    else:
        picture = el("img", src=data_url(pixels), alt=f"{mistake.truth}, taken for {mistake.predicted}")
    return el(
        "figure",
        picture,
        el(
            "figcaption",
            el("b", f"{mistake.truth} → {mistake.predicted}"),
            el("span", percent(mistake.probability)),
            el("small", mistake.name),
        ),
    )


def _answers(scores: Scores) -> Html:
    many = len(scores.classes) > tables.LARGEST
    return el(
        "section",
        el("h2", "Classes"),
        el(
            "div",
            el("div", el("h3", "Most often confused" if many else "Confusion"), tables.confusion(scores)),
            el("div", el("h3", "Class by class"), tables.classes(scores)),
            class_="pair",
        ),
        el(
            "p",
            "Precision: of the answers “this class”, the share that was right. Recall: of the items of this class, "
            "the share found. F1: their harmonic mean. A dash: there was nothing to take the share of.",
            class_="note",
        ),
        el("p", _sureness(scores), class_="note"),
    )


def _sureness(scores: Scores) -> str:
    mean, (low, high) = scores.calibration["mean_confidence"], scores.accuracy_interval
    close = f"the two are no further apart than {scores.n:,} images can tell"
    verdict = "it is too sure of itself" if mean > high else "it is too unsure" if mean < low else close
    return (
        f"Its answers carry a probability of {percent(mean)} on average, and {percent(scores.accuracy, scores.n)} of "
        f"them are right: {verdict}. Expected calibration error "
        f"{percent(scores.calibration['expected_calibration_error'])}, cross-entropy {scores.loss:.4f} nats."
    )


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
