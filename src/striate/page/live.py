"""A network as PyTorch runs it for the page: its layers, and the values of every layer for an input."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from striate.analysis import Report, analyse, infer
from striate.errors import Error, SeeError, shape_text
from striate.inspect.attribution.probe import first_tensor
from striate.inspect.capture import LayerCall, layer_calls
from striate.inspect.models.inspected import InspectedModel
from striate.learning import evaluating
from striate.learning.modules import hooked
from striate.net import Net
from striate.net.layers import layer as torch_layer
from striate.net.read import read_all
from striate.net.read_graph import legal
from striate.net.read_modules import module_kind
from striate.net.read_positions import word_of
from striate.spec import BatchNorm, Op, Opaque, Shape

MEMORY = 2 << 30  # bytes of all activations for one input, float32: what is kept of a run at most
WEIGHTS = ("weight", "bias", "running_mean", "running_var", "codes")  # what the arithmetic of the page knows

Edit: TypeAlias = tuple[int, float]  # the place of a weight among all (``LiveNetwork.tensors``), and its new value
Off: TypeAlias = tuple[str, int]  # a layer's channel that counts as 0


@dataclass(frozen=True, eq=False)
class LiveLayer:
    """A layer as the page takes it; *shape* is that of its output, without the batch.

    *module* computes it; None where a function in somebody's forward does.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    shape: Shape
    module: nn.Module | None = None


@dataclass(frozen=True, eq=False)
class LiveNetwork:
    """The layers of a network, in the order in which they run, the last of which gives the output.

    *report* is the analysis of its graph. It is None where the forward cannot be followed: the layers are then those
    that were seen to run, one after the other, and what they were given by somebody's own code is a layer too.

    >>> from striate.inspect.models.inspected import inspected
    >>> live = LiveNetwork.of(inspected("lenet5"))
    >>> live.layers[0].name, live.layers[0].shape, tuple(live.values(live.random_item())["out"].shape)
    ('c1', (6, 28, 28), (10,))
    """

    model: InspectedModel
    layers: tuple[LiveLayer, ...]
    report: Report | None

    @classmethod
    def of(cls, model: InspectedModel, item: np.ndarray | None = None) -> LiveNetwork:
        """The layers of *model*, whatever module it is; where it is not followed, those that run on *item*.

        Raises:
            SeeError: All activations for one input take more than 2 GiB.
        """
        found = _followed(model)
        if found is not None and isinstance(model.module, Net):
            return found
        item = _random_item(model) if item is None else item
        if found is None or not found._right(item):
            calls = list(_calls(model, model.ready(item)))
            found = cls(model, tuple(_layer(*call) for call in calls), None)
            _affordable(model, [layer.shape for layer in found.layers])
        return found

    @cached_property
    def tensors(self) -> dict[str, dict[str, tuple[int, Tensor]]]:
        """Of each layer the weights that the page's arithmetic knows, and where they lie among all, one behind the
        other: weights that serve in several layers lie there once.
        """
        places: dict[int, int] = {}
        end, found = 0, {}
        for layer in self.layers:
            own = {}
            for name in WEIGHTS if layer.module is not None else ():
                tensor = getattr(layer.module, name, None)
                if isinstance(tensor, Tensor):
                    if id(tensor) not in places:
                        places[id(tensor)] = end
                        end += tensor.numel()
                    own[name] = (places[id(tensor)], tensor)
            found[layer.name] = own
        return found

    def random_item(self) -> np.ndarray:
        """A prepared input of random numbers, the same every time."""
        return _random_item(self.model)

    @torch.no_grad()
    def values(self, item: np.ndarray, edits: Sequence[Edit] = (), off: Sequence[Off] = ()) -> dict[str, Tensor]:
        """The output of every layer for a prepared *item*, float32 without the batch, in evaluation mode.

        Args:
            item: As the contract prepares it, ``contract.input``.
            edits: Weights that have other values in this run alone.
            off: Channels whose values count as 0; only of a network that could be followed.
        """
        with evaluating(self.model.module), self._edited(edits):
            x = self.model.ready(item)
            if self.report is not None:
                return {name: _one(value) for name, value in self._walk(x, off)}
            found = {name: _one(value) for name, _, value, _ in _calls(self.model, x)}
            none = torch.tensor(math.nan)  # a forward that depends on its values may leave a layer out, or change it
            values = {layer.name: found.get(layer.name, none) for layer in self.layers}
            return {
                layer.name: values[layer.name] if values[layer.name].shape == layer.shape else none.expand(layer.shape)
                for layer in self.layers
            }

    def _walk(self, x: Tensor, off: Sequence[Off]) -> Iterator[tuple[str, Tensor]]:
        values: dict[str, Tensor] = {"input": x}
        for layer in self.layers:
            given = [values[name] for name in layer.inputs]
            module = layer.module or torch_layer(layer.op, tuple(given[0].shape[1:])).eval()
            if getattr(module, "inplace", False) or isinstance(layer.op, Opaque):  # it may write over what it is given
                given = [value.clone() for value in given]
            value = module(*given)
            for channel in [c for name, c in off if name == layer.name]:
                value = value.clone()  # it may be the same tensor as its input
                value[:, channel] = 0
            values[layer.name] = value
            yield layer.name, value

    @contextmanager
    def _edited(self, edits: Sequence[Edit]) -> Iterator[None]:
        """The weights with *edits*, and then as they were."""
        all_of = [pair for own in self.tensors.values() for pair in own.values()]
        before = []
        try:
            for index, number in edits:
                start, tensor = next((s, t) for s, t in all_of if s <= index < s + t.numel())
                at = np.unravel_index(index - start, tensor.shape)
                before.append((tensor, at, tensor[at].clone()))
                tensor[at] = number
            yield
        finally:
            for tensor, at, old in reversed(before):
                tensor[at] = old

    @torch.no_grad()
    def _right(self, item: np.ndarray) -> bool:
        """Whether layer by layer the module's own output is computed."""
        with evaluating(self.model.module):
            expected = first_tensor(self.model.module(self.model.ready(item)))
            try:
                mine = list(self.values(item).values())[-1]
            except Exception:  # whatever somebody's own layer raises that wants more than its tensors
                return False
        return (
            expected is not None
            and mine.shape == _one(expected).shape
            and torch.allclose(mine, _one(expected), 1e-4, 1e-5, True)
        )


