"""Wrong labels by a model that was trained on them: the planted ones come first, in every task; ``doctor --model``."""

import json
import re

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler
from torch import nn

import striate
from striate.diagnosis.nearest import nearest_items
from striate.errors import ModelError, RecipeError
from striate.learning import Epoch
from striate.learning.features import _folds as folds
from striate.learning.features import cross_validated_scores, item_features
from striate.run.labelling import features_of, wrong_labels_of
from striate.run.measuring import parts_for
from striate.run.series import series_plan
from striate.tasks import CLASSIFICATION

SLOW = pytest.mark.slow


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """The digits with 5% wrong labels as an .npz, a model trained on it, and which of its items are wrong."""
    folder = tmp_path_factory.mktemp("noisy")
    data, rng = striate.open_data("digits"), np.random.default_rng(0)
    x, wrong = {}, []
    for split, part in data.parts.items():
        n = len(part)
        where = np.isin(np.arange(n), rng.choice(n, n // 20, replace=False))
        labels = np.where(where, (part.labels + rng.integers(1, 10, n)) % 10, part.labels)
        copy = np.append(labels, (labels[-1] + 1) % 10)  # the last item once more, with another label
        x |= {f"x_{split}": np.concatenate([part.inputs, part.inputs[-1:]]), f"y_{split}": copy}
        wrong.append(np.append(where, False))
    np.savez(folder / "noisy.npz", **x)
    net = "conv 16 3 padding=1; relu; maxpool 2; conv 32 3; relu; flatten; linear 10"
    striate.train(net, folder / "noisy.npz", epochs=6, out=folder / "run", quiet=True)
    return folder, np.concatenate(wrong)


def test_planted_errors_are_found_by_the_model_that_learned_them(noisy):
    folder, wrong = noisy
    found = striate.wrong_labels(folder / "run", folder / "noisy.npz", say=print)
    assert found.names[0] == "noisy train 0"
    assert len(found.names) == len(wrong)
    first = np.argsort(found.errors.quality, kind="stable")[: len(wrong) // 10]
    assert wrong[first].sum() >= 0.9 * wrong.sum()
    named = [suspect.index for suspect in found.errors.wrong]
    assert wrong[named].mean() > 0.8
    assert found.as_dict()["wrong"][0].keys() == {"item", "given", "suggested", "quality"}


def test_doctor_names_them_with_what_the_model_says(noisy, cli):
    folder, wrong = noisy
    answer = cli("doctor", folder / "noisy.npz", "--model", folder / "run", "--json")
    problems = {problem["kind"]: problem for problem in json.loads(answer.out)["problems"]}
    suspects = problems["wrong-label"]
    assert suspects["severity"] == "warning"
    assert len(suspects["notes"]) == len(suspects["files"]) == suspects["n"]
    assert all(" -> " in note for note in suspects["notes"])
    assert not {*suspects["files"]} & {*problems["two-labels"]["files"]}  # copies are told by that
    text = cli("doctor", folder / "noisy.npz", "--model", folder / "run").out
    shown = " ".join(text.split())
    assert f"{suspects['n']} of {len(wrong):,} labels look wrong: a model that has not seen the item" in shown
    assert f"{suspects['files'][0]} {suspects['notes'][0]}" in shown
    assert "wrong-label" not in cli("doctor", folder / "noisy.npz").out


def test_doctor_shows_them(noisy, cli, in_folder):
    folder, _ = noisy
    answer = cli("doctor", folder / "noisy.npz", "--model", folder / "run", "-o", "labels.html")
    assert answer.err.endswith("wrote labels.html\n")
    page = (in_folder / "labels.html").read_text()
    found = striate.wrong_labels(folder / "run", folder / "noisy.npz", say=print)
    for suspect in found.errors.wrong:
        assert f"<b>{suspect.given} → {suspect.suggested}</b>" in page
        assert f"<small>{found.names[suspect.index]}</small>" in page
    assert page.count("<img ") == len(found.errors.wrong)
    answer = cli("doctor", folder / "noisy.npz", "-o", "labels.html")
    assert answer.code == 2
    assert "--out shows labels that look wrong to a model; add --model RUN" in " ".join(answer.err.split())


def test_the_report_shows_wrong_labels_and_mistakes_beside_what_they_resemble(noisy):
    folder, wrong = noisy
    page = (folder / "run" / "report.html").read_text()
    start, end = page.index("<h2>Labels that look wrong</h2>"), page.index("<h2>Classes</h2>")
    labels = page[start:end]
    count, n = re.search(r"<p>(\d+) of ([\d,]+) labels", labels).groups()
    assert int(n.replace(",", "")) == len(wrong)
    assert 0.7 * wrong.sum() < int(count) < 1.3 * wrong.sum()
    shown = [int(name) + (1438 if split == "test" else 0) for split, name in re.findall(r"noisy (\w+) (\d+)<", labels)]
    assert len(shown) == 24
    assert wrong[shown].mean() > 0.9
    beside = page[page.index("Mistakes beside the nearest training items") : start]
    assert beside.count('class="beside"') == 6
    assert beside.count("noisy train") == 30
    assert "Weak slices" in page


def test_nearest_items_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    items, queries = rng.normal(3, 2, (300, 12)) * np.arange(1, 13), rng.normal(3, 2, (40, 12)) * np.arange(1, 13)
    scaler = StandardScaler().fit(items)
    known = NearestNeighbors(metric="cosine").fit(scaler.transform(items))
    expected = known.kneighbors(scaler.transform(queries), 5, return_distance=False)
    assert nearest_items(queries, items, 5).tolist() == expected.tolist()
    assert nearest_items(queries[:0], items).shape == (0, 4)
    assert nearest_items(queries, items[:2]).shape == (40, 2)
    assert nearest_items(items[7:8], items, 1).tolist() == [[7]]


def test_doctor_says_what_is_wrong_with_the_model(noisy, cli):
    answer = cli("doctor", "shapes", "--model", noisy[0] / "run")
    assert answer.code == 3
    assert "none of the model's classes" in answer.err


@pytest.mark.parametrize("task", [pytest.param("regression", marks=SLOW), "multilabel", "segmentation"])
def test_planted_errors_of_other_tasks(task, tmp_path):
    net = {"segmentation": "conv 9 3 padding=1", "regression": "conv 8 5; relu; adaptiveavgpool 4; flatten; linear 3"}
    net["multilabel"] = net["regression"].replace("linear 3", "linear 8")
    data = striate.open_data(f"shapes:{task},n=120,test=20")
    model = striate.train(net[task], data, epochs=3, out=tmp_path / "run", quiet=True)
    held = parts_for(model, data, "train")
    targets = held[0].arrays.targets
    before = wrong_labels_of(model, held).errors.quality
    assert len(before) == len(targets) > 100
    if task == "segmentation":
        held[0].source.targets[5] = 8
    else:
        targets[5] = targets[5] + 20 if task == "regression" else 1 - targets[5]
    after = wrong_labels_of(model, held).errors.quality
    assert after[5] < before[5]
    assert (after < after[5]).sum() < 10


@pytest.mark.parametrize(
    "task", ["classification", pytest.param("regression", marks=SLOW), pytest.param("segmentation", marks=SLOW)]
)
def test_the_folds_of_a_cross_validation_judge_the_items_that_they_were_tested_on(task, tmp_path, capsys):
    net = {
        "classification": "flatten; linear 10",
        "regression": "flatten; linear 3",
        "segmentation": "conv 9 3 padding=1",
    }
    data = "digits" if task == "classification" else f"shapes:{task},n=60,test=10"
    striate.train_series(net[task], data, folds=3, epochs=2, out=tmp_path / "series", quiet=True)
    found = striate.wrong_labels(tmp_path / "series", data)
    n = {"classification": 1437, "regression": 60, "segmentation": 60}[task]
    assert len(found.names) == len(set(found.names)) == len(found.errors.quality) == n
    assert f"note: {n:,} items, each judged by the fold that was tested on it" in capsys.readouterr().err
    if task == "classification":
        own = striate.load(tmp_path / "series" / "fold-1")
        (held,) = parts_for(own, data, "test")
        assert held.arrays.names == found.held[0].arrays.names
        p = torch.from_numpy(own.scores(held.arrays.inputs)).double().softmax(1).numpy()
        at, y = np.arange(len(p)), held.arrays.targets
        other = np.where(np.eye(10, dtype=bool)[y], 0, p).max(1)
        assert found.errors.quality[: len(p)] == pytest.approx(p[at, y] / (p[at, y] + other))
        with pytest.raises(RecipeError, match="split is 'val': the folds of a cross-validation judge all items"):
            striate.wrong_labels(tmp_path / "series", data, split="val")


def test_only_finished_folds_judge(tmp_path, capsys):
    """An interrupted fold has a model too: of an epoch in its middle."""
    plan = series_plan("flatten; linear 10", "digits", folds=3, epochs=2, baseline=False, out=tmp_path / "cv")
    with pytest.raises(ModelError, match="cv: file not found; a trained model is what striate train writes"):
        striate.wrong_labels(tmp_path / "cv", "digits")
    for member in plan.series.members[:2]:
        run = plan.prepare(member)
        if member.fold == "1/3":
            next(event for event in run.events() if isinstance(event, Epoch))
            run.lock.give_back()
            with pytest.raises(ModelError, match=r"fold-1: no fold is finished; go on with striate train DATA --out"):
                striate.wrong_labels(tmp_path / "cv", "digits")
        else:
            list(run.events())
            run.finish()
    found = striate.wrong_labels(tmp_path / "cv", "digits")
    (held,) = parts_for(striate.load(tmp_path / "cv/fold-2"), "digits", "test")
    assert found.names == held.arrays.names
    said = capsys.readouterr().err
    assert f"note: not finished, so that nothing judges their items: {tmp_path}/cv/fold-1, {tmp_path}/cv/fold-3" in said


def test_a_network_without_maps_has_features_too():
    for net, shape, sizes in (
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 2)), (3, 1, 8, 8), (5, 5)),
        (nn.Sequential(nn.Conv1d(2, 6, 3), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(6, 2)), (3, 2, 9), (6, 6)),
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 2, 1), nn.AdaptiveAvgPool2d(1)), (3, 1, 8, 8), (4, 16)),
        (
            nn.Sequential(nn.Conv2d(1, 300, 1), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(300, 2)),
            (2, 1, 4, 4),
            (300, 300),
        ),
    ):
        found = item_features(net, [torch.randn(shape), torch.randn(shape)])
        assert (found.head.shape[1], found.maps.shape[1]) == sizes
        assert len(found.head) == 2 * shape[0]
        assert not net[0]._forward_hooks
        assert not net[0]._forward_pre_hooks


