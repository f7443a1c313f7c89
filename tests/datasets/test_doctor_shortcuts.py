"""Shortcuts planted in folders and arrays: the class follows a property of the file or of the whole image."""

import numpy as np
import pytest
from PIL import Image
from sklearn.model_selection import cross_val_score
from sklearn.tree import DecisionTreeClassifier

from sick_data import kinds, labelled, picture, save, the
from striate.datasets.doctor import doctor
from striate.datasets.doctor.shortcuts import probe

N = 30  # images of a class
SIDE = 28


def _set(root, change, classes=("cat", "dog"), share=1.0, suffix="png"):
    """Class folders: *change* makes of the picture number i of a class ``(image, options of saving)``.

    A *share* of the images is changed as its class is, the others as any.
    """
    rng = np.random.default_rng(0)
    for k, name in enumerate(classes):
        for i in range(N):
            image = picture(1000 * k + i, (SIDE, SIDE), coarse=5)
            kind = k if rng.random() < share else int(rng.integers(len(classes)))
            image, options = change(image, kind, rng)
            save(image, root / "train" / name / f"{i:02}.{options.pop('suffix', suffix)}", **options)
            save(picture(9000 + 1000 * k + i, (SIDE, SIDE), coarse=5), root / "test" / name / f"{i:02}.png")
    return root


def _format(image, kind, rng):
    return image, {"suffix": ("png", "jpg", "bmp", "webp")[kind]}


def _resolution(image, kind, rng):
    side = int(rng.integers(20, 26)) + 12 * kind
    return image.resize((side, side)), {}


def _aspect(image, kind, rng):
    return image.resize((28 - 3 * kind, 28 + 3 * kind)), {}


def _camera(image, kind, rng):
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = (("Canon", "EOS 5D"), ("NIKON", "D90"), ("Apple", "iPhone 7"), ("", ""))[kind]
    return image, {"exif": exif, "suffix": "jpg"}


def _file_size(image, kind, rng):
    return image, {"suffix": "jpg", "quality": 40 + 50 * kind}


def _border(image, kind, rng):
    pixels = np.asarray(image).copy()
    if kind:
        pixels[:2] = pixels[-2:] = pixels[:, :2] = pixels[:, -2:] = rng.integers(0, 256)
    return Image.fromarray(pixels), {}


def _letterbox(image, kind, rng):
    pixels = np.asarray(image).copy()
    pixels[: 4 * kind] = pixels[len(pixels) - 4 * kind :] = 0
    return Image.fromarray(pixels), {}


