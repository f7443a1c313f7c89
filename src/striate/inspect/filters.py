"""Learned kernels as figures, and how they change during training."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image
from torch import nn

from striate.errors import SeeError, listed, nearest
from striate.inspect.inspection import DrawnInspection, value_range
from striate.plotting.picture import ColourScale, IntensityScale, Panel, Picture, panel_grid, value_panel
from striate.plotting.text import DENSITY

MAX_KERNELS = 64  # in a figure
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass(frozen=True, eq=False)
class Filters(DrawnInspection):
    """The kernels of one layer.

    Args:
        layer: Its name.
        weights: ``(out, in, h, w)``; 1-D kernels have a height of 1, of 3-D ones each depth is an input of its own.
        first: Whether they are applied to the image itself, so that three inputs are red, green and blue.
        channel: The kernel of which every slice is drawn; None for an overview of all kernels.
    """

    layer: str
    weights: np.ndarray
    first: bool
    channel: int | None = None

    @property
    def norms(self) -> np.ndarray:
        """The L2 norm of each kernel, ``(out,)``."""
        norms: np.ndarray = np.sqrt((self.weights**2).sum(axis=(1, 2, 3)))
        return norms

    def facts(self) -> dict[str, object]:
        w = self.weights
        about: dict[str, object] = {"layer": self.layer, "shape": list(w.shape), "first_layer": self.first}
        about["l2_norms"] = self.norms.tolist()
        return about | value_range(w)

    @property
    def title(self) -> str:
        out, inputs, height, width = self.weights.shape
        if self.channel is not None:
            some = (
                f"the {MAX_KERNELS} of largest norm of {inputs} inputs"
                if inputs > MAX_KERNELS
                else f"its {inputs} inputs"
            )
            return f"{self.layer}, kernel {self.channel}: {some}"
        some = f"the {MAX_KERNELS} of largest L2 norm of {out}" if out > MAX_KERNELS else f"{out}"
        if self._coloured:
            return f"{self.layer}: {some} kernels {height}x{width} of the image"
        depth = "" if inputs == 1 else f"x{inputs}, each by its slice of largest norm"
        return f"{self.layer}: {some} kernels {height}x{width}{depth}"

    def picture(self) -> Picture:
        """A grid of kernels, the largest L2 norm first; of a *channel* each of its slices, likewise.

        The first layer of a colour image is drawn in colour: grey is 0, and all share one scale. Of deeper layers
        each kernel is drawn by its slice (input channel) of the largest norm.
        """
        if self.channel is not None:
            kernel = self.weights[self.channel]
            scale = ColourScale.of(kernel)
            order = np.argsort(-(kernel**2).sum(axis=(1, 2)), kind="stable")[:MAX_KERNELS].tolist()
            panels = [_small(kernel[i], scale, f"input {i}") for i in order]
        else:
            scale, panels = self._overview(self._order(), ColourScale.of(self.weights), self._slices())
        footer = f"The {'kernel' if self.channel is None else 'slice'} with the largest L2 norm comes first."
        if self._coloured and self.channel is None:
            footer += (
                " Red, green and blue show these channels' weights: mid grey is 0, bright positive, dark negative."
            )
        return panel_grid(panels, columns=8, title=self.title, scale=scale, footer=footer)

    @property
    def _coloured(self) -> bool:
        return self.first and self.weights.shape[1] == 3

    def _order(self) -> list[int]:
        found: list[int] = np.argsort(-self.norms, kind="stable")[:MAX_KERNELS].tolist()
        return found

    def _slices(self) -> np.ndarray:
        """Of each kernel, the input whose slice has the largest norm: ``(out,)``."""
        largest: np.ndarray = (self.weights**2).sum(axis=(2, 3)).argmax(axis=1)
        return largest

    def _overview(self, order: list[int], scale: ColourScale, slices: np.ndarray) -> tuple[ColourScale, list[Panel]]:
        """The panels of the kernels in *order*, and their scale."""
        w = self.weights
        if self._coloured:
            scale = IntensityScale(scale.limit)
            return scale, [Panel(scale.colours(np.moveaxis(w[k], 0, -1)), f"{k}", side=64) for k in order]
        names = [f"{k}" if w.shape[1] == 1 else f"{k}, input {slices[k]}" for k in order]
        return scale, [_small(w[k, slices[k]], scale, name) for k, name in zip(order, names, strict=True)]


def _small(array: np.ndarray, scale: ColourScale, title: str) -> Panel:
    return Panel(value_panel(array, scale).image, title, side=64)


def convolution_names(module: nn.Module) -> list[str]:
    """The names of the convolutions of *module*, in its order."""
    return [name for name, part in module.named_modules() if isinstance(part, CONVOLUTIONS)]


def kernels_of(module: nn.Module, layer: str | None = None, channel: int | None = None) -> Filters:
    """The kernels of the convolution *layer*; of the first, if not given.

    Args:
        module: Any module.
        layer: Its name, as in ``module.named_modules()``.
        channel: One kernel, to be drawn with all of its slices.

    Raises:
        SeeError: No layer has that name, it is not a convolution, or it has no such channel.

    >>> found = kernels_of(nn.Sequential(nn.Conv2d(3, 8, 5)))
    >>> found.layer, found.weights.shape, found.first
    ('0', (8, 3, 5, 5), True)
    """
    names = convolution_names(module)
    if not names:
        raise SeeError("the network has no convolution, so no kernels to show")
    name = names[0] if layer is None else layer
    parts = dict(module.named_modules())
    if name not in parts:
        raise SeeError(f"no convolution named {name!r}{nearest(name, names)}")
    part = parts[name]
    if not isinstance(part, CONVOLUTIONS):
        kind = f"an {type(part).__name__}" if type(part).__name__[0] in "AEIOU" else f"a {type(part).__name__}"
        raise SeeError(f"{name} is {kind}, not a convolution; convolutions: {listed(names, 12)}")
    weights = part.weight.detach().double().cpu().numpy()
    if part.transposed:
        weights = np.swapaxes(weights, 0, 1)
    if channel is not None and not 0 <= channel < len(weights):
        raise SeeError(f"{name} has the kernels 0 to {len(weights) - 1}; got {channel}")
    return Filters(name, _two_axes(weights), name == names[0], channel)


def _two_axes(weights: np.ndarray) -> np.ndarray:
    """Kernels of any rank as ``(out, in, h, w)``."""
    if weights.ndim == 3:
        return weights[:, :, None, :]
    if weights.ndim == 5:
        out, inputs, depth, height, width = weights.shape
        return weights.reshape(out, inputs * depth, height, width)
    return weights


def filters_animation(moments: Sequence[tuple[str, Filters]]) -> bytes:
    """How kernels change: a GIF of one layer at several *moments* (their caption, the kernels), on one scale.

    Raises:
        SeeError: No moments.
    """
    if not moments:
        raise SeeError("the run has no stored moments, so there is nothing to animate")
    last = moments[-1][1]
    order, slices = last._order(), last._slices()
    scale = ColourScale.of(*[found.weights for _, found in moments])
    frames = []
    for caption, found in moments:
        shared, panels = replace(found, first=last.first)._overview(order, scale, slices)
        image = panel_grid(panels, columns=8, title=f"{last.layer}, {caption}", scale=shared).image
        frames.append(image.resize((image.width // DENSITY, image.height // DENSITY), Image.Resampling.LANCZOS))
    stream = io.BytesIO()
    pauses = [max(80, min(500, 12_000 // len(frames)))] * (len(frames) - 1) + [2500]  # ms
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:], duration=pauses, loop=0)
    return stream.getvalue()
