"""Which images excite a channel, as Zeiler and Fergus draw it: each piece beside what in it drove the unit."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from striate.datasets import Arrays
from striate.errors import SeeError
from striate.inspect import crop, peaks
from striate.inspect.attribution import deconvnet
from striate.inspect.capture import capture
from striate.inspect.models.seeing import Subject, drawn
from striate.inspect.patches import Peak
from striate.inspect.target import Target
from striate.learning import evaluating
from striate.plotting.picture import Panel, Picture, Shares, photo, sheet, short

CHANNELS = 6  # of a layer, where nobody says which
SIDE = 200  # of a channel's pieces, on the page


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
    if not len(arrays) or drawn(arrays.inputs[0]) is None:
        raise SeeError("the pieces that excite a channel are cut out of images; this data has none")
    channels = _numbers(which, numbers) if numbers else _strongest(subject, arrays, layer)
    found = peaks(subject.module, batches, layer, channels, top)
    notes: set[str] = set()
    rows = [_beside(subject, arrays, layer, c, mine, notes) for c, mine in zip(channels, found, strict=True)]
    panels = [panel for row in rows for panel in row]
    footer = (
        "Of each channel the pieces of the images that it answered most, cut to its receptive field, the strongest "
        "first; to their left what drove the unit, projected back by a deconvnet (mid grey is 0, each to its own "
        "largest number). The projections show what gets through the net, not why it decides."
    )
    footer = "\n".join([footer, *(f"Of the projections: {note}." for note in sorted(notes))])
    picture = sheet(panels, columns=4, title=f"{layer}: what excites its channels most", footer=footer)
    about = {
        "layer": layer,
        "channels": [
            {"channel": c, "peaks": [_about(subject, arrays, layer, peak) for peak in mine]}
            for c, mine in zip(channels, found, strict=True)
        ],
    }
    return picture, about


def told(about: dict[str, Any]) -> str:
    """What :func:`exciting` found, a line a channel: its strongest items, and where in the layer's map."""
    lines = []
    for row in about["channels"]:
        some = (f"{p['item']} at {':'.join(map(str, p['place']))} ({short(p['value'])})" for p in row["peaks"][:3])
        lines.append(f"  channel {row['channel']:<4} {'; '.join(some)}")
    return "\n".join(lines)


def _numbers(which: str, numbers: str) -> list[int]:
    parts = numbers.split(",")
    if not all(part.isdecimal() for part in parts):
        raise SeeError(f"{which}: wanted LAYER or LAYER:CHANNEL,CHANNEL with whole numbers")
    return [int(part) for part in parts]


def _strongest(subject: Subject, arrays: Arrays, layer: str) -> list[int]:
    """The channels with the largest mean answer to the first images."""
    x = next(subject.batches(arrays))
    with evaluating(subject.module), capture(subject.module, layer) as seen, torch.no_grad():
        subject.module(x)
    output = np.abs(seen[layer])
    means = output.mean(axis=tuple(i for i in range(output.ndim) if i != 1))
    return [int(c) for c in np.argsort(-means, kind="stable")[:CHANNELS]]


def _beside(
    subject: Subject, arrays: Arrays, layer: str, channel: int, mine: list[Peak], notes: set[str]
) -> list[Panel]:
    """The projections of a channel's pieces, and the pieces: two mosaics side by side. Adds to *notes* what is to be
    known of the projections.
    """
    pieces, projections = [], []
    for peak in mine:
        height, width = subject.contract.input[1:]
        box = subject.box(layer, peak.place) or (0, 0, height, width)
        image = drawn(arrays.inputs[peak.index])
        assert image is not None
        pieces.append(crop(_coloured(image), box))
        x = subject.ready(arrays.inputs[peak.index])
        found = deconvnet(subject.module, x, Target(layer, (channel, *peak.place)))
        notes |= set(found.notes)
        back = found.values
        shown = np.moveaxis(back[:3], 0, -1) if len(back) >= 3 else back[0]
        projections.append(crop(Shares(_reach(back)).colours(shown), box))
    answers = f"{short(mine[0].value)} to {short(mine[-1].value)}" if len(mine) > 1 else short(mine[0].value)
    return [
        photo(_mosaic(projections), title=f"channel {channel}", note="projected back", side=SIDE),
        photo(_mosaic(pieces), note=f"it answers {answers}", side=SIDE),
    ]


def _mosaic(pieces: list[np.ndarray]) -> np.ndarray:
    """Pieces ``(h, w, 3)`` in a square, row by row, with white lines between; smaller ones in the middle of theirs."""
    columns = math.ceil(math.sqrt(len(pieces)))
    rows = -(-len(pieces) // columns)
    height, width = (max(piece.shape[axis] for piece in pieces) for axis in (0, 1))
    line = max(1, max(height, width) // 20)
    whole = np.full((rows * (height + line) - line, columns * (width + line) - line, 3), 255, np.uint8)
    for i, piece in enumerate(pieces):
        top, left = i // columns * (height + line), i % columns * (width + line)
        h, w = piece.shape[:2]
        top, left = top + (height - h) // 2, left + (width - w) // 2
        whole[top : top + h, left : left + w] = piece
    return whole


def _coloured(image: np.ndarray) -> np.ndarray:
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def _reach(values: np.ndarray) -> float:
    """Where the colours of a projection end: before its few largest numbers."""
    some = np.abs(values[values != 0])
    return float(np.percentile(some, 99)) if some.size else 1.0


def _about(subject: Subject, arrays: Arrays, layer: str, peak: Peak) -> dict[str, Any]:
    box = subject.box(layer, peak.place)
    about = {"item": arrays.names[peak.index], "place": list(peak.place), "value": peak.value}
    return about | {"box": list(box) if box else None}
