"""The commands that train prints are pasted: each works, whatever was said about the data."""

import csv
import json
import re
import shlex
import shutil
import signal

import numpy as np
import pytest
from PIL import Image

import striate
from striate.run import prepare

SLOW = pytest.mark.slow
RNG = np.random.default_rng(0)
Y = np.arange(60) % 3
X = (RNG.integers(0, 100, (60, 8, 8)) + 70 * Y[:, None, None]).astype(np.uint8)
WORDS = ["good fine warm great lovely", "bad poor cold awful dull", "so plain usual middling grey"]


def table(name, titles, rows):
    with open(name, "w", newline="") as file:
        csv.writer(file).writerows([titles, *rows])


@pytest.fixture
def data(in_folder):
    """Data of every form: what names them, and what has to be said of them."""
    (in_folder / "flat photos").mkdir()
    for i, x in enumerate(X):
        Image.fromarray(x).save(f"flat photos/{'abc'[Y[i]]}.{i}.png")
        for folder, image in (("seg/images", x), ("seg/masks", ((x > 120) * 200 + (x % 3)).astype(np.uint8))):
            (in_folder / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(f"{folder}/{i}.png")
    names = [f"flat photos/{'abc'[y]}.{i}.png" for i, y in enumerate(Y)]
    table("photos.csv", ["the file", "kind", "size", "who"], zip(names, Y, Y * 1.5, np.arange(60) // 3, strict=True))
    table("texts.csv", ["title", "said", "mood", "stars"],
          [(f"no {i}", f"{WORDS[y]} {i}", "pnz"[y], y * 1.5) for i, y in enumerate(Y)])  # fmt: skip
    table("signals.csv", ["z", *[f"t{i}" for i in range(20)]], np.c_[Y, RNG.normal(size=(60, 20)).round(3)].tolist())
    np.savez("arrays.npz", x=X / 2, y=Y)
    shutil.make_archive("photos", "zip", "flat photos")
    return {
        "digits": ("digits", "flatten; linear 10", []),
        "names": ("flat photos", "flatten; linear 3", ["--classes-from", "name:{class}.*"]),
        "table": ("photos.csv", "flatten; linear 1", ["--label", "size", "--file", "the file", "--group", "who"]),
        "texts": ("texts.csv", "text_small", ["--label", "mood", "--text", "title,said"]),
        "masks": ("seg", "conv 2 3 padding=1", ["--mask-threshold", "100"]),
        "arrays": ("arrays.npz", "conv 2 3; relu; flatten; linear 3", []),
        "signals": ("signals.csv", "flatten; linear 3", ["--label", "z"]),
        "archive": ("photos.zip", "flatten; linear 3", ["--classes-from", "name:{class}.*"]),
    }


def commands(text):
    return [shlex.split(line) for line in text.splitlines() if line.startswith("  striate ")]


@pytest.mark.parametrize(
    "form",
    [
        "names",
        "table",
        "texts",
        "masks",
        "archive",
        *(pytest.param(f, marks=SLOW) for f in ("digits", "arrays", "signals")),
    ],
)
def test_what_follows_on_training_works_as_printed(data, cli, form):
    name, net, said = data[form]
    done = cli("train", name, "--net", net, "--epochs", 1, *said)
    assert done.code == 0
    follow = commands(done.err)
    assert [words[1] for words in follow] == ["evaluate", "predict"]
    for words in follow:
        answer = cli(*words[1:])
        assert answer.code == 0, (words, answer.err)
        assert answer.out
    (headline,) = (line for line in done.out.splitlines() if line.startswith("test "))
    figure = float(re.search(r"[\d.]+(?=%? \()", headline)[0])
    document = json.loads(cli(*follow[0][1:], "--json").out)
    value = document["mae"] if "mae" in document else 100 * document.get("accuracy", document.get("mean_iou"))
    assert value == pytest.approx(figure, rel=1e-3)  # of the same items, as they were understood in training
    resumed = cli("train", name, "--epochs", 2, "--resume")  # nothing is said once more
    assert resumed.code == 0, resumed.err
    assert "epoch 2/2" in resumed.err


@pytest.mark.parametrize("form", ["names", "table", "texts"])
def test_the_command_of_a_stopped_run_resumes_it(data, cli, form, monkeypatch):
    name, net, said = data[form]
    from striate.run.running import Run

    events = Run.events

    def stopping(run):
        for event in events(run):
            signal.raise_signal(signal.SIGINT)
            yield event

    monkeypatch.setattr(Run, "events", stopping)
    stopped = cli("train", name, "--net", net, "--epochs", 2, "--out", "my run", *said)
    assert stopped.code == 130
    monkeypatch.setattr(Run, "events", events)
    (again,) = commands(stopped.err)
    answer = cli(*again[1:])
    assert answer.code == 0, answer.err
    assert "resuming my run" in answer.err


def test_what_was_said_of_other_runs_is_not_taken(data):
    striate.train("textcnn", "texts.csv", label="mood", text="said", epochs=1, quiet=True)
    table(
        "other.csv", ["title", "said", "mood", "stars"], [(f"no {i}", WORDS[y], "pnz"[y], y) for i, y in enumerate(Y)]
    )
    with pytest.raises(striate.DataError, match="name it: --label"):
        prepare("other.csv", resume=True)
    run = prepare("texts.csv", resume=True, settings={"epochs": 2})
    assert run.options == {"label": "mood", "text": "said"}
