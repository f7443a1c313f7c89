"""One fault planted in a folder that has none, and the doctor's answer to it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sick_data import class_folders, kinds, picture, save, the
from striate.datasets.doctor import doctor


@pytest.fixture(scope="module")
def _healthy(tmp_path_factory):
    return class_folders(tmp_path_factory.mktemp("healthy") / "pets")


@pytest.fixture
def pets(_healthy, tmp_path):
    """A folder with nothing wrong, to plant one fault in."""
    import shutil

    return Path(shutil.copytree(_healthy, tmp_path / "pets"))


def test_nothing_is_found_in_a_clean_folder(pets):
    diagnosis = doctor(pets)
    assert kinds(diagnosis) <= {"small-test"}
    assert diagnosis.counts["train"] == {"items": 24, "classes": {"cat": 12, "dog": 12}}


def planted(pets, kind, severity, path, words, fix):
    """The doctor names the file *path*, and nothing else, as a problem of this kind."""
    diagnosis = doctor(pets)
    problem = the(diagnosis, kind)
    assert problem.severity == severity
    assert problem.files == (str(path),)
    assert words in problem.message
    assert fix in problem.fix
    assert kinds(diagnosis) - {kind, "small-test"} == set()
    assert bool(diagnosis.faults) == (severity == "fault")


def test_empty_file(pets):
    path = pets / "train/cat/empty.png"
    path.touch()
    planted(pets, "empty-file", "fault", path, "0 bytes", "copy it again or remove it")


def test_no_image(pets):
    path = pets / "test/dog/page.jpg"
    path.write_text("<html>404</html>")
    planted(pets, "unreadable", "fault", path, "not an image that can be read", "convert or remove it")


def test_cut_short(pets):
    path = save(picture(900), pets / "train/cat/cut.jpg")
    path.write_bytes(path.read_bytes()[:1500])
    planted(pets, "unreadable", "fault", path, "damaged or cut short", "copy it again")


def test_two_reasons_are_two_problems(pets):
    (pets / "train/cat/a.png").write_text("no")
    cut = save(picture(900), pets / "train/cat/cut.jpg")
    cut.write_bytes(cut.read_bytes()[:1500])
    assert [problem.kind for problem in doctor(pets).faults] == ["unreadable"] * 2


def test_wrong_suffix(pets):
    path = save(picture(901), pets / "train/cat/really.jpg", format="PNG")
    planted(pets, "wrong-suffix", "note", path, "1 file of another format than the name says (PNG)", "nothing")


def test_exif_rotated(pets):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(picture(902), pets / "train/cat/phone.jpg", exif=exif, quality=95)
    planted(pets, "exif-rotated", "note", path, "EXIF", "striate turns them upright")


@pytest.mark.parametrize(
    ("mode", "name", "severity", "fix"),
    [("CMYK", "print.jpg", "warning", "convert them to RGB"), ("P", "icon.gif", "note", "nothing")],
)
def test_odd_mode(pets, mode, name, severity, fix):
    path = save(picture(903).convert(mode), pets / "train/cat" / name)
    planted(pets, "odd-mode", severity, path, f"mode {mode}", fix)


def test_mixed_modes(pets):
    path = save(picture(904).convert("L"), pets / "train/cat/grey.png")
    planted(pets, "mixed-modes", "warning", path, "1 of 49 are grey", "colour mode")


def test_transparent(pets):
    image = picture(905).convert("RGBA")
    image.putalpha(Image.new("L", image.size, 128))
    path = save(image, pets / "train/cat/glass.png")
    planted(pets, "transparent", "warning", path, "black", "background")


def test_an_alpha_channel_that_is_full_is_no_problem(pets):
    save(picture(906).convert("RGBA"), pets / "train/cat/opaque.png")
    assert kinds(doctor(pets)) <= {"small-test"}


def test_animated(pets):
    path = pets / "train/cat/moving.webp"
    picture(907).save(path, save_all=True, append_images=[picture(908)])
    planted(pets, "animated", "note", path, "only the first is used", "save the frames")


def test_few_of_16_bits(pets):
    values = np.asarray(picture(909).convert("L")).astype(np.uint16) * 16  # as a sensor of 12 bits writes
    path = save(Image.fromarray(values), pets / "train/cat/sensor.png")
    problem = the(doctor(pets), "few-bits")
    assert (problem.severity, problem.files) == ("warning", (str(path),))
    assert "multiply their values by 16" in problem.fix


def test_tiny(pets):
    path = save(picture(910, (7, 9)), pets / "train/cat/icon.png")
    problem = the(doctor(pets), "tiny")
    assert (problem.severity, problem.files) == ("warning", (str(path),))
    assert "side below 9 pixels" in problem.message
    assert "replace or remove" in problem.fix


def test_extreme_aspect(pets):
    path = save(picture(911, (300, 60)), pets / "train/cat/banner.png")
    planted(pets, "extreme-aspect", "warning", path, "more than 4 times as long as wide", "--resize fit")


def test_long_images_by_nature_are_none(tmp_path):
    for i in range(8):
        save(picture(i, (300, 60)), tmp_path / "d" / ("cat" if i % 2 else "dog") / f"{i}.png")
    assert "extreme-aspect" not in kinds(doctor(tmp_path / "d"))


def test_mixed_sizes(pets):
    save(picture(912, (1200, 900)), pets / "train/cat/large.png")
    problem = the(doctor(pets), "mixed-sizes")
    assert problem.severity == "note"
    assert "from 96x72 to 1200x900" in problem.message


def test_one_colour(pets):
    colours = {"flat": (90, 10, 200), "flat2": (90, 10, 201)}  # the channels differ; that no pixel does is what counts
    files = [save(Image.new("RGB", (96, 72), rgb), pets / f"train/cat/{name}.png") for name, rgb in colours.items()]
    diagnosis = doctor(pets)
    assert the(diagnosis, "one-colour").files == tuple(map(str, files))
    assert "remove them" in the(diagnosis, "one-colour").fix
    assert "near-duplicates" not in kinds(diagnosis)  # one colour is like every other


def test_very_dark(pets):
    path = save(picture(913).point(lambda value: value // 9), pets / "train/cat/night.png")
    planted(pets, "very-dark", "warning", path, "nearly black", "full range")


def test_very_bright(pets):
    path = save(picture(914).point(lambda value: 226 + value // 9), pets / "train/cat/snow.png")
    planted(pets, "very-bright", "warning", path, "nearly white", "full range")


def test_arrays_are_looked_at_too(pets):
    from sick_data import labelled

    images = np.random.default_rng(0).integers(0, 256, (24, 28, 28), dtype=np.uint8)
    images[5] = 77
    problem = the(doctor(labelled(np.arange(24) % 2, "ab", images)), "one-colour")
    assert problem.files == ("item 5",)


def test_nothing_can_be_read(tmp_path):
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for i in range(3):
            (tmp_path / label / f"{i}.png").write_text(f"no {i} {label}")
    diagnosis = doctor(tmp_path)
    assert kinds(diagnosis) >= {"cannot-open", "unreadable"}
    assert len(the(diagnosis, "unreadable").files) == 6


def test_the_quick_part_sees_empty_files_and_no_images(pets):
    (pets / "train/cat/empty.png").touch()
    (pets / "test/dog/page.jpg").write_text("<html>404</html>")
    diagnosis = doctor(pets, quick=True)
    assert diagnosis.quick
    assert the(diagnosis, "empty-file").files == (str(pets / "train/cat/empty.png"),)
    assert the(diagnosis, "unreadable").files == (str(pets / "test/dog/page.jpg"),)
