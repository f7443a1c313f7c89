"""Random modules with wrong numbers: each printed fix is applied as it is printed, and the module runs."""

from __future__ import annotations

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import striate
from strategies import examples

NUMBERS = st.integers(1, 24)


@st.composite
def broken(draw):
    """Descriptions of layers, whose inputs are right or wrong by chance."""
    layers, channels = [], draw(st.sampled_from([1, 3, 4]))
    input = (channels, *[draw(st.integers(8, 28))] * 2)
    for _ in range(draw(st.integers(1, 4))):
        given_, out = draw(NUMBERS) if draw(st.booleans()) else channels, draw(NUMBERS)
        layers.append(["conv", given_, out, draw(st.sampled_from([1, 3, 5])), draw(st.sampled_from([0, 1]))])
        channels = out
        kind = draw(st.sampled_from(["bn", "gn", "prelu", "relu", "pool", ""]))
        number = draw(NUMBERS) if draw(st.booleans()) else channels
        layers += [[kind, number]] if kind else []
    if draw(st.booleans()):
        layers.append(["flatten"])
    for _ in range(draw(st.integers(1, 3))):
        layers.append(["linear", draw(st.integers(1, 900)), draw(NUMBERS)])
    return layers, input


def made(layers):
    def layer(kind, *numbers):
        match kind:
            case "conv":
                return nn.Conv2d(*numbers[:3], padding=numbers[3])
            case "linear":
                return nn.Linear(*numbers)
            case "bn":
                return nn.BatchNorm2d(*numbers)
            case "gn":
                return nn.GroupNorm(*(numbers if len(numbers) == 2 else (1, *numbers)))
            case "prelu":
                return nn.PReLU(*numbers)
            case "pool":
                return nn.MaxPool2d(2)
            case "flatten":
                return nn.Flatten()
            case _:
                return nn.ReLU()

    return nn.Sequential(*(layer(*each) for each in layers))


def applied(layers, problems):
    """The layers with every printed fix."""
    layers, before = [list(each) for each in layers], set()
    for problem in problems:
        place = int(problem.layer.removeprefix("_"))
        for fix in problem.fix.partition("; or an input")[0].split(" and "):
            numbers = [int(n) for n in re.findall(r"(?<![a-z.(]{7})\b\d+", fix.partition(" behind")[0])]
            if fix.startswith("Conv2d"):
                layers[place][1] = numbers[0]
            elif fix.startswith("padding="):
                layers[place][4] = numbers[0]
            elif fix == "remove it":
                layers[place] = [""]
            elif fix.startswith("flatten before it"):
                before.add(place)
            else:
                layers[place] = [layers[place][0], *numbers]
            if "behind x.flatten(1)" in fix:
                before.add(place)
    return [each for i, layer in enumerate(layers) for each in ([["flatten"]] * (i in before) + [layer])]


@given(broken())
@settings(max_examples=6, deadline=None)
def test_the_printed_fixes_make_it_run(case):
    holds(*case)


@pytest.mark.slow
@given(broken())
@examples(500)
def test_the_printed_fixes_of_500_modules_make_them_run(case):
    holds(*case)


def holds(layers, input):
    report = striate.check(made(layers), input=input)
    try:
        made(layers).eval()(torch.rand(2, *input))
        runs = True
    except (RuntimeError, ValueError):
        runs = False
    assert runs == (not report.problems)
    module = made(applied(layers, report.problems)).eval()
    with torch.no_grad():
        assert module(torch.rand(2, *input)).shape == (2, *report.layers[-1].output)
    assert not striate.check(module, input=input).problems
    assert report.parameters == sum(p.numel() for p in module.parameters())


# ---------------------------------------------------------------------------------- numbers that were wrong once
class Runs(nn.Module):
    def __init__(self, run, **layers):
        super().__init__()
        self.run = run
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x):
        return self.run(self, x)


def test_torch_called_by_keyword():
    module = Runs(
        lambda m, x: torch.matmul(input=F.linear(input=x.flatten(1), weight=m.w), other=m.v),
        w=nn.Parameter(torch.rand(5, 12)), v=nn.Parameter(torch.rand(5, 3)),
    )  # fmt: skip
    report = striate.check(module, input=(3, 2, 2))
    assert not report.problems
    assert (report.parameters, report.macs, report.layers[-1].output) == (75, 75, (3,))
    attends = Runs(lambda m, x: F.scaled_dot_product_attention(query=x, key=x, value=x))
    report = striate.check(attends, input=(6, 8))
    assert (report.macs, report.layers[-1].output) == (2 * 6 * 6 * 8, (6, 8))


def test_frames_folded_into_the_batch_are_of_one_input():
    def run(m, x):  # (N, frames, C, H, W) comes as frames x 12 x 10 of one channel each
        n, t = x.shape[:2]
        y = m.c(x.reshape(n * t, 1, *x.shape[2:])).mean((2, 3))
        return m.f(y.reshape(n, t * 4))

    module = Runs(run, c=nn.Conv2d(1, 4, 3), f=nn.Linear(20, 2))
    report = striate.check(module, input=(5, 12, 10))
    conv = next(layer for layer in report.layers if layer.name == "c")
    assert not report.problems
    assert (conv.output, conv.memory, conv.macs) == ((5, 4, 10, 8), 4 * 5 * 4 * 80, 5 * 4 * 80 * 9)


def test_the_sequence_first_is_of_one_input():
    module = Runs(lambda m, x: m.f(m.r(x.permute(2, 0, 1))[0][-1]), r=nn.LSTM(3, 6), f=nn.Linear(6, 2))
    report = striate.check(module, input=(3, 9))
    assert not report.problems
    assert next(layer for layer in report.layers if layer.name == "r").output == (9, 6)


def test_layers_on_constants_are_mentioned():
    module = Runs(lambda m, x: x + m.p(m.t)[None], p=nn.Linear(4, 8), t=nn.Parameter(torch.rand(5, 4)))
    report = striate.check(module, input=(5, 8))
    assert report.partial
    assert any("do not come from the input" in note and note.endswith(": p") for note in report.notes)


def test_kept_statistics_do_not_widen_a_field():
    kept = nn.Sequential(nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4, track_running_stats=True))
    assert striate.check(kept, input=(3, 12, 12)).receptive_field == (3, 3)
