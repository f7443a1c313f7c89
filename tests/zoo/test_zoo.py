"""The named networks against their papers."""

from __future__ import annotations

from itertools import pairwise

import pytest

from striate.analysis import analyse
from striate.spec import BatchNorm, Conv, Linear, MaxPool, Seq, Softmax, lower
from striate.zoo import ZOO, boat4, harley, lenet5


def test_lenet5_is_the_papers_figure_2() -> None:
    """LeCun et al. 1998, section II-B and figure 2: C1 6@28x28, S2 6@14x14, C3 16@10x10, S4 16@5x5, C5 120, F6 84."""
    report = analyse(lenet5(), (1, 32, 32))
    maps = {layer.name: layer.output for layer in report.layers}
    assert [maps[name] for name in ("c1", "s2", "c3", "s4", "c5", "f6", "out")] == [
        (6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120, 1, 1), (84,), (10,),
    ]  # fmt: skip
    assert (report.parameters, report.macs) == (61_706, 416_520)  # numbers.md
    assert report.receptive_field == (32, 32)


def test_harley_is_the_visualisations_network() -> None:
    """Harley 2015, section 3: 6 filters 5x5, 2x2 max, 16 filters 5x5, 2x2 max, then 120, 100 and 10 units."""
    ops = [node.op for node in lower(harley()).nodes]
    assert [op for op in ops if isinstance(op, Conv | MaxPool | Linear)] == [
        Conv(6, 5), MaxPool(2), Conv(16, 5), MaxPool(2), Linear(120), Linear(100), Linear(10),
    ]  # fmt: skip
    # 6*(25+1) + 16*(6*25+1) + 120*(16*25+1) + 100*(120+1) + 10*(100+1)
    assert analyse(harley(), (1, 32, 32)).parameters == 156 + 2_416 + 48_120 + 12_100 + 1_010


def test_boat4_tells_four_classes_by_probability() -> None:
    nodes = lower(boat4()).nodes
    assert isinstance(nodes[-1].op, Softmax)
    assert analyse(boat4(), (3, 32, 32)).layers[-1].output == (4,)
    assert [type(node.op).__name__ for node in nodes[:6]] == ["Conv", "ReLU", "MaxPool"] * 2


@pytest.mark.parametrize("name", ZOO)
def test_an_entry_fits_its_input_for_any_number_of_classes(name: str) -> None:
    entry = ZOO[name]
    for classes in (2, 7):
        report = analyse(entry.make(classes), entry.input)
        assert not report.problems
        out = report.layers[-1].output
        if entry.task == "segmentation":  # an answer a pixel; the paper's U-Net loses its border
            assert out == (classes, *((388, 388) if name == "unet_2015" else entry.input[1:]))
        else:
            assert out == (classes,)
    assert isinstance(entry.make(), Seq)
    assert entry.paper
    assert 1980 <= entry.year <= 2026


def test_the_small_u_net_is_the_papers_with_a_level_less_and_normalised() -> None:
    big, small = (lower(ZOO[name].make(2)).nodes for name in ("unet", "unet_small"))
    assert sum(isinstance(node.op, BatchNorm) for node in small) == 2 * 7  # two behind every pair of convolutions
    assert [str(node.op) for node in big if isinstance(node.op, MaxPool)] == ["MaxPool(2)"] * 4
    assert [str(node.op) for node in small if isinstance(node.op, MaxPool)] == ["MaxPool(2)"] * 3
    widths = [node.op.out for node in small if isinstance(node.op, Conv)]
    assert widths == [16, 16, 32, 32, 64, 64, 128, 128, 64, 64, 32, 32, 16, 16, 2]
    for i, (one, two) in enumerate(pairwise(small)):
        if isinstance(one.op, Conv) and i < len(small) - 1:
            assert isinstance(two.op, BatchNorm)
            assert not one.op.bias  # the normalisation has one


@pytest.mark.parametrize("size", [(8, 8), (32, 32), (64, 48), (33, 100)])
@pytest.mark.parametrize("name", ["vgg_small", "vgg_small_regressor"])
def test_the_small_vggs_take_images_of_any_size(name: str, size: tuple[int, int]) -> None:
    reports = [analyse(ZOO[name].make(5), (3, *shape)) for shape in ((64, 64), size)]
    assert not reports[1].problems
    assert reports[0].parameters == reports[1].parameters
    # 9 weights for each pair of channels, two of each normalisation
    stages = 9 * (3 * 16 + 16 * 32 + 32 * 64 + 64 * 128) + 2 * (16 + 32 + 64 + 128)
    head = {"vgg_small": 128 * 5 + 5, "vgg_small_regressor": (16 * 128 + 1) * 128 + 129 * 5}[name]
    assert reports[0].parameters == stages + head


def test_the_small_grey_net_halves_exactly_and_normalises_each_convolution() -> None:
    report = analyse(ZOO["grey_small"].make(), ZOO["grey_small"].input)
    # 4x4 and 3x3 weights, two of each normalisation, and 4x4x64 features into the classes
    assert report.parameters == 16 * 16 + 9 * (16 * 32 + 32 * 64) + 2 * (16 + 32 + 64) + 1024 * 10 + 10
    assert not report.problems
    assert not report.dropped
    maps = [layer.output for layer in report.layers if layer.name in ("conv1", "conv2", "pool2", "conv3")]
    assert maps == [(16, 14, 14), (32, 12, 12), (32, 6, 6), (64, 4, 4)]
    wider = analyse(ZOO["grey_medium"].make(), (1, 28, 28))
    assert [layer.output[0] for layer in wider.layers if layer.name in ("conv1", "conv2", "conv3")] == [24, 48, 96]
    large = analyse(ZOO["grey_large"].make(), (1, 28, 28))
    widths = (1, 32, 64, 96, 128)
    weights = 16 * 32 + 9 * sum(a * b for a, b in pairwise(widths[1:])) + 2 * sum(widths[1:])
    assert (large.parameters, large.problems, large.dropped) == (weights + 25 * 128 * 10 + 10, (), ())
