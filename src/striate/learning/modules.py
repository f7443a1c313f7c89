"""Modules while they are trained and looked at: the scores before a softmax, evaluation mode, frozen layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from striate.errors import DataError
from striate.tasks import CLASSIFICATION, Task, task_named
from striate.threads import one_at_a_time

_SOFTMAX = (
    F.softmax, F.log_softmax, torch.softmax, torch.log_softmax, Tensor.softmax, Tensor.log_softmax,
    torch.special.softmax, torch.special.log_softmax,
)  # fmt: skip
_SIGMOID = (F.sigmoid, torch.sigmoid, Tensor.sigmoid, torch.special.expit)
# what is undone, by the task's activation; where it has none, a sigmoid at the end is meant
_UNDONE: dict[str, tuple[Callable[..., Any], ...]] = {"softmax": _SOFTMAX, "sigmoid": _SIGMOID, "": ()}
_SHAPES = (
    torch.flatten, torch.reshape, torch.squeeze, torch.clone, Tensor.flatten, Tensor.reshape, Tensor.view,
    Tensor.squeeze, Tensor.clone, Tensor.contiguous, Tensor.to, Tensor.float,
)  # fmt: skip


def leading_tensor(value: Any) -> Tensor:
    """The first tensor of a batch's inputs or targets: itself, or of a tuple, a list, a dict.

    Raises:
        DataError: There is none.

    >>> len(leading_tensor({"image": torch.zeros(4, 3), "age": torch.zeros(4)}))
    4
    """
    if isinstance(value, Tensor):
        return value
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    for part in parts:
        return leading_tensor(part)
    raise DataError(f"a batch has a {type(value).__name__}; expected a tensor, or several in a tuple, list or dict")


def each_tensor(function: Callable[[Tensor], Tensor], value: Any) -> Any:
    """*value* with every tensor in it, in tuples, lists and dicts, replaced by what *function* gives for it.

    >>> each_tensor(torch.neg, (torch.ones(1), [torch.ones(1)]))
    (tensor([-1.]), [tensor([-1.])])
    """
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, Mapping):
        return {key: each_tensor(function, part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        parts = [each_tensor(function, part) for part in value]
        return parts if isinstance(value, list) else tuple(parts)
    return value


class Scorer:
    """Calls a module and gives the scores before its softmax, so that a net that ends in one trains right.

    Taking cross-entropy of probabilities is the commonest silent mistake: it trains, badly. If the module's
    output is what a softmax (or its logarithm) gave, as a layer or as a call in its ``forward``, the scores are
    what went in there. For several labels it is the sigmoid that is undone, for numbers to be predicted nothing.

    >>> net = nn.Sequential(nn.Linear(3, 2), nn.Softmax(dim=1))
    >>> scores = Scorer(net)(torch.ones(1, 3))
    >>> torch.equal(scores, net[0](torch.ones(1, 3)))
    True
    """

    def __init__(self, module: nn.Module, task: Task | str | None = CLASSIFICATION) -> None:
        self.module = module
        self.task = None if task is None else task_named(task)  # None: the outputs as they are, for a loss of one's own
        self._plain: dict[bool, bool] = {}  # by the module's mode: it was seen to give scores

    def __call__(self, x: Any) -> Tensor:
        if self.task is None:
            if isinstance(x, Mapping):
                return self.module(**x)  # type: ignore[no-any-return]
            return self.module(*x) if isinstance(x, list | tuple) else self.module(x)  # type: ignore[no-any-return]
        if self._plain.get(self.module.training):
            return self.module(x)  # type: ignore[no-any-return]
        with _Endings(_UNDONE[self.task.activation]) as seen:
            output: Tensor = self.module(x)
        found = next((scores for scores, probabilities in reversed(seen.pairs) if probabilities is output), None)
        if found is not None or not self.task.exclusive or not _are_probabilities(output):
            self._plain[self.module.training] = found is None
            return output if found is None else found
        return output.clamp_min(torch.finfo(output.dtype).tiny).log()  # of a compiled module: the scores but for a sum


def _are_probabilities(output: Tensor) -> bool:
    """Whether every row is one, whoever made them."""
    if not isinstance(output, Tensor) or output.ndim != 2 or output.shape[1] < 2 or not output.is_floating_point():
        return False
    with torch.no_grad():
        return bool((output >= 0).all() and ((output.sum(1) - 1).abs() < 1e-4).all())


class _Endings(TorchFunctionMode):
    """While it is entered, notes what went into each of *functions* and what came out; also reshaped, as by a
    flatten.
    """

    def __init__(self, functions: tuple[Callable[..., Any], ...]) -> None:
        super().__init__()
        self.functions = functions
        self.pairs: list[tuple[Tensor, Tensor]] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        if func in self.functions:
            self.pairs.append((args[0] if args else kwargs["input"], output))
        elif func in _SHAPES and args:
            of = next((scores for scores, probabilities in self.pairs if probabilities is args[0]), None)
            if of is not None:
                self.pairs.append((func(of, *args[1:], **kwargs), output))
        return output


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """*module* in evaluation mode, and then every part of it in the mode that it was in. Another thread that wants the
    same waits: it would take one thread's evaluation mode for the module's own, or find its hooks.
    """
    with one_at_a_time(module), restored_modes(module):
        module.eval()
        yield


@contextmanager
def hooked(hooks: Iterable[RemovableHandle]) -> Iterator[None]:
    """Removes *hooks* at the end, whatever happens."""
    try:
        yield
    finally:
        for handle in hooks:
            handle.remove()


@contextmanager
def restored_modes(module: nn.Module) -> Iterator[None]:
    """Afterwards every part of *module* is in the mode that it was in."""
    modes = [(part, part.training) for part in module.modules()]
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


@contextmanager
def restored_weights(module: nn.Module) -> Iterator[None]:
    """Afterwards *module* is as it was, its weights, statistics, gradients and modes, and so is torch's generator."""
    held = [(tensor, tensor.detach().clone()) for tensor in (*module.parameters(), *module.buffers())]
    gradients = [(p, p.grad) for p in module.parameters()]
    rng = torch.get_rng_state()
    try:
        with restored_modes(module):
            yield
    finally:
        with torch.no_grad():
            for tensor, value in held:
                tensor.copy_(value)
        for p, gradient in gradients:
            p.grad = gradient
        torch.set_rng_state(rng)


def freeze(module: nn.Module, names: Iterable[str]) -> tuple[int, int]:
    """Fixes the weights of the submodules called *names*; gives how many numbers are fixed and how many are trained.

    >>> net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    >>> freeze(net, ["0", "1"])
    (16, 10)
    """
    for name in names:
        module.get_submodule(name).requires_grad_(False)
    fixed = sum(p.numel() for p in module.parameters() if not p.requires_grad)
    return fixed, sum(p.numel() for p in module.parameters()) - fixed


def fixed_norms(module: nn.Module, every: bool = False) -> list[nn.Module]:
    """The normalisation layers whose weights are all fixed: their running statistics have to stay as well, or what
    was frozen would change under its own weights. With *every*, all that have such statistics.

    >>> net = nn.Sequential(nn.BatchNorm1d(3), nn.BatchNorm1d(3))
    >>> _ = freeze(net, ["0"])
    >>> len(fixed_norms(net))
    1
    """
    norms = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._NormBase)]
    if every:
        return [norm for norm in norms if norm.track_running_stats]
    weights = [(norm, list(norm.parameters())) for norm in norms]
    return [norm for norm, own in weights if own and not any(p.requires_grad for p in own)]
