"""Somebody's own PyTorch module in a run: trained, saved by weights alone, loaded with its code, resumed."""

from __future__ import annotations

import json
from collections import namedtuple
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

import striate
from striate.errors import ModelError, RecipeError, SpecError
from striate.model.header import read_header
from striate.model.model import Model
from striate.net import build
from striate.run import prepare
from striate.spec import parse

CODE = """import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3)
        self.norm = nn.GroupNorm(2, 4)  # which no word of the notation says
        self.head = nn.Linear(4 * 36, 10)
        self.head2 = self.head  # shared

    def forward(self, x):
        if x.mean() > 1e9:  # what decides by values cannot be followed without them
            return x
        return self.head2(torch.relu(self.norm(self.first(x))).flatten(1))

class Two(Net):
    def forward(self, x):
        return super().forward(x), x

class Colour(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10))

class Aside(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(64, 10))

    def forward(self, x):
        scores = super().forward(x)
        return {"aux": scores + 1, "out": scores} if self.training else scores

class Pair(nn.Module):
    def forward(self, a, b):
        return a - b

class Wrong(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(64, 7))
"""


@pytest.fixture
def code(in_folder):
    (in_folder / "my_net.py").write_text(CODE)
    return "my_net.py:Net"


def trained(net, **more):
    return striate.train(net, "digits", quiet=True, fraction=0.3, **{"epochs": 1, "out": "run"} | more)


def test_from_code_to_predictions(code, in_folder, cli):
    done = cli("train", "digits", "--net", code, "-e", "2", "--fraction", "0.3", "--out", "run")
    assert f"striate evaluate {code}@run digits" in done.err
    about = json.loads((in_folder / "run" / "recipe.json").read_text())
    assert (about["net"], about["code"], about["name"]) == ("", code, "Net")
    header = read_header(in_folder / "run" / "model.safetensors")
    assert (header.graph, header.code) == (None, code)
    scores = json.loads(cli("evaluate", f"{code}@run", "--json").out)
    assert scores["accuracy"] == striate.runs("run").rows[0].test > 0.4
    assert scores["n"] == 360
    found = json.loads(cli("predict", f"{code}@run", "digits", "--json").out)
    assert len(found) == 1797
    both = json.loads(cli("evaluate", f"{code}@run", f"{code}@run", "--json").out)
    assert (both["difference"], both["verdict"]) == (0, "not distinguishable")
    assert "settings are the same" in cli("runs", "run", "run").out


@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_images_come_in_the_channels_that_it_takes_and_lazy_layers_get_their_sizes(code, in_folder, cli):
    words = ("train", "digits", "--fraction", "0.3", "--out", "run")
    done = cli(*words, "--net", "my_net.py:Colour", "-e", "1")
    assert "channels: 3, as my_net.py:Colour takes\n" in done.err
    assert "Colour on digits: input 3x8x8, 1,562 parameters" in done.out
    assert read_header(in_folder / "run" / "model.safetensors").contract.mode == "RGB"
    assert json.loads(cli("evaluate", "my_net.py:Colour@run", "--json").out)["n"] == 360
    assert cli(*words, "--net", "my_net.py:Colour", "-e", "2", "--resume").code == 0
    refused = cli("train", "digits", "--net", "my_net.py:Colour", "--channels", "1")
    assert "my_net.py:Colour: does not take a batch of shape (2, 1, 8, 8) (RuntimeError: Given groups=1" in refused.err


@dataclass
class Outputs:
    logits: torch.Tensor
    hidden: tuple[torch.Tensor, ...]


class Keyed(nn.Module):
    """Gives what *kind* makes of its scores."""

    def __init__(self, kind):
        super().__init__()
        self.kind, self.head = kind, nn.Linear(64, 10)

    def forward(self, x):
        scores = self.head(x.flatten(1))
        return self.kind(scores, scores + torch.arange(10))  # another order


@pytest.mark.parametrize(
    "kind",
    [
        lambda right, other: {"aux": other, "out": right},
        namedtuple("Logits", "logits aux"),
        lambda right, other: Outputs(right, (other,)),
    ],
    ids=["dict", "named tuple", "dataclass"],
)
def test_the_predictions_among_several_outputs_are_trained_and_answer(kind, in_folder):
    net = Keyed(kind)
    model, plain = trained(net, epochs=3), Keyed(lambda right, other: right)
    plain.load_state_dict(model.module.state_dict())
    digits = striate.open_data("digits").test.inputs[:50, None]
    wanted = Model(plain, model.contract).scores(digits)
    assert np.array_equal(model.scores(digits), wanted)
    assert np.array_equal(striate.load("run", Keyed(kind)).scores(digits), wanted)
    assert not isinstance(net(torch.zeros(1, 64)), torch.Tensor)  # the one that was given is as it was


