"""Every layer in the order in which it was called, with what went in and what came out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from striate.inspect.capture import takes_hooks, with_first


@dataclass(frozen=True, eq=False)
class Call:
    """One call of one layer.

    Args:
        name: The layer's, as in ``module.named_modules()``; of a layer that is called several times with ``#1``,
            ``#2`` ... behind it.
        layer: The module itself.
        inputs: The tensors it was given, as they were then.
        output: What it put out (the first tensor), as it was then.
        after: The numbers of the calls whose outputs it was given, -1 for what no layer put out, or what was changed
            in place since.
    """

    name: str
    layer: nn.Module
    inputs: tuple[Tensor, ...]
    output: Tensor
    after: tuple[int, ...]


@torch.no_grad()
def calls(module: nn.Module, x: Tensor) -> list[Call]:
    """The calls of the layers (modules without parts) while *module* answers *x*, in their order.

    The module runs as it is (training or not), once, without gradients. Layers that work in place are noted as if they
    did not.

    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(inplace=True))
    >>> [(call.name, tuple(call.output.shape), call.after) for call in calls(net, torch.ones(1, 2))]
    [('0', (1, 3), (-1,)), ('1', (1, 3), (0,))]
    """
    found: list[Call] = []
    # id -> (call, tensor, its version); held, so that no id is used again
    made: dict[int, tuple[int, Tensor, int]] = {}
    times: Counter[str] = Counter()
    copies: dict[int, list[tuple[tuple[Tensor, ...], tuple[int, ...]]]] = {}

    def source(tensor: Tensor) -> int:
        number, _, version = made.get(id(tensor), (-1, tensor, -1))
        return number if tensor._version == version else -1  # ``y += x`` made something else of it

    def before(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        given = tuple(tensor.clone() for tensor in tensors), tuple(map(source, tensors))
        copies.setdefault(id(layer), []).append(given)

    def note(name: str) -> Any:
        def hook(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
            given, after = copies[id(layer)].pop()
            first = output[0] if isinstance(output, tuple | list) and output else output
            if not isinstance(first, Tensor):
                return None
            times[name] += 1
            found.append(Call(f"{name}#{times[name]}", layer, given, first, after))
            on = first.clone()
            made[id(on)] = (len(found) - 1, on, on._version)
            return with_first(output, on)

        return hook

    leaves = [(name, part) for name, part in module.named_modules() if not list(part.children()) and takes_hooks(part)]
    hooks = [part.register_forward_pre_hook(before, with_kwargs=True) for _, part in leaves]
    hooks += [part.register_forward_hook(note(name), with_kwargs=True) for name, part in leaves]
    try:
        module(x)
    finally:
        for handle in hooks:
            handle.remove()
    once = {f"{name}#1": name for name, n in times.items() if n == 1}
    return [replace(call, name=once.get(call.name, call.name)) for call in found]
