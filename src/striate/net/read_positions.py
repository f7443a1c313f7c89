"""Functions that move numbers about (reshaping, permuting, slicing, padding, means over whole maps), and what is known
of those that no op says: what they cost, and which positions their units read.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from torch import Tensor

from striate.net.read_call import Call, Found, channels_first, one
from striate.spec import AdaptiveAvgPool, AdaptiveMaxPool, Crop, Flatten, MaxPool, Opaque, PadChannels

RESHAPES = """view reshape flatten squeeze unsqueeze unflatten view_as reshape_as ravel expand expand_as
    broadcast_to repeat""".split()
SAME = """contiguous detach clone to type type_as float half bfloat16 double long int cpu cuda requires_grad alias
    data positive conj resolve_conj resolve_neg view_as_real lift_fresh retain_grad""".split()
MOVED = "permute transpose movedim moveaxis swapaxes swapdims T mT H mH t roll flip unfold rot90".split()


def _reshape(call: Call) -> Found | None:
    """The same numbers in another form: nothing, or all axes but the batch's in one."""
    before, after = tuple(call.x.shape), tuple(call.out.shape)
    if before == after:
        return Found()
    if call.value.thin and after == (call.batch, *call.value.shape):
        return Found(thin=False)
    if call.value.last and len(before) == 3 and after == (before[0], 1, *before[1:]):
        return Found((Opaque("unsqueeze", after[1:], 0, 0),), last=False, plane=call.value)
    flat = after == (call.batch, prod(call.value.shape)) and before[0] == call.batch
    return Found((Flatten(),), last=False) if flat else None


def _permute(call: Call) -> Found | None:
    """Channels to the end, or back: the tensor lies otherwise, and holds the same."""
    order = order_of(call)
    ndim = call.x.ndim
    back, forth = [0, *range(2, ndim), 1], [0, ndim - 1, *range(1, ndim - 1)]
    if order == list(range(ndim)):
        return Found()
    if ndim - 2 != call.rank:
        return None
    if order == back and not call.value.last:
        return Found(last=True)
    return Found(last=False) if order == forth and call.value.last else None


def order_of(call: Call) -> list[int] | None:
    """Where each axis of the output comes from."""
    ndim = call.x.ndim
    args = call.args[1:] or tuple(v for v in call.kwargs.values() if not isinstance(v, Tensor))
    order = list(range(ndim))
    match call.name:
        case "permute":
            dims = args[0] if args and isinstance(args[0], tuple | list) else args
            return [d % ndim for d in dims]
        case "movedim" | "moveaxis" if len(args) == 2 and all(isinstance(a, int) for a in args):
            moved = order.pop(args[0] % ndim)
            order.insert(args[1] % ndim, moved)
            return order
        case "transpose" | "swapaxes" | "swapdims":
            a, b = (d % ndim for d in args)
        case "mT":
            a, b = ndim - 2, ndim - 1
        case _:
            return None
    order[a], order[b] = b, a
    return order


def _mean(make: Callable[[Any], Any], key: str) -> Callable[[Call], Found | None]:
    def rule(call: Call) -> Found | None:
        """Over all positions of a map: global pooling."""
        dims = call.get(1, key, call.kwargs.get("axis"))
        if dims is None or len(call.value.shape) < 2 or not call.alone():
            return None
        over = sorted(call.axis(d) for d in (dims if isinstance(dims, tuple | list) else [dims]))
        if over != list(range(2, len(call.value.shape) + 1)):
            return None
        return Found((make(1),)) if call.get(2, "keepdim", False) else Found((make(1), Flatten()), last=False)

    return rule


def _slice(call: Call) -> Found | None:
    """``x[...]``: a crop of both ends, every n-th position, or a 1x1 map without its axes."""
    index = call.get(1, "index")
    index = index if isinstance(index, tuple) else (index,)
    if any(isinstance(i, Tensor | list) for i in index):
        return None
    at = next((i for i, part in enumerate(index) if part is Ellipsis), None)
    if at is not None:
        named = sum(part is not None for part in index) - 1
        index = (*index[:at], *[slice(None)] * (call.x.ndim - named), *index[at + 1 :])
    if not all(isinstance(part, slice) for part in index):
        return _reshape(call)
    sides = [part.indices(n) for part, n in zip(index, call.x.shape, strict=False)]
    sides += [(0, n, 1) for n in call.x.shape[len(sides) :]]
    return _cut(call, sides)


