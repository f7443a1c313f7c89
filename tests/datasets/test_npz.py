import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.datasets import open_data
from striate.datasets.sources.npz import array_inputs, open_npz
from striate.errors import DataError

GREY = np.arange(4 * 5 * 6).reshape(4, 5, 6).astype(np.uint8)
LABELS = np.array([0, 1, 1, 0])


@pytest.fixture
def archive(tmp_path):
    """``archive(x=..., y=...)`` writes an .npz file."""

    def write(**arrays):
        path = tmp_path / "set.npz"
        np.savez(path, **arrays)
        return path

    return write


def message(path):
    with pytest.raises(DataError) as caught:
        open_npz(path)
    return str(caught.value).replace(str(path), "FILE")


def test_grey_images_and_classes(archive):
    data = open_npz(archive(x=GREY, y=[3, 7, 7, 3]))
    assert (data.name, data.task, data.classes, data.mode, data.input) == (
        "set", "classification", ("3", "7"), "L", (1, 5, 6),
    )  # fmt: skip
    assert (data.train.inputs == GREY).all()
    assert data.train.targets.tolist() == [0, 1, 1, 0]
    assert data.train.targets.dtype == np.int64
    assert data.train.names[2] == "set train 2"
    assert data.why == "from y of set.npz"
    assert data.notes == ("uint8 (4, 5, 6): images; there is one channel, so an item is 1x5x6",)


@pytest.mark.parametrize(("x", "y"), [("x_{}", "y_{}"), ("X_{}", "Y_{}"), ("{}_images", "{}_labels"), ("{}_x", "{}_y")])
def test_parts(archive, x, y):
    arrays = {}
    for part, n in (("train", 4), ("val", 1), ("test", 2)):
        arrays |= {x.format(part): GREY[:n], y.format(part): LABELS[:n]}
    data = open_npz(archive(**arrays))
    assert [len(part) for part in (data.train, data.val, data.test)] == [4, 1, 2]
    assert data.test.targets.tolist() == [0, 1]
    assert data.test.names[1] == "set test 1"


@pytest.mark.parametrize(
    ("shape", "mode", "input", "stored"),
    [
        ((4, 5, 6, 1), "L", (1, 5, 6), (4, 5, 6, 1)),
        ((4, 1, 5, 6), "L", (1, 5, 6), (4, 5, 6, 1)),
        ((4, 5, 6, 3), "RGB", (3, 5, 6), (4, 5, 6, 3)),
        ((4, 3, 5, 6), "RGB", (3, 5, 6), (4, 5, 6, 3)),
        ((4, 4, 8, 8), "RGBA", (4, 8, 8), (4, 8, 8, 4)),
        ((4, 9, 9, 2), "channels", (2, 9, 9), (4, 9, 9, 2)),
        ((4, 13, 20, 20), "channels", (13, 20, 20), (4, 20, 20, 13)),
        ((4, 3, 3, 3), "RGB", (3, 3, 3), (4, 3, 3, 3)),
    ],
)
def test_the_channels_of_images(archive, shape, mode, input, stored):
    x = np.arange(np.prod(shape)).reshape(shape).astype(np.uint8)
    data = open_npz(archive(x=x, y=LABELS))
    assert (data.mode, data.input, data.train.inputs.shape) == (mode, input, stored)
    first = x if stored == shape else x.transpose(0, 2, 3, 1)
    assert (data.train.inputs == first).all()


@pytest.mark.parametrize(
    ("shape", "input"),
    [
        ((4, 9), (1, 9)),
        ((4, 9, 3), (1, 9, 3)),
        ((4, 6, 7, 2), (2, 6, 7)),
        ((4, 2, 6, 7), (2, 6, 7)),
        ((4, 28, 28, 28), (1, 28, 28, 28)),
        ((4, 20, 24, 24), (1, 20, 24, 24)),
        ((4, 2, 5, 6, 7), (2, 5, 6, 7)),
        ((4, 5, 6, 7, 1), (1, 5, 6, 7)),
    ],
)
@pytest.mark.parametrize("type", [np.float64, np.int16, bool])
def test_values(archive, shape, input, type):
    x = np.arange(np.prod(shape)).reshape(shape).astype(type)
    data = open_npz(archive(x=x, y=LABELS))
    assert (data.mode, data.input) == ("values", input)
    assert data.train.inputs.dtype == np.float32
    assert data.train.inputs.shape == (4, *input)
    assert (np.sort(data.train.inputs, axis=None) == np.sort(x, axis=None)).all()


