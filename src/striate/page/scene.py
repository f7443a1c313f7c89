"""What the page shows, as numbers: layers, weights, sample inputs, and PyTorch's values to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from striate._version import __version__
from striate.errors import SeeError
from striate.inspect.models.inspected import InspectedModel
from striate.net import Net
from striate.net.init import FROM_DATA, draws
from striate.page.answers import Answers
from striate.page.blocks import blocks
from striate.page.document import as_base64, as_json
from striate.page.live import LiveLayer, LiveNetwork
from striate.page.panels import SERVED_BYTES, Panels
from striate.page.stored import stored_pictures
from striate.sampling import evenly
from striate.spec import Op, Opaque, Shape
from striate.spec.op import Activation, per_axis, sizes, word

CHECKED = 64  # values of each layer that are compared with PyTorch's when the page opens
MAX_MACS = 400_000_000  # multiply-accumulates that a browser computes for one input within about a second
MAX_WEIGHTS = 20_000_000  # that a page has in it: about 100 MB
ROOM = 28 << 20  # bytes of the pictures in a file, which then has a third more
SERVED_MACS = 100_000_000  # up to which a page computes that could ask PyTorch as well: some tenths of a second


@dataclass(frozen=True, eq=False)
class Sample:
    """A prepared input that the page offers, uint8 (float32, int64) of the network's input shape, and its name."""

    name: str
    item: np.ndarray


