"""The target layer of a class activation map, found by running the network once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import prod
from typing import Any

from torch import Tensor, nn
from torch.autograd.graph import Node

from striate.errors import SeeError, shape_text
from striate.inspect.attribution.probe import Probe, probing
from striate.inspect.capture import takes_hooks
from striate.inspect.target import TargetLike
from striate.learning.modules import hooked
from striate.tasks import CLASSIFICATION, Task

# what has no positions, or has them in another order: words and features come last in what these give
FLAT = (nn.Embedding, nn.Linear, nn.Flatten, nn.RNNBase, nn.MultiheadAttention, nn.LayerNorm)
PASSING = (nn.Identity, nn.modules.dropout._DropoutNd, nn.Upsample)


@dataclass(frozen=True)
class PickedLayer:
    """The layer whose feature maps are weighed, and in words why that one."""

    name: str
    why: str


@dataclass(frozen=True)
class _Call:
    """One module that has been called: what it gave, as it was then."""

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    output: Tensor
    version: int
    node: Node | None
    number: int  # 1 for the first call of this module

    @property
    def leaf(self) -> bool:
        return not list(self.module.children())

    @property
    def ranks(self) -> list[int]:
        """How many axes its own weights have."""
        return [p.ndim for p in self.module.parameters(recurse=False)]

    @property
    def pools(self) -> bool:
        return "pool" in type(self.module).__name__.lower()

    def same(self, other: _Call) -> bool:
        """Whether it gave what the other gave, unchanged."""
        return self.output is other.output and self.version == other.version


def cam_layer(
    module: nn.Module, x: Tensor, target: TargetLike = None, *, task: Task | str = CLASSIFICATION
) -> PickedLayer:
    """The layer whose output a class activation map is best made of: the last one that still has positions (more
    than one) before the head, after its normalisation, activation or join and before any pooling.

    The network runs once, with *x*. For a network with an output per pixel the head is its last layer with weights,
    for a unit as target the unit's own layer. Where other paths bypass the layer (a join written in ``forward``,
    parallel branches), *why* says so.

    Args:
        module: Any module; it is left as it was.
        x: One input with its batch axis.
        target: As in :func:`~striate.inspect.attribution.gradient`, and *task* too.

    Raises:
        SeeError: The network has no convolution with positions left; or it has, but none as a layer of its own.

    >>> import torch
    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3))
    >>> cam_layer(net, torch.rand(1, 1, 6, 6)).name
    '1'
    """
    with probing(module, x, target, task) as probe:
        return pick_layer(probe)[0]


def pick_layer(probe: Probe) -> tuple[PickedLayer, Tensor, Tensor | None]:
    """The layer, the scores of its run, and its output in their graph (None where it was overwritten since)."""
    leaf = probe.leaf.requires_grad_()
    calls: list[_Call] = []
    times: Counter[str] = Counter()
    parts = [(name, part) for name, part in probe.module.named_modules() if name and takes_hooks(part)]
    with hooked([part.register_forward_hook(_record(calls, times, name)) for name, part in parts]):
        scores = probe.scores(leaf)
    whole = _before(scores.grad_fn)
    calls = [call for call in calls if call.node in whole or not whole]  # what the score is made of
    found, before = _last(calls, probe)
    single = (c.name for c in calls if times[c.name] == 1 and _maps(c) and c.same(found))
    name = next(single, f"{found.name}#{found.number}")  # the innermost that means one call alone
    why = f"layer {name}: the last spatial layer ({shape_text(found.shape[2:])}) before {before}"
    if whole and any(getattr(node, "variable", None) is leaf for node in _before(scores.grad_fn, found.node)):
        why += "; other paths bypass it, so the map shows only a part of what the score is made of"
    return PickedLayer(name, why), scores, found.output if found.output._version == found.version else None


def _last(calls: list[_Call], probe: Probe) -> tuple[_Call, str]:
    """The last of *calls* that has positions before the head, and what is meant by the head."""
    first = next((i for i, call in enumerate(calls) if max(call.ranks, default=0) >= 3), None)
    if first is None:
        raise SeeError(
            "the network has no convolution, so no layer has positions to map; use a method on the input (gradient, "
            "integrated_gradients, occlusion), or name a layer"
        )
    unit = probe.target.layer
    if unit:
        names = (unit, f"{unit}#1") if "#" not in unit else (unit,)
        stop = next((i for i, c in enumerate(calls) if f"{c.name}#{c.number}" in names or c.name in names), None)
        before = f"the unit's own layer, {unit}"
    else:
        weighs = max((i for i, call in enumerate(calls) if call.leaf and call.ranks), default=0)
        stop, before = (weighs, "the output layer") if probe.dense else (None, "the head")
    rank = len(calls[first].shape)
    flat = {call.shape for call in calls if isinstance(call.module, nn.Linear)}  # and its activation: channels last
    kept = [
        call
        for call in calls[first:stop]
        if len(call.shape) == rank and prod(call.shape[2:]) > 1 and call.shape not in flat
        if _maps(call) and (call.leaf or not any(c.pools and c.same(call) for c in calls))  # or it ends in a pooling
    ]
    if not kept:
        raise SeeError(
            f"no layer before {before} has more than one position, so there is nothing to map; use a larger input, "
            f"a layer by its name, or a method on the input (gradient, integrated_gradients, occlusion)"
        )
    return kept[-1], before


def _record(into: list[_Call], times: Counter[str], name: str) -> Any:
    def hook(module: nn.Module, args: Any, output: Any) -> None:
        times[name] += 1
        if isinstance(output, Tensor) and output.is_floating_point():
            shape, node = tuple(output.shape), output.grad_fn
            into.append(_Call(name, module, shape, output, output._version, node, times[name]))

    return hook


def _maps(call: _Call) -> bool:
    return not (call.pools or isinstance(call.module, (*FLAT, *PASSING)))


def _before(start: Node | None, without: Node | None = None) -> set[Node]:
    """All steps of the computation that *start* comes of, other than through *without*."""
    waiting, seen = [start], set[Node]()
    while waiting:
        node = waiting.pop()
        if node is not None and node is not without and node not in seen:
            seen.add(node)
            waiting.extend(following for following, _ in node.next_functions)
    return seen
