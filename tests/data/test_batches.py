import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.data import Arrays, Batches
from striate.model.contract import Contract

CONTRACT = Contract(("cat", "dog"), (1, 2, 2), "L", (0.5,), (0.25,))


def numbered(n):
    """n images, the i-th of which is full of i, so that a batch shows which images it took."""
    images = np.arange(n, dtype=np.uint8).reshape(n, 1, 1, 1).repeat(2, 2).repeat(2, 3)
    return Arrays(images, np.arange(n) % 2, tuple(map(str, range(n))))


def taken(batches):
    """The numbers of the images in each batch."""
    return [torch.round((x[:, 0, 0, 0] * 0.25 + 0.5) * 255).int().tolist() for x, _ in batches]


def flat(lists):
    return [number for numbers in lists for number in numbers]


sizes = st.integers(1, 60)
batch_sizes = st.integers(1, 12)
seeds = st.integers(0, 2**40)


@given(sizes, batch_sizes, seeds, st.integers(0, 500), st.booleans())
def test_an_epoch_takes_every_image_once_in_len_batches(n, batch, seed, epoch, shuffle):
    batches = Batches(numbered(n), CONTRACT, batch=batch, seed=seed, shuffle=shuffle)
    batches.set_epoch(epoch)
    order = taken(batches)
    assert len(order) == len(batches)
    assert sorted(flat(order)) == list(range(n))


@given(sizes, st.integers(2, 12), seeds)
def test_no_batch_of_one_image_in_training(n, batch, seed):
    lengths = [len(numbers) for numbers in taken(Batches(numbered(n), CONTRACT, batch=batch, seed=seed, shuffle=True))]
    assert 1 not in lengths or n == 1
    assert all(length == batch for length in lengths[:-1])
    assert lengths[-1] <= batch + 1


@given(sizes, batch_sizes, seeds, st.integers(0, 9), st.integers(0, 70), st.booleans())
def test_starting_late_gives_the_rest_of_the_same_epoch(n, batch, seed, epoch, start, shuffle):
    batches = Batches(numbered(n), CONTRACT, batch=batch, seed=seed, shuffle=shuffle)
    batches.set_epoch(epoch)
    whole = taken(batches)
    batches.set_epoch(epoch, start)
    assert taken(batches) == whole[start:]
    assert taken(batches) == whole  # the start was for one iteration only


def test_the_seed_and_the_epoch_decide_the_order():
    def order(seed, epoch):
        batches = Batches(numbered(50), CONTRACT, batch=7, seed=seed, shuffle=True)
        batches.set_epoch(epoch)
        return flat(taken(batches))

    assert order(0, 0) == order(0, 0)
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


def test_an_epoch_does_not_depend_on_those_before_it():
    batches = Batches(numbered(20), CONTRACT, batch=4, shuffle=True)
    for epoch in range(3):
        batches.set_epoch(epoch)
        last = taken(batches)
    fresh = Batches(numbered(20), CONTRACT, batch=4, shuffle=True)
    fresh.set_epoch(2)
    assert taken(fresh) == last


def test_without_shuffle_the_order_is_the_datas_own():
    assert taken(Batches(numbered(5), CONTRACT, batch=2)) == [[0, 1], [2, 3], [4]]


def test_images_and_targets_stay_together_in_their_types():
    for x, y in Batches(numbered(30), CONTRACT, batch=8, shuffle=True):
        assert x.dtype == torch.float32
        assert y.dtype == torch.int64
        assert torch.equal(torch.round((x[:, 0, 1, 1] * 0.25 + 0.5) * 255).long() % 2, y)


def test_known_values():
    pixels = Arrays(np.full((1, 1, 2, 2), 255, np.uint8), np.array([1]), ("white",))
    (x, y), *_ = Batches(pixels, CONTRACT, batch=4, shuffle=True)
    assert x.flatten().tolist() == [2.0] * 4
    assert y.tolist() == [1]


def test_the_callers_pixels_are_not_changed_even_when_read_only():
    pixels = numbered(6)
    pixels.inputs.flags.writeable = False
    before = pixels.inputs.copy()
    list(Batches(pixels, CONTRACT, batch=2, shuffle=True))
    assert np.array_equal(pixels.inputs, before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_sees_the_same_batches():
    here = Batches(numbered(30), CONTRACT, batch=8, shuffle=True)
    there = Batches(numbered(30), CONTRACT, batch=8, shuffle=True, device="cuda")
    for (x, y), (x_gpu, y_gpu) in zip(here, there, strict=True):
        assert x_gpu.is_cuda
        assert torch.allclose(x, x_gpu.cpu())
        assert torch.equal(y, y_gpu.cpu())
