"""What beginners do wrong: each time one clear message with the way out, the right code, and no traceback."""

import gzip
import zipfile

import numpy as np
import pytest
from PIL import Image

MODEL = "MODEL"


@pytest.fixture
def desk(in_folder, digit, trained):
    """A current directory as a beginner's: a photo, an archive, a text, folders in several states of disorder."""
    image = Image.open(digit)
    image.save("seven.png")
    with zipfile.ZipFile("photos.zip", "w") as file:
        file.write("seven.png")
    (in_folder / "notes.txt").write_text("hello")
    (in_folder / "weights.pth").write_bytes((in_folder / "photos.zip").read_bytes())
    for name in ("empty", "hollow/cat", "hollow/dog", "single/cat", "few/cat", "few/dog", "flat", "gap/cat", "gap/dog"):
        (in_folder / name).mkdir(parents=True)
    for path in ("single/cat/1", "few/cat/1", "few/dog/1", "flat/1", "flat/2", "gap/cat/1", "gap/cat/2"):
        image.save(f"{path}.png")
    for name in ("cat", "dog"):
        (in_folder / "broken" / name).mkdir(parents=True)
        for i in range(4):
            (in_folder / "broken" / name / f"{i}.png").write_bytes(b"no image")
    for part in ("train", "test"):
        (in_folder / "sets" / part / "cat").mkdir(parents=True)
        (in_folder / "sets" / part / ("dog" if part == "train" else "dogs")).mkdir()
        for i in range(3):
            for folder in (in_folder / "sets" / part).iterdir():
                image.putpixel((0, 0), i)  # copies would all go to one side of a split
                image.save(folder / f"{i}.png")
    return in_folder


