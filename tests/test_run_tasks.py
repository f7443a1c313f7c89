"""Every task the whole way: trained, stopped and gone on with, measured, reported, loaded, asked."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import striate
from striate.datasets import open_data
from striate.errors import DataError, RecipeError, SpecError
from striate.learning import Epoch, Speed, Step
from striate.model.model import load
from striate.run import measure, parts_for, prepare
from striate.run.result import facts
from unfitted import unfitted

CONV = "conv 4 3 padding=1; relu; adaptivemaxpool 1; flatten; linear"
TASKS = {
    "classification": ("shapes:n=60,test=20", f"{CONV} 8", "accuracy", "accuracy"),
    "multilabel": ("shapes:multilabel,n=60,test=20", f"{CONV} 8", "mean_average_precision", "mean_average_precision"),
    "regression": ("shapes:regression,n=60,test=20", "flatten; linear 3", "mae", "mae"),
    "segmentation": ("shapes:segmentation,n=40,test=10", "conv 9 3 padding=1", "mean_iou", "mean_iou"),
}


def train(data, net, *, stop=None, said=None, **more):
    settings = {"epochs": 2, "batch_size": 16, "lr": 0.01} | more.pop("settings", {})
    run = prepare(data, net, settings=settings, say=(said if said is not None else []).append, **more)
    for event in run.events():
        if isinstance(event, Step) and (event.epoch, event.step) == stop:
            run.save_state()
            return run, None
    return run, run.finish()


@pytest.mark.parametrize("task", TASKS)
def test_every_task_from_data_to_report(in_folder, task):
    data, net, figure, key = TASKS[task]
    said = []
    run, result = train(data, net, said=said, out="run")
    assert said[0].startswith(f"{task}, ")
    with (in_folder / "run" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "train/loss", "val/loss", f"val/{figure}", "lr", "seconds"]
    document = json.loads(json.dumps(result.as_dict()))
    assert document["task"] == task
    assert document["val"].keys() == {"n", figure, "loss"}
    model = load("run/model.safetensors")
    assert unfitted(model.contract) == run.model.contract
    Speed(memory_format="channels_last").place(model.module)  # as evaluate does
    again = measure(model, *parts_for(model, data))
    assert again.as_dict() == result.test.as_dict()  # what evaluate says is what the run said
    assert document["test"][key] == again.as_dict()[key]
    page = (in_folder / "run" / "report.html").read_text()
    assert page.count("<img") >= 1 or task == "classification"
    assert "kept epoch (" in page
    item = open_data(data).test.inputs[0]
    assert type(model.predict(item)[0]).__name__ == {
        "classification": "Prediction", "multilabel": "Labels", "regression": "Values", "segmentation": "Mask",
    }[task]  # fmt: skip


@pytest.mark.parametrize("task", ["regression", "segmentation", "multilabel"])
def test_gone_on_with_it_ends_as_if_never_stopped(in_folder, task):
    data, net, *_ = TASKS[task]
    more = {"augment": "light"} if task != "regression" else {}
    whole, _ = train(data, net, out="whole", settings=more)
    train(data, net, out="stopped", stop=(2, 1), settings=more)
    resumed = prepare(data, out="stopped", resume=True)
    list(resumed.events())
    for name, value in whole.model.module.state_dict().items():
        assert torch.equal(value, resumed.model.module.state_dict()[name])
    assert [r | {"seconds": 0} for r in resumed.history] == [r | {"seconds": 0} for r in whole.history]


# ----------------------------------------------------------------------------------------------- numbers and units
def test_numbers_are_learned_standardised_and_told_in_their_units(in_folder, photos):
    photos(in_folder / "photos", {"a": 20, "b": 20})  # dark ones and bright ones
    lines = ["file,price", *(f"photos/{c}/{i}.png,{1000 if c == 'a' else 3000}" for c in "ab" for i in range(20))]
    (in_folder / "prices.csv").write_text("\n".join(lines))
    _, result = train(
        "prices.csv", "conv 4 3; relu; adaptiveavgpool 1; flatten; linear 1", settings={"epochs": 60}, out="run"
    )
    contract = result.model.contract
    assert contract.target_mean == pytest.approx((2000,), abs=300)
    assert contract.target_std == pytest.approx((1000,), abs=60)
    assert result.test.mae < 500 < result.test.baseline_mae
    assert result.run.history[-1]["val/mae"] < 500
    (dark,) = result.model.predict("photos/a/0.png")
    assert dict(dark.values)["price"] == pytest.approx(1000, abs=600)


def test_the_error_of_positions_is_in_the_pixels_of_the_images(in_folder):
    """The net sees 16x16 pixels of images of 32x64: an answer of the middle is as far off as it is there."""
    data = "shapes:regression,n=40,test=20,size=32x64"
    run, result = train(data, "input 3x16x16; flatten; linear 3", out="run")
    truth = open_data(data).test.targets
    assert result.test.targets == pytest.approx(truth, abs=1e-3)
    model = result.model
    answers = [dict(a.values) for a in model.predict(list(open_data(data).test.inputs))]
    wanted = np.mean(
        [
            [abs(a[n] - t) for n, t in zip(model.contract.classes, row, strict=True)]
            for a, row in zip(answers, truth, strict=True)
        ]
    )
    assert result.test.mae == pytest.approx(wanted, rel=1e-5)
    val = run.held["val"]
    scores = measure(run.model, val)
    assert run.history[-1]["val/mae"] == pytest.approx(scores.mae, rel=1e-4)  # all images are of one size


# ------------------------------------------------------------------------------------------------------------ texts
def sentences(folder, n=60):
    rng = np.random.default_rng(0)
    rows = ["text,label"]
    for i in range(n):
        word = ("fine", "dull")[i % 2]
        rows.append(f'"a {word} film , no {rng.integers(1000)}",{("good", "bad")[i % 2]}')
    (folder / "films.csv").write_text("\n".join(rows))
    return "films.csv"


def test_texts(in_folder):
    data = sentences(in_folder)
    net = "embedding 40 8; conv 8 3; relu; adaptivemaxpool 1; flatten; linear 2"
    run, result = train(data, net, out="run", settings={"epochs": 12})
    assert result.test.accuracy == 1
    contract = result.model.contract
    assert contract.mode == "text"
    assert len(contract.vocabulary) == 38  # what the embedding has room for
    assert {"fine", "dull", "film"} <= set(contract.vocabulary)
    assert load("run/model.safetensors").predict("a fine film")[0].class_ == "good"
    resumed = prepare(data, out="run", resume=True, settings={"epochs": 13})
    assert resumed.model.contract == unfitted(contract)
    assert run.table.parameters == 40 * 8 + 8 * (8 * 3 + 1) + 2 * 9


def test_the_words_are_those_of_the_training_part_alone(in_folder):
    lines = [f"film word{i},{'good' if i % 2 else 'bad'}" for i in range(60)]
    (in_folder / "films.csv").write_text("\n".join(["text,label", *lines]))
    run = prepare("films.csv", "embedding 100 4; adaptivemaxpool 1; flatten; linear 2")
    texts = {name: " ".join(held.source.inputs).split() for name, held in run.held.items()}
    assert set(texts) == {"train", "val", "test"}
    assert set(run.model.contract.vocabulary) == set(texts["train"])
    number_of_film = run.model.contract.vocabulary.index("film") + 2
    assert (run.parts["test"].inputs[:, :2] == [number_of_film, 1]).all()  # 1: a word that training never saw


def test_text_small_is_what_texts_get_and_it_has_their_words(in_folder):
    run = prepare(sentences(in_folder), settings={"epochs": 1})
    assert run.net == "text_small"
    words = len(run.model.contract.vocabulary) + 2
    assert run.model.module.state_dict()["embed.weight"].shape == (words, 64)
    assert (run.model.contract.input,) == ((run.held["train"].arrays.inputs.shape[1],),)


def test_the_report_shows_the_sentences(in_folder):
    data = sentences(in_folder)
    train(data, "embedding 3 4; adaptivemaxpool 1; flatten; linear 2", out="run", settings={"epochs": 1, "lr": 1e-9})
    page = (in_folder / "run" / "report.html").read_text()
    assert "<blockquote>a " in page


@pytest.mark.parametrize(
    ("net", "text"),
    [
        ("flatten; linear 2", "starts with Flatten"),
        ("embedding 2 4; adaptivemaxpool 1; flatten; linear 2", "the embedding of the network has room for 2 words"),
        ("input 3x8x8; embedding 9 4; flatten; linear 2", "takes 3x8x8, but a text is one number of words"),
        ("lenet5", "lenet5 is a network for images, and the data are texts"),
    ],
)
def test_nets_that_are_not_for_texts(in_folder, net, text):
    with pytest.raises(SpecError) as caught:
        prepare(sentences(in_folder), net)
    assert text in str(caught.value)


# ----------------------------------------------------------------------------------------------------------- values
def test_signals_and_volumes(in_folder):
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    for name, shape in (("signals", (32,)), ("volumes", (6, 6, 6))):
        x = rng.normal(size=(60, *shape)).astype(np.float32)
        x[y == 1] += 2
        np.savez(in_folder / f"{name}.npz", x=x, y=y)
        run, result = train(f"{name}.npz", None, out=name)
        assert run.model.contract.mode == "values"
        assert run.model.contract.input == (1, *shape)
        assert result.test.accuracy > 0.9
        model = load(f"{name}/model.safetensors")
        assert model.predict(x[0])[0].class_ == "0"
        assert (in_folder / name / "report.html").is_file()


def test_values_are_not_resized(in_folder):
    np.savez(
        in_folder / "a.npz", x=np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32), y=np.arange(20) % 2
    )
    with pytest.raises(SpecError, match="takes 1x9, but the values are 1x8, and are not resized"):
        prepare("a.npz", "input 1x9; flatten; linear 2")


# ------------------------------------------------------------------------------------------------------ segmentation
def test_the_size_is_the_nearest_that_fits(in_folder):
    said = []
    run = prepare("shapes:segmentation,n=12,test=4,size=45x55", say=said.append)
    assert run.net == "unet_small"
    assert "network: unet_small (default, since every pixel has a class)" in said
    assert run.model.contract.input == (3, 48, 56)


def test_evaluation_numbers_the_classes_as_the_model_does(in_folder):
    """Masks that hold other numbers for the same classes are scored by name."""
    rng = np.random.default_rng(0)
    for name, values in (("one", (0, 1)), ("two", (1, 0))):
        for kind in ("images", "masks"):
            (in_folder / name / kind).mkdir(parents=True)
        (in_folder / name / "classes.txt").write_text("dark\nbright\n" if name == "one" else "bright\ndark\n")
        for i in range(12):
            bright = rng.random((8, 8)) < 0.5
            Image.fromarray(np.where(bright, 220, 30).astype(np.uint8)).save(in_folder / name / "images" / f"{i}.png")
            Image.fromarray(np.where(bright, values[1], values[0]).astype(np.uint8)).save(
                in_folder / name / "masks" / f"{i}.png"
            )
    _, result = train("one", "conv 2 1", out="run", settings={"epochs": 40, "lr": 0.1, "batch_size": 4})
    assert result.test.mean_iou > 0.95
    assert measure(result.model, *parts_for(result.model, "two", "all")).mean_iou > 0.95


# ------------------------------------------------------------------------------------------------------ what is refused
@pytest.mark.parametrize(
    ("data", "net", "settings", "kind", "text"),
    [
        (
            "segmentation",
            "flatten; linear 9",
            {},
            SpecError,
            "needs 9x32x32, a prediction for every pixel; end it with: conv 9 1",
        ),
        ("segmentation", "conv 9 3", {}, SpecError, "output 9x30x30, but shapes-segmentation needs 9x32x32"),
        ("segmentation", "lenet5", {}, SpecError, "lenet5 is a network for classification, not for segmentation"),
        ("regression", "unet", {}, SpecError, "unet is a network for segmentation, not for regression"),
        (
            "regression",
            "flatten; linear 2",
            {},
            SpecError,
            "does not match the 3 values of shapes-regression; end the network with: fl",
        ),
        ("regression", "flatten; linear 3; softmax", {}, SpecError, "ends with a softmax"),
        ("multilabel", "boat4", {}, SpecError, "ends with a softmax, whose outputs compete"),
        ("multilabel", "flatten; linear 8", {"loss": "hinge"}, RecipeError, "the loss hinge is not for multilabel"),
        ("regression", "flatten; linear 3", {"balance": "weights"}, RecipeError, "regression has no classes to weigh"),
        (
            "segmentation",
            "conv 9 1",
            {"balance": "weights", "loss": "dice"},
            RecipeError,
            "balance weights the classes",
        ),
        ("regression", "flatten; linear 3", {"augment": "strnog"}, RecipeError, "did you mean 'strong'"),
    ],
)
def test_what_does_not_go_together(in_folder, data, net, settings, kind, text):
    with pytest.raises(kind) as caught:
        prepare(f"shapes:{data},n=20,test=8", net, settings=settings)
    assert text in str(caught.value)
    assert not (in_folder / "runs").exists()


def test_a_model_is_measured_on_data_of_its_kind(in_folder):
    _, result = train("shapes:n=24,test=8", f"{CONV} 8", out="run", settings={"epochs": 1})
    for data, text in (
        ("shapes:segmentation,n=8,test=4", "not for classification"),
        (sentences(in_folder), "contains text, the model takes images"),
    ):
        with pytest.raises(DataError) as caught:
            parts_for(result.model, data)
        assert text in str(caught.value)


# ------------------------------------------------------------------------------------------- what changes the training
def test_balance_fraction_and_augmentation_change_the_run_and_stand_in_the_report(in_folder, photos):
    photos(in_folder / "data", {"rare": 8, "often": 40})
    settings = {"fraction": 0.5, "augment": "light", "epochs": 1}
    seen = {}
    for balance in ("none", "weights", "sampling"):
        run, result = train("data", f"{CONV} 2", out=balance, settings=settings | {"balance": balance})
        seen[balance] = next(iter(result.run.history))["train/loss"]
        page = (in_folder / balance / "report.html").read_text()
        assert "0.5 of the training split" in page
        assert "shift=" in page
        assert any(f"rare classes {how}" in page for how in ("count for more", "come as often")) == (balance != "none")
        assert len(run.parts["train"]) == 17  # half of 48 less the test and the validation part
    assert len(set(seen.values())) == 3


@pytest.mark.parametrize(
    ("y", "text"),
    [
        (np.zeros(40, np.float32), "the target of all 2. training items is 0, so there is nothing to tell apart"),
        (np.ones((40, 2), np.float32) * 7, "the target of all 2. training items is 7, 7, so there is nothing to tell"),
        (np.ones((40, 2), np.uint8), "the target of all 2. training items is 0, 1, so there is nothing to tell apart"),
    ],
)
def test_targets_that_are_all_the_same_end_a_run_before_it_begins(in_folder, y, text):
    np.savez("same.npz", x=np.random.default_rng(0).integers(0, 255, (40, 8, 8), np.uint8), y=y)
    with pytest.raises(DataError, match=text):
        prepare("same.npz", "flatten; linear 1" if y.ndim == 1 else "flatten; linear 2", settings={"epochs": 1})
    assert not (in_folder / "runs").exists()


@pytest.mark.parametrize(
    "task", ["classification", *(pytest.param(t, marks=pytest.mark.slow) for t in TASKS if t != "classification")]
)
def test_the_models_of_identical_runs_are_the_same_bytes(in_folder, task):
    data, net, *_ = TASKS[task]
    files = []
    for out in ("one", "two", "three"):
        train(data, net, out=out, settings={"epochs": 1})
        files.append((in_folder / out / "model.safetensors").read_bytes())
    assert len({*files}) == 1  # though the library writes the metadata in a random order
    train(data, net, out="other", settings={"epochs": 1, "seed": 1})
    assert (in_folder / "other" / "model.safetensors").read_bytes() != files[0]


def test_a_file_that_cannot_be_read_ends_a_strict_run(in_folder, photos):
    photos(in_folder / "data", {"cat": 10, "dog": 10})
    (in_folder / "data" / "cat" / "3.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"cat/3\.png: not an image"):
        prepare("data", "flatten; linear 2", strict=True)
    broken = [item for arrays in prepare("data", "flatten; linear 2").parts.values() for item in arrays.broken]
    assert [name for name, _ in broken] == ["data/cat/3.png"]


def test_a_row_without_a_file_or_a_target_ends_a_strict_run_alone(in_folder, photos):
    photos(in_folder / "data", {"cat": 10, "dog": 10})
    rows = [f"data/{label}/{i}.png,{label}" for label in ("cat", "dog") for i in range(10)]
    Path("t.csv").write_text("\n".join(["file,label", *rows, "data/gone.png,cat", "data/cat/1.png,"]))
    with pytest.raises(DataError, match=r"t\.csv line 23: the label .* is empty; or omit --strict"):
        prepare("t.csv", "flatten; linear 2", strict=True)
    said = []
    run = prepare("t.csv", "flatten; linear 2", say=said.append, out="run")
    assert sum(map(len, run.parts.values())) == 20
    assert "skipped 2 items without a readable file or a target:" in said
    assert "  t.csv line 22: no file 'data/gone.png' in ." in said
    problem = next(p for p in striate.doctor("t.csv").faults if p.kind == "incomplete")
    assert (problem.n, problem.files) == (2, ("t.csv line 23", "t.csv line 22"))
    assert ("skipped", "2 items: 2 without a file or a target") in facts(run)


def test_an_image_without_its_mask_ends_a_strict_run_alone(in_folder):
    for folder in ("images", "masks"):
        (in_folder / "data" / folder).mkdir(parents=True)
        for i in range(10):
            values = np.random.default_rng(i).integers(0, 2, (4, 4), np.uint8)
            Image.fromarray(values).save(in_folder / "data" / folder / f"{i}.png")
    (in_folder / "data" / "masks" / "3.png").unlink()
    with pytest.raises(DataError, match=r"images/3\.png: no mask of that name; or omit --strict"):
        prepare("data", "conv 2 1", strict=True)
    assert ("skipped", "1 item: 1 without a file or a target") in facts(prepare("data", "conv 2 1"))


def test_predictions_for_a_table_with_missing_files_have_a_row_for_each(in_folder, photos):
    photos(in_folder / "data", {"cat": 10, "dog": 10})
    model = striate.train("flatten; linear 2", "data", epochs=1, out="run", quiet=True)
    Path("t.csv").write_text("file\ndata/cat/1.png\ndata/gone.png\n")
    striate.predict(model, "t.csv", out="p.csv")
    with open("p.csv", newline="") as file:
        rows = [(row["file"], row["error"]) for row in csv.DictReader(file)]
    assert rows == [("data/cat/1.png", ""), ("data/gone.png", "file not found; expected an image file")]
    Path("data/dog/2.png").write_bytes(b"no image")
    rows = [f"data/{label}/{i}.png,{label}" for label in ("cat", "dog") for i in range(10)]
    Path("u.csv").write_text("\n".join(["file,label", *rows, "data/gone.png,cat"]))
    said = []
    assert striate.evaluate(model, "u.csv", split="all", say=said.append).n == 19
    assert said[:2] == [
        "skipped 1 item without a readable file or a target:",
        "  u.csv line 22: no file 'data/gone.png' in .",
    ]
    assert said[2] == "skipped 1 item that cannot be read:"


def test_size_channels_and_resize_are_asked_for_and_kept(in_folder, photos):
    photos(in_folder / "data", {"cat": 8, "dog": 8})
    run = prepare("data", "flatten; linear 2", channels=1, resize="fit", input=(1, 9, 9), out="run")
    assert (run.model.contract.mode, run.model.contract.resize, run.model.contract.input) == ("L", "fit", (1, 9, 9))
    next(run.events())
    run.save_state()
    again = prepare("data", out="run", resume=True)
    assert again.model.contract == run.model.contract
    with pytest.raises(RecipeError, match=r"was trained with another resize \(fit, now crop\)"):
        prepare("data", out="run", resume=True, resize="crop")


# ------------------------------------------------------------------------------------------------------------ the split
def test_the_split_is_stored_and_must_be_the_same_to_go_on(in_folder, photos):
    photos(in_folder / "data", {"cat": 10, "dog": 10})
    run = prepare("data", "flatten; linear 2", out="run")
    next(run.events())
    run.save_state()
    with (in_folder / "run" / "split.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["part"] for row in rows].count("train") == len(run.held["train"].source)
    assert {row["item"]: row["class"] for row in rows}["data/cat/0.png"] == "cat"
    assert len(rows) == len({row["item"] for row in rows}) == 20
    prepare("data", out="run", resume=True)
    (in_folder / "data" / "cat" / "0.png").rename(in_folder / "data" / "cat" / "new.png")
    with pytest.raises(RecipeError) as caught:
        prepare("data", out="run", resume=True)
    assert "was trained on other items (1 gone, the first data/cat/0.png; 1 new, the first data/cat/new.png" in str(
        caught.value
    )
    (in_folder / "data" / "cat" / "new.png").rename(in_folder / "data" / "cat" / "0.png")
    written = (in_folder / "run" / "split.csv").read_text()
    (in_folder / "run" / "split.csv").write_text(written.replace("data/cat/0.png,cat", "data/cat/0.png,dog"))
    with pytest.raises(RecipeError, match=r"other items \(1 with another target, the first data/cat/0.png\)"):
        prepare("data", out="run", resume=True)
    (in_folder / "run" / "split.csv").write_text(written.replace("\ntrain,", "\nval,", 1))
    with pytest.raises(RecipeError, match=r"other items \(1 in another split, the first data/cat/"):
        prepare("data", out="run", resume=True)
    (in_folder / "run" / "split.csv").unlink()
    said = []
    prepare("data", out="run", resume=True, say=said.append)
    assert any("run/split.csv is not there" in line for line in said)


def test_the_seed_decides_the_validation_part_and_never_the_test_part(in_folder):
    runs = [prepare("digits", "flatten; linear 10", out=f"run{s}", settings={"seed": s}) for s in (0, 1)]
    names = [{part: set(arrays.names) for part, arrays in run.parts.items()} for run in runs]
    assert names[0]["val"] != names[1]["val"]
    assert names[0]["test"] == names[1]["test"]


def test_labels_stand_where_the_model_has_them(in_folder, photos):
    photos(in_folder / "images", {"all": 20})

    def table(name, labels):
        rows = [f"images/all/{i}.png,{labels[i % len(labels)]}" for i in range(20)]
        (in_folder / name).write_text("\n".join(["file,label", *rows]))

    table("three.csv", ["a", "b;c", "c", "a;b"])
    table("two.csv", ["b", "c;b"])
    model = prepare("three.csv", "flatten; linear 3").model
    targets = np.concatenate([held.arrays.targets for held in parts_for(model, "two.csv", "all")])
    assert targets.shape == (20, 3)
    assert targets.sum(axis=0).tolist() == [0, 20, 10]


# ------------------------------------------------------------------------------------------------- begun with a model
def test_weights_go_from_task_to_task(in_folder):
    """The body's weights are loaded, the head is new, the values are standardised by the new data's own numbers."""
    _, first = train("shapes:n=40,test=10", f"{CONV} 8", out="first", settings={"epochs": 1})
    said = []
    run = prepare("shapes:regression,n=40,test=10", weights="first/model.safetensors", say=said.append)
    assert "new layers: linear1" in said
    contract = run.model.contract
    assert contract.task == "regression"
    assert contract.mean == first.model.contract.mean
    assert contract.target_std != (1.0,) * 3
    events = [e for e in run.events() if isinstance(e, Epoch)]
    assert len(events) == run.recipe.epochs == 8
    result = run.finish()
    kept = prepare("shapes:regression,n=60,test=20", weights=run.folder / "model.safetensors")  # the head is the file's
    assert kept.model.contract.target_mean == result.model.contract.target_mean
    with pytest.raises(SpecError, match="a model for classification, the data for segmentation; give a network with"):
        prepare("shapes:segmentation,n=8,test=4", weights="first/model.safetensors")


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        ({"resize": "crop"}, "resize crop: the preparation is that of first.safetensors, stretch; omit it"),
        ({"channels": 1}, "channels 1: the model in first.safetensors takes 3; omit it"),
    ],
)
def test_the_preparation_is_the_files_whatever_is_asked_for(in_folder, choice, text):
    run = prepare("shapes:n=24,test=8", f"{CONV} 8", out="run")
    run.model.save("first.safetensors")
    with pytest.raises(RecipeError) as caught:
        prepare("shapes:n=24,test=8", weights="first.safetensors", **choice)
    assert text in str(caught.value)


def test_texts_and_values_are_not_resized(in_folder):
    with pytest.raises(RecipeError, match="resize fit is for images, and these are text; omit it"):
        prepare(sentences(in_folder), resize="fit")


def test_the_words_of_a_model_are_kept(in_folder):
    """A text model goes on on other texts with its own vocabulary: the numbers of its words mean what they meant."""
    net = "embedding 40 8; adaptivemaxpool 1; flatten; linear 2"
    _, first = train(sentences(in_folder), net, out="first", settings={"epochs": 1})
    rows = [f"{('new', 'old')[i % 2]} words here {i},{('yes', 'no')[i % 2]}" for i in range(30)]
    (in_folder / "other.csv").write_text("\n".join(["text,label", *rows]))
    run = prepare("other.csv", weights="first/model.safetensors", out="second")
    assert run.model.contract.vocabulary == first.model.contract.vocabulary
    assert run.model.contract.classes == ("no", "yes")
    old, new = first.model.module.state_dict(), run.model.module.state_dict()
    assert torch.equal(old["embedding1.weight"], new["embedding1.weight"])
    assert not torch.equal(old["linear1.weight"], new["linear1.weight"])
