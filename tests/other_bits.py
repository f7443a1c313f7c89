"""A processor that rounds otherwise, played on this one: the last bits of a layer's output depend on the batch.

Which kernel multiplies two matrices depends on the processor, the number of threads and the shape, so an item alone
and the same item in a batch differ in the last bits on some machines and agree on others. A test that compares them
exactly passes where it was written and fails elsewhere. Here every convolution and every linear layer moves its
output by a few units in the last place, up or down by a rule that knows the whole shape: the same call gives the
same bits again, another batch gives others. ``STRIATE_TEST_BITS=other pytest tests/model`` runs tests so.
"""

from __future__ import annotations

from functools import wraps

import torch
from torch import nn

UNITS = 4  # of rounding at the size of the largest output: what a sum of some hundred terms may differ by
LAYERS = (
    nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d,
)  # fmt: skip


def moved(out: torch.Tensor) -> torch.Tensor:
    """*out* with other last bits: the same for the same shape, others for another batch."""
    if not out.is_floating_point() or not out.numel() or out.device.type != "cpu":
        return out
    with torch.no_grad():
        number = torch.arange(out.numel(), dtype=torch.int64).reshape(out.shape)
        seed = sum(size * 1_000_003**k for k, size in enumerate(out.shape)) % (1 << 31)
        rounds = ((number * 2_654_435_761 + seed * 40_503) >> 7) % (2 * UNITS + 1) - UNITS
        largest = out.detach().abs().amax()
        noise = rounds.to(out.dtype) * torch.where(largest.isfinite(), largest, 0) * torch.finfo(out.dtype).eps
        noise = torch.where(out.detach() == 0, 0, noise)  # nothing was summed: exact everywhere
    return out + noise


def play() -> None:
    """From here on, in this process."""
    for layer in LAYERS:
        layer.forward = _other(layer.forward)  # type: ignore[method-assign]


def _other(forward):
    @wraps(forward)
    def other(self, *inputs, **named):
        out = forward(self, *inputs, **named)
        return moved(out) if isinstance(out, torch.Tensor) and type(out) is torch.Tensor else out

    return other
