"""Stand-alone source: bit for bit the built module, without striate, and as clean as code written by hand."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from PIL import Image

from strategies import examples, nets
from striate.errors import ShapeError, SpecError
from striate.exporters import ExportError, export_source
from striate.exporters.code import class_name
from striate.exporters.source import source
from striate.exporters.write import compare_net, import_file, small_input, trial
from striate.files import write_safely
from striate.loading import open_network
from striate.model.contract import Contract
from striate.model.model import Model, load
from striate.model.prepare import fit, normalise
from striate.net import assemble, build
from striate.spec import Conv, Flatten, Graph, Linear, Node, ReLU, Seq, Sum, Tanh, lower, parse
from striate.zoo import ZOO

ODD = "a b a1 block1 block2 block3 x y in class lambda None 0 1 2 3a append pop __p torch nn chain Tensor F found"


def text_of(net: str, input: tuple[int, ...] | None = None) -> str:
    return source(lower(open_network(net).description(), input), net if net in ZOO else "net")[0]


def is_bit_equal(graph: Graph, folder: Path) -> None:
    text, name = source(graph)
    path = folder / "net.py"
    path.write_text(text, encoding="utf-8")
    found = compare_net(path, name, graph)
    assert (found.max_difference, found.label_flips) == (0, 0), text


# ----------------------------------------------------------------------------------------------- the same answers
@examples(25, suppress_health_check=list(HealthCheck))
@given(nets())
def test_random_nets_answer_to_the_bit(tmp_path_factory: pytest.TempPathFactory, case: tuple) -> None:
    is_bit_equal(lower(*case), tmp_path_factory.mktemp("net"))


@st.composite
def oddly_named(draw: DrawFn) -> Graph:
    """A net whose layers have any names: words of Python, digits, groups that are torn apart; any layer a tap."""
    net, input = draw(nets())
    graph = lower(net, input)
    names, nodes = {"input": "input"}, []
    parts = st.lists(st.sampled_from(ODD.split()), min_size=1, max_size=4)
    for node in graph.nodes:
        for name in [".".join(draw(parts)) for _ in range(4)] + [node.name.replace(".", "_") + "_q"]:
            try:
                new = Node(name, node.op, tuple(names[i] for i in node.inputs))
                Graph(input, (*nodes, new))
            except SpecError:
                continue
            break
        names[node.name] = name
        nodes.append(new)
    more = draw(st.lists(st.sampled_from([node.name for node in nodes]), max_size=2))
    taps = dict.fromkeys([*(names[tap] for tap in graph.taps), *(tap for tap in more if tap != nodes[-1].name)])
    return Graph(input, tuple(nodes), tuple(taps))


@examples(25, suppress_health_check=list(HealthCheck))
@given(oddly_named())
def test_any_names_and_any_wiring(tmp_path_factory: pytest.TempPathFactory, graph: Graph) -> None:
    is_bit_equal(graph, tmp_path_factory.mktemp("net"))


@pytest.mark.parametrize(
    ("text", "input"),
    [
        ("embedding 20 6; conv 4 3; relu; adaptivemaxpool 1; flatten; dropout; linear 2; softmax", (11,)),
        ("conv 2 3; batchnorm; convtranspose 2 2 stride=2; upsample 2 mode=linear; sumpool 2; crop 1", (1, 5, 6, 7)),
        ("conv 4 3; sumpool 3 stride=2 ceil=yes; upsample 3; crop 2; scale value=0.5 bias=yes", (2, 17)),
        ("linear 8; tanh; linear 3; softmax", (5,)),
        ("a: conv 4 1; b: add <- a, input, input; m: multiply <- b, a; add <- m, b", (4, 3, 3)),
        ("; ".join(f"b{i}.bn: batchnorm eps=1e-{i}; b{i}.act: relu; b{i}.c: conv 3 1" for i in range(4, 8)), (3, 4, 4)),
        ("g.a: conv 4 1; h.a: relu; g.b: conv 4 1 <- g.a; add <- g.b, h.a", (2, 3, 3)),
    ],
)
def test_kinds_of_nets(text: str, input: tuple[int, ...], tmp_path: Path) -> None:
    is_bit_equal(lower(parse(text), input), tmp_path)


def test_side_heads_are_taps(tmp_path: Path) -> None:
    graph = open_network("googlenet", classes=7).description()
    text, name = source(graph, "googlenet")
    (tmp_path / "net.py").write_text(text)
    theirs = getattr(import_file(tmp_path / "net.py"), name)().eval()
    ours = assemble(graph)
    ours.load_state_dict(theirs.state_dict(), assign=True)
    x = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        mine, others = ours.eval().taps(x), theirs.taps(x)
    assert list(others) == list(mine) == ["fc", "side4a.fc2", "side4d.fc2"]
    assert all(torch.equal(mine[key], others[key]) for key in mine)
    assert theirs(x).shape == (1, 7)


def test_what_is_trained_from_scratch_begins_as_here(tmp_path: Path) -> None:
    """Fixed codes are the same ones, and trained factors begin at their value."""
    (tmp_path / "net.py").write_text(text_of("lenet5_1998"))
    theirs = import_file(tmp_path / "net.py").LeNet5_1998().state_dict()
    ours = build(open_network("lenet5_1998").description()).state_dict()
    for key in ("out.codes", "s2.scale.weight", "s2.scale.bias"):
        assert torch.equal(theirs[key], ours[key])


# --------------------------------------------------------------------------------------------------- a good read
LINES = {"lenet5": 40, "vgg16": 80, "googlenet": 150, "resnet50": 110, "resnet152": 110, "densenet201": 100, "unet": 80}


@pytest.mark.parametrize("net", LINES)
def test_what_repeats_is_written_once(net: str) -> None:
    assert len(text_of(net).splitlines()) <= LINES[net]


def test_the_files_read_as_by_hand() -> None:
    resnet = text_of("resnet50")
    assert "conv2=nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False),  # 64x56x56" in resnet
    assert "if channels != 4 * width:" in resnet
    assert '**{f"block{i}": Block(1024, 256) for i in range(2, 7)},  # 1024x14x14' in resnet
    assert "return self.body(x) + self.skip(x)" in resnet
    assert 'chain(**{f"layer{i + 1}": Layer(64 + 32 * i) for i in range(6)})' in text_of("densenet121")
    assert "U(1, 64, U(64, 128, U(128, 256, U(256, 512, DoubleConvReLU(512, 1024)))))" in text_of("unet")
    assert "Inception(192, 64, 96, 128, 16, 32, 32)  # 256x28x28" in text_of("googlenet")
    assert "self.se = SqueezeExcitation(expand, se) if se else nn.Identity()" in text_of("mobilenet_v3_large")


@pytest.mark.parametrize("net", ZOO)
def test_the_files_are_clean(net: str, tmp_path: Path) -> None:
    """They compile, need torch alone, and a linter and a formatter have nothing to say."""
    text = text_of(net)
    compile(text, net, "exec")
    modules = {line.split()[1].split(".")[0] for line in text.splitlines() if line.startswith(("import ", "from "))}
    assert modules <= {"torch", "collections"}
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
    assert ruff, "ruff is one of the tools that come with [dev]"
    (tmp_path / "net.py").write_text(text, encoding="utf-8")
    options = ["--isolated", "--no-cache", "--line-length", "120", str(tmp_path)]
    for command in (["check", "--select", "E,F,W,I"], ["format", "--diff"]):
        done = subprocess.run([ruff, *command, *options], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("lenet5", "LeNet5"),
        ("densenet_bc100", "DenseNetBC100"),
        ("my-net.2", "MyNet2"),
        ("7", "Net7"),
        ("image", "ImageNet"),
    ],
)
def test_class_names(name: str, wanted: str) -> None:
    assert class_name(name) == wanted


# ------------------------------------------------------------------------------------------------ trained models
@pytest.fixture
def exported(trained: Path, tmp_path: Path) -> Path:
    export_source(trained / "model.safetensors", tmp_path / "my_net.py", name="tiny")
    return tmp_path / "my_net.py"


@pytest.mark.slow
def test_a_model_answers_as_striate_does(exported: Path, trained: Path, digit: Path, shell) -> None:
    """In a process of its own, in which nobody imports striate."""
    code = "import sys, runpy; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__'); " + (
        "assert not [name for name in sys.modules if name.startswith('striate')]"
    )
    command = [sys.executable, "-I", "-c", code, str(exported), str(digit)]
    done = subprocess.run(command, capture_output=True, text=True, env=shell.environment, check=True)
    assert done.stdout == shell("predict", trained / "model.safetensors", digit).out


@pytest.mark.slow
def test_what_is_no_image_is_one_message(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_text("no picture")
    for file in (tmp_path / "bad.png", tmp_path, tmp_path / "missing.png"):
        done = subprocess.run([sys.executable, str(exported), str(file)], capture_output=True, text=True)
        assert done.returncode == 1
        assert done.stderr.startswith(f"{file}: cannot be read as an image (")
        assert "Traceback" not in done.stderr


def images() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    rgb = Image.fromarray(rng.integers(0, 256, (30, 41, 3), dtype=np.uint8))
    turned = rgb.copy()
    turned.getexif()[0x0112] = 6
    seen_through = rgb.convert("P")
    seen_through.info["transparency"] = 3
    wide = Image.fromarray(rng.integers(0, 65536, (5, 300), dtype=np.uint16))
    return [rgb, turned, rgb.convert("L"), seen_through, rgb.convert("CMYK"), rgb.convert("1"), wide]


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"resize": "fit", "interpolation": "nearest"},
        {"resize": "crop", "interpolation": "bicubic"},
        {"resize": "crop", "scale_to": 20},
        {"mode": "L"},
    ],
    ids=str,
)
def test_images_are_prepared_to_the_bit(rule: dict, tmp_path: Path) -> None:
    channels = 1 if rule.get("mode") == "L" else 3
    mean, std = (0.485, 0.456, 0.406)[:channels], (0.229, 0.224, 0.225)[:channels]
    names = ("it's", '6" gun', "back\\slash", "größer", *(f"class number {i}" for i in range(20)))
    contract = Contract(names, (channels, 12, 16), **{"mode": "RGB", **rule}, mean=mean, std=std)
    net = lower(Seq(flat=Flatten(), out=Linear(len(names))), contract.input)
    model = Model(build(net), contract)
    model.save(tmp_path / "model.safetensors")
    done = export_source(tmp_path / "model.safetensors", tmp_path / "own.py")
    assert [file.name for file in done.files] == ["own.py", "own.safetensors"]
    theirs = import_file(tmp_path / "own.py")
    assert names == theirs.CLASSES
    loaded = theirs.load()
    for image in images():
        assert torch.equal(theirs.prepare(image), normalise(fit(image, contract)[None], contract))
        assert theirs.answer(loaded, image) == list(load(tmp_path / "model.safetensors").predict(image)[0].top)


@pytest.mark.parametrize("kind", ["signals", "volumes", "bands", "bytes", "texts", "numbers", "masks"])
def test_models_of_every_kind_of_items_are_written(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import striate

    monkeypatch.chdir(tmp_path)
    rng, y = np.random.default_rng(0), np.arange(40) % 2
    grey = rng.integers(0, 255, (40, 8, 8), np.uint8)
    x, y, net = {
        "signals": (rng.normal(size=(40, 20)), y, "conv 2 3; relu; flatten; linear 2"),
        "volumes": (rng.normal(size=(40, 1, 6, 6, 6)), y, "conv 2 3; relu; flatten; linear 2"),
        "bands": (rng.normal(size=(40, 5, 8, 8)), y, "conv 2 3; relu; flatten; linear 2"),
        "bytes": (rng.integers(0, 255, (40, 8, 8, 5), np.uint8), y, "conv 2 3; relu; flatten; linear 2"),
        "texts": ([f"{('good', 'bad')[i % 2]} film number x{i}" for i in range(40)], y, "textcnn"),
        "numbers": (grey, y * 1.5, "flatten; linear 1"),
        "masks": (grey, (grey > 99).astype(int), "conv 2 3 padding=1"),
    }[kind]
    model = striate.train(net, (x, y), epochs=1, out="run", quiet=True)
    assert not striate.export("run", out="written.py").predicts
    theirs = import_file(tmp_path / "written.py")
    assert model.contract.classes == theirs.CLASSES
    inputs = (
        torch.randint(1, 5, (3, *model.contract.input)) if kind == "texts" else torch.randn(3, *model.contract.input)
    )
    with torch.no_grad():
        assert torch.equal(theirs.load()(inputs), model.module(inputs))
    if kind != "texts":
        assert (model.contract.mean, model.contract.std) == (theirs.MEAN, theirs.STD)
    if kind == "numbers":
        assert (model.contract.target_mean, model.contract.target_std) == (theirs.TARGET_MEAN, theirs.TARGET_STD)


def test_a_softmax_in_the_net_changes_no_answer(tmp_path: Path) -> None:
    """Probabilities come from what goes into the softmax, in float64, here as there; wherever it stands."""
    contract = Contract(("a", "b", "c"), (1, 4, 4), "L", (0.5,), (0.5,))
    for text in ("flatten; linear 3; softmax", "head.flat: flatten; head.out: linear 3; head.prob: softmax"):
        Model(build(parse(text), contract.input), contract).save(tmp_path / "m.safetensors")
        done = export_source(tmp_path / "m.safetensors", tmp_path / "own.py")
        assert done.label_flips == 0


# ------------------------------------------------------------------------------------------------------ mistakes
def test_a_mismatch_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli) -> None:
    from striate.exporters import classes

    def wrong(op, shape, right=classes.torch_call):
        return right(Tanh() if isinstance(op, ReLU) else op, shape)

    monkeypatch.setattr(classes, "torch_call", wrong)
    with pytest.raises(ExportError, match=r"not written: .* \(its outputs differ by up to .*please report it"):
        export_source(lower(Seq(Conv(2, 3), ReLU()), (1, 8, 8)), tmp_path / "a.py")
    answer = cli("export", "conv 2 3; relu", "--input", "1x8x8", "-o", tmp_path / "a.py", "--json")
    assert (answer.code, answer.out) == (1, "")
    assert "a.py: not written" in answer.err
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_join_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = lower(Seq(Sum(Conv(2, 1), Conv(2, 1)), ReLU()), (2, 3, 3))
    text, name = source(graph)
    (tmp_path / "net.py").write_text(text.replace("self.conv2(x)", "self.conv1(x)"))
    assert compare_net(tmp_path / "net.py", name, graph).max_difference > 0
    (tmp_path / "net.py").write_text("raise KeyError('x')")
    monkeypatch.setattr("striate.exporters.write.source", lambda *_: ("raise KeyError('x')", name))
    with pytest.raises(ExportError, match="KeyError"):
        export_source(graph, tmp_path / "own.py")


def test_nobodys_file_is_lost(trained: Path, tmp_path: Path) -> None:
    net = lower(Seq(ReLU()), (1, 2, 2))
    write_safely(tmp_path / "mine.py", "precious = 1\n")
    with pytest.raises(
        SpecError, match=r"mine\.py: already exists, and was not written by this command; give another name"
    ):
        export_source(net, tmp_path / "mine.py")
    write_safely(tmp_path / "other.safetensors", "precious")
    with pytest.raises(SpecError, match=r"other\.safetensors: already exists"):
        export_source(trained / "model.safetensors", tmp_path / "other.py")
    assert not (tmp_path / "other.py").exists()
    for _ in range(2):  # its own file is written anew
        export_source(net, tmp_path / "again.py")
    with pytest.raises(SpecError, match=r"ends in \.py"):
        export_source(net, tmp_path / "again.txt")
    with pytest.raises(SpecError, match="there is no folder"):
        export_source(net, tmp_path / "none" / "again.py")


def test_nets_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no input size given"):
        export_source(parse("conv 4 3"), tmp_path / "a.py")
    with pytest.raises(ShapeError, match="linear1: needs a flat input"):
        export_source(parse("conv 4 3; linear 2"), tmp_path / "a.py", input=(1, 8, 8))


# ---------------------------------------------------------------------------------------------- the command line
def test_export(cli, in_folder: Path) -> None:
    answer = cli("export", "lenet5", "--to", "source")
    assert answer.code == 0
    assert answer.out.splitlines()[0] == "wrote lenet5.py"
    assert "class LeNet5(nn.Module):" in (in_folder / "lenet5.py").read_text()


def test_export_as_json(cli, trained: Path, in_folder: Path) -> None:
    answer = cli("export", trained / "model.safetensors", "--to", "source", "-o", "own.py", "--json")
    assert json.loads(answer.out) == {
        "path": "own.py",
        "files": ["own.py", "own.safetensors"],
        "max_difference": 0.0,
        "label_flips": 0,
        "predicts": True,
        "to": "source",
    }
    assert load("own.safetensors").contract == load(trained / "model.safetensors").contract  # striate's too


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lenet5", "--to", "sorce"], "did you mean 'source'?"),
        (["lnet5"], "did you mean 'lenet5'?"),
        (["conv 4 3"], "give one, such as --input 1x28x28"),
    ],
    ids=str,
)
def test_mistakes_of_the_command_line(words: list[str], said: str, cli, in_folder: Path) -> None:
    answer = cli("export", *words)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert list(in_folder.iterdir()) == []


DEEPEST = [pytest.param(net, marks=pytest.mark.slow) for net in ("resnet152", "densenet201")]


@pytest.mark.parametrize("net", ["vgg16", *DEEPEST, "unet_2015", "mobilenet_v3_large", "textcnn"])
def test_the_comparison_means_something(net: str) -> None:
    """The inputs are large enough to tell layers apart; what comes out is neither constant nor infinite."""
    graph = open_network(net).description()
    assert min(small_input(graph)[1:], default=59) >= 16
    x, module = trial(graph)
    with torch.no_grad():
        one, other = module(x)
    assert torch.isfinite(one).all()
    assert one.std() > 0
    assert not torch.equal(one, other)
