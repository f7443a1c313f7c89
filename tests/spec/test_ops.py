"""Ops are checked when they are made."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
from hypothesis import given

import striate
import striate.spec
from strategies import any_ops, examples
from striate.errors import SpecError
from striate.spec import (
    LRN,
    OPS,
    Activation,
    AvgPool,
    BatchNorm,
    Cat,
    Conv,
    ConvTranspose,
    Dropout,
    Embedding,
    LeakyReLU,
    Linear,
    MaxPool,
    Op,
    ReLU,
    Seq,
    Sum,
    SumPool,
    Upsample,
)

BAD: dict[str, tuple[Callable[[], object], str]] = {
    "no outputs": (lambda: Conv(0, 3), "conv: out must be at least 1, got 0"),
    "half a pixel": (lambda: Conv(6, 2.5), "conv: kernel must be a whole number, got 2.5"),
    "a word": (lambda: Conv("six", 5), "conv: out must be a whole number, got 'six'"),
    "a truth": (lambda: Conv(6, True), "conv: kernel must be a whole number, got True"),
    "nothing": (lambda: Conv(6, None), "conv: kernel must be a whole number, got None"),
    "same as a kernel": (lambda: Conv(6, "same"), "conv: kernel must be a whole number, got 'same'"),
    "same for a pool": (lambda: MaxPool(3, padding="same"), "maxpool: padding must be a whole number, got 'same'"),
    "valid, transposed": (
        lambda: ConvTranspose(6, 3, padding="valid"),
        "convtranspose: padding must be a whole number, got 'valid'",
    ),
    "negative padding": (lambda: Conv(6, 5, padding=-1), "conv: padding must be at least 0, got -1"),
    "stride 0": (lambda: MaxPool(2, stride=0), "maxpool: stride must be at least 1, got 0"),
    "0 on one axis": (lambda: Conv(6, (3, 0)), "conv: kernel must be at least 1, got 0"),
    "four axes": (
        lambda: Conv(6, (3, 3, 3, 3)),
        "conv: kernel must have one number per axis, 1 to 3 of them, got (3, 3, 3, 3)",
    ),
    "axes that disagree": (
        lambda: Conv(6, (3, 3), stride=(1, 1, 1)),
        "conv: kernel and stride have different numbers of axes; give one number, or one per axis",
    ),
    "groups and outputs": (
        lambda: Conv(7, 3, groups=2),
        "conv: 7 outputs do not divide into 2 groups; use 6 or 8",
    ),
    "more groups than outputs": (
        lambda: Conv(2, 3, groups=4),
        "conv: 2 outputs do not divide into 4 groups; use 4",
    ),
    "same of an even kernel": (
        lambda: Conv(6, 4, padding="same"),
        "conv: padding=same needs an odd kernel, got 4: an even one pads one side more than the other; "
        "write the padding as a number",
    ),
    "same with a stride": (
        lambda: Conv(6, 3, stride=2, padding="same"),
        "conv: padding=same needs stride 1, got stride 2; write the padding as a number",
    ),
    "padding beyond half": (
        lambda: MaxPool(3, padding=2),
        "maxpool: padding 2 is more than half of the window 3; use 1 or less",
    ),
    "padding beyond half, dilated": (  # torch's rule does not count the dilation
        lambda: MaxPool(2, dilation=3, padding=2),
        "maxpool: padding 2 is more than half of the window 2; use 1 or less",
    ),
    "too much output padding": (
        lambda: ConvTranspose(6, 3, stride=2, output_padding=2),
        "convtranspose: output_padding 2 must be below the stride or the dilation (2)",
    ),
    "an unknown mode": (lambda: Upsample(2, "liner"), "upsample: mode is 'liner'; did you mean 'linear'?"),
    "certain dropout": (lambda: Dropout(1), "dropout: p must be from 0 to below 1, got 1.0"),
    "negative eps": (
        lambda: BatchNorm(eps=0),
        "batchnorm: expected eps > 0 and momentum in 0..1, got 0.0 and 0.1",
    ),
    "not a number": (lambda: LeakyReLU(float("nan")), "leakyrelu: slope must be a number, got nan"),
    "infinite": (lambda: LRN(alpha=float("inf")), "lrn: alpha must be a number, got inf"),
    "a softplus without slope": (lambda: striate.Softplus(0), "softplus: beta must be above 0, got 0.0"),
    "bias as a number": (lambda: Linear(10, bias=1), "linear: bias must be yes or no, got 1"),
    "words as text": (lambda: Embedding("100", 8), "embedding: words must be a whole number, got '100'"),
    "a class in place of a layer": (
        lambda: Seq(Conv(6, 5), ReLU),
        "Seq: a part must be a layer or Seq, Sum and such, got <class 'striate.spec.ops.ReLU'>; write ReLU()",
    ),
    "a number in place of a layer": (
        lambda: Seq(conv1=6),
        "Seq: conv1 must be a layer or Seq, Sum and such, got 6",
    ),
    "one branch": (lambda: Sum(Seq(ReLU())), "Sum joins two branches or more, got 1"),
    "no branch": (lambda: Cat(), "Cat joins two branches or more, got 0"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_field_is_refused_with_what_came_and_what_was_wanted(kind: str) -> None:
    make, message = BAD[kind]
    with pytest.raises(SpecError) as error:
        make()
    assert str(error.value) == message


@given(any_ops())
@examples(150)
def test_the_repr_of_an_op_makes_it_again(op: Op) -> None:
    again = eval(repr(op), vars(striate.spec))
    assert again == op
    assert hash(again) == hash(op)
    assert type(again) is type(op)


def test_sizes_have_one_stored_form() -> None:
    assert Conv(6, 5, padding="same") == Conv(6, 5, padding=2)
    assert Conv(6, (3, 5), padding="same") == Conv(6, (3, 5), padding=(1, 2))
    assert Conv(6, 3, padding="same", dilation=(1, 2)).padding == (1, 2)
    assert Conv(6, 5, padding="valid") == Conv(6, 5)
    assert Conv(6, [5], padding=[1]) == Conv(6, 5, padding=1)
    assert Conv(6, [3, 5]).kernel == (3, 5)
    for pool in (MaxPool, AvgPool, SumPool):
        assert pool((2, 3)).stride == (2, 3)
        assert repr(pool(3, 3)) == f"{pool.__name__}(3)"
    assert Dropout(0).p == 0.0
    assert BatchNorm() == BatchNorm(1e-5, 0.1)


def test_the_words_are_those_of_the_interface() -> None:
    """interface.md's table: the word is the class name in lower case, and each field has its default."""
    words = (
        "conv convtranspose maxpool avgpool sumpool adaptiveavgpool adaptivemaxpool linear batchnorm lrn relu tanh "
        "sigmoid gelu silu softmax flatten add concat leakyrelu dropout embedding upsample"
    )
    assert set(words.split()) <= set(OPS)
    assert all(op.__name__.lower() == name for name, op in OPS.items())
    assert ConvTranspose(6, 5) == ConvTranspose(6, 5, 1, 0, 0, 1, 1, True)
    assert Conv(6, 5) == Conv(6, 5, 1, 0, 1, 1, True)
    assert MaxPool(2) == MaxPool(2, 2, 0, 1, False)
    assert AvgPool(2) == AvgPool(2, 2, 0, False, True)
    assert SumPool(2) == SumPool(2, 2, 0, False)
    assert LRN() == LRN(5, 1e-4, 0.75, 1.0)
    assert (Linear(3).bias, LeakyReLU().slope, Dropout().p, Upsample(2).mode) == (True, 0.01, 0.5, "nearest")


