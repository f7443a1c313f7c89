import hashlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import examples
from striate.datasets.shapes import DEFAULT_KINDS, KINDS, open_shapes, shapes_in_image, shapes_named
from striate.datasets.shapes.outlines import COSINES, SINES
from striate.errors import DataError

TASKS = ("classification", "regression", "count", "multilabel", "segmentation")
ALL = tuple(KINDS)


def message(options):
    with pytest.raises(DataError) as caught:
        shapes_named(options)
    return str(caught.value)


def digest(data):
    parts = [array for part in data.parts.values() for array in (part.inputs, part.targets)]
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in parts)).hexdigest()[:16]


def components(mask):
    """How many connected regions a mask has, corners counted as connections."""
    left, n = {(int(y), int(x)) for y, x in np.argwhere(mask)}, 0
    while left:
        n, front = n + 1, [left.pop()]
        while front:
            y, x = front.pop()
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            front += near
    return n


def outline_length(shape):
    """At most: of the star, the longest for its size."""
    return 2.5 * math.pi * shape.size


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ("n=64", "a8d91465f7c77d5c"),
        ("n=64,grey,regression", "3aa2d41089ab95d1"),
        ("n=16,size=48x33,segmentation,kinds=" + "+".join(ALL), "a83fd6944a3f8a9d"),
        ("n=64,count,seed=7", "0ae3a8222fe60484"),
        ("n=64,multilabel,plain", "e3ced0e952152eaa"),
    ],
)
def test_the_images_are_fixed_for_ever(options, wanted):
    """Their bytes, on every machine and with every version: a changed number here breaks everybody's results."""
    assert digest(shapes_named(options)) == wanted


@given(st.integers(0, 2**63 - 1), st.integers(1, 9), st.sampled_from(TASKS), st.booleans())
@examples(10)
def test_an_image_does_not_depend_on_how_many_there_are(seed, n, task, plain):
    few, many = (open_shapes(task, count, test=1, seed=seed, plain=plain) for count in (n, n + 140))
    assert (few.train.inputs == many.train.inputs[:n]).all()
    assert (few.train.targets == many.train.targets[:n]).all()


def test_parts_and_seeds_differ():
    first, other = open_shapes(n=300), open_shapes(n=300, seed=1)
    images = [i.tobytes() for data in (first, other) for part in data.parts.values() for i in part.inputs]
    assert len(set(images)) == len(images) == 750


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(("size", "n"), [(40, 40), (97, 8)])
def test_mask_area_and_place_agree(kind, size, n):
    """The mask, counted pixel by pixel, against the formula for the area and the place that was requested."""
    data = open_shapes("segmentation", n, test=1, size=size, kinds=(kind,), max_shapes=1)
    y, x = np.mgrid[:size, :size] + 0.5
    off = []
    for i, mask in enumerate(data.train.targets):
        (shape,) = shapes_in_image(0, i, task="segmentation", size=size, kinds=(kind,), max_shapes=1)
        assert shape.kind == kind
        inside = mask == 1
        assert inside.sum() == pytest.approx(shape.area, abs=0.12 * outline_length(shape) + 2)
        off.append((inside.sum() - shape.area) / shape.area)
        assert x[inside].mean() == pytest.approx(shape.x, abs=0.5)
        assert y[inside].mean() == pytest.approx(shape.y, abs=0.5)
        assert np.hypot(x[inside] - shape.x, y[inside] - shape.y).max() <= shape.size / 2
    assert components(inside) == 1
    assert abs(np.mean(off)) < 0.015  # no bias


def test_areas_by_their_formulae():
    """Of an outline that reaches the unit circle: textbook formulae for the regular ones."""
    regular = {kind: n / 2 * math.sin(2 * math.pi / n) for kind, n in [("triangle", 3), ("square", 4), ("hexagon", 6)]}
    for kind, area in regular.items():
        assert KINDS[kind].area == pytest.approx(area)
    assert KINDS["star"].area == pytest.approx(5 * 0.42 * math.sin(math.pi / 5))
    assert KINDS["ring"].area == pytest.approx(math.pi * (1 - 0.55**2))
    assert KINDS["cross"].area == pytest.approx((4 * 2 * 0.32 - 4 * 0.32**2) / (1 + 0.32**2))


