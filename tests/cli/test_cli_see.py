"""filters, maps, activity, unit, field, peaks, explain, imagine from the command line."""

import json
from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture
def model(trained):
    return trained / "model.safetensors"


LOOKS = {  # verb -> what follows the model
    "filters": [],
    "maps": ["DIGIT"],
    "unit": ["DIGIT", "conv1:2:3:4"],
    "field": ["digits", "relu1:1:3:3", "--max-items", "8"],
    "peaks": ["digits", "relu1:0,2", "--max-items", "30", "--top", "4"],
    "explain": ["DIGIT", "--check"],
    "imagine": ["3", "--steps", "4"],
}


@pytest.mark.parametrize("verb", LOOKS)
def test_words_a_picture_and_one_document(cli, in_folder, model, digit, verb):
    words = [str(digit) if word == "DIGIT" else word for word in LOOKS[verb]]
    answer = cli(verb, model, *words, "-o", "out.png")
    assert answer.code == 0, answer.err
    assert answer.out.splitlines()[-1] == "wrote out.png"
    with Image.open("out.png") as image:
        assert image.format == "PNG"
        assert image.info["Description"]
    about = json.loads(cli(verb, model, *words, "--json").out)
    assert about["path"] is None
    assert len(about) > 3 or verb == "peaks"


def test_activity(cli, model):
    answer = cli("activity", model, "digits", "--max-items", "40")
    assert "over 40 items" in answer.out
    about = json.loads(cli("activity", model, "digits", "--json").out)
    assert [layer["layer"] for layer in about["layers"]] == ["conv1", "relu1", "flatten1", "linear1"]


def test_a_unit_down_to_the_pixels(cli, model, digit):
    answer = cli("unit", model, digit, "conv1:2:3:4", "--pixels")
    assert "receptive field: 3x3 pixels of the input, from row 3, column 4" in answer.out
    assert "gradients are local" in answer.out
    about = json.loads(cli("unit", model, digit, "conv1:2:3:4", "--pixels", "--json").out)
    pixels = about["pixels"]
    assert pixels["sum"] + pixels["rest"] == pytest.approx(about["value"])
    assert pixels["rest"] == pytest.approx(about["bias"], abs=1e-5)


def test_every_method(cli, in_folder, model, digit):
    answer = cli("explain", model, digit, "--method", "all", "--json", "-o", "all.png")
    assert [found["method"] for found in json.loads(answer.out)["methods"]][:2] == ["gradient", "gradient_x_input"]
    with Image.open("all.png") as image:
        assert image.width > 1000


def test_a_net_that_nobody_trained_says_so(cli, in_folder):
    answer = cli("filters", "resnet20")
    assert answer.code == 0
    assert "note: random weights: this network is untrained" in answer.out
    assert "conv1: 16 kernels 3x3 of the image" in answer.out
    (in_folder / "net.py").write_text("from torch import nn\n\nnet = nn.Sequential(nn.Conv2d(3, 4, 5), nn.Flatten())\n")
    answer = cli("filters", "net.py:net", "--input", "3x8x8")
    assert "0: 4 kernels 5x5 of the image" in answer.out


def test_texts(cli):
    answer = cli("explain", "textcnn", "a good film", "--method", "gradient_x_input")
    assert answer.code == 0, answer.err
    assert [line.split()[0] for line in answer.out.splitlines() if line.startswith("  ")] == ["a", "good", "film"]


def test_dream(cli, in_folder, model, digit):
    answer = cli("imagine", model, "relu1:1", "--dream", "--start", digit)
    assert answer.code == 2
    assert "does not take an image of" in answer.err  # the net ends in a flatten: one size alone
    answer = cli("imagine", model, "relu1:1", "--start", digit, "--steps", "3")
    assert answer.code == 0


def test_animation(cli, in_folder):
    net = "conv 2 3; relu; flatten; linear 10"
    train = ["train", "digits", "--net", net, "--epochs", "1", "--fraction", "0.1", "--out", "run"]
    assert cli(*train, "--keep-epochs").code == 0
    answer = cli("filters", "run/model.safetensors", "--animation", "a.gif")
    assert "wrote a.gif" in answer.out
    with Image.open("a.gif") as animation:
        assert animation.n_frames == 2


