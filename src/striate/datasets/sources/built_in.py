"""The data sets that have names of their own: what comes before the colon in ``shapes:segmentation``.

The well-known ones are fetched once from where their publishers (or a large mirror) keep them. Sizes and SHA-256
checksums are those that TensorFlow Datasets lists (``url_checksums``); they agree with the MD5 checksums of the
publishers and of torchvision. The digits are embedded (see DIGITS.md beside this file).
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np

from striate.datasets.dataset import DataSet
from striate.datasets.shapes import shapes_named
from striate.datasets.sources.idx import labelled_images, read_idx
from striate.datasets.split import stratified
from striate.errors import DataError
from striate.fetching import Fetching, RemoteFile, fetched

_HERE = Path(__file__).parent
_TEST_SEED = 0  # a constant: the test split must be the same for every seed and every version
_IDX = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}


def _files(table: str) -> tuple[RemoteFile, ...]:
    """Of each file the name, the bytes, the MD5 of what is packed in it (``-``: none is published), and the SHA-256."""
    rows = zip(*(table.split()[i::4] for i in range(4)), strict=True)
    return tuple(RemoteFile(name, int(size), sha256, md5.replace("-", "")) for name, size, md5, sha256 in rows)


# LeCun, Cortes, Burges: the MNIST database of handwritten digits
MNIST = _files("""
    train-images-idx3-ubyte.gz 9912422 6bbc9ace898e44ae57da46a324031adb
        440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609
    train-labels-idx1-ubyte.gz 28881 a25bea736e30d166cdddb491f175f624
        3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c
    t10k-images-idx3-ubyte.gz 1648877 2646ac647ad5339dbf082846283269ea
        8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6
    t10k-labels-idx1-ubyte.gz 4542 27ae3e4e09519cfbb04c329615203637
        f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6
""")
# Xiao, Rasul, Vollgraf 2017, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms"
FASHION_MNIST = _files("""
    train-images-idx3-ubyte.gz 26421880 f4a8712d7a061bf5bd6d2ca38dc4d50a
        3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84
    train-labels-idx1-ubyte.gz 29515 9018921c3c673c538a1fc5bad174d6f9
        a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845
    t10k-images-idx3-ubyte.gz 4422102 8181f5470baa50b63fa0f6fddb340f0a
        346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073
    t10k-labels-idx1-ubyte.gz 5148 15d484375f8d13e6eb1aabb0c3f46965
        67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5
""")
# Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images"; the binary version
CIFAR10 = _files("""
    cifar-10-binary.tar.gz 170052171 -
        c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd
""")
MIRRORS = {
    "mnist": ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
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


def open_digits() -> DataSet:
    """The UCI optical digits: 1,437 to learn from, 360 to test on, 8x8 grey pixels, the same for ever.

    The stored pixels count 0 to 16 and are scaled to 0 to 255. ``"digits train 7"`` is the eighth image of
    the training split.
    """
    counts = read_idx(_HERE / "digits-images.idx3-ubyte.gz", "images")
    labels = read_idx(_HERE / "digits-labels.idx1-ubyte.gz", "labels")
    images = np.rint(counts * (255 / 16)).astype(np.uint8)
    splits = zip(("train", "test"), stratified(labels.astype(np.int64), 0.2, _TEST_SEED), strict=True)
    return _data_set("digits", tuple("0123456789"), {name: (images[i], labels[i]) for name, i in splits})


def open_mnist(progress: Fetching | None = None) -> DataSet:
    """MNIST: 60,000 + 10,000 handwritten digits, grey, 28x28 (LeCun, Cortes and Burges)."""
    return _idx("mnist", MNIST, tuple("0123456789"), progress)


def open_fashion_mnist(progress: Fetching | None = None) -> DataSet:
    """Fashion-MNIST: 60,000 + 10,000 pieces of clothing, grey, 28x28 (Xiao, Rasul and Vollgraf 2017)."""
    return _idx("fashion-mnist", FASHION_MNIST, tuple(_CLOTHES.split(",")), progress)


def open_cifar10(progress: Fetching | None = None) -> DataSet:
    """CIFAR-10: 50,000 + 10,000 small photographs of ten kinds, colour, 32x32 (Krizhevsky 2009)."""
    path = fetched("cifar10", CIFAR10, MIRRORS["cifar10"], progress)[CIFAR10[0].name]
    members = _members(path, {_NAMES: None, **{name: _RECORD * _IN_BATCH for of in _BATCHES.values() for name in of}})
    splits = {}
    for split, batches in _BATCHES.items():
        records = np.concatenate([np.frombuffer(members[name], np.uint8).reshape(-1, _RECORD) for name in batches])
        images = np.ascontiguousarray(records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        splits[split] = images, records[:, 0]
    return _data_set("cifar10", tuple(members[_NAMES].decode().split()), splits)


def _idx(name: str, files: tuple[RemoteFile, ...], classes: tuple[str, ...], progress: Fetching | None) -> DataSet:
    paths = fetched(name, files, MIRRORS[name], progress)
    splits = {
        split: (read_idx(paths[images], "images"), read_idx(paths[labels], "labels"))
        for split, (images, labels) in _IDX.items()
    }
    return _data_set(name, classes, splits)


def _data_set(name: str, classes: tuple[str, ...], splits: dict[str, tuple[np.ndarray, np.ndarray]]) -> DataSet:
    """Of images ``(N, H, W)`` or ``(N, H, W, 3)`` and their labels by split."""
    for images, labels in splits.values():
        assert len(images) == len(labels), name  # held by the checksums
        assert labels.max() < len(classes), name
    named = {split: (*arrays, f"{name} {split}") for split, arrays in splits.items()}
    return labelled_images(name, classes, named, why="built in")


def _members(path: Path, members: dict[str, int | None]) -> dict[str, bytes]:
    """The content of the *members* of a tar file, each of the size that is said; nothing is written anywhere."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                name = Path(member.name).name
                size = members.get(name, 0)
                if member.isfile() and name in members and member.size == (member.size if size is None else size):
                    found[name] = _read(tar.extractfile(member))
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise DataError(f"{path}: it cannot be read ({error}); remove it, and it will be fetched again") from None
    for name in members.keys() - found.keys():
        raise DataError(f"{path}: {name} is not in it, or has another size; remove it, and it will be fetched again")
    return found


def _read(stream: IO[bytes] | None) -> bytes:
    assert stream is not None  # None is for folders and links
    return stream.read()


EMBEDDED: dict[str, Callable[[], DataSet]] = {"digits": open_digits, "shapes": shapes_named}
FETCHED: dict[str, Callable[[Fetching | None], DataSet]] = {
    "mnist": open_mnist,
    "fashion-mnist": open_fashion_mnist,
    "cifar10": open_cifar10,
}
BUILT_IN = (*EMBEDDED, *FETCHED)


def open_built_in(text: str, progress: Fetching | None = None) -> DataSet | None:
    """The data set that *text* names, with its options after a colon; None where it names none.

    Args:
        text: ``"digits"``, ``"shapes:grey,size=64"``, ``"mnist"``, ...
        progress: Called with the bytes of a file, done and in all, where one has to be fetched.

    Raises:
        DataError: There are no such options, or they are out of range; what was to be fetched cannot be.

    >>> open_built_in("digits").name, open_built_in("somewhere/digits")
    ('digits', None)
    """
    name, colon, options = text.partition(":")
    if name == "shapes":
        return shapes_named(options)
    if name in BUILT_IN and colon:
        raise DataError(f"{text}: {name} takes no options; write {name}")
    return FETCHED[name](progress) if name in FETCHED else EMBEDDED[name]() if name in EMBEDDED else None
