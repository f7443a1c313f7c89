"""What drives a unit: its measured receptive field, and the image patches that activate a channel most."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from striate.errors import SeeError, shape_text
from striate.inspect.capture import capture
from striate.inspect.inspection import DrawnInspection
from striate.inspect.target import Target, input_gradient, objective
from striate.learning import evaluating
from striate.plotting.picture import ColourScale, Picture, image_panel, panel_grid, value_panel

Box = tuple[int, int, int, int]  # top, left, height, width; may reach over the image's edge


@dataclass(frozen=True, eq=False)
class MeasuredField(DrawnInspection):
    """The measured (effective) receptive field of one unit: the mean of ``|d unit / d pixel|`` over *n* images, summed
    over the channels (Luo et al. 2016).

    Args:
        target: The unit.
        strength: That mean, ``(H, W)``.
        n: How many images.
        box: The theoretical receptive field, if known.
        image: To draw beside it, uint8 ``(H, W)`` or ``(H, W, 3)``; None for none.
    """

    target: Target
    strength: np.ndarray
    n: int
    box: Box | None = None
    image: np.ndarray | None = None

    @property
    def support(self) -> Box:
        """The smallest box outside which no pixel of any image had any influence; zero sizes where none had."""
        rows, columns = np.nonzero(self.strength)
        if not len(rows):
            return (0, 0, 0, 0)
        top, left = int(rows.min()), int(columns.min())
        return (top, left, int(rows.max()) - top + 1, int(columns.max()) - left + 1)

    def side(self, share: float = 0.95) -> float:
        """The side, in pixels, of the square around the field's centre of mass with *share* of its strength."""
        total = self.strength.sum()
        if not total:
            return 0.0
        y, x = np.indices(self.strength.shape)
        cy, cx = (float((axis * self.strength).sum() / total) for axis in (y, x))
        reach = np.maximum(np.abs(y - cy), np.abs(x - cx)).ravel()
        order = np.argsort(reach)
        within = np.cumsum(self.strength.ravel()[order]) / total
        return 2 * float(reach[order][np.searchsorted(within, share - 1e-12)]) + 1

    @property
    def title(self) -> str:
        return f"Receptive field of {self.target}"

    def facts(self) -> dict[str, Any]:
        """Boxes are (top, left, height, width) in pixels."""
        return {
            "target": str(self.target),
            "n": self.n,
            "measured_field": list(self.support),
            "side_95": self.side(),
            "receptive_field": list(self.box) if self.box else None,
        }

    def lines(self) -> list[str]:
        lines = [f"  measured over {self.n:,} images: {_box_text(self.support)}"]
        lines.append(f"  95% of the gradient magnitude within {self.side():.1f} x {self.side():.1f} pixels")
        return [*lines, *([f"  theoretical: {_box_text(self.box)}"] if self.box else [])]

    def picture(self) -> Picture:
        """The measured field, with the theoretical box over it, beside the *image*."""
        marks = (self.box,) if self.box else ()
        scale = ColourScale.of(self.strength)
        panels = [value_panel(self.strength, scale, title=f"mean of {self.n:,} images", marks=marks, side=260)]
        if self.image is not None:
            panels.insert(0, image_panel(self.image, title="one of the images", marks=marks, side=260))
        footer = "The mean of |d unit / d pixel|: how much a pixel matters, not in which direction."
        footer += f"\nMeasured field: {_box_text(self.support)}; 95% of it within {self.side():.0f} pixels a side."
        if self.box:
            footer += f"\nBox: the theoretical receptive field, {_box_text(self.box)}."
        return panel_grid(panels, title=self.title, scale=scale, footer=footer)


def _box_text(box: Box) -> str:
    top, left, height, width = box
    return f"{height}x{width} from row {top}, column {left}"


