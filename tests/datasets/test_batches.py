from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from strategies import examples
from striate.datasets import Arrays, Batches
from striate.datasets.augment import Augment
from striate.datasets.batches import _on_disk, check_balance, part_of
from striate.errors import RecipeError
from striate.model.contract import Contract
from striate.tasks import task_named

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
    batches = Batches(numbered(n), CONTRACT, batch_size=batch, seed=seed, shuffle=shuffle)
    batches.set_epoch(epoch)
    order = taken(batches)
    assert len(order) == len(batches)
    assert sorted(flat(order)) == list(range(n))


@given(sizes, st.integers(2, 12), seeds)
def test_no_batch_of_one_image_in_training(n, batch, seed):
    lengths = [
        len(numbers) for numbers in taken(Batches(numbered(n), CONTRACT, batch_size=batch, seed=seed, shuffle=True))
    ]
    assert 1 not in lengths or n == 1
    assert all(length == batch for length in lengths[:-1])
    assert lengths[-1] <= batch + 1


@given(sizes, batch_sizes, seeds, st.integers(0, 9), st.integers(0, 70), st.booleans())
def test_starting_late_gives_the_rest_of_the_same_epoch(n, batch, seed, epoch, start, shuffle):
    batches = Batches(numbered(n), CONTRACT, batch_size=batch, seed=seed, shuffle=shuffle)
    batches.set_epoch(epoch)
    whole = taken(batches)
    batches.set_epoch(epoch, start)
    assert taken(batches) == whole[start:]
    assert taken(batches) == whole  # the start was for one iteration only


def test_the_seed_and_the_epoch_decide_the_order():
    def order(seed, epoch):
        batches = Batches(numbered(50), CONTRACT, batch_size=7, seed=seed, shuffle=True)
        batches.set_epoch(epoch)
        return flat(taken(batches))

    assert order(0, 0) == order(0, 0)
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


def test_an_epoch_does_not_depend_on_those_before_it():
    batches = Batches(numbered(20), CONTRACT, batch_size=4, shuffle=True)
    for epoch in range(3):
        batches.set_epoch(epoch)
        last = taken(batches)
    fresh = Batches(numbered(20), CONTRACT, batch_size=4, shuffle=True)
    fresh.set_epoch(2)
    assert taken(fresh) == last


def test_without_shuffle_the_order_is_the_datas_own():
    assert taken(Batches(numbered(5), CONTRACT, batch_size=2)) == [[0, 1], [2, 3], [4]]


def test_images_and_targets_stay_together_in_their_types():
    for x, y in Batches(numbered(30), CONTRACT, batch_size=8, shuffle=True):
        assert x.dtype == torch.float32
        assert y.dtype == torch.int64
        assert torch.equal(torch.round((x[:, 0, 1, 1] * 0.25 + 0.5) * 255).long() % 2, y)


def test_known_values():
    pixels = Arrays(np.full((1, 1, 2, 2), 255, np.uint8), np.array([1]), ("white",))
    (x, y), *_ = Batches(pixels, CONTRACT, batch_size=4, shuffle=True)
    assert x.flatten().tolist() == [2.0] * 4
    assert y.tolist() == [1]


def test_the_callers_pixels_are_not_changed_even_when_read_only():
    pixels = numbered(6)
    pixels.inputs.flags.writeable = False
    before = pixels.inputs.copy()
    list(Batches(pixels, CONTRACT, batch_size=2, shuffle=True))
    assert np.array_equal(pixels.inputs, before)


def only(arrays, contract, **options):
    """The one batch that there is."""
    (batch,) = Batches(arrays, contract, batch_size=len(arrays), **options)
    return batch


def test_several_labels_are_floats():
    contract = replace(CONTRACT, task="multilabel")
    targets = np.array([[1, 0], [1, 1], [0, 0]], np.uint8)
    _, y = only(replace(numbered(3), targets=targets), contract)
    assert y.dtype == torch.float32
    assert y.tolist() == targets.tolist()


def test_numbers_are_standardised_by_the_contract():
    contract = replace(CONTRACT, task="regression", target_mean=(1.0, 10.0), target_std=(2.0, 0.5))
    targets = np.array([[1, 10], [5, 9]], np.float32)
    _, y = only(replace(numbered(2), targets=targets), contract)
    assert y.dtype == torch.float32
    assert y.tolist() == [[0, 0], [2, -2]]


