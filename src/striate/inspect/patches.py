"""Which images of a data set excite a channel most, and where in them: the pieces that it looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from striate.errors import SeeError
from striate.inspect.capture import capture
from striate.learning import evaluating


@dataclass(frozen=True)
class Peak:
    """The strongest answer of a channel in one image: which image, where in the map, how strong."""

    index: int
    place: tuple[int, ...]
    value: float


def peaks(
    module: nn.Module, batches: Iterable[Tensor], layer: str, channels: list[int], top: int = 9
) -> list[list[Peak]]:
    """For each of *channels* of *layer*, its *top* images, the strongest first, one place an image.

    Args:
        module: Any module; it runs in evaluation mode and is left as it was.
        batches: ``(N, ...)`` in the order of the data; a batch at a time is held.
        layer: As in ``module.named_modules()``.
        channels: Their numbers.
        top: How many images each.

    Raises:
        SeeError: No such layer or channel, or no images.

    >>> net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False))
    >>> _ = net[0].weight.data.fill_(1)
    >>> x = torch.zeros(3, 1, 2, 2); x[1, 0, 0, 1] = 5.0
    >>> peaks(net, [x], "0", [0], top=1)
    [[Peak(index=1, place=(0, 1), value=5.0)]]
    """
    kept: list[list[Peak]] = [[] for _ in channels]
    begin = 0
    with evaluating(module), torch.no_grad():
        for x in batches:
            with capture(module, layer) as seen:
                module(x)
            output = torch.from_numpy(seen[layer])
            strange = [c for c in channels if not 0 <= c < output.shape[1]]
            if strange:
                raise SeeError(f"{layer} has the channels 0 to {output.shape[1] - 1}; got {strange[0]}")
            for mine, channel in zip(kept, channels, strict=True):
                best, at = output[:, channel].reshape(len(output), -1).max(1)
                shape = output.shape[2:]
                for i in torch.argsort(best, descending=True, stable=True)[:top].tolist():
                    place = tuple(int(p) for p in np.unravel_index(int(at[i]), shape)) if shape else ()
                    mine.append(Peak(begin + i, place, float(best[i])))
                mine.sort(key=lambda peak: (-peak.value, peak.index))
                del mine[top:]
            begin += len(x)
    if not begin:
        raise SeeError("there are no images to look at")
    return kept


def crop(image: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """The *box* (top, left, height, width) of *image* ``(H, W)`` or ``(H, W, C)``; what lies outside is mid grey.

    >>> crop(np.full((2, 2), 9, np.uint8), (-1, 0, 2, 2)).tolist()
    [[128, 128], [9, 9]]
    """
    top, left, height, width = box
    piece = np.full((height, width, *image.shape[2:]), 128, image.dtype)
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + height, image.shape[0]), min(left + width, image.shape[1])
    if y1 > y0 and x1 > x0:
        piece[y0 - top : y1 - top, x0 - left : x1 - left] = image[y0:y1, x0:x1]
    return piece
