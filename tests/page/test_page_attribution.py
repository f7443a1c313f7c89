"""The contributions that the page computes against PyTorch's own gradients."""

import numpy as np
import pytest
import torch

from pages import until
from striate.inspect.attribution import grad_cam
from striate.inspect.models.inspected import InspectedModel, inspected
from striate.model.contract import Contract
from striate.model.model import Model
from striate.net import build
from striate.page.document import document
from striate.page.scene import NetworkScene, Sample
from striate.run.viewing import view
from striate.spec import parse

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


@pytest.mark.parametrize("unit", ["relu1:2:3:4", "pool1:1:2:2", "tanh1:3:1:2"])
def test_backpropagation_of_a_unit(visit, tmp_path, unit):
    """Below its arithmetic: the derivative of the predicted score by it, as torch has it."""
    text = NETS["a plain one"].replace("sigmoid; ", "")
    with visit(view(text, input=(2, 12, 12)).save(tmp_path / "page.html").as_uri()) as tab:
        tab.evaluate("unit => striate.open(unit)", unit)
        step = tab.locator("#arithmetic .step", has_text="Backpropagation").locator(".formula")
        until(tab, "![...document.querySelectorAll('#arithmetic .formula')].at(-1).textContent.includes('\u2026')")
        name, said = step.text_content().replace("\u2212", "-").split(" = ")
        x = torch.tensor(tab.evaluate("striate.values('input').data")).view(1, 2, 12, 12).double()
        tab.evaluate("striate.open('linear2:0')")  # the score itself
        assert tab.locator("#arithmetic .step", has_text="Backpropagation").count() == 0
    module = inspected(text, (2, 12, 12)).module.double().eval()
    layer, *at = unit.split(":")
    caught = []
    module.get_submodule(layer).register_forward_hook(lambda module, inputs, output: caught.append(output))
    scores = module(x)[0]
    (slopes,) = torch.autograd.grad(scores.max(), caught)
    assert name == f"\u2202 the score of {scores.argmax().item()} / \u2202 {unit}"
    assert float(said) == pytest.approx(slopes[(0, *map(int, at))].item(), rel=2e-3, abs=1e-6)


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


# ------------------------------------------------------------------------------------------------------------ Grad-CAM
CAMS = {
    "a plain one": (NETS["a plain one"], ["conv1", "relu1", "pool1", "tanh1"]),
    "norms": ("conv 4 3; batchnorm; relu; conv 6 3 stride=2; layernorm; gelu; adaptiveavgpool 1; flatten; linear 3",
              ["batchnorm1", "relu1", "conv2", "gelu1"]),
    "a skip and a gate": (NETS["a skip and a gate"], ["a", "s", "m"]),
    "up again": (NETS["up again"], ["elu1", "softplus1", "concat1"]),
}  # fmt: skip


@pytest.mark.parametrize("name", CAMS)
def test_grad_cam(visit, tmp_path, name):
    """At each of several layers, with its negative values and without."""
    text, layers = CAMS[name]
    page = view(text, input=(2, 12, 12)).save(tmp_path / "page.html")
    module = inspected(text, (2, 12, 12)).module.double().eval()
    with visit(page.as_uri()) as tab:
        x = torch.tensor(tab.evaluate("striate.values('input').data")).view(1, 2, 12, 12).double()
        found = {
            (layer, relu): tab.evaluate(f"striate.gradCam('{layer}', 1, {str(relu).lower()})")
            for layer in layers for relu in (False, True)
        }  # fmt: skip
    if text.endswith("softmax"):  # the score is what comes before it
        last = list(module.graph.nodes)[-1].name
        module.set_submodule(last, torch.nn.Identity())
    for (layer, relu), values in found.items():
        expected = grad_cam(module, x, 1, layer=layer, relu=relu).values.ravel()
        assert np.abs(values - expected).max() <= 1e-4 * np.abs(expected).max(), layer
        assert relu or np.abs(expected).max() > 0


def test_grad_cam_has_the_known_answers(visit, tmp_path):
    """Of the network in Captum's own tests, whose maps can be worked out by hand."""
    net = build(parse("conv 2 3; relu; flatten; linear 4; relu"), (1, 4, 4))
    with torch.no_grad():
        net.conv1.weight.fill_(1)
        net.conv1.bias.copy_(torch.tensor([-50.0, -75.0]))
        net.linear1.weight.copy_(torch.cat([torch.ones(4, 5), -torch.ones(4, 3)], 1))
        net.linear1.bias.zero_()
    contract = Contract(("a", "b", "c", "d"), (1, 4, 4), "values", (0.0,), (1.0,))
    model = InspectedModel(Model(net, contract))
    (tmp_path / "page.html").write_text(document(NetworkScene.of(model, [Sample("x", ARANGE)])))
    with visit((tmp_path / "page.html").as_uri()) as tab:
        assert tab.evaluate("striate.values('relu2').data[0]") == 54
        assert tab.evaluate("striate.gradCam('conv1', 0, false)") == [11.25, 13.5, 20.25, 22.5]
        assert tab.evaluate("striate.gradCam('relu1', 0)") == [0, 4, 28, 32.5]


