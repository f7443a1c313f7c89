"""A network to look into: what prepares its inputs, and where its layers' units lie on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from striate.analysis import Axis, infer, receptive
from striate.errors import DataError, Error, SeeError, shape_text
from striate.inspect.attribution.probe import first_tensor
from striate.inspect.fields import Box
from striate.learning import evaluating
from striate.loading import Given, open_network
from striate.model.contract import OF_CHANNELS, Contract
from striate.model.model import Model
from striate.model.prepare import normalise
from striate.model.sources import Item, Source, network_input, source_items
from striate.model.words import numbers_of, words_of
from striate.net import Net
from striate.net.read import read_all
from striate.net.read_graph import legal
from striate.net.read_run import predictions_alone
from striate.spec import Graph, Shape
from striate.tasks import CLASSIFICATION, REGRESSION, SEGMENTATION, Task

NO_INPUT = "the network does not say its input size; give one with --input, such as 3x224x224"


@dataclass(frozen=True, eq=False)
class InspectedModel:
    """A model to look into; *notes* say what should be known of it: that it is untrained, say."""

    model: Model
    notes: tuple[str, ...] = ()

    @property
    def module(self) -> nn.Module:
        """The torch module."""
        return self.model.module

    @property
    def contract(self) -> Contract:
        """How inputs are prepared, and what the outputs stand for."""
        return self.model.contract

    def item(self, source: Source) -> np.ndarray:
        """*source* as the contract prepares it, before it is normalised: ``contract.input``.

        Raises:
            DataError: It cannot be read, or contains several items.
        """
        items = [*source_items(source, self.contract)]
        called = "the image" if isinstance(source, bytes) else source
        if len(items) != 1:
            raise DataError(f"{called}: contains {len(items)} items; name one of them")
        (item,) = items
        if isinstance(item, DataError):
            raise item
        assert isinstance(item, Item)
        if self.contract.mode == "text":
            numbers: np.ndarray = numbers_of([str(item.source)], self.contract.vocabulary, self.contract.input[0])[0]
            return numbers
        try:
            return network_input(item, self.contract)[0]
        except DataError as error:
            named = isinstance(source, str | Path) and str(source) not in str(error)
            raise DataError(f"{called}: {error}" if named else str(error)) from None

    def tensor(self, source: Source) -> Tensor:
        """*source* as the network takes it: ``(1, *contract.input)``, on its device."""
        return self.ready(self.item(source))

    def ready(self, item: np.ndarray) -> Tensor:
        """A prepared *item* as the network takes it, ``(1, *contract.input)``."""
        return next(self.batches(item[None]))

    def batches(self, inputs: np.ndarray, size: int = 64) -> Iterator[Tensor]:
        """Prepared *inputs* ``(N, ...)`` as the network takes them, *size* at a time, in their order."""
        device = next((p.device for p in self.module.parameters()), torch.device("cpu"))
        for i in range(0, len(inputs), size):
            yield normalise(torch.from_numpy(np.array(inputs[i : i + size])).to(device), self.contract)

    def words(self, source: Source) -> tuple[str, ...]:
        """For a model of texts: the words of the sentence that *source* is, or its file contains; else none."""
        item = next(source_items(source, self.contract)) if self.contract.mode == "text" else None
        return tuple(words_of(str(item.source))) if isinstance(item, Item) else ()

    @cached_property
    def _all_axes(self) -> dict[str, tuple[Axis, ...]]:
        try:
            graph = self.model.graph
            if graph is None:
                reading = read_all(self.module, self.contract.input)
                if not reading.traced:  # the layers that ran are known, but not which read which
                    return {}
                graph = reading.graph
            axes = receptive(graph, infer(graph)[0])[0]
            return {block: axes[end] for block, end in _ends_of_blocks(graph).items()} | axes
        except Error:  # a module that cannot be followed: everything but the geometry can still be shown
            return {}

    def _axes(self, layer: str) -> tuple[Axis, ...]:
        """The receptive fields of the units of *layer* along each axis (``"relu#2"``: of its second call); none where
        they are not known.
        """
        path, _, number = layer.partition("#")
        if self.model.graph is not None:
            return self._all_axes.get(path, ()) if number in ("", "1") else ()
        if number in ("", "1"):
            return self._all_axes.get(legal(path), ())
        again = f"{legal(path)}_{number}"
        return () if again in map(legal, self.layers()) else self._all_axes.get(again, ())

    def grid(self, layer: str) -> tuple[float, ...] | None:
        """Where the cells of *layer*'s map lie: the first one's centre and the steps to the next, ``(y, x, sy, sx)``;
        of a text ``(x, sx)``, of a volume ``(z, y, x, sz, sy, sx)``.

        In pixels of the input, where the first pixel's centre is 0; behind an upsampling, where several cells have
        the same receptive field, the even steps that fit them best. None where the geometry is not known.
        """
        found = [_steps(axis) for axis in self._axes(layer)]
        known = [pair for pair in found if pair is not None]
        if not found or len(known) < len(found):
            return None
        return (*(centre for centre, _ in known), *(step for _, step in known))

    def box(self, layer: str, position: tuple[int, ...]) -> Box | None:
        """The receptive field of the unit at *position* ``(y, x)`` of *layer*, in pixels of the input, if known."""
        axes = self._axes(layer)
        if len(axes) != 2:
            return None
        if len(position) != 2 or any(axis.whole for axis in axes):
            return (0, 0, self.contract.input[1], self.contract.input[2])  # behind a flatten: the whole input
        rows, columns = (axis.at(i) for axis, i in zip(axes, position, strict=True))
        if rows is None or columns is None:
            return None
        return (rows[0], columns[0], rows[1] - rows[0] + 1, columns[1] - columns[0] + 1)

    def layers(self) -> list[str]:
        """The names of its layers."""
        return [name for name, part in self.module.named_modules() if name and not list(part.children())]


def _ends_of_blocks(graph: Graph) -> dict[str, str]:
    """Of every module that has others in it (``"layer1.0"``) the node whose output it gives, where that is one."""
    ends: dict[str, set[str]] = {}
    edges = [(name, node.name) for node in graph.nodes for name in node.inputs]
    for name, reader in [*edges, (graph.output, "")]:
        parts = name.split(".")
        for block in (".".join(parts[:n]) for n in range(1, len(parts))):
            if not reader.startswith(block + "."):
                ends.setdefault(block, set()).add(name)
    return {block: names.pop() for block, names in ends.items() if len(names) == 1}


Size: TypeAlias = Shape | str | None  # of an input: (C, H, W) or "3x224x224"
Inspectable: TypeAlias = "Given | InspectedModel"  # what the functions of this package take


def _steps(axis: Axis) -> tuple[float, float] | None:
    """The centre of the first unit's field and the step to the next one's, if they lie in even steps on average."""
    if axis.stride is None or axis.stride <= 0:
        return None
    step = float(axis.stride)
    firsts = [(span[0] + span[1]) / 2 - i * step for i, span in enumerate(axis.spans) if span]
    return (sum(firsts) / len(firsts), step) if firsts else None


def as_image(item: np.ndarray) -> np.ndarray | None:
    """Prepared bytes ``(C, H, W)`` as an image to draw: grey, or the first three channels; None of other items."""
    if item.dtype != np.uint8 or item.ndim != 3:
        return None
    return item[0] if len(item) < 3 else np.ascontiguousarray(np.moveaxis(item[:3], 0, 2))


def inspected(net: Inspectable, input: Size = None) -> InspectedModel:
    """The network that *net* means, ready to be looked into.

    Args:
        net: What :func:`striate.loading.open_network` takes; a network by its name or text gets random weights.
        input: ``(C, H, W)`` or ``"3x224x224"``, where the network does not say it.

    Raises:
        ModelError, SpecError: There is no such network. SeeError: Its input size is not known.

    >>> inspected("lenet5").contract.input
    (1, 32, 32)
    """
    if isinstance(net, InspectedModel):
        return net
    network = open_network(net, input=input)
    if network.contract is not None:
        return InspectedModel(network.model)
    if network.input is None:
        raise SeeError(NO_INPUT)
    model = _of_module(network.module, network.input)
    if network.has_weights:
        return InspectedModel(model)
    text = model.contract.mode == "text"
    note = "random weights: this network is untrained"
    return InspectedModel(model, (note, *(["no vocabulary is known: all words are the same to it"] if text else [])))


def _of_module(module: nn.Module, input: Shape) -> Model:
    """A model of a module without a contract: pixels go in as shares of 255, the outputs are numbered."""
    if not isinstance(module, Net):
        with evaluating(module):
            module = predictions_alone(module, (input,))
    output, is_text = _tried(module, input)
    if output is None or output.ndim not in (1, 2, 4) or len(output) != 1:
        what = "no tensor" if output is None else f"{tuple(output.shape)} for one item"
        raise SeeError(f"the network's output is {what}; expected scores (N, classes), or (N, classes, H, W)")
    classes = output.shape[1] if output.ndim > 1 else 1
    if is_text:
        names = tuple(map(str, range(max(2, classes))))
        return Model(module, Contract(names, input, "text", (), (), vocabulary=("?",)))
    mode = OF_CHANNELS.get(input[0], "channels") if len(input) == 3 else "values"
    task: Task = REGRESSION if classes == 1 else SEGMENTATION if output.ndim == 4 else CLASSIFICATION
    fields: dict[str, Any] = {"target_mean": (0.0,), "target_std": (1.0,)} if task.standardised else {}
    fields |= {"mask_values": tuple(range(classes))} if task.per_pixel else {}
    zeros, ones = (0.0,) * input[0], (1.0,) * input[0]
    return Model(module, Contract(tuple(map(str, range(classes))), input, mode, zeros, ones, task=task, **fields))


def _tried(module: nn.Module, input: Shape) -> tuple[Tensor | None, bool]:
    """The output of *module* for zeros of *input*, and whether it takes the numbers of words."""
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    if isinstance(module, Net) and len(input) > 1 and module.graph.input == input:  # known without a long run
        shape = infer(module.graph)[0][module.graph.nodes[-1].name]
        return torch.empty(1, *shape, device="meta"), False
    reasons = []
    with evaluating(module), torch.no_grad():
        for dtype in (torch.float32, torch.int64)[: 2 if len(input) == 1 else 1]:
            try:
                return first_tensor(module(torch.zeros(1, *input, dtype=dtype, device=device))), dtype == torch.int64
            except Exception as error:  # whatever somebody's own forward raises
                reasons.append((str(error).splitlines() or [type(error).__name__])[0])
    way = "; it is given one input: wrap it in a module that makes the others" if "positional arg" in reasons[0] else ""
    raise SeeError(f"the network does not take {shape_text(input)}: {reasons[0]}{way}")
