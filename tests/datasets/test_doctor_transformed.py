"""Copies that were mirrored, turned or cropped, planted among photos-like pictures; and what is none."""

import numpy as np
import pytest
from PIL import Image

from sick_data import class_folders, kinds, picture, save, the
from striate.datasets import open_data
from striate.datasets.doctor import doctor

TURNS = list(Image.Transpose)
SOME = {"turned-duplicates", "cropped-duplicates"}
KINDS = SOME | {f"{kind}-{how}" for kind in SOME for how in ("across", "two-labels")}


@pytest.fixture(scope="module")
def pets_once(tmp_path_factory):
    return class_folders(tmp_path_factory.mktemp("transformed") / "pets", n=12)


@pytest.fixture
def pets(pets_once):
    yield pets_once
    for path in pets_once.rglob("planted*"):
        path.unlink()


def test_there_are_none_among_different_pictures(pets):
    assert not kinds(doctor(pets)) & KINDS


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_mirrored_or_turned_copy_across_splits(pets, turn, suffix):
    original = pets / "train/cat" / f"{TURNS.index(turn):02}.png"
    path = save(Image.open(original).transpose(turn), pets / f"test/cat/planted.{suffix}")
    problem = the(doctor(pets), "turned-duplicates-across")
    assert problem.severity == "warning"
    assert problem.groups == ((str(original), str(path)),)
    assert problem.message == "mirrored or turned copies across train and test: 1 group of 2 items"
    assert "keep the copies in one split only" in problem.fix


def test_a_mirrored_copy_in_one_split_is_a_note_and_one_of_another_label_a_warning(pets):
    save(Image.open(pets / "train/cat/03.png").transpose(TURNS[0]), pets / "train/cat/planted.png")
    assert the(doctor(pets), "turned-duplicates").severity == "note"
    save(Image.open(pets / "train/cat/05.png").transpose(TURNS[2]), pets / "train/dog/planted.png")
    assert the(doctor(pets), "turned-duplicates-two-labels").n == 2


def test_a_copy_as_it_lies_is_called_near_and_not_turned(pets):
    save(Image.open(pets / "train/cat/03.png"), pets / "test/cat/planted.jpg", quality=80)
    assert kinds(doctor(pets)) & (KINDS | {"near-duplicates-across"}) == {"near-duplicates-across"}


WIDTH, HEIGHT = 96, 72


def _box(size, left, top):
    """The part of *size* of the sides whose place is *left* and *top*: 0, 0.5 or 1 of what is free."""
    width, height = (size, size) if isinstance(size, float) else size
    x, y = left * (1 - width) * WIDTH, top * (1 - height) * HEIGHT
    return tuple(map(round, (x, y, x + width * WIDTH, y + height * HEIGHT)))


def _found(pets, suffix=""):
    """The problem that names the crop: as such, or, if little is missing, as a near-duplicate."""
    diagnosis = doctor(pets)
    near = f"near-duplicates{suffix}"
    return the(diagnosis, near if near in kinds(diagnosis) else f"cropped-duplicates{suffix}")


@pytest.mark.parametrize("size", [0.85, 0.75, 0.62])
@pytest.mark.parametrize(("left", "top"), [(0.5, 0.5), (0, 0), (1, 0), (0, 1), (1, 1), (0.5, 0), (1, 0.5)])
def test_a_cropped_copy_across_splits(pets, size, left, top):
    original = Image.open(pets / "train/dog/04.png")
    path = save(original.crop(_box(size, left, top)), pets / "test/dog/planted.png")
    problem = _found(pets, "-across")
    assert (problem.severity, problem.groups) == ("warning", ((str(pets / "train/dog/04.png"), str(path)),))
    assert size > 0.8 or problem.message == "cropped copies across train and test: 1 group of 2 items"


@pytest.mark.parametrize("size", [(0.75, 1.0), (1.0, 0.75), (0.6, 1.0), (1.0, 0.87)])
@pytest.mark.parametrize("at", [0, 0.5, 1])
def test_a_copy_cropped_on_one_axis(pets, size, at):
    save(Image.open(pets / "train/dog/04.png").crop(_box(size, at, at)), pets / "train/dog/planted.png")
    problem = _found(pets)
    assert problem.severity == "note"
    assert str(pets / "train/dog/04.png") in problem.files


def test_cropped_and_compressed_and_enlarged(pets):
    image = Image.open(pets / "test/cat/02.png").crop(_box(0.75, 0.5, 0.5)).resize((200, 150), Image.Resampling.BICUBIC)
    save(image, pets / "train/cat/planted.jpg", quality=70)
    assert "cropped-duplicates-across" in kinds(doctor(pets))


def test_what_is_alike_by_nature_is_neither_turned_nor_cropped(tmp_path):
    """Rings, squares and strokes, as in drawings, digits and icons."""
    for seed in range(3):
        data = open_data(f"shapes:n=120,test=30,seed={seed}")
        assert not kinds(doctor(data)) & (KINDS - {"turned-duplicates"})
    assert not kinds(doctor("digits")) & KINDS


def test_smooth_and_plain_pictures_are_no_copies_of_each_other(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(48):
        low, high = np.sort(rng.integers(0, 256, 2))
        ramp = np.linspace(low, high, 40)[:, None] + rng.normal(0, 3, (40, 40))
        image = Image.fromarray(np.rot90(ramp, i % 4).clip(0, 255).astype(np.uint8))
        save(image, tmp_path / "ab"[i % 2] / f"{i:02}.png")
    assert not kinds(doctor(tmp_path)) & KINDS


def test_with_few_images_nothing_is_said(tmp_path):
    class_folders(tmp_path, n=4)
    save(picture(1).transpose(TURNS[0]), tmp_path / "test/cat/planted.png")
    assert not kinds(doctor(tmp_path)) & KINDS
