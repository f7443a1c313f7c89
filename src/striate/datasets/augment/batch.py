"""A batch as it is learned from: fetched, changed, and mixed with its partners."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from striate.datasets.augment.change import changed, mixed
from striate.datasets.augment.draw import draw, draw_mixing
from striate.datasets.augment.settings import Augment
from striate.model.contract import Contract

Fetch = Callable[[np.ndarray], tuple[Tensor, Tensor]]


def augmented(
    fetch: Fetch,
    numbers: np.ndarray,
    *,
    contract: Contract,
    augment: Augment,
    seed: int,
    epoch: int,
    among: np.ndarray,
) -> tuple[Tensor, Tensor]:
    """The images and targets of the *numbers*, ``(N,)``, as they are learned from in the *epoch*.

    Args:
        fetch: Gives the images, uint8 ``(N, C, H, W)``, and the targets of such numbers, as tensors that may be
            changed.
        numbers: Each decides, with *seed* and *epoch*, what is done to its image, and nothing else does.
        contract: What the images and targets are.
        augment: What may be done; suited to the contract.
        seed: See *numbers*.
        epoch: See *numbers*.
        among: All numbers, out of which the partners are in mixing.
    """

    def own(numbers: np.ndarray) -> tuple[Tensor, Tensor]:
        x, y = fetch(numbers)
        if augment.mixes:
            y = (one_hot(y.long(), len(contract.classes)) if y.ndim == 1 else y).float()
        draws = draw(augment, (x.shape[2], x.shape[3]), seed=seed, epoch=epoch, index=numbers)
        masks = y if contract.task == "segmentation" else None
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
