"""convolve, pool, activation from the command line."""

import json
from pathlib import Path

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
    assert '"op":"tanh"' in Path("a.html").read_text()


def test_a_chain_with_all_its_stages(cli, photo):
    answer = cli("lab", "conv sobel-x; relu; maxpool 2", photo, "-o", "stages.png")
    assert answer.code == 0, answer.err
    assert [line.split()[0] for line in answer.out.splitlines()] == [
        "photo.png,", "input", "conv", "relu", "maxpool", "wrote",
    ]  # fmt: skip
    assert cli("lab", photo, "conv sobel-x; relu; maxpool 2").out == answer.out.replace("wrote stages.png\n", "")
    about = json.loads(cli("lab", "table", photo, "--json").out)
    assert [chain[0]["stage"] for chain in about["chains"]][:2] == ["identity", "sharpen"]
    beside = json.loads(cli("lab", "sobel-x", photo, "--beside", "sobel-y", "--beside", "box", "--json").out)
    assert [chain[0]["stage"] for chain in beside["chains"]] == ["sobel-x", "sobel-y", "box"]


@pytest.mark.parametrize(
    ("words", "mode", "size"),
    [
        (["convolve", "photo.png", "sharpen"], "L", (38, 28)),
        (["convolve", "photo.png", "sharpen", "--channels", "each", "--padding", "same"], "RGB", (40, 30)),
        (["convolve", "photo.png", "sobel-x"], "RGB", (38, 28)),
        (["convolve", "photo.png", "sobel-x", "--show", "grey"], "L", (38, 28)),
        (["convolve", "photo.png", "sobel-x", "--channels", "each"], "RGB", (38, 28)),
        (["pool", "photo.png", "3x4"], "L", (10, 10)),
        (["activation", "photo.png", "tanh"], "RGB", (40, 30)),
        (["lab", "box; maxpool 2", "photo.png"], "L", (19, 14)),
    ],
)
def test_bare_is_the_result_pixel_by_pixel(cli, photo, words, mode, size):
    answer = cli(*words, "--bare", "-o", "out.png")
    assert answer.code == 0, answer.err
    with Image.open("out.png") as image:
        assert (image.mode, image.size) == (mode, size)
    assert "--bare writes the result alone; say where with -o OUT.png" in cli(*words, "--bare").err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["convolve", "1 2 3; 4 5 6; 7 8 9", "-1 0 1; -2 0 2; -1 0 1"], "output\n  8\n"),
        (["convolve", "-1 2 3; 4 5 6", "-1 1", "--stride", "1"], "  3 1\n  1 1\n"),
        (["convolve", "-1 2 3; 4 5 6", "-.5 0"], "   0.5   -1\n"),
        (["convolve", "kernel=-1 1", "image=-1 2 3; 4 5 6"], "  3 1\n"),
        (["convolve", "-1 2; 3 4", "\u22121 1"], "  3\n  1\n"),
        (["convolve", "3 -1; 2 2", "-1"], "  -3  1\n  -2 -2\n"),
        (["activation", "-3 1 2; 0 -1 4"], "  0 1 2\n  0 0 4\n"),
        (["activation", "-3 1 2", "relu"], "  0 1 2\n"),
        (["activation", "-1 1", "--after", "-2 0"], "output\n  2\n"),
        (["pool", "-1 -2; -3 -4", "2"], "output\n  -1\n"),
        (["pool", "--kind", "sum", "-1 -2; -3 -4", "2"], "output\n  -10\n"),
        (["lab", "[-1 1]; relu", "-1 5; 7 3"], "relu    2x1  0 to 6"),
        (["lab", "relu", "-1 5; 7 3", "--beside", "[-1 1]"], "[-1 1]  2x1  -4 to 6"),
    ],
)
def test_numbers_that_begin_with_a_minus_sign(cli, in_folder, words, text):
    answer = cli(*words)
    assert (answer.code, text in answer.out) == (0, True), answer


@pytest.mark.parametrize("kind", ["average", "avg", "mean"])
def test_other_names_of_the_mean(cli, in_folder, kind):
    assert "average pooling 2x2" in (out := cli("pool", "1 2; 3 6", "2", f"kind={kind}").out)
    assert out.endswith("output\n  3\n")


