"""A misspelt path is answered with the one that is near, whatever the verb and whichever of its words it is."""

from shutil import copytree

import pytest
from PIL import Image

RUN = "runs/digit"
CASES = {
    "runs/digits": [
        ["export", RUN, "--to", "onnx", "-o", "a.onnx"], ["predict", RUN, "photos/1.png"], ["evaluate", RUN, "digits"],
        ["evaluate", "runs/digits", RUN, "digits"], ["serve", RUN], ["check", RUN], ["filters", RUN], ["view", RUN],
        ["maps", RUN, "photos/1.png"], ["explain", RUN, "photos/1.png"], ["train", "digits", "--weights", RUN],
        ["train", "digits", "--net", RUN], ["train", "digits", "--resume", "--out", RUN], ["check", "digts"],
        ["predict", "digits", "photos/1.png"], ["predict", "my_net.py:Net@" + RUN, "photos/1.png"],
    ],
    "runs/digits/model.safetensors": [["predict", "runs/digit/model.safetensors", "photos/1.png"]],
    "mine.net": [["check", "mien.net"], ["check", "mine"], ["train", "digits", "--net", "mien.net"]],
    "my_net.py": [["check", "my_nt.py:Net"]],
    "my weights.pth": [["weights", "resnet18", "my weight.pth", "-o", "a.safetensors"]],
    "recipe.json": [["train", "digits", "--recipe", "recip.json"], ["train", "digits", "--recipe", "recip"]],
    "photos": [
        ["train", "photo/"], ["doctor", "photo"], ["data", "photo"], ["evaluate", "runs/digits", "photo"],
        ["predict", "runs/digits", "photo"],
        ["export", "runs/digits", "--to", "onnx", "-o", "a.onnx", "--compare", "photo"],
    ],
    "photos/1.png": [
        ["predict", "runs/digits", "phtos/1.png"], ["explain", "runs/digits", "photos/11.png"],
        ["view", "runs/digits", "phtos/1.png", "--html", "a.html"],
        ["convolve", "phtos/1.png", "sobel-x", "-o", "x.png"],
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("words", "meant"), [(words, meant) for meant, lines in CASES.items() for words in lines], ids=" ".join
)
def test_what_was_meant_is_said(cli, in_folder, trained, words, meant):
    copytree(trained, "runs/digits")
    (in_folder / "photos").mkdir()
    Image.new("L", (8, 8)).save("photos/1.png")
    for name in ("mine.net", "my_net.py", "my weights.pth", "recipe.json"):
        (in_folder / name).write_text("")
    answer = cli(*words)
    assert answer.code in (2, 3, 4)
    assert f"did you mean {meant!r}" in answer.err.splitlines()[-1]


def test_nothing_near_is_not_made_up(cli, in_folder):
    (in_folder / "holidays").mkdir()
    assert "did you mean" not in cli("predict", "runs/photos", "seven.png").err
    assert "did you mean" not in cli("train", "archive/birds").err
