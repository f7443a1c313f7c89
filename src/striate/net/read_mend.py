"""The usual slips of a forward, mended while it is traced: what the fix would give goes on, so that one fault hides
no other.

A rule looks at a call of torch that failed, or that mixes the inputs of a batch, and gives the call that was meant,
with the words for it. What no rule knows ends the trace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import gcd, isqrt, prod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from striate.errors import shape_text
from striate.net.read_call import each_input, one, spread, tensors
from striate.spec import Conv, MaxPool
from striate.spec.op import Pointwise

if TYPE_CHECKING:
    from striate.net.read_trace import Trace

MIXERS = frozenset("softmax log_softmax softmin".split())
FOLDS = frozenset(
    "view reshape flatten ravel mean sum amax amin max min prod std var getitem cat concat concatenate".split()
)
RESIZED = "the sizes differ"  # of a join: an input of another size may fit


@dataclass
class Mended:
    """The call that was meant: *message* says what is wrong, *fix* what to write.

    *weights* pairs tensors made here with the module's own that they stand for; *sizes*: another input may fit.
    """

    message: str
    fix: str
    func: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    weights: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    sizes: bool = False
    features: int | None = None  # that the layer has as it is


@dataclass
class Attempt:
    """A call to be mended: its name and arguments, the tracing, and the layer it is in."""

    trace: Trace
    name: str
    func: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    module: nn.Module | None

    @property
    def batch(self) -> int:
        return self.trace.batch

    def given(self, x: Tensor) -> bool:
        """Whether a tensor came of the input."""
        return self.trace.value(x) is not None

    def get(self, place: int, key: str, default: Any = None) -> Any:
        """An argument, by its position or by its name."""
        return self.args[place] if len(self.args) > place else self.kwargs.get(key, default)

    def shape(self, x: Tensor) -> str:
        """Without the batch."""
        return shape_text(each_input(tuple(x.shape), self.batch) if self.batch in x.shape else x.shape) or "a number"

    def layer(self, *kinds: type[nn.Module]) -> str:
        """The name of its class, where the call is the layer's own."""
        return type(self.module).__name__ if isinstance(self.module, kinds) else ""

    def kept(self, x: Tensor) -> bool:
        """Whether its first axis is the batch."""
        return x.ndim > 0 and x.shape[0] == self.batch


# --------------------------------------------------------------------------------------------- layers with weights
def _linear(a: Attempt) -> Mended | None:
    x, weight, bias = a.get(0, "input"), a.get(1, "weight"), a.get(2, "bias")
    second = x.ndim == 3 and x.shape[1] == a.batch  # the sequence first
    if weight.ndim != 2 or x.ndim < 2 or x.shape[-1] == weight.shape[1] or not (a.kept(x) or second):
        return None
    out, features = weight.shape
    flat, last = prod(x.shape[1:]), x.shape[-1]
    said = f"Linear({features}, {out}) expects {features:,} features, given {a.shape(x)}"
    if second:
        fix, flat = f"Linear({last}, {out})", last
    elif x.ndim == 2:
        fix = f"Linear({flat}, {out})"
    elif flat == features:
        fix = "flatten before it: x.flatten(1)"
        x = a.trace.traced(Tensor.flatten, x, 1)
    elif x.ndim == 3 and not (a.trace.rank == 1 and a.trace.convolves):  # the features of words or patches
        fix, flat = f"Linear({last}, {out})", last
    else:
        fix = f"Linear({flat}, {out}) behind x.flatten(1), in place of {last}"
        x = a.trace.traced(Tensor.flatten, x, 1)
    new = weight if flat == features else weight.new_empty(out, flat)
    return Mended(said, fix, F.linear, (x, new, bias), weights=[(new, weight)], features=features)


