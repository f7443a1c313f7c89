"""The formats of annotated objects: what each file says, as :class:`~.objects.ImageObject`.

Of one image: YOLO's text, Pascal VOC's XML, LabelMe's JSON. Of many: COCO's JSON, CVAT's XML "for images", the JSON or
CSV of the VGG Image Annotator (VIA).
"""

from __future__ import annotations

import csv
import json
import math
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np

from striate.datasets.sources.mask_values import BINARY
from striate.datasets.sources.objects import ImageObject
from striate.datasets.sources.rows import LABELS, OTHER_LABELS
from striate.errors import DataError
from striate.files import read_json, read_regular_text
from striate.model.image import decode_mask
from striate.tasks import SEGMENTATION

UNNAMED = BINARY[1]  # the class of objects that have none
_OUTLINE = SEGMENTATION.name  # COCO's key of an object's outline
_LARGEST = 1 << 30  # bytes of a file
_MOST = 1 << 28  # pixels
_CORNERS = 64  # of the polygon that a circle becomes
_DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError)


def file_text(path: Path) -> str:
    """The text of a file of annotations; DataError where it cannot be read."""
    try:
        return read_regular_text(path, "utf-8-sig", "replace", _LARGEST)
    except OSError as error:
        raise DataError(f"{path}: it cannot be read ({error.strerror})") from None


@contextmanager
def _read_as(path: Path, what: str) -> Iterator[None]:
    """Whatever is met in a file that is not *what* it should be, as a DataError that says so."""
    try:
        yield
    except DataError:
        raise
    except _DAMAGE as error:
        raise DataError(f"{path}: not {what} ({type(error).__name__}: {error}); export them again") from None


# ------------------------------------------------------------------------------------------------ of one image
class OneImage(NamedTuple):
    """What a file says of its image: its objects, its height and width."""

    objects: Sequence[ImageObject]
    size: tuple[int, int] | None = None


def read_yolo(path: Path) -> OneImage:
    """``number x y width height`` in each line, or ``number x y x y x y ...``, all as shares of the image's sides."""
    found = []
    for n, line in enumerate(file_text(path).splitlines(), 1):
        label, *words = line.split() or [""]
        if not label:
            continue
        try:
            values = tuple(map(float, words))
        except ValueError:
            values = ()
        if not label.isdecimal() or len(values) < 4 or not all(-0.5 <= value <= 1.5 for value in values):
            raise DataError(
                f"{path}: line {n}: {line[:40]!r}; expected a class number, then x, y, width and height (or the points "
                "of an outline) as shares of the image's sides"
            )
        outlines = (values,) if len(values) >= 6 and len(values) % 2 == 0 else ()
        box = () if outlines else _box(values[0] - values[2] / 2, values[1] - values[3] / 2, *values[2:4])
        found.append(ImageObject(str(int(label)), outlines, box=box, shares=True))
    return OneImage(found)


def read_voc(path: Path) -> OneImage:
    """``<object><name>cat</name>...</object>`` for each object."""
    names = [" ".join((one.findtext("name") or "").split()) for one in _xml(path, "annotation").iter("object")]
    return OneImage([ImageObject(name) for name in names if name])


def read_labelme(path: Path) -> OneImage:
    """``shapes``, each with a ``label``, a ``shape_type`` and its ``points``; ``imageHeight``, ``imageWidth``."""
    with _read_as(path, "LabelMe's annotations"):
        content = read_json(path, _LARGEST)
        height, width = content.get("imageHeight"), content.get("imageWidth")
        size = (int(height), int(width)) if height and width else None
        return OneImage([_labelme(one, size) for one in content["shapes"]], size)


