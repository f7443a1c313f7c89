"""Modules as people write them, with their slips: every fault in one pass, and fixes that make them run."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import striate


class ViewWrong(nn.Module):
    """The tutorial's net on larger images."""

    def __init__(self, features=400, flat=lambda x: x.view(-1, 400)):
        super().__init__()
        self.c1, self.p, self.c2 = nn.Conv2d(3, 6, 5), nn.MaxPool2d(2, 2), nn.Conv2d(6, 16, 5)
        self.f1, self.f2, self.f3, self.flat = nn.Linear(features, 120), nn.Linear(120, 84), nn.Linear(84, 10), flat

    def forward(self, x):
        x = self.p(F.relu(self.c1(x)))
        x = self.flat(self.p(F.relu(self.c2(x))))
        return self.f3(F.relu(self.f2(F.relu(self.f1(x)))))


def fixes(module, input, **more):
    report = striate.check(module, input=input, **more)
    return {p.layer: p.fix for p in report.problems}


@pytest.mark.parametrize(("size", "features"), [(64, 2704), (52, 1600), (40, 784), (224, 44944)])
def test_view_of_another_number_of_features_mixes_the_batch(size, features):
    report = striate.check(ViewWrong(), input=(3, size, size))
    assert [(p.layer, p.fix) for p in report.problems] == [
        ("flatten1", "x.view(x.size(0), -1)"),
        ("f1", f"Linear({features}, 120)"),
    ]
    assert report.problems[0].message.startswith(f"view(-1, 400) mixes the batch: 16x{(size - 12) // 4}x")
    assert [layer.output for layer in report.layers][-6:] == [(features,), (120,), (120,), (84,), (84,), (10,)]
    mended = ViewWrong(features, lambda x: x.view(x.size(0), -1))
    assert mended(torch.rand(2, 3, size, size)).shape == (2, 10)
    assert not striate.check(mended, input=(3, size, size)).problems
    assert report.parameters == sum(p.numel() for p in mended.parameters())


@pytest.mark.parametrize(
    ("flat", "fix"),
    [
        (lambda x: x.flatten(), "x.flatten(1)"),
        (lambda x: torch.flatten(x), "x.flatten(1)"),
        (lambda x: x.view(-1), "x.view(x.size(0), -1)"),
        (lambda x: x.reshape(1, -1), "x.reshape(x.size(0), -1)"),
        (lambda x: x.view(32, -1), "x.view(x.size(0), -1)"),
        (lambda x: x.view(32, 400), "x.view(x.size(0), 400)"),
        (lambda x: x.reshape(-1, 200), "x.reshape(x.size(0), -1)"),
        (lambda x: x.view(x.size(0), 800), "x.view(x.size(0), -1)"),
        (nn.Flatten(0), "nn.Flatten()"),
    ],
)
def test_other_ways_to_take_the_batch_in(flat, fix):
    report = striate.check(ViewWrong(flat=flat), input=(3, 32, 32))
    assert [p.fix for p in report.problems] == [fix]
    assert report.layers[-1].output == (10,)
    assert max(layer.output[0] for layer in report.layers) == 400  # the batch is in no row


@pytest.mark.parametrize("flat", [lambda x: x.view(-1, 400), nn.Flatten(), lambda x: x.reshape(x.shape[0], -1)])
def test_what_does_not_mix_the_batch_is_no_fault(flat):
    assert not striate.check(ViewWrong(flat=flat), input=(3, 32, 32)).problems


class ListBlocks(nn.Module):
    def __init__(self):
        super().__init__()
        self.convs = [nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)]
        self.f = nn.Linear(8, 2)

    def forward(self, x):
        for c in self.convs:
            x = F.relu(c(x))
        return self.f(x.mean((2, 3)))


def test_layers_in_a_plain_list():
    module = ListBlocks()
    report = striate.check(module, input=(3, 32, 32))
    (problem,) = report.problems
    assert problem.message == "2 layers in a plain list: 808 parameters that no optimizer gets"
    assert problem.fix == "self.convs = nn.ModuleList([...])"
    assert report.parameters == 826
    assert [n for n, _ in module.named_modules()] == ["", "f"]  # as it was


class DictOut(nn.Module):
    def __init__(self):
        super().__init__()
        self.b, self.h = nn.Conv2d(3, 8, 3), nn.Linear(8, 4)

    def forward(self, x):
        f = self.b(x)
        return {"features": f, "logits": self.h(f.mean((2, 3)))}


def test_of_a_dict_the_logits_are_the_output():
    report = striate.check(DictOut(), input=(3, 32, 32))
    assert report.layers[-1].output == (4,)
    assert report.parameters == 260
    assert report.notes == ("it gives 2 tensors: logits is the output, the others are taps: b",)
