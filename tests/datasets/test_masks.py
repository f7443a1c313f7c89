from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import striate
from striate.datasets import open_data
from striate.datasets.sources.mask_values import with_earlier_names
from striate.datasets.sources.masks import open_masks
from striate.datasets.sources.masks_places import is_masks
from striate.errors import DataError
from striate.model.contract import Contract
from striate.model.model import Model
from striate.net.build import build
from striate.spec import parse

CAMVID = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "camvid"


@pytest.fixture
def pairs(picture, mask):
    """``pairs(folder, [rows, ...])`` writes an image and a mask of those values for each, called 0, 1, ..."""

    def write(folder, masks, mode="L", images="images", into="masks", suffix=".png"):
        for i, rows in enumerate(masks):
            picture(folder / images / f"{i}.png", value=i, size=np.array(rows).shape[::-1])
            mask(folder / into / f"{i}{suffix}", rows, mode)
        return folder

    return write


def message(folder):
    with pytest.raises(DataError) as caught:
        open_masks(folder)
    return str(caught.value).replace(str(folder), "FOLDER")


def test_images_and_masks(tmp_path, pairs):
    folder = pairs(tmp_path / "street", [[[0, 1]], [[2, 1]]])
    data = open_masks(folder)
    assert (data.name, data.task, data.classes) == ("street", "segmentation", ("0", "1", "2"))
    assert data.mask_values == (0, 1, 2)
    assert data.train.inputs == (folder / "images" / "0.png", folder / "images" / "1.png")
    assert data.train.targets == (folder / "masks" / "0.png", folder / "masks" / "1.png")
    assert data.train.names == tuple(map(str, data.train.inputs))
    assert (data.mode, data.input, data.notes) == ("RGB", (3, 1, 2), ())
    assert data.why == "from images/ and masks/"


def test_they_are_no_two_classes(tmp_path, pairs):
    data = open_data(pairs(tmp_path, [[[0, 1]]] * 5))
    assert data.task == "segmentation"
    assert open_data(tmp_path, task="segmentation", channels=1).input == (1, 1, 2)
    with pytest.raises(DataError, match=r"its targets are for segmentation \(from images/ and masks/\), not for"):
        open_data(tmp_path, task="regression")


@pytest.mark.parametrize(("images", "masks"), [("image", "mask"), ("Images", "labels"), ("imgs", "annotations")])
def test_other_names_of_the_folders(tmp_path, pairs, images, masks):
    assert open_masks(pairs(tmp_path, [[[0, 1]]], images=images, into=masks)).why == f"from {images}/ and {masks}/"


@pytest.mark.parametrize("order", ["part first", "part last"])
def test_parts(tmp_path, pairs, order):
    for part, n in (("train", 3), ("Valid", 1), ("test", 2)):
        if order == "part first":
            pairs(tmp_path / part, [[[0, 1]]] * n)
        else:
            pairs(tmp_path, [[[0, 1]]] * n, images=f"images/{part}", into=f"masks/{part}")
    data = open_masks(tmp_path)
    assert [len(part) for part in (data.train, data.val, data.test)] == [3, 1, 2]


def test_what_is_no_such_folder(tmp_path, class_folders, pairs):
    assert not is_masks(tmp_path)
    assert not is_masks(class_folders(tmp_path / "a", images=1, dogs=1))
    assert is_masks(pairs(tmp_path / "b", [[[0, 1]]]))


def test_names_in_folders_and_with_endings(tmp_path, picture, mask):
    for stem, end in (
        ("city/a", ".png"),
        ("city/b", "_mask.png"),
        ("c", "_L.png"),
        ("d_mask", ".tif"),
        ("d.1", ".png"),
    ):
        picture(tmp_path / "images" / f"{stem}.jpg", size=(2, 1))
        mask(tmp_path / "masks" / f"{stem}{end}", [[0, 1]])
    data = open_masks(tmp_path)
    assert [path.name for path in data.train.targets] == ["c_L.png", "d.1.png", "d_mask.tif", "a.png", "b_mask.png"]
    assert data.notes == ()


def test_what_has_no_partner_is_left_out_and_named(tmp_path, pairs, picture, mask):
    pairs(tmp_path, [[[0, 1]]])
    for i in range(7):
        picture(tmp_path / "images" / f"a{i}.png")
    mask(tmp_path / "masks" / "over.png", [[0, 9]])
    data = open_masks(tmp_path)
    assert len(data.train) == 1
    assert data.classes == ("background", "foreground")
    assert data.notes == ()
    assert data.skipped == (
        *((str(tmp_path / "images" / f"a{i}.png"), "no mask of that name") for i in range(7)),
        (str(tmp_path / "masks" / "over.png"), "no image of that name"),
    )


