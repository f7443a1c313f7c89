"""``convolve``, ``pool`` and ``activation`` of an image file, typed numbers or an array."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from striate.errors import DataError, SeeError, counted, did_you_mean, nearest, shape_text
from striate.files import near_path
from striate.filtering import sliding
from striate.filtering.kernels import COMBINED, NAMED, SIZED, Kernel, find_kernel, typed_numbers
from striate.filtering.sliding import Padding, SlidingWindow, Stride, sliding_window
from striate.filtering.steps import SlidingSteps, height_by, input_panel, photo_bytes
from striate.model.image import decode
from striate.plotting.picture import (
    ColourScale,
    HasPicture,
    IntensityScale,
    Panel,
    Picture,
    image_panel,
    panel_grid,
    range_text,
    short,
    value_panel,
)

CHANNELS = ("grey", "each", "volume")
SHOWN = ("colour", "grey", "numbers")
MAX_NUMBERS = 16  # rows and columns that are printed
SMALL_KERNEL = 5  # up to which the pixels of a kernel are drawn large
TYPED = re.compile(r"[-\N{MINUS SIGN}+.,;|/eE\d\s]+")  # numbers, and no name of a file
WHITE = 255.0  # of a photo's numbers
SATURATING = ("tanh", "sigmoid")  # which are flat far from 0


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
        white: The number that stands for white in the photo from which all this was made; 0: it was no photo.
        photo: Whether *image* is still that photo or one like it, from black to *white*.
    """

    kind: str
    title: str
    image: np.ndarray
    output: np.ndarray
    moves: SlidingWindow
    kernel: Kernel | None = None
    flip: bool = False
    white: float = 0.0
    photo: bool = False

    @property
    def stays_photo(self) -> bool:
        """Whether the output is brightness as well: the weights sum to 1, or each number is one of, or the mean of,
        the image's.
        """
        if self.kernel is None:
            return self.photo and self.kind in ("max", "average", "relu")
        return self.photo and len(self.kernel.weights) == 1 and abs(self.kernel.weights[0].sum() - 1) < 0.05

    def unread(self) -> str:
        """Which rows and columns of the image no window covers, in words; "" for none."""
        words = []
        shape = (self.image.shape[0], self.image.shape[1])
        for lines, what, n in zip(self.moves.unread(shape), ("row", "column"), shape, strict=True):
            if lines and lines == list(range(n - len(lines), n)):
                words.append(f"the last {counted(len(lines), what) if len(lines) > 1 else what}")
            elif lines:
                words.append(f"{len(lines)} of the {counted(n, what)}")
        return f"never read: {', '.join(words)} (stride {_stride(self.moves)})" if words else ""

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        about: dict[str, Any] = {"operation": self.kind, "input": list(self.image.shape)}
        about["output"] = list(self.output.shape)
        if self.kernel:
            about["kernel"] = {"name": self.kernel.name, "weights": [w.tolist() for w in self.kernel.weights]}
        rows, columns = map(len, self.moves.unread((self.image.shape[0], self.image.shape[1])))
        about["unread"] = {"rows": rows, "columns": columns}
        return about | {"min": float(self.output.min()), "max": float(self.output.max())}

    def __str__(self) -> str:
        return self.text()

    def text(self, numbers: bool = False) -> str:
        """What was done and the range of the output; with *numbers*, every number of a small output."""
        lines = [self.title, f"input {_shape(self.image)}, output {_shape(self.output)}: {range_text(self.output)}"]
        lines += filter(None, [self.unread()])
        if self.kernel and max(self.kernel.shape) <= 7:
            lines += ["kernel", *(_table(w) for w in self.kernel.weights if w.ndim == 2)]
        small = self.output.ndim == 2 and max(self.output.shape) <= MAX_NUMBERS
        if numbers and not small:
            raise SeeError(
                f"the output is {_shape(self.output)}; numbers are printed for one channel of "
                f"{MAX_NUMBERS}x{MAX_NUMBERS} at most: use a smaller image, --channels grey, or -o OUT.png"
            )
        return "\n".join([*lines, *(["output", _table(self.output)] if numbers or small else [])])

    @classmethod
    def start(cls, pixels: np.ndarray, white: float, photo: bool) -> FilteredImage:
        """Numbers as they are, for a first stage to take."""
        return cls("max", "", pixels, pixels, sliding_window((1, 1)), white=white, photo=photo)

    def note(self, show: str = "colour") -> str:
        """What stands below the output: its range, and how it is drawn where its colours do not say it."""
        if show == "grey":
            return f"{range_text(self.output)}, drawn from black to white"
        clipped = self.stays_photo and (self.output.min() < 0 or self.output.max() > self.white)
        return range_text(self.output) + f", drawn clipped to 0..{self.white:g}" * bool(clipped)

    def pixels(self, show: str = "colour", scale: ColourScale | None = None) -> np.ndarray:
        """The output as an image of its own size, uint8 ``(OH, OW)`` or ``(OH, OW, 3)``.

        Args:
            show: ``"colour"``: as a photo where it still is one, else in the colours of *scale* (its own, if not
                given), in which zero is near white; ``"grey"``: from black for its least to white for its largest.
            scale: Of the colours.

        Raises:
            SeeError: Another *show*.

        >>> convolve("0 1 0; 0 1 0; 0 1 0", "1 0; 0 1").pixels("grey").tolist()
        [[0, 0], [0, 0]]
        """
        if show not in SHOWN:
            raise SeeError(f"show is {show!r}{nearest(show, SHOWN)}")
        if show != "grey" and self.stays_photo:
            return photo_bytes(self.output, self.white)
        scale = scale or ColourScale.of(self.output)
        if show == "grey" or (self.output.ndim == 3 and not scale.signed):
            return _to_bytes(self.output)
        return (IntensityScale(scale.limit) if self.output.ndim == 3 else scale).colours(self.output)

    def picture(self, show: str = "colour") -> Picture:
        """Image, kernel and output side by side; the output as :meth:`pixels` has it, of several channels apart."""
        if show not in SHOWN:
            raise SeeError(f"show is {show!r}{nearest(show, SHOWN)}")
        title, panels = f"output {_shape(self.output)}", [input_panel(self.image, self.white * self.photo)]
        if self.kernel:
            panels += kernel_panels(self.kernel)
        if show == "grey" or self.stays_photo:
            numbers = self.output if self.output.ndim == 2 else None
            panels.append(replace(image_panel(self.pixels(show), title=title, note=self.note(show)), numbers=numbers))
            return panel_grid(panels, columns=len(panels), title=self.title)
        scale = ColourScale.of(self.output)
        outputs, footer = (
            _plane_panels(self.output, scale, title, note=self.note(show)),
            "The scale bar is for the output.",
        )
        if len(outputs) > 1:
            return panel_grid(outputs, columns=3, title=self.title, scale=scale, footer=footer, lead=panels)
        return panel_grid([*panels, *outputs], columns=99, title=self.title, scale=scale, footer=footer)

    def steps(self) -> SlidingSteps:
        """The steps, to be saved as an animation or a page: on one channel, or typed numbers.

        Raises:
            SeeError: There are several channels.
        """
        weights = self.kernel.weights if self.kernel else ()
        if self.image.ndim == 3 or any(w.ndim == 3 for w in weights):
            raise SeeError("the steps are shown on one channel; use --channels grey")
        turned = tuple(w[::-1, ::-1] for w in weights) if self.flip else weights
        whites = self.white * self.photo, self.white * self.stays_photo
        return SlidingSteps(self.kind, self.image, self.moves, turned, self.output, self.title, *whites)


