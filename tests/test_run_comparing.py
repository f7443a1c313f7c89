"""``striate runs``: what the files of runs say in a table, what differs between them, and damage."""

import csv
import json
import os
import re
from pathlib import Path

import pytest

import striate
from striate.errors import ModelError, RecipeError
from striate.metrics.repeated import spread_of
from striate.run.comparing import RunRow, RunTable
from striate.run.series import series_plan

TINY = "flatten; linear 10"


@pytest.fixture(scope="module")
def trained_runs(tmp_path_factory):
    """Two runs under runs/, of dates that are known."""
    here = tmp_path_factory.mktemp("here")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        striate.train(TINY, "digits", epochs=1, lr=1e-5, fraction=0.2, batch_size=32, out="runs/slow", quiet=True)
        striate.train(TINY, "digits", epochs=2, lr=0.05, batch_size=32, out="runs/good", quiet=True)
        for day, name in enumerate(("good", "slow")):
            os.utime(here / "runs" / name / "state/progress.json", (86_400 * day, 86_400 * day))
    return here


@pytest.fixture
def folder(trained_runs, monkeypatch):
    monkeypatch.chdir(trained_runs)
    return trained_runs


def test_a_row_says_what_the_files_of_the_run_say(folder):
    row = next(row for row in striate.runs().rows if row.run == "runs/good")
    with open("runs/good/metrics.csv") as file:
        history = list(csv.DictReader(file))
    best = max(history, key=lambda r: (float(r["val/accuracy"]), -float(r["val/loss"])))
    assert (row.data, row.net, row.task, row.metric_name) == ("digits", "net", "classification", "accuracy")
    assert (row.metric, row.loss) == (float(best["val/accuracy"]), float(best["val/loss"]))
    assert row.best_epoch == int(best["epoch"])
    assert (row.epochs, row.epochs_in_all, row.finished, row.problem) == (2, 2, True, None)
    assert row.test == striate.evaluate("runs/good", "digits").accuracy
    assert row.seconds == json.loads((folder / "runs/good/state/progress.json").read_text())["seconds"]
    assert row.settings["lr"] == 0.05


def test_the_orders(folder):
    def order(sort):
        return [row.run.removeprefix("runs/") for row in striate.runs(sort=sort).rows]

    assert order("date") == ["slow", "good"]
    assert order("metric") == order("run") == ["good", "slow"]
    seconds = {row.run.removeprefix("runs/"): row.seconds for row in striate.runs().rows}
    assert order("seconds") == sorted(seconds, key=seconds.__getitem__)
    with pytest.raises(RecipeError, match="sort is 'metrics'; did you mean 'metric'"):
        striate.runs(sort="metrics")


def test_of_an_error_the_lowest_is_the_best():
    rows = [RunRow("a", "d", task="regression", metric=2.0), RunRow("b", "d", task="regression", metric=1.0)]
    assert sorted(rows, key=lambda row: row.rank)[0].run == "b"
    assert RunRow("c", task="regression").rank == float("inf")


def test_named_runs_are_compared(folder):
    found = striate.runs("slow", "runs/good")
    assert [row.run for row in found.rows] == ["runs/slow", "runs/good"]
    assert found.differences == {
        "epochs": [1, 2],
        "lr": [1e-5, 0.05],
        "fraction": [0.2, 1.0],
    }
    assert re.search(r"^lr +1e-05 +0.05$", str(found), re.MULTILINE)
    assert "all settings are the same" in str(striate.runs("good", "good"))


def test_of_one_run_the_settings_that_are_not_the_defaults(folder):
    differences = striate.runs("runs/good/metrics.csv").differences
    assert differences == {"epochs": [2], "lr": [0.05]}
    assert re.search(r"^lr +0.05$", str(striate.runs("good")), re.MULTILINE)


def test_a_stopped_run_says_how_far_it_came(in_folder):
    from striate.run import prepare

    run = prepare("digits", TINY, settings={"epochs": 3}, out="runs/stopped")
    for event in run.events():
        if type(event).__name__ == "Epoch":
            break
    (row,) = striate.runs().rows
    assert (row.epochs, row.epochs_in_all, row.finished, row.test) == (1, 3, False, None)
    assert row.metric == run.history[0]["val/accuracy"]
    assert "1 of 3" in str(striate.runs())


