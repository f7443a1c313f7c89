"""One network over a data set: ``activity``, ``field`` and ``peaks``."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from striate.datasets import Arrays, DataSet, Part, open_data, read_part
from striate.datasets.dataset import Reading
from striate.datasets.open import Data, Fetching, named_parts
from striate.errors import DataError, SeeError, shape_text
from striate.inspect.attribution import deconvnet
from striate.inspect.capture import capture
from striate.inspect.fields import Box, MeasuredField, Peak, crop_box, measured_field, top_patches
from striate.inspect.inspection import DrawnInspection
from striate.inspect.maps import NetworkActivity, measure_activity
from striate.inspect.models.inspected import Inspectable, InspectedModel, as_image, inspected
from striate.inspect.target import Target, as_target
from striate.learning import evaluating
from striate.model.contract import Contract
from striate.plotting.picture import IntensityScale, Panel, Picture, image_panel, panel_grid, short
from striate.sampling import evenly
from striate.tasks import CLASSIFICATION

CHANNELS = 6  # of a layer, where none are named
SIDE = 200  # of a channel's patches, in the figure


def activity(
    net: Inspectable,
    data: str | Path,
    *,
    split: str = "test",
    max_items: int = 1000,
    reading: Reading | None = None,
    fetching: Fetching | None = None,
) -> NetworkActivity:
    """The activations of every layer over a data set: mean, std, min, max, zeros, dead units.

    Args:
        net: What :func:`striate.loading.open_network` takes.
        data: A built-in name (``"digits"``) or a path.
        split: train, val, test or all.
        max_items: Maximum number of items, evenly spread over the split.
        reading: Called with the progress of reading the data, ``(items read, items in all)``.
        fetching: Called with the progress of a download, ``(file, bytes fetched, bytes in all)``.

    Raises:
        DataError: There is no such split, or the model does not take such data.

    >>> activity("lenet5", "digits", max_items=8).n
    8
    """
    model = inspected(net)
    arrays = items_for(model.contract, data, split, max_items=max_items, reading=reading, fetching=fetching)
    return replace(measure_activity(model.module, model.batches(arrays.inputs)), notes=_notes(model, arrays))


def field(
    net: Inspectable,
    data: str | Path,
    unit: str,
    *,
    split: str = "test",
    max_items: int = 100,
    reading: Reading | None = None,
    fetching: Fetching | None = None,
) -> MeasuredField:
    """The measured (effective) receptive field of a unit over a data set, beside the theoretical one.

    Args:
        unit: ``LAYER:CHANNEL:Y:X``, counted from 0.

    The other arguments are those of :func:`activity`.

    Raises:
        SeeError: No such unit, or the model does not take images.
        DataError: As in :func:`activity`.

    >>> field("lenet5", "digits", "c3:3:5:5", max_items=4).box
    (10, 10, 14, 14)
    """
    model = inspected(net)
    target = as_target(unit)
    if target is None or not target.layer or len(target.index) < 2:
        raise SeeError(f"{unit}: expected one unit, LAYER:CHANNEL:Y:X")
    arrays = items_for(model.contract, data, split, max_items=max_items, reading=reading, fetching=fetching)
    box, image = model.box(target.layer, target.index[1:]), as_image(arrays.inputs[0])
    found = measured_field(model.module, model.batches(arrays.inputs), target, box, image)
    return replace(found, notes=_notes(model, arrays))


@dataclass(frozen=True, eq=False)
class Patch:
    """One image's strongest activation of a channel.

    Args:
        item: The image's name.
        peak: Where in the layer's map it is, and how strong.
        box: The unit's receptive field in pixels of the input; None where not known.
        image: The image cut to it, uint8 ``(h, w, 3)``.
        projection: What in it drove the unit, by a deconvnet; likewise.
    """

    item: str
    peak: Peak
    box: Box | None
    image: np.ndarray
    projection: np.ndarray

    def as_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        about = {"item": self.item, "position": list(self.peak.position), "value": self.peak.value}
        return about | {"receptive_field": list(self.box) if self.box else None}

    def __str__(self) -> str:
        return f"{self.item} at {':'.join(map(str, self.peak.position))} ({short(self.peak.value)})"


@dataclass(frozen=True, eq=False)
class TopPatches(DrawnInspection):
    """The patches that activate each of some channels of *layer* most, the strongest first (Zeiler and Fergus 2013,
    figure 2).
    """

    layer: str
    channels: dict[int, list[Patch]]
    projection_notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return f"{self.layer}: the patches that activate its channels most"

    def facts(self) -> dict[str, Any]:
        channels = [{"channel": c, "peaks": [patch.as_dict() for patch in mine]} for c, mine in self.channels.items()]
        return {"layer": self.layer, "channels": channels}

    def lines(self) -> list[str]:
        return [f"  channel {c:<4} {'; '.join(map(str, mine[:3]))}" for c, mine in self.channels.items()]

    def picture(self) -> Picture:
        """For each channel its patches, and to their left what in them drove the unit."""
        panels: list[Panel] = []
        for channel, mine in self.channels.items():
            values = short(mine[0].peak.value), short(mine[-1].peak.value)
            note = f"activation{'s' * (len(mine) > 1)} {' to '.join(values[: len(mine)])}"
            back, front = (_mosaic([getattr(patch, kind) for patch in mine]) for kind in ("projection", "image"))
            panels.append(image_panel(back, title=f"channel {channel}", note="deconvnet", side=SIDE))
            panels.append(image_panel(front, note=note, side=SIDE))
        footer = (
            "For each channel the image patches that activate it most, cut to its receptive field, the strongest "
            "first; to their left what in them drove the unit, projected back by a deconvnet (mid grey is 0, each on "
            "its own scale). The projections show what gets through the network, not why it decides."
        )
        footer = "\n".join([footer, *(f"Projections: {note}." for note in self.projection_notes)])
        return panel_grid(panels, columns=4, title=self.title, footer=footer)


def peaks(
    net: Inspectable,
    data: str | Path | Arrays,
    layer: str,
    *,
    split: str = "train",
    top: int = 9,
    max_items: int = 10_000,
    reading: Reading | None = None,
    fetching: Fetching | None = None,
) -> TopPatches:
    """The images of a data set that activate a channel most, each cut to the unit's receptive field.

    Args:
        data: A built-in name or a path; or items that were read already.
        layer: ``LAYER`` for its six strongest channels, or ``LAYER:CHANNEL,CHANNEL...``.
        top: Images per channel.

    The other arguments are those of :func:`activity`.

    Raises:
        SeeError: No such layer or channel, or the data are not images.
        DataError: As in :func:`activity`.

    >>> peaks("lenet5", "digits", "c3:0", top=2, max_items=8).channels[0][0].image.shape
    (14, 14, 3)
    """
    model = inspected(net)
    if isinstance(data, Arrays):
        arrays = data
    else:
        arrays = items_for(model.contract, data, split, max_items=max_items, reading=reading, fetching=fetching)
    name, _, numbers = layer.partition(":")
    if not len(arrays) or as_image(arrays.inputs[0]) is None:
        raise SeeError("patches are cut out of images, and these data have none")
    channels = _channels(layer, numbers) if numbers else _strongest(model, arrays, name)
    found = top_patches(model.module, model.batches(arrays.inputs), name, channels, top)
    notes: set[str] = set()
    patches = {
        channel: [_patch(model, arrays, name, channel, peak, notes) for peak in mine]
        for channel, mine in zip(channels, found, strict=True)
    }
    return TopPatches(name, patches, tuple(sorted(notes)), notes=_notes(model, arrays))


def _notes(model: InspectedModel, arrays: Arrays) -> tuple[str, ...]:
    return (*model.notes, *(f"skipped {name}: {why}" for name, why in arrays.broken))


def _channels(layer: str, numbers: str) -> list[int]:
    parts = numbers.split(",")
    if not all(part.isdecimal() for part in parts):
        raise SeeError(f"{layer}: expected LAYER or LAYER:CHANNEL,CHANNEL with whole numbers")
    return [int(part) for part in parts]


def _strongest(model: InspectedModel, arrays: Arrays, layer: str) -> list[int]:
    """The channels with the largest mean absolute activation on the first images."""
    x = next(model.batches(arrays.inputs))
    with evaluating(model.module), capture(model.module, layer) as seen, torch.no_grad():
        model.module(x)
    output = np.abs(seen[layer])
    means = output.mean(axis=tuple(i for i in range(output.ndim) if i != 1))
    return [int(c) for c in np.argsort(-means, kind="stable")[:CHANNELS]]


def _patch(model: InspectedModel, arrays: Arrays, layer: str, channel: int, peak: Peak, notes: set[str]) -> Patch:
    """The patch of a channel's *peak*; adds to *notes* what should be known of its projection."""
    item = arrays.inputs[peak.index]
    image = as_image(item)
    assert image is not None
    height, width = image.shape[:2]
    box = model.box(layer, peak.position)
    cut = box or (0, 0, height, width)
    found = deconvnet(model.module, model.ready(item), Target(layer, (channel, *peak.position)))
    notes |= set(found.notes)
    back = np.moveaxis(found.values[:3], 0, -1) if len(found.values) >= 3 else found.values[0]
    some = np.abs(back[back != 0])
    reach = float(np.percentile(some, 99)) if some.size else 1.0  # the colours end before the few largest numbers
    coloured = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
    projection = crop_box(IntensityScale(reach).colours(back), cut)
    return Patch(arrays.names[peak.index], peak, box, crop_box(coloured, cut), projection)


