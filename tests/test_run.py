"""A run: its folder and files, the same twice, stopped and gone on with, and what it refuses."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import striate.run.finishing
from striate.datasets import open_data
from striate.errors import DataError, ModelError, RecipeError, ShapeError, SpecError
from striate.files import FolderLock
from striate.learning import Epoch, Recipe, Step, named_recipe
from striate.model.model import load
from striate.run import COLUMNS, measure, parts_for, prepare
from striate.run.devices import device_named
from striate.run.options import RunOptions
from striate.run.resuming import EarlierRun
from striate.run.running import Run

SLOW = pytest.mark.slow
TINY = "conv 4 3; relu; flatten; linear 10"
DROPOUT = "conv 4 3; batchnorm; relu; flatten; dropout; linear 10"


def start(net=TINY, data="digits", stop=None, finish=True, **more):
    """Trains until *stop* (epoch, step; step None: the epoch's end), as ``striate train`` does when a signal comes."""
    settings = more.pop("settings", {"epochs": 2, "batch_size": 128})
    run = prepare(data, net, settings=settings, **more)
    for event in run.events():
        at = (event.epoch, event.step) if isinstance(event, Step) else (event.epoch, None)
        if at == stop:
            run.save_state()
            return run
    if finish:
        run.finish()
    return run


def weights(folder):
    return dict(load(folder / "model.safetensors").module.state_dict())


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


# ------------------------------------------------------------------------------------------------- what it writes
def test_the_files_of_a_run(in_folder):
    run = start()
    names = {str(p.relative_to(run.folder)) for p in run.folder.rglob("*") if p.is_file()}
    assert names == {
        "model.safetensors", "metrics.csv", "recipe.json", "report.html", "split.csv", "state/state.safetensors",
        "state/progress.json", "state/lock",
    }  # fmt: skip
    with (run.folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS == ("epoch", "train/loss", "val/loss", "val/accuracy", "lr", "seconds")
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert [{name: float(value) for name, value in row.items()} for row in rows] == run.history
    about = json.loads((run.folder / "recipe.json").read_text())
    assert {name: about[name] for name in Recipe().as_dict()} == run.recipe.as_dict()
    assert about["data"] == "digits"
    assert about["net"].startswith("input 1x8x8\nconv 4 3\n")
    page = (run.folder / "report.html").read_text()
    assert "net on digits" in page
    assert "1,293 training, 144 validation, 360 test" in page


def test_folders_are_numbered(in_folder):
    for name in ("digits-net", "digits-net-2", "digits-net-3"):
        assert str(start(finish=False, stop=(1, 1)).folder) == f"runs/{name}"
    assert str(start("lenet5", stop=(1, 1)).folder) == "runs/digits-lenet5"


def test_the_model_is_the_best_and_the_test_part_is_looked_at_once(in_folder, monkeypatch):
    seen = []
    monkeypatch.setattr(
        striate.run.finishing, "measure", lambda model, held: (seen.append(held.arrays), measure(model, held))[1]
    )
    settings = {"epochs": 5, "lr": 2.0, "optimizer": "sgd", "schedule": "constant", "warmup": 0.0, "batch_size": 128}
    run = prepare("digits", TINY, settings=settings)
    best = None
    for event in run.events():
        assert not seen
        if isinstance(event, Epoch) and event.kept:
            best = {name: value.clone() for name, value in run.model.module.state_dict().items()}
            number = event.epoch
    result = run.finish()
    assert [len(pixels) for pixels in seen] == [360]
    assert same(weights(run.folder), best)
    assert run.best_epoch == number == result.as_dict()["best_epoch"]


def test_the_document(in_folder):
    run = prepare("digits", TINY, settings={"epochs": 1, "lr": 0.01})
    list(run.events())
    document = json.loads(json.dumps(run.finish().as_dict()))
    assert document.keys() >= {"model", "run", "epochs", "seconds", "train", "test"}
    assert document["model"] == "runs/digits-net/model.safetensors"
    assert document["epochs"] == 1
    assert document["parameters"] == 40 + 1450
    assert document["train"]["n"] == 1293
    assert document["val"]["n"] == 144
    assert document["test"]["n"] == 360
    assert 0.5 < document["test"]["accuracy"] <= 1


def test_the_test_figures_are_those_of_evaluate(trained):
    model = load(trained / "model.safetensors")
    scores = measure(model, *parts_for(model, "digits"))
    assert scores.n == 360
    assert f"{scores.right:,} of 360" in (trained / "report.html").read_text()


def test_the_statistics_come_from_the_training_part_alone(in_folder):
    run = prepare("digits", TINY)
    pixels = run.parts["train"].inputs / 255
    assert run.model.contract.mean == pytest.approx([pixels.mean()])
    assert run.model.contract.std == pytest.approx([pixels.std()])


def test_images_that_cannot_be_read_are_left_out_and_named(in_folder, photos):
    photos(in_folder / "data", {"cat": 10, "dog": 10})
    (in_folder / "data" / "cat" / "3.png").write_bytes(b"no image")
    said = []
    run = prepare("data", "flatten; linear 2", settings={"epochs": 1}, say=said.append)
    assert said[0] == "classification, from class folders: 2 classes"
    assert said[-2] == "skipped 1 image that cannot be read:"
    assert "data/cat/3.png: not an image" in said[-1]
    assert sum("cannot be read" in line for line in said) == 1  # the doctor leaves it to the reading
    list(run.events())
    run.finish()
    assert "1 item: 1 that cannot be read" in (run.folder / "report.html").read_text()


def test_one_bad_file_ends_no_run_though_it_is_its_classs_only_one_in_a_part(in_folder, photos):
    for part, n in (("train", 4), ("val", 1), ("test", 2)):
        photos(in_folder / "data" / part, {"cat": n, "dog": n})
    (in_folder / "data" / "val" / "dog" / "0.png").write_bytes(b"no image")
    run = prepare("data", "flatten; linear 2", settings={"epochs": 1})
    list(run.events())
    assert {name: len(arrays) for name, arrays in run.parts.items()} == {"train": 8, "val": 1, "test": 4}
    assert run.finish().test.n == 4


def test_a_class_of_which_nothing_can_be_read_in_any_part(in_folder, photos):
    photos(in_folder / "data", {"cat": 10, "dog": 10})
    for path in (in_folder / "data" / "dog").iterdir():
        path.write_bytes(b"no image")
    with pytest.raises(DataError, match=r"^no image of the class 'dog' can be read: 10 files, of .*data/dog/"):
        prepare("data", "flatten; linear 2")


def test_a_name_that_is_no_utf8(in_folder):
    rng = np.random.default_rng(0)
    for name in (b"data/a", b"data/b"):
        (in_folder / name.decode()).mkdir(parents=True)
        for i in range(8):
            with open(name + b"/\xe4%d.png" % i, "wb") as file:
                Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(file, "PNG")
    run = start("flatten; linear 2", "data", settings={"epochs": 1})
    assert (run.folder / "report.html").is_file()
    (in_folder / "data" / "b").rename(in_folder / "data" / "\udce4pfel")
    with pytest.raises(ModelError, match="is not valid UTF-8"):
        start("flatten; linear 2", "data", settings={"epochs": 1})


# ---------------------------------------------------------------------------------------------- the same, twice
def test_one_seed_one_net_another_seed_another(in_folder):
    first, again = start(DROPOUT), start(DROPOUT)
    other = start(DROPOUT, settings={"epochs": 2, "batch_size": 128, "seed": 1})
    assert same(weights(first.folder), weights(again.folder))
    assert [row | {"seconds": 0} for row in first.history] == [row | {"seconds": 0} for row in again.history]
    assert not same(weights(first.folder), weights(other.folder))


# ------------------------------------------------------------------------------------------------ stop and go on
STOPS = [(1, 1), (1, 10), (1, None), (2, 3), (2, 10)]  # epoch and step


@pytest.mark.parametrize(
    "stop", [pytest.param(s, marks=() if s in ((1, 10), (2, 3)) else SLOW) for s in STOPS], ids=str
)
def test_gone_on_with_it_ends_as_if_never_stopped(in_folder, stop):
    whole = start(DROPOUT)
    stopped = start(DROPOUT, out="stopped", stop=stop)
    assert not (stopped.folder / "report.html").exists()
    resumed = start(None, out="stopped", resume=True, settings={})
    assert same(weights(whole.folder), weights(resumed.folder))
    assert same(whole.model.module.state_dict(), resumed.model.module.state_dict())  # the last, not only the best
    assert [r | {"seconds": 0} for r in resumed.history] == [r | {"seconds": 0} for r in whole.history]
    assert resumed.best_epoch == whole.best_epoch
    assert (resumed.folder / "report.html").is_file()


def test_a_named_recipe_brings_its_network_and_initialisation(in_folder):
    x = np.random.default_rng(0).integers(0, 256, (60, 3, 32, 32), np.uint8)
    named, more = named_recipe("fast-cifar"), {"settings": {"epochs": 1, "batch_size": 40}}
    run = prepare((x, np.arange(60) % 2), recipe=named, **more)
    assert (run.net, run.init, run.model.contract.tta) == ("airbench94", "whiten", "flip")
    assert not run.model.module.whiten.weight.requires_grad
    assert list(run.events())[-1].epoch == 1
    other = prepare(
        (x, np.arange(60) % 2), "conv 4 3; relu; adaptivemaxpool 1; flatten; linear 2", recipe=named, **more
    )
    assert other.init == "auto"
    assert all(p.requires_grad for p in other.model.module.parameters())


def test_whitened_filters_come_from_the_training_images_and_stay_also_when_resumed(in_folder):
    net = "conv 8 2; relu; conv 8 3 bias=no; batchnorm; relu; flatten; linear 10"
    more = {"init": "whiten", "settings": {"epochs": 2, "batch_size": 256, "optimizer": "muon", "lr": 0.1}}
    whole = start(net, out="whole", finish=False, **more)
    images = torch.from_numpy(whole.parts["train"].inputs).float().div(255)
    images = (images - whole.model.contract.mean[0]) / whole.model.contract.std[0]
    with torch.no_grad():
        outputs = whole.model.module.conv1(images) - whole.model.module.conv1.bias[:, None, None]
    values = outputs.movedim(1, 3).reshape(-1, 8)[:, :4].double()
    assert (values.T @ values / len(values) - torch.eye(4)).abs().max() < 0.01
    start(net, out="stopped", stop=(1, None), **more)
    resumed = start(None, out="stopped", resume=True, settings={}, finish=False)
    assert same(whole.model.module.state_dict(), resumed.model.module.state_dict())
    assert not resumed.model.module.conv1.weight.requires_grad


def test_killed_before_the_first_epoch_it_can_go_on(in_folder):
    whole = start(DROPOUT)
    run = prepare("digits", DROPOUT, settings={"epochs": 2, "batch_size": 128}, out="killed")
    next(run.events())  # and nothing is saved after that
    resumed = start(None, out="killed", resume=True, settings={})
    assert same(weights(whole.folder), weights(resumed.folder))


def test_killed_before_the_report_it_only_measures(in_folder):
    run = start(finish=False)
    said = []
    resumed = prepare("digits", resume=True, say=said.append)
    assert "2 of 2 epochs done" in said[-1]
    assert list(resumed.events()) == []
    resumed.finish()
    assert (run.folder / "report.html").is_file()


def test_a_finished_run_asks_for_more_epochs_and_takes_them(in_folder):
    start()
    with pytest.raises(RecipeError) as caught:
        prepare("digits", resume=True)
    assert (
        str(caught.value) == "runs/digits-net (net): complete after 2 epochs; continue with, for example, --epochs 12"
    )
    about = json.loads(Path("runs/digits-net/recipe.json").read_text())
    del about["validation_fraction"]  # as a version wrote it that had no such setting
    Path("runs/digits-net/recipe.json").write_text(json.dumps(about))
    said = []
    run = start(None, resume=True, settings={"epochs": 3}, say=said.append)
    assert said[0] == "newest run: runs/digits-net (net on digits)"
    assert said[2:4] == ["changed: epochs 2 -> 3", "resuming runs/digits-net: 2 of 3 epochs done"]
    assert said[4].startswith("learning rate: the cosine schedule now spans 3 epochs, not 2: here it is 0.00")
    assert ", where it was 1.5e-" in said[4]
    assert [row["epoch"] for row in run.history] == [1, 2, 3]
    with pytest.raises(RecipeError, match="complete after 3 epochs"):
        prepare("digits", resume=True)


def test_a_run_without_progress_stops_and_says_so(in_folder):
    run = start(settings={"epochs": 6, "lr": 1e-30, "schedule": "constant", "patience": 2})
    assert run.finished
    assert [row["epoch"] for row in run.history] == [1, 2, 3]
    stopped = "stopped after 3 of 6 epochs: none of the last 2 was better on validation (patience 2)"
    assert run.stopped_early == stopped
    assert "3 of 6 epochs of adamw" in (run.folder / "report.html").read_text()
    kept = "model of epoch 3, the last within a standard error of the best validation accuracy (of epoch 1)"
    assert run.chosen_by == kept  # the line of epoch 1 says "best"
    with pytest.raises(RecipeError) as caught:
        prepare("digits", resume=True)
    assert str(caught.value) == f"runs/digits-net (net): {stopped}; continue with --patience 0"
    assert len(start(None, resume=True, settings={"patience": 0}).history) == 6


def test_with_balance_the_balanced_accuracy_chooses(in_folder):
    """Of 10 items of one class and 90 of another, a network that knows the second alone is right in 90%, and half."""
    draw = np.random.default_rng(0)
    x, y = draw.integers(0, 256, (200, 6, 6), dtype=np.uint8), (np.arange(200) % 10 == 0).astype(int)
    run = prepare((x, y), "flatten; linear 2", settings={"epochs": 2, "balance": "sampling"})
    for _ in run.events():
        pass
    result = run.finish()
    recalls = [c.recall for c in result.test.per_class]
    assert result.test.balanced_accuracy == pytest.approx(sum(recalls) / 2)
    assert set(run.history[0]) == {"epoch", "train/loss", "val/loss", "val/balanced_accuracy", "lr", "seconds"}
    assert "best validation balanced accuracy" in run.chosen_by
    assert result.lines()[1].startswith("training balanced accuracy ")
    assert (run.folder / "metrics.csv").read_text().startswith("epoch,train/loss,val/loss,val/balanced_accuracy,lr")


def test_the_newest_run_of_the_data_and_the_net_is_found(in_folder):
    import os

    for net in (TINY, TINY, "lenet5"):
        start(net, stop=(1, 1))
    for i, name in enumerate(("digits-net-2", "digits-lenet5", "digits-net")):
        os.utime(f"runs/{name}/state/state.safetensors", (i, i))
    assert str(prepare("digits", resume=True).folder) == "runs/digits-net"
    assert str(prepare("digits", "lenet5", resume=True).folder) == "runs/digits-lenet5"
    (in_folder / "runs" / "digits-net" / "recipe.json").write_text("{")  # a damaged run is passed over
    os.utime("runs/digits-lenet5/state/state.safetensors", (9, 9))
    assert str(prepare("digits", TINY, resume=True).folder) == "runs/digits-net-2"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"settings": {"seed": 1}}, "was trained with another seed (0, now 1)"),
        ({"net": "flatten; linear 10"}, "was trained with another net; resume with the same"),
        ({"weights": "mine.safetensors"}, "was trained with other weights (none, now mine.safetensors)"),
        ({"data": "others"}, "was trained with other data (digits, now others)"),
    ],
)
def test_what_cannot_change_in_the_middle(in_folder, photos, changes, text):
    photos(in_folder / "others", {str(i): 3 for i in range(10)}, "L")
    start(out="run", stop=(1, 1))
    before = (in_folder / "run" / "recipe.json").read_text()
    with pytest.raises(RecipeError) as caught:
        start(**({"net": None, "out": "run", "resume": True, "settings": {}} | changes))
    assert text in str(caught.value)
    assert "omit --resume to start a new run" in str(caught.value)
    assert (in_folder / "run" / "recipe.json").read_text() == before