LAYOUT = "FOLDER/CLASS/IMAGE"
MISTAKES = {
    # the wrong thing for DATA
    "an archive": (["train", "photos.zip"], 3, ["photos.zip: 1 image directly in it", LAYOUT]),
    "one image": (["train", "seven.png"], 3, ["seven.png: a single image is not a data set"]),
    "no data at all": (["train"], 2, ["Missing argument 'DATA'", "striate train --help"]),
    "a path of Windows": (["train", "C:\\Users\\me\\photos"], 3, ["C:\\Users\\me\\photos: file not found"]),
    "an empty folder": (["train", "empty"], 3, ["empty: no images in it", LAYOUT]),
    "images without classes": (["train", "flat"], 3, ["flat: 2 images directly in it", LAYOUT]),
    "empty classes": (["train", "hollow"], 3, ["hollow: no images in it", LAYOUT]),
    "one class": (["train", "single"], 3, ["single: only one class folder, 'cat'; learning needs two"]),
    "an empty class": (["train", "gap"], 3, ["gap: no images in the class folder(s) 'dog'; fill or remove them"]),
    "one image a class": (["train", "few"], 3, ["few: too few distinct items", "each class needs 2 or more"]),
    "no image opens": (["train", "broken"], 3, ["broken: none of a sample of 8 images can be read; the first: "]),
    "other classes in test": (["train", "sets"], 3, ["class folder(s) that the training split lacks: 'dogs'"]),
    "a model for data": (["train", MODEL], 3, ["not a format of data sets; give a built-in name"]),
    "data of another task": (
        ["evaluate", MODEL, "shapes:segmentation,n=8,test=8"],
        3,
        ["targets are for segmentation", "; the model is for classification, use data of that task"],
    ),
    "an argument for a verb that takes none": (["zoo", "resnet18"], 2, ["argument(s) (resnet18); it takes none"]),
    # the wrong net
    "a net not in the zoo": (
        ["train", "digits", "--net", "my-lenet5"], 2, ["unknown network 'my-lenet5'", "'lenet5'"],
    ),
    "a net without an end": (["train", "digits", "--net", "conv 6 5"], 2, ["end the network with: flatten; linear 10"]),
    "a net for other classes": (
        ["train", "digits", "--net", "flatten; linear 2"], 2, ["output 2 does not match the 10 classes of digits"],
    ),
    "no flatten": (
        ["train", "digits", "--net", "conv 6 5; linear 10"], 1, ["linear1: needs a flat", "put flatten before"],
    ),
    "a kernel too large": (["train", "digits", "--net", "conv 6 9; flatten; linear 10"], 1, ["does not fit its 8x8"]),
    "torch's words": (
        ["check", "Conv2d(1, 6, 5)", "-i", "1x8x8"], 2, ["this is Python; in the notation it is: conv 6 5"],
    ),
    "no kernel": (["check", "conv 6", "-i", "1x8x8"], 2, ["conv needs out and kernel: 'conv OUT KERNEL"]),
    "no quotes": (["check", "conv", "6", "5"], 2, ["extra argument(s) (6 5); what has spaces in it goes in quotes"]),
    "no quotes, and no --net": (
        ["train", "digits", "conv", "6"], 2, ["(conv 6); a network is given with --net, what has spaces in it goes in"],
    ),
    "no verb": (["digits"], 2, ["No such command 'digits'. Begin with a verb, such as: striate train digits"]),
    "no input": (["check", "conv 6 5"], 2, ["no input size given", "--input 1x28x28"]),
    "an input in words": (["check", "conv 6 5", "-i", "big"], 2, ["'big' is not a size", "such as 3x224x224"]),
    "an input without channels": (
        ["check", "lenet5", "--input", "28x28"], 2, ["this network takes 3 numbers, such as 1x32x32 (channels first)"],
    ),
    # the wrong number
    "no epochs": (["train", "digits", "--epochs", "0"], 2, ["epochs must be a whole number of at least 1, got 0"]),
    "epochs in words": (["train", "digits", "--epochs", "many"], 2, ["'--epochs'", "not a whole number"]),
    "a negative rate": (["train", "digits", "--lr", "-1"], 2, ["lr must be a finite number above 0, got -1"]),
    "a seed too large": (["train", "digits", "--seed", str(10**20)], 2, ["seed must be below 2**32"]),
    "nesterov without momentum": (
        ["train", "digits", "--optimiser", "nesterov", "--momentum", "0"], 2, ["momentum must be above 0 for nesterov"],
    ),
    "no such device": (
        ["train", "digits", "--device", "gpu"], 2, ["device 'gpu' is not available", "use cpu or auto"],
    ),
    "a GPU by its number that is not there": (
        ["train", "digits", "device=99"], 2, ["device '99' is not available", "use cpu or auto"],
    ),
    "nothing to resume": (["train", "digits", "--resume"], 4, ["no run of digits to resume; omit --resume"]),
    "out in use": (["train", "digits", "--out", "flat"], 2, ["flat: is not empty; use another --out"]),
    "out under a file": (
        ["train", "digits", "--out", "notes.txt/run"], 2, ["notes.txt/run: cannot be created (Not a dir"],
    ),
    # the wrong model
    "the words swapped": (["evaluate", "digits", MODEL], 4, ["digits: file not found; a trained model is"]),
    "image and model swapped": (["predict", "seven.png", MODEL], 4, ["this is a PNG image, not a striate model"]),
    "no model": (["predict", "seven.png"], 2, ["Missing argument 'FILE'"]),
    "no file": (["predict", MODEL], 2, ["Missing argument 'FILE'"]),
    "a folder": (["predict", "flat", "seven.png"], 4, ["flat: this folder contains no model.safetensors; name"]),
    "a file of PyTorch": (["predict", "weights.pth", "seven.png"], 4, ["a zip archive, such as a PyTorch .pth"]),
    "the net's text for a model": (["evaluate", "lenet5", "digits"], 4, ["lenet5 is an untrained network; expected"]),
    "a text for an image": (["predict", MODEL, "notes.txt"], 3, ["notes.txt: not an image that can be read (PNG,"]),
    "an image that is not there": (["predict", MODEL, "eight.png"], 3, ["eight.png: file not found"]),
    "data of other classes": (["evaluate", MODEL, "sets/train"], 3, ["its classes cat, dog are none of"]),
    "a part that is not there": (["evaluate", MODEL, "digits", "--part", "vall"], 2, ["did you mean 'val'"]),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_one_clear_message(cli, desk, trained, name):
    words, code, texts = MISTAKES[name]
    before = sorted(desk.rglob("*"))
    answer = cli(*(trained / "model.safetensors" if word == MODEL else word for word in words))
    assert answer.code == code
    assert answer.out == ""
    for text in texts:
        assert text in answer.err
    assert len(answer.err) < 600
    assert "Errno" not in answer.err
    assert sorted(desk.rglob("*")) == before  # nothing is left behind


def test_a_batch_of_one_and_batch_normalisation(cli, desk):
    net = "flatten; linear 10; batchnorm"
    answer = cli("train", "digits", "--net", net, "--batch", 1)
    assert answer.code == 2
    assert answer.err.endswith("use batch_size=2 or more\n")


def test_a_rate_far_too_high(cli, desk):
    answer = cli("train", "digits", "--net", "flatten; linear 20; relu; linear 10", "--lr", "1e30", "--warmup", 0)
    assert answer.code == 2
    assert "training has diverged; use a smaller learning rate than lr=1e+30" in answer.err


def test_sizes_in_another_order_get_a_word(cli):
    answer = cli("check", "conv 6 5", "--input", "28x28x1")
    assert "28x28x1 is 28 channels: sizes are CxHxW; did you mean 1x28x28?" in answer.err
    answer = cli("check", "conv 6 5", "--input", "28x28", "--json")
    assert "28x28 is taken as 28 channels of length 28; for a grey image write 1x28x28" in answer.err
    assert cli("check", "conv 6 5", "--input", "3x28x28").err == ""


@pytest.fixture
def mnist_like(in_folder):
    """``mnist_like(images=..., labels=...)`` writes a folder of two IDX files."""

    def write(images=None, labels=None):
        folder = in_folder / "idx"
        folder.mkdir()
        pixels = np.zeros((4, 8, 8), np.uint8)
        images = images or b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in pixels.shape) + pixels.tobytes()
        labels = labels or b"\0\0\x08\x01" + (4).to_bytes(4, "big") + bytes([0, 1, 0, 1])
        (folder / "train-images-idx3-ubyte.gz").write_bytes(
            images if images[:2] == b"\x1f\x8b" else gzip.compress(images)
        )
        (folder / "train-labels-idx1-ubyte").write_bytes(labels)
        return folder

    return write


