"""``my_net.py:Net`` on the command line: somebody's own file, and every way in which it may not do."""

import json
import os
import sys
import warnings
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from striate.errors import Error, ModelError, SpecError
from striate.inspect.models import inspected
from striate.loading import open_network
from striate.loading.official import weights
from striate.loading.user_code import is_code, load_code
from striate.model.model import load
from striate.net.read import check_module
from striate.run import prepare
from striate.spec import Conv, Seq, lower

NETS = """
import torch
from torch import nn
from beside import WIDTH
from striate import Conv, Seq

class Net(nn.Module):
    def __init__(self, width=WIDTH):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3)
        self.fc = nn.Linear(width * 36, 10)
    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(x.flatten(1))

class Numbers(Net):
    def forward(self, x):
        if x.sum() > 1e9:
            x = -x
        return super().forward(x)

class Wide(Net):
    def __init__(self, width, *, depth):
        super().__init__(width)

class Broken(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, groups=2)

def make(depth=2):
    return Net(depth)

made, words, three = make(4), Seq(Conv(6, 3)), 3
pixels, flat = nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(2)

if __name__ == "__main__":
    raise SystemExit("this is not to run")
"""


@pytest.fixture
def file(in_folder):
    (in_folder / "my_net.py").write_text(NETS)
    (in_folder / "beside.py").write_text("WIDTH = 6\n")
    return in_folder / "my_net.py"


@pytest.mark.parametrize(("name", "parameters"), [("Net", 2338), ("make", 786), ("made", 1562)])
def test_a_class_a_function_and_a_module(cli, file, name, parameters):
    answer = cli("check", f"my_net.py:{name}", "--input", "3x8x8", "--json")
    found = json.loads(answer.out)
    assert (answer.code, found["parameters"]) == (0, parameters)
    assert [layer["name"] for layer in found["layers"]] == ["conv", "relu1", "flatten1", "fc"]
    assert (found["partial"], found["notes"], found["problems"]) == (False, [], [])


def test_a_net_in_words_in_a_python_file(cli, file):
    assert "conv1  conv 6 3" in cli("check", "my_net.py:words", "--input", "3x8x8").out


def test_a_net_that_does_not_run_ends_with_1(cli, file):
    answer = cli("check", "my_net.py:Net", "--input", "3x9x9")
    assert answer.code == 1
    line = "fc: Linear(216, 10) expects 216 features, given 294 (my_net.py line 14: return self.fc(x.flatten(1)))"
    assert line in answer.out
    assert "fix: Linear(294, 10)" in answer.out


def test_a_net_that_cannot_be_traced_ends_with_0_and_a_note(cli, file):
    answer = cli("check", "my_net.py:Numbers", "--input", "3x8x8", "--json")
    found = json.loads(answer.out)
    assert answer.code == 0
    assert found["notes"][0].startswith("forward cannot be traced at my_net.py line 18: if x.sum() > 1e9: (")
    assert found["parameters"] == 2338


def test_what_cannot_be_traced_cannot_be_drawn(cli, file, in_folder):
    answer = cli("check", "my_net.py:Numbers", "--input", "3x8x8", "--svg", "a.svg")
    assert answer.code == 2
    assert "my_net.py:Numbers cannot be drawn: forward cannot be traced at my_net.py line 18" in answer.err
    assert not (in_folder / "a.svg").exists()
    assert cli("check", "my_net.py:Net", "--input", "3x8x8", "--svg", "a.svg").code == 0
    assert (in_folder / "a.svg").read_text().startswith("<svg")


def test_two_of_them_compared(cli, file):
    answer = cli("check", "my_net.py:Net", "--input", "3x8x8", "--diff", "my_net.py:made")
    assert answer.code == 1
    assert "- conv: conv 6 3 -> 6x6x6\n+ conv: conv 4 3 -> 4x6x6" in answer.out


