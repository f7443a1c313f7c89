"""``convolve``, ``pool`` and ``activation`` of an image file, typed numbers or an array."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from striate.errors import SeeError, nearest, shape_text
from striate.filtering import sliding
from striate.filtering.kernels import COMBINED, NAMED, SIZED, Kernel, find_kernel
from striate.filtering.sliding import Padding, SlidingWindow, sliding_window
from striate.filtering.steps import SlidingSteps, height_by, input_panel
from striate.model.image import decode
from striate.plotting.picture import (
    ColourScale,
    HasPicture,
    Panel,
    Picture,
    image_panel,
    panel_grid,
    short,
    value_panel,
)

CHANNELS = ("grey", "each", "volume")
SHOWN = ("colour", "grey", "numbers")
MAX_NUMBERS = 16  # rows and columns that are printed
SMALL_KERNEL = 5  # up to which the pixels of a kernel are drawn large


@dataclass(frozen=True, eq=False)
class FilteredImage(HasPicture):
    """One operation on one image, and its output.

    Args:
        kind: ``"convolve"``, ``"max"``, ``"average"``, ``"sum"`` or an activation.
        title: What was done, in words.
        image: ``(H, W)`` or ``(H, W, 3)``, as it was given: 0 to 255 of a file.
        output: ``(OH, OW)`` or ``(OH, OW, 3)``.
        moves: The window.
        kernel: Of a convolution.
        flip: Whether it was rotated by 180 degrees.
    """

    kind: str
    title: str
    image: np.ndarray
    output: np.ndarray
    moves: SlidingWindow
    kernel: Kernel | None = None
    flip: bool = False

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        about: dict[str, Any] = {"operation": self.kind, "input": list(self.image.shape)}
        about["output"] = list(self.output.shape)
        if self.kernel:
            about["kernel"] = {"name": self.kernel.name, "weights": [w.tolist() for w in self.kernel.weights]}
        return about | {"min": float(self.output.min()), "max": float(self.output.max())}

    def __str__(self) -> str:
        return self.text()

    def text(self, numbers: bool = False) -> str:
        """What was done and the range of the output; with *numbers*, every number of a small output."""
        low, high = float(self.output.min()), float(self.output.max())
        lines = [self.title, f"input {_shape(self.image)}, output {_shape(self.output)}: {short(low)} to {short(high)}"]
        if self.kernel and max(self.kernel.shape) <= 7:
            lines += ["kernel", *(_table(w) for w in self.kernel.weights if w.ndim == 2)]
        small = self.output.ndim == 2 and max(self.output.shape) <= MAX_NUMBERS
        if numbers and not small:
            raise SeeError(
                f"the output is {_shape(self.output)}; numbers are printed for one channel of "
                f"{MAX_NUMBERS}x{MAX_NUMBERS} at most: use a smaller image, --channels grey, or -o OUT.png"
            )
        return "\n".join([*lines, *(["output", _table(self.output)] if numbers or small else [])])

    def picture(self, show: str = "colour") -> Picture:
        """Image, kernel and output side by side; the output in colours (zero is white), or as ``grey`` 0 to 255."""
        if show not in SHOWN:
            raise SeeError(f"show is {show!r}{nearest(show, SHOWN)}")
        low, high = float(self.output.min()), float(self.output.max())
        title, note = f"output {_shape(self.output)}", f"{short(low)} to {short(high)}"
        panels = [input_panel(self.image)]
        if self.kernel:
            scale = ColourScale.of(*self.kernel.weights)
            side = 0 if max(self.kernel.shape) <= SMALL_KERNEL else 320
            panels += [p for w in self.kernel.weights for p in _plane_panels(w, scale, f"kernel {_shape(w)}", side)]
        if show == "grey" or (self.output.ndim == 3 and low >= 0 and high <= 255):
            pixels = _to_bytes(self.output) if show == "grey" else np.rint(self.output).astype(np.uint8)
            note += ", drawn from black to white" * (show == "grey")
            panels.append(image_panel(pixels, title=title, note=note))
            return panel_grid(panels, columns=len(panels), title=self.title)
        scale = ColourScale.of(self.output)
        outputs, footer = _plane_panels(self.output, scale, title, note=note), "The scale bar is for the output."
        if len(outputs) > 1:
            return panel_grid(outputs, columns=3, title=self.title, scale=scale, footer=footer, lead=panels)
        return panel_grid([*panels, *outputs], columns=99, title=self.title, scale=scale, footer=footer)

    def steps(self) -> SlidingSteps:
        """The steps, to be saved as an animation or a page: of one kernel on one channel.

        Raises:
            SeeError: There are several kernels or channels.
        """
        weights = None
        if self.kernel:
            if len(self.kernel.weights) > 1:
                x, y = COMBINED[self.kernel.name]
                raise SeeError(f"{self.kernel.name} is two kernels; animate one: {x} or {y}")
            (weights,) = self.kernel.weights
            weights = weights[::-1, ::-1] if self.flip else weights
        if self.image.ndim == 3 or (weights is not None and weights.ndim == 3):
            raise SeeError("the steps are shown on one channel; use --channels grey")
        return SlidingSteps(self.kind, self.image, self.moves, weights, self.output, self.title)


def convolve(
    image: str | Path | np.ndarray,
    kernel: str,
    *,
    stride: int = 1,
    padding: Padding = "valid",
    dilation: int = 1,
    flip: bool = False,
    channels: str = "grey",
) -> FilteredImage:
    """*image* convolved with *kernel*, as a network does it (cross-correlation).

    Args:
        image: A file, typed numbers (``"1 0; 0 1"``), or an array ``(H, W)`` or ``(H, W, C)``.
        kernel: A name (``"sobel-x"``, ``"gaussian-7"``) or typed numbers.
        stride: Pixels from one window to the next.
        padding: ``"valid"``, ``"same"`` or the zeros on each side.
        dilation: Pixels from one weight to the next.
        flip: Rotate the kernel by 180 degrees first: the convolution of signal processing.
        channels: ``"grey"``; ``"each"`` channel by itself; ``"volume"``: one sum over the channels, as the first
            layer of a network does it, the same weights for each unless the kernel has its own (``|`` between them).

    Returns:
        The output, float64 ``(OH, OW)`` (of channels by themselves ``(OH, OW, C)``); ``picture()`` draws it,
        ``steps()`` animates it.

    Raises:
        SeeError: No such kernel, or shapes that do not fit. DataError: The file cannot be read.

    >>> found = convolve("1 1 1 0 0; 0 1 1 1 0; 0 0 1 1 1; 0 0 1 1 0; 0 1 1 0 0", "1 0 1; 0 1 0; 1 0 1")
    >>> found.output.astype(int).tolist()
    [[4, 3, 4], [2, 4, 3], [2, 3, 4]]
    """
    found = find_kernel(kernel)
    typed = found.weights[0].ndim == 3
    pixels = _read(image, "volume" if typed else channels)
    weights = found.weights
    if channels == "volume" and pixels.ndim == 3 and not typed:
        found = Kernel(
            found.name, tuple(np.repeat(w[..., None], pixels.shape[2], axis=2) for w in weights), found.purpose
        )
    settings: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    output = sliding.convolve_array(pixels, found, flip=flip, **settings)
    how = f"{'convolution (kernel turned)' if flip else 'cross-correlation, as networks do it'}"
    extra = f", dilation {dilation}" * (dilation > 1)
    title = f"{found.name}: {how}; stride {stride}, padding {padding}{extra}"
    height, width = weights[0].shape[:2]
    return FilteredImage("convolve", title, pixels, output, sliding_window((height, width), **settings), found, flip)


def pool(
    image: str | Path | np.ndarray,
    size: int,
    *,
    kind: str = "max",
    stride: int | None = None,
    padding: Padding = "valid",
    channels: str = "grey",
) -> FilteredImage:
    """The max, mean or sum of every window of *image*.

    Args:
        image: As in :func:`convolve`; likewise *padding* and *channels*.
        size: Of the window's sides.
        kind: ``"max"``, ``"average"`` or ``"sum"``.
        stride: Pixels from one window to the next; the size, if not given.

    Raises:
        SeeError: Another kind, or a window that does not fit.

    >>> pool("1 1 2 4; 5 6 7 8; 3 2 1 0; 1 2 3 4", 2).output.astype(int).tolist()
    [[6, 8], [3, 4]]
    """
    pixels = _read(image, channels)
    output = sliding.pool_array(pixels, size, kind, stride=stride, padding=padding)
    moves = sliding_window((size, size), stride=size if stride is None else stride, padding=padding)
    title = f"{kind} pooling {size}x{size}; stride {moves.stride}, padding {padding}"
    return FilteredImage(kind, title, pixels, output, moves)


def activation(
    image: str | Path | np.ndarray, kind: str = "relu", *, after: str | None = None, channels: str = "grey"
) -> FilteredImage:
    """An activation function of every number of *image*.

    Args:
        image: As in :func:`convolve`; likewise *channels*.
        kind: ``"relu"``, ``"tanh"`` or ``"sigmoid"``.
        after: A kernel to convolve the image with first, so that there are negative numbers.

    Raises:
        SeeError: Another kind, or no such kernel.

    >>> activation("3 -1; 0 -5", "relu").output.tolist()
    [[3.0, 0.0], [0.0, 0.0]]
    """
    pixels = _read(image, channels)
    before = sliding.convolve_array(pixels, after) if after else pixels
    output = sliding.activate_array(before, kind)
    title = f"{kind}: {sliding.ACTIVATIONS[kind][1]}" + (f", of the image after {after}" if after else "")
    return FilteredImage(kind, title, before, output, sliding_window((1, 1)))


def kernel_list() -> list[Kernel]:
    """Every named kernel."""
    return [find_kernel(name) for name in (*NAMED, *COMBINED)]


def kernel_text() -> str:
    """Every named kernel, with its numbers and what it is for."""
    blocks = []
    for kernel in kernel_list():
        small = len(kernel.weights) == 1 and max(kernel.shape) <= 5
        both = f"{' and '.join(COMBINED[kernel.name])} together" if len(kernel.weights) > 1 else ""
        table = _table(kernel.weights[0], indent=4) if small else f"    {both or shape_text(kernel.shape)}"
        blocks.append(f"{kernel.name}: {kernel.purpose}\n{table}")
    return "\n".join([*blocks, f"a size may follow {', '.join(SIZED)} (box-5), an angle gabor (gabor-45)"])


def _plane_panels(array: np.ndarray, scale: ColourScale, title: str, side: int = 0, note: str = "") -> list[Panel]:
    """A panel of ``(H, W)``, or one for each channel of ``(H, W, C)``."""
    if array.ndim == 2:
        return [value_panel(array, scale, title=title, side=side, note=note)]
    count = array.shape[2]
    names = ("red", "green", "blue") if count == 3 else [f"channel {c}" for c in range(count)]
    return [value_panel(array[..., c], scale, title=f"{title}, {name}", side=side) for c, name in enumerate(names)]


def _read(image: str | Path | np.ndarray, channels: str) -> np.ndarray:
    if channels not in CHANNELS:
        raise SeeError(f"channels is {channels!r}{nearest(channels, CHANNELS)}")
    if isinstance(image, np.ndarray):
        return image
    if ";" in str(image) and not Path(image).exists():
        (numbers,) = find_kernel(str(image)).weights
        return numbers
    mode = "L" if channels == "grey" else "RGB"
    return np.asarray(decode(image, mode), np.float64)


def _to_bytes(output: np.ndarray) -> np.ndarray:
    low, high = output.min(), output.max()
    return np.asarray(np.rint((output - low) * (255 / (high - low) if high > low else 0)).astype(np.uint8))


def _shape(array: np.ndarray) -> str:
    return height_by(array) + (f"x{array.shape[2]}" if array.ndim == 3 else "")


def _table(rows: np.ndarray, indent: int = 2) -> str:
    cells = [[short(v) for v in row] for row in np.atleast_2d(rows).tolist()]
    width = max(len(cell) for row in cells for cell in row)
    return "\n".join(" " * indent + " ".join(cell.rjust(width) for cell in row) for row in cells)
