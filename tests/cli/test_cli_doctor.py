import json

import pytest
from PIL import Image

from sick_data import class_folders, picture, save


@pytest.fixture
def pets(in_folder):
    return class_folders(in_folder / "pets", n=10)


def test_clean_data(cli):
    answer = cli("doctor", "digits")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines()[0] == "digits: classification"
    assert answer.out.splitlines()[-1] == "No problems found."


def test_faults_are_exit_code_1(cli, pets):
    (pets / "train/cat/broken.jpg").write_text("no")
    answer = cli("doctor", "pets")
    assert (answer.code, answer.err) == (1, "")
    assert "train/cat/broken.jpg" in answer.out
    assert "1 error: fix the error before training." in answer.out


def test_warnings_are_not(cli, pets):
    save(picture(900, (300, 50)), pets / "train/cat/strip.png")
    assert cli("doctor", "pets").code == 0


def test_one_json_document(cli, pets):
    (pets / "train/cat/broken.jpg").write_text("no")
    answer = cli("doctor", "pets", "--json")
    assert (answer.code, answer.err) == (1, "")
    document = json.loads(answer.out)
    assert document.keys() >= {"counts", "problems"}
    assert document["counts"]["train"] == {
        "items": 20, "classes": {"cat": 10, "dog": 10}, "unreadable": 1, "unreadable_classes": {"cat": 1},
    }  # fmt: skip
    fault = document["problems"][0]
    assert fault.keys() >= {"kind", "severity", "files", "fix"}
    assert (fault["kind"], fault["files"]) == ("unreadable", ["pets/train/cat/broken.jpg"])


def test_the_quick_part(cli, pets):
    answer = cli("doctor", "pets", "--quick", "--json")
    assert json.loads(answer.out)["quick"] is True


def test_no_such_data_is_exit_code_3(cli):
    answer = cli("doctor", "digitz")
    assert (answer.code, answer.out) == (3, "")
    assert "did you mean 'digits'?" in answer.err


def test_data_that_cannot_be_opened_is_a_fault(cli, in_folder):
    (in_folder / "empty").mkdir()
    answer = cli("doctor", "empty")
    assert (answer.code, answer.err) == (1, "")
    assert "cannot-open" in answer.out


def test_a_task_that_does_not_fit(cli, pets):
    answer = cli("doctor", "pets", "--task", "segmentation")
    assert answer.code == 1
    assert "cannot-open" in answer.out


def test_from_python(pets):
    import striate

    assert striate.doctor(pets).faults == ()


def test_a_task_that_there_is_not_is_no_fault_of_the_data(cli):
    answer = cli("doctor", "digits", "--task", "clasification")
    assert (answer.code, answer.out) == (2, "")
    assert "task is 'clasification'; did you mean 'classification'?" in answer.err


def test_a_fault_of_the_data_with_a_name_of_its_own_is_exit_code_3(cli, in_folder):
    for i in range(6):
        save(picture(i, (40, 40)), in_folder / "m" / "images" / f"{i}.png")
        square = Image.new("L", (12, 12))
        square.paste(255, (2, 2, 8, 6 + i % 4))
        save(square.resize((40, 40), Image.Resampling.BICUBIC), in_folder / "m" / "masks" / f"{i}.png")
    answer = cli("data", "m")
    assert (answer.code, answer.out) == (3, "")
    assert "--mask-threshold" in answer.err
