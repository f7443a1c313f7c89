"""Models as TFLite files: what needs no package, and, where litert-torch is installed, the files in LiteRT."""

from __future__ import annotations

import io
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import striate
from exporters.test_exported_models import MODELS, heavier, model_of, write
from striate.cli.export import _verified
from striate.errors import SpecError
from striate.exporters import FORMATS, ExportError, exported, standalone
from striate.exporters.comparing import generated
from striate.exporters.other_formats import write_tflite
from striate.model.contract import Contract
from striate.model.predictor import meaning


def litert(module: str) -> Any:
    """The package; where it is not installed the test is skipped."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own packages
        return pytest.importorskip(module)


def test_the_missing_package_is_named_with_its_command(trained: Path, cli, in_folder, monkeypatch) -> None:
    monkeypatch.setattr(exported, "find_spec", lambda name: None)
    answer = cli("export", trained, "--to", "tflite")
    assert answer.code == 1
    said = "not written: it needs the package litert_torch: pip install 'striate[tflite]'\n"
    assert answer.err.endswith(said)
    assert [*in_folder.iterdir()] == []


def test_the_command_line_knows_the_format(trained: Path, cli, in_folder) -> None:
    answer = cli("export", trained, "--to", "tflit")
    assert (answer.code, answer.err) == (2, "striate: --to tflit: no such format; did you mean 'tflite'?\n")
    answer = cli("export", trained, "--to", "tflite", "-o", "a.onnx")
    assert (answer.code, answer.err) == (2, "striate: a.onnx: give a name that ends in .tflite\n")
    assert "tflite" in cli("export", "--help").out


@pytest.mark.parametrize(
    ("head", "names", "ours"),
    [
        (b"\x1c\0\0\0TFL3", ("striate", "contract", "net"), True),
        (b"\x1c\0\0\0TFL3", ("labels.txt",), False),
        (b"\x1c\0\0\0ORTM", ("striate", "contract"), False),
        (b"\x1c\0\0\0TFL3 striate contract", (), False),
        (b"", (), False),
    ],
)
def test_only_its_own_file_is_overwritten(head: bytes, names: tuple[str, ...], ours: bool, tmp_path: Path) -> None:
    content = io.BytesIO(head)
    if names:
        with ZipFile(content, "a") as archive:
            for name in names:
                archive.writestr(ZipInfo(name), "{}")
    path = tmp_path / "a.tflite"
    path.write_bytes(content.getvalue())
    assert FORMATS["tflite"].is_own(path) == ours
    if not ours:
        with pytest.raises(SpecError, match=r"a.tflite: already exists, and was not written by this command"):
            write(model_of("regression"), path, "tflite")
        assert path.read_bytes() == content.getvalue()


class Itself:
    """In place of a runtime: the model's own answers."""

    def __init__(self, model: striate.Model) -> None:
        self.model, self.metadata = model, {"contract": model.contract.to_json()}
        self.taken: list[int] = []

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.taken.append(len(x))
        scores = self.model.scores(x)
        return meaning(scores, self.model.contract), scores


def test_of_a_file_for_one_item_no_batches_are_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of("multilabel")
    stub = replace(FORMATS["tflite"], write=lambda model, path: path.touch(), run=lambda path: running)
    monkeypatch.setitem(FORMATS, "tflite", stub)
    running = Itself(model)
    done = write(model, tmp_path / "a.tflite", "tflite")
    assert done.comparison is not None
    assert (done.comparison.items, done.comparison.batch_sizes) == (15, (1,))
    assert running.taken == [7, 7, 1]  # which the file's own runner takes apart; each item once
    assert _verified(done)[0] == "compared on 15 items of generated inputs, one at a time"


@pytest.mark.parametrize(("rank", "adaptive"), [*enumerate(standalone.MAX_POOLS, 1)], ids=["1d", "2d", "3d"])
def test_adaptive_max_pooling_in_other_words(rank: int, adaptive: Any) -> None:
    """Torch's own is the witness; what no equal windows give stays as it is."""
    x = torch.randn(2, 3, *(4, 6, 9)[:rank])
    for out in (1, 2, 4, (2, 3, 3)[:rank], (2, None, 1)[:rank], (2, 4, 5)[:rank]):
        expected = adaptive(x, out)
        with standalone._Expressible():
            torch.testing.assert_close(adaptive(x, out), expected, rtol=0, atol=0)
    with standalone._Expressible():
        values, places = adaptive(x, 1, return_indices=True)
    torch.testing.assert_close(x.flatten(2).gather(2, places.flatten(2)), values.flatten(2))
    graph = torch.export.export(_Pooled(), (torch.zeros(1, 2, 8),)).graph
    assert not [node for node in graph.nodes if "adaptive" in str(node.target)]


