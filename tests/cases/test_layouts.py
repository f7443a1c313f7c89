"""Folders as people have them, rebuilt small: the layouts of well-known public sets, and others of their kind."""

import json
import os
import shlex
import zlib

import numpy as np
import pytest
from PIL import Image

from striate import evaluate, train
from striate.datasets import open_data, read_part
from striate.datasets.doctor import doctor
from striate.datasets.show.items import sheet_contract
from striate.errors import DataError

SIDE = 12
BINARY = ("background", "foreground")


def photo(path, seed=0, side=SIDE, format=None):
    """Noise of many values, at *path* (made with its folders), in the format of its suffix or another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(zlib.crc32(path.name.encode()) + seed).integers(0, 256, (side, side, 3), np.uint8)
    Image.fromarray(pixels).save(path, format)
    return path


def build(root, *paths):
    """A photo at each of the *paths*; ``a/{0..3}.jpg`` stands for four of them."""
    for text in paths:
        head, _, rest = text.partition("{")
        if not rest:
            photo(root / text)
            continue
        numbers, _, tail = rest.partition("}")
        first, last = map(int, numbers.split(".."))
        for i in range(first, last + 1):
            photo(root / f"{head}{i}{tail}")
    return root


def counts(data):
    return {name: len(part) for name, part in data.parts.items()}


def message(path, **options):
    with pytest.raises(DataError) as caught:
        open_data(path, **options)
    return str(caught.value)


SPLITS = [
    ("training_set", None, "test_set"),
    ("seg_train/seg_train", None, "seg_test/seg_test"),
    ("Train_data", None, "Test_data"),
    ("training", "validation", "testing"),
    ("train", "dev", "test"),
    ("trainset", "valset", "testset"),
    ("images_train", "images_val", "images_test"),
    ("Train/train", None, "Test/test"),
    ("TrainData", "ValidData", "TestData"),
    ("asl_alphabet_train/asl_alphabet_train", None, "asl_alphabet_test/asl_alphabet_test"),
    ("01_train", None, "02_eval"),
    ("train/train_images", "val/val_images", None),
]


@pytest.mark.parametrize(("train", "val", "test"), SPLITS)
def test_splits_by_any_usual_name(tmp_path, train, val, test):
    for split, last in ((train, 3), (val, 1), (test, 2)):
        if split:
            build(tmp_path, f"{split}/cats/c{{0..{last}}}.jpg", f"{split}/dogs/d{{0..{last}}}.jpg")
    data = open_data(tmp_path)
    assert data.classes == ("cats", "dogs")
    found = counts(data)
    assert found["train"] == (8 if test else 6)
    assert found.get("val", 0) == (4 if val else 0)
    assert found["test"] == (6 if test else 2)  # or a fifth of the training split


@pytest.mark.parametrize(("train", "test"), [("photos", "test"), ("pictures", "holdout"), ("all", "testing")])
def test_a_folder_beside_a_test_split_with_the_same_classes_is_the_training_split(tmp_path, train, test):
    build(tmp_path, f"{train}/a/{{0..3}}.png", f"{train}/b/{{0..3}}.png", f"{test}/a/9.png", f"{test}/b/9.png")
    data = open_data(tmp_path)
    assert (data.classes, counts(data)) == (("a", "b"), {"train": 8, "test": 2})
    assert f"{train}/ is taken for the training split: it has the class folders of {test}/" in data.notes


@pytest.mark.parametrize("names", [("train", "bus", "car"), ("train station", "bus station"), ("test tube", "flask")])
def test_classes_that_are_called_as_splits_are(tmp_path, names):
    build(tmp_path, *(f"{name}/{{0..4}}.png" for name in names))
    assert open_data(tmp_path).classes == tuple(sorted(names))


def test_two_folders_of_one_split(tmp_path):
    for split in ("train", "test", "testing"):
        build(tmp_path, f"{split}/a/{{0..1}}.png", f"{split}/b/{{0..1}}.png")
    assert "both test/ and testing/ look like the test split; keep one" in message(tmp_path)


@pytest.mark.parametrize(
    "flat", ["test", "test/unknown", "test/test", "seg_pred/seg_pred", "testing", "unlabeled", "prediction/all"]
)
def test_images_without_class_are_what_predict_is_for(tmp_path, flat):
    build(tmp_path, "train/cat/{0..4}.jpg", "train/dog/{0..4}.jpg", f"{flat}/{{10..12}}.jpg")
    data = open_data(tmp_path)
    assert (data.classes, sum(counts(data).values())) == (("cat", "dog"), 10)
    (note,) = data.notes
    assert "3 images and no class folders: not trained or measured on; predict them with striate predict" in note


@pytest.mark.parametrize("other", ["Unseen", "held out", "final", "hospital B", "new"])
def test_a_folder_of_the_same_classes_beside_the_splits_is_not_passed_over_silently(tmp_path, other):
    build(tmp_path, *(f"{split}/{name}/{split}{{0..4}}.png" for split in ("Train", "Val", other) for name in "ab"))
    data = open_data(tmp_path)
    assert counts(data) == {"train": 8, "val": 10, "test": 2}
    assert f"{other}/ beside the splits skipped; to test on {other}/, call it test/" in data.notes


@pytest.mark.parametrize("inner", [("Ara", "Kea", "Katze"), ("red oak", "elm", "ash"), ("a", "b", "c")])
def test_folders_in_class_folders_that_may_be_the_classes(tmp_path, inner):
    build(tmp_path, *(f"{'xy'[i % 2]}/{name}/{name}{{0..4}}.png" for i, name in enumerate(inner)))
    data = open_data(tmp_path)
    assert data.classes == ("x", "y")
    (note,) = [note for note in data.notes if "the class folders contain folders" in note]
    assert note.endswith(f"striate data {shlex.quote(str(tmp_path))} --classes-from parent")
    assert open_data(tmp_path, classes_from="parent").classes == tuple(sorted(inner))


@pytest.mark.parametrize("inner", ["subject{}", "2024-01-0{}", "video {}", "{}"])
def test_subjects_and_days_in_class_folders_are_no_classes(tmp_path, inner):
    for i in range(4):
        build(tmp_path, f"{'xy'[i % 2]}/{inner.format(i)}/{{0..3}}{i}.png")
    assert open_data(tmp_path).notes == ()


@pytest.mark.parametrize("names", ["IMG_{4000..4009}", "DSC0{100..109}", "PXL_2024{10..19}", "P{1..9}", "photo-{1..9}"])
def test_one_class_folder_instead_of_its_parent(tmp_path, names):
    build(tmp_path, f"cups/{names}.jpg", "bins/{1..9}.jpg")
    text = message(tmp_path / "cups")
    assert "classes-from" not in text
    assert f"if it is one class of several, did you mean {os.path.relpath(tmp_path)!r}?" in text
    (tmp_path / "bins").rename(tmp_path / ".bins")
    assert "did you mean" not in message(tmp_path / "cups")


@pytest.mark.parametrize("folds", [("north", "south"), ("site a", "site b", "site c"), ("2019", "2020")])
def test_folders_that_share_the_names_of_classes_are_asked_about(tmp_path, folds):
    build(tmp_path, *(f"{fold}/{name}/{fold}{{0..2}}.png" for fold in folds for name in ("oak", "elm")))
    data = open_data(tmp_path)
    assert data.classes == folds
    assert f"striate data {shlex.quote(str(tmp_path))} --classes-from parent" in data.notes[0]
    data = open_data(tmp_path, classes_from="parent")
    assert (data.classes, sum(counts(data).values())) == (("elm", "oak"), 6 * len(folds))


@pytest.mark.parametrize(
    ("wrapper", "also"),
    [
        ("archive/PetImages", ()),
        ("chest_xray", ("__MACOSX/._x/a.png",)),
        ("data/raw/v2", ()),
        ("PlantVillage/PlantVillage", (".DS_Store",)),
        ("my photos", ("Thumbs.db", "readme.txt")),
        ("flowers", ("LICENSE.md",)),
    ],
)
@pytest.mark.parametrize("split", ["", "train/"])
def test_wrappers_are_seen_through_and_said(tmp_path, wrapper, also, split):
    build(tmp_path, f"{wrapper}/{split}cat/{{0..4}}.jpg", f"{wrapper}/{split}dog/{{0..4}}.jpg")
    for name in also:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"?")
    data = open_data(tmp_path)
    assert (data.name, data.classes) == (wrapper.rpartition("/")[2], ("cat", "dog"))
    assert data.notes[0] == f"the data are in {wrapper}/, where all images are"


@pytest.mark.parametrize(
    ("suffix", "format"),
    [
        (".jfif", "JPEG"), (".pjpeg", "JPEG"), (".pjp", "JPEG"), (".dib", "BMP"), (".JPG", "JPEG"), (".TiFF", "TIFF"),
        ("", "PNG"), ("", "JPEG"), ("", "WEBP"), ("", "GIF"), ("", "BMP"), ("", "TIFF"), ("", "PPM"), (".001", "JPEG"),
        (".rf.4f2a", "PNG"), (".jpg_large", "JPEG"), (".image", "PNG"),
    ],
)  # fmt: skip
def test_images_are_known_by_their_content(tmp_path, suffix, format):
    for name in ("a", "b"):
        for i in range(4):
            photo(tmp_path / name / f"img_{i}{suffix}", format=format)
        (tmp_path / name / "notes").write_text("PM is no picture; BM neither")
        (tmp_path / name / "BMW").write_bytes(b"BMW drivers, and their cars")
    data = open_data(tmp_path)
    assert (data.classes, sum(counts(data).values())) == (("a", "b"), 8)
    assert len(data.notes) == 1  # of the notes that are none
    assert "skipped 2 files" in data.notes[0] or "skipped 4 files" in data.notes[0]


NAMES = [
    (["cat.{0..4}.jpg", "dog.{0..4}.jpg"], "{class}.#", ("cat", "dog")),
    (["Abyssinian_{1..4}.jpg", "great_pyrenees_{1..14}.jpg"], "{class}_#", ("Abyssinian", "great_pyrenees")),
    (["25_0_1_2017{0..3}.jpg", "31_1_1_2017{0..3}.jpg"], "{class}_#_#_*", ("25", "31")),
    (["benign ({1..4}).png", "malignant ({1..4}).png"], "{class} (#)", ("benign", "malignant")),
    (["cloudy{1..4}.jpg", "rain{1..4}.jpg", "sunrise{1..4}.jpg"], "{class}#", ("cloudy", "rain", "sunrise")),
    (["daisy-{1..4}.jpg", "rose-{1..4}.jpg"], "{class}-#", ("daisy", "rose")),
    (["{1..4}_happy.png", "{5..8}_sad.png"], "#_{class}", ("happy", "sad")),
    (["x{1..4}_good.bmp", "y{1..4}_bad.bmp"], "*_{class}", ("bad", "good")),
]


@pytest.mark.parametrize(("files", "pattern", "classes"), NAMES)
@pytest.mark.parametrize("where", ["", "train/", "images/"])
def test_the_class_in_the_name_is_offered_and_then_read(tmp_path, files, pattern, classes, where):
    build(tmp_path, *(where + name for name in files))
    text = message(tmp_path)
    command = shlex.split(text[text.index("striate data") :].partition("; ")[0])
    assert command[:3] == ["striate", "data", str(tmp_path)]
    assert command[-1] == f"name:{pattern}"
    data = open_data(command[2], classes_from=command[-1])
    assert data.classes == classes
    assert data.why == f"from file names, {command[-1]}"


def test_a_test_folder_whose_names_have_no_class(tmp_path):
    build(tmp_path, "train/cat.{0..4}.jpg", "train/dog.{0..4}.jpg", "test1/{1..3}.jpg")
    data = open_data(tmp_path, classes_from="name:{class}.#")
    assert (data.classes, counts(data)) == (("cat", "dog"), {"train": 8, "test": 2})
    assert "test1/ has 3 images" in data.notes[0]


def test_patterns(tmp_path):
    build(tmp_path, "A1 oak leaf.png", "A2 oak leaf.png", "B1 elm leaf.png", "B2 elm leaf.png", "odd.png")
    data = open_data(tmp_path, classes_from=r"name:^\w+ (\w+)")
    assert data.classes == ("elm", "oak")
    assert data.notes == ("train: 1 image skipped, whose names do not fit: odd.png",)
    assert open_data(tmp_path, classes_from="name:*# {class} leaf").classes == ("elm", "oak")
    for pattern, words in {
        "folder": "expected name:PATTERN, such as 'name:{class}_#', or parent",
        "name:": "expected name:PATTERN",
        "name:(a)(b)": "has 2 groups, expected 1",
        "name:(a": "not a regular expression",
        "name:{class}_{class}": "is there twice",
        "name:{class}_x": "finds no class in the names (A1 oak leaf.png",
        "name:(leaf)": "finds only the class 'leaf' in the names",
    }.items():
        assert words in message(tmp_path, classes_from=pattern)


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (["10", "1", "2", "11"], ("1", "2", "10", "11")),
        (["class 10", "class 9"], ("class 9", "class 10")),
        (["c0", "c10", "c2"], ("c0", "c2", "c10")),
        (["007", "7", "08"], ("007", "7", "08")),
        (["3.5", "12", "b2", "a10"], ("3.5", "12", "a10", "b2")),
        (["001.Albatross", "010.Kingfisher", "002.Auklet"], ("001.Albatross", "002.Auklet", "010.Kingfisher")),
    ],
)
def test_numbers_in_the_names_of_classes_are_in_natural_order(tmp_path, names, order):
    build(tmp_path, *(f"{name}/{{0..1}}.png" for name in names))
    assert open_data(tmp_path).classes == order


# --------------------------------------------------------------------------------------------------------- masks
def blob(path, values=(0, 1), seed=0, mode="L", side=SIDE):
    """A mask: a square of each value on the first; in mode RGB values are 0xRRGGBB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.full((side, side), values[0], np.int64)
    for k, value in enumerate(values[1:]):
        mask[1 + k * 3 : 4 + k * 3, 1 + seed % 5 : 8 + seed % 5] = value
    if mode == "RGB":
        Image.fromarray(np.stack([mask >> 16, mask >> 8, mask], -1).astype(np.uint8)).save(path)
    else:
        Image.fromarray(mask.astype(np.uint16 if mode == "I;16" else np.uint8)).save(path)
    return path


