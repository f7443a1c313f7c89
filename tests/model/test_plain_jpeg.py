"""The short way gives what the long way gives, bit for bit, or leaves the file to it."""

import io
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from striate.model import opening as short
from striate.model.opening import plain_jpeg


def noise(size=(12, 10), mode="RGB", seed=0):
    channels = {"L": (), "RGB": (3,), "CMYK": (4,)}[mode]
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], *channels), dtype=np.uint8)
    return Image.frombytes(mode, size, pixels.tobytes())


def whole(size):
    return 1


@given(
    st.tuples(st.integers(1, 70), st.integers(1, 70)),
    st.sampled_from(["L", "RGB"]),
    st.integers(1, 100),
    st.booleans(),
    st.sampled_from(["4:4:4", "4:2:2", "4:2:0"]),
    st.booleans(),
)
def test_bit_for_bit_what_pillow_gives(tmp_path_factory, size, mode, quality, progressive, subsampling, tables):
    path = tmp_path_factory.mktemp("plain") / "a.jpg"
    noise(size, mode).save(path, quality=quality, progressive=progressive, subsampling=subsampling, optimize=tables)
    found = plain_jpeg(path, whole)
    with Image.open(path) as image:
        image.load()
        assert found is not None
        assert (found.mode, found.size) == (image.mode, image.size)
        assert found.tobytes() == image.tobytes()


def with_exif():
    exif = Image.Exif()
    exif[0x0112] = 6
    return {"exif": exif}


@pytest.mark.parametrize(
    ("mode", "format", "more"),
    [
        ("RGB", "PNG", {}),
        ("RGB", "JPEG", with_exif()),
        ("RGB", "JPEG", {"comment": b"a"}),
        ("RGB", "JPEG", {"icc_profile": b"a" * 100}),
        ("CMYK", "JPEG", {}),
        ("RGB", "JPEG", {"keep_rgb": True}),
    ],
    ids=["PNG", "EXIF", "comment", "profile", "CMYK", "RGB inside"],
)
def test_what_is_unusual_is_left_to_the_long_way(tmp_path, mode, format, more):
    noise(mode=mode).save(tmp_path / "a", format, **more)
    assert plain_jpeg(tmp_path / "a", whole) is None


def test_what_is_to_be_reduced_is_too(tmp_path):
    noise((64, 48)).save(tmp_path / "a.jpg")
    sizes = []
    assert plain_jpeg(tmp_path / "a.jpg", lambda size: sizes.append(size) or 2) is None
    assert sizes == [(64, 48)]


@pytest.mark.parametrize("limit", [100, 64 * 48 - 1])
def test_large_files_and_pictures_are_too(tmp_path, monkeypatch, limit):
    Image.new("RGB", (64, 48)).save(tmp_path / "a.jpg")
    assert 100 < (tmp_path / "a.jpg").stat().st_size < 64 * 48 - 1
    assert plain_jpeg(tmp_path / "a.jpg", whole)
    monkeypatch.setattr(short, "_SMALL_JPEG", limit)
    assert plain_jpeg(tmp_path / "a.jpg", whole) is None


def test_a_file_cut_anywhere_is_never_filled_up(tmp_path):
    data = io.BytesIO()
    noise().save(data, "JPEG")
    path = tmp_path / "a.jpg"
    for length in range(0, len(data.getvalue()) - 2, 5):
        path.write_bytes(data.getvalue()[:length])
        assert plain_jpeg(path, whole) is None


@given(st.integers(0, 10**6), st.integers(0, 255))
def test_damage_is_left_to_the_long_way_or_seen_alike(tmp_path_factory, place, value):
    data = io.BytesIO()
    noise().save(data, "JPEG", quality=30)
    damaged = bytearray(data.getvalue())
    damaged[place % len(damaged)] = value
    path = tmp_path_factory.mktemp("damaged") / "a.jpg"
    path.write_bytes(damaged)
    found = plain_jpeg(path, whole)
    if found is not None:
        with Image.open(path) as image:
            assert (image.mode, image.size, image.tobytes()) == (found.mode, found.size, found.tobytes())


def test_what_is_no_ordinary_file(tmp_path):
    assert plain_jpeg(tmp_path, whole) is None
    assert plain_jpeg(tmp_path / "absent", whole) is None
    assert plain_jpeg("\0", whole) is None
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        assert plain_jpeg(tmp_path / "pipe", whole) is None