def test_other_images_under_the_same_name_are_other_data(in_folder, photos):
    photos(in_folder / "one" / "data", {"cat": 8, "dog": 8})
    photos(in_folder / "two" / "data", {"bus": 8, "car": 8})
    net = "flatten; linear 2"
    start(net, "one/data", out="run", stop=(1, None), settings={"epochs": 2})
    with pytest.raises(RecipeError, match="other classes"):
        start(None, "two/data", out="run", resume=True, settings={})
    photos(in_folder / "more", {"more": 1})
    (in_folder / "more" / "more" / "0.png").rename(in_folder / "one" / "data" / "cat" / "new.png")
    with pytest.raises(RecipeError, match=r"trained on other items \(1 new, the first one/data/cat/new.png"):
        start(None, "one/data", out="run", resume=True, settings={})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("recipe.json", "{"),
        ("recipe.json", "[]"),
        ("recipe.json", None),
        ("state/state.safetensors", "no state"),
    ],
)
def test_a_damaged_run_is_named(in_folder, name, content):
    start(out="run", stop=(1, 1))
    path = in_folder / "run" / name
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(ModelError) as caught:
        prepare("digits", out="run", resume=True)
    assert str(caught.value).startswith(f"run/{name}: ")
    assert "--resume" in str(caught.value)