Filterable: TypeAlias = str | Path | np.ndarray | FilteredImage


def convolve(
    image: Filterable,
    kernel: str,
    *,
    stride: Stride = 1,
    padding: Padding = "valid",
    dilation: int = 1,
    flip: bool = False,
    channels: str = "grey",
) -> FilteredImage:
    """*image* convolved with *kernel*, as a network does it (cross-correlation).

    Args:
        image: A file, typed numbers (``"1 0; 0 1"``), an array ``(H, W)`` or ``(H, W, C)``, or what one of these
            functions gave, whose output is taken on.
        kernel: A name (``"sobel-x"``, ``"gaussian-7"``) or typed numbers.
        stride: Pixels from one window to the next; or (rows, columns).
        padding: ``"valid"``, ``"same"``, ``"full"`` or the zeros on each side.
        dilation: Pixels from one weight to the next.
        flip: Rotate the kernel by 180 degrees first: the convolution of signal processing.
        channels: ``"grey"``; ``"each"`` channel by itself; ``"volume"``: one sum over the channels, as the first
            layer of a network does it, the same weights for each unless the kernel has its own (``|`` between them).

    Returns:
        The output, float64 ``(OH, OW)`` (of channels by themselves ``(OH, OW, C)``); ``picture()`` draws it,
        ``steps()`` animates it.

    Raises:
        SeeError: No such kernel, or shapes that do not fit.
        DataError: The file cannot be read.

    >>> found = convolve("1 1 1 0 0; 0 1 1 1 0; 0 0 1 1 1; 0 0 1 1 0; 0 1 1 0 0", "1 0 1; 0 1 0; 1 0 1")
    >>> found.output.astype(int).tolist()
    [[4, 3, 4], [2, 4, 3], [2, 3, 4]]
    """
    found = find_kernel(kernel)
    typed = found.weights[0].ndim == 3
    pixels, white, photo = read_pixels(image, "volume" if typed else channels)
    weights = found.weights
    if channels == "volume" and pixels.ndim == 3 and not typed:
        found = Kernel(
            found.name, tuple(np.repeat(w[..., None], pixels.shape[2], axis=2) for w in weights), found.purpose
        )
    settings: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    output = sliding.convolve_array(pixels, found, flip=flip, **settings)
    how = "convolution (kernel flipped by 180 degrees)" if flip else "cross-correlation (as in PyTorch)"
    extra = f", dilation {dilation}" * (dilation > 1)
    height, width = weights[0].shape[:2]
    moves = sliding_window((height, width), **settings)
    name = "typed kernel" if found.name == "typed" else found.name
    title = f"{name}: {how}; stride {_stride(moves)}, padding {padding}{extra}"
    return FilteredImage("convolve", title, pixels, output, moves, found, flip, white, photo)


