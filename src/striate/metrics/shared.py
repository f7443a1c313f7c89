"""What the metrics of every task share: what they can say of themselves, checks of their input, numbers as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from math import ceil, log10
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.errors import DataError, RecipeError, align_columns

ITEM = "item"  # the first column of every table of items
WORST = 24  # items kept: as many as a page of images can show and a person will look at
ROWS = 30  # classes that are all listed; of more, the weakest


@dataclass(frozen=True)
class ItemError:
    """What the error of an item is in a task: its *name*, and whether it is a share.

    >>> ItemError("error rate").text(0.25), ItemError("mean absolute error", share=False).text(12.3456)
    ('25.0%', '12.35')
    """

    name: str
    share: bool = True

    def text(self, value: float) -> str:
        """A mean of such errors."""
        return percent(value) if self.share else f"{value:.4g}"


Resampling: TypeAlias = Callable[[NDArray[np.float64]], NDArray[np.float64]]  # (R, N) to (R,)


class Scores(Protocol):
    """What was measured on a split. ``str()`` is the text of ``striate evaluate``.

    ``worst`` are the items with the largest errors, each with its ``index`` in the split.
    """

    @property
    def n(self) -> int:
        """Items measured."""

    @property
    def worst(self) -> tuple[Any, ...]: ...

    @property
    def error(self) -> ItemError:
        """What the error of an item is."""

    @property
    def errors(self) -> NDArray[np.float64]:
        """float64 ``(N,)``, how wrong each item's prediction is: 0 is right. NaN where there was nothing to measure."""

    def resampled(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """float64 ``(R,)``, the task's metric when item i counts ``times[:, i]`` times; *times* is ``(R, N)``."""

    @property
    def resamplings(self) -> Mapping[str, Resampling]:
        """As ``resampled``, for each metric that can be: the task's own and others, by name."""

    def item_columns(self) -> dict[str, list[Any]]:
        """Every item's label, prediction and probabilities, a column each: the columns of ``evaluate -o items.csv``."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""

    def headline(self, items: str = "items") -> str:
        """The task's metric in a line; *items* is what the data are made of: ``"images"``."""


def as_plain(scores: Any, *omit: str) -> dict[str, Any]:
    """A dataclass of metrics as plain values, ready for JSON: what is infinite, for which JSON has no word, is None."""
    return {f.name: _plain(getattr(scores, f.name)) for f in fields(scores) if f.name not in omit}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return as_plain(value)
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def check_table(
    predictions: ArrayLike, targets: ArrayLike, columns: Sequence[str], names: Sequence[str] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """*predictions* and *targets*, both float64 ``(N, columns)``; DataError where they are not, or contain NaN."""
    predicted, true = np.asarray(predictions, np.float64), np.asarray(targets, np.float64)
    k = len(columns)
    if predicted.ndim != 2 or predicted.shape[1] != k:
        raise DataError(f"the network's outputs have shape {list(predicted.shape)}, expected [N, {k}]: a row per item")
    n = len(predicted)
    if true.shape != (n, k):
        raise DataError(
            f"{n} predictions, but targets of shape {list(true.shape)}: expected one row per item, [{n}, {k}]"
        )
    check_items(n, names, int(np.isnan(predicted).any(axis=1).sum()))
    if not np.isfinite(true).all():
        raise DataError(f"the targets of {int((~np.isfinite(true)).any(axis=1).sum())} of {n} items are not numbers")
    return predicted, true


def check_items(n: int, names: Sequence[str] | None, broken: int) -> None:
    """DataError where there is no item, a name too many or too few, or NaN in *broken* rows."""
    if n == 0:
        raise DataError("there are no items to measure: the requested split of the data is empty")
    if names is not None and len(names) != n:
        raise DataError(f"{n} predictions, but {len(names)} names: give one name per item, or none")
    if broken:
        raise DataError(
            f"the network's outputs are NaN for {broken} of {n} items: it has diverged; lower the learning rate"
        )


def probability_columns(classes: Sequence[str], probabilities: NDArray[np.float64]) -> dict[str, list[Any]]:
    """A column ``p(NAME)`` for each class, of probabilities ``(N, K)``.

    >>> probability_columns(["cat", "dog"], np.array([[0.75, 0.25]]))
    {'p(cat)': [0.75], 'p(dog)': [0.25]}
    """
    return {f"p({name})": column.tolist() for name, column in zip(classes, probabilities.T, strict=True)}


def free_names(names: Sequence[str], taken: set[str]) -> list[str]:
    """The titles of columns called *names*, "target " before those that are *taken*, or each other's.

    >>> free_names(["age", "error", "target error"], {"item", "error"})
    ['age', 'target target error', 'target error']
    """
    found = []
    for name in names:
        title = name
        while title in taken or (title != name and title in names):
            title = f"target {title}"
        found.append(title)
    return found


def item_name(i: int, names: Sequence[str] | None) -> str:
    """What item *i* is called in a list: its name, or ``"item 17"``."""
    return names[i] if names else f"item {i}"


def percent(share: float | None, n: int = 0) -> str:
    """*share* in percent, with digits enough that one item in *n* shows and 999 of 1,000 is not 100%.

    >>> percent(0.975), percent(9_987 / 10_000, 10_000), percent(None)
    ('97.5%', '99.87%', '-')
    """
    if share is None:
        return "-"
    return f"{100 * share:.{max(1, ceil(log10(n)) - 2) if n else 1}f}%"


def share_interval(interval: tuple[float, float], n: int = 0) -> str:
    """An interval of shares in percent: ``"93.9% to 97.9%"``.

    >>> share_interval((0.5, 0.75))
    '50.0% to 75.0%'
    """
    return " to ".join(percent(end, n) for end in interval)


def bootstrap_interval(interval: tuple[float, float]) -> str:
    """A 95% interval by resampling, to stand behind what is said of a figure; "" where all resamples gave the same, as
    of predictions that are all right: that tells nothing of other items.

    >>> bootstrap_interval((0.5, 0.75)), bootstrap_interval((1.0, 1.0))
    ('; 95% bootstrap interval 50.0% to 75.0%', '')
    """
    return f"; 95% bootstrap interval {share_interval(interval)}" if interval[0] < interval[1] else ""


def decimal(value: float | None) -> str:
    """A number up to 1 with three digits; what is not quite 1 is not written so.

    >>> decimal(0.99996), decimal(1.0), decimal(-0.25), decimal(None)
    ('0.999', '1.000', '-0.250', '-')
    """
    if value is None:
        return "-"
    return "0.999" if 0.9995 <= value < 1 else f"{value:.3f}"


def share_of(value: float | str, name: str) -> float:
    """A share as a person writes it, ``"95%"`` or 0.95; RecipeError where it is none.

    >>> share_of("1%", "accept_error"), share_of(0.95, "coverage")
    (0.01, 0.95)
    """
    try:
        found = float(value[:-1]) / 100 if isinstance(value, str) and value.endswith("%") else float(value)
    except (TypeError, ValueError):
        found = -1.0
    if not 0 < found < 1 or isinstance(value, bool):
        raise RecipeError(f"{name} must be a share between 0 and 1, such as 5% or 0.05; got {value!r}")
    return found


def class_table(
    head: tuple[str, ...], rows: Sequence[tuple[str, ...]], weakness: Sequence[float], by: str
) -> list[str]:
    """A table with a row per class; of more than 30 the weakest, lowest *weakness* (their "IoU", say) first."""
    if len(rows) <= ROWS:
        return align_columns([head, *rows])
    weakest = [i for i in np.argsort(np.asarray(weakness), kind="stable")[:ROWS].tolist() if weakness[i] < np.inf]
    more = f"(the {len(weakest)} weakest of {len(rows):,} {head[0].replace('class', 'classe')}s, by {by})"
    return [*align_columns([head, *(rows[i] for i in weakest)]), more]
