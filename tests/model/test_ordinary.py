"""Items that are unlike those of training are named, in what, and ordinary ones are not."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import striate
from striate.datasets import open_data
from striate.model.contract import Contract
from striate.model.model import load
from striate.model.ordinary import look_of, ordinary_look, unlike
from striate.run.predicting import predict

RGB = Contract(("a", "b"), (3, 2, 2), "RGB", (0.5,) * 3, (0.5,) * 3)
GREY = Contract(("a", "b"), (1, 8, 8), "L", (0.5,), (0.5,))


def test_the_look_by_hand():
    flat = np.full((1, 3, 2, 2), 51, np.uint8)
    assert look_of(flat, RGB) == pytest.approx(np.array([[0.2, 0, 0, 0]]))
    red = np.zeros((1, 3, 2, 2), np.uint8)
    red[:, 0] = 255  # the first channel is 1 away from the second, that 0 from the third
    assert look_of(red, RGB) == pytest.approx(np.array([[1 / 3, np.sqrt(2) / 3, 0, 0.5]]))
    values = replace(GREY, input=(1, 4), mode="values")
    assert look_of(np.array([[[0.0, 2, 0, 2]]], np.float32), values) == pytest.approx(np.array([[1, 1, 2]]))
    assert look_of(np.zeros((2, 1), np.float32), values).shape == (2, 3)


def test_ordinary_items_are_not_named():
    rng = np.random.default_rng(0)
    made = rng.normal(120, 30, (2500, 1, 8, 8)) + rng.normal(0, 10, (2500, 1, 1, 1))
    inputs = made.clip(0, 255).astype(np.uint8)
    contract = replace(GREY, look=ordinary_look(inputs[:500], GREY))
    assert sum(map(bool, unlike(inputs[500:], [None] * 2000, contract))) <= 20
    assert ordinary_look(np.zeros((0, 1, 8, 8), np.uint8), GREY) == ()
    texts = Contract(("a", "b"), (4,), "text", (), (), vocabulary=("x",))
    assert ordinary_look(np.zeros((5, 4), np.int64), texts) == ()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda x: 255 - x, "brighter"),
        (lambda x: x // 4, "darker"),
        (lambda x: x // 8 + 70, "with less contrast"),
        (lambda x: np.where(np.indices(x.shape)[2:].sum(0) % 2, 255, 0), "with finer detail"),
        (lambda x: np.full_like(x, 80), "smoother"),
    ],
)
def test_another_range_is_named(change, word):
    digits = open_data("digits").train.inputs.reshape(-1, 1, 8, 8)
    contract = replace(GREY, look=ordinary_look(digits, GREY))
    changed = np.asarray(change(digits[:50]), np.uint8)
    assert all(word in words for words in unlike(changed, [None] * 50, contract))


def test_another_size_is_named():
    contract = replace(GREY, smallest=100)
    sizes = [(49, 300), (50, 50), (800, 900), None]
    assert unlike(np.zeros((4, 1, 8, 8), np.uint8), sizes, contract) == [("smaller",), (), (), ()]


def test_training_keeps_what_its_items_look_like_and_predict_warns(in_folder):
    model = striate.train("flatten; linear 10", "digits", epochs=1, out="run", quiet=True)
    assert load("run").contract.smallest == model.contract.smallest == 8
    assert len(model.contract.look) == 3
    said = []
    test = open_data("digits").test.inputs
    predict("run", test, say=said.append)
    assert not [line for line in said if "unlike" in line]
    Image.fromarray(255 - test[0]).save("inverted.png")
    predict("run", ["inverted.png"], say=said.append)
    assert said[-1] == (
        "warning: 1 of 1 items are unlike the training items (fewer than 1 in 100 ordinary items are); predictions for "
        "them may be wrong: inverted.png (brighter)"
    )


def test_of_files_the_sizes_are_those_of_the_files(in_folder):
    rng = np.random.default_rng(0)
    for name in ("dark", "bright"):
        for i in range(12):
            path = in_folder / "photos" / name / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            top = 100 if name == "dark" else 255
            Image.fromarray(rng.integers(top - 100, top, (40 + i, 90), dtype=np.uint8)).save(path)
    model = striate.train("flatten; linear 2", "photos", epochs=1, input=(1, 8, 8), quiet=True)
    assert 40 <= model.contract.smallest <= 44


def test_texts_without_a_word_that_training_saw_are_named(in_folder, cli):
    lines = [
        "label,text",
        *(f"{'good' if i % 2 else 'bad'},the {'fine' if i % 2 else 'dull'} film {i}" for i in range(40)),
    ]
    (in_folder / "films.csv").write_text("\n".join(lines))
    striate.train(None, "films.csv", epochs=1, out="run", baseline=False, quiet=True)
    said = []
    predict("run", ["the fine film", "a dull one"], say=said.append)
    assert said == []
    predict("run", ["the fine film", "\u767e\u5e74\u306e\u5b64\u72ec", ""], say=said.append)
    assert said == [
        "warning: 2 of 3 texts have no word that training saw; what is predicted for them says nothing of them: "
        "'\u767e\u5e74\u306e\u5b64\u72ec', ''"
    ]
    answer = cli("predict", "run", "xyzzy")
    assert "warning: 1 of 1 texts have no word" in answer.err
