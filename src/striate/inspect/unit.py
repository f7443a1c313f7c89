"""The arithmetic behind one number of a network: what it saw, the weights, the products, their sum, what follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from striate.errors import SeeError, nearest, shape_text
from striate.inspect.calls import Call, calls
from striate.learning import evaluating
from striate.plotting.picture import Picture, Shown, short

UNIT_ROUNDOFF = 2.0**-24  # of float32
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
MAX_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
AVERAGE_POOLS = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True)
class Then:
    """A layer that follows and changes the number by itself: a batch normalisation, an activation, dropout."""

    layer: str
    what: str
    value: float


@dataclass(frozen=True, eq=False)
class Arithmetic(Shown):
    """One number of a network, taken apart.

    Args:
        layer: The layer that put it out.
        kind: What sort of layer: ``"Conv2d"``.
        place: ``(channel, y, x)``, as many as the output has axes.
        value: The network's own number, float32.
        inputs: What the layer saw for it, ``(C, h, w)`` (of a linear layer ``(F,)``); padding is 0 (of a maximum NaN).
        weights: As the inputs; None of a pooling.
        bias: Added at the end; None where there is none.
        total: The same sum in double precision.
        bound: How far the float32 value may lie from *total*, whatever the order of summation:
            ``n u / (1 - n u) * sum |products|`` (Higham 2002, equation 4.4, with one more rounding for each product).
        corner: Of the window in the layer's input, ``(first channel, top, left)``: negative in the padding.
        then: What happens to the number next, as long as that is one number to one number.
    """

    layer: str
    kind: str
    place: tuple[int, ...]
    value: float
    inputs: np.ndarray
    weights: np.ndarray | None
    bias: float | None
    total: float
    bound: float
    corner: tuple[int, ...]
    then: tuple[Then, ...]

    @property
    def products(self) -> np.ndarray:
        """Input times weight; of a pooling the inputs themselves."""
        return self.inputs if self.weights is None else self.inputs * self.weights

    @property
    def exact(self) -> bool:
        """Whether the network's number is the sum, up to what the order of summation allows."""
        return abs(self.value - self.total) <= self.bound

    def picture(self, image: np.ndarray | None = None, box: tuple[int, int, int, int] | None = None) -> Picture:
        """See :func:`striate.inspect.unit_picture.unit_picture`."""
        from striate.inspect.unit_picture import unit_picture

        return unit_picture(self, image, box)

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return {
            "layer": self.layer,
            "kind": self.kind,
            "place": list(self.place),
            "value": self.value,
            "inputs": np.where(np.isnan(self.inputs), np.array(None), self.inputs).tolist(),
            "weights": None if self.weights is None else self.weights.tolist(),
            "bias": self.bias,
            "sum": self.total,
            "bound": self.bound,
            "exact": self.exact,
            "corner": list(self.corner),
            "then": [{"layer": t.layer, "what": t.what, "value": t.value} for t in self.then],
        }

    def __str__(self) -> str:
        at = ":".join(map(str, self.place))
        lines = [f"{self.layer}:{at} = {self.value:.9g}   ({self.kind})"]
        shape = shape_text(self.inputs.shape)
        where = ", ".join(map(str, self.corner))
        lines.append(f"window {shape} of the layer's input, from ({where}): {self.inputs.size:,} numbers")
        if self.weights is not None:
            order = np.argsort(-np.abs(self.products), axis=None, kind="stable")[:5]
            lines.append("the largest products")
            for flat in order.tolist():
                index = tuple(int(i) for i in np.unravel_index(flat, self.inputs.shape))
                value, weight = float(self.inputs[index]), float(self.weights[index])
                lines.append(f"  {_index(index)}  {short(value):>9} x {short(weight):>9} = {short(value * weight):>9}")
        summed = "the largest" if "Max" in self.kind else "the mean" if "Avg" in self.kind else "sum of the products"
        lines.append(f"{summed:<22}{self.total - (self.bias or 0):>16.9g}")
        if self.bias is not None:
            lines.append(f"{'bias':<22}{self.bias:>16.9g}")
        lines.append(f"{'together':<22}{self.total:>16.9g}   in double precision")
        verdict = "within" if self.exact else "NOT within"
        lines.append(
            f"{'the network has':<22}{self.value:>16.9g}   {abs(self.value - self.total):.2g} apart, {verdict} the "
            f"{self.bound:.2g} that the order of summation allows"
        )
        lines += [f"{'then ' + t.layer:<22}{t.value:>16.9g}   {t.what}" for t in self.then]
        return "\n".join(lines)