def _cut(call: Call, sides: list[tuple[int, int, int]]) -> Found | None:
    """What *sides* (first, behind the last, step) of every axis leave."""
    sizes = list(call.x.shape)
    whole = [(0, n, 1) for n in sizes]
    if sides == whole:
        return Found()
    if call.value.last or sides[0] != whole[0] or len(sizes) != call.rank + 2:
        return None
    kept = len(range(*sides[1]))
    some = () if kept == sizes[1] else (Opaque("slice", (kept, *sizes[2:]), 0, 0, "place"),)
    places = list(zip(sides[2:], sizes[2:], strict=True))
    if all(first == 0 and end == n for (first, end, _), n in places):
        steps = [step for (_, _, step), _ in places]
        return Found((*some, MaxPool(1, one(steps))) if max(steps) > 1 else some)  # every n-th place
    if any(step != 1 for (_, _, step), _ in places):
        return None
    margins = [(first, n - end) for (first, end, _), n in places]
    if all(before == behind for before, behind in margins):
        return Found((*some, Crop(one([before for before, _ in margins]))))
    windows = tuple((1, 1, -before, -behind, 1, 1) for before, behind in margins)
    shape = (kept, *(len(range(*side)) for side in sides[2:]))
    return Found((*some, Opaque("slice", shape, 0, 0, "window", windows)))


def _narrow(call: Call) -> Found | None:
    dim, start, length = (call.get(i, k) for i, k in ((1, "dim"), (2, "start"), (3, "length")))
    sides = [(0, n, 1) for n in call.x.shape]
    sides[dim % call.x.ndim] = (start, start + length, 1)
    return _cut(call, sides)


def _pad(call: Call) -> Found | None:
    """Zeros: behind the channels, or the same on both sides of every place's axis (which a convolution takes in); of
    anything else its places are known.
    """
    pads, mode, value = list(call.get(1, "pad")), call.get(2, "mode", "constant"), call.get(3, "value")
    if not any(pads):
        return Found()
    if call.value.last or call.x.ndim != call.rank + 2:
        return None
    zeros = mode == "constant" and value in (None, 0)
    pads += [0] * (2 * call.x.ndim - len(pads))
    pairs = [(pads[2 * i], pads[2 * i + 1]) for i in reversed(range(call.x.ndim))]  # the batch's first
    if zeros and pairs[1][0] == 0 < pairs[1][1] and not any(map(any, pairs[2:])):
        return Found((PadChannels(call.out.shape[1]),))
    if any(pairs[0]) or any(pairs[1]):
        return None
    if not zeros or any(a != b or a < 0 for a, b in pairs[2:]):
        windows = tuple((1, 1, before, behind, 1, 1) for before, behind in pairs[2:])
        return Found((Opaque("pad", tuple(call.out.shape[1:]), 0, 0, "window", windows),))
    return Found(padded=tuple(a for a, _ in pairs[2:]))


def _shuffled(call: Call) -> Found | None:
    """``PixelShuffle``: channels become places, several in the place of one; and back."""
    shapes = [tuple(t.shape) for t in (call.x, call.out)]
    if call.value.last or len(shapes[0]) != 4 or call.rank != 2:
        return None
    factor = int(call.get(1, "upscale_factor" if call.name == "pixel_shuffle" else "downscale_factor"))
    window = (1, 1, 0, 0, 1, factor) if call.name == "pixel_shuffle" else (factor, factor, 0, 0, 1, 1)
    return Found((Opaque(call.name, shapes[1][1:], 0, 0, "window", (window, window)),))


PLACES: dict[str, Callable[[Call], Found | None]] = {
    **dict.fromkeys(RESHAPES, _reshape),
    **dict.fromkeys(MOVED, _permute),
    "mean": _mean(AdaptiveAvgPool, "dim"),
    "amax": _mean(AdaptiveMaxPool, "dim"),
    "getitem": _slice,
    "narrow": _narrow,
    "pad": _pad,
    **dict.fromkeys(("pixel_shuffle", "pixel_unshuffle"), _shuffled),
    **dict.fromkeys("chunk split tensor_split unbind select index_select channel_shuffle".split(), lambda call: None),
}

# What may read a tensor whose channels are last; everything else gets it as it lies.
EITHER_WAY = frozenset([*RESHAPES, *MOVED, "mean", "amax", "getitem", "linear", "layer_norm", "embedding"])


