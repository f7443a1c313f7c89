"""Groups planted across splits: frames of videos, images of patients, shots of bursts; and the option that mends it."""

import re

import numpy as np
import pytest
from PIL import Image

from sick_data import kinds, picture, save, the
from striate.datasets import open_data
from striate.datasets.doctor import doctor
from striate.errors import DataError

VIDEOS, FRAMES = 12, 8


def _frames(root, name, alike=True, **options):
    """Class folders a and b of VIDEOS videos with FRAMES frames each, *name* of (video, frame): striate splits them."""
    rng = np.random.default_rng(0)
    for video in range(VIDEOS):
        base = np.asarray(picture(video, (40, 30), coarse=5), int)
        for frame in range(FRAMES):
            pixels = base if alike else np.asarray(picture(1000 + video * 50 + frame, (40, 30), coarse=5), int)
            pixels = (np.roll(pixels, 2 * frame, axis=1) + rng.integers(-20, 21, pixels.shape)).clip(0, 255)
            path = root / "ab"[video % 2] / f"{name(video, frame)}.png"
            save(Image.fromarray(pixels.astype(np.uint8)), path, **options)
    return root


NAMED = {
    "v{v}_f{f:03}": "name:{group}_f#",
    "patient{v:03}_scan{f}": "name:{group}_scan#",
    "clip-{v}_frame-{f:04}": "name:{group}_frame-#",
    "case{v}.{f}": "name:{group}.#",
    "sub{v:02}_slice{f}": "name:{group}_slice#",
    "seq{v}_view{f}_1": "name:{group}_view#_#",
    "Person{v}_left_{f}": "name:{group}_left_#",
}


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("name", NAMED)
def test_names_that_say_what_they_are(tmp_path, name, quick):
    root = _frames(tmp_path / "d", lambda v, f: name.format(v=v, f=f), alike=False)
    problem = the(doctor(root, quick=quick), "group-across")
    assert problem.severity == "warning"
    assert "of one origin by their names across train and test" in problem.message
    assert problem.fix == f"train, and all else, with --group '{NAMED[name]}'"
    assert len({len({path.split("/")[-1][:6] for path in group}) for group in problem.groups}) <= 2
    assert "group-across" not in kinds(doctor(root, quick=quick, group=NAMED[name]))


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("x{v}-{f}", "2021{v:02}_{f}", "{v} {f}")]


@pytest.mark.parametrize("name", ["{v:08}_{f:03}", "K{v:02}_{f}_r", *SLOW])
def test_names_that_only_the_images_explain(tmp_path, name):
    root = _frames(tmp_path / "d", lambda v, f: name.format(v=v, f=f))
    problem = the(doctor(root), "group-across")
    pattern = re.search(r"--group ('?)(.*)\1$", problem.fix)[2]
    assert "group-across" not in kinds(doctor(root, group=pattern))
    unlike = _frames(tmp_path / "e", lambda v, f: name.format(v=v, f=f), alike=False)
    assert "group-across" not in kinds(doctor(unlike))