def test_no_run_to_go_on_with(in_folder):
    with pytest.raises(ModelError, match=r"runs: no run of digits to resume; omit --resume"):
        prepare("digits", resume=True)
    with pytest.raises(ModelError, match=r"elsewhere: no run to resume in it"):
        prepare("digits", resume=True, out="elsewhere")


# ------------------------------------------------------------------------------------------------- what it refuses
@pytest.mark.parametrize(
    ("net", "kind", "text"),
    [
        ("conv 6 5", SpecError, "output 6x4x4 does not match the 10 classes of digits"),
        ("flatten; linear 7", SpecError, "output 7 does not match the 10 classes of digits"),
        ("input 2x8x8; flatten; linear 10", SpecError, "takes 2x8x8, but the data are images: 1, 3 or 4 channels"),
        ("input 64; linear 10", SpecError, "takes 64 words or features, but the data are images"),
        ("conv 6 9; flatten; linear 10", ShapeError, "conv1: a 9x9 window does not fit its 8x8 input"),
        ("linear 10", ShapeError, "linear1: needs a flat input"),
        ("lenet", SpecError, "did you mean 'lenet5'"),
        ("input 1x2x5; flatten", RecipeError, "no weights to train"),
    ],
)
def test_a_net_that_does_not_suit(in_folder, net, kind, text):
    with pytest.raises(kind) as caught:
        prepare("digits", net)
    assert text in str(caught.value)
    assert not list(in_folder.iterdir())