MISTAKES = {
    "no such layer": (["maps", "MODEL", "DIGIT", "conv9"], 2, "did you mean 'conv1'"),
    "no such model": (["filters", "no.safetensors"], 4, "no.safetensors"),
    "no convolution": (["filters", "MODEL", "linear1"], 2, "linear1 is a Linear, not a convolution"),
    "no such kernel": (["filters", "MODEL", "--channel", "9"], 2, "conv1 has the kernels 0 to 3"),
    "no such image": (["maps", "MODEL", "no.png"], 3, "no.png"),
    "no unit": (["unit", "MODEL", "DIGIT", "conv1"], 2, "conv1: expected conv1:CHANNEL:Y:X (4x6x6): channel 0-3"),
    "no such place": (["unit", "MODEL", "DIGIT", "conv1:0:99:0"], 2, "conv1:0:99:0 is outside conv1 (4x"),
    "a class for a unit": (["field", "MODEL", "digits", "3"], 2, "expected one unit, LAYER:CHANNEL:Y:X"),
    "a channel for a unit": (["field", "MODEL", "digits", "relu1:1"], 2, "expected one unit"),
    "no such method": (["explain", "MODEL", "DIGIT", "--method", "gradcm"], 2, "did you mean 'grad_cam'"),
    "no such class": (["explain", "MODEL", "DIGIT", "--class", "cat"], 2, "no class named 'cat'"),
    "no such data": (["peaks", "MODEL", "digit", "relu1"], 3, "did you mean 'digits'"),
    "no such channel": (["peaks", "MODEL", "digits", "relu1:44"], 2, "has the channels 0 to 3"),
    "no epochs": (["filters", "MODEL", "--film", "a.gif"], 4, "train with --keep-epochs"),
    "a dream of nothing": (["imagine", "MODEL", "relu1", "--dream"], 2, "--start IMAGE"),
    "no input": (["filters", "conv 4 3; relu"], 2, "give one with --input"),
    "a basis": (["imagine", "MODEL", "3", "--basis", "pixel"], 2, "did you mean 'pixels'"),
    "order": (["maps", "MODEL", "DIGIT", "--order", "size"], 2, "order is 'size'"),
    "no folder": (["maps", "MODEL", "DIGIT", "-o", "nowhere/a.png"], 2, "no folder nowhere; create it first"),
    "no picture's name": (["imagine", "MODEL", "3", "-o", "a.gif"], 2, "a.gif: the file must end in .png"),
    "no animation's name": (["filters", "MODEL", "--film", "a.png"], 2, "a.png: the file must end in .gif"),
    "a layer for all": (["explain", "MODEL", "DIGIT", "--method", "all", "--layer", "conv1"], 2, "one method"),
    "checks of all": (["explain", "MODEL", "DIGIT", "--method", "all", "--check"], 2, "go with one method"),
    "no rate": (["imagine", "MODEL", "3", "--lr", "nan"], 2, "lr must be above 0"),
}


def test_a_convolution_alone_has_maps(cli, in_folder, digit):
    Path("mine.py").write_text("from torch import nn\n\nalone = nn.Conv2d(1, 2, 3)\n")
    answer = cli("maps", "mine.py:alone", str(digit), "--input", "1x8x8", "--json")
    assert (answer.code, json.loads(answer.out)["path"]) == (0, None)
    answer = cli("explain", "mine.py:alone", str(digit), "--input", "1x8x8", "--class", "none:0")
    assert (answer.code, answer.err) == (2, "striate: no layer named 'none'\n")


def test_numbers_that_json_has_no_word_for_are_null(cli, in_folder, digit):
    lines = ["from torch import nn", "", "broken = nn.Sequential(nn.Conv2d(1, 2, 3))"]
    Path("mine.py").write_text("\n".join([*lines, 'broken[0].weight.data[0] = float("nan")', ""]))
    answer = cli("unit", "mine.py:broken", str(digit), "0:0:0:0", "--input", "1x8x8", "--json")
    about = json.loads(answer.out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert (about["value"], about["exact"], about["weights"][0][0][0]) == (None, False, None)
    assert cli("filters", "mine.py:broken", "--input", "1x8x8", "-o", "a.png").code == 0


@pytest.mark.parametrize("kind", MISTAKES)
def test_one_clear_message(cli, in_folder, model, digit, kind):
    words, code, message = MISTAKES[kind]
    known = {"MODEL": str(model), "DIGIT": str(digit)}
    answer = cli(*(known.get(word, word) for word in words))
    assert (answer.code, message in answer.err) == (code, True), answer
