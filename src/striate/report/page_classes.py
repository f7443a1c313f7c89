"""The parts of the page that tell of a classifier."""

from __future__ import annotations

from collections.abc import Mapping

from striate.metrics.classification import Mistake, Scores
from striate.metrics.text import percent
from striate.report import tables
from striate.report.markup import Html, el
from striate.report.shown import Shown, view


def headline(scores: Scores) -> tuple[str, str, str]:
    """The figure, what it is, and what it has to be seen beside."""
    n, (low, high), common = scores.n, scores.accuracy_interval, scores.commonest
    return (
        percent(scores.accuracy, n),
        f"{scores.right:,} of {n:,} right",
        f" 95 % interval: {percent(low, n)} to {percent(high, n)}. "
        f"Always answering “{common.name}” would give {percent(common.n / n)}.",
    )


def worst(scores: Scores, shown: Mapping[int, Shown]) -> Html:
    """The mistakes that it was surest of."""
    if not scores.worst:
        line = el("p", f"None: all {scores.n:,} were answered right. Harder data would tell more.")
        return el("section", el("h2", "Mistakes"), line)
    wrong = scores.n - scores.right
    count = len(scores.worst)
    some = f"The {count} of {wrong:,} that it was surest of" if wrong > count else f"All {wrong:,}, the surest first"
    return el(
        "section",
        el("h2", "Mistakes"),
        el("p", f"{some}: truth → answer, and the probability it gave its answer."),
        el("div", *(_mistake(m, shown.get(m.index)) for m in scores.worst), class_=kind(shown)),
    )


def kind(shown: Mapping[int, Shown]) -> str:
    """The class of a box of items: texts want wider columns than pictures."""
    return "mistakes texts" if any(item.text is not None for item in shown.values()) else "mistakes"


def _mistake(mistake: Mistake, shown: Shown | None) -> Html:
    return el(
        "figure",
        view(shown, f"{mistake.truth}, taken for {mistake.predicted}"),
        el(
            "figcaption",
            el("b", f"{mistake.truth} → {mistake.predicted}"),
            el("span", percent(mistake.probability)),
            el("small", mistake.name),
        ),
    )


def answers(scores: Scores) -> Html:
    """Every class, and which is taken for which."""
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
    close = f"the two are no further apart than {scores.n:,} items can tell"
    verdict = "it is too sure of itself" if mean > high else "it is too unsure" if mean < low else close
    return (
        f"Its answers carry a probability of {percent(mean)} on average, and {percent(scores.accuracy, scores.n)} of "
        f"them are right: {verdict}. Expected calibration error "
        f"{percent(scores.calibration['expected_calibration_error'])}, cross-entropy {scores.loss:.4f} nats."
    )
