"""``striate.check``: of a description by arithmetic alone, of somebody's module by following it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from striate.analysis import Report
from striate.analysis import check as analyse
from striate.errors import SpecError
from striate.spec import Cat, Graph, Product, Seq, Shape, Spec, Sum
from striate.spec.ops import Base

if TYPE_CHECKING:
    from torch import nn


def check(net: Spec | Graph | str | nn.Module, input: Shape | str | None = None) -> Report:
    """Works out every layer of *net* for one *input*, and lists every fault with its fix; raises nothing for faults.

    Args:
        net: A graph, a spec (``Seq`` ...), the text form, or any ``nn.Module``: its forward is followed on tensors
            without numbers, so that nothing is computed and the module stays as it is.
        input: ``(C, H, W)`` or ``"3x224x224"``; not needed where the net says its own.

    Raises:
        SpecError: The text is not a net, no input size was given, or the module cannot be followed at all.

    >>> report = check("conv 6 5; relu; maxpool 2; flatten; linear 10", input=(1, 28, 28))
    >>> report.parameters, report.macs, report.layers[2].receptive_field
    (8806, 95040, (6, 6))
    """
    if is_module(net):
        from striate.net.read_report import check as check_module

        return check_module(net, input)
    if isinstance(net, str) or is_net(net):
        return analyse(net, input)
    hint = "; make one of it first: " + net.__name__ + "()" if isinstance(net, type) else ""
    raise SpecError(f"got a {type(net).__name__} for a net; wanted a text, a Seq, a Graph or an nn.Module{hint}")


def is_module(net: object) -> bool:
    """Whether *net* is an ``nn.Module``; torch need not be there to say no."""
    torch = sys.modules.get("torch.nn")
    return torch is not None and isinstance(net, torch.Module)


def is_net(net: object) -> bool:
    """Whether *net* is a network of any kind."""
    return is_module(net) or isinstance(net, Base | Seq | Sum | Cat | Product | Graph)
