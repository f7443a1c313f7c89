"""One layer at a time: it fits exactly where torch runs it, and what a stride drops is what no gradient reaches."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from laws import one_thread  # noqa: F401
from strategies import each_axis, examples, ranks
from striate.analysis import analyse, infer
from striate.errors import SpecError
from striate.net.layers import layer
from striate.spec import AvgPool, Conv, ConvTranspose, MaxPool, Op, Seq, Shape, SumPool, lower
from striate.spec.op import per_axis


@st.composite
def layers(draw: st.DrawFn, kinds: tuple[type[Op], ...], ranks: st.SearchStrategy[int] = ranks) -> tuple[Op, Shape]:
    """One windowed layer and a small input, which it fits or not."""
    rank = draw(ranks)
    cls = draw(st.sampled_from(kinds))
    values: dict[str, object] = {
        "kernel": draw(each_axis(rank, 1, 4)),
        "stride": draw(each_axis(rank, 1, 4)),
        "padding": draw(st.just(0) | each_axis(rank, 0, 3)),
    }
    if cls in (Conv, ConvTranspose):
        values |= {"out": 2, "bias": False}
    if cls in (Conv, MaxPool, ConvTranspose):
        values["dilation"] = draw(st.just(1) | each_axis(rank, 1, 3))
    if cls in (MaxPool, AvgPool, SumPool):
        values["ceil"] = draw(st.booleans())
    if cls is ConvTranspose:
        values["output_padding"] = draw(st.just(0) | each_axis(rank, 0, 2))
    try:
        op = cls(**values)
    except SpecError:
        assume(False)
    return op, (2, *draw(st.lists(st.integers(1, 8), min_size=rank, max_size=rank)))


class EmptyOutputError(Exception):
    """A transposed convolution gives it in place of an error."""


def refused(module: torch.nn.Module, x: torch.Tensor) -> None:
    if not module(x).numel():
        raise EmptyOutputError


@given(layers((Conv, ConvTranspose, MaxPool, AvgPool, SumPool)))
@examples(250)
def test_a_layer_fits_exactly_where_torch_runs_it(case: tuple[Op, Shape]) -> None:
    op, input = case
    shapes, problems = infer(lower(op, input))
    module = layer(op, input)
    for device in ("cpu", "meta"):
        module.to_empty(device=device)
        x = torch.zeros(1, *input, device=device)
        if problems:
            with pytest.raises((RuntimeError, EmptyOutputError)):
                refused(module, x)
        else:
            assert tuple(module(x).shape[1:]) == list(shapes.values())[-1]


def reached(op: Conv | AvgPool | SumPool, input: Shape, axis: int) -> list[bool]:
    """Which places of *axis* have a gradient, all weights being 1."""
    module = layer(op, input)
    for p in module.parameters():
        torch.nn.init.ones_(p)
    x = torch.zeros(1, *input, requires_grad=True)
    module(x).sum().backward()
    others = [i for i in range(len(input) + 1) if i != axis + 2]
    assert x.grad is not None
    return [bool(v) for v in x.grad.sum(dim=others) > 0]


@given(layers((Conv, AvgPool, SumPool), st.just(1)))
@examples(150)
def test_dropped_is_what_only_a_longer_input_has_read(case: tuple[Op, Shape]) -> None:
    """Along one axis: the others have a window each of their own."""
    op, input = case
    report = analyse(Seq(op), input)
    assume(not report.problems)
    assert isinstance(op, Conv | AvgPool | SumPool)
    dropped = {d.axis: d for d in report.dropped}
    for axis, n in enumerate(input[1:]):
        longer = list(input)
        longer[axis + 1] += 16
        covered, then = reached(op, input, axis), reached(op, tuple(longer), axis)
        lost = [i for i in range(n) if then[i] and not covered[i]]
        if per_axis(op.stride, len(input) - 1)[axis] == 1:
            lost = []  # the dilation alone leaves nothing out that another size would not
        d = dropped.get(axis)
        assert (d.count, d.within) == (len(lost), n - lost[0]) if d else not lost, (covered, then)


def test_stride_and_dilation_leave_single_positions_out() -> None:
    """By hand: windows from 0, 2, ... 20 read 0, 3 and 6 further on, so of 28 positions 25 and 27 are not read."""
    report = analyse("conv 1 3 stride=2 dilation=3", (1, 28))
    assert [(d.count, d.within) for d in report.dropped] == [(2, 3)]
    assert "note: conv1 leaves 2 of the last 3 positions of its input unused" in str(report)
    report = analyse("conv 1 3 stride=3 dilation=2 padding=2", (1, 20))
    assert [(d.count, d.within) for d in report.dropped] == [(1, 1)]  # position 19
    assert report.legal_inputs.step == (3,)


def test_dropped_rows_and_columns_are_named_for_people() -> None:
    report = analyse("maxpool 2; conv 1 3 stride=2x3", (1, 9, 12))
    assert [(d.layer, d.axis, d.count) for d in report.dropped] == [("pool1", 0, 1), ("conv1", 0, 1)]
    text = str(report)
    assert "note: pool1 leaves the last row of its input unused" in text
    assert "note: pool1 leaves the last 2 rows and the last column of its input unused" in str(
        analyse("maxpool 3", (1, 5, 7))
    )
    assert "last position" in str(analyse("maxpool 2", (1, 5)))
    assert "last slice and the last column" in str(analyse("maxpool 2", (1, 5, 4, 3)))
