"""Shapes, parameters and MACs of random nets against torch, which shares no code with the analysis."""

from __future__ import annotations

import torch
from hypothesis import given

from laws import costs_are_torchs, no_faults, one_thread  # noqa: F401
from strategies import examples, nets
from striate.analysis import analyse
from striate.net import build
from striate.spec import Embedding, MaxPool, Seq, Shape, lower


@given(nets())
@examples(150)
def test_shapes_parameters_and_macs_are_torchs(net: tuple[Seq, Shape]) -> None:
    no_faults(*net)
    costs_are_torchs(*net)


@given(nets())
@examples(40)
def test_what_fits_also_runs_with_values(net: tuple[Seq, Shape]) -> None:
    """Some of torch's refusals come only on a real device."""
    spec, input = net
    words = isinstance(spec.children[0][1], Embedding)
    module = build(spec, input).eval()
    y = module(torch.zeros(2, *input, dtype=torch.long if words else torch.float32))
    report = analyse(spec, input)
    assert tuple(y.shape[1:]) == report.layers[-1].output
    if not any(isinstance(n.op, MaxPool) and n.op.dilation != 1 for n in lower(spec, input).nodes):
        # the weights of a dilated window may all fall on padding, whose maximum is minus infinity in torch too
        assert torch.isfinite(y).all()
    assert report.flops == 2 * report.macs == 2 * sum(layer.macs for layer in report.layers)
