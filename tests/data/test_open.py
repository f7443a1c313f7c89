from pathlib import Path

import numpy as np
import pytest

from striate.data import open_data, with_validation
from striate.errors import DataError

ACCEPTED = (
    "; DATA is a built-in name (digits), a folder with one folder of images for each class (flat or under train/, "
    "val/ and test/), or a folder of IDX files"
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
        f"{tmp_path.name}: too few different items to set some aside for the test; each class needs 2 or more"
    )
    class_folders(tmp_path, cat=2, dog=2)
    with pytest.raises(
        DataError, match="too few different items to set some aside for validation; each class needs 2 or more"
    ):
        with_validation(open_data(tmp_path), 0)


def test_a_misspelt_name():
    assert message("digit") == "digit: there is no such data; did you mean 'digits'?" + ACCEPTED


def test_a_missing_folder(tmp_path, class_folders):
    class_folders(tmp_path / "flowers", rose=1, lily=1)
    missing = tmp_path / "flower"
    near = tmp_path / "flowers"
    assert message(missing) == f"{missing}: there is no such data; did you mean '{near}'?{ACCEPTED}"
    missing = tmp_path / "nowhere" / "at_all"
    assert message(missing) == f"{missing}: there is no such data{ACCEPTED}"


def test_a_file(tmp_path):
    (tmp_path / "flowers.zip").write_bytes(b"PK")
    assert message(tmp_path / "flowers.zip") == f"{tmp_path / 'flowers.zip'}: this is a file{ACCEPTED}"


def test_no_permission(open_to_all, as_nobody, class_folders):
    folder = class_folders(open_to_all / "pets", cat=1, dog=1)
    folder.chmod(0)
    with as_nobody():
        assert message(folder) == f"{folder}: no permission to read this folder; change its permissions"
        inside = folder / "cat"
        assert message(inside) == f"{inside}: no permission to look there; change the folder's permissions"
