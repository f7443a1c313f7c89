"""A network to look into: what prepares its inputs, and where its layers' units lie on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from striate.analysis import Axis, infer, receptive
from striate.datasets import Arrays
from striate.errors import DataError, Error, SeeError
from striate.inspect.attribution.probe import first_tensor
from striate.inspect.fields import Box
from striate.learning import evaluating
from striate.loading import Given, open_network
from striate.model.contract import MODES, Contract
from striate.model.model import Model
from striate.model.prepare import normalise
from striate.model.sources import Item, Source, input_of, items_of
from striate.model.words import numbers_of
from striate.net.read import read_all
from striate.net.read_graph import legal

NO_INPUT = "the network does not say its input; say it with --input, such as 3x224x224"


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
        assert isinstance(item, Item)
        if self.contract.mode == "text":
            return numbers_of([str(item.source)], self.contract.vocabulary, self.contract.input[0])[0]
        try:
            return input_of(item, self.contract)[0]
        except DataError as error:
            named = isinstance(source, str | Path) and str(source) not in str(error)
            raise DataError(f"{source}: {error}" if named else str(error)) from None

    def tensor(self, source: Source) -> Tensor:
        """*source* as the network takes it: ``(1, *contract.input)``, on its device."""
        return self.ready(self.item(source))

    def ready(self, item: np.ndarray) -> Tensor:
        """A prepared *item* as the network takes it."""
        return normalise(torch.from_numpy(item[None].copy()).to(self.device), self.contract)

    def text(self, source: Source) -> str:
        """For a model of texts: the sentence that *source* is, or its file holds."""
        item = items_of(source, self.contract)[0]
        return str(item.source) if isinstance(item, Item) else ""

    def batches(self, arrays: Arrays, size: int = 64) -> Iterator[Tensor]:
        """The items of *arrays* as the network takes them, *size* at a time, in their order."""
        for i in range(0, len(arrays), size):
            yield normalise(torch.from_numpy(np.array(arrays.inputs[i : i + size])).to(self.device), self.contract)

    @property
    def device(self) -> torch.device:
        return next((p.device for p in self.module.parameters()), torch.device("cpu"))

    def picture(self, source: Source) -> np.ndarray | None:
        """What the network sees of an image, to be drawn: uint8 ``(H, W)`` or ``(H, W, 3)``; None of what is none."""
        return drawn(self.item(source))

    @cached_property
    def _all_axes(self) -> dict[str, tuple[Axis, ...]]:
        try:
            graph = self.model.graph
            if graph is None:
                reading = read_all(self.module, self.contract.input)
                if not reading.traced:  # what ran is known, and not what read what
                    return {}
                graph = reading.graph
            return receptive(graph, infer(graph)[0])[0]
        except Error:  # a module that cannot be followed: everything but the geometry can still be seen
            return {}

    def _axes(self, layer: str) -> tuple[Axis, ...]:
        """What the units of *layer* see along each axis (``"relu#2"``: of its second call); none where that is not
        known.
        """
        path, _, number = layer.partition("#")
        if self.model.graph is not None:
            return self._all_axes.get(path, ()) if number in ("", "1") else ()
        if number in ("", "1"):
            return self._all_axes.get(legal(path), ())
        again = f"{legal(path)}_{number}"
        return () if again in map(legal, self.layers()) else self._all_axes.get(again, ())

    def grid(self, layer: str) -> tuple[float, ...] | None:
        """Where the cells of *layer*'s map lie: the first one's middle and the steps to the next, ``(y, x, sy, sx)``;
        of a text ``(x, sx)``, of a volume ``(z, y, x, sz, sy, sx)``.

        In pixels of the input, the first of which has its middle at 0; behind an upsampling, where several cells see
        the same, the even steps that fit them best. None where the geometry is not known.
        """
        found = [_steps(axis) for axis in self._axes(layer)]
        known = [pair for pair in found if pair is not None]
        if not found or len(known) < len(found):
            return None
        return (*(middle for middle, _ in known), *(step for _, step in known))

    def box(self, layer: str, place: tuple[int, ...]) -> Box | None:
        """The receptive field of the unit at *place* ``(y, x)`` of *layer*, in pixels of the input, if it is known."""
        axes = self._axes(layer)
        if len(axes) != 2:
            return None
        if len(place) != 2 or any(axis.whole for axis in axes):
            return (0, 0, self.contract.input[1], self.contract.input[2])  # behind a flatten: the whole input
        rows, columns = (axis.at(i) for axis, i in zip(axes, place, strict=True))
        if rows is None or columns is None:
            return None
        return (rows[0], columns[0], rows[1] - rows[0] + 1, columns[1] - columns[0] + 1)

    def layers(self) -> list[str]:
        """The names that may be asked for."""
        return [name for name, part in self.module.named_modules() if name and not list(part.children())]


def _steps(axis: Axis) -> tuple[float, float] | None:
    """The middle of the first unit's field and the step to the next one's, if they lie in even steps on average."""
    if axis.stride is None or axis.stride <= 0:
        return None
    step = float(axis.stride)
    firsts = [(span[0] + span[1]) / 2 - i * step for i, span in enumerate(axis.spans) if span]
    return (sum(firsts) / len(firsts), step) if firsts else None


def drawn(item: np.ndarray) -> np.ndarray | None:
    """Prepared bytes ``(C, H, W)`` as an image to draw: grey, or the first three channels; None of what is no image."""
    if item.dtype != np.uint8 or item.ndim != 3:
        return None
    return item[0] if len(item) < 3 else np.ascontiguousarray(np.moveaxis(item[:3], 0, 2))


def subject(net: Given, input: tuple[int, ...] | None = None) -> Subject:
    """The network that *net* means, ready to be looked into.

    Args:
        net: What :func:`striate.loading.open_network` takes; a network by its name or text gets random weights.
        input: ``(C, H, W)``, where neither a contract nor the net says it.

    Raises:
        ModelError, SpecError: There is no such network. SeeError: Nobody said its input.

    >>> subject("lenet5").contract.input
    (1, 32, 32)
    """
    network = open_network(net, input=input)
    if network.contract is not None:
        return Subject(network.given if network.path else "model", network.model)
    if network.input is None:
        raise SeeError(NO_INPUT)
    name = network.name if network.graph else network.given.removeprefix("the ")
    model = _bare(network.module, network.input)
    if network.has_weights:
        return Subject(name, model)
    note = "random weights: nobody trained this network"
    note += "; no vocabulary is known, so all words are one" if model.contract.mode == "text" else ""
    return Subject(name, model, note)


def _bare(module: nn.Module, input: tuple[int, ...]) -> Model:
    """A model of a module that nobody wrote a contract for: pixels go in as shares of 255, outputs have numbers."""
    output, is_text = _tried(module, input)
    if output is None or output.ndim not in (1, 2, 4) or len(output) != 1:
        what = "no tensor" if output is None else f"{tuple(output.shape)} for one item"
        raise SeeError(f"the network answers {what}; wanted scores (N, classes), or (N, classes, H, W)")
    classes = output.shape[1] if output.ndim > 1 else 1
    if is_text:
        names = tuple(map(str, range(max(2, classes))))
        return Model(module, Contract(names, input, "text", (), (), vocabulary=("?",)))
    modes = {channels: mode for mode, channels in MODES.items() if channels}
    mode = modes.get(input[0], "channels") if len(input) == 3 else "values"
    task = "regression" if classes == 1 else "segmentation" if output.ndim == 4 else "classification"
    more: dict[str, Any] = {"target_mean": (0.0,), "target_std": (1.0,)} if task == "regression" else {}
    more |= {"mask_values": tuple(range(classes))} if task == "segmentation" else {}
    task = task if task != "segmentation" or classes > 1 else "regression"
    zeros, ones = (0.0,) * input[0], (1.0,) * input[0]
    return Model(module, Contract(tuple(map(str, range(classes))), input, mode, zeros, ones, task=task, **more))


def _tried(module: nn.Module, input: tuple[int, ...]) -> tuple[Tensor | None, bool]:
    """What *module* answers for zeros of *input*, and whether it takes the numbers of words."""
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    reasons = []
    with evaluating(module), torch.no_grad():
        for dtype in (torch.float32, torch.int64)[: 2 if len(input) == 1 else 1]:
            try:
                return first_tensor(module(torch.zeros(1, *input, dtype=dtype, device=device))), dtype == torch.int64
            except Exception as error:  # whatever somebody's own forward raises
                reasons.append((str(error).splitlines() or [type(error).__name__])[0])
    raise SeeError(f"the network does not take {'x'.join(map(str, input))}: {reasons[0]}")