def test_masks_are_class_numbers_and_ignored_pixels_stay_so():
    contract = replace(CONTRACT, task="segmentation", mask_values=(0, 1))
    masks = np.array([[[0, 1], [255, 0]]], np.uint8)
    _, y = only(replace(numbered(1), targets=masks), contract)
    assert y.dtype == torch.int64
    assert y.tolist() == masks.tolist()


def test_texts_and_values_come_as_the_contract_says():
    text = Contract(("a", "b"), (4,), "text", (), (), vocabulary=("word",))
    words = np.array([[2, 1, 0, 0], [1, 1, 2, 0]])
    x, _ = only(Arrays(words, np.array([0, 1]), ("p", "q")), text, shuffle=True)
    assert x.dtype == torch.int64
    assert sorted(x.tolist()) == sorted(words.tolist())
    values = Contract(("a", "b"), (1, 3), "values", (1.0,), (2.0,))
    x, _ = only(Arrays(np.full((2, 1, 3), 5, np.float32), np.array([0, 1]), ("p", "q")), values)
    assert x.tolist() == [[[2.0] * 3]] * 2


class Counted(np.memmap):
    """A file that keeps count of the rows which are taken out of it at a time."""

    taken: ClassVar[list[int]] = []

    def __getitem__(self, index):
        rows = super().__getitem__(index)
        self.taken.append(len(rows))
        return rows


@pytest.mark.parametrize("options", [{}, {"shuffle": True}, {"shuffle": True, "augment": Augment(shift=1, mixup=0.5)}])
def test_from_a_read_only_file_come_the_same_batches_a_batch_at_a_time(tmp_path, options):
    arrays = numbered(23)
    np.save(tmp_path / "inputs.npy", arrays.inputs)
    there = np.load(tmp_path / "inputs.npy", mmap_mode="r").view(Counted)
    Counted.taken.clear()
    batches = Batches(replace(arrays, inputs=there), CONTRACT, batch_size=4, **options)
    assert not Counted.taken
    wanted = Batches(arrays, CONTRACT, batch_size=4, **options)
    for (x, y), (x_wanted, y_wanted) in zip(batches, wanted, strict=True):
        assert torch.equal(x, x_wanted)
        assert torch.equal(y, y_wanted)
    assert sum(Counted.taken) >= 23
    assert max(Counted.taken) <= 4


def test_a_plain_view_into_a_file_stays_on_the_disk_too(tmp_path):
    np.save(tmp_path / "inputs.npy", np.zeros((4, 3), np.uint8))
    assert _on_disk(np.asarray(np.load(tmp_path / "inputs.npy", mmap_mode="r"))[1:].T)
    assert not _on_disk(np.zeros((4, 3))[1:])


@given(sizes, batch_sizes, seeds, st.integers(0, 9), st.integers(0, 70))
def test_balanced_and_augmented_batches_are_resumed_exactly(n, batch, seed, epoch, start):
    options = {"batch_size": batch, "seed": seed, "shuffle": True, "balance": "sampling", "augment": Augment(shift=1)}
    before = Batches(numbered(n), CONTRACT, **options)
    before.set_epoch(epoch)
    whole = list(before)
    after = Batches(numbered(n), CONTRACT, **options)
    after.set_epoch(epoch, start)
    rest = list(after)
    assert len(rest) == max(0, len(whole) - start)
    for (x, y), (x_wanted, y_wanted) in zip(rest, whole[start:], strict=True):
        assert torch.equal(x, x_wanted)
        assert torch.equal(y, y_wanted)


def test_balanced_batches_hold_the_classes_alike_and_copies_differ():
    images = np.arange(100 * 16, dtype=np.uint8).reshape(100, 1, 4, 4)
    targets = np.zeros(100, np.int64)
    targets[:2] = 1
    arrays, contract = Arrays(images, targets, ("x",) * 100), replace(CONTRACT, input=(1, 4, 4))
    options = {"batch_size": 10, "shuffle": True, "balance": "sampling", "augment": Augment(shift=1, brightness=0.5)}
    x, y = (torch.cat(parts) for parts in zip(*Batches(arrays, contract, **options), strict=True))
    assert torch.bincount(y).tolist() == [50, 50]
    rare = {image.numpy().tobytes() for image in x[y == 1]}
    assert len(rare) > 40  # two images, each in 25 versions