def pairs(root, image, mask, n=5, **how):
    """*n* images and masks, called by the patterns, whose ``#`` is a number."""
    for i in range(n):
        photo(root / image.replace("#", f"{i:03}"))
        blob(root / mask.replace("#", f"{i:03}"), seed=i, **how)
    return root


def is_segmentation(data, classes=BINARY, items=5):
    assert (data.task.name, data.classes, sum(counts(data).values())) == ("segmentation", classes, items)
    assert data.input == (3, SIDE, SIDE)
    return True


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("image", "label"), ("photos", "mask"), ("original", "segmentation"), ("CameraRGB", "CameraSeg"),
        ("JPEGImages", "SegmentationClass"), ("img", "gt"), ("x", "y"), ("rgb", "lbl"), ("A", "B"),
        ("scans", "outlines"), ("2d_images", "2d_masks"), ("pictures", "drawn by hand"), ("color", "matte"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("order", ["", "train/", "archive/data/"])
def test_folders_of_images_and_masks_by_any_names(tmp_path, images, masks, order):
    data = open_data(pairs(tmp_path, f"{order}{images}/#.png", f"{order}{masks}/#.png"))
    assert is_segmentation(data)
    assert data.why == f"from {images}/ and {masks}/"


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("img_#", "mask_#"), ("ISIC_#", "ISIC_#_segmentation"), ("#", "#_mask"), ("#_image", "#_mask"),
        ("IMG#", "GT#"), ("frame-#", "frame-#-label"), ("satImage_#", "gt_satImage_#"), ("0001TP_#", "0001TP_#_L"),
        ("a (#)", "a (#)_seg"), ("#_sat", "#_mask"), ("p#", "seg-p#-final"), ("#.leaf", "#.leaf.mask"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("folders", [("images", "masks"), ("left", "right"), ("all", "all"), ("", "")])
def test_names_with_any_prefix_or_suffix(tmp_path, image, mask, folders):
    first, second = (f"{folder}/{name}.png".lstrip("/") for folder, name in zip(folders, (image, mask), strict=True))
    assert is_segmentation(open_data(pairs(tmp_path, first, second)))


@pytest.mark.parametrize(("image", "mask"), [("#.jpg", "#.png"), ("img#.jpg", "img#_label.bmp"), ("#.webp", "#.gif")])
def test_images_and_masks_in_one_folder_by_their_suffix(tmp_path, image, mask):
    assert is_segmentation(open_data(pairs(tmp_path, image, mask)))


def test_splits_of_pairs(tmp_path):
    names = ["train val", "images/train images/val", "train valid", "Train Testing", "train dev"]
    for i, splits in enumerate(names):
        root = tmp_path / str(i)
        for split in splits.split():
            if "/" in split:
                pairs(root, f"{split}/#.png", f"{split.replace('images', 'truth')}/#.png")
            else:
                pairs(root, f"{split}/#.png", f"{split}_labels/#_L.png")
        data = open_data(root)
        assert is_segmentation(data, items=10)
        assert len(data.train) + len(data.test) in (10, 5)


def test_two_classes_of_the_same_names_are_no_masks(tmp_path):
    build(tmp_path, "cat/{0..4}.png", "dog/{0..4}.png", "emu/{0..4}.png")
    assert open_data(tmp_path).task == "classification"
    flat = tmp_path / "flat"
    for i in range(5):
        for name in ("light", "dark"):
            (flat / name).mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 8), i * 10 + len(name)).save(flat / name / f"{i}.png")
    assert open_data(flat).task == "classification"


