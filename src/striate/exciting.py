"""Which images excite a channel, as Zeiler and Fergus draw it: each piece beside what in it drove the unit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from striate.data import Arrays
from striate.draw.picture import Panel, Picture, photo, sheet, short
from striate.errors import SeeError
from striate.model.prepare import normalise
from striate.see import crop, peaks
from striate.see.attribution import deconvnet
from striate.see.capture import capture
from striate.see.patches import Peak
from striate.see.target import Target
from striate.seeing import Subject, drawn

CHANNELS = 6  # of a layer, where nobody says which


def exciting(
    subject: Subject, batches: Iterable[Tensor], arrays: Arrays, which: str, top: int
) -> tuple[Picture, dict[str, Any]]:
    """The picture, and what ``--json`` says of it.

    Args:
        subject: The network.
        batches: The prepared items of *arrays*, in their order.
        arrays: Images.
        which: ``LAYER``, or ``LAYER:CHANNEL,CHANNEL...``.
        top: Images for each channel.

    Raises:
        SeeError: No such layer or channel; not images.
    """
    layer, _, numbers = which.partition(":")
    if drawn(arrays.inputs[0]) is None:
        raise SeeError("the pieces that excite a channel are cut out of images; this data has none")
    channels = _numbers(which, numbers) if numbers else _strongest(subject, arrays, layer)
    found = peaks(subject.module, batches, layer, channels, top)
    rows = [_row(subject, arrays, layer, c, mine) for c, mine in zip(channels, found, strict=True)]
    footer = (
        "Each row a channel: the pieces of the images that it answered most, cut to its receptive field, the strongest "
        "first; below them what drove the unit, projected back by a deconvnet. The second row shows what gets through "
        "the net, not why it decides."
    )
    panels = [panel for row in rows for panel in row]
    picture = sheet(panels, columns=top, title=f"{layer}: what excites its channels most", footer=footer)
    about = {
        "layer": layer,
        "channels": [
            {"channel": c, "peaks": [_about(subject, arrays, layer, peak) for peak in mine]}
            for c, mine in zip(channels, found, strict=True)
        ],
    }
    return picture, about


def _numbers(which: str, numbers: str) -> list[int]:
    parts = numbers.split(",")
    if not all(part.isdecimal() for part in parts):
        raise SeeError(f"{which}: wanted LAYER or LAYER:CHANNEL,CHANNEL with whole numbers")
    return [int(part) for part in parts]


def _strongest(subject: Subject, arrays: Arrays, layer: str) -> list[int]:
    """The channels with the largest mean answer to the first images."""
    x = normalise(torch.from_numpy(np.array(arrays.inputs[:64])), subject.contract)
    with capture(subject.module, layer) as seen, torch.no_grad():
        subject.module(x)
    output = np.abs(seen[layer])
    means = output.mean(axis=tuple(i for i in range(output.ndim) if i != 1))
    return [int(c) for c in np.argsort(-means, kind="stable")[:CHANNELS]]


def _row(subject: Subject, arrays: Arrays, layer: str, channel: int, mine: list[Peak]) -> list[Panel]:
    """The pieces, and below them their projections."""
    pieces, projections = [], []
    for peak in mine:
        box = subject.box(layer, peak.place) or (0, 0, *subject.contract.input[1:])
        image = drawn(arrays.inputs[peak.index])
        assert image is not None
        pieces.append(photo(crop(image, box), title=f"{channel}", note=short(peak.value), side=96))
        x = normalise(torch.from_numpy(np.array(arrays.inputs[peak.index : peak.index + 1])), subject.contract)
        back = deconvnet(subject.module, x, Target(layer, (channel, *peak.place))).values
        projections.append(photo(crop(_to_bytes(back), box), side=96))
    return pieces + projections


def _to_bytes(values: np.ndarray) -> np.ndarray:
    """A signed projection ``(C, H, W)`` around mid grey: uint8 ``(H, W)`` or ``(H, W, 3)``."""
    limit = float(np.abs(values).max()) or 1.0
    shown = np.rint(127.5 + 127.5 * values / limit).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(shown[:3], 0, 2)) if len(shown) >= 3 else shown[0]


def _about(subject: Subject, arrays: Arrays, layer: str, peak: Peak) -> dict[str, Any]:
    box = subject.box(layer, peak.place)
    about = {"item": arrays.names[peak.index], "place": list(peak.place), "value": peak.value}
    return about | {"box": list(box) if box else None}