def test_no_partners_at_all(tmp_path, picture, mask):
    picture(tmp_path / "images" / "a.png")
    mask(tmp_path / "masks" / "b.png", [[0, 1]])
    assert message(tmp_path) == (
        "FOLDER: no mask in masks/ has the name of an image in images/ (b.png; a.png); arrange them as images/NAME.jpg "
        "and masks/NAME.png"
    )


def test_two_masks_of_one_image(tmp_path, pairs, mask):
    pairs(tmp_path, [[[0, 1]]])
    mask(tmp_path / "masks" / "0_mask.png", [[0, 1]])
    assert message(tmp_path) == "FOLDER/masks: both 0.png and 0_mask.png are the mask of '0'; keep one"


def test_no_masks(tmp_path, picture):
    picture(tmp_path / "images" / "a.png")
    (tmp_path / "labels").mkdir()
    wanted = "; a mask is an image whose pixels are class numbers"
    assert message(tmp_path) == f"FOLDER/labels: no images in it{wanted}"
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 1 1")
    assert message(tmp_path) == (
        f"FOLDER/labels: no images in it (text files of boxes, as for object detection, are no masks){wanted}"
    )


def test_no_training_part_or_two(tmp_path, pairs):
    pairs(tmp_path / "test", [[[0, 1]]])
    assert message(tmp_path) == "FOLDER: there is test/ with images and masks, but no train/ to learn from"
    for part in ("train", "training"):
        pairs(tmp_path / part, [[[0, 1]]])
    assert message(tmp_path) == "FOLDER: two folders look like the train split; keep one"


@pytest.mark.parametrize(
    ("values", "classes", "note"),
    [
        ([0, 1, 2, 255], ("0", "1", "2"), ("pixels of value 255 are ignored",)),
        ([1, 2, 4, 255], ("1", "2", "4"), ("pixels of value 255 are ignored",)),
        ([0, 128, 255], ("0", "128", "255"), ()),
        ([7, 9], ("7", "9"), ()),
    ],
)
def test_the_values_are_the_classes(tmp_path, pairs, values, classes, note):
    data = open_masks(pairs(tmp_path, [[values], [values]]))
    assert data.classes == classes
    assert data.mask_values == tuple(map(int, classes))
    assert data.notes == note


@pytest.mark.parametrize(
    ("values", "mode", "found"),
    [
        ([0, 255], "L", (0, 255)), ([0, 1], "L", (0, 1)), ([0, 1, 255], "L", (0, 1)),
        ([0, 0xFFFFFF], "RGB", (0, 0xFFFFFF)),
    ],
)  # fmt: skip
def test_black_and_white_masks_have_a_background_and_a_foreground(tmp_path, pairs, values, mode, found):
    """As tools for segmentation call them; 255 beside 0 and 1 is ignored, as ever."""
    data = open_masks(pairs(tmp_path, [[values], [values]], mode=mode))
    assert (data.classes, data.mask_values) == (("background", "foreground"), found)
    (tmp_path / "classes.txt").write_text("soil\nleaf")
    assert open_masks(tmp_path).classes == ("soil", "leaf")


def test_models_that_call_the_two_as_their_values_still_know_them(tmp_path, pairs):
    white = open_masks(pairs(tmp_path / "white", [[[0, 255]]]))
    ones = open_masks(pairs(tmp_path / "ones", [[[0, 1]]]))
    assert with_earlier_names(white, ("0", "255")).classes == ("0", "255")
    assert with_earlier_names(ones, ("0", "1")).classes == ("0", "1")
    assert with_earlier_names(ones, ("0", "1", "2")).classes == ("0", "1")
    assert with_earlier_names(white, ("0", "1", "2")).classes == ("background", "foreground")  # it knows no 255
    assert with_earlier_names(white, ("background", "foreground")) is white
    assert with_earlier_names(white, ("soil", "leaf")) is white


def test_a_model_of_an_earlier_version_is_evaluated_under_its_own_names(tmp_path, pairs):
    pairs(tmp_path / "data" / "train", [[[0, 255]]])
    pairs(tmp_path / "data" / "test", [[[0, 255]], [[255, 255]]])
    contract = Contract(("0", "255"), (1, 1, 2), "L", (0.5,), (0.5,), task="segmentation", mask_values=(0, 255))
    model = Model(build(parse("input 1x1x2; conv 2 1")), contract)
    scores = striate.evaluate(model, tmp_path / "data", split="test")
    assert [(c.name, c.pixels) for c in scores.per_class] == [("0", 1), ("255", 3)]


