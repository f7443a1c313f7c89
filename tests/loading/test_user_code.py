"""``my_net.py:Net`` on the command line: somebody's own file, and every way in which it may not do."""

import json

import pytest

from striate.errors import SpecError
from striate.loading import open_network
from striate.loading.user_code import is_code, load_code
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
    with pytest.raises(SpecError, match=r"my_net.py:Net is a PyTorch module, of which no description is known"):
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
