"""Chains of stages, side by side, and the table of the usual kernels."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from striate.errors import SeeError
from striate.filtering import lab
from striate.filtering.chain import TABLE, parse_chain, read_sides
from striate.filtering.kernels import find_kernel

NUMBERS = np.random.default_rng(0).normal(size=(11, 13))


def test_a_chain_is_that_of_torch():
    x = torch.from_numpy(NUMBERS)[None, None]
    sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=torch.float64)[None, None]
    stages = [F.conv2d(x, sobel, stride=1, padding=1)]
    stages.append(F.relu(stages[-1]))
    stages.append(F.max_pool2d(stages[-1], (2, 3), stride=(2, 1)))
    stages.append(torch.tanh(stages[-1]))
    stages.append(F.avg_pool2d(stages[-1], 2, padding=1))
    found = lab("conv sobel-x padding=1; relu; maxpool 2x3 stride=2x1; tanh; avgpool 2 padding=1", NUMBERS)
    for (_, done), wanted in zip(found.chains[0], stages, strict=True):
        np.testing.assert_allclose(done.output, wanted[0, 0].numpy(), atol=1e-12)
    np.testing.assert_array_equal(found.output, found.chains[0][-1][1].output)


WRITTEN = {
    "conv sobel-x; relu; maxpool 2": ["conv sobel-x", "relu", "maxpool 2"],
    " conv  sobel-x ;; relu ;": ["conv sobel-x", "relu"],
    "conv [0 -1 0; -1 5 -1; 0 -1 0]; relu": ["conv [0 -1 0; -1 5 -1; 0 -1 0]", "relu"],
    "conv '1 2; 3 4' stride=2": ["conv '1 2; 3 4' stride=2"],
    "sobel; gaussian-7; gabor-30": ["sobel", "gaussian-7", "gabor-30"],
    "sobel-x then relu then maxpool 2": ["sobel-x", "relu", "maxpool 2"],
    "conv sobel-x -> relu->maxpool 2": ["conv sobel-x", "relu", "maxpool 2"],
    "sobel-x, relu, conv [1,0;0,1]": ["sobel-x", "relu", "conv [1,0;0,1]"],
    "conv sobel-x\nrelu\n\nmaxpool 2": ["conv sobel-x", "relu", "maxpool 2"],
    "[-1 1]; sigmoid": ["[-1 1]", "sigmoid"],
    "CONV Sobel_X; ReLU": ["CONV Sobel_X", "ReLU"],
}


@pytest.mark.parametrize("text", WRITTEN)
def test_how_a_chain_is_written(text):
    assert [words for words, _ in parse_chain(text)] == WRITTEN[text]
    lab(text, np.ones((40, 40)))


def test_the_text_says_every_stages_size_and_range():
    assert str(lab("conv [1 -1]; relu; maxpool 2", "1 2 9 4; 5 6 1 8; 3 2 1 0; 1 2 3 4")).splitlines()[1:] == [
        "input        4x4  0 to 9",
        "conv [1 -1]  4x3  -7 to 5",
        "relu         4x3  0 to 5",
        "maxpool 2    2x1  1 to 5   never read: the last column (stride 2)",
    ]
    found = lab("identity; tanh", np.full((30, 30), 255, np.uint8))
    assert "tanh      28x28  0.762 to 0.762  divided by 255 first" in str(found)


def test_side_by_side(tmp_path):
    two = lab("conv sobel-x; relu", NUMBERS, beside="conv sobel-y; relu")
    assert [len(chain) for chain in two.chains] == [2, 2]
    assert len({id(scale) for scale in two._scales().values()}) == 1  # their colours can be compared
    three = lab("sobel-x", NUMBERS, beside=["box", "sobel-y"])
    assert [chain[0][0] for chain in three.chains] == ["sobel-x", "box", "sobel-y"]
    one_row, rows = three.picture().image, two.picture().image
    assert one_row.height < rows.height
    with pytest.raises(SeeError, match="the result alone is that of one chain"):
        two.pixels()


def test_what_the_colours_mean_stands_below(monkeypatch):
    footers = []
    monkeypatch.setattr("striate.filtering.chain.panel_grid", lambda *_, footer, **__: footers.append(footer))
    photo = np.random.default_rng(0).integers(0, 255, (9, 9, 3), np.uint8)
    lab("conv sobel-x", photo, channels="volume", beside="tanh").picture()
    lab("sobel-x; tanh", NUMBERS).picture()
    lab("relu", photo).picture()
    assert footers == [
        "The scale bar is for the outputs in colours.\n"
        "Mid grey is zero where an output may be negative, of red, green and blue each by itself.",
        "Blue is negative, near white zero, red positive; or yellow to black, where nothing is negative.",
        "",
    ]


def test_numbers_of_one_kind_have_one_scale():
    scales = lab("sobel-x; relu; maxpool 2; tanh; sobel-y", NUMBERS)._scales()
    assert scales[0, 0] is scales[0, 1] is scales[0, 2]
    assert len({id(scale) for scale in scales.values()}) == 3


def test_the_table(tmp_path):
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (300, 600, 3), np.uint8)).save(tmp_path / "a.png")
    found = lab("table", tmp_path / "a.png")
    assert found.name == "a.png, reduced to 120x240"
    assert [chain[0][0] for chain in found.chains] == list(TABLE)
    assert {"identity", "sharpen", "box", "gaussian", "sobel-x", "laplacian"} <= set(TABLE)
    wanted = np.asarray(Image.open(tmp_path / "a.png").convert("L").resize((240, 120), Image.Resampling.BOX))
    np.testing.assert_array_equal(found.chains[0][0][1].output, wanted[1:-1, 1:-1])
    assert [done.stays_photo for ((_, done),) in found.chains] == [
        abs(find_kernel(name).weights[0].sum() - 1) < 1e-9 for name in TABLE
    ]
    colour = lab("table", tmp_path / "a.png", channels="each")
    assert colour.output.shape == (116, 236, 3)
    assert found.picture().image.size == colour.picture().image.size
    assert lab("table", NUMBERS).picture("grey").alt == "an image: the usual kernels"


def test_small_outputs_are_drawn_with_their_numbers():
    found = lab("sobel-x; relu", np.arange(25, dtype=np.uint8).reshape(5, 5))
    for j in (0, 1):
        np.testing.assert_array_equal(
            found._panel(0, j, "colour", found._scales()).numbers, found.chains[0][j][1].output
        )


def test_json():
    about = lab("sobel-x; relu", "1 2 3; 4 5 6; 7 8 9").as_dict()
    assert about["input"] == [3, 3]
    assert [(stage["stage"], stage["output"], stage["max"]) for stage in about["chains"][0]] == [
        ("sobel-x", [1, 1], 8.0), ("relu", [1, 1], 8.0),
    ]  # fmt: skip


MISTAKES = {
    "": "a chain without stages; expected such as",
    ";;": "a chain without stages",
    "conv sobbel-x": "conv sobbel-x: no kernel named 'sobbel-x'; did you mean 'sobel-x'",
    "conv 6 5": "conv 6 5: expected a kernel, by its name (conv sobel-x) or its numbers in brackets (conv [0 -1 0",
    "conv": "conv: expected a kernel",
    "conv sobel-x 3": "conv sobel-x 3: expected a kernel",
    "linear 10": "no stage named 'linear'; it is one of conv, maxpool, avgpool, sumpool, relu, tanh, sigmoid$",
    "Conv2d(1, 1, 3)": "no stage named 'conv2d(1'",
    "max pool 2": "no stage named 'max'; did you mean 'maxpool'",
    "rellu": "no stage named 'rellu'; did you mean 'relu'",
    "maxpol 2": "no stage named 'maxpol'; did you mean 'maxpool'",
    "maxpool": "maxpool: expected the side of the window, such as maxpool 2",
    "maxpool a": "maxpool a: 'a' is no number of pixels",
    "maxpool 2 dilation=2": "maxpool 2 dilation=2: no field 'dilation'",
    "conv box stride=0": "conv box stride=0: stride must be a whole number of at least 1",
    "conv box strid=2": "no field 'strid'; did you mean 'stride'",
    "relu 3": "relu 3: relu takes no fields; write relu alone",
    "maxpool 2; conv box-7": "conv box-7: a 7x7 window does not fit the 5x6 image; use a smaller window",
    "conv [1 2; 3]": "kernel '1 2; 3': rows of different lengths (2, 1 numbers)",
}


@pytest.mark.parametrize("chain", MISTAKES)
def test_a_mistake_is_one_clear_message(chain):
    with pytest.raises(SeeError) as caught:
        lab(chain, NUMBERS)
    assert MISTAKES[chain] in f"{caught.value}$"


def test_sides():
    assert [read_sides("3"), read_sides("12x1")] == [3, (12, 1)]
    for text in ("", "x", "2x", "2x3x4", "-1", "2.5"):
        with pytest.raises(SeeError, match=r"SIZE: .* is no number of pixels; expected such as 2, or 2x3"):
            read_sides(text, "SIZE")