def test_damaged_runs_are_named_and_the_others_shown(cli, in_folder):
    striate.train(TINY, "digits", epochs=1, fraction=0.1, out="runs/good", quiet=True)
    about, progress = (in_folder / "runs/good" / name for name in ("recipe.json", "state/progress.json"))
    for name, texts in {
        "cut": ("{", progress.read_text()),
        "empty": ("{}", progress.read_text()),
        "history": (about.read_text(), '{"history": 3}'),
        "task": (about.read_text().replace('"classification"', '"cooking"'), progress.read_text()),
        "weights": (about.read_text(), progress.read_text()),
    }.items():
        (in_folder / "runs" / name / "state").mkdir(parents=True)
        for place, text in zip(("recipe.json", "state/progress.json"), texts, strict=True):
            (in_folder / "runs" / name / place).write_text(text)
    (in_folder / "runs/notes").mkdir()
    (in_folder / "runs/notes.txt").write_text("no run")
    answer = cli("runs", "--sort", "run")
    assert answer.code == 0
    assert [line.split()[0] for line in answer.out.splitlines()] == ["run", "runs/good"]
    said = answer.err.splitlines()
    assert [line.partition(":")[0] for line in said] == ["damaged"] * 5
    assert [line.split(": ")[1] for line in said] == [
        f"runs/{n}" for n in ("cut", "empty", "history", "task", "weights")
    ]
    assert "recipe.json: does not describe a run" in said[1]
    assert "cannot be read" in said[0]
    assert "progress.json" in said[2]
    assert "task is 'cooking'" in said[3]
    assert said[4].endswith("model.safetensors is missing")


def test_the_json(cli, folder):
    rows = json.loads(cli("runs", "--json").out)
    assert [row["run"] for row in rows] == ["runs/slow", "runs/good"]
    assert rows[0].keys() >= {"run", "data", "net", "metric", "metric_name", "seconds", "date", "epochs", "test"}
    both = json.loads(cli("runs", "good", "slow", "--json").out)
    assert [row["run"] for row in both["runs"]] == ["runs/good", "runs/slow"]
    assert both["differences"]["lr"] == [0.05, 1e-5]


def test_no_runs(cli, in_folder):
    answer = cli("runs")
    assert (answer.code, answer.out, answer.err) == (0, "no runs\n", "")
    assert json.loads(cli("runs", "--json").out) == []
    assert striate.runs() == RunTable(())


def test_what_is_no_run(folder):
    with pytest.raises(ModelError, match="goood: no such run; did you mean 'good'"):
        striate.runs("goood", "slow")
    with pytest.raises(ModelError, match="is not the folder of a run"):
        striate.runs("runs", "slow")
    assert {row.run for row in striate.runs(folder / "runs").rows} == {
        str(folder / "runs" / n) for n in ("good", "slow")
    }


def test_the_page_has_the_table_the_curves_and_what_differs(folder, cli):
    answer = cli("runs", "good", "slow", "-o", "page.html")
    assert answer.code == 0
    assert "wrote page.html" in answer.err
    page = (folder / "page.html").read_text()
    assert page == striate.runs("good", "slow").page()
    assert page.count("<polyline") == 4  # of each run the metric and the loss
    assert "Validation accuracy of digits" in page
    assert "2 runs in runs" in page
    assert ">good<small> (best on validation)</small>" in page
    assert re.search(r"<th scope=\"row\">slow</th><td>1</td><td>1e-05</td><td>0.2</td>", page)
    assert "http" not in page.replace("http-equiv", "")
    refused = cli("runs", "-o", "page.pdf")
    assert refused.code == 2
    assert "the file must end in .html" in refused.err


