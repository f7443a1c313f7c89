"""Layers computed as one matrix multiplication have the numbers that torch's own kernels give."""

import math
from copy import deepcopy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import striate
from striate.learning import Speed, trial
from striate.learning.matmul import CONVOLUTIONS, multiplied, multiplies
from striate.zoo import ZOO

sides = st.integers(1, 4)


def outputs_and_gradients(forward, part, x):
    x = x.clone(memory_format=torch.preserve_format).requires_grad_()
    out = forward(x)
    weights = torch.linspace(-1, 1, out.numel()).view(out.shape)
    return [out, *torch.autograd.grad((out * weights).sum(), [x, *part.parameters()])]


def assert_same(part, x, bound=1e-5):
    assert multiplies(part, x)
    expected = outputs_and_gradients(part, part, x)
    found = outputs_and_gradients(lambda x: multiplied(part, torch.relu, x), part, x)  # relu: would be noticed
    for a, b in zip(expected, found, strict=True):
        assert torch.allclose(a, b, rtol=bound, atol=bound)


@pytest.fixture
def lenet():
    torch.manual_seed(0)
    return striate.build(ZOO["lenet5"].make(classes=10), (1, 32, 32)).train()


@given(rank=st.integers(1, 3), channels=sides, filters=sides, size=st.lists(sides, min_size=3), bias=st.booleans(),
       last=st.booleans())  # fmt: skip
def test_a_convolution_that_covers_its_input(rank, channels, filters, size, bias, last):
    size = tuple(size[:rank])
    part = CONVOLUTIONS[rank - 1](channels, filters, size, bias=bias)
    x = torch.randn(3, channels, *size)
    if last and rank == 2:
        part, x = part.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    assert_same(part, x)


@given(height=sides, width=sides, rows=sides, columns=sides, channels=sides, last=st.booleans())
def test_averages_over_windows_that_do_not_overlap(height, width, rows, columns, channels, last):
    x = torch.randn(2, channels, height * rows, width * columns)
    assert_same(nn.AvgPool2d((height, width)), x.to(memory_format=torch.channels_last) if last else x)


@pytest.mark.parametrize(
    ("part", "shape"),
    [
        (nn.Conv2d(4, 6, 3), (4, 4, 3)),
        (nn.Conv2d(4, 6, 3, padding=1), (4, 3, 3)),
        (nn.Conv2d(4, 6, 3, padding="same"), (4, 3, 3)),
        (nn.Conv2d(4, 6, 2, dilation=2), (4, 2, 2)),
        (nn.Conv2d(4, 6, 3, groups=2), (4, 3, 3)),
        (nn.ConvTranspose2d(4, 6, 3), (4, 3, 3)),
        (nn.AvgPool2d(2), (4, 5, 4)),
        (nn.AvgPool2d(2, 1), (4, 4, 4)),
        (nn.AvgPool2d(2, padding=1), (4, 4, 4)),
        (nn.AvgPool2d(2, divisor_override=1), (4, 4, 4)),
        (nn.AvgPool2d(2), (4, 4, 512)),
        (nn.MaxPool2d(2), (4, 4, 4)),
    ],
    ids=str,
)
def test_everything_else_is_computed_as_before(part, shape):
    x = torch.randn(2, *shape)
    assert not multiplies(part, x)
    assert multiplied(part, lambda x: "as before", x) == "as before"


def test_a_layer_that_is_called_by_name_is_computed_as_before(lenet):
    x = torch.randn(2, 16, 5, 5)
    assert multiplied(lenet.c5, lambda **named: named, input=x) == {"input": x}


def test_a_ninth_is_not_rounded_to_8_bits():
    x = torch.randn(2, 3, 6, 6)
    assert multiplies(nn.AvgPool2d(3), x)
    assert not multiplies(nn.AvgPool2d(3), x.bfloat16())
    assert torch.equal(multiplied(nn.AvgPool2d(2), None, x.bfloat16()), nn.AvgPool2d(2)(x.bfloat16()))


def measured(module, x):
    return trial._Trial(module, module, lambda scores: scores.square().mean(), x)


