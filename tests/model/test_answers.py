"""What a model says for every task: numbers in the data's units, masks in the image's size, texts by a clear rule."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from bounds import near, scores_bound
from striate.errors import DataError, ModelError
from striate.model.contract import RESIZE, Contract
from striate.model.model import Model, load
from striate.model.placing import in_pixels, point_map, upright_mask
from striate.model.predictor import output_context
from striate.model.prepare import fit, fit_mask, normalise
from striate.model.sources import Item, network_input, source_items
from striate.model.words import numbers_of
from striate.net import build
from striate.spec import parse
from striate.tasks.answers import Labels, Mask, Prediction, Values, answer_of

GREY = Contract(("a", "b", "c"), (1, 6, 8), "L", (0.5,), (0.25,))
MASKS = replace(GREY, task="segmentation", mask_values=(0, 1, 2))
POINT = Contract(
    ("x", "y", "age"), (1, 6, 8), "L", (0.5,), (0.25,), task="regression", target_mean=(0.5, 0.5, 30.0),
    target_std=(0.1, 0.2, 10.0), positions=((0, 1),),
)  # fmt: skip
TEXT = Contract(("bad", "good"), (5,), "text", (), (), vocabulary=("a", "film", "good"))
SIGNAL = Contract(("up", "down"), (2, 16), "values", (0.0, 1.0), (1.0, 2.0))

sides = st.integers(1, 40)


class Fixed(nn.Module):
    """Answers the same scores for everything."""

    def __init__(self, scores):
        super().__init__()
        self.scores = torch.tensor(scores)

    def forward(self, x):
        return self.scores.expand(len(x), *self.scores.shape)


def bound_of(model, source):
    """How far two answers for *source* may lie apart: alone and in a batch, or at another place of it."""
    contract = model.contract
    if contract.mode == "text":
        numbers = numbers_of([source], contract.vocabulary, contract.input[0])
    else:
        numbers = network_input(Item(source), contract)[0][None]
    return scores_bound(model.module, normalise(numbers, contract))


# --------------------------------------------------------------------------------------------------------- the tasks
def test_several_labels():
    model = Model(Fixed([0.0, -1.0, 2.0]), replace(GREY, task="multilabel"))
    (answer,) = model.predict(Image.new("L", (8, 6)))
    assert isinstance(answer, Labels)
    assert answer.labels == ("a", "c")
    assert dict(answer.probabilities)["b"] == pytest.approx(1 / (1 + np.e))
    assert model.predict(Image.new("L", (8, 6)), threshold=0.6)[0].labels == ("c",)
    assert answer.as_dict()["labels"] == ["a", "c"]
    assert answer.line() == "a 50.0%, c 88.1%"


def test_numbers_come_in_the_datas_units_and_positions_in_the_images_pixels():
    model = Model(Fixed([1.0, -1.0, 0.5]), POINT)  # the middle and a bit right, above; 35 years
    (answer,) = model.predict(Image.new("L", (80, 30)))
    assert isinstance(answer, Values)
    assert dict(answer.values) == pytest.approx({"x": 0.6 * 80, "y": 0.3 * 30, "age": 35.0}, rel=1e-6)
    assert answer.as_dict()["values"].keys() == {"x", "y", "age"}


@given(st.sampled_from(RESIZE), sides, sides, st.floats(0, 1), st.floats(0, 1))
def test_a_place_comes_back_to_where_it_was(resize, width, height, x, y):
    contract = replace(POINT, resize=resize)
    scale_x, scale_y, left, top = point_map((width, height), contract)
    shares = np.array([[(x * width * scale_x + left) / 8, (y * height * scale_y + top) / 6, 7.0]])
    assert in_pixels(shares, contract, np.array([[width, height]]))[0] == pytest.approx([x * width, y * height, 7.0])
    standardised = (shares - contract.target_mean) / contract.target_std
    context = output_context(contract, np.array([[width, height]]))
    again = context.in_pixels(context.unstandardise(standardised))
    assert again[0] == pytest.approx([x * width, y * height, 7.0], abs=1e-6)


def test_a_photo_that_lies_on_its_side(tmp_path):
    """The positions are those of the upright image, from a file as from a Pillow image."""
    image = Image.new("L", (80, 30))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    model = Model(Fixed([1.0, -1.0, 0.5]), POINT)
    with Image.open(tmp_path / "a.jpg") as opened:
        answers = model.predict([tmp_path / "a.jpg", opened])
    for answer in answers:
        assert dict(answer.values) == pytest.approx({"x": 0.6 * 30, "y": 0.3 * 80, "age": 35.0}, rel=1e-6)


# ----------------------------------------------------------------------------------------------------------- masks
@settings(deadline=None)
@given(st.sampled_from(RESIZE), sides, sides, st.integers(0, 2**20))
def test_a_mask_lies_where_its_image_does(resize, width, height, seed):
    """By every rule and from every size: where the network's pixel saw the image, the mask holds its class."""
    contract = replace(MASKS, resize=resize)
    numbers = np.random.default_rng(seed).integers(0, 3, (6, 8)).astype(np.uint8)
    mask = upright_mask(numbers, contract, (width, height))
    assert mask.shape == (height, width)
    scale_x, scale_y, left, top = point_map((width, height), contract)
    for y in range(height):
        for x in range(width):
            column, row = np.floor((x + 0.5) * scale_x + left), np.floor((y + 0.5) * scale_y + top)
            inside = 0 <= column < 8 and 0 <= row < 6
            assert mask[y, x] == (numbers[int(row), int(column)] if inside else 255)
    assert resize == "crop" or (mask != 255).all()


