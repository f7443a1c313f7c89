"""Folds: every item in one, classes shared out evenly, groups whole; a test split of its own stays out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.datasets import DataSet, Part, open_data
from striate.datasets.folds import fold_numbers, in_fold, parsed_fold
from striate.errors import DataError, RecipeError

targets = st.lists(st.integers(0, 4), min_size=1, max_size=90).map(np.array)


@given(targets, st.integers(2, 7))
def test_every_class_is_shared_out_to_within_one_item(targets, folds):
    of = fold_numbers(targets, folds)
    assert of.shape == targets.shape
    assert set(of) <= set(range(folds))
    for c in np.unique(targets):
        counts = np.bincount(of[targets == c], minlength=folds)
        assert np.ptp(counts) <= 1
    assert np.ptp(np.bincount(of, minlength=folds)) <= 1


@given(targets, st.integers(2, 5), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_no_group_is_in_two_folds_and_none_is_empty(targets, folds, groups, seed):
    member = np.random.default_rng(seed).integers(0, groups, len(targets))
    first = np.array([int(np.flatnonzero(member == m)[0]) for m in member])
    of = fold_numbers(targets, folds, first)
    assert all(len(set(of[member == m])) == 1 for m in np.unique(member))
    assert len(set(of)) == min(folds, len(np.unique(member)))


def test_groups_of_one_class_each_are_stratified():
    """As scikit-learn's StratifiedGroupKFold does: 12 groups of 5, 4 of each of 3 classes, in 4 folds."""
    targets, groups = np.repeat(np.arange(12) % 3, 5), np.repeat(np.arange(12) * 5, 5)
    of = fold_numbers(targets, 4, groups)
    for fold in range(4):
        assert np.bincount(targets[of == fold]).tolist() == [5, 5, 5]


def test_single_items_even_out_what_groups_left():
    targets = np.zeros(20, int)
    groups = np.where(np.arange(20) < 6, 0, np.arange(20))
    assert np.bincount(fold_numbers(targets, 4, groups)).tolist() in ([6, 5, 5, 4], [6, 4, 5, 5], [6, 5, 4, 5])


def test_the_folds_of_a_data_set_are_its_items():
    parts = [in_fold(open_data("digits"), f"{k}/4") for k in range(1, 5)]
    whole = open_data("digits")
    tested = [name for part in parts for name in part.test.names]
    assert sorted(tested) == sorted(whole.train.names)
    assert not set(tested) & set(whole.test.names)  # its own test split stays out
    for part in parts:
        assert part.val is None
        assert not set(part.train.names) & set(part.test.names)
        assert len(part.train) + len(part.test) == len(whole.train)
    assert open_data("digits", fold="2/4").test.names == parts[1].test.names


def test_a_validation_split_of_its_own_takes_part(photos, tmp_path):
    for split, n in (("train", 6), ("val", 4)):
        photos(tmp_path / split, {"cat": n, "dog": n})
    data = open_data(tmp_path, fold="1/2")
    assert (len(data.train), data.val, len(data.test)) == (10, None, 10)
    assert data.notes[-1] == "fold 1 of 2"


def test_groups_stay_whole_and_are_said(tmp_path):
    rows = [f"a sentence number {i},{'ab'[i % 2]},speaker {i // 4}" for i in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["text,label,speaker", *rows]))
    data = open_data(tmp_path / "t.csv", group="speaker", fold="1/5")
    assert not set(data.train.groups) & set(data.test.groups)
    assert len(data.test) == 8
    assert "fold 1 of 5; none of 10 groups is in two folds" in data.notes
    with pytest.raises(DataError, match=r"t: 10 groups cannot be shared out to 12 folds; use fewer folds"):
        open_data(tmp_path / "t.csv", group="speaker", fold="1/12")


def test_copies_are_one_item():
    texts = ("a film", "A  film", "a play", "a song")
    data = DataSet("d", "classification", ("x", "y"), "text", (2,), Part(texts, np.array([0, 0, 1, 1]), tuple("1234")))
    folds = [in_fold(data, f"{k}/3").test.names for k in (1, 2, 3)]
    assert any({"1", "2"} <= set(names) for names in folds)
    with pytest.raises(DataError, match="d: 3 distinct items cannot be shared out to 4 folds"):
        in_fold(data, "1/4")


@pytest.mark.parametrize("text", ["5", "0/5", "6/5", "1/1", "a/b", "1/5/2", "-1/5"])
def test_what_is_no_fold(text):
    with pytest.raises(RecipeError, match="expected K/N, such as 2/5"):
        parsed_fold(text)
