"""Colours are even and neutral at zero; pictures hold what they say and never overflow their paper."""

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont

from striate.plotting import (
    ColourScale,
    HasPicture,
    IntensityScale,
    Picture,
    figure,
    image_panel,
    panel_grid,
    text,
    value_panel,
    word_panel,
)
from striate.plotting.colours import LUMA_601, LUMINANCE_709, STEPS, diverging, sequential
from striate.plotting.text import INK, TEXT, shorten, text_image, text_length


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
    scale = ColourScale.of(array)
    assert scale.limit == np.abs(array).max()
    assert scale.signed == (array < 0).any()
    if scale.signed:
        red, _, blue = np.moveaxis(scale.colours(array).astype(int), -1, 0)
        strong = np.abs(array) > scale.limit / 20
        assert (np.sign(red - blue)[strong] == np.sign(array)[strong]).all()


def test_nothing_is_divided_by_zero_and_nan_is_grey():
    assert ColourScale.of(np.zeros((2, 2))).colours(np.zeros((2, 2))).min() >= 244
    assert diverging(np.array([np.nan]), 1).tolist() == [[128, 128, 128]]
    assert IntensityScale(1.0).colours(np.array([[np.nan]])).tolist() == [[[128, 128, 128]]]
    assert ColourScale.of(np.array([np.nan, np.inf])).limit == 0
    assert len(np.unique(sequential(np.linspace(0, 1, STEPS), 1), axis=0)) > 200


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 5), st.text(max_size=60))
def test_any_sheet_is_drawn(height, width, n, title):
    array = np.arange(height * width, dtype=float).reshape(height, width)
    title = "".join(c for c in title if c.isprintable() and ord(c) < 0x3000)
    picture = panel_grid(
        [value_panel(array, title=title)] * n, columns=3, title=title, scale=ColourScale.of(array), footer="so\nit is"
    )
    image = np.asarray(picture.image)
    assert (image[:, -4:] == 255).all()  # nothing runs over the edge
    assert (image[-4:] == 255).all()


def test_pixels_are_enlarged_by_whole_steps_and_marks_are_seen():
    picture = panel_grid([image_panel(np.zeros((20, 30), np.uint8), marks=((2, 3, 5, 5),))])
    colours = {tuple(c) for c in np.asarray(picture.image).reshape(-1, 3)}
    assert (255, 214, 10) in colours


def test_a_picture_is_a_png_that_says_its_density_and_shows_itself(tmp_path):
    picture = panel_grid([value_panel(np.eye(3), title="eye")], title="an eye")
    picture.save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.info["Description"] == "an eye"
        assert round(image.info["dpi"][0]) == 192
    bundle, about = picture._repr_mimebundle_()
    assert Image.open(io.BytesIO(bundle["image/png"])).size == picture.image.size
    assert about["image/png"]["width"] == picture.image.width // 2
    assert isinstance(picture, Picture)


def test_shares_of_a_colour_have_zero_at_mid_grey():
    scale = IntensityScale(2.0)
    assert scale.colours(np.array([-2.0, 0.0, 2.0, 9.0])).tolist() == [[0] * 3, [128] * 3, [255] * 3, [255] * 3]
    assert scale.colours(np.array([[2.0, 0.0, -2.0]])).tolist() == [[255, 128, 0]]
    assert IntensityScale(0.0).colours(np.zeros((1, 3))).tolist() == [[128] * 3]


def test_images_of_a_row_begin_at_one_height():
    """A title of two lines pushes its neighbours down, too."""
    black = np.zeros((9, 9), np.uint8)
    long = "a title that does not go into one line of this narrow panel"
    image = np.asarray(
        panel_grid([image_panel(black, title="short", side=90), image_panel(black, title=long, side=90)]).image
    )
    solid = (image == 0).all(2).sum(1)
    rows = np.nonzero(solid >= 2 * 180)[0]  # both are 180 wide in the file
    assert len(rows) == 180


def test_a_leading_row_leaves_the_columns_as_they_are():
    small, wide = image_panel(np.zeros((9, 9), np.uint8), side=27), image_panel(np.zeros((9, 9), np.uint8), side=400)
    plain, led = panel_grid([small] * 2, columns=2), panel_grid([small] * 2, columns=2, lead=[wide])
    assert led.image.height > plain.image.height + 700
    last = np.asarray(led.image)[-60]
    assert np.nonzero((last == 0).all(1))[0].max() < plain.image.width


