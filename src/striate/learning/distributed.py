"""Several processes that train one network together, each with its part of every batch; usually there is one.

``torchrun`` starts them and says by environment variables which is which. The parts of a batch meet again behind the
network: every process sees the scores and targets of all, and so computes the loss of the whole batch, whatever the
loss. What flows back from it goes through the process's own part alone, and the gradients are summed by PyTorch's
:class:`~torch.nn.parallel.DistributedDataParallel`. So an update is the same, up to rounding, as that of one process.
Batch normalisation is an exception, whose mean and standard deviation are those of a process's part.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from striate.errors import RecipeError

LONGEST = timedelta(days=1)  # that a process may wait for another, which decodes the data set
Made = TypeVar("Made")


@cache
def _store() -> Any:
    """Where the processes leave each other words; ``torchrun`` itself keeps it."""
    return next(rendezvous("env://"))[0]


def launched() -> bool:
    """Whether ``torchrun`` (or what sets the same variables) started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


def first_to_fail() -> bool:
    """Whether this process is the first that calls this, and so the one to say what went wrong; the others, whose
    calls then fail in all sorts of ways, have nothing to add.
    """
    try:
        return not launched() or bool(_store().add("striate/failed", 1) == 1)
    except RuntimeError:  # of torch.distributed: torchrun itself is gone
        return True


