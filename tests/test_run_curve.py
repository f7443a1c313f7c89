"""``striate curve``: the runs, the curve of known errors, what it says, the page, interruption."""

import json
from pathlib import Path

import numpy as np
import pytest

import striate
from striate.errors import ModelError, RecipeError
from striate.run.curve import CurvePoint, LearningCurve, _forecast, _resampled, curve_plan, learning_curve
from striate.tasks import CLASSIFICATION, REGRESSION

TINY = "flatten; linear 10"
ACCURACY, MAE = CLASSIFICATION.metric, REGRESSION.metric


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A curve of three points."""
    here = tmp_path_factory.mktemp("curve") / "c"
    return striate.curve(TINY, "digits", fractions="0.05,0.2,1", epochs=4, lr=0.01, out=here, quiet=True), here


def test_the_points_are_runs_with_a_part_of_the_training_split(drawn):
    found, here = drawn
    assert [point.items for point in found.points] == [65, 259, 1293]
    assert found.n == 360
    rows = {row.run: row for row in striate.runs(here).rows}
    before = set()
    for point in found.points:
        row = rows[point.folders[0]]
        assert row.settings["fraction"] == point.fraction
        assert point.value == row.test
        assert point.interval == striate.evaluate(row.run, "digits").accuracy_interval
        lines = [line.split(",") for line in Path(row.run, "split.csv").read_text().splitlines()]
        items = {part: {line[1] for line in lines if line[0] == part} for part in ("train", "val", "test")}
        assert before <= items["train"]  # the smaller part is in the larger one
        before = items["train"]
    assert found.gain == pytest.approx(found.points[-1].value - found.points[0].value)
    assert found.verdict == "helps"
    assert found.sentence.startswith(
        "more data would probably help: from 65 to 1,293 training items accuracy changed by +"
    )
    assert "if it goes on like this, 2,586 would change it by +" in found.sentence


def test_the_page_is_whole_and_fetches_nothing(drawn):
    found, here = drawn
    page = (here / "curve.html").read_text()
    assert found.sentence[1:] in page
    assert page.count("<polyline") == 2  # measured, and how it would go on
    assert "http" not in page.replace("http-equiv", "")


def test_on_the_command_line_and_interrupted(in_folder, cli):
    words = ("curve", "digits", "--net", TINY, "-e", 1, "--fractions", "0.1,0.5", "--repeats", 2)
    answer = cli(*words, "--json")
    assert answer.code == 0
    found = json.loads(answer.out)
    assert [point["items"] for point in found["points"]] == [130, 647]
    assert [run.split("/")[-1] for run in found["points"][0]["runs"]] == ["fraction-0.1-seed-0", "fraction-0.1-seed-1"]
    assert found["page"] == "runs/digits-curve/curve.html"
    assert (in_folder / found["page"]).is_file()
    again = cli(*words, "--resume")  # nothing is left to do
    assert "finished, in runs/digits-curve/fraction-0.5-seed-1" in again.err
    assert found["sentence"] in again.out
    assert "each point is one training" not in again.out


def point(items, value, half=0.02):
    return CurvePoint(items, 1.0, value, (value - half, value + half), ("run",))


def a_curve(values, interval, metric=ACCURACY, forecast=0.01, seeds=1):
    points = tuple(point(100 * 2**i, value) for i, value in enumerate(values))
    gain = values[-1] - values[-3:][0]
    return LearningCurve(metric, 500, seeds, points, gain, interval, forecast, (0.001, 0.02), "runs/c")


def test_the_sentences():
    assert a_curve((0.8, 0.85, 0.9), (0.05, 0.15)).sentence == (
        "more data would probably help: from 100 to 400 training items accuracy changed by +10.00 points (95% interval "
        "+5.00 to +15.00); if it goes on like this, 800 would change it by +1.00 points more (+0.10 to +2.00)"
    )
    flat = a_curve((0.9, 0.9, 0.91), (-0.01, 0.03))
    assert flat.verdict == "not distinguishable"
    assert flat.sentence.startswith("no sign that more data of this kind would help: from 100 to 400 training items")
    assert a_curve((0.8, 0.9, 0.89), (0.05, 0.13)).verdict == "not distinguishable"  # it has stopped rising
    worse = a_curve((0.9, 0.85, 0.8), (-0.15, -0.05))
    assert worse.sentence.startswith("more of these data made it worse: ")
    assert a_curve((3.0, 2.0, 1.5), (-1.7, -1.3), MAE).verdict == "helps"  # an error falls
    assert a_curve((1.5, 2.0, 3.0), (1.3, 1.7), MAE).verdict == "harms"
    assert "one training" in str(flat)
    assert "one training" not in str(a_curve((0.9, 0.9, 0.91), (-0.01, 0.03), seeds=3))


def test_a_power_law_goes_on_as_a_power_law():
    items = [100, 200, 400]
    error = 0.4 * (np.array(items) / 100) ** -0.5
    value, ends = _forecast(items, 1 - error, np.tile(1 - error, (50, 1)), ACCURACY)
    expected = error[-1] - 0.4 * 8**-0.5
    assert value == pytest.approx(expected)
    assert ends == pytest.approx((expected, expected))
    value, _ = _forecast(items, error, np.tile(error, (50, 1)), MAE)
    assert value == pytest.approx(-expected)
    assert _forecast(items, np.ones(3), np.ones((50, 3)), ACCURACY) == (None, None)


def test_several_seeds_are_drawn_too():
    class Scores:
        n = 50

        def __init__(self, value):
            self.value = value

        @property
        def resamplings(self):
            return {"accuracy": lambda times: np.full(len(times), self.value)}

    assert np.ptp(_resampled([Scores(0.5)], ACCURACY)) == 0
    assert set(_resampled([Scores(0.4), Scores(0.6)], ACCURACY).round(6)) == {0.4, 0.5, 0.6}


def test_fractions_are_written_as_people_write_them(in_folder):
    series = curve_plan(None, "digits", fractions="1/4, 0.5,1").series
    assert [member.settings["fraction"] for member in series.members] == [0.25, 0.5, 1]


def test_what_cannot_be_drawn(in_folder):
    for fractions in ("0.5", "0,1", "a,b", "1/0,1", (0.5, 2)):
        with pytest.raises(RecipeError, match=r"expected two or more numbers above 0 and at most 1: 0.1,0.5,1"):
            curve_plan(None, "digits", fractions=fractions)
    with pytest.raises(RecipeError, match="repeats is 0, expected a whole number of at least 1"):
        curve_plan(None, "digits", repeats=0)
    x = (
        np.arange(20 * 64, dtype=np.uint16).astype(np.uint8).reshape(20, 8, 8)
        + np.arange(20, dtype=np.uint8)[:, None, None]
    )
    with pytest.raises(RecipeError, match="training items are too few for a curve; name the fractions yourself"):
        curve_plan(None, (x, np.arange(20) % 2))
    with pytest.raises(ModelError, match=r"none/fraction-0.5: .*"):
        learning_curve(curve_plan(None, "digits", fractions="0.5,1", out="none").series, "digits")


def test_fractions_whose_short_forms_are_the_same_are_runs_of_their_own(in_folder):
    plan = curve_plan(None, "digits", fractions="0.33331,0.33333,1")
    assert [member.folder.name for member in plan.series.members] == [
        "fraction-0.33331",
        "fraction-0.33333",
        "fraction-1.0",
    ]


@pytest.mark.slow
def test_an_interrupted_curve_goes_on_as_it_was_begun(in_folder, cli):
    """Only the first point is trained; the others get its network and settings without their being said again."""
    plan = curve_plan(TINY, "digits", fractions="0.1,0.5", repeats=2, epochs=2, lr=0.05, out="c")
    member = plan.series.members[0]
    run = plan.prepare(member)
    list(run.events())
    run.finish()
    answer = cli("curve", "digits", "--out", "c", "--resume", "--json")
    assert answer.code == 0
    assert [len(point["runs"]) for point in json.loads(answer.out)["points"]] == [2, 2]
    rows = striate.runs("c").rows
    assert {(row.settings["net"], row.settings["lr"], row.settings["epochs"]) for row in rows} == {
        (rows[0].settings["net"], 0.05, 2)
    }
    with pytest.raises(RecipeError, match=r"c: was begun with another fractions \(\[0.1, 0.5\], now \[0.1, 1.0\]\)"):
        striate.curve(None, "digits", fractions=(0.1, 1), out="c", resume=True)
    with pytest.raises(RecipeError, match=r"c: was begun with another repeats \(2, now 3\)"):
        striate.curve(None, "digits", repeats=3, out="c", resume=True)


def test_every_part_gets_the_network_that_the_whole_training_split_would_get(in_folder):
    """Of few small colour images train takes another network than of many; a curve compares one."""
    x = np.random.default_rng(0).integers(0, 256, (11_200, 4, 4, 3), np.uint8)
    data = {"train": (x, np.arange(len(x)) % 2), "test": (x[:40], np.arange(40) % 2)}
    plan = curve_plan(None, data, fractions=(0.01, 1), epochs=1, out="c")
    small, whole = plan.series.members
    for member in small, whole:
        run = plan.prepare(member)
        assert (run.net, run.recipe.validation_fraction, run.recipe.optimizer) == ("rgb_small", 0.1, "adamw")
    grey = curve_plan("flatten; linear 2", data, fractions=(0.01, 1), epochs=1, out="d")
    assert grey.prepare(grey.series.members[0]).net.startswith("net")