@pytest.mark.parametrize("names", [("photo", "sketch"), ("day", "night"), ("a", "b"), ("new", "old"), ("in", "out")])
def test_where_both_readings_are_possible_both_commands_are_given(tmp_path, names):
    rng = np.random.default_rng(0)
    for i in range(5):
        photo(tmp_path / names[0] / f"{i}.png")
        (tmp_path / names[1]).mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 2, (SIDE, SIDE), np.uint8) * 255).save(tmp_path / names[1] / f"{i}.png")
    text = message(tmp_path)
    for task, classes in (("classification", tuple(sorted(names))), ("segmentation", BINARY)):
        assert f"striate data {shlex.quote(str(tmp_path))} --task {task}" in text
        data = open_data(tmp_path, task=task)
        assert (data.task, data.classes) == (task, classes)


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (("#_0", "#_1"), BINARY), (("#_0", "#_1", "#_2"), BINARY), (("#-a1", "#-a2"), BINARY),
        (("#_cat", "#_dog"), ("background", "cat", "dog")),
        (("#_mask_left", "#_mask_right"), ("background", "left", "right")),
        (("lungs/#", "heart/#"), ("background", "heart", "lungs")), (("#.mask.1", "#.mask.2"), BINARY),
    ],
)  # fmt: skip
def test_several_masks_of_an_image_are_put_together(tmp_path, names, classes):
    for i in range(5):
        photo(tmp_path / "images" / f"{i:03}.png")
        for k, name in enumerate(names):
            mask = np.zeros((SIDE, SIDE), np.uint8)
            mask[3 * k : 3 * k + 2] = 255
            path = tmp_path / "masks" / (name.replace("#", f"{i:03}") + ".png")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(path)
    data = open_data(tmp_path)
    assert is_segmentation(data, classes)
    values = read_part(data.train, sheet_contract(data, (3, SIDE, SIDE))).targets[0]
    rows = [int(values[3 * k, 0]) for k in range(len(names))]
    assert sorted(set(rows)) == (list(range(1, len(classes))))
    assert values[-1, -1] == 0


