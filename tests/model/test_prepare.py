from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from striate.model.contract import INTERPOLATION, RESIZE, Contract
from striate.model.image import decode, from_array
from striate.model.prepare import fit, fit_array, normalise

GREY = Contract(("cat", "dog"), (1, 4, 4), "L", (0.5,), (0.25,))
COLOUR = Contract(("cat", "dog"), (3, 4, 4), "RGB", (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
ALPHA = Contract(("cat", "dog"), (4, 4, 4), "RGBA", (0.1, 0.2, 0.3, 0.4), (0.4, 0.5, 0.6, 0.7))
RULES = list(product(RESIZE, INTERPOLATION))


def test_stretch_takes_no_notice_of_the_proportions():
    left_white = Image.fromarray(np.repeat([[255, 0]], 3, axis=0).astype(np.uint8))
    contract = replace(GREY, interpolation="nearest")
    assert fit(left_white, contract).tolist() == [[[255, 255, 0, 0]] * 4]


def test_fit_keeps_the_proportions_and_fills_with_black_in_the_middle():
    wide, tall = Image.new("L", (8, 4), 9), Image.new("L", (4, 8), 9)
    contract = replace(GREY, resize="fit")
    assert fit(wide, contract)[0].tolist() == [[0] * 4, [9] * 4, [9] * 4, [0] * 4]
    assert fit(tall, contract)[0].tolist() == [[0, 9, 9, 0]] * 4


def test_crop_keeps_the_proportions_and_the_middle():
    wide = Image.fromarray(np.repeat([[1, 2, 3, 4, 5, 6, 7, 8]], 4, axis=0).astype(np.uint8))
    assert fit(wide, replace(GREY, resize="crop"))[0].tolist() == [[3, 4, 5, 6]] * 4


@pytest.mark.parametrize(("resize", "interpolation"), RULES)
@pytest.mark.parametrize("size", [(1, 1), (1000, 1), (1, 1000), (4, 4), (7, 5)])
def test_every_size_fits_and_white_stays_white(size, resize, interpolation):
    contract = replace(COLOUR, resize=resize, interpolation=interpolation)
    fitted = fit(Image.new("RGB", size, "white"), contract)
    assert fitted.shape == (3, 4, 4)
    assert fitted.dtype == np.uint8
    assert (fitted == 255).all() or (resize == "fit" and fitted.max() == 255)


def test_shrinking_takes_the_mean_of_what_it_shrinks():
    """Bilinear with anti-aliasing: no pixel of a large photograph goes unseen."""
    stripes = Image.fromarray(np.tile([0, 200], (64, 32)).astype(np.uint8))
    assert np.abs(fit(stripes, GREY).astype(int) - 100).max() <= 4


@given(
    st.integers(1, 4),
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from([None, 1, 3, 4]),
    st.sampled_from(RULES),
    st.sampled_from([GREY, COLOUR, ALPHA]),
    st.integers(0, 2**32 - 1),
)
def test_a_stack_of_arrays_is_fitted_bit_for_bit_as_each_image(n, height, width, channels, rule, contract, seed):
    contract = replace(contract, resize=rule[0], interpolation=rule[1])
    shape = (n, height, width) if channels is None else (n, height, width, channels)
    images = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    each = np.stack([fit(from_array(image), contract) for image in images])
    assert np.array_equal(fit_array(images, contract), each)


def test_a_stack_of_the_right_size_is_not_copied():
    images = np.zeros((2, 4, 4), np.uint8)
    assert np.shares_memory(fit_array(images, GREY), images)


def test_a_file_an_image_and_an_array_give_the_same(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 4), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    from_file = fit(decode(tmp_path / "a.png", "RGB"), COLOUR)
    with Image.open(tmp_path / "a.png") as image:
        assert np.array_equal(fit(image, COLOUR), from_file)
    assert np.array_equal(fit(from_array(pixels), COLOUR), from_file)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_normalise(kind):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 4), dtype=np.uint8)
    x = normalise(kind(pixels), COLOUR)
    mean, std = (np.array(values).reshape(3, 1, 1) for values in (COLOUR.mean, COLOUR.std))
    assert x.dtype == torch.float32
    assert np.allclose(x.numpy(), (pixels / 255 - mean) / std, atol=1e-6)


def test_normalise_leaves_the_bytes_alone_and_takes_views():
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), dtype=np.uint8)
    images.flags.writeable = False
    view = fit_array(images, COLOUR)
    assert torch.equal(normalise(view, COLOUR), normalise(view.copy(), COLOUR))
