import json

import numpy as np
import pytest

from striate.datasets import DataSet, Part
from striate.datasets.show.description import MANY, describe


def data(task, targets, classes, **more):
    n = len(targets)
    part = Part(np.zeros((n, 4, 6), np.uint8), targets, tuple(map(str, range(n))))
    return DataSet("some", task, classes, "L", (1, 4, 6), part, why="for a test", **more)


def test_numbers_have_a_range_and_a_mean():
    targets = np.array([[1, 10], [2, 30], [6, 20]], np.float32)
    found = describe(data("regression", targets, ("x", "y"), positions=((0, 1),)))
    lines = str(found).splitlines()
    assert lines[0] == "some: regression of 2 values, a position among them (for a test)"
    assert lines[5].split() == ["x", "min", "1,", "mean", "3,", "std", "2.16,", "max", "6"]
    values = found.as_dict()["values"]["train"]
    assert values["y"] == {"min": 10, "mean": 20, "std": pytest.approx((200 / 3) ** 0.5), "max": 30}
    assert found.as_dict()["counts"] is None


def test_masks_are_counted_by_the_images_that_a_class_is_in():
    masks = np.zeros((3, 4, 6), np.uint8)
    masks[0, 0, 0], masks[1] = 1, 255
    found = describe(data("segmentation", masks, ("ground", "thing")))
    assert found.counts["train"].tolist() == [2, 1]
    assert found.advice == ()


def test_labels_are_counted_and_rare_ones_named():
    yes = np.array([[1, 1, 0]] + [[1, 0, 0]] * 7, np.uint8)
    found = describe(data("multilabel", yes, ("a", "b", "never")))
    assert found.counts["train"].tolist() == [8, 1, 0]
    assert found.advice == ("a is 8.0 times as frequent as b: train with --balance weights",)
    json.dumps(found.as_dict())


def test_of_many_classes_the_most_and_the_least_frequent_are_shown():
    n = MANY + 10
    targets = np.repeat(np.arange(n), np.arange(n) % 2 + 1)
    lines = str(describe(data("classification", targets, tuple(f"c{i}" for i in range(n))))).splitlines()
    assert len(lines) == 5 + MANY + 1
    assert lines[5].split() == ["c1", "2"]
    assert lines[-1].split() == ["c38", "1"]
    assert "... 10 more" in lines


def test_notes_of_the_source_are_passed_on():
    found = describe(data("classification", np.arange(4) % 2, ("a", "b"), notes=("a hidden folder was skipped",)))
    assert str(found).endswith("\nnote: a hidden folder was skipped")