def pool(
    image: Filterable,
    size: Stride,
    *,
    kind: str = "max",
    stride: Stride | None = None,
    padding: Padding = "valid",
    channels: str = "grey",
) -> FilteredImage:
    """The max, mean or sum of every window of *image*.

    Args:
        image: As in :func:`convolve`, and *padding* and *channels* too, but without ``"volume"``.
        size: Of the window's sides, or (height, width).
        kind: ``"max"``, ``"average"`` or ``"sum"``.
        stride: Pixels from one window to the next, or (rows, columns); the window's sides, if not given.

    Raises:
        SeeError: Another kind, or a window that does not fit.

    >>> pool("1 1 2 4; 5 6 7 8; 3 2 1 0; 1 2 3 4", 2).output.astype(int).tolist()
    [[6, 8], [3, 4]]
    >>> pool("1 1 2 4; 5 6 7 8; 3 2 1 0; 1 2 3 4", (4, 2)).output.astype(int).tolist()
    [[6, 8]]
    """
    pixels, white, photo = read_pixels(image, _no_sum(channels, "pooling"))
    kind = sliding.POOL_NAMES.get(kind, kind)
    output = sliding.pool_array(pixels, size, kind, stride=stride, padding=padding)
    sides = (size, size) if isinstance(size, int) else size
    moves = sliding_window(sides, stride=sides if stride is None else stride, padding=padding)
    title = f"{kind} pooling {shape_text(sides)}; stride {_stride(moves)}, padding {padding}"
    return FilteredImage(kind, title, pixels, output, moves, white=white, photo=photo)


def activation(
    image: Filterable, kind: str = "relu", *, after: str | None = None, channels: str = "grey"
) -> FilteredImage:
    """An activation function of every number of *image*.

    Args:
        image: As in :func:`convolve`, and *channels* too.
        kind: ``"relu"``; or ``"tanh"`` or ``"sigmoid"``, before which a photo's 0 to 255 are divided by 255: both are
            flat beyond 5.
        after: A kernel to convolve the image with first, so that there are negative numbers.

    Raises:
        SeeError: Another kind, or no such kernel.

    >>> activation("3 -1; 0 -5", "relu").output.tolist()
    [[3.0, 0.0], [0.0, 0.0]]
    """
    if after:
        image = convolve(image, after, channels=channels)
    before, white, photo = read_pixels(image, channels if after else _no_sum(channels, "an activation"))
    scaled = white == WHITE and kind in SATURATING
    if scaled:
        before, white = before / WHITE, 1.0
    output = sliding.activate_array(before, kind)
    title = f"{kind}: {sliding.ACTIVATIONS[kind][1]}" + f", of the image after {after}" * bool(after)
    title += ", divided by 255 first" * scaled
    return FilteredImage(kind, title, before, output, sliding_window((1, 1)), white=white, photo=photo)


