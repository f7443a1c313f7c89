import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import striate.datasets.open as opening
from striate.datasets import DataSet, Part, open_data, read_part, with_validation
from striate.datasets.doctor import doctor
from striate.datasets.open import SOURCES
from striate.datasets.show import describe, sheet_contract
from striate.errors import DataError, RecipeError
from striate.model.contract import Contract
from striate.tasks import CLASSIFICATION

ACCEPTED = (
    "; give a built-in name (digits, shapes, mnist, fashion-mnist, cifar10), or the path of a folder or a table; "
    "docs/data.md lists the formats"
)


def message(data):
    with pytest.raises(DataError) as caught:
        open_data(data)
    return str(caught.value)


def test_the_built_in_name_goes_before_a_folder_of_that_name(tmp_path, monkeypatch, class_folders):
    monkeypatch.chdir(tmp_path)
    class_folders(tmp_path / "digits", cat=2, dog=2)
    assert open_data("digits").classes == tuple("0123456789")
    assert open_data("./digits").classes == ("cat", "dog")
    assert open_data(Path("digits")).classes == ("cat", "dog")


def test_a_fifth_becomes_the_test_part_where_there_is_none(tmp_path, class_folders):
    class_folders(tmp_path, cat=10, dog=20)
    data, again = open_data(tmp_path), open_data(str(tmp_path))
    assert np.bincount(data.test.targets).tolist() == [2, 4]
    assert np.bincount(data.train.targets).tolist() == [8, 16]
    assert not set(data.test.inputs) & set(data.train.inputs)
    assert data.test.inputs == again.test.inputs


def test_a_test_part_of_its_own_is_kept(tmp_path, class_folders, idx_folder):
    for part in ("train", "test"):
        class_folders(tmp_path / "pets" / part, cat=3, dog=1)
    data = open_data(tmp_path / "pets")
    assert (len(data.train), len(data.test)) == (4, 4)
    data = open_data(idx_folder(tmp_path / "signs", train=[0, 1, 0], t10k=[1]))
    assert (len(data.train), len(data.test)) == (3, 1)


def test_validation_comes_from_the_training_part_by_the_seed():
    data = open_data("digits")
    first, again, other = (with_validation(data, seed) for seed in (0, 0, 1))
    assert (len(first.train), len(first.val), len(first.test)) == (1293, 144, 360)
    assert first.test is data.test
    assert first.val.names == again.val.names
    assert first.val.names != other.val.names
    assert sorted(first.train.names + first.val.names) == sorted(data.train.names)
    assert all(name.startswith("digits train ") for name in first.val.names)


def test_validation_of_its_own_is_kept(tmp_path, class_folders):
    for part in ("train", "val", "test"):
        class_folders(tmp_path / part, cat=3, dog=1)
    data = open_data(tmp_path)
    assert with_validation(data, 0) is data


def test_too_few_images_to_split(tmp_path, class_folders):
    class_folders(tmp_path, cat=1, dog=1)
    assert message(tmp_path) == (
        f"{tmp_path.name}: too few distinct items to make a test split of (2 items; identical ones stay together); "
        "each class needs 2 or more distinct items"
    )
    class_folders(tmp_path, cat=2, dog=2)
    with pytest.raises(
        DataError, match=r"too few distinct items to make a validation split of \(2 items; identical ones stay together"
    ):
        with_validation(open_data(tmp_path), 0)


def test_a_misspelt_name():
    assert message("digit") == "digit: file not found; did you mean 'digits'?"


def test_a_missing_folder(tmp_path, class_folders):
    class_folders(tmp_path / "flowers", rose=1, lily=1)
    missing = tmp_path / "flower"
    near = tmp_path / "flowers"
    assert message(missing) == f"{missing}: file not found; did you mean '{near}'?"
    missing = tmp_path / "nowhere" / "at_all"
    assert message(missing) == f"{missing}: file not found{ACCEPTED}"


def test_a_file(tmp_path):
    (tmp_path / "flowers.rar").write_bytes(b"Rar!")
    assert message(tmp_path / "flowers.rar") == (
        f"{tmp_path / 'flowers.rar'}: not a format of data sets; unpack it and name what was in it{ACCEPTED}"
    )
    (tmp_path / "flower.png").write_bytes(b"")
    assert message(tmp_path / "flower.png") == f"{tmp_path / 'flower.png'}: a single image is not a data set{ACCEPTED}"