def test_colours(tmp_path, pairs):
    data = open_masks(pairs(tmp_path, [[[0x800000, 0x0000FF, 0]]], mode="RGB"))
    assert data.classes == ("#000000", "#0000ff", "#800000")
    assert data.mask_values == (0, 0xFF, 0x800000)


def test_grey_saved_in_colour(tmp_path, pairs):
    pairs(tmp_path, [[[0, 0x010101, 0x020202, 0xFFFFFF]]], mode="RGB")
    data = open_masks(tmp_path)
    assert data.classes == ("0", "1", "2")
    assert data.mask_values == (0, 0x010101, 0x020202)
    assert data.notes == ("pixels of value 255 are ignored",)
    data = open_masks(names(tmp_path, "road", "car", "void"))
    assert (data.classes, data.mask_values) == (("road", "car"), (0, 0x010101))


@pytest.mark.parametrize(("mode", "white"), [("L", 0xFF), ("RGB", 0xFFFFFF)])
def test_black_and_white_named_by_colour(tmp_path, pairs, mode, white):
    pairs(tmp_path, [[[0, white]]], mode=mode)
    data = open_masks(names(tmp_path, "ground #000000", "cell 255 255 255"))
    assert (data.classes, data.mask_values) == (("ground", "cell"), (0, white))


def test_the_numbers_of_a_palette(tmp_path, pairs):
    pairs(tmp_path, [[[0, 1]]])
    image = Image.fromarray(np.array([[0, 3]], np.uint8), "L").convert("P")
    image.putdata([0, 3])
    image.putpalette([200, 10, 10] * 256)
    image.save(tmp_path / "masks" / "0.png")
    assert open_masks(tmp_path).mask_values == (0, 3)


def test_values_that_training_lacks(tmp_path, pairs):
    pairs(tmp_path / "train", [[[0, 1]]])
    pairs(tmp_path / "val", [[[0, 5, 255]]])
    data = open_masks(tmp_path)
    assert data.mask_values == (0, 1)
    assert data.notes == ("pixels of 5, which no training mask contains, are ignored",)


def names(folder, *lines):
    (folder / "classes.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder


def test_names(tmp_path, pairs):
    data = open_masks(names(pairs(tmp_path, [[[0, 1, 3, 255]]]), "road", "sky ", "kočka", "Void", ""))
    assert data.classes == ("road", "sky", "kočka")
    assert data.mask_values == (0, 1, 2)
    assert data.notes == (
        "no training mask contains 'kočka'",
        "pixels of 'Void' are ignored",
        "pixels of value 255 are ignored",
    )


def test_an_ignored_name_in_the_middle(tmp_path, pairs):
    data = open_masks(names(pairs(tmp_path, [[[0, 1, 2]]]), "unlabelled", "road", "sky"))
    assert (data.classes, data.mask_values) == (("road", "sky"), (1, 2))


def test_as_many_names_as_values(tmp_path, pairs):
    data = open_masks(names(pairs(tmp_path, [[[0, 255]]]), "background", "cell"))
    assert (data.classes, data.mask_values) == (("background", "cell"), (0, 255))


def test_shades_of_grey_by_name(tmp_path, pairs):
    data = open_masks(names(pairs(tmp_path, [[[0, 127, 255]]]), "background", "border", "cell"))
    assert data.mask_values == (0, 127, 255)


def test_names_with_colours(tmp_path, pairs):
    pairs(tmp_path, [[[0x808080, 0x000080, 0]]], mode="RGB")
    data = open_masks(names(tmp_path, "open sky 128 128 128", "car: 0, 0, 128", "void #000000"))
    assert data.classes == ("open sky", "car")
    assert data.mask_values == (0x808080, 0x80)
    names(tmp_path, "sky", "car", "road")
    assert message(tmp_path) == (
        "FOLDER/classes.txt: 3 names, but the masks also contain #000080, #808080; write each name's colour after it "
        "(sky 128 128 128)"
    )


def test_values_beyond_the_names(tmp_path, pairs):
    names(pairs(tmp_path, [[[0, 1, 2, 7, 9]]]), "road", "sky", "car")
    assert message(tmp_path) == (
        "FOLDER/classes.txt: 3 names, but the masks also contain 7, 9; add their names or correct the masks"
    )


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (("road", "", "sky"), "line 2: it is empty"),
        (("road", "sky", "road"), "line 3: 'road' is there already, or its colour"),
        (("road #000001", "sky 0 0 1"), "line 2: 'sky' is there already, or its colour"),
    ],
)
def test_names_that_are_none(tmp_path, pairs, lines, wanted):
    names(pairs(tmp_path, [[[0, 1]]]), *lines)
    assert message(tmp_path) == f"FOLDER/classes.txt: {wanted}; write one name per line, each once"


