"""Every activation: its formula is what torch computes, and text, analysis, build, reading and export know it.

A new one is tested by being there.
"""

from __future__ import annotations

import inspect
import math
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import striate
from strategies import ACTIVATIONS
from striate.exporters.source import source
from striate.exporters.write import compare_net
from striate.net.layers import layer
from striate.spec import OPS, Activation, Opaque, Seq, format, lower, parse
from striate.spec.op import signature

VARIANTS = [
    op(**values)
    for op in ACTIVATIONS
    for values in ({}, {f.name: 0.25 for f in fields(op)}, {f.name: 3.0 for f in fields(op)})
]
VARIANTS = list(dict.fromkeys(VARIANTS))


@pytest.mark.parametrize("op", VARIANTS, ids=repr)
def test_the_formula_is_what_torch_computes(op: Activation) -> None:
    x = torch.linspace(-9, 9, 181, dtype=torch.float64)
    names = {f.name: getattr(op, f.name) for f in fields(op)} | vars(math) | {"max": max, "min": min}
    by_hand = [eval(op.formula, names, {"x": value}) for value in x.tolist()]
    assert layer(op, (1,))(x).tolist() == pytest.approx(by_hand, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("op", VARIANTS, ids=repr)
def test_text_analysis_build_reading_and_export_know_it(op: Activation, tmp_path: Path) -> None:
    graph = lower(Seq(striate.Conv(2, 3), op), (1, 6, 6))
    assert parse(format(graph)) == graph
    report = striate.check(graph)
    (conv, act), field = report.layers, report.receptive_field
    assert (act.output, act.parameters, act.macs, field) == (conv.output, 0, 0, (3, 3))
    assert striate.read(striate.build(graph), (1, 6, 6)) == graph
    text, name = source(graph)
    (tmp_path / "net.py").write_text(text, encoding="utf-8")
    assert compare_net(tmp_path / "net.py", name, graph).max_difference == 0


@pytest.mark.parametrize("op", [op for op in VARIANTS if op.torch.startswith("nn.")], ids=repr)
def test_the_function_is_read_too(op: Activation) -> None:
    cls, arguments = signature(op.torch)
    function = next(getattr(F, name) for name in dir(F) if name.replace("_", "") == cls[3:].lower())
    values = [getattr(op, field) for _, field, _ in arguments]
    in_place = "inplace" in inspect.signature(getattr(nn, cls[3:])).parameters

    class Own(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            x = function(x)
            x = function(x, *values)
            x = function(x, **{name: value for (name, _, _), value in zip(arguments, values, strict=True)})
            return function(x, *values, inplace=True) if in_place else x

    ops = [node.op for node in striate.read(Own(), (2, 5)).nodes]
    assert ops[0] == type(op)()
    assert set(ops[1:]) == {op}


def test_what_no_op_says_is_not_taken_for_one() -> None:
    net = nn.Sequential(nn.GELU("tanh"), nn.CELU())
    assert all(isinstance(node.op, Opaque) for node in striate.read(net, (2, 5)).nodes)


@pytest.mark.parametrize("word", [name for name, op in OPS.items() if op.torch.startswith("nn.")])
def test_defaults_are_torchs(word: str) -> None:
    """The export leaves out what is at the op's default, so that has to be torch's."""
    op = OPS[word]
    cls, arguments = signature(op.torch.format(rank=2))
    known = inspect.signature(getattr(nn, cls[3:])).parameters
    ours = {f.name: f.default for f in fields(op)}
    for name, field, named in arguments:
        assert not named or name in known
        if named and not field.isdigit() and ours[field] is not MISSING:
            assert known[name].default == ours[field], (word, name)
