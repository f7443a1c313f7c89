"""The metrics of a model that predicts numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.errors import align_columns, printable
from striate.metrics.resampling import Interval
from striate.metrics.residuals import QuantileGroup, quantile_groups, r2_intervals, spearman, spearman_interval
from striate.metrics.shared import (
    ITEM,
    WORST,
    ItemError,
    Resampling,
    as_plain,
    check_table,
    free_names,
    item_name,
)

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ValueScore:
    """One value: its errors in its own unit; ``r2`` is None where the targets never vary.

    The interval of r2 is a bootstrap over the items, that of Spearman's rank correlation is Bonett and Wright's.
    ``groups`` are the items in ten groups by their prediction: are predictions right on average, small ones and large?
    """

    name: str
    mae: float
    rmse: float
    r2: float | None
    bias: float  # the mean of prediction - target
    r2_interval: Interval | None = None
    spearman: float | None = None
    spearman_interval: Interval | None = None
    groups: tuple[QuantileGroup, ...] = ()


@dataclass(frozen=True)
class Miss:
    """One item far off: its targets (``truth``) and predictions, in the order of the values."""

    index: int
    name: str
    truth: tuple[float, ...]
    predicted: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class RegressionScores:
    """What :func:`score_regression` found.

    Args:
        classes: The values' names.
        n: Items measured.
        mae: Mean absolute error over items and values, in the source's units.
        mae_interval: 95% interval of it: ``mean +- 1.96 s / sqrt(n)`` of the items' own mean errors.
        rmse: The root of the mean squared error over items and values.
        r2: The mean of the values' coefficients of determination, ``1 - sum (t - y)^2 / sum (t - mean t)^2``.
        spearman: The mean of the values' rank correlations of prediction and target.
        distance: Of positions: the mean distance between the predicted place and the true one, in pixels.
        baseline_mae: The mean absolute error of always predicting the training split's mean; None if not known.
        per_class: One :class:`ValueScore` a value.
        predictions: float64 ``(N, V)``.
        targets: Likewise.
        worst: The items furthest off, by the mean of |prediction - target| over the targets' std; 24 at most.
    """

    classes: tuple[str, ...]
    n: int
    mae: float
    mae_interval: tuple[float, float]
    rmse: float
    r2: float | None
    distance: float | None
    baseline_mae: float | None
    per_class: tuple[ValueScore, ...]
    predictions: NDArray[np.float64]
    targets: NDArray[np.float64]
    worst: tuple[Miss, ...]
    spearman: float | None

    error: ClassVar[ItemError] = ItemError("mean absolute error", share=False)

    @property
    def errors(self) -> NDArray[np.float64]:
        """float64 ``(N,)``, the mean absolute error of an item's values."""
        return np.asarray(abs(self.predictions - self.targets).mean(1))

    def resampled(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """float64 ``(R,)``, the mean absolute error when item i counts ``times[:, i]`` times; *times* is ``(R, N)``."""
        return np.asarray(times @ self.errors / times.sum(1))

    @property
    def resamplings(self) -> Mapping[str, Resampling]:
        """Of each metric that can be resampled, by name, the function that does it."""
        return {"mae": self.resampled}

    def item_columns(self) -> dict[str, list[Any]]:
        """Of each value its target, ``NAME``, and ``predicted NAME``; and ``error``, the mean absolute error. A value
        that is called as another column is has ``target NAME``.
        """
        predicted = {f"predicted {name}": column for name, column in zip(self.classes, self.predictions.T, strict=True)}
        true = dict(zip(free_names(self.classes, {ITEM, "error", *predicted}), self.targets.T, strict=True))
        return {name: column.tolist() for name, column in (true | predicted | {"error": self.errors}).items()}

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON, without every single prediction."""
        return as_plain(self, "classes", "predictions", "targets")

    def headline(self, items: str = "items") -> str:
        low, high = self.mae_interval
        baseline = "" if self.baseline_mae is None else f"; the training mean would give {self.baseline_mae:.4g}"
        r2 = "" if self.r2 is None else f"; r2 {self.r2:.3f}"
        return f"mean absolute error {self.mae:.4g} (95% interval {low:.4g} to {high:.4g}{baseline}{r2})"

    def __str__(self) -> str:
        low, high = self.mae_interval
        lines = [
            f"mean absolute error  {self.mae:.4g}  (95% interval {low:.4g} to {high:.4g}; {self.n:,} items)",
            f"root mean square     {self.rmse:.4g}",
            f"r2                   {_number(self.r2)}  (1: all of the variance is predicted; 0: none)",
            f"rank correlation     {_number(self.spearman)}  (Spearman; 1: all items in the right order)",
        ]
        if self.distance is not None:
            lines.append(f"distance             {self.distance:.4g} pixels on average, from the true position")
        if self.baseline_mae is not None:
            lines.append(f"training mean        always predicting it would give {self.baseline_mae:.4g}")
        rows = [(printable(c.name), *map(_number, (c.mae, c.rmse, c.r2, c.bias, c.spearman))) for c in self.per_class]
        table = align_columns([("value", "mae", "rmse", "r2", "bias", "Spearman"), *rows])
        far = [f"  {printable(m.name)}: {_numbers(m.truth)} -> {_numbers(m.predicted)}" for m in self.worst[:5]]
        return "\n".join([*lines, "", *table, "", "largest errors (target -> prediction)", *far])


def score_regression(
    predictions: ArrayLike,
    targets: ArrayLike,
    classes: Sequence[str],
    names: Sequence[str] | None = None,
    *,
    baseline: ArrayLike | None = None,
    positions: Pairs = (),
) -> RegressionScores:
    """Measure predicted numbers against the true ones.

    Args:
        predictions: ``(N, V)``, in the units of the targets.
        targets: ``(N, V)``.
        classes: V names of the values.
        names: N names for the items; else ``"item 17"``.
        baseline: What a model that knows nothing predicts, ``(V,)`` or ``(N, V)``: the training split's mean.
        positions: The pairs of values that are an x and a y.

    Raises:
        DataError: Nothing to measure, shapes that do not fit, or NaN.

    >>> score_regression([[1.0], [4.0]], [[1.0], [2.0]], ["age"]).mae
    1.0
    """
    predicted, true = check_table(predictions, targets, classes, names)
    error = predicted - true
    n = len(error)
    each = abs(error).mean(1)
    half = NormalDist().inv_cdf(0.975) * float(each.std(ddof=1)) / sqrt(n) if n > 1 else float("inf")
    intervals = r2_intervals(predicted, true)
    per_class = tuple(_value_score(name, predicted[:, i], true[:, i], intervals[i]) for i, name in enumerate(classes))
    known = [c.r2 for c in per_class if c.r2 is not None]
    orders = [c.spearman for c in per_class if c.spearman is not None]
    spread = true.std(0)
    far = (abs(error) / np.where(spread > 0, spread, 1)).mean(1)
    distances = [np.hypot(error[:, x], error[:, y]).mean() for x, y in positions]
    return RegressionScores(
        classes=tuple(classes),
        n=n,
        mae=float(each.mean()),
        mae_interval=(max(0.0, float(each.mean()) - half), float(each.mean()) + half),
        rmse=sqrt(float((error**2).mean())),
        r2=float(np.mean(known)) if known else None,
        distance=float(np.mean(distances)) if distances else None,
        baseline_mae=None if baseline is None else float(abs(np.asarray(baseline, np.float64) - true).mean()),
        per_class=per_class,
        predictions=predicted,
        targets=true,
        worst=tuple(
            Miss(i, item_name(i, names), tuple(true[i].tolist()), tuple(predicted[i].tolist()))
            for i in np.argsort(-far, kind="stable")[:WORST].tolist()
        ),
        spearman=float(np.mean(orders)) if orders else None,
    )


def _value_score(
    name: str, predicted: NDArray[np.float64], true: NDArray[np.float64], r2_interval: Interval | None
) -> ValueScore:
    error = predicted - true
    squares, spread = float((error**2).sum()), float(((true - true.mean()) ** 2).sum())
    order = spearman(predicted, true)
    return ValueScore(
        name,
        float(abs(error).mean()),
        sqrt(squares / len(error)),
        1 - squares / spread if spread > 0 else None,
        float(error.mean()),
        r2_interval if spread > 0 else None,
        order,
        None if order is None else spearman_interval(order, len(true)),
        quantile_groups(predicted, true),
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{v:.4g}" for v in values[:8]) + (", ..." if len(values) > 8 else "")
