"""Data sets to plant faults in: pictures that differ from each other, and folders of them."""

from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from striate.datasets import DataSet, Part


@cache
def _drawn(seed, size, coarse):
    rng = np.random.default_rng(seed)
    colours = Image.fromarray(rng.integers(0, 256, (coarse, coarse, 3), dtype=np.uint8))
    smooth = np.asarray(colours.resize(size, Image.Resampling.BICUBIC)).astype(int)
    return Image.fromarray((smooth + rng.integers(-12, 13, smooth.shape)).clip(0, 255).astype(np.uint8))


def picture(seed, size=(96, 72), coarse=9):
    """A picture like no other: random colours at coarse places, smooth between them, with some texture."""
    return _drawn(seed, size, coarse).copy()


def save(image, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **({"compress_level": 1} if path.suffix == ".png" else {}) | options)  # quickly
    return path


@cache
def _file(seed):
    """A picture as a PNG, drawn once: most tests begin with the same forty."""
    stream = BytesIO()
    picture(seed).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def class_folders(root, seed=0, n=12, **parts):
    """``train/`` and ``test/`` (or *parts*) with the class folders cat and dog, *n* pictures each, nothing wrong."""
    for part, classes in (parts or {"train": ("cat", "dog"), "test": ("cat", "dog")}).items():
        for label in classes:
            (root / part / label).mkdir(parents=True)
            for i in range(n):
                seed += 1
                (root / part / label / f"{i:02}.png").write_bytes(_file(seed))
    return root


def from_files(paths, targets, classes=("cat", "dog"), **more):
    """A data set of image files, all in the training part."""
    part = Part(tuple(map(Path, paths)), np.asarray(targets, np.int64), tuple(map(str, paths)))
    return DataSet("sick", "classification", classes, "RGB", (3, 72, 96), part, **more)


def labelled(targets, classes, inputs=None, task="classification", **more):
    """A data set of small grey arrays that differ."""
    targets = np.asarray(targets)
    if inputs is None:
        inputs = np.random.default_rng(0).integers(0, 256, (len(targets), 8, 8), dtype=np.uint8)
    part = Part(inputs, targets, tuple(f"item {i}" for i in range(len(targets))))
    mode = more.pop("mode", "L")
    return DataSet("sick", task, tuple(classes), mode, (1, 8, 8), part, **more)


def the(diagnosis, kind):
    """The one problem of a *kind*; all that there are, in the failure's message."""
    found = [problem for problem in diagnosis.problems if problem.kind == kind]
    assert len(found) == 1, [(problem.kind, problem.message) for problem in diagnosis.problems]
    return found[0]


def kinds(diagnosis):
    return {problem.kind for problem in diagnosis.problems}