def test_bytes_in_volumes_are_values(archive):
    data = open_npz(archive(x=np.ones((4, 28, 28, 28), np.uint8), y=LABELS))
    assert (data.mode, data.input) == ("values", (1, 28, 28, 28))
    assert data.notes == ("uint8 (4, 28, 28, 28): volumes; there is one channel, so an item is 1x28x28x28",)


def test_the_channels_of_the_other_parts_are_where_training_has_them(archive):
    arrays = {"x_train": np.zeros((4, 3, 9, 9), np.uint8), "y_train": LABELS, "y_test": LABELS}
    data = open_npz(archive(**arrays, x_test=np.zeros((4, 3, 2, 2), np.uint8)))
    assert data.test.inputs.shape == (4, 2, 2, 3)
    assert message(archive(**arrays, x_test=np.zeros((4, 9, 9, 3), np.uint8))) == (
        "FILE: x_test: an item is (9, 9, 3), in the training split (3, 9, 9); save both the same way"
    )
    assert message(archive(**arrays, x_test=np.zeros((4, 3, 9, 9)))) == (
        "FILE: x_test is float64 (4, 3, 9, 9), unlike the training split; save both the same way"
    )
    assert message(archive(**arrays, x_test=np.zeros((4, 9, 9), np.uint8))).startswith("FILE: x_test")


@pytest.mark.parametrize("y", [np.array([0, 2, 2, 0])[:, None], np.array([0, 2, 2, 0], np.uint8)])
def test_whole_numbers_are_classes(archive, y):
    assert open_npz(archive(x=GREY, y=y)).classes == ("0", "2")


def test_whole_numbers_that_are_amounts(archive):
    many, few = np.arange(25 * 4).reshape(25, 4), np.arange(8).reshape(2, 4)
    path = archive(x=many, y=np.arange(25), x_test=few, y_test=[3, 99])
    with pytest.raises(DataError, match="y_test contains 99"):
        open_data(path)
    data = open_data(path, task="regression")
    assert (data.task, data.classes, data.why) == ("regression", ("y",), "from y of set.npz, as requested")
    assert data.test.targets.tolist() == [[3], [99]]
    assert open_npz(archive(x=many, y=np.arange(25))).notes[1] == (
        "25 whole numbers in 'y' are taken as classes; if they are amounts: --task regression"
    )


def test_names_of_classes(archive):
    path = archive(x=GREY, y=[0, 2, 2, 0], classes=["ant", "bee", "cat"])
    data = open_npz(path)
    assert data.classes == ("ant", "bee", "cat")
    assert data.train.targets.tolist() == [0, 2, 2, 0]
    assert open_npz(archive(x=GREY, y=["b", "a", "a", "b"])).classes == ("a", "b")
    assert message(archive(x=GREY, y=[0, 3, 2, 0], classes=["ant", "bee", "cat"])) == (
        "FILE: y contains 3 (first in item 1), but classes names 3; correct it"
    )


def test_floating_point_is_predicted(archive):
    data = open_npz(archive(x=GREY, y=[0.5, 1, 2, 3]))
    assert (data.task, data.classes, data.train.targets.shape) == ("regression", ("y",), (4, 1))
    assert data.train.targets.dtype == np.float32
    assert len(data.notes) == 1
    data = open_npz(archive(x=GREY, y=np.arange(12).reshape(4, 3)))
    assert (data.task, data.classes) == ("regression", ("y0", "y1", "y2"))
    assert open_npz(archive(x=GREY, y=np.eye(4)[:, :2] * 3, classes=["a", "b"])).classes == ("a", "b")


def test_whole_numbers_in_floating_point_may_be_classes(archive):
    path = archive(x=np.concatenate([GREY, GREY + 1]), y=[0.0, 1, 1, 0] * 2)
    assert open_npz(path).notes[1] == (
        "y contains whole numbers, stored as float64; if they are classes: --task classification"
    )
    data = open_data(path, task="classification")
    assert (data.classes, data.why) == (("0", "1"), "from y of set.npz, as requested")
    assert sorted([*data.train.targets, *data.test.targets]) == [0] * 4 + [1] * 4


@pytest.mark.parametrize("type", [np.int64, np.float32, bool])
def test_a_matrix_of_0_and_1(archive, type):
    y = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1]])
    data = open_npz(archive(x=GREY, y=y.astype(type)))
    assert (data.task, data.classes) == ("multilabel", ("0", "1", "2"))
    assert data.train.targets.tolist() == y.tolist()
    assert data.train.targets.dtype == np.uint8


