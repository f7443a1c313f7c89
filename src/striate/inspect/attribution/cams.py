"""Class activation maps by gradients: which places of a layer's map speak for a score."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from striate.errors import SeeError, shape_text
from striate.inspect.attribution.layer import pick
from striate.inspect.attribution.probe import cut, derivative, probing
from striate.inspect.attribution.result import Attribution
from striate.inspect.capture import as_array
from striate.inspect.target import Asked

Combine = Callable[[Tensor, Tensor], Tensor]  # activations and gradients (C, places) to cells (places)


def grad_cam(
    module: nn.Module,
    x: Tensor,
    target: Asked = None,
    *,
    layer: str | None = None,
    relu: bool = False,
    task: str = "classification",
) -> Attribution:
    """``sum over k of mean(dS/dA_k) A_k``: Selvaraju et al. 2017, equations 1 and 2.

    The gradient is averaged over the map, so cells can light up that the score did not use (Draelos, Carin 2020):
    see :func:`hires_cam`. Of a net that ends in global average pooling and one linear layer it is CAM (Zhou et al.
    2016) divided by the number of cells.

    Args:
        module: Any module; it comes back as it was.
        x: One input with its batch axis.
        target: As in :func:`~striate.inspect.attribution.gradient`; a unit must come after *layer*.
        layer: Whose output is weighed; None for the one that :func:`cam_layer` picks. ``"relu#2"`` is the second
            call of a layer that is called more often.
        relu: Cut off what is negative, as the paper's equation 2 does in the end; without it the cells that speak
            against the target are there too.
        task: As in :func:`~striate.inspect.attribution.gradient`.

    Returns:
        Values ``(*places of the layer)``, at the layer's own resolution. Where they lie on the image is for
        :func:`placed` and the layer's receptive field to say.

    Raises:
        SeeError: The layer has no places, is not there, or the score does not depend on it.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    >>> import torch
    >>> found = grad_cam(net, torch.rand(1, 1, 4, 4), 0)
    >>> found.values.shape, found.layer
    ((2, 2), '1')
    """
    return _cells("grad_cam", _averaged, module, x, target, layer, relu, task)


def grad_cam_pp(
    module: nn.Module,
    x: Tensor,
    target: Asked = None,
    *,
    layer: str | None = None,
    relu: bool = False,
    task: str = "classification",
) -> Attribution:
    """Grad-CAM++: ``sum over k of w_k A_k`` with ``w_k = sum a_k ReLU(dS/dA_k)`` and, of ``g = dS/dA_k``,
    ``a_k = g^2 / (2 g^2 + g^3 sum A_k)``: Chattopadhyay et al. 2018, equations 12 and 19, for the score ``exp(S)``.

    The factor ``exp(S)`` of all weights is left out: it changes no proportion and overflows. Where the gradient is
    zero, so is ``a_k``. Takes and gives what :func:`grad_cam` does.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    >>> import torch
    >>> grad_cam_pp(net, torch.rand(1, 1, 4, 4), 0).values.shape
    (2, 2)
    """
    return _cells("grad_cam_pp", _plus_plus, module, x, target, layer, relu, task)


def layer_cam(
    module: nn.Module,
    x: Tensor,
    target: Asked = None,
    *,
    layer: str | None = None,
    relu: bool = False,
    task: str = "classification",
) -> Attribution:
    """``sum over k of ReLU(dS/dA_k) * A_k``, each place weighed by its own gradient: Jiang et al. 2021, equations 4
    to 6. Takes and gives what :func:`grad_cam` does; made for early layers as well.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    >>> import torch
    >>> bool(layer_cam(net, torch.rand(1, 1, 4, 4), 0, layer="1").values.min() >= 0)
    True
    """
    return _cells("layer_cam", lambda a, g: (g.clamp(min=0) * a).sum(0), module, x, target, layer, relu, task)


def hires_cam(
    module: nn.Module,
    x: Tensor,
    target: Asked = None,
    *,
    layer: str | None = None,
    relu: bool = False,
    task: str = "classification",
) -> Attribution:
    """``sum over k of dS/dA_k * A_k``: Draelos and Carin 2020, equation 4. Where one linear layer follows the map,
    the cells sum to the score without its bias: only what the score used lights up. Takes and gives what
    :func:`grad_cam` does.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3, bias=False))
    >>> import torch
    >>> found = hires_cam(net, torch.rand(1, 1, 4, 4), 0)
    >>> bool(abs(found.values.sum() - found.score) < 1e-5)
    True
    """
    return _cells("hires_cam", lambda a, g: (g * a).sum(0), module, x, target, layer, relu, task)


def _averaged(a: Tensor, g: Tensor) -> Tensor:
    return (_over_places(g) / g[0].numel() * a).sum(0)


def _plus_plus(a: Tensor, g: Tensor) -> Tensor:
    below = 2 * g**2 + g**3 * _over_places(a)
    shares = (g**2 / below.where(below != 0, below.new_ones(()))).where(g != 0, below.new_zeros(()))
    return (_over_places(shares * g.clamp(min=0)) * a).sum(0)


def _over_places(values: Tensor) -> Tensor:
    """The sum of each channel of ``(C, *places)``, in a shape that broadcasts against it."""
    return values.flatten(1).sum(1).view(-1, *[1] * (values.ndim - 1))


def _cells(
    method: str, combine: Combine, module: nn.Module, x: Tensor, target: Asked, layer: str | None, relu: bool, task: str
) -> Attribution:
    with probing(module, x, target, task) as probe:
        picked, scores, maps = pick(probe) if layer is None else (None, None, None)
        name = picked.name if picked else str(layer)
        if scores is None or maps is None:
            with cut(probe.module, name) as at:
                scores = probe.scores(probe.leaf)
                maps = at.value
        if maps.ndim < 3 or maps[0, 0].numel() == 1:
            sizes = shape_text(maps.shape[1:])
            raise SeeError(f"{name}: its output of {sizes} has no places to tell apart; take an earlier layer")
        slopes = derivative(scores, maps, f"the layer {name}")
        cells = combine(maps[0].detach(), slopes[0])
        cells = cells.clamp(min=0) if relu else cells
        return Attribution(
            method, as_array(cells), probe.target, float(scores[0].detach()), layer=name, rectified=relu,
            notes=(*probe.notes, *([picked.why] if picked else [])),
        )  # fmt: skip
