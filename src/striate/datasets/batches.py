"""Batches: a split that was read, cut into tensors in an order that the seed and the epoch alone decide."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from mmap import mmap

import numpy as np
import torch
from torch import Tensor

from striate.datasets.augment import Augment, augmented
from striate.datasets.dataset import Arrays
from striate.datasets.statistics import BALANCE, even_choice, original_items
from striate.errors import RecipeError, nearest
from striate.model.contract import Contract
from striate.model.prepare import normalise
from striate.tasks import Task


class Batches:
    """An iterable of ``(x, y)``: x as the network takes it (:func:`~striate.model.prepare.normalise`), y by the task.

    classification: int64 ``(N,)``; with mixup or cutmix float32 ``(N, K)``, each class's fraction. multilabel: float32
    ``(N, K)``. regression: float32 ``(N, V)``, standardised by the contract. segmentation: int64 ``(N, H, W)``, 255
    where pixels are ignored.

    Images are kept on the device as bytes and are indexed and normalised a batch at a time, with no work per single
    image: for data that fits in memory this is many times faster than loading item by item. What is in a
    memory-mapped file stays there, and so does in the computer's memory what would take more than half of the free
    memory of a GPU: of these, each batch is fetched when it is needed.

    With *shuffle* (for training) a last batch of one item joins the batch before it, since batch
    normalisation cannot learn from one; without, the batches are plain slices in the data's own order.

    Args:
        arrays: What :func:`~striate.datasets.read_part` returned.
        contract: The one that they were prepared by.
        batch_size: Items in a batch.
        seed: With the epoch decides the order of a shuffle; with the epoch and an item's number, how it is augmented.
        shuffle: Another order in every epoch.
        device: Where the batches are needed.
        augment: How images are changed at random; what does not go with the task is omitted
            (:meth:`~striate.datasets.augment.Augment.suited` says what).
        balance: ``"sampling"``: in every epoch, which is as long as ever, each class as often as the others.
            ``"none"`` and ``"weights"`` (which is the loss's matter): every item once.
        share: ``(rank, size)`` where several processes train together: of each batch, the same in all, the part of
            process *rank* of *size* (:func:`part_of`). Where it has none it gets the batch's first two inputs, without
            targets, so that it still goes through the network with the others.

    Raises:
        RecipeError: *augment* or *balance* does not go with the task.

    >>> arrays = Arrays(np.zeros((5, 1, 2, 2), np.uint8), np.arange(5) % 2, tuple("abcde"))
    >>> contract = Contract(("cat", "dog"), (1, 2, 2), "L", (0.5,), (0.25,))
    >>> [len(y) for x, y in Batches(arrays, contract, batch_size=2)]
    [2, 2, 1]
    >>> [len(y) for x, y in Batches(arrays, contract, batch_size=2, shuffle=True)]
    [2, 3]
    """

    def __init__(
        self,
        arrays: Arrays,
        contract: Contract,
        *,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = False,
        device: torch.device | str = "cpu",
        augment: Augment | None = None,
        balance: str = "none",
        share: tuple[int, int] = (0, 1),
    ) -> None:
        assert batch_size > 0, batch_size
        check_balance(balance, contract.task)
        self.contract = contract
        self.seed = seed
        self.shuffle = shuffle
        self.share = share
        self.augment, _ = (augment or Augment()).suited(contract)
        self._classes = np.asarray(arrays.targets) if balance == "sampling" else None
        self._n = len(arrays)
        self._inputs = _row_reader(arrays.inputs, torch.device(device))
        self._targets = _row_reader(arrays.targets, torch.device(device))
        self._ends = _ends(len(arrays), batch_size, merge_single=shuffle)
        self._epoch = 0
        self._start = 0

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return len(self._ends)

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Choose the order of *epoch*; the next iteration, and only that, skips its first *start* batches.

        An interrupted run is resumed with ``set_epoch(epoch, start=batches_done)``. Iterating again without
        ``set_epoch`` repeats the epoch.
        """
        self._epoch, self._start = epoch, start

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        start, self._start = self._start, 0
        return self._batches(start)

    def _batches(self, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        items = np.arange(self._n) if self._classes is None else even_choice(self._classes, self.seed, self._epoch)
        order = items[self._order()] if self.shuffle else items
        for first, last in list(zip([0, *self._ends], self._ends, strict=False))[start:]:
            begin, end = (first + at for at in part_of(last - first, *self.share))
            counted = end - begin
            if not counted:
                begin, end = first, min(first + 2, last)
            if self.augment != Augment():
                x, y = augmented(
                    self._fetch,
                    order[begin:end],
                    contract=self.contract,
                    augment=self.augment,
                    seed=self.seed,
                    epoch=self._epoch,
                    among=items,
                )
            elif order is items and self._classes is None:  # plain slices need no copy
                x, y = self._inputs(slice(begin, end)), self._targets(slice(begin, end))
            else:
                x, y = self._fetch(order[begin:end])
            yield normalise(x, self.contract), self._as_loss_takes(y[:counted])

    def _order(self) -> np.ndarray:
        """A permutation, made on the CPU so that every device sees the same."""
        # Hashed together: seed + epoch would give seed 1's second epoch to seed 2 as its first.
        digest = hashlib.sha256(f"{self.seed}/{self._epoch}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big"))
        return torch.randperm(self._n, generator=generator).numpy()

    def _fetch(self, numbers: np.ndarray) -> tuple[Tensor, Tensor]:
        items = original_items(numbers)
        return self._inputs(items), self._targets(items)

    def _as_loss_takes(self, targets: Tensor) -> Tensor:
        """The targets as a loss takes them."""
        if self.contract.task.standardised:
            mean, std = (targets.new_tensor(v) for v in (self.contract.target_mean, self.contract.target_std))
            return (targets - mean) / std
        whole = self.contract.task.per_pixel or targets.ndim == 1
        return targets.long() if whole else targets.float()


def part_of(n: int, rank: int, size: int) -> tuple[int, int]:
    """Where the part of process *rank* of *size* begins and ends among the *n* items of a batch.

    The parts differ by one item at most, and have two or more, since batch normalisation cannot learn from one: of a
    small batch the last processes have none.

    >>> [part_of(7, rank, 2) for rank in range(2)], [part_of(5, rank, 3) for rank in range(3)]
    ([(0, 3), (3, 7)], [(0, 2), (2, 5), (0, 0)])
    """
    parts = max(1, min(size, n // 2))
    return (n * rank // parts, n * (rank + 1) // parts) if rank < parts else (0, 0)


def check_balance(balance: str, task: Task) -> None:
    """RecipeError where *balance* is none of ``BALANCE``, or does not go with the *task*.

    >>> from striate.tasks import REGRESSION
    >>> check_balance("weights", REGRESSION)
    Traceback (most recent call last):
    striate.errors.RecipeError: balance: regression has no classes to weight; use balance=none
    """
    if balance not in BALANCE:
        raise RecipeError(f"balance: no {balance!r}{nearest(balance, BALANCE)}")
    if balance in task.balances:
        return
    sampling = f"sampling chooses items by their one class, and in {task} they have none"
    why = sampling if balance == "sampling" else f"{task} has no classes to weight"
    raise RecipeError(f"balance: {why}; use balance={task.best_balance}")


def _row_reader(values: np.ndarray, device: torch.device) -> Callable[[np.ndarray | slice], Tensor]:
    """What returns the rows of *values* at an index, on the *device*."""
    if not (_on_disk(values) or _too_large(values, device)):
        writable = np.require(values, requirements=["C", "W"])  # torch takes no read-only array
        tensor = torch.from_numpy(writable).to(device)
        return lambda index: tensor[index if isinstance(index, slice) else torch.from_numpy(index).to(device)]

    def fetch(index: np.ndarray | slice) -> Tensor:
        if isinstance(index, slice):
            rows = values[index]
        else:
            ascending = np.argsort(index)  # in the file's order
            rows = np.empty((len(index), *values.shape[1:]), values.dtype)
            rows[ascending] = values[index[ascending]]
        return torch.from_numpy(np.require(rows, requirements=["C", "W"])).to(device)

    return fetch


def _on_disk(values: np.ndarray) -> bool:
    """Whether *values* are, or look into, a memory-mapped file."""
    base: object = values
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(base, mmap)


def _too_large(values: np.ndarray, device: torch.device) -> bool:
    return device.type == "cuda" and values.nbytes > torch.cuda.mem_get_info(device)[0] // 2


def _ends(n: int, batch: int, *, merge_single: bool) -> list[int]:
    """Where each batch ends.

    >>> _ends(5, 2, merge_single=False), _ends(5, 2, merge_single=True), _ends(1, 2, merge_single=True)
    ([2, 4, 5], [2, 5], [1])
    """
    ends = [*range(batch, n, batch), n] if n else []
    if merge_single and batch > 1 and n > 1 and n % batch == 1:
        del ends[-2]
    return ends
