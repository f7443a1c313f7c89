"""The arithmetic behind one number of a network: its inputs, the weights, the products, their sum, what follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F

from striate.errors import SeeError, nearest, shape_text
from striate.inspect.capture import LayerCall, layer_calls
from striate.inspect.contributions import PixelContributions
from striate.inspect.fields import Box
from striate.inspect.inspection import DrawnInspection
from striate.inspect.target import outside
from striate.learning import evaluating
from striate.plotting.picture import ColourScale, Panel, Picture, image_panel, panel_grid, short, value_panel
from striate.plotting.text import PAPER

UNIT_ROUNDOFF = 2.0**-24  # of float32
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
MAX_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
AVERAGE_POOLS = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
DRAWN_CHANNELS = 4  # of the input, in a figure: those with the largest products


@dataclass(frozen=True)
class FollowingStep:
    """A layer after the unit that changes its number elementwise: a batch normalisation, an activation, dropout."""

    layer: str
    formula: str
    value: float


@dataclass(frozen=True, eq=False)
class UnitArithmetic(DrawnInspection):
    """One number of a network, as the sum that it is.

    Args:
        layer: The layer that it is an output of.
        type: The layer's type: ``"Conv2d"``.
        position: ``(channel, y, x)``, as many as the output has axes.
        value: The network's own number, float32.
        inputs: The window of the layer's input, ``(C, h, w)`` (of a linear layer ``(F,)``); padding is 0 (of a maximum
            NaN).
        weights: As the inputs; None of a pooling.
        bias: Added at the end; None where there is none.
        total: The same sum in double precision.
        bound: How far the float32 value may lie from *total*, whatever the order of summation:
            ``n u / (1 - n u) * sum |products|`` (Higham 2002, equation 4.4, with one more rounding for each product).
        corner: Of the window in the layer's input, ``(first channel, top, left)``: negative in the padding.
        following: What happens to the number next, as long as that is elementwise.
        box: The unit's receptive field in the image, if known.
        image: To draw with it, uint8 ``(H, W)`` or ``(H, W, 3)``; None for none.
        pixels: The contribution of each value of the network's input, where that was requested.
    """

    layer: str
    type: str
    position: tuple[int, ...]
    value: float
    inputs: np.ndarray
    weights: np.ndarray | None
    bias: float | None
    total: float
    bound: float
    corner: tuple[int, ...]
    following: tuple[FollowingStep, ...]
    box: Box | None = None
    image: np.ndarray | None = None
    pixels: PixelContributions | None = None

    @property
    def products(self) -> np.ndarray:
        """Input times weight; of a pooling the inputs themselves."""
        return self.inputs if self.weights is None else self.inputs * self.weights

    @property
    def exact(self) -> bool:
        """Whether the network's number is the sum, up to what the order of summation allows."""
        return abs(self.value - self.total) <= self.bound

    @property
    def _operation(self) -> str:
        return "the max" if "Max" in self.type else "the mean" if "Avg" in self.type else "sum of the products"

    @property
    def title(self) -> str:
        return f"{self.layer}:{':'.join(map(str, self.position))} = {self.value:.9g}   ({self.type})"

    def facts(self) -> dict[str, Any]:
        about = {
            "layer": self.layer,
            "type": self.type,
            "position": list(self.position),
            "value": self.value,
            "inputs": np.where(np.isnan(self.inputs), np.array(None), self.inputs).tolist(),
            "weights": None if self.weights is None else self.weights.tolist(),
            "bias": self.bias,
            "sum": self.total,
            "bound": self.bound,
            "exact": self.exact,
            "window_start": list(self.corner),
            "following": [vars(step) for step in self.following],
            "receptive_field": list(self.box) if self.box else None,
        }
        return about | ({"pixels": self.pixels.facts()} if self.pixels else {})

    def lines(self) -> list[str]:
        lines = []
        where = ", ".join(map(str, self.corner))
        lines.append(
            f"window {shape_text(self.inputs.shape)} of the layer's input, from ({where}): {self.inputs.size:,} inputs"
        )
        if self.weights is not None:
            lines.append("the largest products")
            for flat in np.argsort(-np.abs(self.products), axis=None, kind="stable")[:5].tolist():
                index = tuple(int(i) for i in np.unravel_index(flat, self.inputs.shape))
                value, weight = float(self.inputs[index]), float(self.weights[index])
                at = f"({', '.join(map(str, index))})"
                lines.append(f"  {at:>14}  {short(value):>9} x {short(weight):>9} = {short(value * weight):>9}")
        lines.append(f"{self._operation:<22}{self.total - (self.bias or 0):>16.9g}")
        if self.bias is not None:
            lines.append(f"{'bias':<22}{self.bias:>16.9g}")
        lines.append(f"{'total':<22}{self.total:>16.9g}   in double precision")
        verdict = "tolerance" if self.exact else "MORE than the tolerance"
        lines.append(
            f"{'network (float32)':<22}{self.value:>16.9g}   difference {abs(self.value - self.total):.2g} "
            f"({verdict} {self.bound:.2g})"
        )
        lines += [f"{'then ' + step.layer:<22}{step.value:>16.9g}   {step.formula}" for step in self.following]
        if self.box:
            top, left, height, width = self.box
            lines.append(f"receptive field: {height}x{width} pixels of the input, from row {top}, column {left}")
        return [*lines, *(self.pixels.lines() if self.pixels else [])]

    def picture(self) -> Picture:
        """Rows of inputs, weights and products, one per input channel, below the image with the receptive field; or
        the contributions of the *pixels*, where these were requested.
        """
        if self.pixels:
            return self.pixels.picture()
        inputs, products = _planes(self.inputs), _planes(self.products)
        weights = None if self.weights is None else _planes(self.weights)
        order = np.argsort(-np.nansum(np.abs(products), axis=(1, 2)), kind="stable")[:DRAWN_CHANNELS]
        scale, scale_in = ColourScale.of(products), ColourScale.of(inputs)
        panels: list[Panel] = []
        for c in order.tolist():
            name = "inputs" if self.inputs.ndim == 1 else f"input {self.corner[0] + c}"
            panels.append(_plane_panel(inputs[c], scale_in, name))
            if weights is not None:
                total = f"sum {short(float(np.nansum(products[c])))}"
                panels.append(_plane_panel(weights[c], ColourScale.of(weights), "weights"))
                panels.append(_plane_panel(products[c], scale, "products", total))
        lead: list[Panel] = []
        if self.image is not None:
            marks = (self.box,) if self.box else ()
            lead = [image_panel(self.image, title="the image and the receptive field", marks=marks, side=240)]
        left = len(inputs) - len(order)
        lines = [f"The {len(order)} channels with the largest products; {left} more are not drawn." if left else ""]
        bias = "" if self.bias is None else f", with the bias of {short(self.bias)} it is {self.total:.6g}"
        verb = "All products sum to" if self.weights is not None else f"{self._operation.capitalize()} is"
        lines.append(f"{verb} {short(self.total - (self.bias or 0))}{bias}.")
        lines += [f"Then {step.layer}: {step.formula} = {short(step.value)}" for step in self.following]
        if weights is not None:
            ends = short(scale_in.limit), short(ColourScale.of(weights).limit)
            lines.append(
                "The scale bar is for the products; inputs are coloured up to {}, weights up to {}.".format(*ends)
            )
        footer = "\n".join(filter(None, lines))
        columns = 1 if weights is None else 3
        return panel_grid(panels, columns=columns, title=self.title, scale=scale, footer=footer, lead=lead)


