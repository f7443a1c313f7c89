"""Modules as parts: which are read as one, and what they are called."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from striate.net.layers import op_of


class Compiled(nn.Module):
    """A module that TorchScript has compiled, and that takes no hooks."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.inner(*args, **kwargs)


def wrap_compiled(module: nn.Module) -> None:
    """Puts what takes no hooks into something that does (who calls this puts the module back in order)."""
    for part in [p for p in module.modules() if not isinstance(p, torch.jit.ScriptModule | Compiled)]:
        for name, child in part._modules.items():
            if isinstance(child, torch.jit.ScriptModule):
                part._modules[name] = Compiled(child)


def is_part(module: nn.Module) -> bool:
    """Whether *module* is read as one part: striate's own layers, and what torch itself defines the forward of
    (a subclass with another forward is looked into), but for containers.
    """
    if op_of(module) or isinstance(module, Compiled):
        return True
    home = next((c.__module__ for c in type(module).__mro__ if "forward" in vars(c)), "")
    containers = (
        "torch.nn.modules.container",
        "torch.nn.parallel",
        "torch.fx",
        "torch._dynamo",
        "torch.nn.modules.module",
    )
    return home.startswith("torch.") and not home.startswith(containers)


def kind(module: nn.Module) -> str:
    """The name of its class; of the class that somebody parametrised."""
    name = type(module.inner if isinstance(module, Compiled) else module).__name__
    return name.removeprefix("Parametrized") or name


def unwrapped(module: nn.Module) -> nn.Module:
    """The module inside ``torch.compile`` and ``DataParallel``."""
    while True:
        inner = getattr(module, "_orig_mod", None)
        if inner is None and isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner = module.module
        if not isinstance(inner, nn.Module):
            return Compiled(module) if isinstance(module, torch.jit.ScriptModule) else module
        module = inner
