"""Arrays as people have them: EMNIST, QMNIST, .npy pairs and items, archives in a folder, CIFAR's own batches."""

import gzip
import pickle
import struct
import types

import numpy as np
import pytest

from striate.datasets import open_data
from striate.datasets.sources import array_files
from striate.errors import DataError

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(0, 256, (20, 6, 8), np.uint8)
LABELS = (np.arange(20) % 4).astype(np.uint8)


def idx(array):
    kind = {"uint8": 8, "int32": 12}[str(array.dtype)]
    head = struct.pack(">BBBB", 0, 0, kind, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def refused(path, **options):
    with pytest.raises(DataError) as caught:
        open_data(path, **options)
    return str(caught.value)


def idx_set(
    folder, name, images="{s}-images-idx3-ubyte.gz", labels="{s}-labels-idx1-ubyte.gz", test="test", given=LABELS
):
    for split in ("train", test):
        for pattern, array in ((images, IMAGES), (labels, given)):
            path = folder / (name + pattern.format(s=split))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.compress(idx(array)) if path.suffix == ".gz" else idx(array))


@pytest.mark.parametrize("name", ["letters", "digits", "balanced", "byclass", "mnist"])
def test_emnist_stands_upright(tmp_path, name):
    idx_set(tmp_path, f"emnist-{name}-")
    data = open_data(tmp_path)
    assert (data.name, data.input, len(data.train), len(data.test)) == (f"emnist-{name}", (1, 8, 6), 20, 20)
    assert (data.train.inputs == IMAGES.swapaxes(1, 2)).all()
    assert any("upright" in note for note in data.notes)


def test_several_sets_in_one_folder(tmp_path):
    idx_set(tmp_path / "gzip", "emnist-letters-")
    idx_set(tmp_path / "gzip", "emnist-digits-")
    first = tmp_path / "gzip" / "emnist-digits-test-images-idx3-ubyte.gz"
    assert f"files of several sets (emnist-digits, emnist-letters); name a file of one, such as {first}" in refused(
        tmp_path / "gzip"
    )
    assert open_data(tmp_path / "gzip" / "emnist-letters-train-labels-idx1-ubyte.gz").name == "emnist-letters"


@pytest.mark.parametrize("prefix", ["qmnist-", "QMNIST_", "", "my-", "k49."])
def test_qmnist_and_other_names(tmp_path, prefix):
    given = np.zeros((20, 8), np.int32)
    given[:, 0] = LABELS
    given[:, 1] = 7
    idx_set(tmp_path / "set", prefix, labels="{s}-labels-idx2-int", given=given)
    data = open_data(tmp_path / "set")
    assert (data.classes, data.train.targets.tolist()) == (("0", "1", "2", "3"), LABELS.tolist())
    assert (data.train.inputs == IMAGES).all()


@pytest.mark.parametrize("dot", ["-", ".", "_"])
@pytest.mark.parametrize("nested", [False, True])
def test_kaggles_names_and_folders(tmp_path, dot, nested):
    names = {kind: f"{{s}}-{kind}{dot}idx{n}-ubyte" for kind, n in (("images", 3), ("labels", 1))}
    if nested:
        names = {kind: f"{name}/{name}" for kind, name in names.items()}
    idx_set(tmp_path, "", names["images"], names["labels"], "t10k")
    data = open_data(tmp_path)
    assert (len(data.train), len(data.test), len(data.classes)) == (20, 20, 4)


@pytest.mark.parametrize(
    ("x", "y"),
    [("X", "y"), ("images", "labels"), ("x_train", "y_train"), ("train_images", "train_labels"), ("data", "target"),
     ("my-train-imgs", "my-train-labels")],
)  # fmt: skip
@pytest.mark.parametrize("named", [False, True])
def test_a_pair_of_npy(tmp_path, x, y, named):
    np.save(tmp_path / f"{x}.npy", IMAGES)
    np.save(tmp_path / f"{y}.npy", LABELS)
    data = open_data(tmp_path / f"{x}.npy" if named else tmp_path)
    assert (data.mode, data.input, data.classes) == ("L", (1, 6, 8), ("0", "1", "2", "3"))
    assert len(data.train) + len(data.test) == 20


