"""Which epoch's weights become the model, by what was measured on the validation split after each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import sqrt
from typing import NamedTuple

from striate.tasks.task import Metric

Point = tuple[float | None, float]  # the metric and the loss after an epoch
SPAN = 3  # epochs whose mean is compared: one alone may be lucky


class Standing(NamedTuple):
    """Where a run stands after an epoch.

    Args:
        best: The highest value so far of what is compared, the larger the better.
        stale: Epochs since then.
        kept: Whether the weights of this epoch become the model, if no later epoch's do.
    """

    best: float
    stale: int
    kept: bool


def standings(
    metric: Metric, course: Sequence[Point], items: int, keep: str = "best", start: Point | None = None
) -> Iterator[Standing]:
    """The standing after each epoch.

    Compared is the mean of the *metric* over the last three epochs. Kept is the last epoch where that is within one
    standard error of its maximum (the rule of Breiman et al. 1984, section 3.4.3, for choosing among models): what
    differs by less differs by chance, and then the later epoch, of the smaller learning rate, is the safer choice.
    Where the metric is an error, compared is the mean loss, and kept the epoch where it is lowest.

    Args:
        metric: Of the task.
        course: After each epoch the metric and the loss on the validation split; where there is none, None and the
            loss on the training split.
        items: In the validation split.
        keep: ``"best"``, or ``"last"``: always the last, but for *start*.
        start: The same of the weights before the first epoch, where these were trained already and are a model too: an
            epoch that is worse than they are, by more than a standard error, is not kept, whatever *keep* is.

    >>> from striate.tasks import CLASSIFICATION
    >>> course = [(accuracy, 1.0) for accuracy in (0.5, 0.9, 0.8, 0.8, 0.85, 0.5, 0.4)]
    >>> [standing.kept for standing in standings(CLASSIFICATION.metric, course, items=100)]
    [True, True, True, True, True, False, False]
    """
    by_value = metric.higher_is_better and all(value is not None for value, _ in course)
    share = by_value and metric.share

    def margin(value: float) -> float:
        """A standard error of a share over so many items."""
        return sqrt(max(0.0, value * (1 - value)) / max(1, items)) if share else 0.0

    compared = [(value or 0.0) if by_value else -loss for value, loss in course]
    least = -float("inf")
    if start:
        least = (start[0] or 0.0) if by_value else -start[1]
        least -= margin(least)
    best, stale = -float("inf"), 0
    for i in range(len(compared)):
        recent = compared[max(0, i + 1 - SPAN) : i + 1]
        mean = sum(recent) / len(recent)
        best, stale = (mean, 0) if mean > best else (best, stale + 1)
        kept = keep == "last" or mean >= best - margin(best)
        yield Standing(best, stale, kept and compared[i] >= least)