@dataclass
class World:
    """The processes that train together, as one of them sees them.

    Args:
        rank: The number of this process among all; 0 speaks and writes the files.
        size: How many there are.
        local_rank: The number of this process among those of its node, and of its GPU.
        local_size: How many there are on its node.

    >>> World().first, World().size
    (True, 1)
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    stopping: bool = False  # every process stops after this step
    _asked: bool = False  # one was asked to

    @classmethod
    def of_environment(cls) -> World:
        """What ``torchrun`` says; one process, where it did not start this one."""
        if not launched():
            return cls()
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        return cls(rank, size, int(os.environ.get("LOCAL_RANK", "0")), int(os.environ.get("LOCAL_WORLD_SIZE", "1")))

    @property
    def first(self) -> bool:
        """Whether this process speaks and writes the files."""
        return self.rank == 0

    @property
    def share(self) -> tuple[int, int]:
        """``(rank, size)``, for :class:`~striate.datasets.Batches`."""
        return self.rank, self.size

    def own(self, device: torch.device) -> torch.device:
        """*device*, or of ``cuda`` without a number this process's own GPU.

        Raises:
            RecipeError: The node has fewer GPUs than processes.
        """
        if self.size == 1 or device.type != "cuda" or device.index is not None:
            return device
        there = torch.cuda.device_count()
        if self.local_rank >= there:
            raise RecipeError(
                f"{self.local_size} processes on this node, which has {there} GPU{'s' * (there != 1)}; start at most "
                f"as many (torchrun --nproc-per-node {there}), or use --device cpu"
            )
        torch.cuda.set_device(self.local_rank)
        return torch.device("cuda", self.local_rank)

    def join(self, device: torch.device) -> None:
        """Meets the other processes: over gloo, and with GPUs over NCCL too. Once is enough."""
        if self.size > 1 and not distributed.is_initialized():
            backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
            distributed.init_process_group(
                backend, store=_store(), rank=self.rank, world_size=self.size, timeout=LONGEST
            )
            atexit.register(distributed.destroy_process_group)

    def in_turn(self, work: Callable[[], Made]) -> Made:
        """*work*, first in one process of each node and then in the others, which find what that one made."""
        if self.size == 1:
            return work()
        if self.local_rank:
            self._counts(0)
        made = work()
        if not self.local_rank:
            self._counts(0)
        self._counts(0)
        return made

    def from_first(self, text: str) -> str:
        """What *text* is in the first process."""
        if self.size == 1:
            return text
        data = torch.tensor([*os.fsencode(text)], dtype=torch.uint8)
        length = torch.tensor(len(data))
        distributed.broadcast(length, 0)
        data = data if self.first else torch.empty(int(length), dtype=torch.uint8)
        distributed.broadcast(data, 0)
        return os.fsdecode(bytes(data.tolist()))

    def level(self, tensors: Iterable[Tensor]) -> None:
        """Makes *tensors* in place what they are in the first process."""
        if self.size > 1:
            for tensor in tensors:
                flat = tensor.detach().contiguous()
                distributed.broadcast(flat, 0)
                tensor.detach().copy_(flat)

    def seed(self, seed: int, step: int = 0) -> int:
        """*seed* in the first process, which draws as a single one would; in others another, of a *step* too."""
        return seed if self.first else seed + self.rank * 1_000_000_007 + step * 7_919

    def ask_to_stop(self) -> None:
        """All processes are to stop after the step that they meet in next: ``stopping`` is then set."""
        self._asked = True
        self.stopping = self.size == 1

    def gathered(self, scores: Any, targets: Any) -> tuple[Any, Any]:
        """The scores and the targets of the whole batch, in the order of the processes; the gradient of the scores
        flows into this process's part alone.

        Args:
            scores: ``(N, ...)``; only of the first ``len(targets)`` items: those behind them are another's.
            targets: ``(M, ...)``, M up to N.
        """
        if self.size == 1:
            return scores, targets
        own = scores[: len(targets)]
        counts = self._counts(len(targets))
        theirs = [rows.detach().contiguous() for rows in (own, targets)]
        widths = [rows.element_size() * max(1, rows.shape[1:].numel()) for rows in theirs]
        packed = torch.zeros(max(counts), sum(widths), dtype=torch.uint8, device=own.device)
        packed[: len(targets)] = torch.cat([_bytes(rows, n) for rows, n in zip(theirs, widths, strict=True)], 1)
        parts = [torch.empty_like(packed) for _ in counts]
        distributed.all_gather(parts, packed)
        split = [torch.split(part[:n], widths, 1) for part, n in zip(parts, counts, strict=True)]
        all_scores, all_targets = (
            [pieces[k].contiguous().view(rows.dtype).view(-1, *rows.shape[1:]) for pieces in split]
            for k, rows in enumerate(theirs)
        )
        all_scores[self.rank] = own
        return torch.cat(all_scores), torch.cat(all_targets)

    def _counts(self, own: int) -> list[int]:
        """A number of every process; and whether one was asked to stop."""
        parts = [torch.empty(2, dtype=torch.int64) for _ in range(self.size)]
        distributed.all_gather(parts, torch.tensor([own, self._asked]))
        found = torch.stack(parts)
        self.stopping = bool(found[:, 1].any())
        counts: list[int] = found[:, 0].tolist()
        return counts


def _bytes(rows: Tensor, width: int) -> Tensor:
    """uint8 ``(N, width)``: what *rows* are in memory."""
    return rows.view(len(rows), -1).view(torch.uint8).view(len(rows), width)


class Parallel:
    """Calls *module*, whose gradients are then summed over all processes: the mean that PyTorch takes is of losses
    times their number (:meth:`World.gathered` has the loss of the whole batch in each).
    """

    def __init__(self, call: Callable[[Any], Any], module: nn.Module, world: World) -> None:
        self.call, self.module, self.world = call, module, world
        self.trained: list[bool] = []

    def __call__(self, x: Any) -> Any:
        if self.world.size == 1:
            return self.call(x)
        trained = [p.requires_grad for p in self.module.parameters()]
        if trained != self.trained:  # at first, and where layers are frozen or trained from now on
            self.trained = trained
            self.parallel = DistributedDataParallel(_Called(self.call, self.module), static_graph=True)
        return self.parallel(x)


class _Called(nn.Module):
    """A function of a module as one, so that it is called inside of PyTorch's wrapper."""

    def __init__(self, call: Callable[[Any], Any], module: nn.Module) -> None:
        super().__init__()
        self.call, self.module = call, module

    def forward(self, x: Any) -> Any:
        return self.call(x)
