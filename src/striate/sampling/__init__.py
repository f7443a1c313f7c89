"""Some of many items, from all over them, where all would take too long."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def evenly(n: int, most: int) -> NDArray[np.int64]:
    """The indices of *most* of *n* items, evenly spread from the first to the last; of no more than that, all.

    >>> evenly(10, 4).tolist(), evenly(3, 4).tolist(), evenly(0, 4).tolist()
    ([0, 3, 6, 9], [0, 1, 2], [])
    """
    return np.linspace(0, n - 1, min(n, most), dtype=np.int64)
