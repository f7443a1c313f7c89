"""How a diagnosis is printed, and what its JSON holds."""

import json

import pytest

from striate.datasets.doctor import DataProblem, Diagnosis, doctor

COPIES = tuple((f"pets/train/cat/{i}.png", f"pets/test/cat/{i}.png") for i in range(7))
TINY = tuple(f"pets/a/{i}.png" for i in range(42))
SICK = Diagnosis(
    "pets",
    "classification",
    {"train": {"items": 1200, "classes": {"cat": 700, "big dog": 500}}, "test": {"items": 9}},
    (
        DataProblem("duplicates-across", "fault", "14 items twice", "keep one", groups=COPIES),
        DataProblem("tiny", "warning", "42 images too small", "replace them", TINY),
        DataProblem("exif-rotated", "note", "1 image turned", "nothing", ("pets/a.jpg",)),
    ),
    where="pets",
)


def test_the_text():
    lines = str(SICK).splitlines()
    assert lines[0] == "pets: classification"
    assert lines[1].split() == ["train", "1,200", "cat", "700,", "big", "dog", "500"]
    heads = [line for line in lines if line and not line.startswith(" ")]
    assert heads[1:] == [
        "Errors: fix these before training",
        "Warnings",
        "Notes",
        "1 error and 1 warning: fix the error before training.",
    ]
    assert "      train/cat/0.png = test/cat/0.png" in lines
    assert "      and 2 more groups" in lines
    assert "      a/4.png" in lines
    assert "      a/5.png" not in lines
    assert "      and 37 more" in lines
    assert "    fix: keep one" in lines


@pytest.mark.parametrize("columns", ["80", "120"])
def test_no_line_is_wider_than_the_terminal(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    counts = {"train": {"items": 99, "classes": {f"class number {i}": 9 for i in range(11)}}}
    long = DataProblem("tiny", "warning", "word " * 60, "and " * 60, ("name",))
    lines = str(Diagnosis("d", "classification", counts, (long,))).splitlines()
    assert max(map(len, lines)) <= int(columns)
    assert not any(line.endswith(("class", "number")) for line in lines)  # a class and its number stay on one line


def test_many_classes_are_summed_up():
    counts = {"train": {"items": 300, "classes": {f"c{i}": i + 1 for i in range(24)}}}
    assert "24 classes, from 1 (c0) to 24 (c23)" in str(Diagnosis("d", "classification", counts))


@pytest.mark.parametrize(
    ("severity", "verdict"),
    [
        (None, "No problems found."),
        ("note", "No problems found."),
        ("warning", "No errors, 1 warning: training is possible; check the warnings first."),
        ("fault", "1 error: fix the error before training."),
    ],
)
def test_the_verdict(severity, verdict):
    problems = (DataProblem("k", severity, "m", "f"),) if severity else ()
    assert str(Diagnosis("d", "t", {}, problems)).splitlines()[-1] == verdict
    quick = str(Diagnosis("d", "t", {}, problems, quick=True)).splitlines()
    assert "quick checks" in quick[-1] + quick[-2]


def test_the_json_has_all_files():
    document = json.loads(SICK.to_json())
    assert document == SICK.as_dict()
    assert document.keys() == {"data", "task", "counts", "problems", "quick", "where"}
    copies, tiny, _ = document["problems"]
    assert copies["files"] == [name for group in COPIES for name in group]
    assert copies["groups"] == [list(group) for group in COPIES]
    assert tiny.keys() == {"kind", "severity", "message", "files", "n", "fix"}
    assert (tiny["n"], len(tiny["files"])) == (42, 42)


def test_faults_come_first(tmp_path):
    from sick_data import class_folders

    class_folders(tmp_path / "pets", n=3)
    (tmp_path / "pets/train/cat/empty.png").touch()
    severities = [problem.severity for problem in doctor(tmp_path / "pets").problems]
    assert severities == sorted(severities, key=["fault", "warning", "note"].index)
    assert severities[0] == "fault"
