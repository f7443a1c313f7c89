"""Folders as people have them, rebuilt small: the layouts of well-known public sets, and others of their kind."""

import shlex

import numpy as np
import pytest
from PIL import Image

from striate.datasets import open_data
from striate.errors import DataError

SIDE = 12


def photo(path, seed=0, side=SIDE, format=None):
    """Noise of many values, at *path* (made with its folders), in the format of its suffix or another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(abs(hash(path.name)) % 2**31 + seed).integers(0, 256, (side, side, 3), np.uint8)
    Image.fromarray(pixels).save(path, format)
    return path


def build(root, *paths):
    """A photo at each of the *paths*; ``a/{0..3}.jpg`` stands for four of them."""
    for text in paths:
        head, _, rest = text.partition("{")
        if not rest:
            photo(root / text)
            continue
        numbers, _, tail = rest.partition("}")
        first, last = map(int, numbers.split(".."))
        for i in range(first, last + 1):
            photo(root / f"{head}{i}{tail}")
    return root


def counts(data):
    return {name: len(part) for name, part in data.parts.items()}


def message(path, **options):
    with pytest.raises(DataError) as caught:
        open_data(path, **options)
    return str(caught.value)


SPLITS = [
    ("training_set", None, "test_set"),
    ("seg_train/seg_train", None, "seg_test/seg_test"),
    ("Train_data", None, "Test_data"),
    ("training", "validation", "testing"),
    ("train", "dev", "test"),
    ("trainset", "valset", "testset"),
    ("images_train", "images_val", "images_test"),
    ("Train/train", None, "Test/test"),
    ("TrainData", "ValidData", "TestData"),
    ("asl_alphabet_train/asl_alphabet_train", None, "asl_alphabet_test/asl_alphabet_test"),
    ("01_train", None, "02_eval"),
    ("train/train_images", "val/val_images", None),
]


@pytest.mark.parametrize(("train", "val", "test"), SPLITS)
def test_splits_by_any_usual_name(tmp_path, train, val, test):
    for split, last in ((train, 3), (val, 1), (test, 2)):
        if split:
            build(tmp_path, f"{split}/cats/c{{0..{last}}}.jpg", f"{split}/dogs/d{{0..{last}}}.jpg")
    data = open_data(tmp_path)
    assert data.classes == ("cats", "dogs")
    found = counts(data)
    assert found["train"] == (8 if test else 6)
    assert found.get("val", 0) == (4 if val else 0)
    assert found["test"] == (6 if test else 2)  # or a fifth of the training split


@pytest.mark.parametrize(("train", "test"), [("photos", "test"), ("pictures", "holdout"), ("all", "testing")])
def test_a_folder_beside_a_test_split_with_the_same_classes_is_the_training_split(tmp_path, train, test):
    build(tmp_path, f"{train}/a/{{0..3}}.png", f"{train}/b/{{0..3}}.png", f"{test}/a/9.png", f"{test}/b/9.png")
    data = open_data(tmp_path)
    assert (data.classes, counts(data)) == (("a", "b"), {"train": 8, "test": 2})
    assert f"{train}/ is taken for the training split: it has the class folders of {test}/" in data.notes


@pytest.mark.parametrize("names", [("train", "bus", "car"), ("train station", "bus station"), ("test tube", "flask")])
def test_classes_that_are_called_as_splits_are(tmp_path, names):
    build(tmp_path, *(f"{name}/{{0..4}}.png" for name in names))
    assert open_data(tmp_path).classes == tuple(sorted(names))


def test_two_folders_of_one_split(tmp_path):
    for split in ("train", "test", "testing"):
        build(tmp_path, f"{split}/a/{{0..1}}.png", f"{split}/b/{{0..1}}.png")
    assert "both test/ and testing/ look like the test split; keep one" in message(tmp_path)


@pytest.mark.parametrize(
    "flat", ["test", "test/unknown", "test/test", "seg_pred/seg_pred", "testing", "unlabeled", "prediction/all"]
)
def test_images_without_class_are_what_predict_is_for(tmp_path, flat):
    build(tmp_path, "train/cat/{0..4}.jpg", "train/dog/{0..4}.jpg", f"{flat}/{{10..12}}.jpg")
    data = open_data(tmp_path)
    assert (data.classes, sum(counts(data).values())) == (("cat", "dog"), 10)
    (note,) = data.notes
    assert "3 images and no class folders: not trained or measured on; predict them with striate predict" in note


@pytest.mark.parametrize("folds", [("fold1", "fold2"), ("site a", "site b", "site c"), ("2019", "2020")])
def test_folders_that_share_the_names_of_classes_are_asked_about(tmp_path, folds):
    build(tmp_path, *(f"{fold}/{name}/{fold}{{0..2}}.png" for fold in folds for name in ("oak", "elm")))
    data = open_data(tmp_path)
    assert data.classes == folds
    assert f"striate data {shlex.quote(str(tmp_path))} --classes-from parent" in data.notes[0]
    data = open_data(tmp_path, classes_from="parent")
    assert (data.classes, sum(counts(data).values())) == (("elm", "oak"), 6 * len(folds))


@pytest.mark.parametrize(
    ("wrapper", "also"),
    [
        ("archive/PetImages", ()),
        ("chest_xray", ("__MACOSX/._x/a.png",)),
        ("data/raw/v2", ()),
        ("PlantVillage/PlantVillage", (".DS_Store",)),
        ("my photos", ("Thumbs.db", "readme.txt")),
        ("flowers", ("LICENSE.md",)),
    ],
)
@pytest.mark.parametrize("split", ["", "train/"])
def test_wrappers_are_seen_through_and_said(tmp_path, wrapper, also, split):
    build(tmp_path, f"{wrapper}/{split}cat/{{0..4}}.jpg", f"{wrapper}/{split}dog/{{0..4}}.jpg")
    for name in also:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"?")
    data = open_data(tmp_path)
    assert (data.name, data.classes) == (wrapper.rpartition("/")[2], ("cat", "dog"))
    assert data.notes[0] == f"the data are in {wrapper}/, which is all there is"


@pytest.mark.parametrize(
    ("suffix", "format"),
    [
        (".jfif", "JPEG"), (".pjpeg", "JPEG"), (".pjp", "JPEG"), (".dib", "BMP"), (".JPG", "JPEG"), (".TiFF", "TIFF"),
        ("", "PNG"), ("", "JPEG"), ("", "WEBP"), ("", "GIF"), ("", "BMP"), ("", "TIFF"), ("", "PPM"), (".001", "JPEG"),
        (".rf.4f2a", "PNG"), (".jpg_large", "JPEG"), (".image", "PNG"),
    ],
)  # fmt: skip
def test_images_are_known_by_their_content(tmp_path, suffix, format):
    for name in ("a", "b"):
        for i in range(4):
            photo(tmp_path / name / f"img_{i}{suffix}", format=format)
        (tmp_path / name / "notes").write_text("PM is no picture; BM neither")
        (tmp_path / name / "BMW").write_bytes(b"BMW drivers, and their cars")
    data = open_data(tmp_path)
    assert (data.classes, sum(counts(data).values())) == (("a", "b"), 8)
    assert len(data.notes) == 1  # of the notes that are none
    assert "2 files skipped" in data.notes[0] or "4 files skipped" in data.notes[0]


NAMES = [
    (["cat.{0..4}.jpg", "dog.{0..4}.jpg"], "{class}.#", ("cat", "dog")),
    (["Abyssinian_{1..4}.jpg", "great_pyrenees_{1..14}.jpg"], "{class}_#", ("Abyssinian", "great_pyrenees")),
    (["25_0_1_2017{0..3}.jpg", "31_1_1_2017{0..3}.jpg"], "{class}_#_#_*", ("25", "31")),
    (["benign ({1..4}).png", "malignant ({1..4}).png"], "{class} (#)", ("benign", "malignant")),
    (["cloudy{1..4}.jpg", "rain{1..4}.jpg", "sunrise{1..4}.jpg"], "{class}#", ("cloudy", "rain", "sunrise")),
    (["daisy-{1..4}.jpg", "rose-{1..4}.jpg"], "{class}-#", ("daisy", "rose")),
    (["{1..4}_happy.png", "{5..8}_sad.png"], "#_{class}", ("happy", "sad")),
    (["x{1..4}_good.bmp", "y{1..4}_bad.bmp"], "*_{class}", ("bad", "good")),
]


@pytest.mark.parametrize(("files", "pattern", "classes"), NAMES)
@pytest.mark.parametrize("where", ["", "train/", "images/"])
def test_the_class_in_the_name_is_offered_and_then_read(tmp_path, files, pattern, classes, where):
    build(tmp_path, *(where + name for name in files))
    text = message(tmp_path)
    command = shlex.split(text[text.index("striate data") :].partition("; ")[0])
    assert command[:3] == ["striate", "data", str(tmp_path)]
    assert command[-1] == f"name:{pattern}"
    data = open_data(command[2], classes_from=command[-1])
    assert data.classes == classes
    assert data.why == f"from file names, {command[-1]}"


def test_a_test_folder_whose_names_have_no_class(tmp_path):
    build(tmp_path, "train/cat.{0..4}.jpg", "train/dog.{0..4}.jpg", "test1/{1..3}.jpg")
    data = open_data(tmp_path, classes_from="name:{class}.#")
    assert (data.classes, counts(data)) == (("cat", "dog"), {"train": 8, "test": 2})
    assert "test1/ has 3 images" in data.notes[0]


def test_patterns(tmp_path):
    build(tmp_path, "A1 oak leaf.png", "A2 oak leaf.png", "B1 elm leaf.png", "B2 elm leaf.png", "odd.png")
    data = open_data(tmp_path, classes_from=r"name:^\w+ (\w+)")
    assert data.classes == ("elm", "oak")
    assert data.notes == ("train: 1 image skipped, whose names do not fit: odd.png",)
    assert open_data(tmp_path, classes_from="name:*# {class} leaf").classes == ("elm", "oak")
    for pattern, words in {
        "folder": "expected name:PATTERN, such as 'name:{class}_#', or parent",
        "name:": "expected name:PATTERN",
        "name:(a)(b)": "has 2 groups, expected 1",
        "name:(a": "not a regular expression",
        "name:{class}_{class}": "is there twice",
        "name:{class}_x": "finds no class in the names (A1 oak leaf.png",
        "name:(leaf)": "finds only the class 'leaf' in the names",
    }.items():
        assert words in message(tmp_path, classes_from=pattern)


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (["10", "1", "2", "11"], ("1", "2", "10", "11")),
        (["class 10", "class 9"], ("class 9", "class 10")),
        (["c0", "c10", "c2"], ("c0", "c2", "c10")),
        (["007", "7", "08"], ("007", "7", "08")),
        (["3.5", "12", "b2", "a10"], ("3.5", "12", "a10", "b2")),
        (["001.Albatross", "010.Kingfisher", "002.Auklet"], ("001.Albatross", "002.Auklet", "010.Kingfisher")),
    ],
)
def test_numbers_in_the_names_of_classes_are_in_natural_order(tmp_path, names, order):
    build(tmp_path, *(f"{name}/{{0..1}}.png" for name in names))
    assert open_data(tmp_path).classes == order