@pytest.mark.parametrize("layout", ["{c}/{i}.npy", "train/{c}/{i}.npy", "Training/{c}/item {i}.npy"])
@pytest.mark.parametrize(
    ("shape", "type_", "mode", "item"),
    [
        ((6, 8, 3), np.uint8, "RGB", (3, 6, 8)),
        ((6, 8), np.uint8, "L", (1, 6, 8)),
        ((30,), np.float32, "values", (1, 30)),
        ((2, 9, 9), np.float64, "values", (2, 9, 9)),
        ((20, 20), np.float32, "values", (1, 20, 20)),
    ],
)
def test_an_npy_for_each_item(tmp_path, layout, shape, type_, mode, item):
    for c in ("a", "b"):
        for i in range(6):
            path = tmp_path / "set" / layout.format(c=c, i=i)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, GENERATOR.uniform(0, 255, shape).astype(type_))
    data = open_data(tmp_path / "set")
    assert (data.mode, data.input, data.classes) == (mode, item, ("a", "b"))
    np.save(path, np.zeros((3, 3, 3, 3)))
    assert "save all items in one type and shape" in refused(tmp_path / "set")
    np.save(path, np.array([{}]), allow_pickle=True)
    ((name, why),) = open_data(tmp_path / "set").skipped
    assert name == str(path)
    assert "which may run code when they are read" in why


def test_archives(tmp_path):
    np.savez(tmp_path / "two.npz", IMAGES, LABELS)
    assert len(open_data(tmp_path / "two.npz").classes) == 4
    assert len(open_data(tmp_path).classes) == 4
    np.savez(tmp_path / "one.npz", IMAGES)
    assert f"several archives (one.npz, two.npz); name the one to open, such as {tmp_path / 'one.npz'}" in refused(
        tmp_path
    )
    text = refused(tmp_path / "one.npz")
    assert "it contains one array, uint8 (20, 6, 8), and no targets; put the other half beside it" in text


@pytest.mark.parametrize("name", ["kmnist", "k49", "mine", "a b", "set_1"])
def test_archives_of_one_array_each(tmp_path, name):
    for split in ("train", "test"):
        np.savez(tmp_path / f"{name}-{split}-imgs.npz", IMAGES)
        np.savez(tmp_path / f"{name}-{split}-labels.npz", LABELS)
    data = open_data(tmp_path)
    assert (len(data.train), len(data.test), data.input) == (20, 20, (1, 6, 8))


def test_one_array_alone_and_a_damaged_one(tmp_path):
    np.save(tmp_path / "X.npy", IMAGES)
    assert "it is one array, uint8 (20, 6, 8); put the targets beside it, as in X.npy and y.npy" in refused(
        tmp_path / "X.npy"
    )
    (tmp_path / "y.npy").write_bytes((tmp_path / "X.npy").read_bytes()[:90])
    assert "copy or write it again" in refused(tmp_path)


