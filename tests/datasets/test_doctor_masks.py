"""Faults in masks, planted one by one into images and masks that have none."""

import numpy as np
import pytest
from PIL import Image

from sick_data import kinds, picture, save, the
from striate.datasets import DataSet, Part
from striate.datasets.doctor import doctor

N = 12


def mask(seed, size=(96, 72)):
    """Three classes in stripes, each about as large."""
    columns = (np.arange(size[0]) + 7 * seed) * 3 // size[0] % 3
    return Image.fromarray(np.broadcast_to(columns.astype(np.uint8), (size[1], size[0])).copy())


@pytest.fixture
def scenes(tmp_path):
    """``images/`` and ``masks/`` of N items, nothing wrong with them."""
    for i in range(N):
        save(picture(i), tmp_path / f"scenes/images/{i:02}.png")
        save(mask(i), tmp_path / f"scenes/masks/{i:02}.png")
    (tmp_path / "scenes/classes.txt").write_text("sky\nroad\ntree\n")
    return tmp_path / "scenes"


def opened(folder, mask_values=(0, 1, 2)):
    """The data set as it is, whatever opening it would say."""
    images, masks = (sorted((folder / side).iterdir()) for side in ("images", "masks"))
    part = Part(tuple(images), tuple(masks), tuple(map(str, images)))
    classes = ("sky", "road", "tree", "car")[: len(mask_values)]
    return DataSet("scenes", "segmentation", classes, "RGB", (3, 72, 96), part, mask_values=mask_values)


def test_nothing_is_found_in_good_masks(scenes):
    assert kinds(doctor(scenes)) <= {"small-test"}
    assert doctor(opened(scenes)).problems == ()
    assert doctor(opened(scenes), quick=True).problems == ()


def test_a_mask_that_cannot_be_read(scenes):
    (scenes / "masks/03.png").write_text("no")
    problem = the(doctor(opened(scenes)), "mask-unreadable")
    assert (problem.severity, problem.files) == ("fault", (str(scenes / "masks/03.png"),))
    assert "remove them with their images" in problem.fix


@pytest.mark.parametrize("through", ["the folder", "a data set"])
def test_a_mask_of_another_size(scenes, through):
    save(mask(3, (48, 36)), scenes / "masks/03.png")
    problem = the(doctor(scenes if through == "the folder" else opened(scenes)), "mask-size")
    assert (problem.severity, problem.files) == ("fault", (str(scenes / "masks/03.png"),))
    assert "upright" in problem.fix


def test_values_that_are_no_class(scenes):
    values = np.asarray(mask(3)).copy()
    values[:5], values[5:9] = 77, 78
    save(Image.fromarray(values), scenes / "masks/03.png")
    problem = the(doctor(opened(scenes)), "mask-values")
    assert (problem.severity, problem.files) == ("warning", (str(scenes / "masks/03.png"),))
    assert "no class: 77, 78" in problem.message
    assert "classes.txt" in problem.fix


def test_one_value_that_is_no_class_is_meant_to_be_ignored(scenes):
    values = np.asarray(mask(3)).copy()
    values[:5] = 77
    save(Image.fromarray(values), scenes / "masks/03.png")
    assert the(doctor(opened(scenes)), "ignored-value").severity == "note"
    values[:5] = 255
    save(Image.fromarray(values), scenes / "masks/03.png")
    assert doctor(opened(scenes)).problems == ()  # what 255 means, everybody knows


def test_smoothed_edges(scenes):
    smooth = mask(3).point(lambda value: value * 100).resize((50, 40), Image.Resampling.BICUBIC)
    save(smooth.resize((96, 72), Image.Resampling.BICUBIC), scenes / "masks/03.png")
    problem = the(doctor(opened(scenes, (0, 100, 200))), "anti-aliased-mask")
    assert problem.severity == "fault"
    assert str(scenes / "masks/03.png") in problem.files
    assert "nearest pixel" in problem.fix


def test_a_class_that_no_mask_holds(scenes):
    problem = the(doctor(opened(scenes, (0, 1, 2, 3))), "class-never-in-masks")
    assert (problem.severity, problem.n) == ("fault", 1)
    assert "no mask of train contains 'car'" in problem.message
    assert "omit the classes" in problem.fix


def test_a_rare_class(scenes):
    values = np.asarray(mask(3)).copy()
    values[0, :3] = 3
    save(Image.fromarray(values), scenes / "masks/03.png")
    problem = the(doctor(opened(scenes, (0, 1, 2, 3))), "rare-class")
    assert problem.severity == "note"
    assert "'car'" in problem.message


def test_a_mask_of_one_class(scenes):
    save(Image.new("L", (96, 72), 1), scenes / "masks/03.png")
    problem = the(doctor(opened(scenes)), "one-class-mask")
    assert (problem.severity, problem.files) == ("note", (str(scenes / "images/03.png"),))


def test_names_that_do_not_match(scenes):
    (scenes / "masks/03.png").rename(scenes / "masks/3.png")
    diagnosis = doctor(scenes)
    problem = the(diagnosis, "mismatched-stems")
    assert problem.severity == "fault"
    assert problem.files == (str(scenes / "images/03.png"), str(scenes / "masks/3.png"))
    assert "rename, complete or remove" in problem.fix
    assert kinds(diagnosis) <= {"mismatched-stems", "small-test"}


def test_masks_that_end_in_mask_match(scenes):
    for path in list((scenes / "masks").iterdir()):
        path.rename(path.with_stem(f"{path.stem}_mask"))
    assert kinds(doctor(scenes)) <= {"small-test"}


def test_masks_as_arrays():
    rng = np.random.default_rng(0)
    masks = np.tile(np.asarray(mask(0, (8, 8)))[None], (20, 1, 1))
    masks[6, 0, :2] = 9, 8
    part = Part(rng.integers(0, 256, (20, 8, 8), dtype=np.uint8), masks, tuple(f"item {i}" for i in range(20)))
    data = DataSet("scenes", "segmentation", ("a", "b", "c"), "L", (1, 8, 8), part)
    assert the(doctor(data), "mask-values").files == ("item 6",)
