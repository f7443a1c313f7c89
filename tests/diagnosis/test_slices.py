"""Weak slices: those that were planted are named first; where there is none, one is named in at most 5% of the runs."""

import json

import numpy as np
import pytest
from scipy.stats import fisher_exact, rankdata

from striate.diagnosis import find_weak_slices
from striate.diagnosis.slices import _ranked
from striate.metrics.classification import wilson


def items(seed, n=600):
    """Properties of *n* items that have nothing to do with each other."""
    rng = np.random.default_rng(seed)
    return rng, {
        "label": rng.choice(["cat", "dog", "hen"], n),
        "brightness": rng.normal(120, 40, n),
        "size": rng.integers(20, 400, n),
        "folder": rng.choice([f"day{i}" for i in range(8)], n),
        "flash": rng.random(n) < 0.3,
    }


PLANTED = {
    "dark": ("brightness", lambda p: p["brightness"] < np.quantile(p["brightness"], 0.1)),
    "small": ("size", lambda p: p["size"] < 100),
    "one folder": ("folder", lambda p: p["folder"] == "day3"),
    "one label": ("label", lambda p: p["label"] == "dog"),
    "a flag": ("flash", lambda p: p["flash"]),
}


@pytest.mark.parametrize("kind", ["wrong or right", "continuous"])
@pytest.mark.parametrize("weak", PLANTED)
def test_a_planted_slice_is_named_first(weak, kind):
    name, where = PLANTED[weak]
    for seed in range(5):
        rng, properties = items(seed)
        inside = where(properties)
        if kind == "continuous":
            errors = rng.exponential(np.where(inside, 2.5, 1.0))
        else:
            errors = (rng.random(600) < np.where(inside, 0.4, 0.06)).astype(float)
        first = find_weak_slices(errors, properties).slices[0]
        assert first.property == name
        found = np.zeros(600, bool)
        found[first.items] = True
        assert (found & inside).sum() > 0.7 * (found | inside).sum()  # and it is those items
        assert first.p < 0.01
        assert first.error > first.others


RANDOM = {
    "rare errors": lambda rng: rng.random(400) < 0.04,
    "half wrong": lambda rng: rng.random(400) < 0.5,
    "skewed": lambda rng: rng.exponential(1, 400) ** 3,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", RANDOM)
def test_where_there_is_none_one_is_named_in_at_most_5_percent_of_the_runs(kind):
    runs, named = 200, 0
    for seed in range(runs):
        rng, properties = items(seed, 400)
        named += bool(find_weak_slices(np.asarray(RANDOM[kind](rng), float), properties, seed=seed).slices)
    assert named <= 0.05 * runs


def test_of_one_slice_the_p_value_is_that_of_the_exact_test():
    """Fisher's, from SciPy: with a single slice there is nothing to correct for."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        inside = np.arange(200) < 40
        wrong = rng.random(200) < np.where(inside, 0.25, 0.1)
        found = find_weak_slices(wrong.astype(float), {"night": inside}, level=1.0)
        table = [[(wrong & inside).sum(), (~wrong & inside).sum()], [(wrong & ~inside).sum(), (~wrong & ~inside).sum()]]
        expected = fisher_exact(table, alternative="greater").pvalue
        for weak in found.slices:
            assert weak.p == pytest.approx(expected, abs=0.05)


def test_what_is_said_of_a_slice():
    wrong = np.zeros(300)
    wrong[:30] = 1
    wrong[100:110] = 1
    night = np.arange(300) < 40
    (weak,) = find_weak_slices(wrong, {"night": night, "copy of it": night.copy()}).slices
    assert (weak.name, weak.n, weak.error, weak.others) == ("night", 40, 0.75, 10 / 260)
    assert weak.interval == wilson(30, 40)
    assert weak.items.tolist() == [*range(40)]
    assert json.loads(json.dumps(weak.as_dict())).keys() == {
        "name",
        "property",
        "n",
        "error",
        "interval",
        "others",
        "p",
        "also",
    }


def test_two_weak_slices_are_both_named_and_each_once():
    rng, properties = items(1, 3000)
    dark, day = properties["brightness"] < 70, properties["folder"] == "day3"
    errors = (rng.random(3000) < np.where(dark, 0.5, np.where(day, 0.3, 0.04))).astype(float)
    found = find_weak_slices(errors, properties)
    assert [weak.property for weak in found.slices] == ["brightness", "folder"]
    assert found.slices[1].name == "folder day3"
    assert found.n == 3000
    assert found.looked_at == 3 + 14 + 14 + 8 + 1


def test_what_goes_along_with_a_weak_slice_is_not_named_beside_it():
    """Dark images are all from one folder: one of the two is the reason, and one is named."""
    rng = np.random.default_rng(0)
    folder = rng.choice(["a", "b", "c", "d", "e"], 2000)
    brightness = np.where(folder == "b", rng.normal(40, 5, 2000), rng.normal(150, 20, 2000))
    errors = (rng.random(2000) < np.where(folder == "b", 0.4, 0.05)).astype(float)
    (weak,) = find_weak_slices(errors, {"folder": folder, "brightness": brightness}).slices
    assert weak.name == "folder b"
    assert [name.split()[0] for name in weak.also] == ["brightness"]
    (weak,) = find_weak_slices(errors, {"brightness": brightness, "folder": folder}).slices
    assert weak.property == "brightness"  # of two that fit alike the first


def test_items_without_an_error_or_a_property_are_left_out():
    errors = np.tile([0.0, 1.0, np.nan], 100)
    size = np.where(np.arange(300) % 2, np.arange(300.0), np.nan)
    folder = np.where(np.arange(300) < 30, "", "a")
    found = find_weak_slices(errors, {"size": size, "folder": folder}, level=1.0)
    assert found.n == 200
    for weak in found.slices:
        assert np.isfinite(errors[weak.items]).all()
        assert weak.property != "size" or np.isfinite(size[weak.items]).all()
    assert not any(weak.name == "folder " for weak in found.slices)


@pytest.mark.parametrize(
    "errors", [np.zeros(50), np.ones(50), np.full(50, 0.3), np.full(50, np.nan), np.zeros(1), np.zeros(0)]
)  # fmt: skip
def test_where_there_is_nothing_to_compare_none_is_named(errors):
    n = len(errors)
    found = find_weak_slices(errors, {"size": np.arange(n), "folder": np.full(n, "a"), "all": np.ones(n, bool)})
    assert not found.slices


def test_ranks_are_those_of_scipy():
    values = np.random.default_rng(0).integers(0, 9, 80) / 3
    assert _ranked(values) == pytest.approx((rankdata(values) - 0.5) / 80)
