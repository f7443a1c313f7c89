"""``train --repeats`` and ``--folds``: each run a folder of its own, the mean with its interval, and interruption."""

import json

import numpy as np
import pytest

import striate
from striate import train_series
from striate.errors import DataError, ModelError, RecipeError
from striate.metrics.repeated import spread_of
from striate.run.series import series_of

TINY = "flatten; linear 10"
QUICK = {"epochs": 1, "fraction": 0.2, "lr": 0.01, "quiet": True}


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


def test_an_interrupted_series_keeps_what_is_done(in_folder):
    """The second run stops in its middle, and goes on there; the first is not trained again."""
    from striate.learning import Epoch
    from striate.run import prepare

    how = {"repeats": 3, "out": "r", "epochs": 2, "fraction": 0.2, "quiet": True}
    whole = train_series(TINY, "digits", **how | {"out": "whole"})
    series = series_of("digits", repeats=3, out="r")
    for member in series.members[:2]:
        run = prepare("digits", TINY, settings={"epochs": 2, "fraction": 0.2, **member.settings}, **member.options)
        for event in run.events():
            if member.settings["seed"] == 1 and isinstance(event, Epoch):
                break
        else:
            run.finish()
    before = (in_folder / "r/seed-0/model.safetensors").stat().st_mtime_ns
    assert [member.finished for member in series.members] == [True, False, False]
    with pytest.raises(RecipeError, match="r: is not empty; use another --out"):
        train_series(TINY, "digits", **how)
    again = train_series(TINY, "digits", resume=True, **how)
    assert (in_folder / "r/seed-0/model.safetensors").stat().st_mtime_ns == before
    assert again.spread().values == whole.spread().values
    assert "test accuracy" in str(again)


def test_without_out_the_newest_series_is_resumed(in_folder):
    with pytest.raises(ModelError, match="runs/digits-folds: no series to resume in it"):
        series_of("digits", folds=2, resume=True)
    for name in ("digits-folds", "digits-folds-2"):
        (in_folder / "runs" / name).mkdir(parents=True)
    assert str(series_of("digits", folds=2, resume=True).folder) == "runs/digits-folds-2"
    assert str(series_of("digits", folds=2).folder) == "runs/digits-folds-3"


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
    assert str(Series(series.folder, series.kind, ())) == "no run is finished"
