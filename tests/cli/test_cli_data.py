import json

import numpy as np
import pytest
from PIL import Image

from striate.run import api
from striate.run.making import prepare


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_a_data_set_is_described(cli):
    answer = cli("data", "digits")
    assert answer.code == 0
    assert answer.err == ""
    lines = answer.out.splitlines()
    assert lines[0] == "digits: classification into 10 classes (built in)"
    assert lines[1] == "images: 1x8x8, grey"
    assert lines[4].split() == ["items", "1,437", "360"]
    assert lines[5].split() == ["0", "142", "36"]


def test_json_is_one_document(cli):
    answer = cli("data", "digits", "--json")
    found = json.loads(answer.out)
    assert found["task"] == "classification"
    assert found["items"] == {"train": 1437, "test": 360}
    assert sum(found["counts"]["train"]) == 1437
    assert found["notes"] == []


def test_uneven_classes_are_said(cli, photos, in_folder):
    photos(in_folder / "zoo", {"cat": 30, "dog": 5})
    answer = cli("data", "zoo")
    assert "note: cat is 6.0 times as frequent as dog: train with --balance weights or sampling" in answer.out
    assert json.loads(cli("data", "zoo", "--json").out)["notes"][-1].startswith("cat is 6.0 times")


def test_a_sheet_is_written_and_said(cli, in_folder):
    answer = cli("data", "digits", "--sheet", "sheet.png", "--augment", "standard", "--json")
    assert json.loads(answer.out)["sheet"] == "sheet.png"
    assert "augment: images are flipped left to right; where that changes the label" in answer.err
    assert "wrote sheet.png" in answer.err
    page = pixels("sheet.png")
    assert 900 < page.shape[1] < 1000
    assert (page[0] == 255).all()
    again = cli("data", "digits", "--sheet", "again.png", "--augment", "standard")
    assert again.code == 0
    assert np.array_equal(pixels("again.png"), page)
    cli("data", "digits", "--sheet", "other.png", "--augment", "standard", "--seed", "1")
    assert not np.array_equal(pixels("other.png"), page)


def test_a_sheet_of_photos_in_an_input_of_the_networks(cli, photos, in_folder):
    photos(in_folder / "zoo", {"cat": 4, "dog": 4})
    answer = cli("data", "zoo", "--sheet", "a.png", "--input", "1x20x30", "--resize", "fit", "--part", "test")
    assert answer.code == 0
    assert pixels("a.png").shape[0] > 100


@pytest.mark.parametrize(
    "data",
    ["digits", "shapes", "shapes:grey,size=64,n=40", "shapes:segmentation,n=40", "shapes:regression,n=40",
     "shapes:size=300,n=12,test=4", "photos"],
)  # fmt: skip
def test_the_sheet_shows_the_size_that_train_takes(photos, in_folder, monkeypatch, data):
    photos(in_folder / "photos", {"cat": 5, "dog": 5})
    shown = []
    blank = Image.new("L", (4, 4))
    monkeypatch.setattr(api, "contact_sheet", lambda rows, contract, **about: shown.append(about) or blank)
    api.data(data, sheet="sheet.png")
    taken = prepare(data, settings={"epochs": 1}, out=str(in_folder / "run")).model.contract.input
    assert f"as {'x'.join(map(str, taken))}, resize stretch" in shown[0]["about"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["digits", "--augment", "strnog"], 2, "no preset or setting named 'strnog'; did you mean 'strong'?"),
        (["digits", "--sheet", "a.png", "--resize", "squash"], 2, "resize is 'squash'"),
        (["digits", "--resize", "crop"], 2, "--resize crop is for the contact sheet; add --sheet sheet.png"),
        (["digits", "--augment", "light", "--seed", "3"], 2, "--augment light is for the contact sheet"),
        (
            ["digits", "--sheet", "a.png", "--part", "val2"],
            2,
            "split is 'val2'; did you mean 'val'?",
        ),
        (["digits", "--sheet", "a.txt"], 2, "a.txt: the file must end in .png"),
        (["digits", "--sheet", "a.png", "--input", "8x8"], 4, "input must be channels, height, width, got [8, 8]"),
        (["digits", "--sheet", "a.png", "--augment", "shift=40"], 2, "shift=40 pixels is too far for images of 32x32"),
        ([""], 3, "DATA is empty; give a built-in name"),
        (["no-such-data"], 3, "no-such-data: file not found"),
    ],
)
def test_mistakes_are_answered_in_a_line(cli, in_folder, words, code, message):
    answer = cli("data", *words)
    assert answer.code == code
    assert message in answer.err
    assert answer.err.count("\n") == 1
    assert not list(in_folder.iterdir())
