"""The contributions that the page computes against PyTorch's own gradients."""

import numpy as np
import pytest
import torch

from striate.inspect.models.inspected import inspected
from striate.run.viewing import view

pytestmark = pytest.mark.slow
NETS = {
    "a plain one": "conv 4 3; relu; maxpool 2; conv 6 3 padding=1; tanh; avgpool 2; flatten; linear 5; sigmoid; "
    "linear 3",
    "norms": "conv 4 3; batchnorm; leakyrelu; lrn; conv 4 1; layernorm; gelu; adaptiveavgpool 1; flatten; linear 3",
    "a skip and a gate": "a: conv 4 3 padding=1; b: conv 4 3 padding=1; s: add <- a, b; g: adaptiveavgpool 1 <- s; "
    "h: hardsigmoid; m: multiply <- s, h; silu; flatten; linear 3",
    "up again": "conv 4 3 stride=2; elu; convtranspose 3 2 stride=2; softplus; upsample 2 mode=linear; "
    "concat <- upsample1, upsample1; flatten; linear 3; softmax",
}


@pytest.mark.parametrize("name", NETS)
def test_gradient_times_input(visit, tmp_path, name):
    page = view(NETS[name], input=(2, 12, 12)).save(tmp_path / "page.html")
    with visit(page.as_uri()) as tab:
        found = np.array(tab.evaluate("striate.contributions('gradient_x_input', 1)"))
        item = np.array(tab.evaluate("striate.values('input').data"))
    module = inspected(NETS[name], (2, 12, 12)).module.double().eval()
    x = torch.tensor(item).view(1, 2, 12, 12).requires_grad_()
    layers = [module.get_submodule(node.name) for node in module.graph.nodes]
    caught = []
    last = layers[-2] if NETS[name].endswith("softmax") else layers[-1]  # the score is what comes before a softmax
    last.register_forward_hook(lambda module, inputs, output: caught.append(output))
    module(x)
    caught[0][0, 1].backward()
    expected = (x.grad * x).detach().numpy().ravel()
    assert np.abs(found - expected).max() <= 1e-3 * np.abs(expected).max()


def test_integrated_gradients_add_up(visit, tmp_path):
    """Their sum is the score's difference from that of the black image, whose input is not zero."""
    net = "conv 4 3; tanh; flatten; linear 3"
    page = view(net, input=(1, 12, 12)).save(tmp_path / "page.html")
    with visit(page.as_uri()) as tab:
        total = sum(tab.evaluate("striate.contributions('integrated_gradients', 2)"))
        layer = tab.evaluate("striate.layers().at(-1).name")
        score = tab.evaluate(f"striate.values('{layer}').data[2]")
        tab.evaluate("striate.input(new Uint8Array(144))")
        black = tab.evaluate(f"striate.values('{layer}').data[2]")
    assert total == pytest.approx(score - black, rel=1e-2)
