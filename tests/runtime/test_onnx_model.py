"""Prediction from an ONNX file: the answers of the model file that it is from, its messages, and no torch."""

import json
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto
from PIL import Image

import striate
import striate.runtime
from small_onnx import CASES, both, by_hand
from striate.errors import ModelError, RecipeError

IMAGES = [case for case, (contract, _) in CASES.items() if contract.mode in ("RGB", "L")]


@pytest.fixture
def photos(tmp_path):
    """A wide, a tall, a grey and a transparent image, and one that is cut short."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (40, 90, 3), np.uint8)).save(folder / "a.jpg")
    Image.fromarray(rng.integers(0, 256, (90, 40, 3), np.uint8)).save(folder / "b.png")
    Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(folder / "c.png")
    Image.fromarray(rng.integers(0, 256, (8, 8, 4), np.uint8)).save(folder / "d.png")
    whole = (folder / "a.jpg").read_bytes()
    (folder / "e.jpg").write_bytes(whole[: len(whole) // 2])
    return folder


def same(a, b, tolerance=1e-5):
    """Whether two answers say the same, their numbers within the rounding of float32."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key], tolerance) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y, tolerance) for x, y in zip(a, b, strict=True))
    return a == pytest.approx(b, rel=tolerance, abs=tolerance) if isinstance(a, float) else a == b


@pytest.mark.parametrize("case", IMAGES)
def test_images_get_the_answers_and_the_messages_of_the_model_file(case, tmp_path, photos):
    model, path = both(case, tmp_path)
    exported, said, more = striate.runtime.load(path), [], {"sets": 0.9} if case == "sure" else {}
    from striate.run.predicting import predictions

    found = [[*predictions(m, str(photos), say=said.append, **more)] for m in (model.path, path)]
    assert len(found[0]) == 5
    for (answer, _), (other, _) in zip(*found, strict=True):
        if isinstance(answer, Exception):
            assert str(answer) == str(other)
            assert "e.jpg" in str(answer)
        else:
            assert same(answer.as_dict(), other.as_dict()), (answer, other)
    assert said[: len(said) // 2] == said[len(said) // 2 :]
    assert exported.contract == model.contract


@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize("case", CASES)
def test_scores_are_those_of_torch(case, size, tmp_path):
    model, path = both(case, tmp_path)
    rng, contract = np.random.default_rng(1), model.contract
    inputs = {
        "values": rng.normal(size=(size, *contract.input)).astype(np.float32),
        "text": rng.integers(0, 4, (size, *contract.input)),
    }.get(contract.mode, rng.integers(0, 256, (size, *contract.input), np.uint8))
    found = striate.runtime.load(path).scores(inputs)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, model.scores(inputs), rtol=1e-4, atol=1e-4)


def test_sentences_and_arrays(tmp_path):
    for case, sources in {"text": ["good good", "a bad day"], "values": np.ones((3, 2, 5), np.float32)}.items():
        model, path = both(case, tmp_path)
        found, expected = (striate.predict(m, sources) for m in (path, model))
        assert [a.as_dict()["class"] for a in found] == [a.as_dict()["class"] for a in expected]
        assert same([a.probability for a in found], [a.probability for a in expected])


def test_a_probability_worked_out_by_hand(tmp_path):
    """Grey 128 is 128/255 = 0.50196, normalised (0.50196 - 0.5) / 0.5 = 0.00392; times the weights' sums."""
    model, path = both("grey", tmp_path)
    linear = next(p for p in model.module.modules() if isinstance(p, torch.nn.Linear))
    z = ((128 / 255 - 0.5) / 0.5) * linear.weight.detach().numpy().sum(1) + linear.bias.detach().numpy()
    expected = np.exp(z) / np.exp(z).sum()
    (answer,) = striate.runtime.load(path).predict(Image.new("L", (20, 20), 128))
    assert dict(answer.top) == pytest.approx(dict(zip(model.contract.classes, expected, strict=True)), abs=1e-5)


def test_evaluate_and_compare_take_the_file(tmp_path):
    model, path = both("grey", tmp_path)
    rng = np.random.default_rng(0)
    named = rng.integers(0, 256, (60, 6, 6), np.uint8), np.array(["cat", "dog", "owl"] * 20)
    found, expected = (striate.evaluate(m, named, split="all") for m in (path, model))
    assert found.accuracy == expected.accuracy
    assert found.loss == pytest.approx(expected.loss, abs=1e-5)
    assert striate.compare(path, model, named, split="all").paired.difference == 0
    with pytest.raises(RecipeError, match="exported file; choose the threshold of the model file, and export that"):
        striate.evaluate(path, named, split="all", accept_error=0.05)


# -------------------------------------------------------------------------------------------------- what is refused
def test_files_that_are_none_of_ours(tmp_path, monkeypatch):
    def why(path):
        with pytest.raises(ModelError) as caught:
            striate.runtime.load(path)
        assert str(caught.value).startswith(str(path))
        return str(caught.value)

    model, path = both("grey", tmp_path)
    assert "file not found; striate export MODEL --to onnx writes one" in why(tmp_path / "no.onnx")
    for name, content in {"empty": b"", "text": b"no model", "cut": path.read_bytes()[:300]}.items():
        (tmp_path / f"{name}.onnx").write_bytes(content)
        assert "onnxruntime cannot read it (" in why(tmp_path / f"{name}.onnx")
    (tmp_path / "folder.onnx").mkdir()
    why(tmp_path / "folder.onnx")
    denied = Mock(side_effect=PermissionError(13, "Permission denied"))
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", denied)
        assert why(path).endswith("grey.onnx: Permission denied")

    def saved(name, about):
        onnx.save(by_hand(model, about), tmp_path / f"{name}.onnx")
        return tmp_path / f"{name}.onnx"

    text = model.contract.to_json()
    assert "not written by striate export" in why(saved("foreign", {}))
    assert "written as 'striate 9', this version reads 'striate 1'; update" in why(
        saved("later", {"striate": "striate 9", "contract": text})
    )
    other = json.dumps(json.loads(text) | {"input": [1, 7, 7]})
    assert "takes input: tensor(uint8) of shape [1, 6, 6], and by its contract it should be" in why(
        saved("another", {"striate": "striate 1", "contract": other})
    )
    assert "contract: not JSON" in why(saved("damaged", {"striate": "striate 1", "contract": "{"}))
    given = json.dumps(json.loads(text) | {"classes": ["a", "b"]})
    assert "should be scores of shape [2]" in why(saved("classes", {"striate": "striate 1", "contract": given}))


