"""Where the cells of a map lie on the input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from striate.errors import SeeError


def placed(
    values: np.ndarray, size: Sequence[int], grid: Sequence[float] | None = None, *, between: str = "linear"
) -> np.ndarray:
    """*values* drawn out to the input's *size*, each cell around its true centre.

    Stretching a map corner to corner puts its cells where they need not lie: those of ResNet-18's last map at
    224x224 by 15.5 pixels down and right of the middle of what they see. The centre of cell ``j`` is
    ``-P + S j + (R - 1) / 2`` of the receptive field ``R``, stride ``S`` and padding ``P`` (Araujo et al. 2019).

    Args:
        values: ``(*cells)``, of any number of axes; nothing is normalised.
        size: Of the input, one number for each axis: ``(H, W)``.
        grid: The centre of the first cell on each axis and then the steps from cell to cell, in pixels whose first
            one has its middle at 0: ``(start_y, start_x, stride_y, stride_x)``. None where they are not known: then
            as a resize has it, cells of equal size that fill the input, centres at ``(j + 1/2) size / cells - 1/2``.
        between: ``linear`` between the centres, or ``nearest``. Outside the outermost centres values hold.

    Returns:
        float ``(*size)``.

    Raises:
        SeeError: *size* or *grid* does not fit the axes of *values*, or a stride is not above 0.

    >>> placed(np.array([0.0, 8.0]), (7,), (1, 4))
    array([0., 0., 2., 4., 6., 8., 8.])
    >>> placed(np.array([[1.0, 2.0]]), (2, 4), between="nearest")
    array([[1., 1., 2., 2.],
           [1., 1., 2., 2.]])
    """
    rank = values.ndim
    if len(size) != rank or not values.size or any(n < 1 for n in size):
        raise SeeError(
            f"a map of {'x'.join(map(str, values.shape))} cells does not go on an input of size {tuple(size)}"
        )
    if grid is None:
        strides = [n / cells for n, cells in zip(size, values.shape, strict=True)]
        grid = [*(stride / 2 - 0.5 for stride in strides), *strides]
    if len(grid) != 2 * rank or any(stride <= 0 for stride in grid[rank:]):
        raise SeeError(f"grid {tuple(grid)}: wanted {rank} start(s) and then {rank} stride(s) above 0, in pixels")
    if between not in ("linear", "nearest"):
        raise SeeError(f"between {between!r}: it is linear or nearest")
    out = values.astype(np.float64 if values.dtype == np.float64 else np.float32)
    for axis in range(rank):
        at = (np.arange(size[axis]) - grid[axis]) / grid[rank + axis]
        at = at.clip(0, values.shape[axis] - 1)
        low = np.floor(at + 0.5 if between == "nearest" else at).astype(int)
        share = np.zeros_like(at) if between == "nearest" else at - low
        high = np.minimum(low + 1, values.shape[axis] - 1)
        shape = [-1 if i == axis else 1 for i in range(rank)]
        share = share.reshape(shape).astype(out.dtype)
        out = out.take(low, axis) * (1 - share) + out.take(high, axis) * share
    return out
