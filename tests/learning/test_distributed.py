"""One of several processes: which it is, and which GPU it takes. Real processes: tests/test_run_processes.py."""

import pytest
import torch
from torch import nn

from striate.errors import RecipeError
from striate.learning.distributed import Parallel, World, first_to_fail, launched

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")


@pytest.fixture
def environment(monkeypatch):
    def set_to(*numbers):
        for name, number in zip(NAMES, numbers, strict=False):
            monkeypatch.setenv(name, str(number))

    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    return set_to


def test_without_torchrun_there_is_one(environment):
    assert not launched()
    assert World.of_environment() == World(0, 1, 0, 1)
    assert World().first
    assert first_to_fail()


def test_torchrun_with_one_process_is_one(environment):
    environment(0, 1, 0, 1)
    assert not launched()
    assert World.of_environment().size == 1


def test_what_torchrun_says(environment):
    environment(5, 8, 1, 4)
    world = World.of_environment()
    assert launched()
    assert world == World(rank=5, size=8, local_rank=1, local_size=4)
    assert not world.first
    assert world.share == (5, 8)


def test_one_process_needs_no_others():
    world, scores, targets = World(), torch.randn(3, 2), torch.tensor([0, 1, 1])
    world.join(torch.device("cpu"))
    world.level([scores])
    assert world.gathered(scores, targets) == (scores, targets)
    assert world.in_turn(lambda: 3) == 3
    assert world.from_first("a") == "a"
    assert not world.stopping
    world.ask_to_stop()
    assert world.stopping


def test_other_processes_draw_other_numbers():
    seeds = {World(rank, 4).seed(7, step) for rank in range(4) for step in range(3)}
    assert len(seeds) == 1 + 3 * 3  # the first draws as a single process does
    assert 7 in seeds


def test_every_process_takes_its_own_gpu_and_says_where_there_are_too_few(monkeypatch):
    chosen = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert World(1, 2, 1, 2).own(torch.device("cuda")) == torch.device("cuda", 1)
    assert chosen == [1]
    assert World(1, 2, 1, 2).own(torch.device("cpu")) == torch.device("cpu")
    assert World().own(torch.device("cuda")) == torch.device("cuda")
    with pytest.raises(RecipeError) as caught:
        World(2, 3, 2, 3).own(torch.device("cuda"))
    assert str(caught.value) == (
        "3 processes on this node, which has 2 GPUs; start at most as many (torchrun --nproc-per-node 2), or use "
        "--device cpu"
    )


def test_a_single_process_calls_the_module_as_it_is():
    net = nn.Linear(3, 2)
    x = torch.randn(4, 3)
    assert torch.equal(Parallel(net, net, World())(x), net(x))
