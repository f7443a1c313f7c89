"""What ordinary items look like, as numbers, and in which of them an item to predict for is unlike all of training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from striate.model.contract import UNKNOWN, Contract
from striate.sampling import evenly

MOST = 2**25  # values of the training items that are looked at, of 1,000 items at most
NAMES = (("darker", "brighter"), ("with less contrast", "with more contrast"), ("smoother", "with finer detail"))
COLOUR = ("less colourful", "more colourful")  # of images of three channels and more
MARGIN, FEW = 0.1, 5  # of the range of ordinary items, on either side of it; and this over their number
NO_WORD = "without a word that training saw"  # of a text
SMALLER = 2  # times smaller than the smallest image of training: what is enlarged so much is blurred


def look_of(inputs: NDArray[np.generic], contract: Contract) -> NDArray[np.float64]:
    """The mean, the std, the mean difference of neighbours, and of images of three channels and more that of channels.

    Args:
        inputs: ``(N, C, ...)`` as the contract prepares them, before they are normalised.

    Returns:
        ``(N, 3)`` or ``(N, 4)``, of bytes scaled to 0..1.

    >>> contract = Contract(("a", "b"), (1, 1, 2), "L", (0.5,), (0.5,))
    >>> look_of(np.array([[[[0, 255]]]], np.uint8), contract)
    array([[0.5, 0.5, 1. ]])
    """
    x = np.asarray(inputs, np.float32) / (1 if contract.mode == "values" else 255)
    axes = tuple(range(1, x.ndim))
    steps = [np.abs(np.diff(x, axis=axis)).mean(axis=axes) for axis in range(2, x.ndim) if x.shape[axis] > 1]
    found = [x.mean(axis=axes), x.std(axis=axes), np.mean(steps, axis=0) if steps else np.zeros(len(x))]
    if contract.mode != "values" and x.shape[1] >= 3:
        found.append(np.abs(x[:, :2] - x[:, 1:3]).mean(axis=axes))
    return np.stack(found, axis=1).astype(np.float64)


def ordinary_look(inputs: NDArray[np.generic], contract: Contract) -> tuple[tuple[float, float], ...]:
    """Of each number of :func:`look_of` the range that ordinary items have: all but 1% of the training items *inputs*,
    and a tenth of it (more of few items) on either side: fewer than 1 in 100 ordinary items are outside. Of texts none.
    """
    if contract.mode == "text" or not len(inputs):
        return ()
    some = evenly(len(inputs), max(1, min(1000, MOST // max(1, inputs[0].size))))
    look = np.concatenate([look_of(inputs[chunk], contract) for chunk in np.array_split(some, -(-len(some) // 64))])
    low, high = np.quantile(look, [0.005, 0.995], axis=0)
    room = (MARGIN + FEW / len(some)) * (high - low)
    return tuple(zip((low - room).tolist(), (high + room).tolist(), strict=True)) if np.isfinite(look).all() else ()


def unlike(
    inputs: NDArray[np.generic], sizes: Sequence[tuple[int, int] | None], contract: Contract
) -> list[tuple[str, ...]]:
    """For each item in what it is unlike the training items, in words: ``("brighter", "smaller")``; mostly nothing.

    Args:
        inputs: ``(N, C, ...)`` as the contract prepares them.
        sizes: The width and height of each image as it came, where it is one.

    >>> contract = Contract(("a", "b"), (1, 1, 1), "L", (0.5,), (0.5,), look=((0.1, 0.4), (0, 1), (0, 1)))
    >>> unlike(np.array([[[[255]]], [[[51]]]], np.uint8), [None, None], contract)
    [('brighter',), ()]
    """
    names = (*NAMES, COLOUR)
    found: list[list[str]] = [[] for _ in sizes]
    if contract.look:
        look = look_of(inputs, contract)
        for words, value in zip(found, look, strict=True):
            for name, number, (low, high) in zip(names, value.tolist(), contract.look, strict=False):
                if not low <= number <= high:
                    words.append(name[number > high])
    if contract.mode == "text":
        known_words = [bool((row > UNKNOWN).any()) for row in np.asarray(inputs, np.int64)]
        for words, known in zip(found, known_words, strict=True):
            words += [] if known else [NO_WORD]
    for words, size in zip(found, sizes, strict=True):
        if contract.smallest is not None and size is not None and min(size) * SMALLER < contract.smallest:
            words.append("smaller")
    return [tuple(words) for words in found]