def _labelme(shape: dict[str, Any], size: tuple[int, int] | None) -> ImageObject:
    label, kind = str(shape["label"]).strip(), shape.get("shape_type", "polygon")
    points = [(float(x), float(y)) for x, y in shape["points"]]
    if kind == "rectangle":
        return ImageObject(label, box=_rectangle(*points[0], *points[-1 if len(points) == 2 else 2]))
    if kind == "circle":
        (x, y), edge = points
        return ImageObject(label, (_ellipse(x, y, *[math.dist((x, y), edge)] * 2),))
    if kind == "mask" and shape.get("mask") and size:
        (x, y), *_ = points
        inside = _decoded(shape["mask"]) != 0
        return ImageObject(label, runs=_down(inside, round(x), round(y), size))
    return ImageObject(label, (tuple(v for point in points for v in point),) if kind == "polygon" else ())


def _decoded(text: str) -> np.ndarray:
    """The values of an image file that is written into a text."""
    try:
        return decode_mask(b64decode(text))
    except DataError as error:
        raise ValueError(f"a mask in it cannot be read: {error}") from None


# ------------------------------------------------------------------------------------------------ of many images
class ListedImage(NamedTuple):
    """What a file says of one image: its name, its objects, its height and width, its split; or why it cannot be
    read.
    """

    name: str
    objects: Sequence[ImageObject] = ()
    size: tuple[int, int] | None = None
    split: str = ""
    fault: str = ""


@dataclass(frozen=True)
class ObjectList:
    """What a file says of many images, and the names of classes that are numbers."""

    images: Sequence[ListedImage]
    called: Mapping[str, str] = field(default_factory=dict)


def _listed(name: str, read: Callable[[], OneImage], split: str = "") -> ListedImage:
    """What is said of an image, or why that cannot be read, which ends nothing."""
    try:
        objects, size = read()
        if size and not (min(size) > 0 and size[0] * size[1] < _MOST):
            raise ValueError(f"it is said to be of {size[1]}x{size[0]} pixels")
        return ListedImage(name, objects, size, split)
    except _DAMAGE as error:
        return ListedImage(name, fault=f"its objects cannot be read ({type(error).__name__}: {error})")


def read_coco(path: Path) -> ObjectList:
    """``images``, ``annotations`` and ``categories``."""
    with _read_as(path, "COCO annotations"):
        content = read_json(path, _LARGEST)
        called = {str(int(c["id"])): str(c["name"]) for c in content["categories"]}
        objects: dict[Any, list[dict[str, Any]]] = {}
        for one in content["annotations"]:
            objects.setdefault(one["image_id"], []).append(one | {"category_id": str(int(one["category_id"]))})
        listed = [(i | {"id": i["id"], "file_name": str(i["file_name"])}) for i in content["images"]]
    found = [
        _listed(image["file_name"], partial(_coco_image, image, objects.get(image["id"], []), called))
        for image in listed
    ]
    return ObjectList(found, called)


def _coco_image(image: dict[str, Any], objects: Sequence[dict[str, Any]], called: Mapping[str, str]) -> OneImage:
    size = (int(image["height"]), int(image["width"])) if "height" in image and "width" in image else None
    found = [
        ImageObject(one["category_id"], *_coco_outline(one.get(_OUTLINE), size), _coco_box(one.get("bbox")))
        for one in objects
        if one["category_id"] in called
    ]
    return OneImage(found, size)


def _coco_outline(outline: Any, size: tuple[int, int] | None) -> tuple[tuple[tuple[float, ...], ...], tuple[int, ...]]:
    """Polygons, and the lengths of runs, perhaps packed into a text."""
    if not isinstance(outline, dict):
        return tuple(tuple(map(float, polygon)) for polygon in outline or ()), ()
    counts = outline["counts"]
    runs = tuple(_unpacked(counts) if isinstance(counts, str) else map(int, counts))
    height, width = size or outline["size"]
    if sum(runs) != height * width or min(runs) < 0:
        raise ValueError("the lengths of runs do not add up to the image")
    return (), runs


def _coco_box(box: Any) -> tuple[float, ...]:
    return _box(*map(float, box)) if isinstance(box, list) and len(box) == 4 else ()