@dataclass(frozen=True, eq=False)
class NetworkScene:
    """A network as the page takes it: a JSON document and the weights, float32 one behind the other.

    Where the network is too large for a page to compute, or not known well enough, the document says ``held``, and
    there are no weights: a page on the local server asks for values, and a file has those of a few inputs
    (:meth:`filed`).

    >>> from striate.inspect.models.inspected import inspected
    >>> scene = NetworkScene.of(inspected("lenet5"))
    >>> scene.about["layers"][0]["name"], scene.about["layers"][0]["shape"], scene.weights.size
    ('c1', [6, 28, 28], 61706)
    """

    about: dict[str, Any]
    weights: np.ndarray
    answers: Answers
    samples: tuple[Sample, ...] = ()
    panels: Panels | None = None

    @classmethod
    def of(
        cls, model: InspectedModel, samples: Sequence[Sample] = (), title: str = "", panels: Panels | None = None
    ) -> NetworkScene:
        """The scene of *model*; *panels* are what is known of it besides.

        Raises:
            SeeError: Its activations for one input take more than 2 GiB, or are not finite.
        """
        live = LiveNetwork.of(model, samples[0].item if samples else None)
        answers, report = Answers(live), live.report
        contract = model.contract
        task = contract.task
        parameters = report.parameters if report else sum(p.numel() for p in model.module.parameters())
        about: dict[str, Any] = {
            "striate": __version__,
            "title": title or "network",
            "parameters": parameters,
            "macs": report.macs if report else None,
            "input": _input(model),
            "layers": _layers(live),
            "blocks": blocks(report) if report else [layer.name for layer in live.layers],
            "output": {
                "names": list(contract.classes),
                "activation": task.activation,
                "temperature": contract.temperature,
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
            if panels.init and panels.init[0] not in FROM_DATA and isinstance(model.module, Net):
                about["first"] = _first(model.module, about["layers"], *panels.init)
        item = samples[0].item if samples else live.random_item()
        values = answers.run(item)
        for name, value in values.items():
            if not torch.isfinite(value).all():
                raise SeeError(f"{name}: its values are not finite, so there is nothing to show; see striate activity")
        scene = cls(about, np.zeros(0, "<f4"), answers, tuple(samples), panels)
        known = report is not None and not any(isinstance(layer.op, Opaque) for layer in live.layers)
        if not known or (report and (report.macs or 0) > MAX_MACS) or parameters > MAX_WEIGHTS:
            return scene._held()
        about["check"] = {"input": _sample(Sample("check", item)), "layers": _checked(values)}
        blob = {start: tensor for own in live.tensors.values() for start, tensor in own.values()}
        flat = [t.detach().float().cpu().numpy().ravel() for _, t in sorted(blob.items())]
        return replace(scene, weights=np.concatenate(flat).astype("<f4") if flat else scene.weights)

    def _held(self) -> NetworkScene:
        return replace(self, about=self.about | {"held": "server", "check": None}, weights=np.zeros(0, "<f4"))

    def served(self) -> NetworkScene:
        """For a page on the local server, which can be asked: of a network that the page would compute slowly, without
        weights; with more of the test items.
        """
        scene = self._held() if (self.about["macs"] or 0) > SERVED_MACS else self
        if not self.panels or not self.panels.tested:
            return scene
        return replace(scene, about=scene.about | {"tested": self.panels.tested.document(SERVED_BYTES)})

    def filed(self, room: int = ROOM) -> NetworkScene:
        """For a page in a file: of a network that it cannot compute, with pictures of a few inputs, *room* bytes."""
        if "held" not in self.about:
            return self
        samples = self.samples or (Sample("random numbers", self.answers.live.random_item()),)
        places, stored = stored_pictures(self.answers, [sample.item for sample in samples], room)
        parts = {"held": "file", "stored": places, "samples": [_sample(s) for s in samples[: len(places)]]}
        about = {name: value for name, value in self.about.items() if name != "tested"} | parts  # nor of other inputs
        return replace(self, about=about, weights=np.frombuffer(stored, np.uint8))

    def json(self) -> str:
        """The document as JSON, in which no ``<`` could end an element of HTML."""
        return as_json(self.about)

    def weights_base64(self) -> str:
        """The weights, little-endian float32, or the pictures of a file, as base64."""
        return as_base64(self.weights)


def _layers(live: LiveNetwork) -> list[dict[str, Any]]:
    shapes = {"input": tuple(live.model.contract.input)} | {layer.name: layer.shape for layer in live.layers}
    layers = [_layer(layer, shapes, live.tensors[layer.name]) for layer in live.layers]
    for layer, row in zip(layers, live.report.layers if live.report else (), strict=False):
        layer |= {"text": row.op, "parameters": row.parameters, "macs": row.macs, "field": row.receptive_field}
        layer["grid"] = live.model.grid(layer["name"])  # where its cells lie on the input
    return layers


def _layer(layer: LiveLayer, shapes: dict[str, Shape], tensors: dict[str, tuple[int, Tensor]]) -> dict[str, Any]:
    op, rank = layer.op, len(shapes[layer.inputs[0]]) - 1
    settings: dict[str, Any] = {f.name: getattr(op, f.name) for f in fields(op)}
    settings |= {name: list(per_axis(value, rank)) for name, value in sizes(op) if value is not None and rank > 0}
    own = isinstance(op, Opaque)
    return {
        "name": layer.name,
        "op": "opaque" if own else word(op),
        "label": ("own code" if layer.module is None else op.kind) if isinstance(op, Opaque) else op.label,
        "formula": op.formula if isinstance(op, Activation) else "",
        "about": "" if own else _about(op),
        "settings": {} if own else settings,
        "inputs": list(layer.inputs),
        "shape": list(layer.shape),
        "text": op.kind if isinstance(op, Opaque) else op.label,
        "weights": {name: {"shape": list(t.shape), "offset": start} for name, (start, t) in tensors.items()},
    }


def _about(op: Op) -> str:
    """What a layer does, and whose it is: the first lines of its docstring."""
    return " ".join((type(op).__doc__ or "").split("\n\n")[0].split()).replace("``", "")


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
    return {"name": sample.name, "type": kind, "data": as_base64(item.astype(kind))}


def _checked(values: dict[str, Tensor]) -> dict[str, Any]:
    """Some of PyTorch's values in every layer, with the range of each."""
    layers = {}
    for name, value in values.items():
        flat = value.reshape(-1).double().numpy()
        at = evenly(flat.size, CHECKED)
        layers[name] = {
            "at": at.tolist(),
            "values": [float(f"{v:.8g}") for v in flat[at]],
            "range": float(np.abs(flat).max()),
        }
    return layers
