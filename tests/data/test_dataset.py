import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.data import Part, channel_statistics, read
from striate.errors import DataError
from striate.model.contract import Contract

CONTRACT = Contract(("cat", "dog"), (3, 6, 8), "RGB", (0.5,) * 3, (0.25,) * 3)


@pytest.fixture
def photos(tmp_path, picture):
    """Eight files, cats and dogs in turn, the i-th full of 10 i."""
    paths = tuple(picture(tmp_path / f"{i}.png", value=10 * i) for i in range(8))
    return Part(paths, np.arange(8) % 2, tuple(map(str, paths)))


def test_take_keeps_names_targets_and_order():
    images = np.arange(4, dtype=np.uint8).reshape(4, 1, 1)
    part = Part(images, np.array([0, 1, 0, 1]), ("a", "b", "c", "d")).take([3, 0])
    assert part.names == ("d", "a")
    assert part.name(1) == "a"
    assert part.inputs.ravel().tolist() == [3, 0]
    assert part.targets.tolist() == [1, 0]
    assert len(part) == 2


def test_take_of_files(photos):
    assert photos.take(np.array([2])).inputs == (photos.inputs[2],)


def test_files_are_read_in_order(photos):
    done = []
    pixels = read(photos, CONTRACT, lambda n, total: done.append((n, total)))
    assert pixels.inputs.shape == (8, 3, 6, 8)
    assert pixels.inputs[:, 0, 0, 0].tolist() == [0, 10, 20, 30, 40, 50, 60, 70]
    assert pixels.broken == ()
    assert done == [(i, 8) for i in range(1, 9)]


def test_arrays_are_read_too():
    images = np.full((2, 6, 8), 7, np.uint8)
    pixels = read(Part(images, np.array([0, 1]), ("a", "b")), CONTRACT)
    assert pixels.inputs.shape == (2, 3, 6, 8)
    assert (pixels.inputs == 7).all()


def test_an_unreadable_image_among_good_ones_is_left_out_and_named(photos):
    photos.inputs[3].write_bytes(b"")
    photos.inputs[4].write_text("hello")
    pixels = read(photos, CONTRACT)
    assert pixels.inputs[:, 0, 0, 0].tolist() == [0, 10, 20, 50, 60, 70]
    assert pixels.targets.tolist() == [0, 1, 0, 1, 0, 1]
    assert [name[-5:] for name in pixels.names] == ["0.png", "1.png", "2.png", "5.png", "6.png", "7.png"]
    assert pixels.broken == (
        (photos.names[3], "the file is empty (0 bytes); copy it again or remove it"),
        (
            photos.names[4],
            "not an image that can be read (PNG, JPEG, BMP, GIF, TIFF, WebP, PPM); convert or remove it",
        ),
    )


def test_no_image_can_be_read(photos):
    for path in photos.inputs:
        path.write_bytes(b"")
    with pytest.raises(DataError) as caught:
        read(photos, CONTRACT)
    assert str(caught.value) == (
        f"none of the 8 images can be read; the first is {photos.names[0]}: the file is empty (0 bytes); copy it "
        "again or remove it"
    )


def test_no_image_of_a_class_can_be_read(photos):
    for path in photos.inputs[1::2]:
        path.unlink()
    photos.inputs[0].unlink()
    with pytest.raises(DataError) as caught:
        read(photos, CONTRACT)
    assert str(caught.value) == (
        f"none of the 4 images of class 'dog' can be read; the first is {photos.names[1]}: there is no such file"
    )


def test_a_part_may_lack_a_class(photos):
    cats = photos.take([0, 2, 4])
    cats.inputs[0].unlink()
    assert len(read(cats, CONTRACT)) == 2


def test_a_file_without_permission(open_to_all, as_nobody, picture):
    paths = tuple(picture(open_to_all / f"{i}.png") for i in range(4))
    paths[2].chmod(0)
    with as_nobody():
        pixels = read(Part(paths, np.array([0, 1, 0, 1]), tuple("abcd")), CONTRACT)
    assert pixels.broken == (("c", "no permission to read it; change the file's permissions"),)


def test_an_interrupted_reading_stops_and_leaves_no_thread(photos):
    before = threading.active_count()

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read(photos, CONTRACT, interrupt)
    assert threading.active_count() == before


@given(st.integers(1, 5), st.sampled_from([1, 3]), st.integers(0, 2**32 - 1))
def test_statistics_are_numpys(n, channels, seed):
    images = np.random.default_rng(seed).integers(0, 256, (n, channels, 4, 5), dtype=np.uint8)
    mean, std = channel_statistics(images)
    scaled = images.astype(np.float64) / 255
    assert np.allclose(mean, scaled.mean(axis=(0, 2, 3)), atol=1e-12)
    assert np.allclose(std, scaled.std(axis=(0, 2, 3)), atol=1e-12)


def test_statistics_over_more_than_one_chunk_and_in_any_order():
    images = np.random.default_rng(0).integers(0, 256, (2500, 1, 2, 2), dtype=np.uint8)
    assert channel_statistics(images) == channel_statistics(images[::-1])
    assert np.isclose(channel_statistics(images)[0][0], images.mean() / 255)


def test_one_flat_colour_has_a_std_that_can_divide():
    assert channel_statistics(np.full((3, 1, 4, 4), 51, np.uint8)) == ((0.2,), (1 / 255,))