@pytest.mark.parametrize("kind", ALL)
def test_outlines_against_a_fine_grid(kind):
    """Area, centre of gravity and reach by counting 200,000 points; the distance by its slope at the outline."""
    step = 0.005
    u, v = np.meshgrid(*[np.arange(-1.1, 1.1, step) + step / 2] * 2)
    distance = KINDS[kind].distance(u, v)
    inside = distance < 0
    assert inside.sum() * step**2 == pytest.approx(KINDS[kind].area, abs=0.005)
    assert u[inside].mean() == pytest.approx(0, abs=0.002)
    assert v[inside].mean() == pytest.approx(0, abs=0.002)
    assert np.hypot(u, v)[inside].max() == pytest.approx(1, abs=0.01)
    down, across = np.gradient(distance, step)
    near = np.hypot(across, down)[np.abs(distance) < 0.02]
    assert np.median(near) == pytest.approx(1, abs=0.03)


def test_what_looks_the_same_when_turned_is_not_turned():
    angles = {
        kind: {shapes_in_image(3, i, kinds=ALL)[0].angle for i in range(k, 33 * len(ALL), len(ALL))}
        for k, kind in enumerate(ALL)
    }
    assert angles.pop("circle") == angles.pop("ring") == {0}
    assert all(len(seen) > 20 and min(seen) >= 0 and max(seen) < 360 for seen in angles.values())


def test_an_arrow_points_where_its_angle_says():
    """At 0 it points up; the angle goes clockwise. Its tip is the farthest point of the mask."""
    data = open_shapes("segmentation", 20, size=128, kinds=("arrow",), max_shapes=1)
    y, x = np.mgrid[:128, :128] + 0.5
    for i, mask in enumerate(data.train.targets):
        (shape,) = shapes_in_image(0, i, task="segmentation", size=128, kinds=("arrow",), max_shapes=1)
        head = math.radians(shape.angle)
        along = (x - shape.x) * math.sin(head) - (y - shape.y) * math.cos(head)
        across = (x - shape.x) * math.cos(head) + (y - shape.y) * math.sin(head)
        inside = mask == 1
        assert abs(across[inside].mean()) < 0.3
        # the head is broader than the shaft
        assert np.ptp(across[inside & (along > 0.1 * shape.size)]) > 1.5 * np.ptp(across[inside & (along < 0)])


def test_several_shapes_are_counted_and_do_not_touch():
    count = open_shapes("count", 150, size=64)
    masks = open_shapes("segmentation", 150, size=64, max_shapes=6)
    for i, mask in enumerate(masks.train.targets):
        shapes = shapes_in_image(0, i, task="count", size=64)
        assert count.train.targets[i] == len(shapes) == components(mask > 0)
        assert sorted(set(mask[mask > 0].tolist())) == sorted({DEFAULT_KINDS.index(s.kind) + 1 for s in shapes})
    assert (count.train.inputs == masks.train.inputs).all()
    assert set(count.train.targets[:, 0].tolist()) == {1, 2, 3, 4, 5, 6}


@pytest.mark.parametrize("size", [(40, 90), (90, 40), (32, 32)])
def test_shapes_lie_inside_and_anywhere(size):
    height, width = size
    shapes = [shape for i in range(400) for shape in shapes_in_image(0, i, size=size)]
    low, high = 0.45 * min(size), 0.9 * min(size)
    for s in shapes:
        assert s.size / 2 <= s.x <= width - s.size / 2
        assert s.size / 2 <= s.y <= height - s.size / 2
        assert low <= s.size <= high
    for values, room in (([s.x for s in shapes], width), ([s.y for s in shapes], height)):
        assert min(values) < 0.3 * room
        assert max(values) > 0.7 * room
        assert np.mean(values) == pytest.approx(room / 2, rel=0.06)


