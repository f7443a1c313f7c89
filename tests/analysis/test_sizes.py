"""The legal inputs that a report names, against trying every size."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from strategies import examples, nets
from striate.analysis import analyse
from striate.analysis.sizes import Sizes
from striate.errors import ShapeError
from striate.net import build
from striate.spec import Embedding, Graph, Seq, Shape, lower, parse

MOST = 60  # every size up to here is tried


def with_size(shape: Shape, axis: int, n: int) -> Shape:
    at = len(shape) - axis
    return (*shape[:at], n, *shape[at + 1 :])


def by_trying(graph: Graph, axis: int, square: bool) -> dict[int, tuple[bool, bool]]:
    """For each size of one axis (counted from the end): does it fit, and is nothing of that axis dropped?

    *square*: the other axes take the same size; else they stay, and must fit.
    """
    assert graph.input is not None
    found = {}
    words = isinstance(graph.nodes[0].op, Embedding)
    for n in range(1, MOST):
        all_axes = (n,) if words else (graph.input[0], *[n] * (len(graph.input) - 1))
        report = analyse(lower(graph, all_axes if square else with_size(graph.input, axis, n)))
        rank = max(1, len(report.input) - 1)
        found[n] = (not report.problems, all(d.axis != rank - axis for d in report.dropped))
    return found


def agrees(graph: Graph, square: bool = False) -> None:
    assert graph.input is not None
    found = Sizes(graph).axes
    for axis, sizes in zip(range(len(found), 0, -1), found, strict=True):
        asked = graph.input[-axis]
        tried = by_trying(graph, axis, square)
        legal = [n for n, (fits, whole) in tried.items() if fits and whole]
        assert sizes.smallest == min((n for n, (fits, _) in tried.items() if fits), default=None)
        assert sizes.legal == (asked in legal)
        assert sizes.below == max((n for n in legal if n < asked), default=None)
        above = min((n for n in legal if n > asked), default=None)
        assert sizes.above == above or (above is None and (sizes.above is None or sizes.above >= MOST))
        if sizes.step is not None:
            first = asked if sizes.legal else sizes.above
            assert first is not None
            assert [n for n in legal if n >= first] == list(range(first, MOST, sizes.step))


@given(nets(heads=False))
@examples(40)
def test_legal_sizes_are_those_that_trying_finds(net: tuple[Seq, Shape]) -> None:
    spec, input = net
    agrees(lower(spec, input))


U_NET = """
    a: conv 2 3 padding=1; d1: maxpool 2; b: conv 2 3 padding=1; d2: maxpool 2; c: conv 2 3 padding=1
    u2: convtranspose 2 2 stride=2; j2: concat <- u2, b; e: conv 2 3 padding=1
    u1: upsample 2; j1: concat <- u1, a; conv 2 1
"""


@pytest.mark.parametrize(
    ("text", "input"),
    [
        (U_NET, (1, 30, 33)),
        (U_NET, (1, 32, 8)),
        ("conv 6 5; maxpool 2; conv 16 5; maxpool 2; flatten; linear 10", (1, 28, 30)),
        ("conv 8 7 stride=2 padding=3; maxpool 3 stride=2 padding=1; conv 8 3 stride=2 padding=1", (1, 19, 16)),
        ("conv 1 2 stride=2; conv 1 3 stride=3; maxpool 2", (1, 12, 13)),  # short of its smallest
        ("conv 1 1 stride=3; conv 1 2 dilation=3 stride=2", (1, 12, 20)),
        ("maxpool 3 stride=2 ceil=yes; avgpool 2 ceil=yes", (1, 7, 8)),
        ("l: conv 1 5 stride=2 padding=2; r: conv 1 3 <- input; conv 1 3; add <- l, conv3", (1, 12, 12)),  # not aligned
        ("l: conv 1 1 stride=2; r: conv 1 3 <- input; add <- l, r", (1, 4, 9)),
        ("l: adaptiveavgpool 4; r: conv 1 5 stride=2 padding=2 <- input; add <- l, r", (1, 9, 8)),
        ("l: adaptiveavgpool 7; r: conv 1 5 <- input; add <- l, r", (1, 9, 21)),  # one size, and uneven windows
        ("embedding 9 4; conv 8 5; maxpool 2", (13,)),
        ("avgpool 3 stride=2 padding=1", (1, 2, 7, 9)),
        ("conv 1 3 padding=9 stride=4", (1, 1, 2)),
        ("linear 3", (7,)),
    ],
)
def test_legal_sizes_of_known_kinds(text: str, input: Shape) -> None:
    agrees(lower(parse(text), input), square=True)


@given(nets(), st.data())
@examples(40)
def test_what_a_report_calls_legal_is(net: tuple[Seq, Shape], data: st.DataObject) -> None:
    """Below and above fit with nothing dropped; the smallest builds and runs, and one less of any axis does not."""
    spec, input = net
    legal = analyse(spec, input).legal_inputs
    asked = analyse(spec, input)
    assert legal.asked == (not asked.problems and not asked.dropped)
    for shape in (legal.below, legal.above):
        if shape:
            report = analyse(spec, shape)
            assert not report.problems
            assert not report.dropped
            assert report.legal_inputs.asked
    if legal.smallest is None:
        assert len(input) == 1
        return
    module = build(spec, legal.smallest).eval()
    words = type(spec.children[0][1]).__name__ == "Embedding"
    module(torch.zeros(1, *legal.smallest, dtype=torch.long if words else torch.float32))
    for axis in range(1 if not words else 0, len(input)):
        if legal.smallest[axis] > 1:
            less = list(legal.smallest)
            less[axis] -= 1
            assert analyse(spec, tuple(less)).problems
            with pytest.raises(ShapeError):
                build(spec, tuple(less))


def test_lenets_legal_inputs() -> None:
    """By hand: two halvings after 5x5 windows, and a 5x5 map at the third convolution: 32, then steps of 4."""
    legal = analyse("conv 6 5; tanh; avgpool 2; conv 16 5; tanh; avgpool 2; conv 120 5", (1, 33, 35)).legal_inputs
    assert (legal.asked, legal.below, legal.above) == (False, (1, 32, 32), (1, 36, 36))
    assert (legal.smallest, legal.step) == ((1, 32, 32), (4, 4))


def test_steps_of_branches_are_common_multiples() -> None:
    """By hand: halves and thirds of the same input."""
    legal = analyse("maxpool 2; a: upsample 2; maxpool 3 <- input; b: upsample 3; add <- a, b", (1, 8, 8)).legal_inputs
    assert (legal.below, legal.above, legal.smallest) == ((1, 6, 6), (1, 12, 12), (1, 6, 6))
    assert legal.step == (6, 6)


def test_a_net_with_a_fault_is_not_called_legal() -> None:
    assert not analyse("conv 6 5; linear 10", (1, 28, 28)).legal_inputs.asked
    assert not analyse("conv 6 3x3x3; flatten; linear 10", (1, 28, 28)).legal_inputs.asked
    assert not analyse("batchnorm; maxpool 2", (10,)).legal_inputs.asked


def test_a_very_large_stride_does_not_hang() -> None:
    """A mistyped number is answered like any other."""
    report = analyse("conv 1 5 stride=1000003; relu; maxpool 999983", (1, 28, 28))
    assert report.problems[0].layer == "pool1"
    legal = analyse("maxpool 1000000", (1, 2_000_001)).legal_inputs
    assert legal.below == (1, 2_000_000)
    assert analyse("flatten; linear 1", (1, 999_999_999)).layers[-1].receptive_field == (999_999_999,)
