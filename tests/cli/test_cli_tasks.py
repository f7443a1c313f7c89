"""The verbs for every task: what is said, what is written, the keys of the JSON, and the new options."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

NETS = {
    "regression": ("shapes:regression,n=40,test=10", "flatten; linear 3"),
    "segmentation": ("shapes:segmentation,n=30,test=10", "conv 9 3 padding=1"),
    "multilabel": ("shapes:multilabel,n=40,test=10", "flatten; linear 8"),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A finished run of every task, and what ``train`` made of it."""
    from striate.run import prepare

    folders = {}
    for task, (data, net) in NETS.items():
        folders[task] = tmp_path_factory.mktemp(task) / "run"
        run = prepare(data, net, settings={"epochs": 1}, out=folders[task])
        list(run.events())
        run.finish()
    return folders


@pytest.mark.parametrize(
    ("task", "line"),
    [
        ("regression", "test mean absolute error "),
        ("segmentation", "test mean IoU "),
        ("multilabel", "test mean average precision "),
    ],
)
def test_train_says_the_task_and_its_figure(cli, in_folder, task, line):
    data, net = NETS[task]
    answer = cli("train", data, "--net", net, "--epochs", 1, "-o", "run")
    assert answer.code == 0
    assert answer.err.startswith(f"{task}, ")
    assert f"\n{line}" in answer.out
    assert f"striate predict run {data}" in answer.err


@pytest.mark.parametrize(
    ("task", "keys", "words"),
    [
        ("regression", {"n", "mae", "rmse", "r2", "per_class", "worst"}, "mean absolute error"),
        ("segmentation", {"n", "mean_iou", "pixel_accuracy", "per_class", "confusion"}, "mean IoU"),
        ("multilabel", {"n", "macro_f1", "micro_f1", "mean_average_precision", "per_class"}, "macro F1"),
    ],
)
def test_evaluate(cli, runs, task, keys, words):
    words_, model = NETS[task][0], runs[task] / "model.safetensors"
    answer = cli("evaluate", model, words_, "--json")
    assert answer.code == 0
    assert json.loads(answer.out).keys() >= keys
    text = cli("evaluate", model, words_).out
    assert words in text
    assert "\x1b" not in text


COLUMNS = {
    "regression": ["x", "y", "size", "predicted x", "predicted y", "predicted size", "error"],
    "segmentation": ["mean_iou"],
    "multilabel": ["labels", "prediction", "right"],
}


@pytest.mark.parametrize("task", COLUMNS)
def test_evaluate_writes_every_item(cli, runs, in_folder, task):
    """The metric of the table's rows is the one that is printed."""
    answer = cli("evaluate", runs[task] / "model.safetensors", NETS[task][0], "-o", "items.csv", "--json")
    scores = json.loads(answer.out)
    assert f"wrote items.csv: {scores['n']} items" in answer.err
    with (in_folder / "items.csv").open() as file:
        rows = [*csv.DictReader(file)]
    assert len(rows) == scores["n"]
    assert [*rows[0]][: 1 + len(COLUMNS[task])] == ["item", *COLUMNS[task]]
    mean = {name: sum(float(row[name]) for row in rows) / len(rows) for name in ("error", "right") if name in rows[0]}
    assert mean.get("error", 0) == pytest.approx(scores.get("mae", 0), rel=1e-4)
    assert mean.get("right", 0) == pytest.approx(scores.get("subset_accuracy", 0))
    assert sum(column.startswith("p(") for column in rows[0]) == (len(scores["per_class"]) if "right" in mean else 0)


def test_predict_numbers_and_labels(cli, runs, digit):
    answer = cli("predict", runs["regression"] / "model.safetensors", digit, "--json")
    (document,) = json.loads(answer.out)
    assert document.keys() == {"file", "values"}
    assert document["values"].keys() == {"x", "y", "size"}
    line = cli("predict", runs["regression"] / "model.safetensors", digit).out
    assert line.startswith(f"{digit}: x ")
    (document,) = json.loads(cli("predict", runs["multilabel"] / "model.safetensors", digit, "--json").out)
    assert document.keys() == {"file", "labels", "probabilities"}
    none = cli("predict", runs["multilabel"] / "model.safetensors", digit, "--threshold", 1)
    assert none.out == f"{digit}: no label\n"


def test_predict_writes_masks_that_hold_the_class_numbers(cli, runs, in_folder):
    from striate.model.model import load

    model = runs["segmentation"] / "model.safetensors"
    rng = np.random.default_rng(0)
    for folder in ("a", "b"):
        (in_folder / folder).mkdir()
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(in_folder / folder / "one.png")
    answer = cli("predict", model, "a/one.png", "b/one.png", "-o", "masks", "--json")
    documents = json.loads(answer.out)
    assert [d["mask"] for d in documents] == ["masks/one.png", "masks/one-2.png"]
    for path, name in (("a/one.png", "one.png"), ("b/one.png", "one-2.png")):
        with Image.open(in_folder / "masks" / name) as mask:
            assert mask.mode == "P"
            assert (np.asarray(mask) == load(model).predict(path)[0].mask).all()
    assert "-> masks/one.png" in cli("predict", model, "a/one.png", "--out", "masks").out
    cli("predict", model, "a/one.png", "b/one.png", "-o", "half", "--batch-size", 1, "--shard", "2/2")
    assert [path.name for path in (in_folder / "half").iterdir()] == ["one-2.png"]  # as in the whole