def test_auxiliary_heads_of_training_alone(code, cli):
    assert cli("train", "digits", "--net", "my_net.py:Aside", "-e", "1", "--fraction", "0.3", "--out", "run").code == 0
    assert cli("export", "my_net.py:Aside@run", "--to", "program", "-o", "net.pt2").code == 0


def test_the_file_alone_says_whose_it_is_and_runs_nothing(code, in_folder, cli):
    trained(code)
    with pytest.raises(ModelError) as error:
        striate.load("run")
    assert str(error.value) == (
        "run/model.safetensors: contains the weights of the PyTorch module my_net.py:Net; model files contain no code, "
        "so name the module too: my_net.py:Net@run/model.safetensors, or in Python "
        "striate.load('run/model.safetensors', module)"
    )
    failed = cli("evaluate", "run")
    assert failed.code == 4
    assert "contains the weights of the PyTorch module my_net.py:Net" in failed.err
    with pytest.raises(ModelError, match="the net needs bias, weight, which the file does not contain"):
        striate.load("run", nn.Linear(2, 2))
    trained("flatten; linear 10", out="ours")
    with pytest.raises(ModelError, match="it says itself what its network is; omit the module"):
        striate.load("ours", nn.Linear(2, 2))
    with pytest.raises(ModelError, match=r"ours: says itself what its network is; omit my_net.py:Net@"):
        striate.evaluate(f"{code}@ours")


def test_a_module_stays_as_it_is_and_its_copy_is_trained(in_folder):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    model = trained(net, epochs=2)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert model.module is not net
    again = striate.load("run", nn.Sequential(nn.Flatten(), nn.Linear(64, 10)))
    x = np.arange(2 * 64, dtype=np.uint8).reshape(2, 1, 8, 8)
    assert np.array_equal(again.scores(x), model.scores(x))


def test_a_module_of_striate_is_saved_with_its_description(in_folder):
    net = build(parse("input 1x8x8; flatten; linear 10"), seed=3)
    trained(net)
    assert striate.load("run").graph == net.graph


def test_the_seed_decides_about_the_weights_of_code(code):
    seeds = enumerate((1, 1, 2))
    one, same, other = (prepare("digits", code, settings={"seed": seed}, out=f"run{i}") for i, seed in seeds)
    weights = [run.model.module.first.weight for run in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_gone_on_with_it_ends_as_if_never_stopped(code, in_folder):
    settings = {"epochs": 2, "fraction": 0.3, "precision": "float32"}
    whole = prepare("digits", code, settings=settings, out="whole")
    list(whole.events())
    run = prepare("digits", code, settings=settings, out="stopped")
    for event in run.events():
        if getattr(event, "step", 0) == 3:
            run.save_state()
            break
    run.lock.release()
    with pytest.raises(SpecError, match=r"stopped: was trained from my_net.py:Net, whose code no file .* add --net"):
        prepare("digits", out="stopped", resume=True)
    run = prepare("digits", code, out="stopped", resume=True)
    list(run.events())
    state = run.model.module.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in whole.model.module.state_dict().items())


def test_its_weights_begin_another_run(code):
    trained(code)
    said = []
    more = {"settings": {"epochs": 1}, "say": said.append, "out": "next"}
    run = prepare("digits", code, weights=f"{code}@run", freeze="first", **more)
    assert "loaded the weights of 4 of 4 layers from my_net.py:Net@run" in said
    assert not run.model.module.first.weight.requires_grad
    with pytest.raises(
        SpecError, match="the weights are of a PyTorch module of your own; name its code too, with --net"
    ):
        prepare("digits", weights=f"{code}@run")


@pytest.mark.slow
def test_it_is_taken_wherever_several_runs_are(code, in_folder, cli):
    few = {"epochs": 1, "fraction": 0.3, "quiet": True}
    found = striate.curve(code, "digits", fractions=(0.2, 0.5), epochs=1, quiet=True, out="curve")
    assert [point.items for point in found.points] == [259, 647]
    striate.train_series(code, "digits", folds=2, out="folds", **few)
    judged = striate.wrong_labels(f"{code}@folds", "digits")
    assert len(judged.names) == 1437  # the folds are of the training split
    trained(code)
    assert "\n\nof the run: baseline accuracy" in cli("evaluate", f"{code}@run").out


