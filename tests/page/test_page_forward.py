"""The page's arithmetic against PyTorch's, on networks drawn at random and on those of the zoo."""

import base64

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from pages import computed, scene_of, torch_says
from strategies import any_ops, examples, nets
from striate.analysis import analyse, infer, receptive
from striate.analysis.footprint import footprints, irregular
from striate.errors import ShapeError, SpecError
from striate.inspect.models.inspected import inspected
from striate.net import build
from striate.page.document import document
from striate.page.scene import NetworkScene
from striate.spec import OPS, Concat, ConvTranspose, Embedding, Flatten, Join, PadChannels, Seq, lower, parse
from striate.zoo import ZOO

pytestmark = pytest.mark.slow
WITHIN = 1e-4  # of a layer's range


def random_scene(spec, shape, seed):
    net = build(spec, shape, seed=seed)
    rng = np.random.default_rng(seed)
    words = next((node.op.words for node in net.graph.nodes if isinstance(node.op, Embedding)), 0)
    item = rng.integers(0, words, shape) if words else rng.standard_normal(shape).astype(np.float32)
    return (*scene_of(net, item, mode="text" if words else "values", seed=seed), net)


def check_values(mine, theirs):
    largest = 0.0  # of the layers so far
    for name, expected in theirs.items():
        own = np.abs(expected).max(initial=0)
        largest = max(largest, own)
        reach = max(own, largest / 100) or 1  # a sum of large values may be near 0
        assert mine[name].shape == expected.shape, name
        difference = np.abs(mine[name] - expected).max(initial=0) / reach
        assert difference <= WITHIN, f"{name}: {difference:.2e} of its range"


@examples(500, suppress_health_check=list(HealthCheck))
@given(made=nets(), seed=st.integers(0, 999))
def test_random_networks(bench_page, made, seed):
    """1-D, 2-D, 3-D, branches, groups, dilation, ceil pooling, transposed convolutions: every layer's values."""
    scene, model, _ = random_scene(*made, seed)
    check_values(computed(bench_page, scene), torch_says(scene, model))


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if not issubclass(op, Join)])
def test_every_op(bench_page, name):
    """Each word of the vocabulary by itself, with any fields that fit."""

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(data=st.data(), seed=st.integers(0, 999))
    def holds(data, seed):
        rank = data.draw(st.integers(1, 3))
        op = data.draw(any_ops([OPS[name]], rank))
        shape = (10, *data.draw(st.lists(st.integers(5, 20 - 4 * rank), min_size=rank, max_size=rank)))
        flat = name in ("linear", "rbf")
        spec = Seq(Flatten(), op) if flat else Seq(op)
        try:
            scene, model, _ = random_scene(spec, shape[1:2] if name == "embedding" else shape, seed)
        except (ShapeError, SpecError):  # it does not fit: another is drawn
            reject()
        check_values(computed(bench_page, scene), torch_says(scene, model))

    holds()


FIELDS = """async ([layer, units]) => units.map(unit => {
  const box = window.net.fields(layer, unit).get('input')
  return box ?? null
})"""


def expected_fields(graph, shapes, known, read, name, units):
    """Of each unit ``[c, ...]`` of a layer, along every axis: the pixels that it reads, and the analysis's span, cut at
    the input's edges. They differ where windows have gaps at the edge. None where the analysis says nothing.
    """
    axes, nodes = known[name], {node.name: node for node in graph.nodes}
    extents = shapes["input"][1:] or shapes["input"]
    rank = len(extents)
    pixels = [masks.get(name) for masks in read]
    before, flat = name, len(shapes[name]) == 1
    while flat and before != "input" and not isinstance(nodes[before].op, Flatten):
        before = "input" if isinstance(nodes[before].op, Join) else nodes[before].inputs[0]
    for unit in units:
        at = unit[1:]
        if flat and not all(axis.whole for axis in axes):
            if before == "input":
                yield None
                continue
            at = np.unravel_index(unit[0], shapes[nodes[before].inputs[0]])[1:]
        found = []
        for axis, i, n, masks in zip(axes, at or [0] * rank, extents, pixels, strict=True):
            span = axis.spans[0] if axis.whole else axis.at(int(i))
            mask = masks and masks[int(i) if len(masks) > 1 else 0]
            ends = mask and [(mask & -mask).bit_length() - 1, mask.bit_length() - 1]
            found.append((ends, span and [max(0, span[0]), min(n - 1, span[1])]))
        yield found


