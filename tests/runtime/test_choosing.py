"""Engines of an exported file: they say the same; the fastest that is right is chosen and kept."""

import json

import numpy as np
import pytest

import striate
from small_onnx import CASES, both
from striate.errors import ModelError, RecipeError
from striate.runtime import OnnxModel, choosing, load, load_fastest
from striate.runtime.onnx_model import ENGINES

FAST, SLOW = 0.001, 0.002


@pytest.mark.parametrize("case", CASES)
def test_openvino_gives_the_scores_of_onnxruntime(case, tmp_path):
    _, path = both(case, tmp_path)
    inputs = choosing._some(load(path).contract)
    found = load(path, engine="openvino").scores(inputs)
    np.testing.assert_allclose(found, load(path).scores(inputs), rtol=1e-4, atol=1e-4)


@pytest.fixture
def engines(tmp_path, monkeypatch):
    """How long each engine takes is as said here, and the file for which one is chosen; no clock is read."""
    _, path = both("grey", tmp_path)
    taken = {"onnxruntime": SLOW, "openvino": FAST}
    monkeypatch.setattr(choosing, "_clocked", lambda model, _: taken[model.engine])
    return path, taken


def chosen(path, **more):
    said = []
    return load_fastest(path, say=said.append, **more), said


def test_the_fastest_is_chosen_said_and_kept(engines):
    path, taken = engines
    model, said = chosen(path)
    assert model.engine == "openvino"
    assert said == [
        "computed by openvino float32; measured, 64 items at a time: openvino float32 1.0 ms, "
        "onnxruntime float32 2.0 ms"
    ]
    taken["openvino"] = 9.0  # which is not measured again
    assert chosen(path)[0].engine == "openvino"
    note = path.with_name("grey.onnx.engine.json")
    kept = json.loads(note.read_text())
    note.write_text(json.dumps(kept | {"here": kept["here"] | {"machine": "another"}}))
    assert chosen(path)[0].engine == "onnxruntime"


def test_for_other_threads_it_is_measured_anew(engines):
    path, taken = engines
    assert chosen(path, threads=1)[0].engine == "openvino"
    taken["openvino"] = 9.0
    assert chosen(path, threads=1)[0].engine == "openvino"
    assert chosen(path, threads=2)[0].engine == "onnxruntime"
    here = [choosing._here(path, "float32", {"device": device}) for device in ("cpu", "cuda")]
    assert here[0] != here[1]
    assert here[0] == choosing._here(path, "float32", {})


def test_on_another_device_openvino_is_not_tried(engines, monkeypatch):
    path, _ = engines
    monkeypatch.setattr("striate.runtime.onnx_model._providers", lambda device, there: ["CPUExecutionProvider"])
    assert chosen(path, device="cuda")[0].engine == "onnxruntime"


def test_a_little_faster_is_not_enough(engines):
    path, taken = engines
    taken["openvino"] = SLOW / 1.05
    assert chosen(path)[0].engine == "onnxruntime"


def test_an_engine_that_says_something_else_is_not_chosen(engines, monkeypatch):
    path, _ = engines
    plain, by = OnnxModel.scores, {"onnxruntime": 1, "openvino": 1.01}
    monkeypatch.setattr(OnnxModel, "scores", lambda self, x: plain(self, x) * by[self.engine])
    model, said = chosen(path)
    assert model.engine == "onnxruntime"
    assert "openvino" not in said[0]


def test_without_openvino(engines, monkeypatch):
    path, _ = engines
    monkeypatch.setattr(choosing, "find_spec", lambda name: None)
    assert chosen(path)[0].engine == "onnxruntime"
    monkeypatch.setattr("striate.runtime.onnx_model.find_spec", lambda name: name != "openvino" or None)
    with pytest.raises(ModelError, match=r"grey.onnx: needs the package openvino: pip install openvino"):
        load(path, engine="openvino")


def test_predict_takes_the_engine_and_the_precision(tmp_path):
    model, path = both("grey", tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (5, 6, 6), np.uint8)
    plain = striate.predict(path, images)
    said = []
    for more in ({"engine": "openvino"}, {"engine": "auto"}, {"engine": "openvino", "precision": "bf16"}):
        found = striate.predict(path, images, say=said.append, **more)
        assert [a.class_ for a in found] == [a.class_ for a in plain]
        assert [a.probability for a in found] == pytest.approx([a.probability for a in plain], abs=0.02)
    assert said[0].startswith("computed by ")
    rounded = striate.predict(model, images, precision="bf16")
    assert [a.probability for a in rounded] == pytest.approx([a.probability for a in plain], abs=0.02)
    assert [a.probability for a in rounded] != [a.probability for a in plain]
    assert model.precision == "float32"


def test_engines_and_precisions_that_there_are_not(tmp_path):
    model, path = both("grey", tmp_path)
    image = np.zeros((6, 6), np.uint8)
    for given, more, message in [
        (path, {"engine": "openvin"}, "engine is 'openvin'; did you mean 'openvino'"),
        (path, {"precision": "fp64"}, "precision is 'fp64'; it is one of float32, bf16"),
        (path, {"precision": "bf16"}, "precision bf16 is of the engine openvino; use both, or neither"),
        (
            path,
            {"engine": "openvino", "device": "cuda"},
            "device 'cuda' is of the engine onnxruntime; openvino computes on the cpu; omit one",
        ),
        (
            load(path),
            {"engine": "auto"},
            "engine auto is chosen when an exported file is loaded, and .*grey.onnx is; om",
        ),
        (load(path), {"precision": "bf16"}, "precision bf16 is chosen when an exported file is loaded, "),
        (load(path), {"device": "cuda"}, "device cuda is chosen when an exported file is loaded, "),
        (model, {"precision": "fp64"}, "precision is 'fp64'; it is one of float32, bf16"),
        (
            model.path,
            {"engine": "openvino"},
            r"engine openvino is of an exported file \(.onnx\), and .* is none; omit it",
        ),
    ]:
        with pytest.raises(RecipeError, match=message):
            striate.predict(given, image, **more)


def test_an_engine_may_be_asked_by_several_threads(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    _, path = both("classification", tmp_path)
    for engine in ENGINES:
        model = load(path, engine=engine)
        batches = [np.full((2, 3, 8, 8), i, np.uint8) for i in range(40)]
        with ThreadPoolExecutor(8) as pool:
            found = [*pool.map(model.scores, batches)]
        for scores, batch in zip(found, batches, strict=True):
            np.testing.assert_allclose(scores, model.scores(batch), rtol=1e-5, atol=1e-5)
