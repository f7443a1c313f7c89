"""Files of annotated objects beside images, as YOLO and Pascal VOC write them: classes, labels, or masks."""

import numpy as np
import pytest
from test_layouts import blob, build, counts, message, photo

from striate import train
from striate.datasets import open_data, read_part
from striate.datasets.doctor import doctor
from striate.datasets.show.items import sheet_contract

SIDE = 20
BOX = "0.5 0.5 0.25 0.25"
OUTLINES = {0: "0.1 0.1 0.6 0.1 0.6 0.4 0.1 0.4", 2: "0.1 0.5 0.6 0.5 0.6 0.8 0.1 0.8"}  # of 10x6 pixels


def objects(root, image, file, rows, **splits):
    """An image and a file of objects for each number of each split; ``#`` is the number, ``@`` the split."""
    for split, numbers in (splits or {"train": range(8)}).items():
        for i in numbers:
            names = [pattern.replace("#", f"{i:02}").replace("@", split) for pattern in (image, file)]
            photo(root / names[0], side=SIDE)
            path = root / names[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(rows(i, names[0]))
    return root


def boxes(*classes, outlined=False):
    """YOLO's lines of image *i*: one of the *classes*; a tuple of them is all at once."""
    what = OUTLINES if outlined else dict.fromkeys(range(9), BOX)
    return lambda i, _: "".join(f"{c} {what[c]}\n" for c in np.atleast_1d(classes[i % len(classes)]))


def xml(*names):
    def rows(i, file):
        found = [names[i % len(names)]] if isinstance(names[i % len(names)], str) else names[i % len(names)]
        inner = "".join(
            f"<object><name>{name}</name><bndbox><xmin>1</xmin><ymin>2</ymin></bndbox></object>" for name in found
        )
        return f"<?xml version='1.0'?>\n<annotation><filename>{file}</filename>{inner}</annotation>\n"

    return rows


YOLO = [
    ("images/@/#.jpg", "labels/@/#.txt", {"train": range(6), "val": range(6, 10)}),
    ("@/images/#.png", "@/labels/#.txt", {"train": range(6), "valid": range(6, 10), "test": range(10, 12)}),
    ("images/#.jpg", "labels/#.txt", {}),
    ("@/#.jpg", "@/#.txt", {"train": range(6), "test": range(6, 9)}),
    ("#_jpg.rf.1a.jpg", "#_jpg.rf.1a.txt", {}),
    ("coco/images/@2017/#.jpg", "coco/labels/@2017/#.txt", {"train": range(6), "val": range(6, 8)}),
    ("obj_train_data/images/#.bmp", "obj_train_data/labels/#.txt", {}),
]


@pytest.mark.parametrize(("image", "file", "splits"), YOLO)
@pytest.mark.parametrize("kind", ["classification", "multilabel", "segmentation"])
def test_yolo(tmp_path, image, file, splits, kind):
    rows = {
        "classification": boxes(0, 2),
        "multilabel": boxes((0, 2), 2),
        "segmentation": boxes((0, 2), 2, outlined=True),
    }[kind]
    objects(tmp_path, image, file, rows, **splits)
    (tmp_path / ("coco" if image.startswith("coco") else "") / "data.yaml").write_text(
        "train: images/train  # or so\nnc: 3\nnames: ['pot', 'pan', \"tea pot\"]\n"
    )
    data = open_data(tmp_path)
    named = ("pot", "tea pot")
    assert (data.task, data.classes) == (kind, ("background", *named) if kind == "segmentation" else named)
    assert sum(counts(data).values()) == sum(map(len, splits.values())) or not splits
    found = counts(data)
    for split, numbers in splits.items():
        role = {"valid": "val"}.get(split, split)
        assert found[role] == len(numbers) or ("test" not in splits and role == "train")
    if kind == "segmentation":
        part = read_part(data.train, sheet_contract(data, (3, SIDE, SIDE)))
        assert all((mask == 2).sum() == 11 * 7 for mask in part.targets)  # Pillow draws the edges too


NAME_FILES = [
    ("data.yaml", "names: [cat, dog]\n"),
    ("coco.yml", "path: x\nnames:\n  0: cat\n  1: dog  # a pet\nnc: 2\n"),
    ("my.yaml", "nc: 2\nnames:\n- cat\n- 'dog'\nroboflow:\n  license: none\n"),
    ("data.yaml", "names: {0: 'cat', 1: 'dog'}\n"),
    ("classes.txt", "cat\ndog\n"),
    ("obj.names", "cat\ndog\n"),
    ("labels/classes.txt", "cat\ndog"),
    ("", ""),
]


@pytest.mark.parametrize(("file", "text"), NAME_FILES)
def test_names_of_yolos_classes(tmp_path, file, text):
    objects(tmp_path, "images/#.jpg", "labels/#.txt", boxes(0, 1))
    if file:
        (tmp_path / file).write_text(text)
    assert open_data(tmp_path).classes == (("cat", "dog") if file else ("0", "1"))


def test_a_number_without_a_name(tmp_path):
    objects(tmp_path, "images/#.jpg", "labels/#.txt", boxes(0, 7))
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    assert "classes.txt: 2 names, but objects are of 7; add theirs" in message(tmp_path)


VOC = [
    ("JPEGImages/#.jpg", "Annotations/#.xml", {}),
    ("images/#.png", "annotations/#.xml", {}),
    ("@/#.jpg", "@/#.xml", {"train": range(6), "valid": range(6, 9), "test": range(9, 11)}),
    ("@/#.jpg", "@/#.xml", {"train": range(6), "test": range(6, 8)}),
    ("images/@/#.jpg", "xmls/@/#.xml", {"train": range(6), "val": range(6, 9)}),
    ("VOC2007/JPEGImages/#.jpg", "VOC2007/Annotations/#.xml", {}),
    ("#.jpg", "#.xml", {}),
]


@pytest.mark.parametrize(("image", "file", "splits"), VOC)
@pytest.mark.parametrize("kind", ["classification", "multilabel"])
def test_pascal_vocs_xml(tmp_path, image, file, splits, kind):
    objects(
        tmp_path,
        image,
        file,
        xml("head", "helmet") if kind == "classification" else xml(["head", "helmet"], "head"),
        **splits,
    )
    data = open_data(tmp_path)
    assert (data.task, data.classes) == (kind, ("head", "helmet"))
    assert data.why == "from the objects in Pascal VOC's XML"
    assert sum(counts(data).values()) == (sum(map(len, splits.values())) or 8)


def test_the_lists_of_pascal_voc_name_the_splits_of_objects(tmp_path):
    objects(tmp_path, "JPEGImages/#.jpg", "Annotations/#.xml", xml("cow", "sheep"))
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    for name, of in {"train": range(4), "val": range(4, 6), "test": range(6, 8), "cow_train": range(8)}.items():
        lines = "\n".join(f"{i:02}" for i in of)
        (tmp_path / "ImageSets" / "Main" / f"{name}.txt").write_text(lines)
    assert counts(open_data(tmp_path)) == {"train": 4, "val": 2, "test": 2}


def test_boxes_beside_masks_give_way_to_them_unless_classes_are_wanted(tmp_path):
    objects(tmp_path, "JPEGImages/#.jpg", "Annotations/#.xml", xml("cow", "sheep"))
    for i in range(8):
        blob(tmp_path / "SegmentationClass" / f"{i:02}.png", (0, 1), side=SIDE)
    assert open_data(tmp_path).task == "segmentation"
    assert open_data(tmp_path, task="classification").classes == ("cow", "sheep")


FAULTS = [
    ("0 0.5 0.5\n", "line 1: '0 0.5 0.5'; expected a class number, then x, y, width and height"),
    ("0 0.5 0.5 0.1 0.1\ncat 0.5 0.5 0.1 0.1\n", "line 2: 'cat 0.5"),
    ("0 300 200 50 50\n", "as shares of the image's sides"),
    ("0 nan 0.5 0.1 0.1\n", "line 1"),
    ("1.5 0.5 0.5 0.1 0.1\n", "line 1"),
]


@pytest.mark.parametrize(("text", "words"), FAULTS)
def test_a_damaged_text_of_objects(tmp_path, text, words):
    objects(tmp_path, "images/#.jpg", "labels/#.txt", boxes(0, 1))
    (tmp_path / "labels" / "03.txt").write_text(text)
    ((name, why),) = open_data(tmp_path).skipped
    assert name == str(tmp_path / "labels" / "03.txt")
    assert words in why


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<annotation><object>", "not XML that can be read"),
        ("<a/>", "its first element is <a>, expected <annotation>"),
        ("", "not XML that can be read"),
        ("{}", "not XML that can be read"),
        ("<!DOCTYPE a [<!ENTITY x 'y'>]><annotation>&z;</annotation>", "not XML that can be read"),
    ],
)
def test_damaged_xml(tmp_path, text, words):
    objects(tmp_path, "images/#.jpg", "annotations/#.xml", xml("a", "b"))
    (tmp_path / "annotations" / "03.xml").write_text(text)
    ((name, why),) = open_data(tmp_path).skipped
    assert name == str(tmp_path / "annotations" / "03.xml")
    assert words in why


