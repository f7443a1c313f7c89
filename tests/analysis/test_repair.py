"""The fixes that are printed were tried: applied, they remove the fault, and all together the network fits."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from hypothesis import HealthCheck, assume, given
from hypothesis import strategies as st

from strategies import any_graphs, examples, nets
from striate.analysis import analyse, faults, repair
from striate.analysis.changes import apply_changes
from striate.analysis.repair import kind_of
from striate.errors import SpecError
from striate.net import build
from striate.spec import Add, Flatten, Graph, Node, ReLU, Shape, format, lower, parse


@st.composite
def broken_nets(draw: st.DrawFn) -> Graph:
    """A net that fits, with one or two slips: another number in a field, a layer less, a branch around a few layers."""
    spec, input = draw(nets())
    graph = lower(spec, input)
    for _ in range(draw(st.integers(1, 2))):
        nodes = list(graph.nodes)
        place = draw(st.integers(0, len(nodes) - 1))
        node, slip = nodes[place], draw(st.sampled_from(["number", "less", "shortcut", "flatten", "input"]))
        try:
            if slip == "number":
                numbers = [f.name for f in fields(node.op) if type(getattr(node.op, f.name)) is int]
                assume(numbers)
                name = draw(st.sampled_from(numbers))
                nodes[place] = replace(node, op=replace(node.op, **{name: draw(st.integers(0, 9))}))
            elif slip == "less":
                assume(len(node.inputs) == 1 and len(nodes) > 1)
                del nodes[place]
                nodes = [
                    replace(n, inputs=tuple(node.inputs[0] if i == node.name else i for i in n.inputs)) for n in nodes
                ]
            elif slip == "shortcut":
                other = draw(st.sampled_from(["input", *(n.name for n in nodes[:place])]))
                assume(other != node.name)
                nodes.insert(place + 1, Node("shortcut", Add(), (node.name, other)))
                nodes[place + 2 :] = [
                    replace(n, inputs=tuple("shortcut" if i == node.name else i for i in n.inputs))
                    for n in nodes[place + 2 :]
                ]
            elif slip == "flatten":
                nodes = [replace(n, op=ReLU()) if isinstance(n.op, Flatten) else n for n in nodes]
            else:
                assert graph.input is not None
                size = draw(st.integers(1, 6))
                graph = replace(graph, input=(graph.input[0], *[size] * (len(graph.input) - 1)))
            graph = replace(graph, nodes=tuple(nodes))
        except SpecError:
            assume(False)
    assume(faults(graph)[1])
    return graph


def holds(graph: Graph) -> None:
    found = repair(graph)
    for layer, fix in found.fixes[:1]:
        before = {kind_of(p) for p in faults(graph)[1] if p.layer == layer}
        after = {kind_of(p) for p in faults(apply_changes(graph, fix.changes))[1] if p.layer == layer}
        assert not before & after or before > after, fix
    if found.complete:
        assert not faults(found.graph)[1]
        build(found.graph, device="meta")


@given(broken_nets())
@examples(40, suppress_health_check=[HealthCheck.filter_too_much])
def test_a_net_with_slips_is_repaired(graph: Graph) -> None:
    holds(graph)
    assert repair(graph).complete


@pytest.mark.slow
@given(broken_nets())
@examples(2000)
def test_2000_nets_with_slips_are_repaired(graph: Graph) -> None:
    holds(graph)
    assert repair(graph).complete


@given(any_graphs())
@examples(40)
def test_fixes_of_any_graph_do_what_they_say(graph: Graph) -> None:
    assume(graph.input is not None)
    holds(graph)


@given(broken_nets())
@examples(20)
def test_legal_inputs_of_a_broken_net_are_those_of_the_repaired_one(graph: Graph) -> None:
    legal, found = analyse(graph).legal_inputs, repair(graph)
    for shape in (legal.below, legal.above):
        if shape:
            report = analyse(replace(found.graph, input=shape))
            assert not report.problems
            assert not report.dropped


KNOWN: dict[str, tuple[str, Shape, str]] = {
    "a shortcut around a stride": (
        "s: conv 64 7 stride=2 padding=3; conv 128 3 stride=2 padding=1; relu; y: conv 128 3 padding=1; add <- s, y; "
        "adaptiveavgpool 1; flatten; linear 10",
        (3, 64, 64),
        "a projection: conv 128 1 stride=2 on s",
    ),
    "a decoder without upsampling": (
        "a: conv 8 3 padding=1; maxpool 2; b: conv 16 3 padding=1; concat <- a, b; conv 2 1",
        (3, 32, 32),
        "upsample 2 on b",
    ),
    "a gate of other channels": (
        "a: conv 8 3 padding=1; adaptiveavgpool 1; h: conv 6 1; multiply <- a, h",
        (3, 28, 28),
        "give them the same channels, for example by conv 8 1 on h",
    ),
    "a table of missing inputs": ("conv 4 3; tableconv 0-1,3-5 3", (1, 9, 9), "6 outputs in conv1"),
    "a table of missing inputs behind a shortcut": (
        "a: conv 4 3 padding=1; b: conv 4 3 padding=1; add <- a, b; tableconv 0-1,3-5 3",
        (1, 9, 9),
        "rows of the 4 inputs that there are, such as 0-1,1-3",
    ),
    "an image without its channels": ("conv 6 5x5", (28, 28), "write the input with its channels: input 1x28x28"),
    "a kernel for volumes": ("conv 6 3x3x3", (3, 28, 28), "kernel=3x3"),
    "pooling after flatten": ("conv 6 5; flatten; maxpool 2; linear 10", (1, 28, 28), "move it before flatten1"),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_slips_get_the_fix_that_people_use(name: str) -> None:
    text, input, fix = KNOWN[name]
    report = analyse(text, input)
    assert fix in report.problems[0].fix
    found = repair(lower(parse(text), input))
    assert found.complete
    module = build(parse(format(found.graph))).eval()
    assert module(torch.zeros(1, *found.graph.input or ())).shape[0] == 1


def test_after_the_fault_the_table_is_that_of_the_repaired_net() -> None:
    text, input, _ = KNOWN["a shortcut around a stride"]
    layers = {layer.name: layer for layer in analyse(text, input).layers}
    assert layers["add1"].output == (128, 16, 16)
    assert layers["linear1"].parameters == 128 * 10 + 10