class _Pooled(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with standalone._Expressible():
            return F.adaptive_max_pool1d(x, 2)


FAST = ("regression", "text")


@pytest.mark.parametrize("kind", [pytest.param(k, marks=() if k in FAST else pytest.mark.slow) for k in MODELS])
def test_every_task_in_litert(kind: str, tmp_path: Path) -> None:
    """By this test's own interpreter, with the names, types and order that docs/export.md says."""
    litert("litert_torch")
    model, path = model_of(kind), tmp_path / "a.tflite"
    done = write(model, path, "tflite")
    assert (done.files, done.label_flips) == ((path,), 0)
    assert done.max_difference < 1e-5
    interpreter = litert("ai_edge_litert.interpreter").Interpreter(str(path))
    interpreter.allocate_tensors()
    (taken,), given = interpreter.get_input_details(), interpreter.get_output_details()
    first = "values" if kind == "regression" else "probabilities"
    (signature,) = interpreter.get_signature_list().values()
    assert (signature["inputs"], {*signature["outputs"]}) == (["input"], {first, "scores"})
    dtype = {"text": np.int32, "values": np.float32}.get(model.contract.mode, np.uint8)
    assert (taken["dtype"], [*taken["shape"]]) == (dtype, [1, *model.contract.input])
    for item in generated(model.contract, 5):
        interpreter.set_tensor(taken["index"], item[None].astype(dtype))
        interpreter.invoke()
        outputs = [interpreter.get_tensor(output["index"]) for output in given]
        scores = model.scores(item[None])
        np.testing.assert_allclose(outputs[1], scores, atol=1e-5)
        np.testing.assert_allclose(outputs[0], meaning(scores, model.contract), rtol=1e-5, atol=1e-6)


def test_a_run_as_tflite(trained: Path, cli, in_folder) -> None:
    litert("litert_torch")
    answer = cli("export", trained, "--to", "tflite", "-o", "a.tflite")
    assert answer.code == 0
    assert answer.err == ""
    assert answer.out.startswith("wrote a.tflite\ncompared on 360 items of the test split of digits, one at a time\n")
    assert "label flips 0 of 360\n" in answer.out
    with ZipFile("a.tflite") as archive:
        about = {name: archive.read(name).decode() for name in archive.namelist()}
    assert sorted(about) == ["contract", "net", "striate"]
    assert Contract.from_json(about["contract"]) == striate.load(trained).contract
    before = Path("a.tflite").read_bytes()
    for ours in (b"site-packages", str(Path.home()).encode() + b"/", b"File ", b".py"):
        assert ours not in before
    striate.export(trained, "tflite", out="a.tflite")  # over its own, the same again
    assert Path("a.tflite").read_bytes() == before


def test_a_file_that_answers_otherwise_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    litert("litert_torch")

    def broken(model: striate.Model, path: Path) -> None:
        write_tflite(heavier(model_of("classification")), path)

    monkeypatch.setitem(FORMATS, "tflite", replace(FORMATS["tflite"], write=broken))
    with pytest.raises(ExportError, match=r"a.tflite: not written: it does not answer as the model does"):
        write(model_of("classification"), tmp_path / "a.tflite", "tflite")
    assert [*tmp_path.iterdir()] == []


def test_what_litert_cannot_express_is_said(tmp_path: Path) -> None:
    litert("litert_torch")
    net, contract = "input 1x8x8; adaptivemaxpool 3; flatten; linear 3", MODELS["sums"][1]
    model = striate.Model(striate.build(striate.parse(net)), contract)
    with pytest.raises(
        ExportError, match=r"a.tflite: not written: litert-torch cannot express the network \(.*adaptive_max_pool2d"
    ):
        write(model, tmp_path / "a.tflite", "tflite")
    assert [*tmp_path.iterdir()] == []