def test_one_1_in_every_row_is_a_class(archive):
    y = np.eye(3)[[2, 0, 0, 1]]
    path = archive(x=np.concatenate([GREY, GREY + 1]), y=np.concatenate([y, y]), classes=["a", "b", "c"])
    data = open_npz(path)
    assert (data.task, data.classes) == ("classification", ("a", "b", "c"))
    assert data.train.targets.tolist() == [2, 0, 0, 1] * 2
    assert (
        data.notes[1] == "every row of y has exactly one 1, so it is taken for one class each; else: --task multilabel"
    )
    again = open_data(path, task="multilabel")
    assert again.task == "multilabel"
    assert (again.train.targets.sum(axis=1) == 1).all()


def test_masks(archive):
    y = np.zeros((4, 5, 6), np.int64)
    y[:, 2], y[:, 3, 0] = 4, 255
    data = open_npz(archive(x=GREY, y=y))
    assert (data.task, data.classes, data.mask_values) == ("segmentation", ("0", "4"), (0, 1))
    assert data.train.targets.dtype == np.uint8
    assert np.unique(data.train.targets[:, 2]).tolist() == [1]
    assert (data.train.targets[:, 3, 0] == 255).all()
    assert data.notes[1:] == ("pixels of 255 are ignored",)
    data = open_npz(archive(x=GREY, y=(y == 4)[..., None] * np.uint8(255), classes=["ground", "cell"]))
    assert data.classes == ("ground", "cell")
    assert np.unique(data.train.targets).tolist() == [0, 1]


def test_masks_with_names(archive):
    y = np.zeros((4, 5, 6), np.uint8)
    y[0, 0, 0] = 1
    names = ["a", "b", "c"]
    assert open_npz(archive(x=GREY, y=y, classes=names)).classes == ("a", "b", "c")
    y[0, 0, 0] = 7
    assert message(archive(x=GREY, y=y, classes=names)) == "FILE: y contains 7, but there are 3 class names"


def test_a_mask_value_that_training_lacks_is_ignored(archive):
    train, test = np.zeros((4, 5, 6), int), np.zeros((4, 5, 6), int)
    train[0, 0, 0], test[0, 0, 0] = 1, 2
    data = open_npz(archive(x_train=GREY, y_train=train, x_test=GREY, y_test=test))
    assert data.test.targets[0, 0, 0] == 255
    assert data.notes[1:] == ("pixels of 2 are ignored",)


