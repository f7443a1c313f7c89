"""Weight initialisation, by name. Each is a function of a weight and a generator; biases begin at 0."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from striate.errors import RecipeError, nearest
from striate.net.layers import ChannelNorm, ChannelScale, FixedCodes, TabledConvolution

WEIGHTED = (nn.modules.conv._ConvNd, nn.Linear)


def _lecun(weight: Tensor, fan_in: int, fan_out: int, generator: torch.Generator) -> None:
    """Normal, standard deviation ``1 / sqrt(fan_in)``: LeCun et al. 1998, "Efficient BackProp", equation 16."""
    weight.normal_(0, 1 / math.sqrt(fan_in), generator=generator)


def _glorot(weight: Tensor, fan_in: int, fan_out: int, generator: torch.Generator) -> None:
    """Uniform within ``sqrt(6 / (fan_in + fan_out))``: Glorot and Bengio 2010, equation 16. For tanh and sigmoid."""
    bound = math.sqrt(6 / (fan_in + fan_out))
    weight.uniform_(-bound, bound, generator=generator)


def _he(weight: Tensor, fan_in: int, fan_out: int, generator: torch.Generator) -> None:
    """Normal, standard deviation ``sqrt(2 / fan_in)``: He, Zhang, Ren, Sun 2015, equation 10. For ReLU and its kin."""
    weight.normal_(0, math.sqrt(2 / fan_in), generator=generator)


def _lenet(weight: Tensor, fan_in: int, fan_out: int, generator: torch.Generator) -> None:
    """Uniform within ``2.4 / fan_in``: LeCun et al. 1998, "Gradient-based learning ...", appendix A."""
    weight.uniform_(-2.4 / fan_in, 2.4 / fan_in, generator=generator)


def _alexnet(weight: Tensor, fan_in: int, fan_out: int, generator: torch.Generator) -> None:
    """Normal, standard deviation 0.01: Krizhevsky, Sutskever, Hinton 2012, section 5."""
    weight.normal_(0, 0.01, generator=generator)


INITS: dict[str, Callable[[Tensor, int, int, torch.Generator], None]] = {
    "lecun": _lecun,
    "glorot": _glorot,
    "he": _he,
    "lenet": _lenet,
    "alexnet": _alexnet,
}


def check_init(name: str) -> None:
    """RecipeError unless *name* is ``auto`` or one of ``INITS``."""
    if name != "auto" and name not in INITS:
        raise RecipeError(f"init is {name!r}{nearest(name, ['auto', *INITS])}")


@torch.no_grad()
def initialise(module: nn.Module, name: str = "auto", seed: int = 0) -> None:
    """Gives every weight of *module* its first value, from *seed* alone (torch's global generator is not touched).

    Args:
        name: One of ``INITS``; ``"auto"`` takes Glorot's where the network has tanh or sigmoid, else He's.

    Raises:
        RecipeError: An unknown name.
    """
    check_init(name)
    if name == "auto":
        saturating = any(isinstance(m, nn.Tanh | nn.Sigmoid) for m in module.modules())
        name = "glorot" if saturating else "he"
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, TabledConvolution):
            _fill_tabled(part, name, generator)
        elif isinstance(part, WEIGHTED):
            fill(part.weight, *fans(part), name, generator)
            if part.bias is not None:
                part.bias.zero_()
        elif isinstance(part, nn.Embedding):
            # of about the variance of trained word vectors, as Kim 2014 begins those that are learned
            values = torch.empty(part.weight.shape, dtype=part.weight.dtype)
            part.weight.copy_(values.uniform_(-0.25, 0.25, generator=generator))
        elif isinstance(part, nn.modules.batchnorm._BatchNorm | ChannelNorm | ChannelScale | FixedCodes):
            part.reset_parameters()


def fill(weight: Tensor, fan_in: int, fan_out: int, name: str, generator: torch.Generator) -> None:
    """One weight's first values, drawn on the CPU so that every device begins alike."""
    values = torch.empty(weight.shape, dtype=weight.dtype)
    INITS[name](values, fan_in, fan_out, generator)
    weight.copy_(values)


def _fill_tabled(part: TabledConvolution, name: str, generator: torch.Generator) -> None:
    """Each output sums the inputs of its own row of the table."""
    area, start = math.prod(part.weight.shape[2:]), 0
    for row in part.table:
        stop = start + len(row)
        fill(part.weight[start:stop], len(row) * area, len(part.table) * area, name, generator)
        start = stop
    if part.bias is not None:
        part.bias.zero_()


def fans(part: nn.Module) -> tuple[int, int]:
    """How many inputs one output sums, and how many outputs one input reaches."""
    weight = part.weight
    assert isinstance(weight, Tensor)
    area = math.prod(weight.shape[2:])
    if isinstance(part, nn.modules.conv._ConvTransposeNd):
        return weight.shape[0] // part.groups * area, weight.shape[1] * area
    groups = part.groups if isinstance(part, nn.modules.conv._ConvNd) else 1
    return weight.shape[1] * area, weight.shape[0] // groups * area
