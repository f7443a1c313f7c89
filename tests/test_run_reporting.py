"""What a report says of where a model is wrong, and what it leaves out where that would take long."""

import pytest

from striate.run import prepare
from striate.run.reporting import diagnosis_sections, seconds_for


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    settings = {"epochs": 1, "fraction": 0.3}
    run = prepare("digits", "flatten; linear 10", settings=settings, out=tmp_path_factory.mktemp("run") / "run")
    list(run.events())
    return run, run.finish()


def told(finished, **more):
    run, result = finished
    return "".join(diagnosis_sections(result.model, run.held, result.test, "striate doctor DATA --model run", **more))


def test_what_takes_long_is_left_to_the_doctor(finished):
    whole, nothing = told(finished, macs=640, seconds=9.0), told(finished, macs=640, seconds=0.0)
    assert "Weak slices" in whole
    assert "Weak slices" in nothing
    assert "<h2>Mistakes beside the nearest training items</h2>" in whole
    assert "<h2>Mistakes beside the nearest training items</h2>" not in nothing
    assert "that would have taken more than a twentieth of the training" not in whole
    assert "Not looked for: that would have taken more than a twentieth of the training." in nothing
    assert "<code>striate doctor DATA --model run</code>" in nothing


def test_the_time_is_a_share_of_the_training_and_no_clock():
    assert seconds_for(0) == seconds_for(1e10) == 0.3
    assert seconds_for(5e13) == pytest.approx(50)