def _conv(a: Attempt) -> Mended | None:
    x, weight, bias = a.get(0, "input"), a.get(1, "weight"), a.get(2, "bias")
    enlarges = "transpose" in a.name
    groups = a.get(6, "groups", 1)
    kind = a.layer(nn.modules.conv._ConvNd) or a.name
    wanted, out = (
        (weight.shape[0], weight.shape[1] * groups) if enlarges else (weight.shape[1] * groups, weight.shape[0])
    )
    rest = a.args[3:]
    said = f"{kind}({wanted}, {out}, ...) expects {wanted} channels, given {a.shape(x)}"
    if x.ndim == weight.ndim - 1 and a.kept(x) and wanted == 1:
        said = f"{kind}({wanted}, {out}, ...) needs an axis of channels, given {a.shape(x)}"
        x = a.trace.traced(Tensor.unsqueeze, x, 1)
        return Mended(said, "x.unsqueeze(1) before it", a.func, (x, weight, bias, *rest), _without(a.kwargs))
    if x.ndim == 2 and a.kept(x) and x.shape[1] % wanted == 0:  # flat features, which are to be a map
        axes = weight.ndim - 2
        each = x.shape[1] // wanted
        side = isqrt(each) if axes == 2 else each if axes == 1 else round(each ** (1 / 3))
        if side**axes != each:
            return None
        said = f"{kind}({wanted}, {out}, ...) expects a map, given {x.shape[1]}"
        sizes = (wanted, *[side] * axes)
        x = a.trace.traced(Tensor.reshape, x, (a.batch, *sizes))
        fix = f"x.view(-1, {', '.join(map(str, sizes))}) before it"
        return Mended(said, fix, a.func, (x, weight, bias, *rest), _without(a.kwargs))
    if x.ndim != weight.ndim or not a.kept(x):
        return None
    given = x.shape[1]
    axis = next((i for i, n in enumerate(x.shape[2:], 2) if n == wanted), None)
    if wanted <= 4 < given and axis is not None and a.trace.made_by(x) is None:  # the channels of images
        order = [0, axis, *(i for i in range(1, x.ndim) if i != axis)]
        right = shape_text([x.shape[i] for i in order[1:]])
        x = a.trace.made(x.new_empty([x.shape[i] for i in order]), x, None)
        said = f"{kind}({wanted}, {out}, ...) expects {wanted} channels first"
        return Mended(said, f"--input {right}", a.func, (x, weight, bias, *rest), _without(a.kwargs))
    if given != wanted:
        options = ""
        if given % groups:
            depthwise = groups == wanted == out
            groups, out = (given, given) if depthwise else (gcd(given, out, groups), out)
            options = f", groups={groups}"
        sides = (given, out // groups) if enlarges else (out, given // groups)
        new = weight.new_empty(*sides, *weight.shape[2:])
        bias = bias if bias is None or len(bias) == out else weight.new_empty(out)
        args, kwargs = _replaced((x, new, bias, *rest), _without(a.kwargs), 6, "groups", groups)
        return Mended(said, f"{kind}({given}, {out}, ...{options})", a.func, args, kwargs, [(new, weight)])
    padding = a.get(4, "padding", 0)
    if enlarges or isinstance(padding, str):
        return None
    rank = weight.ndim - 2
    before, dilation = spread(padding, rank), spread(a.get(5, "dilation", 1), rank)
    spans = [d * (k - 1) + 1 for k, d in zip(weight.shape[2:], dilation, strict=True)]
    lacks = [span - n - 2 * p for span, n, p in zip(spans, x.shape[2:], before, strict=True)]
    if max(lacks) < 1:
        return None
    padding = one([p + max(0, -(-lack // 2)) for p, lack in zip(before, lacks, strict=True)])
    said = f"a {shape_text(spans)} window does not fit its {shape_text(x.shape[2:])} input"
    args, kwargs = _replaced((x, weight, bias, *rest), _without(a.kwargs), 4, "padding", padding)
    return Mended(said, f"padding={_plain(padding)}", a.func, args, kwargs, sizes=True)


def _without(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in kwargs.items() if key not in ("input", "weight", "bias")}


def _replaced(
    args: tuple[Any, ...], kwargs: dict[str, Any], place: int, key: str, value: Any
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if len(args) > place:
        return (*args[:place], value, *args[place + 1 :]), kwargs
    return args, kwargs | {key: value}


def _plain(value: int | tuple[int, ...]) -> str:
    return str(value) if isinstance(value, int) else f"({', '.join(map(str, value))})"


# ------------------------------------------------------------------------------------------------ normalisation
def _pairs(new: list[Any], own: Iterable[Any]) -> list[tuple[Tensor, Tensor]]:
    """The tensors made here with those of the module, where it has them."""
    return [(n, t) for n, t in zip(new, own, strict=True) if t is not None]


def _norm(a: Attempt) -> Mended | None:
    """Batch and instance normalisation of other channels: statistics and weights alike."""
    x, own = a.get(0, "input"), ("running_mean", "running_var", "weight", "bias")
    given = [a.get(i, key) for i, key in enumerate(own, start=1)]
    count = next((len(t) for t in given if t is not None), None)
    if count is None or x.ndim < 2 or not a.kept(x) or x.shape[1] == count:
        return None
    channels = x.shape[1]
    new = [t if t is None else t.new_ones(channels) for t in given]
    kind = a.layer(nn.modules.batchnorm._NormBase) or a.name
    pairs = _pairs(new, given)
    rest = {key: value for key, value in a.kwargs.items() if key not in ("input", *own)}
    said = f"{kind}({count}) expects {count} channels, given {a.shape(x)}"
    return Mended(said, f"{kind}({channels})", a.func, (x, *new, *a.args[5:]), rest, pairs)


def _group_norm(a: Attempt) -> Mended | None:
    x, groups, weight, bias = a.get(0, "input"), a.get(1, "num_groups"), a.get(2, "weight"), a.get(3, "bias")
    if x.ndim < 2 or not a.kept(x):
        return None
    channels, own = x.shape[1], groups if weight is None else len(weight)
    if channels == own and channels % groups == 0:
        return None
    fit = gcd(channels, groups)
    new = [t if t is None else t.new_ones(channels) for t in (weight, bias)]
    pairs = _pairs(new, (weight, bias))
    said = f"GroupNorm({groups}, {own}) expects {own} channels, given {a.shape(x)}"
    if channels == own:
        said = f"GroupNorm({groups}, {own}): {channels} channels do not divide into {groups} groups"
    return Mended(said, f"GroupNorm({fit}, {channels})", F.group_norm, (x, fit, *new, a.get(4, "eps", 1e-5)), {}, pairs)


def _layer_norm(a: Attempt) -> Mended | None:
    x, over, weight, bias = a.get(0, "input"), tuple(a.get(1, "normalized_shape")), a.get(2, "weight"), a.get(3, "bias")
    if not a.kept(x) or x.ndim <= len(over):
        return None
    own = over[0] if len(over) == 1 else list(over)
    said = f"LayerNorm({own}) normalises the last axes of {a.shape(x)}, which are others"
    if x.ndim > 3 and over == (x.shape[1],):  # the channels of a map, which are not its last axis
        return Mended(said, f"GroupNorm(1, {over[0]})", F.group_norm, (x, 1, weight, bias), {})
    new = tuple(x.shape[-len(over) :])
    fresh = [t if t is None else t.new_ones(new) for t in (weight, bias)]
    pairs = _pairs(fresh, (weight, bias))
    fix = f"LayerNorm({new[0] if len(new) == 1 else list(new)})"
    return Mended(said, fix, F.layer_norm, (x, new, *fresh, a.get(4, "eps", 1e-5)), {}, pairs)


def _prelu(a: Attempt) -> Mended | None:
    x, weight = a.get(0, "input"), a.get(1, "weight")
    if x.ndim < 2 or not a.kept(x) or weight.numel() in (1, x.shape[1]):
        return None
    new = weight.new_ones(x.shape[1])
    said = f"PReLU({weight.numel()}) expects {weight.numel()} channels, given {a.shape(x)}"
    return Mended(said, f"PReLU({x.shape[1]})", F.prelu, (x, new), {}, [(new, weight)])


# --------------------------------------------------------------------------------------------------------- joins
def _cat(a: Attempt) -> Mended | None:
    parts = list(a.get(0, "tensors", ()))
    dim = a.kwargs.get("axis", a.get(1, "dim", 0))
    if len({t.ndim for t in parts}) != 1 or parts[0].ndim < 2:
        return None
    dim %= parts[0].ndim
    others = [t for t in parts if not a.kept(t)]
    if others and dim and not any(map(a.given, others)):  # tokens of the module's own, for each input the same
        count, rest = len(others[0]), ", ".join(["-1"] * (others[0].ndim - 1))

        def each(t: Tensor) -> Tensor:
            if a.kept(t):
                return t
            first = a.trace.traced(Tensor.__getitem__, t, slice(0, 1))
            expanded: Tensor = a.trace.traced(Tensor.expand, first, (a.batch, *t.shape[1:]))
            return expanded

        said = f"{shape_text(others[0].shape)} is for a batch of {count}"
        fix = f"t{'' if count == 1 else '[:1]'}.expand(x.size(0), {rest}) for it"
        return Mended(said, fix, torch.cat, ([each(t) for t in parts], dim))
    if not all(map(a.kept, parts)):
        return None
    shapes = " and ".join(map(a.shape, parts))
    if dim == 0 and len({t.shape[2:] for t in parts}) == 1:
        return Mended(f"joins along the batch: {shapes}", "torch.cat([...], dim=1)", torch.cat, (parts, 1))
    if dim != 1:
        return None
    sizes = [tuple(t.shape[2:]) for t in parts]
    fitted, fix = _fitted(a, parts, sizes)
    return Mended(f"cannot concatenate {shapes}: {RESIZED}", fix, torch.cat, (fitted, 1), sizes=True)


def _fitted(a: Attempt, parts: list[Tensor], sizes: list[tuple[int, ...]]) -> tuple[list[Tensor], str]:
    """The tensors at one size: cut where whole margins are too much (as in a U-Net without padding), else padded."""
    smallest, largest = (tuple(f(each) for each in zip(*sizes, strict=True)) for f in (min, max))
    gaps = [[n - m for n, m in zip(size, smallest, strict=True)] for size in sizes]
    target = smallest if all(g % 2 == 0 for gap in gaps for g in gap) else largest
    fitted, words = [], []
    for number, (tensor, size) in enumerate(zip(parts, sizes, strict=True)):
        if size == target:
            fitted.append(tensor)
            continue
        pads: list[int] = []
        for n, m in reversed(list(zip(size, target, strict=True))):
            half = 0 if len(size) == 1 and _surplus(a, tensor, n - m) else (m - n) // 2
            pads += [half, m - n - half]
        fitted.append(a.trace.made(F.pad(tensor, pads), tensor, None))
        words.append(f"F.pad(x, {pads}) on the {ORDINALS[min(number, 4)]} tensor ({a.shape(tensor)})")
    return fitted, " and ".join(words)


ORDINALS = ("first", "second", "third", "fourth", "last")


def _binary(a: Attempt) -> Mended | None:
    """A sum or product of tensors that do not fit: the shortcut needs a projection, or the gate its axes."""
    given = [v for v in a.args[:2] if isinstance(v, Tensor)]
    x, y = given if len(given) == 2 else (None, None)
    if x is None or y is None:
        return None
    if a.given(x) != a.given(y):
        return _own_table(a, x, y)
    if not a.kept(x) or not a.kept(y):
        return None
    verb = "multiply" if "mul" in a.name else "subtract" if "sub" in a.name else "divide" if "div" in a.name else "add"
    said = f"cannot {verb} {a.shape(x)} and {a.shape(y)}"
    func: Any = {"multiply": torch.mul, "subtract": torch.sub, "divide": torch.div, "add": torch.add}[verb]
    if x.ndim != y.ndim:
        flat, other = sorted(given, key=lambda t: t.ndim)
        if flat.ndim != 2 or flat.shape[1] != other.shape[1]:
            return None
        index = (slice(None), slice(None), *[None] * (other.ndim - 2))
        shaped = a.trace.traced(Tensor.__getitem__, flat, index)
        fix = f"x[:, :, {', '.join(['None'] * (other.ndim - 2))}] for the {a.shape(flat)}"
        return Mended(said, fix, func, tuple(shaped if t is flat else t for t in given))
    if x.ndim < 3 or len(x.shape[2:]) > 3:
        return None
    if x.shape[1] == y.shape[1]:
        strided = _strided(a, *given) or _strided(a, *reversed(given))
        if strided:
            new, fix = strided
            larger = max(given, key=lambda t: t.shape[2])
            return Mended(said, fix, func, tuple(new if t is larger else t for t in given))
        fitted, fix = _fitted(a, given, [tuple(x.shape[2:]), tuple(y.shape[2:])])
        ratio = _ratio(*_ordered(a, given))
        if ratio and max(ratio) > 1:
            return _projected(a, given, said, func, ratio)
        return Mended(f"{said}: {RESIZED}", fix, func, tuple(fitted), sizes=True)
    ratio = _ratio(*_ordered(a, given))
    return _projected(a, given, said, func, ratio) if ratio else None


def _strided(a: Attempt, x: Tensor, y: Tensor) -> tuple[Tensor, str] | None:
    """Where the convolution behind *x* lacks the stride that the other branch has."""
    made = a.trace.made_by(x)
    while made is not None and isinstance(made.op, Pointwise) and len(made.inputs) == 1:
        made = made.inputs[0].now()
    if made is None or not isinstance(made.op, Conv) or not made.path or made.op.stride != 1:
        return None
    ratio = _ratio(x, y)
    if not ratio or len(set(ratio)) > 1 or ratio[0] < 2:
        return None
    pooled = a.trace.made(x.new_empty(y.shape), x, MaxPool(1, ratio[0]))
    return pooled, f"stride={ratio[0]} in {made.path}"


def _surplus(a: Attempt, x: Tensor, more: int) -> bool:
    """Whether *x*, of signals, is longer by as much as a convolution behind it pads: a causal one, cut off nowhere."""
    made = a.trace.made_by(x)
    while made is not None and not isinstance(made.op, Conv) and len(made.inputs) == 1:
        made = made.inputs[0].now()
    if (
        made is None
        or not isinstance(made.op, Conv)
        or not all(isinstance(v, int) for v in (made.op.kernel, made.op.dilation, made.op.padding))
    ):
        return False
    op = made.op
    return bool(op.stride == 1 and op.padding == more == int(op.dilation) * (int(op.kernel) - 1))  # type: ignore[arg-type]


def _own_table(a: Attempt, x: Tensor, y: Tensor) -> Mended | None:
    """A sum or product with the module's own numbers, such as a table of positions, which are of another size."""
    x, own = (x, y) if a.given(x) else (y, x)
    wanted = tuple(x.shape[-own.ndim :]) if own.ndim < x.ndim else (1, *x.shape[1:])
    if not a.kept(x) or own.ndim > x.ndim or own.ndim < 2:
        return None
    made = tuple(1 if n == 1 else m for n, m in zip(own.shape, wanted, strict=True))
    said = f"{shape_text(own.shape)} does not fit {a.shape(x)}"
    if len(own) not in (1, *wanted[:1]) and own.ndim == x.ndim and made[1:] == tuple(own.shape[1:]):
        said = f"{shape_text(own.shape)} is for a batch of {len(own)}"
    new = own.new_empty(made)
    args = tuple(new if t is own else t for t in a.args)
    return Mended(
        said, f"{shape_text(made)} in place of {shape_text(own.shape)}", a.func, args, a.kwargs, [(new, own)], True
    )


def _ordered(a: Attempt, given: list[Tensor]) -> tuple[Tensor, Tensor]:
    """The shortcut, which was computed first, and the other."""
    i = a.trace.first(given)
    return given[i], given[1 - i]


def _ratio(shortcut: Tensor, other: Tensor) -> tuple[int, ...] | None:
    """The strides that bring the shortcut to the other's size."""
    found = []
    for n, m in zip(shortcut.shape[2:], other.shape[2:], strict=True):
        stride = next((s for s in range(1, 33) if -(-n // s) == m), None)
        if stride is None:
            return None
        found.append(stride)
    return tuple(found)


def _projected(a: Attempt, given: list[Tensor], said: str, func: Any, ratio: tuple[int, ...]) -> Mended:
    shortcut, other = _ordered(a, given)
    channels, rank = other.shape[1], shortcut.ndim - 2
    stride = one(ratio)
    new = shortcut.new_empty(other.shape)
    projected = a.trace.made(new, shortcut, Conv(channels, 1, stride))
    more = "" if stride == 1 else f", stride={_plain(stride)}"
    fix = f"nn.Conv{rank}d({shortcut.shape[1]}, {channels}, 1{more}) on the shortcut ({a.shape(shortcut)})"
    return Mended(said, fix, func, tuple(projected if t is shortcut else t for t in given))


# ------------------------------------------------------------------------------------------------ reshaping
def _wanted_sizes(a: Attempt) -> list[int]:
    sizes: Any = a.args[1:] or tuple(a.kwargs.values())
    sizes = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], tuple | list | torch.Size) else sizes
    return [int(n) for n in sizes if isinstance(n, int)]


def _written(a: Attempt, sizes: list[int]) -> str:
    """The call as somebody wrote it."""
    texts = ["x.size(0)" if n == a.batch and i == 0 else str(n) for i, n in enumerate(sizes)]
    return f"{a.name}({', '.join(texts)})"


def _view(a: Attempt) -> Mended | None:
    """``view(-1, 400)`` where an input has another number of features, or a batch that is written down."""
    x, sizes = a.args[0], _wanted_sizes(a)
    if not a.kept(x) or not sizes:
        return None
    each, call = x.numel() // a.batch, _written(a, sizes)
    given = f"{a.shape(x)}" + (f" has {each:,} values" if x.ndim > 2 else f" of each input are {each:,} values")
    flat = f"x.{a.name}(x.size(0), -1)"
    if len(sizes) == 1:
        said = f"{call} puts the whole batch in one row"
        return Mended(said, flat, Tensor.flatten, (x, 1))
    fixed = sizes[0] > 0 and sizes[0] % a.batch != 0
    if fixed and (-1 in sizes[1:] or prod(sizes[1:]) == each):
        said = f"{call} is written for a batch of {sizes[0]}"
        meant = [a.batch, *sizes[1:]]
        if prod(n for n in meant[1:] if n > 0) and each % prod(n for n in meant[1:] if n > 0) == 0:
            rest = ", ".join(map(str, sizes[1:]))
            return Mended(said, f"x.{a.name}(x.size(0), {rest})", Tensor.reshape, (x, *meant))
    if len(sizes) == 2:
        said = f"{call} mixes the batch: {given}, not {sizes[1]:,}"
        if sizes[0] == a.batch or fixed:
            said = f"{call} does not fit: {given}"
        return Mended(said, flat, Tensor.flatten, (x, 1))
    if len(sizes) == 4 and x.ndim == 3 and sizes[:2] == [a.batch, x.shape[1]] and sizes[2] * sizes[3] < x.shape[2]:
        features, heads = x.shape[2], sizes[2]  # of an attention
        fit = next(n for n in range(heads, 0, -1) if features % n == 0)
        said = f"{features} features do not divide into {heads} heads"
        meant = [a.batch, x.shape[1], fit, features // fit]
        return Mended(said, f"{fit} heads, or features that {heads} divides", Tensor.reshape, (x, *meant))
    if len(sizes) > 2 and sizes[0] in (-1, a.batch) and min(sizes[1:]) > 0:
        channels, axes = sizes[1], len(sizes) - 2
        side = isqrt(each // channels) if axes == 2 else each // channels
        if channels * side**axes == each and axes < 3:
            meant = [sizes[0], channels, *[side] * axes]
            said = f"{call} does not fit: {given}, not {prod(sizes[1:]):,}"
            return Mended(said, f"x.{_written(a, meant)}", Tensor.reshape, (x, a.batch, *meant[1:]))
        if each % prod(sizes[2:]) == 0:  # of other channels
            meant = [sizes[0], each // prod(sizes[2:]), *sizes[2:]]
            said = f"{call} mixes the batch: {given}, not {prod(sizes[1:]):,}"
            return Mended(said, f"x.{_written(a, meant)}", Tensor.reshape, (x, a.batch, *meant[1:]))
    return None


def _pool(a: Attempt) -> Mended | None:
    """A window that is larger than what is left of the map: nothing is pooled any more."""
    x = a.get(0, "input")
    rank = int(a.name[-2]) if a.name[-2:-1].isdigit() else 2
    if x.ndim != rank + 2 or not a.kept(x):
        return None
    kernel = shape_text(spread(a.get(1, "kernel_size"), rank))
    said = f"a {kernel} window does not fit its {shape_text(x.shape[2:])} input"
    return Mended(said, "remove it", Tensor.clone, (x,), sizes=True)


def _shuffle(a: Attempt) -> Mended | None:
    """``PixelShuffle`` of channels that do not divide into squares of its factor."""
    x, factor = a.get(0, "input"), a.get(1, "upscale_factor")
    if x.ndim != 4 or not a.kept(x):
        return None
    channels = -(-x.shape[1] // factor**2) * factor**2
    meant = a.trace.made(x.new_empty(a.batch, channels, *x.shape[2:]), x, Conv(channels, 1))
    said = f"PixelShuffle({factor}) takes a multiple of {factor**2} channels, given {a.shape(x)}"
    return Mended(said, f"{channels} channels before it, in place of {x.shape[1]}", a.func, (meant, factor))


RULES: dict[str, Callable[[Attempt], Mended | None]] = {
    "linear": _linear,
    **dict.fromkeys([f"conv{t}{r}d" for r in (1, 2, 3) for t in ("", "_transpose")], _conv),
    "batch_norm": _norm,
    "instance_norm": _norm,
    "group_norm": _group_norm,
    "layer_norm": _layer_norm,
    "prelu": _prelu,
    **dict.fromkeys(("cat", "concat", "concatenate"), _cat),
    **dict.fromkeys("add iadd radd sub isub rsub mul imul rmul multiply div truediv".split(), _binary),
    **dict.fromkeys(("view", "reshape"), _view),
    "pixel_shuffle": _shuffle,
    **dict.fromkeys([f"{kind}_pool{r}d" for kind in ("max", "avg") for r in (1, 2, 3)], _pool),
}


# ---------------------------------------------------------------------------------------------- the batch is mixed
def unmixed(a: Attempt) -> Mended | None:
    """For a call whose result has not one entry for each input any more, though what it read had: the one meant."""
    x = a.args[0] if a.args else next(tensors(a.kwargs), None)
    if isinstance(x, tuple | list):
        shapes = " and ".join(map(a.shape, x))
        return Mended(f"joins along the batch: {shapes}", "torch.cat([...], dim=1)", torch.cat, (list(x), 1))
    if not isinstance(x, Tensor) or not a.kept(x):
        return None
    if a.name in ("view", "reshape"):
        return _view(a)
    if a.name in ("flatten", "ravel"):
        module = isinstance(a.module, nn.Flatten)
        said = f"{'nn.Flatten(0)' if module else a.name + '()'} takes the batch in with the {a.shape(x)} of each input"
        return Mended(said, "nn.Flatten()" if module else "x.flatten(1)", Tensor.flatten, (x, 1))
    if a.name == "getitem":
        index = a.args[1]
        if isinstance(index, int) and x.ndim > 2:
            said = f"x[{index}] takes one input of the batch"
            return Mended(said, f"x[:, {index}]", Tensor.__getitem__, (x, (slice(None), index)))
        return None
    if a.name in MIXERS:
        dim = a.get(1, "dim")
        called = f"{a.name}(dim={0 if dim is None else dim})"
        return Mended(f"{called} compares the inputs of the batch", "dim=1", a.func, (x, 1))
    keep = {"keepdim": True} if a.get(2, "keepdim", False) is True else {}
    over = tuple(range(2, x.ndim)) if x.ndim > 3 else 1
    called = f"{a.name}()" if a.get(1, "dim", a.kwargs.get("axis")) is None else f"{a.name} over axis 0"
    said = f"{called} takes the inputs of the batch together"
    if x.ndim == 2:
        return None if not keep and len(a.args) + len(a.kwargs) < 2 else Mended(said, f"x.{a.name}(1)", a.func, (x, 1))
    return Mended(said, f"x.{a.name}({_plain(over)})", a.func, (x, over), keep)


def mixes(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], x: Tensor) -> bool:
    """Whether a softmax runs over the batch."""
    if name not in MIXERS:
        return False
    dim = args[1] if len(args) > 1 else kwargs.get("dim")
    return (x.ndim in (1, 3) if dim is None else dim % x.ndim == 0) if isinstance(dim, int | None) else False


# --------------------------------------------------------------------------------------------- another device
def fixed_device(
    name: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], own: torch.device, of_input: bool
) -> Mended | None:
    """The same for *own*, the module's device, of a call that names another; *of_input*: for what came of the input."""
    fix, meant = f".to({'next(self.parameters())' if of_input else 'x'}.device)", Tensor.to
    if name == "cuda" and args and isinstance(args[0], Tensor) and own.type != "cuda":
        call, args, kwargs = ".cuda()", (args[0], own), {}
    else:
        place = args[1] if name == "to" and len(args) > 1 else kwargs.get("device")
        if not isinstance(place, str | torch.device) or str(place).partition(":")[0] in (own.type, "meta"):
            return None
        if name == "to":
            call, args = f".to({str(place)!r})", (args[0], own, *args[2:])
            kwargs = {key: value for key, value in kwargs.items() if key != "device"}
        else:
            call, kwargs = f"device={str(place)!r}", kwargs | {"device": own}
            fix, meant = "device=x.device", func
    return Mended(f"{call} names a device, and the module is on {own.type}", fix, meant, args, kwargs)
