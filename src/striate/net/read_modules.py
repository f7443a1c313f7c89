"""Modules as parts: which are read as one, and striate's own layers as the words they were built from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from striate.net import layers as ours
from striate.net.read_call import one
from striate.spec import (
    RBF,
    Add,
    Concat,
    Crop,
    Embedding,
    LayerNorm,
    Multiply,
    Op,
    PadChannels,
    Scale,
    ScaledTanh,
    StochasticDepth,
    SumPool,
    TableConv,
)

OURS: dict[type[nn.Module], Callable[[Any], Op]] = {
    ours.SumPooling: lambda m: SumPool(one(m.kernel), one(m.stride), one(m.padding), m.ceil),
    ours.ChannelsFirstEmbedding: lambda m: Embedding(m.num_embeddings, m.embedding_dim),
    ours.Sum: lambda m: Add(),
    ours.Multiplication: lambda m: Multiply(),
    ours.Concatenation: lambda m: Concat(),
    ours.TabledConvolution: lambda m: TableConv(
        m.table, one(m.weight.shape[2:]), one(m.stride), one(m.padding), m.bias is not None
    ),
    ours.FixedCodes: lambda m: RBF(m.codes.shape[0]),
    ours.ChannelScale: lambda m: Scale(m.value, m.bias is not None),
    ours.ChannelNorm: lambda m: LayerNorm(m.eps),
    ours.ScaledTanhUnit: lambda m: ScaledTanh(m.amplitude, m.slope),
    ours.SampleDrop: lambda m: StochasticDepth(m.p),
    ours.Cropping: lambda m: Crop(one(m.margins)),
    ours.ChannelPadding: lambda m: PadChannels(m.out),
}


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
    if type(module) in OURS or isinstance(module, Compiled):
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
