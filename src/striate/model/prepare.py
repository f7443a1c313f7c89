"""How an item becomes the network's input: the one code that training, evaluation and prediction share.

Of an image the way is always the same. A file: :func:`prepared`, the contract's bytes. A Pillow image: :func:`fit`;
an array: :func:`from_array` and :func:`fit`, or many at once, :func:`fit_array`; of a mask, :func:`fit_mask`. Then
:func:`normalise` the bytes just before they meet the network.
"""

from __future__ import annotations

import numpy as np
import torch

from striate.model.contract import Contract
from striate.model.fitting import fit, fit_array, fit_mask, placed, prepared
from striate.model.image import decode, from_array

__all__ = ["decode", "fit", "fit_array", "fit_mask", "from_array", "normalise", "placed", "prepared"]


def normalise(inputs: np.ndarray | torch.Tensor, contract: Contract) -> torch.Tensor:
    """A batch as the network takes it, on its device.

    Bytes ``(N, C, H, W)``: float32 ``(x / 255 - mean) / std``. Values ``(N, C, ...)``: float32
    ``(x - mean) / std``. Texts ``(N, L)``: their word numbers as they are, int64.

    >>> contract = Contract(("cat", "dog"), (1, 1, 1), "L", (0.5,), (0.25,))
    >>> normalise(np.full((1, 1, 1, 1), 255, np.uint8), contract).item()
    2.0
    """
    if isinstance(inputs, np.ndarray):
        inputs = torch.from_numpy(np.require(inputs, requirements=["C", "W"]))  # torch wants it writable
    if contract.mode == "text":
        return inputs.long()
    bytes_ = contract.mode != "values"
    assert inputs.dtype == (torch.uint8 if bytes_ else torch.float32), inputs.dtype
    x = inputs.float() if bytes_ else inputs.clone()
    mean, std = (x.new_tensor(v).view(-1, *[1] * (x.ndim - 2)) for v in (contract.mean, contract.std))
    return (x.div_(255) if bytes_ else x).sub_(mean).div_(std)