def measured_field(
    module: nn.Module,
    batches: Iterable[Tensor],
    target: Target,
    box: Box | None = None,
    image: np.ndarray | None = None,
) -> MeasuredField:
    """The measured receptive field of the unit *target* over the images of *batches* ``(N, C, H, W)``.

    Args:
        module: Any module; it runs in evaluation mode and is left as it was.
        batches: Images as the module takes them.
        target: One unit, ``Target("conv2", (channel, y, x))``.
        box: Its theoretical receptive field, to be drawn; likewise *image*.

    Raises:
        SeeError: The target is not a single unit, or there are no images.

    >>> net = nn.Sequential(nn.Conv2d(1, 1, 3))
    >>> measured_field(net, [torch.randn(2, 1, 7, 7)], Target("0", (0, 2, 2))).support
    (2, 2, 3, 3)
    """
    if len(target.index) < 2 and target.layer:
        raise SeeError(f"{target}: expected one unit, LAYER:CHANNEL:Y:X")
    value = objective(module, target)
    total: Tensor | None = None
    n = 0
    with evaluating(module):
        for x in batches:
            if x.ndim != 4 or not x.is_floating_point():
                came = "words" if not x.is_floating_point() else f"items of {shape_text(x.shape[1:])}"
                raise SeeError(f"a receptive field is measured on images (N, C, H, W); the network takes {came}")
            influence = input_gradient(value, x).abs().sum(1).sum(0).double().cpu()
            total = influence if total is None else total + influence
            n += len(x)
    if total is None:
        raise SeeError("there are no images to measure on")
    return MeasuredField(target, (total / n).numpy(), n, box, image)


@dataclass(frozen=True)
class Peak:
    """The strongest activation of a channel in one image: the image's number, the position in the map, the value."""

    index: int
    position: tuple[int, ...]
    value: float


def top_patches(
    module: nn.Module, batches: Iterable[Tensor], layer: str, channels: list[int], top: int = 9
) -> list[list[Peak]]:
    """For each of *channels* of *layer*, the *top* images that activate it most, one position per image.

    Args:
        module: Any module; it runs in evaluation mode and is left as it was.
        batches: ``(N, ...)`` in the order of the data; one batch at a time is kept.
        layer: As in ``module.named_modules()``.
        channels: Their numbers.
        top: How many images each, the strongest first.

    Raises:
        SeeError: No such layer or channel, or no images.

    >>> net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False))
    >>> _ = net[0].weight.data.fill_(1)
    >>> x = torch.zeros(3, 1, 2, 2); x[1, 0, 0, 1] = 5.0
    >>> top_patches(net, [x], "0", [0], top=1)
    [[Peak(index=1, position=(0, 1), value=5.0)]]
    """
    kept: list[list[Peak]] = [[] for _ in channels]
    begin = 0
    with evaluating(module), torch.no_grad():
        for x in batches:
            with capture(module, layer) as seen:
                module(x)
            output = torch.from_numpy(seen[layer])
            unknown = [c for c in channels if not 0 <= c < output.shape[1]]
            if unknown:
                raise SeeError(f"{layer} has the channels 0 to {output.shape[1] - 1}; got {unknown[0]}")
            for mine, channel in zip(kept, channels, strict=True):
                best, at = output[:, channel].reshape(len(output), -1).max(1)
                shape = output.shape[2:]
                for i in torch.argsort(best, descending=True, stable=True)[:top].tolist():
                    position = tuple(int(p) for p in np.unravel_index(int(at[i]), shape)) if shape else ()
                    mine.append(Peak(begin + i, position, float(best[i])))
                mine.sort(key=lambda peak: (-peak.value, peak.index))
                del mine[top:]
            begin += len(x)
    if not begin:
        raise SeeError("there are no images to look at")
    return kept


def crop_box(image: np.ndarray, box: Box) -> np.ndarray:
    """The *box* (top, left, height, width) of *image* ``(H, W)`` or ``(H, W, C)``; what lies outside is mid grey.

    >>> crop_box(np.full((2, 2), 9, np.uint8), (-1, 0, 2, 2)).tolist()
    [[128, 128], [9, 9]]
    """
    top, left, height, width = box
    piece = np.full((height, width, *image.shape[2:]), 128, image.dtype)
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + height, image.shape[0]), min(left + width, image.shape[1])
    if y1 > y0 and x1 > x0:
        piece[y0 - top : y1 - top, x0 - left : x1 - left] = image[y0:y1, x0:x1]
    return piece