@pytest.mark.parametrize("name", ["x" * 5000, "a/" * 3000, "nul\0"])
def test_a_name_that_no_file_can_have(name):
    assert message(name) == f"{Path(name)}: file not found{ACCEPTED}"


@pytest.fixture
def each_source(tmp_path, class_folders, idx_folder, picture, mask):
    """``{kind: path}``: 24 items of two classes (0 and 1), or their masks, from every kind of source."""
    class_folders(tmp_path / "folders", **{"0": 12, "1": 12})
    idx_folder(tmp_path / "idx", train=[0, 1] * 12)
    for i in range(24):
        picture(tmp_path / "masks" / "images" / f"{i}.png", value=i, size=(2, 1))
        mask(tmp_path / "masks" / "masks" / f"{i}.png", [[0, 1]])
    rows = "".join(f"folders/{i % 2}/{i // 2}.png,{i % 2}\n" for i in range(24))
    (tmp_path / "t.csv").write_text("file,label\n" + rows)
    (tmp_path / "t.tsv").write_text("text\tlabel\n" + "".join(f"word {i}\t{i % 2}\n" for i in range(24)))
    images = np.arange(24 * 16).reshape(24, 4, 4).astype(np.uint8)
    np.savez(tmp_path / "a.npz", x=images, y=np.arange(24) % 2)
    np.savez(tmp_path / "v.npz", x=images / 7, y=np.arange(24) % 2)
    names = {"folders": "folders", "idx": "idx", "masks": "masks", "files": "t.csv", "texts": "t.tsv"}
    return {kind: tmp_path / name for kind, name in (names | {"arrays": "a.npz", "values": "v.npz"}).items()}