@pytest.mark.parametrize(
    ("balance", "task", "message"),
    [
        ("samplig", "classification", "balance: no 'samplig'; did you mean 'sampling'?"),
        (
            "sampling",
            "multilabel",
            "sampling chooses items by their one class, and in multilabel they have none; ",
        ),
        ("sampling", "segmentation", "use balance=weights"),
        ("sampling", "regression", "use balance=none"),
        ("weights", "regression", "balance: regression has no classes to weight; use balance=none"),
    ],
)
def test_a_balance_that_does_not_go_with_the_task_is_refused(balance, task, message):
    with pytest.raises(RecipeError) as error:
        check_balance(balance, task_named(task))
    assert message in str(error.value)


def test_texts_are_augmented_by_unknown_words_alone():
    text = Contract(("a", "b"), (50,), "text", (), (), vocabulary=("word", "other"))
    words = np.tile(np.r_[np.full(40, 2), np.zeros(10, np.int64)], (200, 1))
    arrays = Arrays(words, np.arange(200) % 2, tuple(map(str, range(200))))
    with pytest.raises(RecipeError, match=r"is for images, and these are texts; use augment=none or words=0\.1"):
        Batches(arrays, text, batch_size=1, augment=Augment(shift=1, words=0.1))
    batches = Batches(arrays, text, batch_size=50, augment=Augment(words=0.2), shuffle=True)
    first, again = (torch.cat([x for x, _ in batches]) for _ in range(2))
    assert torch.equal(first, again)  # decided by the seed, the epoch and the item alone
    assert (first[:, 40:] == 0).all()  # padding stays
    assert set(first[:, :40].unique().tolist()) == {1, 2}
    assert (first[:, :40] == 1).float().mean().item() == pytest.approx(0.2, abs=0.02)  # 4.5 standard errors
    batches.set_epoch(1)
    assert not torch.equal(first, torch.cat([x for x, _ in batches]))
    assert (words == np.tile(np.r_[np.full(40, 2), np.zeros(10, np.int64)], (200, 1))).all()


def test_images_have_no_words():
    with pytest.raises(RecipeError, match=r"augment: words=0\.1 is for texts, and these are images; omit it"):
        Batches(numbered(4), CONTRACT, batch_size=1, augment=Augment(words=0.1))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_sees_the_same_batches():
    here = Batches(numbered(30), CONTRACT, batch_size=8, shuffle=True)
    there = Batches(numbered(30), CONTRACT, batch_size=8, shuffle=True, device="cuda")
    for (x, y), (x_gpu, y_gpu) in zip(here, there, strict=True):
        assert x_gpu.is_cuda
        assert torch.allclose(x, x_gpu.cpu())
        assert torch.equal(y, y_gpu.cpu())


@given(
    st.integers(1, 40), st.integers(1, 9), st.integers(1, 5), st.booleans(), st.sampled_from(["none", "light mixup=1"])
)
@examples(40)
def test_the_parts_of_several_processes_are_the_batches_of_one(n, batch, size, shuffle, augment):
    options = {"batch_size": batch, "seed": 3, "shuffle": shuffle, "augment": Augment.parse(augment)}
    whole = [*Batches(numbered(n), CONTRACT, **options)]
    parts = [[*Batches(numbered(n), CONTRACT, share=(rank, size), **options)] for rank in range(size)]
    assert {len(batches) for batches in parts} == {len(whole)}
    for batch_of_all, *shares in zip(whole, *parts, strict=True):
        x, y = batch_of_all
        assert torch.equal(torch.cat([own[: len(of)] for own, of in shares]), x)
        assert torch.equal(torch.cat([of for _, of in shares]), y)
        for own, _ in shares:  # nobody goes without, and batch normalisation always has two
            assert len(own) >= min(2, len(x))


@pytest.mark.parametrize(
    ("n", "size", "parts"),
    [(6, 2, [(0, 3), (3, 6)]), (5, 2, [(0, 2), (2, 5)]), (3, 2, [(0, 3), (0, 0)]), (1, 2, [(0, 1), (0, 0)])],
)
def test_the_parts_of_a_batch(n, size, parts):
    assert [part_of(n, rank, size) for rank in range(size)] == parts