def unit_arithmetic(module: nn.Module, x: Tensor, unit: str) -> UnitArithmetic:
    """The arithmetic of one *unit* when *module* is run on *x*.

    Args:
        module: Any module; it runs in evaluation mode and is left as it was.
        x: One item, ``(1, ...)``, prepared as the module takes it.
        unit: ``LAYER:CHANNEL:Y:X``; of a linear layer ``LAYER:FEATURE``. The layer is a convolution, a linear layer or
            a pooling (maximum or average).

    Raises:
        SeeError: No such layer or position, or a layer of a type that is not such a sum.

    >>> import torch
    >>> net = nn.Sequential(nn.Conv2d(1, 1, 2))
    >>> found = unit_arithmetic(net, torch.ones(1, 1, 3, 3), "0:0:1:1")
    >>> found.inputs.shape, found.corner, found.exact
    ((1, 2, 2), (0, 1, 1), True)
    """
    if len(x) != 1:
        raise SeeError(f"a unit belongs to one item; got a batch of {len(x)}")
    with evaluating(module):
        made = layer_calls(module, x)
    layer, position = _parse(unit, [call.name for call in made])
    number = next(i for i, call in enumerate(made) if call.name == layer)
    call = made[number]
    _check_position(call, position)
    value = float(call.output[(0, *position)])
    inputs, weights, bias, corner = _window(call, position)
    total, bound = _sum(call, inputs, weights, bias)
    return UnitArithmetic(
        layer, type(call.layer).__name__, position, value, inputs, weights, bias, total, bound, corner,
        _following(made, number, position),
    )  # fmt: skip