ARANGE = np.arange(16, dtype=np.float32).reshape(1, 4, 4)


def test_cells_lie_at_the_centres_of_their_receptive_fields(visit, tmp_path):
    """Of padded layers of stride 2, as ResNet's, these are not where a resized map has them."""
    net = "conv 4 3 stride=2 padding=1; relu; conv 4 3 stride=2 padding=1; relu; adaptiveavgpool 1; flatten; linear 3"
    page = view(net, input=(1, 32, 32)).save(tmp_path / "page.html")
    with visit(page.as_uri()) as tab:
        tab.evaluate("striate.panel('attribution:grad_cam:relu2:0:signed')")
        tab.wait_for_timeout(300)
        box = tab.locator("canvas.heat").bounding_box()
        values = tab.evaluate("striate.gradCam('relu2', 0, false)")
        step = box["width"] / 32
        for (row, column), (y, x) in {(0, 0): (1, 1), (0, 1): (0, 4), (3, 2): (12, 8), (7, 7): (28, 28)}.items():
            tab.mouse.move(box["x"] + (x + 0.5) * step, box["y"] + (y + 0.5) * step)
            said = tab.locator("#panel .beside p").last.text_content()
            name, _, value = said.rpartition(": ")
            assert name == f"cell {row}:{column}"
            assert float(value.replace("\u2212", "-")) == pytest.approx(values[8 * row + column], abs=6e-4)


def test_words(visit, tmp_path):
    """The gradient at the embedding times it, summed over it, for each word of a sentence."""
    text = "embedding 20 5; conv 6 3; relu; adaptivemaxpool 1; flatten; linear 2"
    page = view(text, input=(12,)).save(tmp_path / "page.html")
    with visit(page.as_uri()) as tab:
        tab.locator("textarea").fill("a good film, it's fine")
        tab.evaluate("striate.panel('attribution:gradient_x_input::1')")
        tab.wait_for_timeout(300)
        tokens = tab.locator("#panel .token")
        assert tokens.all_text_contents() == ["a", "good", "film", ",", "it", "'s", "fine"]
        found = [float(t.replace("\u2212", "-")) for t in tokens.evaluate_all("all => all.map(t => t.title)")]
        numbers = torch.tensor(tab.evaluate("striate.values('input').data")).long().view(1, 12)
    module = inspected(text, (12,)).module.eval()
    caught = []
    module.embedding1.register_forward_hook(lambda module, inputs, output: caught.append(output))
    score = module(numbers)[0, 1]
    (slopes,) = torch.autograd.grad(score, caught[0])
    expected = (slopes * caught[0]).sum(1 if caught[0].shape[1] == 5 else 2)[0].detach().numpy()
    assert np.abs(np.array(found) - expected[:7]).max() <= 6e-4
    assert np.abs(expected).max() > 1e-3


def test_signals(visit, tmp_path):
    text = "conv 4 5; relu; flatten; linear 3"
    page = view(text, input=(2, 30)).save(tmp_path / "page.html")
    with visit(page.as_uri()) as tab:
        tab.evaluate("striate.input(Array.from({ length: 60 }, (_, i) => Math.sin(i)))")
        tab.evaluate("striate.panel('attribution:gradient_x_input::2')")
        tab.wait_for_timeout(300)
        x = torch.tensor(tab.evaluate("striate.values('input').data")).view(1, 2, 30).requires_grad_()
        box = tab.locator("canvas.heat").bounding_box()
        said = []
        for i in range(0, 30, 7):
            tab.mouse.move(box["x"] + (i + 0.5) * box["width"] / 30, box["y"] + 20)
            said.append(tab.locator("#panel .note").last.text_content())
    inspected(text, (2, 30)).module.eval()(x)[0, 2].backward()
    expected = (x.grad * x)[0].sum(0).tolist()
    for i, line in zip(range(0, 30, 7), said, strict=True):
        name, _, value = line.rpartition(": ")
        assert name == f"value {i}"
        assert float(value.replace("\u2212", "-")) == pytest.approx(expected[i], abs=6e-4)
