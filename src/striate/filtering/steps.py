"""Every step of a sliding window: what it covers, the products, their sum, and the output as it grows."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from striate.errors import SeeError, shape_text
from striate.files import write_safely
from striate.filtering.sliding import ACTIVATIONS, SlidingWindow
from striate.plotting.picture import ColourScale, Panel, image_panel, panel_grid, short, value_panel
from striate.plotting.text import DENSITY
from striate.sampling import evenly

FRAMES = 64  # of an animation at most; of more steps, so many evenly spaced ones are shown
NOT_YET = (222, 226, 240)  # the colour of what is still to come where the output is grey itself
MAX_SIDE = 480  # pixels of an image; of a larger one its middle is shown


@dataclass(frozen=True, eq=False)
class SlidingSteps:
    """One channel under one moving window.

    Args:
        kind: ``"convolve"``, ``"max"``, ``"average"``, ``"sum"`` (pooling), or an activation's name.
        image: ``(H, W)``.
        moves: How the window moves; of an activation 1x1.
        weights: ``(h, w)`` of a convolution, one array or the two that are combined to their length; else none.
        output: ``(OH, OW)``, what the operation gives.
        title: Of every frame.
        white: The number that is drawn white where the image is a photo; 0: it is none.
        output_white: Likewise of the output.
    """

    kind: str
    image: np.ndarray
    moves: SlidingWindow
    weights: tuple[np.ndarray, ...]
    output: np.ndarray
    title: str
    white: float = 0.0
    output_white: float = 0.0

    def covered(self, y: int, x: int) -> np.ndarray:
        """What the window of output ``(y, x)`` covers: ``(h, w)``; NaN where that is padding of a maximum."""
        fill = np.nan if self.kind == "max" else 0.0
        return np.asarray(self.moves.views(self.image, fill)[y, x])

    def corner(self, y: int, x: int) -> tuple[int, int]:
        """The top left pixel of the window of output ``(y, x)``; negative in the padding."""
        (down, right), (above, left) = self.moves.stride, self.moves.before
        return y * down - above, x * right - left

    def arithmetic(self, y: int, x: int) -> str:
        """The sum behind output ``(y, x)``, written out.

        >>> moves = SlidingWindow((1, 2), (1, 1), (0, 0), (0, 0))
        >>> image, weights = np.array([[3.0, 4.0]]), np.array([[1.0, -2.0]])
        >>> steps = SlidingSteps("convolve", image, moves, (weights,), np.array([[-5.0]]), "")
        >>> steps.arithmetic(0, 0)
        '3 x 1 + 4 x (-2) = -5'
        """
        covered, answer = self.covered(y, x), short(float(self.output[y, x]))
        numbers = [short(v) for v in covered.ravel().tolist()]
        if len(self.weights) > 1:
            sums = [_signed(float((covered * w).sum())) for w in self.weights]
            return f"sqrt({' + '.join(f'{each}^2' for each in sums)}) = {answer}"
        if self.weights:
            pairs = zip(numbers, self.weights[0].ravel().tolist(), strict=True)
            return " + ".join(f"{value} x {_signed(weight)}" for value, weight in pairs) + f" = {answer}"
        if self.kind in ACTIVATIONS:
            return f"{self.kind}({numbers[0]}) = {answer}"
        if self.kind == "max":
            return f"max({', '.join(n for n in numbers if n != 'nan')}) = {answer}"
        total = " + ".join(_signed(v) for v in covered.ravel().tolist())
        return f"({total}) / {len(numbers)} = {answer}" if self.kind == "average" else f"{total} = {answer}"

    def cropped(self, side: int) -> SlidingSteps:
        """The steps on the middle of a larger image, *side* pixels wide and high or as many as one window takes; each
        number of the output is as it was.

        >>> moves = SlidingWindow((2, 2), (1, 1), (0, 0), (0, 0))
        >>> steps = SlidingSteps("max", np.zeros((9, 4)), moves, (), np.zeros((8, 3)), "")
        >>> small = steps.cropped(4)
        >>> small.image.shape, small.output.shape, small.title
        ((4, 4), (3, 3), '; the middle 4x4 of 9x4 pixels')
        """
        if max(self.image.shape) <= side:
            return self
        taken, kept, before, after = [], [], [], []
        for axis, n in enumerate(self.image.shape):
            stride, pad, span = self.moves.stride[axis], self.moves.before[axis], self.moves.span[axis]
            every = self.output.shape[axis]
            count = every if n <= side else min(every, max(1, (side - span) // stride + 1))
            first = (every - count) // 2
            start, end = first * stride - pad, (first + count - 1) * stride - pad + span
            taken.append(slice(max(0, start), min(n, end)) if n > side else slice(0, n))
            kept.append(slice(first, first + count))
            before.append(max(0, -start))
            after.append(max(0, end - n))
        image = self.image[tuple(taken)]
        moves = replace(self.moves, before=(before[0], before[1]), after=(after[0], after[1]))
        title = f"{self.title}; the middle {height_by(image)} of {height_by(self.image)} pixels"
        return replace(self, image=image, moves=moves, output=self.output[tuple(kept)], title=title)

    def save(self, path: str | Path) -> None:
        """Writes the animation, a ``.gif``.

        Raises:
            SeeError: Another suffix.
        """
        path = Path(path)
        if path.suffix.lower() != ".gif":
            raise SeeError(f"{path}: the animation is a .gif; a page to step through is striate.page.lab.LabPage")
        write_safely(path, self.gif())

    def gif(self) -> bytes:
        """The animation's bytes: each frame a second long where they are few, shorter where they are many."""
        frames = [frame.resize((frame.width // DENSITY, frame.height // DENSITY), Image.Resampling.LANCZOS)
                  for frame in self.cropped(MAX_SIDE)._frames()]  # fmt: skip
        size = max(f.width for f in frames), max(f.height for f in frames)
        frames = [_padded(frame, size) for frame in frames]
        stream = io.BytesIO()
        pause = max(120, min(1000, 20_000 // len(frames)))  # ms
        durations = [pause] * (len(frames) - 1) + [3000]
        frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
        return stream.getvalue()

    def _frames(self) -> Iterator[Image.Image]:
        seen = ColourScale.of(self.output)
        height, width = self.output.shape
        chosen = evenly(height * width, FRAMES)
        for step in chosen.tolist():
            y, x = divmod(step, width)
            grown = np.where(np.arange(height * width).reshape(height, width) <= step, self.output, np.nan)
            top, left = self.corner(y, x)
            tall, wide = self.moves.span
            image = replace(input_panel(self.image, self.white), marks=((top, left, tall, wide),))
            window, *products = self._window_panels(y, x)
            drawn = seen.colours(grown)
            if self.output_white:
                grey = photo_bytes(np.nan_to_num(grown), self.output_white)[..., None]
                drawn = np.where(np.isnan(grown)[..., None], NOT_YET, grey).astype(np.uint8)
            output = Panel(drawn, f"output {height_by(self.output)}", "", grown, ((y, x, 1, 1),))
            lead = [image, window, output] if len(self.weights) > 1 else []
            panels = products if lead else [image, window, *products, output]
            line = self.arithmetic(y, x) if self.moves.size[0] * self.moves.size[1] <= 25 else "the sum of the products"
            shown = f" of {height * width:,}, {len(chosen)} of which are shown" * (len(chosen) < height * width)
            footer = f"output ({y}, {x}) = {short(float(self.output[y, x]))}: step {step + 1:,}{shown}\n{line}"
            columns = 4 if lead else 3
            bar = None if self.output_white else seen
            yield panel_grid(panels, columns=columns, title=self.title, scale=bar, footer=footer, lead=lead).image

    def _window_panels(self, y: int, x: int) -> list[Panel]:
        covered = self.covered(y, x)
        if self.white and not np.isnan(covered).any():
            shown = replace(input_panel(covered, self.white), numbers=covered)
        else:
            shown = value_panel(covered, ColourScale.of(self.image))
        kernels = [value_panel(w, title="kernel") for w in self.weights]
        products = [value_panel(covered * w, title="products") for w in self.weights]
        pairs = [panel for pair in zip(kernels, products, strict=True) for panel in pair]
        return [replace(shown, title="under the window"), *pairs]


def photo_bytes(values: np.ndarray, white: float) -> np.ndarray:
    """Brightness from 0 to *white* as bytes, clipped as photo programs do.

    >>> photo_bytes(np.array([-20.0, 0.5, 3.0]), 1.0).tolist()
    [0, 128, 255]
    """
    return np.rint(np.clip(values * (255 / white), 0, 255)).astype(np.uint8)


def input_panel(image: np.ndarray, white: float) -> Panel:
    """The image that an operation is done on: as it is where it is a photo, else (*white* is 0) in colours."""
    title = "input " + shape_text(image.shape)
    return image_panel(photo_bytes(image, white), title=title) if white else value_panel(image, title=title)


def height_by(array: np.ndarray) -> str:
    """``"5x4"``: height x width."""
    return shape_text(array.shape[:2])


def _signed(number: float) -> str:
    return f"({short(number)})" if number < 0 else short(number)


def _padded(frame: Image.Image, size: tuple[int, int]) -> Image.Image:
    canvas = Image.new("RGB", size, (255, 255, 255))
    canvas.paste(frame, (0, 0))
    return canvas.quantize(255, dither=Image.Dither.NONE)
