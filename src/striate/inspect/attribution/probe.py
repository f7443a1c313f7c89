"""One score of a module as a function of its input, in evaluation mode, with gradients; the module stays as it was."""

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
from striate.inspect.attribution.result import Attribution
from striate.inspect.capture import as_array, capture
from striate.inspect.target import Target, TargetLike, as_target, predicted_target, target_score
from striate.learning import Scorer, evaluating
from striate.tasks import Task, task_named


class Probe:
    """One input of a module and the target's score, as a function of the input (of words: their vectors).

    ``leaf`` is what attributions are of: the input ``(1, C, ...)``, or of words ``(1, words, vector)``.
    """

    def __init__(self, module: nn.Module, x: Tensor, target: TargetLike, task: Task | str) -> None:
        if not isinstance(x, Tensor) or x.ndim < 2 or len(x) != 1:
            came = f"a tensor of shape {tuple(x.shape)}" if isinstance(x, Tensor) else f"a {type(x).__name__}"
            raise SeeError(f"got {came}; expected one input with its batch axis, such as (1, 3, 224, 224): x[None]")
        self.module, self.task = module, task_named(task)
        self.asked = as_target(target)
        self._words = None if x.is_floating_point() else x.detach().clone()
        self.notes: tuple[str, ...] = ()
        # a clone: what was made under inference_mode can be differentiated, and in-place layers change no one's x
        self.leaf = x.detach().clone() if self._words is None else self._vectors()
        self.dense = False  # an output for each position: known after the first call of scores

    @property
    def target(self) -> Target:
        """What the score is of, known after the first call of ``scores``."""
        if self.asked is None:
            self.scores(self.leaf)
        assert self.asked is not None
        return self.asked

    def scores(self, batch: Tensor) -> Tensor:
        """The score of each item of *batch* ``(N, *leaf)``, as ``(N,)``."""
        if self.asked is None or not self.asked.layer:
            output = self._output(batch)
            self.asked = self.asked or predicted_target(output, self.task)
            return target_score(output, self.asked)
        with capture(self.module, self.asked.layer.partition("#")[0]) as seen:
            self.run(batch)
        return target_score(seen.tensor(self.asked.layer), self.asked)

    def probabilities(self, batch: Tensor) -> Tensor:
        """As ``scores``, but the probability where the target is one of several classes, or a label."""
        if self.target.layer or self.task.continuous:
            return self.scores(batch)
        output = self._output(batch)
        if output.shape[1] > 1 or self.task.several:
            output = output.sigmoid() if self.task.several else output.softmax(1)
        return target_score(output, self.target)

    def _output(self, batch: Tensor) -> Tensor:
        """The scores of all classes, ``(N, K, *positions)``."""
        output = first_tensor(self.run(batch, Scorer(self.module, self.task)))
        if output is None or output.ndim < 1 or len(output) != len(batch):
            came = "no tensor" if output is None else f"shape {tuple(output.shape)}"
            raise SeeError(
                f"for {len(batch)} input(s) the network gave {came}; expected a tensor with one row for each"
            )
        self.dense = output.ndim > 2 and output[0, 0].numel() > 1
        return output[:, None] if output.ndim == 1 else output

    def run(self, batch: Tensor, module: Callable[[Tensor], Any] | None = None) -> Any:
        """What the module (or *module*, which calls it) gives for *batch*."""
        call = module or self.module
        if self._words is None:
            return call(batch.clone())
        with _LookUp(batch.clone()):
            return call(self._words.expand(len(batch), *self._words.shape[1:]))

    def gradients(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """For each item of *batch* the gradient of its score ``(N, *leaf)``, and the score ``(N,)``."""
        batch = batch.detach().requires_grad_()
        scores = self.scores(batch)
        return derivative(scores, batch, "the input"), scores.detach()

    @property
    def _alone(self) -> bool:
        """Whether each item has to run alone, since statistics of the batch itself would mix them."""
        norms = (part for part in self.module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm))
        return any(norm.running_mean is None for norm in norms)

    @property
    def is_image(self) -> bool:
        """Whether the channels of ``leaf`` come first; the vectors of words come last."""
        return self._words is None

    def of_input(self, method: str, values: Tensor, scores: Tensor, *notes: str, **more: Any) -> Attribution:
        """The result of a method on the input: *values* ``(*leaf without its first axis)``."""
        values = values if self._words is None else values.movedim(-1, 0)  # the vector of a word is its channels
        rank = values.ndim - 1
        grid = (0.0,) * rank + (1.0,) * rank
        return self.result(method, values, scores, *notes, per_channel=True, grid=grid, **more)

    def result(self, method: str, values: Tensor, scores: Tensor, *notes: str, **more: Any) -> Attribution:
        """The result of any method; *scores* ``(1,)`` is the target's."""
        notes = (*self.notes, *notes)
        return Attribution(method, as_array(values), self.target, float(scores[0].detach()), notes=notes, **more)

    def like(self, value: float | Tensor, leaf: Tensor | None = None) -> Tensor:
        """*value* in the shape of the input.

        Raises:
            SeeError: It does not fit.
        """
        leaf = self.leaf if leaf is None else leaf
        given = torch.as_tensor(value, dtype=leaf.dtype, device=leaf.device).detach()
        try:
            return given.broadcast_to(leaf.shape).clone()
        except RuntimeError:
            shapes = f"{tuple(given.shape)} does not fit the input {tuple(leaf.shape)}"
            raise SeeError(f"a value of shape {shapes}") from None

    def chunks(self, total: int, batch: int) -> Iterator[range]:
        """*total* items in runs of *batch*, one by one where the network mixes the items of a batch."""
        if batch < 1 or total < 1:
            raise SeeError(f"got {total} in batches of {batch}; both are 1 or more")
        size = 1 if self._alone else batch
        return (range(i, min(i + size, total)) for i in range(0, total, size))

    def _vectors(self) -> Tensor:
        seen, none = _LookUp(), SeeError(
            "the input contains whole numbers and the network looks none of them up in an embedding; give it as float, "
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
def probing(module: nn.Module, x: Tensor, target: TargetLike, task: Task | str) -> Iterator[Probe]:
    """A :class:`Probe`, and around it evaluation mode and gradients; afterwards *module* is as it was.

    Raises:
        SeeError: *x* is not one input, there is no such target, or the parameters cannot be differentiated through.
    """
    module = getattr(module, "_orig_mod", module)  # what torch.compile wraps: the same layers, open to rules and hooks
    if any(p.is_inference() for p in module.parameters()):
        raise SeeError("the network's weights were made under torch.inference_mode; make or load it outside of that")
    with evaluating(module), torch.inference_mode(False), torch.enable_grad():
        yield Probe(module, x, target, task)


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
            "trained; use occlusion, or inplace=False"
        ) from None
    if found is None:
        raise SeeError(
            f"the score does not depend on {name} in a way that can be differentiated; the target may come before it, "
            f"or the network runs under no_grad or detaches"
        )
    return found


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