@pytest.mark.parametrize(
    ("net", "message"),
    [
        ("my_nte.py:Net", "my_nte.py: file not found; did you mean 'my_net.py'?"),
        ("no/such/a.py:Net", "no/such/a.py: file not found"),
        ("my_net.py", "my_net.py: name the network in the file, as in my_net.py:Net"),
        ("my_net.py:", "my_net.py: name the network in the file, as in my_net.py:Net"),
        ("my_net.py:Nett", "my_net.py: defines no 'Nett'; did you mean 'Net'?"),
        ("my_net.py:three", "my_net.py:three is of the type int; expected an nn.Module, or a class or function"),
        (
            "my_net.py:Wide",
            "my_net.py:Wide needs width, depth; write a function without arguments that creates",
        ),
        (
            "my_net.py:Broken",
            "my_net.py:Broken cannot be created: line 29: self.conv = nn.Conv2d(3, 6, 3, groups=2)",
        ),
        ("bad.py:Net", "bad.py raises an error: line 2: import nothing_here: ModuleNotFoundError: No module named"),
        ("worse.py:Net", "worse.py line 1: "),
        ("quits.py:Net", "quits.py raises an error: line 1: raise SystemExit(3): SystemExit: 3"),
    ],
)
def test_a_mistake_is_one_message(cli, file, in_folder, net, message):
    (in_folder / "bad.py").write_text("import torch\nimport nothing_here\n")
    (in_folder / "worse.py").write_text("class Net(:\n")
    (in_folder / "quits.py").write_text("raise SystemExit(3)\n")
    answer = cli("check", net, "--input", "3x8x8")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"striate: {message}")


def test_the_input_must_be_said(cli, file):
    answer = cli("check", "my_net.py:Net")
    assert answer.code == 2
    assert "no input size given; a module needs one, such as --input 3x224x224" in answer.err


def test_code_has_no_description(file):
    network = open_network("my_net.py:Net")
    assert network.has_weights
    with pytest.raises(SpecError, match=r"my_net.py:Net is a PyTorch module, which is Python code already"):
        network.description()
    assert open_network("my_net.py:words").description() == lower(Seq(Conv(6, 3)))


def test_what_is_code():
    assert is_code("a/b.py:Net")
    assert is_code("b.py")
    assert not is_code("conv 6 5; relu")
    assert not is_code("net.net")
    assert not is_code(3)


def test_the_search_path_is_left_as_it_was(file):
    import sys

    before = list(sys.path)
    load_code(f"{file}:Net")
    assert sys.path == before


def test_no_file_says_what_code_to_run(in_folder):
    """A run's recipe.json holds its network as text, and is read as nothing else."""
    prepare("digits", "flatten; linear 10", out="run")
    (in_folder / "evil.py").write_text("open('it-ran', 'w').close()\nNet = 3\n")
    about = json.loads((in_folder / "run" / "recipe.json").read_text())
    (in_folder / "run" / "recipe.json").write_text(json.dumps(about | {"net": "evil.py:Net"}))
    with pytest.raises(SpecError, match="evil"):
        prepare("digits", out="run", resume=True)
    assert not (in_folder / "it-ran").exists()


# ------------------------------------------------------------------------------------- files of a package, and weights
@pytest.mark.parametrize("with_init", [True, False])
def test_a_file_that_imports_from_its_package(cli, in_folder, with_init):
    package = in_folder / "research"
    (package / "nets").mkdir(parents=True)
    (package / "blocks.py").write_text("from torch import nn\ndef block(n):\n    return nn.Conv2d(1, n, 3)\n")
    (package / "nets" / "small.py").write_text(
        "from ..blocks import block\nfrom .width import WIDTH\nnet = block(WIDTH)\nother = block(2)\n"
    )
    (package / "nets" / "width.py").write_text("WIDTH = 6\n")
    for folder in (package, package / "nets") if with_init else ():
        (folder / "__init__.py").touch()

    def parameters():
        found = open_network("research/nets/small.py:net").module
        return sum(p.numel() for p in found.parameters())

    assert parameters() == 60
    (package / "nets" / "width.py").write_text("WIDTH = 12\n")
    os.utime(package / "nets" / "width.py", (0, 0))  # as of a second ago or more, for Python's own cache
    assert parameters() == 120  # read anew


