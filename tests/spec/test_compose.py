"""Seq, Sum and Cat: values that print as they are written, and lower to one flat graph."""

from __future__ import annotations

import pytest
from hypothesis import given

import striate.spec
from strategies import examples, nets
from striate.errors import SpecError
from striate.spec import Cat, Conv, Graph, Linear, MaxPool, Node, ReLU, Seq, Shape, Sum, lower


@given(nets())
@examples(60)
def test_the_repr_of_a_spec_makes_it_again(net: tuple[Seq, Shape]) -> None:
    spec, input = net
    again = eval(repr(spec), vars(striate.spec))
    assert again == spec
    assert hash(again) == hash(spec)
    assert lower(again, input) == lower(spec, input)
    graph = lower(spec, input)
    assert eval(repr(graph), vars(striate.spec)) == graph


def test_specs_are_values() -> None:
    assert Seq(Conv(6, 5), ReLU()) == Seq(Conv(6, 5), ReLU())
    assert Seq(a=ReLU()) != Seq(b=ReLU())
    assert Sum(Seq(), ReLU()) != Cat(Seq(), ReLU())
    assert Seq(ReLU()) != Seq(Seq(ReLU()))
    assert len({Seq(ReLU()), Seq(ReLU()), Sum(Seq(), Seq())}) == 2
    with pytest.raises(AttributeError):
        Seq(ReLU()).children = ()


def test_lower_names_by_kind_and_place_and_group() -> None:
    spec = Seq(
        Conv(8, 3),
        MaxPool(2),
        Seq(Conv(8, 3), ReLU()),
        stage=Seq(Conv(8, 3), inner=Seq(ReLU())),
        skip=Sum(Seq(Conv(8, 1)), Seq()),
        head=Linear(3),
    )
    graph = lower(spec)
    assert [node.name for node in graph.nodes] == [
        "conv1", "pool1", "block1.conv1", "block1.relu1", "stage.conv1", "stage.inner.relu1", "skip.block1.conv1",
        "skip.add", "head",
    ]  # fmt: skip
    nodes = {node.name: node for node in graph.nodes}
    assert nodes["skip.add"].inputs == ("skip.block1.conv1", "stage.inner.relu1")
    assert nodes["head"].inputs == ("skip.add",)
    assert graph.output == "head"


def test_identities() -> None:
    assert lower(Seq(Seq(), ReLU(), Seq())) == Graph(None, (Node("relu1", ReLU(), ("input",)),))
    assert lower(Sum(Seq(), Seq())).nodes[0].inputs == ("input", "input")
    with pytest.raises(SpecError, match="the net has no layers"):
        lower(Seq())
    assert lower(ReLU()).nodes[0].name == "relu1"
    assert lower(lower(ReLU()), (3,)) == lower(ReLU(), (3,))


def test_the_input_may_be_said_later_or_changed() -> None:
    graph = lower(ReLU())
    assert graph.input is None
    assert lower(graph, (1, 8, 8)).input == (1, 8, 8)
    assert lower(lower(graph, (1, 8, 8)), (1, 9, 9)).input == (1, 9, 9)
    with pytest.raises(SpecError, match="the input is channels"):
        lower(graph, (1, 8, 8, 8, 8))


def test_what_is_no_network_is_told_what_makes_one() -> None:
    with pytest.raises(SpecError, match="got a str for a network; expected a Seq or a Graph"):
        lower("resnet18")  # type: ignore[arg-type]  # the fault to be told


def test_names_that_meet() -> None:
    with pytest.raises(SpecError, match="conv1: two layers have that name"):
        lower(Seq(Conv(8, 3), conv1=Conv(8, 3)))
    with pytest.raises(SpecError, match="'relu ' cannot be a layer's name"):
        lower(Seq(**{"relu ": ReLU()}))
    with pytest.raises(SpecError, match="'float' themselves; use float1"):
        lower(Seq(float=ReLU()))