@pytest.mark.parametrize("place", ["", "VOCdevkit/VOC2012/"])
@pytest.mark.parametrize("sets", ["ImageSets/Segmentation", "ImageSets"])
def test_the_tree_of_pascal_voc(tmp_path, place, sets):
    pairs(tmp_path, f"{place}JPEGImages/#.jpg", f"{place}SegmentationClass/#.png", n=8, values=(0, 1, 2, 255))
    for i in range(8):
        blob(tmp_path / place / "SegmentationObject" / f"{i:03}.png", (0, 5, 6))
    photo(tmp_path / place / "JPEGImages" / "no mask.jpg")
    (tmp_path / place / sets).mkdir(parents=True)
    for name, of in {"train": range(4), "val": range(4, 6), "test": range(6, 8), "trainval": range(6)}.items():
        (tmp_path / place / sets / f"{name}.txt").write_text("\n".join([*(f"{i:03}" for i in of), "gone"]))
    data = open_data(tmp_path)
    gone = [(f"{split} in ImageSets/: gone", "no image of that name") for split in ("train", "val", "test")]
    assert sorted(data.skipped) == sorted(gone)
    assert is_segmentation(data, ("0", "1", "2"), 8)
    assert counts(data) == {"train": 4, "val": 2, "test": 2}


