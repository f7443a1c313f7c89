"""What the page shows, as numbers: layers, weights, sample inputs, and PyTorch's values to compare with."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from striate._version import __version__
from striate.analysis import analyse, infer
from striate.errors import SeeError, shape_text
from striate.inspect.models.inspected import InspectedModel
from striate.learning import evaluating
from striate.net import Net
from striate.net.init import draws
from striate.net.layers import layer as torch_layer
from striate.net.read import read_all
from striate.net.read_graph import legal
from striate.page.blocks import blocks
from striate.page.document import as_json
from striate.page.panels import Panels
from striate.spec import BatchNorm, Graph, Node, Opaque, Shape
from striate.spec.op import Activation, per_axis, sizes, word

CHECKED = 64  # values of each layer that are compared with PyTorch's when the page opens
MAX_MACS = 400_000_000  # multiply-accumulates that a browser computes for one input within about a second
WEIGHTS = ("weight", "bias", "running_mean", "running_var", "codes")


@dataclass(frozen=True, eq=False)
class Sample:
    """A prepared input that the page offers, uint8 (float32, int64) of the network's input shape, and its name."""

    name: str
    item: np.ndarray


@dataclass(frozen=True, eq=False)
class NetworkScene:
    """A network as the page takes it: a JSON document and the weights, float32 one behind the other.

    >>> from striate.inspect.models.inspected import inspected
    >>> scene = NetworkScene.of(inspected("lenet5"))
    >>> scene.about["layers"][0]["name"], scene.about["layers"][0]["shape"], scene.weights.size
    ('c1', [6, 28, 28], 61706)
    """

    about: dict[str, Any]
    weights: np.ndarray

    @classmethod
    def of(
        cls, model: InspectedModel, samples: Sequence[Sample] = (), title: str = "", panels: Panels | None = None
    ) -> NetworkScene:
        """The scene of *model*; *panels* are what is known of it besides.

        Raises:
            SeeError: The network cannot be computed in a page: it has parts that are no layer of striate, or takes more
                than 400 million multiply-accumulates for one input, or its values are not finite.
        """
        graph, modules = _followed(model)
        shapes, _ = infer(graph)
        report = analyse(graph)
        if (report.macs or 0) > MAX_MACS:
            raise SeeError(
                f"the network takes {report.macs:,} multiply-accumulates for one {shape_text(model.contract.input)}; "
                f"the page computes up to {MAX_MACS:,}. Give a smaller --input, such as 3x64x64, or look at single "
                f"layers with striate maps and striate unit"
            )
        blob: list[np.ndarray] = []
        offset, layers = 0, []
        for node, row in zip(graph.nodes, report.layers, strict=True):
            entry = _layer(node, shapes) | {
                "text": row.op,
                "parameters": row.parameters,
                "macs": row.macs,
                "field": row.receptive_field,
                "grid": model.grid(node.name),  # where its cells lie on the input
            }
            for name, tensor in _tensors(modules.get(node.name)):
                values = tensor.detach().float().cpu().numpy().ravel()
                entry["weights"][name] = {"shape": list(tensor.shape), "offset": offset}
                offset += values.size
                blob.append(values)
            layers.append(entry)
        weights = np.concatenate(blob).astype("<f4") if blob else np.zeros(0, "<f4")
        contract = model.contract
        task = contract.task
        about: dict[str, Any] = {
            "striate": __version__,
            "title": title or "network",
            "parameters": report.parameters,
            "macs": report.macs,
            "input": _input(model),
            "layers": layers,
            "blocks": blocks(report),
            "output": {
                "names": list(contract.classes),
                "activation": task.activation,
                "perPixel": task.per_pixel,
                "mean": list(contract.target_mean),
                "std": list(contract.target_std),
                "what": task.outputs,
            },
            "notes": list(model.notes),
            "samples": [_sample(sample) for sample in samples],
        }
        if panels:
            about |= panels.document()
            if panels.init and isinstance(model.module, Net):
                about["first"] = _first(model.module, layers, *panels.init)
        about["check"] = _check(model, graph, modules, samples)
        return cls(about, weights)

    def json(self) -> str:
        """The document as JSON, in which no ``<`` could end an element of HTML."""
        return as_json(self.about)

    def weights_base64(self) -> str:
        """The weights, little-endian float32, as base64."""
        return base64.b64encode(self.weights.tobytes()).decode()