HOLDS = "; expected x and y; or x_train, y_train, x_test, y_test (Keras); or train_images, train_labels, ... (MedMNIST)"
NAN = GREY.astype(float)
NAN[2, 0, :3] = np.nan
BAD = {
    "nothing": ({}, "FILE: it contains no array" + HOLDS),
    "other names": ({"weights": GREY, "bias": LABELS}, "FILE: it contains weights (4, 5, 6), bias (4,)" + HOLDS),
    "no targets": ({"x": GREY}, "FILE: x has no targets beside it: it contains x (4, 5, 6)" + HOLDS),
    "no inputs": ({"y_train": LABELS}, "FILE: y_train has no inputs beside it: it contains y_train (4,)" + HOLDS),
    "no test targets": (
        {"x": GREY, "y": LABELS, "x_test": GREY},
        "FILE: x_test has no targets beside it: it contains x (4, 5, 6), y (4,), x_test (4, 5, 6)" + HOLDS,
    ),
    "only a test part": (
        {"x_test": GREY, "y_test": LABELS}, "FILE: it contains x_test (4, 5, 6), y_test (4,)" + HOLDS,
    ),
    "twice": (
        {"x": GREY, "x_train": GREY, "y": LABELS},
        "FILE: both x and x_train are the inputs of the train split; keep one",
    ),
    "objects": (
        {"x": np.array([{}, []], object), "y": [0, 1]},
        "FILE: x contains Python objects, which may run code when they are read; make it one array of numbers "
        "(numpy.stack) and save again",
    ),
    "lengths": ({"x": GREY, "y": LABELS[:3]}, "FILE: x has 4 items, but y has 3; they must belong together"),
    "empty": ({"x": GREY[:0], "y": LABELS[:0]}, "FILE: x has the shape (0, 5, 6): it contains no items"),
    "a single number": ({"x": 3, "y": LABELS}, "FILE: x has the shape (): it contains no items"),
    "NaN": (
        {"x": NAN, "y": LABELS},
        "FILE: x contains 3 NaN or infinite number(s), first in item 2; remove or replace them",
    ),
    "an infinite target": (
        {"x": GREY, "y": [0.5, 1, np.inf, 2]},
        "FILE: y contains 1 NaN or infinite number(s), first in item 2; remove or replace them",
    ),
    "beyond 32 bits": (
        {"x": GREY * 1e300, "y": LABELS}, "FILE: x contains numbers beyond 3.4e38, the maximum of 32 bits; scale it",
    ),
    "a target beyond 32 bits": (
        {"x": GREY, "y": LABELS * 1e300},
        "FILE: the targets contain numbers beyond 3.4e38, the maximum of 32 bits; scale them",
    ),
    "complex": (
        {"x": GREY * 1j, "y": LABELS},
        "FILE: x contains complex128, expected numbers; texts belong into a table (.csv)",
    ),
    "texts": (
        {"x": ["a", "b"], "y": [0, 1]}, "FILE: x contains <U1, expected numbers; texts belong into a table (.csv)",
    ),
    "one axis": (
        {"x": LABELS, "y": LABELS},
        "FILE: x has the shape (4,), expected 2 to 5 axes, such as (N, H, W, C) or (N, C, H, W)",
    ),
    "one class": ({"x": GREY, "y": LABELS * 0}, "FILE: every target is 0; learning needs two classes or more"),
    "a new class": (
        {"x": GREY, "y": LABELS, "x_test": GREY, "y_test": LABELS + 1},
        "FILE: y_test contains 2 (first in item 1), but the training split has 0, 1; correct it, or use --task "
        "regression if they are amounts",
    ),
    "other columns": (
        {"x": GREY, "y": np.eye(4), "x_test": GREY, "y_test": np.eye(4)[:, :3]},
        "FILE: y_test has 3 columns, y has 4",
    ),
    "names of other columns": (
        {"x": GREY, "y": np.eye(4), "classes": ["a", "b"]}, "FILE: 2 class names, but y has 4 columns",
    ),
    "masks of another size": (
        {"x": GREY, "y": np.zeros((4, 5, 5), int)},
        "FILE: y is int64 (4, 5, 5); expected (N,) or (N, K), or of images whole numbers (N, H, W) of their size",
    ),
    "masks of one class": (
        {"x": GREY, "y": np.zeros((4, 5, 6), int)}, "FILE: y contains 1 class(es), expected 2 to 254, numbered from 0",
    ),
    "targets of another kind": (
        {"x": GREY, "y": LABELS, "x_val": GREY, "y_val": np.eye(4)}, "FILE: y_val is float64 (4, 4), but y int64 (4,)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_archive(archive, name):
    arrays, wanted = BAD[name]
    assert message(archive(**arrays)) == wanted


def test_no_archive(tmp_path):
    path = tmp_path / "a.npz"
    np.save(path.with_suffix(".npy"), GREY)
    path.write_bytes(path.with_suffix(".npy").read_bytes())
    assert message(path) == "FILE: not an .npz archive; write one with numpy.savez(file, x=..., y=...)"
    path.write_bytes(b"")
    assert message(path).startswith("FILE: not an .npz archive")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x", b"hello")
    assert message(path) == "FILE: x is not an array; write the file with numpy.savez"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The path and the content of a good archive."""
    path = tmp_path_factory.mktemp("whole") / "a.npz"
    np.savez_compressed(path, x=GREY, y=LABELS)
    return path, path.read_bytes()


@given(st.floats(0, 1, exclude_max=True))
def test_cut_short(whole, share):
    path, content = whole
    path.write_bytes(content[: max(4, int(share * len(content)))])
    text = message(path)
    assert text.startswith("FILE: damaged, cut short or not readable (")


@given(st.data())
def test_damaged(whole, data):
    """A byte that is changed gives the right arrays or one message, never another error."""
    path, content = whole[0], bytearray(whole[1])
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        inputs, text = open_npz(path).train.inputs, ""
    except DataError as error:
        inputs, text = GREY, str(error)
    assert not text or text.startswith(f"{path}: ")
    assert (inputs == GREY).all()


@given(
    st.tuples(st.integers(1, 3), st.integers(1, 20), st.integers(1, 20), st.integers(1, 20)),
    st.sampled_from([np.uint8, np.float32, np.int32]),
)
def test_no_number_is_lost_or_made(shape, type):
    array = np.arange(np.prod(shape)).reshape(shape).astype(type)
    result = array_inputs("x", array)
    assert (np.sort(result.inputs, axis=None) == np.sort(array, axis=None)).all()
    assert len(result.inputs) == len(array)
    inputs = result.inputs if result.mode == "values" else np.moveaxis(result.inputs, -1, 1)
    assert inputs.shape[1:] == result.shape
