"""Test-time augmentation: the mean of the scores over views of an item, wherever a model is used."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import striate
from striate.datasets import open_data
from striate.errors import ModelError, RecipeError
from striate.learning.recipe import TTA
from striate.model.contract import TEST_TIME, Contract
from striate.model.model import Model

CONTRACT = Contract(("left", "right"), (1, 1, 4), "L", (0.0,), (1.0,))
MASKS = replace(CONTRACT, task="segmentation", mask_values=(0, 1))
POINTS = Contract(
    ("x", "y"), (1, 1, 4), "L", (0.0,), (1.0,), task="regression", target_mean=(0.0, 0.0), target_std=(1.0, 1.0),
    positions=((0, 1),),
)  # fmt: skip
IMAGE = np.array([[[[0, 51, 102, 255]]]], np.uint8)  # 0, 0.2, 0.4, 1


class Ends(nn.Module):
    """Twice the image's leftmost and its rightmost pixel."""

    def forward(self, x):
        return 2 * x[:, 0, 0, [0, -1]]


class Places(nn.Module):
    """Of every pixel its value, and how far to the right it is."""

    def forward(self, x):
        return torch.cat([x, torch.arange(4.0).expand_as(x)], dim=1)


def test_scores_are_the_mean_over_the_image_and_its_mirror_image():
    assert Model(Ends(), CONTRACT).scores(IMAGE).tolist() == [[0, 2]]
    assert Model(Ends(), replace(CONTRACT, tta="flip")).scores(IMAGE).tolist() == [[1, 1]]


def test_scores_of_pixels_are_turned_back():
    scores = Model(Places(), replace(MASKS, tta="flip")).scores(IMAGE)
    np.testing.assert_allclose(scores[0, 0, 0], [0, 0.2, 0.4, 1], atol=1e-6)
    assert scores[0, 1, 0].tolist() == [1.5] * 4


def test_shifted_views_repeat_the_border():
    shifted = Model(Ends(), replace(CONTRACT, tta="shift")).scores(IMAGE)  # 3 of 9 views each: left, as it is, right
    np.testing.assert_allclose(shifted, [[2 * (0 + 0 + 0.2) / 3, 2 * (0.4 + 1 + 1) / 3]], atol=1e-6)
    both = Model(Ends(), replace(CONTRACT, tta="flip+shift")).scores(
        IMAGE
    )  # the image twice, to the left, to the right
    np.testing.assert_allclose(both, [[(2 * (0 + 1) + (0.2 + 1) + (0 + 0.4)) / 4] * 2], atol=1e-6)


def test_scores_of_pixels_are_shifted_back():
    for tta in ("shift", "flip+shift"):
        scores = Model(Places(), replace(MASKS, tta=tta)).scores(IMAGE)
        np.testing.assert_allclose(scores[0, 0, 0, 1:3], [0.2, 0.4], atol=1e-6)  # away from the border as they are


def test_the_settings_of_a_recipe_are_those_of_the_contract():
    assert tuple(TEST_TIME) == TTA


def test_the_contract_says_it_only_where_it_is_so():
    assert "tta" not in json.loads(CONTRACT.to_json())
    flipped = replace(CONTRACT, tta="flip")
    assert Contract.from_json(flipped.to_json()) == flipped


@pytest.mark.parametrize(
    ("contract", "tta", "text"),
    [
        (CONTRACT, "flop", "contract: tta is 'flop'"),
        (
            POINTS,
            "flip",
            "tta flip is for images, and for targets that stay .* mirrored or shifted; use tta none",
        ),
        (Contract(("a", "b"), (5,), "text", (), (), vocabulary=("x",)), "flip", "tta flip is for images"),
    ],
    ids=["word", "positions", "text"],
)
def test_what_no_mirror_image_means_is_refused(contract, tta, text):
    with pytest.raises(ModelError, match=text):
        replace(contract, tta=tta)


def test_from_training_to_prediction(in_folder):
    net = "conv 4 3; relu; maxpool 2; flatten; linear 10"
    model = striate.train(net, "digits", epochs=1, fraction=0.3, tta="flip", out="run", quiet=True)
    assert striate.load("run/model.safetensors").contract.tta == "flip"
    scores = {tta: striate.evaluate("run", "digits", tta=tta).loss for tta in (None, "flip", "none")}
    assert scores[None] == scores["flip"] != scores["none"]
    item = np.asarray(open_data("digits").test.inputs[0])
    one, two = (striate.predict(model, item, tta=tta)[0].probability for tta in ("flip", "none"))
    assert one != two
    with pytest.raises(RecipeError, match="tta is 'flap'"):
        striate.predict(model, item, tta="flap")
    with pytest.raises(RecipeError, match="tta is 'flap'"):
        striate.train(net, "digits", tta="flap", quiet=True)


def test_training_on_positions_refuses_it(in_folder):
    with pytest.raises(RecipeError, match=r"tta flip is for images, and for targets that stay .*; omit it"):
        striate.train(None, "shapes:regression,n=60,test=20", tta="flip", epochs=1, quiet=True)
