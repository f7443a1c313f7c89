"""The contact sheet: which items it shows, that they are what a run sees, and what the page looks like."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from striate.datasets import Batches, DataSet, Part, open_data, read_part
from striate.datasets.augment import Augment
from striate.datasets.show.items import SheetImage, SheetRow, sheet_contract, sheet_rows
from striate.datasets.show.sheet import SIDE, WIDTH, contact_sheet, image_bytes
from striate.datasets.statistics import original_items
from striate.errors import DataError, ModelError, RecipeError

ALL = Augment.parse("strong vflip=random mixup=0.3 cutmix=0.3")
RED, GREEN = (230, 20, 20), (20, 230, 20)


def squares(task="classification", n=12, side=16, **more):
    """Images of one colour each, red and green in turn."""
    images = np.array([RED, GREEN] * (n // 2), np.uint8)[:, None, None, :].repeat(side, 1).repeat(side, 2)
    targets = more.pop("targets", np.arange(n) % 2)
    part = Part(images, targets, tuple(f"item {i}" for i in range(n)))
    return DataSet("squares", task, more.pop("classes", ("red", "green")), "RGB", (3, side, side), part, **more)


def test_items_are_spread_evenly_over_the_classes():
    data = open_data("digits")
    rows = sheet_rows(data, sheet_contract(data), items=20)
    assert sorted(row.label for row in rows) == sorted("0123456789" * 2)
    assert len({row.name for row in rows}) == 20


def test_every_item_once_where_there_are_few():
    data = squares()
    rows = sheet_rows(data, sheet_contract(data), items=50)
    assert sorted(row.name for row in rows) == sorted(data.train.names)


def test_the_pictures_are_what_a_run_with_that_seed_sees():
    data = open_data("digits")
    contract = replace(sheet_contract(data, (1, 12, 10)), mean=(0.0,), std=(1 / 255,))
    augment = replace(ALL, cutout=0)  # the mean colour is that of a sample here
    rows = sheet_rows(data, contract, augment=augment, seed=3, items=6, epochs=3)
    batches = Batches(read_part(data.train, contract), contract, batch_size=50, seed=3, augment=augment)
    for epoch in range(3):
        batches.set_epoch(epoch)
        images = np.concatenate([x.numpy() for x, _ in batches])
        for row in rows:
            i = data.train.names.index(row.name)
            assert np.abs(row.images[1 + epoch].pixels[..., 0] - images[i, 0]).max() < 1e-3


def test_the_first_picture_is_the_item_as_it_is_prepared():
    data = squares(side=10)
    for row in sheet_rows(data, sheet_contract(data, (3, 4, 6)), augment=ALL):
        assert row.images[0].pixels.shape == (4, 6, 3)
        assert (row.images[0].pixels == (RED if row.label == "red" else GREEN)).all()
        assert len(row.images) == 5


def test_mixed_pictures_say_of_what_they_are():
    data = squares()
    captions = {
        image.caption
        for row in sheet_rows(data, sheet_contract(data), augment=Augment(mixup=1))
        for image in row.images
    }
    assert "" in captions  # as they are, and those that met their own class
    assert any(caption.endswith("red") and "\n" in caption and "% green" in caption for caption in captions)


def test_a_file_that_cannot_be_read_is_passed_over(photos, tmp_path):
    data = open_data(photos(tmp_path, {"cat": 6, "dog": 6}))
    for path in (tmp_path / "cat").glob("[0-2].png"):
        path.write_bytes(b"no image")
    rows = sheet_rows(data, sheet_contract(data), items=50, augment=Augment(mixup=1))
    expected = {name for name in data.train.names if not name.endswith(tuple(f"cat/{i}.png" for i in range(3)))}
    assert len(rows) == len(expected)
    assert all(row.name.startswith(tmp_path.name) for row in rows)  # the end of a long path
    for path in (tmp_path / "cat", tmp_path / "dog"):
        for file in path.glob("*.png"):
            file.write_bytes(b"no image")
    with pytest.raises(DataError, match="none of the items of the train split can be read"):
        sheet_rows(data, sheet_contract(data))


def test_answers_in_words():
    several = np.array([[1, 1], [0, 1], [0, 0]] * 4, np.uint8)
    rows = sheet_rows(data := squares("multilabel", targets=several), sheet_contract(data))
    assert {row.label for row in rows} == {"red, green", "green", "none"}
    numbers = np.linspace(0, 1, 24, dtype=np.float32).reshape(12, 2)
    rows = sheet_rows(data := squares("regression", targets=numbers), sheet_contract(data), items=50)
    assert "red 0, green 0.04348" in {row.label for row in rows}


def test_words_that_the_training_part_lacks_are_marked():
    def part(*texts):
        return Part(texts, np.arange(len(texts)) % 2, tuple(map(str, range(len(texts)))))

    data = DataSet("texts", "classification", ("bad", "good"), "text", (4,), part("a film", "the film"))
    data = replace(data, test=part("a good film it is", "the film"))
    rows = sheet_rows(data, sheet_contract(data), split="test")
    assert [("a", True), ("good", False), ("film", True), ("it", False)] in [list(row.words) for row in rows]
    page = np.asarray(contact_sheet(rows, sheet_contract(data), title="t", about=""))
    assert (page == (255, 221, 170)).all(2).sum() > 500


def test_large_pictures_are_shown_smaller_unless_an_input_is_asked_for():
    data = replace(squares(), input=(3, 3000, 4000))
    assert sheet_contract(data).input == (3, 168, 224)
    assert sheet_contract(data, (3, 300, 400)).input == (3, 300, 400)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"mode": "values"}, DataError, "squares: its items are values, which cannot be shown as images"),
        ({"resize": "squash"}, ModelError, "contract: resize is 'squash'"),
    ],
)
def test_what_cannot_be_shown_is_said(change, error, message):
    with pytest.raises(error, match=message):
        sheet_contract(replace(squares(), mode=change.get("mode", "RGB")), resize=change.get("resize", "stretch"))


def test_a_part_that_is_not_there_is_named():
    data = squares()
    with pytest.raises(RecipeError, match="squares has no split named 'val'; it has train"):
        sheet_rows(data, sheet_contract(data), split="val")


# ---- the page


def page_of(rows, contract):
    return np.asarray(contact_sheet(rows, contract, title="title", about="about"))


def test_small_pictures_are_enlarged_by_whole_factors():
    pixels = np.array([[RED, GREEN], [GREEN, RED]], np.uint8)
    page = page_of([SheetRow("a", "b", (SheetImage(pixels),))], sheet_contract(squares()))
    inside = (page == RED).all(2)
    ys, xs = np.nonzero(inside)
    factor = 2 * SIDE // 2
    assert xs.max() - xs.min() + 1 == ys.max() - ys.min() + 1 == 2 * factor - 2  # but for the frame
    assert inside[ys.min() : ys.min() + factor - 1, xs.min() : xs.min() + factor - 1].all()


def test_masks_lie_over_the_picture_and_are_named():
    mask = np.zeros((12, 16, 16), np.uint8)
    mask[:, 4:, :] = 1
    mask[:, :, :4] = 255
    data = squares("segmentation", targets=mask)
    contract = sheet_contract(data)
    rows = sheet_rows(data, contract)
    page = page_of(rows, contract)
    for swatch in ((0, 114, 178), (230, 159, 0), (0, 0, 0)):  # the legend: two classes, and what is ignored
        assert (page == swatch).all(2).sum() >= 150
    blend = np.round(np.array(RED) * 0.45 + np.array((0, 114, 178)) * 0.55)
    assert (np.abs(page - blend) <= 1).all(2).sum() > 500


def test_positions_are_crosses_where_they_are():
    points = np.array([[0.25, 0.75]], np.float32)
    black = np.zeros((10, 10, 3), np.uint8)
    with_cross = page_of([SheetRow("", "n", (SheetImage(black, points=points),))], sheet_contract(squares()))
    without = page_of([SheetRow("", "n", (SheetImage(black),))], sheet_contract(squares()))
    ys, xs = np.nonzero((with_cross != without).any(2))
    corner = np.argwhere((without == (200, 200, 206)).all(2)).min(axis=0)
    side = 2 * SIDE // 10 * 10
    middle = (ys.min() + ys.max()) / 2 - corner[0], (xs.min() + xs.max()) / 2 - corner[1]
    assert middle == pytest.approx((0.75 * side, 0.25 * side), abs=1.5)


def test_nothing_is_written_beyond_the_page():
    long = "a very long name " * 30
    images = tuple(SheetImage(np.zeros((40, 50, 3), np.uint8), caption=long) for _ in range(5))
    for row in (
        SheetRow(long, long, images),
        SheetRow(long, long, images[:1]),
        SheetRow(long, long, words=((long * 5, False),) * 90),
    ):
        page = np.asarray(contact_sheet([row] * 7, sheet_contract(squares()), title=long, about=long))
        assert page.shape[1] < 2 * WIDTH + 60
        assert (page[:, -20:] == 255).all()
        assert (page[-20:] == 255).all()


def test_the_files_format_goes_by_its_name(tmp_path):
    page = Image.new("RGB", (4, 4))
    for name, format in (("a.png", "PNG"), ("b.JPG", "JPEG"), ("c.webp", "WEBP")):
        (tmp_path / name).write_bytes(image_bytes(page, tmp_path / name))
        with Image.open(tmp_path / name) as written:
            assert written.format == format
    with pytest.raises(RecipeError, match=r"sheet.pdf: the file must end in .png or .jpg"):
        image_bytes(page, tmp_path / "sheet.pdf")


def test_numbers_of_copies_are_the_items():
    assert original_items(np.array([5, 5 + (3 << 40)])).tolist() == [5, 5]
