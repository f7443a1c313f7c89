"""What the experiments share: a small network trained on tensors, and the share of items that it has right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from striate.learning import Epoch, Recipe, evaluating, training
from striate.net import build
from striate.spec import parse


class ShuffledBatches:
    """*x* and *y* ``(N, ...)`` in batches, in another order in every epoch, which the seed and the epoch decide.

    >>> batches = ShuffledBatches(torch.zeros(5, 2), torch.arange(5), batch_size=2)
    >>> [len(y) for x, y in batches]
    [2, 2, 1]
    """

    def __init__(self, x: Tensor, y: Tensor, *, batch_size: int, seed: int = 0) -> None:
        self.x, self.y, self.batch_size, self.seed, self.epoch = x, y, batch_size, seed, 0

    def __len__(self) -> int:
        return -(-len(self.y) // self.batch_size)

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """The order of *epoch*; resuming in the middle of one is not needed here."""
        assert start == 0, start
        self.epoch = epoch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.from_numpy(np.random.default_rng((self.seed, self.epoch)).permutation(len(self.y)))
        for start in range(0, len(order), self.batch_size):
            part = order[start : start + self.batch_size]
            yield self.x[part], self.y[part]


def fit_tensors(module: nn.Module, x: Tensor, y: Tensor, *, seed: int = 0, **settings: Any) -> list[Epoch]:
    """Trains *module* in place by cross-entropy on *x* ``(N, ...)`` and the classes *y* ``(N,)``; gives the epochs.

    Args:
        module: ``(N, ...)`` to scores ``(N, classes)``.
        x: What it takes.
        y: int64.
        seed: Of the order of the items and of dropout.
        **settings: Of the :class:`~striate.learning.Recipe`: ``epochs``, ``lr``, ``batch_size``...

    >>> x, y = torch.tensor([[1.0], [-1.0]]), torch.tensor([1, 0])
    >>> module = nn.Linear(1, 2)
    >>> len(fit_tensors(module, x, y, epochs=40, lr=0.5)), share_right(module, x, y)
    (40, 1.0)
    """
    recipe = Recipe(seed=seed, **({"batch_size": 64, "label_smoothing": 0.0} | settings))
    batches = ShuffledBatches(x, y, batch_size=recipe.batch_size, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # dropout
        return [event for event in training(module, batches, recipe) if isinstance(event, Epoch)]


def fit_one_cycle(
    module: nn.Module,
    loss: Callable[[Tensor], Tensor],
    n: int,
    *,
    epochs: int,
    peak: float,
    seed: int = 0,
    batch_size: int = 64,
    clip: float = 0.0,
) -> None:
    """Trains *module* in place with AdamW and one cycle of the learning rate, for losses that no recipe has.

    Args:
        module: What is trained.
        loss: Of a batch, whose items are given by their numbers, int64 ``(B,)``.
        n: How many items there are.
        epochs: Passes over them.
        peak: The maximum learning rate.
        seed: Of the order of the items.
        batch_size: Items per step.
        clip: The maximum norm of the gradient; 0: no limit.
    """
    optimizer = torch.optim.AdamW(module.parameters(), weight_decay=0.01)
    steps = epochs * -(-n // batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=steps + 1)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for part in torch.split(torch.randperm(n, generator=generator), batch_size):
            optimizer.zero_grad()
            torch.autograd.backward(loss(part))
            if clip:
                nn.utils.clip_grad_norm_(module.parameters(), clip)
            optimizer.step()
            schedule.step()


def fit_each(
    nets: Mapping[str, str], x: Tensor, y: Tensor, *, seed: int, repeats: int, **settings: Any
) -> Iterator[tuple[str, list[nn.Module]]]:
    """Builds and trains each of *nets* by name, *repeats* times with initial weights of their own; as they are done.

    >>> x, y = torch.zeros(4, 2), torch.tensor([0, 1, 0, 1])
    >>> [(name, len(nets)) for name, nets in fit_each({"a": "input 2; linear 2"}, x, y, seed=0, repeats=3, epochs=1)]
    [('a', 3)]
    """
    for name, text in nets.items():
        trained = [built(text, seed + i) for i in range(repeats)]
        for i, net in enumerate(trained):
            fit_tensors(net, x, y, seed=seed + i, **settings)
        yield name, trained


def scores_of(module: nn.Module, x: Tensor, batch_size: int = 512) -> Tensor:
    """What *module* gives for *x* ``(N, ...)``, as in use: no dropout, no gradients.

    >>> scores_of(nn.Linear(3, 2), torch.zeros(5, 3)).shape
    torch.Size([5, 2])
    """
    with evaluating(module), torch.no_grad():
        return torch.cat([module(x[start : start + batch_size]) for start in range(0, len(x), batch_size)])


def share_right(module: nn.Module, x: Tensor, y: Tensor) -> float:
    """The accuracy of *module* on *x* ``(N, ...)`` with the classes *y* ``(N,)``.

    >>> share_right(nn.Identity(), torch.eye(3), torch.tensor([0, 1, 1])) == 2 / 3
    True
    """
    return float((scores_of(module, x).argmax(dim=1) == y).float().mean(dtype=torch.float64))


def built(text: str, seed: int = 0) -> nn.Module:
    """The network of *text*, which says its input, with the initial weights of *seed*.

    >>> built("input 1x8x8; flatten; linear 10").linear1
    Linear(in_features=64, out_features=10, bias=True)
    """
    return build(parse(text), seed=seed)


def digits_tensors(split: str) -> tuple[Tensor, Tensor]:
    """The built-in digits: float32 ``(N, 1, 8, 8)`` from 0 to 1, and int64 ``(N,)``.

    >>> digits_tensors("test")[0].shape
    torch.Size([360, 1, 8, 8])
    """
    from striate.datasets import open_data

    part = open_data("digits").parts[split]
    x = torch.from_numpy(np.asarray(part.inputs, np.float32) / 255)[:, None]
    return x, torch.from_numpy(np.asarray(part.targets, np.int64))


def shape_tensors(seed: int, *, n: int, test: int, size: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Drawn shapes of eight kinds to train on and to test on: grey, float32 ``(N, 1, size, size)`` of about mean 0 and
    std 1, and int64 ``(N,)``.

    >>> (x, y), (test_x, test_y) = shape_tensors(0, n=16, test=8, size=24)
    >>> x.shape, len(test_y)
    (torch.Size([16, 1, 24, 24]), 8)
    """
    from striate.datasets.shapes import open_shapes

    data = open_shapes(n=n, test=test, size=size, channels=1, seed=seed)
    x, test_x = (torch.from_numpy(np.asarray(data.parts[s].inputs, np.float32))[:, None] for s in ("train", "test"))
    y, test_y = (torch.from_numpy(np.asarray(data.parts[s].targets, np.int64)) for s in ("train", "test"))
    mean, std = x.mean(), x.std()
    return ((x - mean) / std, y), ((test_x - mean) / std, test_y)
