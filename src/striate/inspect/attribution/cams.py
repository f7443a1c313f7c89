"""Class activation maps: which cells of a layer's feature maps contribute to a score."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypedDict, Unpack

import torch
from torch import Tensor, nn

from striate.errors import SeeError, shape_text
from striate.inspect.attribution.probe import Probe, derivative, probing
from striate.inspect.attribution.result import Attribution
from striate.inspect.attribution.target_layer import pick_layer
from striate.inspect.capture import find_layer
from striate.inspect.target import TargetLike
from striate.learning.modules import hooked
from striate.tasks import CLASSIFICATION, Task


class CamOptions(TypedDict, total=False):
    """The options of a class activation map, as in :func:`grad_cam`."""

    layer: str | None
    relu: bool
    task: Task | str


Weighing = Callable[[Tensor, Tensor], Tensor]  # activations and gradients (C, *cells) to a map (*cells)


def grad_cam(
    module: nn.Module,
    x: Tensor,
    target: TargetLike = None,
    *,
    layer: str | None = None,
    relu: bool = False,
    task: Task | str = CLASSIFICATION,
) -> Attribution:
    """Grad-CAM: ``sum over k of mean(dS/dA_k) A_k``, Selvaraju et al. 2017, equations 1 and 2.

    The gradient is averaged over the map, so cells can light up that the score did not use (Draelos, Carin 2020):
    see :func:`hires_cam`. Of a net that ends in global average pooling and one linear layer it is CAM (Zhou et al.
    2016) divided by the number of cells.

    Args:
        module: Any module; it is left as it was.
        x: One input with its batch axis, ``(1, C, H, W)``.
        target: As in :func:`~striate.inspect.attribution.gradient`; a unit must come after *layer*.
        layer: Whose output is weighted; None for the one that :func:`cam_layer` picks. ``"relu#2"`` is the second
            call of a layer that is called more often.
        relu: Set negative values to zero, as the paper's equation 2 does in the end; without it the cells that
            contribute against the target are shown too.
        task: As in :func:`~striate.inspect.attribution.gradient`.

    Returns:
        Values ``(*cells of the layer)``, at the layer's own resolution. Where they lie on the image is for
        :func:`resize_to_input` and the layer's receptive field to say.

    Raises:
        SeeError: No such layer, its output has no positions, or the score does not depend on it.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    >>> import torch
    >>> found = grad_cam(net, torch.rand(1, 1, 4, 4), 0)
    >>> found.values.shape, found.layer
    ((2, 2), '1')
    """
    return _weighed("grad_cam", lambda a, g: (_sums(g) / g[0].numel() * a).sum(0), module, x, target, layer, relu, task)


def grad_cam_pp(module: nn.Module, x: Tensor, target: TargetLike = None, **options: Unpack[CamOptions]) -> Attribution:
    """Grad-CAM++: ``sum over k of w_k A_k`` with ``w_k = sum a_k ReLU(dS/dA_k)`` and, of ``g = dS/dA_k``,
    ``a_k = g^2 / (2 g^2 + g^3 sum A_k)``: Chattopadhyay et al. 2018, equations 12 and 19, for the score ``exp(S)``.

    The factor ``exp(S)`` of all weights is omitted: it changes no proportion and overflows. Where the gradient is
    zero, so is ``a_k``. Takes and gives what :func:`grad_cam` does.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    >>> import torch
    >>> grad_cam_pp(net, torch.rand(1, 1, 4, 4), 0).values.shape
    (2, 2)
    """
    return _weighed("grad_cam_pp", _plus_plus, module, x, target, **options)


def layer_cam(module: nn.Module, x: Tensor, target: TargetLike = None, **options: Unpack[CamOptions]) -> Attribution:
    """LayerCAM: ``sum over k of ReLU(dS/dA_k) * A_k``, each cell weighted by its own gradient: Jiang et al. 2021,
    equations 4 to 6. Takes and gives what :func:`grad_cam` does; made for early layers as well.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    >>> import torch
    >>> bool(layer_cam(net, torch.rand(1, 1, 4, 4), 0, layer="1").values.min() >= 0)
    True
    """
    return _weighed("layer_cam", lambda a, g: (g.clamp(min=0) * a).sum(0), module, x, target, **options)


def hires_cam(module: nn.Module, x: Tensor, target: TargetLike = None, **options: Unpack[CamOptions]) -> Attribution:
    """HiResCAM: ``sum over k of dS/dA_k * A_k``, Draelos and Carin 2020, equation 4. Where one linear layer follows
    the map, the cells sum to the score without its bias: only what the score used lights up. Takes and gives what
    :func:`grad_cam` does.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3, bias=False))
    >>> import torch
    >>> found = hires_cam(net, torch.rand(1, 1, 4, 4), 0)
    >>> bool(abs(found.values.sum() - found.score) < 1e-5)
    True
    """
    return _weighed("hires_cam", lambda a, g: (g * a).sum(0), module, x, target, **options)


def ablation_cam(
    module: nn.Module,
    x: Tensor,
    target: TargetLike = None,
    *,
    layer: str | None = None,
    relu: bool = False,
    batch: int = 32,
    task: Task | str = CLASSIFICATION,
) -> Attribution:
    """Ablation-CAM: ``sum over k of (S - S_k) A_k``, where ``S_k`` is the score with map ``A_k`` set to zero: Desai and
    Ramaswamy 2020, equations 3 and 4. No gradient is taken, so saturated units are not overlooked, and networks that
    run under ``no_grad`` or detach have a map too.

    The factor ``1 / S`` of all weights is omitted: it changes no proportion, and the sign where the score is negative.
    It costs a forward pass for each map of the layer.

    Args:
        batch: How many copies of the input run at once.

    Otherwise takes and gives what :func:`grad_cam` does.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    >>> import torch
    >>> ablation_cam(net, torch.rand(1, 1, 4, 4), 0).values.shape
    (2, 2)
    """
    with probing(module, x, target, task) as probe:
        name, score, maps, notes = _feature_maps(probe, layer)
        drops = []
        with torch.no_grad():
            for part in probe.chunks(maps.shape[1], batch):
                ablated = maps.repeat(len(part), *[1] * (maps.ndim - 1))
                for row, k in zip(ablated, part, strict=True):
                    row[k] = 0
                with _cut(probe.module, name, ablated):
                    drops.append(score - probe.scores(probe.leaf.expand(len(part), *probe.leaf.shape[1:])))
            cells = (torch.cat(drops).view(-1, *[1] * (maps.ndim - 2)) * maps[0]).sum(0)
        cells = cells.clamp(min=0) if relu else cells
        return probe.result("ablation_cam", cells, score, *notes, layer=name, rectified=relu)


def _plus_plus(a: Tensor, g: Tensor) -> Tensor:
    below = 2 * g**2 + g**3 * _sums(a)
    shares = (g**2 / below.where(below != 0, below.new_ones(()))).where(g != 0, below.new_zeros(()))
    return (_sums(shares * g.clamp(min=0)) * a).sum(0)


def _sums(values: Tensor) -> Tensor:
    """The sum of each channel of ``(C, *cells)``, in a shape that broadcasts against it."""
    return values.flatten(1).sum(1).view(-1, *[1] * (values.ndim - 1))


def _weighed(
    method: str,
    weigh: Weighing,
    module: nn.Module,
    x: Tensor,
    target: TargetLike,
    layer: str | None = None,
    relu: bool = False,
    task: Task | str = CLASSIFICATION,
) -> Attribution:
    with probing(module, x, target, task) as probe:
        name, scores, maps, notes = _feature_maps(probe, layer)
        slopes = derivative(scores, maps, f"the layer {name}")
        cells = weigh(maps[0].detach(), slopes[0])
        cells = cells.clamp(min=0) if relu else cells
        return probe.result(method, cells, scores, *notes, layer=name, rectified=relu)


def _feature_maps(probe: Probe, layer: str | None) -> tuple[str, Tensor, Tensor, tuple[str, ...]]:
    """The layer's name, the scores, its output ``(1, C, *cells)`` in their graph, and why this layer was picked."""
    picked, scores, maps = pick_layer(probe) if layer is None else (None, None, None)
    name = picked.name if picked else str(layer)
    if scores is None or maps is None:
        with _cut(probe.module, name) as at:
            scores = probe.scores(probe.leaf)
            maps = at.value
    if maps.ndim < 3 or maps[0, 0].numel() == 1:
        raise SeeError(f"{name}: its output of {shape_text(maps.shape[1:])} has no positions; use an earlier layer")
    return name, scores, maps, (picked.why,) if picked else ()