def test_as_a_network_code_is_made_anew_and_a_module_keeps_its_weights(code):
    model = trained(code)
    run = prepare("digits", f"{code}@run", settings={"epochs": 1}, out="again")
    assert run.model.code == code
    assert not torch.equal(run.model.module.first.weight, model.module.first.weight)
    again = prepare("digits", striate.load("run", type(model.module)()), settings={"epochs": 1}, out="third")
    assert again.model.code == code


class Held(nn.Module):
    """Its weights are in no part of its own."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(64, 10))
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(x.flatten(1)) @ self.weight


def test_weights_that_are_in_no_part_of_its_own(in_folder):
    trained(Held(), out="run")
    assert "Labels that look wrong" in (in_folder / "run" / "report.html").read_text("utf-8")


class Words(nn.Module):
    def __init__(self, words=12):
        super().__init__()
        self.embed, self.out = nn.Embedding(words, 8), nn.Linear(8, 2)

    def forward(self, x):
        return self.out(self.embed(x).mean(1))


def test_texts_get_as_many_words_as_its_embedding_has(in_folder):
    ends = [("bad", "no"), ("good", "so")]
    x = [f"{word} {end} film {i % 7} {i // 7}" for i in range(60) for word, end in [ends[i % 2]]]
    y = ["np"[i % 2] for i in range(60)]
    model = striate.train(Words(), (x, y), quiet=True, epochs=1, out="run")
    assert len(model.contract.vocabulary) == 10
    with pytest.raises(SpecError, match=r"the Words: its embedding has room for 2 words"):
        striate.train(Words(2), (x, y), quiet=True)
    with pytest.raises(SpecError, match=r"the Linear: has no nn.Embedding, but texts are word indices, int64"):
        striate.train(nn.Linear(5, 2), (x, y), quiet=True)


@pytest.mark.parametrize(
    ("net", "more", "kind", "text"),
    [
        ("my_net.py:Wrong", {}, SpecError, "my_net.py:Wrong: output 7 does not match the 10 classes of digits"),
        (
            nn.Conv2d(3, 4, 3),
            {},
            SpecError,
            r"the Conv2d: output 4x6x6 does not match",
        ),
        (
            nn.Conv2d(5, 4, 3),
            {},
            SpecError,
            r"the Conv2d: does not take a batch of shape \(2, 1, 8, 8\) \(RuntimeError: .*; striate check shows where",
        ),
        (
            "my_net.py:Pair",
            {},
            SpecError,
            r"missing 1 required .* 'b'\): it has several inputs \(a, b\); train it with striate.training",
        ),
        (
            "my_net.py:Two",
            {},
            SpecError,
            "my_net.py:Two: gives a tuple; expected one tensor of scores, so return that alone, or in a dict under",
        ),
        ("my_net.py:Net", {"init": "he"}, RecipeError, "init he: my_net.py:Net brings its own weights; omit it"),
        (
            "my_net.py:Net",
            {"start_size": 0.5},
            RecipeError,
            "start_size=0.5: which sizes my_net.py:Net takes .* use start_size=1",
        ),
    ],
    ids=["outputs", "outputs of its channels", "inputs", "two inputs", "two outputs", "init", "start size"],
)
def test_mistakes(code, net, more, kind, text):
    with pytest.raises(kind, match=text):
        trained(net, **more)


def test_weights_of_other_kinds_are_kept_or_refused_by_name(in_folder):
    class Odd(nn.Sequential):
        def __init__(self, dtype):
            super().__init__(nn.Flatten(), nn.Linear(64, 10))
            self.register_buffer("odd", torch.ones(3).to(dtype))

    trained(Odd(torch.float64))
    assert striate.load("run", Odd(torch.float64)).module.odd.dtype == torch.float64
    with pytest.raises(ModelError, match=r"odd is torch.complex64; a model file takes F32, I64"):
        trained(Odd(torch.complex64), out="other")


def test_its_source_is_not_exported(code, in_folder, cli):
    trained(code)
    failed = cli("export", "my_net.py:Net@run")
    assert failed.err == (
        "striate: my_net.py:Net@run: a PyTorch module has its source already; export the trained model with --to onnx "
        "or --to program\n"
    )
