"""``train --repeats`` and ``--folds``: each run a folder of its own, the mean with its interval, and interruption."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import striate
from striate import train_series
from striate.errors import DataError, ModelError, RecipeError
from striate.metrics.repeated import spread_of
from striate.run.series import series_plan
from striate.run.series_start import SeriesStart

TINY = "flatten; linear 10"
QUICK = {"epochs": 1, "fraction": 0.2, "lr": 0.01, "baseline": False, "quiet": True}


def test_repeats_are_runs_with_other_seeds(cli, in_folder):
    answer = cli("train", "digits", "--net", TINY, "-e", 1, "--fraction", 0.2, "--repeats", 3, "--seed", 4, "--json")
    assert answer.code == 0
    found = json.loads(answer.out)
    assert found["kind"] == "repeats"
    assert found["folder"] == "runs/digits-repeats"
    assert [run["run"] for run in found["runs"]] == [f"runs/digits-repeats/seed-{s}" for s in (4, 5, 6)]
    rows = striate.runs("runs/digits-repeats").rows  # each is a run as any other
    assert sorted(row.settings["seed"] for row in rows) == [4, 5, 6]
    tests = [striate.evaluate(row.run, "digits").accuracy for row in sorted(rows, key=lambda row: row.run)]
    assert found["test"]["values"] == tests
    assert found["test"]["mean"] == pytest.approx(np.mean(tests))
    assert found["test"]["interval"] == pytest.approx(spread_of(tests).interval)
    one = striate.train(TINY, "digits", epochs=1, fraction=0.2, seed=5, out="alone", quiet=True)
    assert striate.evaluate(one, "digits").accuracy == tests[1]  # what the run would have been by itself


def test_the_table_and_the_sentence(cli, in_folder):
    answer = cli("train", "digits", "--net", TINY, "-e", 1, "--fraction", 0.2, "--folds", 2, "-o", "cv")
    assert answer.code == 0
    assert "fold 1 of 2; its own test split of 360 items is left out" in answer.err
    lines = answer.out.strip().splitlines()
    assert lines[0].split() == ["run", "validation", "test", "accuracy", "kept", "epoch", "seconds"]
    assert [line.split()[0] for line in lines[1:3]] == ["cv/fold-1", "cv/fold-2"]
    assert lines[-1].startswith("test accuracy ")
    assert "mean of 2 folds (std " in lines[-1]
    assert "95% interval of the mean" in lines[-1]


def test_every_item_is_tested_once_by_a_network_that_has_not_seen_it(in_folder):
    series = train_series(TINY, "digits", folds=3, out="cv", **QUICK)
    tested = []
    for member in series.members:
        rows = [line.split(",") for line in (member.folder / "split.csv").read_text().splitlines()[1:]]
        parts = {part: {item for p, item, _ in rows if p == part} for part in ("train", "val", "test")}
        assert not parts["test"] & (parts["train"] | parts["val"])
        tested += parts["test"]
    assert sorted(tested) == sorted(striate.open_data("digits").train.names)
    wider = series.spread().interval
    alone = spread_of(series.spread().values).interval
    assert wider[1] - wider[0] > alone[1] - alone[0]  # folds share their training items
    assert (
        striate.evaluate(series.members[1].folder).accuracy == series.spread().values[1]
    )  # without data: its own fold


def interrupted(plan, finished):
    """Trains *finished* runs of the plan, and the first epoch of the next."""
    from striate.learning import Epoch

    for i, member in enumerate(plan.series.members[: finished + 1]):
        run = plan.prepare(member)
        for event in run.events():
            if i == finished and isinstance(event, Epoch):
                break
        else:
            run.finish()
        run.lock.give_back()


def test_an_interrupted_series_goes_on_as_it_was_begun(in_folder):
    """The second run stops in its middle, and goes on there; the first is not trained again; the third, which had not
    begun, gets the network and the settings of the first without their being said again.
    """
    how = {"repeats": 3, "epochs": 2, "fraction": 0.2, "lr": 0.05, "recipe": "classic", "seed": 4, "baseline": False}
    whole = train_series(TINY, "digits", out="whole", quiet=True, **how)
    interrupted(series_plan(TINY, "digits", out="r", **how), 1)
    before = (in_folder / "r/seed-4/model.safetensors").stat().st_mtime_ns
    plan = series_plan(None, "digits", out="r", resume=True)
    assert [member.finished for member in plan.series.members] == [True, False, False]
    with pytest.raises(RecipeError, match="r: is not empty; use another --out, or --resume to resume the series in it"):
        train_series(TINY, "digits", out="r", **how)
    again = train_series(None, "digits", out="r", resume=True, quiet=True)
    assert (in_folder / "r/seed-4/model.safetensors").stat().st_mtime_ns == before
    assert again.spread().values == whole.spread().values
    told = [json.loads((member.folder / "recipe.json").read_text()) for member in again.members]
    other = ("seed", "speed", "content", "contract")
    assert len({json.dumps({n: v for n, v in one.items() if n not in other}) for one in told}) == 1
    assert "test accuracy" in str(again)


def test_a_signal_says_how_to_go_on_and_that_is_enough(in_folder, cli, monkeypatch):
    """What is printed at an interruption, as it is, trains the same as without an interruption."""
    import shlex

    from striate.run.running import Run

    words = ("--net", TINY, "-e", 2, "--fraction", 0.2, "--lr", 0.05, "--batch-size", 8, "--no-baseline")
    cli("train", "digits", *words, "--folds", 2, "-o", "whole", "--json")
    events = Run.events

    def stopped(run):
        for event in events(run):
            run.world.ask_to_stop()
            yield event

    monkeypatch.setattr(Run, "events", stopped)
    answer = cli("train", "digits", *words, "--folds", 2, "-o", "cv")
    monkeypatch.undo()
    monkeypatch.chdir(in_folder)
    assert answer.code > 128
    again = answer.err.strip().splitlines()[-1].strip()
    assert again == "striate train digits --out cv --resume"
    found = json.loads(cli(*shlex.split(again)[1:], "--json").out)
    assert found["kind"] == "folds"
    assert (
        tuple(found["test"]["values"])
        == train_series(None, "digits", out="whole", resume=True, quiet=True).spread().values
    )


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            {"net": "flatten; linear 12; linear 10"},
            r"another net \(layers flatten linear 10, now layers flatten linear 12",
        ),
        ({"net": "lenet5"}, "another net .*, now lenet5"),
        ({"lr": 0.5}, r"another lr \(0.01, now 0.5\)"),
        ({"clip": 1.0}, r"another clip \(none, now 1.0\)"),
        ({"recipe": "classic"}, r"another recipe \(none, now "),
        ({"folds": 4}, r"another folds \(2, now 4\)"),
        ({"repeats": 2}, r"another repeats \(none, now 2\)"),
        ({"seed": 1}, r"another seed \(0, now 1\)"),
        ({"resize": "fit"}, r"another resize \(none, now fit\)"),
        ({"data": "shapes"}, r"another data \(name digits, "),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_a_series_goes_on_with_nothing_else(begun, said, message):
    with pytest.raises(RecipeError, match=f"cv: was begun with {message}"):
        series_plan(**{"net": TINY, "data": "digits", "out": begun, "resume": True, **said})


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A finished cross-validation."""
    folder = tmp_path_factory.mktemp("begun") / "cv"
    train_series(TINY, "digits", folds=2, out=folder, **QUICK)
    return folder