@pytest.mark.parametrize(
    ("data", "net", "text"),
    [
        ("digits", "lenet5", r"start_size=0.5: lenet5 takes images of 1x32x32 only, not of 1x16x16 to begin with"),
        ("digits", TINY, r"takes images of 1x8x8 only, not of 1x4x4"),
        ("shapes:segmentation,n=40,size=16", None, "start_size=0.5: a mask stays as large as its image"),
    ],
)
def test_images_begin_small_only_where_network_and_task_take_it(in_folder, data, net, text):
    with pytest.raises(RecipeError, match=text):
        prepare(data, net, settings={"start_size": 0.5}, out="run")
    assert not (in_folder / "run").exists()


def test_a_net_of_the_zoo_takes_the_datas_channels_and_classes(in_folder, photos):
    photos(in_folder / "data", {"cat": 4, "dog": 4, "owl": 4})
    assert prepare("data", "lenet5").model.contract.input == (3, 32, 32)
    run = prepare("digits", "boat4")
    assert run.model.contract.input == (1, 32, 32)
    assert run.table.layers[-1].output == (10,)


def test_out_must_be_free(in_folder):
    (in_folder / "full").mkdir()
    (in_folder / "full" / "a").write_text("mine")
    (in_folder / "empty").mkdir()
    for taken in ("full", "full/a"):
        with pytest.raises(RecipeError) as caught:
            prepare("digits", TINY, out=taken)
        assert str(caught.value) == f"{taken}: is not empty; use another --out"
    assert prepare("digits", TINY, out="empty").folder.name == "empty"
    with pytest.raises(RecipeError, match="use another --out, or --resume to resume the run in it"):
        prepare("digits", TINY, out="empty")
    assert (in_folder / "full" / "a").read_text() == "mine"


