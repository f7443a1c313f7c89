"""Functions that move numbers about: reshaping, permuting, slicing, padding, and means over whole maps."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from torch import Tensor

from striate.net.read_call import Call, Found, one
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
    ndim, args = call.x.ndim, call.args[1:] or tuple(call.kwargs.values())
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
        """Over all places of a map: global pooling."""
        dims = call.get(1, key, call.kwargs.get("axis"))
        if dims is None or len(call.value.shape) < 2 or not call.alone():
            return None
        over = sorted(call.axis(d) for d in (dims if isinstance(dims, tuple | list) else [dims]))
        if over != list(range(2, len(call.value.shape) + 1)):
            return None
        return Found((make(1),)) if call.get(2, "keepdim", False) else Found((make(1), Flatten()), last=False)

    return rule


def _slice(call: Call) -> Found | None:
    """``x[...]``: a crop of both ends, every n-th place, or a 1x1 map without its axes."""
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
    margins = [first for (first, _, _), _ in places]
    both = all(n - end == first and step == 1 for (first, end, step), n in places)
    return Found((*some, Crop(one(margins)))) if both else None


def _narrow(call: Call) -> Found | None:
    dim, start, length = (call.get(i, k) for i, k in ((1, "dim"), (2, "start"), (3, "length")))
    sides = [(0, n, 1) for n in call.x.shape]
    sides[dim % call.x.ndim] = (start, start + length, 1)
    return _cut(call, sides)


def _pad(call: Call) -> Found | None:
    """Zeros: behind the channels, or the same on both sides of every place's axis (which a convolution takes in)."""
    pads, mode, value = list(call.get(1, "pad")), call.get(2, "mode", "constant"), call.get(3, "value")
    if not any(pads):
        return Found()
    if mode != "constant" or value not in (None, 0) or call.value.last or call.x.ndim != call.rank + 2:
        return None
    pads += [0] * (2 * call.x.ndim - len(pads))
    pairs = [(pads[2 * i], pads[2 * i + 1]) for i in reversed(range(call.x.ndim))]  # the batch's first
    if pairs[1][0] == 0 < pairs[1][1] and not any(map(any, pairs[2:])):
        return Found((PadChannels(call.out.shape[1]),))
    if any(pairs[0]) or any(pairs[1]) or any(a != b or a < 0 for a, b in pairs[2:]):
        return None
    return Found(padded=tuple(a for a, _ in pairs[2:]))


def _none(call: Call) -> Found | None:
    return None


PLACES: dict[str, Callable[[Call], Found | None]] = {
    **dict.fromkeys(RESHAPES, _reshape),
    **dict.fromkeys(MOVED, _permute),
    "mean": _mean(AdaptiveAvgPool, "dim"),
    "amax": _mean(AdaptiveMaxPool, "dim"),
    "getitem": _slice,
    "narrow": _narrow,
    "pad": _pad,
    **dict.fromkeys(("chunk", "split", "tensor_split", "unbind", "select", "index_select", "channel_shuffle"), _none),
}

# What may read a tensor whose channels are last; everything else gets it as it lies.
EITHER_WAY = frozenset([*RESHAPES, *MOVED, "mean", "amax", "getitem", "linear", "layer_norm", "embedding"])
