"""What a unit sees: its receptive field as measured over real images, beside the one that the geometry allows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from striate.errors import SeeError
from striate.inspect.objective import gradient_of, objective
from striate.inspect.target import Target
from striate.learning import evaluating
from striate.plotting.picture import Picture, Scale, Shown, photo, sheet, values

Box = tuple[int, int, int, int]  # top, left, height, width; may reach over the image's edge


@dataclass(frozen=True, eq=False)
class Field(Shown):
    """The measured (effective) field of one unit: the mean of ``|d unit / d pixel|`` over *n* images, summed over the
    channels (Luo et al. 2016), ``(H, W)``; *box* is the theoretical one, if known.
    """

    target: Target
    strength: np.ndarray
    n: int
    box: Box | None = None

    @property
    def support(self) -> Box:
        """The smallest box outside which no pixel of any image had any influence; zero sizes where none had."""
        rows, columns = np.nonzero(self.strength)
        if not len(rows):
            return (0, 0, 0, 0)
        top, left = int(rows.min()), int(columns.min())
        return (top, left, int(rows.max()) - top + 1, int(columns.max()) - left + 1)

    def radius(self, share: float = 0.95) -> float:
        """The side of the square around the field's centre of mass that holds *share* of its strength, in pixels."""
        total = self.strength.sum()
        if not total:
            return 0.0
        y, x = np.indices(self.strength.shape)
        cy, cx = (float((axis * self.strength).sum() / total) for axis in (y, x))
        reach = np.maximum(np.abs(y - cy), np.abs(x - cx)).ravel()
        order = np.argsort(reach)
        held = np.cumsum(self.strength.ravel()[order]) / total
        return 2 * float(reach[order][np.searchsorted(held, share - 1e-12)]) + 1

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        about = {"target": str(self.target), "n": self.n, "support": list(self.support), "side_95": self.radius()}
        return about | {"box": list(self.box) if self.box else None}

    def picture(self, image: np.ndarray | None = None) -> Picture:
        """The measured field, with the theoretical box over it, beside *image* uint8 ``(H, W)`` or ``(H, W, 3)``."""
        marks = (self.box,) if self.box else ()
        scale = Scale.of(self.strength)
        panels = [values(self.strength, scale, title=f"measured, mean of {self.n}", marks=marks, side=260)]
        if image is not None:
            panels.insert(0, photo(image, title="the image", marks=marks, side=260))
        footer = "The mean of |d unit / d pixel|: where pixels matter, not in which direction."
        footer += f"\nMeasured: {_told(self.support)}; 95 % of it within {self.radius():.0f} pixels a side."
        if self.box:
            footer += f"\nThe box is what the geometry allows: {_told(self.box)}."
        return sheet(panels, title=f"What {self.target} sees", scale=scale, footer=footer)


def _told(box: Box) -> str:
    top, left, height, width = box
    return f"{height}x{width} from row {top}, column {left}"


def effective_field(module: nn.Module, batches: Iterable[Tensor], target: Target, box: Box | None = None) -> Field:
    """The measured field of the unit *target* over the images of *batches* ``(N, C, H, W)``.

    Raises:
        SeeError: The target is no single unit, or there are no images.

    >>> import torch
    >>> net = nn.Sequential(nn.Conv2d(1, 1, 3))
    >>> effective_field(net, [torch.randn(2, 1, 7, 7)], Target("0", (0, 2, 2))).support
    (2, 2, 3, 3)
    """
    if len(target.index) < 2 and target.layer:
        raise SeeError(f"{target}: wanted one unit, LAYER:CHANNEL:Y:X")
    value = objective(module, target)
    total: Tensor | None = None
    n = 0
    with evaluating(module):
        for x in batches:
            if x.ndim != 4 or not x.is_floating_point():
                came = "words" if not x.is_floating_point() else f"items of {'x'.join(map(str, x.shape[1:]))}"
                raise SeeError(f"the field of a unit is measured on images (N, C, H, W); the network takes {came}")
            influence = gradient_of(value, x).abs().sum(1).sum(0).double().cpu()
            total = influence if total is None else total + influence
            n += len(x)
    if total is None:
        raise SeeError("there are no images to measure on")
    return Field(target, (total / n).numpy(), n, box)
