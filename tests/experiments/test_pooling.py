"""Pooling and strides: sizes, costs, a shift of a pixel."""

import pytest
import torch

import striate
from striate.experiments.pooling import CONV, MAX, MEAN, NETS, NONE, STRIDE, shifted


def test_the_networks_differ_in_nothing_but_the_reduction():
    reports = {name: striate.check(text) for name, text in NETS.items()}
    assert all(not report.problems for report in reports.values())
    assert reports[MAX].parameters == reports[MEAN].parameters == reports[STRIDE].parameters == 27_912
    assert reports[MAX].macs == reports[MEAN].macs
    # each convolution that takes its own stride has a quarter of the places; the linear layer is the same
    linear = 64 * 3 * 3 * 8
    assert reports[STRIDE].macs - linear == (reports[MAX].macs - linear) / 4
    extra = sum(c * c * 9 + c for c in (16, 32, 64))
    assert reports[CONV].parameters == reports[MAX].parameters + extra
    assert reports[NONE].parameters == reports[MAX].parameters + 63 * linear


def test_a_shift_moves_every_pixel_to_the_right():
    x = torch.rand(2, 1, 4, 5)
    moved = shifted(x)
    assert torch.equal(moved[..., 1:], x[..., :-1])
    assert torch.equal(moved[..., 0], x[..., 0])


@pytest.mark.slow
def test_the_claim_holds():
    found = striate.experiment("pooling", seed=1)
    mean = {name: sum(values) / len(values) for name, values in found.data["accuracy"].items()}
    assert found.holds
    assert mean[CONV] > mean[MAX] > mean[MEAN] > mean[STRIDE]
