"""The page draws the weights that a network began with as PyTorch drew them."""

import json

import numpy as np
import pytest
import torch

from striate.inspect.models.inspected import inspected
from striate.model.model import Model
from striate.net import build
from striate.page.panels import Panels
from striate.page.scene import NetworkScene
from striate.spec import parse

pytestmark = pytest.mark.slow
NETS = {
    "fewer than 16 weights": ("conv 1 3; relu; conv 2 2; flatten; linear 3", (1, 8, 8)),
    "a rest behind blocks of 16": ("conv 7 3 bias=no; relu; flatten; linear 5", (1, 8, 8)),
    "uniform": ("conv 4 3; tanh; flatten; linear 3", (2, 8, 8)),
    "groups and up": ("conv 4 3 groups=2; convtranspose 6 2 stride=2; relu; conv 3 1", (2, 6, 6)),
    "norms": ("conv 4 3; batchnorm; relu; layernorm; conv 3 1; scale; flatten; linear 2", (1, 8, 8)),
    "words": ("embedding 20 5; conv 6 3; relu; adaptivemaxpool 1; flatten; linear 2", (12,)),
}
FIRST = """async ([about, weights]) => {
  const { firstWeights } = await import('striate/first'), { decoded } = await import('striate/net')
  return Array.from(firstWeights(JSON.parse(about), decoded(weights, Float32Array)))
}"""


def compared(page, net, init, seed):
    """The page's first weights beside PyTorch's, from a network whose weights are others since."""
    began = np.concatenate([v.numpy().ravel() for k, v in net.state_dict().items() if "num_batches" not in k])
    with torch.no_grad():
        for value in net.state_dict().values():
            if value.is_floating_point():
                value += 1
    contract = inspected(net, net.graph.input).contract
    scene = NetworkScene.of(inspected(Model(net, contract)), panels=Panels(init=(init, seed)))
    return np.array(page.evaluate(FIRST, [json.dumps(scene.about), scene.weights_base64()])), began


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("seed", [0, 12345])
def test_first_weights(bench_page, name, seed):
    text, shape = NETS[name]
    net = build(parse(text), shape, seed=seed)
    found, expected = compared(bench_page, net, "auto", seed)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("init", ["lecun", "glorot", "he", "lenet", "alexnet"])
def test_every_initialisation(bench_page, init):
    net = build(parse("conv 3 3; relu; flatten; linear 4"), (1, 9, 9), init=init, seed=7)
    found, expected = compared(bench_page, net, init, 7)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_the_table_of_1998(bench_page):
    """LeNet-5 with its table of connections and its fixed codes, which are not drawn."""
    net = inspected("lenet5_1998").module
    assert any(name.endswith("codes") for name in net.state_dict())
    scene = NetworkScene.of(inspected("lenet5_1998"), panels=Panels(init=("auto", 0)))
    assert len(scene.about["first"]["draws"]) > 16  # each row of the table has a draw of its own
    found = np.array(bench_page.evaluate(FIRST, [json.dumps(scene.about), scene.weights_base64()]))
    expected = np.concatenate([v.numpy().ravel() for v in net.state_dict().values()])
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
