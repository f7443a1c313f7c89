"""Parameters, MACs and shapes against published figures, each with its source."""

from __future__ import annotations

import sys

import pytest
from published_nets import resnet

from striate.analysis import analyse
from striate.spec import Shape, lower
from striate.zoo import ZOO, lenet5


def test_lenet5() -> None:
    """numbers.md: LeNet-5 as it is usually taught, 6-16-120-84-10, all of C3 connected, at 1x32x32."""
    report = analyse(lenet5(), (1, 32, 32))
    assert (report.parameters, report.macs, report.flops) == (61_706, 416_520, 833_040)
    # LeCun et al. 1998, section II-B: C1 156, C5 48,120, F6 10,164 trainable parameters; C1 has 122,304 connections,
    # which are its 117,600 MACs and one bias for each of 6x28x28 outputs
    rows = {layer.name: layer for layer in report.layers}
    assert [rows[name].parameters for name in ("c1", "c5", "f6")] == [156, 48_120, 10_164]
    assert rows["c1"].macs + 6 * 28 * 28 == 122_304
    assert rows["c1"].output == (6, 28, 28)
    assert rows["s4"].output == (16, 5, 5)
    assert rows["c1"].memory == 4 * 6 * 28 * 28


def vgg(cfg: str) -> str:
    """Simonyan and Zisserman 2014, table 1, as torchvision's `cfgs` write it."""
    words = ("maxpool 2" if c == "M" else f"conv {c} 3 padding=1; relu" for c in cfg.split())
    return "; ".join(words) + "; flatten; linear 4096; relu; dropout; linear 4096; relu; dropout; linear 1000"


VGGS = {
    "64 M 128 M 256 256 M 512 512 M 512 512 M": (132_863_336, 7.609),
    "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M": (133_047_848, 11.308),
    "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M": (138_357_544, 15.470),
    "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M": (143_667_240, 19.632),
}


@pytest.mark.parametrize("cfg", VGGS)
def test_vgg(cfg: str) -> None:
    """numbers.md, from torchvision's table."""
    parameters, gmacs = VGGS[cfg]
    report = analyse(vgg(cfg), (3, 224, 224))
    assert report.parameters == parameters
    assert round(report.macs / 1e9, 3) == gmacs


RESNETS = {
    (False, (2, 2, 2, 2)): (11_689_512, 1.814),
    (False, (3, 4, 6, 3)): (21_797_672, 3.664),
    (True, (3, 4, 6, 3)): (25_557_032, 4.089),
    (True, (3, 4, 23, 3)): (44_549_160, 7.801),
    (True, (3, 8, 36, 3)): (60_192_808, 11.514),
}


@pytest.mark.parametrize("kind", RESNETS)
def test_resnet(kind: tuple[bool, tuple[int, ...]]) -> None:
    """numbers.md, from torchvision's table."""
    bottleneck, blocks = kind
    parameters, gmacs = RESNETS[kind]
    report = analyse(resnet(blocks, bottleneck=bottleneck, head=True), (3, 224, 224))
    assert not report.problems
    assert report.parameters == parameters
    assert abs(report.macs / 1e9 - gmacs) < 0.0006  # the table rounds down


ALEXNET_2014 = (
    "conv 64 11 stride=4 padding=2; relu; maxpool 3 stride=2; conv 192 5 padding=2; relu; maxpool 3 stride=2; "
    "conv 384 3 padding=1; relu; conv 256 3 padding=1; relu; conv 256 3 padding=1; relu; maxpool 3 stride=2; "
    "adaptiveavgpool 6; flatten; dropout; linear 4096; relu; dropout; linear 4096; relu; linear 1000"
)
ALEXNET_2012 = (
    "conv 96 11 stride=4; relu; lrn; maxpool 3 stride=2; conv 256 5 padding=2 groups=2; relu; lrn; maxpool 3 stride=2; "
    "conv 384 3 padding=1; relu; conv 384 3 padding=1 groups=2; relu; conv 256 3 padding=1 groups=2; relu; "
    "maxpool 3 stride=2; flatten; linear 4096; relu; dropout; linear 4096; relu; dropout; linear 1000"
)


def test_alexnet() -> None:
    """numbers.md: one tower (Krizhevsky 2014) at 224, and the 2012 paper at 227 with groups of 2."""
    one_tower = analyse(ALEXNET_2014, (3, 224, 224))
    assert one_tower.parameters == 61_100_840
    assert round(one_tower.macs / 1e9, 3) == 0.714
    assert analyse(ALEXNET_2012, (3, 227, 227)).parameters == 60_965_224


