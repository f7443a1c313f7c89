"""Asking a module for one score, and leaving it as it was: in evaluation, with gradients, for images and for words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from striate.errors import SeeError
from striate.inspect.capture import as_array, capture, find_layer
from striate.inspect.target import Asked, Target, as_target, best, select
from striate.learning import Scorer, evaluating
from striate.tasks import TASKS


class Probe:
    """One input of a module and the score that is asked about, as a function of the input (of words: their vectors).

    ``leaf`` is what attributions are of: the input ``(1, C, ...)``, or of words ``(1, words, vector)``.
    """

    def __init__(self, module: nn.Module, x: Tensor, target: Asked, task: str) -> None:
        if task not in TASKS:
            raise SeeError(f"task {task!r}: it is one of {', '.join(TASKS)}")
        if not isinstance(x, Tensor) or x.ndim < 2 or len(x) != 1:
            came = f"a tensor of shape {tuple(x.shape)}" if isinstance(x, Tensor) else f"a {type(x).__name__}"
            raise SeeError(f"got {came}; wanted one input with its batch axis, such as (1, 3, 224, 224): x[None]")
        self.module, self.task = module, task
        self.asked = as_target(target)
        self._words = None if x.is_floating_point() else x.detach().clone()
        self.notes: tuple[str, ...] = ()
        # a clone: what was made under inference_mode can be differentiated, and in-place layers change no one's x
        self.leaf = x.detach().clone() if self._words is None else self._vectors()
        self.dense = False  # an answer for each place: known after the first call of scores

    @property
    def target(self) -> Target:
        """What was asked about, known after the first call of ``scores``."""
        if self.asked is None:
            self.scores(self.leaf)
        assert self.asked is not None
        return self.asked

    def scores(self, batch: Tensor) -> Tensor:
        """The score of each item of *batch* ``(N, *leaf)``, as ``(N,)``."""
        if self.asked is None or not self.asked.layer:
            output = self._output(batch)
            self.asked = self.asked or best(output, self.task)
            return select(output, self.asked)
        with capture(self.module, self.asked.layer.partition("#")[0]) as seen:
            self.run(batch)
        return select(seen.tensor(self.asked.layer), self.asked)

    def chances(self, batch: Tensor) -> Tensor:
        """As ``scores``, but the probability where the target is one of several classes, or a label."""
        if self.target.layer or self.task == "regression":
            return self.scores(batch)
        output = self._output(batch)
        if self.task != "multilabel" and output.shape[1] == 1:
            return select(output, self.target)
        return select(output.sigmoid() if self.task == "multilabel" else output.softmax(1), self.target)

    def _output(self, batch: Tensor) -> Tensor:
        """The scores of all classes, ``(N, K, *places)``."""
        output = first_tensor(self.run(batch, Scorer(self.module, self.task)))
        if output is None or output.ndim < 1 or len(output) != len(batch):
            came = "no tensor" if output is None else f"shape {tuple(output.shape)}"
            raise SeeError(f"for {len(batch)} input(s) the network gave {came}; wanted a tensor with one row for each")
        self.dense = output.ndim > 2 and output[0, 0].numel() > 1
        return output[:, None] if output.ndim == 1 else output

    def run(self, batch: Tensor, module: Callable[[Tensor], Any] | None = None) -> Any:
        """What the module (or *module*, which calls it) gives for *batch*."""
        call = module or self.module
        if self._words is None:
            return call(batch.clone())
        with _LookUp(batch.clone()):
            return call(self._words.expand(len(batch), *self._words.shape[1:]))

    def slopes(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """For each item of *batch* the gradient of its score ``(N, *leaf)``, and the score ``(N,)``."""
        batch = batch.detach().requires_grad_()
        scores = self.scores(batch)
        return derivative(scores, batch, "the input"), scores.detach()

    @property
    def alone(self) -> bool:
        """Whether each item has to run alone, since statistics of the batch itself would mix them."""
        norms = (part for part in self.module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm))
        return any(norm.running_mean is None for norm in norms)

    @property
    def is_image(self) -> bool:
        """Whether the channels of ``leaf`` come first; the vectors of words come last."""
        return self._words is None

    def array(self, values: Tensor) -> Any:
        """*values* ``(*leaf without its first axis)`` as an array, the channels (the vector of a word) first."""
        values = values if self._words is None else values.movedim(-1, 0)
        return as_array(values)

    def _vectors(self) -> Tensor:
        seen, none = _LookUp(), SeeError(
            "the input holds whole numbers and the network looks none of them up in an embedding; give it as float, "
            "x.float()"
        )  # fmt: skip
        try:
            with torch.no_grad(), seen:
                self.module(self._words)
        except RuntimeError:
            if seen.found is None:  # a convolution of whole numbers, say
                raise none from None
            raise
        if seen.found is None:
            raise none
        if seen.calls > 1:
            self.notes = (f"of the first of {seen.calls} embeddings that were looked up; the others stay as they are",)
        return seen.found.detach().clone()


@contextmanager
def probing(module: nn.Module, x: Tensor, target: Asked, task: str) -> Iterator[Probe]:
    """A :class:`Probe`, and around it evaluation mode and gradients; afterwards *module* is as it was.

    Raises:
        SeeError: The input is not one, the target is none, or the parameters cannot be differentiated through.
    """
    module = getattr(module, "_orig_mod", module)  # what torch.compile wraps: the same layers, open to rules and hooks
    if any(p.is_inference() for p in module.parameters()):
        raise SeeError("the network's weights were made under torch.inference_mode; make or load it outside of that")
    with evaluating(module), torch.inference_mode(False), torch.enable_grad():
        yield Probe(module, x, target, task)


class Cut:
    """The output of one layer as the beginning of the graph: ``value`` is what scores are differentiated by."""

    def __init__(self, layer: str) -> None:
        self.name, _, number = layer.partition("#")
        self.layer, self.call = layer, int(number) if number.isdecimal() else None
        self.calls = 0
        self._value: Tensor | None = None

    @property
    def value(self) -> Tensor:
        if self._value is None:
            raise SeeError(
                f"{self.layer}: the network called {self.name} {self.calls} time(s), or it gave no tensor of floats"
            )
        if self.call is None and self.calls > 1:
            raise SeeError(f"{self.name}: called {self.calls} times; take {self.name}#1 to {self.name}#{self.calls}")
        return self._value

    def __call__(self, module: nn.Module, args: Any, output: Any) -> Any:
        self.calls += 1
        if self.calls != (self.call or 1) or not isinstance(output, Tensor) or not output.is_floating_point():
            return None
        self._value = output.detach().requires_grad_()
        return self._value.clone()  # what comes after may work in place


@contextmanager
def cut(module: nn.Module, layer: str) -> Iterator[Cut]:
    """Within it *module* is differentiated from the output of *layer* on: nothing before it costs a backward pass."""
    made = Cut(layer)
    handle = find_layer(module, made.name).register_forward_hook(made)
    try:
        yield made
    finally:
        handle.remove()


def first_tensor(output: Any) -> Tensor | None:
    """The tensor that *output* is, or the first one in it; None where there is none."""
    if is_dataclass(output):
        output = vars(output)
    while isinstance(output, dict | tuple | list) and output:
        output = next(iter(output.values())) if isinstance(output, dict) else output[0]
    return output if isinstance(output, Tensor) else None


def derivative(scores: Tensor, by: Tensor, name: str) -> Tensor:
    """The gradient of the sum of *scores*, which touches no parameter's ``grad``.

    Raises:
        SeeError: Nothing of the score depends on *by*, or the way is cut by ``no_grad`` or ``detach``.
    """
    try:
        found = torch.autograd.grad(scores.sum(), by, allow_unused=True)[0] if scores.requires_grad else None
    except RuntimeError as error:
        if "inplace operation" not in str(error):
            raise
        raise SeeError(
            "the network overwrites in place what its own gradient needs, so it can be neither differentiated nor "
            "trained; take occlusion, or inplace=False"
        ) from None
    if found is None:
        raise SeeError(
            f"the score does not depend on {name} in a way that can be differentiated; the target may come before it, "
            f"or the network runs under no_grad or detaches"
        )
    return found


def chunks(probe: Probe, total: int, batch: int) -> Iterator[range]:
    """*total* items in runs of *batch*, one by one where the network mixes the items of a batch."""
    if batch < 1 or total < 1:
        raise SeeError(f"got {total} in batches of {batch}; both are 1 or more")
    size = 1 if probe.alone else batch
    return (range(i, min(i + size, total)) for i in range(0, total, size))


class _LookUp(TorchFunctionMode):
    """Notes what the first embedding gave, or gives *vectors* in its place."""

    def __init__(self, vectors: Tensor | None = None) -> None:
        super().__init__()
        self.vectors, self.found, self.calls = vectors, None, 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is not F.embedding:
            return func(*args, **(kwargs or {}))
        self.calls += 1
        if self.calls > 1 or self.vectors is None:
            output = func(*args, **(kwargs or {}))
            self.found = output if self.calls == 1 else self.found
            return output
        return self.vectors
