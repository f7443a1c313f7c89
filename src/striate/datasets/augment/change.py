"""Batches changed by what was drawn: images, masks and positions; tensors in, tensors out, on their own device.

Each image is changed by its own numbers alone, in whole numbers or element by element, so the result does not depend
on the batch or on threads. Pixels are bytes after every step: an image of them is what the network sees.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample, one_hot

from striate.datasets.augment.draw import DrawnChanges, Mixing, draw_changes, draw_mixing, draw_words, length_in_pixels
from striate.datasets.augment.settings import Augment
from striate.model.contract import IGNORE, PADDING, UNKNOWN, Contract
from striate.plotting.colours import LUMA_601

Fetch = Callable[[np.ndarray], tuple[Tensor, Tensor]]


def augmented(
    fetch: Fetch, numbers: np.ndarray, *, contract: Contract, augment: Augment, seed: int, epoch: int, among: np.ndarray
) -> tuple[Tensor, Tensor]:
    """The images (or texts) and targets of the *numbers*, ``(N,)``, as they are learned from in the *epoch*.

    Args:
        fetch: Gives the images, uint8 ``(N, C, H, W)``, or texts, int64 ``(N, L)``, and the targets of such numbers,
            as tensors that may be changed.
        numbers: Each decides, with *seed* and *epoch*, what is done to its image, and nothing else does.
        contract: What the images and targets are.
        augment: What may be done; suited to the contract.
        seed: See *numbers*.
        epoch: See *numbers*.
        among: All numbers, out of which the partners are in mixing.
    """

    if contract.mode == "text":
        x, y = fetch(numbers)
        return forgetting(x, draw_words(augment, x.shape[1], seed=seed, epoch=epoch, index=numbers)), y

    def own(numbers: np.ndarray) -> tuple[Tensor, Tensor]:
        x, y = fetch(numbers)
        if augment.mixes:
            y = (one_hot(y.long(), len(contract.classes)) if y.ndim == 1 else y).float()
        draws = draw_changes(augment, (x.shape[2], x.shape[3]), seed=seed, epoch=epoch, index=numbers)
        masks = y if contract.task.per_pixel else None
        pairs = torch.tensor(contract.positions)
        points = y[:, pairs] if len(pairs) else None
        x, masks, points = changed(x, augment, draws, mean=contract.mean, masks=masks, points=points)
        if points is not None:
            y[:, pairs] = points
        return x, y if masks is None else masks

    x, y = own(numbers)
    if augment.mixes:
        size = x.shape[2], x.shape[3]
        mixing = draw_mixing(augment, size, items=len(among), seed=seed, epoch=epoch, index=numbers)
        if len(mixing.at):
            return mixed(x, y, *own(among[mixing.partner]), mixing)
    return x, y


def changed(
    images: Tensor,
    augment: Augment,
    draws: DrawnChanges,
    *,
    mean: tuple[float, ...],
    masks: Tensor | None = None,
    points: Tensor | None = None,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """The images, and their masks and points, as they are learned from.

    Args:
        images: uint8 ``(N, C, H, W)``; left as they are.
        augment: What was drawn from.
        draws: How each image is changed.
        mean: Per channel, 0 to 1: the colour of what is covered.
        masks: uint8 ``(N, H, W)``: moved by the nearest pixel; what was not in the image, or is covered, is 255.
        points: float32 ``(N, P, 2)``: x and y as shares of the image's sides, 0 at its left and upper edge.

    >>> images = torch.arange(4, dtype=torch.uint8).reshape(1, 1, 1, 4)
    >>> draws = DrawnChanges(*(np.array([v]) for v in ([1, 0], [False, False], np.eye(2), [1, 1, 1], [0, 0])))
    >>> changed(images, Augment(shift=1), draws, mean=(0,))[0].tolist()  # to the right; the edge is repeated
    [[[[0, 0, 1, 2]]]]
    """
    if augment.shift or augment.warps or augment.flip != "no" or augment.vflip != "no":
        move = _warp if augment.warps else _copy
        images = move(images, draws, None)
        masks = None if masks is None else move(masks[:, None], draws, IGNORE)[:, 0]
        points = None if points is None else _moved(points, draws, images.shape[2:])
    if augment.brightness or augment.contrast or (augment.colour and images.shape[1] in (3, 4)):
        images = _colours(images, draws)
    if augment.cutout:
        square = _squares(images, draws, length_in_pixels(augment.cutout, min(images.shape[2:])))
        colour = torch.tensor(mean, dtype=torch.float64).mul(255).round().to(images)
        images = torch.where(square[:, None], colour[:, None, None], images)
        masks = None if masks is None else masks.masked_fill(square, IGNORE)
    return images, masks, points


def forgetting(texts: Tensor, places: np.ndarray) -> Tensor:
    """The texts, int64 ``(N, L)``, with the unknown word at the *places*, bool ``(N, L)``, that hold a word.

    A network learns what to make of words that it does not know, and cannot rely on a single one (word dropout: Iyyer
    et al. 2015, "Deep unordered composition rivals syntactic methods for text classification", section 3.2).

    >>> forgetting(torch.tensor([[7, 8, 0]]), np.array([[False, True, True]])).tolist()
    [[7, 1, 0]]
    """
    return texts.masked_fill(torch.from_numpy(places).to(texts.device) & (texts != PADDING), UNKNOWN)


def _copy(images: Tensor, draws: DrawnChanges, outside: int | None) -> Tensor:
    """Flips and shifts: every pixel is a copy of one; beyond the edge that of the edge, or *outside*."""
    n, channels, height, width = images.shape
    columns, x_out = _sources(draws.shift[:, 0], draws.flip[:, 0], width)
    rows, y_out = _sources(draws.shift[:, 1], draws.flip[:, 1], height)
    places = torch.from_numpy(rows[:, :, None] * width + columns[:, None, :]).to(images.device)
    flat = images.reshape(n, channels, -1)
    moved = flat.gather(2, places.reshape(n, 1, -1).expand(-1, channels, -1)).reshape(images.shape)
    if outside is None:
        return moved
    gone = torch.from_numpy(y_out[:, :, None] | x_out[:, None, :]).to(images.device)
    return moved.masked_fill(gone[:, None], outside)


def _sources(shift: np.ndarray, flip: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """``(N, side)`` twice: from where each row (or column) comes, and whether that is beyond the edge."""
    source = np.arange(side) - shift[:, None]
    inside = source.clip(0, side - 1)
    return np.where(flip[:, None], side - 1 - inside, inside), source != inside


def _warp(images: Tensor, draws: DrawnChanges, outside: int | None) -> Tensor:
    """Everything at once, so that the pixels are interpolated once: bilinear, or the nearest where *outside* counts."""
    grid = _grid(draws, images.shape[2], images.shape[3], images.device)
    if outside is None:
        moved = grid_sample(images.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)
    else:  # beyond the edge are zeros: so the zero is moved to *outside* and back
        moved = grid_sample(images.float() - outside, grid, mode="nearest", padding_mode="zeros", align_corners=False)
        moved += outside
    return _bytes(moved)


def _grid(draws: DrawnChanges, height: int, width: int, device: torch.device) -> Tensor:
    """float32 ``(N, H, W, 2)``: for each pixel where it comes from, -1 to 1 from edge to edge."""
    (a, b), (c, d) = np.moveaxis(draws.linear, 0, 2)
    a, b, c, d = np.stack([d, -b, -c, a]) / (a * d - b * c)  # the inverse
    x, y = -(draws.shift[:, 0] + width / 2), -(draws.shift[:, 1] + height / 2)
    rows = [(a, b, a * x + b * y + width / 2, width), (c, d, c * x + d * y + height / 2, height)]
    columns = torch.arange(width, device=device) + 0.5
    lines = (torch.arange(height, device=device) + 0.5)[:, None]
    coordinates = []
    for along_x, along_y, at_corner, side in rows:
        values = np.stack([along_x * 2 / side, along_y * 2 / side, at_corner * 2 / side - 1]).astype(np.float32)
        p, q, r = torch.from_numpy(values)[:, :, None, None].to(device)
        coordinates.append(p * columns + q * lines + r)
    return torch.stack(coordinates, dim=3)


def _moved(points: Tensor, draws: DrawnChanges, size: tuple[int, ...]) -> Tensor:
    sides = points.new_tensor((size[1], size[0]))
    linear = torch.from_numpy(draws.linear).to(points)
    shift = torch.from_numpy(draws.shift).to(points)
    x, y = ((points - 0.5) * sides).unbind(2)
    turned = [linear[:, i, 0, None] * x + linear[:, i, 1, None] * y + shift[:, i, None] for i in (0, 1)]
    return torch.stack(turned, dim=2) / sides + 0.5


def _colours(images: Tensor, draws: DrawnChanges) -> Tensor:
    """Brightness, contrast about the image's mean grey, and colour about the pixel's grey, in this order.

    Together they are one line of the pixel and its grey: ``factor * pixel + toward_grey * grey + constant``. An
    alpha channel stays as it is.
    """
    coloured = images.shape[1] in (3, 4)
    shown = images[:, :3] if coloured else images
    weights = LUMA_601 if coloured else (1 / images.shape[1],) * images.shape[1]
    sums = shown.sum((2, 3), dtype=torch.int64).double()  # whole numbers: the same in any order
    mean = sum(weight * sums[:, c] for c, weight in enumerate(weights)) / (images.shape[2] * images.shape[3])
    brightness, contrast, colour = torch.from_numpy(draws.factors).to(images.device).T
    colour = colour if coloured else torch.ones_like(colour)
    linear = brightness * contrast
    factor, toward_grey, constant = linear * colour, linear * (1 - colour), mean * brightness * (1 - contrast)
    x = shown.float()
    out = x * factor.float()[:, None, None, None]
    if coloured:
        grey = x[:, 0] * weights[0] + x[:, 1] * weights[1] + x[:, 2] * weights[2]
        out += (grey * toward_grey.float()[:, None, None])[:, None]
    out = _bytes(out + constant.float()[:, None, None, None])
    return torch.cat([out, images[:, 3:]], dim=1) if coloured and images.shape[1] == 4 else out


def _squares(images: Tensor, draws: DrawnChanges, side: int) -> Tensor:
    """bool ``(N, H, W)``: the square that is covered (cutout: DeVries and Taylor 2017, arXiv 1708.04552)."""
    boxes = np.concatenate([draws.cutout, draws.cutout + side], axis=1)
    return _inside(boxes, images.shape[2], images.shape[3], images.device)


def _inside(boxes: np.ndarray, height: int, width: int, device: torch.device) -> Tensor:
    """bool ``(N, H, W)``: the pixels inside the boxes of ``left, top, right, bottom``."""
    x, y = np.arange(width), np.arange(height)
    columns = (x >= boxes[:, 0, None]) & (x < boxes[:, 2, None])
    rows = (y >= boxes[:, 1, None]) & (y < boxes[:, 3, None])
    return torch.from_numpy(rows[:, :, None] & columns[:, None, :]).to(device)


def mixed(
    images: Tensor, targets: Tensor, others: Tensor, other_targets: Tensor, mixing: Mixing
) -> tuple[Tensor, Tensor]:
    """The images, uint8 ``(N, C, H, W)``, and their targets, float32 ``(N, K)``, M of them mixed with *others*."""
    device = images.device
    at = torch.from_numpy(mixing.at).to(device)
    share = torch.from_numpy(mixing.share.astype(np.float32)).to(device)
    box = _inside(mixing.box, images.shape[2], images.shape[3], device)[:, None]
    cut = torch.from_numpy(mixing.box.any(axis=1)).to(device)[:, None, None, None]
    own = torch.where(cut, (~box).float(), share[:, None, None, None])
    blend = _bytes(images[at].float() * own + others.float() * (1 - own))
    blended = targets[at] * share[:, None] + other_targets * (1 - share[:, None])
    return images.index_copy(0, at, blend), targets.index_copy(0, at, blended)


def _bytes(values: Tensor) -> Tensor:
    return values.round_().clamp_(0, 255).to(torch.uint8)
