"""The tables of the page: the network, the confusion matrix, the course of the training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

from striate.metrics import ClassificationScores, SegmentationScores
from striate.report.charts import Row
from striate.report.markup import Html, box, el, html_table, num

LARGEST = 40  # classes up to which the whole confusion matrix is shown

Layer = Mapping[str, Any]


def network_table(layers: Sequence[Layer]) -> Html:
    """One row per layer, as ``striate check --json`` gives them, and the totals; a bar shows where the cost is.

    >>> "61,706" in network_table([{"name": "f", "op": "linear 10", "inputs": [], "output": [10], "parameters": 61706}])
    True
    """
    previous = [None, *(layer["name"] for layer in layers)]
    branches = any(_sources(x, p) for x, p in zip(layers, previous, strict=False))
    head = [
        "layer",
        "operation",
        *(["inputs"] if branches else []),
        "output",
        "receptive field",
        *(t for t, _ in COSTS),
    ]
    totals = {key: _total(layers, key) for _, key in COSTS}
    rows = [
        el(
            "tr",
            el("th", layer["name"], scope="row"),
            el("td", el("code", layer["op"])),
            el("td", _sources(layer, before)) if branches else None,
            num(_times(layer.get("output"))),
            num(_times(layer.get("receptive_field"))),
            *(_cost(layer.get(key), totals[key][0]) for _, key in COSTS),
        )
        for layer, before in zip(layers, previous, strict=False)
    ]
    foot = el(
        "tr",
        el("th", "total", scope="row", colspan=len(head) - len(COSTS)),
        *(num(f"{'' if whole else '≥ '}{total:,}") for total, whole in totals.values()),
    )
    return html_table(head, rows, foot, text=3 if branches else 2)


COSTS = (("parameters", "parameters"), ("MACs", "macs"), ("memory, bytes", "memory"))


def confusion_table(scores: ClassificationScores | SegmentationScores, *, shares: bool = False) -> Html:
    """The matrix with its counts, or with *shares* of each row in percent; of more than 40 classes, the pairs most
    often confused.
    """
    if len(scores.classes) > LARGEST:
        return _confused(scores, 30)
    names = scores.classes
    upright = max(map(len, names)) > 3
    head = el(
        "tr",
        el("th", "predicted →", el("br"), "true ↓", scope="col", class_="corner"),
        *(el("th", el("span", name), scope="col", class_="upright" if upright else None) for name in names),
    )
    rows = [el("tr", el("th", name, scope="row"), *_matrix_row(scores, i, shares)) for i, name in enumerate(names)]
    return box(el("table", el("thead", head), el("tbody", *rows), class_="matrix"))


def _confused(scores: ClassificationScores | SegmentationScores, limit: int) -> Html:
    """The pairs of classes most often confused."""
    rows = [
        el("tr", el("td", true), el("td", predicted), num(f"{times:,}"))
        for true, predicted, times in scores.confused(limit)
    ]
    return html_table(["true class", "predicted class", "times"], rows, text=2, high=len(rows) > 20)


def epochs_table(history: Sequence[Row]) -> Html:
    """Every number of the training, a row per epoch."""
    head = list(dict.fromkeys(key for row in history for key in row))
    rows = [el("tr", *(num(_plain(row.get(key))) for key in head)) for row in history]
    return html_table(head, rows, text=0, high=len(rows) > 20)


def _matrix_row(scores: ClassificationScores | SegmentationScores, i: int, shares: bool) -> list[Html]:
    """A cell's colour is its share of the row. By the root, so that one mistake among 36 items is seen."""
    row = scores.confusion[i].tolist()
    n = max(1, sum(row))
    cells = []
    for j, count in enumerate(row):
        kind = "none" if not count else "right" if i == j else "wrong"
        share = f"--share:{0.1 + 0.65 * sqrt(count / n):.2f}" if count else None
        said = f"{scores.classes[i]} → {scores.classes[j]}: {count:,} of {sum(row):,}" if count else None
        text = _share(count / n) if shares else f"{count:,}"
        cells.append(el("td", text, class_=kind, style=share, title=said))
    return cells


def _share(share: float) -> str:
    """A share in percent, short enough for a cell.

    >>> _share(0), _share(0.004), _share(0.996), _share(1)
    ('0', '<1', '99', '100')
    """
    return "<1" if 0 < share < 0.01 else f"{int(100 * share + 1e-9)}"


def _sources(layer: Layer, before: str | None) -> str | None:
    """Where *layer* reads from, unless that is the layer above it or the net's input."""
    inputs = list(layer.get("inputs") or ())
    return None if inputs == [before] or (before is None and len(inputs) < 2) else ", ".join(inputs)


def _total(layers: Sequence[Layer], key: str) -> tuple[int, bool]:
    """The sum of what is known, and whether that is everything."""
    values = [layer.get(key) for layer in layers]
    return sum(v for v in values if v is not None), None not in values


def _cost(value: int | None, total: int) -> Html:
    return num("unknown") if value is None else num(f"{value:,}", bar=value / total if total else None)


def _times(sizes: Sequence[int] | None) -> str:
    return "unknown" if sizes is None else " × ".join(f"{n:,}" for n in sizes)


def _plain(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.5g}"
