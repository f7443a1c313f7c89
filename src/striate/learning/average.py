"""Averaged weights: the exponential moving average (EMA) of a module's weights and of what it keeps besides."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """The moving average of all weights and buffers (the running statistics of batch normalisation too), updated after
    every step: ``average += (1 - d) * (weights - average)`` (Polyak and Juditsky 1992; as TensorFlow's
    ``ExponentialMovingAverage`` with ``num_updates``: of step t, ``d = min(decay, (1 + t) / (10 + t))``, so that the
    first steps are soon forgotten).

    Args:
        module: Whose weights are averaged. Whole numbers, such as counters, are taken as they are.
        decay: From 0 to below 1.

    >>> net = nn.Linear(1, 1, bias=False)
    >>> _ = net.weight.data.zero_()
    >>> average = WeightAverage(net, 0.5)
    >>> _ = net.weight.data.fill_(10.0), average.update()
    >>> with average.applied():
    ...     print(net.weight.item())
    9.0
    >>> net.weight.item()
    10.0
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module, self.decay, self.updates = module, decay, 0
        self.values = {name: value.detach().clone() for name, value in self._own().items()}
        self._pairs: tuple[list[Tensor], list[Tensor], list[tuple[Tensor, Tensor]]] | None = None

    def _own(self) -> dict[str, Tensor]:
        """By name; a tensor that has several names under its first alone, or it would be swapped twice."""
        named = self.module.state_dict(keep_vars=True).items()
        first: dict[int, str] = {}
        return {name: value for name, value in named if first.setdefault(id(value), name) == name}

    @torch.no_grad()
    def update(self) -> None:
        """Takes the weights as they are now into the average."""
        if self._pairs is None:  # only now, for who puts the module on a device or in a memory format replaces tensors
            own = self._own()
            floats = [name for name, value in own.items() if value.is_floating_point()]
            others = [(self.values[name], own[name]) for name in own if name not in floats]
            for name in floats:
                self.values[name] = torch.empty_like(own[name]).copy_(self.values[name])
            self._pairs = [self.values[name] for name in floats], [own[name] for name in floats], others
        averaged, followed, others = self._pairs
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(averaged, followed, 1 - decay)
        for value, current in others:
            value.copy_(current)
        self.updates += 1

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The module has the averaged weights, and then its own again."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, current in self._own().items():
            before = current.clone()
            current.copy_(self.values[name])
            self.values[name].copy_(before)

    def tensors(self) -> dict[str, Tensor]:
        """The averaged values by the names of the module's ``state_dict``."""
        return dict(self.values)

    @torch.no_grad()
    def load(self, tensors: dict[str, Tensor], updates: int) -> None:
        """Continues from the *tensors* of an earlier average that had so many *updates*."""
        for name, value in self.values.items():
            value.copy_(tensors[name])
        self.updates = updates
