"""The splits of a run are its own for whoever measures its model, also those that were drawn at random."""

import csv
import shutil

import numpy as np
import pytest
from PIL import Image

import striate
from striate.model.model import load
from striate.run import parts_for, prepare

RNG = np.random.default_rng(0)
Y = np.arange(90) % 3
X = (RNG.integers(0, 100, (90, 8, 8)) + 70 * Y[:, None, None]).astype(np.uint8)


def train(data, **more):
    return striate.train("flatten; linear 3", data, epochs=1, out="run", quiet=True, **more)


def written(folder="run"):
    with open(f"{folder}/split.csv") as file:
        rows = [*csv.DictReader(file)]
    return {split: [r["item"] for r in rows if r["part"] == split] for split in ("train", "val", "test")}


def measured(model, data, split, **more):
    return [name for held in parts_for(model, data, split, **more) for name in held.arrays.names]


@pytest.fixture
def images(in_folder):
    for i, x in enumerate(X):
        path = in_folder / "photos" / "abc"[Y[i]] / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(x).save(path)
    return in_folder


@pytest.mark.parametrize("settings", [{}, {"seed": 5}, {"fraction": 0.5}])
def test_each_split_is_exactly_the_items_of_the_run(images, settings):
    model = train("photos", **settings)
    own, said = written(), []
    assert measured(model, "photos", "val", say=said.append) == own["val"]
    assert said == []  # also where a fraction of the training split was left out
    assert len(own["val"]) == 8  # a tenth of what is not for testing
    for split, items in own.items():
        for given in (model, load("run"), load("run/model.safetensors")):
            assert measured(given, "photos", split) == items
        assert striate.evaluate("run", "photos", split=split).n == len(items)


def test_the_validation_split_is_as_large_as_was_asked_for(images):
    model = train("photos", validation_fraction=0.25)
    assert {split: len(items) for split, items in written().items()} == {"train": 54, "val": 18, "test": 18}
    assert measured(model, "photos", "val") == written()["val"]


def test_a_validation_split_of_the_data_stays_as_large_as_it_is(in_folder):
    said = []
    data = {"train": (X[:60], Y[:60]), "val": (X[60:75], Y[60:75]), "test": (X[75:], Y[75:])}
    prepare(data, settings={"validation_fraction": 0.25}, say=said.append)
    assert "note: validation_fraction is not used, since the data have a validation split of their own" in said


@pytest.mark.parametrize("form", ["npz", "arrays", "table", "digits"])
def test_whatever_the_data(in_folder, form):
    np.savez("x.npz", x=X, y=Y)
    header = ",".join(["label", *[f"pixel{i}" for i in range(64)]])
    np.savetxt("t.csv", np.c_[Y, X.reshape(90, -1)], "%d", ",", header=header, comments="")
    data = {"npz": "x.npz", "arrays": (X, Y), "table": "t.csv", "digits": "digits"}[form]
    net = "flatten; linear 10" if form == "digits" else "flatten; linear 3"
    model = striate.train(net, data, epochs=1, seed=3, out="run", quiet=True)
    for split, items in written().items():
        assert measured(model, data, split) == items


def test_the_validation_figure_is_the_one_of_training(images, cli):
    train("photos", keep_epochs=True)
    with open("run/metrics.csv") as file:
        (row,) = csv.DictReader(file)
    for model in ("run", "run/epochs/001.safetensors"):
        assert striate.evaluate(model, "photos", split="val").accuracy == float(row["val/accuracy"])
    answer = cli("evaluate", "run", "photos", "--split", "val")
    assert answer.out.startswith("run on the val split of photos\n")
    assert answer.code == 0


def test_from_another_folder_and_with_new_items(images, monkeypatch):
    train("photos")
    own, said = written(), []
    Image.fromarray(X[0]).save("photos/a/new.png")
    monkeypatch.chdir(images / "photos")
    for data in ("../photos", str(images / "photos")):
        found = measured(load("../run"), data, "val", say=said.append)
        assert [name[-8:] for name in found] == [name[-8:] for name in own["val"]]
    assert said == ["note: 1 item of photos in no split of ../run; --split all has them"] * 2


def test_other_data_have_their_own_splits(images):
    model, said = train("photos"), []
    assert {*measured(model, "photos", "test")} == {*written()["test"]}
    shutil.move("photos/a/00.png", "photos/b/00.png")
    with pytest.raises(
        striate.DataError, match=r"photos: has no val split of its own; a run draws one .* or data with a val/"
    ):
        measured(model, "photos", "val", say=said.append)
    (note,) = said
    assert note.startswith("note: not what run was trained on: 1 of its 90 items are not here or have another target, ")
    assert note.endswith("a/00.png (a); the splits are those of photos")
    quiet = []
    others = {"train": (X, np.array(["a", "b", "c"])[Y]), "val": (X[:6], np.array(["a", "b", "c"])[Y[:6]])}
    assert len(measured(model, others, "val", say=quiet.append)) == 6
    assert quiet == []
    shutil.copy("run/model.safetensors", "alone.safetensors")
    with pytest.raises(striate.DataError, match="no val split"):
        measured(load("alone.safetensors"), "photos", "val")