def check_fields(page, graph, rng, each=4):
    """The receptive fields that the page draws: exactly the analysis's. Nothing is said of networks whose windows
    leave gaps, nor of those with transposed convolutions.
    """
    shapes = infer(graph)[0]
    rank = max(1, len(shapes["input"]) - 1)
    known, pixels = receptive(graph, shapes)[0], [footprints(graph, shapes, axis, rank) for axis in range(rank)]
    loose = irregular(graph, rank) or any(isinstance(node.op, ConvTranspose) for node in graph.nodes)
    if loose:  # the page draws boxes, in which a gap may be
        return
    for node in graph.nodes:
        one = isinstance(node.op, Concat)  # the page draws the branch of the unit, the analysis speaks of all
        shape = shapes[node.name]
        units = [[0] * len(shape), [n - 1 for n in shape], [*[0] * (len(shape) - 1), shape[-1] - 1]]
        units += [[int(rng.integers(n)) for n in shape] for _ in range(each)]
        full = [[u[0], *[0] * (4 - len(u)), *u[1:]] for u in units]
        expected = expected_fields(graph, shapes, known, pixels, node.name, units)
        for unit, box, right in zip(units, page.evaluate(FIELDS, [node.name, full]), expected, strict=True):
            if right is None:
                continue
            where = f"{node.name} {unit}: {box} {right}"
            if any(not read or not span or span[0] > span[1] for read, span in right):
                assert box is None, where
                continue
            if box is None and isinstance(node.op, PadChannels):  # a channel of zeros
                continue
            assert box is not None, where
            for mine, (read, span) in zip(box[3 - rank :], right, strict=True):
                assert span[0] <= mine[0] <= mine[1] <= span[1], where
                assert one or mine[0] <= read[0] <= read[1] <= mine[1], where
                assert one or mine in (read, span), where  # beyond an edge a span counts what nobody reads


@examples(150, suppress_health_check=list(HealthCheck))
@given(made=nets(), seed=st.integers(0, 999))
def test_receptive_fields_of_random_networks(bench_page, made, seed):
    scene, _, net = random_scene(*made, seed)
    computed(bench_page, scene)
    check_fields(bench_page, net.graph, np.random.default_rng(seed))


@pytest.mark.parametrize(
    "text",
    [
        "conv 2 1 padding=0x2; flatten; linear 3",
        "maxpool 2x3 padding=0x1; conv 2 1 padding=3x0",
        "conv 1 1 padding=2; maxpool 3 stride=1; flatten; linear 1",
    ],
)
def test_receptive_fields_where_the_padding_of_one_axis_is_wider(bench_page, text):
    """The corner of the first layer's maps reads padding alone, and the edges beside it do not; with a window over it
    only one of the middle positions may read.
    """
    scene, _, net = random_scene(parse(text), (1, 5, 4), 0)
    computed(bench_page, scene)
    check_fields(bench_page, net.graph, np.random.default_rng(0))