# Results that do not depend on the numbers of the tensor they are asked from.
FRESH = frozenset(
    """zeros_like ones_like empty_like full_like rand_like randn_like randint_like new_zeros new_ones new_empty
    new_full new_tensor""".split()
)

# What works on each position alone, and counts no multiply-accumulates (as activations and normalisations do not).
POINTWISE = frozenset(
    """add iadd radd sub isub rsub subtract mul imul rmul multiply div idiv rdiv truediv itruediv rtruediv divide
    true_divide pow rpow ipow neg abs exp exp2 expm1 log log2 log1p sqrt rsqrt square reciprocal sin cos erf
    floor ceil round sign clamp clip clamp_min clamp_max maximum minimum where lerp addcmul addcdiv
    relu relu6 elu selu celu rrelu prelu leaky_relu mish softplus softsign softshrink hardshrink tanhshrink hardtanh
    threshold logsigmoid log_sigmoid gelu silu sigmoid tanh hardsigmoid hardswish dropout alpha_dropout dropout1d
    dropout2d dropout3d feature_alpha_dropout feature_dropout
    eq ne lt le gt ge logical_not logical_and logical_or nan_to_num masked_fill fill fill_diagonal""".split()
)
NORMS = frozenset("batch_norm group_norm instance_norm layer_norm rms_norm local_response_norm".split())
# What sums up or compares along an axis: where its argument stands that says which, and what it is otherwise.
REDUCTIONS: dict[str, tuple[int, int | None]] = {
    **dict.fromkeys(
        "softmax log_softmax softmin mean amax amin sum prod std var max min argmax argmin".split(), (1, None)
    ),
    **dict.fromkeys("logsumexp all any cumsum cumprod sort argsort flip".split(), (1, None)),
    **dict.fromkeys("glu sort argsort".split(), (1, -1)),
    **dict.fromkeys("norm normalize topk kthvalue".split(), (2, -1)),
    "normalize": (2, 1),
    "cosine_similarity": (2, 1),
}
MATMULS = frozenset("linear matmul rmatmul mm bmm baddbmm addmm".split())


def unknown(call: Call, parameters: int) -> Opaque:
    """What no word says, as far as it is known: its cost, and what its units read."""
    name, last = call.name, call.value.last
    macs: int | None = None
    reach = "unknown"
    shape = channels_first(call.out, call.batch, name in POINTWISE and last)
    if name in POINTWISE:
        macs, reach = 0, "place"
    elif name in NORMS:
        macs, reach = 0, _norm_reach(call)
    elif name in REDUCTIONS:
        macs, reach = 0, "place" if _over_channels(call) else "unknown"
    elif name in PLACES or name in SAME:
        macs, reach = 0, "place" if keeps_places(call) else "unknown"
    elif name in ("cat", "concat", "concatenate", "stack"):
        macs, reach = 0, "place" if name != "stack" and keeps_places(call) else "unknown"
    elif name in MATMULS:
        macs = call.each() * _inner(call)
    elif name.startswith("conv") and isinstance(call.get(1, "weight"), Tensor) and "transpose" not in name:
        macs = call.each() * call.get(1, "weight")[0].numel()
    elif name == "scaled_dot_product_attention":
        query, key, value = call.get(0, "query"), call.get(1, "key"), call.get(2, "value")
        macs = query[..., 0].numel() // call.batch * key.shape[-2] * (query.shape[-1] + value.shape[-1])
    elif name == "multi_head_attention_forward":
        macs = _attention(call)
    elif name in RECURRENT:
        macs = _recurrent(call)
    elif name in ("interpolate", "upsample", "pixel_shuffle", "pixel_unshuffle", "grid_sample") or "pool" in name:
        macs = 0
    return Opaque(word_of(name), shape, parameters, macs, reach)


RECURRENT = frozenset("lstm gru rnn_tanh rnn_relu lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell".split())


def _attention(call: Call) -> int | None:
    """Of ``nn.MultiheadAttention``: four projections and two products, the sequence first (or alone)."""
    query, key, value, width = (call.get(i, k) for i, k in enumerate(("query", "key", "value", "embed_dim_to_check")))
    batch = query.shape[1] if query.ndim == 3 else 1
    if batch % call.batch and query.ndim == 3:
        return None
    folded = batch // call.batch if query.ndim == 3 else 1
    long, short = len(query), len(key) + (call.get(7, "bias_k") is not None) + bool(call.get(9, "add_zero_attn", False))
    projected = long * 2 * width + len(key) * (key.shape[-1] + value.shape[-1])
    return int(folded * width * (projected + 2 * long * short))


