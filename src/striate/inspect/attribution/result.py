"""What every attribution method gives: signed numbers, what they belong to, notes; and how they fit onto the input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from striate.errors import SeeError, shape_text
from striate.inspect.target import Target

FAILS = (
    "fails the randomisation test (Adebayo et al. 2018, Sixt et al. 2020): the map hardly changes when the upper "
    "layers are randomised, so it shows what gets through the network, not why it decided"
)


@dataclass(frozen=True)
class Attribution:
    """How much each value of the input, or each cell of a layer's feature map, contributes to one score.

    Args:
        method: Its name, as in ``METHODS``.
        values: As the method gives them, with their sign, nothing resized or normalised. For methods on the input
            ``(C, *positions)``, words ``(vector, words)``; for class activation maps ``(*cells of the layer)``; for
            occlusion one for each position of the window.
        target: Whose score it is.
        score: That score, before any softmax.
        per_channel: Whether the first axis of *values* is channels.
        layer: The layer whose cells they are; None for the input.
        grid: Where *values* lie on the input, as :func:`resize_to_input` takes it; None where only the caller can
            know.
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
    notes: tuple[str, ...] = ()

    @property
    def all_notes(self) -> tuple[str, ...]:
        """Everything to be said beside the figure."""
        label = (FAILS,) if self.fails_randomisation else ()
        return (*remarks(self.values), *label, *self.notes)

    @property
    def note(self) -> str:
        """:attr:`all_notes` in one line; empty where there are none."""
        return "; ".join(self.all_notes)

    def by_position(self, how: str = "sum") -> np.ndarray:
        """One value per position (a pixel, a word, a cell): over the channels the ``sum``, which keeps the sign, or the
        ``max`` of the absolute values (Simonyan et al. 2013, section 3.1).

        >>> a = Attribution("gradient", np.array([[1.0, -2.0], [3.0, -4.0]]), Target("", (0,)), 1.0, per_channel=True)
        >>> a.by_position(), a.by_position("max")
        (array([ 4., -6.]), array([3., 4.]))
        """
        values = self.values if self.per_channel else self.values[None]
        found: np.ndarray = values.sum(0) if how == "sum" else np.abs(values).max(0)
        return found


def remarks(values: np.ndarray) -> tuple[str, ...]:
    """What a figure of *values* would hide: all zero, none above zero, not finite.

    >>> remarks(np.array([-1.0, 0.0]))
    ('no value is above zero: nothing here contributes to the target, and a ReLU would leave nothing',)
    """
    bad = np.count_nonzero(~np.isfinite(values))
    if bad:
        return (f"{bad} of {values.size} values are not finite numbers",)
    if not values.any():
        return ("every value is zero: no change here would change the score",)
    if (values <= 0).all():
        return ("no value is above zero: nothing here contributes to the target, and a ReLU would leave nothing",)
    return ()


def resize_to_input(
    values: np.ndarray, size: Sequence[int], grid: Sequence[float] | None = None, *, interpolation: str = "linear"
) -> np.ndarray:
    """*values* resized to the input's *size*, each cell around its true centre.

    Stretching a map corner to corner puts its cells where they need not lie: those of ResNet-18's last map at
    224x224 by 15.5 pixels down and right of the centre of their receptive fields. The centre of cell ``j`` is
    ``-P + S j + (R - 1) / 2`` of the receptive field ``R``, stride ``S`` and padding ``P`` (Araujo et al. 2019).

    Args:
        values: ``(*cells)``, of any number of axes; nothing is normalised.
        size: Of the input, one number for each axis: ``(H, W)``.
        grid: The centre of the first cell on each axis and then the steps from cell to cell, in pixels, where the
            first pixel's centre is 0: ``(start_y, start_x, stride_y, stride_x)``. None where they are not known: then
            cells of equal size fill the input, centres at ``(j + 1/2) size / cells - 1/2``.
        interpolation: ``linear`` between the centres, or ``nearest``. Outside the outermost centres values are
            repeated.

    Returns:
        float ``(*size)``.

    Raises:
        SeeError: *size* or *grid* does not fit the axes of *values*, or a stride is not above 0.

    >>> resize_to_input(np.array([0.0, 8.0]), (7,), (1, 4))
    array([0., 0., 2., 4., 6., 8., 8.])
    >>> resize_to_input(np.array([[1.0, 2.0]]), (2, 4), interpolation="nearest")
    array([[1., 1., 2., 2.],
           [1., 1., 2., 2.]])
    """
    rank = values.ndim
    if len(size) != rank or not values.size or any(n < 1 for n in size):
        raise SeeError(f"a map of {shape_text(values.shape)} cells does not fit an input of size {tuple(size)}")
    if grid is None:
        strides = [n / cells for n, cells in zip(size, values.shape, strict=True)]
        grid = [*(stride / 2 - 0.5 for stride in strides), *strides]
    if len(grid) != 2 * rank or any(stride <= 0 for stride in grid[rank:]):
        raise SeeError(f"grid {tuple(grid)}: expected {rank} start(s) and then {rank} stride(s) above 0, in pixels")
    if interpolation not in ("linear", "nearest"):
        raise SeeError(f"interpolation {interpolation!r}: expected linear or nearest")
    nearest = interpolation == "nearest"
    out = values.astype(np.float64 if values.dtype == np.float64 else np.float32)
    for axis in range(rank):
        at = (np.arange(size[axis]) - grid[axis]) / grid[rank + axis]
        at = at.clip(0, values.shape[axis] - 1)
        low = np.floor(at + 0.5 if nearest else at).astype(int)
        share = np.zeros_like(at) if nearest else at - low
        high = np.minimum(low + 1, values.shape[axis] - 1)
        share = share.reshape([-1 if i == axis else 1 for i in range(rank)]).astype(out.dtype)
        out = out.take(low, axis) * (1 - share) + out.take(high, axis) * share
    return out
