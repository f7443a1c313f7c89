"""Images that stand out, planted in folders and arrays; classes that cannot be read; splits taken for classes."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageFilter

from sick_data import class_folders, kinds, labelled, picture, save, the
from striate.datasets import DataSet, Part, open_data
from striate.datasets.doctor import doctor
from striate.errors import DataError
from striate.run.making import prepare

FOUND = {"blurred", "low-information", "odd-size", "odd-colour", "parts-as-classes", "class-unreadable"}


@pytest.fixture
def pets(tmp_path):
    return class_folders(tmp_path / "pets", n=10)


def test_nothing_stands_out_among_plain_pictures(pets):
    assert not kinds(doctor(pets)) & FOUND


# ------------------------------------------------------------------------------------------------- blurred
@pytest.mark.parametrize("where", ["train/cat/03.png", "train/dog/07.png", "test/cat/00.png"])
@pytest.mark.parametrize("radius", [1.5, 4])
def test_a_blurred_image(pets, where, radius):
    image = Image.open(pets / where)
    save(image.filter(ImageFilter.GaussianBlur(radius)), pets / where)
    problem = the(doctor(pets), "blurred")
    assert (problem.severity, problem.files) == ("warning", (str(pets / where),))
    assert problem.message.startswith("1 image blurred")
    assert "replace or remove" in problem.fix


@pytest.mark.parametrize("factor", [3, 4, 6])
def test_an_enlarged_image(pets, factor):
    small = Image.open(pets / "train/cat/01.png").resize((96 // factor, 72 // factor))
    path = save(small.resize((96, 72), Image.Resampling.BICUBIC), pets / "train/cat/01.png")
    assert the(doctor(pets), "blurred").files == (str(path),)


def test_large_photos_are_compared_at_one_size(tmp_path):
    """The same kind of picture has one sharpness in every size."""
    for i in range(24):
        scale = 2 + i % 4
        image = picture(i, (128, 96), coarse=70).resize((128 * scale, 96 * scale), Image.Resampling.BICUBIC)
        soft = image.filter(ImageFilter.GaussianBlur(2 * scale)) if i in (6, 19) else image
        save(soft, tmp_path / "ab"[i % 2] / f"{i:02}.jpg")
    assert the(doctor(tmp_path), "blurred").files == (str(tmp_path / "a/06.jpg"), str(tmp_path / "b/19.jpg"))


def test_blurred_arrays():
    images = np.stack([np.asarray(picture(i, (32, 32)).convert("L")) for i in range(60)])
    images[[4, 50]] = [np.asarray(Image.fromarray(images[i]).filter(ImageFilter.GaussianBlur(2))) for i in (4, 50)]
    problem = the(doctor(labelled(np.arange(60) % 2, "ab", images)), "blurred")
    assert problem.files == ("item 4", "item 50")


def test_where_all_are_blurred_none_stands_out(pets):
    for path in pets.rglob("*.png"):
        save(Image.open(path).filter(ImageFilter.GaussianBlur(2)), path)
    assert "blurred" not in kinds(doctor(pets))


# ----------------------------------------------------------------------------------------- low information
def _dot(level, dot, size=(96, 72), at=(40, 30), side=5):
    pixels = np.full((*size[::-1], 3), level, np.uint8)
    pixels[at[1] : at[1] + side, at[0] : at[0] + side] = dot
    return Image.fromarray(pixels)


def _noisy(level, noise):
    rng = np.random.default_rng(0)
    return Image.fromarray((level + rng.integers(-noise, noise + 1, (72, 96, 3))).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize(
    "image",
    [
        _dot(255, 0), _dot(0, 200), _dot(130, 90, at=(0, 0)), _noisy(0, 9), _noisy(120, 5), _noisy(246, 5),
        _dot(60, 255, size=(300, 300), side=14),
    ],
)  # fmt: skip
def test_an_image_with_almost_nothing_on_it(pets, image):
    path = save(image, pets / "train/cat/blank.png")
    problem = the(doctor(pets), "low-information")
    assert (problem.severity, problem.files) == ("warning", (str(path),))
    assert problem.message == "1 almost empty image: 99% of each is of one brightness"
    assert "remove those that do not show their label" in problem.fix


def test_where_most_are_nearly_empty_it_is_their_nature():
    images = np.full((60, 16, 16), 20, np.uint8)
    images[np.arange(60), np.arange(60) % 16, np.arange(60) // 16] = 200
    assert "low-information" not in kinds(doctor(labelled(np.arange(60) % 2, "ab", images)))


# -------------------------------------------------------------------------------------------------- sizes
@pytest.mark.parametrize(
    ("size", "what"),
    [
        ((480, 360), "area"), ((20, 15), "area"), ((600, 450), "area"), ((70, 110), "width to height"),
        ((180, 60), "width to height"), ((40, 120), "width to height"),
    ],
)  # fmt: skip
def test_an_image_of_an_odd_size(pets, size, what):
    path = save(picture(900, size), pets / "train/dog/odd.png")
    problem = the(doctor(pets), "odd-size")
    assert (problem.severity, problem.files) == ("note", (str(path),))
    assert what in problem.message
    assert "look at them" in problem.fix


def test_where_sizes_differ_none_is_odd(pets):
    for i in range(6):
        save(picture(800 + i, (480, 360)), pets / f"train/dog/large {i}.png")
    assert "odd-size" not in kinds(doctor(pets))


# ------------------------------------------------------------------------------------------------ colours
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_grey_images_stored_as_coloured_ones(pets, n):
    files = [pets / f"train/cat/{i:02}.png" for i in range(n)]
    for path in files:
        save(Image.open(path).convert("L").convert("RGB"), path)
    problem = the(doctor(pets), "odd-colour")
    assert (problem.severity, problem.files) == ("note", tuple(map(str, files)))
    assert f"grey, where {40 - n} are in colour" in problem.message
    assert "train with --channels 1" in problem.fix


@pytest.mark.parametrize("n", [1, 3])
def test_coloured_images_among_grey_ones(pets, n):
    for path in pets.rglob("*.png"):
        if int(path.stem) >= n or "train/dog" not in str(path):
            save(Image.open(path).convert("L").convert("RGB"), path)
    problem = the(doctor(pets), "odd-colour")
    assert problem.files == tuple(str(pets / f"train/dog/{i:02}.png") for i in range(n))
    assert f"in colour, where {40 - n} are grey" in problem.message


def test_half_of_them_grey_is_no_minority(pets):
    for path in (pets / "train").rglob("*.png"):
        save(Image.open(path).convert("L").convert("RGB"), path)
    assert "odd-colour" not in kinds(doctor(pets))


# ------------------------------------------------------------------------------------- nothing can be read
@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "the file is empty"), (b"404 not found", "not an image"), (b"\x89PNG\r\n\x1a\n", "not an image")],
)
@pytest.mark.parametrize("name", ["cat", "dog"])
def test_a_class_of_which_nothing_can_be_read(pets, quick, content, why, name):
    files = sorted(pets.rglob(f"{name}/*.png"))
    for path in files:
        path.write_bytes(content)
    diagnosis = doctor(pets, quick=quick)
    problem = the(diagnosis, "class-unreadable")
    assert (problem.severity, set(problem.files)) == ("fault", set(map(str, files)))
    assert problem.message.startswith(f"no image of the class {name!r} can be read: 20 files, of the first: {why}")
    assert "copy them again" in problem.fix
    assert "class-missing" not in kinds(diagnosis)
    with pytest.raises(DataError, match=f"no image of the class '{name}' can be read.*, the first .*00.png; copy them"):
        prepare(pets, "flatten; linear 2")


def test_the_quick_checks_decode_no_image_to_know_that(pets, monkeypatch):
    data = open_data(pets)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: pytest.fail("decoded"))
    assert "class-unreadable" not in kinds(doctor(data, quick=True))


def test_what_cannot_be_read_is_counted_apart_by_class(pets):
    for name, content in (("train/cat/00", b""), ("train/cat/01", b"x"), ("train/dog/09", b""), ("test/dog/00", b"")):
        (pets / f"{name}.png").write_bytes(content)
    diagnosis = doctor(pets)
    assert diagnosis.counts == {
        "train": {
            "items": 17, "unreadable": 3, "classes": {"cat": 8, "dog": 9}, "unreadable_classes": {"cat": 2, "dog": 1},
        },
        "test": {
            "items": 19, "unreadable": 1, "classes": {"cat": 10, "dog": 9}, "unreadable_classes": {"dog": 1},
        },
    }  # fmt: skip
    assert "and 3 that cannot be read: cat 2, dog 1" in str(diagnosis)
    assert json.loads(diagnosis.to_json())["counts"] == diagnosis.counts
    assert doctor(pets, quick=True).counts["train"]["unreadable_classes"] == {"cat": 1, "dog": 1}  # the empty ones


def test_a_class_that_is_left_in_no_split_but_one(pets):
    for path in (pets / "train/dog").iterdir():
        path.write_bytes(b"")
    diagnosis = doctor(pets)
    problem = the(diagnosis, "class-missing")
    assert (problem.severity, problem.message) == ("fault", "1 class without an item in train: 'dog'")
    assert "class-unreadable" not in kinds(diagnosis)


# ------------------------------------------------------------------------------------- splits as classes
def _as_classes(files_of):
    paths = [path for paths in files_of.values() for path in paths]
    labels = np.repeat(np.arange(len(files_of)), [len(paths) for paths in files_of.values()])
    part = Part(tuple(paths), labels.astype(np.int64), tuple(map(str, paths)))
    return DataSet("sick", "classification", tuple(files_of), "RGB", (3, 72, 96), part)


@pytest.mark.parametrize(
    ("first", "second"),
    [("train", "test"), ("training_set", "test_set"), ("Train", "Valid"), ("seg_train", "seg_test"), ("tr", "dev"),
     ("Training", "Testing"), ("train_data", "holdout")],
)  # fmt: skip
def test_classes_that_are_called_as_splits_are(pets, first, second):
    data = _as_classes({first: sorted(pets.glob("train/*/*")), second: sorted(pets.glob("test/*/*"))})
    problem = the(doctor(data, quick=True), "parts-as-classes")
    assert problem.severity == "fault"
    assert f"the classes {first!r}, {second!r} are called as splits are" in problem.message
    assert "--classes-from parent, which takes 'cat', 'dog' for the classes" in problem.fix


def test_splits_of_images_alone_as_classes(pets):
    data = _as_classes({"train": sorted(pets.glob("train/cat/*")), "val": sorted(pets.glob("test/cat/*"))})
    assert "train/CLASS/IMAGE" in the(doctor(data, quick=True), "parts-as-classes").fix


@pytest.mark.parametrize("names", [("2019", "2020"), ("left", "right"), ("siteA", "siteB"), ("a", "b"), ("x1", "x2")])
def test_classes_that_contain_folders_of_the_same_names(tmp_path, names):
    for i, name in enumerate(names):
        for j, inner in enumerate(("healthy", "rust")):
            for k in range(4):
                save(picture(100 * i + 10 * j + k), tmp_path / name / inner / f"{k}.png")
    problem = the(doctor(tmp_path), "parts-as-classes")
    assert problem.severity == "warning"
    assert problem.message == "every class contains the folders 'healthy', 'rust': are these the classes?"
    assert problem.fix.startswith("if they are: --classes-from parent")
    assert "parts-as-classes" not in kinds(doctor(tmp_path, classes_from="parent"))


def test_one_class_of_trains_is_no_split(pets):
    shutil.move(pets / "train", pets / "vehicles")
    data = _as_classes({"train": sorted(pets.glob("vehicles/cat/*")), "bus": sorted(pets.glob("vehicles/dog/*"))})
    assert "parts-as-classes" not in kinds(doctor(data, quick=True))


def test_subjects_in_every_class_are_no_classes(tmp_path):
    for name in ("walk", "run"):
        for subject in ("subject1", "subject2"):
            for k in range(3):
                save(picture(len(name) * 100 + int(subject[-1]) * 10 + k), tmp_path / name / subject / f"{k}.png")
    assert "parts-as-classes" not in kinds(doctor(tmp_path))
