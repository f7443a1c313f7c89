"""What a model answers: for every kind of source, and the same answer whichever way the pixels come."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from bounds import near, scores_bound
from strategies import examples
from striate.datasets import open_data, read_part
from striate.errors import DataError
from striate.model.contract import Contract
from striate.model.image import decode
from striate.model.model import Model
from striate.model.prepare import fit, normalise
from striate.net import build
from striate.run import measure, parts_for
from striate.spec import parse

GREY = Contract(("a", "b", "c"), (1, 7, 9), "L", (0.3,), (0.2,))
COLOUR = Contract(("a", "b", "c"), (3, 7, 9), "RGB", (0.3, 0.4, 0.5), (0.2, 0.3, 0.25), resize="fit")


def model_of(contract):
    text = f"input {'x'.join(map(str, contract.input))}; conv 4 3; batchnorm; relu; flatten; linear 3"
    return Model(build(parse(text), seed=1), contract)


@pytest.fixture(scope="module")
def grey():
    return model_of(GREY)


@pytest.fixture(scope="module")
def colour():
    return model_of(COLOUR)


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (14, 18, 3), dtype=np.uint8)


def probabilities(model, source):
    (answer,) = model.predict(source)
    return np.array([dict(answer.top)[name] for name in model.contract.classes])


def inputs_of(model, images):
    return normalise(np.stack([fit(image, model.contract) for image in images]), model.contract)


# ------------------------------------------------------------------------------------------------------- sources
def test_an_answer(colour, pixels, tmp_path):
    path = tmp_path / "a photo, ž.png"
    Image.fromarray(pixels).save(path)
    (answer,) = colour.predict(path)
    assert answer.file == str(path)
    assert (answer.class_, answer.probability) == answer.top[0]
    assert [name for name, _ in sorted(answer.top)] == ["a", "b", "c"]
    assert list(answer.top) == sorted(answer.top, key=lambda item: -item[1])
    assert sum(p for _, p in answer.top) == pytest.approx(1, abs=1e-12)
    assert answer.as_dict() == {
        "file": str(path),
        "class": answer.class_,
        "probability": answer.probability,
        "top": [{"class": name, "probability": p} for name, p in answer.top],
    }


def test_a_folder_is_searched_through_and_what_is_hidden_is_not(grey, pixels, tmp_path):
    for name in ("b.png", "a.png", "inner/deep/c.PNG", ".hidden.png", ".ipynb_checkpoints/a.png", "__MACOSX/a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    files = [answer.file for answer in grey.predict(tmp_path)]
    assert files == [str(tmp_path / name) for name in ("a.png", "b.png", "inner/deep/c.PNG")]


def test_a_folder_without_images_is_no_answer(grey, tmp_path):
    with pytest.raises(DataError) as caught:
        grey.predict(tmp_path)
    assert str(caught.value) == f"{tmp_path}: no images in this folder"


def test_a_list_of_every_kind(colour, pixels, tmp_path):
    path = tmp_path / "a.png"
    image = Image.fromarray(pixels)
    image.save(path)
    answers = colour.predict([path, str(path), image, pixels, pixels / 255, tmp_path])
    assert [answer.file for answer in answers] == [str(path), str(path), None, None, None, str(path)]
    bound = scores_bound(colour.module, inputs_of(colour, [image]))
    assert all(near(answer.top, answers[0].top, bound) for answer in answers[1:])
    assert colour.predict([]) == []
    assert len(colour.predict(p for p in [path, path])) == 2


def same_pixels(model, source, wanted):
    assert np.array_equal(probabilities(model, source), probabilities(model, wanted))


def test_pillow_images_of_other_modes(colour, grey, pixels):
    image = Image.fromarray(pixels)
    rgba = image.convert("RGBA")
    same_pixels(colour, rgba, image)
    rgba.putalpha(0)
    same_pixels(colour, rgba, Image.new("RGB", image.size))  # what is transparent is black
    palette = image.quantize(16)
    same_pixels(colour, palette, palette.convert("RGB"))
    same_pixels(colour, image.convert("L"), image.convert("L").convert("RGB"))
    same_pixels(grey, image, image.convert("L"))
    deep = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    assert deep.mode == "I;16"
    same_pixels(grey, deep, Image.fromarray(pixels[..., 0]))


def test_arrays(colour, grey, pixels):
    same_pixels(colour, pixels, Image.fromarray(pixels))
    same_pixels(colour, pixels.astype(np.float64) / 255, pixels)
    same_pixels(colour, pixels.astype(np.float32) / 255, pixels)
    same_pixels(grey, pixels[..., 0], Image.fromarray(pixels[..., 0]))
    same_pixels(grey, pixels[..., :1], pixels[..., 0])
    same_pixels(colour, pixels[::-1], np.ascontiguousarray(pixels[::-1]))


def test_batches_and_tensors_are_their_items(colour, grey, pixels):
    batch = np.random.default_rng(1).integers(0, 256, (5, 10, 12, 3), dtype=np.uint8)
    alone = [answer.top for answer in colour.predict([*batch])]
    for source in (batch, batch.transpose(0, 3, 1, 2), torch.from_numpy(batch), [*batch], [*torch.from_numpy(batch)]):
        assert [answer.top for answer in colour.predict(source)] == alone
    assert [answer.file for answer in colour.predict(batch)] == [f"item {i}" for i in range(5)]
    same_pixels(colour, torch.from_numpy(pixels).permute(2, 0, 1), pixels)
    greys = batch[..., 0]
    alone = [answer.top for answer in grey.predict([*greys])]
    for source in (greys, greys[..., None], greys[:, None], torch.from_numpy(greys[:, None])):
        assert [answer.top for answer in grey.predict(source)] == alone
    assert len(grey.predict(greys[:3])) == 3  # no image whose channels come first


class Lazy:
    """A stand-in for the objects that people pass: neither a path, an image nor an array."""


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (np.zeros((4, 4), np.int64), "the array is int64, expected uint8 or floats in 0..1"),
        (np.full((4, 4), 200.0), "the array's floats go from 200 to 200, expected 0 to 1; divide by 255"),
        (np.full((4, 4), np.nan), "the array contains NaN or infinity"),
        (np.zeros((5, 8, 8, 7), np.uint8), "the array's shape is (5, 8, 8, 7)"),
        (np.zeros((2, 5, 8, 8, 3), np.uint8), "the array's shape is (2, 5, 8, 8, 3)"),
        (np.zeros((0, 8), np.uint8), "it is empty"),
        (Image.new("F", (4, 4)), "the pixels are floating point"),
        ([Lazy()], "got a Lazy; expected a path"),
        (None, "got a NoneType; expected a path"),
    ],
    ids=lambda value: str(value)[:20] if isinstance(value, str) else type(value).__name__,
)
def test_sources_that_are_none(grey, source, text):
    with pytest.raises(DataError) as caught:
        grey.predict(source)
    assert text in str(caught.value)


def test_a_pillow_image_that_turns_out_damaged(grey, pixels, tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with Image.open(path) as image, pytest.raises(DataError, match="damaged or cut short"):
        grey.predict(image)


def test_one_bad_file_among_good_ones(grey, pixels, tmp_path):
    Image.fromarray(pixels).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no image")
    Image.fromarray(pixels).save(tmp_path / "c.png")
    first, error, last = grey.answers([tmp_path / "a.png", tmp_path / "b.png", tmp_path / "c.png"], batch_size=2)
    assert first.top == last.top
    assert isinstance(error, DataError)
    assert str(error).startswith(f"{tmp_path / 'b.png'}: not an image that can be read")
    with pytest.raises(DataError, match=r"b\.png"):
        grey.predict(tmp_path)


# ------------------------------------------------------------------------------------------------- what it answers
@given(n=st.integers(1, 9), batch=st.integers(1, 10), seed=st.integers(0, 99))
@examples(30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_batch_changes_no_answer_and_probabilities_sum_to_one(colour, n, batch, seed):
    images = list(np.random.default_rng(seed).integers(0, 256, (n, 8, 8, 3), dtype=np.uint8))
    together = colour.predict(images, batch_size=batch)
    bound = scores_bound(colour.module, inputs_of(colour, map(Image.fromarray, images)))
    for image, answer in zip(images, together, strict=True):
        alone = colour.predict(image)[0].top
        assert sum(p for _, p in alone) == pytest.approx(1, abs=1e-9)
        assert near(alone, answer.top, bound)


def test_the_probabilities_are_the_softmax_of_the_nets_scores(grey, pixels):
    x = normalise(fit(Image.fromarray(pixels), GREY)[None], GREY)
    with torch.no_grad():
        wanted = grey.module.eval()(x).softmax(1)[0]
    assert probabilities(grey, pixels) == pytest.approx(wanted.numpy(), abs=1e-6)


def test_a_net_that_ends_in_softmax_answers_its_own_probabilities(pixels):
    text = "input 1x7x9; flatten; linear 3"
    plain, soft = (Model(build(parse(t), seed=1), GREY) for t in (text, text + "; softmax"))
    assert np.array_equal(probabilities(soft, pixels), probabilities(plain, pixels))


def test_predicting_leaves_the_mode_and_uses_no_dropout(pixels):
    text = "input 1x7x9; dropout; flatten; linear 3"
    model = Model(build(parse(text), seed=1).train(), GREY)
    assert np.array_equal(probabilities(model, pixels), probabilities(model, pixels))
    assert model.module.training


def test_a_module_without_weights_answers_too():
    model = Model(nn.Flatten(), Contract(("a", "b"), (1, 1, 2), "L", (0.0,), (1.0,)))
    assert model.predict(np.array([[0, 255]], np.uint8))[0].class_ == "b"


# ----------------------------------------------------------------------------- the law: one preparation for all ways
@pytest.mark.parametrize("contract", [GREY, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize("way", ["stretch", "fit", "crop"])
def test_training_evaluation_and_prediction_see_the_same_tensor(tmp_path, photos, contract, way):
    from dataclasses import replace

    contract = replace(contract, classes=("cat", "dog", "ž 猫"), resize=way)
    photos(tmp_path / "data", {"cat": 5, "dog": 4, "ž 猫": 3})
    seen = []

    class Watched(nn.Module):
        def __init__(self):
            super().__init__()
            self.flat, self.out = nn.Flatten(), nn.Linear(int(np.prod(contract.input)), 3)

        def forward(self, x):
            seen.append(x.clone())
            return self.out(self.flat(x))

    model = Model(Watched(), contract)
    data = open_data(tmp_path / "data")
    training = normalise(read_part(data.test, contract).inputs, contract)
    measure(model, *parts_for(model, tmp_path / "data"))
    model.predict([*data.test.names])
    evaluation, prediction = seen
    assert torch.equal(training, evaluation)
    assert torch.equal(training, prediction)
    one = normalise(fit(decode(data.test.names[0], contract.mode), contract)[None], contract)
    assert torch.equal(one, training[:1])
