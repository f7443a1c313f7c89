"""Colours are even and neutral at zero; pictures hold what they say and never overflow their paper."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from striate.plotting.colours import STEPS, diverging, sequential
from striate.plotting.picture import Picture, Scale, Shares, Shown, photo, sentence, sheet, values


def lightness(colours):
    """CIE L*, from the definition (CIE 15): a witness that shares no code with OKLab."""
    linear = np.where(colours / 255 <= 0.04045, colours / 255 / 12.92, ((colours / 255 + 0.055) / 1.055) ** 2.4)
    y = linear @ np.array([0.2126, 0.7152, 0.0722])
    return np.where(y > 0.008856, 116 * np.cbrt(y) - 16, 903.3 * y)


@pytest.mark.parametrize("ramp", [sequential(np.linspace(0, 1, 65), 1), diverging(np.linspace(0, 1, 65), 1),
                                  diverging(np.linspace(0, -1, 65), 1)])  # fmt: skip
def test_lightness_falls_evenly_from_zero(ramp):
    steps = -np.diff(lightness(ramp.astype(float)))
    assert (steps > 0).all()
    assert steps.max() < 2.2 * steps.mean()


def test_zero_is_the_same_neutral_colour_in_both_maps():
    for one in (sequential(np.zeros(1), 1)[0], diverging(np.zeros(1), 1)[0]):
        assert one.min() >= 244
        assert np.ptp(one.astype(int)) <= 6


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_the_sign_has_a_colour_of_its_own(numbers):
    array = np.array(numbers)
    scale = Scale.of(array)
    assert scale.limit == np.abs(array).max()
    assert scale.signed == (array < 0).any()
    if scale.signed:
        red, _, blue = np.moveaxis(scale.colours(array).astype(int), -1, 0)
        strong = np.abs(array) > scale.limit / 20
        assert (np.sign(red - blue)[strong] == np.sign(array)[strong]).all()


def test_nothing_is_divided_by_zero_and_nan_is_grey():
    assert Scale.of(np.zeros((2, 2))).colours(np.zeros((2, 2))).min() >= 244
    assert diverging(np.array([np.nan]), 1).tolist() == [[128, 128, 128]]
    assert Shares(1.0).colours(np.array([[np.nan]])).tolist() == [[[128, 128, 128]]]
    assert Scale.of(np.array([np.nan, np.inf])).limit == 0
    assert len(np.unique(sequential(np.linspace(0, 1, STEPS), 1), axis=0)) > 200


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 5), st.text(max_size=60))
def test_any_sheet_is_drawn(height, width, n, title):
    array = np.arange(height * width, dtype=float).reshape(height, width)
    title = "".join(c for c in title if c.isprintable() and ord(c) < 0x3000)
    picture = sheet([values(array, title=title)] * n, columns=3, title=title, scale=Scale.of(array), footer="so\nit is")
    image = np.asarray(picture.image)
    assert (image[:, -4:] == 255).all()  # nothing runs over the edge
    assert (image[-4:] == 255).all()


def test_pixels_are_enlarged_by_whole_steps_and_marks_are_seen():
    picture = sheet([photo(np.zeros((20, 30), np.uint8), marks=((2, 3, 5, 5),))])
    colours = {tuple(c) for c in np.asarray(picture.image).reshape(-1, 3)}
    assert (255, 214, 10) in colours


def test_a_picture_is_a_png_that_says_its_density_and_shows_itself(tmp_path):
    picture = sheet([values(np.eye(3), title="eye")], title="an eye")
    picture.save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.info["Description"] == "an eye"
        assert round(image.info["dpi"][0]) == 192
    bundle, about = picture._repr_mimebundle_()
    assert Image.open(io.BytesIO(bundle["image/png"])).size == picture.image.size
    assert about["image/png"]["width"] == picture.image.width // 2
    assert isinstance(picture, Picture)


def test_shares_of_a_colour_have_zero_at_mid_grey():
    scale = Shares(2.0)
    assert scale.colours(np.array([-2.0, 0.0, 2.0, 9.0])).tolist() == [[0] * 3, [128] * 3, [255] * 3, [255] * 3]
    assert scale.colours(np.array([[2.0, 0.0, -2.0]])).tolist() == [[255, 128, 0]]
    assert Shares(0.0).colours(np.zeros((1, 3))).tolist() == [[128] * 3]


def test_images_of_a_row_begin_at_one_height():
    """A title of two lines pushes its neighbours down, too."""
    black = np.zeros((9, 9), np.uint8)
    long = "a title that does not go into one line of this narrow panel"
    image = np.asarray(sheet([photo(black, title="short", side=90), photo(black, title=long, side=90)]).image)
    solid = (image == 0).all(2).sum(1)
    rows = np.nonzero(solid >= 2 * 180)[0]  # both are 180 wide in the file
    assert len(rows) == 180


def test_a_leading_row_leaves_the_columns_as_they_are():
    small, wide = photo(np.zeros((9, 9), np.uint8), side=27), photo(np.zeros((9, 9), np.uint8), side=400)
    plain, led = sheet([small] * 2, columns=2), sheet([small] * 2, columns=2, lead=[wide])
    assert led.image.height > plain.image.height + 700
    last = np.asarray(led.image)[-60]
    assert np.nonzero((last == 0).all(1))[0].max() < plain.image.width


@pytest.mark.parametrize("side", [60, 300])
def test_words_are_wrapped_and_coloured_by_their_numbers(side):
    words = "a sentence of several words that is long".split()
    array = np.linspace(-1, 1, len(words))
    panel = sentence(words, array, Scale.of(array), side=side)
    assert panel.image.shape[1] <= max(2 * side, 220)
    colours = {tuple(c) for c in panel.image.reshape(-1, 3).tolist()}
    assert tuple(Scale.of(array).colours(np.array(1.0)).tolist()) in colours
    assert sentence([], np.zeros(0), Scale(1.0, True)).image.size


def test_what_has_a_picture_shows_it_and_its_words():
    class Thing(Shown):
        def picture(self):
            return sheet([values(np.eye(2))], title="an eye")

    class Told(Thing):
        def __str__(self):
            return "in words"

    assert Thing()._repr_mimebundle_()[0]["text/plain"] == "an eye"
    assert Told()._repr_mimebundle_()[0]["text/plain"] == "in words"
