"""Annotations of LabelMe, CVAT and VIA beside images, each against masks and classes that were worked out by hand."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from striate.datasets import open_data
from striate.datasets.doctor import doctor
from striate.errors import DataError

SQUARE = [[1, 1], [3, 1], [3, 3], [1, 3]]  # Pillow fills a polygon with its edges: 3x3 pixels
FLAT = [v for point in SQUARE for v in point]
WIDTH, HEIGHT = 9, 6


@pytest.fixture
def images(tmp_path):
    """Six photos in ``images/``."""
    (tmp_path / "images").mkdir()
    for i in range(6):
        pixels = np.random.default_rng(i).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{i}.png")
    return tmp_path


def labelme(folder, shapes):
    for i, of in enumerate(shapes):
        named = [{"label": label, "points": points, "shape_type": kind} for label, points, kind in of]
        said = {"version": "5.4", "shapes": named, "imagePath": f"{i}.png", "imageHeight": HEIGHT, "imageWidth": WIDTH}
        (folder / "images" / f"{i}.json").write_text(json.dumps(said))


def cvat(folder, shapes, subsets=()):
    tags = {
        "polygon": lambda p: f'points="{";".join(f"{x},{y}" for x, y in p)}"',
        "box": lambda p: f'xtl="{p[0][0]}" ytl="{p[0][1]}" xbr="{p[1][0]}" ybr="{p[1][1]}"',
        "ellipse": lambda p: 'cx="4" cy="3" rx="3" ry="1.5"',
        "mask": lambda p: 'left="1" top="2" width="3" height="2" rle="1, 2, 1, 2"',
        "tag": lambda p: "",
    }
    inner = "".join(
        f'<image id="{i}" name="{i}.png" width="{WIDTH}" height="{HEIGHT}"'
        + (f' subset="{subsets[i]}">' if subsets else ">")
        + "".join(f'<{kind} label="{label}" {tags[kind](points)}/>' for label, points, kind in of)
        + "</image>"
        for i, of in enumerate(shapes)
    )
    (folder / "annotations.xml").write_text(f"<?xml version='1.0'?><annotations><meta/>{inner}</annotations>")


def via_regions(of):
    made = {
        "polygon": lambda p: {"all_points_x": [x for x, _ in p], "all_points_y": [y for _, y in p]},
        "rect": lambda p: {"x": p[0][0], "y": p[0][1], "width": p[1][0] - p[0][0], "height": p[1][1] - p[0][1]},
        "circle": lambda p: {"cx": 4, "cy": 3, "r": 2},
    }
    return [
        ({"name": kind, **made[kind](points)}, {"kind": label, "quality": {"good": True}}) for label, points, kind in of
    ]


def via_json(folder, shapes):
    said = {
        f"{i}.png123": {
            "filename": f"{i}.png", "size": 123, "file_attributes": {},
            "regions": [{"shape_attributes": s, "region_attributes": a} for s, a in via_regions(of)],
        }
        for i, of in enumerate(shapes)
    }  # fmt: skip
    (folder / "via_region_data.json").write_text(json.dumps(said))


def via_csv(folder, shapes):
    rows = ["#filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"]
    for i, of in enumerate(shapes):
        for n, parts in enumerate(via_regions(of) or [({}, {})]):
            cells = ",".join('"' + json.dumps(part).replace('"', '""') + '"' for part in parts)
            rows.append(f'{i}.png,123,"{{}}",{len(of)},{n},{cells}')
    (folder / "via.csv").write_text("\n".join(rows))


WRITERS = {"LabelMe's JSON": labelme, "CVAT's annotations": cvat, "VIA's annotations": via_json, "VIA, CSV": via_csv}
BOX = {"LabelMe's JSON": "rectangle", "CVAT's annotations": "box"}


@pytest.mark.parametrize("tool", WRITERS)
def test_outlines_are_masks(images, tool):
    box = (BOX.get(tool, "rect"), [[5, 0], [7, 1]])
    cat, dog = ("cat", SQUARE, "polygon"), ("dog", box[1], box[0])
    WRITERS[tool](images, [[cat], [cat, dog], [dog, cat], [], [cat], [cat, dog]])
    data = open_data(images)
    assert (data.task, data.classes) == ("segmentation", ("background", "cat", "dog"))
    masks = {mask.files[-1].name: mask.read() for part in data.parts.values() for mask in part.mask_files}
    wanted = np.zeros((HEIGHT, WIDTH), int)
    wanted[1:4, 1:4] = 1
    assert np.array_equal(masks["0.png"], wanted)
    wanted[0:2, 5:8] = 2  # a box beside outlines is drawn
    assert np.array_equal(masks["1.png"], wanted)
    assert np.array_equal(masks["2.png"], wanted)
    assert not masks["3.png"].any()


@pytest.mark.parametrize("tool", WRITERS)
def test_boxes_alone_are_classes_or_labels(images, tool):
    box = (SQUARE[::2], BOX.get(tool, "rect"))
    WRITERS[tool](images, [[(label, *box)] for label in ("cat", "dog", "dog", "cat", "cat", "dog")])
    assert (open_data(images).task, open_data(images).classes) == ("classification", ("cat", "dog"))
    with pytest.raises(DataError, match="boxes only, and masks need outlines"):
        open_data(images, task="segmentation")
    WRITERS[tool](images, [[("cat", *box), ("dog", *box)], *[[("dog", *box)]] * 5])
    assert open_data(images).task == "multilabel"


def of_first(data):
    masks = {mask.files[-1].name: mask.read() for part in data.parts.values() for mask in part.mask_files}
    return masks["0.png"]


def test_circles(images):
    labelme(images, [[("x", [[4, 3], [6, 3]], "circle")]] * 6)
    by_labelme = of_first(open_data(images))
    for path in (images / "images").glob("*.json"):
        path.unlink()
    via_json(images, [[("x", [], "circle")]] * 6)
    ys, xs = np.mgrid[:HEIGHT, :WIDTH]
    inside = (xs - 4) ** 2 + (ys - 3) ** 2
    for mask in (by_labelme, of_first(open_data(images))):
        assert (mask[inside < 4] == 1).all()
        assert (mask[inside > 8] == 0).all()


def test_the_masks_ellipses_and_splits_of_cvat(images):
    cvat(images, [[("x", [], "mask")]] * 6, subsets=["Train"] * 3 + ["Validation"] + ["Test"] * 2)
    data = open_data(images)
    assert {name: len(part) for name, part in data.parts.items()} == {"train": 3, "val": 1, "test": 2}
    wanted = np.zeros((HEIGHT, WIDTH), int)
    wanted[2:4, 1:4] = [[0, 1, 1], [0, 1, 1]]
    assert np.array_equal(of_first(data), wanted)
    cvat(images, [[("x", [], "ellipse")]] * 6)
    assert of_first(open_data(images))[3].tolist() == [0, 1, 1, 1, 1, 1, 1, 1, 0]


def test_the_masks_of_labelme(images):
    labelme(images, [[("x", SQUARE, "polygon"), ("y", [[2, 1], [4, 2]], "mask")]] * 6)
    stream = io.BytesIO()
    Image.fromarray(np.array([[1, 0, 1], [1, 1, 0]], bool)).save(stream, "PNG")
    for path in (images / "images").glob("*.json"):
        said = json.loads(path.read_text())
        said["shapes"] = [one | {"mask": base64.b64encode(stream.getvalue()).decode()} for one in said["shapes"]]
        path.write_text(json.dumps(said))
    data = open_data(images)
    assert data.classes == ("background", "x", "y")
    wanted = np.zeros((HEIGHT, WIDTH), int)
    wanted[1:4, 1:4] = 1
    wanted[1, [2, 4]] = wanted[2, [2, 3]] = 2
    assert np.array_equal(of_first(data), wanted)
    path = images / "images" / "1.json"
    path.write_text(path.read_text().replace("[[2, 1], [4, 2]]", "[[7, 1], [9, 2]]"))
    ((name, why),) = open_data(images).skipped
    assert name == str(path)
    assert "a mask of 3x2 at 7, 1 leads beyond the image" in why


@pytest.mark.parametrize("tool", ["LabelMe's JSON", "CVAT's annotations"])
def test_objects_with_neither_outline_nor_box_are_counted(images, tool):
    bare = {"LabelMe's JSON": "line", "CVAT's annotations": "tag"}[tool]
    WRITERS[tool](images, [[("cat", SQUARE, "polygon"), ("wire", SQUARE[:2], bare)]] * 6)
    data = open_data(images)
    assert data.classes == ("background", "cat")
    assert "objects with neither outline nor box are not in the masks: 6 of 'wire'" in data.notes


def test_boxes_beside_outlines_are_drawn_from_coco(images):
    every = range(6)
    said = {
        "images": [{"id": i, "file_name": f"{i}.png", "width": WIDTH, "height": HEIGHT} for i in every],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}, {"id": 3, "name": "ant"}],
        "annotations": [
            {"image_id": i, "category_id": n, "segmentation": outline, "bbox": box}
            for i in every
            for n, outline, box in ((1, [FLAT], [1, 1, 2, 2]), (2, [], [5, 0, 2, 1]), (3, [], []))
        ],
    }
    (images / "images" / "_annotations.coco.json").write_text(json.dumps(said))
    data = open_data(images)
    assert data.classes == ("background", "cat", "dog")
    wanted = np.zeros((HEIGHT, WIDTH), int)
    wanted[1:4, 1:4], wanted[0:2, 5:8] = 1, 2
    assert np.array_equal(of_first(data), wanted)
    assert "objects with neither outline nor box are not in the masks: 6 of 'ant'" in data.notes


def test_boxes_beside_outlines_are_drawn_from_yolo(images):
    shares = " ".join(str(v / side) for x, y in SQUARE for v, side in ((x, WIDTH), (y, HEIGHT)))
    for i in range(6):
        (images / "images" / f"{i}.txt").write_text(
            f"0 {shares}\n1 {6 / WIDTH} {0.5 / HEIGHT} {2 / WIDTH} {1 / HEIGHT}"
        )
    wanted = np.zeros((HEIGHT, WIDTH), int)
    wanted[1:4, 1:4], wanted[0:2, 5:8] = 1, 2
    assert np.array_equal(of_first(open_data(images)), wanted)


def test_an_image_that_may_be_several_is_ambiguous(images):
    cvat(images, [[("cat", SQUARE, "polygon")]] * 6)
    for folder in ("more", "thumbs"):
        (images / folder).mkdir()
        (images / folder / "3.png").write_bytes((images / "images" / "3.png").read_bytes())
    data = open_data(images)  # what is in images/ is meant
    assert {path.parent.name for part in data.parts.values() for path in part.files} == {"images"}
    (images / "images" / "3.png").unlink()
    with pytest.raises(DataError, match=r"'3\.png' is ambiguous: found as more/3\.png, thumbs/3\.png; write"):
        open_data(images)
    path = images / "annotations.xml"
    path.write_text(path.read_text().replace('"3.png"', '"thumbs/3.png"'))
    assert sum(path.parent.name == "thumbs" for part in open_data(images).parts.values() for path in part.files) == 1


def test_a_file_of_annotations_is_itself_data_and_names_what_is_not_there(images):
    cvat(images, [[("cat", SQUARE, "polygon")]] * 7)
    data = open_data(images / "annotations.xml")
    assert data.skipped == (("annotations.xml: 6.png", "the image is not there"),)
    problem = next(p for p in doctor(images).faults if p.kind == "incomplete")
    assert problem.files == ("annotations.xml: 6.png",)


def test_a_file_of_objects_without_its_image_and_an_image_that_cannot_be_read(images):
    labelme(images, [[("cat", SQUARE, "polygon")]] * 7)
    (images / "images" / "1.png").write_bytes(b"no image")
    data = open_data(images)
    assert data.skipped == ((str(images / "images" / "6.json"), "no image of that name"),)
    assert sum(map(len, data.parts.values())) == 6  # the broken one is named when it is read


DAMAGED = {
    "VIA's annotations": (
        "via_region_data.json",
        '{"a": {"filename": "0.png", "file_attributes": {}, "regions": [{"shape_attributes": {"name": "rect"}}]}}',
        "via_region_data.json: 1 of 1 image cannot be used: via_region_data.json: 0.png (its objects cannot be read "
        "(KeyError: 'x'))",
    ),
    "CVAT's annotations": (
        "annotations.xml",
        '<annotations><image name="0.png" width="99999999" height="9999999"/></annotations>',
        "0.png (its objects cannot be read (ValueError: it is said to be of 99999999x9999999 pixels))",
    ),
}


@pytest.mark.parametrize("tool", DAMAGED)
def test_damage_is_named(images, tool):
    file, text, said = DAMAGED[tool]
    WRITERS[tool](images, [[("cat", SQUARE, "polygon")]] * 6)
    (images / file).write_text(text)
    with pytest.raises(DataError) as caught:
        open_data(images)
    assert said in str(caught.value)


def test_a_damaged_file_of_an_image_is_skipped_and_named(images):
    labelme(images, [[("cat", SQUARE, "polygon")]] * 6)
    files = [images / "images" / f"{i}.json" for i in range(6)]
    files[1].write_text(files[1].read_text()[:60])
    data = open_data(images)
    ((name, why),) = data.skipped
    assert (name, sum(map(len, data.parts.values()))) == (str(files[1]), 5)
    assert why.startswith("not LabelMe's annotations (JSONDecodeError")
    for file in files[4:]:  # with the first half of all: no slip
        file.write_text('{"shapes": [{"label": "x", "points": 3}]}')
    with pytest.raises(DataError, match=r": 3 of 6 files cannot be used: \S+1\.json \(not LabelMe's annotations"):
        open_data(images)


@pytest.mark.parametrize("tool", ["LabelMe's JSON", "CVAT's annotations", "VIA's annotations"])
def test_annotations_without_any_of_their_images(images, tool):
    WRITERS[tool](images, [[("cat", SQUARE, "polygon")]] * 6)
    for path in (images / "images").glob("*.png"):
        path.unlink()
    listed = "none of the 6 images that it lists are in"
    said = {
        "LabelMe's JSON": ": 6 files of LabelMe's JSON, none of their images (called 0, 1, 2 and 3 more, as the files",
        "CVAT's annotations": f".xml: {listed} {images}",
        "VIA's annotations": f".json: {listed} {images}",
    }[tool]
    with pytest.raises(DataError) as caught:
        open_data(images)
    assert said in str(caught.value)


@pytest.mark.parametrize("far", ["1e300", "NaN"])
def test_an_outline_far_beyond_the_image(images, far):
    labelme(images, [[("cat", SQUARE, "polygon")]] * 6)
    files = [images / "images" / f"{i}.json" for i in range(6)]
    files[1].write_text(files[1].read_text().replace("[1, 1]", f"[1, {far}]"))
    data = open_data(images)
    assert data.skipped == (("1.json: 1.png", "an outline leads far beyond the image; correct it"),)
    assert sum(map(len, data.parts.values())) == 5
    for file in files[2:4]:
        file.write_text(files[1].read_text())
    with pytest.raises(DataError, match=r"3 of 6 images cannot be used: 1\.json: 1\.png \(an outline leads far"):
        open_data(images)


@pytest.mark.parametrize("tool", ["LabelMe's JSON", "CVAT's annotations"])
def test_an_image_that_was_turned_or_resized_since_is_skipped_and_named(images, tool):
    WRITERS[tool](images, [[("cat", SQUARE, "polygon")]] * 6)
    Image.new("RGB", (HEIGHT, WIDTH)).save(images / "images" / "4.png")
    data = open_data(images)
    ((name, why),) = data.skipped
    assert name.endswith(": 4.png")
    turned = "it seems drawn on the image before its EXIF turned it"
    assert why == (
        f"not of its image's size: annotated as 9x6 pixels, its image 6x9 ({turned}); annotate the image as it is"
    )
    assert sum(map(len, data.parts.values())) == 5
    assert [problem.files for problem in doctor(images).faults if problem.kind == "mask-size"] == [(name,)]


@pytest.mark.parametrize("tool", ["CVAT's annotations", "VIA's annotations"])
def test_one_damaged_entry_of_many_is_skipped_and_named(images, tool):
    WRITERS[tool](images, [[("cat", SQUARE, "polygon")]] * 6)
    path = next(path for path in images.iterdir() if path.is_file())
    wrong = {"CVAT's annotations": ('points="1,1', 'points="x,1'), "VIA's annotations": ("[1, 3, 3, 1]", "[1, 3]")}[
        tool
    ]
    path.write_text(path.read_text().replace(*wrong, 1))
    data = open_data(images)
    ((name, why),) = data.skipped
    assert (name, sum(map(len, data.parts.values()))) == (f"{path.name}: 0.png", 5)
    assert why.startswith("its objects cannot be read (ValueError: ")


def test_a_list_of_images_of_which_a_part_is_there(images):
    cvat(images, [[("cat", SQUARE, "polygon")]] * 12)
    data = open_data(images)
    assert sum(map(len, data.parts.values())) == 6
    assert [name for name, _ in data.skipped] == [f"annotations.xml: {n}.png" for n in range(6, 12)]
    for path in [*images.rglob("*.png")]:
        path.rename(path.with_stem("other" + path.stem))
    with pytest.raises(DataError) as caught:
        open_data(images)
    assert str(caught.value) == (
        f"{images / 'annotations.xml'}: none of the 12 images that it lists are in {images} or below it (not 0.png, "
        "1.png, 2.png and 9 more); put them there, under these names"
    )
