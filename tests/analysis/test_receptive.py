"""Receptive fields: against the gradient's footprint on random nets, and against published figures."""

from __future__ import annotations

import math
from functools import reduce
from operator import or_

import pytest
import torch
from hypothesis import assume, example, given
from hypothesis import strategies as st
from published_nets import resnet

import laws
from laws import Span, blends, box, kept, one_thread, without_hiding  # noqa: F401
from strategies import examples, nets
from striate.analysis import analyse, infer, receptive
from striate.analysis.footprint import complete
from striate.analysis.footprint import footprints as unit_by_unit
from striate.analysis.sizes import Sizes
from striate.net import build
from striate.spec import (
    Cat,
    ConvTranspose,
    Embedding,
    Graph,
    MaxPool,
    Op,
    PadChannels,
    Seq,
    Shape,
    TableConv,
    Upsample,
    lower,
    parse,
)
from striate.spec.op import per_axis
from striate.spec.ops import Concat


def footprints(graph: Graph, node: str, units: list[tuple[int, ...]]) -> list[list[Span]]:
    """For each unit of *node*, the first and last pixel of every axis that its gradient reaches."""
    values, pixels = kept(without_hiding(build(graph)))
    sums = [values[node][(0, slice(None), *unit)].sum() for unit in units]
    return [box(torch.autograd.grad(y, pixels, retain_graph=True)[0], blends(graph)) for y in sums]


def leaves_holes(op: Op, rank: int) -> bool:
    """Whether some units of a transposed convolution read nothing."""
    if not isinstance(op, ConvTranspose):
        return False
    each = zip(*(per_axis(v, rank) for v in (op.kernel, op.stride, op.dilation)), strict=True)
    return any(len({j * d % s for j in range(k)}) < s for k, s, d in each)