def _brightness(image, kind, rng):
    return image.point(lambda value: value // 2 + 90 * kind), {}


def _saturation(image, kind, rng):
    grey = np.asarray(image.convert("L"), float)[..., None]
    return Image.fromarray((grey + (0.25 + 0.75 * kind) * (np.asarray(image) - grey)).clip(0, 255).astype(np.uint8)), {}


def _grey(image, kind, rng):
    return (image.convert("L").convert("RGB") if kind else image), {}


PLANTED = {
    "the file format": _format, "the resolution": _resolution, "the aspect ratio": _aspect, "the camera": _camera,
    "the file size": _file_size, "the border": _border, "the mean brightness": _brightness,
    "the saturation": _saturation, "whether it is grey": _grey,
}  # fmt: skip


@pytest.mark.parametrize(
    "classes",
    [("cat", "dog"), *(pytest.param(c, marks=pytest.mark.slow) for c in (("benign", "malignant"), ("ok", "defect")))],
)
@pytest.mark.parametrize("feature", PLANTED)
def test_a_planted_shortcut_is_named(tmp_path, feature, classes):
    problem = the(doctor(_set(tmp_path, PLANTED[feature], classes)), "shortcut")
    assert problem.severity == "warning"
    assert feature in problem.message
    assert "right by it alone" in problem.message
    assert "50% by chance" in problem.message
    assert "learn this in the place of the content" in problem.fix


@pytest.mark.parametrize("feature", ["the file format", "the resolution", "the camera", "the aspect ratio"])
@pytest.mark.parametrize("share", [0.8, pytest.param(0.9, marks=pytest.mark.slow)])
def test_a_shortcut_of_files_that_not_all_follow(tmp_path, feature, share):
    assert feature in the(doctor(_set(tmp_path, PLANTED[feature], share=share)), "shortcut").message


@pytest.mark.parametrize("feature", ["the file format", "the resolution", "the camera", "the mean brightness"])
def test_a_shortcut_of_three_classes(tmp_path, feature):
    problem = the(doctor(_set(tmp_path, PLANTED[feature], ("a", "b", "c"))), "shortcut")
    assert feature in problem.message
    assert "33% by chance" in problem.message


def test_bars_above_and_below(tmp_path):
    assert "border" in the(doctor(_set(tmp_path, _letterbox)), "shortcut").message


def test_one_of_several_labels(tmp_path):
    rng = np.random.default_rng(0)
    images = np.stack([np.asarray(picture(i, (16, 16), coarse=5).convert("L")) for i in range(80)]) // 2
    labels = rng.integers(0, 2, (80, 3)).astype(np.uint8)
    images[labels[:, 1] == 1] += 100
    data = labelled(labels, ("car", "sun", "tree"), images, task="multilabel")
    assert "tells whether it is 'sun'" in the(doctor(data), "shortcut").message


@pytest.mark.parametrize("seed", [0, 1, 2, 3, *(pytest.param(s, marks=pytest.mark.slow) for s in range(4, 20))])
def test_clean_sets_raise_none(seed):
    """Random images and labels, of 2 to 6 classes; sizes that change what chance can do."""
    rng = np.random.default_rng(seed)
    n, k = int(rng.choice([24, 40, 90, 300])), int(rng.integers(2, 7))
    images = rng.integers(0, 256, (n, 12, 12, 3), dtype=np.uint8) // rng.integers(1, 4, (n, 1, 1, 1), dtype=np.uint8)
    images[: n // 3, 0] = images[: n // 3, -1] = 7  # a border that says nothing
    order = rng.permutation(n)
    data = labelled(np.arange(n) % k, [f"class {i}" for i in range(k)], images[order], mode="RGB")
    assert "shortcut" not in kinds(doctor(data))


def test_clean_files_raise_none(tmp_path):
    """Formats, cameras and sizes are mixed in both classes."""

    def mixed(image, kind, rng):
        one = int(rng.integers(3))
        change = (_format, _resolution, _camera)[one]
        return change(image, int(rng.integers(2)), rng)

    assert "shortcut" not in kinds(doctor(_set(tmp_path, mixed)))


def test_what_content_brings_about_is_none():
    assert "shortcut" not in kinds(doctor("digits"))  # a 1 has less ink than an 8


# ---------------------------------------------------------------------------------------------- the probe
def test_the_probe_is_as_good_as_a_tree_of_scikit_learn():
    rng = np.random.default_rng(0)
    for distance in (0.5, 1, 2):
        labels = rng.integers(0, 3, 900)
        values = labels * distance + rng.normal(size=900)
        tree = DecisionTreeClassifier(max_leaf_nodes=16, min_samples_leaf=20, class_weight="balanced")
        expected = cross_val_score(tree, values[:, None], labels, cv=5, scoring="balanced_accuracy").mean()
        assert abs(probe(values, labels).accuracy - expected) < 0.04


def test_a_class_between_two_others_is_told_too():
    values = np.arange(120.0) % 60
    assert probe(values, ((values > 20) & (values < 40)).astype(int)).accuracy > 0.9


def test_texts_are_told_apart_and_noise_is_at_chance():
    labels = np.arange(200) % 4
    assert probe(np.array(["w", "x", "y", "z"])[labels], labels).accuracy == 1
    noise = [probe(np.random.default_rng(seed).normal(size=200), labels) for seed in range(40)]
    assert noise[0].chance == 0.25
    assert abs(np.mean([one.accuracy for one in noise]) - 0.25) < 0.02
    assert max(one.z for one in noise) < 3.4


def test_the_interval_is_near_that_of_a_normal_approximation():
    labels = np.arange(1000) % 2
    values = np.where(np.random.default_rng(0).random(1000) < 0.8, labels, 1 - labels)
    found = probe(values, labels)
    half = 1.96 * np.sqrt(found.accuracy * (1 - found.accuracy) / 1000)
    assert found.interval == pytest.approx((found.accuracy - half, found.accuracy + half), abs=0.003)
