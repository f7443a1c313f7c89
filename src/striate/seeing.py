"""A network to look into: what prepares its inputs, and where its layers' units lie on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from striate.checking import check, is_module
from striate.errors import DataError, Error, SeeError
from striate.find import find_net, net_name
from striate.learn import evaluating
from striate.model.contract import MODES, Contract
from striate.model.model import Model, load
from striate.model.prepare import normalise
from striate.model.sources import Item, Source, input_of, items_of
from striate.net import build
from striate.see.fields import Box
from striate.user_code import is_code, load_code


@dataclass(frozen=True, eq=False)
class Subject:
    """A model to look into. *note* says what should be known of it: that nobody trained it, say."""

    name: str
    model: Model
    note: str = ""

    @property
    def module(self) -> nn.Module:
        return self.model.module

    @property
    def contract(self) -> Contract:
        return self.model.contract

    def item(self, source: Source) -> np.ndarray:
        """*source* as the contract prepares it, before it is normalised: ``contract.input``.

        Raises:
            DataError: It cannot be read, or holds several items.
        """
        items = items_of(source, self.contract)
        if len(items) != 1:
            raise DataError(f"{source}: holds {len(items)} items; name one of them")
        (item,) = items
        if isinstance(item, DataError):
            raise item
        try:
            assert isinstance(item, Item)
            return input_of(item, self.contract)[0]
        except DataError as error:
            raise error if str(source) in str(error) else DataError(f"{source}: {error}") from None

    def tensor(self, source: Source) -> Tensor:
        """*source* as the network takes it: ``(1, *contract.input)``, on its device."""
        device = next((p.device for p in self.module.parameters()), torch.device("cpu"))
        return normalise(torch.from_numpy(self.item(source)[None].copy()).to(device), self.contract)

    def picture(self, source: Source) -> np.ndarray | None:
        """What the network sees of an image, to be drawn: uint8 ``(H, W)`` or ``(H, W, 3)``; None of what is none."""
        return drawn(self.item(source))

    @cached_property
    def _rows(self) -> dict[str, Any]:
        try:
            graph = self.model.graph
            report = check(graph) if graph is not None else check(self.module, self.contract.input)
        except Error:  # a module that cannot be followed: everything but the geometry can still be seen
            return {}
        return {row.name: row for row in report.layers}

    def grid(self, layer: str) -> tuple[float, float, float, float] | None:
        """Where the cells of *layer*'s map lie: the first one's middle and the step to the next, ``(y, x, sy, sx)``.

        In pixels of the input, the first of which has its middle at 0; None where the geometry is not known.
        """
        row = self._rows.get(layer.partition("#")[0])
        known = row is not None and row.receptive_field and row.stride and row.start
        if not known or len(row.receptive_field) != 2 or min(row.stride) <= 0:
            return None
        y, x = (start + (field - 1) / 2 for start, field in zip(row.start, row.receptive_field, strict=True))
        return (y, x, float(row.stride[0]), float(row.stride[1]))

    def box(self, layer: str, place: tuple[int, ...]) -> Box | None:
        """The receptive field of the unit at *place* ``(y, x)`` of *layer*, in pixels of the input, if it is known."""
        row = self._rows.get(layer.partition("#")[0])
        if row is None or not row.receptive_field or len(row.receptive_field) != 2:
            return None
        height, width = row.receptive_field
        if len(place) != 2 or not row.start or not row.stride:
            return (0, 0, self.contract.input[1], self.contract.input[2])  # behind a flatten: the whole input
        (top, left), (down, right) = row.start, row.stride
        return (top + down * place[0], left + right * place[1], height, width)

    def layers(self) -> list[str]:
        """The names that may be asked for."""
        return [name for name, part in self.module.named_modules() if name and not list(part.children())]


def drawn(item: np.ndarray) -> np.ndarray | None:
    """Prepared bytes ``(C, H, W)`` as an image to draw: grey, or the first three channels; None of what is no image."""
    if item.dtype != np.uint8 or item.ndim != 3:
        return None
    return item[0] if len(item) < 3 else np.ascontiguousarray(np.moveaxis(item[:3], 0, 2))


def subject(net: str | Path | nn.Module | Model, input: tuple[int, ...] | None = None) -> Subject:
    """The network that *net* means, ready to be looked into.

    Args:
        net: A model file, a :class:`~striate.model.model.Model`, any ``nn.Module``, ``FILE.py:NAME``; or a net by its
            name or text, which gets random weights.
        input: ``(C, H, W)``, where neither a contract nor the net says it.

    Raises:
        ModelError, SpecError: There is no such network. SeeError: Nobody said its input.

    >>> subject("lenet5").contract.input
    (1, 32, 32)
    """
    if isinstance(net, Model):
        return Subject("model", net)
    if isinstance(net, str | Path) and str(net).endswith(".safetensors"):
        return Subject(str(net), load(net))
    if is_code(net) or is_module(net):
        made = load_code(str(net)) if is_code(net) else net
        if is_module(made):
            return Subject(str(net) if is_code(net) else type(made).__name__, _bare(made, input))
        net = made
    graph = find_net(net)  # type: ignore[arg-type]
    module = build(graph, seed=0)
    note = "random weights: nobody trained this network"
    return Subject(net_name(net), _bare(module, input or graph.input), note)  # type: ignore[arg-type]


def _bare(module: nn.Module, input: tuple[int, ...] | None) -> Model:
    """A model of a module that nobody wrote a contract for: pixels go in as shares of 255, outputs have numbers."""
    if input is None:
        raise SeeError("the network does not say its input; say it with --input, such as 3x224x224")
    with evaluating(module), torch.no_grad():
        try:
            output = module(torch.zeros(1, *input))
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise SeeError(f"the network does not take {'x'.join(map(str, input))}: {first}") from None
    if not isinstance(output, Tensor) or output.ndim not in (2, 4):
        what = f"{tuple(output.shape)}" if isinstance(output, Tensor) else f"a {type(output).__name__}"
        raise SeeError(f"the network answers {what}; wanted scores (N, classes), or (N, classes, H, W)")
    classes = output.shape[1]
    modes = {channels: mode for mode, channels in MODES.items() if channels}
    mode = modes.get(input[0], "channels") if len(input) == 3 else "values"
    task = "regression" if classes == 1 else "segmentation" if output.ndim == 4 else "classification"
    more: dict[str, Any] = {"target_mean": (0.0,), "target_std": (1.0,)} if task == "regression" else {}
    more |= {"mask_values": tuple(range(classes))} if task == "segmentation" else {}
    zeros, ones = (0.0,) * input[0], (1.0,) * input[0]
    return Model(module, Contract(tuple(map(str, range(classes))), input, mode, zeros, ones, task=task, **more))
