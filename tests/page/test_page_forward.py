"""The page's arithmetic against PyTorch's, on networks drawn at random and on those of the zoo."""

import json
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pages import RUN, computed, scene_of, torch_says
from strategies import any_ops, nets

from striate.analysis import infer, receptive
from striate.errors import SeeError, ShapeError, SpecError
from striate.inspect.models.inspected import inspected
from striate.net import build
from striate.page.scene import NetworkScene
from striate.spec import OPS, Embedding, Flatten, Join, Seq, Side, lower
from striate.zoo import ZOO

pytestmark = pytest.mark.slow
WITHIN = 1e-4  # of a layer's range
SEEN: set[str] = set()  # the ops that the random networks had


def random_scene(spec, shape, seed):
    net = build(spec, shape, seed=seed)
    rng = np.random.default_rng(seed)
    words = next((node.op.words for node in net.graph.nodes if isinstance(node.op, Embedding)), 0)
    item = rng.integers(0, words, shape) if words else rng.standard_normal(shape).astype(np.float32)
    return (*scene_of(net, item, mode="text" if words else "values", seed=seed), net)


def check_values(mine, theirs):
    for name, expected in theirs.items():
        reach = np.abs(expected).max(initial=0) or 1
        assert mine[name].shape == expected.shape, name
        difference = np.abs(mine[name] - expected).max(initial=0) / reach
        assert difference <= WITHIN, f"{name}: {difference:.2e} of its range"


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=nets(), seed=st.integers(0, 999))
def test_random_networks(bench_page, made, seed):
    """1-D, 2-D, 3-D, branches, groups, dilation, ceil pooling, transposed convolutions: every layer's values."""
    scene, model, net = random_scene(*made, seed)
    SEEN.update(type(node.op).__name__ for node in net.graph.nodes)
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
        except (ShapeError, SpecError):  # it does not fit
            return
        count[0] += 1
        check_values(computed(bench_page, scene), torch_says(scene, model))

    count = [0]
    holds()
    assert count[0] >= 3


FIELDS = """async ([layer, units]) => units.map(unit => {
  const box = window.net.fields(layer, unit).get('input')
  return box ? box : null
})"""


def expected_fields(graph, name, units):
    """The receptive fields on the input of *units* ``[c, ...]`` of a layer by the analysis, cut at the input's edges."""
    shapes = infer(graph)[0]
    known, faults = receptive(graph, shapes)
    assert not faults
    axes, nodes = known[name], {node.name: node for node in graph.nodes}
    extents = shapes["input"][1:] if len(shapes["input"]) > 1 else shapes["input"]
    before = name
    if len(shapes[name]) == 1:
        while not isinstance(nodes[before].op, Flatten):
            if isinstance(nodes[before].op, Join) or (before := nodes[before].inputs[0]) == "input":
                break
    for unit in units:
        at = unit[1:]
        if len(shapes[name]) == 1 and not all(axis.whole for axis in axes):
            if before == "input" or not isinstance(nodes[before].op, Flatten):
                yield "unknown"
                continue
            at = np.unravel_index(unit[0], shapes[nodes[before].inputs[0]])[1:]
        spans = [axis.spans[0] if axis.whole else axis.at(int(i)) for axis, i in zip(axes, at or [0] * 3, strict=False)]
        spans = [s and (max(0, s[0]), min(n - 1, s[1])) for s, n in zip(spans, extents, strict=True)]
        yield None if any(s is None or s[0] > s[1] for s in spans) else [list(s) for s in spans]


def check_fields(page, graph, rng, each=4):
    shapes = infer(graph)[0]
    rank = max(1, len(shapes["input"]) - 1)
    for node in graph.nodes:
        shape = shapes[node.name]
        units = [[0] * len(shape), [n - 1 for n in shape]]
        units += [[int(rng.integers(n)) for n in shape] for _ in range(each)]
        expected = list(expected_fields(graph, node.name, units))
        full = [[u[0], *[0] * (4 - len(u)), *u[1:]] for u in units]
        for unit, box, right in zip(units, page.evaluate(FIELDS, [node.name, full]), expected, strict=True):
            if right != "unknown":
                assert (box and box[3 - rank :]) == right, f"{node.name} {unit}"


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=nets(), seed=st.integers(0, 999))
def test_receptive_fields_of_random_networks(bench_page, made, seed):
    scene, _, net = random_scene(*made, seed)
    computed(bench_page, scene)
    check_fields(bench_page, net.graph, np.random.default_rng(seed))