def _unpacked(text: str) -> list[int]:
    """Lengths of runs from COCO's text: five bits a character, each but the first two less the last but one.

    >>> _unpacked("123")
    [1, 2, 3]
    """
    runs: list[int] = []
    value = bits = 0
    for character in text:
        code = ord(character) - 48
        value |= (code & 31) << bits
        bits += 5
        if not code & 32:
            value -= (1 << bits) if code & 16 else 0
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = bits = 0
    return runs


def read_cvat(path: Path) -> ObjectList:
    """``<image name= width= height=>`` with ``<box>``, ``<polygon>``, ``<ellipse>``, ``<mask>``, ``<tag>`` in it."""
    with _read_as(path, "CVAT's annotations for images"):
        images = [*_xml(path, "annotations").iter("image")]
        return ObjectList([_listed(i.attrib["name"], partial(_cvat_image, i), i.get("subset", "")) for i in images])


def _cvat_image(image: ElementTree.Element) -> OneImage:
    size = int(image.attrib["height"]), int(image.attrib["width"])
    return OneImage([_cvat(one, size) for one in image if "label" in one.attrib], size)


def _cvat(one: ElementTree.Element, size: tuple[int, int]) -> ImageObject:
    label, at = one.attrib["label"], one.attrib
    if one.tag == "polygon":
        return ImageObject(label, (tuple(float(v) for point in at["points"].split(";") for v in point.split(",")),))
    if one.tag == "mask":
        return ImageObject(label, runs=_window([int(n) for n in at["rle"].split(",")], at, size))
    turn = float(at.get("rotation", 0))
    if one.tag == "box":
        return ImageObject(label, box=_rectangle(*_floats(at, "xtl ytl xbr ybr"), turn=turn))
    if one.tag == "ellipse":
        return ImageObject(label, (_ellipse(*_floats(at, "cx cy rx ry"), turn=turn),))
    return ImageObject(label)


def _window(lengths: Sequence[int], window: Mapping[str, str], size: tuple[int, int]) -> tuple[int, ...]:
    """Lengths of runs along the rows of a *window* as such down the columns of the whole image."""
    left, top, width, height = (int(window[name]) for name in ("left", "top", "width", "height"))
    if sum(lengths) != width * height or min(lengths) < 0 or width * height > size[0] * size[1]:
        raise ValueError("the lengths of runs do not add up to the mask")
    return _down(np.repeat(np.arange(len(lengths)) % 2, lengths).reshape(height, width), left, top, size)


def _down(inside: np.ndarray, left: int, top: int, size: tuple[int, int]) -> tuple[int, ...]:
    """A mask that lies in the image at *left*, *top*, as lengths of runs down the columns of the whole image."""
    height, width = inside.shape
    if min(left, top) < 0 or top + height > size[0] or left + width > size[1] or size[0] * size[1] > _MOST:
        raise ValueError(f"a mask of {width}x{height} at {left}, {top} leads beyond the image")
    mask = np.zeros(size, np.uint8)
    mask[top : top + height, left : left + width] = inside
    down = mask.T.ravel()
    return tuple(np.diff([0, *np.flatnonzero(np.diff(down, prepend=0)), down.size]).tolist())


def read_via(path: Path) -> ObjectList:
    """Images by ``filename`` with their ``regions``; in CSV a region in each line."""
    with _read_as(path, "VIA's annotations"):
        if path.suffix.lower() == ".csv":
            regions: dict[str, list[tuple[str, str]]] = {}
            for row in csv.DictReader(file_text(path).splitlines()):
                of = regions.setdefault(row.get("filename") or row["#filename"], [])
                one = row["region_shape_attributes"] or "{}", row["region_attributes"] or "{}"
                of += [one] if {*one} != {"{}"} else []
            return ObjectList([_listed(name, partial(_via_rows, of)) for name, of in regions.items()])
        content = read_json(path, _LARGEST)
        images = content.get("_via_img_metadata", content)
        return ObjectList([_listed(str(one["filename"]), partial(_via_image, one)) for one in images.values()])