def test_a_folder_that_cannot_be_made(in_folder):
    (in_folder / "runs").write_text("a file in the way")
    with pytest.raises(RecipeError) as caught:
        prepare("digits", TINY)
    assert str(caught.value).startswith("runs/digits-net: cannot be created (")
    assert str(caught.value).endswith("; use another --out")


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta", ""])
def test_a_device_that_is_not_there(in_folder, device):
    with pytest.raises(RecipeError) as caught:
        prepare("digits", TINY, device=device)
    assert str(caught.value).startswith(f"device {device!r} is not available (")
    assert str(caught.value).endswith("; use cpu or auto")


def test_a_full_disk_leaves_the_best_model_so_far(in_folder):
    run = prepare("digits", TINY, settings={"epochs": 3, "batch_size": 128})
    for event in run.events():
        if isinstance(event, Epoch) and event.epoch == 1:
            before = (run.folder / "model.safetensors").read_bytes()
            break

    def full(path, content):
        raise OSError(28, "No space left on device", str(path))

    with pytest.MonkeyPatch.context() as patch:
        for module in ("striate.run.running", "striate.model.model", "striate.learning.checkpoint"):
            patch.setattr(f"{module}.write_safely", full)
        with pytest.raises(OSError, match="No space left"):
            list(run.events())
    assert (run.folder / "model.safetensors").read_bytes() == before
    load(run.folder / "model.safetensors")
    resumed = prepare("digits", out=run.folder, resume=True)
    assert resumed.state.epoch == 1


