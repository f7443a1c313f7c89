"""What a file has of a network that a page cannot compute: pictures of all layers for a few inputs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from striate.page.answers import Answers, cells_of, picture
from striate.page.live import LiveLayer, LiveNetwork
from striate.spec import BatchNorm, Concat, Dropout, Flatten, Softmax, StochasticDepth
from striate.spec.op import Activation

SIDES = (64, 48, 32, 24, 16, 12, 8, 6, 4)  # cells along the longer side of a map that are stored at most
MOST = 6  # inputs


def stored_pictures(answers: Answers, items: Sequence[np.ndarray], room: int) -> tuple[list[dict[str, Any]], bytes]:
    """The pictures of the first of *items* that find *room*, in bytes (one at least), and where they lie in these.

    Of each layer that the page shows lie there, from ``offset``: the largest absolute value of each map, float32; then
    every ``step``-th cell of each map as a share of the layer's largest, float16; filled up to a multiple of 4. The
    output is whole.
    """
    live = answers.live
    shown = _shown(live)
    side = next((side for side in SIDES if _bytes(live, shown, side) <= room), SIDES[-1])
    found, parts, end = [], [], 0
    for item in items[: max(1, min(MOST, room // _bytes(live, shown, side)))]:
        values, places = answers.run(item), {}
        for layer in shown:
            step = _step(live, layer, side)
            numbers = picture(values[layer.name], step)
            limits, cells = numbers[: layer.shape[0]], numbers[layer.shape[0] :]
            shares = (cells / (limits.max() or 1)).astype("<f2").tobytes()
            parts += [limits.astype("<f4").tobytes(), shares, bytes(-len(shares) % 4)]
            places[layer.name] = [step, end]
            end += sum(map(len, parts[-3:]))
        found.append(places)
    return found, b"".join(parts)


def _shown(live: LiveNetwork) -> list[LiveLayer]:
    """The layers whose maps the page shows: not those that one other alone changes, each number by itself."""
    readers = Counter(name for layer in live.layers for name in layer.inputs)
    inner: set[str] = set()
    for layer in live.layers:
        alone = len(layer.inputs) == 1 and readers[layer.inputs[0]] == 1
        match layer.op:
            case Activation() | BatchNorm() | Softmax() if alone:
                inner.add(layer.inputs[0])
            case Dropout() | Flatten() | StochasticDepth() if alone and layer.inputs[0] != "input":
                inner.add(layer.name)
            case Concat():  # maps beside each other are not shown over again, but those at the end of a folded block
                inner |= {other.name for other in live.layers if isinstance(other.op, Concat)} & set(layer.inputs)
    return [layer for layer in live.layers if layer.name not in inner or layer is live.layers[-1]]


def _step(live: LiveNetwork, layer: LiveLayer, side: int) -> int:
    return 1 if layer is live.layers[-1] else max(1, math.ceil(max(layer.shape[1:][-2:], default=1) / side))


def _bytes(live: LiveNetwork, shown: Sequence[LiveLayer], side: int) -> int:
    return sum(4 * (layer.shape[0] + cells_of(layer.shape, _step(live, layer, side)) // 2) for layer in shown)