def test_names_that_are_no_text(tmp_path, pairs):
    pairs(tmp_path, [[[0, 1]]])
    (tmp_path / "classes.txt").write_bytes(b"caf\xe9\nsky\n")
    assert message(tmp_path) == "FOLDER/classes.txt: it cannot be read as UTF-8 text; write one class name per line"


def test_one_class(tmp_path, pairs):
    pairs(tmp_path, [[[4, 4]]])
    assert message(tmp_path) == "FOLDER: the masks contain only the value 4; learning needs two classes or more"
    names(tmp_path, "void", "a", "void2", "b", "c")
    assert open_masks(tmp_path).classes == ("a", "void2", "b", "c")
    (tmp_path / "masks" / "0.png").unlink()
    pairs(tmp_path, [[[0, 1]]])
    names(tmp_path, "unlabeled", "cell")
    assert message(tmp_path) == "FOLDER: the masks contain only the class 'cell'; learning needs two classes or more"


def test_photos_for_masks(tmp_path, pairs):
    pairs(tmp_path, [np.arange(256).reshape(16, 16)])
    assert message(tmp_path) == (
        "FOLDER/masks: the masks contain 256 different values (0.png alone 256), as a photo or a mask with smoothed "
        "edges has; save masks as PNG, one number or colour for each class, and resize them by the nearest pixel"
    )


def test_masks_that_a_format_blurred(tmp_path, pairs):
    noise = np.random.default_rng(0).integers(0, 2, (32, 32)) * 255
    pairs(tmp_path, [noise], suffix=".jpg")
    text = message(tmp_path)
    assert "different values (0.jpg alone " in text
    assert "; JPEG and WebP blur the numbers; save masks as PNG" in text


def test_masks_of_another_size(tmp_path, pairs, mask):
    pairs(tmp_path, [[[0, 1]], [[0, 1]]])
    mask(tmp_path / "masks" / "1.png", [[0, 1, 5]])
    data = open_masks(tmp_path)
    assert len(data.train) == 1
    assert data.classes == ("background", "foreground")
    uneven = str(tmp_path / "masks" / "1.png")
    assert data.skipped == ((uneven, "not of its image's size: 3x1 pixels, its image 2x1"),)
    mask(tmp_path / "masks" / "0.png", [[0], [1]])
    assert message(tmp_path) == (
        "FOLDER/masks: no mask has the size of its image (2 pairs; 0.png: 1x2 pixels, its image 2x1 (it seems drawn on "
        "the image before its EXIF turned it)); draw it on the image"
    )


def test_a_turned_photo_and_its_upright_mask(tmp_path, mask):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 4)).save(tmp_path / "images" / "a.jpg", exif=exif)
    mask(tmp_path / "masks" / "a.png", [[0, 1, 0, 1]] * 8)
    assert open_masks(tmp_path).input == (3, 8, 4)


def test_broken_files_end_nothing(tmp_path, pairs):
    pairs(tmp_path, [[[0, 1]]] * 4)
    (tmp_path / "masks" / "1.png").write_bytes(b"")
    (tmp_path / "images" / "2.png").write_bytes(b"")
    assert len(open_masks(tmp_path).train) == 4  # they are named when the data set is read
    for i in range(4):
        (tmp_path / "masks" / f"{i}.png").write_bytes(b"")
    assert message(tmp_path) == (
        "none of the 4 masks can be read; the first: FOLDER/masks/0.png: the file is empty (0 bytes); copy it again or "
        "remove it"
    )


def test_hidden_folders_are_noted(tmp_path, pairs, picture):
    pairs(tmp_path, [[[0, 1]]])
    picture(tmp_path / "images" / ".ipynb_checkpoints" / "0.png")
    assert open_masks(tmp_path).notes == ("1 image in hidden folders skipped: images/.ipynb_checkpoints/",)


@pytest.mark.realdata
@pytest.mark.skipif(not CAMVID.is_dir(), reason="no CamVid beside the repository")
def test_camvid():
    data = open_data(CAMVID)
    assert (data.task, len(data.classes), data.input) == ("segmentation", 11, (3, 180, 240))
    assert [len(part) for part in (data.train, data.val, data.test)] == [367, 101, 233]
    assert data.mask_values == tuple(range(11))
    assert data.notes == ("pixels of 'unlabelled' are ignored",)