def _parse(unit: str, layers: list[str]) -> tuple[str, tuple[int, ...]]:
    layer, *numbers = unit.split(":")
    if layer not in layers:
        raise SeeError(f"no layer named {layer!r}{nearest(layer, layers)}")
    try:
        return layer, tuple(int(n) for n in numbers)
    except ValueError:
        raise SeeError(f"{unit}: expected LAYER:CHANNEL:Y:X, with whole numbers, such as {layer}:0:2:3") from None


def _check_position(call: LayerCall, position: tuple[int, ...]) -> None:
    shape = tuple(call.output.shape[1:])
    if len(position) != len(shape) or not all(0 <= p < n for p, n in zip(position, shape, strict=True)):
        axes = {1: "FEATURE", 2: "CHANNEL:X", 3: "CHANNEL:Y:X"}.get(len(shape), "CHANNEL:Z:Y:X")
        unit = ":".join(map(str, (call.name, *position)))
        fault = outside(unit, call.name, shape)
        if len(position) != len(shape):
            fault = f"{unit}: expected {call.name}:{axes}{fault.removeprefix(f'{unit} is outside {call.name}')}"
        raise SeeError(fault)


_Window = tuple[np.ndarray, np.ndarray | None, float | None, tuple[int, ...]]


def _window(call: LayerCall, position: tuple[int, ...]) -> _Window:
    """The layer's input in the window of *position*, the weights, the bias, and the window's first corner."""
    layer, x = call.layer, call.inputs[0][0].detach().double().cpu()
    channel = position[0]
    if isinstance(layer, nn.Linear):
        if x.ndim != 1:
            raise SeeError(f"{call.name}: the arithmetic of a linear layer over {x.ndim} axes is not supported")
        return x.numpy(), _array(layer.weight[channel]), _bias(layer, channel), (0,)
    if isinstance(layer, CONVOLUTIONS):
        if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
            raise SeeError(f"{call.name}: only zero padding, given in numbers, is supported")
        size = layer.in_channels // layer.groups
        first = channel // (layer.out_channels // layer.groups) * size
        seen, corner = _slice(x[first : first + size], position[1:], layer, 0.0)
        return seen, _array(layer.weight[channel]), _bias(layer, channel), (first, *corner)
    if isinstance(layer, MAX_POOLS + AVERAGE_POOLS):
        uncounted = not getattr(layer, "count_include_pad", True) or getattr(layer, "divisor_override", None)
        if layer.ceil_mode or uncounted:
            raise SeeError(f"{call.name}: pooling with ceil_mode, uncounted padding or a divisor is not supported")
        fill = float("nan") if isinstance(layer, MAX_POOLS) else 0.0
        seen, corner = _slice(x[channel][None], position[1:], layer, fill)
        return seen, None, None, (channel, *corner)
    raise SeeError(
        f"{call.name} is a {type(layer).__name__}: its outputs are not sums of products; use a convolution, a linear "
        "layer or a pooling"
    )


def _slice(x: Tensor, position: tuple[int, ...], layer: Any, fill: float) -> tuple[np.ndarray, tuple[int, ...]]:
    """The window of *layer* at *position* in ``(C, ...)``, ``(C, *size)``, and its first corner."""
    axes = x.ndim - 1
    settings = (layer.kernel_size, layer.stride, layer.padding, getattr(layer, "dilation", 1))
    size, stride, padding, dilation = (tuple(v) if isinstance(v, tuple | list) else (v,) * axes for v in settings)
    corner = tuple(p * s - pad for p, s, pad in zip(position, stride, padding, strict=True))
    padded = F.pad(x, [pad for pad in reversed(padding) for _ in range(2)], value=fill)
    along = zip(position, stride, size, dilation, strict=True)
    seen = padded[:, *(slice(p * s, p * s + (k - 1) * d + 1, d) for p, s, k, d in along)]
    return seen.contiguous().numpy(), corner


