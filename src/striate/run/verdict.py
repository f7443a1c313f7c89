"""What the figures of a finished run say together: training, validation and test side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from striate.tasks.task import Metric

Row = dict[str, float | None]
GAP = 0.05  # of a share: less between training and validation is ordinary
WIDE = 0.15  # of a share: so much is overfitting whatever the loss does
RISE = 1.1  # times its minimum: a validation loss that has risen
RATIO = 1.5  # of two errors that are no shares
LEAST = 30  # items: of fewer, two errors are not compared


@dataclass(frozen=True)
class Verdict:
    """The task's metric of the kept model on each split, and the curve of the validation loss.

    Args:
        metric: Of the task.
        train: Its value on (some of) the training split, without augmentation.
        val: On the validation split.
        test: On the test split.
        items: Items of each of the three.
        losses: The validation loss of each epoch.
        made_of: What the items are: ``"images"``.
        origin: How the test split differs in kind from validation, where that is known.
        advice: What helps against overfitting.

    >>> from striate.tasks import CLASSIFICATION
    >>> verdict = Verdict(CLASSIFICATION.metric, 0.99, 0.8, 0.79, (500, 500, 1000), (0.9, 0.5, 0.6, 0.9), "images")
    >>> print(verdict.line())
    training accuracy 99.00%, validation 80.00%
    >>> print(verdict.overfitting().partition(",")[0])
    overfits: accuracy 99.00% on the training split
    """

    metric: Metric
    train: float
    val: float
    test: float
    items: tuple[int, int, int]
    losses: Sequence[float]
    made_of: str
    origin: str = ""
    advice: str = "use --augment standard, a larger --weight-decay, fewer --epochs, or more data"

    def line(self) -> str:
        """The two values that stand beside the test's."""
        return f"training {self.metric.words} {self._text(self.train)}, validation {self._text(self.val)}"

    def warnings(self) -> list[str]:
        """A line for each thing that is wrong."""
        return [text for text in (self.overfitting(), self.disagreement()) if text]

    def overfitting(self) -> str:
        """What to say where the network is better on what it was trained on than on other items, and by more than
        chance; "" where it is not.

        By a little this is so of every network: it counts where the validation loss has risen too, or where the
        difference is large.
        """
        if self.metric.share:
            gap = self.train - self.val
            far = gap > max(GAP, 2 * self._error(self.items[0], self.items[1]))
            wide = gap > WIDE
        else:
            far = min(self.items[:2]) >= LEAST and self.val > RATIO * self.train
            wide = self.val > RATIO**2 * self.train
        rise = self._rise()
        if not far or not (wide or rise):
            return ""
        return (
            f"overfits: {self.metric.words} {self._text(self.train)} on the training split, {self._text(self.val)} on "
            f"validation ({self.items[1]:,} {self.made_of}){rise}; {self.advice}"
        )

    def disagreement(self) -> str:
        """What to say where validation and test differ by more than chance; "" where they do not."""
        if self.metric.share:
            apart = abs(self.val - self.test) > max(GAP, 3 * self._error(self.items[1], self.items[2]))
        else:
            low, high = sorted((self.val, self.test))
            apart = min(self.items[1:]) >= LEAST and high > RATIO * low
        if not apart:
            return ""
        return (
            f"validation {self._text(self.val)} ({self.items[1]:,} {self.made_of}) and test {self._text(self.test)} "
            f"({self.items[2]:,}) are further apart than chance explains: "
        ) + (
            self.origin
            or f"the {self.made_of} of the two splits differ in kind; look at both with striate doctor, and keep what "
            f"belongs together in one split (--group)"
        )

    def _rise(self) -> str:
        """How the validation loss rose; "" where it did not."""
        losses = [*self.losses]
        if len(losses) < 3:
            return ""
        least, end = min(losses), sum(losses[-2:]) / 2
        if least <= 0 or end <= RISE * least:
            return ""
        return f", and the validation loss rose from {least:.3g} (epoch {losses.index(least) + 1}) to {losses[-1]:.3g}"

    def _error(self, *items: int) -> float:
        """The standard error of the difference of two shares, over so many items each (one more, right and wrong)."""
        share = min(max(self.val, 0.0), 1.0)
        return sqrt(sum((share * (1 - share) + 1 / n) / n for n in items))

    def _text(self, value: float) -> str:
        return self.metric.number(value)
