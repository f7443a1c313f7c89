"""Convolution, pooling and activations of one array, in numbers that can be followed.

Convolution here is what networks do, cross-correlation: the kernel slides over the image as it is written. ``flip``
turns it by 180 degrees first, which is the convolution of signal processing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from striate.errors import SeeError, nearest, shape_text
from striate.filtering.kernels import Kernel, find_kernel

Stride = int | tuple[int, int]  # of both axes, or of each
Padding = int | str  # "valid" (none), "same" (with stride 1 as large as the input), "full" (every overlap), or pixels
POOLS: dict[str, Callable[..., np.ndarray]] = {"max": np.max, "average": np.mean, "sum": np.sum}
POOL_NAMES = {"avg": "average", "mean": "average"}  # other names for them
ACTIVATIONS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "relu": (lambda x: np.maximum(x, 0), "max(0, x)"),
    "tanh": (np.tanh, "(e^x - e^-x) / (e^x + e^-x)"),
    "sigmoid": (lambda x: 0.5 * (1 + np.tanh(x / 2)), "1 / (1 + e^-x)"),
}


@dataclass(frozen=True)
class SlidingWindow:
    """How a window moves: its height and width, the stride, and what is padded before and after, along each axis;
    dilation.
    """

    size: tuple[int, int]
    stride: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]
    dilation: int = 1

    @property
    def span(self) -> tuple[int, int]:
        """The pixels from one edge of the window to the other, gaps counted."""
        height, width = ((n - 1) * self.dilation + 1 for n in self.size)
        return height, width

    def output(self, shape: tuple[int, int]) -> tuple[int, int]:
        """The size of the output: ``floor((i + 2p - k) / s) + 1`` an axis (Dumoulin and Visin 2016, relationship 6).

        Raises:
            SeeError: The window does not fit.
        """
        room = [n + b + a - s for n, b, a, s in zip(shape, self.before, self.after, self.span, strict=True)]
        if min(room) < 0:
            raise SeeError(
                f"a {shape_text(self.span)} window does not fit the {shape_text(shape)} image; "
                "use a smaller window or more padding"
            )
        return room[0] // self.stride[0] + 1, room[1] // self.stride[1] + 1

    def unread(self, shape: tuple[int, int]) -> tuple[list[int], list[int]]:
        """The rows and the columns of an image of *shape* that no window covers.

        >>> sliding_window((2, 2), stride=2).unread((5, 4))
        ([4], [])
        """
        rows, columns = (
            sorted({*range(n)} - {o * s - b + i * self.dilation for o in range(out) for i in range(k)})
            for n, out, s, b, k in zip(shape, self.output(shape), self.stride, self.before, self.size, strict=True)
        )
        return rows, columns

    def views(self, image: np.ndarray, fill: float = 0.0) -> np.ndarray:
        """Every window of *image* ``(H, W)``: ``(OH, OW, h, w)``, a view of the padded image."""
        self.output(image.shape)
        padded = np.pad(image, list(zip(self.before, self.after, strict=True)), constant_values=fill)
        views = sliding_window_view(padded, self.span)
        return views[:: self.stride[0], :: self.stride[1], :: self.dilation, :: self.dilation]


def sliding_window(
    size: tuple[int, int], *, stride: Stride = 1, padding: Padding = "valid", dilation: int = 1
) -> SlidingWindow:
    """The window of these settings.

    ``"same"`` puts what is odd of the padding after the image, as torch does; ``"full"`` has every window that overlaps
    the image.

    Raises:
        SeeError: A setting that is no such number or word.

    >>> sliding_window((3, 3), padding="same").output((5, 5)), sliding_window((2, 2), stride=2).output((5, 5))
    ((5, 5), (2, 2))
    """
    strides = stride if isinstance(stride, tuple) else (stride, stride)
    sides = {"the side of a window": size, "stride": strides, "dilation": (dilation,)}
    for name, values in sides.items():
        for value in values:
            if type(value) is not int or value < 1:
                raise SeeError(f"{name} must be a whole number of at least 1, got {value!r}")
    if len(strides) != 2 or len(size) != 2:
        raise SeeError(
            f"a window of {size!r} with stride {stride!r}; expected one number, or one for each axis: (2, 3)"
        )
    span = tuple((n - 1) * dilation + 1 for n in size)
    if isinstance(padding, str) and padding.isdecimal():
        padding = int(padding)
    if type(padding) is int and padding >= 0:
        before, after = (padding, padding), (padding, padding)
    elif padding == "valid":
        before, after = (0, 0), (0, 0)
    elif padding == "same":
        before, after = (((span[0] - 1) // 2, (span[1] - 1) // 2), (span[0] // 2, span[1] // 2))
    elif padding == "full":
        before = after = (span[0] - 1, span[1] - 1)
    else:
        raise SeeError(f"padding is {padding!r}; expected valid, same, full or a number of pixels")
    return SlidingWindow((size[0], size[1]), (strides[0], strides[1]), before, after, dilation)


def convolve_array(
    image: np.ndarray,
    kernel: str | np.ndarray | Kernel,
    *,
    stride: Stride = 1,
    padding: Padding = "valid",
    dilation: int = 1,
    flip: bool = False,
) -> np.ndarray:
    """*image* convolved with *kernel*, float64.

    Args:
        image: ``(H, W)``, or ``(H, W, C)``: each channel by itself, unless the kernel has channels of its own.
        kernel: A name or typed numbers (:func:`striate.filtering.kernels.find_kernel`), an array ``(h, w)``, or
            ``(h, w, C)``, which sums over the channels as the first layer of a network does.
        stride: Pixels from one window to the next; or (rows, columns).
        padding: ``"valid"``, ``"same"``, ``"full"`` or the zeros on each side.
        dilation: Pixels from one weight to the next.
        flip: Turn the kernel by 180 degrees first.

    Returns:
        ``(OH, OW)``, or ``(OH, OW, C)`` of channels by themselves.

    Raises:
        SeeError: Shapes that do not fit.

    >>> image = np.array([[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]])
    >>> convolve_array(image, "1 0 1; 0 1 0; 1 0 1").astype(int).tolist()
    [[4, 3, 4], [2, 4, 3], [2, 3, 4]]
    """
    image = _checked(image)
    if isinstance(kernel, str):
        kernel = find_kernel(kernel)
    parts = kernel.weights if isinstance(kernel, Kernel) else (np.asarray(kernel, np.float64),)
    outputs = [_correlate(image, w, flip, stride=stride, padding=padding, dilation=dilation) for w in parts]
    if len(outputs) == 1:
        return outputs[0]
    return np.asarray(np.sqrt(np.sum([output**2 for output in outputs], axis=0)))


def _correlate(image: np.ndarray, weights: np.ndarray, flip: bool, **moves: Any) -> np.ndarray:
    if weights.ndim not in (2, 3) or 0 in weights.shape:
        raise SeeError(
            f"the kernel's shape is {weights.shape}; expected (h, w), or (h, w, C) for {image.ndim - 1} axes"
        )
    weights = weights[::-1, ::-1] if flip else weights
    height, width = weights.shape[:2]
    views = sliding_window((height, width), **moves).views
    if weights.ndim == 3:
        planes = np.atleast_3d(image)
        if weights.shape[2] != planes.shape[2]:
            raise SeeError(
                f"the kernel has {weights.shape[2]} channels, the image {planes.shape[2]}; they must be equal"
            )
        each = [np.einsum("yxhw,hw->yx", views(planes[..., c]), weights[..., c]) for c in range(planes.shape[2])]
        return np.asarray(np.sum(each, axis=0))
    if image.ndim == 3:
        return np.stack([np.einsum("yxhw,hw->yx", views(plane), weights) for plane in np.moveaxis(image, 2, 0)], -1)
    return np.asarray(np.einsum("yxhw,hw->yx", views(image), weights))


def pool_array(
    image: np.ndarray,
    size: int | tuple[int, int],
    kind: str = "max",
    *,
    stride: Stride | None = None,
    padding: Padding = "valid",
) -> np.ndarray:
    """The max, mean or sum of every window of *image*, float64; the channels by themselves.

    Args:
        image: ``(H, W)`` or ``(H, W, C)``.
        size: Of the window's sides, or (height, width).
        kind: ``"max"``, ``"average"`` (or ``"avg"``, ``"mean"``; padding counts as zeros, as in torch) or ``"sum"``.
        stride: The window's own sides, if not given.
        padding: What a maximum never is, and zeros for the others.

    Raises:
        SeeError: Another kind, or a window that does not fit.

    >>> pool_array(np.arange(16).reshape(4, 4), 2).astype(int).tolist()
    [[5, 7], [13, 15]]
    >>> pool_array(np.arange(16).reshape(4, 4), (1, 4)).astype(int).tolist()
    [[3], [7], [11], [15]]
    """
    image, kind = _checked(image), POOL_NAMES.get(kind, kind)
    if kind not in POOLS:
        raise SeeError(f"no pooling named {kind!r}{nearest(kind, POOLS)}")
    size = (size, size) if isinstance(size, int) else size
    moves = sliding_window(size, stride=size if stride is None else stride, padding=padding)
    if kind == "max" and any(pad > side // 2 for pad, side in zip(moves.before, moves.size, strict=True)):
        raise SeeError(f"padding {max(moves.before)} is more than half of the {shape_text(size)} window")
    fill = -math.inf if kind == "max" else 0.0
    if image.ndim == 3:
        return np.stack(
            [pool_array(image[..., c], size, kind, stride=stride, padding=padding) for c in range(image.shape[2])], -1
        )
    return POOLS[kind](moves.views(image, fill), axis=(2, 3))


def activate_array(image: np.ndarray, kind: str = "relu") -> np.ndarray:
    """``relu``, ``tanh`` or ``sigmoid`` of every number, float64.

    Raises:
        SeeError: Another kind.

    >>> activate_array(np.array([[-1.0, 2.0]])).tolist()
    [[0.0, 2.0]]
    """
    if kind not in ACTIVATIONS:
        raise SeeError(f"no activation named {kind!r}{nearest(kind, ACTIVATIONS)}")
    return ACTIVATIONS[kind][0](np.asarray(image, np.float64))


def _checked(image: np.ndarray) -> np.ndarray:
    image = np.asarray(image, np.float64)
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise SeeError(f"the image's shape is {image.shape}; expected (H, W) or (H, W, C)")
    if not np.isfinite(image).all():
        raise SeeError("the image contains NaN or infinity; expected finite numbers")
    return image