def test_a_mask_keeps_what_was_not_looked_at(tmp_path):
    from striate.run.mask_files import write_mask
    from striate.tasks.answers import Mask

    numbers = np.array([[0, 1, 255]], np.uint8)
    path = write_mask(Mask(numbers, file="a.jpg"), tmp_path, "a", 2)
    with Image.open(path) as mask:
        assert (np.asarray(mask) == numbers).all()
        assert mask.convert("RGB").getpixel((2, 0)) == (0, 0, 0)


@pytest.mark.parametrize("task", NETS)
def test_a_source_file_of_every_task_has_the_network_and_its_weights(cli, runs, in_folder, task):
    answer = cli("export", runs[task] / "model.safetensors", "-o", "net.py")
    assert answer.code == 0
    assert answer.out.endswith("verified: identical weights and outputs\n")
    assert "python net.py IMAGE" not in answer.err
    text = (in_folder / "net.py").read_text()
    assert '"""The trained network, ready to answer, given (pixels / 255 - MEAN) / STD, resized."""' in text
    assert ("TARGET_MEAN" in text) == (task == "regression")


def test_masks_are_written_by_a_model_of_masks(cli, trained, digit):
    answer = cli("predict", trained / "model.safetensors", digit, "-o", "masks")
    assert answer.code == 2
    assert answer.err == (
        "striate: --out masks: masks are written by a model for segmentation, this is for classification; a table "
        "ends in .csv, .jsonl or .parquet\n"
    )


def test_sentences(cli, in_folder):
    rows = [f"a {('fine', 'dull')[i % 2]} film {i},{('good', 'bad')[i % 2]}" for i in range(40)]
    (in_folder / "films.csv").write_text("\n".join(["text,label", *rows]))
    net = "embedding 50 8; adaptivemaxpool 1; flatten; linear 2"
    answer = cli("train", "films.csv", "-n", net, "-e", 20, "--lr", 0.05, "-o", "run")
    assert answer.code == 0
    assert "striate predict run 'a sentence'" in answer.err
    assert cli("predict", "run/model.safetensors", "a fine film").out.startswith('"a fine film": good ')
    (in_folder / "more.txt").write_text("dull film\n")
    (document,) = json.loads(cli("predict", "run/model.safetensors", "more.txt", "--json").out)
    assert document.keys() == {"file", "text", "class", "probability", "top"}
    assert (document["file"], document["text"], document["class"]) == ("more.txt", "dull film", "bad")
    missing = cli("predict", "run/model.safetensors", "none.txt")
    assert missing.code == 3
    assert (
        missing.err == "striate: none.txt: No such file or directory; expected a text file with a sentence per line\n"
    )


def test_the_options_of_the_data_and_of_its_use(cli, in_folder, photos):
    photos(in_folder / "data", {"cat": 12, "dog": 12})
    words = (
        "--channels 1 --resize crop --input 1x9x9 --augment light --balance weights --fraction 0.5 --strict "
        "--task classification --epochs 1 --out run"
    ).split()
    answer = cli("train", "data", "--net", "flatten; linear 2", *words)
    assert answer.code == 0, answer.err
    about = json.loads((in_folder / "run" / "recipe.json").read_text())
    assert {name: about[name] for name in ("channels", "resize", "augment", "balance", "fraction", "task")} == {
        "channels": 1, "resize": "crop", "augment": "light", "balance": "weights", "fraction": 0.5,
        "task": "classification",
    }  # fmt: skip
    assert about["net"].startswith("input 1x9x9")


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--task", "segmentaton"], 2, "did you mean 'segmentation'?"),
        (["--channels", "2"], 2, "channels is 2, expected 1 (grey), 3 (RGB) or 4 (RGBA)"),
        (["--resize", "strech"], 2, "did you mean 'stretch'?"),
        (["--input", "1x9"], 2, "takes 1x9, but the data are images: 1, 3 or 4 channels, height and width; use"),
        (["--augment", "strnog"], 2, "did you mean 'strong'?"),
        (["--balance", "weight"], 2, "did you mean 'weights'?"),
        (["--fraction", "0"], 2, "fraction must be a number above 0"),
        (["--loss", "dice"], 2, "the loss dice is not for classification; use auto, crossentropy"),
    ],
)
def test_their_mistakes(cli, in_folder, words, code, text):
    answer = cli("train", "digits", "--net", "flatten; linear 10", *words)
    assert text in answer.err
    assert answer.code == code
    assert not (in_folder / "runs").exists()


@pytest.mark.parametrize("verb", ["train", "evaluate"])
def test_what_is_fetched_and_read_is_told(cli, monkeypatch, in_folder, trained, verb):
    """The callbacks reach the data: here a file that comes over the network, and images that are read."""
    import striate.run.making as making
    import striate.run.measuring as measuring
    from striate.datasets import open_data

    def fetched(source, *, progress, **more):
        progress("pictures.gz", 500_000, 1_000_000)
        return open_data(source, **more)

    for module in (making, measuring):
        monkeypatch.setattr(module, "open_data", fetched)
    words = ("--net", "flatten; linear 10", "--epochs", 1) if verb == "train" else ()
    model = () if verb == "train" else (trained / "model.safetensors",)
    answer = cli(verb, *model, "digits", *words)
    assert answer.code == 0
    assert "downloading pictures.gz (1.0 MB)" in answer.err