class _Cut:
    """The output of one layer as the beginning of the graph: ``value`` is what scores are differentiated by. Instead of
    it the network goes on with the output *instead*, where that is given.
    """

    def __init__(self, layer: str, instead: Tensor | None = None) -> None:
        self.name, _, number = layer.partition("#")
        self.layer, self.call = layer, int(number) if number.isdecimal() else None
        self.calls, self.instead = 0, instead
        self._value: Tensor | None = None

    @property
    def value(self) -> Tensor:
        if self._value is None:
            raise SeeError(
                f"{self.layer}: the network called {self.name} {self.calls} time(s), or it gave no tensor of floats"
            )
        if self.call is None and self.calls > 1:
            raise SeeError(f"{self.name}: called {self.calls} times; use {self.name}#1 to {self.name}#{self.calls}")
        return self._value

    def __call__(self, module: nn.Module, args: Any, output: Any) -> Any:
        self.calls += 1
        if self.calls != (self.call or 1) or not isinstance(output, Tensor) or not output.is_floating_point():
            return None
        self._value = output.detach().requires_grad_() if self.instead is None else self.instead
        return self._value.clone()  # what comes after may work in place


@contextmanager
def _cut(module: nn.Module, layer: str, instead: Tensor | None = None) -> Iterator[_Cut]:
    """Within it *module* is differentiated from the output of *layer* on: nothing before it costs a backward pass."""
    made = _Cut(layer, instead)
    with hooked([find_layer(module, made.name).register_forward_hook(made)]):
        yield made
