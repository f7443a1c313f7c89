"""Mistakes that do not all cost the same: the expected cost, and the decisions that make it least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striate.errors import DataError, RecipeError, nearest, printable
from striate.metrics.resampling import Interval, counts_drawn, middle, resamples_of


@dataclass(frozen=True)
class CostScores:
    """What :func:`score_costs` found; costs are per item, in the unit of the matrix. ``print`` shows it.

    Args:
        classes: Names.
        usual: The mean cost where the most probable class is chosen.
        usual_interval: Its 95% interval, a bootstrap over the items.
        least: The mean cost where the class with the lowest expected cost is chosen (Elkan 2001).
        least_interval: Likewise.
        saved: ``usual - least``.
        saved_interval: Likewise, of the same items.
        changed: Of how many items the decision is another.
        threshold: Of two classes: the probability of the second from which on it is chosen; None of more.
        always: The class that would cost least if it were always chosen, and its mean cost.
    """

    classes: tuple[str, ...]
    usual: float
    usual_interval: Interval
    least: float
    least_interval: Interval
    saved: float
    saved_interval: Interval
    changed: int
    threshold: float | None
    always: tuple[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        from striate.metrics.shared import as_plain

        return as_plain(self, "classes")

    def __str__(self) -> str:
        (low, high), (below, above) = self.usual_interval, self.saved_interval
        lines = [
            f"cost         {self.usual:.4g} per item, choosing the most probable class  (95% bootstrap interval "
            f"{low:.4g} to {high:.4g})",
            f"             {self.least:.4g} choosing the class of least expected cost; saves {self.saved:.4g} "
            f"({below:.4g} to {above:.4g}), with other answers for {self.changed:,} items",
        ]
        if self.threshold is not None:
            second = printable(self.classes[1])
            lines.append(f"threshold    {second!r} from a probability of {self.threshold:.4g} on (equal costs: 0.5)")
        return "\n".join(lines)


def cost_matrix(text: str, classes: Sequence[str]) -> NDArray[np.float64]:
    """``"sick:well=10, well:sick=1"`` as ``(K, K)``: a sick one taken for a well one costs 10; every mistake that is
    not named costs 1, what is right nothing.

    Raises:
        RecipeError: It says something else, or names a class that there is not.

    >>> cost_matrix("sick:well=10", ["sick", "well"]).tolist()
    [[0.0, 10.0], [1.0, 0.0]]
    """
    costs = 1.0 - np.eye(len(classes))
    for part in filter(None, (part.strip() for part in text.split(","))):
        pair, _, number = part.rpartition("=")
        label, _, taken = pair.rpartition(":")
        try:
            cost = float(number)
        except ValueError:
            cost = inf
        if not label or not 0 <= cost < inf:
            example = f"{classes[0]}:{classes[-1]}=10"
            raise RecipeError(f"cost is {part!r}, expected LABEL:PREDICTION=NUMBER, such as {example!r}")
        for name in (label.strip(), taken.strip()):
            if name not in classes:
                raise RecipeError(f"cost is {part!r}: there is no class {name!r}{nearest(name, classes)}")
        costs[classes.index(label.strip()), classes.index(taken.strip())] = cost
    return costs


def score_costs(
    log_probabilities: NDArray[np.float64], targets: NDArray[np.int64], costs: ArrayLike, classes: Sequence[str]
) -> CostScores:
    """What the predictions cost, and what they would by the best decisions: for each item the class j with the lowest
    ``sum_i p_i C_ij`` (C. Elkan, "The foundations of cost-sensitive learning", IJCAI 2001, equation 1).

    Args:
        log_probabilities: ``(N, K)``, N at least 1.
        targets: ``(N,)``, 0..K-1.
        costs: ``(K, K)``, 0 or more: of a label (row) that is taken for a class (column).
        classes: K names.

    Raises:
        DataError: Costs of another shape, or below 0.

    >>> log_p = np.log([[0.7, 0.3], [0.9, 0.1]])
    >>> found = score_costs(log_p, np.array([1, 0]), [[0, 1], [4, 0]], ["well", "sick"])
    >>> found.usual, found.least, found.threshold
    (2.0, 0.0, 0.2)
    """
    c, k = np.asarray(costs, np.float64), len(classes)
    if c.shape != (k, k) or not (np.isfinite(c) & (c >= 0)).all():
        raise DataError(f"the costs are {list(c.shape)}; expected [{k}, {k}] numbers of 0 or more, rows are the labels")
    chosen, best = log_probabilities.argmax(1), (np.exp(log_probabilities) @ c).argmin(1)
    usual, least = c[targets, chosen], c[targets, best]
    means = c[targets].mean(0)
    over = c[1, 0] - c[1, 1] + c[0, 1] - c[0, 0] if k == 2 else 0.0
    return CostScores(
        tuple(classes),
        float(usual.mean()),
        bootstrap_mean(usual),
        float(least.mean()),
        bootstrap_mean(least),
        float((usual - least).mean()),
        bootstrap_mean(usual - least),
        int((chosen != best).sum()),
        float((c[0, 1] - c[0, 0]) / over) if over > 0 else None,
        (classes[int(means.argmin())], float(means.min())),
    )


def bootstrap_mean(values: NDArray[np.float64]) -> Interval:
    """The middle 95% of the means of N items drawn with replacement from *values* ``(N,)``, 1,000 times.

    >>> bootstrap_mean(np.ones(5))
    (1.0, 1.0)
    """
    levels, counts = np.unique(values, return_counts=True)  # few in most cases: as few numbers are drawn
    (drawn,) = counts_drawn(counts, resamples_of(len(levels), 5_000_000))
    return middle(drawn @ levels / len(values), float(values.mean()))
