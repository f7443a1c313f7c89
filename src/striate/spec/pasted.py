"""Lines of PyTorch and Keras that somebody pasted, in words of the notation."""

from __future__ import annotations

import ast
import re
from typing import Any

CALL = re.compile(r"^(?:self\.)?(?:[\w.]+\s*=\s*)?((?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*)\s*(\(.*\))\s*,?$", re.DOTALL)
ACTIVATIONS = {"relu", "sigmoid", "tanh", "gelu", "silu", "mish", "softplus", "elu", "relu6", "softmax", "hardswish"}
FUNCTIONS = {"relu", "sigmoid", "tanh", "softmax", "flatten", "dropout", "gelu", "silu", "log_softmax"}

# Class: the word, the arguments in their order (None: not said in the notation), those that are required
TORCH: dict[str, tuple[str, tuple[str | None, ...]]] = {
    "conv": ("conv", (None, "out", "kernel", "stride", "padding", "dilation", "groups", "bias")),
    "convtranspose": (
        "convtranspose",
        (None, "out", "kernel", "stride", "padding", "output_padding", "groups", "bias", "dilation"),
    ),
    "linear": ("linear", (None, "out", "bias")),
    "maxpool": ("maxpool", ("kernel", "stride", "padding", "dilation")),
    "avgpool": ("avgpool", ("kernel", "stride", "padding")),
    "adaptiveavgpool": ("adaptiveavgpool", ("out",)),
    "adaptivemaxpool": ("adaptivemaxpool", ("out",)),
    "batchnorm": ("batchnorm", (None, "eps", "momentum")),
    "dropout": ("dropout", ("p",)),
    "embedding": ("embedding", ("words", "out")),
    "flatten": ("flatten", ()),
    "upsample": ("upsample", (None, "scale")),
    "leakyrelu": ("leakyrelu", ("slope",)),
    "pixelshuffle": ("", ()),
}
KERAS: dict[str, tuple[str, tuple[str | None, ...]]] = {
    "conv": ("conv", ("out", "kernel", "stride", "padding")),
    "convtranspose": ("convtranspose", ("out", "kernel", "stride", "padding")),
    "dense": ("linear", ("out", "activation")),
    "maxpooling": ("maxpool", ("kernel", "stride", "padding")),
    "maxpool": ("maxpool", ("kernel", "stride", "padding")),
    "averagepooling": ("avgpool", ("kernel", "stride", "padding")),
    "globalaveragepooling": ("adaptiveavgpool 1; flatten", ()),
    "globalmaxpooling": ("adaptivemaxpool 1; flatten", ()),
    "batchnormalization": ("batchnorm", ()),
    "dropout": ("dropout", ("p",)),
    "flatten": ("flatten", ()),
    "upsampling": ("upsample", ("scale",)),
    "embedding": ("embedding", ("words", "out")),
    "activation": ("", ("activation",)),
}
KEYS = {
    "out_channels": "out", "out_features": "out", "filters": "out", "units": "out", "embedding_dim": "out",
    "output_dim": "out", "output_size": "out", "kernel_size": "kernel", "pool_size": "kernel", "strides": "stride",
    "num_embeddings": "words", "input_dim": "words", "rate": "p", "scale_factor": "scale", "size": "scale",
    "use_bias": "bias", "ceil_mode": "ceil", "negative_slope": "slope", "count_include_pad": "count_padding",
    "dilation_rate": "dilation",
}  # fmt: skip
REQUIRED = ("words", "out", "kernel", "scale")
UNSAID = {
    "in_channels",
    "in_features",
    "num_features",
    "inplace",
    "input_shape",
    "start_dim",
    "name",
    "dim",
    "data_format",
}
LIKE = {  # words for the same, written otherwise
    "max pool": "maxpool", "max pooling": "maxpool", "avg pool": "avgpool", "average pool": "avgpool",
    "average pooling": "avgpool", "global pool": "adaptiveavgpool 1", "global average pool": "adaptiveavgpool 1",
    "fully connected": "linear", "dense": "linear", "fc": "linear", "convolution": "conv", "batch norm": "batchnorm",
    "bn": "batchnorm", "deconv": "convtranspose", "conv transpose": "convtranspose", "up conv": "convtranspose",
    "leaky relu": "leakyrelu", "pooling": "maxpool", "pool": "maxpool", "concatenate": "concat", "cat": "concat",
    "layer norm": "layernorm", "drop out": "dropout", "max_pool": "maxpool", "avg_pool": "avgpool", "sum": "add",
    "batch_norm": "batchnorm", "conv2d": "conv", "conv1d": "conv", "conv3d": "conv", "maxpool2d": "maxpool",
    "gap": "adaptiveavgpool 1", "globalavgpool": "adaptiveavgpool 1", "global average": "adaptiveavgpool 1",
    "globalaveragepooling2d": "adaptiveavgpool 1", "global max": "adaptivemaxpool 1",
    "mul": "multiply", "reshape": "flatten", "interpolate": "upsample", "upsampling": "upsample",
}  # fmt: skip


