"""Faults in texts and numbers, planted one by one into data that have none."""

import numpy as np
import pytest

from sick_data import kinds, labelled, the
from striate.datasets import DataSet, Part
from striate.datasets.doctor import doctor

TEXTS = tuple(f"a film about number {i}, and quite a good one" for i in range(200))


def texts(**planted):
    """Texts with nothing wrong but what is *planted*: ``at_5="..."``."""
    items = list(TEXTS)
    for place, text in planted.items():
        items[int(place.removeprefix("at_"))] = text
    part = Part(tuple(items), np.arange(200) % 2, tuple(f"line {i + 2}" for i in range(200)))
    return DataSet("films", "classification", ("bad", "good"), "text", (9,), part)


def test_nothing_is_found_in_clean_texts():
    assert doctor(texts()).problems == ()


@pytest.mark.parametrize(
    ("kind", "severity", "text", "words", "fix"),
    [
        ("empty-text", "fault", "", "1 text empty", "remove these rows"),
        ("empty-text", "fault", " \t\n", "nothing but spaces", "remove these rows"),
        ("long-text", "warning", "very " * 101 + "long", "of more than 100 words", "quotation mark"),
        ("markup", "warning", "good<br />but long", "remains of HTML", "strip the tags"),
        ("markup", "warning", "Tom &amp; Jerry", "remains of HTML", "decode the entities"),
        ("encoding", "warning", "a clichÃ© of a film", "wrong encoding", "UTF-8"),
        ("encoding", "warning", "it\ufffds bad", "wrong encoding", "UTF-8"),
        ("encoding", "warning", "donâ€™t", "wrong encoding", "UTF-8"),
        ("encoding", "warning", "nul\x00", "control characters", "UTF-8"),
    ],
)
def test_a_sick_text(kind, severity, text, words, fix):
    for quick in (False, True):
        diagnosis = doctor(texts(at_5=text), quick=quick)
        problem = the(diagnosis, kind)
        assert (problem.severity, problem.files) == (severity, ("line 7",))
        assert words in problem.message
        assert fix in problem.fix
        assert kinds(diagnosis) == {kind}


@pytest.mark.parametrize(
    "text", ["café, naïve, Ångström", "1 < 2 and 3 > 2", "R&B and AT&T", "日本の映画", "Ã la carte"]
)
def test_a_text_that_only_looks_sick(text):
    assert doctor(texts(at_5=text)).problems == ()


def numbers(targets, **more):
    more.setdefault("classes", tuple("xy"[: np.shape(targets)[1]]))
    return labelled(np.asarray(targets, np.float32), task="regression", **more)


GOOD = np.random.default_rng(0).normal(20, 3, (120, 2))


def changed(place, value):
    targets = GOOD.copy()
    targets[place] = value
    return targets


def test_nothing_is_found_in_good_numbers():
    assert doctor(numbers(GOOD)).problems == ()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_bad_number(value):
    problem = the(doctor(numbers(changed((8, 1), value))), "bad-number")
    assert (problem.severity, problem.files) == ("fault", ("item 8",))
    assert "NaN or infinite" in problem.message
    assert "remove the row" in problem.fix


def test_constant_value():
    problem = the(doctor(numbers(changed((slice(None), 0), 4))), "constant-value")
    assert problem.severity == "fault"
    assert "'x' is 4 for every training item" in problem.message
    assert "wrong column" in problem.fix


def test_outlier():
    diagnosis = doctor(numbers(changed((3, 0), 9999)))
    problem = the(diagnosis, "outlier")
    assert (problem.severity, problem.files) == ("warning", ("item 3",))
    assert "9999" in problem.message
    assert "9999 for missing" in problem.fix
    assert kinds(diagnosis) == {"outlier"}


def test_positions_outside_their_image():
    targets = np.random.default_rng(0).uniform(0, 8, (120, 2))
    assert doctor(numbers(targets, positions=((0, 1),))).problems == ()
    targets[[2, 3]] = (8.5, 4), (4, -1)
    problem = the(doctor(numbers(targets, positions=((0, 1),))), "position-outside")
    assert (problem.severity, problem.files) == ("fault", ("item 2", "item 3"))
    assert "upright" in problem.fix


def values(change=None):
    inputs = np.random.default_rng(0).normal(size=(240, 3, 20)).astype(np.float32)
    if change:
        change(inputs)
    return labelled(np.arange(240) % 2, "ab", inputs, mode="values")


def test_nothing_is_found_in_good_values():
    assert doctor(values()).problems == ()


def test_bad_input():
    def change(inputs):
        inputs[4, 1, 7], inputs[9, 0, 0] = np.nan, np.inf

    problem = the(doctor(values(change)), "bad-input")
    assert (problem.severity, problem.files) == ("fault", ("item 4", "item 9"))
    assert "fill in or remove them" in problem.fix


def test_constant_channel():
    problem = the(doctor(values(lambda inputs: inputs[:, 2].fill(3))), "constant-channel")
    assert problem.severity == "warning"
    assert "channel 2 (from 0)" in problem.message
    assert "omit it" in problem.fix


def test_huge_values():
    problem = the(doctor(values(lambda inputs: inputs[:, 0].__imul__(1e6))), "huge-values")
    assert problem.severity == "warning"
    assert "-9999" in problem.fix
