"""Figures as text: for a terminal, and the number formats that the page shares with it."""

from __future__ import annotations

from math import ceil, log10
from typing import TYPE_CHECKING
from unicodedata import combining, east_asian_width

if TYPE_CHECKING:
    from striate.metrics.classification import ClassScore, Scores

ROWS = 30  # classes listed whole; of more, the weakest


def percent(share: float | None, n: int = 0) -> str:
    """*share* in percent, with digits enough that one item in *n* shows and 999 of 1,000 is not 100 %.

    >>> percent(0.975), percent(9_987 / 10_000, 10_000), percent(None)
    ('97.5 %', '99.87 %', '-')
    """
    if share is None:
        return "-"
    return f"{100 * share:.{max(1, ceil(log10(n)) - 2) if n else 1}f} %"


def weakest(scores: Scores, limit: int) -> list[ClassScore]:
    """The *limit* classes with the lowest F1 (never answered is lowest of all), of those that have items."""
    present = [c for c in scores.per_class if c.n]
    return sorted(present, key=lambda c: -1.0 if c.f1 is None else c.f1)[:limit]


def summary(scores: Scores) -> str:
    """*scores* for a terminal: the headline, the classes, the pairs most often confused."""
    s, n = scores, scores.n
    low, high = s.accuracy_interval
    head = [
        f"accuracy     {percent(s.accuracy, n)}  ({s.right:,} of {n:,}; "
        f"95 % interval {percent(low, n)} to {percent(high, n)})",
        f"loss         {s.loss:.4f}  (cross-entropy, nats)",
        f"confidence   {percent(s.calibration['mean_confidence'])} on average, "
        f"calibration error {percent(s.calibration['expected_calibration_error'])}",
        f"for scale    always answering {plain(s.commonest.name)!r} would give {percent(s.commonest.n / n, n)}",
    ]
    return "\n".join([*head, "", *_class_table(s), *_confused(s)])


def _class_table(scores: Scores) -> list[str]:
    k = len(scores.classes)
    shown = scores.per_class if k <= ROWS else weakest(scores, ROWS)
    rows = [(plain(c.name), f"{c.n:,}", *(percent(v) for v in (c.precision, c.recall, c.f1))) for c in shown]
    lines = columns([("class", "n", "precision", "recall", "F1"), *rows])
    return lines if k <= ROWS else [*lines, f"(the {len(shown)} weakest of {k:,} classes, by F1)"]


def _confused(scores: Scores) -> list[str]:
    pairs = scores.confused()
    if not pairs:
        return ["", "no mistakes"]
    return ["", "most often confused (truth -> answer)"] + [
        f"  {plain(truth)} -> {plain(answer)}: {times:,} time{'s' if times > 1 else ''}"
        for truth, answer, times in pairs
    ]


def columns(rows: list[tuple[str, ...]]) -> list[str]:
    """*rows* with aligned columns, the first to the left and the others to the right.

    >>> columns([("class", "n"), ("猫", "12")])
    ['class   n', '猫     12']
    """
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell + " " * (w - _width(cell)) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def plain(text: str) -> str:
    """*text* that cannot move the cursor or colour the screen: class names are folder names.

    >>> plain("a\\x1b[31m")
    'a?[31m'
    """
    return "".join(c if c.isprintable() else "?" for c in text)


def _width(text: str) -> int:
    return sum(0 if combining(c) else 1 + (east_asian_width(c) in "WF") for c in text)