def _followed(model: InspectedModel) -> tuple[Graph, dict[str, nn.Module]]:
    """The graph of *model* and the module of each layer; of somebody's own module, by following its forward."""
    module = model.module
    if isinstance(module, Net):
        return module.graph, {node.name: module.get_submodule(node.name) for node in module.graph.nodes}
    reading = read_all(module, model.contract.input)
    unknown = [node.op.kind for node in reading.graph.nodes if isinstance(node.op, Opaque)]
    if reading.fault or not reading.traced or unknown:
        what = f"{unknown[0]} is no layer that the page computes" if unknown else "its forward cannot be followed"
        raise SeeError(f"the page cannot show this module: {what}; striate maps, unit and explain can look into it")
    graph = reading.graph
    named = {legal(path): part for path, part in module.named_modules() if path}
    again = {name for name, _ in graph.counted}
    if again:
        raise SeeError(f"the page cannot show this module: {sorted(again)[0]} runs with weights of another layer")
    return graph, {node.name: named[node.name] for node in graph.nodes if node.name in named}


def _tensors(module: nn.Module | None) -> list[tuple[str, Tensor]]:
    values = {} if module is None else module.state_dict()
    return [(name, values[name]) for name in WEIGHTS if name in values]


def _layer(node: Node, shapes: dict[str, Shape]) -> dict[str, Any]:
    op, rank = node.op, len(shapes[node.inputs[0]]) - 1
    settings: dict[str, Any] = {f.name: getattr(op, f.name) for f in fields(op)}
    settings |= {name: list(per_axis(value, rank)) for name, value in sizes(op) if value is not None and rank > 0}
    return {
        "name": node.name,
        "op": word(op),
        "label": op.label,
        "formula": op.formula if isinstance(op, Activation) else "",
        "settings": settings,
        "inputs": list(node.inputs),
        "shape": list(shapes[node.name]),
        "weights": {},
    }


def _first(net: Net, layers: Sequence[dict[str, Any]], init: str, seed: int) -> dict[str, Any]:
    """How the first weights are drawn, in order: where in the weights, how many, from what, of which scale."""
    at = {f"{layer['name']}.{name}": weight for layer in layers for name, weight in layer["weights"].items()}
    rows = []
    for path, some, draw in draws(net, init):
        row = int(np.prod(at[path]["shape"][1:]))
        rows.append([at[path]["offset"] + some.start * row, (some.stop - some.start) * row, draw.kind, draw.scale])
    return {"init": init, "seed": seed, "draws": rows}


def _input(model: InspectedModel) -> dict[str, Any]:
    contract = model.contract
    kind = {"text": "text", "values": "values"}.get(contract.mode, "image")
    return {
        "shape": list(contract.input),
        "kind": kind,
        "mode": contract.mode,
        "mean": list(contract.mean),
        "std": list(contract.std),
        "resize": contract.resize,
        "interpolation": contract.interpolation,
        "scaleTo": contract.scale_to,
        "vocabulary": list(contract.vocabulary),
    }


def _sample(sample: Sample) -> dict[str, Any]:
    item = sample.item
    kind = "u1" if item.dtype == np.uint8 else "<f4"
    return {"name": sample.name, "type": kind, "data": _base64(item.astype(kind))}


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def _check(
    model: InspectedModel, graph: Graph, modules: dict[str, nn.Module], samples: Sequence[Sample]
) -> dict[str, Any]:
    """An input and some of PyTorch's values for it in every layer, with the range of each."""
    item = samples[0].item if samples else _random_item(model)
    values = torch_values(graph, modules, model.ready(item))
    layers = {}
    for name, value in values.items():
        flat = value[0].reshape(-1).double().cpu().numpy()
        if not np.isfinite(flat).all():
            raise SeeError(f"{name}: its values are not finite, so there is nothing to show; see striate activity")
        at = np.linspace(0, flat.size - 1, min(CHECKED, flat.size)).astype(int)
        layers[name] = {
            "at": at.tolist(),
            "values": [float(f"{v:.8g}") for v in flat[at]],
            "range": float(np.abs(flat).max()),
        }
    return {"input": _sample(Sample("check", item)), "layers": layers}


def _random_item(model: InspectedModel) -> np.ndarray:
    contract, draw = model.contract, np.random.default_rng(0)
    if contract.mode == "text":
        return draw.integers(0, len(contract.vocabulary) + 2, contract.input)
    if contract.mode == "values":
        return draw.standard_normal(contract.input).astype(np.float32)
    return draw.integers(0, 256, contract.input, dtype=np.uint8)


@torch.no_grad()
def torch_values(graph: Graph, modules: dict[str, nn.Module], x: Tensor) -> dict[str, Tensor]:
    """PyTorch's output of every layer of *graph* for *x*, ``(1, ...)``, in evaluation mode.

    A layer without a module of its own (a function in somebody's forward) is made from its description.
    """
    values: dict[str, Tensor] = {"input": x}
    for node in graph.nodes:
        read = [values[name] for name in node.inputs]
        module = modules.get(node.name)
        if module is None:
            assert not isinstance(node.op, BatchNorm)
            module = torch_layer(node.op, tuple(read[0].shape[1:]))
        with evaluating(module):
            values[node.name] = module(*[v.clone() for v in read])  # a layer may work in place
    del values["input"]
    return values