def _sum(call: LayerCall, inputs: np.ndarray, weights: np.ndarray | None, bias: float | None) -> tuple[float, float]:
    if isinstance(call.layer, MAX_POOLS):
        return float(np.nanmax(inputs)), 0.0
    terms = inputs / inputs.size if weights is None else inputs * weights
    n = terms.size + 2
    reach = float(np.abs(terms).sum()) + abs(bias or 0)
    return float(terms.sum()) + (bias or 0.0), n * UNIT_ROUNDOFF / (1 - n * UNIT_ROUNDOFF) * reach


def _following(made: list[LayerCall], number: int, position: tuple[int, ...]) -> tuple[FollowingStep, ...]:
    """The elementwise layers after it."""
    steps: list[FollowingStep] = []
    while True:
        users = [i for i, call in enumerate(made) if number in call.after]
        if len(users) != 1 or made[users[0]].output.shape != made[number].output.shape:
            return tuple(steps)
        call = made[users[0]]
        formula = _formula(call.layer, position[0])
        if formula is None:
            return tuple(steps)
        steps.append(FollowingStep(call.name, formula, float(call.output[(0, *position)])))
        number = users[0]


def _formula(layer: nn.Module, channel: int) -> str | None:
    """What a layer does to one number; None where it is not elementwise."""
    if isinstance(layer, NORMS):
        if layer.running_mean is None or layer.running_var is None:
            return None
        mean, var = float(layer.running_mean[channel]), float(layer.running_var[channel])
        scale = 1.0 if layer.weight is None else float(layer.weight[channel].detach())
        shift = _bias(layer, channel) or 0.0
        minus = f"x - {short(mean)}" if mean >= 0 else f"x + {short(-mean)}"
        plus = f"+ {short(shift)}" if shift >= 0 else f"- {short(-shift)}"
        return f"({minus}) / sqrt({short(var)} + {layer.eps:g}) x {short(scale)} {plus}"
    formulas = {
        nn.ReLU: "max(0, x)",
        nn.Tanh: "tanh(x)",
        nn.Sigmoid: "1 / (1 + e^-x)",
        nn.GELU: "x times the normal distribution's share below x",
        nn.SiLU: "x / (1 + e^-x)",
        nn.Dropout: "unchanged (dropout is off)",
        nn.Identity: "unchanged",
    }
    if isinstance(layer, nn.LeakyReLU):
        return f"x, or {layer.negative_slope:g} x below 0"
    known = next((formula for kind, formula in formulas.items() if isinstance(layer, kind)), None)
    over_an_axis = hasattr(layer, "dim") or isinstance(layer, nn.Softmax2d | nn.MultiheadAttention)
    if known is None and type(layer).__module__ == nn.modules.activation.__name__ and not over_an_axis:
        return f"{type(layer).__name__}(x)"
    return known


def _array(weights: Tensor) -> np.ndarray:
    return weights.detach().double().cpu().numpy()


def _bias(layer: Any, channel: int) -> float | None:
    return None if layer.bias is None else float(layer.bias[channel].detach())


def _plane_panel(plane: np.ndarray, scale: ColourScale, title: str, note: str = "") -> Panel:
    panel = value_panel(plane, scale, title=title, note=note)
    panel.image[np.isnan(plane)] = PAPER  # beyond the last feature, or the padding of a maximum
    return panel


def _planes(array: np.ndarray) -> np.ndarray:
    """``(C, h, w)`` of a window of any rank; flat features as rows of 16."""
    if array.ndim == 1:
        rows = -(-len(array) // 16)
        padded = np.full(rows * 16, np.nan)
        padded[: len(array)] = array
        return padded.reshape(1, rows, 16) if rows > 1 else array.reshape(1, 1, -1)
    if array.ndim == 2:
        return array[:, None, :]
    return array.reshape(-1, *array.shape[-2:])
