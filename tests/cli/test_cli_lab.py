"""convolve, pool, activation from the command line."""

import json

import numpy as np
import pytest
from PIL import Image

NUMBERS = "1 1 1 0 0; 0 1 1 1 0; 0 0 1 1 1; 0 0 1 1 0; 0 1 1 0 0"


@pytest.fixture
def photo(in_folder):
    Image.fromarray(np.arange(30 * 40 * 3).reshape(30, 40, 3).astype(np.uint8)).save("photo.png")
    return "photo.png"


def test_convolve_typed_numbers(cli, in_folder):
    answer = cli("convolve", NUMBERS, "1 0 1; 0 1 0; 1 0 1")
    assert answer.code == 0
    assert "output 3x3: 2 to 4" in answer.out
    assert "  4 3 4\n  2 4 3\n  2 3 4" in answer.out
    assert "--steps OUT.gif" in answer.err


@pytest.mark.parametrize("channels", ["grey", "each", "volume"])
def test_convolve_a_photo(cli, photo, channels):
    options = ["--channels", channels, "--padding", "same", "-o", "out.png", "--json"]
    answer = cli("convolve", photo, "gaussian-5", *options)
    assert answer.code == 0, answer.err
    about = json.loads(answer.out)
    assert about["output"][:2] == [30, 40]
    assert about["kernel"]["name"] == "gaussian-5"
    assert about["path"] == "out.png"
    with Image.open("out.png") as image:
        assert image.format == "PNG"


def test_steps(cli, photo):
    assert cli("pool", photo, "10", "--kind", "average", "--steps", "a.gif").code == 0
    with Image.open("a.gif") as image:
        assert image.n_frames == 12
    assert cli("activation", photo, "tanh", "--after", "sobel-x", "--steps", "a.html", "-o", "a.png").code == 0


def test_list(cli):
    answer = cli("convolve", "--list", "--json")
    assert {"sobel-x", "log"} <= {kernel["name"] for kernel in json.loads(answer.out)}
    assert "sharpen: " in cli("convolve", "--list").out


MISTAKES = {
    "no kernel": (["convolve", "photo.png"], 2, "expected IMAGE and KERNEL"),
    "an unknown kernel": (["convolve", "photo.png", "sobbel"], 2, "did you mean 'sobel'"),
    "no such file": (["convolve", "phot.png", "sobel"], 3, "phot.png: there is no such file"),
    "too large": (["convolve", "1 2; 3 4", "box"], 2, "a 3x3 window does not fit the 2x2 image"),
    "pool kind": (["pool", "1 2; 3 4", "2", "--kind", "mean"], 2, "no pooling named 'mean'"),
    "activation": (["activation", "1 2; 3 4", "gelu"], 2, "no activation named 'gelu'"),
    "no folder": (["convolve", "1 2; 3 4", "1 0; 0 1", "-o", "nowhere/a.png"], 2, "no folder nowhere; create it first"),
    "no folder of steps": (["convolve", "1 2; 3 4", "1 0; 0 1", "--steps", "nowhere/a.gif"], 2, "no folder nowhere"),
    "padding": (["convolve", "1 2; 3 4", "1 0; 0 1", "--padding", "\u00b2"], 2, "expected valid, same or a number"),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_one_clear_message(cli, photo, kind):
    words, code, message = MISTAKES[kind]
    answer = cli(*words)
    assert (answer.code, message in answer.err) == (code, True), answer
    assert "Traceback" not in answer.err
