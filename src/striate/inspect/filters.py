"""Learned kernels as pictures, and how they change while a network learns."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from torch import nn

from striate.errors import SeeError, nearest
from striate.plotting.picture import Panel, Picture, Scale, Shares, Shown, sheet, values
from striate.plotting.text import DENSITY

MOST = 64  # kernels on a picture
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass(frozen=True, eq=False)
class Filters(Shown):
    """The kernels of one layer.

    Args:
        layer: Its name.
        weights: ``(out, in, h, w)``; 1-D kernels have a height of 1, of 3-D ones each depth is an input of its own.
        first: Whether they look at the image itself, so that three inputs are red, green and blue.
    """

    layer: str
    weights: np.ndarray
    first: bool

    @property
    def norms(self) -> np.ndarray:
        """The length (L2) of each kernel, ``(out,)``."""
        norms: np.ndarray = np.sqrt((self.weights**2).sum(axis=(1, 2, 3)))
        return norms

    def as_dict(self) -> dict[str, object]:
        """As ``--json`` prints it."""
        w = self.weights
        about = {"layer": self.layer, "shape": list(w.shape), "first": self.first, "norms": self.norms.tolist()}
        return about | {"min": float(w.min()), "max": float(w.max()), "mean": float(w.mean()), "std": float(w.std())}

    def picture(self, channel: int | None = None) -> Picture:
        """A grid of kernels, the longest first.

        Of the first layer of a colour image in colour: grey is 0, and all share one scale. Else, of *channel*: a slice
        for each of its inputs; without one, of every kernel its slice with the largest numbers.
        """
        out, inputs, height, width = self.weights.shape
        if channel is not None:
            return self._of_channel(channel)
        order = np.argsort(-self.norms, kind="stable")[:MOST]
        some = f"the {len(order)} longest of {out}" if out > len(order) else f"{out}"
        size = f"{height}x{width}"
        if self.first and inputs == 3:
            scale = Shares(Scale.of(self.weights).limit)
            panels = [_colour(self.weights[k], scale, f"{k}") for k in order]
            footer = "Each colour's weights as its share: mid grey is 0, full colour positive, none of it negative."
            title = f"{self.layer}: {some} kernels {size} of the image"
            return sheet(panels, columns=8, title=title, scale=scale, footer=footer)
        plain = Scale.of(self.weights)
        slices = self._slices()
        panels = [
            _small(self.weights[k, slices[k]], plain, f"{k}" if inputs == 1 else f"{k}, input {slices[k]}")
            for k in order
        ]
        what = f"kernels {size}" if inputs == 1 else f"kernels {size}x{inputs}: of each the slice with the most in it"
        return sheet(panels, columns=8, title=f"{self.layer}: {some} {what}", scale=plain)

    def _slices(self) -> np.ndarray:
        """Of each kernel, the input whose slice is the longest: ``(out,)``."""
        largest: np.ndarray = (self.weights**2).sum(axis=(2, 3)).argmax(axis=1)
        return largest

    def _of_channel(self, channel: int) -> Picture:
        out, inputs = self.weights.shape[:2]
        if not 0 <= channel < out:
            raise SeeError(f"{self.layer} has the kernels 0 to {out - 1}; got {channel}")
        kernel = self.weights[channel]
        scale = Scale.of(kernel)
        order = np.argsort(-(kernel**2).sum(axis=(1, 2)), kind="stable")[:MOST]
        some = f"the {len(order)} longest of {inputs} inputs" if inputs > len(order) else f"its {inputs} inputs"
        panels = [_small(kernel[i], scale, f"{i}") for i in order]
        return sheet(panels, columns=8, title=f"{self.layer}, kernel {channel}: {some}", scale=scale)


def _colour(kernel: np.ndarray, scale: Scale, title: str) -> Panel:
    return Panel(scale.colours(np.moveaxis(kernel, 0, -1)), title, side=64)


def _small(array: np.ndarray, scale: Scale, title: str) -> Panel:
    panel = values(array, scale, title=title, side=64)
    return Panel(panel.image, title, side=64)


def convolution_names(module: nn.Module) -> list[str]:
    """The convolutions of *module*, in its order."""
    return [name for name, part in module.named_modules() if isinstance(part, CONVOLUTIONS)]


def filters(module: nn.Module, layer: str | None = None) -> Filters:
    """The kernels of the convolution *layer*; of the first, if not given.

    Raises:
        SeeError: There is none of that name, or it is no convolution.

    >>> found = filters(nn.Sequential(nn.Conv2d(3, 8, 5)))
    >>> found.layer, found.weights.shape, found.first
    ('0', (8, 3, 5, 5), True)
    """
    names = convolution_names(module)
    if not names:
        raise SeeError("the network has no convolution, so no kernels to show")
    name = names[0] if layer is None else layer
    parts = dict(module.named_modules())
    if name not in parts:
        raise SeeError(f"there is no layer {name!r}{nearest(name, names)}")
    if name not in names:
        raise SeeError(f"{name} is a {type(parts[name]).__name__}, no convolution; those are: {', '.join(names[:12])}")
    part = parts[name]
    assert isinstance(part, CONVOLUTIONS)
    weights = part.weight.detach().double().cpu().numpy()
    if part.transposed:
        weights = np.swapaxes(weights, 0, 1)
    return Filters(name, _two_axes(weights), name == names[0])


def _two_axes(weights: np.ndarray) -> np.ndarray:
    """Kernels of any rank as ``(out, in, h, w)``."""
    if weights.ndim == 3:
        return weights[:, :, None, :]
    if weights.ndim == 5:
        out, inputs, depth, height, width = weights.shape
        return weights.reshape(out, inputs * depth, height, width)
    return weights


def film(moments: Sequence[tuple[str, Filters]]) -> bytes:
    """How kernels change: a GIF of the same layer at several *moments* (what to write, the kernels), on one scale.

    Raises:
        SeeError: No moments.
    """
    if not moments:
        raise SeeError("there are no stored moments of this run, so nothing to film")
    last = moments[-1][1]
    order = np.argsort(-last.norms, kind="stable")[:MOST]
    scale = Scale.of(*[f.weights for _, f in moments])
    colour = last.first and last.weights.shape[1] == 3
    if colour:
        scale = Shares(scale.limit)
    slices, frames = last._slices(), []
    for text, found in moments:
        w = found.weights
        panels = [_colour(w[k], scale, f"{k}") if colour else _small(w[k, slices[k]], scale, f"{k}") for k in order]
        picture = sheet(panels, columns=8, title=f"{last.layer}, {text}", scale=scale)
        image = picture.image
        frames.append(image.resize((image.width // DENSITY, image.height // DENSITY), Image.Resampling.LANCZOS))
    stream = io.BytesIO()
    pauses = [max(80, min(500, 12_000 // len(frames)))] * (len(frames) - 1) + [2500]  # ms
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:], duration=pauses, loop=0)
    return stream.getvalue()
