"""A processor that rounds otherwise, played on this one: the last bits of a layer's output depend on the batch.

Which kernel multiplies two matrices depends on the processor, the number of threads and the shape, so an item alone
and the same item in a batch differ in the last bits on some machines and agree on others. A test that compares them
exactly passes where it was written and fails elsewhere. Here every convolution and every linear layer moves its
output by what another order of summation could do, up or down by a rule that knows the whole shape: the same call
gives the same bits again, another batch gives others. ``STRIATE_TEST_BITS=other pytest tests/model`` runs tests so.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes, _get_current_dispatch_mode

from bounds import reach


def play() -> None:
    """From here on, in this process."""
    nn.modules.module.register_module_forward_hook(_after)


def _after(module: nn.Module, inputs: tuple[Any, ...], out: Any) -> Any:
    if type(out) is not Tensor or out.device.type != "cpu" or out.dtype not in (torch.float32, torch.float64):
        return out
    if torch.jit.is_tracing() or torch.compiler.is_compiling():
        return out  # a program is made of the calls, without numbers
    if "FlopCounter" in type(_get_current_dispatch_mode()).__name__:
        return out  # what is done here would be counted
    # whoever follows the network's calls sees one sum more, and nothing of how it was found
    with torch.no_grad(), torch._C.DisableTorchFunction(), _disable_current_modes():
        if not out.numel() or torch.equal(out, out.round()):
            return out  # whole numbers are exact in any order
        products = reach(module, inputs[0]) if len(inputs) == 1 else None
        terms = 1 if products is None else module.weight[0].numel()
        if products is None or terms < 2 or products.shape != out.shape:  # of a call with a size of its own
            return out
        number = torch.arange(out.numel()).reshape(out.shape)
        seed = sum(size * 1_000_003**k for k, size in enumerate(out.shape)) % (1 << 31)
        units = ((number * 2_654_435_761 + seed * 40_503) >> 7) % 3 - 1
        noise = units * products * (torch.finfo(out.dtype).eps / terms**0.5)  # as roundings that go either way
    return out + torch.where(noise.isfinite(), noise, 0)
