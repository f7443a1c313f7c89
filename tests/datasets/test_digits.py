import hashlib

import numpy as np

from striate.datasets.sources.built_in import open_digits


def test_it_is_scikit_learns():
    """Another witness for the pixels: the same data from scikit-learn."""
    from sklearn.datasets import load_digits

    theirs = load_digits()
    data = open_digits()
    ours = np.concatenate([data.train.inputs, data.test.inputs])
    targets = np.concatenate([data.train.targets, data.test.targets])
    scaled = np.rint(theirs.images / 16 * 255).astype(np.uint8)
    assert _rows(ours, targets) == _rows(scaled, theirs.target)


def _rows(images, targets):
    return sorted((target, image.tobytes()) for image, target in zip(images, targets.tolist(), strict=True))


def test_the_split_is_fixed_for_ever():
    test = open_digits().test
    digest = hashlib.sha256(test.inputs.tobytes() + test.targets.astype("<i8").tobytes()).hexdigest()
    assert digest == "ebe33730a21e3a51d2d52f870d26a7f016f4d7aa437d526ba76baf170e5b10a1"


def test_sizes_names_and_classes():
    data = open_digits()
    assert (data.name, data.mode, data.input, data.val) == ("digits", "L", (1, 8, 8), None)
    assert data.classes == tuple("0123456789")
    assert (len(data.train), len(data.test)) == (1437, 360)
    assert data.test.names[12] == "digits test 12"
    assert np.bincount(data.test.targets).tolist() == [36, 37, 35, 37, 36, 36, 36, 36, 35, 36]
    assert (data.train.inputs.min(), data.train.inputs.max()) == (0, 255)
    assert data.train.inputs.dtype == np.uint8
    assert data.train.targets.dtype == np.int64


def test_no_image_is_in_both_parts():
    data = open_digits()
    train = {image.tobytes() for image in data.train.inputs}
    assert not [i for i, image in enumerate(data.test.inputs) if image.tobytes() in train]