def _followed(model: InspectedModel) -> LiveNetwork | None:
    """*model* as its graph says, where each layer is known; of somebody's own module, by following its forward."""
    module = model.module
    if isinstance(module, Net):
        graph, parts = module.graph, {node.name: module.get_submodule(node.name) for node in module.graph.nodes}
    else:
        try:
            reading = read_all(module, model.contract.input)
        except Error:
            return None
        if reading.problems or not reading.traced:
            return None
        graph, named = reading.graph, {legal(path): part for path, part in module.named_modules() if path}
        own = {n.name: named.get(n.name, named.get(re.sub(r"_\d+$", "", n.name))) for n in graph.nodes}  # _2: again
        parts = {name: part for name, part in own.items() if part is not None}
        if any(node.name not in parts and isinstance(node.op, Opaque | BatchNorm) for node in graph.nodes):
            return None
    shapes, _ = infer(graph)
    _affordable(model, [shapes[node.name] for node in graph.nodes])
    layers = [LiveLayer(n.name, n.op, n.inputs, shapes[n.name], parts.get(n.name)) for n in graph.nodes]
    return LiveNetwork(model, tuple(layers), analyse(graph))


def _affordable(model: InspectedModel, shapes: Sequence[Shape]) -> None:
    took = 4 * sum(map(math.prod, shapes))
    if took > MEMORY:
        raise SeeError(
            f"all activations for one {shape_text(model.contract.input)} take {took / 2**30:.1f} GiB; the page holds "
            f"up to {MEMORY / 2**30:.0f} GiB. Give a smaller --input"
        )


Call: TypeAlias = tuple[str, tuple[str, ...], Tensor, LayerCall | None]


@torch.no_grad()
def _calls(model: InspectedModel, x: Tensor) -> Iterator[Call]:
    """What is seen to run: each layer with its inputs and output, and what somebody's own code made between them."""
    results: list[Tensor | None] = []
    module, last = model.module, "input"
    keep = module.register_forward_hook(lambda m, args, out: results.append(first_tensor(out)))
    with evaluating(module), hooked([keep]):
        calls = layer_calls(module, x.clone())  # it may write over its input
    names = [legal(call.name.replace("#", "_")) if call.name else "layer" for call in calls]
    for call, name in zip(calls, names, strict=True):
        inputs = []
        for given, source in zip(call.inputs, call.after, strict=True):
            if source >= 0:
                inputs.append(names[source])
            elif given.shape == x.shape and torch.equal(given, x):
                inputs.append("input")
            else:
                between = f"{name}.given{len(inputs) + 1 if len(call.inputs) > 1 else ''}"
                yield between, (last,), given, None
                inputs.append(between)
        yield name, tuple(inputs or [last]), call.output, call
        last = name
    output = results[-1]
    if output is not None and not (
        calls and calls[-1].output.shape == output.shape and torch.equal(calls[-1].output, output)
    ):
        yield "output", (last,), output, None


def _layer(name: str, inputs: tuple[str, ...], value: Tensor, call: LayerCall | None) -> LiveLayer:
    shape = tuple(_one(value).shape)
    if call is None:
        return LiveLayer(name, Opaque("code", shape), inputs, shape)
    return LiveLayer(name, _op(call, shape), inputs, shape, call.layer)


def _op(call: LayerCall, shape: Shape) -> Op:
    """What a layer that was called does, as a word of the vocabulary where there is one."""
    if len(call.inputs) == 1 and len(call.inputs[0]) == 1 and call.inputs[0].ndim > 1:
        try:
            reading = read_all(call.layer, tuple(call.inputs[0].shape[1:]))
        except Error:
            reading = None
        if reading and reading.traced and not reading.problems and len(reading.graph.nodes) == 1:
            (node,) = reading.graph.nodes
            if infer(reading.graph)[0][node.name] == shape:
                return node.op
    return Opaque(word_of(module_kind(call.layer)), shape, sum(p.numel() for p in call.layer.parameters()))


def _one(value: Tensor) -> Tensor:
    """What belongs to the one input, float32 on the processor, of one to four axes."""
    value = value[0] if value.ndim and len(value) == 1 else value
    value = value.abs() if value.is_complex() else value
    value = value.detach().float().cpu()
    return value[None] if value.ndim == 0 else value.flatten(3) if value.ndim > 4 else value


def _random_item(model: InspectedModel) -> np.ndarray:
    contract, draw = model.contract, np.random.default_rng(0)
    if contract.mode == "text":
        return draw.integers(0, len(contract.vocabulary) + 2, contract.input)
    if contract.mode == "values":
        return draw.standard_normal(contract.input).astype(np.float32)
    return draw.integers(0, 256, contract.input, dtype=np.uint8)
