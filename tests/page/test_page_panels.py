"""What a page knows of its run: the numbers of its panels beside those of Python, and their size."""

import base64
import zlib

import numpy as np
import pytest

import striate
from striate.inspect.models.inspected import inspected
from striate.metrics.multilabel import score_multilabel
from striate.metrics.regression import score_regression
from striate.metrics.segmentation import score_segmentation
from striate.model.model import load
from striate.page.panels import BYTES, FEW, SERVED_BYTES, Evaluated, Panels
from striate.report.charts import best_epoch
from striate.run.viewing import view
from striate.tasks import CLASSIFICATION, MULTILABEL, REGRESSION, SEGMENTATION
from striate.tasks.scoring import scoring_of
from striate.tasks.scoring.base import Finding, Findings


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a network that makes mistakes on the built-in digits."""
    folder = tmp_path_factory.mktemp("run") / "run"
    striate.train("conv 4 3; relu; maxpool 2; flatten; linear 10", "digits", epochs=3, out=folder, quiet=True)
    return folder


@pytest.fixture(scope="module")
def about(run):
    return view(run).scene.about


def pixels(tested, shape):
    raw = zlib.decompress(base64.b64decode(tested["pixels"]))
    return np.frombuffer(raw, tested["type"]).reshape(len(tested["items"]), *shape)


def test_the_confusion_matrix_is_that_of_evaluate(run, about):
    scores = striate.evaluate(run, "digits")
    counts = np.zeros((10, 10), int)
    for i, j, n in about["tested"]["confusion"]:
        counts[i, j] = n
    assert np.array_equal(counts, scores.confusion)
    assert counts.sum() == about["tested"]["n"] == scores.n == 360
    assert about["tested"]["headline"] == scores.headline("images")


def test_the_worst_have_the_highest_losses_of_evaluate(run, about):
    scores = striate.evaluate(run, "digits")
    wrong = np.flatnonzero(scores.predictions != scores.targets)
    assert scores.losses.mean() == pytest.approx(scores.loss)
    expected = [
        [f"{scores.targets[i]} \u2192 {scores.predictions[i]}", f"{scores.losses[i]:.2f}"]
        for i in wrong[np.argsort(-scores.losses[wrong])][:24]
    ]
    assert [[what, how.split("loss ")[1]] for _, what, how in about["tested"]["worst"]] == expected


def test_carried_items_are_test_items(run, about):
    """Each is predicted as the panel says."""
    model, tested = load(run), about["tested"]
    items = pixels(tested, model.contract.input)
    found = [answer.class_ for answer in model.predict(list(items))]
    for n, what, _ in tested["worst"] + [row for *_, rows in tested["cells"] for row in rows]:
        assert what.endswith(f"\u2192 {found[n]}")
    (worst, *_), cells = tested["worst"], {(i, j): rows for i, j, rows in tested["cells"]}
    i, j = map(int, worst[1].split(" \u2192 "))
    assert worst[0] in {row[0] for row in cells[i, j]}
    for (i, j), rows in cells.items():  # no more than there are, the most confident first
        shares = [float(how.rstrip("%\u2009 ")) for *_, how in rows]
        assert shares == sorted(shares, reverse=True)
        assert [i, j] in [row[:2] for row in tested["confusion"]]


def test_the_history_is_that_of_the_run(run, about):
    rows = about["history"]["rows"]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    text = (run / "metrics.csv").read_text().splitlines()
    assert [f"{v}" for v in rows[1].values()][1:4] == text[2].split(",")[1:4]
    assert about["history"]["best"] == best_epoch(rows, load(run).contract.task.metric)
    assert about["history"]["metric"] == {"column": "val/accuracy", "title": "Accuracy", "share": True}


def test_layers_have_the_numbers_of_check(run, about):
    table = striate.check(load(run)).layers
    for layer, row in zip(about["layers"], table, strict=True):
        assert (layer["name"], layer["text"], layer["parameters"], layer["macs"]) == (
            row.name, row.op, row.parameters, row.macs,
        )  # fmt: skip
        assert layer["field"] == row.receptive_field


def test_where_cells_lie(about):
    """A convolution of 3 and a pooling of 2: the centres are 1 and 1.5 pixels in, 1 and 2 apart."""
    grids = {layer["op"]: layer["grid"] for layer in about["layers"]}
    assert grids["conv"] == (1, 1, 1, 1)
    assert grids["maxpool"] == (1.5, 1.5, 2, 2)


def trial(n, size, cells=()):
    inputs = np.random.default_rng(0).integers(0, 256, (n, 1, size, size), np.uint8)
    worst = tuple(Finding(i, f"{i}", "") for i in range(24))
    return Evaluated("", Findings("", worst, cells=dict(cells)), inputs, [f"item {i}" for i in range(n)])


def test_large_items_are_few():
    """Pixels that cannot be packed: as many as there is room for, and never less than a dozen of the worst."""
    small, large = trial(100, 20).document(), trial(30, 300).document()
    assert len(small["worst"]) == 24
    assert len(large["items"]) == len(large["worst"]) == FEW
    many = trial(400, 20, {(0, 1): [Finding(i, "", "") for i in range(400)]}).document()
    assert 24 < len(many["items"]) == len(many["cells"][0][2]) < 400
    assert len(many["pixels"]) <= BYTES * 4 / 3 + 1000
    cell = {(0, 1): [Finding(i, "", "") for i in range(400)]}
    assert len(trial(400, 20, cell).document(SERVED_BYTES)["items"]) == 400


def test_a_page_that_is_served_has_more_items(run, about):
    served = view(run).scene.served().about["tested"]
    assert served["worst"] == about["tested"]["worst"]
    assert served["confusion"] == about["tested"]["confusion"]
    counts = {(i, j): n for i, j, n in served["confusion"]}
    assert {(i, j): len(rows) for i, j, rows in served["cells"]} == {at: min(24, n) for at, n in counts.items()}


def test_mistakes_come_before_what_is_right():
    cells = {(0, 0): [Finding(50, "", "")], (0, 1): [Finding(60, "", ""), Finding(61, "", "")]}
    assert trial(100, 20, cells).document()["items"][24:] == ["item 60", "item 61", "item 50"]


def test_a_number_that_is_none_leaves_a_gap():
    rows = [{"epoch": 1.0, "train/loss": float("nan"), "val/loss": float("inf")}]
    found = Panels(rows, CLASSIFICATION.metric, 1).document()["history"]["rows"]
    assert found == [{"epoch": 1.0, "train/loss": None, "val/loss": None}]


def test_a_network_without_a_run_has_none():
    about = view("lenet5").scene.about
    assert not {"history", "tested", "first"} & about.keys()
    assert inspected("lenet5").model.path is None


def test_what_each_task_finds():
    """Of regression the items furthest off, with the names of several values; of masks the lowest IoU."""
    scores = score_regression([[1.0, 2], [4, 9]], [[1, 2], [2, 6]], ["x", "y"])
    found = scoring_of(REGRESSION).findings(scores)
    assert found.worst[0] == Finding(1, "x 2 \u2192 4, y 6 \u2192 9", "off by x 2, y 3")
    one = scoring_of(REGRESSION).findings(score_regression([[1.0], [4.0]], [[1.0], [2.5]], ["age"]))
    assert one.worst[0] == Finding(1, "2.5 \u2192 4", "off by 1.5")
    masks = np.array([[[0, 1]], [[1, 1]]], np.uint8), np.array([[[0, 1]], [[0, 1]]], np.uint8)
    found = scoring_of(SEGMENTATION).findings(score_segmentation([masks], ["a", "b"], ["p/0.png", "p/1.png"]))
    assert (found.worst[0].index, found.worst[0].what, found.counted) == (1, "1.png", "pixels")
    assert found.confusion.tolist() == [[1, 1], [0, 2]]
    logits = np.array([[3.0, -3], [3, 3]])
    found = scoring_of(MULTILABEL).findings(score_multilabel(logits, np.array([[1, 0], [0, 0]]), ["cat", "dog"]))
    assert [(f.index, f.what) for f in found.worst] == [(1, "no label \u2192 cat, dog")]
