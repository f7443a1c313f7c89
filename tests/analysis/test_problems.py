"""Broken networks: each kind of fault gives its one clear message, and all of a net's faults come in one pass."""

from __future__ import annotations

import pytest
from hypothesis import given

from strategies import any_graphs, examples
from striate.analysis import analyse
from striate.errors import ShapeError
from striate.net import build
from striate.spec import Graph, Shape, lower, parse

BROKEN: dict[str, tuple[str, Shape, str]] = {
    "linear on a map": (
        "conv 6 5; relu; linear 10",
        (1, 28, 28),
        "linear1: needs a flat input, got the feature map 6x24x24 of relu1; put flatten before it (3,456 features)",
    ),
    "window larger than its input": (
        "maxpool 4; maxpool 4; pool5: maxpool 2; linear 10",
        (3, 16, 16),
        "pool5: a 2x2 window does not fit its 1x1 input (after pool2); use an input of at least 3x32x32 "
        "(the layers before it reduce 3x16x16 to 3x1x1)",
    ),
    "dilated window larger than its padded input": (
        "conv 8 3 dilation=4 padding=1",
        (1, 5, 9),
        "conv1: a 9x9 window does not fit its 5x9 input padded by 1x1 (after input); use an input of at least 1x7x7",
    ),
    "sentence shorter than the window": (
        "embedding 100 16; conv 8 5",
        (3,),
        "conv1: a 5 window does not fit its 3 input (after embedding1); use an input of at least 5",
    ),
    "a window that no input is large enough for": (
        "adaptiveavgpool 2; conv 4 3",
        (1, 28, 28),
        "conv1: a 3x3 window does not fit its 2x2 input (after pool1); kernel=2 fits",
    ),
    "adding other channels": (
        "a: conv 8 3 padding=1; b: conv 16 3 padding=1; add <- a, b",
        (3, 8, 8),
        "add1: cannot add 8x8x8 of a and 16x8x8 of b; give them the same channels, for example by conv 16 1 on a",
    ),
    "adding other sizes": (
        "a: maxpool 2; b: upsample 2; add <- input, b",
        (3, 9, 9),
        "add1: cannot add 3x9x9 of input and 3x8x8 of b; inputs of 3x8x8 or 3x10x10 fit",
    ),
    "adding sizes that never agree": (
        "a: conv 8 3; b: conv 8 5 <- input; add <- a, b",
        (3, 9, 9),
        "add1: cannot add 8x7x7 of a and 8x5x5 of b; padding=1 on b",
    ),
    "concatenating other sizes": (
        "a: maxpool 2; b: convtranspose 4 2 stride=2; concat <- input, b",
        (1, 30, 31),
        "concat1: cannot concatenate 1x30x31 of input and 4x30x30 of b; inputs of 1x28x30 or 1x32x32 fit",
    ),
    "joining a map and features": (
        "a: conv 2 3; b: flatten; add <- a, b",
        (1, 5, 5),
        "add1: cannot add 2x3x3 of a and 18 of b; put flatten after a",
    ),
    "branches of unequal stride": (
        "a: conv 2 5 stride=2 padding=2; b: conv 2 5 <- input; add <- a, b",
        (1, 7, 7),
        "add1: cannot add 2x4x4 of a and 2x3x3 of b; stride=1 padding=0 on a",
    ),
    "groups that do not divide the input": (
        "conv 8 3; conv 12 3 groups=6",
        (3, 8, 8),
        "conv2: 8 input channels do not divide into 6 groups; groups=2 fits",
    ),
    "groups of a transposed convolution": (
        "convtranspose 9 3 groups=3",
        (8, 8, 8),
        "convtranspose1: 8 input channels do not divide into 3 groups; groups=1 fits",
    ),
    "too many numbers for the axes": (
        "conv 8 3x3x3",
        (3, 8, 8),
        "conv1: kernel 3x3x3 has 3 numbers, its input 3x8x8 has 2 axes; kernel=3x3",
    ),
    "a map layer on flat features": (
        "flatten; maxpool 2; linear 3",
        (3, 8, 8),
        "pool1: maxpool needs a map, got 192 flat features of flatten1; move it before flatten1",
    ),
    "a map layer on a flat input": (
        "conv 8 3",
        (64,),
        "conv1: conv needs a map, got 64 flat features of input; give the input its sizes, such as input 1x8x8",
    ),
    "padding that cuts everything": (
        "convtranspose 4 2 padding=3",
        (1, 4, 4),
        "convtranspose1: its padding 3 cuts away all of its output; padding=2 or less",
    ),
    "a layer that nobody reads": (
        "a: conv 4 3; b: conv 4 3 <- input; relu <- a",
        (1, 8, 8),
        "b: its output is unused: no later layer reads it; remove it, or read it: <- b",
    ),
    "embedding in the middle": (
        "conv 4 3; embedding 10 8",
        (1, 9),
        "embedding1: needs the word indices of a sentence, got 4x7 of conv1; "
        "make it the first layer, with the sequence length as the input (input 50)",
    ),
    "embedding on an image": (
        "embedding 10 8",
        (1, 28, 28),
        "embedding1: needs the word indices of a sentence, got 1x28x28 of input; "
        "make it the first layer, with the sequence length as the input (input 50)",
    ),
    "embedding on an image, and a map layer after it": (
        "embedding 10 8; relu; adaptiveavgpool 1; linear 2",
        (1, 28, 28),
        "embedding1: needs the word indices of a sentence, got 1x28x28 of input; "
        "make it the first layer, with the sequence length as the input (input 50)",
    ),
    "a volume smaller than an average's window": (
        "avgpool 3 padding=1",
        (1, 2, 6, 6),
        "pool1: a 3x3x3 window does not fit its 2x6x6 input padded by 1x1x1 (after input); "
        "use an input of at least 1x3x3x3",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_fault_says_where_what_and_the_way_out(kind: str) -> None:
    text, input, message = BROKEN[kind]
    problem = analyse(text, input).problems[0]
    assert str(problem) == message
    assert message.startswith(f"{problem.layer}: ")


@pytest.mark.parametrize("kind", BROKEN)
def test_build_says_the_same_in_one_error(kind: str) -> None:
    from striate.spec import parse

    text, input, message = BROKEN[kind]
    with pytest.raises(ShapeError) as error:
        build(parse(text), input)
    assert message in str(error.value)


def test_all_faults_come_in_one_pass_each_with_the_next_as_if_it_were_mended() -> None:
    net = """
        conv1: conv 9 3 groups=3  # 4 channels in
        left: conv 16 3 padding=1
        right: conv 12 3 padding=1 <- conv1
        sum: add <- left, right
        pool: maxpool 3x3x3
        tail: maxpool 64
        fc1: linear 20
        late: conv 7 3
        fc2: linear 10
        spare: relu <- fc1
        out: linear 2 <- fc2
    """
    report = analyse(net, (4, 20, 20))
    assert [p.layer for p in report.problems] == ["conv1", "sum", "pool", "tail", "fc1", "late", "spare"]
    outputs = {layer.name: layer.output for layer in report.layers}
    assert outputs["conv1"] == (9, 18, 18)  # as if the groups fitted
    assert outputs["sum"] == (16, 18, 18)  # as if right had 16 channels
    assert outputs["tail"] == (16, 1, 1)  # as if the window fitted once
    assert outputs["fc1"] == (20,)  # as if flatten stood before it
    assert report.layers[-1].parameters == 10 * 2 + 2  # and what comes after is right
    assert len(report.layers) == 11


def test_after_a_missing_flatten_the_parameters_are_those_of_the_mended_net() -> None:
    broken = analyse("conv 6 5; linear 10", (1, 28, 28))
    mended = analyse("conv 6 5; flatten; linear 10", (1, 28, 28))
    assert broken.parameters == mended.parameters
    assert broken.macs == mended.macs


def test_maps_of_other_numbers_of_axes_are_flattened_before_they_are_joined() -> None:
    """None of them is flat already, so that flatten alone is tried; what then differs are their features."""
    problem = analyse("m: conv 7 1; e: embedding 7 6; add <- m, e", (7, 4, 4)).problems[-1]
    assert problem.message == "cannot add 112 of add1_flatten and 24 of add1_flatten2"
    assert problem.fix.startswith("put flatten after m and e and give them the same channels, for example by linear")


def test_the_suggested_fixes_work() -> None:
    """What a message says to write, written."""
    assert not analyse("conv 6 5; relu; flatten; linear 10", (1, 28, 28)).problems
    assert not analyse("maxpool 4; maxpool 4; pool5: maxpool 2", (3, 32, 32)).problems
    assert not analyse("embedding 100 16; conv 8 5", (5,)).problems
    assert not analyse("conv 8 3 dilation=4 padding=1", (1, 7, 7)).problems
    assert not analyse("a: conv 8 3; b: conv 16 3 <- input; c: conv 8 1; add <- a, c", (3, 8, 8)).problems
    for input in ((1, 28, 30), (1, 32, 32)):
        assert not analyse("a: maxpool 2; b: convtranspose 4 2 stride=2; concat <- input, b", input).problems
    assert not analyse("conv 8 3; conv 12 3 groups=2", (3, 8, 8)).problems


def test_the_table_marks_the_faulty_rows_and_lists_the_faults() -> None:
    text = str(analyse("conv 6 5; linear 10; conv 3 3", (1, 28, 28)))
    lines = text.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("! ")] == ["linear1", "conv2"]
    assert "2 errors:" in lines
    assert "  linear1: needs a flat input, got the feature map 6x24x24 of conv1" in lines
    assert "    fix: put flatten before it (3,456 features)" in lines
    assert "The input fits" not in text


@given(any_graphs())
@examples(150)
def test_no_net_however_broken_makes_the_check_fail(graph: Graph) -> None:
    """Every net gets its full table and its JSON; and what has no problem can be built."""
    if graph.input is None:
        return
    report = analyse(graph)
    assert [layer.name for layer in report.layers] == [node.name for node in graph.nodes]
    assert all(min(layer.output) > 0 and layer.parameters >= 0 and layer.macs >= 0 for layer in report.layers)
    assert str(report)
    assert report.to_json()
    assert all(p.message and p.fix for p in report.problems)
    if report.problems:
        with pytest.raises(ShapeError) as error:
            build(graph, device="meta")
        assert all(str(p) in str(error.value) for p in report.problems)
    else:
        build(graph, device="meta")


ABSURD = {
    "adaptive pooling to more values than torch counts": "adaptiveavgpool 2147483648; conv 3 3",
    "a transposed convolution of a million": "convtranspose 4 1000000 stride=1000000",
    "long periods": "convtranspose 4 1000 stride=999 dilation=10007; conv 3 1001 dilation=77 stride=13",
    "upsampling again and again": "; ".join(["upsample 2147483648"] * 200),
    "1,900 doubling concatenations": "\n".join(
        ["a0: relu", *(f"a{i}: concat <- a{i - 1}, a{i - 1}" for i in range(1, 1900))]
    ),
    "flat features that double": "\n".join(
        ["a0: flatten", *(f"a{i}: concat <- a{i - 1}, a{i - 1}" for i in range(1, 60))]
    ),
    "a window of two thousand million": "conv 3 2147483647 padding=2147483646 stride=3",
    "prime strides": "; ".join(f"conv 1 {p} stride={p}" for p in (10007, 10009, 10037, 10039)),
    "2,000 halvings": "; ".join(["maxpool 2"] * 2000),
    "300 faults": "; ".join(f"conv {7 + i % 3} 1 groups={7 + i % 3}" for i in range(300)),
}


@pytest.mark.parametrize("kind", ABSURD)
def test_absurd_sizes_are_answered(kind: str) -> None:
    """Without listing what cannot be listed: that it ends at all is the test."""
    report = analyse(ABSURD[kind], (5, 28, 28))
    assert str(report)
    assert report.to_json()
    assert all(max(layer.output) < 2**31 for layer in report.layers)


def test_layers_of_other_ranks_behind_each_other_are_problems():
    """An embedding has another number of axes than the maps before it: where no field can be said, none is."""
    report = analyse(lower(parse("conv 1 1 padding=1 dilation=2; embedding 1 1; rbf 1"), (1, 1, 1)))
    assert [problem.layer for problem in report.problems] == ["embedding1", "rbf1"]
