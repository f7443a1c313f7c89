"""Tables of run lengths, as Kaggle has them, against masks that were worked out by hand."""

import csv

import numpy as np
import pytest
from PIL import Image

from striate.datasets import open_data
from striate.datasets.doctor import doctor
from striate.errors import DataError

# of 4x3 pixels, counted down the columns from 1:  1 4 7 10 / 2 5 8 11 / 3 6 9 12
MASKS = {
    "2 3 7 1": [[0, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0]],
    "1 1 12 1": [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]],
    "10 3": [[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1]],
    "1 12": [[1, 1, 1, 1]] * 3,
    "": [[0, 0, 0, 0]] * 3,
}
CELLS = [*MASKS] * 2


@pytest.fixture
def rle(tmp_path):
    """Writes a table, and the photos ``0.png`` ... ``9.png`` beside it in ``train/``."""
    (tmp_path / "train").mkdir()
    for i in range(10):
        pixels = np.random.default_rng(i).integers(0, 256, (3, 4, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "train" / f"{i}.png")

    def write(*rows, name="train.csv"):
        with (tmp_path / name).open("w", newline="") as file:
            csv.writer(file).writerows(rows)
        return tmp_path

    return write


def masks(data):
    return {mask.files[-1].stem: mask.read() for part in data.parts.values() for mask in part.mask_files}


@pytest.mark.parametrize(
    "titles", [("ImageId", "EncodedPixels"), ("image_id", "rle"), ("id", "rle_mask"), ("id", "mask")]
)
@pytest.mark.parametrize("suffix", ["", ".png"])
def test_masks_by_hand(rle, titles, suffix):
    data = open_data(rle(titles, *((f"{i}{suffix}", cell) for i, cell in enumerate(CELLS))))
    assert (data.task, data.classes) == ("segmentation", ("background", "foreground"))
    assert data.why == f"from the run lengths in the column {titles[1]!r}, counted down the columns from 1"
    found = masks(data)
    assert len(found) == 10
    for i, cell in enumerate(CELLS):
        assert found[str(i)].tolist() == MASKS[cell], cell


def test_several_rows_of_an_image_and_their_classes(rle):
    rows = [(f"{i}.png", k, cell) for i in range(10) for k, cell in ((1, "1 9"), (3, "2 3 7 1"))]
    data = open_data(rle(("ImageId", "ClassId", "EncodedPixels"), *rows))
    assert data.classes == ("background", "1", "3")
    assert masks(data)["4"].tolist() == [[1, 2, 2, 0], [2, 1, 1, 0], [2, 1, 1, 0]]  # the smaller one on top


def test_the_class_behind_the_images_name(rle):
    rows = [(f"{i}.png_{k}", cell) for i in range(10) for k, cell in (("Fish", "10 3"), ("Sugar", "1 1" if i else ""))]
    data = open_data(rle(("Image_Label", "EncodedPixels"), *rows))
    assert data.classes == ("background", "Fish", "Sugar")
    assert masks(data)["0"].tolist() == MASKS["10 3"]
    assert masks(data)["1"].tolist() == [[2, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1]]
    labels = open_data(rle(("Image_Label", "EncodedPixels"), *rows), task="multilabel")
    assert labels.classes == ("Fish", "Sugar")


def test_a_missing_image_is_skipped_and_named(rle):
    folder = rle(
        ("ImageId", "EncodedPixels"), *((f"{i}.png", cell) for i, cell in enumerate(CELLS)), ("gone.png", "1 1")
    )
    data = open_data(folder)
    assert [name for name, _ in data.skipped] == ["train.csv line 12"]
    assert next(p for p in doctor(folder).faults if p.kind == "incomplete").n == 1


BAD = {
    "0 3": "'0 3' is no run lengths",
    "1 3 2 1": "'1 3 2 1' is no run lengths",
    "a hole": "'a hole' is no run lengths",
    "1 3 7": "odd count, start/length pairs expected",
    "12 2": "it leads beyond the 4x3 pixels (was the image resized since?)",
}


@pytest.mark.parametrize("cell", BAD)
def test_a_cell_that_is_no_run_lengths_is_skipped_with_its_image(rle, cell):
    good = [(f"{i}.png", "1 2") for i in range(10)]
    data = open_data(rle(("ImageId", "EncodedPixels"), *good, ("0.png", cell)))
    assert data.skipped == (("train.csv line 12", f"0.png: {BAD[cell]}"),)
    assert {*masks(data)} == {str(i) for i in range(1, 10)}
    folder = rle(("ImageId", "EncodedPixels"), *good[:6], *((name, cell) for name, _ in good))
    with pytest.raises(DataError) as caught:  # too many to be a slip
        open_data(folder, task="segmentation")
    if cell not in ("a hole", "1 3 7"):  # with most of these it is no column of run lengths
        assert f"line 8: 0.png: {BAD[cell]} (so in 9 more lines" in str(caught.value)
        assert doctor(folder).task == ""  # nor class folders, as which train/ would be the only class
        assert "expected 'start length start length ...', pixels counted down the columns from 1" in str(caught.value)


def test_a_column_that_is_called_otherwise_is_known_by_its_cells(rle):
    cells = ["1 1 3 1 6 1", "2 1 4 1 6 2", ""]
    data = open_data(rle(("ImageId", "EncodedPixls"), *((f"{i}.png", cells[i % 3]) for i in range(10))))
    assert (data.task, masks(data)["0"].tolist()) == ("segmentation", [[1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 0, 0]])


def test_numbers_of_labels_are_no_run_lengths(rle):
    cells = ["1 3 2 4 5 9", "2 5 7 9 11 12", "0 3"]
    data = open_data(rle(("id", "attribute_ids"), *((f"{i}.png", cells[i % 3]) for i in range(10))))
    assert data.task == "multilabel"


def test_a_table_without_run_lengths_is_to_be_predicted(rle):
    folder = rle(("ImageId", "EncodedPixels"), *((f"{i}.png", "1 2") for i in range(8)))
    rle(("ImageId",), ("8.png",), ("9.png",), name="test.csv")
    data = open_data(folder)
    assert "test.csv skipped: no labels (use it with striate predict)" in data.notes
    assert sum(map(len, data.parts.values())) == 8
    rle(("ImageId",), ("8.png",), ("9.png",), name="val.csv")
    with pytest.raises(DataError, match=r"val\.csv: no column 'encodedpixels', which train\.csv has"):
        open_data(folder)


def test_groups_are_refused(rle):
    with pytest.raises(DataError, match="--group is not read with masks of run lengths"):
        open_data(rle(("ImageId", "EncodedPixels"), *((f"{i}.png", "1 2") for i in range(10))), group="ImageId")


def test_columns_that_are_named(rle):
    folder = rle(("photo", "defect", "rle"), *((f"{i}.png", "ab"[i % 2], "1 2") for i in range(10)))
    assert open_data(folder, file="photo", label="defect").classes == ("background", "a", "b")
    with pytest.raises(DataError, match="no column 'defct' for --label; did you mean 'defect'"):
        open_data(folder, label="defct")