def unit(module: nn.Module, x: Tensor, name: str) -> Arithmetic:
    """The arithmetic of the unit *name* when *module* answers *x*.

    Args:
        module: Any module; it runs in evaluation mode and is left as it was.
        x: One item, ``(1, ...)``, prepared as the module takes it.
        name: ``LAYER:CHANNEL:Y:X``; of a linear layer ``LAYER:FEATURE``. The layer is a convolution, a linear layer or
            a pooling (maximum or average).

    Raises:
        SeeError: No such layer or place, or a layer of a kind that is no such sum.

    >>> import torch
    >>> net = nn.Sequential(nn.Conv2d(1, 1, 2))
    >>> found = unit(net, torch.ones(1, 1, 3, 3), "0:0:1:1")
    >>> found.inputs.shape, found.corner, found.exact
    ((1, 2, 2), (0, 1, 1), True)
    """
    if len(x) != 1:
        raise SeeError(f"a unit belongs to one item; got a batch of {len(x)}")
    with evaluating(module):
        made = calls(module, x)
    layer, place = _parse(name, [call.name for call in made])
    number = next(i for i, call in enumerate(made) if call.name == layer)
    call = made[number]
    _check_place(call, place)
    value = float(call.output[(0, *place)])
    inputs, weights, bias, corner = _window(call, place)
    total, bound = _sum(call, inputs, weights, bias)
    return Arithmetic(
        layer, type(call.layer).__name__, place, value, inputs, weights, bias, total, bound, corner,
        _following(made, number, place),
    )  # fmt: skip


def _parse(name: str, layers: list[str]) -> tuple[str, tuple[int, ...]]:
    layer, *numbers = name.split(":")
    if layer not in layers:
        raise SeeError(f"there is no layer {layer!r}{nearest(layer, layers)}")
    try:
        return layer, tuple(int(n) for n in numbers)
    except ValueError:
        raise SeeError(f"{name}: wanted LAYER:CHANNEL:Y:X, with whole numbers, such as {layer}:0:2:3") from None