KINDS = ["folders", "idx", "masks", "files", "texts", "arrays", "values"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_source_gives_a_data_set_that_a_contract_takes(each_source, kind):
    data = open_data(each_source[kind])
    assert data.task == ("segmentation" if kind == "masks" else "classification")
    assert data.classes == (("background", "foreground") if kind == "masks" else ("0", "1"))
    assert len(data.train) + len(data.test) == 24
    assert data.why
    channels = 0 if data.mode == "text" else data.input[0]
    Contract(
        data.classes, data.input, data.mode, (0.5,) * channels, (0.5,) * channels,
        task=data.task, mask_values=data.mask_values, vocabulary=("word",) if kind == "texts" else (),
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_source_in_other_channels(each_source, kind):
    if kind in ("texts", "values"):
        with pytest.raises(DataError, match=f"its items are {kind}, so their channels are fixed; omit channels"):
            open_data(each_source[kind], channels=3)
        return
    for channels, mode in ((1, "L"), (3, "RGB"), (4, "RGBA")):
        data = open_data(each_source[kind], channels=channels)
        assert (data.mode, data.input[0]) == (mode, channels)
    with pytest.raises(RecipeError, match=r"channels is 2, expected 1 \(grey\), 3 \(RGB\) or 4 \(RGBA\)"):
        open_data(each_source[kind], channels=2)


def test_arrays_are_read_in_the_channels_asked_for(each_source):
    data = open_data(each_source["idx"], channels=3)
    contract = Contract(data.classes, data.input, data.mode, (0.5,) * 3, (0.5,) * 3)
    read_ = read_part(data.train, contract).inputs
    assert read_.shape == (len(data.train), 3, 2, 3)
    assert (read_ == data.train.inputs[:, None]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_every_source_for_another_task(each_source, kind):
    if kind == "masks":
        with pytest.raises(
            DataError, match=r"masks: its targets are for segmentation \(from images/ and masks/\), not for"
        ):
            open_data(each_source[kind], task="classification")
        return
    data, numbers, labels = (open_data(each_source[kind], task=task) for task in (None, "regression", "multilabel"))
    for part in ("train", "test"):
        names = numbers.parts[part].names
        # another task is split in another way, so items are found by their names
        of = {name: target for one in data.parts.values() for name, target in zip(one.names, one.targets, strict=True)}
        assert numbers.parts[part].targets.dtype == np.float32
        assert numbers.parts[part].targets.tolist() == [[of[name]] for name in names]
        wanted = [[1 - of[name], of[name]] for name in labels.parts[part].names]
        assert labels.parts[part].targets.tolist() == wanted
    assert open_data(each_source[kind], task=data.task).why == data.why
    assert numbers.why == data.why + ", as requested"
    with pytest.raises(DataError, match="not for segmentation"):
        open_data(each_source[kind], task="segmentation")


def test_a_task_that_is_none_or_cannot_be(tmp_path, class_folders):
    folder = class_folders(tmp_path / "pets", cat=2, dog=2)
    with pytest.raises(RecipeError, match="task is 'regresion'; did you mean 'regression'"):
        open_data(folder, task="regresion")
    with pytest.raises(DataError, match="pets: the class 'cat' is not a number, so its task cannot be regression"):
        open_data(folder, task="regression")
    assert open_data("digits", task="regression").train.targets.max() == 9


@pytest.mark.parametrize(
    ("y", "task", "wanted"),
    [
        (
            [[0.5], [1], [2]],
            "classification",
            "set: its targets are not one whole number each, so they are not classes",
        ),
        ([[0.5], [1], [2]], "multilabel", "set: its targets are not all 0 or 1, so its task cannot be multilabel"),
        ([[1.0], [1.0], [1.0]], "classification", "set: only one class, 1; it cannot be taken for classification"),
        (
            [[1, 1], [1, 0], [0, 0]],
            "classification",
            "set train 0: it has 2 labels, so the task cannot be classification",
        ),
    ],
)
def test_targets_that_cannot_be_taken_so(tmp_path, y, task, wanted):
    np.savez(tmp_path / "set.npz", x=np.arange(12).reshape(3, 4), y=y)
    with pytest.raises(DataError) as caught:
        open_data(tmp_path / "set.npz", task=task)
    assert str(caught.value) == wanted


def test_labels_and_numbers_of_0_and_1_are_the_same(tmp_path):
    y = np.array([[1, 1], [1, 0], [0, 0], [0, 1]] * 6)
    np.savez(tmp_path / "set.npz", x=np.arange(96).reshape(24, 4), y=y)
    numbers = open_data(tmp_path / "set.npz", task="regression")
    assert numbers.train.targets.dtype == np.float32
    assert np.isin(numbers.train.targets, (0, 1)).all()


def test_no_permission(open_to_all, as_nobody, class_folders):
    folder = class_folders(open_to_all / "pets", cat=1, dog=1)
    folder.chmod(0)
    with as_nobody():
        assert message(folder) == f"{folder}: no permission to read this folder; change its permissions"
        inside = folder / "cat"
        assert message(inside) == f"{inside}: no permission to look there; change the folder's permissions"


def test_a_new_source_is_one_line_of_the_list(tmp_path, monkeypatch):
    """Arrays in ``.npy`` files of a folder, one for each class: splits, the doctor and the description know them."""

    def is_npy(path, options):
        return path.is_dir() and any(path.glob("*.npy"))

    def open_npy(path, options):
        arrays = {file.stem: np.load(file) for file in sorted(path.glob("*.npy"))}
        targets = np.repeat(np.arange(len(arrays)), [len(array) for array in arrays.values()])
        part = Part(np.concatenate([*arrays.values()]), targets, tuple(f"item {i}" for i in range(len(targets))))
        return DataSet(path.name, CLASSIFICATION, tuple(arrays), "L", (1, 8, 8), part, why="from .npy files")

    monkeypatch.setattr(opening, "SOURCES", (opening.Source("a folder of .npy files", is_npy, open_npy), *SOURCES))
    images = np.random.default_rng(0).integers(0, 256, (200, 8, 8), np.uint8)
    np.save(tmp_path / "cat.npy", images[:100])
    np.save(tmp_path / "dog.npy", images[100:])
    data = open_data(tmp_path)
    assert (data.classes, data.why, len(data.train), len(data.test)) == (("cat", "dog"), "from .npy files", 160, 40)
    assert not doctor(tmp_path).faults
    assert "from .npy files" in str(describe(data))
    assert read_part(data.test, sheet_contract(data)).inputs.shape == (40, 1, 8, 8)


def test_the_folders_are_listed_a_few_times_however_many_formats_there_are(tmp_path, class_folders, monkeypatch):
    for split in ("train", "test"):
        class_folders(tmp_path / split, **{f"class{i}": 3 for i in range(30)})
    listed, scandir = Counter(), os.scandir

    def counting(path):
        listed[Path(path).name] += 1
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counting)
    assert len(open_data(tmp_path).train) == 90
    assert listed["class7"] < 16  # of two splits; once more for each format that is tried would be 24