@pytest.mark.parametrize(
    ("files", "text"),
    [
        (
            {"labels": b"\0\0\x08\x01" + (3).to_bytes(4, "big") + bytes([0, 1, 0])},
            "has 4 images, but train-labels-idx1-ubyte has 3 labels",
        ),
        ({"labels": b"\0\0\x08\x01" + (4).to_bytes(4, "big") + bytes([0, 1])}, "truncated"),
        ({"labels": b"\0\0\x08\x03" + (4).to_bytes(4, "big") + bytes([0, 1, 0, 1])}, "magic"),
        ({"labels": b"\0\0\x08\x01" + (4).to_bytes(4, "big") + bytes(4)}, "every label is 0"),
        ({"labels": b"hi"}, "train-labels-idx1-ubyte"),
        ({"images": b"\x1f\x8b" + b"no gzip at all"}, "train-images-idx3-ubyte.gz: it cannot be read"),
    ],
)
def test_idx_files_that_cannot_be(cli, mnist_like, files, text):
    mnist_like(**files)
    answer = cli("train", "idx", "--epochs", 1)
    assert answer.code == 3
    assert answer.err.startswith("striate: idx")
    assert text in answer.err


def test_data_without_permission(cli, in_folder, photos, monkeypatch):
    import os

    photos(in_folder / "data", {"cat": 4, "dog": 4})

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)  # root, as tests may run, is refused nothing
    answer = cli("train", "data")
    assert answer.code == 3
    assert answer.err == "striate: data: no permission to read this folder; change its permissions\n"


def test_a_current_directory_that_may_not_be_written(cli, in_folder, monkeypatch):
    from pathlib import Path

    def refuse(self, *args, **more):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    answer = cli("train", "digits", "--net", "flatten; linear 10")
    assert answer.code == 2
    assert answer.err.endswith("striate: runs/digits-net: cannot be created (Permission denied); use another --out\n")


def test_a_disk_that_is_full(cli, in_folder, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("striate.model.model.write_safely", full)
    answer = cli("train", "digits", "--net", "flatten; linear 10", "--epochs", 1)
    assert answer.code == 1
    assert answer.err.splitlines()[-1] == "striate: runs/digits-net/model.safetensors: No space left on device"


def test_the_folder_of_a_run_for_data(cli, in_folder):
    cli("train", "digits", "--net", "flatten; linear 10", "--epochs", 1, "--fraction", 0.1, "--out", "first")
    for words in (["--resume"], []):
        answer = cli("train", "first", *words)
        assert answer.code == 3
        assert answer.err == (
            "striate: first: is the folder of a run, not data; to resume it: "
            "striate train digits --out first --resume\n"
        )
    assert cli("train", "digits", "--out", "first", "--resume", "--epochs", 2).code == 0
