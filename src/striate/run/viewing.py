"""``striate.view``: the page of a network, with inputs of its run or of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from striate.datasets import open_data
from striate.datasets.open import Data
from striate.datasets.shapes import open_shapes
from striate.errors import DataError, Error
from striate.inspect.models.inspected import Inspectable, InspectedModel, Size, inspected
from striate.inspect.models.over_data import items_for
from striate.model.sources import Source, source_items
from striate.page import NetworkScene, Sample, View
from striate.run.paneling import SAMPLES, panels_of
from striate.run.splits import data_of_run, items_of_run, run_of
from striate.sampling import evenly
from striate.spec import Shape


def view(
    net: Inspectable, source: Source | Sequence[Source] | None = None, *, data: Data | None = None, input: Size = None
) -> View:
    """The live page of a network: draw its input, see every feature map, and open any unit's arithmetic.

    Args:
        net: What :func:`striate.check` takes: a run's folder, a model file, a ``Model``, a network by name or text
            (with random weights), or any ``nn.Module``.
        source: Inputs that the page offers: an image file or several, a folder of them, arrays, sentences.
        data: A data set whose test items are offered. [of a run's model: the run's own]
        input: ``(C, H, W)``, where the network does not say it.

    Raises:
        ModelError, SpecError: There is no such network. DataError: An input cannot be read. SeeError: The activations
            for one input take more than 2 GiB, or are not finite.

    >>> page = view("lenet5")
    >>> len(page.html()) < 700_000
    True
    """
    model = inspected(net, input)
    if source is not None:
        samples = _of_source(model, source)
    elif data is not None:
        samples = _of_data(model, data)
    else:
        try:
            samples = _of_run(model) or _drawn(model)
        except Error as error:  # the page is of use without them
            samples, model = [], replace(model, notes=(*model.notes, f"no samples of the run: {error}"))
    panels, why = panels_of(model.model)
    if why and not any(why in note for note in model.notes):
        model = replace(model, notes=(*model.notes, f"no test items of the run: {why}"))
    return View(NetworkScene.of(model, samples, _title(net, model), panels))


def _title(net: Inspectable, model: InspectedModel) -> str:
    """What the page is called: no folders of this machine, for it is sent on."""
    if not isinstance(net, str | Path):
        return type(model.module).__name__
    path = model.model.path
    if path is None:
        return Path(net).name if ".py:" in str(net) else str(net)
    return path.resolve().parent.name if path.name == "model.safetensors" else path.name


def _drawn(model: InspectedModel) -> list[Sample]:
    """Drawn shapes, for a network of large images, of signals or of volumes that has no others."""
    contract = model.contract
    if contract.mode == "values" and len(contract.input) == 2:
        return _signals(contract.input)
    if contract.mode == "values" and len(contract.input) == 4:
        return _solids(contract.input)
    if contract.mode not in ("L", "RGB") or contract.input[1] * contract.input[2] < 64 * 64:
        return []
    channels, height, width = contract.input
    try:
        shapes = open_shapes("multilabel", 1, test=3, size=(height, width), channels=channels, seed=3)
    except DataError:  # a size in which shapes cannot be drawn
        return []
    part = shapes.parts["test"]
    return [Sample(f"shapes {i + 1}", model.item(np.asarray(image))) for i, image in enumerate(part.inputs)]


def _signals(input: Shape) -> list[Sample]:
    """A sine, a step and a pulse from -1 to 1, the same in every channel."""
    t = np.linspace(0, 1, input[1])
    signals = {"sine": np.sin(6 * np.pi * t), "step": np.sign(t - 0.5), "pulse": np.exp(-((t - 0.5) ** 2) / 0.01)}
    return [Sample(name, np.broadcast_to(signal, input).astype(np.float32)) for name, signal in signals.items()]


def _solids(input: Shape) -> list[Sample]:
    """A ball, a box and a cross of ones in a volume of zeros."""
    z, y, x = (np.abs(np.linspace(-1, 1, n)).reshape(-1, *[1] * (2 - axis)) for axis, n in enumerate(input[1:]))
    solids = {
        "ball": z**2 + y**2 + x**2 < 0.5,
        "box": (z < 0.5) & (y < 0.6) & (x < 0.4),
        "cross": ((z < 0.2) & (y < 0.2)) | ((z < 0.2) & (x < 0.2)) | ((y < 0.2) & (x < 0.2)),
    }
    return [Sample(name, np.broadcast_to(solid, input).astype(np.float32)) for name, solid in solids.items()]


def _of_source(model: InspectedModel, source: Source | Sequence[Source]) -> list[Sample]:
    several: list[Source] = list(source) if isinstance(source, list | tuple) else [cast(Source, source)]
    found: list[Sample] = []
    for one in several:
        for item in source_items(one, model.contract):
            if isinstance(item, DataError):
                raise item
            name = (
                str(item.source) if model.contract.mode == "text" else Path(item.file or f"input {len(found) + 1}").name
            )
            found.append(Sample(name, model.item(item.source)))
            if len(found) == SAMPLES:
                return found
    return found


def _of_data(model: InspectedModel, data: Data) -> list[Sample]:
    """Items of the test split of *data*, evenly spread."""
    dataset = open_data(data)
    arrays = items_for(model.contract, dataset, "test", max_items=SAMPLES)
    labels: dict[str, str] = {}
    part, shown = dataset.parts["test"], frozenset(arrays.names)
    if model.contract.mode == "text":  # a sample's name is what the page writes into its field
        labels = {name: str(text) for name, text in zip(part.names, part.inputs, strict=True) if name in shown}
    elif dataset.task.exclusive and not dataset.task.per_pixel:
        pairs = zip(part.names, part.targets, strict=True)
        labels = {name: dataset.classes[int(target)] for name, target in pairs if name in shown}
    names = [labels.get(name) or Path(name).name for name in arrays.names]
    return [Sample(name, item) for name, item in zip(names, arrays.inputs, strict=True)]


def _of_run(model: InspectedModel) -> list[Sample]:
    """Test items of the run that wrote *model*: its files where they still are, else of its data opened again."""
    folder = run_of(model.model.path)
    if folder is None:
        return []
    items = items_of_run(folder)
    few = [items[i] for i in evenly(len(items), SAMPLES)]
    if few and model.contract.mode != "text" and all(Path(name).is_file() for name, _ in few):
        return [Sample(target or Path(name).name, model.item(Path(name))) for name, target in few]
    return _of_data(model, data_of_run(folder))
