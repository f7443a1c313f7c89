"""What differs between two networks."""

from __future__ import annotations

import json

from striate.analysis import analyse, compare_reports
from striate.zoo import ZOO


def report(name: str):
    return analyse(ZOO[name].make(), ZOO[name].input)


def test_vgg19_is_vgg16_with_three_more_convolutions() -> None:
    difference = compare_reports(report("vgg16"), report("vgg19"))
    assert not difference.same
    assert all(a is None and b is not None for a, b in difference.rows)
    ops = [b.op for _, b in difference.rows if b]
    assert ops.count("relu") == 3
    assert [op for op in ops if op != "relu"] == ["conv 256 3 padding=1"] + ["conv 512 3 padding=1"] * 2
    assert "parameters: 138,357,544 -> 143,667,240" in str(difference)


def test_names_do_not_matter_and_sizes_do() -> None:
    a, b = analyse("a: conv 6 5; b: relu", "1x8x8"), analyse("conv 6 5; relu", "1x8x8")
    assert compare_reports(a, b).same
    assert str(compare_reports(a, b)).endswith("the layers are the same")
    assert not compare_reports(a, analyse("conv 6 5; relu", "1x9x9")).same


def test_a_changed_field_is_a_pair() -> None:
    difference = compare_reports(analyse("conv 6 5; relu", "1x8x8"), analyse("conv 6 5 padding=2; relu", "1x8x8"))
    (a, b), _ = difference.rows
    assert a
    assert b
    assert (a.op, b.op, a.output, b.output) == ("conv 6 5", "conv 6 5 padding=2", (6, 4, 4), (6, 8, 8))
    plain = json.loads(json.dumps(difference.as_dict()))
    assert plain["layers"][0]["b"] == {"name": "conv1", "op": "conv 6 5 padding=2", "output": [6, 8, 8]}
    assert plain["parameters"] == [156, 156]
    assert plain["macs"] == [2400, 9600]


def test_what_reads_what_matters() -> None:
    a = analyse("a: conv 4 1; b: conv 4 1 <- input; add <- a, b", "4x8x8")
    b = analyse("a: conv 4 1; b: conv 4 1; add <- a, b", "4x8x8")
    assert not compare_reports(a, b).same
    assert "+ b: conv 4 1 -> 4x8x8" in str(compare_reports(a, b))
