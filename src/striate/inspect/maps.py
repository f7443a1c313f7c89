"""Feature maps of an image, and what the units of every layer do over many."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from striate.errors import SeeError, nearest
from striate.inspect.calls import calls
from striate.learning import evaluating
from striate.plotting.picture import Panel, Picture, Scale, Shown, sheet, short, values
from striate.plotting.text import PAPER

MOST = 32  # maps on a picture
# what turns a unit off for good shows in the numbers behind these
ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.Hardswish, nn.Hardsigmoid)


@dataclass(frozen=True, eq=False)
class Maps(Shown):
    """What one layer puts out for one item.

    Args:
        layer: Its name.
        values: ``(C, h, w)``; flat features are ``(C, 1, 1)``, maps of texts and series ``(C, 1, w)``.
        depth: Of volumes: so many of *values* one after the other are the slices of one map.
    """

    layer: str
    values: np.ndarray
    depth: int = 1

    @property
    def strongest(self) -> np.ndarray:
        """The channels, the one with the largest mean of absolute values first."""
        return np.argsort(-np.abs(self.values).mean(axis=(1, 2)), kind="stable")

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        v = self.values
        return {
            "layer": self.layer,
            "shape": [*([len(v) // self.depth, self.depth] if self.depth > 1 else [len(v)]), *v.shape[1:]],
            "min": float(v.min()),
            "max": float(v.max()),
            "mean": float(v.mean()),
            "zero": float((v == 0).mean()),
            "strongest": list(dict.fromkeys((self.strongest // self.depth).tolist()))[:MOST],
        }

    def picture(self, *, order: str = "strength") -> Picture:
        """A grid of maps on one scale, the strongest first; or in the channels' own *order* (``"channel"``).

        Flat features are one picture, row by row; maps of one row stand below one another.
        """
        if order not in ("strength", "channel"):
            raise SeeError(f"order is {order!r}{nearest(order, ['strength', 'channel'])}")
        channels, height, width = self.values.shape
        scale = Scale.of(self.values)
        if height == width == 1:
            return self._flat(scale)
        chosen = (self.strongest if order == "strength" else np.arange(channels))[:MOST]
        some = f"the {len(chosen)} strongest of {channels}" if channels > len(chosen) else f"{channels}"
        if height == 1:
            panel = Panel(scale.colours(self.values[chosen, 0]), side=max(240, min(720, 12 * width)))
            footer = f"Each row a channel, from above: {', '.join(map(str, chosen.tolist()))}."
            title = f"{self.layer}: {some} maps of {width} places"
            return sheet([panel], title=title, scale=scale, footer=footer)
        dead = int((self.values == 0).all(axis=(1, 2)).sum())
        panels = [
            Panel(values(self.values[c], scale).image, self._name(c), _range(self.values[c]), side=112)
            for c in chosen.tolist()
        ]
        zero = f" Zero everywhere: {dead} of {channels}." if dead else ""
        footer = f"One scale for all maps; below each, its smallest and largest number.{zero}"
        what = "maps" if self.depth == 1 else f"slices ({channels // self.depth} maps, {self.depth} deep)"
        title = f"{self.layer}: {some} {what} of {height}x{width}"
        return sheet(panels, columns=8, title=title, scale=scale, footer=footer)

    def _name(self, plane: int) -> str:
        return f"{plane}" if self.depth == 1 else f"{plane // self.depth}, depth {plane % self.depth}"

    def _flat(self, scale: Scale) -> Picture:
        """Features row by row, of so many numbers that they can be counted."""
        features = self.values.ravel()
        wide = len(features) if len(features) <= 12 else 16 if len(features) <= 256 else 64
        rows = np.full(-(-len(features) // wide) * wide, np.nan)
        rows[: len(features)] = features
        panel = values(rows.reshape(-1, wide), scale, side=0 if wide <= 12 else 480)
        panel.image[np.isnan(rows).reshape(-1, wide)] = PAPER  # behind the last
        footer = "" if wide == len(features) else f"From 0 on, row by row, {wide} in a row."
        return sheet([panel], title=f"{self.layer}: {len(features)} features", scale=scale, footer=footer)


def _range(plane: np.ndarray) -> str:
    return f"{short(float(plane.min()))} to {short(float(plane.max()))}"


def maps(module: nn.Module, x: Tensor, layer: str) -> Maps:
    """What *layer* puts out when *module* (in evaluation mode) answers the one item *x* ``(1, ...)``.

    Maps of volumes are cut into slices: ``(C * depth, h, w)``; those of texts are one row high.

    Raises:
        SeeError: There is no such layer.
    """
    with evaluating(module):
        made = {call.name: call for call in calls(module, x)}
    if layer not in made:
        raise SeeError(f"there is no layer {layer!r} that is called{nearest(layer, made)}")
    output = made[layer].output[0].detach().double().cpu().numpy()
    if output.ndim == 1:
        return Maps(layer, output[:, None, None])
    if output.ndim == 2:
        return Maps(layer, output[:, None, :])
    if output.ndim == 0:
        raise SeeError(f"{layer}: it puts out one number for the whole, no maps")
    return Maps(layer, output.reshape(-1, *output.shape[-2:]), depth=prod(output.shape[1:-2]))


@dataclass(frozen=True)
class Activity:
    """What a layer's units do over *n* items.

    ``dead`` counts the units (channels) that gave one and the same number for every item at every place: after a ReLU,
    always zero. ``zero`` is the share of zeros.
    """

    layer: str
    kind: str
    units: int
    mean: float
    std: float
    least: float
    most: float
    zero: float
    dead: int
    which: tuple[int, ...]  # the dead units


@dataclass(frozen=True, eq=False)
class Survey:
    """The activity of every layer, in order, over *n* items."""

    n: int
    layers: tuple[Activity, ...]

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        names = ("layer", "kind", "units", "mean", "std", "zero", "dead", "which")
        rows = [{n: getattr(a, n) for n in names} | {"min": a.least, "max": a.most} for a in self.layers]
        return {"n": self.n, "layers": rows}

    def __str__(self) -> str:
        wide = max(len(a.layer) for a in self.layers)
        head = f"{'layer':<{wide}}  {'mean':>9} {'deviation':>9} {'least':>9} {'most':>9} {'zeros':>6}  dead units"
        lines = [f"over {self.n:,} items", head]
        for a in self.layers:
            numbers = " ".join(f"{short(v):>9}" for v in (a.mean, a.std, a.least, a.most))
            some = ", ".join(map(str, a.which[:8])) + (", ..." if len(a.which) > 8 else "")
            dead = f"{a.dead} of {a.units}" + (f": {some}" if a.dead else "")
            lines.append(f"{a.layer:<{wide}}  {numbers} {a.zero:>6.1%}  {dead if a.dead else '-'}")
        return "\n".join(lines)


def survey(module: nn.Module, batches: Iterable[Tensor]) -> Survey:
    """The activity of every layer of *module* (in evaluation mode) over the items of *batches* ``(N, ...)``.

    A batch at a time, with running sums: memory does not grow with the data.

    Raises:
        SeeError: There are no items.

    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    >>> _ = net[0].weight.data.fill_(1), net[0].bias.data.copy_(torch.tensor([0.0, 0.0, -9.0]))
    >>> found = survey(net, [torch.rand(8, 2)])
    >>> found.layers[1].dead, found.layers[1].which
    (1, (2,))
    """
    sums: dict[str, _Sums] = {}
    n = 0
    with evaluating(module):
        for x in batches:
            n += len(x)
            for call in calls(module, x):
                sums.setdefault(call.name, _Sums(type(call.layer).__name__)).add(call.output)
    if not n:
        raise SeeError("there are no items to look at")
    return Survey(n, tuple(s.activity(name) for name, s in sums.items()))


class _Sums:
    """Of one layer: running sums over batches, and each unit's range."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.count, self.sum, self.squares, self.zeros = 0, 0.0, 0.0, 0
        self.low: Tensor | None = None
        self.high: Tensor | None = None

    def add(self, output: Tensor) -> None:
        flat = (
            output.detach().double().transpose(0, 1).flatten(1) if output.ndim > 1 else output.detach().double()[None]
        )
        self.count += flat.numel()
        self.sum += float(flat.sum())
        self.squares += float(flat.square().sum())
        self.zeros += int((flat == 0).sum())
        low, high = flat.amin(1), flat.amax(1)
        self.low = low if self.low is None else torch.minimum(self.low, low)
        self.high = high if self.high is None else torch.maximum(self.high, high)

    def activity(self, layer: str) -> Activity:
        assert self.low is not None
        assert self.high is not None
        mean = self.sum / self.count
        std = max(0.0, self.squares / self.count - mean**2) ** 0.5
        dead = torch.nonzero(self.low == self.high).flatten().tolist() if self.count > len(self.low) else []
        return Activity(
            layer, self.kind, len(self.low), mean, std, float(self.low.min()), float(self.high.max()),
            self.zeros / self.count, len(dead), tuple(dead),
        )  # fmt: skip