def test_those_of_lenet5_are_found_and_give_the_same_gradients(lenet):
    x = torch.randn(4, 1, 32, 32)
    assert measured(lenet, x).matmul_layers(Speed()) == {"s2": nn.AvgPool2d, "s4": nn.AvgPool2d, "c5": nn.Conv2d}
    _, expected = measured(lenet, x).step(Speed())
    how = Speed(memory_format="channels_last", matmul_layers=("s2", "s4", "c5"))
    how.place(lenet)
    with how.applied(lenet):
        _, found = measured(lenet, x).step(how)
    assert not any("forward" in vars(part) for part in lenet.modules())
    for a, b in zip(expected, found, strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-6)


def test_where_that_gives_other_numbers_nothing_is_taken(lenet, monkeypatch):
    wrong = deepcopy(lenet)
    monkeypatch.setattr("striate.learning.speed.multiplied", lambda part, forward, x: 1.1 * forward(x))
    assert measured(wrong, torch.randn(4, 1, 32, 32)).matmul_layers(Speed()) == {}


def test_of_one_layer_both_may_be_said(lenet):
    seen = []
    hook = lenet.c5.register_forward_hook(lambda part, args, out: seen.append((out.dtype, tuple(out.shape))))
    how = Speed("bf16", "channels_last", float32_layers=("c5",), matmul_layers=("c5",))
    how.place(lenet)
    with how.applied(lenet):
        measured(lenet, torch.randn(4, 1, 32, 32)).step(how)
    hook.remove()
    assert seen == [(torch.float32, (4, 120, 1, 1))]


@pytest.mark.parametrize("last", [False, True])
def test_a_batch_of_no_items_stays_one(last):
    x = torch.zeros(0, 3, 4, 4)
    part = nn.AvgPool2d(2)
    x = x.to(memory_format=torch.channels_last) if last else x
    assert multiplied(part, None, x).shape == part(x).shape == (0, 3, 2, 2)


def test_one_number_in_brackets_is_both_sides():
    assert_same(nn.AvgPool2d((2,)), torch.randn(2, 3, 4, 6))
    assert not multiplies(nn.AvgPool2d((2,), stride=(1,)), torch.randn(2, 3, 4, 6))


def test_averages_of_whole_numbers_are_computed_as_before():
    x = torch.arange(16).view(1, 1, 4, 4)
    part = nn.AvgPool2d(2)
    assert multiplied(part, part.forward, x).flatten().tolist() == [2, 4, 10, 12]


def test_what_was_computed_without_gradients_first_is_trained_all_the_same():
    part, x = nn.AvgPool2d(2), torch.randn(2, 7, 4, 14)
    with torch.inference_mode():
        multiplied(part, None, x)
    assert_same(part, x)


def test_somebodys_own_forward_is_there_again(lenet):
    own = lenet.c5.forward = lambda x: 2 * nn.Conv2d.forward(lenet.c5, x)
    with Speed(matmul_layers=("c5",)).applied(lenet):
        assert lenet.c5.forward is not own
    assert lenet.c5.forward is own


@pytest.mark.parametrize(
    ("settings", "taken"),
    [
        ({}, ("c5",)),
        ({"precision": "float32"}, ("c5",)),
        ({"compile": "yes"}, ()),  # which is left to the compiler
        ({"precision": "float32", "memory_format": "contiguous", "threads": 1}, ()),  # which promises the same bits
    ],
)
def test_they_are_taken_where_they_are_faster(lenet, monkeypatch, settings, taken):
    cost = {"c5": 0.8, "s2": 1.5, "s4": 1.5}  # times that of the layer as it is

    def seconds(self, how, left):
        return 1e-3 * math.prod(cost[name] for name in how.matmul_layers)

    monkeypatch.setattr(trial._Trial, "seconds", seconds)
    monkeypatch.setattr(trial, "BUDGET", 1e6)
    batch = torch.randn(4, 1, 32, 32), torch.tensor([0, 1, 2, 3])
    recipe = striate.Recipe(**settings)
    found = trial.measure_speed(lenet, lenet, nn.functional.cross_entropy, batch, recipe, steps=10**9)
    assert (found.matmul_layers, found.note) == (taken, "")
