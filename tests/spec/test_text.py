"""The text form: it says all that a graph holds, and an error in it has its place, its reason and its way out."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given

from strategies import any_graphs, any_ops, examples, nets
from striate.errors import SpecError
from striate.spec import (
    OPS,
    AvgPool,
    Cat,
    Conv,
    Flatten,
    Graph,
    Linear,
    MaxPool,
    Node,
    Op,
    ReLU,
    Seq,
    Shape,
    Sum,
    Tanh,
    Upsample,
    format,
    lower,
    op_text,
    parse,
    read_shape,
)

BROKEN: dict[str, tuple[str, str]] = {
    "an unknown layer": (
        "conv 6 5; rleu",
        "layer 2: unknown layer 'rleu'; did you mean 'relu'?\n    rleu",
    ),
    "another name of global pooling": (
        "conv 6 5; globalavgpool; linear 2",
        "layer 2: unknown layer 'globalavgpool'; did you mean 'adaptiveavgpool 1'?\n    globalavgpool",
    ),
    "another name of global pooling, short": (
        "conv 6 5; gap",
        "layer 2: unknown layer 'gap'; did you mean 'adaptiveavgpool 1'?\n    gap",
    ),
    "an unknown layer on a line": (
        "input 1x28x28\n\nconv 6 5  # first\nmaxpol 2\n",
        "line 4: unknown layer 'maxpol'; did you mean 'maxpool'?\n    maxpol 2",
    ),
    "a misspelt input": (
        "inptu 1x28x28; conv 6 5",
        "layer 1: unknown layer 'inptu'; did you mean 'input'?\n    inptu 1x28x28",
    ),
    "a missing field": (
        "conv 6",
        "layer 1: conv needs out and kernel: 'conv OUT KERNEL [stride=] [padding=] [dilation=] [groups=] [bias=]', "
        "got 'conv 6'\n    conv 6",
    ),
    "a field too many": (
        "relu; linear 10 5",
        "layer 2: linear needs out: 'linear OUT [bias=]', got 'linear 10 5'\n    linear 10 5",
    ),
    "an unknown field": (
        "conv 6 5 strid=2",
        "layer 1: conv has no argument 'strid'; did you mean 'stride'?\n    conv 6 5 strid=2",
    ),
    "a field twice": (
        "conv 6 5 stride=2 stride=2",
        "layer 1: conv: stride is given twice\n    conv 6 5 stride=2 stride=2",
    ),
    "a required field twice": (
        "conv 6 5 out=6",
        "layer 1: conv: out is given twice\n    conv 6 5 out=6",
    ),
    "not a number": (
        "conv six 5",
        "layer 1: conv: out must be a whole number, got 'six'\n    conv six 5",
    ),
    "not a size": (
        "conv 6 3by5",
        "layer 1: conv: kernel must be whole numbers, such as 3 or 3x5, got '3by5'\n    conv 6 3by5",
    ),
    "half a size": (
        "conv 6 3x",
        "layer 1: conv: kernel must be whole numbers, such as 3 or 3x5, got '3x'\n    conv 6 3x",
    ),
    "not a truth": (
        "conv 6 5 bias=false",
        "layer 1: conv: bias must be yes or no, got 'false'\n    conv 6 5 bias=false",
    ),
    "not a float": (
        "dropout p=half",
        "layer 1: dropout: p must be a number, got 'half'\n    dropout p=half",
    ),
    "same for a pool": (
        "maxpool 3 padding=same",
        "layer 1: maxpool: padding must be whole numbers, such as 3 or 3x5, got 'same'\n    maxpool 3 padding=same",
    ),
    "a value out of range": (
        "relu\nconv 7 3 groups=2",
        "line 2: conv: 7 outputs do not divide into 2 groups; use 6 or 8\n    conv 7 3 groups=2",
    ),
    "an unknown source": (
        "left: conv 6 5; relu <- lft",
        "layer 2: relu1: reads 'lft', but no earlier layer is named so; did you mean 'left'?\n    relu <- lft",
    ),
    "a source that comes later": (
        "relu <- conv1; conv 6 5",
        "layer 1: relu1: reads 'conv1', but no earlier layer is named so; it is one of input\n    relu <- conv1",
    ),
    "a name twice": (
        "a: relu; a: tanh",
        "layer 2: a: two layers have that name; give this one another\n    a: tanh",
    ),
    "a given name that is taken": (
        "relu2: relu; relu",
        "layer 2: relu2: two layers have that name; give this one another\n    relu",
    ),
    "the input's name": (
        "input: relu",
        "layer 1: input: the net's input has that name; give this one another\n    input: relu",
    ),
    "a name of torch's": (
        "train: relu",
        "layer 1: train: torch modules use the name 'train' themselves; use train1 or another\n    train: relu",
    ),
    "a name that is none": (
        "1st: relu",
        "layer 1: '1st' cannot be a layer's name; use letters, digits and _, not beginning with a digit\n    1st: relu",
    ),
    "a name in no group": (
        ".x: relu",
        "layer 1: '.x' cannot be a layer's name; use letters, digits and _, not beginning with a digit\n    .x: relu",
    ),
    "commas between layers": (
        "conv 6 5, relu, linear 10",
        "layer 1: layers are separated by ';': conv 6 5; relu; linear 10\n    conv 6 5, relu, linear 10",
    ),
    "arrows between layers": (
        "conv 6 5 -> relu",
        "layer 1: layers are separated by ';': conv 6 5; relu\n    conv 6 5 -> relu",
    ),
    "an empty name": (
        ": relu",
        "layer 1: '' cannot be a layer's name; use letters, digits and _, not beginning with a digit\n    : relu",
    ),
    "a layer and a group of one name": (
        "a: relu; a.b: relu",
        "layer 2: a.b: 'a' is the name of a layer and of a group of layers; rename one\n    a.b: relu",
    ),
    "a group and a layer of one name": (
        "a.b: relu; a: relu",
        "layer 2: a: 'a' is the name of a layer and of a group of layers; rename one\n    a: relu",
    ),
    "a join of one": (
        "a: relu; add <- a",
        "layer 2: add1: add reads two inputs or more, got 1; name them: add <- a, b\n    add <- a",
    ),
    "two inputs without a join": (
        "a: relu; b: relu; conv 6 5 <- a, b",
        "layer 3: conv1: conv reads one input, got 2; join them first with add, multiply or concat\n"
        "    conv 6 5 <- a, b",
    ),
    "an arrow to nothing": (
        "a: relu; add <- a,",
        "layer 2: a name is missing after <-\n    add <- a,",
    ),
    "a name without a layer": (
        "relu; c1:",
        "layer 2: there is no layer here; write one after the name\n    c1:",
    ),
    "an arrow without a layer": (
        "a: relu; <- a",
        "layer 2: there is no layer here\n    <- a",
    ),
    "the input in the middle": (
        "relu; input 1x28x28",
        "layer 2: the input is given once, before every layer\n    input 1x28x28",
    ),
    "the input twice": (
        "input 1x28x28; input 1x28x28; relu",
        "layer 2: the input is given once, before every layer\n    input 1x28x28",
    ),
    "an input without sizes": (
        "input; relu",
        "layer 1: the input is one word, such as: input 1x28x28\n    input",
    ),
    "an input that is no size": (
        "input 28by28; relu",
        "layer 1: '28by28' is not a size; write channels and sizes with x between, such as 3x224x224\n    input 28by28",
    ),
    "an input of nothing": (
        "input 1x0x28; relu",
        "layer 1: the input is channels and 1 to 3 sizes, such as 1x28x28, or one number (flat features); "
        "got (1, 0, 28)\n    input 1x0x28",
    ),
    "five axes": (
        "input 1x2x3x4x5; relu",
        "layer 1: the input is channels and 1 to 3 sizes, such as 1x28x28, or one number (flat features); "
        "got (1, 2, 3, 4, 5)\n    input 1x2x3x4x5",
    ),
    "nothing": ("", "the net has no layers; write at least one, such as conv 6 5"),
    "only an input": ("input 1x28x28 # and no layer", "the net has no layers; write at least one, such as conv 6 5"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_text_is_answered_with_its_place_reason_and_way_out(kind: str) -> None:
    text, message = BROKEN[kind]
    with pytest.raises(SpecError) as error:
        parse(text)
    assert str(error.value) == message


@given(any_graphs())
@examples(200)
def test_the_text_of_a_graph_is_the_graph(graph: Graph) -> None:
    text = format(graph)
    assert parse(text) == graph
    assert parse(";".join(text.splitlines())) == graph
    assert format(parse(text)) == text


@given(any_ops())
@examples(150)
def test_the_text_of_an_op_is_its_line(op: Op) -> None:
    joins = op_text(op) in ("add", "multiply", "concat")
    net = f"a: relu; b: relu; x: {op_text(op)}" + (" <- a, b" if joins else "")
    assert parse(net).nodes[-1].op == op


@given(nets())
@examples(50)
def test_the_text_of_a_spec_is_its_graph(net: tuple[Seq, Shape]) -> None:
    spec, input = net
    graph = lower(spec, input)
    assert parse(format(graph)) == graph


def test_text_and_seq_agree() -> None:
    text = "input 1x32x32; conv 6 5; tanh; avgpool 2; conv 16 5; tanh; maxpool 2; flatten; linear 84; out: linear 10"
    spec = Seq(Conv(6, 5), Tanh(), AvgPool(2), Conv(16, 5), Tanh(), MaxPool(2), Flatten(), Linear(84), Linear(10))
    named = parse(text)
    assert lower(spec, (1, 32, 32)) == parse(text.replace("out: ", ""))
    assert [node.name for node in named.nodes] == [
        "conv1", "tanh1", "pool1", "conv2", "tanh2", "pool2", "flatten1", "linear1", "out",
    ]  # fmt: skip


@pytest.mark.parametrize("word", [word for word, cls in OPS.items() if not fields(cls)])
def test_layers_of_a_kind_are_counted(word: str) -> None:
    stem = OPS[word].stem
    joins = " <- a, b" if parse_fails(f"relu; {word}") else ""
    nodes = parse(
        f"a: {'tanh' if word == 'relu' else 'relu'}; b: flatten; {word}{joins}; x: {word}{joins}; {word}{joins}"
    ).nodes
    first = 2 if stem == "flatten" else 1
    assert [node.name for node in nodes[2:]] == [f"{stem}{first}", "x", f"{stem}{first + 2}"]


def parse_fails(text: str) -> bool:
    try:
        parse(text)
    except SpecError:
        return True
    return False


def test_a_name_given_to_one_part_does_not_rename_the_others() -> None:
    """A named part still counts among its kind, in both forms."""
    by_text = parse("first: conv 6 5; relu; conv 16 5; relu")
    by_seq = lower(Seq(Conv(6, 5), ReLU(), Conv(16, 5), ReLU()))
    assert [node.name for node in by_text.nodes] == ["first", "relu1", "conv2", "relu2"]
    assert by_text.nodes[2].op == by_seq.nodes[2].op
    assert by_text.nodes[2].name == by_seq.nodes[2].name


def test_spaces_case_comments_and_blank_lines_do_not_matter() -> None:
    plain = parse("input 1x8x8; a: conv 6 3; ReLU; add <- a, relu1")
    assert plain == parse(
        "\n# a net\n\n INPUT 1x8x8 # grey\n a : CONV 6 3 bias=yes ;; Relu\n\n  add<-a ,relu1 # end\n\n"
    )


def test_every_field_can_be_written() -> None:
    (node,) = parse("convtranspose 8 3x5 bias=no groups=2 dilation=1x2 output_padding=1 padding=0x1 stride=2").nodes
    assert op_text(node.op) == (
        "convtranspose 8 3x5 stride=2 padding=0x1 output_padding=1 dilation=1x2 groups=2 bias=no"
    )
    assert parse("upsample 2x3 mode=linear").nodes[0].op == Upsample((2, 3), "linear")
    assert op_text(parse("batchnorm eps=1e-3").nodes[0].op) == "batchnorm eps=0.001"
    assert op_text(parse("conv 6 3x5 padding=same").nodes[0].op) == "conv 6 3x5 padding=1x2"
    assert op_text(parse("maxpool 3 stride=3").nodes[0].op) == "maxpool 3"


def test_read_shape() -> None:
    assert read_shape(" 3X224×224 ") == (3, 224, 224)
    for bad in ("", "x", "3x", "3x-1x4", "3.5x4", "99999999999x2"):
        with pytest.raises(SpecError):
            read_shape(bad)


def test_a_graph_is_checked_when_it_is_made_by_hand() -> None:
    relu = ReLU()
    with pytest.raises(SpecError, match="b: reads 'a', but no earlier layer is named so; it is one of input"):
        Graph(None, (Node("b", relu, ("a",)), Node("a", relu, ("input",))))
    with pytest.raises(SpecError, match="a: two layers have that name"):
        Graph(None, (Node("a", relu, ("input",)), Node("a", relu, ("a",))))
    for input in ((1, 2, 3, 4, 5), (), (0,), (1.5, 2), [1, 2], (True, 2)):
        with pytest.raises(SpecError, match="the input is channels and 1 to 3 sizes"):
            Graph(input, (Node("a", relu, ("input",)),))


def test_branches_in_text() -> None:
    spec = Seq(
        stem=Conv(8, 3, padding=1),
        block=Sum(Seq(Conv(8, 3, padding=1), ReLU()), Seq()),
        mix=Cat(Conv(4, 1), pool=MaxPool(3, 1, 1)),
    )
    assert format(lower(spec, (3, 8, 8))) == (
        "input 3x8x8\n"
        "stem: conv 8 3 padding=1\n"
        "block.block1.conv1: conv 8 3 padding=1\n"
        "block.block1.relu1: relu\n"
        "block.add: add <- block.block1.relu1, stem\n"
        "mix.conv1: conv 4 1\n"
        "mix.pool: maxpool 3 stride=1 padding=1 <- block.add\n"
        "mix.concat: concat <- mix.conv1, mix.pool\n"
    )
