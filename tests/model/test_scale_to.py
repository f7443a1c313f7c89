"""Resize the shorter side, then crop: against Pillow by hand, as torchvision's weights were measured."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from striate.errors import ModelError
from striate.model.contract import Contract
from striate.model.image import from_array
from striate.model.model import Model, load
from striate.model.placing import LONGEST
from striate.model.prepare import fit, fit_array
from striate.net import build
from striate.spec import parse

GREY = Contract(("cat", "dog"), (1, 8, 12), "L", (0.5,), (0.25,), resize="crop", scale_to=14)
OFFICIAL = Contract(("cat", "dog"), (3, 224, 224), "RGB", (0.5,) * 3, (0.25,) * 3, resize="crop", scale_to=256)


def photo(width, height, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize(
    ("width", "height", "scaled", "corner"),
    [  # torchvision's Resize(256), CenterCrop(224): the longer side rounded down, the corner to the even number
        (500, 375, (341, 256), (58, 16)),
        (375, 500, (256, 341), (16, 58)),
        (224, 224, (256, 256), (16, 16)),
        (256, 256, (256, 256), (16, 16)),
        (1000, 667, (383, 256), (80, 16)),  # 79.5 to 80
        (640, 479, (342, 256), (59, 16)),
        (37, 40, (256, 276), (16, 26)),
    ],
)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_by_hand(width, height, scaled, corner, interpolation):
    image, contract = photo(width, height), replace(OFFICIAL, interpolation=interpolation)
    resized = image.resize(scaled, getattr(Image.Resampling, interpolation.upper()))
    left, top = corner
    wanted = np.asarray(resized)[top : top + 224, left : left + 224].transpose(2, 0, 1)
    assert np.array_equal(fit(image, contract), wanted)


def test_nearest_in_numbers():
    rows = np.arange(7 * 9, dtype=np.uint8).reshape(7, 9)
    contract = replace(GREY, input=(1, 10, 6), interpolation="nearest")
    doubled = rows.repeat(2, 0).repeat(2, 1)  # the shorter side of 7 becomes 14
    assert np.array_equal(fit(Image.fromarray(rows), contract)[0], doubled[2:12, 6:12])


@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from([None, 3]), st.integers(0, 99))
def test_a_stack_of_arrays_is_fitted_as_each_image(height, width, channels, seed):
    shape = (3, height, width) if channels is None else (3, height, width, channels)
    images = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    each = np.stack([fit(from_array(image), GREY) for image in images])
    assert each.shape == (3, 1, 8, 12)
    assert np.array_equal(fit_array(images, GREY), each)


def test_an_image_of_the_inputs_size_is_scaled_all_the_same():
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 12), dtype=np.uint8)
    assert not np.array_equal(fit_array(images, GREY)[:, 0], images)


def test_a_strip_costs_no_more_than_its_middle():
    strip = np.zeros((2, 40_000), np.uint8)
    strip[:, 20_000 - 8 : 20_000 + 8] = 200
    fitted = fit(Image.fromarray(strip), replace(GREY, input=(1, 12, 12)))
    assert (fitted == 200).all()
    near, far = photo(80, 10).convert("L"), photo(80 + LONGEST, 10).convert("L")
    assert fit(near, GREY).shape == fit(far, GREY).shape == (1, 8, 12)


# ------------------------------------------------------------------------------------------------------ the contract
@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"scale_to": 223}, "scale_to must be a whole number from 224 (the input's longer side) to 16,384, got 223"),
        ({"scale_to": 2**20}, "scale_to must be a whole number"),
        ({"scale_to": 256.0}, "got 256.0"),
        ({"scale_to": True}, "got True"),
        ({"scale_to": "256"}, "got '256'"),
        ({"resize": "stretch"}, "scale_to goes with resize crop, not with 'stretch'"),
        ({"resize": "fit"}, "scale_to goes with resize crop, not with 'fit'"),
    ],
)
def test_what_it_may_be(fields, text):
    with pytest.raises(ModelError) as caught:
        replace(OFFICIAL, **fields)
    assert str(caught.value).startswith("contract: ")
    assert text in str(caught.value)


def test_files_from_before_it_was_there_load_and_are_written_as_they_were():
    old = replace(OFFICIAL, scale_to=None)
    assert "scale_to" not in old.to_json()
    assert Contract.from_json(old.to_json()) == old
    assert json.loads(OFFICIAL.to_json())["scale_to"] == 256
    assert Contract.from_json(OFFICIAL.to_json()) == OFFICIAL
    with pytest.raises(ModelError, match="unknown field 'scaleto'; did you mean 'scale_to'"):
        Contract.from_json(OFFICIAL.to_json().replace("scale_to", "scaleto"))


def test_a_model_file_holds_it(tmp_path):
    path = tmp_path / "m.safetensors"
    Model(build(parse("input 1x8x12; flatten; linear 2")), GREY).save(path)
    assert load(path).contract == GREY
    path.write_bytes(path.read_bytes().replace(b'\\"scale_to\\": 14', b'\\"scale_to\\": 11'))
    with pytest.raises(ModelError, match=r"m.safetensors: contract: scale_to must be a whole number from 12"):
        load(path)


def test_predictions_use_it(tmp_path):
    model = Model(build(parse("input 1x8x12; flatten; linear 2")), GREY)
    image = photo(50, 40).convert("L")
    by_hand = np.asarray(image.resize((17, 14), Image.Resampling.BILINEAR))[3:11, 2:14]
    (one,), (other,) = model.predict(image), Model(model.module, replace(GREY, scale_to=None)).predict(by_hand)
    assert one.top == other.top