def test_weights_outside_the_file_are_refused(tmp_path):
    """A graph whose weights lie in another file of the machine is not read from there."""
    _model, path = both("grey", tmp_path)
    made = onnx.load(path)
    weights = made.graph.initializer[-1]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in {"location": "../../etc/passwd", "offset": "0", "length": "12"}.items():
        weights.external_data.add(key=key, value=value)
    (tmp_path / "out.onnx").write_bytes(made.SerializeToString())
    with pytest.raises(ModelError, match="onnxruntime cannot read it"):
        striate.runtime.load(tmp_path / "out.onnx")


def test_what_takes_no_exported_file_says_who_does(tmp_path):
    _, path = both("grey", tmp_path)
    for call in (striate.load, striate.check, striate.filters, lambda p: striate.wrong_labels(p, "digits")):
        with pytest.raises(ModelError, match=r"grey.onnx: is an exported file, which predict, evaluate and serve take"):
            call(path)


def test_devices_and_augmentation_that_do_not_fit(tmp_path):
    _, path = both("grey", tmp_path)
    with pytest.raises(RecipeError, match="device 'cuda' is not available to onnxruntime; use cpu or auto, or install"):
        striate.predict(path, np.zeros((6, 6), np.uint8), device="cuda")
    with pytest.raises(RecipeError, match="device 'gpu' is unknown"):
        striate.runtime.load(path, device="gpu")
    with pytest.raises(RecipeError, match=r"tta is 'flip', and .*grey.onnx was exported with 'none'; export it anew"):
        striate.predict(path, np.zeros((6, 6), np.uint8), tta="flip")
    assert len(striate.predict(striate.runtime.load(path), np.zeros((6, 6), np.uint8), tta="none", device="auto")) == 1


def test_without_onnxruntime_the_message_has_the_command(tmp_path, monkeypatch):
    _, path = both("grey", tmp_path)
    monkeypatch.setattr("striate.runtime.onnx_model.find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"needs the package onnxruntime: pip install 'striate\[runtime\]'"):
        striate.runtime.load(path)


# ------------------------------------------------------------------------------------------------------ no torch
BLOCKED = """
import sys
sys.modules["torch"] = sys.modules["safetensors"] = None
sys.argv = ["striate", *sys.argv[1:]]
from striate.__main__ import start
start()
"""


def test_the_command_line_predicts_every_task_where_torch_cannot_be_imported(tmp_path, photos):
    for case in IMAGES:
        _, path = both(case, tmp_path)
        words = ["predict", str(path), str(photos / "a.jpg"), str(photos), "--json"]
        run = subprocess.run([sys.executable, "-c", BLOCKED, *words], capture_output=True, text=True, check=False)
        assert run.returncode == 3, run.stderr  # one file is cut short
        assert len(json.loads(run.stdout)) == 5
        assert run.stderr.startswith(f"striate: {photos}/e.jpg: ")
    _, path = both("text", tmp_path)
    words = [sys.executable, "-c", BLOCKED, "predict", str(path), "good"]
    env = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    env |= {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "home")}
    (tmp_path / "home").mkdir()
    run = subprocess.run(words, capture_output=True, text=True, check=False, env=env)
    assert run.stdout.startswith('"good": '), run.stderr
    assert run.returncode == 0
    assert not [*(tmp_path / "home").rglob("*onnxruntime*")]  # the mark of a machine whose use is told to its maker


def test_a_few_files_are_answered_sooner_and_the_same(tmp_path, photos, monkeypatch):
    import onnxruntime

    _, path = both("grey", tmp_path)
    asked, session = [], onnxruntime.InferenceSession

    def noted(file, options, **more):
        asked.append(options.graph_optimization_level.name)
        return session(file, options, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", noted)
    (one,) = striate.predict(path, photos / "a.jpg")
    (photos / "e.jpg").unlink()
    many = striate.predict(path, photos)
    assert asked == ["ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"]
    assert same(one.as_dict(), many[0].as_dict())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "a.safetensors",
            r"a.safetensors: is a model file, which striate.load opens; expected an .onnx that",
        ),
        ("run", r"run: is a folder; striate.load opens that of a run; expected an .onnx"),
        ("a.pt2", r"a.pt2: is a program of torch.export, which torch.export.load opens"),
        ("a.tflite", r"a.tflite: is a TFLite model, which the package ai-edge-litert runs"),
        ("a.xml", r"a.xml: is an OpenVINO model, which the package openvino reads"),
    ],
)
def test_another_kind_of_file_is_named_before_any_package(tmp_path, monkeypatch, name, text):
    monkeypatch.setattr("striate.runtime.onnx_model.find_spec", lambda name: None)
    (tmp_path / name).write_text("") if "." in name else (tmp_path / name).mkdir()
    with pytest.raises(ModelError, match=text):
        striate.runtime.load(tmp_path / name)