def test_a_volume_is_summed_by_the_first_convolution_of_a_chain(cli, photo):
    about = json.loads(cli("lab", "maxpool 2; relu; conv box", photo, "--channels", "volume", "--json").out)
    assert [stage["output"] for stage in about["chains"][0]] == [[15, 20, 3], [15, 20, 3], [13, 18]]


def test_dropped_columns_are_said(cli, in_folder):
    assert "never read: the last column (stride 2)" in cli("pool", "1 2 5; 3 4 6", "2").out
    assert json.loads(cli("pool", "1 2 5; 3 4 6", "2", "--json").out)["unread"] == {"rows": 0, "columns": 1}


def test_the_lab_as_a_page(cli, in_folder, photo):
    answer = cli("convolve", photo, "sobel-x", "--padding", "full", "--html", "lab.html")
    assert answer.out.splitlines()[-1] == "wrote lab.html"
    assert '"padding":"full"' in Path("lab.html").read_text()
    assert json.loads(cli("pool", "1 2; 3 4", "2", "--html", "pool.html", "--json").out)["html"] == "pool.html"
    assert '"op":"max"' in Path("pool.html").read_text()
    Image.new("RGB", (1200, 600)).save("large.png")
    assert "the image is reduced to 256x512 there" in cli("convolve", "large.png", "box", "--html", "large.html").err
    assert "lab.html: " in cli("view", "--lab", photo, "gaussian-7", "--html", "lab.html").err
    assert '"name":"gaussian-7","kernel"' in Path("lab.html").read_text()
    cli("view", "--lab", "--html", "own.html")
    assert '"image":null' in Path("own.html").read_text()


def test_list(cli):
    answer = cli("convolve", "--list", "--json")
    assert {"sobel-x", "log"} <= {kernel["name"] for kernel in json.loads(answer.out)}
    assert "sharpen: " in cli("convolve", "--list").out


MISTAKES = {
    "a negative size": (["pool", "photo.png", "-3"], 2, "SIZE: '-3' is no number of pixels"),
    "rows of an image": (["pool", "1 2; 3", "2"], 2, "image '1 2; 3': rows of different lengths (2, 1 numbers)"),
    "a stage": (["lab", "relu; linear 3", "photo.png"], 2, "no stage named 'linear'; it is one of conv"),
    "several alone": (["lab", "relu", "photo.png", "--beside", "box", "--bare", "-o", "a.png"], 2, "leave out --bare"),
    "no kernel": (["convolve", "photo.png"], 2, "expected IMAGE and KERNEL"),
    "an unknown kernel": (["convolve", "photo.png", "sobbel"], 2, "did you mean 'sobel'"),
    "no such file": (["convolve", "phot.png", "sobel"], 3, "phot.png: file not found"),
    "too large": (["convolve", "1 2; 3 4", "box"], 2, "a 3x3 window does not fit the 2x2 image"),
    "pool kind": (["pool", "1 2; 3 4", "2", "--kind", "median"], 2, "no pooling named 'median'"),
    "a sum of pools": (["pool", "photo.png", "2", "--channels", "volume"], 2, "which pooling does not take; use grey"),
    "a sum of relus": (["activation", "photo.png", "--channels", "volume"], 2, "which an activation does not take"),
    "activation": (["activation", "1 2; 3 4", "gelu"], 2, "no activation named 'gelu'"),
    "no folder": (["convolve", "1 2; 3 4", "1 0; 0 1", "-o", "nowhere/a.png"], 2, "no folder nowhere; create it first"),
    "no folder of steps": (["convolve", "1 2; 3 4", "1 0; 0 1", "--steps", "nowhere/a.gif"], 2, "no folder nowhere"),
    "too much for the lab": (
        ["view", "--lab", "photo.png", "box", "3"],
        2,
        "--lab takes IMAGE and KERNEL, got",
    ),
    "a page's name": (["convolve", "photo.png", "box", "--html", "lab.png"], 2, "lab.png"),
    "padding": (
        ["convolve", "1 2; 3 4", "1 0; 0 1", "--padding", "\u00b2"],
        2,
        "expected valid, same, full or a",
    ),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_one_clear_message(cli, photo, kind):
    words, code, message = MISTAKES[kind]
    answer = cli(*words)
    assert (answer.code, message in answer.err) == (code, True), answer
    assert "Traceback" not in answer.err