def test_a_file_that_imports_from_the_current_folder(cli, in_folder):
    (in_folder / "parts").mkdir()
    (in_folder / "parts" / "width.py").write_text("WIDTH = 6\n")
    (in_folder / "nets").mkdir()
    (in_folder / "nets" / "small.py").write_text(
        "from torch import nn\nfrom parts.width import WIDTH\nnet = nn.Conv2d(1, WIDTH, 3)\n"
    )
    before = sys.path.copy()
    assert open_network("nets/small.py:net").module.out_channels == 6
    assert sys.path == before


STATES = {
    "a state dict": lambda state: state,
    "DataParallel": lambda state: {f"module.{name}": value for name, value in state.items()},
    "compiled": lambda state: {f"module._orig_mod.{name}": value for name, value in state.items()},
    "Lightning": lambda state: {
        "epoch": 3,
        "state_dict": {"loss.weight": torch.ones(2)} | {f"model.{name}": value for name, value in state.items()},
    },
    "half precision": lambda state: {name: value.half() for name, value in state.items()},
}


@pytest.fixture
def state(file):
    made = open_network("my_net.py:Net").module
    return {name: (value * 4).round() / 8 for name, value in made.state_dict().items()}  # exact in half precision too


@pytest.mark.parametrize("kind", STATES)
def test_weights_of_every_kind_of_file(cli, file, state, kind):
    torch.save(STATES[kind](state), "weights.ckpt")
    found = open_network("my_net.py:Net@weights.ckpt")
    assert (found.given, found.has_weights, found.is_own) == ("my_net.py:Net@weights.ckpt", True, True)
    assert all(torch.equal(value, state[name]) for name, value in found.module.state_dict().items())
    shown = cli("filters", "my_net.py:Net@weights.ckpt", "--input", "3x8x8", "--json")
    assert json.loads(shown.out)["max"] == pytest.approx(state["conv.weight"].max().item())


def test_a_safetensors_file_that_is_no_model_file(file, state):
    save_file(state, "weights.safetensors")
    assert torch.equal(
        open_network("my_net.py:Net@weights.safetensors").module.state_dict()["fc.bias"], state["fc.bias"]
    )


def test_weights_that_do_not_fit_are_listed(cli, file, state):
    torch.save({name: value for name, value in state.items() if name != "fc.bias"} | {"a.b": torch.ones(2)}, "odd.pth")
    said = cli("filters", "my_net.py:Net@odd.pth", "--input", "3x8x8").err
    assert (
        "odd.pth: does not contain the weights of the Net, 2 faults:\n  extra      a.b\n  missing    fc.bias (10)"
        in said
    )
    torch.save(open_network("my_net.py:Net").module, "whole.pth")
    said = cli("filters", "my_net.py:Net@whole.pth", "--input", "3x8x8").err
    assert "whole.pth: refused, nothing was run: its pickle asks for striate_user_my_net.Net" in said


def test_training_begins_with_the_layers_that_fit(cli, file, state, in_folder):
    words = ("train", "digits", "--input", "8", "--net", "my_net.py:Net", "--fraction", "0.2")
    torch.save(state, "weights.pth")
    done = cli(*words, "--weights", "weights.pth", "--freeze", "conv", "-e", "1", "--out", "run")
    assert "loaded the weights of 2 of 2 layers from weights.pth" in done.err
    frozen = open_network("my_net.py:Net@run").module.state_dict()
    assert torch.equal(frozen["conv.weight"], state["conv.weight"])
    assert not torch.equal(frozen["fc.weight"], state["fc.weight"])
    assert cli(*words, "-e", "2", "--out", "run", "--resume").code == 0
    torch.save(state | {"fc.weight": torch.ones(3, 4)}, "other.pth")
    done = cli(*words, "--weights", "other.pth", "-e", "1", "--out", "second")
    assert "loaded the weights of 1 of 2 layers from other.pth\nnew layers: fc" in done.err
    torch.save({"a": torch.ones(2)}, "strange.pth")
    done = cli(*words, "--weights", "strange.pth", "-e", "1", "--out", "third")
    assert "strange.pth: no tensor in it (a, ...) has the name and the shape of one of the Net (conv.weight" in done.err
    assert not (in_folder / "third").exists()


