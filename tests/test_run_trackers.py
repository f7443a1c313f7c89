"""``--log``: what trackers are told of a run, TensorBoard's own reader, and trackers that are none or fail."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

import striate
from striate.errors import RecipeError
from striate.learning import Epoch
from striate.run import prepare
from striate.run.trackers import Trackers

TINY = "flatten; linear 10"


class Told:
    """A tracker that keeps what it is told."""

    def __init__(self):
        self.calls = []

    def init(self, **about):
        self.calls.append(("init", about))

    def log(self, values, step):
        self.calls.append(("log", step, values))

    def finish(self):
        self.calls.append(("finish",))


def start(log, out, **more):
    return striate.train(TINY, "digits", epochs=2, fraction=0.2, log=log, out=out, quiet=True, **more)


def test_a_tracker_is_told_the_settings_each_epoch_and_the_test(in_folder):
    told = Told()
    model = start(told, "runs/mine")
    (_, about), first, second, test, end = told.calls
    assert (about["project"], about["name"]) == ("striate", "mine")
    assert about["config"]["data"] == "digits"
    assert about["config"]["epochs"] == 2
    history = [line.split(",") for line in Path("runs/mine/metrics.csv").read_text().splitlines()]
    for call, row in zip((first, second), history[1:], strict=True):
        expected = {name: float(value) for name, value in zip(history[0], row, strict=True)}
        assert call[:2] == ("log", expected["epoch"])
        assert {name: call[2][name] for name in expected} == expected
    assert test == ("log", 2, {"test/accuracy": striate.evaluate(model, "digits").accuracy})
    assert end == ("finish",)


def test_a_module_by_its_name(cli, in_folder, monkeypatch):
    told = Told()
    module = ModuleType("fakewandb")
    module.init, module.log, module.finish = told.init, told.log, told.finish
    monkeypatch.setitem(sys.modules, "fakewandb", module)
    answer = cli("train", "digits", "--net", TINY, "-e", "1", "--log", "fakewandb", "fraction=0.1")
    assert answer.code == 0, answer.err
    assert [call[0] for call in told.calls] == ["init", "log", "log", "finish"]


def test_where_the_loop_is_left_the_tracker_finishes_once(in_folder):
    told = Told()
    run = prepare("digits", TINY, settings={"epochs": 3}, out="run", log=[told])
    for event in run.events():
        if isinstance(event, Epoch):
            break
    assert [call[0] for call in told.calls] == ["init", "log", "finish"]
    run.finish()
    assert [call[0] for call in told.calls] == ["init", "log", "finish"]


def test_a_tracker_that_fails_is_left_out_and_said(in_folder):
    told, heard = Told(), []
    lost = SimpleNamespace(init=lambda **about: 1 / 0, log=None, finish=None)
    broken = Told()
    broken.log = lambda values, step: [][0]
    lost.log = lost.finish = broken.init
    run = prepare("digits", TINY, settings={"epochs": 2}, out="run", log=[lost, told, broken], say=heard.append)
    assert sum(isinstance(event, Epoch) for event in run.events()) == 2
    run.finish()
    assert [call[0] for call in told.calls] == ["init", "log", "log", "log", "finish"]
    assert [call[0] for call in broken.calls] == ["init"]
    notes = [line for line in heard if "tracker" in line]
    assert notes == [
        "note: the tracker SimpleNamespace failed and is left out: ZeroDivisionError: division by zero",
        "note: the tracker Told failed and is left out: IndexError: list index out of range",
    ]


def test_what_is_no_tracker():
    with pytest.raises(RecipeError, match="log math: is no tracker, which has init, log and finish; it has no init, f"):
        Trackers.of("math")
    with pytest.raises(RecipeError, match=r"log no_such_module: cannot be imported .*; it is one of tensorb"):
        Trackers.of("no_such_module")
    with pytest.raises(RecipeError, match=r"log 'a b': expected tensorboard or the name of a module"):
        Trackers.of("a b")
    with pytest.raises(RecipeError, match="log the int: is no tracker"):
        Trackers.of([3])


def test_without_the_package_the_message_says_what_to_install(monkeypatch, cli, in_folder):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RecipeError, match=r"needs the package tensorboard; pip install 'striate\[tensorboard\]'"):
        Trackers.of("tensorboard")
    assert not [*in_folder.iterdir()]


def test_tensorboards_own_reader_reads_what_was_logged(in_folder):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    start("tensorboard", "run")
    read = EventAccumulator("run")
    read.Reload()
    lines = [line.split(",") for line in Path("run/metrics.csv").read_text().splitlines()]
    for name, *values in zip(*lines, strict=True):
        if name != "epoch":
            points = read.Scalars(name)
            assert [point.step for point in points] == [1, 2]
            assert [point.value for point in points] == pytest.approx([*map(float, values)], rel=1e-6)
    assert len(read.Scalars("test/accuracy")) == 1
    (settings,) = read.Tensors("settings/text_summary")
    assert b"| optimizer | adamw |" in settings.tensor_proto.string_val[0]
