import gzip
from pathlib import Path

import numpy as np
import pytest

from striate.datasets.sources.idx import is_idx, open_idx, read_idx
from striate.errors import DataError

MNIST = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "mnist"


def message(folder):
    with pytest.raises(DataError) as caught:
        open_idx(folder)
    return str(caught.value).replace(str(folder), "FOLDER")


def test_images_labels_and_names(tmp_path, idx_folder):
    data = open_idx(idx_folder(tmp_path / "signs", train=[0, 1, 2, 1], t10k=[2, 0]))
    assert (data.name, data.classes, data.mode, data.input) == ("signs", ("0", "1", "2"), "L", (1, 2, 3))
    assert data.train.inputs.shape == (4, 2, 3)
    assert data.train.inputs[3].tolist() == [[3, 3, 3], [3, 3, 3]]
    assert data.train.targets.tolist() == [0, 1, 2, 1]
    assert data.train.targets.dtype == np.int64
    assert data.test.targets.tolist() == [2, 0]
    assert data.test.names[1] == "t10k-images-idx3-ubyte.gz 1"
    assert data.val is None


def test_labels_that_do_not_start_at_0_are_named_as_they_are(tmp_path, idx_folder):
    data = open_idx(idx_folder(tmp_path, train=[3, 255, 3], test=[255]))
    assert data.classes == ("3", "255")
    assert data.train.targets.tolist() == [0, 1, 0]
    assert data.test.targets.tolist() == [1]


def test_plain_files_with_dots_and_no_test_part(tmp_path, idx_bytes):
    (tmp_path / "train-images.idx3-ubyte").write_bytes(idx_bytes(np.zeros((2, 4, 4))))
    (tmp_path / "train-labels.idx1-ubyte").write_bytes(idx_bytes(np.array([0, 1])))
    data = open_idx(tmp_path)
    assert data.input == (1, 4, 4)
    assert data.test is None


def test_a_plain_file_goes_before_its_gzip_and_may_be_gzipped_itself(tmp_path, idx_folder, idx_bytes):
    idx_folder(tmp_path, train=[0, 1])
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(gzip.compress(idx_bytes(np.array([1, 0]))))
    assert open_idx(tmp_path).train.targets.tolist() == [1, 0]


def test_what_is_a_folder_of_idx_files(tmp_path, idx_folder):
    assert not is_idx(tmp_path)
    assert is_idx(idx_folder(tmp_path, train=[0, 1]))


def test_labels_that_are_fewer_than_the_images(tmp_path, idx_folder, idx_bytes):
    idx_folder(tmp_path, train=[0, 1, 2])
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(idx_bytes(np.array([0, 1])))
    assert message(tmp_path) == (
        "FOLDER: train-images-idx3-ubyte.gz has 3 images, but train-labels-idx1-ubyte.gz has 2 labels; they must "
        "belong together"
    )


def test_wrong_magic(tmp_path, idx_folder):
    idx_folder(tmp_path, train=[0, 1])
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"<!DOCTYPE html><html>")
    assert message(tmp_path) == (
        "FOLDER/train-images-idx3-ubyte.gz: its magic number is 1008813135, expected 2051 for images; "
        "is it the right file, whole and unchanged?"
    )


def test_swapped_files(tmp_path, idx_folder):
    idx_folder(tmp_path, train=[0, 1])
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes((tmp_path / "train-images-idx3-ubyte.gz").read_bytes())
    assert "magic number is 2051 (that is the number of the other kind), expected 2049 for labels" in message(tmp_path)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda data: data[:-1], "truncated: its header says 2 x 2 x 3 = 12 bytes, but 11 follow"),
        (lambda data: data + b"\0", "too long: its header says 2 x 2 x 3 = 12 bytes, but 13 follow"),
        (lambda data: data[:9], "truncated: 9 bytes are not even its header"),
        (lambda data: b"", "truncated: 0 bytes are not even its header"),
    ],
)
def test_a_file_of_the_wrong_length(tmp_path, idx_folder, change, expected):
    idx_folder(tmp_path, train=[0, 1])
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(change(gzip.decompress(path.read_bytes())))
    assert message(tmp_path) == f"FOLDER/{path.name}: {expected}; copy or download it again"


def test_a_damaged_gzip(tmp_path, idx_folder):
    path = idx_folder(tmp_path, train=[0, 1] * 50) / "train-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    for damaged in (whole[:-9], whole[:20] + b"\xff\xff" + whole[22:], whole[:-6] + b"\0\0" + whole[-4:]):
        path.write_bytes(damaged)
        text = message(tmp_path)
        assert text.startswith(f"FOLDER/{path.name}: it cannot be read (")
        assert text.endswith("); copy or download it again")


def test_missing_files(tmp_path, idx_folder):
    idx_folder(tmp_path, train=[0, 1], t10k=[0, 1])
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    assert message(tmp_path) == (
        "FOLDER: there is t10k-images-idx3-ubyte.gz, but its labels are missing; put t10k-labels-idx1-ubyte.gz "
        "beside it"
    )
    (tmp_path / "train-images-idx3-ubyte.gz").unlink()
    assert "there is train-labels-idx1-ubyte.gz, but its images are missing; put train-images-idx3" in message(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    assert message(tmp_path) == "FOLDER: there are test files, but no train-images-idx3-ubyte and its labels"


def test_labels_that_training_never_saw(tmp_path, idx_folder):
    idx_folder(tmp_path, train=[0, 1, 2], t10k=[0, 9])
    assert message(tmp_path) == (
        "FOLDER/t10k-labels-idx1-ubyte.gz: item 1 has the label 9, but the training labels are 0, 1, 2"
    )


def test_one_class_and_no_items(tmp_path, idx_folder, idx_bytes):
    idx_folder(tmp_path, train=[4, 4])
    assert message(tmp_path) == (
        "FOLDER/train-labels-idx1-ubyte.gz: every label is 4; learning needs two classes or more"
    )
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(idx_bytes(np.zeros((0, 28, 28))))
    assert message(tmp_path) == (
        "FOLDER/train-images-idx3-ubyte.gz: it contains no images (its header says 0 x 28 x 28)"
    )


def test_no_permission(open_to_all, as_nobody, idx_folder):
    path = idx_folder(open_to_all, train=[0, 1]) / "train-images-idx3-ubyte.gz"
    path.chmod(0)
    with as_nobody():
        text = message(open_to_all)
    assert text == f"FOLDER/{path.name}: no permission to read it; change the file's permissions"


@pytest.mark.realdata
@pytest.mark.skipif(not MNIST.is_dir(), reason="no MNIST beside the repository")
def test_mnist():
    data = open_idx(MNIST)
    assert data.classes == tuple("0123456789")
    assert data.train.inputs.shape == (60000, 28, 28)
    assert data.test.inputs.shape == (10000, 28, 28)
    assert data.train.targets[:5].tolist() == [5, 0, 4, 1, 9]
    assert np.bincount(data.test.targets).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert round(float(data.train.inputs.mean()) / 255, 4) == 0.1307  # as everybody normalises it


def test_a_label_file_is_read_as_a_row(tmp_path, idx_bytes):
    path = tmp_path / "labels"
    path.write_bytes(idx_bytes(np.array([7, 8])))
    assert read_idx(path, "labels").tolist() == [7, 8]
