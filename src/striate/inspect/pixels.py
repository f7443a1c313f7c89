"""One number of a network, down to the values of the input: what each of them adds to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from striate.inspect.attribution import gradient, gradient_x_input
from striate.inspect.target import Target, as_target
from striate.plotting.picture import MOST_NUMBERS, Picture, Scale, Shown, photo, sheet, short, values

LISTED = 10  # in the text


@dataclass(frozen=True, eq=False)
class Pixels(Shown):
    """A unit as a function of the input, by its gradient there.

    While no ReLU switches and no maximum moves, a network of convolutions, ReLUs and poolings is linear in its input:
    ``value = sum of gradient x input + rest``, and *rest* is what the biases give. Where other activations bend, it
    holds the bend as well. A gradient says what a small change does, not what would be without the pixel.

    Args:
        target: The unit.
        value: Its number.
        gradient: ``d unit / d input``, ``(C, *places)``; of words ``(vector, words)``.
        added: Gradient times input, likewise.
    """

    target: Target
    value: float
    gradient: np.ndarray
    added: np.ndarray

    @property
    def total(self) -> float:
        return float(self.added.astype(np.float64).sum())

    @property
    def rest(self) -> float:
        """What of the value is no input's."""
        return self.value - self.total

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it: every value of the input that has a gradient, the largest first."""
        order = [i for i in np.argsort(-np.abs(self.added), axis=None, kind="stable") if self.gradient.flat[i]]
        rows = [
            {
                "at": [int(n) for n in np.unravel_index(i, self.added.shape)],
                "gradient": float(self.gradient.flat[i]),
                "added": float(self.added.flat[i]),
            }
            for i in order
        ]
        return {"value": self.value, "sum": self.total, "rest": self.rest, "inputs": rows}

    def __str__(self) -> str:
        count = int(np.count_nonzero(self.gradient))
        lines = [f"down to the input: {count:,} of its {self.gradient.size:,} numbers have a gradient; the largest:"]
        for i in np.argsort(-np.abs(self.added), axis=None, kind="stable")[:LISTED].tolist():
            at = tuple(int(n) for n in np.unravel_index(i, self.added.shape))
            slope, added = float(self.gradient.flat[i]), float(self.added.flat[i])
            lines.append(f"  {at!s:>14}  gradient {short(slope):>9}   adds {short(added):>9}")
        lines.append(f"{'gradient x input':<22}{self.total:>16.9g}   over all of them")
        lines.append(f"{'the rest':<22}{self.rest:>16.9g}   biases, and what bends between")
        lines.append(f"{'together':<22}{self.value:>16.9g}")
        lines.append("a gradient holds for small changes: until a ReLU switches, a maximum moves, an activation bends")
        return "\n".join(lines)

    def picture(self, image: np.ndarray | None = None) -> Picture:
        """What each place adds, summed over the channels, where it has a gradient; *image* uint8 ``(H, W)`` or
        ``(H, W, 3)`` with that window before it.
        """
        places, slope = (v.sum(0) if v.ndim < 4 else v.sum((0, 1)) for v in (self.added, np.abs(self.gradient)))
        if places.ndim < 2:
            places, slope = places.reshape(1, -1), slope.reshape(1, -1)
        rows, columns = np.nonzero(slope.any(1))[0], np.nonzero(slope.any(0))[0]
        top, down = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, len(places))
        left, right = (int(columns[0]), int(columns[-1]) + 1) if len(columns) else (0, places.shape[1])
        window = places[top:down, left:right]
        scale = Scale(Scale.of(window).limit, True)
        where = f"rows {top} to {down - 1}, columns {left} to {right - 1}"
        panel = values(
            window,
            scale,
            title=f"gradient x input, {where}",
            side=max(320, 34 * max(window.shape) if max(window.shape) <= MOST_NUMBERS else 0),
        )
        lead = []
        if image is not None:
            lead = [photo(image, title="the image", marks=((top, left, down - top, right - left),), side=240)]
        footer = f"They sum to {short(self.total)}; biases, and what bends between, give the other {short(self.rest)}."
        title = f"What adds to {self.target} = {short(self.value)}"
        return sheet([panel], title=title, scale=scale, footer=footer, lead=lead)


def pixels(module: nn.Module, x: Tensor, name: str) -> Pixels:
    """The unit *name* (``LAYER:CHANNEL:Y:X``) of *module* for the one item *x*, down to its input.

    Raises:
        SeeError: There is no such unit.

    >>> import torch
    >>> net = nn.Sequential(nn.Conv2d(1, 1, 2), nn.ReLU())
    >>> found = pixels(net, torch.rand(1, 1, 3, 3), "0:0:1:1")
    >>> bool(abs(found.rest - net[0].bias.item()) < 1e-6)
    True
    """
    target = as_target(name)
    slope, added = gradient(module, x, target), gradient_x_input(module, x, target)
    return Pixels(added.target, added.score, slope.values, added.values)