# -------------------------------------------------------------------------------------------------- HDF5
def test_hdf5_without_its_package(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    (tmp_path / "set.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    text = refused(tmp_path / "set.h5")
    assert text.endswith("reading .h5 needs the package h5py; pip install h5py, or save it as .npz")


@pytest.mark.parametrize(
    "names",
    [("train_set_x", "train_set_y"), ("x_train", "y_train"), ("images", "labels"), ("X", "y"), ("data", "target")],
)
def test_hdf5_with_a_package_that_reads_it(tmp_path, names, monkeypatch):
    stored = dict(zip(names, (IMAGES, LABELS), strict=True))

    class File:
        def __init__(self, path, mode):
            assert mode == "r"

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def visititems(self, told):
            for key, array in stored.items():
                told(key, array)

    monkeypatch.setattr(array_files, "needed_package", lambda *_: types.SimpleNamespace(File=File))
    (tmp_path / "set.h5").write_bytes(b"")
    data = open_data(tmp_path / "set.h5")
    assert (data.input, len(data.classes)) == ((1, 6, 8), 4)


# ------------------------------------------------------------------------------------------------- CIFAR
PIXELS = GENERATOR.integers(0, 256, (20, 3072), np.uint8)
UPRIGHT = PIXELS.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
TEN = [i % 10 for i in range(20)]


@pytest.mark.parametrize("protocol", range(2, 5))
@pytest.mark.parametrize("as_bytes", [True, False])
def test_the_batches_of_cifar_10(tmp_path, protocol, as_bytes):
    def key(name):
        return name.encode() if as_bytes else name

    for name in ("data_batch_1", "data_batch_2", "test_batch"):
        batch = {key("batch_label"): name, key("labels"): TEN, key("data"): PIXELS, key("filenames"): ["a.png"] * 20}
        (tmp_path / name).write_bytes(pickle.dumps(batch, protocol))
    data = open_data(tmp_path)
    assert (data.mode, data.input, len(data.train), len(data.test)) == ("RGB", (3, 32, 32), 40, 20)
    assert (data.train.inputs[:20] == UPRIGHT).all()
    assert data.test.targets.tolist() == TEN
    assert data.notes == ("the whole of CIFAR-10 is built in: cifar10",)
    meta = {key("label_names"): [key(f"name{i}") for i in range(10)]}
    (tmp_path / "batches.meta").write_bytes(pickle.dumps(meta, protocol))
    assert open_data(tmp_path).classes[3] == "name3"


def test_the_batches_as_python_2_wrote_them(tmp_path):
    head = b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03U\x06labelsq\x04]q\x05("
    labels = b"".join(b"K" + bytes([n]) for n in TEN) + b"e"
    array = b"U\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85U\x01b\x87Rq\t"
    state = b"(K\x01K\x14M\x00\x0c\x86cnumpy\ndtype\nq\nU\x02u1K\x00K\x01\x87Rq\x0b(K\x03U\x01|NNNJ\xff\xff\xff\xff"
    state += b"J\xff\xff\xff\xffK\x00tb\x89T" + struct.pack("<I", PIXELS.size) + PIXELS.tobytes() + b"tbu."
    (tmp_path / "data_batch_1").write_bytes(head + labels + array + state)
    data = open_data(tmp_path)
    assert len(data.train) + len(data.test) == 20
    at = [int(name.rsplit(" ", 1)[1]) for name in data.train.names]
    assert (data.train.inputs == UPRIGHT[at]).all()


def test_cifar_100(tmp_path):
    for name in ("train", "test"):
        batch = {"fine_labels": TEN, "coarse_labels": [0] * 20, "data": PIXELS}
        (tmp_path / name).write_bytes(pickle.dumps(batch))
    (tmp_path / "meta").write_bytes(pickle.dumps({"fine_label_names": [f"f{i}" for i in range(100)]}))
    data = open_data(tmp_path)
    assert (len(data.classes), data.classes[7], len(data.test)) == (100, "f7", 20)


@pytest.mark.parametrize(("train", "test", "more"), [("data_batch_1", "test_batch", 0), ("train", "test", 1)])
def test_the_binary_version(tmp_path, train, test, more):
    rows = np.hstack([np.full((20, more), 9, np.uint8), np.array(TEN, np.uint8)[:, None], PIXELS])
    for name in (train, test):
        (tmp_path / f"{name}.bin").write_bytes(rows.tobytes())
    data = open_data(tmp_path)
    assert data.train.targets.tolist() == TEN
    assert (data.train.inputs == UPRIGHT).all()
    (tmp_path / f"{train}.bin").write_bytes(rows.tobytes()[:-1])
    assert "bytes are no whole number of items" in refused(tmp_path)


class Harm:
    def __reduce__(self):
        return (print, ("harm",))


HARM = {
    "a call": pickle.dumps({"labels": Harm(), "data": PIXELS}),
    "a name": pickle.dumps({"labels": struct.pack}),
    "an object": pickle.dumps(types.SimpleNamespace(a=1)),
    "objects in an array": pickle.dumps({"labels": TEN, "data": np.array([{}], object)}),
    "by protocol 0": b"cos\nsystem\n(S'true'\ntR.",
    "by protocol 0, built in": b"c__builtin__\neval\n(V1\ntR.",
    "other values": pickle.dumps({"labels": TEN, "data": np.zeros((2, 2))}),
    "an instance": b"(i__main__\nX\n.",
    "a persistent name": b"Px\n.",
}


@pytest.mark.parametrize("name", HARM)
def test_nothing_is_run(tmp_path, capsys, name):
    (tmp_path / "data_batch_1").write_bytes(HARM[name])
    text = refused(tmp_path)
    assert "which might run code when it is read; it is not opened. The set itself is built in: cifar10" in text
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "data", [b"", b"\x80\x04", pickle.dumps({"labels": TEN, "data": PIXELS})[:-50], b"(", b"h\x01."]
)
def test_a_damaged_batch(tmp_path, data):
    (tmp_path / "data_batch_1").write_bytes(data)
    assert "damaged or cut short" in refused(tmp_path)


def test_a_batch_of_something_else(tmp_path):
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps({"labels": [1, 2]}))
    assert "it is no batch of CIFAR" in refused(tmp_path)


def test_a_damaged_item_is_skipped_and_named_and_most_are_a_fault(tmp_path):
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for i in range(6):
            np.save(tmp_path / label / f"{i}.npy", np.random.default_rng(i).normal(size=(2, 40)).astype(np.float32))
    (tmp_path / "a" / "0.npy").write_bytes(b"no array")
    data = open_data(tmp_path)
    assert [name for name, _ in data.skipped] == [str(tmp_path / "a" / "0.npy")]
    assert len(data.train) + len(data.test) == 11
    for i in range(5):
        (tmp_path / "b" / f"{i}.npy").write_bytes(b"")
    with pytest.raises(DataError, match=r"b/4\.npy: damaged"):
        open_data(tmp_path)
