"""Every net of the zoo and real data of every task through ONNX: probabilities to 0.0001, and no label flips."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import striate
from striate.analysis import infer
from striate.exporters.comparing import compare_file, generated
from striate.exporters.onnx import OnnxRunner, write_onnx
from striate.exporters.write import small_input, trial
from striate.model.contract import Contract
from striate.model.model import Model
from striate.spec import Embedding, lower
from striate.tasks import task_named
from striate.zoo import ZOO

DATA = Path(__file__).parents[3] / "shared" / "data"
realdata = [pytest.mark.slow, pytest.mark.realdata, pytest.mark.skipif(not DATA.is_dir(), reason="no shared data")]


def zoo_model(name: str) -> Model:
    """The net with random weights that keep its values alive, on a small input where it takes one."""
    entry = ZOO[name]
    graph = lower(entry.make(), entry.input)
    graph = lower(entry.make(), small_input(graph))
    assert graph.input is not None
    shape, outputs = graph.input, infer(graph)[0][graph.output][0]
    more: dict[str, Any] = {"task": entry.task}
    if task_named(entry.task).standardised:
        more |= {"target_mean": (3.0,) * outputs, "target_std": (2.0,) * outputs}
    if task_named(entry.task).per_pixel:
        more |= {"mask_values": tuple(range(outputs))}
    words = next((node.op.words for node in graph.nodes if isinstance(node.op, Embedding)), 0)
    channels = 0 if words else shape[0]
    mode = "text" if words else {1: "L", 3: "RGB"}[channels] if len(shape) == 3 else "values"
    vocabulary = tuple(f"w{i}" for i in range(2, words))
    names = tuple(f"class {i}" for i in range(outputs))
    contract = Contract(names, shape, mode, (0.45,) * channels, (0.25,) * channels, vocabulary=vocabulary, **more)
    return Model(trial(graph)[1], contract)


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
def test_every_net_of_the_zoo(name: str, tmp_path: Path) -> None:
    model = zoo_model(name)
    write_onnx(model, tmp_path / "net.onnx")
    items = generated(model.contract, 7)
    found = compare_file(model, OnnxRunner(tmp_path / "net.onnx"), items, [*map(str, range(7))], "generated inputs")
    assert found.max_difference <= 1e-4
    assert found.scores_difference <= 1e-4
    assert found.label_flips == 0


def check_export(data: Any, tmp_path: Path, items: int, net: Any = None, **settings: Any) -> None:
    """Trains for a moment, exports, and has all *items* compared."""
    striate.train(net, data, out=tmp_path / "run", quiet=True, epochs=1, **settings)
    done = striate.export(tmp_path / "run", "onnx", compare=data, out=tmp_path / "a.onnx")
    assert done.comparison is not None
    assert done.comparison.items >= items
    assert done.max_difference <= 1e-4
    assert done.label_flips == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["classification", "regression", "count", "multilabel", "segmentation", "grey", "plain"]
)
def test_shapes(kind: str, tmp_path: Path) -> None:
    check_export(f"shapes:{kind}", tmp_path, 300, fraction=0.1)


@pytest.mark.slow
def test_digits(tmp_path: Path) -> None:
    check_export("digits", tmp_path, 360)


@pytest.mark.parametrize(
    ("name", "net", "items", "settings"),
    [
        pytest.param("mnist", "lenet5", 500, {"fraction": 0.1}, marks=realdata),
        pytest.param("camvid", "unet_small", 100, {"fraction": 0.1, "input": (3, 96, 128)}, marks=realdata),
        pytest.param("polarity", None, 300, {}, marks=realdata),
    ],
)
def test_real_data(name: str, net: str | None, items: int, settings: dict[str, Any], tmp_path: Path) -> None:
    check_export(DATA / name, tmp_path, items, net, **settings)


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.skipif(not DATA.is_dir(), reason="no shared data")
def test_cifar(tmp_path: Path) -> None:
    """Of the JPEG copy the first images of each class."""
    seen: dict[tuple[str, str], int] = {}
    with zipfile.ZipFile(DATA / "cifar10-jpeg.zip") as archive:
        for name in archive.namelist():
            split, class_, *_ = (*Path(name).parts, "", "")
            seen[split, class_] = seen.get((split, class_), 0) + name.endswith(".jpg")
            if name.endswith(".jpg") and seen[split, class_] <= (50 if split == "train" else 20):
                archive.extract(name, tmp_path / "cifar")
    check_export(tmp_path / "cifar", tmp_path, 200, "resnet20")


def test_one_net_of_the_zoo_with_what_onnx_has_no_word_for(tmp_path: Path) -> None:
    """LeNet-5 of 1998 sums its windows, which torch's exporter turns into means without a word."""
    model = zoo_model("lenet5_1998")
    write_onnx(model, tmp_path / "net.onnx")
    items = generated(model.contract, 3)
    np.testing.assert_allclose(OnnxRunner(tmp_path / "net.onnx")(items)[1], model.scores(items), rtol=1e-4)
