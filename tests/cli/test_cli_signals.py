"""Ctrl-C and its kin in a real process: everything is saved, and the run goes on as if it had not been stopped."""

import json
import shlex
import signal
import subprocess
import sys

import pytest
import torch
from safetensors import safe_open

from striate.model.model import load

SLOW = pytest.mark.slow
NET = "conv 4 3; batchnorm; relu; flatten; dropout; linear 10"
WORDS = ["train", "digits", "--net", NET, "--epochs", "12", "--seed", "3"]


def numbers_of(folder):
    """Epochs done, and steps of the one begun, by the saved state."""
    with safe_open(f"{folder}/state/state.safetensors", "pt") as file:
        numbers = json.loads(file.metadata()["numbers"])
    return numbers["epoch"], numbers["step"]


def weights(folder):
    return load(folder / "model.safetensors").module.state_dict()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The same run, never stopped (in this process: the processes below have one thread too)."""
    from striate.run import prepare

    run = prepare("digits", NET, settings={"epochs": 12, "seed": 3}, out=tmp_path_factory.mktemp("whole") / "run")
    list(run.events())
    run.finish()
    return run.folder


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=SLOW)])
def test_a_signal_saves_and_resume_goes_on(cli, shell, in_folder, whole, number, code):
    command = [sys.executable, "-m", "striate", *WORDS, "--out", "my run", "--json"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=in_folder, env=shell.environment
    )
    for line in process.stderr:  # in the middle of some epoch after the first
        if line.startswith("epoch  1/12"):
            process.send_signal(number)
            break
    out, err = process.communicate(timeout=600)
    assert process.returncode == code
    assert out == ""
    assert "Traceback" not in err
    epoch, step = numbers_of(in_folder / "my run")
    at = f"epoch {epoch + 1}, step {step}" if step else f"epoch {epoch}"
    assert f"stopped after {at}; everything is saved" in err
    done = json.loads((in_folder / "my run" / "state" / "progress.json").read_text())
    assert 1 <= len(done["history"]) < 12
    assert not (in_folder / "my run" / "report.html").exists()

    again = shlex.split(err.splitlines()[-1])
    assert again == ["striate", "train", "digits", "--out", "my run", "--resume"]
    answer = cli(*again[1:])
    assert answer.code == 0
    assert f"resuming my run: {len(done['history'])} of 12 epochs done" in answer.err
    stopped, never = weights(in_folder / "my run"), weights(whole)
    assert all(torch.equal(stopped[name], never[name]) for name in never)
    assert len((in_folder / "my run" / "metrics.csv").read_text().splitlines()) == 13

    answer = cli(*again[1:])
    assert answer.code == 2
    assert (
        answer.err.splitlines()[-1]
        == "striate: my run (net): complete after 12 epochs; continue with, for example, --epochs 22"
    )
    answer = cli(*again[1:], "--seed", 4)
    assert answer.code == 2
    assert "was trained with another seed (3, now 4)" in answer.err


@pytest.mark.parametrize("place", [(2, 7), (2, None)], ids=["in an epoch", "at the end of all"])
def test_where_it_stopped_is_saved_and_gone_on_with(in_folder, monkeypatch, capsys, place):
    """At the end of all, everything is trained and nothing measured: resume measures, and asks for no more epochs."""
    import os

    from striate.cli import main
    from striate.run import Run

    events = Run.events

    def stopping(self):
        for event in events(self):
            if (event.epoch, getattr(event, "step", None)) == place:
                os.kill(os.getpid(), signal.SIGINT)
            yield event

    before = signal.getsignal(signal.SIGINT)
    words = ["striate", "train", "digits", "--net", "flatten; linear 10", "--epochs", "2", "--out", "run"]
    for patch, more, code in ((stopping, [], 130), (events, ["--resume"], 0)):
        monkeypatch.setattr(Run, "events", patch)
        monkeypatch.setattr(sys, "argv", [*words, *more])
        with pytest.raises(SystemExit) as ended:
            main()
        assert (ended.value.code or 0) == code
        if code:
            assert numbers_of("run") == ((1, 7) if place == (2, 7) else (2, 0))
    assert (in_folder / "run" / "report.html").is_file()
    assert signal.getsignal(signal.SIGINT) is before  # which is not Python's own where a shell ignores SIGINT


def test_ctrl_c_before_training_is_quiet(monkeypatch, capsys):
    from striate.cli import main

    def interrupted(*args, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr("striate.run.making.open_data", interrupted)
    monkeypatch.setattr(sys, "argv", ["striate", "train", "digits"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("module", ["striate.cli", "typer", "torch"])
def test_ctrl_c_while_something_is_imported_is_quiet(tmp_path, module):
    """As the key would: the interrupt comes at the first import of *module*."""
    code = f"""
import builtins, sys
real = builtins.__import__
def load(name, *rest):
    if name.split(".")[: {len(module.split("."))}] == {module.split(".")!r}:
        raise KeyboardInterrupt
    return real(name, *rest)
builtins.__import__ = load
sys.argv = ["striate", "train", "digits"]
from striate.__main__ import start
start()
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "")


def test_names_from_the_data_do_not_reach_the_terminal_as_they_are(tmp_path, cli, photos):
    """Escape sequences, bells and carriage returns in the names of classes and files."""
    evil = "a\x1b[31m\x07\rb"
    root = photos(tmp_path / "photos", {evil: 8, "dog": 8})
    (root / evil / "0\x1b[2J.png").write_bytes(b"no image")
    net = "conv 2 3; relu; adaptiveavgpool 1; flatten; linear 2"
    run = tmp_path / "run"
    for words in (
        ("data", root),
        ("doctor", root),
        ("train", root, "--net", net, "--epochs", "1", "--out", run),
        ("evaluate", run, root),
        ("predict", run, root / evil),
        ("predict", run, root / evil / "0\x1b[2J.png"),
        ("check", "lenet\x1b[31m5"),
    ):
        answer = cli(*words)
        for text in (answer.out, answer.err):
            assert not [c for c in text if not c.isprintable() and c != "\n"], words