@pytest.mark.parametrize(
    ("top", "images", "masks"),
    [
        ("", "images", "masks"), ("stage1_train/", "images", "masks"), ("train/", "image", "mask"),
        ("archive/items/", "images", "masks"), ("cells/", "imgs", "labels"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("n", [1, 3])
def test_a_folder_for_each_item(tmp_path, top, images, masks, n):
    for i in range(6):
        name = f"{i * 7919 + 12345:x}ab{i}"
        photo(tmp_path / top / name / images / f"{name}.png")
        for k in range(n):
            mask = np.zeros((SIDE, SIDE), np.uint8)
            mask[3 * k : 3 * k + 2] = 255
            path = tmp_path / top / name / masks / f"{i * 31 + k * 77:x}c.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(mask).save(path)
    if top == "stage1_train/":
        build(tmp_path, "stage1_test/a/images/a.png", "stage1_test/b/images/b.png")
    data = open_data(tmp_path)
    assert is_segmentation(data, BINARY, 6)
    part = read_part(data.train, sheet_contract(data, (3, SIDE, SIDE)))
    assert all((mask == 1).sum() == 2 * SIDE * n for mask in part.targets)
    noted = [note for note in data.notes if "stage1_test/ has 2 images and no masks" in note]
    assert len(noted) == (top == "stage1_train/")


def test_the_masks_of_an_item_by_class(tmp_path):
    for i in range(4):
        photo(tmp_path / f"p{i}" / "images" / "x.png", seed=i)
        for k, name in enumerate(("lungs", "heart")):
            blob(tmp_path / f"p{i}" / "masks" / f"{name}.png", (0, 255), seed=i + k)
    assert is_segmentation(open_data(tmp_path), ("background", "heart", "lungs"), 4)


@pytest.mark.parametrize(
    ("images", "masks", "image", "mask"),
    [
        ("leftImg8bit", "gtFine", "leftImg8bit", "gtFine_labelIds"),
        ("leftImg8bit", "gtCoarse", "leftImg8bit", "gtCoarse_labelTrainIds"),
        ("rgb", "gt", "cam0", "road_labelIds"), ("frames", "annotations", "rgb", "labelIds"),
        ("images", "masks", "photo", "fine_labelTrainIds"),
    ],
)  # fmt: skip
def test_the_tree_of_cityscapes(tmp_path, images, masks, image, mask):
    cities = {"train": ("aachen", "bochum"), "val": ("ulm",), "test": ("berlin",)}
    for split, names in cities.items():
        for city in names:
            for i in range(3):
                stem = f"{split}/{city}/{city}_{i:06}_000019"
                photo(tmp_path / images / f"{stem}_{image}.png")
                blob(tmp_path / masks / f"{stem}_{mask}.png", (0, 7, 11), seed=i)
                blob(tmp_path / masks / f"{stem}_{mask.rpartition('_')[0]}_color.png", (0, 9, 0x804080), i, "RGB")
                blob(tmp_path / masks / f"{stem}_{mask.rpartition('_')[0]}_instanceIds.png", (0, 7001), i, "I;16")
    data = open_data(tmp_path)
    assert is_segmentation(data, ("0", "7", "11"), 12)
    assert counts(data) == {"train": 6, "val": 3, "test": 3}
    assert data.why == f"from {images}/train/ and {masks}/train/"


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize(
    ("image", "manual", "view"),
    [
        ("images/#_training.tif", "1st_manual/#_manual1.gif", "mask/#_training_mask.gif"),
        ("images/#.png", "manual/#.png", "mask/#.png"),
        ("images/im#.ppm", "manual1/im#.ah.png", "masks/im#_mask.png"),
        ("image/Image_#L.jpg", "1stManual/Image_#L_1stHO.png", "mask/Image_#L_mask.png"),
        ("images/#_dr.jpg", "manual1/#_dr.tif", "mask/#_dr_mask.tif"),
    ],
)
def test_the_field_of_view_is_no_target(tmp_path, image, manual, view, masked):
    for split, numbers in (("training", range(20, 24)), ("test", range(1, 4))):
        for i in numbers:
            name = [f"{split}/{pattern.replace('#', f'{i:02}')}" for pattern in (image, manual, view)]
            photo(tmp_path / name[0])
            if masked or split == "training":
                blob(tmp_path / name[1], (0, 255), seed=i)
            blob(tmp_path / name[2], (0, 255))
    data = open_data(tmp_path)
    assert is_segmentation(data, BINARY, 7 if masked else 4)
    assert data.why.endswith(f"{manual.partition('/')[0]}/")
    assert masked or data.notes[0].startswith(f"test/{image.partition('/')[0]}/ has 3 images and no masks")


@pytest.mark.parametrize(
    ("images", "masks", "mask"),
    [
        ("image_2", "gt_image_2", "um_road_#"), ("image_2", "semantic", "um_#"), ("image_02", "label_02", "um_#"),
        ("rgb_0", "seg_0", "gt_um_#"), ("left", "left_gt", "um_#_gt"),
    ],
)  # fmt: skip
def test_pairs_beside_calibration_as_kitti_has_them(tmp_path, images, masks, mask):
    pairs(tmp_path, f"training/{images}/um_#.png", f"training/{masks}/{mask}.png", values=(0, 7, 11))
    build(tmp_path, f"testing/{images}/um_{{10..12}}.png")
    (tmp_path / "training" / "calib").mkdir()
    (tmp_path / "training" / "calib" / "um_000.txt").write_text("P0: 7.2e+02 0.0 6.1e+02\n")
    data = open_data(tmp_path)
    assert is_segmentation(data, ("0", "7", "11"))
    assert "testing/ has 3 images and no masks" in data.notes[0]


def coco(path, files, outlines=True, categories=("pot", "pan"), several=False):
    """Annotations of *files*: a rectangle of 4x3 pixels of one category each, in turn (or one of each)."""
    images = [{"id": i, "file_name": name, "height": SIDE, "width": SIDE} for i, name in enumerate(files)]
    which = range(len(categories)) if several else None
    objects = [(i, k) for i in range(len(files)) for k in (which or [i % len(categories)])]
    annotations = [
        {
            "id": n, "image_id": i, "category_id": k + 1, "bbox": [2, 1 + 5 * k, 3, 2], "area": 6,
            "segmentation": [[2, 1 + 5 * k, 5, 1 + 5 * k, 5, 3 + 5 * k, 2, 3 + 5 * k]] if outlines else [],
        }
        for n, (i, k) in enumerate(objects)
    ]  # fmt: skip
    kinds = [{"id": 0, "name": "things"}] + [{"id": k + 1, "name": name} for k, name in enumerate(categories)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": kinds}))


COCO = [
    ("train/_annotations.coco.json", "train", "valid/_annotations.coco.json", "valid"),
    ("annotations/instances_train2017.json", "train2017", "annotations/instances_val2017.json", "val2017"),
    ("annotations/train.json", "images/train", "annotations/val.json", "images/val"),
    ("train/labels.json", "train", "val/labels.json", "val"),
    ("train.json", "train_images", "val.json", "val_images"),
    ("result.json", "images", None, None),
]


@pytest.mark.parametrize(("train_json", "train", "val_json", "val"), COCO)
@pytest.mark.parametrize("kind", ["outlines", "classes", "labels"])
def test_coco(tmp_path, train_json, train, val_json, val, kind):
    for n, file, folder in ((6, train_json, train), (4, val_json, val)):
        if file:
            names = [f"{folder.replace('/', '-')}-{i}.jpg" for i in range(n)]
            build(tmp_path, *(f"{folder}/{name}" for name in names))
            coco(tmp_path / file, names, kind == "outlines", several=kind == "labels")
    data = open_data(tmp_path)
    total = 10 if val else 6
    if kind == "outlines":
        assert is_segmentation(data, ("background", "pot", "pan"), total)
        part = data.train
        values = read_part(part, sheet_contract(data, (3, SIDE, SIDE))).targets
        assert {int(value) for value in np.unique(values)} == {0, 1, 2}
        assert all((mask > 0).sum() == 12 for mask in values)  # Pillow draws the outline too: 4x3
    else:
        task = "classification" if kind == "classes" else "multilabel"
        assert (data.task, data.classes, sum(counts(data).values())) == (task, ("pot", "pan"), total)


def test_coco_with_runs_and_faults(tmp_path):
    build(tmp_path, "train/{0..3}.png")
    file = tmp_path / "train" / "_annotations.coco.json"
    coco(file, [f"{i}.png" for i in range(4)] + ["gone.png"])
    text = json.loads(file.read_text())
    area = SIDE * SIDE
    text["annotations"][0]["segmentation"] = {"counts": [12, 24, area - 36], "size": [SIDE, SIDE]}
    file.write_text(json.dumps(text))
    data = open_data(tmp_path)
    assert data.skipped == (("_annotations.coco.json: gone.png", "the image is not there"),)
    first = [mask for mask in data.train.targets if mask.files[1].name == "0.png"]
    assert not first or (first[0].read()[:, 1:3] == 1).all()
    text["annotations"][0]["segmentation"] = {"counts": [12, 24], "size": [SIDE, SIDE]}
    file.write_text(json.dumps(text))
    (name, why), gone = open_data(tmp_path).skipped
    assert (name, gone[0]) == ("_annotations.coco.json: 0.png", "_annotations.coco.json: gone.png")
    assert why == "its objects cannot be read (ValueError: the lengths of runs do not add up to the image)"
    file.write_text('{"images": [], "annotations": 3, "categories": []}')
    assert "not COCO annotations" in message(tmp_path)


CLASS_FILES = {
    "class_dict.csv": "name,r,g,b\nsky,128,128,128\ncar,64,0,128\nVoid,0,0,0\n",
    "labelmap.txt": "# label:color_rgb:parts:actions\nsky:128,128,128::\ncar:64,0,128::\nVoid:0,0,0::\n",
    "label_colors.txt": "128 128 128\tsky\n64 0 128\tcar\n0 0 0\tVoid\n",
    "classes.txt": "sky 128 128 128\ncar #400080\nVoid 0 0 0\n",
}


@pytest.mark.parametrize("file", CLASS_FILES)
@pytest.mark.parametrize("layout", ["images/#.png masks/#.png", "train/#.png train_labels/#_L.png"])
def test_files_that_name_colours(tmp_path, file, layout):
    pairs(tmp_path, *layout.split(), mode="RGB", values=(0, 0x808080, 0x400080))
    (tmp_path / file).write_text(CLASS_FILES[file])
    data = open_data(tmp_path)
    assert is_segmentation(data, ("sky", "car"))
    assert data.mask_values == (0x808080, 0x400080)
    assert "pixels of 'Void' are ignored" in data.notes


@pytest.mark.parametrize("values", [(0, 65535), (0, 1000, 2000), (7, 256), (0, 257, 514), (100, 40000), (0, 1, 300)])
def test_masks_of_16_bits(tmp_path, values):
    pairs(tmp_path, "images/#.png", "masks/#.png", mode="I;16", values=values)
    data = open_data(tmp_path)
    assert is_segmentation(data, tuple(map(str, values)))
    assert data.mask_values == values


@pytest.mark.parametrize(
    ("low", "high", "suffix"),
    [(0, 255, ".png"), (0, 200, ".png"), (20, 230, ".bmp"), (0, 255, ".jpg"), (0, 128, ".tif")],
)
@pytest.mark.parametrize("masks", ["masks/#", "truth/#_gt"])
def test_smoothed_edges_are_a_fault_with_the_threshold_that_mends_it(tmp_path, low, high, suffix, masks):
    for i in range(5):
        photo(tmp_path / "images" / f"{i:03}.png", side=48)
        small = np.full((20, 20), low, np.uint8)
        small[4:15, 5 : 12 + i] = high
        path = tmp_path / (masks.replace("#", f"{i:03}") + suffix)
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(small).resize((48, 48), Image.Resampling.BICUBIC).save(path)
    text = message(tmp_path)
    assert "smoothed edges" in text
    diagnosis = doctor(tmp_path)
    (fault,) = diagnosis.faults
    assert (fault.kind, diagnosis.task) == ("anti-aliased-mask", "")
    threshold = int(text.partition("--mask-threshold ")[2].partition(",")[0])
    assert abs(threshold - (low + high) / 2) < 12
    data = open_data(tmp_path, mask_threshold=threshold)
    assert (data.task, data.classes) == ("segmentation", BINARY)
    assert not doctor(tmp_path, mask_threshold=threshold).faults


def test_many_classes_are_no_smoothed_edges(tmp_path):
    pairs(tmp_path, "images/#.png", "masks/#.png", values=(0, 80, 160, 255))
    assert is_segmentation(open_data(tmp_path), ("0", "80", "160", "255"))
    for i in range(5):
        bands = np.repeat(np.arange(0, 250, 10, dtype=np.uint8), 2)[None].repeat(50, 0)
        bands[:, :30] = 0
        Image.fromarray(bands).save(tmp_path / "masks" / f"{i:03}.png")
        photo(tmp_path / "images" / f"{i:03}.png", side=50)
    assert len(open_data(tmp_path).classes) == 11


def test_masks_that_are_refused_are_no_classification_for_the_doctor(tmp_path):
    pairs(tmp_path, "images/#.png", "masks/#.png", values=(0,))
    assert "the masks contain only the value 0" in message(tmp_path)
    assert doctor(tmp_path).task == ""


def test_masks_put_together_are_trained_on(tmp_path):
    for i in range(10):
        photo(tmp_path / "d" / "images" / f"{i}.png")
        for k in range(2):
            blob(tmp_path / "d" / "masks" / f"{i}_{k}.png", (0, 255), seed=i + k)
    out = tmp_path / "run"
    options = {"mask_threshold": 128, "epochs": 1, "batch_size": 4, "quiet": True}
    model = train("conv 4 3 padding=1; relu; conv 2 1", tmp_path / "d", out=out, **options)
    assert model.contract.mask_values == (0, 255)
    scores = evaluate(model, tmp_path / "d", mask_threshold=128)
    assert scores.n >= 1
    about = json.loads((out / "recipe.json").read_text())
    assert about["mask_threshold"] == 128
