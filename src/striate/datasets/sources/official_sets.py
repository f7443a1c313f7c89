"""The well-known data sets, fetched once from where their publishers (or a large mirror) keep them.

Sizes and SHA-256 checksums are those that TensorFlow Datasets lists (``url_checksums``); they agree with the MD5
checksums of the publishers and of torchvision.
"""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from striate.datasets.dataset import DataSet, Part
from striate.datasets.sources.fetch import File, Progress, fetched
from striate.datasets.sources.idx import read_idx
from striate.errors import DataError

_IDX = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}

# LeCun, Cortes, Burges: the MNIST database of handwritten digits
MNIST = (
    File(
        "train-images-idx3-ubyte.gz",
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "6bbc9ace898e44ae57da46a324031adb",
    ),
    File(
        "train-labels-idx1-ubyte.gz",
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "a25bea736e30d166cdddb491f175f624",
    ),
    File(
        "t10k-images-idx3-ubyte.gz",
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "2646ac647ad5339dbf082846283269ea",
    ),
    File(
        "t10k-labels-idx1-ubyte.gz",
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "27ae3e4e09519cfbb04c329615203637",
    ),
)
# Xiao, Rasul, Vollgraf 2017, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms"
FASHION_MNIST = (
    File(
        "train-images-idx3-ubyte.gz",
        26_421_880,
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    ),
    File(
        "train-labels-idx1-ubyte.gz",
        29_515,
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "9018921c3c673c538a1fc5bad174d6f9",
    ),
    File(
        "t10k-images-idx3-ubyte.gz",
        4_422_102,
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "8181f5470baa50b63fa0f6fddb340f0a",
    ),
    File(
        "t10k-labels-idx1-ubyte.gz",
        5_148,
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        "15d484375f8d13e6eb1aabb0c3f46965",
    ),
)
# Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images"; the binary version
CIFAR10 = (
    File(
        "cifar-10-binary.tar.gz",
        170_052_171,
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    ),
)
MIRRORS = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    "fashion-mnist": (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
    "cifar10": ("https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/"),
}
_CLOTHES = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot"
_BATCHES = {"train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test": ("test_batch.bin",)}
_RECORD = 1 + 3 * 32 * 32  # a label, then a plane of each colour
_IN_BATCH = 10_000  # records
_NAMES = "batches.meta.txt"


def open_mnist(progress: Progress | None = None) -> DataSet:
    """MNIST: 60,000 + 10,000 handwritten digits, grey, 28x28 (LeCun, Cortes and Burges)."""
    return _idx("mnist", MNIST, tuple("0123456789"), progress)


def open_fashion_mnist(progress: Progress | None = None) -> DataSet:
    """Fashion-MNIST: 60,000 + 10,000 pieces of clothing, grey, 28x28 (Xiao, Rasul and Vollgraf 2017)."""
    return _idx("fashion-mnist", FASHION_MNIST, tuple(_CLOTHES.split(",")), progress)


def open_cifar10(progress: Progress | None = None) -> DataSet:
    """CIFAR-10: 50,000 + 10,000 small photographs of ten kinds, colour, 32x32 (Krizhevsky 2009)."""
    path = fetched("cifar10", CIFAR10, MIRRORS["cifar10"], progress)[CIFAR10[0].name]
    members = _members(
        path, {_NAMES: None, **{name: _RECORD * _IN_BATCH for part in _BATCHES.values() for name in part}}
    )
    classes = tuple(members[_NAMES].decode().split())
    parts = {}
    for part, batches in _BATCHES.items():
        records = [np.frombuffer(members[name], np.uint8).reshape(-1, _RECORD) for name in batches]
        images = np.concatenate([some[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1) for some in records])
        labels = np.concatenate([some[:, 0] for some in records])
        parts[part] = _part("cifar10", part, np.ascontiguousarray(images), labels, len(classes))
    return DataSet("cifar10", "classification", classes, "RGB", (3, 32, 32), **parts, why="built in")


def _idx(name: str, files: tuple[File, ...], classes: tuple[str, ...], progress: Progress | None) -> DataSet:
    paths = fetched(name, files, MIRRORS[name], progress)
    parts = {}
    for part, (images, labels) in _IDX.items():
        pixels, targets = read_idx(paths[images], "images"), read_idx(paths[labels], "labels")
        parts[part] = _part(name, part, pixels, targets, len(classes))
    return DataSet(name, "classification", classes, "L", (1, *pixels.shape[1:]), **parts, why="built in")


def _part(name: str, part: str, images: np.ndarray, labels: np.ndarray, classes: int) -> Part:
    assert len(images) == len(labels), name  # held by the checksums
    assert labels.max() < classes, name
    return Part(images, labels.astype(np.int64), tuple(f"{name} {part} {i}" for i in range(len(images))))


def _members(path: Path, wanted: dict[str, int | None]) -> dict[str, bytes]:
    """The content of the *wanted* members of a tar file, each of the size that is said; nothing is written anywhere."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                name = Path(member.name).name
                size = wanted.get(name, 0)
                if member.isfile() and name in wanted and member.size == (member.size if size is None else size):
                    found[name] = _read(tar.extractfile(member))
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise DataError(f"{path}: it cannot be read ({error}); remove it, and it will be fetched again") from None
    for name in wanted.keys() - found.keys():
        raise DataError(f"{path}: {name} is not in it, or has another size; remove it, and it will be fetched again")
    return found


def _read(stream: IO[bytes] | None) -> bytes:
    assert stream is not None  # None is for folders and links
    return stream.read()