@pytest.mark.parametrize("resize", RESIZE)
def test_a_mask_that_was_made_larger_comes_back_as_it_was(resize):
    contract = Contract(("a", "b"), (1, 60, 80), "L", (0.5,), (0.25,), resize, task="segmentation", mask_values=(0, 1))
    small = np.random.default_rng(0).integers(0, 2, (6, 8)).astype(np.int32)
    assert (upright_mask(fit_mask(small, contract), contract, (8, 6)) == small).all()


def test_a_mask_and_its_shares():
    scores = np.zeros((3, 6, 8), np.float32)
    scores[2, :, 4:] = 1
    model = Model(Fixed(scores.tolist()), MASKS)
    (answer,) = model.predict(Image.new("L", (16, 6)))
    assert isinstance(answer, Mask)
    assert answer.mask.shape == (6, 16)
    assert (answer.mask[:, :8] == 0).all()
    assert (answer.mask[:, 8:] == 2).all()
    assert answer.shares == (("a", 0.5), ("c", 0.5))
    assert answer.as_dict() == {
        "file": None, "size": [6, 16], "classes": [{"class": "a", "share": 0.5}, {"class": "c", "share": 0.5}],
    }  # fmt: skip


def test_few_masks_go_through_at_a_time():
    assert Model(Fixed([0.0]), MASKS).at_a_time(256) == 256
    large = replace(MASKS, input=(1, 1024, 1024))
    assert Model(Fixed([0.0]), large).at_a_time(256) == 5
    assert Model(Fixed([0.0]), replace(MASKS, input=(1, 16000, 16000))).at_a_time(256) == 1


# ----------------------------------------------------------------------------------------------------------- texts
def test_a_text_is_the_sentence_unless_it_is_a_file(tmp_path):
    model = Model(build(parse("input 5; embedding 5 4; adaptivemaxpool 1; flatten; linear 2"), seed=1), TEXT)
    (answer,) = model.predict("A good film!")
    assert isinstance(answer, Prediction)
    assert (answer.text, answer.file) == ("A good film!", None)
    assert answer.as_dict()["text"] == "A good film!"
    path = tmp_path / "lines.txt"
    path.write_text("A good film!\n\nbad\n", encoding="utf-8")
    for source in (path, str(path)):
        answers = model.predict(source)
        assert [(a.file, a.text) for a in answers] == [(str(path), "A good film!"), (str(path), "bad")]
        assert near(answers[0].top, answer.top, bound_of(model, "A good film!"))
    assert near(model.predict(["a film", "A  FILM"])[0].top, model.predict("a film")[0].top, bound_of(model, "a film"))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("none.txt", "none.txt: No such file or directory; expected a text file with a sentence per line"),
        (np.zeros(5), "got a ndarray; expected a text, or a .txt file with a sentence per line"),
    ],
)
def test_what_is_no_text(source, text):
    model = Model(build(parse("input 5; embedding 5 4; adaptivemaxpool 1; flatten; linear 2")), TEXT)
    with pytest.raises(DataError) as caught:
        model.predict(source)
    assert text in str(caught.value)


# ---------------------------------------------------------------------------------------------------------- values
def test_values_from_an_array_and_from_a_file(tmp_path):
    model = Model(build(parse("input 2x16; conv 3 3; relu; adaptivemaxpool 1; flatten; linear 2"), seed=1), SIGNAL)
    signal = np.random.default_rng(0).normal(size=(2, 16))
    np.save(tmp_path / "one.npy", signal)
    by_array, by_file, by_text = model.predict([signal, tmp_path / "one.npy", str(tmp_path / "one.npy")])
    bound = bound_of(model, signal)
    assert near(by_array.top, by_file.top, bound)
    assert near(by_array.top, by_text.top, bound)
    assert by_file.file == str(tmp_path / "one.npy")
    for wrong, text in (
        (signal[:1], "is float64 of shape (1, 16); expected numbers of shape (2, 16)"),
        (signal * np.nan, "the array contains NaN or infinity"),
        ("none.npy", "none.npy: No such file or directory; expected a .npy file with one item"),
    ):
        with pytest.raises(DataError) as caught:
            model.predict(wrong)
        assert text in str(caught.value)
    (tmp_path / "bad.npy").write_bytes(b"no array")
    with pytest.raises(DataError, match=r"bad.npy: not an array that can be read"):
        model.predict(tmp_path / "bad.npy")


