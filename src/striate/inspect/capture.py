"""What goes on inside a module while it runs: any layer's output, input and gradient, as arrays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from striate.errors import SeeError, nearest


class Captured:
    """What :func:`capture` saw. A layer that is called several times has a number behind its name: ``"relu#2"``."""

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
        """The output of the layer *name* itself, in the graph of the computation: for ``torch.autograd.grad``."""
        return self._call(self._outputs, name)

    def input(self, name: str) -> np.ndarray:
        """What the layer *name* was given (its first tensor), before the layer changed it in place."""
        return as_array(self._call(self._inputs, name))

    def gradient(self, name: str) -> np.ndarray:
        """The gradient of what was called ``backward`` on, with respect to the output of the layer *name*.

        Raises:
            SeeError: Nothing went backward through it, or the capture was made without ``gradients=True``.
        """
        gradient = self.tensor(name).grad
        if gradient is None:
            raise SeeError(
                f"{name}: no gradient came back to it; use capture(..., gradients=True), and call backward on a "
                "number that depends on it"
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
                raise SeeError(f"{layer}: called {len(calls)} times; take {layer}#1 to {layer}#{len(calls)}")
            return calls[0]
        if not number.isdecimal() or not 1 <= int(number) <= len(calls):
            raise SeeError(f"{name}: the layer was called {len(calls)} time(s); take {layer}#1 to {layer}#{len(calls)}")
        return calls[int(number) - 1]


@contextmanager
def capture(module: nn.Module, *layers: str, gradients: bool = False) -> Iterator[Captured]:
    """Notes what the named *layers* of *module* put out while it runs inside the ``with``.

    Args:
        module: Any module.
        *layers: Names as in ``module.named_modules()``; none for every module without parts of its own.
        gradients: Keep the gradients of ``backward`` as well; outputs then require them even where nothing before
            them does.

    Raises:
        SeeError: The module has no layer of a name; the nearest is offered.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True))
    >>> with capture(net, "0", "1") as seen:
    ...     output = net(torch.randn(1, 1, 5, 5))
    >>> seen["0"].shape, bool((seen["0"] < 0).any())  # the ReLU worked on a copy
    ((1, 2, 3, 3), True)
    """
    parts = module.named_modules()
    leaves = (name for name, part in parts if name and not list(part.children()) and takes_hooks(part))
    found = {name: find_layer(module, name) for name in layers or leaves}
    seen = Captured(tuple(found))
    hooks = [
        handle
        for name, layer in found.items()
        for handle in (
            layer.register_forward_pre_hook(_note_input(seen._inputs[name]), with_kwargs=True),
            layer.register_forward_hook(_note_output(seen._outputs[name], gradients)),
        )
    ]
    try:
        yield seen
    finally:
        for handle in hooks:
            handle.remove()


def find_layer(module: nn.Module, name: str) -> nn.Module:
    """The part of *module* called *name*, also by the second name of a part that has two.

    Raises:
        SeeError: It has no such part (the nearest name is offered), or one that nobody can look into.
    """
    found = dict(module.named_modules(remove_duplicate=False))
    if name not in found or not name:
        raise SeeError(f"there is no layer {name!r}{nearest(name, [known for known in found if known])}")
    if not takes_hooks(found[name]):
        raise SeeError(
            f"{name}: compiled by TorchScript, which lets nobody look in; take a layer around it, or the source"
        )
    layer: nn.Module = found[name]
    return layer


def takes_hooks(layer: nn.Module) -> bool:
    """Whether *layer* can be watched: not what TorchScript has compiled."""
    return not isinstance(layer, torch.jit.ScriptModule)


def _note_input(into: list[Tensor]) -> Any:
    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        if tensors:
            into.append(tensors[0].detach().clone())

    return hook


def _note_output(into: list[Tensor], gradients: bool) -> Any:
    def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        first = output[0] if isinstance(output, tuple | list) and output else output
        if not isinstance(first, Tensor):
            return None
        noted = first
        if gradients and first.is_floating_point():
            if not first.requires_grad and torch.is_grad_enabled():
                noted = first.detach().requires_grad_()  # not the input that it may be
            if noted.requires_grad:
                noted.retain_grad()
        into.append(noted)
        copy = noted.clone()  # what comes after may work in place; what was noted stays as it was
        return with_first(output, copy)

    return hook


def with_first(output: Any, first: Tensor) -> Any:
    """*output* with *first* in place of its first (or only) tensor."""
    if isinstance(output, Tensor):
        return first
    whole = (first, *output[1:])
    return output._make(whole) if hasattr(output, "_make") else type(output)(whole)


def as_array(tensor: Tensor) -> np.ndarray:
    """*tensor* as numpy has it; bfloat16, which numpy lacks, as float32."""
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
