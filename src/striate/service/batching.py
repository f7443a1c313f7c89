"""Requests that come at the same time go through the network together."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np


class Engine(Protocol):
    """What computes: a :class:`~striate.model.predictor.Predictor`, for one."""

    def scores(self, inputs: np.ndarray) -> np.ndarray:
        """``(N, *input)`` to ``(N, ...)``."""

    def at_a_time(self, batch_size: int) -> int:
        """How many items of a batch can go through the network together."""


EngineType = TypeVar("EngineType", bound=Engine)


class QueueFullError(Exception):
    """The queue has no room for what a request brings."""


class _Waiting(NamedTuple, Generic[EngineType]):
    engine: EngineType
    input: np.ndarray
    answer: asyncio.Future[np.ndarray]
    until: float  # of time.monotonic: when it waits no longer for others


class Batcher:
    """A queue with an end, and one thread that computes what waits in it, several items at a time.

    An item takes a place in the queue (:meth:`admit`) before it is prepared, and leaves it when the network takes it,
    or by :meth:`give_up`. A batch begins as soon as the thread is free, unless items that were admitted are still being
    prepared: for these it waits, *max_wait* milliseconds at most from when its first item was ready. So a lone request
    never waits.

    Args:
        batch_size: The most items of a batch.
        max_wait: In milliseconds.
        queue: How many items are prepared or wait at most, beyond those that are being computed.
        seen: Told the size of each batch.

    >>> class Twice:
    ...     def scores(self, inputs): return 2 * inputs
    ...     def at_a_time(self, batch_size): return batch_size
    >>> async def ask():
    ...     batcher = Batcher(batch_size=8, max_wait=5, queue=2)
    ...     batcher.start()
    ...     batcher.admit(2)
    ...     found = await asyncio.gather(*[batcher.compute(Twice(), np.array([n])) for n in (1, 2)])
    ...     batcher.stop()
    ...     return [int(value[0]) for value in found]
    >>> asyncio.run(ask())
    [2, 4]
    """

    def __init__(
        self, *, batch_size: int, max_wait: float, queue: int, seen: Callable[[int], None] = lambda _: None
    ) -> None:
        self.batch_size = batch_size
        self.max_wait = max_wait / 1000
        self.queue = queue
        self.seen = seen
        # changed by the event loop alone:
        self.preparing = 0  # items that were admitted and are on their way
        self.answering = 0  # items whose scores are held until something is made of them
        self._waiting: deque[_Waiting[Engine]] = deque()
        self._ready = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="network", daemon=True)

    def start(self) -> None:
        """The thread begins."""
        self._thread.start()

    def stop(self) -> None:
        """The thread ends, after what waits."""
        with self._ready:
            self._stopped = True
            self._ready.notify()
        self._thread.join()

    @property
    def waiting(self) -> int:
        """Items in the queue: that are being prepared, wait for the network, or hold much memory behind it."""
        return self.preparing + len(self._waiting) + self.answering

    def admit(self, items: int = 1) -> None:
        """Takes places in the queue; QueueFullError where there are not so many."""
        if self.waiting + items > self.queue:
            raise QueueFullError
        self.preparing += items

    def give_up(self, items: int = 1) -> None:
        """Gives places back of items that could not be prepared."""
        self.preparing -= items

    def compute(self, engine: Engine, input: np.ndarray) -> asyncio.Future[np.ndarray]:
        """The scores of one prepared item, which has a place. Once they are waited for no longer (cancelled) they cost
        no computation.
        """
        answer: asyncio.Future[np.ndarray] = asyncio.get_running_loop().create_future()
        with self._ready:
            self.preparing -= 1
            self._waiting.append(_Waiting(engine, input, answer, time.monotonic() + self.max_wait))
            self._ready.notify()
        return answer

    def _run(self) -> None:
        while batch := self._next():
            batch = [one for one in batch if not one.answer.cancelled()]
            if not batch:
                continue
            self.seen(len(batch))
            results = _computed(batch[0].engine, [one.input for one in batch])
            batch[0].answer.get_loop().call_soon_threadsafe(_answer, batch, results)
            del batch, results  # nothing is held while the next is waited for

    def _next(self) -> list[_Waiting[Engine]]:
        """What is computed next: items of one model, in their order; none at the end."""
        with self._ready:
            while not self._waiting and not self._stopped:
                self._ready.wait()
            if not self._waiting:
                return []
            engine, until = self._waiting[0].engine, self._waiting[0].until
            most = engine.at_a_time(self.batch_size)
            while len(self._waiting) < most and self.preparing and (left := until - time.monotonic()) > 0:
                self._ready.wait(left)
            batch: list[_Waiting[Engine]] = []
            while self._waiting and len(batch) < most and self._waiting[0].engine is engine:
                batch.append(self._waiting.popleft())
            return batch


def _computed(engine: Engine, inputs: Sequence[np.ndarray]) -> list[np.ndarray | Exception]:
    """The scores of each; where a batch fails, each by itself, so that one item never fails another."""
    try:
        return [*engine.scores(np.stack(inputs))]
    except Exception as error:
        if len(inputs) == 1:
            return [error]
        return [result for one in inputs for result in _computed(engine, [one])]


def _answer(batch: Sequence[_Waiting[Engine]], results: Sequence[np.ndarray | Exception]) -> None:
    for one, result in zip(batch, results, strict=True):
        if one.answer.done():  # cancelled meanwhile
            continue
        if isinstance(result, Exception):
            one.answer.set_exception(result)
        else:
            one.answer.set_result(result)