def test_a_page_of_other_runs():
    def row(name, data, values, **more):
        history = tuple({"epoch": i + 1, "val/accuracy": v, "val/loss": None} for i, v in enumerate(values))
        given = {"task": "classification", "metric_name": "accuracy", "metric": max(values), "finished": True}
        return RunRow(name, data, "net", history=history, **given | more)

    many = [row(f"run-{i}", "a", (0.5, 0.5 + i / 100)) for i in range(8)]
    page = RunTable((*many, row("alone", "b", (0.2,), problem=None), RunRow("broken", problem="is cut"))).page()
    assert "9 runs" in page
    assert "the 6 best of 8" in page
    assert "damaged: broken: is cut" in page
    assert "Validation loss" not in page  # nobody knows it
    assert page.count("<polyline") == 7
    assert "no runs" in RunTable(()).page()


# ------------------------------------------------------------------------------------------------------------- series
@pytest.fixture
def series(in_folder):
    """A cross-validation of two folds, an interrupted series, a curve and a run."""
    quick = {"epochs": 1, "fraction": 0.1, "baseline": False, "quiet": True}
    striate.train_series(TINY, "digits", folds=2, **quick)
    striate.curve(TINY, "digits", fractions=(0.05, 0.1), **{n: v for n, v in quick.items() if n != "fraction"})
    plan = series_plan(TINY, "digits", repeats=3, **{n: v for n, v in quick.items() if n != "quiet"})
    run = plan.prepare(plan.series.members[0])
    list(run.events())
    run.finish()
    striate.train(TINY, "digits", **quick)


def test_a_series_is_a_line_with_its_mean_and_interval(series, cli):
    rows = {row.run: row for row in striate.runs().rows}
    assert rows.keys() == {"runs/digits-folds", "runs/digits-curve", "runs/digits-repeats", "runs/digits-net"}
    folds, members = rows["runs/digits-folds"], striate.runs("runs/digits-folds").rows
    tests = [row.test for row in members]
    assert len(members) == 2
    assert (folds.series, folds.finished, folds.net, folds.data) == ("2 folds", True, "net", "digits")
    assert folds.test == pytest.approx(sum(tests) / 2)
    assert folds.metric == pytest.approx(sum(row.metric for row in members) / 2)
    low, high = spread_of(tests, folds=True).interval
    assert folds.interval == pytest.approx((max(0, low), min(1, high)))
    assert folds.seconds == pytest.approx(sum(row.seconds for row in members))
    assert folds.settings["lr"] == members[0].settings["lr"]
    begun = rows["runs/digits-repeats"]
    assert (begun.series, begun.finished, begun.interval) == ("1 of 3 random seeds", False, None)
    assert begun.test == striate.runs("runs/digits-repeats").rows[0].test
    curve = rows["runs/digits-curve"]
    assert (curve.series, curve.test, curve.metric) == ("2 runs of a curve", None, None)
    line = next(line for line in cli("runs").out.splitlines() if "digits-folds" in line)
    assert re.search(r"accuracy [\d.]+% \([\d.]+% to [\d.]+%\) +2 folds", line)
    found = {row["run"]: row for row in json.loads(cli("runs", "--json").out)}
    assert found["runs/digits-folds"]["interval"] == list(folds.interval)
    assert found["runs/digits-net"]["series"] is None
    named = striate.runs("digits-folds", "digits-net")
    assert [row.series for row in named.rows] == ["2 folds", None]
    assert "2 folds" in striate.runs().page()


def test_a_damaged_series_is_named(series, cli):
    Path("runs/digits-folds/series.json").write_text("[]")
    answer = cli("runs")
    assert "damaged: runs/digits-folds: series.json: cannot be read" in answer.err
    assert "digits-net" in answer.out


def test_the_axis_of_one_epoch_has_whole_numbers(folder):
    slow = next(row for row in striate.runs().rows if row.run == "runs/slow")
    page = RunTable((slow,)).page()
    assert page.count("<svg") > 0
    assert "0.98</text>" not in page
    assert page.count(">0</text>") == 2  # of two charts from 0 to 1


def test_the_head_says_the_metric_that_all_have(folder):
    page = striate.runs("good", "slow").page()
    assert "validation accuracy</th>" in page
    assert "<td>accuracy" not in page
    other = RunRow("b", "d", "net", task="regression", metric_name="mae", metric=3.0, finished=True)
    mixed = RunTable((*striate.runs("good").rows, other)).page()
    assert ">validation</th>" in mixed
    assert ">mae 3</td>" in mixed