def test_classification():
    data = open_shapes(n=80)
    assert (data.name, data.task, data.mode, data.input, data.why) == (
        "shapes",
        "classification",
        "RGB",
        (3, 32, 32),
        "built in",
    )
    assert data.classes == DEFAULT_KINDS
    assert len(data.classes) >= 8
    assert (len(data.train), data.val, len(data.test)) == (80, None, 20)
    assert data.train.targets.dtype == np.int64
    assert np.bincount(data.train.targets).tolist() == [10] * 8
    assert data.test.names[7] == "shapes test 7"
    assert [data.classes[t] for t in data.test.targets[:5]] == [
        shapes_in_image(0, i, split="test")[0].kind for i in range(5)
    ]


def test_regression():
    data = open_shapes("regression", 30, size=(40, 60))
    assert (data.name, data.task, data.classes, data.positions) == (
        "shapes-regression",
        "regression",
        ("x", "y", "size"),
        ((0, 1),),
    )
    assert data.train.targets.dtype == np.float32
    for i, target in enumerate(data.train.targets):
        (shape,) = shapes_in_image(0, i, task="regression", size=(40, 60))
        assert target == pytest.approx((shape.x, shape.y, shape.size))


def test_count_and_multilabel_and_segmentation():
    count, labels, masks = (open_shapes(task, 20) for task in ("count", "multilabel", "segmentation"))
    assert (count.task, count.classes, count.positions, count.train.targets.dtype) == (
        "regression",
        ("count",),
        (),
        np.float32,
    )
    assert (labels.task, labels.classes, labels.train.targets.dtype) == ("multilabel", DEFAULT_KINDS, np.uint8)
    for i, target in enumerate(labels.train.targets):
        kinds = {shape.kind for shape in shapes_in_image(0, i, task="multilabel")}
        assert target.tolist() == [int(kind in kinds) for kind in DEFAULT_KINDS]
    assert (masks.task, masks.classes) == ("segmentation", ("background", *DEFAULT_KINDS))
    assert (masks.train.targets.dtype, masks.train.targets.shape) == (np.uint8, (20, 32, 32))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_plain_image_is_its_two_colours(channels):
    data = open_shapes("segmentation", 12, plain=True, channels=channels, max_shapes=1, size=40)
    assert data.train.inputs.shape == ((12, 40, 40, 3) if channels == 3 else (12, 40, 40))
    for i, (image, mask) in enumerate(zip(data.train.inputs, data.train.targets, strict=True)):
        (shape,) = shapes_in_image(0, i, task="segmentation", channels=channels, max_shapes=1, size=40, plain=True)
        inside = image.reshape(40, 40, channels)[mask > 0]
        colours, counts = np.unique(inside, axis=0, return_counts=True)
        assert tuple(colours[counts.argmax()].tolist()) == shape.colour
        outside = image.reshape(40, 40, channels)[mask == 0]
        assert np.unique(outside, axis=0, return_counts=True)[1].max() > 0.8 * len(outside)


def test_a_shape_is_lighter_than_its_background():
    for channels in (1, 3):
        data = open_shapes("segmentation", 200, channels=channels)
        images = data.train.inputs if channels == 1 else data.train.inputs @ np.array([0.299, 0.587, 0.114])
        for image, mask in zip(images, data.train.targets, strict=True):
            assert image[mask > 0].mean() - image[mask == 0].mean() > 40
    assert np.unique(data.train.inputs[:, 0, 0], axis=0).shape[0] > 190  # of many colours


def test_backgrounds_are_of_many_kinds():
    spread = open_shapes("segmentation", 200, channels=1).train
    deviations = np.array([i[m == 0].std() for i, m in zip(spread.inputs, spread.targets, strict=True)])
    assert deviations.min() > 1
    assert deviations.max() > 12