def from_pasted(line: str) -> str | None:
    """What a pasted *line* of PyTorch or Keras is in the notation; None where it is none, or no word says it.

    >>> from_pasted("nn.Conv2d(3, 6, 5)"), from_pasted("self.pool = nn.MaxPool2d(2, 2)")
    ('conv 6 5', 'maxpool 2')
    >>> from_pasted("layers.Conv2D(32, (3, 3), activation='relu')"), from_pasted("conv 6 5")
    ('conv 32 3; relu', None)
    """
    line = line.strip().removesuffix(",")
    added = re.fullmatch(r"\w+\.add\((.*)\)", line)  # model.add(...)
    found = CALL.match((added.group(1) if added else line).strip())
    if not found:
        return None
    try:
        call = ast.parse(f"f{found.group(2)}", mode="eval").body
    except SyntaxError:
        return None
    if not isinstance(call, ast.Call):
        return None
    name = found.group(1).rpartition(".")[2]
    if name in FUNCTIONS:
        return name if name != "log_softmax" else "softmax"
    keras = name[-2:] in ("1D", "2D", "3D") or (name.lower() in KERAS and name.lower() not in TORCH)
    stem = re.sub(r"[123][dD]$", "", name).lower()
    if stem in ACTIVATIONS and name != name.lower():
        return stem
    keras |= stem in ("dropout", "flatten", "embedding") and "layers." in found.group(1)
    word, order = (KERAS if keras else TORCH).get(stem, ("", ()))
    if not word and stem != "activation":
        return None
    try:
        return _written(word, _arguments(call, order))
    except ValueError:
        return None


def _arguments(call: ast.Call, order: tuple[str | None, ...]) -> dict[str, Any]:
    """The fields that the call says; ValueError where a value is no plain one."""
    values: dict[str, Any] = {}
    for place, value in enumerate(call.args):
        key = order[place] if place < len(order) else None
        if key is not None:
            values[key] = ast.literal_eval(value)
    for keyword in call.keywords:
        if keyword.arg not in UNSAID and keyword.arg is not None:
            values[KEYS.get(keyword.arg, keyword.arg)] = ast.literal_eval(keyword.value)
    return values


def _written(word: str, values: dict[str, Any]) -> str:
    activation = values.pop("activation", None)
    if word.startswith("conv") and values.get("padding") == "valid":
        del values["padding"]
    if "pool" in word and (values.get("stride") == values.get("kernel") or values.get("padding") == "valid"):
        values = {
            k: v for k, v in values.items() if (k, v) not in (("stride", values.get("kernel")), ("padding", "valid"))
        }
    default = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": True, "output_padding": 0}
    first = [
        _value(values.pop(key)) for key in REQUIRED if key in values and not (key == "kernel" and word == "linear")
    ]
    rest = [f"{k}={_value(v)}" for k, v in values.items() if v is not None and ("pool" in word or v != default.get(k))]
    text = " ".join([word, *first, *rest]).strip()
    return "; ".join(part for part in (text, activation) if part and part != "linear")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return str(value[0]) if len(set(value)) == 1 else "x".join(map(str, value))
    return str(value)