# ------------------------------------------------------------------------------------------------ the part asked for
def test_the_parts_of_the_data(trained):
    model = load(trained / "model.safetensors")
    counts = {
        part: sum(len(held.arrays) for held in parts_for(model, "digits", part))
        for part in ("train", "val", "test", "all")
    }
    assert counts == {"train": 1293, "val": 144, "test": 360, "all": 1797}  # those of the run
    model.path = None
    with pytest.raises(DataError, match=r"digits: has no val split of its own; a run draws one .* or data with a val/"):
        parts_for(model, "digits", "val")
    with pytest.raises(RecipeError, match=r"split is 'tset'; did you mean 'test'\?"):
        parts_for(model, "digits", "tset")


def test_the_models_own_numbering_holds(in_folder, trained, photos):
    """Folders that hold a part of the classes, or that sort otherwise, are scored by name and not by place."""
    data = open_data("digits")
    for label in (7, 3):
        (in_folder / "some" / str(label)).mkdir(parents=True)
        for k, i in enumerate(np.flatnonzero(data.test.targets == label)[:10]):
            Image.fromarray(data.test.inputs[i]).save(in_folder / "some" / str(label) / f"{k}.png")
    model = load(trained / "model.safetensors")
    held = parts_for(model, "some", "all")
    assert sorted({int(t) for part in held for t in part.arrays.targets}) == [3, 7]
    assert measure(model, *held).accuracy > 0.7
    photos(in_folder / "other", {"cat": 3, "dog": 3})
    with pytest.raises(DataError) as caught:
        parts_for(model, "other")
    assert str(caught.value).startswith("other: its classes cat, dog are none of the model's classes (0, 1")


def test_another_batch_size_does_not_go_on_inside_an_epoch(in_folder):
    start(out="run", stop=(1, 2))
    with pytest.raises(
        RecipeError, match=r"run: stopped inside an epoch of batches of \d+, got 64; resume with --batch-size"
    ):
        prepare("digits", settings={"batch_size": 64}, out="run", resume=True)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"settings": {"augment": "strnog"}}, "'strnog'; did you mean 'strong'"),
        ({"settings": {"balance": "weight"}}, "did you mean 'weights'"),
        ({"settings": {"epochs": 0}}, "epochs must be"),
        ({"resize": "fill"}, "resize is 'fill'; it is one of stretch, fit, crop"),
        ({"out": "full"}, "full: is not empty; use another --out"),
        ({"device": "cuda:99"}, "device 'cuda:99' is not available"),
    ],
)
def test_what_was_typed_wrong_is_refused_before_the_data_is_looked_at(in_folder, given, text):
    (in_folder / "full").mkdir()
    (in_folder / "full" / "notes.txt").write_text("mine")
    with pytest.raises(RecipeError, match=text):
        prepare("no-such-data", **given)