def _via_rows(rows: Sequence[tuple[str, str]]) -> OneImage:
    regions = [(json.loads(shape), json.loads(inside)) for shape, inside in rows]
    return OneImage([_via({"shape_attributes": shape, "region_attributes": inside}) for shape, inside in regions])


def _via_image(image: dict[str, Any]) -> OneImage:
    regions = image["regions"]
    return OneImage([*map(_via, regions.values() if isinstance(regions, dict) else regions)])


def _via(region: dict[str, Any]) -> ImageObject:
    shape, label = region["shape_attributes"], _via_label(region.get("region_attributes") or {})
    kind = shape.get("name", "")
    if kind == "polygon":
        xs, ys = shape["all_points_x"], shape["all_points_y"]
        return ImageObject(label, (tuple(float(v) for point in zip(xs, ys, strict=True) for v in point),))
    if kind == "rect":
        return ImageObject(label, box=_box(*_floats(shape, "x y width height")))
    if kind == "circle":
        return ImageObject(label, (_ellipse(*_floats(shape, "cx cy r r")),))
    if kind == "ellipse":
        turn = math.degrees(float(shape.get("theta", 0)))
        return ImageObject(label, (_ellipse(*_floats(shape, "cx cy rx ry"), turn=turn),))
    return ImageObject(label)


def _via_label(attributes: dict[str, Any]) -> str:
    """The value of the attribute that is called as classes are, else of the first; of boxes to tick the ticked one."""
    names = sorted(attributes, key=lambda name: name.lower() not in (*LABELS, *OTHER_LABELS, "name", "type"))
    value = attributes[names[0]] if names else ""
    if isinstance(value, dict):
        value = next((name for name, ticked in value.items() if ticked), "")
    return str(value).strip() or UNNAMED


# ------------------------------------------------------------------------------------------------ shapes, XML
def _floats(values: Mapping[str, Any], names: str) -> list[float]:
    return [float(values[name]) for name in names.split()]


def _box(x: float, y: float, width: float, height: float) -> tuple[float, ...]:
    return _rectangle(x, y, x + width, y + height)


def _rectangle(x: float, y: float, x_: float, y_: float, *, turn: float = 0) -> tuple[float, ...]:
    """The corners, turned by so many degrees about the middle.

    >>> _rectangle(0, 0, 2, 1)
    (0, 0, 2, 0, 2, 1, 0, 1)
    """
    if not turn:
        return x, y, x_, y, x_, y_, x, y_
    centre, angle = complex(x + x_, y + y_) / 2, math.radians(turn)
    corners = (complex(*corner) - centre for corner in ((x, y), (x_, y), (x_, y_), (x, y_)))
    turned = [centre + corner * complex(math.cos(angle), math.sin(angle)) for corner in corners]
    return tuple(v for corner in turned for v in (corner.real, corner.imag))


def _ellipse(x: float, y: float, rx: float, ry: float, *, turn: float = 0) -> tuple[float, ...]:
    """The corners of a polygon that is nearly an ellipse with these half axes."""
    along = complex(math.cos(math.radians(turn)), math.sin(math.radians(turn)))
    angles = (2 * math.pi * i / _CORNERS for i in range(_CORNERS))
    corners = [complex(x, y) + complex(rx * math.cos(a), ry * math.sin(a)) * along for a in angles]
    return tuple(v for corner in corners for v in (corner.real, corner.imag))


def _xml(path: Path, tag: str) -> ElementTree.Element:
    try:
        tree = ElementTree.fromstring(file_text(path))
    except ElementTree.ParseError as error:
        raise DataError(f"{path}: not XML that can be read ({error}); export it again") from None
    if tree.tag != tag:
        raise DataError(f"{path}: its first element is <{tree.tag}>, expected <{tag}>")
    return tree


OfOne = Callable[[Path], OneImage]
OfMany = Callable[[Path], ObjectList]