def test_images_of_many_channels():
    contract = Contract(("a", "b"), (5, 6, 8), "channels", (0.5,) * 5, (0.25,) * 5)
    model = Model(build(parse("input 5x6x8; flatten; linear 2"), seed=1), contract)
    image = np.random.default_rng(0).integers(0, 256, (12, 16, 5), dtype=np.uint8)
    assert isinstance(model.predict(image)[0], Prediction)
    with pytest.raises(DataError, match=r"uint8 of shape \(12, 16, 4\); expected uint8 \(H, W, 5\)"):
        model.predict(image[..., :4])


# ------------------------------------------------------------------------------------------------------ model files
@pytest.mark.parametrize(
    ("net", "contract", "text"),
    [
        ("conv 4 3 padding=1", MASKS, "for segmentation expected [3, 6, 8]"),
        (
            "conv 3 3",
            MASKS,
            "an output of shape [3, 4, 6], the contract has 3 classes, for segmentation expected [3, 6, 8]",
        ),
        ("flatten; linear 2", POINT, "an output of shape [2], the contract has 3 values"),
        ("flatten; linear 4", replace(GREY, task="multilabel"), "an output of shape [4], the contract has 3 labels"),
    ],
)
def test_the_output_must_be_the_tasks(tmp_path, net, contract, text):
    model = Model(build(parse(f"input 1x6x8; {net}")), contract)
    with pytest.raises(ModelError) as caught:
        model.save(tmp_path / "a.safetensors")
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("net", "contract", "source"),
    [
        ("input 1x6x8; conv 3 3 padding=1", MASKS, Image.new("L", (9, 9), 99)),
        ("input 1x6x8; flatten; linear 3", POINT, Image.new("L", (9, 9), 99)),
        ("input 1x6x8; flatten; linear 3", replace(GREY, task="multilabel"), Image.new("L", (9, 9), 99)),
        ("input 5; embedding 5 4; adaptivemaxpool 1; flatten; linear 2", TEXT, "a good film"),
        ("input 2x16; conv 3 3; adaptivemaxpool 1; flatten; linear 2", SIGNAL, np.ones((2, 16))),
    ],
)
def test_a_model_of_every_task_comes_back_from_its_file(tmp_path, net, contract, source):
    model = Model(build(parse(net), seed=1), contract)
    model.save(tmp_path / "a.safetensors")
    again = load(tmp_path / "a.safetensors")
    assert again.contract == contract
    first, second = model.predict(source)[0].as_dict(), again.predict(source)[0].as_dict()
    assert first == second


def test_the_answer_is_that_of_the_prepared_input():
    model = Model(build(parse("input 1x6x8; flatten; linear 3"), seed=1), GREY)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 13), dtype=np.uint8))
    scores = model.scores(fit(image, GREY)[None])[0]
    assert model.predict(image)[0].top == answer_of("classification", scores, output_context(GREY)).top


@pytest.mark.parametrize("resize", RESIZE)
@pytest.mark.parametrize("contract", [GREY, MASKS, POINT], ids=lambda contract: contract.task.name)
def test_a_file_is_the_same_tensor_in_training_evaluation_and_prediction(tmp_path, resize, contract):
    """Bit for bit, whatever the task, the rule and the file."""
    from striate.datasets import Batches, Part, read_part

    contract = replace(contract, resize=resize)
    rng = np.random.default_rng(0)
    paths = []
    for i, (size, name) in enumerate([((5, 7), "a.png"), ((64, 48), "b.jpg"), ((200, 90), "c.jpg"), ((8, 6), "d.bmp")]):
        image = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
        exif = image.getexif()
        exif[0x0112] = 6 if i == 2 else 1
        image.save(tmp_path / name, exif=exif)
        paths.append(tmp_path / name)
    targets = {
        "classification": np.zeros(4, np.int64), "regression": np.zeros((4, 3), np.float32),
        "segmentation": np.zeros((4, 6, 8), np.uint8),
    }[contract.task.name]  # fmt: skip
    part = Part(tuple(paths), targets, tuple(map(str, paths)))
    if contract.task == "segmentation":
        for path in paths:
            with Image.open(path) as image:
                Image.new("L", image.size).save(tmp_path / f"{path.stem}-mask.png")
        part = replace(part, targets=tuple(tmp_path / f"{path.stem}-mask.png" for path in paths))
        part = part.take([0, 1, 3])  # the third lies on its side, and its mask does not
        paths = [paths[i] for i in (0, 1, 3)]
    arrays = read_part(part, contract)
    (trained, _), *_ = Batches(arrays, contract, batch_size=9)
    predicted = np.stack([network_input(Item(path), contract)[0] for path in paths])
    assert (predicted == arrays.inputs).all()
    assert torch.equal(normalise(predicted, contract), trained)


def test_a_photo_for_a_model_of_texts_is_no_sentence(tmp_path, monkeypatch):
    (tmp_path / "cat.jpg").write_bytes(b"?")
    monkeypatch.chdir(tmp_path)
    (found,) = source_items("cat.jpg", TEXT)
    assert str(found) == "cat.jpg: this is a file, and the model takes texts; expected a sentence or a .txt file"
    for text in ("dog.jpg", "a good cat.jpg", "good", "", "x" * 5000 + ".jpg", "a\0b.jpg"):
        (item,) = source_items(text, TEXT)
        assert item.text == text