def _recurrent(call: Call) -> int | None:
    """Every weight once for every step."""
    x, third = call.x, call.get(2, "params")
    if not isinstance(third, tuple | list | Tensor) or x.shape[:1] == ():
        return None
    weights = third if isinstance(third, tuple | list) else call.args[2:4]
    if not all(isinstance(w, Tensor) for w in weights):
        return None  # a packed sequence: how many steps is not known
    steps = x.numel() // x.shape[-1] // call.batch
    return int(steps * sum(w.numel() for w in weights if w.ndim == 2))


KINDS = {"getitem": "slice", "setitem": "write", "iadd": "add", "radd": "add", "rsub": "sub", "isub": "sub"}
KINDS |= {"imul": "mul", "rmul": "mul", "truediv": "div", "rtruediv": "div", "itruediv": "div", "rdiv": "div"}


def word_of(name: str) -> str:
    """The kind of an opaque part: its name as one plain word."""
    name = KINDS.get(name, name)
    return "".join(c if c.isalnum() or c in "_." else "_" for c in name) or "function"


def keeps_places(call: Call) -> bool:
    """Whether the axes of the input are still the last ones, and as long as before."""
    given = [call.x] if isinstance(call.x, Tensor) else list(call.x)
    shapes = [tuple(t.shape) for t in (call.out, *given)]
    if call.name in RESHAPES:
        return True  # the analysis compares the shapes
    if call.name in MOVED:
        order = order_of(call)
        ndim = len(shapes[1])
        return order is not None and order[-call.rank :] == list(range(ndim - call.rank, ndim)) and ndim > call.rank + 1
    if not _stays(call):
        return False
    return min(map(len, shapes)) > call.rank + 1 and len({s[-call.rank :] for s in shapes}) == 1


def _stays(call: Call) -> bool:
    """Whether what picks or pads leaves the places alone: shifted by as much as was cut off, sizes do not tell."""
    if call.name == "pad":
        return not any(tuple(call.get(1, "pad"))[: 2 * call.rank])
    if call.name == "index_select":
        return call.axis(call.get(1, "dim")) == 1
    if call.name == "getitem":
        index = call.args[1]
        parts = list(index) if isinstance(index, tuple) else [index]
        dots = next((i for i, part in enumerate(parts) if part is Ellipsis), None)
        if dots is not None:
            parts[dots : dots + 1] = [slice(None)] * (len(call.args[0].shape) - len(parts) + 1)
        return all(isinstance(part, slice) and part.step in (None, 1) for part in parts[2:])
    return True


def _over_channels(call: Call) -> bool:
    """Whether what is summed up, or compared, is the channels of each position alone."""
    place, default = REDUCTIONS[call.name]
    dim = call.get(place, "dim", call.kwargs.get("axis", default))
    dims = list(dim) if isinstance(dim, tuple | list) else [dim]
    flat = len(call.value.shape) == 1
    return all(isinstance(d, int) and call.axis(d) == 1 for d in dims) and (flat or keeps_places(call))


def _norm_reach(call: Call) -> str:
    """Statistics of a whole map are read from all of it."""
    if call.name == "batch_norm":
        return "map" if call.get(5, "training", False) else "place"
    if call.name == "local_response_norm":
        return "place"
    if call.name == "instance_norm" and not call.get(5, "use_input_stats", True):
        return "place"
    if call.name in ("group_norm", "instance_norm"):
        return "map"
    if call.name in ("layer_norm", "rms_norm"):
        over = tuple(call.get(1, "normalized_shape"))
        return "map" if over == tuple(call.x.shape[1:]) and len(over) > 1 else "unknown"
    return "unknown"


def _inner(call: Call) -> int:
    """How many products one number of the output sums."""
    found = call.given()
    first = found[1] if call.name in ("baddbmm", "addmm") and len(found) > 2 else found[0]
    if call.name == "rmatmul":
        return int(found[0].shape[-2] if found[0].ndim > 1 else found[0].shape[0])
    return int(first.shape[-1])
