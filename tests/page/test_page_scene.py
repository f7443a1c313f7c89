"""The scene and the document: the network's numbers, refusals of what cannot be shown, no name that becomes markup."""

import base64
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from functools import partial
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import striate
from striate.errors import DataError, SeeError, SpecError
from striate.inspect.models.inspected import InspectedModel, inspected
from striate.model.contract import Contract
from striate.model.model import Model
from striate.net import build
from striate.page import View
from striate.page.document import POLICY, document, reached
from striate.page.scene import NetworkScene, Sample
from striate.run.folder import newest_run
from striate.run.viewing import _of_data, _of_source, view
from striate.spec import parse

DOCS = Path(__file__).resolve().parents[2] / "docs"
NASTY = "</script><img src=x onerror=alert(1)>&\"'<!--{{SCENE}}"


@pytest.fixture(scope="module")
def scene():
    return NetworkScene.of(inspected("lenet5"))


# ------------------------------------------------------------------------------------------------------ the scene
def test_known_answers(scene):
    """LeNet-5 of 32 x 32: its parameters, multiply-accumulates and shapes, as counted by hand."""
    about = scene.about
    assert about["parameters"] == scene.weights.size == 61_706
    assert about["macs"] == 28 * 28 * 25 * 6 + 10 * 10 * 25 * 6 * 16 + 400 * 120 + 120 * 84 + 84 * 10
    shapes = {layer["name"]: layer["shape"] for layer in about["layers"]}
    assert shapes["c1"] == [6, 28, 28]
    assert about["layers"][0]["settings"] == {
        "out": 6, "kernel": [5, 5], "stride": [1, 1], "padding": [0, 0], "dilation": [1, 1], "groups": 1, "bias": True,
    }  # fmt: skip
    assert about["layers"][0]["inputs"] == ["input"]
    assert about["layers"][2]["about"] == "The mean of each window."
    assert about["layers"][9]["about"] == "Fully connected layer on flat features: y = W x + b."
    assert about["output"]["names"] == [str(i) for i in range(10)]
    assert about["notes"] == ["random weights: this network is untrained"]


def test_the_weights_come_back(scene):
    net = inspected("lenet5").module
    values = np.frombuffer(base64.b64decode(scene.weights_base64()), "<f4")
    state = net.state_dict()
    for layer in scene.about["layers"]:
        for name, at in layer["weights"].items():
            own = values[at["offset"] : at["offset"] + int(np.prod(at["shape"]))].reshape(at["shape"])
            assert torch.equal(torch.from_numpy(own.copy()), state[f"{layer['name']}.{name}"])
    assert sum(len(layer["weights"]) for layer in scene.about["layers"]) == len(state)


def test_what_is_checked_are_pytorchs_values(scene):
    net = inspected("lenet5")
    item = np.frombuffer(base64.b64decode(scene.about["check"]["input"]["data"]), np.uint8).reshape(1, 32, 32)
    with torch.no_grad():
        scores = net.module(torch.from_numpy(item.copy())[None] / 255)[0]
    last = scene.about["check"]["layers"][scene.about["layers"][-1]["name"]]
    assert last["at"] == list(range(10))
    assert last["values"] == pytest.approx(scores.tolist(), abs=1e-6)
    assert last["range"] == pytest.approx(float(scores.abs().max()))
    first = scene.about["check"]["layers"]["c1"]
    assert len(first["at"]) == len(first["values"]) == 64
    assert first["at"][-1] == 6 * 28 * 28 - 1


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 2, 3)
        self.last = nn.Linear(2 * 6 * 6, 3)

    def forward(self, x):
        x = torch.relu(self.first(x))
        return self.last(x.flatten(1))


def test_somebodys_own_module():
    """Its layers, functions too, under its own names, with its own weights."""
    own = Own()
    scene = view(own, input=(1, 8, 8)).scene
    layers = {layer["name"]: layer for layer in scene.about["layers"]}
    assert list(layers) == ["first", "relu1", "flatten1", "last"]
    at = layers["last"]["weights"]["weight"]
    assert scene.weights[at["offset"]] == own.last.weight[0, 0].item()
    assert scene.about["title"] == "Own"


