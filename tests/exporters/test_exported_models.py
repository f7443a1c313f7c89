"""Models as ONNX files and programs: they answer as the model does in their own runtime, or they are not there."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import striate
from striate.errors import SpecError
from striate.exporters import FORMATS, ExportError, export_model, exported, standalone
from striate.exporters.comparing import compare_file, decided, generated
from striate.exporters.onnx import OPSET, OnnxRunner, write_onnx
from striate.model.contract import Contract
from striate.model.model import Model
from striate.model.predictor import meaning
from striate.net import build
from striate.run import exporting
from striate.spec import parse

AB, HALF = ("a", "b", "c"), (0.4, 0.5, 0.6)
ALL = (-1, 0, 1)
VIEWS = {  # share, mirrored, rows down, columns right
    "flip": [(0.5, False, 0, 0), (0.5, True, 0, 0)],
    "shift": [(1 / 9, False, down, right) for down in ALL for right in ALL],
    "flip+shift": [(0.25 if by == 0 else 0.125, mirror, by, by) for by in ALL for mirror in (False, True)],
}
MODELS = {  # of every task and kind of item: a net, and its contract
    "classification": ("input 3x8x8; conv 4 3; relu; flatten; linear 3", Contract(AB, (3, 8, 8), "RGB", HALF, HALF)),
    "softmax at its end": (
        "input 1x8x8; flatten; linear 3; softmax",
        Contract(AB, (1, 8, 8), "L", (0.5,), (0.25,), temperature=1.7),
    ),
    "mirrored": (
        "input 3x8x8; conv 4 3 stride=2; tanh; flatten; linear 3",
        Contract(AB, (3, 8, 8), "RGB", HALF, HALF, tta="flip"),
    ),
    "mirrored and shifted": (
        "input 3x8x8; conv 4 3 stride=2; tanh; flatten; linear 3",
        Contract(AB, (3, 8, 8), "RGB", HALF, HALF, tta="flip+shift"),
    ),
    "multilabel": (
        "input 1x8x8; flatten; linear 3",
        Contract(AB, (1, 8, 8), "L", (0.5,), (0.25,), task="multilabel", temperature=0.6),
    ),
    "regression": (
        "input 1x8x8; flatten; linear 3",
        Contract(
            AB, (1, 8, 8), "L", (0.5,), (0.25,), task="regression", target_mean=(70.0, 3.0, 0.0),
            target_std=(9.0, 0.1, 1.0),
        ),
    ),
    "segmentation": (
        "input 3x8x8; c: conv 4 3 padding=1; relu; maxpool 2; u: upsample 2; concat <- c, u; conv 3 1",
        Contract(AB, (3, 8, 8), "RGB", HALF, HALF, task="segmentation", mask_values=(0, 1, 2), tta="flip"),
    ),
    "segmentation, shifted": (
        "input 3x8x8; conv 4 3 padding=1; relu; conv 3 1",
        Contract(AB, (3, 8, 8), "RGB", HALF, HALF, task="segmentation", mask_values=(0, 1, 2), tta="shift"),
    ),
    "text": (
        "input 7; embedding 6 5; conv 4 3; relu; adaptivemaxpool 1; flatten; linear 3",
        Contract(AB, (7,), "text", (), (), vocabulary=("good", "bad", "film", "play")),
    ),
    "signal": (
        "input 2x30; conv 4 5; relu; maxpool 2; flatten; linear 3",
        Contract(AB, (2, 30), "values", (0.1, -3.0), (1.5, 20.0)),
    ),
    "sums": ("input 1x8x8; sumpool 2; flatten; linear 3", Contract(AB, (1, 8, 8), "L", (0.5,), (0.25,))),
    "volume": (
        "input 1x6x6x6; conv 3 3; leakyrelu; maxpool 2; flatten; linear 3",
        Contract(AB, (1, 6, 6, 6), "values", (0.1,), (0.5,)),
    ),
}  # fmt: skip


def model_of(kind: str) -> Model:
    net, contract = MODELS[kind]
    return Model(build(parse(net), seed=1), contract)


def write(model: Model, path: Path, to: str = "onnx") -> striate.exporters.Exported:
    inputs = generated(model.contract, 15)
    return export_model(model, path, to, inputs=inputs, names=[str(i) for i in range(15)], on="generated inputs")


FAST = ("classification", "text")


@pytest.mark.parametrize("kind", [pytest.param(k, marks=() if k in FAST else pytest.mark.slow) for k in MODELS])
def test_every_task_answers_as_the_model(kind: str, tmp_path: Path) -> None:
    """By this test's own onnxruntime session and float64, with the mean and mirror image done by hand."""
    model, path = model_of(kind), tmp_path / "a.onnx"
    done = write(model, path)
    assert (done.files, done.label_flips, done.opset) == ((path,), 0, OPSET)
    assert done.max_difference < 1e-5
    c, x = model.contract, generated(model.contract, 9)
    values = torch.from_numpy(x)
    if c.mode != "text":
        shape = (-1, *[1] * (x.ndim - 2))
        values = values.double() / (1 if c.mode == "values" else 255)
        values = (values - torch.tensor(c.mean).double().view(shape)) / torch.tensor(c.std).double().view(shape)
    net = build(parse(MODELS[kind][0].removesuffix("; softmax")), seed=1).double().eval()
    with torch.no_grad():
        scores = net(values)
        if c.tta != "none":
            scores = sum(share * _view(net, values, c, *view) for share, *view in VIEWS[c.tta])
    expected = {"softmax": (scores / c.temperature).softmax(1), "sigmoid": (scores / c.temperature).sigmoid()}.get(
        c.task.activation, scores * torch.tensor(c.target_std or 0.0) + torch.tensor(c.target_mean or 0.0)
    )
    first, second = OnnxRunner(path)(x)
    assert (first.dtype, second.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose(second, scores, atol=1e-5)
    np.testing.assert_allclose(first, expected, rtol=1e-6, atol=1e-6)


def _view(net: nn.Module, x: torch.Tensor, c: Contract, mirror: bool, down: int, right: int) -> torch.Tensor:
    """The scores of one view, by indices: of a pixel over the border the border's."""

    def moved(a: torch.Tensor, down: int, right: int) -> torch.Tensor:
        rows = (torch.arange(a.shape[-2]) - down).clamp(0, a.shape[-2] - 1)
        columns = (torch.arange(a.shape[-1]) - right).clamp(0, a.shape[-1] - 1)
        return a[..., rows, :][..., columns]

    x = moved(x, down, right)
    scores = net(x.flip(-1) if mirror else x)
    if not c.task.per_pixel:
        return scores
    return moved(scores.flip(-1) if mirror else scores, -down, -right)


def test_the_file_says_what_it_is_and_nothing_of_this_machine(trained: Path, tmp_path: Path) -> None:
    done = striate.export(trained, "onnx", out=tmp_path / "digits.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["digits.onnx"]
    assert done.comparison is not None
    assert (done.comparison.items, done.comparison.on) == (360, "the test split of digits")
    written = onnx.load(str(done.path))
    onnx.checker.check_model(written, full_check=True)
    about = {entry.key: entry.value for entry in written.metadata_props}
    model = striate.load(trained)
    assert Contract.from_json(about["contract"]) == model.contract
    assert parse(about["net"]) == model.graph
    (taken,) = written.graph.input
    assert (taken.name, taken.type.tensor_type.elem_type) == ("input", onnx.TensorProto.UINT8)
    sides = [side.dim_param or side.dim_value for side in taken.type.tensor_type.shape.dim]
    assert sides == ["batch", *model.contract.input]
    assert [output.name for output in written.graph.output] == ["probabilities", "scores"]
    assert written.opset_import[0].version == OPSET
    text = done.path.read_bytes()
    for ours in (b"/striate/", b"site-packages", str(Path.home()).encode(), b"File "):
        assert ours not in text
    assert striate.export(trained, "onnx", out=done.path).path.read_bytes() == text  # over its own, the same again


def test_a_program_runs_in_torch_alone(trained: Path, tmp_path: Path) -> None:
    done = striate.export(trained, "program", out=tmp_path / "a.pt2", compare="digits")
    extra = {"contract": ""}
    program = torch.export.load(done.path, extra_files=extra)
    model = striate.load(trained)
    assert Contract.from_json(extra["contract"]) == model.contract
    x = generated(model.contract, 5)
    with torch.no_grad():
        _, scores = program.module()(torch.from_numpy(x))
    np.testing.assert_allclose(scores, model.scores(x), atol=1e-5)


def heavier(model: Model) -> Model:
    """All its weights are 1 % larger."""
    with torch.no_grad():
        for p in model.module.parameters():
            p *= 1.01
    return model


class Swapped(nn.Module):
    """Takes the channels in the other order."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.net(x.flip(1))
        return out


def without_mean(inputs: torch.Tensor, contract: Contract) -> torch.Tensor:
    return inputs.float() / 255


@pytest.mark.parametrize(
    "fault",
    ["softmax twice", "mean", *(pytest.param(f, marks=pytest.mark.slow) for f in ("channels", "contract", "weights"))],
)
def test_a_broken_export_is_caught(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if fault == "mean":
        monkeypatch.setattr(standalone, "normalise", without_mean)
    if fault == "softmax twice":
        right = standalone._meaning
        monkeypatch.setattr(standalone, "_meaning", lambda scores, contract: right(right(scores, contract), contract))

    def broken(model: Model, path: Path) -> None:
        model = model_of("classification")  # one of its own, not the one that it is compared with
        if fault == "weights":
            model = heavier(model)
        if fault == "channels":
            model = Model(Swapped(model.module), model.contract)
        if fault == "contract":
            model = Model(model.module, replace(model.contract, classes=("b", "a", "c")))
        write_onnx(model, path)

    monkeypatch.setitem(FORMATS, "onnx", replace(FORMATS["onnx"], write=broken))
    with pytest.raises(ExportError, match=r"not written: it does not (answer as the model does|say the)"):
        write(model_of("classification"), tmp_path / "a.onnx")
    assert [*tmp_path.iterdir()] == []


def test_what_was_seen_is_counted() -> None:
    """Two flips of 15 items, one of them by a file that gives another answer to one item alone."""
    model = model_of("classification")
    inputs = generated(model.contract, 15)
    swapped = inputs[[3, 9]]

    def theirs(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scores = model.scores(x)
        for i, item in enumerate(x):
            if any((item == other).all() for other in swapped[: 1 + (len(x) == 1)]):
                scores[i] = scores[i][::-1] if scores[i].argmax() != 1 else np.roll(scores[i], 1)
        return meaning(scores, model.contract), scores

    found = compare_file(model, theirs, inputs, [f"item {i}" for i in range(15)], "these")
    assert (found.items, found.outputs, found.label_flips) == (15, 15, 2)
    assert {*found.where} == {"item 3", "item 9"}
    assert found.batch_sizes == (7, 1)


def test_what_could_be_either_is_a_tie_and_no_flip() -> None:
    contract = MODELS["classification"][1]
    scores = np.array([[1.0, 1.0 + 1e-6, 0.0], [1.0, 1.1, 0.0]], np.float32)

    class Stub:
        def __init__(self) -> None:
            self.contract = contract

        def scores(self, inputs: np.ndarray) -> np.ndarray:
            return scores[inputs[:, 0, 0, 0]]

    def theirs(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        swapped = scores[x[:, 0, 0, 0]][:, [1, 0, 2]]
        return meaning(swapped, contract), swapped

    inputs = np.zeros((2, 3, 8, 8), np.uint8)
    inputs[1] = 1
    found = compare_file(Stub(), theirs, inputs, ["equal", "not"], "these")
    assert (found.label_flips, found.ties, found.where) == (1, 1, ("not",))


def test_predictions_by_task() -> None:
    p = np.array([[0.2, 0.5, 0.3]])
    assert decided(p, MODELS["classification"][1]).tolist() == [1]
    assert decided(p, MODELS["multilabel"][1]).tolist() == [[False, True, False]]
    assert decided(p, MODELS["regression"][1]).shape == (1, 0)
    assert decided(p[..., None, None], MODELS["segmentation"][1]).tolist() == [[[1]]]


def test_a_missing_package_is_named_with_its_command(trained: Path, cli, in_folder, monkeypatch) -> None:
    monkeypatch.setattr(exported, "find_spec", lambda name: None)
    answer = cli("export", trained, "--to", "onnx", "-o", "a.onnx")
    assert answer.code == 1
    assert answer.err == "striate: a.onnx: not written: it needs the package onnx: pip install 'striate[export]'\n"
    assert not Path("a.onnx").exists()


class Fickle(nn.Module):
    """Goes another way with another content, which no graph says."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.linear(x.flatten(1))
        return out if x.sum() > 0 else -out


def test_what_torch_cannot_express_is_said(tmp_path: Path) -> None:
    names = tuple(map(str, range(10)))
    model = Model(Fickle(), Contract(names, (1, 8, 8), "L", (0.5,), (0.25,)))
    with pytest.raises(
        ExportError, match=r"a.onnx: not written: torch cannot express .* \(\w+: .*; change its forward"
    ):
        write(model, tmp_path / "a.onnx")
    assert [*tmp_path.iterdir()] == []


def test_the_command_line(trained: Path, cli, in_folder) -> None:
    answer = cli("export", trained, "--to", "onnx", "-o", "a.onnx")
    assert answer.out.startswith("wrote a.onnx\ncompared on 360 items of the test split of digits, in batches of 7 and")
    assert "label flips 0 of 360\n" in answer.out
    assert answer.err == "\nnext:\n  striate predict a.onnx FILE\n"
    answer = cli("export", trained, "--to", "onnx", "-o", "a.onnx", "--compare", "digits", "--json")
    assert answer.err == ""
    assert json.loads(answer.out)["comparison"]["where"]
    Path("b.onnx").write_text("mine")
    for words, said in (
        (("-o", "b.onnx"), "b.onnx: already exists, and was not written by this command; give another name with -o"),
        (("-o", "c.py"), "c.py: give a name that ends in .onnx"),
        (("-o", "none/c.onnx"), "none/c.onnx: there is no folder none; make it first"),
    ):
        answer = cli("export", trained, "--to", "onnx", *words)
        assert (answer.code, answer.err) == (2, f"striate: {said}\n")
    assert cli("export", trained, "--to", "onnx", "--compare", "shapes").code == 3
    assert "--compare is for --to onnx" in cli("export", trained, "--compare", "digits").err
    assert sorted(path.name for path in in_folder.iterdir()) == ["a.onnx", "b.onnx"]


def test_numbers_have_no_labels_and_weights_may_lie_in_another_order(cli, in_folder) -> None:
    model = model_of("regression")
    model.save("ages.safetensors")
    answer = cli("export", "ages.safetensors", "--to", "program")
    assert answer.out.startswith("wrote ages.pt2\ncompared on 32 items of generated inputs, in batches of 7 and of 1\n")
    assert "largest difference of values " in answer.out
    assert answer.out.endswith(" of their standard deviation\n")
    images = model_of("classification")
    images.module.to(memory_format=torch.channels_last)
    assert write(images, in_folder / "b.pt2", "program").max_difference < 1e-5


def test_without_the_runs_data_inputs_are_generated(trained: Path, monkeypatch, capsys) -> None:
    model = striate.load(trained)
    model.path = None
    assert exporting.comparison_items(model, None, print).on == "generated inputs"
    model = striate.load(trained)

    def gone(folder: Path) -> None:
        raise striate.DataError("photos: file not found")

    monkeypatch.setattr(exporting, "data_of_run", gone)
    items = exporting.comparison_items(model, None, print)
    assert (items.on, items.inputs.shape) == ("generated inputs", (32, 1, 8, 8))
    said = "note: the run's own data are not at hand (photos: file not found); inputs are generated\n"
    assert capsys.readouterr().out == said


@pytest.mark.parametrize("kind", MODELS)
def test_generated_inputs_are_in_the_contracts_range(kind: str) -> None:
    contract = MODELS[kind][1]
    x = generated(contract)
    assert x.shape == (32, *contract.input)
    if contract.mode == "text":
        assert x.min() == 0
        assert x.max() == len(contract.vocabulary) + 1
        assert x.dtype == np.int64
    elif contract.mode == "values":
        assert x.dtype == np.float32
        assert np.abs((x.mean((0, *range(2, x.ndim))) - contract.mean) / contract.std).max() < 0.2
    else:
        assert (x.dtype, x.min(), x.max()) == (np.uint8, 0, 255)


def test_own_modules_and_formats_that_are_none(trained: Path, tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(SpecError, match="--to onxn: no such format; did you mean 'onnx'"):
        striate.export(trained, "onxn")
    (tmp_path / "mine.py").write_text(
        "from torch import nn\ndef net(): return nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.Softmax(1))\n"
    )
    monkeypatch.chdir(tmp_path)
    striate.train("mine.py:net", "digits", epochs=1, fraction=0.1, out="run", quiet=True)
    done = striate.export("mine.py:net@run", "onnx", out="mine.onnx", compare="digits")
    assert (done.label_flips, done.comparison and done.comparison.items) == (0, 360)
    assert "net" not in OnnxRunner(done.path).metadata


def test_int8_is_written_with_what_it_costs_and_gains(trained: Path, cli, in_folder) -> None:
    done = striate.export(trained, "onnx", out="small.onnx", quantise="int8", min_gain=0, max_loss=0.05)
    assert done.reduction is not None
    written = onnx.load("small.onnx")
    assert {"QuantizeLinear", "DequantizeLinear"} <= {node.op_type for node in written.graph.node}
    assert {entry.key for entry in written.metadata_props} >= {"striate", "contract", "net"}
    model = striate.load(trained)
    assert done.reduction.before == striate.evaluate(model, "digits").accuracy
    digits = striate.open_data("digits").test
    probabilities, _ = OnnxRunner(done.path)(digits.arrays[:, None])
    assert done.reduction.after == pytest.approx((probabilities.argmax(1) == digits.targets).mean())
    assert done.label_flips == (probabilities.argmax(1) != model.scores(digits.arrays[:, None]).argmax(1)).sum()
    assert done.reduction.loss == pytest.approx(done.reduction.before - done.reduction.after)
    assert done.as_dict()["reduction"]["metric"] == "accuracy"
    assert done.reduction.bytes == done.path.stat().st_size
    answer = cli("export", trained, "--to", "onnx", "--quantize", "int8", "--min-gain", "1e6", "-o", "other.onnx")
    assert answer.code == 1
    assert "other.onnx: not written: int8 is not worth it: it is " in answer.err
    assert " times as fast (--min-gain 1e+06); omit it" in answer.err
    with pytest.raises(
        ExportError, match=r"its accuracy is .*%, in float32 .* .--max-loss -2. and it is .* times as sm"
    ):
        striate.export(trained, "onnx", out="other.onnx", half=True, min_gain=9, max_loss=-2)
    assert [path.name for path in in_folder.iterdir()] == ["small.onnx"]


def test_half_of_the_bytes(tmp_path: Path, trained: Path) -> None:
    whole = striate.export(trained, "onnx", out=tmp_path / "a.onnx")
    half = striate.export(trained, "onnx", out=tmp_path / "b.onnx", half=True)
    assert half.reduction is not None
    assert half.reduction.size == whole.path.stat().st_size / half.path.stat().st_size > 1.3
    weights = {w.name: w.data_type for w in onnx.load(str(half.path)).graph.initializer}
    assert weights["net.linear1.weight.half"] == onnx.TensorProto.FLOAT16
    x = generated(striate.load(trained).contract)
    for one, other in zip(OnnxRunner(whole.path)(x), OnnxRunner(half.path)(x), strict=True):
        assert 0 < np.abs(one - other).max() < 0.01


@pytest.mark.slow
def test_openvino(tmp_path: Path, trained: Path, cli) -> None:
    done = striate.export(trained, "openvino", out=tmp_path / "a.xml")
    assert [path.name for path in done.files] == ["a.xml", "a.bin"]
    assert done.label_flips == 0
    import openvino

    read = openvino.Core().read_model(done.path)
    assert (str(read.input().get_element_type()), str(read.input().partial_shape)) == ("<Type: 'uint8_t'>", "[?,1,8,8]")
    half = striate.export(trained, "openvino", out=tmp_path / "b.xml", half=True, min_gain=0)
    assert half.files[1].stat().st_size < 0.6 * done.files[1].stat().st_size
    answer = cli("export", trained, "--to", "program", "--half", "-o", tmp_path / "c.pt2")
    assert (answer.code, answer.err) == (2, "striate: --to program: has no half; use --to onnx or openvino\n")


@pytest.mark.parametrize(
    ("to", "ending"), [("onnx", ".onnx"), ("program", ".pt2"), pytest.param("openvino", ".xml", marks=pytest.mark.slow)]
)
def test_somebody_elses_model_that_names_striate_is_kept(tmp_path: Path, to: str, ending: str) -> None:
    """Such as one that torch exported from a module of striate: the path of a source file is in it."""
    model, path = model_of("regression"), tmp_path / f"own{ending}"
    for _ in range(2):
        write(model, path, to)
    if to == "onnx":
        foreign = onnx.load(str(path))
        del foreign.metadata_props[:]
        foreign.doc_string = "site-packages/striate/net/build.py"
        onnx.save(foreign, str(tmp_path / "b.onnx"))
    elif to == "program":
        program = torch.export.export(nn.Linear(2, 2), (torch.zeros(1, 2),))
        torch.export.save(program, tmp_path / "b.pt2", extra_files={"notes": "made with striate"})
    else:
        (tmp_path / "b.xml").write_text('<net><rt_info><notes value="striate" /></rt_info></net>')
    (tmp_path / f"c{ending}").write_text("striate")
    for name in ("b", "c"):
        before = (tmp_path / f"{name}{ending}").read_bytes()
        with pytest.raises(SpecError, match=rf"{name}{ending}: already exists, and was not written by this command"):
            write(model, tmp_path / f"{name}{ending}", to)
        assert (tmp_path / f"{name}{ending}").read_bytes() == before


def test_somebody_elses_weights_are_kept(tmp_path: Path) -> None:
    model = model_of("regression")
    (tmp_path / "weights.bin").write_text("mine")
    with pytest.raises(SpecError, match=r"weights.bin: already exists, and was not written by this command; give anot"):
        write(model, tmp_path / "weights.xml", "openvino")
    assert (tmp_path / "weights.bin").read_text() == "mine"
    write(model, tmp_path / "own.xml", "openvino")
    write(model, tmp_path / "own.xml", "openvino")  # over its own


def test_files_that_are_still_mapped_do_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Windows does it, no file of a temporary folder can be deleted while a runtime has it."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    unlink = os.unlink

    def mapped(path: str, **more: object) -> None:
        if str(path).endswith(("model.onnx", "model.xml", "model.bin")):
            raise PermissionError(13, "used by another process", path)
        unlink(path, **more)

    monkeypatch.setattr(os, "unlink", mapped)
    done = write(model_of("regression"), tmp_path / "a.xml", "openvino")
    assert all(path.exists() for path in done.files)
    assert {path.name for path in (tmp_path / "temporary").rglob("model.*")} == {"model.onnx", "model.xml", "model.bin"}


@pytest.mark.parametrize("count", [300, 10])
def test_int8_is_calibrated_on_all_classes(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a training split sorted by class, the first and the last item and those between."""
    arrays = SimpleNamespace(inputs=np.arange(count)[:, None], names=tuple(map(str, range(count))))
    monkeypatch.setattr(exporting, "_some_split", lambda *_, **__: (SimpleNamespace(arrays=arrays), "train"))
    found = exporting.comparison_items(model_of("classification"), "photos", print).calibration()[:, 0]
    assert len(found) == min(count, 256)
    assert (found[0], found[-1], np.diff(found).max()) == (0, count - 1, 2 if count == 300 else 1)


def test_what_does_not_go_together(trained: Path, tmp_path: Path) -> None:
    model = striate.load(trained)
    model.path = None
    for options, said in (
        ({"quantise": "int4"}, "quantise is 'int4'; did you mean 'int8'"),
        ({"quantise": "int8", "half": True}, "--quantise and --half exclude each other"),
        (
            {"quantise": "int8"},
            "--quantise int8 is measured on labelled data, and the run's are not at hand; give -",
        ),
        ({"half": True, "to": "source"}, "--half is for --to onnx and its like"),
    ):
        with pytest.raises(striate.RecipeError, match=said):
            striate.export(model, **{"to": "onnx", "out": tmp_path / "a.onnx", **options})


@pytest.mark.parametrize("ceil", [False, True])
def test_averages_with_a_divisor_are_the_same_in_other_words(ceil: bool) -> None:
    """What torch's ONNX exporter leaves out without a word; torch's own average is the other witness."""
    for side in range(3, 9):
        for kernel, step, margin in ((2, 2, 0), (3, 2, 1), (2, 3, 1), (3, 3, 0), ([2, 3], [1, 2], [1, 0])):
            x = torch.randn(2, 3, side, 9)
            words = (x, kernel, step, margin, ceil, True, 5)
            expected = torch.nn.functional.avg_pool2d(*words)
            torch.testing.assert_close(standalone._average(torch.nn.functional.avg_pool2d, *words), expected)
    x = torch.randn(1, 2, 5, 6, 7)
    expected = torch.nn.functional.avg_pool3d(x, 2, divisor_override=1, ceil_mode=ceil)
    ours = standalone._average(torch.nn.functional.avg_pool3d, x, 2, divisor_override=1, ceil_mode=ceil)
    torch.testing.assert_close(ours, expected)
