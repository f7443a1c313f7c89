"""Items that are there twice, planted in folders, arrays and texts."""

import io
import shutil

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from sick_data import class_folders, kinds, labelled, picture, save, the
from striate.datasets import DataSet, Part
from striate.datasets.doctor import doctor


@pytest.fixture
def pets(tmp_path):
    return class_folders(tmp_path / "pets", n=10)


def test_a_copy_in_the_same_part(pets):
    shutil.copy(pets / "train/cat/03.png", pets / "train/cat/again.png")
    problem = the(doctor(pets), "duplicates")
    assert (problem.severity, problem.n) == ("warning", 1)
    assert problem.groups == ((str(pets / "train/cat/03.png"), str(pets / "train/cat/again.png")),)
    assert problem.files == problem.groups[0]
    assert "remove the copies" in problem.fix


@pytest.mark.parametrize("quick", [False, True])
def test_a_copy_across_parts_is_a_fault(pets, quick):
    shutil.copy(pets / "train/cat/03.png", pets / "test/cat/leak.png")
    diagnosis = doctor(pets, quick=quick)
    problem = the(diagnosis, "duplicates-across")
    assert problem.severity == "fault"
    assert problem.groups == ((str(pets / "train/cat/03.png"), str(pets / "test/cat/leak.png")),)
    assert "across train and test" in problem.message
    assert "keep the copies in one split only" in problem.fix
    assert not kinds(diagnosis) & {"duplicates", "near-duplicates", "two-labels"}


@pytest.mark.parametrize("quick", [False, True])
def test_the_same_image_under_two_labels_is_a_fault(pets, quick):
    shutil.copy(pets / "train/cat/03.png", pets / "train/dog/what.png")
    problem = the(doctor(pets, quick=quick), "two-labels")
    assert problem.severity == "fault"
    assert problem.files == (str(pets / "train/cat/03.png"), str(pets / "train/dog/what.png"))
    assert "decide which label is right" in problem.fix


def jpeg(image, quality):
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(stream)


MILD = {
    "compressed": lambda image: jpeg(image, 60),
    "smaller": lambda image: image.resize((60, 45), Image.Resampling.BICUBIC),
    "larger": lambda image: image.resize((150, 113), Image.Resampling.BICUBIC),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.12),
    "flatter": lambda image: ImageEnhance.Contrast(image).enhance(0.85),
    "cropped": lambda image: image.crop((3, 2, 93, 70)),
    "cropped on one side": lambda image: image.crop((5, 0, 96, 72)),
}


@pytest.mark.parametrize("edit", MILD)
def test_a_near_copy_across_parts(pets, edit):
    image = Image.open(pets / "train/cat/03.png")
    path = save(MILD[edit](image), pets / "test/cat/edited.png")
    diagnosis = doctor(pets)
    problem = the(diagnosis, "near-duplicates-across")
    assert problem.severity == "warning"
    assert problem.groups == ((str(pets / "train/cat/03.png"), str(path)),)
    assert "keep the copies in one split only" in problem.fix
    assert kinds(diagnosis) - {"blurred"} <= {"near-duplicates-across", "small-test"}


def test_near_copies_in_one_part_and_under_another_label(pets):
    image = Image.open(pets / "train/cat/03.png")
    path = save(MILD["smaller"](image), pets / "train/dog/edited.png")
    diagnosis = doctor(pets)
    problem = the(diagnosis, "near-duplicates-two-labels")
    assert problem.severity == "warning"
    assert problem.files == (str(pets / "train/cat/03.png"), str(path))
    assert "decide which label is right" in problem.fix
    assert kinds(diagnosis) - {"blurred"} <= {"near-duplicates-two-labels", "small-test"}


def test_a_copy_of_a_copy_belongs_to_the_group(pets):
    image = Image.open(pets / "train/cat/03.png")
    for i, edit in enumerate(("smaller", "compressed", "brighter")):
        save(MILD[edit](image), pets / f"train/cat/edit{i}.png")
    problem = the(doctor(pets), "near-duplicates")
    assert problem.severity == "note"
    assert len(problem.groups) == 1
    assert len(problem.files) == 4
    assert problem.n == 3  # as many as could go


def parts(train, test, **more):
    def part(name, items):
        return Part(items, np.arange(len(items)) % 2, tuple(f"{name} {i}" for i in range(len(items))))

    return DataSet("sick", "classification", ("a", "b"), train=part("train", train), test=part("test", test), **more)


def test_copies_among_arrays():
    rng = np.random.default_rng(1)
    train = rng.integers(0, 256, (30, 28, 28), dtype=np.uint8)
    test = rng.integers(0, 256, (6, 28, 28), dtype=np.uint8)
    test[2] = train[10]
    data = parts(train, test, mode="L", input=(1, 28, 28))
    assert the(doctor(data), "duplicates-across").groups == (("train 10", "test 2"),)
    assert the(doctor(data, quick=True), "duplicates-across").groups == (("train 10", "test 2"),)


def test_copies_among_texts_whatever_their_case_and_spaces():
    train = tuple(f"this is the film number {i}" for i in range(20))
    data = parts(train, ("something else", "THIS is  the film number 4"), mode="text", input=(6,))
    problem = the(doctor(data), "two-labels")
    assert problem.files == ("train 4", "test 1")
    assert the(doctor(data), "duplicates-across").severity == "fault"


def test_copies_among_values():
    values = np.random.default_rng(0).normal(size=(12, 2, 5)).astype(np.float32)
    values[7] = values[3]
    data = labelled(np.arange(12) % 2, "ab", values, mode="values")
    assert the(doctor(data), "duplicates").groups == (("item 3", "item 7"),)


def test_several_copies_are_counted_without_the_first(pets):
    for i in range(3):
        shutil.copy(pets / "train/dog/01.png", pets / f"train/dog/copy{i}.png")
    assert the(doctor(pets), "duplicates").n == 3


def test_pictures_that_differ_are_no_copies(tmp_path):
    for i in range(60):
        save(picture(i), tmp_path / "d" / ("cat" if i % 2 else "dog") / f"{i}.png")
    assert kinds(doctor(tmp_path / "d")) <= {"small-test"}