@pytest.mark.parametrize("name", ["IMG_{n:04}", "DSC{n:05}", "frame{n}", "{n}", "b ({n}"])
def test_numbers_that_run_through(tmp_path, name):
    root = _frames(tmp_path / "d", lambda v, f: name.format(n=100 * (v % 2) + (v // 2) * FRAMES + f))
    problem = the(doctor(root), "group-across")
    assert "follow each other by their numbers, and are alike" in problem.message
    assert "split by their order, not at random" in problem.fix
    unlike = _frames(tmp_path / "e", lambda v, f: name.format(n=100 * (v % 2) + (v // 2) * FRAMES + f), alike=False)
    assert "group-across" not in kinds(doctor(unlike))


@pytest.mark.parametrize("name", ["cat.{n}", "n01440764_{n}", "{v}_0_1_2017{f}", "IMG_{n:04}", "photo{n}", "{n}"])
def test_names_that_mean_nothing(tmp_path, name):
    root = _frames(tmp_path / "d", lambda v, f: name.format(v=v % 4, f=f, n=v * FRAMES + f), alike=False)
    assert "group-across" not in kinds(doctor(root))


def test_groups_in_splits_that_the_data_have(tmp_path):
    for part in ("train", "test"):
        _frames(tmp_path / "d" / part, lambda v, f, part=part: f"v{v}_f{f + 100 * (part == 'test')}")
    problem = the(doctor(tmp_path / "d"), "group-across")
    assert (len(problem.groups), problem.n) == (VIDEOS, 2 * VIDEOS * FRAMES)
    assert problem.fix.startswith("move each group to one split; or put all in one, and let striate split it: --group")


def test_videos_that_are_in_one_split_each_are_no_leak(tmp_path):
    _frames(tmp_path / "d/train", lambda v, f: f"v{v}_f{f}")
    _frames(tmp_path / "d/test", lambda v, f: f"v{v + 50}_f{f}", alike=False)
    assert "group-across" not in kinds(doctor(tmp_path / "d"))


# -------------------------------------------------------------------------------------------------- bursts
def _shots(root, seconds, camera="Canon"):
    """Photos 0 to 47, taken at *seconds* of their number after midnight, in class folders."""
    for i in range(48):
        exif = Image.Exif()
        at = seconds(i)
        exif[0x010F], exif[0x0110] = camera, "X100"
        exif.get_ifd(0x8769)[0x9003] = f"2024:05:01 {at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}"
        name = np.random.default_rng(i).bytes(4).hex()
        save(picture(i, (40, 30), coarse=5), root / "ab"[i // 4 % 2] / f"{name}x.jpg", exif=exif, quality=90)
    return root


@pytest.mark.parametrize("camera", ["Canon", "NIKON CORPORATION", "Apple"])
@pytest.mark.parametrize("step", [0, 1, 2])
def test_shots_of_a_burst(tmp_path, camera, step):
    problem = the(doctor(_shots(tmp_path, lambda i: i // 4 * 600 + i % 4 * step, camera)), "group-across")
    assert problem.message.startswith("shots of one camera within 3 seconds across train and test")
    assert camera in problem.message
    assert all(len(group) == 4 for group in problem.groups)
    assert "--group COLUMN, a column of a table that numbers the bursts" in problem.fix


def test_photos_taken_minutes_apart_and_a_clock_that_was_not_set(tmp_path):
    assert "group-across" not in kinds(doctor(_shots(tmp_path / "d", lambda i: 90 * i)))
    assert "group-across" not in kinds(doctor(_shots(tmp_path / "e", lambda i: 0)))


# -------------------------------------------------------------------------------------------- the option
def test_a_group_is_never_split(tmp_path):
    root = _frames(tmp_path / "d", lambda v, f: f"v{v}_f{f}")
    data = open_data(root, group="name:{group}_f#")
    train, test = (set(part.groups) for part in (data.train, data.test))
    assert train | test == {f"v{v}" for v in range(VIDEOS)}
    assert not train & test


def test_the_folder_of_an_image_as_its_group(tmp_path):
    for name in ("walk", "run"):
        for subject in range(6):
            for k in range(3):
                save(
                    picture(len(name) + 50 * subject + k, (20, 20)), tmp_path / "d" / name / f"s{subject}" / f"{k}.png"
                )
    data = open_data(tmp_path / "d", group="parent")
    assert {*data.train.groups, *data.test.groups} == {f"s{i}" for i in range(6)}
    assert not set(data.train.groups) & set(data.test.groups)


def test_groups_of_a_table_across_its_splits_are_a_fault(tmp_path):
    rows = ["text,label,split,patient"]
    rows += [f"words {i} {i * 7},{'ab'[i % 2]},{'test' if i % 5 == 0 else 'train'},p{i // 4}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    problem = the(doctor(tmp_path / "t.csv", group="patient"), "group-across")
    assert problem.severity == "fault"
    assert "omit that column" in problem.fix


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ("name:{group}_x#", "fits none of the names in train"),
        ("name:", "--group 'name:': expected name:PATTERN, such as 'name:{group}_#', or parent"),
        ("name:(", "not a regular expression"),
        ("patient", "--group names a column of a table, but this is a folder"),
    ],
)
def test_a_group_that_is_none(tmp_path, group, message):
    root = _frames(tmp_path / "d", lambda v, f: f"v{v}_f{f}")
    with pytest.raises(DataError, match=re.escape(message)):
        open_data(root, group=group)


def test_a_group_by_names_is_for_files():
    with pytest.raises(DataError, match="digits: --group names a column of a table; this data set is built in"):
        open_data("digits", group="name:{group}_#")