def test_sines_are_exact_to_the_digits_that_are_kept():
    """Were a value halfway between two roundings, two platforms could differ."""
    for degrees in range(360):
        exact = math.sin(math.radians(degrees))
        assert SINES[degrees] == pytest.approx(exact, abs=1e-12)
        assert COSINES[degrees] ** 2 + SINES[degrees] ** 2 == pytest.approx(1, abs=1e-11)
        scaled = exact * 1e12
        assert abs(abs(scaled - math.floor(scaled)) - 0.5) > 5e-4  # an ulp of 1 is 2e-4 here


def test_the_words_of_the_command_line():
    data = shapes_named("size=48x64, grey, n=6, test=3, task=segmentation, kinds=ring+star, most=2, seed=5")
    same = open_shapes(
        "segmentation", 6, test=3, size=(48, 64), channels=1, kinds=("ring", "star"), max_shapes=2, seed=5
    )
    assert digest(data) == digest(same)
    assert (data.classes, data.input, len(data.test)) == (("background", "ring", "star"), (1, 48, 64), 3)
    assert digest(shapes_named("n=9")) == digest(open_shapes(n=9))
    assert shapes_named("gray,n=4").mode == "L"
    assert shapes_named("color,n=4").mode == "RGB"


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ("segmentatoin", "shapes: 'segmentatoin' is not a task or an option; did you mean 'segmentation'?"),
        ("size", "shapes: 'size' is not a task or an option; write size=NUMBER"),
        ("siez=64", "shapes: no option named 'siez'; did you mean 'size'?"),
        ("size=big", "shapes: size is 'big', expected a whole number, such as size=64 or size=48x64"),
        ("size=8", "shapes: images of 8x8 pixels are too small for 1 shape; use size=9 or more"),
        (
            "count,size=16",
            "shapes: images of 16x16 pixels are too small for 6 shapes; use size=22 or more, or a smaller max",
        ),
        ("size=5000", "shapes: size is 5000, expected a whole number from 1 to 4,096"),
        ("n=0", "shapes: n is 0, expected a whole number from 1 to 10,000,000"),
        ("n=-5", "shapes: n is -5, expected a whole number from 1 to 10,000,000"),
        ("n=2.5", "shapes: n is '2.5', expected a whole number, such as n=5000"),
        ("n=100000,size=512", "shapes: these images would take 92 GiB of memory, at most 4; use a smaller n or size"),
        ("task=classify", "shapes: no task named 'classify'; did you mean 'classification'?"),
        ("kinds=circle+stars", "shapes: no kind named 'stars'; did you mean 'star'?"),
        ("kinds=circle+circle", "shapes: a kind is named twice: circle, circle"),
        ("kinds=circle", f"shapes: classification needs 2 kinds or more, of {', '.join(KINDS)}"),
        ("max=3", "shapes: max is 3, but classification is of images with one shape; use one of count, multilabel, "
         "segmentation"),
        ("count,max=0", "shapes: max is 0, expected a whole number from 1 to 32"),
        ("count,segmentation", "shapes: task is given twice, as 'count' and as 'segmentation'"),
        ("seed=-1", "shapes: seed is -1, expected a whole number from 0 to 9,223,372,036,854,775,807"),
    ],
)  # fmt: skip
def test_mistakes(options, wanted):
    assert message(options) == wanted


def test_mistakes_from_python():
    with pytest.raises(DataError, match=r"channels is 4, expected 3 \(colour\) or 1 \(grey\)"):
        open_shapes(channels=4)
    with pytest.raises(DataError, match="no split named 'tets'; did you mean 'test'"):
        shapes_in_image(0, 0, split="tets")
    with pytest.raises(DataError, match=r"n is 2\.0, expected a whole number"):
        open_shapes(n=2.0)
