"""What every method of attribution gives: numbers with a sign, whose they are, and what is to be said about them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from striate.inspect.target import Target

FAILS = (
    "fails the randomisation test (Adebayo et al. 2018, Sixt et al. 2020): the map hardly changes when the upper "
    "layers are made random, so it shows what gets through the net, not why the net decided"
)


@dataclass(frozen=True)
class Attribution:
    """How much each value of the input, or each cell of a layer, has to do with one score.

    Args:
        method: Its name, as in ``METHODS``.
        values: As the method gives them, with their sign, nothing resized or normalised. For the methods that ask
            about the input ``(C, *places)``, words ``(vector, words)``; CAM: ``(*places of the layer)``;
            occlusion: one for each position of the window.
        target: The score that was asked about.
        score: That score, before any softmax.
        per_channel: Whether the first axis of *values* is channels.
        layer: The layer whose cells they are; None for the input.
        grid: Where *values* lie on the input, as :func:`placed` wants it; None where only the caller can know.
        rectified: Whether a ReLU was applied to *values*.
        error: Integrated gradients: sum of *values* minus ``score - score of the baseline``; 0 is complete.
        fails_randomisation: The method is known to ignore what the upper layers learned.
        notes: What was decided on the way.
    """

    method: str
    values: np.ndarray
    target: Target
    score: float
    per_channel: bool = False
    layer: str | None = None
    grid: tuple[float, ...] | None = None
    rectified: bool = False
    error: float | None = None
    fails_randomisation: bool = False
    notes: tuple[str, ...] = field(default=())

    @property
    def note(self) -> str:
        """Everything to be said beside the picture, in sentences; empty where there is nothing."""
        label = (FAILS,) if self.fails_randomisation else ()
        return "; ".join((*remarks(self.values), *label, *self.notes))

    def by_place(self, how: str = "sum") -> np.ndarray:
        """One value a place (a pixel, a word, a cell): over the channels the ``sum``, which keeps the sign, or the
        ``max`` of the absolute values (Simonyan et al. 2013, section 3.1).

        >>> a = Attribution("gradient", np.array([[1.0, -2.0], [3.0, -4.0]]), Target("", (0,)), 1.0, per_channel=True)
        >>> a.by_place(), a.by_place("max")
        (array([ 4., -6.]), array([3., 4.]))
        """
        values = self.values if self.per_channel else self.values[None]
        found: np.ndarray = values.sum(0) if how == "sum" else np.abs(values).max(0)
        return found


def remarks(values: np.ndarray) -> tuple[str, ...]:
    """What *values* are, where a picture of them would hide it: all zero, none above zero, not finite.

    >>> remarks(np.array([-1.0, 0.0]))
    ('no value is above zero: nothing here speaks for the target, and a ReLU would leave nothing',)
    """
    bad = np.count_nonzero(~np.isfinite(values))
    if bad:
        return (f"{bad} of {values.size} values are not finite numbers",)
    if not values.any():
        return ("every value is zero: no change here would change the score",)
    if (values <= 0).all():
        return ("no value is above zero: nothing here speaks for the target, and a ReLU would leave nothing",)
    return ()
