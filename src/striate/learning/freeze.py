"""Keeping a part of a network as it is while the rest is trained."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn


def freeze(module: nn.Module, names: Iterable[str]) -> tuple[int, int]:
    """Fixes the weights of the submodules called *names*; gives how many numbers are fixed and how many are trained.

    >>> net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    >>> freeze(net, ["0", "1"])
    (16, 10)
    """
    for name in names:
        module.get_submodule(name).requires_grad_(False)
    fixed = sum(p.numel() for p in module.parameters() if not p.requires_grad)
    return fixed, sum(p.numel() for p in module.parameters()) - fixed


def fixed_norms(module: nn.Module) -> list[nn.Module]:
    """The normalisation layers whose weights are all fixed: their running statistics have to stay as well, or what
    was frozen would change under its own weights.

    >>> net = nn.Sequential(nn.BatchNorm1d(3), nn.BatchNorm1d(3))
    >>> _ = freeze(net, ["0"])
    >>> len(fixed_norms(net))
    1
    """
    norms = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._NormBase)]
    weights = [(norm, list(norm.parameters())) for norm in norms]
    return [norm for norm, own in weights if own and not any(p.requires_grad for p in own)]