@pytest.mark.parametrize("side", [60, 300])
def test_words_are_wrapped_and_coloured_by_their_numbers(side):
    words = "a sentence of several words that is long".split()
    array = np.linspace(-1, 1, len(words))
    panel = word_panel(words, array, ColourScale.of(array), side=side)
    assert panel.image.shape[1] <= max(2 * side, 220)
    assert (panel.image == ColourScale.of(array).colours(np.array(1.0))).all(axis=-1).any()
    assert word_panel([], np.zeros(0), ColourScale(1.0, True)).image.size


def test_what_has_a_picture_shows_it_and_its_words():
    class Thing(HasPicture):
        def picture(self):
            return panel_grid([value_panel(np.eye(2))], title="an eye")

    class Told(Thing):
        def __str__(self):
            return "in words"

    assert Thing()._repr_mimebundle_()[0]["text/plain"] == "an eye"
    assert Told()._repr_mimebundle_()[0]["text/plain"] == "in words"


def test_a_figure_has_its_legend_and_its_crosses():
    red, blue = (220, 30, 60), (0, 114, 178)
    plain = replace(image_panel(np.zeros((10, 10), np.uint8)), frame=True)
    panel = replace(plain, crosses=((0.25, 0.75, red),))
    legend = [(f"a class with a long name, number {i}", blue) for i in range(9)]
    one, other = (np.asarray(figure([[[p]]], note="about it", legend=legend).image) for p in (panel, plain))
    ys, xs = np.nonzero((one != other).any(2))
    corner = np.argwhere((other == (200, 200, 206)).all(2)).min(axis=0)
    side = np.argwhere((other == (200, 200, 206)).all(2)).max(axis=0) - corner
    middle = (ys.min() + ys.max()) / 2 - corner[0], (xs.min() + xs.max()) / 2 - corner[1]
    assert middle == pytest.approx((0.75 * side[0], 0.25 * side[1]), abs=1.5)
    assert (one == blue).all(2).sum() > 9 * 200
    assert (one[:, -4:] == 255).all()


def test_columns_of_a_block_stand_below_each_other_and_ready_images_between():
    dark = [image_panel(np.zeros((n, n), np.uint8), side=n) for n in (20, 50)]
    heading = text_image(["a heading"], TEXT, INK, 400)
    image = np.asarray(figure([[dark, dark[::-1]], heading]).image)
    lefts = {np.nonzero(row)[0].min() for row in (image == 0).all(2) if row.sum() == 2 * (20 + 50)}
    assert len(lefts) == 1
    assert figure([heading]).image.height > heading.height


def test_names_are_shortened_to_their_room():
    assert shorten("short", TEXT, 200) == "short"
    assert shorten("a" * 100, TEXT, 100).startswith("aaa")
    assert shorten("folder/" * 30 + "end.png", TEXT, 130, end=True).endswith("end.png")
    assert shorten("two\nlines", TEXT, 200) == "two lines"
    assert text_length(shorten("a" * 100, TEXT, 100), TEXT) <= 100


@pytest.fixture
def own_font_alone(monkeypatch):
    monkeypatch.setattr(text, "FONTS", ())
    text._other_fonts.cache_clear()
    yield
    text._other_fonts.cache_clear()


@pytest.mark.usefixtures("own_font_alone")
def test_letters_that_no_font_has_are_written_without_their_accent():
    assert text.drawable("Vögel, Äpfel", TEXT) == "Vogel, Apfel"
    assert text.drawable("日本 e", TEXT) == "?? e"
    assert text.drawable("plain", TEXT) == "plain"
    assert text_length("Vögel", TEXT) == text_length("Vogel", TEXT)


@pytest.mark.usefixtures("own_font_alone")
def test_a_font_of_the_machine_has_the_letters(monkeypatch):
    class Other:
        def getmask(self, letter):
            return b"box" if letter == "\U0010ffff" else letter.encode()

    monkeypatch.setattr(text, "FONTS", ("no-such-font.ttf", "other.ttf"))
    other, load = Other(), ImageFont.truetype
    monkeypatch.setattr(
        ImageFont, "truetype", lambda name, *a, **k: other if name == "other.ttf" else load(name, *a, **k)
    )
    assert text.font_for(TEXT, "Vögel 日本") is other
    assert text.font_for(TEXT, "plain") is not other
    assert text.drawable("Vögel 日本", TEXT) == "Vögel 日本"


def test_the_grey_weights_are_pillows():
    """BT.601, which Pillow rounds to 16 bits: never more than one step apart."""
    rgb = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    grey = np.asarray(Image.fromarray(rgb).convert("L"), float)
    assert np.abs(grey - rgb @ np.array(LUMA_601)).max() < 0.51
    assert sum(LUMA_601) == pytest.approx(1)
    assert sum(LUMINANCE_709) == pytest.approx(1)
