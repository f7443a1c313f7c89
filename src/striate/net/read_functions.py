"""Torch's functions in the words of the vocabulary: one short rule each, in a plain table.

A rule gives what the call is (``Found``), or None where no word says it; the words that come out are compared with
the shapes and parameters that came out in fact, so a rule may trust its arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from fractions import Fraction
from functools import partial
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from striate.net.read_call import Call, Found, channels_first, one, spread
from striate.net.read_positions import PLACES, SAME, word_of
from striate.spec import (
    GELU,
    LRN,
    OPS,
    Activation,
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    ConvTranspose,
    Dropout,
    Embedding,
    LayerNorm,
    Linear,
    MaxPool,
    Multiply,
    Opaque,
    ReLU,
    ReLU6,
    Softmax,
    SumPool,
    Upsample,
)
from striate.spec.op import signature

Rule = Callable[[Call], Found | None]


def _found(*ops: Any, **more: Any) -> Found:
    return Found(tuple(ops), **more)


def _alone(make: Callable[[Call], Any]) -> Rule:
    """A rule for a function of one tensor: *make* gives the op, or None."""

    def rule(call: Call) -> Found | None:
        op = make(call) if call.alone() else None
        return None if op is None else _found(op)

    return rule


# ------------------------------------------------------------------------------------------------- with weights
def _conv(call: Call) -> Found | None:
    weight = call.get(1, "weight")
    if not call.alone():
        return None  # a kernel that was computed from the input
    stride = one(call.get(3, "stride", 1))
    padding: Any = call.get(4, "padding", 0)
    dilation, groups = one(call.get(5, "dilation", 1)), call.get(6, "groups", 1)
    biased = call.get(2, "bias") is not None
    before = call.value.record.now()
    sources = None
    rank = weight.ndim - 2
    if padding == "same":
        windows = _same_windows(tuple(weight.shape[2:]), spread(dilation, rank))
        if windows:
            macs = call.each() * weight[0].numel()
            return _found(
                Opaque(word_of(call.name), channels_first(call.out, call.batch, False), 0, macs, "window", windows)
            )
    plane = before.plane
    if plane is not None and rank == 2 and weight.shape[1] == 1 and weight.shape[3] == plane.shape[0]:
        sides = [spread(v, 2) for v in (stride, 0 if isinstance(padding, str) else padding, dilation)]
        if call.out.shape[-1] == 1 and groups == 1 and not isinstance(padding, str) and sides[1][1] == 0:
            step, pad, spacing = (int(pair[0]) for pair in sides)
            op = Conv(weight.shape[0], weight.shape[2], step, pad, spacing, bias=biased)
            return _found(op, sources=[plane], last=False, thin=True)
    if call.fold and before.padded is not None and not isinstance(padding, str):
        own = spread(padding, len(before.padded))
        padding = tuple(a + b for a, b in zip(own, before.padded, strict=True))
        sources = [type(call.value)(before.inputs[0], before.inputs[0].shape)]
    op = Conv(weight.shape[0], one(weight.shape[2:]), stride, one(padding), dilation, groups, biased)
    return _found(op, sources=sources)


def _same_windows(kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """The windows of ``padding="same"`` where one side gets more of it than the other; none where both get the same."""
    totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    if all(total % 2 == 0 for total in totals):
        return ()
    each = zip(kernel, dilation, totals, strict=True)
    return tuple((k, 1, total // 2, total - total // 2, d, 1) for k, d, total in each)


def _conv_transpose(call: Call) -> Found | None:
    weight, groups = call.get(1, "weight"), call.get(6, "groups", 1)
    if not call.alone():
        return None
    stride, padding, extra = (
        one(call.get(i, k, d)) for i, k, d in ((3, "stride", 1), (4, "padding", 0), (5, "output_padding", 0))
    )
    dilation, biased = one(call.get(7, "dilation", 1)), call.get(2, "bias") is not None
    out = weight.shape[1] * groups
    return _found(ConvTranspose(out, one(weight.shape[2:]), stride, padding, extra, dilation, groups, biased))


def _linear(call: Call) -> Found | None:
    weight, biased = call.get(1, "weight"), call.get(2, "bias") is not None
    if not call.alone() or not isinstance(weight, Tensor) or weight.ndim != 2:
        return None
    if len(call.value.shape) == 1:
        return _found(Linear(weight.shape[0], biased))
    return (
        _found(Conv(weight.shape[0], 1, bias=biased)) if call.value.last else None
    )  # on every place: a 1x1 convolution


def _matmul(call: Call) -> Found | None:
    other = call.get(1, "mat2" if call.name == "mm" else "other")
    flat = call.alone() and len(call.value.shape) == 1 and isinstance(other, Tensor) and other.ndim == 2
    return _found(Linear(other.shape[1], bias=False)) if flat else None


def _embedding(call: Call) -> Found | None:
    weight = call.get(1, "weight")
    first = not call.value.record.inputs and len(call.value.shape) == 1
    return _found(Embedding(*weight.shape), last=True) if first and call.alone() else None


# ------------------------------------------------------------------------------------------------------ pooling
def _stride(call: Call) -> Any:
    stride = call.get(2, "stride")
    return None if stride is None or stride in ([], ()) else one(stride)


def _max_pool(call: Call) -> Any:
    kernel, padding, dilation = call.get(1, "kernel_size"), call.get(3, "padding", 0), call.get(4, "dilation", 1)
    return MaxPool(one(kernel), _stride(call), one(padding), one(dilation), bool(call.get(5, "ceil_mode", False)))


def _avg_pool(call: Call) -> Any:
    kernel, padding = one(call.get(1, "kernel_size")), one(call.get(3, "padding", 0))
    ceil, counted = bool(call.get(4, "ceil_mode", False)), bool(call.get(5, "count_include_pad", True))
    divisor = call.get(6, "divisor_override")
    if divisor is None:
        return AvgPool(kernel, _stride(call), padding, ceil, counted)
    return SumPool(kernel, _stride(call), padding, ceil) if divisor == 1 else None


def _upsample(call: Call) -> Any:
    """Whole factors; other scales, sizes that are given, aligned corners and cubic ones read a few positions each."""
    mode, corners = call.get(3, "mode", "nearest"), bool(call.get(4, "align_corners", False))
    given = list(zip(call.x.shape[2:], call.out.shape[2:], strict=True))
    plain = {"nearest-exact": "nearest", "bilinear": "linear", "trilinear": "linear"}.get(mode, mode)
    scale = call.get(2, "scale_factor")
    if not corners and plain in ("nearest", "linear") and not any(b % a for a, b in given):
        return Upsample(one([b // a for a, b in given]), plain)
    if plain not in TAPS or call.value.last or call.x.ndim != call.rank + 2:
        return None
    if scale is None or call.get(5, "recompute_scale_factor", False):
        ends = [(0, b) for _, b in given]
    else:
        scales = scale if isinstance(scale, tuple | list) else [scale] * len(given)
        ends = [Fraction(float(s)).limit_denominator(4096).as_integer_ratio() for s in scales]
    grid = 1 if corners else 2 if mode == "nearest" else 0
    windows = tuple((TAPS[plain], grid, *each) for each in ends)
    return Opaque(call.name, tuple(call.out.shape[1:]), 0, 0, "resize", windows)


TAPS = {"nearest": 1, "linear": 2, "bicubic": 4}  # positions that a resized map reads along each axis


# ------------------------------------------------------------------------------------------------ normalisation
def _batch_norm(call: Call) -> Any:
    first = 3 if call.own == "torch.nn.functional" else 1  # torch.batch_norm has the weights before the statistics
    weights = call.get(first, "weight"), call.get(first + 1, "bias")
    if call.get(5, "training", False) or any(weight is None for weight in weights):
        return None
    return BatchNorm(call.get(7, "eps", 1e-5), call.get(6, "momentum", 0.1))


def _layer_norm(call: Call) -> Any:
    over, weight, bias = tuple(call.get(1, "normalized_shape")), call.get(2, "weight"), call.get(3, "bias")
    channels = over == call.value.shape[:1] and (call.value.last or len(call.value.shape) == 1)
    return LayerNorm(call.get(4, "eps", 1e-5)) if channels and weight is not None and bias is not None else None


def _softmax(call: Call) -> Any:
    dim = call.get(1, "dim")
    if dim is None:
        dim = 0 if call.x.ndim in (0, 1, 3) else 1  # torch's own guess
    return Softmax() if call.axis(dim) == 1 else None


# -------------------------------------------------------------------------------------------------- activations
def _activations() -> dict[str, Rule]:
    """A rule for every activation that is a class of torch: the function of its name takes the same arguments."""
    functions = {name.replace("_", ""): name for name in dir(F) if not name.endswith("_")}
    found = {}
    for op in OPS.values():
        cls, arguments = signature(op.torch)
        if issubclass(op, Activation) and cls.startswith("nn."):
            found[functions[cls[3:].lower()]] = _alone(partial(_activation, op, arguments))
    return found


def _activation(op: type[Activation], arguments: tuple[tuple[str, str, bool], ...], call: Call) -> Activation:
    defaults = {f.name: f.default for f in fields(op)}
    return op(**{field: call.get(i, name, defaults[field]) for i, (name, field, _) in enumerate(arguments, start=1)})


def _clamp(call: Call) -> Any:
    low, high = call.get(1, "min"), call.get(2, "max")
    return {(0, None): ReLU(), (0, 6): ReLU6()}.get((low, high)) if not isinstance(low, Tensor) else None


# -------------------------------------------------------------------------------------------------------- joins
def _joined(call: Call, op: Any) -> Found | None:
    """The join of two tensors that both came from the input and lie the same way."""
    same = len({(v.last, len(v.shape)) for v in call.sources}) == 1
    return _found(op) if same and len(call.sources) == 2 else None


def _add(call: Call) -> Found | None:
    equal = len({v.shape for v in call.sources}) == 1
    return _joined(call, Add()) if equal and call.kwargs.get("alpha", 1) == 1 else None


def _concat(call: Call) -> Found | None:
    parts = call.get(0, "tensors")
    dim = call.kwargs.get("axis", call.get(1, "dim", 0))
    if not isinstance(parts, tuple | list) or len({v.last for v in call.sources}) > 1:
        return None
    dim %= parts[0].ndim
    channels = dim == (parts[0].ndim - 1 if call.value.last else 1)
    if len(parts) != len(call.sources) or not channels:
        return None
    return _found(Concat()) if len(parts) > 1 else Found()


def _same(call: Call) -> Found | None:
    return Found() if len(call.sources) == 1 else None


FUNCTIONS: dict[str, Rule] = {
    **PLACES,
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _conv),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _conv_transpose),
    "linear": _linear,
    "matmul": _matmul,
    "mm": _matmul,
    "embedding": _embedding,
    **{f"max_pool{r}d{tail}": _alone(_max_pool) for r in (1, 2, 3) for tail in ("", "_with_indices")},
    **{f"avg_pool{r}d": _alone(_avg_pool) for r in (1, 2, 3)},
    **{f"adaptive_avg_pool{r}d": _alone(lambda c: AdaptiveAvgPool(one(c.out.shape[2:]))) for r in (1, 2, 3)},
    **{
        f"adaptive_max_pool{r}d{tail}": _alone(lambda c: AdaptiveMaxPool(one(c.out.shape[2:])))
        for r in (1, 2, 3)
        for tail in ("", "_with_indices")
    },
    "interpolate": _alone(_upsample),
    "upsample": _alone(_upsample),
    "batch_norm": _alone(_batch_norm),
    "layer_norm": _alone(_layer_norm),
    "local_response_norm": _alone(
        lambda c: LRN(c.get(1, "size"), c.get(2, "alpha", 1e-4), c.get(3, "beta", 0.75), c.get(4, "k", 1.0))
    ),
    "softmax": _alone(_softmax),
    "clamp": _alone(_clamp),
    "clip": _alone(_clamp),
    "clamp_min": _alone(_clamp),
    "hardtanh": _alone(lambda c: ReLU6() if (c.get(1, "min_val", -1), c.get(2, "max_val", 1)) == (0, 6) else None),
    **_activations(),
    "gelu": _alone(lambda c: GELU() if c.get(1, "approximate", "none") == "none" else None),
    "dropout": _alone(lambda c: Dropout(c.get(1, "p", 0.5))),
    **dict.fromkeys(("add", "iadd", "radd"), _add),
    **dict.fromkeys(("mul", "imul", "rmul", "multiply"), lambda c: _joined(c, Multiply())),
    **dict.fromkeys(("cat", "concat", "concatenate"), _concat),
    **dict.fromkeys(SAME, _same),
}
