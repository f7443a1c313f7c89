"""Faults in the answers, planted one by one into data that have none."""

import numpy as np
import pytest

from sick_data import kinds, labelled, the
from striate.datasets import Part
from striate.datasets.doctor import doctor

EVEN = np.arange(240) % 2


def test_nothing_is_found_in_even_classes():
    assert doctor(labelled(EVEN, "ab")).problems == ()


def with_test(data, targets):
    inputs = np.random.default_rng(9).integers(0, 256, (len(targets), 8, 8), dtype=np.uint8)
    return data.with_parts(test=Part(inputs, np.asarray(targets), tuple(f"test {i}" for i in range(len(targets)))))


@pytest.mark.parametrize("quick", [False, True])
def test_a_class_missing_in_training_is_a_fault(quick):
    problem = the(doctor(labelled(EVEN, "abc"), quick=quick), "class-missing")
    assert (problem.severity, problem.n) == ("fault", 1)
    assert "1 class without an item in train: 'c'" in problem.message
    assert "omit the classes" in problem.fix


def test_a_class_missing_in_test_is_a_warning():
    problem = the(doctor(with_test(labelled(np.arange(240) % 3, "abc"), [0] * 150)), "class-missing")
    assert (problem.severity, problem.n) == ("warning", 2)
    assert "2 classes without an item in test: 'b', 'c'" in problem.message
    assert "move some items of them to test" in problem.fix


def test_one_item_of_a_class():
    problem = the(doctor(labelled([0] * 9 + [1] * 10 + [2], "abc")), "one-item-class")
    assert problem.severity == "warning"
    assert "'c'" in problem.message
    assert "add items" in problem.fix


def test_few_items_of_a_class():
    problem = the(doctor(labelled([0] * 9 + [1] * 10, "ab")), "few-items")
    assert problem.severity == "warning"
    assert "fewer than 10 training items of 'a'" in problem.message
    assert "mean little" in problem.fix


@pytest.mark.parametrize(("many", "found"), [(119, False), (120, True)])
def test_imbalance_begins_at_ten_to_one(many, found):
    diagnosis = doctor(labelled([0] * 12 + [1] * many, "ab"))
    assert ("imbalance" in kinds(diagnosis)) == found
    if found:
        problem = the(diagnosis, "imbalance")
        assert problem.severity == "warning"
        assert "'b' has 10 times the items of 'a' (120 and 12)" in problem.message
        assert "--balance" in problem.fix


def test_label_out_of_range():
    targets = EVEN.copy()
    targets[[4, 9]] = 7, -1
    problem = the(doctor(labelled(targets, "ab")), "label-range")
    assert problem.severity == "fault"
    assert problem.files == ("item 4", "item 9")
    assert "2 labels outside 0 to 1: -1, 7" in problem.message
    assert "number the classes from 0" in problem.fix


def test_labels_with_gaps():
    problem = the(doctor(labelled(np.arange(240) % 3, ("0", "1", "4"))), "label-gaps")
    assert problem.severity == "warning"
    assert "from 0 to 4, but '2', '3' never occurs" in problem.message
    assert "missing from the training split" in problem.fix


def test_numbers_that_begin_elsewhere_have_no_gap():
    assert doctor(labelled(np.arange(240) % 3, ("1", "2", "3"))).problems == ()


def test_similar_names():
    problem = the(doctor(labelled(np.arange(240) % 3, ("Polar bear", "polar_bear", "cat"))), "similar-names")
    assert problem.severity == "warning"
    assert "'Polar bear', 'polar_bear'" in problem.message
    assert "merge them" in problem.fix


def test_small_test():
    problem = the(doctor(with_test(labelled(EVEN, "ab"), EVEN[:40])), "small-test")  # Wilson: 76.9 % to 96.0 %
    assert problem.severity == "note"
    assert (
        "(40 items): the 95% interval of an accuracy of 90% is +-10 percentage points" in problem.message
    )  # Wilson: 76.9% to 96.0%
    assert "collect more test items" in problem.fix


def test_several_labels():
    targets = np.zeros((240, 3), np.uint8)
    targets[:, 0] = 1
    targets[::2, 1] = 1
    targets[::3, 2] = 1
    targets[5] = 0
    diagnosis = doctor(labelled(targets, "abc", task="multilabel"))
    assert diagnosis.counts["train"]["classes"] == {"a": 239, "b": 120, "c": 80}
    problem = the(diagnosis, "no-label")
    assert (problem.severity, problem.files) == ("note", ("item 5",))
    assert "label them" in problem.fix
    targets[5, 0] = 1
    problem = the(doctor(labelled(targets, "abc", task="multilabel")), "constant-label")
    assert problem.severity == "warning"
    assert "every training item has 'a'" in problem.message


def test_a_label_that_is_neither_0_nor_1():
    targets = np.tile(np.array([[0, 1], [1, 0]], np.uint8), (60, 1))
    targets[7, 0] = 2
    problem = the(doctor(labelled(targets, "ab", task="multilabel")), "label-range")
    assert problem.files == ("item 7",)
    assert "outside 0 or 1: " in problem.message
