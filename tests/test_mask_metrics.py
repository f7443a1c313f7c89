"""Masks are measured as they are written: train's figures, evaluate and the files of predict say the same."""

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, f1_score, jaccard_score

import striate
from striate.model.contract import IGNORE

NET = "conv 8 3 padding=1; relu; conv 3 3 padding=1"
SIZES = ((40, 30), (33, 57), (64, 64), (25, 91))  # width, height


def scene(seed, size):
    """An image with a light disc and a dark square in it, and its mask."""
    rng, (w, h) = np.random.default_rng(seed), size
    y, x = np.mgrid[:h, :w]
    mask = np.zeros((h, w), np.uint8)
    mask[(x - w * rng.uniform(0.3, 0.7)) ** 2 + (y - h * rng.uniform(0.3, 0.7)) ** 2 < (min(w, h) / 4) ** 2] = 1
    left, top = rng.integers(0, w // 2), rng.integers(0, h // 2)
    mask[top : top + h // 4, left : left + w // 4] = 2
    image = np.choose(mask, [120, 230, 20]) + rng.normal(0, 12, (h, w))
    return image.clip(0, 255).astype(np.uint8), mask


@pytest.fixture
def folder(in_folder):
    """Images of several sizes with a mask each; some pixels have no class."""
    for n in range(28):
        split = ("train", "val", "test")[0 if n < 16 else 1 if n < 20 else 2]
        image, mask = scene(n, SIZES[n % 4])
        values = mask.copy()
        if n % 3:
            values[0, : n % 7] = 255
        for kind, pixels in (("images", image), ("masks", values)):
            (in_folder / "d" / split / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(in_folder / "d" / split / kind / f"{n}.png")
    return in_folder / "d"


def measured(folder):
    """The same figures from the files alone, by scikit-learn."""
    found = sorted((folder / "test" / "masks").iterdir())
    labels = np.concatenate([np.asarray(Image.open(path)).ravel() for path in found])
    wrote = np.concatenate([np.asarray(Image.open(f"out/{path.name}")).ravel() for path in found])
    known = (labels != 255) & (wrote != IGNORE)
    truth, said = labels[known], wrote[known]
    return {
        "mean_iou": jaccard_score(truth, said, average="macro"),
        "mean_dice": f1_score(truth, said, average="macro"),
        "pixel_accuracy": accuracy_score(truth, said),
        "pixels": int(known.sum()),
    }


@pytest.mark.parametrize("resize", ["stretch", "fit", "crop"])
def test_train_evaluate_and_the_written_masks_agree(folder, cli, resize):
    from striate.run import prepare

    run = prepare("d", NET, settings={"epochs": 6, "lr": 0.02}, input="1x24x24", resize=resize, out="run")
    list(run.events())
    result = run.finish()
    striate.predict("run", "d/test/images", out="out")
    for name, value in measured(folder).items():
        assert getattr(result.test, name) == pytest.approx(value, abs=1e-12)
    assert striate.evaluate("run", "d").as_dict() == result.test.as_dict()
    page = (folder.parent / "run" / "report.html").read_text()
    assert f"{result.test.mean_iou:.1%}".rstrip("%") in page.replace("\u2009", "").replace("&thinsp;", "")
    assert f"mean IoU {result.test.mean_iou:.2%}" in result.headline()


def test_masks_in_arrays_of_another_size_than_the_network(in_folder):
    pairs = [scene(n, (40, 30)) for n in range(30)]
    x, y = (np.stack(side) for side in zip(*pairs, strict=True))
    model = striate.train(NET, (x, y), epochs=4, lr=0.02, input="1x16x16", quiet=True)
    found = striate.evaluate(model, (x, y), split="all")
    assert found.pixels == x.size
    said = np.stack([answer.mask for answer in striate.predict(model, x)])
    assert found.mean_iou == pytest.approx(jaccard_score(y.ravel(), said.ravel(), average="macro"), abs=1e-12)


def test_what_a_crop_hides_is_not_measured(folder):
    model = striate.train(NET, "d", epochs=1, input="1x24x24", resize="crop", quiet=True)
    seen = sum(min(size) ** 2 for size in SIZES) * 2
    hidden = 0
    for path in (folder / "test" / "masks").iterdir():
        mask = np.asarray(Image.open(path))
        h, w = mask.shape
        side = min(h, w)
        top, left = (h - side) / 2, (w - side) / 2
        ys, xs = np.arange(h) + 0.5, np.arange(w) + 0.5
        inside = ((ys >= top) & (ys < top + side))[:, None] & ((xs >= left) & (xs < left + side))
        hidden += int((inside & (mask == 255)).sum())
        assert inside.sum() == side * side
    assert striate.evaluate(model, "d").pixels == seen - hidden


def test_a_mask_that_is_worse_when_it_is_small_is_not_flattered(in_folder):
    """A fine grid that no small mask can show: what is written is wrong, and so says the figure."""
    x = np.zeros((30, 40, 40), np.uint8)
    x[:, ::2] = 255
    x[:, :20, :20] = np.random.default_rng(0).integers(0, 2, (30, 20, 20)) * 255
    y = (x > 0).astype(np.uint8)
    model = striate.train("conv 2 1", (x, y), epochs=8, lr=0.1, input="1x8x8", quiet=True)
    found = striate.evaluate(model, (x, y), split="all")
    said = np.stack([answer.mask for answer in striate.predict(model, x)])
    assert found.mean_iou == pytest.approx(jaccard_score(y.ravel(), said.ravel(), average="macro"))
    assert found.mean_iou < 0.7
