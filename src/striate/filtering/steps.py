"""Every step of a sliding window: what it covers, the products, their sum, and the output as it grows."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from striate.errors import SeeError, shape_text
from striate.files import write_safely
from striate.filtering.sliding import ACTIVATIONS, SlidingWindow
from striate.plotting.colours import diverging, sequential
from striate.plotting.picture import ColourScale, Panel, image_panel, panel_grid, short, value_panel
from striate.plotting.text import DENSITY

FRAMES = 64  # of an animation at most; of more steps, so many evenly spaced ones are shown
MAX_PAGE = 128 * 128  # numbers of an image in a page


@dataclass(frozen=True, eq=False)
class SlidingSteps:
    """One channel under one moving window.

    Args:
        kind: ``"convolve"``, ``"max"``, ``"average"``, ``"sum"`` (pooling), or an activation's name.
        image: ``(H, W)``.
        moves: How the window moves; of an activation 1x1.
        weights: ``(h, w)`` of a convolution, else None.
        output: ``(OH, OW)``, what the operation gives.
        title: Of every frame.
    """

    kind: str
    image: np.ndarray
    moves: SlidingWindow
    weights: np.ndarray | None
    output: np.ndarray
    title: str

    def covered(self, y: int, x: int) -> np.ndarray:
        """What the window of output ``(y, x)`` covers: ``(h, w)``; NaN where that is padding of a maximum."""
        fill = np.nan if self.kind == "max" else 0.0
        return np.asarray(self.moves.views(self.image, fill)[y, x])

    def corner(self, y: int, x: int) -> tuple[int, int]:
        """The top left pixel of the window of output ``(y, x)``; negative in the padding."""
        return y * self.moves.stride - self.moves.before[0], x * self.moves.stride - self.moves.before[1]

    def arithmetic(self, y: int, x: int) -> str:
        """The sum behind output ``(y, x)``, written out.

        >>> moves = SlidingWindow((1, 2), 1, (0, 0), (0, 0))
        >>> image, weights = np.array([[3.0, 4.0]]), np.array([[1.0, -2.0]])
        >>> steps = SlidingSteps("convolve", image, moves, weights, np.array([[-5.0]]), "")
        >>> steps.arithmetic(0, 0)
        '3 x 1 + 4 x (-2) = -5'
        """
        covered, answer = self.covered(y, x), short(float(self.output[y, x]))
        numbers = [short(v) for v in covered.ravel().tolist()]
        if self.weights is not None:
            pairs = zip(numbers, self.weights.ravel().tolist(), strict=True)
            return " + ".join(f"{value} x {_signed(weight)}" for value, weight in pairs) + f" = {answer}"
        if self.kind in ACTIVATIONS:
            return f"{self.kind}({numbers[0]}) = {answer}"
        if self.kind == "max":
            return f"max({', '.join(n for n in numbers if n != 'nan')}) = {answer}"
        total = " + ".join(_signed(v) for v in covered.ravel().tolist())
        return f"({total}) / {len(numbers)} = {answer}" if self.kind == "average" else f"{total} = {answer}"

    def save(self, path: str | Path) -> None:
        """Writes the animation: a ``.gif``, or an ``.html`` page to step through by hand.

        Raises:
            SeeError: Another suffix, or an image too large for a page.
        """
        path = Path(path)
        if path.suffix.lower() == ".gif":
            write_safely(path, self.gif())
        elif path.suffix.lower() in (".html", ".htm"):
            write_safely(path, self.page())
        else:
            raise SeeError(f"{path}: the steps are written as .gif or .html; use one of these names")

    def gif(self) -> bytes:
        """The animation's bytes: each frame a second long where they are few, shorter where they are many."""
        frames = [frame.resize((frame.width // DENSITY, frame.height // DENSITY), Image.Resampling.LANCZOS)
                  for frame in self._frames()]  # fmt: skip
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
        chosen = np.unique(np.linspace(0, height * width - 1, min(FRAMES, height * width)).astype(int))
        for step in chosen.tolist():
            y, x = divmod(step, width)
            grown = np.where(np.arange(height * width).reshape(height, width) <= step, self.output, np.nan)
            top, left = self.corner(y, x)
            tall, wide = self.moves.span
            panels = [
                replace(input_panel(self.image), marks=((top, left, tall, wide),)),
                *self._window_panels(y, x),
                Panel(seen.colours(grown), f"output {height_by(self.output)}", "", grown, ((y, x, 1, 1),)),
            ]
            line = self.arithmetic(y, x) if self.moves.size[0] * self.moves.size[1] <= 25 else "the sum of the products"
            footer = f"output ({y}, {x}) = {short(float(self.output[y, x]))}\n{line}"
            yield panel_grid(panels, columns=3, title=self.title, scale=seen, footer=footer).image

    def _window_panels(self, y: int, x: int) -> list[Panel]:
        covered = self.covered(y, x)
        if is_photo(self.image) and not np.isnan(covered).any():
            shown = image_panel(np.rint(covered).astype(np.uint8), title="under the window")
        else:
            shown = value_panel(covered, ColourScale.of(self.image), title="under the window")
        if self.weights is None:
            return [shown]
        products = covered * self.weights
        return [shown, value_panel(self.weights, title="kernel"), value_panel(products, title="products")]

    def page(self) -> str:
        """An HTML page to step through, with the numbers and the arithmetic; it fetches nothing."""
        if self.image.size > MAX_PAGE:
            raise SeeError(
                f"an image of {height_by(self.image)} is too large for a page of steps; use one of at most 128x128, "
                "or a .gif"
            )
        ramp = np.linspace(-1, 1, 65)
        data: dict[str, Any] = {
            "kind": self.kind,
            "title": self.title,
            "image": _rounded(self.image),
            "photo": is_photo(self.image),
            "weights": None if self.weights is None else _rounded(self.weights),
            "output": _rounded(self.output),
            "size": self.moves.size,
            "stride": self.moves.stride,
            "before": self.moves.before,
            "dilation": self.moves.dilation,
            "diverging": diverging(ramp, 1).tolist(),
            "sequential": sequential(np.linspace(0, 1, 65), 1).tolist(),
        }
        text = files("striate.filtering").joinpath("steps.html").read_text("utf-8")
        # "</script>" inside the data would end the script, and "<!--" hide it
        return text.replace("{{data}}", json.dumps(data, ensure_ascii=False).replace("<", "\\u003c"))


def is_photo(image: np.ndarray) -> bool:
    """Whether the numbers are brightnesses 0 to 255, to be drawn from black to white (or in their own colours)."""
    return bool(image.min() >= 0 and image.max() <= 255 and (image.max() > 1 or image.ndim == 3))


def input_panel(image: np.ndarray) -> Panel:
    """The image that an operation is done on: as it is where it is one, else in colours."""
    title = "input " + shape_text(image.shape)
    return (
        image_panel(np.rint(image).astype(np.uint8), title=title)
        if is_photo(image)
        else value_panel(image, title=title)
    )


def height_by(array: np.ndarray) -> str:
    """``"5x4"``: height x width."""
    return shape_text(array.shape[:2])


def _signed(number: float) -> str:
    return f"({short(number)})" if number < 0 else short(number)


def _rounded(array: np.ndarray) -> list[list[float]]:
    return [[float(f"{v:.6g}") for v in row] for row in array.tolist()]


def _padded(frame: Image.Image, size: tuple[int, int]) -> Image.Image:
    canvas = Image.new("RGB", size, (255, 255, 255))
    canvas.paste(frame, (0, 0))
    return canvas.quantize(255, dither=Image.Dither.NONE)
