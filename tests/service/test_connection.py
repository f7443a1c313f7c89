"""What uvicorn's connections lack."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from striate.service.connection import Refusals


def sent(within: float, count: int, blocked: float = 0) -> tuple[list[int], list[int]]:
    """What went out of *count* refusals, and how many had gone after each time that some did."""

    async def go() -> tuple[list[int], list[int]]:
        found: list[int] = []
        after: list[int] = []
        refusals = Refusals(within)
        some = refusals._some

        def watched() -> None:
            some()
            after.append(len(found))

        refusals._some = watched  # type: ignore[method-assign]
        for i in range(count):
            refusals.add(partial(found.append, i))
        time.sleep(blocked)  # as a busy machine does
        while len(found) < count:
            await asyncio.sleep(0)
        refusals.add(partial(found.append, count))  # once more, after all have gone
        while len(found) <= count:
            await asyncio.sleep(0)
        return found, after

    return asyncio.run(go())


def test_refusals_go_out_in_their_order_a_few_at_a_time():
    found, after = sent(within=20, count=150)
    assert found == [*range(151)]
    assert after == [*range(1, 152)]


def test_refusals_that_are_late_go_out_at_once():
    found, after = sent(within=0.1, count=150, blocked=0.3)
    assert found == [*range(151)]
    assert after == [150, 151]
