"""Guided backpropagation and the deconvnet: the gradient with another rule at each ReLU on the way back.

Both show what gets through the net from the input to the score, sharply, and little of what the score is about. Nie,
Zhang, Patel 2018 show that they partly recover the image; Adebayo et al. 2018 (guided backpropagation) and Sixt, Granz,
Landgraf 2020 (both) that they hardly change when the upper layers are made random. Binder et al. 2022, "Shortcomings of
top-down randomization-based sanity checks", warn against ranking methods by that test; of these two, theory says the
same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from striate.inspect.attribution.probe import probing
from striate.inspect.attribution.result import Attribution
from striate.inspect.target import TargetLike
from striate.tasks import CLASSIFICATION, Task

aten = torch.ops.aten
IN_PLACE = (Tensor.clamp_, Tensor.clip_, Tensor.clamp_min_, torch.clamp_, torch.clip_, torch.clamp_min_)
CLAMPS = (torch.clamp, torch.clip, torch.clamp_min, Tensor.clamp, Tensor.clip, Tensor.clamp_min, *IN_PLACE)
# torch's activations: the backward of each that has a rule of its own keeps it
KEPT = {name.lower(): name for name in nn.modules.activation.__all__} | {"prelukernel": "PReLU"}


def guided_backprop(
    module: nn.Module, x: Tensor, target: TargetLike = None, *, task: Task | str = CLASSIFICATION
) -> Attribution:
    """The gradient, of which each ReLU lets back only what is positive, and only where its input was: Springenberg,
    Dosovitskiy, Brox, Riedmiller 2014, section 3.4: ``R_in = (x > 0) (R > 0) R``.

    Every ReLU is found, as a module (in place or not, used once or often), a function, a method, ``clamp(min=0)``, or
    capped (ReLU6). Other activations (LeakyReLU, ELU, GELU, tanh) keep their derivative, and the note names them; a
    ReLU written as ``maximum``, ``where`` or a product is not recognised.

    Takes and gives what :func:`~striate.inspect.attribution.gradient` does; ``fails_randomisation`` is set where there
    is a ReLU.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(8, 3))
    >>> found = guided_backprop(net, torch.rand(1, 1, 4, 4), 0)
    >>> found.values.shape, found.fails_randomisation
    ((1, 4, 4), True)
    """
    return _by(_Rule(gated=True), "guided_backprop", module, x, target, task)


def deconvnet(
    module: nn.Module, x: Tensor, target: TargetLike = None, *, task: Task | str = CLASSIFICATION
) -> Attribution:
    """The score sent back through transposed filters, unpooling and ReLUs: Zeiler and Fergus 2013, section 2.1.

    At each ReLU what comes back is rectified, whatever its input was: ``R_in = (R > 0) R``. Max pooling sends each
    value to where the maximum was (the paper's switches; where windows overlap they are added). Which ReLUs are found,
    and what other activations do, is as in :func:`guided_backprop`; normalisations send back by their gradient.

    Takes and gives what :func:`~striate.inspect.attribution.gradient` does; ``fails_randomisation`` is set where there
    is a ReLU.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3))
    >>> deconvnet(net, torch.rand(1, 1, 4, 4), 0).notes[0]
    'the network has no ReLU here: this is the plain gradient'
    """
    return _by(_Rule(gated=False), "deconvnet", module, x, target, task)


class _Rule(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no types for it
    """Watches the backward pass below autograd, where each kind of ReLU is one operation, in place or not.

    Only what is positive goes back through a ReLU; where it is *gated*, only where its input was positive as well.
    """

    def __init__(self, *, gated: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # likewise
        self.gated, self.relus = gated, 0
        self.others: Counter[str] = Counter()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # or the first use loads the whole compiler, some seconds, to keep it out

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        packet = func.overloadpacket
        # of threshold(x) the third argument is the threshold, of hardtanh(x) the lower bound
        if packet in (aten.threshold_backward, aten.hardtanh_backward) and args[2] == 0:
            self.relus += 1
            positive = args[0].clamp(min=0)
            return func(positive, *args[1:], **(kwargs or {})) if self.gated else positive
        name = packet.__name__.removesuffix("_backward").replace("_", "")
        if name in KEPT and packet.__name__.endswith("_backward"):
            self.others[KEPT[name]] += 1
        return func(*args, **(kwargs or {}))


class _Clamps(TorchFunctionMode):
    """``clamp(min=0)`` is a ReLU and ``clamp(0, cap)`` a capped one: called as such, so that the rule finds them."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in CLAMPS and "out" not in kwargs:
            x, low, high = _bounds(*args, **kwargs)
            plain = x.is_floating_point() and (high is None or isinstance(high, int | float))
            if plain and isinstance(low, int | float) and low == 0:
                if high is not None:
                    return F.hardtanh(x, 0.0, float(high), inplace=func in IN_PLACE)
                return torch.relu_(x) if func in IN_PLACE else torch.relu(x)
        return func(*args, **kwargs)


def _bounds(input: Tensor, min: Any = None, max: Any = None) -> tuple[Tensor, Any, Any]:
    return input, min, max


def _by(rule: _Rule, method: str, module: nn.Module, x: Tensor, target: TargetLike, task: Task | str) -> Attribution:
    with probing(module, x, target, task) as probe, _Clamps(), rule:
        values, scores = probe.gradients(probe.leaf)
    notes = [] if rule.relus else ["the network has no ReLU here: this is the plain gradient"]
    if rule.others:
        names = ", ".join(f"{name} ({n})" for name, n in rule.others.items())
        notes.append(f"other activations keep their own derivative: {names}")
    return probe.of_input(method, values[0], scores, *notes, fails_randomisation=bool(rule.relus))
