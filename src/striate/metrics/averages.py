"""Averages over the classes, from a confusion matrix: balanced accuracy, Cohen's kappa, macro and weighted means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striate.metrics.resampling import Interval, counts_drawn, middle, resamples_of


@dataclass(frozen=True)
class Averages:
    """What :func:`averages` found, each share with the 95% interval of a bootstrap over the items (Efron 1979).

    Args:
        balanced_accuracy: The mean recall of the classes that have items (Brodersen et al. 2010).
        kappa: ``(p_o - p_e) / (1 - p_e)``: the agreement beyond what chance gives (Cohen 1960); None where labels and
            predictions are all of one class.
        macro_precision: The mean over the classes that labels or predictions have; a class that is never predicted
            counts as 0.
        macro_recall: Likewise; a class without items counts as 0.
        macro_f1: Likewise.
        weighted_precision: The mean over the classes, each weighted by its items.
        weighted_recall: Likewise, which is the accuracy.
        weighted_f1: Likewise.
    """

    balanced_accuracy: float
    balanced_accuracy_interval: Interval
    kappa: float | None
    kappa_interval: Interval | None
    macro_precision: float
    macro_recall: float
    macro_f1: float
    macro_f1_interval: Interval
    weighted_precision: float
    weighted_recall: float
    weighted_f1: float
    weighted_f1_interval: Interval


def averages(confusion: NDArray[np.int64]) -> Averages:
    """The averages of a ``(K, K)`` confusion matrix with one item or more; rows are the labels.

    >>> found = averages(np.array([[8, 2], [1, 1]]))
    >>> round(found.balanced_accuracy, 3), round(found.kappa, 3), round(found.macro_f1, 3)
    (0.65, 0.25, 0.621)
    """
    rows, columns = np.nonzero(confusion)
    counts, k = confusion[rows, columns], len(confusion)
    found = _each(counts[None].astype(np.float64), rows, columns, k)
    (drawn,) = counts_drawn(counts, resamples_of(len(counts)))
    spread = _each(drawn, rows, columns, k)

    def interval(name: str) -> Interval:
        return middle(spread[name], float(found[name][0]))

    value = {name: float(values[0]) for name, values in found.items()}
    known = np.isfinite(value["kappa"])
    return Averages(
        value["balanced"],
        interval("balanced"),
        value["kappa"] if known else None,
        interval("kappa") if known else None,
        value["macro_precision"],
        value["macro_recall"],
        value["macro_f1"],
        interval("macro_f1"),
        value["weighted_precision"],
        value["weighted_recall"],
        value["weighted_f1"],
        interval("weighted_f1"),
    )


def _each(
    counts: NDArray[np.float64], rows: NDArray[np.int64], columns: NDArray[np.int64], k: int
) -> dict[str, NDArray[np.float64]]:
    """The averages of R matrices at once: *counts* ``(R, cells)`` of the cells at *rows*, *columns*."""
    items, predicted, right = (np.zeros((len(counts), k)) for _ in range(3))
    for cell, (i, j) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        items[:, i] += counts[:, cell]
        predicted[:, j] += counts[:, cell]
        if i == j:
            right[:, i] = counts[:, cell]
    n = items.sum(1)
    precision, recall, f1 = (_ratio(right, below) for below in (predicted, items, (predicted + items) / 2))
    there, has = (items + predicted) > 0, items > 0
    observed, chance = right.sum(1) / n, (items * predicted).sum(1) / n**2
    with np.errstate(divide="ignore", invalid="ignore"):
        kappa = np.where(chance < 1, (observed - chance) / (1 - chance), np.nan)
    return {
        "balanced": recall.sum(1) / has.sum(1),
        "kappa": kappa,
        **{f"macro_{name}": values.sum(1) / there.sum(1) for name, values in _named(precision, recall, f1)},
        **{f"weighted_{name}": (values * items).sum(1) / n for name, values in _named(precision, recall, f1)},
    }


def _named(*values: NDArray[np.float64]) -> list[tuple[str, NDArray[np.float64]]]:
    return list(zip(("precision", "recall", "f1"), values, strict=True))


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 where there is nothing below the line."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
