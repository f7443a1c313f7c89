"""What lies in the folder beside the items; and folders that cannot be opened, of which all is said that can be."""

import pytest

from sick_data import class_folders, kinds, picture, save, the
from striate.datasets import open_data
from striate.datasets.doctor import doctor
from striate.errors import DataError


@pytest.fixture
def pets(tmp_path):
    return class_folders(tmp_path / "pets", n=10)


def test_a_hidden_folder_with_images(pets):
    path = save(picture(900), pets / "train/.ipynb_checkpoints/cat-checkpoint.png")
    diagnosis = doctor(pets)
    problem = the(diagnosis, "hidden-folder")
    assert (problem.severity, problem.files) == ("note", (str(path),))
    assert "remove the folders" in problem.fix
    assert kinds(diagnosis) <= {"hidden-folder", "small-test"}


def test_pictures_that_are_not_read(pets):
    path = pets / "train/cat/phone.HEIC"
    path.write_bytes(b"0")
    problem = the(doctor(pets), "unread-format")
    assert (problem.severity, problem.files) == ("warning", (str(path),))
    assert "convert them" in problem.fix


def test_an_empty_class_folder_in_training(pets):
    (pets / "train/fish").mkdir()
    diagnosis = doctor(pets)
    assert the(diagnosis, "cannot-open").severity == "fault"
    problem = the(diagnosis, "empty-class")
    assert (problem.severity, problem.files) == ("fault", (str(pets / "train/fish"),))
    assert "fill or remove" in problem.fix
    assert diagnosis.counts["train"]["items"] == 20  # and it went on


def test_a_class_that_training_lacks(pets):
    save(picture(900), pets / "test/Dogs/a.png")
    (pets / "train/cat/empty.png").touch()
    diagnosis = doctor(pets)
    problem = the(diagnosis, "class-unknown")
    assert (problem.severity, problem.files) == ("fault", (str(pets / "test/Dogs"),))
    assert "training has 'cat', 'dog'" in problem.fix
    assert "'Dogs'" in the(diagnosis, "cannot-open").message
    assert the(diagnosis, "empty-file").files == (str(pets / "train/cat/empty.png"),)  # found all the same


def test_one_class_alone_is_examined_too(tmp_path):
    for i in range(10):
        save(picture(i), tmp_path / f"d/cat/{i}.png")
    (tmp_path / "d/cat/x.png").touch()
    diagnosis = doctor(tmp_path / "d")
    assert {"cannot-open", "empty-file"} <= kinds(diagnosis)
    assert "learning needs two or more" in the(diagnosis, "cannot-open").fix


def test_a_folder_without_anything(tmp_path):
    diagnosis = doctor(tmp_path)
    problem = the(diagnosis, "cannot-open")
    assert (problem.severity, problem.files) == ("fault", (str(tmp_path),))
    assert "no images in it" in problem.message
    assert (diagnosis.task, diagnosis.counts) == ("", {})


def test_a_table_that_cannot_be_opened(tmp_path):
    path = tmp_path / "films.csv"
    path.write_text("text\nonly one column\n")
    diagnosis = doctor(path)
    assert [problem.kind for problem in diagnosis.problems] == ["cannot-open"]
    assert str(path) in diagnosis.problems[0].message


def test_what_is_not_there_is_an_error(tmp_path):
    with pytest.raises(DataError, match="file not found"):
        doctor(tmp_path / "nowhere")
    with pytest.raises(DataError, match="did you mean 'digits'"):
        doctor("digit")


def test_an_open_data_set_is_examined_as_its_path_is(pets):
    (pets / "train/cat/empty.png").touch()
    assert kinds(doctor(open_data(pets))) == kinds(doctor(pets))


def test_a_flat_folder(tmp_path):
    folder = class_folders(tmp_path / "flat", n=12, **{".": ("cat", "dog")})
    diagnosis = doctor(folder)
    assert kinds(diagnosis) <= {"small-test", "few-items"}
    assert sum(part["items"] for part in diagnosis.counts.values()) == 24


def test_nothing_in_the_folder_is_changed(pets):
    def state():
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in pets.rglob("*")}

    before = state()
    doctor(pets)
    doctor(pets, quick=True)
    assert state() == before


def test_progress_is_told(pets):
    told = []
    doctor(pets, progress=lambda done, total: told.append((done, total)))
    assert told == [(i + 1, 40) for i in range(40)]
