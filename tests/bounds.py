"""How far two float32 results of the same arithmetic may lie apart: bounds that follow from the arithmetic alone.

Two kernels add the same products in another order. What each gives lies within ``n u / (1 - n u)`` times the sum of
the absolute products of the exact sum, of *n* operations (Higham 2002, "Accuracy and Stability of Numerical
Algorithms", equations 3.4 and 4.4), so the two lie within twice that of each other. Where a test is not about the same
call on the same batch, it compares by these and not by bits.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ROUNDOFF = 2.0**-24  # of float32
TRANSPOSED = (
    (nn.ConvTranspose1d, F.conv_transpose1d),
    (nn.ConvTranspose2d, F.conv_transpose2d),
    (nn.ConvTranspose3d, F.conv_transpose3d),
)


def float32_bound(terms: int, magnitude: float, roundoff: float = ROUNDOFF) -> float:
    """How far two sums of *terms* products may lie apart whose absolute values sum to *magnitude* at most.

    >>> float32_bound(147, 10.0) < 2e-4
    True
    """
    n = (terms + 1) * roundoff  # an addition each, and the product's own rounding
    return 2 * n / (1 - n) * magnitude


def reach(layer: nn.Module, x: Tensor) -> Tensor | None:
    """The sum of the absolute products of each output of *layer*, without its bias; None where it sums nothing."""
    match layer:
        case nn.Linear():
            return F.linear(x.abs(), layer.weight.abs())
        case nn.Conv1d() | nn.Conv2d() | nn.Conv3d():
            return layer._conv_forward(x.abs(), layer.weight.abs(), None)
        case nn.ConvTranspose1d() | nn.ConvTranspose2d() | nn.ConvTranspose3d():
            moves = layer.stride, layer.padding, layer.output_padding, layer.groups, layer.dilation
            convolve = next(f for kind, f in TRANSPOSED if isinstance(layer, kind))
            return convolve(x.abs(), layer.weight.abs(), None, *moves)
        case _:
            return None


@torch.no_grad()
def scores_bound(net: nn.Module, x: Tensor) -> float:
    """How far two outputs of *net* for *x* may lie apart, of layers that follow one another (running error analysis,
    as in Higham 2002, section 3.3). Probabilities, a softmax of them, lie nearer still.

    >>> torch.manual_seed(0) and None
    >>> net, x = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)), torch.rand(1, 1, 4, 4)
    >>> 0 < scores_bound(net, x) < 1e-5
    True
    """
    error, roundoff = torch.zeros_like(x), torch.finfo(x.dtype if x.is_floating_point() else torch.float32).eps / 2
    for layer in (module for module in net.eval().modules() if not [*module.children()]):
        out = layer(x)
        products = reach(layer, x)
        if products is not None:
            bias = 0.0 if layer.bias is None else layer.bias.abs().max()
            error = reach(layer, error) + float32_bound(layer.weight[0].numel(), 1.0, roundoff) * (products + bias)
        elif isinstance(layer, nn.modules.batchnorm._BatchNorm):
            shape = (1, -1, *[1] * (x.ndim - 2))
            scale, shift = layer.weight / (layer.running_var + layer.eps).sqrt(), layer.bias
            grown = (x.abs() + layer.running_mean.view(shape).abs()) * scale.abs().view(shape)
            error = error * scale.abs().view(shape) + float32_bound(4, 1.0, roundoff) * (
                grown + shift.abs().view(shape)
            )
        elif isinstance(layer, nn.Embedding):
            error = torch.zeros(out.shape)
        else:  # what moves no two numbers further apart: activations, pooling, flatten
            error = layer(error)
        x = out
    return float(error.max())


def near(one: Iterable[tuple[str, float]], other: Iterable[tuple[str, float]], bound: float) -> bool:
    """Whether two lists of names and numbers name the same, and no number is further than *bound* from its like."""
    one, other = dict(one), dict(other)
    return one.keys() == other.keys() and all(abs(one[name] - other[name]) <= bound for name in one)