def test_zfnet_map_sizes() -> None:
    """Zeiler and Fergus 2014, figure 3: 110, 55, 26, 13, 13, 13, 6 (padding 1 where the text leaves it out)."""
    net = (
        "conv 96 7 stride=2 padding=1; maxpool 3 stride=2 padding=1; conv 256 5 stride=2; "
        "maxpool 3 stride=2 padding=1; conv 384 3 padding=1; conv 384 3 padding=1; conv 256 3 padding=1; "
        "maxpool 3 stride=2"
    )
    assert [layer.output[1] for layer in analyse(net, (3, 224, 224)).layers] == [110, 55, 26, 13, 13, 13, 13, 6]


def out(text: str, input: Shape) -> Shape:
    report = analyse(text, input)
    assert not report.problems
    return report.layers[-1].output


def test_volumes_of_the_course_notes() -> None:
    """numbers.md: [56x56x3] with 32 filters 3x3, stride 1, padding 1 gives [56x56x32]."""
    assert out("conv 32 3 padding=1", (3, 56, 56)) == (32, 56, 56)


@pytest.mark.parametrize("i", range(1, 12))
@pytest.mark.parametrize("k", range(1, 7))
def test_conv_arithmetic(i: int, k: int) -> None:
    """Dumoulin and Visin 2016 (seeing.md B8): relations 2 to 6 and 8 to 14 of the guide."""
    if i >= k:
        assert out(f"conv 1 {k}", (1, i)) == (1, i - k + 1)  # relation 1, "valid"
    if k % 2:
        assert out(f"conv 1 {k} padding=same", (1, i)) == (1, i)  # relation 3, "half" or "same"
    assert out(f"conv 1 {k} padding={k - 1}", (1, i)) == (1, i + k - 1)  # relation 4, "full"
    assert out(f"convtranspose 1 {k}", (1, i)) == (1, i + k - 1)  # relation 8
    for s in (1, 2, 3):
        for p in range(k):
            if i + 2 * p >= k:
                made = out(f"conv 1 {k} stride={s} padding={p}", (1, i))
                assert made == (1, (i + 2 * p - k) // s + 1)  # relation 6
                back = f"convtranspose 1 {k} stride={s} padding={p}"
                lost = (i + 2 * p - k) % s
                if s > 1 and lost:
                    back += f" output_padding={lost}"
                assert out(back, made) == (1, i)  # relation 14: the transposed convolution undoes the sizes


def test_the_guides_pictured_examples() -> None:
    """Dumoulin and Visin 2016, figures 2.1, 2.2, 2.3, 2.5, 2.6, 2.7, 4.5, 5.1."""
    assert out("conv 1 3", (1, 4, 4)) == (1, 2, 2)
    assert out("conv 1 4 padding=2", (1, 5, 5)) == (1, 6, 6)
    assert out("conv 1 3 padding=same", (1, 5, 5)) == (1, 5, 5)
    assert out("conv 1 3 stride=2", (1, 5, 5)) == (1, 2, 2)
    assert out("conv 1 3 stride=2 padding=1", (1, 5, 5)) == (1, 3, 3)
    assert out("conv 1 3 stride=2 padding=1", (1, 6, 6)) == (1, 3, 3)
    assert out("convtranspose 1 3 stride=2", (1, 2, 2)) == (1, 5, 5)
    assert out("conv 1 3 dilation=2", (1, 7, 7)) == (1, 3, 3)


def test_output_padding_may_be_below_the_dilation() -> None:
    """torch's rule: below the stride or below the dilation."""
    assert out("convtranspose 1 3 output_padding=1 dilation=2", (1, 4)) == (1, 9)


@pytest.mark.parametrize("name", ["lenet5", "vgg16", "resnet152"])
def test_a_check_costs_so_many_calls_a_layer_and_no_more(name: str) -> None:
    """Its work grows with the layers and not with their square. (In milliseconds: bench/check_speed.py.)"""
    graph = lower(ZOO[name].make(), ZOO[name].input)
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        analyse(graph)
    finally:
        sys.setprofile(before)
    assert 10 * len(graph.nodes) < calls < 300 * len(graph.nodes)
