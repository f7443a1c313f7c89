import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.datasets import Part, channel_statistics


def test_take_keeps_names_targets_and_order():
    images = np.arange(4, dtype=np.uint8).reshape(4, 1, 1)
    part = Part(images, np.array([0, 1, 0, 1]), ("a", "b", "c", "d")).take([3, 0])
    assert part.names == ("d", "a")
    assert part.names[1] == "a"
    assert part.inputs.ravel().tolist() == [3, 0]
    assert part.targets.tolist() == [1, 0]
    assert len(part) == 2


def test_take_of_files(tmp_path):
    paths = tuple(tmp_path / name for name in "abc")
    assert Part(paths, np.zeros(3, np.int64), ("a", "b", "c")).take(np.array([2])).inputs == (tmp_path / "c",)


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


@given(st.integers(1, 40), st.integers(1, 3), st.integers(0, 2**32 - 1), st.sampled_from([(), (7,), (2, 3)]))
def test_statistics_of_values_are_numpys(n, channels, seed, sides):
    values = np.random.default_rng(seed).normal(1000, 2, (n, channels, *sides)).astype(np.float32)
    mean, std = channel_statistics(values)
    axes = (0, *range(2, values.ndim))
    exact = values.astype(np.float64)
    assert np.allclose(mean, exact.mean(axes), rtol=1e-12)
    wanted = exact.std(axes)
    assert np.allclose(std, np.where(wanted > 0, wanted, 1), rtol=1e-9)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_statistics_of_a_mapped_file_never_hold_all_of_it(tmp_path, kind, monkeypatch):
    monkeypatch.setattr("striate.datasets.statistics._CHUNK", 100)
    array = np.random.default_rng(0).integers(0, 256, (50, 2, 4, 5)).astype(kind)
    (tmp_path / "a").write_bytes(array.tobytes())
    mapped = np.memmap(tmp_path / "a", kind, "r", shape=array.shape)
    assert np.allclose(channel_statistics(mapped), channel_statistics(array))
    whole = array.astype(np.float64).reshape(50, 2, -1) / (255 if kind == np.uint8 else 1)
    assert np.allclose(channel_statistics(mapped)[0], whole.mean((0, 2)))
