import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.datasets import Part, split, split_off, stratified
from striate.datasets.split import item_sums, same_content, strata
from striate.errors import DataError

targets = st.lists(st.integers(0, 5), min_size=1, max_size=80).map(np.array)
fractions = st.floats(0.01, 0.99)
seeds = st.integers(0, 2**32)


@given(targets, fractions, seeds)
def test_every_item_is_on_exactly_one_side_and_both_are_sorted(targets, fraction, seed):
    rest, part = stratified(targets, fraction, seed)
    assert sorted([*rest, *part]) == list(range(len(targets)))
    assert list(rest) == sorted(rest)
    assert list(part) == sorted(part)


@given(targets, fractions, seeds)
def test_each_class_gives_its_share_to_within_one_item(targets, fraction, seed):
    rest, part = stratified(targets, fraction, seed)
    for c, n in zip(*np.unique(targets, return_counts=True), strict=True):
        given_away = np.sum(targets[part] == c)
        assert abs(given_away - fraction * n) <= 1 + 1e-9
        if n >= 2:
            assert given_away >= 1
            assert np.sum(targets[rest] == c) >= 1
        else:
            assert given_away == 0


@given(targets, fractions, seeds)
def test_the_seed_alone_decides(targets, fraction, seed):
    first, second = stratified(targets, fraction, seed), stratified(targets.copy(), fraction, seed)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_these_indices_hold_on_every_platform_and_for_ever():
    targets = np.arange(40) % 4
    assert stratified(targets, 0.2, seed=0)[1].tolist() == [10, 16, 25, 28, 29, 31, 38, 39]
    assert stratified(targets, 0.2, seed=1)[1].tolist() == [0, 1, 3, 11, 18, 20, 37, 38]


def test_the_total_is_the_fraction_rounded_up():
    assert [len(side) for side in stratified(np.zeros(1797, int), 0.2, seed=0)] == [1437, 360]
    assert [len(side) for side in stratified(np.arange(30) % 3, 0.1, seed=0)] == [27, 3]


def test_copies_count_as_one_item_and_stay_together():
    """Of each class's 20 items 10 are the same: it still gives a quarter of its 11 different ones."""
    targets = np.arange(40) % 2
    groups = np.where(np.arange(40) < 20, np.arange(40) % 2, np.arange(40))
    for seed in range(20):
        rest, part = stratified(targets, 0.25, seed, groups)
        assert not set(groups[rest]) & set(groups[part])
        different = [len(set(groups[part][targets[part] == c])) for c in (0, 1)]
        assert different == [3, 3], seed


def test_strata():
    labels = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], np.uint8)
    single = strata(labels)  # three combinations that occur once are one group
    assert single[0] == single[1] != single[2] == single[3] == single[4]
    first, second = np.arange(100), np.random.default_rng(0).permutation(100)
    assert (strata(np.stack([first, second], axis=1).astype(np.float32)) == np.arange(100) // 10).all()
    assert not strata(np.zeros((3, 4, 4), np.uint8)).any()  # masks
    assert not strata((object(), object())).any()  # mask files


def test_what_is_the_same_content(tmp_path):
    def same(inputs):
        return same_content(Part(inputs, np.zeros(len(inputs), np.int64), tuple(map(str, range(len(inputs))))))

    head = bytes(70_000)
    contents = {
        "a": head + b"1",
        "b": head + b"1",
        "c": head + b"2",
        "d": b"12",
        "e": b"12",
        "f": b"1",
        "0": b"",
        "00": b"",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    paths = tuple(tmp_path / name for name in (*contents, "missing"))
    assert same(paths).tolist() == [0, 0, 2, 3, 3, 5, 6, 7, 8]
    assert same(("A  film .", "another", "a film .")).tolist() == [0, 1, 0]
    values = np.array([[1.0, 2.0], [np.nextafter(np.float32(1), np.float32(2)), 2.0], [1.0, 2.0]], np.float32)
    assert same(values).tolist() == [0, 1, 0]
    assert same(np.moveaxis(np.arange(12, dtype=np.uint8).reshape(2, 2, 3), 0, 2)).tolist() == [0, 1]


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 20, float("nan")])
def test_a_fraction_outside_0_to_1(fraction):
    message = f"the fraction to split off is {fraction}, expected a number between 0 and 1, such as 0.1"
    with pytest.raises(DataError) as caught:
        stratified(np.zeros(4, int), fraction, 0)
    assert str(caught.value) == message


def test_more_files_move_no_other_to_another_part(tmp_path):
    """Else a model would be tested on photos that an earlier one, which it began with, was trained on."""

    def part(names):
        paths = tuple(tmp_path / f"{i % 2}" / name for i, name in enumerate(names))
        for path in paths:
            path.parent.mkdir(exist_ok=True)
            path.write_text(path.name)
        return Part(paths, np.array([int(p.parent.name) for p in paths]), tuple(map(str, paths)))

    before, after = [f"b{i:02}.png" for i in range(80)], [f"a{i}.png" for i in range(2)]
    first = {p.name for p in split_off(part(before), 0.2, 0)[1].inputs}
    second = {p.name for p in split_off(part(after + before), 0.2, 0)[1].inputs}
    assert len(first ^ second) <= 2


def test_items_of_one_sum_are_told_apart_by_their_bytes(monkeypatch):
    monkeypatch.setattr(split, "item_sums", lambda values: np.zeros(len(values), np.uint64))
    items = np.array([[1, 2], [3, 4], [1, 2]], np.uint8)
    assert same_content(Part(items, np.zeros(3, np.int64), ("a", "b", "c"))).tolist() == [0, 1, 0]


@given(st.integers(0, 40), st.integers(0, 39))
def test_one_other_byte_is_another_sum(length, at):
    items = np.zeros((2, length), np.uint8)
    items[1, at:] = 1
    assert (item_sums(items)[0] == item_sums(items)[1]) == (at >= length)