def test_the_features_are_what_goes_into_the_last_layer(noisy):
    model = striate.load(noisy[0] / "run")
    (held,) = parts_for(model, noisy[0] / "noisy.npz", "test")
    found = features_of(model, [held])
    head = model.module.get_submodule("linear1")
    assert head(found.head).detach().numpy() == pytest.approx(model.scores(held.arrays.inputs), abs=1e-4)


def test_no_item_decides_its_own_score():
    """Another label for an item changes others' scores, never those of its fold."""
    torch.manual_seed(0)
    x, y = torch.randn(60, 3), torch.arange(60) % 3
    before = cross_validated_scores(x, y, 3, task=CLASSIFICATION)
    fold = folds(y, None)
    assert torch.bincount(fold).tolist() == [12] * 5
    assert all(torch.bincount(fold[y == k]).tolist() == [4] * 5 for k in range(3))
    other = torch.where(fold == fold[7], (y + 1) % 3, y)  # all labels of one fold, in classes as they are
    after = cross_validated_scores(x, other, 3, task=CLASSIFICATION)
    if torch.equal(folds(other, None), fold):
        assert torch.equal(before[fold == fold[7]], after[fold == fold[7]])


def test_items_of_a_group_are_in_one_fold():
    groups = torch.arange(60) // 4
    fold = folds(torch.zeros(60, dtype=torch.int64), groups)
    assert all(len(set(fold[groups == group].tolist())) == 1 for group in range(15))
    one = cross_validated_scores(torch.randn(9, 2), torch.arange(9) % 3, 3, task=CLASSIFICATION, groups=torch.zeros(9))
    assert (one == 0).all()  # no other group says anything
