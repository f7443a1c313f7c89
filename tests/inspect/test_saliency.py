"""Maps lie where their cells are, say what they are, and their pictures do not mislead."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import striate
from striate.errors import SeeError
from striate.inspect.attribution import METHODS
from striate.inspect.models import Explanation, explain, inspected
from striate.inspect.models.saliency import overlay
from striate.model.contract import Contract
from striate.model.model import Model
from striate.plotting import ColourScale
from striate.tasks import REGRESSION


def watcher(*layers):
    """A net of positive weights whose score is what it sees of an image, summed."""
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    for parameter in net.parameters():
        parameter.data.fill_(1.0 if parameter.ndim > 1 else 0.0)
    return inspected(net, (1, 64, 64))


STEMS = {
    "a padded stem, whose cells begin at the corner": watcher(
        nn.Conv2d(1, 1, 7, 2, 3), nn.ReLU(), nn.Conv2d(1, 1, 3, 2, 1), nn.ReLU(), nn.Conv2d(1, 1, 3, 2, 1)
    ),
    "no padding, whose cells begin far inside": watcher(nn.Conv2d(1, 1, 9, 4), nn.ReLU(), nn.Conv2d(1, 1, 3, 2)),
}


@pytest.mark.parametrize("kind", STEMS)
@pytest.mark.parametrize("place", [(21, 30), (40, 25), (33, 33)])
def test_the_map_lies_on_what_was_seen(kind, place):
    looked = STEMS[kind]
    image = np.zeros((64, 64), np.uint8)
    image[place] = 255
    found = explain(looked, image, method="hires_cam", layer=looked.layers()[-3])
    values = np.clip(found.on_input, 0, None)
    middle = [(np.arange(64) * values.sum(1 - axis)).sum() / values.sum() for axis in (0, 1)]
    stride = looked.grid(found.found.layer)[2]
    assert np.abs(np.array(middle) - place).max() < 0.6 * stride


def test_cells_that_are_stretched_would_lie_elsewhere():
    y, _, _, _ = STEMS["no padding, whose cells begin far inside"].grid("2")
    cells = 6
    assert abs(y - (64 / cells / 2 - 0.5)) > 3  # where a resize puts the first one's middle


@pytest.fixture(scope="module")
def looked(trained):
    return inspected(trained / "model.safetensors")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_says_and_draws_what_it_found(looked, digit, method):
    found = explain(looked, digit, method=method, check=method in ("grad_cam", "integrated_gradients", "deconvnet"))
    about = json.loads(json.dumps(found.as_dict()))
    assert about["target"].startswith("class ")
    assert about["sum"] == pytest.approx(float(found.found.values.sum()))
    assert str(found).splitlines()[0].startswith(f"{METHODS[method].title} for class ")
    assert METHODS[method].title in found.picture().alt
    assert found.on_input.shape == found.image.shape[:2] == (looked.contract.input[1], looked.contract.input[2])
    bundle, _ = found._repr_mimebundle_()
    assert bundle["text/plain"] == str(found)
    assert bundle["image/png"].startswith(b"\x89PNG")


def test_checks_are_named_and_told_once(looked, digit):
    found = explain(looked, digit, method="integrated_gradients", check=True)
    assert [check.name for check in found.checks] == ["randomisation", "completeness", "deletion", "insertion"]
    assert not any(check.verdict.startswith(check.name) for check in found.checks)
    assert [row["check"] for row in found.as_dict()["checks"]] == [check.name for check in found.checks]


def test_methods_known_to_fail_say_so(looked, digit):
    found = explain(looked, digit, method="guided_backprop", check=True)
    assert found.as_dict()["fails_randomisation"]
    assert "Adebayo" in str(found)
    compared = explain(looked, digit, method="all")
    assert all(isinstance(one, Explanation) for one in compared.explanations)
    assert len(compared.explanations) == len(METHODS)
    image = compared.picture().image
    assert image.height > image.width / 2


def test_a_chosen_class_and_a_chosen_unit(looked, digit):
    assert explain(looked, digit, "3").target == "class 3"
    assert explain(looked, digit, "conv1:2:5:5", method="gradient").target == "conv1:2:5:5"


def test_a_value_is_no_class():
    contract = Contract(("weight", "height"), (1, 8, 8), "L", (0.0,), (1.0,), task=REGRESSION,
                        target_mean=(0.0, 0.0), target_std=(1.0, 1.0))  # fmt: skip
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 2))
    image = np.zeros((8, 8), np.uint8)
    assert explain(Model(module, contract), image, "height").target == "value height"
    with pytest.raises(SeeError, match="predicts 2 numbers: name one"):
        explain(Model(module, contract), image)


def test_words_are_printed_with_their_numbers():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Embedding(9, 6), nn.Flatten(), nn.Linear(24, 2))
    contract = Contract(("bad", "good"), (4,), "text", (), (), vocabulary=("a", "film", "fine"))
    found = explain(Model(net, contract), "A fine film", method="gradient_x_input")
    assert found.words == ("a", "fine", "film")
    assert [line.split()[0] for line in str(found).splitlines() if line.startswith("  ")] == ["a", "fine", "film"]
    assert [row["word"] for row in found.as_dict()["words"]] == ["a", "fine", "film"]
    assert found.picture().image.width > 200


def test_a_map_of_zeros_is_said():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 2))
    nn.init.zeros_(net[3].weight)
    found = explain(net, np.zeros((8, 8), np.uint8), "1", input=(1, 8, 8))
    assert "every value is zero" in str(found)
    assert not found.on_input.any()
    assert found.picture().image.width > 200


class Rolled(nn.Module):
    """What its map's cells read is not known from the outside."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 2, 3), nn.Linear(72, 3)

    def forward(self, x):
        return self.head(self.conv(torch.roll(x, 1, 2)).flatten(1))


@pytest.mark.parametrize(
    ("net", "where"),
    [
        (
            "conv 2 3; flatten; linear 3",
            "CAM cells are drawn at their receptive fields' centres (not stretched corner to corner)",
        ),
        (Rolled(), "where its cells lie is not known: the map is stretched over the input"),
    ],
)
def test_how_the_cells_of_a_map_lie_on_the_image_is_said(net, where):
    found = explain(net, np.zeros((8, 8), np.uint8), "2", input=(1, 8, 8))
    assert found.notes[-1] == where
    assert f"note: {where}" in str(found)


MISTAKES = {
    "method": ({"method": "gradcm"}, "did you mean 'grad_cam'"),
    "class": ({"target": "11"}, "no output 11: the model has 10 outputs, 0 to 9"),
    "layer": ({"layer": "conv2"}, "did you mean 'conv1'"),
    "layer of the input": ({"method": "gradient", "layer": "conv1"}, "gradient maps the input"),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_mistakes_are_answered_with_the_way_out(looked, digit, kind):
    options, words = MISTAKES[kind]
    with pytest.raises(SeeError, match=words.replace("?", r"\?")):
        explain(looked, digit, **options)


def test_zero_lets_the_image_through_and_the_sign_has_a_colour():
    image = np.full((1, 3), 100, np.uint8)
    shown = overlay(image, np.array([[-2.0, 0.0, 2.0]]), ColourScale(2.0, True)).astype(int)
    red, _, blue = np.moveaxis(shown, -1, 0)
    assert np.sign(red - blue)[0].tolist() == [-1, 0, 1]
    assert np.ptp(shown[0, 1]) == 0


def test_it_is_there_from_the_top(looked, digit):
    assert striate.explain(looked.model, digit).found.layer == "relu1"
