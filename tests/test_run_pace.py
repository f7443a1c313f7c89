"""How fast a run trains, what it waits for, and its memory: counted with a clock that only the batches move."""

import json
import re
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import striate.learning.loop
from striate.learning import Epoch, Recipe, training
from striate.run.pace import Pace, peak_memory

TINY = "flatten; linear 10"


class Slow:
    """Batches of which each takes 3 s of *clock*."""

    def __init__(self, clock, n):
        self.clock, self.n = clock, n

    def __len__(self):
        return self.n

    def __iter__(self):
        for _ in range(self.n):
            self.clock[0] += 3.0
            yield torch.randn(4, 3), torch.tensor([0, 1, 0, 1])


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_loop_counts_items_and_the_seconds_until_a_batch_is_there(monkeypatch, accumulate):
    clock = [0.0]
    monkeypatch.setattr(striate.learning.loop, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    found = []
    for event in training(nn.Linear(3, 2), Slow(clock, 5), Recipe(epochs=2, accumulate=accumulate)):
        clock[0] += 100.0  # whoever looks at an event does not count
        if isinstance(event, Epoch):
            found.append((event.items, event.waiting, event.seconds))
    assert found == [(20, 15.0, 15.0)] * 2


def test_waiting_is_said_where_it_is_much():
    def after(seconds, waiting):
        pace = Pace()
        pace.add(Epoch(1, 0.5, None, None, 0.1, seconds, True, items=100, waiting=waiting))
        return pace.note()

    assert after(100.0, 30.0).startswith("30% of the time was spent waiting for data (30 s); a lighter augmentation")
    assert after(100.0, 9.0) == after(1.0, 0.5) == after(1000.0, 90.0) == Pace().note() == ""


def test_the_peak_memory_grows_with_what_is_held():
    before = peak_memory(torch.device("cpu"))
    held = bytearray(b"x" * 2**28)
    after = peak_memory(torch.device("cpu"))
    assert 2**26 < before <= after < 2**42
    assert after >= 2**28
    del held


def test_train_says_rate_and_memory(cli, in_folder):
    answer = cli("train", "digits", "--net", TINY, "-e", "1", "fraction=0.1")
    line = next(line for line in answer.out.splitlines() if line.startswith("trained"))
    assert re.fullmatch(
        r"trained 1 epoch in [\d.]+ s, [\d,.]+ images/s; "
        r"model of epoch 1, the last within a standard error of the best validation accuracy; "
        r"peak memory [\d.]+ [MG]B",
        line,
    )
    found = json.loads(cli("train", "digits", "--net", TINY, "-e", "1", "fraction=0.1", "--json").out)
    assert found["items_per_second"] > 0
    assert 0 <= found["waiting"] <= 1
    assert found["peak_memory"] > 2**26