def _check_place(call: Call, place: tuple[int, ...]) -> None:
    shape = tuple(call.output.shape[1:])
    if len(place) != len(shape) or not all(0 <= p < n for p, n in zip(place, shape, strict=True)):
        example = ":".join(str(n // 2) for n in shape)
        raise SeeError(
            f"{call.name} puts out {'x'.join(map(str, shape))}: wanted {len(shape)} number(s) counted from 0, below "
            f"these, such as {call.name}:{example}; got {':'.join(map(str, place)) or 'none'}"
        )


Window = tuple[np.ndarray, np.ndarray | None, float | None, tuple[int, ...]]


def _window(call: Call, place: tuple[int, ...]) -> Window:
    """What the layer saw for the place, the weights, the bias, and the window's first corner."""
    layer, x = call.layer, call.inputs[0][0].detach().double().cpu()
    if isinstance(layer, nn.Linear):
        if x.ndim != 1:
            raise SeeError(f"{call.name}: a linear layer over {x.ndim} axes is not taken apart; take a flat one")
        weights = layer.weight[place[0]].detach().double().cpu().numpy()
        return x.numpy(), weights, _bias(layer, place[0]), (0,)
    if isinstance(layer, CONVOLUTIONS):
        if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
            raise SeeError(f"{call.name}: only padding with zeros, in numbers, is taken apart")
        group = place[0] // (layer.out_channels // layer.groups)
        size = layer.in_channels // layer.groups
        first = group * size
        seen, corner = _slice(
            x[first : first + size], place[1:], layer.kernel_size, layer.stride, layer.padding, layer.dilation, 0.0
        )
        return seen, layer.weight[place[0]].detach().double().cpu().numpy(), _bias(layer, place[0]), (first, *corner)
    if isinstance(layer, MAX_POOLS + AVERAGE_POOLS):
        axes = x.ndim - 1
        largest = isinstance(layer, MAX_POOLS)
        dilation = layer.dilation if largest else 1
        counted = largest or layer.count_include_pad
        if not counted or layer.ceil_mode or getattr(layer, "divisor_override", None):
            raise SeeError(f"{call.name}: pooling with ceil_mode, uncounted padding or a divisor is not taken apart")
        size, stride, pad, between = (
            _each(v, axes) for v in (layer.kernel_size, layer.stride, layer.padding, dilation)
        )
        fill = float("nan") if largest else 0.0
        seen, corner = _slice(x[place[0]][None], place[1:], size, stride, pad, between, fill)
        return seen, None, None, (place[0], *corner)
    raise SeeError(
        f"{call.name} is a {type(layer).__name__}: its numbers are no sum of products; take a convolution, a linear "
        "layer or a pooling"
    )


def _slice(
    x: Tensor,
    place: tuple[int, ...],
    size: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    fill: float,
) -> tuple[np.ndarray, tuple[int, ...]]:
    """The window of *place* in ``(C, ...)``, ``(C, *size)``, and its first corner."""
    corner = tuple(p * s - pad for p, s, pad in zip(place, stride, padding, strict=True))
    seen = np.full((len(x), *size), fill)
    for index in np.ndindex(*size):
        at = tuple(c + i * d for c, i, d in zip(corner, index, dilation, strict=True))
        if all(0 <= a < n for a, n in zip(at, x.shape[1:], strict=True)):
            seen[(slice(None), *index)] = x[(slice(None), *at)].numpy()
    return seen, corner


def _sum(call: Call, inputs: np.ndarray, weights: np.ndarray | None, bias: float | None) -> tuple[float, float]:
    if isinstance(call.layer, MAX_POOLS):
        return float(np.nanmax(inputs)), 0.0
    terms = inputs / inputs.size if weights is None else inputs * weights
    n = terms.size + 2
    reach = float(np.abs(terms).sum()) + abs(bias or 0)
    return float(terms.sum()) + (bias or 0.0), n * UNIT_ROUNDOFF / (1 - n * UNIT_ROUNDOFF) * reach


def _following(made: list[Call], number: int, place: tuple[int, ...]) -> tuple[Then, ...]:
    """The layers after it that turn each number into one number at the same place."""
    then: list[Then] = []
    while True:
        users = [i for i, call in enumerate(made) if number in call.after]
        if len(users) != 1 or made[users[0]].output.shape != made[number].output.shape:
            return tuple(then)
        call = made[users[0]]
        what = _word(call.layer, place[0])
        if what is None:
            return tuple(then)
        then.append(Then(call.name, what, float(call.output[(0, *place)])))
        number = users[0]


def _word(layer: nn.Module, channel: int) -> str | None:
    """What a layer does to one number; None where it looks at others too."""
    if isinstance(layer, NORMS):
        if layer.running_mean is None or layer.running_var is None:
            return None
        mean, var = float(layer.running_mean[channel]), float(layer.running_var[channel])
        scale = 1.0 if layer.weight is None else float(layer.weight[channel].detach())
        shift = 0.0 if layer.bias is None else float(layer.bias[channel].detach())
        minus = f"x - {short(mean)}" if mean >= 0 else f"x + {short(-mean)}"
        plus = f"+ {short(shift)}" if shift >= 0 else f"- {short(-shift)}"
        return f"({minus}) / sqrt({short(var)} + {layer.eps:g}) x {short(scale)} {plus}"
    words = {
        nn.ReLU: "max(0, x)",
        nn.Tanh: "tanh(x)",
        nn.Sigmoid: "1 / (1 + e^-x)",
        nn.GELU: "x times the normal distribution's share below x",
        nn.SiLU: "x / (1 + e^-x)",
        nn.Dropout: "as it is (dropout rests)",
        nn.Identity: "as it is",
    }
    if isinstance(layer, nn.LeakyReLU):
        return f"x, or {layer.negative_slope:g} x below 0"
    return next((word for kind, word in words.items() if isinstance(layer, kind)), None)


def _bias(layer: Any, channel: int) -> float | None:
    return None if layer.bias is None else float(layer.bias[channel].detach())


def _each(value: Any, axes: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,) * axes


def _index(index: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, index))})".rjust(14)