def _mosaic(pieces: list[np.ndarray]) -> np.ndarray:
    """Pieces ``(h, w, 3)`` in a square, row by row, with white lines between; smaller ones in the middle of theirs."""
    columns = math.ceil(math.sqrt(len(pieces)))
    rows = -(-len(pieces) // columns)
    height, width = (max(piece.shape[axis] for piece in pieces) for axis in (0, 1))
    line = max(1, max(height, width) // 20)
    whole = np.full((rows * (height + line) - line, columns * (width + line) - line, 3), 255, np.uint8)
    for i, piece in enumerate(pieces):
        h, w = piece.shape[:2]
        top, left = i // columns * (height + line) + (height - h) // 2, i % columns * (width + line) + (width - w) // 2
        whole[top : top + h, left : left + w] = piece
    return whole


def items_for(
    contract: Contract,
    data: Data,
    split: str = "test",
    *,
    max_items: int | None = None,
    reading: Reading | None = None,
    fetching: Fetching | None = None,
) -> Arrays:
    """The inputs of a *split* of *data* as *contract* prepares them, without their targets.

    No class or task needs to be the model's: what a layer does can be measured on any inputs.

    Raises:
        DataError: There is no such split, or it contains what the contract does not take.
    """
    dataset = open_data(data, progress=fetching)
    where = str(data) if isinstance(data, str | Path) else dataset.name
    chosen = named_parts(dataset, split, where)
    _check_values(dataset, contract, where)
    parts = [Part(p.inputs, np.zeros(len(p), np.int64), p.names) for p in chosen]
    sizes = [len(p) for p in parts]
    total = sum(sizes)
    spread = evenly(total, total if max_items is None else max_items)
    plain = replace(
        contract, task=CLASSIFICATION, classes=("no", "yes"), target_mean=(), target_std=(), positions=(),
        mask_values=(),
    )  # fmt: skip
    arrays, start = [], 0
    for part, size in zip(parts, sizes, strict=True):
        mine = spread[(spread >= start) & (spread < start + size)] - start
        arrays.append(read_part(part.take(mine), plain, progress=reading))
        start += size
    if len(arrays) == 1:
        return arrays[0]
    inputs, targets = (np.concatenate([getattr(a, name) for a in arrays]) for name in ("inputs", "targets"))
    names, broken = (tuple(x for a in arrays for x in getattr(a, name)) for name in ("names", "broken"))
    return Arrays(inputs, targets, names, broken)


def _check_values(dataset: DataSet, contract: Contract, data: str | Path) -> None:
    if contract.mode == "values" and dataset.mode == "values" and dataset.input != contract.input:
        came, expected = map(shape_text, (dataset.input, contract.input))
        raise DataError(f"{data}: contains values of {came}, the model takes {expected}; use such data")
