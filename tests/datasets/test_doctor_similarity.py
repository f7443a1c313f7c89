"""Whatever the pictures: a copy that was edited a little is found, and pictures that differ are no copies."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from sick_data import picture
from strategies import examples
from striate.datasets.doctor import similarity
from striate.datasets.doctor.similarity import (
    CELLS,
    COPY,
    MAX_BITS,
    SIDE,
    SMALL,
    aligned_similarity,
    candidates,
    detail_similarity,
    hashes,
    near_duplicates,
    shrink,
)


def seen(images):
    """Thumbnails and colours."""
    thumbs = [image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX) for image in images]
    colours = [image.convert("RGB").resize((CELLS, CELLS), Image.Resampling.BOX) for image in images]
    return np.stack([np.asarray(thumb) for thumb in thumbs]), np.stack([np.asarray(c, np.float32) for c in colours])


@st.composite
def edits(draw):
    """A function that changes a picture as sharing it does: scale, crop, brightness, compression, each a little."""
    scale = draw(st.floats(0.5, 2))
    cut = [draw(st.floats(0, 0.015)) for _ in range(4)]
    light, quality = draw(st.floats(0.9, 1.1)), draw(st.integers(50, 95))

    def edit(image):
        width, height = image.size
        box = (cut[0] * width, cut[1] * height, width - cut[2] * width, height - cut[3] * height)
        image = image.crop(tuple(map(round, box)))
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
        stream = io.BytesIO()
        ImageEnhance.Brightness(image).enhance(light).save(stream, "JPEG", quality=quality)
        return Image.open(stream)

    return edit


@examples(25)
# coarser pictures, cropped more, are missed now and then: 2 of 1,000
@given(seed=st.integers(0, 2**32), edit=edits(), coarse=st.integers(8, 12))
def test_an_edited_copy_is_found_among_others(seed, edit, coarse):
    others = [picture(seed + i, coarse=coarse) for i in range(6)]
    pairs = near_duplicates(*seen([*others, edit(others[4])]))
    assert [(pair.first, pair.second) for pair in pairs] == [(4, 6)]
    assert COPY <= pairs[0].similarity <= 1 + 1e-5


@examples(25)
@given(seed=st.integers(0, 2**32), coarse=st.integers(5, 16))
def test_pictures_that_differ_are_no_copies(seed, coarse):
    assert near_duplicates(*seen([picture(seed + i, coarse=coarse) for i in range(12)])) == []


@given(st.lists(st.integers(0, 2**64 - 1), min_size=0, max_size=10), st.data())
def test_hashes_that_differ_in_six_bits_or_less_are_always_candidates(codes, data):
    """The pigeonhole principle: two of eight bytes stay as they are; a dozen items are all neighbours by these."""
    bits = data.draw(st.sets(st.integers(0, 63), max_size=6))
    one = data.draw(st.integers(0, 2**64 - 1))
    codes = np.array([*codes, one, one ^ sum(1 << bit for bit in bits)], np.uint64)
    few = {tuple(pair) for pair in candidates(codes).tolist()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(similarity, "SMALL", 0)  # as many items are done
        found = {tuple(pair) for pair in candidates(codes).tolist()}
    assert (len(codes) - 2, len(codes) - 1) in found & few
    assert found <= few
    for a, b in found:
        assert a < b
        assert int(codes[a] ^ codes[b]).bit_count() <= MAX_BITS


def test_candidates_of_many_alike_stay_few():
    """So many items of one hash have eight million pairs."""
    assert len(candidates(np.zeros(SMALL + 1, np.uint64))) <= 12 * (SMALL + 1)


def test_the_thumbnail_is_what_pillow_makes_of_it():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 96, 64), dtype=np.uint8)
    wanted = [np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BOX)) for image in pixels]
    assert np.abs(shrink(pixels).astype(int) - np.stack(wanted)).max() <= 1


def test_the_hash_is_the_sign_of_the_cosine_transform():
    """Against scipy-free arithmetic: one coefficient by its definition."""
    thumb = np.random.default_rng(3).integers(0, 256, (1, SIDE, SIDE), dtype=np.uint8)
    x = np.arange(SIDE)
    wave = [np.cos(np.pi * (2 * x + 1) * k / (2 * SIDE)) for k in range(9)]
    low = [(np.outer(wave[n // 9], wave[n % 9]) * thumb[0]).sum() for n in range(1, 65)]
    bits = np.packbits(np.array(low) > np.median(low))
    assert hashes(thumb).view(np.uint8).tolist() == bits.tolist()


@pytest.mark.parametrize(("left", "right"), [(2, 0), (0, 3), (2, 2)])
def test_what_was_cropped_is_laid_upon_the_whole(left, right):
    image = picture(5, (320, 240)).convert("L")
    cropped = image.crop((left * 6, 0, 320 - right * 6, 240))
    a, b = (np.asarray(i.resize((SIDE, SIDE), Image.Resampling.BOX))[None] for i in (image, cropped))
    as_they_lie = detail_similarity(np.concatenate([a, b]), np.array([[0, 1]]))[0]
    laid = aligned_similarity(a, b)[0]
    assert laid > max(0.95, as_they_lie)


def test_the_same_shape_in_another_colour_is_no_copy():
    pixels = np.asarray(picture(1).convert("L")).astype(int)
    red, blue = (np.zeros((*pixels.shape, 3), np.uint8) for _ in range(2))
    red[..., 0], blue[..., 2] = pixels, pixels
    assert near_duplicates(*seen([Image.fromarray(red), Image.fromarray(blue)])) == []


def test_pictures_of_one_colour_and_none_at_all():
    assert near_duplicates(np.full((5, SIDE, SIDE), 9, np.uint8), np.full((5, CELLS, CELLS, 3), 9.0)) == []
    assert near_duplicates(np.empty((0, SIDE, SIDE), np.uint8), np.empty((0, CELLS, CELLS, 3))) == []
