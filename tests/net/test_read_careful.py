"""Reading somebody's module: no wrong answer where places move, and nothing of the module changed."""

from __future__ import annotations

from collections import defaultdict, deque

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import striate

MOVES = {
    "reversed": lambda y: y[:, :, torch.arange(31, -1, -1)],
    "index_select": lambda y: y.index_select(2, torch.arange(31, -1, -1)),
}
SHIFTS = {
    "shifted": (lambda y: F.pad(y, (4, -4, 0, 0)), (5, 9)),
    "half shifted": (lambda y: torch.cat([y[:, :2], F.pad(y[:, 2:], (6, -6, 0, 0))], 1), (5, 11)),
}


class Moved(nn.Module):
    def __init__(self, move) -> None:
        super().__init__()
        self.a, self.b, self.move = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), move

    def forward(self, x):
        y = self.a(x)
        return self.b(y + self.move(y))


@pytest.mark.parametrize("move", MOVES)
def test_a_field_is_unknown_where_places_are_moved_at_the_same_size(move):
    report = striate.check(Moved(MOVES[move]), input=(3, 32, 32))
    assert report.layers[-1].receptive_field is None


@pytest.mark.parametrize("move", SHIFTS)
def test_a_shift_is_in_the_field(move):
    shift, field = SHIFTS[move]
    assert striate.check(Moved(shift), input=(3, 32, 32)).layers[-1].receptive_field == field


def test_a_cut_that_cuts_nothing_leaves_the_field_known():
    report = striate.check(Moved(lambda y: y[:, :, :32, 0:32]), input=(3, 32, 32))
    assert report.layers[-1].receptive_field == (5, 5)


class Remembers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.cache = {"seen": []}
        self.last = deque(maxlen=3)
        self.by = defaultdict(list)
        self.count = torch.zeros(2)  # neither a parameter nor a buffer

    def forward(self, x):
        y = self.conv(x)
        self.cache["seen"].append(y)
        self.last.append(y)
        self.by["conv"].append(y)
        self.count.add_(1)
        return y


def test_what_a_module_remembers_is_as_before():
    module = Remembers()
    striate.check(module, input=(3, 8, 8))
    assert module.cache == {"seen": []}
    assert not module.last
    assert not module.by
    assert module.count.tolist() == [0, 0]
