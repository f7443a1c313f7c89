"""A model as one module: from what the contract's resizing gives to probabilities (or values) and scores.

This is what every exported file computes. Scaling, mean and standard deviation, the views of test-time
augmentation, the temperature and the softmax or sigmoid are inside, so that nobody does them again by hand.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from striate.exporters.exported import ExportError
from striate.learning import Scorer, evaluating
from striate.model.contract import Contract
from striate.model.model import Model, averaged_scores
from striate.model.prepare import normalise

DTYPES = {"values": torch.float32, "text": torch.int64}  # of the inputs, by the contract's mode; else bytes


class Standalone(nn.Module):
    """*model* on the CPU, in evaluation mode. ``(N, *contract.input)`` to two outputs: probabilities (values, in
    regression) and scores, as ``Model.scores`` gives them; both float32 ``(N, ...)``.

    >>> from striate.net import build
    >>> from striate.spec import parse
    >>> contract = Contract(("dark", "bright"), (1, 2, 2), "L", (0.5,), (0.5,))
    >>> both = Standalone(Model(build(parse("input 1x2x2; flatten; linear 2")), contract))
    >>> probabilities, scores = both(both.example())
    >>> probabilities.shape, torch.equal(scores.softmax(1), probabilities)
    (torch.Size([2, 2]), True)
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.contract = model.contract
        self.net = model.module
        if any(p.device.type != "cpu" for p in model.module.parameters()):
            self.net = copy.deepcopy(model.module).cpu()
        self.eval()
        self._scores = (Scorer(self.net, model.contract.task),)  # in a tuple: it is no part of the module
        with torch.no_grad():
            self(self.example())  # after which it is known whether the net ends in a softmax

    def example(self, items: int = 2) -> Tensor:
        """Inputs of the right shape and type."""
        return torch.zeros((items, *self.contract.input), dtype=DTYPES.get(self.contract.mode, torch.uint8))

    def forward(self, input: Tensor) -> tuple[Tensor, Tensor]:
        with _Expressible():
            scores = averaged_scores(*self._scores, normalise(input, self.contract), self.contract)
        return _meaning(scores, self.contract), scores


def _meaning(scores: Tensor, contract: Contract) -> Tensor:
    """Probabilities; values in the data's own units, positions as shares of the input's sides."""
    if contract.task.activation:
        scores = scores / contract.temperature
        return scores.softmax(1) if contract.task.activation == "softmax" else scores.sigmoid()
    return scores * scores.new_tensor(contract.target_std) + scores.new_tensor(contract.target_mean)


class _Expressible(TorchFunctionMode):
    """What exporters lack, in operators that they have: the divisor of an average, which torch's ONNX exporter leaves
    out without a word; adaptive max pooling, which litert-torch refuses.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in (F.avg_pool2d, F.avg_pool3d):
            return _average(func, *args, **kwargs or {})
        if func in MAX_POOLS:
            return _adaptive_max(func, *args, **kwargs or {})
        return func(*args, **kwargs or {})


MAX_POOLS: dict[Any, tuple[Any, int]] = {
    F.adaptive_max_pool1d: (F.max_pool1d, 1),
    F.adaptive_max_pool2d: (F.max_pool2d, 2),
    F.adaptive_max_pool3d: (F.max_pool3d, 3),
}


def _adaptive_max(adaptive: Any, input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """A max pooling with windows of one size, where the sides can be divided so; else as it is."""
    pool, rank = MAX_POOLS[adaptive]
    sides = input.shape[-rank:]
    outs = [side if out is None else out for side, out in zip(sides, _each(output_size, rank), strict=True)]
    if return_indices or any(side % out for side, out in zip(sides, outs, strict=True)):
        return adaptive(input, output_size, return_indices)
    return pool(input, [side // out for side, out in zip(sides, outs, strict=True)])


def _average(
    pool: Callable[..., Tensor],
    input: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """An average pooling whose sums are divided by *divisor_override*: the padding done before, and a factor behind."""
    if divisor_override is None:
        return pool(input, kernel_size, stride, padding, ceil_mode, count_include_pad)
    rank = 2 if pool is F.avg_pool2d else 3
    kernels, strides, margins = (_each(value, rank) for value in (kernel_size, stride or kernel_size, padding))
    pads: list[int] = []
    for side, kernel, step, margin in zip(input.shape[-rank:], kernels, strides, margins, strict=True):
        end = margin
        if ceil_mode:  # to the end of the last window, which begins before the padding behind
            last = -(-(side + 2 * margin - kernel) // step) * step
            end = (last if last < side + margin else last - step) + kernel - side - margin
        pads = [margin, end, *pads]  # of the last axis first
    return pool(F.pad(input, pads), kernels, strides) * (prod(kernels) / divisor_override)


def _each(value: int | Sequence[int], rank: int) -> list[int]:
    values = [value] if isinstance(value, int) else [*value]
    return values * rank if len(values) == 1 else values


@contextmanager
def standalone(model: Model, by: str = "torch") -> Iterator[Standalone]:
    """*model* as a :class:`Standalone`, its own module in evaluation mode meanwhile, and then as it was; torch's
    exporters, inside, neither warn nor print. *by* is what converts it.

    Raises:
        ExportError: With the first paragraph of what they raise.
    """
    log = logging.getLogger("torch.onnx")
    level = log.level
    try:
        with evaluating(model.module), torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # theirs: deprecations inside torch, packages that it would have used
            log.setLevel(logging.ERROR)
            yield Standalone(model)
    except (ExportError, MemoryError, OSError):
        raise
    except Exception as error:  # whatever torch's exporters, or somebody's own forward, raise
        cause = error.__cause__ or error
        first = str(cause).strip().partition("\n\n")[0]
        why = f"{type(cause).__name__}: {' '.join(first.split())[:300]}"
        way_out = (
            "--to source writes it as PyTorch code" if model.graph else "change its forward to what torch.export takes"
        )
        raise ExportError(f"{by} cannot express the network ({why}); {way_out}") from error
    finally:
        log.setLevel(level)


def dynamic_batch() -> tuple[dict[int, torch.export.Dim]]:
    """The first axis of the input is free."""
    return ({0: torch.export.Dim("batch")},)


def metadata(model: Model) -> dict[str, str]:
    """What the file says of itself: the format's number, the contract, the net as text where it is known."""
    from striate.model.header import FORMAT
    from striate.spec import format

    about = {"striate": FORMAT, "contract": model.contract.to_json()}
    return about if model.graph is None else about | {"net": format(model.graph)}
