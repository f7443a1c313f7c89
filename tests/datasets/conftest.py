"""What the tests of data share: makers of small files."""

import gzip
import struct

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def picture():
    """``picture(path, value=0, size=(8, 6), mode="RGB")`` writes a flat image, its folders too."""

    def write(path, value=0, size=(8, 6), mode="RGB"):
        path.parent.mkdir(parents=True, exist_ok=True)
        colour = value if mode == "L" else (value,) * 3
        Image.new(mode, size, colour).save(path)
        return path

    return write


@pytest.fixture
def mask():
    """``mask(path, rows, mode="L")`` writes a mask of those values (in mode RGB: of 0xRRGGBB), its folders too."""

    def write(path, rows, mode="L"):
        path.parent.mkdir(parents=True, exist_ok=True)
        values = np.array(rows)
        if mode == "RGB":
            values = np.stack([values >> 16, values >> 8, values], axis=-1) & 255
        Image.fromarray(values.astype(np.uint8)).save(path)
        return path

    return write


@pytest.fixture
def table(tmp_path, picture):
    """``table(text, name="pets.csv", files=())`` writes a table, and pictures of these names beside it."""

    def write(text, name="pets.csv", files=()):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        for i, file in enumerate(files):
            picture(path.parent / file, value=i)
        return path

    return write


@pytest.fixture
def class_folders(picture):
    """``class_folders(root, cat=3, dog=2)`` writes that many images into each class folder."""

    def write(root, **counts):
        for name, n in counts.items():
            (root / name).mkdir(parents=True, exist_ok=True)
            for i in range(n):
                picture(root / name / f"{i}.png", value=i)
        return root

    return write


@pytest.fixture
def idx_bytes():
    """``idx_bytes(array)``: the content of an IDX file."""

    def pack(array):
        header = struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape)
        return header + array.astype(np.uint8).tobytes()

    return pack


@pytest.fixture
def idx_folder(idx_bytes):
    """``idx_folder(root, train=labels, t10k=labels)`` writes images of 2x3, the i-th full of i, gzipped."""

    def write(root, **parts):
        root.mkdir(exist_ok=True)
        for part, labels in parts.items():
            images = np.broadcast_to(np.arange(len(labels))[:, None, None], (len(labels), 2, 3))
            (root / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(images)))
            (root / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(np.array(labels))))
        return root

    return write