def test_layers_keep_the_numbers_of_each_axis():
    scene = view("conv 2 3x5 stride=1x2; relu; flatten; linear 2", input=(1, 9, 12)).scene
    assert scene.about["layers"][0]["settings"]["kernel"] == [3, 5]
    assert scene.about["layers"][0]["settings"]["stride"] == [1, 2]
    scene = view("embedding 9 4; conv 3 3; relu; adaptivemaxpool 1; flatten; linear 2", input=(7,)).scene
    assert scene.about["input"]["kind"] == "text"
    assert scene.about["layers"][1]["settings"]["kernel"] == [3]


# ---------------------------------------------------------------------------------------------------- the document
class Reader(HTMLParser):
    """What a browser would see of a document: its elements and the text of its scripts."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.inside, self.texts = [], [], None, {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        self.inside = dict(attrs).get("id") or dict(attrs).get("type") or tag

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside:
            self.texts[self.inside] = self.texts.get(self.inside, "") + data


def test_it_can_ask_for_nothing(scene):
    text = document(scene)
    reader = Reader(text)
    assert ("meta", "content", POLICY) in reader.attributes
    assert text.index("Content-Security-Policy") < text.index("<script")
    assert "default-src 'none'" in POLICY
    assert "connect-src" not in POLICY
    assert "http" not in POLICY
    assert "unsafe-eval" not in POLICY
    assert not [found for found in reader.attributes if found[1] in ("src", "href", "action") or found[1][:2] == "on"]
    assert not set(reader.tags) & {"img", "iframe", "object", "embed", "link", "base"}
    assert not re.search(r"https?:", text.replace("http://www.w3.org/2000/svg", ""))  # the name of SVG elements
    for module in reached("page"):
        address = json.loads(reader.texts["importmap"])["imports"][f"striate/{module}"]
        source = unquote(address.removeprefix("data:text/javascript,"))
        whole = [line.strip() for line in files("striate.page").joinpath(f"assets/{module}.js").read_text().split("\n")]
        assert set(source.split("\n")) <= {*whole}  # all but comments
        assert all(re.match(r"//|/\*\*|\*|$", line) for line in {*whole} - {*source.split("\n")})
        assert set(re.findall(r"https?://[^'\"\s]+", source)) <= {"http://www.w3.org/2000/svg"}
        assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|EventSource|sendBeacon|eval|Function)\(", source)
        assert "innerHTML" not in source


@pytest.fixture(scope="module")
def nasty():
    """A scene in which every name that a person can choose is markup."""
    net = build(parse("conv 2 3; relu; flatten; linear 2"), (1, 8, 8))
    contract = Contract((NASTY, NASTY + "2"), (1, 8, 8), "L", (0.5,), (0.5,))
    item = np.zeros((1, 8, 8), np.uint8)
    model = InspectedModel(Model(net, contract), (NASTY,))
    return NetworkScene.of(model, [Sample(NASTY, item)], NASTY)


def test_names_are_text(nasty):
    plain = Reader(document(NetworkScene.of(inspected("conv 2 3; relu; flatten; linear 2", (1, 8, 8)))))
    reader = Reader(document(nasty))
    assert reader.tags == plain.tags
    assert reader.texts["title"] == NASTY
    about = json.loads(reader.texts["scene"])
    assert about["output"]["names"] == [NASTY, NASTY + "2"]
    assert about["samples"][0]["name"] == about["notes"][0] == about["title"] == NASTY
    assert "<" not in nasty.json()


def test_a_number_that_is_none_is_refused():
    """Weights that are not finite: the page says so when it opens, and the document remains JSON."""
    net = build(parse("conv 2 3; flatten; linear 2"), (1, 8, 8))
    with torch.no_grad():
        net.get_submodule("linear1").bias[0] = float("nan")
    with pytest.raises(SeeError, match="linear1: its values are not finite"):
        NetworkScene.of(inspected(net, (1, 8, 8)))


# ---------------------------------------------------------------------------------------------------------- view
def test_save(tmp_path):
    page = view("conv 2 3; relu; flatten; linear 3", input=(1, 8, 8))
    path = page.save(tmp_path / "page.html")
    assert path.read_text() == page.html()
    with pytest.raises(SeeError, match=r"page\.txt: the file must end in \.html"):
        page.save(tmp_path / "page.txt")


def test_in_a_notebook_it_is_a_frame_of_its_own():
    page = view("conv 2 3; relu; flatten; linear 3", input=(1, 8, 8))
    frame = Reader(page._repr_html_())
    assert frame.tags == ["iframe"]
    assert ("iframe", "sandbox", "allow-scripts") in frame.attributes
    assert ("iframe", "srcdoc", page.html()) in frame.attributes
    assert isinstance(page, View)
    assert striate.view is view


def test_the_samples_of_a_run_are_test_items(trained):
    scene = view(trained).scene
    assert len(scene.about["samples"]) == 24
    assert {sample["name"] for sample in scene.about["samples"]} <= {str(i) for i in range(10)}
    assert scene.about["notes"] == []
    assert scene.about["check"]["input"]["data"] == scene.about["samples"][0]["data"]


@pytest.mark.parametrize("file", [None, "model.safetensors"])
def test_a_page_that_is_sent_on_names_no_folder_of_this_machine(trained, file):
    page = view(trained / file if file else trained)
    assert page.scene.about["title"] == "run"
    assert str(trained.parent) not in page.html()


def test_the_files_of_a_run_are_offered_while_they_are_there(in_folder, monkeypatch):
    """They are those of its own test split, from wherever the page is asked for; and what is not there is said."""
    draw = np.random.default_rng(0)
    for i in range(24):
        path = in_folder / "photos" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(path)
    run = striate.train("conv 2 3; adaptiveavgpool 1; flatten; linear 2", "photos", epochs=1, out="run", quiet=True)
    tested = [line.split(",") for line in Path("run/split.csv").read_text().splitlines() if line.startswith("test")]
    samples = view("run").scene.about["samples"]
    assert [sample["name"] for sample in samples] == [target for *_, target in tested]
    expected = run.contract.input
    pixels = np.frombuffer(base64.b64decode(samples[0]["data"]), np.uint8).reshape(expected)
    assert np.array_equal(pixels, inspected("run").item(tested[0][1]))
    Path("elsewhere/photos/a").mkdir(parents=True)  # another folder of that name, where the command is typed
    shutil.copy(tested[0][1], "elsewhere/photos/a/one.png")
    monkeypatch.chdir("elsewhere")
    about = view("../run").scene.about
    assert [sample["data"] for sample in about["samples"]] == [sample["data"] for sample in samples]
    assert sum(n for *_, n in about["tested"]["confusion"]) == len(tested)
    monkeypatch.chdir(in_folder)
    shutil.move("photos/a", "photos/c")  # other labels: not the run's items
    assert view("run").scene.about["notes"][0] == (
        "no samples of the run: photos: has not the items that the run had; put them back, or give --data"
    )
    shutil.rmtree("photos")
    about = view("run").scene.about
    assert about["samples"] == []
    assert about["notes"][0].startswith("no samples of the run: photos")


def test_the_data_of_a_run_are_opened_as_it_was_told(in_folder):
    """A table of which --label names the column: without that its samples would have other classes."""
    rows = [
        f"{i % 2},{'red' if i % 3 else 'blue'},{','.join(str((i * k) % 7) for k in range(1, 21))}" for i in range(40)
    ]
    columns = ",".join(f"t{k}" for k in range(20))
    Path("t.csv").write_text("\n".join([f"good,colour,{columns}", *rows]))
    net = "conv 2 3; adaptiveavgpool 1; flatten; linear 2"
    striate.train(net, "t.csv", epochs=1, label="colour", out="run", quiet=True)
    names = {sample["name"] for sample in view("run").scene.about["samples"]}
    assert names == {"red", "blue"}


def test_samples_of_texts_are_the_texts(in_folder):
    """The page writes a sample's name into the field of the sentence, and encodes it again."""
    rows = [(f"{word} film number {i}", word) for i in range(20) for word in ("good", "bad")]
    Path("texts.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    model = striate.train(None, "texts.csv", epochs=1, quiet=True)
    about = view(model.path).scene.about
    names = [sample["name"] for sample in about["samples"]]
    assert names
    assert set(names) <= {text for text, _ in rows}
    for name, sample in zip(names, _of_data(inspected(model), "texts.csv"), strict=True):
        (same,) = _of_source(inspected(model), [name])
        np.testing.assert_array_equal(sample.item, same.item)


def test_a_network_of_signals_has_drawn_ones():
    """A sine, a step and a pulse: a signal of zeros would show nothing."""
    samples = view("conv 4 5; relu; flatten; linear 3", input=(2, 40)).scene.samples
    assert [sample.name for sample in samples] == ["sine", "step", "pulse"]
    for sample in samples:
        assert sample.item.shape == (2, 40)
        assert np.ptp(sample.item) > 0.9
    sine = samples[0].item[0]
    assert np.sum(sine[:-1] * sine[1:] < 0) == 5  # three periods cross zero five times


def test_inputs_of_ones_own(trained, digit):
    scene = view(trained, digit).scene
    assert [sample["name"] for sample in scene.about["samples"]] == ["one.png"]
    assert len(view(trained, [digit] * 30).scene.about["samples"]) == 24
    with pytest.raises(DataError, match="nowhere"):
        view(trained, "nowhere.png")
    with pytest.raises(DataError, match="nothing"):
        view("lenet5", data="nothing")
    with pytest.raises(SpecError, match="lenet6"):
        view("lenet6")


# ---------------------------------------------------------------------------------------------------------- verb
def test_the_verb_writes_a_file(cli, in_folder, trained, digit):
    done = cli("view", trained, digit, "--html", "page.html")
    assert done.code == 0
    assert re.fullmatch(r"page\.html: \d+ kB; open it in any browser\n", done.err)
    assert "one.png" in (in_folder / "page.html").read_text()
    done = cli("view", "lenet5", "--html", "other.html", "--json")
    assert json.loads(done.out) == {"path": "other.html", "bytes": (in_folder / "other.html").stat().st_size}
    assert json.loads(done.out)["bytes"] <= 700_000


def test_the_verb_takes_the_newest_run(cli, in_folder):
    done = cli("view", "--html", "page.html")
    assert done.code != 0
    assert "runs: contains no trained model; train one (striate train digits) or name a network" in done.err
    for n, name in enumerate(("old", "new")):
        striate.train(f"flatten; linear 10 bias={'yes' if n else 'no'}", "digits", epochs=1, fraction=0.1,
                      out=f"runs/{name}", quiet=True)  # fmt: skip
        stamp = 1_000_000_000 + n
        os.utime(f"runs/{name}/model.safetensors", (stamp, stamp))
    assert newest_run() == Path("runs/new")
    assert cli("view", "--html", "page.html").code == 0
    assert "<title>new</title>" in (in_folder / "page.html").read_text()
    os.utime("runs/old/model.safetensors")
    assert newest_run() == Path("runs/old")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lenet6"], "lenet6"),
        (["lenet5", "missing.png"], "missing.png"),
        (["conv 2 3; relu"], "the network does not say its input size; give one with --input, such as 3x224x224"),
        (["lenet5", "--html", "page.txt"], "page.txt"),
        (["lenet5", "--data", "nothing"], "nothing"),
        (["lenet5", "--port", "70000"], "must be from 0 to 65535, got 70000"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_mistakes(cli, in_folder, words, message):
    done = cli("view", *words, *([] if "--html" in words else ["--html", "page.html"]))
    assert done.code != 0
    assert message in done.err
    assert not list(in_folder.iterdir())


def test_the_verb_serves(shell, in_folder):
    """It prints its address, answers there, and ends with Ctrl-C."""
    command = [sys.executable, "-m", "striate", "view", "lenet5", "--no-browser", "--json"]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # which a job in the background begins without
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=shell.environment, preexec_fn=heard)
    try:
        url = json.loads(process.stdout.readline())["url"]
        assert url.startswith("http://127.0.0.1:")
        text = urllib.request.urlopen(url, timeout=20).read().decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()
    assert text.startswith("<!doctype html>")


def test_the_committed_page_has_the_scripts_and_the_style_of_the_package():
    """Else: ``python docs/scripts/page.py --assets``."""
    spec = importlib.util.spec_from_file_location("page_script", DOCS / "scripts/page.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    text = (DOCS / "pages/lenet5.html").read_text(encoding="utf-8")
    assert script.with_todays_assets(text) == text, "run: python docs/scripts/page.py --assets"
    older = text.replace("--paper", "--plain")
    assert script.with_todays_assets(older) == text
