"""The tree of blocks that the page folds: every layer once, in order, and the groups that the drawing finds."""

import pytest

from striate.analysis import analyse
from striate.page.blocks import blocks
from striate.spec import lower, parse
from striate.zoo import ZOO

NETS = {
    "lenet5": None, "resnet20": None, "resnet110": None, "densenet_bc100": None, "textcnn": None, "voxnet": None,
    "googlenet": (3, 80, 80), "mobilenet_v2": (3, 32, 32), "efficientnet_b0": (3, 32, 32), "unet_small": (3, 32, 32),
    "resnet18": (3, 32, 32), "convnext_tiny": (3, 32, 32), "fcn8": (3, 64, 64), "nin": None,
}  # fmt: skip


def graph_of(net, size=None):
    return lower(ZOO[net].make(), size or ZOO[net].input)


def tree_of(net, size=None):
    return blocks(analyse(graph_of(net, size)))


def layers_in(items):
    """All layers of a tree, in its order."""
    for item in items:
        if isinstance(item, str):
            yield item
            continue
        kind, inner = next(iter(item.items()))
        if kind in ("branches", "run"):
            for series in inner:
                yield from layers_in(series)
        elif kind == "block":
            yield from layers_in(item["items"])
        else:
            yield from layers_in(inner)
        if kind == "branches":
            yield from item["join"]


@pytest.mark.parametrize("net", NETS)
def test_every_layer_is_in_the_tree_once(net):
    graph = graph_of(net, NETS[net])
    assert sorted(layers_in(blocks(analyse(graph)))) == sorted(node.name for node in graph.nodes)


def test_what_is_done_to_the_input_first_is_there():
    assert blocks(analyse(parse("flatten; linear 4"), input=(1, 8, 8))) == ["flatten1", "linear1"]


def test_resnet20_has_three_stages_of_three_blocks():
    stages = [item for item in tree_of("resnet20") if isinstance(item, dict)]
    assert [stage["block"] for stage in stages] == ["stage1", "stage2", "stage3"]
    assert [len(item["run"]) for stage in stages for item in stage["items"] if "run" in item] == [3, 2, 2]
    first = stages[0]["items"][0]["run"][0][0]
    assert first["block"] == "stage1.block1"
    ((fork),) = first["items"]
    assert fork["branches"][1] == []  # the skip
    assert fork["join"] == ["stage1.block1.sum.add", "stage1.block1.relu"]


def test_an_inception_block_has_four_branches_and_a_head_goes_off():
    items = [item for item in tree_of("googlenet", (3, 80, 80)) if isinstance(item, dict)]
    named = [item["block"] for item in items if "block" in item]
    assert named == [f"inception{name}" for name in "3a 3b 4a 4b 4c 4d 4e 5a 5b".split()]
    assert [len(item["items"][0]["branches"]) for item in items if "block" in item] == [4] * 9
    assert [item["head"][0] for item in items if "head" in item] == ["side4a.pool", "side4d.pool"]