def test_what_a_run_of_a_series_keeps_is_no_setting_of_its_recipe():
    from striate.learning.recipe import ABOUT
    from striate.run.resuming import KEPT

    assert set(KEPT) <= set(ABOUT)


def test_the_same_said_again_is_no_difference(begun):
    plan = series_plan(TINY, "digits", folds=2, out=begun, resume=True, epochs=1, lr=0.01, device="cpu")
    assert all(member.finished for member in plan.series.members)
    assert plan.start.how["options"]["device"] == "cpu"


def test_items_that_are_others_are_a_difference(in_folder):
    x, y = np.random.default_rng(0).integers(0, 255, (40, 8, 8)).astype(np.uint8), np.arange(40) % 2
    train_series(TINY.replace("10", "2"), (x, y), repeats=2, out="r", **QUICK | {"fraction": 1.0})
    assert series_plan(None, (x, y), out="r", resume=True).series.rows
    with pytest.raises(
        RecipeError, match=r"r: was begun with another data \(train 32, test 8, .*, now train 24, test 6"
    ):
        series_plan(None, (x[:30], y[:30]), out="r", resume=True)


def test_code_of_ones_own_is_given_again(in_folder):
    from torch import nn

    def own():
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

    (in_folder / "r").mkdir()
    start = SeriesStart.of(("repeats",), own(), "digits", None, {"out": "elsewhere", "epochs": 2}, repeats=2)
    replace(start, folder=in_folder / "r", words=start.words | {"kind": "repeats"}).write()
    said = {"out": "r", "resume": True}
    with pytest.raises(
        RecipeError, match="r: was begun with net Sequential, which no file brings along; give it again"
    ):
        SeriesStart.of(("repeats",), None, "digits", None, said)
    net = own()
    again = SeriesStart.of(("repeats",), net, "digits", None, said)
    assert again.how["net"] is net
    assert again.how["settings"] == {"epochs": 2}


def test_trackers_that_no_file_holds_are_not_asked_for(in_folder):
    (in_folder / "r").mkdir()
    start = SeriesStart.of(
        ("repeats",), TINY, "digits", None, {"log": [object(), "tensorboard"], "epochs": 2}, repeats=2
    )
    replace(start, folder=in_folder / "r", words=start.words | {"kind": "repeats"}).write()
    again = SeriesStart.of(("repeats",), None, "digits", None, {"out": "r", "resume": True})
    assert again.how["options"] == {}
    assert again.how["settings"] == {"epochs": 2}
    with pytest.raises(ModelError, match="r: is a series of runs; resume it with train_series"):
        striate.train(TINY, "digits", out="r", resume=True, quiet=True)


