"""What goes on inside a module while it runs: any layer's output, input and gradient, and the layers in call order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from striate.errors import SeeError, nearest
from striate.learning.modules import hooked
from striate.threads import one_at_a_time


class Captured:
    """What :func:`capture` recorded. A layer that is called several times is numbered: ``"relu#2"``."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._outputs: dict[str, list[Tensor]] = {name: [] for name in names}
        self._inputs: dict[str, list[Tensor]] = {name: [] for name in names}

    def __getitem__(self, name: str) -> np.ndarray:
        """The output of the layer *name*, before anything later changed it in place."""
        return as_array(self.tensor(name))

    def __contains__(self, name: str) -> bool:
        layer, _, number = name.partition("#")
        calls = len(self._outputs.get(layer, ()))
        return 1 <= int(number) <= calls if number.isdecimal() else calls > 0 and not number

    def tensor(self, name: str) -> Tensor:
        """The output of the layer *name* itself, in the autograd graph: for ``torch.autograd.grad``."""
        return self._call(self._outputs, name)

    def input(self, name: str) -> np.ndarray:
        """The first tensor that the layer *name* was given, before the layer changed it in place."""
        return as_array(self._call(self._inputs, name))

    def gradient(self, name: str) -> np.ndarray:
        """The gradient of what ``backward`` was called on, with respect to the output of the layer *name*.

        Raises:
            SeeError: No gradient reached it, or the capture was made without ``gradients=True``.
        """
        gradient = self.tensor(name).grad
        if gradient is None:
            raise SeeError(
                f"{name}: no gradient reached it; use capture(..., gradients=True), and call backward on a number "
                "that depends on it"
            )
        return as_array(gradient)

    def calls(self, name: str) -> int:
        """How many times the layer *name* was called."""
        return len(self._outputs[name])

    def _call(self, of: dict[str, list[Tensor]], name: str) -> Tensor:
        layer, _, number = name.partition("#")
        if layer not in of:
            raise SeeError(f"the layer {layer!r} was not captured{nearest(layer, self._names)}")
        calls = of[layer]
        if not calls:
            raise SeeError(f"{layer}: the network was not run inside the capture, or never called this layer")
        if not number:
            if len(calls) > 1:
                raise SeeError(f"{layer}: called {len(calls)} times; use {layer}#1 to {layer}#{len(calls)}")
            return calls[0]
        if not number.isdecimal() or not 1 <= int(number) <= len(calls):
            raise SeeError(f"{name}: the layer was called {len(calls)} time(s); use {layer}#1 to {layer}#{len(calls)}")
        return calls[int(number) - 1]


@contextmanager
def capture(module: nn.Module, *layers: str, gradients: bool = False) -> Iterator[Captured]:
    """Records what the named *layers* of *module* output while it runs inside the ``with``; another thread that
    captures, explains or predicts with the same module waits until its end.

    Args:
        module: Any module.
        *layers: Names as in ``module.named_modules()``; none for every module without parts of its own.
        gradients: Keep the gradients of ``backward`` as well; outputs then require them even where nothing before
            them does.

    Raises:
        SeeError: The module has no layer of that name; the nearest is suggested.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True))
    >>> with capture(net, "0", "1") as seen:
    ...     output = net(torch.randn(1, 1, 5, 5))
    >>> seen["0"].shape, bool((seen["0"] < 0).any())  # the ReLU worked on a copy
    ((1, 2, 3, 3), True)
    """
    found = {name: find_layer(module, name) for name in layers} or {n: part for n, part in _leaves(module) if n}
    seen = Captured(tuple(found))
    hooks: list[RemovableHandle] = []
    with one_at_a_time(module), hooked(hooks):
        for name, layer in found.items():
            hooks.append(layer.register_forward_pre_hook(_record_input(seen._inputs[name]), with_kwargs=True))
            hooks.append(layer.register_forward_hook(_record_output(seen._outputs[name], gradients)))
        yield seen


@dataclass(frozen=True, eq=False)
class LayerCall:
    """One call of one layer.

    Args:
        name: The layer's, as in ``module.named_modules()``; of a layer that is called several times with ``#1``,
            ``#2`` ... appended.
        layer: The module itself.
        inputs: The tensors that it was given, as they were then.
        output: Its output (the first tensor), as it was then.
        after: The numbers of the calls whose outputs it was given; -1 for what no layer made, or what was changed
            in place since.
    """

    name: str
    layer: nn.Module
    inputs: tuple[Tensor, ...]
    output: Tensor
    after: tuple[int, ...]