UNITS = """([name, texts]) => texts.map(text => window.striate.unit(text))"""
KINDS = {  # networks that together have every kind of layer
    "all sums": (
        "conv 6 3 padding=1; batchnorm; relu; maxpool 2; conv 8 3 groups=2 dilation=2; gelu; avgpool 2 padding=1; "
        "convtranspose 4 3 stride=2; tanh; flatten; linear 12; sigmoid; linear 5; softmax",
        (2, 20, 20),
    ),
    "others": (
        "conv 6 3; lrn; scale; layernorm; elu; upsample 2 mode=linear; crop 1; padchannels 8; sumpool 2; "
        "adaptivemaxpool 6; adaptiveavgpool 3; dropout; hardswish; flatten; rbf 4",
        (3, 12, 14),
    ),
    "branches": (
        "a: conv 6 3 padding=1; b: conv 6 1 <- a; c: maxpool 3 stride=1 padding=1 <- a; add <- b, c; m: mish; "
        "adaptiveavgpool 1; conv 6 1; gate: sigmoid; x: multiply <- m, gate; concat <- x, b; flatten; linear 3",
        (1, 9, 9),
    ),
    "a signal": ("conv 4 5 stride=2 padding=2; silu; maxpool 3 ceil=yes; conv 6 3; flatten; linear 3", (2, 40)),
    "a volume": ("conv 3 3 padding=1; relu; maxpool 2; conv 4 2; softplus; flatten; linear 3", (1, 8, 8, 8)),
    "words": ("embedding 20 5; conv 6 3; relu; adaptivemaxpool 1; flatten; linear 2", (12,)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_units(visit, tmp_path, kind):
    """Forty units of each network through ``window.striate``: value, sum, products and what follows are PyTorch's."""
    text, shape = KINDS[kind]
    scene, model, net = random_scene(parse(text), shape, 3)
    theirs = torch_says(scene, model)
    shapes, rng = infer(net.graph)[0], np.random.default_rng(0)
    units = []
    for k in range(40):
        node = net.graph.nodes[k % len(net.graph.nodes)]
        units.append([node.name, *(int(rng.integers(n)) for n in shapes[node.name])])
    (tmp_path / "page.html").write_text(document(scene))
    with visit((tmp_path / "page.html").as_uri()) as page:
        item = np.frombuffer(base64.b64decode(scene.about["check"]["input"]["data"]), np.float32)
        page.evaluate("values => striate.input(values)", item.tolist())
        answers = page.evaluate(UNITS, ["", [":".join(map(str, unit)) for unit in units]])
        assert page.evaluate("striate.check.share") <= WITHIN
        assert page.evaluate("striate.unit('nothing:0:0')") is None
    for (name, *unit), found in zip(units, answers, strict=True):

        def of(layer, at=tuple(unit)):
            return theirs[layer].reshape(shapes[layer])[at]

        def reach(layer):
            return WITHIN * max(float(np.abs(theirs[layer]).max()), 1e-6)

        where = f"{name} {unit}"
        assert found["value"] == pytest.approx(of(name), abs=reach(name)), where
        first = found["layer"]
        assert found["sum"] == pytest.approx(of(first), abs=reach(first)), where
        if found["kind"] == "sum":
            assert found["products"] == pytest.approx(
                [v * w for v, w in zip(found["window"], found["weights"], strict=True)]
            )
            assert sum(found["products"]) + found["bias"] == pytest.approx(found["sum"], abs=reach(first)), where
        for then in found["then"]:
            assert then["value"] == pytest.approx(of(then["layer"]), abs=reach(then["layer"])), where
        assert (found["then"][-1]["layer"] if found["then"] else first) == name


MACS = 100_000_000  # of the networks that this test computes in a page
PARAMETERS = 12_000_000  # likewise: their weights go through the driver as text


def small(entry):
    """The input at 32 or else 64 pixels a side, whichever the network takes first; None where it takes neither."""
    for side in (32, 64):
        shape = entry.input if len(entry.input) == 1 else (entry.input[0], *(min(n, side) for n in entry.input[1:]))
        try:
            graph = lower(entry.make(), shape)
            report = analyse(graph)
            if not infer(graph)[1] and (report.macs or 0) <= MACS and report.parameters <= PARAMETERS:
                return shape
        except (ShapeError, SpecError):
            continue
    return None


@pytest.mark.parametrize("name", ZOO)
def test_networks_of_the_zoo(bench_page, name):
    """Each at the smallest of two sizes: every layer's values, and some receptive fields."""
    shape = small(ZOO[name])
    if shape is None:
        pytest.skip("more multiply-accumulates or weights than a test can afford, or not at this size")
    net = inspected(name, shape)
    scene = NetworkScene.of(net)
    check_values(computed(bench_page, scene), torch_says(scene, net))
    assert bench_page.evaluate("window.net.check().share") <= WITHIN
    check_fields(bench_page, net.module.graph, np.random.default_rng(0), each=1)
