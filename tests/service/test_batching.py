"""What goes through the network together, what waits, and what has no room."""

import asyncio
import threading

import numpy as np
import pytest

from striate.service.batching import Batcher, QueueFullError


class Net:
    """Gives its inputs back, and remembers how many came together; the first waits until it is let go."""

    def __init__(self, gate=None):
        self.sizes, self.gate = [], gate

    def scores(self, inputs):
        if self.gate and not self.sizes:
            self.gate.wait(10)
        self.sizes.append(len(inputs))
        if (inputs < 0).any():
            raise ValueError("negative")
        return inputs

    def at_a_time(self, batch_size):
        return min(batch_size, 8)


def run(asks, **settings):
    async def main():
        batcher = Batcher(**{"batch_size": 16, "max_wait": 1000, "queue": 100, **settings})
        batcher.start()
        try:
            return await asks(batcher)
        finally:
            await asyncio.to_thread(batcher.stop)

    return asyncio.run(main())


def ask(batcher, net, *values):
    return [batcher.compute(net, np.array([value])) for value in values]


async def busy(batcher, net):
    """The answer of an item that the network, which waits at its gate, has taken."""
    first = ask(batcher, net, 0)
    while batcher._waiting:
        await asyncio.sleep(0.001)
    return first


def test_what_comes_while_the_network_is_busy_goes_together():
    gate = threading.Event()
    net = Net(gate)

    async def asks(batcher):
        batcher.admit(12)
        first = await busy(batcher, net)
        rest = ask(batcher, net, *range(1, 12))
        gate.set()
        return await asyncio.gather(*first, *rest)

    # the first waits for nobody: with the others still on their way the network would have waited for them
    found = run(asks, max_wait=0)
    assert [int(value[0]) for value in found] == [*range(12)]
    assert net.sizes == [1, 8, 3]


def test_a_batch_waits_for_those_on_their_way_and_no_longer():
    net = Net()

    async def asks(batcher):
        batcher.admit(3)
        first = ask(batcher, net, 0)
        await asyncio.sleep(0.05)
        assert net.sizes == []  # two are being prepared
        return await asyncio.gather(*first, *ask(batcher, net, 1, 2))

    run(asks)
    assert net.sizes == [3]


def test_a_batch_does_not_wait_beyond_the_stated_time():
    net = Net()

    async def asks(batcher):
        batcher.admit(2)  # one of which never comes
        return await asyncio.wait_for(asyncio.gather(*ask(batcher, net, 0)), 5)

    run(asks, max_wait=20)
    assert net.sizes == [1]


def test_the_queue_has_an_end():
    async def asks(batcher):
        batcher.admit(3)
        with pytest.raises(QueueFullError):
            batcher.admit(2)
        batcher.admit(1)
        with pytest.raises(QueueFullError):
            batcher.admit()
        batcher.give_up(4)
        assert batcher.waiting == 0
        batcher.admit(4)

    run(asks, queue=4)


def test_one_item_fails_alone():
    net = Net()

    async def asks(batcher):
        batcher.admit(3)
        return await asyncio.gather(*ask(batcher, net, 1, -1, 2), return_exceptions=True)

    one, failed, two = run(asks)
    assert (int(one[0]), str(failed), int(two[0])) == (1, "negative", 2)


def test_what_nobody_waits_for_is_not_computed():
    gate = threading.Event()
    net = Net(gate)

    async def asks(batcher):
        batcher.admit(4)
        first = await busy(batcher, net)
        gone, stays = ask(batcher, net, 1, 2)
        gone.cancel()
        gate.set()
        return await asyncio.gather(*first, stays)

    run(asks, max_wait=0)
    assert net.sizes == [1, 1]


def test_items_of_two_models_never_go_together():
    gate = threading.Event()
    old, new = Net(gate), Net()

    async def asks(batcher):
        batcher.admit(5)
        first = ask(batcher, old, 0)
        while batcher._waiting:
            await asyncio.sleep(0.001)
        rest = [*ask(batcher, old, 1), *ask(batcher, new, 2, 3), *ask(batcher, old, 4)]
        gate.set()
        return await asyncio.gather(*first, *rest)

    run(asks, max_wait=0)
    assert (old.sizes, new.sizes) == ([1, 1, 1], [2])


def test_the_end_comes_after_what_waits():
    net = Net()

    async def asks(batcher):
        batcher.admit(20)
        waited = ask(batcher, net, *range(20))
        await asyncio.to_thread(batcher.stop)
        return await asyncio.gather(*waited)

    async def main():
        batcher = Batcher(batch_size=16, max_wait=0, queue=100)
        batcher.start()
        return await asks(batcher)

    assert len(asyncio.run(main())) == 20
    assert sum(net.sizes) == 20