def _no_sum(channels: str, what: str) -> str:
    if channels == "volume":
        raise SeeError(f"channels is 'volume', a sum over the channels, which {what} does not take; use grey or each")
    return channels


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
    return "\n".join([*blocks, f"append a size to {', '.join(SIZED)} (box-5), an angle to gabor (gabor-45)"])


def kernel_panels(kernel: Kernel, side: int = 0) -> list[Panel]:
    """The kernel's numbers, a panel for each of its planes; by its own size, if no *side* is given.

    >>> [panel.title for panel in kernel_panels(find_kernel("sobel"))]
    ['kernel 3x3', 'kernel 3x3']
    """
    scale = ColourScale.of(*kernel.weights)
    side = side or (0 if max(kernel.shape) <= SMALL_KERNEL else 320)
    return [p for w in kernel.weights for p in _plane_panels(w, scale, f"kernel {_shape(w)}", side)]


def _plane_panels(array: np.ndarray, scale: ColourScale, title: str, side: int = 0, note: str = "") -> list[Panel]:
    """A panel of ``(H, W)``, or one for each channel of ``(H, W, C)``."""
    if array.ndim == 2:
        return [value_panel(array, scale, title=title, side=side, note=note)]
    count = array.shape[2]
    names = ("red", "green", "blue") if count == 3 else [f"channel {c}" for c in range(count)]
    return [value_panel(array[..., c], scale, title=f"{title}, {name}", side=side) for c, name in enumerate(names)]


def read_pixels(image: Filterable, channels: str) -> tuple[np.ndarray, float, bool]:
    """The numbers, the number of white (0: they are of no photo), and whether they are brightness from 0 to it.

    Raises:
        DataError: The file cannot be read.
        SeeError: *channels* is none of the three.

    >>> read_pixels("0 2; 1 3", "grey")[1:]
    (0.0, False)
    """
    if channels not in CHANNELS:
        raise SeeError(f"channels is {channels!r}{nearest(channels, CHANNELS)}")
    if isinstance(image, FilteredImage):
        return image.output, image.white, image.stays_photo
    if isinstance(image, np.ndarray | list | tuple):
        array = np.asarray(image)
        photo = array.dtype == np.uint8 or _is_brightness(array)
        return array.astype(np.float64), WHITE * photo, photo
    if TYPED.fullmatch(str(image)) and not Path(image).exists():
        return typed_numbers(str(image), "image"), 0.0, False
    if near := near_path(image):
        raise DataError(f"{image}: file not found{did_you_mean(near)}")
    return np.asarray(decode(image, "L" if channels == "grey" else "RGB"), np.float64), WHITE, True


def _is_brightness(array: np.ndarray) -> bool:
    """Whether numbers of another type than bytes look like those of a photo."""
    large = array.ndim in (2, 3) and min(array.shape[:2]) > MAX_NUMBERS
    return bool(large and array.min() >= 0 and 1 < array.max() <= WHITE)


def _to_bytes(output: np.ndarray) -> np.ndarray:
    low, high = output.min(), output.max()
    return np.asarray(np.rint((output - low) * (255 / (high - low) if high > low else 0)).astype(np.uint8))


def _stride(moves: SlidingWindow) -> str:
    rows, columns = moves.stride
    return str(rows) if rows == columns else f"{rows}x{columns}"


def _shape(array: np.ndarray) -> str:
    return height_by(array) + (f"x{array.shape[2]}" if array.ndim == 3 else "")


def _table(rows: np.ndarray, indent: int = 2) -> str:
    cells = [[short(v) for v in row] for row in np.atleast_2d(rows).tolist()]
    width = max(len(cell) for row in cells for cell in row)
    return "\n".join(" " * indent + " ".join(cell.rjust(width) for cell in row) for row in cells)
