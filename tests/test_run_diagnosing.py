"""The weak slices of a model on images, texts and tables: what was planted is named first, by ``evaluate`` too."""

import json

import numpy as np
import pytest
from PIL import Image

import striate
from striate.diagnosis.properties import column_property, file_properties, image_properties, text_properties
from striate.run.diagnosing import item_properties
from striate.run.measuring import parts_for


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    out = tmp_path_factory.mktemp("diagnosed") / "run"
    return striate.train("conv 16 3; relu; maxpool 2; flatten; linear 10", "digits", epochs=4, out=out, quiet=True)


@pytest.fixture(scope="module")
def digits():
    test = striate.open_data("digits").test
    return test.inputs, test.labels


def first_slice(model, x, y):
    return striate.weak_slices(model, {"test": (x, y), "train": (x[:99], y[:99])}).slices[0]


def test_on_the_data_as_they_are_nothing_is_named(model):
    found = striate.weak_slices(model, "digits")
    assert (found.slices, found.n) == ((), 360)
    assert found.looked_at > 20


def test_dark_images_are_named_first(model, digits):
    x, y = digits
    x = x.copy()
    x[::10] //= 16
    weak = first_slice(model, x, y)
    assert weak.property == "brightness"
    assert weak.name.endswith(" or less")
    assert (weak.items % 10 == 0).mean() > 0.8


def test_small_objects_are_named_first(model, digits):
    x, y = digits
    large = np.kron(x, np.ones((1, 3, 3), np.uint8))
    for i in range(0, len(x), 8):
        large[i] = 0
        large[i, 8:16, 8:16] = x[i]
    weak = first_slice(model, large, y)
    assert weak.property == "object area"
    assert (weak.items % 8 == 0).mean() > 0.7


def test_a_folder_is_named_first_by_evaluate(model, digits, cli, tmp_path):
    """The images of one day are turned."""
    x, y = digits
    for i, (image, label) in enumerate(zip(x, y, strict=True)):
        path = tmp_path / "photos" / str(label) / f"day{i % 7}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.rot90(image) if i % 7 == 3 else image).save(path)
    answer = cli("evaluate", model.path, tmp_path / "photos", "--split", "all", "--json")
    said = json.loads(answer.out)
    assert [weak["name"] for weak in said["slices"]] == ["folder, 2 deep day3"]
    assert said["slices"][0]["n"] == sum(i % 7 == 3 for i in range(360))
    assert said["slices_looked_at"] > 20
    text = cli("evaluate", model.path, tmp_path / "photos", "--split", "all").out
    assert "weak slices (" in text
    assert "folder, 2 deep day3" in text.split("weak slices")[1]
    assert "error rate" in text


def test_the_other_columns_of_a_table_are_properties(model, digits, tmp_path):
    x, y = digits
    rows = ["file,label,camera,iso,brightness"]
    for i in range(40):
        Image.fromarray(x[i]).save(tmp_path / f"{i}.png")
        rows.append(f"{i}.png,{y[i]},{'ab'[i % 2]},{i * 100 or ''},{'cd'[i % 2]}")
    (tmp_path / "table.csv").write_text("\n".join(rows))
    (held,) = parts_for(model, tmp_path / "table.csv", "train")
    found, which = item_properties([held]), [int(name.split("/")[-1][:-4]) for name in held.arrays.names]
    assert len(which) > 25
    assert found["camera"].tolist() == ["ab"[i % 2] for i in which]
    assert found["iso"] == pytest.approx([i * 100 if i else np.nan for i in which], nan_ok=True)
    assert found["label"].tolist() == [str(y[i]) for i in which]
    assert found["column brightness"].tolist() == ["cd"[i % 2] for i in which]  # beside the image's own
    assert found["brightness"].dtype == np.float32
    assert set(found["pixels"]) == {64}
    assert set(found["file type"]) == {"png"}


def test_masks_numbers_and_labels_have_properties_of_their_own(tmp_path):
    for task, outputs, names in (
        ("segmentation", "conv 9 3 padding=1", {"object area", "with circle", "brightness"}),
        ("regression", "flatten; linear 3", {"x", "y", "size", "brightness"}),
        ("multilabel", "flatten; linear 8", {"with circle", "contrast"}),
    ):
        data = f"shapes:{task},n=30,test=12"
        model = striate.train(outputs, data, epochs=1, out=tmp_path / task, quiet=True)
        assert item_properties(parts_for(model, data)).keys() >= names
        scores = striate.evaluate(model, data)
        assert len(scores.errors) == scores.n == 12
        assert scores.error.text(float(np.nanmean(scores.errors)))


def test_properties_follow_what_they_are_named_after():
    rng = np.random.default_rng(0)
    photo = rng.integers(60, 200, (1, 32, 32), np.uint8)
    dark, flat = photo // 4, photo // 8 + 110
    found = image_properties(np.concatenate([photo, dark, flat]))
    assert found["brightness"][1] < found["brightness"][0] / 3
    assert found["contrast"][2] < found["contrast"][0] / 7
    sizes = []
    for radius in (3, 6, 12):
        y, x = np.ogrid[:32, :32]
        disc = np.where((x - 16) ** 2 + (y - 16) ** 2 < radius**2, 220, 30).astype(np.uint8)
        sizes += [image_properties(disc[None])["object area"][0], image_properties(disc[None] // 6)["object area"][0]]
    assert sizes == pytest.approx([np.pi * r * r / 1024 for r in (3, 3, 6, 6, 12, 12)], rel=0.15)
    assert image_properties(np.zeros((2, 8, 8), np.uint8))["object area"].tolist() == [0, 0]


def test_texts_files_and_columns_at_their_edges():
    assert text_properties([]).keys() == {"words"}
    assert file_properties([]).keys() == {"file type"}
    assert column_property([]).tolist() == []
    assert column_property(["a", "b", "c"]) is None
    words = [["the", f"w{i}"] + ["not"] * (i % 3 == 0) for i in range(60)]
    found = text_properties(words)
    assert found["with the word 'not'"].sum() == 20  # and 'the', which every text has, is no slice
    assert found.keys() & {"with the word 'the'"} == set()