def test_images_without_objects(tmp_path):
    objects(tmp_path, "images/#.jpg", "labels/#.txt", boxes(0, 1))
    (tmp_path / "labels" / "03.txt").write_text("")
    build(tmp_path, "images/x{0..1}.jpg")
    data = open_data(tmp_path)
    assert sum(counts(data).values()) == 7
    assert "train: 1 image without an object skipped" in data.notes
    assert "2 images without a .txt file skipped: x0.jpg, x1.jpg" in data.notes
    assert open_data(tmp_path, task="multilabel").train.targets.sum(1).min() in (0, 1)
    assert "masks need outlines" in message(tmp_path, task="segmentation")


@pytest.mark.parametrize("layout", YOLO[:5])
def test_outlines_are_no_fault_for_the_doctor_and_are_trained_on(tmp_path, layout):
    image, file, splits = layout
    objects(tmp_path / "d", image, file, boxes((0, 2), 2, outlined=True), **splits)
    (tmp_path / "d" / "data.yaml").write_text("names: [pot, pan, tea pot]\n")
    assert open_data(tmp_path / "d").notes == ()
    assert {problem.kind for problem in doctor(tmp_path / "d").faults} <= {"near-duplicates-across"}
    options = {"epochs": 1, "batch_size": 4, "quiet": True, "out": tmp_path / "run"}
    model = train("conv 4 3 padding=1; relu; conv 3 1", tmp_path / "d", **options)
    assert model.contract.classes == ("background", "pot", "tea pot")


def test_objects_of_several_classes_are_no_classification(tmp_path):
    objects(tmp_path, "images/#.jpg", "labels/#.txt", boxes((0, 1), 1))
    assert "an image has objects of several classes; use --task multilabel" in message(tmp_path, task="classification")
    objects(tmp_path / "held", "@/images/#.jpg", "@/labels/#.txt", boxes(0, 1), val=range(3), test=range(3, 6))
    assert "there are objects of val and test, but none of train" in message(tmp_path / "held")
    empty = objects(tmp_path / "e", "@/images/#.jpg", "@/labels/#.txt", boxes(0, 1), train=range(4), val=range(4, 6))
    for i in (4, 5):
        (empty / "val" / "labels" / f"{i:02}.txt").write_text("")
    assert "no image of val has an object" in message(empty)
