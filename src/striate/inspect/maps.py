"""Feature maps of one input, and the activations of every layer over many."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from striate.errors import SeeError, nearest
from striate.inspect.capture import layer_calls
from striate.inspect.inspection import DrawnInspection, Inspection, value_range
from striate.learning import evaluating
from striate.plotting.picture import ColourScale, Panel, Picture, panel_grid, range_text, short, value_panel
from striate.plotting.text import PAPER

MAX_MAPS = 32  # in a figure
ORDERS = ("strength", "channel")


@dataclass(frozen=True, eq=False)
class FeatureMaps(DrawnInspection):
    """The output of one layer for one input.

    Args:
        layer: Its name.
        values: ``(C, h, w)``; flat features are ``(C, 1, 1)``, maps of texts and series ``(C, 1, w)``.
        depth: Of volumes: this many consecutive *values* are the slices of one map.
        order: Of the maps in a figure: ``"strength"`` (largest mean absolute value first) or ``"channel"``.
    """

    layer: str
    values: np.ndarray
    depth: int = 1
    order: str = "strength"

    @property
    def strongest(self) -> np.ndarray:
        """The channels, the one with the largest mean absolute value first."""
        return np.argsort(-np.abs(self.values).mean(axis=(1, 2)), kind="stable")

    def facts(self) -> dict[str, Any]:
        v = self.values
        return {
            "layer": self.layer,
            "shape": [*([len(v) // self.depth, self.depth] if self.depth > 1 else [len(v)]), *v.shape[1:]],
            **value_range(v),
            "zero_fraction": float((v == 0).mean()),
            "strongest_channels": list(dict.fromkeys((self.strongest // self.depth).tolist()))[:MAX_MAPS],
        }

    @property
    def title(self) -> str:
        channels, height, width = self.values.shape
        if height == width == 1:
            return f"{self.layer}: {channels} features"
        which = "strongest" if self.order == "strength" else "first"
        some = f"the {MAX_MAPS} {which} of {channels}" if channels > MAX_MAPS else f"{channels}"
        if height == 1:
            return f"{self.layer}: {some} feature maps of {width} positions"
        what = "feature maps" if self.depth == 1 else f"slices ({channels // self.depth} maps, {self.depth} deep)"
        return f"{self.layer}: {some} {what} of {height}x{width}"

    def picture(self) -> Picture:
        """A grid of maps on one scale, in their *order*.

        Flat features are one image, row by row; maps of one row are drawn below one another.
        """
        channels, height, width = self.values.shape
        scale = ColourScale.of(self.values)
        if height == width == 1:
            return self._flat(scale)
        chosen = (self.strongest if self.order == "strength" else np.arange(channels))[:MAX_MAPS]
        if height == 1:
            panels = [Panel(scale.colours(self.values[chosen, 0]), side=max(240, min(720, 12 * width)))]
            footer = f"One row per channel, from top to bottom: {', '.join(map(str, chosen.tolist()))}."
        else:
            panels = [
                Panel(value_panel(self.values[c], scale).image, self._name(c), range_text(self.values[c]), side=112)
                for c in chosen.tolist()
            ]
            dead = int((self.values == 0).all(axis=(1, 2)).sum())
            footer = "All maps share one colour scale; min and max are below each."
            footer += f" Zero everywhere: {dead} of {channels}." if dead else ""
        return panel_grid(panels, columns=8, title=self.title, scale=scale, footer=footer)

    def _name(self, plane: int) -> str:
        return f"{plane}" if self.depth == 1 else f"{plane // self.depth}, depth {plane % self.depth}"

    def _flat(self, scale: ColourScale) -> Picture:
        """Features row by row, of a round number of features each."""
        features = self.values.ravel()
        wide = len(features) if len(features) <= 12 else 16 if len(features) <= 256 else 64
        rows = np.full(-(-len(features) // wide) * wide, np.nan)
        rows[: len(features)] = features
        panel = value_panel(rows.reshape(-1, wide), scale, side=0 if wide <= 12 else 480)
        panel.image[np.isnan(rows).reshape(-1, wide)] = PAPER  # behind the last
        footer = "" if wide == len(features) else f"Feature 0 is at the top left; {wide} per row."
        return panel_grid([panel], title=self.title, scale=scale, footer=footer)


def feature_maps(module: nn.Module, x: Tensor, layer: str, order: str = "strength") -> FeatureMaps:
    """The output of *layer* when *module* (in evaluation mode) is run on the one input *x* ``(1, ...)``.

    Maps of volumes are cut into slices, ``(C * depth, h, w)``; those of texts are one row high.

    Raises:
        SeeError: No layer of that name is called, it has one number per input, or *order* is not one of
            :data:`ORDERS`.

    >>> feature_maps(nn.Sequential(nn.Conv2d(1, 6, 5)), torch.zeros(1, 1, 28, 28), "0").values.shape
    (6, 24, 24)
    """
    if order not in ORDERS:
        raise SeeError(f"order is {order!r}{nearest(order, ORDERS)}")
    with evaluating(module):
        made = {call.name: call for call in layer_calls(module, x)}
    if layer not in made:
        unused = layer in dict(module.named_modules())
        what = f"the layer {layer!r} is not used in forward" if unused else f"no layer named {layer!r}"
        raise SeeError(f"{what}{nearest(layer, made)}")
    output = made[layer].output[0].detach().double().cpu().numpy()
    if output.ndim == 0:
        raise SeeError(f"{layer}: its output is one number for the whole input, not feature maps")
    if output.ndim < 3:  # features (C,), or a series (C, w)
        return FeatureMaps(layer, output.reshape(len(output), 1, -1), order=order)
    return FeatureMaps(layer, output.reshape(-1, *output.shape[-2:]), prod(output.shape[1:-2]), order)


@dataclass(frozen=True)
class LayerActivity:
    """The activations of one layer's units (channels) over all inputs.

    ``zero_fraction`` is the share of activations that are exactly 0. ``dead_units`` are the units with one and the
    same number at every position of every input: after a ReLU, always zero.
    """

    layer: str
    type: str
    units: int
    mean: float
    std: float
    min: float
    max: float
    zero_fraction: float
    dead_units: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class NetworkActivity(Inspection):
    """The activity of every layer, in order, over *n* inputs."""

    n: int
    layers: tuple[LayerActivity, ...]

    def facts(self) -> dict[str, Any]:
        return {"n": self.n, "layers": [vars(a) | {"dead": len(a.dead_units)} for a in self.layers]}

    @property
    def title(self) -> str:
        return f"over {self.n:,} items"

    def lines(self) -> list[str]:
        wide = max(len(a.layer) for a in self.layers)
        dead = f"dead units (constant over all {self.n:,} items)"
        lines = [f"{'layer':<{wide}}  {'mean':>9} {'std':>9} {'min':>9} {'max':>9} {'zeros':>6}  {dead}"]
        for a in self.layers:
            numbers = " ".join(f"{short(v):>9}" for v in (a.mean, a.std, a.min, a.max))
            some = ", ".join(map(str, a.dead_units[:8])) + (", ..." if len(a.dead_units) > 8 else "")
            dead = f"{len(a.dead_units)} of {a.units}: {some}" if a.dead_units else "-"
            lines.append(f"{a.layer:<{wide}}  {numbers} {a.zero_fraction:>6.1%}  {dead}")
        return lines


def measure_activity(module: nn.Module, batches: Iterable[Tensor]) -> NetworkActivity:
    """The activity of every layer of *module* (in evaluation mode) over the inputs of *batches* ``(N, ...)``.

    One batch at a time, with running sums: memory does not grow with the data.

    Raises:
        SeeError: There are no inputs.

    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    >>> _ = net[0].weight.data.fill_(1), net[0].bias.data.copy_(torch.tensor([0.0, 0.0, -9.0]))
    >>> found = measure_activity(net, [torch.rand(8, 2)])
    >>> found.layers[1].dead_units
    (2,)
    """
    sums: dict[str, _RunningSums] = {}
    n = 0
    with evaluating(module):
        for x in batches:
            n += len(x)
            for call in layer_calls(module, x):
                sums.setdefault(call.name, _RunningSums(type(call.layer).__name__)).add(call.output)
    if not n:
        raise SeeError("there are no items to look at")
    return NetworkActivity(n, tuple(s.activity(name) for name, s in sums.items()))


class _RunningSums:
    """Of one layer: running sums over batches, and each unit's range."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.count, self.sum, self.squares, self.zeros = 0, 0.0, 0.0, 0
        self.low = self.high = torch.empty(0)

    def add(self, output: Tensor) -> None:
        output = output.detach().double()
        units = output.transpose(0, 1).flatten(1) if output.ndim > 1 else output[None]
        low, high = units.amin(1), units.amax(1)
        self.low = torch.minimum(self.low, low) if self.count else low
        self.high = torch.maximum(self.high, high) if self.count else high
        self.count += units.numel()
        self.sum += float(units.sum())
        self.squares += float(units.square().sum())
        self.zeros += int((units == 0).sum())

    def activity(self, layer: str) -> LayerActivity:
        mean = self.sum / self.count
        std = max(0.0, self.squares / self.count - mean**2) ** 0.5
        dead = torch.nonzero(self.low == self.high).flatten().tolist() if self.count > len(self.low) else []
        return LayerActivity(
            layer, self.kind, len(self.low), mean, std, float(self.low.min()), float(self.high.max()),
            self.zeros / self.count, tuple(dead),
        )  # fmt: skip