def test_a_net_file_that_changed_is_a_difference_and_is_not_needed(in_folder):
    (in_folder / "mine.net").write_text(TINY.replace("; ", "\n"))
    interrupted(series_plan("mine.net", "digits", repeats=2, out="r", epochs=2, fraction=0.2, baseline=False), 0)
    (in_folder / "mine.net").write_text("flatten\nlinear 5\nlinear 10")
    with pytest.raises(RecipeError, match="r: was begun with another net"):
        series_plan("mine.net", "digits", out="r", resume=True)
    rows = train_series(None, "digits", out="r", resume=True, quiet=True).rows
    assert {row.net for row in rows} == {"mine"}
    assert len({row.settings["net"] for row in rows}) == 1


def test_without_out_the_newest_series_is_resumed(in_folder):
    with pytest.raises(ModelError, match="runs: no series of digits to resume; omit --resume to start one"):
        series_plan(None, "digits", folds=2, resume=True)
    with pytest.raises(ModelError, match="elsewhere: no series to resume in it; omit --resume to start one"):
        series_plan(None, "digits", out="elsewhere", resume=True)
    for _ in range(2):
        series = train_series(TINY, "digits", folds=2, **QUICK)
    assert str(series.folder) == "runs/digits-folds-2"
    assert str(series_plan(None, "digits", folds=2, resume=True).series.folder) == "runs/digits-folds-2"
    assert str(series_plan(None, "digits", folds=2).series.folder) == "runs/digits-folds-3"
    with pytest.raises(RecipeError, match=r"is a series of another kind \(folds\); resume it with striate train DATA"):
        striate.curve(None, "digits", out=series.folder, resume=True)
    (series.folder / "series.json").write_text("{")
    with pytest.raises(ModelError, match=r"digits-folds-2/series.json: cannot be read"):
        series_plan(None, "digits", out=series.folder, resume=True)


def test_nothing_is_trained_where_the_folds_cannot_be_made(in_folder, cli):
    x, y = np.zeros((4, 8, 8), np.uint8) + np.arange(4, dtype=np.uint8)[:, None, None], np.array([0, 1, 0, 1])
    with pytest.raises(DataError, match="4 distinct items cannot be shared out to 5 folds"):
        train_series(TINY, (x, y), folds=5)
    with pytest.raises(RecipeError, match="give one of repeats and folds"):
        train_series(TINY, (x, y))
    with pytest.raises(RecipeError, match="repeats is 1, expected a whole number of at least 2"):
        train_series(TINY, (x, y), repeats=1)
    both = cli("train", "digits", "--repeats", 2, "--folds", 2)
    assert both.code == 2
    assert "give one of repeats and folds" in both.err
    assert not (in_folder / "runs").exists()


def test_a_series_of_one_finished_run_has_no_interval(in_folder):
    from striate.run.series import Series

    series = train_series(TINY, "digits", repeats=2, out="r", **QUICK)
    one = Series(series.folder, series.kind, series.members[:1])
    assert "of one run there is no interval" in one.sentence()
    assert one.as_dict()["test"]["interval"] is None
    none = Series(series.folder, series.kind, ())
    assert str(none) == none.sentence() == "no run is finished"
    assert none.as_dict()["metric"] is none.as_dict()["test"] is None


def test_the_files_of_a_series_are_read_once(in_folder, monkeypatch):
    from striate.run import series as module

    series = train_series(TINY, "digits", repeats=2, out="r", **QUICK)
    fresh, read = module.Series(series.folder, series.kind, series.members), []
    of = module.RunRow.of
    monkeypatch.setattr(module.RunRow, "of", lambda folder: read.append(folder) or of(folder))
    assert str(fresh)
    assert fresh.as_dict()
    assert len(read) == 2


def test_a_series_of_masks_named_by_their_values_is_resumed(in_folder):
    """Of an earlier version, which called black and white masks 0 and 255."""
    x = np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8)
    np.savez("m.npz", x=x, y=np.where(x > 128, 255, 0).astype(np.uint8))
    words = {"folds": 2, "epochs": 1, "out": "f", "task": "segmentation"}
    plan = series_plan("conv 4 3 padding=1; conv 2 1", "m.npz", **words)
    plan.prepare(plan.series.members[0])
    about = json.loads(Path("f/series.json").read_text())
    assert about["data"]["classes"] == ["background", "foreground"]
    Path("f/series.json").write_text(json.dumps(about | {"data": about["data"] | {"classes": ["0", "255"]}}))
    assert len(series_plan(None, "m.npz", out="f", folds=2, resume=True).series.members) == 2
