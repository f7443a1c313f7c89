"""Batches: pixels in memory, cut into tensors in an order that the seed and the epoch alone decide."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import torch

from striate.data.dataset import Arrays
from striate.model.contract import Contract
from striate.model.prepare import normalise


class Batches:
    """An iterable of ``(x, y)``: float32 ``(N, C, H, W)``, normalised by the contract, and int64 ``(N,)``.

    The images lie on the device as bytes and are indexed and normalised a batch at a time, with no work for
    the single image: for data that fits in memory this is many times faster than loading item by item.

    With *shuffle* (for training) a last batch of one image joins the batch before it, since batch
    normalisation cannot learn from one; without, the batches are plain slices in the data's own order.

    Args:
        pixels: What :func:`~striate.data.read` gave.
        contract: The one that the pixels were made ready by; gives mean and std.
        batch: Images in a batch.
        seed: With the epoch, decides the order of a shuffle.
        shuffle: Another order in every epoch.
        device: Where the batches are wanted.

    >>> pixels = Arrays(np.zeros((5, 1, 2, 2), np.uint8), np.arange(5) % 2, tuple("abcde"))
    >>> contract = Contract(("cat", "dog"), (1, 2, 2), "L", (0.5,), (0.25,))
    >>> [len(y) for x, y in Batches(pixels, contract, batch=2)]
    [2, 2, 1]
    >>> [len(y) for x, y in Batches(pixels, contract, batch=2, shuffle=True)]
    [2, 3]
    """

    def __init__(
        self,
        pixels: Arrays,
        contract: Contract,
        *,
        batch: int,
        seed: int = 0,
        shuffle: bool = False,
        device: torch.device | str = "cpu",
    ) -> None:
        assert batch > 0, batch
        writable = np.require(pixels.inputs, requirements=["C", "W"])  # torch takes no read-only array
        self.images = torch.from_numpy(writable).to(device)
        self.targets = torch.tensor(pixels.targets, dtype=torch.int64, device=device)
        self.contract = contract
        self.seed = seed
        self.shuffle = shuffle
        self._ends = _ends(len(pixels), batch, merge_single=shuffle)
        self._epoch = 0
        self._start = 0

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return len(self._ends)

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Choose the order of *epoch*; the next iteration, and only that, leaves out its first *start* batches.

        An interrupted run goes on with ``set_epoch(epoch, start=batches_done)``. Iterating again without
        ``set_epoch`` repeats the epoch.
        """
        self._epoch, self._start = epoch, start

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        start, self._start = self._start, 0
        return self._batches(start)

    def _batches(self, start: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        order = self._order().to(self.images.device) if self.shuffle else None
        for begin, end in list(zip([0, *self._ends], self._ends, strict=False))[start:]:
            index = slice(begin, end) if order is None else order[begin:end]
            yield normalise(self.images[index], self.contract), self.targets[index]

    def _order(self) -> torch.Tensor:
        """A permutation, made on the CPU so that every device sees the same."""
        # Hashed together: seed + epoch would give seed 1's second epoch to seed 2 as its first.
        digest = hashlib.sha256(f"{self.seed}/{self._epoch}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big"))
        return torch.randperm(len(self.targets), generator=generator)


def _ends(n: int, batch: int, *, merge_single: bool) -> list[int]:
    """Where each batch ends.

    >>> _ends(5, 2, merge_single=False), _ends(5, 2, merge_single=True), _ends(1, 2, merge_single=True)
    ([2, 4, 5], [2, 5], [1])
    """
    ends = [*range(batch, n, batch), n] if n else []
    if merge_single and batch > 1 and n > 1 and n % batch == 1:
        del ends[-2]
    return ends