def test_every_op_can_be_reached_and_is_one_of_the_union() -> None:
    for op in OPS.values():
        assert getattr(striate, op.__name__) is getattr(striate.spec, op.__name__) is op
        assert issubclass(op, Op)
        assert op.__name__ in striate.__all__


def test_the_reference_of_the_notation_has_every_op() -> None:
    """Its words, its required fields in order, and the others with their defaults, in one row of a table."""
    page = (Path(__file__).parents[2] / "docs" / "notation.md").read_text(encoding="utf-8")
    rows = {}
    for line in page.splitlines():
        names, required, optional, said, *_ = [*(part.strip() for part in line.strip("|").split("|")), *[""] * 4]
        if names.startswith("`"):
            rows |= dict.fromkeys(re.findall(r"`(\w+)`", names), (required.split(), optional, said))
    assert set(rows) == set(OPS)
    for name, op in OPS.items():
        required, optional, said = rows[name]
        assert required == [f.name for f in fields(op) if f.default is MISSING], name
        defaults = {f.name: f.default for f in fields(op) if f.default is not MISSING}
        written = dict(part.split("=") for part in optional.replace("(the kernel)", "None").split())
        assert list(written) == list(defaults), name
        for key, value in defaults.items():
            text = {"yes": "True", "no": "False"}.get(written[key], written[key])
            close = isinstance(value, float) and float(text) == pytest.approx(value, rel=1e-4)
            assert close or text == str(value), (name, key)
        if issubclass(op, Activation):
            assert f"`{op.formula}`" in said, name


def test_an_op_does_not_change() -> None:
    with pytest.raises(AttributeError):
        Conv(6, 5).out = 7
