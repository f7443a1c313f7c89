"""What no word of the vocabulary says, as far as it is known: what it costs, and what its units read."""

from __future__ import annotations

from torch import Tensor

from striate.net.read_call import Call, canonical
from striate.net.read_places import MOVED, PLACES, RESHAPES, SAME, order_of
from striate.spec import Opaque

# Results that do not depend on the numbers of the tensor they are asked from.
FRESH = frozenset(
    """zeros_like ones_like empty_like full_like rand_like randn_like randint_like new_zeros new_ones new_empty
    new_full new_tensor""".split()
)

# What works on each place alone, and counts no multiply-accumulates (as activations and normalisations do not).
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
    shape = canonical(call.out, call.batch, name in POINTWISE and last)
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
        query, key, value = call.args[:3]
        macs = query[..., 0].numel() // call.batch * key.shape[-2] * (query.shape[-1] + value.shape[-1])
    elif name in ("interpolate", "upsample", "pixel_shuffle", "pixel_unshuffle", "grid_sample") or "pool" in name:
        macs = 0
    return Opaque(word_of(name), shape, parameters, macs, reach)


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
    """Whether what is summed up, or compared, is the channels of each place alone."""
    place, default = REDUCTIONS[call.name]
    dim = call.get(place, "dim", call.kwargs.get("axis", default))
    dims = list(dim) if isinstance(dim, tuple | list) else [dim]
    flat = len(call.value.shape) == 1
    return all(isinstance(d, int) and call.axis(d) == 1 for d in dims) and (flat or keeps_places(call))


def _norm_reach(call: Call) -> str:
    """Statistics of a whole map are read from all of it."""
    if call.name == "batch_norm" and call.own == "torch.nn.functional":
        return "map" if call.get(5, "training", False) else "place"
    if call.name == "local_response_norm":
        return "place"
    if call.name in ("group_norm", "instance_norm"):
        return "map"
    if call.name in ("layer_norm", "rms_norm"):
        over = tuple(call.get(1, "normalized_shape"))
        return "map" if over == tuple(call.x.shape[1:]) and len(over) > 1 else "unknown"
    return "unknown"


def _inner(call: Call) -> int:
    """How many products one number of the output sums."""
    found = [t for t in call.args if isinstance(t, Tensor)]
    first = found[1] if call.name in ("baddbmm", "addmm") and len(found) > 2 else found[0]
    if call.name == "rmatmul":
        return int(found[0].shape[-2] if found[0].ndim > 1 else found[0].shape[0])
    return int(first.shape[-1])
