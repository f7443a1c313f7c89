"""Archives that unpack to more than they should, devices and pipes as files, names with line ends: one message each."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from striate.datasets import open_data, read_part
from striate.datasets.dataset import DataSet, Part
from striate.datasets.mask_recipe import MaskRecipe, OutlinedObject
from striate.datasets.sources import idx, npz
from striate.errors import DataError, Error, ModelError
from striate.files import read_json, read_regular
from striate.model.contract import Contract
from striate.model.header import read_header
from striate.model.opening import images_under
from striate.model.sources import network_input, source_items
from striate.model.words import words_of
from striate.net.weights import open_weights
from striate.run.splits import check_split, write_split
from striate.tasks import CLASSIFICATION


def test_a_gzip_that_unpacks_to_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(idx, "UNPACKED", 1 << 20)
    file = tmp_path / "train-images-idx3-ubyte.gz"
    file.write_bytes(gzip.compress(struct.pack(">IIII", 0x803, 3000, 100, 100) + bytes(30_000_000)))
    with pytest.raises(DataError, match=r"would unpack to 30,000,000 bytes, expected at most .*gunzip"):
        idx.read_idx(file, "images")


def test_a_gzip_of_more_than_its_header_says(tmp_path):
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    data = packer.compress(struct.pack(">IIII", 0x803, 1, 2, 2))
    data += b"".join(packer.compress(bytes(1 << 20)) for _ in range(100)) + packer.flush()  # 100 MB in 100 kB
    file = tmp_path / "train-images-idx3-ubyte.gz"
    file.write_bytes(data)
    with pytest.raises(DataError, match="too long: its header says 1 x 2 x 2 = 4 bytes"):
        idx.read_idx(file, "images")


def test_an_npz_that_unpacks_to_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(npz, "UNPACKED", 1 << 20)
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((40, 300, 300), np.uint8), y=np.arange(40) % 2)
    with pytest.raises(DataError, match=r"a.npz: x, y unpack to 3,600,\d+ bytes, expected at most .*not compressed"):
        npz.open_npz(tmp_path / "a.npz")


def test_what_is_not_used_of_an_npz_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(npz, "UNPACKED", 1 << 20)
    x, y = np.zeros((4, 8, 8), np.uint8), np.arange(4) % 2
    np.savez_compressed(tmp_path / "a.npz", x=x, y=y, other=np.zeros(1 << 21), thing=np.array([{}], dtype=object))
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("notes.txt", "none")
    assert len(npz.open_npz(tmp_path / "a.npz").train) == 4


DEVICES = ["zero", "pipe"]


@pytest.fixture
def device(tmp_path):
    def make(kind, suffix):
        path = tmp_path / f"train-images-idx3-ubyte{suffix}"
        if kind == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to("/dev/zero")
        return path

    return make


@pytest.mark.skipif(sys.platform == "win32", reason="no such files there")
@pytest.mark.parametrize("kind", DEVICES)
@pytest.mark.parametrize(
    ("suffix", "read"),
    [
        (".safetensors", read_header),
        (".safetensors", open_weights),
        (".pth", open_weights),
        (".npz", npz.open_npz),
        ("", lambda path: idx.read_idx(path, "images")),
        (".csv", open_data),
        (".npz", open_data),
        (".npy", lambda path: [network_input(item, VALUES) for item in source_items(str(path), VALUES)]),
    ],
)
def test_what_is_no_regular_file(device, kind, suffix, read):
    path = device(kind, suffix)
    with pytest.raises(Error) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_too_large_is_not_read(tmp_path):
    (tmp_path / "a").write_bytes(bytes(100))
    assert read_regular(tmp_path / "a", 100) == bytes(100)
    with pytest.raises(OSError, match="larger than 99 bytes"):
        read_regular(tmp_path / "a", 99)


def test_lists_in_lists_without_end(tmp_path):
    (tmp_path / "a.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        read_json(tmp_path / "a.json")


def test_labels_of_a_batch_that_are_no_numbers(tmp_path):
    good = {"data": np.zeros((4, 3072), np.uint8), "labels": [0, 1, 0, 1]}
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(good, 2))
    for labels in ([2**70, 0, 1, 1], ["a", 0, 1, 1], [None, 0, 1, 1]):
        (tmp_path / "test_batch").write_bytes(pickle.dumps(good | {"labels": labels}, 2))
        with pytest.raises(DataError, match="test_batch: its labels are no class numbers; copy it again"):
            open_data(tmp_path)


def test_folders_without_end(tmp_path):
    for i in range(1, 110):
        os.mkdir(f"{tmp_path}{'/d' * i}")
    with pytest.raises(DataError, match="more than 100 folders deep; move its images up"):
        images_under(tmp_path)


def test_a_ring_of_links_is_a_file_that_cannot_be_read(tmp_path, photos):
    root = photos(tmp_path / "photos", {"cat": 5, "dog": 5})
    (root / "cat" / "x.png").symlink_to("x.png")
    assert len(images_under(root)) == 11
    read = read_part(open_data(root).train, Contract(("cat", "dog"), (3, 8, 8), "RGB", (0.5,) * 3, (0.5,) * 3))
    assert [name.rpartition("/")[2] for name, _ in read.broken] in ([], ["x.png"])


def test_a_parquet_of_equal_rows(tmp_path):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    values = pa.DictionaryArray.from_arrays(pa.array(np.zeros(2_000_000, np.int8)), pa.array(["a"]))
    parquet.write_table(pa.table({"text": values, "label": values}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a.parquet: 4,000,000 cells of .* bytes, expected fewer .*save it as .csv"):
        open_data(tmp_path / "a.parquet")


def test_an_hdf5_of_an_array_that_is_not_there(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", (1 << 20, 64, 64), "u1", chunks=(1, 64, 64))
        file.create_dataset("y", data=[0, 1])
    with pytest.raises(DataError, match=r"a.h5: 4,294,967,312 bytes of arrays, expected at most 1,073,741,824"):
        open_data(tmp_path / "a.h5")


@pytest.mark.parametrize("size", [(-5, 5), (0, 5), (10**9, 10**9)])
def test_an_outline_in_an_absurd_image(size):
    with pytest.raises(DataError, match=r"a.json: says that an image has .* pixels; correct it"):
        MaskRecipe((Path("a.json"),), size=size).read()


def test_runs_of_an_outline_end_with_the_image():
    runs = OutlinedObject(value=3, runs=(1, 10**30, 5))
    assert MaskRecipe((Path("a.json"),), size=(2, 2), shapes=(runs,)).read().tolist() == [[0, 3], [3, 3]]


def test_a_word_without_end_is_cut():
    assert [len(word) for word in words_of("a" * 25_000 + " b")] == [10_000, 10_000, 5_000, 1]
    assert words_of("can't " * 5_000) == ["ca", "n't"] * 5_000


def test_a_damaged_split(tmp_path):
    part = Part(np.zeros((2, 2, 2), np.uint8), np.array([0, 1]), ("a", "b"))
    data = DataSet("a", CLASSIFICATION, ("x", "y"), "L", (1, 2, 2), part)
    for content in (b"a\nb\n", b"part,item,class\ntrain\n"):
        (tmp_path / "split.csv").write_bytes(content)
        with pytest.raises(Error, match=r"split.csv: is damaged; put it back, or train anew"):
            check_split(tmp_path, data, print)


VALUES = Contract(("a", "b"), (1, 4), "values", (0.0,), (1.0,))


def test_a_line_end_in_a_name_is_no_row(tmp_path):
    names = ("a\rb.png", "c\nd.png", "e\r\nf.png")
    part = Part(np.zeros((3, 2, 2), np.uint8), np.array([0, 1, 0]), names)
    data = DataSet("a", CLASSIFICATION, ("x", "y"), "L", (1, 2, 2), part)
    write_split(tmp_path, data)
    check_split(tmp_path, data, print)
    assert b"\r" not in (tmp_path / "split.csv").read_bytes()
    (tmp_path / "split.csv").write_bytes(b'part,item,class\ntrain,a\rb.png,x\ntrain,"c\nd.png",y\n')  # as before
    with pytest.raises(Error, match="1 new"):
        check_split(tmp_path, data, print)


@pytest.mark.parametrize("dtype", [["F32"], {"F32": 1}, None, 32, True])
def test_a_dtype_that_is_no_text(tmp_path, dtype):
    text = json.dumps({"__metadata__": {}, "a": {"dtype": dtype, "shape": [1], "data_offsets": [0, 4]}}).encode()
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(4))
    with pytest.raises(ModelError, match=r"the tensor 'a' has dtype .*; expected F32 or I64"):
        read_header(tmp_path / "a.safetensors")
    with pytest.raises(ModelError):
        open_weights(tmp_path / "a.safetensors")


@pytest.mark.parametrize("left", [0, 4, 96])
def test_a_storage_that_was_cut(tmp_path, left):
    torch.save({"a": torch.arange(25.0), "b": torch.ones(7)}, tmp_path / "a.pth")
    assert open_weights(tmp_path / "a.pth").read("a")[24] == 24
    with (
        zipfile.ZipFile(tmp_path / "a.pth") as whole,
        zipfile.ZipFile(tmp_path / "b.pth", "w", zipfile.ZIP_STORED) as cut,
    ):
        for member in whole.infolist():
            data = whole.read(member)
            cut.writestr(member.filename, data[:left] if member.filename.endswith("data/0") else data)
    with pytest.raises(ModelError, match=r"b\.pth: "):
        open_weights(tmp_path / "b.pth")
