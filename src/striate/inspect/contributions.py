"""The contribution of each value of the input to one unit: gradient times input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from striate.inspect.attribution import gradient, gradient_x_input
from striate.inspect.inspection import DrawnInspection
from striate.inspect.target import Target, as_target
from striate.plotting.picture import MAX_NUMBERS, ColourScale, Picture, image_panel, panel_grid, short, value_panel

LISTED = 10  # in the text


@dataclass(frozen=True, eq=False)
class PixelContributions(DrawnInspection):
    """A unit as a function of the input, by its gradient there.

    While no ReLU switches and no maximum moves, a network of convolutions, ReLUs and poolings is linear in its input:
    ``value = sum of gradient x input + rest``, where *rest* comes from the biases. Where other activations are curved,
    it contains the curvature as well. A gradient says what a small change does, not what the value would be without
    the pixel.

    Args:
        target: The unit.
        value: Its number.
        gradient: ``d unit / d input``, ``(C, *positions)``; of words ``(vector, words)``.
        contributions: Gradient times input, likewise.
        image: To draw beside it, uint8 ``(H, W)`` or ``(H, W, 3)``; None for none.
    """

    target: Target
    value: float
    gradient: np.ndarray
    contributions: np.ndarray
    image: np.ndarray | None = None

    @property
    def total(self) -> float:
        """The sum of all contributions."""
        return float(self.contributions.astype(np.float64).sum())

    @property
    def rest(self) -> float:
        """What of the value comes from no input."""
        return self.value - self.total

    def _rows(self) -> list[dict[str, Any]]:
        """Every value of the input that has a gradient, the largest contribution first."""
        order = np.argsort(-np.abs(self.contributions), axis=None, kind="stable").tolist()
        return [
            {
                "position": [int(n) for n in np.unravel_index(i, self.contributions.shape)],
                "gradient": float(self.gradient.flat[i]),
                "contribution": float(self.contributions.flat[i]),
            }
            for i in order
            if self.gradient.flat[i]
        ]

    @property
    def title(self) -> str:
        return f"Contributions to {self.target} = {short(self.value)}"

    def facts(self) -> dict[str, Any]:
        """Positions are ``[channel, y, x]``."""
        return {"value": self.value, "sum": self.total, "rest": self.rest, "inputs": self._rows()}

    def lines(self) -> list[str]:
        rows = self._rows()
        lines = [f"pixels: {len(rows):,} of the input's {self.gradient.size:,} values have a gradient; the largest:"]
        for row in rows[:LISTED]:
            position = f"({', '.join(map(str, row['position']))})"
            slope, product = short(row["gradient"]), short(row["contribution"])
            lines.append(f"  {position:>14}  gradient {slope:>9}   contribution {product:>9}")
        lines.append(f"{'gradient x input':<22}{self.total:>16.9g}   summed over all of them")
        lines.append(f"{'remainder':<22}{self.rest:>16.9g}   biases, nonlinear activations")
        lines.append(f"{'total':<22}{self.value:>16.9g}")
        lines.append("gradients are local: valid for small changes only")
        return lines

    def picture(self) -> Picture:
        """The contribution of each pixel, summed over the channels, where it has a gradient, below the image."""
        over = (0, 1) if self.contributions.ndim == 4 else 0
        pixels, slope = self.contributions.sum(over), np.abs(self.gradient).sum(over)
        if pixels.ndim < 2:
            pixels, slope = pixels.reshape(1, -1), slope.reshape(1, -1)
        rows, columns = np.nonzero(slope.any(1))[0], np.nonzero(slope.any(0))[0]
        top, down = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, len(pixels))
        left, right = (int(columns[0]), int(columns[-1]) + 1) if len(columns) else (0, pixels.shape[1])
        window = pixels[top:down, left:right]
        scale = ColourScale(ColourScale.of(window).limit, True)
        side = max(320, 34 * max(window.shape) if max(window.shape) <= MAX_NUMBERS else 0)
        where = f"rows {top} to {down - 1}, columns {left} to {right - 1}"
        panels = [value_panel(window, scale, title=f"gradient x input, {where}", side=side)]
        if self.image is not None:
            box = (top, left, down - top, right - left)
            panels.insert(0, image_panel(self.image, title="the image", marks=(box,), side=320))
        footer = (
            f"They sum to {short(self.total)}; biases and nonlinear activations give the remainder, {short(self.rest)}."
        )
        return panel_grid(panels, title=self.title, scale=scale, footer=footer)


def pixel_contributions(module: nn.Module, x: Tensor, unit: str, image: np.ndarray | None = None) -> PixelContributions:
    """The contribution of each value of the one input *x* to the *unit* ``LAYER:CHANNEL:Y:X`` of *module*.

    Args:
        module: Any module; it is left as it was.
        x: ``(1, C, H, W)``, or any other input with its batch axis.
        unit: As in :func:`striate.inspect.target.as_target`.
        image: To draw beside it.

    Raises:
        SeeError: There is no such unit.

    >>> import torch
    >>> net = nn.Sequential(nn.Conv2d(1, 1, 2), nn.ReLU())
    >>> found = pixel_contributions(net, torch.rand(1, 1, 3, 3), "0:0:1:1")
    >>> bool(abs(found.rest - net[0].bias.item()) < 1e-6)
    True
    """
    target = as_target(unit)
    slope, product = gradient(module, x, target), gradient_x_input(module, x, target)
    return PixelContributions(product.target, product.score, slope.values, product.values, image)