@torch.no_grad()
def layer_calls(module: nn.Module, x: Tensor) -> list[LayerCall]:
    """The calls of the layers (modules without parts) when *module* is run on *x*, in their order.

    The module runs as it is (training or not), once, without gradients. Layers that work in place are recorded as if
    they did not.

    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(inplace=True))
    >>> [(call.name, tuple(call.output.shape), call.after) for call in layer_calls(net, torch.ones(1, 2))]
    [('0', (1, 3), (-1,)), ('1', (1, 3), (0,))]
    """
    found: list[LayerCall] = []
    # id -> (call, tensor, its version); the tensor is kept alive, so that no id is used again
    made: dict[int, tuple[int, Tensor, int]] = {}
    times: Counter[str] = Counter()
    given: dict[int, list[tuple[tuple[Tensor, ...], tuple[int, ...]]]] = {}

    def source(tensor: Tensor) -> int:
        number, _, version = made.get(id(tensor), (-1, tensor, -1))
        return number if tensor._version == version else -1  # ``y += x`` made something else of it

    def before(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        tensors = _tensors(args, kwargs)
        copies = tuple(tensor.clone() for tensor in tensors)
        given.setdefault(id(layer), []).append((copies, tuple(map(source, tensors))))

    def after(name: str) -> Any:
        def hook(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
            inputs, sources = given[id(layer)].pop()
            first = _first(output)
            if first is None:
                return None
            times[name] += 1
            found.append(LayerCall(f"{name}#{times[name]}", layer, inputs, first, sources))
            on = first.clone()
            made[id(on)] = (len(found) - 1, on, on._version)
            return _with_first(output, on)

        return hook

    hooks: list[RemovableHandle] = []
    with one_at_a_time(module), hooked(hooks):
        for name, part in _leaves(module):
            hooks.append(part.register_forward_pre_hook(before, with_kwargs=True))
            hooks.append(part.register_forward_hook(after(name), with_kwargs=True))
        module(x)
    once = {f"{name}#1": name for name, n in times.items() if n == 1}
    return [replace(call, name=once.get(call.name, call.name)) for call in found]


def find_layer(module: nn.Module, name: str) -> nn.Module:
    """The part of *module* called *name*, also by the second name of a part that has two.

    Raises:
        SeeError: It has no such part (the nearest name is suggested), or one that takes no hooks.
    """
    found = dict(module.named_modules(remove_duplicate=False))
    if name not in found or not name:
        raise SeeError(f"no layer named {name!r}{nearest(name, [known for known in found if known])}")
    if not takes_hooks(found[name]):
        raise SeeError(f"{name}: compiled by TorchScript, which takes no hooks; use a layer around it, or the source")
    layer: nn.Module = found[name]
    return layer


def takes_hooks(layer: nn.Module) -> bool:
    """Whether *layer* can be watched: not what TorchScript has compiled."""
    return not isinstance(layer, torch.jit.ScriptModule)


def as_array(tensor: Tensor) -> np.ndarray:
    """*tensor* as a numpy array; bfloat16, which numpy lacks, as float32."""
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def _leaves(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The modules without parts of their own that take hooks."""
    parts = module.named_modules()
    return ((name, part) for name, part in parts if not list(part.children()) and takes_hooks(part))


def _record_input(into: list[Tensor]) -> Any:
    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        into.extend(tensor.detach().clone() for tensor in _tensors(args, kwargs)[:1])

    return hook


def _record_output(into: list[Tensor], gradients: bool) -> Any:
    def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        recorded = first = _first(output)
        if first is None or recorded is None:
            return None
        if gradients and first.is_floating_point():
            if not first.requires_grad and torch.is_grad_enabled():
                recorded = first.detach().requires_grad_()  # not the input that it may be
            if recorded.requires_grad:
                recorded.retain_grad()
        into.append(recorded)
        return _with_first(output, recorded.clone())  # what follows may work in place; what was recorded stays

    return hook


def _tensors(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
    return [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]


def _first(output: Any) -> Tensor | None:
    first = output[0] if isinstance(output, tuple | list) and output else output
    return first if isinstance(first, Tensor) else None


def _with_first(output: Any, first: Tensor) -> Any:
    """*output* with *first* in place of its first (or only) tensor."""
    if isinstance(output, Tensor):
        return first
    whole = (first, *output[1:])
    return output._make(whole) if hasattr(output, "_make") else type(output)(whole)
