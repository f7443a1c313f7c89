"""Data with nothing wrong: no fault and no warning, of what is our own and of what many have used."""

from pathlib import Path

import pytest

from striate.datasets.doctor import doctor

SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("data", ["digits", "shapes"])
def test_nothing_is_wrong_with_our_own(data, quick):
    diagnosis = doctor(data, quick=quick)
    assert diagnosis.faults == diagnosis.warnings == ()
    assert diagnosis.quick == quick


@pytest.mark.parametrize("data", ["shapes:n=200,test=40,seed=1", "shapes:n=300,test=60,seed=3"])
def test_nothing_is_wrong_with_a_few_shapes(data):
    """Two rings are alike by nature, though among few items few are."""
    diagnosis = doctor(data)
    assert diagnosis.faults == diagnosis.warnings == ()


@pytest.mark.slow
@pytest.mark.parametrize("data", ["shapes:segmentation", "shapes:regression", "shapes:grey"])
def test_nothing_is_wrong_with_shapes_of_any_task(data):
    diagnosis = doctor(data)
    assert diagnosis.faults == diagnosis.warnings == ()


@pytest.mark.slow
@pytest.mark.realdata
def test_nothing_is_wrong_with_mnist():
    """70,000 digits: no two the same, none of one colour, and none taken for a copy of another."""
    if not (SHARED / "mnist").is_dir():
        pytest.skip("needs ../shared/data/mnist")
    diagnosis = doctor(SHARED / "mnist")
    assert diagnosis.problems == ()
    assert diagnosis.counts["train"]["classes"]["1"] == 6742  # as LeCun's page has it


@pytest.mark.slow
@pytest.mark.realdata
def test_camvids_copies_are_in_no_two_splits_but_two_of_its_videos_are():
    if not (SHARED / "camvid").is_dir():
        pytest.skip("needs ../shared/data/camvid")
    diagnosis = doctor(SHARED / "camvid")
    assert diagnosis.faults == ()
    (problem,) = diagnosis.warnings
    assert problem.message.endswith("2 groups of 429 items (0001TP, 0016E5)")


@pytest.mark.slow
@pytest.mark.realdata
def test_two_reviews_of_polarity_hold_remains_of_html():
    if not (SHARED / "polarity").is_dir():
        pytest.skip("needs ../shared/data/polarity")
    diagnosis = doctor(SHARED / "polarity")
    assert [(problem.kind, problem.n) for problem in diagnosis.warnings] == [("markup", 2)]
    assert diagnosis.faults == ()
