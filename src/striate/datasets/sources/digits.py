"""The built-in data set: 1,797 real handwritten digits of 8x8 grey pixels (see DIGITS.md beside this file)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from striate.datasets.dataset import DataSet, Part
from striate.datasets.sources.idx import read_idx
from striate.datasets.split import stratified

_HERE = Path(__file__).parent
_TEST_SEED = 0  # a constant: the test part must be the same for every seed and every version


def open_digits() -> DataSet:
    """The UCI optical digits: 1,437 to learn from, 360 to test on, the same for ever.

    The stored pixels count 0 to 16 and are scaled to 0 to 255. ``"digits train 7"`` is the eighth image of
    the training part.
    """
    counts = read_idx(_HERE / "digits-images.idx3-ubyte.gz", "images")
    targets = read_idx(_HERE / "digits-labels.idx1-ubyte.gz", "labels").astype(np.int64)
    images = np.rint(counts * (255 / 16)).astype(np.uint8)
    parts = {}
    for name, indices in zip(("train", "test"), stratified(targets, 0.2, _TEST_SEED), strict=True):
        names = tuple(f"digits {name} {i}" for i in range(len(indices)))
        parts[name] = Part(images[indices], targets[indices], names)
    return DataSet("digits", "classification", tuple("0123456789"), "L", (1, 8, 8), **parts, why="built in")