def test_training_begins_with_the_weights_that_are_named_with_the_code(cli, file, state):
    torch.save(state, "weights.pth")
    words = ("train", "digits", "--input", "8", "--fraction", "0.2", "--lr", "1e-12", "-e", "1", "--out", "run")
    assert "recipe: finetune" in cli(*words, "--net", "my_net.py:Net@weights.pth").err
    about = json.loads(Path("run/recipe.json").read_text())
    assert (about["code"], about["weights"]) == ("my_net.py:Net", "weights.pth")
    trained = open_network("my_net.py:Net@run").module.state_dict()
    assert all(torch.allclose(value, state[name], atol=1e-6) for name, value in trained.items())


def test_a_numbered_layer_can_be_frozen(cli, in_folder):
    (in_folder / "plain.py").write_text(
        "from torch import nn\nnet = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 10))\n"
    )
    words = ("train", "digits", "--net", "plain.py:net", "--fraction", "0.1", "-e", "1", "--out", "run")
    assert "frozen up to 0: 20 parameters; trainable: 730" in cli(*words, "--freeze", "0").err


# -------------------------------------------------------------------------- a model file of a network trained elsewhere
def test_a_model_file_of_weights_from_elsewhere_predicts_as_the_module(cli, file, state, in_folder):
    torch.save({"model": state}, "weights.pth")
    Path("names.txt").write_text("\n".join("abcdefghij"))
    words = ("weights", "my_net.py:Net", "weights.pth", "--input", "3x8x8", "--classes", "names.txt")
    done = cli(*words, "--mean", "0.5,0.4,0.3", "--std", "0.2", "-o", "net.safetensors")
    assert "net.safetensors: my_net.py:Net, 2,338 parameters, 10 classes\nimages: resized to 8x8" in done.out
    assert "striate predict my_net.py:Net@net.safetensors IMAGE" in done.err
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("one.png")
    found = json.loads(cli("predict", "my_net.py:Net@net.safetensors", "one.png", "--top", "10", "--json").out)
    module = open_network("my_net.py:Net@weights.pth").module.eval()
    x = (torch.from_numpy(pixels).permute(2, 0, 1) / 255 - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / 0.2
    wanted = module(x[None]).softmax(1)[0].tolist()
    assert {row["class"]: row["probability"] for row in found[0]["top"]} == pytest.approx(
        dict(zip("abcdefghij", wanted, strict=True)), abs=1e-4
    )


def test_a_model_file_of_a_network_with_an_answer_for_every_pixel(file, in_folder):
    model = weights("my_net.py:pixels", input="3x8x8", out="net.safetensors")
    assert (str(model.contract.task), model.contract.classes) == ("segmentation", ("0", "1", "2", "3"))
    assert load("net.safetensors", open_network("my_net.py:pixels").module).contract == model.contract


@pytest.mark.parametrize(
    ("net", "options", "message"),
    [
        ("my_net.py:Net", {}, "my_net.py:Net: give the input that it takes with --input, such as 3x224x224"),
        ("my_net.py:Net", {"input": "2x8x8"}, "my_net.py:Net: input 2x8x8; images are 1, 3 or 4 channels"),
        ("my_net.py:Net", {"input": "1x8x8"}, r"my_net.py:Net: does not take 1x8x8 \(RuntimeError: Given groups=1"),
        (
            "my_net.py:Net",
            {"input": 8, "mean": [1, 2]},
            "--mean has 2 numbers, the input 3 channels",
        ),
        ("my_net.py:Net", {"input": 8, "classes": "ab"}, "my_net.py:Net: has 10 outputs, but there are 2 class names"),
        ("my_net.py:Net", {"input": 8, "sides": True}, "--aux-heads is for googlenet_torchvision; omit it"),
        (
            "my_net.py:flat",
            {"input": 8},
            r"my_net.py:flat: gives shape \(2, 3, 64\) for two; expected scores of classes",
        ),
        ("resnet18", {"mean": [0.5]}, "resnet18: input, mean and std are those of torchvision; omit --input"),
    ],
)
def test_what_is_wrong_with_a_model_of_ones_own(file, net, options, message):
    if isinstance(options.get("classes"), str):
        options = options | {"classes": list(options["classes"])}
    with pytest.raises(Error, match=message):
        weights(net, "no.pth" if net == "resnet18" else None, **options)


def test_a_mean_that_is_no_number(cli, file):
    said = cli("weights", "my_net.py:Net", "--input", "8", "--mean", "imagenet", "-o", "a.safetensors").err
    assert "--mean imagenet: expected numbers, such as 0.485,0.456,0.406" in said


@pytest.mark.parametrize("kind", ["pth", "safetensors"])
def test_weights_of_8_bits_are_refused_by_their_type(file, state, kind):
    eight = {name: value.to(torch.float8_e4m3fn) for name, value in state.items()}
    torch.save(eight, "w.pth")
    save_file(eight, "w.safetensors")
    with pytest.raises(ModelError) as caught:
        open_network(f"my_net.py:Net@w.{kind}")
    came = {"pth": "float8_e4m3fn", "safetensors": "F8_E4M3"}[kind]
    assert f"is {came}, expected float32" in str(caught.value)
    assert str(caught.value).endswith(
        "save them as float32 first: {name: value.float() for name, value in state_dict.items()}"
    )


@pytest.mark.parametrize("text", ["nets.old.my_net:Net", "nets.old.my_net.Net", "nets/old/my_net:Net"])
def test_a_dotted_path_is_told_the_file(file, text):
    with pytest.raises(SpecError, match=r"given as FILE\.py:NAME; there is no nets/old/my_net\.py|unknown network"):
        open_network(text)
    Path("nets/old").mkdir(parents=True)
    Path("nets/old/my_net.py").write_bytes(Path("my_net.py").read_bytes())
    with pytest.raises(SpecError, match=r"as FILE\.py:NAME; did you mean 'nets/old/my_net\.py:Net'\?"):
        open_network(text)
    assert open_network("a:relu").description().nodes[0].name == "a"
    assert open_network("keras.c1: conv 6 3; relu").description().nodes[0].name == "keras.c1"
    for word, meant in (("rleu", "relu"), ("dense", "linear"), ("Pool", "maxpool")):
        with pytest.raises(SpecError, match=f"unknown layer '{word}'; did you mean '{meant}'"):
            open_network(f"a:{word}")


def test_a_module_is_told_how_it_becomes_a_model(cli, file):
    assert "make a model of it: striate weights FILE.py:NAME WEIGHTS" in cli("predict", "my_net.py:Net", "a.png").err


@pytest.mark.parametrize("words", [["--net", "lenet5", "--weights", "w.pth"], ["--weights", "my_net.py:Net@w.pth"]])
def test_weights_without_their_network_are_told_what_is_missing(cli, file, state, words):
    torch.save(state, "w.pth")
    said = cli("train", "digits", *words).err
    assert "w.pth: contains weights and no network; name its code too: --net" in said
    assert (
        "--weights w.pth; or make a model file of one of the zoo: striate weights NET w.pth -o OUT.safetensors" in said
    )


def test_of_several_networks_in_a_file_the_usual_one_is_taken(cli, file, state):
    other = {name: value + 1 for name, value in state.items()}
    both = {f"model.{k}": v for k, v in state.items()} | {f"average.{k}": v for k, v in other.items()}
    torch.save(both, "both.pth")
    assert torch.equal(open_network("my_net.py:Net@both.pth").module.state_dict()["fc.bias"], state["fc.bias"])
    torch.save({f"a.{k}": v for k, v in state.items()} | {f"b.{k}": v for k, v in other.items()}, "twins.pth")
    with pytest.raises(
        Error, match=r"twins.pth: contains the weights of 2 networks, under a., b.; save the one that is"
    ):
        open_network("my_net.py:Net@twins.pth")


def test_checkpoints_with_settings_are_read_and_those_without_sizes_refused(file, state):
    torch.save({"state_dict": state, "hyper_parameters": Namespace(lr=0.1)}, "old.ckpt")
    assert torch.equal(open_network("my_net.py:Net@old.ckpt").module.state_dict()["fc.bias"], state["fc.bias"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(nn.Sequential(nn.LazyLinear(3)).state_dict(), "lazy.pth")
    with pytest.raises(Error, match=r"lazy.pth: was saved before the lazy layers of the network had sizes; run it on"):
        open_network("my_net.py:Net@lazy.pth")


def test_what_somebody_imported_from_a_package_stays(in_folder):
    package = in_folder / "kept"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "width.py").write_text("WIDTH = 6\n")
    (package / "net.py").write_text("from torch import nn\nfrom .width import WIDTH\nnet = nn.Conv2d(1, WIDTH, 3)\n")
    sys.path.insert(0, str(in_folder))
    try:
        from kept import width
    finally:
        sys.path.remove(str(in_folder))
    assert open_network("kept/net.py:net").module.out_channels == 6
    assert sys.modules["kept.width"] is width


class Keyed(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 5, 3), nn.Linear(5, 2)

    def forward(self, x):
        features = self.conv(x)
        return {"loss": None, "features": features, "logits": self.head(features.mean((2, 3)))}


def test_the_predictions_among_several_outputs_are_looked_into():
    module = Keyed()
    looked = inspected(module, (3, 9, 9))
    assert looked.contract.classes == ("0", "1")
    assert looked.module(torch.zeros(1, 3, 9, 9)).shape == (1, 2)
    assert isinstance(module(torch.zeros(1, 3, 9, 9)), dict)  # the one that was given is as it was


def test_a_loaded_module_gives_elsewhere_what_it_gave(tmp_path):
    module = Keyed()
    inspected(Keyed(), (3, 9, 9)).model.save(tmp_path / "a.safetensors")
    model = load(tmp_path / "a.safetensors", module)
    assert model.module(torch.zeros(1, 3, 9, 9)).shape == (1, 2)
    assert isinstance(module(torch.zeros(1, 3, 9, 9)), dict)


@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_lazy_statistics_are_copied_too():
    module = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(2))
    assert check_module(module, (3, 9, 9)).parameters == 4 * 27 + 4 + 8 + 4 * 49 * 2 + 2


def test_files_that_are_something_else(file, state):
    Path("pointer.pth").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 123\n")
    with pytest.raises(Error, match=r"pointer.pth: a pointer of Git LFS and not the file itself; fetch it with: git"):
        open_network("my_net.py:Net@pointer.pth")
    torch.save(state | {"fc.bias": torch.ones(3)}, "three.pth")
    with pytest.raises(Error, match=r"misshapen  fc.bias is 3, expected 10\nto fine-tune it, the layers that fit are"):
        open_network("my_net.py:Net@three.pth")
    torch.save({"a": torch.ones(3)}, "other.pth")
    with pytest.raises(
        Error, match=r"other.pth: no tensor in it \(a, ...\) has the name and the shape of one of the Net"
    ):
        open_network("my_net.py:Net@other.pth")
    with pytest.raises(Error, match=r"three.pth: the network comes first: striate weights my_net.py:Net three.pth"):
        weights("three.pth", "my_net.py:Net", input=8)


def test_a_mean_of_bytes_is_refused(file):
    with pytest.raises(Error, match=r"--mean 123.7: expected numbers from 0 to 1, as of pixels divided by 255"):
        weights("my_net.py:Net", input=8, mean=[123.7])
