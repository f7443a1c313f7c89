"""What a network likes best, in the pixels that its model was made for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from striate.errors import SeeError
from striate.inspect import Imagined, Target, dream, imagine
from striate.inspect.models.seeing import Subject
from striate.model.sources import Source

REACH = 3.0  # deviations on each side of the mean, of values that are no bytes


def imagined(
    looked: Subject,
    target: Target,
    *,
    start: Source | None = None,
    dreaming: bool = False,
    progress: Callable[[int, int, float], None] | None = None,
    **settings: Any,
) -> Imagined:
    """:func:`striate.inspect.imagine` for *target*, or :func:`striate.inspect.dream` on *start*, for a model of images.

    Args:
        looked: The network.
        target: A class, a channel, a unit; to dream of, a layer too.
        start: An image to begin with.
        dreaming: Dream on it.
        progress: Called with (steps done, steps in all, score).
        **settings: Of the function.

    Raises:
        SeeError: The network takes no images, or there is nothing to begin the dream with.
    """
    contract = looked.contract
    if len(contract.input) != 3 or contract.mode == "text":
        what = "texts" if contract.mode == "text" else f"items of {'x'.join(map(str, contract.input))}"
        raise SeeError(
            f"only images are imagined, and the network takes {what}; see peaks for real items that it likes"
        )
    channels = contract.input[0]
    mean, std = contract.mean, contract.std
    begin = None if start is None else looked.item(start).astype(np.float32)
    if contract.mode == "values":
        if begin is not None:
            low, span = (np.reshape(v, (-1, 1, 1)) for v in (np.array(mean) - REACH * np.array(std), std))
            begin = ((begin - low) / (2 * REACH * span)).astype(np.float32)
        mean, std = (0.5,) * channels, (1 / (2 * REACH),) * channels
    elif begin is not None:
        begin /= 255
    if dreaming:
        if begin is None:
            raise SeeError("a dream needs an image to begin with: --start IMAGE")
        return dream(looked.module, target, begin, mean=mean, std=std, progress=progress, **settings)
    shape: Any = contract.input
    return imagine(looked.module, target, shape, start=begin, mean=mean, std=std, progress=progress, **settings)
