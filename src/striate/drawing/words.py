"""The words of a picture: what a layer is called, what kind it is, what its tooltip says."""

from __future__ import annotations

from math import prod

from striate.analysis.report import Layer
from striate.errors import shape_text
from striate.spec.op import Shape

KINDS = {
    "conv": "conv", "tableconv": "conv",
    "convtranspose": "up", "upsample": "up",
    "maxpool": "pool", "avgpool": "pool", "sumpool": "pool", "adaptiveavgpool": "pool", "adaptivemaxpool": "pool",
    "linear": "full", "rbf": "full", "embedding": "embed",
    "add": "join", "concat": "join", "multiply": "join",
}  # fmt: skip
LEGEND = {
    "conv": "convolution", "pool": "pooling", "full": "fully connected", "up": "enlarging", "norm": "activation, norm",
    "join": "join", "embed": "embedding", "other": "other",
}  # fmt: skip
# What has no map of its own to show: it is named beside the layer that it follows (or, before one, precedes)
LIGHT = {
    "batchnorm": "bn", "layernorm": "layer norm", "lrn": "lrn", "relu": "relu", "relu6": "relu6", "tanh": "tanh",
    "sigmoid": "sigmoid", "gelu": "gelu", "silu": "silu", "leakyrelu": "leaky relu", "hardsigmoid": "hard sigmoid",
    "hardswish": "hard swish", "scaledtanh": "scaled tanh", "softmax": "softmax", "dropout": "dropout",
    "stochasticdepth": "stoch. depth", "scale": "scale", "flatten": "flatten",
}  # fmt: skip
POOLS = {"maxpool": "max pool", "avgpool": "avg pool", "sumpool": "sum pool"}
ADAPTIVE = {"adaptiveavgpool": "avg pool", "adaptivemaxpool": "max pool"}
SYMBOLS = {"add": "+", "multiply": "×", "concat": "concat"}
LONGEST = 28  # letters of the text of an op that nobody knows


def word_of(layer: Layer) -> str:
    return layer.op.split()[0] if layer.op.strip() else "?"


def fields_of(layer: Layer) -> tuple[list[str], dict[str, str]]:
    """The required fields of its op in order, and the others by name."""
    words = layer.op.split()[1:]
    return [w for w in words if "=" not in w], dict(w.split("=", 1) for w in words if "=" in w)


def kernel_of(layer: Layer) -> tuple[int, ...] | None:
    """The sizes of its window, one an axis of its map; None where it has none."""
    required, options = fields_of(layer)
    place = {"conv": 1, "tableconv": 1, "convtranspose": 1, "maxpool": 0, "avgpool": 0, "sumpool": 0, "upsample": 0}
    at = place.get(word_of(layer))
    text = options.get("kernel", "") if at is None or at >= len(required) else required[at]
    numbers = tuple(int(n) for n in text.split("x") if n.isdigit())
    return (numbers * (len(layer.output) - 1) if len(numbers) == 1 else numbers) or None


def caption(layer: Layer, channels: bool = False) -> str:
    """What the layer does, in few words; with *channels*, how many it makes too.

    >>> from striate.analysis import check
    >>> [caption(layer, channels=True) for layer in check("conv 6 5 padding=2; maxpool 3 stride=2", "1x28x28").layers]
    ['5x5 conv 6', '3x3 max pool /2']
    """
    kernel = kernel_of(layer)
    if kernel and len(kernel) == 1 and word_of(layer) != "upsample":
        return _windowed(layer, "", channels) + f" over {kernel[0]}"
    return _windowed(layer, shape_text(kernel) + " " if kernel else "", channels)


def _windowed(layer: Layer, window: str, channels: bool) -> str:
    required, options = fields_of(layer)
    name = word_of(layer)
    out = f" {required[0]}" if channels and required and name in _WITH_OUT else ""
    match name:
        case "conv":
            return window + _grouped(required, options) + out + _over(options.get("stride"))
        case "tableconv":
            return f"{window}conv by table" + (f" {layer.output[0]}" if channels else "") + _over(options.get("stride"))
        case "convtranspose":
            return f"{window}up-conv{out}{_over(options.get('stride'), '×')}"
        case "maxpool" | "avgpool" | "sumpool":
            return window + POOLS[name] + _over(options.get("stride", required[0] if required else None))
        case "adaptiveavgpool" | "adaptivemaxpool":
            whole = prod(layer.output[1:]) == 1
            return f"global {ADAPTIVE[name]}" if whole else f"{ADAPTIVE[name]} to {shape_text(layer.output[1:])}"
        case "linear" | "rbf" | "embedding":
            return {"linear": "linear", "rbf": "rbf units", "embedding": "embedding"}[name] + out
        case "upsample":
            return "upsample" + _over(required[0] if required else None, "×")
        case "crop" | "padchannels":
            return " ".join(["pad channels" if name == "padchannels" else name, *required])
        case "add" | "concat" | "multiply":
            return name
        case "opaque":
            return _short(" ".join(required))
        case _ if name in LIGHT:
            return LIGHT[name]
        case _:
            return _short(layer.op)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


_WITH_OUT = ("conv", "convtranspose", "linear", "rbf", "embedding")


def _grouped(required: list[str], options: dict[str, str]) -> str:
    groups, out = options.get("groups", "1"), required[0] if required else ""
    name = "conv" if groups == "1" else "depthwise conv" if groups == out else f"conv in {groups} groups"
    return name if options.get("dilation", "1") == "1" else f"dilated {name}"


def _over(stride: str | None, sign: str = "/") -> str:
    numbers = set((stride or "1").split("x"))
    text = numbers.pop() if len(numbers) == 1 else stride
    return "" if text == "1" else f" {sign}{text}"


def size_of_map(shape: Shape | None) -> str:
    """A shape as the papers write it: maps, and the size of each.

    >>> size_of_map((6, 28, 28)), size_of_map((10,)), size_of_map(None)
    ('6@28x28', '10', '?')
    """
    if not shape:
        return "?"
    return f"{shape[0]}@{shape_text(shape[1:])}" if len(shape) > 1 else f"{shape[0]:,}"


def tip_of(layer: Layer) -> str:
    """All that is known of a layer, for who points at it."""
    lines = [f"{layer.name}: {layer.op}", f"output {shape_text(layer.output) if layer.output else 'not known'}"]
    if layer.parameters:
        lines.append(f"{layer.parameters:,} parameters")
    if layer.macs:
        lines.append(f"{layer.macs:,} MACs")
    if layer.receptive_field:
        lines.append(f"sees {shape_text(layer.receptive_field)} of the input")
    return "\n  ".join(lines)