def test_one_thread_is_not_called_threads(in_folder, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    run = start("flatten; linear 10", settings={"epochs": 1})
    text = (run.folder / "report.html").read_text(encoding="utf-8")
    assert ", 1 thread" in text
    assert "1 threads" not in text


@pytest.mark.parametrize(
    ("first", "losses", "grew"),
    [
        (2.3, [9e3, 4e8], True),
        (None, [2.3, 9e3, 4e8], True),  # of a resumed run the first epoch is all that is known
        (2.3, [9e3, 1.2], False),
        (2.3, [2.4], False),
        (2.3, [], False),
    ],
)
def test_a_loss_that_only_grew_is_warned_of(first, losses, grew):
    history = [{"train/loss": loss} for loss in losses]
    run = SimpleNamespace(history=history, first_loss=first, recipe=Recipe(lr=1000))
    said = Run.divergence.fget(run)
    assert bool(said) == grew
    if grew:
        assert said.startswith(
            "the loss grew from 2.3 to 4e+08: training diverged; use a smaller learning rate than lr="
        )


def test_a_run_that_diverges_in_its_first_steps_is_warned_of(tmp_path):
    run = prepare(
        "shapes:n=60,test=20,size=24", out=tmp_path / "run", settings={"epochs": 2, "lr": 10.0}, say=lambda text: None
    )
    list(run.events())
    assert run.divergence.startswith("the loss grew from ")
    assert "training diverged; use a smaller learning rate than lr=10," in run.divergence


def test_a_setting_without_effect_is_noted(in_folder):
    said = []
    start(settings={"momentum": 0.5, "loss": "mse", "label_smoothing": 0.1}, say=said.append, finish=False)
    assert "note: momentum is not used by adamw" in said
    assert "note: label_smoothing is not used by the loss mse" in said


def test_more_threads_than_processors_and_more_batches_than_an_epoch_has_are_noted(in_folder, monkeypatch):
    monkeypatch.setattr("striate.run.running.processors", lambda: 2)
    monkeypatch.setattr("striate.learning.speed.processors", lambda: 2)
    said = []
    run = start(settings={"epochs": 1, "threads": 64, "accumulate": 50}, say=said.append, finish=False)
    assert run.speed.threads == 2
    assert "note: threads is 64, and there are 2 processors: as many threads are used" in said
    assert "note: accumulate is 50, and an epoch has 41 batches: one optimizer step per epoch" in said


@pytest.mark.parametrize("given", [None, "mobilenet_v2", "there/mobilenet_v2-b0353104.pth"])
def test_official_weights_are_the_same_by_name_and_by_file_when_resumed(tmp_path, given):
    begun = EarlierRun(tmp_path, FolderLock(tmp_path), {"init": "auto", "weights": "mobilenet_v2-b0353104.pth"})
    assert begun.filled(RunOptions(weights=given)).weights == "mobilenet_v2-b0353104.pth"
    assert begun.filled(RunOptions(weights="resnet18")).weights == "resnet18"


def test_resumed_with_another_precision_it_is_computed_in_that(in_folder):
    start(out="run")
    settings = {"epochs": 3, "batch_size": 128}
    assert start(out="run", resume=True, settings=settings).speed.precision == "float32"
    settings = {"epochs": 4, "batch_size": 128, "precision": "bf16"}
    said = []
    run = start(out="run", resume=True, settings=settings, tune="9s", say=said.append)
    assert "note: tune is for a new run; this one keeps lr 0.002 and weight decay 0.01" in said
    assert run.speed.precision == json.loads((in_folder / "run" / "recipe.json").read_text())["speed"]["precision"]
    assert run.speed.precision == "bf16"


def test_official_weights_of_images_are_refused_for_texts(in_folder, trained, monkeypatch):
    rows = [f"{'good' if i % 2 else 'bad'} film number {i},{i % 2}" for i in range(40)]
    (in_folder / "texts.csv").write_text("\n".join(["text,label", *rows]))
    found = ("lenet5", in_folder / "lenet5.pth", load(trained / "model.safetensors"))
    monkeypatch.setattr("striate.loading.transfer.official_model", lambda *given: found)
    with pytest.raises(SpecError, match="takes 1x8x8, but a text is one number of words"):
        prepare("texts.csv", weights="lenet5")


def test_a_number_is_the_gpu_of_that_number(monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "zeros", lambda n, device: asked.append(device) or torch.ones(n))
    assert device_named("1") == torch.device("cuda:1") == asked[0]