@given(nets(heads=False, adaptive=False))
@example(
    (Seq(MaxPool(2, stride=2, dilation=3, ceil=True), Cat(Seq(MaxPool(2), Upsample(2)), MaxPool(3, 1, 1))), (1, 5))
)
@examples(60)
def test_the_field_is_the_gradients_footprint(net: tuple[Seq, Shape]) -> None:
    """On an input so large that the middle units see no padding: size and place, for several phases."""
    spec, asked = net
    graph = lower(spec, asked)
    axes = receptive(graph, infer(graph)[0])[0][graph.output]
    rank = len(axes)
    sides = []
    for axis in axes:
        # so that the middle unit's field, and all that its neighbours read, lies inside
        sides.append(3 * axis.size + 6 * math.ceil(axis.advance) + 8)
    assume(max(sides) <= {1: 600, 2: 110, 3: 36}[rank])
    words = isinstance(graph.nodes[0].op, Embedding)
    graph = lower(graph, tuple(sides) if words else (asked[0], *sides))
    shapes, problems = infer(graph)
    if problems:  # branches that go down and up again want even sizes
        near = Sizes(graph)
        more = ((*asked[: 0 if words else 1], *(side + i for side in sides)) for i in range(64))
        above = near.near[1] or next(filter(near.fits, more))  # where each size leaves something unread none is legal
        graph = lower(graph, above)
        shapes, problems = infer(graph)
        assert not problems
    known = receptive(graph, shapes)[0]
    axes = known[graph.output]
    # where transposed convolutions leave holes, a branch may see nothing along one axis, and so nothing at all, while
    # each axis is worked out alone: what is said of joins is then an upper bound
    joins = any(len(node.inputs) > 1 for node in graph.nodes)
    assume(not joins or not any(leaves_holes(node.op, rank) for node in graph.nodes))
    # a table may name only channels of one branch, or of padded zeros, while a field is that of all channels
    kinds = {type(node.op) for node in graph.nodes}
    assume(TableConv not in kinds or not {PadChannels, Concat} & kinds)
    # what sees all of the input sees its borders, where a blend of neighbours has one neighbour less
    assume(not any(axis.whole for each in known.values() for axis in each))
    extents = shapes[graph.output][1:]
    periods = [len(axis.spans) for axis in axes]
    middle = [n // 2 for n in extents]
    count = min(7, max(periods))
    each = list(zip(middle, periods, extents, strict=True))
    units = [tuple(min(m + i % p, n - 1) for m, p, n in each) for i in range(count)]
    for unit, reached in zip(units, footprints(graph, graph.output, units), strict=True):
        wanted = [axis.at(i) for axis, i in zip(axes, unit, strict=True)]
        assert reached == (wanted if None not in wanted else [None] * rank)
    layer = analyse(graph).layers[-1]
    assert layer.receptive_field == tuple(axis.size for axis in axes)
    if max(periods) == 1 and layer.start is not None and layer.stride is not None:
        first = [
            (a + s * i, a + s * i + n - 1)
            for a, s, i, n in zip(layer.start, layer.stride, middle, layer.receptive_field, strict=True)
        ]
        assert first == reached


@given(nets())
@examples(60)
def test_the_field_on_a_small_input_too(net: tuple[Seq, Shape]) -> None:
    """Where paddings, uneven adaptive pooling and linear layers show: no gradient leaves the field."""
    graph = lower(*net)
    for unit in laws.footprints(graph, receptive(graph, infer(graph)[0])[0]):
        assert unit.inside, unit


@given(nets(rank=1, embeddings=False, heads=False), st.integers(1, 9), st.integers(1, 9), st.integers(0, 2))
@examples(60)
def test_uneven_adaptive_pooling_lists_its_units(net: tuple[Seq, Shape], side: int, out: int, more: int) -> None:
    """Windows of unequal length have no stride; what comes after them is still exact, unit by unit."""
    rest = ["relu", "convtranspose 1 5 stride=2 padding=1", "upsample 2 mode=linear; conv 1 3 padding=1"][more]
    graph = parse(f"input 1x{side}; adaptiveavgpool {out}; {rest}")
    shapes, problems = infer(graph)
    assume(not problems)
    (axis,) = receptive(graph, shapes)[0][graph.output]
    units = [(i,) for i in range(shapes[graph.output][1])]
    found = footprints(graph, graph.output, units)
    if axis.whole:
        assert all(axis.spans[0] == box or box is None for (box,) in found)
    else:
        wanted = [axis.at(i) for i in range(len(units))]
        clipped = [span and (max(0, span[0]), min(side - 1, span[1])) for span in wanted]
        assert [box for (box,) in found] == clipped


@given(st.data())
@examples(80)
def test_behind_crops_and_gaps_every_unit_is_exact(data: st.DataObject) -> None:
    """Where a span with a stride does not say all: padding behind a crop, dilations, strides above the kernel."""
    some = st.integers
    layers = []
    for _ in range(data.draw(some(1, 3))):
        kernel, stride, padding, dilation = (data.draw(some(*ends)) for ends in ((1, 3), (1, 3), (0, 2), (1, 3)))
        convolution = f"conv 1 {kernel} stride={stride} padding={padding} dilation={dilation}"
        layers.append(data.draw(st.sampled_from([convolution, f"crop {padding}", "upsample 2"])))
    graph = parse(f"input 1x{data.draw(some(3, 24))}; {'; '.join(layers)}; whole: adaptiveavgpool 1")
    shapes, problems = infer(graph)
    assume(not problems)
    known, before = receptive(graph, shapes)[0], graph.nodes[-2].name
    (pooled,) = known["whole"]
    assert footprints(graph, "whole", [(0,)]) == [[pooled.spans[0]]]
    if any(layer.startswith("crop") for layer in layers):
        found = footprints(graph, before, [(i,) for i in range(shapes[before][1])])
        exact = known[before][0]
        size = shapes["input"][1]
        for (box,), span in zip(found, map(exact.at, range(len(found))), strict=True):
            clipped = span and (max(0, span[0]), min(size - 1, span[1]))
            assert box == (clipped if clipped and clipped[0] <= clipped[1] else None)


@given(st.one_of(nets(), st.tuples(nets().map(lambda net: net[0]), st.just((2, 9, 7)))))
@examples(40)
def test_layers_that_are_said_to_read_every_pixel_do(net: tuple[Seq, Shape]) -> None:
    """The quick answer against the pixels that every unit reads, one by one."""
    graph = lower(*net)
    shapes, problems = infer(graph)
    rank = len(shapes["input"]) - 1 or 1
    assume(not problems and len(shapes["input"]) > 1)
    for axis in range(rank):
        pixels = 2 ** shapes["input"][1:][axis] - 1
        read = unit_by_unit(graph, shapes, axis, rank)
        assert all(reduce(or_, read[name]) == pixels for name in complete(graph, shapes, rank) if name in read)


def test_a_padding_behind_a_crop_reads_nothing() -> None:
    report = analyse("crop 2; conv 1 3 padding=1; adaptiveavgpool 1", (1, 9))
    _, convolution, pool = report.layers
    assert (convolution.receptive_field, convolution.stride, convolution.start) == ((3,), (1,), (2,))
    assert pool.receptive_field == (5,)


def test_a_padding_behind_pixels_that_a_stride_leaves_out_reads_nothing() -> None:
    for layers, size, seen in [("maxpool 2", 7, 6), ("conv 1 3 stride=3", 5, 3), ("conv 1 3 stride=3 padding=1", 3, 2)]:
        report = analyse(f"{layers}; conv 1 1 padding=1; adaptiveavgpool 1", (1, size))
        assert report.layers[-1].receptive_field == (seen,)


def test_a_gate_by_a_pooling_as_large_as_the_map() -> None:
    gate = "a: conv 8 3 padding=1; g: avgpool 28 <- a; h: conv 8 1 <- g; m: multiply <- a, h; conv 4 3"
    report = analyse(gate, (1, 28, 28))
    assert not report.problems
    assert report.legal_inputs.asked
    assert report.layers[3].receptive_field == (28, 28)
    assert analyse(gate, (1, 29, 29)).dropped
    assert analyse(gate, (1, 56, 56)).problems


def test_branches_of_two_strides_behind_a_gate_of_the_whole_image() -> None:
    net = (
        "a: conv 8 3 padding=1; g: adaptiveavgpool 1; m: multiply <- a, g; p: conv 8 2 stride=2 <- m; q: conv 8 5 <- m"
    )
    report = analyse(f"{net}; add <- p, q", (1, 8, 8))
    assert not report.problems
    assert report.legal_inputs.asked


# ------------------------------------------------------------------------------------------- known answers
def seen(text: str, input: Shape) -> tuple[object, object, object]:
    """Size, stride and start of the last layer, which must be without fault."""
    report = analyse(text, input)
    assert not report.problems
    layer = report.layers[-1]
    return layer.receptive_field, layer.stride, layer.start


def test_the_example_that_tutorials_get_wrong() -> None:
    """numbers.md: 12x12, conv 3x3 (padding 1), pool 3x3 (stride 3), conv 2x2: 1 -> 3 -> 5 -> 5 + 3*1 = 8."""
    net = "conv 1 3 padding=1; maxpool 3; conv 1 2"
    assert [layer.receptive_field for layer in analyse(net, (1, 12, 12)).layers] == [(3, 3), (5, 5), (8, 8)]
    assert analyse(net, (1, 12, 12)).receptive_field == (8, 8)


ALIGNED = (
    "l: conv 1 1 stride=4 <- input; r1: conv 1 3 stride=2 padding=1 <- input; r2: conv 1 1 stride=2; a: add <- l, r2"
)


def test_branches_of_google_research_receptive_field() -> None:
    """The graphs of google-research/receptive_field's own tests (its pad(1,0) and our padding=1 begin alike)."""
    assert seen(ALIGNED, (1, 33, 33)) == ((3, 3), (4, 4), (-1, -1))
    twice = f"{ALIGNED}; s: conv 1 1 stride=2 <- a; t: conv 1 3 stride=2 padding=1 <- a; add <- s, t"
    assert seen(twice, (1, 33, 33)) == ((11, 11), (8, 8), (-5, -5))
    # its kernels are [height, width], as ours: [3, 5] stride 2, then [3, 1] stride 2: x 5, y 7
    assert seen("conv 1 3x5 stride=2; conv 1 3x1 stride=2", (1, 33, 33)) == ((7, 5), (4, 4), (0, 0))


def test_branches_that_are_not_aligned_are_a_fault() -> None:
    """The third graph of google-research/receptive_field's tests: 5x5 stride 2 beside two 3x3 valid."""
    net = "l: conv 1 5 stride=2 padding=2 <- input; r1: conv 1 3 <- input; r2: conv 1 3; add <- l, r2"
    (problem,) = analyse(net, (1, 9, 9)).problems  # the one size at which the maps agree: 5x5 and 5x5
    assert str(problem) == (
        "add1: add joins branches with different total strides: 2 pixels (l) and 1 pixels (r2); stride=1 padding=0 on l"
    )
    assert analyse(net, (1, 9, 9)).legal_inputs.smallest != (1, 9, 9)


VGG16 = "".join(
    "".join(f"conv {c} 3 padding=1; relu; " for _ in range(n)) + "maxpool 2; "
    for c, n in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
)
ALEXNET_V2 = (  # TF-Slim's: VALID at the first convolution and the pools, SAME elsewhere
    "conv 64 11 stride=4; relu; maxpool 3 stride=2; conv 192 5 padding=2; relu; maxpool 3 stride=2; "
    "conv 384 3 padding=1; relu; conv 384 3 padding=1; relu; conv 256 3 padding=1; relu; maxpool 3 stride=2"
)


def test_published_fields_of_alexnet_and_vgg16() -> None:
    """google-research/receptive_field's table (size, stride, padding); Araujo et al. 2019, Distill."""
    assert seen(ALEXNET_V2, (3, 224, 224)) == ((195, 195), (32, 32), (-64, -64))
    assert seen(VGG16, (3, 224, 224)) == ((212, 212), (32, 32), (-90, -90))


@pytest.mark.parametrize(("blocks", "field"), [((3, 4, 6, 3), 427), ((3, 4, 23, 3), 971), ((3, 8, 36, 3), 1451)])
def test_published_fields_of_torchvisions_bottleneck_resnets(blocks: tuple[int, ...], field: int) -> None:
    """numbers.md: torchvision puts the stride of a stage in the 3x3 of its first block."""
    report = analyse(resnet(blocks, strides_last=False), (3, 224, 224))
    assert not report.problems
    assert report.receptive_field == (field, field)
    assert report.layers[-1].stride == (32, 32)


@pytest.mark.parametrize(
    ("blocks", "field", "padding"), [((3, 4, 6, 3), 483, 239), ((3, 4, 23, 3), 1027, 511), ((3, 8, 36, 3), 1507, 751)]
)
def test_published_fields_of_tf_slims_resnets(blocks: tuple[int, ...], field: int, padding: int) -> None:
    """google-research/receptive_field's table: TF-Slim puts the stride of a stage in its last unit."""
    layer = analyse(resnet(blocks, strides_last=True), (3, 224, 224)).layers[-1]
    assert (layer.receptive_field, layer.stride, layer.start) == ((field,) * 2, (32, 32), (-padding,) * 2)


@pytest.mark.parametrize(("blocks", "field"), [((2, 2, 2, 2), 435), ((3, 4, 6, 3), 899)])
def test_published_fields_of_basic_resnets(blocks: tuple[int, ...], field: int) -> None:
    assert analyse(resnet(blocks, bottleneck=False), (3, 224, 224)).receptive_field == (field, field)


def test_fields_of_upsampling_are_the_largest_over_the_phases() -> None:
    """By hand: after 2x bilinear each unit reads two neighbours, so a 3-wide window reads three units or two."""
    assert seen("maxpool 2; upsample 2", (1, 16, 16)) == ((2, 2), (1, 1), (0, 0))
    assert seen("upsample 2 mode=linear", (1, 16)) == ((2,), (0.5,), (-1,))
    assert seen("upsample 2; conv 1 3 padding=1", (1, 16)) == ((2,), (0.5,), (-1,))
    assert seen("convtranspose 1 3 stride=2 padding=1 output_padding=1", (1, 16)) == ((2,), (0.5,), (0,))


@pytest.mark.parametrize("scale", [3, 5])
def test_linear_upsampling_by_an_odd_scale_reads_one_unit_at_its_centre(scale: int) -> None:
    """By hand: unit i lies at (i + 1/2) / scale - 1/2, which is j at i = scale j + (scale - 1) / 2, and between j and
    j + 1 for the units up to the next such one.
    """
    graph = parse(f"input 1x8; upsample {scale} mode=linear")
    (axis,) = receptive(graph, infer(graph)[0])[0][graph.output]
    half = scale // 2
    for j in range(1, 6):
        assert axis.at(scale * j + half) == (j, j)
        assert {axis.at(scale * j + half + i) for i in range(1, scale)} == {(j, j + 1)}


@pytest.mark.parametrize("join", ["add <- input, u", "add <- u, input", "concat <- input, u, v", "concat <- v, u"])
def test_branches_that_go_down_and_up_again(join: str) -> None:
    """By hand: units 2i and 2i + 1 see the pair of pixels that was pooled, units 3i to 3i + 2 their triple."""
    graph = parse(f"input 1x24; maxpool 2; u: upsample 2; maxpool 3 <- input; v: upsample 3; {join}")
    (axis,) = receptive(graph, infer(graph)[0])[0][graph.output]
    for i in range(24):
        pair, triple = (i // 2 * 2, i // 2 * 2 + 1), (i // 3 * 3, i // 3 * 3 + 2)
        both = (min(pair[0], triple[0]), max(pair[1], triple[1]))
        assert axis.at(i) == (both if "v" in join else pair)
    assert axis.size == (4 if "v" in join else 2)
    assert axis.stride == 1


def test_branches_of_one_unit_need_no_common_stride() -> None:
    report = analyse("a: maxpool 4; b: conv 1 4 <- input; add <- a, b", (1, 4, 4))
    assert not report.problems
    assert report.layers[-1].receptive_field == (4, 4)
    assert analyse("a: maxpool 4 stride=1; b: conv 1 4 stride=2 padding=1 <- input; add <- a, b", (1, 5, 5)).problems


def test_even_adaptive_pooling_is_a_pooling_and_uneven_has_no_stride() -> None:
    assert seen("adaptiveavgpool 4x2", (1, 8, 6)) == ((2, 3), (2, 3), (0, 0))
    assert seen("conv 1 3; adaptivemaxpool 4", (1, 9, 9)) == ((5, 5), None, (0, 0))


def test_a_layer_that_sees_everything_sees_no_padding() -> None:
    net = "conv 2 5 padding=2; a: adaptiveavgpool 1; b: flatten; linear 3"
    assert [layer.receptive_field for layer in analyse(net, (1, 9, 7)).layers[1:]] == [(9, 7)] * 3
    assert analyse("conv 2 5 padding=2; flatten; linear 3", (1, 9, 7)).layers[-1].receptive_field == (9, 7)


def test_layers_without_a_place_have_no_stride() -> None:
    report = analyse("conv 2 3; adaptiveavgpool 1; flatten; linear 3", (1, 9, 7))
    fields = {layer.name: (layer.receptive_field, layer.stride) for layer in report.layers}
    assert fields["conv1"] == ((3, 3), (1, 1))
    assert fields["pool1"] == fields["linear1"] == ((9, 7), None)
    assert report.receptive_field == (3, 3)  # of the last layer that has a map
    assert analyse("linear 3", (5,)).receptive_field is None
