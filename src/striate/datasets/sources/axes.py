"""Arrays as inputs: which axis is the channels, and what is an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from striate.errors import DataError

_MOST = 16  # channels: a longer axis is a side of a volume
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_AXES = {2: "(N, L)", 3: "(N, H, W)", 4: "(N, H, W, C) or (N, C, H, W)", 5: "(N, D, H, W, C) or (N, C, D, H, W)"}


@dataclass(frozen=True, eq=False)
class Taken:
    """Inputs as a part holds them, the mode, one item's ``(C, ...)``, and how the axes were taken, in words."""

    inputs: np.ndarray
    mode: str
    shape: tuple[int, ...]
    note: str
    axis: int  # of the channels, in the array as it came; 0 where there are none


def taken(where: str, array: np.ndarray, like: Taken | None = None) -> Taken:
    """*array* as images or values, by its type and its axes.

    Bytes ``(N, H, W)`` are grey images, ``(N, H, W, C)`` or ``(N, C, H, W)`` images of C channels: the smaller of the
    two ends. Everything else becomes values, float32 ``(N, C, ...)``: ``(N, L)`` and ``(N, A, B)`` are of one channel;
    of four axes or more the smaller end is the channels. Where no end is below 17 and unlike the other, four axes are
    volumes of one channel, ``(N, D, H, W)``.

    Args:
        where: What the array is called in a message.
        array: Numbers, finite.
        like: The training part, whose axes and, of values, sides this one must share.

    Raises:
        DataError: Too few or too many axes, or others than the training part's.
    """
    if array.ndim not in _AXES:
        raise DataError(f"{where} has the shape {array.shape}, wanted 2 to 5 axes, such as {_AXES[4]}")
    axis = like.axis if like else _channel_axis(array.shape)
    image = array.dtype == np.uint8 and (array.ndim == 3 or (array.ndim == 4 and axis != 0))
    if like and (like.mode != "values") != image:
        raise DataError(f"{where} holds {array.dtype} {array.shape}, the training part others; save them alike")
    if axis >= array.ndim:
        raise DataError(f"{where} has the shape {array.shape}, the items of the training part have more axes")
    first = np.moveaxis(array, axis, 1) if axis else array[:, None]
    channels = f"axis {axis} is taken for the channels ({first.shape[1]})" if axis else "there is one channel"
    what = "images" if image else "volumes" if first.ndim == 5 else "values"
    note = f"{array.dtype} {array.shape}: {what}; {channels}, so an item is {'x'.join(map(str, first.shape[1:]))}"
    if image:
        inputs = np.moveaxis(first, 1, -1) if axis else array
        mode = _MODES.get(first.shape[1], "channels")
        result = Taken(np.ascontiguousarray(inputs), mode, first.shape[1:], note, axis)
    else:
        with np.errstate(over="ignore"):
            values = np.ascontiguousarray(first, np.float32)
        if not np.isfinite(values).all():
            raise DataError(f"{where} holds numbers beyond 3.4e38, the most of 32 bits; scale it")
        result = Taken(values, "values", first.shape[1:], note, axis)
    if like and (like.shape[:1] != result.shape[:1] if image else like.shape != result.shape):
        raise DataError(f"{where}: an item is {result.shape}, in the training part {like.shape}; save them alike")
    return result


def _channel_axis(shape: tuple[int, ...]) -> int:
    """The axis that is the channels; 0 where none is.

    >>> [_channel_axis(s) for s in ((9, 32, 32), (9, 32, 32, 3), (9, 13, 64, 64), (9, 28, 28, 28), (9, 2, 8, 8, 8))]
    [0, 3, 1, 0, 1]
    """
    if len(shape) < 4:
        return 0
    first, last = shape[1], shape[-1]
    small = min(first, last)
    if len(shape) == 4 and (small > _MOST or (first == last and small > max(_MODES))):
        return 0
    return 1 if first < last else len(shape) - 1
