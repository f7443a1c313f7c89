"""Archives that unpack to more than they should, devices and pipes as files, names with line ends: one message each."""

from __future__ import annotations

import gzip
import json
import os
import struct
import sys
import zipfile
import zlib

import numpy as np
import pytest
import torch

from striate.datasets import open_data
from striate.datasets.dataset import DataSet, Part
from striate.datasets.sources import idx, npz
from striate.errors import DataError, Error, ModelError
from striate.model.contract import Contract
from striate.model.header import read_header
from striate.model.sources import network_input, source_items
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
    np.savez_compressed(tmp_path / "a.npz", x=x, y=y, other=np.zeros(1 << 25), thing=np.array([{}], dtype=object))
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
